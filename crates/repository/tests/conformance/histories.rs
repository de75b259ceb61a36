//! Histories, through the record store's public face.

use std::collections::BTreeMap;

use domain::{Action, Kind, RecordKey, RecordMeta, Removal, SnapshotNumber, SubjectId};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use repository::{
    Depth, ErrorKind, Generation, KindOutcome, Mode, NewRecord, Repository, Stores, Writer, Written,
};

use crate::fixture::Cell;
use crate::target::Target;

pub(crate) fn stores(target: &Target, name: &str) -> Stores {
    Stores { objects: target.make(&format!("{name}/store")), keys: target.make(&format!("{name}/keys")) }
}

fn meta(cell: &Cell, subject: Option<&str>) -> RecordMeta {
    RecordMeta {
        observed_at: domain::Clock::now(&*cell.clock),
        source_updated_at: None,
        api_version: String::new(),
        selection_digest: String::new(),
        subjects: subject.map(|subject| SubjectId(subject.into())).into_iter().collect(),
        media_refs: vec![],
        gaps: vec![],
    }
}

/// Puts records of a kind, as all there are.
pub(crate) async fn fill(cell: &Cell, writer: &mut Writer, kind: &str, records: &BTreeMap<String, String>) {
    writer.begin_kind(&Kind::new(kind).unwrap(), Mode::Sweep(Removal::Deleted), &["id"]).await.unwrap();
    for (id, payload) in records {
        let subject = (kind == "customer").then(|| format!("customer/{id}"));
        let meta = meta(cell, subject.as_deref());
        let summary = format!("[{id:?}]");
        let record = NewRecord {
            id,
            payload: payload.as_bytes(),
            canonical: None,
            meta: &meta,
            summary: summary.as_bytes(),
        };
        writer.put(record).await.unwrap();
    }
    writer.end_kind(KindOutcome { complete: true, ..KindOutcome::default() }).await.unwrap();
}

pub(crate) async fn read(
    repository: &Repository,
    cell: &Cell,
    kind: &str,
    number: SnapshotNumber,
) -> BTreeMap<String, String> {
    let grant = cell.grant(&[Action::Read]).await;
    let reader = repository.reader(&grant, Action::Read, None).await.unwrap();
    let mut scan = reader.scan(&Kind::new(kind).unwrap(), number, None).await.unwrap();
    let mut found = BTreeMap::new();
    while let Some(record) = scan.next().await.unwrap() {
        found.insert(record.key.id.to_string(), String::from_utf8(record.payload).unwrap());
    }
    found
}

async fn snapshot(
    cell: &Cell,
    generation: Generation,
    kinds: &[(&str, &BTreeMap<String, String>)],
) -> Written {
    cell.clock.tick();
    let grant = cell.grant(&[Action::Backup]).await;
    let mut writer = cell.repository.writer(&grant, generation, None).await.unwrap();
    for (kind, records) in kinds {
        fill(cell, &mut writer, kind, records).await;
    }
    writer.commit().await.unwrap()
}

/// More snapshots than indexes stay unmerged, with two kinds, one of them personal.
pub(crate) async fn reads_back_what_was_written(target: &Target) {
    let cell = Cell::on(stores(target, "history"), 21).await;
    let mut products: BTreeMap<String, String> =
        (0..400).map(|turn| (format!("gid://shop/Product/{turn}"), format!("{{\"n\":{turn}}}"))).collect();
    let customers: BTreeMap<String, String> =
        (0..20).map(|turn| (format!("{turn:03}"), format!("{{\"mail\":\"p{turn}@example.com\"}}"))).collect();
    let mut history = Vec::new();
    for number in 1..=11 {
        products.insert(format!("gid://shop/Product/{}", number * 31), format!("{{\"changed\":{number}}}"));
        products.remove(&format!("gid://shop/Product/{}", number * 17));
        let kinds = [("customer", &customers), ("product", &products)];
        let written = snapshot(&cell, cell.generation(number), &kinds).await;
        history.push((written.head.name.number, products.clone()));
    }
    for (number, products) in &history {
        assert_eq!(&read(&cell.repository, &cell, "product", *number).await, products, "{}", target.name);
        assert_eq!(read(&cell.repository, &cell, "customer", *number).await, customers, "{}", target.name);
    }
    let grant = cell.grant(&[Action::Read, Action::Verify]).await;
    let reader = cell.repository.reader(&grant, Action::Read, None).await.unwrap();
    let key = RecordKey::new(Kind::new("product").unwrap(), "gid://shop/Product/31").unwrap();
    let lines: Vec<_> = reader.history(&key).await.unwrap().iter().map(|line| line.number.0).collect();
    assert_eq!(lines, [1], "{}", target.name);
    let report = cell.repository.verify(&grant, Depth::AllBytes, None, &|_| {}).await.unwrap();
    assert!(report.ok, "{}: {report:?}", target.name);
    let idle = snapshot(&cell, cell.generation(12), &[("product", &history[10].1)]).await;
    assert_eq!(idle.bytes_written, 0, "{}: nothing changed", target.name);
}

pub(crate) async fn names_a_missing_object(target: &Target) {
    let stores = stores(target, "missing-pack");
    let cell = Cell::on(stores.clone(), 22).await;
    let records = BTreeMap::from([("1".to_owned(), "one".to_owned())]);
    snapshot(&cell, cell.generation(1), &[("product", &records)]).await;
    assert_eq!(read(&cell.repository, &cell, "product", SnapshotNumber(1)).await, records);
    let listed: Vec<_> = futures::TryStreamExt::try_collect(
        stores.objects.list(Some(&Path::from("t/jsonl/default/shop/pack"))),
    )
    .await
    .unwrap();
    let listed: Vec<object_store::ObjectMeta> = listed;
    assert_eq!(listed.len(), 1, "{}", target.name);
    stores.objects.delete(&listed[0].location).await.unwrap();
    let grant = cell.grant(&[Action::Read]).await;
    let reader = cell.repository.reader(&grant, Action::Read, None).await.unwrap();
    let key = RecordKey::new(Kind::new("product").unwrap(), "1").unwrap();
    let error = reader.get(&key, SnapshotNumber(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{}", target.name);
    assert!(error.to_string().contains(listed[0].location.as_ref()), "{}: {error}", target.name);
}
