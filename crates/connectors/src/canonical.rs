//! Canonical JSON.
//!
//! Two payloads have the same canonical bytes if and only if they say the same, apart from volatile fields and
//! from the order of arrays in which order means nothing. Keys are sorted by their UTF-8 bytes, there is no
//! white space, and numbers and texts are written as serde_json writes them.

use std::borrow::Cow;

use crate::tree::{Fields, Tree, Walk as _, segments};

/// Fields to leave out and arrays to sort, made ready once per kind.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    segments: Vec<String>,
    effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    LeaveOut,
    Sort,
}

impl Rules {
    /// `volatile` and `unordered` are pointers in which `*` stands for every element of an array.
    #[must_use]
    pub fn new(volatile: &[&str], unordered: &[&str]) -> Self {
        let rule = |effect| {
            move |pointer: &&str| Rule { segments: segments(pointer).map(Cow::into_owned).collect(), effect }
        };
        let rules =
            volatile.iter().map(rule(Effect::LeaveOut)).chain(unordered.iter().map(rule(Effect::Sort)));
        Self { rules: rules.collect() }
    }

    /// The canonical bytes of `value`.
    #[must_use]
    pub fn canonical(&self, value: &Tree<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        let active: Vec<Active<'_>> = self.rules.iter().map(Active::from).collect();
        write(value, &active, &mut out);
        out
    }
}

/// What is left of a rule's pointer below the value at hand.
#[derive(Clone, Copy)]
struct Active<'a> {
    rest: &'a [String],
    effect: Effect,
}

impl<'a> From<&'a Rule> for Active<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self { rest: &rule.segments, effect: rule.effect }
    }
}

impl Active<'_> {
    fn ends(self, effect: Effect) -> bool {
        self.rest.is_empty() && self.effect == effect
    }
}

fn below<'a>(active: &[Active<'a>], step: impl Fn(&str) -> bool) -> Vec<Active<'a>> {
    let enter = |rule: &Active<'a>| {
        let (first, rest) = rule.rest.split_first()?;
        step(first).then_some(Active { rest, effect: rule.effect })
    };
    active.iter().filter_map(enter).collect()
}

fn write(value: &Tree<'_>, active: &[Active<'_>], out: &mut Vec<u8>) {
    match value {
        Tree::Object(fields) => write_object(fields, active, out),
        Tree::List(elements) => {
            let sorted = active.iter().any(|rule| rule.ends(Effect::Sort));
            let inner = below(active, |segment| segment == "*");
            let mut texts: Vec<(&str, Vec<u8>)> = Vec::new();
            out.push(b'[');
            for (at, element) in elements.iter().enumerate() {
                if sorted {
                    let mut text = Vec::new();
                    write(element, &inner, &mut text);
                    texts.push((element.field("id").and_then(Tree::as_str).unwrap_or_default(), text));
                } else {
                    if at > 0 {
                        out.push(b',');
                    }
                    write(element, &inner, out);
                }
            }
            texts.sort();
            for (at, (_, text)) in texts.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(text);
            }
            out.push(b']');
        }
        // Writing a leaf to memory cannot fail.
        leaf => {
            let _ = serde_json::to_writer(out, leaf);
        }
    }
}

fn write_object(fields: &Fields<'_>, active: &[Active<'_>], out: &mut Vec<u8>) {
    let mut keys: Vec<(&str, &Tree<'_>)> = fields.iter().collect();
    keys.sort_unstable_by(|a, b| a.0.cmp(b.0));
    out.push(b'{');
    let mut first = true;
    for (key, value) in keys {
        let inner = below(active, |segment| segment == key);
        if inner.iter().any(|rule| rule.ends(Effect::LeaveOut)) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        let _ = serde_json::to_writer(&mut *out, key);
        out.push(b':');
        write(value, &inner, out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(value: &Value, expected: &str) {
        let rules = Rules::new(&["/at", "/items/*/at"], &["/items", "/items/*/tags"]);
        assert_eq!(String::from_utf8(rules.canonical(&Tree::from(value))).unwrap(), expected);
    }

    #[test]
    fn what_says_the_same_has_the_same_bytes() {
        check(&json!({"b": 1, "a": {"d": "é\n", "c": null}}), r#"{"a":{"c":null,"d":"é\n"},"b":1}"#);
        check(&json!({"at": 5, "x": {"at": 5}}), r#"{"x":{"at":5}}"#);
        let sorted = r#"{"items":[{"id":"1","tags":["a","b"]},{"id":"2"}]}"#;
        check(&json!({"items": [{"id": "2", "at": 1}, {"tags": ["b", "a"], "id": "1"}]}), sorted);
        check(&json!({"items": [{"id": "1", "tags": ["a", "b"]}, {"at": 2, "id": "2"}]}), sorted);
        check(&json!({"list": ["b", "a"]}), r#"{"list":["b","a"]}"#);
        check(&json!([1.5, true, "x"]), r#"[1.5,true,"x"]"#);
    }
}
