//! What is done again and again on connections: which of it is due, who has taken it, and how it ended.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConnectionId, Id128, Platform, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calls::PAGE_LEN_MAX;
use crate::column::{count, json, parsed, parsed_optional, plain, states, stored, to_json};
use crate::connection::adding;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::{Query, Row, Whose};
use crate::{store_credential, webhook};

states! {
    /// What can be done again and again.
    #[derive(PartialOrd, Ord, Hash)]
    Task {
        /// A snapshot is taken.
        Backup = "backup",
        /// What is stored is verified.
        Verify = "verify",
    }
}

states! {
    /// How it ended.
    Outcome {
        /// It was done.
        Done = "done",
        /// It was done, and something is missing.
        Incomplete = "incomplete",
        /// Something that is stored is damaged.
        Damaged = "damaged",
        /// Nobody may do it any more: its order has ended, or the policies say so.
        Refused = "refused",
        /// Somebody else was at it.
        Conflict = "conflict",
        /// The platform or a store could not be reached.
        Unavailable = "unavailable",
        /// It failed.
        Failed = "failed",
    }
}

impl Outcome {
    /// Whether what was to be done was done.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::Incomplete)
    }
}

/// Something that is done again and again on a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Whose connection.
    pub tenant: TenantId,
    /// Which one.
    pub connection: ConnectionId,
    /// Of which make.
    pub platform: Platform,
    /// What is done.
    pub task: Task,
    /// After how many seconds again.
    pub every_s: u64,
    /// It is due whenever so many seconds have passed of such a time, counted from 1970 on.
    pub offset_s: u64,
    /// The orders on which the vault gives leave for it.
    pub orders: serde_json::Value,
    /// It is not done for now.
    pub paused: bool,
    /// When it is due.
    pub due_at: Timestamp,
    /// When all of it is due: before that, what was told alone is.
    pub whole_at: Timestamp,
    /// Who is at it.
    pub taken_by: Option<Id128>,
    /// When somebody was at it last.
    pub started_at: Option<Timestamp>,
    /// When it ended last.
    pub ended_at: Option<Timestamp>,
    /// How.
    pub outcome: Option<Outcome>,
    /// How often it was not done since it was done.
    pub failures: u64,
}

/// Who takes what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taking {
    /// Who.
    pub holder: Id128,
    /// What time it is.
    pub now: Timestamp,
    /// How much at most.
    pub most: u32,
}

/// What was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// That which was due, in the order in which it is to be done.
    pub due: Vec<Due>,
    /// The sealed credentials of the cell's own stores, by their names, where something was due.
    pub stores: BTreeMap<String, Vec<u8>>,
}

/// Something that was due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Due {
    /// What.
    pub schedule: Schedule,
    /// The kinds of which something was told, where that is all that is due.
    pub told: Option<BTreeSet<String>>,
}

/// How something ended that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Who had taken it.
    pub holder: Id128,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// When all of it is due again.
    pub whole_at: Timestamp,
    /// What was told until then is followed, and done with.
    pub heard_until: Option<Timestamp>,
    /// When what else was told is followed.
    pub again_at: Timestamp,
}

impl Schedule {
    /// When it is due next after that time.
    ///
    /// # Errors
    /// [`CatalogError::OutOfRange`] at the end of time.
    pub fn next_after(&self, time: Timestamp) -> Result<Timestamp, CatalogError> {
        let out = || CatalogError::OutOfRange("a schedule's time");
        let every = i64::try_from(self.every_s.max(1)).map_err(|_| out())?;
        let offset = i64::try_from(self.offset_s).map_err(|_| out())?;
        let passed = time.as_second().checked_sub(offset).ok_or_else(out)?.div_euclid(every);
        let next = passed.checked_add(1).and_then(|next| next.checked_mul(every)?.checked_add(offset));
        Timestamp::from_second(next.ok_or_else(out)?).map_err(|_| out())
    }
}

macro_rules! columns {
    () => {
        "tenant, connection, task, platform, every_s, offset_s, orders, paused, due_at_ms, taken_by, \
         started_at_ms, ended_at_ms, outcome, failures, whole_at_ms"
    };
}

