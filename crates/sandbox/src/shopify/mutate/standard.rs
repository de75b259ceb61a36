//! Definitions that the platform has ready: enabled, not written.

use serde_json::Value as Json;

use super::{Call, Errors, Outcome, Row, refuse};
use crate::shopify::schema::intern;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] = &[
    ("standardMetafieldDefinitionEnable", enable_metafield),
    ("standardMetaobjectDefinitionEnable", enable_metaobject),
];

/// Templates for metafields: number, namespace, key, name, type.
pub(crate) const TEMPLATES: &[(u64, &str, &str, &str, &str)] = &[
    (1, "descriptors", "subtitle", "Product subtitle", "single_line_text_field"),
    (2, "descriptors", "care_guide", "Care guide", "rich_text_field"),
    (3, "facts", "isbn", "ISBN", "single_line_text_field"),
];

/// Metaobjects that are ready: type, name, and the keys of their text fields.
const METAOBJECTS: &[(&str, &str, &[&str])] =
    &[("shopify--qa-pair", "Question and answer", &["question", "answer"])];

/// What the platform has ready for a metaobject type, as it shows it.
pub(crate) fn metaobject_template(type_name: &str) -> Option<Obj> {
    let (type_name, name, keys) = METAOBJECTS.iter().find(|(known, _, _)| *known == type_name)?;
    Some(obj! {
        "type": *type_name, "name": *name, "displayNameKey": keys.first().copied(),
        "access": obj! { "admin": "PUBLIC_READ_WRITE", "storefront": "PUBLIC_READ", "customerAccount": "NONE" },
        "enabledCapabilities": Vec::<Val>::new(),
    })
}

/// A definition made from a template for one owner type.
pub(crate) fn from_template(template: Gid, of: &Obj, owner: &'static str) -> Obj {
    obj! {
        "ownerType": owner, "namespace": of.get("namespace").cloned(), "key": of.get("key").cloned(),
        "name": of.get("name").cloned(), "type": of.get("type").cloned(), "standardTemplate": template,
        "validations": Vec::<Val>::new(),
        "access": obj! { "admin": "PUBLIC_READ_WRITE", "storefront": "PUBLIC_READ", "customerAccount": "NONE" },
    }
}

fn enable_metafield(store: &mut Store, call: &Call<'_>) -> Outcome {
    let by_key = || {
        store.gids(Kind::StandardMetafieldDefinitionTemplate).find(|gid| {
            store.get(*gid).is_some_and(|known| {
                known.str("namespace") == call.text("namespace") && known.str("key") == call.text("key")
            })
        })
    };
    if call.text("id").is_some() == call.text("key").is_some() {
        return refuse(
            &["id"],
            "Either an id, or a namespace and a key, must be given.",
            "INVALID_INPUT_COMBINATION",
        );
    }
    let template = match call.text("id") {
        Some(id) => store.find(Kind::StandardMetafieldDefinitionTemplate, id),
        None => by_key(),
    };
    let owner = call.text("ownerType").and_then(intern);
    let applies = |template: &Gid| {
        let of = store.get(*template).map_or(&[][..], |of| of.list("ownerTypes"));
        of.iter().any(|of| of.as_str() == owner)
    };
    let (Some(template), Some(owner)) = (template.filter(applies), owner) else {
        return refuse(
            &["id"],
            "A standard definition wasn't found for the specified owner type.",
            "TEMPLATE_NOT_FOUND",
        );
    };
    let of = store.get(template).map(|of| Obj::clone(of)).unwrap_or_default();
    let mut made = from_template(template, &of, owner);
    if store.by_key(Kind::MetafieldDefinition, &super::definitions::key_of(&made)).is_some() {
        return refuse(&["id"], "A definition with this namespace and key exists already.", "TAKEN");
    }
    let word = |name: &str| made.str(name).unwrap_or_default();
    let problem =
        super::definitions::unstructured(store, owner, word("namespace"), word("key"), word("type"));
    if let Some(problem) = problem {
        return refuse(&["id"], problem, "UNSTRUCTURED_ALREADY_EXISTS");
    }
    if let Some(access) = call.args.get("access").filter(|access| access.is_object()) {
        if access.get("admin").is_some_and(|admin| !admin.is_null()) {
            return refuse(
                &["access", "admin"],
                "Admin access can only be specified for app-owned metafield definitions.",
                "ADMIN_ACCESS_INPUT_NOT_ALLOWED",
            );
        }
        made.set("access", super::definitions::access(Some(access)));
    }
    for (name, one) in call.map("capabilities").into_iter().flatten() {
        let enabled = one.get("enabled").and_then(Json::as_bool) == Some(true);
        if enabled && !super::definitions::eligible(made.str("type").unwrap_or_default(), name) {
            return refuse(&["capabilities"], "The capability is not valid.", "INVALID_CAPABILITY");
        }
    }
    super::definitions::set_capabilities(&mut made, call.args);
    if call.args.get("pin").and_then(Json::as_bool) == Some(true) {
        made.set("pinnedPosition", super::definitions::pinned(store, owner) + 1);
    }
    let gid = store.insert(Kind::MetafieldDefinition, made);
    Errors::default().payload(obj! { "createdDefinition": gid })
}

fn enable_metaobject(store: &mut Store, call: &Call<'_>) -> Outcome {
    let wanted = call.text("type").unwrap_or_default();
    let Some((type_name, name, keys)) = METAOBJECTS.iter().find(|(known, _, _)| *known == wanted) else {
        return refuse(&["type"], "Record not found", "RECORD_NOT_FOUND");
    };
    // Enabling twice gives the same definition.
    if let Some(gid) = store.by_key(Kind::MetaobjectDefinition, type_name) {
        return Errors::default().payload(obj! { "metaobjectDefinition": gid });
    }
    let fields: Vec<Val> = keys
        .iter()
        .map(|key| {
            Val::from(obj! { "key": *key, "name": *key, "type": "single_line_text_field", "required": false })
        })
        .collect();
    let gid = store.insert(
        Kind::MetaobjectDefinition,
        obj! { "type": *type_name, "name": *name, "displayNameKey": keys.first().copied(), "fieldDefinitions": fields },
    );
    Errors::default().payload(obj! { "metaobjectDefinition": gid })
}
