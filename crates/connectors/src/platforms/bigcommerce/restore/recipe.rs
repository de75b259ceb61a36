//! The table: how each kind is put back, found again and deleted.

use serde_json::Value;

use super::draft::Draft;
use super::{customer, document, forms, inventory, price_list, product, promotion};
use crate::compare::field::{Field, Form, moved, same};
use crate::compare::part::{Named, Part};
use crate::compare::place;

/// How a kind is put back.
#[derive(Debug)]
pub(super) struct Recipe {
    /// The kind's name.
    pub(super) kind: &'static str,
    /// Where its items are written.
    pub(super) path: &'static str,
    /// How one is made.
    pub(super) create: Shape,
    /// How one is changed.
    pub(super) update: Shape,
    /// How one is deleted.
    pub(super) delete: Delete,
    /// What is written of an item itself.
    pub(super) fields: &'static [Field],
    /// Whether a change names all fields: some of them are asked for with every change.
    pub(super) whole: bool,
    /// The field that holds an item's id.
    pub(super) id: &'static str,
    /// Whether it is a document, which has no id of its own.
    pub(super) document: bool,
    /// Its parts, and how they are recognised.
    pub(super) parts: &'static [Part],
    /// The folder of its metafields, where it has some.
    pub(super) metafields: Option<&'static str>,
    /// Whatever else is written of it.
    pub(super) more: fn(&mut Draft<'_>),
    /// Ways to find it again; the first whose fields the payload has.
    pub(super) find: &'static [Find],
}

/// How a request names an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As an object: below the kind's path, by its id, where it is there already.
    Object,
    /// In a list, at the kind's path.
    List,
    /// In a list of what there shall be, at the kind's path, without an id: the platform knows by its fields what is
    /// there, and makes the rest.
    Upsert,
}

/// How an item is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delete {
    /// Below the kind's path.
    ById,
    /// By a filter of the list.
    Filter(&'static str),
    /// There is no way.
    Never,
}

/// A way to find an item.
#[derive(Debug)]
pub(super) struct Find {
    /// Filters of the list, and where their values stand in the payload.
    pub(super) filters: &'static [(&'static str, &'static str)],
    /// What must be the same, or it is another one.
    pub(super) same: &'static [&'static str],
}

fn nothing_more(_: &mut Draft<'_>) {}

const PLAIN: Recipe = Recipe {
    kind: "",
    path: "",
    create: Shape::Object,
    update: Shape::Object,
    delete: Delete::ById,
    fields: &[],
    whole: false,
    id: "id",
    document: false,
    parts: &[],
    metafields: None,
    more: nothing_more,
    find: &[],
};

/// By namespace and key: how metafields are recognised.
pub(super) fn by_namespace_and_key(metafield: &Value, _: usize) -> Option<String> {
    Some(format!("{}\n{}", place::text(metafield, "namespace")?, place::text(metafield, "key")?))
}

const METAFIELDS: Part = Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] };

/// The row of a kind.
pub(super) fn recipe(kind: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.kind == kind)
}

const fn plain(name: &'static str) -> Field {
    same(name, Form::Plain)
}

const fn text(name: &'static str) -> Field {
    same(name, Form::Text)
}

const fn number(name: &'static str) -> Field {
    same(name, Form::Number)
}

