//! A practice store and a connection to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors::Secret;
use connectors::contract::{Behalf, CredentialKeeper, KindRequest, KindSpec, Renewing, SpoolError, Store};
use connectors::platforms::bigcommerce::{self, Credential, KINDS};
use domain::{AuditSink, Clock, Principal, Rng, Timestamp, Unrecorded};
use futures::future::BoxFuture;
use sandbox::bigcommerce::{Running, Settings};
use serde_json::{Value, json};

pub(crate) use crate::conformance::fetch;
use crate::conformance::{self, Plain, Practised, Size, facts};
use crate::spool::Memory;

/// A clock on which waiting takes no time: it goes on by itself. Or one on which time passes as in life.
#[derive(Debug)]
pub(crate) struct QuickClock {
    passed_ms: AtomicU64,
    /// When it began, where time passes as in life.
    lives_since: Option<std::time::Instant>,
}

/// 2026-11-30, about noon.
const BEGINNING: i64 = 1_796_040_000;

impl Clock for QuickClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(BEGINNING + i64::try_from(self.monotonic().as_secs()).unwrap()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        let lived = self.lives_since.map(|since| since.elapsed()).unwrap_or_default();
        lived + Duration::from_millis(self.passed_ms.load(Ordering::SeqCst))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if self.lives_since.is_some() {
            return Box::pin(tokio::time::sleep(duration));
        }
        self.shift(duration + Duration::from_millis(1));
        Box::pin(tokio::task::yield_now())
    }
}

impl QuickClock {
    fn quick() -> Self {
        Self { passed_ms: AtomicU64::new(0), lives_since: None }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests")]
    fn as_in_life() -> Self {
        Self { passed_ms: AtomicU64::new(0), lives_since: Some(std::time::Instant::now()) }
    }

    pub(crate) fn shift(&self, by: Duration) {
        self.passed_ms.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// Numbers from a seed (SplitMix64).
#[derive(Debug)]
struct Seeded(Mutex<u64>);

impl Rng for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (mixed >> 56) as u8;
        }
    }
}

/// A token that does not end is never renewed.
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

/// A practice store and what a connection to it needs.
pub(crate) struct Practice {
    pub(crate) running: Running,
    pub(crate) clock: Arc<QuickClock>,
    owner: reqwest::Client,
}

impl Practice {
    pub(crate) async fn start(settings: Settings) -> Self {
        Self::start_on(Arc::new(QuickClock::quick()), settings).await
    }

    /// One that has to do with windows of time: both sides' clocks go on while a request is under way, as in life.
    pub(crate) async fn start_as_in_life(settings: Settings) -> Self {
        Self::start_on(Arc::new(QuickClock::as_in_life()), settings).await
    }

    async fn start_on(clock: Arc<QuickClock>, settings: Settings) -> Self {
        let rng = Arc::new(Seeded(Mutex::new(settings.seed)));
        let running =
            sandbox::bigcommerce::start(settings, Arc::clone(&clock) as Arc<dyn Clock>, rng).await.unwrap();
        let authority = reqwest::Certificate::from_pem(running.ca_pem.as_bytes()).unwrap();
        let owner = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        Self { running, clock, owner }
    }

    pub(crate) fn open(&self) -> Box<dyn Store> {
        self.open_with(&self.running.access_token)
    }

    pub(crate) fn open_with(&self, token: &str) -> Box<dyn Store> {
        self.open_recorded(token, Arc::new(Unrecorded))
    }

    /// Opens the store with a record of what is sent to it.
    pub(crate) fn open_recorded(&self, token: &str, audit: Arc<dyn AuditSink>) -> Box<dyn Store> {
        let behalf = Behalf {
            audit,
            principal: Principal("cell-operator".into()),
            grant: None,
            object: "default/shop".into(),
        };
        bigcommerce::open(connectors::contract::Settings {
            url: self.running.url.clone(),
            ca_pem: Some(self.running.ca_pem.clone().into_bytes()),
            credential: Credential { access_token: Secret::new(token), client_secret: None }
                .to_bytes()
                .unwrap(),
            keeper: Arc::new(Never),
            behalf,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            rng: Arc::new(Seeded(Mutex::new(11))),
        })
        .unwrap()
    }

