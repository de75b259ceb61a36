//! Recovery recipients: public keys to which every data key is wrapped besides.

use std::fmt;

use domain::{DataKeyId, KeyError, Rng, Scope, TenantId, aad};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::document::fingerprint;
use crate::encoding::HexBytes;
use crate::error::VaultError;
use crate::public_key::{PrivateKey, SealedTo, seal_to};
use crate::secret::KeyBytes;

/// HPKE's `info` begins with this; the recipient's fingerprint follows. Part of the format.
const INFO: &str = "caretaker/v1/recovery/";
/// The purpose that stands in the associated data. Part of the format.
const PURPOSE: &str = "data-key-recovery";
/// Recovery keys have no versions: `info` names the very key.
const VERSION: u64 = 0;

/// Who keeps a recovery key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RecipientOwner {
    /// Whoever runs the cell: every data key is wrapped to it.
    Cell,
    /// A tenant: that tenant's data keys are wrapped to it.
    Tenant(TenantId),
}

impl fmt::Display for RecipientOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell => f.write_str("cell"),
            Self::Tenant(tenant) => write!(f, "tenant/{tenant}"),
        }
    }
}

impl From<RecipientOwner> for String {
    fn from(owner: RecipientOwner) -> String {
        owner.to_string()
    }
}

impl TryFrom<String> for RecipientOwner {
    type Error = VaultError;
    fn try_from(text: String) -> Result<Self, VaultError> {
        match text.strip_prefix("tenant/").map(TenantId::new) {
            Some(Ok(tenant)) => Ok(Self::Tenant(tenant)),
            None if text == "cell" => Ok(Self::Cell),
            _ => Err(VaultError::Recipient(text)),
        }
    }
}

/// The public half of a recovery key, which alone stays in the cell.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryRecipient {
    /// Who keeps the private half.
    pub owner: RecipientOwner,
    pub(crate) public: HexBytes,
}

/// One recipient's copy of a data key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RecipientCopy {
    pub(crate) recipient: RecipientOwner,
    /// The recipient's public key, by its fingerprint.
    pub(crate) key: String,
    #[serde(flatten)]
    copy: SealedTo,
}

impl RecoveryRecipient {
    /// The public key's name: the first 16 bytes of its SHA-256, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.public.as_ref())
    }

    /// Whether data keys of this tenant are wrapped to it.
    pub(crate) fn serves(&self, tenant: &TenantId) -> bool {
        match &self.owner {
            RecipientOwner::Cell => true,
            RecipientOwner::Tenant(own) => own == tenant,
        }
    }

    /// Seals a data key's bytes to this recipient.
    pub(crate) fn seal(
        &self,
        scope: &Scope,
        kid: DataKeyId,
        secret: &[u8],
        rng: &dyn Rng,
    ) -> Result<RecipientCopy, KeyError> {
        let key = self.fingerprint();
        let copy = seal_to(self.public.as_ref(), &info(&key), &associated(scope, kid), secret, rng)?;
        Ok(RecipientCopy { recipient: self.owner.clone(), key, copy })
    }
}

fn info(key: &str) -> String {
    format!("{INFO}{key}")
}

fn associated(scope: &Scope, kid: DataKeyId) -> Vec<u8> {
    aad::key(scope, PURPOSE, &kid.to_string(), VERSION)
}

/// The private half.
pub(crate) struct RecipientPrivateKey {
    private: PrivateKey,
    pub(crate) recipient: RecoveryRecipient,
}

impl RecipientPrivateKey {
    /// A new pair.
    pub(crate) fn generate(owner: RecipientOwner, rng: &dyn Rng) -> Self {
        Self::of(owner, PrivateKey::generate(rng))
    }

    /// A pair from the private half's 32 bytes.
    pub(crate) fn from_bytes(owner: RecipientOwner, bytes: &KeyBytes) -> Option<Self> {
        Some(Self::of(owner, PrivateKey::from_bytes(bytes)?))
    }

    fn of(owner: RecipientOwner, private: PrivateKey) -> Self {
        Self { recipient: RecoveryRecipient { owner, public: private.public() }, private }
    }

    /// The private half's bytes, for its file.
    pub(crate) fn to_bytes(&self) -> Option<KeyBytes> {
        self.private.to_bytes()
    }

    /// Opens this recipient's copy of a data key.
    pub(crate) fn open(
        &self,
        scope: &Scope,
        kid: DataKeyId,
        copy: &RecipientCopy,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.private.open(&info(&copy.key), &associated(scope, kid), &copy.copy)
    }
}
