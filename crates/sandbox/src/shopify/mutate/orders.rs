//! Orders.

use serde_json::{Map, Value as Json};

use super::customers::address;
use super::refs::{Place, places};
use super::{As, Call, Copy, Errors, Outcome, Row, copy, list, metafields, refuse, text};
use crate::shopify::schema::intern;
use crate::shopify::store::{Later, Store};
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_decimal};

pub(super) const ROWS: &[Row] = &[
    ("orderCreate", create),
    ("orderUpdate", update),
    ("orderDelete", delete),
    ("orderClose", close),
    ("orderOpen", open),
    ("orderCancel", cancel),
    ("refundCreate", refund),
];

pub(super) const FIELDS: &[Copy] = &[
    ("closedAt", "closedAt", As::Time),
    ("customAttributes", "customAttributes", As::Same),
    ("email", "email", As::Same),
    ("name", "name", As::Same),
    ("note", "note", As::Same),
    ("phone", "phone", As::Same),
    ("poNumber", "poNumber", As::Same),
    ("processedAt", "processedAt", As::Time),
    ("sourceIdentifier", "sourceIdentifier", As::Same),
    ("sourceName", "sourceName", As::Same),
    ("sourceUrl", "registeredSourceUrl", As::Same),
    ("tags", "tags", As::Tags),
    ("taxesIncluded", "taxesIncluded", As::Same),
    ("test", "test", As::Same),
];

/// The shop's amount of a `MoneyBagInput`.
pub(super) fn cents(value: Option<&Json>) -> i64 {
    value
        .and_then(|bag| bag.pointer("/shopMoney/amount").or_else(|| bag.get("amount")))
        .and_then(parse_decimal)
        .unwrap_or(0)
}

fn tax_lines(input: &Map<String, Json>) -> Vec<Val> {
    list(input, "taxLines")
        .unwrap_or_default()
        .iter()
        .map(|one| {
            let rate = one.get("rate").and_then(|rate| rate.as_f64().or_else(|| rate.as_str()?.parse().ok())).unwrap_or(0.0);
            Val::from(obj! {
                "title": one.get("title").map(Val::from_json), "rate": rate, "ratePercentage": rate * 100.0,
                "priceSet": Val::Cents(cents(one.get("priceSet"))), "channelLiable": one.get("channelLiable").and_then(Json::as_bool),
            })
        })
        .collect()
}

/// One line of an order or draft; a variant gives what the input leaves out.
fn line(store: &mut Store, kind: Kind, input: &Map<String, Json>) -> Result<Obj, String> {
    let quantity = input.get("quantity").and_then(Json::as_i64).unwrap_or(1);
    if quantity < 1 {
        return Err("Quantity must be greater than 0".to_owned());
    }
    let mut line = obj! { "quantity": quantity, "currentQuantity": quantity, "refundableQuantity": quantity, "taxable": true };
    let variant = match text(input, "variantId") {
        Some(id) => Some(store.find(Kind::ProductVariant, id).ok_or("Variant does not exist")?),
        None => None,
    };
    let mut price = 0;
    if let Some(own) = variant.and_then(|gid| store.get(gid)) {
        price = own.int("price").unwrap_or(0);
        let product = own.gid("product");
        let of = product.and_then(|gid| store.get(gid));
        line.set("variant", variant);
        line.set("product", product);
        line.set("title", of.and_then(|product| product.get("title").cloned()));
        line.set("vendor", of.and_then(|product| product.get("vendor").cloned()));
        line.set("variantTitle", Val::text(crate::shopify::fields::variant_title(own)));
        let item = own.gid("inventoryItem").and_then(|gid| store.get(gid));
        line.set("sku", item.and_then(|item| item.get("sku").cloned()));
        line.set("requiresShipping", item.and_then(|item| item.flag("requiresShipping")).unwrap_or(true));
    }
    copy(
        &mut line,
        input,
        &[
            ("title", "title", As::Same),
            ("sku", "sku", As::Same),
            ("vendor", "vendor", As::Same),
            ("variantTitle", "variantTitle", As::Same),
            ("taxable", "taxable", As::Same),
            ("requiresShipping", "requiresShipping", As::Same),
            ("giftCard", "isGiftCard", As::Same),
            ("properties", "customAttributes", As::Same),
            ("customAttributes", "customAttributes", As::Same),
            ("weight", "weight", As::Same),
            ("productId", "product", As::Ref),
        ],
    );
    if line.str("title").is_none() {
        return Err("Title can't be blank".to_owned());
    }
    for name in ["priceSet", "originalUnitPriceWithCurrency", "priceOverride"] {
        if let Some(given) = input.get(name).filter(|given| !given.is_null()) {
            price = cents(Some(given));
        }
    }
    if let Some(given) = input.get("originalUnitPrice").and_then(parse_decimal) {
        price = given;
    }
    let name = match line.str("variantTitle").filter(|title| *title != "Default Title" && !title.is_empty()) {
        Some(title) => format!("{} - {title}", line.str("title").unwrap_or_default()),
        None => line.str("title").unwrap_or_default().to_owned(),
    };
    line.set("id", Val::Id(store.mint(kind)));
    line.set("name", Val::text(name));
    line.set("taxLines", tax_lines(input));
    line.set("custom", variant.is_none());
    for (field, value) in [
        ("originalUnitPriceSet", price),
        ("discountedUnitPriceSet", price),
        ("discountedUnitPriceAfterAllDiscountsSet", price),
        ("originalTotalSet", price * quantity),
        ("discountedTotalSet", price * quantity),
        ("approximateDiscountedUnitPriceSet", price),
    ] {
        line.set(field, Val::Cents(value));
    }
    Ok(line)
}

