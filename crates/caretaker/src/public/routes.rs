//! What the public endpoint answers: one table. A route without an event's type would not compile.

use bytes::Bytes;
use domain::Operation;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::hall::{Hook, Setting};
use crate::works::Heard;

/// An answer, whole.
pub(super) type Answer = Response<Full<Bytes>>;

/// What was asked, as far as the route's way of answering looks at it.
pub(super) struct Asked {
    /// What the caller filled in, in the order of the path.
    pub(super) filled: Vec<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A way in.
pub(super) struct Route {
    pub(super) method: Method,
    /// The path, with names in place of what callers fill in.
    pub(super) path: &'static str,
    /// What a request is on the record.
    pub(super) operation: Operation,
    /// The longest body that it takes, in bytes.
    pub(super) body_len_max: usize,
    /// What is answered.
    pub(super) answer: for<'a> fn(&'a Setting, Asked) -> BoxFuture<'a, Answer>,
}

/// All that there are.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/health",
        operation: Operation::PublicHealth,
        body_len_max: 0,
        answer: |setting, _| health(setting).boxed(),
    },
    // What platforms tell names what changed; Caretaker asks them for no more, and compliance requests have lists of ids.
    Route {
        method: Method::POST,
        path: "/hooks/{platform}/{address}",
        operation: Operation::PublicHook,
        body_len_max: 64 * 1024,
        answer: |setting, asked| hook(setting, asked).boxed(),
    },
];

/// What stands in the record for a path that nobody knows: what is in it is a stranger's.
pub(super) const UNKNOWN_PATH: &str = "/{unknown}";

/// The route of a request, and what it fills in.
pub(super) fn route(method: &Method, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let of_method = ROUTES.iter().filter(|route| route.method == *method);
    of_method.filter_map(|route| Some((route, filled(route.path, path)?))).next()
}

/// What a path fills into that of a route. `None` where it is another path.
fn filled(route: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut found) = (route.split('/'), path.split('/'));
    let mut filled = Vec::new();
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(filled),
            (Some(name), Some(step)) if name.starts_with('{') && !step.is_empty() => {
                filled.push(step.to_owned());
            }
            (Some(name), Some(step)) if name == step => {}
            _ => return None,
        }
    }
}

/// A method as the record has it: a stranger may have made it up.
pub(super) fn told(method: &Method) -> &'static str {
    const KNOWN: &[(Method, &str)] = &[
        (Method::GET, "GET"),
        (Method::HEAD, "HEAD"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::PATCH, "PATCH"),
        (Method::DELETE, "DELETE"),
        (Method::OPTIONS, "OPTIONS"),
    ];
    KNOWN.iter().find(|(known, _)| known == method).map_or("OTHER", |(_, told)| told)
}

/// Whether the processes without which nothing is done answer whoever has started them. Nothing of what they do.
async fn health(setting: &Setting) -> Answer {
    let (vault, monitor) = setting.health().await;
    let status = if vault && monitor { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(status, "application/json", &json!({ "vault": vault, "monitor": monitor }))
}

/// Hands on what a platform tells. Whatever is wrong with the address is the same: nothing is there.
async fn hook(setting: &Setting, Asked { filled, headers, body }: Asked) -> Answer {
    let [platform, address] = filled.as_slice() else { return problem(StatusCode::NOT_FOUND) };
    let headers = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let hook = Hook { platform: platform.clone(), address: address.clone(), headers, body };
    match (setting.hears)(hook).await {
        Ok(Some(Heard::Kept | Heard::Known)) => answer(StatusCode::OK, "application/json", &json!({})),
        Ok(Some(Heard::Forged | Heard::Late)) => problem(StatusCode::UNAUTHORIZED),
        Ok(Some(Heard::Malformed)) => problem(StatusCode::BAD_REQUEST),
        Ok(None) => problem(StatusCode::NOT_FOUND),
        // It is told again.
        Err(error) => {
            tracing::warn!("what was told could not be taken: {error:#}");
            problem(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// A refusal, as RFC 9457 has them.
pub(super) fn problem(status: StatusCode) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
    answer(status, "application/problem+json", &body)
}

fn answer(status: StatusCode, kind: &'static str, body: &Value) -> Answer {
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn check(method: &Method, path: &str, expected: Option<&str>) {
        let found = route(method, path);
        assert_eq!(found.map(|(route, _)| route.operation.as_str()), expected, "{method} {path}");
    }

    #[test]
    fn what_is_not_in_the_table_is_unknown() {
        check(&Method::GET, "/health", Some("public.health"));
        check(&Method::POST, "/health", None);
        check(&Method::HEAD, "/health", None);
        check(&Method::GET, "/health/", None);
        check(&Method::GET, "/Health", None);
        check(&Method::GET, "/", None);
        check(&Method::GET, "", None);
        check(&Method::POST, "/hooks/shopify/abc", Some("public.hook"));
        check(&Method::GET, "/hooks/shopify/abc", None);
        check(&Method::POST, "/hooks/shopify", None);
        check(&Method::POST, "/hooks/shopify/", None);
        check(&Method::POST, "/hooks//abc", None);
        check(&Method::POST, "/hooks/shopify/abc/", None);
        check(&Method::POST, "/hooks/shopify/abc/def", None);
        check(&Method::POST, "/Hooks/shopify/abc", None);
    }

    #[test]
    fn what_a_caller_fills_in_comes_in_its_order() {
        let (_, filled) = route(&Method::POST, "/hooks/shopify/abc%2F").unwrap();
        assert_eq!(filled, ["shopify", "abc%2F"]);
    }

    #[test]
    fn a_method_that_somebody_made_up_is_not_told() {
        assert_eq!(told(&Method::POST), "POST");
        for made_up in ["mail@example.com", "get", "CONNECT"] {
            if let Ok(method) = made_up.parse() {
                assert_eq!(told(&method), "OTHER");
            }
        }
    }
}
