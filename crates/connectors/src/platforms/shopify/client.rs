//! Sends one GraphQL document and gives its data: paced, repeated where that is safe, and checked.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Clock, Rng, Timestamp};
use futures::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};
use url::Url;

use super::API_VERSION;
use super::auth::{Auth, host};
use super::documents::ITEM;
use crate::contract::{Fault, Pace, Usage};
use crate::engine::http::{Answer, Https};
use crate::engine::retry::{TRIES_MAX, backoff};
use crate::engine::throttle::{Permit, Status, Throttle};

/// How often one request may be told to wait.
const WAITS_MAX: u32 = 20;
/// Longest wait that an answer may ask for.
const WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// Whether a request may be sent again after an answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It changes nothing, or changes the same thing the same way.
    Safe,
    /// It may have happened.
    Never,
}

/// Why a request gave no data.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// The platform counts the request higher than it allows one to be: ask for less.
    TooCostly(String),
    /// Everything else.
    Fault(Fault),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooCostly(message) => Self::Rejected(message),
            Refusal::Fault(fault) => fault,
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    throttled: AtomicU64,
    bytes_read: AtomicU64,
}

/// One store's API.
pub(crate) struct Client {
    https: Https,
    endpoint: Url,
    auth: Auth,
    throttle: Throttle,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    counters: Counters,
    /// The platform's clock, as its last answer told it.
    date: Mutex<Option<Timestamp>>,
}

/// What came of one try.
pub(super) enum Tried {
    Data(Value),
    /// Send it again at once: the token was renewed.
    Renewed,
    /// The platform asked to wait, and the bucket knows for how long.
    Wait,
    /// The answer was lost, or is a failure of the platform's.
    Lost(String),
}

impl Client {
    pub(crate) fn new(
        https: Https,
        endpoint: Url,
        auth: Auth,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        let throttle = Throttle::new(Arc::clone(&clock));
        Self {
            https,
            endpoint,
            auth,
            throttle,
            clock,
            rng,
            counters: Counters::default(),
            date: Mutex::new(None),
        }
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        host(&self.endpoint)
    }

