//! The trail of the cell at a directory: who records, who takes events into the log, and where it is published.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::trail::checkpoint::Checkpoint;
use ::trail::head::Folder;
use ::trail::journal::Journal;
use ::trail::newest::NewestPart;
use ::trail::note::{Scheme, Signer, Verifier};
use ::trail::published::{self, PublishError, Published};
use ::trail::room::{Level, Room};
use ::trail::witness::{Vouches, Witness};
use anyhow::Context as _;
use domain::{Clock, Id128, SigningKey};
use flows::FlowError;
use futures::future::{Either, select};
use object_store::ObjectStore;
use vault::Vault;

use crate::files;
use crate::roles::{OpenVault, Sequences};
use crate::walls::Own;

/// So long a command waits at its end for the store in which the log is published.
const PUBLISH_MAX: Duration = Duration::from_secs(30);
/// Whose events are what commands do.
pub(crate) const COMMANDS: &str = "cell";
/// Whose events are what the vault does.
pub(crate) const VAULT: &str = "vault";
/// Whose events are what is asked of whoever makes certificates for the public endpoint.
pub(crate) const CERTIFIER: &str = "certifier";

/// Where its trail lies in a cell's home.
pub(crate) fn folder(dir: &Path) -> Folder {
    Folder::new(dir.join("trail"))
}

/// What of the trail is a process's own whose events have that name: its journal, and the log to read, from which a journal
/// that was lost begins anew.
pub(crate) fn own(dir: &Path, source: &str) -> anyhow::Result<Vec<Own>> {
    let (journal, log) = folder(dir).make(&source.parse()?)?;
    Ok(vec![Own::folder(journal), Own { path: log, writes: false }])
}

/// The file that says that another host has the log, and where.
fn elsewhere(dir: &Path) -> PathBuf {
    folder(dir).path().join("elsewhere")
}

/// Whether another host has the log: what is recorded here waits for its monitor to fetch it.
pub(crate) fn log_is_elsewhere(dir: &Path) -> bool {
    elsewhere(dir).exists()
}

/// Remembers that the monitor at that address has the log.
pub(crate) fn leave_log(dir: &Path, monitor: SocketAddr) -> anyhow::Result<()> {
    files::write_private(&elsewhere(dir), format!("{monitor}\n").as_bytes())
}

/// Makes sure that the log is here.
///
/// # Errors
/// A conflict where another host has it: two logs would begin to differ.
pub(crate) fn keep_log(dir: &Path) -> Result<(), FlowError> {
    if !log_is_elsewhere(dir) {
        return Ok(());
    }
    Err(FlowError::Conflict(format!(
        "the trail's log is on another host: give `--elsewhere monitor=IP:PORT`, or end that host's monitor, bring its `DIR/trail/log` \
         back to `{}`, and delete `{}`",
        folder(dir).path().join("log").display(),
        elsewhere(dir).display()
    )))
}

/// How much room there is for it.
pub(crate) fn room(dir: &Path) -> std::io::Result<Room> {
    Room::of(folder(dir).path())
}

/// What is to be said of that, and what to do: `None` where there is enough.
pub(crate) fn little_room(dir: &Path, room: &Room, level: Level) -> Option<String> {
    let much = match level {
        Level::Enough => return None,
        Level::Little => "little",
        Level::VeryLittle => "very little",
    };
    Some(format!(
        "there is {much} room left for the trail in `{}`: {room}. Once there is none nothing can be recorded, and nothing is done any \
         more. Delete what else lies on that disk, make it larger, or move the cell to a larger one while nothing runs on it. If its \
         stores lie there too, `caretaker snapshot prune` and `caretaker store collect` make room",
        folder(dir).path().display()
    ))
}

fn memory(dir: &Path) -> PathBuf {
    dir.join("vault").join("trail-witness")
}

/// What says how far the log of a vault has come. No other vault can go on with it.
pub(crate) fn parts(dir: &Path) -> [PathBuf; 2] {
    [folder(dir).head(), memory(dir)]
}

/// Whether it may be time to publish the trail. That something is new to be published, its log says.
pub(crate) fn may_be_due(dir: &Path, clock: &dyn Clock) -> anyhow::Result<bool> {
    Ok(published::has_waited(&folder(dir), clock.now())?)
}

