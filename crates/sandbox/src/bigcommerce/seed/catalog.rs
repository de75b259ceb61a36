//! Categories, brands and products of the first state.

use serde_json::{Value as Json, json};

use super::super::Settings;
use super::super::families::images;
use super::super::resource::of_kind;
use super::super::store::{App, Key, Store};
use super::{days_ago, make, make_by, nth, with_call};
use crate::dice::Dice;

const FIRST: &[&str] = &[
    "Amber", "Birch", "Copper", "Dune", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper", "Linen",
    "Maple",
];
const SECOND: &[&str] = &[
    "Lamp", "Chair", "Bowl", "Blanket", "Vase", "Mug", "Shelf", "Basket", "Cushion", "Clock", "Tray", "Jar",
];
const BRANDS: &[&str] = &["Northlight", "Atelier Practice", "Sample & Daughters", "Field Goods"];
const COLOURS: &[(&str, &str)] = &[("Red", "#c0392b"), ("Blue", "#2980b9"), ("Green", "#27ae60")];
const SIZES: &[&str] = &["Small", "Medium", "Large"];

pub(super) fn fill(store: &mut Store, dice: &mut Dice, settings: &Settings) {
    if settings.products == 0 && !settings.content {
        return;
    }
    let now = store.now;
    days_ago(store, now, 600, 0);
    let categories = categories(store);
    let brands: Vec<Key> = BRANDS
        .iter()
        .enumerate()
        .filter_map(|(turn, name)| {
            make(store, "brand", None, json!({ "name": name, "page_title": format!("{name} at the practice store"), "meta_keywords": [name.to_lowercase()],
                "search_keywords": if turn == 0 { "lamps" } else { "" } }))
        })
        .collect();
    if let Some(brand) = brands.first() {
        picture(store, "brand", brand, 9_001);
        make(
            store,
            "brand_metafield",
            None,
            json!({ "resource_id": brand.json(), "namespace": "practice", "key": "origin", "value": "Denmark",
            "permission_set": "write" }),
        );
    }
    for brand in brands.iter().take(2) {
        let fields = json!({ "resource_id": brand.json(), "namespace": "practice", "key": "founded", "value": "1970", "permission_set": "app_only" });
        make(store, "brand_metafield", None, fields);
    }
    for category in categories.iter().take(2) {
        let fields = json!({ "resource_id": category.json(), "namespace": "practice", "key": "colour", "value": "green", "permission_set": "write" });
        make(store, "category_metafield", None, fields);
    }
    if let Some(category) = categories.first() {
        picture(store, "category", category, 9_002);
        make(
            store,
            "category_metafield",
            None,
            json!({ "resource_id": category.json(), "namespace": "practice", "key": "banner", "value": "wide",
            "permission_set": "read" }),
        );
    }
    let mut products = Vec::new();
    for turn in 0..u64::from(settings.products) {
        let ago = dice.between(30, 500);
        days_ago(store, now, ago, i64::try_from(turn % 1_000).unwrap_or_default());
        products.extend(product(store, dice, turn, &categories, &brands));
    }
    relate(store, now, &products);
}

fn categories(store: &mut Store) -> Vec<Key> {
    let tree = store.rows("tree").next().map_or(Json::Null, |(key, _)| key.json());
    let mut made = Vec::new();
    for (name, below) in
        [("Living", &["Lamps", "Seating"][..]), ("Kitchen", &["Bowls", "Jars"]), ("Outdoor", &[])]
    {
        let parent = make(
            store,
            "category",
            None,
            json!({ "tree_id": tree, "parent_id": 0, "name": name, "sort_order": made.len(),
            "description": format!("<p>Everything for {}.</p>", name.to_lowercase()), "is_visible": true }),
        );
        let Some(parent) = parent else { continue };
        made.push(parent.clone());
        for name in below {
            made.extend(make(
                store,
                "category",
                None,
                json!({ "tree_id": tree, "parent_id": parent.json(), "name": name, "page_title": name }),
            ));
        }
    }
    made
}

fn picture(store: &mut Store, kind: &'static str, key: &Key, number: u64) {
    let url = images::seeded(store, number, &format!("{kind}.png"));
    store.edit(kind, key, |row| {
        row.fields.insert("image_url".to_owned(), Json::from(url));
    });
}

/// The name of the n-th product: each pair of words once, then with a number.
fn name(turn: u64) -> String {
    let round = turn / (FIRST.len() * SECOND.len()) as u64;
    let second = turn / FIRST.len() as u64 + turn;
    let base = format!("{} {}", nth(FIRST, turn), nth(SECOND, second));
    if round == 0 { base } else { format!("{base} {}", round + 1) }
}

