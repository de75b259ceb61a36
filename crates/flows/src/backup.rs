//! One backup: fetch into durable batches, join, compare, write one snapshot.
//!
//! The fetch can die at any point and is resumed where its last batch ended. What follows is local work over
//! those batches, and is begun anew if it dies. Nothing counts as removed unless a kind was listed to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Connection, Sweep};
use connectors::contract::{
    Fault, Item, KindEnd, KindRequest, KindSpec, Line, Progress, Spool, SpoolError, Store,
};
use domain::{Action, ContentHash, Gap, GapReason, Grant, Kind, RecordMeta, Removal};
use futures::future::BoxFuture;
use futures::stream::{self, TryStreamExt as _};
use repository::{
    ContentHasher, Head, KindOutcome, MergedLines, Mode, NewRecord, RepositoryError, Run, RunKind, Writer,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::cell::Cell;
use crate::connect;
use crate::earlier::{Earlier, differs_by_selection};
use crate::error::{FlowError, Result};
use crate::media::MediaKeeper;
use crate::report::{KindReport, RunReport};

/// So many items are joined together and wait together for their media …
const JOINED_MAX: usize = 128;
/// … or so many bytes of their lines.
const JOINED_BYTES_MAX: usize = 1024 * 1024;
/// So many such groups are being joined ahead of what is written, each on a thread of its own.
const JOINED_AHEAD: usize = 3;
/// After this time the next backup lists everything, whatever the kinds can tell of changes.
const SWEEP_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);
/// The part under which a removal that the platform told is kept among an item's lines.
pub(crate) const REMOVED_PART: &str = "\u{1}removed";

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
    let started = cell.clock.monotonic();
    let scope = &backup.connection.scope;
    let mut lease = cell.lease(scope).await?;
    let grant = cell.grant(scope, &[Action::Backup, Action::Read], "backup").await?;
    let store: Arc<dyn Store> = connect::open(cell, &backup.connection, &grant).await?.into();
    let mut writer = cell.writer(scope, &grant, &mut lease).await?;
    let parent = writer.parent().cloned();
    let plan = Plan::new(cell, backup, &*store, parent.as_ref());
    let parent_name = parent.as_ref().map(|head| &head.name);
    let run = cell.repository(scope).run(&grant, parent_name, &plan.request()).await?;
    let ended = fetch(&run, &plan, &*store, progress).await?;

    let written = write(cell, backup, &grant, &store, &plan, &run, &ended, &mut writer, progress).await;
    let (kinds, media_written) = match written {
        Ok(written) => written,
        Err(error) => {
            writer.abandon().await?;
            return Err(error);
        }
    };
    let run_written = run.bytes_written().await;
    let written = writer.commit().await?;
    run.delete().await?;
    if plan.sweeps_all() && ended.values().all(|end| end.swept) {
        let sweep = Sweep { number: written.head.name.number, at: written.head.commit.taken_at };
        cell.catalog.set_swept(&scope.tenant, &scope.connection, sweep).await?;
    }
    cell.release(lease).await?;
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
    fn new(cell: &Cell, backup: &Backup, store: &dyn Store, parent: Option<&Head>) -> Self {
        let now = cell.clock.now();
        let sweep_due = backup.full
            || backup
                .connection
                .swept
                .is_none_or(|swept| now.duration_since(swept.at).unsigned_abs() >= SWEEP_EVERY);
        let kinds = store.kinds().iter().filter_map(|spec| {
            let kind = Kind::new(spec.name).ok()?;
            let known = parent.and_then(|head| head.commit.kinds.get(&kind));
            let since = if sweep_due { None } else { known.and_then(|state| state.cursor.clone()) };
            Some((kind, KindPlan { spec, since, digest: store.selection_digest(spec) }))
        });
        Self { kinds: kinds.collect() }
    }

    fn sweeps_all(&self) -> bool {
        self.kinds.values().all(|plan| plan.since.is_none())
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
            Some(RunKind { end: Some(end), .. }) if KindEnd::deserialize(end).is_ok() => continue,
            Some(RunKind { end: Some(_), .. }) => {
                tracing::warn!(%kind, "another version of Caretaker read this kind: it is read anew");
                run.restart(&kind).await;
            }
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

fn spool_error(error: &RepositoryError) -> SpoolError {
    SpoolError(crate::error::with_causes(error))
}

impl Spool for RunSpool<'_> {
    fn put(&self, line: Line) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move {
            let Line { kind, id, part, bytes } = line;
            self.run.put(&kind, id, part, bytes).await.map_err(|error| spool_error(&error))
        })
    }

    fn removed(&self, kind: Kind, id: Box<str>, why: Removal) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move {
            let bytes = serde_json::to_vec(&why).unwrap_or_default();
            self.run.put(&kind, id, REMOVED_PART.into(), bytes).await.map_err(|error| spool_error(&error))
        })
    }

    fn page_end(&self, kind: Kind, cursor: Value) -> BoxFuture<'_, Result<(), SpoolError>> {
        Box::pin(async move { self.run.cursor(&kind, cursor).await.map_err(|error| spool_error(&error)) })
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
            let value = serde_json::to_value(end).map_err(|error| SpoolError(error.to_string()))?;
            self.run.end(&kind, value).await.map_err(|error| spool_error(&error))
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
    backup: &Backup,
    grant: &Grant,
    store: &Arc<dyn Store>,
    plan: &Plan,
    run: &Run,
    ended: &BTreeMap<Kind, KindEnd>,
    writer: &mut Writer,
    progress: &dyn BackupProgress,
) -> Result<(Reports, u64)> {
    let repository = cell.repository(&backup.connection.scope);
    let before = match writer.parent() {
        Some(_) => Some(repository.reader(grant, Action::Read, None).await?),
        None => None,
    };
    let mut media = MediaKeeper::new(repository.media(grant, Action::Backup).await?);
    let mut items = Items { merged: run.merged().await?, next: None };
    let mut reports = Reports::new();
    for (kind, planned) in &plan.kinds {
        let end = ended.get(kind).ok_or_else(|| {
            FlowError::Platform(Fault::Malformed(format!("the connector did not say how `{kind}` ended")))
        })?;
        let (earlier, earlier_media) =
            (Earlier::of(before.as_ref(), kind).await?, Earlier::of(before.as_ref(), kind).await?);
        let media = &mut media;
        let mut kind_run = KindRun { cell, store, planned, kind, progress, media, earlier, earlier_media };
        let report = kind_run.write(&mut items, end, writer).await?;
        reports.insert(kind.clone(), report);
    }
    if let Some(kind) = items.left().await? {
        return Err(FlowError::Platform(Fault::Malformed(format!("the connector sent `{kind}` unasked"))));
    }
    // INVARIANT (media before records): a commit never names a record whose media are not durable.
    media.finish().await?;
    Ok((reports, media.bytes_written))
}

