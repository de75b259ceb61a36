//! Everything put back: into an empty store, and into the store that it came from, after it was spoilt.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use connectors::contract::{
    Applied, Fault, IdMap, Item, ItemPlan, ItemWrite, KindSpec, Lookup, PlanAction, Restorable,
    RestoreOptions, Store, named,
};
use connectors::platforms::bigcommerce::{KINDS, kind};
use domain::{AuditError, AuditEvent, AuditSink};
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};

use crate::journal::{Memory, Stored};
use crate::practice::{Practice, fetch, requests};

/// An item of a backup.
struct Kept {
    spec: &'static KindSpec,
    id: String,
    wanted: Value,
    media: Stored,
}

fn payload(spec: &'static KindSpec, item: &Item) -> Value {
    named(spec, serde_json::from_slice(&item.payload).unwrap())
}

/// All items of a store with their bytes, in the order of restore, what is referred to within a kind first.
async fn backup(store: &dyn Store) -> Vec<Kept> {
    let items = fetch(store, requests(&[], None)).await.unwrap().items(store);
    let mut kept = Vec::new();
    for spec in KINDS {
        for ((_, id), item) in items.iter().filter(|((of, _), _)| of == spec.name) {
            let mut media = Stored::default();
            for source in &item.media {
                let body = store.media(source).await.unwrap();
                let bytes: Vec<bytes::Bytes> = body.bytes.try_collect().await.unwrap();
                media.0.insert(source.pointer.clone(), bytes.concat());
            }
            kept.push(Kept { spec, id: id.clone(), wanted: payload(spec, item), media });
        }
    }
    // Parents before their children.
    let depth = |one: &Kept, all: &[(String, Value)]| {
        let (mut depth, mut at) = (0, one.wanted["parent_id"].as_str().map(str::to_owned));
        while let Some(parent) = at {
            depth += 1;
            at = all
                .iter()
                .find(|(id, _)| *id == parent)
                .and_then(|(_, wanted)| wanted["parent_id"].as_str().map(str::to_owned));
        }
        depth
    };
    let all: Vec<(String, Value)> = kept.iter().map(|one| (one.id.clone(), one.wanted.clone())).collect();
    let order = |name: &str| KINDS.iter().position(|spec| spec.name == name);
    kept.sort_by_key(|one| (order(one.spec.name), depth(one, &all)));
    kept
}

async fn live(store: &dyn Store, spec: &'static KindSpec, lookup: Lookup<'_>) -> Option<(String, Value)> {
    let lookups = [lookup];
    let found = store.live(spec, &lookups).await.unwrap().into_iter().next().flatten()?;
    Some((found.id.to_string(), payload(spec, &found)))
}

/// A value with the ids that are known now.
fn renamed(value: &Value, ids: &IdMap) -> Value {
    match value {
        Value::String(id) => ids.resolve(id).into(),
        Value::Array(list) => list.iter().map(|one| renamed(one, ids)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, one)| (name.clone(), renamed(one, ids))).collect(),
        other => other.clone(),
    }
}

async fn write(
    store: &dyn Store,
    one: &Kept,
    live: Option<&Value>,
    ids: &IdMap,
    journal: &Memory,
) -> Result<Applied, Fault> {
    let options = RestoreOptions::default();
    let (kind, id, wanted, media) = (one.spec, one.id.as_str(), &one.wanted, &one.media);
    store
        .apply(ItemWrite { kind, id, wanted, live, former: None, options: &options, ids, media, journal })
        .await
}

fn plan(store: &dyn Store, one: &Kept, live: Option<&Value>, ids: &IdMap) -> ItemPlan {
    store.plan(one.spec, &one.wanted, live, ids, &RestoreOptions::default())
}

/// What is there in the place of an item: by the id that it has now, or by what people know it by.
async fn there(store: &dyn Store, one: &Kept, ids: &IdMap) -> Option<(String, Value)> {
    if ids.knows(&one.id) || ids.is_of_one_store() {
        let now = ids.resolve(&one.id).to_owned();
        if let Some(found) = live(store, one.spec, Lookup::Id(&now)).await {
            return Some(found);
        }
    }
    live(store, one.spec, Lookup::Natural(&renamed(&one.wanted, ids))).await
}

fn spelled(plan: &ItemPlan) -> String {
    plan.fields
        .iter()
        .map(|change| format!("{}\n  from {}\n  to   {}\n", change.path, change.from, change.to))
        .collect()
}

