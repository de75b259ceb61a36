//! Ten million small records, streamed: the peak of memory may not grow with them.

use serde_json::json;

use crate::cell::{Bench, Cell, count, stored_bytes};
use crate::generations::small_records;
use crate::meter::Input;
use crate::table::{Table, float, keep, megabytes, print, reaches, say, seconds};

const PEAK_MAX: f64 = 250e6;
/// Larger than a pipe, so that the writer is seldom woken.
const BUFFER_LEN: usize = 1 << 20;

/// The ways in: a name that is read as a file, straight into the store, and `-`, which may be in any order.
const WAYS: &[(&str, &str)] =
    &[("in order, read as a file", "/dev/stdin"), ("standard input, in batches", "-")];

/// Measures and prints.
pub(crate) fn run(bench: &mut Bench, records: u64, seed: u64) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        "way in",
        "peak memory (≤ 250 MB)",
        "reached",
        "wall",
        "CPU",
        "read",
        "stored",
        "load average",
    ]);
    let mut results = Vec::new();
    for (what, file) in WAYS {
        say(&format!("{records} small records, {what}"));
        let cell = Cell::make(bench, "large")?;
        cell.connect_jsonl()?;
        let mut run =
            cell.run(&["ingest", "shop", "--json", "--kind", "product", "--id", "/id", "--all", file]);
        run.input = Input::Stream(Box::new(move |into| {
            small_records(records, seed, std::io::BufWriter::with_capacity(BUFFER_LEN, into))
        }));
        let (done, load) = bench.measure(run)?;
        let done = done.well()?;
        let report = done.json()?;
        anyhow::ensure!(
            count(&report, "/kinds/product/added")? == records,
            "not every record was added: {report}"
        );
        let stored = stored_bytes(&cell.store())?;
        let cost = done.cost;
        table.row(&[
            what,
            &megabytes(cost.peak_bytes),
            reaches(cost.peak_bytes, PEAK_MAX),
            &seconds(cost.wall_ms),
            &seconds(cost.cpu_ms()),
            &megabytes(float(done.streamed_bytes)),
            &megabytes(float(stored)),
            &format!("{:.1}", load.average),
        ]);
        results.push(json!({
            "way": what,
            "records": records,
            "bytes": done.streamed_bytes,
            "stored_bytes": stored,
            "cost": cost.json(),
            "machine": load.json(),
        }));
        cell.remove()?;
    }
    print(&format!("## {records} small records\n\n{}", table.text()))?;
    keep(&bench.dir, "large", json!(results))
}
