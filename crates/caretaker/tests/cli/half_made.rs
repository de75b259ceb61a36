//! A cell that was not made whole: nothing opens it, and what to do is said.

use std::path::Path;

use crate::cell::{Answer, TestCell, binary, contents, text};

fn on(cell: &TestCell, home: &Path, words: &[&str]) -> Answer {
    let mut command = binary();
    command.args(["--json", "--dir", text(home), "--passphrase-file", text(&cell.passphrase())]);
    command.args(words).output().unwrap().into()
}

fn from(cell: &TestCell) -> Vec<String> {
    let at = |name: &str| text(&cell.home().join(name)).to_owned();
    let words = ["init", "--from-store", &at("store"), "--keys-store", &at("keys"), "--recovery-key-file"];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    words.push(text(&cell.recovery_key()).to_owned());
    words
}

#[test]
fn an_init_that_was_killed_is_named_and_can_be_begun_again() {
    let cell = TestCell::new();
    // Killed before the last step.
    std::fs::remove_file(cell.home().join("cell.json")).unwrap();
    let key = cell.path("again.key");
    let init = ["init", "--recovery-key-out", text(&key)];
    for words in [&init[..], &["connection", "list"], &["doctor"]] {
        let code = cell.run(words);
        if words == ["doctor"] {
            assert!(code.ends(1)["findings"][0]["detail"].as_str().unwrap().contains("half-made"));
        } else {
            code.refuses(
                7,
                &[
                    "half-made",
                    "vault.json",
                    "operator.key",
                    "catalog/catalog.db",
                    "head.json",
                    "begin again",
                ],
            );
        }
    }
    assert!(!key.exists());
    // What it says helps, and the stores stay as they are.
    for part in [
        "vault/vault.json",
        "vault/trail-witness",
        "operator.key",
        "catalog/catalog.db",
        "trail/log/head.json",
    ] {
        std::fs::remove_file(cell.home().join(part)).unwrap();
    }
    cell.run(&["connection", "list"]).refuses(6, &["no cell"]);
    cell.run(&init).succeeds();
    cell.run(&["connection", "list"]).succeeds();
}

#[test]
fn a_region_that_does_not_fit_is_told_before_anything_is_made() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let before = (contents(&cell.home().join("store/t")), contents(&cell.home().join("keys")));
    let home = cell.path("again");
    let words = from(&cell);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(["--region", "mars"]);
    on(&cell, &home, &words).refuses(2, &["`files`", "--region local"]);
    assert!(!home.exists());
    assert!(before == (contents(&cell.home().join("store/t")), contents(&cell.home().join("keys"))));
    words.pop();
    words.push("local");
    on(&cell, &home, &words).succeeds();
    on(&cell, &home, &["snapshot", "list", "files"]).succeeds();
}

#[test]
fn a_cell_that_cannot_be_set_up_again_leaves_no_half_of_it() {
    let cell = TestCell::with_jsonl("a");
    cell.run(&["connect", "jsonl", "b"]).succeeds();
    for name in ["a", "b"] {
        cell.ingest(name, "thing", "{\"id\":\"a\"}\n").succeeds();
    }
    let folder = cell.home().join("store/t/jsonl/default/b/commit");
    let commit = folder.join(contents(&folder).into_keys().next().unwrap());
    let bytes = std::fs::read(&commit).unwrap();
    std::fs::write(&commit, &bytes[..bytes.len() - 9]).unwrap();
    let home = cell.path("again");
    let words = from(&cell);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    on(&cell, &home, &words).refuses(4, &[]);
    for gone in ["cell.json", "vault/vault.json", "operator.key", "catalog/catalog.db"] {
        assert!(!home.join(gone).exists(), "{gone}");
    }
    on(&cell, &home, &["backup", "--all"]).refuses(6, &["no cell"]);
    // Once the damage is mended, the same words set it up.
    std::fs::write(&commit, &bytes).unwrap();
    let again = on(&cell, &home, &words).succeeds();
    assert_eq!(again["connections"].as_object().unwrap().len(), 2, "{again}");
    on(&cell, &home, &["verify", "--all", "--all-bytes"]).succeeds();
}

#[test]
fn a_first_backup_that_never_ended_keeps_nobody_from_backing_up_again() {
    let cell = TestCell::with_jsonl("done");
    cell.run(&["connect", "jsonl", "begun"]).succeeds();
    // Of people, whose keys stand in tables of their own.
    let people = |from: u32| -> String {
        (from..from + 40).map(|turn| format!("{{\"id\":\"{turn}\",\"who\":\"p{turn}\"}}\n")).collect()
    };
    let before = cell.file("before.jsonl", people(0));
    for name in ["done", "begun"] {
        cell.ingest(name, "thing", "{\"id\":\"a\"}\n").succeeds();
        let words = ["--kind", "person", "--id", "/id", "--subject", "/who", &before];
        cell.run(&[&["ingest", name][..], &words].concat()).succeeds();
    }
    // Killed before its first commit: it has data key and tables, and no snapshot.
    for object in ["commit", "index", "pack"] {
        drop(std::fs::remove_dir_all(cell.home().join("store/t/jsonl/default/begun").join(object)));
    }
    let home = cell.path("again");
    let words = from(&cell);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    on(&cell, &home, &words).succeeds();
    on(&cell, &home, &["connect", "jsonl", "begun"]).succeeds();
    let file = cell.file("lines.jsonl", "{\"id\":\"b\"}\n");
    for name in ["begun", "done"] {
        on(&cell, &home, &["ingest", name, "--kind", "thing", "--id", "/id", &file]).succeeds();
    }
    on(&cell, &home, &["verify", "--all", "--all-bytes"]).succeeds();
    let after = cell.file("after.jsonl", people(20));
    for name in ["begun", "done"] {
        let words = ["--kind", "person", "--id", "/id", "--subject", "/who", &after];
        on(&cell, &home, &[&["ingest", name][..], &words].concat()).succeeds();
    }
    on(&cell, &home, &["verify", "--all", "--all-bytes"]).succeeds();
    assert_eq!(on(&cell, &home, &["item", "show", "begun", "thing", "b"]).stdout, b"{\"id\":\"b\"}\n");
}

#[test]
fn a_damaged_or_foreign_cell_file_is_told() {
    let cell = TestCell::with_jsonl("files");
    let path = cell.home().join("cell.json");
    let good = std::fs::read_to_string(&path).unwrap();
    for damage in ["", "{", &good[..good.len() / 2], "[]"] {
        std::fs::write(&path, damage).unwrap();
        cell.run(&["connection", "list"]).refuses(4, &["cell.json", "damaged", "--from-store"]);
        assert_eq!(cell.run(&["doctor"]).ends(4)["sound"], false);
    }
    std::fs::write(&path, good.replace("\"format\": 1", "\"format\": 2")).unwrap();
    cell.run(&["connection", "list"]).refuses(1, &["format 2"]);
    std::fs::write(&path, good).unwrap();
    cell.run(&["connection", "list"]).succeeds();
}

#[test]
fn one_place_is_not_both_stores() {
    let cell = TestCell::new();
    let (home, key) = (cell.path("other"), cell.path("other.key"));
    let store = cell.path("both");
    let words = ["init", "--recovery-key-out", text(&key), "--store", text(&store), "--keys-store"];
    on(&cell, &home, &[&words[..], &[text(&store)]].concat()).refuses(2, &["both stores", text(&store)]);
    assert!(!home.join("cell.json").exists() && !key.exists());
    let keys = cell.path("keys-apart");
    on(&cell, &home, &[&words[..], &[text(&keys)]].concat()).succeeds();
}
