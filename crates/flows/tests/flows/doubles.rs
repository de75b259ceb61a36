//! Time, chance and the record of events, under the test's control.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::{Clock, Rng, Timestamp};
use flows::restore::RestoreProgress;
use futures::future::BoxFuture;

/// A clock on which waiting takes no time: it goes on by itself.
#[derive(Debug, Default)]
pub(crate) struct QuickClock(AtomicU64, AtomicBool);

/// So long at least a patient clock's waiting takes.
const PATIENCE: Duration = Duration::from_millis(1);

impl QuickClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// From now on waiting takes a moment: whoever looks again and again for what another does in real time then has the
    /// clock go on by seconds and not by days. And who waits at one time waits together.
    pub(crate) fn be_patient(&self) {
        self.1.store(true, Ordering::SeqCst);
    }

    /// Goes on to a moment after its beginning, unless that is past.
    pub(crate) fn advance_to(&self, moment: Duration) {
        self.0.fetch_max(u64::try_from(moment.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for QuickClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_795_521_600).unwrap().checked_add(self.monotonic()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if self.1.load(Ordering::SeqCst) {
            self.advance_to(self.monotonic() + duration + Duration::from_millis(1));
            return Box::pin(tokio::time::sleep(PATIENCE));
        }
        self.advance(duration + Duration::from_millis(1));
        Box::pin(tokio::task::yield_now())
    }
}

/// The same seed gives the same bytes.
#[derive(Debug)]
pub(crate) struct SeededRng {
    seed: u64,
    count: AtomicU64,
}

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, count: AtomicU64::new(0) }
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut hasher = DefaultHasher::new();
            (self.seed, self.count.fetch_add(1, Ordering::SeqCst)).hash(&mut hasher);
            chunk.copy_from_slice(&hasher.finish().to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Nobody watches.
pub(crate) struct Silent;

impl RestoreProgress for Silent {
    fn advanced(&self, _: &str, _: u64, _: u64, _: Option<Duration>) {}
}

impl flows::backup::BackupProgress for Silent {
    fn fetching(&self, _: &connectors::contract::Progress<'_>) {}
    fn writing(&self, _: &domain::Kind, _: u64) {}
}
