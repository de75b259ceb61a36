//! Entry points for fuzzing: each parser of outside bytes, and what must hold of whatever it is given. Each answers
//! whether the bytes were accepted.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use crate::builder::{Log, LogError};
use crate::checkpoint::Checkpoint;
use crate::event::{EventId, Link};
use crate::head::Head;
use crate::note::{Scheme, Signer, Verifier};
use crate::tile::{self, Tile};
use crate::tree::leaf;

/// The two who sign: a log, and a witness of it.
fn signers() -> [Signer; 2] {
    [("log.example", Scheme::Own, [1; 32]), ("witness.example", Scheme::Cosignature, [2; 32])]
        .map(|(name, scheme, seed)| Signer::from_seed(name, scheme, &seed).expect("a signer"))
}

/// A note, or the text of one, or a key: what opens was signed, and is read and written the same way.
pub fn trail_note(bytes: &[u8]) -> bool {
    let mut accepted = false;
    let mut texts = Vec::new();
    for signer in signers() {
        if let Ok((text, seconds)) = signer.verifier().open(bytes) {
            let again = signer.sign(text, seconds.unwrap_or_default()).expect("a signature");
            assert_eq!(signer.verifier().open(again.as_bytes()), Ok((text, seconds)));
            texts.push(text);
            accepted = true;
        }
    }
    assert!(texts.windows(2).all(|two| two.first() == two.last()), "all signed the same");
    let Ok(text) = std::str::from_utf8(bytes) else { return accepted };
    for text in texts.into_iter().chain([text]) {
        if let Ok(checkpoint) = text.parse::<Checkpoint>() {
            assert!(text.starts_with(&checkpoint.to_string()), "one spelling: {text:?}");
            accepted = true;
        }
    }
    if let Ok(verifier) = text.parse::<Verifier>() {
        assert_eq!(verifier.to_string(), text, "one spelling");
        accepted = true;
    }
    accepted
}

/// A size in eight bytes, then the bytes of any object of a log: what is read of it is what it says, and a log that goes
/// on from such objects grows.
pub fn trail_objects(bytes: &[u8]) -> bool {
    let Some((size, bytes)) = bytes.split_first_chunk() else { return false };
    let size = u64::from_be_bytes(*size);
    if let Some(entries) = tile::entries(bytes) {
        let mut again = Vec::new();
        entries.iter().for_each(|entry| tile::put_entry(&mut again, entry).expect("it was in a bundle"));
        assert_eq!(again, bytes, "one spelling");
    }
    if let Some(hashes) = tile::from_bytes(bytes) {
        assert_eq!(tile::to_bytes(&hashes), bytes, "one spelling");
    }
    let Ok(mut log) = Log::resume(size, |_| Some(bytes.to_vec())) else { return false };
    assert_eq!(log.size(), size);
    let before = log.root();
    match log.append([&b"one more"[..]]) {
        Ok(objects) => {
            assert!(log.size() == size + 1 && log.root() != before);
            assert!(objects.keys().all(|tile: &Tile| (1..=256).contains(&tile.width)));
        }
        Err(error) => assert!(error == LogError::Full && size == u64::MAX && log.root() == before),
    }
    true
}

/// An event's line, its name, or what says how far a log has come: what is accepted is written and read the same way.
pub fn trail_event(bytes: &[u8]) -> bool {
    let mut accepted = false;
    if let Ok(link) = Link::read(bytes) {
        assert_eq!(link.hash, leaf(bytes), "an event is known by its bytes");
        assert_eq!(link.id.to_string().parse(), Ok(link.id), "it has a name");
        accepted = true;
    }
    if let Ok(head) = serde_json::from_slice::<Head>(bytes) {
        let again = serde_json::to_vec(&head).expect("it is written");
        assert_eq!(serde_json::from_slice::<Head>(&again).expect("what is written is read"), head);
        accepted = true;
    }
    if let Some(id) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<EventId>().ok()) {
        assert_eq!(id.to_string().as_bytes(), bytes, "one spelling");
        accepted = true;
    }
    accepted
}
