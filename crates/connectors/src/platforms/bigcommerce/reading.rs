//! How each kind is read: which lists, in which way they come page by page, and what is read beside each item.

use serde_json::Value;

use super::kinds::KINDS;

/// How one kind is read.
#[derive(Debug)]
pub(super) struct Reading {
    /// The kind.
    pub(super) kind: &'static str,
    /// The list that holds all of them.
    pub(super) list: List,
    /// The filter that names a time since which they changed.
    pub(super) since: Option<&'static str>,
    /// How an increment finds out what is there still.
    pub(super) still: Still,
    /// How items are read of which the ids are known.
    pub(super) by_id: ById,
    /// What belongs to an item and stands elsewhere.
    pub(super) parts: &'static [Part],
    /// Where an item says what it is called.
    pub(super) id: &'static str,
    /// Bytes beside an item.
    pub(super) media: Media,
}

/// How an increment finds out what is there still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Still {
    /// Not at all: what was deleted is found by the next full reading.
    Unknown,
    /// By a list of all ids.
    Ids(&'static List),
}

/// How items are read of which the ids are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ById {
    /// By a filter of the list, so many at once.
    Filter(&'static str, usize),
    /// Each below the list's path.
    Path,
    /// Only among all of them.
    List,
    /// The id says where it is.
    Document,
}

/// A list and how it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct List {
    /// Where it is, with the version before it. `{id}` stands for the owner's id, as in what is asked for with it.
    pub(super) path: &'static str,
    /// What is asked for with it.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// How one page follows the other.
    pub(super) way: Way,
    /// How many at once are asked for. How many come is the platform's to say.
    pub(super) limit: u16,
}

/// How one page of a list follows the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// V3: those whose id is greater than the last one's, or at least one more. Steady while the store changes.
    Greater(&'static str),
    /// V3: after a cursor. Steady as well.
    Cursor,
    /// V3: by the number of the page. Whatever is added or deleted in between moves the others, so what came is compared
    /// with how many there are.
    Pages,
    /// V2: those from an id on.
    MinId,
    /// V2: by the number of the page, until there is none.
    Numbered,
    /// One object, which is the item.
    One,
    /// A list that comes whole.
    Whole,
    /// Documents that stand each at a path of its own, for the store and for each of its channels.
    Documents(&'static [Document]),
}

/// A document that stands at a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Document {
    /// Where it is. What a list at that path holds are documents below it, named by this field.
    pub(super) path: &'static str,
    /// The field that names those below, where they come in a list.
    pub(super) each: Option<&'static str>,
    /// Whether each channel can have one of its own.
    pub(super) by_channel: ByChannel,
}

/// How a channel's own document is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByChannel {
    /// There is none.
    No,
    /// By a parameter.
    Query,
    /// Below the path: `channels/{id}`.
    Path,
}

const fn document(path: &'static str, by_channel: ByChannel) -> Document {
    Document { path, each: None, by_channel }
}

/// What is set of a store.
static SETTINGS: &[Document] = &[
    document("v3/settings/catalog", ByChannel::Query),
    document("v3/settings/email-statuses", ByChannel::Query),
    document("v3/settings/inventory", ByChannel::Query),
    document("v3/settings/inventory/notifications", ByChannel::Query),
    document("v3/settings/logo", ByChannel::Query),
    document("v3/settings/search/filters", ByChannel::No),
    document("v3/settings/search/filters/contexts", ByChannel::No),
    document("v3/settings/store/locale", ByChannel::No),
    document("v3/settings/store/profile", ByChannel::Query),
    document("v3/settings/store/units-of-measurement", ByChannel::Query),
    document("v3/settings/storefront/category", ByChannel::Query),
    document("v3/settings/storefront/product", ByChannel::Query),
    document("v3/settings/storefront/robotstxt", ByChannel::Query),
    document("v3/settings/storefront/search", ByChannel::Query),
    document("v3/settings/storefront/security", ByChannel::Query),
    document("v3/settings/storefront/seo", ByChannel::Query),
    document("v3/settings/storefront/status", ByChannel::Query),
    document("v3/customers/settings", ByChannel::Path),
    document("v3/orders/settings", ByChannel::Path),
    document("v3/promotions/settings", ByChannel::No),
    document("v3/shipping/settings", ByChannel::Path),
    document("v3/tax/settings", ByChannel::No),
];

