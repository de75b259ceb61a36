//! A journal and stored media in memory.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "not every suite asks everything")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use connectors::contract::{Journal, MediaReader, Prior, SpoolError};
use futures::future::BoxFuture;

/// Steps, and the ids that came of them once they were done.
type Steps = BTreeMap<String, Option<Vec<(String, String)>>>;

/// A journal in memory. It keeps intents and results, and lives longer than an attempt.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Steps>);

impl Memory {
    /// Steps with their results, as far as they are known.
    pub fn steps(&self) -> Vec<(String, bool)> {
        self.0.lock().unwrap().iter().map(|(step, done)| (step.clone(), done.is_some())).collect()
    }

    /// As after a crash when a step was done.
    pub fn ended(step: &str) -> Self {
        Self(Mutex::new(BTreeMap::from([(step.to_owned(), Some(Vec::new()))])))
    }

    /// As after a crash in the middle of a step.
    pub fn begun(step: &str) -> Self {
        Self(Mutex::new(BTreeMap::from([(step.to_owned(), None)])))
    }
}

impl Journal for Memory {
    fn is_in_doubt(&self, step: &str) -> bool {
        self.0.lock().unwrap().get(step) == Some(&None)
    }

    fn intend<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Prior, SpoolError>> {
        Box::pin(async move {
            let mut steps = self.0.lock().unwrap();
            Ok(match steps.get(step) {
                Some(Some(ids)) => Prior::Done(ids.clone()),
                Some(None) => Prior::InDoubt,
                None => {
                    steps.insert(step.to_owned(), None);
                    Prior::New
                }
            })
        })
    }

    fn done<'a>(
        &'a self,
        step: &'a str,
        ids: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move {
            self.0.lock().unwrap().insert(step.to_owned(), Some(ids.to_vec()));
            Ok(())
        })
    }

    fn refused<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move {
            self.0.lock().unwrap().remove(step);
            Ok(())
        })
    }
}

/// Stored media, by pointer.
#[derive(Debug, Default)]
pub struct Stored(pub BTreeMap<String, Vec<u8>>);

impl MediaReader for Stored {
    fn size_bytes(&self, pointer: &str) -> Option<u64> {
        self.0.get(pointer).map(|bytes| bytes.len() as u64)
    }

    fn read<'a>(&'a self, pointer: &'a str) -> BoxFuture<'a, Option<Result<Bytes, SpoolError>>> {
        Box::pin(async move { self.0.get(pointer).map(|bytes| Ok(Bytes::from(bytes.clone()))) })
    }
}