/// The items of a run, kind by kind.
struct Items {
    merged: MergedLines,
    next: Option<ItemLines>,
}

/// All lines of one item, ordered by part.
type ItemLines = Vec<repository::RunLine>;

impl Items {
    /// The next item, if it is of this kind. Its lines are looked at themselves: what the run would show first
    /// may be a line that no longer counts, and the item behind it one of another kind.
    async fn of(&mut self, kind: &Kind) -> Result<Option<ItemLines>> {
        if self.left().await?.is_some_and(|next| next == *kind) { Ok(self.next.take()) } else { Ok(None) }
    }

    /// The lines of the next items of this kind, some at a time; none where the kind has no more.
    async fn group_of(&mut self, kind: &Kind) -> Result<Option<Vec<ItemLines>>> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < JOINED_MAX && bytes < JOINED_BYTES_MAX {
            let Some(lines) = self.of(kind).await? else { break };
            bytes += lines.iter().map(|line| line.bytes.len()).sum::<usize>();
            group.push(lines);
        }
        Ok((!group.is_empty()).then_some(group))
    }

    /// The kind of what comes next.
    async fn left(&mut self) -> Result<Option<Kind>> {
        if self.next.is_none() {
            self.next = self.merged.next_item().await?;
        }
        Ok(self.next.as_ref().and_then(|lines| lines.first()).map(|line| line.kind.clone()))
    }
}

