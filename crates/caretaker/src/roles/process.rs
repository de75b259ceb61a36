//! The vault as commands have it: a process that lives as long as they need it.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::{Clock, Rng, Role, SigningKey};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use trail::witness::Vouches;
use transport::{Channel, Dial, Identities, Identity, Issued, Stream, enrol};
use vault::{Client, Passphrase, Vault, VaultError};

use super::control::Control;
use super::vault::{FromVault, ToOpen, ToVault};
use super::witness::Elsewhere;
use crate::cell_trail;

/// A certificate that could not be had is asked for again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(5);

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

/// The process. It ends with this.
#[derive(Debug)]
pub(crate) struct VaultProcess {
    child: Child,
    /// `None` once it is to end.
    control: Option<Arc<Control>>,
    renewing: JoinHandle<()>,
    /// What this machine's kernel cannot keep it from, in words.
    pub(crate) missing: Vec<String>,
}

/// Asks the process for connections and certificates.
#[derive(Clone)]
struct Way(std::sync::Weak<Control>);

impl Way {
    fn pair(&self, message: &ToVault) -> std::io::Result<UnixStream> {
        let control = self.0.upgrade().ok_or_else(|| std::io::Error::other("it has ended"))?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        control.send(message, Some(theirs.as_fd()))?;
        ours.set_nonblocking(true)?;
        UnixStream::from_std(ours)
    }

    async fn enrol(&self) -> anyhow::Result<(Identity, Issued)> {
        let stream = self.pair(&ToVault::Enrol { role: Role::Command.to_string() })?;
        Ok(enrol::ask(stream).await?)
    }
}

impl Dial for Way {
    fn dial(&self) -> BoxFuture<'_, std::io::Result<Box<dyn Stream>>> {
        let stream = self.pair(&ToVault::Connect).map(|stream| Box::new(stream) as Box<dyn Stream>);
        std::future::ready(stream).boxed()
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
        let (control, theirs) = Control::pair()?;
        let child = start(theirs)?;
        let control = Arc::new(control);
        let way = Way(Arc::downgrade(&control));
        // From here on the process ends when this does.
        let renewing = tokio::spawn(std::future::ready(()));
        let mut process = Self { child, control: Some(Arc::clone(&control)), renewing, missing: Vec::new() };
        process.missing = unseal(control, dir, unseals, alone).await?;
        let (identity, issued) = way.enrol().await?;
        let identities = Identities::new(identity);
        process.renewing = tokio::spawn(keep_fresh(
            way.clone(),
            identities.clone(),
            issued.renew_after(),
            Arc::clone(clock),
        ));
        let channel = Arc::new(Channel::new(Role::Vault, identities, way, Arc::clone(clock)));
        let client = Client::over(Arc::clone(&channel), Arc::clone(clock), Arc::clone(rng));
        let log = client.log_key().await?;
        let witness = Arc::new(Elsewhere::over(channel).await?);
        Ok((process, OpenVault { client, log, witness }))
    }
}

/// Tells the process which vault to open, and waits until it has. Answers what the kernel cannot keep it from.
async fn unseal(
    control: Arc<Control>,
    dir: &Path,
    unseals: &Unseals,
    alone: bool,
) -> anyhow::Result<Vec<String>> {
    let dir = std::path::absolute(dir)?;
    let open = |passphrase| ToVault::Open(ToOpen { dir, alone, passphrase, walls: true });
    match unseals {
        Unseals::File(path) => {
            let file = File::open(path).map_err(|source| VaultError::no_secret(path, source))?;
            control.send(&open(path.clone()), Some(file.as_fd()))?;
        }
        Unseals::Typed(passphrase) => {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            control.send(&open("what was typed".into()), Some(read.as_fd()))?;
            drop(read);
            passphrase.write_to(&mut File::from(write))?;
        }
    }
    let answer = tokio::task::spawn_blocking(move || control.receive::<FromVault>()).await??;
    match answer {
        Some((FromVault::Opened { missing }, _)) => Ok(missing),
        Some((FromVault::Failed(told), _)) => Err(VaultError::Told(told).into()),
        #[cfg(debug_assertions)]
        Some((FromVault::Tried(_), _)) => anyhow::bail!("the vault answers what it was not asked"),
        None => anyhow::bail!("the vault's process has ended before it opened the vault"),
    }
}

/// Has a new certificate in time, as long as the process lives.
async fn keep_fresh(way: Way, identities: Identities, mut wait: Duration, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(wait).await;
        match way.enrol().await {
            Ok((identity, issued)) => {
                identities.replace(identity);
                wait = issued.renew_after();
            }
            Err(error) => {
                tracing::warn!("the certificate could not be renewed: {error:#}");
                wait = ASK_AGAIN;
            }
        }
    }
}

impl Drop for VaultProcess {
    fn drop(&mut self) {
        self.renewing.abort();
        // It ends when it hears nobody any more, and whoever comes next must not find it still there.
        self.control = None;
        let _ = self.child.wait();
    }
}
