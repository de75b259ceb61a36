//! What a worker does by itself: whatever is due on its platform, on the orders that stand for it. It is asked for by nobody, and
//! told to nobody; how it ended stands in the catalog and on the record.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use catalog::{Ended, Outcome, Schedule, Taking, Task};
use domain::{AuditEvent, Grant, Id128, Ids as _, Operation, Outcome as Recorded, Principal, Timestamp};
use flows::store_access::{self, SealedWay, Way, WhichStore};
use flows::{ErrorKind, FlowError};
use tokio::task::JoinSet;
use transport::call::unheard;
use vault::Order;

use super::desk::Bench;
use super::{BackUp, Job, Refusal, Verify, Work, port_of};
use crate::stores;

/// So much is done at a time. The rest waits for its turn: of each tenant one, and so on.
const AT_ONCE_MAX: usize = 4;
/// Where nothing is due it is looked again after so long, if nobody says before that something is.
const LOOK_AGAIN: Duration = Duration::from_secs(5 * 60);
/// And after so long where it could not be seen what is due.
const AWAY: Duration = Duration::from_secs(5);
/// What failed is tried again after so long, doubled with each failure, and never later than it is due anyway.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// The same, of that at which somebody else was: they may have been there for a moment only.
const BUSY: Duration = Duration::from_secs(2);

/// What is due on a worker's platform.
pub(crate) struct Roster {
    bench: Bench,
    holder: Id128,
}

/// What ended, and how.
type Done = (Schedule, Outcome);

impl Roster {
    pub(crate) fn new(bench: Bench) -> Self {
        let holder = bench.inner().handles.rng.next_id();
        Self { bench, holder }
    }

