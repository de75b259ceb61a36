//! What a cell that runs does by itself, on the orders that stand for it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::cell::TestCell;
use crate::shop::Shop;
use crate::up::{Up, comes, count};

/// A cell with nothing in it.
fn cell() -> TestCell {
    TestCell::at(tempfile::tempdir().unwrap())
}

/// The one schedule of a task.
fn schedule(cell: &TestCell, connection: &str, task: &str) -> Option<Value> {
    let listed = cell.run(&["schedule", "list"]).succeeds();
    let mut rows = listed["schedules"].as_array().unwrap().clone().into_iter();
    rows.find(|row| row["connection"] == connection && row["task"] == task)
}

fn outcome(cell: &TestCell, connection: &str, task: &str) -> Value {
    schedule(cell, connection, task).map_or(Value::Null, |row| row["outcome"].clone())
}

fn snapshots(cell: &TestCell, connection: &str) -> usize {
    let listed = cell.run(&["snapshot", "list", connection]).succeeds();
    listed["snapshots"].as_array().unwrap().len()
}

/// Those of a cell's processes that are workers just now.
fn workers(up: &Up) -> Vec<Pid> {
    let parent = format!(" {} ", up.id());
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let of_it = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.split_once(") ").is_some_and(|(named, rest)| {
            named.ends_with("(caretaker-work") && rest.get(1..).is_some_and(|rest| rest.starts_with(&parent))
        })
    };
    all.filter(of_it).map(Pid::from_raw).collect()
}

#[test]
fn a_store_is_backed_up_and_verified_while_nobody_is_there() {
    let (cell, shop) = (cell(), Shop::tiny());
    shop.connect(&cell, "shop").succeeds();
    // Nobody is there who would do it.
    let set = ["schedule", "set", "shop", "--backup", "1h", "--verify", "1d"];
    let told = cell.run(&set).succeeds();
    assert_eq!(told["schedules"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(told["schedules"][0]["every_seconds"], 3_600);
    assert_eq!((snapshots(&cell, "shop"), outcome(&cell, "shop", "backup")), (0, Value::Null));

    // From here on the worker is, and it was due all the time. Its walls leave out the store's port, which is in the catalog.
    let up = Up::of(&cell);
    assert!(comes(|| outcome(&cell, "shop", "backup") == "done"), "{:?}", schedule(&cell, "shop", "backup"));
    assert_eq!(snapshots(&cell, "shop"), 1);
    assert!(comes(|| outcome(&cell, "shop", "verify") != Value::Null));
    let row = schedule(&cell, "shop", "backup").unwrap();
    assert_eq!(
        (&row["running"], &row["paused"], &row["failures"]),
        (&false.into(), &false.into(), &0.into())
    );
    assert!(row["due_at"].as_str().unwrap() > row["ended_at"].as_str().unwrap(), "{row}");
    // Each on its order, and on the record: by whose leave, and that nobody was there.
    assert!(count(&cell, "order.renew") >= 2);
    let listed = cell.run(&["trail", "list", "--last", "500", "--operation", "snapshot.backup"]).succeeds();
    let by_itself = |event: &&Value| event["event"].to_string().contains("on schedule");
    assert_eq!(listed["events"].as_array().unwrap().iter().filter(by_itself).count(), 2, "{listed}");
    assert_eq!(cell.run(&["order", "list"]).succeeds()["orders"].as_array().unwrap().len(), 2);

    // Taken away, with its orders.
    cell.run(&["schedule", "remove", "shop"]).succeeds();
    assert_eq!(cell.run(&["order", "list"]).succeeds()["orders"].as_array().unwrap().len(), 0);
    assert_eq!(schedule(&cell, "shop", "backup"), None);
    cell.run(&["trail", "verify"]).succeeds();
    drop(up);
}

#[test]
fn what_is_paused_is_made_up_for_when_it_goes_on() {
    let (cell, shop) = (cell(), Shop::tiny());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["schedule", "set", "shop", "--backup", "1h"]).succeeds();
    let paused = cell.run(&["schedule", "pause", "shop"]).succeeds();
    assert_eq!(paused["schedules"][0]["paused"], true);
    let up = Up::of(&cell);
    // Another connection's, which is not paused, is done: the worker looks.
    shop.connect(&cell, "other").succeeds();
    cell.run(&["schedule", "set", "other", "--backup", "1h"]).succeeds();
    assert!(comes(|| outcome(&cell, "other", "backup") == "done"));
    assert_eq!(outcome(&cell, "shop", "backup"), Value::Null);
    cell.run(&["schedule", "resume", "--all"]).succeeds();
    assert!(comes(|| outcome(&cell, "shop", "backup") == "done"));
    drop(up);
}

#[test]
fn a_worker_that_dies_over_it_leaves_it_to_the_next_one() {
    let cell = cell();
    let settings = sandbox::shopify::Settings { products: 2, customers: 2, orders: 2, ..Default::default() };
    let shop = Shop::open(sandbox::shopify::Settings {
        job_time: std::time::Duration::from_millis(300),
        ..settings
    });
    shop.connect(&cell, "shop").succeeds();
    let up = Up::of(&cell);
    cell.run(&["schedule", "set", "shop", "--backup", "1h"]).succeeds();
    let running = || schedule(&cell, "shop", "backup").is_some_and(|row| row["running"] == true);
    assert!(comes(running));
    assert_eq!(workers(&up).len(), 3);
    for worker in workers(&up) {
        kill(worker, Signal::SIGKILL).unwrap();
    }
    assert!(comes(|| outcome(&cell, "shop", "backup") == "done"), "{:?}", schedule(&cell, "shop", "backup"));
    assert_eq!(snapshots(&cell, "shop"), 1);
    drop(up);
}

#[test]
fn an_order_that_was_ended_ends_the_schedule_and_a_new_one_has_it_go_on() {
    let (cell, shop) = (cell(), Shop::tiny());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["schedule", "set", "shop", "--backup", "1h"]).succeeds();
    let orders = cell.run(&["order", "list"]).succeeds();
    cell.run(&["order", "end", orders["orders"][0]["id"].as_str().unwrap()]).succeeds();
    let up = Up::of(&cell);
    assert!(comes(|| schedule(&cell, "shop", "backup").unwrap()["outcome"] != Value::Null));
    let row = schedule(&cell, "shop", "backup").unwrap();
    assert_eq!((row["failures"].as_u64(), snapshots(&cell, "shop")), (Some(1), 0), "{row}");
    cell.run(&["schedule", "resume", "shop"]).succeeds();
    // It is tried again after a minute by itself; a time that is new is begun with at once.
    cell.run(&["schedule", "set", "shop", "--backup", "2h"]).succeeds();
    assert!(comes(|| outcome(&cell, "shop", "backup") == "done"), "{:?}", schedule(&cell, "shop", "backup"));
    drop(up);
}

