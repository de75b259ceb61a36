//! A store that misbehaves, and one that hides something.

use connectors::platforms::bigcommerce::KINDS;
use domain::GapReason;
use sandbox::bigcommerce::{Plan, Settings};
use serde_json::{Value, json};

use crate::practice::{Practice, fetch, requests};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_for_a_moment_changes_nothing_of_what_is_read() {
    let settings = Settings { products: 25, customers: 12, orders: 6, ..Settings::default() };
    let practice = Practice::start(settings).await;
    let store = practice.open();
    let expected = fetch(store.as_ref(), requests(&[], None)).await.unwrap().items(store.as_ref());
    for fault in ["429", "429bare", "500", "502", "503", "html", "cut", "lost"] {
        for spec in [format!("{fault}@3"), format!("{fault}%20")] {
            practice.faults(&spec);
            let read = fetch(store.as_ref(), requests(&[], None))
                .await
                .unwrap_or_else(|fault| panic!("{spec}: {fault}"));
            let items = read.items(store.as_ref());
            assert_eq!(items.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{spec}");
            for (key, item) in &items {
                assert_eq!(item, &expected[key], "{spec}: {key:?}");
            }
        }
    }
    practice.faults("");
}

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
async fn a_scope_that_is_withdrawn_is_a_gap_and_takes_nothing_away() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let probe = store.probe().await.unwrap();
    assert_eq!(probe.missing.len(), 0, "{:?}", probe.missing);
    let granted: Vec<&str> =
        probe.granted.iter().map(String::as_str).filter(|scope| !scope.contains("customers")).collect();
    practice.running.set_access(&granted);
    let read = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
    for kind in ["customer", "customer_group", "subscriber", "wishlist", "customer_attribute"] {
        let end = read.end(kind);
        assert!(!end.complete && !end.swept && !end.left_scope, "{kind}");
        assert_eq!(
            end.gaps.iter().map(|gap| gap.reason).collect::<Vec<_>>(),
            [GapReason::MissingScope],
            "{kind}"
        );
        assert!(end.gaps[0].detail.contains("store_v2_customers_read_only"), "{:?}", end.gaps);
    }
    assert!(read.end("product").complete && read.end("order").complete);
    let missing = store.probe().await.unwrap().missing;
    assert_eq!(
        missing.iter().map(|one| one.scope.as_str()).collect::<Vec<_>>(),
        ["store_v2_customers_read_only"]
    );
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
async fn a_token_that_is_not_accepted_stops_the_run() {
    let practice = Practice::start(Settings { products: 3, ..Settings::default() }).await;
    let store = practice.open_with("wrong");
    let fault = fetch(store.as_ref(), requests(&[], None)).await.unwrap_err();
    assert!(matches!(fault, connectors::contract::Fault::Unauthorized(_)), "{fault}");
    assert!(fetch(practice.open().as_ref(), requests(&["store"], None)).await.unwrap().end("store").complete);
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
