//! Ids on their way from the backup to the live store.
//!
//! A backup speaks of things by the ids that they had. Inputs are therefore made with *markers* in place of ids, and
//! filled in at the moment of sending: only then is it known what became of a thing that the same restore had to
//! make anew. A marker is explicit, so that a text which merely looks like an id is never touched.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::place;
use crate::contract::IdMap;

const ID: &str = "$id";
const JSON_TEXT: &str = "$json";
const AS: &str = "$as:";

/// A marker for whatever `old` is called when the input is sent.
pub(crate) fn id(old: &str) -> Value {
    json!({ ID: old })
}

/// The same under another type's name: some things have one number and two names.
pub(crate) fn id_as(kind: &str, old: &str) -> Value {
    let mut marker = Map::new();
    marker.insert(format!("{AS}{kind}"), Value::from(old));
    Value::Object(marker)
}

/// The same for a value that is an id or null.
pub(crate) fn id_or_null(value: &Value) -> Value {
    value.as_str().map_or(Value::Null, id)
}

/// Markers for a list of ids; what is none stays as it is.
pub(crate) fn ids_in(value: &Value) -> Value {
    let marked = |one: &Value| one.as_str().map_or_else(|| one.clone(), id);
    value.as_array().map_or_else(|| value.clone(), |list| list.iter().map(marked).collect())
}

/// Markers for the `id`s of a list of objects.
pub(crate) fn ids_of(list: &[Value]) -> Value {
    list.iter().filter_map(place::id_of).map(id).collect()
}

/// A marker for JSON that is sent as text, with the ids in it filled in.
pub(crate) fn json_text(value: Value) -> Value {
    let mut marker = Map::new();
    marker.insert(JSON_TEXT.to_owned(), value);
    Value::Object(marker)
}

/// How a platform's inputs spell an id; under another type's name, where one is given.
pub type Spelling = fn(id: &str, kind: Option<&str>) -> Value;

/// What became of ids: the ledger of former restores, and what is learnt during this one.
#[derive(Debug, Clone)]
pub struct Links<'a> {
    ledger: &'a IdMap,
    learnt: BTreeMap<String, String>,
    spelling: Spelling,
}

impl<'a> Links<'a> {
    /// With the ledger of former restores; nothing is learnt yet.
    #[must_use]
    pub fn new(ledger: &'a IdMap, spelling: Spelling) -> Self {
        Self { ledger, learnt: BTreeMap::new(), spelling }
    }

    /// What `old` is called now.
    #[must_use]
    pub fn now<'s>(&'s self, old: &'s str) -> &'s str {
        match self.learnt.get(old) {
            Some(new) => new,
            None => {
                let known = self.ledger.resolve(old);
                let again = self.learnt.get(known).filter(|_| self.ledger.is_of_one_store());
                again.map_or(known, String::as_str)
            }
        }
    }

    /// Notes that `old` is now `new`. Where a former restore had already renamed it, later backups of the same store know
    /// it by that name, which is therefore noted too.
    pub fn note(&mut self, old: &str, new: &str) {
        if old == new || self.now(old) == new {
            return;
        }
        let before = self.ledger.resolve(old).to_owned();
        if self.ledger.is_of_one_store() && before != old && before != new {
            self.learnt.insert(before, new.to_owned());
        }
        self.learnt.insert(old.to_owned(), new.to_owned());
    }

    /// The same with further pairs.
    pub(crate) fn with(mut self, pairs: Vec<(String, String)>) -> Self {
        self.learnt.extend(pairs);
        self
    }

    /// What was learnt, old and new.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.learnt.iter().map(|(old, new)| (old.clone(), new.clone())).collect()
    }

    /// The input as it is sent: every marker replaced.
    #[must_use]
    pub fn fill(&self, input: &Value) -> Value {
        filled(input, &|old, kind| (self.spelling)(self.now(old), kind))
    }

    /// The input of something that is live: its ids are present ones, as they stand.
    pub(crate) fn as_it_is(&self, input: &Value) -> Value {
        filled(input, &|id, kind| (self.spelling)(id, kind))
    }
}

fn filled(input: &Value, now: &dyn Fn(&str, Option<&str>) -> Value) -> Value {
    match input {
        Value::Object(object) => match marker(object) {
            Some((ID, Value::String(old))) => now(old, None),
            Some((JSON_TEXT, inner)) => Value::String(filled(inner, now).to_string()),
            Some((key, Value::String(old))) => now(old, Some(key.trim_start_matches(AS))),
            _ => Value::Object(object.iter().map(|(key, inner)| (key.clone(), filled(inner, now))).collect()),
        },
        Value::Array(values) => Value::Array(values.iter().map(|inner| filled(inner, now)).collect()),
        plain => plain.clone(),
    }
}

fn marker(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    let (key, inner) = entries.next()?;
    let sole = entries.next().is_none() && (key == ID || key == JSON_TEXT || key.starts_with(AS));
    sole.then_some((key.as_str(), inner))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Ids as they stand; another name goes before them.
    pub(crate) fn spelled(id: &str, kind: Option<&str>) -> Value {
        kind.map_or_else(|| id.into(), |kind| format!("{kind} {id}").into())
    }

    #[test]
    fn markers_are_filled_and_lookalikes_left_alone() {
        let mut ledger = IdMap::default();
        ledger.insert("gid://shopify/Product/1", "gid://shopify/Product/9");
        let mut links = Links::new(&ledger, spelled);
        links.note("gid://shopify/Page/2", "gid://shopify/Page/8");
        let input = json!({
            "ownerId": id("gid://shopify/Page/2"),
            "value": json_text(json!([id("gid://shopify/Product/1"), id("gid://shopify/Product/3")])),
            "text": "gid://shopify/Product/1",
            "discount": id_as("DiscountCodeNode", "gid://shopify/DiscountNode/5"),
        });
        assert_eq!(
            links.fill(&input),
            json!({
                "ownerId": "gid://shopify/Page/8",
                "value": r#"["gid://shopify/Product/9","gid://shopify/Product/3"]"#,
                "text": "gid://shopify/Product/1",
                "discount": "DiscountCodeNode gid://shopify/DiscountNode/5",
            })
        );
    }

    #[test]
    fn a_second_renaming_is_noted_under_both_former_names() {
        let check = |mut ledger: IdMap, noted: &str, expected: &[(&str, &str)], pairs: usize| {
            ledger.insert("a", "b");
            let mut links = Links::new(&ledger, spelled);
            links.note(noted, "c");
            for (old, now) in expected {
                assert_eq!(links.now(old), *now, "{noted}: {old}");
            }
            assert_eq!(links.pairs().len(), pairs, "{noted}");
        };
        check(IdMap::of_one_store(), "a", &[("a", "c"), ("b", "c")], 2);
        check(IdMap::of_one_store(), "b", &[("a", "c"), ("b", "c")], 1);
        // Elsewhere the backup's `b` is another thing than the target's.
        check(IdMap::default(), "a", &[("a", "c"), ("b", "b")], 1);
        check(IdMap::default(), "b", &[("a", "b"), ("b", "c")], 1);
    }
}
