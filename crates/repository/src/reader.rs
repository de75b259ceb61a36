//! Reading: any record at any snapshot, all records of one, the history of a record, what changed between two.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{
    DataKey, HashPurpose, Id128, KeyError, Kind, RecordKey, RecordMeta, Removal, SnapshotNumber, SubjectId,
    SubjectTag, Timestamp,
};
use tokio::sync::{Mutex, OnceCell};

use crate::block::{read_one, read_personal};
use crate::commit::{self, Head, Role};
use crate::encoding::Bytes;
use crate::entries::Layout;
use crate::error::{RepositoryError, Result};
use crate::footer::ObjectRef;
use crate::object::{decompress, opening};
use crate::segment::Segment;
use crate::store::Area;
use crate::subjects::{self, SubjectKey, Subjects};
use crate::view::{Group, Segments, Version, VersionState, Walk};

/// Decoded blocks that are kept for neighbours: at most so many …
const BLOCKS_CACHED: usize = 8;
/// … and of so many bytes together, but always the one that was read last.
const BYTES_CACHED: usize = 64 * 1024 * 1024;

/// What was read last, by pack and block, newest first.
#[derive(Debug)]
struct Recent<T>(VecDeque<Kept<T>>);

#[derive(Debug)]
struct Kept<T> {
    block: (Id128, usize),
    len: usize,
    content: Arc<T>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Recent<T> {
    fn get(&self, block: (Id128, usize)) -> Option<Arc<T>> {
        self.0.iter().find(|kept| kept.block == block).map(|kept| Arc::clone(&kept.content))
    }

    fn keep(&mut self, block: (Id128, usize), len: usize, content: &Arc<T>) {
        self.0.push_front(Kept { block, len, content: Arc::clone(content) });
        let mut bytes = 0_usize;
        let fits = self.0.iter().take(BLOCKS_CACHED).take_while(|kept| {
            bytes = bytes.saturating_add(kept.len);
            bytes <= BYTES_CACHED
        });
        let fits = fits.count().max(1);
        self.0.truncate(fits);
    }
}

/// One version of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which record.
    pub key: RecordKey,
    /// The snapshot that brought this version.
    pub number: SnapshotNumber,
    /// What is known beside the payload.
    pub meta: RecordMeta,
    /// The payload as it was stored.
    pub payload: Vec<u8>,
}

/// One line of a record's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The snapshot that brought it.
    pub number: SnapshotNumber,
    /// Why the record was gone from then on; `None`: it was there, in a new version.
    pub removed: Option<Removal>,
    /// The version's content hash, where it was there.
    pub hash: Option<domain::ContentHash>,
}

/// A line of a list: the record's summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryRow {
    /// The record's id.
    pub id: Box<str>,
    /// The snapshot that brought the version shown.
    pub number: SnapshotNumber,
    /// Values of the kind's summary columns, as a JSON array; `None` where none were kept, or the person was erased.
    pub cells: Option<Vec<u8>>,
}

/// How a record differs between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which record.
    pub key: RecordKey,
    /// Whether it was there in the earlier one.
    pub before: bool,
    /// Whether it is there in the later one.
    pub after: bool,
}

/// Reads one connection's history, on one grant, as it stands at one head.
#[derive(Debug)]
pub struct Reader {
    pub(crate) segments: Arc<Segments>,
    keys_area: Area,
    head: Head,
    subjects: OnceCell<Mutex<Subjects>>,
    blocks: Mutex<Recent<Vec<u8>>>,
    rows: Mutex<Recent<Vec<Vec<u8>>>>,
}

impl Reader {
    pub(crate) fn new(segments: Arc<Segments>, keys_area: Area, head: Head) -> Self {
        Self {
            segments,
            keys_area,
            head,
            subjects: OnceCell::new(),
            blocks: Mutex::default(),
            rows: Mutex::default(),
        }
    }

    /// The head that is read from.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The newest snapshot at or before a time.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] where the history begins later.
    pub async fn at_time(&self, at: Timestamp) -> Result<Head> {
        let found = self.find(|_, taken_at| taken_at <= at).await?;
        self.snapshot_at_or_before(found, &format!("a snapshot at or before {at}")).await
    }

