//! A practice store and a connection to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors::Secret;
use connectors::contract::{Behalf, CredentialKeeper, KindRequest, KindSpec, Renewing, SpoolError, Store};
use connectors::platforms::shopify::{self, Credential, KINDS};
use domain::{AuditSink, Clock, Id128, Principal, Rng, Timestamp, Unrecorded};
use futures::future::BoxFuture;
use sandbox::shopify::{Running, Settings};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub(crate) use crate::conformance::fetch;
use crate::conformance::{self, Plain, Practised, Size, facts};
use crate::elsewhere;
use crate::spool::Memory;

/// The system's clock, with a shift that tests can set.
#[derive(Debug)]
pub(crate) struct Wall {
    start: std::time::Instant,
    shift_seconds: AtomicU64,
}

impl Wall {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests")]
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { start: std::time::Instant::now(), shift_seconds: AtomicU64::new(0) })
    }

    pub(crate) fn shift(&self, by: Duration) {
        self.shift_seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    fn shifted(&self) -> Duration {
        Duration::from_secs(self.shift_seconds.load(Ordering::SeqCst))
    }
}

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests")]
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.shifted()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed() + self.shifted()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        // Waits are as in life, only shorter.
        Box::pin(tokio::time::sleep(duration.min(Duration::from_millis(50))))
    }
}

/// A clock on which three seconds pass between two looks, but for those that follow a wait: however long the
/// store takes for a job, whoever waits for it does not lose patience.
#[derive(Debug)]
pub(crate) struct Hurried {
    wall: Arc<Wall>,
    looks: AtomicU64,
    /// So many looks more pass no time.
    free: AtomicU64,
}

/// More looks than there are between two waits for a job.
const FREE: u64 = 12;

impl Hurried {
    fn new(wall: Arc<Wall>) -> Self {
        Self { wall, looks: AtomicU64::new(1), free: AtomicU64::new(0) }
    }
}

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        self.wall.now()
    }

    fn monotonic(&self) -> Duration {
        let is_free =
            self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1)).is_ok();
        let looks = if is_free {
            self.looks.load(Ordering::SeqCst)
        } else {
            self.looks.fetch_add(1, Ordering::SeqCst)
        };
        Duration::from_secs(3 * looks)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.free.store(FREE, Ordering::SeqCst);
        self.wall.sleep(duration)
    }
}

/// Numbers from a seed (SplitMix64).
#[derive(Debug)]
pub(crate) struct Seeded(pub(crate) Mutex<u64>);

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

/// Keeps every credential that it is given, and lets one renew at a time.
#[derive(Debug, Default)]
pub(crate) struct Kept(pub(crate) Mutex<Vec<Vec<u8>>>, Arc<tokio::sync::Mutex<()>>);

impl CredentialKeeper for Kept {
    fn renewing(&self) -> BoxFuture<'_, Result<Renewing, SpoolError>> {
        Box::pin(async {
            let lock = Box::new(Arc::clone(&self.1).lock_owned().await);
            Ok(Renewing { kept: self.0.lock().unwrap().last().cloned().map(Zeroizing::new), lock })
        })
    }

    fn keep<'a>(&'a self, credential: &'a [u8]) -> BoxFuture<'a, Result<(), SpoolError>> {
        self.0.lock().unwrap().push(credential.to_vec());
        Box::pin(async { Ok(()) })
    }
}

/// A practice store and what a connection to it needs.
pub(crate) struct Practice {
    pub(crate) running: Running,
    pub(crate) clock: Arc<Wall>,
    pub(crate) kept: Arc<Kept>,
}

impl Practice {
    pub(crate) async fn start(settings: Settings) -> Self {
        let clock = Wall::new();
        let rng = Arc::new(Seeded(Mutex::new(7)));
        let running =
            sandbox::shopify::start(settings, Arc::clone(&clock) as Arc<dyn Clock>, rng).await.unwrap();
        Self { running, clock, kept: Arc::default() }
    }

    pub(crate) fn open(&self) -> Box<dyn Store> {
        self.open_with(&Credential::Static {
            access_token: Secret::new(&self.running.access_token),
            client_secret: None,
        })
    }

    pub(crate) fn open_with(&self, credential: &Credential) -> Box<dyn Store> {
        self.open_recorded(credential, Arc::new(Unrecorded))
    }

    /// Opens the store with a record of what is sent to it.
    pub(crate) fn open_recorded(&self, credential: &Credential, audit: Arc<dyn AuditSink>) -> Box<dyn Store> {
        self.open_on(credential, Arc::clone(&self.clock) as Arc<dyn Clock>, audit)
    }

    /// Opens the store on a clock that makes a cursor due at every line.
    pub(crate) fn open_hurried(&self) -> Box<dyn Store> {
        let credential =
            Credential::Static { access_token: Secret::new(&self.running.access_token), client_secret: None };
        let clock = Arc::new(Hurried::new(Arc::clone(&self.clock)));
        self.open_on(&credential, clock, Arc::new(Unrecorded))
    }