fn product(store: &mut Store, dice: &mut Dice, turn: u64, categories: &[Key], brands: &[Key]) -> Option<Key> {
    let name = name(turn);
    let sku = format!("PR-{:05}", turn + 1);
    let pick = |dice: &mut Dice, list: &[Key]| {
        let at = usize::try_from(dice.below(list.len().max(1) as u64)).unwrap_or(0);
        list.get(at).map_or(Json::from(0), Key::json)
    };
    let cents = dice.between(500, 50_000);
    let price = json!(f64::from(i32::try_from(cents).unwrap_or(1_000)) / 100.0);
    let variants = match turn % 5 {
        0 | 1 => variants(&sku, turn),
        _ => Vec::new(),
    };
    let tracking = if variants.is_empty() { nth(&["product", "none"], turn) } else { "variant" };
    let mut fields = json!({
        "name": name, "type": if turn % 9 == 8 { "digital" } else { "physical" }, "sku": sku, "price": price,
        "weight": dice.between(1, 90), "width": 10, "height": 20.5, "depth": 3,
        "description": format!("<p>The {name}, made for practice. No two are alike.</p>"),
        "categories": [pick(dice, categories)], "brand_id": pick(dice, brands), "is_visible": turn % 7 != 6, "is_featured": turn.is_multiple_of(10),
        "condition": nth(&["New", "Used", "Refurbished"], turn), "is_condition_shown": !turn.is_multiple_of(3),
        "search_keywords": "practice, sample", "meta_keywords": ["practice"], "meta_description": format!("{name} for practice"),
        "warranty": "Two years.", "upc": format!("{:012}", 400_000_000_000_u64 + turn), "inventory_tracking": tracking,
        "inventory_warning_level": 2, "sort_order": turn % 4, "order_quantity_minimum": 1, "order_quantity_maximum": 20,
        "retail_price": 0, "cost_price": 1.5, "sale_price": if turn % 6 == 5 { json!(4.99) } else { json!(0) },
        "custom_fields": [{ "name": "Material", "value": "Oak" }, { "name": "Origin", "value": "Denmark" }],
    });
    let object = fields.as_object_mut()?;
    if !variants.is_empty() {
        object.insert("variants".to_owned(), Json::Array(variants));
    } else if tracking == "product" {
        object.insert("inventory_level".to_owned(), Json::from(dice.between(0, 80)));
    }
    if turn % 4 == 1 {
        object.insert(
            "bulk_pricing_rules".to_owned(),
            json!([
                { "quantity_min": 10, "quantity_max": 19, "type": "percent", "amount": 5 },
                { "quantity_min": 20, "quantity_max": 0, "type": "price", "amount": 2.5 },
            ]),
        );
    }
    if turn % 8 == 3 {
        object.insert("videos".to_owned(), json!([{ "title": "How it is made", "video_id": "practice001", "type": "youtube", "sort_order": 1 }]));
    }
    if turn % 11 == 4 {
        for (field, value) in [
            ("availability", json!("preorder")),
            ("is_preorder_only", json!(true)),
            ("preorder_release_date", json!("2027-03-01T00:00:00+00:00")),
        ] {
            object.insert(field.to_owned(), value);
        }
    }
    let product = make(store, "product", None, fields)?;
    store.edit_silently("product", &product, |row| {
        row.fields.insert("view_count".to_owned(), Json::from(turn * 3 % 50));
    });
    pictures(store, &product, turn);
    if turn % 5 == 1 {
        dress(store, &product);
    }
    if turn % 6 == 2 {
        modifiers(store, &product);
    }
    if turn.is_multiple_of(3) {
        for (who, rating, status) in [("Rita Review", 5, "approved"), ("Paul Picky", 3, "pending")] {
            let reviewed = super::time::offset(store.now);
            make(
                store,
                "review",
                Some(&product),
                json!({ "title": format!("{rating} stars"), "text": "As it was told.", "name": who,
                "email": "reviewer@example.com", "rating": rating, "status": status, "date_reviewed": reviewed }),
            );
        }
    }
    make(
        store,
        "product_metafield",
        Some(&product),
        json!({ "namespace": "practice", "key": "care", "value": "Keep dry.",
        "permission_set": if turn.is_multiple_of(2) { "app_only" } else { "write_and_sf_access" } }),
    );
    if turn.is_multiple_of(10) {
        // What another app keeps to itself.
        make_by(
            store,
            App::Other,
            "product_metafield",
            Some(&product),
            json!({ "namespace": "other", "key": "secret", "value": "1",
            "permission_set": "app_only" }),
        );
        let variant = store.children("variant", &product).next().map(|(key, _)| key.clone())?;
        make(
            store,
            "variant_metafield",
            Some(&variant),
            json!({ "namespace": "practice", "key": "bin", "value": "A1", "permission_set": "read" }),
        );
    }
    Some(product)
}

/// Variants by colour, and by colour and size.
fn variants(sku: &str, turn: u64) -> Vec<Json> {
    let mut made = Vec::new();
    for (colour, _) in COLOURS.iter().take(2) {
        for size in SIZES.iter().take(if turn.is_multiple_of(5) { 1 } else { 2 }) {
            let mut values = vec![json!({ "option_display_name": "Colour", "label": colour })];
            if !turn.is_multiple_of(5) {
                values.push(json!({ "option_display_name": "Size", "label": size }));
            }
            let number = made.len() + 1;
            made.push(json!({ "sku": format!("{sku}-{number}"), "option_values": values, "inventory_level": number * 3,
                "inventory_warning_level": 1, "price": if number == 2 { json!(19.95) } else { Json::Null } }));
        }
    }
    made
}

