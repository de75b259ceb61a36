//! SQLite: a file in the cell's directory.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Sqlite, Transaction};

use crate::error::{CatalogError, Meaning, failed};

/// How long a writer waits for another process's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Whether any migration was ever made: how many tables of that name there are.
pub(crate) const MIGRATED_SQL: &str =
    "SELECT count(*) AS tables FROM sqlite_master WHERE name = 'schema_version'";
/// What the first migration finds.
pub(crate) const GROUND_SQL: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)";

pub(crate) enum Journal {
    /// As the file has it.
    Kept,
    /// Write-ahead, for a file that is new or about to be migrated. The file remembers it.
    WriteAhead,
}

pub(crate) async fn connect(path: &Path, journal: Journal) -> Result<SqlitePool, CatalogError> {
    if !path.exists() {
        return Err(CatalogError::Missing(path.display().to_string()));
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

pub(crate) async fn reading(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    pool.begin().await
}

/// Takes the write lock at once: a transaction that took it later could find that what it has read is out of date.
pub(crate) async fn writing(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    pool.begin_with("BEGIN IMMEDIATE").await
}

/// Reads the whole file and compares its indexes.
pub(crate) async fn check_integrity(pool: &SqlitePool) -> Result<(), CatalogError> {
    let first: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(pool)
        .await
        .map_err(failed("check the catalog"))?;
    if first == "ok" { Ok(()) } else { Err(CatalogError::damaged(first)) }
}

/// What a result code means, with its message: that a table or a column is not there is told in words only.
pub(crate) fn meaning(code: &str, message: &str) -> Meaning {
    /// Of many causes.
    const ERROR: i32 = 1;
    /// The file is not what was written: corrupt, and not a database.
    const DAMAGED: [i32; 2] = [11, 26];
    // The low byte is the primary code; what is above it says more than anybody asks for.
    match code.parse::<i32>().map(|code| code & 0xff) {
        Ok(code) if DAMAGED.contains(&code) => Meaning::Damaged,
        Ok(ERROR) if message.starts_with("no such ") => Meaning::Damaged,
        _ => Meaning::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_a_caller_does_next() {
        for (code, message, expected) in [
            ("11", "", Meaning::Damaged),
            ("267", "", Meaning::Damaged), // A corruption with its detail.
            ("26", "", Meaning::Damaged),
            ("1", "no such table: head", Meaning::Damaged),
            ("1", "near \"x\": syntax error", Meaning::Unavailable),
            ("5", "database is locked", Meaning::Unavailable),
            ("13", "database or disk is full", Meaning::Unavailable),
        ] {
            assert_eq!(meaning(code, message), expected, "{code} {message}");
        }
    }
}
