//! Markets and web presences.

use super::Row;
use crate::shopify::list::Scan;
use crate::shopify::mutate::markets::type_of;
use crate::shopify::node::{Node, Out};
use crate::shopify::value::{Kind, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("QueryRoot", "webPresences", |_, _, _| Ok(Out::Scan(Scan::all(&[Kind::MarketWebPresence])))),
    ("Market", "type", |_, node, _| Ok(Out::Own(Val::Lit(type_of(node.obj()))))),
    ("Market", "conditions", |_, node, _| {
        let Some(conditions) = node.obj().obj("conditions") else { return Ok(Out::Null) };
        let types = [("regionsCondition", "REGION"), ("locationsCondition", "LOCATION")];
        let there = types.iter().filter(|(name, _)| conditions.get(name).is_some());
        let types: Vec<Val> = there.map(|(_, word)| Val::Lit(word)).collect();
        Ok(Out::Node(Node::made(conditions.clone().with("conditionTypes", types), node.owner)))
    }),
    ("MarketWebPresence", "markets", |ctx, node, _| {
        let markets = ctx.store.gids(Kind::Market).filter(|market| {
            let list = ctx.store.get(*market).map(|market| market.list("webPresences")).unwrap_or_default();
            list.iter().any(|one| one.as_gid() == node.gid)
        });
        Ok(Out::Own(Val::from(markets.collect::<Vec<_>>())))
    }),
    ("MarketWebPresence", "rootUrls", |ctx, node, _| {
        let own = node.obj();
        let shop = ctx.store.get(ctx.store.shop).and_then(|shop| shop.str("url")).unwrap_or_default();
        let default = own.gid("defaultLocale");
        let others = own.list("alternateLocales").iter().filter_map(Val::as_gid);
        let urls = default.into_iter().chain(others).filter_map(|gid| {
            let code = ctx.store.get(gid)?.str("locale")?;
            let url = match own.str("subfolderSuffix") {
                Some(suffix) => format!("{shop}/{code}-{suffix}/"),
                None if Some(gid) == default => format!("{shop}/"),
                None => format!("{shop}/{code}/"),
            };
            Some(Val::from(obj! { "locale": Val::text(code), "url": Val::text(url) }))
        });
        Ok(Out::Own(Val::List(urls.collect())))
    }),
];
