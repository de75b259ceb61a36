//! The log in an object store, where others can read it: [tlog-tiles] below `trail/LOG/`.
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use domain::Timestamp;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};

use crate::builder::{Log, LogError};
use crate::checkpoint::Checkpoint;
use crate::files::{self, Lock};
use crate::head::Folder;
use crate::local::Local;
use crate::newest::NewestPart;
use crate::note::{NoteError, Verifier};
use crate::proof;
use crate::tile::{self, Level, Tile, WIDTH};
use crate::tree;

/// So many objects are written at one time.
const WRITES_AT_ONCE: usize = 8;
/// After so long what is new is published, however little it is.
const AFTER_SECONDS: i64 = 10;

/// Why the log could not be published, or not be read there.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The store failed.
    #[error("the trail in the object store cannot be used")]
    Store(#[from] object_store::Error),
    /// A file of this machine failed.
    #[error("the trail's files on this machine cannot be used")]
    Files(#[from] io::Error),
    /// The checkpoint there is not the log's.
    #[error("the trail's checkpoint in the object store is not one: {0}")]
    Checkpoint(#[from] NoteError),
    /// What lies there is gone, or shorter than it was.
    #[error("the trail in the object store was cut off: it has {found} events, and had {known}")]
    Shorter {
        /// What is there.
        found: u64,
        /// What was there.
        known: u64,
    },
    /// What lies there is longer than what this machine has.
    #[error(
        "the trail in the object store has {found} events, and this machine knows of {known}: the cell's folder was put back \
         from an older copy"
    )]
    Longer {
        /// What is there.
        found: u64,
        /// What is here.
        known: u64,
    },
    /// What lies there is not what the log was.
    #[error("the trail in the object store is not what the log was when it had {0} events")]
    Rewritten(u64),
    /// An object of this machine's part is missing or damaged.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl PublishError {
    /// Whether somebody, or a broken disk, changed what stands fast. Else it may go another time.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Store(_) => false,
            Self::Files(error) => error.kind() == io::ErrorKind::InvalidData,
            _ => true,
        }
    }
}

/// What this machine remembers of the last time.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    size: u64,
    /// How many it was the time before: whoever has that checkpoint reads its tiles.
    #[serde(default)]
    before: u64,
    /// In seconds since 1970.
    at: i64,
}

impl Memory {
    /// Whether the last time is long enough ago. If the clock was set back since, nobody knows.
    fn has_waited(&self, now: Timestamp) -> bool {
        !(0..AFTER_SECONDS).contains(&now.as_second().saturating_sub(self.at))
    }
}

/// A log's part of an object store.
#[derive(Debug, Clone)]
pub struct Published {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Published {
    /// The part of the log of that name: `trail/LOG/`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, log: &str) -> Self {
        Self { store, prefix: Path::from_iter(["trail", log]) }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    async fn get(&self, name: &str) -> object_store::Result<Option<Vec<u8>>> {
        match self.store.get(&self.path(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            got => Ok(Some(got?.bytes().await?.into())),
        }
    }

    /// An object's bytes. `None` where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(&self, tile: Tile) -> object_store::Result<Option<Vec<u8>>> {
        self.get(&tile.to_string()).await
    }

    /// The checkpoint that lies there. `None` where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn checkpoint(&self) -> object_store::Result<Option<Vec<u8>>> {
        self.get("checkpoint").await
    }

    async fn put(&self, name: &str, bytes: Vec<u8>) -> object_store::Result<()> {
        self.store.put(&self.path(name), bytes.into()).await.map(|_| ())
    }
}

fn memory(folder: &Folder) -> PathBuf {
    folder.log().join("published.json")
}

