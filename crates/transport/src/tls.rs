//! Mutual TLS 1.3 between processes of one cell: whose certificates are believed, and which role each end must have.

use std::sync::{Arc, LazyLock};

use domain::{Clock, Role, ServiceId};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    RootCertStore, ServerConfig, SignatureScheme,
};
use webpki::{EndEntityCert, KeyUsage};

use crate::edges::may_connect;
use crate::identity::Identity;

/// What is spoken inside: HTTP/2 (RFC 9113).
const ALPN: &[u8] = b"h2";
/// What is spoken by whoever has no certificate yet: see [`crate::hosts`].
pub(crate) const JOIN_ALPN: &[u8] = b"caretaker-join-1";

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Why the other end is not spoken to, though an authority of the cell vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    /// It has another name than a SPIFFE id of a service, or more than one.
    #[error("its certificate names no service")]
    Nameless,
    /// It is of another cell.
    #[error("it is `{0}`, of another cell")]
    OtherCell(ServiceId),
    /// It is somebody else than was expected, or may not connect.
    #[error("it is `{0}`, and may not {1}")]
    Role(ServiceId, String),
}

impl From<Stranger> for Error {
    fn from(stranger: Stranger) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(stranger))))
    }
}

/// Whom a certificate names. Nothing is proven by that.
pub(crate) fn service(certificate: &CertificateDer<'_>) -> Result<ServiceId, Error> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let mut names = parsed.valid_uri_names();
    match (names.next().map(str::parse), names.next()) {
        (Some(Ok(id)), None) => Ok(id),
        _ => Err(Stranger::Nameless.into()),
    }
}

/// The clock of the process, as TLS asks for it.
#[derive(Debug)]
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

/// At which end of a connection the other one is.
#[derive(Debug, Clone)]
enum Other {
    /// It connected to this process.
    Caller,
    /// This process connects to it, and it must have that role.
    Callee(Role),
    /// This process has no certificate yet, and asks the vault for one.
    Vault,
}

/// Checks who the other end is.
#[derive(Debug)]
struct Check {
    own: ServiceId,
    authorities: Arc<RootCertStore>,
    other: Other,
    /// Whether whoever shows no certificate is spoken to: about how to get one.
    strangers: bool,
}

impl Check {
    fn new(identity: &Identity, other: Other, strangers: bool) -> Arc<Self> {
        let (own, authorities) = (identity.id.clone(), Arc::clone(&identity.authorities));
        Arc::new(Self { own, authorities, other, strangers })
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let usage = match &self.other {
            Other::Caller => KeyUsage::client_auth(),
            Other::Callee(_) | Other::Vault => KeyUsage::server_auth(),
        };
        let algorithms = provider().signature_verification_algorithms.all;
        let chain = parsed.verify_for_usage(
            algorithms,
            &self.authorities.roots,
            intermediates,
            now,
            usage,
            None,
            None,
        );
        chain.map_err(untrusted)?;
        let id = service(certificate)?;
        if id.cell != self.own.cell {
            return Err(Stranger::OtherCell(id).into());
        }
        let (refused, why) = match &self.other {
            Other::Caller => {
                (!may_connect(&id.role, &self.own.role), format!("connect to `{}`", self.own.role))
            }
            Other::Vault => (id.role != Role::Vault, format!("stand for `{}`", Role::Vault)),
            Other::Callee(role) => {
                (id.role != *role || !may_connect(&self.own.role, role), format!("stand for `{role}`"))
            }
        };
        if refused { Err(Stranger::Role(id, why).into()) } else { Ok(()) }
    }
}

/// Why no authority of the cell vouches for a certificate now.
fn untrusted(error: webpki::Error) -> CertificateError {
    match error {
        webpki::Error::CertExpired { time, not_after } => {
            CertificateError::ExpiredContext { time, not_after }
        }
        webpki::Error::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        webpki::Error::UnknownIssuer | webpki::Error::CaUsedAsEndEntity => CertificateError::UnknownIssuer,
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
}

fn holds(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
}

/// TLS 1.2 is not spoken.
fn never() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
}

impl ClientCertVerifier for Check {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        !self.strangers
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// How connections are taken, also of strangers or not. A session is never resumed: each is looked at anew.
pub(crate) fn accepting(
    identity: &Identity,
    strangers: bool,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, Error> {
    let time = Arc::new(Time(Arc::clone(clock)));
    let mut config = ServerConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Check::new(identity, Other::Caller, strangers))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.key))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.alpn_protocols.extend(strangers.then(|| JOIN_ALPN.to_vec()));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// How a connection to a process of that role is made.
pub(crate) fn connecting(
    identity: &Identity,
    to: &Role,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, Error> {
    let time = Arc::new(Time(Arc::clone(clock)));
    let mut config = ClientConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Check::new(identity, Other::Callee(to.clone()), false))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.key))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// How whoever has no certificate yet connects to the vault of its cell: it believes that authority.
pub(crate) fn joining(
    own: ServiceId,
    authorities: Arc<RootCertStore>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, Error> {
    let time = Arc::new(Time(Arc::clone(clock)));
    let check = Check { own, authorities, other: Other::Vault, strangers: false };
    let mut config = ClientConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check))
        .with_no_client_auth();
    config.alpn_protocols = vec![JOIN_ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}
