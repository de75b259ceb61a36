//! One backup: fetch into durable batches, join, compare, write one snapshot.
//!
//! The fetch can die at any point and is resumed where its last batch ended. What follows is local work over
//! those batches, and is begun anew if it dies. Nothing counts as removed unless a kind was listed to its end.

mod items;
mod keep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use catalog::Connection;
use connectors::contract::{
    Fault, KindEnd, KindRequest, KindSpec, Line, Progress, Spool, SpoolError, SpoolErrorKind, Store,
};
use domain::{Action, Grant, Kind, Removal, Scope, Timestamp};
use futures::future::BoxFuture;
use repository::{Head, KindState, RepositoryError, Run, RunKind, Writer};
use serde::Deserialize as _;
use serde_json::{Value, json};

use self::items::{ItemMedia, Items};
use self::keep::Keep;
use crate::cell::Cell;
use crate::clearing;
use crate::connect;
use crate::earlier::Earlier;
use crate::error::{FlowError, Result, spool_error};
use crate::media::MediaKeeper;
use crate::report::{KindReport, RunReport};

/// After this time a kind is listed in full again, whatever it can tell of changes.
const SWEEP_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);
/// The part under which a removal that the platform told is kept among an item's lines.
pub(crate) const REMOVED_PART: &str = "\u{1}removed";
/// The part that says that an item is there still. It holds nothing.
pub(crate) const PRESENT_PART: &str = "\u{1}present";

/// What to back up, and how.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Which store.
    pub connection: Connection,
    /// List everything, whatever the kinds can tell of changes.
    pub full: bool,
}

/// Where a backup says how far it is.
pub trait BackupProgress: Send + Sync {
    /// The platform is being read.
    fn fetching(&self, progress: &Progress<'_>);
    /// What was read is being compared and written.
    fn writing(&self, kind: &Kind, records: u64);
}

/// Backs a store up.
///
/// # Errors
/// When the platform or a store fails; what was fetched until then is kept and is not fetched again. A kind
/// that could not be read whole is no error: the report says `complete: false`, and why.
pub async fn backup(cell: &Cell, backup: &Backup, progress: &dyn BackupProgress) -> Result<RunReport> {
    take(cell, &backup.connection, &Wanted::All { full: backup.full }, progress).await
}

/// Backs up what changed of some kinds. All others stay in the new snapshot as they are in the one before. Where there is none,
/// all are read.
///
/// # Errors
/// Those of [`backup`].
pub async fn backup_of_kinds(
    cell: &Cell,
    connection: &Connection,
    kinds: &BTreeSet<Kind>,
    progress: &dyn BackupProgress,
) -> Result<RunReport> {
    take(cell, connection, &Wanted::Some(kinds), progress).await
}

/// What is wanted of a store.
enum Wanted<'w> {
    /// All kinds.
    All {
        /// Everything of them, whatever they can tell of changes.
        full: bool,
    },
    /// Some kinds.
    Some(&'w BTreeSet<Kind>),
}

async fn take(
    cell: &Cell,
    connection: &Connection,
    wanted: &Wanted<'_>,
    progress: &dyn BackupProgress,
) -> Result<RunReport> {
    let started = cell.clock.monotonic();
    let scope = &connection.scope;
    let mut lease = cell.lease(scope).await?;
    let grant = cell.grant(scope, &[Action::Backup], "backup").await?;
    let store: Arc<dyn Store> = connect::open(cell, connection, &grant).await?.into();
    let mut writer = cell.writer(scope, &grant, &mut lease).await?;
    let parent = writer.parent().cloned();
    let plan = Plan::new(cell.clock.now(), wanted, &*store, parent.as_ref());
    let parent_name = parent.as_ref().map(|head| &head.name);
    let run = cell.repository(scope).run(&grant, parent_name, &plan.request()).await?;
    let ended = fetch(&run, &plan, &*store, progress).await?;

    let written = write(cell, scope, &grant, &store, &plan, &run, &ended, &mut writer, progress).await;
    let (kinds, media_written) = match written {
        Ok(written) => written,
        Err(error) => {
            clearing::abandon(writer).await;
            return Err(error);
        }
    };
    let run_written = run.bytes_written().await;
    let written = writer.commit().await?;
    clearing::delete(run).await;
    clearing::release(cell, lease).await;
    let usage = store.usage();
    let duration = cell.clock.monotonic().saturating_sub(started);
    Ok(RunReport {
        snapshot: written.head.name.number,
        complete: written.head.commit.complete,
        head: written.head.name,
        kinds,
        bytes_read: usage.bytes_read,
        bytes_written: written.bytes_written + media_written + run_written,
        requests: usage.requests,
        throttled: usage.throttled,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    })
}

/// What is asked for, per kind, decided from the parent snapshot alone.
pub(crate) struct Plan {
    /// Kinds by name, in the order in which records are stored.
    pub(crate) kinds: BTreeMap<Kind, KindPlan>,
}

pub(crate) struct KindPlan {
    pub(crate) spec: &'static KindSpec,
    pub(crate) since: Option<Value>,
    pub(crate) digest: String,
}

impl Plan {
    fn new(now: Timestamp, wanted: &Wanted<'_>, store: &dyn Store, parent: Option<&Head>) -> Self {
        let full = matches!(wanted, Wanted::All { full: true });
        let is_wanted = |kind: &Kind| match wanted {
            Wanted::All { .. } => true,
            Wanted::Some(kinds) => parent.is_none() || kinds.contains(kind),
        };
        let kinds = store.kinds().iter().filter_map(|spec| {
            let kind = Kind::new(spec.name).ok().filter(is_wanted)?;
            let known = parent.and_then(|head| head.commit.kinds.get(&kind));
            // Each kind by itself: one that cannot be listed in full must not have all the others listed every time.
            let known = known.filter(|state| !full && !sweep_due(state, now));
            let since = known.and_then(|state| state.cursor.clone());
            Some((kind, KindPlan { spec, since, digest: store.selection_digest(spec) }))
        });
        Self { kinds: kinds.collect() }
    }

