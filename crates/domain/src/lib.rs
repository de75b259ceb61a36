//! The nouns that all of Caretaker shares, and the traits behind which time, chance and keys stand.
//!
//! This crate does no I/O and knows no other crate of the workspace. In reading order: what things are
//! called ([`names`]), what is kept ([`record`]), who may do what ([`grant`]), how bytes are bound to their
//! place ([`aad`]), which processes there are ([`service`]), and what the outside world is asked for ([`clock`], [`chance`], [`keys`], [`audit`]).
//!
//! ```
//! use domain::{Kind, Platform, RecordKey};
//! let key = RecordKey::new(Kind::new("product")?, "gid://shopify/Product/1")?;
//! assert_eq!(key.kind.as_str(), "product");
//! assert_eq!(Platform::new("shopify")?.as_str(), "shopify");
//! # Ok::<(), domain::NameError>(())
//! ```

pub mod aad;
pub mod audit;
mod causes;
pub mod chance;
pub mod clock;
mod delays;
pub mod grant;
pub mod keys;
pub mod names;
pub mod policy;
pub mod record;
pub mod service;

pub use audit::{
    AuditError, AuditEvent, AuditSink, Effect, HttpFacts, Operation, Outcome, Personal, Unrecorded,
};
pub use causes::with_causes;
pub use chance::{Ids, Rng};
pub use clock::Clock;
pub use delays::Delays;
pub use grant::{Action, Actions, Grant, GrantError, GrantId, Principal};
pub use keys::{
    DataKey, DataKeyId, DataKeys, HashPurpose, KeyError, KeyedHash, NewDataKey, ObjectPurpose, Salt,
    SealingKey, SigningKey, SubjectTag, WrappedSubjectKey,
};
pub use names::{ConnectionId, Id128, Kind, NameError, Platform, Region, Scope, SnapshotNumber, TenantId};
pub use policy::{About, Asked, Decides, GrantFacts, Verdict};
pub use record::{ContentHash, Gap, GapReason, MediaRef, RecordKey, RecordMeta, Removal, SubjectId};
pub use service::{Role, RoleName, ServiceId};

/// A point in time, UTC, as RFC 3339 in text.
pub use jiff::Timestamp;
