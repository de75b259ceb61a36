//! Erasing people: their keys are destroyed, and with them every version of their records in every snapshot. What
//! holds records outside of snapshots, under no person's key, is deleted.

use std::sync::Arc;

use domain::{Action, Grant, HashPurpose, Removal, SubjectId, SubjectTag};
use serde::Serialize;

use crate::commit::{Commit, Head, Role};
use crate::connection::Repository;
use crate::entries::Layout;
use crate::error::{RepositoryError, Result};
use crate::heads::{self, Ground, Lease};
use crate::pack::PackWriter;
use crate::runs::RUNS;
use crate::state::{SAVED, STATE};
use crate::store::Listed;
use crate::subjects::{self, SUBJECTS, Subjects};
use crate::view::{Component, Segments, VersionState, Walk};

/// What an erasure did. From here on a certificate can be written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ErasedKeys {
    /// People whose keys are destroyed.
    pub people: u64,
    /// Records that the newest snapshot showed until then.
    pub records: u64,
    /// Older tables of keys that were deleted.
    pub tables_deleted: u64,
    /// Objects of unfinished runs, and of what restores had saved, that were deleted.
    pub copies_deleted: u64,
}

impl Repository {
    /// Destroys people's keys. When this returns, no table that held them is left in the key store, nor what held
    /// records beside the snapshots: unfinished runs, and what restores had saved of the items that they overwrote
    /// (they can be undone no longer). In a directory that includes files that a killed writer left, and the disk
    /// itself has been told.
    ///
    /// A commit comes first, and one last. In the first the people's records are gone, redacted, and their kinds are to be
    /// read whole: should the platform still have them, the next backup keeps them anew, under new keys. And whoever was preparing a commit loses, and
    /// writes no table any more. After a crash the erasure is asked for again; what was done is not undone.
    ///
    /// # Errors
    /// When a store fails, or an older table cannot be deleted: the erasure is not complete then.
    /// [`RepositoryError::Conflict`] where somebody else writes.
    pub async fn erase(&self, grant: &Grant, lease: &Lease, people: &[SubjectId]) -> Result<ErasedKeys> {
        let segments = self.segments(grant, Action::Erase)?;
        let keyring = &segments.keyring;
        let ground = heads::ground(keyring, &self.objects, lease).await?;
        let parent = ground.parent.clone().ok_or_else(|| self.nothing_written())?;
        let data_key = keyring.current().await?;
        let hash = keyring.keyed_hash(data_key, HashPurpose::Subject).await?;
        let tags: Vec<SubjectTag> = people.iter().map(|person| subjects::tag(&*hash, person)).collect();
        let mut commit =
            Commit::after(&segments, Some(&parent), lease.generation, Role::Fence, &*self.clock).await?;
        let redacted = self.redact(&segments, &parent, &tags, &mut commit).await?;
        let head = ground.publish(keyring, &self.objects, data_key, &*self.rng, lease, commit).await?;
        let mut subjects = Subjects::open(keyring, &self.keys_area, &self.objects, Some(&head)).await?;
        subjects.destroy(&tags).await?;
        subjects.store(&*self.rng, data_key, lease.generation).await?;
        let tables_deleted = subjects.delete_older(lease.generation).await?;
        let copies_deleted = self.delete_copies().await?;
        for folder in [SUBJECTS, RUNS, STATE] {
            self.keys_area.forget(folder).await?;
        }
        // INVARIANT (certificate): counted only once a fresh look finds each table once and the keys gone, and the
        // lease still stood after that: whoever comes later reads these tables.
        let mut left = Subjects::open(keyring, &self.keys_area, &self.objects, Some(&head)).await?;
        if left.has_older() || !left.are_destroyed(&tags).await? || !self.copies().await?.is_empty() {
            return Err(RepositoryError::Conflict(
                "somebody else has written to the key store meanwhile".to_owned(),
            ));
        }
        let fence =
            Commit::after(&segments, Some(&head), lease.generation, Role::Fence, &*self.clock).await?;
        Ground::after(head).publish(keyring, &self.objects, data_key, &*self.rng, lease, fence).await?;
        let people = u64::try_from(tags.len()).unwrap_or(u64::MAX);
        Ok(ErasedKeys { people, records: redacted, tables_deleted, copies_deleted })
    }

    /// What holds records outside of snapshots, under no person's key: whose they are is not known here.
    async fn copies(&self) -> Result<Vec<Listed>> {
        let mut copies = self.keys_area.list(RUNS).await?;
        let saved = |object: &Listed| {
            let state = object.name.rsplit('/').nth(1);
            state.is_some_and(|state| state.ends_with(SAVED))
        };
        copies.extend(self.keys_area.list(STATE).await?.into_iter().filter(saved));
        Ok(copies)
    }

    async fn delete_copies(&self) -> Result<u64> {
        let copies = self.copies().await?;
        for object in &copies {
            self.keys_area.delete(&object.name).await?;
        }
        Ok(u64::try_from(copies.len()).unwrap_or(u64::MAX))
    }

    /// Adds to the commit the removal of every record of these people. With any, it is a snapshot of its own.
    async fn redact(
        &self,
        segments: &Arc<Segments>,
        parent: &Head,
        tags: &[SubjectTag],
        commit: &mut Commit,
    ) -> Result<u64> {
        let data_key = segments.keyring.current().await?;
        let mut pack = PackWriter::new(&segments.keyring, &self.objects, data_key, &self.rng);
        let mut walk = Walk::from(segments, &parent.commit.components, None).await?;
        let mut redacted = 0;
        while let Some(group) = walk.next().await? {
            let theirs = group.at(parent.name.number.0).is_some_and(|version| {
                matches!(version.state, VersionState::Present { .. })
                    && version.subject.is_some_and(|tag| tags.contains(&tag))
            });
            if theirs {
                pack.removed(&group.key.kind, &group.key.id, Removal::Redacted).await?;
                redacted += 1;
                if let Some(kind) = commit.kinds.get_mut(&group.key.kind) {
                    kind.records = kind.records.saturating_sub(1);
                    // No increment would tell of them: for the platform nothing has changed.
                    kind.cursor = None;
                }
            }
        }
        let (parts, _) = pack.finish().await?;
        if !parts.is_empty() {
            let number = commit.number.0;
            let component =
                Component { layout: Layout::Pack, from: number, to: number, entries: redacted, parts };
            commit.components.insert(0, component);
            commit.role = Role::Snapshot;
        }
        Ok(redacted)
    }
}
