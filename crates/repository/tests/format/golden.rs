//! A store that was written once for ever: every later version of this program reads it exactly, builds on it,
//! and names what is wrong where one of its objects is not what was written.
//!
//! `examples/write_golden.rs` wrote it, and is not run again: a new format gets a folder of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use domain::{Action, Grant, Kind};
use repository::{ErrorKind, KindOutcome, Mode, NewRecord, Repository, RepositoryError};
use serde_json::{Value, json};

use crate::fixture::{Cell, Places};
use crate::history::{self, line};
use crate::python;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::write(&to, fs::read(&from).unwrap()).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// A copy, since tests write and what is committed must stay.
fn copied() -> (tempfile::TempDir, Places) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["store", "keys", "cell"] {
        copy(&golden().join(name), &dir.path().join(name));
    }
    fs::copy(golden().join("recovery.key"), dir.path().join("recovery.key")).unwrap();
    let places = Places::below(dir.path());
    (dir, places)
}

/// Contents of files, by name.
type NamedBytes = Vec<(String, Vec<u8>)>;

fn expected() -> (Vec<Value>, NamedBytes, String) {
    let lines = fs::read_to_string(golden().join("expected.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let media: Value = serde_json::from_slice(&fs::read(golden().join("media.json")).unwrap()).unwrap();
    let media = media.as_object().unwrap().iter();
    let media =
        media.map(|(name, text)| (name.clone(), text.as_str().unwrap().as_bytes().to_vec())).collect();
    (lines, media, fs::read_to_string(golden().join("head")).unwrap().trim().to_owned())
}

/// All records of all snapshots, each with its summary, and all media.
async fn read_all(repository: &Repository, grant: &Grant) -> Result<Vec<Value>, RepositoryError> {
    let reader = repository.reader(grant, Action::Read, None).await?;
    let mut lines = Vec::new();
    for snapshot in reader.snapshots().await?.iter().rev() {
        let number = snapshot.name.number;
        for kind in snapshot.commit.kinds.keys() {
            let mut records = reader.scan(kind, number, None).await?;
            let mut rows = reader.scan(kind, number, None).await?;
            while let Some(record) = records.next().await? {
                let row = rows.next_summary().await?.unwrap();
                let summary = String::from_utf8(row.cells.unwrap_or_default()).unwrap();
                let key = (record.key.kind.as_str(), &*record.key.id);
                lines.push(line(number.0, key, record.number.0, &record.meta, &summary, &record.payload));
                assert_eq!(reader.get(&record.key, number).await?, record);
            }
        }
    }
    let media = repository.media(grant, Action::Read).await?;
    for (name, content) in expected().1 {
        let mut read = Vec::new();
        media
            .read(&name, |piece| {
                read.extend_from_slice(&piece);
                Ok(())
            })
            .await?;
        assert_eq!(read, content);
    }
    let state = repository.state(grant, Action::Read, history::STATE.0).await?;
    assert_eq!(state.as_deref(), Some(history::STATE.1[1]));
    Ok(lines)
}

#[tokio::test]
async fn every_record_of_every_snapshot_reads_as_it_was_written() {
    let (_dir, places) = copied();
    let (lines, _, head) = expected();
    let (repository, grant) = places.reading(None);
    assert_eq!(repository.head(&grant, Action::Read).await.unwrap().unwrap().name.to_string(), head);
    let read = read_all(&repository, &grant).await.unwrap();
    assert_eq!(read.len(), lines.len());
    for (read, expected) in read.iter().zip(&lines) {
        assert_eq!(read, expected);
    }
}

#[test]
fn another_languages_reader_reads_it_too() {
    let (_dir, places) = copied();
    let (lines, media, head) = expected();
    python::check(&places, None, &history::Written { lines, media, head });
}

#[tokio::test]
async fn a_run_that_was_interrupted_then_goes_on_today() {
    let (_dir, places) = copied();
    let cell = Cell::open(&places, 99).await;
    let grant = cell.grant(&[Action::Backup]).await;
    let head = cell.repository.head(&grant, Action::Backup).await.unwrap().unwrap();
    let run = cell.repository.run(&grant, Some(&head.name), &history::request()).await.unwrap();
    let product = Kind::new("product").unwrap();
    assert_eq!(run.kinds().await[&product].cursor, Some(json!("page 2")));
    run.begin(&product).await;
    let mut merged = run.merged().await.unwrap();
    let mut lines = Vec::new();
    while let Some(item) = merged.next_item().await.unwrap() {
        lines.extend(item.into_iter().map(|line| (line.id, line.part, line.bytes)));
    }
    let lines: Vec<_> =
        lines.iter().map(|(id, part, text)| (&**id, &**part, std::str::from_utf8(text).unwrap())).collect();
    assert_eq!(lines, history::RUN_LINES);
}

#[tokio::test]
async fn a_backup_builds_on_it_and_finds_nothing_changed() {
    let (_dir, places) = copied();
    let cell = Cell::open(&places, 99).await;
    let grant = cell.grant(&[Action::Backup, Action::Read]).await;
    let reader = cell.repository.reader(&grant, Action::Read, None).await.unwrap();
    let newest = reader.latest().await.unwrap();
    let mut writer = cell.repository.writer(&grant, cell.generation(100), None).await.unwrap();
    for kind in newest.commit.kinds.keys() {
        writer.begin_kind(kind, Mode::Sweep(domain::Removal::Deleted), &["title"]).await.unwrap();
        let mut scan = reader.scan(kind, newest.name.number, None).await.unwrap();
        let mut records = 0;
        while let Some(record) = scan.next().await.unwrap() {
            let (id, payload, meta) = (&*record.key.id, &record.payload[..], &record.meta);
            writer.put(NewRecord { id, payload, canonical: None, meta, summary: b"" }).await.unwrap();
            records += 1;
        }
        let counts = writer.end_kind(KindOutcome::default()).await.unwrap();
        assert_eq!((counts.seen, counts.added, counts.changed, counts.removed), (records, 0, 0, 0), "{kind}");
        assert!(records > 0, "{kind} is empty");
    }
    let written = writer.commit().await.unwrap();
    assert_eq!(written.head.name.number, reader.head().name.number.next());
}

/// An error with what caused it.
fn in_full(error: &dyn std::error::Error) -> String {
    let source = error.source().map(in_full);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[tokio::test]
async fn each_way_to_be_wrong_is_named() {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(golden().join("bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|end| end == "json"));
    cases.sort();
    assert!(cases.len() >= 25, "{} cases", cases.len());
    let mut unnoticed = Vec::new();
    for case in cases {
        let name = case.file_stem().unwrap().to_string_lossy().into_owned();
        let told: Value = serde_json::from_slice(&fs::read(&case).unwrap()).unwrap();
        let (dir, places) = copied();
        let object = dir.path().join(told["object"].as_str().unwrap());
        // The object with other bytes, or none at all.
        match fs::read(case.with_extension("object")) {
            Ok(bytes) => fs::write(&object, bytes).unwrap(),
            Err(_) => fs::remove_file(&object).unwrap(),
        }
        let (repository, grant) = places.reading(None);
        let wanted = told["error"].as_str().unwrap();
        match read_all(&repository, &grant).await {
            Ok(_) => unnoticed.push(format!("{name}: was not noticed")),
            Err(error) if error.kind() == ErrorKind::Integrity && in_full(&error).contains(wanted) => {}
            Err(error) => unnoticed.push(format!("{name}: `{wanted}` was expected: {}", in_full(&error))),
        }
        drop(dir);
    }
    assert!(unnoticed.is_empty(), "\n{}\n", unnoticed.join("\n"));
}
