//! Price lists and catalogs.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::{As, Call, Copy, Errors, Outcome, Row, copy, list, refuse, text};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_decimal};

pub(super) const ROWS: &[Row] = &[
    ("priceListCreate", create_list),
    ("priceListUpdate", update_list),
    ("priceListDelete", delete_list),
    ("priceListFixedPricesAdd", add_prices),
    ("priceListFixedPricesDelete", delete_prices),
    ("quantityRulesAdd", add_rules),
    ("quantityRulesDelete", delete_rules),
    ("quantityPricingByVariantUpdate", add_breaks),
    ("catalogCreate", create_catalog),
    ("catalogUpdate", update_catalog),
    ("catalogContextUpdate", move_context),
    ("catalogDelete", delete_catalog),
];

/// Most prices for larger quantities of one variant.
const BREAKS_MAX: usize = 10;

fn price_list(store: &Store, call: &Call<'_>, name: &str) -> Option<Gid> {
    call.gid(store, Kind::PriceList, name)
}

fn no_list(field: &str) -> Outcome {
    refuse(&[field], "Price list does not exist.", "PRICE_LIST_NOT_FOUND")
}

/// The catalog that a price list belongs to.
pub(crate) fn catalog_of(store: &Store, price_list: Gid) -> Option<Gid> {
    let mut catalogs = store.gids(Kind::MarketCatalog);
    catalogs.find(|gid| store.get(*gid).and_then(|catalog| catalog.gid("priceList")) == Some(price_list))
}

fn apply_list(
    store: &Store,
    own: Option<Gid>,
    list: &mut Obj,
    input: &Map<String, Json>,
    errors: &mut Errors,
) {
    copy(list, input, &[("name", "name", As::Same)]);
    let name = list.str("name").unwrap_or_default().to_owned();
    if name.trim().is_empty() {
        errors.add(&["input", "name"], "Name can't be blank", "BLANK");
    }
    if store.by_key(Kind::PriceList, &name).is_some_and(|other| Some(other) != own) {
        errors.add(&["input", "name"], "Name has already been taken", "TAKEN");
    }
    let before = list.get("currency").cloned();
    copy(list, input, &[("currency", "currency", As::Word)]);
    if own.is_some() && before.as_ref() != list.get("currency") {
        // Prices in the former currency mean nothing.
        list.set("prices", Vec::<Val>::new());
    }
    if let Some(parent) = input.get("parent").and_then(Json::as_object) {
        let adjustment = parent.get("adjustment").and_then(Json::as_object);
        let mut made = obj! { "settings": obj! { "compareAtMode": "ADJUSTED" } };
        if let Some(adjustment) = adjustment {
            let mut of = Obj::default();
            copy(&mut of, adjustment, &[("type", "type", As::Word), ("value", "value", As::Same)]);
            let value = adjustment.get("value").and_then(Json::as_f64).unwrap_or(0.0);
            of.set("value", value);
            let most = if of.str("type") == Some("PERCENTAGE_DECREASE") { 100.0 } else { 1_000.0 };
            if !(0.0..=most).contains(&value) {
                errors.add(
                    &["input", "parent"],
                    "The adjustment value is out of range",
                    "INVALID_ADJUSTMENT_VALUE",
                );
            }
            made.set("adjustment", of);
        }
        if let Some(settings) = parent.get("settings").and_then(Json::as_object) {
            let mut of = Obj::default();
            copy(&mut of, settings, &[("compareAtMode", "compareAtMode", As::Word)]);
            made.set("settings", of);
        }
        list.set("parent", made);
    }
}

fn create_list(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else { return no_list("input") };
    let (mut list, mut errors) = (Obj::default(), Errors::default());
    apply_list(store, None, &mut list, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::PriceList, list);
    errors.payload(obj! { "priceList": gid })
}

fn update_list(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (price_list(store, call, "id"), call.map("input")) else {
        return no_list("id");
    };
    let mut list = store.get(gid).map(|list| Obj::clone(list)).unwrap_or_default();
    let mut errors = Errors::default();
    apply_list(store, Some(gid), &mut list, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = list);
    errors.payload(obj! { "priceList": gid })
}

fn delete_list(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = price_list(store, call, "id") else { return no_list("id") };
    if let Some(catalog) = catalog_of(store, gid) {
        store.edit(catalog, |catalog| catalog.set("priceList", Val::Null));
    }
    store.remove(gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}

// ---------------------------------------------------------------- of variants

/// The variants that inputs name; each once.
fn variants(
    store: &Store,
    inputs: &[Json],
    at: &str,
    (code, twice): (&'static str, &'static str),
    errors: &mut Errors,
) -> Vec<Gid> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (index, one) in inputs.iter().enumerate() {
        let index = index.to_string();
        let id = one.as_str().or_else(|| one.get("variantId").and_then(Json::as_str)).unwrap_or_default();
        match store.find(Kind::ProductVariant, id) {
            None => errors.add(&[at, &index, "variantId"], "Variant does not exist.", code),
            Some(gid) if !seen.insert(gid) => {
                errors.add(&[at, &index], "Variant is named twice.", twice);
            }
            Some(gid) => found.push(gid),
        }
    }
    found
}

