//! PostgreSQL, version 15 and later: a database of a server.
//!
//! Every unit of work is one transaction at READ COMMITTED. What is compared and what is swapped is one statement,
//! or a row that the same transaction has locked by writing it; both look at the newest committed row, so of two
//! that race one finds that it lost. What the transaction may see is set with it, and ends with it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use std::{fmt, io};

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use transport::{Identities, Identity};

use crate::address::{Credential, ServerAddress};
use crate::error::{self, CatalogError, Meaning, failed};
use crate::session::{Seen, Whose};

/// Most connections of one process. Commands that work on many connections' stores at once wait for a free one.
const CONNECTIONS_MAX: u32 = 8;
/// How long a call waits for a free connection, and for a server that does not take connections.
const PATIENCE: Duration = Duration::from_secs(10);
/// A server that has just gone is asked again so often, and after so long.
const TRIES_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);
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

const WRITING_SQL: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// Whose rows a transaction sees from here on.
const TENANT_SQL: &str = "SELECT set_config('caretaker.tenant', $1, true)";
/// Which platform's connections a transaction sees.
const PLATFORM_SQL: &str = "SELECT set_config('caretaker.platform', $1, true)";

/// Whether row security binds the role.
const UNBOUND_SQL: &str = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
/// A table of the catalog whose rows are not kept apart.
const OPEN_TABLE_SQL: &str = "SELECT relname::text FROM pg_class WHERE relnamespace = 'caretaker'::regnamespace \
     AND relkind IN ('r', 'p') AND relname <> 'schema_version' \
     AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname LIMIT 1";

/// A server, as one process speaks to it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    address: Arc<ServerAddress>,
    login: Arc<Login>,
}

/// By what it lets this process in, and the connections that it gave for that.
enum Login {
    Password(PgPool),
    Certificate { identities: Identities, shown: RwLock<Shown> },
}

/// Connections that were made with one certificate.
struct Shown {
    identity: Arc<Identity>,
    pool: PgPool,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::Certificate { .. } => "Certificate",
        })
    }
}

/// Makes connections as they are needed.
fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(PATIENCE)
        // A connection that the server has closed is found before a statement is lost on it.
        .test_before_acquire(true)
        .connect_lazy_with(options)
}

/// Waits a little for a server that has just gone, as the client's library does for one that takes no connections.
#[expect(clippy::disallowed_methods, reason = "the library's own waiting has no other handle either")]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

impl Server {
    /// A server, which is asked for nothing yet.
    pub(crate) fn new(address: &ServerAddress, credential: &Credential) -> Self {
        let login = match credential {
            Credential::Password(password) => Login::Password(pool(address.options_with_password(password))),
            Credential::Certificate(identities) => {
                let identity = identities.newest();
                let pool = pool(address.options_with_certificate(&identity));
                Login::Certificate { identities: identities.clone(), shown: Shown { identity, pool }.into() }
            }
        };
        Self { address: Arc::new(address.clone()), login: Arc::new(login) }
    }

