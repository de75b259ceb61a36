//! Blocks of records: payloads with what is known of them.
//!
//! Records without personal data share a block, which is compressed and sealed as one. Records of a person are
//! compressed and sealed one by one under that person's key, and stand side by side in a *container* whose
//! table of lengths is sealed with the pack's key.

use domain::{MediaRef, RecordMeta, Timestamp};

use crate::encoding::{Bytes, put_count, put_number};

/// A block is closed at this many bytes of payload. Larger ones compress better and faster, and one record costs
/// more: some 400 kB to read, and a millisecond or two to decompress.
pub(crate) const BLOCK_LEN: usize = 2 * 1024 * 1024;
/// Bytes that are kept free in front of the payloads: what stands there in the block is known last. Enough for
/// records that have some 700 bytes of metadata each, as products with pictures do.
const HEAD_LEN: usize = 512 * 1024;

/// Room behind the payloads for the last one, which ends behind the block's length.
const ROOM_LEN: usize = 64 * 1024;

/// Microseconds since 1970, for one number in the format; `None` where the platform told no time.
fn micros(at: Option<Timestamp>) -> u64 {
    // Zigzag, plus one: 0 says "not told".
    at.map_or(0, |at| {
        let value = at.as_microsecond();
        u64::from_ne_bytes(((value << 1) ^ (value >> 63)).to_ne_bytes()).saturating_add(1)
    })
}

fn from_micros(value: u64) -> Option<Option<Timestamp>> {
    let Some(zigzag) = value.checked_sub(1) else { return Some(None) };
    let magnitude = i64::try_from(zigzag >> 1).ok()?;
    let signed = if zigzag & 1 == 0 { magnitude } else { -magnitude - 1 };
    Timestamp::from_microsecond(signed).ok().map(Some)
}

fn meta_text(meta: &RecordMeta) -> Vec<u8> {
    // The time of change differs from record to record and is kept apart; the rest is mostly shared.
    let shared = RecordMeta { source_updated_at: None, ..meta.clone() };
    serde_json::to_vec(&shared).unwrap_or_default()
}

fn parse_meta(text: &[u8], updated: u64) -> Option<RecordMeta> {
    let mut meta: RecordMeta = serde_json::from_slice(text).ok()?;
    meta.source_updated_at = from_micros(updated)?;
    Some(meta)
}

/// Gathers records until they fill a block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    metas: Vec<Vec<u8>>,
    last_meta: Option<RecordMeta>,
    rows: Vec<u8>,
    /// [`HEAD_LEN`] bytes, then the payloads; empty before the first record.
    bytes: Vec<u8>,
    pub(crate) records: u32,
}

/// A block's plain bytes, in memory that can be used again.
#[derive(Debug)]
pub(crate) struct PlainBlock {
    bytes: Vec<u8>,
    start: usize,
    pub(crate) records: u32,
}

impl PlainBlock {
    pub(crate) fn plain(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The memory, for [`BlockBuilder::reuse`].
    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }
}

impl BlockBuilder {
    pub(crate) fn push(&mut self, meta: &RecordMeta, payload: &[u8]) {
        let same = self.last_meta.as_ref().is_some_and(|last| {
            last.observed_at == meta.observed_at
                && last.api_version == meta.api_version
                && last.selection_digest == meta.selection_digest
                && last.subjects == meta.subjects
                && last.media_refs == meta.media_refs
                && last.gaps == meta.gaps
        });
        if !same {
            let text = meta_text(meta);
            if self.metas.last() != Some(&text) {
                self.metas.push(text);
            }
            self.last_meta = Some(meta.clone());
        }
        put_count(&mut self.rows, self.metas.len() - 1);
        put_number(&mut self.rows, micros(meta.source_updated_at));
        put_count(&mut self.rows, payload.len());
        if self.bytes.is_empty() {
            // At once, so that nothing is left behind by growing. What is not written to takes no memory.
            self.bytes.reserve(HEAD_LEN + BLOCK_LEN + ROOM_LEN);
            self.bytes.resize(HEAD_LEN, 0);
        }
        self.bytes.extend_from_slice(payload);
        self.records += 1;
    }

    /// Whether it has so many bytes of payload.
    pub(crate) fn has(&self, len: usize) -> bool {
        self.bytes.len() >= HEAD_LEN + len
    }

    /// Gives memory for the next block, of one that is done with.
    pub(crate) fn reuse(&mut self, mut memory: Vec<u8>) {
        if self.bytes.capacity() == 0 {
            memory.clear();
            self.bytes = memory;
        }
    }

    /// The block; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> PlainBlock {
        let mut head = Vec::with_capacity(self.rows.len() + 256);
        put_number(&mut head, u64::from(self.records));
        put_count(&mut head, self.metas.len());
        for meta in &self.metas {
            put_count(&mut head, meta.len());
            head.extend_from_slice(meta);
        }
        head.append(&mut self.rows);
        let records = self.records;
        let mut bytes = std::mem::take(&mut self.bytes);
        *self = Self::default();
        let start = HEAD_LEN.saturating_sub(head.len());
        let start = match bytes.get_mut(start..HEAD_LEN) {
            Some(room) if room.len() == head.len() => {
                room.copy_from_slice(&head);
                start
            }
            // Very small records, or very many metas.
            _ => {
                bytes.splice(..HEAD_LEN.min(bytes.len()), head);
                0
            }
        };
        PlainBlock { bytes, start, records }
    }
}

/// A record as read from its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored<'a> {
    pub(crate) meta: RecordMeta,
    pub(crate) payload: &'a [u8],
}

