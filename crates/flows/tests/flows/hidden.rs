//! A platform may hide what tells of people from an app, and show it again: nothing of that is taken for emptiness.

use std::time::Duration;

use connectors::contract::PlanAction;
use connectors::platforms::shopify::KINDS;
use domain::{Gap, GapReason, Kind, SnapshotNumber};
use flows::RunReport;
use flows::backup::Backup;
use flows::restore::Selection;
use sandbox::shopify::{ProtectedData, Settings};
use serde_json::{Value, json};

use crate::doubles::Silent;
use crate::round_trip::full_shop;
use crate::world::{World, tenant};

const HIDDEN: ProtectedData = ProtectedData::FieldsHidden { coded: true };
const CUSTOMER: &str =
    "mutation($input: CustomerInput!) { customerUpdate(input: $input) { userErrors { message } } }";
const DRAFT_ORDER: &str = "mutation($id: ID!, $input: DraftOrderInput!) { draftOrderUpdate(id: $id, input: $input) { userErrors { message } } }";
const NEW_DRAFT_ORDER: &str =
    "mutation($input: DraftOrderInput!) { draftOrderCreate(input: $input) { userErrors { message } } }";

fn show(world: &World, data: ProtectedData) {
    let all = KINDS.iter().flat_map(|kind| kind.read_scopes.iter().chain(kind.write_scopes));
    let scopes: Vec<&str> = all.copied().chain(["read_all_orders"]).collect();
    world.shop("shop").set_access(&scopes, data);
}

/// A shop with people in it, and a draft order that tells of one.
async fn world() -> World {
    let mut world = World::new(31).await;
    world.open("shop", Settings { products: 3, customers: 6, orders: 2, ..full_shop() }).await;
    let address = json!({"firstName": "Ann", "lastName": "Oak", "address1": "Way 1", "city": "Berlin", "countryCode": "DE", "zip": "01234"});
    let line = json!({"title": "Engraving", "quantity": 1, "originalUnitPriceWithCurrency": {"amount": "3.00", "currencyCode": "EUR"}});
    let input = json!({"note": "by the door", "email": "ann@example.com", "shippingAddress": address, "lineItems": [line]});
    world.owner("shop", NEW_DRAFT_ORDER, json!({"input": input})).await;
    world
}

/// What tells of people, and what the tests change beside it.
const FIELDS: &[&str] = &[
    "firstName",
    "lastName",
    "email",
    "phone",
    "note",
    "note2",
    "addressesV2",
    "defaultAddressId",
    "shippingAddress",
    "billingAddress",
    "taxExempt",
];

/// That, as the store holds it: customers and draft orders.
fn people(world: &World) -> [Value; 2] {
    let dump = world.dump("shop");
    ["Customer", "DraftOrder"].map(|table| {
        let mut rows = dump[table].clone();
        for row in rows.as_object_mut().unwrap().values_mut() {
            let empty = |value: &Value| value.is_null() || value == "" || value == false;
            row.as_object_mut().unwrap().retain(|field, value| FIELDS.contains(&&**field) && !empty(value));
        }
        rows
    })
}

/// Somebody changes what is not hidden of everybody, and what else is said.
async fn spoil(world: &World, more: Value) {
    let [customers, drafts] = people(world);
    let with = |id: &str, more: &Value| {
        let mut input = more.clone();
        input["taxExempt"] = json!(true);
        input["id"] = json!(id);
        input
    };
    for id in customers.as_object().unwrap().keys() {
        world.owner("shop", CUSTOMER, json!({"input": with(id, &more)})).await;
    }
    for id in drafts.as_object().unwrap().keys() {
        let mut input = with(id, &more);
        input.as_object_mut().unwrap().remove("id");
        world.owner("shop", DRAFT_ORDER, json!({"id": id, "input": input})).await;
    }
}

