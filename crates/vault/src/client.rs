//! The vault as everybody else knows it: in this process, or in another that a channel leads to.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    Action, Clock, DataKey, DataKeys, Grant, Id128, KeyError, NewDataKey, Personal, Principal, Rng, Role,
    Scope, SigningKey,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use transport::{CallError, Channel, Routes};

use crate::calls::{self, Failure as _, OpenedMaterial, Question};
use crate::cipher::key_bytes;
use crate::data_key::{KeyMaterial, OpenedKey};
use crate::encoding::HexBytes;
use crate::error::{VaultError, VaultErrorKind};
use crate::gate::{Caller, Serving};
use crate::hosts::Host;
use crate::operator::OperatorKey;
use crate::orders::Order;
use crate::personal::{Erased, Month, OPENED_MAX, Opened};
use crate::recovery::RecoveryKey;
use crate::root_seal::SealedBy;
use crate::rotation::KeyVersions;
use crate::secret::{Passphrase, Secret};
use crate::signing::pair;
use crate::standing::Standing;
use crate::vault::Vault;
use crate::wrapped::WrappedDataKey;

/// So often a question is asked again that was not answered.
const ASKED_AGAIN_MAX: u32 = 5;

enum Way {
    /// In this process.
    Here(Arc<Vault>),
    /// In another.
    There(Arc<Channel>),
    /// In another, for whoever has more than one role: a test of all that a vault answers.
    ThereAs(Vec<Arc<Channel>>),
}

struct Inner {
    way: Way,
    id: Id128,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// A way to a vault. Every answer is on its record before it is given.
#[derive(Clone)]
pub struct Client(Arc<Inner>, Arc<Standing>);

/// What a vault answers to other processes.
#[must_use]
pub fn routes(vault: &Arc<Vault>) -> Routes {
    calls::routes(vault)
}

impl Client {
    /// The way to a vault in this process.
    #[must_use]
    pub fn of(vault: Arc<Vault>) -> Self {
        let handles = vault.gate.handles();
        let (id, clock, rng) = (vault.id(), Arc::clone(&handles.clock), Arc::clone(&handles.rng));
        Self(Arc::new(Inner { way: Way::Here(vault), id, clock, rng }), Arc::default())
    }

    /// The way to the vault at the other end of a channel.
    #[must_use]
    pub fn over(channel: Arc<Channel>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        let id = channel.cell();
        Self(Arc::new(Inner { way: Way::There(channel), id, clock, rng }), Arc::default())
    }

    /// The way to the vault at the other end of channels, each for what their owner's role may ask.
    #[doc(hidden)]
    #[must_use]
    pub fn over_each(
        channels: Vec<Arc<Channel>>,
        id: Id128,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        Self(Arc::new(Inner { way: Way::ThereAs(channels), id, clock, rng }), Arc::default())
    }

    /// The same way, for work on which these orders stand: where a grant for it comes to its end, the next one is asked for, and
    /// counts in its place.
    #[must_use]
    pub fn on_orders(&self, orders: Vec<Order>) -> Self {
        Self(Arc::clone(&self.0), Arc::new(Standing::on(orders)))
    }

    /// A grant on an order that stands, for whoever begins with work that it is for.
    ///
    /// # Errors
    /// Not found where no such order stands; refused where the policies do not permit it any more.
    pub async fn grant_on(&self, order: Id128) -> Result<Grant, VaultError> {
        self.ask(calls::RenewGrant { order }).await
    }

    /// The grant, or that which has come in its place.
    async fn newest(&self, grant: &Grant) -> Grant {
        self.1.newest(grant, &self.0.clock, |order| self.ask(calls::RenewGrant { order })).await
    }

    async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Q::Error> {
        let channel = match &self.0.way {
            Way::Here(vault) => return question.answer(Arc::clone(vault), Caller::Own).await,
            Way::There(channel) => Some(channel),
            Way::ThereAs(channels) => channels.iter().find(|one| Q::CALLERS.contains(&one.own().name())),
        };
        let Some(channel) = channel else {
            return Err(Q::Error::unanswered(&CallError::Refused {
                to: Role::Vault,
                why: format!("`{}` is for none of the roles that this process has", Q::NAME),
            }));
        };
        let mut tried = 0;
        loop {
            match channel.call(&question).await {
                Ok(answered) => return answered.map_err(Q::Error::from_refusal),
                // It may have died with the question under way, and have been started again.
                Err(CallError::Unreachable { .. }) if Q::AGAIN && tried < ASKED_AGAIN_MAX => tried += 1,
                Err(error) => return Err(Q::Error::unanswered(&error)),
            }
        }
    }

    /// Which vault it is.
    #[must_use]
    pub fn id(&self) -> Id128 {
        self.0.id
    }

