//! What the law gives a person: all that is kept of them, and that it is kept no more.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use catalog::Connection;
use connectors::contract::{Ids, id_of};
use connectors::registry::platform;
use domain::{Action, AuditEvent, Kind, Operation, Outcome, Platform, SnapshotNumber, SubjectId, Timestamp};
use repository::{Reader, RepositoryError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::cell::Cell;
use crate::error::{FlowError, Result};
use crate::export::Files;
use crate::read;

/// The file of an export.
pub const FILE: &str = "person.jsonl";

/// What is kept of a person, or was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// How many records, by kind.
    pub records: BTreeMap<Kind, u64>,
    /// How many versions of them.
    pub versions: u64,
    /// How many snapshots brought one.
    pub snapshots: u64,
}

impl Kept {
    fn of(found: &[(domain::RecordKey, Vec<SnapshotNumber>)]) -> Self {
        let mut kept = Self::default();
        let mut snapshots: BTreeSet<SnapshotNumber> = BTreeSet::new();
        for (key, numbers) in found {
            *kept.records.entry(key.kind.clone()).or_default() += 1;
            kept.versions += u64::try_from(numbers.len()).unwrap_or(u64::MAX);
            snapshots.extend(numbers);
        }
        kept.snapshots = u64::try_from(snapshots.len()).unwrap_or(u64::MAX);
        kept
    }
}

/// What was handed over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exported {
    /// What is kept of the person.
    #[serde(flatten)]
    pub kept: Kept,
    /// Versions that cannot be read any more, since the person was erased.
    pub erased: u64,
}

/// What an erasure did: the certificate of it, of which the trail has the figures too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Erasure {
    /// What can be read no more.
    #[serde(flatten)]
    pub kept: Kept,
    /// When that was made sure of.
    pub erased_at: Timestamp,
    /// Tables that had held the person's key and were deleted.
    pub tables_deleted: u64,
    /// Copies outside of snapshots that were deleted, whosever they were: of unfinished runs, and what restores had overwritten.
    pub copies_deleted: u64,
}

type Found = (SubjectId, Vec<(domain::RecordKey, Vec<SnapshotNumber>)>);

/// Somebody by the platform's id, or by its numeric tail, and what there is of them in any snapshot.
async fn find(reader: &Reader, of: &Platform, kind: &Kind, id: &str) -> Result<Found> {
    let spec = platform(of.as_str()).and_then(|spec| spec.kinds.iter().find(|row| row.name == kind.as_str()));
    if spec.is_some_and(|spec| spec.subject.is_none()) {
        return Err(FlowError::Input(format!("`{kind}` holds nobody's data: give the kind of a person")));
    }
    let is_numbered = spec.is_some_and(|spec| spec.ids == Ids::Numbers);
    let subject = |id: &str| match is_numbered {
        true => id_of(kind.as_str(), &json!(id)).map(|id| SubjectId(id.into())),
        false => Some(SubjectId(format!("{kind}/{id}").into())),
    };
    if let Some(subject) = subject(id) {
        let found = reader.of_person(&subject).await?;
        if !found.is_empty() {
            return Ok((subject, found));
        }
    }
    let mut all: Vec<Found> = Vec::new();
    let latest = reader.latest().await?.name.number;
    for key in read::ending_in(reader, kind, id, latest).await? {
        let Some(subject) = subject(&key.id) else { continue };
        let found = reader.of_person(&subject).await?;
        if !found.is_empty() {
            all.push((subject, found));
        }
    }
    match (all.pop(), all.is_empty()) {
        (Some(found), true) => Ok(found),
        (Some(_), false) => Err(FlowError::Input(format!("`{id}` may be several: give the whole id"))),
        (None, _) => Err(FlowError::NotFound(format!("no snapshot holds anything of {kind} `{id}`"))),
    }
}

/// A line of the export: one version of one record.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'a Kind,
    id: &'a str,
    snapshot: SnapshotNumber,
    observed_at: Timestamp,
    record: &'a RawValue,
}

/// Hands over every version of every record of a person, as lines of JSON in [`FILE`].
///
/// # Errors
/// Not found where no snapshot holds anything of them; when something cannot be read or handed over.
pub async fn export(
    cell: &Cell,
    connection: &Connection,
    (kind, id): (&Kind, &str),
    files: &dyn Files,
) -> Result<Exported> {
    let scope = &connection.scope;
    let reader =
        read::open(cell, &scope.tenant, &scope.connection, Action::Export, "hand a person's records over")
            .await?;
    let (_, found) = find(&reader, &scope.platform, kind, id).await?;
    let mut erased = 0;
    for (key, numbers) in &found {
        for number in numbers {
            let record = match reader.get(key, *number).await {
                Ok(record) => record,
                Err(RepositoryError::Erased(_)) => {
                    erased += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let not_json = || FlowError::Integrity(format!("{key} of snapshot {number} is not JSON"));
            let payload = std::str::from_utf8(&record.payload).map_err(|_| not_json())?;
            let payload: Box<RawValue> = serde_json::from_str(payload).map_err(|_| not_json())?;
            let line = Line {
                kind: &key.kind,
                id: &key.id,
                snapshot: *number,
                observed_at: record.meta.observed_at,
                record: &payload,
            };
            let mut line = serde_json::to_vec(&line).map_err(|_| not_json())?;
            line.push(b'\n');
            files.append(FILE, Bytes::from(line)).await?;
        }
    }
    Ok(Exported { kept: Kept::of(&found), erased })
}

/// Destroys a person's key, and with it every version of their records in every snapshot. Should the platform still have them, the
/// next backup keeps them anew.
///
/// # Errors
/// Not found where no snapshot holds anything of them; conflict while somebody else writes: then it is done again as a whole.
pub async fn erase(cell: &Cell, connection: &Connection, (kind, id): (&Kind, &str)) -> Result<Erasure> {
    let scope = &connection.scope;
    let mut held = cell.lease(scope).await?;
    let grant = cell.grant(scope, &[Action::Erase, Action::Backup], "erase a person").await?;
    let repository = cell.repository(scope);
    let known = cell.known_head(scope).await?;
    let reader = repository.reader(&grant, Action::Erase, known.as_ref()).await;
    let reader = reader.map_err(|error| read::never_backed_up(&scope.connection, error))?;
    let (subject, found) = find(&reader, &scope.platform, kind, id).await?;
    let lease = cell.writing(scope, &grant, &mut held).await?;
    let done = repository.erase(&grant, &lease, &[subject]).await?;
    cell.release(held).await?;
    let kept = Kept::of(&found);
    // The certificate: whom it was about is on the record apart, sealed.
    let records: u64 = kept.records.values().sum();
    let detail = format!(
        "one person's key destroyed: {records} records, {} versions, {} snapshots; {} tables, {} copies deleted",
        kept.versions, kept.snapshots, done.tables_deleted, done.copies_deleted
    );
    let object = format!("{}/{}", scope.tenant, scope.connection);
    let event = AuditEvent::new(grant.principal.clone(), Operation::PersonErased, object, Outcome::Done);
    let event = AuditEvent { grant: Some(grant.id), ..event.with_detail(detail) };
    cell.audit.record(event).await.map_err(|error| FlowError::Refused(error.to_string()))?;
    Ok(Erasure {
        kept,
        erased_at: cell.clock.now(),
        tables_deleted: done.tables_deleted,
        copies_deleted: done.copies_deleted,
    })
}
