//! The vault: opens with what seals its root key, gives grants to whoever signs in, opens keys for whoever has one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::{
    About, Action, Actions, AuditEvent, DataKeyId, Decides, Grant, Id128, Ids, KeyError, Operation, Outcome,
    Principal, Scope, SigningKey, Verdict,
};

use crate::cipher::random_key;
use crate::credential;
use crate::data_key::KeyMaterial;
use crate::document::{self, Document};
use crate::error::VaultError;
use crate::file::{self, Contents, VaultFile};
use crate::gate::{Caller, Gate, NotPermitted, Request, UNPROVEN, object};
use crate::handles::Handles;
use crate::hosts::Invitations;
use crate::operator::{OperatorKey, answer_holds};
use crate::orders::ORDERED_GRANT_TTL;
use crate::passphrase::Argon2Cost;
use crate::private_file;
use crate::recipient::{RecipientOwner, RecoveryRecipient};
use crate::recovery::RecoveryKey;
use crate::ring::{Hierarchy, Ring, Rings};
use crate::root_seal::{RootSeal, SealedBy};
use crate::rotation::{InUse, KeyVersions};
use crate::sealer::FindsSealer;
use crate::secret::{KeyBytes, Passphrase, Secret};
use crate::sessions::Sessions;
use crate::signing::{RootKeys, pair};
use crate::wrapped::WrappedDataKey;

/// The one local principal: whoever holds the passphrase and the operator key.
pub const CELL_OPERATOR: &str = "cell-operator";

const MACHINE: VaultError = VaultError::Crypto("a key could not be used");

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
    /// How much work it is to try one passphrase, where one seals the vault.
    pub cost: Argon2Cost,
}

/// An open vault. Dropping it wipes its keys.
pub struct Vault {
    pub(crate) dir: PathBuf,
    id: Id128,
    operator: Vec<u8>,
    recipients: Vec<RecoveryRecipient>,
    /// They are replaced as a whole: whoever works with some keeps them so long.
    pub(crate) rings: RwLock<Arc<Rings>>,
    signs: RootKeys,
    sessions: Sessions,
    pub(crate) invitations: Invitations,
    pub(crate) gate: Gate,
    pub(crate) in_use: InUse,
    sealed_by: SealedBy,
    pub(crate) sealers: Sealers,
    /// So long a grant lasts that was given on an order.
    pub(crate) ordered_ttl: Duration,
}

/// Who speaks for an open vault to tokens and services. None, for most of what a vault does.
#[derive(Default)]
pub struct Sealers {
    /// To the one that has sealed its root key.
    pub own: Option<FindsSealer>,
    /// To the one that is to seal it from now on.
    pub next: Option<FindsSealer>,
}

