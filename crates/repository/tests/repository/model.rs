//! Random histories against a plain map, compared at every snapshot: backups, and everything that is done to keep
//! a store small or to bring it back.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Action, RecordKey, Removal, SnapshotNumber, SubjectId};
use object_store::ObjectStoreExt as _;
use proptest::prelude::*;
use repository::{Depth, GRACE, KindOutcome, Limits, Mode, NewRecord};

use crate::cell::{Cell, TINY, kind, objects};
use crate::faulty::Plan;
use crate::history::World;

/// What one run does with one kind.
#[derive(Debug, Clone)]
struct KindRun {
    sweep: bool,
    /// Id to new content; `None` removes.
    records: BTreeMap<String, Option<Vec<u8>>>,
}

type Run = BTreeMap<&'static str, KindRun>;

/// What happens to a connection.
#[derive(Debug, Clone)]
enum Operation {
    Backup(Run),
    /// Drops every snapshot but the newest, or every one whose turn has its bit here.
    Prune(u32),
    Compact,
    /// Two passes, between which the grace ends; then it ends again, so that the next pass deletes more.
    Collect,
    /// The index is rebuilt, as it stands or after all of it was lost.
    Rebuild {
        lost: bool,
    },
    /// Erases the person of customers whose ids begin so.
    Erase(char),
}

/// A record in a snapshot: its content, and whether its person was erased since.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    payload: Vec<u8>,
    erased: bool,
}

type Key = (String, String);
type State = BTreeMap<Key, Content>;

const KINDS: [&str; 3] = ["article", "customer", "product"];

fn run() -> impl Strategy<Value = Run> {
    let id = prop_oneof![
        6 => "[a-d]{1,2}",
        2 => "gid://x/P/[0-9]{1,3}",
        1 => Just("é/..//\u{0} \"".to_owned()),
        1 => Just("x".repeat(10_000)),
    ];
    // Few contents, so that records return to what they were; now and then one that fills blocks by itself.
    let content = prop_oneof![
        8 => prop::collection::vec(0_u8..3, 0..3),
        1 => (0_u8..3).prop_map(|byte| vec![byte; 300_000]),
    ];
    let kind_run =
        (any::<bool>(), prop::collection::btree_map(id, prop::option::weighted(0.8, content), 0..8))
            .prop_map(|(sweep, records)| KindRun { sweep, records });
    prop::collection::btree_map(prop::sample::select(KINDS.to_vec()), kind_run, 0..3)
}

fn operations(length: usize) -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        12 => run().prop_map(Operation::Backup),
        2 => prop_oneof![Just(u32::MAX), any::<u32>()].prop_map(Operation::Prune),
        3 => Just(Operation::Compact),
        1 => Just(Operation::Collect),
        1 => any::<bool>().prop_map(|lost| Operation::Rebuild { lost }),
        1 => prop::char::range('a', 'd').prop_map(Operation::Erase),
    ];
    prop::collection::vec(operation, 1..length)
}

/// The usual limits, ones under which every history has several packs, and ones between.
fn limits() -> impl Strategy<Value = Limits> {
    let small = Limits { block_entries: 2, block_len: 4, container_len: 200, pack_len: 400, ..TINY };
    prop_oneof![Just(Limits::default()), Just(TINY), Just(small)]
}

/// Persons' records are sealed one by one; which person it is depends on the id, so that some share a key.
fn person(kind_name: &str, id: &str) -> Option<char> {
    (kind_name == "customer").then(|| id.chars().next().unwrap_or('-'))
}

fn subject(person: char) -> SubjectId {
    SubjectId(format!("customer/{person}").into())
}

fn apply(state: &mut State, run: &Run) {
    for (kind_name, kind_run) in run {
        if kind_run.sweep {
            state.retain(|(kind, id), _| kind != kind_name || kind_run.records.contains_key(id));
        }
        for (id, content) in &kind_run.records {
            let key = ((*kind_name).to_owned(), id.clone());
            match content {
                Some(payload) => {
                    drop(state.insert(key, Content { payload: payload.clone(), erased: false }));
                }
                None => drop(state.remove(&key)),
            }
        }
    }
}

/// A store and what should be in it.
struct Model {
    world: World,
    /// As the next backup finds it.
    state: State,
    history: BTreeMap<SnapshotNumber, State>,
}

impl Model {
    async fn new(limits: Limits) -> Self {
        let mut world = World::new(&Cell::new().await, &Plan::new([]), 1);
        world.cell.limits = limits;
        Self { world, state: State::new(), history: BTreeMap::new() }
    }

