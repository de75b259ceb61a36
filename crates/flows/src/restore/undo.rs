//! Taking a restore back.

use std::collections::BTreeMap;

use catalog::RestoreState;
use connectors::contract::{Applied, Effort, Fault, IdMap, KindSpec, Lookup, PlanAction};
use domain::{Id128, Kind, RecordKey, TenantId};
use serde_json::Value;

use super::apply::{Before, Saved, begin, saved_before};
use super::look::{LOOKUPS, Parts};
use super::plan::Ask;
use super::refer::{self, Node};
use super::report::{RestoreReport, SoFar};
use super::schedule::{self, side_by_side};
use super::writes::{Job, Start, Writes};
use super::{RestoreProgress, parse};
use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// Puts back what a restore overwrote, takes away what it added, and deletes what it made. Is itself a restore, and
/// can be undone.
///
/// # Errors
/// Not found; a conflict where it was undone already or has not ended.
pub async fn undo(
    cell: &Cell,
    tenant: &TenantId,
    restore: Id128,
    progress: &dyn RestoreProgress,
) -> Result<RestoreReport> {
    let started = cell.clock.monotonic();
    let row = cell.catalog.restore(tenant, restore).await?;
    match row.state {
        RestoreState::Undone => {
            return Err(FlowError::Conflict(format!("restore {restore} was undone already")));
        }
        RestoreState::Applying => {
            return Err(FlowError::Conflict(format!(
                "restore {restore} was interrupted: apply its plan again first, so that it is known what it did"
            )));
        }
        RestoreState::Done | RestoreState::Incomplete | RestoreState::Failed => {}
    }
    let saved = saved_before(cell, tenant, &row).await?;
    let ask = Ask {
        tenant: tenant.clone(),
        connection: row.connection.clone(),
        target: row.target.clone(),
        selection: saved.selection.clone(),
        kinds: Vec::new(),
        ids: Vec::new(),
        options: saved.options.clone(),
    };
    let parts = Parts::open(cell, &ask).await?;
    let lease = cell.lease(&parts.target.scope).await?;
    // The state before this undo, so that it can be undone in turn.
    let again = Saved { items: present(&parts, &saved.items).await?, ..saved.clone() };
    let id = begin(&parts, &again, &format!("undo {restore}"), Some(restore)).await?;
    // The saved items bear live ids: nothing is to be mapped but what is made anew here.
    let (ids, so_far, of) = (IdMap::default(), SoFar::default(), saved.items.len());
    let start = Start { restore: id, started, ids, of, left: Effort::default(), so_far, progress };
    let writes = Writes::new(&parts, start).await?;
    let turns: Vec<Turn<'_>> = (saved.items.iter().zip(&again.items).enumerate())
        .map(|(place, (before, now))| Ok(Turn { place, before, now, spec: spec_of(&parts, &before.kind)? }))
        .collect::<Result<_>>()?;
    put_all_back(&writes, &turns).await?;
    take_all_away(&writes, &turns).await?;
    let report = writes.finish().await?;
    cell.catalog.move_restore(tenant, restore, (row.state, RestoreState::Undone), cell.clock.now()).await?;
    cell.release(lease).await?;
    Ok(report)
}

fn spec_of(parts: &Parts<'_>, kind: &Kind) -> Result<&'static KindSpec> {
    let spec = parts.store.kinds().iter().find(|spec| spec.name == kind.as_str());
    spec.ok_or_else(|| FlowError::Integrity(format!("what a restore touched is of no known kind: `{kind}`")))
}

/// The items as they are now.
async fn present(parts: &Parts<'_>, items: &[Before]) -> Result<Vec<Before>> {
    let mut now = Vec::with_capacity(items.len());
    for of_kind in items.chunk_by(|one, other| one.kind == other.kind) {
        for chunk in of_kind.chunks(LOOKUPS) {
            let Some(first) = chunk.first() else { continue };
            let spec = spec_of(parts, &first.kind)?;
            let ids: Vec<Box<str>> = chunk
                .iter()
                .map(|one| one.live_id.clone().unwrap_or_else(|| parts.ids.resolve(&one.id).into()))
                .collect();
            let lookups: Vec<Lookup<'_>> = ids.iter().map(|id| Lookup::Id(id)).collect();
            let live = parts.store.live(spec, &lookups).await?;
            for ((before, id), live) in chunk.iter().zip(ids).zip(live) {
                let live_id = live.as_ref().map(|_| id);
                let live = live.map(|item| parse(&item.payload)).transpose()?;
                now.push(Before { live_id, live, wanted: before.live.clone(), ..before.clone() });
            }
        }
    }
    Ok(now)
}

/// The payload with the ids that are known now.
fn renamed(payload: &Value, ids: &IdMap) -> Value {
    match payload {
        Value::String(id) => ids.resolve(id).into(),
        Value::Array(elements) => elements.iter().map(|one| renamed(one, ids)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, one)| (name.clone(), renamed(one, ids))).collect(),
        other => other.clone(),
    }
}