    /// The snapshot with this number.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] where there is none, or it was dropped.
    pub async fn at_number(&self, number: SnapshotNumber) -> Result<Head> {
        let found = self.find(|here, _| here <= number).await?;
        match found {
            Some(head)
                if head.name.number == number
                    && head.commit.role == Role::Snapshot
                    && !self.head.commit.is_pruned(number) =>
            {
                Ok(head)
            }
            _ => Err(RepositoryError::NotFound(format!("snapshot {number}"))),
        }
    }

    /// The commit with this number, also of a snapshot that was dropped since.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] where history does not reach it.
    pub async fn commit_at(&self, number: SnapshotNumber) -> Result<Head> {
        let found = self.find(|here, _| here <= number).await?;
        let found = found.filter(|head| head.name.number == number);
        found.ok_or_else(|| RepositoryError::NotFound(format!("snapshot {number}")))
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] where there is none yet.
    pub async fn latest(&self) -> Result<Head> {
        self.snapshot_at_or_before(Some(self.head.clone()), "a snapshot").await
    }

    async fn find(&self, fits: impl Fn(SnapshotNumber, Timestamp) -> bool) -> Result<Option<Head>> {
        commit::find(&self.segments.keyring, &self.segments.area, &self.head, fits).await
    }

    async fn snapshot_at_or_before(&self, mut found: Option<Head>, what: &str) -> Result<Head> {
        while let Some(head) = found {
            if head.commit.role == Role::Snapshot && !self.head.commit.is_pruned(head.name.number) {
                return Ok(head);
            }
            found = match head.commit.parent() {
                None => None,
                Some(parent) => {
                    let commit = commit::read(&self.segments.keyring, &self.segments.area, parent).await?;
                    Some(Head { name: parent.clone(), commit })
                }
            };
        }
        Err(RepositoryError::NotFound(what.to_owned()))
    }

    /// Every commit from the head back to the first.
    pub(crate) async fn chain(&self) -> Result<Vec<Head>> {
        self.newest(usize::MAX).await
    }

