//! Taking a restore back.

use catalog::RestoreState;
use connectors::contract::{Applied, Fault, IdMap, KindSpec, Lookup, PlanAction};
use domain::{Id128, Kind, RecordKey, TenantId};

use super::apply::{Before, Job, RestoreReport, Saved, Writes, begin, saved_before};
use super::plan::{Ask, LOOKUPS, Parts};
use super::{RestoreProgress, parse};
use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// Puts back what a restore overwrote, and deletes what it made. Is itself a restore, and can be undone.
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
    let mut writes = Writes::new(&parts, id, saved.items.len()).await?;
    // The saved items bear live ids: nothing is to be mapped but what is made anew here.
    let mut ids = IdMap::default();
    let both: Vec<(&Before, &Before)> = saved.items.iter().zip(&again.items).collect();
    for (before, now) in both.iter().filter(|(before, _)| before.live.is_some()) {
        put_back(&mut writes, before, now, &mut ids).await?;
        progress.advanced("undoing", writes.done, writes.of);
    }
    // What was made goes when nothing leads to it any more; what was made last goes first.
    for (before, now) in both.iter().rev().filter(|(before, _)| before.live.is_none()) {
        take_away(&mut writes, before, now).await?;
        progress.advanced("undoing", writes.done, writes.of);
    }
    let report = writes.finish(started).await?;
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
                now.push(Before { live_id, live, ..before.clone() });
            }
        }
    }
    Ok(now)
}

/// Makes an item what it was.
async fn put_back(writes: &mut Writes<'_, '_>, before: &Before, now: &Before, ids: &mut IdMap) -> Result<()> {
    let Some(wanted) = &before.live else { return Ok(()) };
    let parts = writes.parts;
    let spec = spec_of(parts, &before.kind)?;
    let key = RecordKey { kind: before.kind.clone(), id: before.live_id.clone().unwrap_or_default() };
    let media = match parts.reader.get(&before.key(), parts.at()).await {
        Ok(record) => record.meta.media_refs,
        Err(_) => Vec::new(),
    };
    let job = Job { key: &key, spec, wanted, live: now.live.as_ref(), media: &media };
    let applied = writes.apply_one(job, ids).await?;
    let new_id = ids.resolve(&key.id).to_owned();
    if *new_id != *key.id {
        // The backup knows it by its first name.
        writes.remember(&key.kind, &[(before.id.to_string(), new_id.clone())]).await?;
    }
    let action = if now.live.is_some() { PlanAction::Update } else { PlanAction::Create };
    match action {
        PlanAction::Create => writes.report.created += 1,
        _ => writes.report.updated += 1,
    }
    writes.told(&before.key(), action, Some(new_id.into()), applied);
    Ok(())
}

/// Deletes an item that the restore had made.
async fn take_away(writes: &mut Writes<'_, '_>, before: &Before, now: &Before) -> Result<()> {
    let Some(made) = &now.live_id else {
        writes.told(&before.key(), PlanAction::Skip, None, Applied::default());
        return Ok(());
    };
    let spec = spec_of(writes.parts, &before.kind)?;
    let problems = match writes.parts.store.delete(spec, made).await {
        Ok(()) => Vec::new(),
        Err(Fault::Rejected(why)) => vec![why],
        Err(fault) => return Err(fault.into()),
    };
    writes.report.deleted += u64::from(problems.is_empty());
    let applied = Applied { problems, ..Applied::default() };
    writes.told(&before.key(), PlanAction::Delete, now.live_id.clone(), applied);
    Ok(())
}
