//! What a store holds just now, against a snapshot of it: read as a backup reads, compared, and forgotten.
//!
//! Nothing is written to the stores and no snapshot is made. What is fetched lies in a scratch folder in the
//! cell's home, sealed as a backup's progress is, until it has been compared.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::Connection;
use connectors::canonical::Rules;
use connectors::contract::{Item, KindEnd, Line, Store};
use connectors::tree::Tree;
use domain::{Action, DataKeys, Grant, Ids as _, Kind, RecordKey, Scope, SnapshotNumber};
use repository::{
    Difference, Head, MergedLines, Reader, Record, Repository, RepositoryError, Run, StoreOptions, Stores,
};
use rustix::fs::FlockOperation;
use serde_json::json;

use crate::backup::{BackupProgress, KindPlan, PRESENT_PART, Plan, REMOVED_PART, fetch};
use crate::cell::Cell;
use crate::connect;
use crate::diff::{Changed, Diff, Named, parse};
use crate::error::{FlowError, Result};
use crate::fields::shared;
use crate::read;

/// What to compare.
pub struct LiveDiff<'a> {
    /// Which store.
    pub connection: &'a Connection,
    /// With which snapshot: a TIME.
    pub from: &'a str,
    /// Only this kind.
    pub kind: Option<&'a Kind>,
    /// Read everything, whatever the kinds can tell of changes.
    pub full: bool,
}

/// Compares a snapshot with the store as it is.
///
/// # Errors
/// When nothing was backed up yet, or the platform cannot be read. A kind that could not be read whole is no error:
/// `gaps` says why, and none of its records count as gone.
pub async fn diff_live(cell: &Cell, ask: &LiveDiff<'_>, progress: &dyn BackupProgress) -> Result<Diff> {
    let scope = &ask.connection.scope;
    let grant = cell.grant(scope, &[Action::Backup, Action::Read], "compare with the live store").await?;
    let known = cell.known_head(scope).await?;
    let reader = cell.repository(scope).reader(&grant, Action::Read, known.as_ref()).await;
    let reader = reader.map_err(|error| read::never_backed_up(&scope.connection, error))?;
    let from = read::snapshot(&reader, ask.from).await?.name.number;
    let latest = reader.latest().await?;
    let store = connect::open(cell, ask.connection, &grant).await?;
    let plan = plan(&*store, &latest, ask)?;

    let scratch = Scratch::new(cell, ask.connection, &grant).await?;
    let ended = fetch(&scratch.run, &plan, &*store, progress).await?;
    let mut live = Live { store: &*store, merged: scratch.run.merged().await?, next: None };
    let mut diff = Diff::default();
    let mut base = Base { walk: reader.differences(from, latest.name.number).await?, next: None };
    for (kind, planned) in &plan.kinds {
        let mut comparison = Comparison {
            reader: &reader,
            from,
            latest: latest.name.number,
            kind,
            planned,
            rules: Rules::new(planned.spec.volatile, planned.spec.unordered),
            diff: &mut diff,
        };
        let end = ended.get(kind);
        if end.is_some_and(|end| end.swept && end.complete) {
            comparison.with_everything(&mut live).await?;
        } else {
            let base = base.of(kind).await?;
            comparison.with_changes(&mut live, base, end).await?;
        }
    }
    diff.gaps.extend(ended.values().flat_map(|end| end.gaps.clone()));
    Ok(diff)
}

/// What is asked for: what changed since the newest snapshot, where the kind can tell.
fn plan(store: &dyn Store, latest: &Head, ask: &LiveDiff<'_>) -> Result<Plan> {
    let kinds = store.kinds().iter().filter_map(|spec| {
        let kind = Kind::new(spec.name).ok()?;
        if ask.kind.is_some_and(|only| *only != kind) {
            return None;
        }
        let state = latest.commit.kinds.get(&kind);
        let since = if ask.full { None } else { state.and_then(|state| state.cursor.clone()) };
        Some((kind, KindPlan { spec, since, digest: store.selection_digest(spec) }))
    });
    let plan = Plan { kinds: kinds.collect() };
    match (plan.kinds.is_empty(), ask.kind) {
        (true, Some(kind)) => Err(FlowError::Input(format!(
            "`{kind}` is not a kind of {}: see `caretaker kinds`",
            ask.connection.scope.platform
        ))),
        _ => Ok(plan),
    }
}

/// A place for what is fetched: a key store of its own, with the connection's wrapped keys in it and nothing else.
struct Scratch {
    run: Run,
    _folder: ScratchFolder,
}

/// Goes away with what is in it.
struct ScratchFolder {
    path: PathBuf,
    _lock: File,
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // What stays is sealed, and the next comparison removes it.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn lock(path: &Path, operation: FlockOperation) -> std::io::Result<File> {
    let folder = File::open(path)?;
    rustix::fs::flock(&folder, operation)?;
    Ok(folder)
}

