//! How the vault writes bytes down: hexadecimal in documents, length-prefixed fields under a MAC.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Fields one after the other, each as its length (32 bits, big endian) and its bytes, so that no two lists
/// share an encoding. The same layout as the associated data in `domain::aad`.
pub(crate) fn fields(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
    for field in fields {
        out.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Lowercase hexadecimal. The text may be of a secret, so it is wiped when dropped.
pub(crate) fn to_hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit)));
        }
    }
    text
}

/// Reads lowercase hexadecimal; any other spelling is refused, so that a text has one reading only.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

/// Bytes that stand in a document as hexadecimal; wiped when dropped, since some are secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct HexBytes(pub(crate) Zeroizing<Vec<u8>>);

impl HexBytes {
    /// The bytes, which whoever has them must wipe from then on.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0)
    }
}

impl From<Zeroizing<Vec<u8>>> for HexBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl From<&crate::secret::KeyBytes> for HexBytes {
    fn from(key: &crate::secret::KeyBytes) -> Self {
        key.as_slice().into()
    }
}

impl From<Vec<u8>> for HexBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<&[u8]> for HexBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl AsRef<[u8]> for HexBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hex;
        impl Visitor<'_> for Hex {
            type Value = HexBytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lowercase hexadecimal digits")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HexBytes, E> {
                from_hex(text).map(HexBytes::from).ok_or_else(|| E::custom("not lowercase hexadecimal"))
            }
        }
        deserializer.deserialize_str(Hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_one_spelling() {
        assert_eq!(to_hex(&[0, 0x1f, 0xff]).as_str(), "001fff");
        assert_eq!(from_hex("001fff"), Some(vec![0, 0x1f, 0xff]));
        for other in ["001FFF", "001ff", "0x", "00 1", "é0"] {
            assert_eq!(from_hex(other), None, "{other}");
        }
    }

    #[test]
    fn no_two_field_lists_share_an_encoding() {
        assert_eq!(fields(&[b"ab"]), [0, 0, 0, 2, b'a', b'b']);
        assert_ne!(fields(&[b"ab", b"c"]), fields(&[b"a", b"bc"]));
        assert_ne!(fields(&[b"a", b""]), fields(&[b"a"]));
    }
}
