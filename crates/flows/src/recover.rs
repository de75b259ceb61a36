//! Reading everything with nothing but the two stores and the recovery key: no catalog, no vault, no network.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{Action, Clock, ConnectionId, DataKeys, Platform, Region, Rng, Scope, TenantId};
use futures::TryStreamExt as _;
use repository::{CommitName, Repository, RepositoryError, Stores};
use serde::Serialize;
use vault::{Handles, RecoveryKey, RecoveryKeys};

use crate::error::{ErrorKind, FlowError, Result, with_causes};
use crate::export::{Exported, Sink, Source, Told, empty_folder, export};

/// The recovery key's own grant lasts so long.
pub(crate) const GRANT_TTL: Duration = Duration::from_secs(24 * 3600);

/// One connection that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Recovered {
    /// Whose.
    pub tenant: TenantId,
    /// Where its data must stay; none where no key of it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The store's make; none where no key of it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Its name.
    pub connection: ConnectionId,
    /// The newest commit in the store, where it can be read. With the store alone nobody can tell whether a newer one
    /// was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<CommitName>,
    /// What was read, where all of it could be.
    #[serde(flatten)]
    pub exported: Option<Exported>,
    /// What is damaged. Files that were written for it are not all there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A connection in the key store, of which no key can be read.
pub(crate) struct Unreadable {
    tenant: TenantId,
    connection: ConnectionId,
    error: FlowError,
}

/// Every connection that has a data key in the key store, and those whose keys are all damaged.
async fn look(stores: &Stores) -> Result<(Vec<Scope>, Vec<Unreadable>)> {
    let unreadable = |source: object_store::Error| {
        let object = "the key store".to_owned();
        FlowError::Repository(RepositoryError::Store { operation: "read", object, source: Box::new(source) })
    };
    let listed: Vec<_> = stores.keys.list(Some(&"t".into())).try_collect().await.map_err(unreadable)?;
    let mut scopes = BTreeMap::new();
    let mut damaged = BTreeMap::new();
    for object in listed {
        let path = object.location.to_string();
        let steps: Vec<&str> = path.split('/').collect();
        let ["t", tenant, connection, "data-key", _] = steps[..] else { continue };
        // What no cell can have made is none of its.
        let (Ok(tenant), Ok(connection)) = (TenantId::new(tenant), ConnectionId::new(connection)) else {
            continue;
        };
        let read = async { stores.keys.get_opts(&object.location, Default::default()).await?.bytes().await };
        let bytes = read.await.map_err(unreadable)?;
        let place = (tenant, connection);
        // A key's own words are not proven; a scope that does not fit the place is not even tried.
        let found = match vault::describe_wrapped(&bytes) {
            Ok((_, scope)) if (&scope.tenant, &scope.connection) == (&place.0, &place.1) => Ok(scope),
            Ok(_) => Err(FlowError::Integrity(format!("`{path}` holds the key of another connection"))),
            Err(error) => Err(FlowError::Integrity(format!("`{path}` is not a wrapped data key: {error}"))),
        };
        match found {
            Ok(scope) => drop(scopes.insert(place, scope)),
            Err(error) => drop(damaged.entry(place).or_insert(error)),
        }
    }
    damaged.retain(|place, _| !scopes.contains_key(place));
    let damaged =
        damaged.into_iter().map(|((tenant, connection), error)| Unreadable { tenant, connection, error });
    Ok((scopes.into_values().collect(), damaged.collect()))
}

/// Every connection that has a data key in the key store.
///
/// # Errors
/// Integrity, where one has none that can be read.
pub(crate) async fn scopes(stores: &Stores) -> Result<Vec<Scope>> {
    let (scopes, damaged) = look(stores).await?;
    match damaged.into_iter().next() {
        Some(first) => Err(first.error),
        None => Ok(scopes),
    }
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
/// Damage to one keeps none of the others from being read: it is told in `error`.
///
/// # Errors
/// When a store or a file cannot be used, or the recovery key is not the right one.
pub async fn recover(
    stores: &Stores,
    key: RecoveryKey,
    handles: &Handles,
    out: Option<&Path>,
    told: Told<'_>,
) -> Result<Vec<Recovered>> {
    if let Some(out) = out {
        empty_folder(out)?;
    }
    let keys = Arc::new(RecoveryKeys::new(key, handles)?);
    let (scopes, damaged) = look(stores).await?;
    let mut recovered: Vec<Recovered> = damaged
        .into_iter()
        .map(|Unreadable { tenant, connection, error }| Recovered {
            tenant,
            region: None,
            platform: None,
            connection,
            head: None,
            exported: None,
            error: Some(with_causes(&error)),
        })
        .collect();
    for scope in scopes {
        let mut head = None;
        let read = one(stores, (&scope, &keys), handles, out, (&mut head, told)).await;
        let (exported, error) = match read {
            Ok(Some(exported)) => (Some(exported), None),
            // Connected, and never backed up.
            Ok(None) => continue,
            Err(error) if error.kind() == ErrorKind::Integrity => (None, Some(with_causes(&error))),
            Err(error) => return Err(error),
        };
        let Scope { tenant, region, platform, connection } = scope;
        let (region, platform) = (Some(region), Some(platform));
        recovered.push(Recovered { tenant, region, platform, connection, head, exported, error });
    }
    if recovered.is_empty() {
        return Err(FlowError::NotFound("the stores hold no backup".to_owned()));
    }
    recovered.sort_by(|a, b| (&a.tenant, &a.connection).cmp(&(&b.tenant, &b.connection)));
    Ok(recovered)
}

async fn one(
    stores: &Stores,
    (scope, keys): (&Scope, &Arc<RecoveryKeys>),
    handles: &Handles,
    out: Option<&Path>,
    (known, told): (&mut Option<CommitName>, Told<'_>),
) -> Result<Option<Exported>> {
    let grant = grant(keys, scope);
    let repository = repository(stores, scope, keys, handles);
    let reader = match repository.reader(&grant, Action::Read, None).await {
        Ok(reader) => reader,
        Err(RepositoryError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let head = reader.latest().await?;
    *known = Some(head.name.clone());
    let source = Source {
        repository: &repository,
        grant: &grant,
        action: Action::Read,
        platform: &scope.platform,
        reader: &reader,
        head: &head,
    };
    let named = format!("{}/{}", scope.tenant, scope.connection);
    let told = |what: &str, done: u64| told(&format!("{named}, {what}"), done);
    let folder = out.map(|out| out.join(scope.tenant.as_str()).join(scope.connection.as_str()));
    let sink = match &folder {
        Some(folder) => {
            empty_folder(folder)?;
            Sink::Folder(folder)
        }
        None => Sink::Nowhere,
    };
    export(&source, sink, &told).await.map(Some)
}
