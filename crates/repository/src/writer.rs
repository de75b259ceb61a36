//! Writing one snapshot.
//!
//! Records come in order of kind and id. Each is compared with the parent snapshot on the way, in one walk
//! along its index: what did not change is not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::record::PAYLOAD_LEN_MAX;
use domain::{
    Clock, ContentHash, DataKeyId, Gap, HashPurpose, KeyedHash, Kind, RecordKey, RecordMeta, Removal, Rng,
    SubjectTag,
};
use serde::Serialize;
use serde_json::Value;

use crate::commit::{Commit, Head, KindState, Role};
use crate::entries::Layout;
use crate::error::{RepositoryError, Result};
use crate::heads::{Ground, Lease};
use crate::merge::{Keep, merge, newest_to_merge, outside, visible};
use crate::pack::{PackRecord, PackWriter};
use crate::store::Area;
use crate::subjects::{self, Subjects, first_half};
use crate::view::{Component, Group, Segments, Version, VersionState, Walk};

/// A record to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    /// The platform's id.
    pub id: &'a str,
    /// The payload, stored as it is.
    pub payload: &'a [u8],
    /// The bytes that decide whether it changed; `None`: the payload's own.
    pub canonical: Option<&'a [u8]>,
    /// What is known beside the payload. Where it names subjects, the record is sealed under the first one's key.
    pub meta: &'a RecordMeta,
    /// Values of the kind's summary columns, as a JSON array; empty where it has none.
    pub summary: &'a [u8],
}

/// How the records of a kind are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// These are all that exist: what is absent was removed, for this reason.
    Sweep(Removal),
    /// These have changed or may have; what is absent stays as it was.
    Increment,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Added,
    /// It differs from the parent snapshot.
    Changed,
    /// It is as it was; nothing was written.
    Unchanged,
}

/// Counts of one kind in one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct KindCounts {
    /// Records that were given.
    pub seen: u64,
    /// New ones.
    pub added: u64,
    /// Changed ones.
    pub changed: u64,
    /// Ones that are gone.
    pub removed: u64,
}

/// How a kind's run ended.
#[derive(Debug, Clone, Default)]
pub struct KindOutcome {
    /// Whether everything that was asked for was read.
    pub complete: bool,
    /// From where the next increment starts.
    pub cursor: Option<Value>,
    /// What is not there, and why.
    pub gaps: Vec<Gap>,
}

/// A finished snapshot.
#[derive(Debug, Clone)]
pub struct Written {
    /// The commit.
    pub head: Head,
    /// Counts per kind.
    pub counts: BTreeMap<Kind, KindCounts>,
    /// Bytes written to the stores.
    pub bytes_written: u64,
}

struct OpenKind {
    kind: Kind,
    mode: Mode,
    columns: Vec<String>,
    last_id: Option<Box<str>>,
    counts: KindCounts,
}

/// Writes one snapshot. Dropped without [`Writer::commit`], it leaves nothing that anybody sees.
pub struct Writer {
    segments: Arc<Segments>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    ground: Ground,
    lease: Lease,
    data_key: DataKeyId,
    content_hash: Arc<dyn KeyedHash>,
    pack: PackWriter,
    subjects: Subjects,
    walk: Walk,
    open: Option<OpenKind>,
    kinds: BTreeMap<Kind, KindState>,
    counts: BTreeMap<Kind, KindCounts>,
}

