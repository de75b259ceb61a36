//! A whole store in another one: nothing in it leads back.

use std::collections::BTreeSet;

use sandbox::shopify::Running;
use serde_json::Value;

/// No id of the one store stands anywhere in the other.
pub(crate) fn nothing_leads_back(from: &Running, to: &Running) {
    let (old, new) = (ids_in(&from.dump()), ids_in(&to.dump()));
    let both: Vec<&String> = old.intersection(&new).collect();
    assert!(both.is_empty() && old.len() > 500 && new.len() > 500, "{} {} {both:#?}", old.len(), new.len());
}

/// Every id in a store's state, but for those that all stores share.
fn ids_in(dump: &Value) -> BTreeSet<String> {
    let text = dump.to_string();
    let ends = |c: char| matches!(c, '"' | '\\' | '?' | '<' | ' ');
    let ids = text.split("gid://shopify/").skip(1).filter_map(|rest| rest.split(ends).next());
    let shared = |id: &str| {
        id.starts_with("TaxonomyCategory/") || id.starts_with("StandardMetafieldDefinitionTemplate/")
    };
    ids.filter(|id| !shared(id)).map(str::to_owned).collect()
}