fn money(input: Option<&Json>) -> Option<Obj> {
    let input = input?.as_object()?;
    let mut made = Obj::default();
    copy(&mut made, input, &[("amount", "amount", As::Money), ("currencyCode", "currencyCode", As::Word)]);
    Some(made)
}

/// Puts an entry into a list of a price list, in place of the one of the same variant.
fn put(store: &mut Store, price_list: Gid, name: &'static str, entries: Vec<Obj>) {
    store.edit(price_list, |list| {
        list.edit_list(name, |all| {
            for entry in entries {
                let variant = entry.gid("variant");
                let old =
                    all.iter().position(|one| one.as_obj().and_then(|one| one.gid("variant")) == variant);
                match old.and_then(|at| all.get_mut(at)) {
                    Some(old) => *old = Val::from(entry),
                    None => all.push(Val::from(entry)),
                }
            }
        });
    });
}

fn drop_of(store: &mut Store, price_list: Gid, name: &'static str, gone: &[Gid]) {
    store.edit(price_list, |list| {
        list.edit_list(name, |all| {
            all.retain(|one| {
                one.as_obj().and_then(|one| one.gid("variant")).is_none_or(|gid| !gone.contains(&gid))
            });
        });
    });
}

/// The entry of a variant in a list of a price list.
fn entry<'s>(store: &'s Store, price_list: Gid, name: &str, variant: Gid) -> Option<&'s Obj> {
    let all = store.get(price_list)?.list(name);
    all.iter().filter_map(Val::as_obj).find(|one| one.gid("variant") == Some(variant))
}