/// What a store writes to its customers.
static EMAILS: &[Document] =
    &[Document { path: "v3/marketing/email-templates", each: Some("type_id"), by_channel: ByChannel::Query }];

/// What belongs to an item and stands elsewhere.
#[derive(Debug)]
pub(super) struct Part {
    /// The field that it becomes.
    pub(super) field: &'static str,
    /// Where it is.
    pub(super) from: From,
}

/// Where a part is.
#[derive(Debug)]
pub(super) enum From {
    /// In a list of its own for each item, read where the item says that there is something in it.
    Each {
        /// The list.
        list: List,
        /// Whether there is.
        when: fn(&Value) -> bool,
    },
    /// In one list for all items.
    Bulk {
        /// The list.
        list: List,
        /// The filter that names a time since which they changed.
        since: Option<&'static str>,
        /// Where an element names its owner.
        owner: Owner,
        /// The list of one owner, where there is one.
        own: Option<&'static str>,
    },
}

/// Where an element of a list names its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// At this pointer.
    At(&'static str),
    /// It names a variant at this pointer, and only the variant names its product.
    Variant(&'static str),
}

/// Bytes beside an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// None.
    None,
    /// One picture, whose address stands at this pointer.
    At(&'static str),
    /// A product's pictures, as they were uploaded, and those of its variants.
    Product,
}

/// Most elements of one page.
pub(super) const PAGE: u16 = 250;

const fn list(path: &'static str, way: Way) -> List {
    List { path, query: &[], way, limit: PAGE }
}

const fn metafields(path: &'static str, own: &'static str) -> Part {
    Part {
        field: "metafields",
        from: From::Bulk {
            list: list(path, Way::Cursor),
            since: Some("date_modified:min"),
            owner: Owner::At("/resource_id"),
            own: Some(own),
        },
    }
}

const fn each(field: &'static str, path: &'static str, way: Way, when: fn(&Value) -> bool) -> Part {
    Part { field, from: From::Each { list: list(path, way), when } }
}

/// The same, where the list takes its owner as a filter.
const fn each_by(field: &'static str, path: &'static str, when: fn(&Value) -> bool) -> Part {
    let list = List { query: &[("customer_id:in", "{id}")], ..list(path, Way::Pages) };
    Part { field, from: From::Each { list, when } }
}

fn always(_: &Value) -> bool {
    true
}

/// Whether a number, also one that is spelled as text, is greater than zero.
fn positive(item: &Value, field: &str) -> bool {
    match item.get(field) {
        Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number > 0.0),
        Some(Value::String(text)) => text.parse::<f64>().is_ok_and(|number| number > 0.0),
        _ => false,
    }
}

