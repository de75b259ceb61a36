//! A host's key: an Ed25519 key (RFC 8032) on a machine that is not the vault's, by which it proves which role its process has.

use std::path::Path;

use domain::{KeyError, Rng, SigningKey};

use crate::error::VaultError;
use crate::key_file::{self, Whose};
use crate::private_file;
use crate::signing::Pair;

/// Proof that a machine is a host of the cell. Where it has joined, the vault gives a certificate on its word.
pub struct HostKey(Pair);

struct Host;

impl Whose for Host {
    const WHAT: &'static str = "host's key";
    const FORMAT: &'static str = "caretaker-host-key-1";
}

impl HostKey {
    /// Reads the key in that file.
    ///
    /// # Errors
    /// When the file is missing, damaged, or can be read by others than its owner.
    pub fn read(path: &Path) -> Result<Self, VaultError> {
        key_file::read::<Host>(path).map(|pair| Self(Pair(pair)))
    }

    /// Makes a new key in that file, and the folder in which it lies.
    ///
    /// # Errors
    /// When it is there already, or cannot be written.
    pub fn create(path: &Path, rng: &dyn Rng) -> Result<Self, VaultError> {
        if let Some(folder) = path.parent() {
            private_file::make_dir(folder)?;
        }
        key_file::create::<Host>(path, rng).map(|pair| Self(Pair(pair)))
    }
}

impl SigningKey for HostKey {
    fn public(&self) -> [u8; 32] {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        self.0.sign(message)
    }
}
