//! Applying a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use catalog::{Restore, RestoreState};
use connectors::contract::{Applied, Effort, PlanAction, RestoreOptions};
use domain::{Action, ConnectionId, Id128, Ids as _, Kind, RecordKey, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::candidate::Candidate;
use super::look::{LOOKUPS, Parts};
use super::plan::{Plan, Selection, summed_up};
use super::predict::{self, Look};
use super::report::{RestoreReport, SoFar, state_name};
use super::schedule::{self, side_by_side};
use super::writes::{Job, Start, Writes};
use super::{RestoreProgress, parse, refer};
use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// An item as it was before the restore touched it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) kind: Kind,
    pub(super) id: Box<str>,
    pub(super) live_id: Option<Box<str>>,
    /// `None`: it was not there.
    pub(super) live: Option<Value>,
    /// What the restore makes of one that was there, in the words of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wanted: Option<Value>,
    /// It comes into being with another item, and goes with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) follows: bool,
}

impl Before {
    pub(super) fn key(&self) -> RecordKey {
        RecordKey { kind: self.kind.clone(), id: self.id.clone() }
    }
}

/// What is sealed before the first write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) tenant: TenantId,
    pub(super) connection: ConnectionId,
    pub(super) target: ConnectionId,
    pub(super) options: RestoreOptions,
    pub(super) selection: Selection,
    pub(super) items: Vec<Before>,
}

/// Applies a plan: draws it up again, and refuses where anything differs.
///
/// An interrupted application of the same plan goes on where it stood.
///
/// # Errors
/// [`FlowError::Conflict`] where the store has moved since the plan, or the plan was edited.
pub async fn apply(cell: &Cell, plan: &Plan, progress: &dyn RestoreProgress) -> Result<RestoreReport> {
    let started = cell.clock.monotonic();
    let parts = Parts::open(cell, &plan.ask).await?;
    let lease = cell.lease(&parts.target.scope).await?;
    let digest = digest(plan)?;
    let interrupted = cell
        .catalog
        .restores(&plan.ask.tenant, &plan.ask.connection)
        .await?
        .into_iter()
        .find(|restore| restore.plan_digest == digest && restore.state == RestoreState::Applying);
    let (candidates, ids) = parts.candidates(interrupted.as_ref().map(|_| plan), progress).await?;
    let (restore, so_far) = match interrupted {
        Some(row) => (row.id, so_far(cell, &plan.ask.tenant, &row).await?.unwrap_or_default()),
        None => {
            let again = summed_up(&parts, &candidates, Look::default()).await?;
            if again.items != plan.items || plan.format != again.format {
                return Err(FlowError::Conflict(moved(plan, &again)));
            }
            let saved = Saved {
                tenant: plan.ask.tenant.clone(),
                connection: plan.ask.connection.clone(),
                target: plan.ask.target.clone(),
                options: plan.ask.options.clone(),
                selection: plan.ask.selection.clone(),
                items: before(&candidates),
            };
            (begin(&parts, &saved, &digest, None).await?, SoFar::default())
        }
    };
    let of = plan.count(|action| matches!(action, PlanAction::Create | PlanAction::Update));
    let left = predict::of_all(&parts, &candidates);
    let start = Start { restore, started, ids, of, left, so_far, progress };
    let writes = Writes::new(&parts, start).await?;
    if let Err(error) = write_all(&writes, plan, &candidates).await {
        // What cannot be kept now is missing in the report's counts; what stopped the restore matters more.
        drop(writes.keep(true).await);
        return Err(error);
    }
    let report = writes.finish().await?;
    cell.release(lease).await?;
    Ok(report)
}

/// One item in its turn.
struct Turn<'a> {
    candidate: &'a Candidate,
    key: RecordKey,
    /// Its place in the plan.
    place: usize,
    /// What the plan said, where this attempt finds it begun or done.
    action: PlanAction,
}

