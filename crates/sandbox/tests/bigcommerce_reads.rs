//! What a store with content answers: pages, cursors, filters, shapes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};
use support::bigcommerce::Shop;

#[tokio::test]
async fn a_catalog_is_read_by_pages_and_told_whole() {
    let shop = Shop::start(Settings { products: 130, customers: 0, orders: 0, ..Settings::default() }).await;
    let first = shop.get("/v3/catalog/products?limit=50&sort=id").await;
    assert_eq!(first.status, 200);
    let meta = &first.body["meta"]["pagination"];
    assert_eq!(
        (&meta["total"], &meta["count"], &meta["per_page"], &meta["current_page"], &meta["total_pages"]),
        (&json!(130), &json!(50), &json!(50), &json!(1), &json!(3))
    );
    assert_eq!(meta["links"]["next"], "?page=2&limit=50&sort=id");
    assert!(meta["links"].get("previous").is_none());
    let last = shop.get("/v3/catalog/products?limit=50&page=3").await;
    assert_eq!(last.data().as_array().unwrap().len(), 30);
    assert!(last.body["meta"]["pagination"]["links"].get("next").is_none());
    assert_eq!(shop.list("/v3/catalog/products?page=4&limit=50").await.len(), 0);
    assert_eq!(shop.get("/v3/catalog/products?limit=251").await.status, 422);
    assert_eq!(shop.get("/v3/catalog/products?limit=250").await.data().as_array().unwrap().len(), 130);
    // By keyset, as a reader of a changing catalog does.
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let page = shop.list(&format!("/v3/catalog/products?limit=50&sort=id&id:greater={after}")).await;
        let Some(last) = page.last() else { break };
        after = last["id"].as_u64().unwrap();
        seen.extend(page.iter().map(|product| product["id"].as_u64().unwrap()));
    }
    assert_eq!(seen.len(), 130);
    assert!(seen.is_sorted());
}

