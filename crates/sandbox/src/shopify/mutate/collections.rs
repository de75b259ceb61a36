//! Collections by their sources: conditions, selected products, collections below.

use serde_json::{Map, Value as Json};

use super::refs::{Place, places};
use super::{
    As, Call, Copy, Errors, Outcome, Row, apply_moves, copy, list, media, metafields, moves, refuse,
    settle_handle, text,
};
use crate::shopify::fields::members;
use crate::shopify::store::{Later, Store};
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_decimal};

pub(super) const ROWS: &[Row] = &[
    ("collectionCreate", create),
    ("collectionUpdate", update),
    ("collectionDelete", delete),
    ("collectionAddProducts", add),
    ("collectionAddProductsV2", add),
    ("collectionRemoveProducts", take),
    ("collectionReorderProducts", reorder_later),
];

const FIELDS: &[Copy] = &[
    ("descriptionHtml", "descriptionHtml", As::Same),
    ("seo", "seo", As::Same),
    ("sortOrder", "sortOrder", As::Word),
    ("templateSuffix", "templateSuffix", As::Same),
    ("title", "title", As::Same),
];

/// What an input may point to.
const REFERENCES: &[Place] = &[
    ("", "productId", &[Kind::Product]),
    ("", "products", &[Kind::Product]),
    ("", "variantIds", &[Kind::ProductVariant]),
    ("", "collectionIds", &[Kind::Collection]),
    ("", "categoryId", &[Kind::TaxonomyCategory]),
    ("", "definitionId", &[Kind::MetafieldDefinition]),
    ("collection", "values", &[Kind::Collection]),
    ("metafieldMetaobject", "value", &[Kind::Metaobject]),
    ("metafieldMetaobjectList", "values", &[Kind::Metaobject]),
];

/// How many sources a collection may have.
const SOURCES_MAX: usize = 60;

/// The old model's columns as conditions of the new one.
const COLUMNS: &[(&str, &str)] = &[
    ("TAG", "productTag"),
    ("TITLE", "productTitle"),
    ("TYPE", "productType"),
    ("VENDOR", "productVendor"),
    ("VARIANT_PRICE", "variantPrice"),
    ("VARIANT_COMPARE_AT_PRICE", "variantCompareAtPrice"),
    ("VARIANT_INVENTORY", "variantInventory"),
    ("VARIANT_TITLE", "variantTitle"),
    ("VARIANT_WEIGHT", "variantWeight"),
];

/// One condition from its input, such as `{productTag: {relation, values, matchType}}`.
fn condition(store: &mut Store, prefix: &str, input: &Json) -> Option<Val> {
    let (name, body) = input.as_object()?.iter().find(|(_, body)| !body.is_null())?;
    let mut upper = name.chars();
    let first = upper.next()?.to_ascii_uppercase();
    let type_name = format!("CollectionSource{prefix}Condition{first}{}", upper.as_str());
    let type_name = crate::shopify::schema::object_type(&type_name)?;
    let mut made =
        obj! { "id": Val::Id(store.mint(Kind::CollectionSourceCondition)), "__typename": type_name };
    for (key, value) in body.as_object()? {
        match (key.as_str(), name.as_str()) {
            ("values", "collection") => made.set("values", super::convert(value, As::Refs)),
            ("values", "productCategory") => {
                let categories = value.as_array()?.iter().map(|one| {
                    let id = one.get("categoryId").or_else(|| one.get("id")).and_then(Json::as_str).and_then(category);
                    Val::from(obj! { "category": id, "includeDescendants": one.get("includeDescendants").and_then(Json::as_bool) })
                });
                made.set("values", categories.collect::<Vec<_>>());
            }
            ("value", "variantPrice" | "variantCompareAtPrice") => {
                let amount = value.get("amount").unwrap_or(value);
                made.set("value", parse_decimal(amount).map(Val::Cents));
            }
            ("values", "variantPrice" | "variantCompareAtPrice") => {
                let amounts = value
                    .as_array()?
                    .iter()
                    .filter_map(|one| parse_decimal(one.get("amount").unwrap_or(one)))
                    .map(Val::Cents);
                made.set("values", amounts.collect::<Vec<_>>());
            }
            ("definitionId", _) => made.set("definition", super::convert(value, As::Ref)),
            ("value", "metafieldMetaobject") => made.set("value", super::convert(value, As::Ref)),
            ("values", "metafieldMetaobjectList") => made.set("values", super::convert(value, As::Refs)),
            ("relation" | "matchType", _) => {
                let key = if key == "relation" { "relation" } else { "matchType" };
                made.set(key, super::convert(value, As::Word));
            }
            (key, _) => {
                if let Some(key) = crate::shopify::schema::intern(key) {
                    made.set(key, Val::from_json(value));
                }
            }
        }
    }
    Some(Val::from(made))
}