fn turns<'a>(plan: &Plan, candidates: &'a [Candidate]) -> Vec<Turn<'a>> {
    let planned: BTreeMap<RecordKey, (usize, &PlanAction)> = (plan.items.iter().enumerate())
        .map(|(place, item)| {
            (RecordKey { kind: item.kind.clone(), id: item.id.clone() }, (place, &item.plan.action))
        })
        .collect();
    let turn = |(number, candidate): (usize, &'a Candidate)| {
        let key = candidate.key();
        let now = candidate.item.plan.action.clone();
        let (place, action) = match (planned.get(&key), now) {
            (Some((place, PlanAction::Create)), PlanAction::Update | PlanAction::Skip) => {
                (*place, PlanAction::Create)
            }
            (Some((place, PlanAction::Update)), PlanAction::Skip) => (*place, PlanAction::Update),
            (Some((place, _)), now) => (*place, now),
            (None, now) => (plan.items.len().saturating_add(number), now),
        };
        Turn { candidate, key, place, action }
    };
    let turns = candidates.iter().enumerate().map(turn);
    // What only an interrupted attempt made others refer to, and needs nothing, is no part of the plan.
    turns.filter(|turn| turn.place < plan.items.len() || turn.action != PlanAction::Skip).collect()
}

/// First what can be written at once, kind by kind; then what waited for that.
async fn write_all(writes: &Writes<'_>, plan: &Plan, candidates: &[Candidate]) -> Result<()> {
    let mut paired = Vec::new();
    for candidate in candidates {
        paired.extend(writes.entries(&candidate.item.kind, &candidate.paired)?);
    }
    writes.record(&paired).await?;
    let turns = turns(plan, candidates);
    let nodes: Vec<refer::Node<'_>> = turns.iter().map(|turn| turn.candidate.node()).collect();
    let refers = refer::refers(&nodes);
    let again = Mutex::new(BTreeSet::new());
    let mut first = 0;
    for of_kind in turns.chunk_by(|one, other| one.candidate.spec.name == other.candidate.spec.name) {
        let here = first..first + of_kind.len();
        first = here.end;
        let mut written = Vec::new();
        for (number, turn) in here.zip(of_kind) {
            match &turn.candidate.item.plan.action {
                PlanAction::Update if turn.candidate.item.after.is_some() => {
                    again.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
                }
                PlanAction::Create | PlanAction::Update => written.push((number, turn)),
                _ => without_writing(writes, turn),
            }
        }
        let local: BTreeMap<usize, usize> =
            written.iter().enumerate().map(|(local, (number, _))| (*number, local)).collect();
        let waits: Vec<Vec<usize>> = (written.iter())
            .map(|(number, _)| {
                let others = refers.get(*number).into_iter().flatten();
                others.filter_map(|other| local.get(other).copied()).collect()
            })
            .collect();
        let lanes = schedule::lanes(&writes.parts.store.pace());
        side_by_side(&waits, lanes, |local| {
            let (written, again) = (&written, &again);
            async move {
                let Some((number, turn)) = written.get(local) else { return Ok(()) };
                let whole = write(writes, turn).await?;
                if !whole || turn.candidate.item.again {
                    again.lock().unwrap_or_else(PoisonError::into_inner).insert(*number);
                }
                Ok(())
            }
        })
        .await?;
    }
    let again = again.into_inner().unwrap_or_else(PoisonError::into_inner);
    let again: Vec<&Turn<'_>> = again.into_iter().filter_map(|number| turns.get(number)).collect();
    write_again(writes, &again).await
}

fn without_writing(writes: &Writes<'_>, turn: &Turn<'_>) {
    let Turn { candidate, key, place, action } = turn;
    match action {
        PlanAction::Skip => writes.tally(super::report::Tally::skipped),
        PlanAction::Cannot { .. } | PlanAction::Delete => {
            writes.tally(|tally| tally.told(*place, key, action.clone(), None, Applied::default()));
        }
        // An interrupted attempt has done it.
        PlanAction::Create | PlanAction::Update => {
            let possibly_twice = writes.is_doubtful(key);
            let applied = Applied { possibly_twice, ..Applied::default() };
            let new_id = Some(writes.now_called(&key.id));
            writes.tally(|tally| tally.told(*place, key, action.clone(), new_id, applied));
        }
    }
    writes.advanced(&doing(candidate), Effort::default());
}

