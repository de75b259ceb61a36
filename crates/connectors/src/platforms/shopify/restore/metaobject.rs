//! Metaobjects, which are known by their type and handle.

use serde_json::{Map, Value, json};

use super::definition::of_an_app;
use super::draft::{Draft, metafield_value, same_metafield};
use super::field::{Form, same};
use super::place;
use super::step::{Call, Step, variables};

static UPSERT: Call =
    Call::new("metaobjectUpsert", include_str!("../documents/write/metaobjectUpsert.graphql"), 10)
        .of_many("metaobject/fields");
static UPDATE: Call =
    Call::new("metaobjectUpdate", include_str!("../documents/write/metaobjectUpdate.graphql"), 10)
        .of_many("metaobject/fields");

/// Draws up a metaobject, unless an app's type says that it is the app's.
pub(super) fn draft(draft: &mut Draft<'_>) {
    entry(draft);
    if of_an_app(place::text(draft.wanted, "type")) && !draft.steps.is_empty() {
        draft.refusal =
            Some("The entry is of a type that belongs to an app; only that app can write it.".to_owned());
    }
}

/// References within it are filled in with what became of the things that they point at.
fn entry(draft: &mut Draft<'_>) {
    let (wanted, live) = (draft.wanted, draft.live);
    let mut input = draft.fields(&[same("capabilities", Form::Made(capabilities))], "", wanted, live);
    let theirs = live.map_or(&[][..], |live| place::list(live, "fields"));
    let mut fields = Vec::new();
    for field in place::list(wanted, "fields") {
        let Some(key) = place::text(field, "key") else { continue };
        let empty = field.get("value").is_none_or(Value::is_null);
        let current = theirs.iter().find(|one| place::text(one, "key") == Some(key));
        let from = current.and_then(|one| one.get("value")).unwrap_or(&Value::Null);
        let same = current.is_some_and(|one| same_metafield(field, one, &draft.links));
        if same || (empty && from.is_null()) {
            continue;
        }
        let to = field.get("value").unwrap_or(&Value::Null);
        if live.is_none() || draft.change(format!("/fields/[{key}]/value"), from, to) {
            let value = if empty { Value::from("") } else { metafield_value(field) };
            fields.push(json!({"key": key, "value": value}));
        }
    }
    if !fields.is_empty() {
        input.insert("fields".to_owned(), Value::Array(fields));
    }
    if live.is_some() {
        input.extend(draft.fields(&[same("handle", Form::Plain)], "", wanted, live));
        if !input.is_empty() {
            let input = variables([("id", draft.me()), ("metaobject", Value::Object(input))]);
            draft.call(&UPDATE, "the entry's fields", input);
        }
        return;
    }
    let handle = place::pick(wanted, &["type", "handle"]);
    let input = variables([("handle", Value::Object(handle)), ("metaobject", Value::Object(input))]);
    draft.step(Step::birth(&UPSERT, "metaobject", input));
    super::plain::new_id(draft, "The entry");
}

fn capabilities(capabilities: &Value) -> Value {
    let mut made = Map::new();
    for (name, keys) in [("publishable", &["status"][..]), ("onlineStore", &["templateSuffix"][..])] {
        if let Some(one) = capabilities.get(name).filter(|one| one.is_object()) {
            made.insert(name.to_owned(), Value::Object(place::pick(one, keys)));
        }
    }
    if made.is_empty() { Value::Null } else { Value::Object(made) }
}
