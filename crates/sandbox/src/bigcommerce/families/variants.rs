//! Options of products, their values, and variants.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::engine::{add, change, check_batch, written};
use super::super::resource::{Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Store};
use super::{images, modifiers, products};

/// How many variants one request may change, and a product may have.
const BATCH_MAX: usize = 50;
const VARIANTS_MAX: usize = 600;
/// Largest image of a variant in a form, in bytes.
const IMAGE_MAX: usize = 1 << 20;

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "option",
        path: "/v3/catalog/products/*/options",
        parent: "product",
        unique: &[&["display_name", "^"]],
        defaults: r#"{"type":"rectangles","option_values":[],"config":{}}"#,
        rule: option_rule,
        written: option_written,
        ..PLAIN
    },
    Resource {
        kind: "variant",
        path: "/v3/catalog/products/*/variants",
        parent: "product",
        unique: &[&["sku"], &["combination", "^"]],
        defaults: r#"{"price":null,"sale_price":null,"retail_price":null,"map_price":null,"cost_price":null,"weight":null,
            "width":null,"height":null,"depth":null,"fixed_cost_shipping_price":null,"upc":"","mpn":"","gtin":"",
            "bin_picking_number":"","inventory_level":0,"inventory_warning_level":0,"option_values":[],"image_url":""}"#,
        rule: variant_rule,
        written: variant_written,
        gone: variant_gone,
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("GET", "/v3/catalog/variants", all),
    ("PUT", "/v3/catalog/variants", update_batch),
    ("DELETE", "/v3/catalog/products/*/variants/*", delete),
    ("DELETE", "/v3/catalog/products/*/options/*", delete_option),
    ("POST", "/v3/catalog/products/*/variants/*/image", image),
    ("GET", "/v3/catalog/products/*/options/*/values", modifiers::values),
    ("POST", "/v3/catalog/products/*/options/*/values", modifiers::add_value),
    ("GET", "/v3/catalog/products/*/options/*/values/*", modifiers::value),
    ("PUT", "/v3/catalog/products/*/options/*/values/*", modifiers::change_value),
    ("DELETE", "/v3/catalog/products/*/options/*/values/*", modifiers::delete_value),
];

/// What is told of a variant elsewhere goes with it: its stock, its prices.
fn variant_gone(store: &mut Store, key: &Key, _: &super::super::store::Row) {
    for kind in ["stock", "price_record"] {
        let own: Vec<Key> = store
            .rows(kind)
            .filter(|(_, row)| row.get("variant_id") == &key.json())
            .map(|(key, _)| key.clone())
            .collect();
        for one in own {
            store.remove(kind, &one);
        }
    }
}

fn option_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.text("display_name").is_empty() {
        return Err(Refusal::field("display_name", "must be given"));
    }
    if draft.is_new() && draft.text("type").is_empty() {
        return Err(Refusal::field("type", "must be given"));
    }
    let Some(product) = draft.parent.clone() else { return Ok(()) };
    draft.fields.insert("product_id".to_owned(), product.json());
    if draft.is_new() {
        // The platform makes the inner name unique by the product's number and a moment.
        let name = format!("{}{}-{product}", draft.text("display_name"), call.store.now.as_second());
        draft.fields.insert("name".to_owned(), Json::from(name));
    }
    if let Some(Json::Array(list)) = draft.fields.get("option_values").cloned() {
        let old = draft.old.as_ref().map(|(_, row)| row.list("option_values").to_vec()).unwrap_or_default();
        let values = modifiers::take_values(call, "option_value", &old, &list)?;
        modifiers::check_values(draft.text("type"), &values)?;
        draft.fields.insert("option_values".to_owned(), Json::Array(values));
    }
    Ok(())
}

