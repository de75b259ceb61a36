//! Reading a connection's history for people.

use std::collections::BTreeSet;

use domain::{Action, ConnectionId, Kind, Platform, RecordKey, Removal, SnapshotNumber, TenantId, Timestamp};
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
    let (connection, known) = cell.connection_and_head(tenant, name).await?;
    let grant = cell.grant(&connection.scope, &[action], purpose).await?;
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

/// Refuses a kind that is a slip of the pen: neither the platform has it nor one of these snapshots.
///
/// # Errors
/// Usage, with where the kinds are listed.
pub fn check_kind<'a>(
    platform: &Platform,
    heads: impl IntoIterator<Item = &'a Head>,
    kind: &Kind,
) -> Result<()> {
    let spec = connectors::registry::platform(platform.as_str());
    let known = spec.is_some_and(|spec| spec.kinds.iter().any(|row| row.name == kind.as_str()));
    let mut held = BTreeSet::new();
    for head in heads {
        held.extend(head.commit.kinds.keys());
    }
    if known || held.contains(kind) {
        return Ok(());
    }
    let held: Vec<String> = held.iter().map(|kind| format!("`{kind}`")).collect();
    let advice = match (spec, held.is_empty()) {
        (Some(_), _) => format!("see `caretaker kinds {platform}`"),
        (None, false) => format!("it holds {}", held.join(", ")),
        (None, true) => "it holds none yet".to_owned(),
    };
    Err(FlowError::Input(format!("`{kind}` is no kind of this connection: {advice}")))
}

/// A record by the platform's id, or by its numeric tail: the whole id is looked for first.
///
/// # Errors
/// Not found; integrity where its bytes are damaged.
pub async fn record(reader: &Reader, kind: &Kind, id: &str, at: SnapshotNumber) -> Result<Record> {
    let exact = reader.get(&key(kind, id)?, at).await;
    let Err(RepositoryError::NotFound(what)) = exact else { return Ok(exact?) };
    let mut found = None;
    for full in ending_in(reader, kind, id, at).await? {
        match reader.get(&full, at).await {
            Ok(record) => one_only(&mut found, record, id, |record| &record.key)?,
            Err(RepositoryError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.ok_or_else(|| RepositoryError::NotFound(what).into())
}

fn key(kind: &Kind, id: &str) -> Result<RecordKey> {
    Ok(RecordKey::new(kind.clone(), id).map_err(RepositoryError::from)?)
}

/// Keeps what was found, and refuses a second one: the tail does not say which is meant.
fn one_only<T>(found: &mut Option<T>, next: T, tail: &str, key: impl Fn(&T) -> &RecordKey) -> Result<()> {
    if let Some(first) = found {
        return Err(FlowError::Input(format!(
            "`{tail}` may be `{}` or `{}`: give the whole id",
            key(first).id,
            key(&next).id
        )));
    }
    *found = Some(next);
    Ok(())
}

/// The ids that end in `/TAIL`, one for each sort of id that the kind has: some have several.
pub(crate) async fn ending_in(
    reader: &Reader,
    kind: &Kind,
    tail: &str,
    at: SnapshotNumber,
) -> Result<Vec<RecordKey>> {
    let mut ids = Vec::new();
    if tail.is_empty() || !tail.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(ids);
    }
    let mut after: Option<String> = None;
    while let Some(id) = reader.scan(kind, at, after.as_deref()).await?.next_id().await? {
        // Ids that are no paths have no tails either.
        let Some((sort, _)) = id.rsplit_once('/') else { break };
        ids.push(key(kind, &format!("{sort}/{tail}"))?);
        // `0` follows `/`: the next id is the first of another sort.
        after = Some(format!("{sort}0"));
    }
    Ok(ids)
}

/// Every version of a record, newest first, with the times of their snapshots.
///
/// # Errors
/// Not found where there was never any.
pub async fn history(reader: &Reader, kind: &Kind, id: &str) -> Result<Vec<HistoryLine>> {
    let entries = match reader.history(&key(kind, id)?).await {
        Err(RepositoryError::NotFound(what)) => {
            let mut found = None;
            for full in ending_in(reader, kind, id, reader.head().name.number).await? {
                match reader.history(&full).await {
                    Ok(entries) => one_only(&mut found, (full, entries), id, |(full, _)| full)?,
                    Err(RepositoryError::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            found.ok_or(RepositoryError::NotFound(what))?.1
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
