//! Images: the bytes that were given, and resized ones, which are other bytes. Answers name only the resized ones.

use axum::body::Bytes;
use serde_json::Value as Json;

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::engine::{add, change, written};
use super::super::resource::{Dates, Draft, Handler, PLAIN, Resource, of_kind};
use super::super::store::{File, Key, Obj, Store};

/// Where the bytes that were given are, for whoever knows the name.
pub(crate) const ORIGINALS: &str = "/product_images/";

/// Largest image, in bytes.
const BYTES_MAX: usize = 8 << 20;
/// How many images a product may have.
const COUNT_MAX: usize = 1_000;

/// Fields of resized copies: name, and what the copy's address ends in.
const SIZES: &[(&str, &str)] = &[
    ("url_zoom", ".1280.1280.png"),
    ("url_standard", ".386.513.png"),
    ("url_thumbnail", ".220.290.png"),
    ("url_tiny", ".44.58.png"),
];

pub(crate) const RESOURCES: &[Resource] = &[Resource {
    kind: "image",
    path: "/v3/catalog/products/*/images",
    parent: "product",
    dates: Dates::Offset,
    omit: &["image_url"],
    rule,
    written: after,
    gone: |store, _, row| forget(store, row.text("image_file")),
    ..PLAIN
}];

pub(crate) const ROUTES: &[(&str, &str, Handler)] = &[
    ("POST", "/v3/catalog/products/*/images", create),
    ("PUT", "/v3/catalog/products/*/images/*", update),
    ("DELETE", "/v3/catalog/products/*/images/*", delete),
];

fn resource() -> Result<&'static Resource, Refusal> {
    of_kind("image").ok_or_else(Refusal::not_found)
}

/// The bytes at an address. Only this store's own addresses can be reached from here.
pub(crate) fn bytes_at(store: &Store, url: &str) -> Result<File, Refusal> {
    let path = url.strip_prefix(store.origin.as_str()).map(|path| path.split('?').next().unwrap_or(path));
    path.and_then(|path| store.files.get(path))
        .cloned()
        .ok_or_else(|| Refusal::field("image_url", "could not be downloaded"))
}

fn check(file: &File) -> Result<(), Refusal> {
    let bytes = file.bytes();
    if bytes.len() > BYTES_MAX {
        return Err(Refusal::field("image_file", format!("must have at most {BYTES_MAX} bytes")));
    }
    let kinds: &[&[u8]] = &[b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"#define"];
    if !kinds.iter().any(|kind| bytes.starts_with(kind)) {
        return Err(Refusal::field("image_file", "is no image"));
    }
    Ok(())
}

/// The bytes that a request gives: in a form, or by an address.
fn given(call: &Call<'_>, form_field: &str) -> Result<Option<(File, String)>, Refusal> {
    if let Some(form) = &call.form {
        let Some(part) = form.file(form_field) else { return Ok(None) };
        let bytes = File::Kept(Bytes::from(part.bytes.clone()));
        check(&bytes)?;
        return Ok(Some((bytes, part.file_name.clone().unwrap_or_else(|| "image.png".to_owned()))));
    }
    let Some(url) = call.body.get("image_url").and_then(Json::as_str) else { return Ok(None) };
    let bytes = bytes_at(call.store, url)?;
    check(&bytes)?;
    Ok(Some((bytes, url.rsplit('/').next().unwrap_or("image.png").to_owned())))
}

/// Keeps bytes under a new name, as the platform makes names: by folder, name and chance.
fn keep(store: &mut Store, bytes: File, name: &str) -> String {
    let letter = char::from(b'a' + u8::try_from(store.dice.below(26)).unwrap_or_default());
    let (number, moment) = (store.dice.below(900) + 100, store.dice.below(90_000) + 10_000);
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, "png"));
    let plain: String = stem
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter))
        .take(40)
        .collect();
    let file = format!("{letter}/{number}/{plain}__{moment}.{end}");
    store.files.insert(format!("{ORIGINALS}{file}"), bytes);
    file
}

/// Makes the resized copies of an original and gives their addresses.
fn resize(store: &mut Store, file: &str) -> Vec<(&'static str, String)> {
    let number = store.files.get(&format!("{ORIGINALS}{file}")).map_or(0, File::number);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned();
    let mut made = Vec::new();
    for (turn, (field, end)) in SIZES.iter().enumerate() {
        let path = format!("{ORIGINALS}resized/{stem}{end}");
        store.files.insert(path.clone(), File::Square(number.wrapping_add(turn as u64 + 1)));
        made.push((*field, format!("{}{path}", store.origin)));
    }
    made
}

