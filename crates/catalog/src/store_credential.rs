//! The ways into the cell's own stores. The one thing here that is no tenant's: a cell has two stores for all of
//! its tenants.

use std::collections::BTreeMap;

use domain::{Platform, Timestamp};

use crate::column::plain;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::session::{Session, Whose};

impl Catalog {
    pub(crate) async fn put_store_credential(
        &self,
        store: &str,
        sealed: &[u8],
        at: Timestamp,
    ) -> Result<(), CatalogError> {
        const STORE: &str = "store a credential of a store";
        let mut session = self.writing(Whose::Cell, STORE).await?;
        session
            .query(
                "INSERT INTO store_credential (store, sealed, stored_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (store) DO UPDATE SET sealed = excluded.sealed, stored_at = excluded.stored_at",
            )
            .bind(store)
            .bind(sealed)
            .bind(at.to_string())
            .execute()
            .await
            .map_err(failed(STORE))?;
        session.commit(STORE).await
    }

    pub(crate) async fn store_credential(&self, store: &str) -> Result<Vec<u8>, CatalogError> {
        const READ: &str = "read a credential of a store";
        let mut session = self.reading(Whose::Cell, READ).await?;
        let row = session
            .query("SELECT sealed FROM store_credential WHERE store = $1")
            .bind(store)
            .fetch_optional()
            .await
            .map_err(failed(READ))?
            .ok_or_else(|| CatalogError::not_found("credential of the", &store))?;
        plain(&row, "sealed")
    }
}

/// The sealed credentials that a platform's worker may need, by name: the cell's own, and those whose name ends with `_` and the
/// platform's.
pub(crate) async fn of_worker(
    session: &mut Session,
    platform: &Platform,
) -> Result<BTreeMap<String, Vec<u8>>, CatalogError> {
    const READ: &str = "read the credentials of the stores";
    let rows = session.query("SELECT store, sealed FROM store_credential").fetch_all().await;
    let mut found = BTreeMap::new();
    for row in &rows.map_err(failed(READ))? {
        let name: String = plain(row, "store")?;
        if name.split_once('_').is_none_or(|(_, whose)| whose == platform.as_str()) {
            found.insert(name, plain(row, "sealed")?);
        }
    }
    Ok(found)
}
