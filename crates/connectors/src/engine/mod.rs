//! What every platform's connector needs: HTTPS, a record of what goes out, patience, a budget, and what ears share.

pub(crate) mod files;
pub(crate) mod hearing;
pub(crate) mod http;
#[cfg(test)]
mod paused;
mod record;
pub(crate) mod retry;
pub(crate) mod throttle;
pub(crate) mod window;
