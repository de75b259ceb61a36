//! Entry points for fuzzing: each parser of what a platform sends, and what must hold of whatever it sends. Each
//! answers whether the bytes were accepted.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Clock, Kind, Timestamp};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::Value;

use super::assemble::{assemble, from_node};
use super::auth::Credential;
use super::client::{Tried, cost_status, data_of, has_code, retry_after};
use super::documents;
use super::ear;
use super::fold::fold;
use super::kinds::KINDS;
use super::route::Router;
use crate::canonical::Rules;
use crate::contract::{Fault, KindSpec, Line};
use crate::engine::hearing::fuzzing::{Message, hear};
use crate::engine::http::store_url;
use crate::engine::throttle::Throttle;
use crate::secret::Secret;
use crate::tree::{Tree, Walk as _, select};

/// So many lines of an input are looked at.
const LINES_MAX: usize = 64;
/// So many waits are more than any budget needs that is one.
const WAITS_MAX: u32 = 64;

fn kind_at(turn: u8) -> &'static KindSpec {
    KINDS.get(usize::from(turn) % KINDS.len()).expect("there are kinds")
}

/// A kind, one of its bulk operations, then lines of its result. Joined in another order they give the same items.
pub fn bulk_lines(bytes: &[u8]) -> bool {
    let [kind, operation, text @ ..] = bytes else { return false };
    let kind = kind_at(*kind);
    let Some(set) = documents::of(kind.name) else { return false };
    let operations = set.reading.bulk;
    let Some(bulk) =
        usize::from(*operation).checked_rem(operations.len()).and_then(|turn| operations.get(turn))
    else {
        return false;
    };
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').take(LINES_MAX).collect();
    let name = || Kind::new(kind.name).expect("a kind's name");
    let mut items: BTreeMap<Box<str>, BTreeMap<Box<str>, Line>> = BTreeMap::new();
    let (mut taken, mut twice) = (0, false);
    let mut router = Router::new(name(), set, bulk);
    for line in &lines {
        let Ok(routed) = router.route(line) else { continue };
        taken += 1;
        if let Some(put) = routed.line {
            assert_eq!(put.bytes, *line, "a line is kept as it came");
            twice |= items.entry(put.id.clone()).or_default().insert(put.part.clone(), put).is_some();
        }
    }
    let joined = |items: &BTreeMap<Box<str>, BTreeMap<Box<str>, Line>>| {
        let join = |id: &str, parts: &BTreeMap<Box<str>, Line>| {
            let lines: Vec<Line> = parts.values().cloned().collect();
            let item = assemble(kind, id, &lines).ok()?;
            let payload: Value = serde_json::from_slice(&item.payload).expect("a payload is JSON");
            assert!(payload.is_object());
            Some((item.id.clone(), item.payload, item.canonical))
        };
        items.iter().filter_map(|(id, parts)| join(id, parts)).collect::<Vec<_>>()
    };
    let first = joined(&items);
    if !bulk.grouped && !twice {
        let mut turned: BTreeMap<Box<str>, BTreeMap<Box<str>, Line>> = BTreeMap::new();
        let mut router = Router::new(name(), set, bulk);
        for put in lines.iter().rev().filter_map(|line| router.route(line).ok()?.line) {
            turned.entry(put.id.clone()).or_default().insert(put.part.clone(), put);
        }
        assert_eq!(joined(&turned), first, "children come in any order");
    }
    taken > 0
}

/// Time that passes only where somebody waits, and that stops after some waits.
#[derive(Debug, Default)]
struct Waiting(Mutex<(Duration, u32)>);

impl Clock for Waiting {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.0 = passed.0.checked_add(duration).expect("a wait ends some day");
        passed.1 += 1;
        if passed.1 > WAITS_MAX {
            futures::future::pending().boxed()
        } else {
            futures::future::ready(()).boxed()
        }
    }
}

/// Answers of the API, one a line: what they say of errors, of the budget, and of an item.
pub fn api_answer(bytes: &[u8]) -> bool {
    let clock = Arc::new(Waiting::default());
    let throttle = Throttle::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let mut accepted = false;
    for (turn, line) in bytes.split(|byte| *byte == b'\n').take(LINES_MAX).enumerate() {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(RETRY_AFTER, value);
        }
        let after = retry_after(&headers);
        accepted |= after.is_some();
        let Ok(answer) = serde_json::from_slice::<Value>(line) else { continue };
        let status = cost_status(&answer);
        accepted |= status.is_some();
        let document = u64::try_from(turn % 2).unwrap_or_default();
        let Some(permit) = throttle.enter(document).now_or_never() else { return accepted };
        if has_code(&answer, "THROTTLED") {
            permit.refused(status, after);
        } else {
            permit.answered(status);
        }
        if let Ok(Tried::Data(mut data)) = data_of(answer) {
            assert!(data.is_object());
            accepted = true;
            items_of(&mut data);
        }
    }
    let _ = throttle.pace();
    accepted
}

