//! Products, and what is told of them in lists of their own: custom fields, prices by quantity, videos, reviews.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::engine::{add, change, check_batch, now, show, written};
use super::super::filter::compare;
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Row, Store};
use super::{images, variants};

/// How many products one request may change.
const BATCH_MAX: usize = 10;
/// How many products one request may delete.
const DELETE_MAX: usize = 250;
/// How many custom fields a product may have.
const CUSTOM_FIELDS_MAX: usize = 200;

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "product",
        path: "/v3/catalog/products",
        dates: Dates::Offset,
        unique: &[&["name"], &["sku"], &["path"]],
        defaults: r#"{"type":"physical","condition":"New","availability":"available","related_products":[-1],
            "inventory_tracking":"none","is_visible":true,"gift_wrapping_options_type":"any","option_set_display":"right",
            "open_graph_type":"product","open_graph_use_meta_description":true,"open_graph_use_product_name":true,
            "open_graph_use_image":true,"option_set_id":null,"preorder_release_date":null,"date_last_imported":""}"#,
        omit: &[
            "bulk_pricing_rules",
            "channels",
            "custom_fields",
            "images",
            "modifiers",
            "options",
            "parent_relations",
            "primary_image",
            "reviews",
            "variants",
            "videos",
        ],
        rule,
        written: after,
        gone,
        view,
        filter,
        ..PLAIN
    },
    Resource {
        kind: "custom_field",
        path: "/v3/catalog/products/*/custom-fields",
        parent: "product",
        unique: &[&["name", "value", "^"]],
        rule: custom_field_rule,
        written: touch_parent,
        ..PLAIN
    },
    Resource {
        kind: "bulk_pricing_rule",
        path: "/v3/catalog/products/*/bulk-pricing-rules",
        parent: "product",
        rule: bulk_rule,
        written: touch_parent,
        ..PLAIN
    },
    Resource {
        kind: "video",
        path: "/v3/catalog/products/*/videos",
        parent: "product",
        defaults: r#"{"type":"youtube"}"#,
        rule: video_rule,
        written: touch_parent,
        ..PLAIN
    },
    Resource {
        kind: "review",
        path: "/v3/catalog/products/*/reviews",
        parent: "product",
        dates: Dates::Offset,
        defaults: r#"{"status":"pending"}"#,
        rule: review_rule,
        written: count_reviews,
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("DELETE", "/v3/catalog/products", delete_many),
    ("PUT", "/v3/catalog/products", update_batch),
    ("GET", "/v3/catalog/summary", summary),
];

/// What the platform counts.
const COUNTED: &[&str] = &["reviews_count", "reviews_rating_sum", "total_sold", "view_count"];

/// Lists of a product that may ride in its body: field, kind.
const RIDERS: &[(&str, &str)] =
    &[("custom_fields", "custom_field"), ("bulk_pricing_rules", "bulk_pricing_rule"), ("videos", "video")];

fn rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if let Some(Json::Array(categories)) = draft.fields.get("categories") {
        let known = categories.iter().all(|id| call.store.has("category", id.as_u64().unwrap_or_default()));
        if !known {
            return Err(Refusal::conflict("categories", "One of the categories does not exist."));
        }
    }
    brand(call, draft)?;
    let class = draft.fields.get("tax_class_id").and_then(Json::as_u64).unwrap_or_default();
    if class != 0 && !call.store.has("tax_class", class) {
        return Err(Refusal::conflict("tax_class_id", "The tax class does not exist."));
    }
    if let Some(Json::Array(related)) = draft.fields.get("related_products") {
        let known =
            |id: &Json| id.as_i64() == Some(-1) || call.store.has("product", id.as_u64().unwrap_or_default());
        if !related.iter().all(known) {
            return Err(Refusal::field("related_products", "names a product that does not exist"));
        }
    }
    if let Some(sku) = draft.fields.get("sku").and_then(Json::as_str).filter(|sku| !sku.is_empty()) {
        let own = draft.old.as_ref().map(|(key, _)| key.clone());
        variants::check_sku(call.store, sku, own.as_ref())?;
    }
    // What the platform counts itself may be sent, and is not kept.
    for name in COUNTED {
        draft.fields.shift_remove(*name);
    }
    url(call, draft);
    if let Some(weight) = draft.fields.get("weight").and_then(Json::as_f64).filter(|weight| *weight < 0.0) {
        return Err(Refusal::field("weight", format!("must not be {weight}")));
    }
    // What rides in the body is written when the product is there.
    for name in RIDERS.iter().map(|(field, _)| *field).chain(["images", "variants"]) {
        if let Some(list) = draft.fields.shift_remove(name) {
            draft.hidden.insert(name.to_owned(), list);
        }
    }
    if draft.is_new()
        && let Some(Json::Array(list)) = draft.hidden.get("variants")
    {
        variants::check_new(call.store, list)?;
    }
    if let Some(Json::Array(list)) = draft.hidden.get("images") {
        images::check_riders(call.store, list)?;
    }
    price(draft);
    Ok(())
}

