#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
//! The same promises as in `../vault`, of a vault that is asked over a channel, and what the channel adds to them.

#[path = "../vault/cell.rs"]
mod cell;
#[path = "../vault/credentials.rs"]
mod credentials;
#[path = "../vault/data_keys.rs"]
mod data_keys;
#[path = "../vault/doubles.rs"]
mod doubles;
#[path = "../vault/grants.rs"]
mod grants;
mod permitted;
#[path = "../vault/recovery.rs"]
mod recovery;
#[path = "../vault/rotation.rs"]
mod rotation;
mod way;
