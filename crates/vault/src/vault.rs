//! The vault: opens with the passphrase, gives grants to whoever signs in, opens keys for whoever has one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Action, Actions, AuditEvent, ConnectionId, DataKey, DataKeys, Grant, Id128, Ids, KeyError, NewDataKey,
    Operation, Outcome, Principal, Scope, TenantId,
};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::cipher::random_key;
use crate::credential;
use crate::data_key::{KeyMaterial, OpenedKey};
use crate::document::{self, Document};
use crate::error::VaultError;
use crate::file::{self, Contents, VaultFile};
use crate::gate::{Gate, Request, UNPROVEN, object};
use crate::handles::Handles;
use crate::operator::{OperatorKey, answer_holds};
use crate::passphrase::Argon2Cost;
use crate::private_file;
use crate::recipient::{RecipientOwner, RecoveryRecipient};
use crate::recovery::RecoveryKey;
use crate::ring::{Hierarchy, Ring};
use crate::rotation::{InUse, KeyVersions};
use crate::secret::{Passphrase, Secret};
use crate::signing::TrailKeys;
use crate::wrapped::WrappedDataKey;

/// The one local principal: whoever holds the passphrase and the operator key.
pub const CELL_OPERATOR: &str = "cell-operator";

/// Longest time for which a grant is given.
pub const GRANT_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What a grant must name so that a data key is made.
pub(crate) const MAKES_KEYS: &[Action] = &[Action::Connect, Action::Backup];
/// What a grant must name so that a credential is opened: what speaks to a platform.
pub(crate) const OPENS_CREDENTIALS: &[Action] = &[Action::Connect, Action::Backup, Action::Restore];

/// Where the cell's recovery key comes from.
pub enum RecoverySetting<'a> {
    /// A new pair, whose private half is written once to this file, sealed if a passphrase is given.
    New {
        /// The file to write.
        file: &'a Path,
        /// What seals it.
        passphrase: Option<&'a Passphrase>,
    },
    /// The public half of a key that is kept elsewhere, for a cell that is set up again from its stores.
    Known(RecoveryRecipient),
}

/// What a new vault is made with.
pub struct InitSettings<'a> {
    /// The cell's recovery key.
    pub recovery: RecoverySetting<'a>,
    /// Further recovery keys, such as a tenant's own, to which data keys are wrapped besides.
    pub recipients: Vec<RecoveryRecipient>,
    /// How much work it is to try one passphrase.
    pub cost: Argon2Cost,
}

/// An open vault. Dropping it wipes its keys.
pub struct Vault {
    id: Id128,
    operator: Vec<u8>,
    recipients: Vec<RecoveryRecipient>,
    pub(crate) data: Ring,
    pub(crate) credentials: Ring,
    trail: TrailKeys,
    pub(crate) gate: Gate,
    pub(crate) in_use: InUse,
}

fn distinct(recipients: &[RecoveryRecipient]) -> Result<(), VaultError> {
    for (at, recipient) in recipients.iter().enumerate() {
        if recipients.iter().skip(at + 1).any(|other| other.public == recipient.public) {
            return Err(VaultError::Recipient(recipient.owner.to_string()));
        }
    }
    Ok(())
}

/// Records that a vault or key file was opened, or was not.
pub(crate) async fn record_opening<T>(
    handles: &Handles,
    operation: Operation,
    path: &Path,
    result: Result<T, VaultError>,
) -> Result<T, VaultError> {
    let outcome = match &result {
        Ok(_) => Outcome::Done,
        Err(error) if error.kind() == crate::VaultErrorKind::Refused => Outcome::Refused,
        Err(_) => Outcome::Failed,
    };
    let event = AuditEvent::new(Principal(UNPROVEN.into()), operation, path.display().to_string(), outcome);
    let detail = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    handles.audit.record(event.with_detail(detail)).await?;
    result
}

impl Vault {
    /// Where the vault of the cell at `dir` lies.
    #[must_use]
    pub fn path(dir: &Path) -> PathBuf {
        file::path(dir)
    }

    /// Makes the vault of a new cell: `DIR/vault/vault.json`, the operator key beside it, and the recovery key.
    ///
    /// The vault's file comes last, so that a half-made cell has none.
    ///
    /// # Errors
    /// When a vault, operator key or recovery key is there already, when a file cannot be written, when the
    /// cost is below what is allowed, or when the record cannot be written.
    pub async fn init(
        dir: &Path,
        passphrase: &Passphrase,
        settings: InitSettings<'_>,
        handles: &Handles,
    ) -> Result<Self, VaultError> {
        let path = file::path(dir);
        let made = Self::make(dir, &path, passphrase, settings, handles);
        record_opening(handles, Operation::VaultInit, &path, made).await
    }

