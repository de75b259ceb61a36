//! Ids, told apart.
//!
//! Within a connection an id names one thing, whatever its kind. Where a platform numbers each kind by itself, its product
//! 7 and its category 7 are `product/7` and `category/7` here. A payload keeps what the platform sent; whoever compares
//! items, or writes them, speaks of the item as [`named`] gives it.

use domain::Timestamp;
use serde_json::{Map, Value};

use super::{Ids, KindSpec, Reference};
use crate::tree::segments;

/// The id that a value of a payload means: a number, also one that is spelled as text, is one of `scope`; another text is
/// an id as it stands. Zero, and what is below, mean nothing. `scope` is a kind, or a kind and the list of its parts:
/// `product.variants`; where it is empty, numbers mean nothing, and every text is an id.
#[must_use]
pub fn id_of(scope: &str, value: &Value) -> Option<String> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if is_number(text) && !scope.is_empty() => text.parse().ok(),
        Value::String(id) => return Some(id.clone()).filter(|id| !id.is_empty()),
        _ => None,
    };
    number.filter(|number| *number > 0 && !scope.is_empty()).map(|number| format!("{scope}/{number}"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of an id that was told apart; `None` where the platform's own is a text.
#[must_use]
pub fn number_of(id: &str) -> Option<u64> {
    let (scope, number) = id.split_once('/')?;
    let is_scope = !scope.is_empty()
        && scope.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.'));
    if is_scope { number.parse().ok() } else { None }
}

/// A time as platforms write it: by RFC 3339, or as in mails, by RFC 2822.
#[must_use]
pub fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
}

/// The item with every id told apart: its own, those of its parts, and those that the kind's table calls references.
#[must_use]
pub fn named(spec: &KindSpec, mut item: Value) -> Value {
    if spec.ids == Ids::Texts {
        return item;
    }
    let mut whens: Vec<&Reference> = Vec::new();
    for reference in spec.references {
        match reference.when {
            Some((pointer, text)) if item.pointer(pointer).and_then(Value::as_str) != Some(text) => {}
            _ => whens.push(reference),
        }
    }
    for reference in whens {
        let steps: Vec<String> = segments(reference.pointer).map(Into::into).collect();
        refer(&mut item, &steps, reference.kind);
    }
    if let Value::Object(fields) = &mut item {
        parts(fields, spec.name);
    }
    item
}

fn refer(value: &mut Value, steps: &[String], kind: &str) {
    match (value, steps.split_first()) {
        (value @ (Value::Number(_) | Value::String(_)), None) => {
            if let Some(id) = id_of(kind, value) {
                *value = Value::String(id);
            }
        }
        (Value::Array(elements), Some((step, rest))) if step == "*" => {
            elements.iter_mut().for_each(|element| refer(element, rest, kind));
        }
        (Value::Object(fields), Some((step, rest))) => {
            if let Some(field) = fields.get_mut(step) {
                refer(field, rest, kind);
            }
        }
        _ => {}
    }
}

/// The `id` of an object, and those of the elements of its lists, each list a scope of its own.
fn parts(fields: &mut Map<String, Value>, scope: &str) {
    if let Some(own) = fields.get_mut("id")
        && let Some(id) = id_of(scope, own)
    {
        *own = Value::String(id);
    }
    for (name, field) in fields.iter_mut() {
        let elements = match field {
            Value::Array(elements) => elements,
            Value::Object(inner) => {
                let scope = format!("{scope}.{name}");
                parts(inner, &scope);
                continue;
            }
            _ => continue,
        };
        let scope = format!("{scope}.{name}");
        for element in elements {
            if let Value::Object(inner) = element {
                parts(inner, &scope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static ROW: KindSpec = KindSpec {
        name: "product",
        ids: Ids::Numbers,
        references: &[
            Reference { pointer: "/brand_id", kind: "brand", when: None },
            Reference { pointer: "/categories/*", kind: "category", when: None },
            Reference { pointer: "/to/id", kind: "page", when: Some(("/to/type", "page")) },
            Reference { pointer: "/to/id", kind: "category", when: Some(("/to/type", "category")) },
            Reference { pointer: "/images/*/variant_id", kind: "product.variants", when: None },
        ],
        ..KindSpec::BLANK
    };

    fn check(item: &Value, expected: &Value) {
        assert_eq!(named(&ROW, item.clone()), *expected);
    }

    #[test]
    fn every_id_of_an_item_is_told_apart() {
        check(
            &json!({"id": 7, "brand_id": 7, "categories": [7, 8], "sort_order": 7, "to": {"type": "category", "id": 7},
                "variants": [{"id": 7, "metafields": [{"id": 7}]}], "images": [{"id": 7, "variant_id": 7}]}),
            &json!({"id": "product/7", "brand_id": "brand/7", "categories": ["category/7", "category/8"], "sort_order": 7,
                "to": {"type": "category", "id": "category/7"},
                "variants": [{"id": "product.variants/7", "metafields": [{"id": "product.variants.metafields/7"}]}],
                "images": [{"id": "product.images/7", "variant_id": "product.variants/7"}]}),
        );
        // Nothing means nothing, and a text is an id already.
        check(
            &json!({"id": "a-b", "brand_id": 0, "categories": [-1]}),
            &json!({"id": "a-b", "brand_id": 0, "categories": [-1]}),
        );
        check(&json!([1]), &json!([1]));
    }

    #[test]
    fn the_number_of_an_id_is_found_again_and_no_other() {
        assert_eq!(number_of("product.variants/7"), Some(7));
        for text in
            ["7", "new product/7", "gid://shopify/Product/7", "/7", "settings/store/profile", "a-b/7", ""]
        {
            assert_eq!(number_of(text), None, "{text}");
        }
    }
}
