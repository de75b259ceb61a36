//! Products and all that belongs to them: what is taken, what is refused, and what follows from what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};
use std::time::Duration;
use support::bigcommerce::{Shop, plain};

/// A PNG image of one pixel; `number` makes it another one.
fn png(number: u8) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.push(number);
    bytes
}

async fn upload(
    shop: &Shop,
    path: &str,
    bytes: Vec<u8>,
    fields: &[(&str, &str)],
) -> support::bigcommerce::Got {
    let part = reqwest::multipart::Part::bytes(bytes).file_name("a.png");
    let form = fields
        .iter()
        .fold(reqwest::multipart::Form::new().part("image_file", part), |form, (name, value)| {
            form.text((*name).to_owned(), (*value).to_owned())
        });
    Shop::send(shop.request("POST", path).multipart(form)).await
}

#[tokio::test]
async fn a_product_is_made_read_changed_and_deleted() {
    let shop = Shop::start(Settings::empty()).await;
    let made = shop.post("/v3/catalog/products", plain("Lamp")).await;
    let product = made.data().clone();
    let id = product["id"].as_u64().unwrap();
    assert_eq!(product["custom_url"], json!({ "url": "/lamp/", "is_customized": false }));
    assert_eq!((&product["calculated_price"], &product["condition"]), (&json!(10), &json!("New")));
    let path = format!("/v3/catalog/products/{id}");
    assert_eq!(shop.get(&path).await.data()["name"], "Lamp");
    let changed = shop.put(&path, json!({ "price": 12.5, "sale_price": 9 })).await;
    assert_eq!((&changed.data()["price"], &changed.data()["calculated_price"]), (&json!(12.5), &json!(9)));
    // A product without options has one variant, which is the product itself.
    let variants = shop.list(&format!("{path}/variants")).await;
    assert_eq!(variants.len(), 1);
    assert_eq!(
        (&variants[0]["option_values"], &variants[0]["id"]),
        (&json!([]), &product["base_variant_id"])
    );
    assert_eq!(shop.delete(&path).await.status, 204);
    assert_eq!(shop.get(&path).await.status, 404);
    assert_eq!(shop.list(&format!("/v3/catalog/variants?product_id:in={id}")).await.len(), 0);
    // Numbers never come back.
    assert_eq!(shop.product("Lamp").await, id + 1);
}

#[tokio::test]
async fn what_no_description_allows_is_refused_by_name() {
    let shop = Shop::start(Settings::empty()).await;
    let with = |name: &str, value: Value| {
        let mut body = plain("Lamp");
        body[name] = value;
        body
    };
    for (field, body) in [
        ("options", with("options", json!([]))),
        ("modifiers", with("modifiers", json!([]))),
        ("id", with("id", json!(5))),
        ("date_created", with("date_created", json!("2026-01-01T00:00:00+00:00"))),
        ("name", with("name", json!("x".repeat(251)))),
        ("price", with("price", json!("10"))),
        ("type", with("type", json!("liquid"))),
        ("condition", with("condition", Value::Null)),
        ("weight", json!({ "name": "Lamp", "type": "physical", "price": 1 })),
        ("related_products", with("related_products", json!([7]))),
    ] {
        let got = shop.post("/v3/catalog/products", body).await;
        assert_eq!(got.status, 422, "{field}: {:#}", got.body);
        assert!(got.body["errors"].get(field).is_some(), "{field}: {:#}", got.body);
        assert_eq!(got.body["status"], 422);
    }
    for (field, body) in [
        ("categories", with("categories", json!([7]))),
        ("brand_id", with("brand_id", json!(7))),
        ("tax_class_id", with("tax_class_id", json!(7))),
    ] {
        assert_eq!(shop.post("/v3/catalog/products", body).await.status, 409, "{field}");
    }
    assert_eq!(shop.post("/v3/catalog/products", with("name", json!("x".repeat(250)))).await.status, 200);
    assert_eq!(shop.get("/v3/catalog/nothing").await.status, 404);
    assert_eq!(shop.put("/v3/catalog/summary", json!({})).await.status, 405);
}