fn doing(candidate: &Candidate) -> String {
    format!("restoring {}", candidate.spec.plural)
}

/// Writes an item, and notes what became of it. Answers whether all of it was done.
async fn write(writes: &Writes<'_>, turn: &Turn<'_>) -> Result<bool> {
    let Turn { candidate, key, place, action } = turn;
    let Candidate { spec, wanted, media, .. } = candidate;
    let (live, former) = (candidate.live.as_ref(), candidate.former.as_ref());
    let mut applied = writes.apply_one(Job { key, spec, wanted, live, former, media }).await?;
    applied.possibly_twice |= writes.is_doubtful(key);
    let whole = applied.problems.is_empty();
    let new_id = Some(writes.now_called(&key.id));
    writes.tally(|tally| tally.told(*place, key, action.clone(), new_id, applied));
    writes.advanced(&doing(candidate), predict::of_item(candidate));
    Ok(whole)
}

/// The second pass: what referred to something that was made after it, what could not be done, and what came back with
/// another item is looked at again, and written with the ids that are known by now.
async fn write_again(writes: &Writes<'_>, again: &[&Turn<'_>]) -> Result<()> {
    for of_kind in again.chunk_by(|one, other| one.candidate.spec.name == other.candidate.spec.name) {
        for chunk in of_kind.chunks(LOOKUPS) {
            let Some(spec) = chunk.first().map(|turn| turn.candidate.spec) else { continue };
            let ids = writes.ids();
            let called: Vec<Option<&str>> =
                chunk.iter().map(|turn| writes.parts.called_there(&turn.key.id, &ids)).collect();
            let payloads: Vec<&Value> = chunk.iter().map(|turn| &turn.candidate.wanted).collect();
            let looking = writes.parts.store.looking(spec, &payloads);
            let live = writes.parts.live(spec, &called).await?;
            let live: Vec<Option<Value>> = (live.into_iter())
                .map(|item| item.map(|item| parse(&item.payload)).transpose())
                .collect::<Result<_>>()?;
            writes.advanced("restoring what refers to others", looking);
            let lanes = schedule::lanes(&writes.parts.store.pace());
            side_by_side(&vec![Vec::new(); chunk.len()], lanes, |number| {
                let (turn, live) = (chunk.get(number), live.get(number).and_then(Option::as_ref));
                async move {
                    if let Some(turn) = turn { write_one_again(writes, turn, live).await } else { Ok(()) }
                }
            })
            .await?;
        }
    }
    Ok(())
}

async fn write_one_again(writes: &Writes<'_>, turn: &Turn<'_>, live: Option<&Value>) -> Result<()> {
    let Turn { candidate, key, place, action } = turn;
    let follows = candidate.item.after.is_some();
    let former = candidate.former.as_ref();
    let options = &writes.parts.ask.options;
    let ids = writes.ids();
    let plan = writes.parts.store.plan_back(candidate.spec, &candidate.wanted, live, former, &ids, options);
    let applied = match (plan.action, live) {
        (PlanAction::Skip, _) => Applied::default(),
        (_, None) if follows => {
            let why = "It did not come back with the item that it belongs to.".to_owned();
            Applied { problems: vec![why], ..Applied::default() }
        }
        (PlanAction::Cannot { why }, _) => Applied { problems: vec![why], ..Applied::default() },
        _ => {
            let Candidate { spec, wanted, media, .. } = candidate;
            writes.apply_one(Job { key, spec, wanted, live, former, media }).await?
        }
    };
    let new_id = Some(writes.now_called(&key.id));
    if follows {
        writes.tally(|tally| tally.told(*place, key, action.clone(), new_id, applied));
        writes.advanced(&doing(candidate), predict::of_item(candidate));
    } else {
        writes.tally(|tally| tally.told_again(*place, new_id, applied));
    }
    Ok(())
}

