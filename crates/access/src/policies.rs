//! A set of policies: read, checked against the schema, ready to decide.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};

use crate::decision::{Decision, PolicyName, Why};
use crate::index::Index;
use crate::limits;
use crate::request::Request;

/// What policies may speak of.
pub const SCHEMA: &str = include_str!("../policies/schema.cedarschema");

/// The policies that Caretaker comes with, by the files in which they stand.
const BUILT_IN: &[(&str, &str)] = &[
    ("people.cedar", include_str!("../policies/people.cedar")),
    ("services.cedar", include_str!("../policies/services.cedar")),
    ("walls.cedar", include_str!("../policies/walls.cedar")),
];

/// How a file of policies ends.
const ENDING: &str = "cedar";
/// Largest file of policies that is read, in bytes.
const FILE_LEN_MAX: u64 = 1024 * 1024;
/// What a policy's name is made of.
const NAME_LEN_MAX: usize = 64;

/// Why policies are not taken.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file could not be read.
    #[error("the policies in `{}` could not be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is larger than any that a person wrote.
    #[error("`{}` is too long for a file of policies: at most {FILE_LEN_MAX} bytes are read", .0.display())]
    TooLong(PathBuf),
    /// A text is not Cedar's language.
    #[error("`{file}` cannot be understood: {detail}")]
    Syntax {
        /// In which file.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// A policy has no name of its own, by which the trail could tell of it.
    #[error(
        "in `{file}` a policy has no name of its own: give it an `@id(\"…\")` of a-z, 0-9, `-` that no other has{detail}"
    )]
    Name {
        /// In which file.
        file: String,
        /// Which name, where it has one.
        detail: String,
    },
    /// What the policies say makes no sense by the schema.
    #[error("the policies do not fit the schema: {0}")]
    Schema(String),
}

/// One file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub file: String,
    /// What stands in it.
    pub text: String,
}

/// One policy, to be shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// Its name.
    pub name: PolicyName,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// The policy as it was written.
    pub text: String,
}

/// A set of policies that was checked, and decides.
pub struct Policies {
    sources: Vec<Source>,
    schema: Schema,
    set: PolicySet,
    index: Index,
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("policies", &self.set.num_of_policies()).finish_non_exhaustive()
    }
}

fn is_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= NAME_LEN_MAX && text.bytes().all(letter)
}

/// The schema, read.
fn schema() -> Result<Schema, PolicyError> {
    let (schema, warnings) =
        Schema::from_cedarschema_str(SCHEMA).map_err(|error| PolicyError::Schema(error.to_string()))?;
    match warnings.map(|warning| warning.to_string()).next() {
        Some(warning) => Err(PolicyError::Schema(warning)),
        None => Ok(schema),
    }
}

/// Adds the policies of one file, each under its own name.
fn add(set: &mut PolicySet, Source { file, text }: &Source) -> Result<(), PolicyError> {
    let syntax = |detail: String| PolicyError::Syntax { file: file.clone(), detail };
    if let Some(detail) = limits::exceeded(text) {
        return Err(syntax(detail));
    }
    let read: PolicySet =
        text.parse().map_err(|error: cedar_policy::ParseErrors| syntax(error.to_string()))?;
    if read.templates().next().is_some() {
        return Err(syntax("templates are not taken: write the policy out".to_owned()));
    }
    for policy in read.policies() {
        let nameless = |detail: String| PolicyError::Name { file: file.clone(), detail };
        let name = policy.annotation("id").ok_or_else(|| nameless(String::new()))?;
        if !is_name(name) || set.add(policy.new_id(PolicyId::new(name))).is_err() {
            return Err(nameless(format!(" (`{name}`)")));
        }
    }
    Ok(())
}