    /// What a resumed run must have been asked for too.
    fn request(&self) -> Value {
        let kinds: serde_json::Map<String, Value> = self
            .kinds
            .iter()
            .map(|(kind, plan)| (kind.to_string(), json!({ "since": plan.since, "digest": plan.digest })))
            .collect();
        Value::Object(kinds)
    }
}

fn sweep_due(state: &KindState, now: Timestamp) -> bool {
    state.swept_at.is_none_or(|at| now.duration_since(at).unsigned_abs() >= SWEEP_EVERY)
}

/// Fetches what the run does not have yet, and answers how each kind ended.
pub(crate) async fn fetch(
    run: &Run,
    plan: &Plan,
    store: &dyn Store,
    progress: &dyn BackupProgress,
) -> Result<BTreeMap<Kind, KindEnd>> {
    let known = run.kinds().await;
    let mut requests = Vec::new();
    // The platform's order, so that what others refer to comes first.
    for spec in store.kinds() {
        let kind = Kind::new(spec.name).map_err(RepositoryError::from)?;
        let Some(planned) = plan.kinds.get(&kind) else { continue };
        let mut resume = None;
        match known.get(&kind) {
            Some(RunKind { end: Some(end), .. }) => match KindEnd::deserialize(end) {
                Ok(KindEnd { complete: true, .. }) => continue,
                // What could not be read before the interruption may be there by now, and a scope given back.
                Ok(_) => run.restart(&kind).await,
                Err(_) => {
                    tracing::warn!(%kind, "another version of Caretaker read this kind: it is read anew");
                    run.restart(&kind).await;
                }
            },
            so_far => {
                resume = so_far.and_then(|kind| kind.cursor.clone());
                run.begin(&kind).await;
            }
        }
        requests.push(KindRequest { kind: spec, since: planned.since.clone(), resume });
    }
    if !requests.is_empty() {
        let spool = RunSpool { run, progress };
        if let Err(fault) = store.fetch(requests, &spool).await {
            // What was read is worth keeping whatever went wrong. Why it went wrong is worth more than that.
            if let Err(error) = run.flush().await {
                tracing::warn!(%error, "what was read since the last batch is read again next time");
            }
            return Err(fault.into());
        }
    }
    let mut ended = BTreeMap::new();
    for (kind, RunKind { end, .. }) in run.kinds().await {
        let end = end.and_then(|end| serde_json::from_value::<KindEnd>(end).ok());
        let end = end.ok_or_else(|| {
            FlowError::Platform(Fault::Malformed(format!("the connector did not say how `{kind}` ended")))
        })?;
        ended.insert(kind, end);
    }
    Ok(ended)
}

struct RunSpool<'a> {
    run: &'a Run,
    progress: &'a dyn BackupProgress,
}