impl ScratchFolder {
    fn new(cell: &Cell, scope: &Scope) -> Result<Self> {
        let all = crate::cell::scratch(&cell.dir, &scope.platform);
        let path = all.join(cell.rng.next_id().to_string());
        let file = |source| FlowError::File { operation: "make", path: path.display().to_string(), source };
        std::fs::create_dir_all(&all).map_err(file)?;
        // One at a time: a folder that was made and is not locked yet looks like that of a killed command.
        let _making = lock(&all, FlockOperation::LockExclusive).map_err(file)?;
        std::fs::create_dir(&path).map_err(file)?;
        let own = lock(&path, FlockOperation::NonBlockingLockExclusive).map_err(file)?;
        let folder = Self { _lock: own, path: path.clone() };
        // Those of commands that were killed: nobody holds their lock any more.
        for left in std::fs::read_dir(&all).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if left != path && lock(&left, FlockOperation::NonBlockingLockExclusive).is_ok() {
                // A restore's is a file, from which it takes the name at once.
                let _ =
                    if left.is_dir() { std::fs::remove_dir_all(left) } else { std::fs::remove_file(left) };
            }
        }
        Ok(folder)
    }
}

impl Scratch {
    async fn new(cell: &Cell, connection: &Connection, grant: &Grant) -> Result<Self> {
        let folder = ScratchFolder::new(cell, &connection.scope)?;
        let url = folder.path.display().to_string();
        let stores = Stores {
            objects: Arc::clone(&cell.stores.objects),
            keys: repository::make_store(&url, &StoreOptions::default())?,
        };
        let keys: Arc<dyn DataKeys> = Arc::new(cell.vault.clone());
        let (clock, rng) = (Arc::clone(&cell.clock), Arc::clone(&cell.rng));
        let scratch = Repository::new(&stores, connection.scope.clone(), keys, clock, rng);
        for (id, wrapped) in cell.repository(&connection.scope).wrapped_keys().await? {
            scratch.replace_wrapped_key(id, wrapped).await?;
        }
        let run = scratch.run(grant, None, &json!("compare")).await?;
        Ok(Self { run, _folder: folder })
    }
}

/// An item of the live store, or the word that it is gone.
enum Found {
    Item(Box<Item>),
    Gone(Box<str>),
    /// It is there, and as the newest snapshot has it.
    Present(Box<str>),
    /// It is there, and what came of it does not fit together.
    Unreadable(Box<str>),
}

impl Found {
    fn id(&self) -> &str {
        match self {
            Self::Item(item) => &item.id,
            Self::Gone(id) | Self::Present(id) | Self::Unreadable(id) => id,
        }
    }
}

/// What was fetched, item by item in the order of records.
struct Live<'a> {
    store: &'a dyn Store,
    merged: MergedLines,
    next: Option<Vec<repository::RunLine>>,
}

impl Live<'_> {
    async fn next_of(&mut self, planned: &KindPlan, kind: &Kind, diff: &mut Diff) -> Result<Option<Found>> {
        loop {
            if self.next.is_none() {
                self.next = self.merged.next_item().await?;
            }
            let of_kind =
                |lines: &mut Vec<repository::RunLine>| lines.first().is_some_and(|line| line.kind == *kind);
            let Some(lines) = self.next.take_if(of_kind) else { return Ok(None) };
            let Some(id) = lines.first().map(|line| line.id.clone()) else { continue };
            let present = lines.iter().any(|line| &*line.part == PRESENT_PART);
            let own: Vec<Line> = lines
                .into_iter()
                .filter(|line| !matches!(&*line.part, REMOVED_PART | PRESENT_PART))
                .map(|line| Line { kind: line.kind, id: line.id, part: line.part, bytes: line.bytes })
                .collect();
            if own.is_empty() {
                return Ok(Some(if present { Found::Present(id) } else { Found::Gone(id) }));
            }
            match self.store.assemble(planned.spec, &id, &own) {
                Ok(Some(item)) => return Ok(Some(Found::Item(Box::new(item)))),
                Ok(None) => {}
                Err(fault) => {
                    diff.gaps.push(domain::Gap {
                        what: format!("{kind} {id}"),
                        reason: domain::GapReason::Failed,
                        detail: fault.to_string(),
                    });
                    return Ok(Some(Found::Unreadable(id)));
                }
            }
        }
    }
}

/// What changed from the snapshot that is compared with to the newest one.
struct Base {
    walk: repository::Differences,
    next: Option<Difference>,
}

impl Base {
    /// Those of one kind. Kinds are asked for in their order.
    async fn of(&mut self, kind: &Kind) -> Result<VecDeque<Difference>> {
        let mut found = VecDeque::new();
        loop {
            if self.next.is_none() {
                self.next = self.walk.next().await?;
            }
            match self.next.as_ref().map(|next| next.key.kind.cmp(kind)) {
                Some(Ordering::Equal) => found.extend(self.next.take()),
                Some(Ordering::Less) => self.next = None,
                Some(Ordering::Greater) | None => return Ok(found),
            }
        }
    }
}

