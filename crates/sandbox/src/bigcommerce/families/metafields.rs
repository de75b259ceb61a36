//! Metafields of every owner: one at a time below their owner, and many at a time.

use serde_json::{Value as Json, json};

use super::super::access::{METAFIELDS_OF_ALL, client_id};
use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::engine::{add_one, change_one, check_batch, show};
use super::super::filter::chosen;
use super::super::page;
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource, of_kind, starred};
use super::super::store::{Key, Obj, Row};

/// How many metafields one request may write.
const BATCH_MAX: usize = 10;
/// How many metafields one app may give one owner.
const COUNT_MAX: usize = 250;

/// Owners: kind of the metafields, their path below an owner, kind of the owner, path of all of them, its word in
/// `resource_type`.
const OWNERS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "product_metafield",
        "/v3/catalog/products/*/metafields",
        "product",
        "/v3/catalog/products/metafields",
        "product",
    ),
    (
        "variant_metafield",
        "/v3/catalog/products/*/variants/*/metafields",
        "variant",
        "/v3/catalog/variants/metafields",
        "variant",
    ),
    (
        "category_metafield",
        "/v3/catalog/categories/*/metafields",
        "category",
        "/v3/catalog/categories/metafields",
        "category",
    ),
    ("brand_metafield", "/v3/catalog/brands/*/metafields", "brand", "/v3/catalog/brands/metafields", "brand"),
    ("customer_metafield", "/v3/customers/*/metafields", "customer", "/v3/customers/metafields", "customer"),
    ("order_metafield", "/v3/orders/*/metafields", "order", "/v3/orders/metafields", "order"),
    ("channel_metafield", "/v3/channels/*/metafields", "channel", "/v3/channels/metafields", "channel"),
    (
        "location_metafield",
        "/v3/inventory/locations/*/metafields",
        "location",
        "/v3/inventory/locations/metafields",
        "location",
    ),
    ("store_metafield", "/v3/store/metafields", "", "/v3/store/metafields", "store"),
];

const fn metafield(turn: usize) -> Resource {
    #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
    let (kind, path, parent, _, _) = OWNERS[turn];
    Resource {
        kind,
        path,
        parent,
        dates: Dates::Offset,
        unique: &[&["key", "namespace", "^", "owner_client_id"]],
        defaults: r#"{"description":""}"#,
        rule,
        removable: |call, _, row| {
            if may_write(call, row) {
                Ok(())
            } else {
                Err(Refusal::new(403, "The metafield belongs to another app."))
            }
        },
        ..PLAIN
    }
}