const PUT_SQL: &str = concat!(
    "INSERT INTO schedule (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, 0, 0, '', 0, $10) \
     ON CONFLICT (tenant, connection, task) DO UPDATE SET \
     due_at_ms = CASE WHEN schedule.every_s = excluded.every_s THEN schedule.due_at_ms ELSE excluded.due_at_ms END, \
     whole_at_ms = CASE WHEN schedule.every_s = excluded.every_s THEN schedule.whole_at_ms ELSE excluded.whole_at_ms END, \
     offset_s = CASE WHEN schedule.every_s = excluded.every_s THEN schedule.offset_s ELSE excluded.offset_s END, \
     every_s = excluded.every_s, orders = excluded.orders, paused = excluded.paused"
);
const OF_CONNECTION_SQL: &str =
    concat!("SELECT ", columns!(), " FROM schedule WHERE tenant = $1 AND connection = $2 ORDER BY task");
const LIST_SQL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM schedule WHERE tenant = $1 AND (connection > $2 OR (connection = $2 AND task > $3)) \
     ORDER BY connection, task LIMIT $4"
);
/// Of each tenant in turn: first those of whom the least is under way or was taken before them here, then who has waited longest.
const DUE_SQL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM (SELECT d.*, \
        row_number() OVER (PARTITION BY d.tenant ORDER BY d.due_at_ms, d.connection, d.task) AS place, \
        (SELECT count(*) FROM schedule u \
            WHERE u.platform = d.platform AND u.tenant = d.tenant AND u.taken_by IS NOT NULL) AS under_way, \
        (SELECT max(s.started_at_ms) FROM schedule s \
            WHERE s.platform = d.platform AND s.tenant = d.tenant) AS served_at_ms \
     FROM schedule d WHERE d.platform = $1 AND d.due_at_ms <= $2 AND d.paused = 0 AND d.taken_by IS NULL) AS due \
     ORDER BY place + under_way, served_at_ms, due_at_ms, tenant LIMIT $3"
);
const TAKE_SQL: &str = "UPDATE schedule SET taken_by = $4, started_at_ms = $5 \
     WHERE tenant = $1 AND connection = $2 AND task = $3 AND taken_by IS NULL AND paused = 0";
const END_SQL: &str = "UPDATE schedule SET taken_by = NULL, outcome = $5, ended_at_ms = $6, due_at_ms = $7, whole_at_ms = $8, \
     failures = CASE $9 WHEN 0 THEN 0 ELSE failures + 1 END \
     WHERE tenant = $1 AND connection = $2 AND task = $3 AND taken_by = $4";

pub(crate) fn milliseconds(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn time(row: &Row, column: &str) -> Result<Timestamp, CatalogError> {
    Timestamp::from_millisecond(plain(row, column)?)
        .map_err(|_| CatalogError::damaged(format!("column `{column}`")))
}

/// A time at which something happened; 0 where it never did.
pub(crate) fn time_since(row: &Row, column: &str) -> Result<Option<Timestamp>, CatalogError> {
    Ok(Some(time(row, column)?).filter(|time| *time != Timestamp::UNIX_EPOCH))
}

fn from_row(row: &Row) -> Result<Schedule, CatalogError> {
    let outcome = match plain::<&str>(row, "outcome")? {
        "" => None,
        _ => Some(parsed(row, "outcome")?),
    };
    Ok(Schedule {
        tenant: parsed(row, "tenant")?,
        connection: parsed(row, "connection")?,
        platform: parsed(row, "platform")?,
        task: parsed(row, "task")?,
        every_s: count(row, "every_s")?,
        offset_s: count(row, "offset_s")?,
        orders: json(row, "orders")?,
        paused: count(row, "paused")? != 0,
        due_at: time(row, "due_at_ms")?,
        whole_at: time(row, "whole_at_ms")?,
        taken_by: parsed_optional(row, "taken_by")?,
        started_at: time_since(row, "started_at_ms")?,
        ended_at: time_since(row, "ended_at_ms")?,
        outcome,
        failures: count(row, "failures")?,
    })
}

/// The values that name one schedule.
fn keyed<'s>(query: Query<'s>, tenant: &TenantId, connection: &ConnectionId, task: Task) -> Query<'s> {
    query.bind(tenant.as_str()).bind(connection.as_str()).bind(task.as_str())
}

const READ: &str = "read schedules";
const TAKE: &str = "take what is due";

