//! Restoring products of many variants: all of them are there in the end, whatever was refused or lost on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{IdMap, PlanAction};
use practice::round::{empty, gid};
use practice::{Memory, Practice, kind, ledger, new_id};
use sandbox::shopify::Fault;
use serde_json::{Value, json};

fn variant(number: u32) -> Value {
    json!({"id": gid("ProductVariant", number), "price": "10.00", "sku": null, "position": number,
        "inventoryPolicy": "DENY", "taxable": true, "inventoryItem": {"id": gid("InventoryItem", number), "tracked": true},
        "selectedOptions": [{"name": "Size", "value": format!("{number} cm")}], "media": [], "metafields": []})
}

fn product(variants: u32) -> Value {
    let values: Value = (1..=variants)
        .map(|number| json!({"id": gid("ProductOptionValue", number), "name": format!("{number} cm")}))
        .collect();
    json!({"id": gid("Product", 1), "handle": "rope", "title": "Rope", "status": "ACTIVE", "tags": [],
        "options": [{"id": gid("ProductOption", 1), "name": "Size", "position": 1, "optionValues": values}],
        "variants": (1..=variants).map(variant).collect::<Value>(), "media": [], "metafields": [], "tracksInventory": true})
}

async fn count(shop: &Practice, product: &str) -> usize {
    shop.payload("product", product).await.unwrap()["variants"].as_array().unwrap().len()
}

#[tokio::test]
async fn of_600_variants_none_is_missing_after_a_call_failed() {
    let wanted = product(600);
    // Not sent, sent and its answer lost; the second call that makes variants, and the first.
    for fault in ["cut", "lost-answer"]
        .map(|how| [1, 2].map(|n| format!("{how}:productVariantsBulkCreate@{n}")))
        .concat()
    {
        let shop = empty().await;
        shop.running.set_faults(Fault::parse_list(&fault).unwrap());
        let journal = Memory::default();
        let applied = shop.try_restore("product", &wanted, None, &IdMap::default(), &journal).await.unwrap();
        assert_eq!(applied.problems, Vec::<String>::new(), "{fault}");
        let id = new_id(&applied, &gid("Product", 1));
        assert_eq!(count(&shop, &id).await, 600, "{fault}");
        let live = shop.payload("product", &id).await.unwrap();
        let ids = ledger(&[&applied]);
        let plan = shop.store.plan(kind("product"), &wanted, Some(&live), &ids, &Default::default());
        assert_eq!(plan.action, PlanAction::Skip, "{fault}");
    }
}

#[tokio::test]
async fn a_variant_that_was_refused_at_first_is_made_by_the_next_pass() {
    let shop = empty().await;
    let whole = product(4);
    let mut one = whole.clone();
    one["variants"].as_array_mut().unwrap().truncate(1);
    one["options"][0]["optionValues"].as_array_mut().unwrap().truncate(1);
    let first = shop.restore("product", &one, None).await;
    let (id, ids) = (new_id(&first, &gid("Product", 1)), ledger(&[&first]));
    let live = shop.payload("product", &id).await.unwrap();
    // Something of the third one is not taken now, and will be later.
    let mut refused = whole.clone();
    refused["variants"][2]["price"] = json!("-1.00");
    let journal = Memory::default();
    let pass = shop.try_restore("product", &refused, Some(&live), &ids, &journal).await.unwrap();
    assert!(pass.problems[0].contains("Price"), "{:?}", pass.problems);
    assert_eq!(count(&shop, &id).await, 3);
    let ids = ledger(&[&first, &pass]);
    let live = shop.payload("product", &id).await.unwrap();
    let pass = shop.try_restore("product", &whole, Some(&live), &ids, &journal).await.unwrap();
    assert_eq!(pass.problems, Vec::<String>::new());
    assert_eq!(count(&shop, &id).await, 4);
}

#[tokio::test]
async fn variants_that_were_made_and_taken_away_again_are_told() {
    let shop = empty().await;
    let wanted = product(3);
    let journal = Memory::default();
    let mut fewer = wanted.clone();
    fewer["variants"].as_array_mut().unwrap().truncate(1);
    let first = shop.restore("product", &fewer, None).await;
    let (id, ids) = (new_id(&first, &gid("Product", 1)), ledger(&[&first]));
    let live = shop.payload("product", &id).await.unwrap();
    let pass = shop.try_restore("product", &wanted, Some(&live), &ids, &journal).await.unwrap();
    assert_eq!(pass.problems, Vec::<String>::new());
    let made = [2, 3].map(|number| new_id(&pass, &gid("ProductVariant", number)));
    let delete = "mutation($id: ID!, $gone: [ID!]!) { productVariantsBulkDelete(productId: $id, variantsIds: $gone) { userErrors { message } } }";
    shop.owner(delete, json!({"id": id, "gone": made})).await;
    let live = shop.payload("product", &id).await.unwrap();
    let pass = shop.try_restore("product", &wanted, Some(&live), &ids, &journal).await.unwrap();
    let told = pass.problems.iter().any(|why| why.contains("variants is not there any more"));
    assert!(told, "two are missing, and that is not passed over in silence: {:?}", pass.problems);
    // A control: another restore makes them again.
    let pass = shop.try_restore("product", &wanted, Some(&live), &ids, &Memory::default()).await.unwrap();
    assert_eq!(pass.problems, Vec::<String>::new());
    assert_eq!(count(&shop, &id).await, 3);
}
