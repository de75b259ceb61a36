//! How a process on another host gets a certificate: it connects to the vault, and shows none.
//!
//! The vault shows its own, so that whoever connects knows from the first byte that it is the vault of their cell: an invitation
//! has the cell's authority in it. First the host joins: it says the invitation's secret, which is good once, and the public half
//! of a key that it made. From then on that key's signature is worth a certificate. What is signed is bound to the connection
//! (RFC 9266: a value that both ends of TLS 1.3 derive, and nobody else), so that no signature is of use elsewhere.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Clock, ServiceId, SigningKey};
use futures::future::BoxFuture;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::{TlsConnector, client, server};
use zeroize::Zeroizing;

use crate::Stream;
use crate::channel::tls_error;
use crate::enrol::{EnrolError, hear, say};
use crate::identity::{Identity, IdentityError, Issued, NewKey};
use crate::tls;

/// What is signed begins with this, so that no other signature of the key can stand for it.
const CERTIFY: &[u8] = b"caretaker-host-1";
/// The label under which both ends derive what binds to their connection (RFC 9266, 4.1).
const BINDING: &[u8] = b"EXPORTER-Channel-Binding";

/// What a host knows of its cell before it has a certificate.
#[derive(Debug, Clone)]
pub struct Expects {
    /// Who it would be, of which cell.
    pub own: ServiceId,
    /// The certificate of the cell's authority, DER (RFC 5280).
    pub authority: Vec<u8>,
}

/// Whoever says which hosts belong to a cell.
pub trait Admits: Send + Sync + std::fmt::Debug {
    /// Takes a host in that knows an invitation's secret. From then on it has that public key (Ed25519, 32 bytes).
    fn join(&self, secret: Zeroizing<Vec<u8>>, key: [u8; 32]) -> BoxFuture<'_, Result<(), String>>;

    /// A certificate for a process of the host that has proven to have that key; the public half of the process's own is the
    /// second.
    fn certify(&self, key: [u8; 32], public: Vec<u8>) -> BoxFuture<'_, Result<Issued, String>>;
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    Join { secret: String, key: String },
    Certify { key: String, public: String, signature: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Joined,
    Issued(Issued),
    Refused(String),
}

/// What is signed for a certificate.
pub(crate) fn signed(binding: &[u8; 32], public: &[u8]) -> Vec<u8> {
    [CERTIFY, binding, public].concat()
}

fn unbound(error: rustls::Error) -> io::Error {
    io::Error::other(error)
}

/// Connects to the vault of this cell, without a certificate.
///
/// # Errors
/// [`EnrolError::Distrusted`] where whoever answers is not that.
#[doc(hidden)]
pub async fn connect<S: Stream>(
    stream: S,
    expects: &Expects,
    clock: &Arc<dyn Clock>,
) -> Result<client::TlsStream<S>, EnrolError> {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from(expects.authority.clone()))?;
    let config = tls::joining(expects.own.clone(), Arc::new(authorities), clock)?;
    // Who it is stands in its certificate; it has no name besides.
    let name = ServerName::try_from("cell.invalid").map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| match tls_error(&error) {
        Some(distrusted) => EnrolError::Distrusted(distrusted.clone()),
        None => error.into(),
    })
}

/// Has this host taken into its cell: it knows an invitation's secret, and has that key from then on.
///
/// # Errors
/// Why it is not: also where whoever answers is not the vault of that cell.
pub async fn join(
    stream: impl Stream,
    expects: &Expects,
    (secret, key): (&[u8], &dyn SigningKey),
    clock: &Arc<dyn Clock>,
) -> Result<(), EnrolError> {
    let mut stream = connect(stream, expects, clock).await?;
    let secret = STANDARD.encode(secret);
    say(&mut stream, &Asked::Join { secret, key: STANDARD.encode(key.public()) }).await?;
    match hear(&mut stream).await? {
        Answer::Joined => Ok(()),
        Answer::Refused(why) => Err(EnrolError::Refused(why)),
        Answer::Issued(_) => Err(EnrolError::Refused("the vault answers what it was not asked".to_owned())),
    }
}

