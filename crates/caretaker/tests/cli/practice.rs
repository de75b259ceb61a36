//! The practice store in a process of its own, as people open it to try things out.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::cell::{TestCell, binary, text};

/// Opens one, and answers what it says of itself.
fn open(cell: &TestCell, words: &[&str]) -> (Child, Value) {
    let state = cell.path("practice");
    let mut command = binary();
    command.args(["--json", "sandbox", "shopify", "--state", text(&state)]).args(words);
    let mut store = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(store.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (store, serde_json::from_str(&line).unwrap())
}

#[test]
fn a_practice_store_that_takes_its_time_is_backed_up_whole() {
    let cell = TestCell::new();
    let few = ["--products", "3", "--customers", "1", "--orders", "1", "--seed", "5"];
    let slow = ["--job-time", "1", "--search-lag", "1", "--points-per-second", "1000"];
    let (mut store, facts) = open(&cell, &[&few[..], &slow].concat());
    let fact = |name: &str| facts[name].as_str().unwrap();
    let connect = ["connect", "shopify", "shop", "--url", fact("url"), "--client-id", fact("client_id")];
    let files = ["--client-secret-file", fact("client_secret_file"), "--ca-file", fact("ca_file")];
    cell.run(&[&connect[..], &files].concat()).succeeds();
    let report = cell.run(&["backup", "shop"]).succeeds();
    assert_eq!((&report["complete"], &report["kinds"]["product"]["added"]), (&true.into(), &3.into()));
    // The first signal ends it as it should end.
    kill(Pid::from_raw(i32::try_from(store.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(store.wait().unwrap().code(), Some(0));
}
