//! The commit protocol as a model, explored in every order.
//!
//! Writers take one step at a time, in every interleaving; a writer that is never scheduled again has crashed or
//! sleeps for ever. What decides is the real thing: the names' order, [`choose`] and [`may_follow`]. The catalog
//! may be read stale, and may be rolled back to any earlier state. In every state that is reached, what was
//! acknowledged must survive whatever the next writer does.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use domain::{Id128, SnapshotNumber};

use crate::commit::{CommitName, Generation};
use crate::heads::{Choice, choose, may_follow};

/// Who wrote the snapshot that is there from the beginning.
const FIRST: u8 = 0x40;
/// Who comes when all others are still.
const LAST: u8 = 0x7f;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    Backup,
    /// Writes two fences, then deletes the packs that were there long before and that no commit names.
    Collect,
    /// Writes a fence, then a table without the first author's key, and deletes the older ones.
    Erase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    HighestGeneration,
    Lease,
    Current,
    List,
    Adopt,
    LoadTable,
    Check,
    PutTableAndPack,
    CheckAgain,
    PutCommit,
    ListAfter,
    Advance,
    SecondFence,
    DeleteOlder,
    /// Looks whether any older table is left.
    Look,
    /// Has the catalog take one more fence: the lease still stands.
    Certify,
    Done,
    /// Gave up and said so.
    Conflict,
}

#[derive(Debug, Clone, Hash)]
struct Writer {
    task: Task,
    id: u8,
    step: Step,
    highest: u64,
    generation: Generation,
    head: Option<CommitName>,
    names: Vec<CommitName>,
    parent: Option<CommitName>,
    table: (u64, BTreeSet<u8>),
    name: Option<CommitName>,
    /// Packs on a collector's list from the pass before.
    listed: BTreeSet<u8>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Catalog {
    head: Option<CommitName>,
    lease: Option<Generation>,
}

#[derive(Debug, Clone, Default, Hash)]
struct World {
    /// Commits with their parents. A commit's hash tells who wrote it.
    commits: BTreeMap<CommitName, Option<CommitName>>,
    packs: BTreeSet<u8>,
    /// Versions of the table of keys, by lease and counter, with those whose keys they hold.
    tables: BTreeMap<(Generation, u64), BTreeSet<u8>>,
    catalog: Catalog,
    newest_lease: Option<Generation>,
    /// What the catalog was before, for stale reads and for the rollback.
    past: Vec<Catalog>,
    stale_reads_left: u8,
    rollbacks_left: u8,
    writers: Vec<Writer>,
    certified: bool,
    acknowledged: BTreeSet<CommitName>,
    ever_head: BTreeSet<CommitName>,
}

fn writer(task: Task, id: u8) -> Writer {
    Writer {
        task,
        id,
        step: Step::HighestGeneration,
        highest: 0,
        generation: Generation { counter: 0, lease: Id128([id; 16]) },
        head: None,
        names: Vec::new(),
        parent: None,
        table: (0, BTreeSet::new()),
        name: None,
        listed: BTreeSet::new(),
    }
}

fn author(name: &CommitName) -> u8 {
    u8::from_str_radix(&name.hash[2..], 16).unwrap()
}

fn is_fence(name: &CommitName) -> bool {
    name.hash.starts_with('f')
}

impl World {
    /// One snapshot is there and acknowledged.
    fn begin(tasks: &[Task], ids: &[u8], stale_reads: u8, rollbacks: u8) -> Self {
        let mut world = Self { stale_reads_left: stale_reads, rollbacks_left: rollbacks, ..Self::default() };
        world.run_alone(writer(Task::Backup, FIRST));
        world.writers.clear();
        world.past.clear();
        world.writers = tasks.iter().zip(ids).map(|(task, id)| writer(*task, *id)).collect();
        world
    }

    /// Nobody else takes a step until this writer is done.
    fn run_alone(&mut self, writer: Writer) {
        let turn = self.writers.len();
        self.writers.push(writer);
        while self.writers[turn].step != Step::Done {
            assert_ne!(self.writers[turn].step, Step::Conflict, "nobody can write any more: {self:#?}");
            self.next(turn);
        }
    }

