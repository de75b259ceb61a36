//! Verifying: is everything there that the head needs, and is it what was written?
//!
//! Nothing stops at damage: the report names every object that is missing or damaged, and exactly the records
//! that are hit. The order is media, packs, then all entries, so that each entry can be judged by what is known
//! of its bytes and by what its pack says of the same record.
//!
//! What is in no index any more is seen by none of that. So the records of every snapshot are counted at the end
//! and compared with the number that its own commit gives.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Action, Grant, Id128, Kind, ObjectPurpose, SnapshotNumber};
use futures::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::census::{self, Census};
use crate::commit::{self, Commit, CommitName, Head, Role};
use crate::connection::Repository;
use crate::entries::{Entry, Layout, State};
use crate::error::{RepositoryError, Result};
use crate::footer::ObjectRef;
use crate::inspect::{self, integrity};
use crate::keyring::Keyring;
use crate::media::{MEDIA, MediaStore};
use crate::object::read_whole;
use crate::packs::Packs;
use crate::segment::{Region, Segment, name_of};
use crate::state::STATE;
use crate::subjects::{SUBJECTS, Subjects};
use crate::view::{Component, Part, Segments};

/// Packs and media that are read at one time.
const AT_ONCE: usize = 2;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Commits, footers, indexes, tables of keys, and the sizes of all packs. Which media belong to records
    /// stands in the records themselves, so media are looked at with all bytes only.
    Structure,
    /// Every byte: blocks of records, summaries and media are opened as well.
    AllBytes,
}

/// A version of a record whose bytes or key are not what was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DamagedRecord {
    /// The record's kind.
    pub kind: Kind,
    /// The platform's id.
    pub id: Box<str>,
    /// The snapshot that brought the version; later ones that still show it are hit too.
    pub snapshot: SnapshotNumber,
}

/// An object that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DamagedObject {
    /// The object's path.
    pub object: String,
    /// What does not fit, and which keys it holds where they cannot be listed one by one.
    pub detail: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Nothing is missing and nothing damaged.
    pub ok: bool,
    /// Versions of records that are hit, in order.
    pub damaged: Vec<DamagedRecord>,
    /// Objects that are damaged, in order.
    pub damaged_objects: Vec<DamagedObject>,
    /// Paths of objects that are named and are not there, in order.
    pub missing_objects: Vec<String>,
    /// The head that was verified: the newest whose commit can be read.
    pub head: Option<CommitName>,
    /// Objects that were looked at.
    pub objects: u64,
    /// Their sizes, in bytes.
    pub bytes: u64,
    /// Versions of records that the head knows and that were there once.
    pub records: u64,
}

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes of packs and media that were looked at.
    pub bytes_done: u64,
    /// Bytes of packs and media in all.
    pub bytes: u64,
}

/// Is told now and then how far it is.
pub type OnProgress<'a> = &'a (dyn Fn(VerifyProgress) + Send + Sync);

/// What was found so far.
#[derive(Default)]
struct Findings {
    damaged: BTreeSet<DamagedRecord>,
    objects: BTreeSet<DamagedObject>,
    missing: BTreeSet<String>,
    looked_at: u64,
    bytes: u64,
    records: u64,
}

impl Findings {
    /// Notes damage; any other error stops the verification.
    fn note(&mut self, error: RepositoryError) -> Result<()> {
        self.note_range(error, "")
    }

    fn note_range(&mut self, error: RepositoryError, range: &str) -> Result<()> {
        match integrity(error)? {
            RepositoryError::Missing { object } => {
                if !range.is_empty() {
                    self.objects.insert(DamagedObject {
                        object: object.clone(),
                        detail: format!("it is missing{range}"),
                    });
                }
                self.missing.insert(object);
            }
            RepositoryError::Damaged { object, detail } => {
                self.objects.insert(DamagedObject { object, detail: format!("{detail}{range}") });
            }
            other => {
                self.objects
                    .insert(DamagedObject { object: String::new(), detail: format!("{other}{range}") });
            }
        }
        Ok(())
    }
}

