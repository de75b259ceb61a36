//! The verifier's binary on logs that the trail's own code wrote, as they are and after each attack.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod log;
mod proofs;
mod words;
mod world;
mod written;
