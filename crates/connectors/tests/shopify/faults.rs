//! What a platform does wrong now and then, and what must come of it.

use sandbox::shopify::{Plan, Settings};

use crate::practice::{Practice, fetch, requests};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operation_is_denied_is_read_page_by_page() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    practice.faults("bulk-denied:customers@1");
    let fetched = fetch(store.as_ref(), requests(&["customer", "file"], None)).await.unwrap();
    let end = fetched.end("customer");
    assert!(end.swept && end.gaps.is_empty(), "{:?}", end.gaps);
    assert!(fetched.end("file").swept);
    let again = fetch(store.as_ref(), requests(&["customer"], None)).await.unwrap();
    let (paged, bulk) = (fetched.items(store.as_ref()), again.items(store.as_ref()));
    assert!(!bulk.is_empty() && bulk.iter().all(|(key, item)| paged[key].canonical == item.canonical));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_is_kept_to() {
    let settings = Settings { products: 20, plan: Plan::PointsPerSecond(2_000), ..Settings::default() };
    let practice = Practice::start(settings).await;
    let store = practice.open();
    practice.faults("bulk-failed@1+");
    let fetched = fetch(store.as_ref(), requests(&["product", "collection", "order"], None)).await.unwrap();
    assert!(fetched.end("product").swept);
    let stats = practice.running.stats();
    assert!(stats.throttled * 100 <= stats.requests, "{stats:?}");
    assert_eq!(store.usage().throttled, stats.throttled);
    assert!(store.pace().budget.is_some_and(|budget| (budget.per_second - 2_000.0).abs() < 1.0));
}
