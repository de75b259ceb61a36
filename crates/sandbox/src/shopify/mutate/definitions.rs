//! Definitions of metafields and metaobjects.

use serde_json::{Map, Value as Json};

use super::{As, Call, Copy, Errors, Outcome, Row, copy, list, refuse, text};
use crate::shopify::fields::{OWNERS, owner_type};
use crate::shopify::schema::intern;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("metafieldDefinitionCreate", create),
    ("metafieldDefinitionUpdate", update),
    ("metafieldDefinitionDelete", delete),
    ("metafieldDefinitionPin", pin),
    ("metafieldDefinitionUnpin", unpin),
    ("metaobjectDefinitionCreate", create_type),
    ("metaobjectDefinitionUpdate", update_type),
    ("metaobjectDefinitionDelete", delete_type),
];

const FIELDS: &[Copy] = &[("description", "description", As::Same), ("name", "name", As::Same)];

/// How many definitions of one owner type can be pinned.
const PINS_MAX: usize = 20;
/// How many fields a metaobject definition may have.
const FIELDS_MAX: usize = 40;

/// Types that a field can have.
const TYPES: &[&str] = &[
    "boolean",
    "color",
    "date",
    "date_time",
    "dimension",
    "id",
    "json",
    "language",
    "link",
    "money",
    "multi_line_text_field",
    "number_decimal",
    "number_integer",
    "rating",
    "rich_text_field",
    "single_line_text_field",
    "url",
    "volume",
    "weight",
    "article_reference",
    "collection_reference",
    "customer_reference",
    "file_reference",
    "metaobject_reference",
    "mixed_reference",
    "order_reference",
    "page_reference",
    "product_reference",
    "product_taxonomy_value_reference",
    "variant_reference",
    "company_reference",
];

fn known_type(name: &str) -> bool {
    TYPES.contains(&name.strip_prefix("list.").unwrap_or(name))
}

pub(super) fn access(input: Option<&Json>) -> Obj {
    let word = |name: &str| {
        input.and_then(|input| input.get(name)).and_then(Json::as_str).and_then(intern).map(Val::Lit)
    };
    // What a merchant or the app may do; an app's input words differ from what is shown only by their prefix.
    obj! {
        "admin": word("admin").unwrap_or(Val::Lit("PUBLIC_READ_WRITE")),
        "storefront": word("storefront").unwrap_or(Val::Lit("NONE")),
        "customerAccount": word("customerAccount").unwrap_or(Val::Lit("NONE")),
    }
}

/// The validations of an input; each carries its type, which follows from its name.
fn validations(input: &[Json]) -> Vec<Val> {
    input
        .iter()
        .filter_map(Json::as_object)
        .map(|one| {
            let name = text(one, "name").unwrap_or_default();
            let of_type = match name {
                "min" | "max" if text(one, "value").is_some_and(|value| value.contains('.')) => {
                    "number_decimal"
                }
                "min" | "max" | "max_precision" => "number_integer",
                "choices" | "file_type_options" => "list.single_line_text_field",
                _ => "single_line_text_field",
            };
            Val::from(
                obj! { "name": Val::text(name), "type": of_type, "value": text(one, "value").map(Val::text) },
            )
        })
        .collect()
}

/// The highest position at which a definition of that owner type is pinned.
pub(super) fn pinned(store: &Store, owner: &str) -> i64 {
    let of_owner = |definition: &&std::sync::Arc<Obj>| definition.str("ownerType") == Some(owner);
    store
        .table(Kind::MetafieldDefinition)
        .rows
        .values()
        .filter(of_owner)
        .filter_map(|definition| definition.int("pinnedPosition"))
        .max()
        .unwrap_or(0)
}

/// Which types can have a capability: the beginnings of their names.
const CAPABLE: &[(&str, &[&str])] = &[
    ("adminFilterable", &["single_line_text_field", "boolean", "number_integer", "metaobject_reference"]),
    ("smartCollectionCondition", &["single_line_text_field", "boolean", "number_", "metaobject_reference"]),
    ("uniqueValues", &["single_line_text_field", "number_integer", "url", "id"]),
];

