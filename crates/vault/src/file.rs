//! The vault's file: the root key under its seal, and everything else under the root key.

use std::path::{Path, PathBuf};

use domain::{Id128, KeyError, Rng, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cipher::{aead_key, derive, mac, mac_holds, open_key, open_random, seal_random};
use crate::document::{self, Document};
use crate::encoding::{HexBytes, fields};
use crate::error::VaultError;
use crate::passphrase::Argon2Cost;
use crate::recipient::RecoveryRecipient;
use crate::ring::{Hierarchy, Ring};
use crate::root_seal::{RootSeal, SealedBy, Unseal};
use crate::secret::KeyBytes;
use crate::signing::{RootKeys, TrailSeeds};

/// Label of the key of the file's MAC, below the root key. Part of the format.
const FILE_MAC: &[u8] = b"vault-file";

/// The document.
#[derive(Serialize, Deserialize)]
pub(crate) struct VaultFile {
    format: String,
    id: Id128,
    created_at: Timestamp,
    operator: HexBytes,
    recipients: Vec<RecoveryRecipient>,
    unseal: Unseal,
    root: HexBytes,
    grants: HexBytes,
    data: Vec<SealedVersion>,
    credentials: Vec<SealedVersion>,
    /// What signs the trail, once the root is not the first any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trail: Option<HexBytes>,
    /// What makes certificates, where the root was replaced and the older keys are not retired yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<HexBytes>,
    mac: HexBytes,
    checksum: HexBytes,
}

#[derive(Serialize, Deserialize)]
struct SealedVersion {
    version: u64,
    sealed: HexBytes,
}

/// What the file holds, opened.
pub(crate) struct Contents {
    pub(crate) id: Id128,
    pub(crate) operator: Vec<u8>,
    pub(crate) recipients: Vec<RecoveryRecipient>,
    pub(crate) grants: KeyBytes,
    pub(crate) data: Ring,
    pub(crate) credentials: Ring,
    /// `None` in a vault that is made just now: it follows from the root.
    pub(crate) trail: Option<TrailSeeds>,
    /// `None` where it follows from the root.
    pub(crate) authority: Option<KeyBytes>,
}

impl Document for VaultFile {
    const WHAT: &'static str = "vault";
    const FORMAT: &'static str = "caretaker-vault-1";

    fn checksum(&mut self) -> &mut HexBytes {
        &mut self.checksum
    }
}

/// Where the vault of the cell at `dir` lies.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("vault").join("vault.json")
}

/// Binds a sealed key to this vault, to what it is, and to its version.
fn associated(id: Id128, label: &str, version: u64) -> Vec<u8> {
    fields(&[VaultFile::FORMAT.as_bytes(), &id.0, label.as_bytes(), &version.to_be_bytes()])
}

fn wrapping_key(root: &KeyBytes, label: &str) -> Result<aws_lc_rs::aead::LessSafeKey, KeyError> {
    aead_key(&*derive(root.as_slice(), &[], &[b"vault/", label.as_bytes()])?)
}

const GRANTS: &str = "grants";
const ROOT: &str = "root";
const TRAIL: &str = "trail";
const AUTHORITY: &str = "authority";

fn label(hierarchy: Hierarchy) -> &'static str {
    match hierarchy {
        Hierarchy::Data => "data",
        Hierarchy::Credentials => "credentials",
    }
}

fn seal_ring(root: &KeyBytes, id: Id128, ring: &Ring, rng: &dyn Rng) -> Result<Vec<SealedVersion>, KeyError> {
    let label = label(ring.hierarchy());
    let key = wrapping_key(root, label)?;
    ring.versions()
        .iter()
        .map(|(version, top)| {
            let sealed = seal_random(&key, rng, &associated(id, label, *version), top.as_slice())?;
            Ok(SealedVersion { version: *version, sealed: sealed.into() })
        })
        .collect()
}

fn open_ring(
    root: &KeyBytes,
    id: Id128,
    hierarchy: Hierarchy,
    sealed: &[SealedVersion],
) -> Result<Ring, KeyError> {
    let label = label(hierarchy);
    let key = wrapping_key(root, label)?;
    let versions = sealed
        .iter()
        .map(|SealedVersion { version, sealed }| {
            Ok((*version, open_key(&key, &associated(id, label, *version), sealed.as_ref())?))
        })
        .collect::<Result<_, KeyError>>()?;
    Ring::from_versions(hierarchy, versions).ok_or(KeyError::DoesNotOpen)
}

fn seal_trail(root: &KeyBytes, id: Id128, seeds: &TrailSeeds, rng: &dyn Rng) -> Result<HexBytes, VaultError> {
    let sealed = wrapping_key(root, TRAIL)
        .and_then(|key| seal_random(&key, rng, &associated(id, TRAIL, 1), &seeds.to_bytes()));
    sealed.map(HexBytes::from).map_err(|_| MACHINE)
}

fn open_trail(root: &KeyBytes, id: Id128, sealed: &HexBytes) -> Result<TrailSeeds, KeyError> {
    let opened = open_random(&wrapping_key(root, TRAIL)?, &associated(id, TRAIL, 1), sealed.as_ref())?;
    TrailSeeds::from_bytes(&opened).ok_or(KeyError::DoesNotOpen)
}

