//! A practice bookshop and a connection to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use connectors::contract::{Behalf, CredentialKeeper, KindSpec, Renewing, Settings, SpoolError, Store};
use domain::{AuditSink, Clock, Principal, Rng, Timestamp};
use futures::future::BoxFuture;
use serde_json::json;

use crate::conformance::{Plain, Practised, Size, facts};
use crate::platform::{KINDS, open};
use crate::shop::{KEY, Running, start};

/// A clock on which waiting takes no time: it goes on by itself.
#[derive(Debug, Default)]
struct QuickClock(AtomicU64);

impl Clock for QuickClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
        Box::pin(tokio::task::yield_now())
    }
}

/// Waits need no spreading here.
#[derive(Debug)]
struct Even;

impl Rng for Even {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x7f);
    }
}

/// A key does not end, and is never renewed.
#[derive(Debug)]
struct Never;

impl CredentialKeeper for Never {
    fn renewing(&self) -> BoxFuture<'_, Result<Renewing, SpoolError>> {
        unreachable!("nobody renews it")
    }

    fn keep<'a>(&'a self, _: &'a [u8]) -> BoxFuture<'a, Result<(), SpoolError>> {
        unreachable!("nobody renews it")
    }
}

pub(crate) struct Practice {
    running: Running,
    clock: Arc<QuickClock>,
}

impl Practice {
    fn open_with(&self, key: &str, audit: Arc<dyn AuditSink>) -> Box<dyn Store> {
        let behalf = Behalf {
            audit,
            principal: Principal("cell-operator".into()),
            grant: None,
            object: "default/shop".into(),
        };
        open(Settings {
            url: self.running.url.clone(),
            ca_pem: Some(self.running.ca_pem.clone().into_bytes()),
            credential: key.as_bytes().to_vec(),
            keeper: Arc::new(Never),
            behalf,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            rng: Arc::new(Even),
        })
        .unwrap()
    }
}

fn number(id: &str) -> u64 {
    id.rsplit('/').next().unwrap().parse().unwrap()
}

impl Practised for Practice {
    const KINDS: &'static [KindSpec] = KINDS;
    const PLAIN: Plain = Plain { kind: "book", text: "/blurb", other: "/title" };
    const TELLS_SCOPES: bool = true;
    const ITSELF: Option<&'static str> = None;
    const PASSING: (&'static [&'static str], &'static [&'static str]) =
        (&["429@2", "503@1", "503:books@3", "cut@4", "cut:books@1", "lost@5", "lost:authors@2"], &[]);
    const FAILING: (&'static str, &'static str) = ("book", "503:books@2+");
    const REFUSED: usize = 0;

    fn lost(n: u32) -> String {
        format!("lost@{n}")
    }

    async fn start_with(size: Size) -> Self {
        let clock = Arc::new(QuickClock::default());
        Self { running: start(size != Size::Empty, Arc::clone(&clock) as Arc<dyn Clock>).await, clock }
    }

    fn open_audited(&self, audit: Arc<dyn AuditSink>) -> Box<dyn Store> {
        self.open_with(KEY, audit)
    }

    fn open_unknown(&self) -> Box<dyn Store> {
        self.open_with("another-key", Arc::new(domain::Unrecorded))
    }

    fn pass(&self, time: Duration) {
        drop(self.clock.sleep(time));
    }

    fn set_faults(&self, spec: &str) {
        self.running.set_faults(spec);
    }

    fn grant(&self, scopes: &[&str]) {
        self.running.set_scopes(scopes);
    }

    fn opens(scope: &str, wanted: &str) -> bool {
        scope == wanted
    }

    fn received(&self) -> u64 {
        self.running.received()
    }

    async fn edit(&self, id: &str, text: &str) {
        self.running.change("books", number(id), &json!({ "blurb": text }));
    }

    async fn remove(&self, id: &str) {
        self.running.remove("books", number(id));
    }

    async fn close(self) {
        self.running.close().await;
    }
}

facts!(Practice);
