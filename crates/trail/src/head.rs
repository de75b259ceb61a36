//! Where a trail lies on this machine, and how far its log has come.
//!
//! Below the trail's folder: `journal/SOURCE/NUMBER.jsonl` (events on their way, by [`crate::journal`]), `log/` (the newest
//! part of the log, by [`crate::sequencer`]), and `log/head.json`, which says what counts of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::event::Source;
use crate::files;
use crate::tree::Hash;

/// The only format that there is.
const FORMAT: u8 = 1;

/// A trail's folder on this machine.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The trail in that folder. It need not be there yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes the folders that somebody needs who records under that name, and nothing else: where their journal is written, and
    /// where the log is, from which a journal that was lost begins anew. Answers both.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn make(&self, source: &Source) -> io::Result<(PathBuf, PathBuf)> {
        let made = (self.journal(source), self.log());
        files::make_folder(&made.0)?;
        files::make_folder(&made.1)?;
        Ok(made)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the journals are.
    #[must_use]
    pub fn journals(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// Whose journals there are, in order.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn sources(&self) -> io::Result<Vec<Source>> {
        let entries = match std::fs::read_dir(self.journals()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut sources = Vec::new();
        for entry in entries {
            sources.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
        }
        sources.sort_unstable();
        Ok(sources)
    }

    pub(crate) fn journal(&self, source: &Source) -> PathBuf {
        self.journals().join(source.to_string())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The file that says what counts of the log.
    #[must_use]
    pub fn head(&self) -> PathBuf {
        self.log().join("head.json")
    }

    /// What counts of the log.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn read_head(&self) -> io::Result<Head> {
        let Some(bytes) = files::read(&self.head())? else { return Ok(Head::default()) };
        let head: Head = serde_json::from_slice(&bytes).map_err(|error| damaged(&self.head(), &error))?;
        if head.format == FORMAT { Ok(head) } else { Err(damaged(&self.head(), &"it has another format")) }
    }

    pub(crate) fn write_head(&self, head: &Head) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(head).map_err(io::Error::other)?;
        files::put(&[(self.head(), text)])
    }
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is damaged: {why}", path.display()))
}

/// How far the log has come: the signed checkpoint, and what each source has in it. One file, so that both count at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    format: u8,
    /// The newest checkpoint, signed by the log; empty before the first.
    pub checkpoint: String,
    /// How far each source's journal is in the log.
    pub sources: BTreeMap<Source, Position>,
}

impl Default for Head {
    fn default() -> Self {
        Self { format: FORMAT, checkpoint: String::new(), sources: BTreeMap::new() }
    }
}

/// How far one journal is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The number of its last event there.
    pub number: u64,
    /// That event's hash.
    pub hash: Hash,
    /// When it says it happened, in milliseconds since 1970.
    pub time: i64,
    /// The number after which the piece of the journal is called that it stands in.
    pub segment: u64,
    /// Where it ends there, in bytes.
    pub offset: u64,
}
