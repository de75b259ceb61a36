//! Definitions of metafields and of metaobjects.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Field, Form, moved, same};
use super::links;
use super::part::{self, Named, Part};
use super::place;
use super::step::{Call, Step, variables};

static METAFIELD_CREATE: Call = Call::new(
    "metafieldDefinitionCreate",
    include_str!("../documents/write/metafieldDefinitionCreate.graphql"),
    10,
);
static METAFIELD_UPDATE: Call = Call::new(
    "metafieldDefinitionUpdate",
    include_str!("../documents/write/metafieldDefinitionUpdate.graphql"),
    10,
);
static METAFIELD_ENABLE: Call = Call::new(
    "standardMetafieldDefinitionEnable",
    include_str!("../documents/write/standardMetafieldDefinitionEnable.graphql"),
    10,
);
static METAOBJECT_CREATE: Call = Call::new(
    "metaobjectDefinitionCreate",
    include_str!("../documents/write/metaobjectDefinitionCreate.graphql"),
    10,
);
static METAOBJECT_UPDATE: Call = Call::new(
    "metaobjectDefinitionUpdate",
    include_str!("../documents/write/metaobjectDefinitionUpdate.graphql"),
    10,
)
.of_many("definition/fieldDefinitions");
static METAOBJECT_ENABLE: Call = Call::new(
    "standardMetaobjectDefinitionEnable",
    include_str!("../documents/write/standardMetaobjectDefinitionEnable.graphql"),
    10,
);

const METAFIELD_FIELDS: &[Field] = &[
    same("name", Form::Plain),
    same("description", Form::Text),
    same("validations", Form::Made(validations)),
    same("access", Form::Made(access)),
    same("capabilities", Form::Made(metafield_capabilities)),
    moved("pinnedPosition", "pin", Form::Made(pin)),
    moved("type/name", "type", Form::Plain).at_birth(),
    same("constraints", Form::Made(constraints)).at_birth(),
    moved("constraints", "constraintsUpdates", Form::Moved { made: constraints, moved: constraints_moved })
        .later(),
];

const METAOBJECT_FIELDS: &[Field] = &[
    same("name", Form::Plain),
    same("description", Form::Text),
    same("access", Form::Made(access)),
    same("capabilities", Form::Made(metaobject_capabilities)),
];

const DISPLAY_NAME: Field = same("displayNameKey", Form::Text);

const ENTRY_FIELDS: &[Field] = &[
    same("name", Form::Text),
    same("description", Form::Text),
    same("required", Form::Plain),
    same("validations", Form::Made(validations)),
    same("capabilities", Form::Made(entry_capabilities)),
    moved("type/name", "type", Form::Plain).at_birth(),
];

/// A metaobject's fields are known by their keys.
static ENTRY: Part = Part { at: "fieldDefinitions", key: Named(by_key), parts: &[] };

/// Parts of a metaobject definition.
pub(super) static METAOBJECT_PARTS: &[Part] = &[Part { at: ENTRY.at, key: ENTRY.key, parts: ENTRY.parts }];

fn by_key(entry: &Value, _: usize) -> Option<String> {
    place::text(entry, "key").map(str::to_owned)
}

/// Names and values alone; where a value is the id of a metaobject definition, or a list of them, a marker.
fn validations(list: &Value) -> Value {
    let value = |spelled: &str| match serde_json::from_str::<Vec<String>>(spelled) {
        Ok(ids) if ids.iter().any(|id| is_definition(id)) => {
            links::json_text(ids.iter().map(|old| links::id(old)).collect())
        }
        _ if is_definition(spelled) => links::id(spelled),
        _ => Value::from(spelled),
    };
    let mut made: Vec<(String, Value)> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| Some((place::text(one, "name")?.to_owned(), value(place::text(one, "value")?))))
        .collect();
    made.sort_by(|one, other| one.0.cmp(&other.0));
    made.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn is_definition(value: &str) -> bool {
    value.starts_with("gid://shopify/MetaobjectDefinition/")
}

/// Who may read beside the admin. The admin's own access can only be set by the app that owns the namespace.
fn access(access: &Value) -> Value {
    Value::Object(place::pick(access, &["storefront", "customerAccount"]))
}

fn pin(position: &Value) -> Value {
    Value::Bool(!position.is_null())
}

