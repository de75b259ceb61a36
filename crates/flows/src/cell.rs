//! What every flow works with: one cell's stores, catalog and vault, and the principal that has signed in.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catalog::{CatalogError, CatalogErrorKind, Connection, Lease, LeaseRequest};
use domain::{
    Action, AuditSink, Clock, ConnectionId, Grant, Ids as _, Platform, Region, Rng, Scope, TenantId,
};
use futures::future::BoxFuture;
use repository::{CommitName, Generation, Heads, Repository, RepositoryError, Stores, Writer};
use rustix::fs::FlockOperation;
use vault::Client;

use crate::error::{CATALOGS_SERVER, FlowError, Result};
use crate::leave::Leave;

/// A lease ends by itself after this time, unless it is renewed.
const LEASE_TTL: Duration = Duration::from_secs(600);

/// An open cell.
pub struct Cell {
    /// Its home on this machine.
    pub dir: PathBuf,
    /// Where its data must stay.
    pub region: Region,
    /// The object store and the key store.
    pub stores: Stores,
    /// Keys and credentials.
    pub vault: Client,
    /// By whose leave it is open.
    pub leave: Leave,
    /// Connections, heads, leases, restores.
    pub catalog: catalog::Client,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Where it is put on record what is done.
    pub audit: Arc<dyn AuditSink>,
}

/// The leave to write to one connection: this machine's lock on it, and the catalog's lease.
pub struct HeldLease {
    _lock: File,
    lease: Lease,
}

impl HeldLease {
    /// What orders this writer among rivals.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation { counter: self.lease.generation, lease: self.lease.holder }
    }
}

/// A lock of the operating system on one file among a platform's [`locks`]. It ends when it is dropped, and with its process.
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock on a connection's credential.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub(crate) async fn of_credential(dir: &Path, scope: &Scope) -> Result<Self> {
        let (file, failed) = lock_file(dir, scope, ".credential")?;
        // It may take as long as somebody else's request does, and must not keep this thread.
        let locked = tokio::task::spawn_blocking(move || {
            rustix::fs::flock(&file, FlockOperation::LockExclusive).map(|()| file)
        });
        match locked.await {
            Ok(Ok(file)) => Ok(Self { _file: file }),
            Ok(Err(errno)) => Err(failed(errno.into())),
            Err(stopped) => Err(failed(std::io::Error::other(stopped))),
        }
    }
}

/// Where the locks on a platform's connections lie.
#[must_use]
pub fn locks(dir: &Path, platform: &Platform) -> PathBuf {
    dir.join("lock").join(platform.as_str())
}

/// Where what is looked at in a platform's connections is put aside, sealed, for as long as a command takes.
#[must_use]
pub fn scratch(dir: &Path, platform: &Platform) -> PathBuf {
    dir.join("scratch").join(platform.as_str())
}

/// A file to lock, made where it is not there, and what a failure with it is.
fn lock_file(
    dir: &Path,
    scope: &Scope,
    of: &str,
) -> Result<(File, impl Fn(std::io::Error) -> FlowError + use<>)> {
    let folder = locks(dir, &scope.platform);
    let path = folder.join(format!("{}.{}{of}", scope.tenant, scope.connection));
    let shown = path.display().to_string();
    let failed = move |source| FlowError::File { operation: "lock", path: shown.clone(), source };
    std::fs::create_dir_all(&folder).map_err(&failed)?;
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    Ok((file.map_err(&failed)?, failed))
}

/// A connection's row.
///
/// # Errors
/// Not found: also for another tenant's.
pub async fn connection(
    catalog: &catalog::Client,
    tenant: &TenantId,
    name: &ConnectionId,
) -> Result<Connection> {
    match catalog.connection(tenant, name).await {
        Err(error) if error.kind() == CatalogErrorKind::NotFound => Err(FlowError::NotFound(format!(
            "there is no connection `{name}`: `caretaker connection list` names those that there are"
        ))),
        other => Ok(other?),
    }
}

/// The head that the catalog remembers of a connection.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn known_head(catalog: &catalog::Client, scope: &Scope) -> Result<Option<CommitName>> {
    named(catalog.head(&scope.tenant, &scope.connection).await?)
}