fn range_of(part: &Part) -> String {
    format!("; it holds the entries from {} to {}", part.first, part.last)
}

/// What is known of a pack once it was looked at.
#[derive(Default)]
struct PackState {
    /// The snapshot that it belongs to, where the chain of commits tells.
    number: Option<u64>,
    records: u32,
    /// By ordinal, which record it is; see [`inspect::fingerprint`].
    fingerprints: Vec<u64>,
    /// Records that are hit, by ordinal.
    damaged: Vec<Range<u32>>,
}

impl PackState {
    /// Whether the pack says the same of a record as an entry of an index.
    fn agrees(&self, kind: &Kind, entry: &Entry, ordinal: u32) -> bool {
        let own = usize::try_from(ordinal).ok().and_then(|ordinal| self.fingerprints.get(ordinal)).copied();
        ordinal < self.records
            && self.number.is_none_or(|number| number == entry.number)
            && own.is_none_or(|own| own == 0 || own == inspect::fingerprint(kind, entry))
    }
}

/// What the commits from the head back to the first say.
#[derive(Default)]
struct Chain {
    /// The newest commit that can be read.
    head: Option<Head>,
    packs: Packs,
    /// Of each snapshot that was not dropped, how many records it has of each kind.
    records: Census,
}

impl Chain {
    fn add(&mut self, name: CommitName, commit: Commit) {
        self.packs.add(&commit);
        let head = self.head.as_ref().map_or(&commit, |head| &head.commit);
        if commit.role == Role::Snapshot && !head.is_pruned(name.number) {
            let records = commit.kinds.iter().map(|(kind, state)| (kind.clone(), state.records)).collect();
            self.records.insert(name.clone(), records);
        }
        if self.head.is_none() {
            self.head = Some(Head { name, commit });
        }
    }
}

impl Repository {
    /// Looks at everything that the head needs.
    ///
    /// `known` is a head that somebody else remembers; a store that has fallen behind it is reported as rolled
    /// back.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] where nothing was ever written; when the store cannot be reached or the
    /// grant's key not be used. Damage is no error here: it is in the report.
    pub async fn verify(
        &self,
        grant: &Grant,
        depth: Depth,
        known: Option<&CommitName>,
        progress: OnProgress<'_>,
    ) -> Result<VerifyReport> {
        let segments = self.segments(grant, Action::Verify)?;
        let mut findings = Findings::default();
        let chain = self.verify_commits(&segments.keyring, known, &mut findings).await?;
        if let Some(head) = &chain.head {
            let media = match depth {
                Depth::Structure => None,
                Depth::AllBytes => Some(self.media(grant, Action::Verify).await?),
            };
            self.verify_content(&segments, &chain, head, media, &mut findings, progress).await?;
        }
        Ok(VerifyReport {
            ok: findings.damaged.is_empty() && findings.objects.is_empty() && findings.missing.is_empty(),
            damaged: findings.damaged.into_iter().collect(),
            damaged_objects: findings.objects.into_iter().collect(),
            missing_objects: findings.missing.into_iter().collect(),
            head: chain.head.map(|head| head.name),
            objects: findings.looked_at,
            bytes: findings.bytes,
            records: findings.records,
        })
    }

