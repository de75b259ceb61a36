//! What only a server can be asked: who waits for whom, what its errors mean, what holds for a session.

use std::time::Duration;

use catalog::{Catalog, CatalogError, CatalogErrorKind, Client, LeaseRequest};
use domain::Id128;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::backend::{Backend, Behind, Place, SERVICE};
use crate::cell::{Cell, head, open, second, shop, tenant};

/// The server's superuser, behind a catalog's back.
pub(crate) async fn admin(place: &Place) -> PgConnection {
    match place.behind().await {
        Behind::Postgres(connection) => connection,
        Behind::Sqlite(_) => panic!("not a server"),
    }
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// How many sessions of this database wait for a lock.
async fn waiting(connection: &mut PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

/// Waits until so many sessions of this database wait for a lock.
pub(crate) async fn until_waiting(connection: &mut PgConnection, sessions: i64) {
    while waiting(&mut *connection).await < sessions {}
}

fn request(holder: u8) -> LeaseRequest {
    LeaseRequest {
        holder: Id128([holder; 16]),
        seen_generation: 0,
        now: second(0),
        ttl: Duration::from_secs(60),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_takes_a_lease_over_waits_for_a_head_that_is_being_moved() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = Cell::new(&backend).await;
    let t = tenant("t");
    let held = cell.catalog.seize_lease(&t, &shop(), request(1)).await.unwrap();
    cell.catalog.advance_head_under(&held, None, &head(1, 1)).await.unwrap();

    // Somebody keeps the writer in the middle of its transaction: the lease is held, the head not yet moved.
    let (mut keeper, mut watch) = (admin(&cell.place).await, admin(&cell.place).await);
    run(&mut keeper, "BEGIN; SELECT FROM head WHERE tenant = 't' FOR UPDATE").await;
    let (writer, heir) = (cell.open_again().await, cell.open_again().await);
    let moving =
        tokio::spawn(async move { writer.advance_head_under(&held, Some(&head(1, 1)), &head(2, 1)).await });
    until_waiting(&mut watch, 1).await;
    let taking = tokio::spawn(async move { heir.seize_lease(&tenant("t"), &shop(), request(2)).await });
    while waiting(&mut watch).await < 2 {
        assert!(!taking.is_finished(), "the lease was taken over while the head was being moved");
    }

    run(&mut keeper, "COMMIT").await;
    moving.await.unwrap().unwrap();
    let lease = taking.await.unwrap().unwrap();
    assert_eq!(cell.catalog.head(&t, &shop()).await.unwrap(), Some(head(2, 1)));
    cell.catalog.advance_head_under(&lease, Some(&head(2, 1)), &head(3, 2)).await.unwrap();
    backend.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_migrate_at_once_one_waits() {
    let Some(backend) = Backend::postgres() else { return };
    let place = Place::new(&backend).await;
    let mut admin = admin(&place).await;
    // A third holds both up, so that they are at it at once for certain.
    run(&mut admin, "BEGIN; SELECT pg_advisory_xact_lock(x'6361726574616b65'::bigint)").await;
    let both = [place.owners_address(), place.owners_address()]
        .map(|address| tokio::spawn(async move { Catalog::migrate(address).await }));
    let mut watch = self::admin(&place).await;
    while waiting(&mut watch).await < 2 {
        assert!(!both.iter().any(tokio::task::JoinHandle::is_finished), "a migration did not wait");
    }
    run(&mut admin, "COMMIT").await;
    for one in both {
        let before = one.await.unwrap().unwrap();
        assert_eq!(before.found, 0);
    }
    place.migrate().await;
    assert!(open(place.address()).await.tenants().await.unwrap().is_empty());
    backend.done();
}

#[tokio::test]
async fn a_schema_that_its_owner_made_is_taken_by_a_role_that_may_not() {
    let Some(backend) = Backend::postgres() else { return };
    let place = Place::new(&backend).await;
    let refused = Catalog::create(place.address()).await.unwrap_err();
    assert_eq!(refused.kind(), CatalogErrorKind::Unavailable, "{refused}");
    place.migrate().await;
    let made = Client::from(Catalog::create(place.address()).await.unwrap());
    made.add_tenant(&tenant("t"), second(0)).await.unwrap();
    let taken = Catalog::create(place.address()).await.unwrap_err();
    assert!(matches!(taken, CatalogError::Exists { what: "catalog", .. }), "{taken}");
    backend.done();
}

#[tokio::test]
async fn errors_say_what_a_caller_does_next() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = Cell::new(&backend).await;
    let mut admin = admin(&cell.place).await;
    for (code, expected) in [
        ("40001", CatalogErrorKind::Conflict),    // No order would explain it.
        ("40P01", CatalogErrorKind::Conflict),    // Two wait for each other.
        ("XX001", CatalogErrorKind::Damaged),     // A page is not what was written.
        ("XX002", CatalogErrorKind::Damaged),     // An index is not.
        ("42703", CatalogErrorKind::Damaged),     // A column is gone.
        ("53100", CatalogErrorKind::Unavailable), // The disk is full.
        ("55P03", CatalogErrorKind::Unavailable), // Locked for too long.
        ("57014", CatalogErrorKind::Unavailable), // It took too long.
        ("57P01", CatalogErrorKind::Away),        // The server is shut down.
        ("42501", CatalogErrorKind::Unavailable), // The role may not.
    ] {
        let raise = format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql \
             AS 'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = ''{code}''; END'; \
             CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON head EXECUTE FUNCTION refuse()"
        );
        run(&mut admin, &raise).await;
        let error = cell.catalog.advance_head(&tenant("t"), &shop(), None, &head(1, 1)).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{code}: {error}");
    }
    run(&mut admin, "DROP TRIGGER refuse ON head").await;
    cell.catalog.advance_head(&tenant("t"), &shop(), None, &head(1, 1)).await.unwrap();
    backend.done();
}

#[tokio::test]
async fn a_session_waits_for_nobody_for_ever_and_what_it_writes_is_durable() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = Cell::new(&backend).await;
    let mut admin = admin(&cell.place).await;
    run(
        &mut admin,
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''% % % % %'', \
         current_setting(''lock_timeout''), current_setting(''statement_timeout''), \
         current_setting(''idle_in_transaction_session_timeout''), current_setting(''transaction_isolation''), \
         current_setting(''synchronous_commit''); END'; \
         CREATE TRIGGER tell BEFORE INSERT ON head EXECUTE FUNCTION tell()",
    )
    .await;
    let Place::Database { name, .. } = &cell.place else { panic!("not a server") };
    for (server, session) in [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
        run(&mut admin, &format!("ALTER DATABASE {name} SET synchronous_commit = {server}")).await;
        let catalog = cell.open_again().await;
        let error = catalog.advance_head(&tenant("t"), &shop(), None, &head(1, 1)).await.unwrap_err();
        let told = format!("{:?}", std::error::Error::source(&error).unwrap());
        assert!(told.contains(&format!("10s 1min 1min read committed {session}")), "{told}");
    }
    backend.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_has_few_connections_however_much_it_asks_at_once() {
    let Some(backend) = Backend::postgres() else { return };
    let cell = Cell::new(&backend).await;
    let (mut keeper, mut watch) = (admin(&cell.place).await, admin(&cell.place).await);
    run(&mut keeper, "BEGIN; LOCK TABLE head IN ACCESS EXCLUSIVE MODE").await;
    let asking: Vec<_> = (0..30)
        .map(|_| {
            let catalog = cell.catalog.clone();
            tokio::spawn(async move { catalog.head(&tenant("t"), &shop()).await })
        })
        .collect();
    until_waiting(&mut watch, 8).await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1";
    let connections: i64 = sqlx::query_scalar(sql).bind(SERVICE).fetch_one(&mut watch).await.unwrap();
    assert_eq!(connections, 8);
    run(&mut keeper, "COMMIT").await;
    for one in asking {
        assert_eq!(one.await.unwrap().unwrap(), None);
    }
    backend.done();
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let Some(backend) = Backend::postgres() else { return };
    let (embedded, server) = (Cell::new(&Backend::Embedded).await, Cell::new(&backend).await);
    let Place::Directory(dir) = &embedded.place else { panic!("not embedded") };
    let options = SqliteConnectOptions::new().filename(Catalog::path(dir.path()));
    let mut sqlite = <SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    let ours: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT t.name, c.name, c.\"notnull\" = 1 OR (t.name, c.name) = ('id_ledger', 'entry') \
         FROM sqlite_schema t, pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid",
    )
    .fetch_all(&mut sqlite)
    .await
    .unwrap();
    let theirs: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT table_name::text COLLATE \"C\", column_name::text, is_nullable = 'NO' \
         FROM information_schema.columns WHERE table_schema = 'caretaker' ORDER BY 1, ordinal_position",
    )
    .fetch_all(&mut admin(&server.place).await)
    .await
    .unwrap();
    assert!(ours.len() > 50, "{ours:?}");
    assert_eq!(ours, theirs);
    backend.done();
}