fn remembered(folder: &Folder) -> io::Result<Memory> {
    let Some(bytes) = files::read(&memory(folder))? else { return Ok(Memory::default()) };
    serde_json::from_slice(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// How many entries were published, as far as this machine remembers.
pub(crate) fn kept(folder: &Folder) -> io::Result<u64> {
    Ok(remembered(folder)?.size)
}

/// Whether it is time to publish a log of that size.
///
/// # Errors
/// When what is remembered of the last time cannot be read.
pub fn is_due(folder: &Folder, size: u64, now: Timestamp) -> io::Result<bool> {
    let memory = remembered(folder)?;
    let published = memory.size;
    Ok(size > published && (size / WIDTH > published / WIDTH || memory.has_waited(now)))
}

/// Whether the log was last published so long ago that it is time, if it has grown since.
///
/// # Errors
/// As [`is_due`].
pub fn has_waited(folder: &Folder, now: Timestamp) -> io::Result<bool> {
    Ok(remembered(folder)?.has_waited(now))
}

/// The tiles in which a log of that size has more than when it had `from` entries.
fn grown(from: u64, size: u64) -> impl Iterator<Item = Tile> {
    [Level::Entries].into_iter().chain((0..8).map(Level::Hashes)).flat_map(move |level| {
        let (before, held) = (tile::held(level, from), tile::held(level, size));
        let tiles = if before == held { 0..0 } else { before / WIDTH..held.div_ceil(WIDTH) };
        tiles.filter_map(move |index| Tile::within(level, index, size))
    })
}

/// Publishes the log as far as a checkpoint tells that bears both signatures, out of its newest part. What was published is
/// remembered in the folder. Does nothing where it lies there already.
///
/// # Errors
/// Why not. What lay there stays: a checkpoint is written after all that it tells of.
pub async fn publish(
    (folder, newest): (&Folder, &dyn NewestPart),
    published: &Published,
    (note, checkpoint): (&str, &Checkpoint),
    log: &Verifier,
    now: Timestamp,
) -> Result<(), PublishError> {
    // One after the other: a slower one must not put its older checkpoint in the place of a newer.
    let file = Lock::file(&folder.log().join("lock-publish"))?;
    let locked = tokio::task::spawn_blocking(move || Lock::alone(file)).await;
    let _publishing = locked.map_err(io::Error::other)??;
    let known = remembered(folder)?;
    if known.size > checkpoint.size {
        return Ok(());
    }
    let before = match published.checkpoint().await? {
        Some(note) => log.open(&note)?.0.parse::<Checkpoint>()?,
        None => Checkpoint { origin: checkpoint.origin.clone(), size: 0, root: tree::empty() },
    };
    if before.size < known.size {
        return Err(PublishError::Shorter { found: before.size, known: known.size });
    }
    if before.size > checkpoint.size {
        return Err(PublishError::Longer { found: before.size, known: checkpoint.size });
    }
    let read = |tile| newest.read(tile).ok().flatten();
    let runs = tree::consistency(before.size, checkpoint.size).unwrap_or_default();
    let proof = proof::hashes(runs, checkpoint.size, read).unwrap_or_default();
    if !tree::is_consistent((before.size, before.root), (checkpoint.size, checkpoint.root), &proof) {
        return Err(PublishError::Rewritten(before.size));
    }
    if before.size < checkpoint.size {
        let writes = grown(before.size, checkpoint.size).map(|tile| {
            let bytes = newest.read(tile);
            async move {
                let bytes = bytes?.ok_or_else(|| LogError::Damaged(tile.to_string()))?;
                Ok::<(), PublishError>(published.put(&tile.to_string(), bytes).await?)
            }
        });
        futures::stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).try_collect::<()>().await?;
        published.put("checkpoint", note.as_bytes().to_vec()).await?;
    }
    let has_grown = checkpoint.size > known.size;
    let before_now = if has_grown { known.size } else { known.before };
    let memory_now = Memory { size: checkpoint.size, before: before_now, at: now.as_second() };
    let text = serde_json::to_vec(&memory_now).map_err(io::Error::other)?;
    files::put(&[(memory(folder), text)])?;

    // What was not full the time before last is there again, wider, for this checkpoint and the one before it.
    let read_still: Vec<_> = [checkpoint.size, before_now].into_iter().flat_map(Log::edge_of).collect();
    for tile in Log::edge_of(known.before).into_iter().filter(|tile| has_grown && !read_still.contains(tile))
    {
        match published.store.delete(&published.path(&tile.to_string())).await {
            Err(object_store::Error::NotFound { .. }) => {}
            deleted => deleted?,
        }
    }
    let _lock = Lock::alone(Lock::file(&folder.log().join("lock"))?)?;
    // Another process may have gone on meanwhile.
    let head = folder.read_head()?;
    if let Ok((text, _)) = log.open(head.checkpoint.as_bytes()) {
        Local::new(folder.log()).trim(text.parse::<Checkpoint>()?.size, checkpoint.size)?;
    }
    Ok(())
}
