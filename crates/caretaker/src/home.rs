//! A cell's home on this machine: what lies where, and how it is opened.
//!
//! `DIR/cell.json` says where the stores and the catalog are; `DIR/store`, `DIR/keys` and `DIR/catalog` are the embedded
//! ones, `DIR/vault` the vault, `DIR/trail` the record of what was done.

use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use catalog::Catalog;
use domain::{AuditError, AuditEvent, Clock, Id128, Outcome, Principal, Region, Role};
use flows::store_access::{self, Way, WhichStore};
use flows::{Cell, ErrorKind, FlowError, Leave};
use object_store::ObjectStore;
use repository::{StoreOptions, Stores};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OnceCell;
use trail::room::{Level, Room};
use transport::Channel;
use vault::system::{SystemClock, SystemRng};
use vault::{Client, Handles, OperatorKey, Passphrase, SealWay, SealedBy, SignedIn, Vault};
use zeroize::Zeroizing;

use crate::acts::Act;
use crate::arguments::Common;
use crate::catalog_server::CatalogServer;
use crate::cell_trail::{self, CellTrail};
use crate::output::{self, Output, exit};
use crate::public::PublicUrl;
use crate::roles::{OpenVault, Outside, Places, Processes, Unseals, Wants};
use crate::works::Session;
use crate::{files, stores};

const CELL_FILE: &str = "cell.json";
const PROMPT: &str = "Passphrase of this cell";

/// What `init` decides for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CellFile {
    pub(crate) format: u8,
    pub(crate) region: Region,
    /// Where packs lie; `None`: in DIR/store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<String>,
    /// Where wrapped keys lie; `None`: in DIR/keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keys_store: Option<String>,
    /// The server that has the catalog; `None`: it is in DIR/catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) catalog: Option<CatalogServer>,
    /// Where others find the cell; `None`: it has no public endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<PublicUrl>,
}

/// The only format that there is.
const FORMAT: u8 = 1;

impl CellFile {
    pub(crate) fn new(region: Region) -> Self {
        Self { format: FORMAT, region, store: None, keys_store: None, catalog: None, public_url: None }
    }

    /// Says that here is a cell: the last step of making one.
    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        files::write_private(&dir.join(CELL_FILE), (text + "\n").as_bytes())
    }

    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(CELL_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(no_cell(dir).into()),
            Err(error) => return Err(error).with_context(|| format!("could not read `{}`", path.display())),
        };
        Self::parse(&text, &path).map_err(Into::into)
    }

    fn parse(text: &[u8], path: &Path) -> Result<Self, FlowError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let damaged = |error: serde_json::Error| {
            FlowError::Integrity(format!(
                "`{}` is damaged ({error}): put it back from a copy, or set the cell up again from its stores, in \
                 another directory, with `caretaker init --from-store`",
                path.display()
            ))
        };
        let Format { format } = serde_json::from_slice(text).map_err(damaged)?;
        if format != u64::from(FORMAT) {
            return Err(FlowError::Data(format!(
                "`{}` has format {format}, and this version knows format {FORMAT}: use the caretaker that made it",
                path.display()
            )));
        }
        serde_json::from_slice(text).map_err(damaged)
    }

    /// Where a store lies: as it was given, or in the cell's home.
    pub(crate) fn url(&self, which: WhichStore, dir: &Path) -> String {
        let (given, embedded) = match which {
            WhichStore::Objects => (&self.store, "store"),
            WhichStore::Keys => (&self.keys_store, "keys"),
        };
        given.clone().unwrap_or_else(|| dir.join(embedded).display().to_string())
    }
}

/// What `init` makes before it says that here is a cell.
pub(crate) fn parts(dir: &Path) -> [PathBuf; 3] {
    [Vault::path(dir), OperatorKey::path(dir), Catalog::path(dir)]
}

/// Why there is no cell: nothing was made here, or not all of it.
fn no_cell(dir: &Path) -> FlowError {
    half_made(dir).unwrap_or_else(|| {
        FlowError::NotFound(format!(
            "there is no cell at `{}`: make one with `caretaker init --dir {}`",
            dir.display(),
            dir.display()
        ))
    })
}

