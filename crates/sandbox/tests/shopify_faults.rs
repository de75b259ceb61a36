//! Bulk operations, what goes wrong on request, and webhooks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::collections::HashSet;
use std::time::Duration;

use aws_lc_rs::hmac;
use sandbox::shopify::{Fault, Settings};
use serde_json::{Value, json};
use support::Shop;

const RUN: &str = "mutation($q: String!, $g: Boolean! = false) { bulkOperationRunQuery(query: $q, groupObjects: $g) { bulkOperation { id status } userErrors { field message code } } }";
const PRODUCTS: &str = "{ products { edges { node { id title variants { edges { node { id } } } } } } }";
const PAGE: &str =
    "mutation($t: String!) { pageCreate(page: { title: $t }) { page { id handle } userErrors { message } } }";

fn with(faults: &str, settings: Settings) -> Settings {
    Settings { faults: Fault::parse_list(faults).unwrap(), ..settings }
}

/// Status and body, or nothing when the connection ended.
async fn raw(shop: &Shop, query: &str) -> Option<(u16, String)> {
    let response = shop
        .client
        .post(format!("{}/admin/api/2026-10/graphql.json", shop.running.url))
        .header("x-shopify-access-token", &shop.running.access_token)
        .json(&json!({ "query": query }))
        .send()
        .await
        .ok()?;
    let status = response.status().as_u16();
    Some((status, response.text().await.ok()?))
}

#[tokio::test]
async fn each_fault_hits_the_request_it_names_and_no_other() {
    let shop = Shop::start(with("429@1,429-bare@2,502:pages@2,503:shop@3,cut:blogs@1,throttled:menus@1,internal-error:menus@2,malformed-json:menus@3,cut-body:menus@4", Settings::default())).await;
    let first = shop.post("{ shop { name } }", json!({})).await;
    assert_eq!((first.status().as_u16(), first.headers()["retry-after"].to_str().unwrap()), (429, "1.0"));
    let second = shop.post("{ shop { name } }", json!({})).await;
    assert_eq!((second.status().as_u16(), second.headers().get("retry-after")), (429, None));
    assert_eq!(raw(&shop, "{ shop { name } }").await.unwrap().0, 503);
    assert_eq!(raw(&shop, "{ shop { name } }").await.unwrap().0, 200);
    let statuses = [
        raw(&shop, "{ pages(first: 1) { nodes { id } } }").await.unwrap().0,
        raw(&shop, "{ pages(first: 1) { nodes { id } } }").await.unwrap().0,
        raw(&shop, "{ pages(first: 1) { nodes { id } } }").await.unwrap().0,
    ];
    assert_eq!(statuses, [200, 502, 200]);
    assert!(raw(&shop, "{ blogs(first: 1) { nodes { id } } }").await.is_none());
    assert!(raw(&shop, "{ blogs(first: 1) { nodes { id } } }").await.is_some());
    let menus = "{ menus(first: 5) { nodes { id title } } }";
    assert!(raw(&shop, menus).await.unwrap().1.contains("THROTTLED"));
    assert!(raw(&shop, menus).await.unwrap().1.contains("INTERNAL_SERVER_ERROR"));
    let malformed = raw(&shop, menus).await.unwrap();
    assert!(malformed.0 == 200 && serde_json::from_str::<Value>(&malformed.1).is_err());
    assert!(raw(&shop, menus).await.is_none(), "the body is cut");
    assert!(serde_json::from_str::<Value>(&raw(&shop, menus).await.unwrap().1).is_ok());
}

