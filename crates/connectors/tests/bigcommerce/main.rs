//! A practice BigCommerce store, read and put back: whole, in increments, disturbed and interrupted.
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
mod practice;
#[path = "../receiver/mod.rs"]
mod receiver;
#[path = "../spool/mod.rs"]
mod spool;

mod changes;
mod faults;
mod restore;
mod told;
mod whole;
