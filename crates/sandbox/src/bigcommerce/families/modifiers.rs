//! Modifiers of products, values of modifiers and of options, and rules over them.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::engine::{done, reply};
use super::super::page;
use super::super::resource::{Draft, Handler, PLAIN, Resource, of_kind, starred};
use super::super::store::{Key, Obj, Store};
use super::{images, products, variants};

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "modifier",
        path: "/v3/catalog/products/*/modifiers",
        parent: "product",
        unique: &[&["display_name", "^"]],
        defaults: r#"{"option_values":[],"config":{},"sort_order":0}"#,
        rule: modifier_rule,
        written: touch_parent,
        ..PLAIN
    },
    Resource {
        kind: "complex_rule",
        path: "/v3/catalog/products/*/complex-rules",
        parent: "product",
        defaults: r#"{"enabled":true,"stop":false,"purchasing_disabled":false,"purchasing_hidden":false,"image_url":"",
            "price_adjuster":null,"weight_adjuster":null}"#,
        rule: complex_rule,
        written: touch_parent,
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("GET", "/v3/catalog/products/*/modifiers/*/values", values),
    ("POST", "/v3/catalog/products/*/modifiers/*/values", add_value),
    ("GET", "/v3/catalog/products/*/modifiers/*/values/*", value),
    ("PUT", "/v3/catalog/products/*/modifiers/*/values/*", change_value),
    ("DELETE", "/v3/catalog/products/*/modifiers/*/values/*", delete_value),
    ("POST", "/v3/catalog/products/*/modifiers/*/values/*/image", value_image),
];

/// How many values an option or a modifier may have.
const VALUES_MAX: usize = 250;

/// Types of modifiers whose values a request gives.
const WITH_VALUES: &[&str] =
    &["radio_buttons", "rectangles", "dropdown", "product_list", "product_list_with_images", "swatch"];

fn touch_parent(
    call: &mut Call<'_>,
    resource: &'static Resource,
    key: &Key,
    _: &Obj,
    _: bool,
) -> Result<(), Refusal> {
    if let Some(product) = call.store.get(resource.kind, key).and_then(|row| row.parent.clone()) {
        products::touch(call.store, &product);
    }
    Ok(())
}

fn modifier_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let kind = draft.text("type").to_owned();
    if let Some((_, old)) = &draft.old
        && old.text("type") != kind
    {
        return Err(Refusal::field("type", "cannot be changed"));
    }
    let Some(product) = draft.parent.clone() else { return Ok(()) };
    let given = draft.fields.get("option_values").and_then(Json::as_array).cloned();
    if draft.is_new() {
        draft.fields.insert("product_id".to_owned(), product.json());
        let name = format!("{}{}-{product}", draft.text("display_name"), call.store.now.as_second());
        draft.fields.insert("name".to_owned(), Json::from(name));
        match kind.as_str() {
            // The two values of a checkbox are the platform's own: their adjusters wait for a later request.
            "checkbox" => {
                if given.is_some() {
                    return Err(Refusal::field("option_values", "of a checkbox are set when it is there"));
                }
                let config = draft.value("config");
                if config.get("checkbox_label").and_then(Json::as_str).unwrap_or_default().is_empty() {
                    return Err(Refusal::field("config.checkbox_label", "must be given"));
                }
                let checked = config.get("checked_by_default").and_then(Json::as_bool).unwrap_or_default();
                let own: Vec<Json> = [("Yes", true), ("No", false)]
                    .iter()
                    .enumerate()
                    .map(|(turn, (label, is))| {
                        json!({ "label": label, "sort_order": turn, "is_default": *is == checked, "value_data": { "checked_value": is } })
                    })
                    .collect();
                let values = take_values(call, "modifier_value", &[], &own)?;
                draft.fields.insert("option_values".to_owned(), Json::Array(values));
                return Ok(());
            }
            kind if WITH_VALUES.contains(&kind) && given.as_ref().is_none_or(Vec::is_empty) => {
                return Err(Refusal::field("option_values", "must be given"));
            }
            _ => {}
        }
    }
    let Some(given) = given else { return Ok(()) };
    if !WITH_VALUES.contains(&kind.as_str()) && kind != "checkbox" && !given.is_empty() {
        return Err(Refusal::field("option_values", format!("has no place in a modifier of type {kind}")));
    }
    let old = draft.old.as_ref().map(|(_, row)| row.list("option_values").to_vec()).unwrap_or_default();
    let mut values = take_values(call, "modifier_value", &old, &given)?;
    check_values(&kind, &values)?;
    let own = draft.old.as_ref().map(|(key, _)| key.json());
    for value in values.iter_mut().filter_map(Json::as_object_mut) {
        value.insert("option_id".to_owned(), own.clone().unwrap_or(Json::Null));
    }
    draft.fields.insert("option_values".to_owned(), Json::Array(values));
    Ok(())
}

