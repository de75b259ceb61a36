//! Taking a restore back.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Restore, RestoreState, StepState};
use connectors::contract::{Applied, Effort, Fault, IdMap, KindSpec, Lookup, PlanAction};
use domain::{Id128, Ids as _, Kind, RecordKey, TenantId};
use repository::RepositoryError;
use serde_json::Value;

use super::apply::{not_being_undone, note, so_far};
use super::candidate::known_as;
use super::expiry::KEPT;
use super::hidden::{self, forget};
use super::journal::{is_begun, steps_of};
use super::look::{Ends, LOOKUPS, Parts};
use super::pieces::{Limits, States};
use super::plan::Ask;
use super::refer::{self, Node, Refs, tag};
use super::report::{RestoreReport, SoFar, Tally, show};
use super::saved::{Before, Saved, Saving, renamed, with_edits};
use super::schedule::{self, side_by_side};
use super::shelf::Shelved;
use super::writes::{Job, Start, Writes};
use super::{RestoreProgress, as_json};
use crate::cell::Cell;
use crate::clearing::release_all;
use crate::error::{FlowError, Result};

/// Puts back what a restore overwrote, takes away what it added, and deletes what it made. Is itself a restore, and
/// can be undone. One that was interrupted can be undone too; an undo that was interrupted goes on.
///
/// # Errors
/// Not found, also where what the restore touched was deleted by an erasure; a conflict where it was undone already.
pub async fn undo(
    cell: &Cell,
    tenant: &TenantId,
    restore: Id128,
    progress: &dyn RestoreProgress,
) -> Result<RestoreReport> {
    undo_within(cell, tenant, restore, Limits::default(), progress).await
}

/// [`undo`], with other limits.
///
/// # Errors
/// As [`undo`].
pub async fn undo_within(
    cell: &Cell,
    tenant: &TenantId,
    restore: Id128,
    limits: Limits,
    progress: &dyn RestoreProgress,
) -> Result<RestoreReport> {
    let started = cell.clock.monotonic();
    let Restore { connection, target, .. } = cell.catalog.restore(tenant, restore).await?;
    let ends = Ends::of(cell, tenant, &connection, &target).await?;
    let leases = ends.lease(cell).await?;
    let row = cell.catalog.restore(tenant, restore).await?;
    let all = cell.catalog.restores(tenant, &connection).await?;
    // An undo that was undone itself has left nothing to go on with.
    let undos = |one: &&Restore| one.undo_of == Some(restore) && one.state != RestoreState::Undone;
    let before = all.iter().rev().find(undos);
    let resumed = match before {
        Some(undo) if undo.state == RestoreState::Applying => {
            not_being_undone(&all, undo.id)?;
            Some(undo.id)
        }
        _ if row.state == RestoreState::Undone => {
            return Err(FlowError::Conflict(format!("restore {restore} was undone already")));
        }
        // Its process ended between its own end and the note that the restore is undone.
        Some(undo) => {
            cell.catalog
                .move_restore(tenant, restore, (row.state, RestoreState::Undone), cell.clock.now())
                .await?;
            return show(cell, tenant, undo.id).await;
        }
        None => None,
    };
    let saved = saved(&States { cell, scope: &ends.source.scope }, restore, resumed.is_some()).await?;
    let ask = Ask {
        tenant: tenant.clone(),
        connection,
        target,
        selection: saved.selection.clone(),
        kinds: Vec::new(),
        ids: Vec::new(),
        options: saved.options.clone(),
    };
    let parts = Parts::open(cell, &ask, ends, limits).await?;
    let mut turns = turns(&parts, &row, &saved).await?;
    let mut ids = ids_of(&parts, restore, resumed);
    look(&parts, &row, &mut turns, &mut ids, &made_by(&parts, &all, restore)).await?;
    let (id, so_far) = match resumed {
        Some(id) => {
            save(&parts, &turns, Saving::resume(&parts, id).await?, Some(id)).await?;
            (id, so_far(&parts, id).await?)
        }
        None => {
            let id = cell.rng.next_id();
            // The state before this undo, so that it can be undone in turn.
            save(&parts, &turns, Saving::new(&parts, id), None).await?;
            note(&parts, id, &format!("undo {restore}"), Some(restore)).await?;
            (id, SoFar::default())
        }
    };
    let (of, left) = (turns.len(), Effort::default());
    let start = Start { restore: id, started, ids, of, left, so_far, progress };
    let writes = Writes::new(&parts, start).await?;
    let done = async {
        put_all_back(&writes, &turns).await?;
        take_all_away(&writes, &turns).await
    };
    if let Err(error) = done.await {
        // As where a restore stops.
        drop(writes.keep(true).await);
        return Err(error);
    }
    let report = writes.finish().await?;
    cell.catalog.move_restore(tenant, restore, (row.state, RestoreState::Undone), cell.clock.now()).await?;
    release_all(cell, leases).await;
    Ok(report)
}