#[tokio::test]
async fn options_and_modifiers_cut_the_page_to_ten_without_a_word() {
    let shop = Shop::start(Settings { products: 25, customers: 0, orders: 0, ..Settings::default() }).await;
    for (include, count) in
        [("options", 10), ("modifiers", 10), ("variants,modifiers", 10), ("variants,images", 25)]
    {
        let page = shop.get(&format!("/v3/catalog/products?limit=250&include={include}")).await;
        assert_eq!(page.data().as_array().unwrap().len(), count, "{include}");
        assert_eq!(page.body["meta"]["pagination"]["per_page"], if count == 10 { 10 } else { 250 });
    }
    let next = shop.get("/v3/catalog/products?limit=250&include=options&page=3").await;
    assert_eq!(next.data().as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn customers_are_read_by_cursor_and_then_nobody_says_how_many() {
    let shop = Shop::start(Settings { products: 2, customers: 120, orders: 0, ..Settings::default() }).await;
    let first = shop.get("/v3/customers?limit=50").await;
    assert_eq!(first.body["meta"]["pagination"]["total"], 120);
    let mut cursor = first.body["meta"]["cursor_pagination"]["end_cursor"].as_str().unwrap().to_owned();
    let mut count = first.data().as_array().unwrap().len();
    loop {
        let page = shop.get(&format!("/v3/customers?limit=50&after={cursor}")).await;
        assert!(page.body["meta"].get("pagination").is_none(), "{:#}", page.body["meta"]);
        count += page.data().as_array().unwrap().len();
        let meta = &page.body["meta"]["cursor_pagination"];
        if meta["links"].get("next").is_none() {
            assert!(meta["links"]["previous"].is_string());
            break;
        }
        cursor = meta["end_cursor"].as_str().unwrap().to_owned();
    }
    assert_eq!(count, 120);
    let second = shop.get("/v3/customers?limit=50&page=2").await;
    assert!(second.body["meta"].get("cursor_pagination").is_none());
    assert_eq!(shop.get("/v3/customers?after=a&before=b").await.status, 422);
}

#[tokio::test]
async fn v2_answers_with_bare_lists_and_with_nothing_when_they_are_empty() {
    let shop = Shop::start(Settings { products: 5, customers: 3, orders: 12, ..Settings::default() }).await;
    let orders = shop.get("/v2/orders?limit=5").await;
    let list = orders.body.as_array().unwrap();
    assert_eq!(list.len(), 5);
    let order = &list[0];
    assert!(order["date_created"].as_str().unwrap().ends_with("+0000"), "{order:#}");
    assert!(order["total_inc_tax"].as_str().unwrap().split_once('.').unwrap().1.len() == 4);
    assert_eq!(order["products"]["resource"], format!("/orders/{}/products", order["id"]));
    assert_eq!(shop.get("/v2/orders?page=4&limit=5").await.status, 204);
    assert_eq!(shop.get("/v2/orders/count").await.body["count"], 12);
    let last = list[4]["id"].as_u64().unwrap();
    let rest = shop.list(&format!("/v2/orders?min_id={}&limit=250", last + 1)).await;
    assert_eq!(rest.len(), 7);
    let part = order["products"]["url"].as_str().unwrap();
    let response =
        shop.client.get(part).header("x-auth-token", &shop.running.access_token).send().await.unwrap();
    let lines: Value = response.json().await.unwrap();
    assert_eq!(lines[0]["order_id"], order["id"]);
}

#[tokio::test]
async fn filters_find_what_they_name_and_unknown_ones_are_refused() {
    let shop = Shop::start(Settings { products: 12, customers: 6, orders: 0, ..Settings::default() }).await;
    let product = shop.list("/v3/catalog/products").await[4].clone();
    let (id, sku) = (product["id"].as_u64().unwrap(), product["sku"].as_str().unwrap().to_owned());
    let name = product["name"].as_str().unwrap().replace(' ', "%20");
    for query in [
        format!("id:in={id}"),
        format!("sku={sku}"),
        format!("name={name}"),
        format!("sku:in={sku},none"),
        format!("keyword={sku}"),
    ] {
        let found = shop.list(&format!("/v3/catalog/products?{query}")).await;
        assert_eq!(found.len(), 1, "{query}");
        assert_eq!(found[0]["id"], id, "{query}");
    }
    assert_eq!(shop.list("/v3/catalog/products?id:in=1").await.len(), 0);
    for wrong in
        ["nothing=1", "id:in=a", "sort=colour", "include=everything", "is_visible=perhaps", "limit=many"]
    {
        assert_eq!(shop.get(&format!("/v3/catalog/products?{wrong}")).await.status, 422, "{wrong}");
    }
    let customer = shop.list("/v3/customers").await[2].clone();
    let mail = customer["email"].as_str().unwrap();
    assert_eq!(shop.list(&format!("/v3/customers?email:in={mail}")).await[0]["id"], customer["id"]);
    let since = shop.list("/v3/catalog/products?date_modified:min=2026-11-01T00:00:00Z").await;
    let all = shop.list("/v3/catalog/products").await;
    assert!(!since.is_empty() && since.len() < all.len() + 1);
    let thin = shop.list("/v3/catalog/products?include_fields=name,sku").await;
    assert_eq!(thin[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name", "sku"]);
}

#[tokio::test]
async fn two_stores_of_one_seed_are_alike_and_ids_of_kinds_coincide() {
    let settings = || Settings { products: 6, customers: 3, orders: 3, ..Settings::default() };
    let (a, b) = (Shop::start(settings()).await, Shop::start(settings()).await);
    let products = a.list("/v3/catalog/products?include=variants").await;
    let strip = |mut dump: Value| {
        // Addresses of the stores differ by their ports.
        for kind in ["store", "site", "image", "brand", "category"] {
            dump.as_object_mut().unwrap().remove(kind);
        }
        dump
    };
    assert_eq!(strip(a.running.dump()), strip(b.running.dump()));
    let categories = a.list("/v3/catalog/categories").await;
    assert_eq!(products[0]["id"], categories[0]["id"]);
    let empty = Shop::start(Settings::empty()).await;
    let id = empty.product("First").await;
    assert!(!products.iter().any(|product| product["id"] == id));
}
