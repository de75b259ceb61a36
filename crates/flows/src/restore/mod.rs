//! Putting things back: a plan that only reads, its application, and its undoing.
//!
//! A plan is a file that says what was asked for and what was found: every create, update, skip and cannot.
//! Applying it draws it up again and refuses where anything differs, so that a plan that was edited or has
//! grown old does nothing. What is about to be touched is sealed into the store first; an undo puts that back.
//!
//! In reading order: what is wanted and what is there ([`look`], [`candidate`]), without what is hidden ([`hidden`]),
//! where it is put aside ([`shelf`]), who refers to whom ([`refer`]), sales at prices that are taken back ([`sale`]),
//! the plan and what it will take ([`plan`], [`predict`]); then the writing: what is touched is sealed ([`saved`],
//! [`pieces`]), in which order and how much at a time ([`schedule`]), what all items share ([`writes`]) with its steps
//! ([`journal`]) and new ids ([`ledger`]), what became of them ([`report`]); and the two that do it all ([`apply`],
//! [`undo`]). What can be undone no longer is forgotten ([`expiry`]).

use std::time::Duration;

mod apply;
mod candidate;
mod expiry;
mod hidden;
mod journal;
mod ledger;
mod look;
mod pieces;
mod plan;
mod predict;
mod refer;
mod report;
mod sale;
mod saved;
mod schedule;
mod shelf;
mod undo;
mod writes;

pub use apply::{apply, apply_within};
pub use expiry::KEPT;
pub(crate) use expiry::forget_old;
pub(crate) use ledger::sealed_ledger;
pub use ledger::{LEDGER, SealedEntry};
pub use pieces::Limits;
pub use plan::{Ask, Plan, PlanItem, RevertedOrder, Selection, draw};
pub use report::{ItemReport, RestoreReport, show};
pub use undo::{undo, undo_within};

use connectors::contract::{KindSpec, named};
use serde_json::Value;

use crate::error::{FlowError, Result};

/// Where a restore says how far it is. Cheap; called often.
pub trait RestoreProgress: Send + Sync {
    /// So many items of so many are done; `left` is how long the rest takes at the platform's budget, where that can be
    /// told.
    fn advanced(&self, what: &str, done: u64, of: u64, left: Option<Duration>);
}

/// A record's payload, which is JSON or damaged, with its ids told apart.
fn as_json(spec: &'static KindSpec, payload: &[u8]) -> Result<Value> {
    serde_json::from_slice(payload)
        .map(|item| named(spec, item))
        .map_err(|error| FlowError::Integrity(format!("a record is not JSON: {error}")))
}