pub(super) fn lines(
    store: &mut Store,
    kind: Kind,
    input: &Map<String, Json>,
    errors: &mut Errors,
) -> Vec<Val> {
    let mut made = Vec::new();
    for (index, one) in
        list(input, "lineItems").unwrap_or_default().iter().filter_map(Json::as_object).enumerate()
    {
        match line(store, kind, one) {
            Ok(line) => made.push(Val::from(line)),
            Err(message) => errors.add(&["lineItems", &index.to_string()], message, "INVALID"),
        }
    }
    made
}

pub(super) fn sum(list: &[Val], field: &str) -> i64 {
    list.iter().filter_map(|one| one.as_obj()?.int(field)).sum()
}

pub(super) fn shipping(store: &mut Store, given: &[Json]) -> Vec<Val> {
    given
        .iter()
        .filter_map(Json::as_object)
        .map(|one| {
            let price = cents(one.get("priceSet").or_else(|| one.get("priceWithCurrency")));
            let mut made = obj! {
                "id": Val::text(Gid::to_string(&store.mint(Kind::ShippingLine))), "originalPriceSet": Val::Cents(price), "discountedPriceSet": Val::Cents(price),
                "currentDiscountedPriceSet": Val::Cents(price), "taxLines": tax_lines(one), "custom": true,
            };
            copy(&mut made, one, &[("title", "title", As::Same), ("code", "code", As::Same), ("source", "source", As::Same)]);
            Val::from(made)
        })
        .collect()
}

pub(super) fn addresses(store: &mut Store, made: &mut Obj, input: &Map<String, Json>) {
    for name in ["billingAddress", "shippingAddress"] {
        match input.get(name) {
            Some(Json::Object(given)) => {
                let address = address(store, given);
                made.set(
                    if name == "billingAddress" { "billingAddress" } else { "shippingAddress" },
                    address,
                );
            }
            Some(Json::Null) => {
                made.take(name);
            }
            _ => {}
        }
    }
}

fn customer(store: &mut Store, input: &Map<String, Json>) -> Result<Option<Gid>, String> {
    if let Some(id) = input
        .get("customer")
        .and_then(|customer| customer.pointer("/toAssociate/id"))
        .or_else(|| input.get("customerId"))
        .and_then(Json::as_str)
    {
        return store.find(Kind::Customer, id).map(Some).ok_or_else(|| "Customer does not exist".to_owned());
    }
    let Some(given) =
        input.get("customer").and_then(|customer| customer.get("toUpsert")).and_then(Json::as_object)
    else {
        return Ok(None);
    };
    let known = text(given, "email").and_then(|mail| store.by_key(Kind::Customer, &mail.to_lowercase()));
    if known.is_some() {
        return Ok(known);
    }
    let mut made = obj! { "state": "DISABLED", "locale": "en", "verifiedEmail": true };
    copy(
        &mut made,
        given,
        &[
            ("email", "email", As::Same),
            ("firstName", "firstName", As::Same),
            ("lastName", "lastName", As::Same),
            ("phone", "phone", As::Same),
            ("note", "note", As::Same),
            ("tags", "tags", As::Tags),
        ],
    );
    Ok(Some(store.insert(Kind::Customer, made)))
}

