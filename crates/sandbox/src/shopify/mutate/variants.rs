//! Variants and the inventory items that belong to them.

use serde_json::{Map, Value as Json};

use super::refs::{Place, places};
use super::{As, Call, Copy, Errors, Outcome, Row, copy, list, media, metafields, moves, refuse, text};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_decimal};

/// How many variants a product may have.
const VARIANTS_MAX: usize = 2_048;

pub(super) const ROWS: &[Row] = &[
    ("productVariantsBulkCreate", create),
    ("productVariantsBulkUpdate", update),
    ("productVariantsBulkDelete", delete),
    ("productVariantsBulkReorder", reorder),
];

const FIELDS: &[Copy] = &[
    ("barcode", "barcode", As::Same),
    ("compareAtPrice", "compareAtPrice", As::Money),
    ("inventoryPolicy", "inventoryPolicy", As::Word),
    ("price", "price", As::Money),
    ("requiresComponents", "requiresComponents", As::Same),
    ("showUnitPrice", "showUnitPrice", As::Same),
    ("taxCode", "taxCode", As::Same),
    ("taxable", "taxable", As::Same),
    ("unitPriceMeasurement", "unitPriceMeasurement", As::Same),
];

const ITEM_FIELDS: &[Copy] = &[
    ("cost", "unitCost", As::Money),
    ("countryCodeOfOrigin", "countryCodeOfOrigin", As::Word),
    ("countryHarmonizedSystemCodes", "countryHarmonizedSystemCodes", As::Same),
    ("harmonizedSystemCode", "harmonizedSystemCode", As::Same),
    ("provinceCodeOfOrigin", "provinceCodeOfOrigin", As::Same),
    ("requiresShipping", "requiresShipping", As::Same),
    ("sku", "sku", As::Same),
    ("tracked", "tracked", As::Same),
];

/// What one variant of an input is to become.
pub(super) struct Wish<'j> {
    pub(super) own: Option<Gid>,
    values: Vec<Val>,
    input: &'j Map<String, Json>,
}

/// A new variant with its inventory item at every location that is active.
pub(crate) fn make(store: &mut Store, product: Gid, values: Vec<Val>, position: usize) -> Gid {
    let item = store.mint(Kind::InventoryItem);
    let variant = store.insert(
        Kind::ProductVariant,
        obj! { "product": product, "values": values, "position": position, "price": Val::Cents(0), "inventoryItem": item },
    );
    let location = store
        .gids(Kind::Location)
        .find(|gid| store.get(*gid).is_some_and(|location| location.flag("isActive") == Some(true)));
    let levels: Vec<Val> = location
        .map(|location| {
            let level = store.mint(Kind::InventoryLevel);
            let now = store.now;
            Val::from(obj! { "id": Val::Id(level), "location": location, "available": 0_i64, "updatedAt": Val::Time(now) })
        })
        .into_iter()
        .collect();
    // Through the API an item is not tracked unless it is said to be.
    store.put(item, obj! { "variant": variant, "inventoryLevels": levels, "tracked": false });
    variant
}

/// Removes a variant and its inventory item.
pub(super) fn remove(store: &mut Store, variant: Gid) {
    if let Some(item) = store.get(variant).and_then(|variant| variant.gid("inventoryItem")) {
        store.remove(item);
    }
    store.remove(variant);
}

/// The option values that an input names, in the order of the product's options.
fn values_of(product: &Obj, input: &Map<String, Json>, old: &[Val]) -> Result<Vec<Val>, String> {
    let given = list(input, "optionValues").unwrap_or_default();
    let mut values: Vec<Option<Val>> = Vec::new();
    for (at, option) in product.list("options").iter().filter_map(Val::as_obj).enumerate() {
        let chosen = given.iter().filter_map(Json::as_object).find(|one| {
            text(one, "optionId").and_then(Gid::parse).is_some_and(|id| option.gid("id") == Some(id))
                || text(one, "optionName")
                    .is_some_and(|name| option.str("name").is_some_and(|own| own.eq_ignore_ascii_case(name)))
        });
        let value = match chosen {
            None => old.get(at).cloned(),
            Some(one) => match text(one, "name") {
                Some(name) => Some(Val::text(name)),
                None => {
                    let id = text(one, "id").and_then(Gid::parse);
                    option
                        .list("optionValues")
                        .iter()
                        .filter_map(Val::as_obj)
                        .find(|value| value.gid("id") == id)
                        .and_then(|value| value.get("name").cloned())
                }
            },
        };
        values.push(value);
    }
    let known = |one: &Map<String, Json>| {
        product.list("options").iter().filter_map(Val::as_obj).any(|option| {
            text(one, "optionId").and_then(Gid::parse).is_some_and(|id| option.gid("id") == Some(id))
                || text(one, "optionName")
                    .is_some_and(|name| option.str("name").is_some_and(|own| own.eq_ignore_ascii_case(name)))
        })
    };
    if let Some(unknown) = given.iter().filter_map(Json::as_object).find(|one| !known(one)) {
        return Err(format!(
            "Option '{}' does not exist",
            text(unknown, "optionName").or_else(|| text(unknown, "optionId")).unwrap_or_default()
        ));
    }
    values.into_iter().collect::<Option<Vec<Val>>>().ok_or_else(|| "Every option needs a value".to_owned())
}