/// Puts everything back that can be. Twice: the second time for references that led nowhere at first.
async fn restore(store: &dyn Store, kept: &[Kept], ids: &mut IdMap) -> Vec<String> {
    let mut problems = Vec::new();
    for round in 1..=2 {
        for one in kept.iter().filter(|one| !matches!(one.spec.restore, Restorable::Never(_))) {
            let found = there(store, one, ids).await;
            if let Some((id, now)) = &found {
                store
                    .pair(one.spec, &one.wanted, now, ids)
                    .iter()
                    .for_each(|(old, new)| ids.insert(old, new));
                ids.insert(&one.id, id);
            }
            if found.is_none() && matches!(one.spec.restore, Restorable::UpdateOnly(_)) {
                continue;
            }
            let now = found.as_ref().map(|(_, now)| now);
            if matches!(plan(store, one, now, ids).action, PlanAction::Skip | PlanAction::Cannot { .. }) {
                continue;
            }
            let applied = write(store, one, now, ids, &Memory::default()).await.unwrap();
            applied.ids.iter().for_each(|(old, new)| ids.insert(old, new));
            // What is not there yet may be refused at first.
            let told = applied.problems.iter().filter(|_| round == 2);
            problems.extend(told.map(|why| format!("{} {}: {why}", one.spec.name, one.id)));
        }
    }
    problems
}

/// How many single values there are.
fn fields(value: &Value) -> u64 {
    match value {
        Value::Object(fields_of) => fields_of.values().map(fields).sum(),
        Value::Array(list) => list.iter().map(fields).sum(),
        _ => 1,
    }
}

/// The page that says what comes back, and what share did in this very round trip.
fn page(written: &BTreeMap<&str, (u64, u64, u64)>) -> String {
    let mut page = String::from(
        "# What comes back of a BigCommerce store\n\n\
         Generated by the tests of `connectors` from the connector's tables and a round trip between two practice stores.\n\
         Do not edit: `CARETAKER_BLESS=1 cargo test -p connectors --test bigcommerce` writes it anew.\n\n\
         A practice store was read, put back into an empty one, and that one read: so many of the single values are the\n\
         same, once ids are mapped. What is listed as lost is among those that are not.\n\n\
         | kind | items | fields | identical | differ, as listed below |\n|---|---|---|---|---|\n",
    );
    for spec in KINDS {
        let _ = match written.get(spec.name) {
            Some((items, fields, lost)) => {
                writeln!(page, "| {} | {items} | {fields} | {} | {lost} |", spec.name, fields - lost)
            }
            None => writeln!(page, "| {} | not restored | | | |", spec.name),
        };
    }
    for spec in KINDS {
        let _ = writeln!(page, "\n## {}\n", spec.plural);
        match spec.restore {
            Restorable::Yes => {}
            Restorable::UpdateOnly(why) | Restorable::Never(why) => {
                let _ = writeln!(page, "{why}\n");
            }
        }
        let scopes: Vec<String> = spec.read_scopes.iter().map(|scope| format!("`{scope}`")).collect();
        let scopes =
            if scopes.is_empty() { "no scope beyond the default".to_owned() } else { scopes.join(", ") };
        let _ = writeln!(page, "Read with {scopes}.");
        if !spec.lost.is_empty() {
            let _ = writeln!(page, "\nWhat does not come back:\n");
        }
        for loss in spec.lost {
            let pointer = if loss.pointer.is_empty() { "/" } else { loss.pointer };
            let _ = writeln!(page, "- `{pointer}`: {}", loss.why);
        }
    }
    page
}

/// Where two values differ, with both: short enough to read. Lists of parts are compared in the order of their ids.
fn differences(at: &str, left: &Value, right: &Value, found: &mut Vec<(String, String)>) {
    match (left, right) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let null = Value::Null;
            for key in keys {
                differences(
                    &format!("{at}/{key}"),
                    one.get(key).unwrap_or(&null),
                    other.get(key).unwrap_or(&null),
                    found,
                );
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            // A price has no id.
            let key = |value: &Value| match (value.get("id"), value.get("variant_id")) {
                (Some(id), _) => id.to_string(),
                (None, Some(variant)) => format!("{variant} {}", value["currency"]),
                (None, None) => value.to_string(),
            };
            let (mut one, mut other) = (one.clone(), other.clone());
            one.sort_by_key(key);
            other.sort_by_key(key);
            for (one, other) in one.iter().zip(&other) {
                differences(&format!("{at}/*"), one, other, found);
            }
        }
        _ if left == right => {}
        _ => found.push((at.to_owned(), format!("{left} != {right}"))),
    }
}

