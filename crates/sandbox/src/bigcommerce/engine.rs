//! What every collection does: lists, items, and writes of one or many.

use serde_json::{Value as Json, json};

use super::answer::{Answer, Refusal};
use super::call::{Call, Query};
use super::facts::Fact;
use super::fault::FaultKind;
use super::filter::chosen;
use super::page;
use super::resource::{self, Dates, Draft, Ids, Resource, starred};
use super::store::{Key, Obj, Row, Store};
use super::time;

/// Answers a request that was checked.
pub(crate) fn serve(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let path = starred(call.operation.path);
    if let Some(handler) = resource::route(call.operation.method, &path) {
        return handler(call);
    }
    if let Some(resource) = resource::of_path(&path) {
        return match call.operation.method {
            "GET" => list(call, resource),
            "POST" => create(call, resource),
            "PUT" => update_many(call, resource),
            _ => delete_many(call, resource),
        };
    }
    if let Some(resource) = path.strip_suffix("/*").and_then(resource::of_path) {
        let key = call.item(resource)?;
        return match call.operation.method {
            "GET" => Ok(reply(call, show(call.store, resource, &key, &call.query))),
            "PUT" => {
                let given = call.object();
                let keys = change(call, resource, vec![(key, given)])?;
                Ok(written(call, resource, &keys))
            }
            _ => {
                remove(call, resource, &[key])?;
                Ok(done(call))
            }
        };
    }
    if let Some(resource) = path.strip_suffix("/count").and_then(resource::of_path) {
        let parent = call.parent(resource)?;
        let count = chosen(call, resource, parent.as_ref())?.len();
        return Ok(Answer::json(200, json!({ "count": count })));
    }
    Err(Refusal::new(501, "The practice store does not serve this."))
}

/// What an answer shows of one thing.
pub(crate) fn show(store: &Store, resource: &Resource, key: &Key, query: &Query) -> Json {
    let Some(row) = store.get(resource.kind, key) else { return Json::Null };
    let mut fields = row.fields.clone();
    (resource.view)(store, key, row, &mut fields, query);
    let names = |list: &str| list.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    if let Some(wanted) = query.get("include_fields").map(names) {
        let included = query.get("include").map(names).unwrap_or_default();
        fields
            .retain(|name, _| name == resource.id_field || wanted.contains(name) || included.contains(name));
    }
    if let Some(unwanted) = query.get("exclude_fields").map(names) {
        fields.retain(|name, _| name == resource.id_field || !unwanted.contains(name));
    }
    Json::Object(fields)
}

fn list(call: &mut Call<'_>, resource: &'static Resource) -> Result<Answer, Refusal> {
    let parent = call.parent(resource)?;
    let keys = chosen(call, resource, parent.as_ref())?;
    listed(call, resource, &keys)
}

/// A list of things, cut into pages where the operation has them.
pub(crate) fn listed(
    call: &mut Call<'_>,
    resource: &'static Resource,
    keys: &[Key],
) -> Result<Answer, Refusal> {
    let paged = call.operation.parameter("page").is_some() || call.operation.parameter("limit").is_some();
    let page = if paged || call.version() == 2 {
        let sizes = if paged { resource.page } else { (usize::MAX, usize::MAX) };
        page::cut(call, keys, sizes)?
    } else {
        let mut page = page::cut(call, keys, (usize::MAX, usize::MAX))?;
        page.meta = described_meta(call, &page.meta);
        page
    };
    let shown: Vec<Json> = page.keys.iter().map(|key| show(call.store, resource, key, &call.query)).collect();
    if call.fault == Some(FaultKind::Shrink)
        && let Some(first) = page.keys.first()
    {
        call.store.remove(resource.kind, first);
    }
    if shown.is_empty() && (call.version() == 2 || call.operation.answers(204)) {
        return Ok(Answer::empty(204));
    }
    if call.version() == 2 {
        return Ok(Answer::json(200, Json::Array(shown)));
    }
    Ok(Answer::json(200, json!({ "data": shown, "meta": page.meta })))
}

