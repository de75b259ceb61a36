//! Customers, orders, draft orders, discounts.

use super::Row;
use crate::shopify::list::{Only, Scan, Sort};
use crate::shopify::node::{Ctx, Node, Out};
use crate::shopify::search;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj, parse_time};

pub(super) const ROWS: &[Row] = &[
    ("Customer", "displayName", |_, node, _| Ok(Out::Own(Val::text(display_name(node.obj()))))),
    ("Customer", "addresses", |_, node, _| Ok(Out::Own(Val::List(node.obj().list("addressesV2").to_vec())))),
    ("Customer", "defaultAddress", |_, node, _| {
        let own = node.obj();
        let chosen = own.gid("defaultAddressId");
        let found = own
            .list("addressesV2")
            .iter()
            .find(|address| address.as_obj().and_then(|address| address.gid("id")) == chosen);
        Ok(found.or_else(|| own.list("addressesV2").first()).cloned().map_or(Out::Null, Out::Own))
    }),
    ("Customer", "defaultEmailAddress", |_, node, _| {
        let own = node.obj();
        let Some(mail) = own.get("email").cloned() else { return Ok(Out::Null) };
        let consent = own.obj("emailMarketingConsent").cloned().unwrap_or_default();
        let state = consent.get("marketingState").cloned().unwrap_or(Val::Lit("NOT_SUBSCRIBED"));
        Ok(Out::Node(Node::made(
            obj! {
                "emailAddress": mail, "marketingState": state, "validFormat": true,
                "marketingOptInLevel": consent.get("marketingOptInLevel").cloned(),
                "marketingUpdatedAt": consent.get("consentUpdatedAt").cloned(),
                "openTrackingLevel": "UNKNOWN",
            },
            node.owner,
        )))
    }),
    ("Customer", "defaultPhoneNumber", |_, node, _| {
        let own = node.obj();
        let Some(phone) = own.get("phone").cloned() else { return Ok(Out::Null) };
        let consent = own.obj("smsMarketingConsent").cloned().unwrap_or_default();
        let state = consent.get("marketingState").cloned().unwrap_or(Val::Lit("NOT_SUBSCRIBED"));
        Ok(Out::Node(Node::made(
            obj! {
                "phoneNumber": phone, "marketingState": state,
                "smsMarketingConsent": shown(&consent, "marketingState", "marketingOptInLevel", "consentUpdatedAt"),
                "whatsAppMarketingConsent": own
                    .obj("whatsAppMarketingConsent")
                    .map_or_else(Obj::default, |consent| shown(consent, "state", "optInLevel", "updatedAt")),
                "marketingOptInLevel": consent.get("marketingOptInLevel").cloned(),
                "marketingUpdatedAt": consent.get("consentUpdatedAt").cloned(),
                "marketingCollectedFrom": consent.get("consentCollectedFrom").cloned(),
            },
            node.owner,
        )))
    }),
    ("Customer", "orders", |_, node, field| {
        let only = Only::Points("customer", node.gid.unwrap_or(Gid::new(Kind::Customer, 0)));
        let query = field.text("query").map(search::parse);
        Ok(Out::Scan(Scan {
            kinds: &[Kind::Order],
            sort: Sort::from_key(field.text("sortKey")),
            query,
            only,
        }))
    }),
    ("Customer", "numberOfOrders", |_, node, _| {
        Ok(Out::Own(Val::Int(node.obj().int("numberOfOrders").unwrap_or(0))))
    }),
    ("Customer", "canDelete", |_, node, _| {
        Ok(Out::Own(Val::Bool(node.obj().int("numberOfOrders").unwrap_or(0) == 0)))
    }),
    ("GiftCard", "isRedeemable", |ctx, node, _| {
        let own = node.obj();
        let over = own.str("expiresOn").and_then(parse_time).is_some_and(|day| day < ctx.now);
        let usable = own.flag("enabled") == Some(true) && own.int("balance").unwrap_or(0) > 0;
        Ok(Out::Own(Val::Bool(usable && !over)))
    }),
    ("GiftCard", "lastCharacters", |_, node, _| {
        let masked = node.obj().str("maskedCode").unwrap_or_default();
        Ok(Out::Own(Val::text(masked.rsplit(' ').next().unwrap_or_default())))
    }),
    ("Segment", "creationDate", |_, node, _| Ok(time(node, "createdAt"))),
    ("Segment", "lastEditDate", |_, node, _| Ok(time(node, "updatedAt"))),
    ("Order", "discountCode", |_, node, _| {
        Ok(node.obj().list("discountCodes").first().cloned().map_or(Out::Null, Out::Own))
    }),
    ("Order", "closed", |_, node, _| Ok(Out::Own(Val::Bool(node.obj().get("closedAt").is_some())))),
    ("Order", "displayAddress", |_, node, _| {
        Ok(node.obj().get("shippingAddress").cloned().map_or(Out::Null, Out::Own))
    }),
    ("Order", "shippingLine", |_, node, _| {
        Ok(node.obj().list("shippingLines").first().cloned().map_or(Out::Null, Out::Own))
    }),
    ("Order", "presentmentCurrencyCode", currency),
    ("Order", "currencyCode", currency),
    ("DraftOrder", "presentmentCurrencyCode", currency),
    ("DraftOrder", "currencyCode", currency),
    ("*", "order", |_, node, field| {
        if let Some(own) = node.obj().get("order") {
            return Ok(Out::Own(own.clone()));
        }
        let order = node.owner.filter(|gid| gid.kind() == Kind::Order && field.type_name == "Order");
        Ok(order.map_or(Out::Null, |gid| Out::Own(Val::Ref(gid))))
    }),
    ("FulfillmentLineItem", "lineItem", |ctx, node, _| Ok(line_item(ctx, node))),
    ("RefundLineItem", "lineItem", |ctx, node, _| Ok(line_item(ctx, node))),
    ("*", "formatted", |_, node, _| {
        let own = node.obj();
        let lines =
            ["address1", "address2", "zip", "city", "countryCode"].iter().filter_map(|part| own.str(part));
        Ok(Out::Own(Val::texts(lines)))
    }),
    ("MailingAddress", "countryCode", |_, node, _| {
        Ok(node.obj().get("countryCodeV2").cloned().map_or(Out::Null, Out::Own))
    }),
    ("MailingAddress", "name", |_, node, _| Ok(Out::Own(Val::text(display_name(node.obj()))))),
    ("DiscountCodeNode", "codeDiscount", |_, node, _| {
        Ok(node.obj().get("discount").cloned().map_or(Out::Null, Out::Own))
    }),
    ("DiscountAutomaticNode", "automaticDiscount", |_, node, _| {
        Ok(node.obj().get("discount").cloned().map_or(Out::Null, Out::Own))
    }),
    ("*", "codesCount", |_, node, _| Ok(Out::Own(Val::from(node.obj().list("codes").len())))),
    ("DiscountCodeBasic", "status", status),
    ("DiscountCodeBxgy", "status", status),
    ("DiscountCodeFreeShipping", "status", status),
    ("DiscountAutomaticBasic", "status", status),
    ("DiscountAutomaticBxgy", "status", status),
    ("DiscountAutomaticFreeShipping", "status", status),
];

