//! 200,000 products in two generations: taking them in, finding one, its history, checking every byte.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::cell::{Bench, Cell, count, stored_bytes};
use crate::generations::{self, Generations};
use crate::meter::{Cost, Done, Run};
use crate::parts::{self, Parts};
use crate::restic::{self, Restic};
use crate::series::{Series, median};
use crate::syncs;
use crate::table::{Table, float, keep, megabytes, milliseconds, print, reaches, say, seconds};

/// Disturbed rounds are repeated, but not more often than this.
const EXTRA_ROUNDS_MAX: usize = 3;
const RESTIC_ROUNDS_MAX: usize = 3;
/// The baseline is cheap and all net figures hang on it.
const BASELINE_RUNS: usize = 5;
/// The line of the broken file that is no JSON, and how many there are.
const BROKEN_LINE: usize = 4_321;
const BROKEN_FILE_LINES: usize = 5_000;

#[derive(Default)]
struct Figures {
    /// Opening a cell and no more: the passphrase's Argon2id, and what every command does.
    opening: Series,
    first: Series,
    second: Series,
    record: Series,
    history: Series,
    verify: Series,
    /// The bare parts of a first ingest, each time beside it.
    parts: Vec<Parts>,
    stored: f64,
    added: f64,
    first_syncs: Option<Result<u64, &'static str>>,
    second_syncs: Option<Result<u64, &'static str>>,
    refusal: String,
}

/// Measures and prints.
pub(crate) fn run(bench: &mut Bench, records: u64, seed: u64, rounds: usize) -> anyhow::Result<()> {
    let data = bench.dir.join("data");
    say("generating records");
    let facts = generations::ensure(&data, records, seed)?;
    let mut figures = Figures::default();
    let mut round = 0;
    while figures.first.calm().min(figures.second.calm()) < rounds && round < rounds + EXTRA_ROUNDS_MAX {
        // Calm rounds are enough; where there were none, more of them tell no more.
        if round >= rounds && figures.first.calm() == 0 {
            break;
        }
        round += 1;
        say(&format!("caretaker, round {round}"));
        one_round(bench, &data, &facts, &mut figures)?;
    }
    say("caretaker, counting syncs; a broken line");
    count_syncs(bench, &data, &mut figures)?;
    figures.refusal = refuse_broken_line(bench, &data)?;
    let restic = restic::measure(bench, &data, rounds.min(RESTIC_ROUNDS_MAX))?;
    print(&report(bench, &facts, &figures, restic.as_ref()))?;
    keep(&bench.dir, "records", results(bench, &facts, &figures, restic.as_ref()))
}

fn one_round(
    bench: &mut Bench,
    data: &Path,
    facts: &Generations,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let cell = Cell::make(bench, "records")?;
    cell.connect_jsonl()?;
    let mut step = |series: &mut Series, run: Run| -> anyhow::Result<Done> {
        let (done, load) = bench.measure(run)?;
        let done = done.well()?;
        series.push(done.cost, load);
        Ok(done)
    };
    for _ in 0..BASELINE_RUNS {
        step(&mut figures.opening, cell.run(&["connection", "list", "--json"]))?;
    }
    let (first, second) = (generations::first(data), generations::second(data));
    figures.parts.push(parts::measure(&first, &cell.path(""))?);
    let done = step(&mut figures.first, cell.ingest(&first.to_string_lossy()))?.json()?;
    ensure!(count(&done, "/kinds/product/added")? == facts.records, "not every record was added: {done}");
    let stored = stored_bytes(&cell.store())?;
    let done = step(&mut figures.second, cell.ingest(&second.to_string_lossy()))?.json()?;
    let counts =
        ["added", "changed", "removed"].map(|name| count(&done, &format!("/kinds/product/{name}")).ok());
    ensure!(
        counts == [facts.added, facts.changed, facts.deleted].map(Some),
        "the second generation was not seen as it is: {done}"
    );
    figures.stored = float(stored);
    figures.added = float(stored_bytes(&cell.store())?.saturating_sub(stored));
    for probe in &facts.probes {
        let id = probe.id.to_string();
        for (at, line) in [("1", &probe.first), ("2", &probe.second)] {
            let shown =
                step(&mut figures.record, cell.run(&["item", "show", "shop", "product", &id, "--at", at]))?;
            ensure!(
                shown.output.trim_ascii_end() == line.as_bytes(),
                "record {id} at {at} is not as it was read"
            );
        }
        let history =
            step(&mut figures.history, cell.run(&["item", "history", "shop", "product", &id, "--json"]))?;
        let versions = history.json()?.pointer("/versions").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(versions == 2, "record {id} has {versions} versions");
    }
    let done = step(&mut figures.verify, cell.run(&["verify", "shop", "--all-bytes", "--json"]))?.json()?;
    ensure!(done.pointer("/ok") == Some(&Value::Bool(true)), "verify found damage: {done}");
    cell.remove()
}

