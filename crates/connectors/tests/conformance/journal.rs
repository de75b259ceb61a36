//! A journal whose owner dies at one of its notes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use connectors::contract::{Journal, Prior, SpoolError, SpoolErrorKind};
use futures::future::BoxFuture;

pub(crate) use crate::journal::{Memory, Stored};

/// Notes into another journal, up to the n-th note. That one is the last: durable, or not.
pub(crate) struct Cut {
    kept: Arc<Memory>,
    left: AtomicU32,
    durable: bool,
}

impl Cut {
    pub(crate) fn new(kept: Arc<Memory>, n: u32, durable: bool) -> Self {
        Self { kept, left: AtomicU32::new(n), durable }
    }

    pub(crate) fn was_reached(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// Whether this note, and each behind it, ends in failure; and whether it is kept.
    fn note(&self) -> (bool, bool) {
        let lower = |left: u32| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lower) {
            Ok(1) => (true, self.durable),
            Ok(_) => (false, true),
            Err(_) => (true, false),
        }
    }
}

fn died() -> SpoolError {
    SpoolError { kind: SpoolErrorKind::Failed, why: "its owner died".to_owned() }
}

impl Journal for Cut {
    fn is_in_doubt(&self, step: &str) -> bool {
        self.kept.is_in_doubt(step)
    }

    fn intend<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<Prior, SpoolError>> {
        Box::pin(async move {
            let (ends, kept) = self.note();
            let prior = if kept { Some(self.kept.intend(step).await?) } else { None };
            if ends { Err(died()) } else { prior.ok_or_else(died) }
        })
    }

    fn done<'a>(
        &'a self,
        step: &'a str,
        ids: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move {
            let (ends, kept) = self.note();
            if kept {
                self.kept.done(step, ids).await?;
            }
            if ends { Err(died()) } else { Ok(()) }
        })
    }

    fn refused<'a>(&'a self, step: &'a str) -> BoxFuture<'a, Result<(), SpoolError>> {
        Box::pin(async move {
            let (ends, kept) = self.note();
            if kept {
                self.kept.refused(step).await?;
            }
            if ends { Err(died()) } else { Ok(()) }
        })
    }
}
