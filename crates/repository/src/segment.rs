//! Reading one sealed object with many blocks: a pack or a merged index.

use std::ops::Range;
use std::sync::Arc;

use domain::aad::ObjectAad;
use domain::{DataKey, KeyError, ObjectPurpose, Salt};

use crate::encoding::Bytes;
use crate::entries::{self, Entry, Layout};
use crate::error::{RepositoryError, Result};
use crate::footer::{Footer, ObjectRef, TRAILER_LEN, TRAILER_MAGIC};
use crate::keyring::{Keyring, ObjectKey};
use crate::object::{HEADER_LEN, LAST_BLOCK, decompress, opening, read_header};
use crate::store::Area;

/// Neighbouring blocks are read together up to this many bytes by those who read all of them.
const PIECE_LEN: u64 = 4 * 1024 * 1024;

/// The three stretches of blocks in an object, in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Region {
    Data,
    Entries,
    Summaries,
}

/// An object whose footer has been opened.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: domain::Id128,
    pub(crate) name: String,
    pub(crate) layout: Layout,
    pub(crate) footer: Footer,
    size: u64,
    tail: u64,
    area: Area,
    key: ObjectKey,
    aad: ObjectAad,
    /// Where each data block begins, then where the entry blocks begin.
    data_starts: Vec<u64>,
    entry_starts: Vec<u64>,
    summary_starts: Vec<u64>,
}

pub(crate) fn name_of(layout: Layout, object: &ObjectRef) -> String {
    match layout {
        Layout::Pack => format!("pack/{}", object.id),
        Layout::Index => format!("index/{}", object.id),
    }
}

pub(crate) fn purpose_of(layout: Layout) -> ObjectPurpose {
    match layout {
        Layout::Pack => ObjectPurpose::Pack,
        Layout::Index => ObjectPurpose::Index,
    }
}

fn starts(first: u64, lens: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut starts = vec![first];
    let mut at = first;
    for len in lens {
        at = at.saturating_add(len);
        starts.push(at);
    }
    starts
}

/// Where the sealed footer of an object stands, by its last bytes.
pub(crate) fn read_trailer(object: &str, trailer: &[u8]) -> Result<u64> {
    let mut bytes = Bytes(trailer);
    match (bytes.array::<4>(), bytes.array::<4>()) {
        (Some(len), Some(magic)) if &magic == TRAILER_MAGIC => Ok(u64::from(u32::from_be_bytes(len))),
        _ => Err(RepositoryError::damaged(object, "it does not end as an object of this store does")),
    }
}

impl Segment {
    /// Opens the footer: two ranged reads.
    pub(crate) async fn open(
        keyring: &Arc<Keyring>,
        area: &Area,
        layout: Layout,
        object: &ObjectRef,
    ) -> Result<Self> {
        let name = name_of(layout, object);
        let full = area.full(&name);
        let header_len = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
        if object.tail > object.size || object.size < header_len {
            return Err(RepositoryError::damaged(&full, "a commit gives it impossible lengths"));
        }
        let (head, tail) = futures::try_join!(
            area.get_range(&name, 0..header_len),
            area.get_range(&name, object.size - object.tail..object.size)
        )?;
        let (data_key, salt) = read_header(&full, &head, purpose_of(layout))?;
        let (sealed, trailer) = tail
            .split_at_checked(tail.len().saturating_sub(TRAILER_LEN))
            .ok_or_else(|| RepositoryError::damaged(&full, "its footer is cut short"))?;
        if read_trailer(&full, trailer)? != u64::try_from(sealed.len()).unwrap_or(u64::MAX) {
            return Err(RepositoryError::damaged(&full, "its trailer contradicts the commit"));
        }
        let key = ObjectKey::new(Arc::clone(keyring), data_key, purpose_of(layout), salt);
        let aad = ObjectAad::new(&keyring.scope.tenant, &keyring.scope.connection, &name);
        let mut text = sealed.to_vec();
        let opened = key.open(LAST_BLOCK, &aad.block(LAST_BLOCK, 0), &mut text).await;
        opened.map_err(|error| opening(&full, error))?;
        let footer = Footer::read(&full, &decompress(&full, &text)?)?;
        let data_starts = starts(header_len, footer.data.iter().map(|block| block.len));
        let entries_at = data_starts.last().copied().unwrap_or(header_len);
        let entry_starts = starts(entries_at, footer.entries.iter().map(|block| block.len));
        let summaries_at = entry_starts.last().copied().unwrap_or(entries_at);
        let summary_starts = starts(summaries_at, footer.entries.iter().map(|block| block.summaries));
        if summary_starts.last().copied() != Some(object.size - object.tail) {
            return Err(RepositoryError::damaged(&full, "its blocks do not fill it"));
        }
        let (id, size, tail) = (object.id, object.size, object.tail);
        Ok(Self {
            id,
            size,
            tail,
            name,
            layout,
            footer,
            area: area.clone(),
            key,
            aad,
            data_starts,
            entry_starts,
            summary_starts,
        })
    }

