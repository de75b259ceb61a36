//! Merging everything, and copying together what is left of packs that are mostly dropped.
//!
//! Versions that no kept snapshot shows leave the index. A pack of which less than half is still named is
//! copied: what remains of it goes into a new pack under a new salt, persons' records sealed anew. A new pack
//! belongs to one snapshot, as every pack does. The commit names the copies and the packs that they replace, so
//! that the chain of commits tells what an index must be rebuilt from.
//!
//! A removal is copied whether the index still has it or not: as long as an older version of its record stands in
//! any pack, nothing else hides that version from an index that is rebuilt. A pack that holds removals only is
//! never sparse.
//!
//! A record of a person who was erased cannot be copied: it becomes a removal, *redacted*.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::{Action, Grant, Id128, RecordKey, Removal};

use crate::commit::{Commit, Head, Role};
use crate::connection::Repository;
use crate::entries::Layout;
use crate::error::{RepositoryError, Result};
use crate::footer::ObjectRef;
use crate::heads::{self, Ground, Lease};
use crate::merge::{Keep, listed_packs, merge, visible};
use crate::pack::{PackRecord, PackWriter};
use crate::packs::{Packs, part_of, without_overlap};
use crate::reader::Reader;
use crate::segment::Segment;
use crate::subjects::{SubjectKey, Subjects};
use crate::view::{Component, Group, Segments, Version, VersionState, Walk};

/// Packs of so many snapshots are copied together at one time: each is one more component to merge.
const NUMBERS_MAX: usize = 64;

/// What compacting did.
#[derive(Debug, Clone, PartialEq)]
pub struct Compacted {
    /// The head afterwards.
    pub head: Head,
    /// Versions that left the index.
    pub versions_dropped: u64,
    /// Packs that are no longer named: all of their content was dropped or copied.
    pub packs_dropped: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

/// Packs that are mostly dropped, by the snapshot that they belong to.
type Sparse = BTreeMap<u64, Vec<Arc<Segment>>>;

/// Everything that a compaction looks at.
struct Compaction<'a> {
    segments: &'a Arc<Segments>,
    reader: Reader,
    components: &'a [Component],
    /// Snapshots that are kept, in order.
    kept: Vec<u64>,
    head: u64,
}

/// What the index says before a compaction.
#[derive(Default)]
struct Counted {
    /// Versions that go.
    dropped: u64,
    /// Of each pack how many versions stay.
    named: HashMap<Id128, u64>,
}

impl Compaction<'_> {
    fn visible(&self, versions: Vec<Version>) -> Vec<Version> {
        let kept = |from: u64, to: u64| {
            let first = self.kept.partition_point(|number| *number < from);
            self.kept.get(first).is_some_and(|number| *number <= to)
        };
        visible(versions, &kept, self.head, true)
    }

    async fn count(&self) -> Result<Counted> {
        let mut counted = Counted::default();
        let mut walk = Walk::from(self.segments, self.components, None).await?;
        while let Some(group) = walk.next().await? {
            let before = group.versions.len();
            let versions = self.visible(group.versions);
            counted.dropped += u64::try_from(before - versions.len()).unwrap_or_default();
            for version in versions {
                if let VersionState::Present { pack, .. } = version.state {
                    *counted.named.entry(pack.id).or_default() += 1;
                }
            }
        }
        Ok(counted)
    }
}

/// What the index still says of the records of packs: walks it beside them.
struct Survivors<'a, 'b> {
    compaction: &'a Compaction<'b>,
    index: Walk,
    number: u64,
}

impl<'a, 'b> Survivors<'a, 'b> {
    async fn new(compaction: &'a Compaction<'b>, number: u64) -> Result<Self> {
        let index = Walk::from(compaction.segments, compaction.components, None).await?;
        Ok(Self { compaction, index, number })
    }

    /// The version that stays of what packs of this snapshot have of a record, and the pack that the index names.
    /// `None` where the index names none of these. Records must come in order.
    async fn version(&mut self, own: &Group) -> Result<Option<(Version, Id128)>> {
        let RecordKey { kind, id } = &own.key;
        self.index.seek(kind, id).await?;
        if self.index.peek() != Some((kind, &**id)) {
            return Ok(None);
        }
        let Some(group) = self.index.next().await? else { return Ok(None) };
        let versions = self.compaction.visible(group.versions);
        let version = versions.into_iter().find(|version| version.number == self.number);
        Ok(version.filter(|version| own.versions.contains(version)).and_then(|version| {
            match &version.state {
                VersionState::Present { pack, .. } => {
                    let pack = pack.id;
                    Some((version, pack))
                }
                VersionState::Removed(_) => None,
            }
        }))
    }
}

