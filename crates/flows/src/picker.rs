//! Checks that a line is JSON and picks a few of its fields, in one pass and without building a tree.

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
    /// A handful: looking through them is faster than any tree.
    children: Vec<(String, Node)>,
}

impl Node {
    fn child(&self, step: &str) -> Option<&Self> {
        self.children.iter().find(|(own, _)| own == step).map(|(_, child)| child)
    }

    /// Notes a pointer of these steps.
    fn add(&mut self, steps: &mut std::str::Split<'_, char>, turn: usize) {
        let Some(step) = steps.next() else {
            self.take.push(turn);
            return;
        };
        let step = step.replace("~1", "/").replace("~0", "~");
        let at = self.children.iter().position(|(own, _)| *own == step);
        if at.is_none() {
            self.children.push((step, Self::default()));
        }
        let at = at.unwrap_or(self.children.len() - 1);
        if let Some((_, child)) = self.children.get_mut(at) {
            child.add(steps, turn);
        }
    }

    /// Keeps what the pointers at and below this step find in `value`.
    fn keep(&self, value: &Value, found: &mut [Option<Value>]) {
        for turn in &self.take {
            if let Some(slot) = found.get_mut(*turn) {
                *slot = Some(value.clone());
            }
        }
        for (step, child) in &self.children {
            let inner = match value {
                Value::Array(elements) => index(step).and_then(|at| elements.get(at)),
                other => other.get(step),
            };
            if let Some(inner) = inner {
                child.keep(inner, found);
            }
        }
    }

    /// Forgets what was found below a field that is named a second time: the last one counts.
    fn forget(&self, found: &mut [Option<Value>]) {
        for turn in &self.take {
            if let Some(slot) = found.get_mut(*turn) {
                *slot = None;
            }
        }
        self.children.iter().for_each(|(_, child)| child.forget(found));
    }
}

/// An element's place in a list, in the one spelling that RFC 6901 gives it.
fn index(step: &str) -> Option<usize> {
    let is_spelled = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| is_spelled)
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
            let Some(steps) = pointer.strip_prefix('/') else {
                return Err(PointerError((*pointer).to_owned()));
            };
            root.add(&mut steps.split('/'), turn);
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

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.node.take.is_empty() {
            return json.deserialize_any(self);
        }
        let value = <Value as serde::Deserialize>::deserialize(json)?;
        self.node.keep(&value, self.found);
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
                Some(node) => {
                    node.forget(self.found);
                    map.next_value_seed(Pick { node, found: self.found })?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let wanted = |at: usize| {
            let mut children = self.node.children.iter();
            children.find(|(step, _)| index(step) == Some(at)).map(|(_, child)| child)
        };
        for at in 0_usize.. {
            let more = match wanted(at) {
                Some(node) => seq.next_element_seed(Pick { node, found: self.found })?.is_some(),
                None => seq.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
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
        Ok(self.0.child(key))
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
        // The last of two fields of one name counts, whole.
        check(r#"{"a":{"b":1},"a":{}}"#, Some([None, None, None]));
        check(r#"{"id":1,"id":2,"a":{"b":1},"a":3}"#, Some([Some(json!(2)), None, None]));
        check(r#"{"id":7"#, None);
        check(r#"{"id":7}x"#, None);
        check(r#"{"id":7,"bad":"\x"}"#, None);
        check("", None);
        assert!(Picker::new(&["id"]).is_err());
    }

    #[test]
    fn a_pointer_goes_through_lists_and_below_what_another_one_names() {
        let picker = Picker::new(&["/a", "/a/0/b/c", "/a/01", "/a/1"]).unwrap();
        let picked = picker.pick(r#"{"a":[{"b":{"c":5}},6]}"#).unwrap();
        assert_eq!(picked, [Some(json!([{"b": {"c": 5}}, 6])), Some(json!(5)), None, Some(json!(6))]);
        let deep = Picker::new(&["/a/1/b"]).unwrap();
        assert_eq!(deep.pick(r#"{"a":[0,{"b":7}]}"#).unwrap(), [Some(json!(7))]);
    }
}
