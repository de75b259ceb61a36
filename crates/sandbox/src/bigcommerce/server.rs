//! One door for all requests: tokens, windows, faults, scopes, the check against the facts, then the engine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::answer::{Answer, Body, Refusal};
use super::call::{Call, Query};
use super::check::{Place, Violation, check_body, check_query, pairs};
use super::facts::{Operation, facts};
use super::fault::{FaultKind, SLOW};
use super::form::Form;
use super::resource::starred;
use super::running::{RequestLine, Shop};
use super::store::App;
use super::{access, engine, webhook};
use crate::https;
use crate::lock::lock;

/// Longest request body, in bytes.
const BODY_MAX: usize = 64 << 20;

pub(crate) async fn serve(
    shop: Arc<Shop>,
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
    stopped: watch::Receiver<bool>,
) {
    let router = Router::new().fallback(any).with_state(shop);
    https::serve(router, listener, config, stopped).await;
}

async fn any(
    State(shop): State<Arc<Shop>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: HttpBody,
) -> Response {
    if !shop.latency.is_zero() {
        shop.clock.sleep(shop.latency).await;
    }
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = uri.path();
    let mut response = match path.strip_prefix("/stores/").and_then(|rest| rest.split_once('/')) {
        Some((hash, rest)) => api(&shop, hash, &method, &format!("/{rest}"), &uri, &headers, body).await,
        None => file(&shop, path).await,
    };
    if let Ok(date) = HeaderValue::from_str(&https::http_date(shop.clock.now())) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// Bytes of images: whoever has the address gets them.
async fn file(shop: &Shop, path: &str) -> Response {
    let fault = lock(&shop.faults).hit(&["files"], PLAIN_FAULTS);
    match fault {
        Some(FaultKind::Slow) => shop.clock.sleep(SLOW).await,
        Some(fault) if fault != FaultKind::Cut => return play(shop, fault),
        _ => {}
    }
    let kept = lock(&shop.store).files.get(&super::facts::decode(path)).cloned();
    let Some(bytes) = kept.map(|file| file.bytes()) else { return StatusCode::NOT_FOUND.into_response() };
    shop.counters.bytes_sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    let content_type = if bytes.starts_with(b"PK") { "application/zip" } else { "image/png" };
    let response = ([(header::CONTENT_TYPE, content_type)], bytes.clone()).into_response();
    if fault == Some(FaultKind::Cut) { https::cut_body(response, &bytes) } else { response }
}

/// What an answer is made of before faults and headers.
struct Made {
    answer: Answer,
    fault: Option<FaultKind>,
    path: String,
}

async fn api(
    shop: &Arc<Shop>,
    hash: &str,
    method: &Method,
    path: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    shop.counters.requests.fetch_add(1, Ordering::Relaxed);
    let (method, query) = (method.as_str(), uri.query().unwrap_or_default());
    let found = facts().find(method, path);
    let starred = found.as_ref().map_or_else(|_| path.to_owned(), |(operation, _)| starred(operation.path));
    // The lane is entered when the request arrives, and left when its answer is made.
    let lane = lock(&shop.lanes).enter(method, &starred);
    let made = match lane {
        Some(lane) => {
            let made = answer(shop, hash, method, starred, found, query, headers, &body);
            if made.fault == Some(FaultKind::Slow) {
                shop.clock.sleep(SLOW).await;
            }
            if let Some(lane) = lane {
                lock(&shop.lanes).leave(lane);
            }
            made
        }
        None => {
            shop.counters.throttled.fetch_add(1, Ordering::Relaxed);
            let refusal = Refusal::new(429, "Too many of these at one time.");
            Made { answer: refusal.answer(version(path)), fault: None, path: starred }
        }
    };
    let (path, fault) = (made.path.clone(), made.fault);
    let mut response = match fault {
        Some(fault)
            if PLAIN_FAULTS.contains(&fault) && fault != FaultKind::Cut && fault != FaultKind::Slow =>
        {
            play(shop, fault)
        }
        Some(FaultKind::Lost) => https::no_answer(),
        fault => send(shop, made.answer, fault == Some(FaultKind::Cut)),
    };
    let status = if fault == Some(FaultKind::Lost) { 0 } else { response.status().as_u16() };
    shop.note(RequestLine { method: method.to_owned(), path, status });
    if fault != Some(FaultKind::TooManyRequestsBare) {
        limits(shop, &mut response);
    }
    response
}

fn version(path: &str) -> u8 {
    if path.starts_with("/v2/") { 2 } else { 3 }
}

/// The headers of the request window, on every answer.
fn limits(shop: &Shop, response: &mut Response) {
    let now = shop.clock.monotonic();
    let (status, retry) = {
        let mut window = lock(&shop.window);
        let refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
        (window.status(now), refused.then(|| window.retry_after(now)))
    };
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: u128| {
        if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-rate-limit-time-window-ms", status.window_ms);
    set("x-rate-limit-time-reset-ms", status.reset_ms);
    set("x-rate-limit-requests-quota", status.quota.into());
    set("x-rate-limit-requests-left", status.left.into());
    if let Some(seconds) = retry {
        set("x-retry-after", seconds.into());
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one request")]
fn answer(
    shop: &Arc<Shop>,
    hash: &str,
    method: &str,
    path: String,
    found: Result<(&'static Operation, Vec<String>), Vec<&'static str>>,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Made {
    let refuse =
        |refusal: &Refusal, path: String| Made { answer: refusal.answer(version(&path)), fault: None, path };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let given = header("x-auth-token").unwrap_or_default();
    let app = lock(&shop.tokens).iter().find(|token| token.text == given).map(|token| token.app);
    let Some(app) = app.filter(|_| hash == shop.hash) else {
        return refuse(&Refusal::new(401, "X-Auth-Token is required, and must be one of this store."), path);
    };
    if !lock(&shop.window).take(1, shop.clock.monotonic()) {
        shop.counters.throttled.fetch_add(1, Ordering::Relaxed);
        return refuse(&Refusal::new(429, "The store's requests of this window are used up."), path);
    }
    let fault = hit(shop, method, &path, found.as_ref().ok().map(|(operation, _)| *operation));
    if let Some(fault) = fault
        .filter(|fault| PLAIN_FAULTS.contains(fault) && !matches!(fault, FaultKind::Cut | FaultKind::Slow))
    {
        return Made { answer: Answer::empty(500), fault: Some(fault), path };
    }
    let (operation, ids) = match found {
        Ok(found) => found,
        Err(methods) if methods.is_empty() => return refuse(&Refusal::not_found(), path),
        Err(_) => return refuse(&Refusal::new(405, "The path does not have this method."), path),
    };
    let scopes = if app == App::Ours { lock(&shop.scopes).clone() } else { access::all() };
    if !access::allows(&scopes, method, &path) {
        return refuse(&Refusal::new(403, "You don't have a required scope to access the endpoint"), path);
    }
    let query = pairs(query);
    let content_type = header("content-type");
    let mut violations = Vec::new();
    check_query(operation, &query, &mut violations);
    check_body(operation, content_type, body, &mut violations);
    if let Some(refusal) = refusal(&violations) {
        return refuse(&refusal, path);
    }
    let (answer, changes) = {
        let mut store = lock(&shop.store);
        store.now = shop.clock.now();
        store.monotonic = shop.clock.monotonic();
        store.advance();
        let form = content_type
            .filter(|kind| kind.starts_with("multipart/"))
            .and_then(|kind| Form::read(kind, body));
        let json = if form.is_some() { Json::Null } else { serde_json::from_slice(body).unwrap_or_default() };
        let mut call = Call {
            store: &mut store,
            operation,
            ids,
            query: Query(query),
            body: json,
            form,
            app,
            scopes: &scopes,
            fault,
            lost: Vec::new(),
        };
        let answer = engine::serve(&mut call);
        (answer, std::mem::take(&mut store.changes))
    };
    match answer {
        Ok(answer) => {
            if method != "GET" {
                shop.counters.writes.fetch_add(1, Ordering::Relaxed);
            }
            webhook::deliver(shop, &starred(operation.path), &changes);
            Made { answer, fault, path }
        }
        Err(refusal) => Made { answer: refusal.answer(version(&path)), fault, path },
    }
}

/// The refusal of a request that no description allows.
fn refusal(violations: &[Violation]) -> Option<Refusal> {
    let first = violations.first()?;
    if violations.iter().any(|violation| violation.place == Place::Type) {
        return Some(Refusal::new(415, first.what.clone()));
    }
    let errors =
        violations.iter().map(|violation| (violation.field.clone(), violation.what.clone())).collect();
    Some(Refusal::fields(errors))
}

/// Faults that need nothing of the request.
const PLAIN_FAULTS: &[FaultKind] = &[
    FaultKind::TooManyRequests,
    FaultKind::TooManyRequestsBare,
    FaultKind::Internal,
    FaultKind::BadGateway,
    FaultKind::Unavailable,
    FaultKind::Html,
    FaultKind::Cut,
    FaultKind::Slow,
];

fn hit(shop: &Shop, method: &str, path: &str, operation: Option<&Operation>) -> Option<FaultKind> {
    let mut kinds = PLAIN_FAULTS.to_vec();
    kinds.push(FaultKind::Lost);
    if let Some(operation) = operation {
        if operation.answers(207) && method != "GET" {
            kinds.push(FaultKind::Partial);
        }
        if operation.parameter("page").is_some() && method == "GET" {
            kinds.push(FaultKind::Shrink);
        }
    }
    let words: Vec<&str> = path.split('/').skip(2).collect();
    let mut names = vec![format!("{method} {}", words.join("/"))];
    for from in 0..words.len() {
        let end = words.iter().skip(from).copied().collect::<Vec<_>>().join("/");
        names.push(format!("{method} {end}"));
        names.push(end);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    lock(&shop.faults).hit(&names, &kinds)
}

/// The answer of a fault that needs nothing of the request.
fn play(shop: &Shop, fault: FaultKind) -> Response {
    let page = |status: StatusCode, title: &str| {
        let html = format!("<html><body><h1>{title}</h1></body></html>");
        (status, [(header::CONTENT_TYPE, "text/html")], html).into_response()
    };
    match fault {
        FaultKind::TooManyRequests | FaultKind::TooManyRequestsBare => {
            shop.counters.throttled.fetch_add(1, Ordering::Relaxed);
            send(shop, Refusal::new(429, "Too many requests.").answer(3), false)
        }
        FaultKind::Internal => send(shop, Refusal::new(500, "Internal error.").answer(3), false),
        FaultKind::BadGateway => page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
        FaultKind::Html => page(StatusCode::OK, "Just a moment"),
        FaultKind::Lost | FaultKind::Cut => https::no_answer(),
        _ => page(StatusCode::SERVICE_UNAVAILABLE, "503 Down for maintenance"),
    }
}

fn send(shop: &Shop, answer: Answer, cut: bool) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (bytes, content_type) = match answer.body {
        Body::None => return status.into_response(),
        Body::Json(json) => (Bytes::from(json.to_string()), "application/json"),
    };
    shop.counters.bytes_sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    let response = (status, [(header::CONTENT_TYPE, content_type)], bytes.clone()).into_response();
    if cut { https::cut_body(response, &bytes) } else { response }
}
