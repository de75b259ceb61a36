//! A worker's side: what it has for all work, and for one piece of it.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use catalog::Connection;
use connectors::contract::Progress;
use domain::{Clock, ConnectionId, Id128, Kind, Platform, Region, TenantId};
use flows::backup::BackupProgress;
use flows::error::Told as Failed;
use flows::export::Files;
use flows::ingest::IngestProgress;
use flows::restore::RestoreProgress;
use flows::store_access::{self, Way, WhichStore};
use flows::{Cell, FlowError, Given, Leave};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use repository::{StoreOptions, Stores};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use transport::call::Teller;
use vault::{Client, Handles};

use super::hearing::Ears;
use super::lending::Comings;
use super::{Job, Refusal, Told, Work};
use crate::output;
use crate::stores;

/// So many files that were lent are held for work that has not come yet. Whoever lends one more takes the oldest's place.
pub(super) const LENT_MAX: usize = 16;
/// So long work waits for what was lent for it.
const LENT_WAIT_MAX: Duration = Duration::from_secs(10);
/// Progress is told at most so often.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// What a worker has for all that it does.
#[derive(Clone)]
pub(crate) struct Bench(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) platform: Platform,
    pub(crate) region: Region,
    /// The addresses of the two stores.
    pub(crate) urls: [(WhichStore, String); 2],
    pub(crate) vault: Client,
    pub(crate) catalog: catalog::Client,
    pub(crate) handles: Handles,
    pub(crate) lent: Lent,
    pub(crate) comings: Comings,
    pub(crate) ears: Ears,
    /// The ports at which stores can be spoken to.
    pub(crate) ports: Vec<u16>,
    /// Somebody says that something may be due.
    pub(crate) due: Notify,
}

/// Files that were lent for work.
#[derive(Default)]
pub(crate) struct Lent {
    files: Mutex<VecDeque<(Id128, OwnedFd)>>,
    came: Notify,
}

impl Lent {
    fn files(&self) -> std::sync::MutexGuard<'_, VecDeque<(Id128, OwnedFd)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one that was lent.
    pub(crate) fn put(&self, name: Id128, file: OwnedFd) {
        let mut files = self.files();
        if files.len() >= LENT_MAX {
            files.pop_front();
        }
        files.push_back((name, file));
        drop(files);
        self.came.notify_waiters();
    }

    fn taken(&self, name: Id128) -> Option<File> {
        let mut files = self.files();
        let at = files.iter().position(|(own, _)| *own == name)?;
        files.remove(at).map(|(_, file)| file.into())
    }

    async fn take(&self, name: Id128, clock: &dyn Clock) -> Option<File> {
        let found = async {
            loop {
                let came = self.came.notified();
                if let Some(file) = self.taken(name) {
                    return file;
                }
                came.await;
            }
        };
        tokio::select! {
            file = found => Some(file),
            () = clock.sleep(LENT_WAIT_MAX) => None,
        }
    }
}

impl Bench {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn lent(&self) -> &Lent {
        &self.0.lent
    }

    /// Files that are lent from other hosts.
    pub(super) fn comings(&self) -> &Comings {
        &self.0.comings
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.handles.clock)
    }

    async fn store(&self, which: WhichStore, job: &Ways) -> anyhow::Result<Arc<dyn ObjectStore>> {
        let Inner { platform, region, urls, vault, .. } = &*self.0;
        let url = urls.iter().find(|(own, _)| *own == which).map(|(_, url)| url.as_str()).unwrap_or_default();
        let way = job.iter().find(|(own, _)| *own == which).map(|(_, way)| way);
        let options = match way {
            Some(sealed) => {
                let way = Way { platform: Some(platform.clone()), ..Way::of_cell(region, which) };
                store_access::open(vault, &way, url, sealed).await?
            }
            None => StoreOptions { below: Some(store_access::below(platform)), ..StoreOptions::default() },
        };
        stores::open(url, &options)
    }

    async fn cell(&self, ways: &Ways, given: Given) -> anyhow::Result<Cell> {
        let stores = Stores {
            objects: self.store(WhichStore::Objects, ways).await?,
            keys: self.store(WhichStore::Keys, ways).await?,
        };
        let Inner { dir, region, vault, catalog, handles, .. } = &*self.0;
        let Handles { clock, rng, audit } = handles.clone();
        Ok(Cell {
            dir: dir.clone(),
            region: region.clone(),
            stores,
            vault: vault.clone(),
            leave: Leave::Given(given.into()),
            catalog: catalog.clone(),
            clock,
            rng,
            audit,
        })
    }

    /// Does a piece of work, on a thread of its own: it may compute for long.
    pub(crate) async fn take<W: Work>(self, job: Job<W>, teller: Teller<Told>) -> Result<W::Answer, Refusal> {
        let runtime = Handle::current();
        let done = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                let gone = teller.clone();
                tokio::select! {
                    done = self.work(job, teller) => done,
                    // Nobody waits for it any more, as if its command had been ended: it is taken up where it broke off.
                    () = gone.gone() => Err(failed(&anyhow::anyhow!("nobody waits for it any more"))),
                }
            })
        });
        done.await
            .unwrap_or_else(|stopped| Err(failed(&anyhow::Error::new(stopped).context("it broke down"))))
    }

    async fn work<W: Work>(self, job: Job<W>, teller: Teller<Told>) -> Result<W::Answer, Refusal> {
        let Job { tenant, connection, grants, orders, stores, lent, work } = job;
        let clock = self.clock();
        // Also where the work is broken off.
        let _forgets = lent.map(|name| Forgets(self.clone(), name));
        let lent = match lent {
            Some(name) => Some(self.0.lent.take(name, &*clock).await.ok_or(Refusal::NotLent)?),
            None => None,
        };
        let done = async {
            let given = Given::new(grants)
                .ok_or_else(|| FlowError::Refused(format!("no grant was given for `{}`", W::NAME)))?;
            let mut cell = self.cell(&stores, given).await?;
            cell.vault = cell.vault.on_orders(orders);
            let tells = Tells { teller, clock, told: Mutex::default() };
            let platform = self.0.platform.clone();
            let bench = self.clone();
            work.does(&Desk { cell, bench, platform, tenant, name: connection, lent, tells }).await
        };
        done.await.map_err(|error| failed(&error))
    }
}

