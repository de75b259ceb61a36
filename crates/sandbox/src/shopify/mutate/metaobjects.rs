//! Metaobjects, held to their definitions.

use serde_json::{Map, Value as Json};

use super::{Call, Errors, Outcome, Row, list, metafields, refuse, settle_handle, text};
use crate::shopify::schema::intern;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("metaobjectCreate", create_object),
    ("metaobjectUpdate", update_object),
    ("metaobjectUpsert", upsert_object),
    ("metaobjectDelete", delete_object),
];

/// Writes the fields of an input into a metaobject and checks them against its definition.
fn apply_object(store: &Store, object: &mut Obj, input: &Map<String, Json>, errors: &mut Errors) {
    let type_name = object.str("type").unwrap_or_default().to_owned();
    let definition =
        store.by_key(Kind::MetaobjectDefinition, &type_name).and_then(|gid| store.get(gid)).cloned();
    let Some(definition) = definition else {
        errors.add(
            &["metaobject", "type"],
            format!("No metaobject definition exists for type \"{type_name}\""),
            "UNDEFINED_OBJECT_TYPE",
        );
        return;
    };
    let from_values = input.get("values").and_then(Json::as_object).map(|values| {
        values.iter().map(|(key, value)| serde_json::json!({ "key": key, "value": value.as_str().map_or_else(|| value.to_string(), str::to_owned) })).collect::<Vec<_>>()
    });
    let given = list(input, "fields").map(<[Json]>::to_vec).or(from_values).unwrap_or_default();
    for (index, one) in given.iter().filter_map(Json::as_object).enumerate() {
        let at = index.to_string();
        let key = text(one, "key").unwrap_or_default();
        let value = text(one, "value").unwrap_or_default();
        let known = definition
            .list("fieldDefinitions")
            .iter()
            .filter_map(Val::as_obj)
            .find(|known| known.str("key") == Some(key));
        let Some(known) = known else {
            errors.add(
                &["metaobject", "fields", &at],
                format!("Field definition \"{key}\" does not exist"),
                "UNDEFINED_OBJECT_FIELD",
            );
            continue;
        };
        let field_type = known.str("type").unwrap_or_default();
        if !value.is_empty()
            && let Err(message) = metafields::check_value(store, field_type, value)
        {
            errors.add(&["metaobject", "fields", &at, "value"], message, "INVALID_VALUE");
            continue;
        }
        object.edit_list("fields", |fields| {
            fields.retain(|own| own.as_obj().and_then(|own| own.str("key")) != Some(key));
            if !value.is_empty() {
                fields.push(Val::from(obj! { "key": Val::text(key), "value": Val::text(value) }));
            }
        });
    }
    for known in definition
        .list("fieldDefinitions")
        .iter()
        .filter_map(Val::as_obj)
        .filter(|known| known.flag("required") == Some(true))
    {
        let key = known.str("key").unwrap_or_default();
        if !object.list("fields").iter().filter_map(Val::as_obj).any(|own| own.str("key") == Some(key)) {
            errors.add(
                &["metaobject"],
                format!("{} can't be blank", known.str("name").unwrap_or(key)),
                "OBJECT_FIELD_REQUIRED",
            );
        }
    }
    let publishable = definition
        .obj("capabilities")
        .and_then(|all| all.obj("publishable"))
        .and_then(|one| one.flag("enabled"))
        == Some(true);
    let wanted = input
        .get("capabilities")
        .and_then(|all| all.pointer("/publishable/status"))
        .and_then(Json::as_str)
        .and_then(intern);
    if wanted.is_some() && !publishable {
        errors.add(
            &["metaobject", "capabilities", "publishable"],
            "Capability is not enabled on this definition",
            "CAPABILITY_NOT_ENABLED",
        );
    }
    let old = object
        .obj("capabilities")
        .and_then(|all| all.obj("publishable"))
        .and_then(|one| one.get("status").cloned());
    let status =
        publishable.then(|| obj! { "status": wanted.map(Val::Lit).or(old).unwrap_or(Val::Lit("DRAFT")) });
    object.set("capabilities", obj! { "publishable": status });
}

fn title_of(store: &Store, object: &Obj) -> String {
    let type_name = object.str("type").unwrap_or_default();
    let definition = store.by_key(Kind::MetaobjectDefinition, type_name).and_then(|gid| store.get(gid));
    let key = definition.and_then(|definition| definition.str("displayNameKey"));
    let value = key.and_then(|key| {
        object
            .list("fields")
            .iter()
            .filter_map(Val::as_obj)
            .find(|own| own.str("key") == Some(key))?
            .str("value")
    });
    value.unwrap_or(type_name).to_owned()
}

fn create_object(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("metaobject") else {
        return refuse(&["metaobject"], "A metaobject is needed.", "BLANK");
    };
    add_object(store, text(input, "type").unwrap_or_default(), input, text(input, "handle"))
}

fn add_object(
    store: &mut Store,
    type_name: &str,
    input: &Map<String, Json>,
    handle: Option<&str>,
) -> Outcome {
    let mut errors = Errors::default();
    let mut object = obj! { "type": Val::text(type_name) };
    apply_object(store, &mut object, input, &mut errors);
    let title = title_of(store, &object);
    match settle_handle(store, Kind::Metaobject, &format!("{type_name}/"), None, handle, &title) {
        Ok(handle) => object.set("handle", handle),
        Err(message) => errors.add(&["metaobject", "handle"], message, "TAKEN"),
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Metaobject, object);
    errors.payload(obj! { "metaobject": gid })
}

fn change_object(store: &mut Store, gid: Gid, input: &Map<String, Json>) -> Outcome {
    let mut errors = Errors::default();
    let mut object = store.get(gid).map(|object| Obj::clone(object)).unwrap_or_default();
    apply_object(store, &mut object, input, &mut errors);
    if let Some(handle) = text(input, "handle") {
        let type_name = object.str("type").unwrap_or_default().to_owned();
        match settle_handle(store, Kind::Metaobject, &format!("{type_name}/"), Some(gid), Some(handle), "") {
            Ok(handle) => object.set("handle", handle),
            Err(message) => errors.add(&["metaobject", "handle"], message, "TAKEN"),
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = object);
    errors.payload(obj! { "metaobject": gid })
}

fn update_object(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) = (call.gid(store, Kind::Metaobject, "id"), call.map("metaobject")) else {
        return refuse(&["id"], "Record not found", "RECORD_NOT_FOUND");
    };
    change_object(store, gid, input)
}

fn upsert_object(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(handle) = call.map("handle") else { return refuse(&["handle"], "A handle is needed.", "BLANK") };
    let mut input = call.map("metaobject").cloned().unwrap_or_default();
    if let Some(values) = call.args.get("values") {
        input.insert("values".to_owned(), values.clone());
    }
    let (type_name, name) =
        (text(handle, "type").unwrap_or_default(), text(handle, "handle").unwrap_or_default());
    match store.by_key(Kind::Metaobject, &format!("{type_name}/{name}")) {
        Some(gid) => change_object(store, gid, &input),
        None => add_object(store, type_name, &input, Some(text(&input, "handle").unwrap_or(name))),
    }
}

fn delete_object(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Metaobject, "id") else {
        return refuse(&["id"], "Record not found", "RECORD_NOT_FOUND");
    };
    store.remove(gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}
