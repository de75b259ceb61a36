//! Bytes beside the API: pictures and files, and uploads.

use reqwest::multipart::{Form, Part};

use super::Shopify;
use crate::contract::{Fault, MediaBody, MediaSource};
use crate::engine::files;
use crate::engine::http::store_url;

/// Fetches bytes.
pub(super) async fn fetch(shop: &Shopify, source: &MediaSource) -> Result<MediaBody, Fault> {
    let (client, url) = (&shop.client, store_url(&source.url)?);
    files::fetch(client.https(), &url, source, || client.count_request(), |again| client.back_off(again))
        .await
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
