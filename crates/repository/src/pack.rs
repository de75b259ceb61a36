//! Writing packs: records in order, in sealed blocks, with their index and summaries behind them.
//!
//! Blocks are compressed and sealed on the blocking threads while the next ones fill; both the blocks under
//! way and the packs on their way to the store are bounded. An unfinished pack is never continued: whoever
//! begins again does so under a new salt.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::aad::ObjectAad;
use domain::{
    ContentHash, DataKeyId, Id128, Kind, RecordKey, RecordMeta, Removal, Rng, Salt, SealingKey, SubjectTag,
};
use tokio::task::JoinHandle;

use crate::block::{BLOCK_LEN, BlockBuilder, personal_text};
use crate::encoding::{put_count, put_number};
use crate::entries::{self, ENTRIES_MAX, Entry, ID_BYTES_MAX, Layout, Place, State};
use crate::error::{RepositoryError, Result};
use crate::footer::{DataBlock, EntryBlock, Footer, ObjectRef, TRAILER_LEN, TRAILER_MAGIC};
use crate::keyring::{Keyring, ObjectKey};
use crate::object::{LAST_BLOCK, compress, header};
use crate::segment::{name_of, purpose_of};
use crate::store::Area;
use crate::view::Part;

/// A pack is closed at this many sealed bytes.
const PACK_LEN: usize = 16 * 1024 * 1024;
/// Blocks that are being compressed at one time.
const BLOCKS_UNDER_WAY: usize = 3;
/// The first blocks of a run that follows another are compressed harder: small runs are most of what a store
/// ever holds, and cost little time.
const HARD_BLOCKS: u32 = 64;
const LEVEL_HARD: i32 = 12;
const LEVEL: i32 = 2;
/// zstd level of index and summary blocks.
const LEVEL_INDEX: i32 = 3;

/// Assembles one object of many blocks: what packs and merged indexes have in common.
pub(crate) struct ObjectBuilder {
    layout: Layout,
    id: Id128,
    keyring: Arc<Keyring>,
    key: Arc<ObjectKey>,
    aad: ObjectAad,
    bytes: Vec<u8>,
    kinds: Vec<Kind>,
    data: Vec<DataBlock>,
    /// Entries by the kinds' turn of appearance, which is the order of names: records come sorted.
    entries: Vec<Entry>,
    summaries: Vec<Vec<u8>>,
    finished: Vec<FinishedEntries>,
    id_bytes: usize,
    ordinal: u32,
    first_ordinal: u32,
    pub(crate) packs: Vec<ObjectRef>,
}

struct FinishedEntries {
    block: EntryBlock,
    text: Vec<u8>,
    summaries: Vec<u8>,
}

impl ObjectBuilder {
    pub(crate) fn new(keyring: &Arc<Keyring>, data_key: DataKeyId, layout: Layout, rng: &dyn Rng) -> Self {
        let mut id = [0; 16];
        rng.fill(&mut id);
        let mut salt = Salt([0; 32]);
        rng.fill(&mut salt.0);
        let id = Id128(id);
        let object = ObjectRef { id, size: 0, tail: 0 };
        let aad = ObjectAad::new(&keyring.scope.tenant, &keyring.scope.connection, &name_of(layout, &object));
        Self {
            layout,
            id,
            keyring: Arc::clone(keyring),
            key: Arc::new(ObjectKey::new(Arc::clone(keyring), data_key, purpose_of(layout), salt)),
            aad,
            bytes: header(purpose_of(layout), data_key, &salt),
            kinds: Vec::new(),
            data: Vec::new(),
            entries: Vec::new(),
            summaries: Vec::new(),
            finished: Vec::new(),
            id_bytes: 0,
            ordinal: 0,
            first_ordinal: 0,
            packs: Vec::new(),
        }
    }

    fn salt(&self) -> Salt {
        self.key.salt
    }

    fn kind_index(&mut self, kind: &Kind) -> Result<u16> {
        if self.kinds.last() != Some(kind) {
            self.kinds.push(kind.clone());
        }
        u16::try_from(self.kinds.len() - 1)
            .map_err(|_| RepositoryError::Input("more than 65,535 kinds in one connection".to_owned()))
    }

