//! Steps and ids of a restore, durable before and after each; and the media that it needs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use catalog::{LedgerEntry, StepResult, StepState};
use connectors::contract::{Journal, MediaReader, Prior, SpoolError};
use domain::{MediaRef, RecordKey};
use futures::future::BoxFuture;
use repository::MediaStore;

use super::look::Parts;
use super::writes::Writes;
use crate::error::with_causes;

/// Steps of one restore, and how far each is.
pub(super) type Steps = Mutex<BTreeMap<String, StepState>>;

/// Steps of one item, in the catalog.
pub(super) struct CatalogJournal<'a, 'b> {
    pub(super) writes: &'a Writes<'b>,
    pub(super) key: &'a RecordKey,
}

impl CatalogJournal<'_, '_> {
    fn name(&self, step: &str) -> String {
        format!("{} {} {step}", self.key.kind, self.key.id)
    }

    fn known(&self, name: &str) -> Option<StepState> {
        self.writes.steps.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    fn set(&self, name: String, state: StepState) {
        self.writes.steps.lock().unwrap_or_else(PoisonError::into_inner).insert(name, state);
    }
}

fn failed(error: &dyn std::error::Error) -> SpoolError {
    SpoolError(with_causes(error))
}

impl Journal for CatalogJournal<'_, '_> {
    fn intend<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Prior, SpoolError>> {
        Box::pin(async move {
            let Parts { cell, ask, .. } = self.writes.parts;
            let restore = self.writes.restore;
            let name = self.name(step);
            match self.known(&name) {
                None | Some(StepState::Refused) => {
                    let noted = cell.catalog.intend(&ask.tenant, restore, &[&name], cell.clock.now()).await;
                    noted.map_err(|error| failed(&error))?;
                    self.set(name, StepState::Intent);
                    Ok(Prior::New)
                }
                Some(StepState::Intent | StepState::Unknown) => Ok(Prior::InDoubt),
                Some(StepState::Done) => {
                    let ledger = cell.catalog.ledger(&ask.tenant, &ask.connection).await;
                    let ledger = ledger.map_err(|error| failed(&error))?;
                    let own = ledger.into_iter().filter(|entry| entry.restore == restore);
                    Ok(Prior::Done(own.map(|e| (e.old.id.into(), e.new_id.into())).collect()))
                }
            }
        })
    }

    fn done<'a>(
        &'a self,
        step: &'a str,
        ids: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move {
            let Parts { cell, ask, .. } = self.writes.parts;
            let name = self.name(step);
            let entries = self.writes.entries(&self.key.kind, ids).map_err(|error| failed(&error))?;
            let result = |ledger: Option<LedgerEntry>| StepResult {
                step: name.clone(),
                state: StepState::Done,
                ledger,
            };
            // The step and its new ids together, or neither.
            let mut results: Vec<StepResult> = entries.into_iter().map(|entry| result(Some(entry))).collect();
            if results.is_empty() {
                results.push(result(None));
            }
            let now = cell.clock.now();
            let finished = cell.catalog.finish_steps(&ask.tenant, self.writes.restore, &results, now).await;
            finished.map_err(|error| failed(&error))?;
            self.writes.learn(ids);
            self.set(name, StepState::Done);
            Ok(())
        })
    }
}

/// Media as the backup holds them.
pub(super) struct StoredMediaReader<'a> {
    /// `None` where the item has none.
    pub(super) stored: Option<MediaStore>,
    pub(super) refs: &'a [MediaRef],
}

impl MediaReader for StoredMediaReader<'_> {
    fn read<'a>(&'a self, pointer: &'a str) -> BoxFuture<'a, Option<Result<Bytes, SpoolError>>> {
        Box::pin(async move {
            let found = self.refs.iter().find(|media| media.pointer == pointer)?;
            let stored = self.stored.as_ref()?;
            let mut bytes = BytesMut::new();
            let read = stored.read(&found.name, |chunk| {
                bytes.extend_from_slice(&chunk);
                Ok(())
            });
            Some(read.await.map(|()| bytes.freeze()).map_err(|error| failed(&error)))
        })
    }
}
