//! A whole store in another one: nothing in it leads back.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::conformance::kept::{Elsewhere, elsewhere};
use crate::practice::Practice;

#[tokio::test(flavor = "multi_thread")]
async fn no_id_of_the_one_store_stands_anywhere_in_the_other() {
    let Elsewhere { from, to, kept, .. } = elsewhere::<Practice>().await;
    assert!(kept.len() > 50, "{}", kept.len());
    let (old, new) = (ids_in(&from.running.dump()), ids_in(&to.running.dump()));
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
