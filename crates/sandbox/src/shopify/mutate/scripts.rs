//! Script tags.

use serde_json::{Map, Value as Json};

use super::{As, Call, Copy, Errors, Outcome, Row, copy, refuse};
use crate::shopify::store::Store;
use crate::shopify::value::{Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] =
    &[("scriptTagCreate", create), ("scriptTagUpdate", update), ("scriptTagDelete", delete)];

const FIELDS: &[Copy] =
    &[("src", "src", As::Same), ("displayScope", "displayScope", As::Word), ("cache", "cache", As::Same)];

fn apply(tag: &mut Obj, input: Option<&Map<String, Json>>, errors: &mut Errors) {
    if let Some(input) = input {
        copy(tag, input, FIELDS);
    }
    let src = tag.str("src").unwrap_or_default();
    if src.is_empty() {
        errors.add(&["input", "src"], "Src can't be blank", "BLANK");
    } else if !src.starts_with("https://") {
        errors.add(&["input", "src"], "Src must be secure", "INVALID");
    }
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (mut tag, mut errors) = (obj! { "displayScope": "ALL" }, Errors::default());
    apply(&mut tag, call.map("input"), &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::ScriptTag, tag);
    errors.payload(obj! { "scriptTag": gid })
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::ScriptTag, "id") else {
        return refuse(&["id"], "Script tag does not exist", "NOT_FOUND");
    };
    let mut tag = store.get(gid).map(|tag| Obj::clone(tag)).unwrap_or_default();
    let mut errors = Errors::default();
    apply(&mut tag, call.map("input"), &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = tag);
    errors.payload(obj! { "scriptTag": gid })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::ScriptTag, "id") else {
        return refuse(&["id"], "Script tag does not exist", "NOT_FOUND");
    };
    store.remove(gid);
    Errors::default().payload(obj! { "deletedScriptTagId": Val::Id(gid) })
}
