//! A trail in a folder of its own, with a clock that the test sets.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{AuditEvent, AuditSink as _, Clock, Operation, Outcome, Principal, Timestamp};
use futures::future::BoxFuture;
use object_store::local::LocalFileSystem;
use tempfile::TempDir;
use trail::checkpoint::Checkpoint;
use trail::event::Source;
use trail::head::Folder;
use trail::journal::Journal;
use trail::note::{Scheme, Signer, Verifier};
use trail::published::{self, PublishError, Published};
use trail::sequencer::{Sequencer, SequencerError};
use trail::verify::{self, Reader, Remembered, Verified};
use trail::witness::Witness;

pub(crate) const ORIGIN: &str = "trail.example";

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

pub(crate) struct World {
    pub(crate) home: TempDir,
    pub(crate) clock: Arc<SetClock>,
}

pub(crate) fn event(number: u64) -> AuditEvent {
    let object = format!("default/shop-{number}");
    AuditEvent::new(Principal("cell-operator".into()), Operation::DataKeyOpen, object, Outcome::Done)
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = SetClock(Mutex::new("2026-11-28T12:00:00Z".parse().unwrap()));
        let world = Self { home: tempfile::tempdir().unwrap(), clock: Arc::new(clock) };
        std::fs::create_dir(world.path("store")).unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn set_clock(&self, now: Timestamp) {
        *self.clock.0.lock().unwrap() = now;
    }

    pub(crate) fn after(&self, seconds: i64) {
        self.set_clock(self.clock.now() + jiff_seconds(seconds));
    }

    pub(crate) fn folder(&self) -> Folder {
        Folder::new(self.path("trail"))
    }

    pub(crate) fn journal(&self, source: &str) -> Journal {
        let source: Source = source.parse().unwrap();
        Journal::open(&self.folder(), source, Arc::clone(&self.clock) as _).unwrap()
    }

    pub(crate) async fn record(&self, source: &str, count: u64) {
        let journal = self.journal(source);
        let events = (0..count).map(|number| journal.record(event(number)));
        futures::future::try_join_all(events).await.unwrap();
    }

    pub(crate) fn signer(seed: u8) -> Signer {
        Signer::from_seed(ORIGIN, Scheme::Own, &[seed; 32]).unwrap()
    }

    pub(crate) fn log_key() -> Verifier {
        Self::signer(1).verifier().clone()
    }

    pub(crate) fn sequencer(&self) -> Sequencer {
        Sequencer::new(self.folder(), Self::signer(1))
    }

    pub(crate) fn witness(&self) -> Witness {
        let signer = Signer::from_seed("vault.example", Scheme::Cosignature, &[2; 32]).unwrap();
        Witness::new(signer, Self::log_key(), self.path("witness/seen"))
    }

    pub(crate) fn published(&self) -> Published {
        let store = LocalFileSystem::new_with_prefix(self.path("store")).unwrap();
        Published::new(Arc::new(store), "log")
    }

    /// Takes all events into the log, and has it vouched for.
    pub(crate) fn take(&self) -> Result<Option<(String, Checkpoint)>, SequencerError> {
        self.sequencer().take(self.clock.now())?;
        self.sequencer().have_witnessed(&self.witness(), self.clock.now())
    }

    pub(crate) async fn publish(&self) -> Result<Checkpoint, PublishError> {
        let (note, newest) = self.take().unwrap().unwrap();
        let (folder, published) = (self.folder(), self.published());
        published::publish(
            (&folder, &folder),
            &published,
            (&note, &newest),
            &Self::log_key(),
            self.clock.now(),
        )
        .await?;
        Ok(newest)
    }

    pub(crate) fn reader(&self, size: u64) -> Reader {
        Reader::new(&self.folder(), Some(self.published()), size)
    }

    /// Takes what there is, and looks at the whole log.
    pub(crate) async fn verify(&self, remembered: &[Remembered]) -> Verified {
        let newest = self.sequencer().take(self.clock.now()).unwrap().unwrap();
        let mut looked = 0;
        let verified = verify::verify(&self.reader(newest.size), &newest, remembered, |at| looked = at).await;
        assert_eq!(looked, newest.size);
        verified.unwrap()
    }

    pub(crate) async fn findings(&self, remembered: &[Remembered]) -> Vec<String> {
        let found = self.verify(remembered).await.findings;
        found.into_iter().map(|finding| finding.what).collect()
    }
}

fn jiff_seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap())
}
