//! Events as they stand in the log: one line of JSON each, in the shape of the [Open Cybersecurity Schema Framework].
//!
//! Each source numbers its events from 1 and names in each the hash of the one before, so that one that is missing or was
//! put in is seen in what remains.
//!
//! [Open Cybersecurity Schema Framework]: https://schema.ocsf.io

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{AuditEvent, Effect, HttpFacts, Outcome, Personal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::tree::{Hash, leaf};

/// The version of the framework in whose words events are told.
const SCHEMA: &str = "1.7.0";
/// Most bytes that one event's free texts may have each. What is longer is cut.
const TEXT_LEN_MAX: usize = 4_000;

/// Who numbers events: a role of a cell, such as `vault`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Source(String);

/// A source has no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name of a source of events: small letters, digits and `-` make one, at most 64")]
pub struct SourceError(String);

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(name: &str) -> Result<Self, SourceError> {
        let fits = (1..=64).contains(&name.len())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits { Ok(Self(name.to_owned())) } else { Err(SourceError(name.to_owned())) }
    }
}

impl TryFrom<String> for Source {
    type Error = SourceError;

    fn try_from(name: String) -> Result<Self, SourceError> {
        name.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.0
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event's own name: its source, and its number there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Who recorded it.
    pub source: Source,
    /// Its number there, from 1.
    pub number: u64,
}

/// `vault-12`.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.number)
    }
}

impl FromStr for EventId {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let no_name = || SourceError(text.to_owned());
        let (source, number) = text.rsplit_once('-').ok_or_else(no_name)?;
        let id = Self { source: source.parse()?, number: number.parse().map_err(|_| no_name())? };
        if id.to_string() == text { Ok(id) } else { Err(no_name()) }
    }
}

/// Where an event stands among those of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 1.
    pub number: u64,
    /// The hash of the event before; `None` for the first.
    pub previous: Option<Hash>,
    /// The clock says an earlier time than the event before did.
    pub clock_went_back: bool,
    /// The journal that the event before stood in is gone: others may have been lost with it.
    pub began_anew: bool,
}

/// From which process of this machine an event comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// Whose it is, as the system numbers its users.
    pub user: u32,
}

#[derive(Serialize)]
struct Line<'a> {
    metadata: Metadata<'a>,
    class_uid: u32,
    category_uid: u32,
    activity_id: u32,
    type_uid: u32,
    time: i64,
    severity_id: u8,
    status_id: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    status_detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    actor: Actor<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<Api>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<[Named<'a>; 1]>,
    src_endpoint: SourceEndpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    dst_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_request: Option<HttpRequest<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_response: Option<HttpResponse>,
    unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    profiles: &'static [&'static str],
    uid: String,
    log_name: &'a Source,
    sequence: u64,
    event_code: &'static str,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Actor<'a> {
    user: Named<'a>,
    process: ProcessOf,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorizations: Vec<Authorization<'a>>,
}

#[derive(Serialize)]
struct ProcessOf {
    pid: u32,
    user: Numbered,
}

#[derive(Serialize)]
struct Numbered {
    uid: String,
}

#[derive(Serialize)]
struct Named<'a> {
    uid: &'a str,
}

#[derive(Serialize)]
struct Service {
    name: &'static str,
}

#[derive(Serialize)]
struct Authorization<'a> {
    decision: &'static str,
    policy: Policy<'a>,
}

#[derive(Serialize)]
struct Policy<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
}

#[derive(Serialize)]
struct Api {
    operation: &'static str,
}

#[derive(Serialize)]
struct SourceEndpoint {
    name: &'static str,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    hostname: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

#[derive(Serialize)]
struct HttpRequest<'a> {
    http_method: &'a str,
    url: Url<'a>,
    length: u64,
}

#[derive(Serialize)]
struct Url<'a> {
    #[serde(flatten)]
    endpoint: Endpoint<'a>,
    path: &'a str,
}

#[derive(Serialize)]
struct HttpResponse {
    code: u16,
    length: u64,
}

#[derive(Serialize)]
struct Unmapped<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clock_went_back: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    began_anew: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    object: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    request: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    personal: Option<Sealed<'a>>,
}

/// Whoever has not the key reads nothing of it; once that is destroyed, nobody does. The event's hash is over it as it stands.
#[derive(Serialize)]
struct Sealed<'a> {
    key: &'a str,
    /// Base64.
    sealed: String,
}

