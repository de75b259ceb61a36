//! What plans say: tables of what is wanted and what is there.

mod discounts;
mod inputs;
mod products;

use serde_json::{Value, json};

use super::draft::Draft;
use super::links::Links;
use super::recipe::{RECIPES, recipe};
use super::step::Work;
use super::{drafted, plan};
use crate::contract::{IdMap, ItemPlan, KindSpec, PlanAction, Restorable, RestoreOptions};
use crate::platforms::shopify::gid;
use crate::platforms::shopify::kinds::{KINDS, kind};

/// The fields that a plan would change, and the calls that it takes, against what is expected.
#[track_caller]
fn check(name: &str, wanted: &Value, live: &Value, fields: &[&str], calls: &[&str]) {
    check_with(name, wanted, live, &RestoreOptions::default(), &IdMap::default(), fields, calls);
}

#[track_caller]
fn check_with(
    name: &str,
    wanted: &Value,
    live: &Value,
    options: &RestoreOptions,
    ids: &IdMap,
    fields: &[&str],
    calls: &[&str],
) {
    let made = planned(name, wanted, Some(live), options, ids);
    let paths: Vec<&str> = made.fields.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, fields);
    assert_eq!(roots(&draft(name, wanted, Some(live), options, ids)), calls);
    let action = if calls.is_empty() { PlanAction::Skip } else { PlanAction::Update };
    assert_eq!(made.action, action);
    // What was set back is as it was: nothing is left to do.
    assert_eq!(planned(name, wanted, Some(wanted), options, &IdMap::default()).action, PlanAction::Skip);
}

/// The same where a former state is taken back.
#[track_caller]
fn check_back(name: &str, wanted: &Value, live: &Value, former: &Value, fields: &[&str], calls: &[&str]) {
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let made = plan(kind(name).unwrap(), wanted, Some(live), Some(former), &ids, &options);
    let paths: Vec<&str> = made.fields.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, fields);
    let links = Links::new(&ids, gid::spelled);
    let draft = drafted(recipe(name).unwrap(), wanted, Some(live), Some(former), links, &options);
    assert_eq!(roots(&draft), calls);
}

fn planned(
    name: &str,
    wanted: &Value,
    live: Option<&Value>,
    options: &RestoreOptions,
    ids: &IdMap,
) -> ItemPlan {
    plan(kind(name).unwrap(), wanted, live, None, ids, options)
}

fn draft<'a>(
    name: &str,
    wanted: &'a Value,
    live: Option<&'a Value>,
    options: &'a RestoreOptions,
    ids: &'a IdMap,
) -> Draft<'a> {
    drafted(recipe(name).unwrap(), wanted, live, None, Links::new(ids, gid::spelled), options)
}

