//! One connection's part of the stores, and what can be done there on a grant.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{Action, Clock, DataKeyId, DataKeys, Grant, Rng, Scope};

use crate::commit::{self, CommitName, Generation, Head};
use crate::error::{RepositoryError, Result};
use crate::heads::{self, Ground, Lease};
use crate::keyring::{DATA_KEYS, Keyring, sealed_under};
use crate::limits::Limits;
use crate::reader::Reader;
use crate::store::{Area, Stores};
use crate::view::Segments;
use crate::writer::Writer;

/// One connection's history in the stores.
#[derive(Clone)]
pub struct Repository {
    pub(crate) scope: Scope,
    pub(crate) objects: Area,
    pub(crate) keys_area: Area,
    keys: Arc<dyn DataKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
}

impl Repository {
    /// Names the place; reads nothing.
    #[must_use]
    pub fn new(
        stores: &Stores,
        scope: Scope,
        keys: Arc<dyn DataKeys>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        let objects = Area::new(&stores.objects, &scope);
        let keys_area = Area::new(&stores.keys, &scope);
        Self { scope, objects, keys_area, keys, clock, rng }
    }

    /// Closes blocks and objects at other sizes.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.objects.limits = limits;
        self
    }

    pub(crate) fn keyring(&self, grant: &Grant, action: Action) -> Result<Arc<Keyring>> {
        let keyring = Keyring::new(
            self.scope.clone(),
            grant.clone(),
            action,
            Arc::clone(&self.keys),
            Arc::clone(&self.clock),
            self.keys_area.clone(),
            self.objects.clone(),
        )?;
        Ok(Arc::new(keyring))
    }

    pub(crate) fn segments(&self, grant: &Grant, action: Action) -> Result<Arc<Segments>> {
        Ok(Arc::new(Segments::new(&self.keyring(grant, action)?, &self.objects)))
    }

    /// The connection's wrapped data keys, by id.
    ///
    /// # Errors
    /// When the key store cannot be read.
    pub async fn wrapped_keys(&self) -> Result<Vec<(DataKeyId, Vec<u8>)>> {
        let mut keys = Vec::new();
        for object in self.keys_area.list(DATA_KEYS).await? {
            let id = object.name.rsplit('/').next().unwrap_or_default().parse()?;
            keys.push((id, self.keys_area.get(&object.name).await?.to_vec()));
        }
        Ok(keys)
    }

    /// The data keys under which commits of the history open, from the newest commit back to where every wrapped key
    /// is proven, or to the first.
    ///
    /// # Errors
    /// When a commit does not verify.
    pub async fn proven_keys(&self, grant: &Grant, action: Action) -> Result<BTreeSet<DataKeyId>> {
        let keyring = self.keyring(grant, action)?;
        let wrapped: BTreeSet<DataKeyId> = self.wrapped_keys().await?.into_iter().map(|(id, _)| id).collect();
        let mut proven = BTreeSet::new();
        let mut here = commit::list(&self.objects).await?.pop();
        while let Some(name) = here.filter(|_| !wrapped.is_subset(&proven)) {
            let commit = commit::read(&keyring, &self.objects, &name).await?;
            proven.insert(sealed_under(&self.objects, &name).await?);
            here = commit.parent().cloned();
        }
        Ok(proven)
    }

    /// Puts a data key's new wrapping in the place of its old one.
    ///
    /// The caller must have seen a commit of this connection open under that key ([`Repository::proven_keys`]): a
    /// wrapped key proves nothing about who made it.
    ///
    /// # Errors
    /// When the key store cannot be written; the old wrapping then still stands.
    pub async fn replace_wrapped_key(&self, id: DataKeyId, wrapped: Vec<u8>) -> Result<()> {
        self.keys_area.replace(&format!("{DATA_KEYS}/{id}"), wrapped).await
    }

    /// The newest commit; `None` where nothing was ever written.
    ///
    /// # Errors
    /// When the newest does not verify: an older one is never taken instead.
    pub async fn head(&self, grant: &Grant, action: Action) -> Result<Option<Head>> {
        commit::newest(&self.keyring(grant, action)?, &self.objects).await
    }

    /// Opens the history for reading, at its head.
    ///
    /// `known` is a head that somebody else remembers (the catalog, a person): a store that has fallen behind
    /// it, or holds another history, is refused as rolled back.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] where nothing was ever written.
    pub async fn reader(&self, grant: &Grant, action: Action, known: Option<&CommitName>) -> Result<Reader> {
        let segments = self.segments(grant, action)?;
        let head = commit::newest(&segments.keyring, &self.objects).await?;
        self.check_known(&segments.keyring, head.as_ref(), known).await?;
        let head = head.ok_or_else(|| self.nothing_written())?;
        Ok(Reader::new(segments, self.keys_area.clone(), head))
    }

    pub(crate) fn nothing_written(&self) -> RepositoryError {
        RepositoryError::NotFound(format!("any snapshot of connection `{}`", self.scope.connection))
    }

    pub(crate) async fn check_known(
        &self,
        keyring: &Arc<Keyring>,
        head: Option<&Head>,
        known: Option<&CommitName>,
    ) -> Result<()> {
        let Some(known) = known else { return Ok(()) };
        let rolled_back = |detail: String| RepositoryError::Damaged {
            object: self.objects.full(commit::COMMITS),
            detail: format!("the store was rolled back: {detail}"),
        };
        let Some(head) = head else {
            return Err(rolled_back(format!("snapshot {} is known and no snapshot is there", known.number)));
        };
        if head.name.number < known.number {
            return Err(rolled_back(format!(
                "snapshot {} is known and the newest there is {}",
                known.number, head.name.number
            )));
        }
        let at_known = commit::find(keyring, &self.objects, head, |number, _| number <= known.number).await?;
        if at_known.is_none_or(|found| found.name != *known) {
            return Err(rolled_back(format!("snapshot {} there is not the one that is known", known.number)));
        }
        Ok(())
    }

    /// Begins a snapshot that follows the newest one in the store. `generation` comes with the lease.
    ///
    /// For a place where nobody but the store knows of this connection; else see [`Repository::begin`].
    ///
    /// # Errors
    /// As [`Repository::reader`]; a store without any snapshot is fine here unless one is known.
    pub async fn writer(
        &self,
        grant: &Grant,
        generation: Generation,
        known: Option<&CommitName>,
    ) -> Result<Writer> {
        let segments = self.segments(grant, Action::Backup)?;
        let lease = Lease { generation, heads: None };
        let ground = heads::ground(&segments.keyring, &self.objects, &lease).await?;
        self.check_known(&segments.keyring, ground.parent.as_ref(), known).await?;
        self.writer_on(segments, ground, lease).await
    }

    /// Begins a snapshot that follows the catalog's head, or what is adopted in its place.
    ///
    /// # Errors
    /// [`RepositoryError::Conflict`] where the lease is not the newest; [`RepositoryError::Damaged`] where the
    /// store has fallen behind the catalog.
    pub async fn begin(&self, grant: &Grant, lease: &Lease) -> Result<Writer> {
        let segments = self.segments(grant, Action::Backup)?;
        let ground = heads::ground(&segments.keyring, &self.objects, lease).await?;
        self.writer_on(segments, ground, lease.clone()).await
    }

    async fn writer_on(&self, segments: Arc<Segments>, ground: Ground, lease: Lease) -> Result<Writer> {
        let (clock, rng) = (Arc::clone(&self.clock), Arc::clone(&self.rng));
        Writer::begin(segments, &self.keys_area, clock, rng, ground, lease).await
    }
}
