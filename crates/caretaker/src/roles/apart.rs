//! The trail of a cell whose monitor is on another host than its vault. What was recorded beside the vault, the monitor fetches
//! there; what it has of the log, commands read from it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::RoleName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use trail::event::Source;
use trail::head::Folder;
use trail::journal::{Brought, Outgoing};
use trail::newest::NewestPart;
use trail::tile::{Level, Tile};
use transport::{Call, CallError, Channel, Routes};

const MONITOR: &[RoleName] = &[RoleName::Monitor];
const COMMANDS: &[RoleName] = &[RoleName::Command];
/// So much of a tile is given at once, in bytes.
const GIVEN_LEN_MAX: usize = 1 << 20;

/// Why it cannot be given.
#[derive(Debug, Serialize, Deserialize)]
struct NotGiven(String);

impl NotGiven {
    fn because(why: &dyn std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Who has recorded something on the vault's host.
#[derive(Serialize, Deserialize)]
struct Sources {}

/// The events of one of these after a number, as whole lines. What is up to there the monitor has.
#[derive(Serialize, Deserialize)]
struct After {
    source: String,
    number: u64,
}

/// An object of the newest part of the log, from a place on.
#[derive(Serialize, Deserialize)]
struct Read {
    /// `None`: of entries.
    level: Option<u8>,
    index: u64,
    width: u16,
    from: usize,
}

/// What there is of it from there, and whether there is more.
#[derive(Serialize, Deserialize)]
struct Part {
    /// Base64.
    bytes: String,
    more: bool,
}

macro_rules! calls {
    ($($name:ident = $text:literal for $callers:ident -> $answer:ty;)*) => {
        $(impl Call for $name {
            const NAME: &'static str = $text;
            const CALLERS: &'static [RoleName] = $callers;
            type Answer = $answer;
            type Refusal = NotGiven;
        })*
    };
}

calls! {
    Sources = "trail.sources" for MONITOR -> Vec<String>;
    After = "trail.after" for MONITOR -> String;
    Read = "trail.read" for COMMANDS -> Option<Part>;
}

/// Does what reads or writes files, apart from what answers others meanwhile.
async fn with_files<T: Send + 'static, E: std::fmt::Display>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, NotGiven> {
    let done = spawn_blocking(move || work().map_err(|error| NotGiven::because(&error))).await;
    done.unwrap_or_else(|stopped| Err(NotGiven::because(&stopped)))
}

/// Lets the monitor fetch what was recorded in that trail of the vault's host.
pub(super) fn handing_over(routes: Routes, folder: &Folder) -> Routes {
    let (known, folder) = (folder.clone(), folder.clone());
    let outgoing: Arc<Mutex<BTreeMap<Source, Outgoing>>> = Arc::default();
    routes
        .answering(move |_, _: Sources| {
            let folder = known.clone();
            with_files(move || {
                folder.sources().map(|sources| sources.iter().map(ToString::to_string).collect())
            })
        })
        .answering(move |_, After { source, number }| {
            let (folder, outgoing) = (folder.clone(), Arc::clone(&outgoing));
            with_files(move || {
                let source: Source = source.parse()?;
                if !folder.sources()?.contains(&source) {
                    anyhow::bail!("nothing was recorded here as `{source}`");
                }
                let mut all = outgoing.lock().unwrap_or_else(PoisonError::into_inner);
                let journal = all.entry(source.clone()).or_insert_with(|| Outgoing::new(&folder, &source));
                journal.forget(number)?;
                Ok(String::from_utf8(journal.after(number)?)?)
            })
        })
}

/// What fetches it.
pub(super) struct Fetches {
    vault: Arc<Channel>,
    folder: Folder,
    /// How much of each source is here, where that is known.
    reached: tokio::sync::Mutex<BTreeMap<Source, u64>>,
}

async fn ask<C>(channel: &Channel, call: C) -> anyhow::Result<C::Answer>
where
    C: Call<Refusal = NotGiven>,
    C::Answer: DeserializeOwned,
{
    let answered = match channel.call(&call).await {
        // Nothing comes of it that it is asked twice.
        Err(CallError::Unreachable { .. }) => channel.call(&call).await?,
        answered => answered?,
    };
    answered.map_err(|NotGiven(why)| anyhow::anyhow!(why))
}

impl std::fmt::Debug for Fetches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetches({})", self.folder.path().display())
    }
}