/// Taxonomy ids end in letters and digits; the state knows them by a number made from their text.
pub(crate) fn category(id: &str) -> Option<Gid> {
    Gid::parse(id).filter(|gid| gid.kind() == Kind::TaxonomyCategory)
}

fn selections(input: &[Json]) -> Vec<Val> {
    input
        .iter()
        .filter_map(|one| {
            let product = Gid::parse(one.get("productId")?.as_str()?)?;
            let variants = one.get("variantIds").filter(|ids| ids.is_array()).map(Val::from_json);
            Some(Val::from(obj! { "product": product, "variantIds": variants }))
        })
        .collect()
}

fn part(store: &mut Store, prefix: &str, input: &Map<String, Json>) -> Obj {
    let conditions: Vec<Val> = list(input, "conditions")
        .unwrap_or_default()
        .iter()
        .filter_map(|one| condition(store, prefix, one))
        .collect();
    let mut made = obj! { "conditions": conditions, "selections": selections(list(input, "selections").unwrap_or_default()) };
    copy(&mut made, input, &[("matchType", "matchType", As::Word)]);
    made
}

/// One source of a collection from its input.
fn source(store: &mut Store, input: &Json) -> Option<Val> {
    if let Some(given) = input.get("source").and_then(Json::as_object) {
        let mut made = obj! {
            "id": Val::Id(store.mint(Kind::CollectionConditionsSource)), "__typename": "CollectionConditionsSource",
            "shareable": false,
        };
        copy(
            &mut made,
            given,
            &[
                ("title", "title", As::Same),
                ("description", "description", As::Same),
                ("targetType", "targetType", As::Word),
            ],
        );
        let empty = Map::new();
        let inclusion =
            part(store, "Inclusion", given.get("inclusion").and_then(Json::as_object).unwrap_or(&empty));
        made.set("inclusion", inclusion);
        if let Some(exclusion) = given.get("exclusion").and_then(Json::as_object) {
            let exclusion = part(store, "Exclusion", exclusion);
            made.set("exclusion", exclusion);
        }
        return Some(Val::from(made));
    }
    let given = input.get("subCollections").and_then(Json::as_object)?;
    let mut made = obj! { "id": Val::Id(store.mint(Kind::CollectionSubCollectionsSource)), "__typename": "CollectionSubCollectionsSource" };
    copy(
        &mut made,
        given,
        &[
            ("title", "title", As::Same),
            ("description", "description", As::Same),
            ("collectionIds", "collections", As::Refs),
        ],
    );
    Some(Val::from(made))
}

/// A source that only holds selected products.
pub(crate) fn manual_source(store: &mut Store, products: &[Gid]) -> Val {
    let selected: Vec<Val> = products.iter().map(|product| Val::from(obj! { "product": *product })).collect();
    let inclusion = obj! { "conditions": Vec::<Val>::new(), "selections": selected };
    Val::from(obj! {
        "id": Val::Id(store.mint(Kind::CollectionConditionsSource)), "__typename": "CollectionConditionsSource",
        "title": "Selected products", "shareable": false, "targetType": "PRODUCTS", "inclusion": inclusion,
    })
}

