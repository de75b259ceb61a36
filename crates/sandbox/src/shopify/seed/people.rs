//! Customers, orders and draft orders. No name in them is a person's.

use super::products::metafield;
use super::{DAY, Dice};
use crate::shopify::mutate::orders::total;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

const WORDS: &[&str] = &[
    "Aldor", "Benmar", "Corvel", "Dalune", "Elvan", "Forwin", "Galdo", "Helmir", "Istran", "Jorven",
    "Keldan", "Lorime",
];
const CITIES: &[(&str, &str)] =
    &[("Sampleton", "10115"), ("Exampleburg", "20095"), ("Testhaven", "50667"), ("Modelstadt", "80331")];

fn address(store: &mut Store, dice: &mut Dice, word: &'static str, number: u32) -> Obj {
    let (city, zip) = dice.pick(CITIES).unwrap_or(("Sampleton", "10115"));
    obj! {
        "id": Val::Id(store.mint(Kind::MailingAddress)), "firstName": "Customer", "lastName": Val::text(format!("{word} {number}")),
        "address1": Val::text(format!("{} Sample Street", dice.between(1, 240))), "city": city, "zip": zip, "countryCodeV2": "DE", "country": "Germany",
    }
}

/// Makes customers, orders, and a few draft orders.
pub(super) fn fill(store: &mut Store, dice: &mut Dice, customers: u32, orders: u32) {
    let now = store.now;
    let mut people: Vec<Gid> = Vec::new();
    for number in 1..=customers {
        let word = dice.word(WORDS);
        let created = now - 380 * DAY + i64::from(number) * (300 * DAY) / i64::from(customers.max(1));
        let home = address(store, dice, word, number);
        let mut customer = obj! {
            "firstName": "Customer", "lastName": Val::text(format!("{word} {number}")), "email": Val::text(format!("{}.{number}@example.com", word.to_lowercase())),
            "state": if dice.one_in(3) { "ENABLED" } else { "DISABLED" }, "locale": "en", "verifiedEmail": true, "taxExempt": false,
            "tags": Val::texts(if dice.one_in(3) { vec!["returning"] } else { Vec::new() }), "defaultAddressId": home.get("id").cloned(),
            "addressesV2": vec![Val::from(home)], "createdAt": Val::Time(created), "updatedAt": Val::Time(created + dice.between(0, 60) * DAY),
            "emailMarketingConsent": crate::shopify::fields::consent(if dice.one_in(2) { "SUBSCRIBED" } else { "NOT_SUBSCRIBED" }, created),
        };
        if dice.one_in(3) {
            customer.set("phone", Val::text(format!("+4930555{number:05}")));
        }
        if customer.get("phone").is_some() {
            let said = obj! { "state": "SUBSCRIBED", "optInLevel": "SINGLE_OPT_IN", "updatedAt": Val::Time(created) };
            customer.set("whatsAppMarketingConsent", said);
            customer.set("smsMarketingConsent", crate::shopify::fields::consent("SUBSCRIBED", created));
        }
        if number.is_multiple_of(3) {
            customer.set("multipassIdentifier", Val::text(format!("elsewhere-{number}")));
            customer.set("taxExemptions", vec![Val::Lit("EU_REVERSE_CHARGE_EXEMPTION_RULE")]);
        }
        if dice.one_in(4) {
            customer.set("note", "Prefers delivery in the evening");
        }
        if dice.one_in(2) {
            let tier = metafield(
                store,
                "custom",
                "tier",
                "single_line_text_field",
                Val::Lit(if dice.one_in(2) { "gold" } else { "plain" }),
                created,
            );
            customer.set("metafields", vec![tier]);
        }
        people.push(store.insert(Kind::Customer, customer));
    }
    let variants: Vec<Gid> = store.gids(Kind::ProductVariant).collect();
    if variants.is_empty() {
        return;
    }
    let mut history: std::collections::HashMap<Gid, (i64, i64, Gid)> = std::collections::HashMap::new();
    for number in 1..=orders {
        let created = now - 200 * DAY + i64::from(number) * (199 * DAY) / i64::from(orders.max(1));
        let customer = dice.pick(&people);
        let gid = order(store, dice, &variants, customer, number, created);
        if let Some(customer) = customer {
            let spent = store.get(gid).and_then(|order| order.int("totalPriceSet")).unwrap_or(0);
            let entry = history.entry(customer).or_insert((0, 0, gid));
            *entry = (entry.0 + 1, entry.1 + spent, gid);
        }
    }
    for (customer, (count, spent, last)) in history {
        store.edit_silently(customer, |customer| {
            customer.set("numberOfOrders", count);
            customer.set("amountSpent", Val::Cents(spent));
            customer.set("lastOrder", last);
        });
    }
    if orders > 0 {
        gift_cards(store, &people, now - 90 * DAY);
    }
    for number in 1..=orders.min(5) {
        draft(store, dice, &variants, dice.clone().pick(&people), number, now - i64::from(number) * DAY);
    }
}