    /// How to find it again.
    pub(crate) fn object(&self) -> ObjectRef {
        ObjectRef { id: self.id, size: self.size, tail: self.tail }
    }

    pub(crate) fn full_name(&self) -> String {
        self.area.full(&self.name)
    }

    pub(crate) fn salt(&self) -> Salt {
        self.key.salt
    }

    fn damaged(&self, detail: &str) -> RepositoryError {
        RepositoryError::damaged(&self.full_name(), detail)
    }

    pub(crate) fn aad(&self, block: u64, record: u64) -> Vec<u8> {
        self.aad.block(block, record)
    }

    fn range(&self, starts: &[u64], index: usize) -> Result<Range<u64>> {
        match (starts.get(index), starts.get(index + 1)) {
            (Some(start), Some(end)) => Ok(*start..*end),
            _ => Err(self.damaged("a block is named that it does not have")),
        }
    }

    pub(crate) async fn open_block(&self, number: u64, mut text: Vec<u8>) -> Result<Vec<u8>> {
        self.open_text(number, &mut text).await?;
        Ok(text)
    }

    /// As [`Segment::open_block`], in memory that can be used again.
    pub(crate) async fn open_text(&self, number: u64, text: &mut Vec<u8>) -> Result<()> {
        let opened = self.key.open(number, &self.aad.block(number, 0), text).await;
        opened.map_err(|error| opening(&self.full_name(), error))
    }

    fn starts(&self, region: Region) -> &[u64] {
        match region {
            Region::Data => &self.data_starts,
            Region::Entries => &self.entry_starts,
            Region::Summaries => &self.summary_starts,
        }
    }

    /// The blocks of a region, grouped so that each group can be read at once: some MiB, or one larger block.
    pub(crate) fn pieces(&self, region: Region) -> Vec<Range<usize>> {
        let starts = self.starts(region);
        let mut pieces: Vec<Range<usize>> = Vec::new();
        let mut piece_at = 0;
        for (index, (start, end)) in starts.iter().zip(starts.iter().skip(1)).enumerate() {
            match pieces.last_mut() {
                Some(piece) if end - piece_at <= PIECE_LEN => piece.end = index + 1,
                _ => {
                    piece_at = *start;
                    pieces.push(index..index + 1);
                }
            }
        }
        pieces
    }

    /// The sealed bytes of neighbouring blocks, in one read.
    pub(crate) async fn read_piece(
        &self,
        region: Region,
        blocks: &Range<usize>,
    ) -> Result<Vec<bytes::Bytes>> {
        let starts = self.starts(region);
        let (from, to) =
            (self.range(starts, blocks.start)?.start, self.range(starts, blocks.end.saturating_sub(1))?.end);
        if from == to {
            return Ok(blocks.clone().map(|_| bytes::Bytes::new()).collect());
        }
        let mut rest = self.area.get_range(&self.name, from..to).await?;
        let mut sealed = Vec::with_capacity(blocks.len());
        for index in blocks.clone() {
            let range = self.range(starts, index)?;
            let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            sealed.push(rest.split_to(len.min(rest.len())));
        }
        Ok(sealed)
    }

    /// The number of a block among all of the object's, under which it is sealed.
    pub(crate) fn block_number(&self, region: Region, index: usize) -> u64 {
        match region {
            Region::Data => u64::try_from(index).unwrap_or(u64::MAX),
            Region::Entries => self.entry_block_number(index),
            Region::Summaries => self.summary_block_number(index),
        }
    }

    /// The ordinals of the records that each block of a region holds or stands beside.
    pub(crate) fn ordinals(&self, region: Region) -> Vec<Range<u32>> {
        let records = u32::try_from(self.footer.records()).unwrap_or(u32::MAX);
        match region {
            Region::Data => {
                let mut first = 0_u32;
                let ends = self.footer.data.iter().map(|block| {
                    let start = first;
                    first = first.saturating_add(block.records);
                    start..first
                });
                ends.collect()
            }
            Region::Entries | Region::Summaries => {
                let firsts = self.footer.entries.iter().map(|block| block.ordinal);
                let ends = firsts.clone().skip(1).chain(std::iter::once(records));
                firsts.zip(ends).map(|(first, end)| first..end).collect()
            }
        }
    }

