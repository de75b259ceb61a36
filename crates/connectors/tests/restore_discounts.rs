//! Restoring discounts, one round for each way to have one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::IdMap;
use practice::round::{check, empty, gid};
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