/// One card that a customer bought for somebody else, and one that is used up.
fn gift_cards(store: &mut Store, people: &[Gid], at: i64) {
    let customer = people.first().copied();
    let order = store.gids(Kind::Order).find(|gid| {
        customer.is_some() && store.get(*gid).and_then(|order| order.gid("customer")) == customer
    });
    let recipient = people.get(1).copied().map(|other| {
        obj! { "recipient": other, "message": "For the new flat", "preferredName": "Neighbour", "sendNotificationAt": Val::Time(at) }
    });
    store.insert(
        Kind::GiftCard,
        obj! {
            "balance": Val::Cents(2_550), "initialValue": Val::Cents(5_000), "customer": customer, "order": order,
            "recipientAttributes": recipient, "note": "Bought at the counter", "enabled": true, "expiresOn": "2029-12-31",
            "maskedCode": "•••• •••• •••• 7gh2", "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
        },
    );
    store.insert(
        Kind::GiftCard,
        obj! {
            "balance": Val::Cents(0), "initialValue": Val::Cents(1_000), "enabled": false, "deactivatedAt": Val::Time(at + DAY),
            "maskedCode": "•••• •••• •••• k9wd", "createdAt": Val::Time(at), "updatedAt": Val::Time(at + DAY),
        },
    );
}

fn line(store: &mut Store, dice: &mut Dice, variants: &[Gid], kind: Kind) -> Option<Obj> {
    let gid = dice.pick(variants)?;
    let quantity = dice.between(1, 3);
    let id = store.mint(kind);
    let variant = store.get(gid)?;
    let price = variant.int("price")?;
    let product = variant.gid("product")?;
    let of = store.get(product)?;
    let title = of.get("title").cloned();
    let variant_title = crate::shopify::fields::variant_title(variant);
    let sku = variant
        .gid("inventoryItem")
        .and_then(|item| store.get(item))
        .and_then(|item| item.get("sku").cloned());
    let name =
        match Some(variant_title.as_str()).filter(|title| *title != "Default Title" && !title.is_empty()) {
            Some(variant) => format!("{} - {variant}", of.str("title").unwrap_or_default()),
            None => of.str("title").unwrap_or_default().to_owned(),
        };
    Some(obj! {
        "id": Val::Id(id), "title": title, "name": Val::text(name), "variantTitle": variant_title, "sku": sku, "vendor": of.get("vendor").cloned(),
        "variant": gid, "product": product, "quantity": quantity, "currentQuantity": quantity, "refundableQuantity": quantity, "taxable": true, "requiresShipping": true,
        "originalUnitPriceSet": Val::Cents(price), "discountedUnitPriceSet": Val::Cents(price), "discountedUnitPriceAfterAllDiscountsSet": Val::Cents(price),
        "originalTotalSet": Val::Cents(price * quantity), "discountedTotalSet": Val::Cents(price * quantity),
        "approximateDiscountedUnitPriceSet": Val::Cents(price),
    })
}

