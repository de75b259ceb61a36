//! Getting certificates from an authority (ACME, RFC 8555), again and again. That this is who it says is proven over TLS alone
//! (`tls-alpn-01`, RFC 8737): nothing is ever listened to in clear.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{AuditError, AuditEvent, Operation, Outcome, Principal, Role, Timestamp};
use futures::future::{Either, select};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use vault::Handles;
use zeroize::Zeroizing;

use super::authority::Authority;
use super::certificate::{Certificate, Unfit};
use super::fresh::ending;
use super::given::{Acme, CERTIFICATE, CHALLENGE};
use super::name::PublicUrl;
use crate::files;

/// The longest file that is read here, in bytes.
const FILE_LEN_MAX: u64 = super::fresh::FILE_LEN_MAX;
/// So long an order may take in all.
const ORDER_MAX: Duration = Duration::from_secs(5 * 60);
/// How the authority is asked whether it has got on.
const ASKING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(100))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
/// So often it is looked at least whether the next certificate is due: a machine may have slept.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Who got no certificate in place of one that is due waits for this part of its life before the next order, and twice as long each
/// time: an hour first, where it is 90 days.
const AGAIN: u32 = 2_160;
/// Up to this part of it: a day.
const AGAIN_MAX: u32 = 90;
/// The same where there is no certificate yet.
const FIRST_AGAIN: Duration = Duration::from_secs(30);
const FIRST_AGAIN_MAX: Duration = Duration::from_secs(60 * 60);
/// What the account at the authority is called in the folder.
const ACCOUNT: &str = "account.json";
/// The authority does not know the account (RFC 8555, section 6.7): it was put back to an older state, say.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("the authority did not give one")]
    Authority(#[from] instant_acme::Error),
    #[error("the authority gave one that cannot be used")]
    Unfit(#[from] Unfit),
    #[error("a key could not be made")]
    Key(#[from] rcgen::Error),
    #[error("{0:#}")]
    File(anyhow::Error),
    #[error("the authority wants no proof over TLS (tls-alpn-01), and none is given in another way")]
    NoChallenge,
    #[error("the authority says that the order is {0}")]
    State(String),
    #[error("the authority took longer than {ORDER_MAX:?}")]
    Late,
}

/// What it takes to order.
pub(crate) struct Orders {
    pub(crate) url: PublicUrl,
    pub(crate) acme: Acme,
    /// One more authority to trust when that one is spoken to, in PEM.
    pub(crate) ca_pem: Option<Vec<u8>>,
    /// Where certificate and account are kept.
    pub(crate) folder: PathBuf,
    pub(crate) handles: Handles,
}

/// Orders a certificate whenever one is due, for good.
///
/// # Errors
/// When what it does cannot be recorded, and where the authority's own authority is no certificate.
pub(crate) async fn keep_ordering(orders: Orders) -> anyhow::Result<std::convert::Infallible> {
    let handles = &orders.handles;
    let (directory, host) = (orders.acme.directory.clone(), orders.url.authority().to_owned());
    let authority = Authority::new(
        (directory, host),
        orders.ca_pem.as_deref(),
        Arc::clone(&handles.audit),
        Arc::clone(&handles.clock),
    )?;
    // What somebody left who was in the middle of it.
    orders.delete(CHALLENGE).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut failed = 0;
    loop {
        let (there, now) = (orders.there(), handles.clock.now());
        let next = match (&there, failed) {
            (None, 0) => now,
            (Some(there), 0) => there.due_from(),
            (there, _) => now.checked_add(orders.pause(there.as_ref(), failed)).unwrap_or(now),
        };
        orders.wait(next).await;
        orders.record(Outcome::Begun, String::new()).await?;
        match orders.order(&authority).await {
            Ok(certificate) => {
                failed = 0;
                orders.record(Outcome::Done, certificate.to_string()).await?;
            }
            Err(error) => {
                failed += 1;
                let why = domain::with_causes(&error);
                let goes_on = match &there {
                    Some(there) => ending(there.ends(), handles.clock.now()),
                    None => "there is none yet".to_owned(),
                };
                tracing::warn!("no new certificate for {} ({goes_on}): {why}", orders.url);
                orders.record(Outcome::Failed, format!("{why}; {goes_on}")).await?;
            }
        }
    }
}

impl Orders {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The certificate that is there, if it fits.
    fn there(&self) -> Option<Certificate> {
        let text = Zeroizing::new(files::read_at_most(&self.path(CERTIFICATE), FILE_LEN_MAX).ok()?);
        Certificate::read(&text, &text, &self.url, self.handles.clock.now()).ok()
    }

    async fn wait(&self, until: Timestamp) {
        let clock = &self.handles.clock;
        while let Ok(left) = Duration::try_from(until.duration_since(clock.now()))
            && !left.is_zero()
        {
            clock.sleep(left.min(LOOK_EVERY)).await;
        }
    }

    /// How long it is waited after so many orders that came to nothing. Not to the second: others may have begun just then too.
    fn pause(&self, there: Option<&Certificate>, failed: u32) -> Duration {
        let (first, most) = match there {
            Some(there) => (there.life() / AGAIN, there.life() / AGAIN_MAX),
            None => (FIRST_AGAIN, FIRST_AGAIN_MAX),
        };
        let pause = first.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(most);
        let mut chance = [0; 1];
        self.handles.rng.fill(&mut chance);
        let [chance] = chance;
        pause + pause * u32::from(chance) / 1_024
    }

    async fn record(&self, outcome: Outcome, detail: String) -> Result<(), AuditError> {
        let who = Principal(format!("service/{}", Role::Certifier));
        let object = self.url.authority().to_owned();
        let event = AuditEvent::new(who, Operation::PublicCertificateOrder, object, outcome);
        self.handles.audit.record(event.with_detail(detail)).await
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OrderError> {
        files::write_private(&self.path(name), bytes).map_err(OrderError::File)
    }

    fn delete(&self, name: &str) -> Result<(), OrderError> {
        match std::fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OrderError::File(error.into())),
            _ => Ok(()),
        }
    }

    /// Gets a certificate, and puts it where it is looked for.
    async fn order(&self, authority: &Authority) -> Result<Certificate, OrderError> {
        let ordered = std::pin::pin!(self.order_at(authority));
        let ordered = match select(ordered, self.handles.clock.sleep(ORDER_MAX)).await {
            Either::Left((ordered, _)) => ordered,
            Either::Right(_) => Err(OrderError::Late),
        };
        self.delete(CHALLENGE)?;
        let text = ordered?;
        let certificate = Certificate::read(&text, &text, &self.url, self.handles.clock.now())?;
        self.write(CERTIFICATE, &text)?;
        Ok(certificate)
    }

    /// A certificate with its chain and its key.
    async fn order_at(&self, authority: &Authority) -> Result<Zeroizing<Vec<u8>>, OrderError> {
        let account = self.account(authority).await?;
        let name = self.url.domain().unwrap_or_default().to_owned();
        let names = [Identifier::Dns(name.clone())];
        let mut order = match account.new_order(&NewOrder::new(&names)).await {
            Err(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
                self.delete(ACCOUNT)?;
                self.account(authority).await?.new_order(&NewOrder::new(&names)).await?
            }
            order => order?,
        };
        self.prove(&mut order, &name).await?;
        match order.poll_ready(&ASKING).await? {
            OrderStatus::Ready => {}
            state => return Err(OrderError::State(format!("{state:?}").to_lowercase())),
        }
        let key = KeyPair::generate()?;
        let mut asked = CertificateParams::new([name])?;
        asked.distinguished_name = DistinguishedName::new();
        order.finalize_csr(asked.serialize_request(&key)?.der()).await?;
        let chain = order.poll_certificate(&ASKING).await?;
        let key = Zeroizing::new(key.serialize_pem());
        let mut text = Zeroizing::new(Vec::with_capacity(chain.len() + key.len() + 1));
        text.extend_from_slice(key.as_bytes());
        text.extend_from_slice(chain.as_bytes());
        Ok(text)
    }

    /// The account at the authority: that which was made once, or a new one.
    async fn account(&self, authority: &Authority) -> Result<Account, OrderError> {
        let builder = Account::builder_with_http(Box::new(authority.clone()));
        let path = self.path(ACCOUNT);
        if path.exists() {
            let text = Zeroizing::new(files::read_at_most(&path, FILE_LEN_MAX).map_err(OrderError::File)?);
            let known: AccountCredentials =
                serde_json::from_slice(&text).map_err(|error| damaged(&path, &error))?;
            return Ok(builder.from_credentials(known).await?);
        }
        let contact = self.acme.contact.as_ref().map(|mail| format!("mailto:{mail}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let asked =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, known) = builder.create(&asked, self.acme.directory.to_string(), None).await?;
        let text = Zeroizing::new(serde_json::to_vec(&known).map_err(|error| damaged(&path, &error))?);
        self.write(ACCOUNT, &text)?;
        Ok(account)
    }

    /// Shows the authority what it wants to see, wherever it has not seen it yet.
    async fn prove(&self, order: &mut Order, name: &str) -> Result<(), OrderError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
            let mut challenge = challenge.ok_or(OrderError::NoChallenge)?;
            let shown = shown(name, challenge.key_authorization().digest().as_ref())?;
            self.write(CHALLENGE, shown.as_bytes())?;
            challenge.set_ready().await?;
        }
        Ok(())
    }
}

fn damaged(path: &Path, error: &serde_json::Error) -> OrderError {
    let what = "is damaged: delete it, and another is made";
    OrderError::File(anyhow::anyhow!("`{}` {what}: {error}", path.display()))
}

/// A certificate with what an authority wants to see (RFC 8737, section 3), and its key.
fn shown(name: &str, digest: &[u8]) -> Result<Zeroizing<String>, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?.pem();
    let key = Zeroizing::new(key.serialize_pem());
    Ok(Zeroizing::new(format!("{}{certificate}", *key)))
}
