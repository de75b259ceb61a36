//! An object store that fails on demand, with times that follow the test's clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};

use crate::cell::ManualClock;

/// What happens at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Fails,
    /// It takes effect, and the answer is lost.
    LosesAnswer,
    /// It is carried out twice; the second answer is given.
    Twice,
    /// It takes a long time.
    Delay,
    /// From here on nothing is reached any more; this operation has no effect.
    CrashBefore,
    /// From here on nothing is reached any more; this operation still takes effect.
    CrashAfter,
}

/// Decides what happens at the n-th operation; several stores share one.
#[derive(Debug, Default)]
pub struct Plan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    writes: u64,
    reads: u64,
    crashed: bool,
    write_faults: BTreeMap<u64, Fault>,
    read_faults: BTreeMap<u64, Fault>,
}

impl Plan {
    pub fn new(write_faults: impl IntoIterator<Item = (u64, Fault)>) -> Arc<Self> {
        Self::with_reads(write_faults, [])
    }

    pub fn with_reads(
        write_faults: impl IntoIterator<Item = (u64, Fault)>,
        read_faults: impl IntoIterator<Item = (u64, Fault)>,
    ) -> Arc<Self> {
        let state = State {
            write_faults: write_faults.into_iter().collect(),
            read_faults: read_faults.into_iter().collect(),
            ..State::default()
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Operations that change something, so far.
    pub fn writes(&self) -> u64 {
        self.state.lock().unwrap().writes
    }

    pub fn reads(&self) -> u64 {
        self.state.lock().unwrap().reads
    }

    pub fn crashed(&self) -> bool {
        self.state.lock().unwrap().crashed
    }

    /// What happens at this operation; `Err` where it is not carried out.
    fn next(&self, write: bool) -> Result<Option<Fault>> {
        let mut state = self.state.lock().unwrap();
        if state.crashed {
            return Err(unreachable_store());
        }
        let fault = if write {
            state.writes += 1;
            let turn = state.writes;
            state.write_faults.get(&turn).copied()
        } else {
            state.reads += 1;
            let turn = state.reads;
            state.read_faults.get(&turn).copied()
        };
        match fault {
            Some(Fault::Fails) => Err(unreachable_store()),
            Some(Fault::CrashBefore) => {
                state.crashed = true;
                Err(unreachable_store())
            }
            Some(Fault::CrashAfter) => {
                state.crashed = true;
                Ok(fault)
            }
            other => Ok(other),
        }
    }
}

fn unreachable_store() -> Error {
    Error::Generic { store: "faulty", source: "the store at http://orange.example cannot be reached".into() }
}

fn answer<T>(fault: Option<Fault>, result: Result<T>) -> Result<T> {
    match fault {
        Some(Fault::LosesAnswer | Fault::CrashAfter) => Err(unreachable_store()),
        _ => result,
    }
}

async fn pause(fault: Option<Fault>) {
    if fault == Some(Fault::Delay) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

/// A store in memory behind a plan. Cloning gives another way to the same content.
#[derive(Clone)]
pub struct FaultyStore {
    pub inner: Arc<InMemory>,
    plan: Arc<Plan>,
    clock: Arc<ManualClock>,
    times: Arc<Mutex<BTreeMap<Path, i64>>>,
    /// How far the store's clock is ahead of ours, in seconds.
    pub ahead: i64,
}

impl FaultyStore {
    pub fn new(clock: &Arc<ManualClock>, plan: &Arc<Plan>) -> Self {
        Self {
            inner: Arc::new(InMemory::new()),
            plan: plan.clone(),
            clock: clock.clone(),
            times: Arc::default(),
            ahead: 0,
        }
    }

    /// The same content, reached on another plan.
    pub fn on(&self, plan: &Arc<Plan>) -> Self {
        Self { plan: plan.clone(), ..self.clone() }
    }

    fn touch(&self, path: &Path) {
        let second = self.clock.second.load(Ordering::SeqCst) + self.ahead;
        self.times.lock().unwrap().entry(path.clone()).or_insert(second);
    }

    fn dated(&self, meta: ObjectMeta) -> ObjectMeta {
        match self.times.lock().unwrap().get(&meta.location) {
            Some(second) => ObjectMeta {
                last_modified: std::time::SystemTime::UNIX_EPOCH
                    .checked_add(std::time::Duration::from_secs(u64::try_from(*second).unwrap()))
                    .unwrap()
                    .into(),
                ..meta
            },
            None => meta,
        }
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.plan.next(true)?;
        pause(fault).await;
        let mut result = self.inner.put_opts(path, payload.clone(), options.clone()).await;
        if fault == Some(Fault::Twice) {
            result = self.inner.put_opts(path, payload, options).await;
        }
        if self.inner.head(path).await.is_ok() {
            self.touch(path);
        }
        answer(fault, result)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let fault = self.plan.next(true)?;
        let upload = self.inner.put_multipart_opts(path, options).await?;
        answer(fault, Ok(Box::new(FaultyUpload { upload, store: self.clone(), path: path.clone() })))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.plan.next(false)?;
        pause(fault).await;
        let mut result = self.inner.get_opts(path, options).await?;
        result.meta = self.dated(result.meta);
        answer(fault, Ok(result))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = locations.then(move |path| {
            let store = store.clone();
            async move {
                let path = path?;
                let fault = store.plan.next(true)?;
                pause(fault).await;
                let mut result = store.inner.delete(&path).await;
                if fault == Some(Fault::Twice) {
                    result = store.inner.delete(&path).await;
                }
                store.times.lock().unwrap().remove(&path);
                answer(fault, result.map(|()| path))
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.plan.next(false) {
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
            Ok(fault) => {
                let store = self.clone();
                let listed = self.inner.list(prefix);
                listed.map(move |meta| answer(fault, meta.map(|meta| store.dated(meta)))).boxed()
            }
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let fault = self.plan.next(false)?;
        answer(fault, self.inner.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.plan.next(true)?;
        let result = self.inner.copy_opts(from, to, options).await;
        self.touch(to);
        answer(fault, result)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let fault = self.plan.next(true)?;
        let result = self.inner.rename_opts(from, to, options).await;
        if result.is_ok() {
            self.times.lock().unwrap().remove(from);
            self.touch(to);
        }
        answer(fault, result)
    }
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    store: FaultyStore,
    path: Path,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.store.plan.next(true) {
            Err(error) => Box::pin(async move { Err(error) }),
            Ok(fault) => {
                let put = self.upload.put_part(data);
                Box::pin(async move {
                    let result = put.await;
                    answer(fault, result)
                })
            }
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.store.plan.next(true)?;
        let result = self.upload.complete().await;
        self.store.touch(&self.path);
        answer(fault, result)
    }

    async fn abort(&mut self) -> Result<()> {
        let fault = self.store.plan.next(true)?;
        answer(fault, self.upload.abort().await)
    }
}
