//! The operator key: an Ed25519 key (RFC 8032) in the cell's directory, the second factor of local commands.

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use domain::{Id128, Rng};

use crate::encoding::fields;
use crate::error::VaultError;
#[cfg(any(test, feature = "fuzzing"))]
use crate::key_file::KeyFile;
use crate::key_file::{self, Whose};

/// The file's name in the cell's directory.
const FILE_NAME: &str = "operator.key";
/// What is signed begins with this, so that no other signature of the key can stand for it.
const SIGN_IN: &[u8] = b"caretaker-sign-in-1";

/// Proof that whoever runs a command may read the cell's directory.
///
/// It signs the vault's challenge; it cannot open anything.
pub struct OperatorKey(Ed25519KeyPair);

/// That a key is an operator's.
pub(crate) struct Operator;

impl Whose for Operator {
    const WHAT: &'static str = "operator key";
    const FORMAT: &'static str = "caretaker-operator-key-1";
}

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) type OperatorKeyFile = KeyFile<Operator>;

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
        key_file::read::<Operator>(&Self::path(dir)).map(Self)
    }

    /// The key of a file that is spelled as it was written.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn open(file: &OperatorKeyFile, path: &Path) -> Result<Self, VaultError> {
        file.open(path).map(Self)
    }

    /// Makes a new key file.
    pub(crate) fn create(dir: &Path, rng: &dyn Rng) -> Result<Self, VaultError> {
        key_file::create::<Operator>(&Self::path(dir), rng).map(Self)
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
