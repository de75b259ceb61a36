//! How a cell's catalog gets from the file in which `init` makes it into a server's database: all of it in one
//! transaction, compared, and only then is the file taken away.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use domain::TenantId;

use crate::address::CatalogAddress;
use crate::column::parsed;
use crate::database::Catalog;
use crate::error::{CatalogError, failed};
use crate::postgres;
use crate::session::{Row, Session, Whose};

/// What is moved at once, table by table, so that what refers to something comes after it.
struct Table {
    /// All rows of whoever is the first value.
    select: &'static str,
    insert: &'static str,
    columns: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Bytes,
}

/// What stands in a column.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Text(Option<String>),
    Number(i64),
    Bytes(Vec<u8>),
}

type Values = Vec<Value>;

macro_rules! table {
    (
        $name:literal, of $whose:literal, by $order:literal, as $values:literal,
        ($first:literal $first_kind:ident $(, $column:literal $kind:ident)*)
    ) => {
        Table {
            select: concat!(
                "SELECT ", $first, $(", ", $column,)* " FROM ", $name, " WHERE ", $whose, " ORDER BY ", $order
            ),
            insert: concat!("INSERT INTO ", $name, " (", $first, $(", ", $column,)* ") VALUES (", $values, ")"),
            columns: &[($first, Kind::$first_kind) $(, ($column, Kind::$kind))*],
        }
    };
}

/// The cell's own rows.
const OF_CELL: &[Table] = &[table!(
    "store_credential", of "$1 = '*'", by "store", as "$1, $2, $3",
    ("store" Text, "sealed" Bytes, "stored_at" Text)
)];

/// A tenant's.
const OF_TENANT: &[Table] = &[
    table!("tenant", of "tenant = $1", by "tenant", as "$1, $2", ("tenant" Text, "created_at" Text)),
    table!(
        "connection", of "tenant = $1", by "connection", as "$1, $2, $3, $4, $5, $6, $7",
        ("tenant" Text, "connection" Text, "platform" Text, "region" Text, "url" Text, "settings" Text, "created_at" Text)
    ),
    table!(
        "connection_tag", of "tenant = $1", by "connection, tag", as "$1, $2, $3",
        ("tenant" Text, "connection" Text, "tag" Text)
    ),
    table!(
        "credential", of "tenant = $1", by "connection, name", as "$1, $2, $3, $4, $5",
        ("tenant" Text, "connection" Text, "name" Text, "sealed" Bytes, "stored_at" Text)
    ),
    table!(
        "head", of "tenant = $1", by "connection", as "$1, $2, $3, $4, $5",
        ("tenant" Text, "connection" Text, "number" Number, "generation" Number, "commit_name" Text)
    ),
    table!(
        "lease", of "tenant = $1", by "connection", as "$1, $2, $3, $4, $5",
        ("tenant" Text, "connection" Text, "holder" Text, "generation" Number, "expires_at_ms" Number)
    ),
    table!(
        "schedule", of "tenant = $1", by "connection, task",
        as "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15",
        (
            "tenant" Text, "connection" Text, "task" Text, "platform" Text, "every_s" Number, "offset_s" Number,
            "orders" Text, "paused" Number, "due_at_ms" Number, "taken_by" Text, "started_at_ms" Number,
            "ended_at_ms" Number, "outcome" Text, "failures" Number, "whole_at_ms" Number
        )
    ),
    table!(
        "webhook", of "tenant = $1", by "connection", as "$1, $2, $3, $4, $5, $6, $7, $8",
        (
            "tenant" Text, "connection" Text, "platform" Text, "address" Text, "url" Text, "asked_at_ms" Number,
            "failed" Text, "heard_at_ms" Number
        )
    ),
    table!(
        "hint", of "tenant = $1", by "connection, event", as "$1, $2, $3, $4, $5, $6, $7, $8, $9",
        (
            "tenant" Text, "connection" Text, "event" Text, "topic" Text, "kinds" Text, "items" Text, "told_at_ms" Number,
            "received_at_ms" Number, "done_at_ms" Number
        )
    ),
    // One that undoes another was made after it.
    table!(
        "restore", of "tenant = $1", by "created_at, undo_of IS NOT NULL, restore", as "$1, $2, $3, $4, $5, $6, $7, $8, $9",
        (
            "tenant" Text, "restore" Text, "connection" Text, "target" Text, "plan_digest" Text, "undo_of" Text,
            "state" Text, "created_at" Text, "changed_at" Text
        )
    ),
    table!(
        "restore_step", of "tenant = $1", by "restore, step", as "$1, $2, $3, $4, $5",
        ("tenant" Text, "restore" Text, "step" Text, "state" Text, "changed_at" Text)
    ),
    // The numbers of its entries are the database's own. Their order stays.
    table!(
        "id_ledger", of "tenant = $1", by "entry", as "$1, $2, $3, $4, $5, $6, $7, $8",
        (
            "tenant" Text, "connection" Text, "target" Text, "kind" Text, "old_id" Text, "new_id" Text, "restore" Text,
            "recorded_at" Text
        )
    ),
];

const READ: &str = "read what is to be moved";
const MOVE: &str = "move the catalog";

/// All rows of a catalog: whose they are, and those of each table.
type All = Vec<(Option<TenantId>, Vec<Vec<Values>>)>;

impl Kind {
    fn of(self, row: &Row, column: &str) -> Result<Value, sqlx::Error> {
        Ok(match self {
            Self::Text => Value::Text(row.get(column)?),
            Self::Number => Value::Number(row.get(column)?),
            Self::Bytes => Value::Bytes(row.get(column)?),
        })
    }
}

