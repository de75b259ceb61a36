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

use crate::commit::{self, COMMITS, CommitName};
use crate::error::{RepositoryError, Result};
use crate::inspect::integrity;
use crate::object::{HEADER_LEN, opening, read_header};
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
    objects: Area,
    opened: Mutex<HashMap<DataKeyId, Opened>>,
    /// Which key new objects are sealed under, once that is known.
    current: Mutex<Option<DataKeyId>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Checks that the grant allows `action` here and now. The vault checks the grant itself when a key is opened.
    /// `area` is the connection's place in the key store, `objects` that in the object store.
    pub(crate) fn new(
        scope: Scope,
        grant: Grant,
        action: Action,
        keys: Arc<dyn DataKeys>,
        clock: Arc<dyn Clock>,
        area: Area,
        objects: Area,
    ) -> Result<Self> {
        grant.allows(action, &scope.tenant, &scope.connection, clock.now())?;
        let (opened, current) = (Mutex::default(), Mutex::default());
        Ok(Self { scope, grant, keys, clock, area, objects, opened, current })
    }

    /// The key that a named object was sealed under.
    pub(crate) async fn key(&self, id: DataKeyId) -> Result<Arc<dyn DataKey>> {
        let mut opened = self.opened.lock().await;
        let now = self.clock.monotonic();
        // What has grown old is wiped, also where nobody asks for it again.
        opened.retain(|_, (since, _)| now.saturating_sub(*since) < RENEW_AFTER);
        if let Some((_, key)) = opened.get(&id) {
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

    /// The key for new objects: that of the newest commit. Where there is no commit yet, one that the vault opens;
    /// made, and stored durably, where there is none that opens.
    ///
    /// What else lies in the key store does not count, however new it is: whoever can write there can put there what
    /// they like.
    pub(crate) async fn current(&self) -> Result<Arc<dyn DataKey>> {
        let mut current = self.current.lock().await;
        if let Some(id) = *current {
            return self.key(id).await;
        }
        let key = match self.in_use().await? {
            Some(key) => key,
            None => {
                let new = self.keys.create(&self.grant, &self.scope).await?;
                self.area.put_new(&format!("{DATA_KEYS}/{}", new.key.id()), new.wrapped).await?;
                self.opened.lock().await.insert(new.key.id(), (self.clock.monotonic(), Arc::clone(&new.key)));
                new.key
            }
        };
        *current = Some(key.id());
        Ok(key)
    }

    async fn in_use(&self) -> Result<Option<Arc<dyn DataKey>>> {
        let mut refused = None;
        let names = commit::list(&self.objects).await?;
        let top = names.last().map_or(0, |name| name.number.0);
        // A commit with the greatest number may be a loser's, and damaged: one before it will do. Farther back
        // nobody passes over damage.
        for name in names.iter().rev().take_while(|name| name.number.0.saturating_add(1) >= top) {
            let opened = async { self.key(sealed_under(&self.objects, name).await?).await };
            match opened.await {
                Ok(key) => return Ok(Some(key)),
                Err(error) => refused = refused.or(Some(integrity(error)?)),
            }
        }
        if names.is_empty() {
            // Nothing is sealed yet that anybody could miss. A key that does not open here is that of a cell which
            // never finished its first backup: another one is made beside it.
            for object in self.area.list(DATA_KEYS).await? {
                let id = object.name.rsplit('/').next().unwrap_or_default().parse::<DataKeyId>();
                let id = id.map_err(|_| {
                    let full = self.area.full(&object.name);
                    RepositoryError::damaged(&full, "it stands among the data keys and is none")
                })?;
                match self.key(id).await {
                    Ok(key) => return Ok(Some(key)),
                    Err(error) => drop(integrity(error)?),
                }
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// A hash function of this connection.
    pub(crate) async fn keyed_hash(&self, id: DataKeyId, purpose: HashPurpose) -> Result<Arc<dyn KeyedHash>> {
        Ok(self.key(id).await?.keyed_hash(purpose)?.into())
    }
}

/// The data key that a commit names in its header.
pub(crate) async fn sealed_under(objects: &Area, name: &CommitName) -> Result<DataKeyId> {
    let object = format!("{COMMITS}/{name}");
    let header_len = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
    let header = objects.get_range(&object, 0..header_len).await?;
    Ok(read_header(&objects.full(&object), &header, ObjectPurpose::Commit)?.0)
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