/// The values of a list as they will be kept: what names an id stays that value, what does not gets a new id. Values
/// that the list leaves out are gone.
pub(crate) fn take_values(
    call: &mut Call<'_>,
    kind: &'static str,
    old: &[Json],
    given: &[Json],
) -> Result<Vec<Json>, Refusal> {
    if given.len() > VALUES_MAX {
        return Err(Refusal::field("option_values", format!("must hold at most {VALUES_MAX}")));
    }
    let mut values: Vec<Json> = Vec::with_capacity(given.len());
    for (turn, value) in given.iter().enumerate() {
        let at = |refusal: Refusal| Refusal {
            errors: refusal
                .errors
                .into_iter()
                .map(|(field, what)| (format!("option_values.{turn}.{field}"), what))
                .collect(),
            ..refusal
        };
        let id = value.get("id").filter(|id| !id.is_null());
        let known = id.and_then(|id| old.iter().find(|known| known.get("id") == Some(id)));
        if id.is_some() && known.is_none() {
            return Err(at(Refusal::field("id", "names no value that is there")));
        }
        let kept = one_value(call, kind, known, value).map_err(at)?;
        let label = |value: &Json| value.get("label").and_then(Json::as_str).map(str::to_lowercase);
        if values.iter().any(|other| label(other) == label(&kept)) {
            return Err(at(Refusal::field("label", "is given twice")));
        }
        values.push(kept);
    }
    Ok(values)
}

/// Whether values have what their type cannot do without.
pub(crate) fn check_values(of: &str, values: &[Json]) -> Result<(), Refusal> {
    for (turn, value) in values.iter().enumerate() {
        let data = value.get("value_data");
        let has = |name: &str| data.and_then(|data| data.get(name)).is_some_and(|part| !part.is_null());
        let lacks = match of {
            "swatch" if !has("colors") && !has("image_url") => "colors",
            "product_list" | "product_list_with_images" if !has("product_id") => "product_id",
            _ => continue,
        };
        return Err(Refusal::field(format!("option_values.{turn}.value_data.{lacks}"), "must be given"));
    }
    Ok(())
}

fn one_value(
    call: &mut Call<'_>,
    kind: &'static str,
    old: Option<&Json>,
    given: &Json,
) -> Result<Json, Refusal> {
    let mut value = old.and_then(Json::as_object).cloned().unwrap_or_default();
    for (name, part) in given.as_object().into_iter().flatten() {
        value.insert(name.clone(), part.clone());
    }
    if value.get("label").and_then(Json::as_str).unwrap_or_default().is_empty() {
        return Err(Refusal::field("label", "must be given"));
    }
    let product = given.pointer("/value_data/product_id").and_then(Json::as_u64);
    if product.is_some_and(|product| !call.store.has("product", product)) {
        return Err(Refusal::field("value_data.product_id", "names no product"));
    }
    if old.is_none() {
        let id = call.store.mint(kind);
        value.shift_insert(0, "id".to_owned(), Json::from(id));
    }
    for (name, default) in
        [("sort_order", json!(0)), ("is_default", json!(false)), ("value_data", Json::Null)]
    {
        value.entry(name.to_owned()).or_insert(default);
    }
    if kind == "modifier_value" {
        let nothing = json!({ "price": null, "weight": null, "image_url": "",
            "purchasing_disabled": { "status": false, "message": "" } });
        let mut adjusters = nothing.as_object().cloned().unwrap_or_default();
        for (name, part) in value.get("adjusters").and_then(Json::as_object).into_iter().flatten() {
            adjusters.insert(name.clone(), part.clone());
        }
        value.insert("adjusters".to_owned(), Json::Object(adjusters));
    }
    Ok(Json::Object(value))
}

/// The option or modifier that the path means, and the kind of its values.
fn holder(call: &Call<'_>) -> Result<(&'static Resource, Key, &'static str), Refusal> {
    let path = starred(call.operation.path);
    let (kind, values) = if path.contains("/modifiers/") {
        ("modifier", "modifier_value")
    } else {
        ("option", "option_value")
    };
    let resource = of_kind(kind).ok_or_else(Refusal::not_found)?;
    let key = call.key(1);
    let row = call.store.get(kind, &key).filter(|row| row.parent == Some(call.key(0)));
    row.map(|_| (resource, key, values)).ok_or_else(Refusal::not_found)
}

fn list_of(call: &Call<'_>, resource: &Resource, key: &Key) -> Vec<Json> {
    call.store.get(resource.kind, key).map(|row| row.list("option_values").to_vec()).unwrap_or_default()
}

fn keep(call: &mut Call<'_>, resource: &'static Resource, key: &Key, values: Vec<Json>) {
    call.store.edit(resource.kind, key, |row| {
        row.fields.insert("option_values".to_owned(), Json::Array(values));
    });
    let product = call.key(0);
    products::touch(call.store, &product);
}

