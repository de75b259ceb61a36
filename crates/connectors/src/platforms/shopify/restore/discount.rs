//! Discounts, by code and automatic. Those of an app need the app.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Field, Form, moved, same};
use super::links;
use super::part::Part;
use super::place;
use super::product::by_namespace_and_key;
use super::step::{Call, Step, Wait, variables};

/// Most further codes in one call.
const CODES_PER_CALL: usize = 100;

/// One type of discount: how it is made and changed.
struct Shape {
    /// The type's name.
    of: &'static str,
    create: Call,
    update: Call,
    /// The variable that holds the input.
    input: &'static str,
    /// Where the answer holds what was made, and by which type the mutations know it.
    node: &'static str,
    kind: &'static str,
    /// What it has beside the fields that all have.
    fields: &'static [&'static [Field]],
}

/// The name of both mutations and the type's own words.
macro_rules! shape {
    ($of:literal, $create:literal, $update:literal, $input:literal, $node:literal, $kind:literal, $fields:expr) => {
        Shape {
            of: $of,
            create: Call::new($create, include_str!(concat!("../documents/write/", $create, ".graphql")), 10),
            update: Call::new($update, include_str!(concat!("../documents/write/", $update, ".graphql")), 10),
            input: $input,
            node: $node,
            kind: $kind,
            fields: $fields,
        }
    };
}

const COMMON: &[Field] = &[
    same("title", Form::Plain),
    same("startsAt", Form::Plain),
    same("endsAt", Form::Plain),
    same("tags", Form::Set),
    same("combinesWith", Form::Moved { made: combines, moved: lists_moved }),
    same("context", Form::Moved { made: context, moved: lists_moved }),
];
const CODE: &[Field] = &[
    moved("codes", "code", Form::Made(first_code)),
    same("usageLimit", Form::Plain),
    same("appliesOncePerCustomer", Form::Plain),
];
const GETS: &[Field] = &[same("customerGets", Form::Moved { made: gets, moved: lists_moved })];
const BUYS: &[Field] = &[
    same("customerBuys", Form::Moved { made: buys, moved: lists_moved }),
    same("usesPerOrderLimit", Form::Plain),
];
/// Tags of product discounts with which one combines on the same line of a cart.
const SAME_LINE: &str = "productDiscountsWithTagsOnSameCartLine";
/// These mean something, and may be said, only where subscriptions get the discount: a shop without them refuses to
/// be told even what is usual.
const RECURRING: Field = same("recurringCycleLimit", Form::Plain);
const ONE_TIME: Field = same("appliesOnOneTimePurchase", Form::Plain);
const SUBSCRIBED: Field = same("appliesOnSubscription", Form::Plain);
const LEAST: &[Field] = &[same("minimumRequirement", Form::Made(least)), RECURRING];
const SHIPPING: &[Field] = &[
    moved("destinationSelection", "destination", Form::Moved { made: destination, moved: lists_moved }),
    moved("maximumShippingPrice/amount", "maximumShippingPrice", Form::Number),
    ONE_TIME,
    SUBSCRIBED,
];

static SHAPES: &[Shape] = &[
    shape!(
        "DiscountCodeBasic",
        "discountCodeBasicCreate",
        "discountCodeBasicUpdate",
        "basicCodeDiscount",
        "codeDiscountNode",
        "DiscountCodeNode",
        &[COMMON, CODE, GETS, LEAST]
    ),
    shape!(
        "DiscountCodeBxgy",
        "discountCodeBxgyCreate",
        "discountCodeBxgyUpdate",
        "bxgyCodeDiscount",
        "codeDiscountNode",
        "DiscountCodeNode",
        &[COMMON, CODE, GETS, BUYS]
    ),
    shape!(
        "DiscountCodeFreeShipping",
        "discountCodeFreeShippingCreate",
        "discountCodeFreeShippingUpdate",
        "freeShippingCodeDiscount",
        "codeDiscountNode",
        "DiscountCodeNode",
        &[COMMON, CODE, SHIPPING, LEAST]
    ),
    shape!(
        "DiscountAutomaticBasic",
        "discountAutomaticBasicCreate",
        "discountAutomaticBasicUpdate",
        "automaticBasicDiscount",
        "automaticDiscountNode",
        "DiscountAutomaticNode",
        &[COMMON, GETS, LEAST]
    ),
    shape!(
        "DiscountAutomaticBxgy",
        "discountAutomaticBxgyCreate",
        "discountAutomaticBxgyUpdate",
        "automaticBxgyDiscount",
        "automaticDiscountNode",
        "DiscountAutomaticNode",
        &[COMMON, GETS, BUYS]
    ),
    shape!(
        "DiscountAutomaticFreeShipping",
        "discountAutomaticFreeShippingCreate",
        "discountAutomaticFreeShippingUpdate",
        "freeShippingAutomaticDiscount",
        "automaticDiscountNode",
        "DiscountAutomaticNode",
        &[COMMON, SHIPPING, LEAST]
    ),
];

