//! Products, variants, stock, collections and their images.

use serde_json::Value as Json;

use super::{Row, plain};
use crate::shopify::exec::{Ctx, FieldError, Node, Out};
use crate::shopify::list::{Only, Scan, Sort};
use crate::shopify::plan::Field;
use crate::shopify::search;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_decimal};

pub(super) const ROWS: &[Row] = &[
    ("Product", "bodyHtml", |_, node, _| {
        Ok(Out::Own(node.obj().get("descriptionHtml").cloned().unwrap_or(Val::Lit(""))))
    }),
    ("Product", "description", description),
    ("Collection", "description", description),
    ("Product", "seo", seo),
    ("Collection", "seo", seo),
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

fn stock(store: &Store, variant: Gid) -> i64 {
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

/// A file is ready some time after it was made.
pub(crate) fn file_status(ctx: &Ctx<'_>, file: &Obj) -> &'static str {
    match file.str("fileStatus") {
        Some("FAILED") => "FAILED",
        _ if file.int("readyAt").is_some_and(|ready| ctx.now < ready) => "PROCESSING",
        _ => "READY",
    }
}

/// The products of a collection in its own order.
pub(crate) fn members(store: &Store, collection: Gid) -> Vec<Gid> {
    let Some(obj) = store.get(collection) else { return Vec::new() };
    let mut found = match_sources(store, obj.list("sources"), 0);
    let place = |gid: Gid| store.get(gid);
    match obj.str("sortOrder").unwrap_or("BEST_SELLING") {
        "MANUAL" => {
            let order: std::collections::HashMap<Gid, usize> = obj
                .list("order")
                .iter()
                .filter_map(Val::as_gid)
                .enumerate()
                .map(|(at, gid)| (gid, at))
                .collect();
            found.sort_by_key(|gid| (order.get(gid).copied().unwrap_or(usize::MAX), *gid));
        }
        "ALPHA_ASC" => found
            .sort_by_key(|gid| (place(*gid).and_then(|obj| obj.str("title")).map(str::to_lowercase), *gid)),
        "ALPHA_DESC" => {
            found.sort_by_key(|gid| {
                (std::cmp::Reverse(place(*gid).and_then(|obj| obj.str("title")).map(str::to_lowercase)), *gid)
            });
        }
        "CREATED_DESC" => found.sort_by_key(|gid| std::cmp::Reverse(*gid)),
        "PRICE_ASC" => found.sort_by_key(|gid| (lowest_price(store, *gid), *gid)),
        "PRICE_DESC" => found.sort_by_key(|gid| (std::cmp::Reverse(lowest_price(store, *gid)), *gid)),
        _ => found.sort_unstable(),
    }
    found
}

fn lowest_price(store: &Store, product: Gid) -> i64 {
    let variants = store.get(product).map(|product| product.list("variants")).unwrap_or_default();
    variants.iter().filter_map(Val::as_gid).filter_map(|gid| store.get(gid)?.int("price")).min().unwrap_or(0)
}

fn match_sources(store: &Store, sources: &[Val], depth: u8) -> Vec<Gid> {
    let mut found: Vec<Gid> = Vec::new();
    for source in sources.iter().filter_map(Val::as_obj) {
        if let Some(inclusion) = source.obj("inclusion") {
            let mut here: Vec<Gid> = Vec::new();
            let conditions = inclusion.list("conditions");
            if !conditions.is_empty() {
                let all = inclusion.str("matchType") != Some("ANY");
                for (number, product) in &store.table(Kind::Product).rows {
                    let gid = Gid::new(Kind::Product, *number);
                    let mut holds = conditions
                        .iter()
                        .filter_map(Val::as_obj)
                        .map(|one| condition_holds(store, product, gid, one));
                    if if all { holds.all(|yes| yes) } else { holds.any(|yes| yes) } {
                        here.push(gid);
                    }
                }
            }
            here.extend(selected(inclusion).filter(|gid| store.has(*gid)));
            if let Some(exclusion) = source.obj("exclusion") {
                let out: Vec<Gid> = selected(exclusion).collect();
                here.retain(|gid| {
                    !out.contains(gid)
                        && !store.get(*gid).is_some_and(|product| {
                            exclusion
                                .list("conditions")
                                .iter()
                                .filter_map(Val::as_obj)
                                .any(|one| condition_holds(store, product, *gid, one))
                        })
                });
            }
            found.extend(here);
        }
        // Collections below collections; the depth guards against a circle.
        if depth < 3 {
            for child in
                source.list("collections").iter().filter_map(Val::as_gid).filter_map(|gid| store.get(gid))
            {
                found.extend(match_sources(store, child.list("sources"), depth + 1));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn selected(part: &Obj) -> impl Iterator<Item = Gid> + '_ {
    part.list("selections").iter().filter_map(|selection| selection.as_obj()?.gid("product"))
}

fn has_product(store: &Store, collection: Gid, product: Gid) -> bool {
    let (Some(collection), Some(obj)) = (store.get(collection), store.get(product)) else { return false };
    collection.list("sources").iter().filter_map(Val::as_obj).any(|source| {
        let Some(inclusion) = source.obj("inclusion") else {
            return match_sources(store, std::slice::from_ref(&Val::from(source.clone())), 0)
                .contains(&product);
        };
        let conditions = inclusion.list("conditions");
        let all = inclusion.str("matchType") != Some("ANY");
        let mut holds =
            conditions.iter().filter_map(Val::as_obj).map(|one| condition_holds(store, obj, product, one));
        let matched = !conditions.is_empty() && if all { holds.all(|yes| yes) } else { holds.any(|yes| yes) };
        let excluded = source.obj("exclusion").is_some_and(|exclusion| {
            selected(exclusion).any(|gid| gid == product)
                || exclusion
                    .list("conditions")
                    .iter()
                    .filter_map(Val::as_obj)
                    .any(|one| condition_holds(store, obj, product, one))
        });
        (matched || selected(inclusion).any(|gid| gid == product)) && !excluded
    })
}

/// Whether a product meets one condition of a collection's source.
pub(crate) fn condition_holds(store: &Store, product: &Obj, gid: Gid, condition: &Obj) -> bool {
    let type_name = condition.str("__typename").unwrap_or_default();
    let relation = condition.str("relation").unwrap_or("EQUALS");
    let what = type_name
        .strip_prefix("CollectionSourceInclusionCondition")
        .or_else(|| type_name.strip_prefix("CollectionSourceExclusionCondition"))
        .unwrap_or_default();
    let wanted: Vec<&Val> = match condition.get("values") {
        Some(Val::List(list)) => list.iter().collect(),
        Some(other) => vec![other],
        None => condition.get("value").into_iter().collect(),
    };
    let all = condition.str("matchType") == Some("ALL");
    let texts = |found: &str| {
        let mut each =
            wanted.iter().filter_map(|value| value.as_str()).map(|value| text_holds(found, relation, value));
        if all || relation.contains("NOT") { each.all(|yes| yes) } else { each.any(|yes| yes) }
    };
    let variants =
        || product.list("variants").iter().filter_map(Val::as_gid).filter_map(|gid| store.get(gid));
    let numbers = |found: i64| {
        wanted.iter().any(|value| {
            let value = value.as_int().or_else(|| parse_decimal(&Json::from(value.as_str()?))).unwrap_or(0);
            match relation {
                "GREATER_THAN" => found > value,
                "LESS_THAN" => found < value,
                "NOT_EQUALS" => found != value,
                _ => found == value,
            }
        })
    };
    match what {
        "ProductTag" => {
            let has = |tag: &str| {
                product
                    .list("tags")
                    .iter()
                    .any(|own| own.as_str().is_some_and(|own| own.eq_ignore_ascii_case(tag)))
            };
            let mut each = wanted.iter().filter_map(|value| value.as_str()).map(has);
            match (relation, all) {
                ("NOT_TAGGED_WITH", _) => each.all(|has| !has),
                (_, true) => each.all(|has| has),
                (_, false) => each.any(|has| has),
            }
        }
        "ProductTitle" => texts(product.str("title").unwrap_or_default()),
        "ProductType" => texts(product.str("productType").unwrap_or_default()),
        "ProductVendor" => texts(product.str("vendor").unwrap_or_default()),
        "ProductStatus" => texts(product.str("status").unwrap_or_default()),
        "ProductCategory" => {
            let own = product.gid("category");
            let named = wanted.iter().any(|value| {
                let category =
                    value.as_obj().and_then(|value| value.gid("category")).or_else(|| value.as_gid());
                category.is_some() && category == own
            });
            named == (relation != "NOT_EQUALS")
        }
        "Collection" => wanted
            .iter()
            .filter_map(|value| value.as_gid())
            .any(|collection| has_product(store, collection, gid)),
        "VariantPrice" => variants().filter_map(|variant| variant.int("price")).any(numbers),
        "VariantCompareAtPrice" => match relation {
            "IS_SET" => variants().any(|variant| variant.get("compareAtPrice").is_some()),
            "IS_NOT_SET" => variants().any(|variant| variant.get("compareAtPrice").is_none()),
            _ => variants().filter_map(|variant| variant.int("compareAtPrice")).any(numbers),
        },
        "VariantTitle" => variants().any(|variant| texts(&variant_title(variant))),
        "VariantInventory" => {
            let total: i64 =
                product.list("variants").iter().filter_map(Val::as_gid).map(|gid| stock(store, gid)).sum();
            numbers(total)
        }
        "VariantWeight" => {
            let wanted = condition.obj("value").and_then(grams).unwrap_or(0);
            variants()
                .filter_map(|variant| store.get(variant.gid("inventoryItem")?)?.obj("weight").and_then(grams))
                .any(|own| match relation {
                    "GREATER_THAN" => own > wanted,
                    "LESS_THAN" => own < wanted,
                    "NOT_EQUALS" => own != wanted,
                    _ => own == wanted,
                })
        }
        _ if what.starts_with("Metafield") => {
            metafield_holds(store, product, condition, what, relation, &wanted)
        }
        _ => false,
    }
}

/// A weight in grams, rounded.
fn grams(weight: &Obj) -> Option<i64> {
    let value = match weight.get("value")? {
        Val::Float(value) => *value,
        Val::Int(value) => f64::from(i32::try_from(*value).ok()?),
        _ => return None,
    };
    let factor = match weight.str("unit")? {
        "KILOGRAMS" => 1_000.0,
        "OUNCES" => 28.349_523_125,
        "POUNDS" => 453.592_37,
        _ => 1.0,
    };
    #[expect(clippy::cast_possible_truncation, reason = "weights of goods are far below the limit")]
    Some((value * factor).round() as i64)
}

fn metafield_holds(
    store: &Store,
    product: &Obj,
    condition: &Obj,
    what: &str,
    relation: &str,
    wanted: &[&Val],
) -> bool {
    let Some(definition) = condition.gid("definition").and_then(|gid| store.get(gid)) else { return false };
    let own = product.list("metafields").iter().filter_map(Val::as_obj).find(|own| {
        own.str("namespace") == definition.str("namespace") && own.str("key") == definition.str("key")
    });
    let Some(own) = own.and_then(|own| own.str("value")) else { return false };
    wanted.iter().any(|value| match value {
        Val::Bool(value) => own == if *value { "true" } else { "false" },
        Val::Ref(gid) | Val::Id(gid) => own.contains(&gid.to_string()),
        value if what.ends_with("List") => value.as_str().is_some_and(|value| own.contains(value)),
        value => {
            let text = value.as_str().map_or_else(
                || value.as_int().map(|value| value.to_string()).unwrap_or_default(),
                str::to_owned,
            );
            match (own.parse::<f64>(), text.parse::<f64>()) {
                (Ok(own), Ok(wanted)) => match relation {
                    "GREATER_THAN" => own > wanted,
                    "LESS_THAN" => own < wanted,
                    _ => (own - wanted).abs() < f64::EPSILON,
                },
                _ => own == text,
            }
        }
    })
}

fn text_holds(found: &str, relation: &str, value: &str) -> bool {
    let (found, value) = (found.to_lowercase(), value.to_lowercase());
    match relation {
        "CONTAINS" => found.contains(&value),
        "DOES_NOT_CONTAIN" => !found.contains(&value),
        "STARTS_WITH" => found.starts_with(&value),
        "ENDS_WITH" => found.ends_with(&value),
        "NOT_EQUALS" => found != value,
        _ => found == value,
    }
}

fn ordered(ctx: &Ctx<'_>, collection: Gid, field: &Field<'_>) -> Vec<Gid> {
    let mut gids = members(ctx.store, collection);
    match field.text("sortKey") {
        Some("ID") => gids.sort_unstable(),
        Some("TITLE") => gids
            .sort_by_key(|gid| ctx.store.get(*gid).and_then(|obj| obj.str("title")).map(str::to_lowercase)),
        Some("CREATED") => gids.sort_by_key(|gid| ctx.store.get(*gid).and_then(|obj| obj.int("createdAt"))),
        Some("PRICE") => gids.sort_by_key(|gid| lowest_price(ctx.store, *gid)),
        _ => {}
    }
    gids
}

/// The old model of a collection's conditions, where the new one can be said in it.
fn rule_set(collection: &Obj) -> Option<Obj> {
    let source = collection.list("sources").first()?.as_obj()?;
    let inclusion = source.obj("inclusion")?;
    let conditions = inclusion.list("conditions");
    if conditions.is_empty() {
        return None;
    }
    let rules = conditions.iter().filter_map(Val::as_obj).filter_map(|condition| {
        let what = condition.str("__typename")?.strip_prefix("CollectionSourceInclusionCondition")?;
        let column = match what {
            "ProductTag" => "TAG",
            "ProductTitle" => "TITLE",
            "ProductType" => "TYPE",
            "ProductVendor" => "VENDOR",
            "VariantPrice" => "VARIANT_PRICE",
            _ => return None,
        };
        let relation = match condition.str("relation")? {
            "TAGGED_WITH" | "EQUALS" => "EQUALS",
            "GREATER_THAN" => "GREATER_THAN",
            "LESS_THAN" => "LESS_THAN",
            "CONTAINS" => "CONTAINS",
            "STARTS_WITH" => "STARTS_WITH",
            "ENDS_WITH" => "ENDS_WITH",
            _ => "NOT_EQUALS",
        };
        let value = condition.list("values").first().or_else(|| condition.get("value"));
        let text = value.map(|value| match value.to_json() {
            Json::String(text) => text,
            other => other.to_string(),
        });
        Some(Val::from(obj! { "column": column, "relation": relation, "condition": text }))
    });
    Some(obj! {
        "appliedDisjunctively": inclusion.str("matchType") == Some("ANY"),
        "rules": Val::List(rules.collect()),
    })
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
