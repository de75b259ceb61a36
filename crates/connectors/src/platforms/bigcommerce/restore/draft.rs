//! A restore of one item, as it is drawn up for BigCommerce: its own fields, and its parts, each below the item's path.

use serde_json::{Map, Value};

use super::recipe::{Recipe, Shape, by_namespace_and_key};
use super::step::{Body, Path, Step};
use crate::compare::draft;
use crate::compare::field::{Field, Form, same};
use crate::compare::links;
use crate::compare::part::{self, Named, Part};
use crate::compare::place;
use crate::engine::http::Verb;

/// A restore of one item, being drawn up.
pub(super) type Draft<'a> = draft::Draft<'a, Step>;

/// A list of parts, each with a path of its own.
#[derive(Debug)]
pub(super) struct Below {
    /// Which list.
    pub(super) part: Part,
    /// Where its elements are made: `{}` stands for the item.
    pub(super) path: &'static str,
    /// What is written of them.
    pub(super) fields: &'static [Field],
    /// Whether a change names all fields.
    pub(super) whole: bool,
}

/// What is written of a metafield.
pub(super) static METAFIELD: &[Field] = &[
    same("permission_set", Form::Plain),
    same("namespace", Form::Plain),
    same("key", Form::Plain),
    same("value", Form::Text),
    same("description", Form::Text),
];

/// The steps that write an item's own fields.
pub(super) fn own_fields(draft: &mut Draft<'_>, recipe: &'static Recipe) {
    // What cannot be made has no fields of its own either.
    if recipe.fields.is_empty() {
        return;
    }
    let mut input = draft.fields(recipe.fields, "", draft.wanted, draft.live);
    if draft.is_birth() {
        let step = match recipe.create {
            Shape::Object => Step::birth(recipe.path, Body::Object(input)),
            Shape::List => Step::birth(recipe.path, Body::List(vec![Value::Object(input)])),
            Shape::Upsert => {
                Step { method: Verb::Put, ..Step::birth(recipe.path, Body::List(vec![Value::Object(input)])) }
            }
        };
        return draft.step(step);
    }
    if input.is_empty() {
        return;
    }
    if recipe.whole {
        input = all(recipe.fields, draft.wanted);
    }
    let what = "the item's own fields";
    match recipe.update {
        Shape::Object => {
            draft.step(Step::put(what, Path::one_of(recipe.path, &[draft.id]), Body::Object(input)));
        }
        Shape::List => {
            input.insert(recipe.id.to_owned(), draft.me());
            draft.step(Step::put(what, Path::new(recipe.path, &[]), Body::List(vec![Value::Object(input)])));
        }
        Shape::Upsert => {
            draft.step(Step::put(what, Path::new(recipe.path, &[]), Body::List(vec![Value::Object(input)])));
        }
    }
}

/// All that is written of a value.
pub(super) fn all(fields: &[Field], value: &Value) -> Map<String, Value> {
    let mut input = Map::new();
    for field in fields {
        let written = place::at(value, field.from)
            .map(|value| field.form.input(value))
            .filter(|value| !value.is_null());
        if let Some(written) = written {
            place::put(&mut input, field.to, written);
        }
    }
    input
}

