//! Restoring collections: their sources, what was picked by hand, and the order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{IdMap, PlanAction, RestoreOptions};
use practice::{Memory, Practice, differences, kind, ledger, new_id};
use sandbox::shopify::{Fault, Settings};
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

fn sources(collection: &Value) -> Vec<Value> {
    let mut sources = essence(collection)["sources"].as_array().unwrap().clone();
    sources.sort_by_key(|source| source["title"].to_string());
    sources
}

#[tokio::test]
async fn what_a_lost_answer_made_of_a_collection_is_there_once() {
    let shop = shop().await;
    let tagged =
        |tag: &str| json!({"productTag": {"matchType": "ANY", "relation": "TAGGED_WITH", "values": [tag]}});
    let source = |title: &str, tags: &[&str]| {
        let conditions: Vec<Value> = tags.iter().map(|tag| tagged(tag)).collect();
        json!({"source": {"title": title, "inclusion": {"matchType": "ANY", "conditions": conditions}}})
    };
    let all = [source("One", &["new", "sale"]), source("Two", &["old"])];
    let before = made(&shop, json!({"title": "Tags", "sortOrder": "PRICE_ASC", "sources": all})).await;
    let id = before["id"].as_str().unwrap();
    let source = |title: &str| {
        before["sources"].as_array().unwrap().iter().find(|source| source["title"] == title).unwrap()
    };
    let condition = &source("One")["inclusion"]["conditions"][0]["id"];
    let document = "mutation($c: CollectionUpdateInput!) { collectionUpdate(collection: $c) { userErrors { message } } }";
    let spoil = json!({"id": id, "sourcesToDelete": [source("Two")["id"]], "sourcesToUpdate": [
        {"condition": {"id": source("One")["id"], "inclusion": {"conditionsToDelete": [condition]}}}]});
    shop.owner(document, json!({"c": spoil})).await;
    let live = shop.payload("collection", id).await.unwrap();
    assert_eq!(sources(&live).len(), 1);
    shop.running.set_faults(Fault::parse_list("lost-answer:collectionUpdate").unwrap());
    let applied = shop.restore("collection", &before, Some(&live)).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("collection", id).await.unwrap();
    assert_eq!(sources(&after), sources(&before));
}

#[tokio::test]
async fn products_that_are_gone_do_not_keep_the_others_from_their_order() {
    let shop = shop().await;
    let rule = json!({"source": {"title": "All", "inclusion": {"matchType": "ALL", "conditions": [
        {"variantPrice": {"relation": "GREATER_THAN", "value": {"amount": "0.0", "currencyCode": "EUR"}}}]}}});
    let collection = made(&shop, json!({"title": "All", "sortOrder": "MANUAL", "sources": [rule]})).await;
    let id = collection["id"].as_str().unwrap();
    let mut goal = products(&collection);
    assert!(goal.len() > 3, "{goal:?}");
    let reorder = "mutation($id: ID!, $moves: [MoveInput!]!) {
        collectionReorderProducts(id: $id, moves: $moves) { userErrors { message } } }";
    let order = |ids: &[String]| -> Value {
        ids.iter().enumerate().map(|(at, id)| json!({"id": id, "newPosition": at.to_string()})).collect()
    };
    goal.reverse();
    shop.owner(reorder, json!({"id": id, "moves": order(&goal)})).await;
    let before = shop.payload("collection", id).await.unwrap();
    assert_eq!(products(&before), goal);
    let gone = goal.remove(1);
    shop.store.delete(kind("product"), &gone).await.unwrap();
    let mut spoilt = goal.clone();
    spoilt.rotate_left(1);
    shop.owner(reorder, json!({"id": id, "moves": order(&spoilt)})).await;
    let live = shop.payload("collection", id).await.unwrap();
    let applied = shop.restore("collection", &before, Some(&live)).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    assert_eq!(products(&shop.payload("collection", id).await.unwrap()), goal);
    // A collection that is made anew, too.
    shop.store.delete(kind("collection"), id).await.unwrap();
    let applied = shop.restore("collection", &before, None).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    assert_eq!(products(&shop.payload("collection", &new_id(&applied, id)).await.unwrap()), goal);
}

#[tokio::test]
async fn more_products_than_a_call_takes_are_picked_again() {
    let shop =
        Practice::open(Settings { products: 300, customers: 0, orders: 0, ..Settings::default() }).await;
    let mut ids: Vec<String> = (shop.ids("products").await.into_iter()).take(250).collect();
    let before = picked(&shop, &ids[..250]).await;
    // Of those that the first page of products does not show, too.
    let document = "query($after: String) { products(first: 250, after: $after) { nodes { id } pageInfo { endCursor } } }";
    let first = shop.owner(document, json!({"after": null})).await;
    let second = shop.owner(document, json!({"after": first["products"]["pageInfo"]["endCursor"]})).await;
    let more: Vec<String> = second["products"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(more.len(), 50);
    let id = before["id"].as_str().unwrap();
    let add: Vec<Value> = more.iter().map(|id| json!({"productId": id})).collect();
    let change = json!({"id": id, "sourcesToUpdate": [{"condition": {"id": before["sources"][0]["id"], "inclusion": {"selectionsToAdd": add}}}]});
    shop.owner("mutation($c: CollectionUpdateInput!) { collectionUpdate(collection: $c) { userErrors { message } } }", json!({"c": change})).await;
    ids.extend(more);
    let before = shop.payload("collection", id).await.unwrap();
    assert_eq!(products(&before), ids);
    shop.owner(DELETE, json!({"id": id})).await;
    let applied = shop.restore("collection", &before, None).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    let new = new_id(&applied, id);
    assert_eq!(products(&shop.payload("collection", &new).await.unwrap()), ids);
    // Of one that is there, all that was picked is picked again.
    let live = shop.payload("collection", &new).await.unwrap();
    let change = json!({"id": new, "sourcesToDelete": [live["sources"][0]["id"]]});
    shop.owner("mutation($c: CollectionUpdateInput!) { collectionUpdate(collection: $c) { userErrors { message } } }", json!({"c": change})).await;
    let live = shop.payload("collection", &new).await.unwrap();
    let ids_now = ledger(&[&applied]);
    let applied =
        shop.try_restore("collection", &before, Some(&live), &ids_now, &Memory::default()).await.unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    assert_eq!(products(&shop.payload("collection", &new).await.unwrap()), ids);
}
