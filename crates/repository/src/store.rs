//! The two object stores of a cell, and one connection's place in each.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use domain::Scope;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, WriteMultipart,
};

use crate::directory::{Batch, Forget};
use crate::error::{RepositoryError, Result};
use crate::limits::Limits;

/// Where a cell keeps its bytes.
///
/// `objects` holds packs, merged indexes, commits and media: write once, kept under locks where wished.
/// `keys` holds wrapped keys, tables of people's keys, unfinished runs and state: a store without versions or
/// locks, so that what is destroyed there is gone.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Packs, merged indexes, commits, media.
    pub objects: Arc<dyn ObjectStore>,
    /// Wrapped keys, subject tables, runs, checkpoints, state.
    pub keys: Arc<dyn ObjectStore>,
}

/// One connection's part of an object store. Names are relative to it.
#[derive(Debug, Clone)]
pub(crate) struct Area {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// At which sizes its objects are closed.
    pub(crate) limits: Limits,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name within the area.
    pub(crate) name: String,
    /// Length in bytes.
    pub(crate) size: u64,
    /// When the store says that it was written; used for grace periods only.
    pub(crate) modified_second: i64,
}

/// Where a connection lies in both stores. The platform stands first: what is a platform's lies below one folder, whoever's
/// it is.
#[must_use]
pub fn place(Scope { tenant, platform, connection, .. }: &Scope) -> Path {
    Path::from_iter(["t", platform.as_str(), tenant.as_str(), connection.as_str()])
}

impl Area {
    pub(crate) fn new(store: &Arc<dyn ObjectStore>, scope: &Scope) -> Self {
        Self { store: Arc::clone(store), prefix: place(scope), limits: Limits::default() }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// The whole path, for messages.
    pub(crate) fn full(&self, name: &str) -> String {
        self.path(name).to_string()
    }

    fn fail(&self, operation: &'static str, name: &str, source: object_store::Error) -> RepositoryError {
        let object = self.full(name);
        match source {
            object_store::Error::NotFound { .. } => RepositoryError::Missing { object },
            source => RepositoryError::Store { operation, object, source: Box::new(source) },
        }
    }

    /// Writes an object that must not exist yet; durable when this returns.
    ///
    /// Where the store can refuse to overwrite it is asked to. Names hold 128 random bits or a hash of the
    /// content, so nothing depends on it: it is a second guard. A write that is repeated after its answer was
    /// lost finds its own bytes there, and is done.
    pub(crate) async fn put_new(&self, name: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let bytes = bytes.into();
        match self.store.put_opts(&self.path(name), PutPayload::from(bytes.clone()), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) if self.get(name).await? == bytes => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => Err(RepositoryError::Conflict(format!(
                "`{}` exists already: somebody else writes to this connection",
                self.full(name)
            ))),
            Err(source) => Err(self.fail("write", name, source)),
        }
    }

    /// Writes an object whose name says what its bytes are; durable, and there, when its batch has settled.
    pub(crate) async fn put_in(&self, batch: &Batch, name: &str, bytes: Vec<u8>) -> Result<()> {
        let mut options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        options.extensions.insert(batch.clone());
        match self.store.put_opts(&self.path(name), PutPayload::from(bytes), options).await {
            // Somebody wrote the same bytes at the same time.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(self.fail("write", name, source)),
        }
    }

    /// Makes a batch durable; `name` is for messages.
    pub(crate) async fn settle(&self, batch: &Batch, name: &str) -> Result<()> {
        batch.settle().await.map_err(|source| self.fail("write", name, source))
    }

    /// Puts other bytes in the place of an object, in one step; durable when this returns.
    pub(crate) async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let put = self.store.put(&self.path(name), PutPayload::from(bytes)).await;
        put.map(drop).map_err(|source| self.fail("write", name, source))
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Bytes> {
        let read = async { self.store.get(&self.path(name)).await?.bytes().await };
        read.await.map_err(|source| self.fail("read", name, source))
    }