/// What a restore touched, as it was before. `begun` says whether an interrupted undo has put some of it back.
async fn saved(states: &States<'_>, restore: Id128, begun: bool) -> Result<Saved> {
    if let Some(saved) = Saved::read(states, restore).await?.filter(|saved| !saved.erased) {
        return Ok(saved);
    }
    let done = if begun {
        "Nothing more was put back than before the undo was interrupted"
    } else {
        "Nothing was put back"
    };
    Err(FlowError::NotFound(format!(
        "what restore {restore} overwrote is not saved any more: it is kept for {} days, and erasing a person deletes \
         what all restores before it had saved. {done}; `restore plan` brings items back from a snapshot",
        KEPT.as_secs() / 86_400
    )))
}

/// One saved item in its turn.
struct Reversal {
    /// Its place in the report.
    place: usize,
    key: RecordKey,
    spec: &'static KindSpec,
    follows: bool,
    /// Its id on the live store when it was saved.
    live_id: Option<Box<str>>,
    /// Its [`Reverted`].
    payload: Shelved,
    refs: Refs,
    now_id: Option<Box<str>>,
    /// What it is now, a payload.
    now: Option<Shelved>,
    /// What the platform hides of it now.
    hidden: BTreeSet<String>,
    /// An interrupted step may have made it, and it is not found.
    in_doubt: bool,
}

/// What an item was, and what the restore made of it in the words of the backup.
#[derive(serde::Serialize, serde::Deserialize)]
struct Reverted {
    live: Option<Value>,
    wanted: Option<Value>,
}

impl Reversal {
    fn before(&self, now: Option<Value>, was: Option<Value>) -> Before {
        Before {
            kind: self.key.kind.clone(),
            id: self.key.id.clone(),
            live_id: self.now_id.clone(),
            live: now,
            wanted: was,
            follows: self.follows,
            own: false,
        }
    }
}

