//! A cell with an authority, and processes of it that connect within this one.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use domain::{Clock, Id128, KeyError, Role, RoleName, SigningKey, Timestamp};
use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use serde::{Deserialize, Serialize};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use transport::{
    Authority, CERTIFICATE_TTL, Call, CallError, Channel, Dial, Endpoint, Identities, Routes, ServeError,
    Stream,
};

pub(crate) const CELL: Id128 = Id128([7; 16]);

pub(crate) fn worker(platform: &str) -> Role {
    Role::Worker(platform.parse().unwrap())
}

/// Every role, and of the one that there are several of, two.
pub(crate) fn roles() -> [Role; 6] {
    [Role::Vault, Role::Server, Role::Monitor, Role::Command, worker("shopify"), worker("bigcommerce")]
}

/// Waits as the runtime does, which may be told to let time pass in no time. What time it is goes on with that, and can be
/// set.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Timestamp>, Instant);

impl TestClock {
    pub(crate) fn at(time: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(time.parse().unwrap()), Instant::now()))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().checked_add(self.monotonic()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.1.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the handle itself")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}

pub(crate) struct Pair(Ed25519KeyPair);

pub(crate) fn key_pair(seed: u8) -> Pair {
    Pair(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
}

impl SigningKey for Pair {
    fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        Ok(self.0.sign(message).as_ref().try_into().unwrap())
    }
}

pub(crate) fn authority_of(cell: Id128, seed: u8, ttl: Duration) -> Authority {
    Authority::new(cell, Arc::new(key_pair(seed)), ttl)
}

/// Asks for a text twice as long.
#[derive(Serialize, Deserialize)]
pub(crate) struct Twice {
    pub(crate) text: String,
}

/// It would be longer than is answered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TooLong {
    pub(crate) most: usize,
}

impl Call for Twice {
    const NAME: &'static str = "test.twice";
    const CALLERS: &'static [RoleName] =
        &[RoleName::Command, RoleName::Worker, RoleName::Monitor, RoleName::Server];
    type Answer = String;
    type Refusal = TooLong;
}

/// Only a worker may ask that.
#[derive(Serialize, Deserialize)]
pub(crate) struct OfWorkers {}

impl Call for OfWorkers {
    const NAME: &'static str = "test.of_workers";
    const CALLERS: &'static [RoleName] = &[RoleName::Worker];
    type Answer = ();
    type Refusal = ();
}

/// Nobody answers that.
#[derive(Serialize, Deserialize)]
pub(crate) struct Unknown {}

impl Call for Unknown {
    const NAME: &'static str = "test.unknown";
    const CALLERS: &'static [RoleName] = &[RoleName::Command];
    type Answer = ();
    type Refusal = ();
}

pub(crate) const MOST: usize = 2_000_000;

fn routes() -> Routes {
    Routes::new()
        .answering(async |_, Twice { text }: Twice| {
            tokio::task::yield_now().await;
            if text.len() > MOST { Err(TooLong { most: MOST }) } else { Ok(text.repeat(2)) }
        })
        .answering(async |_, OfWorkers {}| Ok(()))
}

type Served = Arc<Mutex<Vec<JoinHandle<Result<(), ServeError>>>>>;

/// Connects to an endpoint in this process.
#[derive(Clone)]
pub(crate) struct Beside {
    pub(crate) endpoint: Endpoint,
    pub(crate) served: Served,
    pub(crate) dialled: Arc<AtomicUsize>,
}

impl Beside {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, served: Arc::default(), dialled: Arc::default() }
    }

    /// Has the other end die: all connections break.
    pub(crate) fn die(&self) {
        for connection in self.served.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    pub(crate) fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let endpoint = self.endpoint.clone();
        self.dialled.fetch_add(1, Ordering::SeqCst);
        self.served
            .lock()
            .unwrap()
            .push(tokio::spawn(async move { endpoint.serve(theirs, pending()).await }));
        ours
    }

    /// How the connections ended that were made until now.
    pub(crate) async fn ended(&self) -> Vec<Result<(), ServeError>> {
        let served = std::mem::take(&mut *self.served.lock().unwrap());
        let mut ended = Vec::new();
        for connection in served {
            ended.push(connection.await.unwrap());
        }
        ended
    }
}

impl Dial for Beside {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        std::future::ready(Ok(Box::new(self.connect()) as Box<dyn Stream>)).boxed()
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) authority: Authority,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            clock: TestClock::at("2026-11-24T12:00:00Z"),
            authority: authority_of(CELL, 1, CERTIFICATE_TTL),
        }
    }

    pub(crate) fn identities(&self, role: &Role) -> Identities {
        Identities::new(self.authority.identity(role, self.clock.now()).unwrap().0)
    }

    pub(crate) fn endpoint(&self, own: &Identities, age_max: Duration) -> Beside {
        self.answering(own, routes(), age_max)
    }

    /// An endpoint that answers other calls.
    pub(crate) fn answering(&self, own: &Identities, routes: Routes, age_max: Duration) -> Beside {
        Beside::new(Endpoint::new(own.clone(), routes, Arc::clone(&self.clock) as _, age_max))
    }

    pub(crate) fn channel(&self, own: &Identities, to: &Role, dial: impl Dial) -> Channel {
        Channel::new(to.clone(), own.clone(), dial, Arc::clone(&self.clock) as _)
    }

    /// Makes one call from a process with one identity to a process with another, which should have that role.
    pub(crate) async fn call(
        &self,
        from: &Identities,
        to: (&Identities, &Role),
    ) -> (Result<String, CallError>, Vec<Result<(), ServeError>>) {
        let beside = self.endpoint(to.0, CERTIFICATE_TTL);
        let channel = self.channel(from, to.1, beside.clone());
        let answer = channel.call(&Twice { text: "text".into() }).await.map(|answer| answer.unwrap());
        drop(channel);
        (answer, beside.ended().await)
    }
}

/// Whether a connection was taken, however it ended.
pub(crate) fn was_served(ended: &Result<(), ServeError>) -> bool {
    !matches!(ended, Err(ServeError::Refused(_) | ServeError::Silent))
}

pub(crate) fn is_refused<T>(answer: &Result<T, CallError>) -> bool {
    matches!(answer, Err(CallError::Refused { .. }))
}
