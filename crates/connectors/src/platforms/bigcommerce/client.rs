//! Sends one request and gives its answer: paced, repeated where that is safe, and checked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Clock, Rng, Timestamp};
use futures::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderValue};
use reqwest::multipart::Form;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use super::Secret;
use crate::contract::{Fault, Pace, Usage, time};
use crate::engine::http::{Answer, Https, Request, Verb};
use crate::engine::retry::{TRIES_MAX, backoff};
use crate::engine::window::{Permit, Status, Window};

/// How often one request may be told to wait.
const WAITS_MAX: u32 = 12;
/// Longest wait that an answer may ask for.
const WAIT_MAX: Duration = Duration::from_secs(5 * 60);
/// A refusal that says nothing of a window means that the store has too much to do: this long is waited at first.
const BUSY: Duration = Duration::from_secs(10);

/// Paths of which only so many requests at once are answered.
/// Source: the pages of the customers', price lists', category trees' and promotions' APIs.
const LANES: &[(&str, usize)] = &[
    ("v3/pricelists/records", 1),
    ("v3/pricelists", 1),
    ("v3/customers/attribute-values", 3),
    ("v3/customers", 3),
    ("v3/catalog/trees", 1),
    ("v3/promotions", 8),
    ("v3/catalog/products/category-assignments", 1),
    ("v3/catalog/products/channel-assignments", 1),
];

/// Whether a request may be sent again after an answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It changes nothing, or changes the same thing the same way.
    Safe,
    /// It may have happened.
    Never,
}

/// What goes with a request.
pub(super) enum Body<'a> {
    Nothing,
    Json(&'a Value),
    /// A form, made anew for each try.
    Form(&'a (dyn Fn() -> Form + Sync)),
}

/// A request. Its path begins with the version: `v3/catalog/products`.
pub(super) struct Ask<'a> {
    pub(super) method: Verb,
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, String)],
    pub(super) body: Body<'a>,
    pub(super) again: Again,
}

/// An answer that the platform gave on purpose: what was asked for, or why not.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    /// Null where the body was empty, as it is of lists without anything in them.
    pub(super) body: Value,
}

impl Answered {
    /// Whether there is nothing of that id.
    pub(super) fn is_gone(&self) -> bool {
        self.status == 404
    }

    /// Why the platform did not do it, if it did not. What it did only in part says so too.
    pub(super) fn refusal(&self) -> Option<String> {
        match self.status {
            200..=206 => None,
            207 => Some(reasons(self.status, &self.body)).filter(|_| self.body.get("errors").is_some()),
            _ => Some(reasons(self.status, &self.body)),
        }
    }

    /// What was asked for.
    ///
    /// # Errors
    /// [`Fault::Rejected`] where the platform did not give it.
    pub(super) fn whole(self) -> Result<Value, Fault> {
        match self.refusal() {
            None => Ok(self.body),
            Some(why) => Err(Fault::Rejected(why)),
        }
    }
}

/// What an answer says of why it is none, for a person. V3 has an object with a title and the fields that were refused,
/// V2 a list of messages.
fn reasons(status: u16, body: &Value) -> String {
    let mut told = Vec::new();
    let mut tell = |value: &Value| {
        if let Some(text) =
            value.as_str().filter(|text| !text.is_empty() && !told.iter().any(|known| known == text))
        {
            told.push(text.to_owned());
        }
    };
    let objects: Vec<&Value> = body.as_array().map_or_else(|| vec![body], |list| list.iter().collect());
    for object in objects {
        ["title", "message", "detail"].iter().filter_map(|name| object.get(name)).for_each(&mut tell);
        match object.get("errors") {
            Some(Value::Object(fields)) => {
                for (field, why) in fields {
                    tell(
                        &format!("{field}: {}", why.as_str().map_or_else(|| why.to_string(), str::to_owned))
                            .into(),
                    );
                }
            }
            Some(Value::Array(errors)) => errors.iter().for_each(|error| {
                tell(error.get("message").or_else(|| error.get("title")).unwrap_or(error));
            }),
            _ => {}
        }
    }
    if told.is_empty() { format!("status {status}") } else { told.join("; ") }
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    throttled: AtomicU64,
    bytes_read: AtomicU64,
}

/// One store's API.
pub(super) struct Client {
    https: Https,
    /// Ends with the store's hash and a slash.
    base: Url,
    token: Secret,
    window: Window,
    lanes: HashMap<&'static str, Semaphore>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    counters: Counters,
    /// The platform's clock, as its last answer told it.
    date: Mutex<Option<Timestamp>>,
}

/// What came of one try.
enum Tried {
    Answered(Answered),
    /// The platform asked to wait, and it is known for how long.
    Wait,
    /// The answer was lost, or is a failure of the platform's.
    Lost(String),
}

