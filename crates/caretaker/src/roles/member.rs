//! A process as a member of its cell: who it is, and how it gets to the others.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Id128, Role};
use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use transport::{Channel, Dial, Endpoint, Identities, Identity, Routes, Stream, enrol};

use super::host::OfHost;
use super::messages::Ask;

/// How long a certificate is good for, and a connection. A build for tests may be told another time, in seconds.
pub(super) fn certificate_ttl() -> Duration {
    #[cfg(debug_assertions)]
    if let Some(seconds) =
        std::env::var("CARETAKER_TEST_CERTIFICATE_SECONDS").ok().and_then(|text| text.parse().ok())
    {
        return Duration::from_secs(seconds);
    }
    transport::CERTIFICATE_TTL
}

/// Whoever gives this process the sockets over which it speaks to others, and says to the others who it is.
pub(super) trait Sockets: Send + Sync + 'static {
    /// One that was asked for.
    fn get(&self, what: Ask) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;

    /// Lends a file to a worker that can connect to those ports, under that name.
    fn lend<'a>(
        &'a self,
        to: (&'a Role, &'a [u16]),
        name: Id128,
        file: BorrowedFd<'a>,
    ) -> BoxFuture<'a, io::Result<()>>;
}

/// This process in its cell, with a certificate that is renewed as long as this lives.
pub(crate) struct Member {
    identities: Identities,
    sockets: Arc<dyn Sockets>,
    clock: Arc<dyn Clock>,
    renewing: JoinHandle<()>,
}

/// The way to those of one role.
struct Way {
    sockets: Arc<dyn Sockets>,
    to: Role,
    reaching: Vec<u16>,
}

impl Dial for Way {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        self.sockets.get(Ask::Connection { to: self.to.to_string(), reaching: self.reaching.clone() })
    }
}

/// What says to the vault who this process is.
pub(super) enum Proof {
    /// Whoever has started it.
    Parent,
    /// The key of its host.
    Host(OfHost),
}

impl Proof {
    async fn enrol(
        &self,
        sockets: &dyn Sockets,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<(Identity, Duration)> {
        match self {
            Self::Parent => Ok(enrol::ask(sockets.get(Ask::Certificate).await?).await?),
            Self::Host(host) => host.enrol(sockets, clock).await,
        }
    }
}

impl Member {
    /// Gets a certificate.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(super) async fn join(sockets: Arc<dyn Sockets>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Self::join_by(Proof::Parent, sockets, clock).await
    }

    /// The same, by that proof.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(super) async fn join_by(
        proof: Proof,
        sockets: Arc<dyn Sockets>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let (identity, due) = proof.enrol(&*sockets, &clock).await?;
        let identities = Identities::new(identity);
        let renewing = {
            let (own, sockets, clock) = (identities.clone(), Arc::clone(&sockets), Arc::clone(&clock));
            tokio::spawn(async move {
                own.keep_fresh(due, Arc::clone(&clock), || proof.enrol(&*sockets, &clock)).await;
            })
        };
        Ok(Self { identities, sockets, clock, renewing })
    }

    /// The certificate of the cell's authority, DER.
    pub(super) fn authority(&self) -> Vec<u8> {
        self.identities.newest().authority().to_vec()
    }

    /// Who this process is, over time.
    pub(super) fn identities(&self) -> Identities {
        self.identities.clone()
    }

    /// The way to those of another role.
    pub(crate) fn channel(&self, to: Role) -> Arc<Channel> {
        self.channel_reaching(to, Vec::new())
    }

    /// The same, to a worker that can connect to those ports.
    pub(super) fn channel_reaching(&self, to: Role, reaching: Vec<u16>) -> Arc<Channel> {
        let way = Way { sockets: Arc::clone(&self.sockets), to: to.clone(), reaching };
        Arc::new(Channel::new(to, self.identities.clone(), way, Arc::clone(&self.clock)))
    }

    /// Lends a file to a worker that can connect to those ports, under that name.
    ///
    /// # Errors
    /// When it cannot be handed over.
    pub(super) async fn lend(
        &self,
        to: (&Role, &[u16]),
        name: Id128,
        file: BorrowedFd<'_>,
    ) -> io::Result<()> {
        self.sockets.lend(to, name, file).await
    }

    /// What answers the calls of others.
    pub(super) fn endpoint(&self, routes: Routes) -> Endpoint {
        Endpoint::new(self.identities.clone(), routes, Arc::clone(&self.clock), certificate_ttl())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