/// Lists that cannot be asked for pages may still say how many they hold.
fn described_meta(call: &Call<'_>, meta: &Json) -> Json {
    let says =
        |fact: &Fact| fact.object.as_ref()?.field("meta")?.fact.object.as_ref()?.field("pagination").cloned();
    let total = meta.pointer("/pagination/total").and_then(Json::as_u64).unwrap_or_default();
    match call.operation.answer().and_then(says) {
        Some(_) => json!({ "pagination": {
            "total": total, "count": total, "per_page": total.max(50), "current_page": 1, "total_pages": 1, "links": {},
        } }),
        None => json!({}),
    }
}

/// Puts a value into the envelope that the operation has.
pub(crate) fn reply(call: &Call<'_>, value: Json) -> Answer {
    let status = call.operation.status();
    if status == 204 {
        return Answer::empty(204);
    }
    if call.version() == 2 {
        return Answer::json(status, value);
    }
    // A few operations of V3 describe what they answer without the envelope.
    let object = call.operation.answer().and_then(|fact| fact.object.as_ref());
    if object.is_some_and(|object| !object.fields.is_empty() && object.field("data").is_none()) {
        return Answer::json(status, value);
    }
    Answer::envelope(status, value, json!({}))
}

/// The answer of a deletion.
pub(crate) fn done(call: &Call<'_>) -> Answer {
    match (call.operation.status(), call.version()) {
        (status @ (202 | 204), _) => Answer::empty(status),
        (status, 2) => Answer::json(status, json!({})),
        (status, _) => Answer::json(status, json!({ "data": null, "meta": {} })),
    }
}

/// Whether the operation answers with a list.
pub(crate) fn answers_list(call: &Call<'_>) -> bool {
    let Some(fact) = call.operation.answer() else { return call.body.is_array() };
    let data = fact.object.as_ref().and_then(|object| object.field("data"));
    data.map_or(fact, |field| &field.fact).list.is_some()
}

/// The answer of a write: what is there now, and status 207 when a field was lost on the way.
pub(crate) fn written(call: &Call<'_>, resource: &Resource, keys: &[Key]) -> Answer {
    let mut shown: Vec<Json> = keys.iter().map(|key| show(call.store, resource, key, &call.query)).collect();
    let value = if answers_list(call) { Json::Array(shown) } else { shown.pop().unwrap_or_default() };
    let mut answer = reply(call, value);
    if !call.lost.is_empty()
        && let super::answer::Body::Json(Json::Object(body)) = &mut answer.body
    {
        answer.status = 207;
        let errors: Obj =
            call.lost.iter().map(|field| (field.clone(), Json::from("was not saved"))).collect();
        if call.version() == 3 {
            body.insert("errors".to_owned(), Json::Object(errors));
        }
    }
    answer
}

/// The fault of a write that keeps all but one field.
fn lose(call: &mut Call<'_>, given: &mut [Obj]) {
    if call.fault != Some(FaultKind::Partial) {
        return;
    }
    let body = call.operation.json.as_ref();
    let item = body.map(|fact| fact.list.as_ref().map_or(fact, |(item, _)| item));
    let Some(object) = item.and_then(|fact| fact.object.as_ref()) else { return };
    for fields in given {
        let spare = fields
            .keys()
            .rev()
            .find(|name| *name != "id" && object.field(name).is_some_and(|field| !field.required));
        if let Some(name) = spare.cloned() {
            fields.remove(&name);
            call.lost.push(name);
            return;
        }
    }
}

/// Refuses batches that are too long.
pub(crate) fn check_batch(call: &Call<'_>, count: usize, most: usize) -> Result<(), Refusal> {
    if count > most {
        let status = if call.operation.answers(413) { 413 } else { 422 };
        return Err(Refusal {
            status,
            ..Refusal::field("", format!("The request holds {count} items, at most {most} are taken."))
        });
    }
    if count == 0 {
        return Err(Refusal::field("", "The request holds no items."));
    }
    Ok(())
}

