//! The writes of one restore: what all items that are under way share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::{LedgerEntry, RestoreState};
use connectors::contract::{Applied, Effort, Fault, IdMap, ItemWrite, KindSpec, PlanAction};
use domain::{Action, Id128, Kind, MediaRef, RecordKey};
use repository::RepositoryError;
use serde_json::Value;

use super::RestoreProgress;
use super::journal::{CatalogJournal, Steps, StoredMediaReader};
use super::ledger::{SealedEntry, SealedLedger};
use super::look::Parts;
use super::pieces::state_name;
use super::predict::{self, Look};
use super::report::{self, RestoreReport, SO_FAR, SoFar, Tally};
use crate::error::Result;

/// What is known so far is sealed at most so often.
const KEPT_EVERY: Duration = Duration::from_secs(30);

/// The writes of one restore.
pub(super) struct Writes<'a> {
    pub(super) parts: &'a Parts<'a>,
    pub(super) restore: Id128,
    pub(super) steps: Steps,
    ids: Mutex<IdMap>,
    /// Those that this restore itself has told.
    own: Mutex<IdMap>,
    tally: Mutex<Tally>,
    /// Items that are to be written.
    of: u64,
    progress: &'a dyn RestoreProgress,
    started: Duration,
    /// What interrupted attempts did, and what is in doubt.
    so_far: Mutex<SoFar>,
    /// New ids that are in the catalog and not sealed yet.
    open: Mutex<Vec<SealedEntry>>,
    kept: tokio::sync::Mutex<Kept>,
}

/// What is sealed now and then.
struct Kept {
    /// When it was last.
    at: Duration,
    ledger: SealedLedger,
}

/// How a restore begins, or goes on.
pub(super) struct Start<'a> {
    pub(super) restore: Id128,
    /// By the monotonic clock.
    pub(super) started: Duration,
    /// Ids that are known.
    pub(super) ids: IdMap,
    /// Items that are to be written.
    pub(super) of: usize,
    /// What that takes.
    pub(super) left: Effort,
    /// What interrupted attempts did.
    pub(super) so_far: SoFar,
    pub(super) progress: &'a dyn RestoreProgress,
}