fn forget(store: &mut Store, file: &str) {
    store.files.remove(&format!("{ORIGINALS}{file}"));
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    for (_, end) in SIZES {
        store.files.remove(&format!("{ORIGINALS}resized/{stem}{end}"));
    }
}

/// Forgets the one image of a brand or a category.
pub(crate) fn forget_url(store: &mut Store, url: &str) {
    let path = url.strip_prefix(store.origin.as_str()).map(str::to_owned);
    if let Some(path) = path {
        store.files.remove(&path);
    }
}

/// Takes the one image of a brand, a category, a variant or a value, and gives its address.
pub(crate) fn one(call: &mut Call<'_>, kind: &str) -> Result<String, Refusal> {
    one_named(call, kind, "image_file")
}

/// The same where the form calls the file by another name.
pub(crate) fn one_named(call: &mut Call<'_>, kind: &str, field: &str) -> Result<String, Refusal> {
    let (bytes, name) = given(call, field)?.ok_or_else(|| Refusal::field(field, "must be given"))?;
    let file = keep(call.store, bytes, &format!("{kind}-{name}"));
    Ok(format!("{}{ORIGINALS}{file}", call.store.origin))
}

/// Keeps bytes that the first state has.
pub(crate) fn seeded(store: &mut Store, number: u64, name: &str) -> String {
    let file = keep(store, File::Square(number), name);
    format!("{}{ORIGINALS}{file}", store.origin)
}

/// The fields of a form as a body has them.
fn form_fields(call: &Call<'_>) -> Result<Obj, Refusal> {
    let Some(form) = &call.form else { return Ok(call.object()) };
    let mut fields = Obj::new();
    for part in form.parts.iter().filter(|part| part.name != "image_file") {
        let text = String::from_utf8_lossy(&part.bytes).into_owned();
        let value = match part.name.as_str() {
            "is_thumbnail" => match text.as_str() {
                "true" | "1" => Json::Bool(true),
                "false" | "0" | "" => Json::Bool(false),
                _ => return Err(Refusal::field("is_thumbnail", "must be true or false")),
            },
            "sort_order" => Json::from(
                text.parse::<i64>().map_err(|_| Refusal::field("sort_order", "must be an integer"))?,
            ),
            _ => Json::from(text),
        };
        fields.insert(part.name.clone(), value);
    }
    Ok(fields)
}

fn rule(call: &mut Call<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    for name in ["image_url", "date_modified"] {
        draft.fields.shift_remove(name);
    }
    let Some(product) = draft.parent.clone() else { return Ok(()) };
    let others: Vec<(Key, bool)> = call
        .store
        .children("image", &product)
        .map(|(key, row)| (key.clone(), row.get("is_thumbnail") == &Json::Bool(true)))
        .collect();
    draft.fields.insert("product_id".to_owned(), product.json());
    if draft.is_new() {
        if others.len() >= COUNT_MAX {
            return Err(Refusal::field("", format!("A product has at most {COUNT_MAX} images.")));
        }
        // The first image of a product is its thumbnail, whatever the request says.
        if others.is_empty() {
            draft.fields.insert("is_thumbnail".to_owned(), Json::Bool(true));
        }
        draft.fields.entry("sort_order".to_owned()).or_insert(Json::from(others.len()));
    }
    Ok(())
}

/// Only one image is the thumbnail, and a place in the order that is taken moves the others on. The product is not
/// stamped as changed.
fn after(call: &mut Call<'_>, _: &'static Resource, key: &Key, given: &Obj, _: bool) -> Result<(), Refusal> {
    let Some(row) = call.store.get("image", key).cloned() else { return Ok(()) };
    let Some(product) = row.parent.clone() else { return Ok(()) };
    let others: Vec<Key> =
        call.store.child_keys("image", &product).into_iter().filter(|other| other != key).collect();
    if row.get("is_thumbnail") == &Json::Bool(true) {
        for other in &others {
            call.store.edit_silently("image", other, |row| {
                row.fields.insert("is_thumbnail".to_owned(), Json::Bool(false));
            });
        }
    }
    if given.contains_key("sort_order") {
        let place = row.get("sort_order").as_i64().unwrap_or_default();
        let taken = others.iter().any(|other| {
            call.store.get("image", other).is_some_and(|row| row.get("sort_order").as_i64() == Some(place))
        });
        for other in others.iter().filter(|_| taken) {
            call.store.edit_silently("image", other, |row| {
                let at = row.get("sort_order").as_i64().unwrap_or_default();
                if at >= place {
                    row.fields.insert("sort_order".to_owned(), Json::from(at + 1));
                }
            });
        }
    }
    Ok(())
}

