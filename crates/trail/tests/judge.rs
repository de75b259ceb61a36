//! The code that checks Go's own module sums, which knows no line of ours, accepts our checkpoints, tiles and proofs, and
//! refuses them where anything was changed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use trail::builder::Log;
use trail::checkpoint::Checkpoint;
use trail::note::{Scheme, Signer};
use trail::tile::{self, Tile};
use trail::tree::{self, Hash, Runs};

const ORIGIN: &str = "trail.example/judged";

fn entry(said: &str, at: u64) -> Vec<u8> {
    format!("{{\"number\":{at},\"{said}\":\"{}\"}}", "x".repeat(usize::try_from(at % 90).unwrap()))
        .into_bytes()
}

/// The hashes of a proof, from the log's files.
fn proof(dir: &Path, size: u64, runs: Runs) -> Vec<Hash> {
    let hash = |node| {
        let tile = Tile::of(node, size).unwrap();
        let hashes = tile::from_bytes(&fs::read(dir.join(tile.to_string())).unwrap()).unwrap();
        tile::node_hash(node, &hashes).unwrap()
    };
    runs.into_iter().map(|run| tree::fold(&run.into_iter().map(hash).collect::<Vec<_>>())).collect()
}

/// A log on disk with its checkpoint and proofs, grown in steps. Answers its roots after each.
fn write(dir: &Path, said: &str, steps: &[u64]) -> Vec<Hash> {
    let (mut log, mut known) = (Log::default(), Vec::new());
    for step in steps {
        let entries: Vec<_> = (log.size()..log.size() + step).map(|at| entry(said, at)).collect();
        for (tile, bytes) in log.append(entries.iter().map(Vec::as_slice)).unwrap() {
            let path = dir.join(tile.to_string());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        known.push((log.size(), log.root()));
    }
    let size = log.size();
    let signer = Signer::from_seed(ORIGIN, Scheme::Own, &[5; 32]).unwrap();
    let vault = Signer::from_seed("vault.example", Scheme::Cosignature, &[6; 32]).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: log.root() };
    let note = vault.add(&signer.sign(&checkpoint.to_string(), 0).unwrap(), 1_795_521_600).unwrap();
    fs::write(dir.join("checkpoint"), note).unwrap();
    fs::write(dir.join("key"), signer.verifier().to_string()).unwrap();

    let mut proofs = String::new();
    let mut line = |what: String, hashes: Vec<Hash>| {
        let hashes: String = hashes.iter().map(|hash| format!(" {}", STANDARD.encode(hash.0))).collect();
        writeln!(proofs, "{what}{hashes}").unwrap();
    };
    for index in (0..size).step_by(37).chain([size - 1]) {
        line(format!("included {index}"), proof(dir, size, tree::inclusion(index, size).unwrap()));
    }
    for (old, root) in &known {
        let old = *old;
        let hashes = proof(dir, size, tree::consistency(old, size).unwrap());
        line(format!("grew {old} {}", STANDARD.encode(root.0)), hashes);
    }
    fs::write(dir.join("proofs"), proofs).unwrap();
    known.into_iter().map(|(_, root)| root).collect()
}

/// Builds the judge. It asks no network for anything.
fn build(dir: &Path) -> PathBuf {
    let judge = dir.join("judge");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-judge");
    let built = Command::new(script).arg(&judge).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    judge
}

fn judged(judge: &Path, dir: &Path) -> Result<String, String> {
    let done = Command::new(judge).arg(dir).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

#[test]
fn a_foreign_verifier_accepts_our_trail_and_finds_what_was_changed() {
    let work = tempfile::tempdir().unwrap();
    let judge = build(work.path());
    for (turn, steps) in [&[1][..], &[255, 1, 1], &[3, 700, 20, 256], &[65_536, 77]].into_iter().enumerate() {
        let dir = work.path().join(format!("log-{turn}"));
        write(&dir, "done", steps);
        let size: u64 = steps.iter().sum();
        let proofs = (0..size).step_by(37).count() + 1 + steps.len();
        assert_eq!(judged(&judge, &dir), Ok(format!("{size} entries, {proofs} proofs")));
    }

    let dir = work.path().join("log-2");
    let found = |file: &str, wrong: &[u8], why: &str| {
        let path = dir.join(file);
        let right = fs::read(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        fs::write(&path, wrong).unwrap();
        let refused = judged(&judge, &dir).expect_err(file);
        assert!(refused.contains(why), "{file}: {refused}");
        fs::write(&path, right).unwrap();
    };
    let flipped = |file: &str, at: usize| {
        let mut bytes = fs::read(dir.join(file)).unwrap();
        bytes[at] ^= 1;
        bytes
    };
    found("checkpoint", &flipped("checkpoint", ORIGIN.len() + 1), "checkpoint");
    found("tile/0/001", &flipped("tile/0/001", 1_000), "hash");
    found("tile/entries/002", &flipped("tile/entries/002", 50), "not the one that was hashed");
    found("tile/entries/003.p/211", b"", "another number of entries");
    let proofs = fs::read_to_string(dir.join("proofs")).unwrap();
    let other = proofs.replacen("included 37 ", "included 38 ", 1);
    assert_ne!(other, proofs);
    found("proofs", other.as_bytes(), "another one");
    assert!(judged(&judge, &dir).is_ok(), "all is as it was");

    // A log that says something else than it once did, signed with the same key: whoever remembers finds it.
    let (told, retold) = (work.path().join("told"), work.path().join("retold"));
    let remembered = write(&told, "done", &[300, 77])[0];
    let now = write(&retold, "never done", &[300, 77])[0];
    assert!(judged(&judge, &told).is_ok() && judged(&judge, &retold).is_ok());
    let proofs = fs::read_to_string(retold.join("proofs")).unwrap();
    let asked = proofs.replacen(&STANDARD.encode(now.0), &STANDARD.encode(remembered.0), 1);
    assert_ne!(asked, proofs);
    fs::write(retold.join("proofs"), asked).unwrap();
    let refused = judged(&judge, &retold).unwrap_err();
    assert!(refused.starts_with("grew 300"), "{refused}");

    if let Some(path) = std::env::var_os("CARETAKER_SUITES") {
        let mut suites = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(suites, "trail-judge").unwrap();
    }
}
