//! The trail is an append-only Merkle log of what was done, so that nobody can change what it says without being found.
//!
//! Its shape is public: [RFC 6962] trees with SHA-256 ([`tree`]), kept as [tlog-tiles] ([`tile`], [`builder`]), told by
//! [tlog-checkpoint]s ([`checkpoint`]) that are [signed notes] ([`note`]). Programs that others wrote read it.
//!
//! Nothing here reads or writes files: a log says which objects to write, in which order.
//!
//! [RFC 6962]: https://www.rfc-editor.org/rfc/rfc6962
//! [tlog-tiles]: https://c2sp.org/tlog-tiles
//! [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
//! [signed notes]: https://c2sp.org/signed-note

pub mod builder;
pub mod checkpoint;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod note;
pub mod tile;
pub mod tree;
