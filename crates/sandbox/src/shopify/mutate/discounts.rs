//! Discounts by code and automatic ones.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::refs::{Place, places};
use super::{As, Call, Errors, Outcome, Row, copy, list, refuse, text};
use crate::shopify::schema::intern;
use crate::shopify::store::{Later, Store};
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_decimal};

pub(super) const ROWS: &[Row] = &[
    ("discountCodeBasicCreate", create),
    ("discountCodeBasicUpdate", update),
    ("discountCodeBxgyCreate", create),
    ("discountCodeBxgyUpdate", update),
    ("discountCodeFreeShippingCreate", create),
    ("discountCodeFreeShippingUpdate", update),
    ("discountAutomaticBasicCreate", create),
    ("discountAutomaticBasicUpdate", update),
    ("discountAutomaticBxgyCreate", create),
    ("discountAutomaticBxgyUpdate", update),
    ("discountAutomaticFreeShippingCreate", create),
    ("discountAutomaticFreeShippingUpdate", update),
    ("discountCodeActivate", |store, call| switch(store, call, true)),
    ("discountCodeDeactivate", |store, call| switch(store, call, false)),
    ("discountAutomaticActivate", |store, call| switch(store, call, true)),
    ("discountAutomaticDeactivate", |store, call| switch(store, call, false)),
    ("discountCodeDelete", |store, call| {
        delete(store, call, Kind::DiscountCodeNode, "deletedCodeDiscountId")
    }),
    ("discountAutomaticDelete", |store, call| {
        delete(store, call, Kind::DiscountAutomaticNode, "deletedAutomaticDiscountId")
    }),
    ("discountRedeemCodeBulkAdd", add_codes),
    ("discountCodeRedeemCodeBulkDelete", delete_codes),
];

/// The argument that carries a discount, and what it becomes.
const SORTS: &[(&str, Kind, &str)] = &[
    ("basicCodeDiscount", Kind::DiscountCodeNode, "DiscountCodeBasic"),
    ("bxgyCodeDiscount", Kind::DiscountCodeNode, "DiscountCodeBxgy"),
    ("freeShippingCodeDiscount", Kind::DiscountCodeNode, "DiscountCodeFreeShipping"),
    ("automaticBasicDiscount", Kind::DiscountAutomaticNode, "DiscountAutomaticBasic"),
    ("automaticBxgyDiscount", Kind::DiscountAutomaticNode, "DiscountAutomaticBxgy"),
    ("freeShippingAutomaticDiscount", Kind::DiscountAutomaticNode, "DiscountAutomaticFreeShipping"),
];

fn sort<'a>(call: &Call<'a>) -> Option<(&'static str, Kind, &'static str, &'a Map<String, Json>)> {
    SORTS
        .iter()
        .find_map(|(argument, kind, type_name)| Some((*argument, *kind, *type_name, call.map(argument)?)))
}

fn number(value: Option<&Json>) -> Option<i64> {
    value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()))
}

fn gids(input: Option<&Json>, add: &str, remove: &str, old: &[Val]) -> Vec<Val> {
    let ids = |name: &str| -> Vec<Gid> {
        input
            .and_then(|input| input.get(name))
            .and_then(Json::as_array)
            .map(|ids| ids.iter().filter_map(|id| Gid::parse(id.as_str()?)).collect())
            .unwrap_or_default()
    };
    let gone = ids(remove);
    let mut all: Vec<Gid> = old.iter().filter_map(Val::as_gid).filter(|gid| !gone.contains(gid)).collect();
    for gid in ids(add) {
        if !all.contains(&gid) {
            all.push(gid);
        }
    }
    all.into_iter().map(Val::Ref).collect()
}

/// What a discount applies to.
fn items(input: &Json, old: Option<&Obj>) -> Obj {
    let old_list = |name: &str| old.map(|old| old.list(name)).unwrap_or_default();
    if input.get("all").and_then(Json::as_bool) == Some(true) {
        return obj! { "__typename": "AllDiscountItems", "allItems": true };
    }
    if let Some(given) = input.get("collections").filter(|given| given.is_object()) {
        let all = gids(Some(given), "add", "remove", old_list("collections"));
        return obj! { "__typename": "DiscountCollections", "collections": all };
    }
    let given = input.get("products");
    obj! {
        "__typename": "DiscountProducts",
        "products": gids(given, "productsToAdd", "productsToRemove", old_list("products")),
        "productVariants": gids(given, "productVariantsToAdd", "productVariantsToRemove", old_list("productVariants")),
    }
}

