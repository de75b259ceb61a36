//! Promotions, with their rules and codes.

use serde_json::{Map, Value};

use super::draft::{Below, Draft, below};
use super::forms;
use crate::compare::field::{Field, Form, same};
use crate::compare::links;
use crate::compare::part::{Named, Part};
use crate::compare::place;
use crate::contract::id_of;

const fn plain(name: &'static str) -> Field {
    same(name, Form::Plain)
}

/// What is written of a promotion itself.
pub(super) static FIELDS: &[Field] = &[
    plain("redemption_type").at_birth(),
    same("name", Form::Text),
    same("display_name", Form::Text),
    same("channels", Form::Made(forms::channels)),
    same("customer", Form::Made(customer)),
    same("rules", Form::Made(rules)),
    plain("max_uses"),
    plain("status"),
    plain("start_date"),
    plain("end_date"),
    plain("stop"),
    plain("can_be_used_with_other_promotions"),
    plain("currency_code"),
    plain("notifications"),
    plain("shipping_address"),
    plain("schedule"),
    plain("coupon_overrides_other_promotions"),
    plain("coupon_overrides_automatic_when_offering_higher_discounts"),
    plain("coupon_type"),
];

static CODES: Below = Below {
    part: Part { at: "codes", key: Named(by_code), parts: &[] },
    path: "v3/promotions/{}/codes",
    // There is no way to change a code that is there.
    fields: &[
        same("code", Form::Text).at_birth(),
        plain("max_uses").at_birth(),
        plain("max_uses_per_customer").at_birth(),
    ],
    whole: false,
};

/// Parts of a promotion, and how they are recognised.
pub(super) static PARTS: &[Part] = &[Part { at: "codes", key: Named(by_code), parts: &[] }];

fn by_code(code: &Value, _: usize) -> Option<String> {
    place::text(code, "code").map(str::to_owned)
}

/// The codes of a promotion, one at a time.
pub(super) fn codes(draft: &mut Draft<'_>) {
    below(draft, &CODES);
}

/// For whom it is.
fn customer(value: &Value) -> Value {
    let Some(fields) = value.as_object() else { return Value::Null };
    let marked = |(name, value): (&String, &Value)| {
        let value = if name.ends_with("group_ids") { links::ids_in(value) } else { value.clone() };
        (name.clone(), value)
    };
    Value::Object(fields.iter().map(marked).collect())
}

/// Which ids the fields of a rule hold, wherever they stand in it.
const IDS: &[(&str, &str)] = &[
    ("brands", "brand"),
    ("categories", "category"),
    ("products", "product"),
    ("variants", "product.variants"),
    ("product_id", "product"),
    ("variant_id", "product.variants"),
];

/// The rules, with markers for ids: conditions hold conditions, so a table of pointers cannot name them.
fn rules(value: &Value) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(rules).collect(),
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(name, field)| (name.clone(), rule(name, field))).collect::<Map<_, _>>(),
        ),
        plain => plain.clone(),
    }
}

fn rule(name: &str, value: &Value) -> Value {
    let Some((_, kind)) = IDS.iter().find(|(field, _)| *field == name) else { return rules(value) };
    let mark = |one: &Value| id_of(kind, one).map_or_else(|| one.clone(), |id| links::id(&id));
    match value {
        Value::Array(elements) => elements.iter().map(mark).collect(),
        one => mark(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_marked_however_deep_they_stand() {
        let rule = json!([{"condition": {"cart": {"items": {"and": [{"not": {"categories": [7]}}, {"products": [7]}]}}}, "action": {"gift_item": {"quantity": 7, "variant_id": 7}}}]);
        let marked = json!([{"condition": {"cart": {"items": {"and": [{"not": {"categories": [links::id("category/7")]}}, {"products": [links::id("product/7")]}]}}}, "action": {"gift_item": {"quantity": 7, "variant_id": links::id("product.variants/7")}}}]);
        assert_eq!(rules(&rule), marked);
    }
}
