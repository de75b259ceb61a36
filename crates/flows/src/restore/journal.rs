//! Steps and ids of a restore, durable before and after each; and the media that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use catalog::{LedgerEntry, StepResult, StepState};
use connectors::contract::{Journal, MediaReader, Prior, SpoolError};
use domain::{MediaRef, RecordKey};
use futures::future::BoxFuture;
use repository::{ErrorKind, MediaStore};
use serde_json::Value;

use super::look::Parts;
use super::writes::Writes;
use crate::error::spool_error;

/// Steps of one restore, and how far each is.
pub(super) type Steps = Mutex<BTreeMap<String, StepState>>;

/// Steps of one item, in the catalog.
pub(super) struct CatalogJournal<'a, 'b> {
    pub(super) writes: &'a Writes<'b>,
    pub(super) key: &'a RecordKey,
    /// What the item shall be; its ids are those of the backup.
    pub(super) wanted: &'a Value,
}

/// The name under which a restore notes a step of an item.
fn step_name(key: &RecordKey, step: &str) -> String {
    format!("{} {} {step}", key.kind, key.id)
}

/// Of the steps by which an item or parts of it are made: in which states some are.
pub(super) fn steps_of<'s>(
    steps: &'s BTreeMap<String, StepState>,
    key: &RecordKey,
) -> impl Iterator<Item = StepState> + use<'s> {
    let first = step_name(key, "");
    let theirs = steps.range(first.clone()..).take_while(move |(name, _)| name.starts_with(&first));
    theirs.map(|(_, state)| *state)
}

/// Whether a restore may have made something of the item. What was refused was certainly not done.
pub(super) fn is_begun(steps: &BTreeMap<String, StepState>, key: &RecordKey) -> bool {
    steps_of(steps, key).any(|state| state != StepState::Refused)
}

impl CatalogJournal<'_, '_> {
    fn name(&self, step: &str) -> String {
        step_name(self.key, step)
    }

    fn known(&self, name: &str) -> Option<StepState> {
        self.writes.steps.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// Notes in which state a step is, and its new ids: together, or neither.
    async fn note(
        &self,
        name: String,
        state: StepState,
        entries: Vec<LedgerEntry>,
    ) -> Result<(), SpoolError> {
        let Parts { cell, ask, .. } = self.writes.parts;
        let result = |ledger: Option<LedgerEntry>| StepResult { step: name.clone(), state, ledger };
        let mut results: Vec<StepResult> = entries.into_iter().map(|entry| result(Some(entry))).collect();
        if results.is_empty() {
            results.push(result(None));
        }
        let now = cell.clock.now();
        let noted = cell.catalog.finish_steps(&ask.tenant, self.writes.restore, &results, now).await;
        noted.map_err(spool_error)?;
        self.set(name, state);
        Ok(())
    }

    fn set(&self, name: String, state: StepState) {
        self.writes.steps.lock().unwrap_or_else(PoisonError::into_inner).insert(name, state);
    }
}

impl Journal for CatalogJournal<'_, '_> {
    fn is_in_doubt(&self, step: &str) -> bool {
        matches!(self.known(&self.name(step)), Some(StepState::Intent | StepState::Unknown))
    }

    fn intend<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Prior, SpoolError>> {
        Box::pin(async move {
            let Parts { cell, ask, .. } = self.writes.parts;
            let restore = self.writes.restore;
            let name = self.name(step);
            match self.known(&name) {
                None => {
                    let noted = cell
                        .catalog
                        .intend(&ask.tenant, restore, std::slice::from_ref(&name), cell.clock.now())
                        .await;
                    noted.map_err(spool_error)?;
                    self.set(name, StepState::Intent);
                    Ok(Prior::New)
                }
                // It was certainly not done. From here on that is open again.
                Some(StepState::Refused) => {
                    self.note(name, StepState::Intent, Vec::new()).await?;
                    Ok(Prior::New)
                }
                Some(StepState::Intent | StepState::Unknown) => Ok(Prior::InDoubt),
                Some(StepState::Done) => Ok(Prior::Done(self.writes.own_ids(self.wanted))),
            }
        })
    }

    fn done<'a>(
        &'a self,
        step: &'a str,
        ids: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move {
            let entries = self.writes.entries(&self.key.kind, ids).map_err(spool_error)?;
            self.note(self.name(step), StepState::Done, entries.clone()).await?;
            self.writes.recorded(&entries);
            self.writes.learn(ids);
            Ok(())
        })
    }

    fn refused<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move { self.note(self.name(step), StepState::Refused, Vec::new()).await })
    }
}

/// Media as the backup holds them.
pub(super) struct StoredMediaReader<'a> {
    /// `None` where the item has none.
    stored: Option<MediaStore>,
    refs: &'a [MediaRef],
    lost: Mutex<BTreeSet<String>>,
}

impl<'a> StoredMediaReader<'a> {
    pub(super) fn new(stored: Option<MediaStore>, refs: &'a [MediaRef]) -> Self {
        Self { stored, refs, lost: Mutex::default() }
    }

    /// Media whose stored bytes are missing or damaged, each in a sentence.
    pub(super) fn lost(self) -> impl Iterator<Item = String> {
        let lost = self.lost.into_inner().unwrap_or_else(PoisonError::into_inner);
        lost.into_iter().map(|what| format!("The stored bytes of {what}"))
    }
}

impl MediaReader for StoredMediaReader<'_> {
    fn size_bytes(&self, pointer: &str) -> Option<u64> {
        self.refs.iter().find(|media| media.pointer == pointer).map(|media| media.size_bytes)
    }

    fn read<'a>(&'a self, pointer: &'a str) -> BoxFuture<'a, Option<Result<Bytes, SpoolError>>> {
        Box::pin(async move {
            let found = self.refs.iter().find(|media| media.pointer == pointer)?;
            let stored = self.stored.as_ref()?;
            let mut bytes = BytesMut::new();
            let read = stored.read(&found.name, |chunk| {
                bytes.extend_from_slice(&chunk);
                Ok(())
            });
            match read.await {
                Ok(()) => Some(Ok(bytes.freeze())),
                // One that is lost keeps nothing else from coming back: it is as one that was never stored.
                Err(error) if error.kind() == ErrorKind::Integrity => {
                    let what = format!("`{pointer}` cannot be used: {}", domain::with_causes(&error));
                    self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(what);
                    None
                }
                Err(error) => Some(Err(spool_error(error))),
            }
        })
    }
}
