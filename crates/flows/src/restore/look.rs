//! What is wanted, and what is there: the part of a restore that only looks.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Connection, LedgerEntry};
use connectors::contract::{Effort, IdMap, Item, ItemPlan, KindSpec, Lookup, PlanAction, Restorable, Store};
use domain::{Action, ConnectionId, Kind, MediaRef, RecordKey, SnapshotNumber, TenantId};
use repository::{Reader, Record, RepositoryError};
use serde_json::{Value, json};

use super::candidate::{Candidate, Found, Payload, State, Wanted, known_as};
use super::hidden::{self, forget};
use super::pieces::{Limits, States};
use super::plan::{Ask, Plan, Selection};
use super::refer::{self, referred};
use super::shelf::Shelf;
use super::{RestoreProgress, as_json};
use crate::cell::{Cell, HeldLease};
use crate::earlier::differs_by_selection;
use crate::error::{ErrorKind, FlowError, Result};
use crate::fields::shared;
use crate::{connect, read};

/// Items that are looked up on the live store at one time.
pub(super) const LOOKUPS: usize = 100;

/// From where to where.
pub(super) struct Ends {
    pub(super) source: Connection,
    pub(super) target: Connection,
}

impl Ends {
    pub(super) async fn of(
        cell: &Cell,
        tenant: &TenantId,
        source: &ConnectionId,
        target: &ConnectionId,
    ) -> Result<Self> {
        let source = cell.connection(tenant, source).await?;
        let target = cell.connection(tenant, target).await?;
        let (one, other) = (&source.scope, &target.scope);
        if one.platform != other.platform {
            return Err(FlowError::Input(format!(
                "`{}` is a {} store and `{}` a {} store: items cannot be put from one into the other",
                one.connection, one.platform, other.connection, other.platform
            )));
        }
        Ok(Self { source, target })
    }

    /// Takes both for writing: the target is written to, and what a restore knows is sealed beside the source's
    /// snapshots. In the order of their names, so that no two commands wait for each other.
    pub(super) async fn lease(&self, cell: &Cell) -> Result<Vec<HeldLease>> {
        let mut scopes = vec![&self.source.scope, &self.target.scope];
        scopes.sort_by(|one, other| one.connection.as_str().cmp(other.connection.as_str()));
        scopes.dedup();
        let mut leases = Vec::new();
        for scope in scopes {
            leases.push(cell.lease(scope).await?);
        }
        Ok(leases)
    }
}

/// What plan and application share.
pub(super) struct Parts<'a> {
    pub(super) cell: &'a Cell,
    pub(super) ask: &'a Ask,
    pub(super) source: Connection,
    pub(super) reader: Reader,
    pub(super) store: Box<dyn Store>,
    /// The source's whole ledger, in the order of writing.
    pub(super) ledger: Vec<LedgerEntry>,
    /// What became of ids in the target, by the ledger.
    pub(super) ids: IdMap,
    pub(super) shelf: Shelf,
    pub(super) limits: Limits,
}

/// What was found so far, while looking.
struct Looking<'p> {
    found: Vec<Found>,
    ids: IdMap,
    /// What is hidden of items, or was.
    hidden: BTreeMap<RecordKey, BTreeSet<String>>,
    /// Items that are looked at, or were.
    seen: BTreeSet<RecordKey>,
    /// Ids that those items refer to which may need what they refer to, each with its kind.
    referred: BTreeSet<(String, &'static str)>,
    taken: Taken,
    /// Whether everything is looked at anyway.
    all: bool,
    total: u64,
    progress: &'p dyn RestoreProgress,
}

/// Live items, and which items of the backup they are.
#[derive(Default)]
struct Taken(BTreeMap<RecordKey, BTreeSet<Box<str>>>);

impl Taken {
    /// Notes that an item is this live one by its id: it may have had several in its life. What was made in the window of
    /// a revert stays as it is, and takes nobody's place.
    fn by_id(&mut self, wanted: &Wanted, live_id: &str) {
        if wanted.state != State::New {
            let live = RecordKey { kind: wanted.key.kind.clone(), id: live_id.into() };
            self.0.entry(live).or_default().insert(wanted.key.id.clone());
        }
    }

