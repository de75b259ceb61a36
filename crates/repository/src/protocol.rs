//! The commit protocol as a model, explored in every order.
//!
//! Writers take one step at a time, in every interleaving; a writer that is never scheduled again has crashed or
//! sleeps for ever. What decides is the real thing: the names' order, [`choose`] and [`may_follow`]. The catalog
//! may be read stale, and may be rolled back to any earlier state. In every state that is reached, what was
//! acknowledged must survive whatever the next writer does.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use domain::{Id128, SnapshotNumber};

use crate::commit::{CommitName, Generation};
use crate::heads::{Choice, choose, may_follow};

/// Who wrote the snapshot that is there from the beginning.
const FIRST: u8 = 0x40;
const NOBODY: Generation = Generation { counter: 0, lease: Id128([0; 16]) };

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    Backup,
    /// Writes a fence, then deletes every pack that its history does not name.
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
    PutTable,
    PutPack,
    CheckAgain,
    PutCommit,
    ListAfter,
    Advance,
    DeleteOlder,
    /// Looks whether any older table is left.
    Certify,
    /// Acknowledged, or for a collector: all done.
    Done,
    /// Gave up and said so.
    Conflict,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Writer {
    task: Task,
    id: u8,
    step: Step,
    highest: u64,
    generation: Option<Generation>,
    head: Option<CommitName>,
    names: Vec<CommitName>,
    parent: Option<CommitName>,
    table: (u64, BTreeSet<u8>),
    name: Option<CommitName>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Catalog {
    head: Option<CommitName>,
    lease: Option<Generation>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct World {
    /// Commits with their parents. A commit's hash tells who wrote it.
    commits: BTreeMap<CommitName, Option<CommitName>>,
    packs: BTreeSet<u8>,
    /// Versions of the table of keys, by counter and lease, with those whose keys they hold.
    tables: BTreeMap<(u64, Generation), BTreeSet<u8>>,
    catalog: Catalog,
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
        generation: None,
        head: None,
        names: Vec::new(),
        parent: None,
        table: (0, BTreeSet::new()),
        name: None,
    }
}

fn author(name: &CommitName) -> u8 {
    u8::from_str_radix(&name.hash[62..], 16).unwrap()
}

impl World {
    /// One snapshot is there and acknowledged.
    fn begin(tasks: &[Task], ids: &[u8], stale_reads: u8, rollbacks: u8) -> Self {
        let mut world = Self { stale_reads_left: stale_reads, rollbacks_left: rollbacks, ..Self::default() };
        world.writers.push(writer(Task::Backup, FIRST));
        while !matches!(world.writers[0].step, Step::Done) {
            world = world.next(0).pop().unwrap();
        }
        world.writers.clear();
        world.past.clear();
        world.writers = tasks.iter().zip(ids).map(|(task, id)| writer(*task, *id)).collect();
        world
    }

    fn names(&self) -> Vec<CommitName> {
        self.commits.keys().cloned().collect()
    }

    fn chain(&self, from: &CommitName) -> Vec<CommitName> {
        let mut chain = vec![from.clone()];
        while let Some(parent) = self.commits.get(chain.last().unwrap()).cloned().flatten() {
            chain.push(parent);
        }
        chain
    }

    /// The highest counter, and the version that counts as seen from a commit: see `subjects::choose`.
    fn table_seen_from(&self, head: Option<&CommitName>) -> (u64, Generation, BTreeSet<u8>) {
        let chain = head.map(|head| self.chain(head)).unwrap_or_default();
        let committed: BTreeSet<Generation> = chain.iter().map(|name| name.generation).collect();
        let by_lease = || self.tables.iter().map(|((counter, lease), keys)| (*lease, *counter, keys));
        let counts = by_lease().filter(|(lease, ..)| committed.contains(lease)).max().or(by_lease().max());
        let highest = self.tables.keys().map(|(counter, _)| *counter).max().unwrap_or(0);
        counts.map_or((0, NOBODY, BTreeSet::new()), |(lease, _, keys)| (highest, lease, keys.clone()))
    }

    fn delete_older_tables(&mut self, counts: (u64, Generation)) {
        let (counter, lease) = counts;
        self.tables.retain(|version, _| *version == counts || version.0 > counter || version.1 > lease);
    }

    fn advance(&mut self, lease: Generation, expected: Option<&CommitName>, new: &CommitName) -> bool {
        if self.catalog.lease != Some(lease) || self.catalog.head.as_ref() != expected {
            return false;
        }
        self.change_catalog(|catalog| catalog.head = Some(new.clone()));
        self.ever_head.insert(new.clone());
        self.acknowledged.insert(new.clone());
        true
    }

    fn change_catalog(&mut self, change: impl FnOnce(&mut Catalog)) {
        if !self.past.contains(&self.catalog) {
            self.past.push(self.catalog.clone());
        }
        change(&mut self.catalog);
    }

    /// Whether a newer commit is intact and follows the head, as `look_at_newer` says.
    fn may_adopt(&self, head: Option<&CommitName>, top: &CommitName) -> bool {
        let chain = self.chain(top);
        let new: Vec<_> = chain.iter().take_while(|name| Some(*name) != head).collect();
        let follows = head.is_none_or(|head| chain.contains(head));
        let whole = new.iter().all(|name| is_fence(name) || self.packs.contains(&author(name)));
        follows && whole
    }

    /// Every state that a writer's next step leads to.
    fn next(&self, turn: usize) -> Vec<Self> {
        let mut world = self.clone();
        let Writer { task, id, step, .. } = self.writers[turn];
        let me = &self.writers[turn];
        let mut stale = Vec::new();
        let next = match step {
            Step::HighestGeneration => {
                let highest = self.commits.keys().map(|name| name.generation.counter).max().unwrap_or(0);
                world.writers[turn].highest = highest;
                Step::Lease
            }
            Step::Lease => {
                let known = self.catalog.lease.map_or(0, |lease| lease.counter);
                let counter = known.max(me.highest) + 1;
                let generation = Generation { counter, lease: Id128([id; 16]) };
                world.change_catalog(|catalog| catalog.lease = Some(generation));
                world.writers[turn].generation = Some(generation);
                Step::Current
            }
            Step::Current => {
                world.writers[turn].head.clone_from(&self.catalog.head);
                if self.stale_reads_left > 0 {
                    for past in self.past.iter().filter(|past| past.head != self.catalog.head) {
                        let mut other = self.clone();
                        other.stale_reads_left -= 1;
                        other.writers[turn].head.clone_from(&past.head);
                        other.writers[turn].step = Step::List;
                        stale.push(other);
                    }
                }
                Step::List
            }
            Step::List => {
                world.writers[turn].names = self.names();
                Step::Adopt
            }
            Step::Adopt => world.adopt(turn),
            Step::LoadTable => {
                let erases = task == Task::Erase;
                let head = if erases { me.name.as_ref() } else { me.parent.as_ref() };
                let (counter, _, keys) = self.table_seen_from(head);
                world.writers[turn].table = (counter, keys);
                if erases { Step::PutTable } else { Step::Check }
            }
            Step::Check | Step::CheckAgain if self.names().last() != me.names.last() => Step::Conflict,
            Step::Check if task != Task::Backup => Step::CheckAgain,
            Step::Check => Step::PutTable,
            Step::PutTable => {
                let (counter, mut keys) = me.table.clone();
                if task == Task::Erase {
                    drop(keys.remove(&FIRST))
                } else {
                    drop(keys.insert(id))
                }
                world.tables.insert((counter + 1, me.generation.unwrap()), keys);
                if task == Task::Erase { Step::DeleteOlder } else { Step::PutPack }
            }
            Step::PutPack => {
                world.packs.insert(id);
                Step::CheckAgain
            }
            Step::CheckAgain => Step::PutCommit,
            Step::PutCommit => {
                let number = SnapshotNumber(me.parent.as_ref().map_or(0, |parent| parent.number.0) + 1);
                let fence = u8::from(task != Task::Backup);
                let hash = format!("{:060x}{fence:02x}{id:02x}", 0).into();
                let name = CommitName { number, generation: me.generation.unwrap(), hash };
                // A number is written only after the catalog has taken the one before.
                assert!(me.parent.as_ref().is_none_or(|parent| self.ever_head.contains(parent)));
                world.commits.insert(name.clone(), me.parent.clone());
                world.writers[turn].name = Some(name);
                Step::ListAfter
            }
            Step::ListAfter if self.names().last() == me.name.as_ref() => Step::Advance,
            Step::ListAfter => Step::Conflict,
            Step::Advance => {
                let name = me.name.clone().unwrap();
                if world.advance(me.generation.unwrap(), me.parent.as_ref(), &name) {
                    if task == Task::Erase { Step::LoadTable } else { Step::DeleteOlder }
                } else {
                    Step::Conflict
                }
            }
            Step::DeleteOlder if task == Task::Collect => {
                // Time has gone by: nothing spares the packs of those who lost.
                let named: BTreeSet<u8> = self.chain(me.name.as_ref().unwrap()).iter().map(author).collect();
                world.packs.retain(|pack| named.contains(pack));
                Step::Done
            }
            Step::DeleteOlder => {
                world.delete_older_tables((me.table.0 + 1, me.generation.unwrap()));
                if task == Task::Erase { Step::Certify } else { Step::Done }
            }
            Step::Certify
                if self.tables.len() > 1 || self.tables.values().any(|keys| keys.contains(&FIRST)) =>
            {
                Step::Conflict
            }
            Step::Certify => {
                world.certified = true;
                Step::Done
            }
            Step::Done | Step::Conflict => return Vec::new(),
        };
        world.writers[turn].step = next;
        stale.push(world);
        stale
    }

    fn adopt(&mut self, turn: usize) -> Step {
        let Writer { head, names, generation, .. } = self.writers[turn].clone();
        let generation = generation.unwrap();
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
        if !may_follow(&names, parent.as_ref(), generation) {
            return Step::Conflict;
        }
        self.writers[turn].parent = parent;
        Step::LoadTable
    }

    /// The catalog put back to each of its earlier states.
    fn rolled_back(&self) -> Vec<Self> {
        if self.rollbacks_left == 0 {
            return Vec::new();
        }
        let back = self.past.iter().map(|past| Self {
            catalog: past.clone(),
            rollbacks_left: self.rollbacks_left - 1,
            ..self.clone()
        });
        back.collect()
    }

    /// What must be true in every state.
    fn check(&self) {
        for name in &self.acknowledged {
            let rivals = self.acknowledged.iter().filter(|other| other.number == name.number).count();
            assert_eq!(rivals, 1, "two rivals were acknowledged: {self:#?}");
        }
        // Whoever reads without a catalog sees a commit whose packs and keys are all there.
        let newest = self.names().pop().unwrap();
        let mut chain = self.chain(&newest);
        chain.retain(|name| !is_fence(name));
        self.check_keys(&newest);
        for name in chain {
            assert!(self.packs.contains(&author(&name)), "the packs of {name} are not there: {self:#?}");
        }
        // Whatever happened: the next writer comes through, and everything that was acknowledged is behind it.
        let mut after = self.clone();
        let turn = after.writers.len();
        after.writers.push(writer(Task::Backup, 0x7f));
        after.stale_reads_left = 0;
        while !matches!(after.writers[turn].step, Step::Done) {
            assert_ne!(after.writers[turn].step, Step::Conflict, "nobody can write any more: {self:#?}");
            after = after.next(turn).pop().unwrap();
        }
        let newest = after.names().pop().unwrap();
        assert_eq!(
            Some(&newest),
            after.writers[turn].name.as_ref(),
            "the last word is not the newest: {self:#?}"
        );
        let chain = after.chain(&newest);
        for name in &self.acknowledged {
            assert!(chain.contains(name), "{name} was acknowledged and is lost: {self:#?}");
        }
        after.check_keys(&newest);
    }

    /// Every author's key is there, but the one that was erased; and that stays away.
    fn check_keys(&self, head: &CommitName) {
        let (_, _, keys) = self.table_seen_from(Some(head));
        let erases = self.writers.iter().any(|writer| writer.task == Task::Erase);
        for name in self.chain(head).iter().filter(|name| !is_fence(name)) {
            let is_there = keys.contains(&author(name)) || (erases && author(name) == FIRST);
            assert!(is_there, "the keys of {name} are not there: {self:#?}");
        }
        assert!(!self.certified || !keys.contains(&FIRST), "an erased key has come back: {self:#?}");
    }
}

fn is_fence(name: &CommitName) -> bool {
    &name.hash[60..62] == "01"
}

/// Reaches every state; answers how many there are.
fn explore(begin: World) -> usize {
    let mut seen = HashSet::new();
    let mut waiting = VecDeque::from([begin]);
    while let Some(world) = waiting.pop_front() {
        if !seen.insert(world.clone()) {
            continue;
        }
        world.check();
        for turn in 0..world.writers.len() {
            waiting.extend(world.next(turn));
        }
        waiting.extend(world.rolled_back());
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
            [Task::Collect, Task::Collect],
            [Task::Collect, Task::Erase],
        ] {
            let states = explore(World::begin(&tasks, &ids, 1, 1));
            assert!(states > 500, "{states} states of {tasks:?}");
        }
    }
}

#[test]
fn three_writers_in_every_order() {
    for third in [Task::Backup, Task::Collect, Task::Erase] {
        let states = explore(World::begin(&[Task::Backup, Task::Backup, third], &[1, 2, 3], 0, 0));
        assert!(states > 10_000, "{states} states");
    }
}
