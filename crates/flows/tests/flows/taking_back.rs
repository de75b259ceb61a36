//! Reverting a window, and undoing a restore.

use connectors::contract::{PlanAction, RestoreOptions};
use flows::error::ErrorKind;
use flows::restore::Selection;
use sandbox::shopify::Settings;
use serde_json::{Value, json};

use crate::dump;
use crate::round_trip::full_shop;
use crate::world::World;

const SET_PRICES: &str = "mutation($productId: ID!, $variants: [ProductVariantsBulkInput!]!) { productVariantsBulkUpdate(productId: $productId, variants: $variants) { userErrors { message } } }";
const RETITLE: &str =
    "mutation($product: ProductUpdateInput!) { productUpdate(product: $product) { userErrors { message } } }";
const ORDER: &str =
    "mutation($order: OrderCreateOrderInput!) { orderCreate(order: $order) { userErrors { message } } }";
const DELETE: &str =
    "mutation($input: ProductDeleteInput!) { productDelete(input: $input) { userErrors { message } } }";
const PRODUCTS: &str =
    "{ products(first: 4) { nodes { id title variants(first: 50) { nodes { id price } } } } }";

async fn world() -> (World, Vec<Value>) {
    let mut world = World::new(3).await;
    world.open("shop", Settings { products: 4, customers: 2, orders: 2, ..full_shop() }).await;
    let products = world.owner("shop", PRODUCTS, json!({})).await;
    let products = products["products"]["nodes"].as_array().unwrap().clone();
    (world, products)
}

async fn price(world: &World, product: &Value, price: &str) {
    let variants = product["variants"]["nodes"].as_array().unwrap();
    let variants: Vec<Value> =
        variants.iter().map(|variant| json!({"id": variant["id"], "price": price})).collect();
    world.owner("shop", SET_PRICES, json!({"productId": product["id"], "variants": variants})).await;
}

async fn title(world: &World, product: &Value, title: &str) {
    world.owner("shop", RETITLE, json!({"product": {"id": product["id"], "title": title}})).await;
}

fn row<'a>(dump: &'a Value, table: &str, id: &Value) -> &'a Value {
    &dump[table][id.as_str().unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn reverting_a_field_keeps_later_edits_and_lists_the_orders() {
    let (world, products) = world().await;
    let before = world.dump("shop");
    let from = world.back_up("shop").await;
    for product in &products[..3] {
        price(&world, product, "0.01").await;
    }
    title(&world, &products[0], "Renamed in the window").await;
    let bought = products[0]["variants"]["nodes"][0]["id"].clone();
    let order = json!({"lineItems": [{"variantId": bought, "quantity": 1}], "email": "late@example.com"});
    world.owner("shop", ORDER, json!({"order": order})).await;
    let to = world.back_up("shop").await;
    price(&world, &products[1], "77.00").await;
    title(&world, &products[2], "A better title").await;

    let mut ask = World::ask("shop", "shop", Selection::Revert(from, to));
    ask.kinds = vec!["product".parse().unwrap()];
    ask.options = RestoreOptions { fields: vec!["price".to_owned()], ..RestoreOptions::default() };
    let plan = world.plan(&ask).await;
    assert_eq!(plan.orders.len(), 1, "{:#?}", plan.orders);
    assert_eq!(plan.orders[0].variants, [bought.as_str().unwrap()]);
    let kept: Vec<_> = plan.items.iter().filter(|item| !item.kept.is_empty()).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(*kept[0].id, *products[1]["id"].as_str().unwrap());
    world.restore(&ask).await;

    let after = world.dump("shop");
    let prices_of = |dump: &Value, product: &Value| -> Vec<Value> {
        let variants = product["variants"]["nodes"].as_array().unwrap();
        variants.iter().map(|one| row(dump, "ProductVariant", &one["id"])["price"].clone()).collect()
    };
    for product in [&products[0], &products[2]] {
        assert_eq!(prices_of(&after, product), prices_of(&before, product));
    }
    assert!(prices_of(&after, &products[1]).iter().all(|price| price == "77.00"));
    assert_eq!(row(&after, "Product", &products[0]["id"])["title"], "Renamed in the window");
    assert_eq!(row(&after, "Product", &products[2]["id"])["title"], "A better title");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_puts_the_store_back_as_it_was_and_can_be_undone() {
    let (world, products) = world().await;
    let first = world.back_up("shop").await;
    price(&world, &products[0], "0.01").await;
    title(&world, &products[1], "Another title").await;
    world.owner("shop", DELETE, json!({"input": {"id": products[2]["id"]}})).await;
    let spoiled = world.dump("shop");
    let mut ask = World::ask("shop", "shop", Selection::At(first));
    ask.kinds = vec!["product".parse().unwrap()];
    let report = world.restore(&ask).await;
    // With the product its inventory items come back.
    assert!(report.created == 1 && report.updated > 2, "{:#?}", report.items);
    let restored = world.dump("shop");

    let undone = world.undo(report.restore).await.unwrap();
    assert!(undone.complete, "{:#?}", undone.items);
    assert_eq!(undone.deleted, 1);
    let found =
        dump::differences(&spoiled, &world.dump("shop"), &std::collections::BTreeMap::new(), dump::LOST);
    assert!(found.is_empty(), "{found:#?}");
    let refused = world.undo(report.restore).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "an undo is done once");

    let redone = world.undo(undone.restore).await.unwrap();
    assert!(redone.complete, "{:#?}", redone.items);
    let by_title = |dump: &Value| -> Vec<String> {
        let products = dump["Product"].as_object().unwrap().values();
        let mut titles: Vec<String> = products.map(|one| one["title"].as_str().unwrap().to_owned()).collect();
        titles.sort();
        titles
    };
    assert_eq!(by_title(&world.dump("shop")), by_title(&restored));
    // What was made twice over is still known by its first name.
    let plan = world.plan(&ask).await;
    assert!(plan.items.iter().all(|item| item.plan.action == PlanAction::Skip), "{:#?}", plan.items);
    world.check_documents();
}
