//! Mutations: what they are given, what they change, how they refuse.
//!
//! A row per mutation: its name and its function. A function gets the arguments as JSON, changes the state, and
//! answers a payload whose fields may point to objects of the state. A refusal is a user error in the payload; only
//! what the platform treats as a failed request is an error of the field.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::node::FieldError;
use super::running::Shop;
use super::store::Store;
use super::value::{Gid, Kind, Obj, Val, obj, parse_decimal, parse_time};
use super::viewer::Viewer;

pub(crate) mod bulk;
pub(crate) mod collections;
mod content;
mod customers;
pub(crate) mod definitions;
pub(crate) mod discounts;
mod drafts;
pub(crate) mod markets;
pub(crate) mod media;
pub(crate) mod metafields;
mod metaobjects;
pub(crate) mod options;
pub(crate) mod orders;
pub(crate) mod pricing;
pub(crate) mod products;
pub(crate) mod publishing;
mod refs;
mod scripts;
mod segments;
pub(crate) mod standard;
mod stock;
pub(crate) mod translations;
pub(crate) mod variants;

/// One call of a mutation.
pub(crate) struct Call<'a> {
    pub(crate) args: &'a Map<String, Json>,
    pub(crate) shop: &'a Arc<Shop>,
    pub(crate) viewer: &'a Viewer,
    pub(crate) idempotency_key: Option<&'a str>,
}

type Outcome = Result<Obj, FieldError>;
type Run = fn(&mut Store, &Call<'_>) -> Outcome;
type Row = (&'static str, Run);

const TABLES: &[&[Row]] = &[
    products::ROWS,
    variants::ROWS,
    options::ROWS,
    metafields::ROWS,
    media::ROWS,
    publishing::ROWS,
    collections::ROWS,
    bulk::ROWS,
    definitions::ROWS,
    stock::ROWS,
    content::ROWS,
    customers::ROWS,
    orders::ROWS,
    drafts::ROWS,
    metaobjects::ROWS,
    standard::ROWS,
    discounts::ROWS,
    segments::ROWS,
    scripts::ROWS,
    markets::ROWS,
    pricing::ROWS,
    translations::ROWS,
];

/// Mutations that are refused without an `@idempotent` key.
const IDEMPOTENT: &[&str] = &[
    "inventoryActivate",
    "inventoryAdjustQuantities",
    "inventorySetQuantities",
    "locationActivate",
    "locationDeactivate",
    "refundCreate",
];

/// Those among them that say so when an earlier attempt with the same key had failed.
const TELLS_OF_FAILURE: &[&str] = &["inventoryAdjustQuantities", "inventorySetQuantities"];
/// How long a key is remembered.
const KEY_TTL: Duration = Duration::from_secs(24 * 3600);
/// How many keys are remembered.
const KEYS_MAX: usize = 10_000;

/// Runs one mutation.
pub(crate) fn run(store: &mut Store, name: &str, call: &Call<'_>) -> Outcome {
    let run = TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find(|(known, _)| *known == name)
        .map(|(_, run)| *run)
        .ok_or_else(|| FieldError::new(format!("{name} is not part of the practice store")))?;
    let key = match call.idempotency_key.map(str::trim) {
        Some("") => {
            return Err(FieldError {
                code: Some("BAD_REQUEST"),
                ..FieldError::new("The idempotency key cannot be empty.")
            });
        }
        None if IDEMPOTENT.contains(&name) => {
            let message = "The @idempotent directive is required for this mutation but was not provided.";
            return Err(FieldError { code: Some("BAD_REQUEST"), ..FieldError::new(message) });
        }
        key => key.filter(|_| IDEMPOTENT.contains(&name)).map(|key| format!("{name}/{key}")),
    };
    let Some(key) = key else { return run(store, call) };
    let now = store.monotonic;
    let asked = crate::secret::sha256_hex(Json::Object(call.args.clone()).to_string().as_bytes());
    store.idempotent.retain(|_, kept| now < kept.until);
    if let Some(kept) = store.idempotent.get(&key) {
        if kept.asked != asked {
            let message = "The same idempotency key cannot be used with different operation parameters.";
            return refuse_as(name, message, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
        }
        if kept.failed && TELLS_OF_FAILURE.contains(&name) {
            let message =
                "A previous request with this idempotency key failed. Retry with a new idempotency key.";
            return refuse_as(name, message, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED");
        }
        return Ok(kept.payload.clone());
    }
    let payload = run(store, call)?;
    let failed = !payload.list(error_list(name)).is_empty();
    if store.idempotent.len() >= KEYS_MAX {
        let oldest = store.idempotent.iter().min_by_key(|(_, kept)| kept.until).map(|(key, _)| key.clone());
        oldest.and_then(|key| store.idempotent.remove(&key));
    }
    store.idempotent.insert(key, Kept { asked, payload: payload.clone(), failed, until: now + KEY_TTL });
    Ok(payload)
}

/// What an `@idempotent` key stands for.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Digest of the arguments.
    asked: String,
    payload: Obj,
    failed: bool,
    /// When the key is forgotten.
    until: Duration,
}

/// Under which name a mutation answers its user errors.
fn error_list(name: &str) -> &'static str {
    match name {
        "locationActivate" => "locationActivateUserErrors",
        "locationDeactivate" => "locationDeactivateUserErrors",
        _ => "userErrors",
    }
}

fn refuse_as(name: &str, message: &str, code: &'static str) -> Outcome {
    let mut payload = Obj::default();
    let error = obj! { "field": Val::Null, "message": Val::text(message), "code": code };
    payload.set(error_list(name), vec![Val::from(error)]);
    Ok(payload)
}

impl<'a> Call<'a> {
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.args.get(name).and_then(Json::as_str)
    }

    pub(crate) fn map(&self, name: &str) -> Option<&'a Map<String, Json>> {
        self.args.get(name).and_then(Json::as_object)
    }

    pub(crate) fn list(&self, name: &str) -> &'a [Json] {
        self.args.get(name).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The object of that kind that an argument names.
    pub(crate) fn gid(&self, store: &Store, kind: Kind, name: &str) -> Option<Gid> {
        store.find(kind, self.text(name)?)
    }
}