    /// Does what is due, as long as the process lives.
    pub(crate) async fn keep(self) -> Infallible {
        let own = Arc::new(self);
        let clock = own.bench.clock();
        // What this platform's worker had taken before it died, nobody is at any more.
        while let Err(error) = own.catalog().give_back(own.platform(), own.holder).await {
            tracing::warn!("what is due on {} cannot be seen: {error}", own.platform());
            clock.sleep(AWAY).await;
        }
        let mut under_way: JoinSet<Done> = JoinSet::new();
        loop {
            let said = own.bench.inner().due.notified();
            let wait = match own.begin(&mut under_way).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!("what is due on {} cannot be seen: {error}", own.platform());
                    AWAY
                }
            };
            tokio::select! {
                () = said => {}
                () = clock.sleep(wait) => {}
                Some(ended) = under_way.join_next() => match ended {
                    Ok(done) => own.end(done).await,
                    Err(error) => tracing::warn!("something that was due broke down: {error}"),
                },
            }
        }
    }

    fn catalog(&self) -> &catalog::Client {
        &self.bench.inner().catalog
    }

    fn platform(&self) -> &domain::Platform {
        &self.bench.inner().platform
    }

    /// Begins with what is due, as far as there is room for it. Answers for how long nothing more is.
    async fn begin(
        self: &Arc<Self>,
        under_way: &mut JoinSet<Done>,
    ) -> Result<Duration, catalog::CatalogError> {
        loop {
            let room = AT_ONCE_MAX.saturating_sub(under_way.len());
            let now = self.bench.clock().now();
            let next = self.catalog().next_due(self.platform()).await?;
            let wait = next.map_or(LOOK_AGAIN, |next| until(now, next).min(LOOK_AGAIN));
            if room == 0 || !wait.is_zero() {
                return Ok(wait.max(if room == 0 { LOOK_AGAIN } else { Duration::ZERO }));
            }
            let most = u32::try_from(room).unwrap_or(u32::MAX);
            let taking = Taking { holder: self.holder, now, most };
            let taken = self.catalog().take_due(self.platform(), taking).await?;
            if taken.due.is_empty() {
                // Somebody was faster, or has paused it.
                return Ok(AWAY);
            }
            let stores = Arc::new(taken.stores);
            for schedule in taken.due {
                let (own, stores) = (Arc::clone(self), Arc::clone(&stores));
                under_way.spawn(async move {
                    let outcome = own.run(&schedule, &stores).await;
                    (schedule, outcome)
                });
            }
        }
    }

    /// Does it, and puts on record that it began and how it ended.
    async fn run(&self, schedule: &Schedule, stores: &BTreeMap<String, Vec<u8>>) -> Outcome {
        let operation = match schedule.task {
            Task::Backup => Operation::Backup,
            Task::Verify => Operation::SnapshotVerify,
        };
        let object = format!("{}/{}", schedule.tenant, schedule.connection);
        let event =
            AuditEvent::new(Principal(vault::UNPROVEN.to_owned()), operation, object, Recorded::Begun);
        let ready = match self.prepare(schedule, stores).await {
            Ok(ready) => ready,
            Err(error) => {
                let outcome = told(schedule, &error);
                return self.record(event, outcome, None).await;
            }
        };
        let grant = Some(ready.grant.id);
        let event =
            AuditEvent { principal: ready.grant.principal.clone(), grant, ..event }.with_detail(ON_SCHEDULE);
        let clock = self.bench.clock();
        let since = clock.monotonic();
        if let Err(error) = self.bench.inner().handles.audit.record(event.clone()).await {
            tracing::warn!("{error}");
            return Outcome::Failed;
        }
        let outcome = self.work(schedule, ready).await.unwrap_or_else(|error| told(schedule, &error));
        self.record(event, outcome, Some(clock.monotonic().saturating_sub(since))).await
    }

    /// Puts on record how it ended. Nothing of an error's words: they may quote a record.
    async fn record(&self, event: AuditEvent, outcome: Outcome, took: Option<Duration>) -> Outcome {
        let ended = match outcome {
            Outcome::Done | Outcome::Incomplete => Recorded::Done,
            Outcome::Refused => Recorded::Refused,
            _ => Recorded::Failed,
        };
        let event = AuditEvent { outcome: ended, took, ..event };
        let event = event.with_detail(format!("{ON_SCHEDULE}: {}", outcome.as_str()));
        match self.bench.inner().handles.audit.record(event).await {
            Ok(()) => outcome,
            Err(error) => {
                tracing::warn!("{error}");
                Outcome::Failed
            }
        }
    }

    /// Gets what the work takes: the leave that its orders give, the ways into the stores, and the way to the platform.
    async fn prepare(
        &self,
        schedule: &Schedule,
        sealed: &BTreeMap<String, Vec<u8>>,
    ) -> anyhow::Result<Ready> {
        let inner = self.bench.inner();
        let connection = inner.catalog.connection(&schedule.tenant, &schedule.connection).await;
        self.reaches(&connection.map_err(FlowError::from)?.url)?;
        let orders: Vec<Order> = serde_json::from_value(schedule.orders.clone())
            .context("the schedule's orders cannot be read: set it anew")?;
        let order = orders.iter().find(|order| !order.scope.is_of_store()).cloned();
        let order = order.ok_or_else(|| {
            FlowError::Refused("no order stands for it: `caretaker schedule resume` gives one".to_owned())
        })?;
        let grant = inner.vault.grant_on(order.id).await.map_err(FlowError::from)?;
        let mut stores = Vec::new();
        for (which, url) in inner.urls.iter().filter(|(_, url)| stores::is_bucket(url)) {
            let way = Way { platform: Some(inner.platform.clone()), ..Way::of_cell(&inner.region, *which) };
            let sealed = store_access::ordered(&inner.vault, (&way, url), &orders, sealed).await?;
            stores.push((*which, sealed));
        }
        Ok(Ready { grant, order, stores })
    }

    async fn work(&self, schedule: &Schedule, ready: Ready) -> anyhow::Result<Outcome> {
        Ok(match schedule.task {
            Task::Backup => match self.take(schedule, ready, BackUp { full: false }).await?.complete {
                true => Outcome::Done,
                false => Outcome::Incomplete,
            },
            Task::Verify => {
                match self.take(schedule, ready, Verify { all_bytes: false, expected: None }).await?.ok {
                    true => Outcome::Done,
                    false => Outcome::Damaged,
                }
            }
        })
    }

    async fn take<W: Work>(
        &self,
        schedule: &Schedule,
        Ready { grant, order, stores }: Ready,
        work: W,
    ) -> anyhow::Result<W::Answer> {
        let (tenant, connection) = (schedule.tenant.clone(), schedule.connection.clone());
        let (grants, orders) = (vec![grant], vec![order]);
        let job = Job { tenant, connection, grants, orders, stores, lent: None, work };
        let (teller, unheard) = unheard();
        let done = self.bench.clone().take(job, teller).await;
        drop(unheard);
        done.map_err(|refusal| match refusal {
            Refusal::Failed(failed) => FlowError::Told(failed).into(),
            Refusal::NotLent => anyhow::anyhow!("a file was asked for that nobody lends"),
        })
    }

    /// Whether this process's walls let it get to a store. It is no business of its own to have them moved.
    fn reaches(&self, url: &str) -> anyhow::Result<()> {
        let inner = self.bench.inner();
        match port_of(url).filter(|port| !inner.ports.contains(port)) {
            None => Ok(()),
            Some(port) => anyhow::bail!(
                "the worker was started before port {port} was asked for: end `caretaker up` and give it again; on a host of its \
                 own, with `--reaching {port}`"
            ),
        }
    }

    /// Notes how something ended, and when it is due again.
    async fn end(&self, (schedule, outcome): Done) {
        let at = self.bench.clock().now();
        let due_at = due_again(&schedule, outcome, at);
        let ended = Ended { holder: self.holder, outcome, at, due_at };
        let Schedule { tenant, connection, task, .. } = &schedule;
        while let Err(error) = self.catalog().end_due(tenant, connection, *task, ended).await {
            tracing::warn!("it cannot be noted how something ended that was due: {error}");
            self.bench.clock().sleep(AWAY).await;
        }
    }
}