/// One item to be written.
pub(super) struct Job<'a> {
    pub(super) key: &'a RecordKey,
    pub(super) spec: &'static KindSpec,
    pub(super) wanted: &'a Value,
    pub(super) live: Option<&'a Value>,
    /// A state that is taken back.
    pub(super) former: Option<&'a Value>,
    pub(super) media: &'a [MediaRef],
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Writes<'a> {
    pub(super) async fn new(parts: &'a Parts<'a>, start: Start<'a>) -> Result<Self> {
        let Start { restore, started, ids, of, left, so_far, progress } = start;
        let steps = Mutex::new(parts.cell.catalog.steps(&parts.ask.tenant, restore).await?);
        let (ledger, open) = SealedLedger::open(&parts.states(), &parts.ledger, &parts.limits).await?;
        let mut own = IdMap::default();
        for entry in parts.ledger.iter().filter(|entry| entry.restore == restore) {
            own.insert(&entry.old.id, &entry.new_id);
        }
        Ok(Self {
            parts,
            restore,
            steps,
            ids: Mutex::new(ids),
            own: Mutex::new(own),
            tally: Mutex::new(Tally::of(left)),
            of: u64::try_from(of).unwrap_or(u64::MAX),
            progress,
            started,
            so_far: Mutex::new(so_far),
            open: Mutex::new(open),
            kept: tokio::sync::Mutex::new(Kept { at: started, ledger }),
        })
    }

    /// The ids that are known now.
    pub(super) fn ids(&self) -> IdMap {
        locked(&self.ids).clone()
    }

    /// Notes new ids for the items that begin from now on.
    pub(super) fn learn(&self, pairs: &[(String, String)]) {
        let mut ids = locked(&self.ids);
        pairs.iter().for_each(|(old, new)| ids.insert(old, new));
    }

    /// Which ids in a payload this restore itself has told others for.
    pub(super) fn own_ids(&self, payload: &Value) -> Vec<(String, String)> {
        let own = locked(&self.own).clone();
        let mut found = Vec::new();
        texts(payload, &mut |id| {
            if own.knows(id) {
                found.push((id.to_owned(), own.resolve(id).to_owned()));
            }
        });
        found
    }

    /// What an item is called now.
    pub(super) fn now_called(&self, id: &str) -> Box<str> {
        locked(&self.ids).resolve(id).into()
    }

    /// What an item is called that was written. What was to be made has an id only where it was.
    pub(super) fn called_after(&self, id: &str, action: &PlanAction, applied: &Applied) -> Option<Box<str>> {
        let was_made =
            *action != PlanAction::Create || applied.problems.is_empty() || locked(&self.own).knows(id);
        was_made.then(|| self.now_called(id))
    }

    /// Whether an interrupted attempt left it in doubt if this item was made twice.
    pub(super) fn is_doubtful(&self, key: &RecordKey) -> bool {
        locked(&self.so_far).doubtful.contains(key)
    }

    /// Notes something in the tally.
    pub(super) fn tally<T>(&self, note: impl FnOnce(&mut Tally) -> T) -> T {
        note(&mut locked(&self.tally))
    }

    /// Says how far the restore is. `spent` is what was predicted for that which is done now.
    pub(super) fn advanced(&self, what: &str, spent: Effort) {
        let (done, left) = self.tally(|tally| {
            tally.left = tally.left - spent;
            (tally.done, tally.left)
        });
        let pace = self.parts.store.pace();
        let available = pace.budget.map_or(0.0, |budget| budget.available);
        self.progress.advanced(what, done, self.of, predict::time(left, Look::default(), &pace, available));
    }

    /// Writes one item. What the platform refused of it is a problem of that item; new ids go into the ledger.
    pub(super) async fn apply_one(&self, job: Job<'_>) -> Result<Applied> {
        let (cell, scope) = (self.parts.cell, &self.parts.source.scope);
        let stored = if job.media.is_empty() {
            None
        } else {
            let grant = cell.grant(scope, &[Action::Restore], "read media for a restore").await?;
            Some(cell.repository(scope).media(&grant, Action::Restore).await?)
        };
        let media = StoredMediaReader::new(stored, job.media);
        let journal = CatalogJournal { writes: self, key: job.key, wanted: job.wanted };
        let write = ItemWrite {
            kind: job.spec,
            id: &job.key.id,
            wanted: job.wanted,
            live: job.live,
            former: job.former,
            options: &self.parts.ask.options,
            ids: &self.ids(),
            media: &media,
            journal: &journal,
        };
        let mut applied = match self.parts.store.apply(write).await {
            Ok(applied) => applied,
            Err(Fault::Rejected(why)) => Applied { problems: vec![why], ..Applied::default() },
            Err(fault) => return Err(fault.into()),
        };
        applied.problems.extend(media.lost());
        let known = self.ids();
        let new: Vec<_> =
            applied.ids.iter().filter(|(old, new)| known.resolve(old) != new).cloned().collect();
        self.remember(&job.key.kind, &new).await?;
        self.learn(&new);
        if applied.possibly_twice {
            locked(&self.so_far).doubtful.insert(job.key.clone());
        }
        self.keep(applied.possibly_twice).await?;
        Ok(applied)
    }

    /// Ledger entries of new ids.
    pub(super) fn entries(&self, kind: &Kind, pairs: &[(String, String)]) -> Result<Vec<LedgerEntry>> {
        let ask = self.parts.ask;
        let recorded_at = self.parts.cell.clock.now();
        let entry = |(old, new): &(String, String)| {
            Ok(LedgerEntry {
                connection: ask.connection.clone(),
                target: ask.target.clone(),
                old: RecordKey::new(kind.clone(), old.as_str()).map_err(RepositoryError::from)?,
                new_id: new.as_str().into(),
                restore: self.restore,
                recorded_at,
            })
        };
        pairs.iter().filter(|(old, new)| old != new).map(entry).collect()
    }

    /// Writes new ids into the ledger.
    pub(super) async fn remember(&self, kind: &Kind, pairs: &[(String, String)]) -> Result<()> {
        self.record(&self.entries(kind, pairs)?).await
    }

    /// Writes entries into the ledger.
    pub(super) async fn record(&self, entries: &[LedgerEntry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.parts.cell.catalog.record_ids(&self.parts.ask.tenant, entries).await?;
        self.recorded(entries);
        Ok(())
    }

    /// Notes what the catalog's ledger holds by now.
    pub(super) fn recorded(&self, entries: &[LedgerEntry]) {
        {
            let mut own = locked(&self.own);
            entries.iter().for_each(|entry| own.insert(&entry.old.id, &entry.new_id));
        }
        locked(&self.open).extend(entries.iter().cloned().map(SealedEntry::from));
    }

    /// What is known so far, this attempt included.
    fn so_far(&self) -> SoFar {
        let duration = self.parts.cell.clock.monotonic().saturating_sub(self.started);
        locked(&self.so_far).with(self.parts.store.usage(), duration)
    }

    /// Seals new ids and what else is known so far: `at_once`, if many ids are open, or if it was long ago. A machine
    /// that is lost takes no more with it than came since.
    pub(super) async fn keep(&self, at_once: bool) -> Result<()> {
        let many = || locked(&self.open).len() >= self.parts.limits.ids_open_max;
        let mut kept = match self.kept.try_lock() {
            Ok(kept) => kept,
            // Nothing more is made before the ids of what was made are safe.
            Err(_) if at_once || many() => self.kept.lock().await,
            // Somebody is about it.
            Err(_) => return Ok(()),
        };
        let now = self.parts.cell.clock.monotonic();
        if !at_once && !many() && now.saturating_sub(kept.at) < KEPT_EVERY {
            return Ok(());
        }
        kept.at = now;
        let states = self.parts.states();
        let open = std::mem::take(&mut *locked(&self.open));
        kept.ledger.seal(&states, &open).await?;
        states.put_json(&state_name(self.restore, SO_FAR), &self.so_far()).await
    }

    /// Seals the ledger and the report, and closes the restore.
    pub(super) async fn finish(self) -> Result<RestoreReport> {
        self.keep(true).await?;
        let cell = self.parts.cell;
        let ask = self.parts.ask;
        let SoFar { usage, duration_ms, .. } = self.so_far();
        let tally = std::mem::take(&mut *locked(&self.tally));
        let report = RestoreReport {
            requests: usage.requests,
            throttled: usage.throttled,
            cost: usage.cost,
            duration_ms,
            ..tally.report(self.restore)
        };
        report::seal(self.parts.states(), &report, &self.parts.limits).await?;
        let state = if report.complete { RestoreState::Done } else { RestoreState::Incomplete };
        let moved = (RestoreState::Applying, state);
        cell.catalog.move_restore(&ask.tenant, self.restore, moved, cell.clock.now()).await?;
        // The report says it all. What is left of it does no harm and goes with the rest, when that is old.
        if let Err(error) = self.parts.states().delete(&state_name(self.restore, SO_FAR)).await {
            tracing::warn!(%error, "what was known of a restore that has ended could not be deleted");
        }
        Ok(report)
    }
}

/// Tells every text in a payload.
fn texts<'v>(value: &'v Value, tell: &mut impl FnMut(&'v str)) {
    match value {
        Value::String(text) => tell(text),
        Value::Array(elements) => elements.iter().for_each(|one| texts(one, tell)),
        Value::Object(fields) => fields.values().for_each(|one| texts(one, tell)),
        _ => {}
    }
}
