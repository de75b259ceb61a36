//! What every snapshot of a store must hold, worked out from what the store held when it was taken and from what is
//! promised of backups. It never asks the record store, but where a run that was interrupted may have read an item
//! before or after an edit: then one of the two must be there.
//!
//! What is promised:
//! - a kind that is read whole is afterwards what the store holds, and what is missing from it was deleted;
//! - a kind of which the platform tells what changed is read whole at first, after a week, and once something was lost
//!   of it; in between, what moved by the platform's own times is as the store has it, and the rest as it was;
//! - what could not be read stays as it was, and is not deleted; what a withdrawn scope hides has left our sight;
//! - who is erased is gone from all snapshots, and is kept anew by the next backup if the store still has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use connectors::contract::{Changes, Deletions, KindSpec};
use domain::{Removal, SubjectId, Timestamp};

use super::look::{Key, Look, Seen};
use super::shops::Make;

/// An increment looks back so many seconds before the beginning of the last one.
const OVERLAP: i64 = 10 * 60;
/// A kind is listed whole after so many seconds.
const SWEEP_EVERY: i64 = 7 * 24 * 3600;

/// A version of an item.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) seen: Seen,
    /// The newest time of change, in seconds since 1970, at which it was read and was this version still.
    told: AtomicI64,
    erased: AtomicBool,
}

impl Version {
    pub(crate) fn new(seen: &Seen) -> Self {
        let told = AtomicI64::new(told(seen));
        Self { seen: seen.clone(), told, erased: AtomicBool::new(false) }
    }

    pub(crate) fn is_erased(&self) -> bool {
        self.erased.load(Ordering::SeqCst)
    }
}

/// When the platform says that an item changed; before everything else where it does not say.
fn told(seen: &Seen) -> i64 {
    seen.told_at.map_or(i64::MIN / 2, Timestamp::as_second)
}

/// Days since 1970.
fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

/// A moment of which is known between which two it lies.
type Span = (Timestamp, Timestamp);

/// What one snapshot must hold.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// When it was taken.
    pub(crate) taken: Span,
    pub(crate) records: BTreeMap<Key, Arc<Version>>,
    /// Items that may have been read before or after an edit.
    pub(crate) blurred: BTreeSet<Key>,
}

/// How far a kind's reading is known.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// When the last whole reading or increment began, if the next may be an increment.
    since: Option<Span>,
    /// When it was listed whole.
    swept: Option<Span>,
}

/// What a run is asked for, and what it cannot have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// List everything.
    pub(crate) full: bool,
    /// A scope is withdrawn.
    pub(crate) withdrawn: BTreeSet<&'static str>,
    /// The platform does not answer what is asked.
    pub(crate) broken: BTreeSet<&'static str>,
}

/// How a kind is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Whole,
    Increment,
    LeftScope,
    Gap,
}

impl Asked {
    fn hides(&self, kind: &str) -> bool {
        self.withdrawn.contains(kind) || self.broken.contains(kind)
    }
}

/// What the record store has of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) payloads: BTreeMap<Key, Vec<u8>>,
    /// Kinds of which it says that something is missing.
    pub(crate) gaps: BTreeSet<String>,
}

/// A run that was begun and came to no snapshot that is known.
#[derive(Debug, Clone)]
struct Attempt {
    ran: Span,
    look: Arc<Look>,
    asked: Asked,
}

/// What becomes of an item.
#[derive(Debug, Clone)]
enum Outcome {
    Absent(Removal),
    Is(Arc<Version>),
}

impl Outcome {
    /// Whether two come to the same, also in what makes no new version by itself.
    fn same(&self, other: &Self, make: Make, kind: &str) -> bool {
        match (self, other) {
            (Self::Absent(_), Self::Absent(_)) => true,
            (Self::Is(one), Self::Is(other)) => {
                Arc::ptr_eq(one, other) || make.same(kind, &one.seen.payload, &other.seen.payload)
            }
            _ => false,
        }
    }
}

/// The model of one store's history.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    make: Make,
    /// What the newest snapshot holds.
    pub(crate) head: BTreeMap<Key, Arc<Version>>,
    /// Snapshots that were not dropped.
    pub(crate) snapshots: BTreeMap<u64, Snapshot>,
    /// Why what is not there any more is gone.
    pub(crate) gone: BTreeMap<Key, Removal>,
    /// Whether the index was compacted.
    pub(crate) is_compacted: bool,
    states: BTreeMap<&'static str, State>,
    attempts: Vec<Attempt>,
    /// How often something had changed of which the platform told nothing.
    pub(crate) untold: u64,
    /// How often it was not known which of two states an interrupted run had read.
    pub(crate) blurred: u64,
}