    /// The versions of its keys.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn key_versions(&self) -> Result<KeyVersions, VaultError> {
        self.ask(calls::Versions {}).await
    }

    /// By what its root key is sealed.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn sealed_by(&self) -> Result<SealedBy, VaultError> {
        self.ask(calls::RootSealedBy {}).await
    }

    /// The orders that stand.
    ///
    /// # Errors
    /// When the vault does not answer, and when their list is damaged.
    pub async fn orders(&self) -> Result<Vec<Order>, VaultError> {
        self.ask(calls::ListOrders {}).await
    }

    /// The hosts of the cell.
    ///
    /// # Errors
    /// When the vault does not answer, and when their list is damaged.
    pub async fn hosts(&self) -> Result<Vec<Host>, VaultError> {
        self.ask(calls::ListHosts {}).await
    }

    /// Seals a text that an event of the trail is to have, to the key of this month.
    ///
    /// # Errors
    /// When the vault does not answer, or could not make a key.
    pub async fn seal_personal(&self, text: &str) -> Result<Personal, VaultError> {
        const FAILED: VaultError = VaultError::Crypto("what is personal could not be sealed");
        let key = self.ask(calls::PersonalKey {}).await?;
        key.seal(self.id(), text, &*self.0.rng).map_err(|_| FAILED)
    }

    /// The key that signs the trail's log.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub async fn log_key(&self) -> Result<Arc<dyn SigningKey>, VaultError> {
        const FAILED: VaultError = VaultError::Crypto("a key could not be used");
        let seed = self.ask(calls::LogKey {}).await?;
        pair(&key_bytes(seed.as_ref()).ok_or(FAILED)?).map_err(|_| FAILED)
    }

    /// Signs the local operator in: the operator key answers a challenge.
    ///
    /// # Errors
    /// [`VaultError::NotOperator`] for the key of another vault; and when the record cannot be written.
    pub async fn sign_in(&self, key: OperatorKey) -> Result<SignedIn, VaultError> {
        self.sign_in_with(Proof { key, passphrase: None }).await
    }

    /// Signs the local operator in to a vault that asks for the passphrase too.
    ///
    /// # Errors
    /// As [`Client::sign_in`]; [`VaultError::WrongPassphrase`] for another passphrase.
    pub async fn sign_in_knowing(&self, key: OperatorKey, passphrase: Knows) -> Result<SignedIn, VaultError> {
        self.sign_in_with(Proof { key, passphrase: Some(passphrase) }).await
    }

    async fn sign_in_with(&self, proof: Proof) -> Result<SignedIn, VaultError> {
        let calls::Session { principal, token } = self.prove(&proof).await?;
        Ok(SignedIn { client: self.clone(), proof, principal, token: Mutex::new(token) })
    }

    async fn prove(&self, Proof { key, passphrase }: &Proof) -> Result<calls::Session, VaultError> {
        const FAILED: VaultError = VaultError::Crypto("a challenge has a wrong length");
        let challenge = self.ask(calls::Challenge {}).await?;
        let bytes = key_bytes(challenge.as_ref()).ok_or(FAILED)?;
        let answer = key.answer(self.0.id, &bytes)?.into();
        let passphrase = passphrase.as_ref().map(|passphrase| passphrase()).transpose()?;
        let passphrase = passphrase.map(|passphrase| passphrase.expose_secret().into());
        self.ask(calls::SignIn { challenge, answer, passphrase }).await
    }

    fn opened(&self, opened: &OpenedMaterial) -> Result<Arc<dyn DataKey>, KeyError> {
        let material = KeyMaterial::from_bytes(opened.material.as_ref()).ok_or(KeyError::DoesNotOpen)?;
        let serving = Serving::begin(Arc::clone(&self.0.clock), opened.serves);
        Ok(Arc::new(OpenedKey::new(opened.kid, material, Arc::clone(&self.0.rng), serving)?))
    }

    fn made(&self, made: calls::MadeMaterial) -> Result<NewDataKey, KeyError> {
        Ok(NewDataKey { key: self.opened(&made.opened)?, wrapped: made.wrapped.into_bytes() })
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
        let (grant, scope, previous) = (self.newest(grant).await, scope.clone(), previous.into());
        self.made(self.ask(calls::CreateNextDataKey { grant, scope, previous }).await?)
    }

    /// Wraps a data key for this vault that was wrapped for another, by the recovery key: for a cell that is set
    /// up again from its stores. Id, data key and hash key stay. The recovery key does not leave this process.
    ///
    /// Whoever knows the recovery key's public half can make a wrapped key that opens here. So a caller must
    /// find a commit of the connection whose MAC holds under the key before it stores the new wrapping.
    ///
    /// # Errors
    /// As [`DataKeys::create`]; [`KeyError::Refused`] when the key was not wrapped to this recovery key.
    pub async fn adopt(
        &self,
        grant: &Grant,
        scope: &Scope,
        wrapped: &[u8],
        recovery: &RecoveryKey,
    ) -> Result<Vec<u8>, KeyError> {
        let document = WrappedDataKey::parse(wrapped)?;
        let material = document.recover(scope, &recovery.private)?.to_bytes().into();
        let (grant, scope, kid) = (grant.clone(), scope.clone(), document.kid);
        Ok(self.ask(calls::AdoptDataKey { grant, scope, kid, material }).await?.into_bytes())
    }

    /// Wraps a data key by the newest key, and to the recovery keys, if an older one has wrapped it. `None` if it was the
    /// newest.
    ///
    /// # Errors
    /// As [`DataKeys::open`]: also for a key that this vault has not wrapped.
    pub async fn rewrap(
        &self,
        grant: &Grant,
        scope: &Scope,
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, KeyError> {
        let (grant, scope, wrapped) = (grant.clone(), scope.clone(), wrapped.into());
        let anew = self.ask(calls::RewrapDataKey { grant, scope, wrapped }).await?;
        Ok(anew.map(HexBytes::into_bytes))
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
        let (scope, name, secret) = (scope.clone(), name.to_owned(), secret.expose_secret().into());
        Ok(self.ask(calls::SealCredential { scope, name, secret }).await?.into_bytes())
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
        let (grant, scope) = (self.newest(grant).await, scope.clone());
        let (name, sealed) = (name.to_owned(), sealed.into());
        Ok(Secret::new(self.ask(calls::OpenCredential { grant, scope, name, sealed }).await?.into_bytes()))
    }

    /// Seals a credential by the newest key, if an older one has sealed it. `None` if it was the newest.
    ///
    /// # Errors
    /// As [`Client::open_credential`].
    pub async fn rewrap_credential(
        &self,
        grant: &Grant,
        scope: &Scope,
        name: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, KeyError> {
        let (grant, scope, name, sealed) = (grant.clone(), scope.clone(), name.to_owned(), sealed.into());
        let anew = self.ask(calls::RewrapCredential { grant, scope, name, sealed }).await?;
        Ok(anew.map(HexBytes::into_bytes))
    }
}

fn exposed(passphrase: Option<&Passphrase>) -> Option<HexBytes> {
    passphrase.map(|passphrase| passphrase.expose_secret().into())
}

impl DataKeys for Client {
    fn create<'a>(
        &'a self,
        grant: &'a Grant,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<NewDataKey, KeyError>> {
        async move {
            let (grant, scope) = (self.newest(grant).await, scope.clone());
            self.made(self.ask(calls::CreateDataKey { grant, scope }).await?)
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
            let (grant, scope, wrapped) = (self.newest(grant).await, scope.clone(), wrapped.into());
            self.opened(&self.ask(calls::OpenDataKey { grant, scope, wrapped }).await?)
        }
        .boxed()
    }
}

