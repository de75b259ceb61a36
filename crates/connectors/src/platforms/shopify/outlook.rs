//! How long the rest of a reading takes: by the pace so far, and by what the budget allows.
//!
//! What is read page by page is paid from the budget, so it cannot end before the budget has given what its items
//! cost. Bulk operations cost next to nothing, and go as fast as the platform makes them. All readings run at the
//! same time: the slowest counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::contract::{Pace, Usage};

/// Longer outlooks are worth nothing.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// How the items of one reading come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Pages,
    Bulk,
}

/// What one reading last told.
#[derive(Debug, Clone, Copy)]
struct Reading {
    by: By,
    done: u64,
    total: Option<u64>,
    /// Where it stood when it first told something.
    begun: (u64, Duration),
    last: Duration,
}

impl Reading {
    fn left(&self) -> u64 {
        self.total.map_or(0, |total| total.saturating_sub(self.done))
    }

    /// By the pace since its beginning; `None` where nothing moved yet, or nobody knows how much there is.
    fn at_its_pace(&self) -> Option<Duration> {
        let gained = self.done.saturating_sub(self.begun.0);
        self.total?;
        let passed = self.last.saturating_sub(self.begun.1);
        match (self.left(), gained) {
            (0, _) => Some(Duration::ZERO),
            (_, 0) => None,
            (left, gained) => Some(passed.mul_f64(ratio(left, gained))),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an outlook is no more exact than this")]
fn ratio(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}

/// All readings of one run, by their names.
#[derive(Debug, Default)]
pub(super) struct Outlook {
    readings: Mutex<BTreeMap<String, Reading>>,
}

impl Outlook {
    /// Notes how far a reading is, and says how long all of them will still take; `None` where that cannot be told.
    pub(super) fn told(
        &self,
        name: &str,
        (by, done, total): (By, u64, Option<u64>),
        now: Duration,
        (pace, usage): (Pace, Usage),
    ) -> Option<Duration> {
        let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = readings.get(name).map_or((done, now), |reading| reading.begun);
        readings.insert(name.to_owned(), Reading { by, done, total, begun, last: now });
        let slowest = readings.values().filter_map(Reading::at_its_pace).max();
        slowest.max(by_budget(readings.values(), pace, usage)).map(|left| left.min(LONGEST))
    }

    /// A reading has ended, or its rest is told under another name.
    pub(super) fn ended(&self, name: &str) {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// How long the budget takes to give what the items cost that are still to be read page by page.
fn by_budget<'a>(readings: impl Iterator<Item = &'a Reading>, pace: Pace, usage: Usage) -> Option<Duration> {
    let budget = pace.budget?;
    let (mut read, mut left) = (0, 0);
    for reading in readings.filter(|reading| reading.by == By::Pages) {
        read += reading.done;
        left += reading.left();
    }
    if read == 0 || left == 0 {
        return None;
    }
    let missing = (ratio(usage.cost, read) * ratio(left, 1) - budget.available).max(0.0);
    Duration::try_from_secs_f64(missing / budget.per_second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Budget;

    const UNKNOWN: (Pace, Usage) = (
        Pace { budget: None, answer: Duration::ZERO },
        Usage { requests: 0, throttled: 0, bytes_read: 0, cost: 0 },
    );

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_slowest_reading_tells_how_long_it_takes() {
        let outlook = Outlook::default();
        let told = |name: &str, done: u64, total: Option<u64>, at: u64| {
            outlook.told(name, (By::Bulk, done, total), second(at), UNKNOWN)
        };
        assert_eq!(told("order", 0, Some(100), 0), None, "nothing moved yet");
        assert_eq!(told("order", 20, Some(100), 10), Some(second(40)));
        assert_eq!(told("page", 5, None, 10), Some(second(40)), "nobody knows how many there are");
        assert_eq!(told("product", 0, Some(10), 10), Some(second(40)));
        assert_eq!(told("product", 1, Some(10), 20), Some(second(90)));
        assert_eq!(told("product", 10, Some(10), 30), Some(second(40)));
        outlook.ended("order");
        assert_eq!(told("product", 10, Some(10), 40), Some(Duration::ZERO));
    }

    #[test]
    fn pages_take_as_long_as_the_budget_needs_for_them() {
        let outlook = Outlook::default();
        let budget = Budget { per_second: 10.0, maximum: 1_000.0, available: 200.0 };
        let (pace, usage) = UNKNOWN;
        let paid = (Pace { budget: Some(budget), ..pace }, Usage { cost: 500, ..usage });
        assert_eq!(outlook.told("page", (By::Pages, 0, Some(300)), second(0), paid), None);
        // 5 points an item: 1,000 for the rest, of which 200 are there.
        assert_eq!(outlook.told("page", (By::Pages, 100, Some(300)), second(1), paid), Some(second(80)));
        assert_eq!(
            outlook.told("page", (By::Pages, 100, Some(300)), second(1), UNKNOWN),
            Some(second(2)),
            "without a budget by the pace alone"
        );
        let bulk = Outlook::default();
        bulk.told("order", (By::Bulk, 0, Some(300)), second(0), paid);
        assert_eq!(bulk.told("order", (By::Bulk, 100, Some(300)), second(1), paid), Some(second(2)));
    }
}
