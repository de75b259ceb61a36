//! What a restore would do.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Connection;
use connectors::canonical;
use connectors::contract::{
    FieldChange, IdMap, Item, ItemPlan, KindSpec, Lookup, PlanAction, Restorable, RestoreOptions, Store,
};
use domain::{Action, ConnectionId, Kind, MediaRef, RecordKey, SnapshotNumber, TenantId};
use repository::{CommitName, Reader, Record, RepositoryError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::refer::{self, referred};
use super::{RestoreProgress, parse};
use crate::cell::Cell;
use crate::error::{FlowError, Result};
use crate::fields::{Place, undo};
use crate::{connect, read};

/// Items that are looked up on the live store at one time.
pub(super) const LOOKUPS: usize = 100;

/// What one item costs that is looked at and written a second time.
const REQUESTS_AGAIN: u64 = 2;
const COST_AGAIN: u64 = 20;

/// Which state is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The items as they were in this snapshot.
    At(SnapshotNumber),
    /// What changed between these two snapshots is taken back; edits since stay.
    Revert(SnapshotNumber, SnapshotNumber),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Whose.
    pub tenant: TenantId,
    /// From which connection's snapshots.
    pub connection: ConnectionId,
    /// Into which store.
    pub target: ConnectionId,
    /// Which state is wanted.
    pub selection: Selection,
    /// Only these kinds; empty: all.
    pub kinds: Vec<Kind>,
    /// Only these items; empty: all.
    pub ids: Vec<String>,
    /// What may be touched.
    pub options: RestoreOptions,
}

/// One item of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanItem {
    /// Its kind.
    pub kind: Kind,
    /// Its id in the backup.
    pub id: Box<str>,
    /// Its id on the live store, where it is there.
    pub live_id: Option<Box<str>>,
    /// It was not asked for, but what was asked for refers to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needed: bool,
    /// It comes into being with this item, and is set after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<str>>,
    /// It refers to something that is restored after it, and so is looked at, and perhaps written, a second time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// What would be done.
    #[serde(flatten)]
    pub plan: ItemPlan,
    /// Fields that were edited again since the window, and so are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<FieldChange>,
}

/// An order that was placed while prices stood that are taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertedOrder {
    /// The order's id.
    pub id: Box<str>,
    /// Its name, as people know it.
    pub name: String,
    /// When it was placed.
    pub created_at: String,
    /// Its variants whose price is taken back.
    pub variants: Vec<String>,
}

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The format of this file.
    pub format: u8,
    /// What was asked for.
    #[serde(flatten)]
    pub ask: Ask,
    /// The head that the wanted state was read from.
    pub head: CommitName,
    /// Every item, in the order of application.
    pub items: Vec<PlanItem>,
    /// Orders placed at prices that are taken back.
    pub orders: Vec<RevertedOrder>,
    /// Requests that it will take.
    pub requests: u64,
    /// Seconds that it will take at the platform's budget; `None` where there is no limit.
    pub seconds: Option<f64>,
}

impl Plan {
    /// How many items would be treated so.
    #[must_use]
    pub fn count(&self, matches: impl Fn(&PlanAction) -> bool) -> usize {
        self.items.iter().filter(|item| matches(&item.plan.action)).count()
    }
}

/// An item on its way into a plan: what is wanted, and what is there.
pub(super) struct Candidate {
    pub(super) item: PlanItem,
    pub(super) spec: &'static KindSpec,
    pub(super) wanted: Value,
    pub(super) live: Option<Value>,
    /// Its stored media.
    pub(super) media: Vec<MediaRef>,
    /// Ids of it and its parts that are others on the live store, as looking at it told.
    pub(super) paired: Vec<(String, String)>,
}

impl Candidate {
    pub(super) fn key(&self) -> RecordKey {
        RecordKey { kind: self.item.kind.clone(), id: self.item.id.clone() }
    }

