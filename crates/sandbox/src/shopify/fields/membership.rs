//! Which products a collection holds, and in which order.

use serde_json::Value as Json;

use super::catalog::{stock, variant_title};
use crate::shopify::node::{Ctx, Node};
use crate::shopify::plan::Field;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_decimal};

/// The source of some collection that has this id.
pub(super) fn source<'a>(ctx: &Ctx<'a>, id: Gid) -> Option<Node<'a>> {
    let store: &'a Store = ctx.store;
    store.gids(Kind::Collection).find_map(|collection| {
        let mut sources = store.get(collection)?.list("sources").iter().filter_map(Val::as_obj);
        let found = sources.find(|source| source.gid("id") == Some(id))?;
        Some(Node::held(found, Some(collection)))
    })
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

pub(super) fn has_product(store: &Store, collection: Gid, product: Gid) -> bool {
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
fn condition_holds(store: &Store, product: &Obj, gid: Gid, condition: &Obj) -> bool {
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

pub(super) fn ordered(ctx: &Ctx<'_>, collection: Gid, field: &Field<'_>) -> Vec<Gid> {
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
pub(super) fn rule_set(collection: &Obj) -> Option<Obj> {
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