    /// So many commits from the head back, also of snapshots that were dropped.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub async fn newest(&self, most: usize) -> Result<Vec<Head>> {
        let mut chain = vec![self.head.clone()];
        while chain.len() < most
            && let Some(name) = chain.last().and_then(|head| head.commit.parent()).cloned()
        {
            let commit = commit::read(&self.segments.keyring, &self.segments.area, &name).await?;
            chain.push(Head { name, commit });
        }
        Ok(chain)
    }

    /// All snapshots that were not dropped, newest first.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub async fn snapshots(&self) -> Result<Vec<Head>> {
        let mut found = self.chain().await?;
        found.retain(|head| {
            head.commit.role == Role::Snapshot && !self.head.commit.is_pruned(head.name.number)
        });
        Ok(found)
    }

    pub(crate) async fn walk(&self, start: Option<(&Kind, &str)>) -> Result<Walk> {
        Walk::from(&self.segments, &self.head.commit.components, start).await
    }

    async fn group(&self, key: &RecordKey) -> Result<Option<Group>> {
        let mut walk = self.walk(Some((&key.kind, &key.id))).await?;
        if walk.peek() == Some((&key.kind, &*key.id)) { walk.next().await } else { Ok(None) }
    }

    /// One record as it was in a snapshot.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] where it was not there, [`RepositoryError::Erased`] where its person's key
    /// was destroyed, [`RepositoryError::Damaged`] where its bytes are not those that were written.
    pub async fn get(&self, key: &RecordKey, at: SnapshotNumber) -> Result<Record> {
        let group = self.group(key).await?;
        let version = group.as_ref().and_then(|group| group.at(at.0));
        match version {
            Some(version) if matches!(version.state, VersionState::Present { .. }) => {
                self.read(key, version).await
            }
            _ => Err(RepositoryError::NotFound(key.to_string())),
        }
    }

    /// Every version of a record, newest first.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] where there was never any.
    pub async fn history(&self, key: &RecordKey) -> Result<Vec<HistoryEntry>> {
        let group = self.group(key).await?.ok_or_else(|| RepositoryError::NotFound(key.to_string()))?;
        let shown = group.versions.iter().filter(|version| version.number <= self.head.name.number.0);
        let entries = shown.map(|version| HistoryEntry {
            number: SnapshotNumber(version.number),
            removed: match version.state {
                VersionState::Removed(why) => Some(why),
                VersionState::Present { .. } => None,
            },
            hash: match version.state {
                VersionState::Present { hash, .. } => Some(hash),
                VersionState::Removed(_) => None,
            },
        });
        Ok(entries.collect())
    }

    /// The records of a person in all snapshots, in order of kind and id: those that brought a version of each, newest first. Also of
    /// one whose key was destroyed.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn of_person(&self, person: &SubjectId) -> Result<Vec<(RecordKey, Vec<SnapshotNumber>)>> {
        let keyring = &self.segments.keyring;
        let data_key = keyring.current().await?;
        let hash = keyring.keyed_hash(data_key, HashPurpose::Subject).await?;
        let tag = subjects::tag(&*hash, person);
        let mut walk = self.walk(None).await?;
        let mut found = Vec::new();
        while let Some(group) = walk.next().await? {
            let theirs = group.versions.iter().filter(|version| {
                version.number <= self.head.name.number.0
                    && version.subject == Some(tag)
                    && matches!(version.state, VersionState::Present { .. })
            });
            let numbers: Vec<_> = theirs.map(|version| SnapshotNumber(version.number)).collect();
            if !numbers.is_empty() {
                found.push((group.key, numbers));
            }
        }
        Ok(found)
    }

    /// The records of a kind in a snapshot, in order of their ids, after `after`.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn scan(&self, kind: &Kind, at: SnapshotNumber, after: Option<&str>) -> Result<Scan<'_>> {
        let walk = self.walk(Some((kind, after.unwrap_or("")))).await?;
        Ok(Scan { reader: self, walk, kind: kind.clone(), at, after: after.map(Into::into) })
    }

    /// What differs between two snapshots, in order of kind and id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn differences(&self, from: SnapshotNumber, to: SnapshotNumber) -> Result<Differences> {
        Ok(Differences { walk: self.walk(None).await?, from, to })
    }

    async fn subjects(&self) -> Result<&Mutex<Subjects>> {
        let open = || async {
            Ok(Mutex::new(
                Subjects::open(
                    &self.segments.keyring,
                    &self.keys_area,
                    &self.segments.area,
                    Some(&self.head),
                )
                .await?,
            ))
        };
        self.subjects.get_or_try_init(open).await
    }

    async fn block(&self, segment: &Segment, pack: &ObjectRef, index: usize) -> Result<Arc<Vec<u8>>> {
        if let Some(block) = self.blocks.lock().await.get((pack.id, index)) {
            return Ok(block);
        }
        let personal = segment.footer.data.get(index).is_some_and(|block| block.table > 0);
        let block =
            if personal { segment.sealed_data(index).await?.to_vec() } else { segment.data(index).await? };
        let block = Arc::new(block);
        self.blocks.lock().await.keep((pack.id, index), block.len(), &block);
        Ok(block)
    }

    /// Reads the bytes of a present version. Their seal proves that they are what was written at this place; the
    /// content hash is not compared: where the connector makes a canonical form it is that form's.
    pub(crate) async fn read(&self, key: &RecordKey, version: &Version) -> Result<Record> {
        let VersionState::Present { pack, ordinal, .. } = &version.state else {
            return Err(RepositoryError::NotFound(key.to_string()));
        };
        let segment = self.segments.open(Layout::Pack, pack).await?;
        let (index, turn) = segment.place(*ordinal)?;
        let block = self.block(&segment, pack, index).await?;
        let turn = usize::try_from(turn).unwrap_or(usize::MAX);
        let number = SnapshotNumber(version.number);
        let damaged = || RepositoryError::damaged(&segment.full_name(), "a block of records makes no sense");
        match version.subject {
            None => {
                let stored = read_one(&block, turn).ok_or_else(damaged)?;
                Ok(Record { key: key.clone(), number, meta: stored.meta, payload: stored.payload.to_vec() })
            }
            Some(tag) => {
                let table_len = segment.footer.data.get(index).map_or(0, |block| block.table);
                let (table, texts) = block
                    .split_at_checked(usize::try_from(table_len).unwrap_or(usize::MAX))
                    .ok_or_else(damaged)?;
                let number_of_block = u64::try_from(index).unwrap_or(u64::MAX);
                let table = segment.open_block(number_of_block, table.to_vec()).await?;
                let sealed = container_record(&table, texts, turn).ok_or_else(damaged)?;
                let text = self.open_personal(&segment, key, tag, (index, turn, *ordinal), 0, sealed).await?;
                let plain = decompress(&segment.full_name(), &text)?;
                let stored = read_personal(&plain).ok_or_else(damaged)?;
                Ok(Record { key: key.clone(), number, meta: stored.meta, payload: stored.payload.to_vec() })
            }
        }
    }

    /// Opens a text that is sealed under a person's key: piece 0 is the record, piece 1 its summary.
    async fn open_personal(
        &self,
        segment: &Segment,
        key: &RecordKey,
        tag: SubjectTag,
        (index, turn, ordinal): (usize, usize, u32),
        piece: u64,
        sealed: &[u8],
    ) -> Result<Vec<u8>> {
        let erased = || RepositoryError::Erased(key.to_string());
        let mut subjects = self.subjects().await?.lock().await;
        let SubjectKey::Present(wrapped) = subjects.find(&tag).await? else { return Err(erased()) };
        let block = u64::try_from(index).unwrap_or(u64::MAX);
        let aad = segment.aad(block, u64::try_from(turn).unwrap_or(u64::MAX).saturating_add(1));
        let mut text = sealed.to_vec();
        let open = |data_key: &dyn DataKey| {
            let key = data_key.record_key(&tag, &wrapped, &segment.salt(), u64::from(ordinal))?;
            key.open(piece, &aad, &mut text)
        };
        match segment.with_data_key(open).await {
            Ok(()) => Ok(text),
            Err(RepositoryError::Key(KeyError::DoesNotOpen)) if subjects.was_destroyed(&tag).await? => {
                Err(erased())
            }
            Err(error) => Err(opening(&segment.full_name(), error)),
        }
    }

    pub(crate) async fn summary(&self, key: &RecordKey, version: &Version) -> Result<Option<Vec<u8>>> {
        let VersionState::Present { pack, ordinal, .. } = &version.state else { return Ok(None) };
        let segment = self.segments.open(Layout::Pack, pack).await?;
        let (block, row) = segment.summary_place(*ordinal);
        let cached = self.rows.lock().await.get((pack.id, block));
        let rows = match cached {
            Some(rows) => rows,
            None => {
                let rows = Arc::new(segment.summaries(block).await?);
                let len = rows.iter().map(|row| row.len() + size_of::<Vec<u8>>()).sum();
                self.rows.lock().await.keep((pack.id, block), len, &rows);
                rows
            }
        };
        let Some(row) = rows.get(row).filter(|row| !row.is_empty()) else { return Ok(None) };
        match version.subject {
            None => Ok(Some(row.clone())),
            Some(tag) => {
                let (index, turn) = segment.place(*ordinal)?;
                let place = (index, usize::try_from(turn).unwrap_or(usize::MAX), *ordinal);
                match self.open_personal(&segment, key, tag, place, 1, row).await {
                    Ok(text) => Ok(Some(text)),
                    Err(RepositoryError::Erased(_)) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

/// One sealed record of a container, by its turn.
pub(crate) fn container_record<'a>(table: &[u8], texts: &'a [u8], turn: usize) -> Option<&'a [u8]> {
    let mut table = Bytes(table);
    let mut texts = Bytes(texts);
    let count = table.count()?;
    if turn >= count {
        return None;
    }
    for _ in 0..turn {
        let len = table.count()?;
        texts.take(len)?;
    }
    let len = table.count()?;
    texts.take(len)
}

/// Walks the records of a kind in one snapshot.
pub struct Scan<'a> {
    reader: &'a Reader,
    walk: Walk,
    kind: Kind,
    at: SnapshotNumber,
    after: Option<Box<str>>,
}

impl Scan<'_> {
    async fn next_version(&mut self) -> Result<Option<(RecordKey, Version)>> {
        while self.walk.peek().is_some_and(|(kind, _)| *kind == self.kind) {
            let Some(group) = self.walk.next().await? else { break };
            if self.after.as_ref() == Some(&group.key.id) {
                continue;
            }
            if let Some(version) = group.at(self.at.0)
                && matches!(version.state, VersionState::Present { .. })
            {
                return Ok(Some((group.key.clone(), version.clone())));
            }
        }
        Ok(None)
    }

    /// The record with this id; `None` where there is none, or its person was erased. Ids are asked for in their
    /// order, and what stands before them is passed over.
    ///
    /// # Errors
    /// When its bytes are damaged or cannot be read.
    pub async fn find(&mut self, id: &str) -> Result<Option<Record>> {
        self.walk.seek(&self.kind, id).await?;
        if self.walk.peek() != Some((&self.kind, id)) {
            return Ok(None);
        }
        let Some(group) = self.walk.next().await? else { return Ok(None) };
        let present = |version: &&Version| matches!(version.state, VersionState::Present { .. });
        let Some(version) = group.at(self.at.0).filter(present) else { return Ok(None) };
        match self.reader.read(&group.key, version).await {
            Err(RepositoryError::Erased(_)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The next record with its bytes. An erased one is passed over.
    ///
    /// # Errors
    /// When its bytes are damaged or cannot be read.
    pub async fn next(&mut self) -> Result<Option<Record>> {
        while let Some((key, version)) = self.next_version().await? {
            match self.reader.read(&key, &version).await {
                Err(RepositoryError::Erased(_)) => {}
                other => return other.map(Some),
            }
        }
        Ok(None)
    }

    /// The next record's summary.
    ///
    /// # Errors
    /// When its bytes are damaged or cannot be read.
    pub async fn next_summary(&mut self) -> Result<Option<SummaryRow>> {
        let Some((key, version)) = self.next_version().await? else { return Ok(None) };
        let cells = self.reader.summary(&key, &version).await?;
        Ok(Some(SummaryRow { id: key.id, number: SnapshotNumber(version.number), cells }))
    }

    /// The next record's id.
    ///
    /// # Errors
    /// When the index is damaged or cannot be read.
    pub async fn next_id(&mut self) -> Result<Option<Box<str>>> {
        Ok(self.next_version().await?.map(|(key, _)| key.id))
    }
}

/// Walks what differs between two snapshots.
pub struct Differences {
    walk: Walk,
    from: SnapshotNumber,
    to: SnapshotNumber,
}

impl Differences {
    /// The next record that differs.
    ///
    /// # Errors
    /// When the index is damaged or cannot be read.
    pub async fn next(&mut self) -> Result<Option<Difference>> {
        let hash = |version: Option<&Version>| match version.map(|version| &version.state) {
            Some(VersionState::Present { hash, .. }) => Some(*hash),
            _ => None,
        };
        while let Some(group) = self.walk.next().await? {
            let (before, after) = (hash(group.at(self.from.0)), hash(group.at(self.to.0)));
            if before != after {
                return Ok(Some(Difference {
                    key: group.key,
                    before: before.is_some(),
                    after: after.is_some(),
                }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_kept_up_to_a_number_and_a_length_and_the_last_one_always() {
        let mut recent = Recent::default();
        let keep = |recent: &mut Recent<usize>, block: usize, len: usize| {
            recent.keep((Id128([0; 16]), block), len, &Arc::new(block));
        };
        let kept = |recent: &Recent<usize>| recent.0.iter().map(|kept| *kept.content).collect::<Vec<_>>();
        for block in 0..10 {
            keep(&mut recent, block, 1);
        }
        assert_eq!(kept(&recent), [9, 8, 7, 6, 5, 4, 3, 2]);
        keep(&mut recent, 10, BYTES_CACHED - 2);
        assert_eq!(kept(&recent), [10, 9, 8]);
        keep(&mut recent, 11, BYTES_CACHED + 1);
        assert_eq!(kept(&recent), [11]);
        keep(&mut recent, 12, 1);
        assert_eq!(kept(&recent), [12]);
        assert!(recent.get((Id128([0; 16]), 12)).is_some() && recent.get((Id128([0; 16]), 11)).is_none());
    }
}
