//! Dropping snapshots, compacting, collecting and rebuilding.

use std::sync::atomic::Ordering;

use domain::{Action, MediaRef, RecordKey, SnapshotNumber};
use object_store::ObjectStoreExt as _;
use repository::{Depth, ErrorKind, GRACE, KindOutcome, Mode, NewRecord};

use crate::cell::{Cell, kind, objects};
use crate::faulty::Plan;
use crate::history::{HISTORY, Step, World, subject};

async fn world() -> World {
    World::new(&Cell::new().await, &Plan::new([]), 1)
}

async fn run(world: &mut World, steps: &[Step]) {
    for step in steps {
        world.run(step).await.unwrap_or_else(|error| panic!("{step:?}: {error}"));
    }
}

fn count(names: &[String], folder: &str) -> usize {
    names.iter().filter(|name| name.contains(&format!("/{folder}/"))).count()
}

const PRODUCTS: &[Step] = &[
    Step::Sweep(&[("1", "a"), ("2", "a"), ("3", "a")]),
    Step::Sweep(&[("1", "b"), ("2", "b"), ("3", "a")]),
    Step::Sweep(&[("1", "c"), ("2", "c"), ("3", "a")]),
];

#[tokio::test]
async fn dropped_snapshots_are_not_shown_and_the_newest_stays() {
    let mut world = world().await;
    run(&mut world, PRODUCTS).await;
    let grant = world.cell.grant("shop", Action::ALL).await;
    let lease = world.lease(&grant).await.unwrap();
    let repository = world.repository();
    let error = repository.prune(&grant, &lease, &[SnapshotNumber(1), SnapshotNumber(3)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    let error = repository.prune(&grant, &lease, &[SnapshotNumber(9)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let head = repository.prune(&grant, &lease, &[SnapshotNumber(1)]).await.unwrap();
    assert_eq!((head.name.number.0, &head.commit.pruned[..]), (4, &[(1, 1)][..]));
    let again = repository.prune(&grant, &lease, &[SnapshotNumber(1)]).await.unwrap();
    assert_eq!(again.name, head.name, "nothing is written for nothing");
    let reader = repository.reader(&grant, Action::Read, None).await.unwrap();
    let shown: Vec<u64> = reader.snapshots().await.unwrap().iter().map(|head| head.name.number.0).collect();
    assert_eq!(shown, [3, 2]);
    assert_eq!(reader.at_number(SnapshotNumber(1)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(reader.latest().await.unwrap().name.number.0, 3);
}

#[tokio::test]
async fn compacting_copies_what_is_left_and_collecting_frees_the_rest() {
    let mut world = world().await;
    run(&mut world, PRODUCTS).await;
    run(&mut world, &[Step::Prune(1), Step::Compact]).await;
    world.check().await;
    let names = world.read_all_names().await;
    assert_eq!(count(&names, "pack"), 4, "three, and a copy of what is left of the first");
    run(&mut world, &[Step::Collect, Step::Wait(80), Step::Collect, Step::Wait(71), Step::Collect]).await;
    assert_eq!(
        count(&world.read_all_names().await, "pack"),
        4,
        "young commits still named them, and then the grace"
    );
    run(&mut world, &[Step::Wait(2), Step::Collect]).await;
    assert_eq!(count(&world.read_all_names().await, "pack"), 2, "the third, and the copy");
    world.check().await;
    let grant = world.cell.grant("shop", Action::ALL).await;
    let reader = world.repository().reader(&grant, Action::Read, None).await.unwrap();
    let history = reader.history(&RecordKey::new(kind("product"), "3").unwrap()).await.unwrap();
    assert_eq!(history.iter().map(|line| line.number.0).collect::<Vec<_>>(), [1], "a copy keeps its number");
    let lease = world.lease(&grant).await.unwrap();
    let again = world.repository().compact(&grant, &lease).await.unwrap();
    assert_eq!((again.bytes_written, again.packs_dropped), (0, 0), "there is nothing left to do");
}

#[tokio::test]
async fn a_second_compaction_tells_numbers_through_the_copies() {
    let mut world = world().await;
    run(
        &mut world,
        &[Step::Sweep(&[("1", "a"), ("2", "a"), ("3", "a"), ("4", "a"), ("5", "a"), ("6", "a")])],
    )
    .await;
    let rest = Step::Sweep(&[("1", "b"), ("2", "b"), ("3", "b"), ("4", "b"), ("5", "a"), ("6", "a")]);
    let one = Step::Sweep(&[("1", "b"), ("2", "b"), ("3", "b"), ("4", "b"), ("5", "a"), ("6", "b")]);
    let less = Step::Sweep(&[("1", "b"), ("2", "b"), ("3", "b"), ("4", "b"), ("6", "b")]);
    let free = [Step::Prune(1), Step::Compact, Step::Collect, Step::Wait(80), Step::Collect];
    for step in [rest, one, less] {
        run(&mut world, &[step]).await;
        run(&mut world, &free).await;
        world.check().await;
        run(&mut world, &[Step::Rebuild]).await;
        world.check().await;
    }
}

#[tokio::test]
async fn media_that_no_record_names_any_more_are_freed() {
    let mut world = world().await;
    run(&mut world, &[Step::File("f", "old"), Step::File("f", "new"), Step::File("g", "other")]).await;
    let free = [Step::Prune(1), Step::Compact, Step::Collect, Step::Wait(80), Step::Collect];
    run(&mut world, &free).await;
    assert_eq!(
        count(&world.read_all_names().await, "media"),
        3,
        "copies wait for the grace of the old packs"
    );
    run(&mut world, &[Step::Wait(80), Step::Collect]).await;
    assert_eq!(count(&world.read_all_names().await, "media"), 2);
    world.check().await;
}

#[tokio::test]
async fn media_are_spared_while_a_run_is_unfinished() {
    let mut world = world().await;
    run(&mut world, PRODUCTS).await;
    let grant = world.cell.grant("shop", Action::ALL).await;
    let repository = world.repository();
    let media = repository.media(&grant, Action::Backup).await.unwrap();
    let pieces = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"early"))]);
    media.store(pieces).await.unwrap().unwrap();
    let request = serde_json::json!({});
    let unfinished = repository.run(&grant, world.catalog.head().as_ref(), &request).await.unwrap();
    unfinished.flush().await.unwrap();
    run(&mut world, &[Step::Collect, Step::Wait(80), Step::Collect]).await;
    assert_eq!(count(&world.read_all_names().await, "media"), 1);
    unfinished.delete().await.unwrap();
    run(&mut world, &[Step::Wait(80), Step::Collect, Step::Wait(80), Step::Collect]).await;
    assert_eq!(count(&world.read_all_names().await, "media"), 0);
}

/// A person's record with a medium.
async fn put_persons_medium(world: &World) {
    let grant = world.cell.grant("shop", Action::ALL).await;
    let lease = world.lease(&grant).await.unwrap();
    let repository = world.repository();
    let media = repository.media(&grant, Action::Backup).await.unwrap();
    let pieces = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"a portrait"))]);
    let stored = media.store(pieces).await.unwrap().unwrap();
    let medium = MediaRef {
        pointer: String::new(),
        name: stored.name,
        size_bytes: stored.size_bytes,
        media_type: None,
    };
    let (subjects, media_refs) = (vec![subject("p")], vec![medium]);
    let meta = domain::RecordMeta { subjects, media_refs, ..world.cell.meta(None) };
    let mut writer = repository.begin(&grant, &lease).await.unwrap();
    writer.begin_kind(&kind("customer"), Mode::Increment, &["id"]).await.unwrap();
    let record = NewRecord { id: "p", payload: b"{}", canonical: None, meta: &meta, summary: b"[\"p\"]" };
    writer.put(record).await.unwrap();
    writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await.unwrap();
    writer.commit().await.unwrap();
}

