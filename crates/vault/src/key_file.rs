//! Files that hold a key pair which proves who somebody is: Ed25519 (RFC 8032), in the clear, for their owner alone.

use std::marker::PhantomData;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use domain::Rng;
use serde::{Deserialize, Serialize};

use crate::cipher::{key_bytes, random_key};
use crate::document::{self, Document};
use crate::encoding::HexBytes;
use crate::error::VaultError;
use crate::private_file;
use crate::secret::KeyBytes;

/// Whose key a file holds.
pub(crate) trait Whose {
    /// What it is, in words, for errors.
    const WHAT: &'static str;
    /// What its field `format` says.
    const FORMAT: &'static str;
}

/// The document.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct KeyFile<W> {
    format: String,
    public: HexBytes,
    seed: HexBytes,
    checksum: HexBytes,
    #[serde(skip)]
    whose: PhantomData<W>,
}

impl<W: Whose> Document for KeyFile<W> {
    const WHAT: &'static str = W::WHAT;
    const FORMAT: &'static str = W::FORMAT;

    fn checksum(&mut self) -> &mut HexBytes {
        &mut self.checksum
    }
}

fn pair(seed: &KeyBytes) -> Result<Ed25519KeyPair, VaultError> {
    Ed25519KeyPair::from_seed_unchecked(seed.as_slice())
        .map_err(|_| VaultError::Crypto("an Ed25519 key could not be made"))
}

impl<W: Whose> KeyFile<W> {
    /// The key of a file that is spelled as it was written.
    pub(crate) fn open(&self, path: &Path) -> Result<Ed25519KeyPair, VaultError> {
        let damaged = |problem| VaultError::Damaged { what: W::WHAT, path: path.into(), problem };
        let seed = key_bytes(self.seed.as_ref()).ok_or_else(|| damaged("the key has a wrong length"))?;
        let key = pair(&seed)?;
        if key.public_key().as_ref() != self.public.as_ref() {
            return Err(damaged("its two halves do not belong together"));
        }
        Ok(key)
    }
}

/// Reads a key.
///
/// # Errors
/// When the file is missing, damaged, or can be read by others than its owner.
pub(crate) fn read<W: Whose>(path: &Path) -> Result<Ed25519KeyPair, VaultError> {
    private_file::refuse_exposed(W::WHAT, path)?;
    document::read::<KeyFile<W>>(path)?.open(path)
}

/// Makes a key, and its file.
pub(crate) fn create<W: Whose>(path: &Path, rng: &dyn Rng) -> Result<Ed25519KeyPair, VaultError> {
    let seed = random_key(rng);
    let key = pair(&seed)?;
    let file = KeyFile::<W> {
        format: W::FORMAT.into(),
        public: key.public_key().as_ref().into(),
        seed: seed.as_slice().into(),
        checksum: HexBytes::default(),
        whose: PhantomData,
    };
    document::create(path, file)?;
    Ok(key)
}