/// The labels of variants follow those of their options.
fn option_written(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    _: &Obj,
    _: bool,
) -> Result<(), Refusal> {
    let Some(row) = call.store.get("option", key).cloned() else { return Ok(()) };
    let Some(product) = row.parent.clone() else { return Ok(()) };
    let known: Vec<Option<&Json>> = row.list("option_values").iter().map(|value| value.get("id")).collect();
    drop_variants(call, &product, |value| {
        value.get("option_id") == Some(&key.json()) && !known.contains(&value.get("id"))
    });
    for variant in call.store.child_keys("variant", &product) {
        call.store.edit_silently("variant", &variant, |variant| {
            let Some(Json::Array(values)) = variant.fields.get_mut("option_values") else { return };
            for value in values.iter_mut().filter(|value| value.get("option_id") == Some(&key.json())) {
                let id = value.get("id").cloned();
                let label = row.list("option_values").iter().find(|known| known.get("id") == id.as_ref());
                if let (Some(label), Some(value)) =
                    (label.and_then(|known| known.get("label")), value.as_object_mut())
                {
                    value.insert("label".to_owned(), label.clone());
                    value.insert("option_display_name".to_owned(), row.get("display_name").clone());
                }
            }
        });
    }
    products::touch(call.store, &product);
    Ok(())
}

/// Refuses a SKU that another product or variant has.
pub(crate) fn check_sku(store: &Store, sku: &str, product: Option<&Key>) -> Result<(), Refusal> {
    let value = format!("sku\u{1f}{}", sku.to_lowercase());
    let variant = store.by_unique("variant", &value).and_then(|key| store.get("variant", key));
    let by_variant =
        variant.is_some_and(|row| row.parent.as_ref() != product || !row.list("option_values").is_empty());
    let by_product = store.by_unique("product", &value).is_some_and(|key| Some(key) != product);
    if by_variant || by_product {
        return Err(Refusal::conflict("sku", format!("The sku `{sku}` is taken.")));
    }
    Ok(())
}

/// Whether variants can be made together with their product: their options are named, not numbered.
pub(crate) fn check_new(store: &Store, list: &[Json]) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    let mut skus = BTreeSet::new();
    let mut names: Option<Vec<String>> = None;
    for variant in list {
        let text =
            |value: &Json, name: &str| value.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let sku = text(variant, "sku");
        if sku.is_empty() {
            return Err(Refusal::field("variants.sku", "must be given"));
        }
        check_sku(store, &sku, None)?;
        if !skus.insert(sku.to_lowercase()) {
            return Err(Refusal::conflict("variants.sku", format!("The sku `{sku}` is given twice.")));
        }
        let values = variant.get("option_values").and_then(Json::as_array).cloned().unwrap_or_default();
        if values.is_empty() {
            return Err(Refusal::field("variants.option_values", "must be given"));
        }
        for value in &values {
            if value.get("id").is_some() || value.get("option_id").is_some() {
                return Err(Refusal::field("variants.option_values.id", "names a value that does not exist"));
            }
            if text(value, "option_display_name").is_empty() || text(value, "label").is_empty() {
                return Err(Refusal::field("variants.option_values", "needs option_display_name and label"));
            }
        }
        let mut own: Vec<String> =
            values.iter().map(|value| text(value, "option_display_name").to_lowercase()).collect();
        own.sort();
        if names.get_or_insert_with(|| own.clone()) != &own {
            return Err(Refusal::field(
                "variants.option_values",
                "must name the same options in each variant",
            ));
        }
        let labels: Vec<String> = values.iter().map(|value| text(value, "label").to_lowercase()).collect();
        if !seen.insert(labels.join("\u{1f}")) {
            return Err(Refusal::field("variants.option_values", "are those of another variant"));
        }
    }
    if list.len() > VARIANTS_MAX {
        return Err(Refusal::field("variants", format!("must hold at most {VARIANTS_MAX}")));
    }
    Ok(())
}

