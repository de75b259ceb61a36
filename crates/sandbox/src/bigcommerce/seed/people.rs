//! Customers, groups and orders of the first state.

use serde_json::{Value as Json, json};

use super::super::Settings;
use super::super::store::{Key, Store};
use super::{days_ago, make, nth};
use crate::dice::Dice;

const FIRST: &[&str] = &["Ada", "Bo", "Cleo", "Dara", "Eli", "Finn", "Greta", "Hugo", "Ines", "Jona"];
const LAST: &[&str] = &["Example", "Sample", "Muster", "Probe", "Modell", "Beispiel", "Specimen"];

pub(super) fn fill(store: &mut Store, dice: &mut Dice, settings: &Settings) {
    let now = store.now;
    days_ago(store, now, 550, 0);
    let mut attributes = Vec::new();
    if settings.content || settings.customers > 0 {
        for (name, kind) in [("Loyalty number", "string"), ("Visits", "number")] {
            attributes.extend(make(store, "customer_attribute", None, json!({ "name": name, "type": kind })));
        }
    }
    let mut groups = Vec::new();
    if settings.content {
        let category = store.rows("category").next().map_or(Json::from(0), |(key, _)| key.json());
        let product = store.rows("product").next().map(|(key, _)| key.json());
        let mut rules = vec![
            json!({ "type": "category", "method": "percent", "amount": "10.0000", "category_id": category }),
        ];
        rules.extend(product.map(|product| json!({ "type": "product", "method": "fixed", "amount": "2.0000", "product_id": product })));
        groups.extend(make(
            store,
            "customer_group",
            None,
            json!({ "name": "Wholesale", "is_default": false, "discount_rules": rules,
            "category_access": { "type": "specific", "categories": [category] } }),
        ));
        groups.extend(make(
            store,
            "customer_group",
            None,
            json!({ "name": "Friends", "is_default": false, "is_group_for_guests": false }),
        ));
    }
    let mut customers = Vec::new();
    for turn in 0..u64::from(settings.customers) {
        let ago = dice.between(10, 400);
        days_ago(store, now, ago, i64::try_from(turn % 1_000).unwrap_or_default());
        customers.extend(customer(store, dice, turn, &attributes, &groups));
    }
    let products = store.keys("product");
    if !products.is_empty() {
        for turn in 0..u64::from(settings.orders) {
            let ago = dice.between(0, 300);
            days_ago(store, now, ago, i64::try_from(turn % 1_000).unwrap_or_default());
            order(store, dice, turn, &customers, &products);
        }
    }
}

fn customer(
    store: &mut Store,
    dice: &mut Dice,
    turn: u64,
    attributes: &[Key],
    groups: &[Key],
) -> Option<Key> {
    let (first, last) = (nth(FIRST, turn), nth(LAST, turn / 3));
    let group = groups.get(usize::try_from(turn % 3).unwrap_or(9)).map_or(Json::from(0), Key::json);
    let address = |street: u64, city: &str| {
        json!({ "first_name": first, "last_name": last, "address1": format!("{street} Sample Street"),
        "city": city, "state_or_province": "Berlin", "postal_code": "10115", "country_code": "DE", "phone": "030 000000",
        "address_type": "residential", "form_fields": [{ "name": "Floor", "value": "2" }] })
    };
    let street = dice.below(200) + 1;
    let mut fields = json!({ "email": format!("{}.{}{}@example.com", first.to_lowercase(), last.to_lowercase(), turn + 1), "first_name": first,
        "last_name": last, "company": if turn.is_multiple_of(4) { "Sample Ltd" } else { "" }, "phone": format!("030 {:06}", turn), "notes": "",
        "tax_exempt_category": "", "customer_group_id": group, "origin_channel_id": 1,
        "addresses": [address(street, "Berlin"), address(street + 1, "Sampleton")],
        "authentication": { "force_password_reset": false, "new_password": format!("practice{turn}") },
        "store_credit_amounts": [{ "amount": if turn.is_multiple_of(5) { 12.5 } else { 0.0 } }],
        "form_fields": [{ "name": "Favourite colour", "value": "Blue" }] });
    if let (Some(text), Some(number), Some(fields)) =
        (attributes.first(), attributes.get(1), fields.as_object_mut())
    {
        fields.insert(
            "attributes".to_owned(),
            json!([{ "attribute_id": text.json(), "attribute_value": format!("L-{turn:04}") },
            { "attribute_id": number.json(), "attribute_value": (turn % 7).to_string() }]),
        );
    }
    let key = make(store, "customer", None, fields)?;
    if turn % 4 == 1 {
        make(
            store,
            "customer_metafield",
            None,
            json!({ "resource_id": key.json(), "namespace": "practice", "key": "note", "value": "prefers mail",
            "permission_set": "app_only" }),
        );
    }
    Some(key)
}

