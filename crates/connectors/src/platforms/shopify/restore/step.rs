//! A step of a restore: one mutation with its input, known in full before anything is sent.

use serde_json::{Map, Value};

use super::part::Part;

/// Most elements of one list in one call.
pub(super) const PER_CALL: usize = 250;

/// A mutation document and what must be known to send it.
#[derive(Debug)]
pub(super) struct Call {
    /// The document.
    pub(super) document: &'static str,
    /// The mutation's name, under which its answer stands.
    pub(super) root: &'static str,
    /// What it costs from the budget, as the platform computes it before running it.
    pub(super) cost: u64,
    /// Where the variables hold a list of independent things, if they do: a refusal of some of them, which the
    /// platform answers by refusing all, is then answered by sending the others again.
    pub(super) list: Option<&'static str>,
    /// What to wait for after it.
    pub(super) wait: Wait,
    /// Whether it takes away, so that what is gone already is no problem.
    pub(super) takes_away: bool,
}

/// What to wait for after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its answer says that it is done.
    Nothing,
    /// It started a job, which the answer names, if there was anything to do.
    Job,
    /// Files that it made or changed are being processed.
    Files,
    /// Codes of a discount are being made, each of which may be refused.
    Codes,
}

impl Call {
    pub(super) const fn new(root: &'static str, document: &'static str, cost: u64) -> Self {
        Self { document, root, cost, list: None, wait: Wait::Nothing, takes_away: false }
    }

    /// The same call, which starts work that must be waited for.
    pub(super) const fn waiting_for(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }

    /// The same call, for a list of things that are to be gone.
    pub(super) const fn taking_away(self, list: &'static str) -> Self {
        Self { list: Some(list), takes_away: true, ..self }
    }

    /// The same call for a list of independent things.
    pub(super) const fn of_many(self, list: &'static str) -> Self {
        Self { list: Some(list), ..self }
    }
}

/// What a step makes, so that the new ids are learnt from the answer.
#[derive(Debug, Clone)]
pub(super) enum Born {
    /// The item itself; its node stands under this name in the answer.
    Item(&'static str),
    /// Parts of it; their list stands at this place in the answer.
    Parts {
        /// Where.
        at: &'static str,
        /// How they are recognised.
        part: &'static Part,
        /// What was wanted.
        wanted: Vec<Value>,
    },
}

/// The step that makes the item.
pub(super) const CREATE: &str = "create";

/// In which order products shall stand.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// The wanted order, by ids of the backup.
    pub(super) goal: Vec<String>,
    /// The order in which those stand that are there.
    pub(super) now: Vec<String>,
    /// How many of the wanted are not among those: they are looked for before they are moved.
    pub(super) unseen: usize,
}

/// Translations of one thing into one language.
#[derive(Debug, Clone)]
pub(super) struct Translate {
    /// The thing, by its id of the backup.
    pub(super) resource: String,
    /// The language.
    pub(super) locale: String,
    /// Keys of texts, and what they are in that language.
    pub(super) texts: Vec<(String, String)>,
    /// Keys whose translations are taken away.
    pub(super) gone: Vec<String>,
}

/// What is to be done in a step.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// A mutation.
    Call {
        /// Which.
        call: &'static Call,
        /// Its variables, with markers for ids.
        variables: Map<String, Value>,
    },
    /// Media to be put on a product, which exist still or are uploaded from the stored bytes.
    Media {
        /// The wanted media, each with its place in the payload's list.
        media: Vec<(usize, Value)>,
    },
    /// Products to be put in order, those that exist.
    Order(Order),
    /// Translations, each of a text as it is now.
    Translate(Translate),
}

/// A step.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Its name within the item, the same in every attempt, and no other step's: where it makes parts, it says which,
    /// because what is drawn up depends on what is there.
    pub(super) name: String,
    /// What it writes, in words that complete "could not be restored".
    pub(super) what: String,
    /// What is to be done.
    pub(super) work: Work,
    /// What it makes. A step that makes something is noted in the journal first: it must not be taken twice.
    pub(super) born: Option<Born>,
    /// Whether it makes something that is no item and no part with an id, and must not be repeated blindly: where its
    /// answer is lost, the item is looked at.
    pub(super) once: bool,
    /// Whether it holds only as much as one call takes: after it the item is looked at, and what is left drawn up.
    pub(super) partial: bool,
    /// Whether the rest makes no sense without it.
    pub(super) essential: bool,
}

impl Step {
    /// A step that can be repeated without harm.
    pub(super) fn new(call: &'static Call, what: impl Into<String>, variables: Map<String, Value>) -> Self {
        let what = what.into();
        let work = Work::Call { call, variables };
        Self {
            name: call.root.to_owned(),
            what,
            work,
            born: None,
            once: false,
            partial: false,
            essential: false,
        }
    }

    /// The step that makes the item.
    pub(super) fn birth(call: &'static Call, node: &'static str, variables: Map<String, Value>) -> Self {
        Self {
            name: CREATE.to_owned(),
            born: Some(Born::Item(node)),
            essential: true,
            ..Self::new(call, "the item", variables)
        }
    }

    /// Requests that it takes.
    pub(super) fn requests(&self) -> u64 {
        match &self.work {
            Work::Call { call, variables } => {
                let waits = u64::from(call.wait != Wait::Nothing);
                // A place to upload to is asked for, then the bytes are sent there.
                1 + waits + 2 * uploads(&Value::Object(variables.clone()))
            }
            // Two looks, and one call: files come before products, so they are there.
            Work::Media { .. } => 3,
            // A call, and waiting for what it starts.
            Work::Order(order) => calls(order.unseen) + 2 * calls(order.goal.len()),
            // A look at the texts, and a call each.
            Work::Translate(work) => 1 + u64::from(!work.texts.is_empty()) + u64::from(!work.gone.is_empty()),
        }
    }

    /// What it costs.
    pub(super) fn cost(&self) -> u64 {
        match &self.work {
            Work::Call { call, variables } => {
                let waits = u64::from(call.wait != Wait::Nothing);
                call.cost + waits + 10 * uploads(&Value::Object(variables.clone()))
            }
            Work::Media { media } => 10 + 2 * media.len() as u64,
            Work::Order(order) => order.unseen as u64 + 12 * calls(order.goal.len()),
            Work::Translate(work) => {
                10 * (u64::from(!work.texts.is_empty()) + u64::from(!work.gone.is_empty()))
                    + work.texts.len() as u64
            }
        }
    }
}

/// How many calls it takes to say something of so many.
fn calls(many: usize) -> u64 {
    many.div_ceil(PER_CALL) as u64
}

/// How many files a step uploads.
fn uploads(input: &Value) -> u64 {
    match input {
        Value::Object(object) if object.contains_key(super::upload::MARKER) => 1,
        Value::Object(object) => object.values().map(uploads).sum(),
        Value::Array(values) => values.iter().map(uploads).sum(),
        _ => 0,
    }
}

/// The variables of a call, by name.
pub(super) fn variables<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
