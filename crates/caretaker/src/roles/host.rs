//! A host of a cell: a machine on which a worker runs, and not the vault.
//!
//! `DIR/host/host.json` says to which cell it belongs and where the others are found, `DIR/host/host.key` is the key by which it
//! proves that. An invitation is a file that somebody brought from the vault's machine: what the host is to know, and a secret
//! that is good once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Clock, Id128, Platform, Role, ServiceId, SigningKey as _};
use flows::FlowError;
use flows::error::{ErrorKind, Told};
use flows::store_access::WhichStore;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use transport::enrol::EnrolError;
use transport::hosts::{self, Expects};
use transport::{Identity, Stream};
use vault::system::SystemRng;
use vault::{Handles, HostKey, Secret};

use super::child::stream;
use super::far::{self, Listening, Places};
use super::member::Sockets;
use super::messages::Ask;
use super::supervisor::{Beginning, Keeps, Supervisor};
use crate::home::{self, CellFile};
use crate::{files, stores};

/// The only format that there is, of both files.
const FORMAT: u8 = 1;
/// Neither file is longer, in bytes.
const FILE_LEN_MAX: u64 = 64 * 1024;
/// Whom a worker calls.
pub(crate) const CALLED: [Role; 3] = [Role::Vault, Role::Server, Role::Monitor];

/// To which cell a host belongs, and as what.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Belongs {
    format: u8,
    /// The cell, by its vault's id.
    cell: Id128,
    role: String,
    /// The certificate of the cell's authority, DER (RFC 5280), as base64. What its key did not sign is not believed.
    authority: String,
    vault: SocketAddr,
    server: SocketAddr,
    monitor: SocketAddr,
    /// What is decided for the whole cell, with the addresses of its stores.
    settings: CellFile,
}

/// What lets one host join.
#[derive(Serialize, Deserialize)]
pub(crate) struct Invitation {
    #[serde(flatten)]
    belongs: Belongs,
    /// Base64.
    secret: String,
}

/// What a host knows that has joined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HostFile {
    #[serde(flatten)]
    belongs: Belongs,
    /// Where it is found.
    listen: SocketAddr,
    /// The name that its events have.
    source: String,
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("host")
}

fn file(dir: &Path) -> PathBuf {
    folder(dir).join("host.json")
}

fn key(dir: &Path) -> PathBuf {
    folder(dir).join("host.key")
}

/// Where what is a host's own lies, which its worker reads.
pub(super) fn own(dir: &Path) -> PathBuf {
    folder(dir)
}

/// Reads one of the two files, which `what` names.
fn read<T: DeserializeOwned>(path: &Path, what: &str) -> anyhow::Result<T> {
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    let text = files::read_at_most(path, FILE_LEN_MAX)?;
    let unusable = |why: String| FlowError::Input(format!("`{}` is no {what}: {why}", path.display()));
    let Format { format } = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
    if format != u64::from(FORMAT) {
        return Err(
            unusable(format!("it has format {format}, and this version knows format {FORMAT}")).into()
        );
    }
    Ok(serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?)
}

impl Belongs {
    fn platform(&self) -> anyhow::Result<Platform> {
        match self.role.parse() {
            Ok(Role::Worker(platform)) => Ok(platform),
            _ => Err(FlowError::Input(format!("`{}` is no worker's role", self.role)).into()),
        }
    }

    fn expects(&self) -> anyhow::Result<Expects> {
        let own = ServiceId { cell: self.cell, role: self.role.parse()? };
        Ok(Expects { own, authority: STANDARD.decode(&self.authority)? })
    }

    fn places(&self) -> Places {
        [(Role::Vault, self.vault), (Role::Server, self.server), (Role::Monitor, self.monitor)].into()
    }
}

impl Invitation {
    /// For a host whose process has that role, of the cell at `dir` whose others are found there.
    ///
    /// # Errors
    /// Where nobody is found for one of those whom it would call.
    pub(crate) fn new(
        (cell, role): (Id128, &Role),
        (dir, settings): (&Path, &CellFile),
        (authority, places): (&[u8], &Places),
        secret: &Secret,
    ) -> anyhow::Result<Self> {
        let place = |role: &Role| {
            places.get(role).copied().ok_or_else(|| {
                let why = format!(
                    "no other host finds the {role}: say where, for all three of `caretaker up --at vault=IP:PORT --at \
                     server=IP:PORT --at monitor=IP:PORT`"
                );
                FlowError::Input(why)
            })
        };
        let url =
            |which| std::path::absolute(settings.url(which, dir)).map(|path| path.display().to_string());
        let url = |which| {
            let given = settings.url(which, dir);
            // A folder is looked for at the same place there: it may be one that both have.
            if stores::is_bucket(&given) { Ok(given) } else { url(which) }
        };
        let settings = CellFile {
            store: Some(url(WhichStore::Objects)?),
            keys_store: Some(url(WhichStore::Keys)?),
            ..settings.clone()
        };
        let belongs = Belongs {
            format: FORMAT,
            cell,
            role: role.to_string(),
            authority: STANDARD.encode(authority),
            vault: place(&Role::Vault)?,
            server: place(&Role::Server)?,
            monitor: place(&Role::Monitor)?,
            settings,
        };
        Ok(Self { belongs, secret: STANDARD.encode(secret.expose_secret()) })
    }

    /// Writes it to a new file.
    ///
    /// # Errors
    /// When that is there already, or cannot be written.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        files::write_new_private(path, (serde_json::to_string_pretty(self)? + "\n").as_bytes())
    }
}

fn vault_unreachable(address: SocketAddr, why: &dyn std::fmt::Display) -> anyhow::Error {
    let text = format!("the vault at {address} cannot be reached: {why}");
    FlowError::Told(Told::new(ErrorKind::Unavailable, text)).into()
}

