//! Where a line of a bulk operation's result belongs: to which item, as which part.
//!
//! A line is looked at without building it: its own id, its parent's, the mark that says which connection it
//! comes from, and the few fields that tell it from its siblings.

use std::borrow::Cow;
use std::fmt;

use domain::Kind;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::documents::KindDocuments;
use super::reading::{Bulk, BulkText, ITEM_MARK, Order};
use super::selection::{MARK, ROOT};
use super::settle::child;
use crate::contract::Line;
use crate::digest::digest;

/// A line that does not fit into the result of its operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteError {
    /// It is not a JSON object.
    #[error("a line is not JSON: {0}")]
    NotJson(String),
    /// It has no id, no parent or no mark where it must have one.
    #[error("a line does not say what it is")]
    Unnamed,
    /// Children were to follow their parent, and do not.
    #[error("a line stands apart from its parent though grouping was asked for")]
    Apart,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Routed {
    /// The line for the spool; `None` for one that is only there for what hangs on it.
    pub(crate) line: Option<Line>,
    /// Whether it is a root of the operation.
    pub(crate) root: bool,
    /// Whether it has fields that must be read by themselves ([`super::documents::Details`]).
    pub(crate) detailed: bool,
}

/// Sorts the lines of one operation.
pub(crate) struct Router {
    kind: Kind,
    set: &'static KindDocuments,
    bulk: &'static Bulk,
    /// The last root, the item that it stands for, and how many children followed it.
    last: Option<(String, String)>,
    followed: u64,
}

/// What is looked at in a line.
#[derive(Default)]
struct Look<'a> {
    id: Option<Cow<'a, str>>,
    parent: Option<Cow<'a, str>>,
    mark: Option<Cow<'a, str>>,
    kept: Vec<(Cow<'a, str>, Value)>,
}

impl Router {
    pub(crate) fn new(kind: Kind, set: &'static KindDocuments, bulk: &'static Bulk) -> Self {
        Self { kind, set, bulk, last: None, followed: 0 }
    }

    /// Says where a line belongs.
    pub(crate) fn route(&mut self, bytes: &[u8]) -> Result<Routed, RouteError> {
        let look = look(bytes)?;
        match (&look.parent, &look.mark) {
            (None, _) => self.root(&look, bytes),
            (Some(_), Some(mark)) if mark == ITEM_MARK => {
                let id = look.id.as_deref().ok_or(RouteError::Unnamed)?;
                Ok(self.routed(id, String::new(), bytes, &look))
            }
            (Some(parent), Some(mark)) => self.child(parent, mark, &look, bytes),
            (Some(_), None) => Err(RouteError::Unnamed),
        }
    }

    fn root(&mut self, look: &Look<'_>, bytes: &[u8]) -> Result<Routed, RouteError> {
        let id = look.id.as_deref().ok_or(RouteError::Unnamed)?;
        if self.bulk.grouped {
            let item = match self.bulk.via {
                Some(pointer) => look.at(pointer).ok_or(RouteError::Unnamed)?,
                None => id.to_owned(),
            };
            self.last = Some((id.to_owned(), item));
            self.followed = 0;
        }
        let mut routed = self.routed(id, String::new(), bytes, look);
        routed.root = true;
        if !matches!(self.bulk.text, BulkText::Items(..)) {
            routed.line = None;
        }
        Ok(routed)
    }

    fn child(
        &mut self,
        parent: &str,
        mark: &str,
        look: &Look<'_>,
        bytes: &[u8],
    ) -> Result<Routed, RouteError> {
        let path = mark.strip_prefix(MARK).unwrap_or(mark).replace('_', ".");
        let child = child(self.set.reading.children, &path.split('.').collect::<Vec<_>>());
        let mut item = parent.to_owned();
        let mut part = path.clone();
        if self.bulk.grouped {
            match &self.last {
                Some((root, stands_for)) if root == parent => item.clone_from(stands_for),
                _ => return Err(RouteError::Apart),
            }
        } else if let Some(root) = look.at(&format!("/{ROOT}")) {
            item = root;
        }
        if path.contains('.') {
            part = format!("{part}/{parent}");
        }
        if child.order == Order::Given {
            part = format!("{part}/{:08}", self.followed);
            self.followed += 1;
        }
        let key = look.at(child.key).unwrap_or_else(|| digest([bytes]));
        Ok(self.routed(&item, format!("{part}/{key}"), bytes, look))
    }

    fn routed(&self, id: &str, part: String, bytes: &[u8], look: &Look<'_>) -> Routed {
        let detailed = part.is_empty()
            && self.set.details.as_ref().is_some_and(|details| {
                look.kept.iter().any(|(key, value)| {
                    details.fields.iter().any(|field| field == key)
                        && value.as_array().is_some_and(|list| !list.is_empty())
                })
            });
        let line = Line { kind: self.kind.clone(), id: id.into(), part: part.into(), bytes: bytes.to_vec() };
        Routed { line: Some(line), root: false, detailed }
    }
}

impl Look<'_> {
    /// The text or number at a pointer. Of [`ROOT`]: the innermost id.
    fn at(&self, pointer: &str) -> Option<String> {
        let (first, rest) =
            pointer.strip_prefix('/')?.split_once('/').unwrap_or((pointer.strip_prefix('/')?, ""));
        if first == "id" {
            return self.id.as_deref().map(str::to_owned);
        }
        let value = &self.kept.iter().find(|(key, _)| key == first)?.1;
        if first == ROOT {
            return innermost_id(value);
        }
        let value = if rest.is_empty() { value } else { value.pointer(&format!("/{rest}"))? };
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(format!("{:0>20}", number.to_string())),
            _ => None,
        }
    }
}