impl Model {
    pub(crate) fn new(make: Make) -> Self {
        Self {
            make,
            head: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            gone: BTreeMap::new(),
            is_compacted: false,
            states: BTreeMap::new(),
            attempts: Vec::new(),
            untold: 0,
            blurred: 0,
        }
    }

    /// The newest snapshot's number; 0 before the first.
    pub(crate) fn newest(&self) -> u64 {
        self.snapshots.keys().next_back().copied().unwrap_or_default()
    }

    /// A run came to no snapshot that is known of. What it read counts for the next.
    pub(crate) fn interrupted(&mut self, ran: Span, look: Arc<Look>, asked: Asked) {
        self.attempts.push(Attempt { ran, look, asked });
    }

    /// Whether there was a run that came to no snapshot that is known of, since the last that did.
    pub(crate) fn is_interrupted(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// The snapshot of a run that said that it failed: it had come to its end all the same.
    pub(crate) fn adopted(&mut self, number: u64, found: &Found) {
        let Attempt { ran, look, asked } = self.attempts.pop().expect("somebody made it");
        self.backed_up(number, (ran, &look), asked, found);
    }

    /// A snapshot was made of what the store holds. `found` is looked into where a run went on with what an interrupted
    /// one had read, and an item may be as it was then or as it is now. What could not be read, and was not read before
    /// the interruption either.
    pub(crate) fn backed_up(
        &mut self,
        number: u64,
        (ran, look): (Span, &Arc<Look>),
        asked: Asked,
        found: &Found,
    ) -> BTreeSet<&'static str> {
        let mut attempts = std::mem::take(&mut self.attempts);
        attempts.push(Attempt { ran, look: Arc::clone(look), asked });
        let (mut blurred, mut unread) = (BTreeSet::new(), BTreeSet::new());
        for kind in self.make.kinds() {
            // A gap of an interrupted run is read again; what it had read to its end is not.
            let (last, before) = attempts.split_last().expect("there is the last");
            let was_read = before.iter().any(|attempt| !attempt.asked.hides(kind.name));
            let hidden = last.asked.hides(kind.name);
            let is_gap = hidden && (!was_read || found.gaps.contains(kind.name));
            let counts = |attempt: &&Attempt| is_gap || !attempt.asked.hides(kind.name);
            let counting: Vec<&Attempt> = attempts.iter().filter(counts).collect();
            if is_gap {
                unread.insert(kind.name);
            }
            let readings = self.readings(kind, last, is_gap);
            self.kind_backed_up(kind, &readings, &counting, found, &mut blurred);
        }
        self.blurred += blurred.len() as u64;
        let snapshot = Snapshot { taken: ran, records: self.head.clone(), blurred };
        let before = self.snapshots.insert(number, snapshot);
        assert!(before.is_none(), "snapshot {number} is made twice");
        unread
    }

    /// How a kind may have been read. More than one where a week ended while the run began.
    fn readings(&self, kind: &KindSpec, Attempt { ran, asked, .. }: &Attempt, is_gap: bool) -> Vec<Reading> {
        // Only one of the platforms tells which scopes there are.
        if is_gap && asked.withdrawn.contains(kind.name) && self.make == Make::Shopify {
            return vec![Reading::LeftScope];
        }
        if is_gap {
            return vec![Reading::Gap];
        }
        if asked.full {
            return vec![Reading::Whole];
        }
        let state = self.states.get(kind.name).copied().unwrap_or_default();
        let (Changes::UpdatedSince, Some(_), Some(swept)) = (kind.changes, state.since, state.swept) else {
            return vec![Reading::Whole];
        };
        let surely = ran.0.as_second() - swept.1.as_second() > SWEEP_EVERY;
        let perhaps = ran.1.as_second() - swept.0.as_second() >= SWEEP_EVERY;
        match (surely, perhaps) {
            (true, _) => vec![Reading::Whole],
            (false, true) => vec![Reading::Whole, Reading::Increment],
            (false, false) => vec![Reading::Increment],
        }
    }

