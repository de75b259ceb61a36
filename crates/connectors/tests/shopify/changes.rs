//! Increments: what changed, what was deleted, and nothing else.

use sandbox::shopify::Settings;
use serde_json::{Value, json};

use crate::practice::{Practice, fetch, requests};
use crate::spool::Memory;

fn ids(memory: &Memory, store: &dyn connectors::contract::Store, kind: &str) -> Vec<String> {
    memory.items(store).into_keys().filter(|(name, _)| name == kind).map(|(_, id)| id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_increment_holds_what_changed_and_what_was_deleted() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let names = ["product", "page", "collection"];
    let first = fetch(store.as_ref(), requests(&names, None)).await.unwrap();
    let products = ids(&first, store.as_ref(), "product");
    let (changed, deleted) = (&products[0], &products[1]);
    let update = "mutation($product: ProductUpdateInput!) { productUpdate(product: $product) { userErrors { message } } }";
    practice.send(update, json!({"product": {"id": changed, "title": "Another title"}})).await;
    let delete =
        "mutation($id: ID!) { productDelete(input: {id: $id}) { deletedProductId userErrors { message } } }";
    practice.send(delete, json!({"id": deleted})).await;

    let second = fetch(store.as_ref(), requests(&names, Some(&first))).await.unwrap();
    let end = second.end("product");
    assert!(end.complete && !end.swept && end.next.is_some());
    assert_eq!(second.removed(), [("product".to_owned(), deleted.clone())]);
    let items = second.items(store.as_ref());
    let item = &items[&("product".to_owned(), changed.clone())];
    let payload: Value = serde_json::from_slice(&item.payload).unwrap();
    assert_eq!(payload["title"], "Another title");
    assert!(ids(&second, store.as_ref(), "product").len() < products.len() / 2, "only what changed is read");

    let sweep = fetch(store.as_ref(), requests(&["product"], None)).await.unwrap();
    assert!(sweep.end("product").swept);
    assert_eq!(ids(&sweep, store.as_ref(), "product").len(), products.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_store_has_no_changes() {
    let practice = Practice::start(Settings::default()).await;
    let store = practice.open();
    let first = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
    let before = first.items(store.as_ref());
    let second = fetch(store.as_ref(), requests(&[], Some(&first))).await.unwrap();
    assert!(second.removed().is_empty());
    let after = second.items(store.as_ref());
    for (key, item) in &after {
        assert_eq!(item.canonical, before[key].canonical, "{key:?}");
    }
    assert!(second.lines() < first.lines());
}
