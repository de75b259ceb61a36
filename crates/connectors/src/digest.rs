//! A short name for a content: the same in every attempt and on every machine, and another for another content.

use aws_lc_rs::digest::{Context, SHA256};

/// How many bytes of the hash are taken.
const BYTES: usize = 16;

/// The first 128 bits of SHA-256 (FIPS 180-4) over these texts, in this order, as 32 hexadecimal digits.
pub(crate) fn digest<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Context::new(&SHA256);
    for text in texts {
        // Where one text ends counts.
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finish().as_ref().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> String {
        digest(texts.iter().map(|text| text.as_bytes()))
    }

    #[test]
    fn a_digest_tells_contents_apart_and_never_changes() {
        // SHA-256 of nothing begins so.
        assert_eq!(of(&[]), "e3b0c44298fc1c149afbf4c8996fb924");
        let of_two = of(&["a", "b"]);
        assert_eq!(of_two, of(&["a", "b"]));
        for other in [&["ab"][..], &["b", "a"], &["a"], &["a", "b", ""]] {
            assert_ne!(of(other), of_two, "{other:?}");
        }
    }
}
