//! Practice stores: stateful imitations of the platforms that Caretaker backs up.
//!
//! A practice store holds real state, answers over real HTTPS, and misbehaves on request. The demo, the drills and
//! the tests run against it. It shares no type with the connectors, so that a mistake in one cannot hide in the
//! other. Nothing that it holds is written to disk.
//!
//! One platform is one module: [`bigcommerce`], [`shopify`].

mod base64;
pub mod bigcommerce;
mod dice;
mod fault;
mod https;
mod lock;
mod png;
mod secret;
pub mod shopify;
mod tls;
mod zip;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use shopify::fuzzing;