fn named(head: Option<catalog::Head>) -> Result<Option<CommitName>> {
    head.map(|head| Ok(head.commit.parse()?)).transpose()
}

impl Cell {
    /// The connection's row.
    ///
    /// # Errors
    /// Not found: also for another tenant's.
    pub async fn connection(&self, tenant: &TenantId, name: &ConnectionId) -> Result<Connection> {
        connection(&self.catalog, tenant, name).await
    }

    /// The connection's row, and the head that the catalog remembers of it, asked for at one time.
    ///
    /// # Errors
    /// As [`Cell::connection`] and [`Cell::known_head`].
    pub async fn connection_and_head(
        &self,
        tenant: &TenantId,
        name: &ConnectionId,
    ) -> Result<(Connection, Option<CommitName>)> {
        let (connection, head) =
            futures::future::join(self.connection(tenant, name), self.catalog.head(tenant, name)).await;
        Ok((connection?, named(head?)?))
    }

    /// The connection's part of the stores.
    #[must_use]
    pub fn repository(&self, scope: &Scope) -> Repository {
        let keys: Arc<dyn domain::DataKeys> = Arc::new(self.vault.clone());
        Repository::new(&self.stores, scope.clone(), keys, Arc::clone(&self.clock), Arc::clone(&self.rng))
    }

    /// A grant for what is done.
    ///
    /// # Errors
    /// As [`Leave::grant`].
    pub async fn grant(&self, scope: &Scope, actions: &[Action], purpose: &str) -> Result<Grant> {
        self.leave.grant(scope, actions, purpose).await
    }

    /// The head that the catalog remembers.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn known_head(&self, scope: &Scope) -> Result<Option<CommitName>> {
        known_head(&self.catalog, scope).await
    }

    /// Takes the connection for writing.
    ///
    /// # Errors
    /// [`FlowError::Conflict`] while another command writes to it.
    pub async fn lease(&self, scope: &Scope) -> Result<HeldLease> {
        let (lock, failed) = lock_file(&self.dir, scope, "")?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(FlowError::Conflict(format!(
                    "another command is writing to `{}` just now; wait until it has ended, then try again",
                    scope.connection
                )));
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        // INVARIANT (one writer): the kernel's lock says that whoever held the catalog's lease here is gone.
        let request = LeaseRequest {
            holder: self.rng.next_id(),
            seen_generation: 0,
            now: self.clock.now(),
            ttl: LEASE_TTL,
        };
        let lease = self.catalog.seize_lease(&scope.tenant, &scope.connection, request).await?;
        Ok(HeldLease { _lock: lock, lease })
    }

    /// Waits until nobody else renews or replaces the connection's credential.
    pub(crate) async fn credential_lock(&self, scope: &Scope) -> Result<FileLock> {
        FileLock::of_credential(&self.dir, scope).await
    }

    /// The lease as the record store needs it: new commits are told to the catalog under it.
    ///
    /// # Errors
    /// When the catalog cannot be written.
    pub async fn writing(
        &self,
        scope: &Scope,
        grant: &Grant,
        held: &mut HeldLease,
    ) -> Result<repository::Lease> {
        // A generation is one more than the highest seen in catalog or store. Names tell it: whether a commit is
        // damaged matters only where the parent is chosen.
        let seen = self.repository(scope).highest_generation(grant, Action::Backup).await?;
        held.lease = self.catalog.raise_lease(&held.lease, seen).await?;
        let heads = CatalogHeads { catalog: self.catalog.clone(), lease: held.lease.clone() };
        Ok(repository::Lease { generation: held.generation(), heads: Some(Arc::new(heads)) })
    }

    /// Begins a snapshot. One that was committed and not noted in the catalog, because its process died between
    /// the two, is adopted first.
    ///
    /// # Errors
    /// When the store was rolled back, or cannot be read.
    pub async fn writer(&self, scope: &Scope, grant: &Grant, held: &mut HeldLease) -> Result<Writer> {
        let lease = self.writing(scope, grant, held).await?;
        Ok(self.repository(scope).begin(grant, &lease).await?)
    }

    /// Gives the connection back.
    ///
    /// # Errors
    /// When the catalog cannot be written; the lease then ends by itself.
    pub async fn release(&self, lease: HeldLease) -> Result<()> {
        Ok(self.catalog.release_lease(&lease.lease).await?)
    }
}

