//! A step of a restore: one request with its body, known in full before anything is sent.

use std::borrow::Cow;

use crate::engine::http::Verb;
use serde_json::{Map, Value};

/// A path with the ids in it, by their names in the backup: each stands for one `{}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) text: Cow<'static, str>,
    pub(super) ids: Vec<String>,
}

impl Path {
    pub(super) fn new(text: impl Into<Cow<'static, str>>, ids: &[&str]) -> Self {
        Self { text: text.into(), ids: ids.iter().map(|id| (*id).to_owned()).collect() }
    }

    /// The path of one element of a list; the last of the ids is its own.
    pub(super) fn one_of(list: &str, ids: &[&str]) -> Self {
        Self::new(format!("{list}/{{}}"), ids)
    }

    /// As it is sent, with what each id is called now.
    pub(super) fn filled(&self, now: impl Fn(&str) -> String) -> String {
        let mut pieces = self.text.split("{}");
        let mut path = pieces.next().unwrap_or_default().to_owned();
        for (piece, id) in pieces.zip(&self.ids) {
            path.push_str(&super::super::parts::number(&now(id)));
            path.push_str(piece);
        }
        path
    }
}

/// What goes with a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    Nothing,
    /// An object, with markers for ids.
    Object(Map<String, Value>),
    /// A list of independent things: what is refused of them all is sent once more one by one.
    List(Vec<Value>),
    /// A form with stored bytes of the item, which lie at a pointer of the payload, in a field of this name.
    File {
        pointer: String,
        field: &'static str,
        form: Map<String, Value>,
    },
}

/// What a step makes, so that the new ids are learnt from the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Born {
    /// The item itself.
    Item,
    /// Parts of it, of the list at this place.
    Parts { at: &'static str, wanted: Vec<Value> },
}

/// The step that makes the item.
pub(super) const CREATE: &str = "create";

/// A step.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Its name within the item, the same in every attempt, and no other step's.
    pub(super) name: String,
    /// What it writes, in words that complete "could not be restored".
    pub(super) what: String,
    pub(super) method: Verb,
    pub(super) path: Path,
    /// What is asked for with it.
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Body,
    /// What it makes. A step that makes something is noted in the journal first: it must not be taken twice.
    pub(super) born: Option<Born>,
}

impl Step {
    /// A step that can be repeated without harm.
    pub(super) fn put(what: impl Into<String>, path: Path, body: Body) -> Self {
        let name = format!("put {} {}", path.text, path.ids.join(" "));
        Self { name, what: what.into(), method: Verb::Put, path, query: Vec::new(), body, born: None }
    }

    /// A step that makes parts of the item. `which` tells it from others that make parts of the same list.
    pub(super) fn make(at: &'static str, which: &str, path: Path, body: Body, wanted: Vec<Value>) -> Self {
        Self {
            name: format!("make {at} {which}"),
            what: at.replace(['/', '_'], " "),
            method: Verb::Post,
            path,
            query: Vec::new(),
            body,
            born: Some(Born::Parts { at, wanted }),
        }
    }

    /// A step that takes a part away.
    pub(super) fn delete(what: impl Into<String>, path: Path) -> Self {
        let name = format!("delete {} {}", path.text, path.ids.join(" "));
        Self {
            name,
            what: what.into(),
            method: Verb::Delete,
            path,
            query: Vec::new(),
            body: Body::Nothing,
            born: None,
        }
    }

    /// The step that makes the item.
    pub(super) fn birth(path: &'static str, body: Body) -> Self {
        Self {
            name: CREATE.to_owned(),
            what: "the item".to_owned(),
            method: Verb::Post,
            path: Path::new(path, &[]),
            query: Vec::new(),
            body,
            born: Some(Born::Item),
        }
    }

    /// Whether the rest makes no sense without it.
    pub(super) fn is_essential(&self) -> bool {
        self.born == Some(Born::Item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_paths_by_their_numbers() {
        let path = Path::new("v3/catalog/products/{}/images/{}", &["product/7", "product.images/1"]);
        let now = |id: &str| if id == "product/7" { "product/9".to_owned() } else { id.to_owned() };
        assert_eq!(path.filled(now), "v3/catalog/products/9/images/1");
        assert_eq!(
            Path::new("v3/content/scripts/{}", &["ab-c"]).filled(str::to_owned),
            "v3/content/scripts/ab-c"
        );
        assert_eq!(Path::new("v2/coupons", &[]).filled(str::to_owned), "v2/coupons");
    }
}
