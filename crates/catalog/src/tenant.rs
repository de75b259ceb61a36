//! Tenants.

use domain::{TenantId, Timestamp};

use crate::column::parsed;
use crate::database::{Catalog, failed};
use crate::error::CatalogError;

impl Catalog {
    /// Adds a tenant.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] when there is one of that name.
    pub async fn add_tenant(&self, tenant: &TenantId, at: Timestamp) -> Result<(), CatalogError> {
        let added = sqlx::query(
            "INSERT INTO tenant (tenant, created_at) VALUES ($1, $2) ON CONFLICT (tenant) DO NOTHING",
        )
        .bind(tenant.as_str())
        .bind(at.to_string())
        .execute(&self.pool)
        .await
        .map_err(failed("add a tenant"))?;
        match added.rows_affected() {
            0 => Err(CatalogError::Exists { what: "tenant", name: tenant.to_string() }),
            _ => Ok(()),
        }
    }

    /// All tenants of the cell, by name. For whoever runs the cell, never for a tenant.
    ///
    /// # Errors
    /// When the catalog is damaged or not available.
    pub async fn tenants(&self) -> Result<Vec<TenantId>, CatalogError> {
        let rows = sqlx::query("SELECT tenant FROM tenant ORDER BY tenant")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("list tenants"))?;
        rows.iter().map(|row| parsed(row, "tenant")).collect()
    }
}
