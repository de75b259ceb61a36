//! Reading everything with nothing but the two stores and the recovery key: no catalog, no vault, no network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{Action, Clock, ConnectionId, DataKeys, Platform, Region, Rng, Scope, TenantId};
use futures::TryStreamExt as _;
use repository::{CommitName, Repository, RepositoryError, Stores};
use serde::Serialize;
use vault::{Handles, RecoveryKey, RecoveryKeys};

use crate::error::{ErrorKind, FlowError, Result};
use crate::export::{Exported, Files, Folder, Source, Told, export};

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

/// Where a connection lies in both stores: below its platform and its tenant.
type Place = (Platform, TenantId, ConnectionId);

fn place(platform: &str, tenant: &str, connection: &str) -> Option<Place> {
    Some((platform.parse().ok()?, tenant.parse().ok()?, connection.parse().ok()?))
}

/// What a store says when it cannot be read.
fn unreadable(store: &str) -> impl Fn(object_store::Error) -> FlowError {
    move |source| {
        let object = store.to_owned();
        FlowError::Repository(RepositoryError::Store { operation: "read", object, source: Box::new(source) })
    }
}

/// Every place in the object store that has a commit.
async fn committed(stores: &Stores) -> Result<BTreeSet<Place>> {
    let unreadable = unreadable("the object store");
    let below = async |path: object_store::path::Path| {
        stores.objects.list_with_delimiter(Some(&path)).await.map(|listed| listed.common_prefixes)
    };
    let mut connections = vec!["t".into()];
    for _ in ["platform", "tenant", "connection"] {
        let mut lower = Vec::new();
        for folder in connections {
            lower.extend(below(folder).await.map_err(&unreadable)?);
        }
        connections = lower;
    }
    let mut found = BTreeSet::new();
    for connection in connections {
        let commits: object_store::path::Path = format!("{connection}/commit").into();
        if stores.objects.list(Some(&commits)).try_next().await.map_err(&unreadable)?.is_none() {
            continue;
        }
        let path = connection.to_string();
        let steps: Vec<&str> = path.split('/').collect();
        let ["t", platform, tenant, connection] = steps[..] else { continue };
        // What no cell can have made is none of its.
        found.extend(place(platform, tenant, connection));
    }
    Ok(found)
}

/// Every connection that has a data key in the key store, and those that were backed up and have none that can be read.
async fn look(stores: &Stores) -> Result<(Vec<Scope>, Vec<Unreadable>)> {
    let unreadable = unreadable("the key store");
    let listed: Vec<_> = stores.keys.list(Some(&"t".into())).try_collect().await.map_err(&unreadable)?;
    let mut scopes = BTreeMap::new();
    let mut damaged = BTreeMap::new();
    for object in listed {
        let path = object.location.to_string();
        let steps: Vec<&str> = path.split('/').collect();
        let ["t", platform, tenant, connection, "data-key", _] = steps[..] else { continue };
        // What no cell can have made is none of its.
        let Some(place) = place(platform, tenant, connection) else { continue };
        let read = async { stores.keys.get_opts(&object.location, Default::default()).await?.bytes().await };
        let bytes = read.await.map_err(&unreadable)?;
        // A key's own words are not proven; a scope that does not fit the place is not even tried.
        let found = match vault::describe_wrapped(&bytes) {
            Ok((_, scope))
                if (&scope.platform, &scope.tenant, &scope.connection) == (&place.0, &place.1, &place.2) =>
            {
                Ok(scope)
            }
            Ok(_) => Err(FlowError::Integrity(format!("`{path}` holds the key of another connection"))),
            Err(error) => Err(FlowError::Integrity(format!("`{path}` is not a wrapped data key: {error}"))),
        };
        match found {
            Ok(scope) => drop(scopes.insert(place, scope)),
            Err(error) => drop(damaged.entry(place).or_insert(error)),
        }
    }
    let committed = committed(stores).await?;
    for place @ (platform, tenant, connection) in &committed {
        damaged.entry(place.clone()).or_insert_with(|| {
            FlowError::Integrity(format!(
                "there are backups of `{tenant}/{connection}`, and no data key of it is in the key store: put \
                 `t/{platform}/{tenant}/{connection}/data-key` back from a copy"
            ))
        });
    }
    // A key that nothing is sealed under is missed by nobody.
    damaged.retain(|place, _| committed.contains(place) && !scopes.contains_key(place));
    let damaged =
        damaged.into_iter().map(|((_, tenant, connection), error)| Unreadable { tenant, connection, error });
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
    let mut refused = None;
    for scope in scopes(stores).await? {
        match repository(stores, &scope, &keys, handles)
            .reader(&grant(&keys, &scope), Action::Read, None)
            .await
        {
            Ok(_) => return Ok(()),
            // Connected, and never backed up.
            Err(RepositoryError::NotFound(_)) => {}
            Err(error) => match FlowError::from(error) {
                error if error.kind() == ErrorKind::Refused => drop(refused.get_or_insert(error)),
                error => return Err(error),
            },
        }
    }
    Err(refused.unwrap_or_else(|| FlowError::NotFound("the stores hold no backup".to_owned())))
}

fn grant(keys: &RecoveryKeys, scope: &Scope) -> domain::Grant {
    keys.grant(scope, GRANT_TTL)
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
        Folder::empty(out)?;
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
            error: Some(domain::with_causes(&error)),
        })
        .collect();
    let mut refused = None;
    for scope in scopes {
        let mut head = None;
        let read = one(stores, (&scope, &keys), handles, out, (&mut head, told)).await;
        let (exported, error) = match read {
            Ok(Some(exported)) => (Some(exported), None),
            // Connected, and never backed up.
            Ok(None) => continue,
            Err(error) if error.kind() == ErrorKind::Integrity => (None, Some(domain::with_causes(&error))),
            // The key is another one, or what it would open names it wrongly: the others tell.
            Err(error) if error.kind() == ErrorKind::Refused => {
                let why = domain::with_causes(&error);
                refused.get_or_insert(error);
                (None, Some(why))
            }
            Err(error) => return Err(error),
        };
        let Scope { tenant, region, platform, connection } = scope;
        let (region, platform) = (Some(region), Some(platform));
        recovered.push(Recovered { tenant, region, platform, connection, head, exported, error });
    }
    if let Some(refused) = refused
        && recovered.iter().all(|one| one.head.is_none())
    {
        return Err(refused);
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
    let folder = folder.map(|folder| Folder::empty(&folder)).transpose()?;
    let exported = export(&source, folder.as_ref().map(|folder| folder as &dyn Files), &told).await?;
    folder.map_or(Ok(()), Folder::settle)?;
    Ok(Some(exported))
}
