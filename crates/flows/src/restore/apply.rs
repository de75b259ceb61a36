//! Applying a plan.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

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

use super::plan::{Candidate, LOOKUPS, Parts, Plan, Selection, summed_up};
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

impl Before {
    pub(super) fn key(&self) -> RecordKey {
        RecordKey { kind: self.kind.clone(), id: self.id.clone() }
    }
}

/// What is sealed before the first write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) tenant: TenantId,
    pub(super) connection: ConnectionId,
    pub(super) target: ConnectionId,
    pub(super) options: RestoreOptions,
    pub(super) selection: Selection,
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
            let saved = saved_before(cell, &plan.ask.tenant, &restore).await?;
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
                selection: plan.ask.selection.clone(),
                items: before(&candidates),
            };
            (begin(&parts, &saved, &digest, None).await?, saved)
        }
    };
    let mut writes = Writes::new(&parts, restore, saved.items.len()).await?;
    for candidate in &candidates {
        writes.remember(&candidate.item.kind, &candidate.paired).await?;
    }
    let already: BTreeMap<RecordKey, &Before> =
        saved.items.iter().map(|before| (before.key(), before)).collect();
    let mut again = Vec::new();
    for candidate in &candidates {
        match &candidate.item.plan.action {
            PlanAction::Update if candidate.item.after.is_some() => again.push(candidate),
            PlanAction::Create | PlanAction::Update => {
                let whole = writes.write(candidate, candidate.live.as_ref(), &mut ids).await?;
                if !whole || candidate.item.again {
                    again.push(candidate);
                }
            }
            // Done by the interrupted application.
            PlanAction::Skip if already.contains_key(&candidate.key()) => {
                writes.count_done(&already, &candidate.key());
            }
            PlanAction::Skip => writes.report.skipped += 1,
            PlanAction::Cannot { .. } | PlanAction::Delete => writes.cannot(candidate),
        }
        progress.advanced("restoring", writes.done, writes.of);
    }
    writes.write_again(&again, &mut ids, progress).await?;
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

