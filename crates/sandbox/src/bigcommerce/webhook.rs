//! Webhooks as messages: ids only, signed in the way of Standard Webhooks, tried again for two days.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::running::Shop;
use super::store::{App, Change, Key, Store, Verb};
use crate::lock::lock;
use crate::secret::{fresh, sha256_hex, sign};

/// What events there are: kind, the word for it in the payload, the scope without its verb, the verbs.
const TOPICS: &[(&str, &str, &str, &[&str])] = &[
    ("product", "product", "store/product", &["created", "updated", "deleted"]),
    ("product_stock", "product", "store/product/inventory", &["updated"]),
    ("variant", "sku", "store/sku", &["created", "updated", "deleted"]),
    ("variant_stock", "sku", "store/sku/inventory", &["updated"]),
    ("category", "category", "store/category", &["created", "updated", "deleted"]),
    ("customer", "customer", "store/customer", &["created", "updated", "deleted"]),
    ("address", "customer", "store/customer/address", &["created", "updated", "deleted"]),
    ("order", "order", "store/order", &["created", "updated", "archived", "statusUpdated"]),
    ("order_message", "order", "store/order/message", &["created"]),
    ("refund", "order", "store/order/refund", &["created"]),
    ("shipment", "shipment", "store/shipment", &["created", "updated", "deleted"]),
    ("subscriber", "subscriber", "store/subscriber", &["created", "updated", "deleted"]),
    (
        "price_list",
        "priceList",
        "store/priceList",
        &["created", "updated", "activated", "deactivated", "deleted"],
    ),
    (PRICE_LISTS, "priceList", "store/priceLists", &["deleted"]),
    ("price_record", "priceList", "store/priceList/record", &["created", "updated", "deleted"]),
    (PRICE_RECORDS, "priceList", "store/priceList/records", &["created", "updated", "deleted"]),
    ("price_assignment", "priceList", "store/priceList/assignment", &["updated", "deleted"]),
    ("channel", "channel", "store/channel", &["created", "updated"]),
    ("location", "location", "store/inventory/location", &["created", "updated"]),
    ("store", "store", "store/information", &["updated"]),
    ("product_metafield", "product", "store/product/metafield", &["created", "updated", "deleted"]),
    ("variant_metafield", "variant", "store/product/variant/metafield", &["created", "updated", "deleted"]),
    ("category_metafield", "category", "store/category/metafield", &["created", "updated", "deleted"]),
    ("brand_metafield", "brand", "store/brand/metafield", &["created", "updated", "deleted"]),
    ("order_metafield", "order", "store/order/metafield", &["created", "updated", "deleted"]),
    ("channel_metafield", "channel", "store/channel/metafield", &["created", "updated", "deleted"]),
    (
        "location_metafield",
        "location",
        "store/inventory/location/metafield",
        &["created", "updated", "deleted"],
    ),
];

/// Those of which all may be asked for at once.
const WHOLE: &[&str] = &[
    "store/brand/metafield",
    "store/category",
    "store/channel",
    "store/customer",
    "store/customer/address",
    "store/inventory/location/metafield",
    "store/order",
    "store/product",
    "store/product/metafield",
    "store/product/variant/metafield",
    "store/shipment",
    "store/sku",
    "store/subscriber",
];

/// Events of many price lists, or of many of their records, that one request was for.
const PRICE_LISTS: &str = "price_lists";
const PRICE_RECORDS: &str = "price_records";

/// Seconds after which a delivery is tried again. Then the hook is switched off.
const RETRIES: &[u64] = &[60, 180, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 50_400, 86_400];

/// Whether a hook may ask for this: one event, or all of a kind.
pub(crate) fn is_topic(scope: &str) -> bool {
    TOPICS.iter().any(|(_, _, begin, verbs)| {
        let rest = scope.strip_prefix(begin).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|verb| verb == "*" && WHOLE.contains(begin) || verbs.contains(&verb))
    })
}

/// One event, as its hooks will hear of it.
struct Event {
    scope: String,
    begin: &'static str,
    data: Json,
}

