//! Recovery recipients: public keys to which every data key is wrapped besides, with HPKE (RFC 9180:
//! X25519, HKDF-SHA-256, AES-256-GCM, base mode).

use std::convert::Infallible;
use std::fmt;

use domain::{DataKeyId, KeyError, Rng, Scope, TenantId, aad};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::{key_bytes, machine_failed, random_key};
use crate::document::fingerprint;
use crate::encoding::HexBytes;
use crate::error::VaultError;
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
    enc: HexBytes,
    sealed: HexBytes,
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
        let public = PublicKey::from_bytes(self.public.as_ref()).map_err(|_| machine_failed())?;
        let (enc, sealed) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            info(&key).as_bytes(),
            secret,
            &associated(scope, kid),
            &mut HpkeRng(rng),
        )
        .map_err(|_| machine_failed())?;
        Ok(RecipientCopy {
            recipient: self.owner.clone(),
            key,
            enc: enc.to_bytes().as_slice().into(),
            sealed: sealed.into(),
        })
    }
}

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

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
        let (private, public) = X25519HkdfSha256::derive_keypair(random_key(rng).as_slice());
        Self { private, recipient: RecoveryRecipient { owner, public: public.to_bytes().as_slice().into() } }
    }

    /// A pair from the private half's 32 bytes.
    pub(crate) fn from_bytes(owner: RecipientOwner, bytes: &KeyBytes) -> Option<Self> {
        let private = PrivateKey::from_bytes(bytes.as_slice()).ok()?;
        let public = X25519HkdfSha256::sk_to_pk(&private);
        Some(Self {
            private,
            recipient: RecoveryRecipient { owner, public: public.to_bytes().as_slice().into() },
        })
    }

    /// The private half's bytes, for its file.
    pub(crate) fn to_bytes(&self) -> Option<KeyBytes> {
        let mut bytes = self.private.to_bytes();
        let key = key_bytes(bytes.as_slice());
        zeroize::Zeroize::zeroize(bytes.as_mut_slice());
        key
    }

    /// Opens this recipient's copy of a data key.
    pub(crate) fn open(
        &self,
        scope: &Scope,
        kid: DataKeyId,
        copy: &RecipientCopy,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let enc = EncappedKey::from_bytes(copy.enc.as_ref()).map_err(|_| KeyError::DoesNotOpen)?;
        hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &enc,
            info(&copy.key).as_bytes(),
            copy.sealed.as_ref(),
            &associated(scope, kid),
        )
        .map(Zeroizing::new)
        .map_err(|_| KeyError::DoesNotOpen)
    }
}

/// The workspace's source of randomness, as HPKE wants it.
struct HpkeRng<'a>(&'a dyn Rng);

impl TryRng for HpkeRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(dst);
        Ok(())
    }
}

impl TryCryptoRng for HpkeRng<'_> {}
