//! The vault's process: it alone has the cell's keys.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::Guard;
use anyhow::Context as _;
use domain::{About, Asked, AuditEvent, Decides, Operation, Outcome, Principal, Region, Role, ServiceId};
use flows::FlowError;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use transport::hosts::Admits;
use transport::{Authority, Endpoint, Identities, Issued, enrol};
use vault::{FindsSealer, Handles, Passphrase, RootSeal, Sealer, Sealers, Vault};
use zeroize::Zeroizing;

use super::apart;
use super::child::{Enrols, Job, Serving, Superior, stream};
use super::member::certificate_ttl;
use super::messages::Ask;
use super::witness;
use crate::walls::{Own, Walls};
use crate::{cell_trail, home};

/// How long a grant lasts for work that has an order. A build for tests may be told another time, in seconds.
pub(crate) fn ordered_grant_ttl() -> Duration {
    #[cfg(debug_assertions)]
    if let Some(seconds) =
        std::env::var("CARETAKER_TEST_GRANT_SECONDS").ok().and_then(|text| text.parse().ok())
    {
        return Duration::from_secs(seconds);
    }
    vault::ORDERED_GRANT_TTL
}

/// Which vault is to be opened. The descriptor gives the passphrase, where there is no sealer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToOpen {
    pub(super) dir: PathBuf,
    /// The cell's region.
    pub(super) region: Region,
    /// That nobody else may have it open.
    pub(super) alone: bool,
    /// That whoever signs in must know the passphrase too, where one seals the vault: others use it than the one who opens
    /// it.
    pub(super) asks: bool,
    /// That the monitor is on another host, and fetches what was recorded on this one.
    #[serde(default)]
    pub(super) hands_over: bool,
    /// What the passphrase's descriptor is called.
    pub(super) passphrase: PathBuf,
    /// Whether a sealer opens it: it is asked for.
    #[serde(default)]
    pub(super) sealer: bool,
    /// Whether another sealer may be asked for, which is to seal it from now on.
    #[serde(default)]
    pub(super) next_sealer: bool,
    pub(super) walls: bool,
}

/// Has the keys.
pub(crate) struct Keys;

impl Job for Keys {
    type Begin = ToOpen;
    const NAME: &'static CStr = c"caretaker-vault";
    const WORD: &'static str = "vault";

    fn walls(ToOpen { dir, hands_over, .. }: &ToOpen) -> anyhow::Result<Option<Walls>> {
        let vault = dir.join("vault");
        if !vault.is_dir() {
            return Ok(None);
        }
        let mut own = cell_trail::own(dir, cell_trail::VAULT)?;
        own.push(Own::folder(vault));
        if *hands_over {
            own.push(Own::folder(cell_trail::folder(dir).journals()));
        }
        Ok(Some(Walls::around(own)))
    }

    fn has_walls(begin: &ToOpen) -> bool {
        begin.walls
    }

    async fn begin(
        asked: ToOpen,
        passphrase: Option<OwnedFd>,
        superior: Arc<Superior>,
    ) -> anyhow::Result<Serving> {
        let ToOpen { dir, region, alone, asks, hands_over, passphrase: named, sealer, next_sealer, .. } =
            asked;
        let finds = |next| -> FindsSealer {
            let superior = Arc::clone(&superior);
            Box::new(move || {
                let superior = Arc::clone(&superior);
                async move { Sealer::over(superior.ask(Ask::Sealer { next }).await?.into()) }.boxed()
            })
        };
        let handles = home::handles_as(cell_trail::VAULT, &dir)?;
        let open = async |seal: RootSeal<'_>| match alone {
            true => Vault::open_alone(&dir, seal, &handles).await,
            false => Vault::open(&dir, seal, &handles).await,
        };
        let vault = if sealer {
            open((&finds(false)().await?).into()).await?
        } else {
            let descriptor =
                passphrase.ok_or_else(|| FlowError::Input("no passphrase was given".to_owned()))?;
            let passphrase = Passphrase::read_from(descriptor.into(), &named)?;
            let vault = open((&passphrase).into()).await?;
            if asks {
                vault.ask_for(&passphrase);
            }
            vault
        };
        let (own, next) = (sealer.then(|| finds(false)), next_sealer.then(|| finds(true)));
        let policies: Arc<dyn Decides> = Arc::new(Guard::built_in(region)?);
        let vault = vault.with_sealers(Sealers { own, next }).with_policies(Arc::clone(&policies));
        let vault = vault.with_ordered_ttl(ordered_grant_ttl());
        let vault = Arc::new(vault);
        let own_witness = Arc::new(cell_trail::witness(&dir, &vault)?);
        let routes = witness::answering(vault::routes(&vault), own_witness);
        let trail = cell_trail::folder(&dir);
        let routes = if hands_over { apart::handing_over(routes, &trail) } else { routes };
        let authority = Arc::new(Authority::new(vault.id(), vault.authority_key()?, certificate_ttl()));
        let (own, due) = authority
            .identity(&Role::Vault, handles.clock.now())
            .context("the vault's own certificate could not be made")?;
        let identities = Identities::new(own);
        let (clock, own, renewed) = (Arc::clone(&handles.clock), Arc::clone(&authority), identities.clone());
        let beside = async move {
            let obtain = || std::future::ready(own.identity(&Role::Vault, clock.now()));
            renewed.keep_fresh(due, Arc::clone(&clock), obtain).await;
        };
        let issuer = Arc::new(Issuer { vault, authority, policies, handles: handles.clone() });
        let endpoint = Endpoint::new(identities, routes, Arc::clone(&handles.clock), certificate_ttl());
        let endpoint = endpoint.admitting(Arc::clone(&issuer) as Arc<dyn Admits>);
        let enrols: Enrols = Arc::new(move |role, descriptor| {
            let issuer = Arc::clone(&issuer);
            async move { issuer.enrol(&role, descriptor).await }.boxed()
        });
        let last = std::future::ready(()).boxed();
        Ok(Serving {
            role: Role::Vault,
            endpoint: Some(endpoint),
            handles,
            beside: beside.boxed(),
            last,
            enrols: Some(enrols),
            lends: None,
            hears: None,
        })
    }
}

