//! Discounts, by code and automatic. Those of an app need the app.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Field, Form, moved, same};
use super::links;
use super::part::{Named, Part};
use super::place;
use super::product::by_namespace_and_key;
use super::run::Run;
use super::step::{Call, Step, Wait, variables};
use crate::contract::Fault;
use crate::platforms::shopify::gid;

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
    CONTEXT,
];
/// For whom it is.
const CONTEXT: Field = same("context", Form::Moved { made: context, moved: lists_moved });
const CODE: &[Field] = &[
    moved("codes", "code", Form::Made(first_code)).at_birth(),
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
)
.waiting_for(Wait::Codes);

static CODES_DELETE: Call = Call::new(
    "discountCodeRedeemCodeBulkDelete",
    include_str!("../documents/write/discountCodeRedeemCodeBulkDelete.graphql"),
    10,
)
.waiting_for(Wait::Job);

const CODE_CREATION: &str = include_str!("../documents/live/code_creation.graphql");
const BY_CODE: &str = include_str!("../documents/live/discount_by_code.graphql");

/// What is typed, by which codes are known: capitals do not count.
fn typed(code: &Value) -> Option<String> {
    place::text(code, "code").map(str::to_lowercase)
}

/// Parts of a discount.
pub(super) static PARTS: &[Part] = &[Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] }];

/// Draws up a discount.
pub(super) fn draft(draft: &mut Draft<'_>) {
    let wanted = draft.wanted.get("discount").unwrap_or(&place::NULL);
    let live = draft.live.map(|live| live.get("discount").unwrap_or(&place::NULL));
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
    let knows = knows_for_whom(wanted);
    if !knows && live.is_none() {
        draft.refusal = Some(format!(
            "It was limited to {}, and the backup does not hold to which; made anew it would be for everybody. Make it by hand.",
            for_whom(wanted)
        ));
        return;
    }
    let mut input = Map::new();
    let subscribed = ["appliesOnSubscription", "customerGets/appliesOnSubscription"].iter().any(|at| {
        [Some(wanted), live].into_iter().flatten().any(|one| place::at(one, at) == Some(&Value::Bool(true)))
    });
    let of_subscriptions = [RECURRING.from, ONE_TIME.from, SUBSCRIBED.from];
    for table in shape.fields {
        let said = |field: &&Field| {
            (subscribed || !of_subscriptions.contains(&field.from)) && (knows || field.from != CONTEXT.from)
        };
        let table: Vec<Field> = table.iter().filter(said).copied().collect();
        input.extend(draft.fields(&table, "/discount", wanted, live));
    }
    let mut renamed = None;
    if let Some(live) = live {
        if !knows && for_whom(wanted) != for_whom(live) {
            draft.losses.push(format!(
                "It was limited to {}, and the backup does not hold to which: for whom it is stays as it is now.",
                for_whom(wanted)
            ));
        }
        renamed = renamed_code(draft, wanted, live);
        input.extend(renamed.and_then(|code| Some(("code".to_owned(), code.get("code")?.clone()))));
    }
    if live.is_none() {
        let input = variables([(shape.input, Value::Object(input))]);
        draft.step(Step::birth(&shape.create, shape.node, input));
        draft
            .losses
            .push("The discount comes back with a new id, and its count of uses begins anew.".to_owned());
    } else if !input.is_empty() {
        let id = links::id_as(shape.kind, draft.id);
        let input = variables([("id", id), (shape.input, Value::Object(input))]);
        draft.call(&shape.update, "the discount", input);
    }
    codes(draft, shape, renamed);
    let me = links::id_as(shape.kind, draft.id);
    draft.metafields(&me, "", draft.wanted, draft.live, draft.former);
    draft.set_metafields();
}

/// The kind of those that a discount is for.
fn for_whom(discount: &Value) -> &'static str {
    match place::text(discount, "context/__typename").unwrap_or_default() {
        "DiscountBuyerSelectionAll" | "" => "everybody",
        "DiscountCustomerSegments" => "segments of customers",
        "DiscountCustomers" => "certain customers",
        "DiscountMarkets" => "markets",
        _ => "certain buyers",
    }
}

/// Whether the backup says for whom the discount is. Markets take a permission that is not asked for, older backups hold
/// no segments, and customers may be hidden from the app.
fn knows_for_whom(discount: &Value) -> bool {
    let Some(context) = discount.get("context").filter(|context| context.is_object()) else { return true };
    !self::context(context).is_null()
}