fn time<'a>(node: &Node<'a>, name: &str) -> Out<'a> {
    node.obj().get(name).cloned().map_or(Out::Null, Out::Own)
}

/// A consent as both kinds of messages show it, from the names under which it was given.
fn shown(consent: &Obj, state: &str, level: &str, at: &str) -> Obj {
    obj! {
        "state": consent.get(state).cloned().unwrap_or(Val::Lit("NEVER_SUBSCRIBED")),
        "optInLevel": consent.get(level).cloned(),
        "updatedAt": consent.get(at).cloned(),
    }
}

fn display_name(person: &Obj) -> String {
    let both = [person.str("firstName"), person.str("lastName")];
    let name = both.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if name.is_empty() { person.str("email").unwrap_or_default().to_owned() } else { name }
}

fn currency<'a>(
    _: &Ctx<'a>,
    node: &Node<'a>,
    field: &crate::shopify::plan::Field<'_>,
) -> Result<Out<'a>, crate::shopify::node::FieldError> {
    Ok(Out::Own(node.obj().get(field.name).cloned().unwrap_or(Val::Lit("EUR"))))
}

fn line_item<'a>(ctx: &Ctx<'a>, node: &Node<'a>) -> Out<'a> {
    let wanted = node.obj().gid("lineItemId");
    let order = node.owner.and_then(|gid| ctx.store.get(gid));
    let found = order.and_then(|order| {
        order.list("lineItems").iter().find(|line| line.as_obj().and_then(|line| line.gid("id")) == wanted)
    });
    found.map_or(Out::Null, Out::Ref)
}

fn status<'a>(
    ctx: &Ctx<'a>,
    node: &Node<'a>,
    _: &crate::shopify::plan::Field<'_>,
) -> Result<Out<'a>, crate::shopify::node::FieldError> {
    let own = node.obj();
    let status = if own.int("endsAt").is_some_and(|end| end <= ctx.now) {
        "EXPIRED"
    } else if own.int("startsAt").is_some_and(|start| start > ctx.now) {
        "SCHEDULED"
    } else {
        "ACTIVE"
    };
    Ok(Out::Own(Val::Lit(status)))
}

/// A customer's consent as the state keeps it.
pub(crate) fn consent(state: &'static str, at: i64) -> Obj {
    if state == "NOT_SUBSCRIBED" {
        // Nobody was ever asked: there is no date and no way of consenting.
        return obj! { "marketingState": state };
    }
    obj! { "marketingState": state, "marketingOptInLevel": "SINGLE_OPT_IN", "consentUpdatedAt": Val::Time(at) }
}
