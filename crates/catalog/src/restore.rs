//! Restores, and the steps that each has intended and done.

use std::collections::BTreeMap;

use domain::{ConnectionId, Id128, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calls::PAGE_LEN_MAX;
use crate::column::{parsed, parsed_optional, plain, states};
use crate::connection::adding;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::ledger::{self, LedgerEntry};
use crate::session::{Row, Session, Whose};

states! {
    /// How far a restore is.
    RestoreState {
        /// Its steps are being done, or were when it crashed.
        Applying = "applying",
        /// Everything that was planned is done.
        Done = "done",
        /// Finished, but not whole: the report says what is missing and why.
        Incomplete = "incomplete",
        /// Another restore has put back what it overwrote.
        Undone = "undone",
    }
}

states! {
    /// What is known of one step of a restore.
    StepState {
        /// About to be done. Found after a crash: nobody knows whether it was.
        Intent = "intent",
        /// Done.
        Done = "done",
        /// It cannot be known whether it was done.
        Unknown = "unknown",
        /// The platform refused it.
        Refused = "refused",
    }
}

/// One restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Its id.
    pub id: Id128,
    /// From which connection's snapshots.
    pub connection: ConnectionId,
    /// Into which connection.
    pub target: ConnectionId,
    /// The digest of the plan that it applies.
    pub plan_digest: String,
    /// The restore that it undoes, if it does.
    pub undo_of: Option<Id128>,
    /// How far it is.
    pub state: RestoreState,
    /// When it began.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub changed_at: Timestamp,
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The step's key: which item, which write.
    pub step: String,
    /// How it ended.
    pub state: StepState,
    /// The new id that came of it, if one did.
    pub ledger: Option<LedgerEntry>,
}

const ADD: &str = "add a restore";
const READ: &str = "read a restore";
const LIST: &str = "list restores";
const MOVE: &str = "move a restore";
const STEPS: &str = "note a restore's steps";
const READ_STEPS: &str = "read a restore's steps";

const ONE_SQL: &str = "SELECT restore, connection, target, plan_digest, undo_of, state, created_at, changed_at \
     FROM restore WHERE tenant = $1 AND restore = $2";
const LIST_SQL: &str = "SELECT restore, connection, target, plan_digest, undo_of, state, created_at, changed_at \
     FROM restore WHERE tenant = $1 AND connection = $2 ORDER BY created_at, restore";

fn from_row(row: &Row) -> Result<Restore, CatalogError> {
    Ok(Restore {
        id: parsed(row, "restore")?,
        connection: parsed(row, "connection")?,
        target: parsed(row, "target")?,
        plan_digest: plain(row, "plan_digest")?,
        undo_of: parsed_optional(row, "undo_of")?,
        state: parsed(row, "state")?,
        created_at: parsed(row, "created_at")?,
        changed_at: parsed(row, "changed_at")?,
    })
}

impl Catalog {
    pub(crate) async fn add_restore(&self, tenant: &TenantId, restore: &Restore) -> Result<(), CatalogError> {
        let mut session = self.writing(Whose::Tenant(tenant), ADD).await?;
        let added = session
            .query(
                "INSERT INTO restore \
                 (tenant, restore, connection, target, plan_digest, undo_of, state, created_at, changed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant, restore) DO NOTHING",
            )
            .bind(tenant.as_str())
            .bind(restore.id.to_string())
            .bind(restore.connection.as_str())
            .bind(restore.target.as_str())
            .bind(&restore.plan_digest)
            .bind(restore.undo_of.map(|id| id.to_string()))
            .bind(restore.state.as_str())
            .bind(restore.created_at.to_string())
            .bind(restore.changed_at.to_string())
            .execute()
            .await
            .map_err(adding(ADD, "connection", &restore.connection))?;
        session.commit(ADD).await?;
        match added {
            0 => Err(CatalogError::Exists { what: "restore", name: restore.id.to_string() }),
            _ => Ok(()),
        }
    }

    pub(crate) async fn restore(&self, tenant: &TenantId, id: Id128) -> Result<Restore, CatalogError> {
        read(&mut self.reading(Whose::Tenant(tenant), READ).await?, tenant, id).await
    }

