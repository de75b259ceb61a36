//! A clock that was set back, on the real binary: numbers order history, the clock does not.

use std::process::{Command, Stdio};

use catalog::{Catalog, Client};
use domain::Clock as _;
use serde_json::Value;
use vault::system::SystemClock;

use crate::cell::{Answer, TestCell, kill, note, running_until};
use crate::shop::Shop;

/// Where libfaketime lies, as its own command says.
///
/// `None` where it is missing and somebody has said that it may.
fn library() -> Option<String> {
    let asked = Command::new("faketime").args(["-f", "+0", "sh", "-c", "echo \"$LD_PRELOAD\""]).output();
    match asked {
        Ok(asked) => Some(String::from_utf8(asked.stdout).unwrap().trim().to_owned()),
        Err(error) => {
            assert!(
                std::env::var_os("CARETAKER_NO_FAKETIME").is_some(),
                "`faketime` cannot be run ({error}): install it, or set CARETAKER_NO_FAKETIME=1 to leave this out"
            );
            println!("skipped: there is no faketime here");
            None
        }
    }
}

/// A command under a clock that goes wrong by this much. The binary asks the system's library for the time, and
/// libfaketime answers in its place; waits and the file system's own times stay true.
fn at(cell: &TestCell, library: &str, shift: &str, words: &[&str]) -> Command {
    let mut command = cell.command(words);
    command.env("LD_PRELOAD", library).env("FAKETIME", shift).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

/// When each snapshot was taken, oldest first.
fn times(cell: &TestCell, name: &str) -> Vec<String> {
    let list = cell.run(&["snapshot", "list", name]).succeeds();
    let rows = list["snapshots"].as_array().unwrap().iter().rev();
    rows.map(|row| row["taken_at"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_clock_that_was_set_back_disturbs_neither_order_nor_lease() {
    let Some(library) = library() else { return };
    let cell = TestCell::with_jsonl("files");
    let shop = Shop::tiny();
    shop.connect(&cell, "shop").succeeds();
    let words = |turn: u32| {
        let file = cell.file(&format!("{turn}.jsonl"), format!("{{\"id\":\"a\",\"turn\":{turn}}}\n"));
        ["ingest", "files", "--kind", "thing", "--id", "/id"]
            .into_iter()
            .map(str::to_owned)
            .chain([file])
            .collect::<Vec<_>>()
    };
    // By turns ahead, right, and behind, each against the one before.
    let shifts = ["+2d", "+0", "-400d", "-30d", "+0"];
    for (turn, shift) in (1..).zip(shifts) {
        let words = words(turn);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        for words in [&words, &["backup", "shop"][..]] {
            let answer = Answer::from(at(&cell, &library, shift, words).output().unwrap());
            assert_eq!(answer.succeeds()["snapshot"], turn, "{shift}");
        }
    }
    for name in ["files", "shop"] {
        let times = times(&cell, name);
        assert_eq!(times.len(), shifts.len());
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(times[0], times[4], "none is before its parent, and the first was two days ahead");
        cell.run(&["verify", name, "--all-bytes"]).succeeds();
    }
    // By number each is found; by time the newest of those that claim it.
    let turn = |time: &str| {
        let words = ["item", "show", "files", "thing", "a", "--at", time];
        let answer = cell.run(&words);
        answer.succeeds_raw();
        serde_json::from_slice::<Value>(&answer.stdout).unwrap()["turn"].as_u64().unwrap()
    };
    assert_eq!([turn("1"), turn("3"), turn("5"), turn("latest")], [1, 3, 5, 5]);
    assert_eq!(turn(&times(&cell, "files")[0]), 5);
    let before = ["item", "show", "files", "thing", "a", "--at", "2020-01-01T00:00:00Z"];
    cell.run(&before).refuses(6, &["2020"]);
    note("clock-set-back");
}

#[test]
fn a_lease_from_the_future_holds_nobody_up() {
    let Some(library) = library() else { return };
    let cell = TestCell::with_jsonl("files");
    let file = cell.file("a.jsonl", "{\"id\":\"a\"}\n");
    let words = ["ingest", "files", "--kind", "thing", "--id", "/id", &file];
    // Killed while it holds the lease and waits for input, under a clock that is two years ahead.
    let mut command = at(&cell, &library, "+730d", &[&words[..6], &["-"]].concat());
    let mut held = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let lease = || {
        runtime.block_on(async {
            let catalog = Client::from(Catalog::open(&cell.home()).await.unwrap());
            catalog.lease(&"default".parse().unwrap(), &"files".parse().unwrap()).await.unwrap()
        })
    };
    assert!(running_until(&mut held, || lease().is_some()), "it waits for its input");
    let ahead = lease().unwrap().expires_at.duration_since(SystemClock.now()).as_hours();
    assert!(ahead > 24 * 700, "its clock was ahead: {ahead} hours");
    cell.run(&words).refuses(7, &["another command"]);
    kill(&mut held);
    assert!(lease().is_some());
    assert_eq!(cell.run(&words).succeeds()["snapshot"], 1);
}
