//! The real binary, as its users run it: what it refuses, what it survives, what it leaves behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; what they print is shown when one fails"
)]

mod again;
mod bad_disk;
mod bad_plan;
mod bad_records;
mod bad_store;
mod bad_way_in;
mod bigcommerce;
#[path = "../../../repository/tests/conformance/bucket.rs"]
mod bucket;
mod buckets;
mod cell;
mod clock;
mod demo;
mod dumps;
mod half_made;
mod hasty;
mod hosts;
mod import_files;
mod keeping;
mod kill_and_resume;
mod killed_at_a_call;
mod kms;
mod live;
mod manual;
mod many;
mod matrix;
mod offline;
mod one_store;
mod orders;
mod person;
mod policy;
mod postgres;
mod powers;
mod practice;
mod private;
mod public;
mod recover;
mod root_seal;
mod rotation;
mod schedules;
mod served;
mod shop;
mod silent;
mod slips;
mod stolen;
mod sync_order;
mod target;
mod tokens;
mod told;
mod traced;
mod traces;
mod trail;
mod unfinished;
mod up;
mod vault_process;
mod walls;
