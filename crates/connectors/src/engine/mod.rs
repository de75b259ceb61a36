//! What every platform's connector needs: HTTPS, patience, and a budget.

pub(crate) mod http;
pub(crate) mod retry;
pub(crate) mod throttle;
