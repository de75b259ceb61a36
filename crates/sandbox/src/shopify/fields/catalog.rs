//! Products, variants, stock, collections and their images.

use serde_json::Value as Json;

use super::membership::{has_product, members, ordered, rule_set};
use super::{Row, plain};
use crate::shopify::list::{Only, Scan, Sort};
use crate::shopify::node::{Ctx, FieldError, Node, Out};
use crate::shopify::plan::Field;
use crate::shopify::search;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("Product", "bodyHtml", |_, node, _| {
        Ok(Out::Own(node.obj().get("descriptionHtml").cloned().unwrap_or(Val::Lit(""))))
    }),
    ("Product", "description", description),
    ("Collection", "description", description),
    ("Product", "seo", seo),
    ("Collection", "seo", seo),
    // Where the shop sells with one currency, gift cards are of that.
    ("Product", "giftCardSettings", |_, node, _| {
        let settings = obj! { "crossCurrencyRedeemable": false, "issuanceCurrency": "EUR" };
        let card = node.obj().flag("isGiftCard") == Some(true);
        Ok(if card { Out::Node(Node::made(settings, node.owner)) } else { Out::Null })
    }),
    ("Product", "hasOnlyDefaultVariant", |_, node, _| Ok(Out::Own(Val::Bool(only_default(node.obj()))))),
    ("Product", "hasOutOfStockVariants", |ctx, node, _| {
        let out = variants(node).any(|variant| stock(ctx.store, variant) <= 0);
        Ok(Out::Own(Val::Bool(out)))
    }),
    ("Product", "totalInventory", |ctx, node, _| {
        Ok(Out::Own(Val::Int(variants(node).map(|variant| stock(ctx.store, variant)).sum())))
    }),
    ("Product", "totalVariants", |_, node, _| Ok(Out::Own(Val::from(node.obj().list("variants").len())))),
    ("Product", "tracksInventory", |ctx, node, _| {
        let tracks = variants(node).any(|variant| {
            item_of(ctx.store, variant).is_some_and(|item| item.flag("tracked") != Some(false))
        });
        Ok(Out::Own(Val::Bool(tracks)))
    }),
    ("Product", "priceRangeV2", |ctx, node, _| {
        Ok(range(ctx, node, "price", "minVariantPrice", "maxVariantPrice"))
    }),
    ("Product", "compareAtPriceRange", |ctx, node, _| {
        let any = variants(node)
            .any(|gid| ctx.store.get(gid).is_some_and(|variant| variant.get("compareAtPrice").is_some()));
        if !any {
            return Ok(Out::Null);
        }
        Ok(range(ctx, node, "compareAtPrice", "minVariantCompareAtPrice", "maxVariantCompareAtPrice"))
    }),
    ("Product", "featuredMedia", |_, node, _| {
        Ok(node.obj().list("media").first().cloned().map_or(Out::Null, Out::Own))
    }),
    ("Product", "featuredImage", |ctx, node, _| Ok(first_image(ctx, node))),
    ("ProductVariant", "image", |ctx, node, _| Ok(first_image(ctx, node))),
    ("Product", "images", |ctx, node, _| {
        let images = node
            .obj()
            .list("media")
            .iter()
            .filter_map(Val::as_gid)
            .filter_map(|gid| image(ctx, gid))
            .collect();
        Ok(Out::Nodes(images))
    }),
    ("Product", "collections", |ctx, node, _| {
        let Some(product) = node.gid else { return Ok(Out::Null) };
        let found = ctx.store.gids(Kind::Collection).filter(|gid| has_product(ctx.store, *gid, product));
        Ok(Out::Nodes(found.filter_map(|gid| ctx.node(gid)).collect()))
    }),
    ("Product", "inCollection", |ctx, node, field| {
        let found = node.gid.zip(field.text("id").and_then(Gid::parse));
        Ok(Out::Own(Val::Bool(
            found.is_some_and(|(product, collection)| has_product(ctx.store, collection, product)),
        )))
    }),
    ("ProductOption", "values", |_, node, _| {
        let names = node.obj().list("optionValues").iter().filter_map(|value| value.as_obj()?.str("name"));
        Ok(Out::Own(Val::texts(names)))
    }),
    ("ProductOptionValue", "hasVariants", |ctx, node, _| {
        let name = node.obj().str("name").unwrap_or_default();
        let product = node.owner.and_then(|gid| ctx.store.get(gid));
        let used = product.is_some_and(|product| {
            product
                .list("variants")
                .iter()
                .filter_map(Val::as_gid)
                .filter_map(|gid| ctx.store.get(gid))
                .any(|variant| variant.list("values").iter().any(|value| value.as_str() == Some(name)))
        });
        Ok(Out::Own(Val::Bool(used)))
    }),
    ("ProductVariant", "title", |_, node, _| Ok(Out::Own(Val::text(variant_title(node.obj()))))),
    ("ProductVariant", "displayName", |ctx, node, _| {
        let product = node.obj().gid("product").and_then(|gid| ctx.store.get(gid));
        let product = product.and_then(|product| product.str("title")).unwrap_or_default();
        Ok(Out::Own(Val::text(format!("{product} - {}", variant_title(node.obj())))))
    }),
    ("ProductVariant", "selectedOptions", |ctx, node, _| {
        let Some(product) = node.obj().gid("product").and_then(|gid| ctx.store.get(gid)) else {
            return Ok(Out::Null);
        };
        let pairs = product.list("options").iter().zip(node.obj().list("values")).filter_map(|(option, value)| {
            let option = option.as_obj()?;
            let of = option.list("optionValues").iter().filter_map(Val::as_obj);
            let chosen = of.into_iter().find(|known| known.str("name") == value.as_str()).cloned();
            Some(Val::from(obj! { "name": option.get("name").cloned(), "value": value.clone(), "optionValue": chosen }))
        });
        Ok(Out::Own(Val::List(pairs.collect())))
    }),
    ("ProductVariant", "sku", |ctx, node, _| {
        let item = node.obj().gid("inventoryItem").and_then(|gid| ctx.store.get(gid));
        Ok(item.and_then(|item| item.get("sku")).map_or(Out::Null, Out::Ref))
    }),
    ("ProductVariant", "inventoryQuantity", |ctx, node, _| {
        Ok(Out::Own(Val::Int(node.gid.map_or(0, |gid| stock(ctx.store, gid)))))
    }),
    ("ProductVariant", "sellableOnlineQuantity", |ctx, node, _| {
        Ok(Out::Own(Val::Int(node.gid.map_or(0, |gid| stock(ctx.store, gid)))))
    }),
    ("ProductVariant", "availableForSale", |ctx, node, _| {
        let sells = node.obj().str("inventoryPolicy") == Some("CONTINUE")
            || node.gid.is_some_and(|gid| stock(ctx.store, gid) > 0);
        Ok(Out::Own(Val::Bool(sells)))
    }),
    ("ProductVariant", "taxable", |_, node, _| {
        Ok(Out::Own(Val::Bool(node.obj().flag("taxable").unwrap_or(true))))
    }),
    ("ProductVariant", "inventoryPolicy", |_, node, _| {
        Ok(Out::Own(node.obj().get("inventoryPolicy").cloned().unwrap_or(Val::Lit("DENY"))))
    }),
    ("InventoryItem", "tracked", |_, node, _| {
        Ok(Out::Own(Val::Bool(node.obj().flag("tracked").unwrap_or(true))))
    }),
    ("InventoryItem", "requiresShipping", |_, node, _| {
        Ok(Out::Own(Val::Bool(node.obj().flag("requiresShipping").unwrap_or(true))))
    }),
    ("InventoryItem", "trackedEditable", |_, _, _| Ok(Out::Node(Node::made(obj! { "locked": false }, None)))),
    ("InventoryItem", "variants", |ctx, node, _| {
        Ok(Out::Nodes(node.obj().gid("variant").and_then(|gid| ctx.node(gid)).into_iter().collect()))
    }),
    ("InventoryItem", "measurement", |_, node, _| {
        let weight = node.obj().get("weight").cloned();
        let id =
            node.gid.map(|gid| Val::text(format!("gid://shopify/InventoryItemMeasurement/{}", gid.number())));
        Ok(Out::Node(Node::made(obj! { "id": id, "weight": weight }, node.owner)))
    }),
    ("InventoryItem", "locationsCount", |_, node, _| {
        Ok(Out::Own(Val::from(node.obj().list("inventoryLevels").len())))
    }),
    ("InventoryItem", "inventoryLevels", |ctx, node, field| {
        let all = field.flag("includeInactive");
        Ok(Out::Nodes(
            node.gid
                .map(|item| levels(ctx, item).filter(|level| all || is_active(level.obj())).collect())
                .unwrap_or_default(),
        ))
    }),
    ("InventoryItem", "inventoryLevel", |ctx, node, field| {
        let wanted = field.text("locationId").and_then(Gid::parse);
        let all = field.flag("includeInactive");
        let found = node.gid.and_then(|item| {
            levels(ctx, item)
                .find(|level| level.obj().gid("location") == wanted && (all || is_active(level.obj())))
        });
        Ok(found.map_or(Out::Null, Out::Node))
    }),
    ("InventoryLevel", "id", |_, node, _| {
        if let Some(shown) = node.obj().get("shownId") {
            return Ok(Out::Own(shown.clone()));
        }
        let level = node.obj().gid("id").map_or(0, Gid::number);
        let item = node.owner.map_or(0, Gid::number);
        Ok(Out::Own(Val::text(format!("gid://shopify/InventoryLevel/{level}?inventory_item_id={item}"))))
    }),
    ("InventoryLevel", "item", |_, node, _| {
        let own = node.obj().get("item").cloned();
        Ok(own.or_else(|| node.owner.map(Val::Ref)).map_or(Out::Null, Out::Own))
    }),
    ("InventoryLevel", "isActive", |_, node, _| Ok(Out::Own(Val::Bool(is_active(node.obj()))))),
    ("InventoryLevel", "canDeactivate", |_, _, _| Ok(Out::Own(Val::Bool(true)))),
    ("InventoryLevel", "quantities", |_, node, field| {
        let level = node.obj();
        let names = field.args.get("names").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let made = names.iter().filter_map(Json::as_str).map(|name| {
            let quantity = quantity(level, name);
            let updated = level.get("updatedAt").cloned();
            Val::from(obj! {
                "id": Val::text(format!("gid://shopify/InventoryQuantity/{}?name={name}", level.gid("id").map_or(0, Gid::number))),
                "name": Val::text(name), "quantity": quantity, "updatedAt": updated,
            })
        });
        Ok(Out::Own(Val::List(made.collect())))
    }),
    ("Location", "inventoryLevels", |ctx, node, _| {
        let here = node.gid;
        let found = ctx.store.gids(Kind::InventoryItem).flat_map(|item| levels(ctx, item));
        Ok(Out::Nodes(found.filter(|level| level.obj().gid("location") == here).collect()))
    }),
    ("Location", "inventoryLevel", |ctx, node, field| {
        let item = field.text("inventoryItemId").and_then(Gid::parse);
        let found =
            item.and_then(|item| levels(ctx, item).find(|level| level.obj().gid("location") == node.gid));
        Ok(found.map_or(Out::Null, Out::Node))
    }),
    ("Location", "hasActiveInventory", |ctx, node, _| {
        let here = node.gid;
        let has = ctx
            .store
            .gids(Kind::InventoryItem)
            .flat_map(|item| levels(ctx, item))
            .any(|level| level.obj().gid("location") == here);
        Ok(Out::Own(Val::Bool(has)))
    }),
    ("Collection", "products", |ctx, node, field| {
        let Some(collection) = node.gid else { return Ok(Out::Null) };
        Ok(Out::Nodes(ordered(ctx, collection, field).into_iter().filter_map(|gid| ctx.node(gid)).collect()))
    }),
    ("Collection", "productsCount", |ctx, node, _| {
        Ok(Out::Own(Val::from(node.gid.map_or(0, |gid| members(ctx.store, gid).len()))))
    }),
    ("Collection", "hasProduct", |ctx, node, field| {
        let found = node.gid.zip(field.text("id").and_then(Gid::parse));
        Ok(Out::Own(Val::Bool(
            found.is_some_and(|(collection, product)| has_product(ctx.store, collection, product)),
        )))
    }),
    ("Collection", "ruleSet", |_, node, _| {
        Ok(rule_set(node.obj()).map_or(Out::Null, |rules| Out::Node(Node::made(rules, node.owner))))
    }),
    ("Collection", "subCollectionEligibility", |_, _, _| {
        Ok(Out::Node(Node::made(
            obj! { "parent": obj! { "eligible": true }, "child": obj! { "eligible": true } },
            None,
        )))
    }),
    ("MediaImage", "image", |ctx, node, _| {
        Ok(node.gid.and_then(|gid| image(ctx, gid)).map_or(Out::Null, Out::Node))
    }),
    ("MediaImage", "preview", |ctx, node, _| {
        let ready = file_status(ctx, node.obj()) == "READY";
        let image = node.obj().get("url").filter(|_| ready).map(|url| obj! { "url": url.clone() });
        Ok(Out::Node(Node::made(
            obj! { "status": if ready { "READY" } else { "PROCESSING" }, "image": image },
            node.owner,
        )))
    }),
    ("MediaImage", "originalSource", |_, node, _| {
        let source = obj! { "url": node.obj().get("url").cloned(), "fileSize": node.obj().get("originalFileSize").cloned() };
        Ok(Out::Node(Node::made(source, node.owner)))
    }),
    ("Video", "originalSource", |ctx, node, _| {
        Ok(source(ctx, node, "mp4").map_or(Out::Null, |one| Out::Own(one.into())))
    }),
    ("Video", "sources", |ctx, node, _| {
        Ok(Out::Own(Val::List(source(ctx, node, "mp4").into_iter().map(Val::from).collect())))
    }),
    ("Model3d", "originalSource", |ctx, node, _| {
        Ok(source(ctx, node, "glb").map_or(Out::Null, |one| Out::Own(one.into())))
    }),
    ("Model3d", "sources", |ctx, node, _| {
        Ok(Out::Own(Val::List(source(ctx, node, "glb").into_iter().map(Val::from).collect())))
    }),
    ("MediaImage", "mediaContentType", |_, _, _| Ok(Out::Own(Val::Lit("IMAGE")))),
    ("Video", "mediaContentType", |_, _, _| Ok(Out::Own(Val::Lit("VIDEO")))),
    ("Model3d", "mediaContentType", |_, _, _| Ok(Out::Own(Val::Lit("MODEL_3D")))),
    ("ExternalVideo", "mediaContentType", |_, _, _| Ok(Out::Own(Val::Lit("EXTERNAL_VIDEO")))),
    ("*", "fileStatus", |ctx, node, _| Ok(Out::Own(Val::Lit(file_status(ctx, node.obj()))))),
    ("MediaImage", "status", |ctx, node, _| Ok(Out::Own(Val::Lit(file_status(ctx, node.obj()))))),
    ("Video", "status", |ctx, node, _| Ok(Out::Own(Val::Lit(file_status(ctx, node.obj()))))),
];

