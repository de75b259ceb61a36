//! Processes that are there and say nothing: each is replaced, and nobody else is.

use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::shopify::Settings;
use serde_json::Value;

use crate::cell::{Answer, Chance, TestCell, points, running_until, tell};
use crate::powers::{MONITOR, SERVER, VAULT, WORKER, Waiting, child_of, children, is_there, name};
use crate::shop::Shop;
use crate::up::{Up, comes};

/// Says how long a beat is, in milliseconds.
pub(crate) const BEAT: &str = "CARETAKER_TEST_BEAT_MILLISECONDS";
const BEAT_MS: u64 = 300;
/// Whoever has said nothing for so long was replaced: asked after one beat, and killed after ten more.
const SILENCE: Duration = Duration::from_millis(11 * BEAT_MS);

fn cell() -> TestCell {
    TestCell::new().with(BEAT, &BEAT_MS.to_string())
}

/// A shop that takes its time.
fn slow_shop() -> Shop {
    let latency = Duration::from_millis(30);
    Shop::open(Settings { products: 12, customers: 6, orders: 6, latency, ..Settings::default() })
}

/// Which processes were replaced, as the trail has it.
fn replaced(cell: &TestCell) -> Vec<String> {
    let words = ["trail", "list", "--last", "500", "--operation", "process.replace"];
    let role = |event: &Value| {
        let event = &event["event"];
        assert!(event["status_detail"].as_str().unwrap().contains("has said nothing for"), "{event}");
        event["resources"][0]["uid"].as_str().unwrap().to_owned()
    };
    cell.run(&words).succeeds()["events"].as_array().unwrap().iter().map(role).collect()
}

/// Begins a backup, and waits until it is in the middle of what it asks.
fn begun(cell: &TestCell, shop: &Shop, words: &[&str]) -> Child {
    let asked = shop.stats().requests;
    let mut backup = cell.command(&[&["backup", "shop"], words].concat());
    let mut backup = backup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(running_until(&mut backup, || shop.stats().requests > asked + 5));
    backup
}

fn ends(backup: Child) {
    let report = Answer::from(backup.wait_with_output().unwrap()).succeeds();
    assert_eq!(report["complete"], true, "{report}");
}

fn is_whole(cell: &TestCell) {
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn a_worker_that_stands_still_in_the_middle_of_a_backup_is_replaced() {
    let (cell, calm, shop) = (cell(), TestCell::new(), slow_shop());
    shop.connect(&cell, "shop").succeeds();
    let mut backup = begun(&cell, &shop, &[]);
    let worker = child_of(backup.id(), WORKER).unwrap();
    kill(worker, Signal::SIGSTOP).unwrap();
    assert!(running_until(&mut backup, || !is_there(worker)), "it stands there for good");
    ends(backup);
    assert_eq!(cell.snapshots("shop"), [1]);
    assert_eq!(replaced(&cell), ["worker/shopify"]);
    is_whole(&cell);
    shop.connect(&calm, "shop").succeeds();
    calm.run(&["backup", "shop"]).succeeds();
    crate::cell::assert_same(&cell.export("shop"), &calm.export("shop"));
    // What comes after needs nothing, and finds what is new alone.
    let next = cell.run(&["backup", "shop"]).succeeds();
    assert_eq!((&next["snapshot"], &next["kinds"]["product"]["added"]), (&2.into(), &0.into()), "{next}");
}

#[test]
fn every_process_of_a_command_that_stands_still_is_replaced_and_nobody_notices() {
    for (process, role) in [(VAULT, "vault"), (SERVER, "server"), (MONITOR, "monitor")] {
        let cell = TestCell::with_jsonl("files").with(BEAT, &BEAT_MS.to_string());
        let waiting = Waiting::on(cell);
        let stopped = waiting.process(process);
        kill(stopped, Signal::SIGSTOP).unwrap();
        // It is needed while it stands still.
        let (cell, answer) = waiting.ends();
        answer.succeeds();
        assert!(!is_there(stopped));
        assert!(!answer.stderr.contains("could not"), "{process}: {}", answer.stderr);
        assert_eq!(replaced(&cell), [role]);
        cell.run(&["verify", "files", "--all-bytes"]).succeeds();
        cell.run(&["trail", "verify"]).succeeds();
    }
}

#[test]
fn every_process_of_a_cell_that_runs_is_replaced_when_it_stands_still() {
    let (cell, shop) = (cell(), slow_shop());
    shop.connect(&cell, "shop").succeeds();
    let up = Up::of(&cell);
    let (files, others) = (up.processes["worker/jsonl"], up.processes["worker/bigcommerce"]);
    let mut stopped = Vec::new();
    for named in [WORKER, VAULT, SERVER, MONITOR] {
        let backup = begun(&cell, &shop, &["--full"]);
        // The worker for the shop: it was started anew, since it is spoken to at a port of its own.
        let is_one = |process: &Pid| name(*process) == named && ![files, others].contains(process);
        let process = children(up.id()).into_iter().find(is_one).unwrap();
        stopped.push(process);
        kill(process, Signal::SIGSTOP).unwrap();
        // The backup waits for all but the monitor.
        let mut waits = (0..1_000).map(|_| std::thread::sleep(Duration::from_millis(20)));
        assert!(waits.any(|()| !is_there(process)), "{process} stands there for good");
        ends(backup);
    }
    let mut roles = replaced(&cell);
    roles.sort();
    assert_eq!(roles, ["monitor", "server", "vault", "worker/shopify"]);
    assert_eq!(cell.snapshots("shop").len(), 4);
    is_whole(&cell);
    // Each has another in its place, the worker for files is who it was, and one that stands still does not keep the cell from
    // its end.
    let now = children(up.id());
    assert_eq!(now.len(), 6);
    assert!(now.iter().all(|process| !stopped.contains(process)) && now.contains(&files));
    kill(files, Signal::SIGSTOP).unwrap();
    up.told(Signal::SIGTERM);
    let ended = up.ends();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!now.into_iter().any(is_there));
    is_whole(&cell);
}