/// Ends what is lent to a piece of work with the work.
struct Forgets(Bench, Id128);

impl Drop for Forgets {
    fn drop(&mut self) {
        self.0.comings().forget(self.1);
    }
}

type Ways = [(WhichStore, store_access::SealedWay)];

fn failed(error: &anyhow::Error) -> Refusal {
    Refusal::Failed(Failed::of(output::kind(error), error.as_ref()))
}

/// What a worker has for one piece of work.
pub(crate) struct Desk {
    pub(crate) cell: Cell,
    bench: Bench,
    /// The worker's: it gets to no connection of another.
    pub(crate) platform: Platform,
    pub(crate) tenant: TenantId,
    /// The connection on which it is done.
    pub(crate) name: ConnectionId,
    lent: Option<File>,
    pub(crate) tells: Tells,
}

impl Desk {
    /// The connection's row.
    pub(crate) async fn connection(&self) -> flows::Result<Connection> {
        self.cell.connection(&self.tenant, &self.name).await
    }

    /// Has it looked for what is due.
    pub(crate) fn say_due(&self) {
        self.bench.inner().due.notify_one();
    }

    /// The file that was lent.
    pub(crate) fn lent(&self) -> flows::Result<File> {
        let lent = self.lent.as_ref().and_then(|file| file.try_clone().ok());
        lent.ok_or_else(|| FlowError::Input("no file was lent for it".to_owned()))
    }
}

/// Tells whoever waits for the work how far it is, and hands them files.
pub(crate) struct Tells {
    teller: Teller<Told>,
    clock: Arc<dyn Clock>,
    /// When that was last.
    told: Mutex<Option<Duration>>,
}

impl Tells {
    /// How far it is. May be called often.
    pub(crate) fn progress(&self, what: &str, done: u64, of: Option<u64>, left: Option<Duration>) {
        let now = self.clock.monotonic();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now.saturating_sub(told) < PROGRESS_EVERY) {
            return;
        }
        *told = Some(now);
        let left = left.map_or_else(String::new, |left| format!("{} s left", left.as_secs()));
        self.teller.tell_if_room(&Told::Progress { what: what.to_owned(), done, of, left });
    }
}

impl BackupProgress for Tells {
    fn fetching(&self, progress: &Progress<'_>) {
        let what = format!("fetching {}", progress.kind);
        self.progress(&what, progress.items, progress.total, progress.remaining);
    }

    fn writing(&self, kind: &Kind, records: u64) {
        self.progress(&format!("writing {kind}"), records, None, None);
    }
}

impl RestoreProgress for Tells {
    fn advanced(&self, what: &str, done: u64, of: u64, left: Option<Duration>) {
        self.progress(what, done, Some(of), left);
    }
}

impl IngestProgress for Tells {
    fn advanced(&self, bytes: u64, of: Option<u64>, records: u64) {
        self.progress(&format!("ingest, {records} records"), bytes, of, None);
    }
}

impl Files for Tells {
    fn append<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, flows::Result<()>> {
        async move {
            let told = self.teller.tell_with(&Told::File { name: name.to_owned() }, bytes).await;
            told.map_err(|gone| FlowError::File {
                operation: "hand over",
                path: name.to_owned(),
                source: std::io::Error::other(gone),
            })
        }
        .boxed()
    }
}

/// The folders of a worker that are in a cell's home: for locks, and for what is put aside.
pub(crate) fn folders(dir: &Path, platform: &Platform) -> [PathBuf; 2] {
    [flows::cell::locks(dir, platform), flows::cell::scratch(dir, platform)]
}