    /// The connections of the newest certificate. Those of one before end as they come to rest.
    // INVARIANT (no longer than the certificate): a connection that a certificate got is gone once there is a newer one.
    fn pool(&self) -> PgPool {
        let (identities, shown) = match &*self.login {
            Login::Password(pool) => return pool.clone(),
            Login::Certificate { identities, shown } => (identities, shown),
        };
        let newest = identities.newest();
        {
            let shown = shown.read().unwrap_or_else(PoisonError::into_inner);
            if Arc::ptr_eq(&shown.identity, &newest) {
                return shown.pool.clone();
            }
        }
        let mut shown = shown.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&shown.identity, &newest) {
            let pool = pool(self.address.options_with_certificate(&newest));
            let before = std::mem::replace(&mut *shown, Shown { identity: newest, pool });
            tokio::spawn(async move { before.pool.close().await });
        }
        shown.pool.clone()
    }

    /// What the server must be told, where it does not let this process in.
    fn needs(&self) -> String {
        match &*self.login {
            Login::Password(_) => {
                let user = self.address.user();
                format!(
                    "look whether its role `{user}` has that password, and whether pg_hba.conf lets it in by one over TLS"
                )
            }
            Login::Certificate { identities, .. } => {
                self.address.admission(&identities.newest().id).to_string()
            }
        }
    }

    /// Why a transaction did not begin.
    fn not_begun(&self, doing: &'static str, source: sqlx::Error) -> CatalogError {
        let address = self.address.to_string();
        match error::meaning(&source) {
            Meaning::Missing => CatalogError::Missing(address),
            Meaning::NotAdmitted => CatalogError::NotAdmitted { address, needs: self.needs(), source },
            Meaning::Unverified => CatalogError::Unverified { address, source },
            Meaning::Gone => CatalogError::Away { doing, address, source },
            _ if matches!(source, sqlx::Error::PoolTimedOut) => CatalogError::Away { doing, address, source },
            _ => failed(doing)(source),
        }
    }

    pub(crate) async fn reading(
        &self,
        seen: Seen<'_>,
        doing: &'static str,
    ) -> Result<Transaction<'static, Postgres>, CatalogError> {
        self.begin("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", Some(seen), doing).await
    }

    pub(crate) async fn writing(
        &self,
        seen: Seen<'_>,
        doing: &'static str,
    ) -> Result<Transaction<'static, Postgres>, CatalogError> {
        self.begin(WRITING_SQL, Some(seen), doing).await
    }

    /// Begins a migration, after any other that is under way.
    pub(crate) async fn migrating(
        &self,
        doing: &'static str,
    ) -> Result<Transaction<'static, Postgres>, CatalogError> {
        let mut transaction = self.begin(WRITING_SQL, None, doing).await?;
        sqlx::query(
            "SELECT set_config('search_path', 'caretaker, pg_temp', true), pg_advisory_xact_lock($1)",
        )
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed(doing))?;
        Ok(transaction)
    }

    /// Begins a transaction. A server that has just gone is given the time to come back: nothing was asked of it yet.
    async fn begin(
        &self,
        statement: &'static str,
        seen: Option<Seen<'_>>,
        doing: &'static str,
    ) -> Result<Transaction<'static, Postgres>, CatalogError> {
        let mut tried = 0;
        loop {
            let source = match self.begin_once(statement, seen).await {
                Ok(transaction) => return Ok(transaction),
                Err(source) => source,
            };
            // Connections of a certificate that was renewed meanwhile are closed.
            let is_gone =
                matches!(source, sqlx::Error::PoolClosed) || error::meaning(&source) == Meaning::Gone;
            if !is_gone || tried == TRIES_MAX {
                return Err(self.not_begun(doing, source));
            }
            tried += 1;
            pause().await;
        }
    }

    async fn begin_once(
        &self,
        statement: &'static str,
        seen: Option<Seen<'_>>,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut transaction = self.pool().begin_with(statement).await?;
        let Some(Seen { whose, platform }) = seen else { return Ok(transaction) };
        // Where nothing is said, the role itself may be limited.
        if let Some(platform) = platform {
            sqlx::query(PLATFORM_SQL).bind(platform.as_str()).execute(&mut *transaction).await?;
        }
        sqlx::query(SESSION_SQL).bind(whose_name(whose)).execute(&mut *transaction).await?;
        Ok(transaction)
    }

    pub(crate) async fn close(&self) {
        self.pool().close().await;
    }

    /// Refuses a role for which the tenants' rows would not be kept apart.
    pub(crate) async fn is_bound(&self) -> Result<(), CatalogError> {
        const DOING: &str = "connect to the catalog";
        let mut transaction = self.begin(WRITING_SQL, None, DOING).await?;
        let unbound: bool =
            sqlx::query_scalar(UNBOUND_SQL).fetch_one(&mut *transaction).await.map_err(failed(DOING))?;
        if unbound { Err(CatalogError::RoleUnbound(self.address.to_string())) } else { Ok(()) }
    }

    /// Lets a role of the server use the catalog. Its name was looked at: it has no letter that means something in SQL.
    pub(crate) async fn admit(&self, user: &str) -> Result<(), CatalogError> {
        const DOING: &str = "let the role use the catalog";
        /// There is no such role.
        const UNDEFINED: &str = "42704";
        let mut transaction = self.begin(WRITING_SQL, None, DOING).await?;
        let admit = AssertSqlSafe(format!("GRANT USAGE ON SCHEMA caretaker TO \"{user}\""));
        let admitted = sqlx::query(admit).execute(&mut *transaction).await;
        admitted.map_err(|source| match source.as_database_error().and_then(|told| told.code()) {
            Some(code) if code == UNDEFINED => CatalogError::not_found("role", &user),
            _ => failed(DOING)(source),
        })?;
        transaction.commit().await.map_err(failed(DOING))
    }

    /// Looks whether every table still keeps tenants apart. What lies on the disk, the server checks as it reads.
    pub(crate) async fn check_integrity(&self) -> Result<(), CatalogError> {
        const DOING: &str = "check the catalog";
        let mut transaction = self.begin(WRITING_SQL, None, DOING).await?;
        let open: Option<String> = sqlx::query_scalar(OPEN_TABLE_SQL)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(DOING))?;
        match open {
            None => Ok(()),
            Some(table) => Err(CatalogError::damaged(format!("table `{table}` has no row security"))),
        }
    }
}

pub(crate) fn whose_name<'w>(whose: Whose<'w>) -> &'w str {
    match whose {
        Whose::Tenant(tenant) => tenant.as_str(),
        Whose::Cell => CELL,
    }
}

/// Shows a transaction other rows from here on.
pub(crate) async fn turn_to(
    transaction: &mut Transaction<'static, Postgres>,
    whose: Whose<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(TENANT_SQL).bind(whose_name(whose)).execute(&mut **transaction).await.map(drop)
}

/// What a failure of the network means: an end that is gone, or one that is not believed, or does not believe us.
pub(crate) fn network_meaning(error: &io::Error) -> Meaning {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        // What ends a handshake on the server's side is what we showed.
        Some(rustls::Error::AlertReceived(_)) => Meaning::NotAdmitted,
        Some(_) => Meaning::Unverified,
        None => Meaning::Gone,
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
        // There is no such database; the role may not connect, or has another password.
        "3D000" => Meaning::Missing,
        "28000" | "28P01" => Meaning::NotAdmitted,
        // It shuts down, or starts; it has as many connections as it takes.
        "57P01" | "57P02" | "57P03" | "53300" => Meaning::Gone,
        _ => Meaning::Unavailable,
    }
}