/// Makes a key for this process, and asks for a certificate for it, with the key of its host. Answers who this process is from
/// then on, and after how long it is to ask again.
///
/// # Errors
/// Why there is none: also where whoever answers is not the vault of that cell.
pub async fn certify(
    stream: impl Stream,
    expects: &Expects,
    host: &dyn SigningKey,
    clock: &Arc<dyn Clock>,
) -> Result<(Identity, Duration), EnrolError> {
    let mut stream = connect(stream, expects, clock).await?;
    let key = NewKey::generate()?;
    let asked = asks(&stream, host, key.public())?;
    stream.write_all(asked.as_bytes()).await?;
    stream.flush().await?;
    match hear(&mut stream).await? {
        Answer::Issued(issued) => Ok((key.with(&issued)?, issued.renew_after())),
        Answer::Refused(why) => Err(EnrolError::Refused(why)),
        Answer::Joined => Err(EnrolError::Refused("the vault answers what it was not asked".to_owned())),
    }
}

/// What is said over a connection to get a certificate for a key, whose public half that is.
///
/// # Errors
/// When the machine's cryptography fails.
#[doc(hidden)]
pub fn asks<S>(
    stream: &client::TlsStream<S>,
    host: &dyn SigningKey,
    public: &[u8],
) -> Result<String, EnrolError> {
    let binding = stream.get_ref().1.export_keying_material([0; 32], BINDING, None)?;
    let signature = host.sign(&signed(&binding, public)).map_err(|_| IdentityError::Key)?;
    let asked = Asked::Certify {
        key: STANDARD.encode(host.public()),
        public: STANDARD.encode(public),
        signature: STANDARD.encode(signature),
    };
    Ok(serde_json::to_string(&asked).map_err(io::Error::from)? + "\n")
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| error.to_string())
}

/// A public key of a host.
fn host_key(text: &str) -> Result<[u8; 32], String> {
    decoded(text)?.try_into().map_err(|_| "what was shown is no public key of Ed25519".to_owned())
}

async fn decide(asked: Asked, binding: &[u8; 32], admits: &dyn Admits) -> Result<Answer, String> {
    match asked {
        Asked::Join { secret, key } => {
            admits.join(Zeroizing::new(decoded(&secret)?), host_key(&key)?).await?;
            Ok(Answer::Joined)
        }
        Asked::Certify { key, public, signature } => {
            let (key, public) = (host_key(&key)?, decoded(&public)?);
            let holds = UnparsedPublicKey::new(&ED25519, key)
                .verify(&signed(binding, &public), &decoded(&signature)?);
            holds.map_err(|_| "the signature is not that of the host's key".to_owned())?;
            admits.certify(key, public).await.map(Answer::Issued)
        }
    }
}

/// Whether somebody joins who says that, and the signature with which they ask for a certificate.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) async fn asked(line: &[u8], binding: &[u8; 32], admits: &dyn Admits) -> (bool, Vec<u8>) {
    let Ok(asked) = serde_json::from_slice::<Asked>(line) else { return (false, Vec::new()) };
    let signature = match &asked {
        Asked::Certify { signature, .. } => decoded(signature).unwrap_or_default(),
        Asked::Join { .. } => Vec::new(),
    };
    (decide(asked, binding, admits).await.is_ok(), signature)
}

/// What hosts say, over a connection with that value.
#[cfg(test)]
pub(crate) fn said(host: &dyn SigningKey, binding: &[u8; 32]) -> Vec<Vec<u8>> {
    let (key, public) = (STANDARD.encode(host.public()), [4; 65]);
    let signature =
        host.sign(&signed(binding, &public)).map(|signature| STANDARD.encode(signature)).unwrap_or_default();
    let join = Asked::Join { secret: STANDARD.encode([1; 32]), key: key.clone() };
    let certify = Asked::Certify { key, public: STANDARD.encode(public), signature };
    [join, certify].iter().filter_map(|asked| serde_json::to_vec(asked).ok()).collect()
}

/// Answers one who has connected without a certificate.
pub(crate) async fn answer(
    mut stream: server::TlsStream<impl Stream>,
    admits: &dyn Admits,
) -> io::Result<()> {
    let binding = stream.get_ref().1.export_keying_material([0; 32], BINDING, None).map_err(unbound)?;
    let asked = hear(&mut stream).await?;
    let answer = decide(asked, &binding, admits).await.unwrap_or_else(Answer::Refused);
    say(&mut stream, &answer).await
}
