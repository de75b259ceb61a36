//! Runs that are interrupted: what was put before the last cursor is kept, and nothing else counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::Action;
use object_store::ObjectStoreExt as _;
use repository::{Repository, RepositoryError, Run};
use serde_json::{Value, json};

use crate::cell::{BEGIN, Cell, kind, objects};
use crate::faulty::{Fault, FaultyStore, Plan};

type Result<T, E = RepositoryError> = std::result::Result<T, E>;
/// Kind, id, part, line.
type Line = (String, String, String, String);

async fn open(cell: &Cell, repository: &Repository, request: &Value) -> Result<Run> {
    let grant = cell.grant("shop", &[Action::Backup]).await;
    repository.run(&grant, None, request).await
}

async fn lines(run: &Run) -> Result<Vec<Line>> {
    let mut merged = run.merged().await?;
    let mut found = Vec::new();
    while let Some(item) = merged.next_item().await? {
        for line in item {
            let text = String::from_utf8(line.bytes).unwrap();
            found.push((line.kind.to_string(), line.id.to_string(), line.part.to_string(), text));
        }
    }
    Ok(found)
}

fn line(kind_name: &str, id: &str, part: &str, text: &str) -> Line {
    (kind_name.to_owned(), id.to_owned(), part.to_owned(), text.to_owned())
}

async fn put(run: &Run, kind_name: &str, id: &str, part: &str, text: &str) -> Result<()> {
    run.put(&kind(kind_name), id.into(), part.into(), text.as_bytes().to_vec()).await
}

/// Fetches pages of two kinds by turns: 5 pages of 3 items each, and the cursor is the next page. Goes on where
/// the run stands.
async fn fetch(run: &Run) -> Result<()> {
    let kinds = ["order", "product"];
    let ended = |kinds: &std::collections::BTreeMap<domain::Kind, repository::RunKind>, name: &str| {
        kinds.get(&kind(name)).is_some_and(|state| state.end.is_some())
    };
    let before = run.kinds().await;
    let mut pages = Vec::new();
    for name in kinds {
        let page = before
            .get(&kind(name))
            .and_then(|state| state.cursor.as_ref())
            .and_then(Value::as_u64)
            .unwrap_or(0);
        if !ended(&before, name) {
            run.begin(&kind(name)).await;
            pages.push((name, page));
        }
    }
    while !pages.is_empty() {
        for (name, page) in &mut pages {
            if *page == 5 {
                run.end(&kind(name), json!("all")).await?;
                *page += 1;
                continue;
            }
            for item in (0..3).rev() {
                let id = format!("{}", item * 5 + *page);
                put(run, name, &id, "", &format!("item {id}")).await?;
                put(run, name, &id, "child", &format!("child of {id}")).await?;
            }
            *page += 1;
            run.cursor(&kind(name), json!(*page)).await?;
        }
        run.flush().await?;
        pages.retain(|(_, page)| *page < 6);
    }
    Ok(())
}

fn stores(base: &Cell, plan: &Arc<Plan>) -> (FaultyStore, Cell) {
    let keys = FaultyStore::new(&base.clock, plan);
    let cell = base.over(Arc::new(FaultyStore::new(&base.clock, plan)), Arc::new(keys.clone()), 3);
    (keys, cell)
}

#[tokio::test]
async fn a_run_that_crashed_anywhere_and_went_on_equals_an_undisturbed_one() {
    let base = Cell::new().await;
    let plan = Plan::new([]);
    let (_, cell) = stores(&base, &plan);
    let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
    fetch(&run).await.unwrap();
    let expected = lines(&run).await.unwrap();
    assert_eq!(expected.len(), 2 * 15 * 2);
    let (writes, reads) = (plan.writes(), plan.reads());
    let at_writes =
        (1..=writes).flat_map(|turn| [(turn, Fault::CrashBefore, true), (turn, Fault::CrashAfter, true)]);
    let at_reads = (1..=reads).map(|turn| (turn, Fault::CrashBefore, false));
    for (turn, fault, write) in at_writes.chain(at_reads) {
        base.clock.second.store(BEGIN, Ordering::SeqCst);
        let plan = if write { Plan::new([(turn, fault)]) } else { Plan::with_reads([], [(turn, fault)]) };
        let (keys, cell) = stores(&base, &plan);
        let first = async {
            let run = open(&cell, &cell.repository("shop"), &json!({})).await?;
            fetch(&run).await?;
            lines(&run).await
        };
        assert!(first.await.is_err(), "{fault:?} at {turn}");
        let healthy = Plan::new([]);
        let cell =
            base.over(Arc::new(FaultyStore::new(&base.clock, &healthy)), Arc::new(keys.on(&healthy)), 4);
        let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
        fetch(&run).await.unwrap();
        assert_eq!(lines(&run).await.unwrap(), expected, "{fault:?} at {turn}");
        run.delete().await.unwrap();
        assert!(
            objects(&*keys.inner).await.iter().all(|(path, _)| !path.as_ref().contains("/run/")),
            "all is deleted"
        );
    }
}

