//! Taking a restore back.

use catalog::RestoreState;
use connectors::contract::{IdMap, PlanAction, RestoreOptions};
use domain::{Id128, RecordKey, SnapshotNumber, TenantId};

use super::RestoreProgress;
use super::apply::{Before, ItemReport, RestoreReport, Saved, Writes, begin, live_now, load_saved};
use super::plan::{Ask, Parts, Selection};
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
    let ask = Ask {
        tenant: tenant.clone(),
        connection: row.connection.clone(),
        target: row.target.clone(),
        selection: Selection::At(SnapshotNumber(0)),
        kinds: Vec::new(),
        ids: Vec::new(),
        options: RestoreOptions::default(),
    };
    let parts = Parts::open(cell, &ask).await?;
    let lease = cell.lease(&parts.target.scope).await?;
    let saved = load_saved(&parts, restore).await?;
    let spec_of = |kind: &domain::Kind| parts.store.kinds().iter().find(|spec| spec.name == kind.as_str());
    // The state before this undo, so that it can be undone in turn.
    let mut now = Vec::with_capacity(saved.items.len());
    for before in &saved.items {
        let Some(spec) = spec_of(&before.kind) else { continue };
        let live_id = before.live_id.clone().unwrap_or_else(|| parts.ids.resolve(&before.id).into());
        let live = live_now(&parts, spec, &live_id).await?;
        now.push(Before { live_id: live.as_ref().map(|_| live_id), live, ..before.clone() });
    }
    let again = Saved { options: saved.options.clone(), items: now, ..saved.clone() };
    let id = begin(&parts, &again, &format!("undo {restore}"), Some(restore)).await?;
    let mut writes = Writes::new(&parts, id, saved.items.len());
    // What was made last goes first: it may refer to what was made before it.
    for (before, now) in saved.items.iter().zip(&again.items).rev() {
        let Some(spec) = spec_of(&before.kind) else { continue };
        let key = RecordKey { kind: before.kind.clone(), id: before.id.clone() };
        let (action, problems) = match (&before.live, &now.live) {
            (None, None) => (PlanAction::Skip, Vec::new()),
            (None, Some(_)) => {
                let made = now.live_id.clone().unwrap_or_default();
                parts.store.delete(spec, &made).await?;
                writes.report.deleted += 1;
                (PlanAction::Delete, Vec::new())
            }
            (Some(wanted), live) => {
                // The saved item bears live ids: nothing is to be mapped.
                let ids = IdMap::default();
                let applied = writes.apply_one(&key, spec, wanted, live.as_ref(), Vec::new(), &ids).await?;
                writes.remember(&key.kind, &applied.ids).await?;
                writes.report.updated += 1;
                (PlanAction::Update, applied.problems)
            }
        };
        writes.report.complete &= problems.is_empty();
        writes.report.items.push(ItemReport {
            kind: key.kind,
            id: key.id,
            new_id: now.live_id.clone(),
            action,
            problems,
            possibly_twice: false,
        });
        writes.done += 1;
        progress.advanced("undoing", writes.done, writes.of);
    }
    let report = writes.finish(started).await?;
    cell.catalog.move_restore(tenant, restore, (row.state, RestoreState::Undone), cell.clock.now()).await?;
    cell.release(lease).await?;
    Ok(report)
}
