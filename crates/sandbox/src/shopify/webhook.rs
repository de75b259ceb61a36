//! Webhooks, signed as the platform signs them. The body names the object and little more: a receiver reads the rest.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::running::Shop;
use super::schema::VERSION;
use super::store::{Change, Verb};
use super::value::{Gid, Kind, Obj, Val, rfc3339};
use crate::secret::{fresh, sign};

/// How often a delivery is tried before the subscription is dropped.
const TRIES: u32 = 8;

/// A topic: kind, verb, name in the API, name in the header, scope that it takes.
type Topic = (Kind, Verb, &'static str, &'static str, &'static str);

/// All topics of which there is something to tell.
const TOPICS: &[Topic] = &[
    (Kind::BulkOperation, Verb::Update, "BULK_OPERATIONS_FINISH", "bulk_operations/finish", ""),
    (Kind::Collection, Verb::Create, "COLLECTIONS_CREATE", "collections/create", "read_products"),
    (Kind::Collection, Verb::Delete, "COLLECTIONS_DELETE", "collections/delete", "read_products"),
    (Kind::Collection, Verb::Update, "COLLECTIONS_UPDATE", "collections/update", "read_products"),
    (Kind::Customer, Verb::Create, "CUSTOMERS_CREATE", "customers/create", "read_customers"),
    (Kind::Customer, Verb::Delete, "CUSTOMERS_DELETE", "customers/delete", "read_customers"),
    (Kind::Customer, Verb::Update, "CUSTOMERS_UPDATE", "customers/update", "read_customers"),
    (
        Kind::Customer,
        Verb::AgreeToMail,
        "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
        "customers_email_marketing_consent/update",
        "read_customers",
    ),
    (
        Kind::Customer,
        Verb::AgreeToSms,
        "CUSTOMERS_MARKETING_CONSENT_UPDATE",
        "customers_marketing_consent/update",
        "read_customers",
    ),
    (
        Kind::Customer,
        Verb::AgreeToWhatsApp,
        "CUSTOMERS_WHATS_APP_MARKETING_CONSENT_UPDATE",
        "customers_whats_app_marketing_consent/update",
        "read_customers",
    ),
    (Kind::Customer, Verb::Tag, "CUSTOMER_TAGS_ADDED", "customer.tags_added", "read_customers"),
    (Kind::Customer, Verb::Untag, "CUSTOMER_TAGS_REMOVED", "customer.tags_removed", "read_customers"),
    (
        Kind::DiscountCodeNode,
        Verb::AddCode,
        "DISCOUNTS_REDEEMCODE_ADDED",
        "discounts/redeemcode_added",
        "read_discounts",
    ),
    (
        Kind::DiscountCodeNode,
        Verb::RemoveCode,
        "DISCOUNTS_REDEEMCODE_REMOVED",
        "discounts/redeemcode_removed",
        "read_discounts",
    ),
    (Kind::DiscountAutomaticNode, Verb::Create, "DISCOUNTS_CREATE", "discounts/create", "read_discounts"),
    (Kind::DiscountAutomaticNode, Verb::Delete, "DISCOUNTS_DELETE", "discounts/delete", "read_discounts"),
    (Kind::DiscountAutomaticNode, Verb::Update, "DISCOUNTS_UPDATE", "discounts/update", "read_discounts"),
    (Kind::DiscountCodeNode, Verb::Create, "DISCOUNTS_CREATE", "discounts/create", "read_discounts"),
    (Kind::DiscountCodeNode, Verb::Delete, "DISCOUNTS_DELETE", "discounts/delete", "read_discounts"),
    (Kind::DiscountCodeNode, Verb::Update, "DISCOUNTS_UPDATE", "discounts/update", "read_discounts"),
    (Kind::DraftOrder, Verb::Create, "DRAFT_ORDERS_CREATE", "draft_orders/create", "read_draft_orders"),
    (Kind::DraftOrder, Verb::Delete, "DRAFT_ORDERS_DELETE", "draft_orders/delete", "read_draft_orders"),
    (Kind::DraftOrder, Verb::Update, "DRAFT_ORDERS_UPDATE", "draft_orders/update", "read_draft_orders"),
    (Kind::InventoryItem, Verb::Create, "INVENTORY_ITEMS_CREATE", "inventory_items/create", "read_inventory"),
    (Kind::InventoryItem, Verb::Delete, "INVENTORY_ITEMS_DELETE", "inventory_items/delete", "read_inventory"),
    (Kind::InventoryItem, Verb::Update, "INVENTORY_ITEMS_UPDATE", "inventory_items/update", "read_inventory"),
    (
        Kind::InventoryLevel,
        Verb::Create,
        "INVENTORY_LEVELS_CONNECT",
        "inventory_levels/connect",
        "read_inventory",
    ),
    (
        Kind::InventoryLevel,
        Verb::Delete,
        "INVENTORY_LEVELS_DISCONNECT",
        "inventory_levels/disconnect",
        "read_inventory",
    ),
    (
        Kind::InventoryLevel,
        Verb::Update,
        "INVENTORY_LEVELS_UPDATE",
        "inventory_levels/update",
        "read_inventory",
    ),
    (Kind::Location, Verb::Activate, "LOCATIONS_ACTIVATE", "locations/activate", "read_locations"),
    (Kind::Location, Verb::Create, "LOCATIONS_CREATE", "locations/create", "read_locations"),
    (Kind::Location, Verb::Deactivate, "LOCATIONS_DEACTIVATE", "locations/deactivate", "read_locations"),
    (Kind::Location, Verb::Delete, "LOCATIONS_DELETE", "locations/delete", "read_locations"),
    (Kind::Location, Verb::Update, "LOCATIONS_UPDATE", "locations/update", "read_locations"),
    (Kind::Market, Verb::Create, "MARKETS_CREATE", "markets/create", "read_markets"),
    (Kind::Market, Verb::Delete, "MARKETS_DELETE", "markets/delete", "read_markets"),
    (Kind::Market, Verb::Update, "MARKETS_UPDATE", "markets/update", "read_markets"),
    (
        Kind::MetafieldDefinition,
        Verb::Create,
        "METAFIELD_DEFINITIONS_CREATE",
        "metafield_definitions/create",
        "read_content",
    ),
    (
        Kind::MetafieldDefinition,
        Verb::Delete,
        "METAFIELD_DEFINITIONS_DELETE",
        "metafield_definitions/delete",
        "read_content",
    ),
    (
        Kind::MetafieldDefinition,
        Verb::Update,
        "METAFIELD_DEFINITIONS_UPDATE",
        "metafield_definitions/update",
        "read_content",
    ),
    (Kind::Metaobject, Verb::Create, "METAOBJECTS_CREATE", "metaobjects/create", "read_metaobjects"),
    (Kind::Metaobject, Verb::Delete, "METAOBJECTS_DELETE", "metaobjects/delete", "read_metaobjects"),
    (Kind::Metaobject, Verb::Update, "METAOBJECTS_UPDATE", "metaobjects/update", "read_metaobjects"),
    (Kind::Order, Verb::Create, "ORDERS_CREATE", "orders/create", "read_orders"),
    (Kind::Order, Verb::Delete, "ORDERS_DELETE", "orders/delete", "read_orders"),
    (Kind::Order, Verb::Update, "ORDERS_UPDATED", "orders/updated", "read_orders"),
    (Kind::Product, Verb::Create, "PRODUCTS_CREATE", "products/create", "read_products"),
    (Kind::Product, Verb::Delete, "PRODUCTS_DELETE", "products/delete", "read_products"),
    (Kind::Product, Verb::Update, "PRODUCTS_UPDATE", "products/update", "read_products"),
    (Kind::Segment, Verb::Create, "SEGMENTS_CREATE", "segments/create", "read_customers"),
    (Kind::Segment, Verb::Delete, "SEGMENTS_DELETE", "segments/delete", "read_customers"),
    (Kind::Segment, Verb::Update, "SEGMENTS_UPDATE", "segments/update", "read_customers"),
    (Kind::Shop, Verb::Update, "SHOP_UPDATE", "shop/update", ""),
    (Kind::ShopLocale, Verb::Create, "LOCALES_CREATE", "locales/create", "read_locales"),
    (Kind::ShopLocale, Verb::Delete, "LOCALES_DESTROY", "locales/destroy", "read_locales"),
    (Kind::ShopLocale, Verb::Update, "LOCALES_UPDATE", "locales/update", "read_locales"),
];

/// The scope that a topic takes; nothing for topics of which there is nothing to tell.
pub(crate) fn scope(topic: &str) -> Option<&'static str> {
    TOPICS.iter().find(|(_, _, name, ..)| *name == topic).map(|(.., scope)| *scope)
}