fn constraints(constraints: &Value) -> Value {
    if place::text(constraints, "key").is_none() {
        return Value::Null;
    }
    let values: Value =
        place::list(constraints, "values").iter().filter_map(|one| one.get("value").cloned()).collect();
    json!({"key": constraints.get("key"), "values": values})
}

/// To which items a definition applies is changed value by value; without a key it applies to all.
fn constraints_moved(marked: &Value, _: &Value, live: &Value) -> Value {
    let (to, from) = (place::list(marked, "values"), place::list(live, "values"));
    let change = |name: &str, value: &Value| {
        let mut change = Map::new();
        change.insert(name.to_owned(), value.clone());
        Value::Object(change)
    };
    let gone = from.iter().filter(|value| !to.contains(value)).map(|value| change("delete", value));
    let new = to.iter().filter(|value| !from.contains(value)).map(|value| change("create", value));
    json!({"key": marked.get("key"), "values": gone.chain(new).collect::<Value>()})
}

/// What the merchant may switch; what Shopify says is not eligible stays as it is.
fn metafield_capabilities(capabilities: &Value) -> Value {
    let object = capabilities.as_object().into_iter().flatten();
    object
        .filter(|(_, one)| one.get("eligible").and_then(Value::as_bool) == Some(true))
        .map(|(name, one)| (name.clone(), Value::Object(place::pick(one, &["enabled"]))))
        .collect::<Map<String, Value>>()
        .into()
}

fn metaobject_capabilities(capabilities: &Value) -> Value {
    let mut made = Map::new();
    for name in ["publishable", "translatable", "renderable", "onlineStore"] {
        let Some(one) = capabilities.get(name).filter(|one| one.is_object()) else { continue };
        let mut input = place::pick(one, &["enabled"]);
        if let Some(data) = one.get("data").filter(|data| data.is_object()) {
            let mut data_input = place::pick(data, &["urlHandle", "metaTitleKey", "metaDescriptionKey"]);
            data_input.extend(
                data.get("canCreateRedirects").map(|can| ("createRedirects".to_owned(), can.clone())),
            );
            input.insert("data".to_owned(), Value::Object(data_input));
        }
        made.insert(name.to_owned(), Value::Object(input));
    }
    Value::Object(made)
}

fn entry_capabilities(capabilities: &Value) -> Value {
    let filterable = capabilities.get("adminFilterable").unwrap_or(&Value::Null);
    if filterable.get("eligible").and_then(Value::as_bool) != Some(true) {
        return Value::Null;
    }
    json!({"adminFilterable": place::pick(filterable, &["enabled"])})
}

/// Whether a namespace or a type is kept for an app.
pub(super) fn of_an_app(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with("app--"))
}

/// Draws up a metafield definition.
pub(super) fn metafield(draft: &mut Draft<'_>) {
    let (wanted, live) = (draft.wanted, draft.live);
    if of_an_app(place::text(wanted, "namespace")) {
        draft.refusal = Some("The definition belongs to an app; only that app can write it.".to_owned());
        return;
    }
    let known_by = place::pick(wanted, &["ownerType", "namespace", "key"]);
    let mut input = draft.fields(METAFIELD_FIELDS, "", wanted, live);
    let template = place::at(wanted, "standardTemplate/id").filter(|template| template.is_string());
    match (live, template) {
        // What the template says, its name, its type and its validations, comes with it.
        (None, Some(template)) => {
            let mut enabled = place::pick(wanted, &["ownerType"]);
            enabled.insert("id".to_owned(), template.clone());
            for name in ["pin", "access", "capabilities"] {
                enabled.extend(input.remove(name).map(|value| (name.to_owned(), value)));
            }
            draft.step(Step::birth(&METAFIELD_ENABLE, "createdDefinition", enabled));
        }
        (None, None) => {
            input.extend(known_by);
            let input = variables([("definition", Value::Object(input))]);
            draft.step(Step::birth(&METAFIELD_CREATE, "createdDefinition", input));
        }
        (Some(_), _) if input.is_empty() => {}
        (Some(_), _) => {
            input.extend(known_by);
            let once = input.contains_key("constraintsUpdates");
            let input = variables([("definition", Value::Object(input))]);
            draft.step(Step { once, ..Step::new(&METAFIELD_UPDATE, "the definition", input) });
        }
    }
    super::plain::new_id(draft, "The definition");
}