    /// Which other item of the backup this live one is already; else it is this one from now on. Two may be known by one
    /// name in a backup, where one of them was gone before the other came.
    fn twin(&mut self, wanted: &Wanted, live_id: &str) -> Option<Box<str>> {
        if wanted.state == State::New {
            return None;
        }
        let live = RecordKey { kind: wanted.key.kind.clone(), id: live_id.into() };
        let id = &wanted.key.id;
        let items = self.0.entry(live).or_insert_with(|| BTreeSet::from([id.clone()]));
        if items.contains(id) { None } else { items.first().cloned() }
    }
}

/// An item as the backup holds it.
struct Stored {
    wanted: Value,
    former: Option<Value>,
    media: Vec<MediaRef>,
    /// What was hidden of it, and is in neither of the two.
    hidden: BTreeSet<String>,
}

impl<'a> Parts<'a> {
    /// Whoever writes holds the leases of both ends by now: the ledger is read as it stands under them.
    pub(super) async fn open(cell: &'a Cell, ask: &'a Ask, ends: Ends, limits: Limits) -> Result<Self> {
        let Ends { source, target } = ends;
        let grant =
            cell.grant(&target.scope, &[Action::Restore, Action::Backup, Action::Read], "restore").await?;
        let store = connect::open(cell, &target, &grant).await?;
        let reader = read::open(cell, &ask.tenant, &ask.connection, Action::Read, "restore").await?;
        let in_place = ask.connection == ask.target;
        let mut ids = if in_place { IdMap::of_one_store() } else { IdMap::default() };
        // In the order of writing: an id may stand there under several kinds, as an item and as another one's part.
        let ledger = cell.catalog.ledger(&ask.tenant, &ask.connection).await?;
        for entry in ledger.iter().filter(|entry| entry.target == ask.target) {
            ids.insert(&entry.old.id, &entry.new_id);
        }
        let shelf = Shelf::new(cell, &source.scope).await?;
        Ok(Self { cell, ask, source, reader, store, ledger, ids, shelf, limits })
    }