    pub(crate) async fn restores(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Vec<Restore>, CatalogError> {
        let mut session = self.reading(Whose::Tenant(tenant), LIST).await?;
        let rows = session
            .query(LIST_SQL)
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .fetch_all()
            .await
            .map_err(failed(LIST))?;
        rows.iter().map(from_row).collect()
    }

    pub(crate) async fn move_restore(
        &self,
        tenant: &TenantId,
        id: Id128,
        (from, to): (RestoreState, RestoreState),
        at: Timestamp,
    ) -> Result<(), CatalogError> {
        let mut session = self.writing(Whose::Tenant(tenant), MOVE).await?;
        let moved = session
            .query(
                "UPDATE restore SET state = $4, changed_at = $5 \
                 WHERE tenant = $1 AND restore = $2 AND state = $3",
            )
            .bind(tenant.as_str())
            .bind(id.to_string())
            .bind(from.as_str())
            .bind(to.as_str())
            .bind(at.to_string())
            .execute()
            .await
            .map_err(failed(MOVE))?;
        if moved == 1 {
            return session.commit(MOVE).await;
        }
        let found = read(&mut session, tenant, id).await?.state;
        Err(CatalogError::RestoreMoved {
            restore: id.to_string(),
            expected: from.as_str(),
            found: found.as_str(),
        })
    }

    pub(crate) async fn intend(
        &self,
        tenant: &TenantId,
        id: Id128,
        steps: &[String],
        at: Timestamp,
    ) -> Result<(), CatalogError> {
        let mut session = self.writing(Whose::Tenant(tenant), STEPS).await?;
        for step in steps {
            session
                .query(
                    "INSERT INTO restore_step (tenant, restore, step, state, changed_at) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, restore, step) DO NOTHING",
                )
                .bind(tenant.as_str())
                .bind(id.to_string())
                .bind(step)
                .bind(StepState::Intent.as_str())
                .bind(at.to_string())
                .execute()
                .await
                .map_err(adding(STEPS, "restore", id))?;
        }
        session.commit(STEPS).await
    }

    pub(crate) async fn finish_steps(
        &self,
        tenant: &TenantId,
        id: Id128,
        results: &[StepResult],
        at: Timestamp,
    ) -> Result<(), CatalogError> {
        let mut session = self.writing(Whose::Tenant(tenant), STEPS).await?;
        for StepResult { step, state, ledger } in results {
            let noted = session
                .query(
                    "UPDATE restore_step SET state = $4, changed_at = $5 \
                     WHERE tenant = $1 AND restore = $2 AND step = $3",
                )
                .bind(tenant.as_str())
                .bind(id.to_string())
                .bind(step)
                .bind(state.as_str())
                .bind(at.to_string())
                .execute()
                .await
                .map_err(failed(STEPS))?;
            if noted == 0 {
                return Err(CatalogError::not_found("restore step", &format!("{id}/{step}")));
            }
            if let Some(entry) = ledger {
                ledger::record(&mut session, tenant, entry).await?;
            }
        }
        session.commit(STEPS).await
    }

    /// What is known of the first of a restore's steps, by their keys, after one.
    pub(crate) async fn steps_after(
        &self,
        tenant: &TenantId,
        id: Id128,
        after: Option<String>,
    ) -> Result<BTreeMap<String, StepState>, CatalogError> {
        let mut session = self.reading(Whose::Tenant(tenant), READ_STEPS).await?;
        let rows = session
            .query(
                "SELECT step, state FROM restore_step WHERE tenant = $1 AND restore = $2 AND step > $3 \
                 ORDER BY step LIMIT $4",
            )
            .bind(tenant.as_str())
            .bind(id.to_string())
            .bind(after.unwrap_or_default())
            .bind(i64::from(PAGE_LEN_MAX))
            .fetch_all()
            .await
            .map_err(failed(READ_STEPS))?;
        rows.iter().map(|row| Ok((plain(row, "step")?, parsed(row, "state")?))).collect()
    }
}

async fn read(session: &mut Session, tenant: &TenantId, id: Id128) -> Result<Restore, CatalogError> {
    let row = session
        .query(ONE_SQL)
        .bind(tenant.as_str())
        .bind(id.to_string())
        .fetch_optional()
        .await
        .map_err(failed(READ))?
        .ok_or_else(|| CatalogError::not_found("restore", &id))?;
    from_row(&row)
}
