//! The rules around the data: cost, throttling, limits, lag, scopes, tokens, versions, documents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::time::Duration;

use domain::Clock as _;
use sandbox::shopify::{Plan, ProtectedData, Settings};
use serde_json::{Value, json};
use support::Shop;

const CREATE_PAGE: &str = "mutation($p: PageCreateInput!) { pageCreate(page: $p) { page { id handle updatedAt } userErrors { field message code } } }";

#[tokio::test]
async fn a_query_costs_its_objects_and_gets_the_difference_back() {
    let shop =
        Shop::start(Settings { products: 3, plan: Plan::PointsPerSecond(100), ..Settings::empty() }).await;
    let answer = shop.ask("{ products(first: 50) { nodes { id seo { title } } } }", json!({})).await;
    let cost = &answer["extensions"]["cost"];
    assert_eq!(cost["requestedQueryCost"], 2 + 50 * 2);
    assert!(cost["actualQueryCost"].as_u64().unwrap() < 10, "{cost}");
    assert_eq!(cost["throttleStatus"]["maximumAvailable"], 2_000.0);
    assert_eq!(cost["throttleStatus"]["restoreRate"], 100.0);
    assert_eq!(
        cost["throttleStatus"]["currentlyAvailable"].as_u64().unwrap(),
        2_000 - cost["actualQueryCost"].as_u64().unwrap()
    );
    let mutation = shop.ask(CREATE_PAGE, json!({ "p": { "title": "Costs ten" } })).await;
    assert_eq!(mutation["extensions"]["cost"]["actualQueryCost"], 10);
    let deep = "{ products(first: 250) { nodes { variants(first: 100) { nodes { id } } } } }";
    let refused = shop.ask(deep, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "MAX_COST_EXCEEDED");
    assert!(refused.get("data").is_none());
}

#[tokio::test]
async fn an_empty_bucket_throttles_until_it_fills_again() {
    let shop =
        Shop::start(Settings { plan: Plan::PointsPerSecond(10), products: 60, ..Settings::empty() }).await;
    let query = "{ products(first: 60) { nodes { id } } }";
    let mut answered = 0;
    let refused = loop {
        let answer = shop.ask(query, json!({})).await;
        if answer.get("errors").is_some() {
            break answer;
        }
        answered += 1;
        assert!(answered < 10);
    };
    assert_eq!(answered, 3);
    assert_eq!(refused["errors"][0]["message"], "Throttled");
    assert_eq!(refused["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(refused["extensions"]["cost"]["actualQueryCost"], Value::Null);
    assert!(refused.get("data").is_none());
    let cost = &refused["extensions"]["cost"];
    let wait = (cost["requestedQueryCost"].as_f64().unwrap()
        - cost["throttleStatus"]["currentlyAvailable"].as_f64().unwrap())
        / 10.0;
    shop.clock.pass(Duration::from_secs_f64(wait - 0.5));
    assert!(shop.ask(query, json!({})).await.get("errors").is_some());
    shop.clock.pass(Duration::from_secs(1));
    assert!(shop.ask(query, json!({})).await.get("errors").is_none());
    assert_eq!(shop.running.stats().throttled, 2);
}

#[tokio::test]
async fn pages_and_inputs_have_limits() {
    let shop = Shop::start(Settings { products: 1, ..Settings::empty() }).await;
    for (args, part) in [
        ("first: 251", "250"),
        ("", "first or last"),
        ("first: 1, last: 1", "both"),
        ("first: -1", "negative"),
        ("first: 1, after: \"nonsense\"", "cursor"),
    ] {
        let query = format!(
            "{{ products{} {{ nodes {{ id }} }} }}",
            if args.is_empty() { String::new() } else { format!("({args})") }
        );
        let answer = shop.ask(&query, json!({})).await;
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains(part), "{args}: {answer}");
        assert_eq!(answer["data"], Value::Null);
    }
    shop.data("{ products(first: 250) { nodes { id } } }", json!({})).await;
    let ids = |count: usize| json!({ "ids": vec!["gid://shopify/Product/1"; count] });
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let refused = shop.ask(query, ids(251)).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "MAX_INPUT_SIZE_EXCEEDED");
    assert_eq!(shop.data(query, ids(250)).await["nodes"].as_array().unwrap().len(), 250);
}

