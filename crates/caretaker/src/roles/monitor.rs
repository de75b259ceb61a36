//! The monitor's process: it alone signs the trail's log, into which it takes what all others record. Others ask it to.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{AuditEvent, AuditSink, Clock, Operation, Outcome, Principal, Role, RoleName};
use flows::FlowError;
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use trail::checkpoint::Checkpoint;
use trail::head::Folder;
use trail::note::{Signer, Verifier};
use trail::room::{Crossing, Level, Watch};
use trail::sequencer::Sequencer;
use trail::witness::Vouches;
use transport::{Call, CallError, Channel, Routes};
use vault::{Client, Handles};

use super::apart::{self, Fetches};
use super::brings;
use super::child::{Job, Serving, Superior};
use super::host::Placed;
use super::member::Member;
use super::witness::Elsewhere;
use crate::cell_trail::Newest;
use crate::walls::{Own, Walls};
use crate::{cell_trail, home};

/// So often it takes what has come, where it does so by itself, also while commands are under way.
const TAKE_EVERY: Duration = Duration::from_secs(1);
/// So long it may take what came last, before it ends.
const TAKE_LAST_MAX: Duration = Duration::from_secs(5);
/// So often it looks how much room there is, where it takes nothing by itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);

const CALLERS: &[RoleName] = &[RoleName::Command];

/// Whose trail is to be kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToMonitor {
    pub(super) dir: PathBuf,
    /// Whether it is to take what comes by itself, and not only when it is asked to.
    pub(super) by_itself: bool,
    /// That the vault is on another host.
    #[serde(default)]
    pub(super) far: bool,
    pub(super) walls: bool,
}

impl ToMonitor {
    fn placed(&self) -> anyhow::Result<Placed> {
        Placed::of(&Role::Monitor, self.far, &self.dir)
    }
}

/// Which key signs the log.
#[derive(Serialize, Deserialize)]
struct LogVerifier {}

/// All events that were recorded are to be taken into the log, and that vouched for. The answer is the newest checkpoint, as
/// a note with both signatures; none where nothing was ever recorded.
#[derive(Serialize, Deserialize)]
struct Take {}

/// Why it was not done.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    damaged: bool,
    text: String,
}

impl Call for LogVerifier {
    const NAME: &'static str = "trail.log_verifier";
    const CALLERS: &'static [RoleName] = CALLERS;
    type Answer = String;
    type Refusal = Refusal;
}

impl Call for Take {
    const NAME: &'static str = "trail.take";
    const CALLERS: &'static [RoleName] = CALLERS;
    type Answer = Option<String>;
    type Refusal = Refusal;
}

/// Who takes events into the log: somebody in this process, or the monitor.
#[derive(Debug)]
pub(crate) enum Sequences {
    Here(Here),
    There(There),
}

/// The sequencer, the witness that it asks, and whoever sees to the room for both.
#[derive(Debug)]
pub(crate) struct Here {
    sequencer: Arc<Sequencer>,
    witness: Arc<dyn Vouches>,
    watch: Arc<Watch>,
    clock: Arc<dyn Clock>,
    audit: Arc<dyn AuditSink>,
    /// What fetches what was recorded on the vault's host, where that is another one.
    fetches: Option<Fetches>,
}

/// The way to the monitor.
pub(crate) struct There {
    channel: Arc<Channel>,
    log: Verifier,
}

impl std::fmt::Debug for There {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "There({})", self.log)
    }
}

impl Here {
    /// Takes what lies in the trail of the cell at `dir`.
    pub(crate) fn new(dir: &Path, signer: Signer, witness: Arc<dyn Vouches>, handles: &Handles) -> Self {
        let folder = cell_trail::folder(dir);
        let watch = Arc::new(Watch::new(folder.clone()));
        let (clock, audit) = (Arc::clone(&handles.clock), Arc::clone(&handles.audit));
        let sequencer = Arc::new(Sequencer::new(folder, signer));
        Self { sequencer, witness, watch, clock, audit, fetches: None }
    }

