//! The budget of one store: a bucket that refills steadily, shared by all that is asked at the same time.
//!
//! Before a request is sent, its cost is taken from our picture of the bucket; where that does not suffice,
//! the request waits for just as long as the bucket needs. Every answer brings the platform's own figure, and
//! what is under way at that moment is taken off again: so the picture errs on the safe side, and the bucket
//! is never full while there is work. What a document costs is learned from its answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Clock;

/// What a document is taken to cost before its first answer.
const COST_UNKNOWN: f64 = 100.0;
/// A little more than the exact wait, against rounding on both sides.
const MARGIN: Duration = Duration::from_millis(20);

/// What an answer says of the bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Status {
    /// What the request was counted with.
    pub(crate) requested: f64,
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
}

/// The leave to send one request, with what was set aside for it.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    throttle: &'a Throttle,
    cost: f64,
    document: u64,
    open: bool,
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
                costs: HashMap::new(),
                known: false,
                not_before: Duration::ZERO,
            }),
            line: tokio::sync::Mutex::new(()),
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
            let wait = self.bucket(|bucket, now| bucket.take(document, now));
            match wait {
                Ok(cost) => return Permit { throttle: self, cost, document, open: true },
                Err(wait) => self.clock.sleep(wait).await,
            }
        }
    }

    /// What flows in per second, once it is known.
    pub(crate) fn per_second(&self) -> Option<f64> {
        self.bucket(|bucket, _| (bucket.known && bucket.per_second > 0.0).then_some(bucket.per_second))
    }
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
                return Err(Duration::from_secs_f64((cost - self.available) / self.per_second) + MARGIN);
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
        self.throttle.bucket(|bucket, now| {
            bucket.known = true;
            bucket.maximum = status.maximum;
            bucket.per_second = status.per_second;
            bucket.available = status.available - bucket.under_way;
            bucket.at = now;
            bucket.costs.insert(self.document, status.requested);
        });
    }

    /// The platform asks to wait. `after` is how long, where it told.
    pub(crate) fn refused(self, status: Option<Status>, after: Option<Duration>) {
        let throttle = self.throttle;
        self.answered(status);
        throttle.bucket(|bucket, now| {
            let wait = after.unwrap_or_else(|| match status {
                Some(status) if status.per_second > 0.0 => {
                    let missing = (status.requested - status.available).max(0.0);
                    Duration::from_secs_f64(missing / status.per_second) + MARGIN
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
    use domain::Timestamp;
    use futures::future::BoxFuture;

    /// Tokio's paused time: it moves on when everybody waits.
    #[derive(Debug)]
    struct Paused(tokio::time::Instant);
    impl Clock for Paused {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
        fn monotonic(&self) -> Duration {
            self.0.elapsed()
        }
        #[expect(clippy::disallowed_methods, reason = "this is the clock of the simulation")]
        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep(duration))
        }
    }

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
            let status =
                Status { requested, maximum: MAXIMUM, available: self.available, per_second: PER_SECOND };
            (fits, status)
        }
    }

    /// `lanes` requesters, each with its own document, for ten minutes.
    async fn run(lanes: u16, latency_millis: u64, refund: f64) -> Platform {
        let clock: Arc<dyn Clock> = Arc::new(Paused(tokio::time::Instant::now()));
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
                let requested = 20.0 + 60.0 * f64::from(number);
                while clock.monotonic() < end {
                    let permit = throttle.enter(u64::from(number)).await;
                    clock.sleep(Duration::from_millis(latency_millis / 2)).await;
                    let actual = requested * refund;
                    let (fits, status) = platform.lock().unwrap().serve(clock.monotonic(), requested, actual);
                    clock.sleep(Duration::from_millis(latency_millis / 2)).await;
                    if fits { permit.answered(Some(status)) } else { permit.refused(Some(status), None) }
                }
            }
        };
        futures::future::join_all((0..lanes).map(lane)).await;
        platform.into_inner().unwrap()
    }

    async fn check(lanes: u16, latency_millis: u64, refund: f64) {
        let platform = run(lanes, latency_millis, refund).await;
        let budget = MAXIMUM + 600.0 * PER_SECOND;
        let used = platform.spent / budget;
        assert!(used >= 0.9, "{lanes} lanes, {latency_millis} ms, refund {refund}: used {used}");
        let share = platform.throttled * 100 / platform.requests;
        assert!(share < 1, "{lanes} lanes: {} of {}", platform.throttled, platform.requests);
    }

    #[tokio::test(start_paused = true)]
    async fn nine_tenths_of_the_budget_are_used_and_hardly_a_request_is_refused() {
        check(1, 100, 1.0).await;
        check(3, 100, 1.0).await;
        check(5, 400, 1.0).await;
        check(5, 400, 0.5).await;
        check(8, 50, 0.8).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_the_platform_asked_for_is_kept_by_all() {
        let clock: Arc<dyn Clock> = Arc::new(Paused(tokio::time::Instant::now()));
        let throttle = Throttle::new(Arc::clone(&clock));
        throttle.enter(1).await.refused(None, Some(Duration::from_secs(7)));
        throttle.enter(2).await.answered(None);
        assert!(clock.monotonic() >= Duration::from_secs(7));
    }
}