/// Makes the variants of a new product. Options come into being by the names that variants give, and look like
/// rectangles, whatever they were elsewhere.
pub(crate) fn make(call: &mut Call<'_>, product: &Key, list: &[Json]) -> Result<(), Refusal> {
    if list.is_empty() {
        base(call, product);
        return Ok(());
    }
    let mut options: Vec<(String, Vec<String>)> = Vec::new();
    for value in list.iter().filter_map(|variant| variant.get("option_values")?.as_array()).flatten() {
        let text = |name: &str| value.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let (name, label) = (text("option_display_name"), text("label"));
        match options.iter_mut().find(|(known, _)| *known == name) {
            Some((_, labels)) if labels.contains(&label) => {}
            Some((_, labels)) => labels.push(label),
            None => options.push((name, vec![label])),
        }
    }
    if let Some(resource) = of_kind("option") {
        for (turn, (name, labels)) in options.iter().enumerate() {
            let values: Vec<Json> = labels
                .iter()
                .enumerate()
                .map(|(turn, label)| json!({ "label": label, "sort_order": turn, "is_default": false }))
                .collect();
            let fields = json!({ "display_name": name, "type": "rectangles", "sort_order": turn, "option_values": values });
            add(call, resource, Some(product), vec![fields.as_object().cloned().unwrap_or_default()])?;
        }
    }
    let Some(resource) = of_kind("variant") else { return Ok(()) };
    for variant in list.iter().filter_map(Json::as_object) {
        let mut fields = variant.clone();
        for name in ["id", "product_id", "sku_id", "calculated_price", "calculated_weight"] {
            fields.shift_remove(name);
        }
        let values = variant.get("option_values").and_then(Json::as_array).cloned().unwrap_or_default();
        let numbered: Vec<Json> =
            values.iter().filter_map(|value| number_value(call.store, product, value)).collect();
        fields.insert("option_values".to_owned(), Json::Array(numbered));
        add(call, resource, Some(product), vec![fields])?;
    }
    Ok(())
}

/// The value of an option of the product that goes by these names.
fn number_value(store: &Store, product: &Key, value: &Json) -> Option<Json> {
    let name = value.get("option_display_name")?.as_str()?;
    let label = value.get("label")?.as_str()?;
    let (key, row) = store
        .children("option", product)
        .find(|(_, row)| row.text("display_name").eq_ignore_ascii_case(name))?;
    let known = row
        .list("option_values")
        .iter()
        .find(|known| known.get("label").and_then(Json::as_str) == Some(label))?;
    Some(json!({ "id": known.get("id"), "option_id": key.json() }))
}

/// The one variant of a product that has no options.
fn base(call: &mut Call<'_>, product: &Key) {
    let id = call.store.mint("variant");
    let mut row = super::super::store::Row { parent: Some(product.clone()), ..Default::default() };
    let fields = json!({ "id": id, "product_id": product.json(), "sku_id": null, "option_values": [], "image_url": "",
        "purchasing_disabled": false, "purchasing_disabled_message": "", "is_free_shipping": false, "price": null,
        "sale_price": null, "retail_price": null, "map_price": null, "cost_price": null, "weight": null, "width": null, "height": null,
        "depth": null, "fixed_cost_shipping_price": null, "inventory_warning_level": 0 });
    row.fields = fields.as_object().cloned().unwrap_or_default();
    call.store.put("variant", &Key::Number(id), row);
    call.store.edit_silently("product", product, |row| {
        row.fields.insert("base_variant_id".to_owned(), Json::from(id));
    });
    follow(call.store, product);
}

/// What variants show of their product.
pub(crate) fn follow(store: &mut Store, product: &Key) {
    let Some(row) = store.get("product", product).cloned() else { return };
    for key in store.child_keys("variant", product) {
        store.edit_silently("variant", &key, |variant| {
            if variant.list("option_values").is_empty() {
                for name in [
                    "sku",
                    "upc",
                    "mpn",
                    "gtin",
                    "bin_picking_number",
                    "inventory_level",
                    "inventory_warning_level",
                ] {
                    variant.fields.insert(name.to_owned(), row.get(name).clone());
                }
            }
            let own = |name: &str| variant.get(name).clone();
            let sale = own("sale_price");
            let price = if sale.as_f64().is_some_and(|sale| sale > 0.0) { sale } else { own("price") };
            let price = if price.is_null() { row.get("calculated_price").clone() } else { price };
            let weight = own("weight");
            let weight = if weight.is_null() { row.get("weight").clone() } else { weight };
            variant.fields.insert("calculated_price".to_owned(), price);
            variant.fields.insert("calculated_weight".to_owned(), weight);
        });
    }
}

