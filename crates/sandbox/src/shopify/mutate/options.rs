//! The options of a product and their values.

use serde_json::Value as Json;

use super::{Call, Errors, Outcome, Row, list, refuse, text};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

const OPTIONS_MAX: usize = 3;
const VALUES_MAX: usize = 2_048;

pub(super) const ROWS: &[Row] = &[
    ("productOptionsCreate", create),
    ("productOptionUpdate", update),
    ("productOptionsDelete", delete),
    ("productOptionsReorder", reorder),
];

/// Sets a product's options to what is given, keeping the ids of options and values whose names stay. Without any,
/// the product gets the one option that every product without options has.
pub(super) fn make(store: &mut Store, product: &mut Obj, given: &[Json], path: &[&str], errors: &mut Errors) {
    if given.len() > OPTIONS_MAX {
        let field = [path, &["productOptions"]].concat();
        errors.add(
            &field,
            format!("Can only specify a maximum of {OPTIONS_MAX} options"),
            "OPTIONS_OVER_LIMIT",
        );
        return;
    }
    let old: Vec<Val> = product.list("options").to_vec();
    let mut made = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, one) in given.iter().filter_map(Json::as_object).enumerate() {
        let by_id = text(one, "id").and_then(Gid::parse);
        let known = old.iter().filter_map(Val::as_obj).find(|option| match by_id {
            Some(id) => option.gid("id") == Some(id),
            None => option.str("name") == text(one, "name"),
        });
        let name = text(one, "name")
            .or_else(|| known.and_then(|known| known.str("name")))
            .unwrap_or_default()
            .to_owned();
        let at = index.to_string();
        let field = [path, &["productOptions", &at]].concat();
        if name.is_empty() {
            errors.add(&field, "Option name can't be blank", "INVALID_INPUT");
        }
        if names.contains(&name.to_lowercase()) {
            errors.add(&field, format!("Duplicated option name '{name}'"), "DUPLICATED_OPTION_NAME");
        }
        names.push(name.to_lowercase());
        let mut values: Vec<Val> = Vec::new();
        for value in list(one, "values").unwrap_or_default().iter().filter_map(Json::as_object) {
            let by_id = text(value, "id").and_then(Gid::parse);
            let of_old = known.map(|known| known.list("optionValues")).unwrap_or_default();
            let known = of_old.iter().filter_map(Val::as_obj).find(|own| match by_id {
                Some(id) => own.gid("id") == Some(id),
                None => own.str("name") == text(value, "name"),
            });
            let name = text(value, "name")
                .or_else(|| known.and_then(|known| known.str("name")))
                .unwrap_or_default()
                .to_owned();
            if values.iter().any(|value| value.as_obj().and_then(|value| value.str("name")) == Some(&name)) {
                errors.add(&field, format!("Duplicated option value '{name}'"), "DUPLICATED_OPTION_VALUE");
                continue;
            }
            let id = known
                .and_then(|known| known.gid("id"))
                .unwrap_or_else(|| store.mint(Kind::ProductOptionValue));
            values.push(Val::from(obj! { "id": Val::Id(id), "name": Val::text(name) }));
        }
        if values.is_empty() {
            if let Some(known) = known {
                values = known.list("optionValues").to_vec();
            } else {
                errors.add(&field, "Option values can't be blank", "OPTION_VALUES_MISSING");
            }
        }
        if values.len() > VALUES_MAX {
            errors.add(
                &field,
                format!("Can only specify a maximum of {VALUES_MAX} values per option"),
                "OPTION_VALUES_OVER_LIMIT",
            );
        }
        let id = known.and_then(|known| known.gid("id")).unwrap_or_else(|| store.mint(Kind::ProductOption));
        made.push((one.get("position").and_then(Json::as_i64).unwrap_or(i64::MAX), id, name, values));
    }
    made.sort_by_key(|(position, ..)| *position);
    if made.is_empty() {
        let kept = old.iter().filter_map(Val::as_obj).find(|option| option.str("name") == Some("Title"));
        let id = kept.and_then(|option| option.gid("id")).unwrap_or_else(|| store.mint(Kind::ProductOption));
        let value = store.mint(Kind::ProductOptionValue);
        made.push((
            1,
            id,
            "Title".to_owned(),
            vec![Val::from(obj! { "id": Val::Id(value), "name": "Default Title" })],
        ));
    }
    let options = made.into_iter().enumerate().map(|(index, (_, id, name, values))| {
        Val::from(obj! { "id": Val::Id(id), "name": Val::text(name), "position": index + 1, "optionValues": values })
    });
    product.set("options", options.collect::<Vec<_>>());
}

