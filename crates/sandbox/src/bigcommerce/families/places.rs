//! Locations with their stock, shipping, taxes.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::engine::{add, change, check_batch};
use super::super::page;
use super::super::resource::{Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Row, Store, Verb};
use super::super::time::{mail, zulu};
use super::variants;

/// How many adjustments of stock one request may make.
const ADJUSTMENTS_MAX: usize = 2_000;
/// How many locations, zones and the like one request may write.
const BATCH_MAX: usize = 50;

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "location",
        path: "/v3/inventory/locations",
        batch: BATCH_MAX,
        unique: &[&["code"], &["label"]],
        defaults: r#"{"type_id":"PHYSICAL","enabled":true,"managed_by_external_source":false,"storefront_visibility":true,
            "time_zone":"Etc/UTC","description":"","special_hours":[]}"#,
        rule: location_rule,
        gone: |store, key, _| drop_stock(store, |row| row.get("location_id") == &key.json()),
        filter: location_filter,
        ..PLAIN
    },
    Resource {
        kind: "shipping_zone",
        path: "/v2/shipping/zones",
        batch: 1,
        unique: &[&["name"]],
        rule: zone_rule,
        ..PLAIN
    },
    Resource {
        kind: "shipping_method",
        path: "/v2/shipping/zones/*/methods",
        parent: "shipping_zone",
        defaults: r#"{"enabled":true,"is_fallback":false,"channel_ids":[],"settings":{}}"#,
        rule: method_rule,
        ..PLAIN
    },
    Resource {
        kind: "tax_zone",
        path: "/v3/tax/zones",
        batch: BATCH_MAX,
        unique: &[&["name"]],
        defaults: r#"{"enabled":true}"#,
        rule: tax_zone_rule,
        gone: |store, key, _| {
            let own: Vec<Key> = store
                .rows("tax_rate")
                .filter(|(_, row)| row.get("tax_zone_id") == &key.json())
                .map(|(key, _)| key.clone())
                .collect();
            for rate in own {
                store.remove("tax_rate", &rate);
            }
        },
        ..PLAIN
    },
    Resource {
        kind: "tax_rate",
        path: "/v3/tax/rates",
        batch: BATCH_MAX,
        defaults: r#"{"enabled":true,"priority":1}"#,
        rule: tax_rate_rule,
        ..PLAIN
    },
    Resource {
        kind: "tax_property",
        path: "/v3/tax/properties",
        batch: BATCH_MAX,
        unique: &[&["code", "type"]],
        rule: |call, draft| stamp(call, draft, true),
        removable: property_removable,
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("POST", "/v3/inventory/locations", create_locations),
    ("PUT", "/v3/inventory/locations", update_locations),
    ("DELETE", "/v3/inventory/locations", delete_locations),
    ("GET", "/v3/inventory/items", items),
    ("GET", "/v3/inventory/locations/*/items", items_of),
    ("PUT", "/v3/inventory/locations/*/items", put_items),
    ("PUT", "/v3/inventory/adjustments/absolute", set_stock),
    ("POST", "/v3/inventory/adjustments/relative", move_stock),
    ("POST", "/v3/tax/classes", create_classes),
    ("PUT", "/v3/tax/classes", update_classes),
    ("DELETE", "/v3/tax/classes", delete_classes),
    ("GET", "/v3/tax/products/properties", tax_of_products),
    ("PUT", "/v3/tax/products/properties", put_tax_of_products),
    ("DELETE", "/v3/tax/products/properties", delete_tax_of_products),
    ("GET", "/v3/tax/customers", tax_of_customers),
    ("PUT", "/v3/tax/customers", put_tax_of_customers),
    ("DELETE", "/v3/tax/customers", delete_tax_of_customers),
    ("PUT", "/v2/shipping/carrier/connection", connect),
    ("POST", "/v2/shipping/carrier/connection", connect),
    ("DELETE", "/v2/shipping/carrier/connection", connect),
    ("GET", "/v3/shipping/products/customs-information", customs),
    ("PUT", "/v3/shipping/products/customs-information", put_customs),
    ("DELETE", "/v3/shipping/products/customs-information", delete_customs),
];

fn kind(name: &str) -> Result<&'static Resource, Refusal> {
    of_kind(name).ok_or_else(Refusal::not_found)
}

