//! Fetching the bytes that belong to items, in a backup.
//!
//! An address that did not change means bytes that did not: they are not fetched again. What is not stored yet is
//! fetched some at a time, since each costs a round trip, and becomes durable many at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use connectors::contract::{Fault, Item, MediaSource, Store};
use domain::{Gap, GapReason, MediaRef};
use futures::stream::{self, StreamExt as _};
use repository::{MediaBatch, MediaStore, RepositoryError};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::earlier::Earlier;
use crate::error::{FlowError, Result};

/// So many are fetched at one time.
const FETCHES_MAX: usize = 32;
/// So many become durable together.
const BATCH_MAX: usize = 2048;
/// Where not one of so many comes that were asked for together, their server is away.
const AWAY_MIN: usize = 8;
/// So many addresses are remembered; what is fetched twice for that is stored once all the same.
const KNOWN_MAX: usize = 65_536;

/// What was stored, with the bytes written for it; or why the platform did not give it.
type Fetched = std::result::Result<(MediaRef, u64), Fault>;

/// Knows the media of one run.
pub(crate) struct MediaKeeper {
    media: Arc<MediaStore>,
    batch: MediaBatch,
    /// The batch before, on its way to the disk.
    settling: Option<JoinHandle<std::result::Result<(), RepositoryError>>>,
    /// By address, within this run.
    known: HashMap<String, MediaRef>,
    /// What could not be fetched for the items at hand, by address.
    failed: HashMap<String, Fault>,
    pub(crate) bytes_written: u64,
}

impl MediaKeeper {
    pub(crate) fn new(media: MediaStore) -> Self {
        Self {
            media: Arc::new(media),
            batch: MediaBatch::default(),
            settling: None,
            known: HashMap::new(),
            failed: HashMap::new(),
            bytes_written: 0,
        }
    }