fn spec_of(parts: &Parts<'_>, kind: &Kind) -> Result<&'static KindSpec> {
    let spec = parts.spec(kind);
    spec.ok_or_else(|| FlowError::Integrity(format!("what a restore touched is of no known kind: `{kind}`")))
}

/// All that was saved, kind by kind in the platform's order, each item once.
async fn turns(parts: &Parts<'_>, row: &Restore, saved: &Saved) -> Result<Vec<Reversal>> {
    let mut turns: Vec<Reversal> = Vec::new();
    let mut places: BTreeMap<RecordKey, usize> = BTreeMap::new();
    for piece in 0..saved.pieces {
        for before in saved.piece(&parts.states(), row.id, piece).await? {
            let (key, spec) = (before.key(), spec_of(parts, &before.kind)?);
            let Before { live_id, mut live, wanted, follows, own, .. } = before;
            // The restore had made it, and it was edited since: it goes all the same.
            if own {
                continue;
            }
            let known = places.get(&key).copied().and_then(|place| turns.get_mut(place));
            if let Some(known) = known {
                // It was saved again when the interrupted restore went on. What had been deleted by then was made by
                // the restore, and goes.
                let first: Reverted = parts.shelf.get(known.payload).await?;
                if let (Some(first), Some(made), Some(later)) = (&first.live, &first.wanted, &live) {
                    let made = renamed(made, &parts.ids);
                    live = Some(with_edits(first, &made, later, spec.volatile));
                }
                known.live_id = live_id;
                known.refs = live.as_ref().map(|live| Refs::of(spec, live, true)).unwrap_or_default();
                known.payload = parts.shelf.put(&Reverted { live, wanted: wanted.or(first.wanted) }).await?;
                continue;
            }
            let refs = live.as_ref().map(|live| Refs::of(spec, live, true)).unwrap_or_default();
            let payload = parts.shelf.put(&Reverted { live, wanted }).await?;
            places.insert(key.clone(), turns.len());
            let (now_id, now, hidden, in_doubt, place) = (None, None, BTreeSet::new(), false, 0);
            turns.push(Reversal {
                place,
                key,
                spec,
                follows,
                live_id,
                payload,
                refs,
                now_id,
                now,
                hidden,
                in_doubt,
            });
        }
    }
    let order = parts.order();
    turns.sort_by_key(|turn| order.get(turn.spec.name).copied());
    turns.iter_mut().enumerate().for_each(|(place, turn)| turn.place = place);
    Ok(turns)
}

/// What the live ids of saved items are by now. An interrupted undo has made some anew; in one store other restores may
/// have. What the restore itself made goes: nothing is to lead there.
fn ids_of(parts: &Parts<'_>, restore: Id128, undo: Option<Id128>) -> IdMap {
    let in_place = parts.ids.is_of_one_store();
    let told = |by: Id128| if in_place { by != restore } else { Some(by) == undo };
    ids_by(parts, told)
}

/// The ids of what the restore made, and of what became of that where an undo of it was undone. What another restore
/// made of the same item is not its own.
fn made_by(parts: &Parts<'_>, all: &[Restore], restore: Id128) -> IdMap {
    let mut own = BTreeSet::from([restore]);
    for row in all {
        if row.undo_of.is_some_and(|of| own.contains(&of)) {
            own.insert(row.id);
        }
    }
    ids_by(parts, |by| own.contains(&by))
}

/// What these restores told of ids in the target.
fn ids_by(parts: &Parts<'_>, told: impl Fn(Id128) -> bool) -> IdMap {
    let mut ids = if parts.ids.is_of_one_store() { IdMap::of_one_store() } else { IdMap::default() };
    let here = parts.ledger.iter().filter(|entry| entry.target == parts.ask.target);
    for entry in here.filter(|entry| told(entry.restore)) {
        ids.insert(&entry.old.id, &entry.new_id);
    }
    ids
}

/// Looks at the items as they are now. `made` are the ids of what the restore made.
async fn look(
    parts: &Parts<'_>,
    row: &Restore,
    turns: &mut [Reversal],
    ids: &mut IdMap,
    made: &IdMap,
) -> Result<()> {
    for of_kind in turns.chunk_by_mut(|one, other| one.spec.name == other.spec.name) {
        for chunk in of_kind.chunks_mut(LOOKUPS) {
            let Some(spec) = chunk.first().map(|first| first.spec) else { continue };
            let called: Vec<Option<Box<str>>> = (chunk.iter())
                .map(|turn| match &turn.live_id {
                    Some(live) => Some(ids.resolve(live).into()),
                    // What was not there has only the id that the restore noted for it.
                    None => parts.called_there(&turn.key.id, made).map(Into::into),
                })
                .collect();
            find(parts, spec, chunk, called).await?;
            // What is gone by that id may have been made anew by another restore: it is not made a second time.
            let anew: Vec<Option<Box<str>>> = (chunk.iter())
                .map(|turn| {
                    let live = turn.live_id.as_deref().filter(|_| turn.now.is_none())?;
                    let id = parts.called_there(&turn.key.id, &parts.ids)?;
                    (id != ids.resolve(live)).then(|| id.into())
                })
                .collect();
            find(parts, spec, chunk, anew).await?;
            for (live, now) in chunk.iter().filter_map(|turn| turn.live_id.as_ref().zip(turn.now_id.as_ref()))
            {
                if ids.resolve(live) != &**now {
                    ids.insert(live, now);
                }
            }
        }
    }
    if row.state == RestoreState::Applying { look_for_lost(parts, row, turns).await } else { Ok(()) }
}

/// Notes what is there by these ids.
async fn find(
    parts: &Parts<'_>,
    spec: &'static KindSpec,
    chunk: &mut [Reversal],
    called: Vec<Option<Box<str>>>,
) -> Result<()> {
    let asked: Vec<Option<&str>> = called.iter().map(Option::as_deref).collect();
    let live = parts.live(spec, &asked).await?;
    for ((turn, id), live) in chunk.iter_mut().zip(called).zip(live) {
        if let Some(item) = live {
            turn.now_id = id;
            turn.hidden = hidden::pointers(&item.gaps);
            turn.now = Some(parts.shelf.put(&as_json(spec, &item.payload)?).await?);
        }
    }
    Ok(())
}

/// What an interrupted restore may have made without learning its id is looked for by its natural key, under which
/// nothing was there when the restore began.
async fn look_for_lost(parts: &Parts<'_>, row: &Restore, turns: &mut [Reversal]) -> Result<()> {
    let steps = parts.cell.catalog.steps(&parts.ask.tenant, row.id).await?;
    for turn in turns.iter_mut().filter(|turn| turn.live_id.is_none() && turn.now.is_none()) {
        let open = |state| matches!(state, StepState::Intent | StepState::Unknown);
        if !steps_of(&steps, &turn.key).any(open) {
            continue;
        }
        turn.in_doubt = true;
        let Some(record) = parts.record(&turn.key).await? else { continue };
        let name = known_as(turn.spec, &as_json(turn.spec, &record.payload)?, &parts.ids);
        let found =
            parts.store.live(turn.spec, &[Lookup::Natural(&name)]).await?.into_iter().next().flatten();
        if let Some(item) = found {
            turn.in_doubt = false;
            turn.now = Some(parts.shelf.put(&as_json(turn.spec, &item.payload)?).await?);
            turn.now_id = Some(item.id);
        }
    }
    Ok(())
}

/// Seals the items as they are now. `begun` is an undo that goes on.
async fn save(
    parts: &Parts<'_>,
    turns: &[Reversal],
    mut saving: Saving<'_>,
    begun: Option<Id128>,
) -> Result<()> {
    let steps = match begun {
        Some(undo) => parts.cell.catalog.steps(&parts.ask.tenant, undo).await?,
        None => BTreeMap::new(),
    };
    for turn in turns {
        let Reverted { live: was, .. } = parts.shelf.get(turn.payload).await?;
        let now = now(parts, turn).await?;
        // What an undo takes away is gone once it has.
        if now.is_none() && turn.live_id.is_none() && begun.is_some() {
            continue;
        }
        let begun = is_begun(&steps, &turn.written_as());
        saving.add(turn.before(now, was), begun).await?;
    }
    saving.end().await
}

async fn now(parts: &Parts<'_>, turn: &Reversal) -> Result<Option<Value>> {
    match turn.now {
        Some(place) => Ok(Some(parts.shelf.get(place).await?)),
        None => Ok(None),
    }
}

impl Reversal {
    /// By its live id it is put back.
    fn written_as(&self) -> RecordKey {
        RecordKey { kind: self.key.kind.clone(), id: self.live_id.clone().unwrap_or_default() }
    }
}

async fn put_all_back(writes: &Writes<'_>, turns: &[Reversal]) -> Result<()> {
    let parts = writes.parts;
    // All of them: what another restore made of the same item since has a name of its own.
    let first_names: BTreeMap<&str, &str> = (parts.ledger.iter())
        .filter(|entry| entry.target == parts.ask.target)
        .map(|entry| (&*entry.new_id, &*entry.old.id))
        .collect();
    let lanes = schedule::lanes(&parts.store.pace());
    for of_kind in turns.chunk_by(|one, other| one.spec.name == other.spec.name) {
        let back: Vec<(&Reversal, &str)> =
            of_kind.iter().filter_map(|turn| Some((turn, turn.live_id.as_deref()?))).collect();
        let nodes: Vec<Node<'_>> = (back.iter())
            .map(|(turn, id)| Node {
                id: tag(id),
                spec: turn.spec,
                refs: &turn.refs,
                made: turn.now.is_none(),
            })
            .collect();
        side_by_side(&refer::refers(&nodes), lanes, |number| {
            let (turn, first_names) = (back.get(number), &first_names);
            async move {
                let Some((turn, _)) = turn else { return Ok(()) };
                put_back(writes, turn, first_names).await
            }
        })
        .await?;
    }
    Ok(())
}

/// What was made goes when nothing leads to it any more; what was made last goes first.
async fn take_all_away(writes: &Writes<'_>, turns: &[Reversal]) -> Result<()> {
    let made: Vec<&Reversal> =
        turns.iter().rev().filter(|turn| turn.live_id.is_none() && !turn.follows).collect();
    let lanes = schedule::lanes(&writes.parts.store.pace());
    for of_kind in made.chunk_by(|one, other| one.spec.name == other.spec.name) {
        side_by_side(&vec![Vec::new(); of_kind.len()], lanes, |number| {
            let turn = of_kind.get(number);
            async move { if let Some(turn) = turn { take_away(writes, turn).await } else { Ok(()) } }
        })
        .await?;
    }
    Ok(())
}

/// Makes an item what it was. `first_names` are the backup's names for what was live.
async fn put_back(writes: &Writes<'_>, turn: &Reversal, first_names: &BTreeMap<&str, &str>) -> Result<()> {
    let parts = writes.parts;
    let spec = turn.spec;
    let Reverted { live: Some(mut wanted), wanted: mut made } = parts.shelf.get(turn.payload).await? else {
        return Ok(());
    };
    let key = turn.written_as();
    let media = match parts.reader.get(&turn.key, parts.at()).await {
        Ok(record) => record.meta.media_refs,
        Err(RepositoryError::NotFound(_) | RepositoryError::Erased(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    // What came into being with another item came into being just now.
    let mut live = match now(parts, turn).await? {
        None if turn.follows => {
            let found = parts.store.live(spec, &[Lookup::Id(&writes.now_called(&key.id))]).await?;
            found.into_iter().next().flatten().map(|item| as_json(spec, &item.payload)).transpose()?
        }
        live => live,
    };
    [Some(&mut wanted), made.as_mut(), live.as_mut()]
        .into_iter()
        .flatten()
        .for_each(|one| forget(one, &turn.hidden));
    // What the restore made of it is told in the words of the backup.
    let former = made.as_ref().map(|made| renamed(made, &parts.ids));
    let (live, former) = (live.as_ref(), former.as_ref());
    let mut applied =
        writes.apply_one(Job { key: &key, spec, wanted: &wanted, live, former, media: &media }).await?;
    if !turn.hidden.is_empty() {
        applied.problems.push(hidden::LOSS.to_owned());
    }
    // The backup knows what was made anew, and its parts, by their first names.
    let named: Vec<(String, String)> = (applied.ids.iter())
        .filter_map(|(then, new)| Some(((*first_names.get(then.as_str())?).to_owned(), new.clone())))
        .collect();
    writes.remember(&key.kind, &named).await?;
    let action = if live.is_some() { PlanAction::Update } else { PlanAction::Create };
    let new_id = writes.called_after(&key.id, &action, &applied);
    writes.tally(|tally| tally.told(turn.place, &turn.key, action, new_id, applied));
    writes.advanced("undoing", Effort::default());
    Ok(())
}

/// Deletes an item that the restore had made.
async fn take_away(writes: &Writes<'_>, turn: &Reversal) -> Result<()> {
    let told = |applied: Applied| {
        let id = turn.now_id.clone();
        writes.tally(|tally| tally.told(turn.place, &turn.key, PlanAction::Delete, id, applied));
    };
    match &turn.now_id {
        None if turn.in_doubt => {
            let why =
                "The interrupted restore may have made it, and it is not found: look in the shop.".to_owned();
            told(Applied { problems: vec![why], ..Applied::default() });
        }
        None => writes.tally(Tally::skipped),
        Some(made) => {
            let problems = match writes.parts.store.delete(turn.spec, made).await {
                Ok(()) => Vec::new(),
                Err(Fault::Rejected(why)) => vec![why],
                Err(fault) => return Err(fault.into()),
            };
            told(Applied { problems, ..Applied::default() });
        }
    }
    writes.advanced("undoing", Effort::default());
    Ok(())
}
