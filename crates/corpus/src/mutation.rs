//! Seeded mutations: what breaks parsers of numbers, lengths and JSON sooner than chance alone.

/// Longest input that a mutation makes, in bytes.
const INPUT_LEN_MAX: usize = 64 * 1024;
/// Mutations that are laid over one another at most.
const STACKED_MAX: usize = 5;

/// Bytes at which parsers turn.
const BYTES: &[u8] =
    &[0, 1, 0x7f, 0x80, 0xff, b'"', b'\\', b'{', b'}', b'[', b']', b',', b'0', b'-', b'\n', b'/'];
/// Texts at which they turn: extreme numbers in decimal and LEB128, escapes, names twice.
const TEXTS: &[&[u8]] = &[
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"4294967295",
    b"1e999",
    b"1e308",
    b"-0.0",
    b"null",
    b"\"\"",
    b"\\ud800",
    b"\\u0000",
    b"[[[[[[[[",
    b"{\"\":",
    b"gid://shopify/Product/18446744073709551615",
    b"9999-12-31T23:59:59.999999999Z",
    b"-009999-01-02T01:59:59Z",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x00",
    b"\xff\xff\xff\xff",
    b"\xef\xbb\xbf",
    b"../",
];

/// Makes inputs, the same ones for the same seed and name.
pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let state = name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { state }
    }

    /// SplitMix64.
    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where that is 0.
    fn below(&mut self, bound: usize) -> usize {
        let number = usize::try_from(self.number() >> 1).unwrap_or(usize::MAX);
        number.checked_rem(bound).unwrap_or_default()
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> Option<&'a T> {
        let turn = self.below(from.len());
        from.get(turn).copied()
    }

    /// The next input.
    pub(crate) fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let turn = self.below(corpus.len());
        let mut input = corpus.get(turn).cloned().unwrap_or_default();
        for _ in 0..=self.below(STACKED_MAX) {
            self.mutate(&mut input, corpus);
        }
        input.truncate(INPUT_LEN_MAX);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len());
        let len = 1 + self.below(8);
        let end = at.saturating_add(len).min(input.len());
        match self.below(8) {
            0 => {
                let bit = self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            1 => {
                let turn = self.below(BYTES.len());
                if let (Some(byte), Some(new)) = (input.get_mut(at), BYTES.get(turn)) {
                    *byte = *new;
                }
            }
            2 => drop(input.drain(at..end)),
            3 => {
                let piece: Vec<u8> = input.get(at..end).unwrap_or_default().to_vec();
                let to = self.below(input.len() + 1);
                drop(input.splice(to..to, piece));
            }
            4 => {
                let text = self.pick(TEXTS).unwrap_or_default();
                drop(input.splice(at..at, text.iter().copied()));
            }
            5 => {
                // In the place of a number or a word, whole.
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+".contains(byte);
                let word_end =
                    input.iter().skip(at).position(|byte| !is_word(byte)).map_or(input.len(), |len| at + len);
                let before = input.get(..at).unwrap_or_default();
                let word_at = before.iter().rposition(|byte| !is_word(byte)).map_or(0, |last| last + 1);
                let text = self.pick(TEXTS).unwrap_or_default();
                drop(input.splice(word_at..word_end.max(word_at), text.iter().copied()));
            }
            6 => input.truncate(at),
            _ => {
                let turn = self.below(corpus.len());
                let other = corpus.get(turn).map(Vec::as_slice).unwrap_or_default();
                let from = self.below(other.len());
                let piece = other.get(from..).unwrap_or_default().to_vec();
                drop(input.splice(at.., piece));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_inputs_again_and_another_gives_others() {
        let corpus = vec![b"{\"a\":[1,2,3]}".to_vec(), Vec::new()];
        let inputs = |seed, name| {
            let mut mutator = Mutator::new(seed, name);
            (0..200).map(|_| mutator.next(&corpus)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1, "a"), inputs(1, "a"));
        assert_ne!(inputs(1, "a"), inputs(2, "a"));
        assert_ne!(inputs(1, "a"), inputs(1, "b"));
        let changed = inputs(1, "a").iter().filter(|input| !corpus.contains(input)).count();
        assert!(changed > 100, "{changed} of 200 are new");
    }
}
