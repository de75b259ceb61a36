//! Orders, which are never placed again, and draft orders, which are.

use serde_json::{Map, Value, json};

use super::customer::address;
use super::draft::Draft;
use super::field::{Field, Form, moved, same};
use super::inventory::weight;
use super::links;
use super::part::{Named, Part};
use super::place;
use super::plain::{self, IdIn, Plain};
use super::product::by_namespace_and_key;
use super::step::{Call, variables};
use crate::platforms::shopify::gid;

static ORDER_UPDATE: Call =
    Call::new("orderUpdate", include_str!("../documents/write/orderUpdate.graphql"), 10);
static CREATE: Call =
    Call::new("draftOrderCreate", include_str!("../documents/write/draftOrderCreate.graphql"), 10);
static UPDATE: Call =
    Call::new("draftOrderUpdate", include_str!("../documents/write/draftOrderUpdate.graphql"), 10);

/// What of an order that exists can be written. Its contact data is never emptied: the backup may not have been
/// allowed to see it.
const ORDER_FIELDS: &[Field] = &[
    same("note", Form::Text),
    same("tags", Form::Set),
    same("poNumber", Form::Text),
    same("customAttributes", Form::Made(attributes)).grows(key_of),
];
const ORDER_CONTACT: &[Field] =
    &[same("email", Form::Text), same("phone", Form::Text), same("shippingAddress", Form::Made(address))];

static DRAFT: Plain = Plain {
    create: &CREATE,
    update: &UPDATE,
    input: "input",
    node: "draftOrder",
    id: IdIn::Variable,
    fields: &[
        moved("note2", "note", Form::Text),
        same("email", Form::Text),
        same("phone", Form::Text),
        same("poNumber", Form::Text),
        same("tags", Form::Set),
        same("taxExempt", Form::Plain),
        same("acceptAutomaticDiscounts", Form::Plain),
        same("allowDiscountCodesInCheckout", Form::Plain),
        same("discountCodes", Form::Set),
        same("visibleToCustomer", Form::Plain),
        same("customAttributes", Form::Made(attributes)).grows(key_of),
        same("appliedDiscount", Form::Made(discount)),
        same("billingAddress", Form::Made(address)),
        same("shippingAddress", Form::Made(address)),
        same("shippingLine", Form::Made(shipping)),
        same("lineItems", Form::Made(lines)).grows(goods_of),
        moved("customer", "purchasingEntity", Form::Made(buyer)),
        same("presentmentCurrencyCode", Form::Plain).at_birth(),
    ],
};

/// Parts of both.
pub(super) static PARTS: &[Part] = &[Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] }];

/// Draws up an order.
pub(super) fn order(draft: &mut Draft<'_>) {
    if draft.is_birth() {
        draft.refusal = Some(
            "An order is never placed again: that would move money and stock and send mail. It is kept for reading."
                .to_owned(),
        );
        return;
    }
    let mut input = draft.fields(ORDER_FIELDS, "", draft.wanted, draft.live);
    let seen: Vec<Field> = ORDER_CONTACT
        .iter()
        .filter(|field| draft.wanted.get(field.from).is_some_and(|v| !v.is_null()))
        .copied()
        .collect();
    input.extend(draft.fields(&seen, "", draft.wanted, draft.live));
    if !input.is_empty() {
        input.insert("id".to_owned(), draft.me());
        draft.call(&ORDER_UPDATE, "the order's own fields", variables([("input", Value::Object(input))]));
    }
    draft.own_metafields();
}

/// The tag by which a draft order is found again that was made when the answer was lost: it has no handle.
pub(super) fn mark(draft_order: &Value) -> Option<String> {
    Some(format!("caretaker-{}", gid::number(place::id_of(draft_order)?)))
}

