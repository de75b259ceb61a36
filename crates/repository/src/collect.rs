//! Collecting garbage: deleting packs, indexes and media that nothing names any more, in two passes.
//!
//! The first pass lists what no commit names and keeps the list, sealed. The second comes at least the grace
//! later, looks at all commits anew, and deletes what stands on the list, is old, and still is not named. Before
//! it deletes it writes commits of its own, two fences: whoever slept and commits late loses by number.
//!
//! What a commit names counts while the commit is the newest or younger than the grace, whether it won or not.
//! Ages are taken by the store's own times and by our clock, and the lower one counts.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{Action, Grant, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::commit::{self, COMMITS, Commit, Head, Role};
use crate::connection::Repository;
use crate::entries::Layout;
use crate::error::{RepositoryError, Result};
use crate::heads::{self, Ground, Lease};
use crate::inspect::inspect;
use crate::media::{self, MEDIA};
use crate::merge::listed_packs;
use crate::runs::RUNS;
use crate::segment::name_of;
use crate::store::Listed;
use crate::subjects::Subjects;
use crate::view::Segments;

/// How long an object stays after nothing names it any more, where nobody says otherwise. Longer than any run.
pub const GRACE: Duration = Duration::from_secs(72 * 3600);

/// After so many objects it is looked whether somebody else has written.
const CHECK_EVERY: usize = 64;

/// Name of the list of candidates, among the state.
const CANDIDATES: &str = "collection";

/// What a collection did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Objects that were deleted.
    pub deleted: u64,
    /// Their sizes, in bytes.
    pub bytes: u64,
    /// Objects that nothing names and that wait for the next pass.
    pub candidates: u64,
    /// From then on the next pass deletes them; `None` where there are none.
    pub next_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Candidates {
    made_at: Timestamp,
    objects: BTreeSet<String>,
}

/// What time it is, for ages: by our clock and by the store.
#[derive(Debug, Clone, Copy)]
struct Now {
    clock_second: i64,
    store_second: Option<i64>,
    grace_seconds: i64,
}

impl Now {
    fn is_old(self, modified_second: i64) -> bool {
        let now = self.store_second.map_or(self.clock_second, |store| store.min(self.clock_second));
        now.saturating_sub(modified_second) >= self.grace_seconds
    }
}

impl Repository {
    /// One pass: deletes what the pass before listed, if that is long enough ago, and lists anew.
    ///
    /// # Errors
    /// When a store fails, or a commit, a pack or a table of people's keys is damaged: what they name is not known
    /// then, and nothing is deleted.
    /// [`RepositoryError::Conflict`] where somebody else writes.
    pub async fn collect(&self, grant: &Grant, lease: &Lease, grace: Duration) -> Result<Collected> {
        let segments = self.segments(grant, Action::Prune)?;
        let grace_seconds = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let now = self.clock.now();
        // A list from a time that has not come was made by a clock that was wrong: it is made anew.
        let listed = self.candidates(grant).await?.filter(|(list, _)| list.made_at <= now);
        if let Some((list, _)) = &listed
            && now.as_second().saturating_sub(list.made_at.as_second()) < grace_seconds
        {
            return Ok(waiting(list, grace));
        }
        let mut ground = heads::ground(&segments.keyring, &self.objects, lease).await?;
        let Some(mut newest) = ground.parent.clone() else { return Err(self.nothing_written()) };
        let mut at = Now { clock_second: now.as_second(), store_second: None, grace_seconds };
        let mut due = None;
        let mut listed = listed;
        if let Some((list, modified_second)) = &listed {
            let age_second = self.store_second(grant, Action::Prune).await?.saturating_sub(*modified_second);
            if age_second < 0 {
                listed = None;
            } else if age_second < grace_seconds {
                return Ok(waiting(list, grace));
            }
        }
        if let Some((list, _)) = listed {
            // INVARIANT (fences before delete): a commit that was prepared before has at most the number of the
            // first fence, and so cannot win against the second, whatever its generation.
            for _ in 0..2 {
                newest = self.fence(&segments, &ground, &newest, lease).await?;
                ground = Ground::after(newest.clone());
            }
            at.store_second = self.modified_second(&newest).await?;
            due = Some(list.objects);
        }
        let unnamed = self.unnamed(&segments, &newest, at).await?;
        let mut collected = Collected::default();
        let mut left = BTreeSet::new();
        for (turn, object) in unnamed.into_iter().enumerate() {
            if turn % CHECK_EVERY == 0 {
                ground.check(&self.objects, lease).await?;
            }
            if due.as_ref().is_some_and(|due| due.contains(&object.name)) && at.is_old(object.modified_second)
            {
                self.objects.delete(&object.name).await?;
                collected.deleted += 1;
                collected.bytes += object.size;
            } else {
                left.insert(object.name);
            }
        }
        Subjects::open(&segments.keyring, &self.keys_area, &self.objects, Some(&newest))
            .await?
            .delete_older(lease.generation)
            .await?;
        let list = Candidates { made_at: now, objects: left };
        let text = serde_json::to_vec(&list).map_err(|error| {
            RepositoryError::Input(format!("the list of candidates cannot be written: {error}"))
        })?;
        self.put_state(grant, Action::Prune, CANDIDATES, &text).await?;
        Ok(Collected { deleted: collected.deleted, bytes: collected.bytes, ..waiting(&list, grace) })
    }

