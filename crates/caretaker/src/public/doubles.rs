//! A clock that stands still, and a record that is kept in memory.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{AuditError, AuditEvent, AuditSink, Clock, Timestamp};
use futures::FutureExt as _;
use futures::future::BoxFuture;

/// A point in time, until it is set to another.
#[derive(Debug)]
pub(super) struct Still(Mutex<Timestamp>);

impl Still {
    pub(super) fn at(now: &str) -> Self {
        Self(Mutex::new(now.parse().unwrap()))
    }

    pub(super) fn set(&self, now: &str) {
        *self.0.lock().unwrap() = now.parse().unwrap();
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }
}

/// What was recorded, as `OPERATION OUTCOME: DETAIL`, as long as there is room.
#[derive(Debug, Default)]
pub(super) struct Memory {
    events: Mutex<Vec<String>>,
    is_full: Mutex<bool>,
}

impl Memory {
    pub(super) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn fill(&self) {
        *self.is_full.lock().unwrap() = true;
    }

    fn keep(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if *self.is_full.lock().unwrap() {
            return Err(AuditError("the disk is full".to_owned()));
        }
        let AuditEvent { operation, outcome, detail, .. } = event;
        self.events.lock().unwrap().push(format!("{operation} {outcome:?}: {detail}"));
        Ok(())
    }
}

impl AuditSink for Memory {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        std::future::ready(self.keep(&event)).boxed()
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        std::future::ready(self.keep(&event)).boxed()
    }
}

/// A certificate for that name, from one day to another, and its key; both in PEM.
pub(super) fn made(name: &str, from: (i32, u8, u8), to: (i32, u8, u8)) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    (certificate(name, from, to, &key), key.serialize_pem())
}

/// A certificate for a key.
pub(super) fn certificate(
    name: &str,
    from: (i32, u8, u8),
    to: (i32, u8, u8),
    key: &rcgen::KeyPair,
) -> String {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
    params.self_signed(key).unwrap().pem()
}