/// What of a request its hooks will hear of. What was done to many prices at once is one event.
fn events(store: &Store, path: &str, changes: &[Change]) -> Vec<Event> {
    let many_lists = path == "/v3/pricelists";
    let many_records = ["/v3/pricelists/records", "/v3/pricelists/*/records"].contains(&path);
    let batch = |change: &&Change| match change.kind {
        "price_list" => many_lists && change.verb == Verb::Deleted,
        "price_record" => many_records,
        _ => false,
    };
    // The records of a list that goes are told of with it.
    let with_list = |change: &&Change| {
        change.kind == "price_record"
            && change.verb == Verb::Deleted
            && path.starts_with("/v3/pricelists")
            && !path.contains("records")
    };
    let alone = changes.iter().filter(|change| !batch(change) && !with_list(change));
    let mut events: Vec<Event> = alone.filter_map(|change| event(store, change)).collect();
    let together = |verb: Verb, kind: &str| -> Vec<&Change> {
        changes.iter().filter(batch).filter(|change| change.verb == verb && change.kind == kind).collect()
    };
    for verb in [Verb::Created, Verb::Updated, Verb::Deleted] {
        let records: Vec<Json> =
            together(verb, "price_record").into_iter().map(|change| record(store, change)).collect();
        if !records.is_empty() {
            events.extend(named(PRICE_RECORDS, verb, Json::Array(records)));
        }
    }
    let lists: Vec<Json> =
        together(Verb::Deleted, "price_list").into_iter().map(|change| change.key.json()).collect();
    if !lists.is_empty() {
        events.extend(named(PRICE_LISTS, Verb::Deleted, json!({ "price_list_ids": lists })));
    }
    events
}

/// An event of that kind, where there is one.
fn named(kind: &str, verb: Verb, data: Json) -> Option<Event> {
    let (_, _, begin, verbs) = TOPICS.iter().find(|(known, ..)| *known == kind)?;
    let verb = match verb {
        // An assignment that is made is one that changed.
        Verb::Created if kind == "price_assignment" => "updated",
        Verb::Created => "created",
        Verb::Updated => "updated",
        Verb::Deleted => "deleted",
        Verb::Archived => "archived",
        Verb::Moved(..) => "statusUpdated",
        Verb::Switched(true) => "activated",
        Verb::Switched(false) => "deactivated",
    };
    verbs.contains(&verb).then(|| Event { scope: format!("{begin}/{verb}"), begin, data })
}

/// The record of a price, as events name it.
fn record(store: &Store, change: &Change) -> Json {
    let row = change.was.as_ref().or_else(|| store.get(change.kind, &change.key));
    let of = |name: &str| row.map_or(Json::Null, |row| row.get(name).clone());
    json!({ "price_list_id": of("price_list_id"), "variant_id": of("variant_id"), "currency": of("currency") })
}

fn event(store: &Store, change: &Change) -> Option<Event> {
    let (_, word, ..) = TOPICS.iter().find(|(kind, ..)| *kind == change.kind)?;
    let row = change.was.as_ref().or_else(|| store.get(change.kind, &change.key));
    let of = |name: &str| row.map_or(Json::Null, |row| row.get(name).clone());
    let parent = change.parent.as_ref().map(Key::json);
    let level = |kind: &str| {
        store.get(kind, &change.key).map_or(Json::from(0), |row| row.get("inventory_level").clone())
    };
    let mut data = json!({ "type": word, "id": change.key.json() });
    let fields = data.as_object_mut()?;
    let data = match (change.kind, change.verb) {
        ("order", Verb::Moved(from, to)) => {
            fields.insert("status".to_owned(), json!({ "previous_status_id": from, "new_status_id": to }));
            data
        }
        ("variant", _) => {
            fields.insert("sku".to_owned(), json!({ "product_id": parent, "variant_id": change.key.json() }));
            data
        }
        ("product_stock", _) => {
            let stock =
                json!({ "product_id": change.key.json(), "method": "absolute", "value": level("product") });
            fields.insert("inventory".to_owned(), stock);
            data
        }
        ("variant_stock", _) => {
            let stock = json!({ "product_id": parent, "method": "absolute", "value": level("variant"),
                "variant_id": change.key.json() });
            fields.insert("inventory".to_owned(), stock);
            data
        }
        ("address", _) => {
            fields.insert("address".to_owned(), json!({ "customer_id": parent }));
            data
        }
        ("shipment", _) => {
            fields.insert("orderId".to_owned(), parent.unwrap_or_default());
            data
        }
        ("store", _) => json!({ "type": word }),
        ("location", _) => json!({ "location_id": change.key.json() }),
        ("price_list", _) => json!({ "price_list_id": change.key.json() }),
        ("price_record", _) => record(store, change),
        ("price_assignment", _) => {
            json!({ "price_list_id": of("price_list_id"), "channel_id": of("channel_id"),
                "customer_group_id": of("customer_group_id") })
        }
        (kind, _) if kind.ends_with("_metafield") => {
            let owner = change.parent.as_ref().map(Key::to_string);
            json!({ "metafield_id": change.key.json(), "resource_id": owner, "namespace": of("namespace") })
        }
        _ => data,
    };
    named(change.kind, change.verb, data)
}