fn effect(input: &Json) -> Option<Obj> {
    if let Some(percentage) = input.get("percentage").and_then(Json::as_f64) {
        return Some(obj! { "__typename": "DiscountPercentage", "percentage": percentage });
    }
    let amount = input.get("discountAmount").or_else(|| input.get("amount").map(|_| input))?;
    Some(obj! {
        "__typename": "DiscountAmount", "amount": amount.get("amount").and_then(parse_decimal).map(Val::Cents),
        "appliesOnEachItem": amount.get("appliesOnEachItem").and_then(Json::as_bool).unwrap_or(false),
    })
}

fn gets_value(input: &Json) -> Option<Obj> {
    if let Some(on) = input.get("discountOnQuantity").filter(|on| on.is_object()) {
        let quantity = obj! { "quantity": number(on.get("quantity")) };
        return Some(
            obj! { "__typename": "DiscountOnQuantity", "effect": on.get("effect").and_then(effect), "quantity": quantity },
        );
    }
    effect(input)
}

fn gets(input: &Json, old: Option<&Obj>) -> Obj {
    let mut made = old
        .cloned()
        .unwrap_or_else(|| obj! { "appliesOnOneTimePurchase": true, "appliesOnSubscription": false });
    if let Some(given) = input.as_object() {
        copy(
            &mut made,
            given,
            &[
                ("appliesOnOneTimePurchase", "appliesOnOneTimePurchase", As::Same),
                ("appliesOnSubscription", "appliesOnSubscription", As::Same),
            ],
        );
    }
    if let Some(given) = input.get("items") {
        let fresh = items(given, made.obj("items"));
        made.set("items", fresh);
    }
    if let Some(given) = input.get("value").and_then(gets_value) {
        made.set("value", given);
    }
    made
}

fn buys(input: &Json, old: Option<&Obj>) -> Obj {
    let mut made =
        old.cloned().unwrap_or_else(|| obj! { "isOneTimePurchase": true, "isSubscription": false });
    if let Some(given) = input.get("items") {
        let fresh = items(given, made.obj("items"));
        made.set("items", fresh);
    }
    match input.get("value") {
        Some(value) if value.get("quantity").is_some_and(|quantity| !quantity.is_null()) => {
            made.set(
                "value",
                obj! { "__typename": "DiscountQuantity", "quantity": number(value.get("quantity")) },
            );
        }
        Some(value) => {
            made.set("value", obj! { "__typename": "DiscountPurchaseAmount", "amount": value.get("amount").and_then(parse_decimal).map(Val::Cents) });
        }
        None => {}
    }
    made
}

fn context(input: &Json, old: Option<&Obj>) -> Obj {
    let old_list = |name: &str| old.map(|old| old.list(name)).unwrap_or_default();
    if let Some(given) = input.get("customers") {
        return obj! { "__typename": "DiscountCustomers", "customers": gids(Some(given), "add", "remove", old_list("customers")) };
    }
    if let Some(given) = input.get("customerSegments") {
        return obj! { "__typename": "DiscountCustomerSegments", "segments": gids(Some(given), "add", "remove", old_list("segments")) };
    }
    // Markets are not imitated: they are only named.
    let named = |input: &Json, old: &[Val]| -> Vec<Val> {
        let ids = |name: &str| -> Vec<String> {
            let list = input.get(name).and_then(Json::as_array).into_iter().flatten();
            list.filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let mut all: Vec<String> =
            old.iter().filter_map(|one| Some(one.as_obj()?.str("id")?.to_owned())).collect();
        all.retain(|id| !ids("remove").contains(id));
        all.extend(ids("add"));
        all.into_iter().map(|id| Val::from(obj! { "id": Val::text(&id), "name": Val::text(&id) })).collect()
    };
    if let Some(given) = input.get("markets") {
        let markets = named(given, old_list("markets"));
        let count = markets.len();
        return obj! { "__typename": "DiscountMarkets", "markets": markets, "marketsCount": count };
    }
    obj! { "__typename": "DiscountBuyerSelectionAll", "all": "ALL" }
}

fn minimum(input: &Json) -> Option<Obj> {
    if let Some(quantity) = number(input.pointer("/quantity/greaterThanOrEqualToQuantity")) {
        return Some(
            obj! { "__typename": "DiscountMinimumQuantity", "greaterThanOrEqualToQuantity": quantity },
        );
    }
    let subtotal = input.pointer("/subtotal/greaterThanOrEqualToSubtotal").and_then(parse_decimal)?;
    Some(
        obj! { "__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": Val::Cents(subtotal) },
    )
}

fn destination(input: &Json, old: Option<&Obj>) -> Obj {
    let Some(given) = input.get("countries").filter(|given| given.is_object()) else {
        return obj! { "__typename": "DiscountCountryAll", "allCountries": true };
    };
    let codes = |name: &str| -> Vec<&'static str> {
        given
            .get(name)
            .and_then(Json::as_array)
            .map(|codes| codes.iter().filter_map(Json::as_str).filter_map(intern).collect())
            .unwrap_or_default()
    };
    let gone = codes("remove");
    let mut all: Vec<Val> = old.map(|old| old.list("countries").to_vec()).unwrap_or_default();
    all.retain(|code| !gone.iter().any(|gone| code.as_str() == Some(gone)));
    all.extend(codes("add").into_iter().map(Val::Lit));
    obj! { "__typename": "DiscountCountries", "countries": all, "includeRestOfWorld": given.get("includeRestOfWorld").and_then(Json::as_bool).unwrap_or(false) }
}