/// A data key that was just made.
pub(crate) struct MadeKey {
    pub(crate) kid: DataKeyId,
    pub(crate) material: KeyMaterial,
    pub(crate) wrapped: Vec<u8>,
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
    pub async fn init<'a>(
        dir: &Path,
        seal: impl Into<RootSeal<'a>>,
        settings: InitSettings<'_>,
        handles: &Handles,
    ) -> Result<Self, VaultError> {
        let path = file::path(dir);
        let made = Self::make(dir, &path, seal.into(), settings, handles);
        record_opening(handles, Operation::VaultInit, &path, made).await
    }

    fn make(
        dir: &Path,
        path: &Path,
        seal: RootSeal<'_>,
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
            authority: None,
        };
        let (file, signs) = VaultFile::seal(&contents, seal, cost, handles.clock.now(), path, rng)?;
        let sealed_by = file.sealed_by();
        document::create(path, file)?;
        undo.0.clear();
        let in_use = InUse::shared(dir)?;
        Ok(Self::from_contents(dir, (contents, signs), handles, in_use, sealed_by))
    }

    /// Opens the vault of the cell at `dir`. Takes the time that its passphrase's Argon2id costs, or until a token or a service
    /// has answered.
    ///
    /// # Errors
    /// One for each of: no such file, damage, parameters that are too weak, a passphrase that is not the right
    /// one, a vault that is sealed by something else, what a sealer says; and when the record cannot be written.
    pub async fn open<'a>(
        dir: &Path,
        seal: impl Into<RootSeal<'a>>,
        handles: &Handles,
    ) -> Result<Self, VaultError> {
        Self::open_with(dir, seal.into(), handles, false).await
    }

    /// Opens the vault while nobody else has it open, and keeps others waiting who would open it.
    ///
    /// # Errors
    /// As [`Vault::open`], and [`VaultError::InUse`].
    pub async fn open_alone<'a>(
        dir: &Path,
        seal: impl Into<RootSeal<'a>>,
        handles: &Handles,
    ) -> Result<Self, VaultError> {
        Self::open_with(dir, seal.into(), handles, true).await
    }

    /// Has these policies asked what other processes may. Without any they may nothing.
    #[must_use]
    pub fn with_policies(self, policies: Arc<dyn Decides>) -> Self {
        Self { gate: self.gate.with_policies(policies), ..self }
    }

    /// Lets a process have done what takes no grant, if the policies do.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        operation: Operation,
        about: About<'_>,
    ) -> Result<Vec<String>, NotPermitted> {
        self.gate.admit((caller, None), (operation, about), |_, _| Verdict::nobody()).await
    }

    /// The same, for a person who has signed in: both must be allowed.
    pub(crate) async fn admit_custodian(
        &self,
        caller: &Caller,
        person: &Principal,
        operation: Operation,
    ) -> Result<(), NotPermitted> {
        let of_person = |policies: &dyn Decides, person: &Principal| policies.custodian(person, operation);
        self.gate.admit((caller, Some(person)), (operation, About::Vault), of_person).await.map(drop)
    }

    /// Gives the vault those who speak for it to tokens and services, so that it can be rotated and sealed anew.
    #[must_use]
    pub fn with_sealers(self, sealers: Sealers) -> Self {
        Self { sealers, ..self }
    }

    /// Has grants that are given on orders last so long, instead of [`ORDERED_GRANT_TTL`].
    #[must_use]
    pub fn with_ordered_ttl(self, ordered_ttl: Duration) -> Self {
        Self { ordered_ttl, ..self }
    }

    /// By what its root key is sealed, as of when it was opened.
    #[must_use]
    pub fn sealed_by(&self) -> &SealedBy {
        &self.sealed_by
    }

    async fn open_with(
        dir: &Path,
        seal: RootSeal<'_>,
        handles: &Handles,
        alone: bool,
    ) -> Result<Self, VaultError> {
        let path = file::path(dir);
        // Locked before it is read: nobody has keys in use that were retired in between.
        let in_use = if alone { InUse::alone(dir, &*handles.clock).await } else { InUse::shared(dir) };
        let opened = in_use.and_then(|in_use| {
            let file = document::read::<VaultFile>(&path)?;
            let sealed_by = file.sealed_by();
            Ok((file.open(seal, &path)?, in_use, sealed_by))
        });
        let (opened, in_use, sealed_by) =
            record_opening(handles, Operation::VaultOpen, &path, opened).await?;
        Ok(Self::from_contents(dir, opened, handles, in_use, sealed_by))
    }

    fn from_contents(
        dir: &Path,
        (contents, signs): (Contents, RootKeys),
        handles: &Handles,
        in_use: InUse,
        sealed_by: SealedBy,
    ) -> Self {
        let Contents { id, operator, recipients, grants, data, credentials, .. } = contents;
        let gate = Gate::new(grants, handles.clone());
        Self {
            dir: dir.into(),
            id,
            operator,
            recipients,
            rings: RwLock::new(Rings { data, credentials }.into()),
            signs,
            sessions: Sessions::default(),
            invitations: Invitations::default(),
            gate,
            in_use,
            sealed_by,
            sealers: Sealers::default(),
            ordered_ttl: ORDERED_GRANT_TTL,
        }
    }

    /// A vault that lies nowhere.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of_parts(data: Ring, grants: KeyBytes, handles: Handles, in_use: InUse) -> Self {
        let seed = KeyBytes::new([1; 32]);
        let trail = crate::signing::TrailSeeds { log: seed.clone(), witness: seed.clone() };
        Self {
            dir: PathBuf::new(),
            id: Id128([0; 16]),
            operator: Vec::new(),
            recipients: Vec::new(),
            rings: RwLock::new(
                Rings { data, credentials: Ring::generate(Hierarchy::Credentials, &*handles.rng) }.into(),
            ),
            signs: RootKeys { trail, authority: seed },
            sessions: Sessions::default(),
            invitations: Invitations::default(),
            in_use,
            gate: Gate::new(grants, handles),
            sealed_by: SealedBy::Passphrase,
            sealers: Sealers::default(),
            ordered_ttl: ORDERED_GRANT_TTL,
        }
    }

    /// The recovery keys to which data keys are wrapped, the cell's first.
    #[must_use]
    pub fn recipients(&self) -> &[RecoveryRecipient] {
        &self.recipients
    }

    /// The versions of its keys.
    #[must_use]
    pub fn key_versions(&self) -> KeyVersions {
        self.rings().versions()
    }

    /// The keys as they are now.
    pub(crate) fn rings(&self) -> Arc<Rings> {
        Arc::clone(&self.rings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A data key's document, wrapped by the newest key and to the recovery keys.
    pub(crate) fn wrapped_anew(
        &self,
        scope: &Scope,
        kid: Id128,
        material: &KeyMaterial,
    ) -> Result<Vec<u8>, KeyError> {
        let rng = &*self.gate.handles().rng;
        WrappedDataKey::wrap(kid, scope, material, &self.rings().data, &self.recipients, rng)?.to_bytes()
    }

    /// Which vault it is.
    #[must_use]
    pub fn id(&self) -> Id128 {
        self.id
    }

    /// Vouches for the cell's trail.
    ///
    /// # Errors
    /// [`VaultError::Crypto`] when the machine's cryptography fails.
    pub fn witness_key(&self) -> Result<Arc<dyn SigningKey>, VaultError> {
        pair(&self.signs.trail.witness).map_err(|_| MACHINE)
    }

    /// Makes the certificates of the cell's processes. Once older keys were retired, the vault that is opened next has another.
    ///
    /// # Errors
    /// As [`Vault::witness_key`].
    pub fn authority_key(&self) -> Result<Arc<dyn SigningKey>, VaultError> {
        pair(&self.signs.authority).map_err(|_| MACHINE)
    }

    /// Signs the trail's log.
    ///
    /// # Errors
    /// As [`Vault::witness_key`].
    pub fn log_key(&self) -> Result<Arc<dyn SigningKey>, VaultError> {
        pair(self.log_seed()).map_err(|_| MACHINE)
    }

    /// Puts on record that the key is given out which signs the trail's log.
    pub(crate) async fn record_log_key(&self, policies: Vec<String>) -> Result<(), VaultError> {
        let event = AuditEvent::new(
            Principal("service/monitor".into()),
            Operation::LogKeyGive,
            "trail".into(),
            Outcome::Done,
        );
        Ok(self.gate.handles().audit.record(AuditEvent { policies, ..event }).await?)
    }

    /// What the key follows from that signs the trail's log.
    pub(crate) fn log_seed(&self) -> &KeyBytes {
        &self.signs.trail.log
    }

    /// Has whoever signs in prove that they know the passphrase too: for a vault that others use than the one who has opened
    /// it.
    pub fn ask_for(&self, passphrase: &Passphrase) {
        self.sessions.ask_for(passphrase, random_key(&*self.gate.handles().rng));
    }

    /// A challenge for whoever would sign in.
    pub(crate) fn challenge(&self) -> KeyBytes {
        let handles = self.gate.handles();
        self.sessions.challenge(random_key(&*handles.rng), handles.clock.monotonic())
    }

    /// Signs the local operator in, whose key has answered a challenge. Answers what proves it from then on.
    pub(crate) async fn sign_in(
        &self,
        challenge: &[u8],
        answer: &[u8],
        passphrase: Option<&Passphrase>,
    ) -> Result<(Principal, KeyBytes), VaultError> {
        let handles = self.gate.handles();
        let given = self.sessions.given(challenge, handles.clock.monotonic());
        let refused = if !given.is_some_and(|given| answer_holds(&self.operator, self.id, &given, answer)) {
            Some(VaultError::NotOperator)
        } else if self.sessions.knows(passphrase) {
            None
        } else {
            Some(VaultError::WrongPassphrase { what: VaultFile::WHAT, path: file::path(&self.dir) })
        };
        let (who, outcome) = match &refused {
            None => (CELL_OPERATOR, Outcome::Done),
            Some(_) => (UNPROVEN, Outcome::Refused),
        };
        let principal = Principal(who.into());
        let event = AuditEvent::new(principal.clone(), Operation::SignIn, "cell".into(), outcome);
        let detail = refused.as_ref().map(ToString::to_string).unwrap_or_default();
        handles.audit.record(event.with_detail(detail)).await?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        let token = self.gate.session_token(challenge);
        self.sessions.begin(&token, principal.clone(), handles.clock.monotonic());
        Ok((principal, token))
    }

    /// Who has signed in and asks for that, given what proves it. Records that it proves nothing.
    pub(crate) async fn signed_in(
        &self,
        token: &[u8],
        operation: Operation,
    ) -> Result<Principal, VaultError> {
        let handles = self.gate.handles();
        if let Some(principal) = self.sessions.principal(token, handles.clock.monotonic()) {
            return Ok(principal);
        }
        let refused = VaultError::NotSignedIn;
        let event = AuditEvent::new(Principal(UNPROVEN.into()), operation, "cell".into(), Outcome::Refused);
        handles.audit.record(event.with_detail(refused.to_string())).await?;
        Err(refused)
    }

    /// Makes a connection's data key.
    pub(crate) async fn create_data_key(
        &self,
        caller: &Caller,
        grant: &Grant,
        scope: &Scope,
    ) -> Result<MadeKey, KeyError> {
        let request =
            Request { caller, operation: Operation::DataKeyCreate, grant, scope, any_of: MAKES_KEYS };
        let rng = &*self.gate.handles().rng;
        self.gate.answer(&request, || self.make_data_key(scope, random_key(rng))).await
    }

    /// Makes a connection's next data key, whose keyed hashes stay those of the previous one.
    pub(crate) async fn create_next_data_key(
        &self,
        caller: &Caller,
        grant: &Grant,
        scope: &Scope,
        previous: &[u8],
    ) -> Result<MadeKey, KeyError> {
        let request =
            Request { caller, operation: Operation::DataKeyCreateNext, grant, scope, any_of: MAKES_KEYS };
        let made = self.gate.answer(&request, || {
            let hash = WrappedDataKey::parse(previous)?.open(scope, &self.rings().data)?.hash;
            self.make_data_key(scope, hash)
        });
        made.await
    }

    /// Opens a wrapped data key.
    pub(crate) async fn open_data_key(
        &self,
        caller: &Caller,
        grant: &Grant,
        scope: &Scope,
        wrapped: &[u8],
    ) -> Result<(DataKeyId, KeyMaterial), KeyError> {
        // Every action needs the data key; which action it serves is for the caller to check by the grant.
        let request =
            Request { caller, operation: Operation::DataKeyOpen, grant, scope, any_of: Action::ALL };
        let opened = self.gate.answer(&request, || {
            let document = WrappedDataKey::parse(wrapped)?;
            Ok((document.kid, document.open(scope, &self.rings().data)?))
        });
        opened.await
    }

    /// Wraps a data key of an earlier cell, which its recovery key has opened, for this one.
    pub(crate) async fn adopt_data_key(
        &self,
        caller: &Caller,
        grant: &Grant,
        scope: &Scope,
        kid: DataKeyId,
        material: &KeyMaterial,
    ) -> Result<Vec<u8>, KeyError> {
        let request =
            Request { caller, operation: Operation::DataKeyAdopt, grant, scope, any_of: MAKES_KEYS };
        self.gate.answer(&request, || self.wrapped_anew(scope, kid, material)).await
    }

    fn make_data_key(&self, scope: &Scope, hash: KeyBytes) -> Result<MadeKey, KeyError> {
        let rng = &*self.gate.handles().rng;
        let (kid, material) = (rng.next_id(), KeyMaterial { data: random_key(rng), hash });
        let wrapped = self.wrapped_anew(scope, kid, &material)?;
        Ok(MadeKey { kid, material, wrapped })
    }

    /// Seals a credential. It takes no grant: whoever is given a secret may put it away, and cannot take it out.
    pub(crate) async fn seal_credential(
        &self,
        caller: &Caller,
        scope: &Scope,
        name: &str,
        secret: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let policies = self.admit(caller, Operation::CredentialSeal, About::Credential(scope)).await?;
        let sealed =
            credential::seal(&self.rings().credentials, scope, name, secret, &*self.gate.handles().rng)?;
        let object = format!("{}/{name}", object(&scope.tenant, &scope.connection));
        self.gate.record_ungranted(Operation::CredentialSeal, object, policies).await?;
        Ok(sealed)
    }

    /// Opens a credential for work on its platform.
    pub(crate) async fn open_credential(
        &self,
        caller: &Caller,
        grant: &Grant,
        scope: &Scope,
        name: &str,
        sealed: &[u8],
    ) -> Result<Secret, KeyError> {
        let request =
            Request { caller, operation: Operation::CredentialOpen, grant, scope, any_of: OPENS_CREDENTIALS };
        self.gate.answer(&request, || credential::open(&self.rings().credentials, scope, name, sealed)).await
    }

    /// Gives a grant to whoever has signed in.
    pub(crate) async fn grant(
        &self,
        (caller, principal): (&Caller, Principal),
        scope: &Scope,
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
        let who = (caller, &principal);
        let policies = self.admit_actions(who, Operation::GrantGive, (scope, actions)).await?;
        let expires_at = self.gate.handles().clock.now().checked_add(ttl);
        let grant = Grant {
            id: self.gate.handles().rng.next_id(),
            principal,
            scope: scope.clone().into(),
            actions: Actions::from(actions),
            purpose: purpose.to_owned(),
            expires_at: expires_at
                .map_err(|_| VaultError::GrantRefused("the clock is at the end of time".into()))?,
            seal: Vec::new(),
        };
        let detail = format!("{}: {purpose}", named(actions));
        self.give(grant, Operation::GrantGive, (policies, detail)).await
    }

    /// Has the policies decide whether a process may have that, and a person all of it done.
    pub(crate) async fn admit_actions(
        &self,
        (caller, person): (&Caller, &Principal),
        operation: Operation,
        (scope, actions): (&Scope, &[Action]),
    ) -> Result<Vec<String>, NotPermitted> {
        let of_person = |policies: &dyn Decides, person: &Principal| {
            let verdicts = actions.iter().map(|action| policies.person(person, *action, scope));
            verdicts.reduce(Verdict::and).unwrap_or_else(Verdict::nobody)
        };
        self.gate.admit((caller, Some(person)), (operation, About::Connection(scope)), of_person).await
    }

    /// Seals a grant, and puts on record that it is given.
    pub(crate) async fn give(
        &self,
        mut grant: Grant,
        operation: Operation,
        (policies, detail): (Vec<String>, String),
    ) -> Result<Grant, VaultError> {
        self.gate.seal(&mut grant);
        let object = object(&grant.scope.tenant, &grant.scope.connection);
        let event = AuditEvent::new(grant.principal.clone(), operation, object, Outcome::Done);
        let event = AuditEvent { grant: Some(grant.id), policies, detail, ..event };
        self.gate.handles().audit.record(event).await?;
        Ok(grant)
    }
}

/// Actions, as the record names them.
pub(crate) fn named(actions: &[Action]) -> String {
    actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ")
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