fn roots(draft: &Draft<'_>) -> Vec<&'static str> {
    let root = |work: &Work| match work {
        Work::Call { call, .. } => call.root,
        Work::Media { .. } => "media",
        Work::Order(_) => "order",
        Work::Translate(_) => "translate",
    };
    draft.steps.iter().map(|step| root(&step.work)).collect()
}

/// The input of the n-th step, ids filled in.
fn input(draft: &Draft<'_>, number: usize) -> Value {
    match &draft.steps[number].work {
        Work::Call { variables, .. } => draft.links.fill(&Value::Object(variables.clone())),
        Work::Media { .. } | Work::Order(_) | Work::Translate(_) => Value::Null,
    }
}

/// `base` with the value at a pointer replaced.
fn with(base: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = base.clone();
    *changed.pointer_mut(pointer).unwrap() = value;
    changed
}

fn gid(kind: &str, number: u32) -> String {
    format!("gid://shopify/{kind}/{number}")
}

fn product() -> Value {
    json!({
        "id": gid("Product", 1),
        "handle": "shirt", "title": "Shirt", "descriptionHtml": "<p>Soft.</p>", "status": "ACTIVE",
        "vendor": "Loom", "productType": "", "tags": ["cotton", "new"], "templateSuffix": null,
        "seo": {"title": null, "description": null}, "category": null, "isGiftCard": false,
        "requiresSellingPlan": false,
        "options": [{"id": gid("ProductOption", 1), "name": "Size", "position": 1, "linkedMetafield": null,
            "optionValues": [
                {"id": gid("ProductOptionValue", 1), "name": "S", "linkedMetafieldValue": null},
                {"id": gid("ProductOptionValue", 2), "name": "M", "linkedMetafieldValue": null}]}],
        "variants": [
            {"id": gid("ProductVariant", 1), "price": "10.00", "compareAtPrice": null, "sku": "S-1", "barcode": null,
             "taxable": true, "inventoryPolicy": "DENY", "position": 1, "inventoryItem": {"id": gid("InventoryItem", 1)},
             "selectedOptions": [{"name": "Size", "value": "S", "optionValue": {"id": gid("ProductOptionValue", 1)}}],
             "media": [], "metafields": []},
            {"id": gid("ProductVariant", 2), "price": "12.50", "compareAtPrice": "15.00", "sku": "S-2", "barcode": "4",
             "taxable": true, "inventoryPolicy": "DENY", "position": 2, "inventoryItem": {"id": gid("InventoryItem", 2)},
             "selectedOptions": [{"name": "Size", "value": "M", "optionValue": {"id": gid("ProductOptionValue", 2)}}],
             "media": [], "metafields": [
                {"id": gid("Metafield", 5), "namespace": "custom", "key": "fit", "type": "single_line_text_field", "value": "slim"}]}],
        "media": [], "metafields": [
            {"id": gid("Metafield", 1), "namespace": "custom", "key": "material", "type": "single_line_text_field", "value": "cotton"},
            {"id": gid("Metafield", 2), "namespace": "custom", "key": "related", "type": "list.product_reference",
             "value": format!("[\"{}\"]", gid("Product", 7))}],
        "resourcePublicationsV2": [{"isPublished": true, "publishDate": "2026-01-01T00:00:00Z", "publication": {"id": gid("Publication", 1)}}],
        "updatedAt": "2026-11-01T00:00:00Z",
    })
}

#[test]
fn a_spoilt_price_is_one_field_and_one_call() {
    let (wanted, options, ids) = (product(), RestoreOptions::default(), IdMap::default());
    let live = with(&wanted, "/variants/1/price", json!("1.25"));
    let path = "/variants/[gid://shopify/ProductVariant/2]/price";
    check("product", &wanted, &live, &[path], &["productVariantsBulkUpdate"]);
    let draft = draft("product", &wanted, Some(&live), &options, &ids);
    assert_eq!(
        input(&draft, 0),
        json!({"productId": gid("Product", 1), "variants": [{"price": "12.50", "id": gid("ProductVariant", 2)}]})
    );
    let made = planned("product", &wanted, Some(&live), &options, &ids);
    assert_eq!((made.fields[0].from.clone(), made.fields[0].to.clone()), (json!("1.25"), json!("12.50")));
    assert_eq!(made.requests, 1);
}

#[test]
fn other_spellings_of_the_same_are_no_change() {
    let wanted = product();
    let mut live = with(&wanted, "/variants/0/price", json!("10.0"));
    live = with(&live, "/tags", json!(["new", "cotton"]));
    live = with(&live, "/updatedAt", json!("2026-11-20T00:00:00Z"));
    live = with(&live, "/productType", Value::Null);
    check("product", &wanted, &live, &[], &[]);
}

#[test]
fn only_the_named_fields_are_touched() {
    let wanted = product();
    let mut live = with(&wanted, "/variants/0/price", json!("1.00"));
    live = with(&live, "/variants/0/sku", json!("OTHER"));
    live = with(&live, "/title", json!("Spoilt"));
    let only = |field: &str| RestoreOptions { fields: vec![field.to_owned()], ..RestoreOptions::default() };
    let path = "/variants/[gid://shopify/ProductVariant/1]/price";
    let ids = IdMap::default();
    let calls = &["productVariantsBulkUpdate"];
    check_with("product", &wanted, &live, &only("/variants/*/price"), &ids, &[path], calls);
    check_with("product", &wanted, &live, &only("/title"), &ids, &["/title"], &["productUpdate"]);
    check_with("product", &wanted, &live, &only("/vendor"), &ids, &[], &[]);
}

#[test]
fn what_the_backup_does_not_know_stays() {
    let wanted = product();
    let mut live = wanted.clone();
    let foreign = json!({"id": gid("Metafield", 99), "namespace": "reviews", "key": "stars", "type": "number_integer", "value": "5"});
    live["metafields"].as_array_mut().unwrap().push(foreign);
    let mut variant = wanted["variants"][0].clone();
    variant["id"] = json!(gid("ProductVariant", 9));
    variant["selectedOptions"][0]["value"] = json!("XL");
    live["variants"].as_array_mut().unwrap().push(variant);
    live["media"].as_array_mut().unwrap().push(json!({"id": gid("MediaImage", 9), "alt": "new"}));
    check("product", &wanted, &live, &[], &[]);
    // A control: what it does know is set back, and only that is sent.
    let live = with(&live, "/metafields/0/value", json!("plastic"));
    check("product", &wanted, &live, &["/metafields/[gid://shopify/Metafield/1]/value"], &["metafieldsSet"]);
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let draft = draft("product", &wanted, Some(&live), &options, &ids);
    assert_eq!(
        input(&draft, 0),
        json!({"metafields": [{"ownerId": gid("Product", 1), "namespace": "custom", "key": "material",
            "type": "single_line_text_field", "value": "cotton"}]})
    );
}

#[test]
fn references_lead_to_what_became_of_their_targets() {
    let wanted = product();
    let mut ids = IdMap::default();
    ids.insert(&gid("Product", 7), &gid("Product", 70));
    let pointer = "/metafields/1/value";
    let renamed = with(&wanted, pointer, json!(format!("[\"{}\"]", gid("Product", 70))));
    check_with("product", &wanted, &renamed, &RestoreOptions::default(), &ids, &[], &[]);
    let options = RestoreOptions::default();
    let draft = draft("product", &wanted, Some(&wanted), &options, &ids);
    assert_eq!(input(&draft, 0)["metafields"][0]["value"], json!(format!("[\"{}\"]", gid("Product", 70))));
}

#[test]
fn a_variant_that_is_gone_is_made_with_its_options_and_texts() {
    let wanted = product();
    let mut live = wanted.clone();
    live["variants"].as_array_mut().unwrap().remove(1);
    let path = "/variants/[gid://shopify/ProductVariant/2]";
    let calls = &["productVariantsBulkCreate", "productVariantsBulkReorder", "metafieldsSet"];
    check("product", &wanted, &live, &[path], calls);
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let draft = draft("product", &wanted, Some(&live), &options, &ids);
    assert_eq!(
        input(&draft, 0)["variants"][0],
        json!({"price": "12.50", "compareAtPrice": "15.00", "barcode": "4", "inventoryItem": {"sku": "S-2"},
            "taxable": true, "inventoryPolicy": "DENY",
            "optionValues": [{"optionName": "Size", "name": "M"}]})
    );
    assert!(draft.steps[0].born.is_some(), "making a variant is noted in the journal");
}

#[test]
fn a_product_that_is_gone_is_made_and_published_and_its_losses_told() {
    let (wanted, options, ids) = (product(), RestoreOptions::default(), IdMap::default());
    let made = planned("product", &wanted, None, &options, &ids);
    assert_eq!(made.action, PlanAction::Create);
    assert_eq!(made.losses.len(), 2, "a new id, no stock: {:?}", made.losses);
    let draft = draft("product", &wanted, None, &options, &ids);
    assert_eq!(roots(&draft), ["productSet", "metafieldsSet", "publishablePublish"]);
    let first = input(&draft, 0);
    assert_eq!(first["input"]["handle"], "shirt");
    assert_eq!(first["input"]["variants"].as_array().unwrap().len(), 2);
    assert_eq!(first["input"]["productOptions"][0]["values"], json!([{"name": "S"}, {"name": "M"}]));
    assert_eq!(first["input"].get("id"), None);
    assert_eq!(draft.steps[0].name, "create");
}

#[test]
fn single_fields_of_what_is_gone_are_refused() {
    let options = RestoreOptions { fields: vec!["/title".to_owned()], ..RestoreOptions::default() };
    let made = planned("product", &product(), None, &options, &IdMap::default());
    assert!(matches!(made.action, PlanAction::Cannot { .. }), "{made:?}");
    let all = RestoreOptions::default();
    assert_eq!(planned("product", &product(), None, &all, &IdMap::default()).action, PlanAction::Create);
}

#[test]
fn publishing_follows_the_backup_and_a_revert_follows_it_both_ways() {
    let wanted = product();
    let live = with(&wanted, "/resourcePublicationsV2/0/publication/id", json!(gid("Publication", 2)));
    let paths = [
        "/resourcePublicationsV2/[gid://shopify/Publication/1]",
        "/resourcePublicationsV2/[gid://shopify/Publication/2]",
    ];
    check("product", &wanted, &live, &paths[..1], &["publishablePublish"]);
    check_back("product", &wanted, &live, &live, &paths, &["publishablePublish", "publishableUnpublish"]);
}

#[test]
fn what_the_shop_published_by_itself_is_withdrawn() {
    let ids = IdMap::default();
    let published = |numbers: &[u32]| {
        let entries: Value = numbers
            .iter()
            .map(|n| json!({"isPublished": true, "publication": {"id": gid("Publication", *n)}}))
            .collect();
        json!({"id": gid("Product", 1), "resourcePublicationsV2": entries})
    };
    let links = Links::new(&ids, gid::spelled);
    let call = |wanted: &[u32], made: &[u32]| {
        super::publish::withdrawal(&published(wanted), &published(made), "p", &links).map(|(call, input)| {
            assert_eq!(call.root, "publishableUnpublish");
            input["input"].clone()
        })
    };
    assert_eq!(call(&[1], &[1, 2]), Some(json!([{"publicationId": gid("Publication", 2)}])));
    assert_eq!(call(&[1, 2], &[1]), None);
}

#[test]
fn more_than_250_variants_are_made_in_several_calls() {
    let mut wanted = product();
    let variant = wanted["variants"][0].clone();
    let many =
        (0..600).map(|number| with(&variant, "/id", json!(gid("ProductVariant", 1000 + number)))).collect();
    wanted["variants"] = many;
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let draft = draft("product", &wanted, None, &options, &ids);
    let calls = roots(&draft);
    assert_eq!(&calls[..3], ["productSet", "productVariantsBulkCreate", "productVariantsBulkCreate"]);
    assert_eq!(input(&draft, 2)["variants"].as_array().unwrap().len(), 100);
}

#[test]
fn metafields_go_25_to_a_call() {
    let mut wanted = product();
    let metafield = |number: u32| {
        json!({"id": gid("Metafield", 100 + number), "namespace": "custom", "key": format!("k{number}"),
            "type": "single_line_text_field", "value": "x"})
    };
    wanted["metafields"] = (0..60).map(metafield).collect();
    let mut live = wanted.clone();
    live["metafields"] = json!([]);
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    assert_eq!(roots(&draft("product", &wanted, Some(&live), &options, &ids)), ["metafieldsSet"; 3]);
}

#[test]
fn stock_is_only_touched_when_asked_for() {
    let level = |quantity: i64| {
        json!({"id": gid("InventoryLevel", 1), "isActive": true, "location": {"id": gid("Location", 1)},
            "quantities": [{"name": "available", "quantity": quantity}, {"name": "on_hand", "quantity": quantity}]})
    };
    let wanted = json!({"id": gid("InventoryItem", 1), "sku": "S-1", "tracked": true,
        "unitCost": {"amount": "4.00", "currencyCode": "EUR"}, "inventoryLevels": [level(5)]});
    let live = with(&wanted, "/inventoryLevels/0", level(2));
    check("inventory_item", &wanted, &live, &[], &[]);
    let stock = RestoreOptions { stock: true, ..RestoreOptions::default() };
    let path = "/inventoryLevels/[gid://shopify/InventoryLevel/1]/available";
    check_with(
        "inventory_item",
        &wanted,
        &live,
        &stock,
        &IdMap::default(),
        &[path],
        &["inventorySetQuantities"],
    );
    let ids = IdMap::default();
    let made = draft("inventory_item", &wanted, Some(&live), &stock, &ids);
    assert_eq!(input(&made, 0)["input"]["quantities"][0]["changeFromQuantity"], 2);
    // The same attempt has the same key, the same change at another time another.
    let again = draft("inventory_item", &wanted, Some(&live), &stock, &ids);
    assert_eq!(input(&made, 0)["key"], input(&again, 0)["key"]);
    let mut later = live.clone();
    later["inventoryLevels"][0]["updatedAt"] = json!("2026-11-24T00:00:00Z");
    let other = draft("inventory_item", &wanted, Some(&later), &stock, &ids);
    assert_ne!(input(&made, 0)["key"], input(&other, 0)["key"]);
    let cost = with(&live, "/unitCost/amount", json!("9.00"));
    check("inventory_item", &wanted, &cost, &["/unitCost/amount"], &["inventoryItemUpdate"]);
}

#[test]
fn orders_are_never_placed_again() {
    let order =
        json!({"id": gid("Order", 1), "name": "#1001", "note": "ring twice", "tags": [], "email": null});
    let options = RestoreOptions::default();
    let gone = planned("order", &order, None, &options, &IdMap::default());
    assert!(matches!(gone.action, PlanAction::Cannot { .. }));
    let live = with(&order, "/note", Value::Null);
    check("order", &order, &live, &["/note"], &["orderUpdate"]);
    // A mail that the backup was not allowed to see is not taken away.
    check("order", &order, &with(&order, "/email", json!("a@example.com")), &[], &[]);
}

#[test]
fn hidden_personal_data_is_not_taken_for_empty() {
    let hidden = json!({"id": gid("Customer", 1), "firstName": null, "lastName": null, "defaultEmailAddress": null,
        "defaultPhoneNumber": null, "note": "vip", "tags": [], "addressesV2": [], "metafields": []});
    let live = json!({"id": gid("Customer", 1), "firstName": "A", "lastName": "B",
        "defaultEmailAddress": {"emailAddress": "a@example.com", "marketingState": "SUBSCRIBED"},
        "defaultPhoneNumber": null, "note": "vip", "tags": [], "addressesV2": [], "metafields": []});
    check("customer", &hidden, &live, &[], &[]);
    let gone = planned("customer", &hidden, None, &RestoreOptions::default(), &IdMap::default());
    assert!(matches!(gone.action, PlanAction::Cannot { .. }));
    // A control: a name that was seen is set back.
    let seen = with(&live, "/firstName", json!("C"));
    check("customer", &seen, &live, &["/firstName"], &["customerUpdate"]);
}

#[test]
fn consent_is_set_by_its_own_call_and_never_beyond_what_was_given() {
    let customer = |state: &str| {
        json!({"id": gid("Customer", 1), "firstName": "A",
            "defaultEmailAddress": {"emailAddress": "a@example.com", "marketingState": state,
                "marketingOptInLevel": "SINGLE_OPT_IN", "marketingUpdatedAt": "2026-01-01T00:00:00Z"}})
    };
    let path = "/defaultEmailAddress/marketingState";
    let call = "customerEmailMarketingConsentUpdate";
    check("customer", &customer("SUBSCRIBED"), &customer("UNSUBSCRIBED"), &[path], &[call]);
    check("customer", &customer("NOT_SUBSCRIBED"), &customer("UNSUBSCRIBED"), &[], &[]);
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let (wanted, live) = (customer("NOT_SUBSCRIBED"), customer("SUBSCRIBED"));
    let draft = draft("customer", &wanted, Some(&live), &options, &ids);
    assert_eq!(input(&draft, 0)["input"]["emailMarketingConsent"]["marketingState"], "UNSUBSCRIBED");
}

#[test]
fn menus_are_set_whole_and_lead_to_present_ids() {
    let menu = json!({"id": gid("Menu", 1), "handle": "main-menu", "title": "Main", "isDefault": true, "items": [
        {"id": gid("MenuItem", 1), "title": "Shirts", "type": "COLLECTION", "url": "/collections/shirts",
         "resourceId": gid("Collection", 1), "tags": [], "items": [
            {"id": gid("MenuItem", 2), "title": "Docs", "type": "HTTP", "url": "https://docs.example", "resourceId": null,
             "tags": [], "items": []}]}]});
    check("menu", &menu, &with(&menu, "/items/0/title", json!("Spoilt")), &["/items"], &["menuUpdate"]);
    let mut ids = IdMap::default();
    ids.insert(&gid("Collection", 1), &gid("Collection", 10));
    let options = RestoreOptions::default();
    let draft = draft("menu", &menu, Some(&menu), &options, &ids);
    let item = &input(&draft, 0)["items"][0];
    assert_eq!(item["resourceId"], gid("Collection", 10));
    assert_eq!(item["id"], gid("MenuItem", 1));
    assert_eq!(item["items"][0]["url"], "https://docs.example");
}

#[test]
fn collections_get_their_members_back_and_their_order() {
    let products =
        |numbers: &[u32]| -> Value { numbers.iter().map(|n| json!({"id": gid("Product", *n)})).collect() };
    let selections = |numbers: &[u32]| -> Value {
        numbers.iter().map(|n| json!({"product": {"id": gid("Product", *n)}, "variantIds": null})).collect()
    };
    let collection = |numbers: &[u32]| {
        json!({"id": gid("Collection", 1), "handle": "shirts", "title": "Shirts", "sortOrder": "MANUAL",
            "products": products(numbers), "metafields": [], "image": null, "sources": [
                {"__typename": "CollectionConditionsSource", "id": gid("CollectionConditionsSource", 1), "title": "Picked",
                 "description": null, "shareable": false, "targetType": "PRODUCTS", "exclusion": null,
                 "inclusion": {"matchType": null, "conditions": [], "selections": selections(numbers)}}]})
    };
    let wanted = collection(&[1, 2, 3]);
    let source = "/sources/[gid://shopify/CollectionConditionsSource/1]/inclusion";
    check(
        "collection",
        &wanted,
        &collection(&[1, 2]),
        &[source, "/products"],
        &["collectionUpdate", "order"],
    );
    check("collection", &wanted, &collection(&[3, 1, 2]), &["/products"], &["order"]);
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let live = collection(&[1, 2, 4]);
    let draft = draft("collection", &wanted, Some(&live), &options, &ids);
    assert_eq!(
        input(&draft, 0)["collection"]["sourcesToUpdate"][0]["condition"]["inclusion"],
        json!({"selectionsToAdd": [{"productId": gid("Product", 3)}]}),
        "what was picked since stays"
    );
    let links = Links::new(&ids, gid::spelled);
    let draft = drafted(recipe("collection").unwrap(), &wanted, Some(&live), Some(&live), links, &options);
    assert_eq!(
        input(&draft, 0)["collection"]["sourcesToUpdate"][0]["condition"]["inclusion"],
        json!({"selectionsToAdd": [{"productId": gid("Product", 3)}], "selectionsToRemove": [{"productId": gid("Product", 4)}]}),
        "what was picked in the window is taken back"
    );
}

#[test]
fn definitions_that_refer_to_each_other_take_two_passes() {
    let definition = json!({"id": gid("MetaobjectDefinition", 1), "type": "author", "name": "Author", "displayNameKey": "name",
        "fieldDefinitions": [
            {"key": "name", "name": "Name", "required": true, "type": {"name": "single_line_text_field"}, "validations": []},
            {"key": "friend", "name": "Friend", "required": false, "type": {"name": "metaobject_reference"},
             "validations": [{"name": "metaobject_definition_id", "value": gid("MetaobjectDefinition", 1)}]}]});
    let (options, mut ids) = (RestoreOptions::default(), IdMap::default());
    ids.insert(&gid("MetaobjectDefinition", 1), &gid("MetaobjectDefinition", 5));
    let draft = draft("metaobject_definition", &definition, None, &options, &ids);
    assert_eq!(roots(&draft), ["metaobjectDefinitionCreate", "metaobjectDefinitionUpdate"]);
    assert_eq!(input(&draft, 0)["definition"]["fieldDefinitions"].as_array().unwrap().len(), 1);
    let second = &input(&draft, 1)["definition"]["fieldDefinitions"][1]["create"];
    assert_eq!(second["validations"][0]["value"], gid("MetaobjectDefinition", 5));
    let told: Vec<bool> = draft.steps.iter().map(|step| step.once).collect();
    assert_eq!(told, [false, true], "what adds fields is not repeated blindly; what makes the item is noted");
    let live = with(&definition, "/name", json!("Spoilt"));
    check("metaobject_definition", &definition, &live, &["/name"], &["metaobjectDefinitionUpdate"]);
}

#[test]
fn discounts_add_and_remove_what_they_apply_to() {
    let discount = |products: &[u32]| {
        let products: Value = products.iter().map(|n| json!({"id": gid("Product", *n)})).collect();
        json!({"id": gid("DiscountNode", 1), "discount": {"__typename": "DiscountCodeBasic", "title": "Ten", "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": null, "codes": [{"id": "c1", "code": "TEN"}], "usageLimit": null, "appliesOncePerCustomer": false,
            "combinesWith": {"orderDiscounts": false, "productDiscounts": true, "shippingDiscounts": false},
            "context": {"__typename": "DiscountBuyerSelectionAll", "all": "ALL"},
            "customerGets": {"appliesOnOneTimePurchase": true, "appliesOnSubscription": false,
                "items": {"__typename": "DiscountProducts", "products": products, "productVariants": []},
                "value": {"__typename": "DiscountPercentage", "percentage": 0.1}},
            "minimumRequirement": null, "recurringCycleLimit": 1, "tags": []}})
    };
    let (wanted, live) = (discount(&[1, 2]), discount(&[2, 3]));
    check("discount", &wanted, &live, &["/discount/customerGets"], &["discountCodeBasicUpdate"]);
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let draft = draft("discount", &wanted, Some(&live), &options, &ids);
    let sent = input(&draft, 0);
    assert_eq!(sent["id"], gid("DiscountCodeNode", 1));
    let products = &sent["basicCodeDiscount"]["customerGets"]["items"]["products"];
    assert_eq!(products["productsToAdd"], json!([gid("Product", 1)]));
    assert_eq!(products["productsToRemove"], json!([gid("Product", 3)]));
    let app =
        json!({"id": gid("DiscountNode", 2), "discount": {"__typename": "DiscountCodeApp", "title": "x"}});
    let made = planned("discount", &app, None, &options, &ids);
    assert!(matches!(made.action, PlanAction::Cannot { .. }));
}

#[test]
fn entries_of_an_apps_type_are_left_to_the_app() {
    let entry = |kind: &str, value: &str| {
        json!({"id": gid("Metaobject", 1), "type": kind, "handle": "ann", "capabilities": null,
            "fields": [{"key": "name", "type": "single_line_text_field", "value": value}]})
    };
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let action = |kind: &str, live: Option<Value>| {
        planned("metaobject", &entry(kind, "Ann"), live.as_ref(), &options, &ids).action
    };
    let theirs = "app--1234--author";
    for live in [None, Some(entry(theirs, "Bob"))] {
        assert!(matches!(action(theirs, live), PlanAction::Cannot { .. }));
    }
    assert_eq!(action(theirs, Some(entry(theirs, "Ann"))), PlanAction::Skip, "there is nothing to write");
    // A control: the shop's own.
    assert_eq!(action("author", None), PlanAction::Create);
    assert_eq!(action("author", Some(entry("author", "Bob"))), PlanAction::Update);
}

#[test]
fn the_key_under_which_a_location_is_closed_is_that_of_one_restore() {
    let location = json!({"id": gid("Location", 1), "name": "Attic", "isActive": false, "isFulfillmentService": false,
        "fulfillsOnlineOrders": true, "address": {"countryCode": "DE"}, "metafields": []});
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let key = |new: u32| {
        let mut draft = draft("location", &location, None, &options, &ids);
        assert_eq!(roots(&draft), ["locationAdd", "locationDeactivate"]);
        draft.links.note(&gid("Location", 1), &gid("Location", new));
        input(&draft, 1)["key"].clone()
    };
    assert_eq!(key(7), key(7), "a repetition");
    assert_ne!(key(7), key(8), "another restore");
    let delete = &recipe("location").unwrap().delete[0];
    let key = |at: &str| (delete.variables)("l1", &json!({"updatedAt": at}))["key"].clone();
    assert_eq!(key("2026-11-01T00:00:00Z"), key("2026-11-01T00:00:00Z"));
    assert_ne!(key("2026-11-01T00:00:00Z"), key("2026-11-01T00:00:05Z"), "opened again since");
}

#[test]
fn every_kind_has_its_recipe_and_every_recipe_its_kind() {
    let can_be = |kind: &&KindSpec| !matches!(kind.restore, Restorable::Never(_));
    let kinds: Vec<&str> = KINDS.iter().filter(can_be).map(|kind| kind.name).collect();
    let recipes: Vec<&str> = RECIPES.iter().map(|recipe| recipe.kind).collect();
    assert_eq!(kinds, recipes);
}
