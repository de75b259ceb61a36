//! Heads: the newest commit of each connection.

use std::fmt;

use domain::{ConnectionId, SnapshotNumber, TenantId};
use serde::{Deserialize, Serialize};

use crate::column::{count, plain, stored};
use crate::connection::adding;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::lease::Lease;
use crate::session::{Row, Session, Whose};

/// A commit, as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The snapshot's number.
    pub number: SnapshotNumber,
    /// The generation of the lease under which it was made. Orders commits of one number.
    pub generation: u64,
    /// The commit object's name.
    pub commit: String,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (snapshot {}, generation {})", self.commit, self.number, self.generation)
    }
}

fn shown(head: Option<&Head>) -> String {
    head.map_or_else(|| "none".to_owned(), ToString::to_string)
}

const READ: &str = "read a head";
const ADVANCE: &str = "advance a head";

const HEAD_SQL: &str =
    "SELECT number, generation, commit_name FROM head WHERE tenant = $1 AND connection = $2";
/// Changes nothing, if the lease is the newest, and keeps it the newest until the transaction ends: whoever takes it
/// over meanwhile waits, and finds the head where this transaction has put it.
const HOLD_LEASE_SQL: &str = "UPDATE lease SET holder = holder \
     WHERE tenant = $1 AND connection = $2 AND holder = $3 AND generation = $4";
const FIRST_SQL: &str = "INSERT INTO head (tenant, connection, number, generation, commit_name) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, connection) DO NOTHING";
const NEXT_SQL: &str = "UPDATE head SET number = $3, generation = $4, commit_name = $5 \
     WHERE tenant = $1 AND connection = $2 AND number = $6 AND generation = $7 AND commit_name = $8";

fn from_row(row: &Row) -> Result<Head, CatalogError> {
    Ok(Head {
        number: SnapshotNumber(count(row, "number")?),
        generation: count(row, "generation")?,
        commit: plain(row, "commit_name")?,
    })
}

impl Catalog {
    pub(crate) async fn head(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Option<Head>, CatalogError> {
        read(&mut self.reading(Whose::Tenant(tenant), READ).await?, tenant, connection).await
    }

    /// Puts a new head in the place of the expected one, under that lease where one is given.
    pub(crate) async fn swap_head(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        lease: Option<Lease>,
        expected: Option<Head>,
        new: Head,
    ) -> Result<(), CatalogError> {
        if let Some(old) = &expected
            && (new.number, new.generation) <= (old.number, old.generation)
        {
            return Err(CatalogError::HeadGoesBack {
                connection: connection.to_string(),
                from: old.to_string(),
                to: new.to_string(),
            });
        }
        let mut session = self.writing(Whose::Tenant(tenant), ADVANCE).await?;
        // What is asked for one connection moves no other's head.
        let held = match &lease {
            None => true,
            Some(lease) if (&lease.tenant, &lease.connection) != (tenant, connection) => false,
            Some(lease) => hold(&mut session, lease).await?,
        };
        if held && swap(&mut session, (tenant, connection), expected.as_ref(), &new).await? {
            return session.commit(ADVANCE).await;
        }
        let found = read(&mut session, tenant, connection).await?;
        Err(CatalogError::HeadMoved {
            connection: connection.to_string(),
            expected: shown(expected.as_ref()),
            found: shown(found.as_ref()),
        })
    }
}

async fn read(
    session: &mut Session,
    tenant: &TenantId,
    connection: &ConnectionId,
) -> Result<Option<Head>, CatalogError> {
    let row = session
        .query(HEAD_SQL)
        .bind(tenant.as_str())
        .bind(connection.as_str())
        .fetch_optional()
        .await
        .map_err(failed(READ))?;
    row.as_ref().map(from_row).transpose()
}

/// Whether the lease is the newest; then it stays so until the transaction ends.
async fn hold(session: &mut Session, lease: &Lease) -> Result<bool, CatalogError> {
    let held = session
        .query(HOLD_LEASE_SQL)
        .bind(lease.tenant.as_str())
        .bind(lease.connection.as_str())
        .bind(lease.holder.to_string())
        .bind(stored(lease.generation, "a generation")?)
        .execute()
        .await
        .map_err(failed(ADVANCE))?;
    Ok(held == 1)
}

/// Whether the head was the expected one; then it is the new one.
async fn swap(
    session: &mut Session,
    (tenant, connection): (&TenantId, &ConnectionId),
    expected: Option<&Head>,
    new: &Head,
) -> Result<bool, CatalogError> {
    let mut query = session
        .query(if expected.is_some() { NEXT_SQL } else { FIRST_SQL })
        .bind(tenant.as_str())
        .bind(connection.as_str())
        .bind(stored(new.number.0, "a snapshot's number")?)
        .bind(stored(new.generation, "a generation")?)
        .bind(&new.commit);
    if let Some(old) = expected {
        query = query
            .bind(stored(old.number.0, "a snapshot's number")?)
            .bind(stored(old.generation, "a generation")?)
            .bind(&old.commit);
    }
    Ok(query.execute().await.map_err(adding(ADVANCE, "connection", connection))? == 1)
}
