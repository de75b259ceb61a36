//! A whole fetch, in one go and interrupted anywhere, against what the store holds.

use std::collections::{BTreeMap, BTreeSet};

use connectors::contract::KindRequest;
use connectors::platforms::bigcommerce::KINDS;
use futures::TryStreamExt as _;
use sandbox::bigcommerce::Settings;
use serde_json::Value;

use crate::practice::{Practice, fetch, requests};
use crate::spool::{Memory, Told};

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_read_to_its_end() {
    let practice = Practice::start(Settings::default()).await;
    practice.hook().await;
    let store = practice.open();
    let read = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
    let items = read.items(store.as_ref());
    for kind in KINDS {
        let end = read.end(kind.name);
        assert!(end.complete && end.swept, "{}: {:?}", kind.name, end.gaps);
        assert!(items.keys().any(|(of, _)| of == kind.name), "the practice store has no {}", kind.plural);
    }
    let summed = practice.running.requests().iter().filter(|line| line.status >= 400).count();
    assert_eq!(summed, 0, "{:?}", practice.running.requests());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_interrupted_anywhere_goes_on_where_it_was() {
    let practice =
        Practice::start(Settings { products: 25, customers: 12, orders: 6, ..Settings::default() }).await;
    let store = practice.open();
    let whole = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
    let expected: BTreeMap<_, _> = whole.items(store.as_ref());
    let told = whole.told();
    let cursors: Vec<usize> = told
        .iter()
        .enumerate()
        .filter(|(_, told)| matches!(told, Told::Cursor(..)))
        .map(|(at, _)| at)
        .collect();
    assert!(cursors.len() > 20, "{}", cursors.len());
    for at in cursors {
        // Whatever was put up to that cursor is durable.
        let durable: Vec<Told> = told[..=at].to_vec();
        let ended: BTreeSet<String> = durable
            .iter()
            .filter_map(|told| if let Told::End(end) = told { Some(end.kind.to_string()) } else { None })
            .collect();
        let mut last: BTreeMap<String, Value> = BTreeMap::new();
        for told in &durable {
            if let Told::Cursor(kind, cursor) = told {
                last.insert(kind.clone(), cursor.clone());
            }
        }
        // Lines behind a kind's last cursor may or may not be durable; here they are.
        let spool = Memory::with(durable);
        let again: Vec<KindRequest> = requests(&[], None)
            .into_iter()
            .filter(|request| !ended.contains(request.kind.name))
            .map(|request| KindRequest { resume: last.get(request.kind.name).cloned(), ..request })
            .collect();
        store.fetch(again, &spool).await.unwrap();
        let items = spool.items(store.as_ref());
        assert_eq!(items.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "cut at {at}");
        for (key, item) in &expected {
            assert_eq!(&items[key].canonical, &item.canonical, "cut at {at}: {key:?}");
        }
    }
}
