//! The table: how each kind is put back, found again and deleted.

use serde_json::{Value, json};

use super::draft::Draft;
use super::find::{Find, Way, query, same_text};
use super::part::Part;
use super::place;
use super::step::Call;
use super::{
    catalog, collection, content, customer, definition, discount, file, inventory, location, market,
    metaobject, navigation,
};
use super::{order, product, script_tag, segment, shop, translation};
use crate::platforms::shopify::gid;

/// How a kind is put back.
#[derive(Debug)]
pub(super) struct Recipe {
    /// The kind's name.
    pub(super) kind: &'static str,
    /// Draws up one item.
    pub(super) draft: fn(&mut Draft<'_>),
    /// Its parts, and how they are recognised.
    pub(super) parts: &'static [Part],
    /// How it is found again.
    pub(super) find: Find,
    /// How it is deleted: calls, one after the other.
    pub(super) delete: &'static [Delete],
    /// Whether mutations name the type of an id otherwise than the kind does.
    pub(super) two_names: bool,
}

/// A call that deletes, and its variables for an id.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) call: Call,
    /// From the id, and from what is there.
    pub(super) variables: fn(&str, &Value) -> Value,
}

macro_rules! delete {
    ($root:literal, $variables:expr) => {
        Delete {
            call: Call::new($root, include_str!(concat!("../documents/write/", $root, ".graphql")), 10),
            variables: $variables,
        }
    };
}

macro_rules! way {
    ($document:literal, $root:literal, $($variable:literal : $at:literal),+) => {
        Way {
            document: include_str!(concat!("../documents/live/", $document, ".graphql")),
            root: $root,
            variables: &[$(($variable, $at)),+],
        }
    };
}

const PLAIN: Recipe =
    Recipe { kind: "", draft: shop::shop, parts: &[], find: Find::Nothing, delete: &[], two_names: false };

fn by_id(id: &str, _: &Value) -> Value {
    json!({"id": id})
}

fn by_input(id: &str, _: &Value) -> Value {
    json!({"input": {"id": id}})
}

fn by_handle(wanted: &Value) -> Option<String> {
    place::text(wanted, "handle").map(|handle| query("handle", handle))
}

fn same_handle(wanted: &Value, live: &Value) -> bool {
    same_text(wanted, live, "handle")
}

fn by_name(wanted: &Value) -> Option<String> {
    place::text(wanted, "name").map(|name| query("name", name))
}

fn same_name(wanted: &Value, live: &Value) -> bool {
    same_text(wanted, live, "name")
}

/// The row of a kind.
pub(super) fn recipe(kind: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.kind == kind)
}

