//! Keys that sign: the trail's checkpoints, and certificates. They follow from the vault's root key.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use domain::{KeyError, SigningKey};
use zeroize::Zeroizing;

use crate::cipher::{derive, key_bytes, machine_failed};
use crate::secret::KeyBytes;

/// The labels under which they are derived. Part of the format.
const LOG: &[u8] = b"sign/trail-log";
const WITNESS: &[u8] = b"sign/trail-witness";
const AUTHORITY: &[u8] = b"sign/authority";

/// What the keys follow from that sign the trail: the log's, and the vault's own as its witness. A vault whose root was
/// replaced keeps those of the first, or nobody would know its trail again. Each signature would be an event that needs another
/// signature, so these alone are not on the record: they are the record.
#[derive(Clone)]
pub(crate) struct TrailSeeds {
    /// Signs what the log says.
    pub(crate) log: KeyBytes,
    /// Vouches that it grew.
    pub(crate) witness: KeyBytes,
}

/// All that signs for a vault.
pub(crate) struct RootKeys {
    pub(crate) trail: TrailSeeds,
    /// Makes certificates.
    pub(crate) authority: KeyBytes,
}

impl TrailSeeds {
    pub(crate) fn derive(root: &KeyBytes) -> Result<Self, KeyError> {
        let seed = |label| derive(root.as_slice(), &[], &[label]);
        Ok(Self { log: seed(LOG)?, witness: seed(WITNESS)? })
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        bytes.extend_from_slice(self.log.as_slice());
        bytes.extend_from_slice(self.witness.as_slice());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (log, witness) = bytes.split_at_checked(32)?;
        Some(Self { log: key_bytes(log)?, witness: key_bytes(witness)? })
    }
}

impl RootKeys {
    /// With the seeds that were kept, or those of this root.
    pub(crate) fn new(
        root: &KeyBytes,
        trail: Option<TrailSeeds>,
        authority: Option<KeyBytes>,
    ) -> Result<Self, KeyError> {
        let trail = trail.map_or_else(|| TrailSeeds::derive(root), Ok)?;
        let authority = authority.map_or_else(|| derive(root.as_slice(), &[], &[AUTHORITY]), Ok)?;
        Ok(Self { trail, authority })
    }
}

/// The key that follows from a seed.
pub(crate) fn pair(seed: &KeyBytes) -> Result<Arc<dyn SigningKey>, KeyError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| machine_failed())?;
    Ok(Arc::new(Pair(pair)))
}

/// A key pair as whoever has something signed knows it.
pub(crate) struct Pair(pub(crate) Ed25519KeyPair);

impl SigningKey for Pair {
    fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap_or_default()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.0.try_sign(message).map_err(|_| machine_failed())?;
        signature.as_ref().try_into().map_err(|_| machine_failed())
    }
}
