//! Restoring discounts, one round for each way to have one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{IdMap, RestoreOptions};
use practice::round::{check, empty, gid, restore};
use practice::{kind, new_id};
use sandbox::shopify::Fault;
use serde_json::{Value, json};

#[tokio::test]
async fn discounts() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let discount = |number: u32, name: &str, more: Value| {
        let mut discount = json!({"__typename": name, "title": format!("Ten {number}"), "startsAt": "2026-01-01T00:00:00Z", "endsAt": null,
            "tags": [], "combinesWith": {"orderDiscounts": true, "productDiscounts": false, "shippingDiscounts": false},
            "context": {"__typename": "DiscountBuyerSelectionAll", "all": "ALL"}});
        discount.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        // The store's own name for it, by type.
        let node = if name.contains("Automatic") { "DiscountAutomaticNode" } else { "DiscountCodeNode" };
        json!({"id": gid(node, number), "discount": discount})
    };
    let gets = json!({"items": {"__typename": "AllDiscountItems", "allItems": true}, "appliesOnOneTimePurchase": true,
        "appliesOnSubscription": false, "value": {"__typename": "DiscountPercentage", "percentage": 0.1}});
    let code = discount(
        1,
        "DiscountCodeBasic",
        json!({"codes": [{"id": "c1", "code": "TEN"}], "usageLimit": 5,
        "appliesOncePerCustomer": true, "customerGets": gets, "minimumRequirement": null, "recurringCycleLimit": 1}),
    );
    check(
        &shop,
        "discount",
        &code,
        &json!({"/discount/title": "Spoilt", "/discount/customerGets/value/percentage": 0.9}),
        &mut ids,
    )
    .await;
    let automatic = discount(
        2,
        "DiscountAutomaticBasic",
        json!({"customerGets": gets, "minimumRequirement":
        {"__typename": "DiscountMinimumQuantity", "greaterThanOrEqualToQuantity": "2"}, "recurringCycleLimit": 1}),
    );
    check(&shop, "discount", &automatic, &json!({"/discount/endsAt": "2027-01-01T00:00:00Z"}), &mut ids)
        .await;
    let shipping = discount(
        3,
        "DiscountCodeFreeShipping",
        json!({"codes": [{"id": "c2", "code": "FREE"}], "usageLimit": null,
        "appliesOncePerCustomer": false, "destinationSelection": {"__typename": "DiscountCountries", "countries": ["DE", "FR"],
            "includeRestOfWorld": false}, "maximumShippingPrice": null, "minimumRequirement": null, "appliesOnOneTimePurchase": true,
        "appliesOnSubscription": false, "recurringCycleLimit": 1}),
    );
    check(
        &shop,
        "discount",
        &shipping,
        &json!({"/discount/destinationSelection/countries": ["DE"]}),
        &mut ids,
    )
    .await;
}

fn with_codes(number: u32, codes: &[&str], context: &Value) -> Value {
    let codes: Vec<Value> =
        codes.iter().map(|code| json!({"id": format!("{number} {code}"), "code": code})).collect();
    json!({"id": gid("DiscountCodeNode", number), "discount": {"__typename": "DiscountCodeBasic",
        "title": format!("Ten {number}"), "startsAt": "2026-01-01T00:00:00Z", "endsAt": null, "tags": [], "context": context,
        "combinesWith": {"orderDiscounts": true, "productDiscounts": false, "shippingDiscounts": false},
        "codes": codes, "usageLimit": null, "appliesOncePerCustomer": false, "minimumRequirement": null, "recurringCycleLimit": 1,
        "customerGets": {"items": {"__typename": "AllDiscountItems", "allItems": true}, "appliesOnOneTimePurchase": true,
            "appliesOnSubscription": false, "value": {"__typename": "DiscountPercentage", "percentage": 0.1}}}})
}

fn everybody() -> Value {
    json!({"__typename": "DiscountBuyerSelectionAll", "all": "ALL"})
}

fn codes(discount: &Value) -> Vec<String> {
    let codes = discount["discount"]["codes"].as_array().unwrap();
    let mut codes: Vec<String> = codes.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
    codes.sort_unstable();
    codes
}

#[tokio::test]
async fn a_discount_for_segments_is_for_the_same_segments_again() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let segments = json!([{"id": gid("Segment", 1)}, {"id": gid("Segment", 2)}]);
    let wanted =
        with_codes(1, &["TEN"], &json!({"__typename": "DiscountCustomerSegments", "segments": segments}));
    let changes = json!({"/discount/context/segments": [{"id": gid("Segment", 2)}]});
    check(&shop, "discount", &wanted, &changes, &mut ids).await;
}

#[tokio::test]
async fn a_discount_that_was_opened_to_everybody_is_not_taken_for_limited_again() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let live = restore(&shop, "discount", &with_codes(1, &["TEN"], &everybody()), None, &mut ids).await;
    let mut wanted = with_codes(1, &["TEN"], &json!({"__typename": "DiscountMarkets"}));
    wanted["discount"]["title"] = json!("Eleven");
    let plan = shop.store.plan(kind("discount"), &wanted, Some(&live), &ids, &RestoreOptions::default());
    assert_eq!(plan.losses.len(), 1, "{:?}", plan.losses);
    let live = restore(&shop, "discount", &wanted, Some(&live), &mut ids).await;
    assert_eq!(live["discount"]["title"], "Eleven");
    assert_eq!(live["discount"]["context"], everybody());
}

#[tokio::test]
async fn codes_that_somebody_else_has_are_told() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    restore(&shop, "discount", &with_codes(1, &["MINE"], &everybody()), None, &mut ids).await;
    let wanted = with_codes(2, &["A", "B", "MINE"], &everybody());
    let applied = shop.restore("discount", &wanted, None).await;
    assert_eq!(applied.problems.len(), 1, "{:?}", applied.problems);
    assert!(applied.problems[0].contains("`MINE`"), "{:?}", applied.problems);
    let id = new_id(&applied, &gid("DiscountCodeNode", 2));
    assert_eq!(codes(&shop.payload("discount", &id).await.unwrap()), ["A", "B"]);
}

#[tokio::test]
async fn codes_whose_answer_was_lost_are_there_once_and_no_problem() {
    for fault in ["lost-answer:discountRedeemCodeBulkAdd", "cut:discountRedeemCodeBulkAdd"] {
        let (shop, mut ids) = (empty().await, IdMap::default());
        shop.running.set_faults(Fault::parse_list(fault).unwrap());
        let live =
            restore(&shop, "discount", &with_codes(1, &["A", "B", "C"], &everybody()), None, &mut ids).await;
        assert_eq!(codes(&live), ["A", "B", "C"], "{fault}");
    }
}

#[tokio::test]
async fn a_code_that_is_there_is_not_overwritten_by_one_that_is_missing() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let both = with_codes(1, &["A", "B"], &everybody());
    let live = restore(&shop, "discount", &both, None, &mut ids).await;
    let first = live["discount"]["codes"].as_array().unwrap().iter().find(|one| one["code"] == "A").unwrap();
    let delete = "mutation($id: ID!, $gone: [ID!]!) { discountCodeRedeemCodeBulkDelete(discountId: $id, ids: $gone) { userErrors { message } } }";
    shop.owner(delete, json!({"id": live["id"], "gone": [first["id"]]})).await;
    let live = shop.payload("discount", live["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(codes(&live), ["B"]);
    let live = restore(&shop, "discount", &both, Some(&live), &mut ids).await;
    assert_eq!(codes(&live), ["A", "B"]);
}
