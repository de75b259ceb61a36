//! Tables of writable fields: where a value stands in the payload, where it goes in the input, and in which form.
//!
//! Two values count as the same when they make the same input. So what is compared, what a plan shows and what is
//! sent can never disagree.

use serde_json::{Map, Value};

use super::links::{self, Links};
use super::place;

/// A writable field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Where it stands in the payload: `seo`, `blog/id`.
    pub from: &'static str,
    /// Where it goes in the input.
    pub to: &'static str,
    /// How its value is written.
    pub form: Form,
    /// When it can be written.
    pub when: When,
    /// What names one element of its input, where that is a list in which what was added since must stay.
    pub grows: Option<fn(&Value) -> String>,
}

/// When a field can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// When the item is made and afterwards.
    Always,
    /// Only when the item is made.
    AtBirth,
    /// Only once the item is there.
    Later,
}

/// How a value is written, and which values are the same.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// As it stands.
    Plain,
    /// A text; none and empty are the same.
    Text,
    /// A number, also one spelled as text; `10` and `"10.00"` are the same.
    Number,
    /// A list whose order carries no meaning, and in which what was added since stays.
    Set,
    /// The id of another item.
    Id,
    /// A list of ids of other items. Their order carries no meaning, and what was added since stays.
    Ids,
    /// Whatever the function makes of it. Null where there is nothing to write.
    Made(fn(&Value) -> Value),
    /// Lists of references that the API changes by adding and removing: what `made` makes is compared, and sent
    /// where there is nothing yet; else what `moved` makes.
    Moved {
        /// The input that would make it from nothing.
        made: fn(&Value) -> Value,
        /// The input that leads from the live value to the wanted one: from what is wanted, with markers and with
        /// present ids, and from what is there.
        moved: fn(&Value, &Value, &Value) -> Value,
    },
}

/// A field of the same name on both sides, written always.
#[must_use]
pub const fn same(name: &'static str, form: Form) -> Field {
    Field { from: name, to: name, form, when: When::Always, grows: None }
}

/// A field that goes elsewhere than where it stands.
pub(crate) const fn moved(from: &'static str, to: &'static str, form: Form) -> Field {
    Field { from, to, form, when: When::Always, grows: None }
}

impl Field {
    /// The same field, written only when the item is made.
    pub(crate) const fn at_birth(self) -> Self {
        Self { when: When::AtBirth, ..self }
    }

    /// The same field, a list whose elements are named by this.
    pub(crate) const fn grows(self, name: fn(&Value) -> String) -> Self {
        Self { grows: Some(name), ..self }
    }

    /// What names one element of a list in which what was added since must stay. It is given a list of that one.
    pub(crate) fn name_of(&self) -> Option<fn(&Value) -> String> {
        match self.form {
            Form::Set | Form::Ids => Some(Value::to_string),
            _ => self.grows,
        }
    }

    /// The same field, written only once the item is there.
    pub(crate) const fn later(self) -> Self {
        Self { when: When::Later, ..self }
    }
}

impl Form {
    /// The input for a value of the payload, with markers for ids.
    pub(crate) fn input(self, value: &Value) -> Value {
        match self {
            Self::Plain | Self::Text | Self::Number | Self::Set => value.clone(),
            Self::Id => links::id_or_null(value),
            Self::Ids => links::ids_in(value),
            Self::Made(make) | Self::Moved { made: make, .. } => make(value),
        }
    }

    /// Whether two inputs, filled in, say the same.
    pub(crate) fn same(self, one: &Value, other: &Value) -> bool {
        match self {
            Self::Plain | Self::Id => one == other,
            Self::Text => one.as_str().unwrap_or_default() == other.as_str().unwrap_or_default(),
            Self::Number => match (place::decimal(one), place::decimal(other)) {
                (Some(one), Some(other)) => one == other,
                _ => one == other,
            },
            Self::Set | Self::Ids => sorted(one) == sorted(other),
            Self::Made(_) => alike(one, other),
            // What is added and removed has no order.
            Self::Moved { .. } => alike(&without_order(one), &without_order(other)),
        }
    }
}

/// Whether the wanted value of a field differs from the live one, ids resolved.
pub(crate) fn differs(field: &Field, wanted: &Value, live: &Value, links: &Links<'_>) -> bool {
    !field.form.same(&links.fill(&field.form.input(wanted)), &links.as_it_is(&field.form.input(live)))
}

/// The value with every list in one order.
fn without_order(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, inner)| (key.clone(), without_order(inner)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(without_order).collect();
            values.sort_by_cached_key(Value::to_string);
            Value::Array(values)
        }
        plain => plain.clone(),
    }
}

fn sorted(value: &Value) -> Vec<String> {
    let mut texts: Vec<String> = value.as_array().into_iter().flatten().map(Value::to_string).collect();
    texts.sort_unstable();
    texts
}

/// Whether two made inputs say the same: null, absent and an empty text are one, numbers compare by value, order of
/// keys does not matter.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => {
            let within = |keys: &Map<String, Value>| {
                keys.keys().all(|key| {
                    alike(left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null))
                })
            };
            within(left) && within(right)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| alike(left, right))
        }
        (Value::Null, Value::String(text)) | (Value::String(text), Value::Null) => text.is_empty(),
        _ if one == other => true,
        _ => matches!((place::decimal(one), place::decimal(other)), (Some(one), Some(other)) if one == other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(form: Form, one: &Value, other: &Value, expected: bool) {
        assert_eq!(form.same(one, other), expected, "{form:?}: {one} and {other}");
    }

    #[test]
    fn forms_know_which_values_are_the_same() {
        check(Form::Plain, &json!(true), &json!(true), true);
        check(Form::Plain, &json!(""), &Value::Null, false);
        check(Form::Text, &json!(""), &Value::Null, true);
        check(Form::Text, &json!("a"), &Value::Null, false);
        check(Form::Number, &json!("10.00"), &json!(10), true);
        check(Form::Number, &json!("10.00"), &Value::Null, false);
        check(Form::Set, &json!(["b", "a"]), &json!(["a", "b"]), true);
        check(Form::Set, &json!(["a"]), &json!(["a", "b"]), false);
        check(Form::Made(Value::clone), &json!({"a": null, "b": 1.0}), &json!({"b": "1"}), true);
        check(Form::Made(Value::clone), &json!({"a": [1]}), &json!({"a": [1, 2]}), false);
        let moved = Form::Moved { made: Value::clone, moved: |marked, _, _| marked.clone() };
        check(moved, &json!({"add": ["b", "a"]}), &json!({"add": ["a", "b"]}), true);
        check(moved, &json!({"add": ["b", "a"]}), &json!({"add": ["a"]}), false);
        check(Form::Made(Value::clone), &json!(["b", "a"]), &json!(["a", "b"]), false);
    }
}
