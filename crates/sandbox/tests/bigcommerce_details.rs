//! Smaller rules of many kinds, each with what is taken beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};
use support::bigcommerce::{Got, Shop, plain};

async fn upload(shop: &Shop, path: &str, length: usize) -> Got {
    let bytes = [b"\x89PNG\r\n\x1a\n".to_vec(), vec![7; length]].concat();
    let part = reqwest::multipart::Part::bytes(bytes).file_name("a.png");
    Shop::send(shop.request("POST", path).multipart(reqwest::multipart::Form::new().part("image_file", part)))
        .await
}

async fn exists(shop: &Shop, url: &Value) -> bool {
    shop.client.get(url.as_str().unwrap()).send().await.unwrap().status() == 200
}

#[tokio::test]
async fn what_belongs_to_a_product_has_its_own_rules() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.product("Lamp").await;
    let path = format!("/v3/catalog/products/{id}");
    let field = json!({ "name": "Material", "value": "Oak" });
    assert_eq!(shop.post(&format!("{path}/custom-fields"), field.clone()).await.status, 200);
    assert_eq!(shop.post(&format!("{path}/custom-fields"), field).await.status, 409);
    assert_eq!(
        shop.post(&format!("{path}/custom-fields"), json!({ "name": "Material", "value": "Ash" }))
            .await
            .status,
        200
    );
    let tier = |low: u32, high: u32| json!({ "quantity_min": low, "quantity_max": high, "type": "price", "amount": 2 });
    assert_eq!(shop.post(&format!("{path}/bulk-pricing-rules"), tier(5, 9)).await.status, 200);
    assert_eq!(shop.post(&format!("{path}/bulk-pricing-rules"), tier(9, 12)).await.status, 422);
    assert_eq!(shop.post(&format!("{path}/bulk-pricing-rules"), tier(10, 0)).await.status, 200);
    assert_eq!(shop.post(&format!("{path}/bulk-pricing-rules"), tier(30, 20)).await.status, 422);
    assert_eq!(shop.get(&format!("{path}/reviews")).await.status, 204);
    let review = |rating: i32| json!({ "title": "Good", "date_reviewed": "2026-01-01T00:00:00+00:00", "rating": rating, "status": "approved" });
    assert_eq!(shop.post(&format!("{path}/reviews"), review(6)).await.status, 422);
    assert_eq!(shop.post(&format!("{path}/reviews"), review(5)).await.status, 200);
    let product = shop.get(&path).await;
    assert_eq!(
        (&product.data()["reviews_count"], &product.data()["reviews_rating_sum"]),
        (&json!(1), &json!(5))
    );
    assert_eq!(shop.post(&format!("{path}/videos"), json!({ "title": "No video" })).await.status, 422);
    assert_eq!(
        shop.post(&format!("{path}/videos"), json!({ "video_id": "abc", "type": "youtube" })).await.status,
        200
    );
    // What rides in the product's body comes with it.
    let body = json!({ "custom_fields": [{ "name": "Colour", "value": "Red" }], "bulk_pricing_rules": [tier(2, 3)] });
    assert_eq!(shop.put(&path, body).await.status, 200);
    assert_eq!(shop.list(&format!("{path}/custom-fields")).await.len(), 3);
    assert_eq!(shop.list(&format!("{path}/bulk-pricing-rules")).await.len(), 1);
}

#[tokio::test]
async fn what_the_platform_counts_is_not_kept() {
    let shop = Shop::start(Settings::empty()).await;
    let mut body = plain("Lamp");
    for name in ["reviews_count", "reviews_rating_sum", "total_sold", "view_count"] {
        body[name] = json!(9);
    }
    body["sort_order"] = json!(9);
    let made = shop.post("/v3/catalog/products", body).await;
    assert_eq!(
        (&made.data()["total_sold"], &made.data()["view_count"], &made.data()["sort_order"]),
        (&json!(0), &json!(0), &json!(9))
    );
}

