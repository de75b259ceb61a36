//! Where an item is published: put back as it was, or restored goods would be invisible.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::links::{self, Links};
use super::part::{Named, Part};
use super::place;
use super::step::{Call, variables};

static PUBLISH: Call =
    Call::new("publishablePublish", include_str!("../documents/write/publishablePublish.graphql"), 10)
        .of_many("input");
static UNPUBLISH: Call =
    Call::new("publishableUnpublish", include_str!("../documents/write/publishableUnpublish.graphql"), 10)
        .of_many("input");

/// Where an item is published, known by the publication.
static PUBLICATION: Part = Part { at: "resourcePublicationsV2", key: Named(by_publication), parts: &[] };

fn by_publication(entry: &Value, _: usize) -> Option<String> {
    place::text(entry, "publication/id").map(str::to_owned)
}

/// Publishes the item where the backup says. Where else it was published since it stays, unless the state published it
/// there that is taken back.
pub(super) fn publications(draft: &mut Draft<'_>) {
    let Some(Value::Array(_)) = draft.wanted.get("resourcePublicationsV2") else { return };
    let wanted: BTreeMap<String, &Value> = place::list(draft.wanted, "resourcePublicationsV2")
        .iter()
        .filter_map(|entry| Some((draft.links.now(place::text(entry, "publication/id")?).to_owned(), entry)))
        .collect();
    let live: BTreeMap<String, &Value> = draft
        .live
        .map_or(&[][..], |live| place::list(live, "resourcePublicationsV2"))
        .iter()
        .filter_map(|entry| Some((place::text(entry, "publication/id")?.to_owned(), entry)))
        .collect();
    let mut publish = Vec::new();
    for (publication, entry) in &wanted {
        let current = live.get(publication);
        if current.is_some_and(|current| state(current) == state(entry)) {
            continue;
        }
        let from = current.map_or(Value::Null, |current| (*current).clone());
        if draft.is_birth() || draft.change(format!("/resourcePublicationsV2/[{publication}]"), &from, entry)
        {
            publish.push(input(entry));
        }
    }
    let surplus = draft.surplus(&PUBLICATION);
    let mut unpublish = Vec::new();
    for (publication, entry) in live.iter().filter(|(publication, _)| !wanted.contains_key(*publication)) {
        let path = format!("/resourcePublicationsV2/[{publication}]");
        if !surplus.contains(entry) {
            draft.losses.push(format!("It was published since in `{publication}`; that stays."));
        } else if draft.change(path, entry, &Value::Null) {
            unpublish.push(json!({"publicationId": publication}));
        }
    }
    let me = draft.me();
    if !publish.is_empty() {
        draft.call(&PUBLISH, "publishing", variables([("id", me.clone()), ("input", Value::Array(publish))]));
    }
    if !unpublish.is_empty() {
        draft.call(&UNPUBLISH, "withdrawing", variables([("id", me), ("input", Value::Array(unpublish))]));
    }
}

/// Whether the backup knows where the item was published: then a new one must not be anywhere else.
pub(super) fn known(wanted: &Value) -> Value {
    Value::Bool(wanted.get("resourcePublicationsV2").is_some_and(Value::is_array))
}

/// The call that withdraws a new item from where the shop published it by itself.
pub(super) fn withdrawal(
    wanted: &Value,
    made: &Value,
    me: &str,
    links: &Links<'_>,
) -> Option<(&'static Call, Map<String, Value>)> {
    let at = |entry: &Value| place::text(entry, "publication/id").map(str::to_owned);
    let places: Vec<String> = place::list(wanted, "resourcePublicationsV2")
        .iter()
        .filter_map(|entry| Some(links.now(&at(entry)?).to_owned()))
        .collect();
    let surplus: Vec<Value> = place::list(made, "resourcePublicationsV2")
        .iter()
        .filter_map(|entry| at(entry).filter(|publication| !places.contains(publication)))
        .map(|publication| json!({"publicationId": publication}))
        .collect();
    let input = variables([("id", links::id(me)), ("input", Value::Array(surplus.clone()))]);
    (!surplus.is_empty()).then_some((&UNPUBLISH, input))
}

/// What counts: published or not, and for when it is scheduled if it is not.
fn state(entry: &Value) -> (bool, Option<&str>) {
    let published = entry.get("isPublished").and_then(Value::as_bool).unwrap_or_default();
    (published, place::text(entry, "publishDate").filter(|_| !published))
}

fn input(entry: &Value) -> Value {
    let publication = place::at(entry, "publication/id").map_or(Value::Null, links::id_or_null);
    match state(entry) {
        (false, Some(date)) => json!({"publicationId": publication, "publishDate": date}),
        _ => json!({"publicationId": publication}),
    }
}
