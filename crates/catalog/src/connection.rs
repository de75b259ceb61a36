//! Connections, and their sealed credentials.

use domain::{ConnectionId, Platform, Region, Scope, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calls::PAGE_LEN_MAX;
use crate::column::{json, parsed, plain, to_json};
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::{Row, Session, Whose};

/// A connected store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// Whose, where, which make, and its name.
    pub scope: Scope,
    /// Where the store is spoken to. Empty for one that takes its records from files.
    pub url: String,
    /// What else the connector needs to know. Never a secret: those are credentials.
    pub settings: serde_json::Value,
    /// When it was connected.
    pub created_at: Timestamp,
}

const STORE: &str = "store a credential";

const COLUMNS_SQL: &str = "SELECT connection, platform, region, url, settings, created_at \
     FROM connection WHERE tenant = $1 AND connection = $2";
const LIST_SQL: &str = "SELECT connection, platform, region, url, settings, created_at \
     FROM connection WHERE tenant = $1 AND connection > $2 ORDER BY connection LIMIT $3";

fn from_row(tenant: &TenantId, row: &Row) -> Result<Connection, CatalogError> {
    Ok(Connection {
        scope: Scope {
            tenant: tenant.clone(),
            region: parsed::<Region>(row, "region")?,
            platform: parsed::<Platform>(row, "platform")?,
            connection: parsed::<ConnectionId>(row, "connection")?,
        },
        url: plain(row, "url")?,
        settings: json(row, "settings")?,
        created_at: parsed(row, "created_at")?,
    })
}

/// A row could not be added: its connection, or its tenant, is not there.
pub(crate) fn adding(
    doing: &'static str,
    what: &'static str,
    name: impl ToString,
) -> impl FnOnce(sqlx::Error) -> CatalogError {
    move |error| {
        if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation) {
            CatalogError::not_found(what, &name)
        } else {
            failed(doing)(error)
        }
    }
}

const ADD_SQL: &str = "INSERT INTO connection (tenant, connection, platform, region, url, settings, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, connection) DO NOTHING";
const KEEP_SQL: &str = "INSERT INTO connection (tenant, connection, platform, region, url, settings, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, connection) \
     DO UPDATE SET url = excluded.url, settings = excluded.settings \
     WHERE connection.platform = excluded.platform AND connection.region = excluded.region";

/// Writes a connection's row, and says how many rows that changed.
async fn put(
    session: &mut Session,
    sql: &'static str,
    doing: &'static str,
    Connection { scope, url, settings, created_at }: &Connection,
) -> Result<u64, CatalogError> {
    let query = session
        .query(sql)
        .bind(scope.tenant.as_str())
        .bind(scope.connection.as_str())
        .bind(scope.platform.as_str())
        .bind(scope.region.as_str())
        .bind(url)
        .bind(to_json(settings, "settings")?)
        .bind(created_at.to_string());
    query.execute().await.map_err(adding(doing, "tenant", &scope.tenant))
}

impl Catalog {
    pub(crate) async fn add_connection(&self, connection: &Connection) -> Result<(), CatalogError> {
        const ADD: &str = "add a connection";
        let scope = &connection.scope;
        let mut session = self.writing(Whose::Tenant(&scope.tenant), ADD).await?;
        let added = put(&mut session, ADD_SQL, ADD, connection).await?;
        session.commit(ADD).await?;
        match added {
            0 => Err(CatalogError::Exists { what: "connection", name: scope.connection.to_string() }),
            _ => Ok(()),
        }
    }

    pub(crate) async fn connection(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Connection, CatalogError> {
        const READ: &str = "read a connection";
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let row = session
            .query(COLUMNS_SQL)
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .fetch_optional()
            .await
            .map_err(failed(READ))?
            .ok_or_else(|| CatalogError::not_found("connection", connection))?;
        from_row(tenant, &row)
    }

    /// The first of a tenant's connections, by name, after one.
    pub(crate) async fn connections_after(
        &self,
        tenant: &TenantId,
        after: Option<ConnectionId>,
    ) -> Result<Vec<Connection>, CatalogError> {
        const LIST: &str = "list connections";
        let mut session = self.reading(Whose::Tenant(tenant), LIST).await?;
        let query = session
            .query(LIST_SQL)
            .bind(tenant.as_str())
            .bind(after.as_ref().map_or("", ConnectionId::as_str))
            .bind(i64::from(PAGE_LEN_MAX));
        let rows = query.fetch_all().await.map_err(failed(LIST))?;
        rows.iter().map(|row| from_row(tenant, row)).collect()
    }

    pub(crate) async fn set_settings(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        settings: &serde_json::Value,
    ) -> Result<(), CatalogError> {
        const CHANGE: &str = "change a connection";
        let mut session = self.writing(Whose::Tenant(tenant), CHANGE).await?;
        let changed = session
            .query("UPDATE connection SET settings = $3 WHERE tenant = $1 AND connection = $2")
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(to_json(settings, "settings")?)
            .execute()
            .await
            .map_err(failed(CHANGE))?;
        session.commit(CHANGE).await?;
        found(changed, connection)
    }

    pub(crate) async fn put_connection(
        &self,
        connection: &Connection,
        name: &str,
        sealed: &[u8],
        at: Timestamp,
    ) -> Result<(), CatalogError> {
        const KEEP: &str = "keep a connection";
        let scope = &connection.scope;
        let mut session = self.writing(Whose::Tenant(&scope.tenant), KEEP).await?;
        if put(&mut session, KEEP_SQL, KEEP, connection).await? == 0 {
            return Err(CatalogError::Exists { what: "connection", name: scope.connection.to_string() });
        }
        credential(&mut session, (&scope.tenant, &scope.connection), (name, sealed), at).await?;
        session.commit(KEEP).await
    }

    pub(crate) async fn put_credential(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        name: &str,
        sealed: &[u8],
        at: Timestamp,
    ) -> Result<(), CatalogError> {
        let mut session = self.writing(Whose::Tenant(tenant), STORE).await?;
        credential(&mut session, (tenant, connection), (name, sealed), at).await?;
        session.commit(STORE).await
    }

    pub(crate) async fn credential(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        name: &str,
    ) -> Result<Vec<u8>, CatalogError> {
        const READ: &str = "read a credential";
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let row = session
            .query("SELECT sealed FROM credential WHERE tenant = $1 AND connection = $2 AND name = $3")
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(name)
            .fetch_optional()
            .await
            .map_err(failed(READ))?
            .ok_or_else(|| CatalogError::not_found("credential", &format!("{connection}/{name}")))?;
        plain(&row, "sealed")
    }
}

async fn credential(
    session: &mut Session,
    (tenant, connection): (&TenantId, &ConnectionId),
    (name, sealed): (&str, &[u8]),
    at: Timestamp,
) -> Result<(), CatalogError> {
    session
        .query(
            "INSERT INTO credential (tenant, connection, name, sealed, stored_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, connection, name) \
             DO UPDATE SET sealed = excluded.sealed, stored_at = excluded.stored_at",
        )
        .bind(tenant.as_str())
        .bind(connection.as_str())
        .bind(name)
        .bind(sealed)
        .bind(at.to_string())
        .execute()
        .await
        .map_err(adding(STORE, "connection", connection))?;
    Ok(())
}

fn found(rows: u64, connection: &ConnectionId) -> Result<(), CatalogError> {
    if rows == 0 { Err(CatalogError::not_found("connection", connection)) } else { Ok(()) }
}
