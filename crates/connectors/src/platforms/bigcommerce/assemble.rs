//! Joins the lines of an item, and works out what is kept beside its payload.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use domain::SubjectId;
use serde_json::Value;

use super::documents;
use super::hooks;
use super::kinds::KINDS;
use super::reading::{ById, From, Media, Reading, reading};
use crate::canonical::Rules;
use crate::contract::{Fault, Ids, Item, KindSpec, Line, MediaSource, id_of, time};
use crate::tree::{Fields, Tree, Walk as _, select};

/// What BigCommerce has in place of the file's name where a picture came with the store: there is no such file.
const SAMPLE: &str = "%%SAMPLE%%";

static RULES: LazyLock<HashMap<&'static str, Rules>> = LazyLock::new(|| {
    KINDS.iter().map(|kind| (kind.name, Rules::new(kind.volatile, kind.unordered))).collect()
});

/// The id of an item.
///
/// # Errors
/// [`Fault::Malformed`] where it has none.
pub(super) fn own_id(reading: &Reading, node: &Value) -> Result<String, Fault> {
    let id = match reading.by_id {
        ById::Document => documents::id_of(node),
        _ => node.pointer(reading.id).and_then(|id| id_of(reading.kind, id)),
    };
    id.ok_or_else(|| Fault::Malformed(format!("an item of {} has no id", reading.kind)))
}

/// Joins the lines of one item, ordered by part. `None` where only parts of it came, and where it is a hook
/// of ours.
pub(super) fn assemble(kind: &'static KindSpec, id: &str, lines: &[Line]) -> Result<Option<Item>, Fault> {
    let malformed = |why: &str| Fault::Malformed(format!("{} {id}: {why}", kind.name));
    let reading = reading(kind.name).ok_or_else(|| malformed("the kind is not known"))?;
    let mut own = None;
    let mut parts = Vec::new();
    for line in lines {
        let value =
            Tree::read(&line.bytes).map_err(|error| malformed(&format!("a line is not JSON: {error}")))?;
        if line.part.is_empty() {
            own = Some(value);
        } else {
            parts.push((&*line.part, value));
        }
    }
    let mut fields = match own {
        None => return Ok(None),
        // What we asked the store to tell us is no part of the store.
        Some(Tree::Object(fields)) if kind.name == "webhook" && is_ours(&fields) => return Ok(None),
        Some(Tree::Object(fields)) => fields,
        Some(_) => return Err(malformed("it is no object")),
    };
    join(reading, &mut fields, parts);
    let tree = Tree::Object(fields);
    let payload = serde_json::to_vec(&tree).map_err(|error| malformed(&error.to_string()))?;
    let canonical = RULES.get(kind.name).map(|rules| rules.canonical(&tree)).unwrap_or_default();
    let column = |pointer| tree.pointer(pointer).map_or(Value::Null, Tree::to_value);
    let updated =
        tree.pointer("/date_modified").or_else(|| tree.pointer("/updated_at")).and_then(Tree::as_str);
    Ok(Some(Item {
        id: id.into(),
        payload,
        canonical,
        source_updated_at: updated.and_then(time),
        subjects: subjects(kind, id, &tree),
        media: media(reading.media, &tree),
        summary: kind.summary.iter().map(|summary| column(summary.pointer)).collect(),
        gaps: Vec::new(),
    }))
}

fn is_ours(hook: &Fields<'_>) -> bool {
    let headers = hook.get("headers").and_then(Tree::fields).map(|fields| fields.iter());
    hooks::is_ours(headers.into_iter().flatten().map(|(name, _)| name))
}

/// Puts what was read elsewhere at its places. Lists that were not read, because there is nothing in them, are empty.
fn join<'a>(reading: &Reading, fields: &mut Fields<'a>, parts: Vec<(&'a str, Tree<'a>)>) {
    for part in reading.parts {
        let is_list = fields.get(part.field).is_some_and(|own| own.elements().is_some());
        if !is_list {
            fields.insert(part.field.into(), Tree::List(Vec::new()));
        }
    }
    for (part, value) in parts {
        match part.split_once('/') {
            None => fields.insert(part.into(), value),
            Some((field, _)) => {
                if let Some(list) = fields.list(field.into()) {
                    list.push(value);
                }
            }
        }
    }
    for part in reading.parts.iter().filter(|part| matches!(part.from, From::Bulk { .. })) {
        if let Some(list) = fields.list(part.field.into()) {
            list.sort_by_key(|element| element.field("id").and_then(Tree::as_i64));
        }
    }
}

