//! Who remembers how far the log had come, and vouches only for what grew out of that.
//!
//! The log's own key can sign anything. A witness with a key of its own, and a memory of its own, makes that useless to
//! whoever wants the log shorter, or other than it was. See <https://c2sp.org/tlog-witness>.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::checkpoint::Checkpoint;
use crate::files;
use crate::note::{NoteError, Signer, Verifier};
use crate::tree::{self, Hash};

/// Why a witness does not vouch for a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It is not this log's.
    #[error("the checkpoint is not this log's: {0}")]
    Foreign(#[from] NoteError),
    /// It is shorter than one before.
    #[error("the trail was cut off: it has {size} events, and had {known}")]
    Shorter {
        /// What is shown.
        size: u64,
        /// What it knows.
        known: u64,
    },
    /// It did not grow out of the one before.
    #[error(
        "the trail was rewritten: what it says now does not follow from what it said when it had {0} events"
    )]
    Rewritten(u64),
    /// What it remembers cannot be read or written.
    #[error("what the trail's witness remembers cannot be used")]
    Memory(#[from] io::Error),
    /// It is in another process, which does not answer.
    #[error("the trail's witness does not answer: {0}")]
    Silent(String),
}

/// Who vouches for a log, in this process or in another.
pub trait Vouches: Send + Sync + fmt::Debug {
    /// The newest checkpoint that it has vouched for, as the note with both signatures. `None` before the first.
    ///
    /// # Errors
    /// [`WitnessError::Memory`], also when the file is not what it wrote.
    fn remembered(&self) -> Result<Option<(String, Checkpoint)>, WitnessError>;

    /// Vouches for a checkpoint, given the proof that it grew out of the one that is remembered.
    ///
    /// # Errors
    /// Why it does not. What it remembers stays then.
    fn cosign(&self, note: &str, proof: &[Hash], now_seconds: u64) -> Result<String, WitnessError>;

    /// Whose signatures its are.
    fn verifier(&self) -> &Verifier;
}

/// A witness of one log.
#[derive(Debug)]
pub struct Witness {
    signer: Signer,
    log: Verifier,
    memory: PathBuf,
}

impl Witness {
    /// Who vouches with that signer for that log, and remembers in that file.
    #[must_use]
    pub fn new(signer: Signer, log: Verifier, memory: PathBuf) -> Self {
        Self { signer, log, memory }
    }
}

impl Vouches for Witness {
    fn remembered(&self) -> Result<Option<(String, Checkpoint)>, WitnessError> {
        let Some(bytes) = files::read(&self.memory)? else { return Ok(None) };
        let damaged = |_| {
            let path = self.memory.display();
            io::Error::new(io::ErrorKind::InvalidData, format!("`{path}` is not what the witness wrote"))
        };
        let (text, _) = self.signer.verifier().open(&bytes).map_err(damaged)?;
        let checkpoint = text.parse().map_err(damaged)?;
        let note = String::from_utf8(bytes).map_err(|_| damaged(NoteError::Malformed))?;
        Ok(Some((note, checkpoint)))
    }

    fn cosign(&self, note: &str, proof: &[Hash], now_seconds: u64) -> Result<String, WitnessError> {
        let (text, _) = self.log.open(note.as_bytes())?;
        let shown: Checkpoint = text.parse()?;
        if shown.origin != self.log.name() {
            return Err(NoteError::Unsigned.into());
        }
        if let Some((_, known)) = self.remembered()? {
            if shown.size < known.size {
                return Err(WitnessError::Shorter { size: shown.size, known: known.size });
            }
            if !tree::is_consistent((known.size, known.root), (shown.size, shown.root), proof) {
                return Err(WitnessError::Rewritten(known.size));
            }
        }
        let signed = self.signer.add(note, now_seconds)?;
        files::put(&[(self.memory.clone(), signed.clone().into_bytes())])?;
        Ok(signed)
    }

    fn verifier(&self) -> &Verifier {
        self.signer.verifier()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Scheme;
    use crate::tree::{join, leaf};

    fn signed(signer: &Signer, size: u64, root: Hash) -> String {
        let origin = signer.verifier().name().to_owned();
        signer.sign(&Checkpoint { origin, size, root }.to_string(), 0).unwrap()
    }

    #[test]
    fn a_witness_vouches_for_what_grew_and_for_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let log = Signer::from_seed("log.example", Scheme::Own, &[1; 32]).unwrap();
        let other = Signer::from_seed("log.example", Scheme::Own, &[9; 32]).unwrap();
        let witness = || {
            let signer = Signer::from_seed("witness.example", Scheme::Cosignature, &[2; 32]).unwrap();
            Witness::new(signer, log.verifier().clone(), folder.path().join("memory/seen"))
        };
        let (one, two) = (leaf(b"one"), leaf(b"two"));
        let refused = witness().cosign(&signed(&other, 1, one), &[], 5).unwrap_err();
        assert!(matches!(refused, WitnessError::Foreign(NoteError::Unsigned)), "{refused}");

        let note = witness().cosign(&signed(&log, 1, one), &[], 5).unwrap();
        assert_eq!(witness().verifier().open(note.as_bytes()).unwrap().1, Some(5));
        let grown = signed(&log, 2, join(one, two));
        witness().cosign(&grown, &[two], 6).unwrap();
        witness().cosign(&grown, &[], 7).unwrap();

        let rewritten = signed(&log, 2, join(leaf(b"none"), two));
        for (note, proof) in
            [(&rewritten, &[][..]), (&rewritten, &[two]), (&signed(&log, 3, two), &[one, two])]
        {
            let refused = witness().cosign(note, proof, 8).unwrap_err();
            assert!(matches!(refused, WitnessError::Rewritten(2)), "{refused}");
        }
        let shorter = witness().cosign(&signed(&log, 1, one), &[], 8).unwrap_err();
        assert!(matches!(shorter, WitnessError::Shorter { size: 1, known: 2 }), "{shorter}");
        assert_eq!(witness().remembered().unwrap().unwrap().1.size, 2, "refusals leave what it remembers");

        std::fs::write(folder.path().join("memory/seen"), signed(&log, 1, one)).unwrap();
        let refused = witness().cosign(&grown, &[two], 9).unwrap_err();
        assert!(matches!(refused, WitnessError::Memory(_)), "{refused}");
    }
}
