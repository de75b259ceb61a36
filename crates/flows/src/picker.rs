//! Checks that a line is JSON and picks a few of its fields, in one pass and without building a tree.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Fields to pick, as a tree of their pointers' steps.
#[derive(Debug, Default)]
pub struct Picker {
    root: Node,
    count: usize,
}

#[derive(Debug, Default)]
struct Node {
    take: Vec<usize>,
    children: BTreeMap<String, Node>,
}

/// A pointer that is not one (RFC 6901: empty, or `/` and steps).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a JSON pointer: use `/field` or `/field/inner`")]
pub struct PointerError(String);

impl Picker {
    /// Picks these fields, in this order. A pointer may be repeated.
    ///
    /// # Errors
    /// When one is not a JSON pointer.
    pub fn new(pointers: &[&str]) -> Result<Self, PointerError> {
        let mut root = Node::default();
        for (turn, pointer) in pointers.iter().enumerate() {
            let mut node = &mut root;
            let Some(steps) = pointer.strip_prefix('/') else {
                return Err(PointerError((*pointer).to_owned()));
            };
            for step in steps.split('/') {
                node = node.children.entry(step.replace("~1", "/").replace("~0", "~")).or_default();
            }
            node.take.push(turn);
        }
        Ok(Self { root, count: pointers.len() })
    }

    /// The values, `None` where a field is absent.
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn pick(&self, text: &str) -> Result<Vec<Option<Value>>, serde_json::Error> {
        let mut found = vec![None; self.count];
        let mut json = serde_json::Deserializer::from_str(text);
        Pick { node: &self.root, found: &mut found }.deserialize(&mut json)?;
        json.end()?;
        Ok(found)
    }
}

struct Pick<'a> {
    node: &'a Node,
    found: &'a mut Vec<Option<Value>>,
}

impl Pick<'_> {
    fn keep(self, value: &Value) {
        for turn in &self.node.take {
            if let Some(slot) = self.found.get_mut(*turn) {
                *slot = Some(value.clone());
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.node.take.is_empty() {
            return json.deserialize_any(self);
        }
        let value = <Value as serde::Deserialize>::deserialize(json)?;
        for (step, child) in &self.node.children {
            if let Some(inner) = value.get(step) {
                Pick { node: child, found: self.found }.keep(inner);
            }
        }
        self.keep(&value);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(Step(self.node))? {
            match child {
                Some(node) => map.next_value_seed(Pick { node, found: self.found })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Looks a key up without copying it.
struct Step<'a>(&'a Node);

impl<'de, 'a> DeserializeSeed<'de> for Step<'a> {
    type Value = Option<&'a Node>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Step<'a> {
    type Value = Option<&'a Node>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.get(key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, expected: Option<[Option<Value>; 3]>) {
        let picker = Picker::new(&["/id", "/a/b", "/t~1~0"]).unwrap();
        assert_eq!(picker.pick(text).ok(), expected.map(Vec::from), "{text}");
    }

    #[test]
    fn fields_are_picked_and_the_rest_is_checked() {
        check(
            r#"{"id":7,"a":{"x":[1,{"b":2}],"b":"y"},"t/~":null}"#,
            Some([Some(json!(7)), Some(json!("y")), Some(json!(null))]),
        );
        check(r#"{"a":{"b":{"c":[]}}}"#, Some([None, Some(json!({"c": []})), None]));
        check(r#"{"a":3,"id":"é\n"}"#, Some([Some(json!("é\n")), None, None]));
        check("[1,2]", Some([None, None, None]));
        check(r#"{"id":7"#, None);
        check(r#"{"id":7}x"#, None);
        check(r#"{"id":7,"bad":"\x"}"#, None);
        check("", None);
        assert!(Picker::new(&["id"]).is_err());
    }
}
