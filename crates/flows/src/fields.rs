//! Differences between two versions of an item, field by field, and undoing them in a third.
//!
//! Elements of lists are told apart by their `id`, where all have one; other lists count as one value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use connectors::contract::{FieldChange, number_of};
use serde_json::Value;

/// One step from a value to an inner one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A field of an object.
    Field(String),
    /// The element of a list that has this `id`.
    Element(String),
}

/// Where a field stands in an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place(pub Vec<Step>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Field(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Element(id) => write!(f, "/[{id}]"),
        })
    }
}

impl Place {
    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Whether the field lies at or below a pointer, in which `*` stands for any element. A pointer without a
    /// leading `/` names a field wherever it stands: `price`.
    #[must_use]
    pub fn is_within(&self, pointer: &str) -> bool {
        let Some(rest) = pointer.strip_prefix('/') else {
            return self.0.iter().any(|step| matches!(step, Step::Field(name) if name == pointer));
        };
        let wanted: Vec<String> =
            rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        wanted.len() <= self.0.len()
            && wanted.iter().zip(&self.0).all(|(wanted, step)| match step {
                Step::Field(name) => name == wanted,
                Step::Element(id) => wanted == "*" || is_element(wanted.trim_matches(['[', ']']), id),
            })
    }

    /// The value at this place; `None` where there is none.
    #[must_use]
    pub fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Element(id) => {
                value.as_array()?.iter().find(|element| element_id(element).is_some_and(|own| own == *id))
            }
        })
    }

    fn get_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Field(name) => value.get_mut(name),
            Step::Element(id) => value
                .as_array_mut()?
                .iter_mut()
                .find(|element| element_id(element).is_some_and(|own| own == *id)),
        })
    }

    /// Sets, adds or (with `None`) takes away the value at this place. Answers whether its parent was there.
    pub fn set(&self, whole: &mut Value, new: Option<Value>) -> bool {
        let Some((last, parents)) = self.0.split_last() else { return false };
        let Some(parent) = Self(parents.to_vec()).get_mut(whole) else { return false };
        match (last, parent) {
            (Step::Field(name), Value::Object(fields)) => {
                match new {
                    Some(new) => drop(fields.insert(name.clone(), new)),
                    None => drop(fields.remove(name)),
                }
                true
            }
            (Step::Element(id), Value::Array(elements)) => {
                let at =
                    elements.iter().position(|element| element_id(element).is_some_and(|own| own == *id));
                match (at, new) {
                    (Some(at), Some(new)) => {
                        if let Some(element) = elements.get_mut(at) {
                            *element = new;
                        }
                    }
                    (Some(at), None) => drop(elements.remove(at)),
                    (None, Some(new)) => elements.push(new),
                    (None, None) => {}
                }
                true
            }
            _ => false,
        }
    }
}

/// Whether that is the id of an element, or its number alone.
fn is_element(wanted: &str, id: &str) -> bool {
    wanted == id || number_of(id).is_some_and(|_| id.rsplit('/').next() == Some(wanted))
}

/// An element's id; one that is a number as its digits.
fn element_id(element: &Value) -> Option<Cow<'_, str>> {
    match element.get("id")? {
        Value::String(id) => Some(Cow::Borrowed(id)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where.
    pub place: Place,
    /// What it was; `None` where it was not there.
    pub from: Option<Value>,
    /// What it became; `None` where it is gone.
    pub to: Option<Value>,
}

impl Difference {
    /// As reports show it.
    #[must_use]
    pub fn shown(&self) -> FieldChange {
        FieldChange {
            path: self.place.to_string(),
            from: self.from.clone().unwrap_or_default(),
            to: self.to.clone().unwrap_or_default(),
        }
    }
}

/// All fields that differ, in order of their places.
#[must_use]
pub fn differences(from: &Value, to: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    collect(&Place::default(), Some(from), Some(to), &mut found);
    found
}

/// Of a value, the fields that another version of it has too: what both selections hold. Elements of lists go by
/// their `id`, where all have one; an element that the other has not is no matter of selection, and stays whole.
#[must_use]
pub fn shared(value: &Value, other: &Value) -> Value {
    match (value, other) {
        (Value::Object(fields), Value::Object(others)) => fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), shared(value, others.get(name)?))))
            .collect(),
        (Value::Array(elements), Value::Array(others)) => {
            let by_id = by_id(elements).and_then(|_| by_id(others));
            let shared_at = |(at, element): (usize, &Value)| {
                let other = match &by_id {
                    Some(by_id) => element_id(element).and_then(|id| by_id.get(&id).copied()),
                    None => others.get(at),
                };
                other.map_or_else(|| element.clone(), |other| shared(element, other))
            };
            elements.iter().enumerate().map(shared_at).collect()
        }
        _ => value.clone(),
    }
}

fn by_id(elements: &[Value]) -> Option<BTreeMap<Cow<'_, str>, &Value>> {
    let by_id: Option<BTreeMap<_, _>> =
        elements.iter().map(|element| element_id(element).map(|id| (id, element))).collect();
    by_id.filter(|by_id| by_id.len() == elements.len())
}

