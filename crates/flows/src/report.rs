//! What a run did, as a value.

use std::collections::BTreeMap;

use domain::{Gap, Kind, SnapshotNumber};
use repository::{CommitName, KindCounts};
use serde::{Deserialize, Serialize};

/// Counts of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindReport {
    /// Items that were read.
    pub seen: u64,
    /// New ones.
    pub added: u64,
    /// Changed ones.
    pub changed: u64,
    /// Ones that are gone.
    pub removed: u64,
    /// Ones that a withdrawn permission hides: they are out of our sight, and may well be there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_scope: u64,
    /// Items that could not be kept; `gaps` says why.
    pub skipped: u64,
    /// What is not there, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl KindReport {
    pub(crate) fn add(&mut self, counts: KindCounts) {
        self.seen += counts.seen;
        self.added += counts.added;
        self.changed += counts.changed;
        self.removed += counts.removed;
    }
}

/// A finished backup or ingest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunReport {
    /// The snapshot's number.
    pub snapshot: SnapshotNumber,
    /// The commit's name, to be remembered elsewhere: it proves a later rollback.
    pub head: CommitName,
    /// Whether everything that was asked for is there.
    pub complete: bool,
    /// Counts per kind.
    pub kinds: BTreeMap<Kind, KindReport>,
    /// Bytes read from the platform or the file.
    pub bytes_read: u64,
    /// Bytes written to the stores.
    pub bytes_written: u64,
    /// Requests sent to the platform.
    pub requests: u64,
    /// Requests that the platform throttled.
    pub throttled: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}
