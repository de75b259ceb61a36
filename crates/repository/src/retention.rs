//! Which snapshots to keep, and dropping the others.
//!
//! Dropping is one small commit that lists the numbers: readers no longer show them from then on. What only
//! they held goes with the next [`Repository::compact`] and collection.

use domain::{Action, Grant, SnapshotNumber, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::commit::{Commit, Head, Role};
use crate::connection::Repository;
use crate::error::{RepositoryError, Result};
use crate::heads::{self, Lease};
use crate::reader::Reader;

/// How many snapshots to keep. A rule of 0 asks for nothing; where all are 0, everything is kept.
///
/// Each rule keeps the newest snapshot of so many of the newest hours, days, weeks (from Monday), months or
/// years, in UTC, in which there is a snapshot at all. A snapshot stays if any rule keeps it. The newest always
/// stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of so many hours.
    pub hourly: u32,
    /// The newest of each of so many days.
    pub daily: u32,
    /// The newest of each of so many weeks.
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
    /// The newest of each of so many years.
    pub yearly: u32,
}

/// A rule's period that a moment lies in: equal within, different without.
type PeriodOf = fn(Timestamp) -> i64;

fn date(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

fn week(at: Timestamp) -> i64 {
    // 1970 began on a Thursday.
    (day(at) + 3).div_euclid(7)
}

fn month(at: Timestamp) -> i64 {
    i64::from(date(at).year()) * 12 + i64::from(date(at).month())
}

fn year(at: Timestamp) -> i64 {
    i64::from(date(at).year())
}

/// Which snapshots the rules drop, in order of their numbers.
#[must_use]
pub fn to_drop(rules: &Retention, snapshots: &[(SnapshotNumber, Timestamp)]) -> Vec<SnapshotNumber> {
    if *rules == Retention::default() {
        return Vec::new();
    }
    let mut newest_first = snapshots.to_vec();
    newest_first.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
    let last = usize::try_from(rules.last).unwrap_or(usize::MAX).max(1);
    let mut keep: Vec<bool> = (0..newest_first.len()).map(|turn| turn < last).collect();
    let periods: [(u32, PeriodOf); 5] = [
        (rules.hourly, hour),
        (rules.daily, day),
        (rules.weekly, week),
        (rules.monthly, month),
        (rules.yearly, year),
    ];
    for (mut left, period_of) in periods {
        let mut before = None;
        for ((_, taken_at), keep) in newest_first.iter().zip(&mut keep) {
            let period = Some(period_of(*taken_at));
            if left > 0 && period != before {
                *keep = true;
                left -= 1;
                before = period;
            }
        }
    }
    let mut dropped: Vec<SnapshotNumber> =
        newest_first.iter().zip(keep).filter(|(_, keep)| !keep).map(|((number, _), _)| *number).collect();
    dropped.sort_unstable();
    dropped
}

/// Numbers as ranges with both ends, in order.
fn ranges(mut numbers: Vec<u64>) -> Vec<(u64, u64)> {
    numbers.sort_unstable();
    numbers.dedup();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, to)) if *to + 1 == number => *to = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

