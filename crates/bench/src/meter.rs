//! What one process cost.
//!
//! The kernel adds up the costs of all children that a process has waited for. So each measured program runs
//! under a process of its own, this program again as `meter`, which waits for that one child and writes down the sums.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context as _, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::{Value, json};

use crate::stopwatch::Stopwatch;

/// Time and memory of one process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) wall_ms: f64,
    pub(crate) user_ms: f64,
    pub(crate) system_ms: f64,
    pub(crate) peak_bytes: f64,
}

impl Cost {
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.user_ms + self.system_ms
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "wall_ms": self.wall_ms,
            "user_ms": self.user_ms,
            "system_ms": self.system_ms,
            "peak_bytes": self.peak_bytes,
        })
    }
}

/// The program's own side: `meter REPORT PROGRAM ARGUMENT…`.
pub(crate) fn meter(report: &Path, program: &OsStr, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let watch = Stopwatch::start();
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("could not run `{}`", program.display()))?;
    let wall = watch.passed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let milliseconds = |time: nix::sys::time::TimeVal| rounded(time.num_microseconds()) / 1_000.0;
    let cost = Cost {
        wall_ms: wall.as_secs_f64() * 1_000.0,
        user_ms: milliseconds(usage.user_time()),
        system_ms: milliseconds(usage.system_time()),
        peak_bytes: rounded(usage.max_rss()) * 1_024.0,
    };
    std::fs::write(report, cost.json().to_string())?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

#[expect(clippy::cast_precision_loss, reason = "microseconds and kilobytes are far below 2^52")]
fn rounded(value: i64) -> f64 {
    value as f64
}

/// What a program reads.
pub(crate) enum Input {
    Nothing,
    File(PathBuf),
    /// Written by another thread; its answer is how many bytes it wrote.
    Stream(Box<dyn FnOnce(std::process::ChildStdin) -> std::io::Result<u64> + Send>),
}

/// One program to run and measure.
pub(crate) struct Run {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) input: Input,
    /// Whether its output is of interest.
    pub(crate) keep_output: bool,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) cost: Cost,
    pub(crate) code: Option<i32>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
    pub(crate) streamed_bytes: u64,
}

impl Done {
    /// Refuses what did not end well.
    pub(crate) fn well(self) -> anyhow::Result<Self> {
        match self.code {
            Some(0) => Ok(self),
            code => {
                let last = self.errors.lines().next_back().unwrap_or_default();
                bail!("a measured program ended with {code:?}: {last}")
            }
        }
    }

    /// The JSON that it printed.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.output).context("a measured program printed no JSON")
    }
}

/// Runs a program under a meter.
pub(crate) fn measure(scratch: &Path, run: Run) -> anyhow::Result<Done> {
    let report = scratch.join("meter.json");
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("meter")
        .arg(&report)
        .arg(&run.program)
        .args(&run.arguments)
        .envs(run.environment)
        .stdout(if run.keep_output { Stdio::piped() } else { Stdio::null() })
        .stderr(Stdio::piped());
    let mut stream = None;
    match run.input {
        Input::Nothing => drop(command.stdin(Stdio::null())),
        Input::File(path) => {
            let file =
                std::fs::File::open(&path).with_context(|| format!("could not read `{}`", path.display()))?;
            command.stdin(file);
        }
        Input::Stream(write) => {
            command.stdin(Stdio::piped());
            stream = Some(write);
        }
    }
    let mut child = command.spawn()?;
    let writer: Option<JoinHandle<std::io::Result<u64>>> = match (child.stdin.take(), stream) {
        (Some(into), Some(write)) => Some(std::thread::spawn(move || write(into))),
        _ => None,
    };
    let ended = child.wait_with_output()?;
    let streamed_bytes = match writer.map(JoinHandle::join) {
        Some(Ok(written)) => written.context("the measured program stopped reading")?,
        Some(Err(_)) => bail!("the generator of records failed"),
        None => 0,
    };
    let text = std::fs::read(&report).with_context(|| format!("no cost of `{}`", run.program.display()))?;
    std::fs::remove_file(&report)?;
    let written: Value = serde_json::from_slice(&text)?;
    let number = |name: &str| written.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    Ok(Done {
        cost: Cost {
            wall_ms: number("wall_ms"),
            user_ms: number("user_ms"),
            system_ms: number("system_ms"),
            peak_bytes: number("peak_bytes"),
        },
        code: ended.status.code(),
        output: ended.stdout,
        errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
        streamed_bytes,
    })
}
