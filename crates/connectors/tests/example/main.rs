//! A whole platform, as small as one can be: what docs/guides/adding-a-platform.md shows, held to what every platform shows.
//!
//! It is written outside of the crate, with nothing but the contract, the engine and the comparison: so these suffice.
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
mod liars;
mod platform;
mod practice;
mod restore;
mod shop;
#[path = "../spool/mod.rs"]
mod spool;
