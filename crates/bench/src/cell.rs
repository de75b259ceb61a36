//! Cells to measure in, and the programs beside them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::load::{Calibration, Load};
use crate::meter::{Done, Input, Run, measure};

/// Where everything lies, and how loaded the machine is.
pub(crate) struct Bench {
    pub(crate) caretaker: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) calibration: Calibration,
}

impl Bench {
    pub(crate) fn open(caretaker: Option<PathBuf>, dir: &Path) -> anyhow::Result<Self> {
        let caretaker = match caretaker {
            Some(given) => given,
            None => std::env::current_exe()?.with_file_name("caretaker"),
        };
        ensure!(caretaker.is_file(), "there is no `{}`: build it first", caretaker.display());
        std::fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
        let dir = dir.canonicalize()?;
        let mut calibration = Calibration::open(&dir);
        // The first loop on a sleeping core is slow.
        for _ in 0..5 {
            calibration.probe();
        }
        Ok(Self { caretaker, dir, calibration })
    }

    /// Measures a program; the machine's load is the worse of before and after.
    pub(crate) fn measure(&mut self, run: Run) -> anyhow::Result<(Done, Load)> {
        let before = self.calibration.probe();
        let done = measure(&self.dir, run)?;
        let after = self.calibration.probe();
        Ok((done, if after.slowdown > before.slowdown { after } else { before }))
    }

    /// An empty folder.
    pub(crate) fn scratch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let dir = self.dir.join(name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }
}

/// A cell of its own for one round.
pub(crate) struct Cell {
    caretaker: PathBuf,
    dir: PathBuf,
}

impl Cell {
    pub(crate) fn make(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let scratch = bench.scratch(name)?;
        std::fs::write(scratch.join("passphrase"), "the passphrase of a benchmark\n")?;
        let cell = Self { caretaker: bench.caretaker.clone(), dir: scratch };
        let key = cell.dir.join("recovery-key");
        cell.quietly(&["init", "--recovery-key-out", &key.to_string_lossy()])?;
        Ok(cell)
    }

    pub(crate) fn connect_jsonl(&self) -> anyhow::Result<()> {
        self.quietly(&["connect", "jsonl", "shop"]).map(drop)
    }

    /// Its object store.
    pub(crate) fn store(&self) -> PathBuf {
        self.dir.join("cell").join("store")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// `caretaker` with these words.
    pub(crate) fn run(&self, words: &[&str]) -> Run {
        let environment = vec![
            ("CARETAKER_DIR", self.dir.join("cell").into_os_string()),
            ("CARETAKER_PASSPHRASE_FILE", self.dir.join("passphrase").into_os_string()),
        ];
        Run {
            program: self.caretaker.clone(),
            arguments: words.iter().map(OsString::from).collect(),
            environment,
            input: Input::Nothing,
            keep_output: true,
        }
    }

    /// The words of an ingest of products.
    pub(crate) fn ingest(&self, file: &str) -> Run {
        self.run(&["ingest", "shop", "--json", "--kind", "product", "--id", "/id", "--all", file])
    }

    /// Runs without a meter, and answers the JSON where it printed some.
    pub(crate) fn quietly(&self, words: &[&str]) -> anyhow::Result<Value> {
        let run = self.run(words);
        let done =
            std::process::Command::new(&run.program).args(&run.arguments).envs(run.environment).output()?;
        if !done.status.success() {
            bail!("`caretaker {}`: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(serde_json::from_slice(&done.stdout).unwrap_or_default())
    }

    pub(crate) fn remove(self) -> anyhow::Result<()> {
        Ok(std::fs::remove_dir_all(&self.dir)?)
    }
}

/// Bytes of all files below a folder.
pub(crate) fn stored_bytes(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { stored_bytes(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}

/// A text at a JSON pointer.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text at `{pointer}`"))
}

/// A count at a JSON pointer.
pub(crate) fn count(value: &Value, pointer: &str) -> anyhow::Result<u64> {
    value.pointer(pointer).and_then(Value::as_u64).with_context(|| format!("no count at `{pointer}`"))
}

/// A program's path, where it is installed.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_by_pointer() {
        let value = serde_json::json!({ "kinds": { "product": { "seen": 7 } }, "head": "1-2" });
        assert_eq!(count(&value, "/kinds/product/seen").unwrap(), 7);
        assert_eq!(text(&value, "/head").unwrap(), "1-2");
        assert!(count(&value, "/kinds/order/seen").is_err() && text(&value, "/kinds").is_err());
    }

    #[test]
    fn a_program_is_found_where_there_is_one() {
        assert!(installed("sh").is_some());
        assert!(installed("no such program").is_none());
    }
}
