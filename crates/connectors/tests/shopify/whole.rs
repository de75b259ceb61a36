//! A whole fetch, by bulk operations and page by page, in one go and interrupted anywhere.

use connectors::contract::KindRequest;
use connectors::platforms::shopify::KINDS;
use futures::TryStreamExt as _;
use sandbox::shopify::Settings;
use serde_json::Value;

use crate::practice::{Practice, fetch, requests};
use crate::spool::{Memory, Told};

#[tokio::test(flavor = "multi_thread")]
async fn bulk_gives_what_pages_give() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let bulk = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
    let operations = practice.running.stats().bulk_operations;
    assert!(operations >= 8, "{operations}");

    practice.faults("bulk-failed@1+");
    let pages = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
    practice.faults("");
    let (by_bulk, by_page) = (bulk.items(store.as_ref()), pages.items(store.as_ref()));
    assert_eq!(by_bulk.keys().collect::<Vec<_>>(), by_page.keys().collect::<Vec<_>>());
    for (key, item) in &by_bulk {
        let other = &by_page[key];
        let text = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        assert_eq!(text(&item.payload), text(&other.payload), "{key:?}");
        assert_eq!(item, other, "{key:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn children_stand_in_what_they_belong_to() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let first = fetch(store.as_ref(), requests(&["product", "order"], None)).await.unwrap();
    let items = first.items(store.as_ref());
    let products = items.iter().filter(|((kind, _), _)| kind == "product");
    let payloads: Vec<Value> =
        products.map(|(_, item)| serde_json::from_slice(&item.payload).unwrap()).collect();
    for (list, inner) in [("variants", "metafields"), ("variants", "media")] {
        let lists = payloads.iter().filter_map(|payload| payload[list].as_array()).flatten();
        assert!(lists.clone().all(|variant| variant[inner].is_array()));
    }
    for list in ["variants", "media", "metafields", "resourcePublicationsV2"] {
        assert!(
            payloads.iter().any(|payload| payload[list].as_array().is_some_and(|list| !list.is_empty())),
            "{list}"
        );
    }
    let orders = items.iter().filter(|((kind, _), _)| kind == "order");
    let orders: Vec<Value> = orders.map(|(_, item)| serde_json::from_slice(&item.payload).unwrap()).collect();
    let refunds = orders.iter().filter_map(|order| order["refunds"].as_array()).flatten();
    assert!(refunds.clone().count() > 0, "an order with a refund");
    assert!(refunds.clone().all(|refund| refund["refundLineItems"].is_array()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_in_its_middle() {
    let practice = Practice::start(Settings { products: 8, orders: 8, ..Settings::default() }).await;
    let hurried = practice.open_hurried();
    for name in ["product", "order"] {
        let whole = fetch(hurried.as_ref(), requests(&[name], None)).await.unwrap();
        let expected = whole.items(hurried.as_ref());
        let told = whole.told();
        let middles = told.iter().enumerate().filter_map(|(at, told)| match told {
            Told::Cursor(_, cursor) => {
                let mut parts = cursor["bulk"].as_object()?.values();
                parts
                    .any(|part| part["offset"].as_u64() > Some(0) && part["done"] == false)
                    .then_some((at, cursor))
            }
            _ => None,
        });
        let middles: Vec<_> = middles.collect();
        assert!(middles.len() > 7, "{name}: {}", middles.len());
        for (at, cursor) in middles.iter().step_by(5) {
            let spool = Memory::with(told[..=*at].to_vec());
            let row = KINDS.iter().find(|row| row.name == name).unwrap();
            let before = practice.running.stats();
            let request = KindRequest { kind: row, since: None, resume: Some((*cursor).clone()) };
            hurried.fetch(vec![request], &spool).await.unwrap();
            assert_eq!(spool.items(hurried.as_ref()), expected, "{cursor}");
            let started = practice.running.stats().bulk_operations - before.bulk_operations;
            let known = cursor["bulk"].as_object().unwrap().len() as u64;
            let all = if name == "product" { 4 } else { 1 };
            assert_eq!(started, all - known, "an operation whose result is there is not run again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_files_are_fetched() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let files = fetch(store.as_ref(), requests(&["file"], None)).await.unwrap();
    let items = files.items(store.as_ref());
    let source = items.values().find_map(|item| item.media.first()).expect("a file with bytes");
    practice.faults("502:cdn@1");
    let body = store.media(source).await.unwrap();
    let bytes: Vec<bytes::Bytes> = body.bytes.try_collect().await.unwrap();
    let len: u64 = bytes.iter().map(|chunk| chunk.len() as u64).sum();
    assert!(len > 0);
    assert!(body.size_bytes.is_none_or(|size| size == len));
}
