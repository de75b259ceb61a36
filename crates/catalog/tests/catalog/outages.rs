//! A server that goes away and comes back, and one that has lost its TLS: a server of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use catalog::{Catalog, CatalogErrorKind, Head};
use domain::SnapshotNumber;

use crate::backend::{Backend, Server};
use crate::cell::{Cell, head, open, second, shop, tenant};
use crate::server::{admin, until_waiting};

/// A server that this test started, and ends.
struct Own {
    dir: tempfile::TempDir,
    backend: Backend,
}

fn script(name: &str, dir: &Path) -> Command {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let mut command = Command::new(scripts.join(name));
    command.arg(dir);
    command
}

impl Own {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("server");
        assert!(script("postgres-up", &place).stdout(Stdio::null()).status().unwrap().success());
        let told = std::fs::read_to_string(place.join("env")).unwrap();
        Self { dir, backend: Backend::Postgres(Server::told(&told)) }
    }

    fn get(&self, key: &str) -> &str {
        let Backend::Postgres(server) = &self.backend else { unreachable!() };
        server.get(key)
    }

    /// Ends the server: `INT` shuts it down and closes its sessions, `QUIT` is as if it had crashed.
    fn stop(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.get("pid")).unwrap();
        let pid = pid.trim();
        assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success());
        // One that nobody has waited for yet has no command line any more.
        while std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn start_again(&self) {
        assert!(Command::new("sh").arg(self.get("start")).status().unwrap().success());
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let ended = script("postgres-down", &self.dir.path().join("server")).status();
        if !std::thread::panicking() {
            assert!(ended.unwrap().success());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_under_way_fails_when_the_server_goes_and_the_next_one_finds_it_again() {
    let Some(Backend::Postgres(_)) = Backend::postgres() else { return };
    let own = Own::start();
    let cell = Cell::new(&own.backend).await;
    let t = tenant("t");
    cell.catalog.advance_head(&t, &shop(), None, &head(1, 1)).await.unwrap();
    let mut at = 1;
    for signal in ["INT", "QUIT"] {
        let (mut keeper, mut watch) = (admin(&cell.place).await, admin(&cell.place).await);
        sqlx::raw_sql("BEGIN; SELECT FROM head FOR UPDATE").execute(&mut keeper).await.unwrap();
        let catalog = cell.catalog.clone();
        let moving = tokio::spawn(async move {
            catalog.advance_head(&tenant("t"), &shop(), Some(&head(at, 1)), &head(at + 1, 1)).await
        });
        until_waiting(&mut watch, 1).await;
        own.stop(signal);
        match moving.await.unwrap() {
            Err(error) => assert_eq!(error.kind(), CatalogErrorKind::Away, "{signal}: {error}"),
            // The session that was in its way ended first, and it was done before its own did.
            Ok(()) => at += 1,
        }
        own.start_again();
        // The same catalog, without being opened again; what it acknowledged is there.
        assert_eq!(cell.catalog.head(&t, &shop()).await.unwrap(), Some(head(at, 1)), "{signal}");
        cell.catalog.advance_head(&t, &shop(), Some(&head(at, 1)), &head(at + 2, 1)).await.unwrap();
        at += 2;
    }
    own_is_done(cell, own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_question_of_another_process_is_answered_though_the_server_restarts_under_it() {
    let Some(Backend::Postgres(_)) = Backend::postgres() else { return };
    let own = Own::start();
    let cell = Cell::new(&own.backend).await;
    let t = tenant("t");
    let there =
        crate::channel::to(&Catalog::open(cell.place.address()).await.unwrap(), &domain::Role::Command);
    there.advance_head(&t, &shop(), None, &head(1, 1)).await.unwrap();
    for (number, signal) in [(1, "INT"), (2, "QUIT")] {
        let (mut keeper, mut watch) = (admin(&cell.place).await, admin(&cell.place).await);
        sqlx::raw_sql("BEGIN; SELECT FROM head FOR UPDATE").execute(&mut keeper).await.unwrap();
        let (catalog, next) = (there.clone(), head(number + 1, 1));
        let moving = tokio::spawn(async move {
            catalog.advance_head(&tenant("t"), &shop(), Some(&head(number, 1)), &next).await
        });
        until_waiting(&mut watch, 1).await;
        own.stop(signal);
        std::thread::sleep(Duration::from_secs(1));
        // It waits for the server; or the session that was in its way ended first, and it was done before its own did.
        let early = moving.is_finished();
        own.start_again();
        moving.await.unwrap().unwrap_or_else(|error| panic!("{signal}, early {early}: {error:?}"));
        assert_eq!(there.head(&t, &shop()).await.unwrap(), Some(head(number + 1, 1)), "{signal}");
    }
    own_is_done(cell, own);
}

/// The place is given back before its server ends.
fn own_is_done(cell: Cell, own: Own) {
    own.backend.done();
    drop(cell);
    drop(own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_works_while_the_server_restarts_is_told_the_truth() {
    const WRITERS: usize = 4;
    let Some(Backend::Postgres(_)) = Backend::postgres() else { return };
    let own = Own::start();
    let cell = Cell::new(&own.backend).await;
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU32::new(0));
    let restarts = Arc::new(AtomicU32::new(0));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let tenant = tenant(&format!("w{writer}"));
        cell.catalog.add_tenant(&tenant, second(0)).await.unwrap();
        cell.catalog.add_connection(&crate::cell::connection(tenant.as_str(), "shop")).await.unwrap();
        let (catalog, stop, acknowledged) =
            (cell.catalog.clone(), Arc::clone(&stop), Arc::clone(&acknowledged));
        let restarts = Arc::clone(&restarts);
        writers.push(tokio::spawn(async move {
            let mut at: Option<Head> = None;
            let mut under_way = 0;
            while !stop.load(Ordering::Relaxed) {
                let next = Head {
                    number: SnapshotNumber(at.as_ref().map_or(1, |at| at.number.0 + 1)),
                    ..head(1, 1)
                };
                let before = restarts.load(Ordering::SeqCst);
                let moved = catalog.advance_head(&tenant, &shop(), at.as_ref(), &next).await;
                if restarts.load(Ordering::SeqCst) != before {
                    under_way += 1;
                }
                match moved {
                    Ok(()) => {
                        at = Some(next);
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), CatalogErrorKind::Away, "{error}");
                        // It is as it was, or as it was to be: whether a commit was made whose answer is lost, nobody
                        // knows before asking.
                        let found = loop {
                            match catalog.head(&tenant, &shop()).await {
                                Ok(found) => break found,
                                Err(error) => {
                                    assert_eq!(error.kind(), CatalogErrorKind::Away, "{error}");
                                }
                            }
                        };
                        assert!(found == at || found.as_ref() == Some(&next), "{found:?}, {at:?}");
                        at = found;
                    }
                }
            }
            (tenant, at, under_way)
        }));
    }
    let until_more = || {
        let before = acknowledged.load(Ordering::Relaxed);
        while acknowledged.load(Ordering::Relaxed) < before + 40 {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    for signal in ["INT", "QUIT", "INT"] {
        until_more();
        own.stop(signal);
        restarts.fetch_add(1, Ordering::SeqCst);
        own.start_again();
    }
    until_more();
    stop.store(true, Ordering::Relaxed);
    let again = open(cell.place.address()).await;
    let mut all_under_way = 0;
    for writer in writers {
        let (tenant, at, under_way) = writer.await.unwrap();
        assert_eq!(again.head(&tenant, &shop()).await.unwrap(), at);
        all_under_way += under_way;
    }
    // Some of them failed, most have waited.
    assert!(all_under_way > 0, "no call was under way in any of the restarts");
    own_is_done(cell, own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_without_tls_is_refused() {
    let Some(Backend::Postgres(_)) = Backend::postgres() else { return };
    let own = Own::start();
    let cell = Cell::new(&own.backend).await;
    let mut admin = admin(&cell.place).await;
    Catalog::open(cell.place.address()).await.unwrap();
    // Those who are in stay; nobody comes in with TLS from now on.
    for sql in ["ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()"] {
        sqlx::query(sql).execute(&mut admin).await.unwrap();
    }
    let sql = "SELECT current_setting('ssl')";
    while sqlx::query_scalar::<_, String>(sql).fetch_one(&mut admin).await.unwrap() != "off" {}
    let error = Catalog::open(cell.place.address()).await.unwrap_err();
    let told = format!("{error:?}");
    assert!(error.kind() == CatalogErrorKind::Refused && told.contains("does not support TLS"), "{told}");
    for sql in ["ALTER SYSTEM RESET ssl", "SELECT pg_reload_conf()"] {
        sqlx::query(sql).execute(&mut admin).await.unwrap();
    }
    while sqlx::query_scalar::<_, String>(sql).fetch_one(&mut admin).await.unwrap() != "on" {}
    Catalog::open(cell.place.address()).await.unwrap();
    own_is_done(cell, own);
}
