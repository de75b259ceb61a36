//! The schema's versions, applied in order, each in one transaction.

use crate::column::count;
use crate::database::{Database, SchemaState};
use crate::error::{CatalogError, failed};
use crate::session::{Seen, Session, Whose};
use crate::{postgres, sqlite};

/// One step from a schema to the next, in the words of each database. Both have the same tables and columns.
struct Migration {
    version: u32,
    sqlite: &'static str,
    postgres: &'static str,
}

/// All of them, in order. One that has been released is never changed.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        sqlite: include_str!("migrations/sqlite/0001_cell.sql"),
        postgres: include_str!("migrations/postgres/0001_cell.sql"),
    },
    Migration {
        version: 2,
        sqlite: include_str!("migrations/sqlite/0002_stores_and_tags.sql"),
        postgres: include_str!("migrations/postgres/0002_stores_and_tags.sql"),
    },
    Migration {
        version: 3,
        sqlite: include_str!("migrations/sqlite/0003_schedules.sql"),
        postgres: include_str!("migrations/postgres/0003_schedules.sql"),
    },
    Migration {
        version: 4,
        sqlite: include_str!("migrations/sqlite/0004_webhooks.sql"),
        postgres: include_str!("migrations/postgres/0004_webhooks.sql"),
    },
];

const CELL: Seen<'_> = Seen { whose: Whose::Cell, platform: None };
const READ: &str = "read the catalog's schema";
const MIGRATE: &str = "migrate the catalog";

/// This version's schema.
fn known() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// The schema that is there; 0 where none was ever made.
async fn found(session: &mut Session) -> Result<u32, CatalogError> {
    let migrated = session.pick(sqlite::MIGRATED_SQL, postgres::MIGRATED_SQL);
    let tables = session.query(migrated).fetch_one().await.map_err(failed(READ))?;
    if count(&tables, "tables")? == 0 {
        return Ok(0);
    }
    let newest = session
        .query("SELECT coalesce(max(version), 0) AS version FROM schema_version")
        .fetch_one()
        .await
        .map_err(failed(READ))?;
    u32::try_from(count(&newest, "version")?).map_err(|_| CatalogError::damaged("column `version`"))
}

/// Which schema the database has.
pub(crate) async fn state(database: &Database) -> Result<SchemaState, CatalogError> {
    let mut session = database.reading(CELL, READ).await?;
    Ok(SchemaState { found: found(&mut session).await?, known: known() })
}

/// The same, for one that is about to be used: it must be this version's.
pub(crate) async fn is_known(database: &Database) -> Result<(), CatalogError> {
    let SchemaState { found, known } = state(database).await?;
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(CatalogError::SchemaOlder { found, known }),
        std::cmp::Ordering::Greater => Err(CatalogError::SchemaNewer { found, known }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

/// Applies what is missing, and says what was there before. Of two that migrate at once, one waits.
pub(crate) async fn migrate(database: &Database) -> Result<SchemaState, CatalogError> {
    let before = state(database).await?;
    if before.found > before.known {
        return Err(CatalogError::SchemaNewer { found: before.found, known: before.known });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > before.found) {
        let mut session = database.migrating(MIGRATE).await?;
        let found = found(&mut session).await?;
        if found >= migration.version {
            continue;
        }
        if found == 0 {
            let ground = session.pick(sqlite::GROUND_SQL, postgres::GROUND_SQL);
            session.script(ground).await.map_err(failed(MIGRATE))?;
        }
        let step = session.pick(migration.sqlite, migration.postgres);
        session.script(step).await.map_err(failed(MIGRATE))?;
        session
            .query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(i64::from(migration.version))
            .execute()
            .await
            .map_err(failed(MIGRATE))?;
        session.commit(MIGRATE).await?;
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