/// Draws up a draft order.
pub(super) fn draft_order(draft: &mut Draft<'_>) {
    let completed = |draft_order: &Value| place::text(draft_order, "status") == Some("COMPLETED");
    if completed(draft.wanted) && draft.is_birth() {
        draft.refusal = Some(
            "The draft had become an order, and an order is never placed again. Both are kept for reading."
                .to_owned(),
        );
        return;
    }
    if draft.live.is_some_and(completed) {
        draft.refusal =
            Some("The draft has become an order; Shopify does not let it be changed any more.".to_owned());
        return;
    }
    let mut input = draft.fields(DRAFT.fields, "", draft.wanted, draft.live);
    let mark = mark(draft.wanted).unwrap_or_default();
    if draft.is_birth() {
        input.insert("useCustomerDefaultAddress".to_owned(), Value::Bool(false));
        let tags = input.get("tags").cloned().unwrap_or_else(|| json!([]));
        let mut marked: Vec<Value> = tags.as_array().cloned().unwrap_or_default();
        marked.push(Value::from(mark));
        input.insert("tags".to_owned(), Value::Array(marked));
        plain::write(draft, &DRAFT, input);
        let unmark = variables([("id", draft.me()), ("input", json!({"tags": tags}))]);
        draft.call(&UPDATE, "the tags", unmark);
        draft.losses.push(
            "The draft comes back under a new number; an invoice that was sent does not lead to it."
                .to_owned(),
        );
    } else {
        let theirs = draft.live.map_or(&[][..], |live| place::list(live, "tags"));
        if theirs.iter().any(|tag| tag.as_str() == Some(&mark)) {
            // What marked it while it was made did not come away then.
            let tags = input.get("tags").and_then(Value::as_array).map_or(theirs, Vec::as_slice);
            let bare = tags.iter().filter(|tag| tag.as_str() != Some(&mark)).cloned().collect();
            input.insert("tags".to_owned(), bare);
        }
        plain::write(draft, &DRAFT, input);
    }
    if draft.options.stock {
        reserve(draft);
    }
    draft.own_metafields();
}

/// Until when the draft holds back stock: only where stock may be touched. A call of its own, since that time may have
/// passed.
fn reserve(draft: &mut Draft<'_>) {
    let field = same("reserveInventoryUntil", Form::Plain);
    let input = draft.fields(&[field], "", draft.wanted, draft.live);
    if !input.is_empty() {
        let input = variables([("id", draft.me()), ("input", Value::Object(input))]);
        draft.call(&UPDATE, "the reservation of stock", input);
    }
}

/// An attribute is known by its key.
fn key_of(input: &Value) -> String {
    place::text(input, "0/key").unwrap_or_default().to_owned()
}

/// A line is known by what is sold.
fn goods_of(input: &Value) -> String {
    let name = |at| place::text(input, at).unwrap_or_default();
    format!("{}\n{}\n{}", name("0/variantId"), name("0/title"), name("0/sku"))
}

fn attributes(attributes: &Value) -> Value {
    let attributes = attributes.as_array().into_iter().flatten();
    attributes
        .map(|one| json!({"key": one.get("key"), "value": one.get("value").and_then(Value::as_str).unwrap_or_default()}))
        .collect()
}

fn discount(discount: &Value) -> Value {
    if discount.is_null() {
        return Value::Null;
    }
    let mut input = place::pick(discount, &["title", "description", "value", "valueType"]);
    if place::text(discount, "valueType") == Some("FIXED_AMOUNT")
        && let Some(amount) =
            place::at(discount, "amountSet/presentmentMoney").filter(|amount| amount.is_object())
    {
        input.insert("amountWithCurrency".to_owned(), money(amount));
    }
    Value::Object(input)
}

fn money(money: &Value) -> Value {
    Value::Object(place::pick(money, &["amount", "currencyCode"]))
}

fn shipping(line: &Value) -> Value {
    if line.is_null() {
        return Value::Null;
    }
    match place::text(line, "shippingRateHandle") {
        Some(handle) => json!({"shippingRateHandle": handle}),
        None => {
            let price = place::at(line, "originalPriceSet/presentmentMoney").map_or(Value::Null, money);
            json!({"title": line.get("title"), "priceWithCurrency": price})
        }
    }
}

fn buyer(customer: &Value) -> Value {
    place::id_of(customer).map_or(Value::Null, |id| json!({"customerId": links::id(id)}))
}

fn lines(lines: &Value) -> Value {
    lines.as_array().into_iter().flatten().map(line).collect()
}

fn line(line: &Value) -> Value {
    let mut input = place::pick(line, &["quantity"]);
    let mut add = |name: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            input.insert(name.to_owned(), value);
        }
    };
    add("customAttributes", line.get("customAttributes").map_or(Value::Null, attributes));
    add("appliedDiscount", line.get("appliedDiscount").map_or(Value::Null, discount));
    match place::text(line, "variant/id") {
        Some(variant) => {
            add("variantId", links::id(variant));
            add(
                "priceOverride",
                line.get("priceOverride").filter(|price| price.is_object()).map_or(Value::Null, money),
            );
        }
        None => {
            let own: Map<String, Value> = place::pick(line, &["title", "sku", "taxable", "requiresShipping"]);
            own.into_iter().for_each(|(name, value)| add(&name, value));
            add("weight", line.get("weight").map_or(Value::Null, weight));
            let price = ["originalUnitPriceWithCurrency", "originalUnitPriceSet/presentmentMoney"];
            let price = price.iter().find_map(|at| place::at(line, at).filter(|price| price.is_object()));
            add("originalUnitPriceWithCurrency", price.map_or(Value::Null, money));
        }
    }
    Value::Object(input)
}
