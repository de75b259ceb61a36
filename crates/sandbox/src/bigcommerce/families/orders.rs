//! Orders of V2 with what hangs on them, and the payments of V3, which can only be read.

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::{Call, Query};
use super::super::engine::{add, reply, show, written};
use super::super::filter::{chosen, compare};
use super::super::page;
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{Key, Obj, Row, Store};

/// States of orders: number, name.
const STATUSES: &[(u64, &str)] = &[
    (0, "Incomplete"),
    (1, "Pending"),
    (2, "Shipped"),
    (3, "Partially Shipped"),
    (4, "Refunded"),
    (5, "Cancelled"),
    (6, "Declined"),
    (7, "Awaiting Payment"),
    (8, "Awaiting Pickup"),
    (9, "Awaiting Shipment"),
    (10, "Completed"),
    (11, "Awaiting Fulfillment"),
    (12, "Manual Verification Required"),
    (13, "Disputed"),
    (14, "Partially Refunded"),
];

pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        kind: "order",
        path: "/v2/orders",
        dates: Dates::Mail,
        defaults: r#"{"status_id":1,"channel_id":1,"is_deleted":false,"customer_locale":"en","order_source":"external",
            "payment_method":"","payment_status":"","currency_exchange_rate":"1.0000000000","date_shipped":"","external_id":null,
            "external_source":null,"external_merchant_id":null,"staff_notes":"","customer_message":"","tax_provider_id":""}"#,
        omit: &["consignments", "fees", "products", "shipping_addresses", "coupons", "status"],
        rule: order_rule,
        written: order_written,
        view: order_view,
        filter: order_filter,
        ..PLAIN
    },
    Resource {
        kind: "order_product",
        path: "/v2/orders/*/products",
        parent: "order",
        view: product_view,
        ..PLAIN
    },
    Resource {
        kind: "order_address",
        path: "/v2/orders/*/shipping_addresses",
        parent: "order",
        view: address_view,
        ..PLAIN
    },
    Resource { kind: "order_coupon", path: "/v2/orders/*/coupons", parent: "order", ..PLAIN },
    Resource { kind: "order_tax", path: "/v2/orders/*/taxes", parent: "order", ..PLAIN },
    Resource {
        kind: "shipment",
        path: "/v2/orders/*/shipments",
        parent: "order",
        dates: Dates::Mail,
        rule: shipment_rule,
        written: shipment_written,
        ..PLAIN
    },
    Resource {
        kind: "order_message",
        path: "/v2/orders/*/messages",
        parent: "order",
        dates: Dates::Mail,
        ..PLAIN
    },
    Resource { kind: "order_fee", path: "/v2/orders/*/fees", parent: "order", ..PLAIN },
    Resource {
        kind: "transaction",
        path: "/v3/orders/*/transactions",
        parent: "order",
        dates: Dates::Zulu,
        ..PLAIN
    },
    Resource {
        kind: "refund",
        path: "/v3/orders/*/payment_actions/refunds",
        parent: "order",
        filter: |_, _, row, name, value| {
            let of = |payment: &Json| payment.get("transaction_id").and_then(Json::as_str) == Some(value);
            (name == "transaction_id").then(|| row.list("payments").iter().any(of))
        },
        ..PLAIN
    },
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("GET", "/v2/orders", list),
    ("DELETE", "/v2/orders/*", archive),
    ("DELETE", "/v2/orders", archive_all),
    ("GET", "/v2/order_statuses", statuses),
    ("GET", "/v2/order_statuses/*", one_status),
    ("GET", "/v2/orders/*/consignments", consignments_of),
    ("POST", "/v2/orders/*/shipments", ship),
    ("GET", "/v3/orders/payment_actions/refunds", refunds),
    ("GET", "/v3/orders/payment_actions/refunds/*", one_refund),
    ("POST", "/v3/orders/*/payment_actions/refunds", moves_money),
    ("POST", "/v3/orders/*/payment_actions/refund_quotes", moves_money),
    ("POST", "/v3/orders/*/payment_actions/capture", moves_money),
    ("POST", "/v3/orders/*/payment_actions/void", moves_money),
];

fn kind(name: &str) -> Result<&'static Resource, Refusal> {
    of_kind(name).ok_or_else(Refusal::not_found)
}

/// An amount as V2 writes it.
pub(crate) fn money(amount: f64) -> String {
    format!("{amount:.4}")
}