fn count_syncs(bench: &Bench, data: &Path, figures: &mut Figures) -> anyhow::Result<()> {
    let cell = Cell::make(bench, "records")?;
    cell.connect_jsonl()?;
    figures.first_syncs = Some(syncs::count(cell.ingest(&generations::first(data).to_string_lossy()))?);
    figures.second_syncs = Some(syncs::count(cell.ingest(&generations::second(data).to_string_lossy()))?);
    cell.remove()
}

/// A file with one broken line: nothing of it may be kept.
fn refuse_broken_line(bench: &mut Bench, data: &Path) -> anyhow::Result<String> {
    let cell = Cell::make(bench, "records")?;
    cell.connect_jsonl()?;
    let whole = BufReader::new(std::fs::File::open(generations::first(data))?);
    let mut lines: Vec<String> = whole.lines().take(BROKEN_FILE_LINES).collect::<Result<_, _>>()?;
    let good = cell.path("good.jsonl");
    std::fs::write(&good, lines.join("\n"))?;
    let line = lines.get_mut(BROKEN_LINE - 1).context("too few records to break one")?;
    line.truncate(line.len() / 2);
    let broken = cell.path("broken.jsonl");
    std::fs::write(&broken, lines.join("\n"))?;

    // The whole file first: what refuses the broken one takes such files otherwise.
    let (taken, _) = bench.measure(cell.ingest(&good.to_string_lossy()))?;
    ensure!(count(&taken.well()?.json()?, "/snapshot")? == 1, "the whole file was not taken");
    let snapshots = || cell.quietly(&["snapshot", "list", "shop", "--json"]);
    let before = snapshots()?;
    let (done, _) = bench.measure(cell.ingest(&broken.to_string_lossy()))?;
    ensure!(done.code.is_some_and(|code| code != 0), "a broken line was taken");
    let said = done.errors.lines().next_back().unwrap_or_default();
    ensure!(said.contains(&format!("line {BROKEN_LINE} ")), "the line is not named: {said}");
    ensure!(snapshots()? == before, "a refused file left a snapshot");
    let refusal = format!("exit {}: {said}", done.code.unwrap_or_default());
    cell.remove()?;
    Ok(refusal)
}

/// A figure without what opening the cell costs.
fn net(series: &Series, opening: &Series, of: impl Fn(&Cost) -> f64 + Copy) -> f64 {
    (series.median(of) - opening.median(of)).max(0.0)
}

/// The seconds of one part.
type Part = fn(&Parts) -> f64;

