//! A large store: how long it takes to make, how much memory it holds, how fast it is read.
//!
//! The size comes from `SANDBOX_SCALE` (products); by default it is small enough for every run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use domain::Clock as _;
use sandbox::shopify::Settings;
use serde_json::json;
use support::Shop;

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_store_is_read_whole() {
    let products: u32 =
        std::env::var("SANDBOX_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let timer = support::Stopwatch::start();
    let shop = Shop::start(Settings {
        products,
        customers: products / 5,
        orders: products / 2,
        ..Settings::default()
    })
    .await;
    let made = timer.seconds();
    let memory = resident_mib();
    let timer = support::Stopwatch::start();
    let (operation, lines) = shop
        .bulk(
            "{ products { edges { node { id title handle descriptionHtml vendor productType tags status updatedAt options { id name optionValues { id name } }
               variants { edges { node { id title sku price compareAtPrice position inventoryItem { id tracked } } } }
               metafields { edges { node { id namespace key type value } } }
               media { edges { node { id alt ... on MediaImage { image { url } } } } } } } } }",
        )
        .await;
    let read = timer.seconds();
    assert_eq!(operation["status"], "COMPLETED");
    assert_eq!(operation["objectCount"], lines.len().to_string());
    assert_eq!(operation["rootObjectCount"], products.to_string());
    let bytes: u64 = operation["fileSize"].as_str().unwrap().parse().unwrap();
    let timer = support::Stopwatch::start();
    let mut after = json!(null);
    let mut pages = 0;
    loop {
        let query = "query($after: String) { products(first: 250, after: $after, sortKey: UPDATED_AT) { nodes { id title updatedAt } pageInfo { hasNextPage endCursor } } }";
        let data = shop.data(query, json!({ "after": after })).await;
        pages += 1;
        after = data["products"]["pageInfo"]["endCursor"].clone();
        if data["products"]["pageInfo"]["hasNextPage"] == false || pages == 100 {
            break;
        }
    }
    let paged = timer.seconds();
    let count = shop.data("{ ordersCount(limit: null) { count } }", json!({})).await;
    assert_eq!(count["ordersCount"]["count"], (products / 2).min(25_001));
    let objects = lines.len();
    eprintln!(
        "{products} products: made in {made:.1} s, {memory} MiB; bulk {objects} objects, {bytes} bytes in {read:.1} s with reading; {pages} pages in {paged:.2} s; clock {:?}",
        shop.clock.monotonic()
    );
}
