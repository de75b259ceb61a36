//! A store that is being served.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{Clock, Rng};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::fault::{Fault, Faults};
use super::store::{App, Store};
use super::throttle::{Lanes, Window};
use super::{Settings, StartError, seed, server};
use crate::dice::Dice;
use crate::lock::lock;
use crate::secret::fresh;
use crate::tls;

/// How many requests are remembered.
const REQUESTS_MAX: usize = 100_000;

/// What a store has counted since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests to the API, refused ones included.
    pub requests: u64,
    /// Requests that were answered with status 429.
    pub throttled: u64,
    /// Writes that were done.
    pub writes: u64,
    /// Bytes of answers and files that were sent.
    pub bytes_sent: u64,
}

/// One request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: String,
    /// Its path behind the store, with `*` in the place of ids: `/v3/catalog/products/*`.
    pub path: String,
    /// What it was answered with; 0 for an answer that was never sent.
    pub status: u16,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
}

/// An access token and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) app: App,
}

/// One store and all that serves it.
pub(crate) struct Shop {
    pub(crate) store: Mutex<Store>,
    pub(crate) scopes: Mutex<BTreeSet<String>>,
    pub(crate) tokens: Mutex<Vec<Token>>,
    pub(crate) window: Mutex<Window>,
    pub(crate) lanes: Mutex<Lanes>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) requests: Mutex<VecDeque<RequestLine>>,
    pub(crate) counters: Counters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) hash: String,
    pub(crate) client_secret: String,
    pub(crate) other_secret: String,
    pub(crate) latency: Duration,
    pub(crate) webhooks: reqwest::Client,
}

impl Shop {
    /// Remembers what came in and how it was answered.
    pub(crate) fn note(&self, line: RequestLine) {
        let mut requests = lock(&self.requests);
        if requests.len() == REQUESTS_MAX {
            requests.pop_front();
        }
        requests.push_back(line);
    }
}

/// A practice store that is being served. It stops when it is dropped.
pub struct Running {
    /// `https://127.0.0.1:PORT/stores/HASH`, without a slash at its end.
    pub url: String,
    /// The store's own certificate authority, in PEM.
    pub ca_pem: String,
    /// The app's name at the platform.
    pub client_id: String,
    /// What webhooks are signed with.
    pub client_secret: String,
    /// An access token that does not expire.
    pub access_token: String,
    /// Where it listens.
    pub addr: SocketAddr,
    other_app_token: String,
    shop: Arc<Shop>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// The store's name in addresses: ten letters and digits that follow from the seed.
fn hash(seed: u64) -> String {
    let mut dice = Dice::new(seed ^ 0x5747);
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..10).map(|_| char::from(dice.pick(letters).unwrap_or(b'a'))).collect()
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
    let origin = format!("https://{host}");
    let hash = hash(settings.seed);

    let mut store = Store::new(settings.seed, clock.now(), origin.clone(), hash.clone());
    store.job_time = settings.job_time;
    store.form_fields.clone_from(&settings.form_fields);
    seed::fill(&mut store, &settings);
    store.seeding = false;
    if let Some(refusal) = store.refused.pop() {
        return Err(StartError::Seed(refusal));
    }

    let (access_token, other_app_token) = (fresh(&rng, ""), fresh(&rng, ""));
    let tokens = vec![
        Token { text: access_token.clone(), app: App::Ours },
        Token { text: other_app_token.clone(), app: App::Other },
    ];
    let mut webhooks = reqwest::Client::builder().timeout(Duration::from_secs(5));
    if let Some(pem) = &settings.webhook_ca_pem {
        let authorities =
            reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(StartError::Webhooks)?;
        webhooks = webhooks.tls_certs_merge(authorities);
    }
    let shop = Arc::new(Shop {
        store: Mutex::new(store),
        scopes: Mutex::new(settings.granted()),
        tokens: Mutex::new(tokens),
        window: Mutex::new(Window::new(settings.plan, clock.monotonic())),
        lanes: Mutex::default(),
        faults: Mutex::new(Faults::new(settings.faults, Arc::clone(&rng))),
        requests: Mutex::default(),
        counters: Counters::default(),
        client_secret: fresh(&rng, ""),
        other_secret: fresh(&rng, ""),
        clock,
        hash: hash.clone(),
        latency: settings.latency,
        webhooks: webhooks.build().map_err(StartError::Webhooks)?,
        rng: Arc::clone(&rng),
    });
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(server::serve(Arc::clone(&shop), listener, identity.server, stopped));
    Ok(Running {
        url: format!("{origin}/stores/{hash}"),
        ca_pem: identity.ca_pem,
        client_id: super::access::client_id(App::Ours).to_owned(),
        client_secret: shop.client_secret.clone(),
        access_token,
        addr,
        other_app_token,
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

    /// The token of another app that works on the same store, with every scope.
    #[must_use]
    pub fn other_app_token(&self) -> &str {
        &self.other_app_token
    }

    /// One more token of the app. Those that it has stay good.
    #[must_use]
    pub fn issue_token(&self) -> String {
        let text = fresh(&self.shop.rng, "");
        lock(&self.shop.tokens).push(Token { text: text.clone(), app: App::Ours });
        text
    }

    /// Replaces what goes wrong from now on.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        lock(&self.shop.faults).set(faults);
    }

    /// Replaces the app's scopes.
    pub fn set_access(&self, scopes: &[&str]) {
        *lock(&self.shop.scopes) = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    }

    /// Ends one access token now, as when the app is uninstalled.
    pub fn revoke(&self, access_token: &str) {
        lock(&self.shop.tokens).retain(|token| token.text != access_token);
    }

    /// Spends requests of the window as other apps of the store do.
    pub fn spend(&self, requests: u32) {
        lock(&self.shop.window).take(requests, self.shop.clock.monotonic());
    }

    /// The whole state: kind to id to fields, in the order of ids. What is kept beside the fields has names that begin
    /// with an underscore.
    #[must_use]
    pub fn dump(&self) -> serde_json::Value {
        super::dump::dump(&lock(&self.shop.store))
    }

    /// The requests that came in, in the order in which they were answered; of very many the last.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestLine> {
        lock(&self.shop.requests).iter().cloned().collect()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.shop.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            requests: read(&counters.requests),
            throttled: read(&counters.throttled),
            writes: read(&counters.writes),
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
