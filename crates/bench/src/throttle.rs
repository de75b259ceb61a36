//! A practice store with an ordinary plan's budget: how much of it is used, and how often too much was asked.
//!
//! The store runs inside this program, which so reads the points that were spent from the store's own counters.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use sandbox::shopify::{Plan, Running, Settings, Stats, start};
use serde_json::{Value, json};
use vault::system::{SystemClock, SystemRng};

use crate::cell::{Bench, Cell, count};
use crate::shop::Size;
use crate::table::{Table, float, keep, print, reaches, say, seconds};

/// The bucket holds twenty seconds' worth.
const BUCKET_SECONDS: f64 = 20.0;
const SHARE_MIN: f64 = 90.0;
const THROTTLED_SHARE_MAX: f64 = 1.0;
const PREDICTION_OFF_MAX: f64 = 20.0;

/// How the practice store behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ways {
    pub(crate) points_per_second: u32,
    /// How long it takes to answer.
    pub(crate) latency: Duration,
    /// How long it takes to process a file or to end a job.
    pub(crate) job_time: Duration,
}

/// One run against the budget.
struct Spent {
    what: &'static str,
    points_per_second: u32,
    stats: Stats,
    wall_ms: f64,
    predicted_s: Option<f64>,
}

impl Spent {
    /// Of a hundred: what was spent of what there was, a bucket that was full at the start included.
    fn share(&self) -> f64 {
        let rate = f64::from(self.points_per_second);
        100.0 * float(self.stats.cost) / (rate * (BUCKET_SECONDS + self.wall_ms / 1_000.0))
    }

    fn throttled_share(&self) -> f64 {
        100.0 * float(self.stats.throttled) / float(self.stats.requests.max(1))
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "points_per_second": self.points_per_second,
            "wall_ms": self.wall_ms,
            "points": self.stats.cost,
            "requests": self.stats.requests,
            "throttled": self.stats.throttled,
            "share_percent": self.share(),
            "throttled_percent": self.throttled_share(),
            "predicted_s": self.predicted_s,
        })
    }
}