#[tokio::test]
async fn a_list_ends_at_25000_and_so_does_a_count() {
    let shop = Shop::start(Settings { customers: 25_002, ..Settings::empty() }).await;
    let count =
        shop.data("{ customersCount { count precision } }", json!({})).await["customersCount"].clone();
    assert_eq!(count, json!({ "count": 10_000, "precision": "AT_LEAST" }));
    let count =
        shop.data("{ customersCount(limit: null) { count precision } }", json!({})).await["customersCount"]
            .clone();
    assert_eq!(count, json!({ "count": 25_001, "precision": "AT_LEAST" }));
    let (mut after, mut seen) = (json!(null), 0);
    let refused = loop {
        let answer = shop.ask("query($a: String) { customers(first: 250, after: $a) { nodes { id } pageInfo { hasNextPage endCursor } } }", json!({ "a": after })).await;
        if answer.get("errors").is_some() {
            break answer;
        }
        let page = &answer["data"]["customers"];
        assert_eq!(page["pageInfo"]["hasNextPage"], true);
        seen += page["nodes"].as_array().unwrap().len();
        after = page["pageInfo"]["endCursor"].clone();
    };
    assert_eq!(seen, 25_000);
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("25000"), "{refused}");
    let (operation, lines) = shop.bulk("{ customers { edges { node { id } } } }").await;
    assert_eq!(
        (operation["rootObjectCount"].clone(), lines.len()),
        (json!("25002"), 25_002),
        "bulk has no such limit"
    );
}

#[tokio::test]
async fn a_search_sees_a_write_late_and_a_read_at_once() {
    let shop = Shop::start(Settings { search_lag: Duration::from_secs(30), ..Settings::empty() }).await;
    let since = shop.clock.now().to_string();
    shop.clock.pass(Duration::from_secs(5));
    let page = shop.change(CREATE_PAGE, json!({ "p": { "title": "Late" } })).await["page"].clone();
    let search = "query($q: String!) { pages(first: 5, query: $q) { nodes { id title } } }";
    let found = || shop.data(search, json!({ "q": format!("updated_at:>='{since}'") }));
    assert_eq!(found().await["pages"]["nodes"], json!([]));
    let direct = shop
        .data(
            "query($id: ID!) { page(id: $id) { title } pages(first: 5) { nodes { id } } }",
            json!({ "id": page["id"] }),
        )
        .await;
    assert_eq!(direct["page"]["title"], "Late");
    assert_eq!(direct["pages"]["nodes"].as_array().unwrap().len(), 1);
    shop.clock.pass(Duration::from_secs(30));
    assert_eq!(found().await["pages"]["nodes"][0]["id"], page["id"]);

    // An older object is found under its old time until the lag has passed.
    let later = shop.clock.now().to_string();
    let update = "mutation($id: ID!) { pageUpdate(id: $id, page: { title: \"Later\" }) { page { title } userErrors { message } } }";
    shop.change(update, json!({ "id": page["id"] })).await;
    let found = shop.data(search, json!({ "q": format!("updated_at:>='{later}'") })).await;
    assert_eq!(found["pages"]["nodes"], json!([]));
    let old = shop.data(search, json!({ "q": format!("updated_at:<'{later}'") })).await;
    assert_eq!(
        old["pages"]["nodes"],
        json!([{ "id": page["id"], "title": "Later" }]),
        "found by the old state, shown in the new"
    );
}