    /// The same, for a trail of which a part is recorded on the vault's host, which is another one.
    ///
    /// # Errors
    /// Where the log is not here that has begun there.
    fn fetching(self, fetches: Fetches, folder: &Folder) -> anyhow::Result<Self> {
        if folder.read_head()?.checkpoint.is_empty() && self.witness.remembered()?.is_some() {
            let why = format!(
                "the trail's log is not on this host yet: end the cell, bring `DIR/trail/log` of the vault's host to `{}`, and begin again",
                folder.path().join("log").display()
            );
            return Err(FlowError::Input(why).into());
        }
        Ok(Self { fetches: Some(fetches), ..self })
    }

    /// Looks how much room there is, and puts on record where that is another level than before. Where it cannot, nobody is
    /// kept from what they do: whoever needs the room finds that there is none.
    async fn look(&self) {
        if let Err(error) = self.tell_of_room().await {
            tracing::warn!("how much room there is for the trail could not be told: {error:#}");
        }
    }

    async fn tell_of_room(&self) -> anyhow::Result<()> {
        let watch = Arc::clone(&self.watch);
        let Some(crossing) = tokio::task::spawn_blocking(move || watch.find()).await?? else { return Ok(()) };
        let Crossing { level, room, .. } = &crossing;
        let outcome = if *level == Level::Enough { Outcome::Done } else { Outcome::Failed };
        let who = Principal(format!("service/{}", Role::Monitor));
        let event = AuditEvent::new(who, Operation::TrailRoom, "trail".to_owned(), outcome);
        self.audit.record(event.with_detail(format!("{}: {room} are left", level.as_str()))).await?;
        Ok(self.watch.is_told(&crossing)?)
    }

    async fn take(&self) -> Result<Option<Newest>, Refusal> {
        self.look().await;
        if let Some(fetches) = &self.fetches {
            let fetched = fetches.all().await;
            fetched.map_err(|error| Refusal { damaged: false, text: format!("{error:#}") })?;
        }
        let (sequencer, witness, now) =
            (Arc::clone(&self.sequencer), Arc::clone(&self.witness), self.clock.now());
        let taken = tokio::task::spawn_blocking(move || {
            sequencer.take(now)?;
            sequencer.have_witnessed(&*witness, now)
        });
        match taken.await {
            Ok(taken) => taken
                .map_err(|error| Refusal { damaged: error.is_damage(), text: domain::with_causes(&error) }),
            Err(stopped) => Err(Refusal { damaged: false, text: stopped.to_string() }),
        }
    }
}

impl From<Refusal> for anyhow::Error {
    fn from(Refusal { damaged, text }: Refusal) -> Self {
        if damaged { FlowError::Integrity(text).into() } else { anyhow::anyhow!(text) }
    }
}

/// Asks the monitor, and where that one has died, whoever is there in its place: nothing is taken twice.
async fn ask<C: Call<Refusal = Refusal>>(channel: &Channel, call: &C) -> anyhow::Result<C::Answer> {
    let answered = match channel.call(call).await {
        Err(CallError::Unreachable { .. }) => channel.call(call).await?,
        answered => answered?,
    };
    Ok(answered?)
}

impl There {
    /// # Errors
    /// When the monitor does not answer.
    pub(super) async fn over(channel: Arc<Channel>) -> anyhow::Result<Self> {
        let log = ask(&channel, &LogVerifier {}).await?.parse()?;
        Ok(Self { channel, log })
    }

    pub(crate) fn log(&self) -> &Verifier {
        &self.log
    }

    async fn take(&self) -> anyhow::Result<Option<Newest>> {
        let Some(note) = ask(&self.channel, &Take {}).await? else { return Ok(None) };
        let checkpoint: Checkpoint = self.log.open(note.as_bytes())?.0.parse()?;
        Ok(Some((note, checkpoint)))
    }
}

