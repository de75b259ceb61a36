//! Compacting, collecting and rebuilding where a snapshot has several packs, and its index several parts.

use domain::{Action, RecordKey, Rng as _, SnapshotNumber};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use repository::{Depth, ErrorKind, Limits};

use crate::cell::{Cell, SeededRng, TINY, kind, objects};
use crate::faulty::Plan;
use crate::history::{Step, World};

async fn tiny_world() -> World {
    let mut world = World::new(&Cell::new().await, &Plan::new([]), 1);
    world.cell.limits = TINY;
    world
}

async fn run(world: &mut World, steps: &[Step]) {
    for step in steps {
        world.run(step).await.unwrap_or_else(|error| panic!("{step:?}: {error}"));
    }
}

async fn folder(world: &World, name: &str) -> Vec<(Path, Vec<u8>)> {
    let all = objects(&*world.objects.inner).await.into_iter();
    all.filter(|(path, _)| path.as_ref().contains(&format!("/{name}/"))).collect()
}

async fn lose(world: &World, name: &str) -> Vec<(Path, Vec<u8>)> {
    let lost = folder(world, name).await;
    for (path, _) in &lost {
        world.objects.inner.delete(path).await.unwrap();
    }
    lost
}

/// Drops what is older, and comes back when everything that nobody names is gone.
const FREE: &[Step] = &[
    Step::Prune(1),
    Step::Compact,
    Step::Collect,
    Step::Wait(80),
    Step::Collect,
    Step::Wait(80),
    Step::Collect,
];

const SIXTEEN: Step = Step::Sweep(&[
    ("a", "1"),
    ("b", "1"),
    ("c", "1"),
    ("d", "1"),
    ("e", "1"),
    ("f", "1"),
    ("g", "1"),
    ("h", "1"),
    ("i", "1"),
    ("j", "1"),
    ("k", "1"),
    ("l", "1"),
    ("m", "1"),
    ("n", "1"),
    ("o", "1"),
    ("p", "1"),
]);

#[tokio::test]
async fn a_copy_around_a_pack_that_was_not_copied_keeps_all_of_its_records() {
    let mut world = tiny_world().await;
    // Packs are closed by their entries alone.
    world.cell.limits.block_len = Limits::default().block_len;
    run(&mut world, &[SIXTEEN]).await;
    assert_eq!(folder(&world, "pack").await.len(), 4, "four records each");
    // Of the first, third and fourth pack one record each is left; all of the second.
    let three_packs = Step::Sweep(&[
        ("a", "2"),
        ("b", "2"),
        ("c", "2"),
        ("d", "1"),
        ("e", "1"),
        ("f", "1"),
        ("g", "1"),
        ("h", "1"),
        ("i", "2"),
        ("j", "2"),
        ("k", "2"),
        ("l", "1"),
        ("m", "2"),
        ("n", "2"),
        ("o", "2"),
        ("p", "1"),
    ]);
    run(&mut world, &[three_packs, Step::Prune(1), Step::Compact]).await;
    world.check().await;
    // Now the copy of those and the second pack, which lies between its records, are mostly dropped too.
    let both = Step::Sweep(&[
        ("a", "2"),
        ("b", "2"),
        ("c", "2"),
        ("d", "1"),
        ("e", "3"),
        ("f", "3"),
        ("g", "3"),
        ("h", "1"),
        ("i", "2"),
        ("j", "2"),
        ("k", "2"),
        ("l", "3"),
        ("m", "2"),
        ("n", "2"),
        ("o", "2"),
        ("p", "3"),
    ]);
    run(&mut world, &[both, Step::Prune(1), Step::Compact]).await;
    world.check().await;
    run(&mut world, FREE).await;
    world.check().await;
    lose(&world, "index").await;
    run(&mut world, &[Step::Rebuild]).await;
    world.check().await;
    let grant = world.cell.grant("shop", Action::ALL).await;
    let reader = world.repository().reader(&grant, Action::Read, None).await.unwrap();
    let old = reader.history(&RecordKey::new(kind("product"), "d").unwrap()).await.unwrap();
    assert_eq!(old.iter().map(|line| line.number.0).collect::<Vec<_>>(), [1], "copied twice, and still of 1");
}