#[tokio::test]
async fn lines_behind_the_last_cursor_do_not_count_after_going_on() {
    let cell = Cell::new().await;
    let repository = cell.repository("shop");
    let run = open(&cell, &repository, &json!({})).await.unwrap();
    run.begin(&kind("product")).await;
    put(&run, "product", "1", "", "settled").await.unwrap();
    run.cursor(&kind("product"), json!("after 1")).await.unwrap();
    put(&run, "product", "2", "", "not settled").await.unwrap();
    run.flush().await.unwrap();
    let run = open(&cell, &repository, &json!({})).await.unwrap();
    assert_eq!(run.kinds().await[&kind("product")].cursor, Some(json!("after 1")));
    run.begin(&kind("product")).await;
    put(&run, "product", "3", "", "fetched again, and 2 is gone by now").await.unwrap();
    let expected = [
        line("product", "1", "", "settled"),
        line("product", "3", "", "fetched again, and 2 is gone by now"),
    ];
    assert_eq!(lines(&run).await.unwrap(), expected);
}

#[tokio::test]
async fn a_kind_that_is_restarted_forgets_its_lines_and_no_others() {
    let cell = Cell::new().await;
    let repository = cell.repository("shop");
    let run = open(&cell, &repository, &json!({})).await.unwrap();
    for name in ["order", "product"] {
        run.begin(&kind(name)).await;
        put(&run, name, "1", "", "first").await.unwrap();
        run.cursor(&kind(name), json!(1)).await.unwrap();
    }
    run.restart(&kind("product")).await;
    put(&run, "product", "2", "", "second").await.unwrap();
    run.flush().await.unwrap();
    assert_eq!(run.kinds().await[&kind("product")].cursor, None);
    let expected = [line("order", "1", "", "first"), line("product", "2", "", "second")];
    assert_eq!(lines(&run).await.unwrap(), expected);
    let run = open(&cell, &repository, &json!({})).await.unwrap();
    run.begin(&kind("product")).await;
    assert_eq!(lines(&run).await.unwrap(), expected[..1], "no cursor was set after the restart");
}

#[tokio::test]
async fn of_two_lines_for_one_part_the_later_one_counts() {
    let cell = Cell::new().await;
    let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
    run.begin(&kind("product")).await;
    put(&run, "product", "1", "b", "other part").await.unwrap();
    put(&run, "product", "1", "a", "early").await.unwrap();
    run.flush().await.unwrap();
    put(&run, "product", "1", "a", "late").await.unwrap();
    let expected = [line("product", "1", "a", "late"), line("product", "1", "b", "other part")];
    assert_eq!(lines(&run).await.unwrap(), expected);
}

#[tokio::test]
async fn a_run_that_was_asked_for_something_else_is_not_gone_on_with() {
    let cell = Cell::new().await;
    let repository = cell.repository("shop");
    let run = open(&cell, &repository, &json!({"full": false})).await.unwrap();
    run.begin(&kind("product")).await;
    put(&run, "product", "1", "", "x").await.unwrap();
    run.cursor(&kind("product"), json!(1)).await.unwrap();
    run.flush().await.unwrap();
    let same = open(&cell, &repository, &json!({"full": false})).await.unwrap();
    assert_eq!(same.kinds().await.len(), 1);
    let other = open(&cell, &repository, &json!({"full": true})).await.unwrap();
    assert!(other.kinds().await.is_empty());
}

