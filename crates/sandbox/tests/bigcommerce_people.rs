//! Customers, groups, wishlists, segments and orders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};
use support::bigcommerce::Shop;

fn customer(mail: &str) -> Value {
    json!({ "email": mail, "first_name": "Ada", "last_name": "Example" })
}

#[tokio::test]
async fn customers_come_in_tens_and_show_no_password() {
    let shop = Shop::start(Settings::empty()).await;
    let attribute =
        shop.post("/v3/customers/attributes", json!([{ "name": "Visits", "type": "number" }])).await.data()
            [0]["id"]
            .clone();
    let mut full = customer("ada@example.com");
    full["authentication"] = json!({ "new_password": "secret1234", "force_password_reset": true });
    full["addresses"] = json!([{ "first_name": "Ada", "last_name": "Example", "address1": "1 Street", "city": "Berlin", "country_code": "DE", "postal_code": "1", "state_or_province": "Berlin" }]);
    full["attributes"] = json!([{ "attribute_id": attribute, "attribute_value": "3" }]);
    full["store_credit_amounts"] = json!([{ "amount": 5 }]);
    full["form_fields"] = json!([{ "name": "Favourite colour", "value": "Blue" }]);
    let made = shop.post("/v3/customers", json!([full])).await;
    let made = &made.data()[0];
    assert_eq!((&made["address_count"], &made["attribute_count"]), (&json!(1), &json!(1)));
    assert_eq!(made["authentication"], json!({ "force_password_reset": true }));
    let read = shop.get("/v3/customers?include=addresses,attributes,storecredit,formfields").await;
    let read = &read.data()[0];
    assert_eq!(read["addresses"][0]["country"], "Germany");
    assert_eq!(read["attributes"][0]["attribute_value"], "3");
    assert_eq!(read["store_credit_amounts"][0]["amount"], 5);
    assert_eq!(
        read["form_fields"][0],
        json!({ "name": "Favourite colour", "value": "Blue", "customer_id": made["id"] })
    );
    assert!(!read.to_string().contains("secret"));
    assert!(shop.list("/v3/customers").await[0].get("addresses").is_none());
    let known = shop
        .post(
            "/v3/customers/validate-credentials",
            json!({ "email": "ada@example.com", "password": "secret1234" }),
        )
        .await;
    assert_eq!(known.body, json!({ "is_valid": true, "customer_id": made["id"] }));
    let eleven: Vec<Value> = (0..11).map(|turn| customer(&format!("c{turn}@example.com"))).collect();
    assert_eq!(shop.post("/v3/customers", json!(eleven)).await.status, 413);
    assert_eq!(shop.post("/v3/customers", json!(eleven[..10])).await.status, 200);
}