/// Whoever knows a passphrase, and gives it as often as it is asked for.
pub type Knows = Box<dyn Fn() -> Result<Arc<Passphrase>, VaultError> + Send + Sync>;

/// What the local operator proves who they are with, as often as it takes.
struct Proof {
    key: OperatorKey,
    passphrase: Option<Knows>,
}

/// A principal that has proven who it is to a vault. It does so again where the vault has forgotten it.
pub struct SignedIn {
    client: Client,
    proof: Proof,
    principal: Principal,
    token: Mutex<HexBytes>,
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
    /// [`VaultError::GrantRefused`] without an action, or for longer than [`crate::GRANT_TTL_MAX`]; and when the record
    /// cannot be written.
    pub async fn grant(
        &self,
        scope: &Scope,
        actions: &[Action],
        purpose: &str,
        ttl: Duration,
    ) -> Result<Grant, VaultError> {
        let question = |session| calls::GiveGrant {
            session,
            scope: scope.clone(),
            actions: actions.to_vec(),
            purpose: purpose.to_owned(),
            ttl,
        };
        self.ask(question).await
    }

    /// Gives the vault new keys, beside those that it has. Whoever has it open, this client too, goes on with theirs. A passphrase
    /// is given where one seals the vault.
    ///
    /// # Errors
    /// For another passphrase, and when the vault's file cannot be written or what seals it does not answer: it is then as it
    /// was.
    pub async fn rotate<'a>(
        &self,
        passphrase: impl Into<Option<&'a Passphrase>>,
    ) -> Result<KeyVersions, VaultError> {
        let passphrase = passphrase.into();
        self.ask(|session| calls::Rotate { session, passphrase: exposed(passphrase) }).await
    }

    /// Has the vault forget all keys but the newest. Whatever older ones have wrapped opens no more: see
    /// [`crate::wrapped_by`] and [`crate::sealed_by`].
    ///
    /// # Errors
    /// As [`SignedIn::rotate`]; [`VaultError::InUse`] unless the vault was opened alone.
    pub async fn retire<'a>(
        &self,
        passphrase: impl Into<Option<&'a Passphrase>>,
    ) -> Result<KeyVersions, VaultError> {
        let passphrase = passphrase.into();
        self.ask(|session| calls::Retire { session, passphrase: exposed(passphrase) }).await
    }

    /// Has the vault's root key replaced and sealed by `next` or, without a passphrase there, by the sealer that the vault was
    /// given for it. All other keys stay: copies of the vault's file from before open as they did.
    ///
    /// # Errors
    /// As [`SignedIn::rotate`].
    pub async fn reseal<'a>(
        &self,
        passphrase: impl Into<Option<&'a Passphrase>>,
        next: impl Into<Option<&'a Passphrase>>,
    ) -> Result<SealedBy, VaultError> {
        let (passphrase, next) = (passphrase.into(), next.into());
        let question =
            |session| calls::Reseal { session, passphrase: exposed(passphrase), next: exposed(next) };
        self.ask(question).await
    }

    /// Gives an order: work on the connection goes on when whoever has signed in has gone.
    ///
    /// # Errors
    /// [`VaultError::OrderRefused`] for other actions than [`crate::ORDERED`], for longer than [`crate::ORDER_TTL_MAX`]; and when the
    /// record or the list cannot be written.
    pub async fn order(
        &self,
        scope: &Scope,
        actions: &[Action],
        purpose: &str,
        ttl: Duration,
    ) -> Result<Order, VaultError> {
        let question = |session| calls::GiveOrder {
            session,
            scope: scope.clone(),
            actions: actions.to_vec(),
            purpose: purpose.to_owned(),
            ttl,
        };
        self.ask(question).await
    }

    /// Ends an order. What was given on it ends by itself.
    ///
    /// # Errors
    /// [`VaultError::NoOrder`] where none stands; and when the record or the list cannot be written.
    pub async fn end_order(&self, id: Id128) -> Result<Order, VaultError> {
        self.ask(|session| calls::EndOrder { session, id }).await
    }

    /// Lets one host join the cell, with a process of that role. Answers the invitation's secret, which is good once.
    ///
    /// # Errors
    /// [`VaultError::Host`] for a role whose processes run where the vault does, and for a longer time than
    /// [`crate::INVITATION_TTL_MAX`]; and when the record cannot be written.
    pub async fn invite_host(&self, role: &Role, ttl: Duration) -> Result<Secret, VaultError> {
        let question = |session| calls::InviteHost { session, role: role.to_string(), ttl };
        Ok(Secret::new(self.ask(question).await?.into_bytes()))
    }

    /// Takes a host out of the cell: it gets no certificate any more. The one that it has ends by itself.
    ///
    /// # Errors
    /// [`VaultError::NoHost`] where there is none; and when the list cannot be written.
    pub async fn remove_host(&self, id: Id128) -> Result<Host, VaultError> {
        self.ask(|session| calls::RemoveHost { session, id }).await
    }

    /// Opens what is personal in events of the trail. Answers for each in their order.
    ///
    /// # Errors
    /// When the policies do not permit it, and when the record cannot be written.
    pub async fn open_personal(&self, parts: &[Personal]) -> Result<Vec<Opened>, VaultError> {
        let mut opened = Vec::with_capacity(parts.len());
        for some in parts.chunks(OPENED_MAX) {
            let some = || some.iter().map(|part| (part.key.clone(), part.sealed.as_slice().into())).collect();
            opened.extend(self.ask(|session| calls::OpenPersonal { session, parts: some() }).await?);
        }
        Ok(opened)
    }

    /// Destroys the keys to which was sealed what is personal in the events of all months before one.
    ///
    /// # Errors
    /// As [`SignedIn::open_personal`], and when the file of the keys cannot be written.
    pub async fn erase_personal(&self, before: &Month) -> Result<Erased, VaultError> {
        self.ask(|session| calls::ErasePersonal { session, before: before.clone() }).await
    }

    /// Asks what takes a sign-in; a vault that was opened anew in between knows none from before.
    async fn ask<Q: Question<Error = VaultError>>(
        &self,
        question: impl Fn(HexBytes) -> Q,
    ) -> Result<Q::Answer, VaultError> {
        let token = self.token.lock().await.clone();
        match self.client.ask(question(token)).await {
            Err(error) if error.kind() == VaultErrorKind::SignedOut => {
                let token = self.client.prove(&self.proof).await?.token;
                *self.token.lock().await = token.clone();
                self.client.ask(question(token)).await
            }
            answered => answered,
        }
    }
}
