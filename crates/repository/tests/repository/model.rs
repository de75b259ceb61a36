//! Random histories against a plain map, compared at every snapshot.

use std::collections::BTreeMap;

use domain::{Action, RecordKey, Removal, SnapshotNumber};
use proptest::prelude::*;
use repository::{KindOutcome, Mode, NewRecord};

use crate::cell::{Cell, kind};

/// What one run does with one kind.
#[derive(Debug, Clone)]
struct KindRun {
    sweep: bool,
    /// Id to new content; `None` removes.
    records: BTreeMap<String, Option<Vec<u8>>>,
}

type Run = BTreeMap<&'static str, KindRun>;
type State = BTreeMap<(String, String), Vec<u8>>;

fn runs(length: usize) -> impl Strategy<Value = Vec<Run>> {
    let id = prop_oneof![
        "[a-d]{1,2}",
        "gid://x/P/[0-9]{1,3}",
        Just("é/..//\u{0} \"".to_owned()),
        Just("x".repeat(10_000)),
    ];
    // Few contents, so that records return to what they were; now and then one that fills blocks by itself.
    let content = prop_oneof![
        8 => prop::collection::vec(0_u8..3, 0..3),
        1 => (0_u8..3).prop_map(|byte| vec![byte; 300_000]),
    ];
    let kind_run =
        (any::<bool>(), prop::collection::btree_map(id, prop::option::weighted(0.8, content), 0..8))
            .prop_map(|(sweep, records)| KindRun { sweep, records });
    let run = prop::collection::btree_map(
        prop::sample::select(vec!["article", "customer", "product"]),
        kind_run,
        0..3,
    );
    prop::collection::vec(run, 1..length)
}

/// Persons' records are sealed one by one; which person it is depends on the id, so that some share a key.
fn subject(kind_name: &str, id: &str) -> Option<String> {
    (kind_name == "customer").then(|| format!("customer/{}", id.chars().next().unwrap_or('-')))
}

fn apply(state: &mut State, run: &Run) {
    for (kind_name, kind_run) in run {
        if kind_run.sweep {
            state.retain(|(kind, id), _| kind != kind_name || kind_run.records.contains_key(id));
        }
        for (id, content) in &kind_run.records {
            let key = ((*kind_name).to_owned(), id.clone());
            match content {
                Some(content) => drop(state.insert(key, content.clone())),
                None => drop(state.remove(&key)),
            }
        }
    }
}

async fn write(cell: &Cell, run: &Run) -> SnapshotNumber {
    cell.tick();
    let grant = cell.grant("shop", &[Action::Backup]).await;
    let mut writer = cell.repository("shop").writer(&grant, cell.generation(), None).await.unwrap();
    for (kind_name, kind_run) in run {
        let mode = if kind_run.sweep { Mode::Sweep(Removal::Deleted) } else { Mode::Increment };
        writer.begin_kind(&kind(kind_name), mode, &["id"]).await.unwrap();
        for (id, content) in &kind_run.records {
            match content {
                Some(content) => {
                    let meta = cell.meta(subject(kind_name, id).as_deref());
                    let summary = serde_json::to_vec(&[id]).unwrap();
                    let record =
                        NewRecord { id, payload: content, canonical: None, meta: &meta, summary: &summary };
                    writer.put(record).await.unwrap();
                }
                None => writer.remove(id, Removal::Deleted).await.unwrap(),
            }
        }
        writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await.unwrap();
    }
    writer.commit().await.unwrap().head.name.number
}

async fn check(cell: &Cell, history: &BTreeMap<SnapshotNumber, State>) {
    let grant = cell.grant("shop", &[Action::Read]).await;
    let reader = cell.repository("shop").reader(&grant, Action::Read, None).await.unwrap();
    let snapshots: Vec<_> =
        reader.snapshots().await.unwrap().iter().map(|head| head.name.number).rev().collect();
    assert_eq!(snapshots, history.keys().copied().collect::<Vec<_>>());
    let all: Vec<(String, String)> = history.values().flat_map(|state| state.keys().cloned()).collect();
    for (&number, state) in history {
        for kind_name in ["article", "customer", "product"] {
            let expected: Vec<_> = state.iter().filter(|((kind, _), _)| kind == kind_name).collect();
            let mut scan = reader.scan(&kind(kind_name), number, None).await.unwrap();
            for ((_, id), content) in &expected {
                let record = scan.next().await.unwrap().expect("a record is missing");
                assert_eq!((&*record.key.id, &record.payload), (id.as_str(), *content));
            }
            assert_eq!(scan.next().await.unwrap(), None);
            let mut rows = reader.scan(&kind(kind_name), number, None).await.unwrap();
            for ((_, id), _) in &expected {
                let row = rows.next_summary().await.unwrap().expect("a row is missing");
                assert_eq!(row.cells, Some(serde_json::to_vec(&[id]).unwrap()));
            }
            assert_eq!(rows.next_summary().await.unwrap(), None);
            let records =
                reader.at_number(number).await.unwrap().commit.kinds.get(&kind(kind_name)).map(|k| k.records);
            assert_eq!(records.unwrap_or(0), u64::try_from(expected.len()).unwrap());
        }
        for (kind_name, id) in &all {
            let key = RecordKey::new(kind(kind_name), id).unwrap();
            let found = reader.get(&key, number).await.ok().map(|record| record.payload);
            assert_eq!(found.as_ref(), state.get(&(kind_name.clone(), id.clone())));
        }
    }
    let numbers: Vec<_> = history.keys().copied().collect();
    for (&from, &to) in numbers.iter().zip(numbers.iter().skip(1)) {
        let mut differences = reader.differences(from, to).await.unwrap();
        let mut found = Vec::new();
        while let Some(difference) = differences.next().await.unwrap() {
            found.push((difference.key.kind.to_string(), difference.key.id.to_string()));
        }
        let (before, after) = (&history[&from], &history[&to]);
        let mut expected: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
        expected.sort();
        expected.dedup();
        expected.retain(|key| before.get(key) != after.get(key));
        assert_eq!(found, expected);
    }
}

/// Runs per history and number of histories: short here, long in `make soak`.
fn scale(short: usize, long: usize) -> usize {
    if std::env::var_os("CARETAKER_SOAK").is_some() { long } else { short }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: u32::try_from(scale(12, 300)).unwrap(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_snapshot_reads_as_the_map_does(runs in runs(scale(24, 60))) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let cell = Cell::new().await;
            let mut state = State::new();
            let mut history = BTreeMap::new();
            for run in &runs {
                apply(&mut state, run);
                let number = write(&cell, run).await;
                history.insert(number, state.clone());
            }
            check(&cell, &history).await;
        });
    }
}
