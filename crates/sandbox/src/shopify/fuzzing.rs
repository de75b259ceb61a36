//! Entry points for fuzzing: each parser of what clients and people give a practice store, and what must hold of
//! whatever they give. Each answers whether the bytes were accepted.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, RwLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Path, State};
use axum::http::{Request, StatusCode, header};
use domain::{Clock, Rng, Timestamp};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value as Json;

use super::dump::dump;
use super::fault::{Fault, FaultKind, Faults};
use super::files::{self, Staged};
use super::record::Record;
use super::running::{Shop, lock};
use super::server::{form, range};
use super::store::Store;
use super::throttle::Bucket;
use super::token::Tokens;
use super::value::Kind;
use super::{Settings, csv, graphql, schema, seed};

/// Longest field of a multipart form between its boundaries; the boundary is this.
const BOUNDARY: &str = "boundary";

/// Time that stands, and chance that counts.
#[derive(Debug, Default)]
struct Fixed(AtomicU64);

impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| u8::try_from(self.0.fetch_add(1, Ordering::Relaxed) % 251).unwrap_or_default());
    }
}

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_760_000_000).expect("a time")
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }
}

/// Making a client reads the system's authorities: once is enough.
static WEBHOOKS: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
/// The store that is only read.
static SHOP: LazyLock<Arc<Shop>> = LazyLock::new(shop);

fn settings() -> Settings {
    Settings { products: 3, customers: 2, orders: 2, ..Settings::default() }
}

/// A new store, without a server.
fn shop() -> Arc<Shop> {
    schema::load().expect("our own schema");
    let settings = settings();
    let clock: Arc<dyn Clock> = Arc::new(Fixed::default());
    let rng: Arc<dyn Rng> = Arc::new(Fixed::default());
    let mut store = Store::new(settings.seed, settings.search_lag, settings.job_time);
    store.now = clock.now().as_second();
    seed::fill(&mut store, &settings);
    store.seeding = false;
    Arc::new(Shop {
        store: RwLock::new(store),
        viewer: RwLock::new(settings.viewer()),
        bucket: Mutex::new(Bucket::new(settings.plan, clock.monotonic())),
        tokens: Mutex::new(Tokens::default()),
        faults: Mutex::new(Faults::new(Vec::new(), Arc::clone(&rng))),
        uploads: Mutex::default(),
        results: Mutex::default(),
        documents: Mutex::default(),
        record: Record::default(),
        counters: super::running::Counters::default(),
        client_id: "id".to_owned(),
        client_secret: "secret".to_owned(),
        clock,
        rng,
        base_url: "https://127.0.0.1:1".to_owned(),
        query_cost_max: settings.query_cost_max,
        latency: settings.latency,
        job_time: settings.job_time,
        webhooks: WEBHOOKS.clone(),
    })
}

/// The body of a GraphQL request. What writes gets a store of its own; whose state can still be written down then.
pub fn graphql_request(bytes: &[u8]) -> bool {
    let request: Json = serde_json::from_slice(bytes).unwrap_or_default();
    let text = request.get("query").and_then(Json::as_str).unwrap_or_default();
    let shop = if text.contains("mutation") { shop() } else { Arc::clone(&SHOP) };
    let answer = graphql::answer(&shop, bytes);
    let body: Json = serde_json::from_str(&answer.body).expect("an answer is JSON");
    assert!(body.get("data").is_some() || body.get("errors").is_some(), "{body}");
    if text.contains("mutation") {
        let store = shop.store.read().expect("nobody panicked");
        assert!(dump(&store).is_object());
    }
    answer.status == StatusCode::OK && body.get("errors").is_none()
}

/// A product export.
pub fn product_csv(bytes: &[u8]) -> bool {
    schema::load().expect("our own schema");
    let mut store = Store::new(1, Duration::ZERO, Duration::ZERO);
    seed::fill(&mut store, &Settings::empty());
    let Ok(count) = csv::load(&mut store, bytes) else { return false };
    let rows = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    assert!(count <= rows + 1, "{count} products in {rows} rows");
    assert_eq!(store.table(Kind::Product).rows.len(), count);
    assert!(dump(&store).is_object());
    true
}

/// A list of faults; a few requests that meet them.
pub fn fault_spec(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(list) = Fault::parse_list(text) else { return false };
    let entries = text.split(',').filter(|part| !part.trim().is_empty()).count();
    assert_eq!(list.len(), entries);
    let mut faults = Faults::new(list, Arc::new(Fixed::default()));
    let kinds = [FaultKind::TooManyRequests, FaultKind::BadGateway, FaultKind::BulkFailed, FaultKind::Cut];
    for targets in [&["products"][..], &["productSet", "mutation"], &["token"], &[]] {
        for _ in 0..4 {
            let hit = faults.hit(targets, &kinds);
            assert!(hit.is_none_or(|hit| kinds.contains(&hit)));
        }
    }
    entries > 0
}

/// A form of a token request, a range, and a multipart form, whose boundary is `boundary`.
pub fn http_form(bytes: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let fields: HashMap<String, String> = form(text);
        assert!(fields.len() <= text.split('&').count());
        for len in [0, 1, 1000, u64::MAX] {
            if let Some((from, to)) = range(text, len) {
                assert!(from < to && to <= len);
                return true;
            }
        }
    }
    upload(bytes).unwrap_or_default()
}

fn upload(bytes: &[u8]) -> Option<bool> {
    let shop = shop_for_uploads();
    lock(&shop.uploads).staged.insert("a".to_owned(), Staged::default());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let request =
        Request::post("/uploads/a").header(header::CONTENT_TYPE, kind).body(Body::from(bytes.to_vec()));
    let request = request.expect("a request");
    let taking = async {
        let form = Multipart::from_request(request, &()).await.ok()?;
        let answer = files::post_upload(State(Arc::clone(&shop)), Path("a".to_owned()), form).await;
        Some(answer.status())
    };
    let status = taking.now_or_never()??;
    let taken = lock(&shop.uploads).staged.get("a").and_then(|staged| staged.bytes.clone());
    assert_eq!(status == StatusCode::CREATED, taken.is_some(), "what is taken is kept");
    if let Some(taken) = &taken {
        assert!(taken.len() <= bytes.len());
    }
    Some(taken.is_some())
}

/// Uploads leave nothing behind but the one that is looked at.
fn shop_for_uploads() -> Arc<Shop> {
    lock(&SHOP.uploads).staged.clear();
    Arc::clone(&SHOP)
}
