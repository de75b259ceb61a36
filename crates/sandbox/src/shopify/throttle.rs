//! The leaky bucket: what an app may spend, in cost points.

use std::time::Duration;

/// How fast the budget comes back. The bucket holds twenty seconds' worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plan {
    /// This many points a second: 100 on ordinary plans, up to 2000 on the largest.
    PointsPerSecond(u32),
    /// Nothing is refused; the answer still reports costs.
    Unthrottled,
}

/// What the bucket says in every answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Status {
    pub(crate) maximum: f64,
    /// Whole points; the rest is not shown.
    pub(crate) available: u64,
    pub(crate) restore: f64,
}

/// One app's budget on one store.
#[derive(Debug)]
pub(crate) struct Bucket {
    plan: Plan,
    available: f64,
    at: Duration,
}

impl Bucket {
    pub(crate) fn new(plan: Plan, at: Duration) -> Self {
        let mut bucket = Self { plan, available: 0.0, at };
        bucket.available = bucket.maximum();
        bucket
    }

    fn restore(&self) -> f64 {
        match self.plan {
            Plan::PointsPerSecond(points) => f64::from(points),
            Plan::Unthrottled => 1_000_000.0,
        }
    }

    fn maximum(&self) -> f64 {
        self.restore() * 20.0
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.available = (self.available + passed * self.restore()).min(self.maximum());
        self.at = now;
    }

    /// Takes the requested cost, or refuses.
    pub(crate) fn take(&mut self, cost: u64, now: Duration) -> bool {
        self.refill(now);
        #[expect(clippy::cast_precision_loss, reason = "costs are far below 2^52")]
        let cost = cost as f64;
        if matches!(self.plan, Plan::Unthrottled) {
            return true;
        }
        if cost > self.available {
            return false;
        }
        self.available -= cost;
        true
    }

    /// Gives back what was requested and not used.
    pub(crate) fn give_back(&mut self, cost: u64) {
        #[expect(clippy::cast_precision_loss, reason = "costs are far below 2^52")]
        let cost = cost as f64;
        self.available = (self.available + cost).min(self.maximum());
    }

    pub(crate) fn status(&mut self, now: Duration) -> Status {
        self.refill(now);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between nothing and the maximum"
        )]
        let available = self.available.max(0.0) as u64;
        Status { maximum: self.maximum(), available, restore: self.restore() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_leaks_at_its_rate() {
        let mut bucket = Bucket::new(Plan::PointsPerSecond(100), Duration::ZERO);
        assert!(bucket.take(2_000, Duration::ZERO));
        assert!(!bucket.take(1, Duration::ZERO));
        assert!(bucket.take(100, Duration::from_secs(1)));
        assert!(!bucket.take(51, Duration::from_millis(1_500)));
        bucket.give_back(1);
        assert!(bucket.take(51, Duration::from_millis(1_500)));
        assert_eq!(bucket.status(Duration::from_secs(600)).available, 2_000);
    }
}
