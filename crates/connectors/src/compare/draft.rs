//! What would be done to one item: the changes that a plan shows and the steps that a restore takes, made in one go.

use serde_json::{Map, Value};

use super::field::{self, Field, When};
use super::links::{self, Links};
use super::part::{self, Part};
use super::place;
use crate::contract::{Effort, FieldChange, ItemPlan, KindSpec, PlanAction, RestoreOptions, number_of};

/// A restore of one item, being drawn up, in steps of a platform's own.
#[derive(Debug)]
pub struct Draft<'a, Step, Gathered = ()> {
    /// The item's id in the backup.
    pub id: &'a str,
    /// What the item shall be, with ids of the backup.
    pub wanted: &'a Value,
    /// What it is; `None` where it is gone.
    pub live: Option<&'a Value>,
    /// A state that is taken back: what it has and `wanted` has not is taken away. What neither has was added since,
    /// and stays.
    pub former: Option<&'a Value>,
    /// What became of ids.
    pub links: Links<'a>,
    /// What may be touched.
    pub options: &'a RestoreOptions,
    /// Fields that change.
    pub changes: Vec<FieldChange>,
    /// What is to be done, in order.
    pub steps: Vec<Step>,
    /// What does not come back.
    pub losses: Vec<String>,
    /// Why nothing can be done.
    pub refusal: Option<String>,
    /// What the platform gathers on the way, to write it in one go.
    pub gathered: Gathered,
}

impl<'a, Step, Gathered: Default> Draft<'a, Step, Gathered> {
    /// One of which nothing is drawn up yet.
    #[must_use]
    pub fn new(
        id: &'a str,
        wanted: &'a Value,
        live: Option<&'a Value>,
        former: Option<&'a Value>,
        links: Links<'a>,
        options: &'a RestoreOptions,
    ) -> Self {
        let (changes, steps, losses) = (Vec::new(), Vec::new(), Vec::new());
        let (refusal, gathered) = (None, Gathered::default());
        Self { id, wanted, live, former, links, options, changes, steps, losses, refusal, gathered }
    }

    /// What a plan says of it. `effort` is what its steps take.
    #[must_use]
    pub fn plan(self, effort: impl Fn(&Step) -> Effort) -> ItemPlan {
        if let Some(why) = self.refusal {
            return cannot(why);
        }
        let Effort { requests, cost } = self.steps.iter().map(effort).sum();
        ItemPlan {
            action: match (self.live, self.steps.is_empty()) {
                (None, _) => PlanAction::Create,
                (Some(_), false) => PlanAction::Update,
                (Some(_), true) => PlanAction::Skip,
            },
            fields: self.changes,
            losses: self.losses,
            requests,
            cost,
        }
    }

    /// A marker for the item's id.
    pub(crate) fn me(&self) -> Value {
        links::id(self.id)
    }

    /// Whether the item must be made.
    #[must_use]
    pub fn is_birth(&self) -> bool {
        self.live.is_none()
    }

    /// Notes a change, unless the field may not be touched. True where it was noted.
    pub(crate) fn change(&mut self, path: String, from: &Value, to: &Value) -> bool {
        let touched = touches(&self.options.fields, &path);
        if touched {
            self.changes.push(FieldChange { path, from: from.clone(), to: to.clone() });
        }
        touched
    }

    /// The input that leads from `live` to `wanted` over a table of fields: only what differs; all of it where
    /// there is no `live` yet. `path` is where both stand, for the plan.
    pub fn fields(
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
    pub(crate) fn part_fields(
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
                // That there is nothing in a list of ids needs not be said of what is made.
                let says_nothing =
                    matches!(field.form, field::Form::Ids) && value.as_array().is_some_and(Vec::is_empty);
                if field.when != When::Later && !value.is_null() && !says_nothing {
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
                        moved(&marked, &self.links.fill(&marked), &self.links.as_it_is(&made(from)))
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
            // Among ids, what is none is a setting of the list, and nobody's addition.
            if matches!(field.form, field::Form::Ids) && !one.is_string() {
                return false;
            }
            let now = name(&self.links.as_it_is(&input(one)));
            // What is gone may still be named there, by its former id.
            let renamed = name(&self.links.fill(&input(one)));
            ![&known, &former].iter().any(|names| names.contains(&now) || names.contains(&renamed))
        });
        Some(wanted.iter().chain(more).cloned().collect())
    }

    /// The parts below `at` that are there, that the state had which is taken back, and that are wanted no more.
    pub(crate) fn surplus(&self, part: &Part) -> Vec<&'a Value> {
        let list = |of: Option<&'a Value>| of.map_or(&[][..], |of| place::list(of, part.at));
        part::surplus(list(Some(self.wanted)), list(self.live), list(self.former), part.key, &self.links)
    }

    /// Adds a step.
    pub fn step(&mut self, step: Step) {
        self.steps.push(step);
    }
}

/// The plan of what cannot be put back.
pub(crate) fn cannot(why: String) -> ItemPlan {
    let (fields, losses) = (Vec::new(), Vec::new());
    ItemPlan { action: PlanAction::Cannot { why }, fields, losses, requests: 0, cost: 0 }
}

/// Why an item cannot be put back whose kind has no table of what to write.
pub(crate) fn unknown(kind: &KindSpec) -> String {
    format!("There is no way to put {} back yet.", kind.plural)
}

/// Whether a path is among the fields that may be touched. Both are split at `/`, but not within brackets; a `*`
/// stands for any one segment; a pattern covers all that lies below it; one without a leading `/` names a field
/// wherever it stands; no patterns cover everything.
pub(crate) fn touches(patterns: &[String], path: &str) -> bool {
    let path = segments(path);
    patterns.is_empty()
        || patterns.iter().any(|name| {
            let pattern = segments(name);
            if !name.starts_with('/') && pattern.len() == 1 {
                return path.iter().any(|is| *is == name);
            }
            pattern.len() <= path.len()
                && pattern
                    .iter()
                    .zip(&path)
                    .all(|(want, is)| *want == "*" || want == is || is_number_of(want, is))
        })
}

/// Whether a segment names a part by the number of its id alone: `[7]` for `[product.variants/7]`.
fn is_number_of(want: &str, is: &str) -> bool {
    let inner = |segment: &'_ str| segment.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
    let numbers = inner(want).zip(inner(is).as_deref().and_then(number_of));
    numbers.is_some_and(|(want, is)| want == is.to_string())
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
        check("/variants/[7]/price", "/variants/[product.variants/7]/price", true);
        check("/variants/[8]/price", "/variants/[product.variants/7]/price", false);
        check("/title", "/titles", false);
        assert!(touches(&[], price));
    }
}
