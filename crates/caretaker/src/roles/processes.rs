//! The cell's processes as a command has them: they live as long as it needs them.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{Id128, Platform, Role};
use flows::FlowError;
use flows::error::{ErrorKind, Told};
use tokio::sync::{Mutex, OnceCell};
use trail::newest::NewestPart;
use trail::note::Signer;
use trail::witness::Vouches;
use transport::Channel;
use vault::{Client, Handles, Knows, OperatorKey, Passphrase, SignedIn, Vault};

use super::apart::Shown;
use super::beginning::{Beginning, Unseals};
use super::far::Places;
use super::member::Member;
use super::monitor::{Here, Sequences, There};
use super::supervisor::{As, Keeps, Supervisor};
use super::up::{self, Joined};
use super::witness::Elsewhere;
use crate::home::CellFile;
use crate::{catalog_server, cell_trail};

/// A process that has died is started again so often within one command.
const STARTS_AGAIN_MAX: u32 = 20;

/// Which vault's process a command wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// That of a cell that runs, or else its own.
    Any,
    /// The same, while no other command is there and nobody else has one: a cell that runs begins anew once the command is
    /// gone, if it has changed the vault.
    Quiet,
    /// Its own, while nobody else has one.
    Alone,
}

/// A vault that is open, and what there is to do with its cell's trail.
pub(crate) struct OpenVault {
    pub(crate) client: Client,
    pub(crate) log: trail::note::Verifier,
    pub(crate) sequences: Sequences,
    pub(crate) witness: Arc<dyn Vouches>,
    /// The newest part of the log, where it lies on another host.
    pub(crate) newest: Option<Arc<dyn NewestPart>>,
}

impl OpenVault {
    /// A vault that was made just now, in this process: whoever makes it has its keys anyway.
    pub(crate) fn here(dir: &Path, vault: Vault, handles: &Handles) -> anyhow::Result<Self> {
        let vault = Arc::new(vault);
        let signer: Signer = cell_trail::log_signer(vault.id(), vault.log_key()?)?;
        let witness: Arc<dyn Vouches> = Arc::new(cell_trail::witness(dir, &vault)?);
        let log = signer.verifier().clone();
        let sequences = Sequences::Here(Here::new(dir, signer, Arc::clone(&witness), handles));
        Ok(Self { client: Client::of(vault), log, sequences, witness, newest: None })
    }
}

/// The cell's processes, as a command speaks to them: its own, which end with this, or those of a cell that runs.
pub(crate) struct Processes {
    // Before the processes: a member asks them for nothing any more.
    member: Member,
    place: Place,
    vault: Client,
    /// What gets to the vault.
    channel: Arc<Channel>,
    catalog: OnceCell<catalog::Client>,
    /// Of its own processes: the workers that were started.
    workers: Mutex<BTreeSet<Platform>>,
    /// What a vault that others use asks whoever signs in for.
    asks: Option<Unseals>,
}

enum Place {
    /// Started by this command.
    Own { supervisor: Arc<Supervisor>, dir: PathBuf },
    /// Joined by it.
    Running(Joined),
}

impl Processes {
    /// Joins those of the cell at `dir` where it runs, or starts what every command needs: the vault, opened, and the
    /// monitor.
    ///
    /// # Errors
    /// As they tell, and when they could not be started; a conflict where the cell runs and the command wants a vault of its own.
    pub(crate) async fn open(
        dir: &Path,
        unseals: Unseals,
        wants: Wants,
        handles: &Handles,
    ) -> anyhow::Result<Self> {
        let (clock, rng) = (&handles.clock, &handles.rng);
        let (member, place, asks) = match up::join(dir).await? {
            Some(_) if wants == Wants::Alone => {
                let why = "the cell runs, and knows its vault as it is now: end `caretaker up` first";
                return Err(FlowError::Conflict(why.to_owned()).into());
            }
            Some(joined) => {
                if wants == Wants::Quiet {
                    joined.be_alone().await?;
                }
                let member = Member::join(joined.sockets(), Arc::clone(clock)).await?;
                (member, Place::Running(joined), Some(unseals))
            }
            None => {
                let (member, place) = Self::start(dir, unseals, wants != Wants::Any, handles).await?;
                (member, place, None)
            }
        };
        if CellFile::read(dir)?.catalog.is_some() {
            catalog_server::keep_authority(dir, &member.identities().newest())?;
        }
        let channel = member.channel(Role::Vault);
        let vault = Client::over(Arc::clone(&channel), Arc::clone(clock), Arc::clone(rng));
        let (catalog, workers) = (OnceCell::new(), Mutex::default());
        Ok(Self { member, place, vault, channel, catalog, workers, asks })
    }

