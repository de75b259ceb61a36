//! What Shopify tells of by itself: each topic with its two spellings, what it takes to be told, and where the message says
//! which item it is about. Which kinds a topic concerns stands in their rows ([`KindSpec::told`](crate::contract::KindSpec::told)).

/// One topic.
///
/// Source: the platform's schema (`WebhookSubscriptionTopic`) for names and scopes, its examples of messages for ids.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    /// As messages spell it: `products/update`.
    pub header: &'static str,
    /// As the API spells it: `PRODUCTS_UPDATE`. Empty where no app can ask for it.
    pub name: &'static str,
    /// The scope that it takes; empty for none.
    pub scope: &'static str,
    /// The type of the item, for its id. Empty where the id is no number.
    pub of: &'static str,
    /// Where the message holds the item's number.
    pub id: &'static str,
    /// Whether it is told only of types of metaobjects that are named.
    pub by_type: bool,
}

const fn topic(header: &'static str, name: &'static str, scope: &'static str, of: &'static str) -> Topic {
    Topic { header, name, scope, of, id: "/id", by_type: false }
}

/// One whose message holds the item's number elsewhere.
const fn at(topic: Topic, id: &'static str) -> Topic {
    Topic { id, ..topic }
}

const fn by_type(topic: Topic) -> Topic {
    Topic { by_type: true, ..topic }
}

/// One that is set up with the app, and that no app can ask for.
const fn set_up(header: &'static str, of: &'static str, id: &'static str) -> Topic {
    Topic { header, name: "", scope: "", of, id, by_type: false }
}