fn variant_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let Some(product) = draft.parent.clone() else { return Ok(()) };
    draft.fields.shift_remove("product_id");
    let is_base = draft.old.as_ref().is_some_and(|(_, row)| row.list("option_values").is_empty());
    if draft.text("sku").is_empty() && !is_base {
        return Err(Refusal::field("sku", "must be given"));
    }
    if let Some(sku) = draft.fields.get("sku").and_then(Json::as_str) {
        check_sku(call.store, sku, is_base.then_some(&product)).or_else(|refusal| {
            let same = draft.old.as_ref().is_some_and(|(_, row)| row.text("sku").eq_ignore_ascii_case(sku));
            if same { Ok(()) } else { Err(refusal) }
        })?;
    }
    if let Some(url) = draft.fields.get("image_url").and_then(Json::as_str).filter(|url| !url.is_empty()) {
        images::bytes_at(call.store, url)?;
    }
    if draft.is_new() {
        combination(call, draft, &product)?;
        let sku_id = call.store.mint("sku");
        draft.fields.insert("sku_id".to_owned(), Json::from(sku_id));
        draft.fields.insert("product_id".to_owned(), product.json());
        if call.store.children("variant", &product).count() >= VARIANTS_MAX {
            return Err(Refusal::field("", format!("A product has at most {VARIANTS_MAX} variants.")));
        }
    }
    Ok(())
}

/// Checks that a new variant names one value of each option, and fills in how they are called.
fn combination(call: &Call<'_>, draft: &mut Draft, product: &Key) -> Result<(), Refusal> {
    let options: Vec<(Key, super::super::store::Row)> =
        call.store.children("option", product).map(|(key, row)| (key.clone(), row.clone())).collect();
    let given = draft.value("option_values").as_array().cloned().unwrap_or_default();
    let mut values = Vec::new();
    for (key, option) in &options {
        let chosen = given.iter().find(|value| value.get("option_id") == Some(&key.json()));
        let id = chosen.and_then(|value| value.get("id"));
        let known = option.list("option_values").iter().find(|known| id.is_some() && known.get("id") == id);
        let Some(known) = known else {
            return Err(Refusal::field("option_values", format!("must name a value of the option {key}")));
        };
        values.push(json!({
            "id": known.get("id"), "label": known.get("label"), "option_id": key.json(),
            "option_display_name": option.get("display_name"),
        }));
    }
    if values.is_empty() || given.len() != values.len() {
        return Err(Refusal::field("option_values", "must name one value of each option of the product"));
    }
    let ids: Vec<String> = values.iter().filter_map(|value| Some(value.get("id")?.to_string())).collect();
    draft.hidden.insert("combination".to_owned(), Json::from(ids.join(",")));
    draft.fields.insert("option_values".to_owned(), Json::Array(values));
    Ok(())
}

fn variant_written(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    given: &Obj,
    new: bool,
) -> Result<(), Refusal> {
    let Some(row) = call.store.get("variant", key).cloned() else { return Ok(()) };
    let Some(product) = row.parent.clone() else { return Ok(()) };
    if new {
        // A product with real variants has no base variant any more.
        for other in call.store.child_keys("variant", &product) {
            let bare =
                call.store.get("variant", &other).is_some_and(|row| row.list("option_values").is_empty());
            if bare {
                call.store.remove("variant", &other);
            }
        }
        call.store.edit_silently("product", &product, |row| {
            row.fields.insert("base_variant_id".to_owned(), Json::Null);
        });
    } else if row.list("option_values").is_empty() {
        // The base variant and its product are one thing.
        let shared =
            ["sku", "upc", "mpn", "gtin", "bin_picking_number", "inventory_level", "inventory_warning_level"];
        call.store.edit_silently("product", &product, |row| {
            for name in shared {
                if let Some(value) = given.get(name) {
                    row.fields.insert(name.to_owned(), value.clone());
                }
            }
        });
    }
    if given.contains_key("inventory_level") {
        stock(call.store, &product);
    }
    follow(call.store, &product);
    products::touch(call.store, &product);
    Ok(())
}