fn seal_authority(
    root: &KeyBytes,
    id: Id128,
    seed: &KeyBytes,
    rng: &dyn Rng,
) -> Result<HexBytes, VaultError> {
    let sealed = wrapping_key(root, AUTHORITY)
        .and_then(|key| seal_random(&key, rng, &associated(id, AUTHORITY, 1), seed.as_slice()));
    sealed.map(HexBytes::from).map_err(|_| MACHINE)
}

fn open_authority(root: &KeyBytes, id: Id128, sealed: &HexBytes) -> Result<KeyBytes, KeyError> {
    open_key(&wrapping_key(root, AUTHORITY)?, &associated(id, AUTHORITY, 1), sealed.as_ref())
}

const MACHINE: VaultError = VaultError::Crypto("a key could not be sealed");

impl VaultFile {
    /// Seals new contents, under a new root key.
    pub(crate) fn seal(
        contents: &Contents,
        seal: RootSeal<'_>,
        cost: Argon2Cost,
        created_at: Timestamp,
        path: &Path,
        rng: &dyn Rng,
    ) -> Result<(Self, RootKeys), VaultError> {
        let id = contents.id;
        let bound = (id, &*associated(id, ROOT, 1));
        let (unseal, root, sealed_root) = Unseal::make(seal, cost, bound, (path, rng))?;
        let seal_one = |key: &KeyBytes, label: &str, secret: &KeyBytes| {
            aead_key(key)
                .and_then(|key| seal_random(&key, rng, &associated(id, label, 1), secret.as_slice()))
                .map_err(|_| MACHINE)
        };
        let grants_key =
            derive(root.as_slice(), &[], &[b"vault/", GRANTS.as_bytes()]).map_err(|_| MACHINE)?;
        let mut file = Self {
            format: Self::FORMAT.into(),
            id,
            created_at,
            operator: contents.operator.as_slice().into(),
            recipients: contents.recipients.clone(),
            unseal,
            root: sealed_root,
            grants: seal_one(&grants_key, GRANTS, &contents.grants)?.into(),
            data: seal_ring(&root, id, &contents.data, rng).map_err(|_| MACHINE)?,
            credentials: seal_ring(&root, id, &contents.credentials, rng).map_err(|_| MACHINE)?,
            trail: contents.trail.as_ref().map(|seeds| seal_trail(&root, id, seeds, rng)).transpose()?,
            authority: contents
                .authority
                .as_ref()
                .map(|seed| seal_authority(&root, id, seed, rng))
                .transpose()?,
            mac: HexBytes::default(),
            checksum: HexBytes::default(),
        };
        let key = derive(root.as_slice(), &[], &[FILE_MAC]).map_err(|_| MACHINE)?;
        file.mac = mac(&key, &document::to_text(&file)?).as_slice().into();
        let kept = (contents.trail.clone(), contents.authority.clone());
        let signs = RootKeys::new(&root, kept.0, kept.1).map_err(|_| MACHINE)?;
        Ok((file, signs))
    }

    /// When the vault was made.
    pub(crate) fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// By what its root key is sealed.
    pub(crate) fn sealed_by(&self) -> SealedBy {
        self.unseal.sealed_by()
    }

    /// Refuses a file that takes less work to open than is allowed, or more than a machine has.
    pub(crate) fn check_cost(&self, path: &Path) -> Result<(), VaultError> {
        self.unseal.check(Self::WHAT, path)
    }

    /// Opens the contents.
    pub(crate) fn open(
        mut self,
        seal: RootSeal<'_>,
        path: &Path,
    ) -> Result<(Contents, RootKeys), VaultError> {
        let damaged = |problem| VaultError::Damaged { what: Self::WHAT, path: path.into(), problem };
        self.check_cost(path)?;
        let id = self.id;
        let root = self.unseal.open(seal, (id, &associated(id, ROOT, 1)), &self.root, path)?;

        // Also where a token or a service gives out another root key than it was given: no MAC of ours holds under that.
        // INVARIANT (whole file): from here on every field of the file is the vault's own word, the public keys too.
        let tag = std::mem::take(&mut self.mac);
        self.checksum = HexBytes::default();
        let key = derive(root.as_slice(), &[], &[FILE_MAC]).map_err(|_| MACHINE)?;
        if !mac_holds(&key, &document::to_text(&self)?, tag.as_ref()) {
            return Err(damaged("someone changed it: its seal does not hold"));
        }

        let sealed_key = |_| damaged("a sealed key does not open");
        let grants_key = wrapping_key(&root, GRANTS).map_err(sealed_key)?;
        let contents = Contents {
            id,
            grants: open_key(&grants_key, &associated(id, GRANTS, 1), self.grants.as_ref())
                .map_err(sealed_key)?,
            data: open_ring(&root, id, Hierarchy::Data, &self.data).map_err(sealed_key)?,
            credentials: open_ring(&root, id, Hierarchy::Credentials, &self.credentials)
                .map_err(sealed_key)?,
            operator: self.operator.as_ref().to_vec(),
            recipients: self.recipients,
            trail: None,
            authority: None,
        };
        let trail = self.trail.as_ref().map(|sealed| open_trail(&root, id, sealed));
        let trail = trail.transpose().map_err(sealed_key)?;
        let authority = self.authority.as_ref().map(|sealed| open_authority(&root, id, sealed));
        let authority = authority.transpose().map_err(sealed_key)?;
        let signs = RootKeys::new(&root, trail, authority).map_err(|_| MACHINE)?;
        let (trail, authority) = (Some(signs.trail.clone()), Some(signs.authority.clone()));
        Ok((Contents { trail, authority, ..contents }, signs))
    }
}
