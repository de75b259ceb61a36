//! Products as a restore writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use sandbox::shopify::Settings;
use serde_json::{Value, json};
use support::Shop;

const SET: &str = "mutation($identifier: ProductSetIdentifiers, $input: ProductSetInput!) { productSet(identifier: $identifier, input: $input) { product { id handle title tags
    options { id name optionValues { id name } } variants(first: 20) { nodes { id title price sku inventoryQuantity selectedOptions { name value } } }
    metafields(first: 20) { nodes { id namespace key value } } media(first: 9) { nodes { id alt } } collections(first: 5) { nodes { id } } } userErrors { field message code } } }";

fn two_sizes() -> Value {
    json!({
        "title": "Set chair", "handle": "set-chair", "tags": ["b", "a", "a"], "status": "ACTIVE",
        "productOptions": [{ "name": "Size", "values": [{ "name": "S" }, { "name": "M" }] }],
        "variants": [
            { "optionValues": [{ "optionName": "Size", "name": "S" }], "price": "10.00", "inventoryItem": { "sku": "S-1", "tracked": true } },
            { "optionValues": [{ "optionName": "Size", "name": "M" }], "price": "12.50" },
        ],
        "metafields": [{ "namespace": "custom", "key": "one", "type": "single_line_text_field", "value": "1" }],
    })
}