/// A product whose stock is told by its variants shows their sum.
pub(crate) fn stock(store: &mut Store, product: &Key) {
    let by_variant =
        store.get("product", product).is_some_and(|row| row.text("inventory_tracking") == "variant");
    if by_variant {
        let sum: u64 = store.children("variant", product).map(|(_, row)| row.number("inventory_level")).sum();
        store.edit_silently("product", product, |row| {
            row.fields.insert("inventory_level".to_owned(), Json::from(sum));
        });
    }
}

fn all(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(resource) = of_kind("variant") else { return Err(Refusal::not_found()) };
    let keys = super::super::filter::chosen(call, resource, None)?;
    super::super::engine::listed(call, resource, &keys)
}

fn update_batch(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(resource) = of_kind("variant") else { return Err(Refusal::not_found()) };
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let mut pairs = Vec::with_capacity(given.len());
    for (turn, mut fields) in given.into_iter().enumerate() {
        let key = fields
            .shift_remove("id")
            .and_then(|id| Key::of(&id))
            .filter(|key| call.store.get("variant", key).is_some());
        pairs.push((key.ok_or_else(|| Refusal::field("id", "names no variant").at(turn))?, fields));
    }
    let keys = change(call, resource, pairs)?;
    Ok(written(call, resource, &keys))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(resource) = of_kind("variant") else { return Err(Refusal::not_found()) };
    let key = call.item(resource)?;
    let product = call.key(0);
    call.store.remove("variant", &key);
    if call.store.children("variant", &product).next().is_none() {
        base(call, &product);
    }
    products::touch(call.store, &product);
    Ok(Answer::empty(204))
}

/// An option takes the variants with it that are made of its values.
fn delete_option(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(resource) = of_kind("option") else { return Err(Refusal::not_found()) };
    let key = call.item(resource)?;
    let product = call.key(0);
    call.store.remove("option", &key);
    drop_variants(call, &product, |value| value.get("option_id") == Some(&key.json()));
    products::touch(call.store, &product);
    Ok(Answer::empty(204))
}

/// Removes the variants of a product of which one value fits.
pub(crate) fn drop_variants(call: &mut Call<'_>, product: &Key, fits: impl Fn(&Json) -> bool) {
    for variant in call.store.child_keys("variant", product) {
        let gone = call
            .store
            .get("variant", &variant)
            .is_some_and(|row| row.list("option_values").iter().any(&fits));
        if gone {
            call.store.remove("variant", &variant);
        }
    }
    if call.store.children("variant", product).next().is_none() {
        base(call, product);
    }
}

fn image(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(resource) = of_kind("variant") else { return Err(Refusal::not_found()) };
    let path_key = call.key(1);
    let row = call.store.get("variant", &path_key).filter(|row| row.parent == Some(call.key(0)));
    if row.is_none() {
        return Err(Refusal::not_found());
    }
    let small = call
        .form
        .as_ref()
        .and_then(|form| form.file("image_file"))
        .is_none_or(|part| part.bytes.len() <= IMAGE_MAX);
    if !small {
        return Err(Refusal::field("image_file", format!("must have at most {IMAGE_MAX} bytes")));
    }
    let url = images::one(call, resource.kind)?;
    call.store.edit_silently("variant", &path_key, |row| {
        row.fields.insert("image_url".to_owned(), Json::from(url.as_str()));
    });
    Ok(Answer::data(json!({ "image_url": url })))
}
