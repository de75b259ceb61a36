//! What would be done to one item: the changes that a plan shows and the steps that a restore takes, made in one go.

use serde_json::{Map, Value, json};

use super::field::{self, Field, When};
use super::links::{self, Links};
use super::part::{self, Named, Part};
use super::place;
use super::product::by_namespace_and_key;
use super::step::{Call, Step, variables};
use crate::contract::{FieldChange, RestoreOptions};

/// Most metafields that one call takes.
const METAFIELDS_PER_CALL: usize = 25;

static METAFIELDS_DELETE: Call =
    Call::new("metafieldsDelete", include_str!("../documents/write/metafieldsDelete.graphql"), 10);
static METAFIELDS_SET: Call =
    Call::new("metafieldsSet", include_str!("../documents/write/metafieldsSet.graphql"), 10)
        .of_many("metafields");

/// A restore of one item, being drawn up.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// What the item shall be, with ids of the backup.
    pub(super) wanted: &'a Value,
    /// What it is; `None` where it is gone.
    pub(super) live: Option<&'a Value>,
    /// A state that is taken back: what it has and `wanted` has not is taken away. What neither has was added since,
    /// and stays.
    pub(super) former: Option<&'a Value>,
    /// What became of ids.
    pub(super) links: Links<'a>,
    /// What may be touched.
    pub(super) options: &'a RestoreOptions,
    /// Fields that change.
    pub(super) changes: Vec<FieldChange>,
    /// What is to be done, in order.
    pub(super) steps: Vec<Step>,
    /// What does not come back.
    pub(super) losses: Vec<String>,
    /// Why nothing can be done.
    pub(super) refusal: Option<String>,
    metafields: Vec<Value>,
    taken_away: Vec<Value>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        wanted: &'a Value,
        live: Option<&'a Value>,
        former: Option<&'a Value>,
        links: Links<'a>,
        options: &'a RestoreOptions,
    ) -> Self {
        let (changes, steps, losses) = (Vec::new(), Vec::new(), Vec::new());
        let (metafields, taken_away) = (Vec::new(), Vec::new());
        let refusal = None;
        Self { wanted, live, former, links, options, changes, steps, losses, refusal, metafields, taken_away }
    }

    /// The item's id in the backup.
    pub(super) fn id(&self) -> &'a str {
        place::id_of(self.wanted).unwrap_or_default()
    }

    /// A marker for the item's id.
    pub(super) fn me(&self) -> Value {
        links::id(self.id())
    }

    /// Whether the item must be made.
    pub(super) fn is_birth(&self) -> bool {
        self.live.is_none()
    }

    /// Notes a change, unless the field may not be touched. True where it was noted.
    pub(super) fn change(&mut self, path: String, from: &Value, to: &Value) -> bool {
        let touched = touches(&self.options.fields, &path);
        if touched {
            self.changes.push(FieldChange { path, from: from.clone(), to: to.clone() });
        }
        touched
    }

    /// The input that leads from `live` to `wanted` over a table of fields: only what differs; all of it where
    /// there is no `live` yet. `path` is where both stand, for the plan.
    pub(super) fn fields(
        &mut self,
        table: &[Field],
        path: &str,
        wanted: &Value,
        live: Option<&Value>,
    ) -> Map<String, Value> {
        let former = self.former.and_then(|former| place::at(former, path.trim_start_matches('/')));
        self.part_fields(table, path, wanted, live, former)
    }

    /// The same for a part whose state that is taken back is known.
    pub(super) fn part_fields(
        &mut self,
        table: &[Field],
        path: &str,
        wanted: &Value,
        live: Option<&Value>,
        former: Option<&Value>,
    ) -> Map<String, Value> {
        let mut input = Map::new();
        for field in table {
            let Some(to) = place::at(wanted, field.from) else { continue };
            let Some(live) = live else {
                let value = field.form.input(to);
                if field.when != When::Later && !value.is_null() {
                    place::put(&mut input, field.to, value);
                }
                continue;
            };
            let from = place::at(live, field.from).unwrap_or(&Value::Null);
            let grown = self.grown(field, to, from, former);
            let to = grown.as_ref().unwrap_or(to);
            if field.when != When::AtBirth
                && field::differs(field, to, from, &self.links)
                && self.change(format!("{path}/{}", field.from), from, to)
            {
                let value = match field.form {
                    field::Form::Moved { made, moved } => {
                        let marked = made(to);
                        moved(&marked, &self.links.fill(&marked), &links::as_it_is(&made(from)))
                    }
                    form => form.input(to),
                };
                place::put(&mut input, field.to, value);
            }
        }
        input
    }

    /// The list that is set in place of the wanted one, where the API takes lists whole: what was added since would
    /// vanish, and is therefore named too. What the state has that is taken back is not.
    fn grown(&self, field: &Field, wanted: &Value, live: &Value, former: Option<&Value>) -> Option<Value> {
        let name = field.name_of()?;
        let (wanted, live) = (wanted.as_array()?, live.as_array()?);
        let former = former.map_or(&[][..], |former| place::list(former, field.from));
        let input = |one: &Value| field.form.input(&Value::Array(vec![one.clone()]));
        let named = |list: &[Value]| -> Vec<String> {
            list.iter().map(|one| name(&self.links.fill(&input(one)))).collect()
        };
        let (known, former) = (named(wanted), named(former));
        let more = live.iter().filter(|one| {
            let name = name(&links::as_it_is(&input(one)));
            !known.contains(&name) && !former.contains(&name)
        });
        Some(wanted.iter().chain(more).cloned().collect())
    }

    /// The parts below `at` that are there, that the state had which is taken back, and that are wanted no more.
    pub(super) fn surplus(&self, part: &Part) -> Vec<&'a Value> {
        let list = |of: Option<&'a Value>| of.map_or(&[][..], |of| place::list(of, part.at));
        part::surplus(list(Some(self.wanted)), list(self.live), list(self.former), part.key, &self.links)
    }

    /// Adds a step.
    pub(super) fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

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
            self.metafields.push(json!({
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
                self.taken_away.push(Value::Object(identifier));
            }
        }
    }

    /// Adds the steps that set and take away the metafields gathered so far.
    pub(super) fn set_metafields(&mut self) {
        for chunk in std::mem::take(&mut self.taken_away).chunks(METAFIELDS_PER_CALL) {
            let input = variables([("metafields", Value::Array(chunk.to_vec()))]);
            self.call(&METAFIELDS_DELETE, "taking away metafields", input);
        }
        for chunk in std::mem::take(&mut self.metafields).chunks(METAFIELDS_PER_CALL) {
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

/// Whether a path is among the fields that may be touched. Both are split at `/`, but not within brackets; a `*`
/// stands for any one segment; a pattern covers all that lies below it; one without a leading `/` names a field
/// wherever it stands; no patterns cover everything.
pub(super) fn touches(patterns: &[String], path: &str) -> bool {
    let path = segments(path);
    patterns.is_empty()
        || patterns.iter().any(|name| {
            let pattern = segments(name);
            if !name.starts_with('/') && pattern.len() == 1 {
                return path.iter().any(|is| *is == name);
            }
            pattern.len() <= path.len()
                && pattern.iter().zip(&path).all(|(want, is)| *want == "*" || want == is)
        })
}

fn segments(path: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    path.split(|c| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '/' && depth == 0
    })
    .filter(|segment| !segment.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::IdMap;

    #[test]
    fn patterns_cover_what_lies_below_them() {
        let check = |pattern: &str, path: &str, expected: bool| {
            assert_eq!(touches(&[pattern.to_owned()], path), expected, "{pattern} {path}");
        };
        let price = "/variants/[gid://shopify/ProductVariant/1]/price";
        check("/variants", price, true);
        check("/variants/*/price", price, true);
        check("/variants/*/compareAtPrice", price, false);
        check("/variants/[gid://shopify/ProductVariant/1]", price, true);
        check("/variants/[gid://shopify/ProductVariant/2]", price, false);
        check("/variants/*/price", "/variants/[gid://shopify/ProductVariant/1]", false);
        check("title", "/title", true);
        check("price", price, true);
        check("compareAtPrice", price, false);
        check("/price", price, false);
        check("/title", "/titles", false);
        assert!(touches(&[], price));
    }

    fn check_same(kind: &str, wanted: &str, live: &str, expected: bool) {
        let mut ledger = IdMap::default();
        ledger.insert("gid://shopify/Product/1", "gid://shopify/Product/9");
        let metafield = |value: &str| json!({"type": kind, "value": value});
        assert_eq!(
            same_metafield(&metafield(wanted), &metafield(live), &Links::new(&ledger)),
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
