//! A host of a cell: a machine on which a worker, the server or the monitor runs, and not the vault.
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
use domain::{Clock, Id128, Role, ServiceId, SigningKey as _};
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

use super::beginning::Beginning;
use super::brings::Brings;
use super::child::stream;
use super::far::{self, Listening, Places};
use super::member::{Member, Proof, Sockets};
use super::messages::Ask;
use super::supervisor::{Keeps, Supervisor};
use crate::home::{self, CellFile};
use crate::walls::Own;
use crate::{cell_trail, files, stores};

/// The only format that there is, of both files.
const FORMAT: u8 = 1;
/// Neither file is longer, in bytes.
const FILE_LEN_MAX: u64 = 64 * 1024;
/// Whom those call who run elsewhere.
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

/// Where what is a host's own lies, which its process reads.
fn folder(dir: &Path) -> PathBuf {
    dir.join("host")
}

fn file(dir: &Path) -> PathBuf {
    folder(dir).join("host.json")
}

fn key(dir: &Path) -> PathBuf {
    folder(dir).join("host.key")
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
    fn role(&self) -> anyhow::Result<Role> {
        match self.role.parse() {
            Ok(role @ (Role::Worker(_) | Role::Server | Role::Monitor)) => Ok(role),
            _ => Err(FlowError::Input(format!("`{}` runs on no host of its own", self.role)).into()),
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
        if *role == Role::Server && settings.catalog.is_none() {
            let why = "the catalog is a file of this machine: the server runs elsewhere where it is on PostgreSQL (`init --catalog`)";
            return Err(FlowError::Input(why.to_owned()).into());
        }
        let url = |which| match settings.url(which, dir) {
            bucket if stores::is_bucket(&bucket) => Ok(bucket),
            // It is looked for at the same place there: it may be one that both have.
            folder => std::path::absolute(folder).map(|path| path.display().to_string()),
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
    (invitation, role): (&Path, &Role),
    listen: SocketAddr,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let named = invitation.display();
    let Invitation { belongs, secret } = read(invitation, "invitation")?;
    let invited = belongs.role()?;
    if invited != *role {
        let why = format!("`{named}` is for the {invited}, not for the {role}");
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
    let joined = HostFile { belongs, listen, source: format!("{}-{short}", source(role)) };
    files::write_private(&file(dir), (serde_json::to_string_pretty(&joined)? + "\n").as_bytes())
}

/// What the events of a process of that role are called on the vault's host. On another they are called so and after its key.
pub(super) fn source(role: &Role) -> String {
    role.to_string().replace('/', "-")
}

/// Whether the machine at `dir` has joined a cell.
pub(crate) fn is_one(dir: &Path) -> bool {
    file(dir).exists()
}

impl HostFile {
    /// # Errors
    /// Where this machine has not joined.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        if !is_one(dir) {
            let why = format!(
                "`{}` has joined no cell: give `--join FILE` once, with what `caretaker host invite` wrote on the vault's machine",
                dir.display()
            );
            return Err(FlowError::NotFound(why).into());
        }
        read(&file(dir), "host's file")
    }

    /// What its process is there for.
    ///
    /// # Errors
    /// When the file says something that no host is there for.
    pub(crate) fn role(&self) -> anyhow::Result<Role> {
        self.belongs.role()
    }

    /// Where it is found.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    fn proof(&self, dir: &Path) -> anyhow::Result<OfHost> {
        let key = HostKey::read(&key(dir))?;
        Ok(OfHost { expects: self.belongs.expects()?, vault: self.belongs.vault, key })
    }
}

/// Where a process is that may be on another host than the vault: what follows from that.
pub(super) struct Placed {
    /// The name that its events have.
    pub(super) name: String,
    host: Option<HostFile>,
}

impl Placed {
    /// Of the process of that role, `far` from the vault or not, whose home is at `dir`.
    ///
    /// # Errors
    /// Where it is far, and this machine has not joined.
    pub(super) fn of(role: &Role, far: bool, dir: &Path) -> anyhow::Result<Self> {
        let host = far.then(|| HostFile::read(dir)).transpose()?;
        let name = host.as_ref().map_or_else(|| source(role), |host| host.source.clone());
        Ok(Self { name, host })
    }

    /// What of that is its own of the machine.
    pub(super) fn own(&self, dir: &Path) -> anyhow::Result<Vec<Own>> {
        let mut own = cell_trail::own(dir, &self.name)?;
        own.extend(self.host.is_some().then(|| Own { path: folder(dir), writes: false }));
        Ok(own)
    }

    /// What proves to the vault whose process this is.
    pub(super) fn proof(&self, dir: &Path) -> anyhow::Result<Proof> {
        Ok(match &self.host {
            Some(host) => Proof::Host(host.proof(dir)?),
            None => Proof::Parent,
        })
    }

    /// What brings to the monitor what the process records, where that does not lie beside it.
    pub(super) fn brings(
        &self,
        dir: &Path,
        member: &Arc<Member>,
        handles: &Handles,
    ) -> anyhow::Result<Brings> {
        match &self.host {
            Some(_) => Brings::from(&cell_trail::folder(dir), &self.name, member, handles),
            None => Ok(Brings::nothing(member)),
        }
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
        let unreachable = |error: std::io::Error| vault_unreachable(self.vault, &error);
        let stream: Box<dyn Stream> = sockets.get(Ask::Certificate).await.map_err(unreachable)?;
        let certified = hosts::certify(stream, &self.expects, &self.key, clock).await;
        certified.map_err(|error| not_admitted(self.vault, error))
    }
}

/// A process on a host of its own. It ends with this.
pub(crate) struct OnHost {
    // Before the process: nobody is let in any more.
    _listening: Listening,
    supervisor: Arc<Supervisor>,
}

impl OnHost {
    /// Starts the process of the host at `dir`, and lets others in. A worker can connect to those ports besides.
    ///
    /// # Errors
    /// As the process tells, and when nobody can be heard at the host's address.
    pub(crate) async fn start(dir: &Path, reaching: &[u16]) -> anyhow::Result<Self> {
        let dir = std::path::absolute(dir)?;
        let host = HostFile::read(&dir)?;
        let handles: Handles = home::handles_as(&host.source, &dir)?;
        let supervisor = Supervisor::new(&handles, Keeps::Always, host.belongs.places());
        let (role, cell) = (host.belongs.role()?, host.belongs.settings.clone());
        let beginning = match &role {
            Role::Worker(platform) => Beginning::worker(&dir, &cell, platform.clone(), reaching).by_itself(),
            Role::Monitor => Beginning::Monitor { dir, by_itself: true, far: false },
            _ => Beginning::Server { dir, cell, public: None, far: false },
        };
        supervisor.start(beginning.far()).await?;
        let listening = supervisor.let_in(role, host.listen).await?;
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
