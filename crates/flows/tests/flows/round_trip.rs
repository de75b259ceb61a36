//! Back up, destroy, put back, back up again: equal once ids are mapped.

use connectors::contract::RestoreOptions;
use flows::restore::Selection;
use sandbox::shopify::Settings;

use crate::compare::{Compared, compare};
use crate::dump;
use crate::world::{World, problems};

pub(crate) fn full_shop() -> Settings {
    Settings { seed: 11, products: 12, customers: 6, orders: 6, ..Settings::default() }
}

/// A whole store, restored into an empty one, and both backed up.
pub(crate) async fn into_an_empty_store() -> (World, Compared) {
    let mut world = World::new(1).await;
    world.open("from", full_shop()).await;
    world.open("to", Settings::empty()).await;
    let first = world.back_up("from").await;
    let mut ask = World::ask("from", "to", Selection::At(first));
    ask.options = RestoreOptions { stock: true, ..RestoreOptions::default() };
    let plan = world.plan(&ask).await;
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete, "{:#?}", problems(&report));
    let second = world.back_up("to").await;
    let ids = world.ids("from", "to").await;
    let (before, after) = (world.records("from", first).await, world.records("to", second).await);
    (world, compare(&before, &after, &ids))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_in_an_empty_store() {
    let (world, compared) = into_an_empty_store().await;
    assert!(compared.differences.is_empty(), "{:#?}", shown(&compared.differences));
    let ids = world.ids("from", "to").await;
    let found = dump::differences(&world.dump("from"), &world.dump("to"), &ids, dump::LOST);
    assert!(found.is_empty(), "{:#?}", shown(&found));
    assert!(compared.shares.values().map(|share| share.items).sum::<u64>() > 100);
    world.check_documents();
}

/// The first of them, cut short.
fn shown(all: &[String]) -> Vec<String> {
    let cut = |one: &String| one.chars().take(300).collect();
    std::iter::once(format!("{} in all", all.len())).chain(all.iter().take(80).map(cut)).collect()
}

/// Mutations that delete, by the table of the practice store.
const DELETE: &[(&str, &str)] = &[
    ("Collection", "mutation($id: ID!) { collectionDelete(input: {id: $id}) { userErrors { message } } }"),
    ("Product", "mutation($id: ID!) { productDelete(input: {id: $id}) { userErrors { message } } }"),
    ("Page", "mutation($id: ID!) { pageDelete(id: $id) { userErrors { message } } }"),
    ("Article", "mutation($id: ID!) { articleDelete(id: $id) { userErrors { message } } }"),
    ("Blog", "mutation($id: ID!) { blogDelete(id: $id) { userErrors { message } } }"),
    ("UrlRedirect", "mutation($id: ID!) { urlRedirectDelete(id: $id) { userErrors { message } } }"),
    ("DiscountCodeNode", "mutation($id: ID!) { discountCodeDelete(id: $id) { userErrors { message } } }"),
    (
        "DiscountAutomaticNode",
        "mutation($id: ID!) { discountAutomaticDelete(id: $id) { userErrors { message } } }",
    ),
    ("DraftOrder", "mutation($id: ID!) { draftOrderDelete(input: {id: $id}) { userErrors { message } } }"),
    ("Metaobject", "mutation($id: ID!) { metaobjectDelete(id: $id) { userErrors { message } } }"),
    ("MediaImage", "mutation($id: ID!) { fileDelete(fileIds: [$id]) { userErrors { message } } }"),
    ("GenericFile", "mutation($id: ID!) { fileDelete(fileIds: [$id]) { userErrors { message } } }"),
];

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_in_the_same_store() {
    let mut world = World::new(4).await;
    // Without orders: customers who have bought cannot be deleted.
    world.open("shop", Settings { orders: 0, ..full_shop() }).await;
    let first = world.back_up("shop").await;
    let whole = world.dump("shop");
    let mut destroyed = 0;
    for (table, document) in DELETE {
        let ids: Vec<String> =
            whole[*table].as_object().map_or(Vec::new(), |rows| rows.keys().cloned().collect());
        for id in ids {
            world.owner("shop", document, serde_json::json!({"id": id})).await;
            destroyed += 1;
        }
    }
    assert!(destroyed > 60, "{destroyed}");
    let mut ask = World::ask("shop", "shop", Selection::At(first));
    ask.options = RestoreOptions { stock: true, ..RestoreOptions::default() };
    world.restore(&ask).await;
    let second = world.back_up("shop").await;
    let ids = world.ids("shop", "shop").await;
    let (before, after) = (world.records("shop", first).await, world.records("shop", second).await);
    let compared = compare(&before, &after, &ids);
    assert!(compared.differences.is_empty(), "{:#?}", shown(&compared.differences));
    let found = dump::differences(&whole, &world.dump("shop"), &ids, dump::LOST);
    assert!(found.is_empty(), "{:#?}", shown(&found));
    world.check_documents();
}