fn before(candidates: &[Candidate]) -> Vec<Before> {
    let touched = candidates
        .iter()
        // What comes back with another item is gone again with it.
        .filter(|candidate| candidate.is_written() && candidate.item.after.is_none());
    touched
        .map(|candidate| Before {
            kind: candidate.item.kind.clone(),
            id: candidate.item.id.clone(),
            live_id: candidate.item.live_id.clone(),
            live: candidate.live.clone(),
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

/// What a restore touched, as it was before.
pub(super) async fn saved_before(cell: &Cell, tenant: &TenantId, row: &Restore) -> Result<Saved> {
    let restore = row.id;
    let scope = cell.connection(tenant, &row.connection).await?.scope;
    let grant = cell.grant(&scope, &[Action::Restore], "read what a restore touched").await?;
    let text = cell.repository(&scope).state(&grant, Action::Restore, &state_name(restore, "before")).await?;
    let text =
        text.ok_or_else(|| FlowError::Integrity(format!("what restore {restore} touched was not saved")))?;
    serde_json::from_slice(&text)
        .map_err(|error| FlowError::Integrity(format!("what restore {restore} touched is damaged: {error}")))
}

/// Steps of one restore, and how far each is.
type Steps = Mutex<BTreeMap<String, StepState>>;

/// The writes of one restore.
pub(super) struct Writes<'a, 'b> {
    pub(super) parts: &'a Parts<'b>,
    pub(super) restore: Id128,
    pub(super) report: RestoreReport,
    pub(super) done: u64,
    pub(super) of: u64,
    steps: Steps,
}

/// One item to be written.
pub(super) struct Job<'a> {
    pub(super) key: &'a RecordKey,
    pub(super) spec: &'static KindSpec,
    pub(super) wanted: &'a Value,
    pub(super) live: Option<&'a Value>,
    pub(super) media: &'a [MediaRef],
}

impl<'a, 'b> Writes<'a, 'b> {
    pub(super) async fn new(parts: &'a Parts<'b>, restore: Id128, of: usize) -> Result<Self> {
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
        let steps = Mutex::new(parts.cell.catalog.steps(&parts.ask.tenant, restore).await?);
        let of = u64::try_from(of).unwrap_or(u64::MAX);
        Ok(Self { parts, restore, report, done: 0, of, steps })
    }

    /// Writes an item, and notes what became of it: new ids into the ledger, problems into the report. Answers
    /// whether all of it was done.
    async fn write(&mut self, candidate: &Candidate, live: Option<&Value>, ids: &mut IdMap) -> Result<bool> {
        let key = candidate.key();
        let Candidate { spec, wanted, media, .. } = candidate;
        let applied = self.apply_one(Job { key: &key, spec, wanted, live, media }, ids).await?;
        let whole = applied.problems.is_empty();
        match candidate.item.plan.action {
            PlanAction::Create => self.report.created += 1,
            _ => self.report.updated += 1,
        }
        self.note(candidate, applied, ids);
        Ok(whole)
    }

    fn note(&mut self, candidate: &Candidate, applied: Applied, ids: &IdMap) {
        let item = &candidate.item;
        let new_id = Some(ids.resolve(&item.id).into());
        self.told(&candidate.key(), item.plan.action.clone(), new_id, applied);
    }

    /// Notes what became of an item.
    pub(super) fn told(
        &mut self,
        key: &RecordKey,
        action: PlanAction,
        new_id: Option<Box<str>>,
        applied: Applied,
    ) {
        let Applied { problems, possibly_twice, .. } = applied;
        let (kind, id) = (key.kind.clone(), key.id.clone());
        self.report.items.push(ItemReport { kind, id, new_id, action, problems, possibly_twice });
        self.done += 1;
    }

    /// The second pass: what referred to something that was made after it, what could not be done, and what came
    /// back with another item is looked at again, and written with the ids that are known by now.
    async fn write_again(
        &mut self,
        again: &[&Candidate],
        ids: &mut IdMap,
        progress: &dyn RestoreProgress,
    ) -> Result<()> {
        let total = u64::try_from(again.len()).unwrap_or(u64::MAX);
        let mut done = 0;
        for of_kind in again.chunk_by(|one, other| one.spec.name == other.spec.name) {
            for chunk in of_kind.chunks(LOOKUPS) {
                let Some(spec) = chunk.first().map(|candidate| candidate.spec) else { continue };
                let lookups: Vec<Lookup<'_>> =
                    chunk.iter().map(|one| Lookup::Id(ids.resolve(&one.item.id))).collect();
                let live = self.parts.store.live(spec, &lookups).await?;
                for (candidate, live) in chunk.iter().zip(live) {
                    let live = live.map(|item| parse(&item.payload)).transpose()?;
                    self.write_one_again(candidate, live.as_ref(), ids).await?;
                    done += 1;
                    progress.advanced("restoring what refers to others", done, total);
                }
            }
        }
        Ok(())
    }

    async fn write_one_again(
        &mut self,
        candidate: &Candidate,
        live: Option<&Value>,
        ids: &mut IdMap,
    ) -> Result<()> {
        let options = &self.parts.ask.options;
        let plan = self.parts.store.plan(candidate.spec, &candidate.wanted, live, ids, options);
        let key = candidate.key();
        let applied = match (plan.action, live) {
            (PlanAction::Skip, _) => Applied::default(),
            (_, None) if candidate.item.after.is_some() => {
                let why = "It did not come back with the item that it belongs to.".to_owned();
                Applied { problems: vec![why], ..Applied::default() }
            }
            (PlanAction::Cannot { why }, _) => Applied { problems: vec![why], ..Applied::default() },
            _ => {
                let Candidate { spec, wanted, media, .. } = candidate;
                self.apply_one(Job { key: &key, spec, wanted, live, media }, ids).await?
            }
        };
        if candidate.item.after.is_some() {
            self.report.updated += 1;
            self.note(candidate, applied, ids);
        } else if let Some(first) =
            self.report.items.iter_mut().find(|item| item.kind == key.kind && item.id == key.id)
        {
            first.problems = applied.problems;
            first.possibly_twice |= applied.possibly_twice;
            first.new_id = Some(ids.resolve(&key.id).into());
        }
        Ok(())
    }

    /// Writes one item. What the platform refused of it is a problem of that item; new ids go into the ledger
    /// and into `ids`.
    pub(super) async fn apply_one(&self, job: Job<'_>, ids: &mut IdMap) -> Result<Applied> {
        let (cell, scope) = (self.parts.cell, &self.parts.source.scope);
        let grant = cell.grant(scope, &[Action::Restore], "read media for a restore").await?;
        let stored = cell.repository(scope).media(&grant, Action::Restore).await?;
        let media = StoredMediaReader { stored, refs: job.media };
        let journal = CatalogJournal { writes: self, key: job.key };
        let options = &self.parts.ask.options;
        let write = ItemWrite {
            kind: job.spec,
            id: &job.key.id,
            wanted: job.wanted,
            live: job.live,
            options,
            ids,
            media: &media,
            journal: &journal,
        };
        let applied = match self.parts.store.apply(write).await {
            Ok(applied) => applied,
            Err(Fault::Rejected(why)) => Applied { problems: vec![why], ..Applied::default() },
            Err(fault) => return Err(fault.into()),
        };
        self.remember(&job.key.kind, &applied.ids).await?;
        for (old, new) in &applied.ids {
            ids.insert(old, new);
        }
        Ok(applied)
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
        let action = candidate.item.plan.action.clone();
        self.told(&candidate.key(), action, None, Applied::default());
    }

    /// Seals the ledger and the report, and closes the restore.
    pub(super) async fn finish(mut self, started: std::time::Duration) -> Result<RestoreReport> {
        let cell = self.parts.cell;
        let ask = self.parts.ask;
        self.report.complete =
            self.report.items.iter().all(|item| item.problems.is_empty() && !item.possibly_twice);
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

/// Steps of one item, in the catalog.
struct CatalogJournal<'a, 'b, 'c> {
    writes: &'a Writes<'b, 'c>,
    key: &'a RecordKey,
}

impl CatalogJournal<'_, '_, '_> {
    fn name(&self, step: &str) -> String {
        format!("{} {} {step}", self.key.kind, self.key.id)
    }

    fn known(&self, name: &str) -> Option<StepState> {
        self.writes.steps.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    fn set(&self, name: String, state: StepState) {
        self.writes.steps.lock().unwrap_or_else(PoisonError::into_inner).insert(name, state);
    }
}

fn failed(error: &dyn std::error::Error) -> SpoolError {
    SpoolError(with_causes(error))
}

impl Journal for CatalogJournal<'_, '_, '_> {
    fn intend<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Prior, SpoolError>> {
        Box::pin(async move {
            let Parts { cell, ask, .. } = self.writes.parts;
            let restore = self.writes.restore;
            let name = self.name(step);
            match self.known(&name) {
                None | Some(StepState::Refused) => {
                    let noted = cell.catalog.intend(&ask.tenant, restore, &[&name], cell.clock.now()).await;
                    noted.map_err(|error| failed(&error))?;
                    self.set(name, StepState::Intent);
                    Ok(Prior::New)
                }
                Some(StepState::Intent | StepState::Unknown) => Ok(Prior::InDoubt),
                Some(StepState::Done) => {
                    let ledger = cell.catalog.ledger(&ask.tenant, &ask.connection).await;
                    let ledger = ledger.map_err(|error| failed(&error))?;
                    let own = ledger.into_iter().filter(|entry| entry.restore == restore);
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
            let Parts { cell, ask, .. } = self.writes.parts;
            self.writes.remember(&self.key.kind, ids).await.map_err(|error| failed(&error))?;
            let result = StepResult { step: self.name(step), state: StepState::Done, ledger: None };
            let now = cell.clock.now();
            let finished = cell.catalog.finish_steps(&ask.tenant, self.writes.restore, &[result], now).await;
            finished.map_err(|error| failed(&error))?;
            self.set(self.name(step), StepState::Done);
            Ok(())
        })
    }
}

/// Media as the backup holds them.
struct StoredMediaReader<'a> {
    stored: MediaStore,
    refs: &'a [MediaRef],
}

impl MediaReader for StoredMediaReader<'_> {
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
