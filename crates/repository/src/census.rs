//! Counting the records of every snapshot in the index, beside the numbers that the snapshots' own commits give.
//!
//! What has vanished from the index is seen by nobody who reads it. Its absence can be counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use domain::{Kind, Removal};

use crate::commit::{CommitName, Head};
use crate::error::Result;
use crate::view::{Segments, VersionState, Walk};

/// Of each snapshot, how many records its commit says that it has, by kind.
pub(crate) type Census = BTreeMap<CommitName, BTreeMap<Kind, u64>>;

/// Of one kind, by snapshot: first the difference to the one before, then the number.
struct Counts {
    present: Vec<i64>,
    redacted: Vec<i64>,
}

impl Counts {
    fn new(snapshots: usize) -> Self {
        Self { present: vec![0; snapshots + 1], redacted: vec![0; snapshots + 1] }
    }

    /// One more in each of these snapshots.
    fn add(differences: &mut [i64], snapshots: Range<usize>) {
        if snapshots.is_empty() {
            return;
        }
        for (at, by) in [(snapshots.start, 1), (snapshots.end, -1)] {
            if let Some(difference) = differences.get_mut(at) {
                *difference += by;
            }
        }
    }

    fn sum(&mut self) {
        for differences in [&mut self.present, &mut self.redacted] {
            let mut sum = 0;
            for difference in differences {
                sum += *difference;
                *difference = sum;
            }
        }
    }

    /// After [`Counts::sum`]: records that are there, and records that were redacted.
    fn at(&self, turn: usize) -> (u64, u64) {
        let at = |sums: &[i64]| sums.get(turn).and_then(|sum| u64::try_from(*sum).ok()).unwrap_or_default();
        (at(&self.present), at(&self.redacted))
    }
}

/// Which snapshots have other numbers of records in the head's index than their commits say, and how.
///
/// # Errors
/// When the index cannot be read whole.
pub(crate) async fn disagreements(
    segments: &Arc<Segments>,
    head: &Head,
    said: &Census,
) -> Result<Vec<(CommitName, String)>> {
    let numbers: Vec<u64> = said.keys().map(|name| name.number.0).collect();
    let mut kinds: BTreeMap<Kind, Counts> = BTreeMap::new();
    let mut walk = Walk::from(segments, &head.commit.components, None).await?;
    while let Some(group) = walk.next().await? {
        if !kinds.contains_key(&group.key.kind) {
            kinds.insert(group.key.kind.clone(), Counts::new(numbers.len()));
        }
        let Some(counts) = kinds.get_mut(&group.key.kind) else { continue };
        let mut end = numbers.len();
        for version in group.versions {
            let start = numbers.partition_point(|number| *number < version.number);
            match version.state {
                VersionState::Present { .. } => Counts::add(&mut counts.present, start..end),
                VersionState::Removed(Removal::Redacted) => Counts::add(&mut counts.redacted, start..end),
                VersionState::Removed(_) => {}
            }
            end = end.min(start);
        }
    }
    kinds.values_mut().for_each(Counts::sum);
    let mut found = Vec::new();
    for (turn, (name, records)) in said.iter().enumerate() {
        for kind in records.keys().chain(kinds.keys()).collect::<BTreeSet<_>>() {
            let said = records.get(kind).copied().unwrap_or_default();
            let (present, redacted) = kinds.get(kind).map_or((0, 0), |counts| counts.at(turn));
            // A copy has a redaction in the place of a record whose person was erased later.
            if said < present || present.saturating_add(redacted) < said {
                let detail = format!(
                    "by it snapshot {} has {said} records of {kind}, and the index shows {present}",
                    name.number
                );
                found.push((name.clone(), detail));
            }
        }
    }
    Ok(found)
}
