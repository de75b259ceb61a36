//! The schema's versions, applied in order, each in one transaction.

use sqlx::sqlite::SqlitePool;

use crate::database::{SchemaState, failed};
use crate::error::CatalogError;

/// One step from a schema to the next.
struct Migration {
    version: u32,
    sql: &'static str,
}

/// All of them, in order. One that has been released is never changed.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("migrations/sqlite/0001_cell.sql") },
    Migration { version: 2, sql: include_str!("migrations/sqlite/0002_stores_and_tags.sql") },
];

const READ: &str = "read the catalog's schema";
const MIGRATE: &str = "migrate the catalog";

/// This version's schema.
fn known() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

async fn version<'e>(
    executor: impl sqlx::Executor<'e, Database = crate::database::Db>,
) -> Result<u32, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM schema_version").fetch_one(executor).await
}

/// Which schema the database has.
pub(crate) async fn state(pool: &SqlitePool) -> Result<SchemaState, CatalogError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'")
        .fetch_one(pool)
        .await
        .map_err(failed(READ))?;
    let found = if tables == 0 { 0 } else { version(pool).await.map_err(failed(READ))? };
    Ok(SchemaState { found, known: known() })
}

/// Applies what is missing, and says what was there before. Of two that migrate at once, one waits.
pub(crate) async fn migrate(pool: &SqlitePool) -> Result<SchemaState, CatalogError> {
    let before = state(pool).await?;
    if before.found > before.known {
        return Err(CatalogError::SchemaNewer { found: before.found, known: before.known });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > before.found) {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed(MIGRATE))?;
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)")
            .execute(&mut *transaction)
            .await
            .map_err(failed(MIGRATE))?;
        if version(&mut *transaction).await.map_err(failed(MIGRATE))? >= migration.version {
            continue;
        }
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await.map_err(failed(MIGRATE))?;
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(migration.version)
            .execute(&mut *transaction)
            .await
            .map_err(failed(MIGRATE))?;
        transaction.commit().await.map_err(failed(MIGRATE))?;
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_one_by_one() {
        for (at, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version as usize, at + 1);
        }
    }
}
