//! Time, chance and the audit record, under the test's control.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use domain::{AuditError, AuditEvent, AuditSink, Clock, Rng, Timestamp};
use futures::future::BoxFuture;

/// SHA-256 over a seed and a counter: the same seed gives the same bytes.
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
        for chunk in bytes.chunks_mut(32) {
            let count = self.count.fetch_add(1, Ordering::SeqCst);
            let block = [self.seed.to_be_bytes(), count.to_be_bytes()].concat();
            chunk.copy_from_slice(&digest::digest(&digest::SHA256, &block).as_ref()[..chunk.len()]);
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(Mutex<(Timestamp, Duration)>);

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(("2026-11-24T12:00:00Z".parse().unwrap(), Duration::from_secs(1000))))
    }

    /// Time goes on.
    pub(crate) fn advance(&self, by: Duration) {
        let mut time = self.0.lock().unwrap();
        time.0 = time.0.checked_add(by).unwrap();
        time.1 += by;
    }

    /// Someone sets the wall clock.
    pub(crate) fn set_wall(&self, now: Timestamp) {
        self.0.lock().unwrap().0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().1
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.advance(duration);
        Box::pin(std::future::ready(()))
    }
}

/// Keeps events, or fails.
#[derive(Debug, Default)]
pub(crate) struct RecordingAudit {
    pub(crate) failing: AtomicBool,
    events: Mutex<Vec<AuditEvent>>,
}

impl RecordingAudit {
    /// The events since the last call.
    pub(crate) fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

impl AuditSink for RecordingAudit {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        let failing = self.failing.load(Ordering::SeqCst);
        if !failing {
            self.events.lock().unwrap().push(event);
        }
        let answer = if failing { Err(AuditError("the disk is full".into())) } else { Ok(()) };
        Box::pin(std::future::ready(answer))
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.record(event)
    }
}
