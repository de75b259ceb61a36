//! Whether the log is what was signed, says all that its sources said, and is what it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::builder::Log;
use crate::checkpoint::Checkpoint;
use crate::event::{Link, Source};
use crate::head::Folder;
use crate::local::narrowed;
use crate::newest::NewestPart;
use crate::published::{PublishError, Published};
use crate::tile::{self, Level, Tile, WIDTH};
use crate::tree::{self, Hash, leaf};

/// A log as it is read: its newest part on this machine, the rest where it is published.
#[derive(Debug)]
pub struct Reader {
    newest: Arc<dyn NewestPart>,
    published: Option<Published>,
    size: u64,
}

impl Reader {
    /// Reads a log of that size whose newest part lies in that folder.
    #[must_use]
    pub fn new(folder: &Folder, published: Option<Published>, size: u64) -> Self {
        Self::of(Arc::new(folder.clone()), published, size)
    }

    /// Reads a log of that size whose newest part somebody else has.
    #[must_use]
    pub fn of(newest: Arc<dyn NewestPart>, published: Option<Published>, size: u64) -> Self {
        Self { newest, published, size }
    }

    /// How many entries it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// An object's bytes. `None` where it is nowhere.
    ///
    /// # Errors
    /// When a file or the store fails.
    pub async fn read(&self, tile: Tile) -> Result<Option<Vec<u8>>, PublishError> {
        if let Some(bytes) = self.newest.read(tile)? {
            return Ok(Some(bytes));
        }
        match &self.published {
            Some(published) => Ok(published.read(tile).await?),
            None => Ok(None),
        }
    }

    /// The bundle in which the entry at `index` stands: the first entry's index, and all of them. `None` where it is
    /// missing or damaged.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn bundle(&self, index: u64) -> Result<Option<(u64, Vec<Vec<u8>>)>, PublishError> {
        let tile = Tile::within(Level::Entries, index / WIDTH, self.size);
        let Some(tile) = tile.filter(|_| index < self.size) else { return Ok(None) };
        let bytes = self.read(tile).await?;
        let entries = bytes.as_deref().and_then(tile::entries);
        let entries = entries.filter(|entries| entries.len() == usize::from(tile.width));
        Ok(entries.map(|entries| (tile.index * WIDTH, entries.into_iter().map(<[u8]>::to_vec).collect())))
    }

    /// A proof's hashes. `None` where what they are made of is missing or damaged.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn proof(&self, runs: tree::Runs) -> Result<Option<Vec<Hash>>, PublishError> {
        let mut tiles = BTreeMap::new();
        for tile in crate::proof::tiles(&runs, self.size) {
            tiles.insert(tile, self.read(tile).await?);
        }
        Ok(crate::proof::hashes(runs, self.size, |tile| tiles.get(&tile).cloned().flatten()))
    }
}

/// What is wrong with a trail, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The entry's place in the log, where it is about one.
    pub index: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What a log was found to be.
#[derive(Debug, Default)]
pub struct Verified {
    /// What is wrong with it. Nothing may be.
    pub findings: Vec<Finding>,
    /// What is no damage and should be known.
    pub notices: Vec<Finding>,
    /// How many entries were looked at.
    pub entries: u64,
    /// The newest event of each source.
    pub sources: BTreeMap<Source, Link>,
}

/// So many findings are told; a log that is damaged from end to end would fill any memory.
const FINDINGS_MAX: usize = 100;

impl Verified {
    fn find(&mut self, index: Option<u64>, what: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { index, what: what.into() });
        }
    }

    /// Whether an event follows from the one before of its source.
    fn follow(&mut self, index: u64, link: Link) {
        let before = self.sources.get(&link.id.source).cloned();
        let (number, hash) =
            before.as_ref().map_or((0, None), |before| (before.id.number, Some(before.hash)));
        let id = &link.id;
        if id.number != number + 1 {
            self.find(
                Some(index),
                format!("{id} stands where {}-{} should: events are missing or moved", id.source, number + 1),
            );
        } else if link.previous != hash {
            self.find(
                Some(index),
                format!("{id} does not follow from the event before it, which was another one"),
            );
        }
        if before.is_some_and(|before| link.time < before.time) {
            if link.clock_went_back {
                self.notices
                    .push(Finding { index: Some(index), what: format!("the clock had gone back at {id}") });
            } else {
                self.find(Some(index), format!("{id} is dated before the event that it follows"));
            }
        }
        if link.began_anew {
            let what = format!(
                "the journal of {} began anew at {id}: events before it may have been lost",
                id.source
            );
            self.notices.push(Finding { index: Some(index), what });
        }
        self.sources.insert(link.id.source.clone(), link);
    }
}

