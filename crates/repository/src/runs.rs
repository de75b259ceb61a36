//! Durable progress of a run that is not a snapshot yet: sorted batches of lines, and a checkpoint beside them.
//!
//! A fetch puts lines in any order. Every 32 MiB what was gathered is sorted, compressed and sealed as a batch. Every 30
//! seconds, or when they have become many, batches are stored, and then a checkpoint that lists them all and how far each
//! kind had come. A crash loses at most what came since. When the fetch is done, the batches and what is still in memory
//! are merged: lines come out by kind, item and part. So a run that is quick writes nothing here. What was written lies
//! in the key store and is deleted once the snapshot stands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::aad::ObjectAad;
use domain::{Action, Clock, DataKeyId, Grant, Id128, Kind, ObjectPurpose, Rng, Salt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::commit::CommitName;
use crate::connection::Repository;
use crate::encoding::{self, put_count, put_number};
use crate::error::{RepositoryError, Result};
use crate::inspect::integrity;
use crate::keyring::{Keyring, ObjectKey};
use crate::object::{HEADER_LEN, compress, decompress, header, opening, read_header, read_whole, seal_whole};
use crate::store::Area;

/// Folder of unfinished runs, in the key store.
pub(crate) const RUNS: &str = "run";
/// A batch is sealed when its lines take this many bytes of memory.
const BATCH_LEN: usize = 32 * 1024 * 1024;
/// Batches are stored when the oldest line that is not is this old …
const BATCH_AGE: Duration = Duration::from_secs(30);
/// … or when those that are not take this many bytes.
const HELD_LEN: usize = 16 * 1024 * 1024;
/// What is left when all was put is merged from memory, where nothing was stored before or it is no more than this: it
/// stays there until the snapshot stands.
const REST_LEN: usize = 4 * 1024 * 1024;
/// Plain length of a batch's block.
const BLOCK_LEN: usize = 64 * 1024;
/// Blocks of a batch are read together up to this sealed length: each reading waits for its store.
const READ_LEN: u64 = 128 * 1024;
const LEVEL: i32 = 1;
/// Bytes that an allocator keeps beside each allocation.
const ALLOCATOR_COST: usize = 8;
/// No run has so many lines; a checkpoint that says so is damaged.
const SEQUENCE_MAX: u64 = 1 << 62;

/// One line of an unfinished run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunLine {
    /// Which kind of item.
    pub kind: Kind,
    /// Which item.
    pub id: Box<str>,
    /// Which part of it.
    pub part: Box<str>,
    /// When it was put, among all lines of the run.
    sequence: u64,
    /// The line.
    pub bytes: Vec<u8>,
}

impl RunLine {
    /// The memory that the line takes: its own size and that of its four texts, each with what an allocator adds.
    fn held(&self) -> usize {
        let texts = [self.kind.as_str().len(), self.id.len(), self.part.len(), self.bytes.capacity()];
        let held =
            |len: usize| if len == 0 { 0 } else { (len + ALLOCATOR_COST).next_multiple_of(16).max(32) };
        size_of::<Self>() + texts.map(held).iter().sum::<usize>()
    }
}

/// How far one kind has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunKind {
    /// What the fetch said last: everything put before is complete up to here.
    pub cursor: Option<Value>,
    /// How the fetch ended, once it did.
    pub end: Option<Value>,
    /// Lines that count, by sequence, both ends counted: those of an attempt that died count up to its last
    /// cursor, since the next one fetches the rest again.
    spans: Vec<(u64, u64)>,
    /// The sequence at the last cursor.
    settled: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) name: String,
    /// Sealed lengths of its blocks.
    pub(crate) blocks: Vec<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) parent: Option<CommitName>,
    /// What the run was asked to do; a resumed one must ask for the same.
    pub(crate) request: Value,
    sequence: u64,
    pub(crate) kinds: BTreeMap<Kind, RunKind>,
    pub(crate) batches: Vec<Batch>,
}

/// A batch that is sealed and not stored.
struct Held {
    batch: Batch,
    bytes: Bytes,
}

struct Gathered {
    lines: Vec<RunLine>,
    len: usize,
    held: Vec<Held>,
    /// When the first line came that is not stored.
    since: Duration,
    checkpoint: Checkpoint,
    turn: u64,
    bytes_written: u64,
    /// Why only what the store holds is still true: storing failed half way, or the lines were given away to be merged.
    broken: Option<String>,
}