fn subjects(kind: &KindSpec, id: &str, tree: &Tree<'_>) -> Vec<SubjectId> {
    let Some(rule) = kind.subject else { return Vec::new() };
    debug_assert_eq!(kind.ids, Ids::Numbers);
    let named = (rule.pointers.iter())
        .flat_map(|pointer| select(tree, pointer))
        .find_map(|value| id_of(rule.kind, &value.to_value()));
    vec![SubjectId(named.unwrap_or_else(|| id.to_owned()).into())]
}

/// The pictures of an item. Of a product's there are only smaller ones at the addresses that the API gives, which end
/// with the product: the original lies among the store's own files.
fn media(media: Media, tree: &Tree<'_>) -> Vec<MediaSource> {
    let source =
        |pointer: String, url: Cow<'_, str>| MediaSource { pointer, url: url.into_owned(), media_type: None };
    let text = |value: &Tree<'_>, field: &str| {
        value.field(field).and_then(Tree::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    match media {
        Media::None => Vec::new(),
        Media::At(pointer) => {
            let url = tree.pointer(pointer).and_then(Tree::as_str).filter(|url| !url.is_empty());
            url.map(|url| source(pointer.to_owned(), url.into())).into_iter().collect()
        }
        Media::Product => {
            let elements = |field: &str| {
                tree.field(field).and_then(Tree::elements).unwrap_or_default().iter().enumerate()
            };
            let images = elements("images").filter_map(|(at, image)| match text(image, "image_file") {
                Some(file) if !file.contains(SAMPLE) => {
                    Some(source(format!("/images/{at}/image_file"), format!("{ORIGINALS}{file}").into()))
                }
                _ => Some(source(format!("/images/{at}/url_zoom"), text(image, "url_zoom")?.into())),
            });
            let variants = elements("variants").filter_map(|(at, variant)| {
                Some(source(format!("/variants/{at}/image_url"), text(variant, "image_url")?.into()))
            });
            images.chain(variants).collect()
        }
    }
}

/// The folder of original pictures, among the store's own files.
pub(super) const ORIGINALS: &str = "/product_images/";

#[cfg(test)]
mod tests {
    use domain::Kind;
    use serde_json::json;

    use super::*;
    use crate::platforms::bigcommerce::kind;

    fn line(part: &str, value: &Value) -> Line {
        Line {
            kind: Kind::new("product").unwrap(),
            id: "product/7".into(),
            part: part.into(),
            bytes: value.to_string().into_bytes(),
        }
    }

    #[test]
    fn what_stands_elsewhere_is_joined_in_one_order() {
        let own = json!({"id": 7, "name": "Mug", "images": [{"id": 1, "image_file": "a/b.png"}, {"id": 2, "image_file": "%%SAMPLE%%/c.jpg", "url_zoom": "https://cdn.example/c.jpg"}]});
        let lines = [
            line("", &own),
            line("metafields/10", &json!({"id": 10})),
            line("metafields/9", &json!({"id": 9})),
        ];
        let item = assemble(kind("product").unwrap(), "product/7", &lines).unwrap().unwrap();
        let payload: Value = serde_json::from_slice(&item.payload).unwrap();
        assert_eq!(payload["metafields"], json!([{"id": 9}, {"id": 10}]));
        assert_eq!((&payload["complex_rules"], &payload["variant_metafields"]), (&json!([]), &json!([])));
        let media: Vec<(&str, &str)> =
            item.media.iter().map(|one| (one.pointer.as_str(), one.url.as_str())).collect();
        assert_eq!(
            media,
            [
                ("/images/0/image_file", "/product_images/a/b.png"),
                ("/images/1/url_zoom", "https://cdn.example/c.jpg")
            ]
        );
    }

    #[test]
    fn parts_of_an_item_that_was_not_listed_make_none() {
        let lines = [line("metafields/10", &json!({"id": 10}))];
        assert_eq!(assemble(kind("product").unwrap(), "product/7", &lines).unwrap(), None);
        assert!(assemble(kind("product").unwrap(), "product/7", &[line("", &json!([]))]).is_err());
    }
}
