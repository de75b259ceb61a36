//! The real binary, as its users run it: what it refuses, what it survives, what it leaves behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; what they print is shown when one fails"
)]

mod bad_disk;
mod bad_plan;
mod bad_records;
mod bad_store;
mod bad_way_in;
mod cell;
mod demo;
mod hasty;
mod kill_and_resume;
mod recover;
mod shop;
mod traces;
