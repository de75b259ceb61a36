//! Reading from a practice store, over HTTPS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use sandbox::shopify::Settings;
use serde_json::json;
use support::Shop;

#[tokio::test]
async fn products_are_paged_to_their_end() {
    let shop = Shop::start(Settings { products: 23, ..Settings::default() }).await;
    let mut seen = Vec::new();
    let mut after = json!(null);
    loop {
        let data = shop
            .data(
                "query($after: String) { products(first: 10, after: $after) { nodes { id title status variants(first: 5) { nodes { id price sku selectedOptions { name value } } } } pageInfo { hasNextPage endCursor } } }",
                json!({ "after": after }),
            )
            .await;
        let page = &data["products"];
        seen.extend(
            page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()),
        );
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen.len(), 23);
    let mut sorted = seen.clone();
    sorted.dedup();
    assert_eq!(sorted, seen);
    let back = shop
        .data("{ products(last: 3) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } }", json!({}))
        .await;
    let ids: Vec<_> = back["products"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, seen[20..]);
    assert_eq!(back["products"]["pageInfo"], json!({ "hasNextPage": false, "hasPreviousPage": true }));
}

#[tokio::test]
async fn a_bulk_query_gives_every_object_once() {
    let shop = Shop::start(Settings { products: 30, ..Settings::default() }).await;
    let (operation, lines) = shop.bulk("{ products { edges { node { id title variants { edges { node { id price } } } metafields { edges { node { id namespace key value } } } } } } }").await;
    assert_eq!(operation["status"], "COMPLETED");
    assert_eq!(operation["objectCount"], lines.len().to_string());
    assert_eq!(operation["rootObjectCount"], "30");
    let roots = lines.iter().filter(|line| line.get("__parentId").is_none()).count();
    assert_eq!(roots, 30);
    let counts = shop.data("{ productVariantsCount { count } }", json!({})).await;
    let variants =
        lines.iter().filter(|line| line["id"].as_str().unwrap().contains("/ProductVariant/")).count();
    assert_eq!(counts["productVariantsCount"]["count"], variants);
    // Children are not beside their parents.
    let mixed = lines.windows(2).any(|pair| {
        pair[1]
            .get("__parentId")
            .is_some_and(|parent| *parent != pair[0]["id"] && Some(parent) != pair[0].get("__parentId"))
    });
    assert!(mixed);
}
