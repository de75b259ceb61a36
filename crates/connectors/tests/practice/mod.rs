//! What every test of restoring shares: a practice store, its owner, and a journal that can be cut short.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]

#[path = "../journal/mod.rs"]
mod journal;
pub mod round;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors::Secret;
use connectors::contract::{
    Applied, Behalf, CredentialKeeper, Fault, IdMap, ItemPlan, ItemWrite, KindSpec, Lookup, Renewing,
    RestoreOptions, SpoolError, Store,
};
use connectors::platforms::shopify::{self, Credential};
use domain::{Clock, Principal, Rng, Timestamp, Unrecorded};
use futures::future::BoxFuture;
use sandbox::shopify::Running;
use serde_json::{Value, json};

pub use self::journal::{Memory, Stored};

/// A clock on which waiting takes no time: it goes on by itself.
#[derive(Debug)]
pub struct QuickClock(Arc<AtomicU64>);

impl Clock for QuickClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_795_521_600 + i64::try_from(self.monotonic().as_secs()).unwrap()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let millis = Arc::clone(&self.0);
        Box::pin(async move {
            millis.fetch_add(u64::try_from(duration.as_millis()).unwrap() + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        })
    }
}

#[derive(Debug)]
struct TestRng(Mutex<u64>);

impl Rng for TestRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = u8::try_from(*state >> 56).unwrap();
        }
    }
}

#[derive(Debug)]
struct Forgetful;

impl CredentialKeeper for Forgetful {
    fn renewing(&self) -> BoxFuture<'_, Result<Renewing, SpoolError>> {
        Box::pin(async { Ok(Renewing { kept: None, lock: Box::new(()) }) })
    }

    fn keep<'a>(&'a self, _: &'a [u8]) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A practice store with a connection to it.
pub struct Practice {
    pub running: Running,
    pub store: Box<dyn Store>,
    owner: reqwest::Client,
    clock: Arc<dyn Clock>,
}

impl Practice {
    pub async fn open(settings: sandbox::shopify::Settings) -> Self {
        let settings = unhurried(settings);
        let clock = Arc::new(QuickClock(Arc::new(AtomicU64::new(0))));
        let rng = Arc::new(TestRng(Mutex::new(settings.seed)));
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (clock, rng);
        let running = sandbox::shopify::start(settings, Arc::clone(&clock), Arc::clone(&rng)).await.unwrap();
        let credential =
            Credential::Static { access_token: Secret::new(&running.access_token), client_secret: None };
        let store = shopify::open(connectors::contract::Settings {
            url: running.url.clone(),
            ca_pem: Some(running.ca_pem.clone().into_bytes()),
            credential: credential.to_bytes().unwrap(),
            keeper: Arc::new(Forgetful),
            behalf: Behalf {
                audit: Arc::new(Unrecorded),
                principal: Principal("cell-operator".into()),
                grant: None,
                object: "default/shop".into(),
            },
            clock: Arc::clone(&clock),
            rng,
        })
        .unwrap();
        let authority = reqwest::Certificate::from_pem(running.ca_pem.as_bytes()).unwrap();
        let owner = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        Self { running, store, owner, clock }
    }

