//! Row security: what a session sees that has said whose it is, and one that has not, whatever its question.

use std::collections::BTreeMap;

use catalog::{Catalog, CatalogError, CatalogErrorKind, Connection};
use domain::TenantId;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::backend::{Backend, OWNER, Place, SERVICE, SHOPIFY, Server};
use crate::cell::{Cell, connection, head, open, says, second, shop, tenant};
use crate::isolation::fill;
use crate::server::admin;

/// How many rows of each table somebody sees.
type Seen = BTreeMap<String, i64>;

async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'caretaker'::regnamespace \
         AND relname <> 'schema_version' ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

/// What is there of a table, without a word about whose.
async fn seen(connection: &mut PgConnection) -> Seen {
    let mut seen = Seen::new();
    for table in tables(connection).await {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap();
        seen.insert(table, count);
    }
    seen
}

async fn set(connection: &mut PgConnection, setting: &str, value: &str) {
    let sql = "SELECT set_config($1, $2, false)";
    sqlx::query(sql).bind(setting).bind(value).execute(connection).await.unwrap();
}

fn server(place: &Place) -> (&Server, &str) {
    let Place::Database { server, name } = place else { panic!("not a server") };
    (server, name)
}

/// Two tenants with a row in each table, and the cell's own credentials.
async fn filled(backend: &Backend) -> Cell {
    let cell = Cell::new(backend).await;
    for name in ["t", "t2"] {
        fill(&cell.catalog, &tenant(name)).await;
    }
    cell.catalog.put_store_credential("key-store", b"sealed", second(0)).await.unwrap();
    cell
}

#[tokio::test]
async fn a_session_sees_what_is_its_tenants_and_without_a_tenant_nothing() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = filled(&backend).await;
    let all = seen(&mut admin(&cell.place).await).await;
    assert_eq!(all.len(), 13, "{all:?}");
    let (server, name) = server(&cell.place);
    // Whoever owns the tables is bound as whoever uses them is.
    for role in [SERVICE, OWNER] {
        let mut session = server.connect(role, name).await;
        let nobodys: Seen = all.keys().map(|table| (table.clone(), 0)).collect();
        assert_eq!(seen(&mut session).await, nobodys, "{role}");
        for (whose, expected) in [("t", 1), ("t2", 1), ("t3", 0), ("", 0)] {
            set(&mut session, "caretaker.tenant", whose).await;
            for (table, count) in seen(&mut session).await {
                let expected = if table == "store_credential" { 0 } else { expected };
                assert_eq!(count, expected, "{role} as `{whose}` in {table} of {}", all[&table]);
            }
        }
        set(&mut session, "caretaker.tenant", "*").await;
        for (table, count) in seen(&mut session).await {
            let expected = match table.as_str() {
                "store_credential" => 1,
                "tenant" | "schedule" | "webhook" => 2,
                _ => 0,
            };
            assert_eq!(count, expected, "{role} as the cell in {table}");
        }
    }
    backend.done();
}

#[tokio::test]
async fn a_session_changes_what_is_its_tenants_alone() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = filled(&backend).await;
    let (server, name) = server(&cell.place);
    let mut session = server.connect(SERVICE, name).await;
    // Each without a word about whose; the insertions are t's.
    let changes = [
        "UPDATE connection SET url = 'https://stolen.example'",
        "UPDATE credential SET sealed = ''",
        "UPDATE head SET generation = 9",
        "UPDATE lease SET holder = NULL",
        "UPDATE restore SET state = 'done'",
        "UPDATE restore_step SET state = 'done'",
        "UPDATE id_ledger SET new_id = 'x'",
        "UPDATE schedule SET paused = 1",
        "UPDATE webhook SET heard_at_ms = 9",
        "UPDATE hint SET done_at_ms = 9",
        "DELETE FROM hint",
        "DELETE FROM webhook",
        "DELETE FROM connection_tag",
        "DELETE FROM schedule",
    ];
    let additions = [
        "INSERT INTO connection VALUES ('t', 'new', 'shopify', 'eu', '', '{}', '')",
        "INSERT INTO connection_tag VALUES ('t', 'shop', 'new')",
        "INSERT INTO credential VALUES ('t', 'shop', 'new', '', '')",
        "INSERT INTO restore_step SELECT 't', '01010101010101010101010101010101', 'new', 'done', ''",
    ];
    for whose in ["", "t2", "*", "t"] {
        set(&mut session, "caretaker.tenant", whose).await;
        let own = u64::from(whose == "t2" || whose == "t");
        for sql in changes {
            let changed = sqlx::query(sql).execute(&mut session).await.unwrap().rows_affected();
            assert_eq!(changed, own, "`{whose}`: {sql}");
        }
        for sql in additions {
            let added = sqlx::query(sql).execute(&mut session).await;
            match added {
                Ok(added) => assert_eq!((whose, added.rows_affected()), ("t", 1), "{sql}"),
                Err(error) => {
                    assert_ne!(whose, "t", "{sql}: {error}");
                    let code = error.as_database_error().unwrap().code().unwrap().into_owned();
                    assert_eq!(code, "42501", "`{whose}`: {sql}: {error}");
                }
            }
        }
    }
    backend.done();
}