/// An item on its way into the snapshot.
enum Joined {
    /// With the hash of its content, where no media belong to that.
    Item(Item, Option<ContentHash>),
    Removed(Box<str>, Removal),
    /// It is there, and cannot be joined.
    Skipped(Box<str>, Gap),
}

impl Joined {
    fn item(&self) -> Option<&Item> {
        match self {
            Self::Item(item, _) => Some(item),
            Self::Removed(..) | Self::Skipped(..) => None,
        }
    }
}

/// Joins the lines of one item.
fn join(
    store: &dyn Store,
    spec: &'static KindSpec,
    hasher: &ContentHasher,
    lines: ItemLines,
) -> Option<Joined> {
    let id = lines.first()?.id.clone();
    let mut removed = None;
    let mut own = Vec::with_capacity(lines.len());
    for line in lines {
        if &*line.part == REMOVED_PART {
            removed = serde_json::from_slice::<Removal>(&line.bytes).ok();
        } else {
            own.push(Line { kind: line.kind, id: line.id, part: line.part, bytes: line.bytes });
        }
    }
    if own.is_empty() {
        // Told as gone, and not seen since.
        return Some(Joined::Removed(id, removed.unwrap_or(Removal::Deleted)));
    }
    Some(match store.assemble(spec, &id, &own) {
        Ok(item) => {
            let hash = item.media.is_empty().then(|| hasher.hash(&item.canonical));
            Joined::Item(item, hash)
        }
        Err(fault) => {
            let what = format!("{} {id}", spec.name);
            Joined::Skipped(id, Gap { what, reason: GapReason::Failed, detail: fault.to_string() })
        }
    })
}

struct KindRun<'a, 'b> {
    cell: &'a Cell,
    store: &'a Arc<dyn Store>,
    planned: &'a KindPlan,
    kind: &'a Kind,
    progress: &'a dyn BackupProgress,
    media: &'a mut MediaKeeper,
    /// The parent's records, for those that changed.
    earlier: Earlier<'b>,
    /// The same, for those with media, which are looked at before.
    earlier_media: Earlier<'b>,
}

impl KindRun<'_, '_> {
    async fn write(&mut self, items: &mut Items, end: &KindEnd, writer: &mut Writer) -> Result<KindReport> {
        let mut report = KindReport { gaps: end.gaps.clone(), ..KindReport::default() };
        // INVARIANT (absence): only a kind that was listed to its end can lose records by not naming them, and
        // records that a withdrawn permission hides have left our sight, they were not deleted.
        let mode = match (end.left_scope, end.swept && end.complete) {
            (true, _) => Mode::Sweep(Removal::LeftScope),
            (false, true) => Mode::Sweep(Removal::Deleted),
            (false, false) => Mode::Increment,
        };
        let columns: Vec<&str> = self.planned.spec.summary.iter().map(|column| column.name).collect();
        writer.begin_kind(self.kind, mode, &columns).await?;
        let (kind, store, spec) = (self.kind, self.store, self.planned.spec);
        let groups = stream::try_unfold(items, |items| async move {
            Ok(items.group_of(kind).await?.map(|group| (group, items)))
        });
        let hasher = writer.hasher();
        let joined = groups.map_ok(|group| {
            let (store, hasher) = (Arc::clone(store), hasher.clone());
            let join_all =
                move || group.into_iter().filter_map(|lines| join(&*store, spec, &hasher, lines)).collect();
            let joining = tokio::task::spawn_blocking(join_all);
            async {
                joining.await.map_err(|error| FlowError::from(RepositoryError::Stopped(error.to_string())))
            }
        });
        let mut joined = std::pin::pin!(joined.try_buffered(JOINED_AHEAD));
        while let Some(group) = joined.try_next().await? {
            let group: Vec<Joined> = group;
            report.seen += group.iter().filter_map(Joined::item).map(|_| 1).sum::<u64>();
            self.keep_all(group, writer, &mut report).await?;
            self.progress.writing(self.kind, report.seen);
        }
        // What failed is asked for again: the next increment starts where this one did.
        let failed = report.gaps.iter().any(|gap| gap.reason == GapReason::Failed);
        let whole = end.complete && !failed;
        let cursor = if whole { end.next.clone() } else { self.planned.since.clone() };
        let outcome =
            KindOutcome { complete: whole && report.skipped == 0, cursor, gaps: report.gaps.clone() };
        let counts = writer.end_kind(outcome).await?;
        report.seen = 0;
        report.add(counts);
        if end.left_scope {
            report.left_scope = std::mem::take(&mut report.removed);
        }
        Ok(report)
    }

