//! The trail is an append-only Merkle log of what was done, so that nobody can change what it says without being found.
//!
//! Its shape is public: [RFC 6962] trees with SHA-256 ([`tree`]), kept as [tlog-tiles] ([`tile`], [`builder`]), told by
//! [tlog-checkpoint]s ([`checkpoint`]) that are [signed notes] ([`note`]). Programs that others wrote read it.
//!
//! Events ([`event`]) are durable in the [`journal`] of their source before anybody is answered. The [`sequencer`] takes them
//! into the log and signs it, a [`witness`] with a memory of its own signs only what grew, and both together are
//! [`published`]. [`verify`] finds what was changed, [`proof`]s convince others. How much [`room`] is left for
//! all that is seen to besides.
//!
//! [RFC 6962]: https://www.rfc-editor.org/rfc/rfc6962
//! [tlog-tiles]: https://c2sp.org/tlog-tiles
//! [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
//! [signed notes]: https://c2sp.org/signed-note

pub mod builder;
pub mod checkpoint;
pub mod event;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod head;
pub mod journal;
mod local;
pub mod newest;
pub mod note;
pub mod proof;
pub mod published;
pub mod room;
pub mod sequencer;
pub mod tile;
pub mod tree;
pub mod verify;
pub mod witness;