fn amount(value: &Json) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn order_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if let Some(status) = draft.fields.get("status_id").and_then(Json::as_u64)
        && !STATUSES.iter().any(|(id, _)| *id == status)
    {
        return Err(Refusal::field("status_id", "names no status"));
    }
    let customer = draft.value("customer_id").as_u64().unwrap_or_default();
    if customer != 0 && !call.store.has("customer", customer) {
        return Err(Refusal::field("customer_id", "names no customer"));
    }
    let channel = draft.value("channel_id").as_u64().unwrap_or(1);
    if !call.store.has("channel", channel) {
        return Err(Refusal::field("channel_id", "names no channel"));
    }
    for name in ["products", "shipping_addresses", "fees"] {
        if let Some(list) = draft.fields.shift_remove(name) {
            draft.hidden.insert(name.to_owned(), list);
        }
    }
    if let Some(given) =
        draft.fields.get("date_created").and_then(Json::as_str).filter(|text| !text.is_empty())
    {
        let at =
            super::super::time::instant(given).ok_or_else(|| Refusal::field("date_created", "is no time"))?;
        draft.fields.insert("date_created".to_owned(), Json::from(super::super::time::mail(at)));
    }
    if !draft.is_new() {
        return Ok(());
    }
    if draft.fields.get("billing_address").is_none() {
        return Err(Refusal::field("billing_address", "must be given"));
    }
    let products = draft.hidden.get("products").and_then(Json::as_array).cloned().unwrap_or_default();
    if products.is_empty() {
        return Err(Refusal::field("products", "must be given"));
    }
    let mut total = 0.0;
    let mut count = 0;
    for (turn, product) in products.iter().enumerate() {
        let quantity = product.get("quantity").and_then(Json::as_u64).unwrap_or_default();
        if quantity == 0 {
            return Err(Refusal::field(format!("products.{turn}.quantity"), "must be at least 1"));
        }
        let id = product.get("product_id").and_then(Json::as_u64).unwrap_or_default();
        let known = call.store.at("product", id);
        if id != 0 && known.is_none() {
            return Err(Refusal::field(format!("products.{turn}.product_id"), "names no product"));
        }
        let named = ["name", "price_inc_tax", "price_ex_tax"].iter().all(|name| product.get(*name).is_some());
        if id == 0 && !named {
            return Err(Refusal::field(
                format!("products.{turn}.product_id"),
                "or a name with prices must be given",
            ));
        }
        let price =
            product.get("price_inc_tax").and_then(amount).or_else(|| amount(known?.get("calculated_price")));
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 pieces")]
        let pieces = quantity as f64;
        total += price.unwrap_or_default() * pieces;
        count += quantity;
    }
    for name in ["subtotal_ex_tax", "subtotal_inc_tax", "total_ex_tax", "total_inc_tax"] {
        draft.fields.entry(name.to_owned()).or_insert(Json::from(money(total)));
    }
    draft.fields.entry("items_total".to_owned()).or_insert(Json::from(count));
    // Amounts that nobody gave are nothing, and are written like the others.
    for name in AMOUNTS {
        draft.fields.entry((*name).to_owned()).or_insert(Json::from(money(0.0)));
    }
    let currency = call.store.rows("currency").find(|(_, row)| row.get("is_default") == &Json::Bool(true));
    if let Some((key, row)) = currency {
        for (name, value) in
            [("currency_code", row.get("currency_code").clone()), ("currency_id", key.json())]
        {
            draft.fields.insert(name.to_owned(), value);
        }
        for (name, value) in [
            ("default_currency_code", row.get("currency_code").clone()),
            ("default_currency_id", key.json()),
            ("store_default_currency_code", row.get("currency_code").clone()),
            ("store_default_to_transactional_exchange_rate", Json::from("1.0000000000")),
        ] {
            draft.fields.entry(name.to_owned()).or_insert(value);
        }
    }
    Ok(())
}

const AMOUNTS: &[&str] = &[
    "base_handling_cost",
    "base_shipping_cost",
    "base_wrapping_cost",
    "coupon_discount",
    "discount_amount",
    "gift_certificate_amount",
    "handling_cost_ex_tax",
    "handling_cost_inc_tax",
    "handling_cost_tax",
    "refunded_amount",
    "shipping_cost_ex_tax",
    "shipping_cost_inc_tax",
    "shipping_cost_tax",
    "store_credit_amount",
    "subtotal_tax",
    "total_tax",
    "wrapping_cost_ex_tax",
    "wrapping_cost_inc_tax",
    "wrapping_cost_tax",
];