/// All topics that are known.
pub static TOPICS: &[Topic] = &[
    topic("shop/update", "SHOP_UPDATE", "", "Shop"),
    at(topic("locales/create", "LOCALES_CREATE", "read_locales", ""), "/locale"),
    at(topic("locales/update", "LOCALES_UPDATE", "read_locales", ""), "/locale"),
    at(topic("locales/destroy", "LOCALES_DESTROY", "read_locales", ""), "/locale"),
    topic("locations/create", "LOCATIONS_CREATE", "read_locations", "Location"),
    topic("locations/update", "LOCATIONS_UPDATE", "read_locations", "Location"),
    topic("locations/delete", "LOCATIONS_DELETE", "read_locations", "Location"),
    topic("locations/activate", "LOCATIONS_ACTIVATE", "read_locations", "Location"),
    topic("locations/deactivate", "LOCATIONS_DEACTIVATE", "read_locations", "Location"),
    topic(
        "metafield_definitions/create",
        "METAFIELD_DEFINITIONS_CREATE",
        "read_content",
        "MetafieldDefinition",
    ),
    topic(
        "metafield_definitions/update",
        "METAFIELD_DEFINITIONS_UPDATE",
        "read_content",
        "MetafieldDefinition",
    ),
    topic(
        "metafield_definitions/delete",
        "METAFIELD_DEFINITIONS_DELETE",
        "read_content",
        "MetafieldDefinition",
    ),
    by_type(topic("metaobjects/create", "METAOBJECTS_CREATE", "read_metaobjects", "Metaobject")),
    by_type(topic("metaobjects/update", "METAOBJECTS_UPDATE", "read_metaobjects", "Metaobject")),
    by_type(topic("metaobjects/delete", "METAOBJECTS_DELETE", "read_metaobjects", "Metaobject")),
    topic("products/create", "PRODUCTS_CREATE", "read_products", "Product"),
    topic("products/update", "PRODUCTS_UPDATE", "read_products", "Product"),
    topic("products/delete", "PRODUCTS_DELETE", "read_products", "Product"),
    topic("inventory_items/create", "INVENTORY_ITEMS_CREATE", "read_inventory", "InventoryItem"),
    topic("inventory_items/update", "INVENTORY_ITEMS_UPDATE", "read_inventory", "InventoryItem"),
    topic("inventory_items/delete", "INVENTORY_ITEMS_DELETE", "read_inventory", "InventoryItem"),
    at(
        topic("inventory_levels/connect", "INVENTORY_LEVELS_CONNECT", "read_inventory", "InventoryItem"),
        STOCKED,
    ),
    at(
        topic("inventory_levels/update", "INVENTORY_LEVELS_UPDATE", "read_inventory", "InventoryItem"),
        STOCKED,
    ),
    at(
        topic(
            "inventory_levels/disconnect",
            "INVENTORY_LEVELS_DISCONNECT",
            "read_inventory",
            "InventoryItem",
        ),
        STOCKED,
    ),
    topic("collections/create", "COLLECTIONS_CREATE", "read_products", "Collection"),
    topic("collections/update", "COLLECTIONS_UPDATE", "read_products", "Collection"),
    topic("collections/delete", "COLLECTIONS_DELETE", "read_products", "Collection"),
    topic("segments/create", "SEGMENTS_CREATE", "read_customers", "Segment"),
    topic("segments/update", "SEGMENTS_UPDATE", "read_customers", "Segment"),
    topic("segments/delete", "SEGMENTS_DELETE", "read_customers", "Segment"),
    topic("discounts/create", "DISCOUNTS_CREATE", "read_discounts", ""),
    topic("discounts/update", "DISCOUNTS_UPDATE", "read_discounts", ""),
    topic("discounts/delete", "DISCOUNTS_DELETE", "read_discounts", ""),
    topic("discounts/redeemcode_added", "DISCOUNTS_REDEEMCODE_ADDED", "read_discounts", ""),
    topic("discounts/redeemcode_removed", "DISCOUNTS_REDEEMCODE_REMOVED", "read_discounts", ""),
    topic("customers/create", "CUSTOMERS_CREATE", "read_customers", "Customer"),
    topic("customers/update", "CUSTOMERS_UPDATE", "read_customers", "Customer"),
    topic("customers/delete", "CUSTOMERS_DELETE", "read_customers", "Customer"),
    at(
        topic(
            "customers_email_marketing_consent/update",
            "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
            "read_customers",
            "Customer",
        ),
        "/customer_id",
    ),
    topic(
        "customers_marketing_consent/update",
        "CUSTOMERS_MARKETING_CONSENT_UPDATE",
        "read_customers",
        "Customer",
    ),
    at(
        topic(
            "customers_whats_app_marketing_consent/update",
            "CUSTOMERS_WHATS_APP_MARKETING_CONSENT_UPDATE",
            "read_customers",
            "Customer",
        ),
        "/customer_id",
    ),
    at(topic("customer.tags_added", "CUSTOMER_TAGS_ADDED", "read_customers", "Customer"), "/customerId"),
    at(topic("customer.tags_removed", "CUSTOMER_TAGS_REMOVED", "read_customers", "Customer"), "/customerId"),
    topic("markets/create", "MARKETS_CREATE", "read_markets", "Market"),
    topic("markets/update", "MARKETS_UPDATE", "read_markets", "Market"),
    topic("markets/delete", "MARKETS_DELETE", "read_markets", "Market"),
    topic("orders/create", "ORDERS_CREATE", "read_orders", "Order"),
    topic("orders/updated", "ORDERS_UPDATED", "read_orders", "Order"),
    topic("orders/delete", "ORDERS_DELETE", "read_orders", "Order"),
    topic("draft_orders/create", "DRAFT_ORDERS_CREATE", "read_draft_orders", "DraftOrder"),
    topic("draft_orders/update", "DRAFT_ORDERS_UPDATE", "read_draft_orders", "DraftOrder"),
    topic("draft_orders/delete", "DRAFT_ORDERS_DELETE", "read_draft_orders", "DraftOrder"),
    // What the law asks of apps: to tell somebody what is kept of them, and to erase people and shops.
    // Source: the platform's page on compliance webhooks.
    set_up("customers/data_request", "Customer", "/customer/id"),
    set_up("customers/redact", "Customer", "/customer/id"),
    set_up("shop/redact", "Shop", "/shop_id"),
];

/// Whose stock it is. The level itself is no item of ours.
const STOCKED: &str = "/inventory_item_id";

/// The topic that messages spell so.
pub(super) fn topic_of(header: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.header == header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::shopify::kinds::KINDS;

    #[test]
    fn every_topic_is_one_row_and_concerns_a_kind_unless_it_is_set_up_with_the_app() {
        let compliance = ["customers/data_request", "customers/redact", "shop/redact"];
        for topic in TOPICS {
            let alike = TOPICS.iter().filter(|other| other.header == topic.header).count();
            assert_eq!(alike, 1, "{}", topic.header);
            let told = KINDS.iter().any(|kind| kind.told.contains(&topic.header));
            assert_eq!(told, !topic.name.is_empty(), "{}", topic.header);
            assert_eq!(topic.name.is_empty(), compliance.contains(&topic.header), "{}", topic.header);
        }
    }

    #[test]
    fn every_topic_of_a_kind_is_known() {
        for kind in KINDS {
            for told in kind.told {
                assert!(topic_of(told).is_some(), "{}: {told}", kind.name);
            }
        }
        assert!(topic_of("orders/dreamt").is_none());
    }
}