/// Whether refusals of a batch say which item they mean. Some of the platform's do not.
fn says_turn(call: &Call<'_>) -> bool {
    call.body.is_array()
        && !call.operation.path.contains("/customers")
        && call.operation.path != "/v3/catalog/products"
}

pub(crate) fn create(call: &mut Call<'_>, resource: &'static Resource) -> Result<Answer, Refusal> {
    let parent = call.parent(resource)?;
    let given = call.objects();
    check_batch(call, given.len(), resource.batch)?;
    let keys = add(call, resource, parent.as_ref(), given)?;
    Ok(written(call, resource, &keys))
}

/// Adds things below a parent: all, or none.
pub(crate) fn add(
    call: &mut Call<'_>,
    resource: &'static Resource,
    parent: Option<&Key>,
    given: Vec<Obj>,
) -> Result<Vec<Key>, Refusal> {
    let named = says_turn(call);
    add_named(call, resource, parent, given, named)
}

/// Adds one thing of a batch of which each stands for itself.
pub(crate) fn add_one(
    call: &mut Call<'_>,
    resource: &'static Resource,
    parent: Option<&Key>,
    given: Obj,
) -> Result<Key, Refusal> {
    let keys = add_named(call, resource, parent, vec![given], false)?;
    keys.into_iter().next().ok_or_else(Refusal::not_found)
}

fn add_named(
    call: &mut Call<'_>,
    resource: &'static Resource,
    parent: Option<&Key>,
    mut given: Vec<Obj>,
    named: bool,
) -> Result<Vec<Key>, Refusal> {
    lose(call, &mut given);
    let mut drafts = Vec::with_capacity(given.len());
    let mut taken: Vec<String> = Vec::new();
    for (turn, fields) in given.into_iter().enumerate() {
        let at = |refusal: Refusal| if named { refusal.at(turn) } else { refusal };
        let mut draft = Draft { fields, parent: parent.cloned(), old: None, hidden: Obj::new() };
        (resource.rule)(call, &mut draft).map_err(at)?;
        let row = fresh_row(call, resource, draft);
        for value in resource::unique_values(resource.kind, &row) {
            if call.store.by_unique(resource.kind, &value).is_some() || taken.contains(&value) {
                return Err(at(conflict(resource, &value)));
            }
            taken.push(value);
        }
        drafts.push(row);
    }
    let mut keys = Vec::with_capacity(drafts.len());
    for mut row in drafts {
        let key = match resource.ids {
            Ids::Number => Key::Number(call.store.mint(resource.kind)),
            Ids::Uuid => Key::Text(call.store.uuid()),
        };
        let given = row.fields.clone();
        if !resource.id_field.is_empty() {
            // The id stands first, as the platform writes it.
            row.fields.shift_insert(0, resource.id_field.to_owned(), key.json());
        }
        call.store.put(resource.kind, &key, row);
        let written = (resource.written)(call, resource, &key, &given, true);
        keys.push(key);
        if let Err(refusal) = written {
            // What belongs to it was refused: then none of it is there, and nobody hears of it.
            for key in &keys {
                call.store.remove(resource.kind, key);
            }
            call.store.changes.clear();
            return Err(refusal);
        }
    }
    Ok(keys)
}

fn fresh_row(call: &Call<'_>, resource: &Resource, draft: Draft) -> Row {
    let mut fields = draft.fields;
    if let Ok(Json::Object(defaults)) = serde_json::from_str(resource.defaults) {
        for (name, value) in defaults {
            fields.entry(name).or_insert(value);
        }
    }
    resource::fill(resource, &mut fields);
    for name in ["date_created", "date_modified"] {
        let described = resource::item_fact(resource).and_then(|fact| fact.object.as_ref());
        let shown = described.is_none_or(|object| object.field(name).is_some());
        if let Some(now) = now(resource, call.store).filter(|_| shown) {
            fields.entry(name.to_owned()).or_insert(Json::from(now));
        }
    }
    Row { fields, parent: draft.parent, app: call.app, hidden: draft.hidden }
}