fn order_written(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    _: &Obj,
    new: bool,
) -> Result<(), Refusal> {
    let mut riders = Obj::new();
    call.store.edit_silently("order", key, |row| {
        for name in ["products", "shipping_addresses", "fees"] {
            if let Some(list) = row.hidden.shift_remove(name) {
                riders.insert(name.to_owned(), list);
            }
        }
    });
    let list = |name: &str| riders.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    if !new {
        return Ok(());
    }
    let mut addresses = Vec::new();
    for address in list("shipping_addresses") {
        let mut fields = address.as_object().cloned().unwrap_or_default();
        fields.insert("order_id".to_owned(), key.json());
        addresses.extend(add(call, kind("order_address")?, Some(key), vec![fields])?);
    }
    let address = addresses.first().map_or(Json::from(0), Key::json);
    for product in list("products") {
        let fields = product_fields(call.store, key, &address, &product);
        add(call, kind("order_product")?, Some(key), vec![fields])?;
    }
    for product in list("products") {
        sell(call.store, &product);
    }
    for fee in list("fees") {
        add(call, kind("order_fee")?, Some(key), vec![fee.as_object().cloned().unwrap_or_default()])?;
    }
    let count = addresses.len();
    call.store.edit_silently("order", key, |row| {
        row.fields.insert("shipping_address_count".to_owned(), Json::from(count));
    });
    Ok(())
}

/// An order takes its pieces from the stock, also one that was made to bring an old one back.
fn sell(store: &mut Store, line: &Json) {
    let number = |name: &str| line.get(name).and_then(Json::as_u64).unwrap_or_default();
    let product = Key::Number(number("product_id"));
    let sold = number("quantity");
    store.edit_silently("product", &product, |row| {
        row.fields.insert("total_sold".to_owned(), Json::from(row.number("total_sold") + sold));
    });
    if store.get("product", &product).is_none_or(|row| row.text("inventory_tracking") == "none") {
        return;
    }
    let named = Key::Number(number("variant_id"));
    let first = store.children("variant", &product).next().map(|(key, _)| key.clone());
    let variant = store.get("variant", &named).map(|_| named.clone()).or(first);
    if let Some(variant) = variant {
        let left = store.get("variant", &variant).map_or(0, |row| row.number("inventory_level"));
        super::places::set_on_hand(
            store,
            variant.number(),
            1,
            i64::try_from(left.saturating_sub(number("quantity"))).unwrap_or(0),
        );
    }
}

/// A line of an order: what the request says, and what the product says where it does not.
fn product_fields(store: &Store, order: &Key, address: &Json, given: &Json) -> Obj {
    let mut fields = given.as_object().cloned().unwrap_or_default();
    let id = given.get("product_id").and_then(Json::as_u64).unwrap_or_default();
    let product = store.at("product", id);
    let text = |name: &str| product.map(|row| row.get(name).clone()).unwrap_or_else(|| Json::from(""));
    for (name, value) in
        [("name", text("name")), ("sku", text("sku")), ("upc", text("upc")), ("type", Json::from("physical"))]
    {
        fields.entry(name.to_owned()).or_insert(value);
    }
    let price = given
        .get("price_inc_tax")
        .and_then(amount)
        .or_else(|| amount(product?.get("calculated_price")))
        .unwrap_or_default();
    let ex = given.get("price_ex_tax").and_then(amount).unwrap_or(price);
    let quantity = given.get("quantity").and_then(Json::as_f64).unwrap_or(1.0);
    for (name, value) in [
        ("price_inc_tax", price),
        ("price_ex_tax", ex),
        ("base_price", price),
        ("price_tax", price - ex),
        ("total_inc_tax", price * quantity),
        ("total_ex_tax", ex * quantity),
        ("total_tax", (price - ex) * quantity),
        ("base_total", price * quantity),
        ("discounted_total_inc_tax", price * quantity),
        ("refund_amount", 0.0),
        ("wrapping_cost_ex_tax", 0.0),
        ("wrapping_cost_inc_tax", 0.0),
        ("wrapping_cost_tax", 0.0),
        ("base_wrapping_cost", 0.0),
        ("base_cost_price", 0.0),
        ("cost_price_ex_tax", 0.0),
        ("cost_price_inc_tax", 0.0),
        ("cost_price_tax", 0.0),
    ] {
        fields.insert(name.to_owned(), Json::from(money(value)));
    }
    fields.insert("order_id".to_owned(), order.json());
    fields.insert("order_address_id".to_owned(), address.clone());
    fields
}

