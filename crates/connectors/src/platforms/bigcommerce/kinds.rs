//! The table of kinds: what is backed up of a BigCommerce store, in the order of backup and of restore.
//!
//! How each is read stands in [`super::reading`].

use super::topics;
use crate::contract::{
    Changes, Deletions, Ids, KindSpec, Loss, Reference, Restorable, SaleRule, SubjectRule, column, reference,
};

/// A row with the answers that most kinds share.
const PLAIN: KindSpec = KindSpec { ids: Ids::Numbers, natural_key: &["/name"], ..KindSpec::BLANK };

const PRODUCTS: &[&str] = &["store_v2_products_read_only"];
const PRODUCTS_WRITE: &[&str] = &["store_v2_products"];
const INFORMATION: &[&str] = &["store_v2_information_read_only"];
const INFORMATION_WRITE: &[&str] = &["store_v2_information"];
/// The mails of each channel.
const EMAILS: &[&str] = &["store_v2_information_read_only", "store_channel_settings_read_only"];
/// Settings of everything, some of them of each channel: each part of the API has its own.
const SETTINGS: &[&str] = &[
    "store_v2_information_read_only",
    "store_channel_settings_read_only",
    "store_v2_customers_read_only",
    "store_v2_marketing_read_only",
    "store_v2_orders_read_only",
    "store_v2_products_read_only",
];
const CUSTOMERS: &[&str] = &["store_v2_customers_read_only"];
const CUSTOMERS_WRITE: &[&str] = &["store_v2_customers"];
const MARKETING: &[&str] = &["store_v2_marketing_read_only"];
const MARKETING_WRITE: &[&str] = &["store_v2_marketing"];
const CONTENT: &[&str] = &["store_v2_content_read_only"];
const CONTENT_WRITE: &[&str] = &["store_v2_content"];

const NEW_ID: Loss =
    Loss { pointer: "/id", why: "An item that is made anew gets a new id from BigCommerce." };
const CREATED: Loss = Loss { pointer: "/date_created", why: "BigCommerce sets the date of creation itself." };

const IMAGE_ADDRESS: Loss =
    Loss { pointer: "/image_url", why: "A picture comes back with its bytes, under a new address." };
/// What BigCommerce sets itself of metafields.
const METAFIELD_DATES: Loss =
    Loss { pointer: "/metafields/*/date_created", why: "BigCommerce sets the date of creation itself." };

const fn reference_when(
    pointer: &'static str,
    kind: &'static str,
    field: &'static str,
    text: &'static str,
) -> Reference {
    Reference { pointer, kind, when: Some((field, text)) }
}

