//! From a passphrase to a key: Argon2id (RFC 9106), slow on purpose.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use domain::Rng;
use serde::{Deserialize, Serialize};

use crate::encoding::HexBytes;
use crate::error::VaultError;
use crate::secret::{KeyBytes, Passphrase};

/// Least memory, in KiB.
const MEMORY_KIB_MIN: u32 = 64 * 1024;
/// Most memory, in KiB: a file that asks for more would only stop this machine.
const MEMORY_KIB_MAX: u32 = 4 * 1024 * 1024;
/// Least number of passes over the memory.
const PASSES_MIN: u32 = 3;
/// Most passes.
const PASSES_MAX: u32 = 64;
/// Most lanes.
const LANES_MAX: u32 = 64;
/// Length of the salt, in bytes.
const SALT_LEN: usize = 32;

/// How much work it is to try one passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argon2Cost {
    /// Memory, in KiB; at least 65,536.
    pub memory_kib: u32,
    /// Passes over the memory; at least 3.
    pub passes: u32,
    /// Lanes, each of which could be filled by a processor of its own.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    fn default() -> Self {
        Self { memory_kib: MEMORY_KIB_MIN, passes: PASSES_MIN, lanes: 1 }
    }
}

/// What stands in a file that a passphrase seals: everything but the passphrase.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PassphraseSeal {
    kdf: Kdf,
    #[serde(flatten)]
    cost: Argon2Cost,
    salt: HexBytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kdf {
    #[serde(rename = "argon2id-v19")]
    Argon2id,
}

impl PassphraseSeal {
    /// A seal with a new salt.
    pub(crate) fn new(cost: Argon2Cost, rng: &dyn Rng) -> Self {
        let mut salt = vec![0; SALT_LEN];
        rng.fill(&mut salt);
        Self { kdf: Kdf::Argon2id, cost, salt: salt.into() }
    }

    /// Refuses a seal that takes less work than is allowed, or more than a machine has.
    pub(crate) fn check(&self, what: &'static str, path: &Path) -> Result<(), VaultError> {
        let Argon2Cost { memory_kib, passes, lanes } = self.cost;
        if memory_kib < MEMORY_KIB_MIN || passes < PASSES_MIN {
            return Err(VaultError::WeakParameters {
                what,
                path: path.into(),
                found: format!("Argon2id with {memory_kib} KiB and {passes} passes"),
                least: format!("{MEMORY_KIB_MIN} KiB and {PASSES_MIN} passes"),
            });
        }
        if self.salt.as_ref().len() < SALT_LEN {
            return Err(VaultError::WeakParameters {
                what,
                path: path.into(),
                found: format!("a salt of {} bytes", self.salt.as_ref().len()),
                least: format!("{SALT_LEN} bytes"),
            });
        }
        if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX || !(1..=LANES_MAX).contains(&lanes) {
            return Err(VaultError::Damaged { what, path: path.into(), problem: "it asks for absurd work" });
        }
        Ok(())
    }

    /// The key that the passphrase gives. Takes the time that the cost says.
    pub(crate) fn key(&self, passphrase: &Passphrase) -> Result<KeyBytes, VaultError> {
        let Argon2Cost { memory_kib, passes, lanes } = self.cost;
        let mut key = KeyBytes::default();
        let params = Params::new(memory_kib, passes, lanes, Some(key.len()))
            .map_err(|_| VaultError::Crypto("Argon2id does not take these parameters"))?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose_secret(), self.salt.as_ref(), key.as_mut_slice())
            .map_err(|_| VaultError::Crypto("Argon2id could not get its memory"))?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Zeros;
    impl Rng for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn check(memory_kib: u32, passes: u32, lanes: u32, allowed: bool) {
        let seal = PassphraseSeal::new(Argon2Cost { memory_kib, passes, lanes }, &Zeros);
        assert_eq!(seal.check("vault", Path::new("v")).is_ok(), allowed, "{memory_kib} {passes} {lanes}");
    }

    #[test]
    fn less_work_than_is_allowed_is_refused_and_so_is_absurd_work() {
        check(64 * 1024, 3, 1, true);
        check(64 * 1024 - 1, 3, 1, false);
        check(64 * 1024, 2, 1, false);
        check(64 * 1024, 3, 0, false);
        check(u32::MAX, 3, 1, false);
        check(64 * 1024, u32::MAX, 1, false);
    }
}