fn stamp(call: &mut Call<'_>, draft: &mut Draft, needs_code: bool) -> Result<(), Refusal> {
    if needs_code && draft.text("code").is_empty() {
        return Err(Refusal::field("code", "must be given"));
    }
    let at = zulu(call.store.now);
    if draft.is_new() {
        draft.fields.insert("created_at".to_owned(), Json::from(at.as_str()));
    }
    draft.fields.insert("updated_at".to_owned(), Json::from(at));
    Ok(())
}

fn location_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.text("label").is_empty() {
        return Err(Refusal::field("label", "must be given"));
    }
    if draft.is_new() && draft.text("code").is_empty() {
        return Err(Refusal::field("code", "must be given"));
    }
    let country = draft.value("address").get("country_code").and_then(Json::as_str).unwrap_or_default();
    if draft.fields.contains_key("address") && super::store::country(country).is_none() {
        return Err(Refusal::field("address.country_code", "names no country"));
    }
    stamp(call, draft, false)
}

fn location_filter(_: &Store, key: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    let among = |text: &str| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(text));
    Some(match name {
        "location_id:in" => among(&key.to_string()),
        "location_code:in" => among(row.text("code")),
        "type_id:in" => among(row.text("type_id")),
        "is_default" => (key.number() == DEFAULT) == (value == "true"),
        "is_active" => row.get("enabled") == &Json::Bool(value == "true"),
        _ => return None,
    })
}

/// The location that every store has, and whose stock the catalog shows.
const DEFAULT: u64 = 1;

/// The answer of a write of stock or places: the number of the deed, and nothing of what was made.
fn deed(call: &mut Call<'_>) -> Answer {
    Answer::json(200, json!({ "transaction_id": call.store.uuid() }))
}

fn create_locations(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    add(call, kind("location")?, None, given)?;
    Ok(deed(call))
}

fn update_locations(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let mut pairs = Vec::with_capacity(given.len());
    for (turn, fields) in given.into_iter().enumerate() {
        let key = fields.get("id").and_then(Key::of).filter(|key| call.store.get("location", key).is_some());
        pairs.push((key.ok_or_else(|| Refusal::field("id", "names no location").at(turn))?, fields));
    }
    change(call, kind("location")?, pairs)?;
    Ok(deed(call))
}

fn delete_locations(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ids = call.query.numbers("location_id:in").unwrap_or_default();
    if ids.contains(&DEFAULT) {
        return Err(Refusal::field("location_id:in", "names the default location, which stays"));
    }
    if ids.iter().any(|id| !call.store.has("location", *id)) {
        return Err(Refusal::not_found());
    }
    for id in ids {
        call.store.remove("location", &Key::Number(id));
    }
    Ok(deed(call))
}

fn drop_stock(store: &mut Store, gone: impl Fn(&Row) -> bool) {
    let keys: Vec<Key> =
        store.rows("stock").filter(|(_, row)| gone(row)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        store.remove("stock", &key);
    }
}

/// The stock of a variant in a location.
fn stock_key(variant: u64, location: u64) -> Key {
    Key::Text(format!("{variant}@{location}"))
}

fn on_hand(store: &Store, variant: u64, location: u64) -> i64 {
    if location == DEFAULT {
        return store
            .at("variant", variant)
            .and_then(|row| row.get("inventory_level").as_i64())
            .unwrap_or_default();
    }
    store
        .get("stock", &stock_key(variant, location))
        .and_then(|row| row.get("on_hand").as_i64())
        .unwrap_or_default()
}

pub(crate) fn set_on_hand(store: &mut Store, variant: u64, location: u64, quantity: i64) {
    let key = Key::Number(variant);
    let Some(product) = store.get("variant", &key).and_then(|row| row.parent.clone()) else { return };
    let bare = store.get("variant", &key).is_some_and(|row| row.list("option_values").is_empty());
    // Stock has events of its own: neither product nor variant changes by it.
    if bare {
        store.tell("product_stock", product.clone(), None, Verb::Updated);
    } else {
        store.tell("variant_stock", key.clone(), Some(product.clone()), Verb::Updated);
    }
    if location == DEFAULT {
        store.edit_silently("variant", &key, |row| {
            row.fields.insert("inventory_level".to_owned(), Json::from(quantity));
        });
        if bare {
            store.edit_silently("product", &product, |row| {
                row.fields.insert("inventory_level".to_owned(), Json::from(quantity));
            });
        }
        variants::stock(store, &product);
        return;
    }
    let key = stock_key(variant, location);
    let mut row = store.get("stock", &key).cloned().unwrap_or_default();
    for (name, value) in [("variant_id", variant), ("location_id", location)] {
        row.fields.insert(name.to_owned(), Json::from(value));
    }
    row.fields.insert("on_hand".to_owned(), Json::from(quantity));
    store.put("stock", &key, row);
}