    /// Reads every commit there is, finds the head, and follows the chain from it.
    async fn verify_commits(
        &self,
        keyring: &Arc<Keyring>,
        known: Option<&CommitName>,
        findings: &mut Findings,
    ) -> Result<Chain> {
        let mut names = BTreeSet::new();
        for object in self.objects.list(commit::COMMITS).await? {
            findings.looked_at += 1;
            findings.bytes += object.size;
            match commit::name_of(&self.objects, &object) {
                Ok(name) => drop(names.insert(name)),
                Err(error) => findings.note(error)?,
            }
        }
        if names.is_empty() && findings.objects.is_empty() && known.is_none() {
            return Err(self.nothing_written());
        }
        let mut chain = Chain::default();
        let mut pending: BTreeSet<CommitName> = BTreeSet::new();
        let mut numbers: HashSet<u64> = HashSet::new();
        // Names come from the greatest down: those that the chain leads to, and those that merely stand there.
        while let Some(name) = pending.last().max(names.last()).cloned() {
            let in_chain = pending.remove(&name);
            names.remove(&name);
            match commit::read(keyring, &self.objects, &name).await {
                Ok(commit) if in_chain || chain.head.is_none() => {
                    if !numbers.insert(name.number.0) {
                        let object = self.objects.full(&format!("{}/{name}", commit::COMMITS));
                        findings.note(RepositoryError::damaged(
                            &object,
                            "history has another commit of its number",
                        ))?;
                    }
                    pending.extend(commit.ancestors.iter().map(|ancestor| ancestor.name.clone()));
                    chain.add(name, commit);
                }
                // A rival that lost. Nothing depends on it.
                Ok(_) => {}
                Err(error) => findings.note(error)?,
            }
        }
        match self.check_known(keyring, chain.head.as_ref(), known).await {
            Ok(()) => {}
            Err(error) => findings.note(error)?,
        }
        Ok(chain)
    }

    async fn verify_content(
        &self,
        segments: &Arc<Segments>,
        chain: &Chain,
        head: &Head,
        media: Option<MediaStore>,
        findings: &mut Findings,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let mut subjects =
            Subjects::open(&segments.keyring, &self.keys_area, &self.objects, Some(head)).await?;
        for error in subjects.load_all(&head.commit.buckets).await? {
            findings.note(error)?;
        }
        for object in self.keys_area.list(SUBJECTS).await? {
            findings.looked_at += 1;
            findings.bytes += object.size;
        }
        self.verify_state(&segments.keyring, findings).await?;
        let subjects = Mutex::new(subjects);
        let (packs, unreadable) = self.named_packs(segments, &head.commit.components, findings).await?;
        let sizes: HashMap<String, u64> =
            self.objects.list("pack").await?.into_iter().map(|listed| (listed.name, listed.size)).collect();
        let listed_media = if media.is_some() { self.objects.list(MEDIA).await? } else { Vec::new() };
        let bytes = packs.values().map(|pack| pack.size).sum::<u64>()
            + listed_media.iter().map(|listed| listed.size).sum::<u64>();
        let done = AtomicU64::new(0);
        let advance = |size: u64| {
            let bytes_done = done.fetch_add(size, Ordering::Relaxed) + size;
            progress(VerifyProgress { bytes_done, bytes });
        };
        let whole_media = match &media {
            None => None,
            Some(media) => Some(verify_media(media, &listed_media, findings, &advance).await?),
        };
        let states = {
            let all_bytes = media.is_some();
            let (sizes, subjects, media) = (&sizes, &subjects, whole_media.as_ref());
            let history = &chain.packs;
            let looks = packs.values().map(|pack| async move {
                let looked = look_at(segments, (pack, history), sizes, subjects, all_bytes, media).await;
                (pack, looked)
            });
            let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
            let mut states: HashMap<Id128, PackState> = HashMap::new();
            while let Some((pack, looked)) = looks.next().await {
                let (state, errors) = looked?;
                for error in errors {
                    findings.note(error)?;
                }
                findings.looked_at += 1;
                findings.bytes += pack.size;
                advance(pack.size);
                states.insert(pack.id, state);
            }
            states
        };
        let mut subjects = subjects.into_inner();
        let mut whole = unreadable.is_empty();
        for component in &head.commit.components {
            for part in component.parts.iter().filter(|part| !unreadable.contains(&part.object.id)) {
                whole &= verify_entries(segments, component, part, &states, &mut subjects, findings).await?;
            }
        }
        if whole {
            for (name, detail) in census::disagreements(segments, head, &chain.records).await? {
                let object = self.objects.full(&format!("{}/{name}", commit::COMMITS));
                findings.note(RepositoryError::damaged(&object, detail))?;
            }
        }
        Ok(())
    }

