//! What may be asked of a vault: each question, who may ask it, and how the vault answers it. Whoever asks in the vault's own
//! process and whoever asks over a channel get the same.

use std::sync::Arc;
use std::time::Duration;

use domain::{About, Action, DataKeyId, Grant, Id128, KeyError, Operation, Principal, RoleName, Scope};
use serde::{Deserialize, Serialize};
use transport::{Call, CallError, Routes};

use crate::data_key::KeyMaterial;
use crate::encoding::HexBytes;
use crate::error::{Told, VaultError};
use crate::gate::Caller;
use crate::hosts::Host;
use crate::orders::{Order, Wanted};
use crate::personal::{Erased, Month, Opened, PublicPersonalKey};
use crate::root_seal::SealedBy;
use crate::rotation::KeyVersions;
use crate::secret::{Passphrase, Secret};
use crate::vault::{MadeKey, Vault};

/// Whoever does for a person what takes no key.
const COMMANDS: &[RoleName] = &[RoleName::Command];
/// Whoever works with connections: each with those of its platform.
const WORKERS: &[RoleName] = &[RoleName::Worker];
/// Both.
const BOTH: &[RoleName] = &[RoleName::Command, RoleName::Worker];
/// Whoever takes events into the trail's log.
const MONITOR: &[RoleName] = &[RoleName::Monitor];

/// How a question can go wrong: as the vault says, or because it could not be asked.
pub(crate) trait Failure<R>: Sized {
    /// As it is sent.
    fn to_refusal(&self) -> R;
    /// As it was sent.
    fn from_refusal(refusal: R) -> Self;
    /// There was no answer.
    fn unanswered(error: &CallError) -> Self;
}

impl Failure<Self> for KeyError {
    fn to_refusal(&self) -> Self {
        self.clone()
    }

    fn from_refusal(refusal: Self) -> Self {
        refusal
    }

    fn unanswered(error: &CallError) -> Self {
        match error {
            CallError::Refused { .. } => Self::Refused(error.to_string()),
            CallError::Unreachable { .. } | CallError::Misunderstood { .. } => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl Failure<Told> for VaultError {
    fn to_refusal(&self) -> Told {
        self.to_told()
    }

    fn from_refusal(refusal: Told) -> Self {
        Self::Told(refusal)
    }

    fn unanswered(error: &CallError) -> Self {
        Self::Unanswered(error.clone())
    }
}

/// A question, and the vault's way to answer it.
pub(crate) trait Question: Call {
    type Error: Failure<Self::Refusal> + Send;

    /// Whether it may be asked again when there was no answer.
    // INVARIANT (asked again): it does no harm then that it was heard the first time.
    const AGAIN: bool = true;

    fn answer(
        self,
        vault: Arc<Vault>,
        caller: Caller,
    ) -> impl Future<Output = Result<Self::Answer, Self::Error>> + Send;
}

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident = $text:literal for $callers:ident { $($field:ident: $type:ty),* $(,)? } -> $answer:ty, $error:ty => $refusal:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Serialize, Deserialize)]
            pub(crate) struct $name { $(pub(crate) $field: $type,)* }

            impl Call for $name {
                const NAME: &'static str = $text;
                const CALLERS: &'static [RoleName] = $callers;
                type Answer = $answer;
                type Refusal = $refusal;
            }
        )*

        /// All that a vault answers.
        pub(crate) fn routes(vault: &Arc<Vault>) -> Routes {
            let routes = Routes::new();
            $(
                let held = Arc::clone(vault);
                let routes = routes.answering(move |peer, question: $name| {
                    let vault = Arc::clone(&held);
                    async move {
                        question.answer(vault, Caller::Process(peer)).await.map_err(|error: $error| error.to_refusal())
                    }
                });
            )*
            routes
        }

        /// Puts a question of that name to a vault. `None` where it cannot be read, else whether it was answered.
        #[cfg(any(test, feature = "fuzzing"))]
        pub(crate) async fn asked(vault: &Arc<Vault>, name: &str, text: &[u8]) -> Option<bool> {
            $(
                if name == $name::NAME {
                    let question: $name = serde_json::from_slice(text).ok()?;
                    return Some(question.answer(Arc::clone(vault), Caller::Own).await.is_ok());
                }
            )*
            None
        }
    };
}

/// A data key that was opened: what it takes to use it, and for how long it may be used.
#[derive(Serialize, Deserialize)]
pub(crate) struct OpenedMaterial {
    pub(crate) kid: DataKeyId,
    pub(crate) material: HexBytes,
    pub(crate) serves: Duration,
}