#[tokio::test]
async fn values_have_what_their_type_needs_and_take_variants_along() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.product("Shirt").await;
    let path = format!("/v3/catalog/products/{id}");
    let swatch = |data: Value| json!({ "display_name": "Colour", "type": "swatch", "option_values": [{ "label": "Red", "sort_order": 0, "value_data": data }, { "label": "Blue", "sort_order": 1, "value_data": { "colors": ["#0000ff"] } }] });
    assert_eq!(shop.post(&format!("{path}/options"), swatch(json!({}))).await.status, 422);
    let option =
        shop.post(&format!("{path}/options"), swatch(json!({ "colors": ["#ff0000"] }))).await.data().clone();
    assert_eq!(
        shop.post(&format!("{path}/options"), swatch(json!({ "colors": ["#ff0000"] }))).await.status,
        409
    );
    // An option makes no variants.
    assert_eq!(shop.list(&format!("{path}/variants")).await.len(), 1);
    for (turn, value) in option["option_values"].as_array().unwrap().iter().enumerate() {
        let variant = json!({ "sku": format!("S-{turn}"), "option_values": [{ "option_id": option["id"], "id": value["id"] }] });
        assert_eq!(shop.post(&format!("{path}/variants"), variant).await.status, 200);
    }
    let option_path = format!("{path}/options/{}", option["id"]);
    let renamed = json!([{ "id": option["option_values"][0]["id"], "label": "Crimson", "sort_order": 0 }]);
    assert_eq!(shop.put(&option_path, json!({ "option_values": renamed })).await.status, 200);
    let variants = shop.list(&format!("{path}/variants")).await;
    assert_eq!((variants.len(), &variants[0]["option_values"][0]["label"]), (1, &json!("Crimson")));
    let strange = json!([{ "id": 7, "label": "Lost", "sort_order": 0 }]);
    assert_eq!(shop.put(&option_path, json!({ "option_values": strange })).await.status, 422);
    assert_eq!(shop.delete(&option_path).await.status, 204);
    let left = shop.list(&format!("{path}/variants")).await;
    assert_eq!((left.len(), &left[0]["option_values"]), (1, &json!([])));
    assert_eq!(shop.get(&path).await.data()["base_variant_id"], left[0]["id"]);
}

#[tokio::test]
async fn images_of_variants_values_brands_and_categories_are_one_each() {
    let shop = Shop::start(Settings { products: 7, customers: 0, orders: 0, ..Settings::default() }).await;
    let variant = shop.list("/v3/catalog/variants").await[0].clone();
    let path = format!("/v3/catalog/products/{}/variants/{}/image", variant["product_id"], variant["id"]);
    assert_eq!(upload(&shop, &path, 1 << 20).await.status, 422, "more than a form may bring");
    let url = upload(&shop, &path, 10).await.data()["image_url"].clone();
    assert!(exists(&shop, &url).await);
    let modifier = shop.running.dump()["modifier"]
        .as_object()
        .unwrap()
        .values()
        .find(|one| one["type"] == "dropdown")
        .unwrap()
        .clone();
    let value = &modifier["option_values"][0];
    let path = format!(
        "/v3/catalog/products/{}/modifiers/{}/values/{}",
        modifier["product_id"], modifier["id"], value["id"]
    );
    let url = upload(&shop, &format!("{path}/image"), 10).await.data()["image_url"].clone();
    assert_eq!(shop.get(&path).await.data()["adjusters"]["image_url"], url);
    let brand = shop.list("/v3/catalog/brands").await[0].clone();
    let old = brand["image_url"].clone();
    assert!(exists(&shop, &old).await);
    let path = format!("/v3/catalog/brands/{}", brand["id"]);
    let new = upload(&shop, &format!("{path}/image"), 10).await.data()["image_url"].clone();
    assert!(!exists(&shop, &old).await && exists(&shop, &new).await);
    assert_eq!(shop.delete(&path).await.status, 204);
    assert!(!exists(&shop, &new).await);
    assert_eq!(upload(&shop, "/v3/catalog/categories/7/image", 10).await.status, 404);
    // All of a product's images go with it.
    let image = shop.list(&format!("/v3/catalog/products/{}/images", variant["product_id"])).await[0].clone();
    assert!(exists(&shop, &image["url_zoom"]).await);
    shop.delete(&format!("/v3/catalog/products/{}", variant["product_id"])).await;
    assert!(!exists(&shop, &image["url_zoom"]).await);
}

#[tokio::test]
async fn what_cannot_be_finished_leaves_nothing_behind() {
    let shop = Shop::start(Settings::empty()).await;
    let address = |country: &str| json!([{ "email": "ada@example.com", "first_name": "A", "last_name": "B", "addresses": [{ "first_name": "A", "last_name": "B", "address1": "1", "city": "C", "country_code": country, "state_or_province": "S", "postal_code": "1" }] }]);
    assert_eq!(shop.post("/v3/customers", address("XX")).await.status, 422);
    assert_eq!(shop.list("/v3/customers").await.len(), 0);
    assert_eq!(shop.post("/v3/customers", address("DE")).await.status, 200);
    let mut body = plain("Shirt");
    body["sku"] = json!("S-1");
    body["variants"] =
        json!([{ "sku": "S-1", "option_values": [{ "option_display_name": "Size", "label": "M" }] }]);
    assert_eq!(shop.post("/v3/catalog/products", body.clone()).await.status, 409);
    assert_eq!(shop.list("/v3/catalog/products").await.len(), 0);
    body["variants"][0]["sku"] = json!("S-2");
    assert_eq!(shop.post("/v3/catalog/products", body).await.status, 200);
}