pub(crate) fn values(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (resource, key, _) = holder(call)?;
    let list = list_of(call, resource, &key);
    let id = |value: &Json| value.get("id").and_then(Key::of);
    let keys: Vec<Key> = list.iter().filter_map(id).collect();
    let page = page::cut(call, &keys, resource.page)?;
    let shown: Vec<&Json> =
        list.iter().filter(|value| id(value).is_some_and(|key| page.keys.contains(&key))).collect();
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

fn find(call: &Call<'_>, list: &[Json]) -> Result<usize, Refusal> {
    let wanted = call.key(2).json();
    list.iter().position(|value| value.get("id") == Some(&wanted)).ok_or_else(Refusal::not_found)
}

pub(crate) fn value(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (resource, key, _) = holder(call)?;
    let list = list_of(call, resource, &key);
    let at = find(call, &list)?;
    Ok(reply(call, list.get(at).cloned().unwrap_or_default()))
}

pub(crate) fn add_value(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (resource, key, kind) = holder(call)?;
    let mut list = list_of(call, resource, &key);
    let given = call.body.clone();
    let mut value = one_value(call, kind, None, &given)?;
    let of = call.store.get(resource.kind, &key).map(|row| row.text("type").to_owned()).unwrap_or_default();
    check_values(&of, std::slice::from_ref(&value))?;
    if list.iter().any(|known| known.get("label") == value.get("label")) {
        return Err(Refusal::field("label", "is that of another value"));
    }
    if resource.kind == "modifier"
        && let Some(value) = value.as_object_mut()
    {
        value.insert("option_id".to_owned(), key.json());
    }
    if list.len() >= VALUES_MAX {
        return Err(Refusal::field("", format!("An option has at most {VALUES_MAX} values.")));
    }
    list.push(value.clone());
    keep(call, resource, &key, list);
    Ok(reply(call, value))
}

pub(crate) fn change_value(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (resource, key, kind) = holder(call)?;
    let mut list = list_of(call, resource, &key);
    let at = find(call, &list)?;
    let mut given = call.object();
    given.shift_remove("id");
    let value = one_value(call, kind, list.get(at), &Json::Object(given))?;
    if let Some(place) = list.get_mut(at) {
        place.clone_from(&value);
    }
    keep(call, resource, &key, list);
    if resource.kind == "option" {
        (resource.written)(call, resource, &key, &Obj::new(), false)?;
    }
    Ok(reply(call, value))
}

pub(crate) fn delete_value(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (resource, key, _) = holder(call)?;
    let mut list = list_of(call, resource, &key);
    let at = find(call, &list)?;
    let gone = list.remove(at);
    keep(call, resource, &key, list);
    if resource.kind == "option" {
        let product = call.key(0);
        variants::drop_variants(call, &product, |value| {
            value.get("id") == gone.get("id") && value.get("option_id") == Some(&key.json())
        });
    }
    Ok(done(call))
}

fn value_image(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (resource, key, _) = holder(call)?;
    let mut list = list_of(call, resource, &key);
    let at = find(call, &list)?;
    let url = images::one(call, "modifier_value")?;
    if let Some(adjusters) =
        list.get_mut(at).and_then(|value| value.get_mut("adjusters")).and_then(Json::as_object_mut)
    {
        adjusters.insert("image_url".to_owned(), Json::from(url.as_str()));
    }
    keep(call, resource, &key, list);
    Ok(Answer::data(json!({ "image_url": url })))
}

fn complex_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let Some(product) = draft.parent.clone() else { return Ok(()) };
    if draft.is_new() {
        draft.fields.insert("product_id".to_owned(), product.json());
    }
    let Some(Json::Array(given)) = draft.fields.get("conditions").cloned() else {
        return if draft.is_new() { Err(Refusal::field("conditions", "must be given")) } else { Ok(()) };
    };
    if given.len() < 2 {
        return Err(Refusal::field("conditions", "must be at least two"));
    }
    let number =
        |condition: &Json, name: &str| condition.get(name).and_then(Json::as_u64).unwrap_or_default();
    let mut kept = Vec::new();
    for condition in &given {
        let (modifier, value, variant) = (
            number(condition, "modifier_id"),
            number(condition, "modifier_value_id"),
            number(condition, "variant_id"),
        );
        let of_product =
            |kind: &str, id: u64| call.store.at(kind, id).filter(|row| row.parent.as_ref() == Some(&product));
        let good = if variant != 0 {
            modifier == 0 && of_product("variant", variant).is_some()
        } else {
            of_product("modifier", modifier)
                .is_some_and(|row| row.list("option_values").iter().any(|known| number(known, "id") == value))
        };
        if !good {
            return Err(Refusal::field(
                "conditions",
                "names a modifier, value or variant that the product does not have",
            ));
        }
        let id = |id: u64| if id == 0 { Json::Null } else { Json::from(id) };
        kept.push(json!({ "id": call.store.mint("condition"), "rule_id": null, "modifier_id": id(modifier),
            "modifier_value_id": id(value), "variant_id": id(variant), "combination_id": 0 }));
    }
    draft.fields.insert("conditions".to_owned(), Json::Array(kept));
    Ok(())
}

/// Products whose modifiers list this one.
pub(crate) fn relations(store: &Store, product: u64) -> Vec<Json> {
    store
        .rows("modifier")
        .filter(|(_, row)| {
            row.list("option_values").iter().any(|value| value.pointer("/value_data/product_id").and_then(Json::as_u64) == Some(product))
        })
        .map(|(key, row)| json!({ "product_id": row.get("product_id"), "type": "modifier", "attribute_id": key.json() }))
        .collect()
}
