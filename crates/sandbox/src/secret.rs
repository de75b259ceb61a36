//! Secrets of a practice store, digests and signatures.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use domain::Rng;

/// SHA-256 as hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The signature of a webhook: base64 of HMAC-SHA256 under a secret.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    crate::base64::encode(hmac::sign(&key, body).as_ref())
}

/// A fresh secret behind a prefix.
pub(crate) fn fresh(rng: &Arc<dyn Rng>, prefix: &str) -> String {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    format!("{prefix}{}", hex(&bytes))
}