/// Why no cell can be made here: there is one, or parts of one. None of them is ever written over.
pub(crate) fn taken(dir: &Path) -> Option<FlowError> {
    if !dir.join(CELL_FILE).exists() {
        return half_made(dir);
    }
    // What a server has is no part of what lies here.
    let is_elsewhere = CellFile::read(dir).is_ok_and(|file| file.catalog.is_some());
    let parts = parts(dir).into_iter().filter(|part| !is_elsewhere || *part != Catalog::path(dir));
    let missing: Vec<String> =
        parts.filter(|part| !part.exists()).map(|part| format!("`{}`", part.display())).collect();
    Some(FlowError::Conflict(if missing.is_empty() {
        format!(
            "there is a cell at `{}`, and none is ever written over: name another directory",
            dir.display()
        )
    } else {
        format!(
            "there is a cell at `{}` that lacks {}: put that back from a copy, or set the cell up again in another \
             directory with `caretaker init --from-store`",
            dir.display(),
            missing.join(", ")
        )
    }))
}

/// Whether here are parts of a cell without the file that is written last.
fn half_made(dir: &Path) -> Option<FlowError> {
    // The log of another vault cannot be gone on with either.
    let parts = parts(dir).into_iter().chain(cell_trail::parts(dir));
    let found: Vec<String> =
        parts.filter(|part| part.exists()).map(|part| format!("`{}`", part.display())).collect();
    if found.is_empty() || dir.join(CELL_FILE).exists() {
        return None;
    }
    Some(FlowError::Conflict(format!(
        "here is a half-made cell: there is {}, and no `{}`, which is written last. If `caretaker init` was interrupted, \
         delete these (and the recovery key that it wrote, if it wrote one), and begin again. If the cell has run \
         already, put that file back, or set the cell up again in another directory with `caretaker init --from-store`",
        found.join(", "),
        dir.join(CELL_FILE).display()
    )))
}

/// The cell's home as a command was given it, and what there is to do for it once the command has ended.
pub(crate) struct Home {
    words: Common,
    act: Option<Act>,
    trail: OnceCell<CellTrail>,
    /// Where the trail is published, once that store is open.
    published_in: OnceLock<Arc<dyn ObjectStore>>,
    begun: OnceLock<Begun>,
    /// The cell's other processes, as long as this is.
    processes: OnceLock<Processes>,
}

/// What was begun on the cell, and is to be ended on the record.
struct Begun {
    event: AuditEvent,
    since: Duration,
    handles: Handles,
}

impl Deref for Home {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.words
    }
}

impl Home {
    /// The home of a command that does that, or nothing of which there is a record.
    pub(crate) fn new(words: &Common, act: Option<Act>) -> Self {
        Self {
            words: words.clone(),
            act,
            trail: OnceCell::new(),
            published_in: OnceLock::new(),
            begun: OnceLock::new(),
            processes: OnceLock::new(),
        }
    }

    /// Writes down that the command begins, where nobody needs to prove who they are for it.
    pub(crate) async fn begin_unproven(&self, handles: &Handles) -> anyhow::Result<()> {
        self.begin(&Principal(vault::UNPROVEN.to_owned()), None, handles).await
    }

    /// Writes down that the command begins. Nothing of what it does comes before that.
    async fn begin(
        &self,
        principal: &Principal,
        vault: Option<&Client>,
        handles: &Handles,
    ) -> anyhow::Result<()> {
        let Some(act) = self.act.as_ref().filter(|_| self.begun.get().is_none()) else { return Ok(()) };
        let object = act.object(&self.words.tenant);
        let personal = match (act.personal()?, vault) {
            (Some(text), Some(vault)) => Some(vault.seal_personal(&text).await?),
            _ => None,
        };
        let event = AuditEvent::new(principal.clone(), act.operation, object, Outcome::Begun);
        let event = AuditEvent { personal, ..event };
        handles.audit.record(event.clone()).await.map_err(vault::VaultError::from)?;
        let since = handles.clock.monotonic();
        // Nobody else begins it.
        let _ = self.begun.set(Begun { event, since, handles: handles.clone() });
        Ok(())
    }