fn transactions(store: &mut Store, given: &[Json]) -> Vec<Val> {
    let now = store.now;
    given
        .iter()
        .filter_map(Json::as_object)
        .map(|one| {
            let mut made = obj! {
                "id": Val::Id(store.mint(Kind::OrderTransaction)), "amountSet": Val::Cents(cents(one.get("amountSet"))), "createdAt": Val::Time(now),
                "processedAt": Val::Time(now), "kind": "SALE", "status": "SUCCESS", "gateway": "manual", "formattedGateway": "Manual",
            };
            copy(&mut made, one, &[("kind", "kind", As::Word), ("status", "status", As::Word), ("gateway", "gateway", As::Same), ("processedAt", "processedAt", As::Time), ("test", "test", As::Same), ("authorizationCode", "authorizationCode", As::Same)]);
            Val::from(made)
        })
        .collect()
}

/// Counts an order's totals from its lines.
pub(crate) fn total(order: &mut Obj) {
    let subtotal = sum(order.list("lineItems"), "discountedTotalSet");
    let shipping = sum(order.list("shippingLines"), "discountedPriceSet");
    let tax: i64 = sum(order.list("taxLines"), "priceSet");
    let included = order.flag("taxesIncluded") == Some(true);
    let total = subtotal + shipping + if included { 0 } else { tax };
    let paid: i64 = order
        .list("transactions")
        .iter()
        .filter_map(Val::as_obj)
        .filter(|one| {
            matches!(one.str("kind"), Some("SALE" | "CAPTURE")) && one.str("status") == Some("SUCCESS")
        })
        .filter_map(|one| one.int("amountSet"))
        .sum();
    let refunded: i64 = sum(order.list("refunds"), "totalRefundedSet");
    let quantity: i64 =
        order.list("lineItems").iter().filter_map(|line| line.as_obj()?.int("quantity")).sum();
    for (field, value) in [
        ("subtotalPriceSet", subtotal),
        ("currentSubtotalPriceSet", subtotal),
        ("totalShippingPriceSet", shipping),
        ("currentShippingPriceSet", shipping),
        ("totalTaxSet", tax),
        ("currentTotalTaxSet", tax),
        ("totalPriceSet", total),
        ("currentTotalPriceSet", total - refunded),
        ("originalTotalPriceSet", total),
        ("totalReceivedSet", paid),
        ("netPaymentSet", paid - refunded),
        ("totalRefundedSet", refunded),
        ("totalOutstandingSet", (total - paid).max(0)),
        ("totalDiscountsSet", 0),
        ("currentTotalDiscountsSet", 0),
    ] {
        order.set(field, Val::Cents(value));
    }
    order.set("subtotalLineItemsQuantity", quantity);
    order.set("currentSubtotalLineItemsQuantity", quantity);
    order.set("fullyPaid", paid >= total);
    order.set("unpaid", paid == 0);
    if order.get("displayFinancialStatus").is_none() {
        let status = if refunded > 0 && refunded >= paid {
            "REFUNDED"
        } else if refunded > 0 {
            "PARTIALLY_REFUNDED"
        } else if paid >= total {
            "PAID"
        } else if paid > 0 {
            "PARTIALLY_PAID"
        } else {
            "PENDING"
        };
        order.set("displayFinancialStatus", status);
    }
    let status = if order.list("fulfillments").is_empty() { "UNFULFILLED" } else { "FULFILLED" };
    if order.get("displayFulfillmentStatus").is_none() {
        order.set("displayFulfillmentStatus", status);
    }
}

