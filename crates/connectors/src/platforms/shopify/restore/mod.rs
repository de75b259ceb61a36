//! Putting items back.
//!
//! Everything starts from one comparison. For each kind a table says which fields can be written and where they
//! go in the mutation's input; [`draft`] walks it over what is wanted and what is there, and makes of every
//! difference a change for the plan and a piece of a step. A plan counts the steps, a restore takes them: they are
//! the same steps. An item that is gone differs in everything.
//!
//! In reading order: where values stand ([`place`]) and what a field is ([`field`]); which part is which
//! ([`part`]) and what became of ids ([`links`]); the comparison ([`draft`]) and its steps ([`step`]); the kinds
//! ([`recipe`] and a file per family); looking for items ([`find`]) and taking the steps ([`run`]).

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use self::draft::Draft;
use self::links::Links;
use self::recipe::{Recipe, recipe};
use super::{Shopify, gid};
use crate::compare::draft::{cannot, unknown};
use crate::compare::{field, links, part, place};
use crate::contract::{
    Applied, Effort, Fault, IdMap, Item, ItemPlan, ItemWrite, KindSpec, Lookup, RestoreOptions,
};

mod catalog;
mod collection;
mod content;
mod customer;
mod definition;
mod delete;
mod discount;
mod draft;
mod file;
mod find;
mod inventory;
mod lists;
mod location;
mod market;
mod media;
mod metaobject;
mod navigation;
mod order;
mod picture;
mod plain;
mod product;
mod publish;
mod recipe;
mod room;
mod run;
mod script_tag;
mod segment;
mod sent;
mod shop;
mod step;
mod translation;
mod upload;

pub(super) use delete::delete;
pub(super) use room::Room;
pub(super) use sent::documents;

/// How many keys are looked up at a time: what costs a point each must not wait for answers.
const LOOKUPS_AT_ONCE: usize = 24;

/// The live items, in the order asked; `None` where there is none.
///
/// # Errors
/// Those of the API.
pub(super) async fn live(
    shop: &Shopify,
    kind: &'static KindSpec,
    lookups: &[Lookup<'_>],
) -> Result<Vec<Option<Item>>, Fault> {
    let ids: Vec<&str> = lookups
        .iter()
        .filter_map(|lookup| if let Lookup::Id(id) = lookup { Some(*id) } else { None })
        .collect();
    let mut by_id = if ids.is_empty() { Vec::new() } else { shop.nodes(kind, &ids).await? }.into_iter();
    let mut searches: Vec<BoxFuture<'_, Result<Option<Item>, Fault>>> = Vec::new();
    for lookup in lookups {
        if let Lookup::Natural(wanted) = lookup {
            searches.push(Box::pin(natural(shop, kind, wanted)));
        }
    }
    let found = futures::stream::iter(searches).buffered(LOOKUPS_AT_ONCE);
    let mut by_key = found.try_collect::<Vec<_>>().await?.into_iter();
    Ok(lookups
        .iter()
        .map(|lookup| match lookup {
            Lookup::Id(_) => by_id.next().flatten(),
            Lookup::Natural(_) => by_key.next().flatten(),
        })
        .collect())
}

async fn natural(shop: &Shopify, kind: &'static KindSpec, wanted: &Value) -> Result<Option<Item>, Fault> {
    match recipe(kind.name) {
        Some(recipe) => find::natural(shop, kind, &recipe.find, wanted).await,
        None => Ok(None),
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
    let draft = drafted(recipe, wanted, live, former, Links::new(ids, gid::spelled), options);
    draft.plan(|step| Effort { requests: step.requests(), cost: step.cost() })
}

/// Which ids of `wanted`, its parts' included, are others in `live`: old and new. Pure.
pub(super) fn pair(kind: &KindSpec, wanted: &Value, live: &Value, ids: &IdMap) -> Vec<(String, String)> {
    let mut links = Links::new(ids, gid::spelled);
    if let Some(recipe) = recipe(kind.name) {
        part::pair(wanted, live, recipe.parts, &mut links);
    }
    links.pairs()
}

/// Does it.
///
/// # Errors
/// Those of the API and of the journal. What the platform refused of the item is told in [`Applied::problems`].
pub(super) async fn apply(shop: &Shopify, write: ItemWrite<'_>) -> Result<Applied, Fault> {
    match recipe(write.kind.name) {
        Some(recipe) => run::apply(shop, recipe, &write).await,
        None => Ok(Applied { problems: vec![unknown(write.kind)], ..Applied::default() }),
    }
}

/// Draws up one item: the only place where what is wanted and what is there are compared.
fn drafted<'a>(
    recipe: &Recipe,
    wanted: &'a Value,
    live: Option<&'a Value>,
    former: Option<&'a Value>,
    mut links: Links<'a>,
    options: &'a RestoreOptions,
) -> Draft<'a> {
    if let Some(live) = live {
        part::pair(wanted, live, recipe.parts, &mut links);
    }
    let mut draft =
        Draft::new(place::id_of(wanted).unwrap_or_default(), wanted, live, former, links, options);
    if live.is_none() && !options.fields.is_empty() {
        draft.refusal =
            Some("It is gone, so single fields of it cannot be set back: restore all of it.".to_owned());
        return draft;
    }
    (recipe.draft)(&mut draft);
    draft
}

/// The payload with markers where the kind's table says that ids of other items stand.
fn with_present_ids(kind: &KindSpec, wanted: &Value) -> Value {
    let mut marked = wanted.clone();
    for reference in kind.references {
        if let Some(id) = marked.pointer_mut(reference.pointer) {
            *id = links::id_or_null(id);
        }
    }
    marked
}

#[cfg(test)]
mod tests;