pub(crate) const RESOURCES: &[Resource] = &[
    metafield(0),
    metafield(1),
    metafield(2),
    metafield(3),
    metafield(4),
    metafield(5),
    metafield(6),
    metafield(7),
    metafield(8),
];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("GET", "/v3/catalog/products/*/metafields", below),
    ("GET", "/v3/catalog/products/*/variants/*/metafields", below),
    ("GET", "/v3/catalog/categories/*/metafields", below),
    ("GET", "/v3/catalog/brands/*/metafields", below),
    ("GET", "/v3/customers/*/metafields", below),
    ("GET", "/v3/orders/*/metafields", below),
    ("GET", "/v3/channels/*/metafields", below),
    ("GET", "/v3/inventory/locations/*/metafields", below),
    ("GET", "/v3/catalog/products/*/metafields/*", one),
    ("GET", "/v3/catalog/products/*/variants/*/metafields/*", one),
    ("GET", "/v3/catalog/categories/*/metafields/*", one),
    ("GET", "/v3/catalog/brands/*/metafields/*", one),
    ("GET", "/v3/customers/*/metafields/*", one),
    ("GET", "/v3/orders/*/metafields/*", one),
    ("GET", "/v3/channels/*/metafields/*", one),
    ("GET", "/v3/inventory/locations/*/metafields/*", one),
    ("GET", "/v3/store/metafields/*", one),
    ("GET", "/v3/catalog/products/metafields", every),
    ("GET", "/v3/catalog/variants/metafields", every),
    ("GET", "/v3/catalog/categories/metafields", every),
    ("GET", "/v3/catalog/brands/metafields", every),
    ("GET", "/v3/customers/metafields", every),
    ("GET", "/v3/orders/metafields", every),
    ("GET", "/v3/channels/metafields", every),
    ("GET", "/v3/inventory/locations/metafields", every),
    ("GET", "/v3/store/metafields", every),
    ("POST", "/v3/catalog/products/metafields", create_many),
    ("POST", "/v3/catalog/variants/metafields", create_many),
    ("POST", "/v3/catalog/categories/metafields", create_many),
    ("POST", "/v3/catalog/brands/metafields", create_many),
    ("POST", "/v3/customers/metafields", create_many),
    ("POST", "/v3/orders/metafields", create_many),
    ("POST", "/v3/channels/metafields", create_many),
    ("POST", "/v3/inventory/locations/metafields", create_many),
    ("POST", "/v3/store/metafields", create_many),
    ("PUT", "/v3/catalog/products/metafields", update_many),
    ("PUT", "/v3/catalog/variants/metafields", update_many),
    ("PUT", "/v3/catalog/categories/metafields", update_many),
    ("PUT", "/v3/catalog/brands/metafields", update_many),
    ("PUT", "/v3/customers/metafields", update_many),
    ("PUT", "/v3/orders/metafields", update_many),
    ("PUT", "/v3/channels/metafields", update_many),
    ("PUT", "/v3/inventory/locations/metafields", update_many),
    ("PUT", "/v3/store/metafields", update_many),
    ("DELETE", "/v3/catalog/products/metafields", delete_many),
    ("DELETE", "/v3/catalog/variants/metafields", delete_many),
    ("DELETE", "/v3/catalog/categories/metafields", delete_many),
    ("DELETE", "/v3/catalog/brands/metafields", delete_many),
    ("DELETE", "/v3/customers/metafields", delete_many),
    ("DELETE", "/v3/orders/metafields", delete_many),
    ("DELETE", "/v3/channels/metafields", delete_many),
    ("DELETE", "/v3/inventory/locations/metafields", delete_many),
    ("DELETE", "/v3/store/metafields", delete_many),
];

/// The metafields that a path means.
fn resource(call: &Call<'_>) -> Result<&'static Resource, Refusal> {
    let path = starred(call.operation.path);
    let base = path.strip_suffix("/*").unwrap_or(&path);
    let owner = OWNERS.iter().find(|(_, below, _, every, _)| base == *below || base == *every);
    owner.and_then(|(kind, ..)| of_kind(kind)).ok_or_else(Refusal::not_found)
}

/// Whether an app is shown a metafield: what another app keeps to itself only with the scope for that.
fn sees(call: &Call<'_>, row: &Row) -> bool {
    row.app == call.app || row.text("permission_set") != "app_only" || call.scopes.contains(METAFIELDS_OF_ALL)
}

/// Whether an app may change a metafield.
fn may_write(call: &Call<'_>, row: &Row) -> bool {
    row.app == call.app
        || matches!(row.text("permission_set"), "write" | "write_and_sf_access")
        || call.scopes.contains(METAFIELDS_OF_ALL)
}

fn rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let path = starred(call.operation.path);
    let base = path.strip_suffix("/*").unwrap_or(&path);
    let Some((kind, _, owner, _, word)) =
        OWNERS.iter().find(|(_, below, _, every, _)| base == *below || base == *every)
    else {
        return Ok(());
    };
    for name in ["key", "namespace", "value", "permission_set"] {
        if draft.text(name).is_empty() {
            return Err(Refusal::field(name, "must be given"));
        }
    }
    if let Some((_, row)) = &draft.old {
        if !may_write(call, row) {
            return Err(Refusal::new(403, "The metafield belongs to another app."));
        }
        return Ok(());
    }
    if let Some(id) = draft.fields.shift_remove("resource_id").and_then(|id| Key::of(&id)) {
        if !owner.is_empty() && call.store.get(owner, &id).is_none() {
            return Err(Refusal::field("resource_id", format!("names no {owner}")));
        }
        draft.parent = Some(id);
    }
    if let Some(parent) = &draft.parent {
        let own = call.store.children(kind, parent).filter(|(_, row)| row.app == call.app).count();
        if own >= COUNT_MAX {
            return Err(Refusal::field(
                "",
                format!("An app gives one {owner} at most {COUNT_MAX} metafields."),
            ));
        }
    }
    let id = draft.parent.as_ref().map_or(Json::from(0), Key::json);
    draft.fields.insert("resource_type".to_owned(), Json::from(*word));
    draft.fields.insert("resource_id".to_owned(), id);
    draft.fields.insert("owner_client_id".to_owned(), Json::from(client_id(call.app)));
    Ok(())
}

