//! The record store: every version of every record, sealed, in immutable packs and hash-chained commits.
//!
//! Records come sorted into a [`Writer`], which compares them with the snapshot before and writes what changed:
//! first packs, then one commit that names them. A [`Reader`] gives back any record at any snapshot. The bytes
//! on disk are described in docs/format.md.

mod aside;
mod block;
mod census;
mod collect;
mod commit;
mod compact;
mod connection;
mod directory;
mod encoding;
mod entries;
mod erase;
mod error;
mod footer;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod heads;
mod inspect;
mod keyring;
mod limits;
mod media;
mod merge;
mod object;
mod open_store;
mod pack;
mod packs;
mod part;
mod probe;
#[cfg(test)]
mod protocol;
mod reader;
mod rebuild;
mod retention;
mod runs;
mod segment;
mod state;
mod store;
mod subjects;
mod unfinished;
mod verify;
mod view;
mod writer;

pub use aside::Sealer;
pub use collect::{Collected, GRACE};
pub use commit::{Ancestor, Commit, CommitName, Generation, Head, KindState, Role, sha256_hex};
pub use compact::Compacted;
pub use connection::Repository;
pub use erase::ErasedKeys;
pub use error::{ErrorKind, RepositoryError, Result};
pub use heads::{Heads, Lease};
pub use limits::Limits;
pub use media::{MediaBatch, MediaReader, MediaStore, StoredMedia};
pub use object::FORMAT;
pub use open_store::{StoreCredentials, StoreOptions, make_store, open_store, server_port};
pub use probe::{Promises, probe, refuses_destruction};
pub use reader::{Difference, Differences, HistoryEntry, Reader, Record, Scan, SummaryRow};
pub use retention::{Retention, to_drop};
pub use runs::{MergedLines, Run, RunKind, RunLine};
pub use state::SAVED;
pub use store::{Stores, place};
pub use unfinished::{Unfinished, delete_unfinished};
pub use verify::{DamagedObject, DamagedRecord, Depth, OnProgress, VerifyProgress, VerifyReport};
pub use writer::{Change, ContentHasher, KindCounts, KindOutcome, Mode, NewRecord, Writer, Written};
