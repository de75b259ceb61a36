//! Time, through a handle.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

/// Where time comes from. Tests set it; nothing else in the workspace asks the system.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time. It may jump in both directions: nothing orders events by it.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, which never goes back. For waits, rates and time-outs.
    fn monotonic(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
