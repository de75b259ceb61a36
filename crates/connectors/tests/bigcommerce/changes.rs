//! Increments: what changed, also where the item's own time does not move, and what is there still.

use std::collections::BTreeSet;

use connectors::platforms::bigcommerce::kind;
use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};

use crate::practice::{Practice, fetch, requests};
use crate::spool::Memory;

fn ids(memory: &Memory, store: &dyn connectors::contract::Store) -> BTreeSet<String> {
    memory.items(store).into_keys().map(|(_, id)| id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_increment_reads_what_changed_and_knows_what_is_there_still() {
    let practice = Practice::start(Settings { products: 30, ..Settings::default() }).await;
    let store = practice.open();
    practice.clock.shift(std::time::Duration::from_secs(3600));
    let first = fetch(store.as_ref(), requests(&["product"], None)).await.unwrap();
    let all: Vec<String> = ids(&first, store.as_ref()).into_iter().collect();
    practice.clock.shift(std::time::Duration::from_secs(3600));
    let idle = fetch(store.as_ref(), requests(&["product"], Some(&first))).await.unwrap();
    assert_eq!(ids(&idle, store.as_ref()), BTreeSet::new(), "nothing changed");
    assert_eq!(idle.present().len(), 30);
    let end = idle.end("product");
    assert!(end.complete && end.swept);

    let number = |id: &str| id.rsplit('/').next().unwrap().to_owned();
    // A new price; a metafield, by which the product's own time does not move; a product that goes, and one that comes.
    practice.owner("PUT", &format!("v3/catalog/products/{}", number(&all[3])), &json!({"price": 7.5})).await;
    let metafield = json!({"namespace": "care", "key": "wash", "value": "cold", "permission_set": "write"});
    practice.owner("POST", &format!("v3/catalog/products/{}/metafields", number(&all[5])), &metafield).await;
    practice.owner("DELETE", &format!("v3/catalog/products/{}", number(&all[8])), &Value::Null).await;
    let new = json!({"name": "Brand new", "type": "physical", "weight": 1, "price": 3});
    let new = practice.owner("POST", "v3/catalog/products", &new).await["data"]["id"].to_string();

    let second = fetch(store.as_ref(), requests(&["product"], Some(&idle))).await.unwrap();
    let changed = BTreeSet::from([all[3].clone(), all[5].clone(), format!("product/{new}")]);
    assert_eq!(ids(&second, store.as_ref()), changed);
    let present: BTreeSet<String> = second.present().into_iter().map(|(_, id)| id).collect();
    let expected: BTreeSet<String> =
        all.iter().filter(|id| **id != all[8] && !changed.contains(*id)).cloned().collect();
    assert_eq!(present, expected);
    // What an increment reads of an item is all of it, as a full reading has it.
    let full = fetch(store.as_ref(), requests(&["product"], None)).await.unwrap().items(store.as_ref());
    for (key, item) in second.items(store.as_ref()) {
        assert_eq!(item, full[&key], "{key:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_an_id_that_nothing_has_nothing_is_found() {
    let practice = Practice::start(Settings { products: 3, ..Settings::default() }).await;
    let store = practice.open();
    for (name, id) in [
        ("product", "product/1"),
        ("coupon", "coupon/1"),
        ("order", "order/1"),
        ("page", "page/1"),
        ("script", "0b0e-1"),
    ] {
        let lookups = [connectors::contract::Lookup::Id(id)];
        assert_eq!(store.live(kind(name).unwrap(), &lookups).await.unwrap(), [None], "{name}");
    }
}