#[tokio::test]
async fn what_was_deleted_stays_deleted_in_an_index_that_is_rebuilt() {
    for limits in [TINY, Limits::default()] {
        let mut world = tiny_world().await;
        world.cell.limits = limits;
        let kept = Step::Sweep(&[("y", "1"), ("z", "1")]);
        run(&mut world, &[Step::Sweep(&[("x", "1"), ("y", "1"), ("z", "1")]), kept]).await;
        run(&mut world, FREE).await;
        world.check().await;
        lose(&world, "index").await;
        run(&mut world, &[Step::Rebuild]).await;
        world.check().await;
    }
}

#[tokio::test]
async fn what_was_deleted_beside_a_change_stays_deleted_in_an_index_that_is_rebuilt() {
    let mut world = tiny_world().await;
    world.cell.limits = Limits::default();
    // The second pack holds a removal, and mostly what the third replaces: it is copied.
    let steps = [
        Step::Sweep(&[
            ("q", "1"),
            ("r", "1"),
            ("s", "1"),
            ("t", "1"),
            ("u", "1"),
            ("v", "1"),
            ("x", "1"),
            ("y", "1"),
            ("z", "1"),
        ]),
        Step::Sweep(&[
            ("q", "1"),
            ("r", "1"),
            ("s", "1"),
            ("t", "2"),
            ("u", "2"),
            ("v", "2"),
            ("y", "1"),
            ("z", "1"),
        ]),
        Step::Sweep(&[
            ("q", "1"),
            ("r", "1"),
            ("s", "1"),
            ("t", "2"),
            ("u", "3"),
            ("v", "3"),
            ("y", "1"),
            ("z", "1"),
        ]),
    ];
    run(&mut world, &steps).await;
    run(&mut world, FREE).await;
    world.check().await;
    lose(&world, "index").await;
    run(&mut world, &[Step::Rebuild]).await;
    world.check().await;
}

#[tokio::test]
async fn a_history_in_which_nothing_is_left_keeps_its_removals() {
    let mut world = tiny_world().await;
    run(&mut world, &[Step::Sweep(&[("x", "1")]), Step::Sweep(&[])]).await;
    run(&mut world, FREE).await;
    world.check().await;
    assert_eq!(folder(&world, "pack").await.len(), 1, "the removal's");
    let grant = world.cell.grant("shop", Action::ALL).await;
    let lease = world.lease(&grant).await.unwrap();
    let again = world.repository().compact(&grant, &lease).await.unwrap();
    assert_eq!((again.bytes_written, again.packs_dropped), (0, 0), "there is nothing left to do");
    lose(&world, "index").await;
    run(&mut world, &[Step::Rebuild]).await;
    world.check().await;
}

#[tokio::test]
async fn an_index_is_not_rebuilt_when_a_pack_is_lost_with_the_index_that_listed_it() {
    let mut world = tiny_world().await;
    run(&mut world, &[SIXTEEN]).await;
    for value in ["2", "3", "4"] {
        let value: &'static [(&str, &str)] = Box::leak(Box::new([("a", value), ("p", value)]));
        run(&mut world, &[Step::Sweep(value)]).await;
    }
    run(&mut world, FREE).await;
    run(&mut world, &[SIXTEEN, Step::Compact]).await;
    world.check().await;
    lose(&world, "index").await;
    let packs = folder(&world, "pack").await;
    assert!(packs.len() > 4, "{}", packs.len());
    for (path, bytes) in packs {
        world.objects.inner.delete(&path).await.unwrap();
        let error = world.run(&Step::Rebuild).await.expect_err("a pack is gone and nobody noticed");
        assert_eq!(error.kind(), ErrorKind::Integrity, "{path}: {error}");
        assert!(error.to_string().contains(path.as_ref()), "{path}: {error}");
        world.objects.inner.put(&path, bytes.into()).await.unwrap();
    }
    run(&mut world, &[Step::Rebuild]).await;
    world.check().await;
}