impl Fetches {
    pub(super) fn new(vault: Arc<Channel>, folder: Folder) -> Self {
        Self { vault, folder, reached: tokio::sync::Mutex::default() }
    }

    /// Fetches all that there is. What is wrong with one source keeps no other back.
    ///
    /// # Errors
    /// When the vault does not answer, and when what it has does not fit to what is here.
    pub(super) async fn all(&self) -> anyhow::Result<()> {
        let mut reached = self.reached.lock().await;
        let mut wrong = Ok(());
        for source in ask(&self.vault, Sources {}).await? {
            let source: Source = source.parse()?;
            match self.of(&source, reached.remove(&source)).await {
                Ok(known) => drop(reached.insert(source, known)),
                Err(error) => wrong = wrong.and(Err(error.context(format!("the journal of `{source}`")))),
            }
        }
        wrong
    }

    /// Fetches what there is of one source, so much of which is here. Answers how much is then.
    async fn of(&self, source: &Source, known: Option<u64>) -> anyhow::Result<u64> {
        let mut known = match known {
            Some(known) => known,
            None => self.bring(source, None).await?,
        };
        loop {
            let lines = ask(&self.vault, After { source: source.to_string(), number: known }).await?;
            if lines.is_empty() {
                return Ok(known);
            }
            let now = self.bring(source, Some(lines)).await?;
            anyhow::ensure!(now > known, "the vault's host tells what is here already");
            known = now;
        }
    }

    /// Puts lines into a source's journal here. Answers how much of it is here then.
    async fn bring(&self, source: &Source, lines: Option<String>) -> anyhow::Result<u64> {
        let mut brought = Brought::new(&self.folder, source.clone());
        let brought = spawn_blocking(move || match lines {
            Some(lines) => brought.bring(lines.as_bytes()),
            None => brought.reached(),
        });
        Ok(brought.await??)
    }
}

/// Lets commands of the vault's host read the newest part of the log in that folder, which they publish. What is published stays
/// here too: whoever can publish could else have this host forget what is nowhere else.
pub(super) fn showing(routes: Routes, folder: &Folder) -> Routes {
    let folder = folder.clone();
    routes.answering(move |_, Read { level, index, width, from }| {
        let folder = folder.clone();
        with_files(move || {
            let level = level.map_or(Level::Entries, Level::Hashes);
            let bytes = folder.read(Tile { level, index, width })?;
            let rest = bytes.as_ref().and_then(|bytes| bytes.get(from..));
            let part = |rest: &[u8]| {
                let given = rest.get(..GIVEN_LEN_MAX).unwrap_or(rest);
                Part { bytes: STANDARD.encode(given), more: given.len() < rest.len() }
            };
            Ok::<_, io::Error>(rest.map(part))
        })
    })
}

/// The newest part of a log that the monitor of another host has.
pub(super) struct Shown {
    monitor: Arc<Channel>,
    runtime: Handle,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

impl Shown {
    pub(super) fn by(monitor: Arc<Channel>) -> Self {
        Self { monitor, runtime: Handle::current() }
    }

    fn wait<C: Call<Refusal = NotGiven>>(&self, call: C) -> io::Result<C::Answer>
    where
        C::Answer: DeserializeOwned,
    {
        tokio::task::block_in_place(|| self.runtime.block_on(ask(&self.monitor, call)))
            .map_err(io::Error::other)
    }
}

impl NewestPart for Shown {
    fn read(&self, Tile { level, index, width }: Tile) -> io::Result<Option<Vec<u8>>> {
        let level = match level {
            Level::Entries => None,
            Level::Hashes(level) => Some(level),
        };
        let mut all = Vec::new();
        loop {
            let read = Read { level, index, width, from: all.len() };
            let Some(Part { bytes, more }) = self.wait(read)? else {
                return if all.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            };
            let bytes = STANDARD.decode(bytes).map_err(io::Error::other)?;
            let ends = !more || bytes.is_empty();
            all.extend(bytes);
            if ends {
                return Ok(Some(all));
            }
        }
    }
}