    async fn carry_out(&mut self, operation: &Operation) {
        self.world.cell.tick();
        if self.history.is_empty() && !matches!(operation, Operation::Backup(_)) {
            return;
        }
        let grant = self.world.cell.grant("shop", Action::ALL).await;
        let lease = self.world.lease(&grant).await.unwrap();
        let repository = self.world.repository();
        match operation {
            Operation::Backup(run) => {
                apply(&mut self.state, run);
                let number = self.back_up(run).await;
                self.history.insert(number, self.state.clone());
            }
            Operation::Prune(which) => {
                let newest = *self.history.keys().next_back().unwrap();
                let chosen = |(turn, number): (usize, &SnapshotNumber)| {
                    (which >> (turn % 32) & 1 == 1 && *number != newest).then_some(*number)
                };
                let numbers: Vec<_> = self.history.keys().enumerate().filter_map(chosen).collect();
                repository.prune(&grant, &lease, &numbers).await.unwrap();
                self.history.retain(|number, _| !numbers.contains(number));
            }
            Operation::Compact => drop(repository.compact(&grant, &lease).await.unwrap()),
            Operation::Collect => {
                repository.collect(&grant, &lease, GRACE).await.unwrap();
                self.world.wait(GRACE);
                let grant = self.world.cell.grant("shop", Action::ALL).await;
                let lease = self.world.lease(&grant).await.unwrap();
                repository.collect(&grant, &lease, GRACE).await.unwrap();
                self.world.wait(GRACE);
            }
            Operation::Rebuild { lost } => {
                for (path, _) in objects(&*self.world.objects.inner).await {
                    if *lost && path.as_ref().contains("/index/") {
                        self.world.objects.inner.delete(&path).await.unwrap();
                    }
                }
                repository.rebuild_index(&grant, &lease).await.unwrap();
                if *lost {
                    // Until then the commits before count, and nobody knows what they named.
                    self.world.wait(GRACE);
                }
            }
            Operation::Erase(who) => {
                repository.erase(&grant, &lease, &[subject(*who)]).await.unwrap();
                let theirs = |(kind, id): &Key| person(kind, id) == Some(*who);
                for state in self.history.values_mut() {
                    state
                        .iter_mut()
                        .filter(|(key, _)| theirs(key))
                        .for_each(|(_, content)| content.erased = true);
                }
                let before = self.state.len();
                self.state.retain(|key, _| !theirs(key));
                if self.state.len() < before {
                    let reader = repository.reader(&grant, Action::Read, None).await.unwrap();
                    let number = reader.latest().await.unwrap().name.number;
                    self.history.insert(number, self.state.clone());
                }
            }
        }
        if !matches!(operation, Operation::Backup(_)) {
            self.check().await;
        }
    }

    async fn back_up(&self, run: &Run) -> SnapshotNumber {
        let cell = &self.world.cell;
        let grant = cell.grant("shop", Action::ALL).await;
        let lease = self.world.lease(&grant).await.unwrap();
        let mut writer = self.world.repository().begin(&grant, &lease).await.unwrap();
        for (kind_name, kind_run) in run {
            let mode = if kind_run.sweep { Mode::Sweep(Removal::Deleted) } else { Mode::Increment };
            writer.begin_kind(&kind(kind_name), mode, &["id"]).await.unwrap();
            for (id, content) in &kind_run.records {
                match content {
                    Some(payload) => {
                        let subjects = person(kind_name, id).map(subject).into_iter().collect();
                        let meta = domain::RecordMeta { subjects, ..cell.meta(None) };
                        let summary = serde_json::to_vec(&[id]).unwrap();
                        let summary = &*summary;
                        writer
                            .put(NewRecord { id, payload, canonical: None, meta: &meta, summary })
                            .await
                            .unwrap();
                    }
                    None => writer.remove(id, Removal::Deleted).await.unwrap(),
                }
            }
            writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await.unwrap();
        }
        writer.commit().await.unwrap().head.name.number
    }

