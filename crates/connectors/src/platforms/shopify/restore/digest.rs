//! A short name for a content: the same in every attempt and on every machine, and another for another content.

/// FNV-1a by Fowler, Noll and Vo, 128 bits. Nobody gains by a collision here.
const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// 32 hexadecimal digits for these texts, in this order.
pub(super) fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = BASIS;
    let mut add = |byte: u8| hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    for text in texts {
        text.bytes().for_each(&mut add);
        // No text holds this byte, so that where one ends counts.
        add(0xff);
    }
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_contents_apart_and_never_changes() {
        assert_eq!(digest([]), "6c62272e07bb014262b821756295c58d");
        let of_two = digest(["a", "b"]);
        assert_eq!(of_two, digest(["a", "b"]));
        for other in [vec!["ab"], vec!["b", "a"], vec!["a"], vec!["a", "b", ""]] {
            assert_ne!(digest(other.clone()), of_two, "{other:?}");
        }
    }
}
