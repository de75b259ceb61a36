//! At which sizes blocks and objects are closed. Readers depend on none of it: see docs/format.md, 13.

use crate::block::BLOCK_LEN;
use crate::entries::ENTRIES_MAX;
use crate::pack::{CONTAINER_LEN, PACK_LEN};

/// An index object is closed at this many entries; together some tens of MiB.
const INDEX_ENTRIES: u64 = 512 * 1024;
/// … or at so many bytes of entries and of ids in the footer. A footer that is full of ids stays far below what
/// a reader takes.
const INDEX_LEN: usize = 32 * 1024 * 1024;

/// At which sizes a writer closes what it writes. Small ones make a small history have all shapes that a large
/// one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A block of records, in bytes of payload.
    pub block_len: usize,
    /// A container of persons' records, in sealed bytes.
    pub container_len: usize,
    /// A pack, in sealed bytes of records, or of entries and summaries.
    pub pack_len: usize,
    /// A block of entries, in entries; at most 2,048.
    pub block_entries: usize,
    /// A merged index, in entries.
    pub index_entries: u64,
    /// A merged index, in bytes.
    pub index_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_len: BLOCK_LEN,
            container_len: CONTAINER_LEN,
            pack_len: PACK_LEN,
            block_entries: ENTRIES_MAX,
            index_entries: INDEX_ENTRIES,
            index_len: INDEX_LEN,
        }
    }
}
