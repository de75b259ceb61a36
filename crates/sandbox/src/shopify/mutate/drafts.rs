//! Draft orders.

use serde_json::{Map, Value as Json};

use super::orders::{FIELDS, addresses, cents, lines, shipping, sum};
use super::{As, Call, Errors, Outcome, Row, copy, list, metafields, refuse, text};
use crate::shopify::store::Store;
use crate::shopify::value::{Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("draftOrderCreate", create_draft),
    ("draftOrderUpdate", update_draft),
    ("draftOrderDelete", delete_draft),
];

fn discount(input: &Map<String, Json>) -> Option<Obj> {
    let given = input.get("appliedDiscount")?.as_object()?;
    let mut made = obj! { "value": given.get("value").and_then(Json::as_f64), "amountSet": Val::Cents(cents(given.get("amountWithCurrency"))) };
    copy(
        &mut made,
        given,
        &[
            ("title", "title", As::Same),
            ("description", "description", As::Same),
            ("valueType", "valueType", As::Word),
        ],
    );
    Some(made)
}

fn apply_draft(store: &mut Store, draft: &mut Obj, input: &Map<String, Json>, errors: &mut Errors) {
    copy(draft, input, FIELDS);
    copy(
        draft,
        input,
        &[
            ("note", "note2", As::Same),
            ("taxExempt", "taxExempt", As::Same),
            ("reserveInventoryUntil", "reserveInventoryUntil", As::Time),
            ("visibleToCustomer", "visibleToCustomer", As::Same),
            ("discountCodes", "discountCodes", As::Same),
            ("allowDiscountCodesInCheckout", "allowDiscountCodesInCheckout", As::Same),
            ("acceptAutomaticDiscounts", "acceptAutomaticDiscounts", As::Same),
        ],
    );
    draft.take("note");
    if list(input, "lineItems").is_some() {
        let made = lines(store, Kind::DraftOrderLineItem, input, errors);
        draft.set("lineItems", made);
    }
    if draft.list("lineItems").is_empty() {
        errors.add(&["lineItems"], "Add at least 1 product", "INVALID");
    }
    addresses(store, draft, input);
    let person = input
        .get("purchasingEntity")
        .and_then(|entity| entity.get("customerId"))
        .or_else(|| input.get("customerId"))
        .and_then(Json::as_str);
    if let Some(id) = person {
        match store.find(Kind::Customer, id) {
            Some(gid) => draft.set("customer", gid),
            None => errors.add(&["customerId"], "Customer does not exist", "INVALID"),
        }
    }
    if let Some(given) = input.get("shippingLine").filter(|given| given.is_object()) {
        let made = shipping(store, std::slice::from_ref(given));
        draft.set("shippingLine", made.into_iter().next().unwrap_or(Val::Null));
    }
    if input.contains_key("appliedDiscount") {
        draft.set("appliedDiscount", discount(input));
    }
    metafields::merge(store, Kind::DraftOrder, draft, input, &["input"], errors);
    let subtotal = sum(draft.list("lineItems"), "discountedTotalSet");
    let off = draft.obj("appliedDiscount").map_or(0, |discount| {
        match (discount.str("valueType"), discount.get("value")) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "amounts of a practice order are small"
            )]
            (Some("PERCENTAGE"), Some(Val::Float(percent))) => {
                (subtotal as f64 * percent / 100.0).round() as i64
            }
            _ => discount.int("amountSet").unwrap_or(0),
        }
    });
    let shipping = draft.obj("shippingLine").and_then(|line| line.int("discountedPriceSet")).unwrap_or(0);
    for (field, value) in [
        ("subtotalPriceSet", subtotal - off),
        ("lineItemsSubtotalPrice", subtotal),
        ("totalLineItemsPriceSet", subtotal),
        ("totalDiscountsSet", off),
        ("totalShippingPriceSet", shipping),
        ("totalTaxSet", 0),
        ("totalPriceSet", subtotal - off + shipping),
    ] {
        draft.set(field, Val::Cents(value));
    }
    let quantity: i64 =
        draft.list("lineItems").iter().filter_map(|line| line.as_obj()?.int("quantity")).sum();
    draft.set("totalQuantityOfLineItems", quantity);
}

fn create_draft(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else { return refuse(&["input"], "An input is needed.", "INVALID") };
    let mut errors = Errors::default();
    let number = store
        .table(Kind::DraftOrder)
        .rows
        .values()
        .filter_map(|draft| draft.str("name")?.strip_prefix("#D")?.parse::<i64>().ok())
        .max()
        .unwrap_or(0)
        + 1;
    let mut draft = obj! { "name": Val::text(format!("#D{number}")), "status": "OPEN", "ready": true };
    apply_draft(store, &mut draft, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::DraftOrder, draft);
    errors.payload(obj! { "draftOrder": gid })
}

fn update_draft(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::DraftOrder, "id"), call.map("input")) else {
        return refuse(&["id"], "Draft order does not exist", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut draft = store.get(gid).map(|draft| Obj::clone(draft)).unwrap_or_default();
    apply_draft(store, &mut draft, input, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = draft);
    errors.payload(obj! { "draftOrder": gid })
}

fn delete_draft(store: &mut Store, call: &Call<'_>) -> Outcome {
    let gid =
        call.map("input").and_then(|input| text(input, "id")).and_then(|id| store.find(Kind::DraftOrder, id));
    let Some(gid) = gid else { return refuse(&["id"], "Draft order does not exist", "NOT_FOUND") };
    store.remove(gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}
