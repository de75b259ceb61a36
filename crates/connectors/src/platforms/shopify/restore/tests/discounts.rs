//! Discounts: for whom they are, and their codes.

use serde_json::{Value, json};

use super::{check, check_back, draft, gid, input, planned, roots};
use crate::contract::{IdMap, PlanAction, RestoreOptions};

fn discount(context: &Value, codes: &[(&str, &str)]) -> Value {
    let codes: Value = codes.iter().map(|(id, code)| json!({"id": id, "code": code})).collect();
    json!({"id": gid("DiscountNode", 1), "discount": {"__typename": "DiscountCodeBasic", "title": "Ten",
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": null, "codes": codes, "usageLimit": null,
        "appliesOncePerCustomer": false, "context": context,
        "combinesWith": {"orderDiscounts": false, "productDiscounts": true, "shippingDiscounts": false},
        "customerGets": {"appliesOnOneTimePurchase": true, "appliesOnSubscription": false,
            "items": {"__typename": "AllDiscountItems", "allItems": true},
            "value": {"__typename": "DiscountPercentage", "percentage": 0.1}},
        "minimumRequirement": null, "recurringCycleLimit": 1, "tags": []}})
}

fn everybody() -> Value {
    json!({"__typename": "DiscountBuyerSelectionAll", "all": "ALL"})
}

fn segments(numbers: &[u32]) -> Value {
    let segments: Value = numbers.iter().map(|number| json!({"id": gid("Segment", *number)})).collect();
    json!({"__typename": "DiscountCustomerSegments", "segments": segments})
}

const CONTEXT: &str = "/discount/context";
const UPDATE: &str = "discountCodeBasicUpdate";
const TEN: &[(&str, &str)] = &[("c1", "TEN")];

#[test]
fn a_limit_that_the_backup_does_not_hold_is_never_dropped_silently() {
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let unknown =
        [json!({"__typename": "DiscountMarkets"}), json!({"__typename": "DiscountCustomerSegments"})];
    for context in unknown {
        let wanted = discount(&context, TEN);
        let made = planned("discount", &wanted, None, &options, &ids);
        assert!(matches!(&made.action, PlanAction::Cannot { why } if why.contains("everybody")), "{made:?}");
        // For whom it is now is left alone, and told; everything else is set back.
        let mut live = discount(&everybody(), TEN);
        live["discount"]["title"] = json!("Spoilt");
        check("discount", &wanted, &live, &["/discount/title"], &[UPDATE]);
        let draft = draft("discount", &wanted, Some(&live), &options, &ids);
        assert_eq!(input(&draft, 0)["basicCodeDiscount"], json!({"title": "Ten"}));
        assert_eq!(draft.losses.len(), 1, "{:?}", draft.losses);
        assert_eq!(planned("discount", &wanted, Some(&wanted), &options, &ids).losses, Vec::<String>::new());
    }
    // A control: what is known is made and set.
    for context in [everybody(), segments(&[1])] {
        let wanted = discount(&context, TEN);
        assert_eq!(planned("discount", &wanted, None, &options, &ids).action, PlanAction::Create);
        let live = discount(&json!({"__typename": "DiscountMarkets"}), TEN);
        check("discount", &wanted, &live, &[CONTEXT], &[UPDATE]);
    }
}

#[test]
fn segments_come_back_as_they_were() {
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let wanted = discount(&segments(&[1, 2]), TEN);
    let sent = |live: Option<&Value>| {
        let draft = draft("discount", &wanted, live, &options, &ids);
        input(&draft, 0)["basicCodeDiscount"]["context"].clone()
    };
    let both = json!({"customerSegments": {"add": [gid("Segment", 1), gid("Segment", 2)]}});
    assert_eq!(sent(None), both);
    assert_eq!(sent(Some(&discount(&everybody(), TEN))), both);
    let moved = json!({"customerSegments": {"add": [gid("Segment", 1)], "remove": [gid("Segment", 3)]}});
    assert_eq!(sent(Some(&discount(&segments(&[2, 3]), TEN))), moved);
    check("discount", &wanted, &discount(&segments(&[2]), TEN), &[CONTEXT], &[UPDATE]);
}

/// The codes that are added, and the one that an update gives, if it gives one.
fn sent(wanted: &[(&str, &str)], live: &[(&str, &str)]) -> (Vec<String>, Value) {
    let (options, ids) = (RestoreOptions::default(), IdMap::default());
    let (wanted, live) = (discount(&everybody(), wanted), discount(&everybody(), live));
    let draft = draft("discount", &wanted, Some(&live), &options, &ids);
    let (mut added, mut given) = (Vec::new(), Value::Null);
    for (number, root) in roots(&draft).into_iter().enumerate() {
        let input = input(&draft, number);
        if root == UPDATE {
            given = input["basicCodeDiscount"]["code"].clone();
        } else {
            assert_eq!(root, "discountRedeemCodeBulkAdd");
            assert!(draft.steps[number].once, "not repeated blindly");
            let codes = input["codes"].as_array().unwrap();
            added.extend(codes.iter().map(|one| one["code"].as_str().unwrap().to_owned()));
        }
    }
    (added, given)
}

#[test]
fn no_code_is_overwritten_to_bring_back_another() {
    let check = |wanted: &[(&str, &str)], live: &[(&str, &str)], added: &[&str], given: Value| {
        let got = sent(wanted, live);
        let expected: Vec<String> = added.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(got, (expected, given), "{wanted:?} {live:?}");
    };
    let (a, b) = (("1", "A"), ("2", "B"));
    check(&[a, b], &[b], &["A"], Value::Null);
    check(&[a, b], &[a], &["B"], Value::Null);
    check(&[a, b], &[b, a], &[], Value::Null);
    check(&[a], &[("3", "X")], &["A"], Value::Null);
    check(&[("1", "a")], &[a], &[], Value::Null);
    // The only one under another name gets its own.
    check(&[a], &[("1", "X")], &[], json!("A"));
    check(&[a, b], &[("1", "X")], &["B"], json!("A"));
    // Of several it is not known which one an update means.
    check(&[a, b], &[("1", "X"), b], &["A"], Value::Null);
}

#[test]
fn codes_of_a_state_that_is_taken_back_go_again() {
    let of = |codes: &[(&str, &str)]| discount(&everybody(), codes);
    let added = of(&[("1", "A"), ("2", "B")]);
    let calls = &["discountCodeRedeemCodeBulkDelete"];
    check_back("discount", &of(&[("1", "A")]), &added, &added, &["/discount/codes/[2]"], calls);
    let more = of(&[("1", "A"), ("2", "B"), ("3", "C")]);
    check_back("discount", &of(&[("1", "A")]), &more, &added, &["/discount/codes/[2]"], calls);
}
