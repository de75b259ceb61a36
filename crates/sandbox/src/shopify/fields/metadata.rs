//! Metafields, metaobjects, and the definitions of both.

use serde_json::Value as Json;

use super::Row;
use crate::shopify::list::{Only, Scan};
use crate::shopify::node::{Ctx, FieldError, Node, Out};
use crate::shopify::plan::Field;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("*", "metafield", |_, node, field| {
        let namespace = field.text("namespace").unwrap_or("$app");
        let key = field.text("key").unwrap_or_default();
        let found = node.obj().list("metafields").iter().find(|own| {
            own.as_obj()
                .is_some_and(|own| own.str("namespace") == Some(namespace) && own.str("key") == Some(key))
        });
        Ok(found.cloned().map_or(Out::Null, Out::Own))
    }),
    ("*", "metafields", metafields),
    ("Metafield", "owner", |_, node, _| Ok(node.owner.map_or(Out::Null, |gid| Out::Own(Val::Ref(gid))))),
    ("Metafield", "ownerType", |_, node, _| {
        Ok(node.owner.map_or(Out::Null, |gid| Out::Own(Val::Lit(owner_type(gid.kind())))))
    }),
    ("Metafield", "jsonValue", json_value),
    ("MetaobjectField", "jsonValue", json_value),
    ("Metafield", "compareDigest", |_, node, _| {
        Ok(Out::Own(Val::text(digest(node.obj().str("value").unwrap_or_default()))))
    }),
    ("Metafield", "sizeInBytes", |_, node, _| {
        Ok(Out::Own(Val::from(node.obj().str("value").unwrap_or_default().len())))
    }),
    ("Metafield", "reference", reference),
    ("MetaobjectField", "reference", reference),
    ("Metafield", "references", references),
    ("MetaobjectField", "references", references),
    ("Metafield", "definition", |ctx, node, _| {
        let Some(owner) = node.owner else { return Ok(Out::Null) };
        let own = node.obj();
        let key = format!(
            "{}/{}/{}",
            owner_type(owner.kind()),
            own.str("namespace").unwrap_or_default(),
            own.str("key").unwrap_or_default()
        );
        let gid = ctx.store.by_key(Kind::MetafieldDefinition, &key);
        Ok(gid.and_then(|gid| ctx.node(gid)).map_or(Out::Null, Out::Node))
    }),
    ("MetafieldDefinition", "type", type_of),
    ("MetaobjectFieldDefinition", "type", type_of),
    ("StandardMetafieldDefinitionTemplate", "type", type_of),
    ("MetafieldDefinition", "capabilities", |_, node, _| {
        Ok(Out::Node(Node::made(capabilities_of(node.obj()), node.owner)))
    }),
    ("MetafieldDefinition", "useAsCollectionCondition", |_, node, _| {
        let condition = node.obj().obj("capabilities").and_then(|all| all.obj("smartCollectionCondition"));
        Ok(Out::Own(Val::Bool(condition.is_some_and(|one| one.flag("enabled") == Some(true)))))
    }),
    ("MetaobjectDefinition", "standardTemplate", |_, node, _| {
        let template = node.obj().str("type").and_then(crate::shopify::mutate::standard::metaobject_template);
        Ok(template.map_or(Out::Null, |template| Out::Node(Node::made(template, node.owner))))
    }),
    ("MetafieldDefinition", "metafieldsCount", |ctx, node, _| {
        Ok(Out::Own(Val::from(defined(ctx, node.obj()).len())))
    }),
    ("MetafieldDefinition", "metafields", |ctx, node, _| Ok(Out::Nodes(defined(ctx, node.obj())))),
    ("MetafieldDefinition", "validationStatus", |_, _, _| Ok(Out::Own(Val::Lit("ALL_VALID")))),
    ("MetaobjectDefinition", "metaobjects", |_, node, _| Ok(Out::Scan(of_type(node.obj())))),
    ("MetaobjectDefinition", "metaobjectsCount", |ctx, node, _| {
        let count = ctx.view(|view| of_type(node.obj()).count(view, u64::MAX - 1));
        Ok(Out::Own(Val::Int(i64::try_from(count).unwrap_or(i64::MAX))))
    }),
    ("MetaobjectDefinition", "createdByApp", |ctx, _, _| Ok(Out::Own(Val::Ref(ctx.store.app)))),
    ("Metaobject", "createdByApp", |ctx, _, _| Ok(Out::Own(Val::Ref(ctx.store.app)))),
    ("Metaobject", "createdBy", |ctx, _, _| Ok(Out::Own(Val::Ref(ctx.store.app)))),
    ("Metaobject", "definition", |ctx, node, _| {
        let gid = ctx.store.by_key(Kind::MetaobjectDefinition, node.obj().str("type").unwrap_or_default());
        Ok(gid.map_or(Out::Null, |gid| Out::Own(Val::Ref(gid))))
    }),
    ("Metaobject", "displayName", |ctx, node, _| {
        let own = node.obj();
        let definition = definition_of(ctx, own);
        let key = definition.and_then(|definition| definition.str("displayNameKey"));
        let value = key.and_then(|key| value_of(own, key));
        Ok(Out::Own(Val::text(value.or_else(|| own.str("handle")).unwrap_or_default())))
    }),
    ("Metaobject", "fields", |ctx, node, _| Ok(Out::Nodes(metaobject_fields(ctx, node)))),
    ("Metaobject", "field", |ctx, node, field| {
        let found =
            metaobject_fields(ctx, node).into_iter().find(|own| own.obj().str("key") == field.text("key"));
        Ok(found.map_or(Out::Null, Out::Node))
    }),
    ("Metaobject", "values", |_, node, _| {
        let map: serde_json::Map<String, Json> = node
            .obj()
            .list("fields")
            .iter()
            .filter_map(|own| own.as_obj())
            .filter_map(|own| Some((own.str("key")?.to_owned(), Json::from(own.str("value")?))))
            .collect();
        Ok(Out::Own(Val::text(Json::Object(map).to_string())))
    }),
    ("MetaobjectField", "definition", |ctx, node, _| {
        let own = node.owner.and_then(|gid| ctx.store.get(gid));
        let key = node.obj().str("key");
        let definition = own.and_then(|own| definition_of(ctx, own));
        let found = definition.and_then(|definition| {
            definition
                .list("fieldDefinitions")
                .iter()
                .find(|known| known.as_obj().is_some_and(|known| known.str("key") == key))
        });
        Ok(found.map_or(Out::Null, Out::Ref))
    }),
];

