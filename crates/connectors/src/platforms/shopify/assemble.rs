//! Joins the lines of an item, and works out what is kept beside its payload.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use domain::{Gap, GapReason, SubjectId, Timestamp};
use serde_json::{Map, Value};

use super::client::HIDDEN;
use super::documents::{self, KindDocuments};
use super::fold::settle;
use super::kinds::KINDS;
use crate::canonical::{Rules, select};
use crate::contract::{Fault, Item, KindSpec, Line, MediaSource};

/// The part that holds what bulk operations cannot read; it replaces the fields that it names.
pub(crate) const DETAILS: &str = "~details";

static RULES: LazyLock<HashMap<&'static str, Rules>> = LazyLock::new(|| {
    KINDS.iter().map(|kind| (kind.name, Rules::new(kind.volatile, kind.unordered))).collect()
});

/// Joins the lines of one item, ordered by part.
pub(crate) fn assemble(kind: &'static KindSpec, id: &str, lines: &[Line]) -> Result<Item, Fault> {
    let set = documents::of(kind.name).ok_or_else(|| malformed(kind, id, "the kind is not known"))?;
    let mut own = None;
    let mut parts = Vec::new();
    for line in lines {
        let value: Value = serde_json::from_slice(&line.bytes)
            .map_err(|error| malformed(kind, id, &format!("a line is not JSON: {error}")))?;
        if line.part.is_empty() {
            own = Some(value);
        } else {
            parts.push((line.part.as_ref(), value));
        }
    }
    let Some(Value::Object(mut fields)) = own else {
        return Err(malformed(kind, id, "its parts came without the item itself"));
    };
    join(kind, id, set, &mut fields, parts)?;
    item(kind, id, set, Value::Object(fields))
}

/// An item from a node whose connections are folded.
pub(crate) fn from_node(kind: &'static KindSpec, node: Value) -> Result<Item, Fault> {
    let set = documents::of(kind.name).ok_or_else(|| malformed(kind, "", "the kind is not known"))?;
    let id = item_id(kind, &node).ok_or_else(|| malformed(kind, "", "it has no id"))?;
    item(kind, &id, set, node)
}

