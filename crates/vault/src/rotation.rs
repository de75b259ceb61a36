//! New keys in place of old ones: nothing of what they protect is read.
//!
//! `rotate` adds a version to both rings, under a new root key: what is wrapped from then on is by it. `rewrap` wraps again what
//! older versions did; the keys of what is personal on the trail, `retire` does. `retire` forgets these, and all else that followed from the root keys before: whoever copied the vault's
//! file, and knows the passphrase, has keys that open nothing that is there now. `reseal` has the root key sealed by something
//! else.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use domain::{Clock, Grant, KeyError, Operation, Scope};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::cipher::random_key;
use crate::credential;
use crate::document::{self, Document as _};
use crate::error::VaultError;
use crate::file::{self, Contents, VaultFile};
use crate::gate::{Caller, Request};
use crate::handles::Handles;
use crate::hosts::Host;
use crate::list;
use crate::orders::Order;
use crate::passphrase::Argon2Cost;
use crate::personal::MonthKeys;
use crate::ring::Rings;
use crate::root_seal::{RootSeal, SealedBy};
use crate::sealer::{FindsSealer, Sealer};
use crate::secret::Passphrase;
use crate::vault::{MAKES_KEYS, OPENS_CREDENTIALS, Vault, record_opening};
use crate::wrapped::WrappedDataKey;

/// So long whoever wants a vault alone waits for those who are just ending.
const ENDING_MAX: Duration = Duration::from_secs(2);

/// Why a vault that is open cannot be sealed outside.
const NO_SEALER: &str = "nobody speaks to it for this vault: where `caretaker up` runs and something else is to seal it, end that first";

/// That a vault's keys are in use. Whoever has it alone knows that no other process still wraps by older ones.
pub(crate) struct InUse(File);

/// That nobody else has them in use, as long as this is there.
struct Alone<'a>(&'a InUse);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        // Where the kernel does not do it, others are kept out: nothing that is open is in danger.
        let _ = flock(&self.0.0, FlockOperation::LockShared);
    }
}

impl InUse {
    pub(crate) fn shared(dir: &Path) -> Result<Self, VaultError> {
        Self::lock(dir, "lock", FlockOperation::LockShared)
    }

    /// Waits a moment for those who are just ending: a vault's process outlives by an instant the command that used it.
    pub(crate) async fn alone(dir: &Path, clock: &dyn Clock) -> Result<Self, VaultError> {
        let give_up = clock.monotonic().saturating_add(ENDING_MAX);
        loop {
            match Self::lock(dir, "lock", FlockOperation::NonBlockingLockExclusive) {
                Err(VaultError::InUse) if clock.monotonic() < give_up => clock.sleep(ENDING_MAX / 20).await,
                locked => return locked,
            }
        }
    }

    /// Of a vault that lies nowhere.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn nowhere() -> std::io::Result<Self> {
        File::open("/dev/null").map(Self)
    }

    /// Keeps others out who would open the vault, unless somebody has it open already.
    fn only(&self) -> Result<Alone<'_>, VaultError> {
        // Where it fails, the kernel may have let go of what was held before: that is taken again.
        let alone = Alone(self);
        match flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(alone),
            Err(_) => Err(VaultError::InUse),
        }
    }

    /// Of two who change the file, the second waits for the first.
    fn changing(dir: &Path) -> Result<Self, VaultError> {
        Self::lock(dir, "lock-change", FlockOperation::LockExclusive)
    }

    fn lock(dir: &Path, name: &str, operation: FlockOperation) -> Result<Self, VaultError> {
        let (vault, path) = (file::path(dir), dir.join("vault").join(name));
        if !vault.exists() {
            return Err(VaultError::Missing { what: VaultFile::WHAT, path: vault });
        }
        let failed = |source| VaultError::Io { doing: "lock", path: path.clone(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        match flock(&file, operation) {
            Ok(()) => Ok(Self(file)),
            Err(Errno::WOULDBLOCK) => Err(VaultError::InUse),
            Err(errno) => Err(failed(errno.into())),
        }
    }
}

/// The versions of a vault's keys, oldest first. The last wraps what is wrapped now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyVersions {
    /// Of those that wrap data keys.
    pub data: Vec<u64>,
    /// Of those that seal credentials.
    pub credentials: Vec<u64>,
}

