//! Erasing people: nothing that others left, or that was not known to be theirs at first, stands in the way.

use std::sync::Arc;

use domain::{Action, Id128, Removal, SubjectId};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use repository::{Change, ErrorKind, Generation, KindOutcome, Lease, Mode, NewRecord, StoreOptions, Written};
use serde_json::json;

use crate::cell::{Cell, kind, objects};

const TABLES: &str = "t/jsonl/default/shop/subjects";

fn generation(counter: u64) -> Generation {
    Generation { counter, lease: Id128([9; 16]) }
}

fn lease(counter: u64) -> Lease {
    Lease { generation: generation(counter), heads: None }
}

fn subject(person: &str) -> SubjectId {
    SubjectId(person.into())
}

/// Puts customers, each a person of their own where `personal`; answers what became of the last.
async fn customers(
    cell: &Cell,
    counter: u64,
    people: &[String],
    personal: bool,
) -> (Written, Option<Change>) {
    let grant = cell.grant("shop", &[Action::Backup]).await;
    let mut writer = cell.repository("shop").writer(&grant, generation(counter), None).await.unwrap();
    writer.begin_kind(&kind("customer"), Mode::Increment, &[]).await.unwrap();
    let mut change = None;
    for person in people {
        let meta = cell.meta(personal.then_some(person));
        let record =
            NewRecord { id: person, payload: b"lives there", canonical: None, meta: &meta, summary: &[] };
        change = Some(writer.put(record).await.unwrap());
    }
    writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await.unwrap();
    (writer.commit().await.unwrap(), change)
}

fn people(prefix: &str) -> Vec<String> {
    (0..60).map(|number| format!("{prefix}{number:03}")).collect()
}

async fn tables(store: &dyn ObjectStore) -> Vec<Path> {
    let found = objects(store).await.into_iter().map(|(path, _)| path);
    found.filter(|path| path.as_ref().starts_with(TABLES)).collect()
}

