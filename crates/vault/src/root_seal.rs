//! What seals a vault's root key: a passphrase, or a key that never leaves a token or a service.

use std::fmt;
use std::path::Path;

use domain::{Id128, Rng};
use serde::{Deserialize, Serialize};

use crate::cipher::{aead_key, open_key, random_key, seal_random};
use crate::document::{self, Document as _};
use crate::encoding::HexBytes;
use crate::error::VaultError;
use crate::file::{self, VaultFile};
use crate::passphrase::{Argon2Cost, PassphraseSeal};
use crate::sealer::{OutsideKey, Sealer};
use crate::secret::{KeyBytes, Passphrase};

const MACHINE: VaultError = VaultError::Crypto("the root key could not be sealed");

/// What opens a vault, and seals it again where its root key is replaced.
#[derive(Clone, Copy)]
pub enum RootSeal<'a> {
    /// What a person types, or keeps in a file.
    Passphrase(&'a Passphrase),
    /// Whoever speaks to a token or a service.
    Sealer(&'a Sealer),
}

impl<'a> From<&'a Passphrase> for RootSeal<'a> {
    fn from(passphrase: &'a Passphrase) -> Self {
        Self::Passphrase(passphrase)
    }
}

impl<'a> From<&'a Sealer> for RootSeal<'a> {
    fn from(sealer: &'a Sealer) -> Self {
        Self::Sealer(sealer)
    }
}

/// How a root key is sealed, as it stands in the vault's file: all but what opens it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unseal {
    Passphrase(PassphraseSeal),
    #[serde(untagged)]
    Outside(OutsideKey),
}

/// By what a vault's root key is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SealedBy {
    /// By a passphrase.
    Passphrase,
    /// By a key in a PKCS#11 token.
    Pkcs11 {
        /// The token's label.
        token: String,
        /// The key's label.
        key: String,
    },
    /// By a key of a key management service.
    Kms {
        /// Its name there.
        key: String,
    },
}

impl fmt::Display for SealedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase => f.write_str("a passphrase"),
            Self::Pkcs11 { token, key } => write!(f, "the key `{key}` of the token `{token}`"),
            Self::Kms { key } => write!(f, "the key `{key}` of a key management service"),
        }
    }
}

impl SealedBy {
    /// By what the vault of the cell at `dir` is sealed, as its file says. Nothing proves it before the vault was opened.
    ///
    /// # Errors
    /// When the file is not there, cannot be read, or is damaged.
    pub fn read(dir: &Path) -> Result<Self, VaultError> {
        document::read::<VaultFile>(&file::path(dir)).map(|file| file.sealed_by())
    }
}

impl Unseal {
    /// Makes a root key and seals it; `aad` binds it to its vault where a passphrase does.
    pub(crate) fn make(
        seal: RootSeal<'_>,
        cost: Argon2Cost,
        (vault, aad): (Id128, &[u8]),
        (path, rng): (&Path, &dyn Rng),
    ) -> Result<(Self, KeyBytes, HexBytes), VaultError> {
        match seal {
            RootSeal::Passphrase(passphrase) => {
                let unseal = PassphraseSeal::new(cost, rng);
                unseal.check(VaultFile::WHAT, path)?;
                let outer = aead_key(&*unseal.key(passphrase)?).map_err(|_| MACHINE)?;
                let root = random_key(rng);
                let sealed = seal_random(&outer, rng, aad, root.as_slice()).map_err(|_| MACHINE)?;
                Ok((Self::Passphrase(unseal), root, sealed.into()))
            }
            RootSeal::Sealer(sealer) => {
                let root = random_key(rng);
                let (key, sealed) = sealer.seal(vault, &root)?;
                // Whatever cannot be opened again must not take the place of what can.
                let again = sealer.unseal(vault, &key, sealed.as_ref())?;
                if again != root {
                    return Err(VaultError::Sealer(format!(
                        "{} does not give back what it has sealed",
                        SealedBy::from(&key)
                    )));
                }
                Ok((Self::Outside(key), root, sealed))
            }
        }
    }

    /// Opens a root key.
    pub(crate) fn open(
        &self,
        seal: RootSeal<'_>,
        (vault, aad): (Id128, &[u8]),
        sealed: &HexBytes,
        path: &Path,
    ) -> Result<KeyBytes, VaultError> {
        match (self, seal) {
            (Self::Passphrase(unseal), RootSeal::Passphrase(passphrase)) => {
                let outer = aead_key(&*unseal.key(passphrase)?).map_err(|_| MACHINE)?;
                open_key(&outer, aad, sealed.as_ref())
                    .map_err(|_| VaultError::WrongPassphrase { what: VaultFile::WHAT, path: path.into() })
            }
            (Self::Outside(key), RootSeal::Sealer(sealer)) => sealer.unseal(vault, key, sealed.as_ref()),
            (unseal, _) => {
                Err(VaultError::SealedOtherwise { path: path.into(), by: unseal.sealed_by().to_string() })
            }
        }
    }

    pub(crate) fn sealed_by(&self) -> SealedBy {
        match self {
            Self::Passphrase(_) => SealedBy::Passphrase,
            Self::Outside(key) => key.into(),
        }
    }

    /// Refuses a file that takes less work to open than is allowed, or more than a machine has.
    pub(crate) fn check(&self, what: &'static str, path: &Path) -> Result<(), VaultError> {
        match self {
            Self::Passphrase(unseal) => unseal.check(what, path),
            Self::Outside(_) => Ok(()),
        }
    }
}