#[tokio::test]
async fn what_is_gone_is_no_longer_named() {
    let shop = Shop::start(Settings::empty()).await;
    let (a, b) = (shop.product("A").await, shop.product("B").await);
    assert_eq!(
        shop.put(&format!("/v3/catalog/products/{a}"), json!({ "related_products": [b] })).await.status,
        200
    );
    shop.delete(&format!("/v3/catalog/products/{b}")).await;
    assert_eq!(shop.get(&format!("/v3/catalog/products/{a}")).await.data()["related_products"], json!([]));
    let channel = shop
        .post("/v3/channels", json!({ "name": "Second", "type": "storefront", "platform": "custom" }))
        .await
        .data()["id"]
        .clone();
    let tree = shop
        .put("/v3/catalog/trees", json!([{ "name": "Second", "channels": [channel] }]))
        .await
        .data()[0]["id"]
        .clone();
    let made = json!([{ "name": "Top", "tree_id": tree, "parent_id": 0 }]);
    assert_eq!(shop.post("/v3/catalog/trees/categories", made).await.status, 201);
    assert_eq!(shop.delete(&format!("/v3/catalog/trees?id:in={tree}")).await.status, 204);
    assert_eq!(shop.list("/v3/catalog/trees/categories").await.len(), 0);
}

#[tokio::test]
async fn channels_have_sites_currencies_and_listings() {
    let shop = Shop::start(Settings::empty()).await;
    let body = |kind: &str, platform: &str| json!({ "name": kind, "type": kind, "platform": platform });
    assert_eq!(shop.post("/v3/channels", body("pos", "amazon")).await.status, 422);
    let channel = shop.post("/v3/channels", body("marketplace", "amazon")).await.data()["id"].clone();
    assert_eq!(shop.put(&format!("/v3/channels/{channel}"), json!({ "platform": "ebay" })).await.status, 422);
    assert_eq!(
        shop.put(&format!("/v3/channels/{channel}"), json!({ "status": "terminated" })).await.status,
        200
    );
    assert_eq!(shop.put(&format!("/v3/channels/{channel}"), json!({ "name": "New" })).await.status, 422);
    let site = |url: &str| json!({ "channel_id": channel, "url": url });
    assert_eq!(shop.post("/v3/sites", site("http://a.example.com")).await.status, 422);
    assert_eq!(shop.post("/v3/sites", site("https://a.example.com")).await.status, 201);
    assert_eq!(
        shop.post("/v3/sites", site("https://b.example.com")).await.status,
        409,
        "one site for a channel"
    );
    assert_eq!(
        shop.get(&format!("/v3/channels/{channel}/site")).await.data()["url"],
        "https://a.example.com"
    );
    let currencies = |code: &str| json!({ "default_currency": code, "enabled_currencies": [code] });
    assert_eq!(
        shop.post(&format!("/v3/channels/{channel}/currency-assignments"), currencies("XXX")).await.status,
        422
    );
    assert_eq!(
        shop.post(&format!("/v3/channels/{channel}/currency-assignments"), currencies("EUR")).await.status,
        200
    );
    let product = shop.product("Lamp").await;
    let variant = shop.list(&format!("/v3/catalog/products/{product}/variants")).await[0]["id"].clone();
    let listing = |variant: &Value| json!([{ "product_id": product, "state": "active", "variants": [{ "product_id": product, "variant_id": variant, "state": "active" }] }]);
    let path = format!("/v3/channels/{channel}/listings");
    assert_eq!(shop.post(&path, listing(&json!(7))).await.status, 422);
    let made = shop.post(&path, listing(&variant)).await;
    let first = made.data()[0]["listing_id"].clone();
    assert_eq!(shop.list(&format!("{path}?limit=1")).await.len(), 1);
    assert_eq!(shop.list(&format!("{path}?after={first}")).await.len(), 0);
}

