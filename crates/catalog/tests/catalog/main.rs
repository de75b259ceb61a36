#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
//! What the catalog promises, tried from outside the crate.

mod cell;
mod connections;
mod files;
mod heads;
mod isolation;
mod leases;
mod restores;
