//! The id ledger: which item came back under which id. It is kept for ever.

use std::collections::HashMap;

use domain::{ConnectionId, Id128, RecordKey, TenantId, Timestamp};

use crate::column::{parsed, plain};
use crate::connection::adding;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::{Row, Session, Whose};

/// An item that was created anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// From which connection's snapshots.
    pub connection: ConnectionId,
    /// Into which connection.
    pub target: ConnectionId,
    /// Its kind and the id that it has in the snapshots.
    pub old: RecordKey,
    /// The id that it has in the target.
    pub new_id: Box<str>,
    /// By which restore.
    pub restore: Id128,
    /// When.
    pub recorded_at: Timestamp,
}

const RECORD: &str = "write the id ledger";
const READ: &str = "read the id ledger";

fn from_row(row: &Row) -> Result<LedgerEntry, CatalogError> {
    Ok(LedgerEntry {
        connection: parsed(row, "connection")?,
        target: parsed(row, "target")?,
        old: RecordKey::new(parsed(row, "kind")?, plain(row, "old_id")?)
            .map_err(|_| CatalogError::damaged("column `old_id`"))?,
        new_id: plain::<String>(row, "new_id")?.into(),
        restore: parsed(row, "restore")?,
        recorded_at: parsed(row, "recorded_at")?,
    })
}

/// Writes one entry; written twice by one restore, the later one stands.
pub(crate) async fn record(
    session: &mut Session,
    tenant: &TenantId,
    entry: &LedgerEntry,
) -> Result<(), CatalogError> {
    session
        .query(
            "INSERT INTO id_ledger (tenant, connection, target, kind, old_id, new_id, restore, recorded_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (tenant, connection, target, kind, old_id, restore) \
             DO UPDATE SET new_id = excluded.new_id, recorded_at = excluded.recorded_at",
        )
        .bind(tenant.as_str())
        .bind(entry.connection.as_str())
        .bind(entry.target.as_str())
        .bind(entry.old.kind.as_str())
        .bind(&*entry.old.id)
        .bind(&*entry.new_id)
        .bind(entry.restore.to_string())
        .bind(entry.recorded_at.to_string())
        .execute()
        .await
        .map_err(adding(RECORD, "connection", &entry.connection))?;
    Ok(())
}

impl Catalog {
    /// Writes entries: all of them, or none. For a ledger that is read back from the object store.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub async fn record_ids(&self, tenant: &TenantId, entries: &[LedgerEntry]) -> Result<(), CatalogError> {
        let mut session = self.writing(Whose::Tenant(tenant), RECORD).await?;
        for entry in entries {
            record(&mut session, tenant, entry).await?;
        }
        session.commit(RECORD).await
    }

    /// A connection's whole ledger, in the order in which it was written, for sealing into the object store.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn ledger(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Vec<LedgerEntry>, CatalogError> {
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let rows = session
            .query(
                "SELECT connection, target, kind, old_id, new_id, restore, recorded_at FROM id_ledger \
                 WHERE tenant = $1 AND connection = $2 ORDER BY entry",
            )
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .fetch_all()
            .await
            .map_err(failed(READ))?;
        rows.iter().map(from_row).collect()
    }

    /// The newest id in the target of every item that was ever created there anew.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn new_ids(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        target: &ConnectionId,
    ) -> Result<HashMap<RecordKey, Box<str>>, CatalogError> {
        let ledger = self.ledger(tenant, connection).await?;
        // Later entries overwrite earlier ones.
        Ok(ledger
            .into_iter()
            .filter(|entry| &entry.target == target)
            .map(|entry| (entry.old, entry.new_id))
            .collect())
    }
}
