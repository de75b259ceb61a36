//! Fetching from a practice store: whole, interrupted, disturbed, and again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../journal/mod.rs"]
mod journal;
#[path = "../official/mod.rs"]
mod official;
mod practice;
#[path = "../receiver/mod.rs"]
mod receiver;
#[path = "../spool/mod.rs"]
mod spool;

mod access;
mod elsewhere;
mod faults;
mod halves;
mod received;
mod recorded;
mod told;
mod whole;