/// What an input may point to.
const REFERENCES: &[Place] = &[("inventoryQuantities", "locationId", &[Kind::Location])];

fn check(
    store: &Store,
    product: &Obj,
    input: &Map<String, Json>,
    path: &[&str],
    call: &Call<'_>,
    errors: &mut Errors,
) {
    places(store, REFERENCES, input, path, "INVALID_INPUT", errors);
    if let Some(file) = input.get("file").and_then(Json::as_object) {
        media::check_file(store, file, call, &[path, &["file"]].concat(), errors);
    }
    let here = |id: &str| Gid::parse(id).is_some_and(|id| product.list("media").contains(&Val::Ref(id)));
    if text(input, "mediaId").is_some_and(|id| !here(id)) {
        let message = "Media does not exist on the specified product";
        errors.add(&[path, &["mediaId"]].concat(), message, "MUST_BE_FOR_THIS_PRODUCT");
    }
    let cents = input.get("price").filter(|price| !price.is_null());
    if let Some(price) = cents {
        match parse_decimal(price) {
            None => errors.add(&[path, &["price"]].concat(), "Price is not a number", "INVALID_INPUT"),
            Some(cents) if cents < 0 => errors.add(
                &[path, &["price"]].concat(),
                "Price must be greater than or equal to 0",
                "GREATER_THAN_OR_EQUAL_TO",
            ),
            Some(_) => {}
        }
    }
}

/// Reads what the variants of a whole product are to be; the state is not changed.
pub(super) fn wishes<'j>(
    store: &Store,
    product: &Obj,
    own: Option<Gid>,
    given: &'j [Json],
    call: &Call<'_>,
    errors: &mut Errors,
) -> Vec<Wish<'j>> {
    let mut wishes: Vec<Wish<'j>> = Vec::new();
    if given.len() > VARIANTS_MAX {
        errors.add(
            &["input", "variants"],
            format!("Can only have a maximum of {VARIANTS_MAX} variants"),
            "VARIANTS_OVER_LIMIT",
        );
        return wishes;
    }
    let old: Vec<Gid> = own
        .and_then(|gid| store.get(gid))
        .map(|product| product.list("variants").iter().filter_map(Val::as_gid).collect())
        .unwrap_or_default();
    for (index, input) in given.iter().filter_map(Json::as_object).enumerate() {
        let at = index.to_string();
        let path = ["input", "variants", at.as_str()];
        check(store, product, input, &path, call, errors);
        let by_id = text(input, "id").map(|id| Gid::parse(id).filter(|gid| old.contains(gid)));
        if by_id == Some(None) {
            errors.add(
                &[path.as_slice(), &["id"]].concat(),
                "Product variant does not exist",
                "PRODUCT_VARIANT_DOES_NOT_EXIST",
            );
            continue;
        }
        let by_id = by_id.flatten();
        let old_values = by_id
            .and_then(|gid| store.get(gid))
            .map(|variant| variant.list("values").to_vec())
            .unwrap_or_default();
        let values = match values_of(product, input, &old_values) {
            Ok(values) => values,
            Err(message) => {
                errors.add(&[path.as_slice(), &["optionValues"]].concat(), message, "OPTION_DOES_NOT_EXIST");
                continue;
            }
        };
        let named = |at: usize, value: &Val| {
            product.list("options").get(at).and_then(Val::as_obj).is_some_and(|option| {
                option
                    .list("optionValues")
                    .iter()
                    .any(|known| known.as_obj().and_then(|known| known.str("name")) == value.as_str())
            })
        };
        if let Some((_, value)) = values.iter().enumerate().find(|(at, value)| !named(*at, value)) {
            let message = format!("Option value '{}' does not exist", value.as_str().unwrap_or_default());
            errors.add(
                &[path.as_slice(), &["optionValues"]].concat(),
                message,
                "OPTION_VALUE_DOES_NOT_EXIST",
            );
            continue;
        }
        if wishes.iter().any(|wish| wish.values == values) {
            errors.add(
                &path,
                format!(
                    "The variant '{}' already exists.",
                    super::super::fields::variant_title(&obj! { "values": values })
                ),
                "INVALID_VARIANT",
            );
            continue;
        }
        let by_values = || {
            old.iter().copied().find(|gid| {
                store.get(*gid).is_some_and(|variant| {
                    variant.list("values").iter().map(Val::as_str).eq(values.iter().map(Val::as_str))
                })
            })
        };
        wishes.push(Wish { own: by_id.or_else(by_values), values, input });
    }
    wishes
}

