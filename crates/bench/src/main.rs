//! Benchmarks of the binary, as a user would meet it: whole processes, measured from outside.
//!
//! `records` takes 200,000 products in, looks some up and checks every byte, and does the same with restic where
//! that is installed; `shop` backs a large practice store up; `throttle` looks at the use of an API budget;
//! `events` fills a trail; `opens` asks a vault for keys; `running` looks at a cell that runs; `again` sets a cell up again from its stores alone; `decisions` asks the policies; `large` streams ten million small records. Each prints a Markdown table and keeps its figures in `results.json`.

mod again;
mod cell;
mod chance;
mod decisions;
mod events;
mod generations;
mod large;
mod load;
mod meter;
mod opens;
mod parts;
mod product;
mod records;
mod restic;
mod running;
mod series;
mod shop;
mod stopwatch;
mod syncs;
mod table;
mod throttle;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::cell::Bench;
use crate::shop::Size;

/// Measures caretaker beside its targets.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Place {
    /// Where data, cells and results.json lie; some 3 GB are needed
    #[arg(long, env = "BENCH_DIR", default_value = "target/bench", global = true)]
    dir: PathBuf,
    /// The program to measure, if not the one beside this
    #[arg(long, global = true)]
    caretaker: Option<PathBuf>,
    /// All data follows from it
    #[arg(long, default_value_t = 42, global = true)]
    seed: u64,
}

#[derive(Subcommand)]
enum Command {
    /// Many records: ingest, lookups, verify, and restic beside
    Records {
        #[arg(long, default_value_t = 200_000)]
        records: u64,
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// A large practice store, unthrottled
    Shop {
        #[command(flatten)]
        size: Size,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// A small practice store with an API budget
    Throttle {
        #[arg(long, default_value_t = 40)]
        products: u32,
        #[arg(long, default_value_t = 10)]
        customers: u32,
        #[arg(long, default_value_t = 10)]
        orders: u32,
        /// What flows into the budget; 100 on ordinary plans, up to 2000 on the largest
        #[arg(long, default_value_t = 100)]
        points_per_second: u32,
        /// How long the practice store takes to answer
        #[arg(long, default_value_t = 100)]
        latency_ms: u64,
        /// How long it takes to process a file or to end a job
        #[arg(long, default_value_t = 1_000)]
        job_ms: u64,
    },
    /// The trail: events made durable, and signed
    Events {
        #[arg(long, default_value_t = 200_000)]
        events: u64,
        /// How long events are offered at the rate that is asked for
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Data keys opened by a vault over mutual TLS
    Opens {
        #[arg(long, default_value_t = 100_000)]
        count: u64,
    },
    /// A cell that runs, and commands that join it
    Running {
        #[arg(long, default_value_t = 20)]
        rounds: usize,
    },
    /// A cell set up again from its stores and the recovery key
    Again {
        #[command(flatten)]
        size: Size,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Decisions by policies, beside plain Cedar
    Decisions {
        #[arg(long, default_value_t = 50_000)]
        count: usize,
    },
    /// Ten million small records, streamed
    Large {
        #[arg(long, default_value_t = 10_000_000)]
        records: u64,
    },
    /// Runs one program and writes down what it cost
    #[command(hide = true)]
    Meter {
        report: PathBuf,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { place, command } = Arguments::parse();
    if let Command::Meter { report, program, arguments } = &command {
        return meter::meter(report, program, arguments);
    }
    if !load::pin()? {
        table::say("there are fewer than two cores: figures will be worse than the targets suppose");
    }
    let mut bench = Bench::open(place.caretaker, &place.dir)?;
    match command {
        Command::Records { records, rounds } => records::run(&mut bench, records, place.seed, rounds.max(1))?,
        Command::Shop { size, rounds } => shop::run(&mut bench, &size, rounds.max(1))?,
        Command::Throttle { products, customers, orders, points_per_second, latency_ms, job_ms } => {
            let (latency, job_time) = (Duration::from_millis(latency_ms), Duration::from_millis(job_ms));
            let ways = throttle::Ways { points_per_second, latency, job_time };
            throttle::run(&mut bench, &Size { products, customers, orders }, &ways)?;
        }
        Command::Events { events, seconds } => events::run(&mut bench, events, seconds.max(1))?,
        Command::Opens { count } => opens::run(&mut bench, count)?,
        Command::Running { rounds } => running::run(&mut bench, rounds.max(1))?,
        Command::Again { size, rounds } => again::run(&mut bench, &size, rounds.max(1))?,
        Command::Decisions { count } => decisions::run(&bench, count, place.seed)?,
        Command::Large { records } => large::run(&mut bench, records, place.seed)?,
        Command::Meter { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}
