//! Content as a restore writes it: definitions, metaobjects, collections, pages, menus, stock and the like.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::time::Duration;

use sandbox::shopify::Settings;
use serde_json::{Value, json};
use support::Shop;

#[tokio::test]
async fn metafield_definitions_are_made_pinned_changed_and_deleted() {
    let shop = Shop::start(Settings::empty()).await;
    let create = "mutation($d: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $d) { createdDefinition { id name type { name } ownerType pinnedPosition validations { name value } access { admin storefront } } userErrors { field message code } } }";
    let definition = |key: &str, type_name: &str| json!({ "d": { "name": "Weight class", "namespace": "custom", "key": key, "type": type_name, "ownerType": "PRODUCT", "pin": true, "validations": [{ "name": "max", "value": "9" }] } });
    let made = shop.change(create, definition("class", "number_integer")).await["createdDefinition"].clone();
    assert_eq!(
        (made["type"]["name"].as_str(), made["pinnedPosition"].as_i64()),
        (Some("number_integer"), Some(1))
    );
    assert_eq!(made["validations"], json!([{ "name": "max", "value": "9" }]));
    assert_eq!(shop.refused(create, definition("class", "number_integer")).await[0]["code"], "TAKEN");
    assert_eq!(shop.refused(create, definition("other", "no_such_type")).await[0]["code"], "INCLUSION");
    let list = "{ metafieldDefinitions(first: 5, ownerType: PRODUCT) { nodes { key } } others: metafieldDefinitions(first: 5, ownerType: PAGE) { nodes { key } } }";
    assert_eq!(
        shop.data(list, json!({})).await,
        json!({ "metafieldDefinitions": { "nodes": [{ "key": "class" }] }, "others": { "nodes": [] } })
    );
    let unpin = "mutation($id: ID!) { metafieldDefinitionUnpin(definitionId: $id) { unpinnedDefinition { pinnedPosition } userErrors { field message code } } }";
    assert_eq!(
        shop.change(unpin, json!({ "id": made["id"] })).await["unpinnedDefinition"]["pinnedPosition"],
        Value::Null
    );
    let update = "mutation { metafieldDefinitionUpdate(definition: { ownerType: PRODUCT, namespace: \"custom\", key: \"class\", name: \"Class\" }) { updatedDefinition { name } userErrors { message } } }";
    assert_eq!(shop.change(update, json!({})).await["updatedDefinition"]["name"], "Class");
    let set = "mutation($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) { userErrors { field message code } } }";
    let id = shop
        .change(
            "mutation { productCreate(product: { title: \"P\" }) { product { id } userErrors { message } } }",
            json!({}),
        )
        .await["product"]["id"]
        .clone();
    // The definition gives the type, and refuses another.
    shop.change(
        set,
        json!({ "m": [{ "ownerId": id, "namespace": "custom", "key": "class", "value": "4" }] }),
    )
    .await;
    let errors = shop.refused(set, json!({ "m": [{ "ownerId": id, "namespace": "custom", "key": "class", "type": "boolean", "value": "true" }] })).await;
    assert_eq!(errors[0]["code"], "INVALID_TYPE");
    let delete = "mutation($id: ID!) { metafieldDefinitionDelete(id: $id, deleteAllAssociatedMetafields: true) { deletedDefinitionId userErrors { message } } }";
    shop.change(delete, json!({ "id": made["id"] })).await;
    let gone = shop
        .data(
            "query($id: ID!) { product(id: $id) { metafields(first: 5) { nodes { key } } } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(gone["product"]["metafields"]["nodes"], json!([]));
}

#[tokio::test]
async fn standard_definitions_are_enabled_and_not_written() {
    let shop = Shop::start(Settings::empty()).await;
    let enable = "mutation($id: ID, $pin: Boolean) { standardMetafieldDefinitionEnable(ownerType: PRODUCT, id: $id, pin: $pin) { createdDefinition { namespace key pinnedPosition standardTemplate { id } } userErrors { field message code } } }";
    let template = json!({ "id": "gid://shopify/StandardMetafieldDefinitionTemplate/1", "pin": true });
    let made = shop.change(enable, template.clone()).await["createdDefinition"].clone();
    assert_eq!(
        made,
        json!({ "namespace": "descriptors", "key": "subtitle", "pinnedPosition": 1, "standardTemplate": { "id": template["id"] } })
    );
    assert_eq!(shop.refused(enable, template).await[0]["code"], "TAKEN");
    let unknown = json!({ "id": "gid://shopify/StandardMetafieldDefinitionTemplate/999" });
    assert_eq!(shop.refused(enable, unknown).await[0]["code"], "TEMPLATE_NOT_FOUND");
    let enable = "mutation($t: String!) { standardMetaobjectDefinitionEnable(type: $t) { metaobjectDefinition { id type } userErrors { message code } } }";
    let made = shop.change(enable, json!({ "t": "shopify--qa-pair" })).await;
    assert_eq!(shop.change(enable, json!({ "t": "shopify--qa-pair" })).await, made);
    assert_eq!(shop.refused(enable, json!({ "t": "nothing" })).await[0]["code"], "RECORD_NOT_FOUND");
}

#[tokio::test]
async fn metaobjects_follow_their_definition() {
    let shop = Shop::start(Settings::empty()).await;
    let define = "mutation($d: MetaobjectDefinitionCreateInput!) { metaobjectDefinitionCreate(definition: $d) { metaobjectDefinition { id type fieldDefinitions { key required type { name } } } userErrors { field message code } } }";
    let definition = json!({ "d": { "type": "author", "name": "Author", "displayNameKey": "name", "capabilities": { "publishable": { "enabled": true } },
        "fieldDefinitions": [{ "key": "name", "type": "single_line_text_field", "required": true }, { "key": "mentor", "type": "metaobject_reference" }] } });
    let made = shop.change(define, definition.clone()).await["metaobjectDefinition"].clone();
    assert_eq!(shop.refused(define, definition).await[0]["code"], "TAKEN");
    let upsert = "mutation($h: MetaobjectHandleInput!, $m: MetaobjectUpsertInput) { metaobjectUpsert(handle: $h, metaobject: $m) { metaobject { id handle displayName fields { key value reference { ... on Metaobject { handle } } } capabilities { publishable { status } } } userErrors { field message code } } }";
    let handle = |name: &str| json!({ "type": "author", "handle": name });
    let errors = shop.refused(upsert, json!({ "h": handle("none"), "m": { "fields": [] } })).await;
    assert_eq!(errors[0]["code"], "OBJECT_FIELD_REQUIRED");
    let errors = shop.refused(upsert, json!({ "h": handle("none"), "m": { "fields": [{ "key": "colour", "value": "x" }, { "key": "name", "value": "x" }] } })).await;
    assert_eq!(errors[0]["code"], "UNDEFINED_OBJECT_FIELD");
    let first = shop.change(upsert, json!({ "h": handle("first"), "m": { "fields": [{ "key": "name", "value": "First" }], "capabilities": { "publishable": { "status": "ACTIVE" } } } })).await["metaobject"].clone();
    assert_eq!(
        (first["displayName"].as_str(), first["capabilities"]["publishable"]["status"].as_str()),
        (Some("First"), Some("ACTIVE"))
    );
    let again = shop
        .change(
            upsert,
            json!({ "h": handle("first"), "m": { "fields": [{ "key": "name", "value": "Again" }] } }),
        )
        .await["metaobject"]
        .clone();
    assert_eq!(
        (again["id"].clone(), again["displayName"].as_str(), again["capabilities"].clone()),
        (first["id"].clone(), Some("Again"), first["capabilities"].clone())
    );
    let second = shop.change(upsert, json!({ "h": handle("second"), "m": { "fields": [{ "key": "name", "value": "Second" }, { "key": "mentor", "value": first["id"] }] } })).await["metaobject"].clone();
    assert_eq!(second["fields"][1]["reference"]["handle"], "first");
    let count = "{ metaobjectDefinitionByType(type: \"author\") { metaobjectsCount } metaobjects(type: \"author\", first: 5) { nodes { handle } } }";
    assert_eq!(shop.data(count, json!({})).await["metaobjectDefinitionByType"]["metaobjectsCount"], 2);
    shop.change(
        "mutation($id: ID!) { metaobjectDefinitionDelete(id: $id) { deletedId userErrors { message } } }",
        json!({ "id": made["id"] }),
    )
    .await;
    assert_eq!(
        shop.data("query($id: ID!) { node(id: $id) { id } }", json!({ "id": first["id"] })).await["node"],
        Value::Null,
        "objects go with their definition"
    );
}

#[tokio::test]
async fn collections_have_sources_and_an_order() {
    let shop =
        Shop::start(Settings { products: 12, job_time: Duration::from_secs(20), ..Settings::empty() }).await;
    let ids: Vec<Value> = shop.data("{ products(first: 12) { nodes { id } } }", json!({})).await["products"]
        ["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].clone())
        .collect();
    let create = "mutation($c: CollectionCreateInput!) { collectionCreate(collection: $c) { collection { id handle sortOrder sources { __typename id title ... on CollectionConditionsSource { inclusion { matchType selections(first: 10) { nodes { product { id } } } conditions { __typename } } } } resourcePublicationsV2(first: 5) { nodes { isPublished } } products(first: 20) { nodes { id } } } userErrors { field message } } }";
    let pick =
        |places: &[usize]| places.iter().map(|place| json!({ "productId": ids[*place] })).collect::<Vec<_>>();
    let made = shop
        .change(create, json!({ "c": { "title": "By hand", "sortOrder": "MANUAL", "sources": [{ "source": { "title": "Chosen", "inclusion": { "selections": pick(&[3, 1, 2]) } } }] } }))
        .await["collection"]
        .clone();
    assert_eq!(made["resourcePublicationsV2"]["nodes"], json!([]), "a new collection is not published");
    assert_eq!(made["products"]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(made["sources"][0]["title"], "Chosen");

    let reorder = "mutation($id: ID!, $m: [MoveInput!]!) { collectionReorderProducts(id: $id, moves: $m) { job { id done } userErrors { field message code } } }";
    let order = || {
        shop.data("query($id: ID!) { collection(id: $id) { products(first: 9, sortKey: MANUAL) { nodes { id } } } }", json!({ "id": made["id"] }))
    };
    let moves = json!({ "id": made["id"], "m": [{ "id": ids[3], "newPosition": "0" }, { "id": ids[1], "newPosition": "1" }] });
    let before = order().await;
    let job = shop.change(reorder, moves).await["job"].clone();
    assert_eq!(job["done"], false);
    assert_eq!(order().await, before, "the order changes when the job ends");
    shop.clock.pass(Duration::from_secs(20));
    let nodes = order().await["collection"]["products"]["nodes"].clone();
    assert_eq!(nodes, json!([{ "id": ids[3] }, { "id": ids[1] }, { "id": ids[2] }]));
    assert_eq!(
        shop.data("query($id: ID!) { job(id: $id) { done } }", json!({ "id": job["id"] })).await["job"]["done"],
        true
    );

    let smart = shop
        .change(create, json!({ "c": { "title": "Chairs", "sources": [{ "source": { "title": "Type", "inclusion": { "matchType": "ALL", "conditions": [
            { "productTitle": { "relation": "CONTAINS", "values": ["a"], "matchType": "ANY" } }, { "variantPrice": { "relation": "GREATER_THAN", "value": { "amount": "0.01", "currencyCode": "EUR" } } } ] } } }] } }))
        .await["collection"]
        .clone();
    let matching = shop.data("{ products(first: 12) { nodes { title } } }", json!({})).await;
    let expected = matching["products"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["title"].as_str().unwrap().to_lowercase().contains('a'))
        .count();
    assert_eq!(smart["products"]["nodes"].as_array().unwrap().len(), expected);
    let conditions = smart["sources"][0]["inclusion"]["conditions"].as_array().unwrap();
    assert_eq!(conditions[0]["__typename"], "CollectionSourceInclusionConditionProductTitle");
    assert_eq!(
        shop.refused(reorder, json!({ "id": smart["id"], "m": [] })).await[0]["code"],
        "MANUALLY_SORTED_COLLECTION"
    );

    let update = "mutation($c: CollectionUpdateInput!) { collectionUpdate(collection: $c) { collection { products(first: 20) { nodes { id } } sources { id } } userErrors { field message } } }";
    let changed = shop
        .change(update, json!({ "c": { "id": made["id"], "sourcesToUpdate": [{ "condition": { "id": made["sources"][0]["id"], "inclusion": { "selectionsToAdd": pick(&[7]), "selectionsToRemove": pick(&[1]) } } }] } }))
        .await["collection"]
        .clone();
    assert_eq!(
        changed["products"]["nodes"],
        json!([{ "id": ids[3] }, { "id": ids[2] }, { "id": ids[7] }]),
        "the order stays, the new one is last"
    );
    let parent = shop
        .change(create, json!({ "c": { "title": "Parent", "sources": [{ "subCollections": { "title": "Below", "collectionIds": [made["id"]] } }] } }))
        .await["collection"]
        .clone();
    assert_eq!(parent["sources"][0]["__typename"], "CollectionSubCollectionsSource");
    assert_eq!(parent["products"]["nodes"].as_array().unwrap().len(), 3);
    shop.refused(create, json!({ "c": { "title": "By hand", "handle": "by-hand" } })).await;
}

#[tokio::test]
async fn pages_blogs_and_articles_keep_their_handles() {
    let shop = Shop::start(Settings::empty()).await;
    let page = "mutation($p: PageCreateInput!) { pageCreate(page: $p) { page { id handle isPublished publishedAt body } userErrors { field message code } } }";
    let made = shop.change(page, json!({ "p": { "title": "Size guide", "body": "<p>S</p>" } })).await["page"]
        .clone();
    assert_eq!((made["handle"].as_str(), made["isPublished"].as_bool()), (Some("size-guide"), Some(true)));
    assert_eq!(
        shop.change(page, json!({ "p": { "title": "Size guide" } })).await["page"]["handle"],
        "size-guide-1"
    );
    assert_eq!(
        shop.refused(page, json!({ "p": { "title": "X", "handle": "size-guide" } })).await[0]["code"],
        "TAKEN"
    );
    let draft =
        shop.change(page, json!({ "p": { "title": "Draft", "isPublished": false } })).await["page"].clone();
    assert_eq!((draft["isPublished"].as_bool(), draft["publishedAt"].clone()), (Some(false), Value::Null));
    let update = "mutation($id: ID!, $p: PageUpdateInput!) { pageUpdate(id: $id, page: $p) { page { handle } userErrors { message } } }";
    shop.change(update, json!({ "id": made["id"], "p": { "handle": "sizes", "redirectNewHandle": true } }))
        .await;
    let redirects = shop.data("{ urlRedirects(first: 5) { nodes { path target } } }", json!({})).await;
    assert_eq!(
        redirects["urlRedirects"]["nodes"],
        json!([{ "path": "/pages/size-guide", "target": "/pages/sizes" }])
    );

    let blog = shop
        .change(
            "mutation { blogCreate(blog: { title: \"News\" }) { blog { id } userErrors { message } } }",
            json!({}),
        )
        .await["blog"]["id"]
        .clone();
    let article = "mutation($a: ArticleCreateInput!) { articleCreate(article: $a) { article { id handle author { name } blog { title } } userErrors { field message code } } }";
    let input = json!({ "a": { "title": "Hello", "blogId": blog, "author": { "name": "Practice desk" }, "tags": ["one"] } });
    let made = shop.change(article, input.clone()).await["article"].clone();
    assert_eq!(
        (made["author"]["name"].as_str(), made["blog"]["title"].as_str()),
        (Some("Practice desk"), Some("News"))
    );
    let mut nowhere = input;
    nowhere["a"].as_object_mut().unwrap().remove("blogId");
    assert_eq!(shop.refused(article, nowhere).await[0]["code"], "BLOG_REFERENCE_REQUIRED");
    shop.change(
        "mutation($id: ID!) { blogDelete(id: $id) { deletedBlogId userErrors { message } } }",
        json!({ "id": blog }),
    )
    .await;
    assert_eq!(
        shop.data("query($id: ID!) { article(id: $id) { id } }", json!({ "id": made["id"] })).await["article"],
        Value::Null
    );
}

#[tokio::test]
async fn menus_nest_three_levels_and_point_to_objects() {
    let shop = Shop::start(Settings { products: 1, ..Settings::default() }).await;
    let page = shop.data("{ pages(first: 1) { nodes { id handle } } }", json!({})).await["pages"]["nodes"][0]
        .clone();
    let create = "mutation($i: [MenuItemCreateInput!]!) { menuCreate(handle: \"side\", title: \"Side\", items: $i) { menu { id items { title url resourceId items { title items { title } } } } userErrors { field message code } } }";
    let http = |title: &str, below: Value| json!({ "title": title, "type": "HTTP", "url": "https://example.com/", "items": below });
    let three = http("1", json!([http("2", json!([http("3", json!([]))]))]));
    let four = http("1", json!([http("2", json!([http("3", json!([http("4", json!([]))]))]))]));
    assert_eq!(shop.refused(create, json!({ "i": [four] })).await[0]["code"], "NESTING_TOO_DEEP");
    assert_eq!(
        shop.refused(
            create,
            json!({ "i": [{ "title": "Gone", "type": "PAGE", "resourceId": "gid://shopify/Page/1" }] })
        )
        .await[0]["code"],
        "NOT_FOUND"
    );
    let made = shop
        .change(
            create,
            json!({ "i": [three, { "title": "Page", "type": "PAGE", "resourceId": page["id"] }] }),
        )
        .await["menu"]
        .clone();
    assert_eq!(made["items"][0]["items"][0]["items"][0]["title"], "3");
    assert_eq!(
        (made["items"][1]["resourceId"].clone(), made["items"][1]["url"].as_str()),
        (page["id"].clone(), Some(format!("/pages/{}", page["handle"].as_str().unwrap()).as_str()))
    );
    shop.refused(create, json!({ "i": [] })).await;
    let main = shop
        .data("{ menus(first: 5, query: \"title:'Main menu'\") { nodes { id } } }", json!({}))
        .await["menus"]["nodes"][0]["id"]
        .clone();
    let delete =
        "mutation($id: ID!) { menuDelete(id: $id) { deletedMenuId userErrors { field message code } } }";
    assert_eq!(shop.refused(delete, json!({ "id": main })).await[0]["code"], "UNABLE_TO_DELETE_DEFAULT_MENU");
    shop.change(delete, json!({ "id": made["id"] })).await;
}

/// `good` is refused without its expected quantity, at a place that does not stock the item, and at a closed one.
async fn stock_wants_an_expectation_and_a_place(shop: &Shop, set: &str, good: Value) {
    let set = |key: &str| set.replace("k3", key);
    let path = "/i/quantities/0";
    let mut silent = good.clone();
    silent.pointer_mut(path).unwrap().as_object_mut().unwrap().remove("changeFromQuantity");
    assert_eq!(shop.refused(&set("k4"), silent).await[0]["code"], "COMPARE_QUANTITY_REQUIRED");
    let add = "mutation($n: String!) { locationAdd(input: { name: $n, address: { countryCode: DE } }) { location { id } userErrors { message } } }";
    let place = shop.change(add, json!({ "n": "Nowhere" })).await["location"]["id"].clone();
    let mut elsewhere = good.clone();
    elsewhere.pointer_mut(path).unwrap()["locationId"] = place.clone();
    assert_eq!(shop.refused(&set("k5"), elsewhere.clone()).await[0]["code"], "INVALID_LOCATION");
    let activate = "mutation($i: ID!, $l: ID!) { inventoryActivate(inventoryItemId: $i, locationId: $l, available: 4) @idempotent(key: \"KEY\") { userErrors { message } } }";
    let at = json!({ "i": good.pointer(path).unwrap()["inventoryItemId"], "l": place });
    shop.change(&activate.replace("KEY", "a7"), at).await;
    elsewhere.pointer_mut(path).unwrap()["changeFromQuantity"] = json!(4);
    shop.change(&set("k6"), elsewhere.clone()).await;

    // A place with stock is closed only when it is told where the stock goes.
    let close = "mutation($l: ID!, $d: ID) { locationDeactivate(locationId: $l, destinationLocationId: $d) @idempotent(key: \"KEY\") { location { isActive } locationDeactivateUserErrors { code } } }";
    let answer = shop.data(&close.replace("KEY", "c1"), json!({ "l": place })).await;
    let code = &answer["locationDeactivate"]["locationDeactivateUserErrors"][0]["code"];
    assert_eq!(code, "HAS_ACTIVE_INVENTORY_ERROR");
    let target = good.pointer(path).unwrap()["locationId"].clone();
    let answer = shop.data(&close.replace("KEY", "c2"), json!({ "l": place, "d": target })).await;
    assert_eq!(answer["locationDeactivate"]["location"]["isActive"], false, "{answer}");
    elsewhere.pointer_mut(path).unwrap()["changeFromQuantity"] = Value::Null;
    assert_eq!(shop.refused(&set("k7"), elsewhere).await[0]["code"], "INVALID_LOCATION");
    // Null skips the comparison; it has to be said.
    let mut any = good.clone();
    any.pointer_mut(path).unwrap()["changeFromQuantity"] = Value::Null;
    shop.change(&set("k8"), any).await;
    let back = good.pointer(path).unwrap()["changeFromQuantity"].as_i64().unwrap() - 1;
    let mut back_again = good.clone();
    back_again.pointer_mut(path).unwrap()["quantity"] = json!(back);
    back_again.pointer_mut(path).unwrap()["changeFromQuantity"] = json!(3);
    shop.change(&set("k9"), back_again).await;
}

#[tokio::test]
async fn stock_needs_a_key_and_an_expected_quantity() {
    let shop = Shop::start(Settings { products: 2, ..Settings::empty() }).await;
    let data = shop.data("{ inventoryItems(first: 1) { nodes { id inventoryLevels(first: 5) { nodes { location { id } quantities(names: [\"available\"]) { quantity } } } } } locations(first: 5) { nodes { id name } } }", json!({})).await;
    let item = data["inventoryItems"]["nodes"][0].clone();
    let level = item["inventoryLevels"]["nodes"][0].clone();
    let now = level["quantities"][0]["quantity"].as_i64().unwrap();
    let body = "inventorySetQuantities(input: $i) DIRECTIVE { userErrors { field message code } } }";
    let with = |key: &str| {
        format!(
            "mutation($i: InventorySetQuantitiesInput!) {{ {}",
            body.replace("DIRECTIVE", &format!("@idempotent(key: \"{key}\")"))
        )
    };
    let input = |from: Value, to: i64| json!({ "i": { "name": "available", "reason": "correction", "quantities": [{ "inventoryItemId": item["id"], "locationId": level["location"]["id"], "quantity": to, "changeFromQuantity": from }] } });
    let bare = format!("mutation($i: InventorySetQuantitiesInput!) {{ {}", body.replace("DIRECTIVE", ""));
    let answer = shop.ask(&bare, input(json!(now), 5)).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("@idempotent"), "{answer}");
    assert_eq!(
        shop.refused(&with("k1"), input(json!(now + 1), 5)).await[0]["code"],
        "CHANGE_FROM_QUANTITY_STALE"
    );
    shop.change(&with("k2"), input(json!(now), now + 7)).await;
    // The same key again: the first answer, and nothing done. For anything else, and after a failure, it is spent.
    shop.change(&with("k2"), input(json!(now), now + 7)).await;
    let spent = shop.refused(&with("k2"), input(json!(now), now + 99)).await;
    assert_eq!(spent[0]["code"], "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
    let failed = shop.refused(&with("k1"), input(json!(now + 1), 5)).await;
    assert_eq!(failed[0]["code"], "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED");
    let read = "query($id: ID!) { inventoryItem(id: $id) { inventoryLevels(first: 5) { nodes { id location { id } quantities(names: [\"available\", \"on_hand\"]) { name quantity } } } } }";
    let levels =
        shop.data(read, json!({ "id": item["id"] })).await["inventoryItem"]["inventoryLevels"]["nodes"]
            .clone();
    assert_eq!(levels[0]["quantities"][0]["quantity"], now + 7);
    let direct = shop
        .data("query($id: ID!) { inventoryLevel(id: $id) { item { id } } }", json!({ "id": levels[0]["id"] }))
        .await;
    assert_eq!(direct["inventoryLevel"]["item"]["id"], item["id"]);

    // A day later the key is free.
    shop.clock.pass(Duration::from_secs(24 * 3600));
    shop.change(&with("k1"), input(json!(now + 7), now + 8)).await;
    stock_wants_an_expectation_and_a_place(&shop, &with("k3"), input(json!(now + 8), 3)).await;

    let location = shop.change("mutation { locationAdd(input: { name: \"Third\", address: { countryCode: DE } }) { location { id isActive } userErrors { message } } }", json!({})).await["location"].clone();
    let activate = "mutation($i: ID!, $l: ID!) { inventoryActivate(inventoryItemId: $i, locationId: $l, available: 3) @idempotent(key: \"a1\") { inventoryLevel { id item { id } quantities(names: [\"available\"]) { quantity } } userErrors { field message } } }";
    let level =
        shop.change(activate, json!({ "i": item["id"], "l": location["id"] })).await["inventoryLevel"]
            .clone();
    assert_eq!(
        (level["quantities"][0]["quantity"].as_i64(), level["item"]["id"].clone()),
        (Some(3), item["id"].clone())
    );
    let update = "mutation($id: ID!) { inventoryItemUpdate(id: $id, input: { cost: \"3.50\", tracked: false, measurement: { weight: { value: 2.5, unit: KILOGRAMS } } }) { inventoryItem { tracked unitCost { amount } measurement { weight { value unit } } } userErrors { message } } }";
    let changed = shop.change(update, json!({ "id": item["id"] })).await["inventoryItem"].clone();
    assert_eq!(
        changed,
        json!({ "tracked": false, "unitCost": { "amount": "3.50" }, "measurement": { "weight": { "value": 2.5, "unit": "KILOGRAMS" } } })
    );
}

#[tokio::test]
async fn redirects_policies_locales_and_tags_are_written() {
    let shop = Shop::start(Settings { products: 1, ..Settings::empty() }).await;
    let redirect = "mutation($p: String!) { urlRedirectCreate(urlRedirect: { path: $p, target: \"/\" }) { urlRedirect { id path } userErrors { field message code } } }";
    shop.change(redirect, json!({ "p": "/old" })).await;
    assert_eq!(
        shop.refused(redirect, json!({ "p": "/old" })).await[0]["message"],
        "Path has already been taken"
    );
    shop.change("mutation { shopPolicyUpdate(shopPolicy: { type: REFUND_POLICY, body: \"<p>Thirty days</p>\" }) { shopPolicy { body } userErrors { message } } }", json!({})).await;
    let policies = shop.data("{ shop { shopPolicies { type body } } }", json!({})).await;
    assert_eq!(
        policies["shop"]["shopPolicies"],
        json!([{ "type": "REFUND_POLICY", "body": "<p>Thirty days</p>" }])
    );
    let enable = "mutation($l: String!) { shopLocaleEnable(locale: $l) { shopLocale { locale published primary } userErrors { field message } } }";
    shop.change(enable, json!({ "l": "fr" })).await;
    shop.refused(enable, json!({ "l": "fr" })).await;
    shop.refused(
        "mutation { shopLocaleDisable(locale: \"en\") { locale userErrors { field message } } }",
        json!({}),
    )
    .await;
    let update = "mutation { shopLocaleUpdate(locale: \"fr\", shopLocale: { published: true }) { shopLocale { published } userErrors { message } } }";
    assert_eq!(shop.change(update, json!({})).await["shopLocale"]["published"], true);
    assert_eq!(
        shop.data("{ shopLocales(published: true) { locale } }", json!({})).await["shopLocales"],
        json!([{ "locale": "en" }, { "locale": "fr" }])
    );
    let id =
        shop.data("{ products(first: 1) { nodes { id } } }", json!({})).await["products"]["nodes"][0]["id"]
            .clone();
    let tags = "mutation($id: ID!, $t: [String!]!) { tagsAdd(id: $id, tags: $t) { node { ... on Product { tags } } userErrors { message } } }";
    let added = shop.change(tags, json!({ "id": id, "t": ["zz", "ZZ", " aa "] })).await;
    let all = added["node"]["tags"].as_array().unwrap();
    assert!(
        all.contains(&json!("aa")) && all.contains(&json!("zz")) && !all.contains(&json!("ZZ")),
        "{all:?}"
    );
}

#[tokio::test]
async fn a_script_tag_is_loaded_from_a_secure_address() {
    const CREATE: &str = "mutation($input: ScriptTagInput!) { scriptTagCreate(input: $input) { scriptTag { id src displayScope cache } userErrors { field message } } }";
    let shop = Shop::start(Settings::empty()).await;
    for src in ["", "http://scripts.example.com/a.js"] {
        let refused = shop.refused(CREATE, json!({ "input": { "src": src } })).await;
        assert_eq!(refused[0]["field"], json!(["input", "src"]), "{src}");
    }
    let input = json!({ "input": { "src": "https://scripts.example.com/a.js", "displayScope": "ONLINE_STORE", "cache": true } });
    let made = shop.change(CREATE, input).await["scriptTag"].clone();
    assert_eq!((&made["displayScope"], &made["cache"]), (&json!("ONLINE_STORE"), &json!(true)));
    shop.change(
        "mutation($id: ID!) { scriptTagDelete(id: $id) { deletedScriptTagId userErrors { field message } } }",
        json!({ "id": made["id"] }),
    )
    .await;
    assert_eq!(
        shop.data("{ scriptTags(first: 1) { nodes { id } } }", json!({})).await["scriptTags"]["nodes"],
        json!([])
    );
}
