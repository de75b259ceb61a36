//! Values as BigCommerce's inputs have them, made of those of payloads; and the few things that a table of fields cannot
//! say of the smaller kinds.

use serde_json::{Map, Value, json};

use super::draft::{Below, Draft, below, picture};
use super::step::{Body, Path, Step};
use crate::compare::field::{Form, same};
use crate::compare::links;
use crate::compare::part::{self, Named, Part};
use crate::compare::place;

/// The id of another item, or zero where there is none.
pub(super) fn id_or_zero(value: &Value) -> Value {
    value.as_str().map_or_else(|| json!(0), links::id)
}

/// An id in a field that holds texts.
pub(super) fn id_as_text(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |id| links::id_as(TEXT, id))
}

/// Under which other name an id is spelled as a text.
pub(super) const TEXT: &str = "text";

/// The fields of an object that can be written.
fn only(value: &Value, names: &[&str]) -> Value {
    if value.is_object() { Value::Object(place::pick(value, names)) } else { Value::Null }
}

/// Where an item stands in the shop.
pub(super) fn address(value: &Value) -> Value {
    only(value, &["url", "path", "is_customized"])
}

/// Which categories a customer group sees.
pub(super) fn category_access(value: &Value) -> Value {
    let mut access = place::pick(value, &["type"]);
    if let Some(categories) = value.get("categories") {
        access.insert("categories".to_owned(), links::ids_in(categories));
    }
    if access.is_empty() { Value::Null } else { Value::Object(access) }
}

/// What a customer group pays less.
pub(super) fn discount_rules(value: &Value) -> Value {
    let rule = |rule: &Value| {
        let mut input = place::pick(rule, &["type", "method", "amount"]);
        for name in ["price_list_id", "category_id", "product_id"] {
            if let Some(id) = rule.get(name).and_then(Value::as_str) {
                input.insert(name.to_owned(), links::id(id));
            }
        }
        Value::Object(input)
    };
    value.as_array().map_or(Value::Null, |rules| rules.iter().map(rule).collect())
}

/// What a coupon is good for.
pub(super) fn applies_to(value: &Value) -> Value {
    let mut input = place::pick(value, &["entity"]);
    if let Some(ids) = value.get("ids") {
        input.insert("ids".to_owned(), links::ids_in(ids));
    }
    Value::Object(input)
}

/// Where a redirect leads.
pub(super) fn leads_to(value: &Value) -> Value {
    let mut input = place::pick(value, &["type", "url"]);
    if let Some(id) = value.get("entity_id").filter(|id| !id.is_null()) {
        input.insert("entity_id".to_owned(), id.as_str().map_or_else(|| id.clone(), links::id));
    }
    Value::Object(input)
}

/// What somebody wishes for.
pub(super) fn wishlist_items(value: &Value) -> Value {
    let item = |item: &Value| {
        let ids = ["product_id", "variant_id"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), links::id(item.get(name)?.as_str()?))));
        Value::Object(ids.collect::<Map<_, _>>())
    };
    value.as_array().map_or(Value::Null, |items| items.iter().map(item).collect())
}

/// When a post was published: read as an object, written as in mails.
pub(super) fn published(value: &Value) -> Value {
    let Some(date) = place::text(value, "date") else { return Value::Null };
    // `2018-05-18 08:26:42.000000`, in the zone that stands beside it; BigCommerce keeps them in UTC.
    let seconds = date.get(..19).unwrap_or(date).replace(' ', "T");
    let parsed: Option<jiff::Timestamp> = format!("{seconds}Z").parse().ok();
    let spelled =
        parsed.and_then(|at| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_string(&at).ok());
    // It is known to be UTC, which `-0000` would leave open.
    spelled.map_or(Value::Null, |text| text.replace("-0000", "+0000").into())
}

/// In which currencies a channel sells.
pub(super) fn channel_currencies(draft: &mut Draft<'_>) {
    let currencies = |of: &Value| {
        only(place::at(of, "currencies").unwrap_or(&Value::Null), &["enabled_currencies", "default_currency"])
    };
    let to = currencies(draft.wanted);
    let from = draft.live.map(currencies).unwrap_or_default();
    if let Value::Object(input) = &to
        && to != from
        && draft.change("/currencies".to_owned(), &from, &to)
    {
        let path = Path::new("v3/channels/{}/currency-assignments", &[draft.id]);
        draft.step(Step::put("currencies", path, Body::Object(input.clone())));
    }
}