    pub(crate) async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let (wanted, end) = (range.end.saturating_sub(range.start), range.end);
        match self.store.get_range(&self.path(name), range).await {
            Ok(bytes) if u64::try_from(bytes.len()).ok() == Some(wanted) => Ok(bytes),
            Ok(_) => Err(RepositoryError::damaged(&self.full(name), "it is shorter than it was written")),
            Err(source @ object_store::Error::NotFound { .. }) => Err(self.fail("read", name, source)),
            // Stores refuse a range beyond an object's end in words of their own; its length tells.
            Err(source) => match self.size(name).await {
                Ok(Some(size)) if size < end => {
                    Err(RepositoryError::damaged(&self.full(name), "it is shorter than it was written"))
                }
                _ => Err(self.fail("read", name, source)),
            },
        }
    }

    /// Length in bytes; `None` where the object is absent.
    pub(crate) async fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.store.head(&self.path(name)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.fail("read", name, source)),
        }
    }

    /// Everything below `folder`, sorted by name.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let path = self.path(folder);
        let prefix_len = self.prefix.as_ref().len() + 1;
        let found: std::result::Result<Vec<_>, _> = self.store.list(Some(&path)).try_collect().await;
        let mut listed: Vec<Listed> = found
            .map_err(|source| self.fail("list", folder, source))?
            .into_iter()
            .filter_map(|meta| {
                Some(Listed {
                    name: meta.location.as_ref().get(prefix_len..)?.to_owned(),
                    size: meta.size,
                    modified_second: meta.last_modified.timestamp(),
                })
            })
            .collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Begins an object that arrives in pieces.
    pub(crate) async fn upload(&self, name: &str) -> Result<Upload> {
        let parts = self
            .store
            .put_multipart(&self.path(name))
            .await
            .map_err(|source| self.fail("write", name, source))?;
        let writer = WriteMultipart::new_with_chunk_size(parts, UPLOAD_PART_LEN);
        Ok(Upload { writer, area: self.clone(), name: name.to_owned(), written: 0 })
    }

    /// Gives an object its final name. Where that name is taken, the bytes there are the same.
    pub(crate) async fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.store
            .rename(&self.path(from), &self.path(to))
            .await
            .map_err(|source| self.fail("write", to, source))
    }

    /// Has the disk itself forget what was deleted below `folder`, and deletes what was begun there and never
    /// finished. Nobody else may be writing there. A bucket has neither worry.
    pub(crate) async fn forget(&self, folder: &str) -> Result<()> {
        let mut options = GetOptions::default();
        options.extensions.insert(Forget);
        match self.store.get_opts(&self.path(folder), options).await {
            // There is no object of that name, and a store that knows nothing of this says so.
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.fail("sync", folder, source)),
        }
    }

    /// Deletes an object; one that is absent already is no error.
    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.fail("delete", name, source)),
        }
    }
}

/// Length of the pieces in which a large object goes to the store; S3 takes no smaller ones than 5 MiB.
const UPLOAD_PART_LEN: usize = 8 * 1024 * 1024;
/// Pieces on their way at one time.
const UPLOAD_PARTS_MAX: usize = 2;

/// An object that arrives in pieces. Nobody sees it before [`Upload::finish`].
pub(crate) struct Upload {
    writer: WriteMultipart,
    area: Area,
    name: String,
    written: u64,
}

impl Upload {
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.written += u64::try_from(bytes.len()).unwrap_or_default();
        let ready = self.writer.wait_for_capacity(UPLOAD_PARTS_MAX).await;
        ready.map_err(|source| self.area.fail("write", &self.name, source))?;
        self.writer.put(bytes.into());
        Ok(())
    }

    /// Makes it durable; answers its length in bytes.
    pub(crate) async fn finish(self) -> Result<u64> {
        let finished = self.writer.finish().await;
        finished.map_err(|source| self.area.fail("write", &self.name, source))?;
        Ok(self.written)
    }

    pub(crate) async fn abort(self) -> Result<()> {
        self.writer.abort().await.map_err(|source| self.area.fail("write", &self.name, source))
    }
}
