//! One request, after it was read and checked.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::answer::Refusal;
use super::facts::Operation;
use super::fault::FaultKind;
use super::form::Form;
use super::resource::{Resource, of_kind};
use super::store::{App, Key, Obj, Store};

/// The parameters of an address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl Query {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Whether a list such as `include` holds a word.
    pub(crate) fn holds(&self, name: &str, word: &str) -> bool {
        self.get(name).is_some_and(|list| list.split(',').any(|part| part.trim() == word))
    }

    /// The numbers of a filter such as `id:in`.
    pub(crate) fn numbers(&self, name: &str) -> Option<Vec<u64>> {
        self.get(name).map(|list| list.split(',').filter_map(|part| part.trim().parse().ok()).collect())
    }
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) operation: &'static Operation,
    /// The values of the path's parameters.
    pub(crate) ids: Vec<String>,
    pub(crate) query: Query,
    /// Null when there is none.
    pub(crate) body: Json,
    pub(crate) form: Option<Form>,
    pub(crate) app: App,
    pub(crate) scopes: &'a BTreeSet<String>,
    /// What goes wrong in the middle of it.
    pub(crate) fault: Option<FaultKind>,
    /// Fields that were not kept although the rest was.
    pub(crate) lost: Vec<String>,
}

impl Call<'_> {
    pub(crate) fn version(&self) -> u8 {
        if self.operation.path.starts_with("/v2/") { 2 } else { 3 }
    }

    /// The value of the path's n-th parameter as the key of a thing.
    pub(crate) fn key(&self, turn: usize) -> Key {
        let text = self.ids.get(turn).map(String::as_str).unwrap_or_default();
        text.parse().map_or_else(|_| Key::Text(text.to_owned()), Key::Number)
    }

    /// The key of what a collection belongs to, when all parents of the path are there and belong to each other.
    pub(crate) fn parent(&self, resource: &Resource) -> Result<Option<Key>, Refusal> {
        let mut turn = resource.path.matches('*').count();
        let mut kind = resource.parent;
        let mut found = None;
        let mut expected: Option<Key> = None;
        while turn > 0 && !kind.is_empty() {
            let key = self.key(turn - 1);
            let row = self.store.get(kind, &key).ok_or_else(Refusal::not_found)?;
            if expected.as_ref().is_some_and(|expected| *expected != key) {
                return Err(Refusal::not_found());
            }
            expected.clone_from(&row.parent);
            found = found.or(Some(key));
            kind = of_kind(kind).map_or("", |resource| resource.parent);
            turn -= 1;
        }
        Ok(found)
    }

    /// The one thing that the path means: its last parameter, below its parents.
    pub(crate) fn item(&self, resource: &Resource) -> Result<Key, Refusal> {
        let parent = self.parent(resource)?;
        let key = self.key(resource.path.matches('*').count());
        let row = self.store.get(resource.kind, &key).ok_or_else(Refusal::not_found)?;
        if parent.is_some() && row.parent != parent || resource.private && row.app != self.app {
            return Err(Refusal::not_found());
        }
        Ok(key)
    }

    /// The body's object.
    pub(crate) fn object(&self) -> Obj {
        self.body.as_object().cloned().unwrap_or_default()
    }

    /// The body's objects: those of a list, or the one.
    pub(crate) fn objects(&self) -> Vec<Obj> {
        match &self.body {
            Json::Array(list) => list.iter().filter_map(|item| item.as_object().cloned()).collect(),
            Json::Object(object) => vec![object.clone()],
            _ => Vec::new(),
        }
    }
}
