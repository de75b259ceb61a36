//! All versions of all records, seen through the components that a commit names.
//!
//! A component is a sorted list of entries: the packs of one snapshot, or a merged index. A view merges them:
//! for every record its versions, newest first. One record costs one block of entries per component, and the
//! number of components is bounded by merging.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use domain::{ContentHash, Id128, Kind, RecordKey, Removal, SubjectTag};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::entries::{Entry, Layout, State};
use crate::error::{RepositoryError, Result};
use crate::footer::ObjectRef;
use crate::keyring::Keyring;
use crate::segment::Segment;
use crate::store::Area;

/// A sorted list of entries, as a commit names it: one or more objects, in order, without overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Component {
    /// Packs hold what one snapshot brought; a merged index spans several.
    #[serde(rename = "type")]
    pub(crate) layout: Layout,
    /// The first snapshot that its entries belong to.
    pub(crate) from: u64,
    /// The last one.
    pub(crate) to: u64,
    /// How many entries it has; decides what is merged with what.
    pub(crate) entries: u64,
    pub(crate) parts: Vec<Part>,
}

/// One object of a component, and the keys between which its entries lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    #[serde(flatten)]
    pub(crate) object: ObjectRef,
    pub(crate) first: RecordKey,
    pub(crate) last: RecordKey,
}

/// Objects whose footers are open.
#[derive(Debug)]
pub(crate) struct Segments {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) area: Area,
    opened: Mutex<HashMap<Id128, Arc<Segment>>>,
}

/// So many footers are kept; a footer has some kilobytes.
const SEGMENTS_MAX: usize = 256;

impl Segments {
    pub(crate) fn new(keyring: &Arc<Keyring>, area: &Area) -> Self {
        Self { keyring: Arc::clone(keyring), area: area.clone(), opened: Mutex::default() }
    }

    pub(crate) async fn open(&self, layout: Layout, object: &ObjectRef) -> Result<Arc<Segment>> {
        if let Some(segment) = self.opened.lock().await.get(&object.id) {
            return Ok(Arc::clone(segment));
        }
        let segment = Arc::new(Segment::open(&self.keyring, &self.area, layout, object).await?);
        let mut opened = self.opened.lock().await;
        if opened.len() >= SEGMENTS_MAX {
            opened.clear();
        }
        opened.insert(object.id, Arc::clone(&segment));
        Ok(segment)
    }
}

/// One version of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// The snapshot that brought it.
    pub(crate) number: u64,
    pub(crate) state: VersionState,
    pub(crate) subject: Option<SubjectTag>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VersionState {
    Present { hash: ContentHash, pack: ObjectRef, ordinal: u32 },
    Removed(Removal),
}

/// A record with its versions, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) key: RecordKey,
    pub(crate) versions: Vec<Version>,
}

impl Group {
    /// The version that counts in the snapshot `at`; `None` where the record did not exist yet.
    pub(crate) fn at(&self, at: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number <= at)
    }
}

/// Walks one component.
struct Walker {
    segments: Arc<Segments>,
    component: Component,
    /// Which of the component's objects.
    turn: usize,
    segment: Option<Arc<Segment>>,
    /// Which block of entries comes next.
    block: usize,
    entries: std::vec::IntoIter<Entry>,
    head: Option<Entry>,
}

impl Walker {
    fn new(segments: Arc<Segments>, component: Component) -> Self {
        Self {
            segments,
            component,
            turn: 0,
            segment: None,
            block: 0,
            entries: Vec::new().into_iter(),
            head: None,
        }
    }

    fn part(&self) -> Option<&ObjectRef> {
        self.component.parts.get(self.turn).map(|part| &part.object)
    }

    /// Stands before the first entry that is not less than `(kind, id)`.
    async fn seek(&mut self, kind: &Kind, id: &str) -> Result<()> {
        self.entries = Vec::new().into_iter();
        self.head = None;
        self.turn =
            self.component.parts.partition_point(|part| (&part.last.kind, &*part.last.id) < (kind, id));
        self.segment = None;
        self.block = 0;
        if let Some(object) = self.part() {
            let segment = self.segments.open(self.component.layout, object).await?;
            self.block = segment.footer.block_for(kind, id);
            self.segment = Some(segment);
        }
        self.advance().await?;
        while self.compare(kind, id) == Some(Ordering::Less) {
            self.advance().await?;
        }
        Ok(())
    }

    /// As [`Walker::seek`], for a key that is not behind. A block that is open is not opened again.
    async fn seek_forward(&mut self, kind: &Kind, id: &str) -> Result<()> {
        let behind = |entry: &Entry| self.kind(entry).is_some_and(|own| (own, &*entry.id) < (kind, id));
        let passed = self.entries.as_slice().partition_point(behind);
        if passed == self.entries.len() {
            return self.seek(kind, id).await;
        }
        self.head = self.entries.nth(passed);
        Ok(())
    }

    /// How the entry in front compares with a key; `None` at the end.
    fn compare(&self, kind: &Kind, id: &str) -> Option<Ordering> {
        let head = self.head.as_ref()?;
        Some((self.kind(head)?, &*head.id).cmp(&(kind, id)))
    }

    fn kind(&self, entry: &Entry) -> Option<&Kind> {
        self.segment.as_ref()?.footer.kinds.get(usize::from(entry.kind))
    }