fn order(
    store: &mut Store,
    dice: &mut Dice,
    variants: &[Gid],
    customer: Option<Gid>,
    number: u32,
    created: i64,
) -> Gid {
    let lines: Vec<Val> = (0..dice.between(1, 3))
        .filter_map(|_| line(store, dice, variants, Kind::LineItem))
        .map(Val::from)
        .collect();
    let of = customer.and_then(|gid| store.get(gid));
    let home = of.and_then(|customer| customer.list("addressesV2").first().cloned());
    let mail = of.and_then(|customer| customer.get("email").cloned());
    let shipping = obj! {
        "id": Val::text(store.mint(Kind::ShippingLine).to_string()), "title": "Standard", "code": "standard", "source": "shopify", "originalPriceSet": Val::Cents(490),
        "discountedPriceSet": Val::Cents(490), "currentDiscountedPriceSet": Val::Cents(490),
    };
    let shown = 1_000 + i64::from(number);
    let subtotal: i64 = lines.iter().filter_map(|line| line.as_obj()?.int("discountedTotalSet")).sum();
    let tax = obj! { "title": "VAT", "rate": 0.19, "ratePercentage": 19.0, "priceSet": Val::Cents(subtotal * 19 / 119) };
    let mut made = obj! {
        "number": shown, "name": Val::text(format!("#{shown}")), "customer": customer, "email": mail, "confirmed": true, "taxesIncluded": true, "lineItems": lines,
        "shippingLines": vec![Val::from(shipping)], "taxLines": vec![Val::from(tax)], "shippingAddress": home.clone(), "billingAddress": home, "sourceName": "web",
        "processedAt": Val::Time(created), "createdAt": Val::Time(created), "updatedAt": Val::Time(created + dice.between(0, 10) * DAY),
        "tags": Val::texts(if dice.one_in(6) { vec!["gift"] } else { Vec::new() }),
    };
    if dice.one_in(5) {
        made.set("note", "Please ring twice");
    }
    total(&mut made);
    let whole = made.int("totalPriceSet").unwrap_or(0);
    let paid = obj! {
        "id": Val::Id(store.mint(Kind::OrderTransaction)), "kind": "SALE", "status": "SUCCESS", "gateway": "manual", "formattedGateway": "Manual",
        "amountSet": Val::Cents(whole), "createdAt": Val::Time(created), "processedAt": Val::Time(created),
    };
    made.set("transactions", vec![Val::from(paid)]);
    if !dice.one_in(4) {
        let items: Vec<Val> = made
            .list("lineItems")
            .iter()
            .filter_map(Val::as_obj)
            .filter_map(|line| Some((line.gid("id")?, line.int("quantity")?)))
            .map(|(id, quantity)| Val::from(obj! { "id": Val::Id(store.mint(Kind::FulfillmentLineItem)), "lineItemId": Val::Id(id), "quantity": quantity }))
            .collect();
        let sent = obj! {
            "id": Val::Id(store.mint(Kind::Fulfillment)), "name": Val::text(format!("#{shown}-F1")), "status": "SUCCESS", "displayStatus": "FULFILLED",
            "fulfillmentLineItems": items, "trackingInfo": vec![Val::from(obj! { "number": Val::text(format!("PT{number:08}")), "company": "Sample Post" })],
            "createdAt": Val::Time(created + DAY), "updatedAt": Val::Time(created + DAY), "totalQuantity": made.int("subtotalLineItemsQuantity"),
        };
        made.set("fulfillments", vec![Val::from(sent)]);
        if dice.one_in(3) {
            made.set("closedAt", Val::Time(created + 2 * DAY));
        }
    }
    if dice.one_in(8) {
        refund(store, &mut made, created);
    }
    if number.is_multiple_of(5) {
        abroad(store, &mut made);
    }
    for name in ["displayFinancialStatus", "displayFulfillmentStatus"] {
        made.take(name);
    }
    total(&mut made);
    if dice.one_in(10) {
        let packer =
            metafield(store, "custom", "packer", "single_line_text_field", Val::Lit("Bench two"), created);
        made.set("metafields", vec![packer]);
    }
    store.insert(Kind::Order, made)
}