/// A data key that was made, opened and wrapped.
#[derive(Serialize, Deserialize)]
pub(crate) struct MadeMaterial {
    pub(crate) opened: OpenedMaterial,
    pub(crate) wrapped: HexBytes,
}

/// Who has signed in, and what proves it from then on.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) principal: Principal,
    pub(crate) token: HexBytes,
}

questions! {
    Versions = "vault.versions" for COMMANDS {} -> KeyVersions, VaultError => Told;
    Challenge = "sign_in.challenge" for COMMANDS {} -> HexBytes, VaultError => Told;
    SignIn = "sign_in.answer" for COMMANDS {
        challenge: HexBytes, answer: HexBytes, passphrase: Option<HexBytes>
    } -> Session, VaultError => Told;
    GiveGrant = "grant.give" for COMMANDS {
        session: HexBytes, scope: Scope, actions: Vec<Action>, purpose: String, ttl: Duration,
    } -> Grant, VaultError => Told;
    CreateDataKey = "data_key.create" for WORKERS { grant: Grant, scope: Scope } -> MadeMaterial, KeyError => KeyError;
    CreateNextDataKey = "data_key.create_next" for WORKERS {
        grant: Grant, scope: Scope, previous: HexBytes
    } -> MadeMaterial, KeyError => KeyError;
    OpenDataKey = "data_key.open" for WORKERS { grant: Grant, scope: Scope, wrapped: HexBytes } -> OpenedMaterial, KeyError => KeyError;
    AdoptDataKey = "data_key.adopt" for COMMANDS {
        grant: Grant, scope: Scope, kid: DataKeyId, material: HexBytes
    } -> HexBytes, KeyError => KeyError;
    RewrapDataKey = "data_key.rewrap" for COMMANDS {
        grant: Grant, scope: Scope, wrapped: HexBytes
    } -> Option<HexBytes>, KeyError => KeyError;
    SealCredential = "credential.seal" for BOTH {
        scope: Scope, name: String, secret: HexBytes
    } -> HexBytes, KeyError => KeyError;
    OpenCredential = "credential.open" for BOTH {
        grant: Grant, scope: Scope, name: String, sealed: HexBytes
    } -> HexBytes, KeyError => KeyError;
    RewrapCredential = "credential.rewrap" for COMMANDS {
        grant: Grant, scope: Scope, name: String, sealed: HexBytes
    } -> Option<HexBytes>, KeyError => KeyError;
    /// By what the root key is sealed.
    RootSealedBy = "vault.sealed_by" for COMMANDS {} -> SealedBy, VaultError => Told;
    /// Where a passphrase seals the root key, it is given again; else the vault has a sealer.
    Rotate = "vault.rotate" for COMMANDS { session: HexBytes, passphrase: Option<HexBytes> } -> KeyVersions, VaultError => Told;
    Retire = "vault.retire" for COMMANDS { session: HexBytes, passphrase: Option<HexBytes> } -> KeyVersions, VaultError => Told;
    Reseal = "vault.seal" for COMMANDS {
        session: HexBytes, passphrase: Option<HexBytes>, next: Option<HexBytes>,
    } -> SealedBy, VaultError => Told;
    /// An order on which a worker is given further grants.
    GiveOrder = "order.give" for COMMANDS {
        session: HexBytes, scope: Scope, actions: Vec<Action>, purpose: String, ttl: Duration,
    } -> Order, VaultError => Told;
    RenewGrant = "order.renew" for WORKERS { order: Id128 } -> Grant, VaultError => Told;
    ListOrders = "order.list" for COMMANDS {} -> Vec<Order>, VaultError => Told;
    EndOrder = "order.end" for COMMANDS { session: HexBytes, id: Id128 } -> Order, VaultError => Told;
    /// The secret with which one host may join, with a process of that role.
    InviteHost = "host.invite" for COMMANDS { session: HexBytes, role: String, ttl: Duration } -> HexBytes, VaultError => Told;
    ListHosts = "host.list" for COMMANDS {} -> Vec<Host>, VaultError => Told;
    RemoveHost = "host.remove" for COMMANDS { session: HexBytes, id: Id128 } -> Host, VaultError => Told;
    /// To which is sealed what is personal in an event: the public half, which is nobody's secret.
    PersonalKey = "trail.personal_key" for COMMANDS {} -> PublicPersonalKey, VaultError => Told;
    /// Parts of events, each with the name of its key.
    OpenPersonal = "trail.open" for COMMANDS {
        session: HexBytes, parts: Vec<(String, HexBytes)>
    } -> Vec<Opened>, VaultError => Told;
    ErasePersonal = "trail.erase" for COMMANDS { session: HexBytes, before: Month } -> Erased, VaultError => Told;
    /// The key that signs the log. Whoever sequences the trail has it.
    LogKey = "trail.log_key" for MONITOR {} -> HexBytes, VaultError => Told;
}