fn some(item: &Value, field: &str) -> bool {
    item.get(field).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// The rows that most kinds have in common.
const PLAIN: Reading = Reading {
    kind: "",
    list: list("", Way::Pages),
    since: None,
    still: Still::Unknown,
    by_id: ById::Path,
    parts: &[],
    id: "/id",
    media: Media::None,
};

static PRODUCT_IDS: List = List {
    query: &[("include_fields", "sku"), ("sort", "id")],
    ..list("v3/catalog/products", Way::Greater("id:greater"))
};
static CUSTOMER_IDS: List = list("v3/customers", Way::Cursor);
static SUBSCRIBER_IDS: List = list("v3/customers/subscribers", Way::Pages);

/// All that a product's own answer can hold. Options and modifiers cut the page to 10; what would come without them comes
/// with them all the same, so the products are listed once.
const PRODUCT: &str = "variants,images,custom_fields,bulk_pricing_rules,videos,reviews,channels,parent_relations,primary_image,options,modifiers";

/// All kinds.
static READINGS: &[Reading] = &[
    Reading { kind: "store", by_id: ById::List, list: list("v2/store", Way::One), ..PLAIN },
    Reading { kind: "currency", list: list("v2/currencies", Way::Numbered), ..PLAIN },
    Reading { kind: "tax_class", list: list("v2/tax_classes", Way::Numbered), ..PLAIN },
    Reading {
        kind: "location",
        by_id: ById::Filter("location_id:in", 50),
        list: list("v3/inventory/locations", Way::Pages),
        parts: &[metafields("v3/inventory/locations/metafields", "v3/inventory/locations/{id}/metafields")],
        ..PLAIN
    },
    Reading {
        kind: "channel",
        list: List { query: &[("include", "currencies")], ..list("v3/channels", Way::Pages) },
        parts: &[metafields("v3/channels/metafields", "v3/channels/{id}/metafields")],
        ..PLAIN
    },
    Reading {
        kind: "category_tree",
        by_id: ById::Filter("id:in", 50),
        list: list("v3/catalog/trees", Way::Whole),
        ..PLAIN
    },
    Reading {
        kind: "category",
        by_id: ById::Filter("category_id:in", 50),
        list: list("v3/catalog/trees/categories", Way::Pages),
        parts: &[metafields("v3/catalog/categories/metafields", "v3/catalog/categories/{id}/metafields")],
        id: "/category_id",
        media: Media::At("/image_url"),
        ..PLAIN
    },
    Reading {
        kind: "brand",
        by_id: ById::Filter("id:in", 50),
        list: list("v3/catalog/brands", Way::Greater("id:greater")),
        parts: &[metafields("v3/catalog/brands/metafields", "v3/catalog/brands/{id}/metafields")],
        media: Media::At("/image_url"),
        ..PLAIN
    },
    Reading {
        kind: "customer_attribute",
        by_id: ById::List,
        list: list("v3/customers/attributes", Way::Pages),
        ..PLAIN
    },
    Reading {
        kind: "product",
        by_id: ById::Filter("id:in", 10),
        list: List {
            query: &[("include", PRODUCT), ("sort", "id")],
            ..list("v3/catalog/products", Way::Greater("id:greater"))
        },
        since: Some("date_modified:min"),
        still: Still::Ids(&PRODUCT_IDS),
        parts: &[
            metafields("v3/catalog/products/metafields", "v3/catalog/products/{id}/metafields"),
            Part {
                field: "variant_metafields",
                from: From::Bulk {
                    list: list("v3/catalog/variants/metafields", Way::Cursor),
                    since: Some("date_modified:min"),
                    owner: Owner::Variant("/resource_id"),
                    own: None,
                },
            },
            // A rule takes modifiers, or a variant and a modifier: where there are none, there is no rule.
            each("complex_rules", "v3/catalog/products/{id}/complex-rules", Way::Pages, |product| {
                some(product, "modifiers")
            }),
        ],
        media: Media::Product,
        ..PLAIN
    },
    Reading { kind: "customer_group", list: list("v2/customer_groups", Way::Numbered), ..PLAIN },
    Reading {
        kind: "price_list",
        by_id: ById::Filter("id:in", 50),
        list: list("v3/pricelists", Way::Cursor),
        parts: &[
            Part {
                field: "records",
                from: From::Each {
                    list: List {
                        query: &[("include", "bulk_pricing_tiers,sku")],
                        ..list("v3/pricelists/{id}/records", Way::Cursor)
                    },
                    when: always,
                },
            },
            Part {
                field: "assignments",
                from: From::Bulk {
                    list: list("v3/pricelists/assignments", Way::Cursor),
                    since: None,
                    owner: Owner::At("/price_list_id"),
                    own: None,
                },
            },
        ],
        ..PLAIN
    },
    Reading {
        kind: "customer",
        by_id: ById::Filter("id:in", 50),
        list: List {
            query: &[("include", "addresses,storecredit,attributes,formfields")],
            ..list("v3/customers", Way::Cursor)
        },
        since: Some("date_modified:min"),
        still: Still::Ids(&CUSTOMER_IDS),
        parts: &[
            metafields("v3/customers/metafields", "v3/customers/{id}/metafields"),
            // Ten of each come with the customer.
            each_by("addresses", "v3/customers/addresses", |customer| {
                cut(customer, "addresses", "address_count")
            }),
            each_by("attributes", "v3/customers/attribute-values", |customer| {
                cut(customer, "attributes", "attribute_count")
            }),
        ],
        ..PLAIN
    },
    Reading {
        kind: "subscriber",
        by_id: ById::Filter("id:in", 50),
        list: list("v3/customers/subscribers", Way::Pages),
        since: Some("date_modified:min"),
        still: Still::Ids(&SUBSCRIBER_IDS),
        ..PLAIN
    },
    Reading { kind: "wishlist", list: list("v3/wishlists", Way::Pages), ..PLAIN },
    Reading { kind: "coupon", by_id: ById::Filter("id", 1), list: list("v2/coupons", Way::MinId), ..PLAIN },
    Reading { kind: "gift_certificate", list: list("v2/gift_certificates", Way::MinId), ..PLAIN },
    Reading { kind: "banner", list: list("v2/banners", Way::MinId), ..PLAIN },
    Reading {
        kind: "page",
        by_id: ById::Filter("id:in", 50),
        list: List { query: &[("include", "body")], ..list("v3/content/pages", Way::Pages) },
        ..PLAIN
    },
    Reading { kind: "blog_post", list: list("v2/blog/posts", Way::Numbered), ..PLAIN },
    Reading {
        kind: "redirect",
        by_id: ById::Filter("id:in", 50),
        list: List {
            query: &[("include", "to_url"), ("sort", "id")],
            ..list("v3/storefront/redirects", Way::Greater("id:min"))
        },
        ..PLAIN
    },
    Reading { kind: "script", list: list("v3/content/scripts", Way::Pages), id: "/uuid", ..PLAIN },
    Reading {
        kind: "order",
        list: List {
            query: &[("include", "consignments,consignments.line_items,fees")],
            ..list("v2/orders", Way::MinId)
        },
        since: Some("min_date_modified"),
        parts: &[
            each("products", "v2/orders/{id}/products", Way::Numbered, always),
            each("shipping_addresses", "v2/orders/{id}/shipping_addresses", Way::Numbered, |order| {
                positive(order, "shipping_address_count")
            }),
            each("coupons", "v2/orders/{id}/coupons", Way::Numbered, |order| {
                positive(order, "coupon_discount")
            }),
            each("taxes", "v2/orders/{id}/taxes", Way::Numbered, |order| positive(order, "total_tax")),
            each("shipments", "v2/orders/{id}/shipments", Way::Numbered, |order| {
                positive(order, "items_shipped")
            }),
            each("messages", "v2/orders/{id}/messages", Way::Numbered, always),
            each("transactions", "v3/orders/{id}/transactions", Way::Whole, always),
            each("refunds", "v3/orders/{id}/payment_actions/refunds", Way::Whole, |order| {
                positive(order, "refunded_amount")
            }),
            metafields("v3/orders/metafields", "v3/orders/{id}/metafields"),
        ],
        ..PLAIN
    },
    Reading {
        kind: "tax_zone",
        by_id: ById::Filter("id:in", 50),
        list: list("v3/tax/zones", Way::Whole),
        ..PLAIN
    },
    Reading {
        kind: "tax_rate",
        by_id: ById::Filter("id:in", 50),
        list: list("v3/tax/rates", Way::Whole),
        ..PLAIN
    },
    Reading {
        kind: "tax_property",
        by_id: ById::Filter("id:in", 50),
        list: list("v3/tax/properties", Way::Whole),
        ..PLAIN
    },
    Reading {
        kind: "site",
        list: list("v3/sites", Way::Pages),
        parts: &[each("routes", "v3/sites/{id}/routes", Way::Pages, always)],
        ..PLAIN
    },
    Reading {
        kind: "segment",
        by_id: ById::Filter("id:in", 20),
        list: list("v3/segments", Way::Pages),
        parts: &[each("profiles", "v3/segments/{id}/shopper-profiles", Way::Pages, always)],
        ..PLAIN
    },
    Reading {
        kind: "promotion",
        list: List { query: &[("sort", "id")], ..list("v3/promotions", Way::Pages) },
        parts: &[each("codes", "v3/promotions/{id}/codes", Way::Cursor, |promotion| {
            promotion.get("redemption_type").and_then(Value::as_str) == Some("COUPON")
        })],
        ..PLAIN
    },
    Reading {
        kind: "widget_template",
        list: list("v3/content/widget-templates", Way::Pages),
        id: "/uuid",
        ..PLAIN
    },
    Reading {
        kind: "widget",
        // Of these no more than 150 come at once.
        list: List { limit: 150, ..list("v3/content/widgets", Way::Pages) },
        id: "/uuid",
        ..PLAIN
    },
    Reading { kind: "placement", list: list("v3/content/placements", Way::Pages), id: "/uuid", ..PLAIN },
    Reading {
        kind: "email_template",
        by_id: ById::Document,
        list: list("", Way::Documents(EMAILS)),
        ..PLAIN
    },
    Reading { kind: "setting", by_id: ById::Document, list: list("", Way::Documents(SETTINGS)), ..PLAIN },
    Reading {
        kind: "shipping_zone",
        list: list("v2/shipping/zones", Way::Whole),
        parts: &[each("methods", "v2/shipping/zones/{id}/methods", Way::Whole, always)],
        ..PLAIN
    },
    Reading { kind: "store_metafield", list: list("v3/store/metafields", Way::Cursor), ..PLAIN },
    Reading { kind: "webhook", list: list("v3/hooks", Way::Pages), ..PLAIN },
    Reading {
        kind: "inventory_item",
        by_id: ById::Filter("variant_id:in", 50),
        list: list("v3/inventory/items", Way::Pages),
        id: "/identity/variant_id",
        ..PLAIN
    },
];

/// Whether a list holds less than there is.
fn cut(item: &Value, field: &str, count: &str) -> bool {
    let held = item.get(field).and_then(Value::as_array).map_or(0, Vec::len) as u64;
    item.get(count).and_then(Value::as_u64).is_some_and(|count| count > held)
}

/// How a kind is read.
pub(super) fn reading(kind: &str) -> Option<&'static Reading> {
    READINGS.iter().find(|reading| reading.kind == kind)
}

/// Digest of what is asked for of a kind.
pub(super) fn digest(kind: &str) -> String {
    let lists = reading(kind)
        .into_iter()
        .flat_map(|reading| std::iter::once(("", reading.list)).chain(reading.parts.iter().map(list_of)));
    let text: String =
        lists.map(|(field, list)| format!("{field} {} {:?}\n", list.path, list.query)).collect();
    crate::digest::digest([text.as_bytes()])
}

fn list_of(part: &'static Part) -> (&'static str, List) {
    match &part.from {
        From::Each { list, .. } | From::Bulk { list, .. } => (part.field, *list),
    }
}

/// All documents that stand at a path of their own.
pub(super) fn documents() -> impl Iterator<Item = &'static Document> {
    SETTINGS.iter().chain(EMAILS)
}

/// The list of each kind.
pub(super) fn lists() -> impl Iterator<Item = (&'static str, List)> {
    KINDS.iter().filter_map(|kind| Some((kind.name, reading(kind.name)?.list)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_in_one_way() {
        for kind in KINDS {
            assert_eq!(
                READINGS.iter().filter(|reading| reading.kind == kind.name).count(),
                1,
                "{}",
                kind.name
            );
        }
        assert_eq!(READINGS.len(), KINDS.len());
    }
}
