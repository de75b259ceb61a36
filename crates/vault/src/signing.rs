//! Keys that sign the trail's checkpoints. They follow from the root key that the vault was made with.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use domain::{KeyError, SigningKey};
use zeroize::Zeroizing;

use crate::cipher::{derive, key_bytes, machine_failed};
use crate::secret::KeyBytes;

/// The labels under which they are derived. Part of the format.
const LOG: &[u8] = b"sign/trail-log";
const WITNESS: &[u8] = b"sign/trail-witness";

/// Who signs the trail: the log, and the vault as its witness. Each signature would be an event that needs another
/// signature, so these alone are not on the record: they are the record.
#[derive(Clone)]
pub struct TrailKeys {
    /// Signs what the log says.
    pub log: Arc<dyn SigningKey>,
    /// Vouches that it grew.
    pub witness: Arc<dyn SigningKey>,
}

/// What these keys follow from. A vault whose root was replaced keeps those of the first, or nobody would know its trail
/// again.
#[derive(Clone)]
pub(crate) struct TrailSeeds([KeyBytes; 2]);

impl TrailSeeds {
    pub(crate) fn derive(root: &KeyBytes) -> Result<Self, KeyError> {
        Ok(Self([derive(root.as_slice(), &[], &[LOG])?, derive(root.as_slice(), &[], &[WITNESS])?]))
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        self.0.iter().for_each(|seed| bytes.extend_from_slice(seed.as_slice()));
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (log, witness) = bytes.split_at_checked(32)?;
        Some(Self([key_bytes(log)?, key_bytes(witness)?]))
    }

    pub(crate) fn keys(&self) -> Result<TrailKeys, KeyError> {
        let key = |seed: &KeyBytes| {
            let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| machine_failed())?;
            Ok::<_, KeyError>(Arc::new(Pair(pair)) as Arc<dyn SigningKey>)
        };
        let [log, witness] = &self.0;
        Ok(TrailKeys { log: key(log)?, witness: key(witness)? })
    }
}

struct Pair(Ed25519KeyPair);

impl SigningKey for Pair {
    fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap_or_default()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.0.try_sign(message).map_err(|_| machine_failed())?;
        signature.as_ref().try_into().map_err(|_| machine_failed())
    }
}
