//! Restoring products into a practice store: changed ones, lost ones, and what goes wrong on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{Fault, IdMap, Lookup, PlanAction};
use practice::{Memory, Practice, differences, kind, ledger, new_id};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

const DELETE: &str = "mutation($id: ID!) { productDelete(input: {id: $id}) { userErrors { message } } }";

async fn shop() -> Practice {
    Practice::open(Settings { products: 12, customers: 0, orders: 0, ..Settings::default() }).await
}

fn fault(spec: &str) -> Vec<sandbox::shopify::Fault> {
    sandbox::shopify::Fault::parse_list(spec).unwrap()
}

/// A product that has what the test needs.
async fn product(shop: &Practice, fits: impl Fn(&Value) -> bool) -> Value {
    for id in shop.ids("products").await {
        let product = shop.payload("product", &id).await.unwrap();
        if fits(&product) {
            return product;
        }
    }
    panic!("no product fits")
}

fn len(value: &Value, list: &str) -> usize {
    value[list].as_array().unwrap().len()
}

async fn spoil_prices(shop: &Practice, product: &Value) {
    let variants: Vec<Value> = product["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!({"id": one["id"], "price": "0.01"}))
        .collect();
    let document = "mutation($id: ID!, $variants: [ProductVariantsBulkInput!]!) {
        productVariantsBulkUpdate(productId: $id, variants: $variants) { userErrors { message } } }";
    shop.owner(document, json!({"id": product["id"], "variants": variants})).await;
}