/// Whether a definition of that type can have a capability.
pub(crate) fn eligible(type_name: &str, capability: &str) -> bool {
    let of = |(name, types): &(&str, &[&str])| {
        *name == capability && types.iter().any(|one| type_name.starts_with(one))
    };
    CAPABLE.iter().any(of)
}

/// What of a definition's input its type, its owner or its namespace do not allow.
fn refused(type_name: &str, input: &Map<String, Json>, namespace: &str, errors: &mut Errors) {
    let of_an_app = namespace.starts_with("$app") || namespace.starts_with("app--");
    if input.get("access").is_some_and(|access| access.get("admin").is_some_and(|admin| !admin.is_null()))
        && !of_an_app
    {
        errors.add(
            &["definition", "access", "admin"],
            "Admin access can only be specified for app-owned metafield definitions.",
            "ADMIN_ACCESS_INPUT_NOT_ALLOWED",
        );
    }
    for (name, one) in input.get("capabilities").and_then(Json::as_object).into_iter().flatten() {
        let enabled = one.get("enabled").and_then(Json::as_bool) == Some(true);
        if enabled && !eligible(type_name, name) {
            errors.add(
                &["definition", "capabilities", name],
                format!("The capability {name} is not valid for this definition."),
                "INVALID_CAPABILITY",
            );
        }
    }
}

/// Capabilities that an input names are set; the others stay.
pub(super) fn set_capabilities(definition: &mut Obj, input: &Map<String, Json>) {
    let Some(given) = input.get("capabilities").and_then(Json::as_object) else { return };
    let mut all = definition.obj("capabilities").cloned().unwrap_or_default();
    for (name, one) in given {
        let enabled = one.get("enabled").and_then(Json::as_bool);
        if let (Some(name), Some(enabled)) = (intern(name), enabled) {
            all.set(name, obj! { "enabled": enabled });
        }
    }
    definition.set("capabilities", all);
}

fn constraint_values(texts: impl IntoIterator<Item = String>) -> Vec<Val> {
    texts.into_iter().map(|value| Val::from(obj! { "value": Val::text(value) })).collect()
}

/// To which items a definition applies: set when it is made, then changed value by value. Without a key there is none.
fn set_constraints(definition: &mut Obj, input: &Map<String, Json>) {
    if let Some(given) = input.get("constraints").and_then(Json::as_object) {
        let values =
            list(given, "values").unwrap_or_default().iter().filter_map(Json::as_str).map(str::to_owned);
        let key = text(given, "key").map(Val::text);
        definition.set("constraints", obj! { "key": key, "values": constraint_values(values) });
    }
    let Some(given) = input.get("constraintsUpdates").and_then(Json::as_object) else { return };
    let old = definition.obj("constraints").cloned().unwrap_or_default();
    let key = match given.get("key") {
        Some(key) => key.as_str().map(str::to_owned),
        None => old.str("key").map(str::to_owned),
    };
    let Some(key) = key else {
        definition.take("constraints");
        return;
    };
    let mut values: Vec<String> =
        old.list("values").iter().filter_map(|one| one.as_obj()?.str("value").map(str::to_owned)).collect();
    for change in list(given, "values").unwrap_or_default() {
        if let Some(gone) = change.get("delete").and_then(Json::as_str) {
            values.retain(|value| value != gone);
        }
        if let Some(new) = change.get("create").and_then(Json::as_str) {
            values.push(new.to_owned());
        }
    }
    definition.set("constraints", obj! { "key": Val::text(key), "values": constraint_values(values) });
}

/// Whether a definition is one that the platform has ready, whose key nobody else may take.
pub(super) fn reserved(store: &Store, owner: &str, namespace: &str, key: &str) -> bool {
    store.table(Kind::StandardMetafieldDefinitionTemplate).rows.values().any(|template| {
        template.str("namespace") == Some(namespace)
            && template.str("key") == Some(key)
            && template.list("ownerTypes").iter().any(|of| of.as_str() == Some(owner))
    })
}