    /// Adds an entry behind the last one. A present entry of a pack takes the next ordinal.
    pub(crate) fn entry(
        &mut self,
        key: &RecordKey,
        number: u64,
        state: State,
        subject: Option<SubjectTag>,
        summary: Vec<u8>,
    ) -> Result<()> {
        let kind = self.kind_index(&key.kind)?;
        let state = match (self.layout, state) {
            (Layout::Pack, State::Present { hash, .. }) => {
                let place = Place { pack: 0, ordinal: self.ordinal };
                self.ordinal += 1;
                self.summaries.push(summary);
                State::Present { hash, place }
            }
            (_, state) => state,
        };
        self.id_bytes += key.id.len();
        self.entries.push(Entry { kind, id: key.id.clone(), number, state, subject });
        if self.entries.len() >= ENTRIES_MAX || self.id_bytes >= ID_BYTES_MAX {
            self.close_entries()?;
        }
        Ok(())
    }

    /// Compresses the entries gathered so far; they are sealed at the end, when their block's number is known.
    fn close_entries(&mut self) -> Result<()> {
        let Some(first) = self.entries.first() else { return Ok(()) };
        let block = EntryBlock {
            len: 0,
            entries: u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
            ordinal: self.first_ordinal,
            kind: first.kind,
            id: first.id.clone(),
            summaries: 0,
        };
        let columns = entries::encode(&self.entries, self.layout);
        let packed = compress(&columns.packed, LEVEL_INDEX)?;
        let mut text = Vec::with_capacity(packed.len() + columns.raw.len() + 8);
        put_count(&mut text, packed.len());
        text.extend_from_slice(&packed);
        text.extend_from_slice(&columns.raw);
        let mut summaries = Vec::new();
        if self.summaries.iter().any(|row| !row.is_empty()) {
            let mut plain = Vec::new();
            for row in &self.summaries {
                put_count(&mut plain, row.len());
                plain.extend_from_slice(row);
            }
            summaries = compress(&plain, LEVEL_INDEX)?;
        }
        self.finished.push(FinishedEntries { block, text, summaries });
        self.entries.clear();
        self.summaries.clear();
        self.id_bytes = 0;
        self.first_ordinal = self.ordinal;
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.finished.is_empty()
    }

    /// Seals index and footer, writes the object, durably.
    pub(crate) async fn store(mut self, last: RecordKey, area: &Area) -> Result<ObjectRef> {
        self.close_entries()?;
        let key = self.key.sealing_key().await?;
        let mut number = u64::try_from(self.data.len()).unwrap_or(u64::MAX);
        let mut blocks = Vec::with_capacity(self.finished.len());
        let mut all_summaries = Vec::new();
        for FinishedEntries { mut block, mut text, summaries } in std::mem::take(&mut self.finished) {
            key.seal(number, &self.aad.block(number, 0), &mut text)?;
            block.len = u64::try_from(text.len()).unwrap_or(u64::MAX);
            self.bytes.append(&mut text);
            blocks.push(block);
            all_summaries.push(summaries);
            number += 1;
        }
        for (block, mut text) in blocks.iter_mut().zip(all_summaries) {
            if !text.is_empty() {
                key.seal(number, &self.aad.block(number, 0), &mut text)?;
                block.summaries = u64::try_from(text.len()).unwrap_or(u64::MAX);
                self.bytes.append(&mut text);
            }
            number += 1;
        }
        let footer = Footer { kinds: self.kinds, data: self.data, entries: blocks, last, packs: self.packs };
        let mut text = compress(&footer.to_bytes(), LEVEL_INDEX)?;
        key.seal(LAST_BLOCK, &self.aad.block(LAST_BLOCK, 0), &mut text)?;
        let tail = text.len() + TRAILER_LEN;
        self.bytes.extend_from_slice(&text);
        self.bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bytes.extend_from_slice(TRAILER_MAGIC);
        let object = ObjectRef {
            id: self.id,
            size: u64::try_from(self.bytes.len()).unwrap_or(u64::MAX),
            tail: u64::try_from(tail).unwrap_or(u64::MAX),
        };
        drop(self.keyring);
        area.put_new(&name_of(self.layout, &object), self.bytes).await?;
        Ok(object)
    }
}

/// A record on its way into a pack.
pub(crate) struct PackRecord<'a> {
    pub(crate) key: &'a RecordKey,
    pub(crate) hash: ContentHash,
    pub(crate) meta: &'a RecordMeta,
    pub(crate) payload: &'a [u8],
    /// Values of the summary columns, as a JSON array; empty where the kind has none.
    pub(crate) summary: &'a [u8],
}

