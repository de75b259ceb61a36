//! The demo: it proves what it says, and fails when it cannot.

use crate::cell::{Answer, TestCell, binary, text};

fn demo(words: &[&str]) -> std::process::Output {
    // Its folder of its own is a place under TMPDIR.
    let temp = tempfile::tempdir().unwrap();
    let mut command = binary();
    let output = command.arg("demo").arg("--once").args(words).env("TMPDIR", temp.path()).output().unwrap();
    assert_eq!(
        std::fs::read_dir(temp.path()).unwrap().count(),
        0,
        "a demo in a folder of its own leaves nothing"
    );
    output
}

#[test]
fn the_demo_says_what_was_proven() {
    let output = demo(&["--seed", "1"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let last: Vec<&str> = told.trim().lines().rev().take(3).collect();
    assert!(told.contains("Proven just now, on seed 1"), "{told}");
    assert!(last[1].contains("in clear") && last[1].contains("recovery key"), "{last:?}");
    assert!(last[0].contains("record"), "{last:?}");
    let steps = String::from_utf8_lossy(&output.stderr);
    let steps: Vec<&str> = steps
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    assert!(steps.len() >= 14, "{steps:?}");
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    for line in steps.into_iter().chain(last) {
        assert!(readme.contains(line), "README tells this otherwise: {line}");
    }
}

#[test]
fn another_seed_tells_other_figures() {
    let figures = |seed: &str| {
        let answer = Answer::from(demo(&["--seed", seed, "--json"])).succeeds();
        assert_eq!(answer["held"], true);
        let steps = answer["steps"].as_array().unwrap().clone();
        let prices = steps.iter().find_map(|step| step["prices"].as_u64()).unwrap();
        let records = steps.iter().find_map(|step| step["records"].as_u64()).unwrap();
        assert!(prices > 0 && records > 0);
        (prices, records)
    };
    assert_ne!(figures("1"), figures("2"));
}

#[test]
fn a_demo_that_cannot_prove_its_point_fails() {
    let cell = TestCell::new();
    let temp = cell.temp();
    // The way in is cut for good, and so are the products: by operations and page by page.
    for fault in ["502@1+", "bulk-failed:products@1+,internal-error:products@1+"] {
        let mut command = binary();
        command.args(["--json", "demo", "--once", "--fault", fault]).env("TMPDIR", text(&temp));
        let answer = Answer::from(command.output().unwrap());
        assert!(matches!(answer.code, Some(1 | 3 | 8)), "{fault}: {answer:?}");
        assert!(answer.stdout.is_empty(), "{fault}: {answer:?}");
        let error: serde_json::Value = serde_json::from_str(answer.stderr.lines().last().unwrap()).unwrap();
        assert!(error["error"].is_string(), "{error}");
    }
    // What can be got over is no reason to fail.
    assert_eq!(Answer::from(demo(&["--json", "--fault", "429@3,cut:products@1"])).succeeds()["held"], true);
    let mut command = binary();
    command.args(["--json", "demo", "--once", "--fault", "nonsense"]).env("TMPDIR", text(&temp));
    Answer::from(command.output().unwrap()).refuses(2, &["nonsense", "KIND"]);
}