    /// Writes down how the command ended: with that exit code. Nothing of an error's words: they may quote a record.
    async fn end(&self, code: u8) -> Result<(), AuditError> {
        let Some(Begun { event, since, handles }) = self.begun.get() else { return Ok(()) };
        let outcome = match code {
            exit::DONE | exit::INCOMPLETE => Outcome::Done,
            exit::REFUSED => Outcome::Refused,
            _ => Outcome::Failed,
        };
        let took = Some(handles.clock.monotonic().saturating_sub(*since));
        let detail = if code == exit::DONE { String::new() } else { format!("exit code {code}") };
        handles.audit.record(AuditEvent { outcome, took, detail, ..event.clone() }).await
    }

    /// The directory, as given.
    pub(crate) fn dir(&self) -> anyhow::Result<&Path> {
        match &self.words.dir {
            Some(dir) => Ok(dir),
            None => Err(FlowError::Input(
                "say which cell: with `--dir DIR`, or in the environment as CARETAKER_DIR".to_owned(),
            )
            .into()),
        }
    }

    /// Takes the trail of a vault into use that was made just now.
    pub(crate) fn use_trail(&self, dir: &Path, vault: OpenVault, handles: &Handles) {
        // A command makes one vault.
        let _ = self.trail.set(CellTrail::new(dir, vault, Arc::clone(&handles.clock)));
    }

    /// Says in which store the trail is published.
    pub(crate) fn trail_is_published_in(&self, store: &Arc<dyn ObjectStore>) {
        // It is the same store each time.
        let _ = self.published_in.set(Arc::clone(store));
    }

    /// What this machine's kernel cannot keep the cell's processes from, in words. `None` where none was started.
    pub(crate) fn missing_walls(&self) -> Option<Vec<(Role, String)>> {
        self.processes.get().map(Processes::missing)
    }

    /// The trail, where the vault was opened. Most commands do without: the cell's other processes are asked for it.
    ///
    /// # Errors
    /// When they do not answer.
    pub(crate) async fn opened_trail(&self) -> anyhow::Result<Option<&CellTrail>> {
        let trail = match self.processes.get() {
            None => self.trail.get(),
            Some(processes) => {
                let opened = self.trail.get_or_try_init(async || {
                    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
                    anyhow::Ok(CellTrail::new(self.dir()?, processes.opened().await?, clock))
                });
                Some(opened.await?)
            }
        };
        if let (Some(trail), Some(store)) = (trail, self.published_in.get()) {
            trail.is_published_in(store);
        }
        Ok(trail)
    }

    /// The cell's passphrase.
    pub(crate) fn passphrase(&self) -> anyhow::Result<Passphrase> {
        passphrase(self.words.passphrase_file.as_deref(), PROMPT)
    }

    /// What unseals the vault. A passphrase's file is not read here.
    pub(crate) fn unseals(&self) -> anyhow::Result<Unseals> {
        if let Some(outside) = self.outside()? {
            return Ok(Unseals::Sealer(outside));
        }
        Ok(match &self.words.passphrase_file {
            Some(file) => Unseals::File(file.clone()),
            None => Unseals::Typed(Arc::new(passphrase(None, PROMPT)?)),
        })
    }

    /// What unseals the vault and seals it again; and the passphrase, where it takes one: the vault keeps none.
    pub(crate) fn seals(&self) -> anyhow::Result<(Unseals, Option<Arc<Passphrase>>)> {
        if let Some(outside) = self.outside()? {
            return Ok((Unseals::Sealer(outside), None));
        }
        let passphrase = Arc::new(self.passphrase()?);
        Ok((Unseals::Typed(Arc::clone(&passphrase)), Some(passphrase)))
    }

