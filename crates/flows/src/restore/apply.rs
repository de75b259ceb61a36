//! Applying a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use catalog::{Restore, RestoreState};
use connectors::contract::{Applied, Effort, PlanAction};
use domain::{Action, Id128, Ids as _, RecordKey};
use serde_json::Value;

use super::candidate::{Candidate, Payload};
use super::journal::is_begun;
use super::look::{Ends, LOOKUPS, Parts, outdated};
use super::pieces::{Limits, state_name};
use super::plan::{Plan, PlanItem, summed_up};
use super::predict::{self, Look};
use super::report::{RestoreReport, SO_FAR, SoFar, Tally};
use super::saved::{Before, Saving};
use super::schedule::{self, side_by_side};
use super::writes::{Job, Start, Writes};
use super::{RestoreProgress, as_json, refer};
use crate::cell::Cell;
use crate::clearing::release_all;
use crate::error::{FlowError, Result};

/// Applies a plan: draws it up again, and refuses where anything differs.
///
/// An interrupted application of the same plan goes on where it stood: with what the plan said would be written, and
/// nothing else. What somebody has edited of that meanwhile is saved before it is overwritten, so that an undo brings
/// it back.
///
/// # Errors
/// [`FlowError::Conflict`] where the store has moved since the plan, the plan was edited, or a snapshot that it names
/// was dropped.
pub async fn apply(cell: &Cell, plan: &Plan, progress: &dyn RestoreProgress) -> Result<RestoreReport> {
    apply_within(cell, plan, Limits::default(), progress).await
}

/// [`apply`], with other limits.
///
/// # Errors
/// As [`apply`].
pub async fn apply_within(
    cell: &Cell,
    plan: &Plan,
    limits: Limits,
    progress: &dyn RestoreProgress,
) -> Result<RestoreReport> {
    let started = cell.clock.monotonic();
    let ends = Ends::of(cell, &plan.ask.tenant, &plan.ask.connection, &plan.ask.target).await?;
    let leases = ends.lease(cell).await?;
    let parts = Parts::open(cell, &plan.ask, ends, limits).await?;
    parts.check_kept().await.map_err(outdated)?;
    let digest = digest(plan)?;
    let all = cell.catalog.restores(&plan.ask.tenant, &plan.ask.connection).await?;
    let interrupted =
        (all.iter()).find(|restore| restore.plan_digest == digest && restore.state == RestoreState::Applying);
    interrupted.map_or(Ok(()), |row| not_being_undone(&all, row.id))?;
    let (candidates, ids) = parts.candidates(interrupted.as_ref().map(|_| plan), progress).await?;
    if interrupted.is_none() {
        let again = summed_up(&parts, &candidates, Look::default()).await?;
        if again.items != plan.items || plan.format != again.format {
            return Err(FlowError::Conflict(moved(plan, &again)));
        }
    }
    let turns = turns(plan, &candidates);
    let (restore, so_far) = match interrupted {
        Some(row) => {
            save_more(&parts, &turns, row.id).await?;
            (row.id, so_far(&parts, row.id).await?)
        }
        None => (begin(&parts, &turns, &digest).await?, SoFar::default()),
    };
    let of = plan.count(|action| matches!(action, PlanAction::Create | PlanAction::Update));
    let left = predict::of_all(&parts, &candidates).await?;
    let start = Start { restore, started, ids, of, left, so_far, progress };
    let writes = Writes::new(&parts, start).await?;
    if let Err(error) = write_all(&writes, plan, &candidates, &turns).await {
        // What cannot be kept now is missing in the report's counts; what stopped the restore matters more.
        drop(writes.keep(true).await);
        return Err(error);
    }
    let report = writes.finish().await?;
    release_all(cell, leases).await;
    Ok(report)
}

/// One item in its turn.
struct Turn<'a> {
    candidate: &'a Candidate,
    key: RecordKey,
    /// Its place in the plan.
    place: usize,
    /// What the plan said, where this attempt finds it begun or done, or leaves it alone.
    action: PlanAction,
    is_written: bool,
    /// Why what the plan said is not done.
    problem: Option<String>,
}

impl<'a> Turn<'a> {
    fn new(candidate: &'a Candidate, place: usize, planned: &PlanAction) -> Self {
        let now = candidate.item.plan.action.clone();
        let planned_to_write = matches!(planned, PlanAction::Create | PlanAction::Update);
        let mut problem = None;
        let mut is_written = false;
        let action = match (planned, now) {
            // What the plan left alone is left alone: nobody agreed to more.
            (_, PlanAction::Create | PlanAction::Update) if !planned_to_write => planned.clone(),
            (PlanAction::Create, PlanAction::Update) => {
                is_written = true;
                PlanAction::Create
            }
            (_, now @ (PlanAction::Create | PlanAction::Update)) => {
                is_written = true;
                now
            }
            (_, now @ (PlanAction::Cannot { .. } | PlanAction::Delete)) => {
                if planned_to_write {
                    problem = Some("It has been deleted since the plan was drawn up.".to_owned());
                }
                now
            }
            (_, PlanAction::Skip) if planned_to_write => {
                if candidate.item.live_id.is_none() {
                    let why = "It has been deleted since the plan was drawn up; that stays so.";
                    problem = Some(why.to_owned());
                }
                planned.clone()
            }
            (_, now) => now,
        };
        Self { candidate, key: candidate.key(), place, action, is_written, problem }
    }
}

