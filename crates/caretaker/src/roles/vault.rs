//! The vault's process: it alone has the cell's keys. It is started by whoever needs it, with one end of a pair of sockets
//! as its standard input, and ends when the other end is gone.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use domain::{AuditEvent, Operation, Outcome, Principal, Role};
use flows::FlowError;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use transport::{Authority, CERTIFICATE_TTL, Endpoint, Identities, Issued, ServeError, enrol};
use vault::{Handles, Passphrase, Told, Vault};

use super::control::Control;
use super::witness;
use crate::output::{Output, exit};
use crate::walls::{self, Own};
use crate::{cell_trail, home};

/// What whoever started the vault tells it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToVault {
    /// Which vault it is. The descriptor gives the passphrase. The first message, and the only one of its kind.
    Open(ToOpen),
    /// At the other end of the descriptor somebody of that role asks for a certificate.
    Enrol { role: String },
    /// At the other end of the descriptor somebody connects.
    Connect,
    /// Ways out are to be tried.
    #[cfg(debug_assertions)]
    TryEscape(walls::escape::Around),
}

/// Which vault is to be opened.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ToOpen {
    pub(super) dir: PathBuf,
    /// That nobody else may have it open.
    pub(super) alone: bool,
    /// What the passphrase's descriptor is called.
    pub(super) passphrase: PathBuf,
    /// Whether the process keeps itself from what it does not need. Only a build for tests heeds a no.
    pub(super) walls: bool,
}

/// What the vault answers to [`ToVault::Open`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromVault {
    /// It is open; in words, what this kernel cannot keep the process from.
    Opened {
        missing: Vec<String>,
    },
    Failed(Told),
    /// What was tried, with the number of the error that it got.
    #[cfg(debug_assertions)]
    Tried(Vec<(String, Option<i32>)>),
}

/// What was begun is finished within that time when the vault is to end.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// So many messages wait to be looked at.
const MESSAGES_MAX: usize = 64;

type Message = (ToVault, Option<OwnedFd>);

/// Why nothing is done where nobody has started the vault as a command does.
pub(crate) fn misplaced() -> anyhow::Error {
    let why = "the vault is started by the command that needs it, which tells it what to open: say what to do with it, for \
               example `caretaker vault status`";
    FlowError::Input(why.to_owned()).into()
}

/// Which vault is to be opened, with what.
struct Open {
    asked: ToOpen,
    passphrase: OwnedFd,
}

/// Runs until whoever started it is gone.
pub(crate) fn main(control: Control, output: &Output) -> ExitCode {
    // Where it cannot be said, a list of processes names the program alone.
    let _ = rustix::thread::set_name(c"caretaker-vault");
    let Ok(Some((ToVault::Open(asked), Some(passphrase)))) = control.receive() else {
        return ExitCode::from(exit::USAGE);
    };
    // Walls are raised before there are other threads, which would stay outside.
    let missing = match raise_walls(&asked) {
        Ok(missing) => missing,
        Err(error) => return failed_to_begin(&control, &error, output),
    };
    let open = Open { asked, passphrase };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(Arc::new(control), open, missing)).unwrap_or_else(|error| {
            tracing::warn!("{error:#}");
            ExitCode::from(exit::FAILED)
        }),
        Err(error) => failed_to_begin(&control, &error.into(), output),
    }
}

fn failed_to_begin(control: &Control, error: &anyhow::Error, output: &Output) -> ExitCode {
    match control.send(&FromVault::Failed(Told::failed(format!("{error:#}"))), None) {
        Ok(()) => ExitCode::from(exit::FAILED),
        Err(error) => ExitCode::from(output.fail(&error.into())),
    }
}

/// Keeps this process to its own folders. Answers what the kernel cannot keep it from.
fn raise_walls(ToOpen { dir, walls, .. }: &ToOpen) -> anyhow::Result<Vec<String>> {
    let vault = dir.join("vault");
    // Without a vault there is nothing to keep apart, and opening it says best what is missing.
    if !vault.is_dir() || (cfg!(debug_assertions) && !walls) {
        return Ok(Vec::new());
    }
    let (journal, log) = cell_trail::folder(dir).make(&cell_trail::VAULT.parse()?)?;
    let own = |folder, writes| Own { folder, writes };
    walls::raise(&[own(vault, true), own(journal, true), own(log, false)])
}

async fn run(control: Arc<Control>, open: Open, missing: Vec<String>) -> anyhow::Result<ExitCode> {
    match Served::open(open).await {
        Ok(served) => {
            control.send(&FromVault::Opened { missing }, None)?;
            served.serve(&control).await;
            Ok(ExitCode::SUCCESS)
        }
        Err(told) => {
            control.send(&FromVault::Failed(told), None)?;
            Ok(ExitCode::from(exit::FAILED))
        }
    }
}

/// What comes over the control socket, until its other end is gone.
fn listen(control: Arc<Control>) -> mpsc::Receiver<Message> {
    let (send, receive) = mpsc::channel(MESSAGES_MAX);
    // It waits for the kernel: a thread of its own, which ends with the process.
    std::thread::spawn(move || {
        while let Ok(Some(message)) = control.receive::<ToVault>() {
            if send.blocking_send(message).is_err() {
                return;
            }
        }
    });
    receive
}

/// An open vault, and what it takes to let others speak to it.
struct Served {
    authority: Authority,
    identities: Identities,
    /// After how long the certificate is to be renewed.
    due: Duration,
    endpoint: Endpoint,
    handles: Handles,
}

