//! Folds an answer's connections into plain arrays, and brings an item into its settled shape.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::reading::{Child, Order};
use super::selection::{Entry, Field, below, has_id};

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

/// Brings an item into the shape in which it is kept, however it was read: children in their order, at the
/// end of their owner's fields; no child, an empty array; nothing that only served the reading.
pub(crate) fn settle(entries: &[Entry], value: &mut Value, children: &[Child]) {
    settle_at(entries, value, "", children);
}

fn settle_at(entries: &[Entry], value: &mut Value, path: &str, children: &[Child]) {
    match value {
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| settle_at(entries, element, path, children));
        }
        Value::Object(fields) => {
            if fields.keys().any(|key| is_scaffold(key)) {
                fields.retain(|key, _| !is_scaffold(key));
            }
            settle_fields(entries, fields, path, children);
        }
        _ => {}
    }
}

fn settle_fields(entries: &[Entry], fields: &mut Map<String, Value>, path: &str, children: &[Child]) {
    for entry in entries {
        match entry {
            Entry::On { on, entries } if is_a(fields, on) => settle_fields(entries, fields, path, children),
            Entry::On { .. } => {}
            Entry::Field(field) if field.connection.is_none() => {
                if let Some(value) = fields.get_mut(&field.key)
                    && (value.is_object() || value.is_array())
                {
                    settle_at(&field.entries, value, &below(path, &field.key), children);
                }
                // Types that share a list and not a field's type need another name in the document only.
                if field.key != field.name
                    && let Some(value) = fields.shift_remove(&field.key)
                {
                    fields.insert(field.name.clone(), value);
                }
            }
            Entry::Field(field) => {
                let here = below(path, &field.key);
                let mut nodes = match fields.shift_remove(&field.key) {
                    Some(Value::Array(nodes)) => nodes,
                    _ => Vec::new(),
                };
                nodes.iter_mut().for_each(|node| settle_at(&field.entries, node, &here, children));
                arrange(&mut nodes, child(children, &here));
                fields.insert(field.key.clone(), Value::Array(nodes));
            }
        }
    }
}

fn is_scaffold(key: &str) -> bool {
    key.starts_with('_') && key != "__typename"
}

/// How the children at that path are told apart and ordered.
pub(crate) fn child(children: &[Child], path: &str) -> Child {
    let found = children.iter().find(|child| child.path == path);
    found.copied().unwrap_or(Child { path: "", key: "/id", order: Order::Key })
}

fn arrange(nodes: &mut [Value], child: Child) {
    match child.order {
        Order::Given => {}
        Order::Key => nodes.sort_by(|a, b| compare_keys(a, b, child.key)),
        Order::Number(pointer) => nodes.sort_by(|a, b| {
            let number = |node: &Value| node.pointer(pointer).and_then(Value::as_i64);
            number(a).cmp(&number(b)).then_with(|| compare_keys(a, b, child.key))
        }),
    }
}

fn compare_keys(a: &Value, b: &Value, key: &str) -> Ordering {
    let text = |node: &'_ Value| node.pointer(key).and_then(Value::as_str).map(str::to_owned);
    match (text(a), text(b)) {
        (Some(a), Some(b)) => compare_ids(&a, &b),
        // Children without a key have no order but that of their content.
        (None, None) => a.to_string().cmp(&b.to_string()),
        (a, b) => a.cmp(&b),
    }
}

/// Ids by their number, so that they come in the order in which they were given.
fn compare_ids(a: &str, b: &str) -> Ordering {
    let number = |id: &str| {
        let end = id.split('?').next().unwrap_or(id);
        end.rsplit('/').next().and_then(|tail| tail.parse::<u64>().ok())
    };
    number(a).cmp(&number(b)).then_with(|| a.cmp(b))
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

    #[test]
    fn fields_get_back_the_names_that_the_platform_gave_them() {
        let text =
            "fragment p on P { id list { __typename ... on A { valueA: value { id } } ... on B { value } } }";
        let mut value = json!({"id": 1, "list": [{"__typename": "A", "valueA": {"id": 2}}, {"__typename": "B", "value": 3}]});
        settle(&Selection::parse(text).unwrap().entries, &mut value, &[]);
        let expected = json!({"id": 1, "list": [{"__typename": "A", "value": {"id": 2}}, {"__typename": "B", "value": 3}]});
        assert_eq!(value, expected);
    }

    #[test]
    fn a_settled_item_does_not_show_how_it_was_read() {
        let children = [Child { path: "variants", key: "/id", order: Order::Number("/position") }];
        let check = |mut value: Value| {
            settle(&selection().entries, &mut value, &children);
            let expected = r#"{"id":"p/1","owner":{"__typename":"B"},"variants":[{"id":"v/10","position":1,"metafields":[{"id":"m/9"},{"id":"m/10"}]},{"id":"v/9","position":2,"metafields":[]}]}"#;
            assert_eq!(value.to_string(), expected);
        };
        check(json!({
            "id": "p/1", "owner": {"__typename": "B"},
            "variants": [
                {"_of_variants": "V", "id": "v/9", "position": 2, "__parentId": "p/1"},
                {"id": "v/10", "position": 1, "metafields": [{"id": "m/10"}, {"_root": {}, "id": "m/9"}]},
            ],
        }));
        check(json!({
            "id": "p/1",
            "variants": [
                {"id": "v/10", "metafields": [{"id": "m/9"}, {"id": "m/10"}], "position": 1},
                {"id": "v/9", "metafields": [], "position": 2},
            ],
            "owner": {"__typename": "B"},
        }));
    }
}
