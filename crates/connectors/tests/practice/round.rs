//! One round for every kind: made from a backup, found again by what people know it by, changed, set back, deleted,
//! made anew. After each step nothing is left to do.

use connectors::contract::{FieldChange, IdMap, Lookup, PlanAction, RestoreOptions};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

use super::{Memory, Practice, kind, new_id};

pub async fn empty() -> Practice {
    Practice::open(Settings::empty()).await
}

pub fn gid(kind: &str, number: u32) -> String {
    format!("gid://shopify/{kind}/{number}")
}

pub fn with(base: &Value, changes: &Value) -> Value {
    let mut changed = base.clone();
    for (pointer, value) in changes.as_object().unwrap() {
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
    }
    changed
}

pub fn spelled(changes: &[FieldChange]) -> String {
    changes
        .iter()
        .map(|change| format!("{}\n  from {}\n  to   {}\n", change.path, change.from, change.to))
        .collect()
}

/// Restores and notes the new ids.
pub fn note(ids: &mut IdMap, pairs: &[(String, String)]) {
    pairs.iter().for_each(|(old, new)| ids.insert(old, new));
}

pub async fn restore(
    shop: &Practice,
    name: &str,
    wanted: &Value,
    live: Option<&Value>,
    ids: &mut IdMap,
) -> Value {
    let applied = shop.try_restore(name, wanted, live, ids, &Memory::default()).await.unwrap();
    assert_eq!(applied.problems, Vec::<String>::new(), "{name}");
    note(ids, &applied.ids);
    let id = wanted["id"].as_str().or(wanted["locale"].as_str()).unwrap();
    let now = ids.resolve(&new_id(&applied, id)).to_owned();
    let live = shop.payload(name, &now).await.unwrap_or_else(|| panic!("{name} `{now}` is not there"));
    let plan = shop.store.plan(kind(name), wanted, Some(&live), ids, &RestoreOptions::default());
    assert_eq!(plan.action, PlanAction::Skip, "{name} is not as it was wanted: {}", spelled(&plan.fields));
    live
}

/// The whole round. `changes` are pointers and values.
pub async fn check(shop: &Practice, name: &str, wanted: &Value, changes: &Value, ids: &mut IdMap) {
    assert_eq!(shop.look(name, Lookup::Natural(wanted)).await, None, "{name}");
    let first = restore(shop, name, wanted, None, ids).await;
    let key = ids_filled(wanted, ids);
    let found = shop.look(name, Lookup::Natural(&key)).await;
    let named = |item: &Value| item["id"].as_str().or(item["locale"].as_str()).map(str::to_owned);
    assert_eq!(found.as_ref().and_then(named), named(&first), "{name} is found by its natural key");
    let changed = with(wanted, changes);
    let plan = shop.store.plan(kind(name), &changed, Some(&first), ids, &RestoreOptions::default());
    assert_eq!(plan.action, PlanAction::Update, "{name}");
    assert_eq!(plan.fields.len(), changes.as_object().unwrap().len(), "{name}: {:#?}", plan.fields);
    let second = restore(shop, name, &changed, Some(&first), ids).await;
    let third = restore(shop, name, wanted, Some(&second), ids).await;
    let id = third["id"].as_str().or(third["locale"].as_str()).unwrap();
    shop.store.delete(kind(name), id).await.unwrap();
    if name != "policy" {
        assert_eq!(shop.payload(name, id).await, None, "{name} is deleted");
        restore(shop, name, wanted, None, ids).await;
    }
}

/// A payload with its ids as they are now, where the table of kinds says that ids stand.
pub fn ids_filled(wanted: &Value, ids: &IdMap) -> Value {
    let mut filled = wanted.clone();
    if let Some(id) = filled.pointer_mut("/blog/id") {
        *id = json!(ids.resolve(id.as_str().unwrap()));
    }
    filled
}

pub fn metafield(value: &str) -> Value {
    json!([{"id": gid("Metafield", 77), "namespace": "custom", "key": "note", "type": "single_line_text_field", "value": value}])
}
