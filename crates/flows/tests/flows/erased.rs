//! A person whose key was destroyed: snapshots are compared without them, and with the live store too.

use std::time::Duration;

use domain::{Action, Kind, SnapshotNumber, SubjectId};
use flows::backup::Backup;
use flows::diff::{Diff, Named};
use flows::live::{LiveDiff, diff_live};
use flows::report::RunReport;
use sandbox::shopify::Settings;
use serde_json::json;

use crate::doubles::Silent;
use crate::world::{World, tenant};

pub(crate) async fn erase(world: &World, subject: SubjectId) {
    erase_in(world, "shop", subject).await;
}

/// Erases a person of one of the connections. How many records the newest snapshot showed of them.
pub(crate) async fn erase_in(world: &World, name: &str, subject: SubjectId) -> u64 {
    let scope = world.cell.connection(&tenant(), &name.parse().unwrap()).await.unwrap().scope;
    let mut held = world.cell.lease(&scope).await.unwrap();
    let actions = [Action::Erase, Action::Backup];
    let grant = world.cell.grant(&scope, &actions, "test").await.unwrap();
    let lease = world.cell.writing(&scope, &grant, &mut held).await.unwrap();
    let erased = world.cell.repository(&scope).erase(&grant, &lease, &[subject]).await.unwrap();
    world.cell.release(held).await.unwrap();
    erased.records
}

fn names<'d>(named: &'d [Named], kind: &str) -> Vec<&'d str> {
    named.iter().filter(|one| one.kind.as_str() == kind).map(|one| &*one.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_breaks_no_comparison_and_is_nobody_new() {
    const EDIT: &str =
        "mutation($input: CustomerInput!) { customerUpdate(input: $input) { userErrors { message } } }";
    let mut world = World::new(33).await;
    let settings = Settings { customers: 3, orders: 0, products: 0, content: false, ..Settings::default() };
    world.open("shop", settings).await;
    let one = world.back_up("shop").await;
    let dump = world.dump("shop");
    let customers: Vec<&String> = dump["Customer"].as_object().unwrap().keys().collect();
    for id in &customers {
        world.owner("shop", EDIT, json!({"input": {"id": id, "note": "edited"}})).await;
    }
    let two = world.back_up("shop").await;

    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let between = async || -> Diff {
        let name = &connection.scope.connection;
        let reader = flows::read::open(&world.cell, &tenant(), name, Action::Read, "compare").await.unwrap();
        flows::diff::diff(&reader, one, two, None, &|_, _| {}).await.unwrap()
    };
    let changed = |diff: &Diff| diff.changed.iter().filter(|one| one.kind.as_str() == "customer").count();
    assert_eq!(changed(&between().await), customers.len());
    let gone = customers[1].clone();
    erase(&world, SubjectId(format!("customer/{gone}").into())).await;
    let diff = between().await;
    assert_eq!(changed(&diff), customers.len() - 1, "{diff:#?}");

    // The person is in the store still, and was in the snapshot: nothing came, and nothing went.
    let from = two.0.to_string();
    for full in [true, false] {
        let ask = LiveDiff { connection: &connection, from: &from, kind: None, full };
        let live = diff_live(&world.cell, &ask, &Silent).await.unwrap();
        assert_eq!(names(&live.added, "customer"), [""; 0], "full: {full}");
        assert!(names(&live.removed, "customer").iter().all(|id| *id == gone), "full: {full}");
    }
}

/// Whoever is in the store still is nobody that changed: no increment would be told of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_increment_keeps_an_erased_person_anew_who_is_in_the_store_still() {
    let mut world = World::new(34).await;
    let settings = Settings { customers: 3, orders: 0, products: 2, content: false, ..Settings::default() };
    world.open("shop", settings).await;
    world.back_up("shop").await;
    let dump = world.dump("shop");
    let gone = dump["Customer"].as_object().unwrap().keys().next().unwrap().clone();
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let increment = async || {
        world.clock.advance(Duration::from_secs(3600));
        let backup = Backup { connection: connection.clone(), full: false };
        let report = flows::backup::backup(&world.cell, &backup, &Silent).await.unwrap();
        assert!(report.complete, "{:#?}", report.kinds);
        report
    };
    let kinds = ["customer", "product"].map(|kind| kind.parse::<Kind>().unwrap());
    let counts =
        |report: &RunReport| kinds.clone().map(|kind| (report.kinds[&kind].seen, report.kinds[&kind].added));
    assert_eq!(counts(&increment().await), [(0, 0), (0, 0)], "nothing had changed");
    erase(&world, SubjectId(format!("customer/{gone}").into())).await;
    let report = increment().await;
    assert_eq!(counts(&report), [(3, 1), (0, 0)], "all customers are read, and nothing else");
    let records = world.records("shop", report.snapshot).await;
    assert!(records.contains_key(&("customer", gone.clone())));
    let first = world.records("shop", SnapshotNumber(1)).await;
    assert!(!first.contains_key(&("customer", gone)), "under new keys");
    assert_eq!(counts(&increment().await), [(0, 0), (0, 0)]);
}
