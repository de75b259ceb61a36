//! What a plan says that it will take is what is sent: requests and their cost, counted by the practice store itself.

use connectors::contract::RestoreOptions;
use flows::restore::{Ask, Plan, RestoreReport, Selection};
use sandbox::shopify::{Settings, Stats};

use crate::round_trip::full_shop;
use crate::world::World;

/// Predicted and counted differ by no more than so many of a hundred.
const OFF_MAX_PERCENT: u64 = 20;

fn check(what: &str, predicted: u64, counted: u64) {
    eprintln!("{what}: predicted {predicted}, counted {counted}");
    assert!(counted > 0, "{what}");
    let off = predicted.abs_diff(counted) * 100 / counted;
    assert!(off <= OFF_MAX_PERCENT, "{what}: predicted {predicted}, counted {counted}");
}

async fn applied(world: &World, ask: &Ask) -> (Plan, RestoreReport, Stats) {
    let plan = world.plan(ask).await;
    let before = world.shop(ask.target.as_str()).stats();
    let report = world.apply(&plan).await.unwrap();
    let after = world.shop(ask.target.as_str()).stats();
    let spent = Stats { requests: after.requests - before.requests, cost: after.cost - before.cost, ..after };
    assert_eq!(report.cost, spent.cost, "our count is the store's");
    (plan, report, spent)
}

async fn check_restore(world: &World, what: &str, ask: &Ask) {
    let (plan, report, spent) = applied(world, ask).await;
    // Uploads do not go to the API, and cost nothing there.
    assert!(report.requests >= spent.requests, "{} {}", report.requests, spent.requests);
    check(&format!("{what}: requests"), plan.requests, report.requests);
    check(&format!("{what}: cost"), plan.cost, spent.cost);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_predicted_is_what_is_sent() {
    let mut world = World::new(6).await;
    world.open("from", full_shop()).await;
    let first = world.back_up("from").await;
    world.open("to", Settings::empty()).await;
    let mut ask = World::ask("from", "to", Selection::At(first));
    ask.options = RestoreOptions { stock: true, ..RestoreOptions::default() };
    check_restore(&world, "everything, into an empty store", &ask).await;
    // Now all of it is there: looking costs, and nothing is written.
    check_restore(&world, "everything, into the same again", &ask).await;
    world.open("products", Settings::empty()).await;
    let mut ask = World::ask("from", "products", Selection::At(first));
    ask.kinds = vec!["product".parse().unwrap()];
    check_restore(&world, "products and what they need", &ask).await;
}
