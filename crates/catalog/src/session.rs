//! A unit of work: what is asked or changed together, for one tenant or for the whole cell.
//!
//! One set of queries serves both databases. They are told apart here, where a statement is sent and a column is
//! read, and in the two modules that connect.

use domain::{Platform, TenantId};
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Decode, Encode, Row as _, Transaction, Type};

use crate::error::{CatalogError, failed};

/// For whom something is asked. PostgreSQL shows a session the rows of this one alone.
#[derive(Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// One tenant.
    Tenant(&'a TenantId),
    /// Whoever runs the cell: its list of tenants, and the ways into its own stores. No tenant's rows.
    Cell,
}

/// What a transaction sees: whose rows, and of one platform alone where it says so.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) whose: Whose<'a>,
    pub(crate) platform: Option<&'a Platform>,
}

/// A transaction. Dropped without a commit, it has changed nothing.
pub(crate) enum Session {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A statement with its values.
pub(crate) enum Query<'s> {
    Sqlite(&'s mut SqliteConnection, sqlx::query::Query<'static, Sqlite, SqliteArguments>),
    Postgres(&'s mut PgConnection, sqlx::query::Query<'static, Postgres, PgArguments>),
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What both databases take as a value.
pub(crate) trait Value<'t>:
    Encode<'t, Sqlite> + Type<Sqlite> + Encode<'t, Postgres> + Type<Postgres>
{
}
impl<'t, T: Encode<'t, Sqlite> + Type<Sqlite> + Encode<'t, Postgres> + Type<Postgres>> Value<'t> for T {}

/// What both databases give as a column.
pub(crate) trait Column<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}
impl<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>> Column<'r> for T {}

impl Session {
    /// A statement, with its values as `$1`, `$2`, … No value ever stands in its text.
    pub(crate) fn query(&mut self, sql: &'static str) -> Query<'_> {
        match self {
            Self::Sqlite(transaction) => Query::Sqlite(transaction, sqlx::query(sql)),
            Self::Postgres(transaction) => Query::Postgres(transaction, sqlx::query(sql)),
        }
    }

    /// What the databases say differently.
    pub(crate) fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// Several statements without values, one after another.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => sqlx::raw_sql(sql).execute(&mut **transaction).await.map(drop),
            Self::Postgres(transaction) => sqlx::raw_sql(sql).execute(&mut **transaction).await.map(drop),
        }
    }

    /// Makes what was changed durable, all of it.
    pub(crate) async fn commit(self, doing: &'static str) -> Result<(), CatalogError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
        .map_err(|source| match failed(doing)(source) {
            CatalogError::Lost { doing, source } => CatalogError::Unsure { doing, source },
            error => error,
        })
    }
}

impl Query<'_> {
    /// The next value.
    pub(crate) fn bind<'t>(self, value: impl Value<'t>) -> Self {
        match self {
            Self::Sqlite(connection, query) => Self::Sqlite(connection, query.bind(value)),
            Self::Postgres(connection, query) => Self::Postgres(connection, query.bind(value)),
        }
    }

    /// Changes something, and says how many rows that were.
    pub(crate) async fn execute(self) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(connection, query) => Ok(query.execute(connection).await?.rows_affected()),
            Self::Postgres(connection, query) => Ok(query.execute(connection).await?.rows_affected()),
        }
    }

    /// The row that there must be.
    pub(crate) async fn fetch_one(self) -> Result<Row, sqlx::Error> {
        self.fetch_optional().await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// The row, if there is one.
    pub(crate) async fn fetch_optional(self) -> Result<Option<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(connection, query) => Ok(query.fetch_optional(connection).await?.map(Row::Sqlite)),
            Self::Postgres(connection, query) => {
                Ok(query.fetch_optional(connection).await?.map(Row::Postgres))
            }
        }
    }

    /// All rows.
    pub(crate) async fn fetch_all(self) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(connection, query) => {
                Ok(query.fetch_all(connection).await?.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(connection, query) => {
                Ok(query.fetch_all(connection).await?.into_iter().map(Row::Postgres).collect())
            }
        }
    }
}

impl Row {
    pub(crate) fn get<'r, T: Column<'r>>(&'r self, column: &str) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}