/// Restores everybody, and gives what the plan said of losses.
async fn restore(world: &World, at: SnapshotNumber) -> Vec<String> {
    let mut ask = World::ask("shop", "shop", Selection::At(at));
    ask.kinds = ["customer", "draft_order"].map(|kind| kind.parse().unwrap()).to_vec();
    let plan = world.plan(&ask).await;
    let written = plan.items.iter().filter(|item| item.plan.action == PlanAction::Update).count();
    assert_eq!((written, plan.items.len()), (9, 9), "{:#?}", plan.items);
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete, "{report:#?}");
    plan.items.into_iter().flat_map(|item| item.plan.losses).filter(|loss| loss.contains("hides")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_hidden_when_it_was_backed_up_is_not_emptied() {
    let world = world().await;
    let before = people(&world);
    let told = before.each_ref().map(|rows| rows.to_string());
    assert!(told[0].contains("addressesV2") && told[1].contains("by the door"), "{told:?}");
    assert_eq!(before.each_ref().map(|rows| rows.as_object().unwrap().len()), [6, 3]);
    show(&world, HIDDEN);
    let at = world.back_up("shop").await;
    show(&world, ProtectedData::Approved);
    spoil(&world, json!({})).await;
    assert_ne!(people(&world), before);
    assert_eq!(restore(&world, at).await.len(), 9);
    assert_eq!(people(&world), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_now_is_not_made_once_more() {
    let world = world().await;
    let before = people(&world);
    let at = world.back_up("shop").await;
    show(&world, HIDDEN);
    spoil(&world, json!({})).await;
    assert_eq!(restore(&world, at).await.len(), 9);
    assert_eq!(people(&world), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_since_is_not_made_once_more_by_an_undo() {
    for (data, complete) in [(HIDDEN, false), (ProtectedData::Approved, true)] {
        let world = world().await;
        let at = world.back_up("shop").await;
        spoil(&world, json!({})).await;
        let spoilt = people(&world);
        let mut ask = World::ask("shop", "shop", Selection::At(at));
        ask.kinds = ["customer", "draft_order"].map(|kind| kind.parse().unwrap()).to_vec();
        let restored = world.restore(&ask).await;
        assert_ne!(people(&world), spoilt);
        show(&world, data);
        let undone = world.undo(restored.restore).await.unwrap();
        // What may be seen is as it was, and what may not is told.
        assert_eq!((people(&world), undone.complete), (spoilt, complete), "{undone:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_seen_is_restored() {
    let world = world().await;
    let before = people(&world);
    let at = world.back_up("shop").await;
    spoil(&world, json!({"note": "spoilt"})).await;
    assert_eq!(restore(&world, at).await, Vec::<String>::new());
    assert_eq!(people(&world), before);
}

async fn back_up(world: &World, full: bool) -> RunReport {
    world.clock.advance(Duration::from_secs(3600));
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    flows::backup::backup(&world.cell, &Backup { connection, full }, &Silent).await.unwrap()
}

fn gaps<'a>(report: &'a RunReport, kind: &str) -> Vec<&'a Gap> {
    let gaps = &report.kinds[&Kind::new(kind).unwrap()].gaps;
    gaps.iter().filter(|gap| gap.reason == GapReason::Redacted).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_that_people_are_hidden_until_they_were_read_again() {
    let world = world().await;
    let approved = back_up(&world, true).await;
    assert!(approved.kinds.values().all(|kind| kind.gaps.is_empty()), "{:#?}", approved.kinds);

    show(&world, HIDDEN);
    let hidden = back_up(&world, true).await;
    assert!(hidden.complete, "{:#?}", hidden.kinds);
    let [gap] = gaps(&hidden, "customer")[..] else { panic!("{:#?}", hidden.kinds) };
    assert_eq!(gap.what, "customer");
    assert!(gap.detail.starts_with("personal data of 6 of the 6 customers"), "{gap:?}");
    assert_eq!(gaps(&hidden, "product"), Vec::<&Gap>::new());

    // Nothing changed, so nobody was read: it is as it was.
    let later = back_up(&world, false).await;
    assert_eq!(gaps(&later, "customer"), [gap]);
    // One that is read again does not speak for the others.
    let [customers, _] = people(&world);
    let one = customers.as_object().unwrap().keys().next().unwrap().clone();
    world.owner("shop", CUSTOMER, json!({"input": {"id": one, "tags": ["new"]}})).await;
    let later = back_up(&world, false).await;
    let [gap] = gaps(&later, "customer")[..] else { panic!("{:#?}", later.kinds) };
    assert!(gap.detail.contains("of others that did not change since"), "{gap:?}");

    show(&world, ProtectedData::Approved);
    let increment = back_up(&world, false).await;
    assert_eq!(gaps(&increment, "customer"), [gap]);
    let swept = back_up(&world, true).await;
    assert_eq!(gaps(&swept, "customer"), Vec::<&Gap>::new());
}
