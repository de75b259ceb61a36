//! When to try again, and how long to wait before.

use std::time::Duration;

use domain::Rng;

/// First wait.
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// How often something that failed is tried, the first time included.
pub const TRIES_MAX: u32 = 6;

/// The wait before try number `again` (1 is the first repetition): doubled each time, and anywhere between
/// half of that and all of it, so that many who failed together do not come back together.
#[must_use]
pub fn backoff(rng: &dyn Rng, again: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << again.saturating_sub(1).min(16));
    let whole = doubled.min(LONGEST);
    let mut bytes = [0; 2];
    rng.fill(&mut bytes);
    let share = f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX);
    whole.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Same(u8);
    impl Rng for Same {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn waits_double_up_to_a_bound_and_are_spread() {
        let check = |again, byte, millis| {
            assert_eq!(backoff(&Same(byte), again), Duration::from_millis(millis));
        };
        check(1, 0xff, 500);
        check(1, 0, 250);
        check(2, 0xff, 1000);
        check(4, 0xff, 4000);
        check(40, 0xff, 30_000);
        check(40, 0, 15_000);
    }
}