fn answer(call: &mut Call<'_>, parent: Option<&Key>) -> Result<Answer, Refusal> {
    let resource = resource(call)?;
    let mut keys = chosen(call, resource, parent)?;
    keys.retain(|key| call.store.get(resource.kind, key).is_some_and(|row| sees(call, row)));
    let page = page::cut(call, &keys, resource.page)?;
    let shown: Vec<Json> = page.keys.iter().map(|key| show(call.store, resource, key, &call.query)).collect();
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

fn below(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let parent = call.parent(resource(call)?)?;
    answer(call, parent.as_ref())
}

fn every(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    answer(call, None)
}

fn one(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = resource(call)?;
    let key = call.item(resource)?;
    if !call.store.get(resource.kind, &key).is_some_and(|row| sees(call, row)) {
        return Err(Refusal::not_found());
    }
    Ok(Answer::data(show(call.store, resource, &key, &call.query)))
}

/// The answer of a batch: what was done, what was not, and how many of each.
fn outcome(data: &[Json], errors: &[Json]) -> Answer {
    let meta = json!({ "total": data.len() + errors.len(), "success": data.len(), "failed": errors.len() });
    Answer::json(200, json!({ "data": data, "errors": errors, "meta": meta }))
}

fn error(turn: usize, refusal: &Refusal) -> Json {
    let errors: Obj =
        refusal.errors.iter().map(|(field, what)| (field.clone(), Json::from(what.as_str()))).collect();
    json!({ "status": refusal.status, "title": refusal.title, "index": turn, "errors": errors })
}

fn create_many(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = resource(call)?;
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let (mut data, mut errors) = (Vec::new(), Vec::new());
    for (turn, fields) in given.into_iter().enumerate() {
        match add_one(call, resource, None, fields) {
            Ok(key) => data.push(show(call.store, resource, &key, &call.query)),
            Err(refusal) => errors.push(error(turn, &refusal)),
        }
    }
    Ok(outcome(&data, &errors))
}

fn update_many(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = resource(call)?;
    let given = call.objects();
    check_batch(call, given.len(), BATCH_MAX)?;
    let (mut data, mut errors) = (Vec::new(), Vec::new());
    for (turn, mut fields) in given.into_iter().enumerate() {
        let key = fields.shift_remove("id").and_then(|id| Key::of(&id));
        let known = key.filter(|key| call.store.get(resource.kind, key).is_some_and(|row| sees(call, row)));
        let done =
            known.ok_or_else(Refusal::not_found).and_then(|key| change_one(call, resource, key, fields));
        match done {
            Ok(key) => data.push(show(call.store, resource, &key, &call.query)),
            Err(refusal) => errors.push(error(turn, &refusal)),
        }
    }
    Ok(outcome(&data, &errors))
}

fn delete_many(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = resource(call)?;
    let ids = call.body.as_array().cloned().unwrap_or_default();
    check_batch(call, ids.len(), BATCH_MAX)?;
    let (mut data, mut errors) = (Vec::new(), Vec::new());
    for (turn, id) in ids.into_iter().enumerate() {
        let key = Key::of(&id)
            .filter(|key| call.store.get(resource.kind, key).is_some_and(|row| may_write(call, row)));
        match key {
            Some(key) => {
                call.store.remove(resource.kind, &key);
                data.push(id);
            }
            None => errors.push(error(turn, &Refusal::not_found())),
        }
    }
    Ok(outcome(&data, &errors))
}
