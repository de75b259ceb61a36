//! Checks what a trail's owner publishes, for those who need not trust its owner.
//!
//! Written from the specifications alone: trees and proofs of [RFC 6962] ([`tree`]), [signed notes], [checkpoints] and
//! [cosignatures] ([`note`]), [tiles] ([`log`]), [proofs as texts] ([`proof`]). Only what events say of each other
//! ([`chain`]) is Caretaker's own. It imports no crate of Caretaker, so that an error there cannot hide itself here.
//!
//! ```
//! use verifier::tree::{Tree, join, leaf};
//!
//! let mut tree = Tree::default();
//! tree.add(leaf(b"one"));
//! tree.add(leaf(b"two"));
//! assert_eq!(tree.root(), join(leaf(b"one"), leaf(b"two")));
//! ```
//!
//! [RFC 6962]: https://www.rfc-editor.org/rfc/rfc6962
//! [signed notes]: https://c2sp.org/signed-note
//! [checkpoints]: https://c2sp.org/tlog-checkpoint
//! [cosignatures]: https://c2sp.org/tlog-cosignature
//! [tiles]: https://c2sp.org/tlog-tiles
//! [proofs as texts]: https://c2sp.org/tlog-proof

pub mod chain;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod log;
pub mod note;
pub mod proof;
pub mod tree;

/// Why a text counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no signed note.
    #[error("it is not a signed note")]
    NotANote,
    /// A signature that it must bear is not there.
    #[error("it bears no signature of `{0}` with the key that was given")]
    Unsigned(String),
    /// A signature under a key's name and number is not the key's.
    #[error("the signature of `{0}` does not hold")]
    Forged(String),
    /// It was signed, and is no checkpoint of that log.
    #[error("it is not a checkpoint of `{0}`")]
    NotACheckpoint(String),
    /// It is no proof of the kind that was asked for.
    #[error("it is not such a proof")]
    NotAProof,
    /// A proof says what it proves, and not of which event.
    #[error("it does not bring the event along, in a line `extra`")]
    NoEntry,
    /// What is in the log there is no event.
    #[error("what is proven is in the log and is not an event")]
    NotAnEvent,
    /// The proof does not lead from the event to what was signed.
    #[error("the event is not at place {0} of the log that was signed")]
    NotIncluded(u64),
    /// The proof begins at another size.
    #[error("it is about a log of {told} events, and the checkpoint that was kept tells of {kept}")]
    OtherSize {
        /// What the proof says.
        told: u64,
        /// What was kept.
        kept: u64,
    },
    /// The proof does not lead from what was kept to what was signed.
    #[error(
        "the log of {new} events did not grow out of the {old} that the kept checkpoint tells of: it was rewritten or cut off"
    )]
    NotGrown {
        /// How many there were.
        old: u64,
        /// How many there are said to be.
        new: u64,
    },
}
