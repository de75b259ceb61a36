//! Which scope opens what.

use std::collections::BTreeSet;

use super::store::App;

/// Beginnings of paths and their scopes; the first that fits counts. With `_read_only` at its end a scope opens reads.
const SCOPES: &[(&str, &str)] = &[
    ("/v3/catalog", "store_v2_products"),
    ("/v3/pricelists", "store_v2_products"),
    ("/v3/customers/subscribers", "store_v2_customers"),
    ("/v3/customers/*/stored-instruments", "store_stored_payment_instruments"),
    ("/v3/customers", "store_v2_customers"),
    ("/v3/segments", "store_v2_customers"),
    ("/v3/shopper-profiles", "store_v2_customers"),
    ("/v3/wishlists", "store_v2_customers"),
    ("/v2/customers", "store_v2_customers"),
    ("/v2/customer_groups", "store_v2_customers"),
    ("/v3/orders/*/transactions", "store_v2_transactions"),
    ("/v3/orders/*/payment_actions", "store_v2_transactions"),
    ("/v3/orders/payment_actions", "store_v2_transactions"),
    ("/v3/orders", "store_v2_orders"),
    ("/v2/orders", "store_v2_orders"),
    ("/v2/order_statuses", "store_v2_orders"),
    ("/v2/coupons", "store_v2_marketing"),
    ("/v2/gift_certificates", "store_v2_marketing"),
    ("/v2/banners", "store_v2_marketing"),
    ("/v3/promotions", "store_v2_marketing"),
    ("/v3/content/page-widgets", "store_v2_marketing"),
    ("/v3/content", "store_v2_content"),
    ("/v2/blog", "store_v2_content"),
    ("/v2/pages", "store_v2_content"),
    ("/v2/redirects", "store_v2_content"),
    ("/v3/storefront/redirects", "store_v2_content"),
    ("/v3/storefront/custom-template-associations", THEMES),
    ("/v3/themes", THEMES),
    ("/v3/channels/*/active-theme", "store_channel_settings"),
    ("/v3/channels/*/listings", "store_channel_listings"),
    ("/v3/channels/*/site", "store_sites"),
    ("/v3/channels", "store_channel_settings"),
    ("/v3/sites", "store_sites"),
    ("/v3/inventory/locations/*/items", "store_inventory"),
    ("/v3/inventory/locations", "store_locations"),
    ("/v3/inventory", "store_inventory"),
    ("/v3/shipping", "store_v2_products"),
    ("/v3/hooks", ""),
    ("/v2/time", ""),
    ("", "store_v2_information"),
];

/// The scope of themes, whose name for reading alone is another one.
const THEMES: &str = "store_themes_manage";
const THEMES_READ: &str = "store_themes_read_only";

/// What scripts need that run in the checkout, beside the scope of content.
pub(crate) const CHECKOUT: &str = "store_content_checkout";

/// The scope that opens what other apps keep to themselves in metafields.
pub(crate) const METAFIELDS_OF_ALL: &str = "store_metafield_write_all";

/// The name of an app at the platform.
pub(crate) fn client_id(app: App) -> &'static str {
    match app {
        App::Ours => "practice0client0id0of0the0backup",
        App::Other => "practice0client0id0of0the0other0",
    }
}

/// All scopes that a backup asks for.
pub(crate) fn all() -> BTreeSet<String> {
    let known = SCOPES.iter().map(|(_, scope)| *scope).chain([CHECKOUT]);
    known.filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// The scope that a path needs; empty for none.
pub(crate) fn scope(path: &str) -> &'static str {
    let begins = |known: &str| {
        path == known
            || path.strip_prefix(known).is_some_and(|rest| known.is_empty() || rest.starts_with('/'))
    };
    SCOPES.iter().find(|(known, _)| begins(known)).map(|(_, scope)| *scope).unwrap_or_default()
}

/// Whether these scopes allow a request; `path` has `*` in the place of ids.
pub(crate) fn allows(scopes: &BTreeSet<String>, method: &str, path: &str) -> bool {
    let scope = scope(path);
    let read_only = if scope == THEMES { THEMES_READ.to_owned() } else { format!("{scope}_read_only") };
    scope.is_empty() || scopes.contains(scope) || method == "GET" && scopes.contains(&read_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_opens_its_paths_and_no_others() {
        let scopes = |list: &[&str]| list.iter().map(|scope| (*scope).to_owned()).collect::<BTreeSet<_>>();
        let read = scopes(&["store_v2_products_read_only"]);
        assert!(allows(&read, "GET", "/v3/catalog/products"));
        assert!(!allows(&read, "POST", "/v3/catalog/products"));
        assert!(!allows(&read, "GET", "/v3/customers"));
        assert!(allows(&scopes(&["store_v2_products"]), "POST", "/v3/catalog/products"));
        assert_eq!(scope("/v3/channels/*/sites"), "store_channel_settings");
        assert_eq!(scope("/v3/settings/logo"), "store_v2_information");
        assert!(allows(&scopes(&["store_themes_read_only"]), "GET", "/v3/themes"));
        assert!(!allows(&scopes(&["store_themes_read_only"]), "POST", "/v3/themes"));
    }
}
