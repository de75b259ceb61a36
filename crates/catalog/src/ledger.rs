//! The id ledger: which item came back under which id. It is kept for ever.

use domain::{ConnectionId, Id128, RecordKey, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calls::PAGE_LEN_MAX;
use crate::column::{count, parsed, plain, stored};
use crate::connection::adding;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::{Row, Session, Whose};

/// An item that was created anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Writes entries: all of them, or none.
    pub(crate) async fn record_page(
        &self,
        tenant: &TenantId,
        entries: &[LedgerEntry],
    ) -> Result<(), CatalogError> {
        let mut session = self.writing(Whose::Tenant(tenant), RECORD).await?;
        for entry in entries {
            record(&mut session, tenant, entry).await?;
        }
        session.commit(RECORD).await
    }

    /// The first of a connection's entries, in the order in which they were written, after the one of that number; with
    /// their numbers.
    pub(crate) async fn ledger_after(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        after: u64,
    ) -> Result<Vec<(u64, LedgerEntry)>, CatalogError> {
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let rows = session
            .query(
                "SELECT entry, connection, target, kind, old_id, new_id, restore, recorded_at FROM id_ledger \
                 WHERE tenant = $1 AND connection = $2 AND entry > $3 ORDER BY entry LIMIT $4",
            )
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(stored(after, "an entry's number")?)
            .bind(i64::from(PAGE_LEN_MAX))
            .fetch_all()
            .await
            .map_err(failed(READ))?;
        rows.iter().map(|row| Ok((count(row, "entry")?, from_row(row)?))).collect()
    }
}