impl Gathered {
    /// Bytes of the batches that are not stored.
    fn held_len(&self) -> usize {
        self.held.iter().map(|held| held.bytes.len()).sum()
    }
}

/// An unfinished run. Once storing has failed, every call fails: whoever goes on opens it anew.
pub struct Run {
    place: Place,
    gathered: Arc<Mutex<Gathered>>,
}

/// Where a run is kept, and what seals it.
#[derive(Clone)]
struct Place {
    id: Id128,
    keyring: Arc<Keyring>,
    area: Area,
    data_key: DataKeyId,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

fn checkpoint_name(id: Id128, turn: u64) -> String {
    format!("{RUNS}/{id}/checkpoint-{turn:012}")
}

impl Repository {
    /// Goes on with the unfinished run that followed `parent` and was asked for the same, or begins one.
    /// Runs that fit no longer are deleted.
    ///
    /// # Errors
    /// When the key store or the grant's key cannot be used.
    pub async fn run(&self, grant: &Grant, parent: Option<&CommitName>, request: &Value) -> Result<Run> {
        let keyring = self.keyring(grant, Action::Backup)?;
        let data_key = keyring.current().await?;
        let mut newest: BTreeMap<Id128, (u64, String)> = BTreeMap::new();
        let listed = self.keys_area.list(RUNS).await?;
        for object in &listed {
            let mut parts = object.name.split('/').skip(1);
            let (Some(Ok(id)), Some(file)) = (parts.next().map(str::parse::<Id128>), parts.next()) else {
                continue;
            };
            let turn = file.strip_prefix("checkpoint-").and_then(|turn| turn.parse::<u64>().ok());
            if let Some(turn) = turn
                && newest.get(&id).is_none_or(|(known, _)| *known < turn)
            {
                newest.insert(id, (turn, object.name.clone()));
            }
        }
        let mut found: Option<(Id128, u64, Checkpoint)> = None;
        for (id, (turn, name)) in newest {
            // A checkpoint that is damaged is worth no more than none: its run begins anew.
            let purpose = ObjectPurpose::Checkpoint;
            let plain = match read_whole(&keyring, &self.keys_area, purpose, &name, &name).await {
                Ok(plain) => plain,
                Err(error) => {
                    integrity(error)?;
                    continue;
                }
            };
            let Ok(checkpoint) = serde_json::from_slice::<Checkpoint>(&plain) else { continue };
            if checkpoint.sequence > SEQUENCE_MAX {
                continue;
            }
            let fits = checkpoint.parent.as_ref() == parent && checkpoint.request == *request;
            if fits && found.as_ref().is_none_or(|(_, _, best)| best.sequence < checkpoint.sequence) {
                // So is a run with a damaged batch. It is found here, where beginning anew still costs only time.
                if let Err(error) = read_batches(&keyring, &self.keys_area, &checkpoint.batches).await {
                    let error = integrity(error)?;
                    tracing::warn!(%error, "the progress of an interrupted run is damaged: it begins anew");
                    continue;
                }
                found = Some((id, turn, checkpoint));
            }
        }
        let keep = found.as_ref().map(|(id, ..)| id.to_string());
        for object in &listed {
            if object.name.split('/').nth(1) != keep.as_deref() {
                self.keys_area.delete(&object.name).await?;
            }
        }
        let (id, turn, checkpoint) = found.unwrap_or_else(|| {
            let mut id = [0; 16];
            self.rng.fill(&mut id);
            let (parent, request) = (parent.cloned(), request.clone());
            let kinds = BTreeMap::new();
            (Id128(id), 0, Checkpoint { parent, request, sequence: 0, kinds, batches: Vec::new() })
        });
        let since = self.clock.monotonic();
        let gathered = Gathered {
            lines: Vec::new(),
            len: 0,
            held: Vec::new(),
            since,
            checkpoint,
            turn,
            bytes_written: 0,
            broken: None,
        };
        let (clock, rng) = (Arc::clone(&self.clock), Arc::clone(&self.rng));
        let place = Place { id, keyring, area: self.keys_area.clone(), data_key, clock, rng };
        Ok(Run { place, gathered: Arc::new(Mutex::new(gathered)) })
    }
}

/// Opens and reads every block, for the damage that there may be.
async fn read_batches(keyring: &Arc<Keyring>, area: &Area, batches: &[Batch]) -> Result<()> {
    for batch in batches {
        let mut reader = BatchReader::open(keyring, area, batch).await?;
        while reader.next().await?.is_some() {}
    }
    Ok(())
}

impl Gathered {
    fn check(&self) -> Result<()> {
        match &self.broken {
            // The first cause is told here too: the error of whoever met it may be lost among those that follow.
            Some(why) => Err(RepositoryError::Conflict(format!("{why}: the run is to be opened anew"))),
            None => Ok(()),
        }
    }
}

impl Run {
    /// How far the kinds had come when the run was interrupted; empty for a new one.
    pub async fn kinds(&self) -> BTreeMap<Kind, RunKind> {
        self.gathered.lock().await.checkpoint.kinds.clone()
    }