#[tokio::test]
async fn updated_at_finds_exactly_what_changed() {
    let shop = Shop::start(Settings { products: 40, ..Settings::empty() }).await;
    shop.clock.pass(Duration::from_secs(60));
    let since = shop.clock.now().to_string();
    let ids =
        shop.data("{ products(first: 40) { nodes { id } } }", json!({})).await["products"]["nodes"].clone();
    let update = "mutation($p: ProductUpdateInput!) { productUpdate(product: $p) { product { id } userErrors { message } } }";
    for place in [31, 4] {
        shop.change(update, json!({ "p": { "id": ids[place]["id"], "title": format!("Changed {place}") } }))
            .await;
    }
    for sort in ["ID", "UPDATED_AT"] {
        let query = format!(
            "query($q: String!) {{ products(first: 1, query: $q, sortKey: {sort}) {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let first =
            shop.data(&query, json!({ "q": format!("updated_at:>='{since}'") })).await["products"].clone();
        assert_eq!(first["nodes"], json!([ids[4]]), "{sort}");
        let query =
            query.replace("first: 1,", &format!("first: 1, after: {},", first["pageInfo"]["endCursor"]));
        let second =
            shop.data(&query, json!({ "q": format!("updated_at:>='{since}'") })).await["products"].clone();
        assert_eq!(second["nodes"], json!([ids[31]]), "{sort}");
        assert_eq!(second["pageInfo"]["hasNextPage"], false);
    }
    let warned =
        shop.ask("{ products(first: 1, query: \"colour_of_day:red\") { nodes { id } } }", json!({})).await;
    assert_eq!(warned["extensions"]["search"][0]["warnings"][0]["code"], "invalid_field");
}

#[tokio::test]
async fn a_missing_scope_is_denied_and_a_present_one_is_not() {
    let shop = Shop::start(Settings {
        scopes: Some(vec!["read_products".to_owned(), "write_content".to_owned()]),
        products: 2,
        ..Settings::default()
    })
    .await;
    let denied = shop.ask("{ orders(first: 1) { nodes { id } } }", json!({})).await;
    assert_eq!(denied["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    assert_eq!(
        denied["errors"][0]["message"],
        "Access denied for orders field. Required access: `read_orders` access scope."
    );
    assert_eq!(denied["errors"][0]["path"], json!(["orders"]));
    assert_eq!(denied["data"], Value::Null);
    shop.data("{ products(first: 1) { nodes { id } } pages(first: 1) { nodes { id } } }", json!({})).await;
    // A field deep inside is null when it may be.
    let part = shop.ask("{ products(first: 1) { nodes { id } } location { id } }", json!({})).await;
    assert_eq!(part["data"]["location"], Value::Null);
    assert_eq!(part["data"]["products"]["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(part["errors"][0]["path"], json!(["location"]));
    let delete = "mutation($i: ProductDeleteInput!) { productDelete(input: $i) { deletedProductId userErrors { message } } }";
    let id = part["data"]["products"]["nodes"][0]["id"].clone();
    let refused = shop.ask(delete, json!({ "i": { "id": id } })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    shop.change(CREATE_PAGE, json!({ "p": { "title": "Allowed" } })).await;
    let scopes = shop.data("{ currentAppInstallation { accessScopes { handle } } }", json!({})).await;
    assert_eq!(
        scopes["currentAppInstallation"]["accessScopes"],
        json!([{ "handle": "read_products" }, { "handle": "write_content" }])
    );
    let (operation, _) = shop.bulk("{ orders { edges { node { id } } } }").await;
    assert_eq!(
        (operation["status"].as_str(), operation["errorCode"].as_str()),
        (Some("FAILED"), Some("ACCESS_DENIED"))
    );
}

#[tokio::test]
async fn old_orders_are_hidden_without_their_scope_and_people_without_approval() {
    let shop = Shop::start(Settings { orders: 60, customers: 5, products: 3, ..Settings::empty() }).await;
    let query = "{ ordersCount { count } orders(first: 250) { nodes { id createdAt email } } customers(first: 5) { nodes { id email firstName displayName } } }";
    let all = shop.data(query, json!({})).await;
    assert_eq!(all["ordersCount"]["count"], 60);
    assert!(all["customers"]["nodes"][0]["email"].is_string());
    let oldest = all["orders"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .min_by_key(|order| order["createdAt"].to_string())
        .unwrap()
        .clone();
    shop.running.set_access(&["read_orders", "read_customers"], false);
    let answer = shop.ask(query, json!({})).await;
    let some = answer["data"].clone();
    let count = some["ordersCount"]["count"].as_u64().unwrap();
    assert!((1..60).contains(&count), "{count}");
    let border = shop.clock.now().as_second() - 60 * 86_400;
    for order in some["orders"]["nodes"].as_array().unwrap() {
        assert!(
            order["createdAt"].as_str().unwrap().parse::<domain::Timestamp>().unwrap().as_second() >= border
        );
        assert_eq!(order["email"], Value::Null);
    }
    assert_eq!(some["customers"]["nodes"][0]["email"], Value::Null);
    assert_eq!(some["customers"]["nodes"][0]["firstName"], Value::Null);
    // Each hidden field has its error, and each error its place.
    let hidden = answer["errors"].as_array().unwrap();
    assert_eq!(hidden.len() as u64, count + 5 * 3, "{hidden:#?}");
    let first = json!({
        "message": "This app is not approved to use the email field. See https://shopify.dev/docs/apps/launch/protected-customer-data for more details.",
        "path": ["customers", "nodes", 0, "email"], "extensions": { "code": "ACCESS_DENIED" },
    });
    assert!(hidden.contains(&first), "{hidden:#?}");
    let one = shop.data("query($id: ID!) { order(id: $id) { id } }", json!({ "id": oldest["id"] })).await;
    assert_eq!(one["order"], Value::Null);
}

#[tokio::test]
async fn what_an_app_is_not_approved_for_fails_a_bulk_operation_and_a_list_of_people() {
    let shop = Shop::start(Settings { orders: 3, customers: 3, products: 3, ..Settings::empty() }).await;
    let scopes = ["read_orders", "read_customers", "read_products", "read_all_orders"];
    let people = "{ customers { edges { node { id email } } } }";
    let ids = "{ customers { edges { node { id } } } }";
    let list = "{ customers(first: 2) { nodes { id } } }";
    for coded in [true, false] {
        let codes = |answer: &Value| {
            let errors = answer["errors"].as_array().unwrap().clone();
            errors.iter().all(|error| error["extensions"].is_object()) == coded
        };
        shop.running.set_access(&scopes, ProtectedData::FieldsHidden { coded });
        assert_eq!(shop.bulk(people).await.0["errorCode"], "ACCESS_DENIED");
        assert_eq!(shop.bulk(ids).await.0["status"], "COMPLETED");
        assert!(codes(&shop.ask("{ customers(first: 1) { nodes { email } } }", json!({})).await));

        shop.running.set_access(&scopes, ProtectedData::ObjectsHidden { coded });
        let answer = shop.ask(list, json!({})).await;
        assert!(codes(&answer) && answer["data"].is_null(), "{answer}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("This app is not approved to access the Customer object."), "{message}");
        assert_eq!(shop.bulk(ids).await.0["status"], "FAILED");
        assert_eq!(shop.bulk("{ products { edges { node { id } } } }").await.0["status"], "COMPLETED");
    }
    shop.running.set_access(&scopes, true);
    assert_eq!(shop.bulk(people).await.0["status"], "COMPLETED");
    shop.data(list, json!({})).await;
}

async fn token(shop: &Shop, form: &[(&str, &str)]) -> (u16, Value) {
    let response = shop
        .client
        .post(format!("{}/admin/oauth/access_token", shop.running.url))
        .form(form)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn status_with(shop: &Shop, token: &str) -> u16 {
    let url = format!("{}/admin/api/2026-10/graphql.json", shop.running.url);
    shop.client
        .post(url)
        .header("x-shopify-access-token", token)
        .json(&json!({ "query": "{ shop { name } }" }))
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn client_credentials_give_a_token_for_a_day() {
    let shop = Shop::start(Settings::empty()).await;
    let (id, secret) = (shop.running.client_id.clone(), shop.running.client_secret.clone());
    let (status, answer) =
        token(&shop, &[("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)])
            .await;
    assert_eq!(status, 200);
    assert_eq!(answer["expires_in"], 86_399);
    assert!(answer["scope"].as_str().unwrap().contains("write_products"));
    let access = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(status_with(&shop, &access).await, 200);
    shop.clock.pass(Duration::from_secs(86_399));
    assert_eq!(status_with(&shop, &access).await, 200);
    shop.clock.pass(Duration::from_secs(1));
    assert_eq!(status_with(&shop, &access).await, 401);
    let (status, answer) =
        token(&shop, &[("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", "wrong")])
            .await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client")));
    assert_eq!(status_with(&shop, "shpat_wrong").await, 401);
    assert_eq!(status_with(&shop, &shop.running.access_token).await, 200);
    shop.running.revoke(&shop.running.access_token);
    assert_eq!(status_with(&shop, &shop.running.access_token).await, 401);
}

#[tokio::test]
async fn offline_tokens_rotate_and_survive_a_lost_answer() {
    let shop = Shop::start(Settings::empty()).await;
    let first = shop.running.issue_offline_token();
    let (id, secret) = (shop.running.client_id.clone(), shop.running.client_secret.clone());
    assert_eq!(status_with(&shop, &first.access_token).await, 200);
    let refresh = async |refresh: &str| {
        token(
            &shop,
            &[
                ("grant_type", "refresh_token"),
                ("client_id", &id),
                ("client_secret", &secret),
                ("refresh_token", refresh),
            ],
        )
        .await
    };
    let (status, lost) = refresh(&first.refresh_token).await;
    assert_eq!((status, lost["expires_in"].as_i64()), (200, Some(3_600)));
    // The answer was lost: the old refresh token works until the replacement is used.
    let (status, second) = refresh(&first.refresh_token).await;
    assert_eq!(status, 200);
    assert_eq!(status_with(&shop, second["access_token"].as_str().unwrap()).await, 200);
    let (status, answer) = refresh(&first.refresh_token).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
    shop.clock.pass(Duration::from_secs(3_600));
    assert_eq!(status_with(&shop, second["access_token"].as_str().unwrap()).await, 401);
    assert_eq!(refresh(second["refresh_token"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn an_unknown_version_is_answered_by_the_known_one() {
    let shop = Shop::start(Settings::empty()).await;
    for version in ["2026-10", "2024-01", "2027-01"] {
        let response = shop
            .client
            .post(format!("{}/admin/api/{version}/graphql.json", shop.running.url))
            .header("x-shopify-access-token", &shop.running.access_token)
            .json(&json!({ "query": "{ publicApiVersions { handle supported } }" }))
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["x-shopify-api-version"], "2026-10");
        assert!(response.headers().contains_key("date"));
        let body: Value = response.json().await.unwrap();
        assert!(
            body["data"]["publicApiVersions"]
                .as_array()
                .unwrap()
                .contains(&json!({ "handle": "2026-10", "supported": true }))
        );
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_as_the_platform_does() {
    let shop = Shop::start(Settings::empty()).await;
    let answer = shop.ask("# wrong on purpose\n{ products(first: 1) { nodes { titel } } }", json!({})).await;
    assert!(answer["errors"].to_string().contains("`titel`"), "{answer}");
    assert!(answer.get("data").is_none());
    let answer = shop.ask(CREATE_PAGE, json!({ "p": { "title": "x", "bogus": 1 } })).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("bogus"), "{answer}");
    let answer = shop.ask(CREATE_PAGE, json!({ "p": {} })).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("title"), "{answer}");
    let url = format!("{}/admin/api/2026-10/graphql.json", shop.running.url);
    let response = shop
        .client
        .post(url)
        .header("x-shopify-access-token", &shop.running.access_token)
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    // Plain HTTP gets no answer.
    assert!(reqwest::Client::new().get(format!("http://{}/", shop.running.addr)).send().await.is_err());
}

#[tokio::test]
async fn every_document_is_recorded_once() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::start(Settings {
        record_documents: Some(directory.path().join("documents")),
        ..Settings::empty()
    })
    .await;
    let bulk = "{ products { edges { node { id } } } }";
    shop.data("{ shop { name } }", json!({})).await;
    shop.data("{ shop { name } }", json!({})).await;
    shop.bulk(bulk).await;
    let texts: Vec<String> = std::fs::read_dir(directory.path().join("documents"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(texts.iter().filter(|text| *text == "{ shop { name } }").count(), 1);
    assert_eq!(
        texts.iter().filter(|text| *text == bulk).count(),
        1,
        "the query inside a bulk operation counts too"
    );
}

#[tokio::test]
async fn the_same_seed_makes_the_same_store() {
    let settings = |seed| Settings { seed, products: 8, customers: 4, orders: 5, ..Settings::default() };
    let (one, two, other) =
        (Shop::start(settings(3)).await, Shop::start(settings(3)).await, Shop::start(settings(4)).await);
    assert_eq!(one.running.dump(), two.running.dump());
    assert_ne!(one.running.dump(), other.running.dump());
    let dump = one.running.dump();
    for kind in [
        "Product",
        "ProductVariant",
        "InventoryItem",
        "Collection",
        "MetafieldDefinition",
        "MetaobjectDefinition",
        "Metaobject",
        "MediaImage",
        "GenericFile",
        "Location",
        "Publication",
        "Page",
        "Blog",
        "Article",
        "Comment",
        "Menu",
        "UrlRedirect",
        "ScriptTag",
        "Segment",
        "GiftCard",
        "Market",
        "MarketWebPresence",
        "PriceList",
        "MarketCatalog",
        "Customer",
        "Order",
        "DraftOrder",
        "DiscountCodeNode",
        "DiscountAutomaticNode",
        "Shop",
        "ShopPolicy",
        "ShopLocale",
    ] {
        assert!(dump[kind].as_object().is_some_and(|rows| !rows.is_empty()), "{kind}");
    }
}

#[tokio::test]
async fn a_product_csv_is_loaded() {
    let shop = Shop::start(Settings::empty()).await;
    let csv = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,Variant Requires Shipping,Variant Taxable,Image Src,Image Alt Text\n\
        felt-box,Felt box,<p>Soft</p>,Norrholm,Storage,\"box, felt\",true,Size,Small,FB-1,200,shopify,5,deny,12.00,15.00,true,true,https://images.example.com/box.jpg,A box\n\
        felt-box,,,,,,,,Large,FB-2,400,shopify,3,continue,18.00,,true,true,https://images.example.com/box2.jpg,\n\
        cork-mat,Cork mat,,Norrholm,Kitchen,,true,Title,Default Title,,0,,1,deny,4,,true,true,,\n";
    assert_eq!(shop.running.load_csv(csv.as_bytes()).unwrap(), 2);
    let query = "{ productByHandle(handle: \"felt-box\") { title tags media(first: 5) { nodes { alt } } variants(first: 5) { nodes { title sku price inventoryQuantity inventoryPolicy } } } }";
    let product = shop.data(query, json!({})).await["productByHandle"].clone();
    assert_eq!(product["tags"], json!(["box", "felt"]));
    assert_eq!(product["media"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(
        product["variants"]["nodes"][1],
        json!({ "title": "Large", "sku": "FB-2", "price": "18.00", "inventoryQuantity": 3, "inventoryPolicy": "CONTINUE" })
    );
    assert!(shop.running.load_csv(b"Name,Price\na,1\n").is_err());
}