fn place(call: &mut Call<'_>, key: &Key, bytes: File, name: &str) {
    if let Some(old) = call
        .store
        .get("image", key)
        .map(|row| row.text("image_file").to_owned())
        .filter(|old| !old.is_empty())
    {
        forget(call.store, &old);
    }
    let file = keep(call.store, bytes, name);
    let copies = resize(call.store, &file);
    call.store.edit_silently("image", key, |row| {
        row.fields.insert("image_file".to_owned(), Json::from(file.as_str()));
        for (field, url) in copies {
            row.fields.insert(field.to_owned(), Json::from(url));
        }
    });
}

fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = resource()?;
    let product = call.parent(resource)?;
    let (bytes, name) =
        given(call, "image_file")?.ok_or_else(|| Refusal::field("image_file", "must be given"))?;
    let fields = form_fields(call)?;
    let keys = add(call, resource, product.as_ref(), vec![fields])?;
    if let Some(key) = keys.first() {
        place(call, key, bytes, &name);
    }
    Ok(written(call, resource, &keys))
}

fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = resource()?;
    let key = call.item(resource)?;
    let bytes = given(call, "image_file")?;
    let fields = form_fields(call)?;
    let keys = change(call, resource, vec![(key, fields)])?;
    if let (Some((bytes, name)), Some(key)) = (bytes, keys.first()) {
        place(call, key, bytes, &name);
    }
    Ok(written(call, resource, &keys))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let resource = resource()?;
    let key = call.item(resource)?;
    let product = call.key(0);
    if let Some(row) = call.store.remove("image", &key) {
        let next = call.store.child_keys("image", &product).first().cloned();
        if row.get("is_thumbnail") == &Json::Bool(true)
            && let Some(next) = next
        {
            call.store.edit_silently("image", &next, |row| {
                row.fields.insert("is_thumbnail".to_owned(), Json::Bool(true));
            });
        }
    }
    Ok(Answer::empty(204))
}

/// Refuses images in a product's body that cannot be had.
pub(crate) fn check_riders(store: &Store, list: &[Json]) -> Result<(), Refusal> {
    for image in list.iter().filter(|image| image.get("id").is_none()) {
        let url = image.get("image_url").and_then(Json::as_str).unwrap_or_default();
        bytes_at(store, url).map_err(|_| Refusal::field("images.image_url", "could not be downloaded"))?;
    }
    Ok(())
}

/// Images in a product's body.
pub(crate) fn ride(call: &mut Call<'_>, product: &Key, list: &[Json]) -> Result<(), Refusal> {
    let resource = resource()?;
    for mut fields in list.iter().filter_map(Json::as_object).cloned() {
        let id = fields.shift_remove("id").and_then(|id| Key::of(&id));
        let own = id
            .filter(|id| call.store.get("image", id).is_some_and(|row| row.parent.as_ref() == Some(product)));
        let url = fields
            .shift_remove("image_url")
            .and_then(|url| url.as_str().map(str::to_owned))
            .unwrap_or_default();
        match own {
            Some(id) => {
                change(call, resource, vec![(id, fields)])?;
            }
            None => {
                let bytes = bytes_at(call.store, &url)?;
                for key in add(call, resource, Some(product), vec![fields])? {
                    place(call, &key, bytes.clone(), url.rsplit('/').next().unwrap_or("image.png"));
                }
            }
        }
    }
    Ok(())
}

/// An image that the first state has.
pub(crate) fn seed(
    call: &mut Call<'_>,
    product: &Key,
    fields: Obj,
    number: u64,
    name: &str,
) -> Result<(), Refusal> {
    let resource = resource()?;
    for key in add(call, resource, Some(product), vec![fields])? {
        place(call, &key, File::Square(number), name);
    }
    Ok(())
}
