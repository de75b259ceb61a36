//! Leases: who writes to a connection.
//!
//! A lease is advice with a number: what makes two writers harmless is the commit protocol, to which the
//! lease's generation is the argument. Generations only ever rise.

use std::time::Duration;

use domain::{ConnectionId, Id128, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::column::{count, parsed_optional, plain, stored};
use crate::connection::adding;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::Whose;

/// Longest time for which a lease is given.
pub const LEASE_TTL_MAX: Duration = Duration::from_secs(60 * 60);

/// A lease that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Whose connection.
    pub tenant: TenantId,
    /// Which connection.
    pub connection: ConnectionId,
    /// Who holds it: 128 random bits of the holder's own.
    pub holder: Id128,
    /// One more than any generation seen before.
    pub generation: u64,
    /// When it ends, for people who look: the next holder need not wait for that.
    pub expires_at: Timestamp,
}

/// Who asks for a lease, and for how long.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// 128 random bits of the holder's own.
    pub holder: Id128,
    /// The highest generation that the caller has seen in the object store; 0 where it has not looked.
    pub seen_generation: u64,
    /// The time.
    pub now: Timestamp,
    /// For how long; at most [`LEASE_TTL_MAX`].
    pub ttl: Duration,
}

const SEIZE: &str = "take a lease";

fn end(now: Timestamp, ttl: Duration) -> Result<(Timestamp, i64), CatalogError> {
    let end =
        now.checked_add(ttl.min(LEASE_TTL_MAX)).map_err(|_| CatalogError::OutOfRange("a lease's end"))?;
    Ok((end, end.as_millisecond()))
}

impl Catalog {
    pub(crate) async fn seize_lease(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        request: LeaseRequest,
    ) -> Result<Lease, CatalogError> {
        let LeaseRequest { holder, seen_generation, now, ttl } = request;
        let (expires_at, expires_at_ms) = end(now, ttl)?;
        let mut session = self.writing(Whose::Tenant(tenant), SEIZE).await?;
        let row = session
            .query(
                "INSERT INTO lease (tenant, connection, holder, generation, expires_at_ms) \
                 VALUES ($1, $2, $3, $4 + 1, $5) \
                 ON CONFLICT (tenant, connection) DO UPDATE SET holder = $3, expires_at_ms = $5, \
                 generation = CASE WHEN lease.generation > $4 THEN lease.generation + 1 ELSE $4 + 1 END \
                 RETURNING generation",
            )
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(holder.to_string())
            .bind(stored(seen_generation, "a generation")?)
            .bind(expires_at_ms)
            .fetch_one()
            .await
            .map_err(adding(SEIZE, "connection", connection))?;
        session.commit(SEIZE).await?;
        Ok(Lease {
            tenant: tenant.clone(),
            connection: connection.clone(),
            holder,
            generation: count(&row, "generation")?,
            expires_at,
        })
    }

    pub(crate) async fn lease(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Option<Lease>, CatalogError> {
        const READ: &str = "read a lease";
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let row = session
            .query(
                "SELECT holder, generation, expires_at_ms FROM lease WHERE tenant = $1 AND connection = $2",
            )
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .fetch_optional()
            .await
            .map_err(failed(READ))?;
        let Some(row) = row else { return Ok(None) };
        let Some(holder) = parsed_optional(&row, "holder")? else { return Ok(None) };
        Ok(Some(Lease {
            tenant: tenant.clone(),
            connection: connection.clone(),
            holder,
            generation: count(&row, "generation")?,
            expires_at: Timestamp::from_millisecond(plain(&row, "expires_at_ms")?)
                .map_err(|_| CatalogError::damaged("column `expires_at_ms`"))?,
        }))
    }

    /// Raised already is raised: whoever got no answer asks again.
    pub(crate) async fn raise_lease(
        &self,
        lease: &Lease,
        seen_generation: u64,
    ) -> Result<Lease, CatalogError> {
        let generation = lease.generation.max(seen_generation.saturating_add(1));
        const RAISE: &str = "raise a lease";
        let mut session = self.writing(Whose::Tenant(&lease.tenant), RAISE).await?;
        let raised = session
            .query(
                "UPDATE lease SET generation = $5 \
                 WHERE tenant = $1 AND connection = $2 AND holder = $3 AND generation IN ($4, $5)",
            )
            .bind(lease.tenant.as_str())
            .bind(lease.connection.as_str())
            .bind(lease.holder.to_string())
            .bind(stored(lease.generation, "a generation")?)
            .bind(stored(generation, "a generation")?)
            .execute()
            .await
            .map_err(failed(RAISE))?;
        session.commit(RAISE).await?;
        still_held(raised, lease)?;
        Ok(Lease { generation, ..lease.clone() })
    }

    pub(crate) async fn release_lease(&self, lease: &Lease) -> Result<(), CatalogError> {
        const RELEASE: &str = "release a lease";
        let mut session = self.writing(Whose::Tenant(&lease.tenant), RELEASE).await?;
        let released = session
            .query(
                "UPDATE lease SET holder = NULL \
                 WHERE tenant = $1 AND connection = $2 AND holder = $3 AND generation = $4",
            )
            .bind(lease.tenant.as_str())
            .bind(lease.connection.as_str())
            .bind(lease.holder.to_string())
            .bind(stored(lease.generation, "a generation")?)
            .execute()
            .await
            .map_err(failed(RELEASE))?;
        session.commit(RELEASE).await?;
        still_held(released, lease)
    }
}

fn still_held(rows: u64, lease: &Lease) -> Result<(), CatalogError> {
    if rows == 0 { Err(CatalogError::LeaseLost(lease.connection.to_string())) } else { Ok(()) }
}