/// The owner type under which definitions know a kind.
pub(crate) fn owner_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Product => "PRODUCT",
        Kind::ProductVariant => "PRODUCTVARIANT",
        Kind::Collection => "COLLECTION",
        Kind::Customer => "CUSTOMER",
        Kind::Order => "ORDER",
        Kind::DraftOrder => "DRAFTORDER",
        Kind::Page => "PAGE",
        Kind::Blog => "BLOG",
        Kind::Article => "ARTICLE",
        Kind::Location => "LOCATION",
        Kind::Market => "MARKET",
        Kind::DiscountCodeNode | Kind::DiscountAutomaticNode => "DISCOUNT",
        Kind::MediaImage => "MEDIA_IMAGE",
        Kind::AppInstallation => "API_PERMISSION",
        _ => "SHOP",
    }
}

fn metafields<'a>(_: &Ctx<'a>, node: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let namespace = field.text("namespace");
    let keys: Option<Vec<&str>> = field
        .args
        .get("keys")
        .and_then(Json::as_array)
        .map(|keys| keys.iter().filter_map(Json::as_str).collect());
    let wanted = |own: &Obj| {
        let full =
            || format!("{}.{}", own.str("namespace").unwrap_or_default(), own.str("key").unwrap_or_default());
        namespace.is_none_or(|namespace| own.str("namespace") == Some(namespace))
            && keys.as_ref().is_none_or(|keys| keys.contains(&full().as_str()))
    };
    let found = node.obj().list("metafields").iter().filter(|own| own.as_obj().is_some_and(wanted)).cloned();
    Ok(Out::Own(Val::List(found.collect())))
}

fn json_value<'a>(_: &Ctx<'a>, node: &Node<'a>, _: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let Some(value) = node.obj().str("value") else { return Ok(Out::Null) };
    let type_name = node.obj().str("type").unwrap_or_default();
    let as_json = type_name.starts_with("list.")
        || matches!(
            type_name,
            "json"
                | "number_integer"
                | "number_decimal"
                | "boolean"
                | "money"
                | "dimension"
                | "weight"
                | "volume"
                | "rating"
                | "rich_text_field"
                | "link"
        );
    let text = if as_json && serde_json::from_str::<&serde_json::value::RawValue>(value).is_ok() {
        value.to_owned()
    } else {
        Json::from(value).to_string()
    };
    Ok(Out::Own(Val::text(text)))
}

fn reference<'a>(ctx: &Ctx<'a>, node: &Node<'a>, _: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let single =
        node.obj().str("type").is_some_and(|name| name.ends_with("_reference") && !name.starts_with("list."));
    let gid = node.obj().str("value").filter(|_| single).and_then(Gid::parse);
    Ok(gid.and_then(|gid| ctx.node(gid)).map_or(Out::Null, Out::Node))
}

fn references<'a>(ctx: &Ctx<'a>, node: &Node<'a>, _: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let many =
        node.obj().str("type").is_some_and(|name| name.ends_with("_reference") && name.starts_with("list."));
    if !many {
        return Ok(Out::Null);
    }
    let ids: Vec<String> =
        node.obj().str("value").and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default();
    Ok(Out::Nodes(ids.iter().filter_map(|id| ctx.node(Gid::parse(id)?)).collect()))
}

/// A digest of a value, for compare-and-set.
pub(crate) fn digest(value: &str) -> String {
    crate::secret::sha256_hex(value.as_bytes())
}

