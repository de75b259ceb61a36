//! The reader in another language, which knows docs/format.md and no line of ours, reads what we write.

use std::path::{Path, PathBuf};
use std::process::Command;

use domain::Scope;
use serde_json::{Value, json};

use crate::fixture::{Cell, PASSPHRASE, Places, scope};
use crate::history::{self, Size};

const MISSING: &str = "the reader needs Python 3.9 or later with the packages `cryptography` and `zstandard`. \
`make test` installs them; by hand: `scripts/python-tools .cache/reader cryptography zstandard` \
(CARETAKER_PYTHON names another interpreter)";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The interpreter: the one that `make test` prepared, else the system's.
fn python() -> PathBuf {
    let prepared = root().join(".cache/reader/bin/python");
    let python = std::env::var_os("CARETAKER_PYTHON").map(PathBuf::from);
    let python = python.unwrap_or(if prepared.exists() { prepared } else { "python3".into() });
    let works = Command::new(&python).args(["-c", "import cryptography, zstandard"]).output();
    assert!(works.is_ok_and(|done| done.status.success()), "`{}` does not do: {MISSING}", python.display());
    python
}

/// What the reader prints.
pub(crate) fn run(places: &Places, passphrase_file: Option<&Path>, what: &[&str]) -> Result<Vec<u8>, String> {
    let Places { store, keys, recovery_key, .. } = places;
    let Scope { platform, tenant, connection, .. } = scope();
    let place = format!("{platform}/{tenant}/{connection}");
    let done = Command::new(python())
        .arg(root().join("tests/reader/read_store.py"))
        .args([store, keys, recovery_key])
        .arg(passphrase_file.unwrap_or(Path::new("-")))
        .arg(place)
        .args(what)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(done.stdout) } else { Err(errors) }
}

fn lines(output: &[u8]) -> Vec<Value> {
    std::str::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything that the reader says, against everything that was written.
pub(crate) fn check(places: &Places, passphrase_file: Option<&Path>, written: &history::Written) {
    let snapshots = lines(&run(places, passphrase_file, &["snapshots"]).unwrap());
    assert_eq!(snapshots[0]["number"], written.lines.last().unwrap()["snapshot"]);
    let mut read = Vec::new();
    for snapshot in snapshots.iter().rev() {
        let number = snapshot["number"].as_u64().unwrap();
        assert_eq!(snapshot["role"], "snapshot");
        for mut record in lines(&run(places, passphrase_file, &["records", &number.to_string()]).unwrap()) {
            record["snapshot"] = json!(number);
            read.push(record);
        }
    }
    assert_eq!(read.len(), written.lines.len());
    for (read, expected) in read.iter().zip(&written.lines) {
        assert!(read == expected, "read {read:.300}\nwritten {expected:.300}");
    }
    for (name, content) in &written.media {
        assert!(run(places, passphrase_file, &["media", name]).unwrap() == *content, "medium {name}");
    }
}

#[tokio::test]
async fn another_languages_reader_reads_everything() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::below(dir.path());
    let cell = Cell::make(&places, 11, None).await;
    let written = history::write(&cell, Size { products: 2_500, snapshots: 10, large: true }).await;
    assert!(
        std::fs::read_dir(places.store.join("t/jsonl/default/shop/index")).unwrap().count() > 0,
        "no index was merged"
    );
    check(&places, None, &written);
    note_that_it_ran();
}

#[tokio::test]
async fn a_sealed_recovery_key_opens_with_its_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::below(dir.path());
    let cell = Cell::make(&places, 12, Some(PASSPHRASE)).await;
    let written = history::write(&cell, Size { products: 3, snapshots: 2, large: false }).await;
    let file = dir.path().join("passphrase");
    std::fs::write(&file, "not this one\n").unwrap();
    let refused = run(&places, Some(&file), &["snapshots"]).unwrap_err();
    assert!(refused.contains("InvalidTag"), "{refused}");
    std::fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    check(&places, Some(&file), &written);
}

#[tokio::test]
async fn the_reader_notices_a_flipped_byte() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::below(dir.path());
    let cell = Cell::make(&places, 13, None).await;
    history::write(&cell, Size { products: 3, snapshots: 1, large: false }).await;
    let packs = places.store.join("t/jsonl/default/shop/pack");
    let pack = std::fs::read_dir(packs).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&pack).unwrap();
    for at in [0, 60, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&pack, changed).unwrap();
        run(&places, None, &["records", "1"]).expect_err("a flipped byte was not noticed");
    }
    std::fs::write(&pack, &bytes).unwrap();
    run(&places, None, &["records", "1"]).unwrap();
}

/// `make test` counts the suites that really ran.
fn note_that_it_ran() {
    use std::io::Write as _;
    if let Some(path) = std::env::var_os("CARETAKER_SUITES") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "independent-reader").unwrap();
    }
}
