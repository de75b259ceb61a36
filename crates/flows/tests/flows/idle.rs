//! Backups of a store in which nothing, or next to nothing, has changed.

use connectors::canonical::Rules;
use connectors::platforms::shopify::kind;
use domain::{Action, Kind, RecordMeta, SnapshotNumber};
use flows::backup::Backup;
use flows::report::RunReport;
use repository::{KindOutcome, Mode, NewRecord};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

use crate::doubles::Silent;
use crate::round_trip::full_shop;
use crate::world::{World, tenant};

const RETITLE: &str =
    "mutation($product: ProductUpdateInput!) { productUpdate(product: $product) { userErrors { message } } }";
/// An idle backup writes less than this.
const IDLE_BYTES_MAX: u64 = 64 * 1024;

async fn world() -> World {
    let mut world = World::new(9).await;
    world.open("shop", Settings { products: 12, customers: 4, orders: 6, ..full_shop() }).await;
    world
}

async fn back_up(world: &World) -> RunReport {
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    flows::backup::backup(&world.cell, &Backup { connection, full: true }, &Silent).await.unwrap()
}

fn changes(report: &RunReport) -> Vec<(String, u64, u64, u64)> {
    let counts = report.kinds.iter().map(|(kind, of)| (kind.to_string(), of.added, of.changed, of.removed));
    counts.filter(|(_, added, changed, removed)| added + changed + removed > 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_store_is_read_whole_and_next_to_nothing_is_written() {
    let world = world().await;
    let first = back_up(&world).await;
    assert!(
        first.bytes_written > IDLE_BYTES_MAX,
        "the shop is large enough to tell: {}",
        first.bytes_written
    );
    let again = back_up(&world).await;
    assert!(again.complete);
    let seen = |report: &RunReport| report.kinds.values().map(|kind| kind.seen).sum::<u64>();
    assert_eq!((seen(&again), changes(&again)), (seen(&first), Vec::new()));
    assert!(again.bytes_written < IDLE_BYTES_MAX, "{} bytes", again.bytes_written);
}

/// Writes all products once more, without a field, as an older version of us would have that did not select it.
async fn forget_field(world: &World, field: &str) -> SnapshotNumber {
    let product = Kind::new("product").unwrap();
    let rules = Rules::new(kind("product").unwrap().volatile, kind("product").unwrap().unordered);
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let scope = &connection.scope;
    let mut lease = world.cell.lease(scope).await.unwrap();
    let grant = world.cell.grant(scope, &[Action::Backup, Action::Read], "test").await.unwrap();
    let reader = world.cell.repository(scope).reader(&grant, Action::Read, None).await.unwrap();
    let state = reader.head().commit.kinds[&product].clone();
    let mut writer = world.cell.writer(scope, &grant, &mut lease).await.unwrap();
    writer.begin_kind(&product, Mode::Increment, &[]).await.unwrap();
    let mut scan = reader.scan(&product, reader.head().name.number, None).await.unwrap();
    while let Some(record) = scan.next().await.unwrap() {
        let mut payload: Value = serde_json::from_slice(&record.payload).unwrap();
        assert!(payload.as_object_mut().unwrap().remove(field).is_some());
        let meta = RecordMeta { selection_digest: "an older one".to_owned(), ..record.meta };
        let record = NewRecord {
            id: &record.key.id,
            payload: &serde_json::to_vec(&payload).unwrap(),
            canonical: Some(&rules.canonical(&connectors::tree::Tree::from(&payload))),
            meta: &meta,
            summary: &[],
        };
        writer.put(record).await.unwrap();
    }
    let outcome = KindOutcome { complete: true, cursor: state.cursor, ..KindOutcome::default() };
    assert_eq!(writer.end_kind(outcome).await.unwrap().changed, 12);
    let number = writer.commit().await.unwrap().head.name.number;
    world.cell.release(lease).await.unwrap();
    number
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newly_selected_field_is_no_change_of_every_item() {
    let world = world().await;
    back_up(&world).await;
    let older = forget_field(&world, "vendor").await;
    let dump = world.dump("shop");
    let edited = dump["Product"].as_object().unwrap().keys().next().unwrap();
    world.owner("shop", RETITLE, json!({"product": {"id": edited, "title": "Renamed"}})).await;

    let report = back_up(&world).await;
    assert_eq!(changes(&report), [("product".to_owned(), 0, 1, 0)]);
    let records = world.records("shop", report.snapshot).await;
    let products = records.iter().filter(|((kind, _), _)| *kind == "product");
    assert_eq!(
        products.filter(|(_, product)| product.get("vendor").is_some()).count(),
        12,
        "all are kept anew"
    );

    let name = "shop".parse().unwrap();
    let reader = flows::read::open(&world.cell, &tenant(), &name, Action::Read, "compare").await.unwrap();
    let diff = flows::diff::diff(&reader, older, report.snapshot, None, &|_, _| {}).await.unwrap();
    let shown: Vec<(&str, Vec<&str>)> = diff
        .changed
        .iter()
        .map(|of| (&*of.id, of.fields.iter().map(|field| field.path.as_str()).collect()))
        .collect();
    assert_eq!((diff.added.len(), diff.removed.len(), shown.len()), (0, 0, 1), "{shown:?}");
    assert_eq!(shown[0].0, edited);
    assert!(shown[0].1.contains(&"/title") && !shown[0].1.contains(&"/vendor"), "{shown:?}");

    assert_eq!(changes(&back_up(&world).await), []);
}
