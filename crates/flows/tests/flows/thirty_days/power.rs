//! Stores in memory whose power is cut at a chosen write, with times that follow the test's clock.
//!
//! What was written before the cut stands, what came after it never happened: as with a process that is killed, or a
//! store that goes away, in the middle of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::Clock as _;
use futures::stream::{BoxStream, StreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};
use repository::Stores;

use crate::doubles::QuickClock;

/// How the write at which the power is cut ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It had no effect.
    Before,
    /// It was done, and nobody heard of it.
    After,
}

/// The power that both stores of a cell run on.
#[derive(Debug, Default)]
pub(crate) struct Power(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Writes that may still be done, and how the one after them ends.
    left: Option<(u64, Cut)>,
    is_cut: bool,
}

impl Power {
    /// Cuts the power at the n-th write from now on, counted from 1.
    pub(crate) fn cut_at(&self, nth: u64, how: Cut) {
        *self.0.lock().unwrap() = State { left: Some((nth - 1, how)), is_cut: false };
    }

    /// Gives it back. Whether it was cut.
    pub(crate) fn restore(&self) -> bool {
        std::mem::take(&mut *self.0.lock().unwrap()).is_cut
    }

    fn read(&self) -> Result<()> {
        if self.0.lock().unwrap().is_cut { Err(gone()) } else { Ok(()) }
    }

    /// Whether this write, which is done, is the last one.
    fn write(&self) -> Result<bool> {
        let mut state = self.0.lock().unwrap();
        match (state.is_cut, state.left) {
            (true, _) => Err(gone()),
            (false, None) => Ok(false),
            (false, Some((0, how))) => {
                state.is_cut = true;
                if how == Cut::Before { Err(gone()) } else { Ok(true) }
            }
            (false, Some((left, how))) => {
                state.left = Some((left - 1, how));
                Ok(false)
            }
        }
    }
}

fn gone() -> Error {
    Error::Generic { store: "power", source: "the store at http://orange.example cannot be reached".into() }
}

fn heard<T>(last: bool, result: Result<T>) -> Result<T> {
    if last { Err(gone()) } else { result }
}

/// Two empty stores on one power.
pub(crate) fn stores(power: &Arc<Power>, clock: &Arc<QuickClock>) -> Stores {
    let store = || {
        Arc::new(Powered {
            inner: Arc::new(InMemory::new()),
            power: Arc::clone(power),
            clock: Arc::clone(clock),
            times: Arc::default(),
        })
    };
    Stores { objects: store(), keys: store() }
}

#[derive(Clone)]
struct Powered {
    inner: Arc<InMemory>,
    power: Arc<Power>,
    clock: Arc<QuickClock>,
    /// When each object was first written, in seconds since 1970.
    times: Arc<Mutex<BTreeMap<Path, i64>>>,
}

impl Powered {
    fn touch(&self, path: &Path) {
        let now = self.clock.now().as_second();
        self.times.lock().unwrap().entry(path.clone()).or_insert(now);
    }

    fn dated(&self, meta: ObjectMeta) -> ObjectMeta {
        let Some(second) = self.times.lock().unwrap().get(&meta.location).copied() else { return meta };
        let since = std::time::Duration::from_secs(u64::try_from(second).unwrap());
        let last_modified = (std::time::SystemTime::UNIX_EPOCH + since).into();
        ObjectMeta { last_modified, ..meta }
    }
}

impl fmt::Debug for Powered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Powered")
    }
}

impl fmt::Display for Powered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Powered")
    }
}

#[async_trait]
impl ObjectStore for Powered {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let last = self.power.write()?;
        let result = self.inner.put_opts(path, payload, options).await;
        if result.is_ok() {
            self.touch(path);
        }
        heard(last, result)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let last = self.power.write()?;
        let upload = self.inner.put_multipart_opts(path, options).await?;
        heard(last, Ok(Box::new(Upload { upload, store: self.clone(), path: path.clone() })))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.power.read()?;
        let mut result = self.inner.get_opts(path, options).await?;
        result.meta = self.dated(result.meta);
        Ok(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = locations.then(move |path| {
            let store = store.clone();
            async move {
                let path = path?;
                let last = store.power.write()?;
                let result = store.inner.delete(&path).await;
                store.times.lock().unwrap().remove(&path);
                heard(last, result.map(|()| path))
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Err(error) = self.power.read() {
            return futures::stream::iter([Err(error)]).boxed();
        }
        let store = self.clone();
        self.inner.list(prefix).map(move |meta| meta.map(|meta| store.dated(meta))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.power.read()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let last = self.power.write()?;
        let result = self.inner.copy_opts(from, to, options).await;
        self.touch(to);
        heard(last, result)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let last = self.power.write()?;
        let result = self.inner.rename_opts(from, to, options).await;
        self.touch(to);
        heard(last, result)
    }
}

#[derive(Debug)]
struct Upload {
    upload: Box<dyn MultipartUpload>,
    store: Powered,
    path: Path,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.store.power.write() {
            Err(error) => Box::pin(async move { Err(error) }),
            Ok(last) => {
                let put = self.upload.put_part(data);
                Box::pin(async move { heard(last, put.await) })
            }
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let last = self.store.power.write()?;
        let result = self.upload.complete().await;
        self.store.touch(&self.path);
        heard(last, result)
    }

    async fn abort(&mut self) -> Result<()> {
        let last = self.store.power.write()?;
        heard(last, self.upload.abort().await)
    }
}
