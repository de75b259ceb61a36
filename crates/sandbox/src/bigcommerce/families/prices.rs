//! Price lists, the prices in them by variant and currency, and whom they are for.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::engine::{add, change, check_batch, listed, reply, show};
use super::super::filter::{chosen, compare};
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Row, Store};

/// How many prices one request may write: of one list, and of several.
const RECORDS_MAX: usize = 1_000;
const NEW_RECORDS_MAX: usize = 100;
const RECORDS_OF_ALL_MAX: usize = 100;
/// How many assignments one request may make.
const ASSIGNMENTS_MAX: usize = 25;

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "price_list",
        path: "/v3/pricelists",
        dates: Dates::Zulu,
        unique: &[&["name"]],
        defaults: r#"{"active":true}"#,
        gone: list_gone,
        ..PLAIN
    },
    Resource {
        kind: "price_record",
        path: "/v3/pricelists/*/records",
        parent: "price_list",
        id_field: "",
        dates: Dates::Zulu,
        unique: &[&["variant_id", "currency", "^"]],
        defaults: r#"{"sale_price":null,"retail_price":null,"map_price":null,"bulk_pricing_tiers":[]}"#,
        omit: &["sku"],
        rule: record_rule,
        view: record_view,
        filter: record_filter,
        ..PLAIN
    },
    Resource {
        kind: "price_assignment",
        path: "/v3/pricelists/assignments",
        unique: &[&["channel_id", "customer_group_id"]],
        rule: assignment_rule,
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("POST", "/v3/pricelists/*/records", post_records),
    ("PUT", "/v3/pricelists/*/records", put_records),
    ("POST", "/v3/pricelists/records", post_records_of_all),
    ("PUT", "/v3/pricelists/records", put_records_of_all),
    ("GET", "/v3/pricelists/*/records/*", of_variant),
    ("GET", "/v3/pricelists/*/records/*/*", one_record),
    ("PUT", "/v3/pricelists/*/records/*/*", put_record),
    ("DELETE", "/v3/pricelists/*/records/*/*", delete_record),
    ("POST", "/v3/pricelists/assignments", assign),
    ("PUT", "/v3/pricelists/*/assignments", assign_one),
];

fn kind(name: &str) -> Result<&'static Resource, Refusal> {
    of_kind(name).ok_or_else(Refusal::not_found)
}

fn list_gone(store: &mut Store, key: &Key, _: &Row) {
    let own: Vec<Key> = store
        .rows("price_assignment")
        .filter(|(_, row)| row.get("price_list_id") == &key.json())
        .map(|(key, _)| key.clone())
        .collect();
    for assignment in own {
        store.remove("price_assignment", &assignment);
    }
}

fn record_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let by_sku = draft.fields.shift_remove("sku").and_then(|sku| {
        let value = format!("sku\u{1f}{}", sku.as_str()?.to_lowercase());
        call.store.by_unique("variant", &value).map(Key::json)
    });
    if let Some(variant) = by_sku {
        draft.fields.entry("variant_id".to_owned()).or_insert(variant);
    }
    let variant = draft.value("variant_id").as_u64().unwrap_or_default();
    let product = call.store.at("variant", variant).map(Row::parent_number);
    let product = product.ok_or_else(|| Refusal::field("variant_id", "names no variant"))?;
    let code = draft.text("currency").to_uppercase();
    if !call.store.rows("currency").any(|(_, row)| row.text("currency_code") == code) {
        return Err(Refusal::field("currency", "names no currency of the store"));
    }
    draft.fields.insert("currency".to_owned(), Json::from(code.to_lowercase()));
    for tier in draft.fields.get("bulk_pricing_tiers").and_then(Json::as_array).into_iter().flatten() {
        if tier.get("quantity_min").and_then(Json::as_u64).unwrap_or_default() == 0 {
            return Err(Refusal::field("bulk_pricing_tiers", "needs a quantity_min of at least 1"));
        }
    }
    draft.fields.insert("product_id".to_owned(), Json::from(product));
    let list = draft.parent.as_ref().map_or(Json::Null, Key::json);
    draft.fields.insert("price_list_id".to_owned(), list);
    let sale = draft.value("sale_price").as_f64().filter(|sale| *sale > 0.0);
    let shown = sale.map_or_else(|| draft.value("price").clone(), Json::from);
    draft.fields.insert("calculated_price".to_owned(), shown);
    Ok(())
}

