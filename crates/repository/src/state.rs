//! State that is not a cache: the id ledger, schedules, holds. Sealed into the key store at each change.

use std::collections::BTreeMap;

use domain::{Action, Grant, Id128, ObjectPurpose, Salt};

use crate::connection::Repository;
use crate::error::{RepositoryError, Result};
use crate::object::{read_whole, seal_whole};

/// How the name of a state ends that holds records as they were before something overwrote them. An erasure deletes
/// every one of these.
pub const SAVED: &str = "-before";
/// Name of a piece of state that is written to learn what time the key store has.
const STORE_TIME: &str = "collection-time";
/// Folder of the state, in the key store.
pub(crate) const STATE: &str = "state";

impl Repository {
    /// The newest version of a named piece of state.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub async fn state(&self, grant: &Grant, action: Action, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.dated_state(grant, action, name).await?.map(|(plain, _)| plain))
    }

    /// The names of the pieces of state that begin so, in order.
    ///
    /// # Errors
    /// When the key store cannot be listed.
    pub async fn state_names(&self, beginning: &str) -> Result<Vec<String>> {
        Ok(self.state_ages(beginning, 0).await?.into_keys().collect())
    }

    /// The same, with how many seconds before `now_second` the store says that each was last written.
    ///
    /// # Errors
    /// When the key store cannot be listed.
    pub async fn state_ages(&self, beginning: &str, now_second: i64) -> Result<BTreeMap<String, i64>> {
        let mut ages = BTreeMap::new();
        for object in self.keys_area.list(STATE).await? {
            let name = object.name.split('/').nth(1).filter(|name| name.starts_with(beginning));
            if let Some(name) = name {
                let age = now_second.saturating_sub(object.modified_second);
                let youngest = ages.entry(name.to_owned()).or_insert(age);
                *youngest = age.min(*youngest);
            }
        }
        Ok(ages)
    }

    /// What time it is for ages of what lies in the key store: by its own clock or by ours, whichever is behind. One of
    /// them that is wrong makes nothing older than it is.
    ///
    /// # Errors
    /// When the key store fails. Who asks holds the connection's lease.
    pub async fn store_second(&self, grant: &Grant, action: Action) -> Result<i64> {
        let now = self.clock.now();
        self.put_state(grant, action, STORE_TIME, now.to_string().as_bytes()).await?;
        let written = self.dated_state(grant, action, STORE_TIME).await?;
        Ok(written.map_or(i64::MIN, |(_, modified_second)| modified_second).min(now.as_second()))
    }

    /// Deletes a named piece of state. Answers how many objects and bytes that were. Who deletes holds the connection's
    /// lease.
    ///
    /// # Errors
    /// When the grant does not allow it, or the key store fails: it may be there still, in whole.
    pub async fn delete_state(&self, grant: &Grant, action: Action, name: &str) -> Result<(u64, u64)> {
        self.keyring(grant, action)?;
        let (mut objects, mut bytes) = (0, 0);
        // The oldest first: what is left of an interrupted deletion is the newest.
        for object in self.keys_area.list(&format!("{STATE}/{name}")).await? {
            self.keys_area.delete(&object.name).await?;
            (objects, bytes) = (objects + 1, bytes + object.size);
        }
        Ok((objects, bytes))
    }

    /// As [`Repository::state`], and the second in which the store says that it was written.
    pub(crate) async fn dated_state(
        &self,
        grant: &Grant,
        action: Action,
        name: &str,
    ) -> Result<Option<(Vec<u8>, i64)>> {
        let keyring = self.keyring(grant, action)?;
        let Some(newest) = self.keys_area.list(&format!("{STATE}/{name}")).await?.pop() else {
            return Ok(None);
        };
        let purpose = ObjectPurpose::State;
        let plain = read_whole(&keyring, &self.keys_area, purpose, &newest.name, &newest.name).await?;
        Ok(Some((plain, newest.modified_second)))
    }

    /// Stores a new version of a named piece of state, durably, and deletes the ones before. Who writes holds
    /// the connection's lease.
    ///
    /// # Errors
    /// When the key store fails: the version before then still stands, or this one does.
    /// [`RepositoryError::Conflict`] where somebody else has written in the meantime.
    pub async fn put_state(&self, grant: &Grant, action: Action, name: &str, plain: &[u8]) -> Result<()> {
        let keyring = self.keyring(grant, action)?;
        let data_key = keyring.current().await?;
        let folder = format!("{STATE}/{name}");
        let older = self.keys_area.list(&folder).await?;
        let last = older.last().and_then(|object| {
            let file = object.name.rsplit('/').next()?;
            file.split('-').next()?.parse::<u64>().ok()
        });
        let next = last.map_or(Some(0), |last| last.checked_add(1)).ok_or_else(|| {
            RepositoryError::damaged(&self.keys_area.full(&folder), "a name there has the highest number")
        })?;
        let mut salt = Salt([0; 32]);
        self.rng.fill(&mut salt.0);
        let mut id = [0; 16];
        self.rng.fill(&mut id);
        let object = format!("{folder}/{:020}-{}", next, Id128(id));
        let sealed = seal_whole(&keyring, data_key, ObjectPurpose::State, salt, &object, plain).await?;
        self.keys_area.put_new(&object, sealed).await?;
        if self.keys_area.list(&folder).await?.last().is_none_or(|newest| newest.name != object) {
            return Err(RepositoryError::Conflict(format!("somebody else has written the state `{name}`")));
        }
        for object in older {
            self.keys_area.delete(&object.name).await?;
        }
        Ok(())
    }
}
