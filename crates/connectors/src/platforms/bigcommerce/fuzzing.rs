//! Entry points for fuzzing: what BigCommerce tells by itself. Answers whether the bytes were accepted.
#![allow(clippy::expect_used, clippy::panic, reason = "an entry point fails by panicking")]

#[cfg(test)]
mod replay;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;

use super::Credential;
use super::ear::{PASSWORD, ear, password};
use super::kinds::KINDS;
use crate::engine::hearing::fuzzing::{Message, hear};
use crate::secret::Secret;

const TOKEN: &str = "a token that opens nothing";
const CLIENT_SECRET: &str = "a secret that signs nothing";

/// Who has sent it, then a message: the platform, which knows both secrets, or somebody who knows none.
pub fn bigcommerce_message(bytes: &[u8]) -> bool {
    let Some((sender, text)) = bytes.split_first() else { return false };
    let credential =
        Credential { access_token: Secret::new(TOKEN), client_secret: Some(Secret::new(CLIENT_SECRET)) };
    let credential = credential.to_bytes().expect("a credential is written");
    let ear = ear(&credential).expect("it is one").expect("it has an ear");
    let message = Message::read(text);
    let now = Timestamp::UNIX_EPOCH;
    if sender % 4 == 0 {
        let heard = ear.hear(&message.headers, message.body, now);
        assert!(heard.is_err(), "whoever knows no secret is not heard");
        return false;
    }
    let of = |name: &str| {
        let found = message.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (id, time) = (of("webhook-id"), of("webhook-timestamp"));
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", message.body];
    let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, &signed.concat()).as_ref());
    let password = password(&Secret::new(TOKEN)).expose_secret().to_owned();
    let message = message.with(PASSWORD, password).with("webhook-signature", format!("v0,- v1,{signature}"));
    hear(ear.as_ref(), &message, KINDS, now)
}
