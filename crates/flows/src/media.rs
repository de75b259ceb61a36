//! Fetching the bytes that belong to items, in a backup.
//!
//! An address that did not change means bytes that did not: they are not fetched again. What is not stored yet is
//! fetched some at a time, since each costs a round trip and a sync.

use std::collections::{BTreeMap, HashMap};

use connectors::contract::{Fault, Item, MediaSource, Store};
use domain::{Gap, GapReason, Kind, MediaRef, RecordKey};
use futures::stream::{self, StreamExt as _};
use repository::{MediaStore, Reader, RepositoryError};
use serde_json::Value;

use crate::error::Result;

/// So many are fetched at one time.
const FETCHES_MAX: usize = 16;

/// What was stored, with the bytes written for it; or why the platform did not give it.
type Fetched = std::result::Result<(MediaRef, u64), Fault>;

/// Knows the media of one run.
pub(crate) struct MediaKeeper<'a> {
    media: MediaStore,
    before: Option<&'a Reader>,
    /// By address, within this run.
    known: HashMap<String, MediaRef>,
    /// What could not be fetched for the items at hand, by address.
    failed: HashMap<String, Fault>,
    pub(crate) bytes_written: u64,
}

impl<'a> MediaKeeper<'a> {
    pub(crate) fn new(media: MediaStore, before: Option<&'a Reader>) -> Self {
        Self { media, before, known: HashMap::new(), failed: HashMap::new(), bytes_written: 0 }
    }

    /// Stores the media of these items that are not stored yet.
    pub(crate) async fn fetch<'i>(
        &mut self,
        store: &dyn Store,
        kind: &Kind,
        items: impl Iterator<Item = &'i Item>,
    ) -> Result<()> {
        self.failed.clear();
        let mut wanted: BTreeMap<&str, &MediaSource> = BTreeMap::new();
        for item in items.filter(|item| !item.media.is_empty()) {
            if item.media.iter().any(|source| !self.known.contains_key(&source.url)) {
                self.remember(kind, &item.id).await?;
            }
            let unknown = item.media.iter().filter(|source| !self.known.contains_key(&source.url));
            wanted.extend(unknown.map(|source| (source.url.as_str(), source)));
        }
        let media = &self.media;
        let fetches =
            wanted.into_values().map(|source| async move { (source, one(store, media, source).await) });
        let fetched: Vec<(&MediaSource, Result<Fetched>)> =
            stream::iter(fetches).buffer_unordered(FETCHES_MAX).collect().await;
        for (source, fetched) in fetched {
            match fetched? {
                Ok((media, bytes_written)) => {
                    self.bytes_written += bytes_written;
                    self.known.insert(source.url.clone(), media);
                }
                Err(fault) => drop(self.failed.insert(source.url.clone(), fault)),
            }
        }
        Ok(())
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
    async fn remember(&mut self, kind: &Kind, id: &str) -> Result<()> {
        let Some(before) = self.before else { return Ok(()) };
        let key = RecordKey::new(kind.clone(), id).map_err(RepositoryError::from)?;
        let record = match before.get(&key, before.head().name.number).await {
            Ok(record) => record,
            Err(RepositoryError::NotFound(_) | RepositoryError::Erased(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let payload: Value = serde_json::from_slice(&record.payload).unwrap_or_default();
        for known in record.meta.media_refs {
            if let Some(Value::String(url)) = payload.pointer(&known.pointer) {
                self.known.entry(url.clone()).or_insert(known);
            }
        }
        Ok(())
    }
}

async fn one(store: &dyn Store, media: &MediaStore, source: &MediaSource) -> Result<Fetched> {
    let body = match store.media(source).await {
        Ok(body) => body,
        // Without the platform nothing more can be fetched at all.
        Err(fault @ (Fault::Throttled(_) | Fault::Unauthorized(_))) => return Err(fault.into()),
        Err(fault) => return Ok(Err(fault)),
    };
    let media_type = body.media_type.clone().or_else(|| source.media_type.clone());
    Ok(media.store(body.bytes).await?.map(|stored| {
        let pointer = source.pointer.clone();
        let media = MediaRef { pointer, name: stored.name, size_bytes: stored.size_bytes, media_type };
        (media, stored.bytes_written)
    }))
}
