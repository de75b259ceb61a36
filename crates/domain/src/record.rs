//! What is kept: one item of one kind, in one version.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{Kind, NameError};

/// Longest record id that is kept, in bytes. A longer one is refused by name, never cut.
pub const RECORD_ID_LEN_MAX: usize = 16 * 1024;

/// Largest payload of one record, in bytes.
pub const PAYLOAD_LEN_MAX: usize = 64 * 1024 * 1024;

/// Which item: its kind and the platform's own id string. Order is by kind, then by the id's bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordKey {
    /// The item's kind.
    pub kind: Kind,
    /// The platform's id string, any characters.
    pub id: Box<str>,
}

impl RecordKey {
    /// Checks the id's length and keeps both.
    ///
    /// # Errors
    /// When the id is empty or longer than [`RECORD_ID_LEN_MAX`].
    pub fn new(kind: Kind, id: &str) -> Result<Self, NameError> {
        if id.is_empty() || id.len() > RECORD_ID_LEN_MAX {
            return Err(NameError::RecordId { len: id.len(), max: RECORD_ID_LEN_MAX });
        }
        Ok(Self { kind, id: id.into() })
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// The first 16 bytes of HMAC-SHA-256, under a key of the connection, over a record's canonical content.
///
/// Keyed, so that whoever can choose content but has no key can neither make two contents collide nor
/// recognise one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 16]);

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A person whose data a record holds, by the platform's own id, for example `customer/gid://shopify/Customer/1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectId(pub Box<str>);

/// Bytes that belong to a record and are stored beside it, by the keyed hash of their content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaRef {
    /// Where in the payload the bytes are named: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The stored object's name: the keyed hash of the bytes, 64 hexadecimal digits.
    pub name: String,
    /// Length, in bytes.
    pub size_bytes: u64,
    /// Media type as the platform named it, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// Why something is absent though it may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The token has no permission to read it.
    MissingScope,
    /// The platform hides personal data from this app.
    Redacted,
    /// The platform does not offer it for reading.
    NotOffered,
    /// The platform failed while it was read.
    Failed,
    /// Larger than is kept.
    TooLarge,
}

/// One thing that a record or a run does not hold, and why. A gap is never shown as *empty*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What is absent: a JSON pointer in a record, a kind's name in a run.
    pub what: String,
    /// Why it is absent.
    pub reason: GapReason,
    /// What a person can do about it, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Why a record is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// The platform no longer has it.
    Deleted,
    /// The platform, or a person's request, took its content away.
    Redacted,
    /// It may still exist, but we are no longer allowed to read it. Never taken for a deletion.
    LeftScope,
}

/// What is known of a record beside its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordMeta {
    /// When we read it.
    pub observed_at: Timestamp,
    /// When the platform says that it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_updated_at: Option<Timestamp>,
    /// The platform's API version that answered, for example `2026-10`. Empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Digest of the selection that was asked for, so that a newly selected field does not look like a change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selection_digest: String,
    /// The people whose data it holds. Not empty means: sealed under the first one's key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<SubjectId>,
    /// Bytes stored beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_refs: Vec<MediaRef>,
    /// What it does not hold, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}