/// One item in its turn.
struct Turn<'a> {
    /// Its place in the report.
    place: usize,
    before: &'a Before,
    now: &'a Before,
    spec: &'static KindSpec,
}

async fn put_all_back(writes: &Writes<'_>, turns: &[Turn<'_>]) -> Result<()> {
    let parts = writes.parts;
    let first_names: BTreeMap<&str, &str> = parts.ids.iter().map(|(first, then)| (then, first)).collect();
    let lanes = schedule::lanes(&parts.store.pace());
    for of_kind in turns.chunk_by(|one, other| one.spec.name == other.spec.name) {
        let back: Vec<(&Turn<'_>, &Value)> =
            of_kind.iter().filter_map(|turn| Some((turn, turn.before.live.as_ref()?))).collect();
        let nodes: Vec<Node<'_>> = (back.iter())
            .map(|(turn, payload)| {
                let id = turn.before.live_id.as_deref().unwrap_or_default();
                Node { id, spec: turn.spec, payload, made: turn.now.live.is_none() }
            })
            .collect();
        side_by_side(&refer::refers(&nodes), lanes, |number| {
            let (turn, first_names) = (back.get(number), &first_names);
            async move {
                let Some((turn, wanted)) = turn else { return Ok(()) };
                put_back(writes, turn, wanted, first_names).await
            }
        })
        .await?;
    }
    Ok(())
}

/// What was made goes when nothing leads to it any more; what was made last goes first.
async fn take_all_away(writes: &Writes<'_>, turns: &[Turn<'_>]) -> Result<()> {
    let made: Vec<&Turn<'_>> =
        (turns.iter().rev()).filter(|turn| turn.before.live.is_none() && !turn.before.follows).collect();
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
async fn put_back(
    writes: &Writes<'_>,
    turn: &Turn<'_>,
    wanted: &Value,
    first_names: &BTreeMap<&str, &str>,
) -> Result<()> {
    let Turn { place, before, now, spec } = turn;
    let parts = writes.parts;
    let key = RecordKey { kind: before.kind.clone(), id: before.live_id.clone().unwrap_or_default() };
    let media = match parts.reader.get(&before.key(), parts.at()).await {
        Ok(record) => record.meta.media_refs,
        Err(_) => Vec::new(),
    };
    // What came into being with another item came into being just now.
    let live = match &now.live {
        None if before.follows => {
            let found = parts.store.live(spec, &[Lookup::Id(&writes.now_called(&key.id))]).await?;
            found.into_iter().next().flatten().map(|item| parse(&item.payload)).transpose()?
        }
        live => live.clone(),
    };
    // What the restore made of it is told in the words of the backup.
    let former = before.wanted.as_ref().map(|made| renamed(made, &parts.ids));
    let job = Job { key: &key, spec, wanted, live: live.as_ref(), former: former.as_ref(), media: &media };
    let applied = writes.apply_one(job).await?;
    // The backup knows what was made anew, and its parts, by their first names.
    let named: Vec<(String, String)> = (applied.ids.iter())
        .filter_map(|(then, new)| Some(((*first_names.get(then.as_str())?).to_owned(), new.clone())))
        .collect();
    writes.remember(&key.kind, &named).await?;
    let action = if live.is_some() { PlanAction::Update } else { PlanAction::Create };
    let new_id = Some(writes.now_called(&key.id));
    writes.tally(|tally| tally.told(*place, &before.key(), action, new_id, applied));
    writes.advanced("undoing", Effort::default());
    Ok(())
}

/// Deletes an item that the restore had made.
async fn take_away(writes: &Writes<'_>, turn: &Turn<'_>) -> Result<()> {
    let Turn { place, before, now, spec } = turn;
    let (action, applied) = match &now.live_id {
        None => (PlanAction::Skip, Applied::default()),
        Some(made) => {
            let problems = match writes.parts.store.delete(spec, made).await {
                Ok(()) => Vec::new(),
                Err(Fault::Rejected(why)) => vec![why],
                Err(fault) => return Err(fault.into()),
            };
            (PlanAction::Delete, Applied { problems, ..Applied::default() })
        }
    };
    writes.tally(|tally| tally.told(*place, &before.key(), action, now.live_id.clone(), applied));
    writes.advanced("undoing", Effort::default());
    Ok(())
}
