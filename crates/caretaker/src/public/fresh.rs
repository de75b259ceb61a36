//! The newest certificate that fits: whoever connects is shown it from the next handshake on, and connections that are there go on.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use domain::{AuditError, AuditEvent, AuditSink, Clock, Operation, Outcome, Principal, Timestamp};
use futures::future::BoxFuture;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::certificate::{Certificate, Renewed, Unfit, pair_of};
use super::given::Part;
use super::name::PublicUrl;

/// So often it is looked whether there is another.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A file that was changed within so many seconds may be in the middle of it: what is seen of it then is not taken for all.
const SETTLES_S: i64 = 2;
/// The longest file with a certificate or a key, in bytes.
pub(crate) const FILE_LEN_MAX: u64 = 256 * 1024;
/// What is spoken, the best first: HTTP/2 (RFC 9113) and HTTP/1.1 (RFC 9112).
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
/// What an authority speaks that wants to see the challenge (RFC 8737).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";
/// Everybody else.
const OTHERS: u32 = 0o007;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Opens parts of the public endpoint.
pub(crate) type Opens = Arc<dyn Fn(Part) -> BoxFuture<'static, io::Result<OwnedFd>> + Send + Sync>;

/// What is shown to whoever connects; `None` as long as there is nothing.
pub(super) type Shown = Option<Arc<ServerConfig>>;

/// Which state of a file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    place: (u64, u64),
    changed: (i64, i64),
    len: u64,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let told = file.metadata()?;
        let changed = (told.ctime(), told.ctime_nsec());
        Ok(Self { place: (told.dev(), told.ino()), changed, len: told.len() })
    }

    fn is_settled(&self, now: Timestamp) -> bool {
        self.changed.0.saturating_add(SETTLES_S) < now.as_second()
    }
}

/// Reads a file of a certificate or a key.
pub(crate) fn read_whole(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::new());
    if file.take(FILE_LEN_MAX + 1).read_to_end(&mut text)? as u64 > FILE_LEN_MAX {
        return Err(io::Error::other(format!("it is longer than {FILE_LEN_MAX} bytes")));
    }
    Ok(text)
}

/// What was told of the certificate in use.
struct InUse {
    certificate: Certificate,
    /// With so many days left its end was told of.
    told: Option<u64>,
}

/// Looks after the certificate.
pub(super) struct Fresh {
    opens: Opens,
    url: PublicUrl,
    renewed: Renewed,
    audit: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
    /// The files as they were when they were last read to their end.
    seen: Option<(Stamp, Stamp)>,
    /// Why what is there is not used, as it was told.
    unfit: String,
    used: Option<InUse>,
    shown: watch::Sender<Shown>,
}

/// What whoever looks finds.
enum Found {
    Same,
    New(Box<Certificate>),
}

impl Fresh {
    pub(super) fn new(
        opens: Opens,
        (url, renewed): (PublicUrl, Renewed),
        audit: Arc<dyn AuditSink>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (seen, unfit, used, shown) = (None, String::new(), None, watch::Sender::new(None));
        Self { opens, url, renewed, audit, clock, seen, unfit, used, shown }
    }

    pub(super) fn shown(&self) -> watch::Receiver<Shown> {
        self.shown.subscribe()
    }