impl Spool for RunSpool<'_> {
    fn put(&self, line: Line) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move {
            let Line { kind, id, part, bytes } = line;
            self.run.put(&kind, id, part, bytes).await.map_err(spool_error)
        })
    }

    fn removed(&self, kind: Kind, id: Box<str>, why: Removal) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move {
            let bytes = serde_json::to_vec(&why).unwrap_or_default();
            self.run.put(&kind, id, REMOVED_PART.into(), bytes).await.map_err(spool_error)
        })
    }

    fn present(&self, kind: Kind, id: Box<str>) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move {
            self.run.put(&kind, id, PRESENT_PART.into(), Vec::new()).await.map_err(spool_error)
        })
    }

    fn page_end(&self, kind: Kind, cursor: Value) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move { self.run.cursor(&kind, cursor).await.map_err(spool_error) })
    }

    fn restart(&self, kind: Kind) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move {
            self.run.restart(&kind).await;
            Ok(())
        })
    }

    fn kind_end(&self, end: KindEnd) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move {
            let kind = end.kind.clone();
            let value = serde_json::to_value(end)
                .map_err(|error| SpoolError { kind: SpoolErrorKind::Failed, why: error.to_string() })?;
            self.run.end(&kind, value).await.map_err(spool_error)
        })
    }

    fn progress(&self, progress: Progress<'_>) {
        self.progress.fetching(&progress);
    }
}

type Reports = BTreeMap<Kind, KindReport>;

/// Joins, compares and writes all kinds, in the order of their names.
#[expect(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
async fn write(
    cell: &Cell,
    scope: &Scope,
    grant: &Grant,
    store: &Arc<dyn Store>,
    plan: &Plan,
    run: &Run,
    ended: &BTreeMap<Kind, KindEnd>,
    writer: &mut Writer,
    progress: &dyn BackupProgress,
) -> Result<(Reports, u64)> {
    let repository = cell.repository(scope);
    let before = match writer.parent() {
        Some(_) => Some(repository.reader(grant, Action::Backup, None).await?),
        None => None,
    };
    let mut media = MediaKeeper::new(repository.media(grant, Action::Backup).await?);
    let mut items = Items::new(run.merged().await?);
    let mut reports = Reports::new();
    for (kind, planned) in &plan.kinds {
        let end = ended.get(kind).ok_or_else(|| {
            FlowError::Platform(Fault::Malformed(format!("the connector did not say how `{kind}` ended")))
        })?;
        let earlier = Earlier::of(before.as_ref(), kind).await?;
        let media = ItemMedia {
            store: &**store,
            media: &mut media,
            earlier: Earlier::of(before.as_ref(), kind).await?,
        };
        let keep = Keep::new(&**store, planned, (kind, end), earlier, writer, (cell.clock.now(), progress));
        // Boxed, since it is large.
        let report = Box::pin(keep.all(&mut items, store, media)).await?;
        reports.insert(kind.clone(), report);
    }
    if let Some(kind) = items.left().await? {
        return Err(FlowError::Platform(Fault::Malformed(format!("the connector sent `{kind}` unasked"))));
    }
    // INVARIANT (media before records): a commit never names a record whose media are not durable.
    media.finish().await?;
    Ok((reports, media.bytes_written))
}
