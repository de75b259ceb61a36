//! Who may ask what and how often, what goes wrong on request, and what another app keeps to itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::time::Duration;

use sandbox::bigcommerce::{Fault, Plan, Settings};
use serde_json::{Value, json};
use support::bigcommerce::{Shop, plain, with};

fn small() -> Settings {
    Settings { products: 12, customers: 4, orders: 4, ..Settings::default() }
}

#[tokio::test]
async fn a_token_is_asked_for_and_a_scope_for_each_path() {
    let shop = Shop::start(small()).await;
    let ask = |token: &'static str| {
        let request = shop.client.get(format!("{}/v2/store", shop.running.url)).header("x-auth-token", token);
        async move { Shop::send(request).await }
    };
    for token in ["", "wrong"] {
        let got = ask(token).await;
        assert_eq!((got.status, &got.body["status"]), (401, &json!(401)));
    }
    let got = shop.get("/v2/store").await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("date"), "Tue, 24 Nov 2026 12:00:00 GMT");
    assert_eq!(got.body["secure_url"], format!("https://{}", shop.running.addr));
    let hash = shop.running.url.rsplit('/').next().unwrap();
    assert_eq!(got.body["id"], hash);
    let other = shop.running.url.replace(hash, "elsewhere");
    let request =
        shop.client.get(format!("{other}/v2/store")).header("x-auth-token", &shop.running.access_token);
    assert_eq!(Shop::send(request).await.status, 401);

    shop.running.set_access(&["store_v2_products_read_only", "store_v2_content"]);
    assert_eq!(shop.get("/v3/catalog/products").await.status, 200);
    assert_eq!(shop.post("/v3/catalog/products", plain("A")).await.status, 403);
    assert_eq!(shop.get("/v3/customers").await.status, 403);
    assert_eq!(shop.get("/v2/blog/posts").await.status, 200);
    shop.running.set_access(&["store_v2_products"]);
    assert_eq!(shop.post("/v3/catalog/products", plain("A")).await.status, 200);
    shop.running.revoke(&shop.running.access_token);
    assert_eq!(shop.get("/v3/catalog/products").await.status, 401);
}

#[tokio::test]
async fn the_window_is_shared_by_all_apps_and_begins_anew() {
    let plan = Plan::Window { quota: 5, window: Duration::from_secs(30) };
    let shop = Shop::start(Settings { plan, ..small() }).await;
    let first = shop.get("/v2/time").await;
    assert_eq!(first.header("x-rate-limit-requests-quota"), "5");
    assert_eq!(first.header("x-rate-limit-requests-left"), "4");
    assert_eq!(first.header("x-rate-limit-time-window-ms"), "30000");
    shop.clock.pass(Duration::from_secs(10));
    assert_eq!(shop.get("/v2/time").await.header("x-rate-limit-time-reset-ms"), "20000");
    shop.running.spend(3);
    let refused = shop.get("/v2/time").await;
    assert_eq!((refused.status, refused.header("x-rate-limit-requests-left")), (429, "0"));
    // What the answer says may be less than what is left of the window; then whoever believes it is refused again.
    assert_eq!(refused.header("x-retry-after"), "10");
    shop.clock.pass(Duration::from_secs(10));
    let again = shop.get("/v2/time").await;
    assert_eq!((again.status, again.header("x-retry-after")), (429, "11"));
    // And it may be more: the window alone does not help then.
    shop.clock.pass(Duration::from_secs(10));
    assert_eq!(shop.get("/v2/time").await.status, 429);
    shop.clock.pass(Duration::from_secs(1));
    assert_eq!(shop.get("/v2/time").await.status, 200);
    assert_eq!(shop.running.stats().throttled, 3);
}