static CODES_ADD: Call = Call::new(
    "discountRedeemCodeBulkAdd",
    include_str!("../documents/write/discountRedeemCodeBulkAdd.graphql"),
    10,
);

static CODES_DELETE: Call = Call::new(
    "discountCodeRedeemCodeBulkDelete",
    include_str!("../documents/write/discountCodeRedeemCodeBulkDelete.graphql"),
    10,
)
.waiting_for(Wait::Job);

/// Codes are known by what is typed.
static CODES: Part = Part { at: "discount/codes", key: by_code, parts: &[] };

fn by_code(code: &Value, _: usize) -> Option<String> {
    place::text(code, "code").map(str::to_lowercase)
}

/// Parts of a discount.
pub(super) static PARTS: &[Part] = &[Part { at: "metafields", key: by_namespace_and_key, parts: &[] }];

/// Draws up a discount.
pub(super) fn draft(draft: &mut Draft<'_>) {
    let null = Value::Null;
    let wanted = draft.wanted.get("discount").unwrap_or(&null);
    let live = draft.live.map(|live| live.get("discount").unwrap_or(&null));
    let kind = place::text(wanted, "__typename").unwrap_or_default();
    let Some(shape) = SHAPES.iter().find(|shape| shape.of == kind) else {
        draft.refusal = Some("A discount of an app needs the app: it is made and changed there.".to_owned());
        return;
    };
    if live.is_some_and(|live| place::text(live, "__typename") != Some(kind)) {
        draft.refusal =
            Some("The discount is now of another type, which Shopify does not let be changed.".to_owned());
        return;
    }
    let mut input = Map::new();
    let subscribed = ["appliesOnSubscription", "customerGets/appliesOnSubscription"].iter().any(|at| {
        [Some(wanted), live].into_iter().flatten().any(|one| place::at(one, at) == Some(&Value::Bool(true)))
    });
    let of_subscriptions = [RECURRING.from, ONE_TIME.from, SUBSCRIBED.from];
    for table in shape.fields {
        let said = |field: &&Field| subscribed || !of_subscriptions.contains(&field.from);
        let table: Vec<Field> = table.iter().filter(said).copied().collect();
        input.extend(draft.fields(&table, "/discount", wanted, live));
    }
    if live.is_none() {
        let input = variables([(shape.input, Value::Object(input))]);
        draft.step(Step::birth(&shape.create, shape.node, input));
        draft
            .losses
            .push("The discount comes back with a new id, and its count of uses begins anew.".to_owned());
    } else if !input.is_empty() {
        let id = links::id_as(shape.kind, draft.id());
        let input = variables([("id", id), (shape.input, Value::Object(input))]);
        draft.call(&shape.update, "the discount", input);
    }
    further_codes(draft, shape, wanted, live);
    take_codes_away(draft, shape, wanted);
    let me = links::id_as(shape.kind, draft.id());
    draft.metafields(&me, "", draft.wanted, draft.live, draft.former);
    draft.set_metafields();
}

