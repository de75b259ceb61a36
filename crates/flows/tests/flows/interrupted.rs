//! Backups that go on with what an interrupted one had fetched.

use std::collections::BTreeMap;

use connectors::contract::KindEnd;
use domain::{Action, Kind, Timestamp};
use flows::backup::Backup;
use flows::report::RunReport;
use sandbox::shopify::Settings;
use serde_json::{Map, Value, json};

use crate::doubles::Silent;
use crate::world::{World, tenant};

/// Longer than any record may be.
const TOO_LONG: usize = domain::record::PAYLOAD_LEN_MAX + 1;

async fn world() -> World {
    let mut world = World::new(3).await;
    world.open("shop", Settings { products: 5, ..Settings::empty() }).await;
    world
}

async fn back_up(world: &World) -> RunReport {
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    flows::backup::backup(&world.cell, &Backup { connection, full: true }, &Silent).await.unwrap()
}

/// Leaves a run behind, as an interrupted full backup does that had fetched these products, and had noted that this is
/// how their reading ended.
async fn interrupted(world: &World, products: &[(&str, Vec<u8>)], end: Value) {
    let other = |kind: &str| serde_json::to_value(ended(kind, false)).unwrap();
    leave_run(world, true, products, &|kind| if kind == "product" { end.clone() } else { other(kind) }).await;
}

/// The same for an increment, which had read one product, and all of whose kinds go on from now.
pub(crate) async fn interrupted_increment(world: &World, id: &str, line: Vec<u8>) {
    let now = world.cell.clock.now();
    let end = |kind: &str| {
        let end = KindEnd { next: Some(json!({"at": now})), read_at: now, ..ended(kind, false) };
        serde_json::to_value(end).unwrap()
    };
    leave_run(world, false, &[(id, line)], &end).await;
}

async fn leave_run(
    world: &World,
    full: bool,
    products: &[(&str, Vec<u8>)],
    end: &(dyn Fn(&str) -> Value + Sync),
) {
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let actions = [Action::Backup, Action::Read];
    let grant = world.cell.grant(&connection.scope, &actions, "test").await.unwrap();
    let store = flows::connect::open(&world.cell, &connection, &grant).await.unwrap();
    let repository = world.cell.repository(&connection.scope);
    let head = world.cell.known_head(&connection.scope).await.unwrap();
    let kinds = match (&head, full) {
        (Some(_), false) => {
            repository.reader(&grant, Action::Read, None).await.unwrap().head().commit.kinds.clone()
        }
        _ => BTreeMap::new(),
    };
    let since = |kind: &str| kinds.get(&Kind::new(kind).unwrap()).and_then(|state| state.cursor.clone());
    let request: Map<String, Value> = store
        .kinds()
        .iter()
        .map(|spec| {
            let asked = json!({"since": since(spec.name), "digest": store.selection_digest(spec)});
            (spec.name.to_owned(), asked)
        })
        .collect();
    let run = repository.run(&grant, head.as_ref(), &Value::Object(request)).await.unwrap();
    for spec in store.kinds() {
        let kind = Kind::new(spec.name).unwrap();
        run.begin(&kind).await;
        if spec.name == "product" {
            for (id, line) in products {
                run.put(&kind, (*id).into(), "".into(), line.clone()).await.unwrap();
            }
        }
        run.end(&kind, end(spec.name)).await.unwrap();
    }
    run.flush().await.unwrap();
}

fn ended(kind: &str, swept: bool) -> KindEnd {
    let kind = Kind::new(kind).unwrap();
    let read_at = Timestamp::UNIX_EPOCH;
    KindEnd { kind, swept, complete: true, left_scope: false, read_at, next: None, gaps: Vec::new() }
}

async fn products(world: &World, report: &RunReport) -> BTreeMap<String, Value> {
    let records = world.records("shop", report.snapshot).await.into_iter();
    records.filter(|((kind, _), _)| *kind == "product").map(|((_, id), product)| (id, product)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_kept_this_time_does_not_count_as_deleted() {
    let world = world().await;
    let first = back_up(&world).await;
    let before = products(&world, &first).await;
    let ids: Vec<&str> = before.keys().map(String::as_str).collect();
    let whole = |id: &str| serde_json::to_vec(&before[id]).unwrap();
    let mut long = before[ids[2]].clone();
    long["descriptionHtml"] = "x".repeat(TOO_LONG).into();
    // The second comes damaged, the third has become too long, and the last is gone.
    let lines = [
        (ids[0], whole(ids[0])),
        (ids[1], b"{\"id\":".to_vec()),
        (ids[2], serde_json::to_vec(&long).unwrap()),
        (ids[3], whole(ids[3])),
    ];
    interrupted(&world, &lines, serde_json::to_value(ended("product", true)).unwrap()).await;
    let second = back_up(&world).await;
    let report = &second.kinds[&Kind::new("product").unwrap()];
    assert_eq!((report.removed, report.skipped), (1, 2), "{:?}", report.gaps);
    assert!(!second.complete);
    let after = products(&world, &second).await;
    assert_eq!(after.keys().collect::<Vec<_>>(), &ids[..4]);
    assert_eq!(
        (&after[ids[1]], &after[ids[2]]),
        (&before[ids[1]], &before[ids[2]]),
        "they stand as they were"
    );

    let third = back_up(&world).await;
    assert!(third.complete);
    assert_eq!(products(&world, &third).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_whose_end_another_version_noted_is_read_anew() {
    let world = world().await;
    let before = products(&world, &back_up(&world).await).await;
    let id = before.keys().next().unwrap();
    interrupted(&world, &[(id, b"{}".to_vec())], json!({"ended": "in another way"})).await;
    let second = back_up(&world).await;
    assert!(second.complete, "{:?}", second.kinds);
    assert_eq!(products(&world, &second).await, before);
}
