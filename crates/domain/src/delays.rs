//! How long it took until changes were kept, counted so that any number of counts can be added up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longer ones are counted as this: 2³¹ seconds, some 68 years.
const CLASSES_MAX: usize = 32;

/// How many changes took how long, in classes of which each is twice as wide as the one before: less than 1 second, 2, 4, 8
/// seconds and so on. As JSON it is the list of these counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Delays(Vec<u64>);

impl Delays {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn add_to(&mut self, class: usize, more: u64) {
        let class = class.min(CLASSES_MAX - 1);
        if self.0.len() <= class {
            self.0.resize(class + 1, 0);
        }
        if let Some(count) = self.0.get_mut(class) {
            *count = count.saturating_add(more);
        }
    }

    /// Counts one.
    pub fn add(&mut self, delay: Duration) {
        let bits = u64::BITS - delay.as_secs().leading_zeros();
        self.add_to(usize::try_from(bits).unwrap_or(CLASSES_MAX), 1);
    }

    /// Counts all that others counted.
    pub fn add_all(&mut self, other: &Self) {
        other.0.iter().enumerate().for_each(|(class, count)| self.add_to(class, *count));
    }

    /// Within how many seconds so many of a thousand were kept, rounded up to the end of a class. `None` where nothing was counted.
    #[must_use]
    pub fn within_s(&self, per_mille: u64) -> Option<u64> {
        let all = u128::from(self.count());
        let mut so_far = 0_u128;
        for (class, count) in self.0.iter().enumerate() {
            so_far += u128::from(*count);
            if *count > 0 && so_far * 1_000 >= all * u128::from(per_mille) {
                return u32::try_from(class).ok().and_then(|class| 1_u64.checked_shl(class));
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn of(seconds: &[u64]) -> Delays {
        let mut delays = Delays::default();
        seconds.iter().for_each(|seconds| delays.add(Duration::from_secs(*seconds)));
        delays
    }

    #[test]
    fn so_many_of_a_thousand_were_within_that_time() {
        let check = |seconds: &[u64], per_mille, expected: Option<u64>| {
            assert_eq!(of(seconds).within_s(per_mille), expected, "{seconds:?} {per_mille}");
        };
        check(&[], 990, None);
        check(&[0], 990, Some(1));
        check(&[1], 990, Some(2));
        check(&[3], 1_000, Some(4));
        check(&[4], 1_000, Some(8));
        check(&[5, 5, 5, 5, 60], 800, Some(8));
        check(&[5, 5, 5, 5, 60], 801, Some(64));
        check(&[u64::MAX], 1_000, Some(1 << 31));
    }

    #[test]
    fn counts_add_up_and_come_back() {
        let (one, other) = (of(&[0, 3, 900]), of(&[3, 70_000]));
        let mut both = one.clone();
        both.add_all(&other);
        assert_eq!((both.count(), &both), (5, &of(&[0, 3, 900, 3, 70_000])));
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<Delays>(&text).unwrap(), both);
        assert!(Delays::default().is_empty() && !one.is_empty());
    }
}
