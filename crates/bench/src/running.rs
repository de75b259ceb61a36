//! A cell that runs: how soon it does, what it keeps in memory, and how soon a command that joins it is done, beside one that
//! starts its own processes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::cell::{Bench, Cell};
use crate::series::median;
use crate::stopwatch::Stopwatch;
use crate::table::{Table, float, keep, print, reaches, say};

/// What is asked for.
const READY_MS: f64 = 2_000.0;
const JOINED_MS: f64 = 30.0;
const ALONE_MS: f64 = 2_000.0;
const MEMORY_MB: f64 = 150.0;

/// A cell's processes, which end with this.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        drop(self.0.wait());
    }
}

impl Up {
    /// Answers the process ids too, its own among them.
    fn start(cell: &Cell) -> anyhow::Result<(Self, Vec<u64>)> {
        let run = cell.run(&["up", "--json"]);
        let mut command = Command::new(&run.program);
        let command = command.args(&run.arguments).envs(run.environment).stdin(Stdio::null());
        let mut up = Self(command.stdout(Stdio::piped()).spawn()?);
        let mut line = String::new();
        BufReader::new(up.0.stdout.as_mut().context("its answer is not read")?).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).with_context(|| format!("it answers `{line}`"))?;
        let others =
            ready.get("processes").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::values);
        let others = others.filter_map(Value::as_u64);
        let pids = others.chain([u64::from(up.0.id())]).collect();
        Ok((up, pids))
    }
}

/// Megabytes that processes have to themselves, and their share of what they have in common.
fn memory(pids: &[u64]) -> anyhow::Result<f64> {
    let mut kib = 0;
    for pid in pids {
        let text = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("smaps_rollup"))?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("Pss:")).context("the kernel tells no PSS")?;
        kib += line.trim().trim_end_matches("kB").trim().parse::<u64>()?;
    }
    Ok(float(kib) * 1_024.0 / 1e6)
}

/// How long a command takes, whole process, in milliseconds: the median of many.
fn shown(cell: &Cell, rounds: usize) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    for _ in 0..rounds {
        let watch = Stopwatch::start();
        let run = cell.run(&["item", "show", "shop", "product", "7"]);
        let done = Command::new(&run.program).args(&run.arguments).envs(run.environment).output()?;
        took.push(watch.passed().as_secs_f64() * 1_000.0);
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(median(took))
}

/// Measures and prints.
pub(crate) fn run(bench: &mut Bench, rounds: usize) -> anyhow::Result<()> {
    say("a cell that runs");
    let cell = Cell::make(bench, "running")?;
    cell.connect_jsonl()?;
    let lines: String =
        (0..1_000).map(|id| format!("{{\"id\":\"{id}\",\"title\":\"product {id}\"}}\n")).collect();
    let file = cell.path("products.jsonl");
    std::fs::write(&file, lines)?;
    cell.quietly(&["ingest", "shop", "--kind", "product", "--id", "/id", &file.to_string_lossy()])?;
    let alone = shown(&cell, rounds)?;
    let mut readies = Vec::new();
    for _ in 0..rounds.min(5) {
        let watch = Stopwatch::start();
        let up = Up::start(&cell)?;
        readies.push(watch.passed().as_secs_f64() * 1_000.0);
        drop(up);
    }
    let (up, pids) = Up::start(&cell)?;
    let idle = memory(&pids)?;
    let joined = shown(&cell, rounds)?;
    let after = memory(&pids)?;
    drop(up);
    let ready = median(readies);

    let mut table = Table::new(&["what", "target", "measured", "reached"]);
    let mut row = |what: &str, most: f64, unit: &str, measured: f64| {
        table.row(&[
            what,
            &format!("≤ {most} {unit}"),
            &format!("{measured:.0} {unit}"),
            reaches(measured, most),
        ]);
    };
    row("`up` is ready after", READY_MS, "ms", ready);
    row("`item show`, whole process, on a cell that runs", JOINED_MS, "ms", joined);
    row("the same where none runs", ALONE_MS, "ms", alone);
    row("memory of the whole cell, idle (PSS)", MEMORY_MB, "MB", idle);
    row("– after the commands", MEMORY_MB, "MB", after);
    print(&format!(
        "## A cell that runs: medians of {rounds} rounds, of {} processes\n\n{}",
        pids.len(),
        table.text()
    ))?;
    let figures = json!({
        "ready_ms": ready, "joined_ms": joined, "alone_ms": alone, "idle_mb": idle, "after_mb": after,
    });
    keep(&bench.dir, "running", figures)?;
    cell.remove()
}
