//! The recovery key: opens every data key without a vault; makes none, and opens no credential.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{Action, DataKey, DataKeys, Grant, Ids, KeyError, NewDataKey, Operation, Principal, Rng, Scope};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::cipher::{aead_key, derive, key_bytes, open_key, seal_random};
use crate::data_key::OpenedKey;
use crate::document::{self, Document};
use crate::encoding::{HexBytes, fields};
use crate::error::VaultError;
use crate::gate::{Caller, Gate, Request, Serving};
use crate::handles::Handles;
use crate::passphrase::{Argon2Cost, PassphraseSeal};
use crate::recipient::{RecipientOwner, RecipientPrivateKey, RecoveryRecipient};
use crate::secret::{KeyBytes, Passphrase};
use crate::wrapped::WrappedDataKey;

/// Label of the key that seals the grants of offline use. Part of no format: such grants live in one process.
const GRANTS: &[u8] = b"recovery-grants";

/// A recovery key's private half, from the file that was written once.
pub struct RecoveryKey {
    pub(crate) private: RecipientPrivateKey,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RecoveryKeyFile {
    format: String,
    /// For the person who finds the file years later.
    about: String,
    recipient: RecipientOwner,
    public: HexBytes,
    private: Private,
    checksum: HexBytes,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Private {
    /// As it is: whoever has the file has the key.
    Clear(HexBytes),
    /// Sealed by a passphrase of its own.
    Passphrase { seal: PassphraseSeal, sealed: HexBytes },
}

const ABOUT: &str = "Opens every backup of this cell, without its vault and without its passphrase. \
Keep it offline, apart from the cell and from the stores.";

impl Document for RecoveryKeyFile {
    const WHAT: &'static str = "recovery key";
    const FORMAT: &'static str = "caretaker-recovery-key-1";

    fn checksum(&mut self) -> &mut HexBytes {
        &mut self.checksum
    }
}

fn associated(recipient: &RecoveryRecipient) -> Vec<u8> {
    fields(&[
        RecoveryKeyFile::FORMAT.as_bytes(),
        recipient.owner.to_string().as_bytes(),
        recipient.public.as_ref(),
    ])
}

impl RecoveryKey {
    /// Makes a pair and writes the private half to a new file of mode 0600, sealed if a passphrase is given.
    /// Only the public half is kept by the cell.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn create(
        path: &Path,
        passphrase: Option<&Passphrase>,
        owner: RecipientOwner,
        rng: &dyn Rng,
    ) -> Result<RecoveryRecipient, VaultError> {
        let key = Self { private: RecipientPrivateKey::generate(owner, rng) };
        key.write(path, passphrase, rng)?;
        Ok(key.private.recipient)
    }

    /// Writes the key to a new file of mode 0600, sealed if a passphrase is given.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn write(
        &self,
        path: &Path,
        passphrase: Option<&Passphrase>,
        rng: &dyn Rng,
    ) -> Result<(), VaultError> {
        const FAILED: VaultError = VaultError::Crypto("a recovery key could not be written");
        let pair = &self.private;
        let bytes = pair.to_bytes().ok_or(FAILED)?;
        let private = match passphrase {
            None => Private::Clear(bytes.as_slice().into()),
            Some(passphrase) => {
                let seal = PassphraseSeal::new(Argon2Cost::default(), rng);
                let key = aead_key(&*seal.key(passphrase)?).map_err(|_| FAILED)?;
                let sealed = seal_random(&key, rng, &associated(&pair.recipient), bytes.as_slice())
                    .map_err(|_| FAILED)?;
                Private::Passphrase { seal, sealed: sealed.into() }
            }
        };
        let file = RecoveryKeyFile {
            format: RecoveryKeyFile::FORMAT.into(),
            about: ABOUT.into(),
            recipient: pair.recipient.owner.clone(),
            public: pair.recipient.public.clone(),
            private,
            checksum: HexBytes::default(),
        };
        document::create(path, file)
    }

