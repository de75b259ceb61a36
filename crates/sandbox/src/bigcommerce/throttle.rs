//! Windows: how many requests all apps of a store together may send, and who may write how often at one time.

use std::collections::HashMap;
use std::time::Duration;

/// What the store's plan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is refused; the answer still has the headers.
    Unthrottled,
    /// So many requests in a window, of all apps together: 150 in 30 seconds on small plans, 450 on larger ones.
    Window {
        /// Requests.
        quota: u32,
        /// How long they are counted.
        window: Duration,
    },
}

impl Plan {
    /// Plans called Standard and Plus.
    pub const STANDARD: Self = Self::Window { quota: 150, window: Duration::from_secs(30) };
    /// The plan called Pro.
    pub const PRO: Self = Self::Window { quota: 450, window: Duration::from_secs(30) };
}

/// What every answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) window_ms: u128,
    pub(crate) reset_ms: u128,
    pub(crate) quota: u32,
    pub(crate) left: u32,
}

/// The window that is going on.
#[derive(Debug)]
pub(crate) struct Window {
    plan: Plan,
    began: Duration,
    spent: u32,
    /// Until when everything is refused because an answer said so.
    blocked: Duration,
    refusals: u32,
}

impl Window {
    pub(crate) fn new(plan: Plan, now: Duration) -> Self {
        Self { plan, began: now, spent: 0, blocked: Duration::ZERO, refusals: 0 }
    }

    fn limits(&self) -> (u32, Duration) {
        match self.plan {
            Plan::Unthrottled => (u32::MAX, Duration::from_secs(30)),
            Plan::Window { quota, window } => (quota, window.max(Duration::from_millis(1))),
        }
    }

    fn turn(&mut self, now: Duration) {
        let (_, window) = self.limits();
        if now.saturating_sub(self.began) >= window {
            self.began = now;
            self.spent = 0;
        }
    }

    /// Takes some requests; false when fewer are left.
    pub(crate) fn take(&mut self, count: u32, now: Duration) -> bool {
        self.turn(now);
        if now < self.blocked {
            return false;
        }
        let (quota, _) = self.limits();
        let left = quota.saturating_sub(self.spent);
        self.spent = self.spent.saturating_add(count).min(quota);
        matches!(self.plan, Plan::Unthrottled) || count <= left
    }

    /// How many seconds a refused request is told to wait. That is by turns less and more than what is left of the
    /// window; and whoever is told more and comes earlier is refused again.
    pub(crate) fn retry_after(&mut self, now: Duration) -> u64 {
        let reset = Duration::from_millis(u64::try_from(self.status(now).reset_ms).unwrap_or_default());
        let whole = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
        if now < self.blocked {
            let rest = self.blocked.saturating_sub(now);
            return rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
        }
        self.refusals += 1;
        if self.refusals % 2 == 1 {
            return (whole / 2).max(1);
        }
        self.blocked = now + Duration::from_secs(whole + 1);
        whole + 1
    }

    pub(crate) fn status(&mut self, now: Duration) -> Status {
        self.turn(now);
        let (quota, window) = self.limits();
        let reset = (self.began + window).saturating_sub(now);
        // A store without a limit says one all the same.
        let (quota, left) = match self.plan {
            Plan::Unthrottled => (20_000, 19_999),
            Plan::Window { .. } => (quota, quota.saturating_sub(self.spent)),
        };
        Status { window_ms: window.as_millis(), reset_ms: reset.as_millis(), quota, left }
    }
}

/// Requests of which only so many may be under way at one time: method, path with `*` for ids, how many.
const LANES: &[(&str, &str, usize)] = &[
    ("GET", "/v3/catalog/categories", 40),
    ("GET", "/v3/catalog/trees/*/categories", 1),
    ("POST", "/v3/customers", 3),
    ("PUT", "/v3/customers", 3),
    ("POST", "/v3/customers/addresses", 10),
    ("PUT", "/v3/customers/addresses", 3),
    ("POST", "/v3/customers/attributes", 3),
    ("PUT", "/v3/customers/attribute-values", 10),
    ("PUT", "/v3/customers/form-field-values", 10),
    ("DELETE", "/v3/pricelists/*", 1),
    ("POST", "/v3/pricelists/records", 10),
    ("PUT", "/v3/pricelists/records", 1),
    ("POST", "/v3/pricelists/*/records", 10),
    ("PUT", "/v3/pricelists/*/records", 1),
    ("GET", "/v3/pricelists/*/records", 10),
    ("GET", "/v3/promotions/*/codes", 10),
    ("DELETE", "/v3/promotions", 40),
    ("GET", "/v3/promotions/*", 40),
    ("PUT", "/v3/promotions/*", 40),
    ("GET", "/v3/inventory/locations", 50),
];

/// How many requests are in each lane.
#[derive(Debug, Default)]
pub(crate) struct Lanes(HashMap<usize, usize>);

impl Lanes {
    /// Enters the lane of a request. Nothing when it is full; `Some(None)` when the request needs none.
    pub(crate) fn enter(&mut self, method: &str, path: &str) -> Option<Option<usize>> {
        let known = LANES.iter().position(|(lane, to, _)| *lane == method && *to == path);
        let Some(lane) = known else { return Some(None) };
        let most = LANES.get(lane).map_or(0, |(_, _, most)| *most);
        let count = self.0.entry(lane).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Some(lane))
    }

    pub(crate) fn leave(&mut self, lane: usize) {
        if let Some(count) = self.0.get_mut(&lane) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_used_up_and_begins_anew() {
        let plan = Plan::Window { quota: 3, window: Duration::from_secs(30) };
        let mut window = Window::new(plan, Duration::ZERO);
        assert!(window.take(2, Duration::ZERO));
        assert!(window.take(1, Duration::from_secs(29)));
        assert!(!window.take(1, Duration::from_secs(29)));
        assert_eq!(
            window.status(Duration::from_secs(29)),
            Status { window_ms: 30_000, reset_ms: 1_000, quota: 3, left: 0 }
        );
        assert!(window.take(1, Duration::from_secs(30)));
    }

    #[test]
    fn a_lane_is_full_and_empties() {
        let mut lanes = Lanes::default();
        let path = "/v3/pricelists/*/records";
        let lane = lanes.enter("PUT", path).flatten().expect("a lane");
        assert_eq!(lanes.enter("PUT", path), None);
        assert!(lanes.enter("GET", path).flatten().is_some_and(|other| other != lane));
        assert_eq!(lanes.enter("PUT", "/v3/catalog/products"), Some(None));
        lanes.leave(lane);
        assert_eq!(lanes.enter("PUT", path), Some(Some(lane)));
    }
}