/// The new model's input for a rule set of the old one.
fn rules_as_source(rules: &Map<String, Json>) -> Json {
    let any = rules.get("appliedDisjunctively").and_then(Json::as_bool) == Some(true);
    let conditions: Vec<Json> = list(rules, "rules")
        .unwrap_or_default()
        .iter()
        .filter_map(|rule| {
            let column = rule.get("column")?.as_str()?;
            let name = COLUMNS.iter().find(|(known, _)| *known == column)?.1;
            let relation = match (column, rule.get("relation")?.as_str()?) {
                ("TAG", "EQUALS") => "TAGGED_WITH",
                ("TAG", _) => "NOT_TAGGED_WITH",
                (_, "NOT_CONTAINS") => "DOES_NOT_CONTAIN",
                (_, other) => other,
            };
            let value = rule.get("condition")?;
            let body = if column.starts_with("VARIANT_PRICE")
                || column.starts_with("VARIANT_COMPARE")
                || column == "VARIANT_INVENTORY"
            {
                serde_json::json!({ "relation": relation, "value": value })
            } else {
                serde_json::json!({ "relation": relation, "values": [value], "matchType": "ANY" })
            };
            Some(serde_json::json!({ name: body }))
        })
        .collect();
    serde_json::json!({ "source": { "title": "Conditions", "inclusion": { "matchType": if any { "ANY" } else { "ALL" }, "conditions": conditions } } })
}

fn image(store: &mut Store, collection: &mut Obj, input: &Map<String, Json>, call: &Call<'_>) {
    match input.get("image") {
        Some(Json::Null) => collection.set("image", Val::Null),
        Some(Json::Object(given)) => {
            let old = collection.obj("image").cloned().unwrap_or_default();
            let mut made = old;
            if let Some(src) = text(given, "src")
                && let Ok(file) = media::make(store, src, None, Some("IMAGE"), None, call)
                && let Some(file) = store.get(file)
            {
                for name in ["url", "width", "height"] {
                    if let Some(name) = crate::shopify::schema::intern(name) {
                        made.set(name, file.get(name).cloned());
                    }
                }
            }
            copy(&mut made, given, &[("altText", "altText", As::Same)]);
            collection.set("image", made);
        }
        _ => {}
    }
}

fn apply(
    store: &mut Store,
    own: Option<Gid>,
    collection: &mut Obj,
    input: &Map<String, Json>,
    call: &Call<'_>,
    errors: &mut Errors,
) {
    let fresh = collection.get("title").is_none();
    copy(collection, input, FIELDS);
    let title = collection.str("title").unwrap_or_default().to_owned();
    if title.trim().is_empty() {
        errors.add(&["title"], "Title can't be blank", "BLANK");
    }
    if fresh || text(input, "handle").is_some() {
        match settle_handle(store, Kind::Collection, "", own, text(input, "handle"), &title) {
            Ok(handle) => collection.set("handle", handle),
            Err(message) => errors.add(&["handle"], message, "TAKEN"),
        }
    }
    metafields::merge(store, Kind::Collection, collection, input, &["collection"], errors);
    places(store, REFERENCES, input, &["collection"], "INVALID", errors);
    if let Some(src) = input.get("image").and_then(Json::as_object).and_then(|image| text(image, "src")) {
        media::check_source(store, src, call, &["collection", "image", "src"], errors);
    }
    if !errors.none() {
        return;
    }
    image(store, collection, input, call);
    for name in ["sources", "sourcesToCreate"] {
        for one in list(input, name).unwrap_or_default() {
            if let Some(made) = source(store, one) {
                collection.edit_list("sources", |sources| sources.push(made));
            }
        }
    }
    if let Some(rules) = input.get("ruleSet").and_then(Json::as_object)
        && let Some(made) = source(store, &rules_as_source(rules))
    {
        collection.set("sources", vec![made]);
    }
    if let Some(products) = list(input, "products") {
        let products: Vec<Gid> =
            products.iter().filter_map(|id| store.find(Kind::Product, id.as_str()?)).collect();
        let made = manual_source(store, &products);
        collection.edit_list("sources", |sources| sources.push(made));
    }
    let gone: Vec<Gid> = list(input, "sourcesToDelete")
        .unwrap_or_default()
        .iter()
        .filter_map(|id| Gid::parse(id.as_str()?))
        .collect();
    collection.edit_list("sources", |sources| {
        sources.retain(|source| {
            !source.as_obj().and_then(|source| source.gid("id")).is_some_and(|id| gone.contains(&id))
        });
    });
    for change in list(input, "sourcesToUpdate").unwrap_or_default() {
        update_source(store, collection, change, errors);
    }
    if collection.list("sources").len() > SOURCES_MAX {
        errors.add(
            &["sources"],
            format!("A collection can't have more than {SOURCES_MAX} sources"),
            "INVALID",
        );
    }
}

