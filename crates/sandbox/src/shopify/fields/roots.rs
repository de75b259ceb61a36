//! The fields of the query root.

use serde_json::Value as Json;

use super::Row;
use crate::shopify::files::FILE_KINDS;
use crate::shopify::list::{Only, Scan, Sort};
use crate::shopify::node::{Ctx, FieldError, Node, Out};
use crate::shopify::plan::Field;
use crate::shopify::schema::VERSION;
use crate::shopify::search;
use crate::shopify::value::{Gid, Kind, Val, obj};

const DISCOUNTS: &[Kind] = &[Kind::DiscountCodeNode, Kind::DiscountAutomaticNode];

/// Lists and counts: the field's stem, and the kinds under it.
const LISTS: &[(&str, &[Kind])] = &[
    ("articles", &[Kind::Article]),
    ("automaticDiscountNodes", &[Kind::DiscountAutomaticNode]),
    ("blogs", &[Kind::Blog]),
    ("bulkOperations", &[Kind::BulkOperation]),
    ("catalogs", &[Kind::MarketCatalog]),
    ("codeDiscountNodes", &[Kind::DiscountCodeNode]),
    ("collections", &[Kind::Collection]),
    ("comments", &[Kind::Comment]),
    ("customers", &[Kind::Customer]),
    ("discountNodes", DISCOUNTS),
    ("draftOrders", &[Kind::DraftOrder]),
    ("events", &[Kind::BasicEvent]),
    ("files", FILE_KINDS),
    ("fulfillmentOrders", &[Kind::FulfillmentOrder]),
    ("giftCards", &[Kind::GiftCard]),
    ("inventoryItems", &[Kind::InventoryItem]),
    ("locations", &[Kind::Location]),
    ("markets", &[Kind::Market]),
    ("menus", &[Kind::Menu]),
    ("metafieldDefinitions", &[Kind::MetafieldDefinition]),
    ("metaobjectDefinitions", &[Kind::MetaobjectDefinition]),
    ("metaobjects", &[Kind::Metaobject]),
    ("orders", &[Kind::Order]),
    ("pages", &[Kind::Page]),
    ("priceLists", &[Kind::PriceList]),
    ("productVariants", &[Kind::ProductVariant]),
    ("products", &[Kind::Product]),
    ("publications", &[Kind::Publication]),
    ("scriptTags", &[Kind::ScriptTag]),
    ("segments", &[Kind::Segment]),
    ("urlRedirects", &[Kind::UrlRedirect]),
    ("webhookSubscriptions", &[Kind::WebhookSubscription]),
];

/// Single objects by their id.
const BY_ID: &[(&str, Kind)] = &[
    ("article", Kind::Article),
    ("automaticDiscountNode", Kind::DiscountAutomaticNode),
    ("blog", Kind::Blog),
    ("bulkOperation", Kind::BulkOperation),
    ("catalog", Kind::MarketCatalog),
    ("codeDiscountNode", Kind::DiscountCodeNode),
    ("collection", Kind::Collection),
    ("comment", Kind::Comment),
    ("customer", Kind::Customer),
    ("discountRedeemCodeBulkCreation", Kind::DiscountRedeemCodeBulkCreation),
    ("draftOrder", Kind::DraftOrder),
    ("event", Kind::BasicEvent),
    ("fulfillmentOrder", Kind::FulfillmentOrder),
    ("giftCard", Kind::GiftCard),
    ("inventoryItem", Kind::InventoryItem),
    ("job", Kind::Job),
    ("market", Kind::Market),
    ("menu", Kind::Menu),
    ("metaobject", Kind::Metaobject),
    ("metaobjectDefinition", Kind::MetaobjectDefinition),
    ("order", Kind::Order),
    ("page", Kind::Page),
    ("priceList", Kind::PriceList),
    ("product", Kind::Product),
    ("productOperation", Kind::ProductSetOperation),
    ("productVariant", Kind::ProductVariant),
    ("publication", Kind::Publication),
    ("scriptTag", Kind::ScriptTag),
    ("segment", Kind::Segment),
    ("urlRedirect", Kind::UrlRedirect),
    ("webhookSubscription", Kind::WebhookSubscription),
];