/// The class and the activity of it that an event is of.
fn class(event: &AuditEvent) -> (u32, u32) {
    match event.operation.effect() {
        Effect::Create => (6003, 1),
        Effect::Read => (6003, 2),
        Effect::Update => (6003, 3),
        Effect::Delete => (6003, 4),
        Effect::SignIn => (3002, 1),
        Effect::Request | Effect::Answer => {
            (4002, method(event.request.as_ref().map_or("", |request| request.method)))
        }
    }
}

/// How the framework numbers the methods of HTTP.
fn method(name: &str) -> u32 {
    const METHODS: &[(&str, u32)] =
        &[("DELETE", 2), ("GET", 3), ("HEAD", 4), ("POST", 6), ("PUT", 7), ("PATCH", 9)];
    METHODS.iter().find(|(known, _)| *known == name).map_or(99, |(_, number)| *number)
}

/// `host` or `host:port`.
fn endpoint(host: &str) -> Endpoint<'_> {
    let parts = host.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.map_or(Endpoint { hostname: cut(host), port: None }, |(host, port)| Endpoint {
        hostname: cut(host),
        port: Some(port),
    })
}

/// So many policies that decided are told of at most: what allows something has few reasons.
const POLICIES_MAX: usize = 8;

/// The text, or as much of it as an event may have.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_LEN_MAX)).unwrap_or_default()
}

/// An event's line, without the line's end.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn line(
    event: &AuditEvent,
    source: &Source,
    place: &Place,
    process: Process,
    time: Timestamp,
) -> serde_json::Result<Vec<u8>> {
    let (class_uid, activity_id) = class(event);
    let (status_id, severity_id) = match event.outcome {
        Outcome::Begun => (99, 1),
        Outcome::Done => (1, 1),
        // Somebody tried what is not theirs to do.
        Outcome::Refused => (2, 3),
        Outcome::Failed => (2, 2),
    };
    let signs_in = event.operation.effect() == Effect::SignIn;
    let request = event.request.as_ref();
    let object = cut(&event.object);
    let decision = if event.outcome == Outcome::Refused { "Refused" } else { "Granted" };
    let authorization = |name, uid| Authorization { decision, policy: Policy { name, uid } };
    let grant = event.grant.map(|grant| authorization("grant", Some(grant.to_string())));
    let policies = event.policies.iter().take(POLICIES_MAX).map(|name| authorization(cut(name), None));
    let line = Line {
        metadata: Metadata {
            version: SCHEMA,
            product: Product {
                name: "Caretaker",
                vendor_name: "Caretaker",
                version: env!("CARGO_PKG_VERSION"),
            },
            profiles: if request.is_some() { &["host"] } else { &[] },
            uid: EventId { source: source.clone(), number: place.number }.to_string(),
            log_name: source,
            sequence: place.number,
            event_code: event.operation.as_str(),
        },
        class_uid,
        category_uid: class_uid / 1000,
        activity_id,
        type_uid: class_uid * 100 + activity_id,
        time: time.as_millisecond(),
        severity_id,
        status_id,
        status: (event.outcome == Outcome::Begun).then_some("Begun"),
        status_code: (event.outcome == Outcome::Refused).then_some("refused"),
        status_detail: cut(&event.detail),
        duration: event.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        actor: Actor {
            user: Named { uid: &event.principal.0 },
            process: ProcessOf { pid: process.id, user: Numbered { uid: process.user.to_string() } },
            authorizations: grant.into_iter().chain(policies).collect(),
        },
        user: signs_in.then_some(Named { uid: &event.principal.0 }),
        service: signs_in.then_some(Service { name: "vault" }),
        api: (!signs_in && request.is_none()).then_some(Api { operation: event.operation.as_str() }),
        resources: (class_uid == 6003).then_some([Named { uid: object }]),
        // Who asks from elsewhere is not told: an address may be a person's, and what is in the log stays.
        src_endpoint: SourceEndpoint {
            name: if event.operation.effect() == Effect::Answer { "elsewhere" } else { "localhost" },
        },
        dst_endpoint: request.map(|request| endpoint(&request.host)),
        http_request: request.map(|HttpFacts { method, host, path, sent, .. }| HttpRequest {
            http_method: method,
            url: Url { endpoint: endpoint(host), path: cut(path) },
            length: *sent,
        }),
        http_response: request
            .and_then(|request| Some(HttpResponse { code: request.status?, length: request.received })),
        unmapped: Unmapped {
            previous: place.previous.map(|hash| hash.to_string()),
            clock_went_back: place.clock_went_back,
            began_anew: place.began_anew,
            object: if class_uid == 6003 { "" } else { object },
            request: request.map_or("", |request| cut(&request.name)),
            personal: event.personal.as_ref().map(|personal| Sealed {
                key: cut(&personal.key),
                sealed: STANDARD.encode(&personal.sealed),
            }),
        },
    };
    serde_json::to_vec(&line)
}