    pub(super) fn is_written(&self) -> bool {
        matches!(self.item.plan.action, PlanAction::Create | PlanAction::Update)
    }
}

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

    /// Everything that the plan consists of, in the order of application, and the ids that are known by then.
    pub(super) async fn candidates(&self, progress: &dyn RestoreProgress) -> Result<(Vec<Candidate>, IdMap)> {
        let mut wanted = match self.ask.selection {
            Selection::At(at) => self.wanted_at(at).await?,
            Selection::Revert(from, to) => self.wanted_back(from, to).await?,
        };
        let mut seen: BTreeSet<RecordKey> = wanted.iter().map(|wanted| wanted.key.clone()).collect();
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
                progress.advanced(&format!("looking at {}", spec.name), done, total);
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
        let by_id: Vec<Lookup<'_>> =
            chunk.iter().map(|wanted| Lookup::Id(ids.resolve(&wanted.key.id))).collect();
        let live = self.store.live(spec, &by_id).await?;
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

    fn candidate(&self, found: Found, ids: &IdMap) -> Result<Candidate> {
        let Found { wanted: Wanted { key, spec, needed, state, media }, live, paired } = found;
        let (live_id, live) = live.unzip();
        let (wanted, kept, stays) = match (state, &live) {
            // It is there, and nobody asked for more.
            (State::Whole(payload), Some(_)) if needed => {
                (payload, Vec::new(), Some("others refer to it; it is there and left as it is"))
            }
            (State::Whole(payload), _) => (payload, Vec::new(), None),
            (State::Back { before, after }, Some(live)) => {
                // What the platform itself sets is neither taken back nor told as edited since.
                let concerns = |place: &Place| {
                    self.concerns(place) && !spec.volatile.iter().any(|pointer| place.is_within(pointer))
                };
                let undone = undo(&before, &after, live, concerns);
                (undone.wanted, undone.kept, None)
            }
            // It was changed in the window and deleted since: a later decision, which stays.
            (State::Back { before, .. }, None) => {
                (before, Vec::new(), Some("it has been deleted since; that stays so"))
            }
            (State::New(payload), None) => {
                (payload, Vec::new(), Some("it has been deleted since; that stays so"))
            }
            (State::New(payload), Some(_)) => {
                (payload, Vec::new(), Some("it was made in that window; what was made is left in place"))
            }
        };
        let plan = match (spec.restore, stays) {
            (Restorable::Never(why), _) => {
                without_change(PlanAction::Cannot { why: why.to_owned() }, Vec::new())
            }
            (_, Some(note)) => without_change(PlanAction::Skip, vec![note.to_owned()]),
            (Restorable::UpdateOnly(why), None) if live.is_none() => {
                without_change(PlanAction::Cannot { why: why.to_owned() }, Vec::new())
            }
            _ => self.store.plan(spec, &wanted, live.as_ref(), ids, &self.ask.options),
        };
        let (after, again) = (None, false);
        let item = PlanItem { kind: key.kind, id: key.id, live_id, needed, after, again, plan, kept };
        Ok(Candidate { item, spec, wanted, live, media, paired })
    }

    /// Whether a field may be touched.
    fn concerns(&self, place: &Place) -> bool {
        let fields = &self.ask.options.fields;
        fields.is_empty() || fields.iter().any(|pointer| place.is_within(pointer))
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

    /// Orders placed since the window began, for variants whose price is taken back.
    async fn orders(&self, candidates: &[Candidate]) -> Result<Vec<RevertedOrder>> {
        let Selection::Revert(from, _) = self.ask.selection else { return Ok(Vec::new()) };
        let mut variants = BTreeSet::new();
        for candidate in candidates {
            for field in &candidate.item.plan.fields {
                if let Some(variant) =
                    field.path.strip_prefix("/variants/[").and_then(|p| p.strip_suffix("]/price"))
                {
                    variants.insert(variant.to_owned());
                }
            }
        }
        if variants.is_empty() {
            return Ok(Vec::new());
        }
        let since = self.reader.commit_at(from).await?.commit.taken_at;
        let kind = Kind::new("order").map_err(RepositoryError::from)?;
        let head = self.reader.latest().await?;
        let mut scan = self.reader.scan(&kind, head.name.number, None).await?;
        let mut orders = Vec::new();
        while let Some(record) = scan.next().await? {
            let order = parse(&record.payload)?;
            let created_at = order.get("createdAt").and_then(Value::as_str).unwrap_or_default();
            if created_at.parse::<domain::Timestamp>().is_ok_and(|at| at.as_second() < since.as_second()) {
                continue;
            }
            let bought: Vec<String> = canonical::select(&order, "/lineItems/*/variant/id")
                .into_iter()
                .filter_map(Value::as_str)
                .filter(|variant| variants.contains(*variant))
                .map(str::to_owned)
                .collect();
            if !bought.is_empty() {
                orders.push(RevertedOrder {
                    id: record.key.id.clone(),
                    name: order.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    created_at: created_at.to_owned(),
                    variants: bought,
                });
            }
        }
        Ok(orders)
    }
}

/// An item that is wanted, with what is there in its place.
struct Found {
    wanted: Wanted,
    live: Option<(Box<str>, Value)>,
    paired: Vec<(String, String)>,
}

impl Found {
    /// Whether it would be made anew.
    fn is_created(&self) -> bool {
        self.live.is_none()
            && matches!(self.wanted.state, State::Whole(_))
            && self.wanted.spec.restore == Restorable::Yes
    }
}

fn without_change(action: PlanAction, losses: Vec<String>) -> ItemPlan {
    ItemPlan { action, fields: Vec::new(), losses, requests: 0, cost: 0 }
}

#[derive(Clone)]
struct Wanted {
    key: RecordKey,
    spec: &'static KindSpec,
    needed: bool,
    state: State,
    media: Vec<MediaRef>,
}

impl Wanted {
    fn whole(record: Record, spec: &'static KindSpec, needed: bool) -> Result<Self> {
        let state = State::Whole(parse(&record.payload)?);
        Ok(Self { key: record.key, spec, needed, state, media: record.meta.media_refs })
    }

    /// The payload by whose natural key it is looked for: other items' ids in that key are present ones.
    fn known_as(&self, ids: &IdMap) -> Value {
        let mut payload = self.state.was().clone();
        for reference in
            self.spec.references.iter().filter(|one| self.spec.natural_key.contains(&one.pointer))
        {
            if let Some(id) = payload.pointer_mut(reference.pointer)
                && let Some(old) = id.as_str()
            {
                *id = ids.resolve(old).into();
            }
        }
        payload
    }
}

#[derive(Clone)]
enum State {
    /// The item shall be this.
    Whole(Value),
    /// What changed from the one to the other shall be taken back.
    Back { before: Value, after: Value },
    /// It was made in the window.
    New(Value),
}

impl State {
    /// The payload in the backup.
    fn was(&self) -> &Value {
        match self {
            Self::Whole(payload) | Self::New(payload) | Self::Back { before: payload, .. } => payload,
        }
    }
}

/// Draws a plan up. Reads only.
///
/// # Errors
/// When the snapshots or the live store cannot be read.
pub async fn draw(cell: &Cell, ask: &Ask, progress: &dyn RestoreProgress) -> Result<Plan> {
    let parts = Parts::open(cell, ask).await?;
    let (candidates, _) = parts.candidates(progress).await?;
    summed_up(&parts, &candidates).await
}

pub(super) async fn summed_up(parts: &Parts<'_>, candidates: &[Candidate]) -> Result<Plan> {
    let orders = parts.orders(candidates).await?;
    let items: Vec<PlanItem> = candidates.iter().map(|candidate| candidate.item.clone()).collect();
    // Those that are written a second time take one more look and one more write.
    let again = u64::try_from(items.iter().filter(|item| item.again).count()).unwrap_or(u64::MAX);
    let cost: u64 = items.iter().map(|item| item.plan.cost).sum::<u64>() + again * COST_AGAIN;
    #[expect(clippy::cast_precision_loss, reason = "a cost is far below 2^52")]
    let seconds = parts.store.budget_per_second().map(|per_second| cost as f64 / per_second);
    Ok(Plan {
        format: 1,
        ask: parts.ask.clone(),
        head: parts.reader.head().name.clone(),
        requests: items.iter().map(|item| item.plan.requests).sum::<u64>() + again * REQUESTS_AGAIN,
        items,
        orders,
        seconds,
    })
}