/// Whether a topic is told only of types that are named.
pub(crate) fn is_by_type(topic: &str) -> bool {
    TOPICS.iter().any(|(kind, _, name, ..)| *kind == Kind::Metaobject && *name == topic)
}

/// The types that a filter names: `type:one OR type:other`.
pub(crate) fn types(filter: &str) -> Option<Vec<&str>> {
    filter.split(" OR ").map(|one| one.strip_prefix("type:").filter(|name| !name.is_empty())).collect()
}

/// One message to one subscription.
struct Delivery {
    subscription: Gid,
    uri: String,
    header: &'static str,
    change: Change,
    /// The fields that were asked for; empty for all.
    fields: Vec<String>,
}

/// Tells every subscription about what it asked for, in the background.
pub(crate) fn deliver(shop: &Arc<Shop>, changes: Vec<Change>) {
    let wanted: Vec<Delivery> = {
        let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
        let subscriptions = &store.table(Kind::WebhookSubscription).rows;
        if subscriptions.is_empty() {
            return;
        }
        let store = &store;
        let of_change = |change: Change| {
            let topic =
                TOPICS.iter().find(|(kind, verb, ..)| *kind == change.gid.kind() && *verb == change.verb);
            let (_, _, name, header, _) = topic?;
            let object = change.was.as_ref().or_else(|| store.get(change.gid)).cloned();
            let told = subscriptions.iter().filter(move |(_, subscription)| {
                subscription.str("topic") == Some(name) && is_wanted(subscription, object.as_deref())
            });
            Some(told.filter_map(move |(number, subscription)| {
                Some(Delivery {
                    subscription: Gid::new(Kind::WebhookSubscription, *number),
                    uri: subscription.str("uri")?.to_owned(),
                    header,
                    change: change.clone(),
                    fields: subscription
                        .list("includeFields")
                        .iter()
                        .filter_map(|field| field.as_str().map(str::to_owned))
                        .collect(),
                })
            }))
        };
        changes.into_iter().filter_map(of_change).flatten().collect()
    };
    for delivery in wanted {
        let shop = Arc::clone(shop);
        tokio::spawn(async move { send(&shop, delivery).await });
    }
}