    /// What the shop's owner does, beside us. Refusals fail the test.
    pub async fn owner(&self, document: &str, variables: Value) -> Value {
        let answer = self
            .owner
            .post(format!("{}/admin/api/2026-10/graphql.json", self.running.url))
            .header("X-Shopify-Access-Token", &self.running.access_token)
            .json(&json!({"query": document, "variables": variables}))
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer}");
        let refused = answer.to_string().contains("serErrors\":[{");
        assert!(!refused, "{answer}");
        self.settle().await;
        answer["data"].clone()
    }

    /// Lets what was written be found, and jobs end: some time passes between what a person does and looks at.
    async fn settle(&self) {
        self.clock.sleep(SETTLED).await;
    }

    /// The ids of a kind: the root field of its listing.
    pub async fn ids(&self, root: &str) -> Vec<String> {
        let answer = self.owner(&format!("{{ {root}(first: 250) {{ nodes {{ id }} }} }}"), json!({})).await;
        answer[root]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The item as a backup would keep it.
    pub async fn payload(&self, kind: &str, id: &str) -> Option<Value> {
        self.look(kind, Lookup::Id(id)).await
    }

    pub async fn look(&self, name: &str, lookup: Lookup<'_>) -> Option<Value> {
        self.settle().await;
        let lookups = [lookup];
        let found = self.store.live(kind(name), &lookups).await.unwrap();
        found.into_iter().next().flatten().map(|item| serde_json::from_slice(&item.payload).unwrap())
    }

    pub fn plan(&self, name: &str, wanted: &Value, live: Option<&Value>) -> ItemPlan {
        self.store.plan(kind(name), wanted, live, &IdMap::default(), &RestoreOptions::default())
    }

    /// Puts an item back, with everything at its default.
    pub async fn restore(&self, name: &str, wanted: &Value, live: Option<&Value>) -> Applied {
        self.try_restore(name, wanted, live, &IdMap::default(), &Memory::default()).await.unwrap()
    }

    pub async fn try_restore(
        &self,
        name: &str,
        wanted: &Value,
        live: Option<&Value>,
        ids: &IdMap,
        journal: &Memory,
    ) -> Result<Applied, Fault> {
        self.restore_with(name, wanted, live, ids, journal, &RestoreOptions::default(), &Stored::default())
            .await
    }

    #[expect(clippy::too_many_arguments, reason = "what a restore is given")]
    pub async fn restore_with(
        &self,
        name: &str,
        wanted: &Value,
        live: Option<&Value>,
        ids: &IdMap,
        journal: &Memory,
        options: &RestoreOptions,
        media: &Stored,
    ) -> Result<Applied, Fault> {
        let id = wanted["id"].as_str().or(wanted["locale"].as_str()).unwrap();
        let former = None;
        let write = ItemWrite { kind: kind(name), id, wanted, live, former, options, ids, media, journal };
        self.store.apply(write).await
    }
}

/// How long jobs and the processing of files take at least, and how long a search does not see a write.
const JOB_TIME: Duration = Duration::from_millis(500);
const SEARCH_LAG: Duration = Duration::from_secs(2);
/// After so long everything of that is over, where a test does not ask for more.
const SETTLED: Duration = Duration::from_secs(5);

/// A platform takes its time. The clock is one that goes on by itself, so waiting costs none of ours.
fn unhurried(settings: sandbox::shopify::Settings) -> sandbox::shopify::Settings {
    let (job_time, search_lag) = (settings.job_time.max(JOB_TIME), settings.search_lag.max(SEARCH_LAG));
    sandbox::shopify::Settings { job_time, search_lag, ..settings }
}

pub fn kind(name: &str) -> &'static KindSpec {
    shopify::kind(name).unwrap()
}

/// What `old` is now, by what a restore told.
pub fn new_id(applied: &Applied, old: &str) -> String {
    applied.ids.iter().find(|(from, _)| from == old).map_or_else(|| old.to_owned(), |(_, to)| to.clone())
}

/// A ledger of what a restore told.
pub fn ledger(applied: &[&Applied]) -> IdMap {
    let mut ids = IdMap::default();
    applied.iter().flat_map(|applied| &applied.ids).for_each(|(old, new)| ids.insert(old, new));
    ids
}

/// Where two payloads differ, with both values: short enough to read.
pub fn differences(left: &Value, right: &Value) -> Vec<String> {
    fn walk(at: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
        match (left, right) {
            (Value::Object(one), Value::Object(other)) => {
                let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for key in keys {
                    let null = Value::Null;
                    walk(
                        &format!("{at}/{key}"),
                        one.get(key).unwrap_or(&null),
                        other.get(key).unwrap_or(&null),
                        found,
                    );
                }
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (number, (one, other)) in one.iter().zip(other).enumerate() {
                    walk(&format!("{at}/{number}"), one, other, found);
                }
            }
            _ if left == right => {}
            _ => found.push(format!("{at}: {left} != {right}")),
        }
    }
    let mut found = Vec::new();
    walk("", left, right, &mut found);
    found
}
