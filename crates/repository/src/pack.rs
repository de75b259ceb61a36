//! Writing packs: records in order, in sealed blocks, with their index and summaries behind them.
//!
//! Blocks are compressed and sealed on the blocking threads while the next ones fill; both the blocks under
//! way and the packs on their way to the store are bounded. An unfinished pack is never continued: whoever
//! begins again does so under a new salt.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::aad::ObjectAad;
use domain::{
    ContentHash, DataKey, DataKeyId, Id128, Kind, RecordKey, RecordMeta, Removal, Rng, Salt, SubjectTag,
    WrappedSubjectKey,
};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::block::{BlockBuilder, personal_text};
use crate::encoding::{put_count, put_number};
use crate::entries::{self, Entry, ID_BYTES_MAX, Layout, Place, State};
use crate::error::{RepositoryError, Result};
use crate::footer::{DataBlock, EntryBlock, Footer, ObjectRef, TRAILER_LEN, TRAILER_MAGIC};
use crate::keyring::{Keyring, ObjectKey};
use crate::limits::Limits;
use crate::object::{Effort, LAST_BLOCK, compress, compress_into, header, too_long};
use crate::segment::{name_of, purpose_of};
use crate::store::Area;
use crate::view::Part;

/// A pack is closed at this many sealed bytes.
pub(crate) const PACK_LEN: usize = 12 * 1024 * 1024;
/// A container of persons' records is closed at this many sealed bytes.
pub(crate) const CONTAINER_LEN: usize = 256 * 1024;
/// A block of entries is closed at this many bytes of summaries beside it.
const SUMMARY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Blocks that are being compressed at one time.
const BLOCKS_UNDER_WAY: usize = 2;
/// The first blocks of a run that follows another are compressed harder: small runs are most of what a store
/// ever holds, and cost little time.
const HARD_BLOCKS: u32 = 8;
const HARD: Effort = Effort::Level(6);
/// zstd level of a person's record, which is compressed alone.
const LEVEL_RECORD: i32 = 2;
/// zstd level of index and summary blocks.
const LEVEL_INDEX: i32 = 3;

/// Assembles one object of many blocks: what packs and merged indexes have in common.
pub(crate) struct ObjectBuilder {
    layout: Layout,
    limits: Limits,
    id: Id128,
    keyring: Arc<Keyring>,
    key: Arc<ObjectKey>,
    aad: ObjectAad,
    bytes: Vec<u8>,
    kinds: Vec<Kind>,
    data: Vec<DataBlock>,
    /// Entries by the kinds' turn of appearance, which is the order of names: records come sorted.
    entries: Vec<Entry>,
    /// The summaries of the entries, each counted.
    summaries: Vec<u8>,
    has_summaries: bool,
    finished: Vec<FinishedEntries>,
    /// Bytes of the finished blocks, and of the ids that the footer repeats of them.
    pub(crate) index_len: usize,
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
    pub(crate) fn new(
        keyring: &Arc<Keyring>,
        data_key: DataKeyId,
        layout: Layout,
        limits: Limits,
        rng: &dyn Rng,
    ) -> Self {
        let mut id = [0; 16];
        rng.fill(&mut id);
        let mut salt = Salt([0; 32]);
        rng.fill(&mut salt.0);
        let id = Id128(id);
        let object = ObjectRef { id, size: 0, tail: 0 };
        let aad = ObjectAad::new(&keyring.scope.tenant, &keyring.scope.connection, &name_of(layout, &object));
        Self {
            layout,
            limits,
            id,
            keyring: Arc::clone(keyring),
            key: Arc::new(ObjectKey::new(Arc::clone(keyring), data_key, purpose_of(layout), salt)),
            aad,
            bytes: header(purpose_of(layout), data_key, &salt),
            kinds: Vec::new(),
            data: Vec::new(),
            entries: Vec::new(),
            summaries: Vec::new(),
            has_summaries: false,
            finished: Vec::new(),
            index_len: 0,
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
        (kind, id): (&Kind, &str),
        number: u64,
        state: State,
        subject: Option<SubjectTag>,
        summary: &[u8],
    ) -> Result<()> {
        let kind = self.kind_index(kind)?;
        let state = match (self.layout, state) {
            (Layout::Pack, State::Present { hash, .. }) => {
                let place = Place { pack: 0, ordinal: self.ordinal };
                self.ordinal += 1;
                put_count(&mut self.summaries, summary.len());
                self.summaries.extend_from_slice(summary);
                self.has_summaries |= !summary.is_empty();
                State::Present { hash, place }
            }
            (_, state) => state,
        };
        self.id_bytes += id.len();
        self.entries.push(Entry { kind, id: id.into(), number, state, subject });
        let full = self.entries.len() >= self.limits.block_entries
            || self.id_bytes >= ID_BYTES_MAX
            || self.summaries.len() >= SUMMARY_BYTES_MAX;
        if full {
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
        let summaries = if self.has_summaries { compress(&self.summaries, LEVEL_INDEX)? } else { Vec::new() };
        self.index_len += text.len() + summaries.len() + block.id.len();
        self.finished.push(FinishedEntries { block, text, summaries });
        self.entries.clear();
        self.summaries.clear();
        self.has_summaries = false;
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
        let mut number = u64::try_from(self.data.len()).unwrap_or(u64::MAX);
        let mut blocks = Vec::with_capacity(self.finished.len());
        let mut all_summaries = Vec::new();
        for FinishedEntries { mut block, mut text, summaries } in std::mem::take(&mut self.finished) {
            self.key.seal(number, &self.aad.block(number, 0), &mut text).await?;
            block.len = u64::try_from(text.len()).unwrap_or(u64::MAX);
            self.bytes.append(&mut text);
            blocks.push(block);
            all_summaries.push(summaries);
            number += 1;
        }
        for (block, mut text) in blocks.iter_mut().zip(all_summaries) {
            if !text.is_empty() {
                self.key.seal(number, &self.aad.block(number, 0), &mut text).await?;
                block.summaries = u64::try_from(text.len()).unwrap_or(u64::MAX);
                self.bytes.append(&mut text);
            }
            number += 1;
        }
        let footer = Footer { kinds: self.kinds, data: self.data, entries: blocks, last, packs: self.packs };
        let name = name_of(self.layout, &ObjectRef { id: self.id, size: 0, tail: 0 });
        let packed = compress(&footer.to_bytes(), LEVEL_INDEX);
        let mut text = packed.map_err(|error| too_long(&name, error))?;
        self.key.seal(LAST_BLOCK, &self.aad.block(LAST_BLOCK, 0), &mut text).await?;
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
        area.put_new(&name, self.bytes).await?;
        Ok(object)
    }
}

/// A record on its way into a pack.
pub(crate) struct PackRecord<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) id: &'a str,
    pub(crate) hash: ContentHash,
    pub(crate) meta: &'a RecordMeta,
    pub(crate) payload: &'a [u8],
    /// Values of the summary columns, as a JSON array; empty where the kind has none.
    pub(crate) summary: &'a [u8],
}

