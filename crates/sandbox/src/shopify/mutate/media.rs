//! Files: staged uploads, files made from them, and the media of products.

use serde_json::{Map, Value as Json, json};

use super::refs::refs;
use super::{Call, Errors, Outcome, Row, list, moves, refuse, text};
use crate::secret::fresh;
use crate::shopify::files::{FILE_KINDS, FILES, Staged, generated};
use crate::shopify::running::lock;
use crate::shopify::store::{Later, Store};
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

const ALT_MAX: usize = 512;
/// How many variants one call may show media with.
const VARIANT_PAIRS_MAX: usize = 100;

pub(super) const ROWS: &[Row] = &[
    ("stagedUploadsCreate", stage),
    ("fileCreate", create),
    ("fileUpdate", update),
    ("fileDelete", delete),
    ("productCreateMedia", create_media),
    ("productReorderMedia", reorder),
    ("productVariantAppendMedia", |store, call| variant_media(store, call, true)),
    ("productVariantDetachMedia", |store, call| variant_media(store, call, false)),
];

fn stage(_: &mut Store, call: &Call<'_>) -> Outcome {
    let mut targets = Vec::new();
    let mut errors = Errors::default();
    for (index, input) in call.list("input").iter().filter_map(Json::as_object).enumerate() {
        let filename = text(input, "filename").unwrap_or_default();
        let mime_type = text(input, "mimeType").unwrap_or_default();
        let resource = text(input, "resource").unwrap_or_default();
        if matches!(resource, "VIDEO" | "MODEL_3D") && input.get("fileSize").is_none() {
            errors.add(
                &["input", &index.to_string(), "fileSize"],
                "File size is required for videos and models",
                "INVALID",
            );
            continue;
        }
        let name = fresh(&call.shop.rng, "");
        let name = format!(
            "{name}-{}",
            filename.replace(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c)), "_")
        );
        lock(&call.shop.uploads)
            .staged
            .insert(name.clone(), Staged { mime_type: mime_type.to_owned(), bytes: None });
        let url = format!("{}/uploads/{name}", call.shop.base_url);
        let parameter =
            |name: &'static str, value: &str| Val::from(obj! { "name": name, "value": Val::text(value) });
        let parameters = if text(input, "httpMethod") == Some("POST") || resource == "BULK_MUTATION_VARIABLES"
        {
            vec![parameter("key", &format!("uploads/{name}")), parameter("Content-Type", mime_type)]
        } else {
            vec![parameter("content_type", mime_type), parameter("acl", "private")]
        };
        targets.push(Val::from(
            obj! { "url": Val::text(&url), "resourceUrl": Val::text(&url), "parameters": parameters },
        ));
    }
    errors.payload(obj! { "stagedTargets": targets })
}

/// What a file becomes, by its declared type or its name.
fn kind_of(content_type: Option<&str>, mime_type: &str) -> Kind {
    match content_type {
        Some("IMAGE") => Kind::MediaImage,
        Some("VIDEO") => Kind::Video,
        Some("MODEL_3D") => Kind::Model3d,
        Some("EXTERNAL_VIDEO") => Kind::ExternalVideo,
        Some("FILE") => Kind::GenericFile,
        _ if mime_type.starts_with("image/") => Kind::MediaImage,
        _ if mime_type.starts_with("video/") => Kind::Video,
        _ => Kind::GenericFile,
    }
}

fn mime_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        "glb" => "model/gltf-binary",
        _ => "application/octet-stream",
    }
}

/// A path below the files that no other file has.
fn free_path(store: &Store, filename: &str) -> String {
    let clean: String = filename
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' })
        .collect();
    let taken = |path: &str| FILE_KINDS.iter().any(|kind| store.by_key(*kind, path).is_some());
    let path = format!("{FILES}{clean}");
    if !taken(&path) {
        return path;
    }
    let (stem, end) = clean
        .rsplit_once('.')
        .map_or((clean.as_str(), String::new()), |(stem, end)| (stem, format!(".{end}")));
    (1_u32..).map(|n| format!("{FILES}{stem}_{n}{end}")).find(|path| !taken(path)).unwrap_or(path)
}

