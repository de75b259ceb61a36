//! What is done again and again on a connection, as it is sealed into its stores: the catalog is where it is read; what is sealed
//! brings it back where the catalog is lost.

use catalog::{Connection, Schedule, Task};
use domain::{Action, Grant, Timestamp};
use repository::Repository;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// The name of the sealed list.
const SCHEDULES: &str = "schedules";
/// The shortest and the longest time between two runs, in seconds.
pub const EVERY_S: std::ops::RangeInclusive<u64> = 60..=366 * 24 * 60 * 60;

/// A schedule, as it is sealed. Its orders are the vault's, and end with the cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    task: Task,
    every_s: u64,
    offset_s: u64,
}

/// A new schedule. `chance` says when it is due within its time, so that not all of them are due at once.
#[must_use]
pub fn new(connection: &Connection, task: Task, every_s: u64, chance: u64) -> Schedule {
    Schedule {
        tenant: connection.scope.tenant.clone(),
        connection: connection.scope.connection.clone(),
        platform: connection.scope.platform.clone(),
        task,
        every_s,
        offset_s: chance.checked_rem(every_s).unwrap_or_default(),
        orders: json!([]),
        paused: false,
        // At once, the first time.
        due_at: Timestamp::UNIX_EPOCH,
        whole_at: Timestamp::UNIX_EPOCH,
        taken_by: None,
        started_at: None,
        ended_at: None,
        outcome: None,
        failures: 0,
    }
}

/// Seals a connection's schedules, where they are not what was sealed last.
///
/// # Errors
/// Conflict while somebody else writes to the connection; when a store fails.
pub async fn seal(cell: &Cell, connection: &Connection) -> Result<()> {
    let scope = &connection.scope;
    let grant = cell.grant(scope, &[Action::Backup], "keep schedules").await?;
    let schedules = cell.catalog.schedules(&scope.tenant, &scope.connection).await?;
    let list: Vec<Sealed> = schedules
        .into_iter()
        .map(|Schedule { task, every_s, offset_s, .. }| Sealed { task, every_s, offset_s })
        .collect();
    let repository = cell.repository(scope);
    if sealed(&repository, &grant, Action::Backup).await?.unwrap_or_default() == list {
        return Ok(());
    }
    let held = cell.lease(scope).await?;
    let text = serde_json::to_vec(&list)
        .map_err(|error| FlowError::Input(format!("the schedules cannot be written: {error}")))?;
    repository.put_state(&grant, Action::Backup, SCHEDULES, &text).await?;
    cell.release(held).await
}

/// What was sealed last.
async fn sealed(repository: &Repository, grant: &Grant, action: Action) -> Result<Option<Vec<Sealed>>> {
    let Some(text) = repository.state(grant, action, SCHEDULES).await? else { return Ok(None) };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| FlowError::Integrity(format!("the sealed schedules are damaged: {error}")))
}

/// The schedules of a connection whose catalog was lost. They are paused: nobody has given orders for them.
pub(crate) async fn again(
    repository: &Repository,
    grant: &Grant,
    connection: &Connection,
) -> Result<Vec<Schedule>> {
    let sealed = sealed(repository, grant, Action::Read).await?.unwrap_or_default();
    let of = |Sealed { task, every_s, offset_s }| Schedule {
        offset_s,
        paused: true,
        ..new(connection, task, every_s, 0)
    };
    Ok(sealed.into_iter().map(of).collect())
}
