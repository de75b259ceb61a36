//! Webhooks: who is told what, how it is signed, and what nobody is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};
use support::bigcommerce::Shop;
use support::receiver::Receiver;

async fn pause() {
    #[expect(clippy::disallowed_methods, reason = "real connections do the work")]
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn heard(receiver: &Receiver, count: usize) -> Vec<(axum::http::HeaderMap, Value)> {
    for _ in 0..500 {
        let heard = receiver.heard();
        if heard.len() >= count {
            return heard;
        }
        pause().await;
    }
    panic!("nothing more was heard than {:?}", receiver.heard());
}

async fn listening(scope: &str) -> (Arc<Receiver>, Shop) {
    let receiver = Receiver::start().await;
    let settings = Settings { webhook_ca_pem: Some(receiver.ca_pem.clone()), ..Settings::empty() };
    let shop = Shop::start(settings).await;
    let hook = json!({ "scope": scope, "destination": receiver.url, "is_active": true, "headers": { "x-own": "word" } });
    assert_eq!(shop.post("/v3/hooks", hook).await.status, 200);
    (receiver, shop)
}

#[tokio::test]
async fn an_event_names_the_thing_and_is_signed() {
    let (receiver, shop) = listening("store/product/created").await;
    let id = shop.product("Lamp").await;
    let (headers, body) = heard(&receiver, 1).await.remove(0);
    let hash = shop.running.url.rsplit('/').next().unwrap();
    assert_eq!(
        (&body["producer"], &body["scope"]),
        (&json!(format!("stores/{hash}")), &json!("store/product/created"))
    );
    assert_eq!(body["data"], json!({ "type": "product", "id": id }));
    assert_eq!(headers["x-own"], "word");
    let header = |name: &str| headers[name].to_str().unwrap();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), receiver.bodies()[0]);
    let key = hmac::Key::new(hmac::HMAC_SHA256, shop.running.client_secret.as_bytes());
    let given = header("webhook-signature").strip_prefix("v1,").unwrap();
    assert_eq!(given, support::receiver::base64(hmac::sign(&key, signed.as_bytes()).as_ref()));
}

#[tokio::test]
async fn what_has_no_event_is_told_to_nobody() {
    let (receiver, shop) = listening("store/product/*").await;
    let id = shop.product("Lamp").await;
    heard(&receiver, 1).await;
    let part = reqwest::multipart::Part::bytes(b"\x89PNG\r\n\x1a\n1".to_vec()).file_name("a.png");
    let form = reqwest::multipart::Form::new().part("image_file", part);
    let image =
        Shop::send(shop.request("POST", &format!("/v3/catalog/products/{id}/images")).multipart(form)).await;
    shop.put(
        &format!("/v3/catalog/products/{id}/images/{}", image.data()["id"]),
        json!({ "description": "b" }),
    )
    .await
    .data();
    shop.post("/v3/catalog/brands", json!({ "name": "B" })).await.data();
    shop.put(&format!("/v3/catalog/products/{id}"), json!({ "price": 3 })).await.data();
    shop.delete(&format!("/v3/catalog/products/{id}")).await;
    // In whatever order: each is on its way by itself.
    let mut scopes: Vec<String> = heard(&receiver, 3)
        .await
        .iter()
        .map(|(_, body)| body["scope"].as_str().unwrap().to_owned())
        .collect();
    scopes.sort();
    assert_eq!(scopes, ["store/product/created", "store/product/deleted", "store/product/updated"]);
    for scope in ["store/brand/created", "store/product", "store/coupon/*"] {
        let hook = json!({ "scope": scope, "destination": receiver.url });
        assert_eq!(shop.post("/v3/hooks", hook).await.status, 422, "{scope}");
    }
    // All at once is told only of what the platform says so.
    for (scope, status) in [
        ("store/priceList/*", 422),
        ("store/inventory/location/*", 422),
        ("store/inventory/location/deleted", 422),
        ("store/customer/metafield/created", 422),
        ("store/priceList/created", 200),
        ("store/inventory/location/created", 200),
        ("store/customer/*", 200),
    ] {
        let hook = json!({ "scope": scope, "destination": receiver.url });
        assert_eq!(shop.post("/v3/hooks", hook).await.status, status, "{scope}");
    }
    let again = json!({ "scope": "store/product/*", "destination": receiver.url });
    assert_eq!(shop.post("/v3/hooks", again).await.status, 409);
    for turn in 0..9 {
        let hook = json!({ "scope": "store/product/*", "destination": format!("{}/{turn}", receiver.url) });
        assert_eq!(shop.post("/v3/hooks", hook).await.status, 200);
    }
    let eleventh = json!({ "scope": "store/product/*", "destination": format!("{}/x", receiver.url) });
    assert_eq!(shop.post("/v3/hooks", eleventh).await.status, 422);
}

