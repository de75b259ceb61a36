//! A key in shares: so many of them give it back, and fewer tell nothing of it. Shamir's scheme ("How to share a secret",
//! 1979), byte by byte over GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1.
//!
//! No table is looked up by a secret byte, and no branch depends on one.

use domain::Rng;

use crate::cipher::random_key;
use crate::secret::KeyBytes;

/// One share: the place at which the polynomials are looked at, from 1, and what they are there.
pub(crate) type Share = (u8, KeyBytes);

fn multiply(a: u8, b: u8) -> u8 {
    let (mut product, mut power) = (0, a);
    for bit in 0..8 {
        product ^= power & ((b >> bit) & 1).wrapping_neg();
        power = (power << 1) ^ (0x1d & (power >> 7).wrapping_neg());
    }
    product
}

/// The inverse of everything but 0: its 254th power.
fn inverse(a: u8) -> u8 {
    let (mut result, mut square) = (1, a);
    for _ in 0..7 {
        square = multiply(square, square);
        result = multiply(result, square);
    }
    result
}

/// Splits a key into `count` shares, any `needed` of which give it back. `needed` is at least 1.
pub(crate) fn split(key: &KeyBytes, needed: u8, count: u8, rng: &dyn Rng) -> Vec<Share> {
    // Of the polynomials, the key is what they are at 0; all else of them is chance.
    let chance: Vec<KeyBytes> = (1..needed).map(|_| random_key(rng)).collect();
    let at = |place: u8| {
        let mut value = KeyBytes::default();
        for coefficient in chance.iter().chain([key]) {
            for (value, coefficient) in value.iter_mut().zip(coefficient.iter()) {
                *value = multiply(*value, place) ^ coefficient;
            }
        }
        value
    };
    (1..=count).map(|place| (place, at(place))).collect()
}

/// The key that shares of different places give, if they are of one key and enough. Else it is some other key.
pub(crate) fn join(shares: &[Share]) -> KeyBytes {
    let mut key = KeyBytes::default();
    for (place, value) in shares {
        let others = shares.iter().map(|(other, _)| *other).filter(|other| other != place);
        let weight =
            others.fold(1, |weight, other| multiply(weight, multiply(other, inverse(other ^ place))));
        for (key, value) in key.iter_mut().zip(value.iter()) {
            *key ^= multiply(weight, *value);
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRng;

    fn any() -> KeyBytes {
        random_key(&SystemRng)
    }

    #[test]
    fn everything_but_nothing_has_an_inverse() {
        assert!((1..=255).all(|a| multiply(a, inverse(a)) == 1));
        assert!((0..=255).all(|a| multiply(a, 0) == 0 && multiply(a, 1) == a));
        assert!((0..=255).all(|a| multiply(a, 3) == multiply(a, 2) ^ a), "it is linear");
    }

    #[test]
    fn as_many_shares_as_are_needed_give_the_key_back_whichever_they_are() {
        let key = any();
        let shares = split(&key, 3, 6, &SystemRng);
        for a in 0..6 {
            for b in (0..6).filter(|b| *b != a) {
                assert_ne!(join(&[shares[a].clone(), shares[b].clone()]), key, "two are too few");
                for c in (0..6).filter(|c| ![a, b].contains(c)) {
                    assert_eq!(join(&[shares[a].clone(), shares[b].clone(), shares[c].clone()]), key);
                }
            }
        }
        assert_eq!(join(&shares), key, "more do no harm");
    }

    #[test]
    fn shares_are_those_that_another_program_reads_and_makes() {
        let key = any();
        let of_theirs = |share: &Share| {
            let bytes = [&[share.0][..], share.1.as_slice()].concat();
            blahaj::Share::try_from(bytes.as_slice()).unwrap()
        };
        for (needed, count) in [(1, 1), (2, 3), (5, 9), (255, 255)] {
            let ours: Vec<_> = split(&key, needed, count, &SystemRng).iter().map(of_theirs).collect();
            let last = &ours[ours.len() - usize::from(needed)..];
            assert_eq!(blahaj::Sharks(needed).recover(last).unwrap(), key.as_slice(), "{needed} of {count}");

            let theirs = blahaj::Sharks(needed).dealer(key.as_slice()).take(usize::from(count));
            let theirs: Vec<Share> = theirs
                .map(|share| {
                    let bytes = Vec::from(&share);
                    (bytes[0], KeyBytes::new(bytes[1..].try_into().unwrap()))
                })
                .collect();
            assert_eq!(join(&theirs[..usize::from(needed)]), key, "{needed} of {count}");
        }
    }

    #[test]
    fn what_is_one_too_few_fits_every_key() {
        // Of a one-byte key, for each value there is exactly one share that would make two of them that value.
        let key = any();
        let shares = split(&key, 2, 2, &SystemRng);
        let mut found = [0_u32; 256];
        for guess in 0..=255 {
            let mut other = shares[1].clone();
            other.1[0] = guess;
            found[usize::from(join(&[shares[0].clone(), other])[0])] += 1;
        }
        assert_eq!(found, [1; 256]);
    }
}