impl OpenedMaterial {
    fn new((kid, material): (DataKeyId, KeyMaterial), serves: Duration) -> Self {
        Self { kid, material: material.to_bytes().into(), serves }
    }
}

impl MadeKey {
    fn answered(self, vault: &Vault, grant: &Grant) -> MadeMaterial {
        let opened = OpenedMaterial::new((self.kid, self.material), vault.gate.serves(grant));
        MadeMaterial { opened, wrapped: self.wrapped.into() }
    }
}

impl Question for Versions {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<KeyVersions, VaultError> {
        vault.admit(&caller, Operation::VaultStatus, About::Vault).await?;
        Ok(vault.key_versions())
    }
}

impl Question for Challenge {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<HexBytes, VaultError> {
        vault.admit(&caller, Operation::SignIn, About::Vault).await?;
        Ok(vault.challenge().as_slice().into())
    }
}

impl Question for SignIn {
    type Error = VaultError;

    // A challenge is answered once.
    const AGAIN: bool = false;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Session, VaultError> {
        vault.admit(&caller, Operation::SignIn, About::Vault).await?;
        let passphrase = passphrase(self.passphrase)?;
        let (challenge, answer) = (self.challenge.as_ref(), self.answer.as_ref());
        let (principal, token) = vault.sign_in(challenge, answer, passphrase.as_ref()).await?;
        Ok(Session { principal, token: token.as_slice().into() })
    }
}

impl Question for GiveGrant {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Grant, VaultError> {
        let Self { session, scope, actions, purpose, ttl } = self;
        let principal = vault.signed_in(session.as_ref(), Operation::GrantGive).await?;
        vault.grant((&caller, principal), &scope, &actions, &purpose, ttl).await
    }
}

impl Question for CreateDataKey {
    type Error = KeyError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<MadeMaterial, KeyError> {
        vault
            .create_data_key(&caller, &self.grant, &self.scope)
            .await
            .map(|made| made.answered(&vault, &self.grant))
    }
}

impl Question for CreateNextDataKey {
    type Error = KeyError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<MadeMaterial, KeyError> {
        let made =
            vault.create_next_data_key(&caller, &self.grant, &self.scope, self.previous.as_ref()).await;
        made.map(|made| made.answered(&vault, &self.grant))
    }
}

impl Question for OpenDataKey {
    type Error = KeyError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<OpenedMaterial, KeyError> {
        let opened = vault.open_data_key(&caller, &self.grant, &self.scope, self.wrapped.as_ref()).await?;
        Ok(OpenedMaterial::new(opened, vault.gate.serves(&self.grant)))
    }
}

impl Question for AdoptDataKey {
    type Error = KeyError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<HexBytes, KeyError> {
        let material = KeyMaterial::from_bytes(self.material.as_ref()).ok_or(KeyError::DoesNotOpen)?;
        vault.adopt_data_key(&caller, &self.grant, &self.scope, self.kid, &material).await.map(HexBytes::from)
    }
}

impl Question for RewrapDataKey {
    type Error = KeyError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Option<HexBytes>, KeyError> {
        let anew = vault.rewrap_data_key(&caller, &self.grant, &self.scope, self.wrapped.as_ref()).await?;
        Ok(anew.map(HexBytes::from))
    }
}

impl Question for SealCredential {
    type Error = KeyError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<HexBytes, KeyError> {
        vault
            .seal_credential(&caller, &self.scope, &self.name, self.secret.as_ref())
            .await
            .map(HexBytes::from)
    }
}

impl Question for OpenCredential {
    type Error = KeyError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<HexBytes, KeyError> {
        let Self { grant, scope, name, sealed } = self;
        let opened = vault.open_credential(&caller, &grant, &scope, &name, sealed.as_ref()).await?;
        Ok(opened.expose_secret().into())
    }
}

impl Question for RewrapCredential {
    type Error = KeyError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Option<HexBytes>, KeyError> {
        let Self { grant, scope, name, sealed } = self;
        let anew = vault.rewrap_credential(&caller, &grant, &scope, &name, sealed.as_ref()).await?;
        Ok(anew.map(HexBytes::from))
    }
}

impl Question for RootSealedBy {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<SealedBy, VaultError> {
        vault.admit(&caller, Operation::VaultStatus, About::Vault).await?;
        Ok(vault.sealed_by().clone())
    }
}

/// The passphrase that came with a question.
fn passphrase(bytes: Option<HexBytes>) -> Result<Option<Passphrase>, VaultError> {
    bytes.map(|bytes| Passphrase::from_secret(Secret::new(bytes.into_bytes()))).transpose()
}