/// What the parts cost, and what the program costs beyond them.
fn told_parts(figures: &Figures) -> String {
    let of = |part: Part| median(figures.parts.iter().map(part).collect());
    let names: [(&str, Part); 7] = [
        ("reading", |parts| parts.read),
        ("lines and UTF-8", |parts| parts.lines),
        ("JSON", |parts| parts.json),
        ("HMAC-SHA-256", |parts| parts.hash),
        ("zstd", |parts| parts.zstd),
        ("AES-256-GCM", |parts| parts.seal),
        ("writing and syncing", |parts| parts.write),
    ];
    let list = names.map(|(name, part)| format!("{name} {}", seconds(of(part)))).join(", ");
    let cpu = |series: &Series| net(series, &figures.opening, Cost::cpu_ms);
    let (sum, unchanged) = (of(Parts::sum), of(Parts::sum_unchanged));
    format!(
        "The bare parts on one thread, over the same data in the same rounds, CPU: {list}; zstd makes {} of it. Together {}: the first ingest takes {:.2} times that. \
         Reading, lines and hash alone {}: the second generation takes {:.2} times that.\n\
         zstd at level 3 in blocks of 256 KiB, and the hash, take {:.2} times as long here as on the machine that the targets were set on.",
        megabytes(of(|parts| parts.packed_bytes)),
        seconds(sum),
        cpu(&figures.first) / sum,
        seconds(unchanged),
        cpu(&figures.second) / unchanged,
        of(Parts::slower),
    )
}