/// All kinds that are written.
pub(super) static RECIPES: &[Recipe] = &[
    Recipe {
        kind: "currency",
        path: "v2/currencies",
        fields: &[
            text("currency_code").at_birth(),
            text("name"),
            text("country_iso2"),
            number("currency_exchange_rate"),
            plain("auto_update"),
            text("token_location"),
            text("token"),
            text("decimal_token"),
            text("thousands_token"),
            number("decimal_places"),
            plain("enabled"),
            plain("is_transactional"),
            plain("is_default"),
        ],
        find: &[Find { filters: &[], same: &["currency_code"] }],
        ..PLAIN
    },
    Recipe {
        kind: "tax_class",
        path: "v3/tax/classes",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("id:in"),
        fields: &[text("name")],
        find: &[Find { filters: &[], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "location",
        path: "v3/inventory/locations",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("location_id:in"),
        fields: &[
            text("code"),
            text("label"),
            text("description"),
            plain("managed_by_external_source"),
            text("type_id"),
            plain("enabled"),
            plain("operating_hours"),
            text("time_zone"),
            same("address", Form::Made(Value::clone)),
            plain("storefront_visibility"),
            plain("special_hours"),
        ],
        parts: &[METAFIELDS],
        metafields: Some("v3/inventory/locations/{}/metafields"),
        find: &[Find { filters: &[("location_code:in", "code")], same: &["code"] }],
        ..PLAIN
    },
    Recipe {
        kind: "channel",
        path: "v3/channels",
        delete: Delete::Never,
        fields: &[
            text("name"),
            text("type").at_birth(),
            text("platform").at_birth(),
            text("status"),
            text("external_id"),
            plain("is_listable_from_ui"),
            plain("is_visible"),
        ],
        parts: &[METAFIELDS],
        metafields: Some("v3/channels/{}/metafields"),
        more: forms::channel_currencies,
        find: &[Find { filters: &[], same: &["name", "platform"] }],
        ..PLAIN
    },
    Recipe {
        kind: "category_tree",
        path: "v3/catalog/trees",
        create: Shape::Upsert,
        update: Shape::List,
        delete: Delete::Filter("id:in"),
        fields: &[text("name"), same("channels", Form::Ids).at_birth()],
        find: &[Find { filters: &[], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "category",
        path: "v3/catalog/trees/categories",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("category_id:in"),
        id: "category_id",
        fields: &[
            text("name"),
            same("tree_id", Form::Id).at_birth(),
            same("parent_id", Form::Made(forms::id_or_zero)),
            text("description"),
            number("sort_order"),
            text("page_title"),
            plain("meta_keywords"),
            text("meta_description"),
            text("layout_file"),
            plain("is_visible"),
            text("search_keywords"),
            text("default_product_sort"),
            same("url", Form::Made(forms::address)),
        ],
        parts: &[METAFIELDS],
        metafields: Some("v3/catalog/categories/{}/metafields"),
        more: forms::category_image,
        find: &[Find {
            filters: &[("name", "name"), ("tree_id:in", "tree_id")],
            same: &["name", "tree_id", "parent_id"],
        }],
        ..PLAIN
    },
    Recipe {
        kind: "brand",
        path: "v3/catalog/brands",
        fields: &[
            text("name"),
            text("page_title"),
            plain("meta_keywords"),
            text("meta_description"),
            text("search_keywords"),
            same("custom_url", Form::Made(forms::address)),
        ],
        parts: &[METAFIELDS],
        metafields: Some("v3/catalog/brands/{}/metafields"),
        more: forms::brand_image,
        find: &[Find { filters: &[("name", "name")], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "customer_attribute",
        path: "v3/customers/attributes",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("id:in"),
        fields: &[text("name"), text("type").at_birth()],
        find: &[Find { filters: &[("name", "name")], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "product",
        path: "v3/catalog/products",
        fields: product::FIELDS,
        parts: product::PARTS,
        metafields: Some("v3/catalog/products/{}/metafields"),
        more: product::more,
        find: &[
            Find { filters: &[("sku", "sku")], same: &["sku"] },
            Find { filters: &[("name", "name")], same: &["name"] },
        ],
        ..PLAIN
    },
    Recipe {
        kind: "customer_group",
        path: "v2/customer_groups",
        fields: &[
            text("name"),
            plain("is_default"),
            same("category_access", Form::Made(forms::category_access)),
            same("discount_rules", Form::Made(forms::discount_rules)),
            plain("is_group_for_guests"),
        ],
        find: &[Find { filters: &[("name", "name")], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "price_list",
        path: "v3/pricelists",
        fields: &[text("name"), plain("active")],
        whole: true,
        parts: price_list::PARTS,
        more: price_list::more,
        find: &[Find { filters: &[], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "customer",
        path: "v3/customers",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("id:in"),
        fields: customer::FIELDS,
        parts: customer::PARTS,
        metafields: Some("v3/customers/{}/metafields"),
        more: customer::more,
        find: &[Find { filters: &[("email:in", "email")], same: &["email"] }],
        ..PLAIN
    },
    Recipe {
        kind: "subscriber",
        path: "v3/customers/subscribers",
        fields: &[
            text("email"),
            text("first_name"),
            text("last_name"),
            text("source"),
            same("order_id", Form::Id),
            same("channel_id", Form::Id),
            same("consents", Form::Set),
        ],
        find: &[Find { filters: &[("email", "email")], same: &["email"] }],
        ..PLAIN
    },
    Recipe {
        kind: "wishlist",
        path: "v3/wishlists",
        fields: &[
            same("customer_id", Form::Id),
            plain("is_public"),
            text("name"),
            same("items", Form::Made(forms::wishlist_items)),
        ],
        whole: true,
        find: &[Find { filters: &[("customer_id", "customer_id")], same: &["customer_id", "name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "coupon",
        path: "v2/coupons",
        fields: &[
            text("name"),
            text("type"),
            number("amount"),
            number("min_purchase"),
            text("expires"),
            plain("enabled"),
            text("code"),
            same("applies_to", Form::Made(forms::applies_to)),
            number("max_uses"),
            number("max_uses_per_customer"),
            same("restricted_to", Form::Made(Value::clone)),
            same("shipping_methods", Form::Set),
        ],
        whole: true,
        find: &[Find { filters: &[("code", "code")], same: &["code"] }],
        ..PLAIN
    },
    Recipe {
        kind: "banner",
        path: "v2/banners",
        fields: &[
            text("name"),
            text("content"),
            text("page"),
            text("location"),
            text("date_type"),
            text("date_from"),
            text("date_to"),
            text("visible"),
            same("item_id", Form::Made(forms::id_as_text)),
        ],
        whole: true,
        find: &[Find { filters: &[], same: &["name", "page"] }],
        ..PLAIN
    },
    Recipe {
        kind: "page",
        path: "v3/content/pages",
        fields: &[
            text("name"),
            plain("is_visible"),
            same("parent_id", Form::Made(forms::id_or_zero)),
            number("sort_order"),
            text("type"),
            plain("is_homepage"),
            plain("is_customers_only"),
            text("url"),
            text("meta_title"),
            text("meta_keywords"),
            text("meta_description"),
            text("search_keywords"),
            text("email"),
            text("contact_fields"),
            text("body"),
            text("content_type").at_birth(),
            text("link"),
        ],
        more: forms::page_channel,
        find: &[Find { filters: &[("name", "name")], same: &["name", "channel_id"] }],
        ..PLAIN
    },
    Recipe {
        kind: "blog_post",
        path: "v2/blog/posts",
        fields: &[
            text("title"),
            text("url"),
            text("body"),
            same("tags", Form::Set),
            plain("is_published"),
            text("meta_description"),
            text("meta_keywords"),
            text("author"),
            text("thumbnail_path"),
            same("published_date", Form::Made(forms::published)),
        ],
        whole: true,
        find: &[Find { filters: &[("url", "url")], same: &["url"] }],
        ..PLAIN
    },
    Recipe {
        kind: "redirect",
        path: "v3/storefront/redirects",
        create: Shape::Upsert,
        update: Shape::Upsert,
        delete: Delete::Filter("id:in"),
        fields: &[text("from_path"), same("site_id", Form::Id), same("to", Form::Made(forms::leads_to))],
        whole: true,
        find: &[Find {
            filters: &[("site_id", "site_id"), ("keyword", "from_path")],
            same: &["site_id", "from_path"],
        }],
        ..PLAIN
    },
    Recipe {
        kind: "script",
        path: "v3/content/scripts",
        id: "uuid",
        fields: &[
            text("name"),
            text("description"),
            text("html"),
            text("src"),
            plain("auto_uninstall"),
            text("load_method"),
            text("location"),
            text("visibility"),
            text("kind"),
            text("consent_category"),
            plain("enabled"),
            same("channel_id", Form::Id),
            plain("integrity_hashes"),
        ],
        find: &[Find { filters: &[], same: &["name", "channel_id", "location"] }],
        ..PLAIN
    },
    Recipe {
        kind: "tax_zone",
        path: "v3/tax/zones",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("id:in"),
        fields: &[
            text("name"),
            plain("enabled"),
            plain("price_display_settings"),
            same("shopper_target_settings", Form::Made(forms::shopper_target)),
        ],
        find: &[Find { filters: &[], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "tax_rate",
        path: "v3/tax/rates",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("id:in"),
        fields: &[
            text("name"),
            plain("enabled"),
            number("priority"),
            same("tax_zone_id", Form::Id),
            same("class_rates", Form::Made(forms::class_rates)),
        ],
        find: &[Find { filters: &[("tax_zone_id:in", "tax_zone_id")], same: &["tax_zone_id", "name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "tax_property",
        path: "v3/tax/properties",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("id:in"),
        fields: &[text("code"), text("display_name"), text("description"), text("type").at_birth()],
        find: &[Find { filters: &[], same: &["code"] }],
        ..PLAIN
    },
    Recipe {
        kind: "site",
        path: "v3/sites",
        fields: &[text("url").at_birth(), same("channel_id", Form::Id).at_birth()],
        parts: forms::SITE_PARTS,
        more: forms::routes,
        find: &[Find { filters: &[("channel_id:in", "channel_id")], same: &["channel_id"] }],
        ..PLAIN
    },
    Recipe {
        kind: "segment",
        path: "v3/segments",
        create: Shape::List,
        update: Shape::List,
        delete: Delete::Filter("id:in"),
        fields: &[text("name"), text("description")],
        find: &[Find { filters: &[], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "promotion",
        path: "v3/promotions",
        fields: promotion::FIELDS,
        parts: promotion::PARTS,
        more: promotion::codes,
        find: &[Find { filters: &[("name", "name")], same: &["name", "redemption_type"] }],
        ..PLAIN
    },
    Recipe {
        kind: "widget_template",
        path: "v3/content/widget-templates",
        id: "uuid",
        fields: &[text("name"), plain("schema"), text("template"), text("storefront_api_query")],
        find: &[Find { filters: &[], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "widget",
        path: "v3/content/widgets",
        id: "uuid",
        fields: &[
            text("name"),
            text("description"),
            plain("widget_configuration"),
            moved("widget_template/uuid", "widget_template_uuid", Form::Id).at_birth(),
            same("channel_id", Form::Id),
        ],
        find: &[Find { filters: &[], same: &["name", "widget_template/uuid"] }],
        ..PLAIN
    },
    Recipe {
        kind: "placement",
        path: "v3/content/placements",
        id: "uuid",
        fields: &[
            moved("widget/uuid", "widget_uuid", Form::Id),
            text("template_file"),
            same("channel_id", Form::Id),
            same("entity_id", Form::Made(forms::id_as_text)),
            number("sort_order"),
            text("region"),
            plain("status"),
        ],
        find: &[Find { filters: &[], same: &["widget/uuid", "template_file", "region", "entity_id"] }],
        ..PLAIN
    },
    Recipe {
        kind: "email_template",
        delete: Delete::Never,
        id: "path",
        more: document::write,
        document: true,
        ..PLAIN
    },
    Recipe {
        kind: "setting",
        delete: Delete::Never,
        id: "path",
        more: document::write,
        document: true,
        ..PLAIN
    },
    Recipe {
        kind: "shipping_zone",
        path: "v2/shipping/zones",
        fields: &[
            text("name"),
            text("type"),
            same("locations", Form::Made(forms::without_ids)),
            plain("free_shipping"),
            plain("handling_fees"),
            plain("enabled"),
        ],
        whole: true,
        parts: forms::ZONE_PARTS,
        more: forms::shipping_methods,
        find: &[Find { filters: &[], same: &["name"] }],
        ..PLAIN
    },
    Recipe {
        kind: "store_metafield",
        path: "v3/store/metafields",
        create: Shape::List,
        fields: super::draft::METAFIELD,
        whole: true,
        find: &[Find { filters: &[("namespace", "namespace"), ("key", "key")], same: &["namespace", "key"] }],
        ..PLAIN
    },
    Recipe {
        kind: "webhook",
        path: "v3/hooks",
        fields: &[text("scope"), text("destination"), plain("is_active"), plain("headers")],
        whole: true,
        find: &[Find {
            filters: &[("scope", "scope"), ("destination", "destination")],
            same: &["scope", "destination"],
        }],
        ..PLAIN
    },
    Recipe {
        kind: "inventory_item",
        path: "v3/inventory/items",
        delete: Delete::Never,
        id: "identity/variant_id",
        more: inventory::write,
        find: &[Find {
            filters: &[("variant_id:in", "identity/variant_id")],
            same: &["identity/variant_id"],
        }],
        ..PLAIN
    },
];