    fn kind_backed_up(
        &mut self,
        kind: &'static KindSpec,
        readings: &[Reading],
        attempts: &[&Attempt],
        found: &Found,
        blurred: &mut BTreeSet<Key>,
    ) {
        let state = self.states.get(kind.name).copied().unwrap_or_default();
        let of = (kind.name, Box::default())..=(kind.name, "\u{10ffff}".into());
        let mut keys: BTreeSet<Key> = self.head.range(of.clone()).map(|(key, _)| key.clone()).collect();
        for attempt in attempts {
            keys.extend(attempt.look.range(of.clone()).map(|(key, _)| key.clone()));
        }
        // Every item was read anew: then it was a whole reading, though nobody had asked for one.
        let mut all_read = true;
        for key in keys {
            let before = self.head.get(&key).cloned();
            let mut outcomes: Vec<Outcome> = Vec::new();
            for attempt in attempts {
                for reading in readings {
                    let now = attempt.look.get(&key);
                    let possible = self.outcomes(kind, *reading, state.since, before.as_ref(), now);
                    all_read &= now.is_none() || possible.iter().all(|(_, read)| *read);
                    outcomes.extend(possible.into_iter().map(|(outcome, _)| outcome));
                }
            }
            let first = outcomes[0].clone();
            let outcome = if outcomes.iter().all(|other| other.same(&first, self.make, kind.name)) {
                first
            } else {
                blurred.insert(key.clone());
                let there = found.payloads.get(&key);
                let fits = |outcome: &&Outcome| match (outcome, there) {
                    (Outcome::Absent(_), None) => true,
                    (Outcome::Is(version), Some(there)) => {
                        self.make.same(kind.name, &version.seen.payload, there)
                    }
                    _ => false,
                };
                let fitting = outcomes.iter().rev().find(fits).cloned();
                fitting.unwrap_or_else(|| {
                    let there = there.map(|there| String::from_utf8_lossy(there).into_owned());
                    panic!("{key:?} is as it was at no moment: {there:?} is none of {outcomes:#?}")
                })
            };
            match outcome {
                Outcome::Is(version) => {
                    let first = attempts.first().and_then(|attempt| attempt.look.get(&key));
                    let is_read = !matches!(readings, [Reading::Gap | Reading::LeftScope]);
                    if let Some(first) =
                        first.filter(|first| is_read && first.canonical == version.seen.canonical)
                    {
                        version.told.fetch_max(told(first), Ordering::SeqCst);
                    }
                    self.gone.remove(&key);
                    self.head.insert(key, version);
                }
                Outcome::Absent(why) => {
                    if self.head.remove(&key).is_some() {
                        self.gone.insert(key, why);
                    }
                }
            }
        }
        let ran = (attempts[0].ran.0, attempts[attempts.len() - 1].ran.1);
        let state = self.states.entry(kind.name).or_default();
        match readings {
            [Reading::LeftScope] => state.since = None,
            [Reading::Gap] => {}
            readings => {
                // Something may have been there that was not among what changed: then it is asked from the same time on again.
                let from =
                    state.since.filter(|_| attempts.len() > 1).map_or(ran.0, |since| since.0.min(ran.0));
                state.since = Some((from, ran.1));
                let ids_are_listed = self.make == Make::BigCommerce && kind.name != "order";
                if !readings.contains(&Reading::Increment) || ids_are_listed && all_read {
                    state.swept = Some(ran);
                } else if readings.contains(&Reading::Whole) {
                    state.swept = Some((state.swept.map_or(ran.0, |swept| swept.0), ran.1));
                }
            }
        }
    }

    /// What may become of an item, and whether it was read for it.
    fn outcomes(
        &mut self,
        kind: &KindSpec,
        reading: Reading,
        since: Option<Span>,
        before: Option<&Arc<Version>>,
        now: Option<&Seen>,
    ) -> Vec<(Outcome, bool)> {
        let stays =
            before.map_or(Outcome::Absent(Removal::Deleted), |before| Outcome::Is(Arc::clone(before)));
        let Some(now) = now else {
            let unseen = match reading {
                Reading::Gap => stays,
                Reading::LeftScope => Outcome::Absent(Removal::LeftScope),
                // An order is never deleted: it is archived, and a listing passes over it.
                Reading::Increment if self.make == Make::BigCommerce && kind.name == "order" => stays,
                Reading::Increment | Reading::Whole => {
                    debug_assert!(
                        kind.changes == Changes::FullScan
                            || kind.deletions == Deletions::Events
                            || self.make == Make::BigCommerce
                    );
                    Outcome::Absent(Removal::Deleted)
                }
            };
            return vec![(unseen, false)];
        };
        let read = match before {
            Some(before) if before.seen.canonical == now.canonical => Outcome::Is(Arc::clone(before)),
            _ => Outcome::Is(Arc::new(Version::new(now))),
        };
        match reading {
            Reading::Gap => vec![(stays, false)],
            Reading::LeftScope => vec![(Outcome::Absent(Removal::LeftScope), false)],
            Reading::Whole => vec![(read, true)],
            Reading::Increment => {
                let moved = match before {
                    None => true,
                    Some(before) => told(now) > before.told.load(Ordering::SeqCst),
                };
                let after = |bound: Timestamp| told(now) + OVERLAP >= bound.as_second();
                let (low, high) = since.expect("an increment follows a reading");
                if moved || after(high) {
                    return vec![(read, true)];
                }
                if !stays.same(&read, self.make, kind.name) {
                    self.untold += 1;
                }
                if after(low) { vec![(stays, true), (read, false)] } else { vec![(stays, false)] }
            }
        }
    }

