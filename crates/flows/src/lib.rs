//! What happens over time: connect, ingest, backup, restore, verify, export. One file per flow.

pub mod backup;
pub mod cell;
mod clearing;
pub mod connect;
pub mod coverage;
pub mod diff;
mod earlier;
pub mod error;
pub mod export;
pub mod fields;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod ingest;
mod leave;
pub mod live;
mod media;
pub mod person;
pub mod picker;
pub mod read;
pub mod recover;
pub mod report;
pub mod restore;
pub mod retention;
pub mod rewrap;
pub mod schedule;
pub mod set_up_again;
pub mod store_access;
pub mod verify;
pub mod webhook;

pub use cell::{Cell, HeldLease};
pub use error::{ErrorKind, FlowError, Result};
pub use leave::{Given, Leave};
pub use report::{KindReport, RunReport};