#[tokio::test]
async fn product_set_deletes_what_its_lists_leave_out() {
    let shop = Shop::start(Settings::empty()).await;
    let made = shop.change(SET, json!({ "input": two_sizes() })).await["product"].clone();
    assert_eq!(made["tags"], json!(["a", "b"]));
    assert_eq!(made["variants"]["nodes"][0]["price"], "10.00");
    assert_eq!(made["variants"]["nodes"][0]["sku"], "S-1");
    assert_eq!(made["variants"]["nodes"][1]["title"], "M");
    let id = made["id"].clone();
    shop.change(
        "mutation($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) { metafields { id } userErrors { field message code } } }",
        json!({ "m": [{ "ownerId": id, "namespace": "other_app", "key": "two", "type": "number_integer", "value": "2" }] }),
    )
    .await;

    let mut input = two_sizes();
    input["variants"].as_array_mut().unwrap().pop();
    input["productOptions"][0]["values"].as_array_mut().unwrap().pop();
    let changed =
        shop.change(SET, json!({ "identifier": { "id": id }, "input": input })).await["product"].clone();
    assert_eq!(changed["id"], id);
    assert_eq!(changed["variants"]["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(
        changed["variants"]["nodes"][0]["id"], made["variants"]["nodes"][0]["id"],
        "the variant that stays keeps its id"
    );
    assert_eq!(
        changed["metafields"]["nodes"].as_array().unwrap().len(),
        1,
        "the other app's metafield is gone"
    );

    // Without the lists nothing is deleted.
    let renamed = shop
        .change(SET, json!({ "identifier": { "id": id }, "input": { "title": "Renamed" } }))
        .await["product"]
        .clone();
    assert_eq!(renamed["variants"], changed["variants"]);
    assert_eq!(renamed["metafields"], changed["metafields"]);
    assert_eq!(renamed["handle"], "set-chair");
}

#[tokio::test]
async fn product_set_finds_by_handle_or_makes() {
    let shop = Shop::start(Settings::empty()).await;
    let by_handle = json!({ "handle": "by-handle" });
    let first = shop.change(SET, json!({ "identifier": by_handle, "input": { "title": "One" } })).await;
    let second = shop.change(SET, json!({ "identifier": by_handle, "input": { "title": "Two" } })).await;
    assert_eq!(first["product"]["id"], second["product"]["id"]);
    assert_eq!(second["product"]["handle"], "by-handle");
    assert_eq!(first["product"]["options"][0]["name"], "Title");
    let errors = shop
        .refused(
            SET,
            json!({ "identifier": { "id": "gid://shopify/Product/1" }, "input": { "title": "Three" } }),
        )
        .await;
    assert_eq!(errors[0]["code"], "PRODUCT_DOES_NOT_EXIST");
    let both = shop
        .ask(SET, json!({ "identifier": { "id": "gid://shopify/Product/1", "handle": "x" }, "input": {} }))
        .await;
    assert!(both["errors"][0]["message"].as_str().unwrap().contains("requires exactly one"), "{both}");
}

#[tokio::test]
async fn wrong_products_are_refused_and_right_ones_are_not() {
    let shop = Shop::start(Settings::empty()).await;
    shop.change(SET, json!({ "input": two_sizes() })).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut input = two_sizes();
        input["handle"] = json!("another");
        change(&mut input);
        json!({ "input": input })
    };
    let option = |name: &str| json!({ "name": name, "values": [{ "name": "v" }] });
    let cases: Vec<(&str, Value)> = vec![
        ("HANDLE_NOT_UNIQUE", with(&|input| input["handle"] = json!("set-chair"))),
        ("INVALID_INPUT", with(&|input| input["title"] = json!(" "))),
        (
            "OPTIONS_OVER_LIMIT",
            with(&|input| {
                input["productOptions"] = json!([option("a"), option("b"), option("c"), option("d")]);
            }),
        ),
        (
            "OPTION_VALUE_DOES_NOT_EXIST",
            with(&|input| input["variants"][0]["optionValues"][0]["name"] = json!("XL")),
        ),
        (
            "OPTION_DOES_NOT_EXIST",
            with(&|input| input["variants"][0]["optionValues"][0]["optionName"] = json!("Colour")),
        ),
        ("GREATER_THAN_OR_EQUAL_TO", with(&|input| input["variants"][0]["price"] = json!("-1"))),
        ("INVALID_VARIANT", with(&|input| input["variants"][1] = input["variants"][0].clone())),
        (
            "PRODUCT_OPTIONS_INPUT_MISSING",
            with(&|input| {
                input.as_object_mut().unwrap().remove("productOptions");
            }),
        ),
        (
            "DUPLICATED_OPTION_NAME",
            with(&|input| input["productOptions"] = json!([option("a"), option("A")])),
        ),
        (
            "INVALID_VALUE",
            with(&|input| {
                input["metafields"][0] =
                    json!({ "namespace": "custom", "key": "n", "type": "number_integer", "value": "one" });
            }),
        ),
        (
            "PRODUCT_VARIANT_DOES_NOT_EXIST",
            with(&|input| input["variants"][0]["id"] = json!("gid://shopify/ProductVariant/1")),
        ),
    ];
    for (code, input) in cases {
        let errors = shop.refused(SET, input).await;
        assert!(errors.as_array().unwrap().iter().any(|error| error["code"] == code), "{code}: {errors}");
    }
    let count = shop.data("{ productsCount { count } }", json!({})).await;
    assert_eq!(count["productsCount"]["count"], 1, "a refused product leaves nothing");
    shop.change(SET, with(&|_| {})).await;
}