    /// The way to the token or the service that has sealed the vault. `None` where a passphrase does, and where that cannot be
    /// told: whoever opens the vault says it best.
    fn outside(&self) -> anyhow::Result<Option<Outside>> {
        let dir = self.dir()?;
        match SealedBy::read(dir) {
            Ok(SealedBy::Passphrase) | Err(_) => Ok(None),
            Ok(by) => {
                Ok(Some(Outside { way: SealWay::to(dir, &by)?.into(), region: CellFile::read(dir)?.region }))
            }
        }
    }

    /// Opens the vault with both factors, in the process that is wanted, and writes down that the command begins.
    pub(crate) async fn open_vault(
        &self,
        dir: &Path,
        given: (Unseals, Wants),
        handles: &Handles,
    ) -> anyhow::Result<(Client, Arc<SignedIn>)> {
        let (client, operator) = self.sign_in(dir, given, handles).await?;
        self.begin(operator.principal(), Some(&client), handles).await?;
        Ok((client, operator))
    }

    async fn sign_in(
        &self,
        dir: &Path,
        (unseals, wants): (Unseals, Wants),
        handles: &Handles,
    ) -> anyhow::Result<(Client, Arc<SignedIn>)> {
        let mut processes = Processes::open(dir, unseals, wants, handles).await?;
        let signed_in = match OperatorKey::read(dir) {
            Ok(key) => processes.sign_in(key).await,
            Err(error) => Err(error.into()),
        };
        let client = processes.vault().clone();
        // A command opens one vault.
        let _ = self.processes.set(processes);
        Ok((client, Arc::new(signed_in?)))
    }

    /// The way to the catalog, once the vault is open.
    pub(crate) async fn catalog(&self) -> anyhow::Result<catalog::Client> {
        self.opened()?.catalog().await
    }

    /// Connects to a worker of a cell that runs, for whoever asks it soon. `None` where the cell does not run.
    pub(crate) async fn reach_worker(
        &self,
        role: &Role,
        reaching: &[u16],
    ) -> anyhow::Result<Option<Arc<Channel>>> {
        Ok(self.opened()?.reach_worker(role, reaching).await)
    }

    /// The way to a worker that can connect to those ports.
    pub(crate) async fn worker(&self, role: &Role, reaching: &[u16]) -> anyhow::Result<Arc<Channel>> {
        self.opened()?.worker(role, reaching).await
    }

    /// Lends a file to a worker that can connect to those ports, under that name.
    pub(crate) async fn lend(
        &self,
        to: (&Role, &[u16]),
        name: Id128,
        file: BorrowedFd<'_>,
    ) -> anyhow::Result<()> {
        self.opened()?.lend(to, name, file).await
    }

    /// The processes that this command has started, by their roles: none where it has joined a cell that runs.
    pub(crate) async fn own_processes(&self) -> anyhow::Result<Vec<(Role, u32)>> {
        Ok(self.opened()?.own().await)
    }

    /// Where other hosts find the processes of a cell that runs; `None` where it does not.
    pub(crate) fn places(&self) -> anyhow::Result<Option<&Places>> {
        Ok(self.opened()?.places())
    }

