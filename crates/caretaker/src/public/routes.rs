//! What the public endpoint answers: one table. A route without an event's type would not compile.

use bytes::Bytes;
use domain::Operation;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::hall::Setting;

/// An answer, whole.
pub(super) type Answer = Response<Full<Bytes>>;

/// A way in.
pub(super) struct Route {
    pub(super) method: Method,
    /// The path, with names in place of what callers fill in.
    pub(super) path: &'static str,
    /// What a request is on the record.
    pub(super) operation: Operation,
    /// The longest body that it takes, in bytes.
    pub(super) body_len_max: usize,
    /// What is answered, with that body.
    pub(super) answer: for<'a> fn(&'a Setting, Bytes) -> BoxFuture<'a, Answer>,
}

/// All that there are.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::GET,
    path: "/health",
    operation: Operation::PublicHealth,
    body_len_max: 0,
    answer: |setting, _| health(setting).boxed(),
}];

/// What stands in the record for a path that nobody knows: what is in it is a stranger's.
pub(super) const UNKNOWN_PATH: &str = "/{unknown}";

/// The route of a request.
pub(super) fn route(method: &Method, path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.method == *method && route.path == path)
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
mod tests {
    use super::*;

    fn check(method: &Method, path: &str, expected: Option<&str>) {
        assert_eq!(route(method, path).map(|route| route.operation.as_str()), expected, "{method} {path}");
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
