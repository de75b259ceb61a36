//! What single reads and writes answer.

use domain::{Action, RecordKey, Removal, SnapshotNumber};
use repository::{ErrorKind, KindOutcome, Mode, NewRecord, RepositoryError};

use crate::cell::{Cell, kind};
use crate::faulty::{Fault, Plan};
use crate::history::{Step, World};

fn product(id: &str) -> RecordKey {
    RecordKey::new(kind("product"), id).unwrap()
}

#[tokio::test]
async fn an_idle_store_costs_next_to_nothing() {
    let cell = Cell::new().await;
    let records: Vec<(String, String)> =
        (0..2_000).map(|i| (format!("{i:06}"), format!("{{\"n\":{i}}}"))).collect();
    let records: Vec<(&str, &str)> =
        records.iter().map(|(id, payload)| (id.as_str(), payload.as_str())).collect();
    let first = cell.sweep("shop", "product", &records).await;
    assert_eq!(first.counts[&kind("product")].added, 2_000);
    let second = cell.sweep("shop", "product", &records).await;
    let counts = second.counts[&kind("product")];
    assert_eq!((counts.seen, counts.added, counts.changed, counts.removed), (2_000, 0, 0, 0));
    assert_eq!(second.bytes_written, 0, "no pack, only a commit");
}

/// The store's own words hold *range*, as a refusal of a range would.
#[tokio::test]
async fn a_store_that_cannot_be_reached_is_not_called_damaged() {
    let mut world = World::new(&Cell::new().await, &Plan::new([]), 1);
    world.run(&Step::Sweep(&[("1", "one"), ("2", "two")])).await.unwrap();
    world.run(&Step::Customer("p", Some("a person"))).await.unwrap();
    let mut failed = 0;
    for turn in 1.. {
        world.reopen(&Plan::with_reads([], [(turn, Fault::Fails)]));
        let grant = world.cell.grant("shop", Action::ALL).await;
        let read = async {
            let reader = world.repository().reader(&grant, Action::Read, None).await?;
            let number = reader.latest().await?.name.number;
            reader.get(&product("1"), number).await?;
            reader.get(&RecordKey::new(kind("customer"), "p").unwrap(), number).await
        };
        let Err(error) = read.await else { break };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "read {turn}: {error:?}");
        failed += 1;
    }
    assert!(failed > 8, "{failed} reads");
}

#[tokio::test]
async fn the_history_of_a_record_has_one_line_per_version() {
    let cell = Cell::new().await;
    cell.sweep("shop", "product", &[("1", "a"), ("2", "x")]).await;
    cell.sweep("shop", "product", &[("1", "b"), ("2", "x")]).await;
    cell.sweep("shop", "product", &[("2", "x")]).await;
    cell.sweep("shop", "product", &[("1", "a"), ("2", "x")]).await;
    let grant = cell.grant("shop", &[Action::Read]).await;
    let reader = cell.repository("shop").reader(&grant, Action::Read, None).await.unwrap();
    let history = reader.history(&product("1")).await.unwrap();
    let lines: Vec<_> = history.iter().map(|line| (line.number.0, line.removed)).collect();
    assert_eq!(lines, [(4, None), (3, Some(Removal::Deleted)), (2, None), (1, None)]);
    assert_eq!(history[0].hash, history[3].hash, "the content is that of the first version");
    assert_eq!(reader.history(&product("2")).await.unwrap().len(), 1);
    assert_eq!(reader.history(&product("3")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn snapshots_are_found_by_time() {
    let cell = Cell::new().await;
    let mut times = Vec::new();
    for turn in 0..40 {
        let written = cell.sweep("shop", "product", &[("1", &turn.to_string())]).await;
        times.push((written.head.name.number, written.head.commit.taken_at));
    }
    let grant = cell.grant("shop", &[Action::Read]).await;
    let reader = cell.repository("shop").reader(&grant, Action::Read, None).await.unwrap();
    let second = std::time::Duration::from_secs(1);
    for (number, taken_at) in &times {
        assert_eq!(reader.at_time(*taken_at).await.unwrap().name.number, *number);
        assert_eq!(reader.at_time(*taken_at + second).await.unwrap().name.number, *number);
        assert_eq!(reader.at_number(*number).await.unwrap().commit.taken_at, *taken_at);
    }
    assert!(matches!(reader.at_time(times[0].1 - second).await, Err(RepositoryError::NotFound(_))));
    assert!(matches!(reader.at_number(SnapshotNumber(41)).await, Err(RepositoryError::NotFound(_))));
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_disorder_history() {
    let cell = Cell::new().await;
    let first = cell.sweep("shop", "product", &[("1", "a")]).await;
    cell.clock.second.fetch_sub(100_000, std::sync::atomic::Ordering::SeqCst);
    let second = cell.sweep("shop", "product", &[("1", "b")]).await;
    assert!(second.head.commit.taken_at >= first.head.commit.taken_at);
    assert_eq!(second.head.name.number.0, 2);
}

async fn put(cell: &Cell, ids: &[&str]) -> Result<(), RepositoryError> {
    let grant = cell.grant("shop", &[Action::Backup]).await;
    let mut writer = cell.repository("shop").writer(&grant, cell.generation(), None).await?;
    writer.begin_kind(&kind("product"), Mode::Increment, &[]).await?;
    for id in ids {
        let meta = cell.meta(None);
        writer.put(NewRecord { id, payload: b"x", canonical: None, meta: &meta, summary: b"" }).await?;
    }
    writer.end_kind(KindOutcome::default()).await?;
    writer.commit().await.map(drop)
}

#[tokio::test]
async fn bad_ids_are_refused_by_name_and_leave_nothing() {
    let cell = Cell::new().await;
    let long = "x".repeat(20_000);
    for (ids, part) in [
        (&["a", "b", "b"][..], "product b occurs twice"),
        (&["b", "a"][..], "out of order"),
        (&[""][..], "0 bytes"),
        (&[long.as_str()][..], "20000 bytes"),
    ] {
        let error = put(&cell, ids).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(part), "{error}");
    }
    let grant = cell.grant("shop", &[Action::Read]).await;
    assert!(cell.repository("shop").head(&grant, Action::Read).await.unwrap().is_none());
    put(&cell, &["a", "b"]).await.unwrap();
}

#[tokio::test]
async fn a_grant_opens_its_own_connection_for_its_own_actions_only() {
    let cell = Cell::new().await;
    cell.sweep("shop", "product", &[("1", "a")]).await;
    cell.sweep("other", "product", &[("1", "a")]).await;
    let read = cell.grant("shop", &[Action::Read]).await;
    assert!(cell.repository("shop").reader(&read, Action::Read, None).await.is_ok());
    let error = cell.repository("other").reader(&read, Action::Read, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let error = cell.repository("shop").writer(&read, cell.generation(), None).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let forged = domain::Grant { actions: vec![Action::Read, Action::Backup], ..read };
    let error = cell.repository("shop").writer(&forged, cell.generation(), None).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused, "the vault's seal is over the actions too");
}
