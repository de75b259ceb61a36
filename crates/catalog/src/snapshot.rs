//! Snapshots, as the commits in the object store describe them. A cache: it can be dropped and built again.

use std::collections::BTreeMap;

use domain::{ConnectionId, Kind, SnapshotNumber, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::column::{count, json, parsed, plain, stored, to_json};
use crate::connection::adding;
use crate::database::{Catalog, Row, failed};
use crate::error::CatalogError;
use crate::head::Head;

/// One snapshot of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its commit.
    pub head: Head,
    /// When its run began.
    pub taken_at: Timestamp,
    /// Whether it holds everything that was asked for.
    pub complete: bool,
    /// How many records, per kind.
    pub counts: BTreeMap<Kind, KindCount>,
}

/// How many records of one kind a snapshot holds, and what differs from the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCount {
    /// Records that are there.
    pub records: u64,
    /// Records that were not there before.
    #[serde(default)]
    pub added: u64,
    /// Records with another content than before.
    #[serde(default)]
    pub changed: u64,
    /// Records that are no longer there.
    #[serde(default)]
    pub removed: u64,
}

fn from_row(row: &Row) -> Result<Snapshot, CatalogError> {
    Ok(Snapshot {
        head: Head {
            number: SnapshotNumber(count(row, "number")?),
            generation: count(row, "generation")?,
            commit: plain(row, "commit_name")?,
        },
        taken_at: parsed(row, "taken_at")?,
        complete: plain(row, "complete")?,
        counts: json(row, "counts")?,
    })
}

impl Catalog {
    /// Notes a snapshot, in place of one of the same number.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub async fn put_snapshot(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        snapshot: &Snapshot,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO snapshot \
             (tenant, connection, number, generation, commit_name, taken_at, complete, counts) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (tenant, connection, number) DO UPDATE SET \
             generation = excluded.generation, commit_name = excluded.commit_name, \
             taken_at = excluded.taken_at, complete = excluded.complete, counts = excluded.counts",
        )
        .bind(tenant.as_str())
        .bind(connection.as_str())
        .bind(stored(snapshot.head.number.0, "a snapshot's number")?)
        .bind(stored(snapshot.head.generation, "a generation")?)
        .bind(&snapshot.head.commit)
        .bind(snapshot.taken_at.to_string())
        .bind(snapshot.complete)
        .bind(to_json(&snapshot.counts, "counts")?)
        .execute(&self.pool)
        .await
        .map_err(adding("note a snapshot", "connection", connection))?;
        Ok(())
    }

    /// A connection's snapshots, oldest first.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn snapshots(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Vec<Snapshot>, CatalogError> {
        let rows = sqlx::query(
            "SELECT number, generation, commit_name, taken_at, complete, counts FROM snapshot \
             WHERE tenant = $1 AND connection = $2 ORDER BY number",
        )
        .bind(tenant.as_str())
        .bind(connection.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list snapshots"))?;
        rows.iter().map(from_row).collect()
    }

    /// Forgets snapshots that were pruned. Numbers that are not known are forgotten already.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn remove_snapshots(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        numbers: &[SnapshotNumber],
    ) -> Result<(), CatalogError> {
        const REMOVE: &str = "forget snapshots";
        let mut transaction = self.begin(REMOVE).await?;
        for number in numbers {
            sqlx::query("DELETE FROM snapshot WHERE tenant = $1 AND connection = $2 AND number = $3")
                .bind(tenant.as_str())
                .bind(connection.as_str())
                .bind(stored(number.0, "a snapshot's number")?)
                .execute(&mut *transaction)
                .await
                .map_err(failed(REMOVE))?;
        }
        transaction.commit().await.map_err(failed(REMOVE))
    }
}