struct Table<'a> {
    metas: Vec<&'a [u8]>,
    /// Meta, time of change, payload length.
    rows: Vec<(usize, u64, usize)>,
    payloads: &'a [u8],
}

fn table(plain: &[u8]) -> Option<Table<'_>> {
    let mut bytes = Bytes(plain);
    let count = bytes.count().filter(|count| *count <= plain.len())?;
    let meta_count = bytes.count().filter(|metas| *metas <= plain.len())?;
    let mut metas = Vec::with_capacity(meta_count.min(1024));
    for _ in 0..meta_count {
        let len = bytes.count()?;
        metas.push(bytes.take(len)?);
    }
    let mut rows = Vec::with_capacity(count.min(4096));
    for _ in 0..count {
        rows.push((bytes.count()?, bytes.number()?, bytes.count()?));
    }
    let total = rows.iter().try_fold(0_usize, |sum, row| sum.checked_add(row.2))?;
    (total == bytes.0.len()).then_some(Table { metas, rows, payloads: bytes.0 })
}

/// One record of a block, by its turn in it.
pub(crate) fn read_one(plain: &[u8], turn: usize) -> Option<Stored<'_>> {
    let table = table(plain)?;
    let (meta, updated, len) = *table.rows.get(turn)?;
    let start: usize = table.rows.get(..turn)?.iter().map(|row| row.2).sum();
    let payload = table.payloads.get(start..start.checked_add(len)?)?;
    Some(Stored { meta: parse_meta(table.metas.get(meta)?, updated)?, payload })
}

/// Records that name media, by their turn in the block.
pub(crate) type MediaByTurn = Vec<(usize, Vec<MediaRef>)>;

/// How many records a block has, and which of them name media, by their turn.
pub(crate) fn media_refs(plain: &[u8]) -> Option<(usize, MediaByTurn)> {
    let table = table(plain)?;
    let metas = table.metas.iter().map(|text| parse_meta(text, 0)).collect::<Option<Vec<_>>>()?;
    let mut named = Vec::new();
    for (turn, (meta, updated, _)) in table.rows.iter().enumerate() {
        let refs = &metas.get(*meta)?.media_refs;
        from_micros(*updated)?;
        if !refs.is_empty() {
            named.push((turn, refs.clone()));
        }
    }
    Some((table.rows.len(), named))
}

/// A person's record before it is compressed and sealed.
pub(crate) fn personal_text(meta: &RecordMeta, payload: &[u8]) -> Vec<u8> {
    let text = meta_text(meta);
    let mut out = Vec::with_capacity(text.len() + payload.len() + 16);
    put_count(&mut out, text.len());
    out.extend_from_slice(&text);
    put_number(&mut out, micros(meta.source_updated_at));
    out.extend_from_slice(payload);
    out
}

/// Reads what [`personal_text`] wrote.
pub(crate) fn read_personal(text: &[u8]) -> Option<Stored<'_>> {
    let mut bytes = Bytes(text);
    let len = bytes.count()?;
    let meta = bytes.take(len)?;
    let updated = bytes.number()?;
    Some(Stored { meta: parse_meta(meta, updated)?, payload: bytes.0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(second: i64, updated: Option<i64>, digest: &str) -> RecordMeta {
        RecordMeta {
            observed_at: Timestamp::from_second(second).unwrap(),
            source_updated_at: updated.map(|micro| Timestamp::from_microsecond(micro).unwrap()),
            api_version: "2026-10".into(),
            selection_digest: digest.into(),
            subjects: vec![],
            media_refs: vec![],
            gaps: vec![],
        }
    }

    proptest! {
        #[test]
        fn blocks_round_trip(records in proptest::collection::vec(
            (0_i64..3, proptest::option::of(-1_000_000_i64..1_000_000), "[ab]?", proptest::collection::vec(any::<u8>(), 0..50)), 1..20))
        {
            let mut builder = BlockBuilder::default();
            let records: Vec<_> =
                records.into_iter().map(|(at, updated, digest, payload)| (meta(at, updated, &digest), payload)).collect();
            records.iter().for_each(|(meta, payload)| builder.push(meta, payload));
            let block = builder.finish();
            let plain = block.plain();
            for (turn, (meta, payload)) in records.iter().enumerate() {
                let stored = read_one(plain, turn).unwrap();
                prop_assert_eq!(&stored.meta, meta);
                prop_assert_eq!(stored.payload, &payload[..]);
                let text = personal_text(meta, payload);
                prop_assert_eq!(read_personal(&text).unwrap(), stored);
            }
            prop_assert!(read_one(plain, records.len()).is_none());
            prop_assert_eq!(media_refs(plain).unwrap(), (records.len(), vec![]));
        }

        #[test]
        fn any_bytes_are_read_or_refused(plain: Vec<u8>, turn in 0_usize..4) {
            let _ = read_one(&plain, turn);
            let _ = read_personal(&plain);
            let _ = media_refs(&plain);
        }
    }

    #[test]
    fn a_head_of_any_length_has_room() {
        let (one, other) = (meta(1, None, "a"), meta(2, None, "b"));
        let mut builder = BlockBuilder::default();
        let mut memory = Vec::new();
        for records in [1, HEAD_LEN / 4, HEAD_LEN] {
            builder.reuse(memory);
            (0..records).for_each(|turn| builder.push(if turn % 2 == 0 { &one } else { &other }, b"x"));
            let block = builder.finish();
            let last = read_one(block.plain(), records - 1).unwrap();
            assert_eq!((&last.meta, last.payload), (if records % 2 == 1 { &one } else { &other }, &b"x"[..]));
            assert_eq!(read_one(block.plain(), records), None);
            memory = block.into_memory();
        }
    }
}
