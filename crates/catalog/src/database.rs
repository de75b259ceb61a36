//! The database behind the catalog: how it is made, opened and asked.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use domain::Platform;
use sqlx::sqlite::SqlitePool;

use crate::address::{CatalogAddress, Credential, ServerAddress};
use crate::error::{CatalogError, failed};
use crate::session::{Seen, Session, Whose};
use crate::sqlite::Journal;
use crate::{postgres, schema, sqlite};

/// The folder in the cell's directory that is the embedded catalog's own, and its file in there.
const FOLDER: &str = "catalog";
const FILE_NAME: &str = "catalog.db";

/// What a cell knows: its tenants, connections, snapshots, leases and restores.
///
/// Every question names its tenant; another tenant's things are not found.
#[derive(Debug, Clone)]
pub struct Catalog {
    database: Database,
    /// The platform whose connections alone it is asked about. A server's database holds it to that.
    limit: Option<Platform>,
}

/// Which schema a catalog has, and which this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaState {
    /// The catalog's schema; 0 is an empty one.
    pub found: u32,
    /// This version's schema.
    pub known: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(postgres::Server),
}

impl Database {
    async fn connect(address: &CatalogAddress, journal: Journal) -> Result<Self, CatalogError> {
        Ok(match address {
            CatalogAddress::Embedded(dir) => {
                Self::Sqlite(sqlite::connect(&Catalog::path(dir), journal).await?)
            }
            CatalogAddress::Server(address, credential) => {
                Self::Postgres(postgres::Server::new(address, credential))
            }
        })
    }

    pub(crate) async fn reading(&self, seen: Seen<'_>, doing: &'static str) -> Result<Session, CatalogError> {
        match self {
            Self::Sqlite(pool) => sqlite::reading(pool).await.map(Session::Sqlite).map_err(failed(doing)),
            Self::Postgres(server) => server.reading(seen, doing).await.map(Session::Postgres),
        }
    }

    pub(crate) async fn writing(&self, seen: Seen<'_>, doing: &'static str) -> Result<Session, CatalogError> {
        match self {
            Self::Sqlite(pool) => sqlite::writing(pool).await.map(Session::Sqlite).map_err(failed(doing)),
            Self::Postgres(server) => server.writing(seen, doing).await.map(Session::Postgres),
        }
    }

    /// Begins a migration, after any other that is under way.
    pub(crate) async fn migrating(&self, doing: &'static str) -> Result<Session, CatalogError> {
        match self {
            Self::Sqlite(pool) => sqlite::writing(pool).await.map(Session::Sqlite).map_err(failed(doing)),
            Self::Postgres(server) => server.migrating(doing).await.map(Session::Postgres),
        }
    }

    async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(server) => server.close().await,
        }
    }
}

impl Catalog {
    /// The folder that is the embedded catalog's own, of the cell at `dir`.
    #[must_use]
    pub fn folder(dir: &Path) -> PathBuf {
        dir.join(FOLDER)
    }

    /// The embedded catalog's file, of the cell at `dir`.
    #[must_use]
    pub fn path(dir: &Path) -> PathBuf {
        Self::folder(dir).join(FILE_NAME)
    }

    /// Makes the catalog of a new cell: a file with mode 0600, or the tables in a server's database. There, a schema
    /// that is made already but has no tenant yet is taken as it is: its owner may have made it for a role that may
    /// not.
    ///
    /// # Errors
    /// When there is one already, or when it cannot be written; [`CatalogError::RoleUnbound`] for a role of the server
    /// that sees every tenant's rows.
    pub async fn create(address: impl Into<CatalogAddress>) -> Result<Self, CatalogError> {
        match address.into() {
            CatalogAddress::Embedded(dir) => {
                new_file(&dir)?;
                let database =
                    Database::Sqlite(sqlite::connect(&Self::path(&dir), Journal::WriteAhead).await?);
                schema::migrate(&database).await?;
                Ok(Self { database, limit: None })
            }
            CatalogAddress::Server(address, credential) => {
                let server = postgres::Server::new(&address, &credential);
                server.is_bound().await?;
                let database = Database::Postgres(server);
                if schema::state(&database).await?.found == 0 {
                    schema::migrate(&database).await?;
                }
                schema::is_known(&database).await?;
                let catalog = Self { database, limit: None };
                if !catalog.tenants().await?.is_empty() {
                    return Err(CatalogError::Exists { what: "catalog", name: address.to_string() });
                }
                Ok(catalog)
            }
        }
    }

