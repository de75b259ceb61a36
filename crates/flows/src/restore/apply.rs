//! Applying a plan.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use catalog::{LedgerEntry, Restore, RestoreState, StepResult, StepState};
use connectors::contract::{
    Applied, Fault, IdMap, ItemWrite, Journal, KindSpec, Lookup, MediaReader, PlanAction, Prior,
    RestoreOptions, SpoolError,
};
use domain::{Action, ConnectionId, Id128, Ids as _, Kind, MediaRef, RecordKey, TenantId};
use futures::future::BoxFuture;
use repository::{MediaStore, RepositoryError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::{Candidate, Parts, Plan, Selection, summed_up};
use super::{RestoreProgress, parse};
use crate::cell::Cell;
use crate::error::{FlowError, Result, with_causes};

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemReport {
    /// Its kind.
    pub kind: Kind,
    /// Its id in the backup.
    pub id: Box<str>,
    /// Its id on the live store now, where it is there.
    pub new_id: Option<Box<str>>,
    /// What was to be done.
    #[serde(flatten)]
    pub action: PlanAction,
    /// What could not be done, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// It cannot be known whether it was made twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub possibly_twice: bool,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The restore's id: `restore undo ID` takes it back.
    pub restore: Id128,
    /// Whether everything that was planned is done.
    pub complete: bool,
    /// Items made anew.
    pub created: u64,
    /// Items set back.
    pub updated: u64,
    /// Items deleted (by an undo).
    pub deleted: u64,
    /// Items that needed nothing.
    pub skipped: u64,
    /// Items that could not be restored.
    pub cannot: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that were throttled.
    pub throttled: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Every item that was touched or could not be.
    pub items: Vec<ItemReport>,
}

/// An item as it was before the restore touched it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) kind: Kind,
    pub(super) id: Box<str>,
    pub(super) live_id: Option<Box<str>>,
    /// `None`: it was not there.
    pub(super) live: Option<Value>,
}

/// What is sealed before the first write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) tenant: TenantId,
    pub(super) connection: ConnectionId,
    pub(super) target: ConnectionId,
    pub(super) options: RestoreOptions,
    pub(super) items: Vec<Before>,
}

pub(super) fn state_name(restore: Id128, what: &str) -> String {
    format!("restore-{restore}-{what}")
}

