//! What an input names must be there, and be of the right kind and in the right state: else nothing is changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::time::Duration;

use sandbox::shopify::Settings;
use serde_json::{Value, json};
use support::Shop;

/// Puts `id` wherever the value holds the text `REF`.
fn with(value: &Value, id: &Value) -> Value {
    match value {
        Value::String(text) if text == "REF" => id.clone(),
        Value::Array(items) => items.iter().map(|item| with(item, id)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, item)| (key.clone(), with(item, id))).collect(),
        other => other.clone(),
    }
}

/// All user errors of an answer, whatever the list is called.
fn user_errors(answer: &Value) -> Vec<Value> {
    let payload =
        answer["data"].as_object().and_then(|data| data.values().next()).cloned().unwrap_or_default();
    let lists = payload.as_object().into_iter().flatten().filter(|(key, _)| key.ends_with("serErrors"));
    lists.flat_map(|(_, list)| list.as_array().cloned().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_reference_to_nothing_is_refused_and_changes_nothing() {
    let shop = Shop::start(Settings { products: 6, customers: 2, orders: 0, ..Settings::default() }).await;
    let found = shop
        .data(
            "{ products(first: 2) { nodes { id variants(first: 1) { nodes { id } } media(first: 1) { nodes { id } } } } \
             collections(first: 50) { nodes { id sources { __typename } } } customers(first: 1) { nodes { id } } \
             locations(first: 1) { nodes { id } } files(first: 1, query: \"media_type:IMAGE\") { nodes { id } } }",
            json!({}),
        )
        .await;
    let first = |list: &str| found[list]["nodes"][0]["id"].clone();
    let (product, collection, location) = (first("products"), first("collections"), first("locations"));
    let other = found["products"]["nodes"][1]["id"].clone();
    let variant = found["products"]["nodes"][0]["variants"]["nodes"][0]["id"].clone();
    let medium = found["products"]["nodes"][0]["media"]["nodes"][0]["id"].clone();
    let category = json!("gid://shopify/TaxonomyCategory/fr-1");
    let sources = |source: Value| json!({ "c": { "title": "New", "sources": [source] } });
    let inclusion = |inclusion: Value| sources(json!({ "source": { "title": "s", "inclusion": inclusion } }));
    let discount = |more: Value| {
        let mut made = json!({ "title": "d", "startsAt": "2026-11-01T00:00:00Z", "code": "REFERENCES",
            "customerGets": { "value": { "percentage": 0.1 }, "items": { "all": true } } });
        made.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "d": made })
    };
    let gets = |items: Value| {
        discount(json!({ "customerGets": { "value": { "percentage": 0.1 }, "items": items } }))
    };
    let order = |more: Value, line: Value| {
        let mut made = json!({ "lineItems": [line] });
        made.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "o": made })
    };
    let line = json!({ "title": "Tea", "quantity": 1 });

    let set =
        "mutation($i: ProductSetInput!) { productSet(input: $i) { userErrors { field code message } } }";
    let update =
        "mutation($i: ProductUpdateInput!) { productUpdate(product: $i) { userErrors { field message } } }";
    let create =
        "mutation($i: ProductCreateInput!) { productCreate(product: $i) { userErrors { field message } } }";
    let media = "mutation($p: ID!, $m: [CreateMediaInput!]!) { productCreateMedia(productId: $p, media: $m) { mediaUserErrors { field code } } }";
    let bulk = "mutation($p: ID!, $v: [ProductVariantsBulkInput!]!) { productVariantsBulkUpdate(productId: $p, variants: $v) { userErrors { field code } } }";
    let file = "mutation($f: [FileUpdateInput!]!) { fileUpdate(files: $f) { userErrors { field code } } }";
    let collect = "mutation($c: CollectionCreateInput!) { collectionCreate(collection: $c) { userErrors { field message } } }";
    let old_collect =
        "mutation($c: CollectionInput!) { collectionCreate(input: $c) { userErrors { field message } } }";
    let coupon = "mutation($d: DiscountCodeBasicInput!) { discountCodeBasicCreate(basicCodeDiscount: $d) { userErrors { field code } } }";
    let buy = "mutation($o: OrderCreateOrderInput!) { orderCreate(order: $o) { userErrors { field code } } }";
    let cases: Vec<(&str, Value, &Value)> = vec![
        (set, json!({ "i": { "id": product, "collections": ["REF"] } }), &collection),
        (set, json!({ "i": { "id": product, "files": [{ "id": "REF" }] } }), &medium),
        (create, json!({ "i": { "title": "x", "category": "REF" } }), &category),
        (create, json!({ "i": { "title": "x", "collectionsToJoin": ["REF"] } }), &collection),
        (update, json!({ "i": { "id": other, "collectionsToJoin": ["REF"] } }), &collection),
        (bulk, json!({ "p": product, "v": [{ "id": variant, "mediaId": "REF" }] }), &medium),
        (file, json!({ "f": [{ "id": medium, "alt": "new", "referencesToAdd": ["REF"] }] }), &product),
        (file, json!({ "f": [{ "id": medium, "alt": "newer", "referencesToRemove": ["REF"] }] }), &product),
        (collect, inclusion(json!({ "selections": [{ "productId": "REF" }] })), &product),
        (
            collect,
            sources(json!({ "subCollections": { "title": "s", "collectionIds": ["REF"] } })),
            &collection,
        ),
        (old_collect, json!({ "c": { "title": "Old", "products": ["REF"] } }), &product),
        (coupon, gets(json!({ "products": { "productsToAdd": ["REF"] } })), &product),
        (coupon, gets(json!({ "products": { "productVariantsToAdd": ["REF"] } })), &variant),
        (coupon, gets(json!({ "collections": { "add": ["REF"] } })), &collection),
        (buy, order(json!({}), json!({ "title": "Tea", "quantity": 1, "productId": "REF" })), &product),
        (buy, order(json!({ "fulfillment": { "locationId": "REF" } }), line), &location),
    ];
    let customer = first("customers");
    let for_one = discount(json!({ "context": { "customers": { "add": ["REF"] } }, "code": "FORONE" }));
    let cases = cases.into_iter().chain([(coupon, for_one, &customer)]);
    for (at, (mutation, variables, good)) in cases.enumerate() {
        let mut variables = variables;
        if let Some(code) = variables.pointer_mut("/d/code") {
            *code = json!(format!("CODE{at}"));
        }
        let (kind, _) = good.as_str().unwrap().rsplit_once('/').unwrap();
        let unknown = if kind.ends_with("Category") { format!("{kind}/zz-9-9") } else { format!("{kind}/1") };
        let before = shop.running.dump();
        let answer = shop.ask(mutation, with(&variables, &json!(unknown))).await;
        assert!(!user_errors(&answer).is_empty(), "{mutation} {variables} {answer}");
        assert_eq!(shop.running.dump(), before, "{mutation} {variables}");
        let answer = shop.ask(mutation, with(&variables, good)).await;
        assert!(answer.get("errors").is_none() && user_errors(&answer).is_empty(), "{variables} {answer}");
        assert_ne!(shop.running.dump(), before, "{mutation} {variables}");
    }

    // A source that cannot be read is one more thing that is not there.
    let before = shop.running.dump();
    let gone = format!("{}/uploads/gone-a.png", shop.running.url);
    for source in [gone.as_str(), "not an address"] {
        let one = json!([{ "originalSource": source, "mediaContentType": "IMAGE" }]);
        let answer = shop.ask(media, json!({ "p": product, "m": one })).await;
        assert!(!user_errors(&answer).is_empty(), "{answer}");
        let image = json!({ "c": { "title": "Seen", "image": { "src": source } } });
        assert!(!user_errors(&shop.ask(collect, image).await).is_empty());
    }
    assert_eq!(shop.running.dump(), before);
    let one = json!([{ "originalSource": "https://cdn.example/a.png", "mediaContentType": "IMAGE" }]);
    assert!(user_errors(&shop.ask(media, json!({ "p": product, "m": one })).await).is_empty());
}

