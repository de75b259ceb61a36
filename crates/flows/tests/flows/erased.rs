//! A person whose key was destroyed: snapshots are compared without them, and with the live store too.

use domain::{Action, SubjectId};
use flows::diff::{Diff, Named};
use flows::live::{LiveDiff, diff_live};
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