/// The steps that write parts with paths of their own: what differs is set, what the backup does not know stays, unless
/// the state had it that is taken back.
pub(super) fn below(draft: &mut Draft<'_>, table: &'static Below) {
    let at = table.part.at;
    for gone in draft.surplus(&table.part) {
        let id = place::id_of(gone).unwrap_or_default();
        if draft.change(format!("/{at}/[{id}]"), gone, &Value::Null) {
            draft.step(Step::delete(words(at), Path::one_of(table.path, &[draft.id, id])));
        }
    }
    let (wanted, live) =
        (place::list(draft.wanted, at), draft.live.map_or(&[][..], |live| place::list(live, at)));
    let former = draft.former.map_or(&[][..], |former| place::list(former, at));
    for (wanted, live) in part::matched(wanted, live, table.part.key, &draft.links) {
        let id = place::id_of(wanted).unwrap_or_default();
        let path = format!("/{at}/[{id}]");
        let Some(live) = live else {
            if draft.is_birth() || draft.change(path, &Value::Null, wanted) {
                let body = Body::Object(all(table.fields, wanted));
                draft.step(Step::make(
                    at,
                    id,
                    Path::new(table.path, &[draft.id]),
                    body,
                    vec![wanted.clone()],
                ));
            }
            continue;
        };
        let was = part::matched(std::slice::from_ref(live), former, table.part.key, &draft.links);
        let former = was.first().and_then(|(_, former)| *former);
        let input = draft.part_fields(table.fields, &path, wanted, Some(live), former);
        if !input.is_empty() {
            let input = if table.whole { all(table.fields, wanted) } else { input };
            draft.step(Step::put(words(at), Path::one_of(table.path, &[draft.id, id]), Body::Object(input)));
        }
    }
}

/// Metafields of the item.
pub(super) fn metafields(draft: &mut Draft<'_>, path: &'static str) {
    let field = "metafields";
    let part = Part { at: field, key: Named(by_namespace_and_key), parts: &[] };
    for gone in draft.surplus(&part) {
        let id = place::id_of(gone).unwrap_or_default();
        if draft.change(format!("/{field}/[{id}]"), gone, &Value::Null) {
            draft.step(Step::delete(field, Path::one_of(path, &[draft.id, id])));
        }
    }
    let live = draft.live.map_or(&[][..], |live| place::list(live, field));
    for (wanted, live) in part::matched(place::list(draft.wanted, field), live, part.key, &draft.links) {
        metafield(draft, (field, path), &[draft.id], wanted, live);
    }
}

/// One metafield, of the item or of a part: `owner` are the ids in its path.
pub(super) fn metafield(
    draft: &mut Draft<'_>,
    (field, path): (&'static str, &'static str),
    owner: &[&str],
    wanted: &Value,
    live: Option<&Value>,
) {
    let id = place::id_of(wanted).unwrap_or_default();
    let at = format!("/{field}/[{id}]");
    match live {
        None => {
            if draft.is_birth() || draft.change(at, &Value::Null, wanted) {
                let body = Body::Object(all(METAFIELD, wanted));
                draft.step(Step::make(field, id, Path::new(path, owner), body, vec![wanted.clone()]));
            }
        }
        Some(live) => {
            let input = draft.part_fields(METAFIELD, &at, wanted, Some(live), None);
            if !input.is_empty() {
                let ids: Vec<&str> = owner.iter().copied().chain([id]).collect();
                draft.step(Step::put("metafields", Path::one_of(path, &ids), Body::Object(input)));
            }
        }
    }
}

/// The picture of an item, whose address stands at `image_url`. A picture has no content that could be compared: it is
/// set where it is made anew, or where there is none.
pub(super) fn picture(draft: &mut Draft<'_>, path: &'static str) {
    let url = |of: &Value| place::text(of, "image_url").map(str::to_owned);
    let Some(wanted) = url(draft.wanted) else { return };
    let live = draft.live.and_then(url);
    let is_new = match &live {
        None if draft.is_birth() => true,
        None => draft.change("/image_url".to_owned(), &Value::Null, &Value::from(wanted)),
        Some(_) => false,
    };
    if is_new {
        let (pointer, form) = ("/image_url".to_owned(), Map::new());
        let body = Body::File { pointer, field: "image_file", form };
        let step = Step::put("the picture", Path::new(path, &[draft.id]), body);
        draft.step(Step { method: Verb::Post, ..step });
    }
}

/// A list's name in words.
fn words(at: &str) -> String {
    at.replace(['/', '_'], " ")
}

/// A marker for an id that may be missing.
pub(super) fn id_at(value: &Value, at: &str) -> Option<Value> {
    place::text(value, at).map(links::id)
}
