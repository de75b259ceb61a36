//! The record store through its public face, with a real vault's keys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::clone_on_ref_ptr,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod aside;
mod cell;
mod compacting;
mod crash;
mod erasing;
mod faulty;
mod history;
mod keeping;
mod media;
mod model;
mod progress;
mod reading;
mod standing_still;
mod tamper;
mod verify;