#[tokio::test]
async fn a_mail_address_is_that_of_one_customer_and_a_batch_fails_whole() {
    let shop = Shop::start(Settings::empty()).await;
    shop.post("/v3/customers", json!([customer("ada@example.com")])).await.data();
    let refused =
        shop.post("/v3/customers", json!([customer("bo@example.com"), customer("ADA@example.com")])).await;
    assert_eq!(refused.status, 409);
    // It does not say which of them it was.
    assert_eq!(refused.body["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), ["email"]);
    assert_eq!(shop.list("/v3/customers").await.len(), 1);
    for (field, value) in [
        ("email", json!("nobody")),
        ("customer_group_id", json!(7)),
        ("id", json!(7)),
        ("date_created", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut wrong = customer("new@example.com");
        wrong[field] = value;
        assert_eq!(shop.post("/v3/customers", json!([wrong])).await.status, 422, "{field}");
    }
    // Whoever is bound to one channel may have the same address in another.
    let channel = shop
        .post("/v3/channels", json!({ "name": "Second", "type": "storefront", "platform": "custom" }))
        .await
        .data()["id"]
        .clone();
    let mut bound = customer("ada@example.com");
    bound["origin_channel_id"] = channel.clone();
    bound["channel_ids"] = json!([channel]);
    assert_eq!(shop.post("/v3/customers", json!([bound.clone()])).await.status, 200);
    assert_eq!(shop.post("/v3/customers", json!([bound])).await.status, 409);
    let id = shop.list("/v3/customers").await[0]["id"].clone();
    assert_eq!(shop.put("/v3/customers", json!([{ "id": id, "attributes": [] }])).await.status, 422);
    let moved = shop.put("/v3/customers", json!([{ "id": id, "first_name": "Eve" }])).await;
    assert_eq!(moved.data()[0]["first_name"], "Eve");
    assert_eq!(shop.delete("/v3/customers").await.status, 422);
    assert_eq!(shop.delete(&format!("/v3/customers?id:in={id}")).await.status, 204);
    assert_eq!(shop.list("/v3/customers").await.len(), 1);
}

#[tokio::test]
async fn values_of_attributes_have_the_type_of_their_attribute() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.post("/v3/customers", json!([customer("ada@example.com")])).await.data()[0]["id"].clone();
    let attribute =
        shop.post("/v3/customers/attributes", json!([{ "name": "Visits", "type": "number" }])).await.data()
            [0]["id"]
            .clone();
    let value = |value: &str| json!([{ "customer_id": id, "attribute_id": attribute, "value": value }]);
    assert_eq!(shop.put("/v3/customers/attribute-values", value("many")).await.status, 422);
    let first = shop.put("/v3/customers/attribute-values", value("3")).await.data()[0].clone();
    let second = shop.put("/v3/customers/attribute-values", value("4")).await.data()[0].clone();
    assert_eq!((&first["id"], &second["attribute_value"]), (&second["id"], &json!("4")));
    assert_eq!(
        shop.list(&format!("/v3/customers/attribute-values?customer_id:in={id}&name=Visits")).await.len(),
        1
    );
    let field = json!([{ "customer_id": id, "name": "Favourite colour", "value": "Red" }]);
    assert_eq!(shop.put("/v3/customers/form-field-values", field).await.status, 200);
    let other = json!([{ "customer_id": id, "name": "Height", "value": "1.80" }]);
    assert_eq!(shop.put("/v3/customers/form-field-values", other).await.status, 422);
    assert_eq!(
        shop.list("/v3/customers/form-field-values?field_name=Favourite%20colour").await[0]["value"],
        "Red"
    );
}

#[tokio::test]
async fn groups_of_v2_name_things_of_the_store() {
    let shop = Shop::start(Settings::empty()).await;
    let tree = shop.list("/v3/catalog/trees").await[0]["id"].clone();
    let category = shop
        .post("/v3/catalog/trees/categories", json!([{ "name": "A", "tree_id": tree, "parent_id": 0 }]))
        .await
        .data()[0]["category_id"]
        .clone();
    assert_eq!(shop.get("/v2/customer_groups").await.status, 204);
    let group = |id: &Value| json!({ "name": "Wholesale", "is_group_for_guests": true, "discount_rules": [{ "type": "category", "category_id": id, "amount": "5.0000", "method": "percent" }] });
    let refused = shop.post("/v2/customer_groups", group(&json!(7))).await;
    assert_eq!((refused.status, refused.body[0]["status"].as_u64()), (400, Some(400)));
    let first = shop.post("/v2/customer_groups", group(&category)).await;
    assert_eq!(first.status, 200);
    let second =
        shop.post("/v2/customer_groups", json!({ "name": "Other", "is_group_for_guests": true })).await;
    assert_eq!(second.body["is_group_for_guests"], true);
    // Only one group is that of guests.
    assert_eq!(
        shop.get(&format!("/v2/customer_groups/{}", first.body["id"])).await.body["is_group_for_guests"],
        false
    );
    assert_eq!(shop.get("/v2/customer_groups/count").await.body["count"], 2);
    assert_eq!(shop.post("/v2/customer_groups", json!({ "name": "Other" })).await.status, 409);
    // A list of prices cannot be for a group that has discounts.
    let list = shop.post("/v3/pricelists", json!({ "name": "Prices" })).await.data()["id"].clone();
    let assign =
        |group: &Value| json!([{ "price_list_id": list, "customer_group_id": group, "channel_id": 1 }]);
    assert_eq!(shop.post("/v3/pricelists/assignments", assign(&first.body["id"])).await.status, 422);
    assert_eq!(shop.post("/v3/pricelists/assignments", assign(&second.body["id"])).await.status, 200);
}

#[tokio::test]
async fn wishlists_subscribers_and_segments_are_kept() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.post("/v3/customers", json!([customer("ada@example.com")])).await.data()[0]["id"].clone();
    let product = shop.product("Lamp").await;
    let list = json!({ "customer_id": id, "name": "Wishes", "items": [{ "product_id": product }] });
    let made = shop.post("/v3/wishlists", list.clone()).await;
    assert_eq!((made.status, &made.body["data"]["items"][0]["product_id"]), (201, &json!(product)));
    let mut lost = list;
    lost["items"] = json!([{ "product_id": 7 }]);
    assert_eq!(shop.post("/v3/wishlists", lost).await.status, 422);
    let subscriber = json!({ "email": "news@example.com", "first_name": "A" });
    assert_eq!(shop.post("/v3/customers/subscribers", subscriber.clone()).await.status, 200);
    assert_eq!(shop.post("/v3/customers/subscribers", subscriber).await.status, 409);
    let segment = shop.post("/v3/segments", json!([{ "name": "Loyal" }])).await.data()[0]["id"].clone();
    let profile =
        shop.post("/v3/shopper-profiles", json!([{ "customer_id": id }])).await.data()[0]["id"].clone();
    let path = format!("/v3/segments/{}/shopper-profiles", segment.as_str().unwrap());
    assert_eq!(shop.post(&path, json!([profile])).await.status, 201);
    assert_eq!(shop.post(&path, json!([profile])).await.status, 409);
    let shown = shop.get("/v3/customers?include=shopper_profile_id,segment_ids").await;
    assert_eq!(
        (&shown.data()[0]["shopper_profile_id"], &shown.data()[0]["segment_ids"]),
        (&profile, &json!([segment]))
    );
}

#[tokio::test]
async fn a_new_order_is_new_and_its_status_is_a_number() {
    let shop = Shop::start(Settings::empty()).await;
    let product = shop.product("Lamp").await;
    let address = json!({ "first_name": "Ada", "last_name": "Example", "street_1": "1 Street", "city": "Berlin", "state": "Berlin", "zip": "1", "country": "Germany", "country_iso2": "DE", "email": "ada@example.com" });
    let order = json!({ "billing_address": address, "products": [{ "product_id": product, "quantity": 2 }], "status_id": 10, "external_source": "M-MIG" });
    let made = shop.post("/v2/orders", order.clone()).await;
    assert_eq!(made.status, 200, "{:#}", made.body);
    assert_eq!((&made.body["status"], &made.body["total_inc_tax"]), (&json!("Completed"), &json!("20.0000")));
    for (field, value) in [
        ("status", json!("Completed")),
        ("id", json!(7)),
        ("products", json!([])),
        ("products", json!([{ "product_id": 7, "quantity": 1 }])),
    ] {
        let mut wrong = order.clone();
        wrong[field] = value;
        assert_eq!(shop.post("/v2/orders", wrong).await.status, 400, "{field}");
    }
    let id = made.body["id"].clone();
    assert_eq!(shop.list(&format!("/v2/orders/{id}/products")).await[0]["name"], "Lamp");
    assert_eq!(shop.get(&format!("/v2/orders/{id}/coupons")).await.status, 204);
    let whole = shop
        .get(&format!(
            "/v2/orders/{id}?include=consignments,consignments.line_items&consignment_structure=object"
        ))
        .await;
    assert!(whole.body["consignments"]["shipping"].is_array());
    // What is deleted is put away.
    assert_eq!(shop.delete(&format!("/v2/orders/{id}")).await.status, 204);
    assert_eq!(shop.get(&format!("/v2/orders/{id}")).await.body["is_deleted"], true);
    assert_eq!(
        Shop::send(shop.request("POST", &format!("/v3/orders/{id}/payment_actions/capture"))).await.status,
        501
    );
}