#[tokio::test]
async fn a_collection_moves_only_products_that_it_has() {
    let shop = Shop::start(Settings { products: 3, ..Settings::empty() }).await;
    let found = shop.data("{ products(first: 3) { nodes { id } } }", json!({})).await;
    let ids: Vec<Value> =
        found["products"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    let create = "mutation($c: CollectionInput!) { collectionCreate(input: $c) { collection { id } userErrors { message } } }";
    let made = shop
        .change(
            create,
            json!({ "c": { "title": "Two", "sortOrder": "MANUAL", "products": [ids[0], ids[1]] } }),
        )
        .await["collection"]["id"]
        .clone();
    let reorder = "mutation($id: ID!, $m: [MoveInput!]!) { collectionReorderProducts(id: $id, moves: $m) { job { done } userErrors { code } } }";
    let moves = |product: &Value| json!({ "id": made, "m": [{ "id": product, "newPosition": "0" }] });
    assert_eq!(shop.refused(reorder, moves(&ids[2])).await[0]["code"], "INVALID_MOVE");
    shop.change(reorder, moves(&ids[1])).await;
}

#[tokio::test]
async fn files_are_changed_and_shown_only_when_they_are_ready() {
    let time = Duration::from_secs(30);
    let shop = Shop::start(Settings { products: 2, job_time: time, ..Settings::empty() }).await;
    let found = shop
        .data("{ products(first: 1) { nodes { id variants(first: 2) { nodes { id } } } } }", json!({}))
        .await["products"]["nodes"][0]
        .clone();
    let (product, variant) = (&found["id"], &found["variants"]["nodes"][0]["id"]);
    let add = "mutation($p: ID!, $m: [CreateMediaInput!]!) { productCreateMedia(productId: $p, media: $m) { media { id } mediaUserErrors { code } } }";
    let image = |name: &str| json!({ "originalSource": format!("https://cdn.example/{name}.png"), "mediaContentType": "IMAGE" });
    let made = shop.data(add, json!({ "p": product, "m": [image("a"), image("b")] })).await;
    let made = made["productCreateMedia"]["media"].clone();
    let (a, b) = (&made[0]["id"], &made[1]["id"]);

    let alt =
        "mutation($f: [FileUpdateInput!]!) { fileUpdate(files: $f) { files { alt } userErrors { code } } }";
    let renamed = json!({ "f": [{ "id": a, "alt": "new" }] });
    let append = "mutation($p: ID!, $m: [ProductVariantAppendMediaInput!]!) { productVariantAppendMedia(productId: $p, variantMedia: $m) { userErrors { code } } }";
    let detach = append.replace("Append", "Detach");
    let pairs = |pairs: Value| json!({ "p": product, "m": pairs });
    let pair = |media: Value| pairs(json!([{ "variantId": variant, "mediaIds": media }]));
    assert_eq!(shop.refused(alt, renamed.clone()).await[0]["code"], "NON_READY_STATE");
    assert_eq!(shop.refused(append, pair(json!([a]))).await[0]["code"], "NON_READY_MEDIA");
    shop.clock.pass(time);
    shop.change(alt, renamed).await;

    let refused = |variables: Value| async { shop.refused(append, variables).await[0]["code"].clone() };
    assert_eq!(refused(pair(json!([a, b]))).await, "TOO_MANY_MEDIA_PER_INPUT_PAIR");
    let many: Vec<Value> = (0..101).map(|_| json!({ "variantId": variant, "mediaIds": [a] })).collect();
    assert_eq!(refused(pairs(json!(many))).await, "MAXIMUM_VARIANT_MEDIA_PAIRS_EXCEEDED");
    assert_eq!(refused(pairs(json!(many[..2]))).await, "PRODUCT_VARIANT_SPECIFIED_MULTIPLE_TIMES");
    let code = shop.refused(&detach, pair(json!([a]))).await[0]["code"].clone();
    assert_eq!(code, "MEDIA_IS_NOT_ATTACHED_TO_VARIANT");
    shop.change(append, pair(json!([a]))).await;
    assert_eq!(refused(pair(json!([b]))).await, "PRODUCT_VARIANT_ALREADY_HAS_MEDIA");
    shop.change(&detach, pair(json!([a]))).await;
    shop.change(append, pair(json!([b]))).await;
}

#[tokio::test]
async fn codes_come_when_their_time_has_come() {
    let time = Duration::from_secs(30);
    let shop = Shop::start(Settings { job_time: time, ..Settings::empty() }).await;
    let create = "mutation($d: DiscountCodeBasicInput!) { discountCodeBasicCreate(basicCodeDiscount: $d) { codeDiscountNode { id } userErrors { field code } } }";
    let input = json!({ "d": { "title": "d", "startsAt": "2026-11-01T00:00:00Z", "code": "ONE",
        "customerGets": { "value": { "percentage": 0.1 }, "items": { "all": true } } } });
    let id = shop.change(create, input).await["codeDiscountNode"]["id"].clone();
    let add = "mutation($id: ID!, $c: [DiscountRedeemCodeInput!]!) { discountRedeemCodeBulkAdd(discountId: $id, codes: $c) { bulkCreation { id done } userErrors { code } } }";
    let codes = json!({ "id": id, "c": [{ "code": "two" }, { "code": "one" }, { "code": "TWO" }] });
    let bulk = shop.change(add, codes).await["bulkCreation"].clone();
    let look =
        "query($id: ID!) { discountRedeemCodeBulkCreation(id: $id) { done importedCount failedCount } }";
    let state = || async {
        shop.data(look, json!({ "id": bulk["id"] })).await["discountRedeemCodeBulkCreation"].clone()
    };
    assert_eq!(state().await, json!({ "done": false, "importedCount": 0, "failedCount": 0 }));
    let by_code = "{ codeDiscountNodeByCode(code: \"two\") { id } }";
    assert!(shop.data(by_code, json!({})).await["codeDiscountNodeByCode"].is_null());
    shop.clock.pass(time);
    assert_eq!(state().await, json!({ "done": true, "importedCount": 1, "failedCount": 2 }));
    assert_eq!(shop.data(by_code, json!({})).await["codeDiscountNodeByCode"]["id"], id);
}

#[tokio::test]
async fn bulk_queries_go_by_edges_and_by_the_ids_of_parents() {
    let shop = Shop::start(Settings { products: 2, ..Settings::empty() }).await;
    let run =
        "mutation($q: String!) { bulkOperationRunQuery(query: $q) { userErrors { field message code } } }";
    let good = "{ products { edges { node { id variants { edges { node { id } } } } } } }";
    for (bad, told) in [
        ("{ products { nodes { id } } }", "by nodes"),
        ("{ products { edges { node { id variants { nodes { id } } } } } }", "by nodes"),
        ("{ products { edges { cursor } } }", "edges and node"),
        ("{ products { edges { node { title variants { edges { node { id } } } } } } }", "'id' field"),
        ("{ products { edges { node { me: id variants { edges { node { id } } } } } } }", "'id' field"),
        ("{ products { edges { node { id: title variants { edges { node { id } } } } } } }", "'id' field"),
    ] {
        let refused = shop.refused(run, json!({ "q": bad })).await;
        assert!(refused[0]["message"].as_str().unwrap().contains(told), "{bad} {refused}");
    }
    let (operation, lines) = shop.bulk(good).await;
    assert_eq!(operation["objectCount"].as_str(), Some(lines.len().to_string().as_str()));
    // Only who has children must tell its id.
    let (operation, lines) = shop.bulk("{ products { edges { node { title } } } }").await;
    assert_eq!((operation["status"].as_str(), lines.len()), (Some("COMPLETED"), 2));
}

#[tokio::test]
async fn nothing_that_is_sent_takes_the_store_down() {
    let shop = Shop::start(Settings { products: 2, ..Settings::empty() }).await;
    let list = "query($q: String, $a: String) { products(first: 5, query: $q, after: $a) { nodes { id } } }";
    for nested in ["(", "-", "NOT "] {
        let query = format!("{}title:x", nested.repeat(200_000));
        assert!(shop.ask(list, json!({ "q": query })).await["data"].is_object());
    }
    for query in ["((status:active))", "-(-status:active)"] {
        assert_eq!(
            shop.data(list, json!({ "q": query })).await["products"]["nodes"].as_array().unwrap().len(),
            2
        );
    }
    // A cursor from elsewhere, at the end of all numbers.
    let cursors = shop.data("{ products(first: 1) { pageInfo { endCursor } } }", json!({})).await;
    let cursor = cursors["products"]["pageInfo"]["endCursor"].as_str().unwrap();
    let next = shop.data(list, json!({ "a": cursor })).await;
    assert_eq!(next["products"]["nodes"].as_array().unwrap().len(), 1);
    let body = format!("{{\"query\":\"{}\"}}", "x".repeat(17 << 20));
    let answer = shop
        .client
        .post(format!("{}/admin/api/2026-10/graphql.json", shop.running.url))
        .header("x-shopify-access-token", &shop.running.access_token)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 413);
}