    /// Opens a cell's catalog.
    ///
    /// # Errors
    /// When there is none, when it is damaged, and when its schema is not this version's;
    /// [`CatalogError::RoleUnbound`] for a role of the server that sees every tenant's rows.
    pub async fn open(address: impl Into<CatalogAddress>) -> Result<Self, CatalogError> {
        let address = address.into();
        let database = Database::connect(&address, Journal::Kept).await?;
        if let Database::Postgres(server) = &database {
            server.is_bound().await?;
        }
        schema::is_known(&database).await?;
        Ok(Self { database, limit: None })
    }

    /// Which schema a cell's catalog has. Changes nothing.
    ///
    /// # Errors
    /// When there is no catalog, or when it is damaged.
    pub async fn schema(address: impl Into<CatalogAddress>) -> Result<SchemaState, CatalogError> {
        let database = Database::connect(&address.into(), Journal::Kept).await?;
        let state = schema::state(&database).await;
        database.close().await;
        state
    }

    /// Brings a cell's catalog to this version's schema, and says which it had. On a server, the role must own the
    /// schema `caretaker`, or be allowed to make it.
    ///
    /// # Errors
    /// When there is no catalog, when it is damaged, or when its schema is newer than this version's.
    pub async fn migrate(address: impl Into<CatalogAddress>) -> Result<SchemaState, CatalogError> {
        let database = Database::connect(&address.into(), Journal::WriteAhead).await?;
        let before = schema::migrate(&database).await;
        database.close().await;
        before
    }

    /// Lets an address's role use the schema `caretaker` of a server's database, whose owner is the one that asks.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is no such role.
    pub async fn admit(
        address: &ServerAddress,
        (owner, credential): (&ServerAddress, &Credential),
    ) -> Result<(), CatalogError> {
        let server = postgres::Server::new(owner, credential);
        let admitted = server.admit(address.user()).await;
        server.close().await;
        admitted
    }

    /// Ends it in good order: the embedded one is one file then.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// The same for whoever has to do with one platform alone.
    pub(crate) fn limited_to(&self, platform: Platform) -> Self {
        Self { database: self.database.clone(), limit: Some(platform) }
    }

    fn seen<'s>(&'s self, whose: Whose<'s>) -> Seen<'s> {
        Seen { whose, platform: self.limit.as_ref() }
    }

    pub(crate) async fn check_integrity(&self) -> Result<(), CatalogError> {
        match &self.database {
            Database::Sqlite(pool) => sqlite::check_integrity(pool).await,
            Database::Postgres(server) => server.check_integrity().await,
        }
    }

    /// Begins a migration, after any other that is under way.
    pub(crate) async fn migrating(&self, doing: &'static str) -> Result<Session, CatalogError> {
        self.database.migrating(doing).await
    }

    /// Begins to ask.
    pub(crate) async fn reading(
        &self,
        whose: Whose<'_>,
        doing: &'static str,
    ) -> Result<Session, CatalogError> {
        self.database.reading(self.seen(whose), doing).await
    }

    /// Begins to change.
    pub(crate) async fn writing(
        &self,
        whose: Whose<'_>,
        doing: &'static str,
    ) -> Result<Session, CatalogError> {
        self.database.writing(self.seen(whose), doing).await
    }
}

/// Makes the empty file in its folder, durably.
fn new_file(dir: &Path) -> Result<(), CatalogError> {
    let (folder, path) = (Catalog::folder(dir), Catalog::path(dir));
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => {
                CatalogError::Exists { what: "catalog", name: path.display().to_string() }
            }
            _ => CatalogError::File { doing, path, source },
        }
    };
    // A folder that is left of an attempt before is as good as a new one.
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("make", &folder)(error)),
        _ => Ok(()),
    }?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed("make", &path))?;
    for made in [&*folder, dir] {
        File::open(made).and_then(|made| made.sync_all()).map_err(failed("sync", made))?;
    }
    Ok(())
}