fn product_of(store: &Store, call: &Call<'_>) -> Option<(Gid, Obj)> {
    let gid = call.gid(store, Kind::Product, "productId")?;
    Some((gid, store.get(gid).map(|product| Obj::clone(product))?))
}

fn number(product: &mut Obj) {
    product.edit_list("options", |options| {
        for (index, option) in options.iter_mut().enumerate() {
            if let Val::Obj(option) = option {
                option.set("position", index + 1);
            }
        }
    });
}

fn variants_of(product: &Obj) -> Vec<Gid> {
    product.list("variants").iter().filter_map(Val::as_gid).collect()
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, mut product)) = product_of(store, call) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let mut errors = Errors::default();
    let only_default = crate::shopify::fields::only_default(&product);
    let old = if only_default { Vec::new() } else { product.list("options").to_vec() };
    let given = call.list("options");
    if old.len() + given.len() > OPTIONS_MAX {
        errors.add(
            &["options"],
            format!("Can only specify a maximum of {OPTIONS_MAX} options"),
            "OPTIONS_OVER_LIMIT",
        );
        return errors.payload(obj! {});
    }
    for name in given.iter().filter_map(|one| one.get("name")?.as_str()) {
        if old
            .iter()
            .filter_map(Val::as_obj)
            .any(|option| option.str("name").is_some_and(|own| own.eq_ignore_ascii_case(name)))
        {
            errors.add(&["options"], format!("Option '{name}' already exists."), "OPTION_ALREADY_EXISTS");
        }
    }
    let mut fresh = Obj::default();
    make(store, &mut fresh, given, &[], &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let firsts: Vec<Val> = fresh
        .list("options")
        .iter()
        .filter_map(|option| option.as_obj()?.list("optionValues").first()?.as_obj()?.get("name").cloned())
        .collect();
    for variant in variants_of(&product) {
        store.edit_silently(variant, |variant| {
            let mut values = if only_default { Vec::new() } else { variant.list("values").to_vec() };
            values.extend(firsts.iter().cloned());
            variant.set("values", values);
        });
    }
    let all = [old, fresh.list("options").to_vec()].concat();
    product.set("options", all);
    number(&mut product);
    store.edit(gid, |old| *old = product);
    errors.payload(obj! { "product": gid })
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, mut product)) = product_of(store, call) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let wanted = call.map("option").and_then(|option| text(option, "id")).and_then(Gid::parse);
    let at = product
        .list("options")
        .iter()
        .position(|option| option.as_obj().and_then(|option| option.gid("id")) == wanted);
    let Some(at) = at else {
        return refuse(&["option", "id"], "Option does not exist", "OPTION_DOES_NOT_EXIST");
    };
    let mut renamed: Vec<(String, String)> = Vec::new();
    let mut removed: Vec<String> = Vec::new();
    let added: Vec<(Gid, String)> = call
        .list("optionValuesToAdd")
        .iter()
        .filter_map(|value| value.get("name")?.as_str())
        .map(|name| (store.mint(Kind::ProductOptionValue), name.to_owned()))
        .collect();
    product.edit_list("options", |options| {
        let Some(Val::Obj(option)) = options.get_mut(at) else { return };
        if let Some(name) = call.map("option").and_then(|option| text(option, "name")) {
            option.set("name", Val::text(name));
        }
        option.edit_list("optionValues", |values| {
            for change in call.list("optionValuesToUpdate").iter().filter_map(Json::as_object) {
                let id = text(change, "id").and_then(Gid::parse);
                for value in values.iter_mut() {
                    if let (Val::Obj(value), Some(name)) = (value, text(change, "name"))
                        && value.gid("id") == id
                    {
                        renamed.push((value.str("name").unwrap_or_default().to_owned(), name.to_owned()));
                        value.set("name", Val::text(name));
                    }
                }
            }
            let gone: Vec<Option<Gid>> =
                call.list("optionValuesToDelete").iter().map(|id| Gid::parse(id.as_str()?)).collect();
            values.retain(|value| {
                let Some(value) = value.as_obj() else { return false };
                let keep = !gone.contains(&value.gid("id"));
                if !keep {
                    removed.push(value.str("name").unwrap_or_default().to_owned());
                }
                keep
            });
            values.extend(
                added
                    .iter()
                    .map(|(id, name)| Val::from(obj! { "id": Val::Id(*id), "name": Val::text(name) })),
            );
        });
    });
    let has = |store: &Store, name: &str| {
        variants_of(&product).iter().any(|variant| {
            store
                .get(*variant)
                .is_some_and(|variant| variant.list("values").get(at).and_then(Val::as_str) == Some(name))
        })
    };
    if let Some(name) = removed.iter().find(|name| has(store, name)) {
        return refuse(
            &["optionValuesToDelete"],
            format!("Option value '{name}' has variants."),
            "OPTION_VALUE_HAS_VARIANTS",
        );
    }
    for variant in variants_of(&product) {
        store.edit_silently(variant, |variant| {
            variant.edit_list("values", |values| {
                if let Some(value) = values.get_mut(at)
                    && let Some((_, new)) = renamed.iter().find(|(old, _)| value.as_str() == Some(old))
                {
                    *value = Val::text(new);
                }
            });
        });
    }
    store.edit(gid, |old| *old = product);
    Errors::default().payload(obj! { "product": gid })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, mut product)) = product_of(store, call) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let gone: Vec<Gid> = call.list("options").iter().filter_map(|id| Gid::parse(id.as_str()?)).collect();
    let places: Vec<usize> = product
        .list("options")
        .iter()
        .enumerate()
        .filter(|(_, option)| {
            option.as_obj().and_then(|option| option.gid("id")).is_some_and(|id| gone.contains(&id))
        })
        .map(|(at, _)| at)
        .collect();
    if places.len() != gone.len() {
        return refuse(&["options"], "Option does not exist", "OPTION_DOES_NOT_EXIST");
    }
    let left = |variant: &Obj| -> Vec<Val> {
        variant
            .list("values")
            .iter()
            .enumerate()
            .filter(|(at, _)| !places.contains(at))
            .map(|(_, value)| value.clone())
            .collect()
    };
    let mut seen: Vec<Vec<Val>> = Vec::new();
    for variant in variants_of(&product) {
        let Some(values) = store.get(variant).map(|variant| left(variant)) else { continue };
        if seen.contains(&values) && call.text("strategy") != Some("POSITION") {
            return refuse(
                &["options"],
                "Variants would no longer differ without this option.",
                "CANNOT_DELETE_OPTION_WITH_MULTIPLE_VALUES",
            );
        }
        seen.push(values);
    }
    let mut kept: Vec<Vec<Val>> = Vec::new();
    let mut keep_variants = Vec::new();
    for variant in variants_of(&product) {
        let Some(values) = store.get(variant).map(|variant| left(variant)) else { continue };
        if kept.contains(&values) {
            super::variants::remove(store, variant);
        } else {
            store.edit_silently(variant, |variant| variant.set("values", values.clone()));
            kept.push(values);
            keep_variants.push(variant);
        }
    }
    product.edit_list("options", |options| {
        let mut at = 0;
        options.retain(|_| {
            at += 1;
            !places.contains(&(at - 1))
        });
    });
    product.set("variants", keep_variants.clone());
    if product.list("options").is_empty() {
        make(store, &mut product, &[], &[], &mut Errors::default());
        for variant in keep_variants {
            store.edit_silently(variant, |variant| variant.set("values", vec![Val::Lit("Default Title")]));
        }
    }
    number(&mut product);
    store.edit(gid, |old| *old = product);
    let deleted: Vec<Val> = gone.into_iter().map(Val::Id).collect();
    Errors::default().payload(obj! { "product": gid, "deletedOptionsIds": deleted })
}

