//! Bytes: staged uploads, and the files that the store serves.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Multipart, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::fault::FaultKind;
use super::running::{Shop, lock};
use super::server::{HTTP_FAULTS, play};
use super::value::Kind;
use crate::https::cut_body;
use crate::png;

/// Staged uploads by name, and the bytes of files that were made from them by path.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    pub(crate) staged: HashMap<String, Staged>,
    pub(crate) files: HashMap<String, Bytes>,
}

/// One staged upload: promised, then filled.
#[derive(Debug, Default, Clone)]
pub(crate) struct Staged {
    pub(crate) mime_type: String,
    pub(crate) bytes: Option<Bytes>,
}

/// The place of a file among all files of a store.
pub(crate) const FILES: &str = "/cdn/shop/files/";

/// The kinds whose objects are files.
pub(crate) const FILE_KINDS: &[Kind] =
    &[Kind::MediaImage, Kind::Video, Kind::Model3d, Kind::ExternalVideo, Kind::GenericFile];

pub(crate) async fn put_upload(
    State(shop): State<Arc<Shop>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    take(&shop, &name, body)
}

pub(crate) async fn post_upload(
    State(shop): State<Arc<Shop>>,
    Path(name): Path<String>,
    mut form: Multipart,
) -> Response {
    loop {
        match form.next_field().await {
            Ok(Some(field)) if field.name() == Some("file") => match field.bytes().await {
                Ok(bytes) => return take(&shop, &name, bytes),
                Err(_) => return StatusCode::BAD_REQUEST.into_response(),
            },
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return StatusCode::BAD_REQUEST.into_response(),
        }
    }
}

fn take(shop: &Shop, name: &str, bytes: Bytes) -> Response {
    if let Some(fault) = lock(&shop.faults).hit(&["upload"], HTTP_FAULTS) {
        return play(shop, fault);
    }
    match lock(&shop.uploads).staged.get_mut(name) {
        Some(staged) => {
            staged.bytes = Some(bytes);
            StatusCode::CREATED.into_response()
        }
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

pub(crate) async fn get_file(State(shop): State<Arc<Shop>>, Path(name): Path<String>) -> Response {
    let fault = lock(&shop.faults).hit(&["cdn"], &[HTTP_FAULTS, &[FaultKind::CutBody]].concat());
    if let Some(fault) = fault.filter(|fault| HTTP_FAULTS.contains(fault)) {
        return play(&shop, fault);
    }
    let Some((bytes, mime_type)) = bytes_of(&shop, &name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    shop.counters.bytes_sent.fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
    let response = ([(header::CONTENT_TYPE, mime_type)], bytes.clone()).into_response();
    if fault == Some(FaultKind::CutBody) { cut_body(response, &bytes) } else { response }
}

/// The bytes of a file that exists: uploaded ones, else an image made from its name.
fn bytes_of(shop: &Shop, name: &str) -> Option<(Bytes, String)> {
    let path = format!("{FILES}{name}");
    let (mime_type, seed) = {
        let store = shop.store.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let gid = FILE_KINDS.iter().find_map(|kind| store.by_key(*kind, &path))?;
        let mime_type = store.get(gid)?.str("mimeType").unwrap_or("image/png").to_owned();
        (mime_type, store.seed)
    };
    if let Some(bytes) = lock(&shop.uploads).files.get(&path) {
        return Some((bytes.clone(), mime_type));
    }
    Some((Bytes::from(generated(&path, seed)), mime_type))
}

/// The image under a path that was never uploaded.
pub(crate) fn generated(path: &str, seed: u64) -> Vec<u8> {
    let number = path.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    png::square(number)
}
