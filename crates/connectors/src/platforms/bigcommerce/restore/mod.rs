//! Putting items back.
//!
//! For each kind a table says which fields can be written and where ([`recipe`]); [`draft`] walks it over what is wanted and
//! what is there, and makes of every difference a change for the plan and a request of a restore: they are the same.
//! In reading order: what a request is ([`step`]), the kinds ([`recipe`], [`forms`] and a file per family), and taking the
//! steps ([`run`]).

use serde_json::Value;

use self::draft::Draft;
use self::recipe::{Delete, Recipe, recipe};
use super::assemble::own_id;
use super::client::{Again, Ask, Body};
use super::pages::{Pager, Place};
use super::reading::Reading;
use super::{BigCommerce, documents, live, parts};
use crate::compare::draft::{cannot, unknown};
use crate::compare::links::Links;
use crate::compare::{part, place};
use crate::contract::{
    Applied, Effort, Fault, IdMap, ItemPlan, ItemWrite, KindSpec, RestoreOptions, named, number_of,
};
use crate::engine::http::Verb;

mod customer;
mod document;
mod draft;
mod forms;
mod inventory;
mod price_list;
mod product;
mod promotion;
mod recipe;
mod run;
mod step;

/// Most items that are read in search of one, before it is taken to be none of them.
const FOUND_MAX: usize = 5_000;

/// An id as inputs spell it: the number alone, as a text where the field holds texts.
fn spelled(id: &str, form: Option<&str>) -> Value {
    match (number_of(id), form) {
        (Some(number), None) => number.into(),
        (Some(number), Some(_)) => number.to_string().into(),
        (None, _) => id.into(),
    }
}

/// What would be done to make `live` what `wanted` says, and of a `former` state what that has more. Pure.
pub(super) fn plan(
    kind: &'static KindSpec,
    wanted: &Value,
    live: Option<&Value>,
    former: Option<&Value>,
    ids: &IdMap,
    options: &RestoreOptions,
) -> ItemPlan {
    let Some(recipe) = recipe(kind.name) else { return cannot(unknown(kind)) };
    let draft = drafted(recipe, wanted, live, former, Links::new(ids, spelled), options);
    draft.plan(|_| Effort { requests: 1, cost: 1 })
}

/// Which ids of `wanted`, its parts' included, are others in `live`: old and new. Pure.
pub(super) fn pair(kind: &KindSpec, wanted: &Value, live: &Value, ids: &IdMap) -> Vec<(String, String)> {
    let mut links = Links::new(ids, spelled);
    if let Some(recipe) = recipe(kind.name) {
        note(recipe, wanted, live, &mut links);
    }
    links.pairs()
}

/// Notes which live item, and which of its parts, the wanted ones are.
fn note(recipe: &Recipe, wanted: &Value, live: &Value, links: &mut Links<'_>) {
    if let (Some(old), Some(new)) = (own(recipe, wanted), own(recipe, live)) {
        links.note(&old, &new);
    }
    part::pair(wanted, live, recipe.parts, links);
}

/// The id that an item says of itself.
fn own(recipe: &Recipe, item: &Value) -> Option<String> {
    if recipe.document { documents::id_of(item) } else { place::text(item, recipe.id).map(str::to_owned) }
}

/// Does it.
///
/// # Errors
/// Those of the API and of the journal. What the platform refused of the item is told in [`Applied::problems`].
pub(super) async fn apply(shop: &BigCommerce, write: ItemWrite<'_>) -> Result<Applied, Fault> {
    match recipe(write.kind.name) {
        Some(recipe) => run::apply(shop, recipe, &write).await,
        None => Ok(Applied { problems: vec![unknown(write.kind)], ..Applied::default() }),
    }
}

