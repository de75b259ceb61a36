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

use dice::Dice;
use model::Model;
use shops::{Make, Shops, Size};

#[tokio::test(flavor = "multi_thread")]
async fn every_deed_of_an_owner_can_be_done() {
    let shops = Shops::open(5, Size { products: 8, customers: 6, orders: 3 }).await;
    for make in Make::BOTH {
        let mut dice = Dice::new(7);
        let begun = std::time::Instant::now();
        let look = shops.look(make, None).await;
        eprintln!("{make:?} {} items, look {:?}", look.len(), begun.elapsed());
        let (wrong, compared) = raw::differences(make, &look, &shops.dump(make));
        eprintln!("{compared} fields, {} wrong", wrong.len());
        for one in wrong.iter() { eprintln!("  {}", one.chars().take(200).collect::<String>()); }
        for turn in 0..4 {
            for (number, name) in Shops::deeds(make).iter().enumerate() {
                let done = shops.act(make, number, turn * 100 + number as u64, (None, &mut dice)).await;
                if done.is_none() { eprintln!("not: {name} {turn}"); }
            }
        }
        let look = shops.look(make, None).await;
        let (wrong, compared) = raw::differences(make, &look, &shops.dump(make));
        eprintln!("{compared} fields, {} wrong", wrong.len());
        for one in wrong.iter() { eprintln!("  {}", one.chars().take(200).collect::<String>()); }
    }
}