/// User errors on their way into a payload.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<Val>);

impl Errors {
    /// Adds one. `field` is the path to the input that is wrong; none is shown as null.
    pub(crate) fn add(&mut self, field: &[&str], message: impl AsRef<str>, code: &'static str) {
        let field = (!field.is_empty()).then(|| Val::texts(field));
        self.0.push(Val::from(obj! { "field": field, "message": Val::text(message), "code": code }));
    }

    pub(crate) fn none(&self) -> bool {
        self.0.is_empty()
    }

    /// The payload: with the errors, and with what was done when there are none.
    pub(crate) fn payload(self, done: Obj) -> Outcome {
        let mut payload = if self.none() { done } else { Obj::default() };
        payload.set("userErrors", self.0);
        Ok(payload)
    }

    /// The payload, with what was done kept beside the errors.
    pub(crate) fn beside(self, done: Obj) -> Outcome {
        Ok(done.with("userErrors", self.0))
    }
}

/// A payload with one user error.
pub(crate) fn refuse(field: &[&str], message: impl AsRef<str>, code: &'static str) -> Outcome {
    let mut errors = Errors::default();
    errors.add(field, message, code);
    errors.payload(Obj::default())
}

/// How an input becomes a value of the state.
#[derive(Debug, Clone, Copy)]
pub(crate) enum As {
    /// Text, flag, number or list as it comes.
    Same,
    /// A word of an enum.
    Word,
    Money,
    Time,
    /// An id that points to an object.
    Ref,
    Refs,
    /// Trimmed, without repeats, in alphabetical order.
    Tags,
}

/// Input field, field of the state, conversion.
pub(crate) type Copy = (&'static str, &'static str, As);

/// One input value for the state; `Null` when it cannot be read.
pub(crate) fn convert(value: &Json, how: As) -> Val {
    match how {
        As::Same => Val::from_json(value),
        As::Word => value.as_str().and_then(super::schema::intern).map_or(Val::Null, Val::Lit),
        As::Money => parse_decimal(value).map_or(Val::Null, Val::Cents),
        As::Time => value.as_str().and_then(parse_time).map_or(Val::Null, Val::Time),
        As::Ref => value.as_str().and_then(Gid::parse).map_or(Val::Null, Val::Ref),
        As::Refs => {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            Val::List(list.iter().filter_map(|id| id.as_str().and_then(Gid::parse)).map(Val::Ref).collect())
        }
        As::Tags => {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let mut tags: Vec<&str> = list
                .iter()
                .filter_map(Json::as_str)
                .flat_map(|tags| tags.split(','))
                .map(str::trim)
                .collect();
            tags.retain(|tag| !tag.is_empty());
            tags.sort_by_key(|tag| tag.to_lowercase());
            tags.dedup_by_key(|tag| tag.to_lowercase());
            Val::texts(tags)
        }
    }
}

/// Copies what the input has; what it leaves out stays, and null removes.
pub(crate) fn copy(obj: &mut Obj, input: &Map<String, Json>, rows: &[Copy]) {
    for (from, to, how) in rows {
        if let Some(value) = input.get(*from) {
            obj.set(to, if value.is_null() { Val::Null } else { convert(value, *how) });
        }
    }
}

/// A text of an input.
pub(crate) fn text<'j>(input: &'j Map<String, Json>, name: &str) -> Option<&'j str> {
    input.get(name).and_then(Json::as_str)
}

/// A list of an input, when it is given.
pub(crate) fn list<'j>(input: &'j Map<String, Json>, name: &str) -> Option<&'j [Json]> {
    input.get(name).and_then(Json::as_array).map(Vec::as_slice)
}

/// Settles the handle of an object: the given one must be free, a missing one is made from the title.
pub(crate) fn settle_handle(
    store: &Store,
    kind: Kind,
    prefix: &str,
    own: Option<Gid>,
    wanted: Option<&str>,
    title: &str,
) -> Result<String, String> {
    match wanted.filter(|handle| !handle.is_empty()) {
        None => Ok(store.free_handle(kind, prefix, title)),
        Some(handle) => {
            let handle = super::store::handleize(handle);
            match store.by_key(kind, &format!("{prefix}{handle}")) {
                Some(other) if Some(other) != own => {
                    Err(format!("Handle '{handle}' is already in use. Please provide a new handle."))
                }
                _ => Ok(handle),
            }
        }
    }
}

/// Takes the positions of a list anew after moves of single items, as the platform's `MoveInput` says.
pub(crate) fn apply_moves<T: PartialEq + Clone>(list: &mut Vec<T>, moves: &[(T, usize)]) {
    for (item, position) in moves {
        if let Some(at) = list.iter().position(|known| known == item) {
            let item = list.remove(at);
            list.insert((*position).min(list.len()), item);
        }
    }
}

/// The moves of an input: ids and new positions.
pub(crate) fn moves(input: &[Json]) -> Vec<(Gid, usize)> {
    input
        .iter()
        .filter_map(|one| {
            let gid = Gid::parse(one.get("id")?.as_str()?)?;
            let position = one.get("newPosition").or_else(|| one.get("position"))?;
            let position = position.as_u64().or_else(|| position.as_str()?.parse().ok())?;
            Some((gid, usize::try_from(position).ok()?))
        })
        .collect()
}
