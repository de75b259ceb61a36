//! Living within space: dropping snapshots, compacting, collecting what nothing names, and building a lost index
//! anew. Each takes the connection as a backup does, so that none runs beside one.

use std::time::Duration;

use catalog::Connection;
use domain::{Action, SnapshotNumber, Timestamp};
use repository::{Collected, CommitName, Depth, Head, Lease, Repository, RepositoryError, Retention};
use serde::{Deserialize, Serialize};

use crate::cell::{Cell, HeldLease};
use crate::error::{FlowError, Result};
use crate::read::never_backed_up;
use crate::restore;

/// A snapshot that stays or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    /// Its number.
    pub snapshot: SnapshotNumber,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// What the rules say of a connection's snapshots, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruning {
    /// These stay.
    pub kept: Vec<Dated>,
    /// These go.
    pub dropped: Vec<Dated>,
}

/// What a compaction did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Compacting {
    /// The head afterwards.
    pub head: CommitName,
    /// Versions of records that no snapshot shows any more and that left the index.
    pub versions_dropped: u64,
    /// Packs that nothing names any more.
    pub packs_dropped: u64,
    /// Bytes that were written for it.
    pub bytes_written: u64,
}

/// What the rules would drop. Changes nothing.
///
/// # Errors
/// When the history cannot be read. Never backed up: nothing is kept and nothing dropped.
pub async fn pruning(cell: &Cell, connection: &Connection, rules: &Retention) -> Result<Pruning> {
    let scope = &connection.scope;
    let grant = cell.grant(scope, &[Action::Read], "choose snapshots to drop").await?;
    let known = cell.known_head(scope).await?;
    let heads = match cell.repository(scope).reader(&grant, Action::Read, known.as_ref()).await {
        Ok(reader) => reader.snapshots().await?,
        Err(RepositoryError::NotFound(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let dated: Vec<_> = heads.iter().map(|head| (head.name.number, head.commit.taken_at)).collect();
    let drop = repository::to_drop(rules, &dated);
    let (dropped, kept) = dated
        .into_iter()
        .map(|(snapshot, taken_at)| Dated { snapshot, taken_at })
        .partition(|one| drop.contains(&one.snapshot));
    Ok(Pruning { kept, dropped })
}

/// The connection, taken to change what is stored of it.
struct Taken {
    repository: Repository,
    grant: domain::Grant,
    lease: Lease,
    held: HeldLease,
}

async fn take(cell: &Cell, connection: &Connection, purpose: &str) -> Result<Taken> {
    let scope = &connection.scope;
    let mut held = cell.lease(scope).await?;
    let grant = cell.grant(scope, &[Action::Prune, Action::Backup], purpose).await?;
    let lease = cell.writing(scope, &grant, &mut held).await?;
    Ok(Taken { repository: cell.repository(scope), grant, lease, held })
}

/// Drops snapshots. Answers the new head.
///
/// # Errors
/// Conflict while somebody else writes; usage where the newest is among them.
pub async fn prune(cell: &Cell, connection: &Connection, numbers: &[SnapshotNumber]) -> Result<CommitName> {
    let Taken { repository, grant, lease, held } = take(cell, connection, "drop snapshots").await?;
    let head: Head = repository.prune(&grant, &lease, numbers).await?;
    cell.release(held).await?;
    Ok(head.name)
}

/// Takes what no snapshot shows out of the index, and copies together what is left of packs that are mostly dropped.
///
/// # Errors
/// Conflict while somebody else writes; integrity where something is damaged.
pub async fn compact(cell: &Cell, connection: &Connection) -> Result<Compacting> {
    let Taken { repository, grant, lease, held } = take(cell, connection, "compact").await?;
    let done = repository
        .compact(&grant, &lease)
        .await
        .map_err(|error| never_backed_up(&connection.scope.connection, error))?;
    cell.release(held).await?;
    Ok(Compacting {
        head: done.head.name,
        versions_dropped: done.versions_dropped,
        packs_dropped: done.packs_dropped,
        bytes_written: done.bytes_written,
    })
}

/// One pass: deletes what the pass before listed, if that is at least `grace` ago, and lists anew. What restores
/// overwrote goes too, once it is old ([`restore::KEPT`]).
///
/// # Errors
/// Conflict while somebody else writes; integrity where something is damaged: nothing is deleted then.
pub async fn collect(cell: &Cell, connection: &Connection, grace: Duration) -> Result<Collected> {
    let Taken { repository, grant, lease, held } = take(cell, connection, "collect").await?;
    let collected = repository
        .collect(&grant, &lease, grace)
        .await
        .map_err(|error| never_backed_up(&connection.scope.connection, error))?;
    let (deleted, bytes) = restore::forget_old(cell, &connection.scope).await?;
    cell.release(held).await?;
    Ok(Collected { deleted: collected.deleted + deleted, bytes: collected.bytes + bytes, ..collected })
}

/// Builds the index anew from the packs, without those of these paths, which are lost. Answers the new head.
///
/// # Errors
/// Conflict while somebody else writes; integrity where another pack is missing too; usage where a path names nothing
/// that is missing or damaged.
pub async fn rebuild(cell: &Cell, connection: &Connection, lost: &[String]) -> Result<CommitName> {
    are_lost(cell, connection, lost).await?;
    let Taken { repository, grant, lease, held } = take(cell, connection, "rebuild the index").await?;
    let head = repository
        .rebuild_index_without(&grant, &lease, lost)
        .await
        .map_err(|error| never_backed_up(&connection.scope.connection, error))?;
    cell.release(held).await?;
    Ok(head.name)
}

/// Refuses to take something for lost that is there and whole: what it holds would be given up for nothing.
async fn are_lost(cell: &Cell, connection: &Connection, lost: &[String]) -> Result<()> {
    let scope = &connection.scope;
    let packs = format!("{}/pack/", repository::place(scope));
    let mut damaged: Option<Vec<String>> = None;
    for path in lost {
        if !path.starts_with(&packs) {
            return Err(FlowError::Input(format!(
                "`{path}` is no pack of `{}`: its packs are {packs}…",
                scope.connection
            )));
        }
        let grant = cell.grant(scope, &[Action::Verify], "see what is lost").await?;
        let repository = cell.repository(scope);
        if !repository.pack_opens(&grant, path).await? {
            continue;
        }
        if damaged.is_none() {
            let report = repository.verify(&grant, Depth::AllBytes, None, &|_| {}).await?;
            damaged = Some(report.damaged_objects.into_iter().map(|found| found.object).collect());
        }
        if !damaged.iter().flatten().any(|found| found == path) {
            return Err(FlowError::Input(format!(
                "`{path}` is there and whole: nothing of it is lost, and nothing was changed"
            )));
        }
    }
    Ok(())
}