/// What is kept of a variant in a location beside its stock.
fn settings(store: &Store, variant: u64, location: u64) -> Json {
    let row = store.get("stock", &stock_key(variant, location));
    let of_variant = store.at("variant", variant);
    let kept = |name: &str| row.and_then(|row| row.fields.get(name)).cloned();
    let number = |name: &str| of_variant.map_or(Json::from(0), |row| row.get(name).clone());
    json!({
        "safety_stock": kept("safety_stock").unwrap_or(Json::from(0)),
        "is_in_stock": kept("is_in_stock").unwrap_or(Json::from(on_hand(store, variant, location) > 0)),
        "warning_level": kept("warning_level").unwrap_or_else(|| number("inventory_warning_level")),
        "bin_picking_number": kept("bin_picking_number").unwrap_or_else(|| number("bin_picking_number")),
    })
}

fn identity(row: &Row, key: &Key) -> Json {
    json!({ "sku": row.get("sku"), "sku_id": row.get("sku_id"), "variant_id": key.json(), "product_id": row.get("product_id") })
}

fn available(store: &Store, variant: u64, location: u64) -> i64 {
    let safety =
        settings(store, variant, location).get("safety_stock").and_then(Json::as_i64).unwrap_or_default();
    (on_hand(store, variant, location) - safety).max(0)
}

/// The variants that a request means.
fn wanted(call: &Call<'_>) -> Vec<Key> {
    let among = |name: &str, value: &str| {
        call.query
            .get(name)
            .is_none_or(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(value)))
    };
    call.store
        .rows("variant")
        .filter(|(key, row)| {
            among("variant_id:in", &key.to_string())
                && among("product_id:in", &row.parent_number().to_string())
                && among("sku:in", row.text("sku"))
        })
        .map(|(key, _)| key.clone())
        .collect()
}

fn items(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let page = page::cut(call, &wanted(call), (50, 1_000))?;
    let among = |name: &str, value: &str| {
        call.query
            .get(name)
            .is_none_or(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(value)))
    };
    let places: Vec<(&Key, &Row)> = call
        .store
        .rows("location")
        .filter(|(key, row)| {
            among("location_id:in", &key.to_string()) && among("location_code:in", row.text("code"))
        })
        .collect();
    let shown = page.keys.iter().filter_map(|key| {
        let row = call.store.get("variant", key)?;
        let own = places.iter().map(|(place, location)| {
            let (variant, at) = (key.number(), place.number());
            json!({ "location_id": at, "location_code": location.get("code"), "location_name": location.get("label"),
                "location_enabled": location.get("enabled"), "available_to_sell": available(call.store, variant, at),
                "total_inventory_onhand": on_hand(call.store, variant, at), "settings": settings(call.store, variant, at) })
        });
        Some(json!({ "identity": identity(row, key), "locations": own.collect::<Vec<_>>() }))
    });
    let shown: Json = shown.collect();
    Ok(Answer::envelope(200, shown, page.meta))
}

fn items_of(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let location = call.key(0);
    call.store.get("location", &location).ok_or_else(Refusal::not_found)?;
    let page = page::cut(call, &wanted(call), (50, 1_000))?;
    let at = location.number();
    let shown = page.keys.iter().filter_map(|key| {
        let row = call.store.get("variant", key)?;
        let variant = key.number();
        let mut identity = identity(row, key);
        identity.as_object_mut()?.shift_remove("sku_id");
        Some(json!({ "identity": identity, "available_to_sell": available(call.store, variant, at),
            "total_inventory_onhand": on_hand(call.store, variant, at), "settings": settings(call.store, variant, at) }))
    });
    let shown: Json = shown.collect();
    Ok(Answer::envelope(200, shown, page.meta))
}

/// The variant that an item names: by its number, its SKU, or the number of a product without options.
fn variant_of(store: &Store, item: &Json) -> Option<u64> {
    if let Some(id) = item.get("variant_id").and_then(Json::as_u64) {
        return store.has("variant", id).then_some(id);
    }
    if let Some(sku) = item.get("sku").and_then(Json::as_str) {
        return store.by_unique("variant", &format!("sku\u{1f}{}", sku.to_lowercase())).map(Key::number);
    }
    let product = item.get("product_id").and_then(Key::of)?;
    let mut own = store.children("variant", &product);
    own.next().filter(|(_, row)| row.list("option_values").is_empty()).map(|(key, _)| key.number())
}

