//! The table of what the store holds: one line per collection, and the few routes that are no collection.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value as Json;

use super::answer::{Answer, Refusal};
use super::call::{Call, Query};
use super::facts::{Fact, facts};
use super::families;
use super::store::{Key, Obj, Row, Store};

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dates {
    /// The kind has none.
    None,
    /// See [`super::time::offset`].
    Offset,
    /// See [`super::time::zulu`].
    Zulu,
    /// See [`super::time::mail`].
    Mail,
}

/// Where new ids come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    /// The next number of the kind.
    Number,
    Uuid,
}

/// What is about to be written.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What the request gives. A rule may change it.
    pub(crate) fields: Obj,
    /// What it belongs to.
    pub(crate) parent: Option<Key>,
    /// What is there already, when it is to be changed.
    pub(crate) old: Option<(Key, Row)>,
    /// What is kept and not shown.
    pub(crate) hidden: Obj,
}

impl Draft {
    /// The value that will be there afterwards.
    pub(crate) fn value(&self, name: &str) -> &Json {
        let old = || self.old.as_ref().and_then(|(_, row)| row.fields.get(name));
        self.fields.get(name).or_else(old).unwrap_or(&Json::Null)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.value(name).as_str().unwrap_or_default()
    }

    pub(crate) fn is_new(&self) -> bool {
        self.old.is_none()
    }
}

/// A rule of one kind, asked before anything is written.
pub(crate) type Rule = fn(&mut Call<'_>, &mut Draft) -> Result<(), Refusal>;
/// What else happens when a thing was written. The flag says whether it is new.
pub(crate) type Written = fn(&mut Call<'_>, &'static Resource, &Key, &Obj, bool) -> Result<(), Refusal>;
/// Whether a request may delete a thing.
pub(crate) type Removable = fn(&Call<'_>, &Key, &Row) -> Result<(), Refusal>;
/// What else goes when a thing goes.
pub(crate) type Gone = fn(&mut Store, &Key, &Row);
/// What an answer shows beside the fields that are kept.
pub(crate) type View = fn(&Store, &Key, &Row, &mut Obj, &Query);
/// Whether a filter that is no plain field takes a row; nothing for filters that it does not know.
pub(crate) type Filter = fn(&Store, &Key, &Row, &str, &str) -> Option<bool>;
/// A route of its own.
pub(crate) type Handler = fn(&mut Call<'_>) -> Result<Answer, Refusal>;

/// One collection.
pub(crate) struct Resource {
    /// The name of what it holds.
    pub(crate) kind: &'static str,
    /// Its path, with `*` in the place of ids.
    pub(crate) path: &'static str,
    /// The kind that it belongs to; empty for none.
    pub(crate) parent: &'static str,
    pub(crate) ids: Ids,
    /// The field that holds the id; empty where none does.
    pub(crate) id_field: &'static str,
    pub(crate) dates: Dates,
    /// How many things one request may write.
    pub(crate) batch: usize,
    /// Groups of fields whose values no two rows share. `^` stands for the parent. Rows in which the first field is
    /// empty are passed over.
    pub(crate) unique: &'static [&'static [&'static str]],
    /// JSON of values that a new row gets when none is given.
    pub(crate) defaults: &'static str,
    /// Fields that only appear when they are there.
    pub(crate) omit: &'static [&'static str],
    /// How many rows a page holds when nothing is said, and at most.
    pub(crate) page: (usize, usize),
    pub(crate) rule: Rule,
    pub(crate) written: Written,
    pub(crate) removable: Removable,
    pub(crate) gone: Gone,
    pub(crate) view: View,
    pub(crate) filter: Filter,
    /// Whether only the app that made a row sees it.
    pub(crate) private: bool,
}

/// A collection of numbered things with nothing special.
pub(crate) const PLAIN: Resource = Resource {
    kind: "",
    path: "",
    parent: "",
    ids: Ids::Number,
    id_field: "id",
    dates: Dates::None,
    batch: 1,
    unique: &[],
    defaults: "{}",
    omit: &[],
    page: (50, 250),
    rule: |_, _| Ok(()),
    written: |_, _, _, _, _| Ok(()),
    removable: |_, _, _| Ok(()),
    gone: |_, _, _| (),
    view: |_, _, _, _, _| (),
    filter: |_, _, _, _, _| None,
    private: false,
};

/// All collections.
pub(crate) fn all() -> impl Iterator<Item = &'static Resource> {
    families::RESOURCES.iter().flat_map(|resources| resources.iter())
}

/// The collection whose rows are of that kind.
pub(crate) fn of_kind(kind: &str) -> Option<&'static Resource> {
    static KINDS: OnceLock<HashMap<&'static str, &'static Resource>> = OnceLock::new();
    KINDS.get_or_init(|| all().map(|resource| (resource.kind, resource)).collect()).get(kind).copied()
}

/// The collection of that path.
pub(crate) fn of_path(path: &str) -> Option<&'static Resource> {
    static PATHS: OnceLock<HashMap<&'static str, &'static Resource>> = OnceLock::new();
    PATHS.get_or_init(|| all().map(|resource| (resource.path, resource)).collect()).get(path).copied()
}