/// What is there of the plan. What only an interrupted attempt made others refer to is no part of it.
fn turns<'a>(plan: &Plan, candidates: &'a [Candidate]) -> Vec<Turn<'a>> {
    let planned: BTreeMap<RecordKey, (usize, &PlanAction)> = (plan.items.iter().enumerate())
        .map(|(place, item)| (key(item), (place, &item.plan.action)))
        .collect();
    let turn = |candidate: &'a Candidate| {
        let (place, action) = planned.get(&candidate.key())?;
        Some(Turn::new(candidate, *place, action))
    };
    candidates.iter().filter_map(turn).collect()
}

fn key(item: &PlanItem) -> RecordKey {
    RecordKey { kind: item.kind.clone(), id: item.id.clone() }
}

/// First what can be written at once, kind by kind; then what waited for that.
async fn write_all(
    writes: &Writes<'_>,
    plan: &Plan,
    candidates: &[Candidate],
    turns: &[Turn<'_>],
) -> Result<()> {
    let mut paired = Vec::new();
    for candidate in candidates {
        paired.extend(writes.entries(&candidate.item.kind, &candidate.paired)?);
    }
    writes.record(&paired).await?;
    tell_missing(writes, plan, turns);
    let nodes: Vec<refer::Node<'_>> = turns.iter().map(|turn| turn.candidate.node()).collect();
    let refers = refer::refers(&nodes);
    let again = Mutex::new(BTreeSet::new());
    let mut first = 0;
    for of_kind in turns.chunk_by(|one, other| one.candidate.spec.name == other.candidate.spec.name) {
        let here = first..first + of_kind.len();
        first = here.end;
        let mut written = Vec::new();
        for (number, turn) in here.zip(of_kind) {
            if !turn.is_written {
                without_writing(writes, turn);
            } else if turn.candidate.item.after.is_some() {
                again.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
            } else {
                written.push((number, turn));
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

/// What the plan said would be written, and is not in the backup any more.
fn tell_missing(writes: &Writes<'_>, plan: &Plan, turns: &[Turn<'_>]) {
    let there: BTreeSet<usize> = turns.iter().map(|turn| turn.place).collect();
    for (place, item) in plan.items.iter().enumerate().filter(|(place, _)| !there.contains(place)) {
        if matches!(item.plan.action, PlanAction::Create | PlanAction::Update) {
            let why = "It is not in the backup any more.".to_owned();
            let applied = Applied { problems: vec![why.clone()], ..Applied::default() };
            writes.tally(|tally| tally.told(place, &key(item), PlanAction::Cannot { why }, None, applied));
        }
    }
}

fn without_writing(writes: &Writes<'_>, turn: &Turn<'_>) {
    let Turn { candidate, key, place, action, problem, .. } = turn;
    let problems: Vec<String> = problem.iter().cloned().collect();
    match action {
        PlanAction::Skip => writes.tally(Tally::skipped),
        PlanAction::Cannot { .. } | PlanAction::Delete => {
            let applied = Applied { problems, ..Applied::default() };
            writes.tally(|tally| tally.told(*place, key, action.clone(), None, applied));
        }
        // An interrupted attempt has done it, or it cannot be done any more.
        PlanAction::Create | PlanAction::Update => {
            let possibly_twice = writes.is_doubtful(key);
            let new_id = problems.is_empty().then(|| writes.now_called(&key.id));
            let applied = Applied { possibly_twice, problems, ..Applied::default() };
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
    let Turn { candidate, key, place, action, .. } = turn;
    let payload: Payload = writes.parts.shelf.get(candidate.payload).await?;
    let mut applied = writes.apply_one(job(turn, &payload, payload.live.as_ref())).await?;
    applied.possibly_twice |= writes.is_doubtful(key);
    let whole = applied.problems.is_empty();
    let new_id = writes.called_after(&key.id, action, &applied);
    writes.tally(|tally| tally.told(*place, key, action.clone(), new_id, applied));
    writes.advanced(&doing(candidate), predict::of_item(candidate));
    Ok(whole)
}

fn job<'a>(turn: &'a Turn<'_>, payload: &'a Payload, live: Option<&'a Value>) -> Job<'a> {
    let Payload { wanted, former, media, .. } = payload;
    Job { key: &turn.key, spec: turn.candidate.spec, wanted, live, former: former.as_ref(), media }
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
            let mut payloads: Vec<Payload> = Vec::with_capacity(chunk.len());
            for turn in chunk {
                payloads.push(writes.parts.shelf.get(turn.candidate.payload).await?);
            }
            let wanted: Vec<&Value> = payloads.iter().map(|payload| &payload.wanted).collect();
            let looking = writes.parts.store.looking(spec, &wanted);
            let live = writes.parts.live(spec, &called).await?;
            let live: Vec<Option<Value>> = (live.into_iter())
                .map(|item| item.map(|item| as_json(spec, &item.payload)).transpose())
                .collect::<Result<_>>()?;
            writes.advanced("restoring what refers to others", looking);
            let lanes = schedule::lanes(&writes.parts.store.pace());
            side_by_side(&vec![Vec::new(); chunk.len()], lanes, |number| {
                let live = live.get(number).and_then(Option::as_ref);
                let turn = chunk.get(number).zip(payloads.get(number));
                async move {
                    let Some((turn, payload)) = turn else { return Ok(()) };
                    write_one_again(writes, turn, payload, live).await
                }
            })
            .await?;
        }
    }
    Ok(())
}

async fn write_one_again(
    writes: &Writes<'_>,
    turn: &Turn<'_>,
    payload: &Payload,
    live: Option<&Value>,
) -> Result<()> {
    let Turn { candidate, key, place, action, .. } = turn;
    let follows = candidate.item.after.is_some();
    let Payload { wanted, former, .. } = payload;
    let options = &writes.parts.ask.options;
    let ids = writes.ids();
    let plan = writes.parts.store.plan_back(candidate.spec, wanted, live, former.as_ref(), &ids, options);
    let applied = match (plan.action, live) {
        (PlanAction::Skip, _) => Applied::default(),
        (_, None) if follows => {
            let why = "It did not come back with the item that it belongs to.".to_owned();
            Applied { problems: vec![why], ..Applied::default() }
        }
        (PlanAction::Cannot { why }, _) => Applied { problems: vec![why], ..Applied::default() },
        _ => writes.apply_one(job(turn, payload, live)).await?,
    };
    let new_id = writes.called_after(&key.id, action, &applied);
    if follows {
        writes.tally(|tally| tally.told(*place, key, action.clone(), new_id, applied));
        writes.advanced(&doing(candidate), predict::of_item(candidate));
    } else {
        writes.tally(|tally| tally.told_again(*place, new_id, applied));
    }
    Ok(())
}

/// One that is being undone does not go on: the two would write over each other.
pub(super) fn not_being_undone(all: &[Restore], restore: Id128) -> Result<()> {
    let undo = all.iter().find(|one| one.undo_of == Some(restore) && one.state == RestoreState::Applying);
    undo.map_or(Ok(()), |undo| {
        Err(FlowError::Conflict(format!(
            "an undo of restore {restore} was begun and has not ended ({}): `restore undo {restore}` ends it",
            undo.id
        )))
    })
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

/// Seals what is about to be touched, then notes the restore.
async fn begin(parts: &Parts<'_>, turns: &[Turn<'_>], digest: &str) -> Result<Id128> {
    let restore = parts.cell.rng.next_id();
    let mut saving = Saving::new(parts, restore);
    for turn in turns.iter().filter(|turn| turn.is_written) {
        saving.add(before(parts, turn).await?, false).await?;
    }
    saving.end().await?;
    note(parts, restore, digest, None).await?;
    Ok(restore)
}

/// Seals what will be touched and is not saved as it is now: somebody edited it after the restore was interrupted. What
/// the restore itself had done by then is saved along with that; the undo tells the two apart.
async fn save_more(parts: &Parts<'_>, turns: &[Turn<'_>], restore: Id128) -> Result<()> {
    let steps = parts.cell.catalog.steps(&parts.ask.tenant, restore).await?;
    let mut saving = Saving::resume(parts, restore).await?;
    for turn in turns.iter().filter(|turn| turn.is_written) {
        let begun = is_begun(&steps, &turn.key);
        saving.add(before(parts, turn).await?, begun).await?;
    }
    saving.end().await
}

async fn before(parts: &Parts<'_>, turn: &Turn<'_>) -> Result<Before> {
    let Payload { wanted, live, .. } = parts.shelf.get(turn.candidate.payload).await?;
    let item = &turn.candidate.item;
    Ok(Before {
        kind: item.kind.clone(),
        id: item.id.clone(),
        live_id: item.live_id.clone(),
        wanted: live.as_ref().map(|_| wanted),
        live,
        follows: item.after.is_some(),
        own: false,
    })
}

/// Notes a restore for which all that it touches is saved.
pub(super) async fn note(
    parts: &Parts<'_>,
    restore: Id128,
    digest: &str,
    undo_of: Option<Id128>,
) -> Result<()> {
    let Parts { cell, ask, .. } = parts;
    let now = cell.clock.now();
    let row = Restore {
        id: restore,
        connection: ask.connection.clone(),
        target: ask.target.clone(),
        plan_digest: digest.to_owned(),
        undo_of,
        state: RestoreState::Applying,
        created_at: now,
        changed_at: now,
    };
    Ok(cell.catalog.add_restore(&ask.tenant, &row).await?)
}

/// What interrupted attempts did, as far as they had told.
pub(super) async fn so_far(parts: &Parts<'_>, restore: Id128) -> Result<SoFar> {
    let found = parts.states().get(&state_name(restore, SO_FAR), Action::Restore).await?;
    Ok(found.unwrap_or_default())
}
