//! The record of a proof: which policies, which invariants, by which solver, and who vouches for it.
//!
//! Whoever has no solver takes a set of policies on such a record, if somebody has signed it whose key is known. It is a
//! text: what was proven, line by line, and below it one signature (Ed25519, RFC 8032) over all that stands above.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use zeroize::Zeroizing;

use crate::invariants::{self, Invariant};
use crate::policies::{Policies, PolicyError, SCHEMA};

/// The record of the policies that Caretaker comes with.
pub const BUILT_IN: &str = include_str!("../policies/proof");

/// Whose records count: a line for each, with a name and a public key.
pub const REVIEWERS: &str = include_str!("../policies/reviewers");

/// The first line of each record.
const HEAD: &str = "caretaker policy proof 1";
const SIGNED: &str = "signed ";
const KEY_LEN: usize = 32;
const SIGNATURE_LEN: usize = 64;

/// What a set of policies and all that it is held against were, in digests.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Digests {
    /// Of the files of policies, each with its name.
    pub policies: String,
    /// Of the schema.
    pub schema: String,
    /// Of the invariants.
    pub invariants: String,
}

/// By what it was proven.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Solver {
    /// Its name and version.
    pub name: String,
    /// Of its program.
    pub digest: String,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Of what.
    pub digests: Digests,
    /// By what.
    pub solver: Solver,
    /// The invariants that were proven, by their names.
    pub proven: Vec<String>,
}

/// Why a record does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is no record.
    #[error("it is no record of a proof")]
    Malformed,
    /// A key cannot be read.
    #[error("it is not a reviewer's key: a name, and 64 hexadecimal digits")]
    Key,
    /// No reviewer whose key is known has signed it.
    #[error("no reviewer whose key is known has signed it")]
    Unsigned,
    /// It is of something else.
    #[error("it is the proof of other {0}")]
    Other(&'static str),
    /// An invariant is not among those that were proven.
    #[error("it does not prove `{0}`")]
    Unproven(String),
}

/// Whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewer {
    name: String,
    key: [u8; KEY_LEN],
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// In small letters alone: a record has one spelling.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let even = text.len().is_multiple_of(2) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    if even { (0..text.len()).step_by(2).map(byte).collect() } else { None }
}

/// Of parts, each with its length before it.
fn digest<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    hex(context.finish().as_ref())
}

impl Digests {
    /// Those of a set of policies and a text of invariants.
    #[must_use]
    pub fn new(policies: &Policies, invariants: &str) -> Self {
        let sources = policies.sources().iter();
        let sources = sources.flat_map(|source| [source.file.as_bytes(), source.text.as_bytes()]);
        Self {
            policies: digest(sources),
            schema: digest([SCHEMA.as_bytes()]),
            invariants: digest([invariants.as_bytes()]),
        }
    }
}

/// Of all that makes a solver.
#[must_use]
pub fn digest_of(parts: &[&[u8]]) -> String {
    digest(parts.iter().copied())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

impl fmt::Display for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, hex(&self.key))
    }
}

impl FromStr for Reviewer {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let (name, key) = text.split_once(' ').filter(|(name, _)| is_word(name)).ok_or(ProofError::Key)?;
        let key = unhex(key).and_then(|bytes| bytes.try_into().ok()).ok_or(ProofError::Key)?;
        ParsedPublicKey::new(&ED25519, key).map_err(|_| ProofError::Key)?;
        Ok(Self { name: name.to_owned(), key })
    }
}

impl Reviewer {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Those of a text: a line for each. Lines that begin with `#` say something to people.
    ///
    /// # Errors
    /// [`ProofError::Key`] when a line is none.
    pub fn read(text: &str) -> Result<Vec<Self>, ProofError> {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::parse).collect()
    }
}

/// A reviewer's own key. It has no `Debug`.
pub struct ReviewerKey {
    name: String,
    pair: Ed25519KeyPair,
}

impl ReviewerKey {
    /// The key that a reviewer has in a file: the name, and the 32 bytes from which it follows as 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`ProofError::Key`] when it is none.
    pub fn read(text: &str) -> Result<Self, ProofError> {
        let (name, seed) =
            text.trim().split_once(' ').filter(|(name, _)| is_word(name)).ok_or(ProofError::Key)?;
        let seed = Zeroizing::new(unhex(seed).ok_or(ProofError::Key)?);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| ProofError::Key)?;
        Ok(Self { name: name.to_owned(), pair })
    }

    /// Whose signature it gives.
    ///
    /// # Errors
    /// [`ProofError::Key`] when the key has no public half.
    pub fn reviewer(&self) -> Result<Reviewer, ProofError> {
        let key = self.pair.public_key().as_ref().try_into().map_err(|_| ProofError::Key)?;
        Ok(Reviewer { name: self.name.clone(), key })
    }
}

