//! Connections, and their sealed credentials.

use domain::{ConnectionId, Platform, Region, Scope, TenantId, Timestamp};

use crate::column::{json, parsed, plain, to_json};
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::{Row, Session, Whose};

/// A connected store.
#[derive(Debug, Clone, PartialEq)]
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
     FROM connection WHERE tenant = $1 ORDER BY connection";

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

impl Catalog {
    /// Adds a connection.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] when the tenant has one of that name, [`CatalogError::NotFound`] when there is no
    /// such tenant.
    pub async fn add_connection(&self, connection: &Connection) -> Result<(), CatalogError> {
        const ADD: &str = "add a connection";
        let Connection { scope, url, settings, created_at } = connection;
        let mut session = self.writing(Whose::Tenant(&scope.tenant), ADD).await?;
        let added = session
            .query(
                "INSERT INTO connection (tenant, connection, platform, region, url, settings, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, connection) DO NOTHING",
            )
            .bind(scope.tenant.as_str())
            .bind(scope.connection.as_str())
            .bind(scope.platform.as_str())
            .bind(scope.region.as_str())
            .bind(url)
            .bind(to_json(settings, "settings")?)
            .bind(created_at.to_string())
            .execute()
            .await
            .map_err(adding(ADD, "tenant", &scope.tenant))?;
        session.commit(ADD).await?;
        match added {
            0 => Err(CatalogError::Exists { what: "connection", name: scope.connection.to_string() }),
            _ => Ok(()),
        }
    }

    /// One connection.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has none of that name.
    pub async fn connection(
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

    /// A tenant's connections, by name.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn connections(&self, tenant: &TenantId) -> Result<Vec<Connection>, CatalogError> {
        const LIST: &str = "list connections";
        let mut session = self.reading(Whose::Tenant(tenant), LIST).await?;
        let rows = session.query(LIST_SQL).bind(tenant.as_str()).fetch_all().await.map_err(failed(LIST))?;
        rows.iter().map(|row| from_row(tenant, row)).collect()
    }

    /// Changes what a connection's connector knows beside its address.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has none of that name.
    pub async fn set_settings(
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

    /// Keeps a connection together with the credential for its address: both or neither. One that is there keeps
    /// its platform and region.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is no such tenant.
    pub async fn put_connection(
        &self,
        connection: &Connection,
        (name, sealed): (&str, &[u8]),
        at: Timestamp,
    ) -> Result<(), CatalogError> {
        const KEEP: &str = "keep a connection";
        let Connection { scope, url, settings, created_at } = connection;
        let mut session = self.writing(Whose::Tenant(&scope.tenant), KEEP).await?;
        session
            .query(
                "INSERT INTO connection (tenant, connection, platform, region, url, settings, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, connection) \
                 DO UPDATE SET url = excluded.url, settings = excluded.settings",
            )
            .bind(scope.tenant.as_str())
            .bind(scope.connection.as_str())
            .bind(scope.platform.as_str())
            .bind(scope.region.as_str())
            .bind(url)
            .bind(to_json(settings, "settings")?)
            .bind(created_at.to_string())
            .execute()
            .await
            .map_err(adding(KEEP, "tenant", &scope.tenant))?;
        credential(&mut session, (&scope.tenant, &scope.connection), (name, sealed), at).await?;
        session.commit(KEEP).await
    }

    /// Stores a credential as the vault sealed it, in place of one of the same name.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub async fn put_credential(
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

    /// A credential, as the vault sealed it.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when none of that name was stored for this tenant's connection.
    pub async fn credential(
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