impl Repository {
    /// Merges all of the index into one, without the versions that no kept snapshot shows, and copies packs
    /// that are mostly dropped. Bytes are freed by the collection after.
    ///
    /// # Errors
    /// When the store fails or is damaged, or somebody else writes. Nothing has changed then.
    pub async fn compact(&self, grant: &Grant, lease: &Lease) -> Result<Compacted> {
        let segments = self.segments(grant, Action::Prune)?;
        let ground = heads::ground(&segments.keyring, &self.objects, lease).await?;
        let parent = ground.parent.clone().ok_or_else(|| self.nothing_written())?;
        let reader = Reader::new(Arc::clone(&segments), self.keys_area.clone(), parent.clone());
        let chain = reader.chain().await?;
        let kept = chain
            .iter()
            .filter(|head| head.commit.role == Role::Snapshot && !parent.commit.is_pruned(head.name.number));
        let mut kept: Vec<u64> = kept.map(|head| head.name.number.0).collect();
        kept.sort_unstable();
        let compaction = Compaction {
            segments: &segments,
            reader,
            components: &parent.commit.components,
            kept,
            head: parent.name.number.0,
        };
        let counted = compaction.count().await?;
        let packs = listed_packs(&segments, compaction.components).await?;
        let sparse = sparse_packs(&compaction, &packs, &counted.named, &Packs::of(&chain)).await?;
        let unchanged = match compaction.components {
            [] => true,
            // An index of which nothing stays keeps one entry, for the packs that it lists: see `merge`.
            [index] if index.layout == Layout::Index => {
                counted.dropped == 0 || (counted.dropped == 1 && index.entries == 1)
            }
            _ => false,
        };
        if unchanged && sparse.is_empty() {
            return Ok(Compacted { head: parent, versions_dropped: 0, packs_dropped: 0, bytes_written: 0 });
        }
        let (head, bytes_written) =
            self.rewrite(&compaction, &ground, &parent, (&sparse, &counted.named), lease).await?;
        let packs_dropped = u64::try_from(sparse.values().map(Vec::len).sum::<usize>()).unwrap_or_default();
        Ok(Compacted { head, versions_dropped: counted.dropped, packs_dropped, bytes_written })
    }

    async fn rewrite(
        &self,
        compaction: &Compaction<'_>,
        ground: &Ground,
        parent: &Head,
        (sparse, named): (&Sparse, &HashMap<Id128, u64>),
        lease: &Lease,
    ) -> Result<(Head, u64)> {
        let segments = compaction.segments;
        let data_key = segments.keyring.current().await?;
        let mut components = compaction.components.to_vec();
        let mut copied = Vec::new();
        let mut bytes_written = 0;
        for (number, packs) in sparse {
            let (copy, bytes) = self.copy(compaction, *number, packs, named).await?;
            copied.extend(copy);
            bytes_written += bytes;
        }
        components.extend(copied.iter().cloned());
        let replaced: HashSet<Id128> = sparse.values().flatten().map(|segment| segment.id).collect();
        let versions = |mut group: Group| {
            group.versions.retain(|version| match &version.state {
                VersionState::Present { pack, .. } => !replaced.contains(&pack.id),
                VersionState::Removed(_) => true,
            });
            // A removal stands in the old index and in the new pack.
            group.versions.dedup_by_key(|version| version.number);
            group.versions = compaction.visible(group.versions);
            group
        };
        let keep = Keep { versions: &versions, pack: &|id| !replaced.contains(id) };
        let (merged, bytes) = merge(segments, data_key, &*self.rng, &components, &keep).await?;
        let (generation, role) = (lease.generation, Role::Maintenance);
        let mut commit = Commit::after(segments, Some(parent), generation, role, &*self.clock).await?;
        commit.components = merged.into_iter().collect();
        // INVARIANT (packs by number): the copies are told by name too, and what they replace.
        commit.copied = copied;
        commit.dropped = sparse.values().flat_map(|packs| dropped_with(packs)).collect();
        let head =
            ground.publish(&segments.keyring, &self.objects, data_key, &*self.rng, lease, commit).await?;
        Ok((head, bytes_written + bytes))
    }