impl Client {
    pub(super) fn new(
        https: Https,
        base: Url,
        token: Secret,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        let window = Window::new(Arc::clone(&clock));
        let lanes = LANES.iter().map(|(path, lanes)| (*path, Semaphore::new(*lanes))).collect();
        let (counters, date) = Default::default();
        Self { https, base, token, window, lanes, clock, rng, counters, date }
    }

    /// The clock.
    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Waits for a time that grows with `again`, and is spread.
    pub(super) fn back_off(&self, again: u32) -> BoxFuture<'static, ()> {
        self.clock.sleep(backoff(self.rng.as_ref(), again))
    }

    /// What files are fetched with.
    pub(super) fn https(&self) -> &Https {
        &self.https
    }

    /// The host, for messages.
    pub(super) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// The platform's own time, as of its last answer; ours before the first.
    pub(super) fn server_time(&self) -> Timestamp {
        self.date.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(|| self.clock.now())
    }

    /// Counts a request beside the API.
    pub(super) fn count_request(&self) {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// What was used so far. A request costs one place of the window.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            requests: self.counters.requests.load(Ordering::Relaxed),
            throttled: self.counters.throttled.load(Ordering::Relaxed),
            bytes_read: self.counters.bytes_read.load(Ordering::Relaxed),
            cost: self.window.sent(),
        }
    }

    /// How fast may be asked.
    pub(super) fn pace(&self) -> Pace {
        self.window.pace()
    }

    /// Reads something.
    ///
    /// # Errors
    /// Those of the API. That there is nothing is an answer, too ([`Answered::is_gone`]).
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Answered, Fault> {
        self.send(Ask { method: Verb::Get, path, query, body: Body::Nothing, again: Again::Safe }).await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where the answer was lost: for a request that is not safe to repeat, it may have happened.
    /// What the platform refuses of the request itself is an answer ([`Answered::refusal`]).
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<Answered, Fault> {
        let _lane = if ask.method == Verb::Get { None } else { self.lane(ask.path).await };
        let (mut tries, mut waits) = (0, 0);
        loop {
            let permit = self.window.enter().await;
            self.count_request();
            let tried = match self.request(&ask)?.send().await {
                Err(Fault::Unavailable(why)) => Tried::Lost(why),
                Err(fault) => return Err(fault),
                Ok(answer) => self.read(answer, permit, waits).await?,
            };
            match tried {
                Tried::Answered(answered) => return Ok(answered),
                Tried::Wait => {
                    self.counters.throttled.fetch_add(1, Ordering::Relaxed);
                    waits += 1;
                    if waits > WAITS_MAX {
                        return Err(Fault::Throttled(format!("asked to wait {WAITS_MAX} times in a row")));
                    }
                }
                Tried::Lost(why) => {
                    tries += 1;
                    if ask.again == Again::Never || tries >= TRIES_MAX {
                        return Err(Fault::Unavailable(why));
                    }
                    self.back_off(tries).await;
                }
            }
        }
    }

    async fn lane(&self, path: &str) -> Option<SemaphorePermit<'_>> {
        let (name, _) = LANES.iter().find(|(name, _)| path.starts_with(name))?;
        // A semaphore that was closed limits nothing; nobody closes these.
        self.lanes.get(name)?.acquire().await.ok()
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request, Fault> {
        let mut url =
            self.base.join(ask.path).map_err(|error| Fault::Rejected(format!("`{}`: {error}", ask.path)))?;
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        let mut token = HeaderValue::from_str(self.token.expose_secret())
            .map_err(|_| Fault::Unauthorized("the token holds characters that no token has".to_owned()))?;
        token.set_sensitive(true);
        let json = HeaderValue::from_static("application/json");
        let told = template(ask.path);
        let request = self.https.call(ask.method, &url, &format!("/{told}"), &told);
        let request = request.header("X-Auth-Token", token).header("accept", json.clone());
        Ok(match ask.body {
            Body::Nothing => request.header("content-type", json),
            Body::Json(value) => request.header("content-type", json).body(value.to_string()),
            Body::Form(form) => request.multipart(form()),
        })
    }

    async fn read(&self, answer: Answer, permit: Permit<'_>, waits: u32) -> Result<Tried, Fault> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = match answer.bytes().await {
            Ok(body) => body,
            Err(Fault::Unavailable(why)) => {
                permit.answered(quota(&headers));
                return Ok(Tried::Lost(why));
            }
            Err(fault) => return Err(fault),
        };
        self.counters.bytes_read.fetch_add(body.len() as u64, Ordering::Relaxed);
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = asked_wait(&headers).unwrap_or_else(|| BUSY.saturating_mul(1 << waits.min(5)));
            permit.refused(quota(&headers), wait.min(WAIT_MAX));
            return Ok(Tried::Wait);
        }
        permit.answered(quota(&headers));
        self.keep_date(&headers);
        let parsed = if body.iter().all(u8::is_ascii_whitespace) {
            Some(Value::Null)
        } else {
            serde_json::from_slice(&body).ok()
        };
        self.judge(status.as_u16(), parsed)
    }

    fn judge(&self, status: u16, body: Option<Value>) -> Result<Tried, Fault> {
        let host = self.host();
        let told = || body.as_ref().map(|body| reasons(status, body)).unwrap_or_default();
        match (status, &body) {
            (401, _) => {
                Err(Fault::Unauthorized(format!("{host} says that the token is not valid (any more)")))
            }
            (403, _) => Err(Fault::Forbidden(told())),
            (423 | 503, _) => {
                Ok(Tried::Lost(format!("{host} is in maintenance, suspended or locked ({status})")))
            }
            (501 | 505, _) => Err(Fault::Rejected(format!("{host} does not know such a request ({status})"))),
            (408 | 500..=506, _) => Ok(Tried::Lost(format!("BigCommerce answered {status}"))),
            (300..=399, _) => Err(Fault::NotThePlatform(format!("{host} leads elsewhere ({status})"))),
            // A page for people in place of data, or a body that ends too early: the answer was lost.
            (200..=299, None) => Ok(Tried::Lost("the answer is not JSON".to_owned())),
            (_, None) => Ok(Tried::Answered(Answered { status, body: Value::Null })),
            (_, Some(_)) => Ok(Tried::Answered(Answered { status, body: body.unwrap_or_default() })),
        }
    }

    fn keep_date(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(time);
        if date.is_some() {
            *self.date.lock().unwrap_or_else(PoisonError::into_inner) = date;
        }
    }
}