/// What is personal in an event that was read, still sealed. `None` where there is nothing, or it is not of that shape.
#[must_use]
pub fn personal(event: &serde_json::Value) -> Option<Personal> {
    let part = event.pointer("/unmapped/personal")?;
    let text = |name| part.get(name).and_then(serde_json::Value::as_str);
    Some(Personal { key: text("key")?.to_owned(), sealed: STANDARD.decode(text("sealed")?).ok()? })
}

/// What the trail itself needs to know of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Which event it is.
    pub id: EventId,
    /// The hash of the one before of its source.
    pub previous: Option<Hash>,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// It says itself that the clock went back.
    pub clock_went_back: bool,
    /// It says itself that its journal began anew.
    pub began_anew: bool,
    /// Its own hash.
    pub hash: Hash,
}

/// Why a line is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no event")]
pub struct NoEvent;

impl Link {
    /// Reads a line.
    ///
    /// # Errors
    /// [`NoEvent`] when it is none.
    pub fn read(line: &[u8]) -> Result<Self, NoEvent> {
        #[derive(Deserialize)]
        struct Read {
            metadata: ReadMetadata,
            time: i64,
            unmapped: ReadUnmapped,
        }
        #[derive(Deserialize)]
        struct ReadMetadata {
            log_name: Source,
            sequence: u64,
        }
        #[derive(Deserialize)]
        struct ReadUnmapped {
            previous: Option<String>,
            #[serde(default)]
            clock_went_back: bool,
            #[serde(default)]
            began_anew: bool,
        }
        let read: Read = serde_json::from_slice(line).map_err(|_| NoEvent)?;
        let previous = read.unmapped.previous.map(|hash| hash.parse()).transpose().map_err(|_| NoEvent)?;
        Ok(Self {
            id: EventId { source: read.metadata.log_name, number: read.metadata.sequence },
            previous,
            time: read.time,
            clock_went_back: read.unmapped.clock_went_back,
            began_anew: read.unmapped.began_anew,
            hash: leaf(line),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Id128, Operation, Principal};

    use super::*;

    fn told(event: &AuditEvent, place: Place) -> serde_json::Value {
        let (source, process) = ("vault".parse().unwrap(), Process { id: 7, user: 1000 });
        let line = line(event, &source, &place, process, Timestamp::from_second(1).unwrap()).unwrap();
        let link = Link::read(&line).unwrap();
        assert_eq!((link.id.number, link.previous, link.time), (place.number, place.previous, 1000));
        assert_eq!((link.clock_went_back, link.began_anew), (place.clock_went_back, place.began_anew));
        assert_eq!(link.hash, leaf(&line));
        serde_json::from_slice(&line).unwrap()
    }

    fn event(operation: Operation, outcome: Outcome) -> AuditEvent {
        AuditEvent::new(Principal("cell-operator".into()), operation, "default/shop".into(), outcome)
    }

    const FIRST: Place = Place { number: 1, previous: None, clock_went_back: false, began_anew: false };

    #[test]
    fn an_event_says_who_did_what_to_what_on_which_grant() {
        let opened = AuditEvent {
            grant: Some(Id128([1; 16])),
            policies: vec!["worker-data-keys".into()],
            took: Some(Duration::from_millis(5)),
            ..event(Operation::DataKeyOpen, Outcome::Done)
        };
        let place =
            Place { number: 12, previous: Some(leaf(b"before")), clock_went_back: true, began_anew: true };
        let previous = leaf(b"before").to_string();
        let expected = serde_json::json!({
            "metadata": {
                "version": "1.7.0",
                "product": { "name": "Caretaker", "vendor_name": "Caretaker", "version": env!("CARGO_PKG_VERSION") },
                "uid": "vault-12", "log_name": "vault", "sequence": 12, "event_code": "data_key.open",
            },
            "class_uid": 6003, "category_uid": 6, "activity_id": 2, "type_uid": 600_302, "time": 1000,
            "severity_id": 1, "status_id": 1, "duration": 5,
            "actor": {
                "user": { "uid": "cell-operator" }, "process": { "pid": 7, "user": { "uid": "1000" } },
                "authorizations": [{
                    "decision": "Granted",
                    "policy": { "name": "grant", "uid": "01010101010101010101010101010101" },
                }, {
                    "decision": "Granted",
                    "policy": { "name": "worker-data-keys" },
                }],
            },
            "api": { "operation": "data_key.open" },
            "resources": [{ "uid": "default/shop" }],
            "src_endpoint": { "name": "localhost" },
            "unmapped": { "previous": previous, "clock_went_back": true, "began_anew": true },
        });
        assert_eq!(told(&opened, place), expected);
    }

    #[test]
    fn a_request_says_where_it_went_and_nothing_of_what_was_in_it() {
        let request = HttpFacts {
            method: "POST",
            host: "shop.example:8443".into(),
            path: "/admin/api/2026-10/graphql.json".into(),
            name: "products".into(),
            status: Some(200),
            sent: 120,
            received: 4_000,
        };
        let sent = AuditEvent { request: Some(request), ..event(Operation::PlatformRequest, Outcome::Done) };
        let told = told(&sent, FIRST);
        assert_eq!((&told["class_uid"], &told["type_uid"]), (&4002.into(), &400_206.into()));
        let (host, path) = ("shop.example", "/admin/api/2026-10/graphql.json");
        assert_eq!(told["dst_endpoint"], serde_json::json!({ "hostname": host, "port": 8443 }));
        let request = serde_json::json!({
            "http_method": "POST", "url": { "hostname": host, "port": 8443, "path": path }, "length": 120,
        });
        assert_eq!(told["http_request"], request);
        assert_eq!(told["http_response"], serde_json::json!({ "code": 200, "length": 4_000 }));
        assert_eq!(told["unmapped"], serde_json::json!({ "object": "default/shop", "request": "products" }));
    }

    #[test]
    fn what_is_personal_stands_there_sealed_and_is_read_back() {
        let personal = Personal { key: "2026-11".into(), sealed: b"unreadable".to_vec() };
        let shown =
            AuditEvent { personal: Some(personal.clone()), ..event(Operation::ItemShow, Outcome::Done) };
        let told = told(&shown, FIRST);
        let expected = serde_json::json!({ "key": "2026-11", "sealed": "dW5yZWFkYWJsZQ==" });
        assert_eq!(told["unmapped"]["personal"], expected);
        assert_eq!(super::personal(&told), Some(personal));
        for wrong in [
            serde_json::json!({}),
            serde_json::json!({ "unmapped": { "personal": { "key": "2026-11" } } }),
            serde_json::json!({ "unmapped": { "personal": { "key": "2026-11", "sealed": "?" } } }),
        ] {
            assert_eq!(super::personal(&wrong), None);
        }
    }

    #[test]
    fn who_signs_in_is_told_as_an_authentication() {
        let refused = event(Operation::SignIn, Outcome::Refused).with_detail("not the operator key");
        let told = told(&refused, FIRST);
        let found = ["class_uid", "type_uid", "status_id"].map(|name| told[name].as_u64());
        assert_eq!(found, [Some(3002), Some(300_201), Some(2)]);
        assert_eq!(told["user"]["uid"], "cell-operator");
    }

    #[test]
    fn long_texts_are_cut_and_every_event_fits_into_the_log() {
        let long = "ä".repeat(70_000);
        let event = AuditEvent { object: long.clone(), ..event(Operation::VaultOpen, Outcome::Failed) };
        let told = told(&event.with_detail(long), FIRST);
        assert_eq!(told["status_detail"].as_str().unwrap().len(), TEXT_LEN_MAX);
        assert!(told.to_string().len() < 65_536);
    }

    #[test]
    fn events_have_names_that_are_read_back() {
        let id = EventId { source: "worker-shopify".parse().unwrap(), number: 7 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "vault", "vault-", "vault-07", "vault-+7", "Vault-7", "-7", "vault 7"] {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for wrong in [
            "",
            "{}",
            "[]",
            "{\"metadata\":{\"log_name\":\"a b\",\"sequence\":1},\"time\":1,\"unmapped\":{}}",
        ] {
            assert_eq!(Link::read(wrong.as_bytes()), Err(NoEvent), "{wrong}");
        }
    }
}