#[tokio::test]
async fn a_lost_answer_was_done_and_a_cut_request_was_not() {
    let shop = Shop::start(with("lost-answer:pageCreate@1,cut:blogCreate@1", Settings::empty())).await;
    assert!(
        raw(
            &shop,
            "mutation { pageCreate(page: { title: \"Lost\" }) { page { id } userErrors { message } } }"
        )
        .await
        .is_none()
    );
    assert!(
        raw(
            &shop,
            "mutation { blogCreate(blog: { title: \"Cut\" }) { blog { id } userErrors { message } } }"
        )
        .await
        .is_none()
    );
    let data = shop
        .data("{ pages(first: 5) { nodes { handle } } blogs(first: 5) { nodes { handle } } }", json!({}))
        .await;
    assert_eq!(data["pages"]["nodes"], json!([{ "handle": "lost" }]));
    assert_eq!(data["blogs"]["nodes"], json!([]));
}

#[tokio::test]
async fn a_share_of_requests_fails_and_the_rest_does_not() {
    let shop = Shop::start(with("502%30", Settings::empty())).await;
    let mut failed = 0;
    for _ in 0..100 {
        failed += u32::from(raw(&shop, "{ shop { name } }").await.unwrap().0 == 502);
    }
    assert!((10..60).contains(&failed), "{failed}");
    shop.running.set_faults(Vec::new());
    assert_eq!(raw(&shop, "{ shop { name } }").await.unwrap().0, 200);
}