impl Policies {
    /// The policies that Caretaker comes with.
    ///
    /// # Errors
    /// Never, as a test shows; the type says that it is checked like any other set.
    pub fn built_in() -> Result<Self, PolicyError> {
        let source =
            |(file, text): &(&str, &str)| Source { file: (*file).to_owned(), text: (*text).to_owned() };
        Self::new(BUILT_IN.iter().map(source).collect())
    }

    /// The policies of a folder: all of its files that end in `.cedar`, and none below it.
    ///
    /// # Errors
    /// When a file cannot be read, or [as a set](Self::new) they are refused.
    pub fn read(dir: &Path) -> Result<Self, PolicyError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| PolicyError::Read { path, source }
        };
        let mut sources = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(failed(dir))? {
            let path = entry.map_err(failed(dir))?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            if std::fs::metadata(&path).map_err(failed(&path))?.len() > FILE_LEN_MAX {
                return Err(PolicyError::TooLong(path));
            }
            let text = std::fs::read_to_string(&path).map_err(failed(&path))?;
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            sources.push(Source { file, text });
        }
        Self::new(sources)
    }

    /// These policies. An empty set is one too: it denies everything.
    ///
    /// # Errors
    /// When one cannot be understood, has no name of its own, or is not what the schema allows. A warning refuses too: a
    /// policy that can never be met was meant otherwise.
    pub fn new(mut sources: Vec<Source>) -> Result<Self, PolicyError> {
        sources.sort_by(|one, other| one.file.cmp(&other.file));
        let schema = schema()?;
        let mut set = PolicySet::new();
        for source in &sources {
            add(&mut set, source)?;
        }
        let found = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        let mut wrong = found.validation_errors().map(ToString::to_string);
        let mut doubtful = found.validation_warnings().map(ToString::to_string);
        if let Some(wrong) = wrong.next().or_else(|| doubtful.next()) {
            return Err(PolicyError::Schema(wrong));
        }
        let unread = || PolicyError::Schema("its actions cannot be read".to_owned());
        let index = Index::new(&set, &schema, |id| PolicyName(id.to_string())).ok_or_else(unread)?;
        Ok(Self { sources, schema, set, index })
    }

    /// The same without one policy.
    ///
    /// # Errors
    /// When there is none of that name, or what is left is refused.
    pub fn without(&self, name: &str) -> Result<Self, PolicyError> {
        let mut left = self.set.clone();
        left.remove_static(PolicyId::new(name))
            .map_err(|_| PolicyError::Name { file: String::new(), detail: format!(" (`{name}`)") })?;
        let text = left.policies().filter_map(Policy::to_cedar).collect::<Vec<_>>().join("\n\n");
        Self::new(vec![Source { file: format!("without-{name}.{ENDING}"), text }])
    }

    /// Decides one question. What no policy permits is denied, and so is what cannot be decided.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        match request.to_cedar() {
            Some((request, entities)) => self.index.decide(&request, &entities),
            None => Decision::Deny { why: Why::Undecided("it cannot be asked".to_owned()) },
        }
    }

    /// Decides among entities that are known already, [a directory's](crate::Directory::entities) with the question that it
    /// [asks](crate::Directory::ask).
    #[must_use]
    pub fn decide_among(
        &self,
        request: &cedar_policy::Request,
        entities: &cedar_policy::Entities,
    ) -> Decision {
        self.index.decide(request, entities)
    }

    /// The files, sorted by name.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// For whoever proves what these policies can never allow.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// For whoever proves what these policies can never allow, or decides without the index.
    #[must_use]
    pub fn set(&self) -> &PolicySet {
        &self.set
    }

    /// Every policy, sorted by name.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let show = |policy: &Policy| Shown {
            name: PolicyName(policy.id().to_string()),
            effect: if policy.effect() == Effect::Permit { "permit" } else { "forbid" },
            text: policy.to_string(),
        };
        let mut shown: Vec<Shown> = self.set.policies().map(show).collect();
        shown.sort_by(|one, other| one.name.cmp(&other.name));
        shown
    }
}
