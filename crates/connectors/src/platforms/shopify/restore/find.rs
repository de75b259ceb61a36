//! Looking for the item that has a payload's natural key.
//!
//! Where the platform looks such a key up exactly, it is asked to. Its searches lag behind what was written, so
//! they come second, and whatever they find is compared with the key before it is believed.

use serde_json::{Map, Value, json};

use super::place;
use crate::contract::{Fault, Item, KindSpec};
use crate::platforms::shopify::Shopify;
use crate::platforms::shopify::gid;

/// Most items that are read of a search, before it is taken to have found nothing certain.
const FOUND_MAX: usize = 250;

/// How an item is found again by what people know it by.
#[derive(Debug)]
pub(super) enum Find {
    /// The platform looks it up: the first of these ways whose fields the payload has.
    Exact(&'static [Way]),
    /// The platform searches; `same` tells whether a live item is the one.
    Search {
        /// What to search for; `None` where the payload does not have it.
        query: fn(&Value) -> Option<String>,
        /// Whether the live item (second) has the key of the wanted one (first).
        same: fn(&Value, &Value) -> bool,
    },
    /// First the ways, then the search.
    Either(&'static [Way], fn(&Value) -> Option<String>, fn(&Value, &Value) -> bool),
    /// There is only one.
    Only,
    /// What it is tells its id; `None` where the payload does not.
    Known(fn(&Value) -> Option<String>),
    /// Nothing but its id tells it from others.
    Nothing,
}

/// A document that looks a key up.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) document: &'static str,
    /// Under which name the answer holds it.
    pub(super) root: &'static str,
    /// Variables, and where their values stand in the payload.
    pub(super) variables: &'static [(&'static str, &'static str)],
}

impl Find {
    /// Whether looking can tell if an item was made: whether it has what it would be found by.
    pub(super) fn can_tell(&self, wanted: &Value) -> bool {
        let looked_up = |ways: &[Way]| {
            ways.iter().any(|way| way.variables.iter().all(|(_, at)| place::text(wanted, at).is_some()))
        };
        match self {
            Self::Exact(ways) => looked_up(ways),
            Self::Search { query, .. } => query(wanted).is_some(),
            Self::Either(ways, query, _) => looked_up(ways) || query(wanted).is_some(),
            Self::Only => true,
            Self::Known(id) => id(wanted).is_some(),
            Self::Nothing => false,
        }
    }

    /// Whether what was just written may not be found yet.
    pub(super) fn lags(&self) -> bool {
        matches!(self, Self::Search { .. } | Self::Either(..))
    }
}

/// Looks for the live item that has the natural key of `wanted`, whose ids must be present ones.
pub(super) async fn natural(
    shop: &Shopify,
    kind: &'static KindSpec,
    find: &Find,
    wanted: &Value,
) -> Result<Option<Item>, Fault> {
    match find {
        Find::Nothing => Ok(None),
        Find::Only => Ok(shop.find(kind, "", 1).await?.into_iter().next()),
        Find::Known(id) => match id(wanted) {
            Some(id) => Ok(shop.nodes(kind, &[id.as_str()]).await?.into_iter().next().flatten()),
            None => Ok(None),
        },
        Find::Exact(ways) => exact(shop, kind, ways, wanted).await,
        Find::Search { query, same } => search(shop, kind, *query, *same, wanted).await,
        Find::Either(ways, query, same) => match exact(shop, kind, ways, wanted).await? {
            Some(item) => Ok(Some(item)),
            None => search(shop, kind, *query, *same, wanted).await,
        },
    }
}

async fn exact(
    shop: &Shopify,
    kind: &'static KindSpec,
    ways: &'static [Way],
    wanted: &Value,
) -> Result<Option<Item>, Fault> {
    for way in ways {
        let variables: Option<Map<String, Value>> = way
            .variables
            .iter()
            .map(|(name, at)| Some(((*name).to_owned(), json!(place::text(wanted, at)?))))
            .collect();
        let Some(variables) = variables else { continue };
        let answer = shop.query(way.document, Value::Object(variables)).await?;
        // The ways after this one are for items that it does not apply to. Whoever has only the next key in common, such
        // as a phone that changed hands, is somebody else.
        let Some(id) = answer.get(way.root).and_then(place::id_of) else { return Ok(None) };
        // The answer may name the type otherwise than the kind does: the payload says how.
        let id = place::id_of(wanted).map_or_else(|| id.to_owned(), |like| gid::named_like(like, id));
        return Ok(shop.nodes(kind, &[id.as_str()]).await?.into_iter().next().flatten());
    }
    Ok(None)
}

async fn search(
    shop: &Shopify,
    kind: &'static KindSpec,
    query: fn(&Value) -> Option<String>,
    same: fn(&Value, &Value) -> bool,
    wanted: &Value,
) -> Result<Option<Item>, Fault> {
    let Some(query) = query(wanted) else { return Ok(None) };
    for item in shop.find(kind, &query, FOUND_MAX).await? {
        if same(wanted, &payload(&item)?) {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

/// An item's payload as JSON.
pub(super) fn payload(item: &Item) -> Result<Value, Fault> {
    serde_json::from_slice(&item.payload)
        .map_err(|error| Fault::Malformed(format!("`{}` is not JSON: {error}", item.id)))
}

/// A search for one value of a field.
pub(super) fn query(field: &str, value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    for letter in value.chars() {
        if matches!(letter, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    format!("{field}:'{quoted}'")
}

/// Whether two payloads have the same text at a place.
pub(super) fn same_text(wanted: &Value, live: &Value, at: &str) -> bool {
    place::text(wanted, at).is_some() && place::text(wanted, at) == place::text(live, at)
}
