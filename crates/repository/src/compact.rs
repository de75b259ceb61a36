//! Merging everything, and copying together what is left of packs that are mostly dropped.
//!
//! Versions that no kept snapshot shows leave the index. A pack of which less than half is still named is
//! copied: what remains of it goes into a new pack under a new salt, persons' records sealed anew. A new pack
//! belongs to one snapshot, as every pack does, and lists the packs that it was copied from: the chain of
//! commits names those, and so tells its number when an index must be rebuilt.
//!
//! A record of a person who was erased cannot be copied: it becomes a removal, *redacted*.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::{Action, Grant, Id128, Kind, RecordKey, Removal};

use crate::commit::{Commit, Head, Role};
use crate::connection::Repository;
use crate::entries::{Entry, Layout};
use crate::error::{RepositoryError, Result};
use crate::footer::ObjectRef;
use crate::heads::{self, Ground, Lease};
use crate::merge::{Keep, listed_packs, merge, visible};
use crate::pack::{PackRecord, PackWriter};
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

/// Which snapshot each pack belongs to, by the commits that named it first.
pub(crate) fn pack_numbers(chain: &[Head]) -> HashMap<Id128, u64> {
    let components = chain.iter().flat_map(|head| &head.commit.components);
    let single =
        components.filter(|component| component.layout == Layout::Pack && component.from == component.to);
    single.flat_map(|component| component.parts.iter().map(|part| (part.object.id, component.from))).collect()
}

/// The number of a pack: its own, or that of the packs that it was copied from.
pub(crate) fn number_of(numbers: &HashMap<Id128, u64>, pack: &Id128, segment: &Segment) -> Option<u64> {
    let origins = segment.footer.packs.iter().map(|origin| &origin.id);
    std::iter::once(pack).chain(origins).find_map(|id| numbers.get(id).copied())
}

/// Everything that a compaction looks at.
struct Compaction<'a> {
    segments: &'a Arc<Segments>,
    reader: Reader,
    components: &'a [Component],
    /// Snapshots that are kept, in order.
    kept: Vec<u64>,
    head: u64,
}

impl Compaction<'_> {
    fn visible(&self, versions: Vec<Version>) -> Vec<Version> {
        let kept = |from: u64, to: u64| {
            let first = self.kept.partition_point(|number| *number < from);
            self.kept.get(first).is_some_and(|number| *number <= to)
        };
        visible(versions, &kept, self.head, true)
    }

    /// How many versions go, and of each pack how many stay.
    async fn count(&self) -> Result<(u64, HashMap<Id128, u64>)> {
        let mut dropped = 0;
        let mut named: HashMap<Id128, u64> = HashMap::new();
        let mut walk = Walk::from(self.segments, self.components, None).await?;
        while let Some(group) = walk.next().await? {
            let before = group.versions.len();
            let versions = self.visible(group.versions);
            dropped += u64::try_from(before - versions.len()).unwrap_or_default();
            for version in versions {
                if let VersionState::Present { pack, .. } = version.state {
                    *named.entry(pack.id).or_default() += 1;
                }
            }
        }
        Ok((dropped, named))
    }
}

/// What stays of packs, in order: walks their entries beside the index.
struct Survivors<'a, 'b> {
    compaction: &'a Compaction<'b>,
    walk: Walk,
    number: u64,
}

impl<'a, 'b> Survivors<'a, 'b> {
    async fn new(compaction: &'a Compaction<'b>, number: u64) -> Result<Self> {
        let walk = Walk::from(compaction.segments, compaction.components, None).await?;
        Ok(Self { compaction, walk, number })
    }

    /// What the index still says of an entry of a pack. Entries must come in order.
    async fn version(&mut self, kind: &Kind, entry: &Entry) -> Result<Option<Version>> {
        self.walk.seek(kind, &entry.id).await?;
        if self.walk.peek() != Some((kind, &*entry.id)) {
            return Ok(None);
        }
        let Some(group) = self.walk.next().await? else { return Ok(None) };
        let versions = self.compaction.visible(group.versions);
        Ok(versions.into_iter().find(|version| version.number == self.number))
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
        let (versions_dropped, named) = compaction.count().await?;
        let packs = listed_packs(&segments, compaction.components).await?;
        let sparse = sparse_packs(&compaction, &packs, &named, &pack_numbers(&chain)).await?;
        let merged_already = matches!(compaction.components, [] | [Component { layout: Layout::Index, .. }]);
        if merged_already && versions_dropped == 0 && sparse.is_empty() {
            return Ok(Compacted { head: parent, versions_dropped: 0, packs_dropped: 0, bytes_written: 0 });
        }
        let (head, bytes_written) = self.rewrite(&compaction, &ground, &parent, &sparse, lease).await?;
        let packs_dropped = u64::try_from(sparse.values().map(Vec::len).sum::<usize>()).unwrap_or_default();
        Ok(Compacted { head, versions_dropped, packs_dropped, bytes_written })
    }