#[tokio::test]
async fn variants_are_made_changed_and_deleted_in_bulk() {
    let shop = Shop::start(Settings::empty()).await;
    let made = shop.change(SET, json!({ "input": two_sizes() })).await["product"].clone();
    let id = made["id"].clone();
    let create = "mutation($id: ID!, $v: [ProductVariantsBulkInput!]!) { productVariantsBulkCreate(productId: $id, variants: $v) { productVariants { id title } userErrors { field message code } } }";
    let large = json!([{ "optionValues": [{ "optionName": "Size", "name": "L" }], "price": "14.00" }]);
    let added = shop.change(create, json!({ "id": id, "v": large })).await;
    assert_eq!(added["productVariants"][0]["title"], "L");
    let again = shop.refused(create, json!({ "id": id, "v": large })).await;
    assert_eq!(again[0]["code"], "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE");

    let update = "mutation($id: ID!, $v: [ProductVariantsBulkInput!]!) { productVariantsBulkUpdate(productId: $id, variants: $v) { productVariants { id price compareAtPrice sku } userErrors { field message code } } }";
    let variant = added["productVariants"][0]["id"].clone();
    let changed = shop.change(update, json!({ "id": id, "v": [{ "id": variant, "price": "9.99", "compareAtPrice": "14.00", "inventoryItem": { "sku": "L-1" } }] })).await;
    assert_eq!(
        changed["productVariants"][0],
        json!({ "id": variant, "price": "9.99", "compareAtPrice": "14.00", "sku": "L-1" })
    );
    let wrong = shop
        .refused(update, json!({ "id": id, "v": [{ "id": "gid://shopify/ProductVariant/1", "price": "1" }] }))
        .await;
    assert_eq!(wrong[0]["code"], "PRODUCT_VARIANT_DOES_NOT_EXIST");

    let reorder = "mutation($id: ID!, $p: [ProductVariantPositionInput!]!) { productVariantsBulkReorder(productId: $id, positions: $p) { product { variants(first: 5) { nodes { id position } } } userErrors { field message code } } }";
    let moved = shop.change(reorder, json!({ "id": id, "p": [{ "id": variant, "position": 1 }] })).await;
    assert_eq!(moved["product"]["variants"]["nodes"][0], json!({ "id": variant, "position": 1 }));

    let delete = "mutation($id: ID!, $v: [ID!]!) { productVariantsBulkDelete(productId: $id, variantsIds: $v) { product { variantsCount { count } } userErrors { field message code } } }";
    let left = shop.change(delete, json!({ "id": id, "v": [variant] })).await;
    assert_eq!(left["product"]["variantsCount"]["count"], 2);
    shop.refused(delete, json!({ "id": id, "v": [variant] })).await;
}

#[tokio::test]
async fn options_are_added_renamed_and_deleted() {
    let shop = Shop::start(Settings::empty()).await;
    let made = shop.change(SET, json!({ "input": two_sizes() })).await["product"].clone();
    let id = made["id"].clone();
    let create = "mutation($id: ID!, $o: [OptionCreateInput!]!) { productOptionsCreate(productId: $id, options: $o) { product { options { id name position } variants(first: 5) { nodes { title } } } userErrors { field message code } } }";
    let two = shop
        .change(
            create,
            json!({ "id": id, "o": [{ "name": "Wood", "values": [{ "name": "Oak" }, { "name": "Ash" }] }] }),
        )
        .await;
    assert_eq!(two["product"]["variants"]["nodes"][0]["title"], "S / Oak");
    let twice = shop
        .refused(create, json!({ "id": id, "o": [{ "name": "wood", "values": [{ "name": "Oak" }] }] }))
        .await;
    assert_eq!(twice[0]["code"], "OPTION_ALREADY_EXISTS");

    let size = &made["options"][0];
    let update = "mutation($id: ID!, $o: OptionUpdateInput!, $v: [OptionValueUpdateInput!]) { productOptionUpdate(productId: $id, option: $o, optionValuesToUpdate: $v) { product { options { name } variants(first: 5) { nodes { title } } } userErrors { field message code } } }";
    let renamed = shop
        .change(update, json!({ "id": id, "o": { "id": size["id"], "name": "Height" }, "v": [{ "id": size["optionValues"][0]["id"], "name": "Small" }] }))
        .await;
    assert_eq!(renamed["product"]["options"][0]["name"], "Height");
    assert_eq!(renamed["product"]["variants"]["nodes"][0]["title"], "Small / Oak");

    let delete = "mutation($id: ID!, $o: [ID!]!) { productOptionsDelete(productId: $id, options: $o) { deletedOptionsIds product { options { name } } userErrors { field message code } } }";
    shop.refused(delete, json!({ "id": id, "o": [size["id"]] })).await;
    let wood = two["product"]["options"][1]["id"].clone();
    let left = shop.change(delete, json!({ "id": id, "o": [wood] })).await;
    assert_eq!(left["product"]["options"], json!([{ "name": "Height" }]));
}

