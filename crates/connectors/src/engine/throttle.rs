//! The budget of one store: a bucket that refills steadily, shared by all that is asked at the same time.
//!
//! Before a request is sent, its cost is taken from our picture of the bucket; where that does not suffice,
//! the request waits for just as long as the bucket needs, or until an answer gives back enough of what was set aside
//! for it. Every answer brings the platform's own figure, and
//! what that figure may not know of is taken off again: requests that are under way, and those that were answered
//! while this one was, since answers may overtake each other. So the picture errs on the safe side, by no more than
//! is sent within the time of an answer, and the bucket is never full while there is work. What a document costs is
//! learned from its answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Clock;

use crate::contract::{Budget, Pace};

/// What a document is taken to cost before its first answer.
const COST_UNKNOWN: f64 = 100.0;
/// A little more than the exact wait, against rounding on both sides.
const MARGIN: Duration = Duration::from_millis(20);
/// The bucket is looked at again after this time at the latest.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// What an answer says of the bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Status {
    /// What the request was counted with before it ran.
    pub(crate) requested: f64,
    /// What it was counted with in the end; the rest was given back. `None` where it was refused.
    pub(crate) actual: Option<f64>,
    /// What fits into the bucket.
    pub(crate) maximum: f64,
    /// What is in it.
    pub(crate) available: f64,
    /// What flows in, per second.
    pub(crate) per_second: f64,
}

#[derive(Debug)]
struct Bucket {
    maximum: f64,
    available: f64,
    per_second: f64,
    at: Duration,
    /// Costs of what was sent and is not answered.
    under_way: f64,
    /// Costs of all that was answered.
    spent: f64,
    /// Answers, and the time that all of them together took.
    answers: u32,
    answering: Duration,
    /// Learned costs by document.
    costs: HashMap<u64, f64>,
    known: bool,
    /// No request before this moment: the platform said so.
    not_before: Duration,
}

/// The shared budget.
#[derive(Debug)]
pub(crate) struct Throttle {
    clock: Arc<dyn Clock>,
    bucket: Mutex<Bucket>,
    /// Who waits for the bucket waits in line, so that the costly are not overtaken for ever.
    line: tokio::sync::Mutex<()>,
    /// Wakes the first in line: an answer may have given back a part of what was set aside for it.
    answered: tokio::sync::Notify,
}

/// The leave to send one request, with what was set aside for it.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    throttle: &'a Throttle,
    cost: f64,
    document: u64,
    open: bool,
    /// When it was sent, and what had been spent by then.
    sent_at: Duration,
    spent: f64,
}

impl Throttle {
    /// A bucket of which nothing is known yet: one request goes ahead to find out.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            bucket: Mutex::new(Bucket {
                maximum: 0.0,
                available: 0.0,
                per_second: 0.0,
                at: Duration::ZERO,
                under_way: 0.0,
                spent: 0.0,
                answers: 0,
                answering: Duration::ZERO,
                costs: HashMap::new(),
                known: false,
                not_before: Duration::ZERO,
            }),
            line: tokio::sync::Mutex::new(()),
            answered: tokio::sync::Notify::new(),
        }
    }

    fn bucket<T>(&self, use_it: impl FnOnce(&mut Bucket, Duration) -> T) -> T {
        let now = self.clock.monotonic();
        use_it(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Waits until the budget allows a request of this document, and sets its cost aside.
    pub(crate) async fn enter(&self, document: u64) -> Permit<'_> {
        let _line = self.line.lock().await;
        loop {
            let taken = self.bucket(|bucket, now| Ok((bucket.take(document, now)?, now, bucket.spent)));
            match taken {
                Ok((cost, sent_at, spent)) => {
                    return Permit { throttle: self, cost, document, open: true, sent_at, spent };
                }
                Err(wait) => tokio::select! {
                    () = self.clock.sleep(wait) => {}
                    () = self.answered.notified() => {}
                },
            }
        }
    }

    /// How fast may be asked, as far as answers told.
    pub(crate) fn pace(&self) -> Pace {
        self.bucket(|bucket, now| {
            bucket.refill(now);
            let Bucket { maximum, available, per_second, .. } = *bucket;
            let known = bucket.known && per_second > 0.0;
            Pace {
                budget: known.then_some(Budget { per_second, maximum, available }),
                answer: bucket.answering.checked_div(bucket.answers).unwrap_or_default(),
            }
        })
    }

    /// What was spent so far, by the platform's own count.
    pub(crate) fn spent(&self) -> f64 {
        self.bucket(|bucket, _| bucket.spent)
    }
}

/// The time in which so much flows in. A figure that no bucket has must not be the end of the run.
fn time_for(points: f64, per_second: f64) -> Duration {
    Duration::try_from_secs_f64(points / per_second).unwrap_or(WAIT_MAX).min(WAIT_MAX) + MARGIN
}

