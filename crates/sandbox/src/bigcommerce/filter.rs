//! Which rows a request means, and in what order.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::answer::Refusal;
use super::call::Call;
use super::resource::{Resource, item_fact};
use super::store::{Key, Row};
use super::time::instant;

/// Parameters that choose no rows.
const NOT_FILTERS: &[&str] = &[
    "page",
    "limit",
    "sort",
    "direction",
    "include",
    "include_fields",
    "exclude_fields",
    "before",
    "after",
    "consignment_structure",
    "details",
    "keyword_context",
];

/// The rows that a request means, in the order in which it wants them.
pub(crate) fn chosen(
    call: &Call<'_>,
    resource: &Resource,
    parent: Option<&Key>,
) -> Result<Vec<Key>, Refusal> {
    let mut keys: Vec<Key> = match parent {
        Some(parent) => call.store.child_keys(resource.kind, parent),
        None => call.store.keys(resource.kind),
    };
    if resource.private {
        keys.retain(|key| call.store.get(resource.kind, key).is_some_and(|row| row.app == call.app));
    }
    for (name, value) in call.query.0.iter().filter(|(name, _)| !NOT_FILTERS.contains(&name.as_str())) {
        let served = |row: &Row| row.fields.contains_key(split(name).0) || describes(resource, split(name).0);
        let mut known = keys.is_empty();
        keys.retain(|key| {
            let Some(row) = call.store.get(resource.kind, key) else { return false };
            match (resource.filter)(call.store, key, row, name, value) {
                Some(takes) => {
                    known = true;
                    takes
                }
                None => {
                    known |= served(row);
                    takes(row, name, value)
                }
            }
        });
        if !known {
            return Err(Refusal::field(name.as_str(), "is a filter that the practice store does not serve"));
        }
    }
    sort(call, resource, &mut keys)?;
    Ok(keys)
}

fn describes(resource: &Resource, field: &str) -> bool {
    item_fact(resource)
        .and_then(|fact| fact.object.as_ref())
        .is_some_and(|object| object.field(field).is_some())
}

/// The field of a filter and what it asks of it. V3 writes `id:min`, V2 `min_id`.
fn split(name: &str) -> (&str, &str) {
    if let Some((field, asked)) = name.split_once(':') {
        return (field, asked);
    }
    match (name.strip_prefix("min_"), name.strip_prefix("max_")) {
        (Some(field), _) => (field, "min"),
        (_, Some(field)) => (field, "max"),
        _ => (name, ""),
    }
}

fn takes(row: &Row, name: &str, value: &str) -> bool {
    let (field, asked) = split(name);
    compare(row.get(field), asked, value)
}

/// Whether a field has the value that a filter asks for.
pub(crate) fn compare(field: &Json, asked: &str, value: &str) -> bool {
    let any = || value.split(',').any(|value| same(field, value.trim()));
    match asked {
        "" => same(field, value),
        "in" => any(),
        "not" => !same(field, value),
        "not_in" => !any(),
        "like" => text(field).to_lowercase().contains(&value.trim_matches('%').to_lowercase()),
        _ => match (asked, order(field, value)) {
            (_, None) => false,
            ("min", Some(order)) => order != Ordering::Less,
            ("max", Some(order)) => order != Ordering::Greater,
            ("greater", Some(order)) => order == Ordering::Greater,
            ("less", Some(order)) => order == Ordering::Less,
            _ => false,
        },
    }
}

fn same(field: &Json, value: &str) -> bool {
    match field {
        Json::Array(list) => list.iter().any(|item| same(item, value)),
        Json::Bool(is) => matches!((is, value), (true, "true" | "1") | (false, "false" | "0")),
        Json::String(text) if instant(text).is_some() && text.contains(':') => {
            instant(text) == instant(value)
        }
        Json::String(text) => text.eq_ignore_ascii_case(value),
        Json::Number(number) => number.as_f64() == value.parse().ok(),
        _ => false,
    }
}

fn text(field: &Json) -> String {
    field.as_str().map_or_else(|| field.to_string(), str::to_owned)
}

fn order(field: &Json, value: &str) -> Option<Ordering> {
    match field {
        Json::Number(number) => number.as_f64()?.partial_cmp(&value.parse().ok()?),
        Json::String(text) => match (text.parse::<f64>(), value.parse::<f64>()) {
            (Ok(mine), Ok(theirs)) => mine.partial_cmp(&theirs),
            _ => Some(instant(text)?.cmp(&instant(value)?)),
        },
        _ => None,
    }
}

fn sort(call: &Call<'_>, resource: &Resource, keys: &mut [Key]) -> Result<(), Refusal> {
    let asked = call.query.get("sort").unwrap_or_default();
    let (field, direction) = asked.split_once([':', ' ']).unwrap_or((asked, ""));
    // Where a list knows no order but its own, `sort` alone may be a direction.
    let (field, direction) = if matches!(field, "asc" | "desc") { ("", field) } else { (field, direction) };
    let direction =
        if direction.is_empty() { call.query.get("direction").unwrap_or("asc") } else { direction };
    if !field.is_empty() && field != "id" {
        let listed = call.operation.parameter("sort").and_then(|sort| sort.fact.text.as_ref());
        let known = listed.is_some_and(|text| {
            text.words.iter().any(|word| word.eq_ignore_ascii_case(field) || word == asked)
        });
        if !known
            && !describes(resource, field)
            && !keys.iter().any(|key| has(call, resource, key, field))
            && !keys.is_empty()
        {
            return Err(Refusal::field("sort", format!("`{field}` is no field of these")));
        }
        let value = |key: &Key| {
            let row = call.store.get(resource.kind, key);
            // Redirects are in the order of what they lead to.
            row.map_or(&Json::Null, |row| {
                row.fields.get(field).or_else(|| row.get("to").get(field)).unwrap_or(&Json::Null)
            })
        };
        keys.sort_by(|a, b| by_value(value(a), value(b)).then_with(|| a.cmp(b)));
    }
    if direction.eq_ignore_ascii_case("desc") {
        keys.reverse();
    }
    Ok(())
}

fn has(call: &Call<'_>, resource: &Resource, key: &Key, field: &str) -> bool {
    call.store.get(resource.kind, key).is_some_and(|row| row.fields.contains_key(field))
}

fn by_value(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        (Json::String(a), Json::String(b)) => match (instant(a), instant(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.to_lowercase().cmp(&b.to_lowercase()),
        },
        _ => a.to_string().cmp(&b.to_string()),
    }
}
