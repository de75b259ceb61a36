//! The first state of a store, made from a number, by the same rules that requests are held to.
//!
//! Every word comes from the lists here; nobody in them is a real person, and every address ends in `example.com`.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use domain::Timestamp;
use serde_json::{Value as Json, json};

use super::Settings;
use super::answer::Refusal;
use super::call::{Call, Query};
use super::engine::add;
use super::facts::{Operation, facts};
use super::resource::{self, Resource, starred};
use super::store::{App, Key, Obj, Row, Store};
use super::time;
use crate::dice::Dice;

mod catalog;
mod content;
mod people;

/// A day, in seconds.
const DAY: i64 = 86_400;

/// Fills an empty state.
pub(crate) fn fill(store: &mut Store, settings: &Settings) {
    let now = store.now;
    let mut dice = Dice::new(settings.seed);
    basics(store, &mut dice);
    catalog::fill(store, &mut dice, settings);
    people::fill(store, &mut dice, settings);
    if settings.content {
        content::fill(store);
    }
    store.now = now;
}

/// The operation by which a thing of a kind comes into being.
fn operation(resource: &Resource) -> Option<&'static Operation> {
    static MAKERS: OnceLock<HashMap<String, &'static Operation>> = OnceLock::new();
    let makers = MAKERS.get_or_init(|| {
        let mut makers: HashMap<String, &'static Operation> = HashMap::new();
        for method in ["POST", "PUT", "GET"] {
            for operation in facts().operations.iter().filter(|operation| operation.method == method) {
                makers.entry(starred(operation.path)).or_insert(operation);
            }
        }
        makers
    });
    makers.get(resource.path).copied()
}

