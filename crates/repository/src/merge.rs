//! Merging components into one index, so that a record costs a constant number of reads.
//!
//! Only entries are written anew, some thirty bytes each; packs stay where they are. Versions that no kept
//! snapshot shows are left out on the way, and so are removals that hide no older version of their record in the
//! index. In the packs those may still hide one: packs stay listed though no entry names them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::{DataKeyId, Id128, Removal, Rng};

use crate::entries::{Layout, Place, State};
use crate::error::Result;
use crate::footer::ObjectRef;
use crate::limits::Limits;
use crate::pack::ObjectBuilder;
use crate::view::{Component, Group, Part, Segments, Version, VersionState, Walk};

/// More components than this are merged.
pub(crate) const COMPONENTS_MAX: usize = 8;

/// Which of a list of components, newest first, to merge: the newest so many.
///
/// The shortest run that is no smaller than the component behind it: so every entry is rewritten a number of
/// times that grows with the logarithm of the store only.
pub(crate) fn newest_to_merge(entries: &[u64]) -> usize {
    if entries.len() <= COMPONENTS_MAX {
        return 0;
    }
    let mut sum = 0_u64;
    for (turn, size) in entries.iter().enumerate() {
        if turn >= 2 && *size > sum {
            return turn;
        }
        sum = sum.saturating_add(*size);
    }
    entries.len()
}

/// Drops the versions that no kept snapshot shows. `kept` says whether any of the numbers between two, both
/// counted, is kept; `head` is the last one.
pub(crate) fn visible(
    versions: Vec<Version>,
    kept: &dyn Fn(u64, u64) -> bool,
    head: u64,
    oldest: bool,
) -> Vec<Version> {
    let mut out: Vec<Version> = Vec::with_capacity(versions.len());
    let mut until = head;
    for version in versions {
        let shown = version.number <= until && kept(version.number, until);
        until = version.number.saturating_sub(1);
        if shown {
            out.push(version);
        }
    }
    // At the far end of history a removal says nothing: the record simply is not there. That is so in an index;
    // in packs, which may hold older versions still, every removal stays. A redaction may stand where a record was
    // that snapshots count: without it they would seem to lack one.
    if oldest {
        let says_nothing = |version: &Version| matches!(version.state, VersionState::Removed(why) if why != Removal::Redacted);
        while out.last().is_some_and(says_nothing) {
            out.pop();
        }
    }
    out
}

/// Whether any number from `from` to `to` is outside of ranges that are in order and do not touch.
pub(crate) fn outside(ranges: &[(u64, u64)], from: u64, to: u64) -> bool {
    !ranges.iter().any(|(first, last)| *first <= from && to <= *last)
}

/// What a merge leaves out.
pub(crate) struct Keep<'a> {
    /// The versions of a record that stay.
    pub(crate) versions: &'a (dyn Fn(Group) -> Group + Sync),
    /// Whether a pack that no version names any more stays listed: it may hold removals, which a rebuilt index
    /// needs.
    pub(crate) pack: &'a (dyn Fn(&Id128) -> bool + Sync),
}

/// Merges components, newest first and adjacent in history, into one. `None` where nothing remains.
pub(crate) async fn merge(
    segments: &Arc<Segments>,
    data_key: DataKeyId,
    rng: &dyn Rng,
    components: &[Component],
    keep: &Keep<'_>,
) -> Result<(Option<Component>, u64)> {
    let from = components.iter().map(|component| component.from).min().unwrap_or_default();
    let to = components.iter().map(|component| component.to).max().unwrap_or_default();
    let mut unnamed = listed_packs(segments, components).await?;
    unnamed.retain(|id, _| (keep.pack)(id));
    let mut walk = Walk::from(segments, components, None).await?;
    let mut merged = Component { layout: Layout::Index, from, to, entries: 0, parts: Vec::new() };
    let mut bytes_written = 0;
    let mut part = Builder::new(segments, data_key, rng);
    // A removal that was left out, should nothing else remain: without an entry there is no index, and without an
    // index nothing lists the packs that hold removals only.
    let mut spare: Option<Group> = None;
    while let Some(group) = walk.next().await? {
        let newest = if spare.is_none() { group.versions.first().cloned() } else { None };
        let group = (keep.versions)(group);
        if let Some(newest) = newest
            && group.versions.is_empty()
            && matches!(newest.state, VersionState::Removed(_))
        {
            spare = Some(Group { key: group.key.clone(), versions: vec![newest] });
        }
        if part.is_full() && !group.versions.is_empty() {
            unnamed.retain(|id, _| !part.packs.contains_key(id));
            let full = std::mem::replace(&mut part, Builder::new(segments, data_key, rng));
            full.store(segments, &mut merged, &mut bytes_written).await?;
        }
        for version in &group.versions {
            part.add(&group, version)?;
        }
    }
    unnamed.retain(|id, _| !part.packs.contains_key(id));
    let nothing = merged.parts.is_empty() && part.entries == 0;
    if let Some(spare) = spare.filter(|_| nothing && !unnamed.is_empty()) {
        for version in &spare.versions {
            part.add(&spare, version)?;
        }
    }
    part.object.packs.extend(unnamed.into_values());
    part.store(segments, &mut merged, &mut bytes_written).await?;
    Ok(((merged.entries > 0).then_some(merged), bytes_written))
}