/// The time, as the kind writes it.
pub(crate) fn now(resource: &Resource, store: &Store) -> Option<String> {
    Some(match resource.dates {
        Dates::None => return None,
        Dates::Offset => time::offset(store.now),
        Dates::Zulu => time::zulu(store.now),
        Dates::Mail => time::mail(store.now),
    })
}

/// The refusal for a value that another row has.
fn conflict(resource: &Resource, value: &str) -> Refusal {
    let field = value.split(['\u{1f}', '+']).next().unwrap_or_default();
    let shown = value.split('\u{1f}').nth(1).unwrap_or_default();
    Refusal::conflict(field, format!("The {} `{shown}` is taken by another {}.", field, resource.kind))
}

fn update_many(call: &mut Call<'_>, resource: &'static Resource) -> Result<Answer, Refusal> {
    let given = call.objects();
    check_batch(call, given.len(), resource.batch)?;
    let mut pairs = Vec::with_capacity(given.len());
    for (turn, fields) in given.into_iter().enumerate() {
        let key = fields.get(resource.id_field).and_then(Key::of);
        let known = key.filter(|key| {
            let row = call.store.get(resource.kind, key);
            row.is_some_and(|row| !resource.private || row.app == call.app)
        });
        let Some(key) = known else {
            let refusal = Refusal::field(resource.id_field, "names nothing that is there");
            return Err(if says_turn(call) { refusal.at(turn) } else { refusal });
        };
        pairs.push((key, fields));
    }
    let keys = change(call, resource, pairs)?;
    Ok(written(call, resource, &keys))
}

/// Changes things: all, or none.
pub(crate) fn change(
    call: &mut Call<'_>,
    resource: &'static Resource,
    pairs: Vec<(Key, Obj)>,
) -> Result<Vec<Key>, Refusal> {
    let named = says_turn(call);
    change_named(call, resource, pairs, named)
}

/// Changes one thing of a batch of which each stands for itself.
pub(crate) fn change_one(
    call: &mut Call<'_>,
    resource: &'static Resource,
    key: Key,
    given: Obj,
) -> Result<Key, Refusal> {
    let keys = change_named(call, resource, vec![(key, given)], false)?;
    keys.into_iter().next().ok_or_else(Refusal::not_found)
}

fn change_named(
    call: &mut Call<'_>,
    resource: &'static Resource,
    pairs: Vec<(Key, Obj)>,
    named: bool,
) -> Result<Vec<Key>, Refusal> {
    let (keys, mut given): (Vec<Key>, Vec<Obj>) = pairs.into_iter().unzip();
    lose(call, &mut given);
    let mut drafts = Vec::with_capacity(given.len());
    for (turn, (key, mut fields)) in keys.iter().cloned().zip(given).enumerate() {
        let at = |refusal: Refusal| if named { refusal.at(turn) } else { refusal };
        fields.remove(resource.id_field);
        let Some(old) = call.store.get(resource.kind, &key).cloned() else {
            return Err(at(Refusal::not_found()));
        };
        let mut draft = Draft {
            fields,
            parent: old.parent.clone(),
            hidden: old.hidden.clone(),
            old: Some((key.clone(), old.clone())),
        };
        (resource.rule)(call, &mut draft).map_err(at)?;
        let mut row = Row { hidden: draft.hidden, parent: draft.parent, ..old };
        for (name, value) in &draft.fields {
            row.fields.insert(name.clone(), value.clone());
        }
        if row.fields.contains_key("date_modified")
            && let Some(now) = now(resource, call.store)
        {
            row.fields.insert("date_modified".to_owned(), Json::from(now));
        }
        for value in resource::unique_values(resource.kind, &row) {
            if call.store.by_unique(resource.kind, &value).is_some_and(|other| *other != key) {
                return Err(at(conflict(resource, &value)));
            }
        }
        drafts.push((key, row, draft.fields));
    }
    let mut undone = Vec::with_capacity(drafts.len());
    for (key, row, fields) in drafts {
        undone.extend(call.store.get(resource.kind, &key).cloned().map(|old| (key.clone(), old)));
        call.store.put(resource.kind, &key, row);
        if let Err(refusal) = (resource.written)(call, resource, &key, &fields, false) {
            for (key, old) in undone {
                call.store.put(resource.kind, &key, old);
            }
            call.store.changes.clear();
            return Err(refusal);
        }
    }
    Ok(keys)
}

