//! Lists that are sealed into the key store piece by piece, so that neither their length nor the memory of this machine
//! limits what can be restored.

use domain::{Action, Id128, Scope};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cell::Cell;
use crate::error::{FlowError, Result};

/// How much a restore holds before it is sealed. Tests lower both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A piece of what is saved, of the report or of the id ledger is closed at so many bytes of JSON.
    pub piece_len: usize,
    /// So many new ids are sealed at once, however short ago others were.
    pub ids_open_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { piece_len: 8 * 1024 * 1024, ids_open_max: 500 }
    }
}

/// The sealed state of the connection that is restored from. Whoever writes holds its lease.
#[derive(Clone, Copy)]
pub(super) struct States<'a> {
    pub(super) cell: &'a Cell,
    pub(super) scope: &'a Scope,
}

impl States<'_> {
    pub(super) async fn put(&self, name: &str, text: &[u8]) -> Result<()> {
        let grant = self.cell.grant(self.scope, &[Action::Restore], "seal what a restore knows").await?;
        Ok(self.cell.repository(self.scope).put_state(&grant, Action::Restore, name, text).await?)
    }

    pub(super) async fn put_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        self.put(name, &json(name, value)?).await
    }

    /// Deletes a state; it may be gone already. Answers how many objects and bytes that were.
    pub(super) async fn delete(&self, name: &str) -> Result<(u64, u64)> {
        let grant = self.cell.grant(self.scope, &[Action::Restore], "forget what a restore knew").await?;
        Ok(self.cell.repository(self.scope).delete_state(&grant, Action::Restore, name).await?)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, name: &str, action: Action) -> Result<Option<T>> {
        let grant = self.cell.grant(self.scope, &[action], "read what a restore knows").await?;
        let text = self.cell.repository(self.scope).state(&grant, action, name).await?;
        let read = text.map(|text| serde_json::from_slice(&text)).transpose();
        read.map_err(|error| FlowError::Integrity(format!("the state `{name}` is damaged: {error}")))
    }
}

/// The restore that a state belongs to, by its name.
pub(super) fn restore_of(name: &str) -> Option<Id128> {
    name.strip_prefix("restore-")?.split('-').next()?.parse().ok()
}

fn json(name: &str, value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| FlowError::Input(format!("`{name}` cannot be written as JSON: {error}")))
}

/// The name of what a restore seals.
pub(super) fn state_name(restore: Id128, what: &str) -> String {
    format!("restore-{restore}-{what}")
}

/// The name of a piece: it ends as that of the whole does, by which an erasure knows what to delete.
pub(super) fn piece_name(restore: Id128, piece: u64, what: &str) -> String {
    format!("restore-{restore}-{piece:06}-{what}")
}

/// A list of a restore on its way into pieces.
pub(super) struct Pieces<'a> {
    states: States<'a>,
    restore: Id128,
    what: &'static str,
    piece_len: usize,
    text: Vec<u8>,
    /// Pieces that are sealed.
    sealed: u64,
}

impl<'a> Pieces<'a> {
    /// Goes on after so many pieces.
    pub(super) fn after(
        sealed: u64,
        states: States<'a>,
        restore: Id128,
        what: &'static str,
        limits: &Limits,
    ) -> Self {
        Self { states, restore, what, piece_len: limits.piece_len, text: Vec::new(), sealed }
    }

    /// Adds an element; seals a piece that is full by that.
    pub(super) async fn push(&mut self, element: &impl Serialize) -> Result<()> {
        self.text.push(if self.text.is_empty() { b'[' } else { b',' });
        self.text.append(&mut json(self.what, element)?);
        if self.text.len() >= self.piece_len { self.seal().await } else { Ok(()) }
    }

    async fn seal(&mut self) -> Result<()> {
        self.text.push(b']');
        self.states.put(&piece_name(self.restore, self.sealed, self.what), &self.text).await?;
        self.text.clear();
        self.sealed += 1;
        Ok(())
    }

    /// Seals what is left, and tells how many pieces there are.
    pub(super) async fn end(mut self) -> Result<u64> {
        if !self.text.is_empty() {
            self.seal().await?;
        }
        Ok(self.sealed)
    }
}

/// The elements of a piece that is there.
pub(super) async fn read_piece<T: DeserializeOwned>(
    states: &States<'_>,
    restore: Id128,
    piece: u64,
    what: &str,
    action: Action,
) -> Result<Vec<T>> {
    let name = piece_name(restore, piece, what);
    let found = states.get(&name, action).await?;
    found.ok_or_else(|| FlowError::Integrity(format!("the state `{name}` is missing")))
}
