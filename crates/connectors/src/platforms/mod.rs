//! The platforms, one folder each.

pub mod shopify;