/// A sealed block, and memory that can be used again.
struct SealedBlock {
    text: Vec<u8>,
    block: DataBlock,
    plain: Option<Vec<u8>>,
}

type Sealed = Result<SealedBlock>;

/// First and last record of a pack.
struct Ends {
    first: RecordKey,
    last_kind: Kind,
    last_id: String,
}

impl Ends {
    fn new(kind: &Kind, id: &str) -> Self {
        let first = RecordKey { kind: kind.clone(), id: id.into() };
        Self { first, last_kind: kind.clone(), last_id: id.to_owned() }
    }

    fn move_to(&mut self, kind: &Kind, id: &str) {
        if self.last_kind != *kind {
            self.last_kind = kind.clone();
        }
        self.last_id.clear();
        self.last_id.push_str(id);
    }

    fn into_keys(self) -> (RecordKey, RecordKey) {
        (self.first, RecordKey { kind: self.last_kind, id: self.last_id.into() })
    }
}

/// Writes the packs of one run.
pub(crate) struct PackWriter {
    keyring: Arc<Keyring>,
    area: Area,
    data_key: DataKeyId,
    rng: Arc<dyn Rng>,
    builder: ObjectBuilder,
    ends: Option<Ends>,
    block: BlockBuilder,
    /// Memory of a block that was sealed and taken in.
    spare_text: Option<Vec<u8>>,
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
            builder: ObjectBuilder::new(keyring, data_key, Layout::Pack, area.limits, &**rng),
            ends: None,
            block: BlockBuilder::default(),
            spare_text: None,
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

    fn touch(&mut self, kind: &Kind, id: &str) {
        match &mut self.ends {
            None => self.ends = Some(Ends::new(kind, id)),
            Some(ends) => ends.move_to(kind, id),
        }
    }

    /// Adds a record that is sealed with its block.
    pub(crate) async fn record(&mut self, record: &PackRecord<'_>) -> Result<()> {
        self.close_container().await?;
        self.close_full_index().await?;
        self.touch(record.kind, record.id);
        let state = State::Present { hash: record.hash, place: Place::default() };
        self.builder.entry((record.kind, record.id), 0, state, None, record.summary)?;
        self.block.push(record.meta, record.payload);
        if self.block.has(self.area.limits.block_len) {
            self.close_block().await?;
        }
        Ok(())
    }

