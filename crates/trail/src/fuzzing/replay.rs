//! The entry points on the corpus of `fuzz/`, and on seeded mutations of it.

use corpus::{Target, replay};

use super::{signers, trail_note, trail_objects};
use crate::builder::Log;
use crate::checkpoint::Checkpoint;
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

#[test]
fn whatever_is_read_is_read_or_refused() {
    let target = |name, run, seeds, mutations| Target { name, run, seeds, mutations };
    replay(&[
        target("trail_note", trail_note, notes, 2_000),
        target("trail_objects", trail_objects, objects, 2_000),
    ])
    .unwrap();
}