/// With what a discount combines: what is not said is off. Tags are added and removed.
fn combines(input: &Map<String, Json>, old: Option<&Obj>) -> Obj {
    let mut made = Obj::default();
    for name in ["orderDiscounts", "productDiscounts", "shippingDiscounts"] {
        if let Some(name) = intern(name) {
            made.set(name, input.get(name).and_then(Json::as_bool).unwrap_or(false));
        }
    }
    let name = "productDiscountsWithTagsOnSameCartLine";
    let given = input.get(name).unwrap_or(&Json::Null);
    let texts = |of: &str| -> Vec<String> {
        let list = given.get(of).and_then(Json::as_array).into_iter().flatten();
        list.filter_map(Json::as_str).map(str::to_owned).collect()
    };
    let (add, remove) = (texts("add"), texts("remove"));
    let mut tags: Vec<String> = old
        .map_or(&[][..], |old| old.list(name))
        .iter()
        .filter_map(|tag| tag.as_str().map(str::to_owned))
        .filter(|tag| !remove.contains(tag) && !add.contains(tag))
        .collect();
    tags.extend(add);
    if !tags.is_empty() {
        made.set(name, Val::texts(tags));
    }
    made
}

fn apply(
    store: &mut Store,
    own: Option<Gid>,
    discount: &mut Obj,
    input: &Map<String, Json>,
    argument: &'static str,
    errors: &mut Errors,
) {
    copy(
        discount,
        input,
        &[
            ("title", "title", As::Same),
            ("startsAt", "startsAt", As::Time),
            ("endsAt", "endsAt", As::Time),
            ("usageLimit", "usageLimit", As::Same),
            ("appliesOncePerCustomer", "appliesOncePerCustomer", As::Same),
            ("appliesOnOneTimePurchase", "appliesOnOneTimePurchase", As::Same),
            ("appliesOnSubscription", "appliesOnSubscription", As::Same),
            ("recurringCycleLimit", "recurringCycleLimit", As::Same),
            ("maximumShippingPrice", "maximumShippingPrice", As::Money),
            ("tags", "tags", As::Tags),
        ],
    );
    if let Some(limit) = number(input.get("usesPerOrderLimit")) {
        discount.set("usesPerOrderLimit", limit);
    }
    if let Some(given) = input.get("combinesWith").and_then(Json::as_object) {
        let made = combines(given, discount.obj("combinesWith"));
        discount.set("combinesWith", made);
    }
    for (name, make) in [
        ("customerGets", gets as fn(&Json, Option<&Obj>) -> Obj),
        ("customerBuys", buys),
        ("context", context),
    ] {
        if let Some(given) = input.get(name).filter(|given| !given.is_null()) {
            let made = make(given, discount.obj(name));
            discount.set(intern(name).unwrap_or("context"), made);
        }
    }
    if let Some(given) = input.get("destination") {
        let made = destination(given, discount.obj("destinationSelection"));
        discount.set("destinationSelection", made);
    }
    match input.get("minimumRequirement") {
        Some(Json::Null) => discount.set("minimumRequirement", Val::Null),
        Some(given) => discount.set("minimumRequirement", minimum(given)),
        None => {}
    }
    if discount.str("title").unwrap_or_default().trim().is_empty() {
        errors.add(&[argument, "title"], "Title can't be blank", "BLANK");
    }
    if discount.int("startsAt").is_none() {
        errors.add(&[argument, "startsAt"], "Starts at can't be blank", "BLANK");
    }
    if let (Some(start), Some(end)) = (discount.int("startsAt"), discount.int("endsAt"))
        && end <= start
    {
        errors.add(
            &[argument, "endsAt"],
            "Ends at needs to be after starts at",
            "END_DATE_BEFORE_START_DATE",
        );
    }
    places(store, REFERENCES, input, &[argument], "INVALID", errors);
    let taken = |store: &Store, code: &str| {
        store.by_key(Kind::DiscountCodeNode, &code.to_lowercase()).is_some_and(|other| Some(other) != own)
    };
    if let Some(code) = text(input, "code") {
        if taken(store, code) {
            errors.add(&[argument, "code"], "Code must be unique. Please try a different code.", "TAKEN");
        } else {
            let id = store.mint(Kind::DiscountRedeemCode);
            discount.edit_list("codes", |codes| match codes.first_mut() {
                Some(Val::Obj(first)) => first.set("code", Val::text(code)),
                _ => codes.push(Val::from(
                    obj! { "id": Val::Id(id), "code": Val::text(code), "asyncUsageCount": 0_i64 },
                )),
            });
        }
    } else if argument.ends_with("CodeDiscount") && discount.list("codes").is_empty() {
        errors.add(&[argument, "code"], "Code can't be blank", "BLANK");
    }
    let now = store.now;
    discount.set("updatedAt", Val::Time(now));
}

