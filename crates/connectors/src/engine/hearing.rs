//! What the platforms share in being told: one value of a header, proofs, the bounds of what is taken out of a body, and
//! whose an address is.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::contract::{KindSpec, Subscribed, Unheard};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

/// Longest name of an event, in bytes.
pub(crate) const EVENT_LEN_MAX: usize = 128;
/// Longest topic, in bytes.
pub(crate) const TOPIC_LEN_MAX: usize = 96;
/// So many ids of items are taken.
pub(crate) const ITEMS_MAX: usize = 8;
/// Longest id of an item, in bytes.
const ITEM_LEN_MAX: usize = 64;

/// The value of a header. `None` where there is none, and where there are two: nobody could say which one is meant.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
    values.next().filter(|_| values.next().is_none())
}

/// Whether `given` is the base64 of the message's HMAC under this key. The time that it takes tells nothing of the key.
pub(crate) fn is_signed(key: &hmac::Key, message: &[u8], given: &str) -> bool {
    STANDARD.decode(given).is_ok_and(|tag| hmac::verify(key, message, &tag).is_ok())
}

/// Whether two texts are one, in a time that tells of no more than their lengths.
pub(crate) fn is_same(own: &str, given: &str) -> bool {
    constant_time::verify_slices_are_equal(own.as_bytes(), given.as_bytes()).is_ok()
}

/// A text that may be written down as it is: of printable ASCII, and not too long.
pub(crate) fn word(text: &str, len_max: usize) -> Option<&str> {
    let is_word = (1..=len_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_word.then_some(text)
}

/// The body as an object of JSON.
///
/// # Errors
/// [`Unheard::Malformed`] where it is none, or one that is nested too deeply.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Unheard> {
    serde_json::from_slice(body).map_err(|_| Unheard::Malformed("the body is no JSON object"))
}

/// An id as a text: a number, or a text that may be written down. What is neither is left out: a hint without an item
/// still tells which kinds to look at.
pub(crate) fn item(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            number.as_u64().filter(|number| *number > 0).map(|number| number.to_string())
        }
        Value::String(text) => word(text, ITEM_LEN_MAX).map(str::to_owned),
        _ => None,
    }
}

/// Whether an address stands beside another one: they are the same up to their last slash, and differ after it.
pub(crate) fn is_beside(one: &str, other: &str) -> bool {
    let head = |url: &str| {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        // The two slashes behind the scheme do not count: without a path there is nothing beside an address.
        let from = path.find("://").map(|at| at + 3)?;
        let at = path.get(from..)?.rfind('/')?;
        path.get(..from + at + 1).map(str::to_owned)
    };
    one != other && head(one).is_some_and(|own| Some(own) == head(other))
}

/// Counts what was asked of the platform, or notes why it was refused.
pub(crate) fn tell(
    told: &mut Subscribed,
    topic: &str,
    done: Result<(), String>,
    count: fn(&mut Subscribed) -> &mut u64,
) {
    match done {
        Ok(()) => *count(told) += 1,
        Err(why) => told.failed.push((topic.to_owned(), why)),
    }
}

/// The kinds that are told of under this topic.
pub(crate) fn kinds_of(kinds: &'static [KindSpec], topic: &str) -> Vec<&'static str> {
    kinds.iter().filter(|kind| kind.told.contains(&topic)).map(|kind| kind.name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_header_that_comes_twice_has_no_value() {
        let of = |names: &[&str]| {
            let headers: Vec<_> = names.iter().map(|name| ((*name).to_owned(), "v".to_owned())).collect();
            header(&headers, "a").map(str::to_owned)
        };
        assert_eq!(of(&["b", "a"]), Some("v".to_owned()));
        assert_eq!(of(&["a", "b", "a"]), None);
        assert_eq!(of(&["b"]), None);
    }

    #[test]
    fn a_signature_fits_one_key_and_one_message() {
        // RFC 4231, test case 2.
        let key = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        let message = b"what do ya want for nothing?";
        let real = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";
        assert!(is_signed(&key(b"Jefe"), message, real));
        assert!(!is_signed(&key(b"Jefo"), message, real));
        assert!(!is_signed(&key(b"Jefe"), b"what do ya want for something?", real));
        for text in ["", "*", &real[..40], &format!("{real}{real}"), &real.replacen('W', "X", 1)] {
            assert!(!is_signed(&key(b"Jefe"), message, text), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_written_down_is_no_word_and_no_item() {
        assert_eq!(word("products/update", 15), Some("products/update"));
        for text in ["", "products/updates", "a b", "a\nb", "é"] {
            assert_eq!(word(text, 15), None, "{text}");
        }
        assert_eq!(item(&json!(7)), Some("7".to_owned()));
        assert_eq!(item(&json!("gid://shopify/Product/7")), Some("gid://shopify/Product/7".to_owned()));
        for value in [json!(0), json!(-1), json!(1.5), json!(null), json!([7]), json!("a".repeat(65))] {
            assert_eq!(item(&value), None, "{value}");
        }
    }

    #[test]
    fn an_address_stands_beside_those_that_differ_after_the_last_slash() {
        let check = |one, other, expected| assert_eq!(is_beside(one, other), expected, "{one} {other}");
        check("https://a.example/told/1", "https://a.example/told/2", true);
        check("https://a.example/told/1?x=/y", "https://a.example/told/2", true);
        check("https://a.example/told/1", "https://a.example/told/1", false);
        check("https://a.example/told/1", "https://a.example/else/1", false);
        check("https://a.example/told/1/2", "https://a.example/told/1", false);
        check("https://b.example/told/1", "https://a.example/told/1", false);
        check("https://a.example", "https://b.example", false);
        check("told/1", "told/2", false);
    }

    #[test]
    fn a_body_that_is_no_object_or_too_deep_makes_no_sense() {
        assert!(object(b"{\"a\":1}").is_ok());
        let deep = "[".repeat(100_000);
        for body in [&b"[]"[..], b"", b"\xff\xfe", b"{", deep.as_bytes(), b"1"] {
            assert!(matches!(object(body), Err(Unheard::Malformed(_))));
        }
    }
}