    /// Opens the newest version of every piece of state.
    async fn verify_state(&self, keyring: &Arc<Keyring>, findings: &mut Findings) -> Result<()> {
        let mut newest: BTreeMap<String, String> = BTreeMap::new();
        for object in self.keys_area.list(STATE).await? {
            findings.looked_at += 1;
            findings.bytes += object.size;
            let folder = object.name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            newest.insert(folder, object.name);
        }
        for name in newest.values() {
            if let Err(error) = read_whole(keyring, &self.keys_area, ObjectPurpose::State, name, name).await {
                findings.note(error)?;
            }
        }
        Ok(())
    }

    /// All packs that the components name, themselves or through their merged indexes; and the objects of
    /// components whose footers do not open.
    async fn named_packs(
        &self,
        segments: &Segments,
        components: &[Component],
        findings: &mut Findings,
    ) -> Result<(BTreeMap<Id128, ObjectRef>, HashSet<Id128>)> {
        let mut packs = BTreeMap::new();
        let mut unreadable = HashSet::new();
        for component in components {
            for part in &component.parts {
                if component.layout == Layout::Pack {
                    packs.insert(part.object.id, part.object.clone());
                } else {
                    findings.looked_at += 1;
                    findings.bytes += part.object.size;
                }
                match segments.open(component.layout, &part.object).await {
                    // A pack that was copied together lists where its records come from; that is gone by now.
                    Ok(_) if component.layout == Layout::Pack => {}
                    Ok(segment) => {
                        packs.extend(segment.footer.packs.iter().map(|pack| (pack.id, pack.clone())));
                    }
                    Err(error) => {
                        unreadable.insert(part.object.id);
                        findings.note_range(error, &range_of(part))?;
                    }
                }
            }
        }
        Ok((packs, unreadable))
    }
}

/// Opens every medium; answers the names of those that are whole.
async fn verify_media(
    media: &MediaStore,
    listed: &[crate::store::Listed],
    findings: &mut Findings,
    advance: &(dyn Fn(u64) + Send + Sync),
) -> Result<HashSet<Box<str>>> {
    let mut whole = HashSet::new();
    let reads = listed.iter().filter_map(|object| {
        let name = crate::media::name_in(&object.name)?;
        Some(async move { (object, name, media.read(name, |_| Ok(())).await) })
    });
    let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
    while let Some((object, name, read)) = reads.next().await {
        findings.looked_at += 1;
        findings.bytes += object.size;
        advance(object.size);
        match read {
            Ok(()) => drop(whole.insert(name.into())),
            Err(error) => findings.note(error)?,
        }
    }
    Ok(whole)
}

