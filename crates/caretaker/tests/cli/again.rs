//! Files that were read before: what is as it was is not looked at twice, and what differs is found.

use serde_json::Value;

use crate::cell::TestCell;

/// Seen, added, changed, removed.
fn counts(report: &Value) -> [u64; 4] {
    let kind = &report["kinds"]["thing"];
    ["seen", "added", "changed", "removed"].map(|count| kind[count].as_u64().unwrap())
}

/// Lines whose ids stand where nobody expects them, in order of those ids.
const ODD: [&str; 8] = [
    r#"{"id":"a","v":[{"id":"z"}]}"#,
    r#"{"v":[{"id":"a"}],"id":"b"}"#,
    r#"{"id":"a","id":"c"}"#,
    r#"{ "id" : "d" , "n" : 1 }"#,
    r#"{"id":"\u0065"}"#,
    r#"{"x":"\"id\":\"a\"","id":"f"}"#,
    r#"{"x":{"id":null},"id":"g"}"#,
    r#"{"id":"h","n":1e3}"#,
];

#[test]
fn odd_lines_are_as_they_were_and_a_changed_one_is_found() {
    let cell = TestCell::with_jsonl("files");
    let text = |lines: &[&str]| lines.join("\n");
    assert_eq!(counts(&cell.ingest("files", "thing", text(&ODD)).succeeds()), [8, 8, 0, 0]);
    assert_eq!(counts(&cell.ingest("files", "thing", text(&ODD)).succeeds()), [8, 0, 0, 0]);
    for turn in 0..ODD.len() {
        let changed = ODD[turn].replacen('{', "{\"new\":true,", 1);
        let mut lines = ODD;
        lines[turn] = &changed;
        assert_eq!(
            counts(&cell.ingest("files", "thing", text(&lines)).succeeds()),
            [8, 0, 1, 0],
            "{changed}"
        );
        assert_eq!(counts(&cell.ingest("files", "thing", text(&ODD)).succeeds()), [8, 0, 1, 0], "{changed}");
    }
}

#[test]
fn what_is_gone_or_twice_is_found_among_lines_that_did_not_change() {
    let cell = TestCell::with_jsonl("files");
    let lines = |ids: &[u32]| ids.iter().map(|id| format!("{{\"id\":\"{id:05}\"}}\n")).collect::<String>();
    let all: Vec<u32> = (0..5_000).collect();
    let sweep = |ids: &[u32]| {
        let file = cell.file("lines.jsonl", lines(ids));
        cell.run(&["ingest", "files", "--kind", "thing", "--id", "/id", "--all", &file])
    };
    assert_eq!(counts(&sweep(&all).succeeds()), [5_000, 5_000, 0, 0]);
    let most: Vec<u32> =
        all.iter().copied().filter(|id| ![0, 17, 2_047, 2_048, 4_999].contains(id)).collect();
    assert_eq!(counts(&sweep(&most).succeeds()), [4_995, 0, 0, 5]);
    assert_eq!(counts(&sweep(&all).succeeds()), [5_000, 5, 0, 0]);
    let twice = [&all[..2_500], &[2_499], &all[2_500..]].concat();
    sweep(&twice).refuses(1, &["02499", "twice", "line 2501"]);
    // Out of order, so by way of sorted batches.
    let turned: Vec<u32> = all.iter().rev().copied().collect();
    assert_eq!(counts(&sweep(&turned).succeeds()), [5_000, 0, 0, 0]);
    assert_eq!(counts(&cell.ingest("files", "thing", lines(&[3, 9, 4_000])).succeeds()), [3, 0, 0, 0]);
}