fn record_view(store: &Store, _: &Key, row: &Row, fields: &mut Obj, query: &Query) {
    if !query.holds("include", "bulk_pricing_tiers") {
        fields.shift_remove("bulk_pricing_tiers");
    }
    if query.holds("include", "sku") {
        let sku =
            store.at("variant", row.number("variant_id")).map_or(Json::Null, |row| row.get("sku").clone());
        fields.insert("sku".to_owned(), sku);
    }
}

fn record_filter(store: &Store, _: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    let (field, asked) = name.split_once(':').unwrap_or((name, ""));
    let variant = || store.at("variant", row.number("variant_id"));
    (field == "sku").then(|| variant().is_some_and(|variant| compare(variant.get("sku"), asked, value)))
}

/// The record of a variant and a currency in a list.
fn known(store: &Store, list: &Key, variant: u64, currency: &str) -> Option<Key> {
    store
        .children("price_record", list)
        .find(|(_, row)| {
            row.number("variant_id") == variant && row.text("currency").eq_ignore_ascii_case(currency)
        })
        .map(|(key, _)| key.clone())
}

/// The variant that a record names, by its number or its SKU.
fn variant_of(store: &Store, fields: &Obj) -> u64 {
    let sku = fields.get("sku").and_then(Json::as_str).map(|sku| format!("sku\u{1f}{}", sku.to_lowercase()));
    let by_sku = sku.and_then(|sku| store.by_unique("variant", &sku).map(Key::number));
    fields.get("variant_id").and_then(Json::as_u64).or(by_sku).unwrap_or_default()
}

/// Writes one price: a new one, or in the place of the one that is there.
fn upsert(call: &mut Call<'_>, list: &Key, fields: Obj) -> Result<Key, Refusal> {
    let resource = kind("price_record")?;
    let variant = variant_of(call.store, &fields);
    let currency = fields.get("currency").and_then(Json::as_str).unwrap_or_default();
    let made = match known(call.store, list, variant, currency) {
        Some(key) => change(call, resource, vec![(key, fields)])?,
        None => add(call, resource, Some(list), vec![fields])?,
    };
    made.into_iter().next().ok_or_else(Refusal::not_found)
}

/// A batch is looked at whole before anything is written: what is wrong with one is told, and none is kept.
fn put_all(call: &mut Call<'_>, pairs: Vec<(Key, Obj)>) -> Result<Answer, Refusal> {
    let mut errors = Vec::new();
    for (turn, (list, fields)) in pairs.iter().enumerate() {
        let mut draft =
            Draft { fields: fields.clone(), parent: Some(list.clone()), old: None, hidden: Obj::new() };
        if let Err(refusal) = record_rule(call, &mut draft) {
            errors.extend(refusal.at(turn).errors);
        }
    }
    if !errors.is_empty() {
        return Err(Refusal::fields(errors));
    }
    for (list, fields) in pairs {
        upsert(call, &list, fields)?;
    }
    Ok(Answer::json(200, json!({ "data": {}, "meta": {} })))
}

fn put_records(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let pairs = of_one_list(call, RECORDS_MAX)?;
    put_all(call, pairs)
}

/// New prices only: one that is there refuses all.
fn post_records(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let pairs = of_one_list(call, NEW_RECORDS_MAX)?;
    all_new(call, &pairs)?;
    put_all(call, pairs)
}

fn put_records_of_all(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let pairs = of_their_lists(call)?;
    put_all(call, pairs)
}

fn post_records_of_all(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let pairs = of_their_lists(call)?;
    all_new(call, &pairs)?;
    put_all(call, pairs)
}

fn of_one_list(call: &Call<'_>, most: usize) -> Result<Vec<(Key, Obj)>, Refusal> {
    let list = call.parent(kind("price_record")?)?.ok_or_else(Refusal::not_found)?;
    let given = call.objects();
    check_batch(call, given.len(), most)?;
    Ok(given.into_iter().map(|fields| (list.clone(), fields)).collect())
}

