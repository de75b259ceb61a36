//! Folds an answer's connections into plain arrays.

use serde_json::{Map, Value};

use super::selection::{Entry, Field, has_id};

/// A connection of which the answer held only the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Where the array stands in the item.
    pub(crate) pointer: String,
    /// The connection's number in the selection.
    pub(crate) connection: usize,
    /// The node that it hangs on.
    pub(crate) owner: String,
    /// Where the next page begins.
    pub(crate) after: Value,
}

/// Turns every connection below `value` into an array. What is missing of them is told in `rests`.
pub(crate) fn fold(entries: &[Entry], value: &mut Value, rests: &mut Vec<Rest>) {
    fold_at(entries, value, "", "", rests);
}

/// The same for nodes that continue a connection: `base` is how many the array at `pointer` has already.
pub(crate) fn fold_more(
    field: &Field,
    nodes: &mut [Value],
    pointer: &str,
    base: usize,
    rests: &mut Vec<Rest>,
) {
    for (at, node) in nodes.iter_mut().enumerate() {
        fold_at(&field.entries, node, &format!("{pointer}/{}", base + at), "", rests);
    }
}

fn fold_at(entries: &[Entry], value: &mut Value, pointer: &str, owner: &str, rests: &mut Vec<Rest>) {
    match value {
        Value::Array(elements) => {
            for (at, element) in elements.iter_mut().enumerate() {
                fold_at(entries, element, &format!("{pointer}/{at}"), owner, rests);
            }
        }
        Value::Object(fields) => {
            let own = fields.get("id").and_then(Value::as_str).filter(|_| has_id(entries)).map(str::to_owned);
            let owner = own.as_deref().unwrap_or(owner);
            fold_fields(entries, fields, pointer, owner, rests);
        }
        _ => {}
    }
}

fn fold_fields(
    entries: &[Entry],
    fields: &mut Map<String, Value>,
    pointer: &str,
    owner: &str,
    rests: &mut Vec<Rest>,
) {
    for entry in entries {
        match entry {
            Entry::On { on, entries } if is_a(fields, on) => {
                fold_fields(entries, fields, pointer, owner, rests);
            }
            Entry::On { .. } => {}
            Entry::Field(field) if field.entries.is_empty() => {}
            Entry::Field(field) => {
                let Some(value) = fields.get_mut(&field.key) else { continue };
                let here = format!("{pointer}/{}", field.key);
                let Some(connection) = field.connection else {
                    fold_at(&field.entries, value, &here, owner, rests);
                    continue;
                };
                if value.is_array() {
                    continue;
                }
                let next = value.pointer("/pageInfo/hasNextPage").and_then(Value::as_bool).unwrap_or(false);
                if next {
                    let after = value.pointer("/pageInfo/endCursor").cloned().unwrap_or(Value::Null);
                    rests.push(Rest { pointer: here.clone(), connection, owner: owner.to_owned(), after });
                }
                let mut nodes = value.get_mut("nodes").map_or(Value::Array(Vec::new()), Value::take);
                if !nodes.is_array() {
                    nodes = Value::Array(Vec::new());
                }
                fold_at(&field.entries, &mut nodes, &here, "", rests);
                *value = nodes;
            }
        }
    }
}

/// Whether the object is of the type; where the answer does not say, it is taken to be.
fn is_a(fields: &Map<String, Value>, on: &str) -> bool {
    fields.get("__typename").and_then(Value::as_str).is_none_or(|name| name == on)
}

/// The connection of that number.
pub(crate) fn connection(entries: &[Entry], number: usize) -> Option<&Field> {
    entries.iter().find_map(|entry| match entry {
        Entry::On { entries, .. } => connection(entries, number),
        Entry::Field(field) if field.connection == Some(number) => Some(field),
        Entry::Field(field) => connection(&field.entries, number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::shopify::selection::Selection;
    use serde_json::json;

    fn selection() -> Selection {
        Selection::parse(
            "fragment p on P { id owner { __typename ... on A { codes(first: $children) { nodes { id } } } }
             variants(first: $children) { nodes { id position metafields(first: $children) { nodes { id } } } } }",
        )
        .unwrap()
    }

    fn page(nodes: &Value, after: Option<&str>) -> Value {
        json!({"nodes": nodes, "pageInfo": {"hasNextPage": after.is_some(), "endCursor": after}})
    }

    #[test]
    fn connections_become_arrays_and_what_is_missing_is_told() {
        let inner = page(&json!([{"id": "m/1"}]), Some("cm"));
        let mut value = json!({
            "id": "p/1",
            "owner": {"__typename": "A", "codes": page(&json!([{"id": "c/1"}]), Some("cc"))},
            "variants": page(&json!([{"id": "v/1", "position": 1, "metafields": inner}]), None),
        });
        let mut rests = Vec::new();
        fold(&selection().entries, &mut value, &mut rests);
        let folded = json!({
            "id": "p/1",
            "owner": {"__typename": "A", "codes": [{"id": "c/1"}]},
            "variants": [{"id": "v/1", "position": 1, "metafields": [{"id": "m/1"}]}],
        });
        assert_eq!(value, folded);
        let told: Vec<_> = rests.iter().map(|rest| (rest.pointer.as_str(), rest.owner.as_str())).collect();
        assert_eq!(told, [("/owner/codes", "p/1"), ("/variants/0/metafields", "v/1")]);
    }
}
