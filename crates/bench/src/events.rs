//! The trail: how many events become durable in a second, and how soon they are in a signed checkpoint.
//!
//! The parts are those of the program, in this process: a journal with 64 writers, and one who takes its events into the log,
//! signs it and has it vouched for, on the same two cores.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use domain::{AuditEvent, AuditSink as _, Clock as _, Id128, Operation, Outcome, Principal};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::json;
use trail::head::Folder;
use trail::journal::Journal;
use trail::note::{Scheme, Signer};
use trail::sequencer::Sequencer;
use trail::witness::Witness;
use vault::system::SystemClock;

use crate::cell::Bench;
use crate::stopwatch::Stopwatch;
use crate::table::{Table, float, keep, milliseconds, print, reaches, say};

/// So many wait for an answer at one time.
const IN_FLIGHT: usize = 64;
/// What is asked for: events in a second, and milliseconds until they are signed.
const RATE_MIN: f64 = 10_000.0;
const SIGNED_WITHIN_MS: f64 = 100.0;
/// Offered in one go, so many times a second, while signing is measured.
const TICK: Duration = Duration::from_millis(10);

fn event() -> AuditEvent {
    let who = Principal("service/worker-shopify".to_owned());
    let event = AuditEvent::new(who, Operation::DataKeyOpen, "default/shop".to_owned(), Outcome::Done);
    AuditEvent { grant: Some(Id128([7; 16])), ..event }
}

/// Milliseconds that this process has run.
pub(crate) fn cpu_ms() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
    let micros = usage.map(|u| u.user_time().num_microseconds() + u.system_time().num_microseconds());
    float(micros.and_then(|micros| u64::try_from(micros).ok()).unwrap_or_default()) / 1_000.0
}

/// Events made durable as fast as they can be: how many in a second, and what each cost.
async fn append(folder: &Folder, count: u64) -> anyhow::Result<(f64, f64)> {
    let journal = Arc::new(Journal::open(folder, "vault".parse()?, Arc::new(SystemClock))?);
    let (watch, before) = (Stopwatch::start(), cpu_ms());
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (journal, share) = (Arc::clone(&journal), count / u64::try_from(IN_FLIGHT)?);
        writers.spawn(async move {
            for _ in 0..share {
                journal.record(event()).await?;
            }
            Ok::<_, domain::AuditError>(share)
        });
    }
    let mut recorded = 0;
    while let Some(done) = writers.join_next().await {
        recorded += done??;
    }
    let rate = float(recorded) / watch.passed().as_secs_f64();
    Ok((rate, (cpu_ms() - before) * 1_000.0 / float(recorded)))
}

/// The log's size at a time, in milliseconds since the beginning.
type Known = Vec<(f64, u64)>;

/// Takes events into the log until it is told to stop.
fn sign(folder: &Folder, dir: &Path, watch: &Stopwatch, stop: &AtomicBool) -> anyhow::Result<Known> {
    let log = Signer::from_seed("bench.example/trail", Scheme::Own, &[1; 32])?;
    let vault = Signer::from_seed("bench.example/vault", Scheme::Cosignature, &[2; 32])?;
    let witness = Witness::new(vault, log.verifier().clone(), dir.join("witness"));
    let sequencer = Sequencer::new(folder.clone(), log);
    let mut known = Known::new();
    loop {
        let stopped = stop.load(Ordering::SeqCst);
        let newest = sequencer.take(SystemClock.now())?;
        // What counts is that it is signed; that it is vouched for belongs to the load.
        known.extend(newest.map(|newest| (watch.passed().as_secs_f64() * 1_000.0, newest.size)));
        sequencer.have_witnessed(&witness, SystemClock.now())?;
        if stopped {
            return Ok(known);
        }
    }
}

/// Events at the rate that is asked for: for how long each had to wait until it was signed, from the moment that it was
/// recorded, sorted; and the share of two cores that all of it took.
async fn signed(folder: &Folder, dir: &Path, seconds: u64) -> anyhow::Result<(Vec<f64>, f64)> {
    let (watch, stop) = (Arc::new(Stopwatch::start()), Arc::new(AtomicBool::new(false)));
    let signing = {
        let (folder, dir) = (folder.clone(), dir.to_path_buf());
        let (watch, stop) = (Arc::clone(&watch), Arc::clone(&stop));
        std::thread::spawn(move || sign(&folder, &dir, &watch, &stop))
    };
    let journal = Journal::open(folder, "vault".parse()?, Arc::new(SystemClock))?;
    let before = cpu_ms();
    let (mut offered, mut recorded) = (0_u64, Known::new());
    let begun = watch.passed();
    let all = seconds * 10_000;
    while offered < all {
        let due = u64::try_from((watch.passed() - begun).as_millis())? * 10;
        let count = due.min(all) - offered;
        let waiting = (0..count).map(|_| journal.record(event()));
        futures::future::try_join_all(waiting).await?;
        offered += count;
        recorded.push((watch.passed().as_secs_f64() * 1_000.0, offered));
        SystemClock.sleep(TICK).await;
    }
    let took = (watch.passed() - begun).as_secs_f64() * 1_000.0;
    stop.store(true, Ordering::SeqCst);
    let known = signing.join().map_err(|_| anyhow::anyhow!("the signer failed"))??;
    let share = (cpu_ms() - before) / took / 2.0;
    let mut waits = Vec::with_capacity(recorded.len());
    for (at, size) in recorded {
        let signed = known.iter().find(|(_, known)| *known >= size);
        waits.push((signed.context("an event was never signed")?.0 - at).max(0.0));
    }
    ensure!(!waits.is_empty(), "nothing was recorded");
    waits.sort_by(f64::total_cmp);
    Ok((waits, share))
}

/// Measures and prints.
pub(crate) fn run(bench: &mut Bench, events: u64, seconds: u64) -> anyhow::Result<()> {
    let dir = bench.scratch("events")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    say("events of the trail: made durable");
    let (rate, micros) = runtime.block_on(append(&Folder::new(dir.join("append")), events))?;
    say("events of the trail: signed");
    let (waits, share) = runtime.block_on(signed(&Folder::new(dir.join("signed")), &dir, seconds))?;
    let at =
        |percent: usize| waits.get(waits.len() * percent / 100).or(waits.last()).copied().unwrap_or_default();
    let (half, most, longest) = (at(50), at(99), at(100));

    let mut table = Table::new(&["what", "target", "measured", "reached"]);
    table.row(&[
        "events made durable, in a second",
        "≥ 10,000",
        &format!("{rate:.0}"),
        reaches(RATE_MIN, rate),
    ]);
    table.row(&["CPU of each", "", &format!("{micros:.0} µs"), ""]);
    table.row(&["at 10,000 a second, signed after: median", "", &milliseconds(half), ""]);
    let reached = reaches(most, SIGNED_WITHIN_MS);
    table.row(&["– 99 of 100 within", "≤ 100 ms", &milliseconds(most), reached]);
    table.row(&["– the slowest", "", &milliseconds(longest), ""]);
    table.row(&["– share of two cores", "", &format!("{:.0} %", share * 100.0), ""]);
    print(&format!("## The trail: {events} events, {IN_FLIGHT} in flight\n\n{}", table.text()))?;
    let figures = json!({
        "rate": rate, "cpu_us": micros, "signed_ms": { "median": half, "p99": most, "max": longest }, "share": share,
    });
    keep(&bench.dir, "events", figures)?;
    Ok(std::fs::remove_dir_all(dir)?)
}