#[tokio::test]
async fn scripts_of_the_checkout_need_more_than_content() {
    let shop = Shop::start(Settings::empty()).await;
    let script = |place: &str| json!({ "name": "S", "kind": "src", "src": "https://example.com/a.js", "visibility": place, "location": "head" });
    shop.running.set_access(&["store_v2_content"]);
    assert_eq!(shop.post("/v3/content/scripts", script("storefront")).await.status, 200);
    assert_eq!(shop.post("/v3/content/scripts", script("checkout")).await.status, 403);
    shop.running.set_access(&["store_v2_content", "store_content_checkout"]);
    assert_eq!(shop.post("/v3/content/scripts", script("checkout")).await.status, 200);
    let mut bad = script("storefront");
    bad["src"] = json!("http://example.com/a.js");
    assert_eq!(shop.post("/v3/content/scripts", bad).await.status, 422);
}

#[tokio::test]
async fn one_currency_is_the_default_and_one_stays_it() {
    let shop = Shop::start(Settings::empty()).await;
    let euro = shop.list("/v2/currencies").await[0]["id"].clone();
    let dollar = json!({ "currency_code": "USD", "name": "Dollar", "currency_exchange_rate": "1.1", "decimal_places": 2, "decimal_token": ".", "thousands_token": ",", "token": "$", "token_location": "left" });
    let made = shop.post("/v2/currencies", dollar.clone()).await;
    assert_eq!(made.status, 200, "{:#}", made.body);
    assert_eq!(shop.post("/v2/currencies", dollar).await.status, 409);
    assert_eq!(shop.put(&format!("/v2/currencies/{euro}"), json!({ "is_default": false })).await.status, 400);
    assert_eq!(
        shop.put(&format!("/v2/currencies/{}", made.body["id"]), json!({ "is_default": true })).await.status,
        200
    );
    assert_eq!(shop.get(&format!("/v2/currencies/{euro}")).await.body["is_default"], false);
}

#[tokio::test]
async fn taxes_customs_and_templates_belong_to_things() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.product("Lamp").await;
    let property = shop
        .post(
            "/v3/tax/properties",
            json!([{ "code": "fragile", "display_name": "Fragile", "type": "PRODUCT" }]),
        )
        .await
        .data()[0]["id"]
        .clone();
    let of = |code: &str| json!([{ "product_id": id, "tax_properties": { code: "yes" } }]);
    assert_eq!(shop.put("/v3/tax/products/properties", of("heavy")).await.status, 422);
    assert_eq!(shop.put("/v3/tax/products/properties", of("fragile")).await.status, 200);
    assert_eq!(shop.delete(&format!("/v3/tax/properties?id:in={property}")).await.status, 409);
    assert_eq!(shop.delete(&format!("/v3/tax/products/properties?product_id:in={id}")).await.status, 204);
    assert_eq!(shop.delete(&format!("/v3/tax/properties?id:in={property}")).await.status, 204);
    let customs = json!([{ "product_id": id, "country_of_origin": "DE", "commodity_description": "Lamp", "international_shipping": true, "hs_codes": { "ALL": "9405" } }]);
    assert_eq!(shop.put("/v3/shipping/products/customs-information", customs).await.status, 200);
    assert_eq!(shop.list("/v3/shipping/products/customs-information").await[0]["country_of_origin"], "DE");
    let template = |entity: u64| json!([{ "channel_id": 1, "entity_type": "product", "entity_id": entity, "file_name": "custom.html" }]);
    assert_eq!(shop.put("/v3/storefront/custom-template-associations", template(7)).await.status, 422);
    for _ in 0..2 {
        assert_eq!(shop.put("/v3/storefront/custom-template-associations", template(id)).await.status, 200);
    }
    assert_eq!(shop.list("/v3/storefront/custom-template-associations?type=product").await.len(), 1);
    assert_eq!(shop.delete("/v3/storefront/custom-template-associations").await.status, 422);
}

