//! What is wanted of an item and what is there, compared: what all platforms share of putting things back.
//!
//! In reading order: where values stand ([`place`]) and what a field is ([`field`]); which part is which ([`part`]) and
//! what became of ids ([`links`]); and the comparison, in which every difference becomes a change for the plan and a
//! piece of a platform's step ([`draft`]). What is public is for platforms alone, as of the engine.

pub(crate) mod draft;
pub(crate) mod field;
pub(crate) mod links;
pub(crate) mod part;
pub(crate) mod place;

pub use draft::Draft;
pub use field::{Field, Form, When, same};
pub use links::{Links, Spelling};
