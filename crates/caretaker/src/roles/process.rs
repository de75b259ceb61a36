//! The vault as commands have it: a process that lives as long as they need it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use domain::{Clock, Rng, Role, SigningKey};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use trail::witness::Vouches;
use transport::{Channel, Dial, Identities, Identity, Stream, enrol};
use vault::{Client, Passphrase, Vault, VaultError};

use super::control::Control;
use super::vault::{FromVault, ToOpen, ToVault};
use super::witness::Elsewhere;
use crate::cell_trail;

/// A process that has died is started again so often within one command.
const STARTS_AGAIN_MAX: u32 = 20;
/// And after so long, times how often it was.
const START_AGAIN: Duration = Duration::from_millis(20);

/// What gives a vault its passphrase.
pub(crate) enum Unseals {
    /// A file, which the vault's process alone reads.
    File(PathBuf),
    /// Somebody who typed it.
    Typed(Arc<Passphrase>),
}

/// A vault that was opened, here or in a process of its own, and the two who sign the trail.
pub(crate) struct OpenVault {
    pub(crate) client: Client,
    pub(crate) log: Arc<dyn SigningKey>,
    pub(crate) witness: Arc<dyn Vouches>,
}

impl OpenVault {
    /// A vault that was made just now, in this process: whoever makes it has its keys anyway.
    pub(crate) fn here(dir: &Path, vault: Vault) -> anyhow::Result<Self> {
        let vault = Arc::new(vault);
        let (log, witness) = (vault.log_key()?, Arc::new(cell_trail::witness(dir, &vault)?));
        Ok(Self { client: Client::of(vault), log, witness })
    }
}

/// What it takes to start the process, and the one that runs.
struct Keeper {
    place: Place,
    /// What opens a vault that has died. `None` where somebody typed it: nobody keeps it.
    passphrase_file: Option<PathBuf>,
    running: Mutex<Running>,
}

/// Where the vault is, and how it is to be opened.
struct Place {
    dir: PathBuf,
    alone: bool,
    clock: Arc<dyn Clock>,
}

/// A process that was started.
struct Running {
    child: Child,
    /// `None` once it is to end.
    control: Option<Arc<Control>>,
    /// How often it was started again.
    again: u32,
    /// What this machine's kernel cannot keep it from, in words.
    missing: Vec<String>,
}

impl Running {
    /// Starts a process, and others in its place where it dies before it has opened the vault. `again`: how often that, or
    /// another death, has happened before.
    async fn start(place: &Place, unseals: &Unseals, mut again: u32) -> anyhow::Result<Self> {
        loop {
            let (control, theirs) = Control::pair()?;
            let control = Arc::new(control);
            let child = start(theirs)?;
            let missing = Vec::new();
            let mut running = Self { child, control: Some(Arc::clone(&control)), again, missing };
            match unseal(control, place, unseals).await? {
                Some(missing) => {
                    running.missing = missing;
                    return Ok(running);
                }
                None if again >= STARTS_AGAIN_MAX => {
                    anyhow::bail!("the vault's process has ended before it opened the vault");
                }
                None => {
                    again += 1;
                    place.clock.sleep(START_AGAIN * again).await;
                }
            }
        }
    }

    fn tell(&self, message: &ToVault, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let control = self.control.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        control.send(message, Some(descriptor))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends when it hears nobody any more, and whoever comes next must not find it still there.
        self.control = None;
        let _ = self.child.wait();
    }
}

/// The process, started again where it dies. It ends with this.
pub(crate) struct VaultProcess {
    _keeper: Arc<Keeper>,
    renewing: JoinHandle<()>,
    /// What this machine's kernel cannot keep it from, in words.
    pub(crate) missing: Vec<String>,
}

/// Asks the process for connections and certificates.
#[derive(Clone)]
struct Way(Weak<Keeper>);

impl Way {
    /// One end of a pair of sockets of which the process has the other.
    async fn pair(&self, message: &ToVault) -> io::Result<UnixStream> {
        let keeper = self.0.upgrade().ok_or_else(|| io::Error::other("its command has ended"))?;
        let mut running = keeper.running.lock().await;
        loop {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            match running.tell(message, theirs.as_fd()) {
                Ok(()) => {
                    ours.set_nonblocking(true)?;
                    return UnixStream::from_std(ours);
                }
                Err(gone) => keeper.start_again(&mut running, gone).await?,
            }
        }
    }