/// Whether a subscription's filter takes an object. Only metaobjects are told apart, by their types.
fn is_wanted(subscription: &Obj, object: Option<&Obj>) -> bool {
    let by_type = subscription.str("topic").is_some_and(is_by_type);
    let types = || subscription.str("filter").and_then(types).unwrap_or_default();
    !by_type || object.and_then(|object| object.str("type")).is_some_and(|own| types().contains(&own))
}

/// What of an object is told beside its id, where it has it: name there, name in the message.
const TOLD: &[(&str, &str)] = &[
    ("title", "title"),
    ("name", "name"),
    ("handle", "handle"),
    ("email", "email"),
    ("namespace", "namespace"),
];

/// The message, as the platform's examples have it for each kind.
fn body(shop: &Shop, delivery: &Delivery) -> String {
    let Change { gid, verb, was, stocked } = &delivery.change;
    let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
    let object = was.as_ref().or_else(|| store.get(*gid));
    let text = |name: &str| object.and_then(|object| object.str(name));
    let updated = object.and_then(|object| object.int("updatedAt")).map(rfc3339);
    let gone = *verb == Verb::Delete;
    let mut told = match gid.kind() {
        Kind::BulkOperation => {
            let word = |name: &str| text(name).map(str::to_lowercase);
            let completed = object.and_then(|object| object.int("completedAt")).map(rfc3339);
            json!({
                "admin_graphql_api_id": gid.to_string(), "completed_at": completed,
                "error_code": word("errorCode"), "status": word("status"), "type": word("type"),
            })
        }
        Kind::InventoryLevel => {
            let (item, location) = stocked.map_or((0, 0), |(item, at)| (item.number(), at.number()));
            let whole = format!("{gid}?inventory_item_id={item}");
            let available = stocked.and_then(|(item, at)| {
                let levels = store.get(item)?.list("inventoryLevels").iter().filter_map(Val::as_obj);
                levels.into_iter().find(|level| level.gid("location") == Some(at))?.int("available")
            });
            let now = rfc3339(shop.clock.now().as_second());
            let own = json!({ "available": available, "updated_at": now, "admin_graphql_api_id": whole });
            joined(json!({ "inventory_item_id": item, "location_id": location }), (!gone).then_some(own))
        }
        Kind::ShopLocale => {
            json!({ "locale": text("locale"), "published": object.and_then(|object| object.flag("published")) })
        }
        Kind::Metaobject => {
            let own = json!({ "updated_at": updated, "display_name": text("displayName") });
            let always = json!({ "id": gid.to_string(), "type": text("type"), "handle": text("handle") });
            joined(always, (!gone).then_some(own))
        }
        Kind::MetafieldDefinition => {
            let own = json!({ "namespace": text("namespace"), "key": text("key"), "updated_at": updated });
            joined(json!({ "id": gid.to_string() }), (!gone).then_some(own))
        }
        Kind::DiscountCodeNode | Kind::DiscountAutomaticNode => {
            let own = json!({ "title": text("title"), "updated_at": updated });
            joined(json!({ "admin_graphql_api_id": gid.to_string() }), (!gone).then_some(own))
        }
        Kind::Shop | Kind::Segment | Kind::Market => {
            let own = json!({ "name": text("name"), "updated_at": updated });
            joined(json!({ "id": gid.number() }), (!gone).then_some(own))
        }
        Kind::Customer if matches!(verb, Verb::Tag | Verb::Untag) => {
            let tags: Vec<Json> = object
                .map(|object| object.list("tags").iter().map(Val::to_json).collect())
                .unwrap_or_default();
            json!({ "customerId": gid.to_string(), "tags": tags, "occurredAt": updated })
        }
        Kind::Customer if *verb == Verb::AgreeToMail => {
            json!({ "customer_id": gid.number(), "email_address": text("email") })
        }
        Kind::Customer if *verb == Verb::AgreeToWhatsApp => {
            json!({ "customer_id": gid.number(), "phone_number": text("phone") })
        }
        Kind::Customer if *verb == Verb::AgreeToSms => json!({ "id": gid.number(), "phone": text("phone") }),
        _ if gone => json!({ "id": gid.number() }),
        _ => {
            let own: Map<String, Json> = TOLD
                .iter()
                .filter_map(|(name, told)| Some(((*told).to_owned(), Json::from(text(name)?))))
                .collect();
            let always =
                json!({ "id": gid.number(), "admin_graphql_api_id": gid.to_string(), "updated_at": updated });
            joined(always, Some(Json::Object(own)))
        }
    };
    if let (Some(all), false) = (told.as_object_mut(), delivery.fields.is_empty()) {
        all.retain(|name, _| {
            delivery.fields.iter().any(|field| field.split('.').next() == Some(name.as_str()))
        });
    }
    told.to_string()
}

fn joined(mut one: Json, other: Option<Json>) -> Json {
    if let (Some(fields), Some(Json::Object(more))) = (one.as_object_mut(), other) {
        fields.extend(more);
    }
    one
}

async fn send(shop: &Shop, delivery: Delivery) {
    // A retry carries the body of the first try.
    let body = body(shop, &delivery);
    let Delivery { subscription, uri, header, .. } = delivery;
    let signature = sign(&shop.client_secret, body.as_bytes());
    let event = fresh(&shop.rng, "");
    let tried = fresh(&shop.rng, "");
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
            .post(&uri)
            .header("content-type", "application/json")
            .header("x-shopify-topic", header)
            .header("x-shopify-shop-domain", &domain)
            .header("x-shopify-hmac-sha256", &signature)
            .header("x-shopify-webhook-id", &tried)
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