/// What an input may point to.
const REFERENCES: &[Place] = &[
    ("", "productsToAdd", &[Kind::Product]),
    ("", "productVariantsToAdd", &[Kind::ProductVariant]),
    ("collections", "add", &[Kind::Collection]),
    ("customers", "add", &[Kind::Customer]),
    ("customerSegments", "add", &[Kind::Segment]),
];

fn answer(kind: Kind) -> &'static str {
    if kind == Kind::DiscountCodeNode { "codeDiscountNode" } else { "automaticDiscountNode" }
}

/// What a discount is taken off, worked out from what it is for.
fn class(type_name: &str, discount: &Obj) -> &'static str {
    let items = discount.obj("customerGets").and_then(|gets| gets.obj("items"));
    match items.and_then(|items| items.str("__typename")) {
        _ if type_name.ends_with("FreeShipping") => "SHIPPING",
        Some("AllDiscountItems") => "ORDER",
        _ => "PRODUCT",
    }
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((argument, kind, type_name, input)) = sort(call) else {
        return refuse(&[], "A discount is needed.", "MISSING_ARGUMENT");
    };
    let mut errors = Errors::default();
    let mut discount = obj! {
        "__typename": type_name, "createdAt": Val::Time(store.now),
        "combinesWith": obj! { "orderDiscounts": false, "productDiscounts": false, "shippingDiscounts": false },
        "context": obj! { "__typename": "DiscountBuyerSelectionAll", "all": "ALL" }, "asyncUsageCount": 0_i64,
    };
    if type_name.ends_with("FreeShipping") {
        discount.set("appliesOnOneTimePurchase", true);
    }
    apply(store, None, &mut discount, input, argument, &mut errors);
    let class = class(type_name, &discount);
    discount.set("discountClasses", vec![Val::Lit(class)]);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(kind, obj! { "discount": discount });
    let mut payload = Obj::default();
    payload.set(answer(kind), gid);
    errors.payload(payload)
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((argument, kind, type_name, input)) = sort(call) else {
        return refuse(&[], "A discount is needed.", "MISSING_ARGUMENT");
    };
    let Some(gid) = call.gid(store, kind, "id") else {
        return refuse(&["id"], "Discount does not exist", "INVALID");
    };
    let mut errors = Errors::default();
    let mut discount = store.get(gid).and_then(|node| node.obj("discount")).cloned().unwrap_or_default();
    discount.set("__typename", type_name);
    apply(store, Some(gid), &mut discount, input, argument, &mut errors);
    let class = class(type_name, &discount);
    discount.set("discountClasses", vec![Val::Lit(class)]);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |node| node.set("discount", discount));
    let mut payload = Obj::default();
    payload.set(answer(kind), gid);
    errors.payload(payload)
}