fn brand(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if let Some(Json::String(name)) = draft.fields.shift_remove("brand_name") {
        let known = call.store.by_unique("brand", &format!("name\u{1f}{}", name.to_lowercase())).cloned();
        let key = match (known, of_kind("brand")) {
            (Some(key), _) => key,
            (None, Some(brands)) => {
                let fields = json!({ "name": name }).as_object().cloned().unwrap_or_default();
                add(call, brands, None, vec![fields])?.pop().unwrap_or(Key::Number(0))
            }
            (None, None) => Key::Number(0),
        };
        draft.fields.insert("brand_id".to_owned(), key.json());
    }
    let brand = draft.fields.get("brand_id").and_then(Json::as_u64).unwrap_or_default();
    if brand != 0 && !call.store.has("brand", brand) {
        return Err(Refusal::conflict("brand_id", "The brand does not exist."));
    }
    Ok(())
}

/// The product's own address: given, or made of its name. It is unique, and kept apart for that.
fn url(call: &Call<'_>, draft: &mut Draft) {
    let given = draft.fields.get("custom_url").and_then(Json::as_object).cloned();
    if given.is_none() && !draft.is_new() {
        return;
    }
    let given = given.unwrap_or_default();
    let text = given.get("url").and_then(Json::as_str).filter(|url| !url.is_empty());
    let path = match text {
        Some(url) => url.to_owned(),
        None => free_path(call.store, &handle(draft.text("name"))),
    };
    let customized = given.get("is_customized").cloned().unwrap_or_else(|| Json::Bool(text.is_some()));
    draft.hidden.insert("path".to_owned(), Json::from(path.as_str()));
    draft.fields.insert("custom_url".to_owned(), json!({ "url": path, "is_customized": customized }));
}

fn free_path(store: &Store, base: &str) -> String {
    let taken = |path: &str| store.by_unique("product", &format!("path\u{1f}{path}")).is_some();
    let first = format!("/{base}/");
    if !taken(&first) {
        return first;
    }
    (1_u32..).map(|turn| format!("/{base}-{turn}/")).find(|path| !taken(path)).unwrap_or(first)
}

