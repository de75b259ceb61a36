//! What is written of requests that nobody vouches for: each by itself as long as they are few, and then how many there were.
//!
//! Whoever can reach the public endpoint could else fill the disk on which the trail lies, and so end all work. What they can have
//! written in a minute is bounded, whatever they send.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{AuditError, AuditEvent, AuditSink, Clock, HttpFacts, Operation, Outcome, Principal};
use trail::room::Level;

/// After so long it is told how many were not told of one by one.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// So many requests of one source are told of one by one in that time.
const OF_SOURCE_MAX: u32 = 20;
/// So many of all sources.
const OF_ALL_MAX: u32 = 100;
/// So many sources are told apart in that time.
const SOURCES_MAX: usize = 32;

/// Whoever asks, as far as they are told apart: by their address, and of IPv6 by the first half of it, of which one has as many as
/// they like.
pub(super) type Network = IpAddr;

/// The network of an address.
pub(super) fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}

/// What is known of one source in the time that runs.
#[derive(Debug, Default)]
struct Source {
    told: u32,
    counted: BTreeMap<(&'static str, u16), u64>,
}

#[derive(Debug, Default)]
struct Inside {
    told: u32,
    /// There is little room: nobody is told of alone.
    is_little: bool,
    /// `None`: all those that are not told apart.
    sources: HashMap<Option<Network>, Source>,
}

impl Inside {
    /// Whether a request is to be told of by itself. If not, it was counted.
    fn is_told(&mut self, network: Network, operation: Operation, status: u16) -> bool {
        let is_known = self.sources.contains_key(&Some(network)) || self.sources.len() < SOURCES_MAX;
        let network = Some(network).filter(|_| is_known && !self.is_little);
        let source = self.sources.entry(network).or_default();
        if network.is_some() && source.told < OF_SOURCE_MAX && self.told < OF_ALL_MAX {
            source.told += 1;
            self.told += 1;
            return true;
        }
        *source.counted.entry((operation.as_str(), status)).or_default() += 1;
        false
    }
}

/// Writes it.
pub(super) struct Tally {
    /// Whose public endpoint it is.
    host: String,
    audit: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
    /// How much room there is where that is written.
    room: Arc<dyn Fn() -> Level + Send + Sync>,
    /// What makes a name of an address that is worth nothing outside of this process.
    names: RandomState,
    inside: Mutex<Inside>,
    /// Something could not be written: nobody is answered any more.
    is_lost: AtomicBool,
}

impl Tally {
    pub(super) fn new(
        host: String,
        audit: Arc<dyn AuditSink>,
        clock: Arc<dyn Clock>,
        room: Arc<dyn Fn() -> Level + Send + Sync>,
    ) -> Self {
        let inside = Inside { is_little: room() > Level::Enough, ..Inside::default() };
        let (names, is_lost) = (RandomState::new(), AtomicBool::new(false));
        Self { host, audit, clock, room, names, inside: Mutex::new(inside), is_lost }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of a request, or counts it, before it is answered.
    ///
    /// # Errors
    /// When it cannot be told: then it must not be answered.
    pub(super) async fn tell(
        &self,
        network: Network,
        operation: Operation,
        request: HttpFacts,
        took: Duration,
    ) -> Result<(), AuditError> {
        if self.is_lost.load(Ordering::Relaxed) {
            return Err(AuditError("what came before could not be recorded".to_owned()));
        }
        let status = request.status.unwrap_or_default();
        if !self.inside().is_told(network, operation, status) {
            return Ok(());
        }
        let outcome = if status < 400 { Outcome::Done } else { Outcome::Failed };
        let event = self.event(operation, outcome).with_detail(self.name(Some(network)));
        let event = AuditEvent { took: Some(took), request: Some(request), ..event };
        self.audit.note(event).await.inspect_err(|_| self.is_lost.store(true, Ordering::Relaxed))
    }

    /// Tells each minute how many requests were counted, for good.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(super) async fn keep(&self) -> Result<std::convert::Infallible, AuditError> {
        loop {
            self.clock.sleep(TELL_EVERY).await;
            self.tell_counted().await?;
        }
    }

    /// Tells how many requests were counted.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(super) async fn tell_counted(&self) -> Result<(), AuditError> {
        let is_little = (self.room)() > Level::Enough;
        let before = std::mem::replace(&mut *self.inside(), Inside { is_little, ..Inside::default() });
        for (network, Source { counted, .. }) in before.sources {
            if counted.is_empty() {
                continue;
            }
            let counted = counted.iter().map(|((name, status), times)| format!("{name} {status}: {times}"));
            let detail = format!("{}; {}", self.name(network), counted.collect::<Vec<_>>().join(", "));
            let event = self.event(Operation::PublicCount, Outcome::Done).with_detail(detail);
            let recorded = self.audit.record(event).await;
            recorded.inspect_err(|_| self.is_lost.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    }

    /// Who asked: the same name for the same network as long as this process lives. The address itself may be a person's.
    fn name(&self, network: Option<Network>) -> String {
        match network {
            Some(network) => format!("source {:016x}", self.names.hash_one(network)),
            None => "sources that were not told apart".to_owned(),
        }
    }

    fn event(&self, operation: Operation, outcome: Outcome) -> AuditEvent {
        AuditEvent::new(Principal(vault::UNPROVEN.to_owned()), operation, self.host.clone(), outcome)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
