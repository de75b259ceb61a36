//! A whole store, restored into another that is empty: everything that can come back does, and leads to its new
//! neighbours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use std::collections::{BTreeMap, BTreeSet};

use connectors::contract::{IdMap, Lookup, MediaSource, PlanAction, RestoreOptions};
use futures::TryStreamExt as _;
use practice::{Memory, Practice, Stored, kind};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

/// Kinds in the order in which they lean on each other, with the root that lists them.
const ORDER: &[(&str, &str)] = &[
    ("publication", "publications"),
    ("location", "locations"),
    ("metaobject_definition", "metaobjectDefinitions"),
    ("metafield_definition", ""),
    ("file", "files"),
    ("metaobject", ""),
    ("product", "products"),
    ("inventory_item", "inventoryItems"),
    ("collection", "collections"),
    ("page", "pages"),
    ("blog", "blogs"),
    ("article", "articles"),
    ("menu", "menus"),
    ("redirect", "urlRedirects"),
    ("script_tag", "scriptTags"),
    ("segment", "segments"),
    ("web_presence", "webPresences"),
    ("market", "markets"),
    ("price_list", "priceLists"),
    ("catalog", "catalogs"),
    ("translation", ""),
    ("customer", "customers"),
    ("discount", "discountNodes"),
    ("draft_order", "draftOrders"),
];

async fn everything(shop: &Practice) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for (name, root) in ORDER {
        let mut ids = Vec::new();
        match *name {
            "metafield_definition" => {
                for owner in ["PRODUCT", "PRODUCTVARIANT", "COLLECTION", "CUSTOMER", "PAGE"] {
                    let document = format!(
                        "{{ metafieldDefinitions(first: 50, ownerType: {owner}) {{ nodes {{ id }} }} }}"
                    );
                    let answer = shop.owner(&document, json!({})).await;
                    ids.extend(answer["metafieldDefinitions"]["nodes"].as_array().unwrap().clone());
                }
            }
            "translation" => {
                for of in ["PRODUCT", "COLLECTION", "PAGE", "METAOBJECT"] {
                    let document = format!(
                        "{{ translatableResources(first: 50, resourceType: {of}) {{ nodes {{ resourceId translations(locale: \"de\") {{ key }} }} }} }}"
                    );
                    let answer = shop.owner(&document, json!({})).await;
                    let all = answer["translatableResources"]["nodes"].as_array().unwrap();
                    let some = all.iter().filter(|one| !one["translations"].as_array().unwrap().is_empty());
                    ids.extend(some.map(
                        |one| json!({"id": format!("{}?locale=de", one["resourceId"].as_str().unwrap())}),
                    ));
                }
            }
            "metaobject" => {
                let answer =
                    shop.owner("{ metaobjectDefinitions(first: 50) { nodes { type } } }", json!({})).await;
                for definition in answer["metaobjectDefinitions"]["nodes"].as_array().unwrap() {
                    let document = "query($t: String!) { metaobjects(type: $t, first: 50) { nodes { id } } }";
                    let answer = shop.owner(document, json!({"t": definition["type"]})).await;
                    ids.extend(answer["metaobjects"]["nodes"].as_array().unwrap().clone());
                }
            }
            _ => ids.extend(shop.ids(root).await.into_iter().map(|id| json!({"id": id}))),
        }
        for id in ids {
            let id = id["id"].as_str().unwrap();
            let item = shop.payload(name, id).await.unwrap_or_else(|| panic!("{name} {id}"));
            all.push((*name, item));
        }
    }
    all
}

/// The bytes that a backup would have stored beside a file.
async fn stored(shop: &Practice, item: &Value) -> Stored {
    let mut stored = BTreeMap::new();
    for pointer in ["/image/url", "/url", "/originalSource/url"] {
        if let Some(url) = item.pointer(pointer).and_then(Value::as_str) {
            let source = MediaSource { pointer: pointer.to_owned(), url: url.to_owned(), media_type: None };
            if let Ok(body) = shop.store.media(&source).await {
                let all = |mut all: Vec<u8>, part: bytes::Bytes| async move {
                    all.extend_from_slice(&part);
                    Ok(all)
                };
                stored.insert(pointer.to_owned(), body.bytes.try_fold(Vec::new(), all).await.unwrap());
            }
        }
    }
    Stored(stored)
}

#[tokio::test]
async fn everything_comes_back_in_an_empty_store() {
    let from =
        Practice::open(Settings { products: 25, customers: 8, orders: 0, ..Settings::default() }).await;
    let to = Practice::open(Settings::empty()).await;
    // Languages have no id, and come before everything here.
    to.owner("mutation { shopLocaleEnable(locale: \"de\") { userErrors { message } } }", json!({})).await;
    let publish = "mutation { shopLocaleUpdate(locale: \"de\", shopLocale: {published: true}) { userErrors { message } } }";
    to.owner(publish, json!({})).await;
    let options = RestoreOptions::default();
    let mut ids = IdMap::default();
    let all = everything(&from).await;
    let (mut open, mut problems) = (all.iter().collect::<Vec<_>>(), Vec::new());
    // What refers to something that comes after it is set in a second pass.
    for pass in 1..=2 {
        problems.clear();
        let mut again = Vec::new();
        for item @ (name, wanted) in std::mem::take(&mut open) {
            let id = wanted["id"].as_str().unwrap();
            let mut live = if ids.knows(id) { to.payload(name, ids.resolve(id)).await } else { None };
            if live.is_none() {
                live = to.look(name, Lookup::Natural(wanted)).await;
            }
            let plan = to.store.plan(kind(name), wanted, live.as_ref(), &ids, &options);
            if let PlanAction::Cannot { why } = &plan.action {
                problems.push(format!("{name} {id}: {why}"));
                continue;
            }
            let media = stored(&from, wanted).await;
            let applied = to
                .restore_with(name, wanted, live.as_ref(), &ids, &Memory::default(), &options, &media)
                .await
                .unwrap();
            applied.ids.iter().for_each(|(old, new)| ids.insert(old, new));
            if let Some(live) = live.as_ref().and_then(|live| live["id"].as_str()) {
                ids.insert(id, live);
            }
            if !applied.problems.is_empty() {
                problems.extend(applied.problems.iter().map(|why| format!("{name} {id}: {why}")));
                again.push(item);
            }
        }
        open = again;
        assert!(pass == 1 || problems.is_empty(), "{problems:#?}");
    }
    // Nothing is left to do.
    let mut left = Vec::new();
    for (name, wanted) in &all {
        let id = wanted["id"].as_str().unwrap();
        let live = to.payload(name, ids.resolve(id)).await;
        let plan = to.store.plan(kind(name), wanted, live.as_ref(), &ids, &options);
        if plan.action != PlanAction::Skip {
            left.extend(
                plan.fields.iter().map(|one| format!("{name} {}: {} -> {}", one.path, one.from, one.to)),
            );
            left.push(format!("{name} {id}: {:?}", plan.action));
        }
    }
    assert!(
        left.is_empty(),
        "{} of {} are not as they were: {:#?}",
        left.len(),
        all.len(),
        &left[..left.len().min(20)]
    );
    assert!(all.len() > 50, "{}", all.len());
    // Nothing leads back: no id of the one store stands anywhere in the other.
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
