//! Two snapshots' records, compared once ids are mapped: what the table of kinds lists as lost or volatile is left
//! out, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use connectors::canonical::Rules;
use connectors::contract::{KindSpec, Restorable};
use connectors::platforms::shopify::KINDS;
use serde_json::Value;

use crate::world::Records;

/// A payload with every known id replaced, also where it stands within a text (lists of references, rich text).
pub(crate) fn mapped(value: &Value, ids: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) if text.contains("gid://") => Value::String(mapped_text(text, ids)),
        Value::Array(elements) => elements.iter().map(|one| mapped(one, ids)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, one)| (mapped_text(name, ids), mapped(one, ids))).collect()
        }
        other => other.clone(),
    }
}

fn mapped_text(text: &str, ids: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("gid://") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || ":/_-".contains(c))).unwrap_or(rest.len());
        let id = &rest[..end];
        out.push_str(ids.get(id).map_or(id, String::as_str));
        rest = &rest[end..];
    }
    out + rest
}

/// Fields that the platform sets itself wherever they stand, also in parts of items, and why they differ.
pub(crate) const SET_BY_THE_PLATFORM: &[(&str, &str)] = &[
    ("createdAt", "Shopify sets the date of creation itself."),
    ("updatedAt", "Shopify sets the date of the last change itself."),
];

/// A record as it is compared: without what the table of kinds lists as lost or volatile, without what the platform
/// sets itself, without ids of parts (a part that is made anew has a new one; references lead to items, whose ids
/// are mapped), and with addresses of files reduced to nothing: the bytes come back under a new address.
fn look(spec: &KindSpec, payload: &Value, known: &dyn Fn(&str) -> bool) -> Value {
    let lost = spec.lost.iter().map(|loss| loss.pointer);
    let left_out: Vec<&str> = spec.volatile.iter().copied().chain(lost).collect();
    // First without, then sorted by what is left.
    let only_metafields = spec.lost.iter().any(|loss| loss.pointer.is_empty());
    let metafields = || serde_json::json!({"metafields": payload.get("metafields")});
    let mut payload = if only_metafields { metafields() } else { payload.clone() };
    worked_out_order(&mut payload);
    let payload = &payload;
    let left_out: Vec<&str> = left_out.into_iter().filter(|pointer| !pointer.is_empty()).collect();
    let rules = Rules::new(&left_out, spec.unordered);
    let bare = serde_json::from_slice(&Rules::new(&left_out, &[]).canonical(&payload.into())).unwrap();
    serde_json::from_slice(&rules.canonical(&(&plain(&bare, known)).into())).unwrap()
}

/// Products of a collection that is not ordered by hand stand in an order that the platform works out, by sales or by the
/// time of creation, and items that are made side by side may change places in that.
fn worked_out_order(payload: &mut Value) {
    if payload.get("sortOrder").and_then(Value::as_str).is_some_and(|sort| sort != "MANUAL")
        && let Some(products) = payload.get_mut("products").and_then(Value::as_array_mut)
    {
        products.sort_by_key(ToString::to_string);
    }
}

fn plain(value: &Value, known: &dyn Fn(&str) -> bool) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(|one| plain(one, known)).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, one)| {
                let set = SET_BY_THE_PLATFORM.iter().any(|(field, _)| field == name);
                let address = one.as_str().is_some_and(|text| text.contains("/cdn/shop/files/"));
                let own_id =
                    *name == "id" && one.as_str().is_some_and(|id| id.starts_with("gid://") && !known(id));
                !(set || address || own_id)
            })
            .map(|(name, one)| (name.clone(), plain(one, known)))
            .collect(),
        other => other.clone(),
    }
}

/// Leaves that differ, with both values.
pub(crate) fn walk(at: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let missing = Value::Null;
                let (a, b) = (a.get(name).unwrap_or(&missing), b.get(name).unwrap_or(&missing));
                walk(&format!("{at}/{name}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (turn, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{at}/{turn}"), a, b, found);
            }
        }
        _ if one == other => {}
        _ => found.push(format!("{at}: {one} -> {other}")),
    }
}

/// Leaves of one kind, and how many of them are the same.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) items: u64,
    pub(crate) fields: u64,
    pub(crate) same: u64,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) shares: BTreeMap<&'static str, Share>,
    pub(crate) differences: Vec<String>,
}

fn leaves(value: &Value) -> u64 {
    match value {
        Value::Array(elements) if !elements.is_empty() => elements.iter().map(leaves).sum(),
        Value::Object(fields) if !fields.is_empty() => fields.values().map(leaves).sum(),
        _ => 1,
    }
}

/// Compares what can come back of `before` with `after`. Items that are never made (orders, channels) count where
/// they are there.
pub(crate) fn compare(before: &Records, after: &Records, ids: &BTreeMap<String, String>) -> Compared {
    let mut compared = Compared::default();
    let items: BTreeSet<&str> = after.keys().map(|(_, id)| id.as_str()).collect();
    let known = |id: &str| items.contains(id);
    for spec in KINDS.iter().filter(|spec| !matches!(spec.restore, Restorable::Never(_))) {
        let mut share = Share::default();
        for ((kind, id), payload) in before.iter().filter(|((kind, _), _)| *kind == spec.name) {
            let wanted = look(spec, &mapped(payload, ids), &known);
            let new = ids.get(id).unwrap_or(id);
            let got = match (after.get(&(*kind, new.clone())), spec.restore) {
                (Some(got), _) => look(spec, got, &known),
                (None, Restorable::UpdateOnly(_)) if *kind == "order" => continue,
                (None, _) => Value::Null,
            };
            let mut differing = Vec::new();
            walk("", &wanted, &got, &mut differing);
            let all = leaves(&wanted);
            share.items += 1;
            share.fields += all;
            share.same += if got.is_null() { 0 } else { all.saturating_sub(differing.len() as u64) };
            compared.differences.extend(differing.iter().map(|one| format!("{kind} {id} {one}")));
        }
        compared.shares.insert(spec.name, share);
    }
    compared
}