/// What a file is made from.
struct Source {
    /// None for an address elsewhere, which is not fetched: such a file gets bytes made from its name.
    bytes: Option<bytes::Bytes>,
    mime_type: String,
    name: String,
}

/// Reads a source: a staged upload, a file of this store, or an address elsewhere.
fn source_of(store: &Store, source: &str, call: &Call<'_>) -> Result<Source, String> {
    let base = format!("{}/", call.shop.base_url);
    let own = source.strip_prefix(&base);
    let last = source.split('?').next().unwrap_or(source).rsplit('/').next().unwrap_or("file");
    if let Some(staged) = own.and_then(|path| path.strip_prefix("uploads/")) {
        let uploads = lock(&call.shop.uploads);
        let Some(found) = uploads.staged.get(staged) else {
            return Err("The staged upload does not exist.".to_owned());
        };
        let Some(bytes) = found.bytes.clone() else {
            return Err("Nothing was uploaded to the staged target.".to_owned());
        };
        let name = staged.split_once('-').map_or(staged, |(_, name)| name).to_owned();
        return Ok(Source { bytes: Some(bytes), mime_type: found.mime_type.clone(), name });
    }
    let (mime_type, name) = (mime_of(last).to_owned(), last.to_owned());
    if let Some(path) = own.filter(|path| path.starts_with(FILES.trim_start_matches('/'))) {
        let path = format!("/{}", path.split('?').next().unwrap_or(path));
        // A file that was deleted has left its address.
        if !FILE_KINDS.iter().any(|kind| store.by_key(*kind, &path).is_some()) {
            return Err("Image URL is invalid".to_owned());
        }
        let bytes = lock(&call.shop.uploads).files.get(&path).cloned();
        let bytes = bytes.unwrap_or_else(|| generated(&path, store.seed).into());
        return Ok(Source { bytes: Some(bytes), mime_type, name });
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        return Ok(Source { bytes: None, mime_type, name });
    }
    Err("Image URL is invalid".to_owned())
}

