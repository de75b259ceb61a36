//! Rebuilding the index from the packs, for when an index object is lost or damaged.
//!
//! Every pack carries its own entries, and the chain of commits tells which packs there are and to which snapshot
//! each belongs: see `packs.rs`. A pack that the chain does not tell of belongs to no snapshot, and one that it
//! calls dropped has been replaced. A pack that the chain expects and that is not there is a loss: older versions
//! would stand in the place of its own, so an index is not made without it unless somebody accepts that by name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use domain::{Action, Gap, GapReason, Grant, Id128, Kind};

use crate::commit::{Commit, Head, Role};
use crate::connection::Repository;
use crate::entries::Layout;
use crate::error::{ErrorKind, RepositoryError, Result};
use crate::footer::{ObjectRef, TRAILER_LEN};
use crate::heads::{self, Lease};
use crate::inspect::integrity;
use crate::merge::{Keep, listed_packs, merge, outside, visible};
use crate::packs::{NamedPack, Packs, part_of, without_overlap};
use crate::reader::Reader;
use crate::segment::{Segment, name_of, read_trailer};
use crate::store::Listed;
use crate::view::{Component, Group, Part, Segments, VersionState, Walk};

/// So many components are merged at one time.
const MERGED_AT_ONCE: usize = 64;

/// The packs that were found, by snapshot.
#[derive(Default)]
struct Found {
    parts: BTreeMap<u64, Vec<Part>>,
    seen: HashSet<Id128>,
    /// What those that were found were copied from.
    origins: HashSet<Id128>,
}

impl Repository {
    /// Makes a new index out of what the packs say, and a commit that names it.
    ///
    /// # Errors
    /// [`RepositoryError::Damaged`] or [`RepositoryError::Missing`] where a pack that belongs to the history
    /// is gone or cannot be read either; the index that there is stays as it is then.
    pub async fn rebuild_index(&self, grant: &Grant, lease: &Lease) -> Result<Head> {
        self.rebuild_index_without(grant, lease, &[]).await
    }

