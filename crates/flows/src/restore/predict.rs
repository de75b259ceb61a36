//! What a restore takes: requests, their cost, and time.

use std::time::Duration;

use connectors::contract::{Effort, Pace};
use serde_json::Value;

use super::candidate::{Candidate, Payload};
use super::look::{LOOKUPS, Parts};
use super::schedule;
use crate::error::Result;

/// What one item takes: its own steps, and, where it is looked at and written a second time, that too.
pub(super) fn of_item(candidate: &Candidate) -> Effort {
    let plan = &candidate.item.plan;
    let first = Effort { requests: plan.requests, cost: plan.cost };
    if !candidate.item.again {
        return first;
    }
    // What could not be set at first is one step more, like those that the item takes anyway.
    let step = plan.cost.checked_div(plan.requests).unwrap_or_default();
    first + Effort { requests: 1, cost: step }
}

/// What it takes to look again at what is written a second time.
async fn looking_again(parts: &Parts<'_>, candidates: &[Candidate]) -> Result<Effort> {
    let again: Vec<&Candidate> =
        candidates.iter().filter(|one| one.item.again || one.item.after.is_some()).collect();
    let mut effort = Effort::default();
    for of_kind in again.chunk_by(|one, other| one.spec.name == other.spec.name) {
        for chunk in of_kind.chunks(LOOKUPS) {
            let Some(first) = chunk.first() else { continue };
            let mut payloads = Vec::new();
            for one in chunk {
                let payload: Payload = parts.shelf.get(one.payload).await?;
                payloads.push(then(one, payload.wanted));
            }
            effort = effort + parts.store.looking(first.spec, &payloads.iter().collect::<Vec<_>>());
        }
    }
    Ok(effort)
}

/// What is there when it is looked at again: of what came into being with another item, no lists yet.
fn then(candidate: &Candidate, mut payload: Value) -> Value {
    if candidate.item.after.is_some()
        && let Some(fields) = payload.as_object_mut()
    {
        fields.retain(|_, field| !field.is_array());
    }
    payload
}

/// Everything that applying takes once it is known what is there.
pub(super) async fn of_all(parts: &Parts<'_>, candidates: &[Candidate]) -> Result<Effort> {
    Ok(candidates.iter().map(of_item).sum::<Effort>() + looking_again(parts, candidates).await?)
}

/// How long it takes to look, which was measured, and then to send so much: as long as the budget needs for what it does
/// not have by then, or as long as the answers take where that is longer. `None` where there is no limit.
pub(super) fn time(effort: Effort, look: Look, pace: &Pace, available: f64) -> Option<Duration> {
    let budget = pace.budget?;
    let recovered = available + look.took.as_secs_f64() * budget.per_second;
    let left = (recovered - counted(look.effort.cost)).min(budget.maximum);
    let missing = ((counted(effort.cost) - left) / budget.per_second).max(0.0);
    let paid = Duration::try_from_secs_f64(missing).ok()?;
    let lanes = u32::try_from(schedule::lanes(pace)).unwrap_or(1);
    let requests = u32::try_from(effort.requests).unwrap_or(u32::MAX);
    let answered = pace.answer.saturating_mul(requests) / lanes;
    Some(look.took + paid.max(answered))
}

/// What looking at everything took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) effort: Effort,
    pub(super) took: Duration,
}

#[expect(clippy::cast_precision_loss, reason = "a cost is far below 2^52")]
fn counted(cost: u64) -> f64 {
    cost as f64
}

#[cfg(test)]
mod tests {
    use connectors::contract::Budget;

    use super::*;

    #[test]
    fn the_budget_or_the_answers_whichever_takes_longer() {
        let check = |per_second: f64, answer: u64, available: f64, seconds: f64| {
            let budget = Some(Budget { per_second, maximum: 2_000.0, available });
            let pace = Pace { budget, answer: Duration::from_millis(answer) };
            let before = Look { effort: Effort { requests: 50, cost: 500 }, took: Duration::from_secs(2) };
            let took = time(Effort { requests: 1_000, cost: 9_500 }, before, &pace, available).unwrap();
            assert!((took.as_secs_f64() - seconds).abs() < 1e-6, "{took:?}");
        };
        // 10,000 points: at 100 a second, 80 s beside a full bucket, 100 s without.
        check(100.0, 50, 2_000.0, 80.0);
        check(100.0, 50, 0.0, 100.0);
        // At 2000 a second with 32 under way, a thousand answers of 320 ms take 10 s.
        check(2_000.0, 320, 2_000.0, 12.0);
        let free = Pace { budget: None, answer: Duration::from_secs(1) };
        assert_eq!(time(Effort::default(), Look::default(), &free, 0.0), None);
    }
}
