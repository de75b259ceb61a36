//! Putting things back: a plan that only reads, its application, and its undoing.
//!
//! A plan is a file that says what was asked for and what was found: every create, update, skip and cannot.
//! Applying it draws it up again and refuses where anything differs, so that a plan that was edited or has
//! grown old does nothing. What is about to be touched is sealed into the store first; an undo puts that back.

mod apply;
mod plan;
mod refer;
mod undo;

pub use apply::{ItemReport, LEDGER, RestoreReport, SealedEntry, apply, show};
pub use plan::{Ask, Plan, PlanItem, RevertedOrder, Selection, draw};
pub use undo::undo;

use serde_json::Value;

use crate::error::{FlowError, Result};

/// Where a restore says how far it is.
pub trait RestoreProgress: Send + Sync {
    /// So many items of so many are done.
    fn advanced(&self, what: &str, done: u64, of: u64);
}

fn parse(payload: &[u8]) -> Result<Value> {
    serde_json::from_slice(payload)
        .map_err(|error| FlowError::Integrity(format!("a record is not JSON: {error}")))
}
