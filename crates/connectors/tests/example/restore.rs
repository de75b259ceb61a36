//! Putting a bookshop's items back: drawn up once, for the plan and for the request alike.

use connectors::compare::{Draft, Links};
use connectors::contract::{
    Applied, Fault, IdMap, Item, ItemWrite, KindSpec, Lookup, Prior, RestoreOptions, named, number_of,
};
use connectors::engine::Verb;
use serde_json::{Map, Value};

use super::platform::{Bookshop, way};

/// The one step that makes something, and so must not be taken twice.
const CREATE: &str = "create";

/// An id as the shop's inputs spell it.
fn spelled(id: &str, _: Option<&str>) -> Value {
    number_of(id).map_or_else(|| id.into(), Value::from)
}

fn id_of(item: &Value) -> Option<&str> {
    item.get("id").and_then(Value::as_str)
}

/// What became of ids, and that of `wanted` is now the one of `live`.
pub(crate) fn links<'a>(wanted: &Value, live: Option<&Value>, ids: &'a IdMap) -> Links<'a> {
    let mut links = Links::new(ids, spelled);
    if let Some((old, new)) = id_of(wanted).zip(live.and_then(id_of)) {
        links.note(old, new);
    }
    links
}

/// What would be sent: only what differs, or all of it where there is nothing yet. Pure.
pub(crate) fn drafted<'a>(
    kind: &KindSpec,
    wanted: &'a Value,
    live: Option<&'a Value>,
    former: Option<&'a Value>,
    ids: &'a IdMap,
    options: &'a RestoreOptions,
) -> Draft<'a, Map<String, Value>> {
    let id = id_of(wanted).unwrap_or_default();
    let mut draft = Draft::new(id, wanted, live, former, links(wanted, live, ids), options);
    if draft.is_birth() && !options.fields.is_empty() {
        draft.refusal = Some("It is gone: single fields of it cannot be set back.".to_owned());
        return draft;
    }
    let input = draft.fields(way(kind).fields, "", wanted, live);
    if draft.is_birth() || !input.is_empty() {
        draft.step(input);
    }
    draft
}

/// Does it. Whether an interrupted attempt had made the item is found out before it is made.
pub(crate) async fn apply(shop: &Bookshop, write: ItemWrite<'_>) -> Result<Applied, Fault> {
    let ItemWrite { kind, wanted, former, ids, options, journal, .. } = write;
    let mut live = write.live.cloned();
    if live.is_none() && (options.fields.is_empty()) {
        let made = match journal.intend(CREATE).await? {
            Prior::New => None,
            Prior::InDoubt => shop.look(kind, &Lookup::Natural(wanted)).await?,
            Prior::Done(ids) => {
                let now = ids.first().map_or(write.id, |(_, now)| now);
                let Some(made) = shop.look(kind, &Lookup::Id(now)).await? else {
                    let why =
                        "What this restore had made is not there any more: somebody took it away since.";
                    return Ok(Applied { ids, problems: vec![why.to_owned()], possibly_twice: false });
                };
                Some(made)
            }
        };
        live = made.map(|made| payload(kind, &made)).transpose()?;
    }
    let mut draft = drafted(kind, wanted, live.as_ref(), former, ids, options);
    if live.is_some() && journal.is_in_doubt(CREATE) {
        journal.done(CREATE, &draft.links.pairs()).await?;
    }
    let mut applied = Applied { problems: draft.refusal.take().into_iter().collect(), ..Applied::default() };
    if let Some(input) = draft.steps.pop() {
        let input = draft.links.fill(&Value::Object(input));
        let list = way(kind).list;
        let (verb, path) = match live.as_ref().and_then(id_of).and_then(number_of) {
            Some(number) => (Verb::Put, format!("{list}/{number}")),
            None => (Verb::Post, list.to_owned()),
        };
        let refused = match shop.ask(verb, &path, &[], Some(&input)).await {
            Ok((200 | 201, item)) => {
                draft.links = links(wanted, Some(&named(kind, item)), ids);
                None
            }
            Ok((status, why)) => Some(format!("The shop refused it with status {status}: {why}")),
            Err(Fault::Forbidden(why)) => Some(format!("The key may not write it: {why}")),
            Err(fault) => return Err(fault),
        };
        match (&refused, verb) {
            (None, Verb::Post) => journal.done(CREATE, &draft.links.pairs()).await?,
            (Some(_), Verb::Post) => journal.refused(CREATE).await?,
            _ => {}
        }
        applied.problems.extend(refused);
    }
    applied.ids = draft.links.pairs();
    Ok(applied)
}

fn payload(kind: &KindSpec, item: &Item) -> Result<Value, Fault> {
    let payload =
        serde_json::from_slice(&item.payload).map_err(|error| Fault::Malformed(error.to_string()))?;
    Ok(named(kind, payload))
}

/// Deletes an item. One that is gone already is fine.
pub(crate) async fn delete(shop: &Bookshop, kind: &KindSpec, id: &str) -> Result<(), Fault> {
    let number = number_of(id).unwrap_or_default();
    match shop.ask(Verb::Delete, &format!("{}/{number}", way(kind).list), &[], None).await? {
        (200 | 404, _) => Ok(()),
        (status, why) => Err(Fault::Rejected(format!("`{id}` was not deleted: status {status}, {why}"))),
    }
}