/// Where a promotion is good.
pub(super) fn channels(value: &Value) -> Value {
    let channel =
        |one: &Value| place::text(one, "id").map_or(Value::Null, |id| json!({ "id": links::id(id) }));
    value.as_array().map_or(Value::Null, |list| list.iter().map(channel).collect())
}

/// Whom a tax zone is for.
pub(super) fn shopper_target(value: &Value) -> Value {
    let mut input = place::pick(value, &["locations"]);
    if let Some(groups) = value.get("customer_groups") {
        input.insert("customer_groups".to_owned(), links::ids_in(groups));
    }
    if input.is_empty() { Value::Null } else { Value::Object(input) }
}

/// What is paid of which class.
pub(super) fn class_rates(value: &Value) -> Value {
    let rate = |rate: &Value| {
        let mut input = place::pick(rate, &["rate"]);
        input.insert("tax_class_id".to_owned(), rate.get("tax_class_id").map_or(json!(0), id_or_zero));
        Value::Object(input)
    };
    value.as_array().map_or(Value::Null, |rates| rates.iter().map(rate).collect())
}

/// The elements of a list without the ids that BigCommerce gave them.
pub(super) fn without_ids(value: &Value) -> Value {
    let plain = |one: &Value| {
        let fields = one.as_object().into_iter().flatten().filter(|(name, _)| *name != "id");
        Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
    };
    value.as_array().map_or(Value::Null, |list| list.iter().map(plain).collect())
}

static ROUTES: Below = Below {
    part: Part { at: "routes", key: Named(by_route), parts: &[] },
    path: "v3/sites/{}/routes",
    fields: &[same("type", Form::Plain), same("matching", Form::Text), same("route", Form::Text)],
    whole: true,
};

/// Parts of a site.
pub(super) static SITE_PARTS: &[Part] = &[Part { at: "routes", key: Named(by_route), parts: &[] }];

fn by_route(route: &Value, _: usize) -> Option<String> {
    Some(format!("{}\n{}", place::text(route, "type")?, place::text(route, "matching").unwrap_or_default()))
}

/// A site's routes.
pub(super) fn routes(draft: &mut Draft<'_>) {
    below(draft, &ROUTES);
}

static METHODS: Below = Below {
    part: Part { at: "methods", key: Named(part::by_name), parts: &[] },
    path: "v2/shipping/zones/{}/methods",
    fields: &[
        same("name", Form::Text),
        same("type", Form::Plain),
        same("settings", Form::Plain),
        same("enabled", Form::Plain),
        same("handling_fees", Form::Plain),
        same("is_fallback", Form::Plain),
        same("channel_ids", Form::Ids),
    ],
    whole: true,
};

/// Parts of a shipping zone.
pub(super) static ZONE_PARTS: &[Part] = &[Part { at: "methods", key: Named(part::by_name), parts: &[] }];

/// How a zone's parcels are sent. What connects a carrier cannot be read.
pub(super) fn shipping_methods(draft: &mut Draft<'_>) {
    below(draft, &METHODS);
}

/// The channel of a page: it is made in the first one, and moved.
pub(super) fn page_channel(draft: &mut Draft<'_>) {
    if draft.is_birth() && place::text(draft.wanted, "type") == Some("blog") {
        draft.refusal = Some(
            "The page of the blog is made by BigCommerce itself: switch the blog on, and restore again."
                .to_owned(),
        );
        return;
    }
    let Some(channel) = place::text(draft.wanted, "channel_id") else { return };
    if draft.is_birth() {
        let input = Map::from_iter([("channel_id".to_owned(), links::id(channel))]);
        draft.step(Step::put(
            "the page's channel",
            Path::one_of("v3/content/pages", &[draft.id]),
            Body::Object(input),
        ));
    }
}

/// A category's picture.
pub(super) fn category_image(draft: &mut Draft<'_>) {
    picture(draft, "v3/catalog/categories/{}/image");
}

/// A brand's picture.
pub(super) fn brand_image(draft: &mut Draft<'_>) {
    picture(draft, "v3/catalog/brands/{}/image");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_a_post_is_written_as_in_mails() {
        let check = |value: Value, expected: Value| assert_eq!(published(&value), expected);
        check(
            json!({"timezone_type": 1, "date": "2018-05-18 08:26:42.000000", "timezone": "+00:00"}),
            json!("Fri, 18 May 2018 08:26:42 +0000"),
        );
        check(json!({}), Value::Null);
        check(json!({"date": "soon"}), Value::Null);
    }
}
