//! Credentials: tokens and every other secret for something outside, sealed by keys of their own.

use domain::{KeyError, Rng, Scope, aad};
use serde::{Deserialize, Serialize};

use crate::cipher::{aead_key, machine_failed, open_random, seal_random};
use crate::encoding::HexBytes;
use crate::ring::{Hierarchy, Ring};
use crate::secret::Secret;

/// What the field `format` says.
const FORMAT: &str = "caretaker-credential-1";
/// The purpose that stands in the associated data, with the credential's name behind it. Part of the format.
const PURPOSE: &str = "credential";

#[derive(Serialize, Deserialize)]
struct SealedCredential {
    format: String,
    version: u64,
    sealed: HexBytes,
}

/// Seals a credential; `name` tells several of one connection apart.
pub(crate) fn seal(
    ring: &Ring,
    scope: &Scope,
    name: &str,
    secret: &[u8],
    rng: &dyn Rng,
) -> Result<Vec<u8>, KeyError> {
    debug_assert_eq!(ring.hierarchy(), Hierarchy::Credentials);
    let (version, key) = ring.newest(scope)?;
    let associated = aad::key(scope, PURPOSE, name, version);
    let sealed = seal_random(&aead_key(&key)?, rng, &associated, secret)?;
    let document = SealedCredential { format: FORMAT.into(), version, sealed: sealed.into() };
    serde_json::to_vec(&document).map_err(|_| machine_failed())
}

fn parse(sealed: &[u8]) -> Result<SealedCredential, KeyError> {
    let document: SealedCredential = serde_json::from_slice(sealed).map_err(|_| KeyError::DoesNotOpen)?;
    let spelled = serde_json::to_vec(&document).map_err(|_| machine_failed())?;
    if document.format != FORMAT || spelled != sealed {
        return Err(KeyError::DoesNotOpen);
    }
    Ok(document)
}

/// The version of the key that has sealed it.
pub(crate) fn version(sealed: &[u8]) -> Result<u64, KeyError> {
    parse(sealed).map(|document| document.version)
}

/// Opens what [`seal`] sealed, under the same scope and name only.
pub(crate) fn open(ring: &Ring, scope: &Scope, name: &str, sealed: &[u8]) -> Result<Secret, KeyError> {
    let document = parse(sealed)?;
    let key = ring.version(document.version, scope)?;
    let associated = aad::key(scope, PURPOSE, name, document.version);
    let mut opened = open_random(&aead_key(&key)?, &associated, document.sealed.as_ref())?;
    Ok(Secret::new(std::mem::take(&mut *opened)))
}