/// Applies a plan: draws it up again, and refuses where anything differs.
///
/// An interrupted application of the same plan goes on where it stood.
///
/// # Errors
/// [`FlowError::Conflict`] where the store has moved since the plan, or the plan was edited.
pub async fn apply(cell: &Cell, plan: &Plan, progress: &dyn RestoreProgress) -> Result<RestoreReport> {
    let started = cell.clock.monotonic();
    let parts = Parts::open(cell, &plan.ask).await?;
    let lease = cell.lease(&parts.target.scope).await?;
    let digest = digest(plan)?;
    let interrupted = cell
        .catalog
        .restores(&plan.ask.tenant, &plan.ask.connection)
        .await?
        .into_iter()
        .find(|restore| restore.plan_digest == digest && restore.state == RestoreState::Applying);
    let (candidates, mut ids) = parts.candidates(progress).await?;
    let (restore, saved) = match interrupted {
        Some(restore) => {
            let saved = load_saved(&parts, restore.id).await?;
            (restore.id, saved)
        }
        None => {
            let again = summed_up(&parts, &candidates).await?;
            if again.items != plan.items || plan.format != again.format {
                return Err(FlowError::Conflict(moved(plan, &again)));
            }
            let saved = Saved {
                tenant: plan.ask.tenant.clone(),
                connection: plan.ask.connection.clone(),
                target: plan.ask.target.clone(),
                options: plan.ask.options.clone(),
                items: before(&candidates)?,
            };
            (begin(&parts, &saved, &digest, None).await?, saved)
        }
    };
    let mut writes = Writes::new(&parts, restore, saved.items.len());
    let already: BTreeMap<RecordKey, &Before> = saved
        .items
        .iter()
        .filter_map(|before| Some((RecordKey::new(before.kind.clone(), &before.id).ok()?, before)))
        .collect();
    for candidate in &candidates {
        let key = RecordKey { kind: candidate.item.kind.clone(), id: candidate.item.id.clone() };
        let was_planned = already.contains_key(&key);
        match &candidate.item.plan.action {
            PlanAction::Create | PlanAction::Update => {
                let applied = writes.write(candidate, &ids).await;
                writes.note(candidate, applied, &mut ids).await?;
            }
            // Done by the interrupted application.
            PlanAction::Skip if was_planned => writes.count_done(&already, &key),
            PlanAction::Skip => writes.report.skipped += 1,
            PlanAction::Cannot { .. } | PlanAction::Delete => writes.cannot(candidate),
        }
        progress.advanced("restoring", writes.done, writes.of);
    }
    let report = writes.finish(started).await?;
    cell.release(lease).await?;
    Ok(report)
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

fn before(candidates: &[Candidate]) -> Result<Vec<Before>> {
    let touched = candidates
        .iter()
        .filter(|candidate| matches!(candidate.item.plan.action, PlanAction::Create | PlanAction::Update));
    touched
        .map(|candidate| {
            Ok(Before {
                kind: candidate.item.kind.clone(),
                id: candidate.item.id.clone(),
                live_id: candidate.live.as_ref().map(|item| item.id.clone()),
                live: candidate.live.as_ref().map(|item| parse(&item.payload)).transpose()?,
            })
        })
        .collect()
}

/// Seals what is about to be touched, then notes the restore.
pub(super) async fn begin(
    parts: &Parts<'_>,
    saved: &Saved,
    digest: &str,
    undo_of: Option<Id128>,
) -> Result<Id128> {
    let cell = parts.cell;
    let restore = cell.rng.next_id();
    let grant = cell.grant(&parts.source.scope, &[Action::Restore], "save what a restore touches").await?;
    let text =
        serde_json::to_vec(saved).map_err(|error| FlowError::Input(format!("what is saved: {error}")))?;
    // INVARIANT (saved before touched): no write goes to the platform before this is durable.
    let repository = cell.repository(&parts.source.scope);
    repository.put_state(&grant, Action::Restore, &state_name(restore, "before"), &text).await?;
    let now = cell.clock.now();
    let row = Restore {
        id: restore,
        connection: saved.connection.clone(),
        target: saved.target.clone(),
        plan_digest: digest.to_owned(),
        undo_of,
        state: RestoreState::Applying,
        created_at: now,
        changed_at: now,
    };
    cell.catalog.add_restore(&saved.tenant, &row).await?;
    Ok(restore)
}

pub(super) async fn load_saved(parts: &Parts<'_>, restore: Id128) -> Result<Saved> {
    let grant =
        parts.cell.grant(&parts.source.scope, &[Action::Restore], "read what a restore touched").await?;
    let repository = parts.cell.repository(&parts.source.scope);
    let text = repository.state(&grant, Action::Restore, &state_name(restore, "before")).await?;
    let text =
        text.ok_or_else(|| FlowError::Integrity(format!("what restore {restore} touched was not saved")))?;
    serde_json::from_slice(&text)
        .map_err(|error| FlowError::Integrity(format!("what restore {restore} touched is damaged: {error}")))
}

/// The writes of one restore.
pub(super) struct Writes<'a, 'b> {
    parts: &'a Parts<'b>,
    pub(super) restore: Id128,
    pub(super) report: RestoreReport,
    pub(super) done: u64,
    pub(super) of: u64,
}

impl<'a, 'b> Writes<'a, 'b> {
    pub(super) fn new(parts: &'a Parts<'b>, restore: Id128, of: usize) -> Self {
        let report = RestoreReport {
            restore,
            complete: true,
            created: 0,
            updated: 0,
            deleted: 0,
            skipped: 0,
            cannot: 0,
            requests: 0,
            throttled: 0,
            duration_ms: 0,
            items: Vec::new(),
        };
        Self { parts, restore, report, done: 0, of: u64::try_from(of).unwrap_or(u64::MAX) }
    }

    async fn write(&self, candidate: &Candidate, ids: &IdMap) -> Result<Applied> {
        let key = RecordKey { kind: candidate.item.kind.clone(), id: candidate.item.id.clone() };
        let at = match self.parts.ask.selection {
            Selection::At(at) | Selection::Revert(at, _) => at,
        };
        let media = match self.parts.reader.get(&key, at).await {
            Ok(record) => record.meta.media_refs,
            Err(_) => Vec::new(),
        };
        let live = candidate.live.as_ref().map(|item| parse(&item.payload)).transpose()?;
        self.apply_one(&key, candidate.spec, &candidate.wanted, live.as_ref(), media, ids).await
    }

    pub(super) async fn apply_one(
        &self,
        key: &RecordKey,
        spec: &'static KindSpec,
        wanted: &Value,
        live: Option<&Value>,
        media: Vec<MediaRef>,
        ids: &IdMap,
    ) -> Result<Applied> {
        let cell = self.parts.cell;
        let grant =
            cell.grant(&self.parts.source.scope, &[Action::Restore], "read media for a restore").await?;
        let stored = cell.repository(&self.parts.source.scope).media(&grant, Action::Restore).await?;
        let media = StoredMediaReader { stored, refs: media };
        let journal = CatalogJournal {
            parts: self.parts,
            restore: self.restore,
            item: format!("{} {}", key.kind, key.id),
        };
        let options = &self.parts.ask.options;
        let write = ItemWrite {
            kind: spec,
            id: &key.id,
            wanted,
            live,
            options,
            ids,
            media: &media,
            journal: &journal,
        };
        Ok(self.parts.store.apply(write).await?)
    }

    /// Notes what became of an item: new ids into the ledger, problems into the report.
    async fn note(&mut self, candidate: &Candidate, applied: Result<Applied>, ids: &mut IdMap) -> Result<()> {
        let applied = match applied {
            Ok(applied) => applied,
            Err(FlowError::Platform(Fault::Rejected(why))) => {
                Applied { problems: vec![why], ..Applied::default() }
            }
            Err(error) => return Err(error),
        };
        let key = RecordKey { kind: candidate.item.kind.clone(), id: candidate.item.id.clone() };
        self.remember(&key.kind, &applied.ids).await?;
        for (old, new) in &applied.ids {
            ids.insert(old, new);
        }
        let whole = applied.problems.is_empty() && !applied.possibly_twice;
        self.report.complete &= whole;
        match candidate.item.plan.action {
            PlanAction::Create => self.report.created += 1,
            _ => self.report.updated += 1,
        }
        let new_id = Some(ids.resolve(&key.id).into());
        let action = candidate.item.plan.action.clone();
        let (problems, possibly_twice) = (applied.problems, applied.possibly_twice);
        self.report.items.push(ItemReport {
            kind: key.kind,
            id: key.id,
            new_id,
            action,
            problems,
            possibly_twice,
        });
        self.done += 1;
        Ok(())
    }

    /// Writes new ids into the ledger.
    pub(super) async fn remember(&self, kind: &Kind, pairs: &[(String, String)]) -> Result<()> {
        let ask = self.parts.ask;
        let now = self.parts.cell.clock.now();
        let mut entries = Vec::with_capacity(pairs.len());
        for (old, new) in pairs.iter().filter(|(old, new)| old != new) {
            entries.push(LedgerEntry {
                connection: ask.connection.clone(),
                target: ask.target.clone(),
                old: RecordKey::new(kind.clone(), old).map_err(RepositoryError::from)?,
                new_id: new.as_str().into(),
                restore: self.restore,
                recorded_at: now,
            });
        }
        if !entries.is_empty() {
            self.parts.cell.catalog.record_ids(&ask.tenant, &entries).await?;
        }
        Ok(())
    }

    fn count_done(&mut self, already: &BTreeMap<RecordKey, &Before>, key: &RecordKey) {
        match already.get(key).and_then(|before| before.live.as_ref()) {
            None => self.report.created += 1,
            Some(_) => self.report.updated += 1,
        }
        self.done += 1;
    }

    fn cannot(&mut self, candidate: &Candidate) {
        self.report.cannot += 1;
        self.report.items.push(ItemReport {
            kind: candidate.item.kind.clone(),
            id: candidate.item.id.clone(),
            new_id: None,
            action: candidate.item.plan.action.clone(),
            problems: Vec::new(),
            possibly_twice: false,
        });
    }

    /// Seals the ledger and the report, and closes the restore.
    pub(super) async fn finish(mut self, started: std::time::Duration) -> Result<RestoreReport> {
        let cell = self.parts.cell;
        let ask = self.parts.ask;
        let usage = self.parts.store.usage();
        self.report.requests = usage.requests;
        self.report.throttled = usage.throttled;
        let duration = cell.clock.monotonic().saturating_sub(started);
        self.report.duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let grant =
            cell.grant(&self.parts.source.scope, &[Action::Restore], "seal ledger and report").await?;
        let repository = cell.repository(&self.parts.source.scope);
        let ledger = cell.catalog.ledger(&ask.tenant, &ask.connection).await?;
        let ledger: Vec<SealedEntry> = ledger.into_iter().map(SealedEntry::from).collect();
        let text =
            serde_json::to_vec(&ledger).map_err(|error| FlowError::Input(format!("the ledger: {error}")))?;
        repository.put_state(&grant, Action::Restore, LEDGER, &text).await?;
        let text = serde_json::to_vec(&self.report)
            .map_err(|error| FlowError::Input(format!("the report: {error}")))?;
        repository.put_state(&grant, Action::Restore, &state_name(self.restore, "report"), &text).await?;
        let state = if self.report.complete { RestoreState::Done } else { RestoreState::Incomplete };
        let moved = (RestoreState::Applying, state);
        cell.catalog.move_restore(&ask.tenant, self.restore, moved, cell.clock.now()).await?;
        Ok(self.report)
    }
}

/// The name of the sealed id ledger.
pub const LEDGER: &str = "id-ledger";

/// A ledger entry as it is sealed into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedEntry {
    /// Into which connection.
    pub target: ConnectionId,
    /// Its kind and the id that it has in the snapshots.
    pub old: RecordKey,
    /// The id that it has in the target.
    pub new_id: Box<str>,
    /// By which restore.
    pub restore: Id128,
    /// When.
    pub recorded_at: domain::Timestamp,
}

