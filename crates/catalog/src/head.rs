//! Heads: the newest commit of each connection.

use std::fmt;

use domain::{ConnectionId, SnapshotNumber, TenantId};

use crate::column::{count, plain, stored};
use crate::connection::adding;
use crate::database::{Catalog, Row, failed};
use crate::error::CatalogError;
use crate::lease::Lease;

/// A commit, as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
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

const HEAD_SQL: &str =
    "SELECT number, generation, commit_name FROM head WHERE tenant = $1 AND connection = $2";

fn from_row(row: &Row) -> Result<Head, CatalogError> {
    Ok(Head {
        number: SnapshotNumber(count(row, "number")?),
        generation: count(row, "generation")?,
        commit: plain(row, "commit_name")?,
    })
}

impl Catalog {
    /// A connection's head; none before its first snapshot.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn head(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Option<Head>, CatalogError> {
        let row = sqlx::query(HEAD_SQL)
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a head"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// Puts a new head in the place of the expected one. Of several that expect the same, exactly one succeeds.
    ///
    /// # Errors
    /// [`CatalogError::HeadMoved`] when the head is another than expected, [`CatalogError::HeadGoesBack`] when the
    /// new one does not come after it, by number and then generation, and [`CatalogError::NotFound`] when the
    /// tenant has no such connection.
    pub async fn advance_head(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        expected: Option<&Head>,
        new: &Head,
    ) -> Result<(), CatalogError> {
        self.swap_head(tenant, connection, None, expected, new).await
    }

    /// As [`Catalog::advance_head`], in one step with the question whether the lease is still the newest.
    ///
    /// # Errors
    /// As [`Catalog::advance_head`]; [`CatalogError::HeadMoved`] also where another lease has been given since.
    pub async fn advance_head_under(
        &self,
        lease: &Lease,
        expected: Option<&Head>,
        new: &Head,
    ) -> Result<(), CatalogError> {
        self.swap_head(&lease.tenant, &lease.connection, Some(lease), expected, new).await
    }

    async fn swap_head(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        lease: Option<&Lease>,
        expected: Option<&Head>,
        new: &Head,
    ) -> Result<(), CatalogError> {
        const ADVANCE: &str = "advance a head";
        if let Some(old) = expected
            && (new.number, new.generation) <= (old.number, old.generation)
        {
            return Err(CatalogError::HeadGoesBack {
                connection: connection.to_string(),
                from: old.to_string(),
                to: new.to_string(),
            });
        }
        // $6 and $7 are the lease's, where there is one: an absent one matches by being NULL.
        let sql = match expected {
            None => {
                "INSERT INTO head (tenant, connection, number, generation, commit_name) \
                 SELECT $1, $2, $3, $4, $5 WHERE $6 IS NULL OR EXISTS (SELECT 1 FROM lease \
                 WHERE tenant = $1 AND connection = $2 AND holder = $6 AND generation = $7) \
                 ON CONFLICT (tenant, connection) DO NOTHING"
            }
            Some(_) => {
                "UPDATE head SET number = $3, generation = $4, commit_name = $5 \
                 WHERE tenant = $1 AND connection = $2 \
                 AND ($6 IS NULL OR EXISTS (SELECT 1 FROM lease \
                 WHERE tenant = $1 AND connection = $2 AND holder = $6 AND generation = $7)) \
                 AND number = $8 AND generation = $9 AND commit_name = $10"
            }
        };
        let mut query = sqlx::query(sql)
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(stored(new.number.0, "a snapshot's number")?)
            .bind(stored(new.generation, "a generation")?)
            .bind(&new.commit)
            .bind(lease.map(|lease| lease.holder.to_string()))
            .bind(lease.map(|lease| stored(lease.generation, "a generation")).transpose()?);
        if let Some(old) = expected {
            query = query
                .bind(stored(old.number.0, "a snapshot's number")?)
                .bind(stored(old.generation, "a generation")?)
                .bind(&old.commit);
        }
        let swapped = query.execute(&self.pool).await.map_err(adding(ADVANCE, "connection", connection))?;
        if swapped.rows_affected() == 1 {
            return Ok(());
        }
        Err(CatalogError::HeadMoved {
            connection: connection.to_string(),
            expected: shown(expected),
            found: shown(self.head(tenant, connection).await?.as_ref()),
        })
    }
}
