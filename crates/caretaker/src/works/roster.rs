//! What a worker does by itself: whatever is due on its platform, on the orders that stand for it. It is asked for by nobody, and
//! told to nobody; how it ended stands in the catalog and on the record.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use catalog::{Due, Ended, Outcome, Schedule, Taking, Task};
use domain::{
    AuditEvent, Grant, Id128, Ids as _, Kind, Operation, Outcome as Recorded, Principal, Timestamp,
};
use flows::store_access::{self, SealedWay, Way, WhichStore};
use flows::{ErrorKind, FlowError};
use tokio::task::JoinSet;
use transport::call::unheard;
use vault::Order;

use super::desk::Bench;
use super::hearing::{APART_MS, SETTLE};
use super::{BackUp, HaveToldStill, Job, Refusal, Verify, Work, port_of};
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

/// What was told so shortly before a reading began may not have been in what was read yet: platforms find what changed by an index
/// that lags behind. It is followed once more.
const LAG: Duration = Duration::from_secs(15);

/// What is due on a worker's platform.
pub(crate) struct Roster {
    bench: Bench,
    holder: Id128,
}

/// What ended: all of it, or what was told alone; and how.
struct Done {
    schedule: Schedule,
    is_whole: bool,
    outcome: Outcome,
}

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
            for Due { schedule, told } in taken.due {
                let (own, stores) = (Arc::clone(self), Arc::clone(&stores));
                // What is left of a run that failed is of all kinds, and would be lost to one of a few.
                let told = told.filter(|_| schedule.failures == 0);
                under_way.spawn(async move {
                    let outcome = own.run(&schedule, told.as_ref(), &stores).await;
                    Done { schedule, is_whole: told.is_none(), outcome }
                });
            }
        }
    }

    /// Does it, and puts on record that it began and how it ended.
    async fn run(
        &self,
        schedule: &Schedule,
        told: Option<&BTreeSet<String>>,
        stores: &BTreeMap<String, Vec<u8>>,
    ) -> Outcome {
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
                let outcome = logged(schedule, &error);
                return self.record(event, outcome, (why(told), None)).await;
            }
        };
        let grant = Some(ready.grant.id);
        let event =
            AuditEvent { principal: ready.grant.principal.clone(), grant, ..event }.with_detail(why(told));
        let clock = self.bench.clock();
        let since = clock.monotonic();
        if let Err(error) = self.bench.inner().handles.audit.record(event.clone()).await {
            tracing::warn!("{error}");
            return Outcome::Failed;
        }
        let worked = self.work(schedule, told, ready).await;
        let outcome = worked.unwrap_or_else(|error| logged(schedule, &error));
        let took = clock.monotonic().saturating_sub(since);
        self.record(event, outcome, (why(told), Some(took))).await
    }

    /// Puts on record how it ended. Nothing of an error's words: they may quote a record.
    async fn record(
        &self,
        event: AuditEvent,
        outcome: Outcome,
        (why, took): (&str, Option<Duration>),
    ) -> Outcome {
        let ended = match outcome {
            Outcome::Done | Outcome::Incomplete => Recorded::Done,
            Outcome::Refused => Recorded::Refused,
            _ => Recorded::Failed,
        };
        let event = AuditEvent { outcome: ended, took, ..event };
        let event = event.with_detail(format!("{why}: {}", outcome.as_str()));
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

    async fn work(
        &self,
        schedule: &Schedule,
        told: Option<&BTreeSet<String>>,
        ready: Ready,
    ) -> anyhow::Result<Outcome> {
        Ok(match schedule.task {
            Task::Backup => {
                let of: Option<BTreeSet<Kind>> =
                    told.map(|kinds| kinds.iter().filter_map(|kind| Kind::new(kind).ok()).collect());
                let asks = of.is_none();
                let report = self.take(schedule, ready.clone(), BackUp { full: false, of }).await?;
                if asks && let Err(error) = self.take(schedule, ready, HaveToldStill {}).await {
                    // What is not told is found all the same, later.
                    tracing::warn!(
                        "`{}` could not be asked to tell of changes: {error:#}",
                        schedule.connection
                    );
                }
                if report.complete { Outcome::Done } else { Outcome::Incomplete }
            }
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
    async fn end(&self, done: Done) {
        let ended = ended(&done, self.holder, self.bench.clock().now());
        let schedule = done.schedule;
        let Schedule { tenant, connection, task, .. } = &schedule;
        while let Err(error) = self.catalog().end_due(tenant, connection, *task, ended).await {
            tracing::warn!("it cannot be noted how something ended that was due: {error}");
            self.bench.clock().sleep(AWAY).await;
        }
    }
}

/// What is on the record besides: it was ordered, and nobody was there.
fn why(told: Option<&BTreeSet<String>>) -> &'static str {
    if told.is_some() { "as it was told" } else { "on schedule" }
}

/// What a piece of work takes.
#[derive(Clone)]
struct Ready {
    grant: Grant,
    order: Order,
    stores: Vec<(WhichStore, SealedWay)>,
}

/// How something ended that failed, which is told here and nowhere else.
fn logged(schedule: &Schedule, error: &anyhow::Error) -> Outcome {
    tracing::warn!("{} of `{}` on schedule: {error:#}", schedule.task.as_str(), schedule.connection);
    outcome_of(error)
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

/// What is noted of something that has ended.
fn ended(Done { schedule, is_whole, outcome }: &Done, holder: Id128, at: Timestamp) -> Ended {
    let next = schedule.next_after(at).unwrap_or(Timestamp::MAX);
    let later = |time: Timestamp, by| time.checked_add(by).unwrap_or(Timestamp::MAX);
    let again = again_after(*outcome, schedule.failures).map(|wait| later(at, wait).min(next));
    let started = schedule.started_at.unwrap_or(at);
    let (whole_at, heard_until, again_at) = match again {
        None => {
            let until = started.checked_sub(LAG).ok();
            let soon = later(at, SETTLE).max(later(started, Duration::from_millis(APART_MS)));
            (if *is_whole { next } else { schedule.whole_at }, until, soon)
        }
        Some(again) => (if *is_whole { again } else { schedule.whole_at }, None, again),
    };
    Ended { holder, outcome: *outcome, at, whole_at, heard_until, again_at }
}

/// After how long something is tried again that has ended so, and was not done so often before. `None` where it was done.
fn again_after(outcome: Outcome, failures: u64) -> Option<Duration> {
    let first = match outcome {
        Outcome::Done | Outcome::Incomplete => return None,
        Outcome::Conflict => BUSY,
        _ => TRY_AGAIN,
    };
    let failures = u32::try_from(failures).unwrap_or(u32::MAX);
    Some(first.saturating_mul(2_u32.saturating_pow(failures)))
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

    /// One that is due every hour, all of it next at 13:00, and was begun at 12:09:30.
    fn done(outcome: Outcome, failures: u64, is_whole: bool) -> Ended {
        let schedule = serde_json::json!({
            "tenant": "t", "connection": "c", "platform": "shopify", "task": "backup", "every_s": 3_600, "offset_s": 0,
            "orders": [], "paused": false, "due_at": "2026-11-30T12:09:00Z", "whole_at": "2026-11-30T13:00:00Z",
            "taken_by": null, "started_at": "2026-11-30T12:09:30Z", "ended_at": null, "outcome": null,
            "failures": failures,
        });
        let schedule: Schedule = serde_json::from_value(schedule).unwrap();
        ended(&Done { schedule, is_whole, outcome }, Id128([1; 16]), time("12:10:00"))
    }

    fn time(of_day: &str) -> Timestamp {
        format!("2026-11-30T{of_day}Z").parse().unwrap()
    }

    /// After how many seconds it is due again that failed so often before.
    fn check(outcome: Outcome, failures: u64, expected: i64) {
        let again = done(outcome, failures, true).whole_at;
        assert_eq!(again.as_second() - time("12:10:00").as_second(), expected, "{outcome:?} {failures}");
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

    #[test]
    fn what_was_told_is_done_with_once_it_must_have_been_seen() {
        for is_whole in [false, true] {
            let Ended { whole_at, heard_until, again_at, .. } = done(Outcome::Done, 0, is_whole);
            assert_eq!((whole_at, heard_until), (time("13:00:00"), Some(time("12:09:15"))));
            // What was told since is followed soon, and not at once.
            assert_eq!(again_at, time("12:10:02"));
        }
        let failed = done(Outcome::Unavailable, 0, false);
        assert_eq!((failed.whole_at, failed.heard_until), (time("13:00:00"), None), "nothing is done with");
        assert_eq!(failed.again_at, time("12:11:00"));
        assert_eq!(done(Outcome::Unavailable, 0, true).whole_at, time("12:11:00"));
    }
}
