//! How each kind is read: where it is listed, what its pages hold, what bulk operations read it.

/// How one kind is read.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The kind's name.
    pub(crate) kind: &'static str,
    /// Its selection, a fragment.
    pub(crate) selection: &'static str,
    /// Where the items are listed.
    pub(crate) listing: Listing,
    /// Whether a list of ids can be looked up.
    pub(crate) by_id: bool,
    /// The field of the root that looks one item up by its id, and its argument, where a look-up of a list does not find
    /// the items by every name that they have.
    pub(crate) one: Option<(&'static str, &'static str)>,
    /// How many items and children a page begins with. Where the platform calls that too costly, both halve.
    pub(crate) page: PageSize,
    /// Types of the nodes, below the item, on which connections hang; by path.
    pub(crate) nodes: &'static [(&'static str, &'static str)],
    /// How children are told apart and ordered; by path. What is not named here goes by `/id`.
    pub(crate) children: &'static [Child],
    /// The bulk operations that together read the kind; none: it is read page by page.
    pub(crate) bulk: &'static [Bulk],
    /// The field of the root that counts the items, and whether it takes a search; empty: there is none.
    pub(crate) counted: (&'static str, bool),
    /// What the platform's list of deletions calls it; empty: there is none.
    pub(crate) deleted_as: &'static str,
    /// Where the bytes are that belong to it: pointers, of which those that hold an address count.
    pub(crate) media: &'static [&'static str],
    /// Fields of personal data: where all are null, the platform hides them from this app.
    pub(crate) personal: &'static [&'static str],
}

/// Where items are listed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listing {
    /// A connection of the root.
    Connection {
        /// The field.
        field: &'static str,
        /// Further arguments.
        arguments: &'static str,
        /// The type of its `sortKey`, where it can sort by id.
        sort: Option<&'static str>,
        /// Whether it can sort by time of change.
        sort_updated: bool,
        /// Whether it has a search query.
        query: bool,
    },
    /// A connection of the root that lists only what has one value of an argument.
    Each {
        /// The field.
        field: &'static str,
        /// The argument.
        argument: &'static str,
        /// The argument's type.
        argument_type: &'static str,
        /// Which values there are.
        values: Values,
    },
    /// One object.
    Object(&'static str),
    /// A list, all of it at once; the fields that lead to it.
    List(&'static [&'static str]),
}

/// Values of the argument of [`Listing::Each`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values {
    /// These, each with the scope without which nothing of it is shown.
    Of(&'static [(&'static str, &'static str)]),
    /// The type of every metaobject definition.
    MetaobjectTypes,
    /// These, each in every language of the shop but its own.
    Translated(&'static [&'static str]),
}

/// How many nodes a page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageSize {
    /// Items.
    pub(crate) items: u32,
    /// Nodes of each connection within an item.
    pub(crate) children: u32,
}

/// How children of one connection are told apart and ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child {
    /// The connection's path.
    pub(crate) path: &'static str,
    /// What tells a child from its siblings.
    pub(crate) key: &'static str,
    /// Their order.
    pub(crate) order: Order,
}

/// An order of children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By the number or text at the child's key.
    Key,
    /// By the number at this pointer.
    Number(&'static str),
    /// As the platform gave them: the order is data.
    Given,
}

/// One bulk operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bulk {
    /// Its name within the kind, part of cursors.
    pub(crate) name: &'static str,
    /// What it reads.
    pub(crate) text: BulkText,
    /// Whether children must follow their parent, because their order is data or they do not name the item.
    pub(crate) grouped: bool,
    /// Where a root's line names the item that its children belong to, if that is not the root.
    pub(crate) via: Option<&'static str>,
}

/// The text of a bulk operation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BulkText {
    /// The items with these connections; what tells the item's id in the lines of a nested connection.
    Items(&'static [&'static str], &'static str),
    /// Only these connections of the items.
    Only(&'static [&'static str]),
    /// A field and what it selects; `*` stands for the kind's selection, whose lines are then the items.
    Below(&'static str, &'static str),
}

/// The name under which items are marked that hang below the roots of a bulk operation.
pub(crate) const ITEM_MARK: &str = "_of_item";

const PLAIN: Reading = Reading {
    kind: "",
    selection: "",
    listing: unsorted("", false),
    by_id: true,
    one: None,
    page: PageSize { items: 50, children: 10 },
    nodes: &[],
    children: &[],
    bulk: &[],
    counted: ("", false),
    deleted_as: "",
    media: &[],
    personal: &[],
};