/// Deletes an item. One that is gone already is fine.
///
/// # Errors
/// [`Fault::Rejected`] where the platform refuses, or the kind has no way to be deleted; else those of the API.
pub(super) async fn delete(shop: &BigCommerce, kind: &'static KindSpec, id: &str) -> Result<(), Fault> {
    let never = || Fault::Rejected(format!("{} cannot be deleted through the API", kind.plural));
    let recipe = recipe(kind.name).ok_or_else(never)?;
    let number = parts::number(id);
    let (path, query) = match recipe.delete {
        Delete::ById => (format!("{}/{number}", recipe.path), Vec::new()),
        Delete::Filter(filter) => (recipe.path.to_owned(), vec![(filter, number)]),
        Delete::Never => return Err(never()),
    };
    // Deleting twice is deleting once, so an answer that was lost is asked for again.
    let ask =
        Ask { method: Verb::Delete, path: &path, query: &query, body: Body::Nothing, again: Again::Safe };
    let answer = shop.client.send(ask).await?;
    match answer.refusal() {
        Some(why) if !answer.is_gone() => {
            Err(Fault::Rejected(format!("the {} `{id}` was not deleted: {why}", kind.name)))
        }
        _ => Ok(()),
    }
}

/// Looks for the live item that has the natural key of `wanted`, whose ids must be present ones.
pub(super) async fn find(
    shop: &BigCommerce,
    kind: &'static KindSpec,
    reading: &'static Reading,
    wanted: &Value,
) -> Result<Option<Value>, Fault> {
    let Some(recipe) = recipe(kind.name) else { return Ok(None) };
    if recipe.document {
        let id = documents::id_of(wanted).unwrap_or_default();
        return Ok(live::nodes(shop, reading, &[id.as_str()]).await?.into_iter().next());
    }
    for find in recipe.find {
        let filters: Option<Vec<(&str, String)>> = find
            .filters
            .iter()
            .map(|(filter, at)| Some((*filter, parts::number(&key(place::at(wanted, at)?)?))))
            .collect();
        let has_key =
            find.same.iter().any(|at| place::at(wanted, at).is_some_and(|value| key(value).is_some()));
        let Some(filters) = filters.filter(|_| has_key) else { continue };
        let mut pager = Pager::new(&shop.client, &reading.list, "", &filters, Place::default());
        let mut seen = 0;
        while let Some(nodes) = pager.next().await? {
            seen += nodes.len();
            let is_it = |node: &Value| {
                let node = named(kind, node.clone());
                find.same.iter().all(|at| same(place::at(wanted, at), place::at(&node, at)))
            };
            if let Some(node) = nodes.into_iter().find(is_it) {
                // What the list's filter finds is read as the list gives it, or once more by its id.
                let id = own_id(reading, &node)?;
                return Ok(live::nodes(shop, reading, &[id.as_str()]).await?.into_iter().next());
            }
            if seen > FOUND_MAX {
                break;
            }
        }
    }
    Ok(None)
}

/// What of a value can be looked for.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether two values of a key are the same. None, zero and an empty text are one; texts are the same in whichever case.
fn same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let plain = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.to_lowercase(),
        Some(Value::Number(number)) if number.as_i64() != Some(0) => number.to_string(),
        _ => String::new(),
    };
    plain(one) == plain(other)
}

/// Whether looking can tell if an item was made.
fn can_tell(recipe: &Recipe, wanted: &Value) -> bool {
    recipe.find.iter().any(|find| find.same.iter().any(|at| place::at(wanted, at).and_then(key).is_some()))
}

/// Draws up one item: the only place where what is wanted and what is there are compared.
fn drafted<'a>(
    recipe: &'static Recipe,
    wanted: &'a Value,
    live: Option<&'a Value>,
    former: Option<&'a Value>,
    mut links: Links<'a>,
    options: &'a RestoreOptions,
) -> Draft<'a> {
    if let Some(live) = live {
        note(recipe, wanted, live, &mut links);
    }
    let id = place::text(wanted, recipe.id).unwrap_or_default();
    let mut draft = Draft::new(id, wanted, live, former, links, options);
    if live.is_none() && !options.fields.is_empty() {
        draft.refusal =
            Some("It is gone, so single fields of it cannot be set back: restore all of it.".to_owned());
        return draft;
    }
    draft::own_fields(&mut draft, recipe);
    (recipe.more)(&mut draft);
    if let Some(path) = recipe.metafields {
        draft::metafields(&mut draft, path);
    }
    draft
}