/// The natural key of a definition.
pub(super) fn key_of(definition: &Obj) -> String {
    crate::shopify::store::natural_keys(Kind::MetafieldDefinition, definition)
        .into_iter()
        .next()
        .unwrap_or_default()
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("definition") else {
        return refuse(&["definition"], "A definition is needed.", "BLANK");
    };
    let mut errors = Errors::default();
    let (owner, namespace, key) = (
        text(input, "ownerType").unwrap_or_default(),
        text(input, "namespace").unwrap_or("$app"),
        text(input, "key").unwrap_or_default(),
    );
    let type_name = text(input, "type").unwrap_or_default();
    if !known_type(type_name) {
        errors.add(
            &["definition", "type"],
            format!("Type name {type_name} is not a valid type."),
            "INCLUSION",
        );
    }
    let fits = |text: &str, low: usize| {
        (low..=255).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_$:".contains(c))
    };
    if !fits(key, 2) {
        errors.add(
            &["definition", "key"],
            "Key must have 2 to 64 letters, digits, hyphens or underscores.",
            "INVALID_CHARACTER",
        );
    }
    if !fits(namespace, 3) {
        errors.add(
            &["definition", "namespace"],
            "Namespace must have 3 to 255 letters, digits, hyphens or underscores.",
            "INVALID_CHARACTER",
        );
    }
    if store.by_key(Kind::MetafieldDefinition, &format!("{owner}/{namespace}/{key}")).is_some() {
        errors.add(
            &["definition", "key"],
            format!("Key is in use for {owner} metafields on the '{namespace}' namespace."),
            "TAKEN",
        );
    }
    if let Some(problem) = unstructured(store, owner, namespace, key, type_name) {
        errors.add(&["definition"], problem, "UNSTRUCTURED_ALREADY_EXISTS");
    }
    if reserved(store, owner, namespace, key) {
        errors.add(
            &["definition"],
            "This namespace and key combination is reserved for standard definitions.",
            "RESERVED_NAMESPACE_KEY",
        );
    }
    refused(type_name, input, namespace, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let mut definition = obj! {
        "ownerType": intern(owner).map(Val::Lit), "namespace": Val::text(namespace), "key": Val::text(key), "type": Val::text(type_name),
        "validations": validations(list(input, "validations").unwrap_or_default()), "access": access(input.get("access")),
    };
    copy(&mut definition, input, FIELDS);
    set_capabilities(&mut definition, input);
    set_constraints(&mut definition, input);
    if input.get("pin").and_then(Json::as_bool) == Some(true) {
        definition.set("pinnedPosition", pinned(store, owner) + 1);
    }
    let gid = store.insert(Kind::MetafieldDefinition, definition);
    errors.payload(obj! { "createdDefinition": gid })
}

/// A value that exists already and does not fit the definition that is to come.
pub(super) fn unstructured(
    store: &Store,
    owner: &str,
    namespace: &str,
    key: &str,
    type_name: &str,
) -> Option<String> {
    OWNERS
        .iter()
        .filter(|kind| owner_type(**kind) == owner)
        .flat_map(|kind| store.table(*kind).rows.values())
        .find_map(|obj| {
            let own = obj
                .list("metafields")
                .iter()
                .filter_map(Val::as_obj)
                .find(|own| own.str("namespace") == Some(namespace) && own.str("key") == Some(key))?;
            (own.str("type") != Some(type_name)).then(|| {
                format!("A metafield of type '{}' already exists.", own.str("type").unwrap_or_default())
            })
        })
}

fn find(store: &Store, call: &Call<'_>, id: &str) -> Option<Gid> {
    if let Some(id) = call.text(id) {
        return store.find(Kind::MetafieldDefinition, id);
    }
    by_identifier(store, call.map("identifier")?)
}

fn by_identifier(store: &Store, identifier: &Map<String, Json>) -> Option<Gid> {
    let word = |name: &str| text(identifier, name).unwrap_or_default();
    let key =
        format!("{}/{}/{}", word("ownerType"), text(identifier, "namespace").unwrap_or("$app"), word("key"));
    store.by_key(Kind::MetafieldDefinition, &key)
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("definition") else {
        return refuse(&["definition"], "A definition is needed.", "INVALID_INPUT");
    };
    let Some(gid) = by_identifier(store, input) else {
        return refuse(&["definition"], "Definition not found.", "NOT_FOUND");
    };
    let mut errors = Errors::default();
    let type_name = store.get(gid).and_then(|known| known.str("type")).unwrap_or_default().to_owned();
    refused(&type_name, input, text(input, "namespace").unwrap_or("$app"), &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let pin = input.get("pin").and_then(Json::as_bool);
    let next = pinned(store, text(input, "ownerType").unwrap_or_default()) + 1;
    store.edit(gid, |definition| {
        copy(definition, input, FIELDS);
        set_capabilities(definition, input);
        set_constraints(definition, input);
        if let Some(given) = list(input, "validations") {
            definition.set("validations", validations(given));
        }
        if let Some(given) = input.get("access") {
            definition.set("access", access(Some(given)));
        }
        match pin {
            Some(true) if definition.get("pinnedPosition").is_none() => {
                definition.set("pinnedPosition", next);
            }
            Some(false) => definition.set("pinnedPosition", Val::Null),
            _ => {}
        }
    });
    Errors::default().payload(obj! { "updatedDefinition": gid })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = find(store, call, "id") else {
        return refuse(&["id"], "Definition not found.", "NOT_FOUND");
    };
    let definition = store.get(gid).map(|definition| Obj::clone(definition)).unwrap_or_default();
    let values = call.args.get("deleteAllAssociatedMetafields").and_then(Json::as_bool) == Some(true);
    if definition.str("type").is_some_and(|name| name.contains("_reference")) && !values {
        return refuse(
            &["id"],
            "Deleting a definition of a reference type needs deleteAllAssociatedMetafields.",
            "REFERENCE_TYPE_DELETION_ERROR",
        );
    }
    let of = |name: &str| definition.str(name).unwrap_or_default();
    if !values
        && reserved(store, of("ownerType"), of("namespace"), of("key"))
        && has_values(store, &definition)
    {
        return refuse(
            &["id"],
            "Deleting a definition in a reserved namespace needs deleteAllAssociatedMetafields.",
            "RESERVED_NAMESPACE_ORPHANED_METAFIELDS",
        );
    }
    if values {
        let owners: Vec<Gid> = OWNERS
            .iter()
            .filter(|kind| Some(owner_type(**kind)) == definition.str("ownerType"))
            .flat_map(|kind| store.gids(*kind))
            .collect();
        for owner in owners {
            let same = |own: &Obj| {
                own.str("namespace") == definition.str("namespace") && own.str("key") == definition.str("key")
            };
            if store
                .get(owner)
                .is_some_and(|obj| obj.list("metafields").iter().filter_map(Val::as_obj).any(same))
            {
                store.edit(owner, |obj| {
                    obj.edit_list("metafields", |all| all.retain(|own| !own.as_obj().is_some_and(same)));
                });
            }
        }
    }
    store.remove(gid);
    let deleted = obj! { "namespace": definition.get("namespace").cloned(), "key": definition.get("key").cloned(), "ownerType": definition.get("ownerType").cloned() };
    Errors::default().payload(obj! { "deletedDefinitionId": Val::Id(gid), "deletedDefinition": deleted })
}

fn has_values(store: &Store, definition: &Obj) -> bool {
    OWNERS
        .iter()
        .filter(|kind| Some(owner_type(**kind)) == definition.str("ownerType"))
        .flat_map(|kind| store.table(*kind).rows.values())
        .flat_map(|owner| owner.list("metafields"))
        .filter_map(Val::as_obj)
        .any(|own| {
            own.str("namespace") == definition.str("namespace") && own.str("key") == definition.str("key")
        })
}

fn pin(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = find(store, call, "definitionId") else {
        return refuse(&["definitionId"], "Definition not found.", "NOT_FOUND");
    };
    let owner =
        store.get(gid).and_then(|definition| definition.str("ownerType")).unwrap_or_default().to_owned();
    if store.get(gid).is_some_and(|definition| definition.get("pinnedPosition").is_some()) {
        return refuse(&["definitionId"], "Definition already pinned.", "ALREADY_PINNED");
    }
    let next = pinned(store, &owner) + 1;
    if usize::try_from(next).is_ok_and(|next| next > PINS_MAX) {
        return refuse(
            &["definitionId"],
            format!("Limit of {PINS_MAX} pinned definitions."),
            "PINNED_LIMIT_REACHED",
        );
    }
    store.edit_silently(gid, |definition| definition.set("pinnedPosition", next));
    Errors::default().payload(obj! { "pinnedDefinition": gid })
}

fn unpin(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = find(store, call, "definitionId") else {
        return refuse(&["definitionId"], "Definition not found.", "NOT_FOUND");
    };
    store.edit_silently(gid, |definition| definition.set("pinnedPosition", Val::Null));
    Errors::default().payload(obj! { "unpinnedDefinition": gid })
}

fn field_definition(input: &Map<String, Json>, old: Obj) -> Obj {
    let mut made = old;
    copy(
        &mut made,
        input,
        &[("key", "key", As::Same), ("required", "required", As::Same), ("type", "type", As::Same)],
    );
    copy(&mut made, input, FIELDS);
    copy(&mut made, input, &[("capabilities", "capabilities", As::Same)]);
    if made.get("name").is_none() {
        let key = made.str("key").unwrap_or_default().replace('_', " ");
        made.set("name", Val::text(key));
    }
    if let Some(given) = list(input, "validations") {
        made.set("validations", validations(given));
    }
    made
}

fn capabilities(input: Option<&Json>, old: Option<&Obj>) -> Obj {
    let enabled = |name: &str| {
        let given = input
            .and_then(|input| input.get(name))
            .and_then(|one| one.get("enabled"))
            .and_then(Json::as_bool);
        given.unwrap_or_else(|| {
            old.and_then(|old| old.obj(name)).and_then(|one| one.flag("enabled")).unwrap_or(false)
        })
    };
    obj! {
        "publishable": obj! { "enabled": enabled("publishable") }, "translatable": obj! { "enabled": enabled("translatable") },
        "renderable": obj! { "enabled": enabled("renderable") }, "onlineStore": obj! { "enabled": enabled("onlineStore") },
    }
}

fn create_type(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(input) = call.map("definition") else {
        return refuse(&["definition"], "A definition is needed.", "BLANK");
    };
    let mut errors = Errors::default();
    let type_name = text(input, "type").unwrap_or_default();
    if type_name.len() < 3 || !type_name.chars().all(|c| c.is_ascii_alphanumeric() || "-_$:".contains(c)) {
        errors.add(
            &["definition", "type"],
            "Type must have 3 to 255 letters, digits, hyphens or underscores.",
            "INVALID",
        );
    }
    if store.by_key(Kind::MetaobjectDefinition, type_name).is_some() {
        errors.add(&["definition", "type"], "Type has already been taken", "TAKEN");
    }
    let given = list(input, "fieldDefinitions").unwrap_or_default();
    if given.len() > FIELDS_MAX {
        errors.add(
            &["definition", "fieldDefinitions"],
            format!("A definition can't have more than {FIELDS_MAX} fields."),
            "INPUT_LIMIT_EXCEEDED",
        );
    }
    let mut made: Vec<Val> = Vec::new();
    for (index, one) in given.iter().filter_map(Json::as_object).enumerate() {
        let at = index.to_string();
        if !known_type(text(one, "type").unwrap_or_default()) {
            errors.add(
                &["definition", "fieldDefinitions", &at, "type"],
                "Type is not a valid type.",
                "INCLUSION",
            );
        }
        if made.iter().any(|known| known.as_obj().and_then(|known| known.str("key")) == text(one, "key")) {
            errors.add(
                &["definition", "fieldDefinitions", &at, "key"],
                "Key is already assigned to another field.",
                "OBJECT_FIELD_TAKEN",
            );
        }
        made.push(Val::from(field_definition(one, Obj::default())));
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let mut definition = obj! {
        "type": Val::text(type_name), "fieldDefinitions": made, "access": type_access(input.get("access")),
        "capabilities": capabilities(input.get("capabilities"), None),
    };
    copy(
        &mut definition,
        input,
        &[
            ("name", "name", As::Same),
            ("description", "description", As::Same),
            ("displayNameKey", "displayNameKey", As::Same),
        ],
    );
    if definition.get("name").is_none() {
        definition.set("name", Val::text(type_name.replace('_', " ")));
    }
    let gid = store.insert(Kind::MetaobjectDefinition, definition);
    errors.payload(obj! { "metaobjectDefinition": gid })
}

fn type_access(input: Option<&Json>) -> Obj {
    let word = |name: &str| {
        input.and_then(|input| input.get(name)).and_then(Json::as_str).and_then(intern).map(Val::Lit)
    };
    obj! {
        "admin": word("admin").unwrap_or(Val::Lit("PUBLIC_READ_WRITE")), "storefront": word("storefront").unwrap_or(Val::Lit("NONE")),
        "customerAccount": word("customerAccount").unwrap_or(Val::Lit("NONE")),
    }
}

fn update_type(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (Some(gid), Some(input)) =
        (call.gid(store, Kind::MetaobjectDefinition, "id"), call.map("definition"))
    else {
        return refuse(&["id"], "Record not found", "RECORD_NOT_FOUND");
    };
    let mut errors = Errors::default();
    let mut definition = store.get(gid).map(|definition| Obj::clone(definition)).unwrap_or_default();
    copy(
        &mut definition,
        input,
        &[
            ("name", "name", As::Same),
            ("description", "description", As::Same),
            ("displayNameKey", "displayNameKey", As::Same),
        ],
    );
    if let Some(given) = input.get("access") {
        definition.set("access", type_access(Some(given)));
    }
    if let Some(given) = input.get("capabilities") {
        let made = capabilities(Some(given), definition.obj("capabilities"));
        definition.set("capabilities", made);
    }
    for (index, operation) in list(input, "fieldDefinitions").unwrap_or_default().iter().enumerate() {
        let at = index.to_string();
        let part = |name: &str| operation.get(name).and_then(Json::as_object);
        let key = ["create", "update", "delete"]
            .iter()
            .find_map(|name| text(part(name)?, "key"))
            .unwrap_or_default()
            .to_owned();
        let place = definition
            .list("fieldDefinitions")
            .iter()
            .position(|known| known.as_obj().and_then(|known| known.str("key")) == Some(&key));
        match (part("create"), part("update"), part("delete"), place) {
            (Some(one), _, _, None) => {
                let made = Val::from(field_definition(one, Obj::default()));
                definition.edit_list("fieldDefinitions", |all| all.push(made));
            }
            (_, Some(one), _, Some(place)) => definition.edit_list("fieldDefinitions", |all| {
                if let Some(slot) = all.get_mut(place) {
                    let old = slot.as_obj().cloned().unwrap_or_default();
                    *slot = Val::from(field_definition(one, old));
                }
            }),
            (_, _, Some(_), Some(place)) => definition.edit_list("fieldDefinitions", |all| {
                all.remove(place);
            }),
            (Some(_), ..) => errors.add(
                &["definition", "fieldDefinitions", &at, "create", "key"],
                "Key is already assigned to another field.",
                "OBJECT_FIELD_TAKEN",
            ),
            _ => errors.add(
                &["definition", "fieldDefinitions", &at],
                "Field definition not found.",
                "UNDEFINED_OBJECT_FIELD",
            ),
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = definition);
    errors.payload(obj! { "metaobjectDefinition": gid })
}

fn delete_type(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::MetaobjectDefinition, "id") else {
        return refuse(&["id"], "Record not found", "RECORD_NOT_FOUND");
    };
    let type_name =
        store.get(gid).and_then(|definition| definition.str("type")).unwrap_or_default().to_owned();
    // The objects go with their definition.
    let objects: Vec<Gid> = store
        .gids(Kind::Metaobject)
        .filter(|gid| store.get(*gid).is_some_and(|object| object.str("type") == Some(&type_name)))
        .collect();
    for object in objects {
        store.remove(object);
    }
    store.remove(gid);
    Errors::default().payload(obj! { "deletedId": Val::Id(gid) })
}