/// A name as an address writes it.
pub(crate) fn handle(name: &str) -> String {
    let letters = name
        .to_lowercase()
        .chars()
        .map(|letter| if letter.is_alphanumeric() { letter } else { '-' })
        .collect::<String>();
    letters.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The price that is asked: the lower one, where there is one.
fn price(draft: &mut Draft) {
    let (sale, price) =
        (draft.value("sale_price").as_f64().unwrap_or_default(), draft.value("price").clone());
    let shown = if sale > 0.0 { draft.value("sale_price").clone() } else { price };
    draft.fields.insert("calculated_price".to_owned(), shown);
}

fn after(call: &mut Call<'_>, _: &'static Resource, key: &Key, _: &Obj, new: bool) -> Result<(), Refusal> {
    let mut riders = Obj::new();
    call.store.edit_silently("product", key, |row| {
        for name in RIDERS.iter().map(|(field, _)| *field).chain(["images", "variants"]) {
            if let Some(list) = row.hidden.shift_remove(name) {
                riders.insert(name.to_owned(), list);
            }
        }
    });
    for (field, kind) in RIDERS {
        let (Some(Json::Array(list)), Some(resource)) = (riders.get(*field), of_kind(kind)) else { continue };
        ride(call, resource, key, list, *field == "bulk_pricing_rules")?;
    }
    if new {
        let list = riders.get("variants").and_then(Json::as_array).cloned().unwrap_or_default();
        variants::make(call, key, &list)?;
        let channel = call.store.rows("channel").next().map(|(key, _)| key.number());
        if let Some(channel) = channel {
            super::categories::assign_channel(call.store, key.number(), channel);
        }
    } else {
        variants::follow(call.store, key);
    }
    if let Some(Json::Array(list)) = riders.get("images") {
        images::ride(call, key, list)?;
    }
    Ok(())
}

/// Lists in a product's body: what names an id is changed, what does not is new.
fn ride(
    call: &mut Call<'_>,
    resource: &'static Resource,
    product: &Key,
    list: &[Json],
    replaces: bool,
) -> Result<(), Refusal> {
    if replaces {
        for key in call.store.child_keys(resource.kind, product) {
            call.store.remove(resource.kind, &key);
        }
    }
    for mut fields in list.iter().filter_map(Json::as_object).cloned() {
        let id = fields.shift_remove("id").and_then(|id| Key::of(&id));
        let own = id.filter(|id| {
            call.store.get(resource.kind, id).is_some_and(|row| row.parent.as_ref() == Some(product))
        });
        fields.shift_remove("product_id");
        match own {
            Some(id) => change(call, resource, vec![(id, fields)])?,
            None => add(call, resource, Some(product), vec![fields])?,
        };
    }
    Ok(())
}

/// Products are no longer related to one that is gone.
fn gone(store: &mut Store, key: &Key, _: &Row) {
    let id = key.json();
    let others: Vec<Key> = store
        .rows("product")
        .filter(|(_, row)| row.list("related_products").contains(&id))
        .map(|(key, _)| key.clone())
        .collect();
    for other in others {
        store.edit_silently("product", &other, |row| {
            if let Some(Json::Array(list)) = row.fields.get_mut("related_products") {
                list.retain(|one| *one != id);
            }
        });
    }
}

fn touch_parent(
    call: &mut Call<'_>,
    resource: &'static Resource,
    key: &Key,
    _: &Obj,
    _: bool,
) -> Result<(), Refusal> {
    if let Some(product) = call.store.get(resource.kind, key).and_then(|row| row.parent.clone()) {
        touch(call.store, &product);
    }
    Ok(())
}

/// Stamps a product as changed now.
pub(crate) fn touch(store: &mut Store, product: &Key) {
    let Some(at) = of_kind("product").and_then(|products| now(products, store)) else { return };
    store.edit("product", product, |row| {
        row.fields.insert("date_modified".to_owned(), Json::from(at));
    });
}

fn custom_field_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let count =
        draft.parent.as_ref().map_or(0, |product| call.store.children("custom_field", product).count());
    if draft.is_new() && count >= CUSTOM_FIELDS_MAX {
        return Err(Refusal::field("", format!("A product has at most {CUSTOM_FIELDS_MAX} custom fields.")));
    }
    Ok(())
}

fn bulk_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let number = |value: &Json| value.as_u64().unwrap_or_default();
    let (low, high) = (number(draft.value("quantity_min")), number(draft.value("quantity_max")));
    if high != 0 && high < low {
        return Err(Refusal::field("quantity_max", "must not be below quantity_min"));
    }
    let Some(product) = &draft.parent else { return Ok(()) };
    let end = |high: u64| if high == 0 { u64::MAX } else { high };
    let own = draft.old.as_ref().map(|(key, _)| key);
    let overlaps = call.store.children("bulk_pricing_rule", product).any(|(key, row)| {
        Some(key) != own && row.number("quantity_min") <= end(high) && low <= end(row.number("quantity_max"))
    });
    if overlaps {
        return Err(Refusal::field("quantity_min", "overlaps another rule of the product"));
    }
    Ok(())
}

fn video_rule(_: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.is_new() && draft.text("video_id").is_empty() {
        return Err(Refusal::field("video_id", "must be given"));
    }
    if let Some(product) = &draft.parent {
        draft.fields.insert("product_id".to_owned(), product.json());
    }
    Ok(())
}

fn review_rule(_: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let rating = draft.value("rating");
    if !rating.is_null() && !rating.as_i64().is_some_and(|rating| (0..=5).contains(&rating)) {
        return Err(Refusal::field("rating", "must be from 0 to 5"));
    }
    Ok(())
}

fn count_reviews(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    _: &Obj,
    _: bool,
) -> Result<(), Refusal> {
    let Some(product) = call.store.get("review", key).and_then(|row| row.parent.clone()) else {
        return Ok(());
    };
    let approved: Vec<u64> = call
        .store
        .children("review", &product)
        .filter(|(_, row)| row.text("status") == "approved")
        .map(|(_, row)| row.number("rating"))
        .collect();
    call.store.edit_silently("product", &product, |row| {
        row.fields.insert("reviews_count".to_owned(), Json::from(approved.len()));
        row.fields.insert("reviews_rating_sum".to_owned(), Json::from(approved.iter().sum::<u64>()));
    });
    Ok(())
}

