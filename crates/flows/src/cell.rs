//! What every flow works with: one cell's stores, catalog and vault, and the principal that has signed in.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, Connection, Lease, LeaseRequest};
use domain::{Action, Clock, ConnectionId, Grant, Ids as _, Region, Rng, Scope, TenantId};
use repository::{CommitName, Generation, Head, Repository, Stores, Writer, Written};
use rustix::fs::FlockOperation;
use vault::{SignedIn, Vault};

use crate::error::{FlowError, Result};

/// A grant given for one command lasts so long; the vault gives none for longer.
const GRANT_TTL: Duration = vault::GRANT_TTL_MAX;
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
    pub vault: Arc<Vault>,
    /// Who has signed in.
    pub operator: SignedIn,
    /// Connections, heads, leases, restores.
    pub catalog: Catalog,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
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

impl Cell {
    /// The connection's row.
    ///
    /// # Errors
    /// Not found: also for another tenant's.
    pub async fn connection(&self, tenant: &TenantId, name: &ConnectionId) -> Result<Connection> {
        Ok(self.catalog.connection(tenant, name).await?)
    }

    /// The connection's part of the stores.
    #[must_use]
    pub fn repository(&self, scope: &Scope) -> Repository {
        let keys: Arc<dyn domain::DataKeys> = self.vault.clone();
        Repository::new(&self.stores, scope.clone(), keys, Arc::clone(&self.clock), Arc::clone(&self.rng))
    }

    /// A grant for this command.
    ///
    /// # Errors
    /// When the vault refuses, or its record cannot be written.
    pub async fn grant(&self, scope: &Scope, actions: &[Action], purpose: &str) -> Result<Grant> {
        Ok(self.operator.grant(&scope.tenant, &scope.connection, actions, purpose, GRANT_TTL).await?)
    }

    /// The head that the catalog remembers.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn known_head(&self, scope: &Scope) -> Result<Option<CommitName>> {
        let head = self.catalog.head(&scope.tenant, &scope.connection).await?;
        head.map(|head| Ok(head.commit.parse()?)).transpose()
    }

    /// Takes the connection for writing.
    ///
    /// # Errors
    /// [`FlowError::Conflict`] while another command writes to it.
    pub async fn lease(&self, scope: &Scope) -> Result<HeldLease> {
        let folder = self.dir.join("lock");
        let path = folder.join(format!("{}.{}", scope.tenant, scope.connection));
        let file = |source| FlowError::File { operation: "lock", path: path.display().to_string(), source };
        std::fs::create_dir_all(&folder).map_err(file)?;
        let lock =
            std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(file)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(FlowError::Conflict(format!(
                    "another command is writing to `{}` just now; wait until it has ended, then try again",
                    scope.connection
                )));
            }
            Err(errno) => return Err(file(errno.into())),
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

    /// Begins a snapshot. A snapshot that was committed and not noted in the catalog, because its process died
    /// between the two, is adopted first.
    ///
    /// # Errors
    /// When the store was rolled back, or cannot be read.
    pub async fn writer(&self, scope: &Scope, grant: &Grant, lease: &mut HeldLease) -> Result<Writer> {
        let repository = self.repository(scope);
        let known = self.known_head(scope).await?;
        let newest = repository.head(grant, Action::Backup).await?;
        let seen = newest.as_ref().map_or(0, |head| head.name.generation.counter);
        lease.lease = self.catalog.raise_lease(&lease.lease, seen).await?;
        let writer = repository.writer(grant, lease.generation(), known.as_ref()).await?;
        if let Some(newest) = &newest
            && known.as_ref() != Some(&newest.name)
        {
            self.advance(scope, newest).await?;
        }
        Ok(writer)
    }

    /// Commits, and notes the new head in the catalog.
    ///
    /// # Errors
    /// When the store fails: nothing of the snapshot is seen. When the catalog fails: the snapshot stands and
    /// is adopted by the next command.
    pub async fn commit(&self, scope: &Scope, writer: Writer) -> Result<Written> {
        let written = writer.commit().await?;
        self.advance(scope, &written.head).await?;
        Ok(written)
    }

    async fn advance(&self, scope: &Scope, head: &Head) -> Result<()> {
        let expected = self.catalog.head(&scope.tenant, &scope.connection).await?;
        let new = catalog::Head {
            number: head.name.number,
            generation: head.name.generation.counter,
            commit: head.name.to_string(),
        };
        Ok(self.catalog.advance_head(&scope.tenant, &scope.connection, expected.as_ref(), &new).await?)
    }

    /// Gives the connection back.
    ///
    /// # Errors
    /// When the catalog cannot be written; the lease then ends by itself.
    pub async fn release(&self, lease: HeldLease) -> Result<()> {
        Ok(self.catalog.release_lease(&lease.lease).await?)
    }
}