const PUBLICATIONS: Child =
    Child { path: "resourcePublicationsV2", key: "/publication/id", order: Order::Key };

const fn listed(field: &'static str, sort: &'static str, sort_updated: bool) -> Listing {
    Listing::Connection { field, arguments: "", sort: Some(sort), sort_updated, query: true }
}

/// A connection that has no order of its own to ask for.
const fn unsorted(field: &'static str, query: bool) -> Listing {
    Listing::Connection { field, arguments: "", sort: None, sort_updated: false, query }
}

const fn items(connections: &'static [&'static str]) -> Bulk {
    Bulk { name: "items", text: BulkText::Items(connections, ""), grouped: false, via: None }
}

/// Owners of metafield definitions, as far as they are backed up, with the scope that shows them.
const METAFIELD_OWNERS: &[(&str, &str)] = &[
    ("ARTICLE", "read_online_store_pages"),
    ("BLOG", "read_online_store_pages"),
    ("COLLECTION", "read_products"),
    ("CUSTOMER", "read_customers"),
    ("DISCOUNT", "read_discounts"),
    ("DRAFTORDER", "read_draft_orders"),
    ("LOCATION", "read_locations"),
    ("MARKET", "read_markets"),
    ("ORDER", "read_orders"),
    ("PAGE", "read_online_store_pages"),
    ("PRODUCT", "read_products"),
    ("PRODUCTVARIANT", "read_products"),
    ("SHOP", "read_products"),
];

/// What has translations. Themes are not backed up yet, and those of payment gateways and mails are read and found again
/// in the same shop alone.
const TRANSLATED: &[&str] = &[
    "ARTICLE",
    "ARTICLE_IMAGE",
    "BLOG",
    "COLLECTION",
    "COLLECTION_IMAGE",
    "DELIVERY_METHOD_DEFINITION",
    "EMAIL_TEMPLATE",
    "FILTER",
    "LINK",
    "MEDIA_IMAGE",
    "MENU",
    "METAFIELD",
    "METAOBJECT",
    "PACKING_SLIP_TEMPLATE",
    "PAGE",
    "PAYMENT_GATEWAY",
    "PRODUCT",
    "PRODUCT_OPTION",
    "PRODUCT_OPTION_VALUE",
    "SELLING_PLAN",
    "SELLING_PLAN_GROUP",
    "SHOP",
    "SHOP_POLICY",
];