    fn open_on(
        &self,
        credential: &Credential,
        clock: Arc<dyn Clock>,
        audit: Arc<dyn AuditSink>,
    ) -> Box<dyn Store> {
        let principal = Principal("cell-operator".into());
        let grant = Some(Id128([7; 16]));
        shopify::open(connectors::contract::Settings {
            url: self.running.url.clone(),
            ca_pem: Some(self.running.ca_pem.clone().into_bytes()),
            credential: credential.to_bytes().unwrap(),
            keeper: Arc::clone(&self.kept) as Arc<dyn CredentialKeeper>,
            behalf: Behalf { audit, principal, grant, object: "default/shop".into() },
            clock,
            rng: Arc::new(Seeded(Mutex::new(11))),
        })
        .unwrap()
    }

    pub(crate) fn client_credentials(&self) -> Credential {
        Credential::ClientCredentials {
            client_id: self.running.client_id.clone(),
            client_secret: Secret::new(&self.running.client_secret),
        }
    }

    pub(crate) fn faults(&self, spec: &str) {
        self.running.set_faults(sandbox::shopify::Fault::parse_list(spec).unwrap());
    }

    /// Sends a document as another app would.
    pub(crate) async fn send(&self, query: &str, variables: Value) -> Value {
        let authority = reqwest::Certificate::from_pem(self.running.ca_pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_merge([authority]).build().unwrap();
        let answer = client
            .post(format!("{}/admin/api/{}/graphql.json", self.running.url, shopify::API_VERSION))
            .header("X-Shopify-Access-Token", &self.running.access_token)
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await
            .unwrap();
        let body: Value = answer.json().await.unwrap();
        assert!(body.get("errors").is_none(), "{body}");
        body["data"].clone()
    }
}

/// Requests for these kinds, or for all.
pub(crate) fn requests(kinds: &[&str], since: Option<&Memory>) -> Vec<KindRequest> {
    conformance::requests::<Practice>(kinds, since)
}

impl Practised for Practice {
    const KINDS: &'static [KindSpec] = KINDS;
    const PLAIN: Plain = Plain { kind: "product", text: "/descriptionHtml", other: "/title" };
    const TELLS_SCOPES: bool = true;
    const ITSELF: Option<&'static str> = None;
    const PASSING: (&'static [&'static str], &'static [&'static str]) = (
        &[
            "429@3",
            "429-bare@3",
            "502@2",
            "503:collections@1",
            "cut@4",
            "cut-body@5",
            "throttled@4",
            "internal-error@3",
            "malformed-json@6",
            "bulk-failed:products@1",
            "bulk-truncated:products@1",
            "bulk-truncated:products@1+",
            "bulk-truncated:orders@2",
            "502:result@1",
            "cut:result@2",
            "cut-body:result@1",
            "cut-body:result@2",
            "502%20,429%10,cut%5",
        ],
        &["product", "collection", "order", "menu"],
    );
    const FAILING: (&'static str, &'static str) = ("collection", "502:collections@2+");
    const REFUSED: usize = 0;

    fn lost(n: u32) -> String {
        format!("lost-answer@{n}")
    }

    async fn start_with(size: Size) -> Self {
        let sized =
            |products, customers, orders| Settings { products, customers, orders, ..Settings::default() };
        Self::start(match size {
            Size::Whole => sized(30, 20, 20),
            Size::Few => sized(3, 2, 2),
            Size::Empty => Settings::empty(),
        })
        .await
    }

    fn open_audited(&self, audit: Arc<dyn AuditSink>) -> Box<dyn Store> {
        let credential =
            Credential::Static { access_token: Secret::new(&self.running.access_token), client_secret: None };
        self.open_recorded(&credential, audit)
    }

    fn open_unknown(&self) -> Box<dyn Store> {
        self.open_with(&Credential::Static { access_token: Secret::new("shpat_wrong"), client_secret: None })
    }

    fn pass(&self, time: Duration) {
        self.clock.shift(time);
    }

    fn set_faults(&self, spec: &str) {
        self.faults(spec);
    }

    fn grant(&self, scopes: &[&str]) {
        self.running.set_access(scopes, true);
    }

    fn opens(scope: &str, wanted: &str) -> bool {
        let what = |name: &str| name.trim_start_matches("read_").trim_start_matches("write_").to_owned();
        let others: &[&str] = match wanted {
            "read_online_store_pages" => &["content"],
            "read_locations" => &["inventory"],
            "read_files" => &["themes"],
            _ => &[],
        };
        what(scope) == what(wanted) || others.contains(&what(scope).as_str())
    }

    fn received(&self) -> u64 {
        self.running.stats().requests
    }

    async fn edit(&self, id: &str, text: &str) {
        let update = "mutation($product: ProductUpdateInput!) { productUpdate(product: $product) { userErrors { message } } }";
        let done = self.send(update, json!({"product": {"id": id, "descriptionHtml": text}})).await;
        assert_eq!(done["productUpdate"]["userErrors"], json!([]));
    }

    async fn remove(&self, id: &str) {
        let delete = "mutation($id: ID!) { productDelete(input: {id: $id}) { deletedProductId userErrors { message } } }";
        let done = self.send(delete, json!({ "id": id })).await;
        assert_eq!(done["productDelete"]["deletedProductId"], id);
    }

    fn look_through(from: &Self, to: &Self) {
        elsewhere::nothing_leads_back(&from.running, &to.running);
    }

    async fn close(self) {
        self.running.shutdown().await;
    }
}

facts!(Practice);