#[tokio::test]
async fn metafields_are_set_at_most_25_at_once_and_all_or_none() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.change(SET, json!({ "input": { "title": "Owner" } })).await["product"]["id"].clone();
    let set = "mutation($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) { metafields { key value compareDigest } userErrors { field message code } } }";
    let many = |count: usize| json!({ "m": (0..count).map(|n| json!({ "ownerId": id, "namespace": "custom", "key": format!("k{n}"), "type": "number_integer", "value": n.to_string() })).collect::<Vec<_>>() });
    let errors = shop.refused(set, many(26)).await;
    assert_eq!(errors[0]["code"], "LESS_THAN_OR_EQUAL_TO");
    assert_eq!(shop.change(set, many(25)).await["metafields"].as_array().unwrap().len(), 25);

    let mut mixed = many(2);
    mixed["m"][0]["value"] = json!("100");
    mixed["m"][1]["value"] = json!("not a number");
    let errors = shop.refused(set, mixed).await;
    assert_eq!(errors[0]["field"], json!(["metafields", "1", "value"]));
    let query = "query($id: ID!) { product(id: $id) { metafield(namespace: \"custom\", key: \"k0\") { value jsonValue compareDigest } } }";
    let kept = shop.data(query, json!({ "id": id })).await["product"]["metafield"].clone();
    assert_eq!(
        (kept["value"].clone(), kept["jsonValue"].clone()),
        (json!("0"), json!(0)),
        "nothing of a refused call stays"
    );

    // Compare and set.
    let swap = |digest: Value| json!({ "m": [{ "ownerId": id, "namespace": "custom", "key": "k0", "type": "number_integer", "value": "7", "compareDigest": digest }] });
    assert_eq!(shop.refused(set, swap(json!("stale"))).await[0]["code"], "STALE_OBJECT");
    shop.change(set, swap(kept["compareDigest"].clone())).await;

    let delete = "mutation($m: [MetafieldIdentifierInput!]!) { metafieldsDelete(metafields: $m) { deletedMetafields { key } userErrors { field message } } }";
    let gone = shop.change(delete, json!({ "m": [{ "ownerId": id, "namespace": "custom", "key": "k0" }, { "ownerId": id, "namespace": "custom", "key": "none" }] })).await;
    assert_eq!(gone["deletedMetafields"], json!([{ "key": "k0" }, null]));
}

#[tokio::test]
async fn references_must_exist() {
    let shop = Shop::start(Settings { products: 3, ..Settings::empty() }).await;
    let ids =
        shop.data("{ products(first: 2) { nodes { id } } }", json!({})).await["products"]["nodes"].clone();
    let set = "mutation($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) { metafields { reference { ... on Product { id } } } userErrors { field message code } } }";
    let input = |value: &str| json!({ "m": [{ "ownerId": ids[0]["id"], "namespace": "custom", "key": "friend", "type": "product_reference", "value": value }] });
    let errors = shop.refused(set, input("gid://shopify/Product/5")).await;
    assert_eq!(errors[0]["code"], "INVALID_VALUE");
    let made = shop.change(set, input(ids[1]["id"].as_str().unwrap())).await;
    assert_eq!(made["metafields"][0]["reference"]["id"], ids[1]["id"]);
}