fn put_items(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let location = call.key(0);
    call.store.get("location", &location).ok_or_else(Refusal::not_found)?;
    let given = call.body.get("settings").and_then(Json::as_array).cloned().unwrap_or_default();
    check_batch(call, given.len(), ADJUSTMENTS_MAX)?;
    let mut pairs = Vec::with_capacity(given.len());
    for (turn, setting) in given.iter().enumerate() {
        let variant = setting.get("identity").and_then(|identity| variant_of(call.store, identity));
        pairs
            .push((variant.ok_or_else(|| Refusal::field("identity", "names no variant").at(turn))?, setting));
    }
    for (variant, setting) in pairs {
        let key = stock_key(variant, location.number());
        let mut row = call.store.get("stock", &key).cloned().unwrap_or_default();
        row.fields.insert("variant_id".to_owned(), Json::from(variant));
        row.fields.insert("location_id".to_owned(), location.json());
        for name in ["safety_stock", "is_in_stock", "warning_level", "bin_picking_number"] {
            if let Some(value) = setting.get(name) {
                row.fields.insert(name.to_owned(), value.clone());
            }
        }
        call.store.put("stock", &key, row);
    }
    Ok(deed(call))
}

fn set_stock(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    adjust(call, |_, quantity| quantity)
}

fn move_stock(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    adjust(call, |before, quantity| before + quantity)
}

fn adjust(call: &mut Call<'_>, after: fn(i64, i64) -> i64) -> Result<Answer, Refusal> {
    let given = call.body.get("items").and_then(Json::as_array).cloned().unwrap_or_default();
    check_batch(call, given.len(), ADJUSTMENTS_MAX)?;
    let mut deeds = Vec::with_capacity(given.len());
    for (turn, item) in given.iter().enumerate() {
        let refuse = |field: &str, what: &str| Refusal::field(format!("items.{turn}.{field}"), what);
        let location = item.get("location_id").and_then(Json::as_u64).unwrap_or_default();
        if !call.store.has("location", location) {
            return Err(refuse("location_id", "names no location"));
        }
        let variant = variant_of(call.store, item).ok_or_else(|| refuse("variant_id", "names no variant"))?;
        let quantity = item.get("quantity").and_then(Json::as_i64).unwrap_or_default();
        let level = after(on_hand(call.store, variant, location), quantity);
        if level < 0 {
            return Err(refuse("quantity", "leaves less than nothing"));
        }
        deeds.push((variant, location, level));
    }
    for (variant, location, level) in deeds {
        set_on_hand(call.store, variant, location, level);
    }
    Ok(deed(call))
}

fn zone_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.value("type").as_str() == Some("global")
        && draft.is_new()
        && call.store.rows("shipping_zone").any(|(_, row)| row.text("type") == "global")
    {
        return Err(Refusal::field("type", "global is that of another zone"));
    }
    if let Some(Json::Array(locations)) = draft.fields.get("locations").cloned() {
        let mut kept = Vec::with_capacity(locations.len());
        for mut location in locations.into_iter().filter_map(|one| one.as_object().cloned()) {
            let country = location.get("country_iso2").and_then(Json::as_str).unwrap_or_default();
            if super::store::country(country).is_none() {
                return Err(Refusal::field("locations.country_iso2", "names no country"));
            }
            location.shift_remove("id");
            let id = call.store.mint("shipping_zone_location");
            location.shift_insert(0, "id".to_owned(), Json::from(id));
            kept.push(Json::Object(location));
        }
        draft.fields.insert("locations".to_owned(), Json::Array(kept));
    }
    Ok(())
}

fn method_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    for channel in draft.fields.get("channel_ids").and_then(Json::as_array).into_iter().flatten() {
        if !call.store.has("channel", channel.as_u64().unwrap_or_default()) {
            return Err(Refusal::field("channel_ids", "names no channel"));
        }
    }
    // Methods of a carrier need what only the shop's owner has given to it, and nobody can read.
    let own = ["perorder", "peritem", "weight", "total", "freeshipping"];
    if draft.is_new() && !own.contains(&draft.text("type")) {
        return Err(Refusal::field("type", "needs a connection to the carrier"));
    }
    Ok(())
}