    /// Fetches the media of some items at once, then keeps the items in their order.
    async fn keep_all(
        &mut self,
        joined: Vec<Joined>,
        writer: &mut Writer,
        report: &mut KindReport,
    ) -> Result<()> {
        let items = || joined.iter().filter_map(Joined::item);
        self.media.fetch(&**self.store, &mut self.earlier_media, items()).await?;
        for one in joined {
            match one {
                Joined::Removed(id, why) => writer.remove(&id, why).await?,
                Joined::Skipped(id, gap) => {
                    report.skipped += 1;
                    report.gaps.push(gap);
                    match writer.keep(&id).await {
                        // No snapshot holds an id that none can hold.
                        Ok(()) | Err(RepositoryError::Name(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Joined::Item(item, hash) => self.keep(item, hash, writer, report).await?,
            }
        }
        Ok(())
    }

    async fn keep(
        &mut self,
        mut item: Item,
        hash: Option<ContentHash>,
        writer: &mut Writer,
        report: &mut KindReport,
    ) -> Result<()> {
        let mut gaps = std::mem::take(&mut item.gaps);
        let media_refs = self.media.refs(&item, &mut gaps);
        for gap in gaps.iter().filter(|gap| gap.reason == GapReason::Failed) {
            report.gaps.push(Gap { what: format!("{} {} {}", self.kind, item.id, gap.what), ..gap.clone() });
        }
        // Bytes that could not be fetched before and now could make a new version, though no field differs.
        media_refs.iter().for_each(|media| item.canonical.extend_from_slice(media.name.as_bytes()));
        let hash = hash.unwrap_or_else(|| writer.hasher().hash(&item.canonical));
        if writer.unchanged(&item.id, hash, item.subjects.first()).await? {
            return Ok(());
        }
        let meta = RecordMeta {
            observed_at: self.cell.clock.now(),
            source_updated_at: item.source_updated_at,
            api_version: self.store.api_version().to_owned(),
            selection_digest: self.planned.digest.clone(),
            subjects: std::mem::take(&mut item.subjects),
            media_refs,
            gaps,
        };
        let summary = serde_json::to_vec(&item.summary).unwrap_or_default();
        let record = NewRecord {
            id: &item.id,
            payload: &item.payload,
            canonical: Some(&item.canonical),
            meta: &meta,
            summary: &summary,
        };
        match self.put(record, hash, writer).await {
            Ok(()) => Ok(()),
            // One item that cannot be kept must not cost the others.
            Err(FlowError::Repository(error @ (RepositoryError::Input(_) | RepositoryError::Name(_)))) => {
                report.skipped += 1;
                let what = format!("{} {}", self.kind, item.id.chars().take(80).collect::<String>());
                report.gaps.push(Gap { what, reason: GapReason::TooLarge, detail: error.to_string() });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Puts a record. It counts as changed only if it differs in what was selected before too.
    async fn put(&mut self, record: NewRecord<'_>, hash: ContentHash, writer: &mut Writer) -> Result<()> {
        let before = self.earlier.find(record.id).await?;
        let reselected = before.is_some_and(|before| {
            let (before, after) = ((&*before.payload, &before.meta), (record.payload, record.meta));
            differs_by_selection(self.planned.spec, before, after)
        });
        if reselected {
            writer.put_reselected(record, hash).await?;
        } else {
            writer.put_hashed(record, hash).await?;
        }
        Ok(())
    }
}
