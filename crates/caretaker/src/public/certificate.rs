//! A certificate with its private key, as files have them, and whether it fits: whoever reads it here finds out what browsers would
//! find out later.

use std::time::Duration;

use domain::Timestamp;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;

use super::name::PublicUrl;

/// RSA keys have so many bits at least.
const RSA_BITS_MIN: usize = 2_048;
/// So many names that it is for instead are told of.
const NAMES_MAX: usize = 5;
/// The end of a certificate that somebody renews by hand is told of so long before.
const ALARM_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Why a certificate is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// The file could not be had.
    #[error("it could not be read")]
    Unread(#[from] std::io::Error),
    /// Everybody on this machine could be the public endpoint.
    #[error("everybody on this machine can read the private key: take that right away (`chmod o-rwx`)")]
    Open,
    /// There is none.
    #[error("there is no certificate in it, in PEM")]
    NoCertificate,
    /// There is no key.
    #[error("there is no private key in it, in PEM; one that a passphrase seals cannot be used")]
    NoKey,
    /// It makes no sense.
    #[error("it cannot be understood")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its key, or that of an authority in its chain, can be broken.
    #[error("an RSA key in it has {0} bits, and {RSA_BITS_MIN} are the least")]
    Weak(usize),
    /// The two do not belong together.
    #[error("the private key is another one's than the certificate's")]
    OtherKey,
    /// Nobody believes it any more.
    #[error("it ended at {0}")]
    Ended(Timestamp),
    /// Nobody believes it yet.
    #[error("it is worth nothing before {0}")]
    Early(Timestamp),
    /// It proves another name.
    #[error("it is not for `{wanted}`, but for {found}")]
    OtherName { wanted: String, found: String },
}

fn malformed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Unfit {
    Unfit::Malformed(error.into())
}

/// Who says so of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// Somebody puts another file in its place.
    ByHand,
    /// A process of the cell asks for the next one, once two thirds of its life are over.
    ByItself,
}

/// A certificate that fits, with its key.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(super) certified: CertifiedKey,
    begins: Timestamp,
    ends: Timestamp,
    serial: String,
}

impl Certificate {
    /// Reads a certificate with its chain, and its private key. They may stand in one file.
    ///
    /// # Errors
    /// Why it does not fit now, for that name.
    pub(crate) fn read(
        certificate: &[u8],
        key: &[u8],
        url: &PublicUrl,
        now: Timestamp,
    ) -> Result<Self, Unfit> {
        let chain = chain(certificate)?;
        for link in &chain {
            is_strong(&parsed(link)?)?;
        }
        let certified = pair(chain, key)?;
        certified.keys_match().map_err(|_| Unfit::OtherKey)?;
        let own = certified.end_entity_cert().map_err(malformed)?;
        let read = parsed(own)?;
        let at = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp());
        let begins = at(read.validity().not_before).map_err(malformed)?;
        let ends = at(read.validity().not_after).map_err(malformed)?;
        if ends < now {
            return Err(Unfit::Ended(ends));
        }
        if now < begins {
            return Err(Unfit::Early(begins));
        }
        is_for(own, &read, url)?;
        let serial = read.tbs_certificate.raw_serial_as_string();
        Ok(Self { certified, begins, ends, serial })
    }

    /// When it ends.
    pub(crate) fn ends(&self) -> Timestamp {
        self.ends
    }

    /// From when on its end is to be told of. One that is renewed by itself was due before: then a quarter of its life is left.
    pub(crate) fn alarm_from(&self, renewed: Renewed) -> Timestamp {
        let part = match renewed {
            Renewed::ByHand => self.life() / 3,
            Renewed::ByItself => self.life() / 4,
        };
        self.before_end(part.min(ALARM_BEFORE))
    }

    /// From when on the next one is due: two thirds of its life are over.
    pub(crate) fn due_from(&self) -> Timestamp {
        self.before_end(self.life() / 3)
    }

    /// How long it is worth something in all.
    pub(crate) fn life(&self) -> Duration {
        Duration::try_from(self.ends.duration_since(self.begins)).unwrap_or_default()
    }

    fn before_end(&self, time: Duration) -> Timestamp {
        self.ends.checked_sub(time).unwrap_or(self.begins)
    }
}

/// Which it is, on the record.
impl std::fmt::Display for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "serial number {}, from {} to {}", self.serial, self.begins, self.ends)
    }
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unfit> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(malformed)?;
    if chain.is_empty() { Err(Unfit::NoCertificate) } else { Ok(chain) }
}

fn pair(chain: Vec<CertificateDer<'static>>, key: &[u8]) -> Result<CertifiedKey, Unfit> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        pem::Error::NoItemsFound => Unfit::NoKey,
        error => malformed(error),
    })?;
    let provider = aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(key).map_err(malformed)?;
    Ok(CertifiedKey::new(chain, key))
}

/// What one text has, whatever it says: what an authority wants to see is no certificate that anybody else would believe.
pub(super) fn pair_of(text: &[u8]) -> Result<CertifiedKey, Unfit> {
    pair(chain(text)?, text)
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Unfit> {
    match x509_parser::parse_x509_certificate(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err(malformed("something stands behind the certificate")),
        Err(error) => Err(malformed(error)),
    }
}

fn is_strong(certificate: &X509Certificate<'_>) -> Result<(), Unfit> {
    match certificate.public_key().parsed().map_err(malformed)? {
        PublicKey::RSA(key) if bits(key.modulus) < RSA_BITS_MIN => Err(Unfit::Weak(bits(key.modulus))),
        _ => Ok(()),
    }
}

/// How long a number is, whatever zeros stand before it.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    (number.len() - zeros) * 8 - first
}

fn is_for(own: &CertificateDer<'_>, read: &X509Certificate<'_>, url: &PublicUrl) -> Result<(), Unfit> {
    let name = url.server_name().ok_or_else(|| malformed("the public address has no host"))?;
    let parsed = ParsedCertificate::try_from(own).map_err(malformed)?;
    if verify_server_name(&parsed, &name).is_ok() {
        return Ok(());
    }
    let names = read.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let names: Vec<String> = names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(format!("`{name}`")),
            _ => None,
        })
        .take(NAMES_MAX)
        .collect();
    let found = if names.is_empty() { "no host".to_owned() } else { names.join(", ") };
    Err(Unfit::OtherName { wanted: name.to_str().into_owned(), found })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
