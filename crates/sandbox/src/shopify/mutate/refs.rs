//! References in an input to objects that must exist. They are checked before anything is written: an input that
//! names what is not there changes nothing.

use serde_json::{Map, Value as Json};

use super::Errors;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind};

/// Where ids stand in an input: the key of the object around them (empty for any), their own key, and what they name.
pub(super) type Place = (&'static str, &'static str, &'static [Kind]);

/// The objects of these kinds that the ids name. An id that names none is an error.
pub(super) fn refs(
    store: &Store,
    kinds: &[Kind],
    ids: &[Json],
    path: &[&str],
    code: &'static str,
    errors: &mut Errors,
) -> Vec<Gid> {
    let mut found = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        match id.as_str().and_then(|id| kinds.iter().find_map(|kind| store.find(*kind, id))) {
            Some(gid) => found.push(gid),
            None => {
                let kind = kinds.first().map_or("Object", |kind| kind.name());
                errors.add(
                    &[path, &[index.to_string().as_str()]].concat(),
                    format!("{kind} does not exist"),
                    code,
                );
            }
        }
    }
    found
}

/// Checks the ids at these places, wherever they stand in the input.
pub(super) fn places(
    store: &Store,
    rows: &[Place],
    input: &Map<String, Json>,
    path: &[&str],
    code: &'static str,
    errors: &mut Errors,
) {
    let around = path.iter().rev().find(|step| step.parse::<usize>().is_err()).copied().unwrap_or_default();
    // Values of metafields have rules of their own.
    for (key, value) in input.iter().filter(|(key, value)| *key != "metafields" && !value.is_null()) {
        let here = [path, &[key.as_str()]].concat();
        let row = rows.iter().find(|(parent, own, _)| own == key && (parent.is_empty() || *parent == around));
        match (row, value) {
            (Some((_, _, kinds)), Json::Array(ids)) => drop(refs(store, kinds, ids, &here, code, errors)),
            (Some((_, _, kinds)), Json::String(id))
                if kinds.iter().all(|kind| store.find(*kind, id).is_none()) =>
            {
                let kind = kinds.first().map_or("Object", |kind| kind.name());
                errors.add(&here, format!("{kind} does not exist"), code);
            }
            (_, Json::Object(below)) => places(store, rows, below, &here, code, errors),
            (_, Json::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    if let Json::Object(below) = item {
                        places(
                            store,
                            rows,
                            below,
                            &[here.as_slice(), &[&index.to_string()]].concat(),
                            code,
                            errors,
                        );
                    }
                }
            }
            _ => {}
        }
    }
}
