//! Writing one snapshot.
//!
//! Records come in order of kind and id. Each is compared with the parent snapshot on the way, in one walk
//! along its index: what did not change is not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::record::{PAYLOAD_LEN_MAX, RECORD_ID_LEN_MAX};
use domain::{
    Clock, ContentHash, DataKeyId, Delays, Gap, HashPurpose, KeyedHash, Kind, NameError, RecordMeta, Removal,
    Rng, SubjectId, SubjectTag, Timestamp,
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
use crate::view::{Component, Front, Group, Segments, Walk};

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
    /// When it was read; `None`: just now.
    pub captured_at: Option<Timestamp>,
    /// Whether all of it that can be seen was listed to its end.
    pub listed: bool,
    /// How long it took until the changes were kept that were given.
    pub delays: Delays,
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

/// The hash by which a connection's records are compared, for those who hash while others write.
#[derive(Clone)]
pub struct ContentHasher(Arc<dyn KeyedHash>);

impl ContentHasher {
    /// The hash of the bytes that decide whether a record changed.
    #[must_use]
    pub fn hash(&self, content: &[u8]) -> ContentHash {
        ContentHash(first_half(self.0.hash(&[content])))
    }
}

struct OpenKind {
    kind: Arc<Kind>,
    mode: Mode,
    columns: Vec<String>,
    /// The id before; empty before the first.
    last_id: String,
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
    hasher: ContentHasher,
    /// Gives people's tags.
    tags: Arc<dyn KeyedHash>,
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
        let data_key = keyring.current().await?;
        let hasher = ContentHasher(keyring.keyed_hash(data_key, HashPurpose::Content).await?);
        let tags = keyring.keyed_hash(data_key, HashPurpose::Subject).await?;
        let mut subjects =
            Subjects::open(&keyring, keys_area, &segments.area, ground.parent.as_ref()).await?;
        if ground.parent.is_none() {
            subjects.begin_anew().await?;
        }
        let pack = PackWriter::new(&keyring, &segments.area, data_key, &rng);
        let parent = ground.parent.as_ref();
        let pack = if parent.is_some() { pack.following() } else { pack };
        let components = parent.map_or(&[][..], |head| &head.commit.components);
        let walk = Walk::from(&segments, components, None).await?;
        let kinds = parent.map(|head| head.commit.kinds_after()).unwrap_or_default();
        Ok(Self {
            segments,
            clock,
            rng,
            ground,
            lease,
            data_key,
            hasher,
            tags,
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
            kind: Arc::new(kind.clone()),
            mode,
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            last_id: String::new(),
            counts: KindCounts::default(),
        });
        Ok(())
    }

    /// Puts a record of the open kind. Ids come in order of their bytes. One that is as the parent has it, under the same
    /// person's key or none, is not written.
    ///
    /// # Errors
    /// A repeated id, one out of order, one too long, a payload over 64 MiB: [`RepositoryError::Input`], which
    /// names the record. The parent's version then stands, as after [`Writer::keep`].
    pub async fn put(&mut self, record: NewRecord<'_>) -> Result<Change> {
        let hash = self.hasher.hash(record.canonical.unwrap_or(record.payload));
        self.put_hashed(record, hash).await
    }

    /// As [`Writer::put`], with a hash that [`Writer::hasher`] gave for the same content.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub async fn put_hashed(&mut self, record: NewRecord<'_>, hash: ContentHash) -> Result<Change> {
        let change = self.store(record, hash).await?;
        self.count(change);
        Ok(change)
    }

    /// As [`Writer::put_hashed`], for a record that differs from the parent's only by what is selected: the new version is
    /// kept, and counts as unchanged.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub async fn put_reselected(&mut self, record: NewRecord<'_>, hash: ContentHash) -> Result<()> {
        self.store(record, hash).await?;
        self.count(Change::Unchanged);
        Ok(())
    }

    /// Leaves a record as the parent has it, and says whether it has it: the record is there, and cannot be kept as it is
    /// now, or did not change. In order with [`Writer::put`]; it counts as nothing.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub async fn keep(&mut self, id: &str) -> Result<bool> {
        let kind = self.next_key(id)?;
        Ok(self.before(&kind, id).await?.is_some())
    }

    async fn store(&mut self, record: NewRecord<'_>, hash: ContentHash) -> Result<Change> {
        debug_assert_eq!(hash, self.hasher.hash(record.canonical.unwrap_or(record.payload)));
        let NewRecord { id, payload, meta, summary, .. } = record;
        let kind = self.next_key(id)?;
        // Before anything is refused: whatever becomes of this record, it is not gone.
        let before = self.before(&kind, id).await?;
        if payload.len() > PAYLOAD_LEN_MAX {
            return Err(RepositoryError::Input(format!(
                "{kind} {id} has {} bytes; at most {PAYLOAD_LEN_MAX} (64 MiB) are kept in one record",
                payload.len()
            )));
        }
        let tag = meta.subjects.first().map(|subject| self.tag(subject));
        // A record that became personal, or another person's, is sealed anew though its content is the same.
        let change = match before {
            Some(old) if old == (hash, tag) => Change::Unchanged,
            Some(_) => Change::Changed,
            None => Change::Added,
        };
        if change != Change::Unchanged {
            let record = PackRecord { kind: &kind, id, hash, meta, payload, summary };
            match tag {
                None => self.pack.record(&record).await?,
                Some(tag) => {
                    let wrapped = self.subjects.find_or_create(self.data_key, &tag).await?;
                    self.pack.personal_record(&record, tag, &wrapped).await?;
                }
            }
        }
        Ok(change)
    }

    /// What gives the hashes that [`Writer::put_hashed`] and [`Writer::unchanged`] take.
    #[must_use]
    pub fn hasher(&self) -> ContentHasher {
        self.hasher.clone()
    }

    /// Whether the record that comes next in the parent snapshot is this one, with this very content, under the key of
    /// this person or none. Then it is counted as seen, and done with. Else nothing has happened: the record is to be put.
    ///
    /// Whoever knows from content that it was taken before need not look at it again.
    ///
    /// # Errors
    /// When the parent's index cannot be read.
    pub async fn unchanged(
        &mut self,
        id: &str,
        hash: ContentHash,
        person: Option<&SubjectId>,
    ) -> Result<bool> {
        let subject = person.map(|person| self.tag(person));
        let Some(open) = &mut self.open else { return Ok(false) };
        let wanted = Front { kind: &open.kind, id, hash: Some(hash), subject };
        if open.last_id.as_str() >= id || self.walk.front() != Some(wanted) {
            return Ok(false);
        }
        open.last_id.clear();
        open.last_id.push_str(id);
        self.walk.pass().await?;
        self.count(Change::Unchanged);
        Ok(true)
    }

    fn tag(&self, person: &SubjectId) -> SubjectTag {
        subjects::tag(&*self.tags, person)
    }

    fn count(&mut self, change: Change) {
        let Some(open) = &mut self.open else { return };
        open.counts.seen += 1;
        match change {
            Change::Added => open.counts.added += 1,
            Change::Changed => open.counts.changed += 1,
            Change::Unchanged => {}
        }
    }

    /// Notes that a record of the open kind is gone. In order with [`Writer::put`].
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub async fn remove(&mut self, id: &str, why: Removal) -> Result<()> {
        let kind = self.next_key(id)?;
        if self.before(&kind, id).await?.is_some() {
            self.pack.removed(&kind, id, why).await?;
            if let Some(open) = &mut self.open {
                open.counts.removed += 1;
            }
        }
        Ok(())
    }

    /// The open kind, whose next record has this id.
    fn next_key(&mut self, id: &str) -> Result<Arc<Kind>> {
        let Some(open) = &mut self.open else {
            return Err(RepositoryError::Input("no kind was begun".to_owned()));
        };
        if id.is_empty() || id.len() > RECORD_ID_LEN_MAX {
            return Err(NameError::RecordId { len: id.len(), max: RECORD_ID_LEN_MAX }.into());
        }
        let (kind, last) = (&open.kind, open.last_id.as_str());
        if last == id {
            return Err(RepositoryError::Input(format!("{kind} {id} occurs twice")));
        }
        if last > id {
            return Err(RepositoryError::Unordered(format!(
                "{kind} {id} comes after `{last}`, out of order"
            )));
        }
        open.last_id.clear();
        open.last_id.push_str(id);
        Ok(Arc::clone(kind))
    }

    /// Goes forward in the parent to a record, and answers the content that the parent has of it, and whose it is. On
    /// the way of a sweep, what was passed over is gone.
    async fn before(&mut self, kind: &Kind, id: &str) -> Result<Option<(ContentHash, Option<SubjectTag>)>> {
        match self.open.as_ref().map(|open| open.mode) {
            Some(Mode::Sweep(why)) => self.sweep(why, |next| next < (kind, id)).await?,
            Some(Mode::Increment) | None => self.walk.seek(kind, id).await?,
        }
        let front = self.walk.front();
        let Some(front) = front.filter(|front| (front.kind, front.id) == (kind, id)) else { return Ok(None) };
        let before = front.hash.map(|hash| (hash, front.subject));
        self.walk.pass().await?;
        Ok(before)
    }

    /// Passes over records of the parent, which are gone.
    async fn sweep(&mut self, why: Removal, passed: impl Fn((&Kind, &str)) -> bool) -> Result<()> {
        while let Some(front) = self.walk.front().filter(|front| passed((front.kind, front.id))) {
            if front.hash.is_some() {
                self.pack.removed(front.kind, front.id, why).await?;
                if let Some(open) = &mut self.open {
                    open.counts.removed += 1;
                }
            }
            self.walk.pass().await?;
        }
        Ok(())
    }

    /// Ends the open kind.
    ///
    /// # Errors
    /// When none is open, or the parent's index cannot be read.
    pub async fn end_kind(&mut self, outcome: KindOutcome) -> Result<KindCounts> {
        let sweep = match self.open.as_ref() {
            Some(OpenKind { kind, mode: Mode::Sweep(why), .. }) => Some((Arc::clone(kind), *why)),
            _ => None,
        };
        if let Some((kind, why)) = &sweep {
            self.sweep(*why, |(next, _)| next == &**kind).await?;
        }
        let Some(open) = self.open.take() else {
            return Err(RepositoryError::Input("no kind was begun".to_owned()));
        };
        let kind = Kind::clone(&open.kind);
        let before = self.kinds.get(&kind);
        let captured_at = outcome.captured_at.unwrap_or_else(|| self.clock.now());
        let state = KindState {
            captured_at,
            swept_at: if outcome.listed {
                Some(captured_at)
            } else {
                before.and_then(|state| state.swept_at)
            },
            complete: outcome.complete,
            cursor: outcome.cursor,
            records: (before.map_or(0, |state| state.records) + open.counts.added)
                .saturating_sub(open.counts.removed),
            columns: open.columns,
            gaps: outcome.gaps,
            delays: outcome.delays,
        };
        self.kinds.insert(kind.clone(), state);
        self.counts.insert(kind, open.counts);
        Ok(open.counts)
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
            && let Err(error) = self.subjects.delete_older(self.lease.generation).await
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