/// Readers, writers, bulk queries and changes of access, all at once: no order of locks leaves them waiting for each
/// other. They run on a runtime of their own, which is given up when it stands still.
#[test]
fn reads_writes_and_changes_of_access_never_wait_for_each_other() {
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(8).enable_all().build().unwrap();
        runtime.block_on(async {
            let shop = Shop::start(Settings { products: 3, ..Settings::empty() }).await;
            let create = "mutation { productCreate(product: { title: \"x\" }) { product { id } userErrors { message } } }";
            let bulk = "mutation { bulkOperationRunQuery(query: \"{ products { edges { node { id } } } }\") { bulkOperation { id } userErrors { message } } }";
            let list = "{ products(first: 20) { nodes { id title } } }";
            let ask = |query: &'static str| {
                let shop = &shop;
                async move {
                    for _ in 0..150 {
                        shop.post(query, json!({})).await;
                    }
                }
            };
            let access = async {
                for _ in 0..3_000 {
                    shop.running.set_access(&["write_products"], true);
                    tokio::task::yield_now().await;
                }
            };
            futures::join!(ask(create), ask(bulk), ask(list), ask(list), access);
            assert!(shop.data(list, json!({})).await["products"]["nodes"].as_array().unwrap().len() > 3);
        });
        ended.send(()).unwrap();
    });
    assert!(end.recv_timeout(Duration::from_secs(180)).is_ok(), "the store stands still");
}

