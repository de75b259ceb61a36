//! Where things are published.

use super::Row;
use crate::shopify::node::{Ctx, FieldError, Node, Out};
use crate::shopify::plan::Field;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("*", "resourcePublicationsV2", resource_publications),
    ("*", "resourcePublications", resource_publications),
    ("*", "resourcePublicationsCount", |ctx, node, field| {
        let count = entries(ctx, node, field.flag("onlyPublished")).len();
        Ok(Out::Own(Val::from(count)))
    }),
    ("*", "availablePublicationsCount", |ctx, node, _| {
        Ok(Out::Own(Val::from(entries(ctx, node, true).len())))
    }),
    ("*", "publishedOnPublication", |ctx, node, field| {
        let wanted = field.text("publicationId").and_then(Gid::parse);
        let found = entries(ctx, node, true).iter().any(|entry| entry.obj().gid("publication") == wanted);
        Ok(Out::Own(Val::Bool(found)))
    }),
    ("*", "unpublishedPublications", |ctx, node, _| {
        let on: Vec<Option<Gid>> =
            entries(ctx, node, true).iter().map(|entry| entry.obj().gid("publication")).collect();
        let off = ctx.store.gids(Kind::Publication).filter(|gid| !on.contains(&Some(*gid)));
        Ok(Out::Nodes(off.filter_map(|gid| ctx.node(gid)).collect()))
    }),
    ("ResourcePublicationV2", "publishable", |_, node, _| {
        Ok(node.owner.map_or(Out::Null, |gid| Out::Own(Val::Ref(gid))))
    }),
    ("ResourcePublication", "publishable", |_, node, _| {
        Ok(node.owner.map_or(Out::Null, |gid| Out::Own(Val::Ref(gid))))
    }),
    ("Publication", "app", |ctx, _, _| Ok(Out::Own(Val::Ref(ctx.store.app)))),
    ("Publication", "products", |ctx, node, field| {
        if field.args.contains_key("query") {
            return Ok(Out::Scan(super::catalog::all_products(field)));
        }
        Ok(Out::Nodes(published(ctx, node, Kind::Product)))
    }),
    ("Publication", "includedProducts", |ctx, node, _| Ok(Out::Nodes(published(ctx, node, Kind::Product)))),
    ("Publication", "includedProductsCount", |ctx, node, _| {
        Ok(Out::Own(Val::from(published(ctx, node, Kind::Product).len())))
    }),
    ("Publication", "collections", |ctx, node, _| Ok(Out::Nodes(published(ctx, node, Kind::Collection)))),
    ("Publication", "hasCollection", |ctx, node, field| {
        let wanted = field.text("id").and_then(Gid::parse);
        let found = published(ctx, node, Kind::Collection).iter().any(|other| other.gid == wanted);
        Ok(Out::Own(Val::Bool(found)))
    }),
];

fn is_published(ctx: &Ctx<'_>, entry: &Obj) -> bool {
    entry.int("publishDate").is_none_or(|date| date <= ctx.now)
}

fn entries<'a>(ctx: &Ctx<'a>, node: &Node<'a>, only_published: bool) -> Vec<Node<'a>> {
    node.obj()
        .list("publications")
        .iter()
        .filter_map(Val::as_obj)
        .filter(|entry| entry.gid("publication").is_some_and(|gid| ctx.store.has(gid)))
        .filter(|entry| !only_published || is_published(ctx, entry))
        .map(|entry| {
            let made = obj! {
                "publication": entry.get("publication").cloned(),
                "publishDate": entry.get("publishDate").cloned(),
                "isPublished": is_published(ctx, entry),
            };
            Node::made(made, node.owner)
        })
        .collect()
}

fn resource_publications<'a>(
    ctx: &Ctx<'a>,
    node: &Node<'a>,
    field: &Field<'_>,
) -> Result<Out<'a>, FieldError> {
    // What a catalog shows is told only where it is asked for.
    let of_catalogs = field.text("catalogType").is_some_and(|kind| kind != "APP");
    let mut all = entries(ctx, node, field.flag("onlyPublished"));
    all.retain(|entry| {
        let publication = entry.obj().gid("publication").and_then(|gid| ctx.store.get(gid));
        publication.is_some_and(|one| one.get("catalog").is_some() == of_catalogs)
    });
    Ok(Out::Nodes(all))
}

fn published<'a>(ctx: &Ctx<'a>, publication: &Node<'a>, kind: Kind) -> Vec<Node<'a>> {
    ctx.store
        .gids(kind)
        .filter_map(|gid| ctx.node(gid))
        .filter(|node| {
            node.obj()
                .list("publications")
                .iter()
                .filter_map(Val::as_obj)
                .any(|entry| entry.gid("publication") == publication.gid && is_published(ctx, entry))
        })
        .collect()
}
