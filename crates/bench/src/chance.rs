//! Chance from a seed: the same numbers on every machine and for ever.

/// The step of the counter: 2^64 over the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A SplitMix64 generator (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for each number: record 7 is the same whatever was made before it.
    pub(crate) fn stream(seed: u64, number: u64) -> Self {
        let mut mixed = Self(seed ^ number.wrapping_mul(STEP).rotate_left(29));
        Self(mixed.bits())
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`, which is not 0. The bias is below 2^-32 for limits below 2^32.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(limit);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True so often in a hundred.
    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// One of these; the default where there are none.
    pub(crate) fn one_of<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let len = u64::try_from(choices.len()).unwrap_or_default();
        let turn = usize::try_from(self.below(len.max(1))).unwrap_or_default();
        choices.get(turn).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_numbers() {
        // The reference sequence of SplitMix64 for seed 1234567.
        let mut chance = Chance::new(1_234_567);
        assert_eq!(chance.bits(), 6_457_827_717_110_365_317);
        assert_eq!(chance.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn streams_differ_and_ranges_hold() {
        assert_ne!(Chance::stream(1, 1).bits(), Chance::stream(1, 2).bits());
        assert_ne!(Chance::stream(1, 1).bits(), Chance::stream(2, 1).bits());
        let mut chance = Chance::new(5);
        let drawn: Vec<u64> = (0..1_000).map(|_| chance.between(3, 5)).collect();
        assert!((3..=5).all(|wanted| drawn.contains(&wanted)), "every value of the range is drawn");
        assert!(drawn.iter().all(|drawn| (3..=5).contains(drawn)));
        assert_eq!(chance.one_of(&[7_u8]), 7);
    }
}
