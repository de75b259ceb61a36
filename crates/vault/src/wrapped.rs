//! A wrapped data key, as the key store keeps it: a JSON document in one spelling.
//!
//! It is sealed once under the vault's key-encryption key and once to each recovery recipient, and holds a MAC
//! under the data key itself, so that whoever opens it either way notices a change anywhere.

use domain::{DataKeyId, KeyError, Rng, Scope, aad};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::{aead_key, derive, key_bytes, mac, mac_holds, machine_failed, open_random, seal_random};
use crate::data_key::KeyMaterial;
use crate::encoding::HexBytes;
use crate::recipient::{RecipientCopy, RecipientPrivateKey, RecoveryRecipient};
use crate::ring::{Hierarchy, Ring};
use crate::secret::KeyBytes;

/// What the field `format` says.
const FORMAT: &str = "caretaker-data-key-1";
/// The purpose that stands in the associated data. Part of the format.
const PURPOSE: &str = "data-key";
/// The label of the key of the document's MAC. Part of the format.
const DOCUMENT: &[u8] = b"data-key-document";

/// The document.
#[derive(Serialize, Deserialize)]
pub(crate) struct WrappedDataKey {
    format: String,
    /// Which data key.
    pub(crate) kid: DataKeyId,
    scope: Scope,
    kek: KekCopy,
    pub(crate) recipients: Vec<RecipientCopy>,
    mac: HexBytes,
}

/// The vault's own copy.
#[derive(Clone, Serialize, Deserialize)]
struct KekCopy {
    version: u64,
    sealed: HexBytes,
}

impl KeyMaterial {
    /// Data key and hash key, one after the other: what is sealed.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        bytes.extend_from_slice(self.data.as_slice());
        bytes.extend_from_slice(self.hash.as_slice());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (data, hash) = bytes.split_at_checked(32)?;
        Some(Self { data: key_bytes(data)?, hash: key_bytes(hash)? })
    }

    fn document_key(&self) -> Result<KeyBytes, KeyError> {
        derive(self.data.as_slice(), &[], &[DOCUMENT])
    }
}

impl WrappedDataKey {
    /// Wraps a data key under the newest key-encryption key and to each recipient that serves the tenant.
    pub(crate) fn wrap(
        kid: DataKeyId,
        scope: &Scope,
        material: &KeyMaterial,
        ring: &Ring,
        recipients: &[RecoveryRecipient],
        rng: &dyn Rng,
    ) -> Result<Self, KeyError> {
        debug_assert_eq!(ring.hierarchy(), Hierarchy::Data);
        let bytes = material.to_bytes();
        let (version, kek) = ring.newest(scope)?;
        let sealed =
            seal_random(&aead_key(&kek)?, rng, &aad::key(scope, PURPOSE, &kid.to_string(), version), &bytes)?;
        let mut document = Self {
            format: FORMAT.into(),
            kid,
            scope: scope.clone(),
            kek: KekCopy { version, sealed: sealed.into() },
            recipients: recipients
                .iter()
                .filter(|recipient| recipient.serves(&scope.tenant))
                .map(|recipient| recipient.seal(scope, kid, &bytes, rng))
                .collect::<Result<_, _>>()?,
            mac: HexBytes::default(),
        };
        document.mac = mac(&*material.document_key()?, &document.to_bytes()?).as_slice().into();
        Ok(document)
    }

    /// The version of the key that has wrapped it.
    pub(crate) fn version(&self) -> u64 {
        self.kek.version
    }

