//! Requests on the trail: one event for each that goes out, once its answer was read, left or broke off.
//!
//! Whoever sends begins a [`Pending`] first, and cannot send without. Where events cannot be kept, none is begun any more.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use domain::{AuditError, AuditEvent, Clock, HttpFacts, Operation, Outcome};
use futures::FutureExt as _;
use tokio::task::unconstrained;

use crate::contract::{Behalf, Fault};

/// Where one connection's requests are put on record.
#[derive(Debug)]
pub(crate) struct Record {
    behalf: Behalf,
    clock: Arc<dyn Clock>,
    /// Why an event is lost. Nothing is sent any more then.
    lost: OnceLock<AuditError>,
    /// Events of requests that were given up while no more could be taken.
    left: Mutex<Vec<AuditEvent>>,
}

impl Record {
    pub(crate) fn new(behalf: Behalf, clock: Arc<dyn Clock>) -> Self {
        Self { behalf, clock, lost: OnceLock::new(), left: Mutex::default() }
    }

    /// A request is about to be sent.
    ///
    /// # Errors
    /// [`Fault::Audit`] where an earlier one is not on record: nothing goes on unrecorded.
    pub(crate) async fn begin(self: &Arc<Self>, facts: HttpFacts) -> Result<Pending, Fault> {
        while let Some(event) = self.left_over() {
            self.note(event).await?;
        }
        match self.lost.get() {
            Some(lost) => Err(lost.clone().into()),
            None => {
                let (record, since) = (Arc::clone(self), self.clock.monotonic());
                Ok(Pending { record, since, facts, told: false })
            }
        }
    }

    fn left_over(&self) -> Option<AuditEvent> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn note(&self, event: AuditEvent) -> Result<(), Fault> {
        let noted = self.behalf.audit.note(event).await;
        Ok(noted.inspect_err(|error| self.lose(error))?)
    }

    fn lose(&self, error: &AuditError) {
        // The first reason is the one.
        let _ = self.lost.set(error.clone());
    }
}

/// A request that is under way, and on record at the latest when this is dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    record: Arc<Record>,
    since: Duration,
    facts: HttpFacts,
    told: bool,
}

impl Pending {
    /// The head of the answer came.
    pub(crate) fn answered(&mut self, status: u16) {
        self.facts.status = Some(status);
    }

    /// So many bytes of the answer's body were read.
    pub(crate) fn received(&mut self, len: usize) {
        self.facts.received += len as u64;
    }

    /// Puts it on record. Of the answer nothing more is wanted, or nothing more came: then with the reason.
    ///
    /// # Errors
    /// [`Fault::Audit`] where that fails: what came of the request must not be used.
    pub(crate) async fn end(mut self, broke_off: Option<&str>) -> Result<(), Fault> {
        let noted = self.record.note(self.event(broke_off)).await;
        self.told = true;
        noted
    }

    fn event(&self, broke_off: Option<&str>) -> AuditEvent {
        let outcome = match self.facts.status {
            Some(401 | 403) => Outcome::Refused,
            Some(..=399) if broke_off.is_none() => Outcome::Done,
            _ => Outcome::Failed,
        };
        let Behalf { principal, grant, object, .. } = &self.record.behalf;
        let event = AuditEvent::new(principal.clone(), Operation::PlatformRequest, object.clone(), outcome);
        AuditEvent {
            grant: *grant,
            detail: broke_off.unwrap_or_default().to_owned(),
            took: Some(self.record.clock.monotonic().saturating_sub(self.since)),
            request: Some(self.facts.clone()),
            ..event
        }
    }
}

impl Drop for Pending {
    /// Whoever waited for the answer has given up. Nobody can wait here: where no event can be taken at once, the next
    /// request has to wait for it, and only if none comes it is lost.
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let event = self.event(self.facts.status.is_none().then_some("its answer was not waited for"));
        match unconstrained(self.record.behalf.audit.note(event.clone())).now_or_never() {
            Some(noted) => drop(noted.inspect_err(|error| self.record.lose(error))),
            None => self.record.left.lock().unwrap_or_else(PoisonError::into_inner).push(event),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