#[tokio::test]
async fn failed_and_truncated_bulk_results_can_be_told_from_whole_ones() {
    let shop = Shop::start(with(
        "bulk-failed:products@1,bulk-truncated:products@2,bulk-denied:products@3",
        Settings { products: 20, ..Settings::empty() },
    ))
    .await;
    let (failed, _) = shop.bulk(PRODUCTS).await;
    assert_eq!(
        (failed["status"].as_str(), failed["errorCode"].as_str()),
        (Some("FAILED"), Some("INTERNAL_SERVER_ERROR"))
    );
    assert_eq!(failed["url"], Value::Null);
    let partial = shop
        .client
        .get(failed["partialDataUrl"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(!partial.is_empty() && partial.lines().count() < 60);

    let started = shop.change(RUN, json!({ "q": PRODUCTS })).await;
    let truncated = shop.bulk_end(started["bulkOperation"]["id"].as_str().unwrap()).await;
    assert_eq!(truncated["status"], "COMPLETED");
    let text =
        shop.client.get(truncated["url"].as_str().unwrap()).send().await.unwrap().text().await.unwrap();
    assert!(text.len() < truncated["fileSize"].as_str().unwrap().parse().unwrap());
    assert!(serde_json::from_str::<Value>(text.lines().last().unwrap()).is_err());

    let (denied, _) = shop.bulk(PRODUCTS).await;
    assert_eq!(denied["errorCode"], "ACCESS_DENIED");
    let (whole, lines) = shop.bulk(PRODUCTS).await;
    assert_eq!(
        (whole["status"].as_str(), whole["objectCount"].as_str()),
        (Some("COMPLETED"), Some(lines.len().to_string().as_str()))
    );
}

#[tokio::test]
async fn a_result_can_be_fetched_in_ranges_and_for_seven_days() {
    let shop = Shop::start(Settings { products: 10, ..Settings::empty() }).await;
    let started = shop.change(RUN, json!({ "q": PRODUCTS })).await;
    let operation = shop.bulk_end(started["bulkOperation"]["id"].as_str().unwrap()).await;
    let url = operation["url"].as_str().unwrap();
    let whole = shop.client.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(operation["fileSize"], whole.len().to_string());
    let part = shop.client.get(url).header("range", "bytes=10-99").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"].to_str().unwrap(), format!("bytes 10-99/{}", whole.len()));
    assert_eq!(part.bytes().await.unwrap(), whole[10..100]);
    let rest =
        shop.client.get(url).header("range", "bytes=100-").send().await.unwrap().bytes().await.unwrap();
    assert_eq!(rest, whole[100..]);
    shop.running.set_faults(Fault::parse_list("cut-body:result@1").unwrap());
    let response = shop.client.get(url).send().await.unwrap();
    assert!(response.bytes().await.is_err(), "the connection ends in the middle");
    assert_eq!(shop.client.get(url).send().await.unwrap().bytes().await.unwrap(), whole);
    shop.clock.pass(Duration::from_secs(7 * 86_400));
    assert_eq!(shop.client.get(url).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn five_bulk_queries_run_at_once_and_no_more() {
    let shop =
        Shop::start(with("bulk-stuck:products@1+", Settings { products: 2, ..Settings::empty() })).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(shop.change(RUN, json!({ "q": PRODUCTS })).await["bulkOperation"]["id"].clone());
    }
    assert_eq!(shop.refused(RUN, json!({ "q": PRODUCTS })).await[0]["code"], "LIMIT_REACHED");
    // All of them have begun, and hang.
    while shop
        .data("{ bulkOperations(first: 9, query: \"status:running\") { nodes { id } } }", json!({}))
        .await["bulkOperations"]["nodes"]
        .as_array()
        .unwrap()
        .len()
        < 5
    {
        tokio::task::yield_now().await;
    }
    let cancel = "mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { field message } } }";
    for id in &ids {
        let cancelled = shop.change(cancel, json!({ "id": id })).await;
        assert!(cancelled["bulkOperation"]["status"].as_str().unwrap().starts_with("CANCEL"));
        assert_eq!(shop.bulk_end(id.as_str().unwrap()).await["status"], "CANCELED");
    }
    let listed = shop
        .data("{ bulkOperations(first: 10, query: \"status:canceled\") { nodes { id } } }", json!({}))
        .await;
    assert_eq!(listed["bulkOperations"]["nodes"].as_array().unwrap().len(), 5);
    shop.running.set_faults(Vec::new());
    assert_eq!(shop.bulk(PRODUCTS).await.0["status"], "COMPLETED");
}

#[tokio::test]
async fn bulk_queries_have_rules() {
    let shop = Shop::start(Settings { products: 3, ..Settings::empty() }).await;
    let inner = "{ edges { node { id } } }";
    let cases = [
        ("{ shop { name } }".to_owned(), "connection"),
        (
            "{ a: products { edges { node { id } } } b: products { edges { node { id } } } }".to_owned(),
            "one top-level field",
        ),
        (
            format!(
                "{{ products {{ edges {{ node {{ id a: variants {inner} b: variants {inner} c: media {inner} d: media {inner} e: metafields {inner} }} }} }} }}"
            ),
            "5 connections",
        ),
        (
            format!(
                "{{ collections {{ edges {{ node {{ id products {{ edges {{ node {{ id variants {{ edges {{ node {{ id metafields {inner} }} }} }} }} }} }} }} }} }} }}"
            ),
            "deeper",
        ),
        ("mutation { pageDelete(id: \"x\") { userErrors { message } } }".to_owned(), "must be a query"),
        ("# wrong on purpose\n{ products { edges { node { titel } } } }".to_owned(), "titel"),
    ];
    for (query, part) in cases {
        let errors = shop.refused(RUN, json!({ "q": query })).await;
        assert!(errors[0]["message"].as_str().unwrap().contains(part), "{part}: {errors}");
        assert_eq!(errors[0]["code"], "INVALID");
    }
    let (empty, lines) = shop.bulk("{ orders { edges { node { id } } } }").await;
    assert_eq!(
        (empty["status"].as_str(), empty["url"].clone(), empty["objectCount"].as_str(), lines.len()),
        (Some("COMPLETED"), Value::Null, Some("0"), 0)
    );
}

#[tokio::test]
async fn grouped_lines_follow_their_parents_and_ungrouped_ones_name_them() {
    let shop = Shop::start(Settings { products: 25, query_cost_max: u64::MAX, ..Settings::default() }).await;
    let started = shop.change(RUN, json!({ "q": PRODUCTS, "g": true })).await;
    let operation = shop.bulk_end(started["bulkOperation"]["id"].as_str().unwrap()).await;
    let text =
        shop.client.get(operation["url"].as_str().unwrap()).send().await.unwrap().text().await.unwrap();
    let mut parent = Value::Null;
    for line in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        match line.get("__parentId") {
            None => parent = line["id"].clone(),
            Some(named) => assert_eq!(*named, parent),
        }
    }
    let (_, lines) = shop.bulk("{ collections { edges { node { id products { edges { node { id } } } metafields { edges { node { id } } } } } } }").await;
    let ids: HashSet<String> = lines
        .iter()
        .filter(|line| line.get("__parentId").is_none())
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        lines
            .iter()
            .filter_map(|line| line.get("__parentId"))
            .all(|parent| ids.contains(parent.as_str().unwrap()))
    );
    let direct = shop
        .data("{ collections(first: 50) { nodes { id products(first: 250) { nodes { id } } } } }", json!({}))
        .await;
    let members: usize = direct["collections"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["products"]["nodes"].as_array().unwrap().len())
        .sum();
    assert_eq!(
        lines.iter().filter(|line| line["id"].as_str().unwrap().contains("/Product/")).count(),
        members
    );
}

#[tokio::test]
async fn a_bulk_mutation_runs_each_line() {
    let shop = Shop::start(Settings::empty()).await;
    let stage = "mutation { stagedUploadsCreate(input: [{ filename: \"lines.jsonl\", mimeType: \"text/jsonl\", resource: BULK_MUTATION_VARIABLES, httpMethod: POST }]) { stagedTargets { url parameters { name value } } userErrors { message } } }";
    let target = shop.change(stage, json!({})).await["stagedTargets"][0].clone();
    let lines = "{\"t\":\"One\"}\n{\"t\":\"\"}\n{\"t\":\"Three\"}\n";
    let mut form = reqwest::multipart::Form::new();
    let mut key = String::new();
    for parameter in target["parameters"].as_array().unwrap() {
        let (name, value) =
            (parameter["name"].as_str().unwrap().to_owned(), parameter["value"].as_str().unwrap().to_owned());
        if name == "key" {
            key.clone_from(&value);
        }
        form = form.text(name, value);
    }
    let form = form.part("file", reqwest::multipart::Part::bytes(lines.as_bytes()));
    shop.client.post(target["url"].as_str().unwrap()).multipart(form).send().await.unwrap();
    let run = "mutation($m: String!, $p: String!) { bulkOperationRunMutation(mutation: $m, stagedUploadPath: $p) { bulkOperation { id } userErrors { field message code } } }";
    assert_eq!(shop.refused(run, json!({ "m": PAGE, "p": "uploads/none" })).await[0]["code"], "NO_SUCH_FILE");
    assert_eq!(
        shop.refused(run, json!({ "m": "{ shop { name } }", "p": key })).await[0]["code"],
        "INVALID_MUTATION"
    );
    let id = shop.change(run, json!({ "m": PAGE, "p": key })).await["bulkOperation"]["id"].clone();
    let operation = shop.bulk_end(id.as_str().unwrap()).await;
    assert_eq!(operation["status"], "COMPLETED");
    let text =
        shop.client.get(operation["url"].as_str().unwrap()).send().await.unwrap().text().await.unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["data"]["pageCreate"]["page"]["handle"], "one");
    assert_eq!(answers[1]["data"]["pageCreate"]["userErrors"][0]["message"], "Title can't be blank");
    assert_eq!(answers[2]["__lineNumber"], 2);
}

