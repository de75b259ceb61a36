//! Who may do what: policies in [Cedar], and the decisions that the vault and the server make by them.
//!
//! In reading order: who asks ([`who`]), for what ([`action`]), about what ([`resource`]), as one question ([`request`]);
//! the sets of policies ([`policies`]) and what they decide ([`decision`]); cases that a person can follow ([`examples`]);
//! and all that everybody can do ([`directory`]). The built-in policies and their schema are files, in `policies/`.
//!
//! ```
//! use access::{Action, Person, Policies, Request, Resource, Service, Standing, Who};
//!
//! let policies = Policies::built_in()?;
//! let shop = domain::Scope {
//!     tenant: "default".parse()?,
//!     region: "eu".parse()?,
//!     platform: "bigcommerce".parse()?,
//!     connection: "shop".parse()?,
//! };
//! let standing = Standing::good(Person::operator([&shop.tenant]));
//! let worker = Service::new("worker/shopify", "cell", "eu".parse()?)?;
//! let request =
//!     Request { who: Who::Service(worker), action: Action::DataKeyOpen, resource: Resource::DataKey(shop), standing };
//! assert_eq!(policies.decide(&request).to_string(), "forbidden by one-platform");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [Cedar]: https://www.cedarpolicy.com/

pub mod action;
pub mod decision;
pub mod directory;
pub mod examples;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod index;
pub mod invariants;
mod limits;
pub mod policies;
pub mod proof;
pub mod request;
pub mod resource;
mod vocabulary;
pub mod who;

pub use action::Action;
pub use decision::{Decision, PolicyName, Why};
pub use directory::{Able, Directory};
pub use examples::Example;
pub use guard::Guard;
pub use policies::{Policies, PolicyError};
pub use request::{Grant, Request, Standing};
pub use resource::{Place, Resource};
pub use who::{Person, Service, Who};
