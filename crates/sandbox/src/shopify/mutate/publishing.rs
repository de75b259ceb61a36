//! Publications: where things are published, and since when.

use serde_json::Value as Json;

use super::{As, Call, Errors, Outcome, Row, copy, list, refuse, text};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Val, obj, parse_time};

pub(super) const ROWS: &[Row] = &[
    ("publishablePublish", publish),
    ("publishableUnpublish", unpublish),
    ("publicationCreate", create),
    ("publicationUpdate", update),
    ("publicationDelete", delete),
];

/// Kinds that can be published.
const PUBLISHABLE: &[Kind] = &[Kind::Product, Kind::Collection];

fn target(store: &Store, call: &Call<'_>) -> Option<Gid> {
    call.text("id").and_then(Gid::parse).filter(|gid| PUBLISHABLE.contains(&gid.kind()) && store.has(*gid))
}

fn publications(store: &Store, call: &Call<'_>) -> Vec<Option<(Gid, Option<i64>)>> {
    call.list("input")
        .iter()
        .map(|one| {
            let gid = store.find(Kind::Publication, one.get("publicationId")?.as_str()?)?;
            Some((gid, one.get("publishDate").and_then(Json::as_str).and_then(parse_time)))
        })
        .collect()
}

/// Publishes an object on a publication, from a date on.
pub(crate) fn put(store: &mut Store, target: Gid, publication: Gid, date: i64) {
    let now = store.now;
    let online_store = store.gids(Kind::Publication).next() == Some(publication);
    store.edit(target, |obj| {
        obj.edit_list("publications", |all| {
            all.retain(|one| one.as_obj().and_then(|one| one.gid("publication")) != Some(publication));
            all.push(Val::from(obj! { "publication": publication, "publishDate": Val::Time(date) }));
        });
        if online_store && target.kind() == Kind::Product && date <= now {
            obj.set("publishedAt", Val::Time(date));
        }
    });
}

fn take(store: &mut Store, target: Gid, publication: Gid) {
    let online_store = store.gids(Kind::Publication).next() == Some(publication);
    store.edit(target, |obj| {
        obj.edit_list("publications", |all| {
            all.retain(|one| one.as_obj().and_then(|one| one.gid("publication")) != Some(publication));
        });
        if online_store {
            obj.take("publishedAt");
        }
    });
}

fn publish(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(target) = target(store, call) else {
        return refuse(&["id"], "Resource does not exist", "INVALID");
    };
    let wanted = publications(store, call);
    if wanted.contains(&None) {
        return refuse(&["input"], "Publication does not exist or is not publishable", "INVALID");
    }
    let now = store.now;
    for (publication, date) in wanted.into_iter().flatten() {
        put(store, target, publication, date.unwrap_or(now));
    }
    Errors::default().payload(obj! { "publishable": target })
}

fn unpublish(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(target) = target(store, call) else {
        return refuse(&["id"], "Resource does not exist", "INVALID");
    };
    let wanted = publications(store, call);
    if wanted.contains(&None) {
        return refuse(&["input"], "Publication does not exist or is not publishable", "INVALID");
    }
    for (publication, _) in wanted.into_iter().flatten() {
        take(store, target, publication);
    }
    Errors::default().payload(obj! { "publishable": target })
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("input") else { return refuse(&["input"], "An input is needed.", "INVALID") };
    let mut publication = obj! { "supportsFuturePublishing": true, "autoPublish": false };
    copy(
        &mut publication,
        input,
        &[("autoPublish", "autoPublish", As::Same), ("catalogId", "catalog", As::Ref)],
    );
    let catalog = match text(input, "catalogId") {
        None => None,
        Some(id) => match store.find(Kind::MarketCatalog, id) {
            Some(gid) if store.get(gid).is_some_and(|catalog| catalog.get("publication").is_some()) => {
                return refuse(&["input", "catalogId"], "The catalog has a publication.", "CATALOG_TAKEN");
            }
            Some(gid) => Some(gid),
            None => return refuse(&["input", "catalogId"], "Catalog does not exist.", "CATALOG_NOT_FOUND"),
        },
    };
    let count = store.table(Kind::Publication).rows.len();
    let title = catalog.and_then(|gid| store.get(gid)).and_then(|catalog| catalog.str("title"));
    let name = title.map_or_else(|| format!("Catalog {}", count + 1), str::to_owned);
    publication.set("name", Val::text(name));
    let gid = store.insert(Kind::Publication, publication);
    if let Some(catalog) = catalog {
        store.edit(catalog, |catalog| catalog.set("publication", gid));
    }
    if text(input, "defaultState") == Some("ALL_PRODUCTS") {
        let now = store.now;
        for product in store.gids(Kind::Product).collect::<Vec<_>>() {
            put(store, product, gid, now);
        }
    }
    Errors::default().payload(obj! { "publication": gid })
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::Publication, "id"), call.map("input")) else {
        return refuse(&["id"], "Publication not found", "PUBLICATION_NOT_FOUND");
    };
    store.edit(gid, |publication| copy(publication, input, &[("autoPublish", "autoPublish", As::Same)]));
    let named = |name: &str| -> Vec<Gid> {
        list(input, name)
            .unwrap_or_default()
            .iter()
            .filter_map(|id| Gid::parse(id.as_str()?))
            .filter(|gid| PUBLISHABLE.contains(&gid.kind()))
            .collect()
    };
    let now = store.now;
    for target in named("publishablesToAdd") {
        put(store, target, gid, now);
    }
    for target in named("publishablesToRemove") {
        take(store, target, gid);
    }
    Errors::default().payload(obj! { "publication": gid })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Publication, "id") else {
        return refuse(&["id"], "Publication not found", "PUBLICATION_NOT_FOUND");
    };
    remove(store, gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}

/// Removes a publication, from what is published there too.
pub(super) fn remove(store: &mut Store, publication: Gid) {
    let of = |one: &Val| one.as_obj().and_then(|one| one.gid("publication"));
    for kind in PUBLISHABLE {
        for gid in store.gids(*kind).collect::<Vec<_>>() {
            let there = store
                .get(gid)
                .is_some_and(|obj| obj.list("publications").iter().any(|one| of(one) == Some(publication)));
            if there {
                store.edit_silently(gid, |obj| {
                    obj.edit_list("publications", |all| all.retain(|one| of(one) != Some(publication)));
                });
            }
        }
    }
    for catalog in store.gids(Kind::MarketCatalog).collect::<Vec<_>>() {
        if store.get(catalog).and_then(|catalog| catalog.gid("publication")) == Some(publication) {
            store.edit_silently(catalog, |catalog| catalog.set("publication", Val::Null));
        }
    }
    store.remove(publication);
}
