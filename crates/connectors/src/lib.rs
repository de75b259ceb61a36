//! The contract between Caretaker and a platform, the engine that all platforms share, and the platforms.
//!
//! A platform is one folder below `platforms/`: a table of kinds ([`contract::KindSpec`]) and what a table
//! cannot say ([`contract::Store`]). The flows know the contract and no platform.
//!
//! ```
//! let shopify = connectors::registry::platform("shopify").expect("registered");
//! assert!(shopify.kinds.iter().any(|kind| kind.name == "product"));
//! ```

pub mod canonical;
pub mod contract;
mod engine;
pub mod import_file;
pub mod platforms;
pub mod registry;
pub mod tree;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use platforms::shopify::fuzzing;