    /// Begins a kind, or goes on with it behind its last cursor: lines that were put after that count no more.
    pub async fn begin(&self, kind: &Kind) {
        let mut gathered = self.gathered.lock().await;
        let next = gathered.checkpoint.sequence + 1;
        let state = gathered.checkpoint.kinds.entry(kind.clone()).or_default();
        let settled = state.settled;
        state.spans.retain(|(from, _)| *from <= settled);
        if let Some(last) = state.spans.last_mut() {
            last.1 = last.1.min(settled);
        }
        state.spans.push((next, u64::MAX));
    }

    /// Forgets all lines of a kind: its fetch begins anew.
    pub async fn restart(&self, kind: &Kind) {
        let mut gathered = self.gathered.lock().await;
        let next = gathered.checkpoint.sequence + 1;
        let state = gathered.checkpoint.kinds.entry(kind.clone()).or_default();
        *state =
            RunKind { spans: vec![(next, u64::MAX)], settled: next.saturating_sub(1), ..RunKind::default() };
    }

    /// Takes a line.
    ///
    /// # Errors
    /// When a batch is due and cannot be stored.
    pub async fn put(&self, kind: &Kind, id: Box<str>, part: Box<str>, bytes: Vec<u8>) -> Result<()> {
        let mut gathered = Arc::clone(&self.gathered).lock_owned().await;
        gathered.check()?;
        gathered.checkpoint.sequence += 1;
        let sequence = gathered.checkpoint.sequence;
        let line = RunLine { kind: kind.clone(), id, part, sequence, bytes };
        gathered.len += line.held();
        gathered.lines.push(line);
        self.store_if_due(gathered).await
    }

    /// Everything of `kind` up to `cursor` was put.
    ///
    /// # Errors
    /// When a batch is due and cannot be stored.
    pub async fn cursor(&self, kind: &Kind, cursor: Value) -> Result<()> {
        let mut gathered = Arc::clone(&self.gathered).lock_owned().await;
        gathered.check()?;
        let settled = gathered.checkpoint.sequence;
        let state = gathered.checkpoint.kinds.entry(kind.clone()).or_default();
        state.cursor = Some(cursor);
        state.settled = settled;
        self.store_if_due(gathered).await
    }

    /// The kind is finished.
    ///
    /// # Errors
    /// When a batch is due and cannot be stored.
    pub async fn end(&self, kind: &Kind, end: Value) -> Result<()> {
        let mut gathered = Arc::clone(&self.gathered).lock_owned().await;
        gathered.check()?;
        let settled = gathered.checkpoint.sequence;
        let state = gathered.checkpoint.kinds.entry(kind.clone()).or_default();
        state.end = Some(end);
        state.settled = settled;
        self.store_if_due(gathered).await
    }

    async fn store_if_due(&self, gathered: OwnedMutexGuard<Gathered>) -> Result<()> {
        let age = self.place.clock.monotonic().saturating_sub(gathered.since);
        if age >= BATCH_AGE {
            self.apart(gathered, true).await
        } else if gathered.len >= BATCH_LEN {
            self.apart(gathered, false).await
        } else {
            Ok(())
        }
    }

    /// Makes everything durable that was put so far.
    ///
    /// # Errors
    /// When the key store fails.
    pub async fn flush(&self) -> Result<()> {
        self.apart(Arc::clone(&self.gathered).lock_owned().await, true).await
    }

    /// Seals, and stores where that is due, in a task of its own: a caller that is dropped meanwhile, since another part
    /// of the same fetch failed, must not leave the run half stored for those that go on.
    async fn apart(&self, mut gathered: OwnedMutexGuard<Gathered>, durable: bool) -> Result<()> {
        gathered.check()?;
        let place = self.place.clone();
        let stored = tokio::spawn(async move {
            gathered.broken = Some("storing the run's progress was broken off".to_owned());
            let stored = place.seal_and_store(&mut gathered, durable).await;
            let why = |error: &RepositoryError| {
                format!("the run's progress could not be stored: {}", domain::with_causes(error))
            };
            gathered.broken = stored.as_ref().err().map(why);
            stored
        });
        stored.await.map_err(|error| crate::pack::stopped(&error))?
    }

