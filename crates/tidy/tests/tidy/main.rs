//! Style as tests: what reviews would otherwise have to find again and again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod dependencies;
mod edges;
mod guides;
mod licence;
mod modules;
mod text;
mod workspace;
