//! Looking at a store before anything is read.

use std::collections::BTreeMap;

use url::Url;

use super::reading::{List, Way, lists};
use super::{API_VERSION, BigCommerce, KINDS};
use crate::contract::{Fault, KindSpec, MissingScope, Probe};
use crate::engine::http::store_url;

/// What the store says of itself.
async fn store(shop: &BigCommerce) -> Result<serde_json::Value, Fault> {
    let answer = shop.client.get("v2/store", &[]).await?;
    let not_it = |why: &str| Fault::NotThePlatform(format!("{} {why}", shop.client.host()));
    if answer.is_gone() {
        return Err(not_it("has no such store"));
    }
    let store = answer.whole()?;
    if store.get("id").is_none_or(|id| !id.is_string()) {
        return Err(not_it("does not answer as BigCommerce does: the store has no id"));
    }
    Ok(store)
}

/// Where the store's own files lie.
pub(super) async fn origin(shop: &BigCommerce) -> Result<Url, Fault> {
    let store = store(shop).await?;
    let url = store.get("secure_url").and_then(serde_json::Value::as_str).unwrap_or_default();
    store_url(url)
}

/// Who the store is, and what may be seen of it. The platform does not tell which scopes a token has, so one list of each
/// is asked for.
pub(super) async fn probe(shop: &BigCommerce) -> Result<Probe, Fault> {
    let store = store(shop).await?;
    let text =
        |field: &str| store.get(field).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let (mut granted, mut missing) = (Vec::new(), Vec::new());
    for scope in scopes() {
        let Some(list) = first_list(scope) else { continue };
        match may(shop, &list).await? {
            true => granted.push(scope.to_owned()),
            false => missing.push(costs(scope)),
        }
    }
    let mut approvals = vec![
        "BigCommerce does not tell whether a token may write: that is seen when something is restored.".to_owned(),
        "BigCommerce shows an app only the scripts and webhooks that it made itself, and metafields that other apps keep \
         to themselves only with the scope `store_metafield_write_all`: what is hidden is not backed up."
            .to_owned(),
    ];
    if granted.iter().any(|scope| scope.starts_with("store_v2_customers")) {
        approvals.push("Passwords cannot be read: customers who are restored set a new one.".to_owned());
    }
    Ok(Probe {
        store_id: text("id"),
        store_name: text("name"),
        store_domain: text("domain"),
        api_version: API_VERSION.to_owned(),
        granted,
        missing,
        approvals,
    })
}

/// Those of these kinds that can be read.
pub(super) async fn readable<'a>(
    shop: &BigCommerce,
    kinds: impl Iterator<Item = &'a KindSpec>,
) -> Result<Vec<&'a KindSpec>, Fault> {
    let (mut seen, mut readable) = (BTreeMap::new(), Vec::new());
    for kind in kinds {
        let mut all = true;
        for scope in kind.read_scopes {
            let known = seen.get(scope).copied();
            let may = match (known, first_list(scope)) {
                (Some(known), _) => known,
                (None, Some(list)) => may(shop, &list).await?,
                (None, None) => true,
            };
            seen.insert(*scope, may);
            all &= may;
        }
        if all {
            readable.push(kind);
        }
    }
    Ok(readable)
}

/// Scopes without which something cannot be read.
fn scopes() -> Vec<&'static str> {
    let mut all: Vec<&str> = KINDS.iter().flat_map(|kind| kind.read_scopes).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A list that takes this scope, and no other where there is one.
fn first_list(scope: &str) -> Option<List> {
    let takes = |kind: &&KindSpec| kind.read_scopes.contains(&scope);
    let alone = KINDS.iter().filter(takes).min_by_key(|kind| kind.read_scopes.len())?;
    if scope == TRANSACTIONS {
        return Some(List {
            path: "v3/orders/payment_actions/refunds",
            query: &[],
            way: Way::Pages,
            limit: 1,
        });
    }
    lists().find(|(kind, _)| *kind == alone.name).map(|(_, list)| list)
}

const TRANSACTIONS: &str = "store_v2_transactions_read_only";

async fn may(shop: &BigCommerce, list: &List) -> Result<bool, Fault> {
    let limit = match list.way {
        Way::One | Way::Whole | Way::Documents(_) => Vec::new(),
        _ => vec![("limit", "1".to_owned())],
    };
    match shop.client.get(list.path, &limit).await {
        Ok(_) => Ok(true),
        Err(Fault::Forbidden(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// What the lack of a scope costs.
fn costs(scope: &str) -> MissingScope {
    let of = |scopes: fn(&KindSpec) -> &[&'static str], scope: &str| -> Vec<String> {
        KINDS.iter().filter(|kind| scopes(kind).contains(&scope)).map(|kind| kind.name.to_owned()).collect()
    };
    MissingScope {
        scope: scope.to_owned(),
        blocks_reading: of(|kind| kind.read_scopes, scope),
        blocks_restoring: of(|kind| kind.write_scopes, scope.trim_end_matches("_read_only")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_list_to_be_seen_by() {
        for scope in scopes() {
            assert!(first_list(scope).is_some(), "{scope}");
            assert!(!costs(scope).blocks_reading.is_empty(), "{scope}");
        }
        assert!(costs("store_v2_products_read_only").blocks_restoring.contains(&"brand".to_owned()));
    }
}