#[tokio::test]
async fn documents_are_kept_by_page_channel_and_context() {
    let shop = Shop::start(Settings::empty()).await;
    let page = json!({ "channel_id": 1, "template_file": "pages/home", "regions": [{ "name": "home_below_menu", "children": [] }] });
    assert_eq!(shop.post("/v3/content/page-widgets", page).await.status, 204);
    assert_eq!(
        shop.get("/v3/content/page-widgets?channel_id=1&template_file=pages/home").await.data()["regions"][0]
            ["name"],
        "home_below_menu"
    );
    assert_eq!(
        shop.get("/v3/content/page-widgets?channel_id=1&template_file=pages/nowhere").await.status,
        422
    );
    let filters = shop.list("/v3/settings/search/filters").await;
    let mut changed = filters[0].clone();
    changed["is_enabled"] = json!(false);
    assert_eq!(shop.put("/v3/settings/search/filters", json!([changed])).await.status, 200);
    assert_eq!(shop.list("/v3/settings/search/filters").await[0]["is_enabled"], false);
    let mut strange = filters[0].clone();
    strange["id"] = json!("elsewhere");
    assert_eq!(shop.put("/v3/settings/search/filters", json!([strange])).await.status, 422);
    let context = json!([{ "context": { "channel_id": 1 }, "data": [filters[1]] }]);
    assert_eq!(shop.put("/v3/settings/search/filters/contexts", context).await.status, 200);
    assert_eq!(shop.list("/v3/settings/search/filters/contexts?channel_id=1").await.len(), 1);
    let part = reqwest::multipart::Part::bytes(b"\x89PNG\r\n\x1a\n1".to_vec()).file_name("logo.png");
    let form = reqwest::multipart::Form::new().part("LogoFile", part);
    assert_eq!(Shop::send(shop.request("POST", "/v3/settings/logo/image").multipart(form)).await.status, 204);
    let logo = shop.get("/v3/settings/logo").await;
    assert_eq!(logo.data()["type"], "image");
    assert!(exists(&shop, &logo.data()["logo_image_url"]).await);
    let mail = json!({ "is_active": true, "notify_at_minutes": 60, "coupon_code": "NONE" });
    assert_eq!(shop.post("/v3/marketing/abandoned-cart-emails", mail).await.status, 422);
    assert_eq!(
        shop.post(
            "/v3/marketing/abandoned-cart-emails",
            json!({ "is_active": true, "notify_at_minutes": 60 })
        )
        .await
        .status,
        200
    );
}

#[tokio::test]
async fn themes_say_their_settings_only_when_asked_for_some() {
    let shop = Shop::start(Settings { products: 1, customers: 0, orders: 0, ..Settings::default() }).await;
    let theme = shop.list("/v3/themes").await[0].clone();
    let path = format!("/v3/themes/{}/configurations", theme["uuid"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.status, 422);
    let variation = theme["variations"][0]["uuid"].as_str().unwrap();
    assert_eq!(shop.list(&format!("{path}?variation_uuid={variation}")).await.len(), 1);
    assert_eq!(shop.list(&format!("{path}?channel_id:in=1")).await.len(), 2);
    let active = shop.list("/v3/themes").await.into_iter().find(|theme| theme["is_active"] == true).unwrap();
    assert_eq!(shop.delete(&format!("/v3/themes/{}", active["uuid"].as_str().unwrap())).await.status, 422);
}

#[tokio::test]
async fn an_order_takes_its_pieces_and_a_shipment_sends_mail() {
    let shop = Shop::start(Settings::empty()).await;
    let mut body = plain("Lamp");
    body["inventory_tracking"] = json!("product");
    body["inventory_level"] = json!(10);
    let product = shop.post("/v3/catalog/products", body).await.data()["id"].clone();
    let address = json!({ "first_name": "A", "last_name": "B", "street_1": "1", "city": "C", "state": "S", "zip": "1", "country": "Germany", "country_iso2": "DE", "email": "a@example.com" });
    let order = json!({ "billing_address": address, "shipping_addresses": [address], "products": [{ "product_id": product, "quantity": 3 }], "date_created": "2020-05-01T10:00:00Z" });
    let made = shop.post("/v2/orders", order).await;
    assert_eq!(made.body["date_created"], "Fri, 01 May 2020 10:00:00 +0000", "{:#}", made.body);
    let read = shop.get(&format!("/v3/catalog/products/{product}")).await;
    assert_eq!((&read.data()["inventory_level"], &read.data()["total_sold"]), (&json!(7), &json!(3)));
    let id = made.body["id"].clone();
    let line = shop.list(&format!("/v2/orders/{id}/products")).await[0].clone();
    let shipment = json!({ "order_address_id": line["order_address_id"], "items": [{ "order_product_id": line["id"], "quantity": 3 }] });
    assert_eq!(shop.post(&format!("/v2/orders/{id}/shipments"), shipment).await.status, 201);
    assert_eq!(shop.get(&format!("/v2/orders/{id}")).await.body["status"], "Shipped");
    assert_eq!(shop.running.dump()["order"][id.to_string()]["_mails"], 1);
}
