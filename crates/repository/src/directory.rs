//! A directory as an object store, with one thing more: objects that become durable together.
//!
//! An object costs a directory two syncs, of its file and of its folder. Those that are put with a [`Batch`] are
//! written aside without one. [`Batch::settle`] syncs their files, then gives them their names, then syncs each
//! folder once. Nobody sees an object of a batch before that.
//!
//! A store that knows nothing of batches passes over them, and makes each object durable at once.
//!
//! And deletions can be made durable: see [`Forget`].

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, create_dir_all, hard_link, remove_file};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use crate::unfinished::is_passing;

/// Turns of files that are written aside. A file is called `#` and its turn behind its name until it is whole and
/// durable: no listing shows such names, and those that a killed process left are found by them. The same object
/// may be written twice at one time, for two batches: each has a file of its own.
static TURN: AtomicU64 = AtomicU64::new(0);
/// So many files are synced at one time: the disk makes several durable in one go.
const SYNCS_AT_ONCE: usize = 8;

/// Asking for a folder with this deletes the files below it that were begun and never finished, and syncs each
/// folder: a power cut then brings nothing back that was deleted there. The answer is that there is no such object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forget;

fn forget(folder: &FilePath) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else if is_passing(&path) {
            remove_file(&path)?;
        }
    }
    File::open(folder)?.sync_all()
}

/// A directory whose every write is on disk before it counts.
#[derive(Debug)]
pub(crate) struct Directory {
    files: LocalFileSystem,
    /// What may be new lies below it.
    root: PathBuf,
}

impl Directory {
    /// Opens a directory that exists, for use below that folder of it, if one is named.
    pub(crate) fn open(path: &FilePath, below: Option<&str>) -> Result<Self> {
        let files = LocalFileSystem::new_with_prefix(path)?;
        let root = path.join(below.unwrap_or_default()).canonicalize().map_err(failed)?;
        // Without syncs an object that was written may be lost by a power cut, though its commit is there.
        Ok(Self { files: files.with_fsync(true), root })
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

fn failed(source: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "Directory", source: Box::new(source) }
}

/// Runs what waits for the disk where waiting does no harm.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, object_store::Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|stopped| failed(io::Error::other(stopped)))?.map_err(failed)
}

/// Objects that become durable together. Its clones are the same batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch(Arc<Mutex<Vec<Aside>>>);

/// A file that is written and has not its name yet.
#[derive(Debug)]
struct Aside {
    root: PathBuf,
    path: PathBuf,
    turn: u64,
}

impl Aside {
    fn new(root: PathBuf, path: PathBuf) -> Self {
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % (1 << 32);
        Self { root, path, turn: (u64::from(std::process::id()) << 32) | turn }
    }

    fn aside(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!("#{}", self.turn));
        name.into()
    }

    fn write(&self, payload: &PutPayload) -> io::Result<()> {
        let aside = self.aside();
        let mut file = match File::create(&aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.path.parent().map_or(Ok(()), create_dir_all)?;
                File::create(&aside)?
            }
            created => created?,
        };
        payload.iter().try_for_each(|piece| file.write_all(piece))
    }

    /// The folders in which this one or one above it may be new.
    fn folders(&self) -> impl Iterator<Item = &FilePath> {
        self.path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root))
    }
}

impl Batch {
    fn add(&self, aside: Aside) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(aside);
    }

    /// Makes everything durable that was put with this batch, and shows it.
    ///
    /// # Errors
    /// When the disk fails. What has its name by then is durable.
    pub(crate) async fn settle(&self) -> Result<()> {
        let asides = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if asides.is_empty() {
            return Ok(());
        }
        let asides = Arc::new(asides);
        let share = asides.len().div_ceil(SYNCS_AT_ONCE);
        let syncs = (0..asides.len()).step_by(share).map(|first| {
            let asides = Arc::clone(&asides);
            apart(move || {
                asides.iter().skip(first).take(share).try_for_each(|one| File::open(one.aside())?.sync_all())
            })
        });
        futures::future::try_join_all(syncs).await?;
        // INVARIANT (durable before named): whoever finds an object by its name finds all its bytes, also after
        // a power cut.
        apart(move || {
            let mut folders = BTreeSet::new();
            for one in asides.iter() {
                match hard_link(one.aside(), &one.path) {
                    // Names of batches say what the bytes are: what is there is the same.
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => remove_file(one.aside())?,
                }
                folders.extend(one.folders());
            }
            folders.into_iter().try_for_each(|folder| File::open(folder)?.sync_all())
        })
        .await
    }
}

#[async_trait]
impl ObjectStore for Directory {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let Some(batch) = options.extensions.get::<Batch>() else {
            return self.files.put_opts(location, payload, options).await;
        };
        let aside = Aside::new(self.root.clone(), self.files.path_to_filesystem(location)?);
        let written = apart(move || aside.write(&payload).map(|()| aside)).await?;
        batch.add(written);
        Ok(PutResult { e_tag: None, version: None, extensions: object_store::Extensions::default() })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.extensions.get::<Forget>().is_some() {
            let folder = self.files.path_to_filesystem(location)?;
            apart(move || forget(&folder)).await?;
            let path = location.to_string();
            return Err(object_store::Error::NotFound { path, source: "it is a folder".into() });
        }
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await
    }
}