impl Catalog {
    pub(crate) async fn put_schedule(&self, schedule: &Schedule) -> Result<(), CatalogError> {
        const PUT: &str = "keep a schedule";
        let Schedule { tenant, connection, task, .. } = schedule;
        let mut session = self.writing(Whose::Tenant(tenant), PUT).await?;
        keyed(session.query(PUT_SQL), tenant, connection, *task)
            .bind(schedule.platform.as_str())
            .bind(stored(schedule.every_s, "a schedule's time")?)
            .bind(stored(schedule.offset_s, "a schedule's time")?)
            .bind(to_json(&schedule.orders, "a schedule's orders")?)
            .bind(i64::from(schedule.paused))
            .bind(milliseconds(schedule.due_at))
            .bind(milliseconds(schedule.whole_at))
            .execute()
            .await
            .map_err(adding(PUT, "connection", connection))?;
        session.commit(PUT).await
    }

    pub(crate) async fn remove_schedule(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        task: Task,
    ) -> Result<Option<Schedule>, CatalogError> {
        const REMOVE: &str = "take a schedule away";
        const SQL: &str = concat!(
            "DELETE FROM schedule WHERE tenant = $1 AND connection = $2 AND task = $3 RETURNING ",
            columns!()
        );
        let mut session = self.writing(Whose::Tenant(tenant), REMOVE).await?;
        let removed = keyed(session.query(SQL), tenant, connection, task);
        let removed = removed.fetch_optional().await.map_err(failed(REMOVE))?;
        let removed = removed.as_ref().map(from_row).transpose()?;
        session.commit(REMOVE).await?;
        Ok(removed)
    }

