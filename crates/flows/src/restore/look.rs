//! What is wanted, and what is there: the part of a restore that only looks.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Connection;
use connectors::contract::{Effort, IdMap, Item, ItemPlan, KindSpec, Lookup, PlanAction, Restorable, Store};
use domain::{Action, Kind, RecordKey, SnapshotNumber};
use repository::{Reader, Record, RepositoryError};
use serde_json::{Value, json};

use super::candidate::{Candidate, Found, State, Wanted};
use super::plan::{Ask, Plan, Selection};
use super::refer::{self, referred};
use super::{RestoreProgress, parse};
use crate::cell::Cell;
use crate::error::{FlowError, Result};
use crate::{connect, read};

/// Items that are looked up on the live store at one time.
pub(super) const LOOKUPS: usize = 100;

/// What plan and application share.
pub(super) struct Parts<'a> {
    pub(super) cell: &'a Cell,
    pub(super) ask: &'a Ask,
    pub(super) source: Connection,
    pub(super) target: Connection,
    pub(super) reader: Reader,
    pub(super) store: Box<dyn Store>,
    pub(super) ids: IdMap,
}

impl<'a> Parts<'a> {
    pub(super) async fn open(cell: &'a Cell, ask: &'a Ask) -> Result<Self> {
        let source = cell.connection(&ask.tenant, &ask.connection).await?;
        let target = cell.connection(&ask.tenant, &ask.target).await?;
        if source.scope.platform != target.scope.platform {
            return Err(FlowError::Input(format!(
                "`{}` is a {} store and `{}` a {} store: items cannot be put from one into the other",
                ask.connection, source.scope.platform, ask.target, target.scope.platform
            )));
        }
        let grant =
            cell.grant(&target.scope, &[Action::Restore, Action::Backup, Action::Read], "restore").await?;
        let store = connect::open(cell, &target, &grant).await?;
        let reader = read::open(cell, &ask.tenant, &ask.connection, Action::Read, "restore").await?;
        let mut ids = IdMap::default();
        // In the order of writing: an id may stand there under several kinds, as an item and as another one's part.
        let ledger = cell.catalog.ledger(&ask.tenant, &ask.connection).await?;
        for entry in ledger.iter().filter(|entry| entry.target == ask.target) {
            ids.insert(&entry.old.id, &entry.new_id);
        }
        Ok(Self { cell, ask, source, target, reader, store, ids })
    }

    /// What was sent to the store so far.
    pub(super) fn effort(&self) -> Effort {
        let usage = self.store.usage();
        Effort { requests: usage.requests, cost: usage.cost }
    }

    /// Everything that the plan consists of, in the order of application, and the ids that are known by then. Where a
    /// plan was begun, that includes what it needed: who needed it may be there by now.
    pub(super) async fn candidates(
        &self,
        begun: Option<&Plan>,
        progress: &dyn RestoreProgress,
    ) -> Result<(Vec<Candidate>, IdMap)> {
        let mut wanted = match self.ask.selection {
            Selection::At(at) => self.wanted_at(at).await?,
            Selection::Revert(from, to) => self.wanted_back(from, to).await?,
        };
        let mut seen: BTreeSet<RecordKey> = wanted.iter().map(|wanted| wanted.key.clone()).collect();
        for item in begun.into_iter().flat_map(|plan| &plan.items).filter(|item| item.needed) {
            let Some(record) = self.unseen(item.kind.as_str(), &item.id, &mut seen).await? else { continue };
            if let Some(spec) = self.spec(&record.key.kind) {
                // What was to be made is to be whole, also where a part of it is there.
                wanted.push(Wanted::whole(record, spec, item.plan.action != PlanAction::Create)?);
            }
        }
        let mut found = Vec::new();
        let mut ids = self.ids.clone();
        // What is created may refer to what is gone too: that is needed as well, and so on.
        while !wanted.is_empty() {
            let looked_at = self.look(wanted, &mut ids, progress).await?;
            wanted = self.needed(&looked_at, &mut seen).await?;
            found.extend(looked_at);
        }
        self.look_once_more(&mut found, &mut ids).await?;
        let order: BTreeMap<&str, usize> =
            self.store.kinds().iter().enumerate().map(|(turn, spec)| (spec.name, turn)).collect();
        found.sort_by_key(|found| order.get(found.wanted.spec.name).copied());
        // Nobody knows yet how that which is made anew will be called; it will not be as it was.
        let mut then = ids.clone();
        for found in found.iter().filter(|found| found.is_created()) {
            then.insert(&found.wanted.key.id, &format!("new {}", found.wanted.key.id));
        }
        let candidates = found.into_iter().map(|found| self.candidate(found, &then));
        let mut candidates: Vec<Candidate> = candidates.collect::<Result<_>>()?;
        self.let_follow(&mut candidates, &then);
        let mut candidates = refer::in_order(candidates);
        refer::mark_again(&mut candidates);
        Ok((candidates, ids))
    }