fn connect(_: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::empty(204))
}

fn tax_zone_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let groups = draft
        .fields
        .get("shopper_target_settings")
        .and_then(|target| target.get("customer_groups")?.as_array());
    for group in groups.into_iter().flatten() {
        if !call.store.has("customer_group", group.as_u64().unwrap_or_default()) {
            return Err(Refusal::field("shopper_target_settings.customer_groups", "names no customer group"));
        }
    }
    Ok(())
}

fn tax_rate_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if !call.store.has("tax_zone", draft.value("tax_zone_id").as_u64().unwrap_or_default()) {
        return Err(Refusal::field("tax_zone_id", "names no tax zone"));
    }
    for rate in draft.fields.get("class_rates").and_then(Json::as_array).into_iter().flatten() {
        let class = rate.get("tax_class_id").and_then(Json::as_u64).unwrap_or_default();
        if class != 0 && !call.store.has("tax_class", class) {
            return Err(Refusal::field("class_rates", "names no tax class"));
        }
    }
    Ok(())
}

/// Classes are written by V3 and read by V2, which writes their numbers as texts.
fn class(store: &Store, key: &Key) -> Json {
    store.get("tax_class", key).map_or(Json::Null, |row| {
        let mut fields = row.fields.clone();
        fields.insert("id".to_owned(), key.json());
        Json::Object(fields)
    })
}

fn put_class(store: &mut Store, key: &Key, name: &Json) {
    let at = mail(store.now);
    let mut row = store.get("tax_class", key).cloned().unwrap_or_default();
    row.fields.shift_insert(0, "id".to_owned(), Json::from(key.to_string()));
    row.fields.insert("name".to_owned(), name.clone());
    row.fields.entry("created_at".to_owned()).or_insert(Json::from(at.as_str()));
    row.fields.insert("updated_at".to_owned(), Json::from(at));
    store.put("tax_class", key, row);
}

fn free_name(call: &Call<'_>, fields: &Obj, own: Option<&Key>) -> Result<Json, Refusal> {
    let name = fields.get("name").cloned().unwrap_or_default();
    let taken = call.store.rows("tax_class").any(|(key, row)| {
        Some(key) != own && row.text("name").eq_ignore_ascii_case(name.as_str().unwrap_or_default())
    });
    if taken { Err(Refusal::conflict("name", "The name is taken by another class.")) } else { Ok(name) }
}

fn create_classes(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let names: Result<Vec<Json>, Refusal> =
        given.iter().map(|fields| free_name(call, fields, None)).collect();
    let mut shown = Vec::new();
    for name in names? {
        let key = Key::Number(call.store.mint("tax_class"));
        put_class(call.store, &key, &name);
        shown.push(class(call.store, &key));
    }
    Ok(Answer::data(Json::Array(shown)))
}

fn update_classes(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let mut shown = Vec::new();
    for (turn, fields) in given.iter().enumerate() {
        let key = fields.get("id").and_then(Key::of).filter(|key| call.store.get("tax_class", key).is_some());
        let key = key.ok_or_else(|| Refusal::field("id", "names no class").at(turn))?;
        let name = free_name(call, fields, Some(&key))?;
        put_class(call.store, &key, &name);
        shown.push(class(call.store, &key));
    }
    Ok(Answer::data(Json::Array(shown)))
}

fn delete_classes(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    for id in call.query.numbers("id:in").unwrap_or_default() {
        if call.store.remove("tax_class", &Key::Number(id)).is_none() {
            return Err(Refusal::not_found());
        }
    }
    Ok(Answer::empty(204))
}

/// A property that a product has stays.
fn property_removable(call: &Call<'_>, _: &Key, row: &Row) -> Result<(), Refusal> {
    let code = row.text("code");
    let has = |product: &Row| product.hidden.get("tax_properties").is_some_and(|all| all.get(code).is_some());
    if row.text("type") == "PRODUCT" && call.store.rows("product").any(|(_, product)| has(product)) {
        return Err(Refusal::conflict("id", "The property is one of a product's."));
    }
    Ok(())
}

/// Values of tax properties of products or customers: the kind whose they are, the field that names one.
struct TaxOf {
    owner: &'static str,
    field: &'static str,
}

const PRODUCTS: TaxOf = TaxOf { owner: "product", field: "product_id" };
const CUSTOMERS: TaxOf = TaxOf { owner: "customer", field: "customer_id" };