impl Repository {
    /// Drops snapshots: nobody sees them any more once this returns. Answers the new head, or the old one where
    /// all were dropped already.
    ///
    /// # Errors
    /// [`RepositoryError::Input`] where the newest snapshot is among them, [`RepositoryError::NotFound`] for a
    /// number that is none, [`RepositoryError::Conflict`] where somebody else writes.
    pub async fn prune(&self, grant: &Grant, lease: &Lease, numbers: &[SnapshotNumber]) -> Result<Head> {
        let segments = self.segments(grant, Action::Prune)?;
        let ground = heads::ground(&segments.keyring, &self.objects, lease).await?;
        let parent = ground.parent.clone().ok_or_else(|| self.nothing_written())?;
        let all = Reader::new(std::sync::Arc::clone(&segments), self.keys_area.clone(), parent.clone())
            .chain()
            .await?;
        let snapshots =
            || all.iter().filter(|head| head.commit.role == Role::Snapshot).map(|head| head.name.number);
        let newest = snapshots().max();
        for number in numbers {
            if Some(*number) == newest {
                return Err(RepositoryError::Input(format!(
                    "snapshot {number} is the newest and is always kept"
                )));
            }
            if !snapshots().any(|known| known == *number) {
                return Err(RepositoryError::NotFound(format!("snapshot {number}")));
            }
        }
        if numbers.iter().all(|number| parent.commit.is_pruned(*number)) {
            return Ok(parent);
        }
        // Commits that are no snapshots show nothing of their own; in the list they make for few ranges.
        let silent =
            all.iter().filter(|head| head.commit.role != Role::Snapshot && Some(head.name.number) < newest);
        let before =
            all.iter().map(|head| head.name.number).filter(|number| parent.commit.is_pruned(*number));
        let dropped = silent.map(|head| head.name.number).chain(before).chain(numbers.iter().copied());
        let generation = lease.generation;
        let role = Role::Maintenance;
        let mut commit = Commit::after(&segments, Some(&parent), generation, role, &*self.clock).await?;
        commit.pruned = ranges(dropped.map(|number| number.0).collect());
        let data_key = segments.keyring.current().await?;
        ground.publish(&segments.keyring, &self.objects, data_key, &*self.rng, lease, commit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: Retention, times: &[&str], dropped: &[u64]) {
        let snapshots: Vec<_> =
            (1..).map(SnapshotNumber).zip(times.iter().map(|time| time.parse().unwrap())).collect();
        let numbers: Vec<u64> = to_drop(&rules, &snapshots).iter().map(|number| number.0).collect();
        assert_eq!(numbers, dropped, "{rules:?}");
    }

    const TIMES: &[&str] = &[
        "2025-12-31T23:59:59Z",
        "2026-01-01T00:00:00Z",
        "2026-01-04T12:00:00Z", // a Sunday
        "2026-01-05T00:00:00Z", // a Monday
        "2026-01-05T00:59:59Z",
        "2026-01-05T01:00:00Z",
        "2026-02-01T00:00:00Z",
    ];

    #[test]
    fn no_rule_drops_nothing() {
        check(Retention::default(), TIMES, &[]);
        check(Retention { last: 1, ..Retention::default() }, &[], &[]);
    }

    #[test]
    fn each_rule_keeps_the_newest_of_its_periods() {
        let none = Retention::default();
        check(Retention { last: 2, ..none }, TIMES, &[1, 2, 3, 4, 5]);
        check(Retention { last: 100, ..none }, TIMES, &[]);
        check(Retention { hourly: 3, ..none }, TIMES, &[1, 2, 3, 4]);
        check(Retention { daily: 3, ..none }, TIMES, &[1, 2, 4, 5]);
        check(Retention { weekly: 3, ..none }, TIMES, &[1, 2, 4, 5]);
        check(Retention { monthly: 2, ..none }, TIMES, &[1, 2, 3, 4, 5]);
        check(Retention { yearly: 2, ..none }, TIMES, &[2, 3, 4, 5, 6]);
        check(Retention { monthly: 9, ..none }, TIMES, &[2, 3, 4, 5]);
    }

    #[test]
    fn a_snapshot_stays_if_any_rule_keeps_it() {
        check(Retention { last: 1, daily: 2, yearly: 2, ..Retention::default() }, TIMES, &[2, 3, 4, 5]);
    }

    #[test]
    fn the_newest_stays_under_every_rule() {
        for rules in
            [Retention { hourly: 1, ..Retention::default() }, Retention { yearly: 1, ..Retention::default() }]
        {
            check(rules, TIMES, &[1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn numbers_become_ranges() {
        assert_eq!(ranges(vec![5, 1, 2, 3, 7, 6, 2]), [(1, 3), (5, 7)]);
        assert_eq!(ranges(vec![]), []);
    }
}