/// Looks at one pack, without stopping at damage.
async fn look_at(
    segments: &Segments,
    (pack, history): (&ObjectRef, &Packs),
    sizes: &HashMap<String, u64>,
    subjects: &Mutex<Subjects>,
    all_bytes: bool,
    whole_media: Option<&HashSet<Box<str>>>,
) -> Result<(PackState, Vec<RepositoryError>)> {
    let name = name_of(Layout::Pack, pack);
    let full = segments.area.full(&name);
    let lost = |error| {
        let damaged = std::iter::once(0..u32::MAX).collect();
        Ok((PackState { records: u32::MAX, damaged, ..PackState::default() }, vec![error]))
    };
    let mut errors = Vec::new();
    match sizes.get(&name) {
        None => return lost(RepositoryError::Missing { object: full }),
        Some(size) if *size != pack.size => {
            let detail = format!("it has {size} bytes and was written with {}", pack.size);
            errors.push(RepositoryError::damaged(&full, detail));
        }
        Some(_) => {}
    }
    let segment: Arc<Segment> = match segments.open(Layout::Pack, pack).await {
        Ok(segment) => segment,
        Err(error) => return lost(integrity(error)?),
    };
    let contents = inspect::inspect(&segment, subjects, all_bytes).await?;
    let records = u32::try_from(segment.footer.records()).unwrap_or(u32::MAX);
    let number = history.number_of(&segment);
    let mut state = PackState { number, records, fingerprints: contents.records, damaged: Vec::new() };
    errors.extend(contents.index_damage);
    for (ordinals, error) in contents.damaged {
        state.damaged.push(ordinals);
        errors.push(error);
    }
    if let Some(whole) = whole_media {
        for (ordinal, refs) in contents.media {
            for medium in refs.iter().filter(|medium| !whole.contains(&*medium.name)) {
                state.damaged.push(ordinal..ordinal.saturating_add(1));
                let object = segments.area.full(&crate::media::object_name(&medium.name));
                errors.push(RepositoryError::Missing { object });
            }
        }
    }
    Ok((state, errors))
}

/// Reads all entries of one object of a component, and judges each. Answers whether all could be read.
async fn verify_entries(
    segments: &Segments,
    component: &Component,
    part: &Part,
    states: &HashMap<Id128, PackState>,
    subjects: &mut Subjects,
    findings: &mut Findings,
) -> Result<bool> {
    let segment = segments.open(component.layout, &part.object).await?;
    let mut whole = true;
    for piece in segment.pieces(Region::Entries) {
        for (index, sealed) in inspect::read(&segment, Region::Entries, &piece).await? {
            let entries = match sealed {
                Ok(bytes) => segment.open_entries(index, &bytes, component.from).await,
                Err(error) => Err(error),
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    findings.note_range(error, &block_range(&segment, index, part))?;
                    whole = false;
                    continue;
                }
            };
            for entry in entries {
                let State::Present { place, .. } = entry.state else { continue };
                findings.records += 1;
                let pack = match component.layout {
                    Layout::Pack => Some(part.object.id),
                    Layout::Index => usize::try_from(place.pack)
                        .ok()
                        .and_then(|turn| segment.footer.packs.get(turn))
                        .map(|pack| pack.id),
                };
                let Some(kind) = segment.footer.kinds.get(usize::from(entry.kind)) else { continue };
                let state = pack.and_then(|pack| states.get(&pack));
                let is_other = state.is_some_and(|state| !state.agrees(kind, &entry, place.ordinal));
                if is_other {
                    findings.note(RepositoryError::damaged(
                        &segment.full_name(),
                        "its entries do not agree with the packs that they name",
                    ))?;
                }
                let hit = is_other
                    || state.is_none_or(|state| {
                        state.damaged.iter().any(|ordinals| ordinals.contains(&place.ordinal))
                    });
                let key_lost = match &entry.subject {
                    None => false,
                    Some(tag) => match subjects.find(tag).await {
                        Ok(_) => false,
                        Err(error) => findings.note(error).map(|()| true)?,
                    },
                };
                if hit || key_lost {
                    let (kind, snapshot) = (kind.clone(), SnapshotNumber(entry.number));
                    findings.damaged.insert(DamagedRecord { kind, id: entry.id, snapshot });
                }
            }
        }
    }
    Ok(whole)
}

/// Between which keys the entries of a damaged block lie.
fn block_range(segment: &Segment, index: usize, part: &Part) -> String {
    let first = |index: usize| {
        let block = segment.footer.entries.get(index)?;
        Some(format!("{} {}", segment.footer.kinds.get(usize::from(block.kind))?, block.id))
    };
    let from = first(index).unwrap_or_else(|| part.first.to_string());
    match first(index + 1) {
        Some(to) => format!("; it holds the entries from {from} to before {to}"),
        None => format!("; it holds the entries from {from} to {}", part.last),
    }
}
