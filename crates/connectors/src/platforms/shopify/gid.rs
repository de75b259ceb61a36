//! What an id says: `gid://shopify/TYPE/NUMBER`, where the number is the thing's own and the type may have several names.

use serde_json::Value;

const SCHEME: &str = "gid://shopify/";

/// The last step of an id, which is its number.
pub(super) fn number(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, number)| number)
}

/// The id of a thing of this type, by its number.
pub(super) fn of_number(kind: &str, number: &str) -> String {
    format!("{SCHEME}{kind}/{number}")
}

/// An id under another type's name. What is no such id stays as it is.
pub(super) fn renamed(kind: &str, id: &str) -> String {
    if id.starts_with(SCHEME) { of_number(kind, number(id)) } else { id.to_owned() }
}

/// An id as inputs spell it.
pub(super) fn spelled(id: &str, kind: Option<&str>) -> Value {
    kind.map_or_else(|| id.into(), |kind| renamed(kind, id).into())
}

/// An id under the type's name that `like` has, so that a thing keeps the name by which it is known.
pub(super) fn named_like(like: &str, id: &str) -> String {
    let kind = like.strip_prefix(SCHEME).and_then(|rest| rest.split('/').next());
    kind.map_or_else(|| id.to_owned(), |kind| renamed(kind, id))
}

const LANGUAGE: &str = "?locale=";

/// The id of a thing in a language: of what a platform keeps of the thing once for each.
pub(super) fn in_language(id: &str, locale: &str) -> String {
    format!("{id}{LANGUAGE}{locale}")
}

/// The thing and the language of such an id.
pub(super) fn of_language(id: &str) -> Option<(&str, &str)> {
    id.split_once(LANGUAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_number_and_may_have_other_names() {
        let id = "gid://shopify/DiscountCodeNode/7";
        assert_eq!((number(id), number("en")), ("7", "en"));
        assert_eq!(renamed("DiscountNode", id), "gid://shopify/DiscountNode/7");
        assert_eq!(renamed("DiscountNode", "en"), "en");
        assert_eq!(named_like("gid://shopify/DiscountNode/9", id), "gid://shopify/DiscountNode/7");
        assert_eq!(named_like("en", id), id);
        assert_eq!(of_language(&in_language(id, "de")), Some((id, "de")));
        assert_eq!(of_language(id), None);
    }
}