fn view(store: &Store, key: &Key, _: &Row, fields: &mut Obj, query: &Query) {
    let lists = [
        ("variants", "variant"),
        ("images", "image"),
        ("custom_fields", "custom_field"),
        ("bulk_pricing_rules", "bulk_pricing_rule"),
        ("videos", "video"),
        ("reviews", "review"),
        ("options", "option"),
        ("modifiers", "modifier"),
    ];
    let plain = Query::default();
    for (name, kind) in lists {
        let Some(resource) = of_kind(kind).filter(|_| query.holds("include", name)) else { continue };
        let keys = store.child_keys(kind, key);
        let list = keys.iter().map(|child| show(store, resource, child, &plain)).collect();
        fields.insert(name.to_owned(), Json::Array(list));
    }
    if query.holds("include", "primary_image")
        && let Some(resource) = of_kind("image")
    {
        let image =
            store.children("image", key).find(|(_, row)| row.get("is_thumbnail") == &Json::Bool(true));
        let shown = image.map_or(Json::Null, |(image, _)| show(store, resource, image, &plain));
        fields.insert("primary_image".to_owned(), shown);
    }
    if query.holds("include", "channels") {
        fields.insert("channels".to_owned(), Json::from(super::categories::channels_of(store, key.number())));
    }
    if query.holds("include", "parent_relations") {
        fields.insert(
            "parent_relations".to_owned(),
            Json::Array(super::modifiers::relations(store, key.number())),
        );
    }
}

fn filter(store: &Store, key: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    Some(match name {
        "channel_id:in" => {
            let wanted: Vec<u64> = value.split(',').filter_map(|id| id.trim().parse().ok()).collect();
            super::categories::channels_of(store, key.number()).iter().any(|channel| wanted.contains(channel))
        }
        "keyword" => {
            let word = value.to_lowercase();
            ["name", "sku", "description"].iter().any(|field| row.text(field).to_lowercase().contains(&word))
        }
        "sku" | "sku:in" => {
            let asked = name.strip_prefix("sku:").unwrap_or_default();
            compare(row.get("sku"), asked, value)
                || store
                    .children("variant", key)
                    .any(|(_, variant)| compare(variant.get("sku"), asked, value))
        }
        "out_of_stock" => row.number("inventory_level") == 0 && row.text("inventory_tracking") != "none",
        "inventory_low" => {
            row.text("inventory_tracking") != "none"
                && row.number("inventory_level") <= row.number("inventory_warning_level")
        }
        _ => return None,
    })
}

fn update_batch(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let mut pairs = Vec::with_capacity(given.len());
    for fields in given {
        let key = fields.get("id").and_then(Key::of).filter(|key| call.store.get("product", key).is_some());
        pairs.push((key.ok_or_else(|| Refusal::field("id", "names no product"))?, fields));
    }
    let Some(resource) = of_kind("product") else { return Err(Refusal::not_found()) };
    let keys = change(call, resource, pairs)?;
    Ok(written(call, resource, &keys))
}

fn delete_many(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(resource) = of_kind("product") else { return Err(Refusal::not_found()) };
    if call.query.0.is_empty() {
        return Err(Refusal::field("", "A filter must say what to delete."));
    }
    for key in super::super::filter::chosen(call, resource, None)?.iter().take(DELETE_MAX) {
        call.store.remove("product", key);
    }
    Ok(Answer::empty(204))
}

fn summary(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let prices: Vec<f64> = call
        .store
        .rows("variant")
        .map(|(_, row)| row.get("calculated_price").as_f64().unwrap_or_default())
        .collect();
    let dates: Vec<&str> = call.store.rows("product").map(|(_, row)| row.text("date_created")).collect();
    let top = call.store.rows("category").next();
    let stock: u64 = call.store.rows("variant").map(|(_, row)| row.number("inventory_level")).sum();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 variants")]
    let average = if prices.is_empty() { 0.0 } else { prices.iter().sum::<f64>() / prices.len() as f64 };
    Ok(Answer::data(json!({
        "inventory_count": stock,
        "variant_count": prices.len(),
        "inventory_value": 0,
        "highest_variant_price": prices.iter().copied().fold(0.0, f64::max),
        "average_variant_price": average,
        "lowest_variant_price": prices.iter().copied().reduce(f64::min).unwrap_or_default().to_string(),
        "oldest_variant_date": dates.iter().min(),
        "newest_variant_date": dates.iter().max(),
        "primary_category_id": top.map_or(0, |(key, _)| key.number()),
        "primary_category_name": top.map_or("", |(_, row)| row.text("name")),
    })))
}
