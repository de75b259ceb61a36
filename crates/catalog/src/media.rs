//! Media that are stored already, so that their bytes are not fetched again.

use domain::{ConnectionId, TenantId};

use crate::column::{count, plain, stored};
use crate::connection::adding;
use crate::database::{Catalog, failed};
use crate::error::CatalogError;

/// What the platform calls a file, as a keyed hash: the name itself may hold a title or a person's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaSource(pub [u8; 32]);

/// A stored media object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMedia {
    /// The stored object's name: the keyed hash of its bytes, in hexadecimal.
    pub name: String,
    /// Length, in bytes.
    pub size_bytes: u64,
}

impl Catalog {
    /// Notes media as stored: all of them, or none.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the tenant has no such connection.
    pub async fn put_media(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        media: &[(MediaSource, KnownMedia)],
    ) -> Result<(), CatalogError> {
        const PUT: &str = "note media";
        let mut transaction = self.begin(PUT).await?;
        for (source, known) in media {
            sqlx::query(
                "INSERT INTO media (tenant, connection, source, name, size_bytes) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (tenant, connection, source) \
                 DO UPDATE SET name = excluded.name, size_bytes = excluded.size_bytes",
            )
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .bind(source.0.as_slice())
            .bind(&known.name)
            .bind(stored(known.size_bytes, "a size")?)
            .execute(&mut *transaction)
            .await
            .map_err(adding(PUT, "connection", connection))?;
        }
        transaction.commit().await.map_err(failed(PUT))
    }

    /// What is stored of a source; none when it is not known.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn media(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        source: MediaSource,
    ) -> Result<Option<KnownMedia>, CatalogError> {
        let row = sqlx::query(
            "SELECT name, size_bytes FROM media WHERE tenant = $1 AND connection = $2 AND source = $3",
        )
        .bind(tenant.as_str())
        .bind(connection.as_str())
        .bind(source.0.as_slice())
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("read known media"))?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(KnownMedia { name: plain(&row, "name")?, size_bytes: count(&row, "size_bytes")? }))
    }

    /// Forgets media objects that were collected: their bytes will be fetched again if they come back.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn forget_media(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        names: &[&str],
    ) -> Result<(), CatalogError> {
        const FORGET: &str = "forget media";
        let mut transaction = self.begin(FORGET).await?;
        for name in names {
            sqlx::query("DELETE FROM media WHERE tenant = $1 AND connection = $2 AND name = $3")
                .bind(tenant.as_str())
                .bind(connection.as_str())
                .bind(*name)
                .execute(&mut *transaction)
                .await
                .map_err(failed(FORGET))?;
        }
        transaction.commit().await.map_err(failed(FORGET))
    }
}
