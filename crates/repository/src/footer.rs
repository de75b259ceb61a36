//! The last block of a pack or a merged index: where everything in it stands.

use domain::{Id128, Kind, RecordKey};
use serde::{Deserialize, Serialize};

use crate::error::{RepositoryError, Result};

/// Length of an object's trailer: the sealed footer's length (32 bits, big endian) and `CTKE`.
pub(crate) const TRAILER_LEN: usize = 8;
/// How an object ends.
pub(crate) const TRAILER_MAGIC: &[u8; 4] = b"CTKE";

/// How to find and open a pack or a merged index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ObjectRef {
    pub(crate) id: Id128,
    /// Length of the object, in bytes.
    pub(crate) size: u64,
    /// Length of footer and trailer at its end, in bytes.
    pub(crate) tail: u64,
}

/// A block of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataBlock {
    /// Sealed length, in bytes.
    pub(crate) len: u64,
    pub(crate) records: u32,
    /// 0: sealed as one. Else a container of persons' records, and this is its sealed table's length.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) table: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A block of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryBlock {
    /// Sealed length, in bytes.
    pub(crate) len: u64,
    pub(crate) entries: u32,
    /// In packs: the ordinal of the first present entry.
    pub(crate) ordinal: u32,
    /// The first entry's kind, as an index into the list of kinds.
    pub(crate) kind: u16,
    /// The first entry's id.
    pub(crate) id: Box<str>,
    /// In packs: sealed length of the summaries of the same entries; 0 where there are none.
    #[serde(default)]
    pub(crate) summaries: u64,
}

/// Where everything in an object stands. Block numbers: data from 0, then entries, then summaries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Footer {
    /// Sorted by name, so that indexes order as names do.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) data: Vec<DataBlock>,
    pub(crate) entries: Vec<EntryBlock>,
    /// The last entry's key.
    pub(crate) last: RecordKey,
    /// In merged indexes: the packs that entries name, and those that hold removals only. In packs that were
    /// copied from others: those others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) packs: Vec<ObjectRef>,
}

impl Footer {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads and checks a footer: a later index into its lists cannot fail.
    pub(crate) fn read(object: &str, bytes: &[u8]) -> Result<Self> {
        let footer: Self = serde_json::from_slice(bytes)
            .map_err(|error| RepositoryError::damaged(object, format!("its footer is not one: {error}")))?;
        let kinds = footer.kinds.len();
        let sorted = footer.kinds.is_sorted_by(|a, b| a < b);
        let in_range =
            footer.entries.iter().all(|block| usize::from(block.kind) < kinds && block.entries > 0);
        if footer.entries.is_empty() || !sorted || !in_range {
            return Err(RepositoryError::damaged(object, "its footer contradicts itself"));
        }
        Ok(footer)
    }

    /// The block in which the entries of `(kind, id)` begin, if it has any. They may go on in the next ones.
    pub(crate) fn block_for(&self, kind: &Kind, id: &str) -> usize {
        let before = self.entries.partition_point(|block| {
            let first = self.kinds.get(usize::from(block.kind));
            first.is_some_and(|first| (first, &*block.id) < (kind, id))
        });
        before.saturating_sub(1)
    }

    /// How many records the object holds.
    pub(crate) fn records(&self) -> u64 {
        self.data.iter().map(|block| u64::from(block.records)).sum()
    }
}
