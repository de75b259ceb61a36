//! A trail from events to proofs, on real files, and what is found when somebody lays hands on it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod attacks;
mod growing;
mod journals;
mod shape;
mod world;