fn collect(place: &Place, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<Difference>) {
    if from == to {
        return;
    }
    match (from, to) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                collect(&place.then(Step::Field(name.clone())), a.get(name), b.get(name), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => match (by_id(a), by_id(b)) {
            (Some(a), Some(b)) if !a.is_empty() || !b.is_empty() => {
                let ids: std::collections::BTreeSet<&Cow<'_, str>> = a.keys().chain(b.keys()).collect();
                let before = found.len();
                for id in ids {
                    let element = place.then(Step::Element(id.clone().into_owned()));
                    collect(&element, a.get(id).copied(), b.get(id).copied(), found);
                }
                if found.len() == before {
                    // The same elements in another order.
                    found.push(Difference { place: place.clone(), from: from.cloned(), to: to.cloned() });
                }
            }
            _ => found.push(Difference { place: place.clone(), from: from.cloned(), to: to.cloned() }),
        },
        _ => found.push(Difference { place: place.clone(), from: from.cloned(), to: to.cloned() }),
    }
}

/// What undoing a change would make of the live item.
#[derive(Debug, Clone, PartialEq)]
pub struct Undone {
    /// The live item with the change taken back.
    pub wanted: Value,
    /// Fields that were edited again since, and so are left alone.
    pub kept: Vec<FieldChange>,
}

/// Takes back what changed from `before` to `after`, in `live`: three ways, so that later edits stay.
#[must_use]
pub fn undo(before: &Value, after: &Value, live: &Value, concerns: impl Fn(&Place) -> bool) -> Undone {
    let mut undone = Undone { wanted: live.clone(), kept: Vec::new() };
    for difference in differences(before, after) {
        if !concerns(&difference.place) {
            continue;
        }
        let now = difference.place.get(live);
        if now == difference.from.as_ref() {
            continue;
        }
        let taken_back = now == difference.to.as_ref()
            && difference.place.set(&mut undone.wanted, difference.from.clone());
        if !taken_back {
            undone.kept.push(FieldChange {
                path: difference.place.to_string(),
                from: difference.from.unwrap_or_default(),
                to: now.cloned().unwrap_or_default(),
            });
        }
    }
    undone
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(from: &Value, to: &Value, expected: &[&str]) {
        let places: Vec<String> = differences(from, to).iter().map(|d| d.place.to_string()).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn elements_are_told_apart_by_id() {
        let from =
            json!({"title": "a", "variants": [{"id": "g/1", "price": "1"}, {"id": "g/2", "price": "2"}]});
        let to =
            json!({"title": "a", "variants": [{"id": "g/2", "price": "3"}, {"id": "g/1", "price": "1"}]});
        check(&from, &to, &["/variants/[g/2]/price"]);
        check(
            &from,
            &json!({"title": "b", "variants": []}),
            &["/title", "/variants/[g/1]", "/variants/[g/2]"],
        );
        check(&json!({"tags": ["x", "y"]}), &json!({"tags": ["y", "x"]}), &["/tags"]);
        check(&json!({"m": [{"id": "1"}, {"id": "2"}]}), &json!({"m": [{"id": "2"}, {"id": "1"}]}), &["/m"]);
        check(&json!({"a": 1}), &json!({"a": 1}), &[]);
    }

    #[test]
    fn an_undo_keeps_later_edits() {
        let before = json!({"title": "a", "body": "x", "variants": [{"id": "1", "price": "10"}, {"id": "2", "price": "20"}]});
        let after = json!({"title": "b", "body": "y", "variants": [{"id": "1", "price": "1"}, {"id": "2", "price": "2"}]});
        let live = json!({"title": "c", "body": "y", "tags": ["new"], "variants": [{"id": "1", "price": "1"}, {"id": "2", "price": "25"}]});
        let undone = undo(&before, &after, &live, |_| true);
        assert_eq!(
            undone.wanted,
            json!({"title": "c", "body": "x", "tags": ["new"], "variants": [{"id": "1", "price": "10"}, {"id": "2", "price": "25"}]})
        );
        let kept: Vec<&str> = undone.kept.iter().map(|kept| kept.path.as_str()).collect();
        assert_eq!(kept, ["/title", "/variants/[2]/price"]);
        let prices = undo(&before, &after, &live, |place| place.is_within("price"));
        assert_eq!(prices.wanted["body"], "y", "only what was asked for");
        assert_eq!(prices.wanted["variants"][0]["price"], "10");
    }

    #[test]
    fn an_undo_brings_back_and_takes_away_elements() {
        let before = json!({"m": [{"id": "1", "v": "a"}]});
        let after = json!({"m": [{"id": "2", "v": "b"}]});
        assert_eq!(undo(&before, &after, &after, |_| true).wanted, before);
    }

    #[test]
    fn pointers_select_places() {
        let place = Place(vec![
            Step::Field("variants".into()),
            Step::Element("gid://x/1".into()),
            Step::Field("price".into()),
        ]);
        for (pointer, within) in [
            ("/variants", true),
            ("/variants/*/price", true),
            ("price", true),
            ("/price", false),
            ("/variants/*/sku", false),
            ("/variants/*/price/x", false),
        ] {
            assert_eq!(place.is_within(pointer), within, "{pointer}");
        }
    }
}