impl Bucket {
    fn refill(&mut self, now: Duration) {
        let gained = now.saturating_sub(self.at).as_secs_f64() * self.per_second;
        self.available = (self.available + gained).min(self.maximum);
        self.at = now;
    }

    fn take(&mut self, document: u64, now: Duration) -> Result<f64, Duration> {
        if now < self.not_before {
            return Err(self.not_before.saturating_sub(now));
        }
        self.refill(now);
        let cost = self.costs.get(&document).copied().unwrap_or(COST_UNKNOWN);
        if !self.known {
            // The first goes ahead; the others wait for what its answer tells, then look again.
            if self.under_way > 0.0 {
                return Err(MARGIN);
            }
        } else if self.per_second > 0.0 {
            // What the platform counts higher than its bucket holds, it refuses itself.
            let cost = cost.min(self.maximum);
            if self.available < cost {
                return Err(time_for(cost - self.available, self.per_second));
            }
        }
        self.available -= cost;
        self.under_way += cost;
        Ok(cost)
    }
}

impl Permit<'_> {
    /// The answer came, and said this of the bucket.
    pub(crate) fn answered(mut self, status: Option<Status>) {
        self.close();
        let Some(status) = status else { return };
        let throttle = self.throttle;
        throttle.bucket(|bucket, now| {
            // Of what was answered meanwhile nobody knows whether this figure counts it already.
            let overtook = bucket.spent - self.spent;
            bucket.known = true;
            bucket.maximum = status.maximum;
            bucket.per_second = status.per_second;
            bucket.available = status.available - bucket.under_way - overtook;
            bucket.at = now;
            bucket.spent += status.actual.unwrap_or_default();
            bucket.answers = bucket.answers.saturating_add(1);
            bucket.answering = bucket.answering.saturating_add(now.saturating_sub(self.sent_at));
            bucket.costs.insert(self.document, status.requested);
        });
        throttle.answered.notify_one();
    }

    /// The platform asks to wait. `after` is how long, where it told.
    pub(crate) fn refused(self, status: Option<Status>, after: Option<Duration>) {
        let throttle = self.throttle;
        self.answered(status);
        throttle.bucket(|bucket, now| {
            let wait = after.unwrap_or_else(|| match status {
                Some(status) if status.per_second > 0.0 => {
                    let missing = (status.requested - status.available).max(0.0);
                    time_for(missing, status.per_second)
                }
                _ => Duration::from_secs(1),
            });
            bucket.not_before = bucket.not_before.max(now + wait);
        });
    }

    fn close(&mut self) {
        if self.open {
            self.open = false;
            self.throttle.bucket(|bucket, _| bucket.under_way = (bucket.under_way - self.cost).max(0.0));
            self.throttle.answered.notify_one();
        }
    }
}