#[tokio::test]
async fn a_loss_that_is_accepted_by_name_is_told_from_then_on() {
    let mut world = tiny_world().await;
    run(&mut world, &[SIXTEEN, Step::Sweep(&[("a", "2"), ("b", "2"), ("q", "2")]), Step::Compact]).await;
    lose(&world, "index").await;
    let grant = world.cell.grant("shop", Action::ALL).await;
    // The pack of the second snapshot that holds what it has written.
    let mut lost = Vec::new();
    for (path, bytes) in folder(&world, "pack").await {
        world.objects.inner.delete(&path).await.unwrap();
        let lease = world.lease(&grant).await.unwrap();
        let other = [format!("{path}x")];
        let error = world.repository().rebuild_index_without(&grant, &lease, &other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "another name accepts nothing");
        lost.push(path.to_string());
        world.objects.inner.put(&path, bytes.into()).await.unwrap();
    }
    let lost = lost.pop().unwrap();
    world.objects.inner.delete(&Path::from(lost.as_str())).await.unwrap();
    let lease = world.lease(&grant).await.unwrap();
    let accepted = [lost.clone()];
    let head = world.repository().rebuild_index_without(&grant, &lease, &accepted).await.unwrap();
    let state = &head.commit.kinds[&kind("product")];
    assert!(!state.complete && !head.commit.complete);
    assert!(state.gaps.iter().any(|gap| gap.detail.contains(&lost)), "{:?}", state.gaps);
    let reader = world.repository().reader(&grant, Action::Read, None).await.unwrap();
    let mut scan = reader.scan(&kind("product"), head.name.number, None).await.unwrap();
    let mut records = 0;
    while scan.next_id().await.unwrap().is_some() {
        records += 1;
    }
    assert_eq!(records, state.records, "counted anew");
    let report = world.repository().verify(&grant, Depth::AllBytes, None, &|_| {}).await.unwrap();
    assert!(!report.ok, "older snapshots do not have what they had");
    assert!(reader.at_number(SnapshotNumber(1)).await.is_ok());
}

/// Ids of ten thousand characters that hardly compress.
fn long_ids(count: u64) -> Vec<(&'static str, &'static str)> {
    let rng = SeededRng::new(3);
    let id = |turn: u64| {
        let mut bytes = [0; 5_000];
        rng.fill(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        (&*format!("{turn:04}-{hex}").leak(), "1")
    };
    (0..count).map(id).collect()
}

#[tokio::test]
async fn long_ids_close_packs_and_indexes_that_hold_few_bytes_else() {
    let mut world = tiny_world().await;
    world.cell.limits = Limits { pack_len: 100_000, index_len: 100_000, ..Limits::default() };
    let ids: &'static [(&str, &str)] = long_ids(100).leak();
    run(&mut world, &[Step::Sweep(ids), Step::Compact]).await;
    let packs = folder(&world, "pack").await;
    assert!(packs.len() > 4, "{} packs", packs.len());
    assert!(folder(&world, "index").await.len() > 4);
    world.check().await;
    run(&mut world, &[Step::Sweep(&ids[..1])]).await;
    assert!(folder(&world, "pack").await.len() > packs.len() + 4, "removals fill packs too");
    run(&mut world, FREE).await;
    world.check().await;
    for (path, bytes) in [folder(&world, "pack").await, folder(&world, "index").await].concat() {
        assert!(bytes.len() < 300_000, "{path} has {} bytes", bytes.len());
    }
}
