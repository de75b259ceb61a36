//! What Shopify says, told from what others say.
//!
//! A message is signed with the secret of the app that asked for it, and the signature covers the body alone: no time, no
//! topic, no name of an event. Whoever has kept a message can send it again, also under another event's name, and all that
//! comes of it is one more reading of the store. So nothing that is told is taken for more than a hint.
//! Source: the platform's pages on webhooks.

use aws_lc_rs::hmac;
use domain::Timestamp;
use serde_json::{Map, Value};

use super::auth::Credential;
use super::gid;
use super::kinds::KINDS;
use super::topics::{Topic, topic_of};
use crate::contract::{Ear, Fault, Hint, Unheard};
use crate::engine::hearing::{
    EVENT_LEN_MAX, ITEMS_MAX, TOPIC_LEN_MAX, header, is_signed, item, kinds_of, object, word,
};

/// The signature of the body.
const SIGNATURE: &str = "x-shopify-hmac-sha256";
/// What happened.
const TOPIC: &str = "x-shopify-topic";
/// The event: of two subscriptions to one topic, both are told under one name.
const EVENT: &str = "x-shopify-event-id";
/// The delivery, where no event is named: the same when it is tried again.
const DELIVERY: &str = "x-shopify-webhook-id";
/// When it happened.
const AT: &str = "x-shopify-triggered-at";

/// The field of a message that holds the whole id.
pub(super) const WHOLE_ID: &str = "admin_graphql_api_id";

struct Listening {
    key: hmac::Key,
}

/// The ear of a connection, by its credential. A token alone tells nothing of who is speaking: there is none then.
///
/// # Errors
/// [`Fault::Unauthorized`] where the bytes are no credential.
pub fn ear(credential: &[u8]) -> Result<Option<Box<dyn Ear>>, Fault> {
    let credential = Credential::from_bytes(credential)?;
    let secret = credential.client_secret().filter(|secret| !secret.expose_secret().is_empty());
    Ok(secret.map(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        Box::new(Listening { key }) as Box<dyn Ear>
    }))
}

impl Ear for Listening {
    fn hear(&self, headers: &[(String, String)], body: &[u8], _now: Timestamp) -> Result<Hint, Unheard> {
        let signature = header(headers, SIGNATURE).ok_or(Unheard::Forged)?;
        if !is_signed(&self.key, body, signature) {
            return Err(Unheard::Forged);
        }
        let named = |name, len_max| header(headers, name).and_then(|text| word(text, len_max));
        let topic = named(TOPIC, TOPIC_LEN_MAX).ok_or(Unheard::Malformed("no topic is named"))?;
        let event = named(EVENT, EVENT_LEN_MAX).or_else(|| named(DELIVERY, EVENT_LEN_MAX));
        // One event may be told under several topics, and each of them counts.
        let event =
            event.map(|event| format!("{topic}:{event}")).filter(|event| event.len() <= EVENT_LEN_MAX);
        let event = event.ok_or(Unheard::Malformed("no event is named"))?;
        let fields = object(body)?;
        Ok(Hint {
            event,
            topic: topic.to_owned(),
            kinds: kinds_of(KINDS, topic),
            items: items(topic_of(topic), &fields),
            at: header(headers, AT).and_then(|text| text.parse().ok()),
        })
    }
}

/// Which items the message is about.
fn items(topic: Option<&Topic>, fields: &Map<String, Value>) -> Vec<String> {
    let path = topic.map_or("/id", |topic| topic.id);
    let number = at(fields, path).and_then(item);
    let whole = fields.get(WHOLE_ID).and_then(item);
    let spelled = number.map(|number| match topic {
        Some(topic) if !topic.of.is_empty() && is_number(&number) => gid::of_number(topic.of, &number),
        _ => number,
    });
    // Where the number stands elsewhere, the whole id is that of something else.
    let found = if path == "/id" { whole.or(spelled) } else { spelled };
    found.into_iter().take(ITEMS_MAX).collect()
}

fn at<'a>(fields: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut steps = path.split('/').skip(1);
    let first = fields.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