type Deliveries = tokio::sync::mpsc::UnboundedReceiver<(axum::http::HeaderMap, Vec<u8>)>;

/// The next delivery, while time passes.
async fn later(shop: &Shop, received: &mut Deliveries) -> (axum::http::HeaderMap, Vec<u8>) {
    loop {
        shop.clock.pass(Duration::from_secs(1));
        match received.try_recv() {
            Ok(delivery) => return delivery,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// A receiver of webhooks that fails the first `failures` deliveries.
async fn receiver(
    failures: usize,
) -> (String, tokio::sync::mpsc::UnboundedReceiver<(axum::http::HeaderMap, Vec<u8>)>) {
    let (sender, received) = tokio::sync::mpsc::unbounded_channel();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let router = axum::Router::new().route(
        "/hook",
        axum::routing::post(async move |headers: axum::http::HeaderMap, body: axum::body::Bytes| {
            sender.send((headers, body.to_vec())).unwrap();
            if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < failures {
                axum::http::StatusCode::INTERNAL_SERVER_ERROR
            } else {
                axum::http::StatusCode::OK
            }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let service = hyper_util::service::TowerToHyperService::new(router);
        while let Ok((stream, _)) = listener.accept().await {
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service.clone());
            tokio::spawn(async move { serving.await.unwrap_or_default() });
        }
    });
    (url, received)
}

const SUBSCRIBE: &str = "mutation($t: WebhookSubscriptionTopic!, $u: String!) { webhookSubscriptionCreate(topic: $t, webhookSubscription: { uri: $u }) { webhookSubscription { id topic uri } userErrors { field message } } }";

#[tokio::test]
async fn webhooks_are_signed_and_name_the_object() {
    let shop = Shop::start(Settings { products: 2, ..Settings::empty() }).await;
    let (url, mut received) = receiver(1).await;
    for topic in ["PRODUCTS_UPDATE", "PRODUCTS_DELETE", "BULK_OPERATIONS_FINISH"] {
        shop.change(SUBSCRIBE, json!({ "t": topic, "u": url })).await;
    }
    shop.refused(SUBSCRIBE, json!({ "t": "PRODUCTS_UPDATE", "u": url })).await;
    let id = shop.data("{ products(first: 1) { nodes { id legacyResourceId } } }", json!({})).await["products"]["nodes"][0].clone();
    shop.change("mutation($p: ProductUpdateInput!) { productUpdate(product: $p) { product { id } userErrors { message } } }", json!({ "p": { "id": id["id"], "title": "New" } })).await;
    let (headers, body) = received.recv().await.unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, shop.running.client_secret.as_bytes());
    let signature = hmac::sign(&key, &body);
    assert_eq!(decode(headers["x-shopify-hmac-sha256"].to_str().unwrap()), signature.as_ref());
    assert_eq!(headers["x-shopify-topic"], "products/update");
    assert_eq!(headers["x-shopify-api-version"], "2026-10");
    assert!(headers["x-shopify-shop-domain"].to_str().unwrap().ends_with(".myshopify.com"));
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["admin_graphql_api_id"], id["id"]);
    // The first delivery failed: the same body comes again, under the same ids.
    let (again, same) = later(&shop, &mut received).await;
    assert_eq!(
        (&again["x-shopify-event-id"], &again["x-shopify-webhook-id"], &same),
        (&headers["x-shopify-event-id"], &headers["x-shopify-webhook-id"], &body)
    );

    shop.change("mutation($i: ProductDeleteInput!) { productDelete(input: $i) { deletedProductId userErrors { message } } }", json!({ "i": { "id": id["id"] } })).await;
    let (headers, body) = received.recv().await.unwrap();
    assert_eq!(headers["x-shopify-topic"], "products/delete");
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({ "id": id["legacyResourceId"].as_str().unwrap().parse::<u64>().unwrap() })
    );
    let (operation, _) = shop.bulk(PRODUCTS).await;
    let (headers, body) = received.recv().await.unwrap();
    assert_eq!(headers["x-shopify-topic"], "bulk_operations/finish");
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (told["admin_graphql_api_id"].clone(), told["status"].as_str()),
        (operation["id"].clone(), Some("completed"))
    );
}