fn tax_of(call: &Call<'_>, of: &TaxOf) -> Result<Answer, Refusal> {
    let wanted = call.query.numbers(&format!("{}:in", of.field));
    let shown = call
        .store
        .rows(of.owner)
        .filter(|(key, _)| wanted.as_ref().is_none_or(|list| list.contains(&key.number())))
        .filter_map(|(key, row)| {
            Some(json!({ of.field: key.json(), "tax_properties": row.hidden.get("tax_properties")? }))
        });
    Ok(Answer::data(shown.collect()))
}

fn put_tax_of(call: &mut Call<'_>, of: &TaxOf) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    for (turn, fields) in given.iter().enumerate() {
        let key =
            fields.get(of.field).and_then(Key::of).filter(|key| call.store.get(of.owner, key).is_some());
        if key.is_none() {
            return Err(Refusal::field(of.field, format!("names no {}", of.owner)).at(turn));
        }
        for code in
            fields.get("tax_properties").and_then(Json::as_object).into_iter().flatten().map(|(code, _)| code)
        {
            let wanted = of.owner.to_uppercase();
            if !call
                .store
                .rows("tax_property")
                .any(|(_, row)| row.text("code") == code && row.text("type") == wanted)
            {
                return Err(Refusal::field("tax_properties", format!("`{code}` is no property")).at(turn));
            }
        }
    }
    for fields in &given {
        let Some(key) = fields.get(of.field).and_then(Key::of) else { continue };
        let properties = fields.get("tax_properties").cloned().unwrap_or_default();
        call.store.edit_silently(of.owner, &key, |row| {
            row.hidden.insert("tax_properties".to_owned(), properties);
        });
    }
    Ok(Answer::data(call.body.clone()))
}

fn delete_tax_of(call: &mut Call<'_>, of: &TaxOf) -> Result<Answer, Refusal> {
    for id in call.query.numbers(&format!("{}:in", of.field)).unwrap_or_default() {
        call.store.edit_silently(of.owner, &Key::Number(id), |row| {
            row.hidden.shift_remove("tax_properties");
        });
    }
    Ok(Answer::empty(204))
}

fn tax_of_products(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    tax_of(call, &PRODUCTS)
}

fn put_tax_of_products(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    put_tax_of(call, &PRODUCTS)
}

fn delete_tax_of_products(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    delete_tax_of(call, &PRODUCTS)
}

fn tax_of_customers(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    tax_of(call, &CUSTOMERS)
}

fn put_tax_of_customers(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    put_tax_of(call, &CUSTOMERS)
}

fn delete_tax_of_customers(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    delete_tax_of(call, &CUSTOMERS)
}

fn customs(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.query.numbers("product_id:in");
    let keys: Vec<Key> = call
        .store
        .rows("product")
        .filter(|(key, row)| {
            wanted.as_ref().is_none_or(|list| list.contains(&key.number()))
                && row.hidden.contains_key("customs")
        })
        .map(|(key, _)| key.clone())
        .collect();
    let page = page::cut(call, &keys, (50, 250))?;
    let shown: Json = page
        .keys
        .iter()
        .filter_map(|key| call.store.get("product", key)?.hidden.get("customs").cloned())
        .collect();
    Ok(Answer::envelope(200, shown, page.meta))
}

fn put_customs(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let at = zulu(call.store.now);
    let mut shown = Vec::new();
    for (turn, mut fields) in given.into_iter().enumerate() {
        let key =
            fields.get("product_id").and_then(Key::of).filter(|key| call.store.get("product", key).is_some());
        let key = key.ok_or_else(|| Refusal::field("product_id", "names no product").at(turn))?;
        let old = call
            .store
            .get("product", &key)
            .and_then(|row| row.hidden.get("customs")?.get("created_at").cloned());
        fields.insert("created_at".to_owned(), old.unwrap_or(Json::from(at.as_str())));
        fields.insert("updated_at".to_owned(), Json::from(at.as_str()));
        let kept = Json::Object(fields);
        shown.push(kept.clone());
        call.store.edit_silently("product", &key, |row| {
            row.hidden.insert("customs".to_owned(), kept);
        });
    }
    Ok(Answer::data(Json::Array(shown)))
}

fn delete_customs(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    for id in call.query.numbers("product_id:in").unwrap_or_default() {
        call.store.edit_silently("product", &Key::Number(id), |row| {
            row.hidden.shift_remove("customs");
        });
    }
    Ok(Answer::empty(204))
}