/// So often a worker stands still for about as long as it may.
const NAPS: (u64, u64) = (3, 40);

#[test]
fn a_worker_that_wakes_when_it_is_about_to_be_killed_leaves_nothing_half_done() {
    let (cell, shop) = (cell(), slow_shop());
    shop.connect(&cell, "shop").succeeds();
    let mut chance = Chance::new();
    let naps = points(NAPS.0, NAPS.1);
    let mut snapshots = 0;
    for _ in 0..naps {
        let backup = begun(&cell, &shop, &["--full"]);
        let worker = child_of(backup.id(), WORKER).unwrap();
        kill(worker, Signal::SIGSTOP).unwrap();
        // A beat before it is killed, or after that, or anything between.
        let from = SILENCE - Duration::from_millis(BEAT_MS);
        std::thread::sleep(from + Duration::from_millis(chance.below(4 * BEAT_MS)));
        // It may be gone.
        let _ = kill(worker, Signal::SIGCONT);
        ends(backup);
        snapshots += 1;
        assert_eq!(cell.snapshots("shop").len(), snapshots);
        is_whole(&cell);
    }
    tell(&format!("{} of {naps} workers that woke late were replaced", replaced(&cell).len()));
}

#[test]
fn nobody_is_replaced_who_lives_and_nobody_who_slept_when_all_did() {
    let (cell, shop) = (cell(), slow_shop());
    shop.connect(&cell, "shop").succeeds();
    let up = Up::of(&cell);
    // Somebody works, and nobody has anything to do after that.
    ends(begun(&cell, &shop, &[]));
    let processes = children(up.id());
    let supervisor = Pid::from_raw(i32::try_from(up.id()).unwrap());
    let all: Vec<Pid> = processes.iter().copied().chain([supervisor]).collect();
    std::thread::sleep(SILENCE * 2);
    // Whoever asks hears nobody.
    kill(supervisor, Signal::SIGSTOP).unwrap();
    std::thread::sleep(SILENCE * 2);
    kill(supervisor, Signal::SIGCONT).unwrap();
    cell.run(&["connection", "list"]).succeeds();
    // As in a machine that sleeps: whoever asks is the first to wake.
    for process in &all {
        kill(*process, Signal::SIGSTOP).unwrap();
    }
    std::thread::sleep(SILENCE * 2);
    for process in all.iter().rev() {
        kill(*process, Signal::SIGCONT).unwrap();
    }
    std::thread::sleep(SILENCE * 2);
    assert_eq!(children(up.id()), processes);
    assert_eq!(replaced(&cell), [""; 0]);
    // The control: one that does stand still is replaced within that time.
    let monitor = up.processes["monitor"];
    assert_eq!(name(monitor), MONITOR);
    kill(monitor, Signal::SIGSTOP).unwrap();
    assert!(comes(|| !is_there(monitor)));
    assert_eq!(replaced(&cell), ["monitor"]);
    is_whole(&cell);
}