#[tokio::test]
async fn names_skus_and_addresses_are_those_of_one_product() {
    let shop = Shop::start(Settings::empty()).await;
    let mut first = plain("Lamp");
    first["sku"] = json!("L-1");
    let id = shop.post("/v3/catalog/products", first).await.data()["id"].clone();
    for (name, sku, url) in [("lamp", "L-2", "/b/"), ("Other", "l-1", "/c/"), ("Third", "L-3", "/lamp/")] {
        let mut body = plain(name);
        body["sku"] = json!(sku);
        body["custom_url"] = json!({ "url": url });
        assert_eq!(shop.post("/v3/catalog/products", body).await.status, 409, "{name}");
    }
    // A SKU is taken by variants too.
    let mut body = plain("Chair");
    body["variants"] =
        json!([{ "sku": "L-1", "option_values": [{ "option_display_name": "Colour", "label": "Red" }] }]);
    assert_eq!(shop.post("/v3/catalog/products", body).await.status, 409);
    assert_eq!(shop.put(&format!("/v3/catalog/products/{id}"), json!({ "sku": "L-1" })).await.status, 200);
}

#[tokio::test]
async fn a_batch_holds_ten_products_and_is_done_whole_or_not() {
    let shop = Shop::start(Settings { products: 11, customers: 0, orders: 0, ..Settings::default() }).await;
    let ids: Vec<u64> =
        shop.list("/v3/catalog/products").await.iter().map(|one| one["id"].as_u64().unwrap()).collect();
    let batch = |ids: &[u64], name: &str| {
        json!(ids.iter().map(|id| json!({ "id": id, "page_title": name })).collect::<Vec<_>>())
    };
    assert_eq!(shop.put("/v3/catalog/products", batch(&ids, "a")).await.status, 413);
    assert_eq!(shop.put("/v3/catalog/products", batch(&ids[..10], "b")).await.status, 200);
    let mut mixed = batch(&ids[..3], "c");
    mixed[1]["name"] = shop.get(&format!("/v3/catalog/products/{}", ids[5])).await.data()["name"].clone();
    let refused = shop.put("/v3/catalog/products", mixed).await;
    assert_eq!(refused.status, 409);
    // The batch does not say which product was wrong, and none was changed.
    assert_eq!(refused.body["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), ["name"]);
    assert_eq!(shop.get(&format!("/v3/catalog/products/{}", ids[0])).await.data()["page_title"], "b");
}

#[tokio::test]
async fn variants_in_a_products_body_make_rectangles_of_its_options() {
    let shop = Shop::start(Settings::empty()).await;
    let value = |name: &str, label: &str| json!({ "option_display_name": name, "label": label });
    let mut body = plain("Shirt");
    body["variants"] = json!([
        { "sku": "S-1", "option_values": [value("Colour", "Red"), value("Size", "S")] },
        { "sku": "S-2", "option_values": [value("Colour", "Red"), value("Size", "M")], "price": 12 },
    ]);
    let made = shop.post("/v3/catalog/products", body.clone()).await;
    let id = made.data()["id"].as_u64().unwrap();
    assert_eq!(made.data()["base_variant_id"], Value::Null);
    let path = format!("/v3/catalog/products/{id}");
    let options = shop.list(&format!("{path}/options")).await;
    let seen: Vec<_> = options
        .iter()
        .map(|option| {
            (
                option["display_name"].as_str().unwrap(),
                option["type"].as_str().unwrap(),
                option["option_values"].as_array().unwrap().len(),
            )
        })
        .collect();
    assert_eq!(seen, [("Colour", "rectangles", 1), ("Size", "rectangles", 2)]);
    let variants = shop.list(&format!("{path}/variants")).await;
    assert_eq!(
        (variants.len(), &variants[1]["calculated_price"], &variants[0]["calculated_price"]),
        (2, &json!(12), &json!(10))
    );
    assert_eq!(variants[0]["option_values"][0]["option_display_name"], "Colour");
    // Old numbers of values mean nothing here, and every variant names the same options.
    let mut wrong = body.clone();
    wrong["name"] = json!("Other");
    wrong["variants"] = json!([{ "sku": "S-9", "option_values": [{ "id": 1, "option_id": 2 }] }]);
    assert_eq!(shop.post("/v3/catalog/products", wrong.clone()).await.status, 422);
    wrong["variants"] = json!([{ "sku": "S-8", "option_values": [value("Colour", "Red")] }, { "sku": "S-9", "option_values": [value("Size", "S")] }]);
    assert_eq!(shop.post("/v3/catalog/products", wrong).await.status, 422);
    // One variant more, by the numbers of the new values.
    let colour = &options[0];
    let blue = shop
        .post(&format!("{path}/options/{}/values", colour["id"]), json!({ "label": "Blue", "sort_order": 1 }))
        .await;
    let by_id = |option: &Value, value: &Value| json!({ "option_id": option["id"], "id": value["id"] });
    let size = &options[1]["option_values"][0];
    let more =
        json!({ "sku": "S-3", "option_values": [by_id(colour, blue.data()), by_id(&options[1], size)] });
    assert_eq!(shop.post(&format!("{path}/variants"), more.clone()).await.status, 200);
    let mut again = more.clone();
    again["sku"] = json!("S-4");
    assert_eq!(shop.post(&format!("{path}/variants"), again.clone()).await.status, 409, "the same values");
    again["option_values"] = json!([by_id(colour, blue.data())]);
    assert_eq!(shop.post(&format!("{path}/variants"), again).await.status, 422, "a value is missing");
    let mut bare = more;
    bare.as_object_mut().unwrap().remove("sku");
    assert_eq!(shop.post(&format!("{path}/variants"), bare).await.status, 422, "without a SKU");
    // A value that goes takes its variants with it.
    assert_eq!(
        shop.delete(&format!("{path}/options/{}/values/{}", colour["id"], blue.data()["id"])).await.status,
        204
    );
    assert_eq!(shop.list(&format!("{path}/variants")).await.len(), 2);
    let batch = json!([{ "id": variants[0]["id"], "price": 3.5 }]);
    assert_eq!(shop.put("/v3/catalog/variants", batch).await.data()[0]["price"], 3.5);
    assert_eq!(
        shop.put("/v3/catalog/variants", json!(vec![json!({ "id": variants[0]["id"] }); 51])).await.status,
        413
    );
}

#[tokio::test]
async fn originals_and_resized_images_are_other_bytes_and_both_die() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.product("Lamp").await;
    let path = format!("/v3/catalog/products/{id}/images");
    assert_eq!(shop.get(&path).await.status, 204);
    let first = upload(&shop, &path, png(1), &[("description", "front")]).await;
    let image = first.data().clone();
    assert_eq!(
        (&image["is_thumbnail"], &image["sort_order"], &image["product_id"]),
        (&json!(true), &json!(0), &json!(id))
    );
    let origin = format!("https://{}", shop.running.addr);
    let original = format!("{origin}/product_images/{}", image["image_file"].as_str().unwrap());
    let read = |url: String| {
        let client = shop.client.clone();
        async move { client.get(url).send().await.unwrap() }
    };
    let bytes = read(original.clone()).await.bytes().await.unwrap();
    assert_eq!(bytes, png(1));
    let zoom = image["url_zoom"].as_str().unwrap().to_owned();
    let resized = read(zoom.clone()).await.bytes().await.unwrap();
    assert!(!resized.is_empty() && resized != bytes);
    // By an address of the store itself.
    let second =
        shop.post(&path, json!({ "image_url": original, "is_thumbnail": true, "sort_order": 0 })).await;
    assert_eq!(second.data()["is_thumbnail"], true);
    let images = shop.list(&path).await;
    assert_eq!((&images[0]["is_thumbnail"], &images[0]["sort_order"]), (&json!(false), &json!(1)));
    assert_eq!(
        shop.post(&path, json!({ "image_url": "https://elsewhere.example.com/a.png" })).await.status,
        422
    );
    assert_eq!(shop.post(&path, json!({ "description": "no image" })).await.status, 422);
    assert_eq!(upload(&shop, &path, b"text".to_vec(), &[]).await.status, 422);
    assert_eq!(upload(&shop, &path, [png(1), vec![0; 8 << 20]].concat(), &[]).await.status, 422);
    assert_eq!(shop.delete(&format!("{path}/{}", image["id"])).await.status, 204);
    assert_eq!(
        (read(original).await.status(), read(zoom).await.status()),
        (404.try_into().unwrap(), 404.try_into().unwrap())
    );
}

#[tokio::test]
async fn changes_of_images_and_metafields_do_not_stamp_the_product() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.product("Lamp").await;
    let path = format!("/v3/catalog/products/{id}");
    let stamp = || async { shop.get(&path).await.data()["date_modified"].clone() };
    let before = stamp().await;
    shop.clock.pass(Duration::from_secs(60));
    let image = upload(&shop, &format!("{path}/images"), png(1), &[]).await;
    shop.put(&format!("{path}/images/{}", image.data()["id"]), json!({ "description": "new" })).await.data();
    let field = json!({ "namespace": "a", "key": "b", "value": "c", "permission_set": "write" });
    shop.post(&format!("{path}/metafields"), field).await.data();
    assert_eq!(stamp().await, before);
    shop.post(&format!("{path}/custom-fields"), json!({ "name": "a", "value": "b" })).await.data();
    assert_ne!(stamp().await, before);
}

