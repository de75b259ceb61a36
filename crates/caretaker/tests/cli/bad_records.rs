//! Files of records that are broken, odd or too large.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::cell::{Answer, TestCell, text};

/// A cell with two things in it.
fn cell() -> TestCell {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n").succeeds();
    cell
}

/// A refused file: the words of the refusal, and both things as they were.
#[track_caller]
fn refused(cell: &TestCell, lines: impl AsRef<[u8]>, words: &[&str]) {
    cell.ingest("files", "thing", lines).refuses(1, words);
    assert_eq!(cell.snapshots("files"), [1], "a refused file makes no snapshot");
}

#[test]
fn a_broken_line_is_named_and_nothing_is_taken() {
    let cell = cell();
    refused(&cell, "{\"id\":\"a\",\"n\":2}\n{\"id\":\"b\",,}\n", &["line 2", "JSON"]);
    refused(&cell, "{\"id\":\"a\",\"n\":2}\n{\"id\":\"b\",\"n\":", &["line 2", "JSON", "EOF"]);
    refused(&cell, "{\"id\":\"a\",\"n\":2}\n\n{\"id\":\"b\"} {\"id\":\"c\"}\n", &["line 3", "JSON"]);
    refused(
        &cell,
        b"{\"id\":\"a\",\"n\":2}\n{\"id\":\"b\",\"n\":\"\xff\"}\n",
        &["line 2", "UTF-8", "byte 16"],
    );
    refused(&cell, "{\"id\":\"a\",\"n\":2}\n{\"n\":2}\n", &["line 2", "no id", "/id"]);
    refused(&cell, "{\"id\":{\"x\":1}}\n", &["line 1", "no id", "/id"]);
    // Read as it is, it would be rounded: its neighbour would look like the same.
    refused(&cell, "{\"id\":12345678901234567890123}\n", &["line 1", "no id", "64 bits"]);
    refused(&cell, "{\"id\":\"\"}\n", &["line 1", "record id"]);
    let long = format!("{{\"id\":\"{}\"}}\n", "x".repeat(16 * 1024 + 1));
    refused(&cell, long, &["line 1", "16385", "16384"]);
    let show = cell.run(&["item", "show", "files", "thing", "a"]);
    assert_eq!((show.code, &show.stdout[..]), (Some(0), &b"{\"id\":\"a\",\"n\":1}\n"[..]));

    let report = cell.ingest("files", "thing", "{\"id\":\"a\",\"n\":2}\n{\"id\":\"b\",\"n\":2}").succeeds();
    assert_eq!(report["kinds"]["thing"]["changed"], 2);
}

#[test]
fn an_id_that_occurs_twice_is_named_with_its_lines() {
    let cell = cell();
    // In order, and out of order with the two far apart.
    refused(&cell, "{\"id\":\"a\"}\n{\"id\":\"c\"}\n{\"id\":\"c\"}\n", &["thing c", "twice", "line 3"]);
    refused(&cell, "{\"id\":\"z\"}\n{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"z\"}\n", &["`z`", "1", "4"]);
    cell.ingest("files", "thing", "{\"id\":\"c\"}\n{\"id\":\"d\"}\n").succeeds();
}

#[test]
fn a_record_of_64_mib_is_kept_and_a_larger_one_refused() {
    const MAX: usize = 64 * 1024 * 1024;
    let cell = cell();
    let with_len = |len: usize| {
        let head = "{\"id\":\"c\",\"text\":\"";
        let path = cell.path("large.jsonl");
        let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
        file.write_all(head.as_bytes()).unwrap();
        file.write_all(&vec![b'x'; len - head.len() - 2]).unwrap();
        file.write_all(b"\"}\n").unwrap();
        file.into_inner().unwrap();
        cell.run(&["ingest", "files", "--kind", "thing", "--id", "/id", text(&path)])
    };
    with_len(MAX + 1).refuses(1, &["line 1", "64 MiB"]);
    assert_eq!(cell.snapshots("files"), [1]);
    with_len(MAX).succeeds();
    let shown = cell.run(&["item", "show", "files", "thing", "c"]);
    assert_eq!(shown.stdout.len(), MAX + 1);
}