    /// A person's keys were destroyed. Where the newest snapshot had something of theirs, there is a new one without it.
    pub(crate) fn erased(&mut self, person: &SubjectId, number: u64, ran: Span) {
        let all = self.snapshots.values().flat_map(|snapshot| snapshot.records.values());
        for version in all.filter(|version| version.seen.subject.as_ref() == Some(person)) {
            version.erased.store(true, Ordering::SeqCst);
        }
        let theirs: Vec<Key> = self.theirs(person);
        // What interrupted runs had read was deleted, too.
        self.attempts.clear();
        if theirs.is_empty() {
            return;
        }
        for key in theirs {
            self.head.remove(&key);
            // Nobody tells of them as changed: the kind is read whole.
            self.states.entry(key.0).or_default().since = None;
            self.gone.insert(key, Removal::Redacted);
        }
        let snapshot = Snapshot { taken: ran, records: self.head.clone(), blurred: BTreeSet::new() };
        self.snapshots.insert(number, snapshot);
    }

    /// What the newest snapshot has of a person.
    pub(crate) fn theirs(&self, person: &SubjectId) -> Vec<Key> {
        let of = self.head.iter().filter(|(_, version)| version.seen.subject.as_ref() == Some(person));
        of.map(|(key, _)| key.clone()).collect()
    }

    /// Everybody of whom a snapshot has something that is not erased.
    pub(crate) fn people(&self) -> Vec<SubjectId> {
        let all = self.snapshots.values().flat_map(|snapshot| snapshot.records.values());
        let theirs =
            all.filter(|version| !version.is_erased()).filter_map(|version| version.seen.subject.clone());
        theirs.map(|person| person.0).collect::<BTreeSet<_>>().into_iter().map(SubjectId).collect()
    }

    /// Whether it is known of each snapshot on which day it was taken: none was while a day ended.
    pub(crate) fn knows_days(&self) -> bool {
        self.snapshots.values().all(|snapshot| day(snapshot.taken.0) == day(snapshot.taken.1))
    }

    /// Which snapshots are dropped where the newest so many stay, and the newest of each of so many days.
    pub(crate) fn to_drop(&self, last: usize, days: usize) -> Vec<u64> {
        let mut seen = BTreeSet::new();
        let newest_first = self.snapshots.iter().rev().enumerate();
        let kept: BTreeSet<u64> = newest_first
            .filter(|(turn, (_, snapshot))| {
                let first_of_day = seen.len() < days && seen.insert(day(snapshot.taken.0));
                *turn < last || first_of_day
            })
            .map(|(_, (number, _))| *number)
            .collect();
        self.snapshots.keys().filter(|number| !kept.contains(number)).copied().collect()
    }

    /// Whether a snapshot had something of somebody who was erased since.
    pub(crate) fn has_erased(&self, number: u64, key: &Key) -> bool {
        self.snapshots[&number].records.get(key).is_some_and(|version| version.is_erased())
    }

    /// Snapshots were dropped.
    pub(crate) fn dropped(&mut self, numbers: &[u64]) {
        self.snapshots.retain(|number, _| !numbers.contains(number));
    }

    /// The newest snapshot at or before a time; none where it is not known, because one was being taken.
    pub(crate) fn at_time(&self, at: Timestamp) -> Option<u64> {
        let being_taken = self.snapshots.values().any(|one| one.taken.0 <= at && at <= one.taken.1);
        let before = self.snapshots.iter().rev().find(|(_, one)| one.taken.1 < at);
        before.filter(|_| !being_taken).map(|(number, _)| *number)
    }

    /// What differs between two snapshots: key, and whether it is there in the earlier and in the later.
    pub(crate) fn differences(&self, from: u64, to: u64) -> BTreeMap<Key, (bool, bool)> {
        let (from, to) = (&self.snapshots[&from].records, &self.snapshots[&to].records);
        let keys: BTreeSet<&Key> = from.keys().chain(to.keys()).collect();
        let differing = keys.into_iter().filter_map(|key| {
            let (before, after) = (from.get(key), to.get(key));
            let content =
                |version: Option<&Arc<Version>>| version.map(|version| version.seen.canonical.clone());
            let differs = content(before) != content(after);
            differs.then(|| (key.clone(), (before.is_some(), after.is_some())))
        });
        differing.collect()
    }
}