    /// As [`Repository::rebuild_index`], without the packs of these paths: they are lost and cannot be brought back.
    ///
    /// From then on each of their kinds says that it is incomplete, until it is read anew. Snapshots from which
    /// records are gone are told by [`Repository::verify`]; where a lost pack held a change, they show the version before.
    ///
    /// # Errors
    /// As [`Repository::rebuild_index`], for every other pack.
    pub async fn rebuild_index_without(&self, grant: &Grant, lease: &Lease, lost: &[String]) -> Result<Head> {
        let segments = self.segments(grant, Action::Prune)?;
        let ground = heads::ground(&segments.keyring, &self.objects, lease).await?;
        let parent = ground.parent.clone().ok_or_else(|| self.nothing_written())?;
        let chain =
            Reader::new(Arc::clone(&segments), self.keys_area.clone(), parent.clone()).chain().await?;
        let history = Packs::of(&chain);
        let found = self.find_packs(&segments, &history, lost).await?;
        let missing = self.missing(&segments, &parent, &history, &found).await?;
        let (accepted, missing): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|(path, _)| lost.contains(path));
        let names: Vec<&str> = missing.iter().map(|(path, _)| path.as_str()).collect();
        match names[..] {
            [] => {}
            [object] => return Err(RepositoryError::Missing { object: object.to_owned() }),
            [first, ..] => {
                let detail = format!("it is missing, and with it: {}", names.join(", "));
                return Err(RepositoryError::damaged(first, detail));
            }
        }
        let components = self.index_of(&segments, &parent, found).await?;
        let role = Role::Maintenance;
        let mut commit =
            Commit::after(&segments, Some(&parent), lease.generation, role, &*self.clock).await?;
        commit.components = components;
        if !accepted.is_empty() {
            note_loss(&segments, &mut commit, &accepted).await?;
        }
        let data_key = segments.keyring.current().await?;
        ground.publish(&segments.keyring, &self.objects, data_key, &*self.rng, lease, commit).await
    }

    /// Whether the pack of this path is there and says what is in it, which is what an index is rebuilt from. Its
    /// records may be damaged all the same: [`Repository::verify`] tells.
    ///
    /// # Errors
    /// When the grant does not allow it, or the store cannot be read.
    pub async fn pack_opens(&self, grant: &Grant, path: &str) -> Result<bool> {
        let segments = self.segments(grant, Action::Verify)?;
        let listed = self.objects.list("pack").await?;
        let Some(object) = listed.iter().find(|object| self.objects.full(&object.name) == path) else {
            return Ok(false);
        };
        match self.open_listed(&segments, object).await {
            Ok(_) => Ok(true),
            Err(error) => integrity(error).map(|_| false),
        }
    }

    /// Every pack in the store that belongs to the history.
    async fn find_packs(&self, segments: &Segments, history: &Packs, lost: &[String]) -> Result<Found> {
        let mut found = Found::default();
        for object in self.objects.list("pack").await? {
            let id = object.name.rsplit('/').next().unwrap_or_default().parse();
            if id.is_ok_and(|id| history.is_dropped(&id)) || lost.contains(&self.objects.full(&object.name)) {
                continue;
            }
            let segment = self.open_listed(segments, &object).await?;
            let Some(number) = history.number_of(&segment) else { continue };
            found.seen.insert(segment.id);
            found.origins.extend(segment.footer.packs.iter().map(|origin| origin.id));
            let Some(part) = part_of(&segment) else { continue };
            found.parts.entry(number).or_default().push(part);
        }
        Ok(found)
    }

    /// Packs that should be there and are not: those of the chain, and those that what is left of the head's index
    /// lists. Their paths, and what the chain tells of them.
    async fn missing(
        &self,
        segments: &Segments,
        head: &Head,
        history: &Packs,
        found: &Found,
    ) -> Result<BTreeMap<String, Option<NamedPack>>> {
        let path = |pack: &ObjectRef| self.objects.full(&name_of(Layout::Pack, pack));
        let mut missing = BTreeMap::new();
        for component in &head.commit.components {
            for part in &component.parts {
                let alone = Component { parts: vec![part.clone()], ..component.clone() };
                let listed = match listed_packs(segments, &[alone]).await {
                    Ok(listed) => listed,
                    // This is what is lost.
                    Err(error) if error.kind() == ErrorKind::Integrity => continue,
                    Err(error) => return Err(error),
                };
                let gone = listed.values().filter(|pack| !found.seen.contains(&pack.id));
                missing.extend(gone.map(|pack| (path(pack), None)));
            }
        }
        // A pack from before commits told what they drop is known by its copy.
        let there = |id: &Id128| found.seen.contains(id) || found.origins.contains(id);
        let gone = history.current().filter(|pack| !there(&pack.part.object.id));
        missing.extend(gone.map(|pack| (path(&pack.part.object), Some(pack.clone()))));
        Ok(missing)
    }

    /// Merges everything that packs say into one index.
    async fn index_of(&self, segments: &Arc<Segments>, head: &Head, found: Found) -> Result<Vec<Component>> {
        let mut components: Vec<Component> = Vec::new();
        for (number, parts) in found.parts.into_iter().rev() {
            components.extend(without_overlap(number, parts));
        }
        let data_key = segments.keyring.current().await?;
        let (pruned, head) = (&head.commit.pruned, head.name.number.0);
        loop {
            let last = components.len() <= MERGED_AT_ONCE;
            let versions = |mut group: Group| {
                group.versions.dedup_by_key(|version| version.number);
                if last {
                    group.versions =
                        visible(group.versions, &|from, to| outside(pruned, from, to), head, true);
                }
                group
            };
            let keep = Keep { versions: &versions, pack: &|_| true };
            let mut merged = Vec::new();
            for group in components.chunks(MERGED_AT_ONCE) {
                merged.extend(merge(segments, data_key, &*self.rng, group, &keep).await?.0);
            }
            components = merged;
            if last {
                return Ok(components);
            }
        }
    }

    /// Opens a pack by what a listing says of it.
    async fn open_listed(&self, segments: &Segments, object: &Listed) -> Result<Arc<Segment>> {
        let full = self.objects.full(&object.name);
        let id = object
            .name
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .parse()
            .map_err(|_| RepositoryError::damaged(&full, "it stands among the packs and is none"))?;
        let trailer_len = u64::try_from(TRAILER_LEN).unwrap_or(u64::MAX);
        let from = object.size.checked_sub(trailer_len);
        let from = from.ok_or_else(|| RepositoryError::damaged(&full, "its trailer is cut short"))?;
        let trailer = self.objects.get_range(&object.name, from..object.size).await?;
        let tail = read_trailer(&full, &trailer)?.saturating_add(trailer_len);
        segments.open(Layout::Pack, &ObjectRef { id, size: object.size, tail }).await
    }
}

/// Counts each kind anew, and says of the kinds of lost packs that they are incomplete.
async fn note_loss(
    segments: &Arc<Segments>,
    commit: &mut Commit,
    lost: &[(String, Option<NamedPack>)],
) -> Result<()> {
    let mut records: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut walk = Walk::from(segments, &commit.components, None).await?;
    while let Some(group) = walk.next().await? {
        let newest = group.versions.first();
        if newest.is_some_and(|version| matches!(version.state, VersionState::Present { .. })) {
            *records.entry(group.key.kind).or_default() += 1;
        }
    }
    for (kind, state) in &mut commit.kinds {
        state.records = records.get(kind).copied().unwrap_or_default();
    }
    let mut hit = BTreeSet::new();
    for (path, pack) in lost {
        for (kind, state) in &mut commit.kinds {
            let ends = pack.as_ref().map(|pack| (&pack.part.first.kind, &pack.part.last.kind));
            if ends.is_some_and(|(first, last)| kind < first || last < kind) {
                continue;
            }
            let what = pack.as_ref().map_or_else(
                || "records".to_owned(),
                |pack| {
                    format!(
                        "what snapshot {} brought from {} to {}",
                        pack.number, pack.part.first, pack.part.last
                    )
                },
            );
            let detail = format!("{what} is lost with `{path}`");
            state.gaps.push(Gap { what: kind.to_string(), reason: GapReason::Failed, detail });
            state.complete = false;
            hit.insert(kind.clone());
        }
    }
    commit.complete &= hit.is_empty();
    Ok(())
}