    /// All lines that count, by kind, item and part; of two with the same part the later one. The run takes no more
    /// lines from then on.
    ///
    /// # Errors
    /// When a batch is damaged or cannot be read, or lines were lost or merged before.
    pub async fn merged(&self) -> Result<MergedLines> {
        if self.has_large_rest().await {
            self.flush().await?;
        }
        let mut gathered = self.gathered.lock().await;
        gathered.check()?;
        let spans = gathered.checkpoint.kinds.iter().map(|(kind, state)| (kind.clone(), state.spans.clone()));
        let mut merged = MergedLines { sources: Vec::new(), heap: BinaryHeap::new(), spans: spans.collect() };
        for batch in &gathered.checkpoint.batches {
            let reader = BatchReader::open(&self.place.keyring, &self.place.area, batch).await?;
            merged.add(Source::Batch(Box::new(reader))).await?;
        }
        gathered.broken = Some("the run's lines were merged already".to_owned());
        for Held { batch, bytes } in std::mem::take(&mut gathered.held) {
            let reader = BatchReader::held(&self.place.keyring, &self.place.area, &batch, bytes)?;
            merged.add(Source::Batch(Box::new(reader))).await?;
        }
        let mut rest = std::mem::take(&mut gathered.lines);
        rest.sort_unstable();
        merged.add(Source::Memory(rest.into_iter())).await?;
        Ok(merged)
    }

    async fn has_large_rest(&self) -> bool {
        let gathered = self.gathered.lock().await;
        gathered.len + gathered.held_len() > REST_LEN && !gathered.checkpoint.batches.is_empty()
    }

    /// Bytes written to the key store so far.
    pub async fn bytes_written(&self) -> u64 {
        self.gathered.lock().await.bytes_written
    }

    /// Deletes the run: its snapshot stands, or it is given up.
    ///
    /// # Errors
    /// When the key store fails.
    pub async fn delete(self) -> Result<()> {
        for object in self.place.area.list(&format!("{RUNS}/{}", self.place.id)).await? {
            self.place.area.delete(&object.name).await?;
        }
        Ok(())
    }
}

impl Place {
    /// Seals the lines, and stores what is sealed where that is due.
    async fn seal_and_store(&self, gathered: &mut Gathered, durable: bool) -> Result<()> {
        self.seal(gathered).await?;
        if durable || gathered.held_len() > HELD_LEN {
            self.store(gathered).await?;
        }
        Ok(())
    }

    /// Seals the lines as one more batch.
    async fn seal(&self, gathered: &mut Gathered) -> Result<()> {
        let mut lines = std::mem::take(&mut gathered.lines);
        gathered.len = 0;
        if lines.is_empty() {
            return Ok(());
        }
        let name = format!("{RUNS}/{}/batch-{:012}-{}", self.id, gathered.turn + 1, self.new_id());
        let mut salt = Salt([0; 32]);
        self.rng.fill(&mut salt.0);
        let key = ObjectKey::new(Arc::clone(&self.keyring), self.data_key, ObjectPurpose::Spool, salt);
        let aad = ObjectAad::new(&self.keyring.scope.tenant, &self.keyring.scope.connection, &name);
        let mut bytes = header(ObjectPurpose::Spool, self.data_key, &salt);
        let sealed = tokio::task::spawn_blocking(move || -> Result<(Vec<u8>, Vec<u64>)> {
            lines.sort_unstable();
            let mut blocks = Vec::new();
            let mut plain = Vec::with_capacity(BLOCK_LEN * 2);
            let mut rest = lines.into_iter().peekable();
            let waiting = Handle::current();
            while let Some(line) = rest.next() {
                put_line(&mut plain, &line);
                if plain.len() >= BLOCK_LEN || rest.peek().is_none() {
                    let number = u64::try_from(blocks.len()).unwrap_or(u64::MAX);
                    let mut text = compress(&plain, LEVEL)?;
                    waiting.block_on(key.seal(number, &aad.block(number, 0), &mut text))?;
                    blocks.push(u64::try_from(text.len()).unwrap_or(u64::MAX));
                    bytes.append(&mut text);
                    plain.clear();
                }
            }
            bytes.shrink_to_fit();
            Ok((bytes, blocks))
        });
        let (bytes, blocks) = sealed.await.map_err(|error| crate::pack::stopped(&error))??;
        gathered.held.push(Held { batch: Batch { name, blocks }, bytes: bytes.into() });
        Ok(())
    }