    /// The certificate of the cell's authority, DER.
    pub(crate) fn authority(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.opened()?.authority())
    }

    /// Whether that role's process runs on another host.
    pub(crate) fn is_elsewhere(&self, role: &Role) -> anyhow::Result<bool> {
        Ok(self.opened()?.is_elsewhere(role))
    }

    fn opened(&self) -> anyhow::Result<&Processes> {
        self.processes.get().context("the cell's processes are asked for before the vault is open")
    }

    /// Opens vault and catalog, so that the workers can be asked for work.
    pub(crate) async fn session(&self) -> anyhow::Result<Session<'_>> {
        let unlocked = self.unlock().await?;
        self.trail_is_published_in(&unlocked.store(WhichStore::Objects).await?);
        Ok(Session::new(self, unlocked))
    }

    /// Opens vault and catalog.
    pub(crate) async fn unlock(&self) -> anyhow::Result<Unlocked> {
        // A cell that is not there is told before anybody is asked for its passphrase.
        CellFile::read(self.dir()?)?;
        self.unlock_with(self.unseals()?, Wants::Any).await
    }

    /// Opens vault and catalog with a passphrase that was given already, in the process that is wanted.
    pub(crate) async fn unlock_with(&self, unseals: Unseals, wants: Wants) -> anyhow::Result<Unlocked> {
        let dir = self.dir()?;
        let file = CellFile::read(dir)?;
        let handles = handles(dir)?;
        let (vault, operator) = self.sign_in(dir, (unseals, wants), &handles).await?;
        // While it is written down that the command begins, and nothing is asked yet.
        let processes = self.opened()?;
        let (begun, ()) = futures::join!(
            self.begin(operator.principal(), Some(&vault), &handles),
            processes.reach_catalog()
        );
        begun?;
        let catalog = self.catalog().await?;
        Ok(Unlocked { dir: dir.to_path_buf(), file, handles, vault, operator, catalog })
    }

    /// Opens the cell: both factors, the catalog and the stores.
    pub(crate) async fn open(&self) -> anyhow::Result<Cell> {
        self.with_stores(self.unlock().await?).await
    }

    /// Opens the stores of a cell to which both factors were given.
    pub(crate) async fn with_stores(&self, unlocked: Unlocked) -> anyhow::Result<Cell> {
        let stores = Stores {
            objects: unlocked.store(WhichStore::Objects).await?,
            keys: unlocked.store(WhichStore::Keys).await?,
        };
        self.trail_is_published_in(&stores.objects);
        Ok(unlocked.with(stores))
    }

    /// Warns whoever has given the command where there is little room for the trail. Before, it was told to be `before`;
    /// answers what it is now.
    pub(crate) fn warn_of_room(&self, before: Level, output: &Output) -> Level {
        // A command that opens no cell records nothing.
        let (Some(_), Ok(dir)) = (&self.act, self.dir()) else { return before };
        // Where it cannot be told, the cell is not there.
        let Ok(room) = cell_trail::room(dir) else { return before };
        let level = room.level_after(before);
        if level > before
            && let Some(little) = cell_trail::little_room(dir, &room, level)
        {
            let Room { bytes_left, bytes, files_left, files } = room;
            let facts = json!({
                "level": level, "bytes_left": bytes_left, "bytes": bytes, "files_left": files_left, "files": files,
            });
            output.warn_with(&format!("Beware, {little}."), ("trail_room", &facts));
        }
        level
    }

    /// Brings the trail up to date with what the command did, which ended with that code. The monitor of a cell that runs does so
    /// once it hears that the command is gone; it is waited for only where it is time to publish.
    pub(crate) async fn close(&self, code: u8) -> anyhow::Result<()> {
        self.end(code).await?;
        let processes = self.processes.get();
        if processes.is_some_and(|processes| !processes.has_monitor()) {
            return Ok(());
        }
        let is_far = processes.is_some_and(|processes| processes.is_elsewhere(&Role::Monitor));
        match self.bring_up_to_date(code).await {
            // Where the log is on another host, what was recorded waits for that host.
            Err(error) if is_far && output::kind(&error) != ErrorKind::Integrity => {
                tracing::warn!(
                    "the trail's log is on a host that does not answer, and goes on once it does: {error:#}"
                );
                Ok(())
            }
            done => done,
        }
    }

    async fn bring_up_to_date(&self, code: u8) -> anyhow::Result<()> {
        if self.processes.get().is_some_and(Processes::take_by_themselves)
            && !cell_trail::may_be_due(self.dir()?, &SystemClock)?
        {
            return Ok(());
        }
        let Some(trail) = self.opened_trail().await? else { return Ok(()) };
        match trail.take().await? {
            // Whoever could not reach the store just now has waited for it long enough.
            Some(newest) if code != exit::UNAVAILABLE => trail.publish_if_due(&newest).await,
            _ => Ok(()),
        }
    }
}

