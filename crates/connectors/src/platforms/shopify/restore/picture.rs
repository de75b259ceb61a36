//! The one picture that a collection or an article has.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::place;
use super::product::file_name;
use super::upload;

/// Puts the wanted picture into the input where it differs from the live one. `address` is what the input calls
/// the picture's address. The bytes are those that were stored: the former address dies with the picture.
pub(super) fn picture(draft: &mut Draft<'_>, input: &mut Map<String, Value>, address: &str) {
    let Some(wanted) = draft.wanted.get("image") else { return };
    let live = draft.live.and_then(|live| live.get("image")).unwrap_or(&Value::Null);
    let alt = |image: &Value| place::text(image, "altText").map(str::to_owned);
    let same_bytes = same_bytes(wanted, live);
    if (same_bytes && alt(wanted) == alt(live)) || (draft.is_birth() && wanted.is_null()) {
        return;
    }
    if !draft.is_birth() && !draft.change("/image".to_owned(), live, wanted) {
        return;
    }
    if wanted.is_null() {
        input.insert("image".to_owned(), Value::Null);
        return;
    }
    let mut image = Map::new();
    image.insert("altText".to_owned(), json!(alt(wanted)));
    if !same_bytes {
        image.insert(address.to_owned(), upload::image("/image/url", wanted));
    }
    input.insert("image".to_owned(), Value::Object(image));
}

/// Whether the live picture is the wanted one: by the platform's own digest of what pictures look like, else by size
/// and file name.
fn same_bytes(wanted: &Value, live: &Value) -> bool {
    if wanted.is_null() || live.is_null() {
        return wanted.is_null() && live.is_null();
    }
    let looks =
        |image: &Value| Some((place::text(image, "thumbhash")?.to_owned(), image.get("width").cloned()));
    if let (Some(one), Some(other)) = (looks(wanted), looks(live)) {
        return one == other;
    }
    let name = |image: &'_ Value| place::text(image, "url").and_then(file_name).map(str::to_owned);
    let same_name = name(wanted).is_some_and(|one| name(live).is_some_and(|other| same_name(&one, &other)));
    same_name && wanted.get("width") == live.get("width") && wanted.get("height") == live.get("height")
}

/// Whether a live medium of a product is the wanted one. Its alternative text says little: an owner who replaces a picture
/// keeps that.
pub(super) fn same_medium(wanted: &Value, live: &Value) -> bool {
    let both = |at: &str| Some((place::text(wanted, at)?, place::text(live, at)?));
    if both("mediaContentType").is_some_and(|(one, other)| one != other) {
        return false;
    }
    let image = |media: &'_ Value| media.get("image").filter(|image| image.is_object()).cloned();
    if let (Some(one), Some(other)) = (image(wanted), image(live)) {
        return same_bytes(&one, &other);
    }
    if let Some((one, other)) = both("originUrl").or(both("embedUrl")) {
        return one == other;
    }
    if let Some((one, other)) = both("filename") {
        let size = |media| SIZES.iter().find_map(|at| place::at(media, at).filter(|size| !size.is_null()));
        return same_name(one, other)
            && size(wanted).is_none_or(|one| size(live).is_none_or(|other| one == other));
    }
    // What is still being processed has nothing else yet.
    both("alt").is_some_and(|(one, other)| one == other)
}

/// Where the size of a video or a model stands.
const SIZES: &[&str] = &["originalSource/fileSize", "originalSource/filesize"];

/// Whether a file has the wanted name, or one that the platform makes of it where that is taken, as often as it is: with
/// a number or a UUID before the ending.
fn same_name(wanted: &str, live: &str) -> bool {
    let parts = |name: &'_ str| {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        (stem.to_owned(), ending.to_owned())
    };
    let added = |part: &str| {
        let number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        number || (part.len() == 36 && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
    };
    let ((wanted, wanted_ending), (live, live_ending)) = (parts(wanted), parts(live));
    let Some(more) = live.strip_prefix(&wanted) else { return false };
    let all_added = || more.strip_prefix('_').is_some_and(|more| more.split('_').all(added));
    wanted_ending == live_ending && (more.is_empty() || all_added())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_picture_is_known_by_its_looks_and_else_by_its_name() {
        let picture = |name: &str, hash: Option<&str>, width: u32| json!({"url": format!("https://cdn.example/files/{name}?v=1"), "thumbhash": hash, "width": width, "height": 1});
        let check = |wanted: Value, live: Value, expected: bool| {
            assert_eq!(same_bytes(&wanted, &live), expected, "{wanted} {live}");
        };
        check(picture("a.jpg", Some("x"), 1), picture("b.jpg", Some("x"), 1), true);
        check(picture("a.jpg", Some("x"), 1), picture("a.jpg", Some("y"), 1), false);
        check(picture("a.jpg", None, 1), picture("a.jpg", None, 1), true);
        check(picture("a.jpg", None, 1), picture("a_1.jpg", None, 1), true);
        check(
            picture("a.jpg", None, 1),
            picture("a_0b9c2f6e-1d2e-4f3a-8b4c-5d6e7f8a9b0c.jpg", None, 1),
            true,
        );
        check(picture("a.jpg", None, 1), picture("a_1_12.jpg", None, 1), true);
        check(picture("a.jpg", None, 1), picture("a_big.jpg", None, 1), false);
        check(picture("a.jpg", None, 1), picture("a_bed.jpg", None, 1), false);
        check(picture("a.jpg", None, 1), picture("a.jpg", None, 2), false);
        check(picture("a.jpg", None, 1), Value::Null, false);
    }
}
