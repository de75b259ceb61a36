//! Wrapping by the vault's newest keys what older ones have wrapped. No record is read, no pack opened.

use std::collections::BTreeMap;

use catalog::CatalogErrorKind;
use domain::{Action, KeyError, Scope};
use repository::RepositoryError;
use serde::Serialize;

use crate::cell::Cell;
use crate::connect::CREDENTIAL;
use crate::error::{FlowError, Result};
use crate::{recover, store_access};

/// How much each version of the vault's keys has wrapped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Wrapped {
    /// Data keys, by version.
    pub data_keys: BTreeMap<u64, u64>,
    /// Credentials, by version.
    pub credentials: BTreeMap<u64, u64>,
}

impl Wrapped {
    /// How many older versions than these have wrapped.
    #[must_use]
    pub fn older_than(&self, (data, credentials): (u64, u64)) -> u64 {
        let older =
            |of: &BTreeMap<u64, u64>, newest: u64| of.range(..newest).map(|(_, count)| count).sum::<u64>();
        older(&self.data_keys, data) + older(&self.credentials, credentials)
    }
}

/// What was wrapped anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rewrapped {
    /// Data keys.
    pub data_keys: u64,
    /// Credentials.
    pub credentials: u64,
}

/// Every connection: those that have a data key in the key store, whatever the catalog knows (it may be an older copy, and
/// what is passed over here is lost once its keys are retired), and those that have none yet.
async fn connections(cell: &Cell) -> Result<Vec<Scope>> {
    let mut all = BTreeMap::new();
    let mut add = |scope: Scope| all.insert((scope.tenant.clone(), scope.connection.clone()), scope);
    for tenant in cell.catalog.tenants().await? {
        cell.catalog.connections(&tenant).await?.into_iter().for_each(|known| drop(add(known.scope)));
    }
    recover::scopes(&cell.stores).await?.into_iter().for_each(|found| drop(add(found)));
    Ok(all.into_values().collect())
}

/// A connection's sealed credential, where it has one.
async fn credential(cell: &Cell, scope: &Scope) -> Result<Option<Vec<u8>>> {
    match cell.catalog.credential(&scope.tenant, &scope.connection, CREDENTIAL).await {
        Err(error) if error.kind() == CatalogErrorKind::NotFound => Ok(None),
        sealed => Ok(Some(sealed?)),
    }
}

/// What does not open is damaged, and told by its name; all else is the vault's own word.
fn opens(what: String) -> impl FnOnce(KeyError) -> FlowError {
    move |error| match error {
        KeyError::DoesNotOpen => FlowError::Integrity(format!("{what}: {error}")),
        error => RepositoryError::from(error).into(),
    }
}

/// Counts what each version of the vault's keys has wrapped.
///
/// # Errors
/// When a store or the catalog cannot be read, or holds what no vault has wrapped.
pub async fn survey(cell: &Cell) -> Result<Wrapped> {
    let mut wrapped = Wrapped::default();
    let count = |of: &mut BTreeMap<u64, u64>, version| *of.entry(version).or_default() += 1;
    for scope in &connections(cell).await? {
        let name = format!("{}/{}", scope.tenant, scope.connection);
        for (id, bytes) in cell.repository(scope).wrapped_keys().await? {
            let version = vault::wrapped_by(&bytes).map_err(opens(format!("data key {id} of {name}")))?;
            count(&mut wrapped.data_keys, version);
        }
        if let Some(sealed) = credential(cell, scope).await? {
            let version = vault::sealed_by(&sealed).map_err(opens(format!("the credential of {name}")))?;
            count(&mut wrapped.credentials, version);
        }
    }
    for sealed in store_access::sealed(cell).await? {
        let version =
            vault::sealed_by(&sealed).map_err(opens("a credential of the cell's stores".to_owned()))?;
        count(&mut wrapped.credentials, version);
    }
    Ok(wrapped)
}

/// Wraps all that older versions have wrapped by the newest. `told` is told how many connections were looked at, of how many.
/// Backups and restores may go on meanwhile; broken off, it is gone on with by the next.
///
/// # Errors
/// When a store or the catalog fails, or something does not open: what was wrapped anew by then is.
pub async fn rewrap(cell: &Cell, told: &(dyn Fn(u64, u64) + Sync)) -> Result<Rewrapped> {
    let mut done = Rewrapped::default();
    let all = connections(cell).await?;
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    for (at, scope) in (0..).zip(&all) {
        told(at, total);
        let grant = cell.grant(scope, &[Action::Connect], "wrap by the newest keys").await?;
        let repository = cell.repository(scope);
        for (id, wrapped) in repository.wrapped_keys().await? {
            let anew = cell.vault.rewrap(&grant, scope, &wrapped).await;
            let anew =
                anew.map_err(opens(format!("data key {id} of {}/{}", scope.tenant, scope.connection)))?;
            if let Some(anew) = anew {
                repository.replace_wrapped_key(id, anew).await?;
                done.data_keys += 1;
            }
        }
        // INVARIANT (spent once): a token that was renewed meanwhile must not be overwritten by the one before.
        let _lock = cell.credential_lock(scope).await?;
        if let Some(sealed) = credential(cell, scope).await? {
            let anew = cell.vault.rewrap_credential(&grant, scope, CREDENTIAL, &sealed).await;
            let name = format!("the credential of {}/{}", scope.tenant, scope.connection);
            if let Some(anew) = anew.map_err(opens(name))? {
                let (tenant, connection) = (&scope.tenant, &scope.connection);
                cell.catalog.put_credential(tenant, connection, CREDENTIAL, &anew, cell.clock.now()).await?;
                done.credentials += 1;
            }
        }
    }
    done.credentials += store_access::rewrap(cell).await?;
    Ok(done)
}
