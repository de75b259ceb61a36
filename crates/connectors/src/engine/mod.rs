//! What every platform's connector needs: HTTPS, a record of what goes out, patience, a budget, and what ears share.
//!
//! What is public is what a platform outside of this crate needs, too: such a one is the example that the tests have. It
//! is for platforms alone: whoever else would send something has no [`Https`], and `tidy` sees to it.

pub(crate) mod files;
pub(crate) mod hearing;
pub(crate) mod http;
#[cfg(test)]
mod paused;
mod record;
pub(crate) mod retry;
pub(crate) mod throttle;
pub(crate) mod window;

pub use http::{Answer, Https, Request, Verb, store_url};
pub use retry::{TRIES_MAX, backoff};
