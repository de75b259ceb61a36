//! Webhooks as messages: ids only, signed in the way of Standard Webhooks, tried again for two days.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::running::Shop;
use super::store::{App, Change, Key, Verb};
use crate::lock::lock;
use crate::secret::{fresh, sha256_hex, sign};

/// What events there are: kind, the word for it in the payload, the scope without its verb, the verbs.
const TOPICS: &[(&str, &str, &str, &[&str])] = &[
    ("product", "product", "store/product", &["created", "updated", "deleted"]),
    ("variant", "sku", "store/sku", &["created", "updated", "deleted"]),
    ("category", "category", "store/category", &["created", "updated", "deleted"]),
    ("customer", "customer", "store/customer", &["created", "updated", "deleted"]),
    ("address", "customer", "store/customer/address", &["created", "updated", "deleted"]),
    ("order", "order", "store/order", &["created", "updated", "archived", "statusUpdated"]),
    ("order_message", "order", "store/order/message", &["created"]),
    ("refund", "order", "store/order/refund", &["created"]),
    ("shipment", "shipment", "store/shipment", &["created", "updated", "deleted"]),
    ("subscriber", "subscriber", "store/subscriber", &["created", "updated", "deleted"]),
    ("price_list", "priceList", "store/priceList", &["created", "updated", "deleted"]),
    ("channel", "channel", "store/channel", &["created", "updated"]),
    ("location", "location", "store/inventory/location", &["created", "updated", "deleted"]),
    ("store", "store", "store/information", &["updated"]),
    ("product_metafield", "product", "store/product/metafield", &["created", "updated", "deleted"]),
    ("variant_metafield", "variant", "store/variant/metafield", &["created", "updated", "deleted"]),
    ("category_metafield", "category", "store/category/metafield", &["created", "updated", "deleted"]),
    ("brand_metafield", "brand", "store/brand/metafield", &["created", "updated", "deleted"]),
    ("customer_metafield", "customer", "store/customer/metafield", &["created", "updated", "deleted"]),
    ("order_metafield", "order", "store/order/metafield", &["created", "updated", "deleted"]),
    ("channel_metafield", "channel", "store/channel/metafield", &["created", "updated", "deleted"]),
    (
        "location_metafield",
        "location",
        "store/inventory/location/metafield",
        &["created", "updated", "deleted"],
    ),
];

/// Seconds after which a delivery is tried again. Then the hook is switched off.
const RETRIES: &[u64] = &[60, 180, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 50_400, 86_400];

/// Whether a hook may ask for this: one event, or all of a kind.
pub(crate) fn is_topic(scope: &str) -> bool {
    TOPICS.iter().any(|(_, _, begin, verbs)| {
        let rest = scope.strip_prefix(begin).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|verb| verb == "*" || verbs.contains(&verb))
    })
}

/// One event, as its hooks will hear of it.
struct Event {
    scope: String,
    begin: &'static str,
    data: Json,
}

fn event(change: &Change) -> Option<Event> {
    let (_, word, begin, verbs) = TOPICS.iter().find(|(kind, ..)| *kind == change.kind)?;
    let verb = match change.verb {
        Verb::Created => "created",
        Verb::Updated => "updated",
        Verb::Deleted => "deleted",
        Verb::Archived => "archived",
        Verb::Moved(..) => "statusUpdated",
    };
    if !verbs.contains(&verb) {
        return None;
    }
    let mut data = json!({ "type": word, "id": change.key.json() });
    let fields = data.as_object_mut()?;
    let parent = change.parent.as_ref().map(Key::json);
    match (change.kind, change.verb) {
        ("order", Verb::Moved(from, to)) => {
            fields.insert("status".to_owned(), json!({ "previous_status_id": from, "new_status_id": to }));
        }
        ("variant", _) => {
            fields.insert("sku".to_owned(), json!({ "product_id": parent, "variant_id": change.key.json() }));
        }
        ("address", _) => {
            fields.insert("address".to_owned(), json!({ "customer_id": parent }));
        }
        ("shipment", _) => {
            fields.insert("orderId".to_owned(), parent.unwrap_or_default());
        }
        (kind, _) if kind.ends_with("_metafield") => {
            fields.insert("type".to_owned(), Json::from("metafield"));
            fields.insert("metafield".to_owned(), json!({ "resource_id": parent, "resource_type": word }));
        }
        _ => {}
    }
    Some(Event { scope: format!("{begin}/{verb}"), begin, data })
}

/// What is sent to one hook.
struct Delivery {
    hook: Key,
    app: App,
    destination: String,
    headers: Map<String, Json>,
    body: String,
}

/// Tells every hook about what it asked for, in the background.
pub(crate) fn deliver(shop: &Arc<Shop>, changes: &[Change]) {
    let deliveries: Vec<Delivery> = {
        let store = lock(&shop.store);
        if store.count("hook") == 0 {
            return;
        }
        let numeric = store.rows("store").next().map_or(Json::Null, |(_, row)| row.get("store_id").clone());
        let events: Vec<Event> = changes.iter().filter_map(event).collect();
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
