//! Keys as things that seal and open. Key bytes are private to the vault crate, which implements these traits.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::grant::Grant;
use crate::names::{Id128, Scope};

/// Length of an AES-GCM tag, which every sealed text ends with, in bytes.
pub const TAG_LEN: usize = 16;

/// Which data key: part of every sealed object's header.
pub type DataKeyId = Id128;

/// 256 random bits in an object's header, from which the object's own key is derived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Salt(pub [u8; 32]);

/// A person within one connection: the first 16 bytes of a keyed hash of the subject's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubjectTag(pub [u8; 16]);

/// A subject's key, wrapped under the connection's data key: nonce (12 bytes), key (32), tag (16).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WrappedSubjectKey(pub [u8; 60]);

impl fmt::Debug for WrappedSubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappedSubjectKey(…)")
    }
}

/// Why a key did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum KeyError {
    /// The sealed bytes are not what was sealed there under this key: damaged, moved, or foreign.
    #[error("the sealed bytes do not open: damaged, moved from another place, or sealed under another key")]
    DoesNotOpen,
    /// The vault refused.
    #[error("refused: {0}")]
    Refused(String),
    /// The opened key has served its time; open it again.
    #[error("the opened key has served its time")]
    Expired,
    /// The vault is sealed or cannot be reached.
    #[error("the vault is not available: {0}")]
    Unavailable(String),
}

/// What an object's derived key is for. Each gives an unrelated key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectPurpose {
    /// Records and their index.
    Pack,
    /// A merged index.
    Index,
    /// A commit.
    Commit,
    /// A media object's chunks.
    Media,
    /// A table of subject keys.
    SubjectTable,
    /// Progress of an unfinished run.
    Checkpoint,
    /// State that is not a cache: schedules, holds, the id ledger.
    State,
    /// A worker's private spool.
    Spool,
}

impl ObjectPurpose {
    /// The label that goes into key derivation; part of the format.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::Index => "index",
            Self::Commit => "commit",
            Self::Media => "media",
            Self::SubjectTable => "subject-table",
            Self::Checkpoint => "checkpoint",
            Self::State => "state",
            Self::Spool => "spool",
        }
    }
}

/// What a keyed hash is for. Each gives an unrelated function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashPurpose {
    /// A record's content.
    Content,
    /// A media object's name.
    MediaName,
    /// A subject's tag.
    Subject,
}

impl HashPurpose {
    /// The label that goes into key derivation; part of the format.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Content => "content-hash",
            Self::MediaName => "media-name",
            Self::Subject => "subject-tag",
        }
    }
}

/// Seals and opens numbered blocks of one object with AES-256-GCM.
///
/// The nonce is the number (96 bits, big endian). A caller must never seal two texts under one number:
/// an unfinished object is begun anew under a new salt. A key that has expired leaves the text as it is.
pub trait SealingKey: Send + Sync {
    /// Replaces the plaintext by ciphertext and tag.
    ///
    /// # Errors
    /// When the key has expired.
    fn seal(&self, number: u64, aad: &[u8], text: &mut Vec<u8>) -> Result<(), KeyError>;

    /// Replaces ciphertext and tag by the plaintext.
    ///
    /// # Errors
    /// [`KeyError::DoesNotOpen`] when anything differs; the buffer's content is then meaningless.
    fn open(&self, number: u64, aad: &[u8], text: &mut Vec<u8>) -> Result<(), KeyError>;
}

/// HMAC-SHA-256 under a derived key.
pub trait KeyedHash: Send + Sync {
    /// The hash of the parts, one after the other.
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32];

    /// A hash in progress, for content that arrives piece by piece.
    fn begin(&self) -> Box<dyn RunningHash>;
}

/// A keyed hash in progress.
pub trait RunningHash: Send {
    /// Takes the next piece.
    fn update(&mut self, bytes: &[u8]);
    /// The hash of all pieces.
    fn finish(self: Box<Self>) -> [u8; 32];
}

/// One connection's data key, opened. Its bytes cannot be had.
pub trait DataKey: Send + Sync {
    /// Which key it is.
    fn id(&self) -> DataKeyId;

    /// The key of one object: HKDF-SHA-256 over the data key with the object's salt and the purpose's label.
    ///
    /// # Errors
    /// When the key has expired.
    fn object_key(&self, purpose: ObjectPurpose, salt: &Salt) -> Result<Box<dyn SealingKey>, KeyError>;

    /// A hash function of this connection. All data keys of a connection give the same one.
    ///
    /// # Errors
    /// When the key has expired.
    fn keyed_hash(&self, purpose: HashPurpose) -> Result<Box<dyn KeyedHash>, KeyError>;

    /// Makes a key for a person and wraps it.
    ///
    /// # Errors
    /// When the key has expired.
    fn new_subject_key(&self, subject: &SubjectTag) -> Result<WrappedSubjectKey, KeyError>;

    /// The key of one record of a person: HKDF-SHA-256 over the subject's key with the pack's salt and the
    /// record's number in its pack.
    ///
    /// # Errors
    /// [`KeyError::DoesNotOpen`] when the wrapped key is not this person's, or damaged.
    fn record_key(
        &self,
        subject: &SubjectTag,
        wrapped: &WrappedSubjectKey,
        pack_salt: &Salt,
        record: u64,
    ) -> Result<Box<dyn SealingKey>, KeyError>;
}

/// Signs (Ed25519, RFC 8032) with a key whose bytes cannot be had.
pub trait SigningKey: Send + Sync {
    /// The public half.
    fn public(&self) -> [u8; 32];

    /// The signature over a message.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when the key's holder cannot be reached.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError>;
}

/// A data key that was just made: opened, and wrapped for storing.
pub struct NewDataKey {
    /// The opened key.
    pub key: Arc<dyn DataKey>,
    /// The wrapped key as it is stored, which only the vault and a recovery key can open.
    pub wrapped: Vec<u8>,
}

/// Opens data keys for those who hold a grant: the vault, or the recovery key.
pub trait DataKeys: Send + Sync {
    /// Makes a connection's data key.
    fn create<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<NewDataKey, KeyError>>;

    /// Opens a wrapped data key. It serves for at most 60 seconds, or until the grant ends.
    fn open<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<Arc<dyn DataKey>, KeyError>>;
}
