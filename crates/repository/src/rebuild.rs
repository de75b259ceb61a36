//! Rebuilding the index from the packs, for when an index object is lost or damaged.
//!
//! Every pack carries its own entries. It does not carry its snapshot's number: that is told by the chain of
//! commits, since every snapshot's own commit names its packs one by one, and packs that were copied together
//! list the ones that they came from. A pack whose number the chain does not tell belongs to no snapshot.
//!
//! Versions that had left the index may come back as long as their packs are there; no reader shows them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use domain::{Action, Grant, Id128, RecordKey};

use crate::commit::{Commit, Head, Role};
use crate::compact::{number_of, pack_numbers};
use crate::connection::Repository;
use crate::entries::Layout;
use crate::error::{ErrorKind, RepositoryError, Result};
use crate::footer::{ObjectRef, TRAILER_LEN};
use crate::heads::{self, Lease};
use crate::merge::{Keep, listed_packs, merge, outside, visible};
use crate::reader::Reader;
use crate::segment::{Segment, name_of, read_trailer};
use crate::store::Listed;
use crate::view::{Component, Group, Part, Segments};

/// So many components are merged at one time.
const MERGED_AT_ONCE: usize = 64;

impl Repository {
    /// Makes a new index out of what the packs say, and a commit that names it.
    ///
    /// # Errors
    /// [`RepositoryError::Damaged`] or [`RepositoryError::Missing`] where a pack that belongs to the history
    /// cannot be read either; the index that there is stays as it is then.
    pub async fn rebuild_index(&self, grant: &Grant, lease: &Lease) -> Result<Head> {
        let segments = self.segments(grant, Action::Prune)?;
        let ground = heads::ground(&segments.keyring, &self.objects, lease).await?;
        let parent = ground.parent.clone().ok_or_else(|| self.nothing_written())?;
        let chain =
            Reader::new(Arc::clone(&segments), self.keys_area.clone(), parent.clone()).chain().await?;
        let numbers = pack_numbers(&chain);
        let mut found: BTreeMap<u64, Vec<Part>> = BTreeMap::new();
        let mut seen: HashSet<Id128> = HashSet::new();
        for object in self.objects.list("pack").await? {
            let segment = self.open_listed(&segments, &object).await?;
            let Some(number) = number_of(&numbers, &segment.id, &segment) else { continue };
            seen.insert(segment.id);
            let Some(first) = first_key(&segment) else { continue };
            found.entry(number).or_default().push(Part {
                object: segment.object(),
                first,
                last: segment.footer.last.clone(),
            });
        }
        self.check_all_seen(&segments, &parent, &seen).await?;
        let mut components: Vec<Component> = Vec::new();
        for (number, parts) in found.into_iter().rev() {
            components.extend(without_overlap(number, parts));
        }
        let data_key = segments.keyring.current().await?.id();
        let (pruned, head) = (&parent.commit.pruned, parent.name.number.0);
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
                merged.extend(merge(&segments, data_key, &*self.rng, group, &keep).await?.0);
            }
            components = merged;
            if last {
                break;
            }
        }
        let role = Role::Maintenance;
        let mut commit =
            Commit::after(&segments, Some(&parent), lease.generation, role, &*self.clock).await?;
        commit.components = components;
        ground.publish(&segments.keyring, &self.objects, data_key, &*self.rng, lease, commit).await
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

    /// Every pack that can still be seen from the head must be among those that were found: without one of
    /// them, older versions would stand in the place of its own.
    async fn check_all_seen(&self, segments: &Segments, head: &Head, seen: &HashSet<Id128>) -> Result<()> {
        for component in &head.commit.components {
            match listed_packs(segments, std::slice::from_ref(component)).await {
                Ok(packs) => {
                    if let Some(pack) = packs.values().find(|pack| !seen.contains(&pack.id)) {
                        let object = self.objects.full(&name_of(Layout::Pack, pack));
                        return Err(RepositoryError::Missing { object });
                    }
                }
                // This is the one that is lost.
                Err(error) if error.kind() == ErrorKind::Integrity => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn first_key(segment: &Segment) -> Option<RecordKey> {
    let block = segment.footer.entries.first()?;
    let kind = segment.footer.kinds.get(usize::from(block.kind))?.clone();
    Some(RecordKey { kind, id: block.id.clone() })
}

/// Packs of one snapshot as components whose parts do not overlap: a pack and its copy may both be there.
fn without_overlap(number: u64, mut parts: Vec<Part>) -> Vec<Component> {
    parts.sort_by(|a, b| a.first.cmp(&b.first));
    let mut components: Vec<Component> = Vec::new();
    for part in parts {
        let fits =
            |component: &&mut Component| component.parts.last().is_none_or(|last| last.last < part.first);
        match components.iter_mut().find(fits) {
            Some(component) => component.parts.push(part),
            None => components.push(Component {
                layout: Layout::Pack,
                from: number,
                to: number,
                entries: 0,
                parts: vec![part],
            }),
        }
    }
    components
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use domain::Kind;

    use super::*;

    #[test]
    fn a_pack_and_its_copy_come_into_different_components() {
        let kind = Kind::new("product").unwrap();
        let key = |id: &str| RecordKey::new(kind.clone(), id).unwrap();
        let object = ObjectRef { id: Id128([0; 16]), size: 0, tail: 0 };
        let part = |first, last| Part { object: object.clone(), first: key(first), last: key(last) };
        let components =
            without_overlap(7, vec![part("c", "d"), part("a", "b"), part("a", "d"), part("e", "e")]);
        let shape: Vec<Vec<&str>> =
            components.iter().map(|c| c.parts.iter().map(|part| &*part.first.id).collect()).collect();
        assert_eq!(shape, [vec!["a", "c", "e"], vec!["a"]]);
        let numbers: HashMap<_, _> = components.iter().map(|c| (c.from, c.to)).collect();
        assert_eq!(numbers, HashMap::from([(7, 7)]));
    }
}
