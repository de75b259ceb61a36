//! Bytes beside the API: pictures and files, and uploads.

use reqwest::header::CONTENT_TYPE;
use reqwest::multipart::{Form, Part};

use super::Shopify;
use crate::contract::{Fault, MediaBody, MediaSource};
use crate::engine::http::store_url;
use crate::engine::retry::TRIES_MAX;

/// Fetches bytes. A failure before the first byte is tried again; one in the middle is the caller's.
pub(super) async fn fetch(shop: &Shopify, source: &MediaSource) -> Result<MediaBody, Fault> {
    let url = store_url(&source.url)?;
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

/// Uploads bytes as a form whose last field is the file.
pub(super) async fn upload(
    shop: &Shopify,
    url: &str,
    parameters: &[(String, String)],
    bytes: bytes::Bytes,
) -> Result<(), Fault> {
    let url = store_url(url)?;
    let name = parameters
        .iter()
        .find(|(name, _)| name == "key")
        .and_then(|(_, key)| key.rsplit('/').next())
        .unwrap_or("file")
        .to_owned();
    let form =
        parameters.iter().fold(Form::new(), |form, (name, value)| form.text(name.clone(), value.clone()));
    let form = form.part("file", Part::stream(bytes).file_name(name));
    shop.client.count_request();
    let request = shop.client.https().post_file(&url, "/{upload}", "staged upload").multipart(form);
    let answer = request.send().await?;
    let status = answer.status();
    answer.leave().await?;
    let told = || format!("the upload was answered with {status}");
    match status {
        _ if status.is_success() => Ok(()),
        _ if status.is_server_error() => Err(Fault::Unavailable(told())),
        _ => Err(Fault::Rejected(told())),
    }
}