/// Makes the product have exactly these variants.
pub(super) fn set_all(
    store: &mut Store,
    product: Gid,
    wishes: Vec<Wish<'_>>,
    call: &Call<'_>,
    errors: &mut Errors,
) {
    let old: Vec<Gid> = store
        .get(product)
        .map(|product| product.list("variants").iter().filter_map(Val::as_gid).collect())
        .unwrap_or_default();
    for gone in old.iter().filter(|gid| !wishes.iter().any(|wish| wish.own == Some(**gid))) {
        remove(store, *gone);
    }
    let mut gids = Vec::new();
    for (index, wish) in wishes.into_iter().enumerate() {
        let gid = match wish.own {
            Some(gid) => {
                store.edit_silently(gid, |variant| {
                    variant.set("values", wish.values);
                    variant.set("position", index + 1);
                });
                gid
            }
            None => make(store, product, wish.values, index + 1),
        };
        let at = index.to_string();
        apply(store, gid, wish.input, &["input", "variants", &at], true, call, errors);
        gids.push(gid);
    }
    gids.sort_by_key(|gid| store.get(*gid).and_then(|variant| variant.int("position")).unwrap_or(i64::MAX));
    store.edit_silently(product, |product| product.set("variants", gids));
}

/// Writes an input into a variant and its item. `whole` replaces lists instead of adding to them.
fn apply(
    store: &mut Store,
    gid: Gid,
    input: &Map<String, Json>,
    path: &[&str],
    whole: bool,
    call: &Call<'_>,
    errors: &mut Errors,
) {
    let Some(mut variant) = store.get(gid).map(|variant| Obj::clone(variant)) else { return };
    let before = variant.clone();
    copy(&mut variant, input, FIELDS);
    if let Some(position) = input.get("position").and_then(Json::as_i64) {
        variant.set("position", position);
    }
    if whole {
        metafields::replace(store, Kind::ProductVariant, &mut variant, input, path, errors);
    } else {
        metafields::merge(store, Kind::ProductVariant, &mut variant, input, path, errors);
    }
    let product = variant.gid("product");
    if let Some(file) = input.get("file").and_then(Json::as_object)
        && let Some(product) = product
    {
        let media = media::find_or_make(store, file, call);
        variant.set("media", media.map(|media| vec![media]));
        if let Some(media) = media {
            media::add_to_product(store, product, media);
        }
    }
    if let Some(media) = text(input, "mediaId").and_then(Gid::parse) {
        variant.set("media", vec![media]);
    }
    if variant != before {
        store.edit(gid, |old| *old = variant.clone());
    }
    let Some(item) = variant.gid("inventoryItem") else { return };
    if let Some(given) = input.get("inventoryItem").and_then(Json::as_object) {
        apply_item(store, item, given);
    }
    let quantities: Vec<(Gid, i64)> = list(input, "inventoryQuantities")
        .unwrap_or_default()
        .iter()
        .filter_map(|one| {
            let location = Gid::parse(one.get("locationId")?.as_str()?)?;
            let quantity = one.get("quantity").or_else(|| one.get("availableQuantity"))?.as_i64()?;
            Some((location, quantity))
        })
        .collect();
    for (location, quantity) in quantities {
        set_level(store, item, location, "available", quantity);
    }
}

/// Writes an input into an inventory item.
pub(crate) fn apply_item(store: &mut Store, item: Gid, input: &Map<String, Json>) {
    let Some(mut changed) = store.get(item).map(|item| Obj::clone(item)) else { return };
    let before = changed.clone();
    copy(&mut changed, input, ITEM_FIELDS);
    if let Some(weight) = input.get("measurement").and_then(|measurement| measurement.get("weight")) {
        changed.set("weight", Val::from_json(weight));
    }
    if changed != before {
        store.edit(item, |old| *old = changed);
    }
}