#[test]
fn a_cell_made_again_from_its_stores_has_its_schedules_paused() {
    let (cell, shop) = (cell(), Shop::tiny());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    cell.run(&["schedule", "set", "shop", "--backup", "2h"]).succeeds();
    let again = TestCell::none_yet(tempfile::tempdir().unwrap());
    std::fs::write(again.passphrase(), crate::cell::PASSPHRASE).unwrap();
    let (store, keys) = (cell.home().join("store"), cell.home().join("keys"));
    let (store, keys, key) = (store.to_str().unwrap(), keys.to_str().unwrap(), cell.recovery_key());
    let key = key.to_str().unwrap();
    let init = ["init", "--from-store", store, "--keys-store", keys, "--recovery-key-file", key];
    assert_eq!(again.run(&init).succeeds()["schedules"], 1);
    let row = schedule(&again, "shop", "backup").unwrap();
    assert_eq!((&row["paused"], &row["every_seconds"]), (&true.into(), &7_200.into()), "{row}");
    shop.connect(&again, "shop").succeeds();
    again.run(&["schedule", "resume", "shop"]).succeeds();
    let up = Up::of(&again);
    assert!(
        comes(|| outcome(&again, "shop", "backup") == "done"),
        "{:?}",
        schedule(&again, "shop", "backup")
    );
    assert_eq!(snapshots(&again, "shop"), 2);
    drop(up);
}

#[test]
fn what_cannot_be_a_schedule_is_refused() {
    let cell = TestCell::with_jsonl("files");
    cell.run(&["schedule", "set", "files", "--backup", "1h"]).refuses(2, &["takes its records from files"]);
    cell.run(&["schedule", "set", "none", "--verify", "1h"]).refuses(6, &["none"]);
    cell.run(&["schedule", "set", "files"]).refuses(2, &[]);
    cell.run(&["schedule", "set", "files", "--verify", "5s"]).refuses(2, &["minutes"]);
    assert_eq!(cell.run(&["schedule", "list"]).succeeds()["schedules"].as_array().unwrap().len(), 0);
    assert_eq!(cell.run(&["order", "list"]).succeeds()["orders"].as_array().unwrap().len(), 0);
    // The control; of many, each gets what it can.
    cell.run(&["schedule", "set", "files", "--verify", "1h"]).succeeds();
    let all = cell.run(&["schedule", "set", "--all", "--backup", "1h", "--verify", "2h"]).succeeds();
    let set = all[0]["report"]["schedules"].as_array().unwrap().clone();
    assert_eq!(
        (set.len(), &set[0]["task"], &set[0]["every_seconds"]),
        (1, &"verify".into(), &7_200.into()),
        "{all}"
    );
}
