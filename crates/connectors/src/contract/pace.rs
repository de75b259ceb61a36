//! What requests cost, and how fast a store can be asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Requests, and what they cost from the platform's budget, in its own unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Requests.
    pub requests: u64,
    /// Their cost.
    pub cost: u64,
}

impl std::ops::Add for Effort {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let requests = self.requests.saturating_add(other.requests);
        Self { requests, cost: self.cost.saturating_add(other.cost) }
    }
}

impl std::ops::Sub for Effort {
    type Output = Self;
    /// What is left; nothing where more is taken away than there is.
    fn sub(self, other: Self) -> Self {
        let requests = self.requests.saturating_sub(other.requests);
        Self { requests, cost: self.cost.saturating_sub(other.cost) }
    }
}

impl std::iter::Sum for Effort {
    fn sum<I: Iterator<Item = Self>>(efforts: I) -> Self {
        efforts.fold(Self::default(), std::ops::Add::add)
    }
}

/// How fast a store can be asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// What may be spent; `None` where there is no limit, or no answer told one yet.
    pub budget: Option<Budget>,
    /// How long an answer took, on average; nothing before the first.
    pub answer: Duration,
}

/// What may be spent, in the platform's own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// What flows in, per second.
    pub per_second: f64,
    /// What there is when nothing was spent for long.
    pub maximum: f64,
    /// What there is now.
    pub available: f64,
}