/// The cell's passphrase, from the file or asked for.
pub(crate) fn passphrase(file: Option<&Path>, prompt: &str) -> anyhow::Result<Passphrase> {
    match file {
        Some(file) => Ok(Passphrase::read(file)?),
        None => {
            let text = rpassword::prompt_password(format!("{prompt}: "))
                .context("no passphrase: give `--passphrase-file FILE`, or run this on a terminal")?;
            Ok(Passphrase::new(text)?)
        }
    }
}

/// A passphrase that nobody has yet: asked for twice, since a slip would lock everybody out.
pub(crate) fn new_passphrase(file: Option<&Path>, prompt: &str) -> anyhow::Result<Passphrase> {
    if file.is_some() {
        return passphrase(file, prompt);
    }
    let asked = asked_twice(prompt, |prompt| rpassword::prompt_password(format!("{prompt}: ")));
    Ok(Passphrase::new(asked?)?)
}

fn asked_twice(prompt: &str, mut ask: impl FnMut(&str) -> std::io::Result<String>) -> anyhow::Result<String> {
    const NONE: &str = "no passphrase: give `--passphrase-file FILE`, or run this on a terminal";
    let first = Zeroizing::new(ask(prompt).context(NONE)?);
    let mut second = Zeroizing::new(ask("The same once more").context(NONE)?);
    if *first != *second {
        return Err(FlowError::Input("the two passphrases differ: nothing was made".to_owned()).into());
    }
    Ok(std::mem::take(&mut *second))
}

/// Time, chance and the record of this cell, for a command.
pub(crate) fn handles(dir: &Path) -> anyhow::Result<Handles> {
    handles_as(cell_trail::COMMANDS, dir)
}

/// Time, chance and the record of this cell, for a process whose events have that name.
pub(crate) fn handles_as(source: &str, dir: &Path) -> anyhow::Result<Handles> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let audit = cell_trail::journal(dir, source, Arc::clone(&clock))?;
    Ok(Handles { clock, rng: Arc::new(SystemRng), audit: Arc::new(audit) })
}

/// A cell to which both factors were given, its stores not opened yet.
pub(crate) struct Unlocked {
    pub(crate) dir: PathBuf,
    pub(crate) file: CellFile,
    pub(crate) handles: Handles,
    pub(crate) vault: Client,
    pub(crate) operator: Arc<SignedIn>,
    pub(crate) catalog: catalog::Client,
}

impl Unlocked {
    /// Opens one of its stores.
    pub(crate) async fn store(&self, which: WhichStore) -> anyhow::Result<Arc<dyn ObjectStore>> {
        let url = self.file.url(which, &self.dir);
        let options = if stores::is_bucket(&url) {
            let way = Way::of_cell(&self.file.region, which);
            let sealed = store_access::grant(&self.operator, &self.catalog, &way, &url).await?;
            store_access::open(&self.vault, &way, &url, &sealed).await?
        } else {
            StoreOptions::default()
        };
        stores::open(&url, &options)
    }
}

impl Unlocked {
    /// The cell, with its stores.
    pub(crate) fn with(self, stores: Stores) -> Cell {
        let Self { dir, file, handles, vault, operator, catalog } = self;
        let Handles { clock, rng, audit } = handles;
        let leave = Leave::SignedIn(operator);
        Cell { dir, region: file.region, stores, vault, leave, catalog, clock, rng, audit }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_new_passphrase_is_typed_twice() {
        let ask = |typed: [&'static str; 2]| {
            let mut typed = typed.into_iter();
            asked_twice("a passphrase", move |_| Ok(typed.next().unwrap().to_owned()))
        };
        assert_eq!(ask(["four grey geese", "four grey geese"]).unwrap(), "four grey geese");
        let refused = ask(["four grey geese", "four gray geese"]).unwrap_err();
        assert!(refused.downcast_ref::<FlowError>().is_some_and(|e| e.kind() == ErrorKind::Usage));
    }
}