    /// Uses what is there.
    ///
    /// # Errors
    /// Why it does not fit.
    pub(super) async fn begin(&mut self) -> Result<(), Unfit> {
        if let Found::New(certificate) = self.find().await? {
            self.take(*certificate).await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Looks for another certificate, and tells of the end of the one in use, for good.
    ///
    /// # Errors
    /// When that cannot be recorded: nothing goes on then.
    pub(super) async fn keep(mut self) -> Result<std::convert::Infallible, AuditError> {
        loop {
            self.tell_of_end().await?;
            self.clock.sleep(LOOK_EVERY).await;
            match self.find().await {
                Ok(Found::Same) => {}
                Ok(Found::New(certificate)) => {
                    self.unfit.clear();
                    self.take(*certificate).await?;
                }
                // There is none yet, and whoever asks for one says why.
                Err(Unfit::Unread(_)) if self.renewed == Renewed::ByItself && self.used.is_none() => {}
                Err(unfit) => self.stay(&unfit).await?,
            }
        }
    }

    async fn find(&mut self) -> Result<Found, Unfit> {
        let certificate = File::from((self.opens)(Part::Certificate).await?);
        let key = File::from((self.opens)(Part::Key).await?);
        let stamps = (Stamp::of(&certificate)?, Stamp::of(&key)?);
        if self.seen == Some(stamps) {
            return Ok(Found::Same);
        }
        let now = self.clock.now();
        let settled = stamps.0.is_settled(now) && stamps.1.is_settled(now);
        if key.metadata()?.mode() & OTHERS != 0 {
            return Err(Unfit::Open);
        }
        let (certificate, key) = (read_whole(&certificate)?, read_whole(&key)?);
        let read = Certificate::read(&certificate, &key, &self.url, now)?;
        // One that does not fit is looked at again as it is: time may be all that it lacks.
        self.seen = settled.then_some(stamps);
        let is_same =
            self.used.as_ref().is_some_and(|used| used.certificate.certified.cert == read.certified.cert);
        Ok(if is_same { Found::Same } else { Found::New(Box::new(read)) })
    }

    async fn take(&mut self, certificate: Certificate) -> Result<(), AuditError> {
        let event = self.event(Operation::PublicCertificateUse, Outcome::Done, certificate.to_string());
        self.audit.record(event).await?;
        let CertifiedKey { cert, key, .. } = &certificate.certified;
        let shown = config(CertifiedKey::new(cert.clone(), Arc::clone(key)), &[HTTP2, HTTP1]);
        self.shown.send_replace(shown);
        self.used = Some(InUse { certificate, told: None });
        Ok(())
    }

    /// Stays with the certificate in use. That is told once, and again when there is another reason.
    async fn stay(&mut self, unfit: &Unfit) -> Result<(), AuditError> {
        let why = domain::with_causes(unfit);
        if why == self.unfit {
            return Ok(());
        }
        let goes_on = if self.used.is_some() { "the one before stays in use" } else { "there is none yet" };
        tracing::warn!("the certificate of {} that is there now is not used, and {goes_on}: {why}", self.url);
        self.audit.record(self.event(Operation::PublicCertificateUse, Outcome::Refused, why.clone())).await?;
        self.unfit = why;
        Ok(())
    }

    async fn tell_of_end(&mut self) -> Result<(), AuditError> {
        let now = self.clock.now();
        let Some(used) = &mut self.used else { return Ok(()) };
        let ends = used.certificate.ends();
        let left = Duration::try_from(ends.duration_since(now)).unwrap_or_default();
        let days = left.as_secs() / DAY.as_secs();
        if now < used.certificate.alarm_from(self.renewed) || used.told == Some(days) {
            return Ok(());
        }
        used.told = Some(days);
        let told = ending(ends, now);
        tracing::warn!("the certificate of {}: {told}", self.url);
        self.audit.record(self.event(Operation::PublicCertificateEnd, Outcome::Done, told)).await
    }

    fn event(&self, operation: Operation, outcome: Outcome, detail: String) -> AuditEvent {
        let who = Principal(format!("service/{}", domain::Role::Server));
        AuditEvent::new(who, operation, self.url.authority().to_owned(), outcome).with_detail(detail)
    }
}

/// What is said of a certificate's end.
pub(crate) fn ending(ends: Timestamp, now: Timestamp) -> String {
    let left = Duration::try_from(ends.duration_since(now)).unwrap_or_default();
    match left.as_secs() / DAY.as_secs() {
        _ if ends < now => format!("it ended at {ends}: nobody believes it any more"),
        days => format!("it ends at {ends}, and {days} whole days are left: the next one is due"),
    }
}

/// How whoever connects is spoken to, with that certificate. `None` where that cannot be.
fn config(certified: CertifiedKey, protocols: &[&[u8]]) -> Shown {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .inspect_err(|error| tracing::warn!("{error}"))
        .ok()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Some(Arc::new(config))
}

/// What an authority is shown that looks whether this is who has asked it.
pub(super) async fn challenge(opens: &Opens) -> Result<Shown, Unfit> {
    let file = File::from(opens(Part::Challenge).await?);
    Ok(config(pair_of(&read_whole(&file)?)?, &[ACME_TLS]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
