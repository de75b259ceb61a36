//! The connection's data keys, opened as long as needed and no longer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Action, Clock, DataKey, DataKeyId, DataKeys, Grant, HashPurpose, KeyError, KeyedHash, ObjectPurpose,
    Salt, Scope, SealingKey,
};
use tokio::sync::Mutex;

use crate::commit::{self, COMMITS, CommitName};
use crate::error::{RepositoryError, Result};
use crate::inspect::integrity;
use crate::object::{HEADER_LEN, opening, read_header};
use crate::store::Area;

/// An opened key is asked for anew after this time, well before the vault ends it (60 s).
const RENEW_AFTER: Duration = Duration::from_secs(25);

/// One use of a key asks for it at most so often. Each time before the last, this process must have stood still for a
/// minute just between asking and using.
const ASKED_MAX: usize = 8;

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
    /// Checks that the grant allows `action` here. The vault checks the grant itself, and its time, when a key is opened.
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
        grant.covers(action, &scope)?;
        let (opened, current) = (Mutex::default(), Mutex::default());
        Ok(Self { scope, grant, keys, clock, area, objects, opened, current })
    }

    /// Does something with a data key: the only way to one. This process may have stood still since the key was opened,
    /// and its time be over: then the vault is asked anew, and what it refuses stays refused.
    ///
    /// `work` is then done again from its beginning, so it must change nothing before its last use of the key; a key that
    /// has ended leaves a text as it is. To seal again is safe: the same text in the same place, under the same key, gives
    /// the same bytes.
    pub(crate) async fn with<T>(
        &self,
        id: DataKeyId,
        mut work: impl FnMut(&dyn DataKey) -> Result<T, KeyError>,
    ) -> Result<T> {
        let mut asked = 1;
        loop {
            let key = self.key(id).await?;
            match work(&*key) {
                Err(KeyError::Expired) if asked < ASKED_MAX => self.forget(&key).await,
                done => return Ok(done?),
            }
            asked += 1;
        }
    }

    /// The key, opened not long ago.
    async fn key(&self, id: DataKeyId) -> Result<Arc<dyn DataKey>> {
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
        let key = opened_key.map_err(|error| opening(&object, error.into()))?;
        if key.id() != id {
            return Err(RepositoryError::damaged(&object, "it holds another key than its name says"));
        }
        opened.insert(id, (since, Arc::clone(&key)));
        Ok(key)
    }

    /// Forgets an opened key, unless another was opened in its place by now.
    async fn forget(&self, ended: &Arc<dyn DataKey>) {
        self.opened.lock().await.retain(|_, (_, key)| !Arc::ptr_eq(key, ended));
    }

    /// The key for new objects: that of the newest commit. Where there is no commit yet, one that the vault opens;
    /// made, and stored durably, where there is none that opens.
    ///
    /// What else lies in the key store does not count, however new it is: whoever can write there can put there what
    /// they like.
    pub(crate) async fn current(&self) -> Result<DataKeyId> {
        let mut current = self.current.lock().await;
        if let Some(id) = *current {
            return Ok(id);
        }
        let id = match self.in_use().await? {
            Some(id) => id,
            None => {
                let since = self.clock.monotonic();
                let new = self.keys.create(&self.grant, &self.scope).await?;
                let id = new.key.id();
                self.area.put_new(&format!("{DATA_KEYS}/{id}"), new.wrapped).await?;
                self.opened.lock().await.insert(id, (since, new.key));
                id
            }
        };
        *current = Some(id);
        Ok(id)
    }

    async fn in_use(&self) -> Result<Option<DataKeyId>> {
        let mut refused = None;
        let names = commit::list(&self.objects).await?;
        let top = names.last().map_or(0, |name| name.number.0);
        // A commit with the greatest number may be a loser's, and damaged: one before it will do. Farther back
        // nobody passes over damage.
        for name in names.iter().rev().take_while(|name| name.number.0.saturating_add(1) >= top) {
            let opened = async {
                let id = sealed_under(&self.objects, name).await?;
                self.key(id).await.map(|_| id)
            };
            match opened.await {
                Ok(id) => return Ok(Some(id)),
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
                    Ok(_) => return Ok(Some(id)),
                    Err(error) => drop(integrity(error)?),
                }
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// A hash function of this connection.
    pub(crate) async fn keyed_hash(&self, id: DataKeyId, purpose: HashPurpose) -> Result<Arc<dyn KeyedHash>> {
        self.with(id, |key| key.keyed_hash(purpose).map(Arc::from)).await
    }
}

/// The data key that a commit names in its header.
pub(crate) async fn sealed_under(objects: &Area, name: &CommitName) -> Result<DataKeyId> {
    let object = format!("{COMMITS}/{name}");
    let header_len = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
    let header = objects.get_range(&object, 0..header_len).await?;
    Ok(read_header(&objects.full(&object), &header, ObjectPurpose::Commit)?.0)
}

/// The key of one object.
#[derive(Debug)]
pub(crate) struct ObjectKey {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) data_key: DataKeyId,
    purpose: ObjectPurpose,
    pub(crate) salt: Salt,
}

impl ObjectKey {
    pub(crate) fn new(
        keyring: Arc<Keyring>,
        data_key: DataKeyId,
        purpose: ObjectPurpose,
        salt: Salt,
    ) -> Self {
        Self { keyring, data_key, purpose, salt }
    }

    /// Replaces the plaintext by ciphertext and tag. No two texts may have one number.
    pub(crate) async fn seal(&self, number: u64, aad: &[u8], text: &mut Vec<u8>) -> Result<()> {
        self.with(|key| key.seal(number, aad, text)).await
    }

    /// Replaces ciphertext and tag by the plaintext. [`opening`] names the object in what goes wrong.
    pub(crate) async fn open(&self, number: u64, aad: &[u8], text: &mut Vec<u8>) -> Result<()> {
        self.with(|key| key.open(number, aad, text)).await
    }

    /// Derived for each block: that costs a microsecond.
    async fn with(&self, mut work: impl FnMut(&dyn SealingKey) -> Result<(), KeyError>) -> Result<()> {
        self.keyring.with(self.data_key, |key| work(&*key.object_key(self.purpose, &self.salt)?)).await
    }
}
