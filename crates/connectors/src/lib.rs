//! The contract between Caretaker and a platform, the engine that all platforms share, and the platforms.
//!
//! A platform is one folder below `platforms/`: a table of kinds ([`contract::KindSpec`]) and what a table
//! cannot say ([`contract::Store`]). The flows know the contract and no platform. What platforms share is [`engine`], by
//! which they send, and [`compare`], by which they put things back.
//!
//! ```
//! let shopify = connectors::registry::platform("shopify").expect("registered");
//! assert!(shopify.kinds.iter().any(|kind| kind.name == "product"));
//! ```

pub mod canonical;
pub mod compare;
pub mod contract;
mod digest;
pub mod engine;
pub mod import_file;
pub mod platforms;
pub mod registry;
mod secret;
pub mod tree;

pub use secret::Secret;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing {
    //! The entry points of all platforms.

    pub use crate::platforms::bigcommerce::fuzzing::*;
    pub use crate::platforms::shopify::fuzzing::*;
}