    /// Stores the batches that are not, and a checkpoint that tells of them.
    async fn store(&self, gathered: &mut Gathered) -> Result<()> {
        gathered.since = self.clock.monotonic();
        for Held { batch, bytes } in std::mem::take(&mut gathered.held) {
            gathered.bytes_written += u64::try_from(bytes.len()).unwrap_or_default();
            self.area.put_new(&batch.name, bytes).await?;
            gathered.checkpoint.batches.push(batch);
        }
        let older = gathered.turn;
        gathered.turn += 1;
        let name = checkpoint_name(self.id, gathered.turn);
        let plain = serde_json::to_vec(&gathered.checkpoint).map_err(|error| {
            RepositoryError::Input(format!("the run's progress cannot be written: {error}"))
        })?;
        let mut salt = Salt([0; 32]);
        self.rng.fill(&mut salt.0);
        let purpose = ObjectPurpose::Checkpoint;
        let sealed = seal_whole(&self.keyring, self.data_key, purpose, salt, &name, &plain).await?;
        self.area.put_new(&name, sealed).await?;
        if older > 0 {
            self.area.delete(&checkpoint_name(self.id, older)).await?;
        }
        Ok(())
    }

    fn new_id(&self) -> Id128 {
        let mut id = [0; 16];
        self.rng.fill(&mut id);
        Id128(id)
    }
}

/// Sorted lines, from one place.
enum Source {
    Batch(Box<BatchReader>),
    Memory(std::vec::IntoIter<RunLine>),
}

impl Source {
    async fn next(&mut self) -> Result<Option<RunLine>> {
        match self {
            Self::Batch(reader) => reader.next().await,
            Self::Memory(lines) => Ok(lines.next()),
        }
    }
}

struct BatchReader {
    area: Area,
    name: String,
    key: ObjectKey,
    aad: ObjectAad,
    blocks: Vec<u64>,
    next_block: usize,
    /// Where the next reading begins.
    offset: u64,
    /// Sealed blocks that were read, from the next one on.
    ahead: Bytes,
    lines: std::vec::IntoIter<RunLine>,
}

impl BatchReader {
    async fn open(keyring: &Arc<Keyring>, area: &Area, batch: &Batch) -> Result<Self> {
        let offset = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
        let head = area.get_range(&batch.name, 0..offset).await?;
        Self::new(keyring, area, batch, &head)
    }

    fn new(keyring: &Arc<Keyring>, area: &Area, batch: &Batch, head: &[u8]) -> Result<Self> {
        let full = area.full(&batch.name);
        // No store reads a range without bytes, and no block is one.
        if batch.blocks.contains(&0) {
            return Err(RepositoryError::damaged(&full, "its checkpoint tells of a block without bytes"));
        }
        let (data_key, salt) = read_header(&full, head, ObjectPurpose::Spool)?;
        Ok(Self {
            area: area.clone(),
            name: batch.name.clone(),
            key: ObjectKey::new(Arc::clone(keyring), data_key, ObjectPurpose::Spool, salt),
            aad: ObjectAad::new(&keyring.scope.tenant, &keyring.scope.connection, &batch.name),
            blocks: batch.blocks.clone(),
            next_block: 0,
            offset: u64::try_from(HEADER_LEN).unwrap_or(u64::MAX),
            ahead: Bytes::new(),
            lines: Vec::new().into_iter(),
        })
    }

    /// Reads a batch that was never stored.
    fn held(keyring: &Arc<Keyring>, area: &Area, batch: &Batch, mut bytes: Bytes) -> Result<Self> {
        let head = bytes.split_to(HEADER_LEN.min(bytes.len()));
        Ok(Self { ahead: bytes, ..Self::new(keyring, area, batch, &head)? })
    }

    async fn next(&mut self) -> Result<Option<RunLine>> {
        if let Some(line) = self.lines.next() {
            return Ok(Some(line));
        }
        let Some(len) = self.blocks.get(self.next_block).copied() else { return Ok(None) };
        if self.ahead.is_empty() {
            self.read_ahead(len).await?;
        }
        let full = self.area.full(&self.name);
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.ahead.len());
        let mut text = self.ahead.split_to(len).to_vec();
        let number = u64::try_from(self.next_block).unwrap_or(u64::MAX);
        let opened = self.key.open(number, &self.aad.block(number, 0), &mut text).await;
        opened.map_err(|error| opening(&full, error))?;
        self.next_block += 1;
        let lines = read_lines(&decompress(&full, &text)?)
            .ok_or_else(|| RepositoryError::damaged(&full, "a batch of lines makes no sense"))?;
        self.lines = lines.into_iter();
        Ok(self.lines.next())
    }