#[tokio::test]
async fn a_lane_takes_so_many_writes_at_a_time() {
    let shop =
        Shop::start(with("slow:POST customers@1,slow:POST customers@2,slow:POST customers@3", small())).await;
    let customer = |turn: u32| json!([{ "email": format!("lane{turn}@example.com"), "first_name": "A", "last_name": "B" }]);
    let send = |turn| {
        let request = shop.request("POST", "/v3/customers").json(&customer(turn));
        tokio::spawn(async move { Shop::send(request).await.status })
    };
    let slow: Vec<_> = (0..3).map(send).collect();
    while shop.running.stats().writes < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(shop.post("/v3/customers", customer(7)).await.status, 429);
    assert_eq!(shop.get("/v3/customers").await.status, 200);
    shop.clock.pass(Duration::from_secs(20));
    for one in slow {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(shop.post("/v3/customers", customer(8)).await.status, 200);
}

#[tokio::test]
async fn each_fault_hits_the_request_it_names_and_no_other() {
    let shop = Shop::start(with(
        "429:catalog/products@1,429bare:catalog/products@2,500:catalog/products@3,502:catalog/products@4,503:catalog/products@5,html:catalog/products@6,502:catalog/products/*@1,500:GET images@1",
        small(),
    ))
    .await;
    let id = shop.running.dump()["product"].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(shop.get("/v3/catalog/brands").await.status, 200);
    let first = shop.get("/v3/catalog/products").await;
    assert_eq!((first.status, first.headers.contains_key("x-retry-after")), (429, true));
    let bare = shop.get("/v3/catalog/products").await;
    assert_eq!((bare.status, bare.headers.contains_key("x-rate-limit-requests-left")), (429, false));
    for status in [500, 502, 503] {
        assert_eq!(shop.get("/v3/catalog/products").await.status, status);
    }
    let html = shop.get("/v3/catalog/products").await;
    assert_eq!(
        (html.status, html.body, html.headers["content-type"].to_str().unwrap()),
        (200, Value::Null, "text/html")
    );
    assert_eq!(shop.get("/v3/catalog/products").await.status, 200);
    assert_eq!(shop.get(&format!("/v3/catalog/products/{id}")).await.status, 502);
    assert_eq!(shop.get(&format!("/v3/catalog/products/{id}")).await.status, 200);
    assert_eq!(shop.get(&format!("/v3/catalog/products/{id}/images")).await.status, 500);
    let lines: Vec<_> = shop.running.requests().into_iter().map(|line| (line.path, line.status)).collect();
    assert_eq!(lines[0], ("/v3/catalog/brands".to_owned(), 200));
    assert_eq!(lines[8], ("/v3/catalog/products/*".to_owned(), 502));
}

#[tokio::test]
async fn a_lost_answer_was_done_and_a_cut_one_too() {
    let shop =
        Shop::start(with("lost:POST catalog/products@1,cut:GET catalog/products@1", Settings::empty())).await;
    let sent = shop.request("POST", "/v3/catalog/products").json(&plain("Lost")).send().await;
    assert!(sent.is_err());
    let cut = shop.request("GET", "/v3/catalog/products").send().await.unwrap();
    assert!(cut.text().await.is_err());
    let list = shop.list("/v3/catalog/products").await;
    assert_eq!((list.len(), list[0]["name"].as_str()), (1, Some("Lost")));
    assert_eq!(shop.post("/v3/catalog/products", plain("Lost")).await.status, 409);
    assert_eq!(shop.running.requests()[0].status, 0);
}

#[tokio::test]
async fn a_partial_write_lacks_a_field_and_says_so() {
    let shop =
        Shop::start(with("207:catalog/products@1,207:catalog/trees/categories@1", Settings::empty())).await;
    let mut body = plain("Lamp");
    body["page_title"] = json!("A lamp");
    let got = shop.post("/v3/catalog/products", body.clone()).await;
    assert_eq!(got.status, 207);
    assert!(got.body["errors"].get("page_title").is_some());
    let kept = shop.get(&format!("/v3/catalog/products/{}", got.body["data"]["id"])).await;
    assert_eq!((&kept.data()["name"], &kept.data()["page_title"]), (&json!("Lamp"), &json!("")));
    body["name"] = json!("Second");
    assert_eq!(shop.post("/v3/catalog/products", body).await.data()["page_title"], "A lamp");
    let tree = shop.list("/v3/catalog/trees").await[0]["id"].clone();
    let category = json!([{ "name": "A", "tree_id": tree, "parent_id": 0, "description": "lost" }]);
    let got = shop.post("/v3/catalog/trees/categories", category).await;
    assert_eq!((got.status, &got.body["data"][0]["description"]), (207, &json!("")));
}

#[tokio::test]
async fn a_catalog_that_shrinks_between_pages_loses_rows_by_number_and_not_by_key() {
    let shrinking = || with("shrink:catalog/products@1", Settings { products: 30, ..small() });
    let shop = Shop::start(shrinking()).await;
    let ids = |list: Vec<Value>| list.iter().map(|one| one["id"].as_u64().unwrap()).collect::<Vec<_>>();
    let mut seen = ids(shop.list("/v3/catalog/products?limit=10").await);
    seen.extend(ids(shop.list("/v3/catalog/products?limit=10&page=2").await));
    seen.extend(ids(shop.list("/v3/catalog/products?limit=10&page=3").await));
    assert_eq!(seen.len(), 29, "one that is there was never shown");
    let shop = Shop::start(shrinking()).await;
    let mut seen = ids(shop.list("/v3/catalog/products?limit=10&sort=id").await);
    while let Some(last) = seen.last().copied() {
        let page = ids(shop.list(&format!("/v3/catalog/products?limit=10&sort=id&id:greater={last}")).await);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.len(), 30);
}

#[tokio::test]
async fn a_share_of_requests_fails_and_the_rest_does_not() {
    let shop = Shop::start(with("502%30", Settings::empty())).await;
    let mut failed = 0;
    for _ in 0..100 {
        failed += u32::from(shop.get("/v2/time").await.status == 502);
    }
    assert!((10..60).contains(&failed), "{failed}");
    shop.running.set_faults(Vec::new());
    assert_eq!(shop.get("/v2/time").await.status, 200);
    assert!(Fault::parse_list("nothing").is_err());
}

#[tokio::test]
async fn what_another_app_made_for_itself_is_not_there() {
    let shop = Shop::start(small()).await;
    let as_other = |path: &str| {
        let request = shop
            .client
            .get(format!("{}{path}", shop.running.url))
            .header("x-auth-token", shop.running.other_app_token());
        async move { Shop::send(request).await }
    };
    let names = |body: &Value| {
        body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let ours = shop.get("/v3/content/scripts").await;
    let theirs = as_other("/v3/content/scripts").await;
    assert_eq!((names(&ours.body).len(), names(&theirs.body)), (2, vec!["Somebody else's".to_owned()]));
    let uuid = theirs.body["data"][0]["uuid"].as_str().unwrap();
    assert_eq!(shop.get(&format!("/v3/content/scripts/{uuid}")).await.status, 404);

    let hook = json!({ "scope": "store/product/*", "destination": "https://hooks.example.com/a" });
    assert_eq!(shop.post("/v3/hooks", hook).await.status, 200);
    assert_eq!(
        (
            shop.list("/v3/hooks").await.len(),
            as_other("/v3/hooks").await.body["data"].as_array().unwrap().len()
        ),
        (1, 0)
    );

    let secrets = |list: Vec<Value>| list.iter().filter(|field| field["namespace"] == "other").count();
    assert_eq!(secrets(shop.list("/v3/catalog/products/metafields?limit=250").await), 0);
    let hidden = as_other("/v3/catalog/products/metafields?namespace=other").await.body["data"][0].clone();
    let one = format!("/v3/catalog/products/{}/metafields/{}", hidden["resource_id"], hidden["id"]);
    assert_eq!(shop.get(&one).await.status, 404);
    shop.running.set_access(&["store_v2_products", "store_metafield_write_all"]);
    assert_eq!(secrets(shop.list("/v3/catalog/products/metafields?limit=250").await), 2);
    assert_eq!(shop.get(&one).await.status, 200);
}

#[tokio::test]
async fn metafields_are_written_in_batches_of_which_each_stands_for_itself() {
    let shop = Shop::start(Settings::empty()).await;
    let id = shop.product("Lamp").await;
    let field = |key: &str, owner: u64| json!({ "resource_id": owner, "namespace": "a", "key": key, "value": "v", "permission_set": "write" });
    let got = shop
        .post("/v3/catalog/products/metafields", json!([field("one", id), field("two", 7), field("one", id)]))
        .await;
    assert_eq!(got.status, 200);
    assert_eq!(got.body["meta"], json!({ "total": 3, "success": 1, "failed": 2 }));
    assert_eq!(
        (got.body["errors"][0]["status"].as_u64(), got.body["errors"][1]["status"].as_u64()),
        (Some(422), Some(409))
    );
    let made = got.body["data"][0]["id"].clone();
    let changed = shop.put("/v3/catalog/products/metafields", json!([{ "id": made, "value": "w" }])).await;
    assert_eq!(changed.body["data"][0]["value"], "w");
    assert_eq!(shop.list(&format!("/v3/catalog/products/{id}/metafields?key=one")).await[0]["value"], "w");
    let gone =
        Shop::send(shop.request("DELETE", "/v3/catalog/products/metafields").json(&json!([made]))).await;
    assert_eq!(gone.body["data"], json!([made]));
    assert_eq!(shop.list("/v3/catalog/products/metafields").await.len(), 0);
    assert_eq!(
        shop.post("/v3/catalog/products/metafields", json!(vec![field("x", id); 11])).await.status,
        422
    );
}
