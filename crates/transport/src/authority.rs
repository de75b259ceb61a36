//! Who makes the certificates of a cell.

use std::sync::Arc;
use std::time::Duration;

use domain::{Id128, KeyError, Role, ServiceId, SigningKey, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SanType, SignatureAlgorithm,
};
use time::OffsetDateTime;

use crate::identity::{Identity, IdentityError, Issued, NewKey};

/// So long a certificate is worth something, unless the authority is told otherwise.
pub const CERTIFICATE_TTL: Duration = Duration::from_secs(30 * 60);
/// Clocks of two machines may be apart by so much.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// So long an authority's own certificate is valid: as long as a process that has it may live.
const AUTHORITY_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// An uncompressed point of P-256 (SEC 1, 2.3.3) begins with this and has so many bytes.
const POINT: (u8, usize) = (4, 65);

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// What was shown is no public key of the one kind that there is.
    #[error("what was shown is no public key of P-256")]
    Key,
    /// It could not be made.
    #[error("a certificate could not be made: {0}")]
    Made(#[from] rcgen::Error),
    /// The time is none that a certificate can tell.
    #[error("the clock is at the end of time")]
    Time,
    /// The authority's own key pair.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Makes certificates for the processes of one cell.
pub struct Authority {
    cell: Id128,
    key: AuthorityKey,
    ttl: Duration,
}

impl Authority {
    /// The authority of a cell, whose certificates live so long.
    #[must_use]
    pub fn new(cell: Id128, key: Arc<dyn SigningKey>, ttl: Duration) -> Self {
        let public = key.public();
        Self { cell, key: AuthorityKey { key, public }, ttl }
    }

    /// A certificate for the holder of a key: who shows it is that role from then on.
    ///
    /// # Errors
    /// Why none was made.
    pub fn issue(&self, role: &Role, public: &[u8], now: Timestamp) -> Result<Issued, AuthorityError> {
        if (public.first().copied(), public.len()) != (Some(POINT.0), POINT.1) {
            return Err(AuthorityError::Key);
        }
        let id = ServiceId { cell: self.cell, role: role.clone() };
        let own = self.own(now)?;
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = valid(now, self.ttl)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, self.cell.to_string());
        params.distinguished_name.push(DnType::CommonName, id.role.to_string());
        params.subject_alt_names = vec![SanType::URI(id.to_string().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let authority = own.self_signed(&self.key)?;
        let issuer = Issuer::from_params(&own, &self.key);
        let certificate = params.signed_by(&ShownKey(public), &issuer)?;
        Ok(Issued::new(certificate.der(), authority.der(), self.ttl / 2))
    }

    /// A new key with a certificate for it, for a process that is the authority itself, and after how long the next is due.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn identity(&self, role: &Role, now: Timestamp) -> Result<(Identity, Duration), AuthorityError> {
        let key = NewKey::generate()?;
        let issued = self.issue(role, key.public(), now)?;
        Ok((key.with(&issued)?, issued.renew_after()))
    }

    /// The authority's own certificate, DER (RFC 5280): what others must have to believe those that it makes.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn certificate(&self, now: Timestamp) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.own(now)?.self_signed(&self.key)?.der().to_vec())
    }

    /// What the authority's own certificate says. It may be made anew at any time: name and key stay.
    fn own(&self, now: Timestamp) -> Result<CertificateParams, AuthorityError> {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = valid(now, AUTHORITY_TTL)?;
        params.distinguished_name = named(&format!("authority of {}", self.cell));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(params)
    }
}

/// The subject of a service's certificate, as text (RFC 2253): for whoever looks at that alone.
#[must_use]
pub fn subject(id: &ServiceId) -> String {
    format!("CN={},O={}", id.role, id.cell)
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// From when until when, for so long from now on.
fn valid(now: Timestamp, ttl: Duration) -> Result<(OffsetDateTime, OffsetDateTime), AuthorityError> {
    let at = |time: Result<Timestamp, _>| {
        let time = time.map_err(|_: jiff::Error| AuthorityError::Time)?;
        OffsetDateTime::from_unix_timestamp(time.as_second()).map_err(|_| AuthorityError::Time)
    };
    Ok((at(now.checked_sub(CLOCKS_APART))?, at(now.checked_add(ttl))?))
}

/// The authority's key, as the maker of certificates wants it. Ed25519 (RFC 8032, RFC 8410).
struct AuthorityKey {
    key: Arc<dyn SigningKey>,
    public: [u8; 32],
}

impl PublicKeyData for AuthorityKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for AuthorityKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signed = self.key.sign(message).map_err(|_: KeyError| rcgen::Error::RemoteKeyError);
        signed.map(Vec::from)
    }
}

/// A public key that somebody showed.
struct ShownKey<'a>(&'a [u8]);

impl PublicKeyData for ShownKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
