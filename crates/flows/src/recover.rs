//! Reading everything with nothing but the two stores and the recovery key: no catalog, no vault, no network.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{Action, Clock, DataKeys, Rng, Scope};
use futures::TryStreamExt as _;
use repository::{CommitName, Repository, RepositoryError, Stores};
use serde::Serialize;
use vault::{Handles, RecoveryKey, RecoveryKeys};

use crate::error::{FlowError, Result};
use crate::export::{Exported, Sink, Source, empty_folder, export};

/// The recovery key's own grant lasts so long.
pub(crate) const GRANT_TTL: Duration = Duration::from_secs(24 * 3600);

/// One connection that was recovered.
#[derive(Debug, Clone, Serialize)]
pub struct Recovered {
    /// Which.
    #[serde(flatten)]
    pub scope: Scope,
    /// The newest commit in the store. With the store alone nobody can tell whether a newer one was taken away.
    pub head: CommitName,
    /// What was read.
    #[serde(flatten)]
    pub exported: Exported,
}

/// Every connection that has a data key in the key store.
pub(crate) async fn scopes(stores: &Stores) -> Result<Vec<Scope>> {
    let unreadable = |source: object_store::Error| {
        let object = "the key store".to_owned();
        FlowError::Repository(RepositoryError::Store { operation: "read", object, source: Box::new(source) })
    };
    let listed: Vec<_> = stores.keys.list(Some(&"t".into())).try_collect().await.map_err(unreadable)?;
    let mut scopes = BTreeMap::new();
    for object in listed {
        let path = object.location.to_string();
        if path.split('/').nth(3) != Some("data-key") {
            continue;
        }
        let read = async { stores.keys.get_opts(&object.location, Default::default()).await?.bytes().await };
        let bytes = read.await.map_err(unreadable)?;
        let (_, scope) = vault::describe_wrapped(&bytes)
            .map_err(|error| FlowError::Integrity(format!("`{path}` is not a wrapped data key: {error}")))?;
        // Its own words are not proven; a scope that does not fit the place is not even tried.
        let place = format!("t/{}/{}/data-key/", scope.tenant, scope.connection);
        if !path.starts_with(&place) {
            return Err(FlowError::Integrity(format!("`{path}` holds the key of another connection")));
        }
        scopes.insert(place, scope);
    }
    Ok(scopes.into_values().collect())
}

/// Whether the recovery key opens these stores: tried on the first connection that was backed up.
///
/// # Errors
/// As [`recover`].
pub async fn opens(stores: &Stores, key: RecoveryKey, handles: &Handles) -> Result<()> {
    let keys = Arc::new(RecoveryKeys::new(key, handles)?);
    for scope in scopes(stores).await? {
        match repository(stores, &scope, &keys, handles)
            .reader(&grant(&keys, &scope), Action::Read, None)
            .await
        {
            Ok(_) => return Ok(()),
            // Connected, and never backed up.
            Err(RepositoryError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(FlowError::NotFound("the stores hold no backup".to_owned()))
}

fn grant(keys: &RecoveryKeys, scope: &Scope) -> domain::Grant {
    keys.grant(&scope.tenant, &scope.connection, GRANT_TTL)
}

fn repository(stores: &Stores, scope: &Scope, keys: &Arc<RecoveryKeys>, handles: &Handles) -> Repository {
    let opener: Arc<dyn DataKeys> = Arc::clone(keys) as Arc<dyn DataKeys>;
    let clock: Arc<dyn Clock> = Arc::clone(&handles.clock);
    let rng: Arc<dyn Rng> = Arc::clone(&handles.rng);
    Repository::new(stores, scope.clone(), opener, clock, rng)
}

/// Reads every connection's newest snapshot, into a folder per tenant and connection, or only to prove that it can be.
///
/// # Errors
/// When a store cannot be read, anything is damaged, or the recovery key is not the right one.
pub async fn recover(
    stores: &Stores,
    key: RecoveryKey,
    handles: &Handles,
    out: Option<&Path>,
) -> Result<Vec<Recovered>> {
    if let Some(out) = out {
        empty_folder(out)?;
    }
    let keys = Arc::new(RecoveryKeys::new(key, handles)?);
    let mut recovered = Vec::new();
    for scope in scopes(stores).await? {
        let grant = grant(&keys, &scope);
        let repository = repository(stores, &scope, &keys, handles);
        let reader = match repository.reader(&grant, Action::Read, None).await {
            Ok(reader) => reader,
            // Connected, and never backed up.
            Err(RepositoryError::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let head = reader.latest().await?;
        let source = Source {
            repository: &repository,
            grant: &grant,
            action: Action::Read,
            platform: &scope.platform,
            reader: &reader,
            head: &head,
        };
        let folder = out.map(|out| out.join(scope.tenant.as_str()).join(scope.connection.as_str()));
        let exported = match &folder {
            Some(folder) => {
                empty_folder(folder)?;
                export(&source, Sink::Folder(folder)).await?
            }
            None => export(&source, Sink::Nowhere).await?,
        };
        recovered.push(Recovered { scope, head: head.name, exported });
    }
    if recovered.is_empty() {
        return Err(FlowError::NotFound("the stores hold no backup".to_owned()));
    }
    Ok(recovered)
}
