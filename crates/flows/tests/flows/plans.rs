//! Plans: the same twice, refused when they fit no longer, taken up again when they were interrupted.

use connectors::contract::PlanAction;
use flows::error::ErrorKind;
use flows::restore::{Plan, Selection};
use sandbox::shopify::{Fault, Settings};
use serde_json::json;

use crate::compare::compare;
use crate::round_trip::full_shop;
use crate::world::{World, problems};

const PAGE: &str = "mutation($page: PageCreateInput!) { pageCreate(page: $page) { userErrors { message } } }";

async fn world() -> (World, Plan) {
    let mut world = World::new(2).await;
    world.open("from", Settings { products: 4, customers: 2, orders: 2, ..full_shop() }).await;
    world.open("to", Settings::empty()).await;
    let first = world.back_up("from").await;
    let plan = world.plan(&World::ask("from", "to", Selection::At(first))).await;
    (world, plan)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_the_same_twice_and_says_what_follows_what() {
    let (world, plan) = world().await;
    let again = world.plan(&plan.ask).await;
    // What it takes counts what looking took, and how much is asked for at once adapts to what was too much before.
    assert!(
        again.requests.abs_diff(plan.requests) <= plan.requests / 20,
        "{} and {}",
        again.requests,
        plan.requests
    );
    let Plan { requests, cost, seconds, .. } = plan;
    assert_eq!(Plan { requests, cost, seconds, ..again }, plan);
    let follows = plan.items.iter().filter(|item| item.after.is_some()).count();
    let stocked = plan.items.iter().filter(|item| item.kind.as_str() == "inventory_item").count();
    assert!(follows > 4 && follows == stocked, "{follows} of {stocked}");
    assert!(plan.items.iter().any(|item| item.again), "products refer to each other");
    assert!(plan.requests > 20);
    let written = serde_json::to_vec(&plan).unwrap();
    assert_eq!(serde_json::from_slice::<Plan>(&written).unwrap(), plan);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_edited_or_has_grown_old_does_nothing() {
    let (world, plan) = world().await;
    let before = world.dump("to");
    let mut edited = plan.clone();
    let product = edited.items.iter_mut().find(|item| item.kind.as_str() == "product").unwrap();
    product.plan.action = PlanAction::Skip;
    assert_eq!(world.apply(&edited).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(world.dump("to"), before);
    let records = world.records("from", plan.head.number).await;
    let page = records.iter().find(|((kind, _), _)| *kind == "page").unwrap().1;
    let own = json!({"page": {"title": "Mine", "handle": page["handle"], "body": "x"}});
    world.owner("to", PAGE, own).await;
    let before = world.dump("to");
    let refused = world.apply(&plan).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert_eq!(world.dump("to"), before);
    // The control: drawn up again, it is done.
    world.restore(&plan.ask).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_restore_goes_on_without_doubles() {
    let (world, plan) = world().await;
    let faults =
        Fault::parse_list("lost-answer:productSet@2,503:metafieldsSet@3+,503:pageCreate@2+").unwrap();
    world.shop("to").set_faults(faults);
    let failed = world.apply(&plan).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable, "{failed}");
    world.shop("to").set_faults(Vec::new());
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete, "{:#?}", problems(&report));
    let ids = world.ids("from", "to").await;
    let second = world.back_up("to").await;
    let before = world.records("from", plan.head.number).await;
    let after = world.records("to", second).await;
    let compared = compare(&before, &after, &ids);
    let differing: Vec<_> =
        compared.differences.iter().filter(|one| !one.contains("inventoryLevels")).take(20).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    for kind in ["product", "page", "collection", "metaobject", "discount", "customer"] {
        let count = |records: &crate::world::Records| records.keys().filter(|(one, _)| *one == kind).count();
        assert_eq!(count(&before), count(&after), "{kind}");
    }
    world.check_documents();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_store_calls_by_the_same_id_is_left_alone() {
    let mut world = World::new(7).await;
    let page = |title: &str| json!({"page": {"title": title, "body": "x"}});
    for (name, title) in [("from", "Theirs"), ("to", "Mine")] {
        world.open(name, Settings::empty()).await;
        world.owner(name, PAGE, page(title)).await;
    }
    let first = world.back_up("from").await;
    let mine = world.dump("to")["Page"].clone();
    assert_eq!(
        mine.as_object().unwrap().keys().collect::<Vec<_>>(),
        world.dump("from")["Page"].as_object().unwrap().keys().collect::<Vec<_>>()
    );
    let mut ask = World::ask("from", "to", Selection::At(first));
    ask.kinds = vec!["page".parse().unwrap()];
    let report = world.restore(&ask).await;
    assert_eq!((report.created, report.updated), (1, 0));
    let now = world.dump("to")["Page"].clone();
    assert_eq!(now.as_object().unwrap().len(), 2);
    assert!(mine.as_object().unwrap().iter().all(|(id, page)| now[id] == *page), "{now:#}");
    // The control: what was restored is known by its new id, and by that it is found.
    let plan = world.plan(&ask).await;
    assert!(plan.items.iter().all(|item| item.plan.action == PlanAction::Skip), "{:#?}", plan.items);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_brings_what_it_refers_to() {
    let (world, whole) = world().await;
    let records = world.records("from", whole.head.number).await;
    let article = records.iter().find(|((kind, _), _)| *kind == "article").unwrap();
    let mut ask = whole.ask.clone();
    ask.ids = vec![article.0.1.clone()];
    let plan = world.plan(&ask).await;
    let blog = plan.items.iter().find(|item| item.kind.as_str() == "blog").unwrap();
    assert!(blog.needed && blog.plan.action == PlanAction::Create);
    world.restore(&ask).await;
    // Now both are there: the article is found by its blog and handle, also without the ledger's help.
    let again = world.plan(&ask).await;
    assert!(again.items.iter().all(|item| item.plan.action == PlanAction::Skip), "{:#?}", again.items);
    let product = records.iter().find(|((kind, _), _)| *kind == "product").unwrap();
    ask.ids = vec![product.0.1.clone()];
    let plan = world.plan(&ask).await;
    assert!(
        plan.items
            .iter()
            .any(|item| item.kind.as_str() == "publication" && item.plan.action == PlanAction::Skip),
        "channels are mapped, also where nobody asked for them"
    );
    world.restore(&ask).await;
}
