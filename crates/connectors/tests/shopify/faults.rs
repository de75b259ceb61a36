//! What a platform does wrong now and then, and what must come of it.

use connectors::contract::Fault;
use domain::GapReason;
use sandbox::shopify::{Plan, Settings};

use crate::practice::{Practice, fetch, requests};
use crate::spool::Memory;

async fn undisturbed(practice: &Practice, kinds: &[&str]) -> Memory {
    practice.faults("");
    fetch(practice.open().as_ref(), requests(kinds, None)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_leave_no_trace() {
    let practice = Practice::start(Settings { products: 30, ..Settings::default() }).await;
    let kinds = ["product", "collection", "order", "menu"];
    let store = practice.open();
    let expected = undisturbed(&practice, &kinds).await.items(store.as_ref());
    for faults in [
        "429@3",
        "429-bare@3",
        "502@2",
        "503:collections@1",
        "cut@4",
        "cut-body@5",
        "throttled@4",
        "internal-error@3",
        "malformed-json@6",
        "bulk-failed:products@1",
        "bulk-truncated:products@1",
        "bulk-truncated:products@1+",
        "bulk-truncated:orders@2",
        "502:result@1",
        "cut:result@2",
        "cut-body:result@1",
        "cut-body:result@2",
        "502%20,429%10,cut%5",
    ] {
        practice.faults(faults);
        let disturbed = fetch(store.as_ref(), requests(&kinds, None)).await.unwrap();
        for kind in kinds {
            let end = disturbed.end(kind);
            assert!(end.swept && end.complete, "{faults}: {kind} {:?}", end.gaps);
        }
        assert_eq!(disturbed.items(store.as_ref()), expected, "{faults}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_whose_page_fails_is_not_swept() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    // A later page: the first one came.
    practice.faults("502:collections@2+");
    let fetched = fetch(store.as_ref(), requests(&["collection", "menu"], None)).await.unwrap();
    let end = fetched.end("collection");
    assert!(!end.swept && !end.complete && end.next.is_none());
    assert_eq!(end.gaps[0].reason, GapReason::Failed);
    assert!(fetched.end("menu").swept);
    practice.faults("");
    let fetched = fetch(store.as_ref(), requests(&["collection"], None)).await.unwrap();
    assert!(fetched.end("collection").swept);
}

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

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_no_store_is_told_apart_from_one_that_is_silent() {
    let practice = Practice::start(Settings::empty()).await;
    let store = practice.open();
    assert!(store.probe().await.is_ok());
    practice.running.shutdown().await;
    let fault = store.probe().await.unwrap_err();
    assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
}
