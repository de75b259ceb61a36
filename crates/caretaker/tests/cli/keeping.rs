//! Dropping snapshots and giving their space back.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::cell::{Answer, TestCell, assert_same, contents, text};

/// Five snapshots of two hundred things, each with other numbers in all of them.
fn five() -> TestCell {
    let cell = TestCell::with_jsonl("files");
    for turn in 1..=5 {
        let lines: String = (0..200)
            .map(|n| format!("{{\"id\":\"{n:04}\",\"turn\":{turn},\"n\":{}}}\n", n * 7919 % 1009))
            .collect();
        cell.ingest("files", "thing", lines).succeeds();
    }
    cell
}

/// Answers the question for the connection's name.
fn typed(cell: &TestCell, words: &[&str], name: &str) -> Answer {
    let mut child = cell
        .command(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{name}").unwrap();
    child.wait_with_output().unwrap().into()
}

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|one| one["snapshot"].as_u64().unwrap()).collect()
}

#[test]
fn what_the_rules_do_not_keep_is_dropped_once_that_is_confirmed() {
    let cell = five();
    let prune = ["snapshot", "prune", "files", "--keep-last", "2"];
    let planned = cell.run(&[&prune[..], &["--dry-run"]].concat()).succeeds();
    assert_eq!((numbers(&planned["dropped"]), numbers(&planned["kept"])), (vec![3, 2, 1], vec![5, 4]));
    assert_eq!(cell.snapshots("files"), [5, 4, 3, 2, 1]);

    cell.run(&["snapshot", "prune", "files"]).refuses(2, &["--keep-last"]);
    cell.run(&["snapshot", "prune", "files", "--keep-last", "0"]).refuses(2, &["say what is kept"]);
    cell.run(&prune).refuses(2, &["nothing was changed", "`files`", "--yes"]);
    typed(&cell, &prune, "other").refuses(2, &["nothing was changed", "`other` is not `files`"]);
    assert_eq!(cell.snapshots("files"), [5, 4, 3, 2, 1]);

    let dropped = typed(&cell, &prune, "files").succeeds();
    assert_eq!(numbers(&dropped["dropped"]), [3, 2, 1]);
    assert_eq!(cell.snapshots("files"), [5, 4]);
    cell.run(&["item", "show", "files", "thing", "0000", "--at", "3"]).refuses(6, &["snapshot 3"]);
    cell.run(&["item", "show", "files", "thing", "0000", "--at", "4"]).succeeds_raw();
    let head = dropped["head"].as_str().unwrap();
    cell.run(&["verify", "files", "--all-bytes", "--expect-head", head]).succeeds();
    // There is nothing left to drop, and so nothing to ask.
    assert_eq!(numbers(&cell.run(&prune).succeeds()["dropped"]), [0; 0]);
    let next = cell.ingest("files", "thing", "{\"id\":\"0000\",\"turn\":6}\n").succeeds();
    assert!(next["snapshot"].as_u64().unwrap() > 5, "{next}");
}

#[test]
fn dropped_space_comes_back_in_two_passes() {
    let cell = five();
    let size = || {
        contents(&cell.home().join("store/t/jsonl/default/files/pack")).values().map(Vec::len).sum::<usize>()
    };
    let export = cell.export("files");
    let full = size();
    cell.run(&["snapshot", "prune", "files", "--keep-last", "1", "--yes"]).succeeds();
    let compacted = cell.run(&["store", "compact", "files"]).succeeds();
    assert_eq!(compacted["versions_dropped"], 800, "{compacted}");
    assert!(compacted["packs_dropped"].as_u64().unwrap() > 0, "{compacted}");

    let collect = ["store", "collect", "files", "--yes"];
    cell.run(&collect[..3]).refuses(2, &["nothing was changed"]);
    // What is young is spared, whether anything names it or not.
    let young = cell.run(&collect).succeeds();
    assert_eq!((&young["deleted"], &young["candidates"]), (&0.into(), &0.into()), "{young}");
    // The first pass lists, the second deletes.
    let at_once = [&collect[..], &["--grace-hours", "0"]].concat();
    let first = cell.run(&at_once).succeeds();
    assert_eq!(first["deleted"], 0, "{first}");
    assert!(first["candidates"].as_u64().unwrap() > 0 && first["next_at"].is_string(), "{first}");
    // With the usual grace it has to wait for that.
    let waiting = cell.run(&collect).succeeds();
    assert_eq!((&waiting["deleted"], &waiting["candidates"]), (&0.into(), &first["candidates"]), "{waiting}");
    assert!(cell.run(&at_once).succeeds()["deleted"].as_u64().unwrap() > 0);
    assert!(size() < full / 2, "{} of {full} are left", size());
    assert_eq!(cell.run(&["verify", "files", "--all-bytes"]).succeeds()["ok"], true);
    assert_same(&cell.export("files"), &export);
    cell.ingest("files", "thing", "{\"id\":\"0000\",\"turn\":6}\n").succeeds();
}

