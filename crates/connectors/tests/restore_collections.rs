//! Restoring collections: their sources, what was picked by hand, and the order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{IdMap, PlanAction, RestoreOptions};
use practice::{Memory, Practice, differences, kind, ledger, new_id};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

const CREATE: &str = "mutation($collection: CollectionCreateInput!) {
    collectionCreate(collection: $collection) { collection { id } userErrors { message } } }";
const DELETE: &str = "mutation($id: ID!) { collectionDelete(input: {id: $id}) { userErrors { message } } }";

async fn shop() -> Practice {
    Practice::open(Settings { products: 8, customers: 0, orders: 0, ..Settings::default() }).await
}

async fn made(shop: &Practice, collection: Value) -> Value {
    let answer = shop.owner(CREATE, json!({"collection": collection})).await;
    let id = answer["collectionCreate"]["collection"]["id"].as_str().unwrap().to_owned();
    shop.payload("collection", &id).await.unwrap()
}

/// Picked by hand: the products in this order.
async fn picked(shop: &Practice, products: &[String]) -> Value {
    let selections: Vec<Value> = products.iter().map(|id| json!({"productId": id})).collect();
    let source = json!({"source": {"title": "Picked", "inclusion": {"selections": selections}}});
    let collection = made(shop, json!({"title": "Picked", "sortOrder": "MANUAL", "sources": [source]})).await;
    let moves: Vec<Value> = products
        .iter()
        .enumerate()
        .map(|(at, id)| json!({"id": id, "newPosition": at.to_string()}))
        .collect();
    let document = "mutation($id: ID!, $moves: [MoveInput!]!) {
        collectionReorderProducts(id: $id, moves: $moves) { userErrors { message } } }";
    shop.owner(document, json!({"id": collection["id"], "moves": moves})).await;
    shop.payload("collection", collection["id"].as_str().unwrap()).await.unwrap()
}

/// What counts: without ids of the collection's own things, and dates.
fn essence(collection: &Value) -> Value {
    let mut essence = collection.clone();
    let object = essence.as_object_mut().unwrap();
    object.retain(|key, _| !matches!(key.as_str(), "id" | "updatedAt"));
    for source in essence["sources"].as_array_mut().unwrap() {
        source.as_object_mut().unwrap().remove("id");
        for side in ["inclusion", "exclusion"] {
            for condition in source[side]["conditions"].as_array_mut().into_iter().flatten() {
                condition.as_object_mut().unwrap().remove("id");
            }
            // The order of these means nothing: that of the products is data of its own.
            for list in ["conditions", "selections"] {
                if let Some(list) = source[side][list].as_array_mut() {
                    list.sort_by_key(Value::to_string);
                }
            }
        }
    }
    // Worked out from the sources.
    essence["ruleSet"] = json!(null);
    essence
}

fn products(collection: &Value) -> Vec<String> {
    collection["products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_was_picked_comes_back_in_its_order() {
    let shop = shop().await;
    let mut ids = shop.ids("products").await;
    ids.truncate(5);
    ids.reverse();
    let before = picked(&shop, &ids).await;
    assert_eq!(products(&before), ids);
    let id = before["id"].as_str().unwrap();
    let source = &before["sources"][0]["id"];
    let document = "mutation($c: CollectionUpdateInput!) { collectionUpdate(collection: $c) { userErrors { message } } }";
    let gone: Vec<Value> = ids[..2].iter().map(|id| json!({"productId": id})).collect();
    let change = json!({"id": id, "title": "Spoilt",
        "sourcesToUpdate": [{"condition": {"id": source, "inclusion": {"selectionsToRemove": gone}}}]});
    shop.owner(document, json!({"c": change})).await;
    let live = shop.payload("collection", id).await.unwrap();
    assert_eq!(products(&live), ids[2..]);
    let applied = shop.restore("collection", &before, Some(&live)).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("collection", id).await.unwrap();
    assert_eq!(differences(&essence(&after), &essence(&before)), Vec::<String>::new());
    assert_eq!(shop.plan("collection", &before, Some(&after)).action, PlanAction::Skip);
}

#[tokio::test]
async fn a_deleted_collection_comes_back_and_leads_to_products_that_came_back() {
    let shop = shop().await;
    let mut ids = shop.ids("products").await;
    ids.truncate(3);
    let before = picked(&shop, &ids).await;
    let product = shop.payload("product", &ids[1]).await.unwrap();
    shop.owner(DELETE, json!({"id": before["id"]})).await;
    shop.owner(
        "mutation($id: ID!) { productDelete(input: {id: $id}) { userErrors { message } } }",
        json!({"id": ids[1]}),
    )
    .await;
    let first = shop.restore("product", &product, None).await;
    assert_eq!(first.problems, Vec::<String>::new());
    let known = ledger(&[&first]);
    let applied = shop.try_restore("collection", &before, None, &known, &Memory::default()).await.unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    let new = new_id(&applied, before["id"].as_str().unwrap());
    let after = shop.payload("collection", &new).await.unwrap();
    ids[1] = new_id(&first, &ids[1]);
    assert_eq!(products(&after), ids);
    let all = ledger(&[&first, &applied]);
    let again = shop.store.plan(kind("collection"), &before, Some(&after), &all, &RestoreOptions::default());
    assert_eq!(again.action, PlanAction::Skip, "{again:?}");
}

#[tokio::test]
async fn rules_come_back_as_they_were() {
    let shop = shop().await;
    let conditions = json!([
        {"productTag": {"matchType": "ANY", "relation": "TAGGED_WITH", "values": ["new", "sale"]}},
        {"variantPrice": {"relation": "LESS_THAN", "value": {"amount": "500.0", "currencyCode": "EUR"}}},
    ]);
    let rules = json!({"source": {"title": "Rules", "description": "New and cheap",
        "inclusion": {"matchType": "ALL", "conditions": conditions}}});
    let before = made(&shop, json!({"title": "New", "sortOrder": "PRICE_ASC", "sources": [rules]})).await;
    let id = before["id"].as_str().unwrap();
    // Changed, then set back.
    let condition = &before["sources"][0]["inclusion"]["conditions"][0]["id"];
    let document = "mutation($c: CollectionUpdateInput!) { collectionUpdate(collection: $c) { userErrors { message } } }";
    let change = json!({"id": id, "sourcesToUpdate": [{"condition": {"id": before["sources"][0]["id"],
        "inclusion": {"conditionsToDelete": [condition]}}}]});
    shop.owner(document, json!({"c": change})).await;
    let live = shop.payload("collection", id).await.unwrap();
    let applied = shop.restore("collection", &before, Some(&live)).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("collection", id).await.unwrap();
    assert_eq!(differences(&essence(&after), &essence(&before)), Vec::<String>::new());
    // Deleted, then made anew.
    shop.owner(DELETE, json!({"id": id})).await;
    let applied =
        shop.try_restore("collection", &before, None, &IdMap::default(), &Memory::default()).await.unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("collection", &new_id(&applied, id)).await.unwrap();
    assert_eq!(differences(&essence(&after), &essence(&before)), Vec::<String>::new());
}