fn switch(store: &mut Store, call: &Call<'_>, on: bool) -> Outcome {
    let gid = call
        .gid(store, Kind::DiscountCodeNode, "id")
        .or_else(|| call.gid(store, Kind::DiscountAutomaticNode, "id"));
    let Some(gid) = gid else { return refuse(&["id"], "Discount does not exist", "INVALID") };
    let now = store.now;
    store.edit(gid, |node| {
        if let Some(Val::Obj(discount)) = node.get_mut("discount") {
            if on {
                discount.take("endsAt");
                if discount.int("startsAt").is_some_and(|start| start > now) {
                    discount.set("startsAt", Val::Time(now));
                }
            } else {
                discount.set("endsAt", Val::Time(now));
            }
        }
    });
    let mut payload = Obj::default();
    payload.set(answer(gid.kind()), gid);
    Errors::default().payload(payload)
}

fn delete(store: &mut Store, call: &Call<'_>, kind: Kind, name: &'static str) -> Outcome {
    let Some(gid) = call.gid(store, kind, "id") else {
        return refuse(&["id"], "Discount does not exist", "INVALID");
    };
    store.remove(gid);
    let mut payload = Obj::default();
    payload.set(name, Val::Id(gid));
    Errors::default().payload(payload)
}

fn add_codes(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::DiscountCodeNode, "discountId") else {
        return refuse(&["discountId"], "Discount does not exist", "INVALID");
    };
    let codes: Vec<Box<str>> =
        call.list("codes").iter().filter_map(|one| Some(one.get("code")?.as_str()?.into())).collect();
    let shown: Vec<Val> = codes.iter().map(|code| Val::from(obj! { "code": Val::text(code) })).collect();
    let bulk = store.insert(
        Kind::DiscountRedeemCodeBulkCreation,
        obj! { "discountCode": gid, "done": false, "codesCount": shown.len(), "codes": shown },
    );
    store.end_later(bulk, Later::Codes { discount: gid, creation: bulk, codes });
    Errors::default().payload(obj! { "bulkCreation": bulk })
}

/// Adds codes to a discount; one that is taken fails alone.
pub(crate) fn import_codes(store: &mut Store, discount: Gid, creation: Gid, codes: &[Box<str>]) {
    let (mut imported, mut failed) = (0_i64, 0_i64);
    let mut fresh: Vec<Val> = Vec::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut shown = Vec::new();
    for code in codes {
        let lower = code.to_lowercase();
        let mut errors = Vec::new();
        if store.by_key(Kind::DiscountCodeNode, &lower).is_none() && taken.insert(lower) {
            imported += 1;
            let id = Val::Id(store.mint(Kind::DiscountRedeemCode));
            fresh.push(Val::from(obj! { "id": id, "code": Val::text(code), "asyncUsageCount": 0_i64 }));
        } else {
            failed += 1;
            let why = "Code must be unique. Please try a different code.";
            errors.push(Val::from(obj! { "code": "TAKEN", "message": why }));
        }
        shown.push(Val::from(obj! { "code": Val::text(code), "errors": errors }));
    }
    store.edit(discount, |node| {
        if let Some(Val::Obj(discount)) = node.get_mut("discount") {
            discount.edit_list("codes", |codes| codes.extend(fresh));
        }
    });
    store.edit_silently(creation, |creation| {
        creation.set("importedCount", imported);
        creation.set("failedCount", failed);
        creation.set("codes", shown);
    });
}

fn delete_codes(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::DiscountCodeNode, "discountId") else {
        return refuse(&["discountId"], "Discount does not exist", "INVALID");
    };
    let gone: Vec<Gid> =
        list(call.args, "ids").unwrap_or_default().iter().filter_map(|id| Gid::parse(id.as_str()?)).collect();
    store.edit(gid, |node| {
        if let Some(Val::Obj(discount)) = node.get_mut("discount") {
            discount.edit_list("codes", |codes| {
                codes.retain(|code| {
                    !code.as_obj().and_then(|code| code.gid("id")).is_some_and(|id| gone.contains(&id))
                });
            });
        }
    });
    let job = store.start_job(Later::Nothing);
    Errors::default().payload(obj! { "job": job })
}
