//! Pages, blogs, articles, menus, the shop itself, the app, and events.

use super::{Row, plain};
use crate::shopify::list::{Only, Scan};
use crate::shopify::node::{Ctx, FieldError, Node, Out};
use crate::shopify::plan::Field;
use crate::shopify::search;
use crate::shopify::value::{Gid, Kind, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("Page", "bodySummary", |_, node, _| {
        let text: String = plain(node.obj().str("body").unwrap_or_default()).chars().take(150).collect();
        Ok(Out::Own(Val::text(text)))
    }),
    ("Blog", "articles", |_, node, _| Ok(Out::Scan(under(&[Kind::Article], "blog", node)))),
    ("Blog", "articlesCount", |ctx, node, field| {
        Ok(super::roots::counted(ctx, &under(&[Kind::Article], "blog", node), field))
    }),
    ("Blog", "tags", |ctx, node, _| {
        let mut tags: Vec<&str> = Vec::new();
        for article in
            ctx.store.table(Kind::Article).rows.values().filter(|article| article.gid("blog") == node.gid)
        {
            tags.extend(article.list("tags").iter().filter_map(Val::as_str));
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(Out::Own(Val::texts(tags)))
    }),
    ("Article", "comments", |_, node, _| Ok(Out::Scan(under(&[Kind::Comment], "article", node)))),
    ("Article", "commentsCount", |ctx, node, field| {
        Ok(super::roots::counted(ctx, &under(&[Kind::Comment], "article", node), field))
    }),
    ("Comment", "isPublished", |_, node, _| {
        Ok(Out::Own(Val::Bool(node.obj().str("status") == Some("PUBLISHED"))))
    }),
    ("Shop", "shopPolicies", |_, _, _| Ok(Out::Scan(Scan::all(&[Kind::ShopPolicy])))),
    ("AppInstallation", "accessScopes", |ctx, _, _| {
        let scopes = ctx.viewer.scopes.iter().map(|scope| {
            Val::from(obj! { "handle": Val::text(scope), "description": Val::text(format!("May {}", scope.replace('_', " "))) })
        });
        Ok(Out::Own(Val::List(scopes.collect())))
    }),
    ("AppInstallation", "app", |ctx, _, _| Ok(Out::Own(Val::Ref(ctx.store.app)))),
    ("*", "shop", |ctx, _, _| Ok(Out::Own(Val::Ref(ctx.store.shop)))),
    ("*", "events", events),
    ("BasicEvent", "subject", |_, node, _| {
        Ok(node.obj().gid("subjectId").map_or(Out::Null, |gid| Out::Own(Val::Ref(gid))))
    }),
    ("Job", "query", |_, _, _| Ok(Out::Null)),
];

fn under(kinds: &'static [Kind], field: &'static str, node: &Node<'_>) -> Scan {
    Scan { only: Only::Points(field, node.gid.unwrap_or(Gid::new(Kind::Shop, 0))), ..Scan::all(kinds) }
}

fn events<'a>(_: &Ctx<'a>, node: &Node<'a>, field: &Field<'_>) -> Result<Out<'a>, FieldError> {
    Ok(Out::Scan(Scan {
        query: field.text("query").map(search::parse),
        ..under(&[Kind::BasicEvent], "subjectId", node)
    }))
}