    /// Those that this command has started, by their roles.
    pub(crate) async fn own(&self) -> Vec<(Role, u32)> {
        match &self.place {
            Place::Own { supervisor, .. } => supervisor.processes().await,
            Place::Running(_) => Vec::new(),
        }
    }

    async fn start(
        dir: &Path,
        unseals: Unseals,
        alone: bool,
        handles: &Handles,
    ) -> anyhow::Result<(Member, Place)> {
        let dir = std::path::absolute(dir)?;
        let supervisor = Supervisor::new(handles, Keeps::AtMost(STARTS_AGAIN_MAX), Places::new());
        let region = CellFile::read(&dir)?.region;
        let vault =
            Beginning::Vault { dir: dir.clone(), region, alone, asks: false, hands_over: false, unseals };
        supervisor.start(vault).await?;
        let sockets = Arc::new(As(Role::Command, Arc::downgrade(&supervisor)));
        let member = Member::join(sockets, Arc::clone(&handles.clock)).await?;
        if !cell_trail::log_is_elsewhere(&dir) {
            supervisor.start(Beginning::Monitor { dir: dir.clone(), by_itself: false, far: false }).await?;
        }
        Ok((member, Place::Own { supervisor, dir }))
    }

    /// The way to the vault.
    pub(crate) fn vault(&self) -> &Client {
        &self.vault
    }

