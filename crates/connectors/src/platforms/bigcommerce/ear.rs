//! What BigCommerce says, told from what others say.
//!
//! Two things prove it. Every hook that we make carries a header of ours, which nobody but the store, BigCommerce and us
//! knows. And BigCommerce signs with the secret of the API account, by the rules of Standard Webhooks, the time with it:
//! where that secret is kept, only a message that is signed, and was so a moment ago, is taken. Without it whoever
//! has kept a message can send it again, and all that comes of it is one more reading.
//!
//! A message names the store that it comes from. A credential does not, so that name is not looked at: the address that is
//! told is one for each connection, and so is the header.
//! Sources: the platform's pages on webhooks; the specification of Standard Webhooks.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use domain::Timestamp;
use jiff::SignedDuration;
use serde_json::Value;

use super::Credential;
use super::kinds::KINDS;
use crate::contract::{Ear, Fault, Hint, Unheard};
use crate::engine::hearing::{
    EVENT_LEN_MAX, ITEMS_MAX, TOPIC_LEN_MAX, header, is_same, is_signed, item, kinds_of, object, word,
};
use crate::secret::Secret;

/// The header that our hooks carry.
pub(super) const PASSWORD: &str = "x-caretaker-hook";
/// What the header's value is made for: another use of the token must be given another text.
const PASSWORD_LABEL: &[u8] = b"caretaker bigcommerce hook 1";

/// Who signed what, and when: the headers of Standard Webhooks.
const ID: &str = "webhook-id";
const TIME: &str = "webhook-timestamp";
const SIGNATURES: &str = "webhook-signature";
/// What the signatures of the one known version begin with.
const VERSION: &str = "v1,";
/// So many signatures are looked at: one for each secret that is in use while one is changed.
const SIGNATURES_MAX: usize = 8;
/// So far may clocks be apart, and a message be under way.
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// Where an event says which item it is about, in the order in which they count: a part names the item that it belongs to.
/// Source: the platform's pages on the events.
const ITEMS: &[&str] = &[
    "/resource_id",
    "/price_list_id",
    "/price_list_ids",
    "/sku/product_id",
    "/inventory/product_id",
    "/address/customer_id",
    "/orderId",
    "/product_id",
    "/id",
    "/location_id",
];

struct Listening {
    password: Secret,
    key: Option<hmac::Key>,
}

/// What our hooks carry: it follows from the token, so nothing must be kept for it, and nobody learns the token from it.
pub(super) fn password(token: &Secret) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose_secret().as_bytes());
    let mut text = String::with_capacity(64);
    for byte in hmac::sign(&key, PASSWORD_LABEL).as_ref() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Secret::new(&text)
}

/// The ear of a connection, by its credential.
///
/// # Errors
/// [`Fault::Unauthorized`] where the bytes are no credential.
pub fn ear(credential: &[u8]) -> Result<Option<Box<dyn Ear>>, Fault> {
    let Credential { access_token, client_secret } = Credential::from_bytes(credential)?;
    // A token of no letters would make a header that everybody can make.
    if access_token.expose_secret().is_empty() {
        return Ok(None);
    }
    let secret = client_secret.filter(|secret| !secret.expose_secret().is_empty());
    let key = secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()));
    Ok(Some(Box::new(Listening { password: password(&access_token), key })))
}

impl Ear for Listening {
    fn hear(&self, headers: &[(String, String)], body: &[u8], now: Timestamp) -> Result<Hint, Unheard> {
        let given = header(headers, PASSWORD).ok_or(Unheard::Forged)?;
        if !is_same(self.password.expose_secret(), given) {
            return Err(Unheard::Forged);
        }
        if let Some(key) = &self.key {
            signed(key, headers, body, now)?;
        }
        let fields = object(body)?;
        let text = |name: &str, len_max| {
            fields.get(name).and_then(Value::as_str).and_then(|text| word(text, len_max)).map(str::to_owned)
        };
        let topic = text("scope", TOPIC_LEN_MAX).ok_or(Unheard::Malformed("no topic is named"))?;
        Ok(Hint {
            event: text("hash", EVENT_LEN_MAX).ok_or(Unheard::Malformed("no event is named"))?,
            kinds: kinds_of(KINDS, &topic),
            topic,
            items: fields.get("data").map(items).unwrap_or_default(),
            at: fields.get("created_at").and_then(Value::as_i64).and_then(seconds),
        })
    }
}

fn seconds(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// Looks whether the message is signed, and when.
fn signed(key: &hmac::Key, headers: &[(String, String)], body: &[u8], now: Timestamp) -> Result<(), Unheard> {
    let of = |name| header(headers, name).ok_or(Unheard::Forged);
    let (id, time) = (of(ID)?, of(TIME)?);
    let message = [id.as_bytes(), b".", time.as_bytes(), b".", body].concat();
    let mut given =
        of(SIGNATURES)?.split(' ').filter_map(|one| one.strip_prefix(VERSION)).take(SIGNATURES_MAX);
    if !given.any(|one| is_signed(key, &message, one)) {
        return Err(Unheard::Forged);
    }
    let at = time.parse().ok().and_then(seconds).ok_or(Unheard::Malformed("its time is none"))?;
    if now.duration_since(at).abs() > LATE { Err(Unheard::Late) } else { Ok(()) }
}

/// Which items an event is about. Of a batch, `data` is a list.
fn items(data: &Value) -> Vec<String> {
    let all = data.as_array().map_or(std::slice::from_ref(data), Vec::as_slice);
    let mut found: Vec<String> = Vec::new();
    for one in all {
        let Some(value) = ITEMS.iter().find_map(|pointer| one.pointer(pointer)) else { continue };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for id in values.iter().filter_map(item) {
            if found.len() < ITEMS_MAX && !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}
