//! The operator key: an Ed25519 key (RFC 8032) in the cell's directory, the second factor of local commands.

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use domain::{Id128, Rng};
use serde::{Deserialize, Serialize};

use crate::cipher::{key_bytes, random_key};
use crate::document::{self, Document};
use crate::encoding::{HexBytes, fields};
use crate::error::VaultError;
use crate::private_file;
use crate::secret::KeyBytes;

/// The file's name in the cell's directory.
const FILE_NAME: &str = "operator.key";
/// What is signed begins with this, so that no other signature of the key can stand for it.
const SIGN_IN: &[u8] = b"caretaker-sign-in-1";

/// Proof that whoever runs a command may read the cell's directory.
///
/// It signs the vault's challenge; it cannot open anything.
pub struct OperatorKey(Ed25519KeyPair);

#[derive(Serialize, Deserialize)]
pub(crate) struct OperatorKeyFile {
    format: String,
    public: HexBytes,
    seed: HexBytes,
    checksum: HexBytes,
}

impl Document for OperatorKeyFile {
    const WHAT: &'static str = "operator key";
    const FORMAT: &'static str = "caretaker-operator-key-1";

    fn checksum(&mut self) -> &mut HexBytes {
        &mut self.checksum
    }
}

fn pair(seed: &KeyBytes) -> Result<Ed25519KeyPair, VaultError> {
    Ed25519KeyPair::from_seed_unchecked(seed.as_slice())
        .map_err(|_| VaultError::Crypto("an Ed25519 key could not be made"))
}

impl OperatorKey {
    /// Where the operator key of the cell at `dir` lies.
    #[must_use]
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(FILE_NAME)
    }

    /// Reads the operator key of the cell at `dir`.
    ///
    /// # Errors
    /// When the file is missing, damaged, or can be read by others than its owner.
    pub fn read(dir: &Path) -> Result<Self, VaultError> {
        let path = Self::path(dir);
        private_file::refuse_exposed(OperatorKeyFile::WHAT, &path)?;
        Self::open(&document::read(&path)?, &path)
    }

    /// The key of a file that is spelled as it was written.
    pub(crate) fn open(file: &OperatorKeyFile, path: &Path) -> Result<Self, VaultError> {
        let damaged =
            |problem| VaultError::Damaged { what: OperatorKeyFile::WHAT, path: path.into(), problem };
        let seed = key_bytes(file.seed.as_ref()).ok_or_else(|| damaged("the key has a wrong length"))?;
        let key = Self(pair(&seed)?);
        if key.public() != file.public.as_ref() {
            return Err(damaged("its two halves do not belong together"));
        }
        Ok(key)
    }

    /// Makes a new key file.
    pub(crate) fn create(dir: &Path, rng: &dyn Rng) -> Result<Self, VaultError> {
        let seed = random_key(rng);
        let key = Self(pair(&seed)?);
        let file = OperatorKeyFile {
            format: OperatorKeyFile::FORMAT.into(),
            public: key.public().into(),
            seed: seed.as_slice().into(),
            checksum: HexBytes::default(),
        };
        document::create(&Self::path(dir), file)?;
        Ok(key)
    }

    /// The public half, 32 bytes.
    pub(crate) fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// Signs a vault's challenge.
    pub(crate) fn answer(&self, vault: Id128, challenge: &[u8; 32]) -> Result<Vec<u8>, VaultError> {
        self.0
            .try_sign(&fields(&[SIGN_IN, &vault.0, challenge]))
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| VaultError::Crypto("Ed25519 could not sign"))
    }
}

/// Whether the answer to a challenge was signed with this public key's other half.
pub(crate) fn answer_holds(public: &[u8], vault: Id128, challenge: &[u8; 32], answer: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(&fields(&[SIGN_IN, &vault.0, challenge]), answer).is_ok()
}