#[tokio::test]
async fn files_keep_the_bytes_that_were_staged() {
    let shop = Shop::start(Settings::empty()).await;
    let stage = "mutation($i: [StagedUploadInput!]!) { stagedUploadsCreate(input: $i) { stagedTargets { url resourceUrl parameters { name value } } userErrors { field message } } }";
    let create = "mutation($f: [FileCreateInput!]!) { fileCreate(files: $f) { files { id alt fileStatus ... on MediaImage { image { url } originalSource { fileSize } } ... on GenericFile { url } } userErrors { field message code } } }";
    for (method, mime, name) in [("PUT", "image/png", "one.png"), ("POST", "application/pdf", "two.pdf")] {
        let staged = shop.change(stage, json!({ "i": [{ "filename": name, "mimeType": mime, "resource": if mime == "image/png" { "IMAGE" } else { "FILE" }, "httpMethod": method }] })).await;
        let target = &staged["stagedTargets"][0];
        let file = json!({ "f": [{ "originalSource": target["resourceUrl"], "alt": "An image", "contentType": if mime == "image/png" { "IMAGE" } else { "FILE" } }] });
        let empty = shop.refused(create, file.clone()).await;
        assert_eq!(empty[0]["code"], "INVALID_IMAGE_SOURCE_URL");
        let url = target["url"].as_str().unwrap();
        let bytes = format!("bytes of {name}").into_bytes();
        let sent = if method == "PUT" {
            shop.client.put(url).body(bytes.clone()).send().await.unwrap()
        } else {
            let mut form = reqwest::multipart::Form::new();
            for parameter in target["parameters"].as_array().unwrap() {
                form = form.text(
                    parameter["name"].as_str().unwrap().to_owned(),
                    parameter["value"].as_str().unwrap().to_owned(),
                );
            }
            shop.client
                .post(url)
                .multipart(form.part("file", reqwest::multipart::Part::bytes(bytes.clone())))
                .send()
                .await
                .unwrap()
        };
        assert_eq!(sent.status(), 201);
        let made = shop.change(create, file).await["files"][0].clone();
        assert_eq!(made["fileStatus"], "READY");
        let url = made.pointer("/image/url").or_else(|| made.get("url")).unwrap().as_str().unwrap();
        let got = shop.client.get(url).send().await.unwrap();
        assert_eq!(got.headers()["content-type"], mime);
        assert_eq!(got.bytes().await.unwrap(), bytes);
    }
    let nowhere =
        shop.client.put(format!("{}/uploads/unknown", shop.running.url)).body("x").send().await.unwrap();
    assert_eq!(nowhere.status(), 403);
}

#[tokio::test]
async fn a_variant_shows_media_of_its_product_only() {
    let shop = Shop::start(Settings { products: 2, ..Settings::empty() }).await;
    let data = shop.data("{ products(first: 2) { nodes { id media(first: 1) { nodes { id } } variants(first: 1) { nodes { id media(first: 5) { nodes { id } } } } } } }", json!({})).await;
    let (one, two) = (data["products"]["nodes"][0].clone(), data["products"]["nodes"][1].clone());
    let variant = one["variants"]["nodes"][0].clone();
    assert_eq!(variant["media"]["nodes"], json!([]));
    let mutation = |name: &str, sort: &str| {
        format!(
            "mutation($p: ID!, $m: [{sort}!]!) {{ {name}(productId: $p, variantMedia: $m) {{ productVariants {{ media(first: 5) {{ nodes {{ id }} }} }} userErrors {{ field message code }} }} }}"
        )
    };
    let append = mutation("productVariantAppendMedia", "ProductVariantAppendMediaInput");
    let detach = mutation("productVariantDetachMedia", "ProductVariantDetachMediaInput");
    let input = |media: &Value| json!({ "p": one["id"], "m": [{ "variantId": variant["id"], "mediaIds": [media["media"]["nodes"][0]["id"]] }] });
    assert_eq!(shop.refused(&append, input(&two)).await[0]["code"], "MEDIA_DOES_NOT_EXIST_ON_PRODUCT");
    let shown = shop.change(&append, input(&one)).await;
    assert_eq!(shown["productVariants"][0]["media"]["nodes"], one["media"]["nodes"]);
    let hidden = shop.change(&detach, input(&one)).await;
    assert_eq!(hidden["productVariants"][0]["media"]["nodes"], json!([]));
}

