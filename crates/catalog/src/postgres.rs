//! PostgreSQL, version 15 and later: a database of a server.
//!
//! Every unit of work is one transaction at READ COMMITTED. What is compared and what is swapped is one statement,
//! or a row that the same transaction has locked by writing it; both look at the newest committed row, so of two
//! that race one finds that it lost. What the transaction may see is set with it, and ends with it.

use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Postgres, Transaction};

use crate::address::ServerAddress;
use crate::error::{CatalogError, Meaning, failed};
use crate::session::{Seen, Whose};

/// Most connections of one process. Commands that work on many connections' stores at once wait for a free one.
const CONNECTIONS_MAX: u32 = 8;
/// How long a call waits for a free connection, and for a server that does not take connections.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the tenant is called in a session of the cell. No tenant's name.
const CELL: &str = "*";
/// Under which number migrations wait for each other: "caretake" in ASCII.
const MIGRATION_LOCK: i64 = 0x6361_7265_7461_6b65;

/// Whether any migration was ever made: how many tables of that name there are.
pub(crate) const MIGRATED_SQL: &str = "SELECT count(*) AS tables FROM pg_tables WHERE schemaname = 'caretaker' AND tablename = 'schema_version'";
/// What the first migration finds. Who may use the schema is for the database's owner to say, once; what may be done
/// with each table is said by its migration, to everybody who may use the schema.
pub(crate) const GROUND_SQL: &str = "DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'caretaker') THEN
        CREATE SCHEMA caretaker;
    END IF;
END $$;
CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY);
GRANT SELECT ON schema_version TO PUBLIC";

/// What holds for one transaction. Nobody waits longer for a row than for SQLite's lock; a process that stands still
/// in the middle of a transaction holds its rows for a minute; and an acknowledged write is durable, whatever the
/// server does by itself.
const SESSION_SQL: &str = "SELECT set_config('caretaker.tenant', $1, true), \
     set_config('search_path', 'caretaker, pg_temp', true), \
     set_config('lock_timeout', '10s', true), \
     set_config('statement_timeout', '60s', true), \
     set_config('idle_in_transaction_session_timeout', '60s', true), \
     set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
     WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)";

/// Which platform's connections a transaction sees.
const PLATFORM_SQL: &str = "SELECT set_config('caretaker.platform', $1, true)";

/// Whether row security binds the role.
const UNBOUND_SQL: &str = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
/// A table of the catalog whose rows are not kept apart.
const OPEN_TABLE_SQL: &str = "SELECT relname::text FROM pg_class WHERE relnamespace = 'caretaker'::regnamespace \
     AND relkind IN ('r', 'p') AND relname <> 'schema_version' \
     AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname LIMIT 1";

pub(crate) async fn connect(address: &ServerAddress) -> Result<PgPool, CatalogError> {
    /// There is no such database.
    const ABSENT: &str = "3D000";
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(PATIENCE)
        // A connection that the server has closed is found before a statement is lost on it.
        .test_before_acquire(true)
        .connect_with(address.options())
        .await
        .map_err(|source| {
            let code = source.as_database_error().and_then(|told| told.code());
            if code.is_some_and(|code| code == ABSENT) {
                CatalogError::Missing(address.to_string())
            } else {
                failed("connect to the catalog")(source)
            }
        })
}

/// Refuses a role for which the tenants' rows would not be kept apart.
pub(crate) async fn is_bound(pool: &PgPool, address: &ServerAddress) -> Result<(), CatalogError> {
    let unbound: bool = sqlx::query_scalar(UNBOUND_SQL)
        .fetch_one(pool)
        .await
        .map_err(failed("ask for the catalog's role"))?;
    if unbound { Err(CatalogError::RoleUnbound(address.to_string())) } else { Ok(()) }
}

pub(crate) async fn reading(
    pool: &PgPool,
    seen: Seen<'_>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    begin(pool, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", seen).await
}

pub(crate) async fn writing(
    pool: &PgPool,
    seen: Seen<'_>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    begin(pool, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", seen).await
}

async fn begin(
    pool: &PgPool,
    statement: &'static str,
    seen: Seen<'_>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut transaction = pool.begin_with(statement).await?;
    let tenant = match seen.whose {
        Whose::Tenant(tenant) => tenant.as_str(),
        Whose::Cell => CELL,
    };
    // Where nothing is said, the role itself may be limited.
    if let Some(platform) = seen.platform {
        sqlx::query(PLATFORM_SQL).bind(platform.as_str()).execute(&mut *transaction).await?;
    }
    sqlx::query(SESSION_SQL).bind(tenant).execute(&mut *transaction).await?;
    Ok(transaction)
}

/// Begins a migration, after any other that is under way.
pub(crate) async fn migrating(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    sqlx::query("SELECT set_config('search_path', 'caretaker, pg_temp', true), pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}

/// Looks whether every table still keeps tenants apart. What lies on the disk, the server checks as it reads.
pub(crate) async fn check_integrity(pool: &PgPool) -> Result<(), CatalogError> {
    let open: Option<String> =
        sqlx::query_scalar(OPEN_TABLE_SQL).fetch_optional(pool).await.map_err(failed("check the catalog"))?;
    match open {
        None => Ok(()),
        Some(table) => Err(CatalogError::damaged(format!("table `{table}` has no row security"))),
    }
}

/// What an SQLSTATE means (PostgreSQL 15, appendix A).
pub(crate) fn meaning(code: &str) -> Meaning {
    match code {
        // Two transactions that wait for each other, or that no order would explain: one was taken back.
        "40001" | "40P01" => Meaning::Crossed,
        // A schema, table, column or function that the catalog has is not there.
        "3F000" | "42P01" | "42703" | "42883" => Meaning::Damaged,
        // The server found a page or an index that is not what was written.
        "XX001" | "XX002" => Meaning::Damaged,
        _ => Meaning::Unavailable,
    }
}