    /// The document's bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
        serde_json::to_vec(self).map_err(|_| machine_failed())
    }

    /// Reads a document; it is not proven genuine before it was opened.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let document: Self = serde_json::from_slice(bytes).map_err(|_| KeyError::DoesNotOpen)?;
        if document.format != FORMAT || document.to_bytes()? != bytes {
            return Err(KeyError::DoesNotOpen);
        }
        Ok(document)
    }

    /// Opens the vault's copy.
    pub(crate) fn open(&self, scope: &Scope, ring: &Ring) -> Result<KeyMaterial, KeyError> {
        let kek = ring.version(self.kek.version, scope)?;
        let associated = aad::key(scope, PURPOSE, &self.kid.to_string(), self.kek.version);
        let bytes = open_random(&aead_key(&kek)?, &associated, self.kek.sealed.as_ref())?;
        self.proven(&bytes)
    }

    /// Opens a recovery recipient's copy.
    pub(crate) fn recover(&self, scope: &Scope, key: &RecipientPrivateKey) -> Result<KeyMaterial, KeyError> {
        let fingerprint = key.recipient.fingerprint();
        let Some(copy) = self.recipients.iter().find(|copy| copy.key == fingerprint) else {
            let known: Vec<_> =
                self.recipients.iter().map(|copy| format!("{} {}", copy.recipient, copy.key)).collect();
            return Err(KeyError::Refused(format!(
                "data key {} was not wrapped to the recovery key {fingerprint}, but to: {}",
                self.kid,
                known.join(", ")
            )));
        };
        self.proven(&key.open(scope, self.kid, copy)?)
    }

    /// The opened key, if the whole document is as it was written.
    fn proven(&self, bytes: &[u8]) -> Result<KeyMaterial, KeyError> {
        let material = KeyMaterial::from_bytes(bytes).ok_or(KeyError::DoesNotOpen)?;
        let unsealed = Self {
            format: self.format.clone(),
            kid: self.kid,
            scope: self.scope.clone(),
            kek: self.kek.clone(),
            recipients: self.recipients.clone(),
            mac: HexBytes::default(),
        };
        if !mac_holds(&*material.document_key()?, &unsealed.to_bytes()?, self.mac.as_ref()) {
            return Err(KeyError::DoesNotOpen);
        }
        Ok(material)
    }
}

/// Which data key a wrapped key holds, and whose. Nothing proves it before the key was opened.
///
/// # Errors
/// [`KeyError::DoesNotOpen`] when the bytes are not a wrapped data key.
pub fn describe_wrapped(wrapped: &[u8]) -> Result<(DataKeyId, Scope), KeyError> {
    WrappedDataKey::parse(wrapped).map(|document| (document.kid, document.scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::random_key;
    use crate::system::SystemRng;

    #[test]
    fn a_key_that_an_older_version_wrapped_still_opens() {
        let [a, b] = ["a", "b"].map(|connection| Scope {
            tenant: "t".parse().unwrap(),
            region: "eu".parse().unwrap(),
            platform: "shopify".parse().unwrap(),
            connection: connection.parse().unwrap(),
        });
        let top = random_key(&SystemRng);
        let old = Ring::from_versions(Hierarchy::Data, vec![(1, top.clone())]).unwrap();
        let new = Ring::from_versions(Hierarchy::Data, vec![(1, top), (2, random_key(&SystemRng))]).unwrap();
        let wrap = |ring| {
            let material = KeyMaterial { data: random_key(&SystemRng), hash: random_key(&SystemRng) };
            WrappedDataKey::wrap(domain::Id128([1; 16]), &a, &material, ring, &[], &SystemRng).unwrap()
        };

        let (first, second) = (wrap(&old), wrap(&new));
        assert_eq!((first.kek.version, second.kek.version), (1, 2));
        for (document, ring, opens) in
            [(&first, &old, true), (&first, &new, true), (&second, &new, true), (&second, &old, false)]
        {
            assert_eq!(document.open(&a, ring).is_ok(), opens);
            assert!(document.open(&b, ring).is_err());
        }
    }

    #[test]
    fn versions_of_a_ring_ascend() {
        let ring = |versions: &[u64]| {
            let versions = versions.iter().map(|version| (*version, random_key(&SystemRng))).collect();
            Ring::from_versions(Hierarchy::Data, versions).is_some()
        };
        assert!(ring(&[1]) && ring(&[1, 3]));
        assert!(!ring(&[]) && !ring(&[2, 1]) && !ring(&[1, 1]));
    }
}