    /// Reads the next block, of that length, and as many behind it as fit.
    async fn read_ahead(&mut self, len: u64) -> Result<()> {
        let mut end = self.offset.saturating_add(len);
        for len in self.blocks.iter().skip(self.next_block + 1) {
            let next = end.saturating_add(*len);
            if next.saturating_sub(self.offset) > READ_LEN {
                break;
            }
            end = next;
        }
        self.ahead = self.area.get_range(&self.name, self.offset..end).await?;
        self.offset = end;
        Ok(())
    }
}

/// Appends a line to the text of a block.
pub(crate) fn put_line(plain: &mut Vec<u8>, line: &RunLine) {
    for field in [line.kind.as_str().as_bytes(), line.id.as_bytes(), line.part.as_bytes()] {
        put_count(plain, field.len());
        plain.extend_from_slice(field);
    }
    put_number(plain, line.sequence);
    put_count(plain, line.bytes.len());
    plain.extend_from_slice(&line.bytes);
}

pub(crate) fn read_lines(plain: &[u8]) -> Option<Vec<RunLine>> {
    let mut bytes = encoding::Bytes(plain);
    let mut lines = Vec::new();
    let text = |bytes: &mut encoding::Bytes<'_>| {
        let len = bytes.count()?;
        std::str::from_utf8(bytes.take(len)?).ok().map(str::to_owned)
    };
    while !bytes.is_empty() {
        let name_len = bytes.count()?;
        let name = bytes.take(name_len)?;
        // Most lines are of the kind of the line before.
        let kind = match lines.last() {
            Some(RunLine { kind, .. }) if kind.as_str().as_bytes() == name => kind.clone(),
            _ => Kind::new(std::str::from_utf8(name).ok()?).ok()?,
        };
        let (id, part) = (text(&mut bytes)?.into(), text(&mut bytes)?.into());
        let sequence = bytes.number()?;
        let len = bytes.count()?;
        lines.push(RunLine { kind, id, part, sequence, bytes: bytes.take(len)?.to_vec() });
    }
    Some(lines)
}

/// The lines of a run, merged.
pub struct MergedLines {
    sources: Vec<Source>,
    heap: BinaryHeap<Reverse<(RunLine, usize)>>,
    spans: BTreeMap<Kind, Vec<(u64, u64)>>,
}

impl MergedLines {
    /// The kind and item that come next.
    #[must_use]
    pub fn peek(&self) -> Option<(&Kind, &str)> {
        self.heap.peek().map(|Reverse((line, _))| (&line.kind, &*line.id))
    }

    async fn add(&mut self, source: Source) -> Result<()> {
        self.sources.push(source);
        self.refill(self.sources.len() - 1).await
    }

    /// Takes the next line that counts from one source; those of attempts that died are passed over here, so
    /// that nobody sees them.
    async fn refill(&mut self, turn: usize) -> Result<()> {
        let Some(source) = self.sources.get_mut(turn) else { return Ok(()) };
        while let Some(line) = source.next().await? {
            let spans = self.spans.get(&line.kind);
            if spans
                .is_some_and(|spans| spans.iter().any(|(from, to)| (*from..=*to).contains(&line.sequence)))
            {
                self.heap.push(Reverse((line, turn)));
                break;
            }
        }
        Ok(())
    }

    async fn pop(&mut self) -> Result<Option<RunLine>> {
        let Some(Reverse((line, turn))) = self.heap.pop() else { return Ok(None) };
        self.refill(turn).await?;
        Ok(Some(line))
    }

    /// All lines of the next item, ordered by part.
    ///
    /// # Errors
    /// When a batch is damaged or cannot be read.
    pub async fn next_item(&mut self) -> Result<Option<Vec<RunLine>>> {
        let mut item: Vec<RunLine> = Vec::new();
        loop {
            if let Some(first) = item.first()
                && self.peek() != Some((&first.kind, &first.id))
            {
                return Ok(Some(item));
            }
            let Some(line) = self.pop().await? else { return Ok((!item.is_empty()).then_some(item)) };
            // Lines of one part come by sequence: the later one replaces.
            if item.last().is_some_and(|last| last.part == line.part) {
                item.pop();
            }
            item.push(line);
        }
    }
}