    /// Stores the media of these items that are not stored yet. The items come in the order of their ids.
    pub(crate) async fn fetch<'i>(
        &mut self,
        store: &dyn Store,
        earlier: &mut Earlier<'_>,
        items: impl Iterator<Item = &'i Item>,
    ) -> Result<()> {
        self.failed.clear();
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        let mut wanted: BTreeMap<&str, &MediaSource> = BTreeMap::new();
        for item in items.filter(|item| !item.media.is_empty()) {
            if item.media.iter().any(|source| !self.known.contains_key(&source.url)) {
                self.remember(earlier, item).await?;
            }
            let unknown = item.media.iter().filter(|source| !self.known.contains_key(&source.url));
            wanted.extend(unknown.map(|source| (source.url.as_str(), source)));
        }
        let (media, batch) = (&*self.media, &self.batch);
        let fetches = wanted
            .into_values()
            .map(|source| async move { (source, one(store, media, batch, source).await) });
        let fetched: Vec<(&MediaSource, Result<Fetched>)> =
            stream::iter(fetches).buffer_unordered(FETCHES_MAX).collect().await;
        let fetched: Vec<(&MediaSource, Fetched)> =
            (fetched.into_iter()).map(|(source, fetched)| Ok((source, fetched?))).collect::<Result<_>>()?;
        check_there(store, &fetched).await?;
        for (source, fetched) in fetched {
            match fetched {
                Ok((media, bytes_written)) => {
                    self.bytes_written += bytes_written;
                    self.known.insert(source.url.clone(), media);
                }
                Err(fault) => drop(self.failed.insert(source.url.clone(), fault)),
            }
        }
        if self.batch.len() >= BATCH_MAX {
            self.settle().await?;
        }
        Ok(())
    }

    /// Begins to make the batch durable, once the one before is.
    async fn settle(&mut self) -> Result<()> {
        self.settled().await?;
        let (media, batch) = (Arc::clone(&self.media), std::mem::take(&mut self.batch));
        self.settling = Some(tokio::spawn(async move { media.settle(&batch).await }));
        Ok(())
    }

    async fn settled(&mut self) -> Result<()> {
        let Some(task) = self.settling.take() else { return Ok(()) };
        task.await.map_err(|error| FlowError::from(RepositoryError::Stopped(error.to_string())))??;
        Ok(())
    }

    /// Makes everything durable that was stored. No snapshot may be made before.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        self.settle().await?;
        self.settled().await
    }

    /// The stored media of an item whose media were fetched; what is missing becomes a gap.
    pub(crate) fn refs(&self, item: &Item, gaps: &mut Vec<Gap>) -> Vec<MediaRef> {
        let mut refs = Vec::with_capacity(item.media.len());
        for source in &item.media {
            let pointer = source.pointer.clone();
            match (self.known.get(&source.url), self.failed.get(&source.url)) {
                (Some(known), _) => refs.push(MediaRef { pointer, ..known.clone() }),
                (None, fault) => gaps.push(Gap {
                    what: pointer,
                    reason: GapReason::Failed,
                    detail: match fault {
                        Some(fault) => format!("its bytes could not be fetched: {fault}"),
                        None => "its bytes could not be fetched".to_owned(),
                    },
                }),
            }
        }
        refs
    }

    /// What the parent snapshot has of this item's media, by address.
    async fn remember(&mut self, earlier: &mut Earlier<'_>, item: &Item) -> Result<()> {
        let Some(record) = earlier.find(&item.id).await? else { return Ok(()) };
        // Of what is as it was the addresses are known already.
        if record.payload == item.payload {
            for known in record.meta.media_refs {
                if let Some(source) = item.media.iter().find(|source| source.pointer == known.pointer) {
                    self.known.entry(source.url.clone()).or_insert(known);
                }
            }
            return Ok(());
        }
        let payload: Value = serde_json::from_slice(&record.payload).unwrap_or_default();
        for known in record.meta.media_refs {
            if let Some(Value::String(url)) = payload.pointer(&known.pointer) {
                self.known.entry(url.clone()).or_insert(known);
            }
        }
        Ok(())
    }
}

/// An outage ends the run, which goes on later: a snapshot of files without their bytes would be worth nothing, and the
/// next one would hold each of them once more.
async fn check_there(store: &dyn Store, fetched: &[(&MediaSource, Fetched)]) -> Result<()> {
    let mut away = fetched.iter().filter_map(|(_, fetched)| match fetched {
        Err(Fault::Unavailable(why)) => Some(why),
        _ => None,
    });
    let Some(why) = away.next() else { return Ok(()) };
    if away.count() + 1 == fetched.len() && fetched.len() >= AWAY_MIN {
        return Err(Fault::Unavailable(format!("no file can be fetched: {why}")).into());
    }
    store.probe().await?;
    Ok(())
}

async fn one(
    store: &dyn Store,
    media: &MediaStore,
    batch: &MediaBatch,
    source: &MediaSource,
) -> Result<Fetched> {
    let body = match store.media(source).await {
        Ok(body) => body,
        Err(fault) => return not_fetched(fault),
    };
    let media_type = body.media_type.clone().or_else(|| source.media_type.clone());
    let stored = match media.store_in(batch, body.bytes).await? {
        Ok(stored) => stored,
        Err(fault) => return not_fetched(fault),
    };
    let pointer = source.pointer.clone();
    let media = MediaRef { pointer, name: stored.name, size_bytes: stored.size_bytes, media_type };
    Ok(Ok((media, stored.bytes_written)))
}

/// Without the platform, or a record of what is asked of it, nothing more can be fetched at all. Whatever else went wrong
/// is one file's own.
fn not_fetched(fault: Fault) -> Result<Fetched> {
    match fault {
        Fault::Throttled(_) | Fault::Unauthorized(_) | Fault::Audit(_) => Err(fault.into()),
        fault => Ok(Err(fault)),
    }
}