/// All packs that components consist of or list.
pub(crate) async fn listed_packs(
    segments: &Segments,
    components: &[Component],
) -> Result<BTreeMap<Id128, ObjectRef>> {
    let mut packs = BTreeMap::new();
    for component in components {
        for part in &component.parts {
            match component.layout {
                Layout::Pack => drop(packs.insert(part.object.id, part.object.clone())),
                Layout::Index => {
                    let segment = segments.open(component.layout, &part.object).await?;
                    packs.extend(segment.footer.packs.iter().map(|pack| (pack.id, pack.clone())));
                }
            }
        }
    }
    Ok(packs)
}

struct Builder {
    object: ObjectBuilder,
    packs: HashMap<Id128, u32>,
    ends: Option<(domain::RecordKey, domain::RecordKey)>,
    entries: u64,
    limits: Limits,
}

impl Builder {
    fn new(segments: &Segments, data_key: DataKeyId, rng: &dyn Rng) -> Self {
        let limits = segments.area.limits;
        let object = ObjectBuilder::new(&segments.keyring, data_key, Layout::Index, limits, rng);
        Self { object, packs: HashMap::new(), ends: None, entries: 0, limits }
    }

    fn is_full(&self) -> bool {
        self.entries >= self.limits.index_entries || self.object.index_len >= self.limits.index_len
    }

    fn add(&mut self, group: &Group, version: &Version) -> Result<()> {
        let state = match &version.state {
            VersionState::Removed(why) => State::Removed(*why),
            VersionState::Present { hash, pack, ordinal } => {
                let next = u32::try_from(self.packs.len()).unwrap_or(u32::MAX);
                let turn = *self.packs.entry(pack.id).or_insert_with(|| {
                    self.object.packs.push(pack.clone());
                    next
                });
                State::Present { hash: *hash, place: Place { pack: turn, ordinal: *ordinal } }
            }
        };
        let key = (&group.key.kind, &*group.key.id);
        self.object.entry(key, version.number, state, version.subject, &[])?;
        match &mut self.ends {
            Some((_, last)) if *last == group.key => {}
            Some((_, last)) => *last = group.key.clone(),
            None => self.ends = Some((group.key.clone(), group.key.clone())),
        }
        self.entries += 1;
        Ok(())
    }

    async fn store(self, segments: &Segments, merged: &mut Component, bytes_written: &mut u64) -> Result<()> {
        let Some((first, last)) = self.ends else { return Ok(()) };
        let object = self.object.store(last.clone(), &segments.area).await?;
        *bytes_written += object.size;
        merged.entries += self.entries;
        merged.parts.push(Part { object, first, last });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_the_number_of_components_small_and_rewrites_little() {
        let mut components: Vec<u64> = vec![];
        let (mut rewritten, runs) = (0, 5_000);
        for _ in 0..runs {
            components.insert(0, 100);
            let newest = newest_to_merge(&components);
            if newest > 0 {
                let sum = components.drain(..newest).sum();
                rewritten += sum;
                components.insert(0, sum);
            }
            assert!(components.len() <= COMPONENTS_MAX);
        }
        let per_entry = rewritten / (100 * runs);
        assert!(per_entry <= 8, "each entry was rewritten {per_entry} times");
    }

    #[test]
    fn versions_that_no_kept_snapshot_shows_are_dropped() {
        let version = |number, removed| Version {
            number,
            state: if removed {
                VersionState::Removed(Removal::Deleted)
            } else {
                VersionState::Present {
                    hash: domain::ContentHash([0; 16]),
                    pack: ObjectRef { id: Id128([0; 16]), size: 0, tail: 0 },
                    ordinal: 0,
                }
            },
            subject: None,
        };
        let check = |versions: Vec<Version>, kept: &[u64], expected: &[u64]| {
            let kept = |from: u64, to: u64| kept.iter().any(|number| (from..=to).contains(number));
            let numbers: Vec<u64> = visible(versions, &kept, 10, true).iter().map(|v| v.number).collect();
            assert_eq!(numbers, expected);
        };
        let all = || vec![version(9, false), version(5, false), version(2, true), version(1, false)];
        check(all(), &[1, 2, 5, 9, 10], &[9, 5, 2, 1]);
        check(all(), &[4, 10], &[9]);
        check(all(), &[6, 10], &[9, 5]);
        check(all(), &[1, 10], &[9, 1]);
    }

    #[test]
    fn numbers_outside_of_ranges_are_found() {
        let ranges = [(2, 4), (7, 7)];
        for (from, to, expected) in
            [(1, 4, true), (2, 4, false), (3, 3, false), (4, 7, true), (7, 7, false), (8, 9, true)]
        {
            assert_eq!(outside(&ranges, from, to), expected, "{from} to {to}");
        }
    }
}
