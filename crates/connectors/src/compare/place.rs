//! Places in JSON: where a value stands in a payload, and where it goes in a mutation's input.

use serde_json::{Map, Value};

/// Nothing, for where a reference is needed.
pub(crate) static NULL: Value = Value::Null;

/// The value at `place` (`inventoryItem/unitCost/amount`). `None` where it was not selected at all; null where
/// it, or what it belongs to, is null. The difference matters: what was not selected is never written.
pub(crate) fn at<'v>(value: &'v Value, place: &str) -> Option<&'v Value> {
    place.split('/').filter(|key| !key.is_empty()).try_fold(value, |here, key| match here {
        Value::Null => Some(&NULL),
        Value::Array(elements) => elements.get(key.parse::<usize>().ok()?),
        _ => here.get(key),
    })
}

/// The text at `place`, where there is one that is not empty.
pub(crate) fn text<'v>(value: &'v Value, place: &str) -> Option<&'v str> {
    at(value, place).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The item's own id.
pub(crate) fn id_of(value: &Value) -> Option<&str> {
    text(value, "id")
}

/// The list at `place`; empty where there is none.
pub(crate) fn list<'v>(value: &'v Value, place: &str) -> &'v [Value] {
    at(value, place).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Puts `value` at `place`, making the objects on the way.
pub(crate) fn put(object: &mut Map<String, Value>, place: &str, value: Value) {
    match place.split_once('/') {
        None => {
            object.insert(place.to_owned(), value);
        }
        Some((key, rest)) => {
            let inner = object.entry(key.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// An object of the named fields of `value` that are there and not null.
pub(crate) fn pick(value: &Value, names: &[&str]) -> Map<String, Value> {
    names
        .iter()
        .filter_map(|name| value.get(name).filter(|v| !v.is_null()).map(|v| ((*name).to_owned(), v.clone())))
        .collect()
}

/// A decimal number in one spelling, so that `10`, `"10.0"` and `"10.00"` are the same. A leading zero makes it a
/// code, not a number: `01234` is nobody's 1234.
pub(crate) fn decimal(value: &Value) -> Option<String> {
    let spelled = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (sign, digits) = match spelled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", spelled.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let code = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || code || !number(whole) || !number(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let sign = if whole == "0" && fraction.is_empty() { "" } else { sign };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// Lists in place of connections: `{"nodes": […]}` becomes `[…]`, at every depth, as in a payload.
pub(crate) fn folded(value: &Value) -> Value {
    match value {
        Value::Object(object) => match object.get("nodes") {
            Some(Value::Array(nodes)) => Value::Array(nodes.iter().map(folded).collect()),
            _ => Value::Object(object.iter().map(|(key, inner)| (key.clone(), folded(inner))).collect()),
        },
        Value::Array(values) => Value::Array(values.iter().map(folded).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn not_selected_and_null_are_told_apart() {
        let payload = json!({"inventoryItem": {"unitCost": null}});
        assert_eq!(at(&payload, "inventoryItem/unitCost/amount"), Some(&Value::Null));
        assert_eq!(at(&payload, "inventoryItem/sku"), None);
        let codes = json!({"codes": [{"code": "TEN"}]});
        assert_eq!(at(&codes, "codes/0/code"), Some(&json!("TEN")));
        assert_eq!(at(&codes, "codes/1/code"), None);
    }

    #[test]
    fn a_decimal_has_one_spelling() {
        let check = |value: Value, expected: Option<&str>| {
            assert_eq!(decimal(&value).as_deref(), expected, "{value}");
        };
        check(json!("10.00"), Some("10"));
        check(json!(10), Some("10"));
        check(json!("010.50"), None);
        check(json!("-0.0"), Some("0"));
        check(json!("-3.10"), Some("-3.1"));
        check(json!("0.5"), Some("0.5"));
        check(json!("ten"), None);
        check(json!(""), None);
        check(Value::Null, None);
    }

    #[test]
    fn connections_become_lists() {
        let answer = json!({"product": {"variants": {"nodes": [{"id": 1, "media": {"nodes": []}}]}}});
        assert_eq!(folded(&answer), json!({"product": {"variants": [{"id": 1, "media": []}]}}));
    }
}
