//! Who asks: the scopes that were granted to the app, and the approvals that it has.

use std::collections::BTreeSet;

use super::schema::Shape;

/// How much of people's data the platform lets the app see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtectedData {
    /// All of it.
    Approved,
    /// Not the fields that tell who a person is: each is null, and the answer's errors name it.
    FieldsHidden {
        /// Whether those errors carry the code `ACCESS_DENIED`. Both were seen.
        coded: bool,
    },
    /// No customer, order or draft at all.
    ObjectsHidden {
        /// Whether the errors carry the code `ACCESS_DENIED`.
        coded: bool,
    },
}

impl From<bool> for ProtectedData {
    /// Approved, or without the fields.
    fn from(approved: bool) -> Self {
        if approved { Self::Approved } else { Self::FieldsHidden { coded: true } }
    }
}

/// How long an order can be seen without `read_all_orders`, in seconds.
pub(crate) const ORDER_WINDOW: i64 = 60 * 86_400;

/// Which scopes open a type; any one of them is enough. `write_x` opens what `read_x` opens.
const SCOPES: &[(&str, &[&str])] = &[
    ("Product", &["read_products"]),
    ("ProductVariant", &["read_products"]),
    ("Collection", &["read_products"]),
    ("InventoryItem", &["read_inventory", "read_products"]),
    ("InventoryLevel", &["read_inventory"]),
    ("Location", &["read_locations"]),
    ("Publication", &["read_publications"]),
    ("Page", &["read_content", "read_online_store_pages"]),
    ("Blog", &["read_content", "read_online_store_pages"]),
    ("Article", &["read_content", "read_online_store_pages"]),
    ("Comment", &["read_content", "read_online_store_pages"]),
    ("Menu", &["read_online_store_navigation"]),
    ("UrlRedirect", &["read_online_store_navigation"]),
    ("File", &["read_files"]),
    ("Customer", &["read_customers"]),
    ("Order", &["read_orders"]),
    ("DraftOrder", &["read_draft_orders"]),
    ("DiscountNode", &["read_discounts"]),
    ("DiscountCodeNode", &["read_discounts"]),
    ("DiscountAutomaticNode", &["read_discounts"]),
    ("TranslatableResource", &["read_translations"]),
    ("PriceList", &["read_products"]),
    ("Catalog", &["read_products"]),
    ("MarketCatalog", &["read_products"]),
    ("Market", &["read_markets"]),
    ("MarketWebPresence", &["read_markets"]),
    ("Segment", &["read_customers"]),
    ("ScriptTag", &["read_script_tags"]),
    ("GiftCard", &["read_gift_cards"]),
    ("Metaobject", &["read_metaobjects"]),
    ("MetaobjectDefinition", &["read_metaobject_definitions"]),
    ("ShopPolicy", &["read_legal_policies"]),
    ("ShopLocale", &["read_locales"]),
];

/// Which scope a mutation needs, by the beginning of its name; the first that fits counts.
const WRITES: &[(&str, &[&str])] = &[
    ("product", &["write_products"]),
    ("collection", &["write_products"]),
    ("inventory", &["write_inventory"]),
    ("location", &["write_locations"]),
    ("publi", &["write_publications"]),
    ("page", &["write_content", "write_online_store_pages"]),
    ("blog", &["write_content", "write_online_store_pages"]),
    ("article", &["write_content", "write_online_store_pages"]),
    ("menu", &["write_online_store_navigation"]),
    ("urlRedirect", &["write_online_store_navigation"]),
    ("file", &["write_files"]),
    ("customer", &["write_customers"]),
    ("order", &["write_orders"]),
    ("refund", &["write_orders"]),
    ("draftOrder", &["write_draft_orders"]),
    ("discount", &["write_discounts"]),
    ("translations", &["write_translations"]),
    ("priceList", &["write_products"]),
    ("quantity", &["write_products"]),
    ("catalog", &["write_products"]),
    ("market", &["write_markets"]),
    ("webPresence", &["write_markets"]),
    ("segment", &["write_customers"]),
    ("scriptTag", &["write_script_tags"]),
    ("metaobjectDefinition", &["write_metaobject_definitions"]),
    ("metaobject", &["write_metaobjects"]),
    ("shopPolicy", &["write_legal_policies"]),
    ("shopLocale", &["write_locales"]),
];

