//! The cell's processes as a command has them: they live as long as it needs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{Clock, Rng, Role};
use tokio::sync::OnceCell;
use trail::note::Signer;
use trail::sequencer::Sequencer;
use trail::witness::Vouches;
use vault::{Client, Vault};

use super::member::Member;
use super::monitor::{Here, Sequences, There};
use super::supervisor::{As, Beginning, Supervisor, Unseals};
use super::witness::Elsewhere;
use crate::cell_trail;

/// A vault that is open, and what there is to do with its cell's trail.
pub(crate) struct OpenVault {
    pub(crate) client: Client,
    pub(crate) log: trail::note::Verifier,
    pub(crate) sequences: Sequences,
    pub(crate) witness: Arc<dyn Vouches>,
}

impl OpenVault {
    /// A vault that was made just now, in this process: whoever makes it has its keys anyway.
    pub(crate) fn here(dir: &Path, vault: Vault, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let vault = Arc::new(vault);
        let signer: Signer = cell_trail::log_signer(vault.id(), vault.log_key()?)?;
        let witness: Arc<dyn Vouches> = Arc::new(cell_trail::witness(dir, &vault)?);
        let log = signer.verifier().clone();
        let sequencer = Sequencer::new(cell_trail::folder(dir), signer);
        let sequences = Sequences::Here(Here::new(sequencer, Arc::clone(&witness), clock));
        Ok(Self { client: Client::of(vault), log, sequences, witness })
    }
}

/// The processes that a command has started. They end with this.
pub(crate) struct Processes {
    // Before the processes: a member asks them for nothing any more.
    member: Member,
    supervisor: Arc<Supervisor>,
    dir: PathBuf,
    catalog: OnceCell<catalog::Client>,
}

impl Processes {
    /// Starts those of the cell at `dir` that every command needs: the vault, opened, and the monitor.
    ///
    /// # Errors
    /// As they tell, and when they could not be started.
    pub(crate) async fn start(
        dir: &Path,
        unseals: Unseals,
        alone: bool,
        clock: &Arc<dyn Clock>,
        rng: &Arc<dyn Rng>,
    ) -> anyhow::Result<(Self, OpenVault)> {
        let dir = std::path::absolute(dir)?;
        let supervisor = Supervisor::new(Arc::clone(clock));
        supervisor.start(Beginning::Vault { dir: dir.clone(), alone, unseals }).await?;
        let sockets = Arc::new(As(Role::Command, Arc::downgrade(&supervisor)));
        let member = Member::join(sockets, Arc::clone(clock)).await?;
        supervisor.start(Beginning::Monitor { dir: dir.clone() }).await?;
        let there = There::over(member.channel(Role::Monitor)).await?;
        let channel = member.channel(Role::Vault);
        let client = Client::over(Arc::clone(&channel), Arc::clone(clock), Arc::clone(rng));
        let witness = Arc::new(Elsewhere::over(channel).await?);
        let log = there.log().clone();
        let vault = OpenVault { client, log, sequences: Sequences::There(there), witness };
        Ok((Self { member, supervisor, dir, catalog: OnceCell::new() }, vault))
    }

    /// The catalog. The server is started for the first who asks.
    ///
    /// # Errors
    /// As the server tells, and when it could not be started.
    pub(crate) async fn catalog(&self) -> anyhow::Result<catalog::Client> {
        let catalog = self.catalog.get_or_try_init(async || {
            self.supervisor.start(Beginning::Server { dir: self.dir.clone() }).await?;
            anyhow::Ok(catalog::Client::over(self.member.channel(Role::Server)))
        });
        Ok(catalog.await?.clone())
    }

    /// What this machine's kernel cannot keep them from, in words.
    pub(crate) fn missing(&self) -> Vec<(Role, String)> {
        self.supervisor.missing()
    }
}