    fn make(
        dir: &Path,
        path: &Path,
        passphrase: &Passphrase,
        settings: InitSettings<'_>,
        handles: &Handles,
    ) -> Result<Self, VaultError> {
        let InitSettings { recovery, recipients: others, cost } = settings;
        let rng = &*handles.rng;
        for (what, path) in [(VaultFile::WHAT, path), ("operator key", &OperatorKey::path(dir))] {
            if path.exists() {
                return Err(VaultError::Exists { what, path: path.into() });
            }
        }
        private_file::make_dir(&dir.join("vault"))?;

        let mut undo = Undo(Vec::new());
        let cell = match recovery {
            RecoverySetting::Known(recipient) => recipient,
            RecoverySetting::New { file, passphrase } => {
                let recipient = RecoveryKey::create(file, passphrase, RecipientOwner::Cell, rng)?;
                undo.0.push(file.into());
                recipient
            }
        };
        let operator = OperatorKey::create(dir, rng)?;
        undo.0.push(OperatorKey::path(dir));

        let recipients: Vec<_> = std::iter::once(cell).chain(others).collect();
        distinct(&recipients)?;
        let contents = Contents {
            id: rng.next_id(),
            operator: operator.public().to_vec(),
            recipients,
            grants: random_key(rng),
            data: Ring::generate(Hierarchy::Data, rng),
            credentials: Ring::generate(Hierarchy::Credentials, rng),
            trail: None,
        };
        let (file, trail) = VaultFile::seal(&contents, passphrase, cost, handles.clock.now(), path, rng)?;
        document::create(path, file)?;
        undo.0.clear();
        let in_use = InUse::shared(dir)?;
        Ok(Self::from_contents(contents, trail, handles, in_use))
    }

    /// Opens the vault of the cell at `dir`. Takes the time that its passphrase's Argon2id costs.
    ///
    /// # Errors
    /// One for each of: no such file, damage, parameters that are too weak, a passphrase that is not the right
    /// one; and when the record cannot be written.
    pub async fn open(dir: &Path, passphrase: &Passphrase, handles: &Handles) -> Result<Self, VaultError> {
        Self::open_with(dir, passphrase, handles, false).await
    }

    /// Opens the vault while nobody else has it open, and keeps others waiting who would open it.
    ///
    /// # Errors
    /// As [`Vault::open`], and [`VaultError::InUse`].
    pub async fn open_alone(
        dir: &Path,
        passphrase: &Passphrase,
        handles: &Handles,
    ) -> Result<Self, VaultError> {
        Self::open_with(dir, passphrase, handles, true).await
    }

    async fn open_with(
        dir: &Path,
        passphrase: &Passphrase,
        handles: &Handles,
        alone: bool,
    ) -> Result<Self, VaultError> {
        let path = file::path(dir);
        // Locked before it is read: nobody has keys in use that were retired in between.
        let in_use = if alone { InUse::alone(dir) } else { InUse::shared(dir) };
        let opened = in_use.and_then(|in_use| {
            let file = document::read::<VaultFile>(&path)?;
            Ok((file.open(passphrase, &path)?, in_use))
        });
        let ((contents, trail), in_use) =
            record_opening(handles, Operation::VaultOpen, &path, opened).await?;
        Ok(Self::from_contents(contents, trail, handles, in_use))
    }

    fn from_contents(contents: Contents, trail: TrailKeys, handles: &Handles, in_use: InUse) -> Self {
        let Contents { id, operator, recipients, grants, data, credentials, .. } = contents;
        let gate = Gate::new(grants, handles.clone());
        Self { id, operator, recipients, data, credentials, trail, gate, in_use }
    }

    /// The recovery keys to which data keys are wrapped, the cell's first.
    #[must_use]
    pub fn recipients(&self) -> &[RecoveryRecipient] {
        &self.recipients
    }

    /// The versions of its keys.
    #[must_use]
    pub fn key_versions(&self) -> KeyVersions {
        KeyVersions { data: self.data.version_numbers(), credentials: self.credentials.version_numbers() }
    }

