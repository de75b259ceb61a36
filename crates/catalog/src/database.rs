//! The database behind the catalog: how it is made, opened and spoken to. What differs between SQLite and
//! PostgreSQL stands here and in the migrations; every other module keeps to SQL that both understand.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite, Transaction};

use crate::error::CatalogError;
use crate::schema;

/// The database that the SQL of this crate is sent to.
pub(crate) type Db = Sqlite;
/// One row of an answer.
pub(crate) type Row = sqlx::sqlite::SqliteRow;

/// The file's name in the cell's directory.
const FILE_NAME: &str = "catalog.db";
/// How long a writer waits for another process's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a cell knows: its tenants, connections, snapshots, leases and restores.
///
/// Every question names its tenant; another tenant's things are not found.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(crate) pool: SqlitePool,
}

/// Which schema a catalog has, and which this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaState {
    /// The catalog's schema; 0 is an empty one.
    pub found: u32,
    /// This version's schema.
    pub known: u32,
}

/// Turns what the database said into what a caller does next.
pub(crate) fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> CatalogError {
    /// SQLite's primary result codes that mean: the file is not what was written.
    const DAMAGED: [i32; 2] = [11 /* corrupt */, 26 /* not a database */];
    /// Of many causes; that a table or a column is not there is told in words only.
    const ERROR: i32 = 1;
    move |source| {
        let told = source.as_database_error();
        let code = told.and_then(|error| error.code()?.parse::<i32>().ok()).map(|code| code & 0xff);
        let absent = told.is_some_and(|error| error.message().starts_with("no such "));
        match code {
            Some(code) if DAMAGED.contains(&code) || (code == ERROR && absent) => {
                CatalogError::Damaged { what: format!("could not {doing}"), source: Some(source) }
            }
            None if matches!(source, sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_)) => {
                CatalogError::Damaged { what: format!("could not {doing}"), source: Some(source) }
            }
            _ => CatalogError::Unavailable { doing, source },
        }
    }
}

enum Journal {
    /// As the file has it.
    Kept,
    /// Write-ahead, for a file that is new or about to be migrated. The file remembers it.
    WriteAhead,
}

async fn connect(path: &Path, journal: Journal) -> Result<SqlitePool, CatalogError> {
    if !path.exists() {
        return Err(CatalogError::Missing(path.into()));
    }
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    if matches!(journal, Journal::WriteAhead) {
        options = options.journal_mode(SqliteJournalMode::Wal);
    }
    // One connection: a process asks one thing at a time, and a second one would double the time to open.
    SqlitePoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(failed("open the catalog"))
}

impl Catalog {
    /// Where the catalog of the cell at `dir` lies.
    #[must_use]
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(FILE_NAME)
    }

    /// Makes the catalog of a new cell at `dir`, with mode 0600.
    ///
    /// # Errors
    /// When there is one already, or when it cannot be written.
    pub async fn create(dir: &Path) -> Result<Self, CatalogError> {
        let path = Self::path(dir);
        let file = |doing| {
            let path = path.clone();
            move |source: io::Error| match source.kind() {
                io::ErrorKind::AlreadyExists => {
                    CatalogError::Exists { what: "catalog", name: path.display().to_string() }
                }
                _ => CatalogError::File { doing, path, source },
            }
        };
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(file("make"))?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(file("sync the directory of"))?;
        let pool = connect(&path, Journal::WriteAhead).await?;
        schema::migrate(&pool).await?;
        Ok(Self { pool })
    }

    /// Opens the catalog of the cell at `dir`.
    ///
    /// # Errors
    /// When there is none, when it is damaged, and when its schema is not this version's.
    pub async fn open(dir: &Path) -> Result<Self, CatalogError> {
        let pool = connect(&Self::path(dir), Journal::Kept).await?;
        let SchemaState { found, known } = schema::state(&pool).await?;
        match found.cmp(&known) {
            std::cmp::Ordering::Less => Err(CatalogError::SchemaOlder { found, known }),
            std::cmp::Ordering::Greater => Err(CatalogError::SchemaNewer { found, known }),
            std::cmp::Ordering::Equal => Ok(Self { pool }),
        }
    }

    /// Which schema the catalog of the cell at `dir` has. Changes nothing.
    ///
    /// # Errors
    /// When there is no catalog, or when it is damaged.
    pub async fn schema(dir: &Path) -> Result<SchemaState, CatalogError> {
        let pool = connect(&Self::path(dir), Journal::Kept).await?;
        let state = schema::state(&pool).await;
        pool.close().await;
        state
    }

    /// Brings the catalog of the cell at `dir` to this version's schema, and says which it had.
    ///
    /// # Errors
    /// When there is no catalog, when it is damaged, or when its schema is newer than this version's.
    pub async fn migrate(dir: &Path) -> Result<SchemaState, CatalogError> {
        let pool = connect(&Self::path(dir), Journal::WriteAhead).await?;
        let before = schema::migrate(&pool).await;
        pool.close().await;
        before
    }

    /// Reads the whole file and compares its indexes, for `doctor`.
    ///
    /// # Errors
    /// [`CatalogError::Damaged`] with the first thing that does not fit.
    pub async fn check_integrity(&self) -> Result<(), CatalogError> {
        let first: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
            .fetch_one(&self.pool)
            .await
            .map_err(failed("check the catalog"))?;
        if first == "ok" { Ok(()) } else { Err(CatalogError::damaged(first)) }
    }

    /// Begins a transaction that will write. It takes the write lock at once: one that took it later could find
    /// that what it has read is out of date.
    pub(crate) async fn begin(&self, doing: &'static str) -> Result<Transaction<'_, Db>, CatalogError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))
    }
}
