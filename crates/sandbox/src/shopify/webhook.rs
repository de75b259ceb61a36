//! Webhooks, signed as the platform signs them. The body names the object and no more: a receiver reads the rest.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::running::Shop;
use super::schema::VERSION;
use super::store::{Change, Verb};
use super::value::{Gid, Kind, rfc3339};
use crate::secret::{fresh, sign};

/// How often a delivery is tried before the subscription is dropped.
const TRIES: u32 = 8;

/// Topics: kind, verb, name in the API, name in the header.
const TOPICS: &[(Kind, Verb, &str, &str)] = &[
    (Kind::BulkOperation, Verb::Update, "BULK_OPERATIONS_FINISH", "bulk_operations/finish"),
    (Kind::Collection, Verb::Create, "COLLECTIONS_CREATE", "collections/create"),
    (Kind::Collection, Verb::Delete, "COLLECTIONS_DELETE", "collections/delete"),
    (Kind::Collection, Verb::Update, "COLLECTIONS_UPDATE", "collections/update"),
    (Kind::Customer, Verb::Create, "CUSTOMERS_CREATE", "customers/create"),
    (Kind::Customer, Verb::Delete, "CUSTOMERS_DELETE", "customers/delete"),
    (Kind::Customer, Verb::Update, "CUSTOMERS_UPDATE", "customers/update"),
    (Kind::DraftOrder, Verb::Create, "DRAFT_ORDERS_CREATE", "draft_orders/create"),
    (Kind::DraftOrder, Verb::Delete, "DRAFT_ORDERS_DELETE", "draft_orders/delete"),
    (Kind::DraftOrder, Verb::Update, "DRAFT_ORDERS_UPDATE", "draft_orders/update"),
    (Kind::InventoryItem, Verb::Create, "INVENTORY_ITEMS_CREATE", "inventory_items/create"),
    (Kind::InventoryItem, Verb::Delete, "INVENTORY_ITEMS_DELETE", "inventory_items/delete"),
    (Kind::InventoryItem, Verb::Update, "INVENTORY_ITEMS_UPDATE", "inventory_items/update"),
    (Kind::Location, Verb::Create, "LOCATIONS_CREATE", "locations/create"),
    (Kind::Location, Verb::Delete, "LOCATIONS_DELETE", "locations/delete"),
    (Kind::Location, Verb::Update, "LOCATIONS_UPDATE", "locations/update"),
    (Kind::Metaobject, Verb::Create, "METAOBJECTS_CREATE", "metaobjects/create"),
    (Kind::Metaobject, Verb::Delete, "METAOBJECTS_DELETE", "metaobjects/delete"),
    (Kind::Metaobject, Verb::Update, "METAOBJECTS_UPDATE", "metaobjects/update"),
    (Kind::Order, Verb::Create, "ORDERS_CREATE", "orders/create"),
    (Kind::Order, Verb::Delete, "ORDERS_DELETE", "orders/delete"),
    (Kind::Order, Verb::Update, "ORDERS_UPDATED", "orders/updated"),
    (Kind::Product, Verb::Create, "PRODUCTS_CREATE", "products/create"),
    (Kind::Product, Verb::Delete, "PRODUCTS_DELETE", "products/delete"),
    (Kind::Product, Verb::Update, "PRODUCTS_UPDATE", "products/update"),
];

/// Tells every subscription about what it asked for, in the background.
pub(crate) fn deliver(shop: &Arc<Shop>, changes: Vec<Change>) {
    let wanted: Vec<(Gid, String, &'static str, &'static str, Change)> = {
        let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
        let subscriptions = &store.table(Kind::WebhookSubscription).rows;
        if subscriptions.is_empty() {
            return;
        }
        changes
            .into_iter()
            .filter_map(|change| {
                let topic = TOPICS
                    .iter()
                    .find(|(kind, verb, _, _)| *kind == change.gid.kind() && *verb == change.verb)?;
                Some((change, topic))
            })
            .flat_map(|(change, (_, _, topic, header))| {
                subscriptions
                    .iter()
                    .filter(move |(_, subscription)| subscription.str("topic") == Some(topic))
                    .filter_map(move |(number, subscription)| {
                        let gid = Gid::new(Kind::WebhookSubscription, *number);
                        Some((gid, subscription.str("uri")?.to_owned(), *topic, *header, change))
                    })
            })
            .collect()
    };
    for (subscription, uri, _, header, change) in wanted {
        let shop = Arc::clone(shop);
        tokio::spawn(async move { send(&shop, subscription, &uri, header, change).await });
    }
}

fn body(shop: &Shop, change: Change) -> String {
    let id = change.gid.number();
    if change.verb == Verb::Delete {
        return json!({ "id": id }).to_string();
    }
    let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
    let object = store.get(change.gid);
    if change.gid.kind() == Kind::BulkOperation {
        let word = |name: &str| object.and_then(|object| object.str(name)).map(str::to_lowercase);
        let completed = object.and_then(|object| object.int("completedAt")).map(rfc3339);
        return json!({
            "admin_graphql_api_id": change.gid.to_string(), "completed_at": completed,
            "error_code": word("errorCode"), "status": word("status"), "type": word("type"),
        })
        .to_string();
    }
    let updated = object.and_then(|object| object.int("updatedAt")).map(rfc3339);
    json!({ "id": id, "admin_graphql_api_id": change.gid.to_string(), "updated_at": updated }).to_string()
}

async fn send(shop: &Shop, subscription: Gid, uri: &str, topic: &str, change: Change) {
    // A retry carries the body of the first try.
    let body = body(shop, change);
    let signature = sign(&shop.client_secret, body.as_bytes());
    let event = fresh(&shop.rng, "");
    let delivery = fresh(&shop.rng, "");
    let triggered = rfc3339(shop.clock.now().as_second());
    let domain = {
        let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
        store.get(store.shop).and_then(|shop| shop.str("myshopifyDomain")).unwrap_or_default().to_owned()
    };
    for attempt in 0..TRIES {
        if attempt > 0 {
            shop.clock.sleep(Duration::from_secs(1 << attempt)).await;
        }
        let sent = shop
            .webhooks
            .post(uri)
            .header("content-type", "application/json")
            .header("x-shopify-topic", topic)
            .header("x-shopify-shop-domain", &domain)
            .header("x-shopify-hmac-sha256", &signature)
            .header("x-shopify-webhook-id", &delivery)
            .header("x-shopify-event-id", &event)
            .header("x-shopify-triggered-at", &triggered)
            .header("x-shopify-api-version", VERSION)
            .body(body.clone())
            .send()
            .await;
        if sent.is_ok_and(|response| response.status().is_success()) {
            return;
        }
    }
    let mut store = shop.store.write().unwrap_or_else(PoisonError::into_inner);
    store.remove(subscription);
}