impl KeyVersions {
    /// The newest of each.
    #[must_use]
    pub fn newest(&self) -> (u64, u64) {
        let newest = |versions: &[u64]| versions.last().copied().unwrap_or_default();
        (newest(&self.data), newest(&self.credentials))
    }
}

/// What follows from a vault's root keys besides the trail's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    /// Grants that were given hold, and certificates: a vault that is opened again goes on with them.
    Stay,
    /// No copy from before has any part in what is given from now on.
    New,
}

/// Reads a vault's file, changes what it holds, and puts it back under a new root key, which may be sealed by something else.
fn change(
    dir: &Path,
    path: &Path,
    (seal, next): (RootSeal<'_>, RootSeal<'_>),
    (others, handles): (Others, &Handles),
    change: impl FnOnce(&mut Contents) -> Result<(), VaultError>,
) -> Result<(Contents, SealedBy), VaultError> {
    let _changing = InUse::changing(dir)?;
    let rng = &*handles.rng;
    let file = document::read::<VaultFile>(path)?;
    let created_at = file.created_at();
    let (mut contents, _) = file.open(seal, path)?;
    change(&mut contents)?;
    if others == Others::New {
        contents.grants = random_key(rng);
        contents.authority = None;
    }
    let (file, _) = VaultFile::seal(&contents, next, Argon2Cost::default(), created_at, path, rng)?;
    let sealed_by = file.sealed_by();
    document::replace(path, file)?;
    Ok((contents, sealed_by))
}

/// What seals a vault, for as long as one change takes.
enum AtHand<'a> {
    Passphrase(&'a Passphrase),
    Sealer(Sealer),
}

impl AtHand<'_> {
    async fn found(finds: Option<&FindsSealer>) -> Result<Self, VaultError> {
        let finds = finds.ok_or_else(|| VaultError::Sealer(NO_SEALER.into()))?;
        finds().await.map(Self::Sealer).map_err(|error| VaultError::Sealer(error.to_string()))
    }

    fn as_seal(&self) -> RootSeal<'_> {
        match self {
            Self::Passphrase(passphrase) => RootSeal::Passphrase(passphrase),
            Self::Sealer(sealer) => RootSeal::Sealer(sealer),
        }
    }
}

impl Vault {
    /// That nobody else changes a file of the vault's, as long as it is there.
    pub(crate) fn changing(&self) -> Result<InUse, VaultError> {
        InUse::changing(&self.dir)
    }

    /// Gives the vault new keys, beside those that it has. Other processes that have it open go on with theirs.
    pub(crate) async fn rotate(&self, passphrase: Option<&Passphrase>) -> Result<KeyVersions, VaultError> {
        let (path, handles) = (file::path(&self.dir), self.gate.handles());
        let rng = &*handles.rng;
        let rotated = self.own_seal(passphrase).await.and_then(|seal| {
            let seal = seal.as_seal();
            change(&self.dir, &path, (seal, seal), (Others::Stay, handles), |contents| {
                contents.data.rotate(rng);
                contents.credentials.rotate(rng);
                Ok(())
            })
        });
        let (contents, _) = record_opening(handles, Operation::VaultRotate, &path, rotated).await?;
        Ok(self.go_on_with(contents))
    }

    /// Has the vault's file sealed by another passphrase or, without one, by the sealer that the vault was given for that. The
    /// keys stay.
    pub(crate) async fn reseal(
        &self,
        passphrase: Option<&Passphrase>,
        next: Option<&Passphrase>,
    ) -> Result<SealedBy, VaultError> {
        let (path, handles) = (file::path(&self.dir), self.gate.handles());
        let seals = async {
            let next = match next {
                Some(passphrase) => AtHand::Passphrase(passphrase),
                None => AtHand::found(self.sealers.next.as_ref()).await?,
            };
            Ok((self.own_seal(passphrase).await?, next))
        };
        let resealed = seals.await.and_then(|(seal, next)| {
            change(&self.dir, &path, (seal.as_seal(), next.as_seal()), (Others::Stay, handles), |_| Ok(()))
        });
        Ok(record_opening(handles, Operation::VaultSeal, &path, resealed).await?.1)
    }