/// Takes further codes away that the state had which is taken back. The first one is a field, and set as such.
fn take_codes_away(draft: &mut Draft<'_>, shape: &Shape, wanted: &Value) {
    let mut ids = Vec::new();
    for code in draft.surplus(&CODES) {
        let is_field = place::at(code, "code")
            == draft.live.and_then(|live| place::at(live, "discount/codes/0/code"))
            && !place::list(wanted, "codes").is_empty();
        let Some(id) = place::id_of(code).filter(|_| !is_field) else { continue };
        if draft.change(format!("/discount/codes/[{id}]"), code, &Value::Null) {
            ids.push(id.to_owned());
        }
    }
    if !ids.is_empty() {
        let id = links::id_as(shape.kind, draft.id());
        let input = variables([("discountId", id), ("ids", json!(ids))]);
        draft.call(&CODES_DELETE, "taking away codes", input);
    }
}

/// Codes beside the first. Those that were added since stay.
fn further_codes(draft: &mut Draft<'_>, shape: &Shape, wanted: &Value, live: Option<&Value>) {
    let theirs: Vec<&str> = live
        .map_or(&[][..], |live| place::list(live, "codes"))
        .iter()
        .filter_map(|one| place::text(one, "code"))
        .collect();
    let mut codes = Vec::new();
    for one in place::list(wanted, "codes").iter().skip(1) {
        let Some(code) = place::text(one, "code").filter(|code| !theirs.contains(code)) else { continue };
        let path = format!("/discount/codes/[{}]", place::id_of(one).unwrap_or(code));
        if live.is_none() || draft.change(path, &Value::Null, one) {
            codes.push(json!({"code": code}));
        }
    }
    for chunk in codes.chunks(CODES_PER_CALL) {
        let id = links::id_as(shape.kind, draft.id());
        draft.call(
            &CODES_ADD,
            "further codes",
            variables([("discountId", id), ("codes", Value::Array(chunk.to_vec()))]),
        );
    }
}

fn combines(combines: &Value) -> Value {
    let mut input = place::pick(combines, &["orderDiscounts", "productDiscounts", "shippingDiscounts"]);
    if let Some(tags) = combines.get(SAME_LINE).filter(|tags| tags.is_array()) {
        input.insert(SAME_LINE.to_owned(), json!({"add": tags}));
    }
    Value::Object(input)
}

fn first_code(codes: &Value) -> Value {
    codes.as_array().and_then(|codes| codes.first()?.get("code").cloned()).unwrap_or_default()
}

fn typename(value: &Value) -> &str {
    place::text(value, "__typename").unwrap_or_default()
}

fn context(context: &Value) -> Value {
    match typename(context) {
        "DiscountBuyerSelectionAll" => json!({"all": "ALL"}),
        "DiscountCustomerSegments" => {
            json!({"customerSegments": {"add": links::ids_of(place::list(context, "segments"))}})
        }
        "DiscountCustomers" => {
            json!({"customers": {"add": links::ids_of(place::list(context, "customers"))}})
        }
        _ => Value::Null,
    }
}

fn items(items: &Value) -> Value {
    match typename(items) {
        "AllDiscountItems" => json!({"all": true}),
        "DiscountCollections" => {
            json!({"collections": {"add": links::ids_of(place::list(items, "collections"))}})
        }
        "DiscountProducts" => json!({"products": {
            "productsToAdd": links::ids_of(place::list(items, "products")),
            "productVariantsToAdd": links::ids_of(place::list(items, "productVariants")),
        }}),
        _ => Value::Null,
    }
}

fn amount(discount: &Value) -> Value {
    place::at(discount, "amount/amount").or(discount.get("amount")).cloned().unwrap_or_default()
}

fn gets(gets: &Value) -> Value {
    let value = gets.get("value").unwrap_or(&Value::Null);
    let value = match typename(value) {
        "DiscountPercentage" => json!({"percentage": value.get("percentage")}),
        "DiscountAmount" => json!({"discountAmount": {
            "amount": amount(value),
            "appliesOnEachItem": value.get("appliesOnEachItem"),
        }}),
        "DiscountOnQuantity" => {
            let effect = value.get("effect").unwrap_or(&Value::Null);
            let effect = match typename(effect) {
                "DiscountPercentage" => json!({"percentage": effect.get("percentage")}),
                _ => json!({"amount": amount(effect)}),
            };
            json!({"discountOnQuantity": {"quantity": place::at(value, "quantity/quantity"), "effect": effect}})
        }
        _ => Value::Null,
    };
    with_purchases(gets, value, &[("appliesOnOneTimePurchase", true), ("appliesOnSubscription", false)])
}

