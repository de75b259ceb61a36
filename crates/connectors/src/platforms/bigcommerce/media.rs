//! Bytes beside the API.

use super::BigCommerce;
use super::assemble::ORIGINALS;
use crate::contract::{Fault, MediaBody, MediaSource};
use crate::engine::files;
use crate::engine::http::store_url;

/// Fetches bytes.
pub(super) async fn fetch(shop: &BigCommerce, source: &MediaSource) -> Result<MediaBody, Fault> {
    let url = if source.url.starts_with(ORIGINALS) {
        let mut url = shop.origin().await?;
        url.set_path(&source.url);
        url
    } else {
        store_url(&source.url)?
    };
    let client = &shop.client;
    files::fetch(client.https(), &url, source, || client.count_request(), |again| client.back_off(again))
        .await
}