/// A link to what is read by a request of its own.
fn link(store: &Store, order: &Key, part: &str) -> Json {
    json!({ "url": format!("{}/stores/{}/v2/orders/{order}/{part}", store.origin, store.hash), "resource": format!("/orders/{order}/{part}") })
}

fn order_view(store: &Store, key: &Key, row: &Row, fields: &mut Obj, query: &Query) {
    let status = STATUSES.iter().find(|(id, _)| *id == row.number("status_id")).map_or("", |(_, name)| name);
    fields.insert("status".to_owned(), Json::from(status));
    for part in ["products", "coupons"] {
        fields.insert(part.to_owned(), link(store, key, part));
    }
    fields.insert("shipping_addresses".to_owned(), link(store, key, "shipping_addresses"));
    fields.insert("consignments".to_owned(), link(store, key, "consignments"));
    if query.holds("include", "consignments") || query.holds("include", "consignments.line_items") {
        let lines = query.holds("include", "consignments.line_items");
        let all = consignments(store, key, lines);
        let all = if query.get("consignment_structure") == Some("object") { all } else { json!([all]) };
        fields.insert("consignments".to_owned(), all);
    }
    fields.insert("fees".to_owned(), link(store, key, "fees"));
    if query.holds("include", "fees") {
        fields.insert("fees".to_owned(), shown(store, "order_fee", key));
    }
}

fn shown(store: &Store, kind: &str, order: &Key) -> Json {
    let Some(resource) = of_kind(kind) else { return Json::Null };
    store.child_keys(kind, order).iter().map(|key| show(store, resource, key, &Query::default())).collect()
}

/// Who gets what of an order.
fn consignments(store: &Store, order: &Key, lines: bool) -> Json {
    let Json::Array(products) = shown(store, "order_product", order) else { return Json::Null };
    let Json::Array(addresses) = shown(store, "order_address", order) else { return Json::Null };
    let shipping = addresses.into_iter().map(|mut address| {
        let own: Json = if lines {
            products
                .iter()
                .filter(|product| product.get("order_address_id") == address.get("id"))
                .cloned()
                .collect()
        } else {
            link(store, order, "products")
        };
        if let Some(address) = address.as_object_mut() {
            address.insert("line_items".to_owned(), own);
            address.shift_remove("order_id");
            // What is a text in the list of addresses is a number here.
            let costs =
                address.iter_mut().filter(|(name, _)| name.contains("cost") && !name.ends_with("_id"));
            for (_, value) in costs {
                *value = Json::from(amount(value).unwrap_or_default());
            }
        }
        address
    });
    json!({ "pickups": [], "shipping": shipping.collect::<Vec<_>>(), "downloads": [], "email": { "gift_certificates": [] } })
}

fn consignments_of(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let order = call.key(0);
    call.store.get("order", &order).ok_or_else(Refusal::not_found)?;
    let lines = call.query.holds("include", "consignments.line_items");
    Ok(Answer::json(200, consignments(call.store, &order, lines)))
}

fn product_view(_: &Store, _: &Key, _: &Row, fields: &mut Obj, _: &Query) {
    for name in ["resource", "url"] {
        fields.shift_remove(name);
    }
}

fn address_view(store: &Store, key: &Key, row: &Row, fields: &mut Obj, _: &Query) {
    if let Some(order) = &row.parent {
        fields.insert(
            "shipping_quotes".to_owned(),
            link(store, order, &format!("shipping_addresses/{key}/shipping_quotes")),
        );
    }
}

fn order_filter(_: &Store, _: &Key, row: &Row, name: &str, value: &str) -> Option<bool> {
    Some(match name {
        "email" => row
            .get("billing_address")
            .get("email")
            .and_then(Json::as_str)
            .is_some_and(|mail| mail.eq_ignore_ascii_case(value)),
        "min_total" => compare(row.get("total_inc_tax"), "min", value),
        "max_total" => compare(row.get("total_inc_tax"), "max", value),
        "cart_id" => row.text("cart_id") == value,
        _ => return None,
    })
}

/// Archived orders are shown with a flag; a list leaves them out when nothing asks for one by its number.
fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("order")?;
    let keys = chosen(call, resource, None)?;
    super::super::engine::listed(call, resource, &keys)
}

