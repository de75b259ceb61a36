//! A cell that is set up again from what is left when its machine is lost: the two stores and the recovery key.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::cell::{Bench, Cell, count};
use crate::meter::{Cost, Done};
use crate::series::Series;
use crate::shop::{Size, Store, seen};
use crate::table::{Table, keep, megabytes, print, say, seconds};

/// What is done after the loss, one after another.
#[derive(Default)]
struct Steps {
    init: Series,
    connect: Series,
    backup: Series,
}

/// Measures and prints.
pub(crate) fn run(bench: &mut Bench, size: &Size, rounds: usize) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let (mut records, mut first, mut next) = (0, Value::Null, Value::Null);
    for round in 1..=rounds {
        say(&format!("a cell from its stores alone, round {round} of {rounds}"));
        let cell = Cell::make(bench, "again")?;
        let store = Store::open(bench, &cell.path("practice"), size)?;
        cell.quietly(&store.connect()?)?;
        first = cell.quietly(&["backup", "shop", "--json"])?;
        records = seen(&first, "seen");

        // Nothing of the cell is left but its stores.
        let kept = cell.path("kept");
        std::fs::create_dir(&kept)?;
        for name in ["store", "keys"] {
            std::fs::rename(cell.path("cell").join(name), kept.join(name))?;
        }
        std::fs::remove_dir_all(cell.path("cell"))?;
        let place = |name: &str| kept.join(name).to_string_lossy().into_owned();
        let (objects, keys) = (place("store"), place("keys"));
        let key = cell.path("recovery-key").to_string_lossy().into_owned();

        let mut step = |series: &mut Series, words: &[&str]| -> anyhow::Result<Done> {
            let (done, load) = bench.measure(cell.run(words))?;
            let done = done.well()?;
            series.push(done.cost, load);
            Ok(done)
        };
        let from = ["init", "--from-store", &objects, "--keys-store", &keys, "--recovery-key-file", &key];
        step(&mut steps.init, &from)?;
        step(&mut steps.connect, &store.connect()?)?;
        next = step(&mut steps.backup, &["backup", "shop", "--json"])?.json()?;
        ensure!(
            ["added", "changed", "removed"].iter().all(|what| seen(&next, what) == 0),
            "what was there before is new to the cell: {next}"
        );
        ensure!(seen(&next, "seen") < records, "the backup after it lists everything: {next}");
        drop(store);
        cell.remove()?;
    }
    let all = steps.init.median(wall) + steps.connect.median(wall) + steps.backup.median(wall);
    let mut table = Table::new(&["what", "wall", "CPU", "peak memory"]);
    for (what, series) in [
        ("`init --from-store`", &steps.init),
        ("`connect`, the credential given again", &steps.connect),
        ("the next `backup`, an increment", &steps.backup),
    ] {
        table.row(&[
            what,
            &seconds(series.median(wall)),
            &seconds(series.median(Cost::cpu_ms)),
            &megabytes(series.most(|cost| cost.peak_bytes)),
        ]);
    }
    table.row(&["all of it", &seconds(all), "", ""]);
    print(&format!(
        "## A cell from its stores and the recovery key: {records} records; the increment asks {} times, the first backup {}\n\n{}\n\n{}",
        count(&next, "/requests")?,
        count(&first, "/requests")?,
        steps.init.told(&bench.calibration, "init --from-store"),
        table.text()
    ))?;
    let figures = json!({
        "records": records, "init": steps.init.json(), "connect": steps.connect.json(),
        "backup": steps.backup.json(), "reports": [first, next],
    });
    keep(&bench.dir, "again", figures)
}

fn wall(cost: &Cost) -> f64 {
    cost.wall_ms
}
