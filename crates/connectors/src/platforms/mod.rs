//! The platforms, one folder each.

pub mod bigcommerce;
pub mod shopify;
