//! The vault's keys are replaced while it works, and what was copied of it before opens nothing that is there now.

use std::io::Write as _;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};

use crate::cell::{TestCell, running_until};
use crate::powers::is_there;
use crate::shop::Shop;
use crate::up::Up;

/// How many each version has wrapped.
type Counts = Vec<(u64, u64)>;

/// The versions of the vault's keys, and how many data keys and credentials each has wrapped.
fn versions(cell: &TestCell) -> (Vec<u64>, Counts, Counts) {
    let status = cell.run(&["vault", "status"]).succeeds();
    let list = status["versions"]["data_keys"].as_array().unwrap();
    let counts = |what: &str| {
        let of = status["wrapped"][what].as_object().unwrap();
        of.iter().map(|(version, count)| (version.parse().unwrap(), count.as_u64().unwrap())).collect()
    };
    let list = list.iter().map(|version| version.as_u64().unwrap()).collect();
    (list, counts("data_keys"), counts("credentials"))
}

#[test]
fn a_vault_gets_new_keys_and_an_old_copy_of_it_opens_nothing_any_more() {
    let (cell, shop) = (TestCell::with_jsonl("files"), Shop::tiny());
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    assert_eq!(versions(&cell), (vec![1], vec![(1, 2)], vec![(1, 1)]));
    let old = std::fs::read(cell.home().join("vault/vault.json")).unwrap();

    let rotated = cell.run(&["vault", "rotate"]).succeeds();
    assert_eq!((&rotated["data_keys"], &rotated["credentials"]), (&2.into(), &2.into()));
    // What is new is wrapped by the new keys; what is old is read as before.
    cell.run(&["connect", "jsonl", "more"]).succeeds();
    cell.ingest("more", "thing", "{\"id\":\"b\"}\n").succeeds();
    cell.run(&["item", "show", "files", "thing", "a"]).succeeds_raw();
    assert_eq!(versions(&cell), (vec![1, 2], vec![(1, 2), (2, 1)], vec![(1, 1)]));
    cell.run(&["vault", "retire"]).refuses(7, &["3 keys and credentials", "vault rewrap"]);

    // No pack is needed to wrap anew: none is there.
    let (packs, aside) = (cell.home().join("store/t/jsonl/default/files/pack"), cell.path("packs"));
    std::fs::rename(&packs, &aside).unwrap();
    let rewrapped = cell.run(&["vault", "rewrap"]).succeeds();
    assert_eq!((&rewrapped["data_keys"], &rewrapped["credentials"]), (&2.into(), &1.into()));
    std::fs::rename(&aside, &packs).unwrap();
    let again = cell.run(&["vault", "rewrap"]).succeeds();
    assert_eq!((&again["data_keys"], &again["credentials"]), (&0.into(), &0.into()));
    assert_eq!(versions(&cell), (vec![1, 2], vec![(2, 3)], vec![(2, 1)]));

    cell.run(&["vault", "retire"]).succeeds();
    assert_eq!(versions(&cell).0, [2]);
    // Earlier snapshots, the platform's credential, the recovery key and the trail are as they were.
    cell.run(&["verify", "--all", "--all-bytes"]).ends(0);
    cell.run(&["item", "show", "files", "thing", "a", "--at", "1"]).succeeds_raw();
    cell.run(&["backup", "shop"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
    let mut recover = crate::cell::binary();
    recover.args(["--json", "recover", "--check", "--store"]).arg(cell.home().join("store"));
    recover
        .arg("--keys-store")
        .arg(cell.home().join("keys"))
        .arg("--recovery-key-file")
        .arg(cell.recovery_key());
    crate::cell::Answer::from(recover.output().unwrap()).succeeds();

    // Whoever copied the vault's file before, knows the passphrase, and gets all of today's stores and catalog.
    let thief = cell.copy();
    std::fs::write(thief.home().join("vault/vault.json"), old).unwrap();
    thief.run(&["connection", "list"]).succeeds();
    thief.run(&["item", "show", "files", "thing", "a"]).refuses(4, &["data-key", "does not open"]);
    thief.run(&["backup", "shop"]).refuses(4, &["open"]);
}

#[test]
fn old_keys_are_kept_while_others_may_still_wrap_by_them() {
    let cell = TestCell::with_jsonl("files");
    let words = ["ingest", "files", "--kind", "thing", "--id", "/id", "-"];
    let mut ingest = cell.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let began = || cell.journal().iter().any(|event| event["metadata"]["event_code"] == "data_key.create");
    assert!(running_until(&mut ingest, began));
    // It goes on with the keys that it has.
    cell.run(&["vault", "rotate"]).succeeds();
    cell.run(&["vault", "rewrap"]).succeeds();
    cell.run(&["vault", "retire"]).refuses(7, &["other commands"]);
    ingest.stdin.take().unwrap().write_all(b"{\"id\":\"a\"}\n").unwrap();
    assert!(ingest.wait_with_output().unwrap().status.success());
    cell.run(&["vault", "retire"]).succeeds();
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
}

#[test]
fn a_vault_that_runs_gets_new_keys_under_work_and_old_ones_end_when_none_has_them() {
    let (cell, shop) = (TestCell::with_jsonl("files"), Shop::tiny());
    cell.run(&["connect", "jsonl", "slow"]).succeeds();
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let old = std::fs::read(cell.home().join("vault/vault.json")).unwrap();
    let up = Up::of(&cell);
    let words = ["ingest", "slow", "--kind", "thing", "--id", "/id", "-"];
    let slow = |piped: Stdio| cell.command(&words).stdin(piped).stdout(Stdio::piped()).spawn().unwrap();
    let made = || {
        let is_one = |event: &&serde_json::Value| event["metadata"]["event_code"] == "data_key.create";
        cell.journal().iter().filter(is_one).count()
    };
    let before = made();
    let mut ingest = slow(Stdio::piped());
    assert!(running_until(&mut ingest, || made() > before));

    cell.run(&["vault", "rotate"]).succeeds();
    // The process that runs has them at once, and so has another one that is started in its place. Neither grants nor
    // certificates of before end with that.
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    assert_eq!(versions(&cell), (vec![1, 2], vec![(1, 2), (2, 1)], vec![(1, 1)]));
    kill(up.processes["vault"], Signal::SIGKILL).unwrap();
    assert_eq!(cell.run(&["vault", "rewrap"]).succeeds()["data_keys"], 2);
    cell.run(&["backup", "shop"]).succeeds();
    cell.run(&["vault", "retire"]).refuses(7, &["other commands are at work"]);
    ingest.stdin.take().unwrap().write_all(b"{\"id\":\"b\"}\n").unwrap();
    assert!(ingest.wait_with_output().unwrap().status.success());
    assert_eq!(versions(&cell).0, [1, 2]);

    // One that was refused has changed nothing: the processes stay.
    let server = up.processes["server"];
    cell.run(&["vault", "retire"]).succeeds();
    assert_eq!(versions(&cell), (vec![2], vec![(2, 3)], vec![(2, 1)]));
    assert!(!is_there(server) && !is_there(up.processes["worker/jsonl"]), "all began anew");
    cell.ingest("files", "thing", "{\"id\":\"c\"}\n").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    cell.run(&["verify", "--all", "--all-bytes"]).succeeds();
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    cell.run(&["trail", "verify"]).succeeds();
    // A socket is no file that could be copied.
    std::fs::remove_dir_all(cell.home().join("run")).unwrap();
    let thief = cell.copy();
    std::fs::write(thief.home().join("vault/vault.json"), old).unwrap();
    thief.run(&["item", "show", "files", "thing", "a"]).refuses(4, &["data-key", "does not open"]);
    thief.run(&["backup", "shop"]).refuses(4, &["open"]);
}

#[test]
fn what_an_older_catalog_does_not_know_is_not_lost_with_the_old_keys() {
    let cell = TestCell::with_jsonl("files");
    let older = std::fs::read(cell.home().join("catalog/catalog.db")).unwrap();
    cell.run(&["connect", "jsonl", "more"]).succeeds();
    cell.ingest("more", "thing", "{\"id\":\"a\"}\n").succeeds();
    let newer = std::fs::read(cell.home().join("catalog/catalog.db")).unwrap();
    std::fs::write(cell.home().join("catalog/catalog.db"), older).unwrap();
    cell.run(&["item", "show", "more", "thing", "a"]).refuses(6, &["more"]);
    cell.run(&["vault", "rotate"]).succeeds();
    cell.run(&["vault", "retire"]).refuses(7, &["vault rewrap"]);
    assert_eq!(cell.run(&["vault", "rewrap"]).succeeds()["data_keys"], 1);
    cell.run(&["vault", "retire"]).succeeds();
    std::fs::write(cell.home().join("catalog/catalog.db"), newer).unwrap();
    cell.run(&["item", "show", "more", "thing", "a"]).succeeds_raw();
}
