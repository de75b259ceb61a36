//! Sealing to a public key, with HPKE (RFC 9180: X25519, HKDF-SHA-256, AES-256-GCM, base mode).

use std::convert::Infallible;

use domain::{KeyError, Rng};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::{key_bytes, machine_failed, random_key};
use crate::encoding::HexBytes;
use crate::secret::KeyBytes;

type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Encapped = <X25519HkdfSha256 as Kem>::EncappedKey;

/// What was sealed to a public key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SealedTo {
    /// From which the private half follows to the key of this one text.
    pub(crate) enc: HexBytes,
    pub(crate) sealed: HexBytes,
}

/// The private half.
pub(crate) struct PrivateKey(Private);

impl PrivateKey {
    pub(crate) fn generate(rng: &dyn Rng) -> Self {
        Self(X25519HkdfSha256::derive_keypair(random_key(rng).as_slice()).0)
    }

    /// From its 32 bytes.
    pub(crate) fn from_bytes(bytes: &KeyBytes) -> Option<Self> {
        Private::from_bytes(bytes.as_slice()).ok().map(Self)
    }

    pub(crate) fn to_bytes(&self) -> Option<KeyBytes> {
        let mut bytes = self.0.to_bytes();
        let key = key_bytes(bytes.as_slice());
        zeroize::Zeroize::zeroize(bytes.as_mut_slice());
        key
    }

    /// The public half.
    pub(crate) fn public(&self) -> HexBytes {
        X25519HkdfSha256::sk_to_pk(&self.0).to_bytes().as_slice().into()
    }

    /// Opens what was sealed to the public half, with the same info and associated data.
    pub(crate) fn open(
        &self,
        info: &str,
        aad: &[u8],
        SealedTo { enc, sealed }: &SealedTo,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let enc = Encapped::from_bytes(enc.as_ref()).map_err(|_| KeyError::DoesNotOpen)?;
        hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &enc,
            info.as_bytes(),
            sealed.as_ref(),
            aad,
        )
        .map(Zeroizing::new)
        .map_err(|_| KeyError::DoesNotOpen)
    }
}

/// Seals a text to a public key's 32 bytes.
pub(crate) fn seal_to(
    public: &[u8],
    info: &str,
    aad: &[u8],
    text: &[u8],
    rng: &dyn Rng,
) -> Result<SealedTo, KeyError> {
    let public = Public::from_bytes(public).map_err(|_| machine_failed())?;
    let (enc, sealed) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        info.as_bytes(),
        text,
        aad,
        &mut HpkeRng(rng),
    )
    .map_err(|_| machine_failed())?;
    Ok(SealedTo { enc: enc.to_bytes().as_slice().into(), sealed: sealed.into() })
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
