//! Reading a connection's history for people.

use domain::{Action, ConnectionId, Kind, RecordKey, Removal, SnapshotNumber, TenantId, Timestamp};
use repository::{Head, Reader, Record, RepositoryError};

use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// A line of a record's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// The snapshot that brought it.
    pub number: SnapshotNumber,
    /// When that was taken.
    pub taken_at: Timestamp,
    /// Why the record was gone from then on; `None`: a new version.
    pub removed: Option<Removal>,
}

/// Opens a connection's history. A store that has fallen behind what the catalog remembers is refused.
///
/// # Errors
/// Not found where nothing was backed up yet; integrity where the newest commit does not verify.
pub async fn open(
    cell: &Cell,
    tenant: &TenantId,
    name: &ConnectionId,
    action: Action,
    purpose: &str,
) -> Result<Reader> {
    let connection = cell.connection(tenant, name).await?;
    let grant = cell.grant(&connection.scope, &[action], purpose).await?;
    let known = cell.known_head(&connection.scope).await?;
    let reader = cell.repository(&connection.scope).reader(&grant, action, known.as_ref()).await;
    reader.map_err(|error| never_backed_up(name, error))
}

/// Where the history begins there is nothing to be found: said so that people know what to do.
#[must_use]
pub fn never_backed_up(name: &ConnectionId, error: RepositoryError) -> FlowError {
    match error {
        RepositoryError::NotFound(_) => {
            FlowError::NotFound(format!("`{name}` was never backed up: there is no snapshot of it yet"))
        }
        other => other.into(),
    }
}

/// The snapshot that a TIME names: `latest`, a snapshot's number, or a time (the newest at or before it).
///
/// # Errors
/// When the text is none of these, or there is no such snapshot.
pub async fn snapshot(reader: &Reader, at: &str) -> Result<Head> {
    if at == "latest" {
        return Ok(reader.latest().await?);
    }
    if let Ok(number) = at.parse() {
        return Ok(reader.at_number(SnapshotNumber(number)).await?);
    }
    match at.parse::<Timestamp>() {
        Ok(time) => Ok(reader.at_time(time).await?),
        Err(_) => Err(FlowError::Input(format!(
            "`{at}` is neither `latest`, nor a snapshot's number, nor a time such as 2026-11-24T12:00:00Z"
        ))),
    }
}

/// A record by the platform's id, or by its numeric tail: the whole id is looked for first.
///
/// # Errors
/// Not found; integrity where its bytes are damaged.
pub async fn record(reader: &Reader, kind: &Kind, id: &str, at: SnapshotNumber) -> Result<Record> {
    let exact = reader.get(&RecordKey::new(kind.clone(), id).map_err(RepositoryError::from)?, at).await;
    match exact {
        Err(RepositoryError::NotFound(what)) => match full_id(reader, kind, id, at).await? {
            Some(key) => Ok(reader.get(&key, at).await?),
            None => Err(RepositoryError::NotFound(what).into()),
        },
        other => Ok(other?),
    }
}

/// Finds the id that ends in `/TAIL`, by the first id of the kind: they differ in their tails only.
async fn full_id(reader: &Reader, kind: &Kind, tail: &str, at: SnapshotNumber) -> Result<Option<RecordKey>> {
    if tail.is_empty() || !tail.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let first = reader.scan(kind, at, None).await?.next_id().await?;
    let prefix =
        first.as_deref().and_then(|first| first.rsplit_once('/')).map(|(prefix, _)| prefix.to_owned());
    Ok(match prefix {
        Some(prefix) => {
            Some(RecordKey::new(kind.clone(), &format!("{prefix}/{tail}")).map_err(RepositoryError::from)?)
        }
        None => None,
    })
}

/// Every version of a record, newest first, with the times of their snapshots.
///
/// # Errors
/// Not found where there was never any.
pub async fn history(reader: &Reader, kind: &Kind, id: &str) -> Result<Vec<HistoryLine>> {
    let key = RecordKey::new(kind.clone(), id).map_err(RepositoryError::from)?;
    let entries = match reader.history(&key).await {
        Err(RepositoryError::NotFound(what)) => {
            let latest = reader.head().name.number;
            match full_id(reader, kind, id, latest).await? {
                Some(key) => reader.history(&key).await?,
                None => return Err(RepositoryError::NotFound(what).into()),
            }
        }
        other => other?,
    };
    let mut lines = Vec::with_capacity(entries.len());
    for entry in entries {
        let taken_at = reader.commit_at(entry.number).await?.commit.taken_at;
        lines.push(HistoryLine { number: entry.number, taken_at, removed: entry.removed });
    }
    Ok(lines)
}