    /// What opens the vault's file once more: a passphrase that was given again, or whoever speaks to what sealed it outside.
    async fn own_seal<'a>(&self, passphrase: Option<&'a Passphrase>) -> Result<AtHand<'a>, VaultError> {
        match passphrase {
            Some(passphrase) => Ok(AtHand::Passphrase(passphrase)),
            None if *self.sealed_by() == SealedBy::Passphrase => {
                Err(VaultError::PassphraseNeeded { what: VaultFile::WHAT, path: file::path(&self.dir) })
            }
            None => AtHand::found(self.sealers.own.as_ref()).await,
        }
    }

    /// Forgets all keys but the newest. Whatever older ones have wrapped opens no more: see [`wrapped_by`] and
    /// [`sealed_by`]. Only where nobody else has the vault open. Whoever goes on with this one must have given no grants that
    /// still count: the vault that is opened next knows them no more, nor certificates.
    pub(crate) async fn retire(&self, passphrase: Option<&Passphrase>) -> Result<KeyVersions, VaultError> {
        let _alone = self.in_use.only()?;
        let (path, handles) = (file::path(&self.dir), self.gate.handles());
        let retired = self.own_seal(passphrase).await.and_then(|seal| {
            let seal = seal.as_seal();
            change(&self.dir, &path, (seal, seal), (Others::New, handles), |contents| {
                // While there are keys that open them.
                MonthKeys::wrap_anew(&self.dir, contents.id, &contents.data, &*handles.rng)?;
                contents.data.retire();
                contents.credentials.retire();
                Ok(())
            })
        });
        let (contents, _) = record_opening(handles, Operation::VaultRetire, &path, retired).await?;
        // To the next vault they are none.
        list::forget::<Host>(&self.dir)?;
        list::forget::<Order>(&self.dir)?;
        Ok(self.go_on_with(contents))
    }

    /// From now on the rings are those that the file has.
    fn go_on_with(&self, contents: Contents) -> KeyVersions {
        let Contents { data, credentials, .. } = contents;
        let rings = Rings { data, credentials };
        let versions = rings.versions();
        *self.rings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rings);
        versions
    }

    /// Wraps a data key by the newest key, and to the recovery keys, if an older one has wrapped it. `None` if it was the
    /// newest.
    pub(crate) async fn rewrap_data_key(
        &self,
        caller: &Caller,
        grant: &Grant,
        scope: &Scope,
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, KeyError> {
        if wrapped_by(wrapped)? == self.key_versions().newest().0 {
            return Ok(None);
        }
        let operation = Operation::DataKeyRewrap;
        let request = Request { caller, operation, grant, scope, any_of: MAKES_KEYS };
        let rewrapped = self.gate.answer(&request, || {
            let document = WrappedDataKey::parse(wrapped)?;
            let material = document.open(scope, &self.rings().data)?;
            self.wrapped_anew(scope, document.kid, &material).map(Some)
        });
        rewrapped.await
    }

    /// Seals a credential by the newest key, if an older one has sealed it. `None` if it was the newest.
    pub(crate) async fn rewrap_credential(
        &self,
        caller: &Caller,
        grant: &Grant,
        scope: &Scope,
        name: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, KeyError> {
        if sealed_by(sealed)? == self.key_versions().newest().1 {
            return Ok(None);
        }
        let operation = Operation::CredentialRewrap;
        let request = Request { caller, operation, grant, scope, any_of: OPENS_CREDENTIALS };
        let rewrapped = self.gate.answer(&request, || {
            let rings = self.rings();
            let secret = credential::open(&rings.credentials, scope, name, sealed)?;
            let rng = &*self.gate.handles().rng;
            credential::seal(&rings.credentials, scope, name, secret.expose_secret(), rng).map(Some)
        });
        rewrapped.await
    }
}

/// The version of the key that has wrapped a data key. Nothing proves it before it was opened.
///
/// # Errors
/// [`KeyError::DoesNotOpen`] when the bytes are not a wrapped data key.
pub fn wrapped_by(wrapped: &[u8]) -> Result<u64, KeyError> {
    WrappedDataKey::parse(wrapped).map(|document| document.version())
}

/// The version of the key that has sealed a credential. Nothing proves it before it was opened.
///
/// # Errors
/// [`KeyError::DoesNotOpen`] when the bytes are not a sealed credential.
pub fn sealed_by(sealed: &[u8]) -> Result<u64, KeyError> {
    credential::version(sealed)
}
