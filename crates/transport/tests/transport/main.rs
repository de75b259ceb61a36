#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
//! What connections between processes promise, over real TLS, tried from outside the crate.

mod calls;
mod certificates;
mod edges;
mod enrolling;
mod joining;
mod outside;
mod renewing;
mod telling;
mod world;