fn add_prices(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = price_list(store, call, "priceListId") else { return no_list("priceListId") };
    let inputs = call.list("prices");
    let mut errors = Errors::default();
    variants(store, inputs, "prices", ("VARIANT_NOT_FOUND", "BLANK"), &mut errors);
    let currency = store.get(gid).and_then(|list| list.str("currency").map(str::to_owned));
    for (index, one) in inputs.iter().enumerate() {
        let other = ["price", "compareAtPrice"].iter().any(|name| {
            let code = one.get(*name).and_then(|money| money.get("currencyCode")).and_then(Json::as_str);
            code.is_some() && code != currency.as_deref()
        });
        if other {
            let message = "The currency is not the price list's.";
            errors.add(&["prices", &index.to_string()], message, "PRICE_LIST_CURRENCY_MISMATCH");
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let made: Vec<Obj> = inputs
        .iter()
        .filter_map(|one| {
            let variant = store.find(Kind::ProductVariant, one.get("variantId")?.as_str()?)?;
            let kept = entry(store, gid, "prices", variant).map(|old| old.list("breaks").to_vec());
            Some(obj! {
                "variant": variant, "price": money(one.get("price")), "compareAtPrice": money(one.get("compareAtPrice")),
                "breaks": kept.unwrap_or_default(),
            })
        })
        .collect();
    put(store, gid, "prices", made);
    errors.payload(obj! { "prices": Vec::<Val>::new() })
}

fn delete_prices(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = price_list(store, call, "priceListId") else { return no_list("priceListId") };
    let mut errors = Errors::default();
    let gone =
        variants(store, call.list("variantIds"), "variantIds", ("VARIANT_NOT_FOUND", "BLANK"), &mut errors);
    for variant in gone.iter().filter(|variant| entry(store, gid, "prices", **variant).is_none()) {
        errors.add(&["variantIds"], format!("{variant} has no fixed price."), "PRICE_NOT_FIXED");
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    drop_of(store, gid, "prices", &gone);
    let ids: Vec<Val> = gone.into_iter().map(Val::Id).collect();
    errors.payload(obj! { "deletedFixedPriceVariantIds": ids })
}

fn number(input: &Json, name: &str) -> Option<i64> {
    input.get(name).and_then(Json::as_i64)
}

fn add_rules(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = price_list(store, call, "priceListId") else {
        return refuse(&["priceListId"], "Price list does not exist.", "PRICE_LIST_DOES_NOT_EXIST");
    };
    let inputs = call.list("quantityRules");
    let mut errors = Errors::default();
    let codes = ("PRODUCT_VARIANT_DOES_NOT_EXIST", "DUPLICATE_INPUT_FOR_VARIANT");
    variants(store, inputs, "quantityRules", codes, &mut errors);
    for (index, one) in inputs.iter().enumerate() {
        let (least, step) = (number(one, "minimum").unwrap_or(0), number(one, "increment").unwrap_or(0));
        let most = number(one, "maximum");
        let wrong = if least < 1 || step < 1 {
            Some("GREATER_THAN_OR_EQUAL_TO")
        } else if most.is_some_and(|most| most < least) {
            Some("MINIMUM_IS_GREATER_THAN_MAXIMUM")
        } else if step > least {
            Some("INCREMENT_IS_GREATER_THAN_MINIMUM")
        } else if least % step != 0 {
            Some("MINIMUM_NOT_MULTIPLE_OF_INCREMENT")
        } else {
            most.filter(|most| most % step != 0).map(|_| "MAXIMUM_NOT_MULTIPLE_OF_INCREMENT")
        };
        if let Some(code) = wrong {
            errors.add(&["quantityRules", &index.to_string()], "The rule contradicts itself.", code);
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let made = inputs
        .iter()
        .filter_map(|one| {
            let variant = store.find(Kind::ProductVariant, one.get("variantId")?.as_str()?)?;
            Some(obj! {
                "variant": variant, "minimum": number(one, "minimum"), "maximum": number(one, "maximum"),
                "increment": number(one, "increment"),
            })
        })
        .collect();
    put(store, gid, "rules", made);
    errors.payload(obj! { "quantityRules": Vec::<Val>::new() })
}

fn delete_rules(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = price_list(store, call, "priceListId") else {
        return refuse(&["priceListId"], "Price list does not exist.", "PRICE_LIST_DOES_NOT_EXIST");
    };
    let mut errors = Errors::default();
    let codes = ("PRODUCT_VARIANT_DOES_NOT_EXIST", "DUPLICATE_INPUT_FOR_VARIANT");
    let gone = variants(store, call.list("variantIds"), "variantIds", codes, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    drop_of(store, gid, "rules", &gone);
    let ids: Vec<Val> = gone.into_iter().map(Val::Id).collect();
    errors.payload(obj! { "deletedQuantityRulesVariantIds": ids })
}

/// Prices for larger quantities. The other things that this mutation can do are done by calls of their own.
fn add_breaks(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (price_list(store, call, "priceListId"), call.map("input")) else {
        return no_list("priceListId");
    };
    let mut errors = Errors::default();
    let inputs = list(input, "quantityPriceBreaksToAdd").unwrap_or_default();
    let mut changed = Vec::new();
    for (index, one) in inputs.iter().enumerate() {
        let index = index.to_string();
        let at = ["input", "quantityPriceBreaksToAdd", index.as_str()];
        let variant =
            one.get("variantId").and_then(Json::as_str).and_then(|id| store.find(Kind::ProductVariant, id));
        let Some(variant) = variant else {
            errors.add(&at, "Variant does not exist.", "QUANTITY_PRICE_BREAK_ADD_VARIANT_NOT_FOUND");
            continue;
        };
        let Some(price) = entry(store, gid, "prices", variant).cloned() else {
            errors.add(
                &at,
                "The variant has no fixed price.",
                "QUANTITY_PRICE_BREAK_ADD_PRICE_LIST_PRICE_NOT_FOUND",
            );
            continue;
        };
        let least = number(one, "minimumQuantity").unwrap_or(0);
        let rule = entry(store, gid, "rules", variant);
        let step = rule.and_then(|rule| rule.int("increment")).unwrap_or(1);
        if least % step.max(1) != 0 {
            let code = "QUANTITY_PRICE_BREAK_ADD_MIN_NOT_A_MULTIPLE_OF_QUANTITY_RULES_INCREMENT";
            errors.add(&at, "The quantity is no multiple of the increment.", code);
        }
        changed.push((
            variant,
            price,
            least,
            one.get("price").and_then(|price| price.get("amount")).and_then(parse_decimal),
        ));
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    for (variant, _, least, amount) in changed {
        let Some(mut price) = entry(store, gid, "prices", variant).cloned() else { continue };
        let id = store.mint(Kind::QuantityPriceBreak);
        let currency = store.get(gid).and_then(|list| list.get("currency").cloned());
        price.edit_list("breaks", |all| {
            all.retain(|one| one.as_obj().and_then(|one| one.int("minimumQuantity")) != Some(least));
            let amount = obj! { "amount": amount.map(Val::Cents), "currencyCode": currency };
            all.push(Val::from(obj! { "id": Val::Id(id), "minimumQuantity": least, "price": amount }));
            all.sort_by_key(|one| one.as_obj().and_then(|one| one.int("minimumQuantity")));
        });
        if price.list("breaks").len() > BREAKS_MAX {
            return refuse(&["input"], "Too many price breaks.", "QUANTITY_PRICE_BREAK_ADD_LIMIT_EXCEEDED");
        }
        put(store, gid, "prices", vec![price]);
    }
    errors.payload(obj! { "productVariants": Vec::<Val>::new() })
}

// ---------------------------------------------------------------- catalogs

fn no_catalog(field: &str) -> Outcome {
    refuse(&[field], "Catalog does not exist.", "CATALOG_NOT_FOUND")
}

/// The markets of a context.
fn markets(store: &Store, context: Option<&Json>, errors: &mut Errors) -> Vec<Gid> {
    let ids = context.and_then(|context| context.get("marketIds")).and_then(Json::as_array);
    let mut found = Vec::new();
    for id in ids.into_iter().flatten() {
        match id.as_str().and_then(|id| store.find(Kind::Market, id)) {
            Some(gid) => found.push(gid),
            None => errors.add(&["input", "context"], "Market does not exist.", "MARKET_NOT_FOUND"),
        }
    }
    found
}

fn apply_catalog(
    store: &Store,
    own: Option<Gid>,
    catalog: &mut Obj,
    input: &Map<String, Json>,
    errors: &mut Errors,
) {
    const FIELDS: &[Copy] = &[("title", "title", As::Same), ("status", "status", As::Word)];
    copy(catalog, input, FIELDS);
    if catalog.str("title").unwrap_or_default().trim().is_empty() {
        errors.add(&["input", "title"], "Title can't be blank", "BLANK");
    }
    if let Some(id) = text(input, "priceListId") {
        match store.find(Kind::PriceList, id) {
            Some(gid) if catalog_of(store, gid).is_none_or(|other| Some(other) == own) => {
                catalog.set("priceList", gid);
            }
            Some(_) => errors.add(&["input", "priceListId"], "Price list is another catalog's.", "TAKEN"),
            None => {
                let code = "PRICE_LIST_NOT_FOUND";
                errors.add(&["input", "priceListId"], "Price list does not exist.", code);
            }
        }
    } else if input.contains_key("priceListId") {
        catalog.set("priceList", Val::Null);
    }
    if let Some(context) = input.get("context") {
        // The update takes the whole list: who is not named is in it no more.
        catalog.set("markets", markets(store, Some(context), errors));
    }
    if catalog.list("markets").is_empty() {
        let code = "MUST_PROVIDE_EXACTLY_ONE_CONTEXT_TYPE";
        errors.add(&["input", "context"], "Must provide exactly one context type.", code);
    }
}

fn create_catalog(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else { return no_catalog("input") };
    let (mut catalog, mut errors) = (Obj::default(), Errors::default());
    apply_catalog(store, None, &mut catalog, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::MarketCatalog, catalog);
    errors.payload(obj! { "catalog": gid })
}

fn update_catalog(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::MarketCatalog, "id"), call.map("input")) else {
        return no_catalog("id");
    };
    let mut catalog = store.get(gid).map(|catalog| Obj::clone(catalog)).unwrap_or_default();
    let mut errors = Errors::default();
    apply_catalog(store, Some(gid), &mut catalog, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = catalog);
    errors.payload(obj! { "catalog": gid })
}

fn move_context(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::MarketCatalog, "catalogId") else { return no_catalog("catalogId") };
    let mut errors = Errors::default();
    let new = markets(store, call.args.get("contextsToAdd"), &mut errors);
    let gone = markets(store, call.args.get("contextsToRemove"), &mut errors);
    if new.is_empty() && gone.is_empty() {
        let code = "REQUIRES_CONTEXTS_TO_ADD_OR_REMOVE";
        errors.add(&["contextsToAdd"], "Contexts to add or remove are needed.", code);
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |catalog| {
        catalog.edit_list("markets", |all| {
            all.retain(|one| one.as_gid().is_none_or(|gid| !gone.contains(&gid)));
            for one in new {
                if !all.iter().any(|other| other.as_gid() == Some(one)) {
                    all.push(Val::Ref(one));
                }
            }
        });
    });
    errors.payload(obj! { "catalog": gid })
}

fn delete_catalog(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::MarketCatalog, "id") else { return no_catalog("id") };
    let of = store.get(gid).cloned();
    // What it shows is its own, and goes with it; a price list only where that is asked for.
    if let Some(publication) = of.as_ref().and_then(|catalog| catalog.gid("publication")) {
        super::publishing::remove(store, publication);
    }
    let all = call.args.get("deleteDependentResources").and_then(Json::as_bool) == Some(true);
    if let Some(list) = of.as_ref().and_then(|catalog| catalog.gid("priceList")).filter(|_| all) {
        store.remove(list);
    }
    store.remove(gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}