impl Sequences {
    /// Takes all events that were recorded into the log, and has that vouched for.
    pub(crate) async fn take(&self) -> anyhow::Result<Option<Newest>> {
        match self {
            Self::Here(here) => Ok(here.take().await?),
            Self::There(there) => there.take().await,
        }
    }
}

/// Keeps the trail.
pub(crate) struct Monitors;

impl Job for Monitors {
    type Begin = ToMonitor;
    const NAME: &'static CStr = c"caretaker-watch";
    const WORD: &'static str = "monitor";

    fn walls(begin: &ToMonitor) -> anyhow::Result<Option<Walls>> {
        let mut own = begin.placed()?.own(&begin.dir)?;
        // All of the trail, and not only its own journal.
        own.push(Own::folder(cell_trail::folder(&begin.dir).path().to_path_buf()));
        Ok(Some(Walls::around(own)))
    }

    fn has_walls(begin: &ToMonitor) -> bool {
        begin.walls
    }

    async fn begin(begin: ToMonitor, _: Option<OwnedFd>, superior: Arc<Superior>) -> anyhow::Result<Serving> {
        let placed = begin.placed()?;
        let ToMonitor { dir, by_itself, far, .. } = begin;
        let folder = cell_trail::folder(&dir);
        let handles = home::handles_as(&placed.name, &dir)?;
        let clock = Arc::clone(&handles.clock);
        let member = Member::join_by(placed.proof(&dir)?, superior, Arc::clone(&clock)).await?;
        let channel = member.channel(Role::Vault);
        let client = Client::over(Arc::clone(&channel), Arc::clone(&clock), Arc::clone(&handles.rng));
        let witness = Arc::new(Elsewhere::over(Arc::clone(&channel)).await?);
        let signer = cell_trail::log_signer(client.id(), client.log_key().await?)?;
        let log = signer.verifier().to_string();
        let here = Here::new(&dir, signer, witness, &handles);
        let here = Arc::new(match far {
            true => here.fetching(Fetches::new(channel, folder.clone()), &folder)?,
            false => here,
        });
        let (taking, looking) = (Arc::clone(&here), Arc::clone(&here));
        let routes = Routes::new()
            .answering(move |_, _: LogVerifier| std::future::ready(Ok(log.clone())))
            .answering(move |_, _: Take| {
                let here = Arc::clone(&here);
                async move { Ok(here.take().await?.map(|(note, _)| note)) }
            });
        let routes = brings::answering(routes, &folder);
        let routes = if far { apart::showing(routes, &folder) } else { routes };
        let endpoint = member.endpoint(routes);
        // What is wrong is told once, and again when it is another thing.
        let told = Arc::new(Mutex::new(String::new()));
        let take = async move || {
            let wrong = taking.take().await.err().map(|Refusal { text, .. }| text).unwrap_or_default();
            let before =
                std::mem::replace(&mut *told.lock().unwrap_or_else(PoisonError::into_inner), wrong.clone());
            if wrong != before && !wrong.is_empty() {
                tracing::warn!("the trail's log could not be gone on with: {wrong}");
            }
        };
        let (take_last, clock_last, ended) = (take.clone(), Arc::clone(&clock), Arc::new(Notify::new()));
        let heard = Arc::clone(&ended);
        let beside = async move {
            let _member = member;
            loop {
                if !by_itself {
                    looking.look().await;
                    clock.sleep(LOOK_EVERY).await;
                    continue;
                }
                tokio::select! {
                    () = clock.sleep(TAKE_EVERY) => {}
                    () = heard.notified() => {}
                }
                take().await;
            }
        };
        let last = async move {
            if by_itself {
                futures::future::select(pin!(take_last()), clock_last.sleep(TAKE_LAST_MAX)).await;
            }
        };
        Ok(Serving {
            role: Role::Monitor,
            endpoint: Some(endpoint),
            handles,
            beside: beside.boxed(),
            last: last.boxed(),
            enrols: None,
            lends: None,
            hears: Some(Arc::new(move || ended.notify_one())),
        })
    }
}