    /// Does something with the data key under which it was sealed: see [`Keyring::with`].
    pub(crate) async fn with_data_key<T>(
        &self,
        work: impl FnMut(&dyn DataKey) -> Result<T, KeyError>,
    ) -> Result<T> {
        self.key.keyring.with(self.key.data_key, work).await
    }

    fn entry_block_number(&self, index: usize) -> u64 {
        u64::try_from(self.footer.data.len() + index).unwrap_or(u64::MAX)
    }

    fn summary_block_number(&self, index: usize) -> u64 {
        u64::try_from(self.footer.data.len() + self.footer.entries.len() + index).unwrap_or(u64::MAX)
    }

    /// The entries of one block; `number` is the snapshot that a pack belongs to.
    pub(crate) async fn entries(&self, index: usize, number: u64) -> Result<Vec<Entry>> {
        let range = self.range(&self.entry_starts, index)?;
        let sealed = self.area.get_range(&self.name, range).await?;
        self.open_entries(index, &sealed, number).await
    }

    /// As [`Segment::entries`], from the block's sealed bytes.
    pub(crate) async fn open_entries(&self, index: usize, sealed: &[u8], number: u64) -> Result<Vec<Entry>> {
        let text = self.open_block(self.entry_block_number(index), sealed.to_vec()).await?;
        let block = self.footer.entries.get(index).ok_or_else(|| self.damaged("no such block"))?;
        let mut bytes = Bytes(&text);
        let packed_len = bytes.count();
        let packed = packed_len
            .and_then(|len| bytes.take(len))
            .ok_or_else(|| self.damaged("an index block is cut"))?;
        let packed = decompress(&self.full_name(), packed)?;
        let entries = entries::decode(&packed, bytes.0, self.layout, number, block.ordinal)
            .filter(|entries| u32::try_from(entries.len()).ok() == Some(block.entries))
            .filter(|entries| entries.iter().all(|entry| usize::from(entry.kind) < self.footer.kinds.len()));
        entries.ok_or_else(|| self.damaged("an index block makes no sense"))
    }

    /// The summaries beside one block of entries: a row for each present entry; empty where none were kept.
    pub(crate) async fn summaries(&self, index: usize) -> Result<Vec<Vec<u8>>> {
        let range = self.range(&self.summary_starts, index)?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let sealed = self.area.get_range(&self.name, range).await?;
        let text = self.open_block(self.summary_block_number(index), sealed.to_vec()).await?;
        let plain = decompress(&self.full_name(), &text)?;
        let mut bytes = Bytes(&plain);
        let mut rows = Vec::new();
        while !bytes.is_empty() {
            let row = bytes
                .count()
                .and_then(|len| bytes.take(len))
                .ok_or_else(|| self.damaged("a summary is cut"))?;
            rows.push(row.to_vec());
        }
        Ok(rows)
    }

    /// Which data block holds the record with this ordinal, and the record's turn in it.
    pub(crate) fn place(&self, ordinal: u32) -> Result<(usize, u32)> {
        let mut first = 0_u32;
        for (index, block) in self.footer.data.iter().enumerate() {
            let end = first.saturating_add(block.records);
            if ordinal < end {
                return Ok((index, ordinal - first));
            }
            first = end;
        }
        Err(self.damaged("an index names a record that it does not have"))
    }

    /// The block of entries that an ordinal's summary stands beside, and its row there.
    pub(crate) fn summary_place(&self, ordinal: u32) -> (usize, usize) {
        let after = self.footer.entries.partition_point(|block| block.ordinal <= ordinal);
        let index = after.saturating_sub(1);
        let first = self.footer.entries.get(index).map_or(0, |block| block.ordinal);
        (index, usize::try_from(ordinal.saturating_sub(first)).unwrap_or(usize::MAX))
    }

    /// The sealed bytes of a data block.
    pub(crate) async fn sealed_data(&self, index: usize) -> Result<bytes::Bytes> {
        self.area.get_range(&self.name, self.range(&self.data_starts, index)?).await
    }

    /// A data block that was sealed as one, opened and decompressed.
    pub(crate) async fn data(&self, index: usize) -> Result<Vec<u8>> {
        let sealed = self.sealed_data(index).await?;
        let text = self.open_block(u64::try_from(index).unwrap_or(u64::MAX), sealed.to_vec()).await?;
        decompress(&self.full_name(), &text)
    }
}