#[tokio::test]
async fn generated_images_are_valid_and_differ() {
    let shop = Shop::start(Settings { products: 2, ..Settings::empty() }).await;
    let data = shop.data("{ files(first: 10) { nodes { ... on MediaImage { image { url width } originalSource { fileSize } } } } }", json!({})).await;
    let mut seen = Vec::new();
    for file in data["files"]["nodes"].as_array().unwrap() {
        let bytes = shop
            .client
            .get(file["image"]["url"].as_str().unwrap())
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert_eq!(file["originalSource"]["fileSize"], bytes.len());
        assert!(!seen.contains(&bytes));
        seen.push(bytes);
    }
    assert!(seen.len() >= 2);
    let missing =
        shop.client.get(format!("{}/cdn/shop/files/none.png", shop.running.url)).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn a_deleted_product_takes_its_parts_along_and_leaves_an_event() {
    let shop = Shop::start(Settings { products: 2, ..Settings::empty() }).await;
    let before = shop.data("{ products(first: 1) { nodes { id variants(first: 1) { nodes { id inventoryItem { id } } } } } productVariantsCount { count } }", json!({})).await;
    let product = before["products"]["nodes"][0].clone();
    let variant = product["variants"]["nodes"][0].clone();
    let delete = "mutation($i: ProductDeleteInput!) { productDelete(input: $i) { deletedProductId userErrors { field message } } }";
    shop.change(delete, json!({ "i": { "id": product["id"] } })).await;
    let after = shop
        .data(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } events(first: 50, query: \"action:destroy\") { nodes { ... on BasicEvent { subjectId subjectType action } } } }",
            json!({ "ids": [product["id"], variant["id"], variant["inventoryItem"]["id"]] }),
        )
        .await;
    assert_eq!(after["nodes"], json!([null, null, null]));
    let events = after["events"]["nodes"].as_array().unwrap();
    assert!(
        events
            .contains(&json!({ "subjectId": product["id"], "subjectType": "PRODUCT", "action": "destroy" })),
        "{events:?}"
    );
    shop.refused(delete, json!({ "i": { "id": product["id"] } })).await;
}

#[tokio::test]
async fn publishing_is_per_publication() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.change(SET, json!({ "input": { "title": "Hidden" } })).await["product"]["id"].clone();
    let publications = shop.data("{ publications(first: 5) { nodes { id name } } }", json!({})).await["publications"]["nodes"].clone();
    let query = "query($id: ID!) { product(id: $id) { publishedAt resourcePublicationsV2(first: 5) { nodes { isPublished publication { name } } } } }";
    let hidden = shop.data(query, json!({ "id": id })).await["product"].clone();
    assert_eq!(hidden["resourcePublicationsV2"]["nodes"], json!([]), "a new product is on no channel");
    let publish = "mutation($id: ID!, $i: [PublicationInput!]!) { publishablePublish(id: $id, input: $i) { userErrors { field message } } }";
    shop.change(publish, json!({ "id": id, "i": [{ "publicationId": publications[0]["id"] }] })).await;
    let shown = shop.data(query, json!({ "id": id })).await["product"].clone();
    assert_eq!(
        shown["resourcePublicationsV2"]["nodes"],
        json!([{ "isPublished": true, "publication": { "name": "Online Store" } }])
    );
    assert!(shown["publishedAt"].is_string());
    shop.refused(publish, json!({ "id": id, "i": [{ "publicationId": "gid://shopify/Publication/1" }] }))
        .await;
    let unpublish = "mutation($id: ID!, $i: [PublicationInput!]!) { publishableUnpublish(id: $id, input: $i) { userErrors { field message } } }";
    shop.change(unpublish, json!({ "id": id, "i": [{ "publicationId": publications[0]["id"] }] })).await;
    assert_eq!(shop.data(query, json!({ "id": id })).await["product"], hidden);
}
