//! Bytes on their way back: stored bytes are uploaded to where the platform says, and named by that place.

use serde_json::{Map, Value, json};

use super::place;
use super::product::file_name;

/// Marks a place in an input where the address of uploaded bytes goes.
pub(super) const MARKER: &str = "$upload";

/// Bytes to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upload {
    /// Where in the payload their former address stands, which is also how the stored bytes are found.
    pub(super) pointer: String,
    /// The file's name.
    pub(super) name: String,
    /// Its media type.
    pub(super) media_type: String,
    /// What it will be.
    pub(super) resource: String,
    /// The former address.
    pub(super) address: String,
}

/// A marker for a picture whose former address stands in `image` as `url`.
pub(super) fn image(pointer: &str, image: &Value) -> Value {
    let address = place::text(image, "url").unwrap_or_default();
    marker(pointer, "IMAGE", file_name(address).unwrap_or("picture"), None, address)
}

/// A marker for a file whose former address stands at `place`.
pub(super) fn file(place: &str, resource: &str, file: &Value) -> Value {
    file_in("", place, resource, file)
}

/// The same for a file that stands within another item, at `within`.
pub(super) fn file_in(within: &str, place: &str, resource: &str, file: &Value) -> Value {
    let address = place::text(file, place).unwrap_or_default();
    let media_type = place::text(file, "mimeType").or_else(|| place::text(file, "originalSource/mimeType"));
    marker(
        &format!("{within}/{place}"),
        resource,
        super::file::name(file).unwrap_or("file"),
        media_type,
        address,
    )
}

fn marker(pointer: &str, resource: &str, name: &str, media_type: Option<&str>, address: &str) -> Value {
    let media_type = media_type.unwrap_or_else(|| media_type_of(name));
    json!({ MARKER: {
        "pointer": pointer, "name": name, "mediaType": media_type, "resource": resource, "address": address,
    }})
}

/// All markers in an input.
pub(super) fn find(input: &Value, found: &mut Vec<Upload>) {
    match input {
        Value::Object(object) => match read(object) {
            Some(upload) => found.push(upload),
            None => object.values().for_each(|inner| find(inner, found)),
        },
        Value::Array(values) => values.iter().for_each(|inner| find(inner, found)),
        _ => {}
    }
}

/// The input with addresses in place of markers.
pub(super) fn fill(input: &Value, addresses: &[(Upload, String)]) -> Value {
    match input {
        Value::Object(object) => match read(object) {
            Some(upload) => addresses.iter().find(|(one, _)| *one == upload).map_or_else(
                || Value::from(upload.address.clone()),
                |(_, address)| Value::from(address.as_str()),
            ),
            None => Value::Object(
                object.iter().map(|(key, inner)| (key.clone(), fill(inner, addresses))).collect(),
            ),
        },
        Value::Array(values) => values.iter().map(|inner| fill(inner, addresses)).collect(),
        plain => plain.clone(),
    }
}

fn read(object: &Map<String, Value>) -> Option<Upload> {
    let marker = object.get(MARKER)?;
    let text = |name: &str| place::text(marker, name).unwrap_or_default().to_owned();
    Some(Upload {
        pointer: text("pointer"),
        name: text("name"),
        media_type: text("mediaType"),
        resource: text("resource"),
        address: text("address"),
    })
}

/// The media type that a name's ending stands for.
pub(super) fn media_type_of(name: &str) -> &'static str {
    const TYPES: &[(&str, &str)] = &[
        ("avif", "image/avif"),
        ("gif", "image/gif"),
        ("glb", "model/gltf-binary"),
        ("heic", "image/heic"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("mov", "video/quicktime"),
        ("mp4", "video/mp4"),
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        ("svg", "image/svg+xml"),
        ("usdz", "model/vnd.usdz+zip"),
        ("webp", "image/webp"),
    ];
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    TYPES
        .iter()
        .find(|(one, _)| *one == ending)
        .map_or("application/octet-stream", |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_and_filled_and_fall_back_to_the_former_address() {
        let input = json!({"image": {"src": image("/image/url", &json!({"url": "https://cdn.example/a/shoe.jpg?v=1"}))}});
        let mut found = Vec::new();
        find(&input, &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].media_type.as_str()), ("shoe.jpg", "image/jpeg"));
        let filled = fill(&input, &[(found[0].clone(), "https://staged.example/1".to_owned())]);
        assert_eq!(filled, json!({"image": {"src": "https://staged.example/1"}}));
        assert_eq!(fill(&input, &[]), json!({"image": {"src": "https://cdn.example/a/shoe.jpg?v=1"}}));
    }
}