/// The codes. One that was renamed gets its former name, those that are missing are added, and those taken away that the
/// state had which is taken back. What was added since stays.
fn codes(draft: &mut Draft<'_>, shape: &Shape, renamed: Option<&Value>) {
    let list = |of: Option<&'_ Value>| of.map_or(&[][..], |of| place::list(of, "discount/codes")).to_vec();
    let (wanted, there, former) = (list(Some(draft.wanted)), list(draft.live), list(draft.former));
    let is_in = |list: &[Value], code: &Value| list.iter().any(|one| typed(one) == typed(code));
    let me = links::id_as(shape.kind, draft.id);
    // The first one was made with the discount.
    let made = usize::from(draft.is_birth());
    let mut missing = Vec::new();
    for one in wanted.iter().skip(made).filter(|one| !is_in(&there, one) && Some(*one) != renamed) {
        let Some(code) = place::text(one, "code") else { continue };
        let path = format!("/discount/codes/[{}]", place::id_of(one).unwrap_or(code));
        if draft.is_birth() || draft.change(path, &Value::Null, one) {
            missing.push(json!({"code": code}));
        }
    }
    for chunk in missing.chunks(CODES_PER_CALL) {
        let input = variables([("discountId", me.clone()), ("codes", Value::Array(chunk.to_vec()))]);
        draft.step(Step { once: true, ..Step::new(&CODES_ADD, "further codes", input) });
    }
    let mut surplus = Vec::new();
    for one in there.iter().filter(|one| renamed.is_none() && is_in(&former, one) && !is_in(&wanted, one)) {
        let Some(id) = place::id_of(one) else { continue };
        if draft.change(format!("/discount/codes/[{id}]"), one, &Value::Null) {
            surplus.push(id);
        }
    }
    if !surplus.is_empty() {
        let input = variables([("discountId", me), ("ids", json!(surplus))]);
        draft.call(&CODES_DELETE, "taking away codes", input);
    }
}

/// The wanted code of a discount whose only code was renamed since. Of several codes it is not said which one an update
/// would rename: there what is missing is added.
fn renamed_code<'a>(draft: &mut Draft<'a>, wanted: &'a Value, live: &Value) -> Option<&'a Value> {
    let [live] = place::list(live, "codes") else { return None };
    let same =
        |one: &Value| place::id_of(one).is_some_and(|id| place::id_of(live) == Some(draft.links.now(id)));
    let wanted = place::list(wanted, "codes").iter().find(|one| same(one))?;
    let path = format!("/discount/codes/[{}]/code", place::id_of(wanted)?);
    let differs = typed(wanted) != typed(live);
    (differs && draft.change(path, live.get("code")?, wanted.get("code")?)).then_some(wanted)
}

impl Run<'_> {
    /// Waits until codes are made, and tells those that were not. One that the discount has already, because an answer
    /// was lost, is there.
    pub(super) async fn codes_made(&mut self, answer: &Value) -> Result<(), Fault> {
        let Some(id) = place::text(answer, "bulkCreation/id") else { return Ok(()) };
        let Some(creation) =
            self.done(CODE_CREATION, id, "discountRedeemCodeBulkCreation", "further codes").await?
        else {
            return Ok(());
        };
        if place::at(&creation, "failedCount").and_then(Value::as_u64).unwrap_or_default() == 0 {
            return Ok(());
        }
        let creation = place::folded(&creation);
        let own = gid::number(self.links.now(self.write.id)).to_owned();
        for one in place::list(&creation, "codes") {
            let whys: Vec<&str> =
                place::list(one, "errors").iter().filter_map(|error| place::text(error, "message")).collect();
            let Some(code) = place::text(one, "code").filter(|_| !whys.is_empty()) else { continue };
            let has_it = self.shop.query(BY_CODE, json!({"code": code})).await?;
            if has_it.get("codeDiscountNodeByCode").and_then(place::id_of).map(gid::number) != Some(&*own) {
                let whys = whys.join("; ");
                self.applied.problems.push(format!("Shopify refused the code `{code}`: {whys}"));
            }
        }
        Ok(())
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
        "DiscountCustomerSegments" if context.get("segments").is_some_and(Value::is_array) => {
            json!({"customerSegments": {"add": links::ids_of(place::list(context, "segments"))}})
        }
        "DiscountCustomers" if context.get("customers").is_some_and(Value::is_array) => {
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