#[test]
fn odd_ids_are_kept_as_they_are() {
    let cell = TestCell::with_jsonl("files");
    let ids: Vec<String> = [
        "../../etc/passwd",
        "a/b/c",
        "a\\b",
        "say \"this\"",
        "two\nlines",
        "tab\there",
        "%2e%2e",
        "日本語",
        "\u{0}",
        " ",
        "-",
        "--json",
        "'",
        "\u{202e}",
    ]
    .iter()
    .map(|id| (*id).to_owned())
    .chain(["x".repeat(10 * 1024), "y".repeat(16 * 1024)])
    .collect();
    let mut lines = String::new();
    for id in &ids {
        writeln!(lines, "{}", json!({ "id": id, "text": "a\nb" })).unwrap();
    }
    writeln!(lines, "{{\"id\":12345678901234567890}}").unwrap();
    let report = cell.ingest("files", "thing", &lines).succeeds();
    assert_eq!(report["kinds"]["thing"]["added"], ids.len() + 1);
    let list = cell.run(&["item", "list", "files", "thing"]).succeeds();
    let found: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    for id in &ids {
        assert!(found.contains(&id.as_str()), "{id:.40}");
        // An argument holds no zero byte.
        if id.contains('\0') {
            continue;
        }
        let shown = cell.run(&["item", "show", "files", "thing", "--", id]);
        let record: Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{shown:?}"));
        assert_eq!(record["id"], **id);
        cell.run(&["item", "history", "files", "thing", "--", id]).succeeds();
    }
    assert!(found.contains(&"12345678901234567890"), "a number is kept as it is written");
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    let exported = cell.export("files");
    let sorted = |bytes: &[u8]| {
        let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&exported[std::path::Path::new("thing.jsonl")]), sorted(lines.as_bytes()));
}

/// Ingests what is written to its standard input.
fn from_stdin(cell: &TestCell, bytes: &[u8], more: &[&str]) -> Answer {
    let words = ["ingest", "files", "--kind", "thing", "--id", "/id", "-"];
    let mut child = cell
        .command(&[&words[..], more].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses does not read to the end.
    drop(child.stdin.take().unwrap().write_all(bytes));
    child.wait_with_output().unwrap().into()
}

#[test]
fn order_and_origin_make_no_difference() {
    let cell = cell();
    let lines = "{\"id\":\"c\",\"n\":3}\n{\"id\":\"b\",\"n\":3}\n{\"id\":\"a\",\"n\":3}\n";
    let counts = |report: &Value| {
        let kind = &report["kinds"]["thing"];
        ["seen", "added", "changed", "removed"].map(|count| kind[count].as_u64().unwrap())
    };
    assert_eq!(counts(&cell.ingest("files", "thing", lines).succeeds()), [3, 1, 2, 0]);
    assert_eq!(counts(&from_stdin(&cell, lines.as_bytes(), &[]).succeeds()), [3, 0, 0, 0]);
    let ordered = "{\"id\":\"a\",\"n\":3}\n{\"id\":\"c\",\"n\":3}\n";
    assert_eq!(counts(&from_stdin(&cell, ordered.as_bytes(), &["--all"]).succeeds()), [2, 0, 0, 1]);
    from_stdin(&cell, b"{\"id\":\"a\"}\n{\"id\"", &[]).refuses(1, &["line 2", "JSON"]);
    cell.run(&["ingest", "files", "--kind", "thing", "--id", "/id", "absent.jsonl"])
        .refuses(1, &["absent.jsonl"]);
    let file = cell.file("ordered.jsonl", ordered);
    cell.run(&["ingest", "files", "--kind", "thing", "--id", "id", &file])
        .refuses(2, &["`id`", "JSON pointer"]);
    cell.run(&["item", "show", "files", "thing", "b"]).refuses(6, &["b"]);
}

#[test]
fn an_empty_file_removes_everything_only_when_told_so() {
    let cell = cell();
    let empty = cell.file("empty.jsonl", "\n\n");
    let words = ["ingest", "files", "--kind", "thing", "--id", "/id", &empty];
    let report = cell.run(&words).succeeds();
    assert_eq!(report["kinds"]["thing"]["removed"], 0, "without --all nothing is removed");
    let all = [&words[..], &["--all"]].concat();
    cell.run(&all).refuses(2, &["no record", "--all", "--yes"]);
    from_stdin(&cell, b"", &["--all"]).refuses(2, &["no record", "--yes"]);
    assert_eq!(cell.snapshots("files"), [2, 1]);
    cell.run(&["item", "show", "files", "thing", "a"]).succeeds_raw();
    let report = cell.run(&[&all[..], &["--yes"]].concat()).succeeds();
    assert_eq!(report["kinds"]["thing"]["removed"], 2);
    cell.run(&["item", "show", "files", "thing", "a", "--at", "1"]).succeeds_raw();
    // Where there is nothing to lose, nothing needs saying.
    let other = ["ingest", "files", "--kind", "other", "--id", "/id", &empty, "--all"];
    cell.run(&other).succeeds();
}
