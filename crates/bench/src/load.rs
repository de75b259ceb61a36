//! How much of the machine is ours: other people's work makes every figure worse.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::stopwatch::Stopwatch;

/// The targets are stated for so many.
pub(crate) const CORES: usize = 2;
/// Rounds of the fixed loop; some 50 ms on an idle core of today.
const LOOP_ROUNDS: u32 = 30_000_000;
/// A step that ran while the loop took so much longer than at best counts as disturbed.
const SLOWDOWN_MAX: f64 = 1.25;

/// Keeps this process, and all that it starts, to two cores. `false` where there are fewer.
pub(crate) fn pin() -> anyhow::Result<bool> {
    let whole = sched_getaffinity(Pid::from_raw(0))?;
    let mut chosen = CpuSet::new();
    let mut cores = 0;
    for cpu in (0..CpuSet::count()).filter(|cpu| whole.is_set(*cpu) == Ok(true)).take(CORES) {
        chosen.set(cpu)?;
        cores += 1;
    }
    sched_setaffinity(Pid::from_raw(0), &chosen)?;
    Ok(cores == CORES)
}

/// The machine's state at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Of the last minute, as the kernel counts it.
    pub(crate) average: f64,
    /// How much longer the fixed loop took than the best that was seen on this machine.
    pub(crate) slowdown: f64,
}

impl Load {
    pub(crate) fn is_calm(self) -> bool {
        self.slowdown <= SLOWDOWN_MAX
    }

    pub(crate) fn json(self) -> Value {
        json!({ "load_average": self.average, "slowdown": self.slowdown })
    }
}

/// The fixed loop and its best time, which is kept between runs.
pub(crate) struct Calibration {
    best: Duration,
    note: PathBuf,
}

impl Calibration {
    pub(crate) fn open(dir: &Path) -> Self {
        let note = dir.join("calibration-ns");
        let best = std::fs::read_to_string(&note).ok().and_then(|text| text.trim().parse().ok());
        Self { best: best.map_or(Duration::MAX, Duration::from_nanos), note }
    }

    pub(crate) fn best(&self) -> Duration {
        self.best
    }

    /// Runs the loop once on each core.
    pub(crate) fn probe(&mut self) -> Load {
        let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let average = average.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
        let watch = Stopwatch::start();
        std::thread::scope(|scope| {
            for seed in 0..CORES as u64 {
                scope.spawn(move || {
                    let mut chance = Chance::new(seed);
                    (0..LOOP_ROUNDS).for_each(|_| {
                        black_box(chance.bits());
                    });
                });
            }
        });
        let took = watch.passed();
        if took < self.best {
            self.best = took;
            // A best time that is not kept costs no more than a milder judgement next time.
            let _ = std::fs::write(&self.note, took.as_nanos().to_string());
        }
        Load { average, slowdown: took.as_secs_f64() / self.best.as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_loop_is_a_disturbance() {
        assert!(Load { average: 9.0, slowdown: 1.1 }.is_calm());
        assert!(!Load { average: 0.0, slowdown: 1.6 }.is_calm());
    }
}