    /// A data key's document, wrapped by the newest key and to the recovery keys.
    pub(crate) fn wrapped_anew(
        &self,
        scope: &Scope,
        kid: Id128,
        material: &KeyMaterial,
    ) -> Result<Vec<u8>, KeyError> {
        let rng = &*self.gate.handles().rng;
        WrappedDataKey::wrap(kid, scope, material, &self.data, &self.recipients, rng)?.to_bytes()
    }

    /// Which vault it is.
    #[must_use]
    pub fn id(&self) -> Id128 {
        self.id
    }

    /// Who signs the cell's trail.
    #[must_use]
    pub fn trail_keys(&self) -> &TrailKeys {
        &self.trail
    }

    /// Signs the local operator in: the operator key answers a challenge.
    ///
    /// # Errors
    /// [`VaultError::NotOperator`] for the key of another vault; and when the record cannot be written.
    pub async fn sign_in(self: &Arc<Self>, key: &OperatorKey) -> Result<SignedIn, VaultError> {
        let handles = self.gate.handles();
        let challenge = random_key(&*handles.rng);
        let answer = key.answer(self.id, &challenge)?;
        let proven = answer_holds(&self.operator, self.id, &challenge, &answer);
        let (who, outcome) =
            if proven { (CELL_OPERATOR, Outcome::Done) } else { (UNPROVEN, Outcome::Refused) };
        let event = AuditEvent::new(Principal(who.into()), Operation::SignIn, "cell".into(), outcome);
        let detail = if proven { String::new() } else { VaultError::NotOperator.to_string() };
        handles.audit.record(event.with_detail(detail)).await?;
        if !proven {
            return Err(VaultError::NotOperator);
        }
        Ok(SignedIn { vault: Arc::clone(self), principal: Principal(CELL_OPERATOR.into()) })
    }

    /// Makes a connection's next data key. Its keyed hashes stay those of the previous one, so that an unchanged
    /// record still looks unchanged.
    ///
    /// # Errors
    /// As [`DataKeys::create`] and [`DataKeys::open`].
    pub async fn create_next(
        &self,
        grant: &Grant,
        scope: &Scope,
        previous: &[u8],
    ) -> Result<NewDataKey, KeyError> {
        let request = Request { operation: Operation::DataKeyCreateNext, grant, scope, any_of: MAKES_KEYS };
        self.gate
            .answer(&request, || {
                let hash = WrappedDataKey::parse(previous)?.open(scope, &self.data)?.hash;
                self.make_data_key(grant, scope, hash)
            })
            .await
    }

    /// Wraps a data key for this vault that was wrapped for another, by the recovery key: for a cell that is set
    /// up again from its stores. Id, data key and hash key stay.
    ///
    /// Whoever knows the recovery key's public half can make a wrapped key that opens here. So a caller must
    /// find a commit of the connection whose MAC holds under the answered key before it stores the new wrapping.
    ///
    /// # Errors
    /// As [`DataKeys::create`]; [`KeyError::Refused`] when the key was not wrapped to this recovery key.
    pub async fn adopt(
        &self,
        grant: &Grant,
        scope: &Scope,
        wrapped: &[u8],
        recovery: &RecoveryKey,
    ) -> Result<NewDataKey, KeyError> {
        let request = Request { operation: Operation::DataKeyAdopt, grant, scope, any_of: MAKES_KEYS };
        self.gate
            .answer(&request, || {
                let document = WrappedDataKey::parse(wrapped)?;
                let material = document.recover(scope, &recovery.private)?;
                self.wrap_and_open(grant, scope, document.kid, material)
            })
            .await
    }

    fn make_data_key(
        &self,
        grant: &Grant,
        scope: &Scope,
        hash: crate::secret::KeyBytes,
    ) -> Result<NewDataKey, KeyError> {
        let rng = &*self.gate.handles().rng;
        let kid = rng.next_id();
        self.wrap_and_open(grant, scope, kid, KeyMaterial { data: random_key(rng), hash })
    }

    fn wrap_and_open(
        &self,
        grant: &Grant,
        scope: &Scope,
        kid: Id128,
        material: KeyMaterial,
    ) -> Result<NewDataKey, KeyError> {
        let rng = &self.gate.handles().rng;
        let wrapped = self.wrapped_anew(scope, kid, &material)?;
        let key = OpenedKey::new(kid, material, Arc::clone(rng), self.gate.serving(grant))?;
        Ok(NewDataKey { key: Arc::new(key), wrapped })
    }

