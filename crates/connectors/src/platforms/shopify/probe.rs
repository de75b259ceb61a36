//! Looks at a store: who it is, what we may do there, what must be approved.

use serde_json::{Value, json};

use super::documents::{SCOPES, STORE};
use super::kinds::KINDS;
use super::{API_VERSION, Shopify};
use crate::contract::{Fault, MissingScope, Probe};

/// The scope for orders older than sixty days.
pub(super) const OLD_ORDERS: &str = "read_all_orders";

/// Scopes that serve for another.
const ALTERNATIVES: &[(&str, &[&str])] = &[
    ("read_online_store_pages", &["read_content"]),
    ("write_online_store_pages", &["write_content"]),
    ("read_locations", &["read_inventory", "read_markets_home"]),
    ("read_files", &["read_themes", "read_images"]),
    ("write_files", &["write_themes", "write_images"]),
    ("read_locales", &["read_markets_home"]),
];

/// The scopes of the token.
pub(super) async fn granted(shop: &Shopify) -> Result<Vec<String>, Fault> {
    let data = shop.query(SCOPES, json!({})).await?;
    let scopes = data.pointer("/currentAppInstallation/accessScopes").and_then(Value::as_array);
    let scopes = scopes.ok_or_else(|| Fault::Malformed("the token's scopes are not told".to_owned()))?;
    Ok(scopes.iter().filter_map(|scope| scope.get("handle")?.as_str()).map(str::to_owned).collect())
}

/// Whether the scopes allow what `scope` does: leave to write is leave to read.
pub(super) fn allows(granted: &[String], scope: &str) -> bool {
    let has = |scope: &str| {
        let writing = scope.strip_prefix("read_").map(|what| format!("write_{what}"));
        granted.iter().any(|own| own == scope || Some(own) == writing.as_ref())
    };
    let others = ALTERNATIVES.iter().find(|(name, _)| *name == scope).map(|(_, others)| *others);
    has(scope) || others.unwrap_or_default().iter().any(|other| has(other))
}

/// Looks at the store.
pub(super) async fn probe(shop: &Shopify) -> Result<Probe, Fault> {
    let store = shop.query(STORE, json!({})).await?;
    let text = |pointer: &str| store.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let granted = granted(shop).await?;
    Ok(Probe {
        store_id: text("/shop/id"),
        store_name: text("/shop/name"),
        store_domain: text("/shop/myshopifyDomain"),
        api_version: API_VERSION.to_owned(),
        missing: missing(&granted),
        approvals: approvals(&granted),
        granted,
    })
}

fn missing(granted: &[String]) -> Vec<MissingScope> {
    let mut scopes: Vec<&str> = KINDS
        .iter()
        .flat_map(|kind| kind.read_scopes.iter().chain(kind.write_scopes))
        .copied()
        .filter(|scope| !allows(granted, scope))
        .collect();
    scopes.sort_unstable();
    scopes.dedup();
    let costs = |scope: &str| MissingScope {
        scope: scope.to_owned(),
        blocks_reading: KINDS
            .iter()
            .filter(|kind| kind.read_scopes.contains(&scope))
            .map(|kind| kind.name.to_owned())
            .collect(),
        blocks_restoring: KINDS
            .iter()
            .filter(|kind| kind.write_scopes.contains(&scope))
            .map(|kind| kind.name.to_owned())
            .collect(),
    };
    scopes.into_iter().map(costs).collect()
}

fn approvals(granted: &[String]) -> Vec<String> {
    let mut approvals = Vec::new();
    if !granted.iter().any(|scope| scope == OLD_ORDERS) {
        approvals.push(format!(
            "Orders older than 60 days are visible only with `{OLD_ORDERS}`, which Shopify grants on request."
        ));
    }
    if allows(granted, "read_customers") || allows(granted, "read_orders") {
        approvals.push(
            "Names, addresses, mails and phone numbers of customers are visible only when the app has access to \
             protected customer data."
                .to_owned(),
        );
    }
    approvals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &[&str], scope: &str, expected: bool) {
        let own: Vec<String> = own.iter().map(|scope| (*scope).to_owned()).collect();
        assert_eq!(allows(&own, scope), expected, "{own:?} {scope}");
    }

    #[test]
    fn leave_to_write_is_leave_to_read_and_some_scopes_serve_for_others() {
        check(&["read_products"], "read_products", true);
        check(&["write_products"], "read_products", true);
        check(&["read_products"], "write_products", false);
        check(&["write_content"], "read_online_store_pages", true);
        check(&["read_orders"], "read_all_orders", false);
        check(&[], "read_products", false);
    }

    #[test]
    fn a_missing_scope_names_what_it_costs() {
        let granted = vec!["write_products".to_owned()];
        let missing = missing(&granted);
        let inventory = missing.iter().find(|missing| missing.scope == "read_inventory").unwrap();
        assert_eq!(inventory.blocks_reading, ["inventory_item"]);
        assert!(missing.iter().all(|missing| missing.scope != "read_products"));
    }
}