fn description<'a>(_: &Ctx<'a>, node: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let mut text = plain(node.obj().str("descriptionHtml").unwrap_or_default());
    if let Some(at) = field.args.get("truncateAt").and_then(Json::as_u64) {
        text = text.chars().take(usize::try_from(at).unwrap_or(usize::MAX)).collect();
    }
    Ok(Out::Own(Val::text(text)))
}

fn seo<'a>(_: &Ctx<'a>, node: &Node<'a>, _: &Field<'_>) -> Result<Out<'a>, FieldError> {
    Ok(Out::Own(node.obj().get("seo").cloned().unwrap_or_else(|| Val::from(Obj::default()))))
}

/// Whether a product has no options of its own.
pub(crate) fn only_default(product: &Obj) -> bool {
    product.list("variants").len() == 1
        && matches!(product.list("options"), [only] if only.as_obj().and_then(|option| option.str("name")) == Some("Title"))
}

fn variants<'n>(node: &'n Node<'_>) -> impl Iterator<Item = Gid> + 'n {
    node.obj().list("variants").iter().filter_map(Val::as_gid)
}

fn item_of(store: &Store, variant: Gid) -> Option<&Obj> {
    let item = store.get(variant)?.gid("inventoryItem")?;
    store.get(item).map(|item| &**item)
}