/// The comparison of one kind.
struct Comparison<'a> {
    reader: &'a Reader,
    from: SnapshotNumber,
    latest: SnapshotNumber,
    kind: &'a Kind,
    planned: &'a KindPlan,
    rules: Rules,
    diff: &'a mut Diff,
}

impl Comparison<'_> {
    fn key(&self, id: &str) -> Result<RecordKey> {
        Ok(RecordKey::new(self.kind.clone(), id).map_err(RepositoryError::from)?)
    }

    fn named(&self, id: &str) -> Named {
        Named { kind: self.kind.clone(), id: id.into() }
    }

    fn compare(&mut self, stored: &Record, item: &Item) -> Result<()> {
        let (mut before, mut after) = (parse(&stored.payload), parse(&item.payload));
        // A field that was not selected then tells nothing now.
        if stored.meta.selection_digest != self.planned.digest {
            (before, after) = (shared(&before, &after), shared(&after, &before));
        }
        if self.rules.canonical(&Tree::from(&before)) != self.rules.canonical(&Tree::from(&after)) {
            self.diff.changed.push(Changed::between(self.key(&item.id)?, &before, &after));
        }
        Ok(())
    }

    /// The store was listed to its end: what is not there is gone.
    async fn with_everything(&mut self, live: &mut Live<'_>) -> Result<()> {
        let mut scan = self.reader.scan(self.kind, self.from, None).await?;
        let mut stored = scan.next().await?;
        let mut found = live.next_of(self.planned, self.kind, self.diff).await?;
        loop {
            let order = match (&stored, &found) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(stored), Some(found)) => (*stored.key.id).cmp(found.id()),
            };
            let gone = matches!(found, Some(Found::Gone(_)));
            match (&stored, &found) {
                (Some(stored), Some(Found::Item(item))) if order.is_eq() => {
                    self.compare(stored, item)?;
                }
                (Some(stored), Some(Found::Present(_))) if order.is_eq() => self.unchanged(stored).await?,
                (_, Some(Found::Item(_) | Found::Present(_))) if order.is_gt() => {
                    let id = found.as_ref().map(Found::id).unwrap_or_default();
                    self.not_listed(id).await?;
                }
                (Some(stored), _) if order.is_lt() || gone => {
                    self.diff.removed.push(self.named(&stored.key.id));
                }
                _ => {}
            }
            if order.is_le() {
                stored = scan.next().await?;
            }
            if order.is_ge() {
                found = live.next_of(self.planned, self.kind, self.diff).await?;
            }
        }
    }

    /// A live item that is as the newest snapshot has it.
    async fn unchanged(&mut self, stored: &Record) -> Result<()> {
        if self.from == self.latest {
            return Ok(());
        }
        match self.reader.get(&stored.key, self.latest).await {
            Ok(now) if now.payload != stored.payload => {
                let (before, after) = (parse(&stored.payload), parse(&now.payload));
                if self.rules.canonical(&Tree::from(&before)) != self.rules.canonical(&Tree::from(&after)) {
                    self.diff.changed.push(Changed::between(stored.key.clone(), &before, &after));
                }
                Ok(())
            }
            Ok(_) | Err(RepositoryError::NotFound(_) | RepositoryError::Erased(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A live item that the snapshot's list does not have: it is new, or a person's whose key was destroyed, which leaves
    /// nothing to compare with.
    async fn not_listed(&mut self, id: &str) -> Result<()> {
        match self.reader.get(&self.key(id)?, self.from).await {
            Err(RepositoryError::Erased(_)) => {}
            Ok(_) | Err(RepositoryError::NotFound(_)) => self.diff.added.push(self.named(id)),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The store told what changed since the newest snapshot; the rest is as that snapshot has it.
    async fn with_changes(
        &mut self,
        live: &mut Live<'_>,
        base: VecDeque<Difference>,
        end: Option<&KindEnd>,
    ) -> Result<()> {
        let mut base: BTreeMap<Box<str>, Difference> =
            base.into_iter().map(|difference| (difference.key.id.clone(), difference)).collect();
        while let Some(found) = live.next_of(self.planned, self.kind, self.diff).await? {
            base.remove(found.id());
            let stored = match self.reader.get(&self.key(found.id())?, self.from).await {
                Ok(record) => Some(record),
                Err(RepositoryError::NotFound(_)) => None,
                // There is nothing left to compare with.
                Err(RepositoryError::Erased(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            match (stored, found) {
                (Some(stored), Found::Item(item)) => self.compare(&stored, &item)?,
                (None, Found::Item(item)) => self.diff.added.push(self.named(&item.id)),
                (Some(_), Found::Gone(id)) => self.diff.removed.push(self.named(&id)),
                (None, Found::Gone(_)) | (_, Found::Present(_) | Found::Unreadable(_)) => {}
            }
        }
        // What cannot be seen any more cannot be compared either.
        if end.is_some_and(|end| end.left_scope) {
            return Ok(());
        }
        for difference in base.into_values() {
            self.diff.note(self.reader, (self.from, self.latest), difference).await?;
        }
        Ok(())
    }
}
