//! A store that misbehaves, and one that hides something.

use connectors::platforms::bigcommerce::KINDS;
use domain::GapReason;
use sandbox::bigcommerce::{Plan, Settings};
use serde_json::{Value, json};

use crate::practice::{Practice, fetch, requests};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_for_people_in_place_of_data_is_no_empty_store() {
    let practice = Practice::start(Settings { products: 5, ..Settings::default() }).await;
    let store = practice.open();
    practice.faults("html:catalog/brands@1+");
    let read = fetch(store.as_ref(), requests(&["brand", "product"], None)).await.unwrap();
    let end = read.end("brand");
    assert!(!end.complete && !end.swept && end.next.is_none());
    assert_eq!(end.gaps.len(), 1);
    assert_eq!(end.gaps[0].reason, GapReason::Failed);
    assert!(read.end("product").complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hides_what_it_is_still_answers() {
    let practice = Practice::start(Settings { products: 25, ..Settings::default() }).await;
    let granted = practice.open().probe().await.unwrap().granted;
    let left: Vec<&str> =
        granted.iter().map(String::as_str).filter(|scope| !scope.contains("information")).collect();
    assert!(left.len() < granted.len());
    practice.running.set_access(&left);
    // One kind is in trouble, and the others are read: that access was refused is an answer, too.
    practice.faults("502:catalog/products@2+");
    let read = fetch(practice.open().as_ref(), requests(&["product", "brand"], None)).await.unwrap();
    let end = read.end("product");
    assert_eq!(end.gaps.iter().map(|gap| gap.reason).collect::<Vec<_>>(), [GapReason::Failed]);
    assert!(!end.swept && read.end("brand").swept);
    // A control: where nothing answers, the run ends.
    practice.faults("502@2+");
    let fault = fetch(practice.open().as_ref(), requests(&["product", "brand"], None)).await.unwrap_err();
    assert!(matches!(fault, connectors::contract::Fault::Unavailable(_)), "{fault}");
}

/// Whoever connects a store is told what each scope costs that is not granted.
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_costs_the_kinds_that_name_it_and_no_others() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let all = store.probe().await.unwrap().granted;
    assert!(all.len() > 10, "{all:?}");
    let mut wrong = Vec::new();
    // Without the first of all nobody says whose store it is.
    for scope in all.iter().filter(|scope| !scope.contains("information")) {
        let left: Vec<&str> = all.iter().filter(|other| *other != scope).map(String::as_str).collect();
        practice.running.set_access(&left);
        let read = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
        let lost = KINDS.iter().filter(|kind| !read.end(kind.name).complete).map(|kind| kind.name);
        let named = KINDS.iter().filter(|kind| kind.read_scopes.contains(&scope.as_str()));
        let named: Vec<&str> = named.map(|kind| kind.name).collect();
        let lost: Vec<&str> = lost.collect();
        if lost != named {
            wrong.push(format!("{scope} costs {lost:?}, and is named by {named:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_shrinks_while_it_is_read_is_read_again() {
    let settings = Settings { products: 3, customers: 120, ..Settings::default() };
    let practice = Practice::start(settings).await;
    let store = practice.open();
    for number in 0..300 {
        let category =
            json!([{"name": format!("Aisle {number}"), "parent_id": 0, "tree_id": tree(&practice).await}]);
        practice.owner("POST", "v3/catalog/trees/categories", &category).await;
    }
    practice.faults("shrink:catalog/trees/categories@1");
    let read = fetch(store.as_ref(), requests(&["category"], None)).await.unwrap();
    assert!(read.end("category").complete, "{:?}", read.end("category").gaps);
    let there = practice.running.dump()["category"].as_object().map(serde_json::Map::len).unwrap_or_default();
    assert_eq!(read.items(store.as_ref()).len(), there);
    // One that never rests is not taken to be whole.
    practice.faults("shrink:catalog/trees/categories@1+");
    let read = fetch(store.as_ref(), requests(&["category"], None)).await.unwrap();
    let end = read.end("category");
    assert!(!end.complete && !end.swept, "{end:?}");
}

async fn tree(practice: &Practice) -> u64 {
    practice.owner("GET", "v3/catalog/trees", &Value::Null).await["data"][0]["id"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_is_kept_to_and_used() {
    let window = std::time::Duration::from_secs(3);
    let settings =
        Settings { products: 400, plan: Plan::Window { quota: 150, window }, ..Settings::default() };
    let practice = Practice::start_as_in_life(settings).await;
    let store = practice.open();
    let read = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
    assert!(read.end("product").complete);
    let refused: Vec<_> = practice.running.requests().into_iter().filter(|line| line.status == 429).collect();
    assert_eq!(refused, [], "{:?}", practice.running.stats());
    let pace = store.pace().budget.unwrap();
    assert!((pace.maximum - 142.0).abs() < 0.5, "{pace:?}");
}
