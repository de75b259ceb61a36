//! Who a process is: a key of its own, and a short-lived certificate for it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::pkcs8::Document;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Clock, ServiceId};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::tls;

/// A certificate that could not be had is asked for again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Why a process has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A key could not be made.
    #[error("a key could not be made")]
    Key,
    /// What was issued is no certificate for this key.
    #[error("what was issued is no certificate for this key: {0}")]
    Issued(String),
}

/// A key that was just made, and has no certificate yet. ECDSA over P-256 (FIPS 186-5).
pub struct NewKey {
    pair: EcdsaKeyPair,
    document: Document,
}

/// What an authority answers to whoever shows it a public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The certificate, DER (RFC 5280), as base64.
    certificate: String,
    /// The authority's own certificate, DER, as base64: whoever else has one of it may be spoken to.
    authority: String,
    /// After so many seconds a new one is to be asked for.
    renew_after_seconds: u64,
}

impl Issued {
    pub(crate) fn new(certificate: &[u8], authority: &[u8], renew_after: Duration) -> Self {
        Self {
            certificate: STANDARD.encode(certificate),
            authority: STANDARD.encode(authority),
            renew_after_seconds: renew_after.as_secs(),
        }
    }

    /// After so long a new one is to be asked for.
    pub(crate) fn renew_after(&self) -> Duration {
        Duration::from_secs(self.renew_after_seconds)
    }
}

impl NewKey {
    /// Makes one.
    ///
    /// # Errors
    /// [`IdentityError::Key`] when the machine's cryptography fails.
    pub fn generate() -> Result<Self, IdentityError> {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document =
            EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(|_| IdentityError::Key)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).map_err(|_| IdentityError::Key)?;
        Ok(Self { pair, document })
    }

    /// The public half: an uncompressed point (SEC 1), 65 bytes.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The key with its certificate.
    ///
    /// # Errors
    /// [`IdentityError::Issued`] when the certificate is not this key's, or none that names a service.
    pub fn with(self, issued: &Issued) -> Result<Identity, IdentityError> {
        let refused = |why: &dyn fmt::Display| IdentityError::Issued(why.to_string());
        let der =
            |text: &str| STANDARD.decode(text).map(CertificateDer::from).map_err(|error| refused(&error));
        let (certificate, authority) = (der(&issued.certificate)?, der(&issued.authority)?);
        let id = tls::service(&certificate).map_err(|error| refused(&error))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.document.as_ref().to_vec()));
        let key = CertifiedKey::from_der(vec![certificate.clone()], key, &tls::provider())
            .map_err(|error| refused(&error))?;
        let mut authorities = RootCertStore::empty();
        authorities.add(authority.clone()).map_err(|error| refused(&error))?;
        let own = Own { certificate, document: self.document };
        Ok(Identity {
            id,
            key: Arc::new(key),
            authority,
            authorities: Arc::new(authorities),
            own: Arc::new(own),
        })
    }
}

/// Who a process is, and whose certificates it believes.
#[derive(Clone)]
pub struct Identity {
    /// Its name.
    pub id: ServiceId,
    pub(crate) key: Arc<CertifiedKey>,
    authority: CertificateDer<'static>,
    pub(crate) authorities: Arc<RootCertStore>,
    own: Arc<Own>,
}

/// What an identity is made of.
struct Own {
    certificate: CertificateDer<'static>,
    document: Document,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A certificate with its key as PEM (RFC 7468), for a library that speaks TLS by itself. It is never shown, and wiped when it is
/// dropped; what the library copies is the library's.
pub struct ClientPem {
    /// The certificate.
    pub certificate: String,
    key: Zeroizing<String>,
}

impl ClientPem {
    /// The private key, PKCS#8.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.key
    }
}

impl Identity {
    /// What it takes to be this one towards somebody outside of the cell, who is spoken to by a library of its own.
    #[must_use]
    pub fn client_pem(&self) -> ClientPem {
        let key = Zeroizing::new(pem("PRIVATE KEY", self.own.document.as_ref()));
        ClientPem { certificate: certificate_pem(&self.own.certificate), key }
    }

    /// The certificate of its cell's authority, DER (RFC 5280).
    #[must_use]
    pub fn authority(&self) -> &[u8] {
        &self.authority
    }

    /// Whether a text as PEM has a certificate of the authority that made this one. Of several that it made of itself, each will do.
    #[must_use]
    pub fn is_of(&self, text: &str) -> bool {
        let known = CertificateDer::pem_slice_iter(text.as_bytes()).flatten();
        let known = known
            .filter_map(|other| webpki::anchor_from_trusted_cert(&other).ok().map(|known| known.to_owned()));
        known.into_iter().any(|known| {
            self.authorities.roots.iter().any(|own| {
                own.subject == known.subject && own.subject_public_key_info == known.subject_public_key_info
            })
        })
    }
}

/// A certificate as PEM (RFC 7468).
#[must_use]
pub fn certificate_pem(der: &[u8]) -> String {
    pem(CERTIFICATE, der)
}

/// What PEM calls a certificate.
const CERTIFICATE: &str = "CERTIFICATE";
/// So many letters of base64 are on one line of PEM.
const LINE_LEN: usize = 64;

fn pem(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Long enough from the beginning: a text that moves leaves a copy behind.
    let mut text = String::with_capacity(body.len() + body.len() / LINE_LEN + 2 * label.len() + 40);
    text += &format!("-----BEGIN {label}-----\n");
    let mut rest = &**body;
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(LINE_LEN));
        text += line;
        text.push('\n');
        rest = next;
    }
    text + &format!("-----END {label}-----\n")
}

/// The identity of a process as it is now. Connections that are made from then on show a new one; those that stand go on.
#[derive(Debug, Clone)]
pub struct Identities(Arc<RwLock<Arc<Identity>>>);

impl Identities {
    /// Begins with one.
    #[must_use]
    pub fn new(first: Identity) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(first))))
    }

    /// The newest.
    #[must_use]
    pub fn newest(&self) -> Arc<Identity> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes another into use.
    pub fn replace(&self, next: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// Has another in time, over and over: `obtain` gets it, and after how long the next is due. Never ends; whoever runs it
    /// drops it.
    ///
    /// Where it cannot be had, the one that there is stays, and it is asked for again soon.
    pub async fn keep_fresh<F, E>(&self, mut due: Duration, clock: Arc<dyn Clock>, obtain: impl Fn() -> F)
    where
        F: Future<Output = Result<(Identity, Duration), E>>,
        E: fmt::Display,
    {
        loop {
            clock.sleep(due).await;
            due = match obtain().await {
                Ok((identity, due)) => {
                    self.replace(identity);
                    due
                }
                Err(error) => {
                    tracing::warn!("a certificate could not be renewed: {error}");
                    ASK_AGAIN
                }
            };
        }
    }
}
