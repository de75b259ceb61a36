//! What happens over time: connect, ingest, backup, restore, verify, export. One file per flow.

pub mod backup;
pub mod cell;
pub mod connect;
pub mod coverage;
pub mod diff;
pub mod error;
pub mod export;
pub mod fields;
pub mod ingest;
mod media;
pub mod picker;
pub mod read;
pub mod recover;
pub mod report;
pub mod restore;
pub mod set_up_again;

pub use cell::{Cell, HeldLease};
pub use error::{ErrorKind, FlowError, Result};
pub use report::{KindReport, RunReport};
