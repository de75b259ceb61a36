//! Restoring pictures and other files: from stored bytes, or from what is still there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use std::collections::BTreeMap;

use connectors::contract::{IdMap, MediaSource, PlanAction, RestoreOptions};
use futures::TryStreamExt as _;
use practice::{Memory, Practice, Stored, ledger, new_id};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

async fn shop() -> Practice {
    Practice::open(Settings { products: 8, customers: 0, orders: 0, ..Settings::default() }).await
}

/// The bytes of an address, as a backup would fetch them.
async fn bytes(shop: &Practice, url: &str) -> Vec<u8> {
    let source = MediaSource { pointer: "/url".to_owned(), url: url.to_owned(), media_type: None };
    let body = shop.store.media(&source).await.unwrap();
    body.bytes
        .try_fold(Vec::new(), |mut all, part| async move {
            all.extend_from_slice(&part);
            Ok(all)
        })
        .await
        .unwrap()
}

async fn pictured(shop: &Practice) -> Value {
    for id in shop.ids("products").await {
        let product = shop.payload("product", &id).await.unwrap();
        if product["media"].as_array().unwrap().len() > 1 {
            return product;
        }
    }
    panic!("no product has two pictures")
}

fn alts(product: &Value) -> Vec<Value> {
    product["media"].as_array().unwrap().iter().map(|one| one["alt"].clone()).collect()
}

#[tokio::test]
async fn a_product_that_came_back_has_its_pictures() {
    let shop = shop().await;
    let before = pictured(&shop).await;
    let mut stored = BTreeMap::new();
    for (number, one) in before["media"].as_array().unwrap().iter().enumerate() {
        let url = one["image"]["url"].as_str().unwrap();
        stored.insert(format!("/media/{number}/image/url"), bytes(&shop, url).await);
    }
    let files: Vec<&Value> = before["media"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    shop.owner(
        "mutation($id: ID!) { productDelete(input: {id: $id}) { userErrors { message } } }",
        json!({"id": before["id"]}),
    )
    .await;
    let _ = shop.store.delete(practice::kind("file"), files[0].as_str().unwrap()).await;
    let _ = shop.store.delete(practice::kind("file"), files[1].as_str().unwrap()).await;
    let (options, ids, journal) = (RestoreOptions::default(), IdMap::default(), Memory::default());
    let applied = shop
        .restore_with("product", &before, None, &ids, &journal, &options, &Stored(stored.clone()))
        .await
        .unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("product", &new_id(&applied, before["id"].as_str().unwrap())).await.unwrap();
    assert_eq!(alts(&after), alts(&before));
    let url = after["media"][0]["image"]["url"].as_str().unwrap();
    assert_eq!(bytes(&shop, url).await, stored["/media/0/image/url"], "the bytes are those that were stored");
    let again =
        shop.store.plan(practice::kind("product"), &before, Some(&after), &ledger(&[&applied]), &options);
    assert_eq!(again.action, PlanAction::Skip, "{again:?}");
}

#[tokio::test]
async fn a_deleted_file_comes_back_from_its_bytes() {
    let shop = shop().await;
    let id = shop.ids("files").await.remove(0);
    let before = shop.payload("file", &id).await.unwrap();
    let url = before["image"]["url"].as_str().unwrap();
    let stored = BTreeMap::from([("/image/url".to_owned(), bytes(&shop, url).await)]);
    shop.store.delete(practice::kind("file"), &id).await.unwrap();
    assert_eq!(shop.payload("file", &id).await, None);
    let (options, ids, journal) = (RestoreOptions::default(), IdMap::default(), Memory::default());
    let applied = shop
        .restore_with("file", &before, None, &ids, &journal, &options, &Stored(stored.clone()))
        .await
        .unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("file", &new_id(&applied, &id)).await.unwrap();
    assert_eq!(after["alt"], before["alt"]);
    assert_eq!(after["fileStatus"], "READY");
    assert_eq!(bytes(&shop, after["image"]["url"].as_str().unwrap()).await, stored["/image/url"]);
}

#[tokio::test]
async fn pictures_that_are_still_there_are_attached_not_doubled() {
    let shop = shop().await;
    let before = pictured(&shop).await;
    let count = shop.ids("files").await.len();
    let detach =
        "mutation($files: [FileUpdateInput!]!) { fileUpdate(files: $files) { userErrors { message } } }";
    let files = json!([{"id": before["media"][0]["id"], "referencesToRemove": [before["id"]]}]);
    shop.owner(detach, json!({"files": files})).await;
    let live = shop.payload("product", before["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(alts(&live).len() + 1, alts(&before).len());
    let applied = shop.restore("product", &before, Some(&live)).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("product", before["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(alts(&after), alts(&before), "in their order, too");
    assert_eq!(shop.ids("files").await.len(), count);
}

#[tokio::test]
async fn a_picture_made_a_moment_ago_is_attached_once_it_is_ready() {
    let shop = shop().await;
    let before = pictured(&shop).await;
    let (product, file) = (before["id"].as_str().unwrap(), before["media"][0]["id"].as_str().unwrap());
    let picture = shop.payload("file", file).await.unwrap();
    let bytes = bytes(&shop, picture["image"]["url"].as_str().unwrap()).await;
    let stored = Stored(BTreeMap::from([("/image/url".to_owned(), bytes)]));
    shop.store.delete(practice::kind("file"), file).await.unwrap();
    let live = shop.payload("product", product).await.unwrap();
    let (options, none) = (RestoreOptions::default(), IdMap::default());
    let made = shop.restore_with("file", &picture, None, &none, &Memory::default(), &options, &stored).await;
    let ids = ledger(&[&made.unwrap()]);
    // At once: nobody looks, and no time passes, but for what the restore itself waits.
    let applied = shop.try_restore("product", &before, Some(&live), &ids, &Memory::default()).await.unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("product", product).await.unwrap();
    assert_eq!((alts(&after), after["media"][0]["id"].as_str()), (alts(&before), Some(ids.resolve(file))));
}