impl Writer {
    pub(crate) async fn begin(
        segments: Arc<Segments>,
        keys_area: &Area,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        ground: Ground,
        lease: Lease,
    ) -> Result<Self> {
        let keyring = Arc::clone(&segments.keyring);
        let data_key = keyring.current().await?.id();
        let content_hash = keyring.keyed_hash(data_key, HashPurpose::Content).await?;
        let subjects = Subjects::open(&keyring, keys_area, &segments.area, ground.parent.as_ref()).await?;
        let pack = PackWriter::new(&keyring, &segments.area, data_key, &rng);
        let parent = ground.parent.as_ref();
        let pack = if parent.is_some() { pack.following() } else { pack };
        let components = parent.map_or(&[][..], |head| &head.commit.components);
        let walk = Walk::from(&segments, components, None).await?;
        let kinds = parent.map(|head| head.commit.kinds.clone()).unwrap_or_default();
        Ok(Self {
            segments,
            clock,
            rng,
            ground,
            lease,
            data_key,
            content_hash,
            pack,
            subjects,
            walk,
            open: None,
            kinds,
            counts: BTreeMap::new(),
        })
    }

    /// The snapshot that this one is compared with.
    #[must_use]
    pub fn parent(&self) -> Option<&Head> {
        self.ground.parent.as_ref()
    }

    fn parent_number(&self) -> u64 {
        self.parent().map_or(0, |head| head.name.number.0)
    }

    /// Begins a kind. Kinds come in order of their names, each once.
    ///
    /// # Errors
    /// When the order is broken.
    pub async fn begin_kind(&mut self, kind: &Kind, mode: Mode, columns: &[&str]) -> Result<()> {
        if let Some(open) = &self.open {
            return Err(RepositoryError::Input(format!(
                "kind `{}` was not ended before `{kind}`",
                open.kind
            )));
        }
        if self.counts.keys().next_back().is_some_and(|last| last >= kind) {
            return Err(RepositoryError::Input(format!("kind `{kind}` comes out of order")));
        }
        self.walk.seek(kind, "").await?;
        self.open = Some(OpenKind {
            kind: kind.clone(),
            mode,
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            last_id: None,
            counts: KindCounts::default(),
        });
        Ok(())
    }

    /// Keeps a record of the open kind. Ids come in order of their bytes.
    ///
    /// # Errors
    /// A repeated id, one out of order, one too long, a payload over 64 MiB: [`RepositoryError::Input`], which
    /// names the record.
    pub async fn put(&mut self, record: NewRecord<'_>) -> Result<Change> {
        let key = self.next_key(record.id)?;
        if record.payload.len() > PAYLOAD_LEN_MAX {
            return Err(RepositoryError::Input(format!(
                "{key} has {} bytes; at most {PAYLOAD_LEN_MAX} (64 MiB) are kept in one record",
                record.payload.len()
            )));
        }
        let hash =
            ContentHash(first_half(self.content_hash.hash(&[record.canonical.unwrap_or(record.payload)])));
        let before = self.before(&key).await?;
        let change = match before.as_ref().map(|version| &version.state) {
            Some(VersionState::Present { hash: old, .. }) if *old == hash => Change::Unchanged,
            Some(VersionState::Present { .. }) => Change::Changed,
            Some(VersionState::Removed(_)) | None => Change::Added,
        };
        if let Some(open) = &mut self.open {
            open.counts.seen += 1;
            match change {
                Change::Added => open.counts.added += 1,
                Change::Changed => open.counts.changed += 1,
                Change::Unchanged => {}
            }
        }
        if change != Change::Unchanged {
            let NewRecord { payload, meta, summary, .. } = record;
            let record = PackRecord { key: &key, hash, meta, payload, summary };
            match meta.subjects.first() {
                None => self.pack.record(&record).await?,
                Some(subject) => {
                    let data_key = self.segments.keyring.key(self.data_key).await?;
                    let tag: SubjectTag = subjects::tag(&*data_key, subject)?;
                    let wrapped = self.subjects.find_or_create(&*data_key, &tag).await?;
                    let maker = |salt: &domain::Salt, number: u64| {
                        data_key.record_key(&tag, &wrapped, salt, number).map_err(RepositoryError::from)
                    };
                    self.pack.personal_record(&record, tag, &maker).await?;
                }
            }
        }
        Ok(change)
    }