impl From<LedgerEntry> for SealedEntry {
    fn from(entry: LedgerEntry) -> Self {
        let LedgerEntry { target, old, new_id, restore, recorded_at, .. } = entry;
        Self { target, old, new_id, restore, recorded_at }
    }
}

/// The sealed report of a restore.
///
/// # Errors
/// Not found where there is no such restore of the tenant's.
pub async fn show(cell: &Cell, tenant: &TenantId, restore: Id128) -> Result<RestoreReport> {
    let row = cell.catalog.restore(tenant, restore).await?;
    let connection = cell.connection(tenant, &row.connection).await?;
    let grant = cell.grant(&connection.scope, &[Action::Read], "show a restore").await?;
    let repository = cell.repository(&connection.scope);
    let text = repository.state(&grant, Action::Read, &state_name(restore, "report")).await?;
    let text = text.ok_or_else(|| {
        FlowError::Conflict(format!(
            "restore {restore} has not ended yet ({:?}): apply its plan again",
            row.state
        ))
    })?;
    serde_json::from_slice(&text)
        .map_err(|error| FlowError::Integrity(format!("the report is damaged: {error}")))
}

/// Steps, in the catalog.
struct CatalogJournal<'a, 'b> {
    parts: &'a Parts<'b>,
    restore: Id128,
    item: String,
}

