//! Every request is on the trail, with nothing in its event that is not for the trail.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use connectors::contract::{Fault, Lookup};
use connectors::platforms::shopify;
use domain::{AuditError, AuditEvent, AuditSink, HttpFacts, Id128, Operation, Outcome};
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use sandbox::shopify::Settings;
use serde_json::{Value, json};

use crate::practice::{Practice, fetch, requests};

/// Keeps events, and fails once at the one of a number.
#[derive(Debug, Default)]
struct Sink {
    events: Mutex<Vec<AuditEvent>>,
    fails_at: Option<usize>,
}

impl AuditSink for Sink {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.note(event)
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        let mut events = self.events.lock().unwrap();
        events.push(event);
        let fails = self.fails_at == Some(events.len());
        Box::pin(async move { if fails { Err(AuditError("the disk is full".into())) } else { Ok(()) } })
    }
}

impl Sink {
    fn requests(&self) -> Vec<HttpFacts> {
        let events = self.events.lock().unwrap().clone();
        events.into_iter().map(|event| event.request.unwrap()).collect()
    }

    /// How often what was asked for.
    fn names(&self) -> BTreeMap<String, u64> {
        let mut names = BTreeMap::new();
        self.requests().into_iter().for_each(|request| *names.entry(request.name).or_default() += 1);
        names
    }
}