/// Deletes things: all, or none.
pub(crate) fn remove(call: &mut Call<'_>, resource: &'static Resource, keys: &[Key]) -> Result<(), Refusal> {
    for key in keys {
        if let Some(row) = call.store.get(resource.kind, key) {
            (resource.removable)(call, key, row)?;
        }
    }
    for key in keys {
        call.store.remove(resource.kind, key);
    }
    Ok(())
}

fn delete_many(call: &mut Call<'_>, resource: &'static Resource) -> Result<Answer, Refusal> {
    let parent = call.parent(resource)?;
    let chooses = call.query.0.iter().any(|(name, _)| !matches!(name.as_str(), "page" | "limit"));
    if !chooses && call.version() == 3 {
        return Err(Refusal::field("", "A filter must say what to delete."));
    }
    let keys = chosen(call, resource, parent.as_ref())?;
    remove(call, resource, &keys)?;
    Ok(done(call))
}

#[cfg(test)]
mod tests {
    use super::super::facts::facts;
    use super::*;

    /// Beginnings of paths that are not served, and why.
    const NOT_SERVED: &[(&str, &str)] = &[
        ("/v2/customers", "V3 has them"),
        ("/v2/pages", "V3 has them"),
        ("/v2/redirects", "V3 has them"),
        ("/v2/orders/*/shipping_addresses/*/shipping_quotes", "what a carrier said once"),
        ("/v2/orders/*/consignments/shipping", "what a carrier said once"),
        ("/v3/abandoned-carts/*", "carts are passing"),
        ("/v3/hooks/admin", "of the owner, not of an app"),
        ("/v3/sites/*/certificate", "no secrets"),
        ("/v3/sites/certificates", "no secrets"),
        ("/v3/storefront/redirects/imex", "the list does the same"),
    ];

    #[test]
    fn every_operation_is_served_or_said_not_to_be() {
        let mut wrong = Vec::new();
        for operation in &facts().operations {
            let path = starred(operation.path);
            let served = resource::route(operation.method, &path).is_some()
                || resource::of_path(&path).is_some()
                || ["/*", "/count"]
                    .iter()
                    .any(|end| path.strip_suffix(end).and_then(resource::of_path).is_some());
            let known =
                NOT_SERVED.iter().any(|(begin, _)| path == *begin || path.starts_with(&format!("{begin}/")));
            if served == known {
                wrong.push(format!("{} {path}", operation.method));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn every_route_and_collection_is_described() {
        let described: Vec<(&str, String)> =
            facts().operations.iter().map(|operation| (operation.method, starred(operation.path))).collect();
        let mut wrong: Vec<String> = super::super::families::ROUTES
            .iter()
            .flat_map(|routes| routes.iter())
            .filter(|(method, path, _)| !described.iter().any(|known| known.0 == *method && known.1 == *path))
            .map(|(method, path, _)| format!("{method} {path}"))
            .collect();
        let item = |path: &str| format!("{path}/*");
        wrong.extend(
            resource::all()
                .filter(|resource| {
                    !described.iter().any(|known| known.1 == resource.path || known.1 == item(resource.path))
                })
                .map(|resource| resource.path.to_owned()),
        );
        assert_eq!(wrong, Vec::<String>::new());
    }
}