/// What is on the record besides: it was ordered, and nobody was there.
const ON_SCHEDULE: &str = "on schedule";

/// What a piece of work takes.
struct Ready {
    grant: Grant,
    order: Order,
    stores: Vec<(WhichStore, SealedWay)>,
}

/// How something ended that failed, which is told here and nowhere else.
fn told(schedule: &Schedule, error: &anyhow::Error) -> Outcome {
    tracing::warn!("{} of `{}` on schedule: {error:#}", schedule.task.as_str(), schedule.connection);
    outcome_of(error)
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

/// When something is due again that has ended so.
fn due_again(schedule: &Schedule, outcome: Outcome, at: Timestamp) -> Timestamp {
    let next = schedule.next_after(at).unwrap_or(Timestamp::MAX);
    let first = match outcome {
        Outcome::Done | Outcome::Incomplete => return next,
        Outcome::Conflict => BUSY,
        _ => TRY_AGAIN,
    };
    let failures = u32::try_from(schedule.failures).unwrap_or(u32::MAX);
    let wait = first.saturating_mul(2_u32.saturating_pow(failures));
    at.checked_add(wait).map_or(next, |again| again.min(next))
}

fn outcome_of(error: &anyhow::Error) -> Outcome {
    match crate::output::kind(error) {
        ErrorKind::Failed | ErrorKind::Usage | ErrorKind::NotFound => Outcome::Failed,
        ErrorKind::Integrity => Outcome::Damaged,
        ErrorKind::Refused => Outcome::Refused,
        ErrorKind::Conflict => Outcome::Conflict,
        ErrorKind::Unavailable => Outcome::Unavailable,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// After how many seconds something is due again that failed so often before, and is due every hour.
    fn check(outcome: Outcome, failures: u64, expected: i64) {
        let schedule = serde_json::json!({
            "tenant": "t", "connection": "c", "platform": "shopify", "task": "backup", "every_s": 3_600, "offset_s": 0,
            "orders": [], "paused": false, "due_at": "2026-11-30T12:00:00Z", "taken_by": null,
            "started_at": null, "ended_at": null, "outcome": null, "failures": failures,
        });
        let schedule: Schedule = serde_json::from_value(schedule).unwrap();
        let at: Timestamp = "2026-11-30T12:10:00Z".parse().unwrap();
        let again = due_again(&schedule, outcome, at);
        assert_eq!(again.as_second() - at.as_second(), expected, "{outcome:?} {failures}");
    }

    #[test]
    fn what_failed_is_tried_again_later_each_time_and_never_later_than_it_is_due() {
        check(Outcome::Done, 0, 3_000);
        check(Outcome::Incomplete, 9, 3_000);
        check(Outcome::Unavailable, 0, 60);
        check(Outcome::Failed, 3, 480);
        check(Outcome::Refused, 6, 3_000);
        check(Outcome::Damaged, u64::MAX, 3_000);
        check(Outcome::Conflict, 0, 2);
        check(Outcome::Conflict, 4, 32);
        check(Outcome::Conflict, 40, 3_000);
    }
}