    /// Adds a person's record, sealed by itself.
    pub(crate) async fn personal_record(
        &mut self,
        record: &PackRecord<'_>,
        subject: SubjectTag,
        wrapped: &WrappedSubjectKey,
    ) -> Result<()> {
        self.close_block().await?;
        self.close_full_index().await?;
        self.touch(record.kind, record.id);
        let turn = u64::try_from(self.container.len() + 1).unwrap_or(u64::MAX);
        let aad = self.builder.aad.block(self.next_block, turn);
        let plain = compress(&personal_text(record.meta, record.payload), LEVEL_RECORD)?;
        let (salt, ordinal) = (self.builder.salt(), u64::from(self.builder.ordinal));
        let seal = |data_key: &dyn DataKey| {
            let key = data_key.record_key(&subject, wrapped, &salt, ordinal)?;
            let (mut text, mut summary) = (plain.clone(), record.summary.to_vec());
            key.seal(0, &aad, &mut text)?;
            if !summary.is_empty() {
                key.seal(1, &aad, &mut summary)?;
            }
            Ok((text, summary))
        };
        let (text, summary) = self.keyring.with(self.data_key, seal).await?;
        let state = State::Present { hash: record.hash, place: Place::default() };
        self.builder.entry((record.kind, record.id), 0, state, Some(subject), &summary)?;
        self.container_len += text.len();
        self.container.push(text);
        if self.container_len >= self.area.limits.container_len {
            self.close_container().await?;
        }
        Ok(())
    }

    /// Notes that a record is gone.
    pub(crate) async fn removed(&mut self, kind: &Kind, id: &str, why: Removal) -> Result<()> {
        self.close_full_index().await?;
        self.touch(kind, id);
        self.builder.entry((kind, id), 0, State::Removed(why), None, &[])
    }

    async fn close_block(&mut self) -> Result<()> {
        if self.block.records == 0 {
            return Ok(());
        }
        let block = self.block.finish();
        let effort = if self.follows && self.blocks_begun < HARD_BLOCKS { HARD } else { Effort::Quick };
        let number = self.next_block;
        let key = Arc::clone(&self.builder.key);
        let aad = self.builder.aad.block(number, 0);
        let mut text = self.spare_text.take().unwrap_or_default();
        self.begin(tokio::task::spawn_blocking(move || {
            compress_into(block.plain(), effort, &mut text)?;
            Handle::current().block_on(key.seal(number, &aad, &mut text))?;
            let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
            let data = DataBlock { len, records: block.records, table: 0 };
            Ok(SealedBlock { text, block: data, plain: Some(block.into_memory()) })
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
        let key = Arc::clone(&self.builder.key);
        let aad = self.builder.aad.block(number, 0);
        let sealed = async move {
            let mut table = Vec::new();
            put_count(&mut table, texts.len());
            texts
                .iter()
                .for_each(|text| put_number(&mut table, u64::try_from(text.len()).unwrap_or(u64::MAX)));
            key.seal(number, &aad, &mut table).await?;
            let records = u32::try_from(texts.len()).unwrap_or(u32::MAX);
            let table_len = u32::try_from(table.len()).unwrap_or(u32::MAX);
            texts.into_iter().for_each(|mut text| table.append(&mut text));
            let len = u64::try_from(table.len()).unwrap_or(u64::MAX);
            let block = DataBlock { len, records, table: table_len };
            Ok(SealedBlock { text: table, block, plain: None })
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
        if self.builder.bytes.len() >= self.area.limits.pack_len {
            self.close_pack().await?;
        }
        Ok(())
    }

    async fn take_oldest(&mut self) -> Result<()> {
        let Some(sealing) = self.under_way.pop_front() else { return Ok(()) };
        let SealedBlock { text, block, plain } = sealing.await.map_err(|error| stopped(&error))??;
        if self.builder.data.len() == 1 {
            // It will be a large one. At once, so that nothing is left behind by growing.
            self.builder.bytes.reserve(PACK_LEN + PACK_LEN / 8);
        }
        self.builder.bytes.extend_from_slice(&text);
        self.builder.data.push(block);
        if let Some(plain) = plain {
            self.block.reuse(plain);
            self.spare_text = Some(text);
        }
        Ok(())
    }

    /// A pack is closed too when its entries and summaries have grown as long as records may: they are kept in
    /// memory until then, and its footer repeats ids of them.
    async fn close_full_index(&mut self) -> Result<()> {
        if self.builder.index_len < self.area.limits.pack_len {
            return Ok(());
        }
        self.close_block().await?;
        self.close_container().await?;
        self.close_pack().await
    }

    /// Finishes the pack and sends it off; waits first until the one before has arrived.
    async fn close_pack(&mut self) -> Result<()> {
        while !self.under_way.is_empty() {
            self.take_oldest().await?;
        }
        self.await_upload().await?;
        let Some(ends) = self.ends.take() else { return Ok(()) };
        let (first, last) = ends.into_keys();
        let limits = self.area.limits;
        let mut next = ObjectBuilder::new(&self.keyring, self.data_key, Layout::Pack, limits, &*self.rng);
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
    RepositoryError::Stopped(error.to_string())
}
