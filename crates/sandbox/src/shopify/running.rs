//! A store that is being served.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::validation::Valid;
use domain::{Clock, Rng};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::fault::{Fault, Faults};
use super::files::Uploads;
use super::record::Record;
use super::store::Store;
use super::throttle::Bucket;
use super::token::{OfflineToken, Tokens};
use super::viewer::{ProtectedData, Viewer};
use super::{Settings, StartError, seed, server};
pub(crate) use crate::lock::lock;
use crate::secret::fresh;
use crate::tls;

/// What a store has counted since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// GraphQL requests, refused ones included.
    pub requests: u64,
    /// Requests that were answered `THROTTLED`, or with status 429.
    pub throttled: u64,
    /// Mutations that ran.
    pub mutations: u64,
    /// Cost that was spent, in points.
    pub cost: u64,
    /// Bulk operations that were started.
    pub bulk_operations: u64,
    /// Bytes of answers and files that were sent.
    pub bytes_sent: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) mutations: AtomicU64,
    pub(crate) cost: AtomicU64,
    pub(crate) bulk_operations: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
}

/// One shop and all that serves it.
pub(crate) struct Shop {
    pub(crate) store: RwLock<Store>,
    pub(crate) viewer: RwLock<Viewer>,
    pub(crate) bucket: Mutex<Bucket>,
    pub(crate) tokens: Mutex<Tokens>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) uploads: Mutex<Uploads>,
    pub(crate) results: Mutex<super::bulk::Results>,
    pub(crate) documents: Mutex<HashMap<String, Arc<Valid<ExecutableDocument>>>>,
    pub(crate) record: Record,
    pub(crate) counters: Counters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) base_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) query_cost_max: u64,
    pub(crate) latency: Duration,
    pub(crate) job_time: Duration,
    pub(crate) webhooks: reqwest::Client,
}

impl Shop {
    /// Who asks. A copy: no other lock is ever taken while this one is held.
    pub(crate) fn viewer(&self) -> Viewer {
        self.viewer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A practice store that is being served. It stops when it is dropped.
pub struct Running {
    /// `https://127.0.0.1:PORT`, without a slash at its end.
    pub url: String,
    /// The store's own certificate authority, in PEM.
    pub ca_pem: String,
    /// For the client credentials grant.
    pub client_id: String,
    /// For the client credentials grant, and what webhooks are signed with.
    pub client_secret: String,
    /// An access token that does not expire.
    pub access_token: String,
    /// Where it listens.
    pub addr: SocketAddr,
    shop: Arc<Shop>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

pub(crate) async fn start(
    settings: Settings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Running, StartError> {
    let listen = settings.listen;
    let listener =
        TcpListener::bind(listen).await.map_err(|source| StartError::Listen { addr: listen, source })?;
    let addr = listener.local_addr().map_err(|source| StartError::Listen { addr: listen, source })?;
    let identity = tls::make(addr.ip()).map_err(StartError::Certificate)?;
    let host =
        if addr.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], addr.port())) } else { addr };
    let url = format!("https://{host}");

    let now = clock.now().as_second();
    let mut store = Store::new(settings.seed, settings.search_lag, settings.job_time);
    store.now = now;
    seed::fill(&mut store, &settings);
    store.seeding = false;

    let access_token = fresh(&rng, "shpat_");
    let mut tokens = Tokens::default();
    tokens.add(access_token.clone(), None);
    let mut webhooks = reqwest::Client::builder().timeout(Duration::from_secs(5));
    if let Some(pem) = &settings.webhook_ca_pem {
        let authorities =
            reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(StartError::Webhooks)?;
        webhooks = webhooks.tls_certs_merge(authorities);
    }
    let shop = Arc::new(Shop {
        store: RwLock::new(store),
        viewer: RwLock::new(settings.viewer()),
        bucket: Mutex::new(Bucket::new(settings.plan, clock.monotonic())),
        tokens: Mutex::new(tokens),
        faults: Mutex::new(Faults::new(settings.faults, Arc::clone(&rng))),
        uploads: Mutex::default(),
        results: Mutex::default(),
        documents: Mutex::default(),
        record: Record::new(settings.record_documents),
        counters: Counters::default(),
        client_id: fresh(&rng, ""),
        client_secret: fresh(&rng, "shpss_"),
        clock,
        rng,
        base_url: url.clone(),
        query_cost_max: settings.query_cost_max,
        latency: settings.latency,
        job_time: settings.job_time,
        webhooks: webhooks.build().map_err(StartError::Webhooks)?,
    });
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(server::serve(Arc::clone(&shop), listener, identity.server, stopped));
    Ok(Running {
        url,
        ca_pem: identity.ca_pem,
        client_id: shop.client_id.clone(),
        client_secret: shop.client_secret.clone(),
        access_token,
        addr,
        shop,
        stop,
        task: Some(task),
    })
}

impl Running {
    /// Stops listening and ends all connections.
    pub async fn shutdown(mut self) {
        // Nobody listens when the task has already ended.
        let _ = self.stop.send(true);
        if let Some(task) = self.task.take() {
            // A server that panicked is down too.
            let _ = task.await;
        }
    }

    /// Replaces what goes wrong from now on.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        lock(&self.shop.faults).set(faults);
    }

    /// Replaces the app's scopes and its approval for personal data.
    pub fn set_access(&self, scopes: &[&str], protected_data: impl Into<ProtectedData>) {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let viewer = Viewer { scopes, protected_data: protected_data.into() };
        *self.shop.viewer.write().unwrap_or_else(PoisonError::into_inner) = viewer;
    }

    /// An offline token that lives one hour, and its refresh token.
    #[must_use]
    pub fn issue_offline_token(&self) -> OfflineToken {
        lock(&self.shop.tokens).issue_offline(&self.shop.rng, self.shop.clock.now().as_second())
    }

    /// Ends one access token now.
    pub fn revoke(&self, access_token: &str) {
        lock(&self.shop.tokens).revoke(access_token);
    }

    /// Ends every token now, as when the app is uninstalled.
    pub fn revoke_all(&self) {
        lock(&self.shop.tokens).revoke_all();
    }

    /// The whole state: kind to id to fields, in the order of ids. How the store was used (events, jobs, bulk
    /// operations, subscriptions) is left out, and so are fields that hold their default.
    #[must_use]
    pub fn dump(&self) -> serde_json::Value {
        super::dump::dump(&self.shop.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds the products of a CSV file as the platform's admin exports them, and says how many they are.
    ///
    /// # Errors
    /// When the bytes are no such file.
    pub fn load_csv(&self, bytes: &[u8]) -> Result<usize, super::CsvError> {
        let mut store = self.shop.store.write().unwrap_or_else(PoisonError::into_inner);
        store.now = self.shop.clock.now().as_second();
        store.monotonic = self.shop.clock.monotonic();
        let loaded = super::csv::load(&mut store, bytes);
        store.changes.clear();
        loaded
    }

    /// What was counted since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.shop.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            requests: read(&counters.requests),
            throttled: read(&counters.throttled),
            mutations: read(&counters.mutations),
            cost: read(&counters.cost),
            bulk_operations: read(&counters.bulk_operations),
            bytes_sent: read(&counters.bytes_sent),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody listens when the server was shut down before.
        let _ = self.stop.send(true);
    }
}