    /// The clock.
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Waits for a time that grows with `again`, and is spread.
    pub(crate) fn back_off(&self, again: u32) -> BoxFuture<'static, ()> {
        self.clock.sleep(backoff(self.rng.as_ref(), again))
    }

    /// What files are fetched with.
    pub(crate) fn https(&self) -> &Https {
        &self.https
    }

    /// The platform's own time, as of its last answer; ours before the first.
    pub(crate) fn server_time(&self) -> Timestamp {
        self.date.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(|| self.clock.now())
    }

    /// Counts bytes that were received beside the API.
    pub(crate) fn count_bytes(&self, len: usize) {
        self.counters.bytes_read.fetch_add(len as u64, Ordering::Relaxed);
    }

    /// Counts a request beside the API.
    pub(crate) fn count_request(&self) {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// What was used so far.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            requests: self.counters.requests.load(Ordering::Relaxed),
            throttled: self.counters.throttled.load(Ordering::Relaxed),
            bytes_read: self.counters.bytes_read.load(Ordering::Relaxed),
            cost: whole(self.throttle.spent()),
        }
    }

    /// How fast may be asked.
    pub(crate) fn pace(&self) -> Pace {
        self.throttle.pace()
    }

    /// Sends a document and gives its `data`.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where the answer was lost: for a request that is not safe to repeat, it may
    /// have happened.
    pub(crate) async fn send(
        &self,
        document: &str,
        variables: &Value,
        again: Again,
    ) -> Result<Value, Refusal> {
        let key = cost_key(document, variables);
        let body = json!({ "query": document, "variables": variables }).to_string();
        let (mut tries, mut waits, mut renewed) = (0, 0, false);
        loop {
            let token = match self.auth.token().await {
                Ok(token) => token,
                // Nothing was sent yet: this may be tried again whatever the request does.
                Err(Fault::Unavailable(_) | Fault::Throttled(_)) if tries + 1 < TRIES_MAX => {
                    tries += 1;
                    self.back_off(tries).await;
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            };
            let permit = self.throttle.enter(key).await;
            let mut header = HeaderValue::from_str(token.secret.expose_secret()).map_err(|_| {
                Fault::Unauthorized("the token holds characters that no token has".to_owned())
            })?;
            header.set_sensitive(true);
            let request = self
                .https
                .post(&self.endpoint, operation(document))
                .header("content-type", HeaderValue::from_static("application/json"))
                .header("X-Shopify-Access-Token", header)
                .body(body.clone());
            self.count_request();
            let tried = match request.send().await {
                Err(Fault::Unavailable(why)) => Tried::Lost(why),
                Err(fault) => return Err(fault.into()),
                Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED && !renewed => {
                    answer.leave().await?;
                    if self.auth.refused(&token).await {
                        renewed = true;
                        Tried::Renewed
                    } else {
                        return Err(Fault::Unauthorized(format!(
                            "{} says that the token is not valid (any more)",
                            self.host()
                        ))
                        .into());
                    }
                }
                Ok(answer) => self.read(answer, permit, again).await?,
            };
            match tried {
                Tried::Data(data) => return Ok(data),
                Tried::Renewed => {}
                Tried::Wait => {
                    self.counters.throttled.fetch_add(1, Ordering::Relaxed);
                    waits += 1;
                    if waits > WAITS_MAX {
                        return Err(
                            Fault::Throttled(format!("asked to wait {WAITS_MAX} times in a row")).into()
                        );
                    }
                }
                Tried::Lost(why) => {
                    tries += 1;
                    if again == Again::Never || tries >= TRIES_MAX {
                        return Err(Fault::Unavailable(why).into());
                    }
                    self.back_off(tries).await;
                }
            }
        }
    }

    async fn read(&self, answer: Answer, permit: Permit<'_>, again: Again) -> Result<Tried, Refusal> {
        let status = answer.status();
        let headers = answer.headers().clone();
        if let Err(fault) = check_version(self.host(), &headers, status) {
            answer.leave().await?;
            return Err(fault.into());
        }
        self.keep_date(&headers);
        let body = match answer.bytes().await {
            Ok(body) => body,
            Err(Fault::Unavailable(why)) => return Ok(Tried::Lost(why)),
            Err(fault) => return Err(fault.into()),
        };
        self.count_bytes(body.len());
        let parsed: Option<Value> = serde_json::from_slice(&body).ok();
        let cost = parsed.as_ref().and_then(cost_status);
        if status == StatusCode::TOO_MANY_REQUESTS
            || parsed.as_ref().is_some_and(|body| has_code(body, "THROTTLED"))
        {
            permit.refused(cost, retry_after(&headers));
            return Ok(Tried::Wait);
        }
        permit.answered(cost);
        match status.as_u16() {
            200..=299 => {}
            401 => {
                return Err(
                    Fault::Unauthorized(format!("{} accepts no token of this app", self.host())).into()
                );
            }
            402 | 423 => {
                return Err(Fault::Unavailable(format!("{} is frozen or locked", self.host())).into());
            }
            403 => return Err(Fault::Forbidden(format!("{} refuses access", self.host())).into()),
            404 | 300..=399 => {
                return Err(Fault::NotThePlatform(format!("{} has no Shopify Admin API", self.host())).into());
            }
            500..=599 | 408 => return Ok(Tried::Lost(format!("Shopify answered {status}"))),
            _ => return Err(Fault::Rejected(format!("Shopify answered {status}")).into()),
        }
        match parsed {
            // A body that ends too early is an answer that was lost.
            None => Ok(Tried::Lost("the answer is not JSON".to_owned())),
            Some(body) => {
                let done = again == Again::Never && may_be_done(&body);
                match data_of(body) {
                    Err(Refusal::Fault(Fault::Forbidden(why) | Fault::Rejected(why))) if done => {
                        let why = format!("it was done, or may have been, and its answer is withheld: {why}");
                        Err(Fault::Malformed(why).into())
                    }
                    tried => tried,
                }
            }
        }
    }

    fn keep_date(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        if let Some(date) = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) {
            *self.date.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.timestamp());
        }
    }
}

/// An answer names the version that gave it. A version that is not offered any more is answered by another one,
/// without an error.
fn check_version(host: &str, headers: &HeaderMap, status: StatusCode) -> Result<(), Fault> {
    match headers.get("X-Shopify-API-Version").map(|value| value.to_str().unwrap_or_default()) {
        Some(API_VERSION) => Ok(()),
        Some(version) => Err(Fault::NotThePlatform(format!(
            "{host} answers with API version `{version}` though {API_VERSION} was asked for: it is not offered any \
             more. Update Caretaker"
        ))),
        None if status.is_success() => Err(Fault::NotThePlatform(format!(
            "{host} does not answer as Shopify does: no API version is named"
        ))),
        None => Ok(()),
    }
}

/// The name of what a document does, by which the trail tells of it.
fn operation(document: &str) -> &str {
    let head = document.split(['(', '{']).next().unwrap_or_default();
    head.split_whitespace().nth(1).unwrap_or_default()
}