impl CatalogJournal<'_, '_> {
    fn step(&self, step: &str) -> String {
        format!("{} {step}", self.item)
    }
}

fn failed(error: &dyn std::error::Error) -> SpoolError {
    SpoolError(with_causes(error))
}

impl Journal for CatalogJournal<'_, '_> {
    fn intend<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Prior, SpoolError>> {
        Box::pin(async move {
            let (catalog, tenant) = (&self.parts.cell.catalog, &self.parts.ask.tenant);
            let name = self.step(step);
            let known = catalog.steps(tenant, self.restore).await.map_err(|error| failed(&error))?;
            match known.get(&name) {
                None | Some(StepState::Refused) => {
                    let now = self.parts.cell.clock.now();
                    let noted = catalog.intend(tenant, self.restore, &[&name], now).await;
                    noted.map_err(|error| failed(&error))?;
                    Ok(Prior::New)
                }
                Some(StepState::Intent | StepState::Unknown) => Ok(Prior::InDoubt),
                Some(StepState::Done) => {
                    let ask = self.parts.ask;
                    let ledger =
                        catalog.ledger(tenant, &ask.connection).await.map_err(|error| failed(&error))?;
                    let own = ledger.into_iter().filter(|entry| entry.restore == self.restore);
                    Ok(Prior::Done(own.map(|e| (e.old.id.into(), e.new_id.into())).collect()))
                }
            }
        })
    }

    fn done<'a>(
        &'a self,
        step: &'a str,
        ids: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move {
            let (cell, ask) = (self.parts.cell, self.parts.ask);
            let kind = self.item.split(' ').next().and_then(|kind| Kind::new(kind).ok());
            if let Some(kind) = kind {
                let writes = Writes::new(self.parts, self.restore, 0);
                writes.remember(&kind, ids).await.map_err(|error| failed(&error))?;
            }
            let result = StepResult { step: self.step(step), state: StepState::Done, ledger: None };
            let finished =
                cell.catalog.finish_steps(&ask.tenant, self.restore, &[result], cell.clock.now()).await;
            finished.map_err(|error| failed(&error))
        })
    }
}

/// Media as the backup holds them.
struct StoredMediaReader {
    stored: MediaStore,
    refs: Vec<MediaRef>,
}

impl MediaReader for StoredMediaReader {
    fn read<'a>(&'a self, pointer: &'a str) -> BoxFuture<'a, Option<Result<Bytes, SpoolError>>> {
        Box::pin(async move {
            let found = self.refs.iter().find(|media| media.pointer == pointer)?;
            let mut bytes = BytesMut::new();
            let read = self.stored.read(&found.name, |chunk| {
                bytes.extend_from_slice(&chunk);
                Ok(())
            });
            Some(read.await.map(|()| bytes.freeze()).map_err(|error| failed(&error)))
        })
    }
}

/// Looks one item up on the live store.
pub(super) async fn live_now(parts: &Parts<'_>, spec: &'static KindSpec, id: &str) -> Result<Option<Value>> {
    let found = parts.store.live(spec, &[Lookup::Id(id)]).await?;
    found.into_iter().next().flatten().map(|item| parse(&item.payload)).transpose()
}
