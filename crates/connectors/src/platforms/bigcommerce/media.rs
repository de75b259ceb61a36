//! Bytes beside the API.

use reqwest::header::CONTENT_TYPE;

use super::BigCommerce;
use super::assemble::ORIGINALS;
use crate::contract::{Fault, MediaBody, MediaSource};
use crate::engine::http::store_url;
use crate::engine::retry::TRIES_MAX;

/// Fetches bytes. A failure before the first byte is tried again; one in the middle is the caller's.
pub(super) async fn fetch(shop: &BigCommerce, source: &MediaSource) -> Result<MediaBody, Fault> {
    let url = if source.url.starts_with(ORIGINALS) {
        let mut url = shop.origin().await?;
        url.set_path(&source.url);
        url
    } else {
        store_url(&source.url)?
    };
    let mut tries = 0;
    loop {
        shop.client.count_request();
        let why = match shop.client.https().get_file(&url, "/{file}", "media").send().await {
            Ok(answer) if answer.status().is_success() => {
                let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let media_type = media_type.map(str::to_owned).or_else(|| source.media_type.clone());
                return Ok(MediaBody { size_bytes: answer.body_len(), media_type, bytes: answer.stream() });
            }
            Ok(answer) => {
                let status = answer.status();
                answer.leave().await?;
                if status.is_client_error() && status.as_u16() != 429 {
                    let pointer = &source.pointer;
                    return Err(Fault::Rejected(format!("the file at `{pointer}` is not there: {status}")));
                }
                format!("the file's server answered {status}")
            }
            Err(Fault::Unavailable(why)) => why,
            Err(fault) => return Err(fault),
        };
        tries += 1;
        if tries >= TRIES_MAX {
            return Err(Fault::Unavailable(why));
        }
        shop.client.back_off(tries).await;
    }
}