/// A person's record key maker: given the pack's salt and the record's ordinal.
pub(crate) type RecordKeyMaker<'a> = &'a (dyn Fn(&Salt, u64) -> Result<Box<dyn SealingKey>> + Sync);

type Sealed = Result<(Vec<u8>, DataBlock)>;

/// Writes the packs of one run.
pub(crate) struct PackWriter {
    keyring: Arc<Keyring>,
    area: Area,
    data_key: DataKeyId,
    rng: Arc<dyn Rng>,
    builder: ObjectBuilder,
    first: Option<RecordKey>,
    last: Option<RecordKey>,
    block: BlockBuilder,
    container: Vec<Vec<u8>>,
    container_len: usize,
    /// Whether the run follows another.
    follows: bool,
    /// Blocks that were begun in this run.
    blocks_begun: u32,
    /// Blocks that were begun in this pack.
    next_block: u64,
    under_way: VecDeque<JoinHandle<Sealed>>,
    uploading: Option<JoinHandle<Result<Part>>>,
    packs: Vec<Part>,
    /// Where the records were copied from; empty where they are new.
    origin: Vec<ObjectRef>,
    pub(crate) bytes_written: u64,
}

impl PackWriter {
    pub(crate) fn new(keyring: &Arc<Keyring>, area: &Area, data_key: DataKeyId, rng: &Arc<dyn Rng>) -> Self {
        Self {
            keyring: Arc::clone(keyring),
            area: area.clone(),
            data_key,
            rng: Arc::clone(rng),
            builder: ObjectBuilder::new(keyring, data_key, Layout::Pack, &**rng),
            first: None,
            last: None,
            block: BlockBuilder::default(),
            container: Vec::new(),
            container_len: 0,
            follows: false,
            blocks_begun: 0,
            next_block: 0,
            under_way: VecDeque::new(),
            uploading: None,
            packs: Vec::new(),
            origin: Vec::new(),
            bytes_written: 0,
        }
    }

    /// Every pack lists the ones that its records were copied from: they tell which snapshot it belongs to.
    pub(crate) fn copied_from(mut self, origin: Vec<ObjectRef>) -> Self {
        self.builder.packs.clone_from(&origin);
        self.origin = origin;
        self
    }

    /// Says that the run follows another: then it is expected to be small.
    pub(crate) fn following(mut self) -> Self {
        self.follows = true;
        self
    }

    fn touch(&mut self, key: &RecordKey) {
        if self.first.is_none() {
            self.first = Some(key.clone());
        }
        self.last = Some(key.clone());
    }

    /// Adds a record that is sealed with its block.
    pub(crate) async fn record(&mut self, record: &PackRecord<'_>) -> Result<()> {
        self.close_container().await?;
        self.touch(record.key);
        let state = State::Present { hash: record.hash, place: Place::default() };
        self.builder.entry(record.key, 0, state, None, record.summary.to_vec())?;
        self.block.push(record.meta, record.payload);
        if self.block.is_full() {
            self.close_block().await?;
        }
        Ok(())
    }

    /// Adds a person's record, sealed by itself.
    pub(crate) async fn personal_record(
        &mut self,
        record: &PackRecord<'_>,
        subject: SubjectTag,
        record_key: RecordKeyMaker<'_>,
    ) -> Result<()> {
        self.close_block().await?;
        self.touch(record.key);
        let key = record_key(&self.builder.salt(), u64::from(self.builder.ordinal))?;
        let turn = u64::try_from(self.container.len() + 1).unwrap_or(u64::MAX);
        let aad = self.builder.aad.block(self.next_block, turn);
        let mut text = compress(&personal_text(record.meta, record.payload), LEVEL)?;
        key.seal(0, &aad, &mut text)?;
        let mut summary = record.summary.to_vec();
        if !summary.is_empty() {
            key.seal(1, &aad, &mut summary)?;
        }
        let state = State::Present { hash: record.hash, place: Place::default() };
        self.builder.entry(record.key, 0, state, Some(subject), summary)?;
        self.container_len += text.len();
        self.container.push(text);
        if self.container_len >= BLOCK_LEN {
            self.close_container().await?;
        }
        Ok(())
    }

    /// Notes that a record is gone.
    pub(crate) fn removed(&mut self, key: &RecordKey, why: Removal) -> Result<()> {
        self.touch(key);
        self.builder.entry(key, 0, State::Removed(why), None, Vec::new())
    }

