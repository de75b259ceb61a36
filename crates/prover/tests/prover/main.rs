//! The prover with a real solver: what holds, what is found when it does not, and what a solver that is none can do.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; what is printed is shown when one fails"
)]

mod bad_solver;
mod invariants;
mod program;
