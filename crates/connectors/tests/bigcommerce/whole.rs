//! A whole fetch against what the store holds, and the pictures that lie beside it.

use connectors::platforms::bigcommerce::KINDS;
use futures::TryStreamExt as _;
use sandbox::bigcommerce::Settings;
use serde_json::Value;

use crate::practice::{Practice, fetch, requests};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_for_that_the_store_refuses() {
    let practice = Practice::start(Settings::default()).await;
    practice.hook().await;
    fetch(practice.open().as_ref(), requests(&[], None)).await.unwrap();
    let asked = practice.running.requests();
    assert!(asked.len() > KINDS.len(), "{}", asked.len());
    let refused: Vec<_> = asked.into_iter().filter(|line| line.status >= 400).collect();
    assert_eq!(refused, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_the_platform_cuts_are_followed_to_the_last_product() {
    let practice = Practice::start(Settings { products: 61, ..Settings::default() }).await;
    let store = practice.open();
    let read = fetch(store.as_ref(), requests(&["product"], None)).await.unwrap();
    let items = read.items(store.as_ref());
    assert_eq!(items.len(), 61);
    let payloads: Vec<Value> =
        items.values().map(|item| serde_json::from_slice(&item.payload).unwrap()).collect();
    for list in [
        "variants",
        "images",
        "options",
        "modifiers",
        "custom_fields",
        "metafields",
        "variant_metafields",
        "complex_rules",
        "videos",
        "reviews",
        "bulk_pricing_rules",
    ] {
        let some = |payload: &&Value| payload[list].as_array().is_some_and(|list| !list.is_empty());
        assert!(payloads.iter().any(|payload| some(&payload)), "no product has {list}");
        assert!(payloads.iter().all(|payload| payload[list].is_array()), "{list}");
    }
    // Seven pages of ten; the lists for all products; one list of rules for each product that has modifiers.
    let asked = practice.running.requests();
    let of = |path: &str| asked.iter().filter(|line| line.path == path).count();
    assert_eq!(of("/v3/catalog/products"), 7);
    let modified = payloads
        .iter()
        .filter(|payload| payload["modifiers"].as_array().is_some_and(|list| !list.is_empty()))
        .count();
    assert_eq!(of("/v3/catalog/products/*/complex-rules"), modified);
    assert_eq!(
        asked.len(),
        1 + 7 + modified + of("/v3/catalog/products/metafields") + of("/v3/catalog/variants/metafields")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_kept_as_they_were_uploaded() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let read = fetch(store.as_ref(), requests(&["product", "category", "brand"], None)).await.unwrap();
    let mut originals = 0;
    for ((kind, id), item) in read.items(store.as_ref()) {
        for source in &item.media {
            let body = store
                .media(source)
                .await
                .unwrap_or_else(|fault| panic!("{kind} {id} {}: {fault}", source.pointer));
            let bytes: Vec<bytes::Bytes> = body.bytes.try_collect().await.unwrap();
            assert!(!bytes.concat().is_empty());
            originals += usize::from(source.pointer.ends_with("/image_file"));
        }
    }
    assert!(originals > 20, "{originals}");
}