fn type_of<'a>(_: &Ctx<'a>, node: &Node<'a>, _: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let name = node.obj().str("type").unwrap_or_default().to_owned();
    let category = match name.trim_start_matches("list.") {
        "boolean" => "TRUE_FALSE",
        "number_integer" | "number_decimal" => "NUMBER",
        "date" | "date_time" => "DATE_TIME",
        "dimension" | "volume" | "weight" => "MEASUREMENT",
        "single_line_text_field" | "multi_line_text_field" | "rich_text_field" => "TEXT",
        name if name.ends_with("_reference") => "REFERENCE",
        _ => "GENERAL",
    };
    Ok(Out::Node(Node::made(obj! { "name": name, "category": category }, node.owner)))
}

/// What a definition can do, and does: which of it is possible follows from its type.
fn capabilities_of(definition: &Obj) -> Obj {
    use crate::shopify::mutate::definitions::eligible;
    let type_name = definition.str("type").unwrap_or_default();
    let enabled = |name: &str| {
        let of = definition.obj("capabilities").and_then(|all| all.obj(name));
        of.is_some_and(|one| one.flag("enabled") == Some(true))
    };
    let one = |name: &str| obj! { "eligible": eligible(type_name, name), "enabled": enabled(name) };
    let status = if enabled("adminFilterable") { "FILTERABLE" } else { "NOT_FILTERABLE" };
    obj! {
        "adminFilterable": one("adminFilterable").with("status", status),
        "analyticsQueryable": one("analyticsQueryable"), "cartToOrderCopyable": one("cartToOrderCopyable"),
        "smartCollectionCondition": one("smartCollectionCondition"), "uniqueValues": one("uniqueValues"),
    }
}

fn of_type(definition: &Obj) -> Scan {
    Scan {
        only: Only::Text("type", definition.str("type").unwrap_or_default().to_owned()),
        ..Scan::all(&[Kind::Metaobject])
    }
}

fn definition_of<'a>(ctx: &Ctx<'a>, metaobject: &Obj) -> Option<&'a Obj> {
    let gid = ctx.store.by_key(Kind::MetaobjectDefinition, metaobject.str("type")?)?;
    ctx.store.get(gid).map(|definition| &**definition)
}

fn value_of<'o>(metaobject: &'o Obj, key: &str) -> Option<&'o str> {
    metaobject
        .list("fields")
        .iter()
        .filter_map(Val::as_obj)
        .find(|own| own.str("key") == Some(key))?
        .str("value")
}

/// A metaobject shows every field of its definition, set or not.
fn metaobject_fields<'a>(ctx: &Ctx<'a>, node: &Node<'a>) -> Vec<Node<'a>> {
    let own = node.obj();
    let Some(definition) = definition_of(ctx, own) else { return Vec::new() };
    definition
        .list("fieldDefinitions")
        .iter()
        .filter_map(Val::as_obj)
        .filter_map(|known| {
            let key = known.str("key")?;
            let value = value_of(own, key).map(Val::text);
            let made = obj! { "key": Val::text(key), "type": known.get("type").cloned(), "value": value };
            Some(Node::made(made, node.owner))
        })
        .collect()
}

/// The kinds that own metafields.
pub(crate) const OWNERS: &[Kind] = &[
    Kind::Product,
    Kind::ProductVariant,
    Kind::Collection,
    Kind::Customer,
    Kind::Order,
    Kind::DraftOrder,
    Kind::Page,
    Kind::Blog,
    Kind::Article,
    Kind::Location,
    Kind::Market,
    Kind::DiscountCodeNode,
    Kind::DiscountAutomaticNode,
    Kind::Shop,
    Kind::AppInstallation,
];

fn defined<'a>(ctx: &Ctx<'a>, definition: &Obj) -> Vec<Node<'a>> {
    let kinds = OWNERS.iter().filter(|kind| Some(owner_type(**kind)) == definition.str("ownerType"));
    let mut found = Vec::new();
    for gid in kinds.flat_map(|kind| ctx.store.gids(*kind)) {
        let owner: Option<&'a std::sync::Arc<Obj>> = ctx.store.get(gid);
        let all: &'a [Val] = owner.map(|owner| owner.list("metafields")).unwrap_or_default();
        found.extend(
            all.iter()
                .filter_map(Val::as_obj)
                .filter(|own| {
                    own.str("namespace") == definition.str("namespace")
                        && own.str("key") == definition.str("key")
                })
                .map(|own| Node::held(own, Some(gid))),
        );
    }
    found
}

/// A metafield by its id; there is no index, since nothing on the platform needs one often.
pub(super) fn by_id<'a>(ctx: &Ctx<'a>, wanted: Gid) -> Option<Node<'a>> {
    OWNERS.iter().flat_map(|kind| ctx.store.gids(*kind)).find_map(|gid| {
        let owner: &'a std::sync::Arc<Obj> = ctx.store.get(gid)?;
        let found = owner
            .list("metafields")
            .iter()
            .filter_map(Val::as_obj)
            .find(|own| own.gid("id") == Some(wanted))?;
        Some(Node::held(found, Some(gid)))
    })
}
