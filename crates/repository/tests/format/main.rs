//! The format, as others read it: a reader in another language, and stores that were written once for ever.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[allow(dead_code, reason = "the conformance suite uses the rest")]
mod fixture;
mod golden;
#[allow(dead_code, reason = "the golden store's writer uses the rest")]
mod history;
mod python;
