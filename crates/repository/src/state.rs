//! State that is not a cache: the id ledger, schedules, holds. Sealed into the key store at each change.

use domain::{Action, Grant, Id128, ObjectPurpose, Salt};

use crate::connection::Repository;
use crate::error::{RepositoryError, Result};
use crate::object::{read_whole, seal_whole};

/// How the name of a state ends that holds records as they were before something overwrote them. An erasure deletes
/// every one of these.
pub const SAVED: &str = "-before";
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
        let listed = self.keys_area.list(STATE).await?;
        let names = listed.iter().filter_map(|object| object.name.split('/').nth(1));
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with(beginning)).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
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
        let data_key = keyring.current().await?.id();
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