async fn open(settings: Settings, ways: &Ways) -> anyhow::Result<Running> {
    let Ways { points_per_second, latency, job_time } = *ways;
    let settings = Settings { plan: Plan::PointsPerSecond(points_per_second), latency, job_time, ..settings };
    Ok(start(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await?)
}

fn connect(cell: &Cell, name: &str, store: &Running) -> anyhow::Result<()> {
    let write = |what: &str, text: &str| -> anyhow::Result<String> {
        let path = cell.path(&format!("{name}-{what}"));
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let (token, authority) = (write("token", &store.access_token)?, write("ca.pem", &store.ca_pem)?);
    let words =
        ["connect", "shopify", name, "--url", &store.url, "--token-file", &token, "--ca-file", &authority];
    cell.quietly(&words).map(drop)
}

/// What was counted between two moments.
fn since(before: Stats, after: Stats) -> Stats {
    Stats {
        requests: after.requests - before.requests,
        throttled: after.throttled - before.throttled,
        mutations: after.mutations - before.mutations,
        cost: after.cost - before.cost,
        bulk_operations: after.bulk_operations - before.bulk_operations,
        bytes_sent: after.bytes_sent - before.bytes_sent,
    }
}

/// Measures and prints.
pub(crate) fn run(bench: &mut Bench, size: &Size, ways: &Ways) -> anyhow::Result<()> {
    let points_per_second = ways.points_per_second;
    say("a throttled practice store: first backup");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let filled = Settings {
        products: size.products,
        customers: size.customers,
        orders: size.orders,
        ..Settings::default()
    };
    let (source, target) = runtime
        .block_on(async { anyhow::Ok((open(filled, ways).await?, open(Settings::empty(), ways).await?)) })?;
    let cell = Cell::make(bench, "throttle")?;
    connect(&cell, "shop", &source)?;
    connect(&cell, "other", &target)?;

    let before = source.stats();
    let (backup, _) = bench.measure(cell.run(&["backup", "shop", "--json"]))?;
    let backup = backup.well()?;
    let first = Spent {
        what: "first backup",
        points_per_second,
        stats: since(before, source.stats()),
        wall_ms: backup.cost.wall_ms,
        predicted_s: None,
    };
    say("a throttled practice store: plan");
    let plan = cell.path("plan.json");
    let drawn = ["restore", "plan", "shop", "--to", "other", "--out", &plan.to_string_lossy(), "--json"]
        .map(str::to_owned);
    let drawn = cell.quietly(&drawn.each_ref().map(String::as_str))?;
    say("a throttled practice store: restore");
    // The plan read from the bucket: shares are of a full one.
    std::thread::sleep(Duration::from_secs_f64(BUCKET_SECONDS));
    let before = target.stats();
    let (applied, _) = bench.measure(cell.run(&["restore", "apply", &plan.to_string_lossy(), "--json"]))?;
    // Not whole is an honest end here: history such as an order cannot be put back.
    ensure!(
        matches!(applied.code, Some(0 | 3)),
        "the restore ended with {:?}: {}",
        applied.code,
        applied.errors
    );
    let report = applied.json()?;
    let restore = Spent {
        what: "restore into an empty store",
        points_per_second,
        stats: since(before, target.stats()),
        wall_ms: float(count(&report, "/duration_ms")?),
        predicted_s: drawn.get("seconds").and_then(Value::as_f64),
    };
    runtime.block_on(async {
        source.shutdown().await;
        target.shutdown().await;
    });
    print_report(size, ways, &[&first, &restore], &count_of(&report))?;
    keep(&bench.dir, &format!("throttle {points_per_second}"), json!([first.json(), restore.json()]))?;
    remove(&cell.path(""))
}

fn remove(dir: &Path) -> anyhow::Result<()> {
    Ok(std::fs::remove_dir_all(dir)?)
}

fn count_of(report: &Value) -> String {
    let of = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or_default();
    format!("{} created, {} updated, {} cannot be put back", of("created"), of("updated"), of("cannot"))
}

fn print_report(size: &Size, ways: &Ways, runs: &[&Spent], restored: &str) -> anyhow::Result<()> {
    let mut table =
        Table::new(&["run", "time", "predicted", "off", "points", "of the budget", "THROTTLED", "reached"]);
    for run in runs {
        let off = run.predicted_s.map(|predicted| 100.0 * (predicted * 1_000.0 / run.wall_ms - 1.0));
        // A first backup is made of bulk operations, which cost next to nothing: it has no work for the budget.
        let enough = run.predicted_s.is_none() || run.share() >= SHARE_MIN;
        let met = enough
            && run.throttled_share() < THROTTLED_SHARE_MAX
            && off.is_none_or(|off| off.abs() <= PREDICTION_OFF_MAX);
        table.row(&[
            run.what,
            &seconds(run.wall_ms),
            &run.predicted_s.map_or("–".to_owned(), |predicted| format!("{predicted:.1} s")),
            &off.map_or("–".to_owned(), |off| format!("{off:+.0} %")),
            &run.stats.cost.to_string(),
            &format!("{:.1} %", run.share()),
            &format!("{} of {} ({:.2} %)", run.stats.throttled, run.stats.requests, run.throttled_share()),
            reaches(if met { 0.0 } else { 1.0 }, 0.0),
        ]);
    }
    print(&format!(
        "## A budget of {} points a second: {} products, {} customers, {} orders\n\nAnswers after {:?}, jobs and files in {:?}.\n\n\
         Targets: at least {SHARE_MIN} % of the budget where there is work for it, fewer than {THROTTLED_SHARE_MAX} % of requests THROTTLED, the plan's time within ± {PREDICTION_OFF_MAX} %. Restored: {restored}.\n\n{}",
        ways.points_per_second,
        size.products,
        size.customers,
        size.orders,
        ways.latency,
        ways.job_time,
        table.text()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_bucket_and_of_what_flowed_into_it() {
        let stats = Stats { cost: 2_700, requests: 200, throttled: 1, ..Stats::default() };
        let spent =
            Spent { what: "test", points_per_second: 100, stats, wall_ms: 10_000.0, predicted_s: None };
        assert!((spent.share() - 90.0).abs() < 1e-9, "{}", spent.share());
        assert!((spent.throttled_share() - 0.5).abs() < 1e-9);
    }
}