impl Question for Rotate {
    type Error = VaultError;

    // Each makes a version.
    const AGAIN: bool = false;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<KeyVersions, VaultError> {
        let person = vault.signed_in(self.session.as_ref(), Operation::VaultRotate).await?;
        vault.admit_custodian(&caller, &person, Operation::VaultRotate).await?;
        vault.rotate(passphrase(self.passphrase)?.as_ref()).await
    }
}

impl Question for Retire {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<KeyVersions, VaultError> {
        let person = vault.signed_in(self.session.as_ref(), Operation::VaultRetire).await?;
        vault.admit_custodian(&caller, &person, Operation::VaultRetire).await?;
        vault.retire(passphrase(self.passphrase)?.as_ref()).await
    }
}

impl Question for Reseal {
    type Error = VaultError;

    // By then it may be sealed by what it was to be sealed by.
    const AGAIN: bool = false;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<SealedBy, VaultError> {
        let person = vault.signed_in(self.session.as_ref(), Operation::VaultSeal).await?;
        vault.admit_custodian(&caller, &person, Operation::VaultSeal).await?;
        let (now, next) = (passphrase(self.passphrase)?, passphrase(self.next)?);
        vault.reseal(now.as_ref(), next.as_ref()).await
    }
}

impl Question for GiveOrder {
    type Error = VaultError;

    // Each gives another.
    const AGAIN: bool = false;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Order, VaultError> {
        let Self { session, scope, actions, purpose, ttl } = self;
        let principal = vault.signed_in(session.as_ref(), Operation::OrderGive).await?;
        let wanted = Wanted { scope: &scope, actions: &actions, purpose: &purpose, ttl };
        vault.give_order((&caller, principal), wanted).await
    }
}

impl Question for RenewGrant {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Grant, VaultError> {
        vault.renew_grant(&caller, self.order).await
    }
}

impl Question for ListOrders {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Vec<Order>, VaultError> {
        vault.admit(&caller, Operation::OrderList, About::Vault).await?;
        vault.orders()
    }
}

impl Question for EndOrder {
    type Error = VaultError;

    // Of one that is gone it says so.
    const AGAIN: bool = false;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Order, VaultError> {
        let person = vault.signed_in(self.session.as_ref(), Operation::OrderEnd).await?;
        vault.end_order((&caller, &person), self.id).await
    }
}

impl Question for InviteHost {
    type Error = VaultError;

    // Each gives another.
    const AGAIN: bool = false;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<HexBytes, VaultError> {
        let person = vault.signed_in(self.session.as_ref(), Operation::HostInvite).await?;
        vault.admit_custodian(&caller, &person, Operation::HostInvite).await?;
        Ok((&vault.invite_host(&person, &self.role, self.ttl).await?).into())
    }
}

impl Question for ListHosts {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Vec<Host>, VaultError> {
        vault.admit(&caller, Operation::HostList, About::Vault).await?;
        vault.hosts()
    }
}

impl Question for RemoveHost {
    type Error = VaultError;

    // Of one that is gone it says so.
    const AGAIN: bool = false;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Host, VaultError> {
        let person = vault.signed_in(self.session.as_ref(), Operation::HostRemove).await?;
        vault.admit_custodian(&caller, &person, Operation::HostRemove).await?;
        vault.remove_host(&person, self.id).await
    }
}

impl Question for PersonalKey {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<PublicPersonalKey, VaultError> {
        vault.admit(&caller, Operation::VaultStatus, About::Vault).await?;
        vault.personal_key().await
    }
}

impl Question for OpenPersonal {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Vec<Opened>, VaultError> {
        let person = vault.signed_in(self.session.as_ref(), Operation::TrailOpen).await?;
        vault.admit_custodian(&caller, &person, Operation::TrailOpen).await?;
        vault.open_personal(&person, &self.parts).await
    }
}

impl Question for ErasePersonal {
    type Error = VaultError;

    // Asked again, it would say that nothing was left to destroy.
    const AGAIN: bool = false;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<Erased, VaultError> {
        let person = vault.signed_in(self.session.as_ref(), Operation::TrailErase).await?;
        vault.admit_custodian(&caller, &person, Operation::TrailErase).await?;
        vault.erase_personal(&person, &self.before).await
    }
}

impl Question for LogKey {
    type Error = VaultError;

    async fn answer(self, vault: Arc<Vault>, caller: Caller) -> Result<HexBytes, VaultError> {
        let policies = vault.admit(&caller, Operation::LogKeyGive, About::Trail).await?;
        vault.record_log_key(policies).await?;
        Ok(vault.log_seed().into())
    }
}
