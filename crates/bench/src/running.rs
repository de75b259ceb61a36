//! A cell that runs: how soon it does, what it keeps in memory, and how soon a command that joins it is done, beside one that
//! starts its own processes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::cell::{Bench, Cell};
use crate::meter::Cost;
use crate::series::{Series, median};
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

/// CPU that processes have had, in milliseconds. The kernel tells it in hundredths of a second.
fn cpu_ms(pids: &[u64]) -> anyhow::Result<f64> {
    let mut ticks = 0;
    for pid in pids {
        let text = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))?;
        // Behind the name, which may hold anything: `utime` and `stime` (proc_pid_stat(5)).
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        for field in fields {
            ticks += field.parse::<u64>().context("the kernel tells no CPU time")?;
        }
    }
    Ok(float(ticks) * 10.0)
}

/// What a command costs, whole process, many times.
fn shown(bench: &mut Bench, cell: &Cell, rounds: usize) -> anyhow::Result<Series> {
    let mut series = Series::default();
    for _ in 0..rounds {
        let (done, load) = bench.measure(cell.run(&["item", "show", "shop", "product", "7"]))?;
        series.push(done.well()?.cost, load);
    }
    Ok(series)
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
    let alone = shown(bench, &cell, rounds)?;
    let mut readies = Vec::new();
    for _ in 0..rounds.min(5) {
        let watch = Stopwatch::start();
        let up = Up::start(&cell)?;
        readies.push(watch.passed().as_secs_f64() * 1_000.0);
        drop(up);
    }
    let (up, pids) = Up::start(&cell)?;
    let idle = memory(&pids)?;
    // The first finds nothing open.
    shown(bench, &cell, 1)?;
    let before = cpu_ms(&pids)?;
    let joined = shown(bench, &cell, rounds)?;
    let others = (cpu_ms(&pids)? - before) / float(u64::try_from(rounds.max(1))?);
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
    row(
        "`item show`, whole process, on a cell that runs",
        JOINED_MS,
        "ms",
        joined.median(|cost| cost.wall_ms),
    );
    row("the same where none runs", ALONE_MS, "ms", alone.median(|cost| cost.wall_ms));
    row("memory of the whole cell, idle (PSS)", MEMORY_MB, "MB", idle);
    row("– after the commands", MEMORY_MB, "MB", after);
    let cpu = joined.median(Cost::cpu_ms);
    let told = [
        format!(
            "- `item show` on a cell that runs: {cpu:.1} ms of CPU, and {others:.1} ms of the cell's processes."
        ),
        joined.told(&bench.calibration, "on a cell that runs"),
        alone.told(&bench.calibration, "where none runs"),
    ];
    print(&format!(
        "## A cell that runs: medians of {rounds} rounds, of {} processes\n\n{}\n{}",
        pids.len(),
        table.text(),
        told.join("\n")
    ))?;
    let figures = json!({
        "ready_ms": ready, "joined": joined.json(), "joined_others_cpu_ms": others, "alone": alone.json(),
        "idle_mb": idle, "after_mb": after,
    });
    keep(&bench.dir, "running", figures)?;
    cell.remove()
}