    /// Reads the file that [`RecoveryKey::create`] wrote. The passphrase is needed only where it is sealed.
    ///
    /// # Errors
    /// When the file is missing or damaged, when it is sealed and no passphrase was given, or another one.
    pub fn read(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, VaultError> {
        Self::open(document::read(path)?, path, passphrase)
    }

    /// The key of a file that is spelled as it was written.
    pub(crate) fn open(
        file: RecoveryKeyFile,
        path: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, VaultError> {
        const WHAT: &str = RecoveryKeyFile::WHAT;
        let damaged = |problem| VaultError::Damaged { what: WHAT, path: path.into(), problem };
        let claimed = RecoveryRecipient { owner: file.recipient.clone(), public: file.public.clone() };
        let bytes: KeyBytes = match (&file.private, passphrase) {
            (Private::Clear(bytes), _) => {
                key_bytes(bytes.as_ref()).ok_or_else(|| damaged("the key has a wrong length"))?
            }
            (Private::Passphrase { .. }, None) => {
                return Err(VaultError::PassphraseNeeded { what: WHAT, path: path.into() });
            }
            (Private::Passphrase { seal, sealed }, Some(passphrase)) => {
                seal.check(WHAT, path)?;
                aead_key(&*seal.key(passphrase)?)
                    .and_then(|key| open_key(&key, &associated(&claimed), sealed.as_ref()))
                    .map_err(|_| VaultError::WrongPassphrase { what: WHAT, path: path.into() })?
            }
        };
        let private = RecipientPrivateKey::from_bytes(file.recipient, &bytes)
            .filter(|private| private.recipient == claimed)
            .ok_or_else(|| damaged("its two halves do not belong together"))?;
        Ok(Self { private })
    }

    /// The public half, for a cell that shall wrap its data keys to this recovery key.
    #[must_use]
    pub fn recipient(&self) -> &RecoveryRecipient {
        &self.private.recipient
    }
}

/// Opens data keys by the recovery key, offline: no vault, no network.
pub struct RecoveryKeys {
    key: RecoveryKey,
    gate: Gate,
}

impl RecoveryKeys {
    /// Takes a recovery key into use.
    ///
    /// # Errors
    /// When the machine's cryptography fails.
    pub fn new(key: RecoveryKey, handles: &Handles) -> Result<Self, VaultError> {
        const FAILED: VaultError = VaultError::Crypto("a recovery key could not be used");
        let bytes = key.private.to_bytes().ok_or(FAILED)?;
        let gate = Gate::new(derive(bytes.as_slice(), &[], &[GRANTS]).map_err(|_| FAILED)?, handles.clone());
        Ok(Self { key, gate })
    }

    /// The key in use.
    #[must_use]
    pub fn key(&self) -> &RecoveryKey {
        &self.key
    }

    /// A grant that these keys accept, and no vault: to read, verify and export for a while.
    #[must_use]
    pub fn grant(&self, scope: &Scope, ttl: Duration) -> Grant {
        let handles = self.gate.handles();
        let now = handles.clock.now();
        let mut grant = Grant {
            id: handles.rng.next_id(),
            principal: Principal(format!("recovery-key/{}", self.key.recipient().fingerprint())),
            scope: scope.clone().into(),
            actions: vec![Action::Read, Action::Verify, Action::Export],
            purpose: "recovery".into(),
            expires_at: now.checked_add(ttl).unwrap_or(domain::Timestamp::MAX),
            seal: Vec::new(),
        };
        self.gate.seal(&mut grant);
        grant
    }

    async fn open_now(
        &self,
        grant: &Grant,
        scope: &Scope,
        wrapped: &[u8],
    ) -> Result<Arc<dyn DataKey>, KeyError> {
        let request = Request {
            caller: &Caller::Own,
            operation: Operation::DataKeyRecover,
            grant,
            scope,
            any_of: Action::ALL,
        };
        self.gate
            .answer(&request, || {
                let document = WrappedDataKey::parse(wrapped)?;
                let material = document.recover(scope, &self.key.private)?;
                let handles = self.gate.handles();
                let serving = Serving::begin(Arc::clone(&handles.clock), self.gate.serves(grant));
                Ok(Arc::new(OpenedKey::new(document.kid, material, Arc::clone(&handles.rng), serving)?) as _)
            })
            .await
    }
}

impl DataKeys for RecoveryKeys {
    fn create<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<NewDataKey, KeyError>> {
        async move {
            let request = Request {
                caller: &Caller::Own,
                operation: Operation::DataKeyCreate,
                grant,
                scope,
                any_of: Action::ALL,
            };
            let refusal = "a recovery key opens data keys and makes none: use a vault";
            self.gate.answer(&request, || Err(KeyError::Refused(refusal.into()))).await
        }
        .boxed()
    }

    fn open<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<Arc<dyn DataKey>, KeyError>> {
        self.open_now(grant, scope, wrapped).boxed()
    }
}