    /// Notes that a record of the open kind is gone. In order with [`Writer::put`].
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub async fn remove(&mut self, id: &str, why: Removal) -> Result<()> {
        let key = self.next_key(id)?;
        let before = self.before(&key).await?;
        if before.is_some_and(|version| matches!(version.state, VersionState::Present { .. })) {
            self.pack.removed(&key, why)?;
            if let Some(open) = &mut self.open {
                open.counts.removed += 1;
            }
        }
        Ok(())
    }

    fn next_key(&mut self, id: &str) -> Result<RecordKey> {
        let Some(open) = &mut self.open else {
            return Err(RepositoryError::Input("no kind was begun".to_owned()));
        };
        let key = RecordKey::new(open.kind.clone(), id)?;
        match open.last_id.as_deref() {
            Some(last) if last == id => {
                return Err(RepositoryError::Input(format!("{key} occurs twice")));
            }
            Some(last) if last > id => {
                return Err(RepositoryError::Unordered(format!("{key} comes after `{last}`, out of order")));
            }
            _ => open.last_id = Some(key.id.clone()),
        }
        Ok(key)
    }

    /// Goes forward in the parent to a key, and answers what the parent knows of it. On the way of a sweep,
    /// what was passed over is gone.
    async fn before(&mut self, key: &RecordKey) -> Result<Option<Version>> {
        match self.open.as_ref().map(|open| open.mode) {
            Some(Mode::Sweep(why)) => {
                while self.walk.peek().is_some_and(|(kind, id)| (kind, id) < (&key.kind, &*key.id)) {
                    let group = self.walk.next().await?;
                    self.gone(group, why)?;
                }
            }
            Some(Mode::Increment) | None => self.walk.seek(&key.kind, &key.id).await?,
        }
        if self.walk.peek() != Some((&key.kind, &*key.id)) {
            return Ok(None);
        }
        let at = self.parent_number();
        Ok(self.walk.next().await?.and_then(|group| group.at(at).cloned()))
    }

    fn gone(&mut self, group: Option<Group>, why: Removal) -> Result<()> {
        let at = self.parent_number();
        let Some(group) = group else { return Ok(()) };
        if group.at(at).is_some_and(|version| matches!(version.state, VersionState::Present { .. })) {
            self.pack.removed(&group.key, why)?;
            if let Some(open) = &mut self.open {
                open.counts.removed += 1;
            }
        }
        Ok(())
    }

    /// Ends the open kind.
    ///
    /// # Errors
    /// When none is open, or the parent's index cannot be read.
    pub async fn end_kind(&mut self, outcome: KindOutcome) -> Result<KindCounts> {
        let sweep = match self.open.as_ref() {
            Some(OpenKind { kind, mode: Mode::Sweep(why), .. }) => Some((kind.clone(), *why)),
            _ => None,
        };
        if let Some((kind, why)) = &sweep {
            while self.walk.peek().is_some_and(|(next, _)| next == kind) {
                let group = self.walk.next().await?;
                self.gone(group, *why)?;
            }
        }
        let Some(open) = self.open.take() else {
            return Err(RepositoryError::Input("no kind was begun".to_owned()));
        };
        let now = self.clock.now();
        let before = self.kinds.get(&open.kind);
        let state = KindState {
            captured_at: now,
            swept_at: if sweep.is_some() { Some(now) } else { before.and_then(|state| state.swept_at) },
            complete: outcome.complete,
            cursor: outcome.cursor,
            records: (before.map_or(0, |state| state.records) + open.counts.added)
                .saturating_sub(open.counts.removed),
            columns: open.columns,
            gaps: outcome.gaps,
        };
        self.kinds.insert(open.kind.clone(), state);
        self.counts.insert(open.kind, open.counts);
        Ok(open.counts)
    }

    /// Notes a kind that could not be read at all: its records stay as they were.
    pub fn skip_kind(&mut self, kind: &Kind, gaps: Vec<Gap>) {
        let now = self.clock.now();
        let state = self.kinds.entry(kind.clone()).or_insert_with(|| KindState {
            captured_at: now,
            swept_at: None,
            complete: false,
            cursor: None,
            records: 0,
            columns: Vec::new(),
            gaps: Vec::new(),
        });
        state.complete = false;
        state.gaps = gaps;
    }

