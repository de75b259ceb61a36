#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
//! What the vault promises, tried from outside the crate.

mod cell;
mod credentials;
mod data_keys;
mod doubles;
mod files;
mod grants;
mod hosts;
mod orders;
mod personal;
mod recovery;
mod rotation;
mod shares;
mod vectors;
mod way;