    /// The store says what the model says, and verifies.
    async fn check(&self) {
        let history = &self.history;
        let grant = self.world.cell.grant("shop", Action::ALL).await;
        let repository = self.world.repository();
        let reader = repository.reader(&grant, Action::Read, None).await.unwrap();
        let snapshots: Vec<_> =
            reader.snapshots().await.unwrap().iter().map(|head| head.name.number).rev().collect();
        assert_eq!(snapshots, history.keys().copied().collect::<Vec<_>>());
        let all: BTreeSet<Key> = history.values().flat_map(|state| state.keys().cloned()).collect();
        for (&number, state) in history {
            for kind_name in KINDS {
                let of_kind: Vec<_> = state.iter().filter(|((kind, _), _)| kind == kind_name).collect();
                let expected: Vec<_> = of_kind.iter().filter(|(_, content)| !content.erased).collect();
                let mut scan = reader.scan(&kind(kind_name), number, None).await.unwrap();
                for ((_, id), content) in &expected {
                    let record = scan.next().await.unwrap().expect("a record is missing");
                    assert_eq!((&*record.key.id, &record.payload), (id.as_str(), &content.payload));
                }
                assert_eq!(scan.next().await.unwrap(), None);
                let mut rows = reader.scan(&kind(kind_name), number, None).await.unwrap();
                let mut found = Vec::new();
                while let Some(row) = rows.next_summary().await.unwrap() {
                    found.extend(row.cells);
                }
                let cells: Vec<_> =
                    expected.iter().map(|((_, id), _)| serde_json::to_vec(&[id]).unwrap()).collect();
                assert_eq!(found, cells);
                let commit = reader.at_number(number).await.unwrap().commit;
                let records = commit.kinds.get(&kind(kind_name)).map_or(0, |state| state.records);
                assert_eq!(records, u64::try_from(of_kind.len()).unwrap());
            }
            for key in &all {
                let record_key = RecordKey::new(kind(&key.0), &key.1).unwrap();
                let found = reader.get(&record_key, number).await.ok().map(|record| record.payload);
                let expected = state.get(key).filter(|content| !content.erased);
                assert_eq!(found.as_ref(), expected.map(|content| &content.payload));
            }
        }
        self.check_differences(&reader).await;
        let report = repository.verify(&grant, Depth::AllBytes, None, &|_| {}).await.unwrap();
        assert!(report.ok, "{report:?}");
    }

    async fn check_differences(&self, reader: &repository::Reader) {
        let numbers: Vec<_> = self.history.keys().copied().collect();
        for (&from, &to) in numbers.iter().zip(numbers.iter().skip(1)) {
            let (before, after) = (&self.history[&from], &self.history[&to]);
            // Of an erased record it may no longer be known whether it was there.
            let erased = |key: &Key| {
                [before, after].iter().any(|state| state.get(key).is_some_and(|content| content.erased))
            };
            let mut differences = reader.differences(from, to).await.unwrap();
            let mut found = Vec::new();
            while let Some(difference) = differences.next().await.unwrap() {
                found.push((difference.key.kind.to_string(), difference.key.id.to_string()));
            }
            found.retain(|key| !erased(key));
            let expected: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
            let differ = |key: &Key| !erased(key) && before.get(key) != after.get(key);
            assert_eq!(found, expected.into_iter().filter(differ).collect::<Vec<_>>());
        }
    }
}

/// Operations per history and number of histories: short here, long in `make soak`.
fn scale(short: usize, long: usize) -> usize {
    if std::env::var_os("CARETAKER_SOAK").is_some() { long } else { short }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: u32::try_from(scale(24, 600)).unwrap(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_snapshot_reads_as_the_map_does(operations in operations(scale(24, 60)), limits in limits()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new(limits).await;
            for operation in &operations {
                model.carry_out(operation).await;
            }
            if !model.history.is_empty() {
                model.check().await;
            }
        });
    }
}

/// A record whose person is erased is copied as a redaction. Snapshots still count it, so that it may not vanish.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_not_missed_after_a_compaction() {
    let records = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), Some(Vec::new()))).collect();
    let run = |sweep, ids: &[&str]| KindRun { sweep, records: records(ids) };
    let limits = Limits {
        block_len: 4,
        container_len: 200,
        pack_len: 400,
        block_entries: 2,
        index_entries: 5,
        ..Limits::default()
    };
    let mut model = Model::new(limits).await;
    let first = [("article", run(false, &["a", "b", "c", "gid://x/P/0"])), ("customer", run(false, &["a"]))];
    for operation in [
        Operation::Backup(first.into()),
        Operation::Backup([("article", run(true, &[]))].into()),
        Operation::Prune(u32::MAX),
        Operation::Erase('a'),
        Operation::Compact,
    ] {
        model.carry_out(&operation).await;
        model.check().await;
    }
    for operation in [Operation::Rebuild { lost: true }, Operation::Compact, Operation::Collect] {
        model.carry_out(&operation).await;
        model.check().await;
    }
}