    async fn enrol(&self) -> anyhow::Result<(Identity, Duration)> {
        let stream = self.pair(&ToVault::Enrol { role: Role::Command.to_string() }).await?;
        Ok(enrol::ask(stream).await?)
    }
}

impl Keeper {
    /// Starts the process again after it was found gone.
    async fn start_again(&self, running: &mut Running, gone: io::Error) -> io::Result<()> {
        let Some(file) = self.passphrase_file.as_ref().filter(|_| running.again < STARTS_AGAIN_MAX) else {
            return Err(gone);
        };
        tracing::warn!("the vault's process has ended; it is started again");
        // Also where that fails: whoever asks next must not try without end.
        running.again += 1;
        self.place.clock.sleep(START_AGAIN * running.again).await;
        let unseals = Unseals::File(file.clone());
        let started = Running::start(&self.place, &unseals, running.again).await;
        *running = started.map_err(io::Error::other)?;
        Ok(())
    }
}

impl Dial for Way {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        async move { Ok(Box::new(self.pair(&ToVault::Connect).await?) as Box<dyn Stream>) }.boxed()
    }
}

/// This program again, in a process group of its own: what a terminal sends to the command is not for it.
fn start(control: OwnedFd) -> anyhow::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("caretaker").arg("vault").stdin(control).stdout(Stdio::null()).process_group(0);
    command.spawn().context("the vault's process could not be started")
}

impl VaultProcess {
    /// Starts the process of the vault of the cell at `dir`, and opens it.
    ///
    /// # Errors
    /// As the vault tells, and when the process could not be started.
    pub(crate) async fn open(
        dir: &Path,
        unseals: &Unseals,
        alone: bool,
        clock: &Arc<dyn Clock>,
        rng: &Arc<dyn Rng>,
    ) -> anyhow::Result<(Self, OpenVault)> {
        let clock = Arc::clone(clock);
        let place = Place { dir: std::path::absolute(dir)?, alone, clock: Arc::clone(&clock) };
        let running = Running::start(&place, unseals, 0).await?;
        let missing = running.missing.clone();
        let passphrase_file = match unseals {
            Unseals::File(file) => Some(file.clone()),
            Unseals::Typed(_) => None,
        };
        let keeper = Arc::new(Keeper { place, passphrase_file, running: Mutex::new(running) });
        let way = Way(Arc::downgrade(&keeper));
        let (identity, due) = way.enrol().await?;
        let identities = Identities::new(identity);
        let renewing = {
            let (own, way, clock) = (identities.clone(), way.clone(), Arc::clone(&clock));
            tokio::spawn(async move { own.keep_fresh(due, clock, || way.enrol()).await })
        };
        let process = Self { _keeper: keeper, renewing, missing };
        let channel = Arc::new(Channel::new(Role::Vault, identities, way, Arc::clone(&clock)));
        let client = Client::over(Arc::clone(&channel), clock, Arc::clone(rng));
        let log = client.log_key().await?;
        let witness = Arc::new(Elsewhere::over(channel).await?);
        Ok((process, OpenVault { client, log, witness }))
    }
}

/// Tells the process which vault to open, and waits until it has. Answers what the kernel cannot keep it from; `None` where
/// it has died.
async fn unseal(
    control: Arc<Control>,
    place: &Place,
    unseals: &Unseals,
) -> anyhow::Result<Option<Vec<String>>> {
    let Place { dir, alone, .. } = place;
    let open =
        |passphrase| ToVault::Open(ToOpen { dir: dir.clone(), alone: *alone, passphrase, walls: true });
    let told = match unseals {
        Unseals::File(path) => {
            let file = File::open(path).map_err(|source| VaultError::no_secret(path, source))?;
            control.send(&open(path.clone()), Some(file.as_fd()))
        }
        Unseals::Typed(passphrase) => {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            let told = control.send(&open("what was typed".into()), Some(read.as_fd()));
            drop(read);
            told.and_then(|()| passphrase.write_to(&mut File::from(write)))
        }
    };
    let heard = match told {
        Ok(()) => tokio::task::spawn_blocking(move || control.receive::<FromVault>()).await?,
        Err(error) => Err(error),
    };
    match heard {
        Ok(Some((FromVault::Opened { missing }, _))) => Ok(Some(missing)),
        Ok(Some((FromVault::Failed(told), _))) => Err(VaultError::Told(told).into()),
        #[cfg(debug_assertions)]
        Ok(Some((FromVault::Tried(_), _))) => anyhow::bail!("the vault answers what it was not asked"),
        Ok(None) => Ok(None),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the other end of a pair of sockets is gone.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl Drop for VaultProcess {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