    async fn rewrite(
        &self,
        compaction: &Compaction<'_>,
        ground: &Ground,
        parent: &Head,
        sparse: &BTreeMap<u64, Vec<Arc<Segment>>>,
        lease: &Lease,
    ) -> Result<(Head, u64)> {
        let segments = compaction.segments;
        let data_key = segments.keyring.current().await?.id();
        let mut components = compaction.components.to_vec();
        let mut bytes_written = 0;
        for (number, packs) in sparse {
            let (component, bytes) = self.copy(compaction, *number, packs).await?;
            components.extend(component);
            bytes_written += bytes;
        }
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
        let head =
            ground.publish(&segments.keyring, &self.objects, data_key, &*self.rng, lease, commit).await?;
        Ok((head, bytes_written + bytes))
    }

    /// Copies what stays of the packs of one snapshot.
    async fn copy(
        &self,
        compaction: &Compaction<'_>,
        number: u64,
        packs: &[Arc<Segment>],
    ) -> Result<(Option<Component>, u64)> {
        let keyring = &compaction.segments.keyring;
        let data_key = keyring.current().await?.id();
        let mut subjects =
            Subjects::open(keyring, &self.keys_area, &self.objects, Some(compaction.reader.head())).await?;
        let mut writer =
            PackWriter::new(keyring, &self.objects, data_key, &self.rng).copied_from(origins(packs));
        let mut survivors = Survivors::new(compaction, number).await?;
        let mut entries = 0;
        for segment in packs {
            for block in 0..segment.footer.entries.len() {
                for entry in segment.entries(block, number).await? {
                    let Some(kind) = segment.footer.kinds.get(usize::from(entry.kind)) else { continue };
                    let Some(version) = survivors.version(kind, &entry).await? else { continue };
                    let key = RecordKey { kind: kind.clone(), id: entry.id };
                    copy_version(&compaction.reader, &mut subjects, &mut writer, data_key, &key, &version)
                        .await?;
                    entries += 1;
                }
            }
        }
        let (parts, bytes) = writer.finish().await?;
        let component = Component { layout: Layout::Pack, from: number, to: number, entries, parts };
        Ok(((entries > 0).then_some(component), bytes))
    }
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
    data_key: domain::DataKeyId,
    key: &RecordKey,
    version: &Version,
) -> Result<()> {
    let hash = match &version.state {
        VersionState::Removed(why) => return writer.removed(key, *why),
        VersionState::Present { hash, .. } => *hash,
    };
    let record = match reader.read(key, version).await {
        Err(RepositoryError::Erased(_)) => return writer.removed(key, Removal::Redacted),
        other => other?,
    };
    let summary = reader.summary(key, version).await?.unwrap_or_default();
    let record = PackRecord { key, hash, meta: &record.meta, payload: &record.payload, summary: &summary };
    let Some(tag) = version.subject else { return writer.record(&record).await };
    let SubjectKey::Present(wrapped) = subjects.find(&tag).await? else {
        return writer.removed(key, Removal::Redacted);
    };
    let data_key = reader.segments.keyring.key(data_key).await?;
    let maker = |salt: &domain::Salt, number: u64| {
        data_key.record_key(&tag, &wrapped, salt, number).map_err(RepositoryError::from)
    };
    writer.personal_record(&record, tag, &maker).await
}

/// Packs of which less than half is still named, by the snapshot that they belong to, in order of their keys.
async fn sparse_packs(
    compaction: &Compaction<'_>,
    packs: &BTreeMap<Id128, ObjectRef>,
    named: &HashMap<Id128, u64>,
    numbers: &HashMap<Id128, u64>,
) -> Result<BTreeMap<u64, Vec<Arc<Segment>>>> {
    let mut sparse: BTreeMap<u64, Vec<Arc<Segment>>> = BTreeMap::new();
    for (id, pack) in packs {
        let segment = compaction.segments.open(Layout::Pack, pack).await?;
        let records = segment.footer.records();
        let stays = named.get(id).copied().unwrap_or_default();
        // A pack whose snapshot nobody knows any more stays as it is.
        let Some(number) = number_of(numbers, id, &segment) else { continue };
        let is_sparse = if records == 0 {
            !all_survive(compaction, number, &segment).await?
        } else {
            stays * 2 < records
        };
        if is_sparse && (sparse.len() < NUMBERS_MAX || sparse.contains_key(&number)) {
            sparse.entry(number).or_default().push(segment);
        }
    }
    for packs in sparse.values_mut() {
        packs.sort_by(|a, b| a.footer.last.cmp(&b.footer.last));
    }
    Ok(sparse)
}

/// Whether every entry of a pack that holds removals only still counts.
async fn all_survive(compaction: &Compaction<'_>, number: u64, segment: &Segment) -> Result<bool> {
    let mut survivors = Survivors::new(compaction, number).await?;
    for block in 0..segment.footer.entries.len() {
        for entry in segment.entries(block, number).await? {
            let Some(kind) = segment.footer.kinds.get(usize::from(entry.kind)) else { continue };
            if survivors.version(kind, &entry).await?.is_none() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