    /// Copies what stays of the packs of one snapshot, and their removals.
    async fn copy(
        &self,
        compaction: &Compaction<'_>,
        number: u64,
        packs: &[Arc<Segment>],
        named: &HashMap<Id128, u64>,
    ) -> Result<(Option<Component>, u64)> {
        let segments = compaction.segments;
        let keyring = &segments.keyring;
        let data_key = keyring.current().await?;
        let mut subjects =
            Subjects::open(keyring, &self.keys_area, &self.objects, Some(compaction.reader.head())).await?;
        let mut writer =
            PackWriter::new(keyring, &self.objects, data_key, &self.rng).copied_from(origins(packs));
        let mut survivors = Survivors::new(compaction, number).await?;
        let mut entries = 0;
        let mut copied: HashMap<Id128, u64> = HashMap::new();
        let parts = packs.iter().filter_map(|segment| part_of(segment)).collect();
        let mut walk = Walk::from(segments, &without_overlap(number, parts), None).await?;
        while let Some(group) = walk.next().await? {
            if let Some((version, pack)) = survivors.version(&group).await? {
                copy_version(&compaction.reader, &mut subjects, &mut writer, &group.key, &version).await?;
                *copied.entry(pack).or_default() += 1;
            } else {
                let removal = group.versions.iter().find_map(|version| match version.state {
                    VersionState::Removed(why) => Some(why),
                    VersionState::Present { .. } => None,
                });
                let Some(why) = removal else { continue };
                writer.removed(&group.key.kind, &group.key.id, why).await?;
            }
            entries += 1;
        }
        // INVARIANT (nothing is lost): what the index names of a pack that it will name no more is in the copy.
        for segment in packs {
            let stays = named.get(&segment.id).copied().unwrap_or_default();
            let found = copied.get(&segment.id).copied().unwrap_or_default();
            if stays != found {
                return Err(RepositoryError::damaged(
                    &segment.full_name(),
                    format!("the index names {stays} of its records, and it has {found} of those"),
                ));
            }
        }
        let (parts, bytes) = writer.finish().await?;
        let component = Component { layout: Layout::Pack, from: number, to: number, entries, parts };
        Ok(((entries > 0).then_some(component), bytes))
    }
}

/// The packs that are dropped with these: themselves, and those that they were copied from.
fn dropped_with(packs: &[Arc<Segment>]) -> impl Iterator<Item = Id128> + '_ {
    let origins = packs.iter().flat_map(|segment| segment.footer.packs.iter().map(|origin| origin.id));
    let dropped: BTreeSet<Id128> = packs.iter().map(|segment| segment.id).chain(origins).collect();
    dropped.into_iter()
}

/// The packs that these were made of, in the end: what they were copied from, or themselves.
fn origins(packs: &[Arc<Segment>]) -> Vec<ObjectRef> {
    let mut origins = Vec::new();
    for segment in packs {
        if segment.footer.packs.is_empty() {
            origins.push(segment.object());
        } else {
            origins.extend(segment.footer.packs.iter().cloned());
        }
    }
    origins.sort_by_key(|origin| origin.id);
    origins.dedup();
    origins
}

async fn copy_version(
    reader: &Reader,
    subjects: &mut Subjects,
    writer: &mut PackWriter,
    key: &RecordKey,
    version: &Version,
) -> Result<()> {
    let VersionState::Present { hash, .. } = version.state else { return Ok(()) };
    let record = match reader.read(key, version).await {
        Err(RepositoryError::Erased(_)) => {
            return writer.removed(&key.kind, &key.id, Removal::Redacted).await;
        }
        other => other?,
    };
    let summary = reader.summary(key, version).await?.unwrap_or_default();
    let record = PackRecord {
        kind: &key.kind,
        id: &key.id,
        hash,
        meta: &record.meta,
        payload: &record.payload,
        summary: &summary,
    };
    let Some(tag) = version.subject else { return writer.record(&record).await };
    let SubjectKey::Present(wrapped) = subjects.find(&tag).await? else {
        return writer.removed(&key.kind, &key.id, Removal::Redacted).await;
    };
    writer.personal_record(&record, tag, &wrapped).await
}

/// Packs of which less than half is still named, by the snapshot that they belong to.
async fn sparse_packs(
    compaction: &Compaction<'_>,
    packs: &BTreeMap<Id128, ObjectRef>,
    named: &HashMap<Id128, u64>,
    history: &Packs,
) -> Result<Sparse> {
    let mut sparse = Sparse::new();
    for (id, pack) in packs {
        let segment = compaction.segments.open(Layout::Pack, pack).await?;
        let stays = named.get(id).copied().unwrap_or_default();
        // A pack whose snapshot nobody knows any more stays as it is.
        let Some(number) = history.number_of(&segment) else { continue };
        let is_sparse = stays.saturating_mul(2) < segment.footer.records();
        if is_sparse && (sparse.len() < NUMBERS_MAX || sparse.contains_key(&number)) {
            sparse.entry(number).or_default().push(segment);
        }
    }
    Ok(sparse)
}
