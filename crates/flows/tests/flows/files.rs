//! Records from files: under which ids, into which connections, and what becomes of a run that cannot be cleared away.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use catalog::Connection;
use domain::{Action, Kind, Scope};
use flows::ingest::{Ingest, IngestProgress, Input, ingest};
use flows::report::RunReport;
use flows::{ErrorKind, FlowError};
use sandbox::shopify::Settings;
use serde_json::json;

use crate::world::{World, tenant};

/// Does what it is told to when a chunk was read.
struct When<F>(F);

impl<F: Fn() + Sync> IngestProgress for When<F> {
    fn advanced(&self, _: u64, _: Option<u64>, _: u64) {
        (self.0)();
    }
}

async fn connected(world: &World, name: &str) -> Connection {
    let scope = Scope {
        tenant: tenant(),
        region: world.cell.region.clone(),
        platform: "jsonl".parse().unwrap(),
        connection: name.parse().unwrap(),
    };
    let created_at = world.cell.clock.now();
    let connection = Connection { scope, url: String::new(), settings: json!({}), created_at };
    world.cell.catalog.add_connection(&connection).await.unwrap();
    connection
}

/// Takes a file whole, by the ids at this pointer.
async fn take(
    world: &World,
    connection: &Connection,
    id: &str,
    text: &str,
    when: impl Fn() + Sync,
) -> Result<RunReport, FlowError> {
    let file = world.cell.dir.join("records.jsonl");
    std::fs::write(&file, text).unwrap();
    let ask = Ingest {
        connection: connection.clone(),
        kind: Kind::new("row").unwrap(),
        id: id.to_owned(),
        subject: None,
        all: true,
        may_remove_all: false,
        input: Input::new(std::fs::File::open(&file).unwrap(), file),
    };
    Box::pin(ingest(&world.cell, &ask, &When(when))).await
}

async fn ids(world: &World, connection: &Connection) -> Vec<String> {
    let name = &connection.scope.connection;
    let reader = flows::read::open(&world.cell, &tenant(), name, Action::Read, "compare").await.unwrap();
    let number = reader.head().name.number;
    let mut scan = reader.scan(&Kind::new("row").unwrap(), number, None).await.unwrap();
    let mut ids = Vec::new();
    while let Some(record) = scan.next().await.unwrap() {
        ids.push(record.key.id.to_string());
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn records_stand_under_the_ids_that_are_asked_for_now() {
    let world = World::new(5).await;
    let connection = connected(&world, "rows").await;
    // The inner id comes behind the record's own, and before it.
    for (at, text) in [
        ("behind", "{\"id\":\"a\",\"x\":{\"id\":\"1\"}}\n{\"id\":\"b\",\"x\":{\"id\":\"2\"}}\n"),
        ("before", "{\"x\":{\"id\":\"1\"},\"id\":\"a\"}\n{\"x\":{\"id\":\"2\"},\"id\":\"b\"}\n"),
    ] {
        for (pointer, expected) in [("/id", ["a", "b"]), ("/x/id", ["1", "2"]), ("/id", ["a", "b"])] {
            take(&world, &connection, pointer, text, || {}).await.unwrap();
            assert_eq!(ids(&world, &connection).await, expected, "{at} by {pointer}");
            let again = take(&world, &connection, pointer, text, || {}).await.unwrap();
            let counts = &again.kinds[&Kind::new("row").unwrap()];
            assert_eq!((counts.seen, counts.added, counts.changed, counts.removed), (2, 0, 0, 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_read_from_its_platform_takes_no_file() {
    let mut world = World::new(6).await;
    world.open("shop", Settings::empty()).await;
    let shop = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let refused = take(&world, &shop, "/id", "{\"id\":\"a\"}\n", || {}).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage, "{refused}");
    assert!(world.cell.known_head(&shop.scope).await.unwrap().is_none());
    let rows = connected(&world, "rows").await;
    assert!(take(&world, &rows, "/id", "{\"id\":\"a\"}\n", || {}).await.unwrap().complete);
}

/// Records that are longer than a chunk together, in no order; the last one twice where asked.
fn unsorted(twice: bool) -> String {
    let mut text = String::new();
    let mut state = 7_u64;
    for turn in (0..4_000).rev().chain(twice.then_some(0)) {
        let mut filling = String::new();
        for _ in 0..16 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            write!(filling, "{state:016x}").unwrap();
        }
        writeln!(text, "{{\"id\":\"{turn:05}\",\"filling\":\"{filling}\"}}").unwrap();
    }
    text
}

/// Lets half a minute pass, so that what was read becomes durable; and where it lies already, puts a file there that no
/// store can name, so that the folder can neither be listed nor cleared.
fn spoil(world: &World) {
    world.clock.advance(Duration::from_secs(31));
    let runs: PathBuf = world.cell.dir.join("keys/t/jsonl/default/rows/run");
    for run in std::fs::read_dir(runs).into_iter().flatten() {
        std::fs::write(run.unwrap().path().join(OsStr::from_bytes(b"\xff")), "").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_stands_is_told_though_its_run_cannot_be_cleared_away() {
    let world = World::new(7).await;
    let connection = connected(&world, "rows").await;
    let report = take(&world, &connection, "/id", &unsorted(false), || spoil(&world)).await.unwrap();
    assert_eq!(ids(&world, &connection).await.len(), 4_000);
    assert_eq!(world.cell.known_head(&connection.scope).await.unwrap(), Some(report.head));
    let left = world.cell.dir.join("keys/t/jsonl/default/rows/run");
    assert!(std::fs::read_dir(left).unwrap().count() > 0, "it could not be cleared away");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_file_is_refused_is_told_though_its_run_cannot_be_cleared_away() {
    let world = World::new(8).await;
    let connection = connected(&world, "rows").await;
    let refused = take(&world, &connection, "/id", &unsorted(true), || spoil(&world)).await.unwrap_err();
    assert!(matches!(refused, FlowError::Data(_)), "{refused:?}");
    assert!(refused.to_string().contains("`00000` occurs more than once"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_to_sort_a_file_counts_as_written() {
    let world = World::new(9).await;
    let (sorted, unsorted_too) = (connected(&world, "sorted").await, connected(&world, "rows").await);
    let text = unsorted(false);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.reverse();
    let pass = || world.clock.advance(Duration::from_secs(31));
    let straight = take(&world, &sorted, "/id", &lines.join("\n"), pass).await.unwrap();
    let through = take(&world, &unsorted_too, "/id", &text, pass).await.unwrap();
    assert!(
        through.bytes_written > straight.bytes_written * 3 / 2,
        "{} and {}",
        through.bytes_written,
        straight.bytes_written
    );
}