pub(super) fn stock(store: &Store, variant: Gid) -> i64 {
    let levels = item_of(store, variant).map(|item| item.list("inventoryLevels")).unwrap_or_default();
    levels
        .iter()
        .filter_map(Val::as_obj)
        .filter(|level| is_active(level))
        .map(|level| quantity(level, "available"))
        .sum()
}

fn is_active(level: &Obj) -> bool {
    level.flag("isActive") != Some(false)
}

fn quantity(level: &Obj, name: &str) -> i64 {
    match name {
        "on_hand" => ["available", "committed", "reserved", "damaged", "safety_stock", "quality_control"]
            .iter()
            .map(|part| level.int(part).unwrap_or(0))
            .sum(),
        name => level.int(name).unwrap_or(0),
    }
}

fn levels<'a>(ctx: &Ctx<'a>, item: Gid) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let found: &'a [Val] = ctx.store.get(item).map(|obj| obj.list("inventoryLevels")).unwrap_or_default();
    found.iter().filter_map(Val::as_obj).map(move |level| Node::held(level, Some(item)))
}

/// One stock level of an item.
pub(super) fn level<'a>(ctx: &Ctx<'a>, item: Gid, level: Gid) -> Option<Node<'a>> {
    levels(ctx, item).find(|found| found.obj().gid("id").map(Gid::number) == Some(level.number()))
}

