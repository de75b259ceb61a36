//! Restoring discounts, one round for each way to have one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{IdMap, Lookup, PlanAction, RestoreOptions};
use practice::round::{check, empty, gid, restore};
use practice::{Practice, kind, new_id};
use sandbox::shopify::{Fault, Settings};
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
    for number in [1, 2] {
        let segment = json!({"id": gid("Segment", number), "name": format!("Group {number}"), "query": "number_of_orders > 1"});
        restore(&shop, "segment", &segment, None, &mut ids).await;
    }
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

/// Searches do not see what was just written, for longer than any test waits.
async fn unsearchable() -> Practice {
    let search_lag = std::time::Duration::from_secs(30 * 86_400);
    Practice::open(Settings { search_lag, ..Settings::empty() }).await
}

#[tokio::test]
async fn a_discount_is_looked_up_as_it_is_now_and_not_as_a_search_knows_it() {
    let shop = unsearchable().await;
    let code = with_codes(1, &["TEN"], &everybody());
    let mut automatic = with_codes(2, &[], &everybody());
    automatic["id"] = json!(gid("DiscountAutomaticNode", 2));
    let discount = automatic["discount"].as_object_mut().unwrap();
    discount.insert("__typename".to_owned(), json!("DiscountAutomaticBasic"));
    discount.retain(|field, _| !["codes", "usageLimit", "appliesOncePerCustomer"].contains(&&**field));
    for wanted in [code, automatic] {
        let mut ids = IdMap::default();
        let live = restore(&shop, "discount", &wanted, None, &mut ids).await;
        let id = live["id"].as_str().unwrap();
        let number = id.rsplit('/').next().unwrap();
        for name in ["DiscountNode", "DiscountCodeNode", "DiscountAutomaticNode"] {
            let found = shop.payload("discount", &format!("gid://shopify/{name}/{number}")).await;
            assert_eq!(found.as_ref(), Some(&live), "{name}");
        }
        let mut changed = wanted.clone();
        changed["discount"]["title"] = json!("Eleven");
        let live = restore(&shop, "discount", &changed, Some(&live), &mut ids).await;
        assert_eq!(live["discount"]["title"], "Eleven");
        shop.store.delete(kind("discount"), id).await.unwrap();
        assert_eq!(shop.payload("discount", id).await, None);
        assert!(!shop.running.dump().to_string().contains("Eleven"), "{id} is there still");
    }
    // A control: what never was is not found.
    assert_eq!(shop.payload("discount", &gid("DiscountCodeNode", 987_654)).await, None);
}

#[tokio::test]
async fn many_discounts_are_looked_up_whole_and_in_the_order_asked() {
    let shop = unsearchable().await;
    let mut made = Vec::new();
    for number in 1..=30 {
        let names: Vec<String> =
            (0..if number == 7 { 25 } else { 1 }).map(|at| format!("C{number}-{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut ids = IdMap::default();
        let live =
            restore(&shop, "discount", &with_codes(number, &names, &everybody()), None, &mut ids).await;
        made.push(live["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    made.insert(3, gid("DiscountNode", 987_654));
    let lookups: Vec<Lookup<'_>> = made.iter().map(|id| Lookup::Id(id)).collect();
    let found = shop.store.live(kind("discount"), &lookups).await.unwrap();
    let ids: Vec<Option<&str>> = found.iter().map(|one| one.as_ref().map(|item| &*item.id)).collect();
    let expected: Vec<Option<&str>> =
        made.iter().enumerate().map(|(at, id)| (at != 3).then_some(id.as_str())).collect();
    assert_eq!(ids, expected);
    // The seventh that was made, and one that is not there before it.
    let payload: Value = serde_json::from_slice(&found[24].as_ref().unwrap().payload).unwrap();
    assert_eq!(codes(&payload).len(), 25);
}

#[tokio::test]
async fn a_discount_whose_customers_are_hidden_stays_for_whom_it_is() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let live = restore(&shop, "discount", &with_codes(1, &["TEN"], &everybody()), None, &mut ids).await;
    let hidden = with_codes(1, &["TEN"], &json!({"__typename": "DiscountCustomers"}));
    let plan = shop.store.plan(kind("discount"), &hidden, Some(&live), &ids, &RestoreOptions::default());
    assert_eq!((plan.action, plan.losses.len()), (PlanAction::Skip, 1), "{:?}", plan.losses);
    let anew = shop.plan("discount", &hidden, None);
    assert!(matches!(anew.action, PlanAction::Cannot { .. }), "{anew:?}");
    // A control: customers that are known are set.
    let known = json!({"__typename": "DiscountCustomers", "customers": [{"id": gid("Customer", 1)}]});
    let known = with_codes(1, &["TEN"], &known);
    let plan = shop.store.plan(kind("discount"), &known, Some(&live), &ids, &RestoreOptions::default());
    assert_eq!(plan.action, PlanAction::Update);
}
