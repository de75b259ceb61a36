//! Joins the lines of an item, and works out what is kept beside its payload.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use domain::{Gap, GapReason, SubjectId, Timestamp};
use serde_json::Value;

use super::client::HIDDEN;
use super::documents::{self, KindDocuments};
use super::kinds::KINDS;
use super::settle::settle;
use crate::canonical::Rules;
use crate::contract::{Fault, Item, KindSpec, Line, MediaSource};
use crate::tree::{Fields, Tree, Walk as _, select};

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
        let value = Tree::read(&line.bytes)
            .map_err(|error| malformed(kind, id, &format!("a line is not JSON: {error}")))?;
        if line.part.is_empty() {
            own = Some(value);
        } else {
            parts.push((line.part.as_ref(), value));
        }
    }
    let Some(Tree::Object(mut fields)) = own else {
        return Err(malformed(kind, id, "its parts came without the item itself"));
    };
    join(kind, id, set, &mut fields, parts)?;
    item(kind, id, set, Tree::Object(fields))
}

/// An item from a node whose connections are folded.
pub(crate) fn from_node(kind: &'static KindSpec, node: &Value) -> Result<Item, Fault> {
    let set = documents::of(kind.name).ok_or_else(|| malformed(kind, "", "the kind is not known"))?;
    let id = item_id(kind, node).ok_or_else(|| malformed(kind, "", "it has no id"))?;
    item(kind, &id, set, Tree::from(node))
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
fn join<'a>(
    kind: &KindSpec,
    id: &str,
    set: &KindDocuments,
    fields: &mut Fields<'a>,
    parts: Vec<(&'a str, Tree<'a>)>,
) -> Result<(), Fault> {
    let lists = fields.iter().filter(|(_, value)| value.elements().is_some());
    let whole: Vec<String> = lists.map(|(name, _)| name.to_owned()).collect();
    let mut nested: HashMap<Cow<'a, str>, BTreeMap<&'a str, Vec<Tree<'a>>>> = HashMap::new();
    let mut direct: Vec<(&'a str, Tree<'a>)> = Vec::new();
    for (part, value) in parts {
        if part == DETAILS {
            let known = set.details.iter().flat_map(|details| &details.fields);
            for key in known {
                if let Some(list) = value.field(key) {
                    fields.insert(key.clone().into(), list.clone());
                }
            }
            if let Some(hidden) = value.field(HIDDEN).and_then(Tree::elements)
                && let Some(list) = fields.list(HIDDEN.into())
            {
                list.extend_from_slice(hidden);
            }
            continue;
        }
        let path = part.split('/').next().unwrap_or_default();
        let (first, second) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        if whole.iter().any(|key| key == first) {
            continue;
        }
        match second {
            None => direct.push((first, value)),
            Some(second) => {
                let owner = value.field("__parentId").and_then(Tree::text);
                let owner = owner.ok_or_else(|| malformed(kind, id, "a part names no owner"))?.clone();
                nested.entry(owner).or_default().entry(second).or_default().push(value);
            }
        }
    }
    for (field, mut value) in direct {
        let children = value.field("id").and_then(Tree::as_str).and_then(|owner| nested.remove(owner));
        if let Tree::Object(own) = &mut value {
            for (key, children) in children.unwrap_or_default() {
                own.insert(key.into(), Tree::List(children));
            }
        }
        if let Some(list) = fields.list(field.into()) {
            list.push(value);
        }
    }
    // A child's child whose parent is gone was removed between two readings; the next run settles it.
    Ok(())
}

fn item(kind: &'static KindSpec, id: &str, set: &KindDocuments, mut tree: Tree<'_>) -> Result<Item, Fault> {
    let mut hidden = BTreeSet::new();
    find_hidden(&tree, &mut Vec::new(), &mut hidden);
    settle(&set.selection.entries, &mut tree, set.reading.children);
    let payload = serde_json::to_vec(&tree).map_err(|error| malformed(kind, id, &error.to_string()))?;
    let canonical = RULES.get(kind.name).map(|rules| rules.canonical(&tree)).unwrap_or_default();
    let column = |pointer| tree.pointer(pointer).map_or(Value::Null, Tree::to_value);
    Ok(Item {
        id: id.into(),
        payload,
        canonical,
        source_updated_at: updated_at(&tree),
        subjects: subjects(kind, id, &tree),
        media: media(set, &tree),
        summary: kind.summary.iter().map(|summary| column(summary.pointer)).collect(),
        gaps: redacted(set, &tree, hidden),
    })
}

fn updated_at(value: &Tree<'_>) -> Option<Timestamp> {
    let at = ["/updatedAt", "/discount/updatedAt", "/lastEditDate"];
    let text = at.iter().find_map(|pointer| value.pointer(pointer));
    text.and_then(Tree::as_str).and_then(|text| text.parse().ok())
}

fn subjects(kind: &KindSpec, id: &str, value: &Tree<'_>) -> Vec<SubjectId> {
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

fn media(set: &KindDocuments, value: &Tree<'_>) -> Vec<MediaSource> {
    let source = |pointer: &&'static str| {
        let url = value.pointer(pointer)?.as_str()?;
        let media_type = value.field("mimeType").and_then(Tree::as_str).map(str::to_owned);
        Some(MediaSource { pointer: (*pointer).to_owned(), url: url.to_owned(), media_type })
    };
    // The first that holds an address is the thing itself; the others are other sizes of it.
    set.reading.media.iter().find_map(source).into_iter().collect()
}

/// What the answers said to be hidden, anywhere in an item: pointers, with `*` for every element of a list. `at` are the
/// steps to the value at hand.
fn find_hidden<'t>(value: &'t Tree<'_>, at: &mut Vec<&'t str>, found: &mut BTreeSet<String>) {
    match value {
        Tree::List(elements) => {
            at.push("*");
            elements.iter().for_each(|element| find_hidden(element, at, found));
            at.pop();
        }
        Tree::Object(fields) => {
            for (name, value) in fields.iter() {
                if name == HIDDEN {
                    let own = value.elements().into_iter().flatten().filter_map(Tree::as_str);
                    let above: String = at.iter().flat_map(|step| ["/", step]).collect();
                    found.extend(own.map(|hidden| format!("{above}{hidden}")));
                    continue;
                }
                at.push(name);
                find_hidden(value, at, found);
                at.pop();
            }
        }
        _ => {}
    }
}

/// What the platform hides. It says so ([`HIDDEN`]); where it does not, all fields of personal data are null, and a
/// person has at least one.
fn redacted(set: &KindDocuments, value: &Tree<'_>, hidden: BTreeSet<String>) -> Vec<Gap> {
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
    let anonymous = personal.is_empty() || value.field("customer").is_some_and(Tree::is_null);
    let absent = |pointer: &&str| value.pointer(pointer).is_none_or(Tree::is_null);
    if anonymous || !personal.iter().all(absent) {
        return Vec::new();
    }
    personal.iter().map(|pointer| gap((*pointer).to_owned())).collect()
}
