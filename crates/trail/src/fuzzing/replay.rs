//! The entry points on the corpus of `fuzz/`, and on seeded mutations of it.

use corpus::{Target, replay};

use domain::{AuditEvent, Operation, Outcome, Principal, Timestamp};

use super::{signers, trail_event, trail_note, trail_objects};
use crate::builder::Log;
use crate::checkpoint::Checkpoint;
use crate::event::{self, Place, Process};
use crate::head::Head;
use crate::tree::leaf;

fn notes() -> Vec<Vec<u8>> {
    let [log, witness] = signers();
    let text = Checkpoint { origin: "log.example".to_owned(), size: 1_234, root: leaf(b"x") }.to_string();
    let note = witness.add(&log.sign(&text, 0).unwrap(), 1_795_521_600).unwrap();
    vec![note.into_bytes(), text.into_bytes(), witness.verifier().to_string().into_bytes()]
}

fn objects() -> Vec<Vec<u8>> {
    let mut log = Log::default();
    let made = log.append([&b"an entry"[..]]).unwrap();
    // Of a log with 256 entries one hash is needed, of an empty one nothing.
    let hash = made.into_values().find(|bytes| bytes.len() == 32).unwrap();
    vec![[&256_u64.to_be_bytes()[..], &hash].concat(), [0; 8].to_vec()]
}

fn events() -> Vec<Vec<u8>> {
    let principal = Principal("cell-operator".into());
    let event = AuditEvent::new(principal, Operation::SignIn, "cell".into(), Outcome::Refused);
    let place = Place { number: 7, previous: Some(leaf(b"x")), clock_went_back: true, began_anew: true };
    let (source, process) = ("vault".parse().unwrap(), Process { id: 1, user: 2 });
    let line = event::line(&event, &source, &place, process, Timestamp::UNIX_EPOCH).unwrap();
    let mut head = serde_json::to_value(Head::default()).unwrap();
    let position =
        serde_json::json!({ "number": 7, "hash": leaf(b"x"), "time": -1, "segment": 1, "offset": 300 });
    head["sources"] = serde_json::json!({ "vault": position });
    vec![line, serde_json::to_vec(&head).unwrap(), b"worker-shopify-12".to_vec()]
}

#[test]
fn whatever_is_read_is_read_or_refused() {
    let target = |name, run, seeds, mutations| Target { name, run, seeds, mutations };
    replay(&[
        target("trail_note", trail_note, notes, 2_000),
        target("trail_objects", trail_objects, objects, 2_000),
        target("trail_event", trail_event, events, 2_000),
    ])
    .unwrap();
}