#[tokio::test]
async fn the_service_may_do_what_its_questions_do_and_no_more() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = filled(&backend).await;
    let (server, name) = server(&cell.place);
    let mut session = server.connect(SERVICE, name).await;
    set(&mut session, "caretaker.tenant", "t").await;
    for sql in [
        "DELETE FROM id_ledger",
        "DELETE FROM head",
        "TRUNCATE lease",
        "UPDATE connection SET platform = 'other'",
        "UPDATE restore SET plan_digest = 'x'",
        "INSERT INTO schema_version VALUES (9)",
        "ALTER TABLE head DISABLE ROW LEVEL SECURITY",
        "DROP POLICY of_tenant ON head",
        "CREATE TABLE caretaker.own (own TEXT)",
        "SET ROLE caretaker_owner",
    ] {
        let error = sqlx::query(sql).execute(&mut session).await.unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{sql}: {error}");
    }
    sqlx::query("UPDATE head SET generation = 2").execute(&mut session).await.unwrap();
    backend.done();
}

#[tokio::test]
async fn a_role_that_row_security_does_not_bind_is_refused() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = Cell::new(&backend).await;
    for role in ["admin", "caretaker_unbound"] {
        for error in [
            Catalog::open(cell.place.address_for(role)).await.map(|_| ()).unwrap_err(),
            Catalog::create(cell.place.address_for(role)).await.map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, CatalogError::RoleUnbound(_)), "{role}: {error}");
        }
    }
    for role in [SERVICE, OWNER] {
        let catalog = open(cell.place.address_for(role)).await;
        assert_eq!(catalog.connections(&tenant("t")).await.unwrap().len(), 1, "{role}");
    }
    backend.done();
}

#[tokio::test]
async fn a_table_whose_rows_are_not_kept_apart_is_damage() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = Cell::new(&backend).await;
    let mut admin = admin(&cell.place).await;
    cell.catalog.check_integrity().await.unwrap();
    for (break_it, mend_it) in [
        ("ALTER TABLE lease NO FORCE ROW LEVEL SECURITY", "ALTER TABLE lease FORCE ROW LEVEL SECURITY"),
        ("ALTER TABLE head DISABLE ROW LEVEL SECURITY", "ALTER TABLE head ENABLE ROW LEVEL SECURITY"),
        ("CREATE TABLE of_a_later_migration (tenant TEXT)", "DROP TABLE of_a_later_migration"),
    ] {
        sqlx::query(break_it).execute(&mut admin).await.unwrap();
        let error = cell.catalog.check_integrity().await.unwrap_err();
        assert_eq!(error.kind(), CatalogErrorKind::Damaged, "{break_it}: {error}");
        sqlx::query(mend_it).execute(&mut admin).await.unwrap();
        cell.catalog.check_integrity().await.unwrap();
    }
    backend.done();
}

#[tokio::test]
async fn a_role_of_one_platform_sees_that_platforms_connections_alone() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = filled(&backend).await;
    let t: TenantId = tenant("t");
    let mut other: Connection = connection("t", "other");
    other.scope.platform = "files".parse().unwrap();
    let name = other.scope.connection.clone();
    cell.catalog.put_connection(&other, "token", b"sealed", second(0)).await.unwrap();
    cell.catalog.advance_head(&t, &name, None, &head(1, 1)).await.unwrap();
    cell.catalog.change_tags(&t, &name, &["eu".to_owned()], &[]).await.unwrap();
    let limited = open(cell.place.address_for(SHOPIFY)).await;
    for (catalog, sees) in [(&limited, false), (&cell.catalog, true)] {
        assert_eq!(catalog.connections(&t).await.unwrap().len(), 1 + usize::from(sees));
        assert_eq!(catalog.connection(&t, &name).await.is_ok(), sees);
        assert_eq!(catalog.credential(&t, &name, "token").await.is_ok(), sees);
        assert_eq!(catalog.head(&t, &name).await.unwrap().is_some(), sees);
        assert_eq!(catalog.tags(&t).await.unwrap().contains_key(&name), sees);
        // What is of its platform, all of them see.
        assert_eq!(catalog.head(&t, &shop()).await.unwrap(), Some(head(1, 1)));
        assert!(catalog.credential(&t, &shop(), "token").await.is_ok());
        assert_eq!(catalog.restores(&t, &shop()).await.unwrap().len(), 1);
        assert_eq!(catalog.ledger(&t, &shop()).await.unwrap().len(), 1);
    }
    let moved = limited.advance_head(&t, &name, Some(&head(1, 1)), &head(2, 1)).await.unwrap_err();
    assert!(says(&moved, "has moved"), "{moved}");
    limited.advance_head(&t, &shop(), Some(&head(1, 1)), &head(2, 1)).await.unwrap();
    backend.done();
}
