//! What no policy may ever change: sentences that are proven of every set of policies, for all requests that there can be.
//!
//! Most are a `forbid` in Cedar: it holds of a set if adding it would change no decision. So an invariant is read as a policy is,
//! and checked against the schema as one. The proving is done by a program of its own, which knows the solver.

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use serde::Deserialize;

use crate::limits;
use crate::policies::PolicyError;

/// The invariants of Caretaker.
pub const BUILT_IN: &str = include_str!("../policies/invariants.json");

/// One sentence, and how it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invariant {
    /// Its name.
    pub name: String,
    /// What it says, in words.
    pub says: String,
    /// How it is checked.
    pub check: Check,
}

/// How an invariant is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Adding this `forbid` changes no decision: for all requests, by the solver.
    Forbids(Box<Policy>),
    /// No permit names one thing of this type: in the text of each. What names nobody treats all alike.
    NamesNo(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    says: String,
    forbid: Option<String>,
    names_no: Option<String>,
}

impl Row {
    fn invariant(self, schema: &Schema) -> Result<Invariant, String> {
        let check = match (self.forbid, self.names_no) {
            (Some(text), None) => Check::Forbids(Box::new(forbid(&self.name, &text, schema)?)),
            (None, Some(of)) => {
                if !schema.entity_types().any(|known| known.to_string() == of) {
                    return Err(format!("`{of}` is no type of the schema"));
                }
                Check::NamesNo(of)
            }
            _ => return Err("one way to check it is needed, and one only".to_owned()),
        };
        Ok(Invariant { name: self.name, says: self.says, check })
    }
}

fn forbid(name: &str, text: &str, schema: &Schema) -> Result<Policy, String> {
    if let Some(detail) = limits::exceeded(text) {
        return Err(detail);
    }
    let policy = Policy::parse(Some(PolicyId::new(format!("invariant-{name}"))), text)
        .map_err(|error| error.to_string())?;
    if policy.effect() != Effect::Forbid {
        return Err("it must be a forbid".to_owned());
    }
    let set = PolicySet::from_policies([policy.clone()]).map_err(|error| error.to_string())?;
    let found = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let errors = found.validation_errors().map(ToString::to_string);
    // One that forbids nothing would hold of everything.
    let warnings = found.validation_warnings().map(ToString::to_string);
    match errors.chain(warnings).next() {
        Some(wrong) => Err(wrong),
        None => Ok(policy),
    }
}

/// Reads a table of invariants.
///
/// # Errors
/// When it is no such table, or one of them makes no sense by the schema.
pub fn read(text: &str, schema: &Schema) -> Result<Vec<Invariant>, PolicyError> {
    let wrong = |detail: String| PolicyError::Syntax { file: "invariants.json".to_owned(), detail };
    let rows: Vec<Row> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let read = |row: Row| {
        let name = row.name.clone();
        row.invariant(schema).map_err(|detail| wrong(format!("`{name}`: {detail}")))
    };
    rows.into_iter().map(read).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::policies::SCHEMA;

    fn check(from: &str, to: &str) {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
        assert!(read(BUILT_IN, &schema).unwrap().len() > 4);
        assert!(BUILT_IN.contains(from), "{from}");
        assert!(read(&BUILT_IN.replacen(from, to, 1), &schema).is_err(), "{to}");
    }

    #[test]
    fn an_invariant_that_makes_no_sense_is_refused() {
        check("forbid (principal is Service::Worker", "permit (principal is Service::Worker");
        check("principal.platform", "principal.plattform");
        check("Service::Monitor", "Service::Vault");
        check("\"names_no\": \"Person\"", "\"names_no\": \"People\"");
        check(
            "\"names_no\": \"Person\"",
            "\"names_no\": \"Person\", \"forbid\": \"forbid (principal, action, resource);\"",
        );
        check("\"name\": \"one-platform\",", "");
    }
}