fn report(bench: &Bench, facts: &Generations, figures: &Figures, restic: Option<&Restic>) -> String {
    let Figures { opening, first, second, record, history, verify, .. } = figures;
    let name =
        restic.map_or("restic (not installed)".to_owned(), |restic| format!("restic {}", restic.version));
    let mut table =
        Table::new(&["what", "target", "caretaker", "reached", "best seen", "whole process", &name]);
    let peer = |series: fn(&Restic) -> &Series, of: fn(&Cost) -> f64| {
        restic.map_or("–".to_owned(), |restic| seconds(series(restic).median(of)))
    };
    type Timed<'a> = (&'a str, &'a str, &'a Series, f64, fn(&Cost) -> f64, fn(f64) -> String, String);
    let timed: [Timed<'_>; 8] = [
        (
            "first ingest, CPU",
            "≤ 2.2 s",
            first,
            2_200.0,
            Cost::cpu_ms,
            seconds,
            peer(|r| &r.first, Cost::cpu_ms),
        ),
        (
            "first ingest, wall",
            "≤ 1.5 s",
            first,
            1_500.0,
            |c| c.wall_ms,
            seconds,
            peer(|r| &r.first, |c| c.wall_ms),
        ),
        (
            "second generation, CPU",
            "≤ 0.9 s",
            second,
            900.0,
            Cost::cpu_ms,
            seconds,
            peer(|r| &r.second, Cost::cpu_ms),
        ),
        (
            "second generation, wall",
            "",
            second,
            f64::INFINITY,
            |c| c.wall_ms,
            seconds,
            peer(|r| &r.second, |c| c.wall_ms),
        ),
        (
            "one record at a time, new process, wall",
            "≤ 20 ms",
            record,
            20.0,
            |c| c.wall_ms,
            milliseconds,
            peer(|r| &r.record, |c| c.wall_ms) + " ¹",
        ),
        (
            "history of one record, new process, wall",
            "≤ 20 ms",
            history,
            20.0,
            |c| c.wall_ms,
            milliseconds,
            peer(|r| &r.history, |c| c.wall_ms) + " ²",
        ),
        (
            "verify all bytes, CPU",
            "≤ 1.5 s",
            verify,
            1_500.0,
            Cost::cpu_ms,
            seconds,
            peer(|r| &r.verify, Cost::cpu_ms),
        ),
        (
            "verify all bytes, wall",
            "",
            verify,
            f64::INFINITY,
            |c| c.wall_ms,
            seconds,
            peer(|r| &r.verify, |c| c.wall_ms),
        ),
    ];
    for (what, target, series, most, of, show, peer) in timed {
        let found = net(series, opening, of);
        let best = (series.best(of) - opening.best(of)).max(0.0);
        let reached = if most.is_finite() { reaches(found, most) } else { "" };
        table.row(&[what, target, &show(found), reached, &show(best), &show(series.median(of)), &peer]);
    }
    let sizes = [
        ("stored", "≤ 136 MB", figures.stored, 136e6, restic.map(|restic| restic.stored)),
        (
            "added by the second generation",
            "≤ 3.2 MB",
            figures.added,
            3.2e6,
            restic.map(|restic| restic.added),
        ),
    ];
    for (what, target, found, most, peer) in sizes {
        let peer = peer.map_or("–".to_owned(), megabytes);
        table.row(&[what, target, &megabytes(found), reaches(found, most), "", "", &peer]);
    }
    let peaks = [
        ("first ingest", first, restic.map(|restic| &restic.first)),
        ("second generation", second, restic.map(|restic| &restic.second)),
        ("one record", record, restic.map(|restic| &restic.record)),
        ("verify", verify, restic.map(|restic| &restic.verify)),
    ];
    for (what, series, peer) in peaks {
        let found = series.most(|cost| cost.peak_bytes);
        let peer = peer.map_or("–".to_owned(), |peer| megabytes(peer.most(|cost| cost.peak_bytes)));
        let name = format!("peak memory, {what}");
        table.row(&[
            &name,
            "≤ 120 MB",
            &megabytes(found),
            reaches(found, 120e6),
            "",
            &megabytes(found),
            &peer,
        ]);
    }
    for (what, syncs) in [("first ingest", figures.first_syncs), ("second generation", figures.second_syncs)]
    {
        let found = match syncs {
            Some(Ok(calls)) => calls.to_string(),
            Some(Err(why)) => format!("not counted: {why}"),
            None => "not counted".to_owned(),
        };
        table.row(&[&format!("fsync and fdatasync, {what}"), "", &found, "", "", "", ""]);
    }
    let sizes = facts.sizes.map(|size| size.to_string()).join(" / ");
    let steps =
        [("first", first), ("second", second), ("record", record), ("history", history), ("verify", verify)];
    let machine = steps.map(|(name, series)| series.told(&bench.calibration, name)).join("\n");
    format!(
        "## {} records, {:.1} MB of JSON lines\n\n\
         Sizes (smallest / median / 95 of 100 / largest): {sizes} B. Second generation: {} changed, {} new, {} gone.\n\
         Times of caretaker without opening the cell ({} wall, {} CPU, {} peak: nearly all of it the passphrase's Argon2id), beside them the whole process with it. Medians; \"best seen\" is the best of the samples.\n\
         {}\n\n{}\n{}\n\n\
         restic: one file from standard input, its scrypt included ({} to open).\n\
         ¹ `restic dump` of the whole file: restic finds files, not records. Not comparable.\n\
         ² `restic find` of the file, the same in both snapshots: it cannot say when a record in it changed. Not comparable.\n\n\
         A broken line in a file of {BROKEN_FILE_LINES}: refused, nothing kept ({}).\n",
        facts.records,
        float(facts.first_bytes) / 1e6,
        facts.changed,
        facts.added,
        facts.deleted,
        milliseconds(opening.median(|cost| cost.wall_ms)),
        milliseconds(opening.median(Cost::cpu_ms)),
        megabytes(opening.most(|cost| cost.peak_bytes)),
        machine,
        table.text(),
        told_parts(figures),
        restic.map_or("–".to_owned(), |restic| seconds(restic.opening.median(|cost| cost.wall_ms))),
        figures.refusal,
    )
}

fn results(bench: &Bench, facts: &Generations, figures: &Figures, restic: Option<&Restic>) -> Value {
    let syncs = |found: Option<Result<u64, &'static str>>| match found {
        Some(Ok(calls)) => json!(calls),
        Some(Err(why)) => json!(why),
        None => Value::Null,
    };
    json!({
        "records": facts.records,
        "bytes": [facts.first_bytes, facts.second_bytes],
        "sizes": facts.sizes,
        "calibration_best_ms": bench.calibration.best().as_secs_f64() * 1_000.0,
        "opening": figures.opening.json(),
        "first": figures.first.json(),
        "second": figures.second.json(),
        "record": figures.record.json(),
        "history": figures.history.json(),
        "verify": figures.verify.json(),
        "parts": figures.parts.iter().map(Parts::json).collect::<Vec<_>>(),
        "stored_bytes": figures.stored,
        "added_bytes": figures.added,
        "first_syncs": syncs(figures.first_syncs),
        "second_syncs": syncs(figures.second_syncs),
        "broken_line": figures.refusal,
        "restic": restic.map(Restic::json),
    })
}
