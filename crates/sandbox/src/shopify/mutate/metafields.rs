//! Metafields: set one by one, deleted one by one, or given with their owner.

use serde_json::{Map, Value as Json};

use super::{Call, Errors, Outcome, Row, text};
use crate::shopify::fields::{OWNERS, digest, owner_type};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

/// How many metafields one call may set.
const SET_MAX: usize = 25;

pub(super) const ROWS: &[Row] = &[("metafieldsSet", set), ("metafieldsDelete", delete)];

/// Checks a value against its type.
pub(super) fn check_value(store: &Store, type_name: &str, value: &str) -> Result<(), String> {
    if let Some(item) = type_name.strip_prefix("list.") {
        let list: Vec<Json> =
            serde_json::from_str(value).map_err(|_| "Value must be a JSON array.".to_owned())?;
        return list.iter().try_for_each(|one| match one {
            Json::String(one) => check_value(store, item, one),
            other => check_value(store, item, &other.to_string()),
        });
    }
    let good = match type_name {
        "number_integer" => value.parse::<i64>().is_ok(),
        "number_decimal" => value.parse::<f64>().is_ok(),
        "boolean" => matches!(value, "true" | "false"),
        "json" | "rich_text_field" | "money" | "rating" | "dimension" | "weight" | "volume" | "link" => {
            serde_json::from_str::<Json>(value).is_ok()
        }
        "single_line_text_field" => !value.contains('\n'),
        "date" => value.parse::<jiff::civil::Date>().is_ok(),
        "url" => value.contains(':'),
        "color" => value.starts_with('#'),
        "multi_line_text_field" | "date_time" | "id" | "language" => true,
        name if name.ends_with("_reference") => {
            let wanted: Option<&[Kind]> = match name {
                "product_reference" => Some(&[Kind::Product]),
                "variant_reference" => Some(&[Kind::ProductVariant]),
                "collection_reference" => Some(&[Kind::Collection]),
                "page_reference" => Some(&[Kind::Page]),
                "article_reference" => Some(&[Kind::Article]),
                "metaobject_reference" | "mixed_reference" => Some(&[Kind::Metaobject]),
                "customer_reference" => Some(&[Kind::Customer]),
                "order_reference" => Some(&[Kind::Order]),
                "file_reference" => Some(crate::shopify::files::FILE_KINDS),
                _ => None,
            };
            let Some(gid) = Gid::parse(value) else {
                return Err(format!("Value '{value}' is not a valid id."));
            };
            if wanted.is_some_and(|kinds| !kinds.contains(&gid.kind())) {
                return Err(format!("Value references an object of the wrong kind for {name}."));
            }
            if !store.has(gid) {
                return Err("Value references non-existent resource.".to_owned());
            }
            true
        }
        other => return Err(format!("Type '{other}' is not a known metafield type.")),
    };
    if good { Ok(()) } else { Err(format!("Value is invalid for type '{type_name}'.")) }
}

/// The type that a definition prescribes.
fn defined_type(store: &Store, owner: Kind, namespace: &str, key: &str) -> Option<String> {
    let gid = store.by_key(Kind::MetafieldDefinition, &format!("{}/{namespace}/{key}", owner_type(owner)))?;
    store.get(gid)?.str("type").map(str::to_owned)
}