/// Objects by a natural key of theirs: field, argument or identifier's field, kind.
const BY_KEY: &[(&str, &str, Kind)] = &[
    ("codeDiscountNodeByCode", "code", Kind::DiscountCodeNode),
    ("collectionByHandle", "handle", Kind::Collection),
    ("collectionByIdentifier", "handle", Kind::Collection),
    ("customerByIdentifier", "emailAddress", Kind::Customer),
    ("customerByIdentifier", "phoneNumber", Kind::Customer),
    ("metaobjectDefinitionByType", "type", Kind::MetaobjectDefinition),
    ("productByHandle", "handle", Kind::Product),
    ("productByIdentifier", "handle", Kind::Product),
];

pub(super) const ROWS: &[Row] = &[
    ("QueryRoot", "node", node),
    ("QueryRoot", "nodes", nodes),
    ("QueryRoot", "shop", |ctx, _, _| Ok(own(ctx, ctx.store.shop))),
    ("QueryRoot", "currentAppInstallation", |ctx, _, _| Ok(own(ctx, ctx.store.installation))),
    ("QueryRoot", "appInstallation", |ctx, _, _| Ok(own(ctx, ctx.store.installation))),
    ("QueryRoot", "publicApiVersions", |_, _, _| {
        let versions = [("2026-07", true), (VERSION, true), ("unstable", false)];
        Ok(Out::Nodes(
            versions
                .into_iter()
                .map(|(handle, supported)| {
                    Node::made(obj! { "handle": handle, "displayName": handle, "supported": supported }, None)
                })
                .collect(),
        ))
    }),
    ("QueryRoot", "articles", list),
    ("QueryRoot", "automaticDiscountNodes", list),
    ("QueryRoot", "blogs", list),
    ("QueryRoot", "bulkOperations", list),
    ("QueryRoot", "catalogs", list),
    ("QueryRoot", "codeDiscountNodes", list),
    ("QueryRoot", "collections", list),
    ("QueryRoot", "comments", list),
    ("QueryRoot", "customers", list),
    ("QueryRoot", "discountNodes", list),
    ("QueryRoot", "draftOrders", list),
    ("QueryRoot", "events", list),
    ("QueryRoot", "files", list),
    ("QueryRoot", "fulfillmentOrders", list),
    ("QueryRoot", "giftCards", list),
    ("QueryRoot", "inventoryItems", list),
    ("QueryRoot", "locations", list),
    ("QueryRoot", "markets", list),
    ("QueryRoot", "menus", list),
    ("QueryRoot", "metafieldDefinitions", list),
    ("QueryRoot", "metaobjectDefinitions", list),
    ("QueryRoot", "metaobjects", list),
    ("QueryRoot", "orders", list),
    ("QueryRoot", "pages", list),
    ("QueryRoot", "priceLists", list),
    ("QueryRoot", "productVariants", list),
    ("QueryRoot", "products", list),
    ("QueryRoot", "publications", list),
    ("QueryRoot", "scriptTags", list),
    ("QueryRoot", "segments", list),
    ("QueryRoot", "urlRedirects", list),
    ("QueryRoot", "webhookSubscriptions", list),
    ("QueryRoot", "blogsCount", count),
    ("QueryRoot", "collectionsCount", count),
    ("QueryRoot", "customersCount", count),
    ("QueryRoot", "discountCodesCount", count),
    ("QueryRoot", "discountNodesCount", count),
    ("QueryRoot", "draftOrdersCount", count),
    ("QueryRoot", "eventsCount", count),
    ("QueryRoot", "giftCardsCount", count),
    ("QueryRoot", "locationsCount", count),
    ("QueryRoot", "ordersCount", count),
    ("QueryRoot", "pagesCount", count),
    ("QueryRoot", "productVariantsCount", count),
    ("QueryRoot", "productsCount", count),
    ("QueryRoot", "publicationsCount", count),
    ("QueryRoot", "segmentsCount", count),
    ("QueryRoot", "urlRedirectsCount", count),
    ("QueryRoot", "webhookSubscriptionsCount", count),
    ("QueryRoot", "article", by_id),
    ("QueryRoot", "automaticDiscountNode", by_id),
    ("QueryRoot", "blog", by_id),
    ("QueryRoot", "bulkOperation", by_id),
    ("QueryRoot", "catalog", by_id),
    ("QueryRoot", "codeDiscountNode", by_id),
    ("QueryRoot", "collection", by_id),
    ("QueryRoot", "comment", by_id),
    ("QueryRoot", "customer", by_id),
    ("QueryRoot", "discountRedeemCodeBulkCreation", by_id),
    ("QueryRoot", "draftOrder", by_id),
    ("QueryRoot", "event", by_id),
    ("QueryRoot", "fulfillmentOrder", by_id),
    ("QueryRoot", "giftCard", by_id),
    ("QueryRoot", "inventoryItem", by_id),
    ("QueryRoot", "job", by_id),
    ("QueryRoot", "market", by_id),
    ("QueryRoot", "menu", by_id),
    ("QueryRoot", "metaobject", by_id),
    ("QueryRoot", "metaobjectDefinition", by_id),
    ("QueryRoot", "order", by_id),
    ("QueryRoot", "page", by_id),
    ("QueryRoot", "priceList", by_id),
    ("QueryRoot", "product", by_id),
    ("QueryRoot", "productOperation", by_id),
    ("QueryRoot", "productVariant", by_id),
    ("QueryRoot", "publication", by_id),
    ("QueryRoot", "scriptTag", by_id),
    ("QueryRoot", "segment", by_id),
    ("QueryRoot", "urlRedirect", by_id),
    ("QueryRoot", "webhookSubscription", by_id),
    ("QueryRoot", "codeDiscountNodeByCode", by_key),
    ("QueryRoot", "collectionByHandle", by_key),
    ("QueryRoot", "collectionByIdentifier", by_key),
    ("QueryRoot", "customerByIdentifier", by_key),
    ("QueryRoot", "locationByIdentifier", by_key),
    ("QueryRoot", "metaobjectDefinitionByType", by_key),
    ("QueryRoot", "orderByIdentifier", by_key),
    ("QueryRoot", "productByHandle", by_key),
    ("QueryRoot", "productByIdentifier", by_key),
    ("QueryRoot", "productVariantByIdentifier", by_key),
    ("QueryRoot", "discountNode", |ctx, _, field| {
        Ok(field.text("id").and_then(Gid::parse).map_or(Out::Null, |gid| {
            let other = Gid::new(Kind::DiscountAutomaticNode, gid.number());
            ctx.node(gid).or_else(|| ctx.node(other)).map_or(Out::Null, Out::Node)
        }))
    }),
    ("QueryRoot", "location", |ctx, _, field| {
        let gid = match field.text("id") {
            Some(id) => ctx.store.find(Kind::Location, id),
            None => ctx.store.gids(Kind::Location).next(),
        };
        Ok(gid.map_or(Out::Null, |gid| own(ctx, gid)))
    }),
    ("QueryRoot", "metafieldDefinition", |ctx, _, field| {
        let by_identifier = || {
            let identifier = field.args.get("identifier")?;
            let text = |name: &str| identifier.get(name).and_then(Json::as_str).unwrap_or_default();
            let key = format!("{}/{}/{}", text("ownerType"), text("namespace"), text("key"));
            ctx.store.by_key(Kind::MetafieldDefinition, &key)
        };
        let gid = match field.text("id") {
            Some(id) => ctx.store.find(Kind::MetafieldDefinition, id),
            None => by_identifier(),
        };
        Ok(gid.map_or(Out::Null, |gid| own(ctx, gid)))
    }),
    ("QueryRoot", "metaobjectByHandle", |ctx, _, field| {
        let text = |name: &str| field.args.get("handle")?.get(name)?.as_str();
        let key = format!("{}/{}", text("type").unwrap_or_default(), text("handle").unwrap_or_default());
        Ok(ctx.store.by_key(Kind::Metaobject, &key).map_or(Out::Null, |gid| own(ctx, gid)))
    }),
    ("QueryRoot", "inventoryLevel", |ctx, _, field| {
        let Some(level) = field.text("id").and_then(Gid::parse) else { return Ok(Out::Null) };
        let item = field
            .text("id")
            .and_then(|id| id.split_once("inventory_item_id="))
            .and_then(|(_, number)| number.parse().ok())
            .map(|number| Gid::new(Kind::InventoryItem, number));
        Ok(item.and_then(|item| super::catalog::level(ctx, item, level)).map_or(Out::Null, Out::Node))
    }),
    ("QueryRoot", "shopLocales", |_, _, field| {
        let only = if field.flag("published") { Only::Flag("published") } else { Only::All };
        Ok(Out::Scan(Scan { only, ..Scan::all(&[Kind::ShopLocale]) }))
    }),
    ("QueryRoot", "currentBulkOperation", |ctx, _, _| {
        Ok(ctx.store.gids(Kind::BulkOperation).next_back().map_or(Out::Null, |gid| own(ctx, gid)))
    }),
    ("QueryRoot", "productTags", |ctx, _, _| Ok(words(ctx, "tags"))),
    ("QueryRoot", "productTypes", |ctx, _, _| Ok(words(ctx, "productType"))),
    ("QueryRoot", "productVendors", |ctx, _, _| Ok(words(ctx, "vendor"))),
];