    /// The vault, with what there is to do with its cell's trail. Monitor and vault are asked for it.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub(crate) async fn opened(&self) -> anyhow::Result<OpenVault> {
        if !self.has_monitor() {
            let why = "the trail's log is on another host: have the cell run (`caretaker up`), which finds it there";
            return Err(FlowError::Told(Told::new(ErrorKind::Unavailable, why.to_owned())).into());
        }
        let channel = self.member.channel(Role::Monitor);
        let newest = self.is_elsewhere(&Role::Monitor).then(|| Shown::by(Arc::clone(&channel)));
        let newest = newest.map(|newest| Arc::new(newest) as Arc<dyn NewestPart>);
        let monitor = There::over(channel);
        let witness = async { Ok(Elsewhere::over(Arc::clone(&self.channel)).await?) };
        let (there, witness) = futures::future::try_join(monitor, witness).await?;
        let log = there.log().clone();
        let (client, witness) = (self.vault.clone(), Arc::new(witness));
        Ok(OpenVault { client, log, sequences: Sequences::There(there), witness, newest })
    }

    /// Whether there is a monitor that takes events into the trail's log. Where that is on another host, commands without a cell
    /// that runs do without: what they record waits for it.
    pub(crate) fn has_monitor(&self) -> bool {
        match &self.place {
            Place::Own { dir, .. } => !cell_trail::log_is_elsewhere(dir),
            Place::Running(_) => true,
        }
    }

    /// Whether the monitor takes into the trail's log what comes, whoever asks it to or not.
    pub(crate) fn take_by_themselves(&self) -> bool {
        matches!(self.place, Place::Running(_))
    }

    /// Signs the local operator in.
    ///
    /// # Errors
    /// As [`Client::sign_in_knowing`].
    pub(crate) async fn sign_in(&mut self, key: OperatorKey) -> anyhow::Result<SignedIn> {
        let client = &self.vault;
        let asked = match self.asks.take() {
            Some(Unseals::Anew(now, _)) => Some(*now),
            asked => asked,
        };
        let knows: Knows = match asked {
            // Where no passphrase seals the vault, none is known.
            None | Some(Unseals::Sealer(_) | Unseals::Anew(..)) => return Ok(client.sign_in(key).await?),
            Some(Unseals::File(path)) => Box::new(move || Ok(Arc::new(Passphrase::read(&path)?))),
            Some(Unseals::Typed(passphrase)) => Box::new(move || Ok(Arc::clone(&passphrase))),
        };
        Ok(client.sign_in_knowing(key, knows).await?)
    }

    /// The catalog. The server is started for the first who asks.
    ///
    /// # Errors
    /// As the server tells, and when it could not be started.
    pub(crate) async fn catalog(&self) -> anyhow::Result<catalog::Client> {
        let catalog = self.catalog.get_or_try_init(async || {
            if let Place::Own { supervisor, dir } = &self.place {
                let cell = CellFile::read(dir)?;
                supervisor
                    .start(Beginning::Server { dir: dir.clone(), cell, public: None, far: false })
                    .await?;
            }
            anyhow::Ok(catalog::Client::over(self.member.channel(Role::Server)))
        });
        Ok(catalog.await?.clone())
    }

    /// Connects to the catalog of a cell that runs, for whoever asks it soon. Where that fails, asking says why.
    pub(crate) async fn reach_catalog(&self) {
        if let Place::Running(_) = self.place {
            let channel = self.member.channel(Role::Server);
            let catalog = catalog::Client::over(Arc::clone(&channel));
            if self.catalog.set(catalog).is_ok() {
                channel.connect_ahead().await;
            }
        }
    }

    /// Connects to a worker of a cell that runs, for whoever asks it soon. Where that fails, asking says why. `None` where the cell
    /// does not run.
    pub(crate) async fn reach_worker(&self, role: &Role, reaching: &[u16]) -> Option<Arc<Channel>> {
        let Place::Running(_) = self.place else { return None };
        let channel = self.member.channel_reaching(role.clone(), reaching.to_vec());
        channel.connect_ahead().await;
        Some(channel)
    }

    /// The way to a worker that can connect to those ports. It is started for the first who asks.
    ///
    /// # Errors
    /// As the worker tells, and when it could not be started.
    pub(crate) async fn worker(&self, role: &Role, reaching: &[u16]) -> anyhow::Result<Arc<Channel>> {
        if let (Place::Own { supervisor, dir }, Role::Worker(platform)) = (&self.place, role) {
            let mut workers = self.workers.lock().await;
            if !workers.contains(platform) {
                let beginning = Beginning::worker(dir, &CellFile::read(dir)?, platform.clone(), reaching);
                supervisor.start(beginning).await?;
                workers.insert(platform.clone());
            }
        }
        Ok(self.member.channel_reaching(role.clone(), reaching.to_vec()))
    }

    /// Lends a file to a worker that can connect to those ports, under that name.
    ///
    /// # Errors
    /// When it cannot be handed over.
    pub(crate) async fn lend(
        &self,
        to: (&Role, &[u16]),
        name: Id128,
        file: BorrowedFd<'_>,
    ) -> anyhow::Result<()> {
        Ok(self.member.lend(to, name, file).await?)
    }

    /// Whether that role's process runs on another host: nothing can be lent to it that is not sent.
    pub(crate) fn is_elsewhere(&self, role: &Role) -> bool {
        matches!(&self.place, Place::Running(joined) if joined.elsewhere.contains(role))
    }

    /// Where other hosts find the cell's processes; `None` where the cell does not run.
    pub(crate) fn places(&self) -> Option<&Places> {
        match &self.place {
            Place::Own { .. } => None,
            Place::Running(joined) => Some(&joined.places),
        }
    }

    /// The certificate of the cell's authority, DER.
    pub(crate) fn authority(&self) -> Vec<u8> {
        self.member.authority()
    }

    /// What this machine's kernel cannot keep them from, in words.
    pub(crate) fn missing(&self) -> Vec<(Role, String)> {
        match &self.place {
            Place::Own { supervisor, .. } => supervisor.missing(),
            Place::Running(joined) => joined.missing.clone(),
        }
    }
}