/// A failure of the machine, as the vault tells it.
fn failed(what: &str, why: &impl std::fmt::Display) -> Told {
    Told::failed(format!("{what}: {why}"))
}

fn stream(descriptor: OwnedFd) -> std::io::Result<UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(descriptor);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

impl Served {
    async fn open(Open { asked, passphrase }: Open) -> Result<Self, Told> {
        let ToOpen { dir, alone, passphrase: named, .. } = asked;
        let passphrase = Passphrase::read_from(passphrase.into(), &named)?;
        let handles = home::handles_as(cell_trail::VAULT, &dir);
        let handles = handles.map_err(|error| Told::failed(format!("{error:#}")))?;
        let vault = match alone {
            true => Vault::open_alone(&dir, &passphrase, &handles).await?,
            false => Vault::open(&dir, &passphrase, &handles).await?,
        };
        drop(passphrase);
        let vault = Arc::new(vault);
        let own_witness = cell_trail::witness(&dir, &vault);
        let own_witness = own_witness.map_err(|error| Told::failed(format!("{error:#}")))?;
        let routes = witness::answering(vault::routes(&vault), Arc::new(own_witness));
        let authority = Authority::new(vault.id(), vault.authority_key()?, CERTIFICATE_TTL);
        let own = authority.identity(&Role::Vault, handles.clock.now());
        let (own, due) =
            own.map_err(|error| failed("the vault's own certificate could not be made", &error))?;
        let identities = Identities::new(own);
        let clock = Arc::clone(&handles.clock);
        let endpoint = Endpoint::new(identities.clone(), routes, clock, CERTIFICATE_TTL);
        Ok(Self { authority, identities, due, endpoint, handles })
    }

    /// Answers until whoever started the vault is gone, and then what was begun.
    async fn serve(self, control: &Arc<Control>) {
        let mut messages = listen(Arc::clone(control));
        let clock = Arc::clone(&self.handles.clock);
        let (end, ending) = watch::channel(());
        let served = Arc::new(self);
        // It never ends by itself, whatever else there is to do.
        let mut renewing = pin!(served.keep_fresh());
        let mut tasks = JoinSet::new();
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                Some(_) = tasks.join_next() => continue,
                () = &mut renewing => break,
            };
            let Some((message, descriptor)) = message else { break };
            #[cfg(debug_assertions)]
            if let ToVault::TryEscape(around) = &message {
                let _ = control.send(&FromVault::Tried(walls::escape::try_all(around)), None);
                continue;
            }
            let Some(descriptor) = descriptor else { continue };
            let (served, mut ending) = (Arc::clone(&served), ending.clone());
            tasks.spawn(async move {
                match message {
                    ToVault::Open(_) => {}
                    #[cfg(debug_assertions)]
                    ToVault::TryEscape(_) => {}
                    ToVault::Enrol { role } => served.enrol(&role, descriptor).await,
                    ToVault::Connect => {
                        let gone = async move { ending.changed().await.unwrap_or_default() };
                        served.connected(descriptor, gone).await;
                    }
                }
            });
        }
        drop(end);
        let drained = async { while tasks.join_next().await.is_some() {} };
        futures::future::select(pin!(drained), clock.sleep(DRAIN_MAX)).await;
    }

    /// Takes a new certificate into use before the one that there is ends.
    async fn keep_fresh(&self) {
        let clock = Arc::clone(&self.handles.clock);
        let obtain = || std::future::ready(self.authority.identity(&Role::Vault, self.handles.clock.now()));
        self.identities.keep_fresh(self.due, clock, obtain).await;
    }

    /// Gives a certificate to whoever is at the other end, who is of that role: the one who started the vault says so.
    async fn enrol(&self, role: &str, descriptor: OwnedFd) {
        let issued = async |public: Vec<u8>| {
            let role: Role = role.parse().map_err(|error: domain::NameError| error.to_string())?;
            self.issue(&role, &public).await
        };
        let answered = async { enrol::answer(stream(descriptor)?, issued).await };
        if let Err(error) = answered.await {
            tracing::warn!("a certificate was not given: {error}");
        }
    }

    async fn issue(&self, role: &Role, public: &[u8]) -> Result<Issued, String> {
        let issued = self.authority.issue(role, public, self.handles.clock.now());
        let outcome = if issued.is_ok() { Outcome::Done } else { Outcome::Failed };
        let who = Principal(format!("service/{role}"));
        let event = AuditEvent::new(who, Operation::CertificateIssue, role.to_string(), outcome);
        let detail = issued.as_ref().err().map(ToString::to_string).unwrap_or_default();
        self.handles.audit.record(event.with_detail(detail)).await.map_err(|error| error.to_string())?;
        issued.map_err(|error| error.to_string())
    }

    async fn connected(&self, descriptor: OwnedFd, gone: impl Future<Output = ()>) {
        let served = match stream(descriptor) {
            Ok(stream) => self.endpoint.serve(stream, gone).await,
            Err(error) => Err(ServeError::Refused(error)),
        };
        let Err(error) = served else { return };
        if matches!(error, ServeError::Refused(_) | ServeError::Silent) {
            let who = Principal(vault::UNPROVEN.to_owned());
            let event =
                AuditEvent::new(who, Operation::PeerRefuse, Role::Vault.to_string(), Outcome::Refused);
            let recorded =
                self.handles.audit.record(event.with_detail(flows::error::with_causes(&error))).await;
            if let Err(error) = recorded {
                tracing::warn!("{error}");
            }
        }
    }
}