/// Sets a quantity of an item at a location, which is connected when it was not.
pub(crate) fn set_level(store: &mut Store, item: Gid, location: Gid, name: &'static str, quantity: i64) {
    let level_id = store.mint(Kind::InventoryLevel);
    let now = store.now;
    store.edit(item, |item| {
        item.edit_list("inventoryLevels", |levels| {
            let found = levels.iter_mut().find_map(|level| match level {
                Val::Obj(level) if level.gid("location") == Some(location) => Some(level),
                _ => None,
            });
            match found {
                Some(level) => {
                    level.set(name, quantity);
                    level.set("isActive", true);
                    level.set("updatedAt", Val::Time(now));
                }
                None => {
                    let mut level =
                        obj! { "id": Val::Id(level_id), "location": location, "updatedAt": Val::Time(now) };
                    level.set(name, quantity);
                    levels.push(Val::from(level));
                }
            }
        });
    });
}

fn product_of(store: &Store, call: &Call<'_>) -> Option<(Gid, Obj)> {
    let gid = call.gid(store, Kind::Product, "productId")?;
    Some((gid, store.get(gid).map(|product| Obj::clone(product))?))
}

/// Adds the values that a product's options do not know yet.
fn learn_values(store: &mut Store, product: &mut Obj, values: &[Val]) {
    for (at, value) in values.iter().enumerate() {
        let id = store.mint(Kind::ProductOptionValue);
        product.edit_list("options", |options| {
            let Some(Val::Obj(option)) = options.get_mut(at) else { return };
            option.edit_list("optionValues", |known| {
                if !known
                    .iter()
                    .any(|known| known.as_obj().and_then(|known| known.str("name")) == value.as_str())
                {
                    known.push(Val::from(obj! { "id": Val::Id(id), "name": value.clone() }));
                }
            });
        });
    }
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, mut product)) = product_of(store, call) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let mut errors = Errors::default();
    media::check_files(store, call.list("media"), call, &["media"], &mut errors);
    let mut old: Vec<Gid> = product.list("variants").iter().filter_map(Val::as_gid).collect();
    let strategy = call.text("strategy").unwrap_or("DEFAULT");
    let standalone = old.len() == 1
        && (strategy == "REMOVE_STANDALONE_VARIANT"
            || (strategy == "DEFAULT" && crate::shopify::fields::only_default(&product)));
    let mut plans = Vec::new();
    let mut seen: Vec<Vec<Val>> = Vec::new();
    for (index, input) in call.list("variants").iter().filter_map(Json::as_object).enumerate() {
        let at = index.to_string();
        let path = ["variants", at.as_str()];
        check(store, &product, input, &path, call, &mut errors);
        match values_of(&product, input, &[]) {
            Err(message) => errors.add(
                &[path.as_slice(), &["optionValues"]].concat(),
                message,
                "NEED_TO_ADD_OPTION_VALUES",
            ),
            Ok(values) => {
                let same = |gid: &Gid| {
                    store.get(*gid).is_some_and(|variant| {
                        variant.list("values").iter().map(Val::as_str).eq(values.iter().map(Val::as_str))
                    })
                };
                if seen.contains(&values) || (!standalone && old.iter().any(same)) {
                    let title = super::super::fields::variant_title(&obj! { "values": values.clone() });
                    errors.add(
                        &path,
                        format!(
                            "The variant '{title}' already exists. Please change at least one option value."
                        ),
                        "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE",
                    );
                }
                seen.push(values.clone());
                plans.push((values, input));
            }
        }
    }
    if old.len() + plans.len() > VARIANTS_MAX {
        errors.add(
            &["variants"],
            format!("Can only have a maximum of {VARIANTS_MAX} variants"),
            "INVALID_INPUT",
        );
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    if standalone {
        for gone in std::mem::take(&mut old) {
            remove(store, gone);
        }
    }
    for (values, _) in &plans {
        learn_values(store, &mut product, values);
    }
    let mut made = Vec::new();
    for (index, (values, input)) in plans.into_iter().enumerate() {
        let variant = make(store, gid, values, old.len() + 1);
        old.push(variant);
        made.push(variant);
        let at = index.to_string();
        apply(store, variant, input, &["variants", &at], false, call, &mut errors);
    }
    product.set("variants", old);
    store.edit(gid, |old| *old = product);
    media::attach(store, gid, call.list("media"), call);
    errors.beside(obj! { "product": gid, "productVariants": made })
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, mut product)) = product_of(store, call) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let mut errors = Errors::default();
    media::check_files(store, call.list("media"), call, &["media"], &mut errors);
    let old: Vec<Gid> = product.list("variants").iter().filter_map(Val::as_gid).collect();
    let partial = call.args.get("allowPartialUpdates").and_then(Json::as_bool).unwrap_or(false);
    let mut plans = Vec::new();
    for (index, input) in call.list("variants").iter().filter_map(Json::as_object).enumerate() {
        let at = index.to_string();
        let path = ["variants", at.as_str()];
        let Some(variant) = text(input, "id").and_then(Gid::parse).filter(|variant| old.contains(variant))
        else {
            let code = if input.contains_key("id") {
                "PRODUCT_VARIANT_DOES_NOT_EXIST"
            } else {
                "PRODUCT_VARIANT_ID_MISSING"
            };
            errors.add(&[path.as_slice(), &["id"]].concat(), "Product variant does not exist", code);
            continue;
        };
        if list(input, "inventoryQuantities").is_some_and(|quantities| !quantities.is_empty()) {
            errors.add(
                &[path.as_slice(), &["inventoryQuantities"]].concat(),
                "Inventory quantities can only be provided during create.",
                "NO_INVENTORY_QUANTITIES_ON_VARIANTS_UPDATE",
            );
            continue;
        }
        let mut problems = Errors::default();
        check(store, &product, input, &path, call, &mut problems);
        let own = store.get(variant).map(|variant| variant.list("values").to_vec()).unwrap_or_default();
        match values_of(&product, input, &own) {
            Ok(values) if problems.none() => plans.push((variant, values, input, index)),
            Ok(_) => {}
            Err(message) => {
                problems.add(
                    &[path.as_slice(), &["optionValues"]].concat(),
                    message,
                    "OPTION_DOES_NOT_EXIST",
                );
            }
        }
        errors.0.append(&mut problems.0);
    }
    if !errors.none() && !partial {
        return errors.payload(obj! {});
    }
    let mut changed = Vec::new();
    for (variant, values, input, index) in plans {
        learn_values(store, &mut product, &values);
        if store.get(variant).is_some_and(|variant| {
            variant.list("values").iter().map(Val::as_str).ne(values.iter().map(Val::as_str))
        }) {
            store.edit_silently(variant, |variant| variant.set("values", values));
        }
        let at = index.to_string();
        apply(store, variant, input, &["variants", &at], false, call, &mut errors);
        changed.push(variant);
    }
    let options = product.get("options").cloned();
    store.edit(gid, |old| old.set("options", options));
    media::attach(store, gid, call.list("media"), call);
    errors.beside(obj! { "product": gid, "productVariants": changed })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, product)) = product_of(store, call) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let mut old: Vec<Gid> = product.list("variants").iter().filter_map(Val::as_gid).collect();
    let gone: Vec<Option<Gid>> = call
        .list("variantsIds")
        .iter()
        .map(|id| Gid::parse(id.as_str()?).filter(|gid| old.contains(gid)))
        .collect();
    if gone.contains(&None) {
        return refuse(
            &["variantsIds"],
            "At least one variant does not belong to the product",
            "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT",
        );
    }
    if gone.len() >= old.len() {
        return refuse(
            &["variantsIds"],
            "Cannot delete all variants of a product",
            "CANNOT_DELETE_LAST_VARIANT",
        );
    }
    old.retain(|gid| !gone.contains(&Some(*gid)));
    for variant in gone.into_iter().flatten() {
        remove(store, variant);
    }
    place(store, &old);
    store.edit(gid, |product| product.set("variants", old));
    Errors::default().payload(obj! { "product": gid })
}

fn place(store: &mut Store, order: &[Gid]) {
    for (index, variant) in order.iter().enumerate() {
        store.edit_silently(*variant, |variant| variant.set("position", index + 1));
    }
}

fn reorder(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, product)) = product_of(store, call) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let mut order: Vec<Gid> = product.list("variants").iter().filter_map(Val::as_gid).collect();
    // Positions count from one.
    let wanted: Vec<(Gid, usize)> = moves(call.list("positions"))
        .into_iter()
        .map(|(gid, position)| (gid, position.saturating_sub(1)))
        .collect();
    if wanted.len() != call.list("positions").len() || wanted.iter().any(|(gid, _)| !order.contains(gid)) {
        return refuse(&["positions"], "Variant does not belong to the product", "MISSING_VARIANT");
    }
    super::apply_moves(&mut order, &wanted);
    place(store, &order);
    store.edit(gid, |product| product.set("variants", order));
    Errors::default().payload(obj! { "product": gid })
}
