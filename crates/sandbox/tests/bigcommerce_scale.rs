//! A large store is read whole; `SANDBOX_SCALE` says how large.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::collections::HashSet;

use sandbox::bigcommerce::Settings;
use support::Stopwatch;
use support::bigcommerce::Shop;

#[tokio::test]
async fn a_large_store_is_read_whole() {
    let products: u32 =
        std::env::var("SANDBOX_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let watch = Stopwatch::start();
    let settings =
        Settings { products, customers: products / 5, orders: products / 2, ..Settings::default() };
    let shop = Shop::start(settings).await;
    println!("{products} products: made in {:.1} s", watch.seconds());
    let watch = Stopwatch::start();
    let (mut seen, mut variants, mut last) = (HashSet::new(), 0, 0);
    loop {
        let page = shop.list(&format!("/v3/catalog/products?limit=250&sort=id&id:greater={last}&include=variants,images,custom_fields")).await;
        let Some(end) = page.last() else { break };
        last = end["id"].as_u64().unwrap();
        variants += page.iter().map(|product| product["variants"].as_array().unwrap().len()).sum::<usize>();
        seen.extend(page.iter().map(|product| product["id"].as_u64().unwrap()));
    }
    println!(
        "{variants} variants: read in {:.1} s, {} MB",
        watch.seconds(),
        shop.running.stats().bytes_sent >> 20
    );
    assert_eq!(seen.len(), usize::try_from(products).unwrap());
    assert!(variants > seen.len());
}
