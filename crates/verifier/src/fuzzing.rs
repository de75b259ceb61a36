//! The entry point for fuzzing: each text and object that is read here. Answers whether any of them was accepted.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use crate::chain::{Chains, Event, Report};
use crate::log;
use crate::note::{Checkpoint, Key, Keys, Role};
use crate::proof;
use crate::tree::leaf;

/// Who has signed the seeds.
const LOG: &str = "log.example+1cc758f9+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const WITNESS: &str = "witness.example+3176bd45+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
/// The first event of the log that the seeds are of.
const FIRST: &[u8] = br#"{"metadata":{"log_name":"vault","sequence":1},"time":1,"unmapped":{}}"#;

fn keys() -> Keys {
    let log = Key::read(LOG, Role::Log).expect("a key");
    Keys { log, witness: Some(Key::read(WITNESS, Role::Witness).expect("a key")) }
}

/// A key, a checkpoint, a proof, an event, or a bundle of them.
pub fn verifier_texts(bytes: &[u8]) -> bool {
    let keys = keys();
    let mut accepted = false;
    if let Ok(checkpoint) = keys.open(bytes) {
        assert_eq!(keys.open_kept(bytes), Ok(checkpoint), "what counts may be kept");
        assert!(bytes.starts_with(format!("log.example\n{}\n", checkpoint.size).as_bytes()), "one spelling");
        accepted = true;
    }
    if let Ok((index, event)) = proof::included(bytes, &keys) {
        let text = std::str::from_utf8(bytes).expect("it was read as text");
        assert!(text.contains(&format!("\nindex {index}\n")), "one spelling");
        assert!(Event::read(&event).is_some(), "what is shown is an event");
        accepted = true;
    }
    let kept = Checkpoint { size: 1, root: leaf(FIRST) };
    if let Ok(now) = proof::grown(bytes, &kept, &keys) {
        assert!(now.size >= kept.size && bytes.starts_with(b"old 1\n"), "a log only grows");
        accepted = true;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let [log, witness] = [Role::Log, Role::Witness].map(|role| Key::read(text, role).is_ok());
        assert!(!(log && witness), "a key has one role");
        accepted |= log || witness;
    }
    let mut report = Report::default();
    Chains::default().follow(0, bytes, &mut report);
    accepted |= report.findings.is_empty();
    if let Some((entry, rest)) = log::entry(bytes) {
        assert_eq!(entry.len() + rest.len() + 2, bytes.len());
        accepted |= Event::read(&entry).is_some();
    }
    accepted
}