/// All kinds that can be put back.
pub(super) static RECIPES: &[Recipe] = &[
    Recipe { kind: "shop", draft: shop::shop, parts: content::PARTS, find: Find::Only, ..PLAIN },
    Recipe {
        kind: "locale",
        draft: shop::locale,
        find: Find::Search {
            query: |_| Some(String::new()),
            same: |wanted, live| same_text(wanted, live, "locale"),
        },
        delete: &[delete!("shopLocaleDisable", |id, _| json!({"locale": id}))],
        ..PLAIN
    },
    Recipe {
        kind: "location",
        draft: location::location,
        parts: content::PARTS,
        find: Find::Search { query: by_name, same: same_name },
        delete: &[
            // Closing it anew, after somebody opened it, is another change and needs another key.
            delete!("locationDeactivate", |id, live| {
                let since = place::text(live, "updatedAt").unwrap_or_default();
                json!({"locationId": id, "key": format!("deactivate {id} {since}")})
            }),
            delete!("locationDelete", |id, _| json!({"locationId": id})),
        ],
        ..PLAIN
    },
    Recipe {
        kind: "publication",
        draft: location::publication,
        find: Find::Search {
            query: |_| Some(String::new()),
            same: |wanted, live| same_text(wanted, live, "name"),
        },
        ..PLAIN
    },
    Recipe {
        kind: "metafield_definition",
        draft: definition::metafield,
        find: Find::Exact(&[way!(
            "metafield_definition_by_key",
            "metafieldDefinition",
            "ownerType": "ownerType",
            "namespace": "namespace",
            "key": "key"
        )]),
        delete: &[delete!("metafieldDefinitionDelete", |id, _| json!({"id": id, "values": false}))],
        ..PLAIN
    },
    Recipe {
        kind: "metaobject_definition",
        draft: definition::metaobject,
        parts: definition::METAOBJECT_PARTS,
        find: Find::Exact(&[
            way!("metaobject_definition_by_type", "metaobjectDefinitionByType", "type": "type"),
        ]),
        delete: &[delete!("metaobjectDefinitionDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "file",
        draft: file::draft,
        find: Find::Search {
            query: |wanted| file::name(wanted).map(|name| query("filename", name)),
            same: |wanted, live| file::name(wanted).is_some() && file::name(wanted) == file::name(live),
        },
        delete: &[delete!("fileDelete", |id, _| json!({"fileIds": [id]}))],
        ..PLAIN
    },
    Recipe {
        kind: "metaobject",
        draft: metaobject::draft,
        find: Find::Exact(&[
            way!("metaobject_by_handle", "metaobjectByHandle", "type": "type", "handle": "handle"),
        ]),
        delete: &[delete!("metaobjectDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "product",
        draft: product::draft,
        parts: product::PARTS,
        find: Find::Exact(&[way!("product_by_handle", "productByIdentifier", "handle": "handle")]),
        delete: &[delete!("productDelete", by_input)],
        ..PLAIN
    },
    Recipe { kind: "inventory_item", draft: inventory::draft, parts: inventory::PARTS, ..PLAIN },
    Recipe {
        kind: "collection",
        draft: collection::draft,
        parts: collection::PARTS,
        find: Find::Exact(&[way!("collection_by_handle", "collectionByIdentifier", "handle": "handle")]),
        delete: &[delete!("collectionDelete", by_input)],
        ..PLAIN
    },
    Recipe {
        kind: "page",
        draft: content::page,
        parts: content::PARTS,
        find: Find::Search { query: by_handle, same: same_handle },
        delete: &[delete!("pageDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "blog",
        draft: content::blog,
        parts: content::PARTS,
        find: Find::Search { query: by_handle, same: same_handle },
        delete: &[delete!("blogDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "article",
        draft: content::article,
        parts: content::PARTS,
        find: Find::Search {
            query: by_handle,
            same: |wanted, live| same_handle(wanted, live) && same_text(wanted, live, "blog/id"),
        },
        delete: &[delete!("articleDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "menu",
        draft: navigation::menu,
        parts: navigation::MENU_PARTS,
        find: Find::Search { query: |_| Some(String::new()), same: same_handle },
        delete: &[delete!("menuDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "redirect",
        draft: navigation::redirect,
        find: Find::Search {
            query: |wanted| place::text(wanted, "path").map(|path| query("path", path)),
            same: |wanted, live| same_text(wanted, live, "path"),
        },
        delete: &[delete!("urlRedirectDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "script_tag",
        draft: script_tag::draft,
        find: Find::Search {
            query: |wanted| place::text(wanted, "src").map(|src| query("src", src)),
            same: |wanted, live| same_text(wanted, live, "src") && same_text(wanted, live, "displayScope"),
        },
        delete: &[delete!("scriptTagDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "policy",
        draft: shop::policy,
        find: Find::Search {
            query: |_| Some(String::new()),
            same: |wanted, live| same_text(wanted, live, "type"),
        },
        ..PLAIN
    },
    Recipe {
        kind: "segment",
        draft: segment::segment,
        find: Find::Search { query: by_name, same: same_name },
        delete: &[delete!("segmentDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "discount",
        draft: discount::draft,
        parts: discount::PARTS,
        find: Find::Either(
            &[way!("discount_by_code", "codeDiscountNodeByCode", "code": "discount/codes/0/code")],
            |wanted| {
                // One with a code was looked up by it already.
                let title = place::text(wanted, "discount/title").map(|title| query("title", title));
                title.filter(|_| place::list(wanted, "discount/codes").is_empty())
            },
            |wanted, live| {
                same_text(wanted, live, "discount/title") && same_text(wanted, live, "discount/__typename")
            },
        ),
        two_names: true,
        ..PLAIN
    },
    Recipe {
        kind: "customer",
        draft: customer::customer,
        parts: customer::PARTS,
        find: Find::Exact(&[
            way!("customer_by_email", "customerByIdentifier", "email": "defaultEmailAddress/emailAddress"),
            way!("customer_by_phone", "customerByIdentifier", "phone": "defaultPhoneNumber/phoneNumber"),
        ]),
        delete: &[delete!("customerDelete", by_input)],
        ..PLAIN
    },
    Recipe {
        kind: "web_presence",
        draft: market::presence,
        find: Find::Search { query: |_| Some(String::new()), same: market::same_presence },
        delete: &[delete!("webPresenceDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "market",
        draft: market::market,
        parts: content::PARTS,
        find: Find::Search { query: |_| Some(String::new()), same: same_handle },
        delete: &[delete!("marketDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "price_list",
        draft: catalog::price_list,
        find: Find::Search { query: |_| Some(String::new()), same: same_name },
        delete: &[delete!("priceListDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "catalog",
        draft: catalog::catalog,
        parts: catalog::CATALOG_PARTS,
        find: Find::Search {
            query: |wanted| place::text(wanted, "title").map(|title| query("title", title)),
            same: |wanted, live| same_text(wanted, live, "title") && same_text(wanted, live, "__typename"),
        },
        delete: &[delete!("catalogDelete", by_id)],
        ..PLAIN
    },
    Recipe {
        kind: "translation",
        draft: translation::draft,
        find: Find::Known(translation::id_of),
        delete: &[delete!("translationsRemove", |_, live| {
            let keys: Vec<&Value> =
                place::list(live, "translations").iter().filter_map(|one| one.get("key")).collect();
            json!({"resourceId": live.get("resourceId"), "locales": [live.get("locale")], "translationKeys": keys})
        })],
        ..PLAIN
    },
    Recipe { kind: "order", draft: order::order, parts: order::PARTS, ..PLAIN },
    Recipe {
        kind: "draft_order",
        draft: order::draft_order,
        parts: order::PARTS,
        find: Find::Search {
            query: |wanted| order::mark(wanted).map(|mark| query("tag", &mark)),
            same: |wanted, live| {
                let mark = order::mark(wanted);
                place::list(live, "tags").iter().any(|tag| tag.as_str() == mark.as_deref())
            },
        },
        delete: &[delete!("draftOrderDelete", by_input)],
        ..PLAIN
    },
];

/// How discounts are deleted: by code, and automatic.
pub(super) static DISCOUNT_CODE_DELETE: Delete =
    delete!("discountCodeDelete", |id, _| json!({"id": gid::renamed("DiscountCodeNode", id)}));
/// The same for automatic ones.
pub(super) static DISCOUNT_AUTOMATIC_DELETE: Delete =
    delete!("discountAutomaticDelete", |id, _| json!({"id": gid::renamed("DiscountAutomaticNode", id)}));