/// Who makes certificates.
struct Issuer {
    vault: Arc<Vault>,
    authority: Arc<Authority>,
    policies: Arc<dyn Decides>,
    handles: Handles,
}

impl Issuer {
    /// Gives a certificate to whoever is at the other end, who is of that role: the one who started the vault says so.
    async fn enrol(&self, role: &str, descriptor: OwnedFd) {
        let issued = async |public: Vec<u8>| {
            let role: Role = role.parse().map_err(|error: domain::NameError| error.to_string())?;
            self.issue(&role, &public, "").await
        };
        let answered = async { enrol::answer(stream(descriptor)?, issued).await };
        if let Err(error) = answered.await {
            tracing::warn!("a certificate was not given: {error}");
        }
    }

    /// `told`: what else is to be known of it.
    async fn issue(&self, role: &Role, public: &[u8], told: &str) -> Result<Issued, String> {
        let service = ServiceId { cell: self.vault.id(), role: role.clone() };
        let operation = Operation::CertificateIssue;
        let asked = Asked { service: &service, operation, about: About::Vault, grant: None };
        let verdict = self.policies.process(&asked);
        let issued = match verdict.allowed {
            true => {
                let issued = self.authority.issue(role, public, self.handles.clock.now());
                issued.map_err(|error| (Outcome::Failed, error.to_string()))
            }
            false => Err((Outcome::Refused, verdict.told)),
        };
        let (outcome, detail) = match &issued {
            Ok(_) => (Outcome::Done, told.to_owned()),
            Err((outcome, why)) => (*outcome, why.clone()),
        };
        let event =
            AuditEvent::new(Principal(format!("service/{role}")), operation, role.to_string(), outcome);
        let event = AuditEvent { policies: verdict.by, ..event.with_detail(detail) };
        self.handles.audit.record(event).await.map_err(|error| error.to_string())?;
        tracing::debug!("{operation} of {role}: {}", if issued.is_ok() { "done" } else { "refused" });
        issued.map_err(|(_, why)| why)
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({})", self.vault.id())
    }
}

impl Admits for Issuer {
    fn join(&self, secret: Zeroizing<Vec<u8>>, key: [u8; 32]) -> BoxFuture<'_, Result<(), String>> {
        let joined = async move {
            let host =
                self.vault.join_host(&secret, key).await.map_err(|error| domain::with_causes(&error))?;
            tracing::debug!("{} has joined on the host {}", host.role, host.id);
            Ok(())
        };
        joined.boxed()
    }

    fn certify(&self, key: [u8; 32], public: Vec<u8>) -> BoxFuture<'_, Result<Issued, String>> {
        let issued = async move {
            let host = self.vault.host_of(key).await.map_err(|error| domain::with_causes(&error))?;
            let role: Role = host.role.parse().map_err(|error: domain::NameError| error.to_string())?;
            self.issue(&role, &public, &format!("host {}", host.id)).await
        };
        issued.boxed()
    }
}
