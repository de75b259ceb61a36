//! Taking events out of the journals into the log, and signing how far it has come.
//!
//! An event counts as part of the log once `head.json` says so: tiles are durable before that, and the file is replaced at
//! once, so that a process that dies anywhere leaves the log as it was, or grown.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use domain::Timestamp;

use crate::builder::{Log, LogError};
use crate::checkpoint::Checkpoint;
use crate::event::{Link, Source};
use crate::files::Lock;
use crate::head::{Folder, Head, Position};
use crate::journal::Segments;
use crate::local::Local;
use crate::note::{NoteError, Signer};
use crate::proof;
use crate::published;
use crate::tree::{self, leaf};
use crate::witness::{Vouches, WitnessError};

/// So many bytes of one journal are taken at once.
const ROUND_LEN: u64 = 1 << 20;
/// No entry of a log is longer.
const ENTRY_LEN_MAX: usize = 65_535;

/// Why the log could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// A file could not be read or written.
    #[error("the trail's files on this machine cannot be used")]
    Files(#[from] io::Error),
    /// The log on this machine is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The checkpoint is not the log's, or could not be signed.
    #[error("the trail's checkpoint cannot be used: {0}")]
    Checkpoint(#[from] NoteError),
    /// The log's tiles are not those that its checkpoint tells of.
    #[error("the trail on this machine is not what was signed when it had {0} events")]
    Root(u64),
    /// A journal is shorter than what was read of it.
    #[error(
        "the journal of `{0}` is shorter than it was: it was put back from an older copy. Move its folder to another place; \
         the trail will say that it began anew"
    )]
    Rewound(Source),
    /// The witness does not vouch for it.
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

impl SequencerError {
    /// Whether somebody, or a broken disk, changed what stands fast. Else it may go another time.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        let file = |error: &io::Error| error.kind() == io::ErrorKind::InvalidData;
        match self {
            Self::Files(error) | Self::Witness(WitnessError::Memory(error)) => file(error),
            Self::Witness(WitnessError::Silent(_)) => false,
            Self::Checkpoint(error) | Self::Witness(WitnessError::Foreign(error)) => *error != NoteError::Key,
            _ => true,
        }
    }
}

/// Takes events into one log.
#[derive(Debug)]
pub struct Sequencer {
    folder: Folder,
    signer: Signer,
}

impl Sequencer {
    /// Who signs the log in that folder. The signer's name is the log's origin.
    #[must_use]
    pub fn new(folder: Folder, signer: Signer) -> Self {
        Self { folder, signer }
    }

    /// Takes all that is in the journals. Answers the newest checkpoint, if there is any event at all.
    ///
    /// # Errors
    /// Why not all of it was taken. What was stays.
    pub fn take(&self, now: Timestamp) -> Result<Option<Checkpoint>, SequencerError> {
        let _lock = self.lock()?;
        let local = Local::new(self.folder.log());
        let mut head = self.folder.read_head()?;
        let mut newest = self.opened(&head)?;
        let size = newest.as_ref().map_or(0, |newest| newest.size);
        let mut log = Log::resume(size, |tile| local.read(tile).ok().flatten())?;
        if log.root() != newest.as_ref().map_or_else(tree::empty, |newest| newest.root) {
            return Err(SequencerError::Root(size));
        }
        loop {
            let mut taken = Vec::new();
            for source in self.folder.sources()? {
                let segments = Segments::of(&self.folder, &source);
                let position = head.sources.get(&source);
                if let Some((lines, position)) = pending(&segments, &source, position)? {
                    taken.extend(lines);
                    head.sources.insert(source, position);
                }
            }
            if taken.is_empty() {
                local.trim(log.size(), published::kept(&self.folder)?)?;
                return Ok(newest);
            }
            local.put(log.append(taken.iter().map(Vec::as_slice))?)?;
            let origin = self.signer.verifier().name().to_owned();
            let grown = Checkpoint { origin, size: log.size(), root: log.root() };
            // INVARIANT (counted at once): tiles are durable, and checkpoint and positions stand in one file.
            head.checkpoint = self.signer.sign(&grown.to_string(), seconds(now))?;
            self.folder.write_head(&head)?;
            newest = Some(grown);
            forget(&self.folder, &head.sources)?;
        }
    }