/// Has a session see somebody's rows from here on, and says by which name they are asked for.
async fn turn_to<'w>(session: &mut Session, whose: Whose<'w>) -> Result<&'w str, CatalogError> {
    if let Session::Postgres(transaction) = session {
        postgres::turn_to(transaction, whose).await.map_err(failed(MOVE))?;
    }
    Ok(postgres::whose_name(whose))
}

async fn read(
    session: &mut Session,
    tables: &[Table],
    whose: Whose<'_>,
) -> Result<Vec<Vec<Values>>, CatalogError> {
    let name = turn_to(session, whose).await?;
    let mut all = Vec::new();
    for Table { select, columns, .. } in tables {
        let rows = session.query(select).bind(name).fetch_all().await.map_err(failed(READ))?;
        let values = |row: &Row| columns.iter().map(|(column, kind)| kind.of(row, column)).collect();
        all.push(rows.iter().map(values).collect::<Result<_, _>>().map_err(failed(READ))?);
    }
    Ok(all)
}

async fn read_all(session: &mut Session) -> Result<All, CatalogError> {
    let mut all = vec![(None, read(session, OF_CELL, Whose::Cell).await?)];
    turn_to(session, Whose::Cell).await?;
    let rows = session.query("SELECT tenant FROM tenant ORDER BY tenant").fetch_all().await;
    for row in rows.map_err(failed(READ))? {
        let tenant: TenantId = parsed(&row, "tenant")?;
        let rows = read(session, OF_TENANT, Whose::Tenant(&tenant)).await?;
        all.push((Some(tenant), rows));
    }
    Ok(all)
}

async fn write_all(session: &mut Session, all: &All) -> Result<(), CatalogError> {
    for (tenant, tables) in all {
        let (whose, known) = match tenant {
            Some(tenant) => (Whose::Tenant(tenant), OF_TENANT),
            None => (Whose::Cell, OF_CELL),
        };
        turn_to(session, whose).await?;
        for (Table { insert, .. }, rows) in known.iter().zip(tables) {
            for row in rows {
                let query = row.iter().fold(session.query(insert), |query, value| match value {
                    Value::Text(text) => query.bind(text.as_deref()),
                    Value::Number(number) => query.bind(*number),
                    Value::Bytes(bytes) => query.bind(bytes.as_slice()),
                });
                query.execute().await.map_err(failed(MOVE))?;
            }
        }
    }
    Ok(())
}

/// Whether nothing was ever written there.
fn is_empty(all: &All) -> bool {
    all.iter().all(|(tenant, tables)| tenant.is_none() && tables.iter().all(Vec::is_empty))
}

/// The embedded catalog's files.
fn files(dir: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", ""].map(|end| {
        let mut name = Catalog::path(dir).into_os_string();
        name.push(end);
        name.into()
    })
}

impl Catalog {
    /// Whether there is an embedded catalog of the cell at `dir`: of a cell that is to have it on a server, one that was not
    /// moved there yet.
    #[must_use]
    pub fn is_embedded(dir: &Path) -> bool {
        Self::path(dir).exists()
    }

    /// Moves the embedded catalog of the cell at `dir` into a server's database, whose schema its role must own: all of it
    /// or nothing. Then the file is taken away. Nobody else may have it open.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] when something else is in the database; as [`Catalog::migrate`] and [`Catalog::open`].
    pub async fn move_to(dir: &Path, to: CatalogAddress) -> Result<(), CatalogError> {
        Self::migrate(dir).await?;
        let name = to.to_string();
        let (embedded, server) = (Self::open(dir).await?, Self::open(to).await?);
        let ours = read_all(&mut embedded.reading(Whose::Cell, READ).await?).await?;
        let mut session = server.migrating(MOVE).await?;
        let theirs = read_all(&mut session).await?;
        if is_empty(&theirs) {
            write_all(&mut session, &ours).await?;
            session.commit(MOVE).await?;
        } else {
            drop(session);
        }
        // Also what an attempt before has moved, which then was broken off.
        if read_all(&mut server.reading(Whose::Cell, READ).await?).await? != ours {
            return Err(CatalogError::Exists { what: "catalog of another cell at", name });
        }
        embedded.close().await;
        server.close().await;
        for path in files(dir) {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CatalogError::File { doing: "take away", path, source });
                }
                _ => {}
            }
        }
        let folder = Self::folder(dir);
        let synced = File::open(&folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| CatalogError::File { doing: "sync", path: folder, source })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn every_column_of_every_table_is_moved() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::create(dir.path()).await.unwrap();
        let sql = "SELECT t.name AS \"table\", c.name AS \"column\" FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'schema_version'";
        let mut session = catalog.reading(Whose::Cell, READ).await.unwrap();
        let rows = session.query(sql).fetch_all().await.unwrap();
        let there = rows.iter().map(|row| (row.get("table").unwrap(), row.get("column").unwrap()));
        let mut there: BTreeSet<(String, String)> = there.collect();
        // The database's own.
        assert!(there.remove(&("id_ledger".to_owned(), "entry".to_owned())));
        let moved = OF_CELL.iter().chain(OF_TENANT).flat_map(|Table { insert, columns, .. }| {
            let table = insert.split(' ').nth(2).unwrap().to_owned();
            columns.iter().map(move |(column, _)| (table.clone(), (*column).to_owned()))
        });
        assert_eq!(moved.collect::<BTreeSet<_>>(), there);
    }
}