/// What an order's input may point to.
const REFERENCES: &[Place] =
    &[("", "productId", &[Kind::Product]), ("fulfillment", "locationId", &[Kind::Location])];

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("order") else { return refuse(&["order"], "An order is needed.", "INVALID") };
    let mut errors = Errors::default();
    places(store, REFERENCES, input, &["order"], "INVALID", &mut errors);
    let made = lines(store, Kind::LineItem, input, &mut errors);
    if made.is_empty() {
        errors.add(&["order", "lineItems"], "Line items must have at least one line item", "INVALID");
    }
    let customer = customer(store, input).unwrap_or_else(|message| {
        errors.add(&["order", "customer"], message, "INVALID");
        None
    });
    let number =
        store.table(Kind::Order).rows.values().filter_map(|order| order.int("number")).max().unwrap_or(1_000)
            + 1;
    let mut order = obj! { "number": number, "name": format!("#{number}"), "lineItems": made, "customer": customer, "confirmed": true, "processedAt": Val::Time(store.now) };
    copy(&mut order, input, FIELDS);
    addresses(store, &mut order, input);
    let made = shipping(store, list(input, "shippingLines").unwrap_or_default());
    order.set("shippingLines", made);
    order.set("taxLines", tax_lines(input));
    let made = transactions(store, list(input, "transactions").unwrap_or_default());
    order.set("transactions", made);
    if let Some(status) = text(input, "financialStatus").and_then(intern) {
        order.set("displayFinancialStatus", status);
    }
    let code = input
        .get("discountCode")
        .and_then(|code| code.as_object()?.values().find_map(|one| one.get("code")?.as_str()));
    if let Some(code) = code {
        order.set("discountCodes", Val::texts([code]));
    }
    if let Some(given) = input.get("fulfillment").and_then(Json::as_object) {
        fulfil(store, &mut order, given);
    }
    metafields::merge(store, Kind::Order, &mut order, input, &["order"], &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    total(&mut order);
    let behaviour = call
        .map("options")
        .and_then(|options| text(options, "inventoryBehaviour"))
        .unwrap_or("BYPASS")
        .to_owned();
    if behaviour != "BYPASS" {
        claim(store, &order);
    }
    if let Some(customer) = customer {
        let spent = order.int("totalPriceSet").unwrap_or(0);
        store.edit_silently(customer, |customer| {
            let count = customer.int("numberOfOrders").unwrap_or(0) + 1;
            customer.set("numberOfOrders", count);
            let all = customer.int("amountSpent").unwrap_or(0) + spent;
            customer.set("amountSpent", Val::Cents(all));
        });
    }
    let gid = store.insert(Kind::Order, order);
    if let Some(customer) = customer {
        store.edit_silently(customer, |customer| customer.set("lastOrder", gid));
    }
    errors.payload(obj! { "order": gid })
}

/// Takes what was ordered out of stock.
fn claim(store: &mut Store, order: &Obj) {
    for line in order.list("lineItems").iter().filter_map(Val::as_obj) {
        let item = line
            .gid("variant")
            .and_then(|gid| store.get(gid))
            .and_then(|variant| variant.gid("inventoryItem"));
        let quantity = line.int("quantity").unwrap_or(0);
        if let Some(item) = item {
            store.edit(item, |item| {
                item.edit_list("inventoryLevels", |levels| {
                    if let Some(Val::Obj(level)) = levels.first_mut() {
                        let left = level.int("available").unwrap_or(0) - quantity;
                        level.set("available", left);
                    }
                });
            });
        }
    }
}

fn fulfil(store: &mut Store, order: &mut Obj, given: &Map<String, Json>) {
    let items: Vec<Val> = order
        .list("lineItems")
        .iter()
        .filter_map(Val::as_obj)
        .filter_map(|line| Some((line.gid("id")?, line.int("quantity")?)))
        .map(|(id, quantity)| Val::from(obj! { "id": Val::Id(store.mint(Kind::FulfillmentLineItem)), "lineItemId": Val::Id(id), "quantity": quantity }))
        .collect();
    let tracking = text(given, "trackingNumber").map(|number| {
        vec![Val::from(
            obj! { "number": Val::text(number), "company": text(given, "trackingCompany").map(Val::text) },
        )]
    });
    let now = store.now;
    let made = obj! {
        "id": Val::Id(store.mint(Kind::Fulfillment)), "name": Val::text(format!("{}-F1", order.str("name").unwrap_or_default())), "status": "SUCCESS",
        "displayStatus": "FULFILLED", "fulfillmentLineItems": items, "trackingInfo": tracking, "createdAt": Val::Time(now), "updatedAt": Val::Time(now),
        "location": text(given, "locationId").and_then(Gid::parse),
    };
    order.set("fulfillments", vec![Val::from(made)]);
}