#[tokio::test]
async fn a_product_that_was_deleted_is_selected_by_no_collection() {
    const SOURCES: &str = "query($id: ID!) { collection(id: $id) { products(first: 9) { nodes { id } } \
        sources { ... on CollectionConditionsSource { inclusion { selections(first: 9) { nodes { product { id } } } } \
        exclusion { selections(first: 9) { nodes { product { id } } } } } } } }";
    let shop = Shop::start(Settings { products: 3, content: false, ..Settings::default() }).await;
    let found = shop.data("{ products(first: 3) { nodes { id } } }", json!({})).await;
    let ids: Vec<Value> =
        found["products"]["nodes"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    let select = |id: &Value| json!({ "selections": [{ "productId": id }] });
    let both = json!({ "selections": [{ "productId": ids[0] }, { "productId": ids[1] }] });
    let source = json!({ "source": { "title": "s", "inclusion": both, "exclusion": select(&ids[2]) } });
    let made = shop
        .data(
            "mutation($c: CollectionCreateInput!) { collectionCreate(collection: $c) { collection { id } userErrors { message } } }",
            json!({ "c": { "title": "New", "sources": [source] } }),
        )
        .await;
    let id = json!({ "id": made["collectionCreate"]["collection"]["id"] });
    let selected = |answer: &Value, part: &str| {
        answer["collection"]["sources"][0][part]["selections"]["nodes"].as_array().map_or(0, Vec::len)
    };
    let before = shop.data(SOURCES, id.clone()).await;
    assert_eq!((selected(&before, "inclusion"), selected(&before, "exclusion")), (2, 1), "{before}");
    for gone in [&ids[0], &ids[2]] {
        let delete = "mutation($id: ID!) { productDelete(input: {id: $id}) { deletedProductId userErrors { message } } }";
        shop.data(delete, json!({ "id": gone })).await;
    }
    let after = shop.data(SOURCES, id).await;
    assert_eq!((selected(&after, "inclusion"), selected(&after, "exclusion")), (1, 0), "{after}");
    assert_eq!(after["collection"]["products"]["nodes"], json!([{ "id": ids[1] }]));
}
