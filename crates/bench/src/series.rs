//! The same step, several times.

use serde_json::{Value, json};

use crate::load::{Calibration, Load};
use crate::meter::Cost;

/// Medians are of the calm samples where there are so many.
const CALM_MIN: usize = 2;

/// One step's samples.
#[derive(Default)]
pub(crate) struct Series {
    samples: Vec<(Cost, Load)>,
}

impl Series {
    pub(crate) fn push(&mut self, cost: Cost, load: Load) {
        self.samples.push((cost, load));
    }

    pub(crate) fn calm(&self) -> usize {
        self.samples.iter().filter(|(_, load)| load.is_calm()).count()
    }

    /// The median of something, over the calm samples where there are enough.
    pub(crate) fn median(&self, of: impl Fn(&Cost) -> f64) -> f64 {
        let only_calm = self.calm() >= CALM_MIN;
        median(
            self.samples
                .iter()
                .filter(|(_, load)| !only_calm || load.is_calm())
                .map(|(cost, _)| of(cost))
                .collect(),
        )
    }

    /// The least: what the machine gives when it is left alone.
    pub(crate) fn best(&self, of: impl Fn(&Cost) -> f64) -> f64 {
        self.samples.iter().map(|(cost, _)| of(cost)).fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn most(&self, of: impl Fn(&Cost) -> f64) -> f64 {
        self.samples.iter().map(|(cost, _)| of(cost)).fold(0.0, f64::max)
    }

    /// How disturbed the samples are.
    pub(crate) fn told(&self, calibration: &Calibration, what: &str) -> String {
        let range = |of: fn(&Load) -> f64| {
            let values = self.samples.iter().map(|(_, load)| of(load));
            let least = values.clone().fold(f64::INFINITY, f64::min);
            (least, values.fold(0.0, f64::max))
        };
        let (average, slowdown) = (range(|load| load.average), range(|load| load.slowdown));
        format!(
            "- {what}: {} of {} samples calm; load average {:.1} to {:.1}; the fixed loop {:.2} to {:.2} times its best ({:.0} ms).",
            self.calm(),
            self.samples.len(),
            average.0,
            average.1,
            slowdown.0,
            slowdown.1,
            calibration.best().as_secs_f64() * 1_000.0
        )
    }

    pub(crate) fn json(&self) -> Value {
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|(cost, load)| json!({ "cost": cost.json(), "machine": load.json() }))
            .collect();
        json!({
            "wall_ms": self.median(|cost| cost.wall_ms),
            "cpu_ms": self.median(Cost::cpu_ms),
            "peak_bytes": self.most(|cost| cost.peak_bytes),
            "calm": self.calm(),
            "samples": samples,
        })
    }
}

/// NaN where there are no values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |turn: usize| values.get(turn).copied().unwrap_or(f64::NAN);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { at(half) } else { f64::midpoint(at(half.wrapping_sub(1)), at(half)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disturbed_samples_do_not_count_where_calm_ones_are_there() {
        let sample =
            |wall_ms, slowdown| (Cost { wall_ms, ..Cost::default() }, Load { average: 1.0, slowdown });
        let check = |samples: &[(f64, f64)], median: f64, best: f64| {
            let samples = samples.iter().map(|(wall, slowdown)| sample(*wall, *slowdown)).collect();
            let series = Series { samples };
            assert_eq!(
                (series.median(|cost| cost.wall_ms), series.best(|cost| cost.wall_ms)),
                (median, best)
            );
        };
        check(&[(10.0, 1.0), (30.0, 1.0), (500.0, 3.0), (20.0, 1.1)], 20.0, 10.0);
        check(&[(10.0, 1.0), (30.0, 1.0)], 20.0, 10.0);
        // One calm sample alone is no median.
        check(&[(10.0, 1.0), (30.0, 2.0), (50.0, 2.0)], 30.0, 10.0);
    }
}