const SUBSCRIBE_TO: &str = "mutation($t: WebhookSubscriptionTopic!, $s: WebhookSubscriptionInput!) { webhookSubscriptionCreate(topic: $t, webhookSubscription: $s) { webhookSubscription { id } userErrors { field message } } }";
const CUSTOMER: &str = "mutation($e: String!) { customerCreate(input: { email: $e, lastName: \"Heron\" }) { customer { id } userErrors { message } } }";

/// The next message: its topic and its body.
async fn next(received: &mut Deliveries) -> (String, Value) {
    let (headers, body) = received.recv().await.unwrap();
    (headers["x-shopify-topic"].to_str().unwrap().to_owned(), serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_message_holds_the_fields_that_were_asked_for() {
    let shop = Shop::start(Settings::empty()).await;
    let (url, mut received) = receiver(0).await;
    let topic = "CUSTOMERS_CREATE";
    let made = shop.change(SUBSCRIBE_TO, json!({ "t": topic, "s": { "uri": url } })).await;
    shop.change(CUSTOMER, json!({ "e": "a@example.com" })).await;
    assert_eq!(next(&mut received).await.1["email"], "a@example.com");
    let update = "mutation($id: ID!, $s: WebhookSubscriptionInput!) { webhookSubscriptionUpdate(id: $id, webhookSubscription: $s) { webhookSubscription { includeFields uri } userErrors { message } } }";
    let few = json!({ "id": made["webhookSubscription"]["id"], "s": { "includeFields": ["id", "addresses.city"] } });
    let changed = shop.change(update, few).await;
    assert_eq!(changed["webhookSubscription"]["uri"], json!(url), "what is not said stays");
    let made = shop.change(CUSTOMER, json!({ "e": "b@example.com" })).await;
    let number: u64 = made["customer"]["id"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(next(&mut received).await, ("customers/create".to_owned(), json!({ "id": number })));
}

#[tokio::test]
async fn metaobjects_are_told_of_by_the_types_that_are_named() {
    let shop = Shop::start(Settings::empty()).await;
    let (url, mut received) = receiver(0).await;
    let define = "mutation($t: String!) { metaobjectDefinitionCreate(definition: { type: $t, name: $t, fieldDefinitions: [{ key: \"name\", type: \"single_line_text_field\" }] }) { metaobjectDefinition { id } userErrors { message } } }";
    let create = "mutation($t: String!) { metaobjectCreate(metaobject: { type: $t, fields: [{ key: \"name\", value: \"Red\" }] }) { metaobject { id } userErrors { message } } }";
    for name in ["lamp", "shade", "bulb"] {
        shop.change(define, json!({ "t": name })).await;
    }
    let wanted =
        |filter: Option<&str>| json!({ "t": "METAOBJECTS_CREATE", "s": { "uri": url, "filter": filter } });
    for filter in [None, Some(""), Some("handle:red"), Some("type:lamp OR handle:red")] {
        let refused = shop.refused(SUBSCRIBE_TO, wanted(filter)).await;
        assert!(refused[0]["message"].as_str().unwrap().contains("filter is invalid"), "{refused}");
    }
    shop.change(SUBSCRIBE_TO, wanted(Some("type:lamp OR type:shade"))).await;
    for name in ["bulb", "shade"] {
        shop.change(create, json!({ "t": name })).await;
    }
    let (topic, body) = next(&mut received).await;
    assert_eq!((topic.as_str(), &body["type"]), ("metaobjects/create", &json!("shade")));
    assert!(body["id"].as_str().unwrap().starts_with("gid://shopify/Metaobject/"));
}

#[tokio::test]
async fn a_topic_takes_its_scope() {
    let shop = Shop::start(Settings::empty()).await;
    shop.running.set_access(&["read_products"], true);
    let wanted = |topic: &str| json!({ "t": topic, "s": { "uri": "https://hooks.example.com/told" } });
    shop.refused(SUBSCRIBE_TO, wanted("ORDERS_CREATE")).await;
    shop.change(SUBSCRIBE_TO, wanted("PRODUCTS_CREATE")).await;
    shop.change(SUBSCRIBE_TO, wanted("SHOP_UPDATE")).await;
    shop.running.set_access(&["write_orders"], true);
    shop.change(SUBSCRIBE_TO, wanted("ORDERS_CREATE")).await;
}

#[tokio::test]
async fn stock_and_places_have_topics_of_their_own() {
    let shop = Shop::start(Settings { products: 1, ..Settings::default() }).await;
    let (url, mut received) = receiver(0).await;
    for topic in [
        "INVENTORY_ITEMS_UPDATE",
        "INVENTORY_LEVELS_CONNECT",
        "INVENTORY_LEVELS_UPDATE",
        "INVENTORY_LEVELS_DISCONNECT",
        "LOCATIONS_UPDATE",
        "LOCATIONS_ACTIVATE",
        "LOCATIONS_DEACTIVATE",
    ] {
        shop.change(SUBSCRIBE, json!({ "t": topic, "u": url })).await;
    }
    let add = "mutation { locationAdd(input: { name: \"Attic\", address: { countryCode: DE } }) { location { id } userErrors { message } } }";
    let attic = shop.change(add, json!({})).await["location"]["id"].clone();
    let item = shop.data("{ inventoryItems(first: 1) { nodes { id legacyResourceId } } }", json!({})).await["inventoryItems"]["nodes"][0].clone();
    let number: u64 = item["legacyResourceId"].as_str().unwrap().parse().unwrap();
    let activate = "mutation($i: ID!, $l: ID!) { inventoryActivate(inventoryItemId: $i, locationId: $l, available: 3) @idempotent(key: \"a\") { inventoryLevel { id } userErrors { message } } }";
    let level =
        shop.change(activate, json!({ "i": item["id"], "l": attic })).await["inventoryLevel"]["id"].clone();
    let (topic, body) = next(&mut received).await;
    assert_eq!((topic.as_str(), &body["admin_graphql_api_id"]), ("inventory_levels/connect", &level));
    assert_eq!((&body["inventory_item_id"], &body["available"]), (&json!(number), &json!(3)));
    let set = "mutation($i: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $i) @idempotent(key: \"b\") { userErrors { message } } }";
    let one =
        json!({ "inventoryItemId": item["id"], "locationId": attic, "quantity": 0, "changeFromQuantity": 3 });
    shop.change(set, json!({ "i": { "name": "available", "reason": "correction", "quantities": [one] } }))
        .await;
    let (topic, body) = next(&mut received).await;
    assert_eq!((topic.as_str(), &body["available"]), ("inventory_levels/update", &json!(0)));
    let deactivate =
        "mutation($l: ID!) { inventoryDeactivate(inventoryLevelId: $l) { userErrors { message } } }";
    shop.change(deactivate, json!({ "l": level })).await;
    let (topic, body) = next(&mut received).await;
    assert_eq!((topic.as_str(), body.as_object().unwrap().len()), ("inventory_levels/disconnect", 2));
    // The item itself is told of when it changes itself.
    let update = "mutation($i: ID!) { inventoryItemUpdate(id: $i, input: { tracked: false, cost: \"4.71\" }) { inventoryItem { id } userErrors { message } } }";
    shop.change(update, json!({ "i": item["id"] })).await;
    assert_eq!(next(&mut received).await.0, "inventory_items/update");
    let off = "mutation($l: ID!) { locationDeactivate(locationId: $l) @idempotent(key: \"c\") { locationDeactivateUserErrors { code } } }";
    let on = "mutation($l: ID!) { locationActivate(locationId: $l) @idempotent(key: \"d\") { locationActivateUserErrors { code } } }";
    let edit =
        "mutation($l: ID!) { locationEdit(id: $l, input: { name: \"Loft\" }) { userErrors { message } } }";
    for (mutation, topic) in
        [(off, "locations/deactivate"), (on, "locations/activate"), (edit, "locations/update")]
    {
        shop.data(mutation, json!({ "l": attic })).await;
        assert_eq!(next(&mut received).await.0, topic);
    }
}

#[tokio::test]
async fn tags_consents_and_codes_have_topics_of_their_own() {
    let shop = Shop::start(Settings { products: 1, customers: 1, ..Settings::default() }).await;
    let (url, mut received) = receiver(0).await;
    for topic in [
        "CUSTOMERS_UPDATE",
        "CUSTOMER_TAGS_ADDED",
        "CUSTOMER_TAGS_REMOVED",
        "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
        "DISCOUNTS_UPDATE",
        "DISCOUNTS_REDEEMCODE_ADDED",
    ] {
        shop.change(SUBSCRIBE, json!({ "t": topic, "u": url })).await;
    }
    let made = shop.change(CUSTOMER, json!({ "e": "a@example.com" })).await["customer"]["id"].clone();
    let add = "mutation($i: ID!) { tagsAdd(id: $i, tags: [\"heron\"]) { userErrors { message } } }";
    let remove = "mutation($i: ID!) { tagsRemove(id: $i, tags: [\"heron\"]) { userErrors { message } } }";
    let agree = "mutation($i: ID!) { customerEmailMarketingConsentUpdate(input: { customerId: $i, emailMarketingConsent: { marketingState: SUBSCRIBED, marketingOptInLevel: SINGLE_OPT_IN } }) { userErrors { message } } }";
    let rename = "mutation($i: ID!) { customerUpdate(input: { id: $i, firstName: \"Grey\" }) { userErrors { message } } }";
    for (mutation, topic) in [
        (add, "customer.tags_added"),
        (remove, "customer.tags_removed"),
        (agree, "customers_email_marketing_consent/update"),
        (rename, "customers/update"),
    ] {
        shop.change(mutation, json!({ "i": made })).await;
        let (told, body) = next(&mut received).await;
        assert_eq!(told, topic);
        let number = made.as_str().unwrap().rsplit('/').next().unwrap();
        assert!(body.to_string().contains(number), "{body}");
    }
    let create = "mutation { discountCodeBasicCreate(basicCodeDiscount: { title: \"Spring\", code: \"SPRING\", startsAt: \"2026-01-01T00:00:00Z\", context: { all: ALL }, customerGets: { items: { all: true }, value: { percentage: 0.1 } } }) { codeDiscountNode { id } userErrors { message } } }";
    let node = shop.change(create, json!({})).await["codeDiscountNode"]["id"].clone();
    let codes = "mutation($d: ID!) { discountRedeemCodeBulkAdd(discountId: $d, codes: [{ code: \"MORE\" }]) { bulkCreation { id } userErrors { message } } }";
    shop.change(codes, json!({ "d": node })).await;
    let (told, body) = next(&mut received).await;
    assert_eq!((told.as_str(), &body["admin_graphql_api_id"]), ("discounts/redeemcode_added", &node));
}

#[tokio::test]
async fn a_receiver_that_never_answers_well_loses_its_subscription() {
    let shop = Shop::start(Settings::empty()).await;
    let (url, mut received) = receiver(usize::MAX).await;
    shop.change(SUBSCRIBE, json!({ "t": "COLLECTIONS_CREATE", "u": url })).await;
    shop.change("mutation { collectionCreate(collection: { title: \"Told\" }) { collection { id } userErrors { message } } }", json!({})).await;
    received.recv().await.unwrap();
    for _ in 0..7 {
        later(&shop, &mut received).await;
    }
    let left = "{ webhookSubscriptions(first: 5) { nodes { id } } }";
    for _ in 0..1_000 {
        if shop.data(left, json!({})).await["webhookSubscriptions"]["nodes"] == json!([]) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the subscription is still there");
}

fn decode(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String =
        text.chars().filter_map(|c| alphabet.find(c)).map(|six| format!("{six:06b}")).collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}
