//! The primitives, each in one place: AES-256-GCM (NIST SP 800-38D), HKDF-SHA-256 (RFC 5869), HMAC-SHA-256
//! (RFC 2104) and SHA-256 (FIPS 180-4), from aws-lc-rs.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hkdf, hmac};
use domain::keys::TAG_LEN;
use domain::{KeyError, Rng};
use zeroize::Zeroizing;

use crate::secret::KeyBytes;

/// What key derivation puts in front of every label. Part of the format.
pub(crate) const INFO_PREFIX: &[u8] = b"caretaker/v1/";

/// A key length of 32 bytes, as aws-lc-rs wants it said.
struct KeyLen;

impl hkdf::KeyType for KeyLen {
    fn len(&self) -> usize {
        32
    }
}

const MACHINE: &str = "the machine's cryptography failed";

/// A key that AES-256-GCM or HMAC could not take: never happens with 32 bytes.
pub(crate) fn machine_failed() -> KeyError {
    KeyError::Unavailable(MACHINE.into())
}

/// HKDF-SHA-256 with info `caretaker/v1/` and the pieces.
pub(crate) fn derive(ikm: &[u8], salt: &[u8], info: &[&[u8]]) -> Result<KeyBytes, KeyError> {
    let mut key = KeyBytes::default();
    let mut pieces: [&[u8]; 4] = [INFO_PREFIX, &[], &[], &[]];
    debug_assert!(info.len() < pieces.len(), "info has more pieces than are derived from");
    for (piece, part) in pieces.iter_mut().skip(1).zip(info) {
        *piece = part;
    }
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(ikm)
        .expand(&pieces, KeyLen)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| machine_failed())?;
    Ok(key)
}

/// An AES-256-GCM key, ready for use.
pub(crate) fn aead_key(key: &[u8; 32]) -> Result<LessSafeKey, KeyError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| machine_failed())
}

/// The nonce of a numbered block: the number, 96 bits, big endian.
fn numbered(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Replaces the text by ciphertext and tag, under a number that was never used with this key.
pub(crate) fn seal_numbered(
    key: &LessSafeKey,
    number: u64,
    aad: &[u8],
    text: &mut Vec<u8>,
) -> Result<(), KeyError> {
    let tag = key
        .seal_in_place_separate_tag(numbered(number), Aad::from(aad), text)
        .map_err(|_| machine_failed())?;
    text.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Replaces ciphertext and tag by the text.
pub(crate) fn open_numbered(
    key: &LessSafeKey,
    number: u64,
    aad: &[u8],
    text: &mut Vec<u8>,
) -> Result<(), KeyError> {
    let len =
        key.open_in_place(numbered(number), Aad::from(aad), text).map_err(|_| KeyError::DoesNotOpen)?.len();
    text.truncate(len);
    Ok(())
}

/// Seals a short secret under a random nonce: nonce (12 bytes), ciphertext, tag (16 bytes).
pub(crate) fn seal_random(
    key: &LessSafeKey,
    rng: &dyn Rng,
    aad: &[u8],
    secret: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill(&mut nonce);
    let mut sealed = Vec::with_capacity(NONCE_LEN + secret.len() + TAG_LEN);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(secret);
    let Some(text) = sealed.get_mut(NONCE_LEN..) else { return Err(machine_failed()) };
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text)
        .map_err(|_| machine_failed())?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal_random`] sealed.
pub(crate) fn open_random(
    key: &LessSafeKey,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::DoesNotOpen)?;
    let mut text = Zeroizing::new(text.to_vec());
    let len = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut text)
        .map_err(|_| KeyError::DoesNotOpen)?
        .len();
    text.truncate(len);
    Ok(text)
}

/// Opens a sealed 32-byte key.
pub(crate) fn open_key(key: &LessSafeKey, aad: &[u8], sealed: &[u8]) -> Result<KeyBytes, KeyError> {
    let opened = open_random(key, aad, sealed)?;
    key_bytes(&opened).ok_or(KeyError::DoesNotOpen)
}

/// 32 bytes as a key.
pub(crate) fn key_bytes(bytes: &[u8]) -> Option<KeyBytes> {
    let mut key = KeyBytes::default();
    (bytes.len() == key.len()).then(|| key.copy_from_slice(bytes))?;
    Some(key)
}

/// A new random key.
pub(crate) fn random_key(rng: &dyn Rng) -> KeyBytes {
    let mut key = KeyBytes::default();
    rng.fill(key.as_mut_slice());
    key
}

/// HMAC-SHA-256.
pub(crate) fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    mac_by(key, bytes)
}

/// HMAC-SHA-256 by a key of another length, which somebody else chose.
pub(crate) fn mac_by(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    tag_bytes(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref())
}

/// Whether the MAC is the right one, in constant time.
pub(crate) fn mac_holds(key: &[u8; 32], bytes: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes, tag).is_ok()
}

/// A SHA-256 or HMAC-SHA-256 result as an array; both have 32 bytes.
pub(crate) fn tag_bytes(tag: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(tag) {
        *to = *from;
    }
    out
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    tag_bytes(digest::digest(&digest::SHA256, bytes).as_ref())
}