    pub(crate) async fn pause_schedules(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<u64, CatalogError> {
        const PAUSE: &str = "pause schedules";
        let mut session = self.writing(Whose::Tenant(tenant), PAUSE).await?;
        let changed = session
            .query("UPDATE schedule SET paused = 1 WHERE tenant = $1 AND connection = $2")
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .execute()
            .await
            .map_err(failed(PAUSE))?;
        session.commit(PAUSE).await?;
        Ok(changed)
    }

    pub(crate) async fn schedules(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Vec<Schedule>, CatalogError> {
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let query = session.query(OF_CONNECTION_SQL).bind(tenant.as_str()).bind(connection.as_str());
        query.fetch_all().await.map_err(failed(READ))?.iter().map(from_row).collect()
    }

    /// The first of a tenant's schedules, by connection and task, after one.
    pub(crate) async fn schedules_after(
        &self,
        tenant: &TenantId,
        after: Option<(ConnectionId, Task)>,
    ) -> Result<Vec<Schedule>, CatalogError> {
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let (connection, task) =
            after.as_ref().map_or(("", ""), |(connection, task)| (connection.as_str(), task.as_str()));
        let query = session
            .query(LIST_SQL)
            .bind(tenant.as_str())
            .bind(connection)
            .bind(task)
            .bind(i64::from(PAGE_LEN_MAX));
        query.fetch_all().await.map_err(failed(READ))?.iter().map(from_row).collect()
    }

    pub(crate) async fn next_due(&self, platform: &Platform) -> Result<Option<Timestamp>, CatalogError> {
        const NEXT: &str = "see what is due next";
        const SQL: &str = "SELECT due_at_ms FROM schedule WHERE platform = $1 AND paused = 0 AND taken_by IS NULL \
             ORDER BY due_at_ms LIMIT 1";
        let mut session = self.reading(Whose::Cell, NEXT).await?;
        let row = session.query(SQL).bind(platform.as_str()).fetch_optional().await.map_err(failed(NEXT))?;
        row.as_ref().map(|row| time(row, "due_at_ms")).transpose()
    }

    /// Whoever got no answer asks again, and gets what is still free: the rest is given back when that process has gone.
    pub(crate) async fn take_due(
        &self,
        platform: &Platform,
        Taking { holder, now, most }: Taking,
    ) -> Result<Taken, CatalogError> {
        let (due, stores) = {
            let mut session = self.reading(Whose::Cell, TAKE).await?;
            let query = session
                .query(DUE_SQL)
                .bind(platform.as_str())
                .bind(milliseconds(now))
                .bind(i64::from(most.min(PAGE_LEN_MAX)));
            let due = query.fetch_all().await.map_err(failed(TAKE))?;
            let stores = match due.is_empty() {
                true => BTreeMap::new(),
                false => store_credential::of_worker(&mut session, platform).await?,
            };
            (due, stores)
        };
        let mut taken = Vec::new();
        for row in &due {
            let found = from_row(row)?;
            // For its tenant alone, and only if nobody was faster.
            let mut session = self.writing(Whose::Tenant(&found.tenant), TAKE).await?;
            let changed = keyed(session.query(TAKE_SQL), &found.tenant, &found.connection, found.task)
                .bind(holder.to_string())
                .bind(milliseconds(now))
                .execute()
                .await
                .map_err(failed(TAKE))?;
            if changed > 0 {
                let told = match found.whole_at <= now {
                    true => None,
                    false => Some(webhook::kinds_told(&mut session, &found.tenant, &found.connection).await?),
                };
                let schedule = Schedule { taken_by: Some(holder), started_at: Some(now), ..found };
                taken.push(Due { schedule, told });
            }
            session.commit(TAKE).await?;
        }
        Ok(Taken { due: taken, stores })
    }

    pub(crate) async fn give_back(&self, platform: &Platform, except: Id128) -> Result<u64, CatalogError> {
        const BACK: &str = "give back what was taken";
        const TAKEN_SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM schedule WHERE platform = $1 AND taken_by IS NOT NULL AND taken_by <> $2"
        );
        const BACK_SQL: &str = "UPDATE schedule SET taken_by = NULL \
             WHERE tenant = $1 AND connection = $2 AND task = $3 AND taken_by = $4";
        let taken = {
            let mut session = self.reading(Whose::Cell, BACK).await?;
            let query = session.query(TAKEN_SQL).bind(platform.as_str()).bind(except.to_string());
            query.fetch_all().await.map_err(failed(BACK))?
        };
        let mut back = 0;
        for row in &taken {
            let found = from_row(row)?;
            let mut session = self.writing(Whose::Tenant(&found.tenant), BACK).await?;
            back += keyed(session.query(BACK_SQL), &found.tenant, &found.connection, found.task)
                .bind(found.taken_by.map(|holder| holder.to_string()))
                .execute()
                .await
                .map_err(failed(BACK))?;
            session.commit(BACK).await?;
        }
        Ok(back)
    }

    pub(crate) async fn end_due(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        task: Task,
        ended: Ended,
    ) -> Result<(), CatalogError> {
        const END: &str = "note how something ended";
        let Ended { holder, outcome, at, whole_at, heard_until, again_at } = ended;
        let mut session = self.writing(Whose::Tenant(tenant), END).await?;
        let is_told = match task {
            Task::Backup => webhook::follow(&mut session, (tenant, connection), heard_until, at).await?,
            Task::Verify => false,
        };
        let due_at = if is_told { again_at.min(whole_at) } else { whole_at };
        keyed(session.query(END_SQL), tenant, connection, task)
            .bind(holder.to_string())
            .bind(outcome.as_str())
            .bind(milliseconds(at))
            .bind(milliseconds(due_at))
            .bind(milliseconds(whole_at))
            .bind(i64::from(!outcome.is_done()))
            .execute()
            .await
            .map_err(failed(END))?;
        session.commit(END).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn schedule(every_s: u64, offset_s: u64) -> Schedule {
        Schedule {
            tenant: "t".parse().unwrap(),
            connection: "shop".parse().unwrap(),
            platform: "shopify".parse().unwrap(),
            task: Task::Backup,
            every_s,
            offset_s,
            orders: serde_json::json!([]),
            paused: false,
            due_at: Timestamp::UNIX_EPOCH,
            whole_at: Timestamp::UNIX_EPOCH,
            taken_by: None,
            started_at: None,
            ended_at: None,
            outcome: None,
            failures: 0,
        }
    }

    #[test]
    fn what_was_missed_is_made_up_for_once_and_then_it_goes_on_as_before() {
        let next = |every, offset, at| {
            let at = Timestamp::from_second(at).unwrap();
            schedule(every, offset).next_after(at).unwrap().as_second()
        };
        assert_eq!(next(3_600, 0, 0), 3_600);
        assert_eq!(next(3_600, 0, 3_599), 3_600);
        assert_eq!(next(3_600, 0, 3_600), 7_200, "never at the same time once more");
        assert_eq!(next(3_600, 600, 0), 600);
        assert_eq!(next(3_600, 600, 600), 4_200);
        assert_eq!(next(3_600, 600, 1_000_000), 1_001_400);
        assert_eq!(next(3_600, 600, -10), 600, "before 1970 too");
        assert_eq!(next(0, 0, 5), 6, "a time of nothing is not met at once again and again");
        assert!(schedule(u64::MAX, 0).next_after(Timestamp::UNIX_EPOCH).is_err());
        assert!(schedule(3_600, 0).next_after(Timestamp::MAX).is_err());
    }
}
