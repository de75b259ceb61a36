//! Bytes beside the API: pictures and files.

use futures::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::http::Https;
use super::retry::TRIES_MAX;
use crate::contract::{Fault, MediaBody, MediaSource};

/// Fetches bytes. A failure before the first byte is tried again, after `back_off`; one in the middle is the caller's.
/// `count` is told of each request.
///
/// # Errors
/// [`Fault::Rejected`] where there is no such file, [`Fault::Unavailable`] where it cannot be had now.
pub(crate) async fn fetch(
    https: &Https,
    url: &Url,
    source: &MediaSource,
    count: impl Fn(),
    back_off: impl Fn(u32) -> BoxFuture<'static, ()>,
) -> Result<MediaBody, Fault> {
    let mut tries = 0;
    loop {
        count();
        let why = match https.get_file(url, "/{file}", "media").send().await {
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
        back_off(tries).await;
    }
}