/// The path with every id taken out: ids of people say who they are.
fn template(path: &str) -> String {
    let is_name = |step: &str| {
        !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'))
            || matches!(step, "v2" | "v3")
    };
    path.split('/').map(|step| if is_name(step) { step } else { "{id}" }).collect::<Vec<_>>().join("/")
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// What the headers say of the window.
/// Source: the platform's page on its rate limits.
fn quota(headers: &HeaderMap) -> Option<Status> {
    let window = Duration::from_millis(number(headers, "X-Rate-Limit-Time-Window-Ms").filter(|ms| *ms > 0)?);
    Some(Status {
        quota: number(headers, "X-Rate-Limit-Requests-Quota").filter(|quota| *quota > 0)?,
        left: number(headers, "X-Rate-Limit-Requests-Left")?,
        window,
        ends_in: Duration::from_millis(number(headers, "X-Rate-Limit-Time-Reset-Ms")?).min(window),
    })
}

/// How long a refusal asks to wait: there are two headers, one in milliseconds and one in seconds, and the longer counts.
fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let reset = number(headers, "X-Rate-Limit-Time-Reset-Ms").map(Duration::from_millis);
    let after = number(headers, "X-Retry-After").map(Duration::from_secs);
    reset.max(after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_refused_is_told_in_the_platforms_words() {
        let check = |status, body: Value, expected: Option<&str>| {
            assert_eq!(Answered { status, body }.refusal().as_deref(), expected);
        };
        check(200, json!({"data": {}}), None);
        check(204, Value::Null, None);
        check(207, json!({"data": {}, "meta": {}}), None);
        check(
            207,
            json!({"data": {}, "errors": {"status": 207, "image_url": "not saved"}}),
            Some("status: 207; image_url: not saved"),
        );
        check(
            422,
            json!({"status": 422, "title": "JSON data is missing or invalid", "errors": {"name": "too long"}}),
            Some("JSON data is missing or invalid; name: too long"),
        );
        check(409, json!([{"status": 409, "message": "The name is taken"}]), Some("The name is taken"));
        check(404, json!(null), Some("status 404"));
    }

    #[test]
    fn no_id_is_told_of() {
        let check = |path: &str, expected: &str| assert_eq!(template(path), expected);
        check("v3/catalog/products/111/images/2", "v3/catalog/products/{id}/images/{id}");
        check("v2/customer_groups", "v2/customer_groups");
        check("v3/content/widgets/4a1b-c0", "v3/content/widgets/{id}");
        check("v3/marketing/email-templates/invoice_email", "v3/marketing/email-templates/invoice_email");
    }

    #[test]
    fn of_two_waits_the_longer_counts() {
        let check = |headers: &[(&'static str, &str)], expected: Option<Duration>| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
                .collect();
            assert_eq!(asked_wait(&headers), expected);
        };
        check(
            &[("x-rate-limit-time-reset-ms", "2500"), ("x-retry-after", "15")],
            Some(Duration::from_secs(15)),
        );
        check(
            &[("x-rate-limit-time-reset-ms", "25000"), ("x-retry-after", "15")],
            Some(Duration::from_secs(25)),
        );
        check(&[("x-retry-after", "15")], Some(Duration::from_secs(15)));
        check(&[("x-retry-after", "soon")], None);
        check(&[], None);
    }
}