    /// Where what a restore knows is sealed.
    pub(super) fn states(&self) -> States<'_> {
        States { cell: self.cell, scope: &self.source.scope }
    }

    /// What was sent to the store so far.
    pub(super) fn effort(&self) -> Effort {
        let usage = self.store.usage();
        Effort { requests: usage.requests, cost: usage.cost }
    }

    /// Whether the snapshots are there that are asked for.
    ///
    /// # Errors
    /// Not found, where one was dropped.
    pub(super) async fn check_kept(&self) -> Result<()> {
        let (from, to) = match self.ask.selection {
            Selection::At(at) => (at, at),
            Selection::Revert(from, to) => (from, to),
        };
        for number in BTreeSet::from([from, to]) {
            self.reader.at_number(number).await?;
        }
        Ok(())
    }

    /// Everything that the plan consists of, in the order of application, and the ids that are known by then. Where a
    /// plan was begun, that includes what it needed: who needed it may be there by now.
    pub(super) async fn candidates(
        &self,
        begun: Option<&Plan>,
        progress: &dyn RestoreProgress,
    ) -> Result<(Vec<Candidate>, IdMap)> {
        let asked_for_all = self.ask.kinds.is_empty() && self.ask.ids.is_empty();
        let mut looking = Looking {
            found: Vec::new(),
            ids: self.ids.clone(),
            hidden: BTreeMap::new(),
            seen: BTreeSet::new(),
            referred: BTreeSet::new(),
            taken: Taken::default(),
            all: asked_for_all && matches!(self.ask.selection, Selection::At(_)),
            total: 0,
            progress,
        };
        match self.ask.selection {
            Selection::At(at) => self.look_at_snapshot(at, &mut looking).await?,
            Selection::Revert(from, to) => {
                let changed = self.changed(from, to).await?;
                looking.seen.extend(changed.iter().map(|wanted| wanted.key.clone()));
                self.look(changed, &mut looking).await?;
            }
        }
        let mut wanted = Vec::new();
        for item in begun.into_iter().flat_map(|plan| &plan.items).filter(|item| item.needed) {
            // What was to be made is to be whole, also where a part of it is there.
            let needed = item.plan.action != PlanAction::Create;
            wanted.extend(self.unseen(item.kind.as_str(), &item.id, needed, &mut looking.seen).await?);
        }
        // What is created may refer to what is gone too: that is needed as well, and so on.
        wanted.extend(self.needed(&mut looking).await?);
        while !wanted.is_empty() {
            self.look(wanted, &mut looking).await?;
            wanted = self.needed(&mut looking).await?;
        }
        self.look_once_more(&mut looking).await?;
        let Looking { mut found, ids, hidden, .. } = looking;
        let order = self.order();
        found.sort_by_key(|found| order.get(found.wanted.spec.name).copied());
        // Nobody knows yet how that which is made anew will be called; it will not be as it was.
        let mut then = ids.clone();
        for found in found.iter().filter(|found| found.is_created()) {
            then.insert(&found.wanted.key.id, &format!("new {}", found.wanted.key.id));
        }
        let mut candidates = Vec::with_capacity(found.len());
        for found in found {
            let mut candidate = self.candidate(found, &then).await?;
            let is_left = candidate.item.needed && !candidate.is_written();
            let is_refused = matches!(candidate.item.plan.action, PlanAction::Cannot { .. });
            if hidden.contains_key(&candidate.key()) && !is_left && !is_refused {
                candidate.item.plan.losses.push(hidden::LOSS.to_owned());
            }
            candidates.push(candidate);
        }
        self.let_follow(&mut candidates, &then).await?;
        let mut candidates = refer::in_order(candidates);
        refer::mark_again(&mut candidates);
        Ok((candidates, ids))
    }

    /// The turns of kinds, by the platform's order.
    pub(super) fn order(&self) -> BTreeMap<&'static str, usize> {
        self.store.kinds().iter().enumerate().map(|(turn, spec)| (spec.name, turn)).collect()
    }

    /// What is never made by itself comes back with the item that it is a part of, and is set after that.
    async fn let_follow(&self, candidates: &mut [Candidate], ids: &IdMap) -> Result<()> {
        for (turn, leader) in refer::followers(candidates) {
            let Some(follower) = candidates.get_mut(turn) else { continue };
            let made = json!({ "id": follower.item.id });
            let options = &self.ask.options;
            let payload: Payload = self.shelf.get(follower.payload).await?;
            let plan = self.store.plan(follower.spec, &payload.wanted, Some(&made), ids, options);
            follower.item.plan = ItemPlan { action: PlanAction::Update, ..plan };
            follower.item.after = Some(leader);
        }
        Ok(())
    }

    pub(super) fn spec(&self, kind: &Kind) -> Option<&'static KindSpec> {
        self.store.kinds().iter().find(|spec| spec.name == kind.as_str())
    }

    fn is_asked(&self, kind: &Kind, id: &str) -> bool {
        let tail = id.rsplit('/').next().unwrap_or(id);
        (self.ask.kinds.is_empty() || self.ask.kinds.contains(kind))
            && (self.ask.ids.is_empty() || self.ask.ids.iter().any(|asked| asked == id || asked == tail))
    }

    /// Looks at everything that is asked for of a snapshot, as it is read.
    async fn look_at_snapshot(&self, at: SnapshotNumber, looking: &mut Looking<'_>) -> Result<()> {
        let kinds = self.reader.commit_at(at).await?.commit.kinds;
        let asked =
            kinds.iter().filter(|(kind, _)| self.ask.kinds.is_empty() || self.ask.kinds.contains(kind));
        looking.total = match self.ask.ids.len() {
            0 => asked.map(|(_, state)| state.records).sum(),
            ids => u64::try_from(ids).unwrap_or(u64::MAX),
        };
        for spec in self.store.kinds() {
            let kind = Kind::new(spec.name).map_err(RepositoryError::from)?;
            if !self.ask.kinds.is_empty() && !self.ask.kinds.contains(&kind) {
                continue;
            }
            let mut scan = self.reader.scan(&kind, at, None).await?;
            let mut chunk = Vec::new();
            while let Some(record) = scan.next().await? {
                if !self.is_asked(&kind, &record.key.id) {
                    continue;
                }
                looking.seen.insert(record.key.clone());
                let wanted = Wanted { key: record.key.clone(), spec, needed: false, state: State::Whole };
                chunk.push((wanted, Stored::whole(spec, record)?));
                if chunk.len() == LOOKUPS {
                    self.look_at(spec, std::mem::take(&mut chunk), looking).await?;
                }
            }
            self.look_at(spec, chunk, looking).await?;
        }
        if looking.found.is_empty() && !self.ask.ids.is_empty() {
            return Err(FlowError::NotFound(format!(
                "none of {} is in snapshot {at}",
                self.ask.ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
            )));
        }
        Ok(())
    }

    /// What changed in a window, was deleted in it or made in it.
    async fn changed(&self, from: SnapshotNumber, to: SnapshotNumber) -> Result<Vec<Wanted>> {
        let mut differences = self.reader.differences(from, to).await?;
        let mut changed = Vec::new();
        while let Some(difference) = differences.next().await? {
            let key = difference.key;
            let Some(spec) = self.spec(&key.kind).filter(|_| self.is_asked(&key.kind, &key.id)) else {
                continue;
            };
            let state = match (difference.before, difference.after) {
                (true, true) => State::Back,
                (true, false) => State::Whole,
                (false, _) => State::New,
            };
            changed.push(Wanted { key, spec, needed: false, state });
        }
        Ok(changed)
    }

    /// An item as the backup holds it. `None` where its person was erased, or where only what is selected differs.
    async fn stored(&self, wanted: &Wanted) -> Result<Option<Stored>> {
        let (from, to) = match self.ask.selection {
            Selection::At(at) => (at, at),
            Selection::Revert(from, to) => (from, to),
        };
        let key = &wanted.key;
        match wanted.state {
            State::Whole => {
                self.get(key, from).await?.map(|record| Stored::whole(wanted.spec, record)).transpose()
            }
            State::New => {
                self.get(key, to).await?.map(|record| Stored::whole(wanted.spec, record)).transpose()
            }
            State::Back => match (self.get(key, from).await?, self.get(key, to).await?) {
                (Some(before), Some(after)) => Stored::back(wanted.spec, before, &after),
                _ => Ok(None),
            },
        }
    }

    /// A record that can still be read.
    async fn get(&self, key: &RecordKey, at: SnapshotNumber) -> Result<Option<Record>> {
        match self.reader.get(key, at).await {
            Ok(record) => Ok(Some(record)),
            Err(RepositoryError::NotFound(_) | RepositoryError::Erased(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Its record where it is wanted whole.
    pub(super) async fn record(&self, key: &RecordKey) -> Result<Option<Record>> {
        self.get(key, self.at()).await
    }

    /// Looks the items up on the live store, in the platform's order: what others refer to is found first.
    async fn look(&self, wanted: Vec<Wanted>, looking: &mut Looking<'_>) -> Result<()> {
        looking.total += u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let mut by_kind: BTreeMap<&str, Vec<Wanted>> = BTreeMap::new();
        for wanted in wanted {
            by_kind.entry(wanted.spec.name).or_default().push(wanted);
        }
        for spec in self.store.kinds() {
            let mut of_kind = by_kind.remove(spec.name).unwrap_or_default();
            while !of_kind.is_empty() {
                let mut chunk = Vec::new();
                for wanted in of_kind.drain(..of_kind.len().min(LOOKUPS)) {
                    if let Some(stored) = self.stored(&wanted).await? {
                        chunk.push((wanted, stored));
                    }
                }
                self.look_at(spec, chunk, looking).await?;
            }
        }
        Ok(())
    }

    async fn look_at(
        &self,
        spec: &'static KindSpec,
        chunk: Vec<(Wanted, Stored)>,
        looking: &mut Looking<'_>,
    ) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut live = vec![None; chunk.len()];
        if !matches!(spec.restore, Restorable::Never(_)) {
            let ids = &looking.ids;
            let called: Vec<Option<&str>> =
                chunk.iter().map(|(wanted, _)| self.called_there(&wanted.key.id, ids)).collect();
            live = self.live(spec, &called).await?;
            // What is known by its id is that item, whoever else is known by its name.
            for ((wanted, _), item) in chunk.iter().zip(&live) {
                item.iter().for_each(|item| looking.taken.by_id(wanted, &item.id));
            }
            let missing: Vec<Value> = (chunk.iter().zip(&live).filter(|(_, item)| item.is_none()))
                .map(|((_, stored), _)| known_as(spec, &stored.wanted, ids))
                .collect();
            let natural: Vec<Lookup<'_>> = missing.iter().map(Lookup::Natural).collect();
            let mut by_name =
                if natural.is_empty() { Vec::new() } else { self.store.live(spec, &natural).await? }
                    .into_iter();
            for item in live.iter_mut().filter(|item| item.is_none()) {
                *item = by_name.next().flatten();
            }
        }
        for ((wanted, stored), item) in chunk.into_iter().zip(live) {
            let found = self.found(wanted, stored, item, looking).await?;
            looking.found.push(found);
        }
        let done = u64::try_from(looking.found.len()).unwrap_or(u64::MAX);
        let what = format!("looking at {}", spec.plural);
        looking.progress.advanced(&what, done, looking.total.max(done), None);
        Ok(())
    }

    /// By which id an item is looked for in the target. Another store may call something else by the id that the item has
    /// in the backup: there it has only the ids that are known.
    pub(super) fn called_there<'i>(&self, id: &'i str, ids: &'i IdMap) -> Option<&'i str> {
        let elsewhere = self.ask.connection != self.ask.target;
        (!elsewhere || ids.knows(id)).then(|| ids.resolve(id))
    }

    /// The live items of these ids.
    pub(super) async fn live(
        &self,
        spec: &'static KindSpec,
        called: &[Option<&str>],
    ) -> Result<Vec<Option<Item>>> {
        let lookups: Vec<Lookup<'_>> = called.iter().flatten().map(|id| Lookup::Id(id)).collect();
        let mut found =
            if lookups.is_empty() { Vec::new() } else { self.store.live(spec, &lookups).await? }.into_iter();
        Ok(called.iter().map(|id| id.and_then(|_| found.next().flatten())).collect())
    }

    /// An item with what is there in its place. Others refer to it, and to its parts, by what these are called.
    async fn found(
        &self,
        wanted: Wanted,
        stored: Stored,
        item: Option<Item>,
        looking: &mut Looking<'_>,
    ) -> Result<Found> {
        let Stored { wanted: mut was, mut former, media, mut hidden } = stored;
        let (mut live_id, mut live, mut paired) = (None, None, Vec::new());
        let twin = item.as_ref().and_then(|item| looking.taken.twin(&wanted, &item.id));
        if let Some(item) = item.filter(|_| twin.is_none()) {
            let mut now = as_json(wanted.spec, &item.payload)?;
            hidden.append(&mut hidden::pointers(&item.gaps));
            [&mut was, &mut now].into_iter().chain(&mut former).for_each(|one| forget(one, &hidden));
            paired = self.store.pair(wanted.spec, &was, &now, &looking.ids);
            let id = &wanted.key.id;
            if *item.id != *looking.ids.resolve(id) && !paired.iter().any(|(old, _)| **old == **id) {
                paired.push((id.to_string(), item.id.to_string()));
            }
            paired.iter().for_each(|(old, new)| looking.ids.insert(old, new));
            (live_id, live) = (Some(item.id), Some(now));
        }
        if !looking.all {
            self.note_referred(&wanted, &was, live.as_ref(), looking);
        }
        if !hidden.is_empty() {
            looking.hidden.insert(wanted.key.clone(), hidden);
        }
        let payload = self.shelf.put(&Payload { wanted: was, live, former, media }).await?;
        Ok(Found { wanted, live_id, payload, paired, twin })
    }

    /// Notes what an item refers to that may be needed with it: where it is made anew, and in another store, where all
    /// of it may have other ids; where it is there, what it refers to no more, which may be gone.
    fn note_referred(&self, wanted: &Wanted, was: &Value, live: Option<&Value>, looking: &mut Looking<'_>) {
        let elsewhere = self.ask.connection != self.ask.target;
        let made = wanted.state == State::Whole && wanted.spec.restore == Restorable::Yes;
        let mut to: BTreeSet<(String, &'static str)> = match live {
            None if !made => return,
            Some(_) if wanted.needed && !elsewhere => return,
            Some(_) if wanted.state == State::New && !elsewhere => return,
            _ => referred(wanted.spec, was).into_iter().collect(),
        };
        if let Some(live) = live.filter(|_| !elsewhere) {
            let now: BTreeSet<String> = referred(wanted.spec, live).into_iter().map(|(id, _)| id).collect();
            to.retain(|(id, _)| !now.contains(looking.ids.resolve(id)) && !now.contains(id));
        }
        looking.referred.append(&mut to);
    }

    /// Looks again for what is known by a name that holds the id of another item, if that was found only later.
    async fn look_once_more(&self, looking: &mut Looking<'_>) -> Result<()> {
        let mut all = std::mem::take(&mut looking.found);
        let unnamed = |one: &&mut Found| one.live_id.is_none() && refer::names_another(one.wanted.spec);
        for one in all.iter_mut().filter(unnamed) {
            let Payload { wanted: was, former, media, .. } = self.shelf.get(one.payload).await?;
            let spec = one.wanted.spec;
            let name = known_as(spec, &was, &looking.ids);
            if name == was {
                continue;
            }
            let live = self.store.live(spec, &[Lookup::Natural(&name)]).await?.into_iter().next().flatten();
            if live.is_some() {
                let Wanted { key, spec, needed, state } = &one.wanted;
                let wanted = Wanted { key: key.clone(), spec, needed: *needed, state: *state };
                let hidden = looking.hidden.remove(&wanted.key).unwrap_or_default();
                let stored = Stored { wanted: was, former, media, hidden };
                *one = self.found(wanted, stored, live, looking).await?;
            }
        }
        looking.found = all;
        Ok(())
    }

    pub(super) fn at(&self) -> SnapshotNumber {
        match self.ask.selection {
            Selection::At(at) | Selection::Revert(at, _) => at,
        }
    }

    /// What items refer to that is in the backup and was not asked for.
    async fn needed(&self, looking: &mut Looking<'_>) -> Result<Vec<Wanted>> {
        let mut needed = Vec::new();
        let mut known = refer::KindsById::default();
        for (id, kind) in std::mem::take(&mut looking.referred) {
            for kind in known.kinds(&id, kind, self.store.kinds()) {
                let Some(wanted) = self.unseen(kind, &id, true, &mut looking.seen).await? else { continue };
                known.note(&id, kind);
                needed.push(wanted);
                break;
            }
        }
        Ok(needed)
    }

    /// The item, if it is in the backup and was not seen yet.
    async fn unseen(
        &self,
        kind: &str,
        id: &str,
        needed: bool,
        seen: &mut BTreeSet<RecordKey>,
    ) -> Result<Option<Wanted>> {
        let key = Kind::new(kind).and_then(|kind| RecordKey::new(kind, id));
        let Some(key) = key.ok().filter(|key| !seen.contains(key)) else { return Ok(None) };
        let Some(spec) = self.spec(&key.kind) else { return Ok(None) };
        if self.record(&key).await?.is_none() {
            return Ok(None);
        }
        seen.insert(key.clone());
        Ok(Some(Wanted { key, spec, needed, state: State::Whole }))
    }
}

impl Stored {
    fn whole(spec: &'static KindSpec, record: Record) -> Result<Self> {
        let hidden = hidden::pointers(&record.meta.gaps);
        let mut wanted = as_json(spec, &record.payload)?;
        forget(&mut wanted, &hidden);
        Ok(Self { wanted, former: None, media: record.meta.media_refs, hidden })
    }

    /// What was changed. A field that was not selected then tells nothing of what it was.
    fn back(spec: &'static KindSpec, before: Record, after: &Record) -> Result<Option<Self>> {
        if differs_by_selection(spec, (&before.payload, &before.meta), (&after.payload, &after.meta)) {
            return Ok(None);
        }
        let (mut was, mut then) = (as_json(spec, &before.payload)?, as_json(spec, &after.payload)?);
        if before.meta.selection_digest != after.meta.selection_digest {
            (was, then) = (shared(&was, &then), shared(&then, &was));
        }
        let mut hidden = hidden::pointers(&before.meta.gaps);
        hidden.append(&mut hidden::pointers(&after.meta.gaps));
        [&mut was, &mut then].into_iter().for_each(|one| forget(one, &hidden));
        Ok(Some(Self { wanted: was, former: Some(then), media: before.meta.media_refs, hidden }))
    }
}

/// A plan that names a snapshot which was dropped since fits no longer.
pub(super) fn outdated(error: FlowError) -> FlowError {
    match error.kind() {
        ErrorKind::NotFound => FlowError::Conflict(format!(
            "the plan no longer fits: {error}; it was dropped since. Draw the plan up again from another"
        )),
        _ => error,
    }
}