/// The route of its own for that method and path.
pub(crate) fn route(method: &str, path: &str) -> Option<Handler> {
    type Routes = HashMap<(&'static str, &'static str), Handler>;
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    let routes = ROUTES.get_or_init(|| {
        families::ROUTES
            .iter()
            .flat_map(|routes| routes.iter())
            .map(|(method, path, handler)| ((*method, *path), *handler))
            .collect()
    });
    routes.get(&(method, path)).copied().or_else(|| families::documents::route(method, path))
}

/// The collections whose rows belong to rows of a kind.
pub(crate) fn below(kind: &str) -> &'static [&'static Resource] {
    static BELOW: OnceLock<HashMap<&'static str, Vec<&'static Resource>>> = OnceLock::new();
    let below = BELOW.get_or_init(|| {
        let mut below: HashMap<&'static str, Vec<&'static Resource>> = HashMap::new();
        for resource in all().filter(|resource| !resource.parent.is_empty()) {
            below.entry(resource.parent).or_default().push(resource);
        }
        below
    });
    below.get(kind).map(Vec::as_slice).unwrap_or_default()
}

/// The values of a row that no other row of its kind may have.
pub(crate) fn unique_values(kind: &str, row: &Row) -> Vec<String> {
    let Some(resource) = of_kind(kind) else { return Vec::new() };
    resource
        .unique
        .iter()
        .filter_map(|group| {
            let mut value = String::new();
            for (turn, name) in group.iter().enumerate() {
                let part = match (*name, row.fields.get(*name).or_else(|| row.hidden.get(*name))) {
                    ("^", _) => row.parent.as_ref().map(Key::to_string).unwrap_or_default(),
                    (_, Some(Json::String(text))) => text.to_lowercase(),
                    (_, None | Some(Json::Null)) => String::new(),
                    (_, Some(other)) => other.to_string(),
                };
                if turn == 0 && part.is_empty() {
                    return None;
                }
                value.push_str(if turn == 0 { "" } else { "\u{1f}" });
                value.push_str(&part);
            }
            Some(format!("{}\u{1f}{value}", group.join("+")))
        })
        .collect()
}

/// The path of an operation with `*` in the place of its parameters.
pub(crate) fn starred(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect::<Vec<_>>().join("/")
}

/// What the descriptions say of one thing of a collection.
pub(crate) fn item_fact(resource: &Resource) -> Option<&'static Fact> {
    static FACTS: OnceLock<HashMap<&'static str, &'static Fact>> = OnceLock::new();
    let known = FACTS.get_or_init(|| {
        let mut known = HashMap::new();
        for operation in &facts().operations {
            let path = starred(operation.path);
            let base = path.strip_suffix("/*").unwrap_or(&path);
            let Some(resource) = of_path(base).or_else(|| of_path(&path)) else { continue };
            let Some(fact) = operation.answer().map(inner) else { continue };
            if fact.object.as_ref().is_some_and(|object| !object.fields.is_empty())
                && (operation.method == "GET" || !known.contains_key(resource.path))
            {
                // The list goes before the item, which some descriptions leave open; both before what writes.
                if operation.method != "GET" || !known.contains_key(resource.path) || path == resource.path {
                    known.insert(resource.path, fact);
                }
            }
        }
        known
    });
    known.get(resource.path).copied()
}

/// What stands inside `data` and inside a list.
pub(crate) fn inner(fact: &'static Fact) -> &'static Fact {
    let data = fact.object.as_ref().and_then(|object| object.field("data"));
    let fact = data.map_or(fact, |field| &field.fact);
    fact.list.as_ref().map_or(fact, |(item, _)| item)
}

/// The values of fields that the descriptions name and nobody gave.
pub(crate) fn fill(resource: &Resource, fields: &mut Obj) {
    let Some(object) = item_fact(resource).and_then(|fact| fact.object.as_ref()) else { return };
    for field in &object.fields {
        let date = field.name.starts_with("date_") || field.name.ends_with("_date");
        if fields.contains_key(&field.name) || resource.omit.contains(&field.name.as_str()) || date {
            continue;
        }
        fields.insert(field.name.clone(), nothing(&field.fact));
    }
}

/// The value that stands for none.
pub(crate) fn nothing(fact: &Fact) -> Json {
    if fact.null {
        Json::Null
    } else if let Some(text) = &fact.text {
        Json::from(text.words.first().map(String::as_str).unwrap_or_default())
    } else if fact.integer.is_some() || fact.number.is_some() {
        Json::from(0)
    } else if fact.boolean {
        Json::Bool(false)
    } else if fact.list.is_some() {
        Json::Array(Vec::new())
    } else if let Some(object) = &fact.object {
        let fields = object.fields.iter().filter(|field| !field.fact.any);
        Json::Object(fields.map(|field| (field.name.clone(), nothing(&field.fact))).collect())
    } else {
        Json::Null
    }
}