/// Costs depend on the document and on the sizes that it is given.
fn cost_key(document: &str, variables: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    for size in ["first", "children"] {
        variables.get(size).and_then(Value::as_u64).hash(&mut hasher);
    }
    variables.get("ids").and_then(Value::as_array).map(Vec::len).hash(&mut hasher);
    hasher.finish()
}

pub(super) fn cost_status(body: &Value) -> Option<Status> {
    let cost = body.pointer("/extensions/cost")?;
    let number = |pointer: &str| cost.pointer(pointer).and_then(Value::as_f64);
    Some(Status {
        requested: number("/requestedQueryCost").unwrap_or(0.0),
        actual: number("/actualQueryCost"),
        maximum: number("/throttleStatus/maximumAvailable")?,
        available: number("/throttleStatus/currentlyAvailable")?,
        per_second: number("/throttleStatus/restoreRate")?,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of costs, not negative")]
fn whole(cost: f64) -> u64 {
    cost.max(0.0).round() as u64
}

fn errors(body: &Value) -> impl Iterator<Item = (&str, &str)> {
    body.get("errors").and_then(Value::as_array).into_iter().flatten().map(|error| {
        let at = |pointer: &str| error.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        (at("/extensions/code"), at("/message"))
    })
}

pub(super) fn has_code(body: &Value, wanted: &str) -> bool {
    errors(body).any(|(code, _)| code == wanted)
}

/// How the platform begins to say that an app may not see what tells of people.
const UNAPPROVED: &str = "This app is not approved to ";

/// The key under which an item of an answer keeps what the platform hid of it: pointers into it. Like everything else
/// that only serves the reading it begins with an underscore, and no payload holds it.
pub(super) const HIDDEN: &str = "_hidden";

/// Notes at every item of an answer what the platform hid of it. Whether that accounts for all errors: one that is of
/// another sort, or that took a whole item or list with it, leaves an answer that must not be taken for the truth.
fn note_hidden(body: &mut Value) -> bool {
    let errors = body.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(data) = body.get_mut("data") else { return false };
    !errors.is_empty() && errors.iter().all(|error| note_one(data, error).is_some())
}

fn note_one(data: &mut Value, error: &Value) -> Option<()> {
    error.get("message")?.as_str().filter(|message| message.starts_with(UNAPPROVED))?;
    let path = error.get("path")?.as_array()?;
    let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
    // The item is what was looked up, or the outermost element of a list; what is hidden is a field in it.
    let looked_up = path.first().is_some_and(|root| root == ITEM);
    let at = if looked_up { 0 } else { path.iter().position(Value::is_number)? };
    let (item, rest) = path.split_at_checked(at + 1)?;
    rest.last()?.as_str()?;
    let pointer = |steps: &[Value]| -> String { steps.iter().map(|one| format!("/{}", step(one))).collect() };
    let item = data.pointer_mut(&pointer(item))?.as_object_mut()?;
    let hidden = pointer(rest);
    let held = Value::Object(std::mem::take(item));
    let found = held.pointer(&hidden).map(is_empty);
    if let Value::Object(held) = held {
        *item = held;
    }
    found.filter(|empty| *empty)?;
    // Connections become plain lists, and one entry speaks for all elements of a list.
    let steps = rest.iter().map(|one| if one.is_number() { "*".to_owned() } else { step(one) });
    let steps = steps.filter(|one| !matches!(one.as_str(), "nodes" | "edges" | "node"));
    let shown = Value::from(steps.map(|one| format!("/{one}")).collect::<String>());
    if let Value::Array(list) = item.entry(HIDDEN).or_insert_with(|| Value::Array(Vec::new()))
        && !list.contains(&shown)
    {
        list.push(shown);
    }
    Some(())
}

/// Whether a value tells nothing: null, or no element where null may not stand.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(page) => page.get("nodes").and_then(Value::as_array).is_some_and(Vec::is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether what a request asked for may have been done though its answer holds errors. Where there is no data nothing
/// was done, and so where access to the mutation itself was denied; an error further in speaks only of what is shown of
/// what was done, and may have taken all of that with it.
fn may_be_done(body: &Value) -> bool {
    let errors = body.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let Some(data) = body.get("data").and_then(Value::as_object).filter(|data| !data.is_empty()) else {
        return false;
    };
    let denied = |root: &str| {
        errors.iter().any(|error| {
            let path = error.get("path").and_then(Value::as_array);
            let is_root = path.is_some_and(|path| matches!(path.as_slice(), [step] if step == root));
            let text = |at| error.pointer(at).and_then(Value::as_str).unwrap_or_default();
            let code = text("/extensions/code");
            is_root && (code == "ACCESS_DENIED" || text("/message").starts_with(UNAPPROVED))
        })
    };
    !errors.is_empty() && data.iter().any(|(root, value)| !value.is_null() || !denied(root))
}

pub(super) fn data_of(mut body: Value) -> Result<Tried, Refusal> {
    if has_code(&body, "INTERNAL_SERVER_ERROR") {
        return Ok(Tried::Lost("Shopify says that it failed".to_owned()));
    }
    let messages: Vec<&str> = errors(&body).map(|(_, message)| message).collect();
    let message = messages.join("; ");
    if has_code(&body, "MAX_COST_EXCEEDED") {
        return Err(Refusal::TooCostly(message));
    }
    let unapproved = errors(&body).any(|(_, message)| message.starts_with(UNAPPROVED));
    let (denied, failed) = (has_code(&body, "ACCESS_DENIED"), body.get("errors").is_some());
    let partial = unapproved && note_hidden(&mut body);
    if !partial && (denied || unapproved) {
        return Err(Fault::Forbidden(message).into());
    }
    if !partial && failed {
        let message = if message.is_empty() { "an error without a message".to_owned() } else { message };
        return Err(Fault::Rejected(message).into());
    }
    match body.get_mut("data") {
        Some(data) if data.is_object() => Ok(Tried::Data(data.take())),
        _ => Ok(Tried::Lost("the answer holds no data".to_owned())),
    }
}

pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn an_answer_of_another_version_stops_the_run() {
        let check = |headers: HeaderMap, status: StatusCode, good: bool| {
            let checked = check_version("a.example", &headers, status);
            assert_eq!(checked.is_ok(), good, "{checked:?}");
            assert!(good || matches!(checked, Err(Fault::NotThePlatform(_))));
        };
        check(headers("x-shopify-api-version", API_VERSION), StatusCode::OK, true);
        check(headers("x-shopify-api-version", "2027-01"), StatusCode::OK, false);
        check(headers("x-shopify-api-version", "2027-01"), StatusCode::BAD_GATEWAY, false);
        check(HeaderMap::new(), StatusCode::OK, false);
        check(HeaderMap::new(), StatusCode::BAD_GATEWAY, true);
    }

    #[test]
    fn what_is_sent_is_told_of_by_its_name() {
        let names = |bulk: bool| {
            let all = super::super::documents();
            let all = all.filter(move |document| document.name.contains("_bulk_") == bulk);
            all.map(|document| (operation(document.text), document.name))
        };
        assert!(names(false).count() > 100);
        assert!(
            names(false).all(|(operation, name)| operation == name),
            "{:?}",
            names(false).collect::<Vec<_>>()
        );
        // These are not sent: the platform runs them.
        assert!(names(true).count() > 0 && names(true).all(|(operation, _)| operation.is_empty()));
    }

    #[test]
    fn errors_say_what_the_caller_does_next() {
        let check = |code: &str, expected: &str| {
            let body = json!({"errors": [{"message": "m", "extensions": {"code": code}}]});
            let got = match data_of(body) {
                Ok(Tried::Data(_)) => "data",
                Ok(Tried::Lost(_)) => "again",
                Ok(Tried::Renewed | Tried::Wait) => "wait",
                Err(Refusal::TooCostly(_)) => "smaller",
                Err(Refusal::Fault(Fault::Forbidden(_))) => "forbidden",
                Err(Refusal::Fault(_)) => "rejected",
            };
            assert_eq!(got, expected, "{code}");
        };
        check("MAX_COST_EXCEEDED", "smaller");
        check("ACCESS_DENIED", "forbidden");
        check("INTERNAL_SERVER_ERROR", "again");
        check("undefinedField", "rejected");
        assert!(matches!(data_of(json!({"data": {"a": 1}})), Ok(Tried::Data(_))));
        assert!(matches!(data_of(json!({"data": null})), Ok(Tried::Lost(_))));
        // Data beside an error has holes in it.
        assert!(data_of(json!({"data": {"a": null}, "errors": [{"message": "m"}]})).is_err());
    }

    #[test]
    fn only_what_the_platform_hides_of_an_item_may_be_missing() {
        let hidden = "This app is not approved to use the email field. See the documentation.";
        let data = || {
            json!({"customers": {"nodes": [
                {"id": "1", "email": null, "addresses": {"nodes": [{"zip": null}, {"zip": null}]}},
                {"id": "2", "email": "a@example.com", "addresses": {"nodes": []}},
                null,
            ]}})
        };
        let answer = |errors: Value| data_of(json!({"data": data(), "errors": errors}));
        let error = |message: &str, path: Value| json!({"message": message, "path": path});
        let email = json!(["customers", "nodes", 0, "email"]);
        let zip = |at: u32| json!(["customers", "nodes", 0, "addresses", "nodes", at, "zip"]);

        let coded = json!({"message": hidden, "path": email, "extensions": {"code": "ACCESS_DENIED"}});
        let Ok(Tried::Data(got)) = answer(json!([coded, error(hidden, zip(0)), error(hidden, zip(1))]))
        else {
            panic!("refused")
        };
        let nodes = &got["customers"]["nodes"];
        assert_eq!(nodes[0][HIDDEN], json!(["/email", "/addresses/*/zip"]));
        assert_eq!((nodes[0]["id"].as_str(), nodes[1].get(HIDDEN)), (Some("1"), None));

        let refused = |errors: Value| matches!(answer(errors), Err(Refusal::Fault(Fault::Forbidden(_))));
        let good = error(hidden, email.clone());
        assert!(answer(json!([good])).is_ok());
        // Of another sort, with no path, of a whole item or list, or of what is there after all.
        let scope = json!({"message": "Access denied for email field.", "path": email, "extensions": {"code": "ACCESS_DENIED"}});
        assert!(refused(json!([good, scope])));
        assert!(refused(json!([{"message": hidden}])));
        assert!(refused(json!([good, error("Something else", zip(0))])));
        for path in [
            json!(["customers"]),
            json!(["customers", "nodes", 2]),
            json!(["customers", "nodes", 2, "email"]),
            json!(["customers", "nodes", 1, "email"]),
            json!(["customers", "nodes", 0, "phone"]),
        ] {
            assert!(refused(json!([error(hidden, path.clone())])), "{path}");
        }
        assert!(data_of(json!({"data": null, "errors": [good]})).is_err());
    }

    #[test]
    fn what_is_hidden_of_an_item_that_was_looked_up_is_noted_with_it() {
        let answer = |path: Value| {
            let error = json!({"message": "This app is not approved to use the email field.", "path": path});
            data_of(
                json!({"data": {"item": {"id": "1", "email": null}, "shop": {"email": null}}, "errors": [error]}),
            )
        };
        let Ok(Tried::Data(got)) = answer(json!(["item", "email"])) else { panic!("refused") };
        assert_eq!(got["item"][HIDDEN], json!(["/email"]));
        for path in [json!(["item"]), json!(["item", "id"]), json!(["shop", "email"])] {
            assert!(answer(path.clone()).is_err(), "{path}");
        }
    }

    #[test]
    fn only_a_mutation_that_never_ran_was_certainly_not_done() {
        let check = |data: Value, path: Value, code: &str, expected: bool| {
            let error = json!({"message": "m", "path": path, "extensions": {"code": code}});
            let body = json!({"data": data, "errors": [error]});
            assert_eq!(may_be_done(&body), expected, "{body}");
        };
        let (root, within) = (json!(["make"]), json!(["make", "made"]));
        check(json!({"make": {"made": null}}), within.clone(), "ACCESS_DENIED", true);
        check(json!({"make": null}), within, "ACCESS_DENIED", true);
        check(json!({"make": null}), root.clone(), "OTHER", true);
        check(json!({"make": null}), root.clone(), "ACCESS_DENIED", false);
        check(Value::Null, root, "OTHER", false);
        assert!(!may_be_done(&json!({"errors": [{"message": "undefined field"}]})));
        assert!(!may_be_done(&json!({"data": {"make": {"made": {"id": 1}}}})));
    }

    #[test]
    fn a_wait_is_read_and_bounded() {
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(
                retry_after(&headers("retry-after", value)),
                expected.map(Duration::from_millis),
                "{value}"
            );
        };
        check("2.0", Some(2_000));
        check(" 1 ", Some(1_000));
        check("86400", Some(300_000));
        check("-1", None);
        check("Wed, 21 Oct 2015 07:28:00 GMT", None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn costs_are_learned_by_document_and_size() {
        let key = |first: u32| cost_key("{ a }", &json!({ "first": first, "after": first }));
        assert_ne!(key(1), key(2));
        assert_eq!(cost_key("a", &json!({"after": 1})), cost_key("a", &json!({"after": 2})));
    }
}
