//! The policies that Caretaker comes with, and the index against plain Cedar.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod built_in;
mod directory;
mod indexed;
mod proofs;
mod refused;
mod worlds;