fn update_source(store: &mut Store, collection: &mut Obj, change: &Json, errors: &mut Errors) {
    let given = change.get("condition").or_else(|| change.get("subCollections")).and_then(Json::as_object);
    let Some(given) = given else { return };
    let id = text(given, "id").and_then(Gid::parse);
    let at = collection
        .list("sources")
        .iter()
        .position(|source| source.as_obj().and_then(|source| source.gid("id")) == id);
    let Some(at) = at else {
        errors.add(&["sourcesToUpdate"], "Source does not exist", "NOT_FOUND");
        return;
    };
    let Some(mut source) = collection.list("sources").get(at).and_then(Val::as_obj).cloned() else { return };
    copy(
        &mut source,
        given,
        &[
            ("title", "title", As::Same),
            ("description", "description", As::Same),
            ("collectionIds", "collections", As::Refs),
        ],
    );
    for (name, prefix) in [("inclusion", "Inclusion"), ("exclusion", "Exclusion")] {
        let Some(input) = given.get(name).and_then(Json::as_object) else { continue };
        let mut part = source.obj(name).cloned().unwrap_or_default();
        copy(&mut part, input, &[("matchType", "matchType", As::Word)]);
        let made: Vec<Val> = list(input, "conditionsToCreate")
            .unwrap_or_default()
            .iter()
            .filter_map(|one| condition(store, prefix, one))
            .collect();
        let gone: Vec<Gid> = list(input, "conditionsToDelete")
            .unwrap_or_default()
            .iter()
            .filter_map(|id| Gid::parse(id.as_str()?))
            .collect();
        let changed: Vec<(Option<Gid>, Val)> = list(input, "conditionsToUpdate")
            .unwrap_or_default()
            .iter()
            .filter_map(|one| {
                let id = one.get("id").and_then(Json::as_str).and_then(Gid::parse);
                Some((id, condition(store, prefix, one.get("condition")?)?))
            })
            .collect();
        part.edit_list("conditions", |conditions| {
            conditions.retain(|one| {
                !one.as_obj().and_then(|one| one.gid("id")).is_some_and(|id| gone.contains(&id))
            });
            for one in conditions.iter_mut() {
                let id = one.as_obj().and_then(|one| one.gid("id"));
                if let Some((_, new)) = changed.iter().find(|(changed, _)| *changed == id)
                    && let Val::Obj(old) = one
                    && let Val::Obj(new) = new
                {
                    for (name, value) in new.fields().filter(|(name, _)| *name != "id") {
                        old.set(name, value.clone());
                    }
                }
            }
            conditions.extend(made);
        });
        let added = selections(list(input, "selectionsToAdd").unwrap_or_default());
        let removed: Vec<Option<Gid>> = selections(list(input, "selectionsToRemove").unwrap_or_default())
            .iter()
            .map(|one| one.as_obj()?.gid("product"))
            .collect();
        part.edit_list("selections", |selections| {
            selections.retain(|one| !removed.contains(&one.as_obj().and_then(|one| one.gid("product"))));
            for one in added {
                let product = one.as_obj().and_then(|one| one.gid("product"));
                if !selections
                    .iter()
                    .any(|known| known.as_obj().and_then(|known| known.gid("product")) == product)
                {
                    selections.push(one);
                }
            }
        });
        source.set(if name == "inclusion" { "inclusion" } else { "exclusion" }, part);
    }
    collection.edit_list("sources", |sources| {
        if let Some(place) = sources.get_mut(at) {
            *place = Val::from(source);
        }
    });
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("collection").or_else(|| call.map("input")) else {
        return refuse(&["collection"], "A collection is needed.", "INVALID");
    };
    let mut errors = Errors::default();
    let mut collection = obj! { "publications": Vec::<Val>::new() };
    apply(store, None, &mut collection, input, call, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    if collection.get("sortOrder").is_none() {
        collection.set("sortOrder", "BEST_SELLING");
    }
    let gid = store.insert(Kind::Collection, collection);
    settle_order(store, gid);
    errors.payload(obj! { "collection": gid })
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("collection").or_else(|| call.map("input")) else {
        return refuse(&["collection"], "A collection is needed.", "INVALID");
    };
    let Some(gid) = text(input, "id").and_then(|id| store.find(Kind::Collection, id)) else {
        return refuse(&["id"], "Collection does not exist", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut collection = store.get(gid).map(|collection| Obj::clone(collection)).unwrap_or_default();
    apply(store, Some(gid), &mut collection, input, call, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = collection);
    settle_order(store, gid);
    errors.payload(obj! { "collection": gid })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let gid =
        call.map("input").and_then(|input| text(input, "id")).and_then(|id| store.find(Kind::Collection, id));
    let Some(gid) = gid else { return refuse(&["id"], "Collection does not exist", "NOT_FOUND") };
    store.remove(gid);
    Errors::default().payload(obj! { "deletedCollectionId": Val::Id(gid) })
}

/// Writes down the order of a collection's products, so that new ones come last.
fn settle_order(store: &mut Store, collection: Gid) {
    let order = members(store, collection);
    if store.get(collection).is_some_and(|collection| collection.str("sortOrder") == Some("MANUAL")) {
        store.edit_silently(collection, |collection| collection.set("order", order));
    }
}

/// Adds products to those that a collection selects.
pub(super) fn add_products(store: &mut Store, collection: Gid, products: &[Gid]) {
    let known = members(store, collection);
    let new: Vec<Gid> = products.iter().copied().filter(|product| !known.contains(product)).collect();
    if new.is_empty() || !store.has(collection) {
        return;
    }
    let manual = store.get(collection).and_then(|collection| {
        collection
            .list("sources")
            .iter()
            .position(|source| source.as_obj().is_some_and(|source| source.get("inclusion").is_some()))
    });
    match manual {
        None => {
            let made = manual_source(store, &new);
            store
                .edit(collection, |collection| collection.edit_list("sources", |sources| sources.push(made)));
        }
        Some(at) => store.edit(collection, |collection| {
            collection.edit_list("sources", |sources| {
                if let Some(Val::Obj(source)) = sources.get_mut(at)
                    && let Some(Val::Obj(inclusion)) = source.get_mut("inclusion")
                {
                    inclusion.edit_list("selections", |selections| {
                        selections.extend(new.iter().map(|product| Val::from(obj! { "product": *product })));
                    });
                }
            });
        }),
    }
    store.edit_silently(collection, |collection| {
        if collection.str("sortOrder") == Some("MANUAL") {
            collection.edit_list("order", |order| order.extend(new.iter().copied().map(Val::Ref)));
        }
    });
}

/// Takes products out of those that a collection selects.
pub(super) fn remove_products(store: &mut Store, collection: Gid, products: &[Gid]) {
    store.edit(collection, |collection| unselect(collection, &["inclusion"], products));
}

/// A product is gone: no collection selects it any more, or leaves it out. The collections did not change by that.
pub(super) fn forget_product(store: &mut Store, product: Gid) {
    for collection in store.gids(Kind::Collection).collect::<Vec<_>>() {
        store.edit_silently(collection, |collection| {
            unselect(collection, &["inclusion", "exclusion"], &[product]);
        });
    }
}

fn unselect(collection: &mut Obj, parts: &[&'static str], products: &[Gid]) {
    let named = |gid: Option<Gid>| gid.is_some_and(|gid| products.contains(&gid));
    collection.edit_list("sources", |sources| {
        for source in sources.iter_mut() {
            let Val::Obj(source) = source else { continue };
            for part in parts {
                if let Some(Val::Obj(part)) = source.get_mut(part) {
                    part.edit_list("selections", |selections| {
                        selections.retain(|one| !named(one.as_obj().and_then(|one| one.gid("product"))));
                    });
                }
            }
        }
    });
    collection.edit_list("order", |order| order.retain(|one| !named(one.as_gid())));
}

/// Makes a product be selected in exactly these collections.
pub(super) fn set_memberships(store: &mut Store, product: Gid, wanted: &[Gid]) {
    for collection in store.gids(Kind::Collection).collect::<Vec<_>>() {
        let selected = store.get(collection).is_some_and(|collection| {
            collection
                .list("sources")
                .iter()
                .filter_map(Val::as_obj)
                .filter_map(|source| source.obj("inclusion"))
                .any(|inclusion| {
                    inclusion
                        .list("selections")
                        .iter()
                        .filter_map(Val::as_obj)
                        .any(|one| one.gid("product") == Some(product))
                })
        });
        match (selected, wanted.contains(&collection)) {
            (false, true) => add_products(store, collection, &[product]),
            (true, false) => remove_products(store, collection, &[product]),
            _ => {}
        }
    }
}

fn has_conditions(store: &Store, collection: Gid) -> bool {
    store.get(collection).is_some_and(|collection| {
        collection
            .list("sources")
            .iter()
            .filter_map(Val::as_obj)
            .filter_map(|source| source.obj("inclusion"))
            .any(|inclusion| !inclusion.list("conditions").is_empty())
    })
}

fn products_of(store: &Store, call: &Call<'_>) -> Option<Vec<Gid>> {
    call.list("productIds").iter().map(|id| store.find(Kind::Product, id.as_str()?)).collect()
}

fn add(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Collection, "id") else {
        return refuse(&["id"], "Collection does not exist", "COLLECTION_DOES_NOT_EXIST");
    };
    if has_conditions(store, gid) {
        return refuse(
            &["id"],
            "Can't manually add products to a smart collection",
            "CANT_ADD_TO_SMART_COLLECTION",
        );
    }
    let Some(products) = products_of(store, call) else {
        return refuse(&["productIds"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    add_products(store, gid, &products);
    let job = store.start_job(Later::Nothing);
    Errors::default().payload(obj! { "collection": gid, "job": job })
}

fn take(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Collection, "id") else {
        return refuse(&["id"], "Collection does not exist", "COLLECTION_DOES_NOT_EXIST");
    };
    let Some(products) = products_of(store, call) else {
        return refuse(&["productIds"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    remove_products(store, gid, &products);
    let job = store.start_job(Later::Nothing);
    Errors::default().payload(obj! { "job": job })
}

fn reorder_later(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Collection, "id") else {
        return refuse(&["id"], "Collection not found", "COLLECTION_NOT_FOUND");
    };
    if store.get(gid).is_none_or(|collection| collection.str("sortOrder") != Some("MANUAL")) {
        return refuse(
            &["id"],
            "Can't reorder products unless collection is manually sorted",
            "MANUALLY_SORTED_COLLECTION",
        );
    }
    let (held, wanted) = (members(store, gid), moves(call.list("moves")));
    if wanted.len() != call.list("moves").len() || wanted.iter().any(|(product, _)| !held.contains(product)) {
        return refuse(&["moves"], "Product does not belong to the collection", "INVALID_MOVE");
    }
    let job = store.start_job(Later::Reorder { collection: gid, moves: wanted });
    Errors::default().payload(obj! { "job": job })
}

/// Moves products within a collection.
pub(crate) fn reorder(store: &mut Store, collection: Gid, wanted: &[(Gid, usize)]) {
    let mut order = members(store, collection);
    apply_moves(&mut order, wanted);
    store.edit(collection, |collection| collection.set("order", order));
}
