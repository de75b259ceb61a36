//! The two hierarchies of keys below the root: one for data, one for credentials, each in versions.
//!
//! They share nothing but the root key, which is wiped once both are open. Whoever has every data key and
//! every key-encryption key for data still has nothing from which a credential key follows.

use domain::{KeyError, Rng, Scope};
use serde::{Deserialize, Serialize};

use crate::cipher::{derive, random_key};
use crate::encoding::fields;
use crate::rotation::KeyVersions;
use crate::secret::KeyBytes;

/// What the keys of a ring are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hierarchy {
    /// Wraps data keys.
    Data,
    /// Seals credentials.
    Credentials,
}

impl Hierarchy {
    /// The label of the keys that are derived per region and platform. Part of the format.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Data => b"kek/data/",
            Self::Credentials => b"kek/credentials/",
        }
    }
}

/// All versions of one hierarchy's top key, oldest first.
pub(crate) struct Ring {
    hierarchy: Hierarchy,
    versions: Vec<(u64, KeyBytes)>,
}

/// Both hierarchies of a vault.
pub(crate) struct Rings {
    pub(crate) data: Ring,
    pub(crate) credentials: Ring,
}

impl Rings {
    pub(crate) fn versions(&self) -> KeyVersions {
        KeyVersions { data: self.data.version_numbers(), credentials: self.credentials.version_numbers() }
    }
}

impl Ring {
    /// A ring with a new first version.
    pub(crate) fn generate(hierarchy: Hierarchy, rng: &dyn Rng) -> Self {
        Self { hierarchy, versions: vec![(1, random_key(rng))] }
    }

    /// A ring of versions that ascend.
    pub(crate) fn from_versions(hierarchy: Hierarchy, versions: Vec<(u64, KeyBytes)>) -> Option<Self> {
        let ascends = versions.iter().zip(versions.iter().skip(1)).all(|(this, next)| this.0 < next.0);
        (!versions.is_empty() && ascends).then_some(Self { hierarchy, versions })
    }

    /// The numbers of its versions.
    pub(crate) fn version_numbers(&self) -> Vec<u64> {
        self.versions.iter().map(|(version, _)| *version).collect()
    }

    /// Adds a version, which is the newest from then on.
    pub(crate) fn rotate(&mut self, rng: &dyn Rng) {
        let newest = self.versions.last().map_or(0, |(version, _)| *version);
        self.versions.push((newest + 1, random_key(rng)));
    }

    /// Forgets all versions but the newest.
    pub(crate) fn retire(&mut self) {
        let older = self.versions.len().saturating_sub(1);
        self.versions.drain(..older);
    }

    pub(crate) fn hierarchy(&self) -> Hierarchy {
        self.hierarchy
    }

    pub(crate) fn versions(&self) -> &[(u64, KeyBytes)] {
        &self.versions
    }

    /// The newest version and its key for a region and platform.
    pub(crate) fn newest(&self, scope: &Scope) -> Result<(u64, KeyBytes), KeyError> {
        let (version, top) = self.versions.last().ok_or(KeyError::DoesNotOpen)?;
        Ok((*version, self.derive(top, scope)?))
    }

    /// One version's key for a region and platform.
    pub(crate) fn version(&self, version: u64, scope: &Scope) -> Result<KeyBytes, KeyError> {
        self.derive(self.top(version)?, scope)
    }

    /// The newest version and its key for something of the vault's own, which that label names.
    pub(crate) fn newest_own(&self, label: &[u8]) -> Result<(u64, KeyBytes), KeyError> {
        let (version, top) = self.versions.last().ok_or(KeyError::DoesNotOpen)?;
        Ok((*version, derive(top.as_slice(), &[], &[label])?))
    }

    /// One version's key for something of the vault's own.
    pub(crate) fn version_own(&self, version: u64, label: &[u8]) -> Result<KeyBytes, KeyError> {
        derive(self.top(version)?.as_slice(), &[], &[label])
    }

    fn top(&self, version: u64) -> Result<&KeyBytes, KeyError> {
        let found = self.versions.iter().find(|(known, _)| *known == version);
        found.map(|(_, top)| top).ok_or(KeyError::DoesNotOpen)
    }

    fn derive(&self, top: &KeyBytes, scope: &Scope) -> Result<KeyBytes, KeyError> {
        let place = fields(&[scope.region.as_str().as_bytes(), scope.platform.as_str().as_bytes()]);
        derive(top.as_slice(), &[], &[self.hierarchy.label(), &place])
    }
}
