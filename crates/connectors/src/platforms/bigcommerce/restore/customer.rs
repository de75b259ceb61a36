//! Customers, with their addresses and attributes. Passwords cannot be read, and store credit is money.

use serde_json::{Value, json};

use super::draft::{Draft, all};
use super::forms;
use super::recipe::by_namespace_and_key;
use super::step::{Body, Path, Step};
use crate::compare::field::{Field, Form, same};
use crate::compare::links;
use crate::compare::part::{self, Named, Part};
use crate::compare::place;
use crate::engine::http::Verb;

const fn text(name: &'static str) -> Field {
    same(name, Form::Text)
}

/// What is written of a customer itself.
pub(super) static FIELDS: &[Field] = &[
    text("email"),
    text("first_name"),
    text("last_name"),
    text("company"),
    text("phone"),
    text("notes"),
    text("tax_exempt_category"),
    same("customer_group_id", Form::Made(forms::id_or_zero)),
    same("accepts_product_review_abandoned_cart_emails", Form::Plain),
    same("origin_channel_id", Form::Id).at_birth(),
    same("channel_ids", Form::Ids),
    same("form_fields", Form::Made(form_fields)),
];

static ADDRESS: &[Field] = &[
    text("first_name"),
    text("last_name"),
    text("company"),
    text("address1"),
    text("address2"),
    text("city"),
    text("state_or_province"),
    text("postal_code"),
    text("country_code"),
    text("phone"),
    text("address_type"),
    same("form_fields", Form::Made(form_fields)),
];

/// Parts of a customer, and how they are recognised.
pub(super) static PARTS: &[Part] = &[
    Part { at: "addresses", key: Named(by_address), parts: &[] },
    Part { at: "attributes", key: Named(by_attribute), parts: &[] },
    Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] },
];

fn form_fields(value: &Value) -> Value {
    let field = |field: &Value| Value::Object(place::pick(field, &["name", "value"]));
    value.as_array().map_or(Value::Null, |list| list.iter().map(field).collect())
}

fn by_address(address: &Value, _: usize) -> Option<String> {
    let text = |name| place::text(address, name).unwrap_or_default();
    Some(format!(
        "{}\n{}\n{}\n{}",
        text("first_name"),
        text("last_name"),
        text("address1"),
        text("postal_code")
    ))
}

fn by_attribute(attribute: &Value, _: usize) -> Option<String> {
    place::text(attribute, "attribute_id").map(str::to_owned)
}

/// Whatever is written of a customer beside its own fields.
pub(super) fn more(draft: &mut Draft<'_>) {
    addresses(draft);
    attributes(draft);
    if draft.is_birth() {
        draft.losses.push(
            "The customer comes back with a new id and without a password: one is set with the next sign-in."
                .to_owned(),
        );
        let credit = place::list(draft.wanted, "store_credit_amounts")
            .iter()
            .filter_map(|one| one.get("amount"))
            .any(|amount| amount.as_f64().is_some_and(|amount| amount > 0.0));
        if credit {
            draft
                .losses
                .push("Store credit is money and is not given back by itself: set it by hand.".to_owned());
        }
    }
}

fn addresses(draft: &mut Draft<'_>) {
    let part = Part { at: "addresses", key: Named(by_address), parts: &[] };
    let path = "v3/customers/addresses";
    for gone in draft.surplus(&part) {
        let id = place::id_of(gone).unwrap_or_default();
        if draft.change(format!("/addresses/[{id}]"), gone, &Value::Null) {
            draft.step(Step::delete("addresses", Path::new(format!("{path}?id:in={{}}"), &[id])));
        }
    }
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, "addresses"));
    for (wanted, live) in
        part::matched(place::list(draft.wanted, "addresses"), theirs, part.key, &draft.links)
    {
        let id = place::id_of(wanted).unwrap_or_default();
        let way = format!("/addresses/[{id}]");
        match live {
            None => {
                if draft.is_birth() || draft.change(way, &Value::Null, wanted) {
                    let mut input = all(ADDRESS, wanted);
                    input.insert("customer_id".to_owned(), draft.me());
                    let body = Body::List(vec![Value::Object(input)]);
                    draft.step(Step::make("addresses", id, Path::new(path, &[]), body, vec![wanted.clone()]));
                }
            }
            Some(live) => {
                let mut input = draft.part_fields(ADDRESS, &way, wanted, Some(live), None);
                if !input.is_empty() {
                    input.insert("id".to_owned(), links::id(id));
                    let step =
                        Step::put("addresses", Path::new(path, &[]), Body::List(vec![Value::Object(input)]));
                    draft.step(Step { name: format!("put address {id}"), ..step });
                }
            }
        }
    }
}

fn attributes(draft: &mut Draft<'_>) {
    let theirs = draft.live.map_or(&[][..], |live| place::list(live, "attributes"));
    let mut values = Vec::new();
    for wanted in place::list(draft.wanted, "attributes") {
        let Some(attribute) = place::text(wanted, "attribute_id") else { continue };
        let now = draft.links.now(attribute).to_owned();
        let live = theirs.iter().find(|live| place::text(live, "attribute_id") == Some(now.as_str()));
        let value = |of: &Value| of.get("attribute_value").cloned().unwrap_or_default();
        let (to, from) = (value(wanted), live.map(value).unwrap_or_default());
        let way = format!("/attributes/[{}]/attribute_value", place::id_of(wanted).unwrap_or_default());
        if to != from && (draft.is_birth() || draft.change(way, &from, &to)) {
            values
                .push(json!({"attribute_id": links::id(attribute), "value": to, "customer_id": draft.me()}));
        }
    }
    for chunk in values.chunks(10) {
        let path = Path::new("v3/customers/attribute-values", &[]);
        let step = Step::put("attributes", path, Body::List(chunk.to_vec()));
        draft.step(Step { method: Verb::Put, ..step });
    }
}
