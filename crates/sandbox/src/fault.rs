//! Injected faults: what goes wrong, where, and when.
//!
//! A specification is a list of `KIND[:TARGET][@N|@N+|%P]` joined by commas. `TARGET` is what the
//! platform's store says that it is. `@N` hits the N-th matching request (the default is `@1`), `@N+` that one and all after it, `%P` each with
//! a probability of P percent, drawn from the seed; such faults pass: no target is hit by them more than
//! [`IN_A_ROW_MAX`] times in a row.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use domain::Rng;

/// What can go wrong with a platform's store.
pub trait Kinds: fmt::Debug + Copy + PartialEq + 'static {
    /// Each kind under the name that a specification gives it.
    const NAMES: &'static [(&'static str, Self)];
    /// Requests that a fault without a target does not mean.
    const BY_NAME_ONLY: &'static [&'static str];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Nth(u64),
    From(u64),
    Percent(u8),
}

/// So often in a row faults drawn by chance hit one target. Fewer than anybody's patience, so that a run over them
/// ends the same way whatever the draws, and in whatever order requests that run side by side arrive.
const IN_A_ROW_MAX: u32 = 3;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault<K> {
    kind: K,
    target: Option<String>,
    when: When,
    seen: u64,
}

/// Why a fault specification was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{spec}` is not a fault: write KIND[:TARGET][@N|@N+|%P] with KIND one of {kinds}")]
pub struct FaultError {
    spec: String,
    kinds: String,
}

impl<K: Kinds> Fault<K> {
    /// Reads a comma-separated list.
    ///
    /// # Errors
    /// When an entry names no known fault, or its count is no number.
    pub fn parse_list(spec: &str) -> Result<Vec<Self>, FaultError> {
        spec.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::parse).collect()
    }

    fn parse(spec: &str) -> Result<Self, FaultError> {
        let refuse = || FaultError {
            spec: spec.to_owned(),
            kinds: K::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        };
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(refuse);
        let (what, when) = if let Some((what, percent)) = spec.split_once('%') {
            let percent = percent.parse::<u8>().ok().filter(|percent| *percent <= 100).ok_or_else(refuse)?;
            (what, When::Percent(percent))
        } else if let Some((what, count)) = spec.split_once('@') {
            let when = match count.strip_suffix('+') {
                Some(count) => When::From(number(count)?),
                None => When::Nth(number(count)?),
            };
            (what, when)
        } else {
            (spec, When::Nth(1))
        };
        let (kind, target) = match what.split_once(':') {
            Some((kind, target)) => (kind, Some(target.to_owned())),
            None => (what, None),
        };
        let kind =
            K::NAMES.iter().find(|(name, _)| *name == kind).map(|(_, kind)| *kind).ok_or_else(refuse)?;
        Ok(Self { kind, target, when, seen: 0 })
    }
}

/// The faults of a store, and how often each was asked.
#[derive(Debug)]
pub(crate) struct Faults<K> {
    faults: Vec<Fault<K>>,
    rng: Arc<dyn Rng>,
    /// How often in a row each target was hit by chance, by the request's first name.
    in_a_row: HashMap<String, u32>,
}

impl<K: Kinds> Faults<K> {
    pub(crate) fn new(faults: Vec<Fault<K>>, rng: Arc<dyn Rng>) -> Self {
        Self { faults, rng, in_a_row: HashMap::new() }
    }

    pub(crate) fn set(&mut self, faults: Vec<Fault<K>>) {
        self.faults = faults;
        self.in_a_row.clear();
    }

    /// Counts a request and says which fault hits it. `kinds` are those that the caller can play here; `targets` the
    /// names under which the request is known.
    pub(crate) fn hit(&mut self, targets: &[&str], kinds: &[K]) -> Option<K> {
        let name = targets.first().copied().unwrap_or_default();
        let in_a_row = self.in_a_row.get(name).copied().unwrap_or_default();
        let (mut hit, mut by_chance) = (None, false);
        for fault in &mut self.faults {
            let matches = match &fault.target {
                Some(target) => targets.contains(&target.as_str()),
                None => targets.first().is_none_or(|first| !K::BY_NAME_ONLY.contains(first)),
            };
            if !kinds.contains(&fault.kind) || !matches {
                continue;
            }
            fault.seen += 1;
            let now = match fault.when {
                When::Nth(nth) => fault.seen == nth,
                When::From(nth) => fault.seen >= nth,
                When::Percent(percent) => {
                    let mut byte = [0; 2];
                    self.rng.fill(&mut byte);
                    in_a_row < IN_A_ROW_MAX && u16::from_le_bytes(byte) % 100 < u16::from(percent)
                }
            };
            if now && hit.is_none() {
                hit = Some(fault.kind);
                by_chance = matches!(fault.when, When::Percent(_));
            }
        }
        if by_chance {
            self.in_a_row.insert(name.to_owned(), in_a_row + 1);
        } else if in_a_row > 0 {
            self.in_a_row.remove(name);
        }
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shopify::FaultKind;

    #[derive(Debug)]
    struct Always;
    impl Rng for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn what_is_drawn_by_chance_passes() {
        let hits = |spec: &str| {
            let mut faults = Faults::new(Fault::parse_list(spec).expect("a fault"), Arc::new(Always));
            let hit = |name| faults.hit(&[name], &[FaultKind::BadGateway]).is_some();
            ["products", "products", "orders", "products", "products", "products"].map(hit)
        };
        assert_eq!(hits("502%1"), [true, true, true, true, false, true]);
        assert_eq!(hits("502@1+"), [true; 6]);
    }

    #[test]
    fn faults_are_read_as_written() {
        let faults =
            Fault::parse_list("429, 502:products@3,cut:productSet@2+,throttled%5").expect("four faults");
        let seen: Vec<_> =
            faults.iter().map(|fault| (fault.kind, fault.target.as_deref(), fault.when)).collect();
        assert_eq!(
            seen,
            [
                (FaultKind::TooManyRequests, None, When::Nth(1)),
                (FaultKind::BadGateway, Some("products"), When::Nth(3)),
                (FaultKind::Cut, Some("productSet"), When::From(2)),
                (FaultKind::Throttled, None, When::Percent(5)),
            ]
        );
        for wrong in ["nothing", "429@zero", "429@0", "cut%101"] {
            assert!(Fault::<FaultKind>::parse_list(wrong).is_err(), "{wrong}");
        }
    }
}