    fn newest(&self) -> Option<&CommitName> {
        self.commits.keys().next_back()
    }

    fn chain<'a>(&'a self, from: &'a CommitName) -> Vec<&'a CommitName> {
        std::iter::successors(Some(from), |name| self.commits.get(*name).and_then(Option::as_ref)).collect()
    }

    /// The highest counter, and the version that counts as seen from a commit: see `subjects::choose`.
    fn table_seen_from(&self, head: Option<&CommitName>) -> (u64, BTreeSet<u8>) {
        let chain = head.map(|head| self.chain(head)).unwrap_or_default();
        let committed = |lease: &Generation| chain.iter().any(|name| name.generation == *lease);
        let counts = self.tables.iter().rev().find(|((lease, _), _)| committed(lease));
        let keys = counts.or(self.tables.iter().next_back()).map(|(_, keys)| keys.clone());
        let highest = self.tables.keys().map(|(_, counter)| *counter).max();
        (highest.unwrap_or_default(), keys.unwrap_or_default())
    }

    fn advance(&mut self, lease: Generation, expected: Option<&CommitName>, new: &CommitName) -> bool {
        if self.catalog.lease != Some(lease) || self.catalog.head.as_ref() != expected {
            return false;
        }
        self.remember();
        self.catalog.head = Some(new.clone());
        self.ever_head.insert(new.clone());
        true
    }

    /// Keeps what the catalog is, as long as anybody may come back to it.
    fn remember(&mut self) {
        if self.stale_reads_left + self.rollbacks_left > 0 && !self.past.contains(&self.catalog) {
            self.past.push(self.catalog.clone());
        }
    }

    /// Whether a newer commit is intact and follows the head, as `look_at_newer` says.
    fn may_adopt(&self, head: Option<&CommitName>, top: &CommitName) -> bool {
        let Some(head) = head else { return true };
        let chain = self.chain(top);
        let mut new = chain.iter().take_while(|name| **name != head);
        chain.contains(&head) && new.all(|name| is_fence(name) || self.packs.contains(&author(name)))
    }

