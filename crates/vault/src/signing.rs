//! Keys that sign the trail's checkpoints. They follow from the root key, so that no file holds them.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use domain::{KeyError, SigningKey};

use crate::cipher::{derive, machine_failed};
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

impl TrailKeys {
    pub(crate) fn derive(root: &KeyBytes) -> Result<Self, KeyError> {
        let key = |label: &[u8]| {
            let seed = derive(root.as_slice(), &[], &[label])?;
            let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| machine_failed())?;
            Ok::<_, KeyError>(Arc::new(Pair(pair)) as Arc<dyn SigningKey>)
        };
        Ok(Self { log: key(LOG)?, witness: key(WITNESS)? })
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