fn innermost_id(value: &Value) -> Option<String> {
    let fields = value.as_object()?;
    let below = fields.values().find_map(innermost_id);
    below.or_else(|| fields.get("id").and_then(Value::as_str).map(str::to_owned))
}

/// Fields that may tell a line's place; all others are skipped unread.
const LOOKED_AT: &[&str] = &[ROOT, "product", "publication", "countryCode", "index", "refunds"];

fn look(bytes: &[u8]) -> Result<Look<'_>, RouteError> {
    struct Looking;
    impl<'de> Visitor<'de> for Looking {
        type Value = Look<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Look<'de>, A::Error> {
            let mut look = Look::default();
            while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                match key.as_ref() {
                    "id" => look.id = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                    "__parentId" => look.parent = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                    name if name.starts_with(MARK) => {
                        map.next_value::<IgnoredAny>()?;
                        look.mark = Some(key);
                    }
                    name if LOOKED_AT.contains(&name) => {
                        let value = map.next_value()?;
                        look.kept.push((key, value));
                    }
                    _ => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(look)
        }
    }
    let not_json = |error: serde_json::Error| RouteError::NotJson(error.to_string());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let look = reader.deserialize_map(Looking).map_err(not_json)?;
    reader.end().map_err(not_json)?;
    Ok(look)
}

/// A text, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::shopify::documents;

    fn router(kind: &str, bulk: &str) -> Router {
        let set = documents::of(kind).unwrap();
        let bulk = set.reading.bulk.iter().find(|row| row.name == bulk).unwrap();
        Router::new(Kind::new(kind).unwrap(), set, bulk)
    }

    fn check(router: &mut Router, line: &str, expected: Result<Option<(&str, &str)>, RouteError>) {
        let routed = router.route(line.as_bytes()).map(|routed| routed.line);
        let got = routed.map(|line| line.map(|line| (line.id.to_string(), line.part.to_string())));
        let expected = expected.map(|pair| pair.map(|(id, part)| (id.to_owned(), part.to_owned())));
        assert_eq!(got, expected, "{line}");
    }

    #[test]
    fn children_find_their_item_in_any_order() {
        let mut items = router("product", "items");
        check(
            &mut items,
            r#"{"_of_variants_metafields":"Metafield","_root":{"product":{"id":"p/1"}},"id":"m/1","__parentId":"v/1"}"#,
            Ok(Some(("p/1", "variants.metafields/v/1/m/1"))),
        );
        check(
            &mut items,
            r#"{"_of_variants":"V","id":"v/1","__parentId":"p/1"}"#,
            Ok(Some(("p/1", "variants/v/1"))),
        );
        check(&mut items, r#"{"id":"p/1","title":"a"}"#, Ok(Some(("p/1", ""))));
        check(&mut items, r#"{"title":"a"}"#, Err(RouteError::Unnamed));
        check(&mut items, r#"{"id":"m/1","__parentId":"v/1"}"#, Err(RouteError::Unnamed));
        assert!(items.route(b"{\"id\":\"p/1\"").is_err());
        assert!(items.route(b"{\"id\":\"p/1\"} x").is_err());
    }

    #[test]
    fn where_order_is_data_children_must_follow_their_parent() {
        let mut media = router("product", "media");
        check(&mut media, r#"{"id":"p/1"}"#, Ok(None));
        check(
            &mut media,
            r#"{"_of_media":"M","id":"i/9","__parentId":"p/1"}"#,
            Ok(Some(("p/1", "media/00000000/i/9"))),
        );
        check(
            &mut media,
            r#"{"_of_media":"M","id":"i/2","__parentId":"p/1"}"#,
            Ok(Some(("p/1", "media/00000001/i/2"))),
        );
        check(&mut media, r#"{"id":"p/2"}"#, Ok(None));
        check(&mut media, r#"{"_of_media":"M","id":"i/3","__parentId":"p/1"}"#, Err(RouteError::Apart));
        let mut variant = router("product", "variant_media");
        check(&mut variant, r#"{"id":"v/1","product":{"id":"p/1"}}"#, Ok(None));
        check(
            &mut variant,
            r#"{"_of_variants_media":"M","id":"i/9","__parentId":"v/1"}"#,
            Ok(Some(("p/1", "variants.media/v/1/00000000/i/9"))),
        );
    }

    #[test]
    fn children_without_an_id_are_told_apart_by_their_key() {
        let mut publications = router("product", "publications");
        let line = r#"{"_of_resourcePublicationsV2":"R","publication":{"id":"b/1"},"__parentId":"p/1"}"#;
        check(&mut publications, line, Ok(Some(("p/1", "resourcePublicationsV2/b/1"))));
    }

    #[test]
    fn items_may_hang_below_the_roots() {
        let mut metaobjects = router("metaobject", "items");
        check(&mut metaobjects, r#"{"id":"d/1"}"#, Ok(None));
        check(
            &mut metaobjects,
            r#"{"_of_item":"Metaobject","id":"o/1","__parentId":"d/1"}"#,
            Ok(Some(("o/1", ""))),
        );
    }

    #[test]
    fn an_order_with_refunds_is_read_further() {
        let mut orders = router("order", "items");
        let detailed = |orders: &mut Router, line: &str| orders.route(line.as_bytes()).unwrap().detailed;
        assert!(detailed(&mut orders, r#"{"id":"o/1","refunds":[{"id":"r/1"}]}"#));
        assert!(!detailed(&mut orders, r#"{"id":"o/2","refunds":[]}"#));
    }
}