/// Reads the value at each kind's own field, or whatever object there is, as an item of that kind.
fn items_of(data: &mut Value) {
    let nodes: Vec<Value> =
        data.as_object().into_iter().flat_map(|fields| fields.values().cloned()).collect();
    for node in nodes.iter().take(2) {
        for kind in KINDS {
            let Some(set) = documents::of(kind.name) else { continue };
            let (mut node, mut rests) = (node.clone(), Vec::new());
            fold(&set.selection.entries, &mut node, &mut rests);
            for rest in &rests {
                assert!(
                    node.pointer(&rest.pointer).is_some_and(Value::is_array),
                    "{}: {}",
                    kind.name,
                    rest.pointer
                );
            }
            match from_node(kind, &node) {
                Ok(item) => {
                    assert!(serde_json::from_slice::<Value>(&item.payload).is_ok(), "a payload is JSON");
                }
                Err(fault) => assert!(matches!(fault, Fault::Malformed(_)), "{fault}"),
            }
        }
    }
}

/// A kind, then JSON: as a tree it says the same, and its canonical form says the same again, in whatever order its
/// fields came.
pub fn canonical_json(bytes: &[u8]) -> bool {
    let Some((kind, text)) = bytes.split_first() else { return false };
    let (value, tree) = (serde_json::from_slice::<Value>(text), Tree::read(text));
    // Under this name serde_json's own value takes a text for JSON, which a tree does not.
    if tree.as_ref().is_ok_and(|tree| has_field(tree, "$serde_json::private::RawValue")) {
        return false;
    }
    assert_eq!(value.is_ok(), tree.is_ok(), "both read the same");
    let (Ok(value), Ok(tree)) = (value, tree) else { return false };
    assert_eq!(tree.to_value(), value);
    let kind = kind_at(*kind);
    let rules = Rules::new(kind.volatile, kind.unordered);
    let canonical = rules.canonical(&tree);
    let again = Tree::read(&canonical).expect("the canonical form is JSON");
    assert_eq!(rules.canonical(&again).escape_ascii().to_string(), canonical.escape_ascii().to_string());
    let turned = turned(&value);
    assert_eq!(rules.canonical(&Tree::from(&turned)), canonical, "the order of fields says nothing");
    for pointer in kind.volatile.iter().chain(kind.unordered) {
        assert_eq!(select(&tree, pointer).len(), select(&value, pointer).len());
    }
    true
}

fn has_field(tree: &Tree<'_>, name: &str) -> bool {
    let fields = tree.fields().map(|fields| fields.iter()).into_iter().flatten();
    let elements = tree.elements().into_iter().flatten();
    fields.into_iter().any(|(own, value)| own == name || has_field(value, name))
        || elements.into_iter().any(|element| has_field(element, name))
}

fn turned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().rev().map(|(key, value)| (key.clone(), turned(value))).collect()
        }
        Value::Array(elements) => elements.iter().map(turned).collect(),
        other => other.clone(),
    }
}

const CLIENT_SECRET: &str = "a secret that signs nothing";

/// Who has sent it, then a message: the platform, which knows the app's secret, or somebody who does not.
pub fn shopify_message(bytes: &[u8]) -> bool {
    let Some((sender, text)) = bytes.split_first() else { return false };
    let client_secret = Some(Secret::new(CLIENT_SECRET));
    let credential = Credential::Static { access_token: Secret::new("a token"), client_secret };
    let credential = credential.to_bytes().expect("a credential is written");
    let ear = ear(&credential).expect("it is one").expect("it has an ear");
    let message = Message::read(text);
    let now = Timestamp::UNIX_EPOCH;
    if sender % 4 == 0 {
        let heard = ear.hear(&message.headers, message.body, now);
        assert!(heard.is_err(), "whoever does not know the secret is not heard");
        return false;
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, message.body).as_ref());
    hear(ear.as_ref(), &message.with("x-shopify-hmac-sha256", signature), KINDS, now)
}

/// The address of a store; and the bytes of a credential.
pub fn shop_address(bytes: &[u8]) -> bool {
    if let Ok(credential) = Credential::from_bytes(bytes) {
        let text = credential.to_bytes().expect("a credential is written");
        let again = Credential::from_bytes(&text).and_then(|again| again.to_bytes());
        assert_eq!(again.ok(), Some(text), "what is written is read");
        return true;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(url) = store_url(text) else { return false };
    assert_eq!(url.scheme(), "https");
    assert!(url.host_str().is_some_and(|host| !host.is_empty()) && url.password().is_none());
    assert!(url.username().is_empty());
    assert_eq!(store_url(url.as_str()).ok().as_ref(), Some(&url), "what is written is read");
    assert!(url.join("/admin/oauth/access_token").is_ok_and(|below| below.host_str() == url.host_str()));
    true
}