fn digest(plan: &Plan) -> Result<String> {
    let text = serde_json::to_vec(plan).map_err(|error| FlowError::Input(format!("the plan: {error}")))?;
    Ok(repository::sha256_hex(&text).into())
}

fn moved(plan: &Plan, again: &Plan) -> String {
    let differs = plan
        .items
        .iter()
        .find(|item| !again.items.contains(item))
        .or_else(|| again.items.iter().find(|item| !plan.items.contains(item)));
    let what = differs.map_or_else(String::new, |item| format!(" ({} {} differs)", item.kind, item.id));
    format!(
        "the plan no longer fits: the store has moved since, or the file was edited{what}. Draw it up again"
    )
}

fn before(candidates: &[Candidate]) -> Vec<Before> {
    let touched = candidates.iter().filter(|candidate| candidate.is_written());
    touched
        .map(|candidate| Before {
            kind: candidate.item.kind.clone(),
            id: candidate.item.id.clone(),
            live_id: candidate.item.live_id.clone(),
            live: candidate.live.clone(),
            wanted: candidate.live.as_ref().map(|_| candidate.wanted.clone()),
            follows: candidate.item.after.is_some(),
        })
        .collect()
}

/// Seals what is about to be touched, then notes the restore.
pub(super) async fn begin(
    parts: &Parts<'_>,
    saved: &Saved,
    digest: &str,
    undo_of: Option<Id128>,
) -> Result<Id128> {
    let cell = parts.cell;
    let restore = cell.rng.next_id();
    let grant = cell.grant(&parts.source.scope, &[Action::Restore], "save what a restore touches").await?;
    let text =
        serde_json::to_vec(saved).map_err(|error| FlowError::Input(format!("what is saved: {error}")))?;
    // INVARIANT (saved before touched): no write goes to the platform before this is durable.
    let repository = cell.repository(&parts.source.scope);
    repository.put_state(&grant, Action::Restore, &state_name(restore, "before"), &text).await?;
    let now = cell.clock.now();
    let row = Restore {
        id: restore,
        connection: saved.connection.clone(),
        target: saved.target.clone(),
        plan_digest: digest.to_owned(),
        undo_of,
        state: RestoreState::Applying,
        created_at: now,
        changed_at: now,
    };
    cell.catalog.add_restore(&saved.tenant, &row).await?;
    Ok(restore)
}

/// What a restore touched, as it was before.
pub(super) async fn saved_before(cell: &Cell, tenant: &TenantId, row: &Restore) -> Result<Saved> {
    let restore = row.id;
    let scope = cell.connection(tenant, &row.connection).await?.scope;
    let grant = cell.grant(&scope, &[Action::Restore], "read what a restore touched").await?;
    let text = cell.repository(&scope).state(&grant, Action::Restore, &state_name(restore, "before")).await?;
    let text =
        text.ok_or_else(|| FlowError::Integrity(format!("what restore {restore} touched was not saved")))?;
    serde_json::from_slice(&text)
        .map_err(|error| FlowError::Integrity(format!("what restore {restore} touched is damaged: {error}")))
}

/// What interrupted attempts did, as far as they had told.
async fn so_far(cell: &Cell, tenant: &TenantId, row: &Restore) -> Result<Option<SoFar>> {
    let scope = cell.connection(tenant, &row.connection).await?.scope;
    let grant = cell.grant(&scope, &[Action::Restore], "read how far a restore came").await?;
    let text = cell.repository(&scope).state(&grant, Action::Restore, &state_name(row.id, "so-far")).await?;
    let read = text.map(|text| serde_json::from_slice(&text)).transpose();
    read.map_err(|error| FlowError::Integrity(format!("how far restore {} came is damaged: {error}", row.id)))
}