    /// Has the newest checkpoint vouched for. Answers the note with both signatures and what it says, if there is any event
    /// at all. That may be more than was taken here: another process may have gone on.
    ///
    /// # Errors
    /// Why it was not.
    pub fn have_witnessed(
        &self,
        witness: &dyn Vouches,
        now: Timestamp,
    ) -> Result<Option<(String, Checkpoint)>, SequencerError> {
        let _lock = self.lock()?;
        let head = self.folder.read_head()?;
        let known = witness.remembered()?;
        let Some(newest) = self.opened(&head)? else {
            return match known {
                Some((_, known)) => Err(WitnessError::Shorter { size: 0, known: known.size }.into()),
                None => Ok(None),
            };
        };
        let local = Local::new(self.folder.log());
        let mut proof = Vec::new();
        if let Some((note, known)) = known {
            if known == newest {
                return Ok(Some((note, newest)));
            }
            let runs = tree::consistency(known.size, newest.size).unwrap_or_default();
            let hashes = proof::hashes(runs, newest.size, |tile| local.read(tile).ok().flatten());
            // Without the hashes there is no proof, and the witness says so.
            proof = hashes.unwrap_or_default();
        }
        Ok(Some((witness.cosign(&head.checkpoint, &proof, seconds(now))?, newest)))
    }

    fn lock(&self) -> io::Result<Lock> {
        Lock::alone(Lock::file(&self.folder.log().join("lock"))?)
    }

    /// The checkpoint in the head, if it is this log's own.
    fn opened(&self, head: &Head) -> Result<Option<Checkpoint>, NoteError> {
        if head.checkpoint.is_empty() {
            return Ok(None);
        }
        let (text, _) = self.signer.verifier().open(head.checkpoint.as_bytes())?;
        text.parse().map(Some)
    }
}

fn seconds(now: Timestamp) -> u64 {
    u64::try_from(now.as_second()).unwrap_or_default()
}

type Pending = (Vec<Vec<u8>>, Position);

/// What a journal has that the log has not, as much as is taken at once, and how far the log has come with it. `None` where
/// there is nothing.
fn pending(
    segments: &Segments,
    source: &Source,
    known: Option<&Position>,
) -> Result<Option<Pending>, SequencerError> {
    // What is being written now is not durable yet.
    let _lock = Lock::shared(segments.lock_file()?)?;
    let firsts = segments.list()?;
    let (number, hash, time) =
        known.map_or((0, tree::empty(), i64::MIN), |known| (known.number, known.hash, known.time));
    let begun =
        known.filter(|known| firsts.contains(&known.segment)).map(|known| (known.segment, known.offset));
    let next = firsts.iter().find(|first| **first > number).map(|first| (*first, 0));
    let Some((segment, offset)) = begun.or(next) else { return Ok(None) };
    let mut position = Position { number, hash, time, segment, offset };
    let mut lines = Vec::new();
    loop {
        let bytes = read_from(segments, source, &position)?;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            position.offset += u64::try_from(line.len()).unwrap_or(u64::MAX);
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            // What is no event is evidence all the same.
            let line = line.get(..ENTRY_LEN_MAX).unwrap_or(line);
            match Link::read(line) {
                Ok(link) => {
                    (position.number, position.hash, position.time) = (link.id.number, link.hash, link.time);
                }
                Err(_) => position.hash = leaf(line),
            }
            lines.push(line.to_vec());
        }
        if !lines.is_empty() {
            return Ok(Some((lines, position)));
        }
        let Some(next) = firsts.iter().find(|first| **first > position.segment) else { return Ok(None) };
        (position.segment, position.offset) = (*next, 0);
    }
}

/// The whole lines of a piece from a place on, as many as are taken at once.
fn read_from(segments: &Segments, source: &Source, position: &Position) -> Result<Vec<u8>, SequencerError> {
    let mut file = File::open(segments.path(position.segment))?;
    if file.metadata()?.len() < position.offset {
        return Err(SequencerError::Rewound(source.clone()));
    }
    file.seek(SeekFrom::Start(position.offset))?;
    let mut bytes = Vec::new();
    let read = file.take(ROUND_LEN).read_to_end(&mut bytes)?;
    match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => bytes.truncate(end + 1),
        // No event is so long: it is damage, and taken as it is.
        None if u64::try_from(read).is_ok_and(|read| read == ROUND_LEN) => {}
        None => bytes.clear(),
    }
    Ok(bytes)
}

/// Deletes the pieces of journals that the log has whole.
fn forget(folder: &Folder, sources: &BTreeMap<Source, Position>) -> io::Result<()> {
    for (source, position) in sources {
        let segments = Segments::of(folder, source);
        for first in segments.list()?.into_iter().filter(|first| *first < position.segment) {
            std::fs::remove_file(segments.path(first))?;
        }
    }
    Ok(())
}