#[tokio::test]
async fn tables_that_a_failed_commit_left_in_other_buckets_do_not_stop_an_erasure() {
    let (store, keys) = (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
    let cell = Cell::with_stores(store.clone(), keys.clone()).await;
    customers(&cell, 1, &people("a"), true).await;
    let before = tables(&*keys).await;
    // A second lease stores its tables, and its commit never comes.
    let aside = Arc::new(keys.fork());
    customers(&cell.over(Arc::new(store.fork()), aside.clone(), 3), 2, &people("b"), true).await;
    for path in tables(&*aside).await.into_iter().filter(|path| !before.contains(path)) {
        let table = aside.get(&path).await.unwrap().bytes().await.unwrap();
        keys.put(&path, table.into()).await.unwrap();
    }
    let bucket = |path: &Path| path.filename().unwrap()[..2].to_owned();
    let left = tables(&*keys).await;
    let several = left.windows(2).filter(|pair| bucket(&pair[0]) == bucket(&pair[1])).count();
    assert!(several > 1, "{several} tables stand in two versions");

    let grant = cell.grant("shop", Action::ALL).await;
    let erased = cell.repository("shop").erase(&grant, &lease(3), &[subject("a007")]).await.unwrap();
    assert_eq!((erased.people, erased.records), (1, 1));
    assert!(erased.tables_deleted >= u64::try_from(several).unwrap());
    let left = tables(&*keys).await;
    assert!(left.windows(2).all(|pair| bucket(&pair[0]) != bucket(&pair[1])), "{left:?}");
    let reader = cell.repository("shop").reader(&grant, Action::Read, None).await.unwrap();
    let newest = reader.latest().await.unwrap().name.number;
    let read = |id: &str, at| {
        let key = domain::RecordKey::new(kind("customer"), id).unwrap();
        let reader = &reader;
        async move { reader.get(&key, at).await.map_err(|error| error.kind()) }
    };
    assert!(read("a008", newest).await.is_ok(), "everybody else is there");
    assert_eq!(read("a007", domain::SnapshotNumber(1)).await.err(), Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn a_table_of_a_later_lease_is_left_alone_and_no_certificate_is_given() {
    let (store, keys) = (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
    let cell = Cell::with_stores(store.clone(), keys.clone()).await;
    customers(&cell, 1, &people("a"), true).await;
    let before = tables(&*keys).await;
    let aside = Arc::new(keys.fork());
    customers(&cell.over(Arc::new(store.fork()), aside.clone(), 3), 4, &people("b"), true).await;
    let later: Vec<Path> = tables(&*aside).await.into_iter().filter(|path| !before.contains(path)).collect();
    for path in &later {
        let table = aside.get(path).await.unwrap().bytes().await.unwrap();
        keys.put(path, table.into()).await.unwrap();
    }
    let grant = cell.grant("shop", Action::ALL).await;
    let error = cell.repository("shop").erase(&grant, &lease(3), &[subject("a007")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let left = tables(&*keys).await;
    assert!(later.iter().all(|path| left.contains(path)));
}

#[tokio::test]
async fn a_record_that_became_personal_without_changing_is_sealed_anew_and_erased() {
    let cell = Cell::new().await;
    let one = ["p1".to_owned()];
    customers(&cell, 1, &one, false).await;
    let (_, change) = customers(&cell, 2, &one, true).await;
    assert_eq!(change, Some(Change::Changed));
    let (_, change) = customers(&cell, 3, &one, true).await;
    assert_eq!(change, Some(Change::Unchanged));
    let grant = cell.grant("shop", Action::ALL).await;
    let erased = cell.repository("shop").erase(&grant, &lease(4), &[subject("p1")]).await.unwrap();
    assert_eq!(erased.records, 1);
}

#[tokio::test]
async fn the_quick_look_at_an_unchanged_record_asks_whose_it_is() {
    let cell = Cell::new().await;
    customers(&cell, 1, &["p1".to_owned()], true).await;
    let grant = cell.grant("shop", &[Action::Backup]).await;
    let mut writer = cell.repository("shop").writer(&grant, generation(2), None).await.unwrap();
    writer.begin_kind(&kind("customer"), Mode::Increment, &[]).await.unwrap();
    let hash = writer.hasher().hash(b"lives there");
    assert!(!writer.unchanged("p1", hash, None).await.unwrap());
    assert!(!writer.unchanged("p1", hash, Some(&subject("p2"))).await.unwrap());
    assert!(writer.unchanged("p1", hash, Some(&subject("p1"))).await.unwrap());
}

#[tokio::test]
async fn copies_outside_of_snapshots_do_not_survive_an_erasure() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let place = dir.path().join(name).display().to_string();
        repository::make_store(&place, &StoreOptions::default()).unwrap()
    };
    let cell = Cell::with_stores(open("store"), open("keys")).await;
    let (written, _) = customers(&cell, 1, &["p1".to_owned()], true).await;
    let grant = cell.grant("shop", Action::ALL).await;
    let repository = cell.repository("shop");
    let run = repository.run(&grant, Some(&written.head.name), &json!({})).await.unwrap();
    run.begin(&kind("customer")).await;
    run.put(&kind("customer"), "p1".into(), "".into(), b"lives there".to_vec()).await.unwrap();
    run.flush().await.unwrap();
    let saved = format!("restore-1{}", repository::SAVED);
    for state in [&*saved, "id-ledger"] {
        repository.put_state(&grant, Action::Restore, state, b"lives there").await.unwrap();
    }
    // What a killed writer leaves of a table: no listing shows it.
    let folder = dir.path().join("keys").join(TABLES);
    let table = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let aside = format!("{}#1", table.display());
    std::fs::copy(&table, &aside).unwrap();
    let count = |part: &str| {
        let part = part.to_owned();
        let keys = cell.stores.keys.clone();
        async move {
            let found = objects(&*keys).await;
            found.iter().filter(|(path, _)| path.as_ref().contains(&part)).count()
        }
    };
    assert_eq!((count("/run/").await, count(&saved).await, count("/id-ledger/").await), (2, 1, 1));

    let erased = repository.erase(&grant, &lease(2), &[subject("p1")]).await.unwrap();
    assert_eq!(erased.copies_deleted, 3);
    assert_eq!((count("/run/").await, count(&saved).await, count("/id-ledger/").await), (0, 0, 1));
    assert!(!std::path::Path::new(&aside).exists());
    assert!(!table.exists());
}

#[tokio::test]
async fn a_forged_data_key_is_not_used_however_new_it_is() {
    let cell = Cell::new().await;
    cell.sweep("shop", "product", &[("1", "a")]).await;
    let key_of = async |cell: &Cell, folder: &str| {
        let found = objects(&*cell.stores.objects).await;
        let (_, bytes) = found.into_iter().rfind(|(path, _)| path.as_ref().contains(folder)).unwrap();
        bytes[8..24].to_vec()
    };
    let own = key_of(&cell, "/commit/").await;
    let forged = Path::from(format!("t/jsonl/default/shop/data-key/{}", "f".repeat(32)));
    cell.stores.keys.put(&forged, b"whatever somebody likes".to_vec().into()).await.unwrap();
    cell.sweep("shop", "product", &[("1", "b")]).await;
    assert_eq!(key_of(&cell, "/commit/").await, own);
    let grant = cell.grant("shop", Action::ALL).await;
    let proven = cell.repository("shop").proven_keys(&grant, Action::Read).await.unwrap();
    assert_eq!(proven.into_iter().map(|id| id.0.to_vec()).collect::<Vec<_>>(), [own]);
}

/// What a sweep cannot keep is not gone: the version before stands.
#[tokio::test]
async fn what_cannot_be_kept_in_a_sweep_stays_as_it_was() {
    let cell = Cell::new().await;
    cell.sweep("shop", "product", &[("1", "a"), ("2", "a"), ("3", "a"), ("4", "a")]).await;
    let grant = cell.grant("shop", Action::ALL).await;
    let repository = cell.repository("shop");
    let mut writer = repository.writer(&grant, cell.generation(), None).await.unwrap();
    writer.begin_kind(&kind("product"), Mode::Sweep(Removal::Deleted), &[]).await.unwrap();
    let meta = cell.meta(None);
    let large = vec![b' '; domain::record::PAYLOAD_LEN_MAX + 1];
    let record = |id, payload| NewRecord { id, payload, canonical: None, meta: &meta, summary: &[] };
    writer.keep("1").await.unwrap();
    let error = writer.put(record("2", &large)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    writer.keep("25").await.unwrap();
    writer.put(record("3", b"b")).await.unwrap();
    let counts = writer.end_kind(KindOutcome::default()).await.unwrap();
    assert_eq!((counts.added, counts.changed, counts.removed), (0, 1, 1), "4 is gone, and nothing else");
    let number = writer.commit().await.unwrap().head.name.number;
    let reader = repository.reader(&grant, Action::Read, None).await.unwrap();
    let mut scan = reader.scan(&kind("product"), number, None).await.unwrap();
    let mut found = Vec::new();
    while let Some(record) = scan.next().await.unwrap() {
        found.push(format!("{} {}", record.key.id, String::from_utf8_lossy(&record.payload)));
    }
    assert_eq!(found, ["1 a", "2 a", "3 b"]);
}
