//! What every test of the practice store shares: time, chance, and a client.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]

pub mod bigcommerce;
pub mod receiver;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{Clock, Rng, Timestamp};
use futures::future::BoxFuture;
use sandbox::shopify::{Running, Settings, start};
use serde_json::{Value, json};

/// A clock that the test moves; sleeping moves it too.
#[derive(Debug)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Arc::new(AtomicU64::new(0))))
    }

    pub fn pass(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        // 2026-11-24T12:00:00Z and what has passed since.
        Timestamp::from_second(1_795_521_600 + self.monotonic().as_secs() as i64).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let until = self.monotonic() + duration;
        let now = Arc::clone(&self.0);
        Box::pin(async move {
            while Duration::from_millis(now.load(Ordering::SeqCst)) < until {
                tokio::task::yield_now().await;
            }
        })
    }
}

/// Real time, for figures that are shown and not judged.
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a figure of the real machine")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Numbers that follow from a seed.
#[derive(Debug)]
pub struct TestRng(Mutex<u64>);

impl Rng for TestRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 56) as u8;
        }
    }
}

/// A store and a client that trusts it.
pub struct Shop {
    pub running: Running,
    pub clock: Arc<TestClock>,
    pub client: reqwest::Client,
}

impl Shop {
    pub async fn start(settings: Settings) -> Self {
        let clock = TestClock::new();
        let rng = Arc::new(TestRng(Mutex::new(settings.seed)));
        let running = start(settings, Arc::clone(&clock) as Arc<dyn Clock>, rng).await.unwrap();
        let authority = reqwest::Certificate::from_pem(running.ca_pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        Self { running, clock, client }
    }

    pub async fn post(&self, query: &str, variables: Value) -> reqwest::Response {
        self.client
            .post(format!("{}/admin/api/2026-10/graphql.json", self.running.url))
            .header("x-shopify-access-token", &self.running.access_token)
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await
            .unwrap()
    }

    /// The whole answer.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let response = self.post(query, variables).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// The data of an answer without errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.ask(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].clone()
    }

    /// The payload of a mutation without user errors.
    pub async fn change(&self, mutation: &str, variables: Value) -> Value {
        let data = self.data(mutation, variables).await;
        let payload = data.as_object().unwrap().values().next().unwrap().clone();
        assert_eq!(payload["userErrors"], json!([]), "{mutation}");
        payload
    }

    /// The user errors of a refused mutation.
    pub async fn refused(&self, mutation: &str, variables: Value) -> Value {
        let data = self.data(mutation, variables).await;
        let errors = data.as_object().unwrap().values().next().unwrap()["userErrors"].clone();
        assert_ne!(errors, json!([]), "{mutation} was not refused");
        errors
    }

    /// Runs a bulk query to its end and returns the operation and its lines.
    pub async fn bulk(&self, query: &str) -> (Value, Vec<Value>) {
        let started = self
            .change("mutation($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id status } userErrors { field message code } } }", json!({ "q": query }))
            .await;
        let operation = self.bulk_end(started["bulkOperation"]["id"].as_str().unwrap()).await;
        let mut lines = Vec::new();
        if let Some(url) = operation["url"].as_str() {
            let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
            lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        (operation, lines)
    }

    pub async fn bulk_end(&self, id: &str) -> Value {
        for _ in 0..200_000 {
            let data = self
                .data("query($id: ID!) { bulkOperation(id: $id) { id status type errorCode objectCount rootObjectCount fileSize url partialDataUrl completedAt } }", json!({ "id": id }))
                .await;
            let operation = data["bulkOperation"].clone();
            if !matches!(operation["status"].as_str().unwrap(), "CREATED" | "RUNNING" | "CANCELING") {
                return operation;
            }
            #[expect(clippy::disallowed_methods, reason = "real threads do the work")]
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the bulk operation did not end");
    }
}