/// A request without an answer is under way no longer; what it cost, the next answer tells.
impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::paused::Paused;

    /// The platform's side of the bucket.
    struct Platform {
        available: f64,
        at: Duration,
        spent: f64,
        requests: u64,
        throttled: u64,
    }

    const MAXIMUM: f64 = 2000.0;
    const PER_SECOND: f64 = 100.0;

    impl Platform {
        fn serve(&mut self, now: Duration, requested: f64, actual: f64) -> (bool, Status) {
            self.available = (self.available + (now - self.at).as_secs_f64() * PER_SECOND).min(MAXIMUM);
            self.at = now;
            self.requests += 1;
            let fits = requested <= self.available;
            if fits {
                self.available -= actual;
                self.spent += actual;
            } else {
                self.throttled += 1;
            }
            let (available, actual) = (self.available.floor(), fits.then_some(actual));
            let status = Status { requested, actual, maximum: MAXIMUM, available, per_second: PER_SECOND };
            (fits, status)
        }
    }

    /// How a simulation goes: so many requesters, each with its own document.
    #[derive(Debug, Clone, Copy)]
    struct Course {
        lanes: u16,
        latency_millis: u64,
        /// What a request costs, as counted before: of the first requester, and more for each further one.
        cost: (f64, f64),
        /// Which share of that it costs in the end.
        refund: f64,
        /// Answers take between half and one and a half of the latency, so that they overtake each other.
        uneven: bool,
    }

    /// For ten minutes. Answers the platform's side, and ours.
    async fn run(course: Course) -> (Platform, f64) {
        let Course { lanes, latency_millis, cost, refund, uneven } = course;
        let clock: Arc<dyn Clock> = Arc::new(Paused::new());
        let throttle = Throttle::new(Arc::clone(&clock));
        let platform = Mutex::new(Platform {
            available: MAXIMUM,
            at: Duration::ZERO,
            spent: 0.0,
            requests: 0,
            throttled: 0,
        });
        let end = Duration::from_secs(600);
        let lane = |number: u16| {
            let (clock, throttle, platform) = (&clock, &throttle, &platform);
            async move {
                let requested = cost.0 + cost.1 * f64::from(number);
                let mut turn = u64::from(number);
                while clock.monotonic() < end {
                    let permit = throttle.enter(u64::from(number)).await;
                    clock.sleep(Duration::from_millis(latency_millis / 2)).await;
                    let actual = requested * refund;
                    let (fits, status) = platform.lock().unwrap().serve(clock.monotonic(), requested, actual);
                    turn = turn * 7 + 3;
                    let late = if uneven { latency_millis * (turn % 11) / 10 } else { latency_millis / 2 };
                    clock.sleep(Duration::from_millis(late)).await;
                    if fits {
                        permit.answered(Some(status));
                    } else {
                        permit.refused(Some(status), None);
                    }
                    turn %= 1_000;
                }
            }
        };
        futures::future::join_all((0..lanes).map(lane)).await;
        (platform.into_inner().unwrap(), throttle.spent())
    }

    async fn check(course: Course) {
        let (platform, spent) = run(course).await;
        let used = platform.spent / (MAXIMUM + 600.0 * PER_SECOND);
        assert!(used >= 0.9, "{course:?}: used {used}");
        assert!((spent - platform.spent).abs() < 1e-3, "{course:?}: {spent} of {}", platform.spent);
        let (throttled, requests) = (platform.throttled, platform.requests);
        assert!(throttled * 100 < requests, "{course:?}: {throttled} of {requests}");
    }

    #[tokio::test(start_paused = true)]
    async fn nine_tenths_of_the_budget_are_used_and_hardly_a_request_is_refused() {
        let mixed = Course { lanes: 1, latency_millis: 100, cost: (20.0, 60.0), refund: 1.0, uneven: false };
        check(mixed).await;
        check(Course { lanes: 3, ..mixed }).await;
        check(Course { lanes: 5, latency_millis: 400, ..mixed }).await;
        check(Course { lanes: 5, latency_millis: 400, refund: 0.5, ..mixed }).await;
        check(Course { lanes: 8, latency_millis: 50, refund: 0.8, ..mixed }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn many_writes_side_by_side_keep_to_the_budget_also_where_answers_overtake_each_other() {
        let writes = Course { lanes: 16, latency_millis: 300, cost: (10.0, 0.0), refund: 1.0, uneven: true };
        check(writes).await;
        check(Course { lanes: 32, latency_millis: 2_000, ..writes }).await;
        check(Course { lanes: 32, latency_millis: 40, ..writes }).await;
        // Every second one reads, is counted high, and costs little.
        check(Course { lanes: 12, cost: (10.0, 40.0), refund: 0.6, ..writes }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_answers_give_back_is_used_at_once() {
        // Searches are counted with 400 points before they run, and cost two: nobody waits until 400 have flowed in.
        let searches =
            Course { lanes: 8, latency_millis: 100, cost: (400.0, 0.0), refund: 0.005, uneven: false };
        let (platform, _) = run(searches).await;
        assert!(platform.requests > 4 * 6_000 * 9 / 10, "{} in ten minutes", platform.requests);
        assert_eq!(platform.throttled, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_what_answers_told() {
        let clock: Arc<dyn Clock> = Arc::new(Paused::new());
        let throttle = Throttle::new(Arc::clone(&clock));
        assert_eq!(throttle.pace(), Pace { budget: None, answer: Duration::ZERO });
        let permit = throttle.enter(1).await;
        clock.sleep(Duration::from_millis(300)).await;
        let told = (2_000.0, 1_500.0, 100.0);
        let status = |actual| Status {
            requested: 10.0,
            actual: Some(actual),
            maximum: told.0,
            available: told.1,
            per_second: told.2,
        };
        permit.answered(Some(status(4.0)));
        let budget = Budget { per_second: told.2, maximum: told.0, available: told.1 };
        assert_eq!(throttle.pace(), Pace { budget: Some(budget), answer: Duration::from_millis(300) });
        throttle.enter(1).await.answered(Some(status(6.0)));
        assert_eq!(throttle.pace().answer, Duration::from_millis(150));
        assert!((throttle.spent() - 10.0).abs() < 1e-9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_the_platform_asked_for_is_kept_by_all() {
        let clock: Arc<dyn Clock> = Arc::new(Paused::new());
        let throttle = Throttle::new(Arc::clone(&clock));
        throttle.enter(1).await.refused(None, Some(Duration::from_secs(7)));
        throttle.enter(2).await.answered(None);
        assert!(clock.monotonic() >= Duration::from_secs(7));
    }
}