const BESIDE_THE_API: [&str; 3] = ["token", "bulk result", "media"];

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_is_told_of_request_by_request_and_without_what_was_read() {
    const MARKS: [&str; 3] = ["Heron-4711", "heron-4711", "heron-4712"];
    let practice = Practice::start(Settings { products: 8, ..Settings::default() }).await;
    let first = practice
        .send("{ products(first: 1) { nodes { id } } customers(first: 1) { nodes { id } } }", json!({}));
    let first = first.await;
    let id = |root: &str| first[root]["nodes"][0]["id"].clone();
    let rename = "mutation($product: ProductUpdateInput!, $input: CustomerInput!) { \
        productUpdate(product: $product) { userErrors { message } } \
        customerUpdate(input: $input) { userErrors { message } } }";
    let mail = format!("{}@example.com", MARKS[1]);
    let variables = json!({
        "product": {"id": id("products"), "title": MARKS[0]},
        "input": {"id": id("customers"), "email": mail},
    });
    let renamed = practice.send(rename, variables).await;
    assert!(!renamed.to_string().contains("message"), "{renamed}");

    let sink = Arc::new(Sink::default());
    let asked = practice.running.stats().requests;
    let store = practice.open_recorded(&practice.client_credentials(), Arc::<Sink>::clone(&sink));
    practice.faults("502@2,cut-body@4,429-bare@6,502:result@1,cut-body:result@2");
    let spool = fetch(store.as_ref(), requests(&[], None)).await.unwrap();
    let items = spool.items(store.as_ref());
    let customer = items.values().find(|item| item.payload.windows(mail.len()).any(|w| w == mail.as_bytes()));
    let customer: Value = serde_json::from_slice(&customer.unwrap().payload).unwrap();
    let lookups = [Lookup::Natural(&customer)];
    assert!(store.live(shopify::kind("customer").unwrap(), &lookups).await.unwrap()[0].is_some());
    let (mut files, mut bytes) = (0, 0);
    for source in items.values().flat_map(|item| &item.media).take(3) {
        let body = store.media(source).await.unwrap().bytes;
        bytes += body.map_ok(|piece| piece.len() as u64).try_fold(0, async |a, b| Ok(a + b)).await.unwrap();
        files += 1;
    }
    let mut gone = items.values().find_map(|item| item.media.first()).unwrap().clone();
    gone.url = gone.url.replace("/files/", &format!("/files/{}", MARKS[2]));
    assert!(matches!(store.media(&gone).await, Err(Fault::Rejected(_))), "{}", gone.url);

    // One event for each request that is counted, and one for each token.
    let (names, told) = (sink.names(), sink.requests());
    let of = |name: &str| names.get(name).copied().unwrap_or_default();
    assert_eq!(told.len() as u64, store.usage().requests + of("token"), "{names:?}");
    let to_the_api: u64 =
        names.iter().filter(|(n, _)| !BESIDE_THE_API.contains(&n.as_str())).map(|(_, n)| n).sum();
    assert_eq!(to_the_api, practice.running.stats().requests - asked, "{names:?}");
    assert_eq!((of("token"), of("media")), (1, files + 1));
    for name in ["scopes", "product_count", "bulk_run", "bulk_state", "bulk result", "collection_page"] {
        assert!(of(name) > 0, "{name}: {names:?}");
    }
    let found = told.iter().filter(|request| request.name == "media" && request.status == Some(200));
    assert_eq!(found.map(|request| request.received).sum::<u64>(), bytes);

    let host = practice.running.url.strip_prefix("https://").unwrap();
    let api = format!("/admin/api/{}/graphql.json", shopify::API_VERSION);
    for event in sink.events.lock().unwrap().iter() {
        let request = event.request.as_ref().unwrap();
        let (method, path) = match request.name.as_str() {
            "token" => ("POST", "/admin/oauth/access_token"),
            "bulk result" => ("GET", "/{result}"),
            "media" => ("GET", "/{file}"),
            _ => ("POST", api.as_str()),
        };
        assert_eq!((request.method, request.path.as_str(), request.host.as_str()), (method, path, host));
        assert_eq!(request.sent > 0, method == "POST", "{event:?}");
        assert_eq!((event.operation, event.grant), (Operation::PlatformRequest, Some(Id128([7; 16]))));
        assert_eq!((event.principal.0.as_str(), event.object.as_str()), ("cell-operator", "default/shop"));
        assert!(event.took.is_some());
        let cut_off = event.detail.starts_with("the answer was cut off");
        let failed = event.outcome == Outcome::Failed;
        assert_eq!(failed, cut_off || request.status.is_none_or(|status| status >= 400), "{event:?}");
    }
    let statuses: Vec<_> = told.iter().map(|request| request.status).collect();
    for status in [200, 206, 404, 429, 502] {
        assert!(statuses.contains(&Some(status)), "{status}: {statuses:?}");
    }

    let text = format!("{:?}", sink.events.lock().unwrap());
    assert!(text.contains(host) && items.len() > 50);
    for secret in
        MARKS.into_iter().chain(["shpat_", "@", "gid:", "?", practice.running.client_secret.as_str()])
    {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_told_of_as_refused() {
    let practice = Practice::start(Settings::empty()).await;
    let sink = Arc::new(Sink::default());
    let store = practice.open_recorded(&practice.client_credentials(), Arc::<Sink>::clone(&sink));
    assert!(store.probe().await.is_ok());
    sink.events.lock().unwrap().clear();
    practice.running.revoke_all();
    assert!(store.probe().await.is_ok());
    let outcomes: Vec<_> = sink.events.lock().unwrap().iter().take(3).map(|event| event.outcome).collect();
    assert_eq!(outcomes, [Outcome::Refused, Outcome::Done, Outcome::Done]);
    let names: Vec<_> = sink.requests().into_iter().take(3).map(|request| request.name).collect();
    assert_eq!(names[1], "token", "{names:?}");
    assert_eq!(names[0], names[2]);
}

/// More requests than are ever sent at one time.
const UNDER_WAY_MAX: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_put_on_record_ends_and_sends_nothing_more() {
    let practice = Practice::start(Settings { products: 8, ..Settings::default() }).await;
    let credential = practice.client_credentials();
    let undisturbed = Arc::new(Sink::default());
    let store = practice.open_recorded(&credential, Arc::<Sink>::clone(&undisturbed));
    let items = fetch(store.as_ref(), requests(&[], None)).await.unwrap().items(store.as_ref());
    let source = items.values().find_map(|item| item.media.first()).unwrap();
    store.media(source).await.unwrap().bytes.try_for_each(async |_| Ok(())).await.unwrap();
    let all = undisturbed.requests().len();
    assert!(all > 40, "{all} requests");
    // The token's, the first answer's, and some in the middle.
    for fails_at in [1, 2, 3, 7, 20, all / 2] {
        let sink = Arc::new(Sink { fails_at: Some(fails_at), ..Sink::default() });
        let store = practice.open_recorded(&credential, Arc::<Sink>::clone(&sink));
        let fault = fetch(store.as_ref(), requests(&[], None)).await.unwrap_err();
        assert!(matches!(fault, Fault::Audit(_)), "{fails_at}: {fault}");
        assert!(fault.to_string().contains("the disk is full"), "{fault}");
        // Some were under way already, and may arrive late: fewer than those that would be sent now.
        let (told, asked) = (sink.requests().len(), practice.running.stats().requests);
        for _ in 0..UNDER_WAY_MAX {
            assert!(matches!(store.probe().await, Err(Fault::Audit(_))));
        }
        assert!(matches!(store.media(source).await, Err(Fault::Audit(_))));
        let more = (sink.requests().len() - told, practice.running.stats().requests - asked);
        assert!(more.0 < UNDER_WAY_MAX && more.1 < UNDER_WAY_MAX as u64, "{fails_at}: {more:?}");
        if fails_at == 1 {
            assert_eq!(told, 1, "nothing was sent with that token");
        }
    }
    // Bytes that were fetched unrecorded are not given as whole.
    let sink = Arc::new(Sink { fails_at: Some(1), ..Sink::default() });
    let store = practice.open_recorded(&credential, Arc::<Sink>::clone(&sink));
    let body = store.media(source).await.unwrap().bytes.try_for_each(async |_| Ok(())).await;
    assert!(matches!(body, Err(Fault::Audit(_))));
}

#[test]
fn only_the_engine_can_send() {
    // What else there is of HTTP outside of it: words for what is sent, and for what came.
    const WORDS: [&str; 3] = ["StatusCode", "header", "multipart"];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut looked, mut folders) = (0, vec![source]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let named: Vec<_> = text.split("reqwest::").skip(1).collect();
            looked += named.len();
            let allowed = |after: &&str| WORDS.iter().any(|word| after.starts_with(word));
            if !path.ends_with("engine/http.rs") {
                assert!(named.iter().all(allowed), "{}: what else sends is not on the trail", path.display());
            }
        }
    }
    assert!(looked > 5);
}