/// Sets one metafield of an object that is not in the state yet, or is being changed.
pub(super) fn set_one(
    store: &mut Store,
    kind: Kind,
    owner: &mut Obj,
    input: &Map<String, Json>,
) -> Result<Val, (&'static str, String, &'static str)> {
    let by_id = text(input, "id").and_then(Gid::parse);
    let known = owner
        .list("metafields")
        .iter()
        .filter_map(Val::as_obj)
        .find(|own| by_id.is_some() && own.gid("id") == by_id);
    let (namespace, key) = match known {
        Some(own) => (
            own.str("namespace").unwrap_or_default().to_owned(),
            own.str("key").unwrap_or_default().to_owned(),
        ),
        None => (
            text(input, "namespace").unwrap_or("$app").to_owned(),
            text(input, "key").unwrap_or_default().to_owned(),
        ),
    };
    if key.is_empty() {
        return Err(("key", "Key can't be blank".to_owned(), "BLANK"));
    }
    let value = text(input, "value").unwrap_or_default().to_owned();
    let same = |own: &Obj| own.str("namespace") == Some(&namespace) && own.str("key") == Some(&key);
    let old = owner.list("metafields").iter().filter_map(Val::as_obj).find(|own| same(own)).cloned();
    let type_name = text(input, "type")
        .map(str::to_owned)
        .or_else(|| old.as_ref().and_then(|old| old.str("type").map(str::to_owned)))
        .or_else(|| defined_type(store, kind, &namespace, &key));
    let Some(type_name) = type_name else { return Err(("type", "Type can't be blank".to_owned(), "BLANK")) };
    if let Some(prescribed) =
        defined_type(store, kind, &namespace, &key).filter(|prescribed| *prescribed != type_name)
    {
        return Err((
            "type",
            format!("Type '{type_name}' must be consistent with the definition's type: '{prescribed}'."),
            "INVALID_TYPE",
        ));
    }
    if value.is_empty() {
        return Err(("value", "Value can't be blank".to_owned(), "BLANK"));
    }
    check_value(store, &type_name, &value).map_err(|message| ("value", message, "INVALID_VALUE"))?;
    if let Some(digest_given) = input.get("compareDigest") {
        let now = old.as_ref().and_then(|old| old.str("value")).map(digest);
        if digest_given.as_str() != now.as_deref() {
            return Err((
                "compareDigest",
                "The resource has been updated since it was loaded.".to_owned(),
                "STALE_OBJECT",
            ));
        }
    }
    let now = store.now;
    let id = old.as_ref().and_then(|old| old.gid("id")).unwrap_or_else(|| store.mint(Kind::Metafield));
    let unchanged = old
        .as_ref()
        .is_some_and(|old| old.str("value") == Some(&value) && old.str("type") == Some(&type_name));
    let updated = old.as_ref().filter(|_| unchanged).and_then(|old| old.int("updatedAt")).unwrap_or(now);
    let made = Val::from(obj! {
        "id": Val::Id(id), "namespace": Val::text(&namespace), "key": Val::text(&key), "type": Val::text(&type_name),
        "value": Val::text(&value),
        "createdAt": Val::Time(old.as_ref().and_then(|old| old.int("createdAt")).unwrap_or(now)),
        "updatedAt": Val::Time(updated),
    });
    owner.edit_list("metafields", |list| match list.iter_mut().find(|own| own.as_obj().is_some_and(same)) {
        Some(place) => *place = made.clone(),
        None => list.push(made.clone()),
    });
    Ok(made)
}

/// Sets the metafields that came with an owner's input; what is not named stays.
pub(super) fn merge(
    store: &mut Store,
    kind: Kind,
    owner: &mut Obj,
    input: &Map<String, Json>,
    path: &[&str],
    errors: &mut Errors,
) {
    for (index, one) in super::list(input, "metafields").unwrap_or_default().iter().enumerate() {
        let Some(one) = one.as_object() else { continue };
        if let Err((field, message, code)) = set_one(store, kind, owner, one) {
            let index = index.to_string();
            errors.add(&[path, &["metafields", &index, field]].concat(), message, code);
        }
    }
}