#[tokio::test]
async fn an_unreachable_store_does_not_cost_the_progress() {
    let base = Cell::new().await;
    let (keys, cell) = stores(&base, &Plan::new([]));
    let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
    run.begin(&kind("product")).await;
    put(&run, "product", "1", "", "x").await.unwrap();
    run.cursor(&kind("product"), json!(1)).await.unwrap();
    run.flush().await.unwrap();
    let count = objects(&*keys.inner).await.len();
    for turn in 1..6 {
        let plan = Plan::with_reads([], [(turn, Fault::Fails)]);
        let cell = base.over(Arc::new(FaultyStore::new(&base.clock, &plan)), Arc::new(keys.on(&plan)), 5);
        let _ = open(&cell, &cell.repository("shop"), &json!({})).await;
        assert_eq!(objects(&*keys.inner).await.len(), count, "read {turn} failed and something was deleted");
    }
    let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
    assert_eq!(run.kinds().await[&kind("product")].cursor, Some(json!(1)));
}

#[tokio::test]
async fn a_run_whose_progress_could_not_be_stored_takes_no_more() {
    let base = Cell::new().await;
    let plan = Plan::new([(2, Fault::Fails)]);
    let (_, cell) = stores(&base, &plan);
    let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
    run.begin(&kind("product")).await;
    put(&run, "product", "1", "", "x").await.unwrap();
    run.flush().await.unwrap_err();
    put(&run, "product", "2", "", "y").await.unwrap_err();
    let error = run.cursor(&kind("product"), json!(2)).await.unwrap_err().to_string();
    assert!(error.contains("could not be stored: could not write `"), "the first cause is told too: {error}");
    assert!(
        run.merged().await.is_err(),
        "its first line is lost, and nobody may take the rest for the whole"
    );
}

#[tokio::test]
async fn what_is_old_is_stored_without_being_asked_for() {
    let cell = Cell::new().await;
    let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
    run.begin(&kind("product")).await;
    put(&run, "product", "1", "", "x").await.unwrap();
    assert_eq!(run.bytes_written().await, 0);
    cell.tick();
    put(&run, "product", "2", "", "y").await.unwrap();
    assert!(run.bytes_written().await > 0);
}

#[tokio::test]
async fn what_is_still_in_memory_is_merged_without_being_stored() {
    let cell = Cell::new().await;
    let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
    run.begin(&kind("product")).await;
    put(&run, "product", "2", "", "stored, and replaced since").await.unwrap();
    put(&run, "product", "3", "", "stored").await.unwrap();
    run.flush().await.unwrap();
    put(&run, "product", "1", "", "in memory").await.unwrap();
    put(&run, "product", "2", "", "newer").await.unwrap();
    put(&run, "product", "3", "child", "in memory").await.unwrap();
    let stored = run.bytes_written().await;
    let expected = [
        line("product", "1", "", "in memory"),
        line("product", "2", "", "newer"),
        line("product", "3", "", "stored"),
        line("product", "3", "child", "in memory"),
    ];
    assert_eq!(lines(&run).await.unwrap(), expected);
    assert_eq!(run.bytes_written().await, stored);
    // The lines are given away: a checkpoint that counts them would be a lie.
    run.flush().await.unwrap_err();
    put(&run, "product", "4", "", "too late").await.unwrap_err();
    let again = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
    again.begin(&kind("product")).await;
    assert_eq!(lines(&again).await.unwrap(), [], "no cursor stood before what was stored");
}

#[tokio::test]
async fn a_large_rest_of_a_large_run_is_stored_before_it_is_merged() {
    for (first, stores) in [(true, true), (false, false)] {
        let cell = Cell::new().await;
        let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
        run.begin(&kind("product")).await;
        if first {
            put(&run, "product", "2", "", "stored").await.unwrap();
            run.flush().await.unwrap();
        }
        let large = "long".repeat(1_500_000);
        put(&run, "product", "1", "", &large).await.unwrap();
        let stored = run.bytes_written().await;
        let merged = lines(&run).await.unwrap();
        assert_eq!(merged.len(), if first { 2 } else { 1 });
        assert_eq!(merged[0], line("product", "1", "", &large));
        assert_eq!(
            run.bytes_written().await > stored,
            stores,
            "nothing is written for a run that fits in memory"
        );
    }
}