    /// A writer's next step.
    fn next(&mut self, turn: usize) {
        let Writer { task, id, step, generation, highest, .. } = self.writers[turn];
        let me = self.writers[turn].clone();
        let backup = task == Task::Backup;
        let next = match step {
            Step::HighestGeneration => {
                let highest = self.commits.keys().map(|name| name.generation.counter).max();
                self.writers[turn].highest = highest.unwrap_or_default();
                self.writers[turn].listed.clone_from(&self.packs);
                Step::Lease
            }
            Step::Lease => {
                let known = self.catalog.lease.map_or(0, |lease| lease.counter);
                let generation = Generation { counter: known.max(highest) + 1, ..generation };
                self.remember();
                self.catalog.lease = Some(generation);
                self.newest_lease = Some(generation);
                self.writers[turn].generation = generation;
                Step::Current
            }
            Step::Current => {
                self.writers[turn].head.clone_from(&self.catalog.head);
                Step::List
            }
            Step::List => {
                self.writers[turn].names = self.commits.keys().cloned().collect();
                Step::Adopt
            }
            Step::Adopt => self.adopt(turn),
            Step::LoadTable => {
                let seen_from = if backup { me.parent } else { me.name };
                self.writers[turn].table = self.table_seen_from(seen_from.as_ref());
                if backup { Step::Check } else { Step::PutTableAndPack }
            }
            Step::Check | Step::CheckAgain
                if self.newest() != me.names.last() || self.catalog.lease != Some(generation) =>
            {
                Step::Conflict
            }
            Step::Check => Step::PutTableAndPack,
            Step::PutTableAndPack => {
                let (counter, mut keys) = me.table;
                if backup {
                    keys.insert(id);
                    self.packs.insert(id);
                } else {
                    keys.remove(&FIRST);
                }
                self.tables.insert((generation, counter + 1), keys);
                if backup { Step::CheckAgain } else { Step::DeleteOlder }
            }
            Step::CheckAgain => Step::PutCommit,
            Step::PutCommit => {
                // A number is written only after the catalog has taken the one before.
                assert!(me.parent.as_ref().is_none_or(|parent| self.ever_head.contains(parent)));
                let number = SnapshotNumber(me.parent.as_ref().map_or(0, |parent| parent.number.0) + 1);
                let hash = format!("{}-{id:02x}", if backup { 'b' } else { 'f' }).into();
                let name = CommitName { number, generation, hash };
                self.commits.insert(name.clone(), me.parent);
                self.writers[turn].name = Some(name);
                Step::ListAfter
            }
            Step::ListAfter if self.newest() != me.name.as_ref() => Step::Conflict,
            Step::ListAfter => Step::Advance,
            Step::Advance => {
                let name = me.name.unwrap();
                if self.advance(generation, me.parent.as_ref(), &name) {
                    self.acknowledged.insert(name);
                    match task {
                        Task::Backup => Step::DeleteOlder,
                        Task::Collect => Step::SecondFence,
                        Task::Erase => Step::LoadTable,
                    }
                } else {
                    Step::Conflict
                }
            }
            Step::DeleteOlder if task == Task::Collect => {
                let named: BTreeSet<u8> = self.commits.keys().map(author).collect();
                self.packs.retain(|pack| named.contains(pack) || !me.listed.contains(pack));
                Step::Done
            }
            Step::DeleteOlder => {
                let own = (generation, me.table.0 + 1);
                self.tables.retain(|version, _| *version == own || version.0 > own.0 || version.1 > own.1);
                if backup { Step::Done } else { Step::Look }
            }
            Step::Look if self.tables.len() > 1 || self.tables.values().any(|keys| keys.contains(&FIRST)) => {
                Step::Conflict
            }
            Step::Look => Step::Certify,
            Step::SecondFence | Step::Certify if self.newest() != me.name.as_ref() => Step::Conflict,
            Step::SecondFence | Step::Certify => {
                let fence = CommitName {
                    number: me.name.as_ref().unwrap().number.next(),
                    ..me.name.clone().unwrap()
                };
                self.commits.insert(fence.clone(), me.name.clone());
                let taken = self.advance(generation, me.name.as_ref(), &fence);
                self.writers[turn].name = Some(fence);
                self.certified |= taken && step == Step::Certify;
                match (taken, task) {
                    (false, _) => Step::Conflict,
                    (true, Task::Collect) => Step::DeleteOlder,
                    (true, _) => Step::Done,
                }
            }
            Step::Done | Step::Conflict => step,
        };
        self.writers[turn].step = next;
    }

    fn adopt(&mut self, turn: usize) -> Step {
        let Writer { head, names, generation, .. } = self.writers[turn].clone();
        let parent = match choose(&names, head.as_ref()) {
            Choice::Build => head,
            Choice::Behind => panic!("the store never falls behind here"),
            Choice::Adopt(top) if self.may_adopt(head.as_ref(), &top) => {
                if !self.advance(generation, head.as_ref(), &top) {
                    return Step::Conflict;
                }
                Some(top)
            }
            Choice::Adopt(top) => {
                let next = head.as_ref().is_some_and(|head| top.number == head.number.next());
                assert!(next, "only the number after the head may be passed over: {head:?} {top:?}");
                head
            }
        };
        if self.catalog.lease != Some(generation) || !may_follow(&names, parent.as_ref(), generation) {
            return Step::Conflict;
        }
        self.writers[turn].parent = parent;
        if self.writers[turn].task == Task::Backup { Step::LoadTable } else { Step::CheckAgain }
    }

