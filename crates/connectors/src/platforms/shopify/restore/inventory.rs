//! Inventory items and, only where that is asked for, their stock.

use serde_json::{Value, json};

use super::draft::Draft;
use super::field::{Field, Form, moved, same};
use super::links;
use super::part::{Named, Part};
use super::place;
use super::step::{Call, variables};
use crate::digest::digest;

static UPDATE: Call =
    Call::new("inventoryItemUpdate", include_str!("../documents/write/inventoryItemUpdate.graphql"), 10);
static SET: Call = Call::new(
    "inventorySetQuantities",
    include_str!("../documents/write/inventorySetQuantities.graphql"),
    10,
)
.of_many("input/quantities");
static ACTIVATE: Call =
    Call::new("inventoryActivate", include_str!("../documents/write/inventoryActivate.graphql"), 10);

static DEACTIVATE: Call =
    Call::new("inventoryDeactivate", include_str!("../documents/write/inventoryDeactivate.graphql"), 10);

/// The fields that an inventory item has.
const FIELDS: &[Field] = &[
    same("sku", Form::Text),
    same("tracked", Form::Plain),
    same("requiresShipping", Form::Plain),
    same("harmonizedSystemCode", Form::Text),
    same("countryCodeOfOrigin", Form::Plain),
    same("provinceCodeOfOrigin", Form::Plain),
    moved("unitCost/amount", "cost", Form::Number),
    moved("measurement/weight", "measurement/weight", Form::Made(weight)),
    same("countryHarmonizedSystemCodes", Form::Made(codes)),
];

/// Parts of an inventory item: its levels, known by the location.
pub(super) static PARTS: &[Part] = &[Part { at: LEVEL.at, key: LEVEL.key, parts: LEVEL.parts }];

static LEVEL: Part = Part { at: "inventoryLevels", key: Named(by_location), parts: &[] };

fn by_location(level: &Value, _: usize) -> Option<String> {
    place::text(level, "location/id").map(str::to_owned)
}

/// A weight's number and unit.
pub(super) fn weight(weight: &Value) -> Value {
    if weight.is_null() { Value::Null } else { Value::Object(place::pick(weight, &["value", "unit"])) }
}

fn codes(codes: &Value) -> Value {
    let mut codes: Vec<&Value> = codes.as_array().into_iter().flatten().collect();
    codes.sort_by_key(|code| place::text(code, "countryCode"));
    codes
        .into_iter()
        .map(|code| Value::Object(place::pick(code, &["countryCode", "harmonizedSystemCode"])))
        .collect()
}

/// Draws up an inventory item. It comes into being with its variant, so one that is not there cannot be made.
pub(super) fn draft(draft: &mut Draft<'_>) {
    let Some(live) = draft.live else {
        draft.refusal =
            Some("An inventory item comes back with its variant: restore the product first.".to_owned());
        return;
    };
    let input = draft.fields(FIELDS, "", draft.wanted, Some(live));
    if !input.is_empty() {
        let input = variables([("id", draft.me()), ("input", Value::Object(input))]);
        draft.call(&UPDATE, "the inventory item's own fields", input);
    }
    if draft.options.stock {
        stock(draft, live);
    }
}

/// Sets what is available, and only that, and only if it is still what was read: a sale in between wins.
fn stock(draft: &mut Draft<'_>, live: &Value) {
    let mut quantities = Vec::new();
    for level in draft.surplus(&LEVEL).into_iter().filter(|level| active(level)) {
        let Some(id) = place::id_of(level) else { continue };
        if draft.change(format!("/inventoryLevels/[{id}]"), level, &Value::Null) {
            let input = variables([("inventoryLevelId", Value::from(id))]);
            draft.call(&DEACTIVATE, "stocking at a location no more", input);
        }
    }
    let wanted: Vec<&Value> =
        place::list(draft.wanted, "inventoryLevels").iter().filter(|one| active(one)).collect();
    for level in wanted {
        let (Some(quantity), Some(location)) = (available(level), place::text(level, "location/id")) else {
            continue;
        };
        let here = draft.links.now(location).to_owned();
        let current = place::list(live, "inventoryLevels")
            .iter()
            .find(|one| active(one) && place::text(one, "location/id") == Some(here.as_str()));
        let from = current.and_then(available);
        if from == Some(quantity) {
            continue;
        }
        let path = format!("/inventoryLevels/[{}]/available", place::id_of(level).unwrap_or(location));
        if !draft.change(path, &json!(from), &json!(quantity)) {
            continue;
        }
        match from {
            Some(from) => quantities.push(json!({
                "inventoryItemId": draft.me(),
                "locationId": links::id(location),
                "quantity": quantity,
                "changeFromQuantity": from,
            })),
            None => {
                let mut input = variables([
                    ("inventoryItemId", draft.me()),
                    ("locationId", links::id(location)),
                    ("available", json!(quantity)),
                ]);
                input.insert("key".to_owned(), key(draft, live, &input.clone().into()));
                draft.call(&ACTIVATE, "stocking at a location", input);
            }
        }
    }
    if !quantities.is_empty() {
        let input = json!({"name": "available", "reason": "correction", "quantities": quantities});
        let key = key(draft, live, &input);
        draft.call(&SET, "stock", variables([("input", input), ("key", key)]));
    }
}

fn active(level: &Value) -> bool {
    level.get("isActive").and_then(Value::as_bool) != Some(false)
}

fn available(level: &Value) -> Option<i64> {
    place::list(level, "quantities")
        .iter()
        .find(|one| place::text(one, "name") == Some("available"))
        .and_then(|one| one.get("quantity")?.as_i64())
}

/// The key under which the platform recognises a repetition: the same for every attempt at one change, another
/// for the same change at another time, because what is there then tells when it last changed.
fn key(draft: &Draft<'_>, live: &Value, input: &Value) -> Value {
    let mut texts = vec![draft.links.fill(input).to_string()];
    texts.extend(place::list(live, "inventoryLevels").iter().map(Value::to_string));
    Value::from(digest(texts.iter().map(String::as_bytes)))
}
