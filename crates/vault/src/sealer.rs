//! Whoever seals root keys outside: in a PKCS#11 token, or at a key management service.
//!
//! The vault's process opens no socket and loads no foreign code. Another speaks for it to the token or the service, and answers it over a
//! pair of sockets that nobody else has an end of; it may live as short as one answer.

pub use way::SealWay;

pub(crate) mod kms;
mod sigv4;
mod token;
mod way;

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Clock, Id128, Region};
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::key_bytes;
use crate::encoding::HexBytes;
use crate::error::{Told, VaultError, VaultErrorKind};
use crate::root_seal::SealedBy;
use crate::secret::KeyBytes;

pub(crate) use kms::KmsKey;
pub(crate) use token::TokenKey;

/// Longest time for an answer. A person may have to type a PIN first.
const ANSWER_MAX: Duration = Duration::from_secs(180);
/// Longest message, in bytes.
const MESSAGE_LEN_MAX: u32 = 64 * 1024;
/// What a root key is bound to outside, beside its vault and region. Part of the format.
const PURPOSE: &str = "root-key";

/// The key that has sealed a root key, as it stands in the vault's file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutsideKey {
    Pkcs11(TokenKey),
    Kms(KmsKey),
}

impl From<&OutsideKey> for SealedBy {
    fn from(key: &OutsideKey) -> Self {
        match key {
            OutsideKey::Pkcs11(TokenKey { token, key, .. }) => {
                Self::Pkcs11 { token: token.clone(), key: key.clone() }
            }
            OutsideKey::Kms(KmsKey { key, .. }) => Self::Kms { key: key.clone() },
        }
    }
}

/// Why a token or a service does not do it. What a caller does next is the same as with a vault.
#[derive(Debug)]
struct SealError {
    kind: VaultErrorKind,
    why: String,
}

impl SealError {
    fn new(kind: VaultErrorKind, why: impl Into<String>) -> Self {
        Self { kind, why: why.into() }
    }

    /// What was given does not fit.
    fn usage(why: impl Into<String>) -> Self {
        Self::new(VaultErrorKind::Usage, why)
    }

    /// There is no such token, key or file.
    fn missing(why: impl Into<String>) -> Self {
        Self::new(VaultErrorKind::NotFound, why)
    }

    fn refused(why: impl Into<String>) -> Self {
        Self::new(VaultErrorKind::Refused, why)
    }

    /// It does not answer, or not as it should: another try may do.
    fn failed(why: impl Into<String>) -> Self {
        Self::new(VaultErrorKind::Failed, why)
    }
}

impl From<VaultError> for SealError {
    fn from(error: VaultError) -> Self {
        let Told { kind, text } = error.to_told();
        Self { kind, why: text }
    }
}

/// A way that was gone: who answers there.
trait Seals {
    /// Seals a root key. Answers by which key, too.
    fn seal(&mut self, vault: Id128, root: &[u8]) -> Result<(OutsideKey, Vec<u8>), SealError>;

    /// Opens what was sealed by that key.
    fn unseal(
        &mut self,
        vault: Id128,
        by: &OutsideKey,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError>;
}

/// What is asked of a sealer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    Seal { vault: Id128, root: HexBytes },
    Unseal { vault: Id128, by: OutsideKey, sealed: HexBytes },
}

/// What it answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Sealed { by: OutsideKey, sealed: HexBytes },
    Unsealed { root: HexBytes },
    Failed(Told),
}

fn send(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    serde_json::to_writer(&mut *bytes, message)?;
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&len.to_be_bytes())?;
    stream.write_all(&bytes)
}

/// Waits for a message. `None` once the other end is gone.
fn receive<M: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<Option<M>> {
    let mut len = [0; 4];
    match stream.read_exact(&mut len) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let len = u32::from_be_bytes(len);
    if len > MESSAGE_LEN_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(len).map_err(io::Error::other)?]);
    stream.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Whoever finds a sealer when one is needed.
pub type FindsSealer = Box<dyn Fn() -> BoxFuture<'static, io::Result<Sealer>> + Send + Sync>;

/// A token or a service, to which somebody at the other end of a pair of sockets speaks.
pub struct Sealer(Mutex<UnixStream>);

impl Sealer {
    /// The one at the other end, where [`serve_sealer`] answers.
    ///
    /// # Errors
    /// When no time can be set for its answers.
    pub fn over(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(Self(Mutex::new(stream)))
    }

    fn ask(&self, question: &Question) -> Result<Answer, VaultError> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = send(&mut stream, question).and_then(|()| receive(&mut stream));
        match answer {
            Ok(Some(Answer::Failed(told))) => Err(VaultError::Told(told)),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(VaultError::Sealer("its process has ended".into())),
            Err(error) => Err(VaultError::Sealer(error.to_string())),
        }
    }

    /// Seals a root key. Answers by which key, too.
    pub(crate) fn seal(&self, vault: Id128, root: &KeyBytes) -> Result<(OutsideKey, HexBytes), VaultError> {
        match self.ask(&Question::Seal { vault, root: root.into() })? {
            Answer::Sealed { by, sealed } => Ok((by, sealed)),
            _ => Err(misunderstood()),
        }
    }

    /// Opens a root key that was sealed by that key.
    pub(crate) fn unseal(
        &self,
        vault: Id128,
        by: &OutsideKey,
        sealed: &[u8],
    ) -> Result<KeyBytes, VaultError> {
        match self.ask(&Question::Unseal { vault, by: by.clone(), sealed: sealed.into() })? {
            Answer::Unsealed { root } => key_bytes(root.as_ref()).ok_or_else(misunderstood),
            _ => Err(misunderstood()),
        }
    }
}

fn misunderstood() -> VaultError {
    VaultError::Sealer("it answers something else than it was asked".into())
}

/// Asks a person for something, by that prompt.
pub type Ask<'a> = &'a dyn Fn(&str) -> io::Result<String>;

/// Goes a way and answers a [`Sealer`] at the other end of the pair, until that is gone. `region` is the cell's; `ask` asks a
/// person for what no file gives.
///
/// # Errors
/// When the pair of sockets fails. What the token or the service does not do is an answer.
pub fn serve_sealer(
    mut stream: UnixStream,
    way: &SealWay,
    region: &Region,
    clock: &Arc<dyn Clock>,
    ask: Ask<'_>,
) -> io::Result<()> {
    let mut opened: Option<Box<dyn Seals>> = None;
    while let Some(question) = receive(&mut stream)? {
        let seals = match opened.take() {
            Some(seals) => Ok(seals),
            None => way.open(region, clock, ask),
        };
        let answered = seals.and_then(|seals| answer(&mut **opened.insert(seals), question));
        let answer = answered.unwrap_or_else(|SealError { kind, why }| {
            Answer::Failed(Told { kind, text: format!("`{way}`: {why}") })
        });
        send(&mut stream, &answer)?;
    }
    Ok(())
}

fn answer(seals: &mut dyn Seals, question: Question) -> Result<Answer, SealError> {
    match question {
        Question::Seal { vault, root } => {
            let (by, sealed) = seals.seal(vault, root.as_ref())?;
            Ok(Answer::Sealed { by, sealed: sealed.into() })
        }
        Question::Unseal { vault, by, sealed } => {
            Ok(Answer::Unsealed { root: seals.unseal(vault, &by, sealed.as_ref())?.into() })
        }
    }
}

/// Refuses what was sealed for another region.
fn check_region(own: &Region, sealed: &Region) -> Result<(), SealError> {
    if own == sealed {
        return Ok(());
    }
    Err(SealError::refused(format!("the root key is sealed for the region `{sealed}`, and this is `{own}`")))
}