    pub(crate) fn faults(&self, spec: &str) {
        self.running.set_faults(sandbox::bigcommerce::Fault::parse_list(spec).unwrap());
    }

    /// Has the store tell of something, by the app's own token: others' webhooks are not shown.
    pub(crate) async fn hook(&self) {
        let hook = json!({"scope": "store/product/*", "destination": "https://hooks.example.com/store", "is_active": false});
        self.owner("POST", "v3/hooks", &hook).await;
    }

    /// What the shop's owner does, beside us: a minute passes. Refusals fail the test.
    pub(crate) async fn owner(&self, method: &str, path: &str, body: &Value) -> Value {
        self.clock.shift(Duration::from_secs(60));
        let mut request = self
            .owner
            .request(method.parse().unwrap(), format!("{}/{path}", self.running.url))
            .header("X-Auth-Token", &self.running.access_token)
            .header("Accept", "application/json");
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }
}

/// Requests for these kinds, or for all.
pub(crate) fn requests(kinds: &[&str], since: Option<&Memory>) -> Vec<KindRequest> {
    conformance::requests::<Practice>(kinds, since)
}

impl Practised for Practice {
    const KINDS: &'static [KindSpec] = KINDS;
    const PLAIN: Plain = Plain { kind: "product", text: "/description", other: "/name" };
    const TELLS_SCOPES: bool = false;
    const ITSELF: Option<&'static str> = Some("store_v2_information_read_only");
    const PASSING: (&'static [&'static str], &'static [&'static str]) = (
        &[
            "429@3",
            "429%20",
            "429bare@3",
            "429bare%20",
            "500@3",
            "500%20",
            "502@3",
            "502%20",
            "503@3",
            "503%20",
            "html@3",
            "html%20",
            "cut@3",
            "cut%20",
            "lost@3",
            "lost%20",
        ],
        &[],
    );
    const FAILING: (&'static str, &'static str) = ("product", "502:catalog/products@2+");
    /// The blog's page.
    const REFUSED: usize = 1;

    fn lost(n: u32) -> String {
        format!("lost@{n}")
    }

    async fn start_with(size: Size) -> Self {
        let sized =
            |products, customers, orders| Settings { products, customers, orders, ..Settings::default() };
        let practice = Self::start(match size {
            Size::Whole => sized(25, 12, 6),
            Size::Few => sized(4, 2, 1),
            Size::Empty => return Self::start(Settings::empty()).await,
        })
        .await;
        practice.hook().await;
        practice
    }

    fn open_audited(&self, audit: Arc<dyn AuditSink>) -> Box<dyn Store> {
        self.open_recorded(&self.running.access_token, audit)
    }

    fn open_unknown(&self) -> Box<dyn Store> {
        self.open_with("wrong")
    }

    fn pass(&self, time: Duration) {
        self.clock.shift(time);
    }

    fn set_faults(&self, spec: &str) {
        self.faults(spec);
    }

    fn grant(&self, scopes: &[&str]) {
        self.running.set_access(scopes);
    }

    fn opens(scope: &str, wanted: &str) -> bool {
        scope == wanted
    }

    fn received(&self) -> u64 {
        self.running.stats().requests
    }

    async fn edit(&self, id: &str, text: &str) {
        let path = format!("v3/catalog/products/{}", id.trim_start_matches("product/"));
        self.owner("PUT", &path, &json!({ "description": text })).await;
    }

    async fn remove(&self, id: &str) {
        let path = format!("v3/catalog/products/{}", id.trim_start_matches("product/"));
        self.owner("DELETE", &path, &Value::Null).await;
    }

    async fn close(self) {
        self.running.shutdown().await;
    }
}

facts!(Practice);