/// Where a process records what it does to the cell, under the name that its events have.
pub(crate) fn journal(dir: &Path, source: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Journal> {
    let opened = Journal::open(&folder(dir), source.parse()?, clock);
    opened.with_context(|| format!("could not open the record of events in `{}`", dir.display()))
}

/// Who signs the log of the trail of that vault's cell.
pub(crate) fn log_signer(vault: Id128, key: Arc<dyn SigningKey>) -> anyhow::Result<Signer> {
    Ok(Signer::new(&format!("caretaker.trail/{vault}"), Scheme::Own, key)?)
}

/// The vault's witness of its cell's trail, in the vault's own process.
pub(crate) fn witness(dir: &Path, vault: &Arc<Vault>) -> anyhow::Result<Witness> {
    let name = format!("caretaker.vault/{}", vault.id());
    let signer = Signer::new(&name, Scheme::Cosignature, vault.witness_key()?)?;
    let log = log_signer(vault.id(), vault.log_key()?)?;
    Ok(Witness::new(signer, log.verifier().clone(), memory(dir)))
}

/// A cell's trail, and who signs it.
#[derive(Debug)]
pub(crate) struct CellTrail {
    pub(crate) folder: Folder,
    pub(crate) log: Verifier,
    pub(crate) vault: Verifier,
    name: String,
    sequences: Sequences,
    pub(crate) witness: Arc<dyn Vouches>,
    clock: Arc<dyn Clock>,
    store: OnceLock<Arc<dyn ObjectStore>>,
    /// The newest part of the log.
    pub(crate) newest: Arc<dyn NewestPart>,
    /// That it is on another host.
    is_elsewhere: bool,
}

/// The newest checkpoint, as a note with both signatures and as what it says.
pub(crate) type Newest = (String, Checkpoint);

impl CellTrail {
    /// The trail of the cell of that vault.
    pub(crate) fn new(dir: &Path, vault: OpenVault, clock: Arc<dyn Clock>) -> Self {
        let OpenVault { client, log, sequences, witness, newest } = vault;
        let (vault, name, store) = (witness.verifier().clone(), client.id().to_string(), OnceLock::new());
        let (folder, is_elsewhere) = (folder(dir), newest.is_some());
        let newest = newest.unwrap_or_else(|| Arc::new(folder.clone()));
        Self { folder, log, vault, name, sequences, witness, clock, store, newest, is_elsewhere }
    }

    /// Says in which store it is published.
    pub(crate) fn is_published_in(&self, store: &Arc<dyn ObjectStore>) {
        // It is the same store each time.
        let _ = self.store.set(Arc::clone(store));
    }

    /// What is published of it, where the store is known.
    pub(crate) fn published(&self) -> Option<Published> {
        Some(Published::new(Arc::clone(self.store.get()?), &self.name))
    }

    /// Takes all events that were recorded into the log, and has that vouched for.
    pub(crate) async fn take(&self) -> anyhow::Result<Option<Newest>> {
        self.sequences.take().await
    }

    /// The newest checkpoint as it stands, whatever else is wrong.
    pub(crate) fn as_it_is(&self) -> Option<Newest> {
        if self.is_elsewhere {
            return None;
        }
        let note = self.folder.read_head().ok()?.checkpoint;
        let checkpoint = self.log.open(note.as_bytes()).ok()?.0.parse().ok()?;
        Some((note, checkpoint))
    }

    /// Publishes the log that far, if it is time to. A store that does not answer is not waited for: what is not published
    /// now will be by the next command.
    pub(crate) async fn publish_if_due(&self, newest: &Newest) -> anyhow::Result<()> {
        if !published::is_due(&self.folder, newest.1.size, self.clock.now())? {
            return Ok(());
        }
        let publishing = std::pin::pin!(self.publish(newest));
        match select(publishing, self.clock.sleep(PUBLISH_MAX)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => anyhow::bail!("the object store did not take it within {PUBLISH_MAX:?}"),
        }
    }

    /// Publishes the log that far.
    pub(crate) async fn publish(&self, (note, newest): &Newest) -> anyhow::Result<()> {
        let Some(published) = self.published() else { return Ok(()) };
        let now = self.clock.now();
        let done =
            published::publish((&self.folder, &*self.newest), &published, (note, newest), &self.log, now)
                .await;
        done.map_err(unpublished)
    }
}

/// A failure of the trail, as commands end with it.
pub(crate) fn unpublished(error: PublishError) -> anyhow::Error {
    broken(error.is_damage(), error)
}

fn broken(is_damage: bool, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    match is_damage {
        true => FlowError::Integrity(domain::with_causes(&error)).into(),
        false => error.into(),
    }
}
