//! The databases on which the suite runs, and a place for one catalog in each.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use catalog::{Catalog, CatalogAddress, Password, SchemaState, ServerAddress};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};

/// Who owns the tables, who uses them, and who does so for one platform alone (scripts/postgres-up).
pub(crate) const OWNER: &str = "caretaker_owner";
pub(crate) const SERVICE: &str = "caretaker_service";
pub(crate) const SHOPIFY: &str = "caretaker_shopify";

pub(crate) enum Backend {
    Embedded,
    /// An embedded one, which is asked over a channel.
    Channel,
    Postgres(Server),
}

/// A server that somebody started.
#[derive(Clone)]
pub(crate) struct Server(HashMap<String, String>);

impl Backend {
    /// The server that `make test` started; `None` where nobody did.
    pub(crate) fn postgres() -> Option<Self> {
        const VARIABLE: &str = "CARETAKER_TEST_POSTGRES";
        let Ok(told) = std::env::var(VARIABLE) else {
            eprintln!("skipped: {VARIABLE} is not set; `make test` starts the server");
            return None;
        };
        Some(Self::Postgres(Server::told(&told)))
    }

    /// Notes for `make test` that a test of the suite ran to its end.
    pub(crate) fn done(&self) {
        if let (Self::Postgres(_), Some(path)) = (self, std::env::var_os("CARETAKER_SUITES")) {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            writeln!(file, "catalog-postgres").unwrap();
        }
    }
}

impl Server {
    /// What scripts/postgres-up printed.
    pub(crate) fn told(text: &str) -> Self {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("the server was told without `{key}`"))
    }

    pub(crate) fn url(&self, role: &str, host: &str, database: &str) -> String {
        format!("postgres://{role}@{host}:{}/{database}", self.get("port"))
    }

    pub(crate) fn address(&self, role: &str, database: &str) -> CatalogAddress {
        let url = self.url(role, "localhost", database);
        self.with_password(ServerAddress::new(&url, Some(&self.certificate("authority"))).unwrap())
    }

    /// An address, with the password that all roles have.
    pub(crate) fn with_password(&self, address: ServerAddress) -> CatalogAddress {
        address.with(Password::new(self.get("password").to_owned()))
    }

    /// The certificate of one of the authorities, as PEM.
    pub(crate) fn certificate(&self, authority: &str) -> Vec<u8> {
        std::fs::read(self.get(authority)).unwrap()
    }

    /// A connection of the catalog's back. It waits for no lock for ever.
    pub(crate) async fn connect(&self, role: &str, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .host("localhost")
            .port(self.get("port").parse().unwrap())
            .username(role)
            .password(self.get("password"))
            .database(database)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(self.get("authority"));
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        sqlx::query("SET search_path TO caretaker").execute(&mut connection).await.unwrap();
        connection
    }
}

/// Where one catalog is, or will be.
pub(crate) enum Place {
    Directory(tempfile::TempDir),
    Database { server: Server, name: String },
}

/// The database behind the catalog's back, as one who may do anything.
pub(crate) enum Behind {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Place {
    /// A place of its own, with nothing in it.
    pub(crate) async fn new(backend: &Backend) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        match backend {
            Backend::Embedded | Backend::Channel => Self::Directory(tempfile::tempdir().unwrap()),
            Backend::Postgres(server) => {
                let name = format!("cell_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
                let make = AssertSqlSafe(format!("CREATE DATABASE {name} OWNER {OWNER}"));
                let mut admin = server.connect("admin", "postgres").await;
                sqlx::raw_sql(make).execute(&mut admin).await.unwrap();
                Self::Database { server: server.clone(), name }
            }
        }
    }

    /// The address by which the catalog is used.
    pub(crate) fn address(&self) -> CatalogAddress {
        self.address_for(SERVICE)
    }

    /// The address by which it is made and migrated.
    pub(crate) fn owners_address(&self) -> CatalogAddress {
        self.address_for(OWNER)
    }

    pub(crate) fn address_for(&self, role: &str) -> CatalogAddress {
        match self {
            Self::Directory(dir) => dir.path().into(),
            Self::Database { server, name } => server.address(role, name),
        }
    }

    /// Makes the catalog, for whoever uses it.
    pub(crate) async fn create(&self) {
        Catalog::create(self.owners_address()).await.unwrap();
        self.admit().await;
    }

    /// Migrates the catalog, for whoever uses it.
    pub(crate) async fn migrate(&self) -> SchemaState {
        let before = Catalog::migrate(self.owners_address()).await.unwrap();
        self.admit().await;
        before
    }

    /// What the owner of a database says once.
    async fn admit(&self) {
        if let Self::Database { server, name } = self {
            let mut owner = server.connect(OWNER, name).await;
            for role in [SERVICE, SHOPIFY] {
                let admit = AssertSqlSafe(format!("GRANT USAGE ON SCHEMA caretaker TO {role}"));
                sqlx::raw_sql(admit).execute(&mut owner).await.unwrap();
            }
        }
    }

    /// What another process needs to know to find it.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Directory(dir) => dir.path().to_str().unwrap().to_owned(),
            Self::Database { name, .. } => name.clone(),
        }
    }

    /// Where a place is of which another process told.
    pub(crate) fn of(backend: &Backend, told: &str) -> CatalogAddress {
        match backend {
            Backend::Embedded | Backend::Channel => Path::new(told).into(),
            Backend::Postgres(server) => server.address(SERVICE, told),
        }
    }

    /// An address of this kind where there is nothing, and nothing is made.
    pub(crate) fn nowhere(&self) -> CatalogAddress {
        match self {
            Self::Directory(dir) => dir.path().join("nowhere").as_path().into(),
            Self::Database { server, .. } => server.address(SERVICE, "nowhere"),
        }
    }

    pub(crate) async fn behind(&self) -> Behind {
        match self {
            Self::Directory(dir) => {
                let options = SqliteConnectOptions::new().filename(Catalog::path(dir.path()));
                Behind::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
            Self::Database { server, name } => Behind::Postgres(server.connect("admin", name).await),
        }
    }
}

impl Behind {
    pub(crate) async fn execute(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            Self::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
        }
        .unwrap();
    }

    /// What differs between the two.
    pub(crate) fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self::Database { server, name } = self else { return };
        let (server, name) = (server.clone(), name.clone());
        // A drop cannot wait, a thread with a runtime of its own can.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut admin = server.connect("admin", "postgres").await;
                let remove = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
                sqlx::raw_sql(remove).execute(&mut admin).await.unwrap();
            });
        })
        .join();
        if !std::thread::panicking() {
            dropped.unwrap();
        }
    }
}