/// Makes a file from a source.
pub(crate) fn make(
    store: &mut Store,
    source: &str,
    filename: Option<&str>,
    content_type: Option<&str>,
    alt: Option<&str>,
    call: &Call<'_>,
) -> Result<Gid, String> {
    let Source { bytes, mime_type, name } = source_of(store, source, call)?;
    let kind = kind_of(content_type, &mime_type);
    if kind == Kind::ExternalVideo {
        return Ok(store.insert(
            kind,
            obj! { "originUrl": Val::text(source), "embedUrl": Val::text(source), "alt": alt.map(Val::text) },
        ));
    }
    let path = free_path(store, filename.unwrap_or(&name));
    let size = bytes.as_ref().map_or(0, |bytes| bytes.len());
    if let Some(bytes) = bytes {
        lock(&call.shop.uploads).files.insert(path.clone(), bytes);
    }
    let mut file = obj! {
        "url": Val::text(format!("{path}?v={}", store.now)),
        "mimeType": Val::text(&mime_type),
        "alt": alt.map(Val::text),
        "originalFileSize": size,
        "filename": Val::text(path.strip_prefix(FILES).unwrap_or(&path)),
    };
    if kind == Kind::MediaImage {
        file.set("width", i64::from(crate::png::SIDE));
        file.set("height", i64::from(crate::png::SIDE));
    }
    if !store.job_time.is_zero() {
        let ready = store.now + i64::try_from(store.job_time.as_secs()).unwrap_or(0).max(1);
        file.set("readyAt", Val::Time(ready));
    }
    Ok(store.insert(kind, file))
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let mut errors = Errors::default();
    let inputs: Vec<&Map<String, Json>> = call.list("files").iter().filter_map(Json::as_object).collect();
    for (index, input) in inputs.iter().enumerate() {
        let at = index.to_string();
        if text(input, "alt").is_some_and(|alt| alt.chars().count() > ALT_MAX) {
            errors.add(
                &["files", &at, "alt"],
                format!("The alt value exceeds the maximum limit of {ALT_MAX} characters."),
                "ALT_VALUE_LIMIT_EXCEEDED",
            );
        }
        let source = text(input, "originalSource").unwrap_or_default();
        if !source.starts_with("https://") && !source.starts_with("http://") {
            errors.add(&["files", &at, "originalSource"], "Image URL is invalid", "INVALID_IMAGE_SOURCE_URL");
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let mut files = Vec::new();
    for (index, input) in inputs.into_iter().enumerate() {
        let source = text(input, "originalSource").unwrap_or_default();
        match make(
            store,
            source,
            text(input, "filename"),
            text(input, "contentType"),
            text(input, "alt"),
            call,
        ) {
            Ok(gid) => files.push(gid),
            Err(message) => errors.add(
                &["files", &index.to_string(), "originalSource"],
                message,
                "INVALID_IMAGE_SOURCE_URL",
            ),
        }
    }
    errors.beside(obj! { "files": files })
}

fn is_file(gid: Gid) -> bool {
    FILE_KINDS.contains(&gid.kind())
}

/// Whether a file is processed. One that is not can be neither changed nor shown.
fn is_ready(store: &Store, file: Gid) -> bool {
    store.get(file).is_some_and(|file| file.int("readyAt").is_none_or(|ready| ready <= store.now))
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let mut errors = Errors::default();
    let inputs: Vec<&Map<String, Json>> = call.list("files").iter().filter_map(Json::as_object).collect();
    let mut plans = Vec::new();
    for (index, input) in inputs.into_iter().enumerate() {
        let at = index.to_string();
        let path = ["files", at.as_str()];
        let gid = text(input, "id").and_then(Gid::parse).filter(|gid| is_file(*gid) && store.has(*gid));
        let Some(gid) = gid else {
            errors.add(
                &[path.as_slice(), &["id"]].concat(),
                "File id does not exist.",
                "FILE_DOES_NOT_EXIST",
            );
            continue;
        };
        if !is_ready(store, gid) {
            errors.add(&["files"], "Non-ready files cannot be updated.", "NON_READY_STATE");
        }
        if let Some(source) = text(input, "originalSource")
            && let Err(message) = source_of(store, source, call)
        {
            let path = [path.as_slice(), &["originalSource"]].concat();
            errors.add(&path, message, "INVALID_IMAGE_SOURCE_URL");
        }
        let mut products = |name: &str| {
            let path = [path.as_slice(), &[name]].concat();
            let code = "REFERENCE_TARGET_DOES_NOT_EXIST";
            refs(store, &[Kind::Product], list(input, name).unwrap_or_default(), &path, code, &mut errors)
        };
        let (added, removed) = (products("referencesToAdd"), products("referencesToRemove"));
        plans.push((gid, input, added, removed));
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let mut changed = Vec::new();
    for (gid, input, added, removed) in plans {
        if let Some(source) = text(input, "originalSource")
            && let Ok(fresh) = make(store, source, text(input, "filename"), None, None, call)
        {
            // The new bytes take the place of the old ones; the file keeps its id.
            let new = store.get(fresh).map(|file| Obj::clone(file)).unwrap_or_default();
            store.remove(fresh);
            store.edit(gid, |file| {
                for name in ["url", "mimeType", "originalFileSize", "filename", "width", "height"] {
                    let value = new.get(name).cloned();
                    if let (Some(name), Some(value)) = (crate::shopify::schema::intern(name), value) {
                        file.set(name, value);
                    }
                }
            });
        }
        if let Some(alt) = input.get("alt") {
            store.edit(gid, |file| file.set("alt", alt.as_str().map(Val::text)));
        }
        for product in added {
            add_to_product(store, product, gid);
        }
        for product in removed {
            store.edit(product, |product| {
                product.edit_list("media", |media| media.retain(|one| one.as_gid() != Some(gid)));
            });
        }
        changed.push(gid);
    }
    errors.payload(obj! { "files": changed })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let gids: Vec<Option<Gid>> = call
        .list("fileIds")
        .iter()
        .map(|id| Gid::parse(id.as_str()?).filter(|gid| is_file(*gid) && store.has(*gid)))
        .collect();
    if gids.contains(&None) {
        return refuse(&["fileIds"], "File id does not exist.", "FILE_DOES_NOT_EXIST");
    }
    let gids: Vec<Gid> = gids.into_iter().flatten().collect();
    let holders: Vec<Gid> = store
        .table(Kind::Product)
        .rows
        .iter()
        .chain(store.table(Kind::ProductVariant).rows.iter())
        .filter(|(_, product)| {
            product.list("media").iter().filter_map(Val::as_gid).any(|gid| gids.contains(&gid))
        })
        .map(|(number, product)| {
            Gid::new(
                if product.get("product").is_some() { Kind::ProductVariant } else { Kind::Product },
                *number,
            )
        })
        .collect();
    for holder in holders {
        store.edit(holder, |product| {
            product.edit_list("media", |media| {
                media.retain(|one| !one.as_gid().is_some_and(|gid| gids.contains(&gid)));
            });
        });
    }
    for gid in &gids {
        let path = store.get(*gid).and_then(|file| file.str("url")).and_then(|url| url.split('?').next());
        if let Some(path) = path {
            lock(&call.shop.uploads).files.remove(path);
        }
        store.remove(*gid);
    }
    let deleted: Vec<Val> = gids.into_iter().map(Val::Id).collect();
    Errors::default().payload(obj! { "deletedFileIds": deleted })
}

/// Puts a file at the end of a product's media, once.
pub(super) fn add_to_product(store: &mut Store, product: Gid, file: Gid) {
    if store
        .get(product)
        .is_some_and(|product| product.list("media").iter().any(|one| one.as_gid() == Some(file)))
    {
        return;
    }
    store.edit(product, |product| product.edit_list("media", |media| media.push(Val::Ref(file))));
}

/// The file that an input names by id, or a new one from its source.
pub(super) fn find_or_make(store: &mut Store, input: &Map<String, Json>, call: &Call<'_>) -> Option<Gid> {
    if let Some(gid) = text(input, "id").and_then(Gid::parse).filter(|gid| is_file(*gid) && store.has(*gid)) {
        if let Some(alt) = input.get("alt") {
            store.edit(gid, |file| file.set("alt", alt.as_str().map(Val::text)));
        }
        return Some(gid);
    }
    let source = text(input, "originalSource")?;
    let content_type = text(input, "contentType").or_else(|| text(input, "mediaContentType"));
    make(store, source, text(input, "filename"), content_type, text(input, "alt"), call).ok()
}

/// Checks files before anything is written: each names a file that exists, or a source that can be read.
pub(super) fn check_files(
    store: &Store,
    files: &[Json],
    call: &Call<'_>,
    path: &[&str],
    errors: &mut Errors,
) {
    for (index, input) in files.iter().filter_map(Json::as_object).enumerate() {
        check_file(store, input, call, &[path, &[&index.to_string()]].concat(), errors);
    }
}

/// The same for one file.
pub(super) fn check_file(
    store: &Store,
    input: &Map<String, Json>,
    call: &Call<'_>,
    path: &[&str],
    errors: &mut Errors,
) {
    if let Some(id) = text(input, "id") {
        if Gid::parse(id).is_none_or(|gid| !is_file(gid) || !store.has(gid)) {
            errors.add(&[path, &["id"]].concat(), "File id does not exist.", "INVALID_INPUT");
        }
    } else {
        let source = text(input, "originalSource").unwrap_or_default();
        check_source(store, source, call, &[path, &["originalSource"]].concat(), errors);
    }
}

/// The same for one source.
pub(super) fn check_source(store: &Store, source: &str, call: &Call<'_>, path: &[&str], errors: &mut Errors) {
    if let Err(message) = source_of(store, source, call) {
        errors.add(path, message, "INVALID_INPUT");
    }
}

/// Adds media to a product; they were checked ([`check_files`]).
pub(super) fn attach(store: &mut Store, product: Gid, media: &[Json], call: &Call<'_>) {
    for input in media.iter().filter_map(Json::as_object) {
        if let Some(file) = find_or_make(store, input, call) {
            add_to_product(store, product, file);
        }
    }
}

/// Makes a product have exactly these media; they were checked ([`check_files`]).
pub(super) fn set_files(store: &mut Store, product: Gid, files: &[Json], call: &Call<'_>) {
    let files: Vec<Gid> = files
        .iter()
        .filter_map(Json::as_object)
        .filter_map(|input| find_or_make(store, input, call))
        .collect();
    store.edit_silently(product, |product| product.set("media", files));
}

fn create_media(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(product) = call.gid(store, Kind::Product, "productId") else {
        return Ok(
            obj! { "mediaUserErrors": one_error("productId", "Product does not exist", "PRODUCT_DOES_NOT_EXIST"), "userErrors": Vec::<Val>::new() },
        );
    };
    let mut errors = Errors::default();
    check_files(store, call.list("media"), call, &["media"], &mut errors);
    if !errors.none() {
        return Ok(obj! { "mediaUserErrors": errors.0, "userErrors": Vec::<Val>::new() });
    }
    let mut made = Vec::new();
    for input in call.list("media").iter().filter_map(Json::as_object) {
        if let Some(file) = find_or_make(store, input, call) {
            add_to_product(store, product, file);
            made.push(file);
        }
    }
    Ok(
        obj! { "media": made, "product": product, "mediaUserErrors": Vec::<Val>::new(), "userErrors": Vec::<Val>::new() },
    )
}

fn one_error(field: &str, message: &str, code: &'static str) -> Vec<Val> {
    vec![Val::from(obj! { "field": Val::texts([field]), "message": Val::text(message), "code": code })]
}

fn reorder(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(product) = call.gid(store, Kind::Product, "id") else {
        return Ok(
            obj! { "mediaUserErrors": one_error("id", "Product does not exist", "PRODUCT_DOES_NOT_EXIST") },
        );
    };
    let moves = moves(call.list("moves"));
    let mut order: Vec<Gid> = store
        .get(product)
        .map(|product| product.list("media").iter().filter_map(Val::as_gid).collect())
        .unwrap_or_default();
    if moves.iter().any(|(gid, _)| !order.contains(gid)) {
        return Ok(
            obj! { "mediaUserErrors": one_error("moves", "Media does not exist on the given product", "MEDIA_DOES_NOT_EXIST_ON_PRODUCT") },
        );
    }
    super::apply_moves(&mut order, &moves);
    store.edit(product, |product| product.set("media", order));
    let job = store.start_job(Later::Nothing);
    Ok(obj! { "job": job, "mediaUserErrors": Vec::<Val>::new() })
}

/// Shows media of a product with its variants, or no longer.
fn variant_media(store: &mut Store, call: &Call<'_>, attach: bool) -> Outcome {
    let Some(product) = call.gid(store, Kind::Product, "productId") else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let of = |name: &str| -> Vec<Gid> {
        store
            .get(product)
            .map(|product| product.list(name).iter().filter_map(Val::as_gid).collect())
            .unwrap_or_default()
    };
    let (variants, media) = (of("variants"), of("media"));
    let mut errors = Errors::default();
    if call.list("variantMedia").len() > VARIANT_PAIRS_MAX {
        let message = format!("Exceeded the maximum of {VARIANT_PAIRS_MAX} variant media pairs per call");
        return refuse(&["variantMedia"], message, "MAXIMUM_VARIANT_MEDIA_PAIRS_EXCEEDED");
    }
    let shown = |variant: Gid| -> Vec<Gid> {
        store
            .get(variant)
            .map(|variant| variant.list("media").iter().filter_map(Val::as_gid).collect())
            .unwrap_or_default()
    };
    let mut plans: Vec<(Gid, Vec<Gid>)> = Vec::new();
    for (index, one) in call.list("variantMedia").iter().filter_map(Json::as_object).enumerate() {
        let at = index.to_string();
        let variant = text(one, "variantId").and_then(Gid::parse).filter(|gid| variants.contains(gid));
        let wanted: Vec<Option<Gid>> = list(one, "mediaIds")
            .unwrap_or_default()
            .iter()
            .map(|id| Gid::parse(id.as_str()?).filter(|gid| media.contains(gid)))
            .collect();
        match variant {
            None => errors.add(
                &["variantMedia", &at, "variantId"],
                "Variant does not exist on the specified product",
                "PRODUCT_VARIANT_DOES_NOT_EXIST_ON_PRODUCT",
            ),
            Some(_) if wanted.contains(&None) => errors.add(
                &["variantMedia", &at, "mediaIds"],
                "Media does not exist on the given product",
                "MEDIA_DOES_NOT_EXIST_ON_PRODUCT",
            ),
            Some(_) if wanted.len() > 1 => errors.add(
                &["variantMedia", &at, "mediaIds"],
                "Only one mediaId is allowed per input pair",
                "TOO_MANY_MEDIA_PER_INPUT_PAIR",
            ),
            Some(variant) if plans.iter().any(|(other, _)| *other == variant) => errors.add(
                &["variantMedia", &at, "variantId"],
                "Variant is specified multiple times",
                "PRODUCT_VARIANT_SPECIFIED_MULTIPLE_TIMES",
            ),
            Some(variant) if attach && !shown(variant).is_empty() => errors.add(
                &["variantMedia", &at, "variantId"],
                "Variant already has attached media",
                "PRODUCT_VARIANT_ALREADY_HAS_MEDIA",
            ),
            Some(variant) => {
                let wanted: Vec<Gid> = wanted.into_iter().flatten().collect();
                if attach && wanted.iter().any(|file| !is_ready(store, *file)) {
                    let message = "Non-ready media cannot be attached to variants";
                    errors.add(&["variantMedia", &at, "mediaIds"], message, "NON_READY_MEDIA");
                } else if !attach && wanted.iter().any(|file| !shown(variant).contains(file)) {
                    let message = "The media is not attached to the variant";
                    errors.add(
                        &["variantMedia", &at, "mediaIds"],
                        message,
                        "MEDIA_IS_NOT_ATTACHED_TO_VARIANT",
                    );
                } else {
                    plans.push((variant, wanted));
                }
            }
        }
    }
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let changed: Vec<Gid> = plans.iter().map(|(variant, _)| *variant).collect();
    for (variant, wanted) in plans {
        store.edit(variant, |variant| {
            variant.edit_list("media", |own| {
                own.retain(|one| !one.as_gid().is_some_and(|gid| wanted.contains(&gid)));
                if attach {
                    own.extend(wanted.into_iter().map(Val::Ref));
                }
            });
        });
    }
    store.touch(product);
    errors.payload(obj! { "product": product, "productVariants": changed })
}

/// The variables that a bulk mutation reads, from the path that its staged upload was given.
pub(super) fn staged_text(call: &Call<'_>, path: &str) -> Option<String> {
    let name = path.strip_prefix("uploads/").or_else(|| path.rsplit('/').next())?;
    let bytes = lock(&call.shop.uploads).staged.get(name)?.bytes.clone()?;
    String::from_utf8(bytes.to_vec()).ok()
}

/// Kept beside the table: a bulk mutation's answer to one line.
pub(super) fn line(answer: &Json, number: usize) -> String {
    let mut answer = answer.clone();
    if let Some(map) = answer.as_object_mut() {
        map.insert("__lineNumber".to_owned(), json!(number));
    }
    answer.to_string()
}