/// A checkpoint that the log must have come by, and whose it is, in words.
pub type Remembered = (&'static str, Checkpoint);

/// Reads the whole log and compares: each entry with its hash in the tiles, the tiles with each other, the root with the
/// checkpoint, each event with the one before of its source, and the log with each remembered checkpoint. `progress` is told
/// how many entries were looked at.
///
/// # Errors
/// When a file or the store fails: nothing is known then.
pub async fn verify(
    reader: &Reader,
    checkpoint: &Checkpoint,
    remembered: &[Remembered],
    mut progress: impl FnMut(u64),
) -> Result<Verified, PublishError> {
    let mut verified = Verified::default();
    let mut log = Log::default();
    for (whose, other) in remembered {
        if other.size > checkpoint.size {
            let (now, then) = (checkpoint.size, other.size);
            verified
                .find(None, format!("the trail was cut off: it has {now} events, and had {then} by {whose}"));
        } else if other.size == 0 && other.root != tree::empty() {
            verified.find(None, format!("{whose} is of no log"));
        }
    }
    while log.size() < checkpoint.size {
        let first = log.size();
        for hash in hashes(reader, first, &mut verified).await? {
            for (tile, hashes) in log.grow(hash)? {
                compare(reader, tile, &hashes, &mut verified).await?;
            }
            for (whose, other) in remembered.iter().filter(|(_, other)| other.size == log.size()) {
                if other.root != log.root() {
                    let size = other.size;
                    verified.find(
                        None,
                        format!("the trail was rewritten: its first {size} events are not those of {whose}"),
                    );
                }
            }
        }
        progress(log.size());
    }
    for (tile, hashes) in log.partial() {
        compare(reader, tile, hashes, &mut verified).await?;
    }
    verified.entries = log.size();
    if log.root() != checkpoint.root {
        verified.find(None, "the trail's events are not those that its checkpoint was signed for");
    }
    Ok(verified)
}

/// The hashes of the entries of one bundle, each compared with the tile's.
async fn hashes(reader: &Reader, first: u64, verified: &mut Verified) -> Result<Vec<Hash>, PublishError> {
    let of = |level| Tile::within(level, first / WIDTH, reader.size());
    let (Some(entries), Some(tile)) = (of(Level::Entries), of(Level::Hashes(0))) else {
        return Ok(Vec::new());
    };
    let width = usize::from(tile.width);
    let kept =
        reader.read(tile).await?.as_deref().and_then(tile::from_bytes).filter(|kept| kept.len() == width);
    if kept.is_none() {
        verified.find(None, format!("`{tile}` is missing or damaged"));
    }
    let Some((_, bundle)) = reader.bundle(first).await? else {
        verified.find(
            Some(first),
            format!("`{entries}` is missing or damaged: its {width} events cannot be read"),
        );
        // The place of each stays, so that those behind them are found where they are.
        return Ok(kept.unwrap_or_else(|| vec![tree::empty(); width]));
    };
    let mut hashes = Vec::with_capacity(width);
    for (at, entry) in bundle.iter().enumerate() {
        let index = first + u64::try_from(at).unwrap_or(u64::MAX);
        let hash = leaf(entry);
        if kept.as_ref().and_then(|kept| kept.get(at)).is_some_and(|kept| *kept != hash) {
            verified.find(Some(index), "the event is not the one that was hashed here: it was changed");
        }
        match Link::read(entry) {
            Ok(link) => verified.follow(index, link),
            Err(error) => verified.find(Some(index), error.to_string()),
        }
        hashes.push(hash);
    }
    Ok(hashes)
}

/// Compares a tile of a higher level with the hashes below it. What is wrong in the lowest is told with its entries.
async fn compare(
    reader: &Reader,
    tile: Tile,
    hashes: &[Hash],
    verified: &mut Verified,
) -> Result<(), PublishError> {
    if tile.level == Level::Hashes(0) {
        return Ok(());
    }
    let kept = reader.read(tile).await?.as_deref().and_then(tile::from_bytes);
    if kept.is_none_or(|kept| kept != hashes) {
        verified.find(None, format!("`{tile}` is missing, or not made of the hashes below it"));
    }
    Ok(())
}

/// Compares what is published with what its newest part has of the same events: its right edge, which both have.
///
/// # Errors
/// As [`verify`].
pub async fn verify_published(
    newest: &dyn NewestPart,
    published: &Published,
    size: u64,
    verified: &mut Verified,
) -> Result<(), PublishError> {
    for tile in Log::edge_of(size) {
        let own = newest.read(tile)?;
        let there = published.read(tile).await?;
        if there.is_none() || own.as_ref().and_then(|own| narrowed(tile, own)) != there {
            verified.find(None, format!("`{tile}` in the object store is missing, or not what it was"));
        }
    }
    Ok(())
}