/// Options as a shop keeper would have them: a swatch and a drop-down list.
fn dress(store: &mut Store, product: &Key) {
    for key in store.child_keys("option", product) {
        store.edit_silently("option", &key, |row| {
            let swatch = row.text("display_name") == "Colour";
            row.fields.insert("type".to_owned(), Json::from(if swatch { "swatch" } else { "dropdown" }));
            for value in row
                .fields
                .get_mut("option_values")
                .and_then(Json::as_array_mut)
                .into_iter()
                .flatten()
                .filter(|_| swatch)
            {
                let label = value.get("label").and_then(Json::as_str).unwrap_or_default().to_owned();
                let colour =
                    COLOURS.iter().find(|(name, _)| *name == label).map_or("#ffffff", |(_, colour)| colour);
                if let Some(value) = value.as_object_mut() {
                    value.insert("value_data".to_owned(), json!({ "colors": [colour] }));
                }
            }
        });
    }
}

fn pictures(store: &mut Store, product: &Key, turn: u64) {
    let Some(resource) = of_kind("image") else { return };
    for number in 0..turn % 3 + 1 {
        let fields = json!({ "description": format!("View {}", number + 1), "sort_order": number, "is_thumbnail": number == turn % 2 });
        let fields = fields.as_object().cloned().unwrap_or_default();
        with_call(store, resource, App::Ours, |call| {
            images::seed(call, product, fields, turn * 10 + number, &format!("view-{number}.png"))
        });
    }
}

fn modifiers(store: &mut Store, product: &Key) {
    make(
        store,
        "modifier",
        Some(product),
        json!({ "type": "text", "required": false, "display_name": "Engraving",
        "config": { "default_value": "", "text_max_length": 20, "text_min_length": 0, "text_characters_limited": true } }),
    );
    let wrap = make(
        store,
        "modifier",
        Some(product),
        json!({ "type": "dropdown", "required": false, "display_name": "Wrapping", "sort_order": 1,
        "option_values": [{ "label": "Paper", "sort_order": 0, "is_default": true }, { "label": "Cloth", "sort_order": 1,
            "adjusters": { "price": { "adjuster": "relative", "adjuster_value": 5 } } }] }),
    );
    let card = make(
        store,
        "modifier",
        Some(product),
        json!({ "type": "checkbox", "required": false, "display_name": "Card", "sort_order": 2,
        "config": { "checkbox_label": "Add a card", "checked_by_default": false } }),
    );
    let (Some(wrap), Some(card)) = (wrap, card) else { return };
    // The adjusters of a checkbox come by a later request.
    store.edit_silently("modifier", &card, |row| {
        let yes = row
            .fields
            .get_mut("option_values")
            .and_then(|values| values.get_mut(0))
            .and_then(|value| value.get_mut("adjusters"));
        if let Some(adjusters) = yes.and_then(Json::as_object_mut) {
            adjusters.insert("price".to_owned(), json!({ "adjuster": "relative", "adjuster_value": 2 }));
        }
    });
    let value = |store: &Store, key: &Key| {
        store
            .get("modifier", key)
            .and_then(|row| row.list("option_values").first()?.get("id").cloned())
            .unwrap_or_default()
    };
    let conditions = json!([
        { "modifier_id": wrap.json(), "modifier_value_id": value(store, &wrap), "variant_id": null },
        { "modifier_id": card.json(), "modifier_value_id": value(store, &card), "variant_id": null },
    ]);
    make(
        store,
        "complex_rule",
        Some(product),
        json!({ "enabled": true, "stop": false, "sort_order": 0, "conditions": conditions,
        "price_adjuster": { "adjuster": "relative", "adjuster_value": 4.5 } }),
    );
}

/// What names other products: related ones, and modifiers that list products.
fn relate(store: &mut Store, now: domain::Timestamp, products: &[Key]) {
    for (turn, product) in products.iter().enumerate() {
        let ago = 25 - i64::try_from(turn % 20).unwrap_or_default();
        days_ago(store, now, ago, 0);
        let Some(other) = products.get(turn + 1) else { continue };
        if turn.is_multiple_of(4) {
            store.edit("product", product, |row| {
                row.fields.insert("related_products".to_owned(), json!([other.json()]));
            });
        }
        if turn % 12 == 2 {
            make(
                store,
                "modifier",
                Some(product),
                json!({ "type": "product_list", "required": false, "display_name": "Goes with", "sort_order": 3,
                "config": { "product_list_adjusts_inventory": true, "product_list_adjusts_pricing": true, "product_list_shipping_calc": "none" },
                "option_values": [{ "label": "The next one", "sort_order": 0, "value_data": { "product_id": other.json() } }] }),
            );
        }
    }
}