/// Why a host was not taken in, or got no certificate, as a command ends with it.
fn not_admitted(address: SocketAddr, error: EnrolError) -> anyhow::Error {
    match error {
        EnrolError::Refused(why) => FlowError::Refused(why).into(),
        EnrolError::Distrusted(error) => {
            let why = format!(
                "whoever answers at {address} is not the vault of this cell ({error}), or the clocks of the two machines \
                 are more than a minute apart"
            );
            FlowError::Refused(why).into()
        }
        EnrolError::Broken(error) => vault_unreachable(address, &error),
        other => other.into(),
    }
}

/// Has this machine join the cell that the invitation is of. What was made before stays as it was.
///
/// # Errors
/// For a directory that is in use, an invitation that is for another platform, was used, or has ended, and where the vault
/// cannot be reached or is another.
pub(crate) async fn join(
    dir: &Path,
    (invitation, platform): (&Path, &Platform),
    listen: SocketAddr,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let named = invitation.display();
    let Invitation { belongs, secret } = read(invitation, "invitation")?;
    let invited = belongs.platform()?;
    if invited != *platform {
        let why = format!("`{named}` is for the worker of `{invited}`, not for that of `{platform}`");
        return Err(FlowError::Input(why).into());
    }
    if file(dir).exists() || dir.join("vault").exists() {
        let why = format!(
            "`{}` is a cell's or a host's already: name another directory, or leave `--join` out where this host has joined",
            dir.display()
        );
        return Err(FlowError::Conflict(why).into());
    }
    let damaged =
        |error: &dyn std::fmt::Display| FlowError::Input(format!("`{named}` is no invitation: {error}"));
    let secret = Secret::new(STANDARD.decode(secret).map_err(|error| damaged(&error))?);
    let expects = belongs.expects().map_err(|error| damaged(&error))?;
    let made = match key(dir).exists() {
        // It was made for an invitation that was not good.
        true => HostKey::read(&key(dir))?,
        false => HostKey::create(&key(dir), &SystemRng)?,
    };
    let unreachable = |error: std::io::Error| vault_unreachable(belongs.vault, &error);
    let socket = far::dial(belongs.vault, &**clock).await.map_err(unreachable)?;
    let joined = hosts::join(stream(socket)?, &expects, (secret.expose_secret(), &made), clock).await;
    joined.map_err(|error| not_admitted(belongs.vault, error))?;
    let short: String = made.public().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let joined = HostFile { belongs, listen, source: format!("worker-{platform}-{short}") };
    files::write_private(&file(dir), (serde_json::to_string_pretty(&joined)? + "\n").as_bytes())
}

impl HostFile {
    /// # Errors
    /// Where this machine has not joined.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        if !file(dir).exists() {
            let why = format!(
                "`{}` has joined no cell: give `--join FILE` once, with what `caretaker host invite` wrote on the vault's machine",
                dir.display()
            );
            return Err(FlowError::NotFound(why).into());
        }
        read(&file(dir), "host's file")
    }

    /// The name that its events have.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whose stores its worker works with.
    ///
    /// # Errors
    /// When the file says something that no host is there for.
    pub(crate) fn platform(&self) -> anyhow::Result<Platform> {
        self.belongs.platform()
    }

    /// Where it is found.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// What proves to the vault whose process this is.
    pub(super) fn proof(&self, dir: &Path) -> anyhow::Result<OfHost> {
        let key = HostKey::read(&key(dir))?;
        Ok(OfHost { expects: self.belongs.expects()?, vault: self.belongs.vault, key })
    }
}

/// What says to the vault of another host who a process is.
pub(super) struct OfHost {
    expects: Expects,
    vault: SocketAddr,
    key: HostKey,
}

impl OfHost {
    /// Gets a certificate.
    pub(super) async fn enrol(
        &self,
        sockets: &dyn Sockets,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<(Identity, Duration)> {
        let to = Ask::Connection { to: Role::Vault.to_string(), reaching: Vec::new() };
        let unreachable = |error: std::io::Error| vault_unreachable(self.vault, &error);
        let stream: Box<dyn Stream> = sockets.get(to).await.map_err(unreachable)?;
        let certified = hosts::certify(stream, &self.expects, &self.key, clock).await;
        certified.map_err(|error| not_admitted(self.vault, error))
    }
}

/// A worker on a host of its own. It ends with this.
pub(crate) struct FarWorker {
    // Before the process: nobody is let in any more.
    _listening: Listening,
    supervisor: Arc<Supervisor>,
}

impl FarWorker {
    /// Starts the worker of the host at `dir`, which can connect to those ports besides, and lets commands in.
    ///
    /// # Errors
    /// As the process tells, and when nobody can be heard at the host's address.
    pub(crate) async fn start(dir: &Path, reaching: &[u16]) -> anyhow::Result<Self> {
        let dir = std::path::absolute(dir)?;
        let host = HostFile::read(&dir)?;
        let handles: Handles = home::handles_as(host.source(), &dir)?;
        let supervisor = Supervisor::new(&handles, Keeps::Always, host.belongs.places());
        let platform = host.belongs.platform()?;
        let beginning = Beginning::worker(&dir, &host.belongs.settings, platform.clone(), reaching).far();
        supervisor.start(beginning).await?;
        let listening = supervisor.let_in(Role::Worker(platform), host.listen).await?;
        Ok(Self { _listening: listening, supervisor })
    }

    /// The process, by its role.
    pub(crate) async fn processes(&self) -> Vec<(Role, u32)> {
        self.supervisor.processes().await
    }

    /// What this machine's kernel cannot keep it from, in words.
    pub(crate) fn missing(&self) -> Vec<(Role, String)> {
        self.supervisor.missing()
    }
}
