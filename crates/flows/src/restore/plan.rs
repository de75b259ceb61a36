//! What a restore would do.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Connection;
use connectors::canonical;
use connectors::contract::{
    FieldChange, IdMap, Item, ItemPlan, KindSpec, Lookup, PlanAction, Restorable, RestoreOptions, Store,
};
use domain::{Action, ConnectionId, Kind, RecordKey, SnapshotNumber, TenantId};
use repository::{CommitName, Reader, RepositoryError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RestoreProgress, parse};
use crate::cell::Cell;
use crate::error::{FlowError, Result};
use crate::fields::{Place, undo};
use crate::{connect, read};

/// Items that are looked up on the live store at one time.
const LOOKUPS: usize = 100;

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
    pub(super) live: Option<Item>,
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
        for (old, new) in cell.catalog.new_ids(&ask.tenant, &ask.connection, &ask.target).await? {
            ids.insert(&old.id, &new);
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
        // What is created may refer to what is gone too: that is needed as well, and so on.
        while !wanted.is_empty() {
            let looked_at = self.look(wanted, progress).await?;
            wanted = self.needed(&looked_at, &mut seen).await?;
            found.extend(looked_at);
        }
        let order: BTreeMap<&str, usize> =
            self.store.kinds().iter().enumerate().map(|(turn, spec)| (spec.name, turn)).collect();
        found.sort_by_key(|(wanted, _)| order.get(wanted.spec.name).copied());
        // An item that is there under another id, found by its natural key, is what others refer to.
        let mut ids = self.ids.clone();
        for (wanted, live) in &found {
            if let Some(live) = live
                && *live.id != *wanted.key.id
            {
                ids.insert(&wanted.key.id, &live.id);
            }
        }
        let candidates = found.into_iter().map(|(wanted, live)| self.candidate(wanted, live, &ids));
        Ok((candidates.collect::<Result<_>>()?, ids))
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
                    wanted.push(Wanted {
                        key: record.key,
                        spec,
                        needed: false,
                        state: State::Whole(parse(&record.payload)?),
                    });
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
            let state = match (difference.before, difference.after) {
                (true, true) => State::Back {
                    before: parse(&self.reader.get(&key, from).await?.payload)?,
                    after: parse(&self.reader.get(&key, to).await?.payload)?,
                },
                (true, false) => State::Whole(parse(&self.reader.get(&key, from).await?.payload)?),
                _ => State::New(parse(&self.reader.get(&key, to).await?.payload)?),
            };
            wanted.push(Wanted { key, spec, needed: false, state });
        }
        Ok(wanted)
    }

    /// Looks the items up on the live store.
    async fn look(&self, wanted: Vec<Wanted>, progress: &dyn RestoreProgress) -> Result<Vec<Found>> {
        let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let mut by_kind: BTreeMap<&str, Vec<Wanted>> = BTreeMap::new();
        for wanted in wanted {
            by_kind.entry(wanted.spec.name).or_default().push(wanted);
        }
        let mut found = Vec::new();
        for (name, mut of_kind) in by_kind {
            while !of_kind.is_empty() {
                let chunk: Vec<Wanted> = of_kind.drain(..of_kind.len().min(LOOKUPS)).collect();
                found.extend(self.look_at(chunk).await?);
                let done = u64::try_from(found.len()).unwrap_or(u64::MAX);
                progress.advanced(&format!("looking at {name}"), done, total);
            }
        }
        Ok(found)
    }

    async fn look_at(&self, chunk: Vec<Wanted>) -> Result<Vec<Found>> {
        let Some(spec) = chunk.first().map(|wanted| wanted.spec) else { return Ok(Vec::new()) };
        if matches!(spec.restore, Restorable::Never(_)) {
            return Ok(chunk.into_iter().map(|wanted| (wanted, None)).collect());
        }
        let by_id: Vec<Lookup<'_>> =
            chunk.iter().map(|wanted| Lookup::Id(self.ids.resolve(&wanted.key.id))).collect();
        let mut live = self.store.live(spec, &by_id).await?;
        let missing: Vec<usize> =
            live.iter().enumerate().filter(|(_, item)| item.is_none()).map(|(turn, _)| turn).collect();
        let payloads: Vec<Value> = missing
            .iter()
            .filter_map(|turn| chunk.get(*turn))
            .map(|wanted| wanted.state.clone().payload())
            .collect();
        if !spec.natural_key.is_empty() && !payloads.is_empty() {
            let natural: Vec<Lookup<'_>> = payloads.iter().map(Lookup::Natural).collect();
            let found = self.store.live(spec, &natural).await?;
            for (turn, found) in missing.iter().zip(found) {
                if let Some(slot) = live.get_mut(*turn) {
                    *slot = found;
                }
            }
        }
        Ok(chunk.into_iter().zip(live).collect())
    }

    fn candidate(&self, wanted: Wanted, live: Option<Item>, ids: &IdMap) -> Result<Candidate> {
        let Wanted { key, spec, needed, state } = wanted;
        if let Restorable::Never(why) = spec.restore {
            let plan = without_change(PlanAction::Cannot { why: why.to_owned() }, Vec::new());
            let item = PlanItem { kind: key.kind, id: key.id, live_id: None, needed, plan, kept: Vec::new() };
            return Ok(Candidate { item, spec, wanted: state.payload(), live: None });
        }
        let live_payload = live.as_ref().map(|item| parse(&item.payload)).transpose()?;
        let concerns = |place: &Place| {
            self.ask.options.fields.is_empty()
                || self.ask.options.fields.iter().any(|pointer| place.is_within(pointer))
        };
        let (wanted, kept, made_since) = match (state, &live_payload) {
            (State::Whole(payload), _) => (payload, Vec::new(), false),
            (State::Back { before, after }, Some(live)) => {
                let undone = undo(&before, &after, live, concerns);
                (undone.wanted, undone.kept, false)
            }
            // It was changed in the window and deleted since: a later decision, which stays.
            (State::Back { before, .. }, None) => (before, Vec::new(), true),
            (State::New(payload), _) => (payload, Vec::new(), true),
        };
        let mut plan = if made_since {
            let note = match &live {
                Some(_) => "it was made in that window; what was made is left in place",
                None => "it has been deleted since; that stays so",
            };
            without_change(PlanAction::Skip, vec![note.to_owned()])
        } else {
            self.store.plan(spec, &wanted, live_payload.as_ref(), ids, &self.ask.options)
        };
        if let (PlanAction::Create, Restorable::UpdateOnly(why)) = (&plan.action, spec.restore) {
            plan.action = PlanAction::Cannot { why: why.to_owned() };
        }
        let live_id = live.as_ref().map(|item| item.id.clone());
        Ok(Candidate {
            item: PlanItem { kind: key.kind, id: key.id, live_id, needed, plan, kept },
            spec,
            wanted,
            live,
        })
    }

    /// What the items to be created refer to, that is in the backup, not asked for, and not known to be there.
    async fn needed(&self, found: &[Found], seen: &mut BTreeSet<RecordKey>) -> Result<Vec<Wanted>> {
        let at = match self.ask.selection {
            Selection::At(at) | Selection::Revert(at, _) => at,
        };
        let mut needed = Vec::new();
        for (creating, _) in found.iter().filter(|(wanted, live)| live.is_none() && wanted.is_created()) {
            let State::Whole(payload) = &creating.state else { continue };
            for reference in creating.spec.references {
                for value in canonical::select(payload, reference.pointer) {
                    let (Some(id), Some(kind)) = (value.as_str(), Kind::new(reference.kind).ok()) else {
                        continue;
                    };
                    let Some(spec) = self.spec(&kind) else { continue };
                    let Ok(key) = RecordKey::new(kind, id) else { continue };
                    if self.ids.knows(id) || !seen.insert(key.clone()) {
                        continue;
                    }
                    match self.reader.get(&key, at).await {
                        Ok(record) => {
                            let state = State::Whole(parse(&record.payload)?);
                            needed.push(Wanted { key, spec, needed: true, state });
                        }
                        Err(RepositoryError::NotFound(_) | RepositoryError::Erased(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(needed)
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
type Found = (Wanted, Option<Item>);

fn without_change(action: PlanAction, losses: Vec<String>) -> ItemPlan {
    ItemPlan { action, fields: Vec::new(), losses, requests: 0, cost: 0 }
}

struct Wanted {
    key: RecordKey,
    spec: &'static KindSpec,
    needed: bool,
    state: State,
}

impl Wanted {
    /// Whether it would be made anew where it is not there.
    fn is_created(&self) -> bool {
        matches!(self.state, State::Whole(_)) && self.spec.restore == Restorable::Yes
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
    fn payload(self) -> Value {
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
    let cost: u64 = items.iter().map(|item| item.plan.cost).sum();
    #[expect(clippy::cast_precision_loss, reason = "a cost is far below 2^52")]
    let seconds = parts.store.budget_per_second().map(|per_second| cost as f64 / per_second);
    Ok(Plan {
        format: 1,
        ask: parts.ask.clone(),
        head: parts.reader.head().name.clone(),
        requests: items.iter().map(|item| item.plan.requests).sum(),
        items,
        orders,
        seconds,
    })
}