#[tokio::test]
async fn a_checkbox_gets_its_adjusters_later_and_rules_need_two_conditions() {
    let shop = Shop::start(Settings::empty()).await;
    let (id, other) = (shop.product("Lamp").await, shop.product("Bulb").await);
    let path = format!("/v3/catalog/products/{id}");
    let modifiers = format!("{path}/modifiers");
    let card = json!({ "type": "checkbox", "required": false, "display_name": "Card", "config": { "checkbox_label": "Add", "checked_by_default": false } });
    let mut early = card.clone();
    early["option_values"] = json!([{ "label": "Yes", "adjusters": { "price": { "adjuster": "relative", "adjuster_value": 5 } } }]);
    assert_eq!(shop.post(&modifiers, early).await.status, 422);
    let card = shop.post(&modifiers, card).await;
    let yes = &card.data()["option_values"][0];
    assert_eq!(yes["value_data"], json!({ "checked_value": true }));
    let value = format!("{modifiers}/{}/values/{}", card.data()["id"], yes["id"]);
    let adjusted = shop.put(&value, json!({ "label": "Yes", "sort_order": 0, "adjusters": { "price": { "adjuster": "relative", "adjuster_value": 5 } } })).await;
    assert_eq!(adjusted.data()["adjusters"]["price"]["adjuster_value"], 5);
    let list = json!({ "type": "product_list", "required": true, "display_name": "With", "option_values": [{ "label": "Bulb", "sort_order": 0, "value_data": { "product_id": other } }] });
    assert_eq!(shop.post(&modifiers, list.clone()).await.status, 200);
    let mut lost = list;
    lost["display_name"] = json!("Without");
    lost["option_values"][0]["value_data"]["product_id"] = json!(7);
    assert_eq!(shop.post(&modifiers, lost).await.status, 422);
    let conditions = |ids: &[&Value]| {
        json!(
            ids.iter()
                .map(|value| json!({ "modifier_id": card.data()["id"], "modifier_value_id": value["id"] }))
                .collect::<Vec<_>>()
        )
    };
    let no = &card.data()["option_values"][1];
    let rules = format!("{path}/complex-rules");
    assert_eq!(shop.post(&rules, json!({ "conditions": conditions(&[yes]) })).await.status, 422);
    assert_eq!(shop.post(&rules, json!({ "conditions": conditions(&[yes, no]) })).await.status, 200);
    let related = shop.get(&format!("/v3/catalog/products/{other}?include=parent_relations")).await;
    assert_eq!(related.data()["parent_relations"][0]["product_id"], id);
}