/// Types whose objects are about a person as a whole.
const PROTECTED_TYPES: &[&str] = &["Customer", "Order", "DraftOrder"];

/// Fields that hold a person's data and are empty without the platform's approval.
const PROTECTED: &[(&str, &[&str])] = &[
    (
        "Customer",
        &[
            "firstName",
            "lastName",
            "displayName",
            "email",
            "phone",
            "defaultEmailAddress",
            "defaultPhoneNumber",
            "addresses",
            "addressesV2",
            "defaultAddress",
            "note",
        ],
    ),
    ("Order", &["email", "phone", "billingAddress", "shippingAddress", "displayAddress", "clientIp", "note"]),
    ("DraftOrder", &["email", "phone", "billingAddress", "shippingAddress", "note2"]),
];

/// Everything that a self-hosted backup would ask for.
pub(crate) const ALL_SCOPES: &[&str] = &[
    "read_all_orders",
    "read_gift_cards",
    "write_content",
    "write_customers",
    "write_discounts",
    "write_draft_orders",
    "write_files",
    "write_inventory",
    "write_legal_policies",
    "write_locales",
    "write_locations",
    "write_markets",
    "write_metaobject_definitions",
    "write_metaobjects",
    "write_online_store_navigation",
    "write_orders",
    "write_products",
    "write_publications",
    "write_script_tags",
    "write_translations",
];

/// Whether a field may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Granted,
    /// One of these scopes is missing.
    Denied(&'static [&'static str]),
    /// Shown as empty, with an error: the data is a person's and the app is not approved.
    Redacted {
        coded: bool,
    },
    /// The objects are about a person and the app is not approved.
    Unapproved {
        type_name: &'static str,
        coded: bool,
    },
}

/// The app as the store sees it.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) protected_data: ProtectedData,
}

impl Viewer {
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
            || scope.strip_prefix("read_").is_some_and(|what| self.scopes.contains(&format!("write_{what}")))
    }

    fn any(&self, scopes: &'static [&'static str]) -> Access {
        if scopes.iter().any(|scope| self.has(scope)) { Access::Granted } else { Access::Denied(scopes) }
    }

    /// Whether this field of this type may be seen; `inner` is the type of its value.
    pub(crate) fn access(&self, type_name: &str, field: &str, shape: Shape, inner: &str) -> Access {
        if type_name == "Mutation" {
            let needed = WRITES.iter().find(|(prefix, _)| field.starts_with(prefix));
            return needed.map_or(Access::Granted, |(_, scopes)| self.any(scopes));
        }
        if let ProtectedData::FieldsHidden { coded } = self.protected_data
            && PROTECTED.iter().any(|(of, fields)| *of == type_name && fields.contains(&field))
        {
            return Access::Redacted { coded };
        }
        if type_name.ends_with("Payload") {
            // What a mutation did is told to whoever may do it, but nobody is shown a person whom they may not see.
            return match self.type_access(inner) {
                hidden @ Access::Unapproved { .. } => hidden,
                _ => Access::Granted,
            };
        }
        if type_name.ends_with("Edge") || type_name.ends_with("Connection") {
            return Access::Granted;
        }
        let value_type = match shape {
            Shape::Connection(node) => node,
            _ => inner,
        };
        if type_name == "QueryRoot" && field.ends_with("Count") {
            let of = field.trim_end_matches("sCount");
            return SCOPES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(of))
                .map_or(Access::Granted, |(_, scopes)| self.any(scopes));
        }
        self.type_access(value_type)
    }

    /// Whether objects of this type may be seen.
    pub(crate) fn type_access(&self, type_name: &str) -> Access {
        if let ProtectedData::ObjectsHidden { coded } = self.protected_data
            && let Some(type_name) = PROTECTED_TYPES.iter().find(|known| **known == type_name)
        {
            return Access::Unapproved { type_name, coded };
        }
        SCOPES
            .iter()
            .find(|(name, _)| *name == type_name)
            .map_or(Access::Granted, |(_, scopes)| self.any(scopes))
    }

    /// Whether orders older than sixty days may be seen.
    pub(crate) fn sees_all_orders(&self) -> bool {
        self.scopes.contains("read_all_orders")
    }
}
