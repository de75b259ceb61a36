//! How a process that has none gets a certificate: over a pair of sockets, of which whoever holds the other end knows whose
//! this one is. One line there, one line back.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::Stream;
use crate::identity::{Identity, IdentityError, Issued, NewKey};

/// No line is longer, in bytes.
const LINE_LEN_MAX: u64 = 64 * 1024;

/// Why a process got no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The other end is gone, or says nothing that is understood.
    #[error("no certificate was got")]
    Broken(#[from] io::Error),
    /// Whoever is at the other end is not the vault of this cell, or the two clocks are apart.
    #[error("no certificate was got: the other end is not to be believed")]
    Distrusted(#[source] rustls::Error),
    /// It was refused.
    #[error("no certificate was got: {0}")]
    Refused(String),
    /// What was got cannot be used.
    #[error(transparent)]
    Unusable(#[from] IdentityError),
    /// The cell's authority, as it was told, is none.
    #[error("the cell's authority is not to be believed: {0}")]
    Authority(#[from] rustls::Error),
}

#[derive(Serialize, Deserialize)]
struct Asked {
    /// A public key, as base64.
    public: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Issued(Issued),
    Refused(String),
}

pub(crate) async fn say(stream: &mut impl Stream, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}

pub(crate) async fn hear<T: for<'de> Deserialize<'de>>(stream: &mut impl Stream) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_LEN_MAX)).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}

/// Makes a key, and asks for a certificate for it. Answers who this process is from then on, and after how long it is to ask
/// again.
///
/// # Errors
/// Why there is none.
pub async fn ask(mut stream: impl Stream) -> Result<(Identity, Duration), EnrolError> {
    let key = NewKey::generate()?;
    say(&mut stream, &Asked { public: STANDARD.encode(key.public()) }).await?;
    match hear(&mut stream).await? {
        Answer::Issued(issued) => Ok((key.with(&issued)?, issued.renew_after())),
        Answer::Refused(why) => Err(EnrolError::Refused(why)),
    }
}

/// Answers one who asks, with what `issue` makes for the public key that is shown, or with why it makes nothing.
///
/// # Errors
/// When the other end is gone, or says nothing that is understood.
pub async fn answer<F>(mut stream: impl Stream, issue: impl FnOnce(Vec<u8>) -> F) -> io::Result<()>
where
    F: Future<Output = Result<Issued, String>>,
{
    let Asked { public } = hear(&mut stream).await?;
    let answer = match STANDARD.decode(public) {
        Err(error) => Answer::Refused(error.to_string()),
        Ok(public) => issue(public).await.map_or_else(Answer::Refused, Answer::Issued),
    };
    say(&mut stream, &answer).await
}