impl Record {
    fn body(&self) -> String {
        let Self { digests, solver, proven } = self;
        let mut text = format!(
            "{HEAD}\npolicies {}\nschema {}\ninvariants {}\nsolver {} {}\n",
            digests.policies, digests.schema, digests.invariants, solver.digest, solver.name
        );
        for name in proven {
            // Writing to a text does not fail.
            let _ = writeln!(text, "proven {name}");
        }
        text
    }

    /// The record, signed.
    ///
    /// # Errors
    /// [`ProofError::Key`] when the key cannot sign.
    pub fn sign(&self, key: &ReviewerKey) -> Result<String, ProofError> {
        let body = self.body();
        let signature = key.pair.try_sign(body.as_bytes()).map_err(|_| ProofError::Key)?;
        Ok(format!("{body}{SIGNED}{} {}\n", key.name, hex(signature.as_ref())))
    }

    /// Reads a record that one of these has signed, and says who.
    ///
    /// # Errors
    /// When it is none, or nobody of these has signed it.
    pub fn open<'r>(text: &str, reviewers: &'r [Reviewer]) -> Result<(Self, &'r Reviewer), ProofError> {
        let at = text.rfind(SIGNED).filter(|at| *at > 0).ok_or(ProofError::Malformed)?;
        let (body, line) = text.split_at(at);
        let line = line.strip_prefix(SIGNED).and_then(|line| line.strip_suffix('\n'));
        let (name, signature) = line.and_then(|line| line.split_once(' ')).ok_or(ProofError::Malformed)?;
        let signature = unhex(signature).filter(|bytes| bytes.len() == SIGNATURE_LEN);
        let signature = signature.ok_or(ProofError::Malformed)?;
        let holds = |reviewer: &&Reviewer| {
            let key = ParsedPublicKey::new(&ED25519, reviewer.key);
            reviewer.name == name && key.is_ok_and(|key| key.verify_sig(body.as_bytes(), &signature).is_ok())
        };
        let reviewer = reviewers.iter().find(holds).ok_or(ProofError::Unsigned)?;
        let record = Self::parse(body).ok_or(ProofError::Malformed)?;
        // One spelling: what was signed is what was read.
        if record.body() == body { Ok((record, reviewer)) } else { Err(ProofError::Malformed) }
    }

    fn parse(body: &str) -> Option<Self> {
        let mut lines = body.lines();
        let mut next = |begins: &str| lines.next()?.strip_prefix(begins).map(str::to_owned);
        next(HEAD)?;
        let digests = Digests {
            policies: next("policies ")?,
            schema: next("schema ")?,
            invariants: next("invariants ")?,
        };
        let solver = next("solver ")?;
        let (digest, name) = solver.split_once(' ')?;
        let solver = Solver { name: name.to_owned(), digest: digest.to_owned() };
        let proven =
            lines.map(|line| line.strip_prefix("proven ").map(str::to_owned)).collect::<Option<_>>()?;
        Some(Self { digests, solver, proven })
    }

    /// Whether it proves these invariants of these policies.
    ///
    /// # Errors
    /// When it is of something else, or leaves an invariant out.
    pub fn proves(
        &self,
        policies: &Policies,
        text: &str,
        invariants: &[Invariant],
    ) -> Result<(), ProofError> {
        let now = Digests::new(policies, text);
        for (same, what) in [
            (now.policies == self.digests.policies, "policies"),
            (now.schema == self.digests.schema, "schema"),
            (now.invariants == self.digests.invariants, "invariants"),
        ] {
            if !same {
                return Err(ProofError::Other(what));
            }
        }
        match invariants.iter().find(|invariant| !self.proven.contains(&invariant.name)) {
            Some(missing) => Err(ProofError::Unproven(missing.name.clone())),
            None => Ok(()),
        }
    }
}

/// Who vouches, by a record, for Caretaker's invariants of these policies.
///
/// # Errors
/// When nobody does, whose key Caretaker comes with. The outer error says that the invariants cannot be read.
pub fn vouched(
    policies: &Policies,
    record: &str,
) -> Result<Result<(Record, Reviewer), ProofError>, PolicyError> {
    let invariants = invariants::read(invariants::BUILT_IN, policies.schema())?;
    let vouched = || {
        let reviewers = Reviewer::read(REVIEWERS)?;
        let (record, reviewer) = Record::open(record, &reviewers)?;
        record.proves(policies, invariants::BUILT_IN, &invariants)?;
        Ok((record, reviewer.clone()))
    };
    Ok(vouched())
}