fn order_of(store: &Store, call: &Call<'_>) -> Option<Gid> {
    let input = call.map("input").and_then(|input| text(input, "id").or_else(|| text(input, "orderId")));
    store.find(Kind::Order, input.or_else(|| call.text("orderId"))?)
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (order_of(store, call), call.map("input")) else {
        return refuse(&["id"], "Order does not exist", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut order = store.get(gid).map(|order| Obj::clone(order)).unwrap_or_default();
    copy(&mut order, input, FIELDS);
    addresses(store, &mut order, input);
    metafields::merge(store, Kind::Order, &mut order, input, &["input"], &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = order);
    errors.payload(obj! { "order": gid })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = order_of(store, call) else {
        return refuse(&["orderId"], "Order does not exist", "NOT_FOUND");
    };
    store.remove(gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}

fn close(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = order_of(store, call) else {
        return refuse(&["id"], "Order does not exist", "NOT_FOUND");
    };
    let now = store.now;
    store.edit(gid, |order| order.set("closedAt", Val::Time(now)));
    Errors::default().payload(obj! { "order": gid })
}

fn open(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = order_of(store, call) else {
        return refuse(&["id"], "Order does not exist", "NOT_FOUND");
    };
    store.edit(gid, |order| order.set("closedAt", Val::Null));
    Errors::default().payload(obj! { "order": gid })
}

fn cancel(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = order_of(store, call) else {
        let error = Val::from(
            obj! { "field": Val::texts(["orderId"]), "message": "Order does not exist", "code": "NOT_FOUND" },
        );
        return Ok(obj! { "orderCancelUserErrors": vec![error] });
    };
    let now = store.now;
    store.edit(gid, |order| {
        order.set("cancelledAt", Val::Time(now));
        order.set("cancelReason", call.text("reason").and_then(intern).map(Val::Lit));
        order.set("closedAt", Val::Time(now));
    });
    let job = store.start_job(Later::Nothing);
    Ok(obj! { "job": job, "orderCancelUserErrors": Vec::<Val>::new() })
}

fn refund(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (order_of(store, call), call.map("input")) else {
        return refuse(&["orderId"], "Order does not exist", "NOT_FOUND");
    };
    let order = store.get(gid).map(|order| Obj::clone(order)).unwrap_or_default();
    let mut errors = Errors::default();
    let mut items = Vec::new();
    for (index, one) in
        list(input, "refundLineItems").unwrap_or_default().iter().filter_map(Json::as_object).enumerate()
    {
        let id = text(one, "lineItemId").and_then(Gid::parse);
        let line = order.list("lineItems").iter().filter_map(Val::as_obj).find(|line| line.gid("id") == id);
        let quantity = one.get("quantity").and_then(Json::as_i64).unwrap_or(0);
        match line {
            Some(line) if quantity <= line.int("refundableQuantity").unwrap_or(0) => {
                let price = line.int("discountedUnitPriceSet").unwrap_or(0);
                items.push(Val::from(obj! {
                    "id": Val::Id(store.mint(Kind::RefundLineItem)), "lineItemId": id.map(Val::Id), "quantity": quantity, "priceSet": Val::Cents(price),
                    "subtotalSet": Val::Cents(price * quantity), "restockType": text(one, "restockType").and_then(intern).unwrap_or("NO_RESTOCK"),
                }));
            }
            _ => errors.add(
                &["refundLineItems", &index.to_string()],
                "Quantity cannot refund more items than were purchased",
                "INVALID",
            ),
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let now = store.now;
    let paid = transactions(store, list(input, "transactions").unwrap_or_default());
    let amount = sum(&paid, "amountSet");
    let mut made = obj! {
        "id": Val::Id(store.mint(Kind::Refund)), "refundLineItems": items, "transactions": paid, "totalRefundedSet": Val::Cents(amount),
        "createdAt": Val::Time(now), "updatedAt": Val::Time(now), "processedAt": Val::Time(now), "order": gid,
    };
    copy(&mut made, input, &[("note", "note", As::Same)]);
    store.edit(gid, |order| {
        order.edit_list("refunds", |refunds| refunds.push(Val::from(made.clone())));
        order.take("displayFinancialStatus");
        total(order);
    });
    errors.payload(obj! { "order": gid, "refund": made })
}