/// Whether a field may differ: it is lost by the table, or moves by itself.
fn is_excused(spec: &KindSpec, at: &str) -> bool {
    // Conditions hold conditions, in which ids are no references by the table: the plan has compared them.
    if spec.name == "promotion" && at.starts_with("/rules/") {
        return true;
    }
    let lost = spec.lost.iter().map(|loss| loss.pointer).filter(|pointer| !pointer.is_empty());
    lost.chain(spec.volatile.iter().copied())
        .any(|pointer| at == pointer || at.starts_with(&format!("{pointer}/")))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_in_an_empty_store() {
    let source =
        Practice::start(Settings { products: 25, customers: 12, orders: 6, ..Settings::default() }).await;
    source.hook().await;
    let target = Practice::start(Settings::empty()).await;
    let (from, to) = (source.open(), target.open());
    let kept = backup(from.as_ref()).await;
    let mut ids = IdMap::default();
    let problems = restore(to.as_ref(), &kept, &mut ids).await;
    assert_eq!(problems, Vec::<String>::new());
    let mut written: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    let (mut different, mut refused): (Vec<String>, u32) = (Vec::new(), 0);
    for one in kept.iter().filter(|one| !matches!(one.spec.restore, Restorable::Never(_))) {
        if matches!(plan(to.as_ref(), one, None, &ids).action, PlanAction::Cannot { .. }) {
            refused += 1;
            continue;
        }
        let (_, now) = there(to.as_ref(), one, &ids)
            .await
            .unwrap_or_else(|| panic!("{} {} is not there", one.spec.name, one.id));
        let planned = plan(to.as_ref(), one, Some(&now), &ids);
        assert_eq!(planned.action, PlanAction::Skip, "{} {}: {}", one.spec.name, one.id, spelled(&planned));
        let mut found = Vec::new();
        differences("", &renamed(&one.wanted, &ids), &now, &mut found);
        let count = written.entry(one.spec.name).or_default();
        let lost = u64::try_from(found.len()).unwrap();
        *count = (count.0 + 1, count.1 + fields(&one.wanted), count.2 + lost);
        for (at, values) in found.into_iter().filter(|(at, _)| !is_excused(one.spec, at)) {
            different.push(format!("{} {}{at}: {values}", one.spec.name, one.id));
        }
    }
    assert_eq!(refused, 1, "the blog's page");
    assert!(different.is_empty(), "{written:?}\n{}", different.join("\n"));
    let kinds = KINDS.iter().filter(|spec| !matches!(spec.restore, Restorable::Never(_))).count();
    assert_eq!(written.len(), kinds);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/generated/bigcommerce-fidelity.md");
    let page = page(&written);
    if std::env::var_os("CARETAKER_BLESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == page, "docs/generated/bigcommerce-fidelity.md is out of date: see its head");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spoilt_is_set_back_and_what_was_added_since_stays() {
    let practice =
        Practice::start(Settings { products: 8, customers: 4, orders: 2, ..Settings::default() }).await;
    let store = practice.open();
    let kept = backup(store.as_ref()).await;
    let products: Vec<&Kept> = kept.iter().filter(|one| one.spec.name == "product").collect();
    let number = |id: &str| id.rsplit('/').next().unwrap().to_owned();
    let path = |one: &Kept| format!("v3/catalog/products/{}", number(&one.id));
    practice.owner("PUT", &path(products[0]), &json!({"price": 0.01, "name": "Oops"})).await;
    practice.owner("DELETE", &path(products[1]), &Value::Null).await;
    let image = products[2].wanted["images"][0]["id"].as_str().unwrap();
    practice.owner("DELETE", &format!("{}/images/{}", path(products[2]), number(image)), &Value::Null).await;
    let note = json!({"name": "Added", "value": "since"});
    practice.owner("POST", &format!("{}/custom-fields", path(products[0])), &note).await;
    let coupon = kept.iter().find(|one| one.spec.name == "coupon").unwrap();
    practice.owner("DELETE", &format!("v2/coupons/{}", number(&coupon.id)), &Value::Null).await;
    let mut ids = IdMap::of_one_store();
    assert_eq!(restore(store.as_ref(), &kept, &mut ids).await, Vec::<String>::new());
    for one in kept.iter().filter(|one| one.spec.restore == Restorable::Yes) {
        let (_, now) =
            there(store.as_ref(), one, &ids).await.unwrap_or_else(|| panic!("{} {}", one.spec.name, one.id));
        let planned = plan(store.as_ref(), one, Some(&now), &ids);
        assert_eq!(planned.action, PlanAction::Skip, "{} {}: {}", one.spec.name, one.id, spelled(&planned));
    }
    let (_, first) = there(store.as_ref(), products[0], &ids).await.unwrap();
    assert_eq!(first["name"], products[0].wanted["name"]);
    assert!(
        first["custom_fields"].as_array().unwrap().iter().any(|field| field["name"] == "Added"),
        "{first}"
    );
    assert_ne!(ids.resolve(&products[1].id), products[1].id, "what was deleted has a new id");
    assert_eq!(ids.resolve(&products[0].id), products[0].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_that_is_lost_makes_anything_twice() {
    let source =
        Practice::start(Settings { products: 6, customers: 4, orders: 2, ..Settings::default() }).await;
    let kept = backup(source.open().as_ref()).await;
    let counted = |practice: &Practice| -> BTreeMap<String, usize> {
        let dump = practice.running.dump();
        let count = |value: &Value| value.as_object().map_or(0, serde_json::Map::len);
        // A picture that is sent twice replaces the first one.
        let kinds = dump.as_object().unwrap().iter().filter(|(kind, _)| *kind != "file");
        kinds.map(|(kind, all)| (kind.clone(), count(all))).collect()
    };
    let plain = Practice::start(Settings::empty()).await;
    let mut ids = IdMap::default();
    assert_eq!(restore(plain.open().as_ref(), &kept, &mut ids).await, Vec::<String>::new());
    let expected = counted(&plain);
    let target = Practice::start(Settings::empty()).await;
    target.faults("lost%25");
    let mut ids = IdMap::default();
    assert_eq!(restore(target.open().as_ref(), &kept, &mut ids).await, Vec::<String>::new());
    assert_eq!(counted(&target), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_cut_off_anywhere_goes_on_without_doubles() {
    let source =
        Practice::start(Settings { products: 4, customers: 2, orders: 1, ..Settings::default() }).await;
    let kept = backup(source.open().as_ref()).await;
    let largest = kept
        .into_iter()
        .filter(|one| one.spec.name == "product")
        .max_by_key(|one| one.wanted.to_string().len());
    let mut product = largest.unwrap();
    // Nothing that it refers to is there: it is the product alone that matters here.
    for list in ["categories", "related_products", "channels"] {
        product.wanted[list] = json!([]);
    }
    (product.wanted["brand_id"], product.wanted["tax_class_id"]) = (json!(0), json!(0));
    let lists = |modifier: &Value| modifier["type"].as_str().is_some_and(|of| of.starts_with("product_list"));
    product.wanted["modifiers"].as_array_mut().unwrap().retain(|modifier| !lists(modifier));
    let product = &product;
    for cut in 1..60 {
        let target = Practice::start(Settings::empty()).await;
        let (mut ids, journal) = (IdMap::default(), Memory::default());
        let stop = Arc::new(StopAt::new(cut));
        let stopping =
            target.open_recorded(&target.running.access_token, Arc::clone(&stop) as Arc<dyn AuditSink>);
        let first = {
            let writing = Box::pin(write(stopping.as_ref(), product, None, &ids, &journal));
            futures::future::select(writing, Box::pin(stop.reached.notified())).await
        };
        if let futures::future::Either::Left((applied, _)) = first {
            assert_eq!(applied.unwrap().problems, Vec::<String>::new());
            assert!(cut > 15, "{cut}");
            return;
        }
        drop(first);
        let store = target.open();
        let found = live(store.as_ref(), kind("product").unwrap(), Lookup::Natural(&product.wanted)).await;
        if let Some((id, _)) = &found {
            ids.insert(&product.id, id);
        }
        let now = found.as_ref().map(|(_, now)| now);
        let applied = write(store.as_ref(), product, now, &ids, &journal).await.unwrap();
        assert!(!applied.possibly_twice, "{cut}");
        let dump = target.running.dump();
        assert_eq!(dump["product"].as_object().map(serde_json::Map::len), Some(1), "{cut}");
        let (_, there) =
            live(store.as_ref(), kind("product").unwrap(), Lookup::Natural(&product.wanted)).await.unwrap();
        for list in [
            "images",
            "options",
            "variants",
            "modifiers",
            "custom_fields",
            "videos",
            "reviews",
            "bulk_pricing_rules",
            "metafields",
            "complex_rules",
        ] {
            let len = |of: &Value| of[list].as_array().map(Vec::len);
            assert_eq!(len(&there), len(&product.wanted), "{cut}: {list}");
        }
    }
    panic!("it never ended");
}

/// A record that stops whoever sends at the answer of the n-th request: it has come, and nobody ever reads it.
#[derive(Debug)]
struct StopAt {
    left: AtomicU32,
    reached: tokio::sync::Notify,
}

impl StopAt {
    fn new(requests: u32) -> Self {
        Self { left: AtomicU32::new(requests), reached: tokio::sync::Notify::new() }
    }
}

impl AuditSink for StopAt {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.note(event)
    }

    fn note(&self, _: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(async {
            if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                self.reached.notify_one();
                futures::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}