fn reorder(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some((gid, mut product)) = product_of(store, call) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let old: Vec<Val> = product.list("options").to_vec();
    let mut order: Vec<usize> = Vec::new();
    for wish in call.list("options").iter().filter_map(Json::as_object) {
        let id = text(wish, "id").and_then(Gid::parse);
        let found = old.iter().filter_map(Val::as_obj).position(|option| match id {
            Some(id) => option.gid("id") == Some(id),
            None => option.str("name") == text(wish, "name"),
        });
        match found {
            Some(at) if !order.contains(&at) => order.push(at),
            _ => return refuse(&["options"], "Option does not exist", "OPTION_DOES_NOT_EXIST"),
        }
    }
    if order.len() != old.len() {
        return refuse(&["options"], "All options must be given.", "MISSING_OPTION");
    }
    product.set("options", order.iter().filter_map(|at| old.get(*at).cloned()).collect::<Vec<_>>());
    number(&mut product);
    for variant in variants_of(&product) {
        store.edit_silently(variant, |variant| {
            let values: Vec<Val> = variant.list("values").to_vec();
            variant.set("values", order.iter().filter_map(|at| values.get(*at).cloned()).collect::<Vec<_>>());
        });
    }
    store.edit(gid, |old| *old = product);
    Errors::default().payload(obj! { "product": gid })
}