#[test]
fn a_lost_index_is_built_anew() {
    let cell = five();
    let export = cell.export("files");
    cell.run(&["store", "compact", "files"]).succeeds();
    let folder = cell.home().join("store/t/jsonl/default/files/index");
    let indexes: Vec<_> = contents(&folder).into_keys().collect();
    assert!(!indexes.is_empty(), "there is an index to lose");
    for name in indexes {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    assert_eq!(cell.run(&["verify", "files"]).code, Some(4));
    let rebuilt = cell.run(&["store", "rebuild", "files"]).succeeds();
    assert!(rebuilt["head"].is_string(), "{rebuilt}");
    assert_eq!(cell.run(&["verify", "files", "--all-bytes"]).succeeds()["ok"], true);
    assert_same(&cell.export("files"), &export);
}

#[test]
fn a_lost_pack_is_given_up_by_name_alone() {
    let cell = five();
    let folder = cell.home().join("store/t/jsonl/default/files/pack");
    let packs: Vec<_> = contents(&folder).into_keys().collect();
    assert!(packs.len() > 1, "a pack can be lost and another stay");
    let path = |name: &std::path::Path| format!("t/jsonl/default/files/pack/{}", text(name));
    let (lost, whole) = (path(&packs[0]), path(&packs[1]));
    std::fs::remove_file(folder.join(&packs[0])).unwrap();
    cell.run(&["store", "rebuild", "files"]).refuses(4, &[&lost]);
    let without = |paths: &[&str], yes: &[&str]| {
        let paths = paths.iter().flat_map(|path| ["--without", path]).collect::<Vec<_>>();
        cell.run(&[&["store", "rebuild", "files"][..], &paths, yes].concat())
    };
    without(&[&lost], &[]).refuses(2, &["nothing was changed"]);
    // What is there is not given up by a slip of the pen.
    without(&[&lost, &whole], &["--yes"]).refuses(2, &[&whole, "whole"]);
    without(&["t/jsonl/default/others/pack/1"], &["--yes"]).refuses(2, &["no pack of `files`"]);
    let rebuilt = without(&[&lost], &["--yes"]).succeeds();
    assert_eq!(rebuilt["lost"], serde_json::json!([lost]));
    // Everything counts anew with the next snapshot.
    let lines: String = (0..200).map(|n| format!("{{\"id\":\"{n:04}\",\"turn\":6}}\n")).collect();
    cell.ingest("files", "thing", &lines).succeeds();
    cell.run(&["item", "show", "files", "thing", "0000"]).succeeds_raw();
}

#[test]
fn a_damaged_pack_is_given_up_where_the_index_is_lost_too() {
    let cell = five();
    let store = cell.home().join("store/t/jsonl/default/files");
    cell.run(&["store", "compact", "files"]).succeeds();
    // Each of what compacting left of the history: without the index nobody knows of them but by themselves.
    let folder = store.join("index");
    for name in contents(&folder).into_keys() {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    let packs: Vec<_> = contents(&store.join("pack")).into_keys().collect();
    let cut = store.join("pack").join(&packs[0]);
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let lost = format!("t/jsonl/default/files/pack/{}", text(&packs[0]));
    cell.run(&["store", "rebuild", "files"]).refuses(4, &[&lost]);
    let rebuilt = cell.run(&["store", "rebuild", "files", "--without", &lost, "--yes"]).succeeds();
    assert_eq!(rebuilt["lost"], serde_json::json!([lost]));
}

#[test]
fn nothing_is_dropped_where_nothing_was_kept() {
    let cell = TestCell::with_jsonl("files");
    let answer = cell.run(&["snapshot", "prune", "files", "--keep-last", "2"]).succeeds();
    assert_eq!(numbers(&answer["dropped"]), [0; 0]);
    for words in [
        &["store", "compact", "files"][..],
        &["store", "collect", "files", "--yes"],
        &["store", "rebuild", "files"],
    ] {
        cell.run(words).refuses(6, &["`files` was never backed up"]);
    }
    cell.run(&["store", "credential"]).refuses(2, &["directories"]);
    assert!(text(&cell.home()).len() > 1);
}