/// Runs something as if a request were going on.
fn with_call<T>(
    store: &mut Store,
    resource: &'static Resource,
    app: App,
    run: impl FnOnce(&mut Call<'_>) -> Result<T, Refusal>,
) -> Option<T> {
    let operation = operation(resource)?;
    let scopes = BTreeSet::new();
    let mut call = Call {
        store,
        operation,
        ids: Vec::new(),
        query: Query::default(),
        body: Json::Null,
        form: None,
        app,
        scopes: &scopes,
        fault: None,
        lost: Vec::new(),
    };
    match run(&mut call) {
        Ok(made) => Some(made),
        Err(refusal) => {
            store.refused.push(format!("{}: {refusal:?}", resource.kind));
            None
        }
    }
}

/// The fields of a value that is written down here as an object.
fn object(value: Json) -> Obj {
    match value {
        Json::Object(fields) => fields,
        _ => Obj::new(),
    }
}

/// Makes one thing.
fn make(store: &mut Store, kind: &str, parent: Option<&Key>, fields: Json) -> Option<Key> {
    make_by(store, App::Ours, kind, parent, fields)
}

fn make_by(store: &mut Store, app: App, kind: &str, parent: Option<&Key>, fields: Json) -> Option<Key> {
    let Some(resource) = resource::of_kind(kind) else {
        store.refused.push(format!("{kind}: no such kind"));
        return None;
    };
    with_call(store, resource, app, |call| add(call, resource, parent, vec![object(fields)]))?.pop()
}

/// Puts a thing under a number of its own.
fn put(store: &mut Store, kind: &'static str, key: &Key, fields: Json) {
    let mut fields = object(fields);
    if let Some(resource) = resource::of_kind(kind) {
        resource::fill(resource, &mut fields);
        fields.shift_insert(0, resource.id_field.to_owned(), key.json());
        if let Some(at) = super::engine::now(resource, store) {
            for name in ["date_created", "date_modified"] {
                fields.entry(name.to_owned()).or_insert(Json::from(at.as_str()));
            }
        }
    }
    store.put(kind, key, Row { fields, ..Row::default() });
}

/// The n-th word of a list that begins anew at its end.
fn nth(list: &[&'static str], turn: u64) -> &'static str {
    list.get(usize::try_from(turn % list.len().max(1) as u64).unwrap_or(0)).copied().unwrap_or_default()
}

/// Sets the clock to some days before the store is opened to requests.
fn days_ago(store: &mut Store, now: Timestamp, days: i64, seconds: i64) {
    store.now = Timestamp::from_second(now.as_second() - days * DAY + seconds).unwrap_or(now);
}

/// What even a new store has: its facts, a channel with a site and a tree, a currency, a place, classes of tax.
fn basics(store: &mut Store, dice: &mut Dice) {
    let now = store.now;
    days_ago(store, now, dice.between(700, 1_400), 0);
    let at = time::zulu(store.now);
    put(
        store,
        "channel",
        &Key::Number(1),
        json!({ "name": "Practice store", "type": "storefront", "platform": "bigcommerce",
        "status": "active", "is_visible": true, "is_listable_from_ui": true, "is_enabled": true, "external_id": "", "icon_url": "" }),
    );
    let site = Key::Number(store.mint("site"));
    let url = store.origin.clone();
    let urls = ["primary", "canonical", "checkout"]
        .map(|kind| json!({ "url": url, "type": kind, "created_at": at, "updated_at": at }));
    put(
        store,
        "site",
        &site,
        json!({ "url": url, "channel_id": 1, "ssl_status": "dedicated", "is_checkout_url_customized": false,
        "created_at": at, "updated_at": at, "urls": urls }),
    );
    make(
        store,
        "currency",
        None,
        json!({ "currency_code": "EUR", "country_iso2": "DE", "name": "Euro", "currency_exchange_rate": "1.0000000000",
        "decimal_places": 2, "decimal_token": ".", "thousands_token": ",", "token": "€", "token_location": "left", "is_default": true,
        "enabled": true, "is_transactional": true, "auto_update": false }),
    );
    put(
        store,
        "location",
        &Key::Number(1),
        json!({ "code": "BC-LOCATION-1", "label": "Default location", "description": "", "type_id": "PHYSICAL", "enabled": true,
            "managed_by_external_source": false, "storefront_visibility": true, "time_zone": "Etc/UTC", "special_hours": [], "created_at": at,
            "updated_at": at, "operating_hours": null }),
    );
    let tree = Key::Number(store.mint("tree"));
    put(store, "tree", &tree, json!({ "name": "Default catalog tree", "channels": [1] }));
    for name in ["Non-Taxable Items", "Shipping", "Gift Wrapping"] {
        let made = time::mail(store.now);
        let key = Key::Number(store.mint("tax_class"));
        let id = key.to_string();
        put(store, "tax_class", &key, json!({ "name": name, "created_at": made, "updated_at": made }));
        // V2 writes the numbers of classes as texts.
        store.edit_silently("tax_class", &key, |row| {
            row.fields.insert("id".to_owned(), Json::from(id));
        });
    }
    let number = dice.below(900_000) + 100_000;
    let host = store.origin.trim_start_matches("https://").to_owned();
    let row = json!({
        "id": store.hash, "account_uuid": store.uuid(), "store_id": 10_000_000 + number, "domain": host, "secure_url": store.origin,
        "control_panel_base_url": store.origin, "status": "live", "name": "Practice store", "first_name": "Practice",
        "last_name": "Owner", "address": "1 Sample Street\n10000 Sampleton", "country": "Germany", "country_code": "DE",
        "infrastructure_region": "europe-west4", "phone": "", "admin_email": "owner@example.com", "order_email": "orders@example.com",
        "favicon_url": "",
    });
    let more = json!({
        "timezone": { "name": "Europe/Berlin", "raw_offset": 3_600, "dst_offset": 7_200, "dst_correction": true,
            "date_format": { "display": "M jS Y", "export": "M jS Y", "extended_display": "M jS Y @ g:i A" } },
        "language": "en", "currency": "EUR", "currency_symbol": "€", "decimal_separator": ".", "thousands_separator": ",",
        "decimal_places": 2, "currency_symbol_location": "left", "weight_units": "KGS", "dimension_units": "Centimeters",
        "dimension_decimal_places": 2, "dimension_decimal_token": ".", "dimension_thousands_token": ",", "plan_name": "Plus",
        "plan_level": "plus", "plan_is_trial": false, "industry": "Home", "logo": [], "is_price_entered_with_tax": true,
        "active_comparison_modules": [], "default_channel_id": 1, "default_site_id": site.json(),
        "features": { "stencil_enabled": true, "sitewidehttps_enabled": true, "facebook_catalog_id": "", "checkout_type": "optimized",
            "wishlists_enabled": true, "graphql_storefront_api_enabled": true, "shopper_consent_tracking_enabled": true,
            "multi_storefront_enabled": true, "storefront_limits": { "active": 3, "total_including_inactive": 5 } },
    });
    let mut fields = object(row);
    fields.extend(object(more));
    store.put("store", &Key::Text(store.hash.clone()), Row { fields, ..Row::default() });
    store.now = now;
}