#[tokio::test]
async fn media_are_spared_while_a_table_of_peoples_keys_is_damaged_or_missing() {
    let mut world = world().await;
    run(&mut world, PRODUCTS).await;
    put_persons_medium(&world).await;
    let tables = objects(&*world.keys.inner).await.into_iter();
    let (path, bytes) = tables.into_iter().find(|(path, _)| path.as_ref().contains("/subjects/")).unwrap();
    for damaged in [true, false] {
        if damaged {
            let mut changed = bytes.clone();
            *changed.last_mut().unwrap() ^= 1;
            world.keys.inner.put(&path, changed.into()).await.unwrap();
        } else {
            world.keys.inner.delete(&path).await.unwrap();
        }
        for _ in 0..3 {
            let error = world.run(&Step::Collect).await.expect_err("what the record names is not known");
            assert_eq!(error.kind(), ErrorKind::Integrity);
            run(&mut world, &[Step::Wait(80)]).await;
        }
        assert_eq!(count(&world.read_all_names().await, "media"), 1);
        world.keys.inner.put(&path, bytes.clone().into()).await.unwrap();
    }
    run(&mut world, &[Step::Prune(1), Step::Compact]).await;
    for _ in 0..3 {
        run(&mut world, &[Step::Collect, Step::Wait(80)]).await;
    }
    let names = world.read_all_names().await;
    assert_eq!((count(&names, "media"), count(&names, "pack")), (1, 3), "all else is freed again");
}

