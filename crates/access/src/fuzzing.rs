//! Entry points for fuzzing: each parser of outside bytes, and what must hold of whatever it is given. Each answers
//! whether the bytes were accepted.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use cedar_policy::Authorizer;

use crate::policies::{Policies, Source};
use crate::proof::{Record, Reviewer, ReviewerKey};
use crate::{examples, invariants};

/// Whose records count here.
fn key() -> ReviewerKey {
    ReviewerKey::read(&format!("anna {}", "01".repeat(32))).expect("a key")
}

/// A record of a proof, or a reviewer's line: what opens was signed, and there is one spelling.
pub fn policy_record(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut accepted = false;
    let key = key();
    if let Ok((record, _)) = Record::open(text, &[key.reviewer().expect("a reviewer")]) {
        assert_eq!(record.sign(&key).as_deref(), Ok(text), "one spelling");
        accepted = true;
    }
    if let Ok(reviewer) = text.parse::<Reviewer>() {
        assert_eq!(reviewer.to_string().parse(), Ok(reviewer));
        accepted = true;
    }
    accepted
}

/// A file of policies, a table of examples or of invariants: what is accepted decides as plain Cedar does.
pub fn policy_texts(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let built_in = examples::read(examples::BUILT_IN).expect("the built-in examples");
    let (mut accepted, mut asked) = (false, built_in);
    if let Ok(more) = examples::read(text) {
        asked = more;
        accepted = true;
    }
    let source = Source { file: "own.cedar".to_owned(), text: text.to_owned() };
    let Ok(policies) = Policies::new(vec![source]) else {
        let empty = Policies::new(Vec::new()).expect("an empty set");
        return accepted || invariants::read(text, empty.schema()).is_ok();
    };
    for example in asked {
        let decision = policies.decide(&example.request);
        let (request, entities) = example.request.to_cedar().expect("a question");
        let plain = Authorizer::new().is_authorized(&request, policies.set(), &entities);
        let is_allowed = plain.decision() == cedar_policy::Decision::Allow;
        assert!(!decision.is_allowed() || is_allowed, "{}: {decision}", example.says);
    }
    true
}
