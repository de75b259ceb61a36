//! A running cell again, from the two stores and the recovery key.
//!
//! Data keys are wrapped for the new vault, connections and the id ledger are noted in the new catalog, and the
//! next backup is an increment. What is not in the stores is given again: each connection's credential, by
//! `connect` on its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::{Connection, LedgerEntry};
use domain::{Action, DataKeys, Grant, Region, Scope};
use repository::{Repository, RepositoryError, Stores};
use serde::Serialize;
use vault::{Handles, RecoveryKey, RecoveryKeys};

use crate::cell::Cell;
use crate::error::{FlowError, Result};
use crate::recover::{GRANT_TTL, scopes};
pub(crate) use crate::restore::sealed_ledger;
use crate::schedule;

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SetUpAgain {
    /// Connections, with the number of their newest snapshot.
    pub connections: BTreeMap<String, u64>,
    /// Entries of the id ledger.
    pub ledger: u64,
    /// Schedules, which are paused until somebody has them go on.
    pub schedules: u64,
}

/// Refuses a region that is another one than the stores' connections belong to: before anything is made.
///
/// # Errors
/// Usage, with the region that it must be; and where the key store cannot be read or is damaged.
pub async fn check_region(stores: &Stores, region: &Region) -> Result<()> {
    match scopes(stores).await?.into_iter().find(|scope| scope.region != *region) {
        None => Ok(()),
        Some(scope) => Err(FlowError::Input(format!(
            "`{}` belongs to region `{}`: set the cell up with --region {}",
            scope.connection, scope.region, scope.region
        ))),
    }
}

/// Fills a new cell from its stores. The cell that was before, if it still runs, is locked out of them.
///
/// # Errors
/// When a store cannot be read or is damaged, or the recovery key is not the one it was sealed to. The stores
/// still open under the recovery key then, and this can be tried again with another new cell.
pub async fn set_up_again(
    cell: &Cell,
    recovery: &RecoveryKey,
    handles: &Handles,
    read: RecoveryKey,
) -> Result<SetUpAgain> {
    let keys = Arc::new(RecoveryKeys::new(read, handles)?);
    let mut done = SetUpAgain::default();
    check_region(&cell.stores, &cell.region).await?;
    for scope in scopes(&cell.stores).await? {
        let offline = Repository::new(
            &cell.stores,
            scope.clone(),
            Arc::clone(&keys) as Arc<dyn DataKeys>,
            Arc::clone(&cell.clock),
            Arc::clone(&cell.rng),
        );
        let reading = keys.grant(&scope, GRANT_TTL);
        let newest = match offline.reader(&reading, Action::Read, None).await {
            Ok(reader) => reader.head().clone(),
            Err(RepositoryError::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        // INVARIANT (proven before adopted): a wrapped key can be made by anybody who knows the recovery key's
        // public half. One under which a commit of the history opens was the cell's own.
        let proven = offline.proven_keys(&reading, Action::Read).await?;
        let entries = ledger(&offline, &reading, &scope).await?;
        let now = cell.clock.now();
        if !cell.catalog.tenants().await?.contains(&scope.tenant) {
            cell.catalog.add_tenant(&scope.tenant, now).await?;
        }
        let connection = Connection {
            scope: scope.clone(),
            url: String::new(),
            settings: serde_json::json!({}),
            created_at: now,
        };
        cell.catalog.add_connection(&connection).await?;
        let head = catalog::Head {
            number: newest.name.number,
            generation: newest.name.generation.counter,
            commit: newest.name.to_string(),
        };
        cell.catalog.advance_head(&scope.tenant, &scope.connection, None, &head).await?;
        cell.catalog.record_ids(&scope.tenant, &entries).await?;
        for schedule in schedule::again(&offline, &reading, &connection).await? {
            cell.catalog.put_schedule(&schedule).await?;
            done.schedules += 1;
        }
        done.ledger += u64::try_from(entries.len()).unwrap_or(u64::MAX);
        // Last, because from here on the cell that was before opens these keys no longer.
        let grant = cell.grant(&scope, &[Action::Connect], "set the cell up again").await?;
        for (id, wrapped) in offline.wrapped_keys().await? {
            if !proven.contains(&id) {
                tracing::warn!(%id, connection = %scope.connection, "no commit was sealed under this data key: it is left alone");
                continue;
            }
            let adopted = cell.vault.adopt(&grant, &scope, &wrapped, recovery).await?;
            offline.replace_wrapped_key(id, adopted).await?;
        }
        done.connections.insert(format!("{}/{}", scope.tenant, scope.connection), newest.name.number.0);
    }
    if done.connections.is_empty() {
        return Err(FlowError::NotFound("the stores hold no backup".to_owned()));
    }
    Ok(done)
}

async fn ledger(offline: &Repository, reading: &Grant, scope: &Scope) -> Result<Vec<LedgerEntry>> {
    let entries = sealed_ledger(offline, reading, Action::Read).await?;
    let entries = entries.into_iter().map(|entry| LedgerEntry {
        connection: scope.connection.clone(),
        target: entry.target,
        old: entry.old,
        new_id: entry.new_id,
        restore: entry.restore,
        recorded_at: entry.recorded_at,
    });
    Ok(entries.collect())
}