fn order(store: &mut Store, dice: &mut Dice, turn: u64, customers: &[Key], products: &[Key]) {
    let pick = |dice: &mut Dice, list: &[Key]| {
        list.get(usize::try_from(dice.below(list.len().max(1) as u64)).unwrap_or(0)).cloned()
    };
    let customer = pick(dice, customers).filter(|_| turn % 5 != 4);
    let person = customer.as_ref().and_then(|key| store.get("customer", key)).cloned().unwrap_or_default();
    let name = |field: &str, other: &str| {
        if person.text(field).is_empty() { other.to_owned() } else { person.text(field).to_owned() }
    };
    let address = json!({ "first_name": name("first_name", "Guest"), "last_name": name("last_name", "Example"), "company": "",
        "street_1": "1 Sample Street", "street_2": "", "city": "Berlin", "state": "Berlin", "zip": "10115", "country": "Germany",
        "country_iso2": "DE", "phone": "", "email": name("email", "guest@example.com") });
    let mut lines = Vec::new();
    for _ in 0..=dice.below(2) {
        let Some(product) = pick(dice, products) else { continue };
        let variant = store.children("variant", &product).next().map_or(Json::from(0), |(key, _)| key.json());
        lines.push(json!({ "product_id": product.json(), "variant_id": variant, "quantity": dice.below(3) + 1, "product_options": [] }));
    }
    let status = match turn % 5 {
        0 => 1,
        1 => 2,
        2 => 10,
        3 => 11,
        _ => 5,
    };
    let mut shipping = address.clone();
    if let Some(shipping) = shipping.as_object_mut() {
        shipping.insert("shipping_method".to_owned(), Json::from("Flat rate"));
    }
    let order = make(
        store,
        "order",
        None,
        json!({ "customer_id": customer.as_ref().map_or(Json::from(0), Key::json), "status_id": status,
        "billing_address": address, "shipping_addresses": [shipping], "products": lines, "payment_method": "Manual", "order_source": "www",
        "ip_address": "192.0.2.1", "customer_message": if turn.is_multiple_of(6) { "Please wrap it." } else { "" } }),
    );
    let Some(order) = order else { return };
    history(store, &order, customer.as_ref(), turn);
    if turn.is_multiple_of(3) {
        make(
            store,
            "order_metafield",
            None,
            json!({ "resource_id": order.json(), "namespace": "practice", "key": "packed_by", "value": "robot",
            "permission_set": "read" }),
        );
    }
    if status == 2 || status == 10 {
        let line = store.children("order_product", &order).next().map(|(key, _)| key.json());
        let place = store.children("order_address", &order).next().map(|(key, _)| key.json());
        make(
            store,
            "shipment",
            Some(&order),
            json!({ "order_address_id": place, "tracking_number": format!("TRACK{turn:05}"), "comments": "",
            "shipping_method": "Flat rate", "shipping_provider": "", "items": [{ "order_product_id": line, "quantity": 1 }] }),
        );
        store.edit_silently("order", &order, |row| {
            row.fields.insert("status_id".to_owned(), Json::from(status));
        });
    }
    pay(store, &order, turn);
}

/// What hangs on an order beside its lines.
fn history(store: &mut Store, order: &Key, customer: Option<&Key>, turn: u64) {
    let said = [("When will it be here?", "read"), ("Thank you.", "unread")];
    for (text, status) in said.iter().filter(|_| turn.is_multiple_of(4)) {
        let fields = json!({ "order_id": order.json(), "staff_id": 0, "customer_id": customer.map_or(Json::from(0), Key::json),
            "type": "customer", "subject": "A question", "message": text, "status": status, "is_flagged": false, "customer": {} });
        make(store, "order_message", Some(order), fields);
    }
    if turn % 5 == 2 {
        let coupon = json!({ "order_id": order.json(), "coupon_id": 0, "code": "LAMPS10", "amount": "10.0000", "type": 1, "discount": 1.5 });
        make(store, "order_coupon", Some(order), coupon);
        let fee = json!({ "type": "custom_fee", "display_name_customer": "Deposit", "display_name_merchant": "Deposit", "source": "app",
            "cost_ex_tax": "1.0000", "cost_inc_tax": "1.0000", "cost_tax": "0.0000", "base_cost": "1.0000", "tax_class_id": null });
        make(store, "order_fee", Some(order), fee);
    }
    let lines: Vec<(Json, Json)> = store
        .children("order_product", order)
        .map(|(key, row)| (Json::from(key.to_string()), row.get("order_address_id").clone()))
        .collect();
    for (line, place) in lines {
        let fields = json!({ "order_id": order.json(), "order_address_id": place, "tax_rate_id": 1, "tax_class_id": 0, "name": "VAT",
            "class": "Default", "rate": "19.0000", "priority": 1, "priority_amount": "0.5000", "line_amount": "0.5000",
            "order_product_id": line, "line_item_type": "item" });
        make(store, "order_tax", Some(order), fields);
    }
}

fn pay(store: &mut Store, order: &Key, turn: u64) {
    let total = store.get("order", order).map(|row| row.text("total_inc_tax").to_owned()).unwrap_or_default();
    let amount: f64 = total.parse().unwrap_or_default();
    make(
        store,
        "transaction",
        Some(order),
        json!({ "order_id": order.to_string(), "event": "purchase", "method": "custom", "amount": amount,
        "currency": "EUR", "gateway": "custom", "gateway_transaction_id": "", "status": "ok", "test": true, "fraud_review": false,
        "reference_transaction_id": null }),
    );
    if turn % 7 == 3 {
        let at = super::time::zulu(store.now);
        make(
            store,
            "refund",
            Some(order),
            json!({ "order_id": order.json(), "user_id": 0, "created": at, "reason": "Broken", "total_amount": 1.0,
            "total_tax": 0.0, "uses_merchant_override_values": false, "items": [], "payments": [] }),
        );
    }
}
