//! Proofs as texts: that an event is in a log (<https://c2sp.org/tlog-proof>), and that a log grew out of what it was (as a
//! <https://c2sp.org/tlog-witness> is asked).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Refusal;
use crate::chain::Event;
use crate::note::{Checkpoint, Keys, NOTE_LEN_MAX, hash, number};
use crate::tree::{self, Hash};

/// Most hashes in a proof: no tree is higher.
const HASHES_MAX: usize = 64;
/// Longest event that a log takes, in bytes.
pub const ENTRY_LEN_MAX: usize = 65_535;
/// Longest proof that is read, in bytes: a note, an event in base64, and the hashes.
pub const PROOF_LEN_MAX: usize = NOTE_LEN_MAX + ENTRY_LEN_MAX * 2;

/// What stands above the checkpoint, line by line, and the checkpoint.
fn parts(bytes: &[u8]) -> Result<(impl Iterator<Item = &str>, &[u8]), Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::NotAProof)?;
    let (head, note) = text.split_once("\n\n").ok_or(Refusal::NotAProof)?;
    if bytes.len() > PROOF_LEN_MAX {
        Err(Refusal::NotAProof)
    } else {
        Ok((head.split('\n'), note.as_bytes()))
    }
}

fn hashes<'t>(lines: impl Iterator<Item = &'t str>) -> Result<Vec<Hash>, Refusal> {
    let hashes: Option<Vec<_>> = lines.take(HASHES_MAX + 1).map(hash).collect();
    hashes.filter(|hashes| hashes.len() <= HASHES_MAX).ok_or(Refusal::NotAProof)
}

/// Checks that an event is in the log. Answers its place and the event, which the proof brings along.
///
/// # Errors
/// When it is no proof, the checkpoint in it does not count, or the event is not in that log at that place.
pub fn included(bytes: &[u8], keys: &Keys) -> Result<(u64, Vec<u8>), Refusal> {
    let (mut lines, note) = parts(bytes)?;
    if lines.next() != Some("c2sp.org/tlog-proof@v1") {
        return Err(Refusal::NotAProof);
    }
    let entry = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or(Refusal::NoEntry)?;
    let entry = STANDARD.decode(entry).map_err(|_| Refusal::NotAProof)?;
    let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
    let (index, path) = (index.ok_or(Refusal::NotAProof)?, hashes(lines)?);
    let Checkpoint { size, root } = keys.open(note)?;
    if tree::root_by_path(tree::leaf(&entry), index, size, &path) != Some(root) {
        return Err(Refusal::NotIncluded(index));
    }
    if Event::read(&entry).is_none() { Err(Refusal::NotAnEvent) } else { Ok((index, entry)) }
}

/// Checks that the log grew out of what somebody kept of it. Answers what it is now.
///
/// # Errors
/// When it is no proof, the checkpoint in it does not count, or the log did not grow out of that.
pub fn grown(bytes: &[u8], kept: &Checkpoint, keys: &Keys) -> Result<Checkpoint, Refusal> {
    let (mut lines, note) = parts(bytes)?;
    let told = lines.next().and_then(|line| number(line.strip_prefix("old ")?));
    let (told, proof) = (told.ok_or(Refusal::NotAProof)?, hashes(lines)?);
    let now = keys.open(note)?;
    if told != kept.size {
        return Err(Refusal::OtherSize { told, kept: kept.size });
    }
    if tree::grew((kept.size, kept.root), (now.size, now.root), &proof) {
        Ok(now)
    } else {
        Err(Refusal::NotGrown { old: kept.size, new: now.size })
    }
}
