//! Tenants.

use domain::{TenantId, Timestamp};

use crate::column::parsed;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::Whose;

impl Catalog {
    pub(crate) async fn add_tenant(&self, tenant: &TenantId, at: Timestamp) -> Result<(), CatalogError> {
        const ADD: &str = "add a tenant";
        let mut session = self.writing(Whose::Tenant(tenant), ADD).await?;
        let added = session
            .query("INSERT INTO tenant (tenant, created_at) VALUES ($1, $2) ON CONFLICT (tenant) DO NOTHING")
            .bind(tenant.as_str())
            .bind(at.to_string())
            .execute()
            .await
            .map_err(failed(ADD))?;
        session.commit(ADD).await?;
        match added {
            0 => Err(CatalogError::Exists { what: "tenant", name: tenant.to_string() }),
            _ => Ok(()),
        }
    }

    pub(crate) async fn tenants(&self) -> Result<Vec<TenantId>, CatalogError> {
        const LIST: &str = "list tenants";
        let mut session = self.reading(Whose::Cell, LIST).await?;
        let rows = session
            .query("SELECT tenant FROM tenant ORDER BY tenant")
            .fetch_all()
            .await
            .map_err(failed(LIST))?;
        rows.iter().map(|row| parsed(row, "tenant")).collect()
    }
}
