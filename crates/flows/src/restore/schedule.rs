//! Writing items side by side.
//!
//! Kinds come one after the other, in the platform's order: what an item needs beside the things whose ids it holds,
//! such as definitions and channels, is there before it begins. Within a kind as many items are under way as the
//! budget gives work to, and an item begins when those that it refers to have ended.

use std::collections::{BTreeMap, BTreeSet};

use connectors::contract::Pace;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::error::{FlowError, Result};

/// Fewest and most items under way.
const LANES: std::ops::RangeInclusive<usize> = 8..=32;
/// What a write costs at least, on the platforms that count costs.
const WRITE_COST: f64 = 10.0;

/// How many items are under way at a time: a second's worth of writes. Where answers take up to a second, the budget
/// is the limit, not the waiting.
pub(super) fn lanes(pace: &Pace) -> usize {
    let writes = pace.budget.map_or(f64::INFINITY, |budget| budget.per_second / WRITE_COST);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
    let writes = writes as usize;
    writes.clamp(*LANES.start(), *LANES.end())
}

/// Does the work of every turn, at most `lanes` of them side by side; `waits` holds for every turn the earlier ones that
/// must have ended before it begins. Turns begin in order as far as they need not wait.
///
/// # Errors
/// Once a turn has failed no further one begins, and those under way end: what they did is noted. The error is that of
/// the earliest turn that failed.
pub(super) async fn side_by_side<F>(
    waits: &[Vec<usize>],
    lanes: usize,
    work: impl Fn(usize) -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let mut open: Vec<BTreeSet<usize>> = Vec::with_capacity(waits.len());
    let mut waiting: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (turn, waits) in waits.iter().enumerate() {
        let waits: BTreeSet<usize> = waits.iter().copied().filter(|earlier| *earlier < turn).collect();
        waits.iter().for_each(|earlier| waiting.entry(*earlier).or_default().push(turn));
        open.push(waits);
    }
    let mut ready: BTreeSet<usize> =
        open.iter().enumerate().filter(|(_, waits)| waits.is_empty()).map(|(turn, _)| turn).collect();
    let mut under_way = FuturesUnordered::new();
    let mut failed: Option<(usize, FlowError)> = None;
    loop {
        while failed.is_none() && under_way.len() < lanes.max(1) {
            let Some(turn) = ready.pop_first() else { break };
            let begun = work(turn);
            under_way.push(async move { (turn, begun.await) });
        }
        let Some((turn, ended)) = under_way.next().await else { break };
        match ended {
            Ok(()) => {
                for later in waiting.remove(&turn).unwrap_or_default() {
                    let Some(waits) = open.get_mut(later) else { continue };
                    waits.remove(&turn);
                    if waits.is_empty() {
                        ready.insert(later);
                    }
                }
            }
            Err(error) if failed.as_ref().is_none_or(|(earliest, _)| turn < *earliest) => {
                failed = Some((turn, error));
            }
            Err(_) => {}
        }
    }
    failed.map_or(Ok(()), |(_, error)| Err(error))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use connectors::contract::Budget;

    use super::*;

    async fn yield_for(times: usize) {
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_there_are_lanes_and_none_before_what_it_waits_for() {
        let waits: Vec<Vec<usize>> = (0..60_usize)
            .map(|turn| if turn % 3 == 0 { Vec::new() } else { vec![turn - 1, turn / 2] })
            .collect();
        let (under_way, most) = (Cell::new(0_usize), Cell::new(0));
        let ended = RefCell::new(BTreeSet::new());
        side_by_side(&waits, 7, |turn| {
            let (under_way, most, ended, waits) = (&under_way, &most, &ended, &waits);
            async move {
                assert!(
                    waits[turn].iter().filter(|one| **one < turn).all(|one| ended.borrow().contains(one))
                );
                under_way.set(under_way.get() + 1);
                most.set(most.get().max(under_way.get()));
                yield_for(turn * 5 % 7).await;
                under_way.set(under_way.get() - 1);
                ended.borrow_mut().insert(turn);
                Ok(())
            }
        })
        .await
        .unwrap();
        assert_eq!(ended.borrow().len(), 60);
        assert_eq!(most.get(), 7);
    }

    #[tokio::test]
    async fn after_a_failure_nothing_begins_and_what_is_under_way_ends() {
        let ended = RefCell::new(BTreeSet::new());
        let waits = vec![Vec::new(); 20];
        let failed = side_by_side(&waits, 4, |turn| {
            let ended = &ended;
            async move {
                yield_for(if turn == 1 { 9 } else { 2 }).await;
                ended.borrow_mut().insert(turn);
                if turn == 1 || turn == 3 { Err(FlowError::Conflict(format!("{turn}"))) } else { Ok(()) }
            }
        })
        .await;
        assert!(matches!(failed, Err(FlowError::Conflict(turn)) if turn == "1"));
        let ended = ended.into_inner();
        assert!((0..4).all(|turn| ended.contains(&turn)), "{ended:?}");
        assert!(ended.len() < 8, "{ended:?}");
    }

    #[test]
    fn the_budget_says_how_many() {
        let check = |per_second: Option<f64>, expected: usize| {
            let budget = per_second.map(|per_second| Budget { per_second, maximum: 2_000.0, available: 0.0 });
            assert_eq!(lanes(&Pace { budget, answer: Duration::ZERO }), expected);
        };
        check(Some(50.0), 8);
        check(Some(100.0), 10);
        check(Some(200.0), 20);
        check(Some(2_000.0), 32);
        check(None, 32);
    }
}
