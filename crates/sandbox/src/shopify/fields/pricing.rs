//! Price lists and catalogs.

use super::Row;
use crate::shopify::mutate::pricing::catalog_of;
use crate::shopify::node::{Ctx, FieldError, Node, Out};
use crate::shopify::plan::Field;
use crate::shopify::value::{Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("PriceList", "catalog", |ctx, node, _| {
        Ok(node
            .gid
            .and_then(|gid| catalog_of(ctx.store, gid))
            .map_or(Out::Null, |gid| Out::Own(Val::Ref(gid))))
    }),
    ("PriceList", "fixedPricesCount", |_, node, _| Ok(Out::Own(Val::from(node.obj().list("prices").len())))),
    ("PriceList", "prices", prices),
    ("PriceList", "quantityRules", rules),
    ("PriceListPrice", "quantityPriceBreaks", |_, node, _| {
        let variant = node.obj().get("variant").cloned();
        let breaks = node.obj().list("breaks").iter().filter_map(Val::as_obj);
        let breaks = breaks.map(|one| Val::from(one.clone().with("variant", variant.clone())));
        Ok(Out::Own(Val::List(breaks.collect())))
    }),
    ("QuantityPriceBreak", "priceList", |_, node, _| {
        Ok(node.owner.map_or(Out::Null, |gid| Out::Own(Val::Ref(gid))))
    }),
];

/// Whether what was given for a variant is asked for, and whether what follows from the rest.
fn asked(field: &Field<'_>) -> (bool, bool) {
    let origin = field.text("originType");
    (origin != Some("RELATIVE"), origin != Some("FIXED"))
}

/// What is said of variants that are there still.
fn there<'o>(ctx: &Ctx<'_>, list: &'o [Val]) -> impl Iterator<Item = &'o Obj> {
    let store = ctx.store;
    list.iter().filter_map(Val::as_obj).filter(|one| one.gid("variant").is_some_and(|gid| store.has(gid)))
}

/// The fixed prices, and those that follow from the adjustment.
fn prices<'a>(ctx: &Ctx<'a>, node: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let own = node.obj();
    let (fixed, relative) = asked(field);
    let mut all: Vec<Obj> = Vec::new();
    let there = || there(ctx, own.list("prices"));
    if fixed {
        all.extend(there().cloned().map(|price| price.with("originType", "FIXED")));
    }
    if relative {
        let adjustment = own.obj("parent").and_then(|parent| parent.obj("adjustment"));
        let percent = adjustment.map_or(0.0, |adjustment| match adjustment.get("value") {
            Some(Val::Float(value)) => *value,
            _ => 0.0,
        });
        let sign = if adjustment.and_then(|one| one.str("type")) == Some("PERCENTAGE_INCREASE") {
            1.0
        } else {
            -1.0
        };
        for variant in ctx.store.gids(Kind::ProductVariant) {
            if there().any(|price| price.gid("variant") == Some(variant)) {
                continue;
            }
            let price = ctx.store.get(variant).and_then(|variant| variant.int("price")).unwrap_or(0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a price")]
            let price = (price as f64 * (1.0 + sign * percent / 100.0)).round() as i64;
            let amount = obj! { "amount": Val::Cents(price), "currencyCode": own.get("currency").cloned() };
            all.push(obj! { "variant": variant, "price": amount, "originType": "RELATIVE" });
        }
    }
    Ok(Out::Nodes(all.into_iter().map(|price| Node::made(price, node.owner)).collect()))
}

/// The rules that were given, and what holds for the other variants.
fn rules<'a>(ctx: &Ctx<'a>, node: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    let own = node.obj();
    let (fixed, relative) = asked(field);
    let mut all: Vec<Obj> = Vec::new();
    let there = || there(ctx, own.list("rules"));
    let shown = |rule: &Obj, origin: &'static str, is_default: bool| {
        let variant = rule.get("variant").cloned();
        rule.clone().with("productVariant", variant).with("originType", origin).with("isDefault", is_default)
    };
    if fixed {
        all.extend(there().map(|rule| shown(rule, "FIXED", false)));
    }
    if relative {
        let others = ctx.store.gids(Kind::ProductVariant);
        for variant in others.filter(|gid| !there().any(|rule| rule.gid("variant") == Some(*gid))) {
            let rule = obj! { "variant": variant, "minimum": 1_i64, "increment": 1_i64 };
            all.push(shown(&rule, "RELATIVE", true));
        }
    }
    Ok(Out::Nodes(all.into_iter().map(|rule| Node::made(rule, node.owner)).collect()))
}