#[tokio::test]
async fn what_is_refused_is_sent_again_and_then_no_more() {
    let (receiver, shop) = listening("store/product/created").await;
    receiver.refuse(true);
    shop.product("Lamp").await;
    heard(&receiver, 1).await;
    for (turn, wait) in
        [60, 180, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 50_400, 86_400].into_iter().enumerate()
    {
        assert_eq!(shop.list("/v3/hooks").await[0]["is_active"], true);
        // Whoever sends may not have begun to wait yet.
        while receiver.heard().len() < turn + 2 {
            shop.clock.pass(Duration::from_secs(wait));
            pause().await;
        }
    }
    while shop.list("/v3/hooks").await[0]["is_active"] == true {
        pause().await;
    }
}

/// The message of that scope.
async fn told(receiver: &Receiver, scope: &str) -> Value {
    for count in 1..100 {
        let heard = heard(receiver, count).await;
        if let Some((_, body)) = heard.into_iter().find(|(_, body)| body["scope"] == scope) {
            return body["data"].clone();
        }
    }
    panic!("{scope} was not told");
}

#[tokio::test]
async fn an_event_has_the_shape_that_the_platform_gives_it() {
    let (receiver, shop) = listening("store/product/inventory/updated").await;
    for scope in [
        "store/product/metafield/created",
        "store/priceList/created",
        "store/priceList/activated",
        "store/priceList/deactivated",
        "store/priceList/record/updated",
        "store/priceList/records/created",
        "store/priceList/assignment/updated",
        "store/priceLists/deleted",
        "store/inventory/location/created",
    ] {
        let hook = json!({ "scope": scope, "destination": receiver.url });
        assert_eq!(shop.post("/v3/hooks", hook).await.status, 200, "{scope}");
    }
    let id = shop.product("Lamp").await;
    let product = shop.get(&format!("/v3/catalog/products/{id}?include=variants")).await;
    let variant = product.data()["variants"][0]["id"].clone();
    let items = json!([{ "location_id": 1, "variant_id": variant, "quantity": 4 }]);
    let counted = json!({ "reason": "counted", "items": items });
    assert!(shop.put("/v3/inventory/adjustments/absolute", counted).await.status < 300);
    let stock = json!({ "product_id": id, "method": "absolute", "value": 4 });
    assert_eq!(
        told(&receiver, "store/product/inventory/updated").await,
        json!({ "type": "product", "id": id, "inventory": stock })
    );
    let metafield = json!({ "key": "a", "namespace": "b", "value": "c", "permission_set": "read" });
    let metafield = shop.post(&format!("/v3/catalog/products/{id}/metafields"), metafield).await;
    assert_eq!(
        told(&receiver, "store/product/metafield/created").await,
        json!({ "metafield_id": metafield.data()["id"], "resource_id": id.to_string(), "namespace": "b" })
    );
    let list =
        shop.post("/v3/pricelists", json!({ "name": "Spring", "active": true })).await.data()["id"].clone();
    assert_eq!(told(&receiver, "store/priceList/created").await, json!({ "price_list_id": list }));
    for (active, scope) in [(false, "deactivated"), (true, "activated")] {
        let body = json!({ "name": "Spring", "active": active });
        shop.put(&format!("/v3/pricelists/{list}"), body).await.data();
        assert_eq!(
            told(&receiver, &format!("store/priceList/{scope}")).await,
            json!({ "price_list_id": list })
        );
    }
    let currency = shop.get("/v2/currencies").await.body[0]["currency_code"].as_str().unwrap().to_lowercase();
    let records = json!([{ "variant_id": variant, "currency": currency, "price": 7 }]);
    assert!(shop.put(&format!("/v3/pricelists/{list}/records"), records).await.status < 300);
    let record = json!({ "price_list_id": list, "variant_id": variant, "currency": currency });
    assert_eq!(told(&receiver, "store/priceList/records/created").await, json!([record]));
    let one = format!("/v3/pricelists/{list}/records/{variant}/{currency}");
    shop.put(&one, json!({ "price": 8 })).await.data();
    assert_eq!(told(&receiver, "store/priceList/record/updated").await, record);
    shop.delete(&format!("/v3/pricelists?id:in={list}")).await;
    assert_eq!(told(&receiver, "store/priceLists/deleted").await, json!({ "price_list_ids": [list] }));
}
