//! A restore of one item, as it is drawn up for Shopify: with metafields, which are written many at a time.

use serde_json::{Map, Value, json};

use super::links::{self, Links};
use super::part::{self, Named};
use super::place;
use super::product::by_namespace_and_key;
use super::step::{Call, Step, variables};
use crate::compare::draft;

/// Most metafields that one call takes.
const METAFIELDS_PER_CALL: usize = 25;

static METAFIELDS_DELETE: Call =
    Call::new("metafieldsDelete", include_str!("../documents/write/metafieldsDelete.graphql"), 10);
static METAFIELDS_SET: Call =
    Call::new("metafieldsSet", include_str!("../documents/write/metafieldsSet.graphql"), 10)
        .of_many("metafields");

/// A restore of one item, being drawn up.
pub(super) type Draft<'a> = draft::Draft<'a, Step, Metafields>;

/// Metafields of an item and of its parts.
#[derive(Debug, Default)]
pub(super) struct Metafields {
    set: Vec<Value>,
    taken_away: Vec<Value>,
}

impl Draft<'_> {
    /// Adds a call that can be repeated without harm.
    pub(super) fn call(&mut self, call: &'static Call, what: &str, input: Map<String, Value>) {
        self.step(Step::new(call, what, input));
    }

    /// The item's own metafields, as steps.
    pub(super) fn own_metafields(&mut self) {
        self.metafields(&self.me(), "", self.wanted, self.live, self.former);
        self.set_metafields();
    }

    /// Metafields of the item or of one of its parts: what differs is set, what the backup does not know stays, unless
    /// the state had it that is taken back.
    pub(super) fn metafields(
        &mut self,
        owner: &Value,
        path: &str,
        wanted: &Value,
        live: Option<&Value>,
        former: Option<&Value>,
    ) {
        self.take_away_metafields(owner, path, wanted, live, former);
        let theirs = live.map_or(&[][..], |live| place::list(live, "metafields"));
        for metafield in place::list(wanted, "metafields") {
            let (Some(namespace), Some(key)) =
                (place::text(metafield, "namespace"), place::text(metafield, "key"))
            else {
                continue;
            };
            let current = theirs.iter().find(|live| {
                place::text(live, "namespace") == Some(namespace) && place::text(live, "key") == Some(key)
            });
            if current.is_some_and(|current| same_metafield(metafield, current, &self.links)) {
                continue;
            }
            let at = format!("{path}/metafields/[{}]", place::id_of(metafield).unwrap_or(key));
            let noted = match current {
                Some(current) => {
                    let (from, to) = (value_of(current), value_of(metafield));
                    self.change(format!("{at}/value"), from, to)
                }
                None if live.is_none() => true,
                None => self.change(at, &Value::Null, metafield),
            };
            if !noted {
                continue;
            }
            if namespace.starts_with("app--") {
                self.losses.push(format!(
                    "The metafield `{namespace}.{key}` belongs to an app; only that app can write it."
                ));
                continue;
            }
            self.gathered.set.push(json!({
                "ownerId": owner,
                "namespace": namespace,
                "key": key,
                "type": metafield.get("type"),
                "value": metafield_value(metafield),
            }));
        }
    }

    fn take_away_metafields(
        &mut self,
        owner: &Value,
        path: &str,
        wanted: &Value,
        live: Option<&Value>,
        former: Option<&Value>,
    ) {
        let list = |of: Option<&'_ Value>| of.map_or(&[][..], |of| place::list(of, "metafields")).to_vec();
        let (live, former) = (list(live), list(former));
        let wanted = place::list(wanted, "metafields");
        let surplus = part::surplus(wanted, &live, &former, Named(by_namespace_and_key), &self.links);
        for metafield in surplus.into_iter().cloned().collect::<Vec<_>>() {
            let known_by = place::pick(&metafield, &["namespace", "key"]);
            let at = format!("{path}/metafields/[{}]", place::id_of(&metafield).unwrap_or_default());
            let of_an_app =
                place::text(&metafield, "namespace").is_some_and(|name| name.starts_with("app--"));
            if !of_an_app && self.change(at, &metafield, &Value::Null) {
                let mut identifier = known_by;
                identifier.insert("ownerId".to_owned(), owner.clone());
                self.gathered.taken_away.push(Value::Object(identifier));
            }
        }
    }

    /// Adds the steps that set and take away the metafields gathered so far.
    pub(super) fn set_metafields(&mut self) {
        for chunk in std::mem::take(&mut self.gathered.taken_away).chunks(METAFIELDS_PER_CALL) {
            let input = variables([("metafields", Value::Array(chunk.to_vec()))]);
            self.call(&METAFIELDS_DELETE, "taking away metafields", input);
        }
        for chunk in std::mem::take(&mut self.gathered.set).chunks(METAFIELDS_PER_CALL) {
            let input = variables([("metafields", Value::Array(chunk.to_vec()))]);
            self.call(&METAFIELDS_SET, "metafields", input);
        }
    }
}