/// What is sent to one hook.
struct Delivery {
    hook: Key,
    app: App,
    destination: String,
    headers: Map<String, Json>,
    body: String,
}

/// Tells every hook about what it asked for, in the background. `path` is that of the request, with `*` in the place of ids.
pub(crate) fn deliver(shop: &Arc<Shop>, path: &str, changes: &[Change]) {
    let deliveries: Vec<Delivery> = {
        let store = lock(&shop.store);
        if store.count("hook") == 0 {
            return;
        }
        let numeric = store.rows("store").next().map_or(Json::Null, |(_, row)| row.get("store_id").clone());
        let events = events(&store, path, changes);
        let hooks = store.rows("hook").filter(|(_, hook)| hook.get("is_active") == &Json::Bool(true));
        let wanted = hooks.flat_map(|(key, hook)| {
            let all = hook.text("scope").strip_suffix("/*").unwrap_or_default();
            events
                .iter()
                .filter(move |event| hook.text("scope") == event.scope || all == event.begin)
                .map(move |event| (key, hook, event))
        });
        wanted
            .map(|(key, hook, event)| {
                let at = store.now.as_second();
                let producer = format!("stores/{}", store.hash);
                let hash = sha256_hex(format!("{producer}{}{}{at}", event.scope, event.data).as_bytes());
                let body = json!({ "store_id": numeric.to_string(), "producer": producer, "scope": event.scope, "data": event.data,
                    "hash": hash.get(..40), "created_at": at });
                Delivery {
                    hook: key.clone(),
                    app: hook.app,
                    destination: hook.text("destination").to_owned(),
                    headers: hook.get("headers").as_object().cloned().unwrap_or_default(),
                    body: body.to_string(),
                }
            })
            .collect()
    };
    for delivery in deliveries {
        let shop = Arc::clone(shop);
        tokio::spawn(async move { send(&shop, delivery).await });
    }
}

async fn send(shop: &Shop, delivery: Delivery) {
    let id = fresh(&shop.rng, "msg_");
    let secret = if delivery.app == App::Ours { &shop.client_secret } else { &shop.other_secret };
    for wait in std::iter::once(&0).chain(RETRIES) {
        if *wait > 0 {
            shop.clock.sleep(Duration::from_secs(*wait)).await;
        }
        // A try of its own has a time of its own, and so another signature.
        let at = shop.clock.now().as_second();
        let signature = sign(secret, format!("{id}.{at}.{}", delivery.body).as_bytes());
        let mut request = shop
            .webhooks
            .post(&delivery.destination)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", format!("v1,{signature}"))
            .body(delivery.body.clone());
        for (name, value) in &delivery.headers {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        if request.send().await.is_ok_and(|response| response.status().is_success()) {
            return;
        }
    }
    lock(&shop.store).edit("hook", &delivery.hook, |row| {
        row.fields.insert("is_active".to_owned(), Json::Bool(false));
    });
}