    /// Seals a credential. It takes no grant: whoever is given a secret may put it away, and cannot take it out.
    ///
    /// `name` tells several credentials of one connection apart, for example `token`.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn seal_credential(
        &self,
        scope: &Scope,
        name: &str,
        secret: &Secret,
    ) -> Result<Vec<u8>, KeyError> {
        let sealed = credential::seal(&self.credentials, scope, name, secret, &*self.gate.handles().rng)?;
        let object = format!("{}/{name}", object(&scope.tenant, &scope.connection));
        self.gate.record_ungranted(Operation::CredentialSeal, object).await?;
        Ok(sealed)
    }

    /// Opens a credential for work on its platform: the grant must allow connect, backup or restore.
    ///
    /// # Errors
    /// [`KeyError::Refused`] by the grant, [`KeyError::DoesNotOpen`] when it is damaged or of another place, and
    /// [`KeyError::Unavailable`] when the record cannot be written.
    pub async fn open_credential(
        &self,
        grant: &Grant,
        scope: &Scope,
        name: &str,
        sealed: &[u8],
    ) -> Result<Secret, KeyError> {
        let request =
            Request { operation: Operation::CredentialOpen, grant, scope, any_of: OPENS_CREDENTIALS };
        self.gate.answer(&request, || credential::open(&self.credentials, scope, name, sealed)).await
    }
}

impl DataKeys for Vault {
    fn create<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<NewDataKey, KeyError>> {
        async move {
            let request = Request { operation: Operation::DataKeyCreate, grant, scope, any_of: MAKES_KEYS };
            self.gate
                .answer(&request, || self.make_data_key(grant, scope, random_key(&*self.gate.handles().rng)))
                .await
        }
        .boxed()
    }

    fn open<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<Arc<dyn DataKey>, KeyError>> {
        async move {
            // Every action needs the data key; which action it serves is for the caller to check by the grant.
            let request = Request { operation: Operation::DataKeyOpen, grant, scope, any_of: Action::ALL };
            self.gate
                .answer(&request, || {
                    let document = WrappedDataKey::parse(wrapped)?;
                    let material = document.open(scope, &self.data)?;
                    let rng = Arc::clone(&self.gate.handles().rng);
                    let key = OpenedKey::new(document.kid, material, rng, self.gate.serving(grant))?;
                    Ok(Arc::new(key) as Arc<dyn DataKey>)
                })
                .await
        }
        .boxed()
    }
}

/// A principal that has proven who it is to this vault.
pub struct SignedIn {
    vault: Arc<Vault>,
    principal: Principal,
}

impl SignedIn {
    /// Who it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Gives a grant.
    ///
    /// # Errors
    /// [`VaultError::GrantRefused`] without an action, or for longer than [`GRANT_TTL_MAX`]; and when the record
    /// cannot be written.
    pub async fn grant(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        actions: &[Action],
        purpose: &str,
        ttl: Duration,
    ) -> Result<Grant, VaultError> {
        if actions.is_empty() {
            return Err(VaultError::GrantRefused("it names no action".into()));
        }
        if ttl > GRANT_TTL_MAX {
            let longest = GRANT_TTL_MAX.as_secs();
            return Err(VaultError::GrantRefused(format!("it would last longer than {longest} seconds")));
        }
        let gate = &self.vault.gate;
        let handles = gate.handles();
        let mut grant = Grant {
            id: handles.rng.next_id(),
            principal: self.principal.clone(),
            tenant: tenant.clone(),
            connection: connection.clone(),
            actions: Actions::from(actions),
            purpose: purpose.to_owned(),
            expires_at: handles
                .clock
                .now()
                .checked_add(ttl)
                .map_err(|_| VaultError::GrantRefused("the clock is at the end of time".into()))?,
            seal: Vec::new(),
        };
        gate.seal(&mut grant);
        let named = actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ");
        let event = AuditEvent {
            grant: Some(grant.id),
            detail: format!("{named}: {purpose}"),
            ..AuditEvent::new(
                self.principal.clone(),
                Operation::GrantGive,
                object(tenant, connection),
                Outcome::Done,
            )
        };
        handles.audit.record(event).await?;
        Ok(grant)
    }
}

/// Removes what a failed init has written, so that a second try finds the place empty.
struct Undo(Vec<PathBuf>);

impl Drop for Undo {
    fn drop(&mut self) {
        for path in self.0.drain(..) {
            // The failure that led here is the one to report.
            let _ = std::fs::remove_file(path);
        }
    }
}