fn value_of(metafield: &Value) -> &Value {
    metafield.get("value").unwrap_or(&Value::Null)
}

/// A metafield's value, or a metaobject field's, with markers where its type says that it holds ids.
pub(super) fn metafield_value(metafield: &Value) -> Value {
    let value = value_of(metafield);
    let (Some(kind), Some(spelled)) = (place::text(metafield, "type"), value.as_str()) else {
        return value.clone();
    };
    if !kind.ends_with("_reference") {
        return value.clone();
    }
    match serde_json::from_str::<Vec<String>>(spelled) {
        Ok(ids) if kind.starts_with("list.") => {
            links::json_text(ids.iter().map(|old| links::id(old)).collect())
        }
        _ => links::id(spelled),
    }
}

/// Whether two metafields say the same. JSON is compared as JSON: the platform spells it in its own way.
pub(super) fn same_metafield(wanted: &Value, live: &Value, links: &Links<'_>) -> bool {
    let (one, other) = (links.fill(&metafield_value(wanted)), value_of(live));
    let json = |value: &Value| {
        let parsed: Value = serde_json::from_str(value.as_str()?).ok()?;
        (parsed.is_object() || parsed.is_array()).then_some(parsed)
    };
    place::text(wanted, "type") == place::text(live, "type")
        && (one == *other || json(&one).is_some_and(|one| json(other).is_some_and(|other| one == other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::IdMap;
    use crate::platforms::shopify::gid;

    fn check_same(kind: &str, wanted: &str, live: &str, expected: bool) {
        let mut ledger = IdMap::default();
        ledger.insert("gid://shopify/Product/1", "gid://shopify/Product/9");
        let metafield = |value: &str| json!({"type": kind, "value": value});
        assert_eq!(
            same_metafield(&metafield(wanted), &metafield(live), &Links::new(&ledger, gid::spelled)),
            expected,
            "{wanted} {live}"
        );
    }

    #[test]
    fn metafields_are_compared_by_what_they_mean() {
        check_same("single_line_text_field", "a", "a", true);
        check_same("single_line_text_field", "a", "b", false);
        check_same("number_decimal", "1.0", "1.00", false);
        check_same("json", r#"{"a":1,"b":2}"#, r#"{"b":2, "a":1}"#, true);
        check_same("product_reference", "gid://shopify/Product/1", "gid://shopify/Product/9", true);
        check_same("product_reference", "gid://shopify/Product/1", "gid://shopify/Product/1", false);
        check_same(
            "list.product_reference",
            r#"["gid://shopify/Product/1"]"#,
            r#"["gid://shopify/Product/9"]"#,
            true,
        );
        check_same("single_line_text_field", "gid://shopify/Product/1", "gid://shopify/Product/1", true);
    }
}