    /// The list of the pass before, and when the key store says that it was written.
    async fn candidates(&self, grant: &Grant) -> Result<Option<(Candidates, i64)>> {
        let Some((text, modified_second)) = self.dated_state(grant, Action::Prune, CANDIDATES).await? else {
            return Ok(None);
        };
        let list = serde_json::from_slice(&text).map_err(|error| {
            RepositoryError::damaged(
                &self.keys_area.full(CANDIDATES),
                format!("it is not a list of candidates: {error}"),
            )
        })?;
        Ok(Some((list, modified_second)))
    }

    async fn modified_second(&self, head: &Head) -> Result<Option<i64>> {
        let name = format!("{COMMITS}/{}", head.name);
        Ok(self
            .objects
            .list(COMMITS)
            .await?
            .into_iter()
            .find(|object| object.name == name)
            .map(|o| o.modified_second))
    }

    async fn fence(
        &self,
        segments: &Segments,
        ground: &Ground,
        newest: &Head,
        lease: &Lease,
    ) -> Result<Head> {
        let commit =
            Commit::after(segments, Some(newest), lease.generation, Role::Fence, &*self.clock).await?;
        let data_key = segments.keyring.current().await?;
        ground.publish(&segments.keyring, &self.objects, data_key, &*self.rng, lease, commit).await
    }

    /// Every pack, index and medium that nothing names.
    async fn unnamed(&self, segments: &Arc<Segments>, newest: &Head, at: Now) -> Result<Vec<Listed>> {
        // Objects are listed before commits: what is written in between is then named by a commit seen here, or
        // not on the list.
        let mut objects = self.objects.list("pack").await?;
        objects.extend(self.objects.list("index").await?);
        let media = self.objects.list(MEDIA).await?;
        let mut named: HashSet<String> = HashSet::new();
        let mut packs = BTreeMap::new();
        let mut newest_packs = HashSet::new();
        for object in self.objects.list(COMMITS).await? {
            let name = commit::name_of(&self.objects, &object)?;
            if name != newest.name && at.is_old(object.modified_second) {
                continue;
            }
            let commit = commit::read(&segments.keyring, &self.objects, &name).await?;
            let listed = listed_packs(segments, &commit.components).await?;
            if name == newest.name {
                newest_packs.extend(listed.keys().copied());
            }
            packs.extend(listed);
            let parts = |component: &crate::view::Component| {
                let layout = component.layout;
                component.parts.iter().map(move |part| name_of(layout, &part.object)).collect::<Vec<_>>()
            };
            named.extend(commit.components.iter().flat_map(parts));
        }
        named.extend(packs.values().map(|pack| name_of(Layout::Pack, pack)));
        let (whole, passing): (Vec<_>, Vec<_>) =
            media.into_iter().partition(|object| media::name_in(&object.name).is_some());
        objects.extend(passing);
        if !whole.is_empty() && self.keys_area.list(RUNS).await?.is_empty() {
            // What a record names whose key is not there is not known, so nothing is deleted then.
            let mut subjects =
                Subjects::open(&segments.keyring, &self.keys_area, &self.objects, Some(newest)).await?;
            if let Some(error) = subjects.load_all(&newest.commit.buckets).await?.pop() {
                return Err(error);
            }
            let subjects = Mutex::new(subjects);
            for pack in packs.values() {
                let segment = segments.open(Layout::Pack, pack).await?;
                let mut contents = inspect(&segment, &subjects, true).await?;
                let damage = contents.damaged.pop().map(|(_, error)| error).or(contents.index_damage.pop());
                // The keys of a commit that lost a race stand in a table that does not count.
                let keyless = contents.keyless.pop().filter(|_| newest_packs.contains(&pack.id));
                if let Some(error) = damage.or(keyless) {
                    return Err(error);
                }
                let refs = contents.media.into_iter().flat_map(|(_, refs)| refs);
                named.extend(refs.map(|medium| media::object_name(&medium.name)));
            }
            objects.extend(whole);
        }
        // While a run is unfinished its lines may name media that no commit names yet: all are spared.
        objects.retain(|object| !named.contains(&object.name));
        Ok(objects)
    }
}

fn waiting(list: &Candidates, grace: Duration) -> Collected {
    let candidates = u64::try_from(list.objects.len()).unwrap_or(u64::MAX);
    let next_at = if candidates == 0 { None } else { list.made_at.checked_add(grace).ok() };
    Collected { deleted: 0, bytes: 0, candidates, next_at }
}