fn own<'a>(ctx: &Ctx<'a>, gid: Gid) -> Out<'a> {
    ctx.node(gid).map_or(Out::Null, Out::Node)
}

fn node<'a>(ctx: &Ctx<'a>, _: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let id = field.text("id").unwrap_or_default();
    by_any_id(ctx, id)
}

fn by_any_id<'a>(ctx: &Ctx<'a>, id: &str) -> Result<Out<'a>, FieldError> {
    let gid = Gid::parse(id).ok_or_else(|| FieldError {
        message: format!("Invalid global id '{id}'"),
        code: Some("RESOURCE_NOT_FOUND"),
        required_access: None,
    })?;
    if gid.kind() == Kind::Metafield {
        return Ok(super::metadata::by_id(ctx, gid).map_or(Out::Null, Out::Node));
    }
    if gid.kind() == Kind::CollectionConditionsSource {
        return Ok(super::membership::source(ctx, gid).map_or(Out::Null, Out::Node));
    }
    Ok(own(ctx, gid))
}

fn nodes<'a>(ctx: &Ctx<'a>, _: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let ids = field.args.get("ids").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let found = ids
        .iter()
        .map(|id| match by_any_id(ctx, id.as_str().unwrap_or_default())? {
            Out::Node(node) => Ok(node.gid.map_or(Val::Null, Val::Ref)),
            _ => Ok(Val::Null),
        })
        .collect::<Result<Vec<Val>, FieldError>>()?;
    Ok(Out::Own(Val::List(found)))
}