fn archive(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = call.item(kind("order")?)?;
    put_away(call.store, &key);
    Ok(Answer::empty(204))
}

fn archive_all(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    for key in call.store.keys("order") {
        put_away(call.store, &key);
    }
    Ok(Answer::empty(204))
}

fn put_away(store: &mut Store, key: &Key) {
    let at = super::super::time::mail(store.now);
    store.edit("order", key, |row| {
        row.fields.insert("is_deleted".to_owned(), Json::Bool(true));
        row.fields.insert("date_modified".to_owned(), Json::from(at));
    });
}

fn status(id: u64, name: &str) -> Json {
    json!({ "id": id, "name": name, "system_label": name, "custom_label": name, "system_description": "" })
}

fn statuses(_: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json(200, STATUSES.iter().map(|(id, name)| status(*id, name)).collect()))
}

fn one_status(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.key(0).number();
    let known = STATUSES.iter().find(|(id, _)| *id == wanted).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, status(known.0, known.1)))
}

fn shipment_rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let Some(order) = draft.parent.clone() else { return Ok(()) };
    if !draft.is_new() {
        return Ok(());
    }
    let address = draft.fields.get("order_address_id").and_then(Json::as_u64).unwrap_or_default();
    let of_order =
        |kind: &str, id: u64| call.store.at(kind, id).filter(|row| row.parent.as_ref() == Some(&order));
    if of_order("order_address", address).is_none() {
        return Err(Refusal::field("order_address_id", "names no address of the order"));
    }
    let items = draft.fields.get("items").and_then(Json::as_array).cloned().unwrap_or_default();
    if items.is_empty() {
        return Err(Refusal::field("items", "must be given"));
    }
    let mut kept = Vec::new();
    for item in &items {
        let id = item.get("order_product_id").and_then(Json::as_u64).unwrap_or_default();
        let row = of_order("order_product", id)
            .ok_or_else(|| Refusal::field("items", "names no product of the order"))?;
        kept.push(json!({ "order_product_id": id, "product_id": row.get("product_id"), "quantity": item.get("quantity") }));
    }
    let row = call.store.get("order", &order).cloned().unwrap_or_default();
    draft.fields.insert("items".to_owned(), Json::Array(kept));
    draft.fields.insert("order_id".to_owned(), order.json());
    draft.fields.insert("customer_id".to_owned(), row.get("customer_id").clone());
    draft.fields.insert("billing_address".to_owned(), row.get("billing_address").clone());
    Ok(())
}

/// What was sent off is told in the order, and the customer gets mail: a restore must not do this.
fn shipment_written(
    call: &mut Call<'_>,
    _: &'static Resource,
    key: &Key,
    _: &Obj,
    new: bool,
) -> Result<(), Refusal> {
    let Some(order) = call.store.get("shipment", key).and_then(|row| row.parent.clone()).filter(|_| new)
    else {
        return Ok(());
    };
    let at = super::super::time::mail(call.store.now);
    call.store.edit("order", &order, |row| {
        row.fields.insert("status_id".to_owned(), Json::from(2));
        row.fields.insert("date_shipped".to_owned(), Json::from(at.as_str()));
        row.fields.insert("date_modified".to_owned(), Json::from(at.as_str()));
        row.hidden.insert(
            "mails".to_owned(),
            Json::from(row.hidden.get("mails").and_then(Json::as_u64).unwrap_or_default() + 1),
        );
    });
    Ok(())
}

fn ship(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("shipment")?;
    let parent = call.parent(resource)?;
    let fields = call.object();
    let keys = add(call, resource, parent.as_ref(), vec![fields])?;
    Ok(written(call, resource, &keys))
}

fn refunds(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("refund")?;
    let keys = chosen(call, resource, None)?;
    let page = page::cut(call, &keys, resource.page)?;
    let shown: Vec<Json> = page.keys.iter().map(|key| show(call.store, resource, key, &call.query)).collect();
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

fn one_refund(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = kind("refund")?;
    let key = call.key(0);
    call.store.get("refund", &key).ok_or_else(Refusal::not_found)?;
    Ok(reply(call, show(call.store, resource, &key, &call.query)))
}

/// Nobody practises with money.
fn moves_money(_: &mut Call<'_>) -> Result<Answer, Refusal> {
    Err(Refusal::new(501, "The practice store moves no money."))
}
