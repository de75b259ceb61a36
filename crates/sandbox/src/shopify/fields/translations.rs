//! Translations.

use serde_json::Value as Json;

use super::{Row, digest};
use crate::shopify::mutate::translations::{TRANSLATABLE, content};
use crate::shopify::node::{Node, Out};
use crate::shopify::value::{Gid, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("QueryRoot", "translatableResources", |ctx, _, field| {
        let wanted = field.text("resourceType").unwrap_or_default();
        let kinds = TRANSLATABLE.iter().filter(|(name, ..)| *name == wanted);
        let all = kinds.flat_map(|(_, kind, _)| ctx.store.gids(*kind));
        Ok(Out::Nodes(all.map(resource).collect()))
    }),
    ("QueryRoot", "translatableResource", |ctx, _, field| {
        let gid = field.text("resourceId").and_then(Gid::parse).filter(|gid| ctx.store.has(*gid));
        let known = gid.filter(|gid| TRANSLATABLE.iter().any(|(_, kind, _)| *kind == gid.kind()));
        Ok(known.map_or(Out::Null, |gid| Out::Node(resource(gid))))
    }),
    ("QueryRoot", "translatableResourcesByIds", |ctx, _, field| {
        let ids =
            field.args.get("resourceIds").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let found = ids.iter().filter_map(|id| Gid::parse(id.as_str()?)).filter(|gid| ctx.store.has(*gid));
        Ok(Out::Nodes(found.map(resource).collect()))
    }),
    ("TranslatableResource", "translatableContent", |ctx, node, _| {
        let Some(gid) = node.obj().gid("resourceId") else { return Ok(Out::Null) };
        let texts = ctx.store.get(gid).map(|obj| content(gid.kind(), obj)).unwrap_or_default();
        let texts = texts.into_iter().map(|(key, text)| {
            let kind = if key.ends_with("html") { "HTML" } else { "SINGLE_LINE_TEXT_FIELD" };
            Val::from(obj! {
                "digest": Val::text(digest(&text)), "key": Val::text(key), "locale": "en", "type": kind, "value": Val::text(text),
            })
        });
        Ok(Out::Own(Val::List(texts.collect())))
    }),
    ("TranslatableResource", "translations", |ctx, node, field| {
        let Some(gid) = node.obj().gid("resourceId") else { return Ok(Out::Null) };
        let Some(of) = ctx.store.get(gid) else { return Ok(Out::Null) };
        let texts = content(gid.kind(), of);
        let wanted = field.text("locale");
        let all =
            of.list("translations").iter().filter_map(Val::as_obj).filter(|one| one.str("locale") == wanted);
        let shown = all.map(|one| {
            // The text may have changed since, or be gone.
            let now = texts.iter().find(|(key, _)| Some(key.as_str()) == one.str("key"));
            let outdated = now.is_none_or(|(_, text)| Some(digest(text).as_str()) != one.str("digest"));
            Val::from(one.clone().with("outdated", outdated))
        });
        Ok(Out::Own(Val::List(shown.collect())))
    }),
    ("TranslatableResource", "nestedTranslatableResources", |_, _, _| Ok(Out::Nodes(Vec::new()))),
];

fn resource<'a>(gid: Gid) -> Node<'a> {
    Node::made(obj! { "resourceId": Val::Id(gid) }, None)
}