    async fn close_block(&mut self) -> Result<()> {
        if self.block.records == 0 {
            return Ok(());
        }
        let records = self.block.records;
        let plain = self.block.finish();
        let level = if self.follows && self.blocks_begun < HARD_BLOCKS { LEVEL_HARD } else { LEVEL };
        let number = self.next_block;
        let key = self.builder.key.sealing_key().await?;
        let aad = self.builder.aad.block(number, 0);
        self.begin(tokio::task::spawn_blocking(move || {
            let mut text = compress(&plain, level)?;
            key.seal(number, &aad, &mut text)?;
            let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
            Ok((text, DataBlock { len, records, table: 0 }))
        }))
        .await
    }

    async fn close_container(&mut self) -> Result<()> {
        if self.container.is_empty() {
            return Ok(());
        }
        let texts = std::mem::take(&mut self.container);
        self.container_len = 0;
        let number = self.next_block;
        let key = self.builder.key.sealing_key().await?;
        let aad = self.builder.aad.block(number, 0);
        let sealed = async move {
            let mut table = Vec::new();
            put_count(&mut table, texts.len());
            texts
                .iter()
                .for_each(|text| put_number(&mut table, u64::try_from(text.len()).unwrap_or(u64::MAX)));
            key.seal(number, &aad, &mut table)?;
            let records = u32::try_from(texts.len()).unwrap_or(u32::MAX);
            let table_len = u32::try_from(table.len()).unwrap_or(u32::MAX);
            texts.into_iter().for_each(|mut text| table.append(&mut text));
            let len = u64::try_from(table.len()).unwrap_or(u64::MAX);
            Ok((table, DataBlock { len, records, table: table_len }))
        };
        self.begin(tokio::spawn(sealed)).await
    }

    async fn begin(&mut self, sealing: JoinHandle<Sealed>) -> Result<()> {
        self.blocks_begun += 1;
        self.next_block += 1;
        self.under_way.push_back(sealing);
        while self.under_way.len() > BLOCKS_UNDER_WAY {
            self.take_oldest().await?;
        }
        if self.builder.bytes.len() >= PACK_LEN {
            self.close_pack().await?;
        }
        Ok(())
    }

    async fn take_oldest(&mut self) -> Result<()> {
        let Some(sealing) = self.under_way.pop_front() else { return Ok(()) };
        let (mut text, block) = sealing.await.map_err(|error| stopped(&error))??;
        self.builder.bytes.append(&mut text);
        self.builder.data.push(block);
        Ok(())
    }

    /// Finishes the pack and sends it off; waits first until the one before has arrived.
    async fn close_pack(&mut self) -> Result<()> {
        while !self.under_way.is_empty() {
            self.take_oldest().await?;
        }
        self.await_upload().await?;
        let (Some(first), Some(last)) = (self.first.take(), self.last.take()) else { return Ok(()) };
        let mut next = ObjectBuilder::new(&self.keyring, self.data_key, Layout::Pack, &*self.rng);
        next.packs.clone_from(&self.origin);
        let builder = std::mem::replace(&mut self.builder, next);
        self.next_block = 0;
        let area = self.area.clone();
        self.uploading = Some(tokio::spawn(async move {
            let object = builder.store(last.clone(), &area).await?;
            Ok(Part { object, first, last })
        }));
        Ok(())
    }

    async fn await_upload(&mut self) -> Result<()> {
        if let Some(uploading) = self.uploading.take() {
            let pack = uploading.await.map_err(|error| stopped(&error))??;
            self.bytes_written += pack.object.size;
            self.packs.push(pack);
        }
        Ok(())
    }

    /// Finishes the run: every pack is durable when this returns.
    pub(crate) async fn finish(mut self) -> Result<(Vec<Part>, u64)> {
        self.close_block().await?;
        self.close_container().await?;
        if !self.builder.is_empty() {
            self.close_pack().await?;
        }
        self.await_upload().await?;
        Ok((self.packs, self.bytes_written))
    }

    /// Gives the run up and deletes what it has written. No commit names it.
    pub(crate) async fn abandon(mut self) -> Result<()> {
        for sealing in self.under_way.drain(..) {
            sealing.abort();
        }
        self.await_upload().await?;
        for pack in &self.packs {
            self.area.delete(&name_of(Layout::Pack, &pack.object)).await?;
        }
        Ok(())
    }
}

pub(crate) fn stopped(error: &tokio::task::JoinError) -> RepositoryError {
    RepositoryError::Conflict(format!("the work was stopped: {error}"))
}