/// All kinds.
pub static KINDS: &[KindSpec] = &[
    KindSpec {
        name: "store",
        plural: "store",
        told: topics::STORE,
        read_scopes: INFORMATION,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/name"), column("domain", "/domain")],
        natural_key: &[],
        restore: Restorable::Never(
            "The store's description can be read and not written; what can be set of it stands among the settings.",
        ),
        lost: &[Loss { pointer: "", why: "It can be read and not written." }],
        ..PLAIN
    },
    KindSpec {
        name: "currency",
        plural: "currencies",
        read_scopes: INFORMATION,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/name"), column("code", "/currency_code")],
        volatile: &["/last_updated"],
        natural_key: &["/currency_code"],
        lost: &[
            NEW_ID,
            Loss { pointer: "/last_updated", why: "BigCommerce sets it itself." },
            Loss { pointer: "/default_for_country_codes", why: "BigCommerce works it out from the country." },
            Loss { pointer: "/use_default_name", why: "BigCommerce works it out from the name." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "tax_class",
        plural: "tax classes",
        read_scopes: INFORMATION,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/name")],
        volatile: &["/updated_at"],
        lost: &[NEW_ID, Loss { pointer: "/created_at", why: "BigCommerce sets it itself." }],
        ..PLAIN
    },
    KindSpec {
        name: "tax_zone",
        plural: "tax zones",
        read_scopes: INFORMATION,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/name"), column("enabled", "/enabled")],
        references: &[reference("/shopper_target_settings/customer_groups/*", "customer_group")],
        lost: &[NEW_ID],
        ..PLAIN
    },
    KindSpec {
        name: "tax_rate",
        plural: "tax rates",
        read_scopes: INFORMATION,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/name"), column("zone", "/tax_zone_id")],
        references: &[
            reference("/tax_zone_id", "tax_zone"),
            reference("/class_rates/*/tax_class_id", "tax_class"),
        ],
        natural_key: &["/tax_zone_id", "/name"],
        lost: &[NEW_ID],
        ..PLAIN
    },
    KindSpec {
        name: "tax_property",
        plural: "tax properties",
        read_scopes: INFORMATION,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/display_name"), column("code", "/code")],
        volatile: &["/updated_at"],
        natural_key: &["/code"],
        lost: &[NEW_ID, Loss { pointer: "/created_at", why: "BigCommerce sets it itself." }],
        ..PLAIN
    },
    KindSpec {
        name: "location",
        plural: "locations",
        told: topics::LOCATION,
        read_scopes: &["store_locations_read_only"],
        write_scopes: &["store_locations"],
        summary: &[column("title", "/label"), column("code", "/code"), column("enabled", "/enabled")],
        volatile: &["/metafields/*/date_modified", "/updated_at"],
        unordered: &["/metafields"],
        references: &[reference("/metafields/*/resource_id", "location")],
        natural_key: &["/code"],
        lost: &[METAFIELD_DATES, NEW_ID, Loss { pointer: "/created_at", why: "BigCommerce sets it itself." }],
        ..PLAIN
    },
    KindSpec {
        name: "channel",
        plural: "channels",
        told: topics::CHANNEL,
        read_scopes: &["store_channel_settings_read_only"],
        write_scopes: &["store_channel_settings"],
        summary: &[column("title", "/name"), column("type", "/type"), column("status", "/status")],
        volatile: &["/metafields/*/date_modified", "/date_modified"],
        unordered: &["/metafields"],
        references: &[reference("/metafields/*/resource_id", "channel")],
        lost: &[
            METAFIELD_DATES,
            CREATED,
            NEW_ID,
            Loss {
                pointer: "/is_enabled",
                why: "A channel is enabled by the app that serves it; one that was deleted, BigCommerce's support can bring back within 90 days.",
            },
            Loss { pointer: "/icon_url", why: "BigCommerce gives a channel its picture." },
            Loss {
                pointer: "/currencies/channel_id",
                why: "An item that is made anew gets a new id from BigCommerce.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "site",
        plural: "sites",
        read_scopes: &["store_sites_read_only"],
        write_scopes: &["store_sites"],
        summary: &[column("title", "/url"), column("channel", "/channel_id")],
        volatile: &["/updated_at", "/ssl_status", "/urls"],
        unordered: &["/routes"],
        references: &[reference("/channel_id", "channel")],
        natural_key: &["/channel_id"],
        lost: &[
            NEW_ID,
            Loss {
                pointer: "/url",
                why: "Where a site is, only its owner can say: an address that exists is left as it is.",
            },
            Loss { pointer: "/created_at", why: "BigCommerce sets it itself." },
            Loss {
                pointer: "/is_checkout_url_customized",
                why: "It follows from the address of the checkout.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "category_tree",
        plural: "category trees",
        read_scopes: PRODUCTS,
        write_scopes: PRODUCTS_WRITE,
        summary: &[column("title", "/name")],
        references: &[reference("/channels/*", "channel")],
        lost: &[NEW_ID],
        ..PLAIN
    },
    KindSpec {
        name: "category",
        plural: "categories",
        told: topics::CATEGORY,
        read_scopes: PRODUCTS,
        write_scopes: PRODUCTS_WRITE,
        summary: &[column("title", "/name"), column("path", "/url/path"), column("visible", "/is_visible")],
        volatile: &["/views", "/metafields/*/date_modified"],
        unordered: &["/metafields"],
        references: &[
            reference("/category_id", "category"),
            reference("/parent_id", "category"),
            reference("/tree_id", "category_tree"),
            reference("/metafields/*/resource_id", "category"),
        ],
        natural_key: &["/tree_id", "/parent_id", "/name"],
        lost: &[
            METAFIELD_DATES,
            IMAGE_ADDRESS,
            Loss {
                pointer: "/category_id",
                why: "An item that is made anew gets a new id from BigCommerce.",
            },
            Loss {
                pointer: "/category_uuid",
                why: "An item that is made anew gets a new id from BigCommerce.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "brand",
        plural: "brands",
        told: topics::BRAND,
        read_scopes: PRODUCTS,
        write_scopes: PRODUCTS_WRITE,
        summary: &[column("title", "/name"), column("path", "/custom_url/url")],
        volatile: &["/metafields/*/date_modified"],
        unordered: &["/metafields"],
        references: &[reference("/metafields/*/resource_id", "brand")],
        lost: &[NEW_ID, METAFIELD_DATES, IMAGE_ADDRESS],
        ..PLAIN
    },
    KindSpec {
        name: "customer_attribute",
        plural: "customer attributes",
        read_scopes: CUSTOMERS,
        write_scopes: CUSTOMERS_WRITE,
        summary: &[column("title", "/name"), column("type", "/type")],
        volatile: &["/date_modified"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/type", why: "The type of an attribute can only be set when it is made." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "product",
        plural: "products",
        told: topics::PRODUCT,
        read_scopes: PRODUCTS,
        write_scopes: PRODUCTS_WRITE,
        changes: Changes::UpdatedSince,
        deletions: Deletions::FullScan,
        summary: &[
            column("title", "/name"),
            column("sku", "/sku"),
            column("price", "/price"),
            column("visible", "/is_visible"),
            column("path", "/custom_url/url"),
            column("updated", "/date_modified"),
        ],
        volatile: &[
            "/date_modified",
            "/view_count",
            "/total_sold",
            "/images/*/date_modified",
            "/primary_image",
            "/reviews/*/date_modified",
            "/metafields/*/date_modified",
            "/variant_metafields/*/date_modified",
        ],
        unordered: &["/metafields", "/variant_metafields", "/complex_rules"],
        references: &[
            reference("/brand_id", "brand"),
            reference("/categories/*", "category"),
            reference("/related_products/*", "product"),
            reference("/tax_class_id", "tax_class"),
            reference("/channels/*", "channel"),
            reference("/base_variant_id", "product.variants"),
            reference("/variants/*/product_id", "product"),
            reference("/variants/*/option_values/*/id", "product.options.option_values"),
            reference("/variants/*/option_values/*/option_id", "product.options"),
            reference("/images/*/product_id", "product"),
            reference("/videos/*/product_id", "product"),
            reference("/reviews/*/product_id", "product"),
            reference("/primary_image/id", "product.images"),
            reference("/primary_image/product_id", "product"),
            reference("/options/*/product_id", "product"),
            reference("/modifiers/*/product_id", "product"),
            reference("/modifiers/*/option_values/*/option_id", "product.modifiers"),
            reference("/modifiers/*/option_values/*/value_data/product_id", "product"),
            reference("/options/*/option_values/*/value_data/product_id", "product"),
            reference("/parent_relations/*/product_id", "product"),
            reference("/complex_rules/*/product_id", "product"),
            reference("/complex_rules/*/conditions/*/rule_id", "product.complex_rules"),
            reference("/complex_rules/*/conditions/*/modifier_id", "product.modifiers"),
            reference("/complex_rules/*/conditions/*/modifier_value_id", "product.modifiers.option_values"),
            reference("/complex_rules/*/conditions/*/variant_id", "product.variants"),
            reference("/metafields/*/resource_id", "product"),
            reference("/variant_metafields/*/resource_id", "product.variants"),
        ],
        natural_key: &["/sku", "/name"],
        prices: &["/price", "/sale_price", "/variants/*/price", "/variants/*/sale_price"],
        lost: &[
            NEW_ID,
            CREATED,
            METAFIELD_DATES,
            Loss {
                pointer: "/variant_metafields/*/date_created",
                why: "BigCommerce sets the date of creation itself.",
            },
            Loss {
                pointer: "/images/*/image_file",
                why: "A picture comes back with its bytes, under a new name.",
            },
            Loss { pointer: "/images/*/url_zoom", why: "BigCommerce makes the smaller pictures anew." },
            Loss { pointer: "/images/*/url_standard", why: "BigCommerce makes the smaller pictures anew." },
            Loss { pointer: "/images/*/url_thumbnail", why: "BigCommerce makes the smaller pictures anew." },
            Loss { pointer: "/images/*/url_tiny", why: "BigCommerce makes the smaller pictures anew." },
            Loss { pointer: "/images/*/date_created", why: "BigCommerce sets the date of creation itself." },
            Loss { pointer: "/reviews/*/date_created", why: "BigCommerce sets the date of creation itself." },
            Loss {
                pointer: "/variants/*/sku_id",
                why: "An item that is made anew gets a new id from BigCommerce.",
            },
            Loss {
                pointer: "/variants/*/image_url",
                why: "A picture comes back with its bytes, under a new address.",
            },
            Loss {
                pointer: "/variants/*/calculated_price",
                why: "BigCommerce works it out from the prices.",
            },
            Loss {
                pointer: "/variants/*/inventory_level",
                why: "Stock moves with every sale: it is set only when asked for (`--stock`).",
            },
            Loss { pointer: "/options/*/name", why: "BigCommerce makes it from the name that is shown." },
            Loss { pointer: "/modifiers/*/name", why: "BigCommerce makes it from the name that is shown." },
            Loss {
                pointer: "/complex_rules/*/conditions/*/id",
                why: "An item that is made anew gets a new id from BigCommerce.",
            },
            Loss { pointer: "/date_last_imported", why: "BigCommerce notes its own imports." },
            Loss { pointer: "/total_sold", why: "Sales are counted by BigCommerce." },
            Loss { pointer: "/view_count", why: "Views are counted by BigCommerce." },
            Loss {
                pointer: "/inventory_level",
                why: "Stock moves with every sale: it is set only when asked for (`--stock`).",
            },
            Loss { pointer: "/calculated_price", why: "BigCommerce works it out from the prices." },
            Loss { pointer: "/option_set_id", why: "Option sets are a thing of V2 and cannot be written." },
            Loss {
                pointer: "/parent_relations",
                why: "They say where this product is an option of another, which holds it.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "customer_group",
        plural: "customer groups",
        read_scopes: CUSTOMERS,
        write_scopes: CUSTOMERS_WRITE,
        summary: &[column("title", "/name")],
        volatile: &["/date_modified"],
        references: &[
            reference("/category_access/categories/*", "category"),
            reference("/discount_rules/*/price_list_id", "price_list"),
            reference("/discount_rules/*/category_id", "category"),
            reference("/discount_rules/*/product_id", "product"),
        ],
        lost: &[NEW_ID, CREATED],
        ..PLAIN
    },
    KindSpec {
        name: "price_list",
        plural: "price lists",
        told: topics::PRICE_LIST,
        read_scopes: PRODUCTS,
        write_scopes: PRODUCTS_WRITE,
        summary: &[column("title", "/name"), column("active", "/active")],
        volatile: &["/date_modified", "/records/*/date_modified"],
        references: &[
            reference("/records/*/price_list_id", "price_list"),
            reference("/records/*/variant_id", "product.variants"),
            reference("/records/*/product_id", "product"),
            reference("/assignments/*/price_list_id", "price_list"),
            reference("/assignments/*/customer_group_id", "customer_group"),
            reference("/assignments/*/channel_id", "channel"),
        ],
        prices: &["/records/*/price", "/records/*/sale_price"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss {
                pointer: "/assignments/*/id",
                why: "An item that is made anew gets a new id from BigCommerce.",
            },
            Loss { pointer: "/records/*/date_created", why: "BigCommerce sets it itself." },
            Loss { pointer: "/records/*/calculated_price", why: "BigCommerce works it out from the prices." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "customer",
        plural: "customers",
        told: topics::CUSTOMER,
        read_scopes: CUSTOMERS,
        write_scopes: CUSTOMERS_WRITE,
        changes: Changes::UpdatedSince,
        subject: Some(SubjectRule { pointers: &["/id"], kind: "customer" }),
        summary: &[
            column("title", "/email"),
            column("first name", "/first_name"),
            column("last name", "/last_name"),
            column("company", "/company"),
            column("updated", "/date_modified"),
        ],
        volatile: &["/date_modified", "/attributes/*/date_modified", "/metafields/*/date_modified"],
        unordered: &["/addresses", "/attributes", "/metafields"],
        references: &[
            reference("/customer_group_id", "customer_group"),
            reference("/origin_channel_id", "channel"),
            reference("/channel_ids/*", "channel"),
            reference("/addresses/*/customer_id", "customer"),
            reference("/attributes/*/customer_id", "customer"),
            reference("/attributes/*/attribute_id", "customer_attribute"),
            reference("/metafields/*/resource_id", "customer"),
            reference("/form_fields/*/customer_id", "customer"),
            reference("/addresses/*/form_fields/*/address_id", "customer.addresses"),
        ],
        natural_key: &["/email"],
        lost: &[
            NEW_ID,
            CREATED,
            METAFIELD_DATES,
            Loss {
                pointer: "/attributes/*/id",
                why: "An item that is made anew gets a new id from BigCommerce.",
            },
            Loss {
                pointer: "/attributes/*/date_created",
                why: "BigCommerce sets the date of creation itself.",
            },
            Loss {
                pointer: "/authentication",
                why: "Passwords cannot be read: whoever comes back sets a new one.",
            },
            Loss {
                pointer: "/registration_ip_address",
                why: "It can only be set by the registration itself.",
            },
            Loss {
                pointer: "/store_credit_amounts",
                why: "Store credit is money: what there was is listed, and set by hand.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "subscriber",
        plural: "newsletter subscribers",
        told: topics::SUBSCRIBER,
        read_scopes: CUSTOMERS,
        write_scopes: CUSTOMERS_WRITE,
        changes: Changes::UpdatedSince,
        subject: Some(SubjectRule { pointers: &[], kind: "subscriber" }),
        summary: &[column("title", "/email"), column("source", "/source")],
        volatile: &["/date_modified"],
        references: &[reference("/channel_id", "channel"), reference("/order_id", "order")],
        natural_key: &["/email"],
        lost: &[NEW_ID, CREATED],
        ..PLAIN
    },
    KindSpec {
        name: "wishlist",
        plural: "wishlists",
        read_scopes: CUSTOMERS,
        write_scopes: CUSTOMERS_WRITE,
        subject: Some(SubjectRule { pointers: &["/customer_id"], kind: "customer" }),
        summary: &[column("title", "/name"), column("customer", "/customer_id")],
        references: &[
            reference("/customer_id", "customer"),
            reference("/items/*/product_id", "product"),
            reference("/items/*/variant_id", "product.variants"),
        ],
        natural_key: &["/customer_id", "/name"],
        lost: &[
            NEW_ID,
            Loss { pointer: "/items/*/id", why: "An item that is made anew gets a new id from BigCommerce." },
            Loss { pointer: "/token", why: "A shared link gets a new address from BigCommerce." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "segment",
        plural: "customer segments",
        read_scopes: CUSTOMERS,
        write_scopes: CUSTOMERS_WRITE,
        summary: &[column("title", "/name"), column("updated", "/updated_at")],
        volatile: &["/updated_at"],
        references: &[reference("/profiles/*/customer_id", "customer")],
        lost: &[
            Loss { pointer: "/id", why: "An item that is made anew gets a new id from BigCommerce." },
            Loss { pointer: "/created_at", why: "BigCommerce sets it itself." },
            Loss {
                pointer: "/profiles",
                why: "Who belongs to a segment is listed, and put into it by hand.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "promotion",
        plural: "promotions",
        read_scopes: MARKETING,
        write_scopes: MARKETING_WRITE,
        summary: &[column("title", "/name"), column("status", "/status"), column("type", "/redemption_type")],
        volatile: &["/current_uses", "/codes/*/current_uses"],
        references: &[
            reference("/channels/*/id", "channel"),
            reference("/customer/group_ids/*", "customer_group"),
            reference("/customer/excluded_group_ids/*", "customer_group"),
        ],
        lost: &[
            NEW_ID,
            Loss { pointer: "/current_uses", why: "Uses are counted by BigCommerce." },
            Loss { pointer: "/created_from", why: "BigCommerce notes who made it." },
            Loss { pointer: "/codes/*/created", why: "BigCommerce sets the date of creation itself." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "coupon",
        plural: "coupons",
        read_scopes: MARKETING,
        write_scopes: MARKETING_WRITE,
        summary: &[column("title", "/name"), column("code", "/code"), column("amount", "/amount")],
        volatile: &["/num_uses"],
        references: &[
            reference_when("/applies_to/ids/*", "category", "/applies_to/entity", "categories"),
            reference_when("/applies_to/ids/*", "product", "/applies_to/entity", "products"),
        ],
        natural_key: &["/code"],
        lost: &[
            NEW_ID,
            Loss { pointer: "/items/*/id", why: "An item that is made anew gets a new id from BigCommerce." },
            CREATED,
            Loss { pointer: "/num_uses", why: "Uses are counted by BigCommerce." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "gift_certificate",
        plural: "gift certificates",
        read_scopes: MARKETING,
        write_scopes: MARKETING_WRITE,
        subject: Some(SubjectRule { pointers: &["/customer_id"], kind: "customer" }),
        summary: &[column("title", "/code"), column("amount", "/amount"), column("status", "/status")],
        references: &[reference("/customer_id", "customer"), reference("/order_id", "order")],
        natural_key: &["/code"],
        restore: Restorable::Never(
            "A gift certificate is money: it is kept for reading, and made anew by hand where it is owed.",
        ),
        lost: &[Loss { pointer: "", why: "A gift certificate is money and is not made anew by itself." }],
        ..PLAIN
    },
    KindSpec {
        name: "banner",
        plural: "banners",
        read_scopes: MARKETING,
        write_scopes: MARKETING_WRITE,
        summary: &[column("title", "/name"), column("page", "/page")],
        references: &[
            reference_when("/item_id", "category", "/page", "category_page"),
            reference_when("/item_id", "brand", "/page", "brand_page"),
        ],
        lost: &[NEW_ID, CREATED],
        ..PLAIN
    },
    KindSpec {
        name: "page",
        plural: "pages",
        read_scopes: CONTENT,
        write_scopes: CONTENT_WRITE,
        summary: &[column("title", "/name"), column("type", "/type"), column("path", "/url")],
        references: &[reference("/parent_id", "page"), reference("/channel_id", "channel")],
        natural_key: &["/channel_id", "/name"],
        lost: &[NEW_ID],
        ..PLAIN
    },
    KindSpec {
        name: "blog_post",
        plural: "blog posts",
        read_scopes: CONTENT,
        write_scopes: CONTENT_WRITE,
        summary: &[column("title", "/title"), column("published", "/is_published"), column("path", "/url")],
        natural_key: &["/url"],
        lost: &[
            NEW_ID,
            Loss { pointer: "/preview_url", why: "BigCommerce makes it." },
            Loss { pointer: "/summary", why: "BigCommerce takes it from the text." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "redirect",
        plural: "redirects",
        read_scopes: CONTENT,
        write_scopes: CONTENT_WRITE,
        summary: &[column("title", "/from_path"), column("to", "/to_url")],
        references: &[
            reference("/site_id", "site"),
            reference_when("/to/entity_id", "product", "/to/type", "product"),
            reference_when("/to/entity_id", "brand", "/to/type", "brand"),
            reference_when("/to/entity_id", "category", "/to/type", "category"),
            reference_when("/to/entity_id", "page", "/to/type", "page"),
            reference_when("/to/entity_id", "blog_post", "/to/type", "post"),
        ],
        natural_key: &["/site_id", "/from_path"],
        lost: &[
            NEW_ID,
            Loss { pointer: "/to_url", why: "BigCommerce works it out from where the redirect leads." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "script",
        plural: "scripts",
        read_scopes: CONTENT,
        write_scopes: CONTENT_WRITE,
        summary: &[column("title", "/name"), column("location", "/location")],
        volatile: &["/date_modified"],
        references: &[reference("/channel_id", "channel")],
        lost: &[
            Loss { pointer: "/uuid", why: "An item that is made anew gets a new id from BigCommerce." },
            CREATED,
            Loss { pointer: "/api_client_id", why: "It is that of the app which makes the script." },
            Loss { pointer: "", why: "BigCommerce shows an app only the scripts that it made itself." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "widget_template",
        plural: "widget templates",
        read_scopes: CONTENT,
        write_scopes: CONTENT_WRITE,
        summary: &[column("title", "/name"), column("kind", "/kind")],
        volatile: &["/date_modified", "/current_version_uuid"],
        lost: &[
            Loss { pointer: "/uuid", why: "An item that is made anew gets a new id from BigCommerce." },
            CREATED,
            Loss { pointer: "/kind", why: "BigCommerce notes whose template it is." },
            Loss { pointer: "/icon_name", why: "BigCommerce gives a template its picture." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "widget",
        plural: "widgets",
        read_scopes: CONTENT,
        write_scopes: CONTENT_WRITE,
        summary: &[column("title", "/name")],
        volatile: &["/date_modified", "/version_uuid"],
        references: &[
            reference("/widget_template/uuid", "widget_template"),
            reference("/channel_id", "channel"),
        ],
        lost: &[
            Loss { pointer: "/uuid", why: "An item that is made anew gets a new id from BigCommerce." },
            CREATED,
            Loss { pointer: "/widget_template", why: "It is that of the widget's template." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "placement",
        plural: "placements of widgets",
        read_scopes: CONTENT,
        write_scopes: CONTENT_WRITE,
        summary: &[
            column("title", "/template_file"),
            column("region", "/region"),
            column("status", "/status"),
        ],
        volatile: &["/date_modified"],
        references: &[
            reference("/widget/uuid", "widget"),
            reference("/channel_id", "channel"),
            reference_when("/entity_id", "product", "/template_file", "pages/product"),
            reference_when("/entity_id", "category", "/template_file", "pages/category"),
            reference_when("/entity_id", "brand", "/template_file", "pages/brand"),
            reference_when("/entity_id", "page", "/template_file", "pages/page"),
        ],
        natural_key: &["/widget/uuid", "/template_file", "/region"],
        lost: &[
            Loss { pointer: "/uuid", why: "An item that is made anew gets a new id from BigCommerce." },
            CREATED,
            Loss { pointer: "/widget", why: "It is that of the widget." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "email_template",
        plural: "email templates",
        read_scopes: EMAILS,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/path"), column("channel", "/channel_id")],
        references: &[reference("/channel_id", "channel")],
        natural_key: &["/path", "/channel_id"],
        restore: Restorable::UpdateOnly("There is one for each kind of mail; it is changed, and never made."),
        ..PLAIN
    },
    KindSpec {
        name: "setting",
        plural: "settings",
        read_scopes: SETTINGS,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/path"), column("channel", "/channel_id")],
        references: &[
            reference("/channel_id", "channel"),
            reference("/data/*/context/channel_id", "channel"),
            reference("/data/*/context/category_id", "category"),
        ],
        natural_key: &["/path", "/channel_id"],
        restore: Restorable::UpdateOnly("Each is there once; it is changed, and never made."),
        ..PLAIN
    },
    KindSpec {
        name: "shipping_zone",
        plural: "shipping zones",
        read_scopes: INFORMATION,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/name"), column("type", "/type"), column("enabled", "/enabled")],
        unordered: &["/methods"],
        references: &[reference("/methods/*/channel_ids/*", "channel")],
        lost: &[
            NEW_ID,
            Loss {
                pointer: "/locations/*/id",
                why: "An item that is made anew gets a new id from BigCommerce.",
            },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "store_metafield",
        plural: "metafields of the store",
        read_scopes: INFORMATION,
        write_scopes: INFORMATION_WRITE,
        summary: &[column("title", "/key"), column("namespace", "/namespace")],
        volatile: &["/date_modified"],
        natural_key: &["/namespace", "/key"],
        lost: &[
            NEW_ID,
            CREATED,
            Loss { pointer: "/resource_id", why: "It is that of the store." },
            Loss { pointer: "/owner_client_id", why: "It is that of the app which writes it." },
        ],
        ..PLAIN
    },
    KindSpec {
        // Every API account may have its own.
        name: "webhook",
        plural: "webhooks",
        summary: &[column("title", "/scope"), column("to", "/destination")],
        volatile: &["/updated_at"],
        natural_key: &["/scope", "/destination"],
        lost: &[
            NEW_ID,
            Loss { pointer: "/created_at", why: "BigCommerce sets it itself." },
            Loss { pointer: "/client_id", why: "It is that of the app which makes the webhook." },
            Loss { pointer: "/store_hash", why: "It is that of the store." },
            Loss { pointer: "", why: "BigCommerce shows an app only the webhooks that it made itself." },
        ],
        ..PLAIN
    },
    KindSpec {
        name: "order",
        plural: "orders",
        told: topics::ORDER,
        read_scopes: &["store_v2_orders_read_only", "store_v2_transactions_read_only"],
        write_scopes: &["store_v2_orders"],
        changes: Changes::UpdatedSince,
        subject: Some(SubjectRule { pointers: &["/customer_id"], kind: "customer" }),
        summary: &[
            column("title", "/id"),
            column("status", "/status"),
            column("total", "/total_inc_tax"),
            column("placed", "/date_created"),
            column("updated", "/date_modified"),
        ],
        volatile: &["/date_modified", "/metafields/*/date_modified"],
        unordered: &["/metafields"],
        references: &[
            reference("/customer_id", "customer"),
            reference("/channel_id", "channel"),
            reference("/products/*/order_id", "order"),
            reference("/products/*/product_id", "product"),
            reference("/products/*/variant_id", "product.variants"),
            reference("/shipping_addresses/*/order_id", "order"),
            reference("/shipments/*/order_id", "order"),
            reference("/shipments/*/customer_id", "customer"),
            reference("/metafields/*/resource_id", "order"),
        ],
        natural_key: &[],
        sale: Some(SaleRule { name: "/id", placed_at: "/date_created", sold: "/products/*/variant_id" }),
        restore: Restorable::Never(
            "An order is history: one that is placed again gets a new number, moves stock and mails its customer.",
        ),
        lost: &[Loss { pointer: "", why: "Orders are kept for reading and never placed again." }],
        ..PLAIN
    },
    KindSpec {
        name: "inventory_item",
        plural: "stock",
        told: topics::STOCK,
        read_scopes: &["store_inventory_read_only"],
        write_scopes: &["store_inventory"],
        summary: &[column("title", "/identity/sku"), column("variant", "/identity/variant_id")],
        unordered: &["/locations"],
        references: &[
            reference("/identity/variant_id", "product.variants"),
            reference("/identity/product_id", "product"),
            reference("/locations/*/location_id", "location"),
        ],
        natural_key: &["/identity/variant_id"],
        restore: Restorable::UpdateOnly("Stock comes with its product and cannot be made."),
        lost: &[
            Loss { pointer: "/identity", why: "An item that is made anew gets a new id from BigCommerce." },
            Loss {
                pointer: "/locations/*/available_to_sell",
                why: "Stock moves with every sale: it is set only when asked for (`--stock`).",
            },
            Loss {
                pointer: "/locations/*/total_inventory_onhand",
                why: "Stock moves with every sale: it is set only when asked for (`--stock`).",
            },
        ],
        ..PLAIN
    },
];

/// The row of a kind.
#[must_use]
pub fn kind(name: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|kind| kind.name == name)
}
