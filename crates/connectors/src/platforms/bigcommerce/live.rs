//! What is on the live store now, of items that are known by their ids, or by what people know them by.

use std::collections::{BTreeMap, BTreeSet};

use domain::Kind;
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::BigCommerce;
use super::assemble::{assemble, own_id};
use super::documents;
use super::pages::{Pager, Place};
use super::parts::{self, PartLine, Variants};
use super::reading::{ById, From, Part, Reading, reading};
use super::restore;
use crate::contract::{Effort, Fault, Item, KindSpec, Line, Lookup};

/// How many items are asked for at once.
const LOOKUPS_AT_ONCE: usize = 8;

/// Those of these items that are there, as their list gives them.
pub(super) async fn nodes(
    shop: &BigCommerce,
    reading: &'static Reading,
    ids: &[&str],
) -> Result<Vec<Value>, Fault> {
    let mut asked: Vec<BoxFuture<'_, Result<Vec<Value>, Fault>>> = Vec::new();
    match reading.by_id {
        _ if ids.is_empty() => {}
        ById::Filter(filter, many) => {
            for chunk in ids.chunks(many) {
                let numbers: Vec<String> = chunk.iter().map(|id| parts::number(id)).collect();
                asked.push(Box::pin(list(shop, reading, filter, numbers.join(","))));
            }
        }
        ById::Document => {
            for id in ids {
                asked.push(Box::pin(async move {
                    Ok(documents::one(&shop.client, id).await?.into_iter().collect())
                }));
            }
        }
        ById::Path => {
            for id in ids {
                asked.push(Box::pin(one(shop, reading, parts::number(id))));
            }
        }
        ById::List => {
            let all = Pager::new(&shop.client, &reading.list, "", &[], Place::default()).rest().await?;
            let is_asked = |node: &Value| own_id(reading, node).is_ok_and(|id| ids.contains(&id.as_str()));
            return Ok(all.into_iter().filter(is_asked).collect());
        }
    }
    let found: Vec<Vec<Value>> = stream::iter(asked).buffered(LOOKUPS_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// One that has a path of its own; none where it is gone.
async fn one(shop: &BigCommerce, reading: &'static Reading, number: String) -> Result<Vec<Value>, Fault> {
    let path = format!("{}/{number}", reading.list.path);
    let included = reading.list.query.iter().filter(|(name, _)| *name == "include");
    let query: Vec<(&str, String)> = included.map(|(name, value)| (*name, (*value).to_owned())).collect();
    let answer = shop.client.get(&path, &query).await?;
    if answer.is_gone() {
        return Ok(Vec::new());
    }
    let body = answer.whole()?;
    let node = if reading.list.path.starts_with("v3/") { body.get("data").cloned() } else { Some(body) };
    // V2 answers with nothing where there is nothing.
    Ok(node.filter(Value::is_object).into_iter().collect())
}

/// Those that a filter of the kind's list finds.
pub(super) async fn list(
    shop: &BigCommerce,
    reading: &'static Reading,
    filter: &'static str,
    value: String,
) -> Result<Vec<Value>, Fault> {
    Pager::new(&shop.client, &reading.list, "", &[(filter, value)], Place::default()).rest().await
}

/// Whole items from what their list gives of them, by their ids.
pub(super) async fn whole(
    shop: &BigCommerce,
    kind: &'static KindSpec,
    reading: &'static Reading,
    nodes: Vec<Value>,
) -> Result<BTreeMap<String, Item>, Fault> {
    let name = Kind::new(kind.name).map_err(|error| Fault::Malformed(error.to_string()))?;
    let line = |id: &str, part: String, value: &Value| Line {
        kind: name.clone(),
        id: id.into(),
        part: part.into(),
        bytes: value.to_string().into_bytes(),
    };
    let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut variants = Variants::default();
    for (node, parts) in parts::each(shop, reading, nodes).await? {
        variants.note(&node);
        let id = own_id(reading, &node)?;
        let mut own = vec![line(&id, String::new(), &node)];
        own.extend(parts.into_iter().map(|PartLine { part, value, .. }| line(&id, part, &value)));
        lines.insert(id, own);
    }
    let ids: BTreeSet<String> = lines.keys().cloned().collect();
    for PartLine { id, part, value } in parts::of_owners(shop, reading, &ids, &variants).await? {
        let line = line(&id, part, &value);
        lines.entry(id).or_default().push(line);
    }
    let mut items = BTreeMap::new();
    for (id, mut lines) in lines {
        lines.sort_by(|one, other| one.part.cmp(&other.part));
        if let Some(item) = assemble(kind, &id, &lines)? {
            items.insert(id, item);
        }
    }
    Ok(items)
}

/// The live items, in the order asked; `None` where there is none.
pub(super) async fn live(
    shop: &BigCommerce,
    kind: &'static KindSpec,
    lookups: &[Lookup<'_>],
) -> Result<Vec<Option<Item>>, Fault> {
    let reading =
        reading(kind.name).ok_or_else(|| Fault::Malformed(format!("`{}` is not a kind", kind.name)))?;
    let by_id: Vec<&str> = lookups
        .iter()
        .filter_map(|lookup| if let Lookup::Id(id) = lookup { Some(*id) } else { None })
        .collect();
    let mut found = nodes(shop, reading, &by_id).await?;
    let mut searches: Vec<BoxFuture<'_, Result<Option<Value>, Fault>>> = Vec::new();
    for lookup in lookups {
        searches.push(match lookup {
            Lookup::Id(_) => Box::pin(std::future::ready(Ok(None))),
            Lookup::Natural(wanted) => Box::pin(restore::find(shop, kind, reading, wanted)),
        });
    }
    let named: Vec<Option<Value>> = stream::iter(searches).buffered(LOOKUPS_AT_ONCE).try_collect().await?;
    let mut ids: Vec<Option<String>> = Vec::with_capacity(lookups.len());
    for (lookup, named) in lookups.iter().zip(named) {
        ids.push(match (lookup, named) {
            (Lookup::Id(id), _) => Some((*id).to_owned()),
            (Lookup::Natural(_), Some(node)) => {
                let id = own_id(reading, &node)?;
                found.push(node);
                Some(id)
            }
            (Lookup::Natural(_), None) => None,
        });
    }
    found.sort_by_key(|node| own_id(reading, node).unwrap_or_default());
    found.dedup_by_key(|node| own_id(reading, node).unwrap_or_default());
    let items = whole(shop, kind, reading, found).await?;
    Ok(ids.into_iter().map(|id| id.and_then(|id| items.get(&id).cloned())).collect())
}

/// What it takes to look these items up by their ids once more.
pub(super) fn looking(kind: &'static KindSpec, items: &[&Value]) -> Effort {
    let Some(reading) = reading(kind.name) else { return Effort::default() };
    let many = items.len();
    let nodes = match reading.by_id {
        ById::Filter(_, at_once) => many.div_ceil(at_once),
        ById::Path | ById::Document => many,
        ById::List => usize::from(many > 0),
    };
    let beside: usize = reading
        .parts
        .iter()
        .map(|Part { from, .. }| match from {
            From::Each { when, .. } => items.iter().filter(|item| when(item)).count(),
            From::Bulk { .. } => usize::from(many > 0),
        })
        .sum();
    let requests = (nodes + beside) as u64;
    Effort { requests, cost: requests }
}
