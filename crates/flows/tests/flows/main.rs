//! The flows on practice stores, in one process: what was restored is compared with what there was, as we read it and
//! as the stores themselves hold it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod compare;
mod credentials;
mod doubles;
mod dump;
mod effort;
mod enrich;
mod entangled;
mod erased;
mod fidelity;
mod files;
mod hidden;
mod idle;
mod interrupted;
mod killed;
mod lists;
mod official;
mod plans;
mod recorded;
mod resuming;
mod round_trip;
mod set_up_again;
mod store_access;
mod sweeps;
mod taking_back;
mod thirty_days;
mod undoing;
mod world;
