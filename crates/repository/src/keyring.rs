//! The connection's data keys, opened as long as needed and no longer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Action, Clock, DataKey, DataKeyId, DataKeys, Grant, HashPurpose, KeyedHash, ObjectPurpose, Salt, Scope,
    SealingKey,
};
use tokio::sync::Mutex;

use crate::error::{RepositoryError, Result};
use crate::object::opening;
use crate::store::Area;

/// An opened key is asked for anew after this time, well before the vault ends it (60 s).
const RENEW_AFTER: Duration = Duration::from_secs(25);

/// Folder of the wrapped data keys, in the key store.
pub(crate) const DATA_KEYS: &str = "data-key";

/// When it was opened, and the key.
type Opened = (Duration, Arc<dyn DataKey>);

/// Opens this connection's keys on one grant.
pub(crate) struct Keyring {
    pub(crate) scope: Scope,
    pub(crate) grant: Grant,
    keys: Arc<dyn DataKeys>,
    clock: Arc<dyn Clock>,
    area: Area,
    opened: Mutex<HashMap<DataKeyId, Opened>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Checks that the grant allows `action` here and now. The vault checks the grant itself when a key is opened.
    pub(crate) fn new(
        scope: Scope,
        grant: Grant,
        action: Action,
        keys: Arc<dyn DataKeys>,
        clock: Arc<dyn Clock>,
        area: Area,
    ) -> Result<Self> {
        grant.allows(action, &scope.tenant, &scope.connection, clock.now())?;
        Ok(Self { scope, grant, keys, clock, area, opened: Mutex::default() })
    }

    /// The key that a named object was sealed under.
    pub(crate) async fn key(&self, id: DataKeyId) -> Result<Arc<dyn DataKey>> {
        let mut opened = self.opened.lock().await;
        if let Some((since, key)) = opened.get(&id)
            && self.clock.monotonic().saturating_sub(*since) < RENEW_AFTER
        {
            return Ok(Arc::clone(key));
        }
        let wrapped = self.area.get(&format!("{DATA_KEYS}/{id}")).await?;
        let since = self.clock.monotonic();
        let object = self.area.full(&format!("{DATA_KEYS}/{id}"));
        let opened_key = self.keys.open(&self.grant, &self.scope, &wrapped).await;
        let key = opened_key.map_err(|error| opening(&object, error))?;
        if key.id() != id {
            return Err(RepositoryError::damaged(&object, "it holds another key than its name says"));
        }
        opened.insert(id, (since, Arc::clone(&key)));
        Ok(key)
    }

    /// The id of the key that new objects are sealed under; `None` where the connection has no key yet.
    pub(crate) async fn newest(&self) -> Result<Option<DataKeyId>> {
        // The newest is the one that was written last; ids are random. One key is the rule.
        let mut listed = self.area.list(DATA_KEYS).await?;
        listed.sort_by_key(|object| object.modified_second);
        let Some(object) = listed.last() else { return Ok(None) };
        let id = object.name.rsplit('/').next().unwrap_or_default();
        let id = id.parse().map_err(|_| {
            RepositoryError::damaged(
                &self.area.full(&object.name),
                "it stands among the data keys and is none",
            )
        })?;
        Ok(Some(id))
    }

    /// The key for new objects; made, and stored durably, where there is none yet.
    pub(crate) async fn current(&self) -> Result<Arc<dyn DataKey>> {
        if let Some(id) = self.newest().await? {
            return self.key(id).await;
        }
        let new = self.keys.create(&self.grant, &self.scope).await?;
        self.area.put_new(&format!("{DATA_KEYS}/{}", new.key.id()), new.wrapped).await?;
        self.opened.lock().await.insert(new.key.id(), (self.clock.monotonic(), Arc::clone(&new.key)));
        Ok(new.key)
    }

    /// A hash function of this connection.
    pub(crate) async fn keyed_hash(&self, id: DataKeyId, purpose: HashPurpose) -> Result<Arc<dyn KeyedHash>> {
        Ok(self.key(id).await?.keyed_hash(purpose)?.into())
    }
}

/// The key of one object, derived again whenever it has grown old.
#[derive(Debug)]
pub(crate) struct ObjectKey {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) data_key: DataKeyId,
    purpose: ObjectPurpose,
    pub(crate) salt: Salt,
    derived: Mutex<Option<Derived>>,
}

struct Derived(Duration, Arc<dyn SealingKey>);

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived(…)")
    }
}

impl ObjectKey {
    pub(crate) fn new(
        keyring: Arc<Keyring>,
        data_key: DataKeyId,
        purpose: ObjectPurpose,
        salt: Salt,
    ) -> Self {
        Self { keyring, data_key, purpose, salt, derived: Mutex::new(None) }
    }

    pub(crate) async fn sealing_key(&self) -> Result<Arc<dyn SealingKey>> {
        let mut derived = self.derived.lock().await;
        let now = self.keyring.clock.monotonic();
        if let Some(Derived(since, key)) = derived.as_ref()
            && now.saturating_sub(*since) < RENEW_AFTER
        {
            return Ok(Arc::clone(key));
        }
        let key: Arc<dyn SealingKey> =
            self.keyring.key(self.data_key).await?.object_key(self.purpose, &self.salt)?.into();
        // The data key may be up to RENEW_AFTER old itself; twice that is still within its 60 s.
        *derived = Some(Derived(now, Arc::clone(&key)));
        Ok(key)
    }
}