#[tokio::test]
async fn a_clock_that_was_once_in_the_future_does_not_stop_the_collection() {
    let mut world = world().await;
    run(&mut world, PRODUCTS).await;
    run(&mut world, &[Step::Prune(1), Step::Compact]).await;
    let right = world.cell.clock.second.load(Ordering::SeqCst);
    run(&mut world, &[Step::Wait(10 * 365 * 24), Step::Collect]).await;
    world.cell.clock.second.store(right, Ordering::SeqCst);
    assert_eq!(count(&world.read_all_names().await, "pack"), 4);
    for _ in 0..3 {
        run(&mut world, &[Step::Collect, Step::Wait(80)]).await;
    }
    assert_eq!(count(&world.read_all_names().await, "pack"), 2);
    world.check().await;
}

#[tokio::test]
async fn a_store_whose_clock_is_behind_keeps_what_is_young_by_it() {
    let mut world = world().await;
    run(&mut world, PRODUCTS).await;
    run(&mut world, &[Step::Prune(1), Step::Compact, Step::Collect]).await;
    // Our clock leaps; the store's does not.
    world.objects.ahead = -80 * 3600;
    world.keys.ahead = -80 * 3600;
    let plan = Plan::new([]);
    world.reopen(&plan);
    run(&mut world, &[Step::Wait(80), Step::Collect]).await;
    assert_eq!(count(&world.read_all_names().await, "pack"), 4);
    world.check().await;
}

#[tokio::test]
async fn what_is_named_again_before_the_second_pass_stays() {
    let mut world = world().await;
    run(&mut world, &[Step::File("f", "picture"), Step::File("f", "other")]).await;
    run(&mut world, &[Step::Prune(1), Step::Compact, Step::Collect, Step::Wait(80), Step::Collect]).await;
    assert_eq!(count(&world.read_all_names().await, "media"), 2, "listed, not yet deleted");
    run(&mut world, &[Step::File("g", "picture"), Step::Wait(80), Step::Collect]).await;
    assert_eq!(count(&world.read_all_names().await, "media"), 2);
    world.check().await;
}

#[tokio::test]
async fn a_lost_index_is_rebuilt_from_the_packs() {
    let mut world = world().await;
    run(&mut world, HISTORY).await;
    let indexes: Vec<_> = objects(&*world.objects.inner)
        .await
        .into_iter()
        .filter(|(path, _)| path.as_ref().contains("/index/"))
        .collect();
    for (path, _) in &indexes {
        world.objects.inner.delete(path).await.unwrap();
    }
    let grant = world.cell.grant("shop", Action::ALL).await;
    let report = world.repository().verify(&grant, Depth::Structure, None, &|_| {}).await.unwrap();
    assert!(!report.ok, "the index is lost");
    run(&mut world, &[Step::Rebuild]).await;
    world.check().await;
}

#[tokio::test]
async fn an_index_is_not_rebuilt_without_a_pack_of_the_history() {
    let mut world = world().await;
    run(&mut world, PRODUCTS).await;
    let packs: Vec<_> = objects(&*world.objects.inner)
        .await
        .into_iter()
        .filter(|(path, _)| path.as_ref().contains("/pack/"))
        .collect();
    let (path, bytes) = &packs[0];
    world.objects.inner.delete(path).await.unwrap();
    let error = world.run(&Step::Rebuild).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    world.objects.inner.put(path, bytes.clone().into()).await.unwrap();
    run(&mut world, &[Step::Rebuild]).await;
    world.check().await;
}

#[tokio::test]
async fn merging_now_and_then_and_compacting_say_the_same() {
    let mut world = world().await;
    for _ in 0..3 {
        run(&mut world, PRODUCTS).await;
        run(&mut world, &[Step::Customer("p", Some("x")), Step::Customer("p", None), Step::Prune(7)]).await;
        world.check().await;
    }
    run(&mut world, &[Step::Compact]).await;
    world.check().await;
    run(&mut world, &[Step::Rebuild]).await;
    world.check().await;
}

#[tokio::test]
async fn an_empty_connection_has_nothing_to_keep() {
    let world = world().await;
    let grant = world.cell.grant("shop", Action::ALL).await;
    let lease = world.lease(&grant).await.unwrap();
    let repository = world.repository();
    assert_eq!(repository.compact(&grant, &lease).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(repository.collect(&grant, &lease, GRACE).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(repository.rebuild_index(&grant, &lease).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.read_all_names().await, [] as [String; 0], "nothing was written either");
    assert_eq!(world.catalog.head(), None);
}