    /// Makes the snapshot: tables of people's keys, then packs, then the commit that names them, each durable
    /// before the next.
    ///
    /// # Errors
    /// When the store fails. Nothing of the snapshot is then seen by anybody.
    pub async fn commit(mut self) -> Result<Written> {
        if let Some(open) = &self.open {
            return Err(RepositoryError::Input(format!("kind `{}` was not ended", open.kind)));
        }
        // Whoever was overtaken writes no table of keys any more: an erasure may have come between.
        self.ground.check(&self.segments.area, &self.lease).await?;
        // INVARIANT (keys before records): a commit never names a record whose key is not durable.
        let tables = self.subjects.store(&*self.rng, self.data_key, self.lease.generation).await?;
        let buckets = self.subjects.buckets();
        let (parts, mut bytes_written) = self.pack.finish().await?;
        let parent = self.ground.parent.as_ref();
        let mut commit =
            Commit::after(&self.segments, parent, self.lease.generation, Role::Snapshot, &*self.clock)
                .await?;
        let number = commit.number.0;
        bytes_written += merge_newest(
            &self.segments,
            self.data_key,
            &*self.rng,
            &mut commit.components,
            &commit.pruned,
            number,
        )
        .await?;
        if !parts.is_empty() {
            // INVARIANT (packs by number): a snapshot's own commit names its packs; they are merged later. So
            // the chain tells which snapshot a pack belongs to, and a lost index can be rebuilt.
            let entries = self.counts.values().map(|c| c.added + c.changed + c.removed).sum();
            let component = Component { layout: Layout::Pack, from: number, to: number, entries, parts };
            commit.components.insert(0, component);
        }
        commit.complete = self.kinds.values().all(|kind| kind.complete);
        commit.kinds = self.kinds;
        commit.buckets = buckets;
        let (keyring, area) = (&self.segments.keyring, &self.segments.area);
        let head = self.ground.publish(keyring, area, self.data_key, &*self.rng, &self.lease, commit).await?;
        if !tables.is_empty()
            && let Err(error) = self.subjects.delete_older().await
        {
            // The snapshot stands. Whoever may delete there does so at the next collection.
            tracing::warn!(%error, "older tables of people's keys remain");
        }
        Ok(Written { head, counts: self.counts, bytes_written })
    }

    /// Gives the run up and deletes what it has written.
    ///
    /// # Errors
    /// When the store fails; what remains is then collected later.
    pub async fn abandon(self) -> Result<()> {
        self.pack.abandon().await
    }
}

/// Merges the newest components where they have become too many.
pub(crate) async fn merge_newest(
    segments: &Arc<Segments>,
    data_key: DataKeyId,
    rng: &dyn Rng,
    components: &mut Vec<Component>,
    pruned: &[(u64, u64)],
    head: u64,
) -> Result<u64> {
    let sizes: Vec<u64> = components.iter().map(|component| component.entries).collect();
    let newest = newest_to_merge(&sizes);
    if newest == 0 {
        return Ok(0);
    }
    let oldest = newest == components.len();
    let taken: Vec<Component> = components.drain(..newest).collect();
    let to = taken.iter().map(|component| component.to).max().unwrap_or(head);
    // A version of these components is shown by snapshots after them too, unless a newer one hides it there.
    let versions = |group: Group| Group {
        versions: visible(
            group.versions,
            &|from, until| until > to || outside(pruned, from, until),
            head.max(to),
            oldest,
        ),
        ..group
    };
    let keep = Keep { versions: &versions, pack: &|_| true };
    let (merged, bytes_written) = merge(segments, data_key, rng, &taken, &keep).await?;
    if let Some(merged) = merged {
        components.insert(0, merged);
    }
    Ok(bytes_written)
}