/// What counts of a product: without dates and what follows from other things.
fn essence(product: &Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.retain(|key, _| {
                    !matches!(
                        key.as_str(),
                        "id" | "createdAt"
                            | "updatedAt"
                            | "compareDigest"
                            | "publishedAt"
                            | "publishDate"
                            | "preview"
                            | "image"
                            | "originalSource"
                            | "inventoryQuantity"
                            | "totalInventory"
                            | "availableForSale"
                            | "media"
                            | "featuredMedia"
                            | "swatch"
                    )
                });
                object.values_mut().for_each(strip);
            }
            Value::Array(values) => {
                values.iter_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut essence = product.clone();
    strip(&mut essence);
    for list in ["metafields", "resourcePublicationsV2"] {
        essence[list].as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    essence
}

#[tokio::test]
async fn spoilt_prices_are_set_back_and_nothing_else_is_written() {
    let shop = shop().await;
    let before = product(&shop, |product| len(product, "variants") > 1).await;
    let id = before["id"].as_str().unwrap();
    spoil_prices(&shop, &before).await;
    let spoilt = shop.payload("product", id).await.unwrap();
    let plan = shop.plan("product", &before, Some(&spoilt));
    assert_eq!(plan.action, PlanAction::Update);
    assert_eq!(plan.fields.len(), len(&before, "variants"));
    assert!(plan.fields.iter().all(|change| change.path.ends_with("/price")), "{plan:?}");
    let mutations = shop.running.stats().mutations;
    let applied = shop.restore("product", &before, Some(&spoilt)).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    assert_eq!(applied.ids, Vec::new(), "nothing got a new id");
    assert_eq!(
        shop.running.stats().mutations - mutations,
        plan.requests,
        "as many requests as the plan said"
    );
    let after = shop.payload("product", id).await.unwrap();
    assert_eq!(differences(&essence(&after), &essence(&before)), Vec::<String>::new());
    assert_eq!(shop.plan("product", &before, Some(&after)).action, PlanAction::Skip);
}

#[tokio::test]
async fn a_deleted_product_comes_back_with_new_ids_its_texts_and_its_places() {
    let shop = shop().await;
    let before =
        product(&shop, |product| len(product, "variants") > 1 && len(product, "metafields") > 0).await;
    let id = before["id"].as_str().unwrap();
    shop.owner(DELETE, json!({"id": id})).await;
    assert_eq!(shop.payload("product", id).await, None);
    assert_eq!(shop.look("product", Lookup::Natural(&before)).await, None);
    let plan = shop.plan("product", &before, None);
    assert_eq!(plan.action, PlanAction::Create);
    let applied = shop.restore("product", &before, None).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    let new = new_id(&applied, id);
    assert_ne!(new, id);
    let after = shop.payload("product", &new).await.unwrap();
    assert_eq!(differences(&essence(&after), &essence(&before)), Vec::<String>::new());
    for (old, new) in before["variants"].as_array().unwrap().iter().zip(after["variants"].as_array().unwrap())
    {
        assert_eq!(new_id(&applied, old["id"].as_str().unwrap()), new["id"], "variants are told");
        let (old, new) = (&old["inventoryItem"]["id"], &new["inventoryItem"]["id"]);
        assert_eq!(new_id(&applied, old.as_str().unwrap()), *new, "inventory items are told");
    }
    let again =
        shop.store.plan(kind("product"), &before, Some(&after), &ledger(&[&applied]), &Default::default());
    assert_eq!(again.action, PlanAction::Skip, "{again:?}");
}

#[tokio::test]
async fn a_lost_answer_makes_no_double() {
    let shop = shop().await;
    let before = product(&shop, |product| len(product, "variants") > 1).await;
    let count = shop.ids("products").await.len();
    shop.owner(DELETE, json!({"id": before["id"]})).await;
    shop.running.set_faults(fault("lost-answer:productSet"));
    let journal = Memory::default();
    let applied = shop.try_restore("product", &before, None, &IdMap::default(), &journal).await.unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    assert!(!applied.possibly_twice);
    assert_eq!(shop.ids("products").await.len(), count, "one, not two");
    assert!(journal.steps().iter().all(|(_, done)| *done), "{:?}", journal.steps());
    let after = shop.payload("product", &new_id(&applied, before["id"].as_str().unwrap())).await.unwrap();
    assert_eq!(differences(&essence(&after), &essence(&before)), Vec::<String>::new());
}

#[tokio::test]
async fn a_restore_that_was_cut_off_goes_on_without_a_double() {
    let shop = shop().await;
    let before =
        product(&shop, |product| len(product, "variants") > 1 && len(product, "metafields") > 0).await;
    let count = shop.ids("products").await.len();
    shop.owner(DELETE, json!({"id": before["id"]})).await;
    // Everything fails once the product was made: the process ends there.
    shop.running.set_faults(fault("lost-answer:productSet@1,503@2+"));
    let journal = Memory::default();
    let cut = shop.try_restore("product", &before, None, &IdMap::default(), &journal).await;
    assert!(matches!(cut, Err(Fault::Unavailable(_))), "{cut:?}");
    assert_eq!(journal.steps(), [("create".to_owned(), false)]);
    shop.running.set_faults(Vec::new());
    let applied = shop.try_restore("product", &before, None, &IdMap::default(), &journal).await.unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    assert_eq!(shop.ids("products").await.len(), count);
    assert_eq!(journal.steps(), [("create".to_owned(), true)]);
    let after = shop.payload("product", &new_id(&applied, before["id"].as_str().unwrap())).await.unwrap();
    assert_eq!(differences(&essence(&after), &essence(&before)), Vec::<String>::new());
    // A third attempt finds everything done.
    let third = shop.try_restore("product", &before, None, &IdMap::default(), &journal).await.unwrap();
    assert_eq!(third.problems, Vec::<String>::new());
    assert_eq!(shop.ids("products").await.len(), count);
}

#[tokio::test]
async fn metafields_of_others_survive() {
    let shop = shop().await;
    let before = product(&shop, |product| len(product, "metafields") > 0).await;
    let id = before["id"].as_str().unwrap();
    let set = "mutation($metafields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $metafields) { userErrors { message } } }";
    let foreign = json!({"ownerId": id, "namespace": "reviews", "key": "stars", "type": "number_integer", "value": "5"});
    shop.owner(set, json!({"metafields": [foreign]})).await;
    let update = "mutation($id: ID!) { productUpdate(product: {id: $id, title: \"Spoilt\"}) { userErrors { message } } }";
    shop.owner(update, json!({"id": id})).await;
    let live = shop.payload("product", id).await.unwrap();
    let applied = shop.restore("product", &before, Some(&live)).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    let after = shop.payload("product", id).await.unwrap();
    assert_eq!(after["title"], before["title"]);
    let stars = after["metafields"].as_array().unwrap().iter().find(|one| one["key"] == "stars").unwrap();
    assert_eq!(stars["value"], "5");
}

#[tokio::test]
async fn a_variant_that_was_deleted_comes_back() {
    let shop = shop().await;
    let before = product(&shop, |product| len(product, "variants") > 2).await;
    let (id, gone) = (before["id"].as_str().unwrap(), before["variants"][1]["id"].as_str().unwrap());
    let delete = "mutation($id: ID!, $gone: [ID!]!) { productVariantsBulkDelete(productId: $id, variantsIds: $gone) { userErrors { message } } }";
    shop.owner(delete, json!({"id": id, "gone": [gone]})).await;
    let live = shop.payload("product", id).await.unwrap();
    assert_eq!(len(&live, "variants") + 1, len(&before, "variants"));
    let applied = shop.restore("product", &before, Some(&live)).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    assert_ne!(new_id(&applied, gone), gone);
    let after = shop.payload("product", id).await.unwrap();
    assert_eq!(differences(&essence(&after), &essence(&before)), Vec::<String>::new());
}

#[tokio::test]
async fn refusals_are_told_and_the_rest_is_done() {
    let shop = shop().await;
    let mut wanted = product(&shop, |product| len(product, "metafields") > 0).await;
    let id = wanted["id"].as_str().unwrap().to_owned();
    let live = shop.payload("product", &id).await.unwrap();
    wanted["metafields"].as_array_mut().unwrap().extend([
        json!({"id": "gid://shopify/Metafield/900001", "namespace": "custom", "key": "count", "type": "number_integer", "value": "many"}),
        json!({"id": "gid://shopify/Metafield/900002", "namespace": "custom", "key": "colour", "type": "single_line_text_field", "value": "red"}),
    ]);
    let applied = shop.restore("product", &wanted, Some(&live)).await;
    assert_eq!(applied.problems.len(), 1, "{:?}", applied.problems);
    assert!(applied.problems[0].contains("custom.count"), "{:?}", applied.problems);
    let after = shop.payload("product", &id).await.unwrap();
    let colour = after["metafields"].as_array().unwrap().iter().find(|one| one["key"] == "colour").unwrap();
    assert_eq!(colour["value"], "red", "what was not refused was set");
}

#[tokio::test]
async fn a_product_is_deleted_and_deleting_it_again_is_fine() {
    let shop = shop().await;
    let id = shop.ids("products").await.remove(0);
    shop.store.delete(kind("product"), &id).await.unwrap();
    assert_eq!(shop.payload("product", &id).await, None);
    shop.store.delete(kind("product"), &id).await.unwrap();
}

#[tokio::test]
async fn a_plan_says_what_a_restore_will_take() {
    let shop = shop().await;
    let mut before = Vec::new();
    for id in shop.ids("products").await {
        before.push(shop.payload("product", &id).await.unwrap());
        shop.owner(DELETE, json!({"id": id})).await;
    }
    let plans: Vec<_> = before.iter().map(|product| shop.plan("product", product, None)).collect();
    let (requests, cost): (u64, u64) =
        (plans.iter().map(|p| p.requests).sum(), plans.iter().map(|p| p.cost).sum());
    let (start, sent) = (shop.running.stats(), shop.store.usage().requests);
    let (mut ids, mut again) = (IdMap::default(), Vec::new());
    for product in &before {
        let applied = shop.try_restore("product", product, None, &ids, &Memory::default()).await.unwrap();
        applied.ids.iter().for_each(|(old, new)| ids.insert(old, new));
        if !applied.problems.is_empty() {
            again.push(product);
        }
    }
    let within = |said: u64, was: u64| said * 10 >= was * 8 && said * 10 <= was * 12;
    let (requests_were, cost_was) =
        (shop.store.usage().requests - sent, shop.running.stats().cost - start.cost);
    assert!(within(requests, requests_were), "{requests} requests were said, {requests_were} were sent");
    assert!(within(cost, cost_was), "a cost of {cost} was said, {cost_was} was spent");
    // Products that refer to products which came back only after them: a second pass finds them.
    for product in again {
        let live = shop.payload("product", ids.resolve(product["id"].as_str().unwrap())).await.unwrap();
        let applied =
            shop.try_restore("product", product, Some(&live), &ids, &Memory::default()).await.unwrap();
        assert_eq!(applied.problems, Vec::<String>::new());
    }
}

#[tokio::test]
async fn where_nothing_can_tell_it_says_possibly_twice() {
    let shop = Practice::open(Settings::empty()).await;
    let nameless = json!({"id": "gid://shopify/Customer/1", "firstName": "Ann", "lastName": "Bee", "defaultEmailAddress": null,
        "defaultPhoneNumber": null, "tags": [], "addressesV2": [], "metafields": []});
    let journal = Memory::begun("create");
    let applied = shop.try_restore("customer", &nameless, None, &IdMap::default(), &journal).await.unwrap();
    assert!(applied.possibly_twice);
    assert_eq!(shop.ids("customers").await.len(), 1);
    // A control: one that has a mail is looked for by it.
    let mut known = nameless.clone();
    known["id"] = json!("gid://shopify/Customer/2");
    known["defaultEmailAddress"] =
        json!({"emailAddress": "ann@example.com", "marketingState": "NOT_SUBSCRIBED"});
    let journal = Memory::begun("create");
    let applied = shop.try_restore("customer", &known, None, &IdMap::default(), &journal).await.unwrap();
    assert!(!applied.possibly_twice);
    assert_eq!(shop.ids("customers").await.len(), 2);
}