/// Draws up a metaobject definition. Definitions may refer to each other, and to themselves: fields that refer are
/// added once the definition is there.
pub(super) fn metaobject(draft: &mut Draft<'_>) {
    let (wanted, live) = (draft.wanted, draft.live);
    if of_an_app(place::text(wanted, "type")) {
        draft.refusal = Some("The definition belongs to an app; only that app can write it.".to_owned());
        return;
    }
    let entries = place::list(wanted, "fieldDefinitions");
    let mut input = draft.fields(METAOBJECT_FIELDS, "", wanted, live);
    let Some(live) = live else {
        birth(draft, input, entries);
        return super::plain::new_id(draft, "The definition");
    };
    input.extend(draft.fields(&[DISPLAY_NAME], "", wanted, Some(live)));
    let mut operations = Vec::new();
    for (entry, live) in
        part::matched(entries, place::list(live, "fieldDefinitions"), Named(by_key), &draft.links)
    {
        let Some(key) = place::text(entry, "key") else { continue };
        let path = format!("/fieldDefinitions/[{key}]");
        match live {
            None if draft.change(path.clone(), &Value::Null, entry) => {
                operations.push(json!({"create": entry_input(draft, entry, key)}));
            }
            None => {}
            Some(live) => {
                let mut change = draft.fields(ENTRY_FIELDS, &path, entry, Some(live));
                if !change.is_empty() {
                    change.insert("key".to_owned(), Value::from(key));
                    operations.push(json!({"update": change}));
                }
            }
        }
    }
    for entry in draft.surplus(&ENTRY) {
        let Some(key) = place::text(entry, "key") else { continue };
        if draft.change(format!("/fieldDefinitions/[{key}]"), entry, &Value::Null) {
            operations.push(json!({"delete": {"key": key}}));
        }
    }
    let adds = operations.iter().any(|operation| operation.get("create").is_some());
    if !operations.is_empty() {
        input.insert("fieldDefinitions".to_owned(), Value::Array(operations));
    }
    if !input.is_empty() {
        let input = variables([("id", draft.me()), ("definition", Value::Object(input))]);
        draft.step(Step { once: adds, ..Step::new(&METAOBJECT_UPDATE, "the definition", input) });
    }
}

fn entry_input(draft: &mut Draft<'_>, entry: &Value, key: &str) -> Value {
    let mut input = draft.fields(ENTRY_FIELDS, "", entry, None);
    input.insert("key".to_owned(), Value::from(key));
    Value::Object(input)
}

fn birth(draft: &mut Draft<'_>, mut input: Map<String, Value>, entries: &[Value]) {
    let wanted = draft.wanted;
    if place::at(wanted, "standardTemplate/type").is_some_and(Value::is_string) {
        let input = place::pick(wanted, &["type"]);
        return draft.step(Step::birth(&METAOBJECT_ENABLE, "metaobjectDefinition", input));
    }
    let refers = |entry: &Value| {
        place::list(entry, "validations").iter().any(|one| {
            place::text(one, "value")
                .is_some_and(|value| value.contains("gid://shopify/MetaobjectDefinition/"))
        })
    };
    input.extend(place::pick(wanted, &["type"]));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some(key) = place::text(entry, "key") else { continue };
        if refers(entry) {
            second.push(json!({"create": entry_input(draft, entry, key)}));
        } else {
            first.push(entry_input(draft, entry, key));
            second.push(json!({"update": {"key": key}}));
        }
    }
    let two_passes = first.len() < second.len();
    let display = draft.fields(&[DISPLAY_NAME], "", wanted, None);
    if !two_passes {
        input.extend(display.clone());
    }
    input.insert("fieldDefinitions".to_owned(), Value::Array(first));
    let input = variables([("definition", Value::Object(input))]);
    draft.step(Step::birth(&METAOBJECT_CREATE, "metaobjectDefinition", input));
    if two_passes {
        let mut input = display;
        input.insert("fieldDefinitions".to_owned(), Value::Array(second));
        input.insert("resetFieldOrder".to_owned(), Value::Bool(true));
        let input = variables([("id", draft.me()), ("definition", Value::Object(input))]);
        let step = Step::new(&METAOBJECT_UPDATE, "fields that refer to other definitions", input);
        draft.step(Step { once: true, ..step });
    }
}
