//! A large practice store, unthrottled: the first backup of everything, and a second one of an idle store.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::cell::{Bench, Cell, count, text};
use crate::meter::Done;
use crate::series::Series;
use crate::table::{Table, float, keep, megabytes, print, reaches, say, seconds};

/// Ticks of the kernel's clock in a second, as `/proc` counts them on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// An idle second backup writes less than this.
const IDLE_BYTES_MAX: f64 = 65_536.0;
const RECORDS_PER_SECOND_MIN: f64 = 10_000.0;

/// How large the store is.
#[derive(Args)]
pub(crate) struct Size {
    #[arg(long, default_value_t = 20_000)]
    pub(crate) products: u32,
    #[arg(long, default_value_t = 5_000)]
    pub(crate) customers: u32,
    #[arg(long, default_value_t = 50_000)]
    pub(crate) orders: u32,
}

/// A practice store in a process of its own. It ends when it is dropped.
pub(crate) struct Store {
    process: Child,
    facts: Value,
}

impl Store {
    pub(crate) fn open(bench: &Bench, state: &Path, size: &Size) -> anyhow::Result<Self> {
        let mut process = Command::new(&bench.caretaker)
            .args(["sandbox", "shopify", "--json", "--listen", "127.0.0.1:0"])
            .args(["--products", &size.products.to_string()])
            .args(["--customers", &size.customers.to_string()])
            .args(["--orders", &size.orders.to_string()])
            .arg("--state")
            .arg(state)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().context("the practice store has no output")?;
        let mut store = Self { process, facts: Value::Null };
        BufReader::new(output).read_line(&mut line)?;
        store.facts = serde_json::from_str(&line).context("the practice store did not open")?;
        Ok(store)
    }

    /// The words that connect it, as `shop`.
    pub(crate) fn connect(&self) -> anyhow::Result<Vec<&str>> {
        let mut words = vec!["connect", "shopify", "shop"];
        for (word, pointer) in [
            ("--url", "/url"),
            ("--client-id", "/client_id"),
            ("--client-secret-file", "/client_secret_file"),
            ("--ca-file", "/ca_file"),
        ] {
            words.extend([word, text(&self.facts, pointer)?]);
        }
        Ok(words)
    }

    /// Seconds of CPU so far, and the peak of its memory.
    fn usage(&self) -> anyhow::Result<(f64, f64)> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id()));
        // After the name in brackets: field 14 and 15 of the whole are user and system time.
        let stat = read("stat")?;
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks: f64 =
            after.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<f64>().ok()).sum();
        let status = read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kilobytes: f64 =
            peak.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or_default();
        Ok((ticks / TICKS_PER_SECOND, kilobytes * 1_024.0))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Records of all kinds that a backup saw.
pub(crate) fn seen(report: &Value, what: &str) -> u64 {
    let kinds = report.get("kinds").and_then(Value::as_object);
    kinds.map_or(0, |kinds| kinds.values().filter_map(|kind| kind.get(what).and_then(Value::as_u64)).sum())
}

/// Measures and prints.
pub(crate) fn run(bench: &mut Bench, size: &Size, rounds: usize) -> anyhow::Result<()> {
    let (mut first, mut idle, mut opening) = (Series::default(), Series::default(), Series::default());
    let (mut records, mut idle_bytes, mut store_cpu_s, mut store_peak) = (0, 0, 0.0, 0.0);
    let mut reports = Vec::new();
    for round in 1..=rounds {
        say(&format!("practice store, round {round} of {rounds}"));
        let cell = Cell::make(bench, "shop")?;
        let store = Store::open(bench, &cell.path("practice"), size)?;
        cell.quietly(&store.connect()?)?;
        let mut step = |series: &mut Series, words: &[&str]| -> anyhow::Result<Done> {
            let (done, load) = bench.measure(cell.run(words))?;
            let done = done.well()?;
            series.push(done.cost, load);
            Ok(done)
        };
        step(&mut opening, &["connection", "list", "--json"])?;
        let (before, _) = store.usage()?;
        let report = step(&mut first, &["backup", "shop", "--json"])?.json()?;
        let (after, peak) = store.usage()?;
        (store_cpu_s, store_peak) = (after - before, peak);
        records = seen(&report, "seen");
        ensure!(
            records >= u64::from(size.products) + u64::from(size.orders),
            "not everything was seen: {report}"
        );
        let again = step(&mut idle, &["backup", "shop", "--json"])?.json()?;
        ensure!(
            ["added", "changed", "removed"].iter().all(|what| seen(&again, what) == 0),
            "a backup of an idle store found changes: {again}"
        );
        idle_bytes = count(&again, "/bytes_written")?;
        reports = vec![report, again];
        drop(store);
        cell.remove()?;
    }
    let rate = float(records) / (first.median(|cost| cost.wall_ms) / 1_000.0);
    let best_rate = float(records) / (first.best(|cost| cost.wall_ms) / 1_000.0);
    let first_report = reports.first().cloned().unwrap_or_default();
    let mut table = Table::new(&["what", "target", "found", "reached"]);
    let reached = reaches(RECORDS_PER_SECOND_MIN, rate);
    table.row(&[
        "first backup, end to end",
        "≥ 10,000 records/s",
        &format!("{rate:.0} records/s (best seen {best_rate:.0})"),
        reached,
    ]);
    table.row(&["its wall time, Argon2id included", "", &seconds(first.median(|cost| cost.wall_ms)), ""]);
    table.row(&["CPU of caretaker", "", &seconds(first.median(crate::meter::Cost::cpu_ms)), ""]);
    table.row(&["CPU of the practice store", "", &seconds(store_cpu_s * 1_000.0), ""]);
    let peak = first.most(|cost| cost.peak_bytes);
    table.row(&["peak memory of the backup", "≤ 120 MB", &megabytes(peak), reaches(peak, 120e6)]);
    table.row(&["peak memory of the practice store", "", &megabytes(store_peak), ""]);
    table.row(&["requests", "", &count(&first_report, "/requests")?.to_string(), ""]);
    table.row(&["second backup of the idle store, wall", "", &seconds(idle.median(|cost| cost.wall_ms)), ""]);
    table.row(&[
        "written by it",
        "< 64 KiB",
        &format!("{idle_bytes} B"),
        reaches(float(idle_bytes), IDLE_BYTES_MAX - 1.0),
    ]);
    print(&format!(
        "## A practice store: {} products, {} customers, {} orders; {records} records\n\n{}\n\n{}",
        size.products,
        size.customers,
        size.orders,
        first.told(&bench.calibration, "first backup"),
        table.text()
    ))?;
    keep(
        &bench.dir,
        "shop",
        json!({
            "records": records,
            "records_per_second": rate,
            "opening": opening.json(),
            "first": first.json(),
            "idle": idle.json(),
            "idle_bytes_written": idle_bytes,
            "store_cpu_s": store_cpu_s,
            "store_peak_bytes": store_peak,
            "reports": reports,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_kinds_are_added_up() {
        let report = json!({ "kinds": { "product": { "seen": 3, "added": 1 }, "order": { "seen": 4 } } });
        assert_eq!((seen(&report, "seen"), seen(&report, "added"), seen(&report, "changed")), (7, 1, 0));
    }
}
