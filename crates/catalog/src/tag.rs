//! Tags: words by which connections are taken together.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConnectionId, TenantId};

use crate::column::{parsed, plain};
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::Whose;

impl Catalog {
    pub(crate) async fn change_tags(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        add: &[String],
        remove: &[String],
    ) -> Result<(), CatalogError> {
        const CHANGE: &str = "change tags";
        let mut session = self.writing(Whose::Tenant(tenant), CHANGE).await?;
        session
            .query("SELECT tenant FROM connection WHERE tenant = $1 AND connection = $2")
            .bind(tenant.as_str())
            .bind(connection.as_str())
            .fetch_optional()
            .await
            .map_err(failed("find a connection"))?
            .ok_or_else(|| CatalogError::not_found("connection", connection))?;
        for tag in add {
            session
                .query(
                    "INSERT INTO connection_tag (tenant, connection, tag) VALUES ($1, $2, $3) \
                     ON CONFLICT (tenant, connection, tag) DO NOTHING",
                )
                .bind(tenant.as_str())
                .bind(connection.as_str())
                .bind(tag)
                .execute()
                .await
                .map_err(failed("add a tag"))?;
        }
        for tag in remove {
            session
                .query("DELETE FROM connection_tag WHERE tenant = $1 AND connection = $2 AND tag = $3")
                .bind(tenant.as_str())
                .bind(connection.as_str())
                .bind(tag)
                .execute()
                .await
                .map_err(failed("remove a tag"))?;
        }
        session.commit(CHANGE).await
    }

    pub(crate) async fn tags(
        &self,
        tenant: &TenantId,
    ) -> Result<BTreeMap<ConnectionId, BTreeSet<String>>, CatalogError> {
        const READ: &str = "read tags";
        let mut session = self.reading(Whose::Tenant(tenant), READ).await?;
        let rows = session
            .query("SELECT connection, tag FROM connection_tag WHERE tenant = $1")
            .bind(tenant.as_str())
            .fetch_all()
            .await
            .map_err(failed(READ))?;
        let mut tags: BTreeMap<ConnectionId, BTreeSet<String>> = BTreeMap::new();
        for row in &rows {
            tags.entry(parsed(row, "connection")?).or_default().insert(plain(row, "tag")?);
        }
        Ok(tags)
    }
}