fn kinds_of(name: &str) -> &'static [Kind] {
    let stem = name.strip_suffix("Count").unwrap_or(name);
    let stem = if stem == "discountCodes" { "codeDiscountNodes" } else { stem };
    LISTS.iter().find(|(field, _)| *field == stem).map_or(&[], |(_, kinds)| *kinds)
}

/// The scan that a root list asks for.
pub(crate) fn scan(field: &Field<'_>) -> Scan {
    let mut only = Only::All;
    let mut and = |more: Only| {
        only = match std::mem::replace(&mut only, Only::All) {
            Only::All => more,
            other => Only::Both(Box::new(other), Box::new(more)),
        };
    };
    match field.name {
        "locations" if !field.flag("includeInactive") => and(Only::Flag("isActive")),
        "metaobjects" => and(Only::Text("type", field.text("type").unwrap_or_default().to_owned())),
        "metafieldDefinitions" => {
            and(Only::Text("ownerType", field.text("ownerType").unwrap_or_default().to_owned()));
            if let Some(namespace) = field.text("namespace") {
                and(Only::Text("namespace", namespace.to_owned()));
            }
            if let Some(key) = field.text("key") {
                and(Only::Text("key", key.to_owned()));
            }
        }
        _ => {}
    }
    let sort = match (field.name, field.text("sortKey")) {
        // Metaobjects are sorted by names of fields.
        ("metaobjects", Some("updated_at")) => Sort::Updated,
        (_, key) => Sort::from_key(key),
    };
    Scan { kinds: kinds_of(field.name), sort, query: field.text("query").map(search::parse), only }
}