fn of_their_lists(call: &Call<'_>) -> Result<Vec<(Key, Obj)>, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), RECORDS_OF_ALL_MAX)?;
    let mut pairs = Vec::with_capacity(given.len());
    for (turn, mut fields) in given.into_iter().enumerate() {
        let list = fields.shift_remove("price_list_id").and_then(|id| Key::of(&id));
        let list = list.filter(|list| call.store.get("price_list", list).is_some());
        pairs.push((
            list.ok_or_else(|| Refusal::field("price_list_id", "names no price list").at(turn))?,
            fields,
        ));
    }
    Ok(pairs)
}

fn all_new(call: &Call<'_>, pairs: &[(Key, Obj)]) -> Result<(), Refusal> {
    for (turn, (list, fields)) in pairs.iter().enumerate() {
        let currency = fields.get("currency").and_then(Json::as_str).unwrap_or_default();
        if known(call.store, list, variant_of(call.store, fields), currency).is_some() {
            return Err(Refusal::field("variant_id", "has a price in this currency already").at(turn));
        }
    }
    Ok(())
}

/// The list that a path begins with.
fn list_of(call: &Call<'_>) -> Result<Key, Refusal> {
    let key = call.key(0);
    call.store.get("price_list", &key).map(|_| key.clone()).ok_or_else(Refusal::not_found)
}

fn of_variant(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (list, variant) = (list_of(call)?, call.key(1));
    let mut keys = chosen(call, kind("price_record")?, Some(&list))?;
    keys.retain(|key| {
        call.store.get("price_record", key).is_some_and(|row| row.get("variant_id") == &variant.json())
    });
    listed(call, kind("price_record")?, &keys)
}

fn record_key(call: &Call<'_>) -> Result<Key, Refusal> {
    let currency = call.ids.get(2).map(String::as_str).unwrap_or_default();
    known(call.store, &list_of(call)?, call.key(1).number(), currency).ok_or_else(Refusal::not_found)
}

fn one_record(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = record_key(call)?;
    Ok(reply(call, show(call.store, kind("price_record")?, &key, &call.query)))
}

fn put_record(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let list = list_of(call)?;
    let mut fields = call.object();
    fields.insert("variant_id".to_owned(), call.key(1).json());
    fields.insert("currency".to_owned(), Json::from(call.ids.get(2).cloned().unwrap_or_default()));
    let key = upsert(call, &list, fields)?;
    Ok(reply(call, show(call.store, kind("price_record")?, &key, &call.query)))
}

fn delete_record(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if let Ok(key) = record_key(call) {
        call.store.remove("price_record", &key);
    }
    Ok(Answer::empty(204))
}

fn assignment_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let number = |name: &str| draft.value(name).as_u64().unwrap_or_default();
    let (list, channel, group) = (number("price_list_id"), number("channel_id"), number("customer_group_id"));
    if !call.store.has("price_list", list) {
        return Err(Refusal::field("price_list_id", "names no price list"));
    }
    if channel != 0 && !call.store.has("channel", channel) {
        return Err(Refusal::field("channel_id", "names no channel"));
    }
    let row = call.store.at("customer_group", group);
    if group != 0 && row.is_none() {
        return Err(Refusal::field("customer_group_id", "names no customer group"));
    }
    // The discounts of a group and a list of prices for it would contradict each other.
    if row.is_some_and(|row| !row.list("discount_rules").is_empty()) {
        return Err(Refusal::field("customer_group_id", "names a group that has discounts"));
    }
    for name in ["channel_id", "customer_group_id"] {
        draft.fields.entry(name.to_owned()).or_insert(Json::Null);
    }
    Ok(())
}

fn assign(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), ASSIGNMENTS_MAX)?;
    add(call, kind("price_assignment")?, None, given)?;
    Ok(Answer::json(200, json!({})))
}

fn assign_one(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("price_assignment")?;
    let list = list_of(call)?;
    let mut fields = call.object();
    let same = |row: &Row| {
        ["channel_id", "customer_group_id"].iter().all(|name| Some(row.get(name)) == fields.get(*name))
    };
    let known = call.store.rows("price_assignment").find(|(_, row)| same(row)).map(|(key, _)| key.clone());
    fields.insert("price_list_id".to_owned(), list.json());
    let keys = match known {
        Some(key) => change(call, resource, vec![(key, fields)])?,
        None => add(call, resource, None, vec![fields])?,
    };
    Ok(reply(call, keys.first().map_or(Json::Null, |key| show(call.store, resource, key, &Query::default()))))
}