fn buys(buys: &Value) -> Value {
    let value = buys.get("value").unwrap_or(&Value::Null);
    let value = match typename(value) {
        "DiscountQuantity" => json!({"quantity": value.get("quantity")}),
        "DiscountPurchaseAmount" => json!({"amount": value.get("amount")}),
        _ => Value::Null,
    };
    with_purchases(buys, value, &[("isOneTimePurchase", true), ("isSubscription", false)])
}

/// What is sold once is the rule; a shop without subscriptions refuses to be told even that.
fn with_purchases(side: &Value, value: Value, rules: &[(&str, bool)]) -> Value {
    let mut input = Map::new();
    input.insert("items".to_owned(), side.get("items").map_or(Value::Null, items));
    input.insert("value".to_owned(), value);
    for (name, usual) in rules {
        if let Some(is) = side.get(*name).and_then(Value::as_bool).filter(|is| is != usual) {
            input.insert((*name).to_owned(), Value::Bool(is));
        }
    }
    Value::Object(input)
}

fn least(least: &Value) -> Value {
    match typename(least) {
        "DiscountMinimumQuantity" => {
            json!({"quantity": {"greaterThanOrEqualToQuantity": least.get("greaterThanOrEqualToQuantity")}})
        }
        "DiscountMinimumSubtotal" => {
            let subtotal = place::at(least, "greaterThanOrEqualToSubtotal/amount");
            json!({"subtotal": {"greaterThanOrEqualToSubtotal": subtotal}})
        }
        _ => Value::Null,
    }
}

fn destination(destination: &Value) -> Value {
    match typename(destination) {
        "DiscountCountryAll" => json!({"all": true}),
        "DiscountCountries" => json!({"countries": {
            "add": destination.get("countries"),
            "includeRestOfWorld": destination.get("includeRestOfWorld"),
        }}),
        _ => Value::Null,
    }
}

/// Lists of references are changed by adding what is not there and removing what is not wanted. `marked` and `wanted`
/// are the same input, before and after its ids were filled in.
fn lists_moved(marked: &Value, wanted: &Value, live: &Value) -> Value {
    let (Value::Object(add), Value::Object(to), Value::Object(from)) = (marked, wanted, live) else {
        return marked.clone();
    };
    let mut moved = Map::new();
    for (name, value) in add {
        let (to, from) = (to.get(name).unwrap_or(&Value::Null), from.get(name).unwrap_or(&Value::Null));
        let Some(remove) = remove_name(name) else {
            moved.insert(name.clone(), lists_moved(value, to, from));
            continue;
        };
        let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
        let (marked, to, from) = (list(value), list(to), list(from));
        let missing =
            marked.into_iter().zip(&to).filter(|(_, one)| !from.contains(one)).map(|(marked, _)| marked);
        moved.insert(name.clone(), missing.collect());
        let surplus: Vec<Value> = from.into_iter().filter(|one| !to.contains(one)).collect();
        if !surplus.is_empty() {
            moved.insert(remove.to_owned(), Value::Array(surplus));
        }
    }
    for (name, from) in from.iter().filter(|(name, _)| !to.contains_key(*name)) {
        match (name.as_str(), from) {
            // What is unusual is said, what is usual is not: it is the contrary of what was there.
            (_, Value::Bool(unusual)) if name != "all" => {
                moved.insert(name.clone(), Value::Bool(!unusual));
            }
            ("products" | "collections" | SAME_LINE, from) => {
                moved.insert(name.clone(), removed(from));
            }
            _ => {}
        }
    }
    Value::Object(moved)
}

/// The input that removes all of what another input adds.
fn removed(added: &Value) -> Value {
    let lists = added.as_object().into_iter().flatten();
    lists
        .filter_map(|(name, list)| Some((remove_name(name)?.to_owned(), list.clone())))
        .collect::<Map<String, Value>>()
        .into()
}

fn remove_name(add: &str) -> Option<&'static str> {
    match add {
        "add" => Some("remove"),
        "productsToAdd" => Some("productsToRemove"),
        "productVariantsToAdd" => Some("productVariantsToRemove"),
        _ => None,
    }
}
