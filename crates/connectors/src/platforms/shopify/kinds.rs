//! The table of kinds: what is backed up of a Shopify store, in the order of backup.
//!
//! What a kind's selection holds stands in `documents/read/`, how it is read in [`super::reading`], which
//! fields of the platform's types are left out in [`super::omitted`].

use crate::contract::{
    Changes, Deletions, KindSpec, Loss, Restorable, SaleRule, SubjectRule, column, reference,
};

/// A row with the answers that most kinds share.
const PLAIN: KindSpec = KindSpec { volatile: &["/updatedAt"], natural_key: &["/handle"], ..KindSpec::BLANK };

const NEW_ID: Loss = Loss { pointer: "/id", why: "An item that is made anew gets a new id from Shopify." };
const CREATED: Loss = Loss { pointer: "/createdAt", why: "Shopify sets the date of creation itself." };

const PUBLISHED: &str = "What is published again is published from that moment on.";

/// All kinds, in the order of backup.
pub static KINDS: &[KindSpec] = &[
    KindSpec {
        name: "shop",
        plural: "shop",
        told: &["shop/update"],
        summary: &[column("title", "/name"), column("domain", "/myshopifyDomain")],
        unordered: &["/metafields"],
        references: &[reference("/metafields/*/value", "")],
        natural_key: &[],
        restore: Restorable::UpdateOnly(
            "Shopify has no way to set the shop's own settings; its metafields come back.",
        ),
        lost: &[Loss {
            pointer: "",
            why: "Settings of the shop can be read and not written; only metafields come back.",
        }],
        ..PLAIN
    },
    KindSpec {
        name: "locale",
        plural: "locales",
        told: &["locales/create", "locales/update", "locales/destroy"],
        read_scopes: &["read_locales"],
        write_scopes: &["write_locales"],
        summary: &[column("title", "/name"), column("locale", "/locale")],
        natural_key: &["/locale"],
        lost: &[
            Loss { pointer: "/primary", why: "The primary language can only be set by hand." },
            Loss { pointer: "/name", why: "Shopify names a language itself." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "location",
        plural: "locations",
        told: &[
            "locations/create",
            "locations/update",
            "locations/delete",
            "locations/activate",
            "locations/deactivate",
        ],
        read_scopes: &["read_locations"],
        write_scopes: &["write_locations"],
        summary: &[column("title", "/name"), column("active", "/isActive"), column("updated", "/updatedAt")],
        unordered: &["/metafields"],
        references: &[reference("/metafields/*/value", "")],
        natural_key: &["/name"],
        lost: &[NEW_ID, CREATED],
        ..PLAIN
    },
    KindSpec {
        name: "publication",
        plural: "publications",
        read_scopes: &["read_publications"],
        write_scopes: &["write_publications"],
        summary: &[column("title", "/name")],
        natural_key: &["/name"],
        restore: Restorable::UpdateOnly("A sales channel comes with its app and cannot be made."),
        lost: &[Loss { pointer: "/name", why: "The name is that of the channel's app." }],
        ..PLAIN
    },
    KindSpec {
        name: "metafield_definition",
        plural: "metafield definitions",
        told: &[
            "metafield_definitions/create",
            "metafield_definitions/update",
            "metafield_definitions/delete",
        ],
        read_scopes: &["read_products"],
        write_scopes: &["write_products"],
        summary: &[
            column("title", "/name"),
            column("owner", "/ownerType"),
            column("namespace", "/namespace"),
            column("key", "/key"),
        ],
        volatile: &[],
        unordered: &[],
        references: &[reference("/validations/*/value", "metaobject_definition")],
        natural_key: &["/ownerType", "/namespace", "/key"],
        lost: &[
            NEW_ID,
            Loss {
                pointer: "/pinnedPosition",
                why: "What is pinned is pinned again; its place among the pinned ones cannot be set.",
            },
            Loss {
                pointer: "/capabilities/adminFilterable/status",
                why: "Shopify says so itself, once it has prepared the filter.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "metaobject_definition",
        plural: "metaobject definitions",
        read_scopes: &["read_metaobject_definitions"],
        write_scopes: &["write_metaobject_definitions"],
        summary: &[column("title", "/name"), column("type", "/type"), column("updated", "/updatedAt")],
        references: &[reference("/fieldDefinitions/*/validations/*/value", "metaobject_definition")],
        natural_key: &["/type"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/createdByApp", why: "What is made anew belongs to the app that makes it." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "file",
        plural: "files",
        read_scopes: &["read_files", "read_products"],
        write_scopes: &["write_files"],
        summary: &[column("title", "/alt"), column("type", "/__typename"), column("updated", "/updatedAt")],
        // The address of an upload is signed anew on every reading.
        volatile: &["/updatedAt", "/originalSource/url", "/sources/*/url", "/preview", "/fileStatus"],
        natural_key: &["/alt"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/image/url", why: "The bytes come back under a new address." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "metaobject",
        plural: "metaobjects",
        told: &["metaobjects/create", "metaobjects/update", "metaobjects/delete"],
        read_scopes: &["read_metaobjects", "read_metaobject_definitions"],
        write_scopes: &["write_metaobjects"],
        summary: &[
            column("title", "/displayName"),
            column("type", "/type"),
            column("handle", "/handle"),
            column("updated", "/updatedAt"),
        ],
        references: &[reference("/definition/id", "metaobject_definition"), reference("/fields/*/value", "")],
        natural_key: &["/type", "/handle"],
        lost: &[NEW_ID, CREATED],
        ..PLAIN
    },
    KindSpec {
        name: "product",
        plural: "products",
        told: &["products/create", "products/update", "products/delete"],
        read_scopes: &["read_products", "read_publications"],
        write_scopes: &["write_products", "write_publications", "write_files"],
        changes: Changes::UpdatedSince,
        deletions: Deletions::Events,
        summary: &[
            column("title", "/title"),
            column("handle", "/handle"),
            column("status", "/status"),
            column("vendor", "/vendor"),
            column("price", "/variants/0/price"),
            column("sku", "/variants/0/sku"),
            column("updated", "/updatedAt"),
        ],
        // Sales move the stock, and with it these; that is no change of the product.
        volatile: &[
            "/updatedAt",
            "/totalInventory",
            "/media/*/updatedAt",
            "/media/*/fileStatus",
            "/media/*/preview",
            "/media/*/originalSource/url",
            "/media/*/sources/*/url",
            "/variants/*/updatedAt",
            "/variants/*/availableForSale",
            "/variants/*/inventoryQuantity",
        ],
        unordered: &["/metafields", "/resourcePublicationsV2", "/variants", "/variants/*/metafields"],
        references: &[
            reference("/resourcePublicationsV2/*/publication/id", "publication"),
            reference("/media/*/id", "file"),
            reference("/variants/*/media/*/id", "file"),
            reference("/variants/*/inventoryItem/id", "inventory_item"),
            reference("/metafields/*/value", ""),
            reference("/variants/*/metafields/*/value", ""),
        ],
        prices: &["/variants/*/price"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/variants/*/id", why: "Variants that are made anew get new ids." },
            Loss { pointer: "/variants/*/inventoryQuantity", why: "Stock is only set when asked for." },
            Loss { pointer: "/publishedAt", why: PUBLISHED },
            Loss { pointer: "/resourcePublicationsV2/*/publishDate", why: PUBLISHED },
            Loss {
                pointer: "/giftCardSettings",
                why: "Shopify sets by itself in which currencies gift cards are issued.",
            },
            Loss {
                pointer: "/options/*/optionValues/*/swatch",
                why: "Shopify takes the swatch from the entry that the value is linked to.",
            },
            Loss { pointer: "/onlineStoreUrl", why: "Shopify makes the address from the handle." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "inventory_item",
        plural: "inventory items",
        told: &[
            "inventory_items/create",
            "inventory_items/update",
            "inventory_items/delete",
            "inventory_levels/connect",
            "inventory_levels/update",
            "inventory_levels/disconnect",
        ],
        read_scopes: &["read_inventory", "read_products", "read_locations"],
        write_scopes: &["write_inventory"],
        summary: &[column("title", "/sku"), column("tracked", "/tracked"), column("updated", "/updatedAt")],
        volatile: &[
            "/updatedAt",
            "/inventoryLevels/*/updatedAt",
            "/inventoryLevels/*/quantities/*/updatedAt",
        ],
        unordered: &["/inventoryLevels", "/inventoryLevels/*/quantities", "/countryHarmonizedSystemCodes"],
        references: &[
            reference("/variant/product/id", "product"),
            reference("/inventoryLevels/*/location/id", "location"),
        ],
        natural_key: &["/variant/id"],
        restore: Restorable::UpdateOnly("An inventory item comes into being with its variant."),
        lost: &[
            NEW_ID,
            CREATED,
            Loss {
                pointer: "/inventoryLevels/*/quantities",
                why: "Stock is only set when asked for, and only what is available.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "collection",
        plural: "collections",
        told: &["collections/create", "collections/update", "collections/delete"],
        read_scopes: &["read_products", "read_publications", "read_metaobjects"],
        write_scopes: &["write_products", "write_publications"],
        changes: Changes::UpdatedSince,
        deletions: Deletions::Events,
        summary: &[column("title", "/title"), column("handle", "/handle"), column("updated", "/updatedAt")],
        unordered: &["/metafields", "/resourcePublicationsV2"],
        references: &[
            reference("/products/*/id", "product"),
            reference("/resourcePublicationsV2/*/publication/id", "publication"),
            reference("/sources/*/inclusion/selections/*/product/id", "product"),
            reference("/sources/*/exclusion/selections/*/product/id", "product"),
            reference("/sources/*/inclusion/conditions/*/definition/id", "metafield_definition"),
            reference("/sources/*/inclusion/conditions/*/value/id", "metaobject"),
            reference("/sources/*/inclusion/conditions/*/values/*/id", "metaobject"),
            reference("/sources/*/exclusion/conditions/*/values/*/id", "collection"),
            reference("/sources/*/collections/*/id", "collection"),
            reference("/metafields/*/value", ""),
        ],
        lost: &[
            NEW_ID,
            Loss { pointer: "/resourcePublicationsV2/*/publishDate", why: PUBLISHED },
            Loss { pointer: "/sources/*/id", why: "Sources that are made anew get new ids." },
            Loss { pointer: "/sources/*/app", why: "Sources of other apps cannot be made by this one." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "page",
        plural: "pages",
        read_scopes: &["read_online_store_pages"],
        write_scopes: &["write_online_store_pages"],
        changes: Changes::UpdatedSince,
        deletions: Deletions::Events,
        summary: &[column("title", "/title"), column("handle", "/handle"), column("updated", "/updatedAt")],
        unordered: &["/metafields"],
        references: &[reference("/metafields/*/value", "")],
        lost: &[NEW_ID, CREATED],
        ..PLAIN
    },
    KindSpec {
        name: "blog",
        plural: "blogs",
        read_scopes: &["read_online_store_pages"],
        write_scopes: &["write_online_store_pages"],
        summary: &[column("title", "/title"), column("handle", "/handle"), column("updated", "/updatedAt")],
        unordered: &["/metafields"],
        references: &[reference("/metafields/*/value", "")],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/feed", why: "Shopify has no way to set the address of a feed." },
            Loss { pointer: "/tags", why: "The tags of a blog are those of its articles." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "article",
        plural: "articles",
        read_scopes: &["read_online_store_pages"],
        write_scopes: &["write_online_store_pages"],
        changes: Changes::UpdatedSince,
        deletions: Deletions::Events,
        summary: &[column("title", "/title"), column("handle", "/handle"), column("updated", "/updatedAt")],
        // The platform sorts tags by name.
        unordered: &["/metafields", "/tags"],
        references: &[reference("/blog/id", "blog"), reference("/metafields/*/value", "")],
        natural_key: &["/blog/id", "/handle"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/image/id", why: "The picture comes back under a new id." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "comment",
        plural: "comments",
        read_scopes: &["read_online_store_pages"],
        changes: Changes::UpdatedSince,
        deletions: Deletions::Events,
        // Whoever wrote it has no id: a comment is about its own writer.
        subject: Some(SubjectRule { pointers: &[], kind: "comment" }),
        summary: &[
            column("title", "/body"),
            column("author", "/author/name"),
            column("status", "/status"),
            column("updated", "/updatedAt"),
        ],
        references: &[reference("/article/id", "article")],
        natural_key: &[],
        restore: Restorable::Never(
            "Shopify has no way to make a comment: it can be approved or deleted, and never written.",
        ),
        ..PLAIN
    },
    KindSpec {
        name: "menu",
        plural: "menus",
        read_scopes: &["read_online_store_navigation"],
        write_scopes: &["write_online_store_navigation"],
        summary: &[column("title", "/title"), column("handle", "/handle")],
        volatile: &[],
        references: &[
            reference("/items/*/resourceId", ""),
            reference("/items/*/items/*/resourceId", ""),
            reference("/items/*/items/*/items/*/resourceId", ""),
        ],
        lost: &[NEW_ID, Loss { pointer: "/items/*/id", why: "Entries that are made anew get new ids." }],
        ..PLAIN
    },
    KindSpec {
        name: "redirect",
        plural: "redirects",
        read_scopes: &["read_online_store_navigation"],
        write_scopes: &["write_online_store_navigation"],
        summary: &[column("title", "/path"), column("target", "/target")],
        volatile: &[],
        natural_key: &["/path"],
        lost: &[NEW_ID],
        ..PLAIN
    },
    KindSpec {
        name: "script_tag",
        plural: "script tags",
        read_scopes: &["read_script_tags"],
        write_scopes: &["write_script_tags"],
        summary: &[
            column("title", "/src"),
            column("shown", "/displayScope"),
            column("updated", "/updatedAt"),
        ],
        natural_key: &["/src", "/displayScope"],
        lost: &[NEW_ID, CREATED],
        ..PLAIN
    },
    KindSpec {
        name: "policy",
        plural: "policies",
        read_scopes: &["read_legal_policies"],
        write_scopes: &["write_legal_policies"],
        summary: &[column("title", "/title"), column("type", "/type"), column("updated", "/updatedAt")],
        // The address holds the date of the policy's last change.
        volatile: &["/updatedAt", "/url"],
        natural_key: &["/type"],
        lost: &[NEW_ID, CREATED, Loss { pointer: "/title", why: "Shopify names a policy by its type." }],
        ..PLAIN
    },
    KindSpec {
        name: "segment",
        plural: "segments",
        told: &["segments/create", "segments/update", "segments/delete"],
        read_scopes: &["read_customers"],
        write_scopes: &["write_customers"],
        summary: &[column("title", "/name"), column("query", "/query"), column("updated", "/lastEditDate")],
        volatile: &["/lastEditDate"],
        natural_key: &["/name"],
        lost: &[NEW_ID, Loss { pointer: "/creationDate", why: "Shopify sets the date of creation itself." }],
        ..PLAIN
    },
    KindSpec {
        name: "discount",
        plural: "discounts",
        told: &[
            "discounts/create",
            "discounts/update",
            "discounts/delete",
            "discounts/redeemcode_added",
            "discounts/redeemcode_removed",
        ],
        read_scopes: &["read_discounts", "read_customers", "read_products"],
        write_scopes: &["write_discounts"],
        summary: &[
            column("title", "/discount/title"),
            column("type", "/discount/__typename"),
            column("status", "/discount/status"),
            column("updated", "/discount/updatedAt"),
        ],
        volatile: &[
            "/discount/updatedAt",
            "/discount/asyncUsageCount",
            "/discount/codes/*/asyncUsageCount",
            // Worked out from the clock and the two dates.
            "/discount/status",
        ],
        unordered: &[
            "/metafields",
            "/discount/codes",
            "/discount/context/customers",
            "/discount/context/segments",
            "/discount/customerGets/items/products",
            "/discount/customerGets/items/productVariants",
            "/discount/customerGets/items/collections",
            "/discount/customerBuys/items/products",
            "/discount/customerBuys/items/productVariants",
            "/discount/customerBuys/items/collections",
        ],
        references: &[
            reference("/discount/customerGets/items/products/*/id", "product"),
            reference("/discount/customerGets/items/collections/*/id", "collection"),
            reference("/discount/customerGets/items/productVariants/*/id", ""),
            reference("/discount/customerBuys/items/products/*/id", "product"),
            reference("/discount/customerBuys/items/collections/*/id", "collection"),
            reference("/discount/customerBuys/items/productVariants/*/id", ""),
            reference("/discount/context/customers/*/id", "customer"),
            reference("/discount/context/segments/*/id", "segment"),
            reference("/metafields/*/value", ""),
        ],
        natural_key: &["/discount/title", "/discount/codes/0/code"],
        lost: &[
            NEW_ID,
            Loss { pointer: "/discount/createdAt", why: "Shopify sets the date of creation itself." },
            Loss { pointer: "/discount/asyncUsageCount", why: "How often it was used cannot be set." },
            Loss { pointer: "/discount/appDiscountType", why: "A discount of an app needs the app." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "customer",
        plural: "customers",
        told: &[
            "customers/create",
            "customers/update",
            "customers/delete",
            "customers_email_marketing_consent/update",
            "customers_marketing_consent/update",
            "customers_whats_app_marketing_consent/update",
            "customer.tags_added",
            "customer.tags_removed",
        ],
        read_scopes: &["read_customers", "read_locations"],
        write_scopes: &["write_customers"],
        changes: Changes::UpdatedSince,
        deletions: Deletions::Events,
        subject: Some(SubjectRule { pointers: &["/id"], kind: "customer" }),
        summary: &[
            column("title", "/defaultEmailAddress/emailAddress"),
            column("first name", "/firstName"),
            column("last name", "/lastName"),
            column("state", "/state"),
            column("updated", "/updatedAt"),
        ],
        // An order moves these; that is no change of the customer.
        volatile: &["/updatedAt", "/amountSpent", "/numberOfOrders"],
        unordered: &["/metafields", "/addressesV2"],
        references: &[reference("/metafields/*/value", "")],
        natural_key: &["/defaultEmailAddress/emailAddress", "/defaultPhoneNumber/phoneNumber"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/state", why: "Passwords cannot be read: the customer must sign in anew." },
            Loss { pointer: "/numberOfOrders", why: "Orders are never placed again." },
            Loss { pointer: "/amountSpent", why: "Orders are never placed again." },
            Loss { pointer: "/verifiedEmail", why: "Shopify verifies addresses itself." },
            Loss {
                pointer: "/dataSaleOptOut",
                why: "Needs a permission of its own: who had opted out must be noted anew by hand.",
            },
            Loss { pointer: "/addressesV2/*/id", why: "Addresses that are made anew get new ids." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "web_presence",
        plural: "web presences",
        read_scopes: &["read_markets", "read_locales"],
        write_scopes: &["write_markets"],
        summary: &[
            column("title", "/rootUrls/0/url"),
            column("suffix", "/subfolderSuffix"),
            column("language", "/defaultLocale/locale"),
        ],
        volatile: &[],
        unordered: &["/alternateLocales", "/rootUrls"],
        natural_key: &["/subfolderSuffix", "/domain/host"],
        lost: &[
            NEW_ID,
            Loss { pointer: "/domain", why: "A domain is connected by hand; only subfolders can be made." },
            Loss {
                pointer: "/rootUrls",
                why: "Shopify makes the addresses from domain, suffix and languages.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "market",
        plural: "markets",
        told: &["markets/create", "markets/update", "markets/delete"],
        read_scopes: &["read_markets", "read_locations"],
        write_scopes: &["write_markets"],
        summary: &[
            column("title", "/name"),
            column("handle", "/handle"),
            column("type", "/type"),
            column("status", "/status"),
        ],
        volatile: &["/currencySettings/baseCurrency/rateUpdatedAt"],
        unordered: &[
            "/conditions/locationsCondition/locations",
            "/conditions/regionsCondition/regions",
            "/metafields",
            "/webPresences",
        ],
        references: &[
            reference("/webPresences/*/id", "web_presence"),
            reference("/conditions/locationsCondition/locations/*/id", "location"),
            reference("/metafields/*/value", ""),
        ],
        lost: &[
            NEW_ID,
            Loss {
                pointer: "/conditions/regionsCondition/regions/*/id",
                why: "Shopify numbers the regions of a market itself.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "price_list",
        plural: "price lists",
        read_scopes: &["read_products"],
        write_scopes: &["write_products"],
        summary: &[column("title", "/name"), column("currency", "/currency")],
        volatile: &[],
        unordered: &["/prices", "/quantityRules"],
        references: &[
            reference("/prices/*/variant/id", ""),
            reference("/quantityRules/*/productVariant/id", ""),
        ],
        natural_key: &["/name"],
        lost: &[
            NEW_ID,
            Loss {
                pointer: "/prices/*/quantityPriceBreaks/edges/*/node/id",
                why: "Prices for larger quantities that are made anew get new ids.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "catalog",
        plural: "catalogs",
        read_scopes: &["read_products", "read_markets", "read_publications"],
        write_scopes: &["write_products", "write_publications"],
        summary: &[column("title", "/title"), column("type", "/__typename"), column("status", "/status")],
        volatile: &[],
        unordered: &["/markets", "/publication/includedProducts"],
        references: &[
            reference("/markets/*/id", "market"),
            reference("/priceList/id", "price_list"),
            reference("/publication/id", "publication"),
            reference("/publication/includedProducts/*/id", "product"),
        ],
        natural_key: &["/title"],
        lost: &[NEW_ID],
        ..PLAIN
    },
    KindSpec {
        name: "translation",
        plural: "translations",
        read_scopes: &["read_translations", "read_locales"],
        write_scopes: &["write_translations"],
        summary: &[
            column("title", "/translations/0/value"),
            column("of", "/resourceId"),
            column("language", "/locale"),
        ],
        volatile: &["/translations/*/updatedAt", "/translations/*/outdated"],
        unordered: &["/translations"],
        references: &[reference("/resourceId", ""), reference("/locale", "locale")],
        natural_key: &["/resourceId", "/locale"],
        ..PLAIN
    },
    KindSpec {
        name: "order",
        plural: "orders",
        told: &["orders/create", "orders/updated", "orders/delete"],
        read_scopes: &["read_orders", "read_customers", "read_products", "read_locations"],
        write_scopes: &["write_orders"],
        changes: Changes::UpdatedSince,
        deletions: Deletions::Events,
        subject: Some(SubjectRule { pointers: &["/customer/id"], kind: "customer" }),
        summary: &[
            column("title", "/name"),
            column("email", "/email"),
            column("total", "/totalPriceSet/shopMoney/amount"),
            column("currency", "/currencyCode"),
            column("financial status", "/displayFinancialStatus"),
            column("created", "/createdAt"),
            column("updated", "/updatedAt"),
        ],
        unordered: &["/metafields", "/lineItems", "/shippingLines", "/discountApplications"],
        references: &[
            reference("/customer/id", "customer"),
            reference("/lineItems/*/product/id", "product"),
            reference("/lineItems/*/variant/id", ""),
            reference("/metafields/*/value", ""),
        ],
        natural_key: &["/name"],
        sale: Some(SaleRule { name: "/name", placed_at: "/createdAt", sold: "/lineItems/*/variant/id" }),
        restore: Restorable::UpdateOnly(
            "An order that is gone is never placed again: that would move money, stock and mail. Note, tags, addresses and metafields of one that exists come back.",
        ),
        lost: &[
            Loss { pointer: "/lineItems", why: "What was bought is history; it is kept for reading." },
            Loss { pointer: "/transactions", why: "Payments are history; they are kept for reading." },
            Loss { pointer: "/refunds", why: "Refunds are history; they are kept for reading." },
            Loss { pointer: "/fulfillments", why: "Parcels are history; they are kept for reading." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "gift_card",
        plural: "gift cards",
        read_scopes: &["read_gift_cards", "read_customers", "read_orders"],
        subject: Some(SubjectRule {
            pointers: &["/customer/id", "/recipientAttributes/recipient/id"],
            kind: "customer",
        }),
        summary: &[
            column("title", "/maskedCode"),
            column("balance", "/balance/amount"),
            column("currency", "/balance/currencyCode"),
            column("enabled", "/enabled"),
            column("updated", "/updatedAt"),
        ],
        references: &[
            reference("/customer/id", "customer"),
            reference("/recipientAttributes/recipient/id", "customer"),
            reference("/order/id", "order"),
        ],
        natural_key: &[],
        restore: Restorable::Never(
            "A gift card is money: one that is made anew would be paid for twice, and the code of the former one cannot be read.",
        ),
        ..PLAIN
    },
    KindSpec {
        name: "draft_order",
        plural: "draft orders",
        told: &["draft_orders/create", "draft_orders/update", "draft_orders/delete"],
        read_scopes: &["read_draft_orders", "read_customers", "read_products", "read_orders"],
        write_scopes: &["write_draft_orders"],
        changes: Changes::UpdatedSince,
        deletions: Deletions::Events,
        subject: Some(SubjectRule { pointers: &["/customer/id"], kind: "customer" }),
        summary: &[
            column("title", "/name"),
            column("email", "/email"),
            column("status", "/status"),
            column("total", "/totalPriceSet/shopMoney/amount"),
            column("updated", "/updatedAt"),
        ],
        unordered: &["/metafields", "/lineItems"],
        references: &[
            reference("/customer/id", "customer"),
            reference("/order/id", "order"),
            reference("/lineItems/*/product/id", "product"),
            reference("/lineItems/*/variant/id", ""),
            reference("/metafields/*/value", ""),
        ],
        natural_key: &["/name"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/name", why: "Shopify numbers draft orders itself." },
            Loss {
                pointer: "/status",
                why: "A draft that had become an order is kept for reading and does not come back; every other comes back open.",
            },
            Loss { pointer: "/order", why: "Orders are never placed again." },
            Loss { pointer: "/completedAt", why: "A draft that had become an order does not come back." },
            Loss { pointer: "/invoiceSentAt", why: "Mails are never sent again." },
            Loss {
                pointer: "/reserveInventoryUntil",
                why: "A reservation holds back stock, which is only touched when asked for.",
            },
        ],
        ..PLAIN
    },
];

/// The row of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|row| row.name == name)
}
