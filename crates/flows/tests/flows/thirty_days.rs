//! Thirty days of two stores, a Shopify and a BigCommerce store in one cell and on one clock, of which every backup,
//! edit, deletion, fault, outage, withdrawn scope, restart, erasure and clearing away is drawn from a seed. After it every
//! record of every snapshot that is kept is what the [`model`] says.

mod bigcommerce_deeds;
mod check;
mod dice;
mod look;
mod model;
mod power;
mod raw;
mod shopify_deeds;
mod shops;
mod story;

use dice::Dice;
use shops::{Make, Shops, Size};
use story::{Length, Story};

const SMALL: Size = Size { products: 6, customers: 5, orders: 3 };

fn seed() -> u64 {
    std::env::var("CARETAKER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deed_of_an_owner_can_be_done() {
    let shops = Shops::open(5, Size { products: 8, customers: 6, orders: 3 }).await;
    for make in Make::BOTH {
        let mut dice = Dice::new(7);
        let deeds = Shops::deeds(make);
        let mut done = vec![false; deeds.len()];
        for turn in 0..4 {
            for (number, done) in done.iter_mut().enumerate() {
                let way = (None, &mut dice);
                *done |= shops.act(make, number, turn * 100 + number as u64, way).await.is_some();
            }
        }
        let never: Vec<_> = deeds.iter().zip(done).filter(|(_, done)| !done).collect();
        assert!(never.is_empty(), "{never:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_thirty_days_is_as_the_store_had_it() {
    let seed = seed();
    let days = std::env::var("DAYS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let length = Length { days, backups: 4, deeds: 6, size: SMALL };
    let begun = std::time::Instant::now();
    let mut story = Story::begin(seed, length).await;
    let wrong = story.run().await;
    eprintln!("{:?} {:#?} {:?}", begun.elapsed(), story.counts, story.compared);
    assert!(wrong.is_empty(), "seed {seed}: {}", wrong.join("\n"));
}