    fn head_key(&self) -> Option<(&Kind, &str)> {
        let head = self.head.as_ref()?;
        Some((self.kind(head)?, &head.id))
    }

    /// The next entry comes to the front.
    async fn advance(&mut self) -> Result<()> {
        loop {
            self.head = self.entries.next();
            if self.head.is_some() {
                return Ok(());
            }
            let Some(object) = self.part() else { return Ok(()) };
            let segment = match &self.segment {
                Some(segment) => Arc::clone(segment),
                None => {
                    let segment = self.segments.open(self.component.layout, object).await?;
                    self.block = 0;
                    segment
                }
            };
            if self.block < segment.footer.entries.len() {
                self.entries = segment.entries(self.block, self.component.from).await?.into_iter();
                self.block += 1;
                self.segment = Some(segment);
            } else {
                self.segment = None;
                self.turn += 1;
            }
        }
    }

    /// Takes the entry in front as a version and advances.
    async fn take(&mut self) -> Result<Option<Version>> {
        let (Some(entry), Some(segment)) = (self.head.take(), self.segment.clone()) else { return Ok(None) };
        let state = match entry.state {
            State::Removed(why) => VersionState::Removed(why),
            State::Present { hash, place } => {
                let pack = match self.component.layout {
                    Layout::Pack => self.part().cloned(),
                    Layout::Index => usize::try_from(place.pack)
                        .ok()
                        .and_then(|turn| segment.footer.packs.get(turn).cloned()),
                };
                let pack = pack.ok_or_else(|| {
                    RepositoryError::damaged(
                        &segment.full_name(),
                        "an entry names a pack that it does not list",
                    )
                })?;
                VersionState::Present { hash, pack, ordinal: place.ordinal }
            }
        };
        self.advance().await?;
        Ok(Some(Version { number: entry.number, state, subject: entry.subject }))
    }
}

/// The record that a walk stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Front<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) id: &'a str,
    /// Its content; `None` where it is gone.
    pub(crate) hash: Option<ContentHash>,
    /// Whose it is, where it is sealed under a person's key.
    pub(crate) subject: Option<SubjectTag>,
}

/// Walks all components at once, record by record.
pub(crate) struct Walk {
    walkers: Vec<Walker>,
}

impl Walk {
    /// From `(kind, id)` on, or from the beginning.
    pub(crate) async fn from(
        segments: &Arc<Segments>,
        components: &[Component],
        start: Option<(&Kind, &str)>,
    ) -> Result<Self> {
        let mut walkers: Vec<Walker> =
            components.iter().map(|component| Walker::new(Arc::clone(segments), component.clone())).collect();
        for walker in &mut walkers {
            match start {
                Some((kind, id)) => walker.seek(kind, id).await?,
                None => walker.advance().await?,
            }
        }
        Ok(Self { walkers })
    }

    /// Goes forward to the first record that is not less than `(kind, id)`.
    pub(crate) async fn seek(&mut self, kind: &Kind, id: &str) -> Result<()> {
        for walker in &mut self.walkers {
            if walker.compare(kind, id) == Some(Ordering::Less) {
                walker.seek_forward(kind, id).await?;
            }
        }
        Ok(())
    }

    /// The key of the next record.
    pub(crate) fn peek(&self) -> Option<(&Kind, &str)> {
        self.walkers.iter().filter_map(Walker::head_key).min()
    }

    /// The next record, as its newest version has it.
    pub(crate) fn front(&self) -> Option<Front<'_>> {
        let (kind, id) = self.peek()?;
        let heads = self.walkers.iter().filter(|walker| walker.head_key() == Some((kind, id)));
        // Each component has the newest version first.
        let newest = heads.filter_map(|walker| walker.head.as_ref()).max_by_key(|entry| entry.number)?;
        let hash = match newest.state {
            State::Present { hash, .. } => Some(hash),
            State::Removed(_) => None,
        };
        Some(Front { kind, id, hash, subject: newest.subject })
    }

    /// Goes behind the next record.
    pub(crate) async fn pass(&mut self) -> Result<()> {
        let Some(key) = self.peek() else { return Ok(()) };
        let first = self.walkers.iter().position(|walker| walker.head_key() == Some(key));
        let Some(first) = first.and_then(|turn| self.walkers.get_mut(turn)) else { return Ok(()) };
        let (Some(entry), Some(segment)) = (first.head.take(), first.segment.clone()) else { return Ok(()) };
        first.advance().await?;
        let Some(kind) = segment.footer.kinds.get(usize::from(entry.kind)) else { return Ok(()) };
        for walker in &mut self.walkers {
            while walker.compare(kind, &entry.id) == Some(Ordering::Equal) {
                walker.advance().await?;
            }
        }
        Ok(())
    }

    /// The next record with all its versions.
    pub(crate) async fn next(&mut self) -> Result<Option<Group>> {
        let Some((kind, id)) = self.peek() else { return Ok(None) };
        let key = RecordKey { kind: kind.clone(), id: id.into() };
        let mut versions = Vec::new();
        for walker in &mut self.walkers {
            while walker.compare(&key.kind, &key.id) == Some(Ordering::Equal) {
                versions.extend(walker.take().await?);
            }
        }
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        Ok(Some(Group { key, versions }))
    }
}
