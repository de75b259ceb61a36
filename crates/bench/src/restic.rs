//! The same data through restic, where it is installed: one file of JSON lines, from its standard input.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cell::{Bench, installed, stored_bytes};
use crate::generations;
use crate::meter::{Input, Run};
use crate::series::Series;
use crate::table::{float, say};

const FILE: &str = "records.jsonl";

/// What restic needed.
#[derive(Default)]
pub(crate) struct Restic {
    pub(crate) version: String,
    /// Opening the repository alone, its scrypt included.
    pub(crate) opening: Series,
    pub(crate) first: Series,
    pub(crate) second: Series,
    pub(crate) record: Series,
    pub(crate) history: Series,
    pub(crate) verify: Series,
    pub(crate) stored: f64,
    pub(crate) added: f64,
}

impl Restic {
    pub(crate) fn json(&self) -> Value {
        json!({
            "version": self.version,
            "opening": self.opening.json(),
            "first": self.first.json(),
            "second": self.second.json(),
            "record": self.record.json(),
            "history": self.history.json(),
            "verify": self.verify.json(),
            "stored_bytes": self.stored,
            "added_bytes": self.added,
        })
    }
}

struct Repository {
    program: PathBuf,
    dir: PathBuf,
}

impl Repository {
    fn run(&self, words: &[&str], input: Option<&Path>) -> Run {
        Run {
            program: self.program.clone(),
            arguments: words.iter().map(OsString::from).collect(),
            environment: vec![
                ("RESTIC_REPOSITORY", self.dir.join("repository").into_os_string()),
                ("RESTIC_CACHE_DIR", self.dir.join("cache").into_os_string()),
                ("RESTIC_PASSWORD", OsString::from("the passphrase of a benchmark")),
            ],
            input: input.map_or(Input::Nothing, |path| Input::File(path.to_owned())),
            // One record is found by writing out the whole file: nobody reads it here.
            keep_output: !words.contains(&"dump"),
        }
    }
}

/// Measures it so many times; `None` where it is not installed.
pub(crate) fn measure(bench: &mut Bench, data: &Path, rounds: usize) -> anyhow::Result<Option<Restic>> {
    let Some(program) = installed("restic") else { return Ok(None) };
    let version = std::process::Command::new(&program).arg("version").output()?.stdout;
    let version = String::from_utf8_lossy(&version).split(' ').nth(1).unwrap_or("of some version").to_owned();
    let mut restic = Restic { version, ..Restic::default() };
    for round in 1..=rounds {
        say(&format!("restic, round {round} of {rounds}"));
        let repository = Repository { program: program.clone(), dir: bench.scratch("restic")? };
        bench.measure(repository.run(&["init", "--repository-version", "2"], None))?.0.well()?;
        let mut step = |series: &mut Series, words: &[&str], input: Option<&Path>| -> anyhow::Result<Value> {
            let (done, load) = bench.measure(repository.run(words, input))?;
            let done = done.well()?;
            series.push(done.cost, load);
            // Only `snapshots` is asked for JSON.
            Ok(serde_json::from_slice(&done.output).unwrap_or_default())
        };
        let backup = ["backup", "--stdin", "--stdin-filename", FILE];
        step(&mut restic.first, &backup, Some(&generations::first(data)))?;
        let stored = stored_bytes(&repository.dir.join("repository"))?;
        step(&mut restic.second, &backup, Some(&generations::second(data)))?;
        restic.stored = float(stored);
        restic.added = float(stored_bytes(&repository.dir.join("repository"))?.saturating_sub(stored));
        let snapshots = step(&mut restic.opening, &["snapshots", "--json"], None)?;
        let snapshot = snapshots.pointer("/0/short_id").and_then(Value::as_str).context("no snapshot")?;
        step(&mut restic.record, &["dump", snapshot, FILE], None)?;
        step(&mut restic.history, &["find", FILE], None)?;
        step(&mut restic.verify, &["check", "--read-data"], None)?;
        std::fs::remove_dir_all(&repository.dir)?;
    }
    Ok(Some(restic))
}