fn list<'a>(_: &Ctx<'a>, _: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    Ok(Out::Scan(scan(field)))
}

fn count<'a>(ctx: &Ctx<'a>, _: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    Ok(counted(ctx, &scan(field), field))
}

/// A count, cut where the platform stops counting.
pub(super) fn counted<'a>(ctx: &Ctx<'a>, scan: &Scan, field: &Field<'_>) -> Out<'a> {
    let most = crate::shopify::list::DEPTH_MAX + 1;
    let limit = field.args.get("limit").and_then(Json::as_u64).unwrap_or(most).min(most);
    let count = ctx.view(|view| scan.count(view, limit));
    let (shown, precision) =
        if count > limit || count >= most { (limit, "AT_LEAST") } else { (count, "EXACT") };
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    Out::Node(Node::made(obj! { "count": shown, "precision": precision }, None))
}

fn by_id<'a>(ctx: &Ctx<'a>, _: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let kind = BY_ID.iter().find(|(name, _)| *name == field.name).map(|(_, kind)| *kind);
    let gid = kind.and_then(|kind| ctx.store.find(kind, field.text("id")?));
    Ok(gid.map_or(Out::Null, |gid| own(ctx, gid)))
}

fn by_key<'a>(ctx: &Ctx<'a>, _: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let identifier = field.args.get("identifier");
    if let Some(id) = identifier.and_then(|identifier| identifier.get("id")).and_then(Json::as_str) {
        return Ok(Gid::parse(id).map_or(Out::Null, |gid| own(ctx, gid)));
    }
    for (_, name, kind) in BY_KEY.iter().filter(|(of, _, _)| *of == field.name) {
        let key = identifier.and_then(|identifier| identifier.get(name)).or_else(|| field.args.get(*name));
        if let Some(key) = key.and_then(Json::as_str) {
            let key = if matches!(kind, Kind::Customer | Kind::DiscountCodeNode) {
                key.to_lowercase()
            } else {
                key.to_owned()
            };
            return Ok(ctx.store.by_key(*kind, &key).map_or(Out::Null, |gid| own(ctx, gid)));
        }
    }
    Ok(Out::Null)
}

fn words<'a>(ctx: &Ctx<'a>, name: &str) -> Out<'a> {
    let mut words: Vec<&str> = Vec::new();
    for obj in ctx.store.table(Kind::Product).rows.values() {
        match obj.get(name) {
            Some(Val::List(list)) => words.extend(list.iter().filter_map(Val::as_str)),
            Some(value) => words.extend(value.as_str()),
            None => {}
        }
    }
    words.sort_unstable();
    words.dedup();
    Out::Own(Val::texts(words))
}