/// The id of an item: that of the platform, or what stands for it where there is none.
pub(crate) fn item_id(kind: &KindSpec, node: &Value) -> Option<String> {
    let pointer = if kind.name == "locale" { "/locale" } else { "/id" };
    node.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn malformed(kind: &KindSpec, id: &str, why: &str) -> Fault {
    Fault::Malformed(format!("{} {id}: {why}", kind.name))
}

/// Puts children at their places. An item that was read whole has its children already, and these count.
fn join(
    kind: &KindSpec,
    id: &str,
    set: &KindDocuments,
    fields: &mut Map<String, Value>,
    parts: Vec<(&str, Value)>,
) -> Result<(), Fault> {
    let whole: Vec<String> =
        fields.iter().filter(|(_, value)| value.is_array()).map(|(key, _)| key.clone()).collect();
    let mut nested: HashMap<String, BTreeMap<String, Vec<Value>>> = HashMap::new();
    let mut direct: Vec<(String, Value)> = Vec::new();
    for (part, value) in parts {
        if part == DETAILS {
            let known = set.details.iter().flat_map(|details| &details.fields);
            for key in known {
                if let Some(list) = value.get(key) {
                    fields.insert(key.clone(), list.clone());
                }
            }
            if let Some(Value::Array(hidden)) = value.get(HIDDEN)
                && let Value::Array(list) = fields.entry(HIDDEN).or_insert_with(|| Value::Array(Vec::new()))
            {
                list.extend(hidden.iter().cloned());
            }
            continue;
        }
        let path = part.split('/').next().unwrap_or_default();
        let mut steps = path.splitn(2, '.');
        let (Some(first), second) = (steps.next(), steps.next()) else { continue };
        if whole.iter().any(|key| key == first) {
            continue;
        }
        match second {
            None => direct.push((first.to_owned(), value)),
            Some(second) => {
                let owner = value.get("__parentId").and_then(Value::as_str);
                let owner = owner.ok_or_else(|| malformed(kind, id, "a part names no owner"))?.to_owned();
                nested.entry(owner).or_default().entry(second.to_owned()).or_default().push(value);
            }
        }
    }
    for (field, mut value) in direct {
        let owner = value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(own) = value.as_object_mut() {
            for (key, children) in nested.remove(&owner).unwrap_or_default() {
                own.insert(key, Value::Array(children));
            }
        }
        if let Value::Array(list) = fields.entry(field).or_insert_with(|| Value::Array(Vec::new())) {
            list.push(value);
        }
    }
    // A child's child whose parent is gone was removed between two readings; the next run settles it.
    Ok(())
}

fn item(kind: &'static KindSpec, id: &str, set: &KindDocuments, mut value: Value) -> Result<Item, Fault> {
    let mut hidden = BTreeSet::new();
    find_hidden(&value, "", &mut hidden);
    settle(&set.selection.entries, &mut value, set.reading.children);
    let payload = serde_json::to_vec(&value).map_err(|error| malformed(kind, id, &error.to_string()))?;
    let canonical = RULES.get(kind.name).map(|rules| rules.canonical(&value)).unwrap_or_default();
    Ok(Item {
        id: id.into(),
        payload,
        canonical,
        source_updated_at: updated_at(&value),
        subjects: subjects(kind, id, &value),
        media: media(set, &value),
        summary: kind
            .summary
            .iter()
            .map(|column| value.pointer(column.pointer).cloned().unwrap_or(Value::Null))
            .collect(),
        gaps: redacted(set, &value, hidden),
    })
}

fn updated_at(value: &Value) -> Option<Timestamp> {
    let text = value.pointer("/updatedAt").or_else(|| value.pointer("/discount/updatedAt"));
    text.and_then(Value::as_str).and_then(|text| text.parse().ok())
}

fn subjects(kind: &KindSpec, id: &str, value: &Value) -> Vec<SubjectId> {
    let Some(rule) = kind.subject else { return Vec::new() };
    let found = rule
        .pointers
        .iter()
        .flat_map(|pointer| select(value, pointer))
        .find_map(|value| value.as_str().filter(|text| !text.is_empty()));
    let subject = match found {
        Some(person) => format!("{}/{person}", rule.kind),
        None => format!("{}/{id}", kind.name),
    };
    vec![SubjectId(subject.into())]
}

fn media(set: &KindDocuments, value: &Value) -> Vec<MediaSource> {
    let source = |pointer: &&'static str| {
        let url = value.pointer(pointer)?.as_str()?;
        let media_type = value.get("mimeType").and_then(Value::as_str).map(str::to_owned);
        Some(MediaSource { pointer: (*pointer).to_owned(), url: url.to_owned(), media_type })
    };
    // The first that holds an address is the thing itself; the others are other sizes of it.
    set.reading.media.iter().find_map(source).into_iter().collect()
}

/// What the answers said to be hidden, anywhere in an item: pointers, with `*` for every element of a list.
fn find_hidden(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(elements) => {
            elements.iter().for_each(|element| find_hidden(element, &format!("{at}/*"), found));
        }
        Value::Object(fields) => {
            let own = fields.get(HIDDEN).and_then(Value::as_array).into_iter().flatten();
            found.extend(own.filter_map(Value::as_str).map(|hidden| format!("{at}{hidden}")));
            let below = fields.iter().filter(|(key, _)| *key != HIDDEN);
            below.for_each(|(key, value)| find_hidden(value, &format!("{at}/{key}"), found));
        }
        _ => {}
    }
}

/// What the platform hides. It says so ([`HIDDEN`]); where it does not, all fields of personal data are null, and a
/// person has at least one.
fn redacted(set: &KindDocuments, value: &Value, hidden: BTreeSet<String>) -> Vec<Gap> {
    let gap = |what: String| {
        Gap {
        what,
        reason: GapReason::Redacted,
        detail: "Shopify hides personal data from this app: ask for access to protected customer data in the app's settings".to_owned(),
    }
    };
    if !hidden.is_empty() {
        return hidden.into_iter().map(gap).collect();
    }
    let personal = set.reading.personal;
    let anonymous = personal.is_empty() || value.get("customer").is_some_and(Value::is_null);
    let absent = |pointer: &&str| value.pointer(pointer).is_none_or(Value::is_null);
    if anonymous || !personal.iter().all(absent) {
        return Vec::new();
    }
    personal.iter().map(|pointer| gap((*pointer).to_owned())).collect()
}