/// The catalog's head of one connection, under one lease.
struct CatalogHeads {
    catalog: catalog::Client,
    lease: Lease,
}

/// What a failure of the catalog is to the record store: a rival, damage, or a store that did not do what was asked.
fn catalog_failed(operation: &'static str, error: CatalogError) -> RepositoryError {
    let told = domain::with_causes(&error);
    match error.kind() {
        CatalogErrorKind::Conflict => return RepositoryError::Conflict(told),
        CatalogErrorKind::Damaged => {
            return RepositoryError::Damaged { object: "catalog".to_owned(), detail: told };
        }
        CatalogErrorKind::Refused
        | CatalogErrorKind::NotFound
        | CatalogErrorKind::Away
        | CatalogErrorKind::Unavailable => {}
    }
    let source = match error.kind() {
        CatalogErrorKind::Refused => {
            object_store::Error::PermissionDenied { path: "catalog".to_owned(), source: Box::new(error) }
        }
        CatalogErrorKind::Away => {
            object_store::Error::Generic { store: CATALOGS_SERVER, source: Box::new(error) }
        }
        _ => object_store::Error::Generic { store: "catalog", source: Box::new(error) },
    };
    RepositoryError::Store { operation, object: "catalog".to_owned(), source: Box::new(source) }
}

fn as_catalog_head(name: &CommitName) -> catalog::Head {
    catalog::Head { number: name.number, generation: name.generation.counter, commit: name.to_string() }
}

impl Heads for CatalogHeads {
    fn current(&self) -> BoxFuture<'_, repository::Result<Option<CommitName>>> {
        Box::pin(async move {
            let head = self.catalog.head(&self.lease.tenant, &self.lease.connection).await;
            head.map_err(|error| catalog_failed("read", error))?.map(|head| head.commit.parse()).transpose()
        })
    }

    fn holds(&self, lease: Generation) -> BoxFuture<'_, repository::Result<bool>> {
        Box::pin(async move {
            let newest = self.catalog.lease(&self.lease.tenant, &self.lease.connection).await;
            let newest = newest.map_err(|error| catalog_failed("read", error))?;
            let newest = newest.map(|newest| Generation { counter: newest.generation, lease: newest.holder });
            Ok(newest == Some(lease))
        })
    }

    fn advance<'a>(
        &'a self,
        lease: Generation,
        expected: Option<&'a CommitName>,
        new: &'a CommitName,
    ) -> BoxFuture<'a, repository::Result<bool>> {
        Box::pin(async move {
            if lease != (Generation { counter: self.lease.generation, lease: self.lease.holder }) {
                return Ok(false);
            }
            let (expected, new) = (expected.map(as_catalog_head), as_catalog_head(new));
            match self.catalog.advance_head_under(&self.lease, expected.as_ref(), &new).await {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == CatalogErrorKind::Conflict => Ok(false),
                Err(error) => Err(catalog_failed("write", error)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, repository_kind};

    #[test]
    fn a_failure_of_the_catalog_ends_a_command_as_it_does_elsewhere() {
        let check = |error: CatalogError, expected| {
            assert_eq!(crate::error::catalog_kind(&error), expected);
            assert_eq!(repository_kind(&catalog_failed("read", error)), expected);
        };
        check(CatalogError::Damaged { what: "a head".to_owned(), source: None }, ErrorKind::Integrity);
        check(CatalogError::LeaseLost("shop".to_owned()), ErrorKind::Conflict);
        check(CatalogError::NotPermitted("no policy permits it".to_owned()), ErrorKind::Refused);
        let away = serde_json::json!({ "kind": "away", "text": "the server is away" });
        check(CatalogError::Told(serde_json::from_value(away).unwrap()), ErrorKind::Unavailable);
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        check(CatalogError::File { doing: "write", path: "catalog.db".into(), source }, ErrorKind::Failed);
        let ended = |error| repository_kind(&RepositoryError::Key(error));
        assert_eq!(ended(domain::KeyError::Expired), ErrorKind::Failed);
        assert_eq!(ended(domain::KeyError::DoesNotOpen), ErrorKind::Integrity);
        assert_eq!(repository_kind(&RepositoryError::Stopped("panic".to_owned())), ErrorKind::Failed);
    }
}