fn range<'a>(ctx: &Ctx<'a>, node: &Node<'a>, price: &str, low: &'static str, high: &'static str) -> Out<'a> {
    let prices = || variants(node).filter_map(|gid| ctx.store.get(gid)?.int(price));
    let mut range = Obj::default();
    range.set(low, Val::Cents(prices().min().unwrap_or(0)));
    range.set(high, Val::Cents(prices().max().unwrap_or(0)));
    Out::Node(Node::made(range, node.owner))
}

/// A variant's title: its option values.
pub(crate) fn variant_title(variant: &Obj) -> String {
    variant.list("values").iter().filter_map(Val::as_str).collect::<Vec<_>>().join(" / ")
}

fn first_image<'a>(ctx: &Ctx<'a>, node: &Node<'a>) -> Out<'a> {
    let first = node.obj().list("media").iter().filter_map(Val::as_gid).find_map(|gid| image(ctx, gid));
    first.map_or(Out::Null, Out::Node)
}

fn image<'a>(ctx: &Ctx<'a>, gid: Gid) -> Option<Node<'a>> {
    let file = ctx.store.get(gid).filter(|_| gid.kind() == Kind::MediaImage)?;
    if file_status(ctx, file) != "READY" {
        return None;
    }
    let image = obj! {
        "id": Val::Id(Gid::new(Kind::ImageSource, gid.number() + 1)),
        "altText": file.get("alt").cloned(),
        "url": file.get("url").cloned(),
        "width": file.get("width").cloned(),
        "height": file.get("height").cloned(),
    };
    Some(Node::made(image, Some(gid)))
}

/// Where the bytes of a video or a model are. Videos name its size otherwise than models do.
fn source(ctx: &Ctx<'_>, node: &Node<'_>, format: &'static str) -> Option<Obj> {
    let file = node.obj();
    let size = file.get("originalFileSize").cloned();
    Some(obj! {
        "url": Val::text(format!("{}{}", ctx.base_url, file.str("url")?)), "format": format,
        "mimeType": file.get("mimeType").cloned(), "fileSize": size.clone(), "filesize": size,
        "height": 1_080_i64, "width": 1_920_i64,
    })
}

/// A file is ready some time after it was made.
pub(crate) fn file_status(ctx: &Ctx<'_>, file: &Obj) -> &'static str {
    match file.str("fileStatus") {
        Some("FAILED") => "FAILED",
        _ if file.int("readyAt").is_some_and(|ready| ctx.now < ready) => "PROCESSING",
        _ => "READY",
    }
}

/// All products, as a publication lists them.
pub(super) fn all_products(field: &Field<'_>) -> Scan {
    Scan {
        kinds: &[Kind::Product],
        sort: Sort::from_key(field.text("sortKey")),
        query: field.text("query").map(search::parse),
        only: Only::All,
    }
}