/// A fetch of several parts is dropped where one of them fails, perhaps while another has its lines stored. The kind is
/// then read in another way, into the same run.
#[tokio::test]
async fn a_caller_that_is_dropped_while_it_stores_does_not_break_the_run() {
    let cell = Cell::new().await;
    let run = open(&cell, &cell.repository("shop"), &json!("all")).await.unwrap();
    run.begin(&kind("product")).await;
    put(&run, "product", "1", "", "first").await.unwrap();
    let mut storing = Box::pin(run.flush());
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(storing.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "it is on its way");
    drop(storing);
    put(&run, "product", "2", "", "second").await.unwrap();
    let expected = [line("product", "1", "", "first"), line("product", "2", "", "second")];
    assert_eq!(lines(&run).await.unwrap(), expected);
}

/// How many batches the key store has.
async fn batches(cell: &Cell) -> usize {
    let found = objects(&*cell.stores.keys).await;
    found.into_iter().filter(|(path, _)| path.as_ref().contains("/batch-")).count()
}

#[tokio::test]
async fn many_small_lines_are_sealed_before_they_fill_the_memory() {
    for (count, expected) in [(100_000, 1), (250_000, 2)] {
        let cell = Cell::new().await;
        let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
        run.begin(&kind("product")).await;
        // Each has some twenty bytes of text, and costs an allocator far more than that.
        for id in 0..count {
            put(&run, "product", &format!("{id:08}"), "", "1").await.unwrap();
        }
        assert_eq!(run.bytes_written().await, 0, "what is small when it is sealed waits in memory");
        run.flush().await.unwrap();
        assert_eq!(batches(&cell).await, expected, "{count} lines");
        assert_eq!(lines(&run).await.unwrap().len(), count);
    }
}

#[tokio::test]
async fn sealed_batches_are_merged_from_memory_or_stored_where_they_are_large() {
    // Lines of a megabyte: texts of one letter are small when they are sealed, and what looks random is not.
    let text = |letters: u64, turn: u64| -> String {
        let mut seed = turn;
        let letter = |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + u8::try_from((seed >> 33) % letters).unwrap())
        };
        (0..1 << 20).map(letter).filter(|letter| !matches!(letter, '"' | '\\')).collect()
    };
    for (letters, stored) in [(1, false), (90, true)] {
        let cell = Cell::new().await;
        let run = open(&cell, &cell.repository("shop"), &json!({})).await.unwrap();
        run.begin(&kind("product")).await;
        // The later ones come first.
        for turn in (0..40).rev() {
            put(&run, "product", &format!("{turn:02}"), "", &text(letters, turn)).await.unwrap();
        }
        assert_eq!((run.bytes_written().await > 0, batches(&cell).await > 0), (stored, stored));
        let merged = lines(&run).await.unwrap();
        assert_eq!(merged.len(), 40);
        for (turn, line) in (0..).zip(&merged) {
            assert!(
                *line == self::line("product", &format!("{turn:02}"), "", &text(letters, turn)),
                "{turn}"
            );
        }
    }
}

#[tokio::test]
async fn a_damaged_batch_costs_the_progress_and_no_more() {
    let cell = Cell::new().await;
    let repository = cell.repository("shop");
    let put_one = async || {
        let run = open(&cell, &repository, &json!({})).await.unwrap();
        run.begin(&kind("product")).await;
        put(&run, "product", "1", "", "x").await.unwrap();
        run.cursor(&kind("product"), json!(1)).await.unwrap();
        run.flush().await.unwrap();
        let found = objects(&*cell.stores.keys).await;
        found.into_iter().find(|(path, _)| path.as_ref().contains("/batch-")).unwrap()
    };
    for damage in ["none", "bits", "short", "gone"] {
        let (path, mut bytes) = put_one().await;
        match damage {
            "bits" => *bytes.last_mut().unwrap() ^= 1,
            "short" => bytes.truncate(bytes.len() - 1),
            _ => {}
        }
        if damage == "gone" {
            cell.stores.keys.delete(&path).await.unwrap();
        } else {
            cell.stores.keys.put(&path, bytes.into()).await.unwrap();
        }
        let run = open(&cell, &repository, &json!({})).await.unwrap();
        let known = run.kinds().await.len();
        assert_eq!(known, usize::from(damage == "none"), "{damage}");
        run.begin(&kind("product")).await;
        put(&run, "product", "2", "", "y").await.unwrap();
        let expected = if known == 1 { vec!["1", "2"] } else { vec!["2"] };
        let merged = lines(&run).await.unwrap();
        assert_eq!(merged.iter().map(|line| &*line.1).collect::<Vec<_>>(), expected, "{damage}");
        run.delete().await.unwrap();
    }
}
