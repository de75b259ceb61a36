//! Brings an item into its settled shape, however it was read.

use std::cmp::Ordering;

use super::gid;
use super::reading::{Child, Order};
use super::selection::{Entry, Field};
use crate::tree::{Fields, Tree};

/// Brings an item into the shape in which it is kept: children in their order, at the end of their owner's fields;
/// no child, an empty array; nothing that only served the reading.
pub(crate) fn settle(entries: &[Entry], item: &mut Tree<'_>, children: &[Child]) {
    Settling { children, path: Vec::new() }.value(entries, item);
}

struct Settling<'e> {
    children: &'e [Child],
    /// The fields that lead to the value at hand.
    path: Vec<&'e str>,
}

impl<'e> Settling<'e> {
    fn value(&mut self, entries: &'e [Entry], value: &mut Tree<'_>) {
        match value {
            Tree::List(elements) => elements.iter_mut().for_each(|element| self.value(entries, element)),
            Tree::Object(fields) => {
                fields.retain(|name| !is_scaffold(name));
                self.fields(entries, fields);
            }
            _ => {}
        }
    }

    fn fields<'a>(&mut self, entries: &'e [Entry], fields: &mut Fields<'a>) {
        for entry in entries {
            match entry {
                Entry::On { on, entries } if is_a(fields, on) => self.fields(entries, fields),
                Entry::On { .. } => {}
                Entry::Field(field) if field.connection.is_some() => self.children(field, fields),
                Entry::Field(field) => {
                    if !field.entries.is_empty()
                        && let Some(value) = fields.get_mut(&field.key)
                    {
                        self.path.push(&field.key);
                        self.value(&field.entries, value);
                        self.path.pop();
                    }
                    // Types that share a list and not a field's type need another name in the document only.
                    if field.key != field.name
                        && let Some(value) = fields.remove(&field.key)
                    {
                        fields.insert(field.name.clone().into(), value);
                    }
                }
            }
        }
    }

    fn children(&mut self, field: &'e Field, fields: &mut Fields<'_>) {
        let mut nodes = match fields.remove(&field.key) {
            Some(Tree::List(nodes)) => nodes,
            _ => Vec::new(),
        };
        self.path.push(&field.key);
        nodes.iter_mut().for_each(|node| self.value(&field.entries, node));
        arrange(&mut nodes, child(self.children, &self.path));
        self.path.pop();
        fields.insert(field.key.clone().into(), Tree::List(nodes));
    }
}

/// Whether the object is of the type; where the answer does not say, it is taken to be.
fn is_a(fields: &Fields<'_>, on: &str) -> bool {
    fields.get("__typename").and_then(Tree::as_str).is_none_or(|name| name == on)
}

fn is_scaffold(key: &str) -> bool {
    key.starts_with('_') && key != "__typename"
}

/// How the children at that path are told apart and ordered.
pub(crate) fn child(children: &[Child], path: &[&str]) -> Child {
    let found = children.iter().find(|child| child.path.split('.').eq(path.iter().copied()));
    found.copied().unwrap_or(Child { path: "", key: "/id", order: Order::Key })
}

fn arrange(nodes: &mut [Tree<'_>], child: Child) {
    match child.order {
        Order::Given => {}
        Order::Key => nodes.sort_by(|a, b| compare_keys(a, b, child.key)),
        Order::Number(pointer) => nodes.sort_by(|a, b| {
            let number = |node: &Tree<'_>| node.pointer(pointer).and_then(Tree::as_i64);
            number(a).cmp(&number(b)).then_with(|| compare_keys(a, b, child.key))
        }),
    }
}

fn compare_keys(a: &Tree<'_>, b: &Tree<'_>, key: &str) -> Ordering {
    let text = |node: &Tree<'_>| serde_json::to_string(node).unwrap_or_default();
    match (a.pointer(key).and_then(Tree::as_str), b.pointer(key).and_then(Tree::as_str)) {
        (Some(a), Some(b)) => compare_ids(a, b),
        // Children without a key have no order but that of their content.
        (None, None) => text(a).cmp(&text(b)),
        (a, b) => a.cmp(&b),
    }
}

/// Ids by their number, so that they come in the order in which they were given.
fn compare_ids(a: &str, b: &str) -> Ordering {
    // Some ids say more behind a question mark.
    let number = |id: &str| gid::number(id.split('?').next().unwrap_or(id)).parse::<u64>().ok();
    number(a).cmp(&number(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::shopify::selection::Selection;
    use serde_json::{Value, json};

    /// Compared as text, since the order of fields counts.
    fn check(text: &str, value: &Value, children: &[Child], expected: &str) {
        let mut tree = Tree::from(value);
        settle(&Selection::parse(text).unwrap().entries, &mut tree, children);
        assert_eq!(serde_json::to_string(&tree).unwrap(), expected);
    }

    #[test]
    fn fields_get_back_the_names_that_the_platform_gave_them() {
        let text =
            "fragment p on P { id list { __typename ... on A { valueA: value { id } } ... on B { value } } }";
        let value = json!({"id": 1, "list": [{"__typename": "A", "valueA": {"id": 2}}, {"__typename": "B", "value": 3}]});
        let expected =
            r#"{"id":1,"list":[{"__typename":"A","value":{"id":2}},{"__typename":"B","value":3}]}"#;
        check(text, &value, &[], expected);
    }

    #[test]
    fn a_settled_item_does_not_show_how_it_was_read() {
        let text = "fragment p on P { id owner { __typename ... on A { codes(first: $children) { nodes { id } } } }
             variants(first: $children) { nodes { id position metafields(first: $children) { nodes { id } } } } }";
        let children = [Child { path: "variants", key: "/id", order: Order::Number("/position") }];
        let expected = r#"{"id":"p/1","owner":{"__typename":"B"},"variants":[{"id":"v/10","position":1,"metafields":[{"id":"m/9"},{"id":"m/10"}]},{"id":"v/9","position":2,"metafields":[]}]}"#;
        let marked = json!({
            "id": "p/1", "owner": {"__typename": "B"},
            "variants": [
                {"_of_variants": "V", "id": "v/9", "position": 2, "__parentId": "p/1"},
                {"id": "v/10", "position": 1, "metafields": [{"id": "m/10"}, {"_root": {}, "id": "m/9"}]},
            ],
        });
        check(text, &marked, &children, expected);
        let in_another_order = json!({
            "id": "p/1",
            "variants": [
                {"id": "v/10", "metafields": [{"id": "m/9"}, {"id": "m/10"}], "position": 1},
                {"id": "v/9", "metafields": [], "position": 2},
            ],
            "owner": {"__typename": "B"},
        });
        check(text, &in_another_order, &children, expected);
    }

    #[test]
    fn each_path_has_its_own_order() {
        let text = "fragment p on P { id a { list(first: $children) { nodes { id } } } list(first: $children) { nodes { id } } }";
        let children = [Child { path: "a.list", key: "/id", order: Order::Given }];
        let value = json!({"id": "p/1", "a": {"list": [{"id": "2"}, {"id": "1"}]}, "list": [{"id": "2"}, {"id": "1"}]});
        let expected = r#"{"id":"p/1","a":{"list":[{"id":"2"},{"id":"1"}]},"list":[{"id":"1"},{"id":"2"}]}"#;
        check(text, &value, &children, expected);
    }
}
