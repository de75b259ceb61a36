//! Categories, prices, marketing, content, themes, places and settings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::time::Duration;

use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};
use support::bigcommerce::{Shop, plain};

async fn tree(shop: &Shop) -> Value {
    shop.list("/v3/catalog/trees").await[0]["id"].clone()
}

#[tokio::test]
async fn categories_are_made_each_for_itself() {
    let shop = Shop::start(Settings::empty()).await;
    let tree = tree(&shop).await;
    let path = "/v3/catalog/trees/categories";
    let top = shop.post(path, json!([{ "name": "Top", "tree_id": tree, "parent_id": 0 }])).await;
    assert_eq!((top.status, &top.body["meta"]), (201, &json!({ "total": 1, "success": 1, "failed": 0 })));
    let top = top.body["data"][0]["category_id"].clone();
    let mixed = shop.post(path, json!([{ "name": "Below", "parent_id": top }, { "name": "Top", "tree_id": tree, "parent_id": 0 }, { "name": "Lost", "parent_id": 7 }])).await;
    assert_eq!((mixed.status, &mixed.body["meta"]["failed"]), (207, &json!(2)));
    assert_eq!(
        mixed.body["errors"]["errors"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["1.name", "2.tree_id"]
    );
    let below = mixed.body["data"][0].clone();
    assert_eq!((&below["tree_id"], &below["url"]["path"]), (&tree, &json!("/top/below/")));
    let circle = shop.put(path, json!([{ "category_id": top, "parent_id": below["category_id"] }])).await;
    assert_eq!(circle.status, 422);
    assert_eq!(
        shop.put(path, json!([{ "category_id": below["category_id"], "page_title": "B" }])).await.status,
        200
    );
    let old = shop.get(&format!("/v3/catalog/categories/{}", below["category_id"])).await;
    assert_eq!(
        (&old.data()["page_title"], &old.data()["custom_url"]["url"], &old.data()["parent_id"]),
        (&json!("B"), &json!("/top/below/"), &top)
    );
    let mut deepest = below["category_id"].clone();
    for level in 3..=8 {
        deepest = shop
            .post(path, json!([{ "name": format!("L{level}"), "parent_id": deepest }]))
            .await
            .data()[0]["category_id"]
            .clone();
    }
    assert_eq!(shop.post(path, json!([{ "name": "Ninth", "parent_id": deepest }])).await.status, 422);
    // A tree has its channel from the beginning.
    assert_eq!(
        shop.put("/v3/catalog/trees", json!([{ "id": tree, "name": "New", "channels": [1] }])).await.status,
        422
    );
    assert_eq!(shop.put("/v3/catalog/trees", json!([{ "id": tree, "name": "New" }])).await.status, 200);
    assert_eq!(
        shop.put("/v3/catalog/trees", json!([{ "name": "Second", "channels": [1] }])).await.status,
        422
    );
}

#[tokio::test]
async fn categories_are_deleted_a_little_later() {
    let shop = Shop::start(Settings { job_time: Duration::from_secs(5), ..Settings::empty() }).await;
    let tree = tree(&shop).await;
    let path = "/v3/catalog/trees/categories";
    let top = shop.post(path, json!([{ "name": "Top", "tree_id": tree, "parent_id": 0 }])).await.data()[0]["category_id"].clone();
    let mut product = plain("Lamp");
    product["categories"] = json!([top]);
    let id = shop.post("/v3/catalog/products", product).await.data()["id"].clone();
    assert_eq!(shop.delete(path).await.status, 422);
    assert_eq!(shop.delete(&format!("{path}?category_id:in={top}")).await.status, 202);
    assert_eq!(shop.list(path).await.len(), 1);
    shop.clock.pass(Duration::from_secs(5));
    assert_eq!(shop.list(path).await.len(), 0);
    assert_eq!(shop.get(&format!("/v3/catalog/products/{id}")).await.data()["categories"], json!([]));
}

#[tokio::test]
async fn products_are_assigned_and_ordered() {
    let shop = Shop::start(Settings::empty()).await;
    let tree = tree(&shop).await;
    let made = shop
        .post("/v3/catalog/trees/categories", json!([{ "name": "A", "tree_id": tree, "parent_id": 0 }]))
        .await;
    let category = made.data()[0]["category_id"].clone();
    let (a, b) = (shop.product("A").await, shop.product("B").await);
    let pairs =
        json!([{ "product_id": a, "category_id": category }, { "product_id": b, "category_id": category }]);
    assert_eq!(shop.put("/v3/catalog/products/category-assignments", pairs).await.status, 204);
    assert_eq!(
        shop.put("/v3/catalog/products/category-assignments", json!([{ "product_id": a, "category_id": 7 }]))
            .await
            .status,
        422
    );
    let order = format!("/v3/catalog/categories/{category}/products/sort-order");
    assert_eq!(
        shop.put(&order, json!([{ "product_id": a, "sort_order": 5 }, { "product_id": b, "sort_order": 1 }]))
            .await
            .status,
        200
    );
    let list = shop.list(&order).await;
    assert_eq!((&list[0]["product_id"], &list[1]["product_id"]), (&json!(b), &json!(a)));
    assert_eq!(shop.list("/v3/catalog/products/channel-assignments").await.len(), 2);
    assert_eq!(
        shop.delete(&format!("/v3/catalog/products/category-assignments?product_id:in={a}")).await.status,
        204
    );
    assert_eq!(shop.list("/v3/catalog/products/category-assignments").await.len(), 1);
}

#[tokio::test]
async fn prices_are_told_by_list_variant_and_currency() {
    let shop = Shop::start(Settings::empty()).await;
    let product = shop.product("Lamp").await;
    let variant = shop.list(&format!("/v3/catalog/products/{product}/variants")).await[0]["id"].clone();
    let list =
        shop.post("/v3/pricelists", json!({ "name": "Prices", "active": true })).await.data()["id"].clone();
    assert_eq!(shop.post("/v3/pricelists", json!({ "name": "prices" })).await.status, 409);
    let path = format!("/v3/pricelists/{list}/records");
    let record = |price: f64| json!([{ "variant_id": variant, "currency": "eur", "price": price, "bulk_pricing_tiers": [{ "quantity_min": 2, "quantity_max": 3, "type": "price", "amount": 1 }] }]);
    assert_eq!(shop.put(&path, record(5.0)).await.status, 200);
    assert_eq!(shop.put(&path, record(6.0)).await.status, 200);
    let records = shop.list(&format!("{path}?include=bulk_pricing_tiers,sku")).await;
    assert_eq!(
        (records.len(), &records[0]["price"], &records[0]["product_id"]),
        (1, &json!(6.0), &json!(product))
    );
    assert!(records[0].get("id").is_none());
    assert!(shop.list(&path).await[0].get("bulk_pricing_tiers").is_none());
    let bad = json!([{ "variant_id": variant, "currency": "eur", "price": 7 }, { "variant_id": 7, "currency": "eur", "price": 1 }]);
    let refused = shop.put(&path, bad).await;
    assert_eq!((refused.status, refused.body["errors"].get("1.variant_id").is_some()), (422, true));
    assert_eq!(shop.list(&path).await[0]["price"], 6.0);
    let many = vec![json!({ "variant_id": variant, "currency": "eur", "price": 1 }); 1_001];
    assert_eq!(shop.put(&path, json!(many)).await.status, 422);
    assert_eq!(shop.get(&format!("{path}/{variant}/EUR")).await.data()["price"], 6.0);
    assert_eq!(shop.delete(&format!("{path}/{variant}/EUR")).await.status, 204);
    assert_eq!(shop.list(&path).await.len(), 0);
}

#[tokio::test]
async fn codes_are_unique_and_cut_and_keep_their_promotion() {
    let shop = Shop::start(Settings::empty()).await;
    let product = shop.product("Lamp").await;
    let coupon = |code: &str, id: u64| json!({ "name": format!("Coupon {code}"), "code": code, "type": "per_item_discount", "amount": "5", "applies_to": { "entity": "products", "ids": [id] } });
    let made = shop.post("/v2/coupons", coupon("FIVE", product)).await;
    assert_eq!((made.status, &made.body["amount"]), (201, &json!("5.0000")));
    assert_eq!(shop.post("/v2/coupons", coupon("five", product)).await.status, 409);
    assert_eq!(shop.post("/v2/coupons", coupon("OTHER", 7)).await.status, 400);
    let gift = json!({ "amount": "25", "code": "A-CODE-THAT-IS-MUCH-TOO-LONG", "to_name": "A", "to_email": "a@example.com", "from_name": "B", "from_email": "b@example.com" });
    let gift = shop.post("/v2/gift_certificates", gift).await;
    assert_eq!(
        (&gift.body["code"], &gift.body["balance"]),
        (&json!("A-CODE-THAT-IS-MUCH-"), &json!("25.0000"))
    );
    let promotion = json!({ "name": "Sale", "coupon_type": "BULK", "rules": [{ "action": { "cart_value": { "discount": { "fixed_amount": "5" } } } }] });
    let made = shop.post("/v3/promotions", promotion).await;
    assert_eq!(
        (made.status, &made.body["data"]["redemption_type"]),
        (201, &json!("COUPON")),
        "{:#}",
        made.body
    );
    let path = format!("/v3/promotions/{}", made.body["data"]["id"]);
    assert_eq!(shop.post(&format!("{path}/codes"), json!({ "code": "ONE" })).await.status, 201);
    assert_eq!(shop.post(&format!("{path}/codes"), json!({ "code": "one" })).await.status, 409);
    let batch = shop.post(&format!("{path}/codegen"), json!({ "batch_size": 60 })).await;
    assert_eq!((batch.status, batch.body["data"]["codes"].as_array().unwrap().len()), (201, 60));
    let first = shop.get(&format!("{path}/codes?limit=50")).await;
    let cursor = first.body["meta"]["cursor_pagination"]["end_cursor"].as_str().unwrap();
    assert_eq!(shop.list(&format!("{path}/codes?limit=50&after={cursor}")).await.len(), 11);
    assert_eq!(shop.delete(&path).await.status, 422);
}

#[tokio::test]
async fn pages_hide_their_words_and_posts_their_days() {
    let shop = Shop::start(Settings::empty()).await;
    let page = |name: &str, of: &str| json!({ "name": name, "type": of, "body": "<p>Words</p>" });
    let mixed = shop
        .post(
            "/v3/content/pages",
            json!([page("About", "page"), page("About", "page"), page("News", "blog")]),
        )
        .await;
    assert_eq!((mixed.status, mixed.body["data"].as_array().unwrap().len()), (207, 1), "{:#}", mixed.body);
    let id = mixed.body["data"][0]["id"].clone();
    assert!(shop.list("/v3/content/pages").await[0].get("body").is_none());
    assert_eq!(
        shop.get(&format!("/v3/content/pages/{id}?include=body")).await.data()["body"],
        "<p>Words</p>"
    );
    let post = |date: &str| json!({ "title": "First", "body": "<p>Words</p>", "published_date": date });
    assert_eq!(shop.post("/v2/blog/posts", post("2026-09-01T08:00:00Z")).await.status, 400);
    let made = shop.post("/v2/blog/posts", post("Tue, 01 Sep 2026 08:00:00 +0000")).await;
    assert_eq!(made.body["published_date"]["date"], "2026-09-01 08:00:00.000000");
    // What is read cannot be written back.
    let again = shop
        .put(
            &format!("/v2/blog/posts/{}", made.body["id"]),
            json!({ "title": "First", "body": "", "published_date": made.body["published_date"] }),
        )
        .await;
    assert_eq!(again.status, 400);
}

#[tokio::test]
async fn redirects_are_told_by_site_and_path() {
    let shop = Shop::start(Settings::empty()).await;
    let product = shop.product("Lamp").await;
    let site = shop.list("/v3/sites").await[0]["id"].clone();
    let redirect = |to: Value| json!([{ "from_path": "/old", "site_id": site, "to": to }]);
    let first = shop
        .put("/v3/storefront/redirects", redirect(json!({ "type": "product", "entity_id": product })))
        .await;
    assert_eq!(first.status, 201);
    let second =
        shop.put("/v3/storefront/redirects", redirect(json!({ "type": "url", "url": "/new" }))).await;
    assert_eq!(first.body["data"][0]["id"], second.body["data"][0]["id"]);
    assert_eq!(
        shop.put("/v3/storefront/redirects", redirect(json!({ "type": "product", "entity_id": 7 })))
            .await
            .status,
        422
    );
    let list = shop.list("/v3/storefront/redirects?include=to_url&keyword=old").await;
    assert_eq!((list.len(), &list[0]["to_url"]), (1, &json!("/new")));
}

#[tokio::test]
async fn widgets_need_their_templates_and_places() {
    let shop = Shop::start(Settings::empty()).await;
    let template = shop
        .post("/v3/content/widget-templates", json!({ "name": "Text", "template": "<p>{{text}}</p>" }))
        .await
        .data()["uuid"]
        .clone();
    let widget = shop.post("/v3/content/widgets", json!({ "name": "W", "widget_template_uuid": template, "widget_configuration": { "text": "Hi" } })).await;
    assert_eq!(widget.data()["widget_template"]["name"], "Text");
    let place = |region: &str| json!({ "widget_uuid": widget.body["data"]["uuid"], "template_file": "pages/home", "region": region, "status": "active" });
    assert_eq!(shop.post("/v3/content/placements", place("nowhere")).await.status, 422);
    let made = shop.post("/v3/content/placements", place("home_below_menu")).await;
    assert_eq!(made.data()["widget"]["name"], "W");
    assert_eq!(
        shop.delete(&format!("/v3/content/widget-templates/{}", template.as_str().unwrap())).await.status,
        422
    );
    assert_eq!(
        shop.delete(&format!("/v3/content/widgets/{}", widget.body["data"]["uuid"].as_str().unwrap()))
            .await
            .status,
        204
    );
    assert_eq!(shop.list("/v3/content/placements").await.len(), 0);
}

#[tokio::test]
async fn themes_are_fetched_and_brought_by_jobs() {
    let shop = Shop::start(Settings {
        job_time: Duration::from_secs(3),
        products: 2,
        customers: 0,
        orders: 0,
        ..Settings::default()
    })
    .await;
    let theme = shop.list("/v3/themes").await.into_iter().find(|theme| theme["is_private"] == true).unwrap();
    let uuid = theme["uuid"].as_str().unwrap();
    let job = shop.post(&format!("/v3/themes/{uuid}/actions/download"), json!({ "which": "original" })).await;
    let path = format!("/v3/themes/jobs/{}", job.body["job_id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.data()["status"], "WORKING");
    shop.clock.pass(Duration::from_secs(3));
    let done = shop.get(&path).await;
    let url = done.data()["result"]["download_url"].as_str().unwrap();
    let archive = shop.client.get(url).send().await.unwrap().bytes().await.unwrap();
    assert!(archive.starts_with(b"PK"));
    let other = Shop::start(Settings::empty()).await;
    let part = reqwest::multipart::Part::bytes(archive.to_vec()).file_name("theme.zip");
    let form = reqwest::multipart::Form::new().part("file", part);
    let job = Shop::send(other.request("POST", "/v3/themes").multipart(form)).await;
    assert_eq!(job.status, 201);
    let path = format!("/v3/themes/jobs/{}", job.body["job_id"].as_str().unwrap());
    let id = other.get(&path).await.data()["result"]["theme_id"].clone();
    let brought = other.get(&format!("/v3/themes/{}", id.as_str().unwrap())).await;
    assert_eq!(brought.data()["name"], "Practice theme");
    let variation = brought.data()["variations"][0]["uuid"].clone();
    assert_eq!(
        other.post("/v3/themes/actions/activate", json!({ "variation_id": variation })).await.status,
        204
    );
    assert_eq!(other.get("/v3/channels/1/active-theme").await.data()["active_theme_uuid"], id);
    let part = reqwest::multipart::Part::bytes(b"nothing".to_vec()).file_name("theme.zip");
    let form = reqwest::multipart::Form::new().part("file", part);
    assert_eq!(Shop::send(other.request("POST", "/v3/themes").multipart(form)).await.status, 422);
}

#[tokio::test]
async fn stock_is_set_by_location_and_the_catalog_shows_the_first() {
    let shop = Shop::start(Settings::empty()).await;
    let mut body = plain("Lamp");
    body["sku"] = json!("L-1");
    body["inventory_tracking"] = json!("product");
    let id = shop.post("/v3/catalog/products", body).await.data()["id"].clone();
    let place = json!([{ "code": "D", "label": "Depot", "address": { "address1": "1 Street", "city": "Berlin", "state": "Berlin", "zip": "1", "country_code": "DE", "email": "d@example.com", "geo_coordinates": { "latitude": 52, "longitude": 13 } } }]);
    let made = shop.post("/v3/inventory/locations", place.clone()).await;
    // Nothing of what was made is told: whoever needs the number reads the list.
    assert_eq!(made.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["transaction_id"]);
    assert_eq!(shop.post("/v3/inventory/locations", place).await.status, 409);
    let depot = shop.list("/v3/inventory/locations?location_code:in=D").await[0]["id"].clone();
    let items = json!({ "items": [{ "location_id": 1, "sku": "L-1", "quantity": 7 }, { "location_id": depot, "sku": "L-1", "quantity": 3 }] });
    assert_eq!(shop.put("/v3/inventory/adjustments/absolute", items).await.status, 200);
    assert_eq!(shop.get(&format!("/v3/catalog/products/{id}")).await.data()["inventory_level"], 7);
    let item = shop.list("/v3/inventory/items").await[0].clone();
    let levels: Vec<_> = item["locations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| place["total_inventory_onhand"].as_i64().unwrap())
        .collect();
    assert_eq!(levels, [7, 3]);
    let short = json!({ "items": [{ "location_id": depot, "sku": "L-1", "quantity": -4 }] });
    assert_eq!(shop.post("/v3/inventory/adjustments/relative", short).await.status, 422);
    let many = vec![json!({ "location_id": 1, "sku": "L-1", "quantity": 1 }); 2_001];
    assert_eq!(shop.put("/v3/inventory/adjustments/absolute", json!({ "items": many })).await.status, 422);
}

#[tokio::test]
async fn settings_are_of_the_store_and_of_channels() {
    let shop = Shop::start(Settings::empty()).await;
    let path = "/v3/settings/storefront/seo";
    let second = shop
        .post("/v3/channels", json!({ "name": "Second", "type": "storefront", "platform": "custom" }))
        .await
        .data()["id"]
        .clone();
    assert_eq!(shop.put(path, json!({ "page_title": "All" })).await.data()["page_title"], "All");
    assert_eq!(
        shop.put(&format!("{path}?channel_id={second}"), json!({ "page_title": "Second" })).await.status,
        200
    );
    assert_eq!(shop.get(path).await.data()["page_title"], "All");
    assert_eq!(shop.get(&format!("{path}?channel_id=1")).await.data()["page_title"], "All");
    assert_eq!(shop.get(&format!("{path}?channel_id={second}")).await.data()["page_title"], "Second");
    assert_eq!(shop.put(path, json!({ "colour": "red" })).await.status, 422);
    let mail = "/v3/marketing/email-templates/invoice_email";
    let before = shop.get(mail).await.data().clone();
    assert_eq!(shop.put(&format!("{mail}?channel_id=1"), json!({ "subject": "Ours" })).await.status, 200);
    assert_eq!(shop.get(&format!("{mail}?channel_id=1")).await.data()["subject"], "Ours");
    assert_eq!(shop.delete(&format!("{mail}?channel_id=1")).await.status, 200);
    assert_eq!(shop.get(&format!("{mail}?channel_id=1")).await.data(), &before);
}

#[tokio::test]
async fn shipping_taxes_and_currencies_are_kept() {
    let shop = Shop::start(Settings::empty()).await;
    let zone = shop
        .post(
            "/v2/shipping/zones",
            json!({ "name": "Germany", "type": "country", "locations": [{ "country_iso2": "DE" }] }),
        )
        .await;
    assert_eq!(zone.status, 201, "{:#}", zone.body);
    let methods = format!("/v2/shipping/zones/{}/methods", zone.body["id"]);
    assert_eq!(shop.get(&methods).await.status, 204);
    assert_eq!(
        shop.post(&methods, json!({ "name": "Flat", "type": "perorder", "settings": { "rate": 5 } }))
            .await
            .status,
        200
    );
    assert_eq!(shop.post(&methods, json!({ "name": "Post", "type": "fedex" })).await.status, 400);
    let class = shop.post("/v3/tax/classes", json!([{ "name": "Books" }])).await.data()[0].clone();
    let read = shop.get(&format!("/v2/tax_classes/{}", class["id"])).await;
    assert_eq!(
        (&read.body["name"], read.body["id"].is_string(), class["id"].is_number()),
        (&json!("Books"), true, true)
    );
    let zone = shop.post("/v3/tax/zones", json!([{ "name": "Berlin" }])).await.data()[0]["id"].clone();
    let rate = |class: &Value| json!([{ "tax_zone_id": zone, "name": "VAT", "class_rates": [{ "rate": 7, "tax_class_id": class }] }]);
    assert_eq!(shop.post("/v3/tax/rates", rate(&json!(7))).await.status, 422);
    assert_eq!(shop.post("/v3/tax/rates", rate(&class["id"])).await.status, 200);
    let currency = shop.list("/v2/currencies").await[0].clone();
    assert_eq!(shop.delete(&format!("/v2/currencies/{}", currency["id"])).await.status, 400);
    assert_eq!(shop.delete("/v3/channels/1").await.status, 405);
}