    /// Every state that is one step away.
    fn successors(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for (turn, writer) in self.writers.iter().enumerate() {
            if matches!(writer.step, Step::Done | Step::Conflict) {
                continue;
            }
            let mut after = self.clone();
            after.next(turn);
            found.push(after);
            if writer.step == Step::Current && self.stale_reads_left > 0 {
                for past in self.past.iter().filter(|past| past.head != self.catalog.head) {
                    let mut stale = self.clone();
                    stale.stale_reads_left -= 1;
                    stale.writers[turn].head.clone_from(&past.head);
                    stale.writers[turn].step = Step::List;
                    found.push(stale);
                }
            }
        }
        if self.rollbacks_left > 0 {
            // An older lease had ended before a newer one was given, and has ended now.
            let newest = |lease: &Generation| Some(*lease) == self.newest_lease;
            found.extend(self.past.iter().map(|past| Self {
                catalog: Catalog { head: past.head.clone(), lease: past.lease.filter(newest) },
                rollbacks_left: self.rollbacks_left - 1,
                ..self.clone()
            }));
        }
        found
    }

    /// What must be true in every state.
    fn check(&self) {
        for (name, other) in self.acknowledged.iter().zip(self.acknowledged.iter().skip(1)) {
            assert_ne!(name.number, other.number, "two rivals were acknowledged: {self:#?}");
        }
        // Whoever reads without a catalog sees a commit whose packs and keys are all there.
        let newest = self.newest().unwrap();
        self.check_keys(newest);
        for name in self.chain(newest).iter().filter(|name| !is_fence(name)) {
            assert!(self.packs.contains(&author(name)), "the packs of {name} are not there: {self:#?}");
        }
        // Whatever happened: the next writer comes through, and everything that was acknowledged is behind it.
        let mut after = self.clone();
        after.run_alone(writer(Task::Backup, LAST));
        let newest = after.newest().unwrap();
        assert_eq!(author(newest), LAST, "the last word is not the newest: {self:#?}");
        let chain = after.chain(newest);
        for name in &self.acknowledged {
            assert!(chain.contains(&name), "{name} was acknowledged and is lost: {self:#?}");
        }
        after.check_keys(newest);
    }

    /// Every author's key is there, but the one that was erased; and that stays away.
    fn check_keys(&self, head: &CommitName) {
        let (_, keys) = self.table_seen_from(Some(head));
        let erases = self.writers.iter().any(|writer| writer.task == Task::Erase);
        for name in self.chain(head).iter().filter(|name| !is_fence(name)) {
            let is_there = keys.contains(&author(name)) || (erases && author(name) == FIRST);
            assert!(is_there, "the keys of {name} are not there: {self:#?}");
        }
        assert!(!self.certified || !keys.contains(&FIRST), "an erased key has come back: {self:#?}");
    }

    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Reaches every state; answers how many there are.
fn explore(begin: World) -> usize {
    let mut seen = HashSet::from([begin.digest()]);
    let mut waiting = VecDeque::from([begin]);
    let mut checked = HashSet::new();
    while let Some(world) = waiting.pop_back() {
        // What the writers know does not matter for what must be true.
        if checked.insert(World { writers: Vec::new(), past: Vec::new(), ..world.clone() }.digest()) {
            world.check();
        }
        for after in world.successors() {
            if seen.insert(after.digest()) {
                waiting.push_back(after);
            }
        }
    }
    seen.len()
}

#[test]
fn two_writers_in_every_order_with_a_stale_and_a_rolled_back_catalog() {
    for ids in [[1, 2], [2, 1]] {
        for tasks in [
            [Task::Backup, Task::Backup],
            [Task::Backup, Task::Collect],
            [Task::Backup, Task::Erase],
            [Task::Collect, Task::Erase],
        ] {
            let states = explore(World::begin(&tasks, &ids, 1, 1));
            assert!(states > 500, "{states} states of {tasks:?}");
        }
    }
}

#[test]
fn three_writers_in_every_order() {
    let soak = std::env::var_os("CARETAKER_SOAK").is_some();
    let thirds: &[Task] = if soak { &[Task::Backup, Task::Collect, Task::Erase] } else { &[Task::Erase] };
    for third in thirds {
        let states = explore(World::begin(&[Task::Backup, Task::Backup, *third], &[1, 2, 3], 0, 0));
        assert!(states > 10_000, "{states} states");
    }
}