/// Like [`merge`], but metafields that are not named are deleted: so do the mutations that set a whole.
pub(super) fn replace(
    store: &mut Store,
    kind: Kind,
    owner: &mut Obj,
    input: &Map<String, Json>,
    path: &[&str],
    errors: &mut Errors,
) {
    let Some(given) = super::list(input, "metafields") else { return };
    let named: Vec<(Option<Gid>, &str, &str)> = given
        .iter()
        .filter_map(Json::as_object)
        .map(|one| {
            let id = text(one, "id").and_then(Gid::parse);
            (id, text(one, "namespace").unwrap_or("$app"), text(one, "key").unwrap_or_default())
        })
        .collect();
    owner.edit_list("metafields", |list| {
        list.retain(|own| {
            let Some(own) = own.as_obj() else { return false };
            named.iter().any(|(id, namespace, key)| {
                (id.is_some() && own.gid("id") == *id)
                    || (own.str("namespace") == Some(namespace) && own.str("key") == Some(key))
            })
        });
    });
    merge(store, kind, owner, input, path, errors);
}

fn set(store: &mut Store, call: &Call<'_>) -> Outcome {
    let inputs = call.list("metafields");
    let mut errors = Errors::default();
    if inputs.len() > SET_MAX {
        errors.add(
            &["metafields"],
            format!("Exceeded the maximum metafields input limit of {SET_MAX}."),
            "LESS_THAN_OR_EQUAL_TO",
        );
        return errors.payload(obj! {});
    }
    // All or nothing: the owners are changed only when every value was accepted.
    let mut owners: Vec<(Gid, Obj)> = Vec::new();
    let mut made: Vec<(Gid, Val)> = Vec::new();
    for (index, input) in inputs.iter().filter_map(Json::as_object).enumerate() {
        let at = index.to_string();
        let owner = text(input, "ownerId")
            .and_then(Gid::parse)
            .filter(|gid| OWNERS.contains(&gid.kind()) || gid.kind() == Kind::MediaImage);
        let Some(owner) = owner.filter(|gid| store.has(*gid)) else {
            errors.add(&["metafields", &at, "ownerId"], "Owner does not exist.", "INVALID");
            continue;
        };
        let place = match owners.iter().position(|(gid, _)| *gid == owner) {
            Some(place) => place,
            None => {
                owners.push((owner, store.get(owner).map(|obj| Obj::clone(obj)).unwrap_or_default()));
                owners.len() - 1
            }
        };
        let Some((_, obj)) = owners.get_mut(place) else { continue };
        match set_one(store, owner.kind(), obj, input) {
            Ok(metafield) => made.push((owner, metafield)),
            Err((field, message, code)) => errors.add(&["metafields", &at, field], message, code),
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    for (gid, changed) in owners {
        // A metafield does not always move its owner's time: products and customers move, the rest do not.
        let moves = matches!(gid.kind(), Kind::Product | Kind::Customer | Kind::Collection);
        let metafields = changed.get("metafields").cloned();
        store.edit_silently(gid, |obj| obj.set("metafields", metafields));
        if moves {
            store.touch(gid);
        }
    }
    let shown = made.into_iter().map(|(_, metafield)| metafield).collect::<Vec<_>>();
    errors.payload(obj! { "metafields": shown })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let mut deleted = Vec::new();
    for input in call.list("metafields").iter().filter_map(Json::as_object) {
        let word = |name: &str| text(input, name).unwrap_or_default();
        let Some(owner) = Gid::parse(word("ownerId")).filter(|gid| store.has(*gid)) else {
            deleted.push(Val::Null);
            continue;
        };
        let mut found = false;
        store.edit_silently(owner, |obj| {
            obj.edit_list("metafields", |list| {
                let before = list.len();
                list.retain(|own| {
                    !own.as_obj().is_some_and(|own| {
                        own.str("namespace") == Some(word("namespace")) && own.str("key") == Some(word("key"))
                    })
                });
                found = list.len() != before;
            });
        });
        if found {
            store.touch(owner);
            deleted.push(Val::from(obj! {
                "ownerId": Val::Id(owner), "namespace": Val::text(word("namespace")), "key": Val::text(word("key")),
            }));
        } else {
            deleted.push(Val::Null);
        }
    }
    Errors::default().payload(obj! { "deletedMetafields": deleted })
}
