//! Routes, tokens, and connections that end too early when a fault says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::fault::FaultKind;
use super::running::{Shop, lock};
use super::schema::VERSION;
use super::{bulk, files, graphql, token};
use crate::https;
use crate::secret::fresh;

/// Longest request body, in bytes: a staged upload of bulk variables may have 100 MB.
const BODY_MAX: usize = 128 << 20;

/// Longest GraphQL request, in bytes.
const GRAPHQL_MAX: usize = 16 << 20;

pub(crate) async fn serve(
    shop: Arc<Shop>,
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
    stopped: watch::Receiver<bool>,
) {
    let router = Router::new()
        .route("/admin/oauth/access_token", post(access_token))
        .route(
            "/admin/api/{version}/graphql.json",
            post(graphql_json).layer(DefaultBodyLimit::max(GRAPHQL_MAX)),
        )
        .route("/bulk/{name}", get(bulk_result))
        .route("/uploads/{name}", post(files::post_upload).put(files::put_upload))
        .route("/cdn/shop/files/{name}", get(files::get_file))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(shop);
    https::serve(router, listener, config, stopped).await;
}

/// The faults that any route can play before it does anything.
pub(crate) const HTTP_FAULTS: &[FaultKind] = &[
    FaultKind::TooManyRequests,
    FaultKind::TooManyRequestsBare,
    FaultKind::BadGateway,
    FaultKind::Unavailable,
    FaultKind::Cut,
];

/// The answer that a fault of [`HTTP_FAULTS`] gives.
pub(crate) fn play(shop: &Shop, fault: FaultKind) -> Response {
    match fault {
        FaultKind::TooManyRequests => {
            shop.counters.throttled.fetch_add(1, Ordering::Relaxed);
            let body = json!({ "errors": "Exceeded the rate limit of the practice store." }).to_string();
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1.0")], body).into_response()
        }
        FaultKind::TooManyRequestsBare => {
            shop.counters.throttled.fetch_add(1, Ordering::Relaxed);
            StatusCode::TOO_MANY_REQUESTS.into_response()
        }
        FaultKind::BadGateway => {
            let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
            (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        FaultKind::Cut | FaultKind::LostAnswer => https::no_answer(),
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn access_token(State(shop): State<Arc<Shop>>, body: Bytes) -> Response {
    if let Some(fault) = lock(&shop.faults).hit(&["token"], HTTP_FAULTS) {
        return play(&shop, fault);
    }
    // A form or JSON, as the platform takes both.
    let fields: std::collections::HashMap<String, String> = match serde_json::from_slice(&body) {
        Ok(fields) => fields,
        Err(_) => form(&String::from_utf8_lossy(&body)),
    };
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let refuse = |error: &str, description: &str| {
        let body = json!({ "error": error, "error_description": description }).to_string();
        (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    if field("client_id") != shop.client_id || field("client_secret") != shop.client_secret {
        return refuse("invalid_client", "The client id or the client secret is wrong.");
    }
    let now = shop.clock.now().as_second();
    let scope = shop.viewer().scopes.into_iter().collect::<Vec<_>>().join(",");
    let answer = match field("grant_type") {
        "client_credentials" => {
            let access_token = fresh(&shop.rng, "shpat_");
            lock(&shop.tokens).add(access_token.clone(), Some(now + token::CLIENT_CREDENTIALS_TTL));
            json!({ "access_token": access_token, "scope": scope, "expires_in": token::CLIENT_CREDENTIALS_TTL - 1 })
        }
        "refresh_token" => match lock(&shop.tokens).rotate(field("refresh_token"), &shop.rng, now) {
            Some(pair) => json!({
                "access_token": pair.access_token, "expires_in": token::OFFLINE_TTL,
                "refresh_token": pair.refresh_token, "refresh_token_expires_in": token::REFRESH_TTL, "scope": scope,
            }),
            None => return refuse("invalid_grant", "The refresh token is unknown, spent or expired."),
        },
        _ => return refuse("unsupported_grant_type", "Use client_credentials or refresh_token."),
    };
    ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

pub(crate) fn form(text: &str) -> std::collections::HashMap<String, String> {
    let plain = |text: &str| {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'+' => bytes.push(b' '),
                b'%' => {
                    let digits: String = rest.by_ref().take(2).map(char::from).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
                }
                byte => bytes.push(byte),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

async fn graphql_json(
    State(shop): State<Arc<Shop>>,
    Path(_version): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !shop.latency.is_zero() {
        shop.clock.sleep(shop.latency).await;
    }
    shop.counters.requests.fetch_add(1, Ordering::Relaxed);
    let given =
        headers.get("x-shopify-access-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = lock(&shop.tokens).check(given, shop.clock.now().as_second());
    let answer = if known { graphql::answer(&shop, &body) } else { graphql::refuse(&shop, &body) };
    if !answer.changes.is_empty() {
        super::webhook::deliver(&shop, answer.changes);
    }
    for gid in answer.bulk {
        bulk::spawn(&shop, gid);
    }
    let mut response = match answer.fault {
        Some(fault) if HTTP_FAULTS.contains(&fault) || fault == FaultKind::LostAnswer => play(&shop, fault),
        fault => {
            let body = Bytes::from(answer.body);
            shop.counters.bytes_sent.fetch_add(body.len() as u64, Ordering::Relaxed);
            let response =
                (answer.status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body.clone())
                    .into_response();
            if fault == Some(FaultKind::CutBody) { https::cut_body(response, &body) } else { response }
        }
    };
    // An unknown or outdated version is answered by the one that is served: only this header tells.
    response.headers_mut().insert("x-shopify-api-version", HeaderValue::from_static(VERSION));
    if let Ok(date) = HeaderValue::from_str(&https::http_date(shop.clock.now())) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn bulk_result(
    State(shop): State<Arc<Shop>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let kinds = [HTTP_FAULTS, &[FaultKind::CutBody]].concat();
    let fault = lock(&shop.faults).hit(&["result"], &kinds);
    if let Some(fault) = fault.filter(|fault| HTTP_FAULTS.contains(fault)) {
        return play(&shop, fault);
    }
    let now = shop.clock.now().as_second();
    let Some(blob) = lock(&shop.results).get(&name, now) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let len = blob.len();
    let range =
        headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(|text| range(text, len));
    let (from, to) = range.unwrap_or((0, len));
    let mut response = if range.is_some() {
        let shown = format!("bytes {from}-{}/{len}", to.saturating_sub(1));
        (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, shown)]).into_response()
    } else {
        StatusCode::OK.into_response()
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    shop.counters.bytes_sent.fetch_add(to - from, Ordering::Relaxed);
    let cut = (fault == Some(FaultKind::CutBody)).then_some(from + (to - from) / 2);
    *response.body_mut() = Body::from_stream(blob.stream(from, to, cut));
    response
}

/// `bytes=from-` or `bytes=from-to`, within `len`.
pub(crate) fn range(text: &str, len: u64) -> Option<(u64, u64)> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let from = from.parse().ok()?;
    let to = if to.is_empty() { len } else { to.parse::<u64>().ok()?.saturating_add(1).min(len) };
    (from < to).then_some((from, to))
}