/// What an order from abroad has more: duties, fees, a plan by which it was bought.
fn abroad(store: &mut Store, order: &mut Obj) {
    let mut id = |kind| Val::Id(store.mint(kind));
    let duty = obj! {
        "id": id(Kind::Duty), "countryCodeOfOrigin": "DE", "harmonizedSystemCode": "940360", "price": Val::Cents(120),
        "taxLines": Vec::<Val>::new(),
    };
    let fee = obj! { "id": id(Kind::AdditionalFee), "name": "Handling", "price": Val::Cents(250), "taxLines": Vec::<Val>::new() };
    let cost = obj! {
        "id": id(Kind::TransactionFee), "type": "processing_fee", "amount": Val::Cents(30), "flatFee": Val::Cents(30), "rate": 0.0,
        "taxAmount": Val::Cents(0),
    };
    order.set("additionalFees", vec![Val::from(fee)]);
    let mut give = |list: &'static str, name: &'static str, value: Val| {
        order.edit_list(list, |all| {
            if let Some(Val::Obj(first)) = all.first_mut() {
                first.set(name, value);
            }
        });
    };
    give("lineItems", "duties", Val::from(vec![Val::from(duty)]));
    give("lineItems", "sellingPlan", Val::from(obj! { "name": "Each month" }));
    give("transactions", "fees", Val::from(vec![Val::from(cost)]));
}

fn refund(store: &mut Store, order: &mut Obj, created: i64) {
    let Some(line) = order.list("lineItems").first().and_then(Val::as_obj).cloned() else { return };
    let price = line.int("discountedUnitPriceSet").unwrap_or(0);
    let when = Val::Time(created + 5 * DAY);
    let back = obj! {
        "id": Val::Id(store.mint(Kind::OrderTransaction)), "kind": "REFUND", "status": "SUCCESS", "gateway": "manual", "formattedGateway": "Manual",
        "amountSet": Val::Cents(price), "createdAt": when.clone(), "processedAt": when.clone(),
    };
    let item = obj! {
        "id": Val::Id(store.mint(Kind::RefundLineItem)), "lineItemId": line.get("id").cloned(), "quantity": 1_i64, "priceSet": Val::Cents(price),
        "subtotalSet": Val::Cents(price), "restockType": "RETURN",
    };
    let made = obj! {
        "id": Val::Id(store.mint(Kind::Refund)), "note": "Came back unopened", "refundLineItems": vec![Val::from(item)], "transactions": vec![Val::from(back.clone())],
        "totalRefundedSet": Val::Cents(price), "createdAt": when.clone(), "updatedAt": when.clone(), "processedAt": when,
    };
    order.edit_list("transactions", |all| all.push(Val::from(back)));
    order.set("refunds", vec![Val::from(made)]);
}

fn draft(
    store: &mut Store,
    dice: &mut Dice,
    variants: &[Gid],
    customer: Option<Gid>,
    number: u32,
    created: i64,
) {
    let lines: Vec<Val> =
        (0..2).filter_map(|_| line(store, dice, variants, Kind::DraftOrderLineItem)).map(Val::from).collect();
    let subtotal: i64 = lines.iter().filter_map(|line| line.as_obj()?.int("discountedTotalSet")).sum();
    let quantity: i64 = lines.iter().filter_map(|line| line.as_obj()?.int("quantity")).sum();
    let mail = customer.and_then(|gid| store.get(gid)).and_then(|customer| customer.get("email").cloned());
    store.insert(
        Kind::DraftOrder,
        obj! {
            "name": Val::text(format!("#D{number}")), "status": "OPEN", "ready": true, "customer": customer, "email": mail, "note2": "Made by phone", "lineItems": lines,
            "tags": Val::texts(["phone"]), "subtotalPriceSet": Val::Cents(subtotal), "lineItemsSubtotalPrice": Val::Cents(subtotal),
            "totalLineItemsPriceSet": Val::Cents(subtotal), "totalPriceSet": Val::Cents(subtotal), "totalQuantityOfLineItems": quantity,
            "createdAt": Val::Time(created), "updatedAt": Val::Time(created),
        },
    );
}