/// How all kinds are read.
pub(crate) static READINGS: &[Reading] = &[
    Reading {
        kind: "shop",
        selection: include_str!("documents/read/shop.graphql"),
        listing: Listing::Object("shop"),
        by_id: false,
        ..PLAIN
    },
    Reading {
        kind: "locale",
        selection: include_str!("documents/read/locale.graphql"),
        listing: Listing::List(&["shopLocales"]),
        by_id: false,
        ..PLAIN
    },
    Reading {
        kind: "location",
        selection: include_str!("documents/read/location.graphql"),
        counted: ("locationsCount", true),
        listing: Listing::Connection {
            field: "locations",
            arguments: "includeInactive: true, includeLegacy: true",
            sort: Some("LocationSortKeys"),
            sort_updated: false,
            query: true,
        },
        ..PLAIN
    },
    Reading {
        kind: "publication",
        selection: include_str!("documents/read/publication.graphql"),
        listing: unsorted("publications", false),
        ..PLAIN
    },
    Reading {
        kind: "metafield_definition",
        selection: include_str!("documents/read/metafield_definition.graphql"),
        listing: Listing::Each {
            field: "metafieldDefinitions",
            argument: "ownerType",
            argument_type: "MetafieldOwnerType!",
            values: Values::Of(METAFIELD_OWNERS),
        },
        children: &[Child { path: "constraints.values", key: "/value", order: Order::Key }],
        ..PLAIN
    },
    Reading {
        kind: "metaobject_definition",
        selection: include_str!("documents/read/metaobject_definition.graphql"),
        listing: unsorted("metaobjectDefinitions", false),
        ..PLAIN
    },
    Reading {
        kind: "file",
        selection: include_str!("documents/read/file.graphql"),
        listing: listed("files", "FileSortKeys", true),
        page: PageSize { items: 100, children: 10 },
        bulk: &[items(&[])],
        media: &["/image/url", "/url", "/originalSource/url"],
        ..PLAIN
    },
    Reading {
        kind: "metaobject",
        selection: include_str!("documents/read/metaobject.graphql"),
        listing: Listing::Each {
            field: "metaobjects",
            argument: "type",
            argument_type: "String!",
            values: Values::MetaobjectTypes,
        },
        bulk: &[Bulk {
            name: "items",
            text: BulkText::Below("metaobjectDefinitions", "id metaobjects { edges { node { * } } }"),
            grouped: false,
            via: None,
        }],
        ..PLAIN
    },
    Reading {
        kind: "product",
        selection: include_str!("documents/read/product.graphql"),
        counted: ("productsCount", true),
        listing: listed("products", "ProductSortKeys", true),
        page: PageSize { items: 10, children: 10 },
        nodes: &[("variants", "ProductVariant")],
        children: &[
            Child { path: "variants", key: "/id", order: Order::Number("/position") },
            Child { path: "variants.media", key: "/id", order: Order::Given },
            Child { path: "media", key: "/id", order: Order::Given },
            PUBLICATIONS,
        ],
        bulk: &[
            Bulk {
                name: "items",
                text: BulkText::Items(
                    &["variants", "variants.metafields", "metafields"],
                    "owner { ... on ProductVariant { product { id } } }",
                ),
                grouped: false,
                via: None,
            },
            Bulk { name: "media", text: BulkText::Only(&["media"]), grouped: true, via: None },
            Bulk {
                name: "variant_media",
                text: BulkText::Below(
                    "productVariants",
                    "id product { id } media { edges { node { _of_variants_media: __typename id } } }",
                ),
                grouped: true,
                via: Some("/product/id"),
            },
            Bulk {
                name: "publications",
                text: BulkText::Only(&["resourcePublicationsV2"]),
                grouped: false,
                via: None,
            },
        ],
        deleted_as: "PRODUCT",
        ..PLAIN
    },
    Reading {
        kind: "inventory_item",
        selection: include_str!("documents/read/inventory_item.graphql"),
        listing: unsorted("inventoryItems", true),
        children: &[Child { path: "countryHarmonizedSystemCodes", key: "/countryCode", order: Order::Key }],
        bulk: &[items(&["inventoryLevels", "countryHarmonizedSystemCodes"])],
        ..PLAIN
    },
    Reading {
        kind: "collection",
        selection: include_str!("documents/read/collection.graphql"),
        counted: ("collectionsCount", true),
        listing: listed("collections", "CollectionSortKeys", true),
        page: PageSize { items: 5, children: 50 },
        nodes: &[("sources", "CollectionConditionsSource")],
        children: &[
            Child { path: "products", key: "/id", order: Order::Given },
            Child { path: "sources.inclusion.selections", key: "/product/id", order: Order::Given },
            Child { path: "sources.exclusion.selections", key: "/product/id", order: Order::Given },
            PUBLICATIONS,
        ],
        deleted_as: "COLLECTION",
        media: &["/image/url"],
        ..PLAIN
    },
    Reading {
        kind: "page",
        selection: include_str!("documents/read/page.graphql"),
        counted: ("pagesCount", false),
        listing: listed("pages", "PageSortKeys", true),
        deleted_as: "PAGE",
        ..PLAIN
    },
    Reading {
        kind: "blog",
        selection: include_str!("documents/read/blog.graphql"),
        counted: ("blogsCount", true),
        listing: listed("blogs", "BlogSortKeys", false),
        ..PLAIN
    },
    Reading {
        kind: "article",
        selection: include_str!("documents/read/article.graphql"),
        listing: listed("articles", "ArticleSortKeys", true),
        deleted_as: "ARTICLE",
        media: &["/image/url"],
        ..PLAIN
    },
    Reading {
        kind: "comment",
        selection: include_str!("documents/read/comment.graphql"),
        listing: listed("comments", "CommentSortKeys", false),
        page: PageSize { items: 100, children: 10 },
        bulk: &[items(&[])],
        deleted_as: "COMMENT",
        ..PLAIN
    },
    Reading {
        kind: "menu",
        selection: include_str!("documents/read/menu.graphql"),
        listing: listed("menus", "MenuSortKeys", true),
        ..PLAIN
    },
    Reading {
        kind: "redirect",
        selection: include_str!("documents/read/redirect.graphql"),
        counted: ("urlRedirectsCount", true),
        listing: listed("urlRedirects", "UrlRedirectSortKeys", false),
        page: PageSize { items: 250, children: 10 },
        bulk: &[items(&[])],
        ..PLAIN
    },
    Reading {
        kind: "script_tag",
        selection: include_str!("documents/read/script_tag.graphql"),
        listing: unsorted("scriptTags", true),
        ..PLAIN
    },
    Reading {
        kind: "policy",
        selection: include_str!("documents/read/policy.graphql"),
        listing: Listing::List(&["shop", "shopPolicies"]),
        by_id: false,
        ..PLAIN
    },
    Reading {
        kind: "segment",
        selection: include_str!("documents/read/segment.graphql"),
        counted: ("segmentsCount", false),
        listing: listed("segments", "SegmentSortKeys", false),
        ..PLAIN
    },
    Reading {
        kind: "discount",
        selection: include_str!("documents/read/discount.graphql"),
        counted: ("discountNodesCount", true),
        listing: listed("discountNodes", "DiscountSortKeys", true),
        one: Some(("discountNode", "id")),
        page: PageSize { items: 10, children: 10 },
        ..PLAIN
    },
    Reading {
        kind: "customer",
        selection: include_str!("documents/read/customer.graphql"),
        counted: ("customersCount", true),
        listing: listed("customers", "CustomerSortKeys", true),
        page: PageSize { items: 25, children: 10 },
        bulk: &[items(&["addressesV2", "metafields"])],
        deleted_as: "CUSTOMER",
        personal: &["/firstName", "/lastName", "/defaultEmailAddress", "/defaultPhoneNumber"],
        ..PLAIN
    },
    Reading {
        kind: "web_presence",
        selection: include_str!("documents/read/web_presence.graphql"),
        listing: unsorted("webPresences", false),
        ..PLAIN
    },
    Reading {
        kind: "market",
        selection: include_str!("documents/read/market.graphql"),
        listing: Listing::Connection {
            field: "markets",
            arguments: "type: null",
            sort: Some("MarketsSortKeys"),
            sort_updated: true,
            query: true,
        },
        page: PageSize { items: 10, children: 20 },
        ..PLAIN
    },
    Reading {
        kind: "price_list",
        selection: include_str!("documents/read/price_list.graphql"),
        listing: Listing::Connection {
            field: "priceLists",
            arguments: "",
            sort: Some("PriceListSortKeys"),
            sort_updated: false,
            query: false,
        },
        page: PageSize { items: 1, children: 20 },
        children: &[
            Child { path: "prices", key: "/variant/id", order: Order::Key },
            Child { path: "quantityRules", key: "/productVariant/id", order: Order::Key },
        ],
        ..PLAIN
    },
    Reading {
        kind: "catalog",
        selection: include_str!("documents/read/catalog.graphql"),
        listing: Listing::Connection {
            field: "catalogs",
            arguments: "type: null",
            sort: Some("CatalogSortKeys"),
            sort_updated: false,
            query: true,
        },
        nodes: &[("publication", "Publication")],
        ..PLAIN
    },
    Reading {
        kind: "translation",
        selection: include_str!("documents/read/translation.graphql"),
        listing: Listing::Each {
            field: "translatableResources",
            argument: "resourceType",
            argument_type: "TranslatableResourceType!",
            values: Values::Translated(TRANSLATED),
        },
        one: Some(("translatableResource", "resourceId")),
        page: PageSize { items: 100, children: 10 },
        ..PLAIN
    },
    Reading {
        kind: "order",
        selection: include_str!("documents/read/order.graphql"),
        counted: ("ordersCount", true),
        listing: listed("orders", "OrderSortKeys", true),
        page: PageSize { items: 5, children: 5 },
        nodes: &[("refunds", "Refund")],
        children: &[
            Child { path: "discountApplications", key: "/index", order: Order::Number("/index") },
            Child { path: "refunds.refundLineItems", key: "/lineItem/id", order: Order::Key },
        ],
        bulk: &[items(&["lineItems", "shippingLines", "discountApplications", "metafields"])],
        deleted_as: "ORDER",
        personal: &["/email", "/phone", "/billingAddress", "/shippingAddress"],
        ..PLAIN
    },
    Reading {
        kind: "gift_card",
        selection: include_str!("documents/read/gift_card.graphql"),
        counted: ("giftCardsCount", true),
        listing: listed("giftCards", "GiftCardSortKeys", false),
        page: PageSize { items: 100, children: 10 },
        bulk: &[items(&[])],
        ..PLAIN
    },
    Reading {
        kind: "draft_order",
        selection: include_str!("documents/read/draft_order.graphql"),
        counted: ("draftOrdersCount", true),
        listing: listed("draftOrders", "DraftOrderSortKeys", true),
        page: PageSize { items: 5, children: 10 },
        bulk: &[items(&["lineItems", "metafields"])],
        deleted_as: "DRAFT_ORDER",
        personal: &["/email", "/phone", "/billingAddress", "/shippingAddress"],
        ..PLAIN
    },
];