    /// What is never made by itself comes back with the item that it is a part of, and is set after that.
    fn let_follow(&self, candidates: &mut [Candidate], ids: &IdMap) {
        for (turn, leader) in refer::followers(candidates) {
            let Some(follower) = candidates.get_mut(turn) else { continue };
            let made = json!({ "id": follower.item.id });
            let options = &self.ask.options;
            let plan = self.store.plan(follower.spec, &follower.wanted, Some(&made), ids, options);
            follower.item.plan = ItemPlan { action: PlanAction::Update, ..plan };
            follower.item.after = Some(leader);
        }
    }

    fn spec(&self, kind: &Kind) -> Option<&'static KindSpec> {
        self.store.kinds().iter().find(|spec| spec.name == kind.as_str())
    }

    fn is_asked(&self, kind: &Kind, id: &str) -> bool {
        let tail = id.rsplit('/').next().unwrap_or(id);
        (self.ask.kinds.is_empty() || self.ask.kinds.contains(kind))
            && (self.ask.ids.is_empty() || self.ask.ids.iter().any(|asked| asked == id || asked == tail))
    }

    async fn wanted_at(&self, at: SnapshotNumber) -> Result<Vec<Wanted>> {
        let mut wanted = Vec::new();
        for spec in self.store.kinds() {
            let kind = Kind::new(spec.name).map_err(RepositoryError::from)?;
            if !self.ask.kinds.is_empty() && !self.ask.kinds.contains(&kind) {
                continue;
            }
            let mut scan = self.reader.scan(&kind, at, None).await?;
            while let Some(record) = scan.next().await? {
                if self.is_asked(&kind, &record.key.id) {
                    wanted.push(Wanted::whole(record, spec, false)?);
                }
            }
        }
        if wanted.is_empty() && !self.ask.ids.is_empty() {
            return Err(FlowError::NotFound(format!(
                "none of {} is in snapshot {at}",
                self.ask.ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
            )));
        }
        Ok(wanted)
    }

    async fn wanted_back(&self, from: SnapshotNumber, to: SnapshotNumber) -> Result<Vec<Wanted>> {
        let mut differences = self.reader.differences(from, to).await?;
        let mut wanted = Vec::new();
        while let Some(difference) = differences.next().await? {
            let key = difference.key;
            let Some(spec) = self.spec(&key.kind).filter(|_| self.is_asked(&key.kind, &key.id)) else {
                continue;
            };
            let record = self.reader.get(&key, if difference.before { from } else { to }).await?;
            let mut one = Wanted::whole(record, spec, false)?;
            one.state = match (one.state, difference.before, difference.after) {
                (State::Whole(before), true, true) => {
                    State::Back { before, after: parse(&self.reader.get(&key, to).await?.payload)? }
                }
                (State::Whole(made), false, _) => State::New(made),
                (state, ..) => state,
            };
            wanted.push(one);
        }
        Ok(wanted)
    }

    /// Looks the items up on the live store, in the platform's order: what others refer to is found first.
    async fn look(
        &self,
        wanted: Vec<Wanted>,
        ids: &mut IdMap,
        progress: &dyn RestoreProgress,
    ) -> Result<Vec<Found>> {
        let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let mut by_kind: BTreeMap<&str, Vec<Wanted>> = BTreeMap::new();
        for wanted in wanted {
            by_kind.entry(wanted.spec.name).or_default().push(wanted);
        }
        let mut found = Vec::new();
        for spec in self.store.kinds() {
            let mut of_kind = by_kind.remove(spec.name).unwrap_or_default();
            while !of_kind.is_empty() {
                let chunk: Vec<Wanted> = of_kind.drain(..of_kind.len().min(LOOKUPS)).collect();
                found.extend(self.look_at(spec, chunk, ids).await?);
                let done = u64::try_from(found.len()).unwrap_or(u64::MAX);
                progress.advanced(&format!("looking at {}", spec.plural), done, total, None);
            }
        }
        Ok(found)
    }

    async fn look_at(
        &self,
        spec: &'static KindSpec,
        chunk: Vec<Wanted>,
        ids: &mut IdMap,
    ) -> Result<Vec<Found>> {
        if matches!(spec.restore, Restorable::Never(_)) {
            return chunk.into_iter().map(|wanted| self.found(wanted, None, ids)).collect();
        }
        let called: Vec<Option<&str>> =
            chunk.iter().map(|wanted| self.called_there(&wanted.key.id, ids)).collect();
        let live = self.live(spec, &called).await?;
        let missing: Vec<Value> = (chunk.iter().zip(&live).filter(|(_, item)| item.is_none()))
            .map(|(wanted, _)| wanted.known_as(ids))
            .collect();
        let natural: Vec<Lookup<'_>> = missing.iter().map(Lookup::Natural).collect();
        let mut by_name =
            if natural.is_empty() { Vec::new() } else { self.store.live(spec, &natural).await? }.into_iter();
        let looked_at = chunk.into_iter().zip(live).map(|(wanted, item)| {
            let item = item.or_else(|| by_name.next().flatten());
            self.found(wanted, item, ids)
        });
        looked_at.collect()
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
    fn found(&self, wanted: Wanted, item: Option<Item>, ids: &mut IdMap) -> Result<Found> {
        let Some(item) = item else { return Ok(Found { wanted, live: None, paired: Vec::new() }) };
        let live = parse(&item.payload)?;
        let mut paired = self.store.pair(wanted.spec, wanted.state.was(), &live, ids);
        if *item.id != *ids.resolve(&wanted.key.id) && !paired.iter().any(|(old, _)| *old == *wanted.key.id) {
            paired.push((wanted.key.id.to_string(), item.id.to_string()));
        }
        paired.iter().for_each(|(old, new)| ids.insert(old, new));
        Ok(Found { wanted, live: Some((item.id, live)), paired })
    }

    /// Looks again for what is known by a name that holds the id of another item, if that was found only later.
    async fn look_once_more(&self, found: &mut [Found], ids: &mut IdMap) -> Result<()> {
        for one in found.iter_mut().filter(|one| one.live.is_none()) {
            let spec = one.wanted.spec;
            let known_as = one.wanted.known_as(ids);
            if refer::names_another(spec) && known_as != *one.wanted.state.was() {
                let live = self.store.live(spec, &[Lookup::Natural(&known_as)]).await?;
                *one = self.found(one.wanted.clone(), live.into_iter().next().flatten(), ids)?;
            }
        }
        Ok(())
    }

    pub(super) fn at(&self) -> SnapshotNumber {
        match self.ask.selection {
            Selection::At(at) | Selection::Revert(at, _) => at,
        }
    }

    /// What the items refer to that is in the backup and was not asked for: where they are made anew, and in
    /// another store, where all of it may have other ids.
    async fn needed(&self, found: &[Found], seen: &mut BTreeSet<RecordKey>) -> Result<Vec<Wanted>> {
        let mut needed = Vec::new();
        let asked_for_all = self.ask.kinds.is_empty() && self.ask.ids.is_empty();
        if asked_for_all && matches!(self.ask.selection, Selection::At(_)) {
            return Ok(needed);
        }
        let elsewhere = self.ask.connection != self.ask.target;
        let mut known = refer::KindsById::default();
        let referring = |one: &&Found| one.is_created() || (elsewhere && one.live.is_some());
        for one in found.iter().filter(referring) {
            for (id, kind) in referred(one.wanted.spec, one.wanted.state.was()) {
                for kind in known.kinds(&id, kind, self.store.kinds()) {
                    let Some(record) = self.unseen(kind, &id, seen).await? else { continue };
                    known.note(&id, kind);
                    if let Some(spec) = self.spec(&record.key.kind) {
                        needed.push(Wanted::whole(record, spec, true)?);
                    }
                    break;
                }
            }
        }
        Ok(needed)
    }

    /// The record in the backup, if there is one and it was not seen yet.
    async fn unseen(&self, kind: &str, id: &str, seen: &mut BTreeSet<RecordKey>) -> Result<Option<Record>> {
        let key = Kind::new(kind).and_then(|kind| RecordKey::new(kind, id));
        let Some(key) = key.ok().filter(|key| !seen.contains(key)) else { return Ok(None) };
        match self.reader.get(&key, self.at()).await {
            Ok(record) => {
                seen.insert(key);
                Ok(Some(record))
            }
            Err(RepositoryError::NotFound(_) | RepositoryError::Erased(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
