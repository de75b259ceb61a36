//! Starts processes with a role, hands each the sockets over which it speaks to others, and starts what has died again.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as Socket;
use std::os::unix::process::CommandExt as _;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use anyhow::Context as _;
use domain::{AuditEvent, AuditSink, Clock, Id128, Operation, Outcome, Principal, Role};
use flows::FlowError;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Either, select};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use transport::{Stream, edges};
use vault::Handles;

use super::beginning::{Beginning, Outside};
use super::child::stream;
use super::control::Control;
use super::far::{self, Places};
use super::life::{Life, Line};
use super::member::Sockets;
use super::messages::{Ask, FromProcess, ToProcess};
use super::sealer::SealerProcess;
use crate::public::{Open, Part};
use crate::walls::LOOK_UP_OVER_TCP;

/// A process that has died is started again after so long, times how often it was.
const START_AGAIN: Duration = Duration::from_millis(20);
/// After so long at most.
const START_AGAIN_MAX: Duration = Duration::from_secs(10);
/// So long it is waited until it is on record that a process is killed.
const RECORD_MAX: Duration = Duration::from_secs(2);
/// So long whoever wants something of a process that is started again waits for it.
const HAND_MAX: Duration = Duration::from_secs(15);
/// One that has lived so long is as good as new.
const LIVES: Duration = Duration::from_secs(60);

/// For how long processes are to be kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// As long as a command needs them: one that has died is started again where it is needed, so often at most.
    AtMost(u32),
    /// Until they are told to end: one that has died is started again at once.
    Always,
}

/// A process that was started.
struct Running {
    child: Child,
    life: Option<Arc<Life>>,
    control: Arc<Control>,
    /// How often it was started again.
    again: u32,
    /// When it was started.
    since: Duration,
}

impl Running {
    /// Ends it: it does so when it hears nobody any more, or is killed. Whoever comes next must not find it still there; answers
    /// whether they will not.
    fn end(&mut self) -> bool {
        self.control.end();
        let is_gone = self.life.as_ref().is_none_or(|life| life.end());
        if is_gone {
            let _ = self.child.wait();
        }
        is_gone
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// What it takes to start a process, and the one that runs.
struct Keeper {
    role: Role,
    /// `None` where it cannot be started again.
    again: Mutex<Option<Beginning>>,
    running: tokio::sync::Mutex<Running>,
    /// It has begun, and nobody has found it gone since.
    lives: AtomicBool,
    /// What this machine's kernel cannot keep it from, in words.
    missing: Vec<String>,
}

/// The processes of a cell that this one has started. They end with this, the last that was started first.
pub(super) struct Supervisor {
    clock: Arc<dyn Clock>,
    audit: Arc<dyn AuditSink>,
    keeps: Keeps,
    /// In the order in which they were started.
    keepers: Mutex<Vec<Arc<Keeper>>>,
    sealers: Mutex<Sealers>,
    /// Where those are found that run on other hosts.
    elsewhere: Places,
    /// What the server gets the parts of.
    public: OnceLock<Open>,
    own: Weak<Self>,
}

/// Those who speak to tokens and services for the vault.
#[derive(Default)]
struct Sealers {
    /// See [`Unseals::ways`].
    ways: [Option<Outside>; 2],
    running: Vec<SealerProcess>,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.end();
    }
}

/// How the names of variables begin in which other programs keep what opens something.
const SECRETS: &[&str] = &["AWS_", "PGPASS"];

/// This program again, in a process group of its own: what a terminal sends to the command is not for it.
fn spawn(word: &str, control: OwnedFd) -> anyhow::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("caretaker").arg(word).stdin(control).stdout(Stdio::null()).process_group(0);
    // What they log goes where this process does, and looks alike.
    command.args(crate::asks_for_json().then_some("--json"));
    let (name, value) = LOOK_UP_OVER_TCP;
    command.env(name, value);
    // What opens something for whoever gave the command is nothing for them.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_none_or(|name| SECRETS.iter().any(|secret| name.starts_with(secret))) {
            command.env_remove(name);
        }
    }
    command.spawn().with_context(|| format!("the process of `caretaker {word}` could not be started"))
}

/// Whoever somebody of that role asks for, if they may.
fn connects(role: &Role, to: &str) -> io::Result<Role> {
    let to: Role = to.parse().map_err(io::Error::other)?;
    match edges::may_connect(role, &to) {
        true => Ok(to),
        false => Err(io::Error::other(format!("a {role} does not connect to the {to}"))),
    }
}

impl Keeper {
    fn again(&self) -> MutexGuard<'_, Option<Beginning>> {
        self.again.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    pub(super) fn new(handles: &Handles, keeps: Keeps, elsewhere: Places) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            clock: Arc::clone(&handles.clock),
            audit: Arc::clone(&handles.audit),
            keeps,
            keepers: Mutex::default(),
            sealers: Mutex::default(),
            elsewhere,
            public: OnceLock::new(),
            own: Weak::clone(own),
        })
    }

    /// Starts a process, and others in its place where it dies before it has begun.
    ///
    /// # Errors
    /// As the process tells, and when it could not be started.
    pub(super) async fn start(&self, beginning: Beginning) -> anyhow::Result<()> {
        if let Beginning::Vault { unseals, .. } = &beginning {
            self.sealers.lock().unwrap_or_else(PoisonError::into_inner).ways = unseals.ways();
        }
        let (running, missing) = self.run(&beginning, 0).await?;
        let (role, again) = (beginning.role(), beginning.again());
        let (again, running, lives) = (again.into(), running.into(), AtomicBool::new(true));
        let keeper = Keeper { role, again, running, lives, missing };
        self.keepers().push(Arc::new(keeper));
        Ok(())
    }

    /// Ends all processes, the last that was started first: those before it are there for it to the end.
    pub(super) fn end(&self) {
        // A vault that waits for one of them must not be waited for.
        self.sealers.lock().unwrap_or_else(PoisonError::into_inner).running.clear();
        loop {
            let last = self.keepers().pop();
            if last.is_none() {
                return;
            }
        }
    }

    /// Has the server get the parts of a public endpoint.
    pub(super) fn publish(&self, public: Open) {
        // There is one in a cell's life.
        let _ = self.public.set(public);
    }

    fn keepers(&self) -> MutexGuard<'_, Vec<Arc<Keeper>>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this machine's kernel cannot keep the processes from, in words.
    pub(super) fn missing(&self) -> Vec<(Role, String)> {
        let missing = |keeper: &Arc<Keeper>| {
            let role = keeper.role.clone();
            keeper.missing.iter().map(move |missing| (role.clone(), missing.clone())).collect::<Vec<_>>()
        };
        self.keepers().iter().flat_map(missing).collect()
    }

    /// The processes that run, by their roles.
    pub(super) async fn processes(&self) -> Vec<(Role, u32)> {
        let keepers = self.keepers().clone();
        let mut processes = Vec::new();
        for keeper in keepers {
            processes.push((keeper.role.clone(), keeper.running.lock().await.child.id()));
        }
        processes
    }

    /// Whether a process that was started again so often may be once more.
    fn may_start(&self, again: u32) -> bool {
        match self.keeps {
            Keeps::AtMost(most) => again < most,
            Keeps::Always => true,
        }
    }

    async fn wait(&self, again: u32) {
        self.clock.sleep((START_AGAIN * again).min(START_AGAIN_MAX)).await;
    }

    /// `again`: how often that, or another death, has happened before.
    async fn run(&self, beginning: &Beginning, mut again: u32) -> anyhow::Result<(Running, Vec<String>)> {
        loop {
            let (control, theirs) = Control::pair()?;
            let control = Arc::new(control);
            let child = spawn(beginning.word(), theirs)?;
            let (life, since) = (Life::of(&child), self.clock.monotonic());
            let line = self.line(&beginning.role(), &child, life.as_ref(), &control);
            let running = Running { child, life, control: Arc::clone(&control), again, since };
            let begun = self.listen(beginning.role(), line?);
            beginning.tell(&control)?;
            match begun.await {
                Ok(FromProcess::Begun { missing }) => {
                    // Whoever spoke for it has done so.
                    if matches!(beginning, Beginning::Vault { .. }) {
                        self.sealers.lock().unwrap_or_else(PoisonError::into_inner).running.clear();
                    }
                    return Ok((running, missing));
                }
                Ok(FromProcess::Failed(failed)) => {
                    return Err(FlowError::Told(failed).into());
                }
                Ok(_) => anyhow::bail!("the {} answers what it was not asked", beginning.role()),
                Err(_) if !self.may_start(again) => {
                    anyhow::bail!("the {}'s process has ended before it had begun", beginning.role());
                }
                Err(_) => {
                    drop(running);
                    again += 1;
                    self.wait(again).await;
                }
            }
        }
    }

    /// Hears what a process says, until it is gone: first how it began, then what it asks for.
    fn listen(&self, role: Role, mut line: Line) -> oneshot::Receiver<FromProcess> {
        let (begun, answer) = oneshot::channel();
        let (own, runtime) = (Weak::clone(&self.own), Handle::current());
        // It waits for the kernel: a thread of its own, which ends with the process.
        std::thread::spawn(move || {
            let mut begun = Some(begun);
            let heard = |message| drop(begun.take().map(|begun| begun.send(message)));
            Self::attend(&own, &role, &mut line, &runtime, heard);
            if let Some(own) = own.upgrade().filter(|own| own.keeps == Keeps::Always) {
                runtime.spawn(async move { own.revive(&role, line.control()).await });
            }
        });
        answer
    }

    /// Gives somebody of that role the sockets that it asks for, until it is gone. Whatever else it says is `heard`.
    pub(super) fn attend(
        own: &Weak<Self>,
        role: &Role,
        line: &mut Line,
        runtime: &Handle,
        mut heard: impl FnMut(FromProcess),
    ) {
        while let Ok(Some((message, descriptor))) = line.receive() {
            match message {
                FromProcess::Lend { to, reaching, name } => {
                    let (Some(own), Some(file)) = (own.upgrade(), descriptor) else { return };
                    let role = role.clone();
                    runtime.spawn(async move {
                        if let Err(error) = own.lend(&role, (&to, &reaching), name, file.as_fd()).await {
                            // Whoever waits for it hears that it does not come.
                            tracing::warn!("{error}");
                        }
                    });
                }
                FromProcess::Ask { number, what } if what != Ask::Quiet => {
                    let Some(own) = own.upgrade() else { return };
                    let (role, control) = (role.clone(), Arc::clone(line.control()));
                    runtime.spawn(async move { own.answer(&role, number, &what, &control).await });
                }
                message => heard(message),
            }
        }
    }

    /// Tells the monitor that a command has ended.
    pub(super) async fn command_ended(&self) {
        let Some(monitor) = self.keeper(&Role::Monitor) else { return };
        let running = monitor.running.lock().await;
        // One that is gone takes everything once it was started again.
        drop(running.control.send(&ToProcess::<()>::Ended, None));
    }

    /// What a process says, which is killed once it says nothing any more.
    fn line(
        &self,
        role: &Role,
        child: &Child,
        life: Option<&Arc<Life>>,
        control: &Arc<Control>,
    ) -> io::Result<Line> {
        let Some(life) = life else { return Ok(Line::of(control)) };
        // The record is the command's: it ends with it, and not when this has heard that.
        let (clock, audit, runtime) =
            (Arc::clone(&self.clock), Arc::downgrade(&self.audit), Handle::current());
        let (role, process) = (role.clone(), child.id());
        Line::watched(control, life, move |silent| {
            let silent = silent.as_secs();
            tracing::warn!("the {role}'s process {process} has said nothing for {silent} s, and is killed");
            let who = Principal(format!("service/{}", Role::Command));
            let event = AuditEvent::new(who, Operation::ProcessReplace, role.to_string(), Outcome::Done);
            let event = event.with_detail(format!("process {process} has said nothing for {silent} s"));
            let Some(audit) = audit.upgrade() else { return };
            let recorded = audit.record(event);
            // It may be the one which keeps it from being recorded: it has a lock, say. Then that comes right after.
            let waits = async { select(recorded, clock.sleep(RECORD_MAX)).await };
            if let Either::Left((Err(error), _)) = runtime.block_on(waits) {
                tracing::warn!("{error}");
            }
        })
    }

    /// Starts a process again that is gone, however often it takes.
    async fn revive(&self, role: &Role, control: &Arc<Control>) {
        let Some(keeper) = self.keeper(role) else { return };
        let mut running = keeper.running.lock().await;
        // Whoever needed it may have been faster.
        if Arc::ptr_eq(&running.control, control) {
            self.keep_starting(&keeper, &mut running).await;
        }
    }

    /// Starts a process again, however often it takes.
    async fn keep_starting(&self, keeper: &Keeper, running: &mut Running) {
        let role = &keeper.role;
        loop {
            match self.start_again(keeper, running, io::ErrorKind::BrokenPipe.into()).await {
                Ok(()) => return,
                Err(_) if keeper.again().is_none() => {
                    tracing::warn!("the {role} stays closed: nobody keeps the passphrase that was typed");
                    return;
                }
                Err(error) => tracing::warn!("the {role} could not be started again: {error}"),
            }
        }
    }

    fn keeper(&self, role: &Role) -> Option<Arc<Keeper>> {
        self.keepers().iter().find(|keeper| keeper.role == *role).cloned()
    }

    async fn answer(&self, role: &Role, number: u64, what: &Ask, control: &Control) {
        let told = match self.socket(role, what).await {
            Ok(descriptor) => control.send(&ToProcess::<()>::Given { number }, Some(descriptor.as_fd())),
            Err(error) => control.send(&ToProcess::<()>::Withheld { number, why: error.to_string() }, None),
        };
        if let Err(error) = told {
            // It is gone, and whoever needs it starts it again.
            tracing::debug!("{error}");
        }
    }

    /// One end of a pair of sockets, for a process of that role: whoever it has asked for gets the other. Or what leads to them on
    /// another host.
    async fn socket(&self, role: &Role, what: &Ask) -> io::Result<OwnedFd> {
        match what {
            _ if *role == Role::Certifier => Err(io::Error::other(format!("a {role} asks for nothing"))),
            Ask::Certificate => {
                // With what its host's key proves, it is asked for there.
                if let Some(address) = self.elsewhere.get(&Role::Vault) {
                    return far::dial(*address, &*self.clock).await;
                }
                let enrol = ToProcess::Enrol { role: role.to_string() };
                self.pair(&Role::Vault, &enrol).await.map(Into::into)
            }
            Ask::Connection { to, reaching } => {
                let to = connects(role, to)?;
                if let Some(address) = self.elsewhere.get(&to) {
                    return far::dial(*address, &*self.clock).await;
                }
                self.widen(&to, reaching).await?;
                self.pair(&to, &ToProcess::Connect).await.map(Into::into)
            }
            Ask::Sealer { next } => self.sealer(role, *next).map(Into::into).map_err(io::Error::other),
            Ask::Quiet => Err(io::Error::other(format!("it is never quiet for a {role}"))),
            Ask::Lives { role: who } => self.lives(role, who).map(Into::into),
            Ask::Public(part) => self.part(role, *part),
        }
    }

    /// A part of the public endpoint, for the server.
    fn part(&self, role: &Role, part: Part) -> io::Result<OwnedFd> {
        match self.public.get() {
            Some(public) if *role == Role::Server => public.part(part),
            _ => Err(io::Error::other(format!("a {role} has no part in a public endpoint"))),
        }
    }

    /// A socket with nobody at its other end, if the process of a role is there. Of one on another host nobody knows here: it
    /// counts as there.
    fn lives(&self, role: &Role, who: &str) -> io::Result<Socket> {
        let who: Role = who.parse().map_err(io::Error::other)?;
        let keeper = self.keeper(&who).filter(|_| *role == Role::Server);
        let is_far = *role == Role::Server && self.elsewhere.contains_key(&who);
        if is_far || keeper.is_some_and(|keeper| keeper.lives.load(Ordering::Relaxed)) {
            Ok(Socket::pair()?.0)
        } else {
            Err(io::Error::other(format!("the {who} is not there")))
        }
    }

    /// The way to a new sealer.
    fn sealer(&self, role: &Role, next: bool) -> anyhow::Result<Socket> {
        anyhow::ensure!(*role == Role::Vault, "a {role} has nothing sealed outside");
        let mut sealers = self.sealers.lock().unwrap_or_else(PoisonError::into_inner);
        let [own, other] = &sealers.ways;
        let outside = if next { other } else { own };
        let Outside { way, region } = outside.as_ref().context("no way to a seal was given")?;
        let (process, stream) = SealerProcess::start(way, region)?;
        sealers.running.retain_mut(SealerProcess::is_running);
        sealers.running.push(process);
        Ok(stream)
    }

    /// Hands somebody of that role a file that another lends.
    async fn lend(
        &self,
        role: &Role,
        (to, reaching): (&str, &[u16]),
        name: Id128,
        file: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let to = connects(role, to)?;
        self.widen(&to, reaching).await?;
        self.hand(&to, &ToProcess::Lent { name }, file).await
    }

    /// Starts a worker anew that cannot connect to those ports, so that it can.
    async fn widen(&self, role: &Role, reaching: &[u16]) -> io::Result<()> {
        let Some(keeper) = self.keeper(role).filter(|_| !reaching.is_empty()) else { return Ok(()) };
        let mut running = keeper.running.lock().await;
        match &mut *keeper.again() {
            Some(Beginning::Worker { ports, .. }) if !reaching.iter().all(|port| ports.contains(port)) => {
                ports.extend(reaching);
                ports.sort_unstable();
                ports.dedup();
            }
            _ => return Ok(()),
        }
        // What it has not finished is asked for once more.
        self.start_again(&keeper, &mut running, io::ErrorKind::BrokenPipe.into()).await
    }

    /// Whether each process could be started again by itself.
    pub(super) fn can_start_all_anew(&self) -> bool {
        self.keepers().iter().all(|keeper| keeper.again().is_some())
    }

    /// Ends all processes, and starts others in their places: they know nothing of what was before.
    pub(super) async fn start_all_anew(&self) {
        let keepers = self.keepers().clone();
        let mut running = Vec::new();
        for keeper in &keepers {
            running.push(keeper.running.lock().await);
        }
        for process in running.iter_mut().rev() {
            tokio::task::block_in_place(|| process.end());
        }
        // Each may need those that were started before it, and so their locks.
        for (keeper, mut running) in keepers.iter().zip(running) {
            self.keep_starting(keeper, &mut running).await;
        }
    }

    /// Lets those in who come to that role from other hosts, as long as what is answered lives.
    ///
    /// # Errors
    /// When nobody can be heard at that address.
    pub(super) async fn let_in(&self, role: Role, address: SocketAddr) -> anyhow::Result<far::Listening> {
        let (own, clock) = (Weak::clone(&self.own), Arc::clone(&self.clock));
        far::listen(address, clock, move |socket| {
            let (own, role) = (Weak::clone(&own), role.clone());
            async move {
                let own = own.upgrade().ok_or(io::ErrorKind::NotConnected)?;
                own.hand(&role, &ToProcess::Connect, socket.as_fd()).await
            }
        })
        .await
    }

    async fn pair(&self, with: &Role, message: &ToProcess<()>) -> io::Result<Socket> {
        let (ours, theirs) = Socket::pair()?;
        self.hand(with, message, theirs.as_fd()).await?;
        Ok(ours)
    }

    /// Hands a descriptor to somebody of that role, or to whoever is started in their place.
    async fn hand(&self, to: &Role, message: &ToProcess<()>, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let keeper = self.keeper(to).ok_or_else(|| io::Error::other(format!("no {to} was started")))?;
        // Whoever starts it again keeps at it, and has it meanwhile.
        let mut running = match select(pin!(keeper.running.lock()), self.clock.sleep(HAND_MAX)).await {
            Either::Left((running, _)) => running,
            Either::Right(_) => {
                let why = format!("the {to} has ended, and could not be started again yet");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        };
        loop {
            match running.control.send(message, Some(descriptor)) {
                Ok(()) => return Ok(()),
                Err(gone) => self.start_again(&keeper, &mut running, gone).await?,
            }
        }
    }

    /// Starts a process again after it was found gone.
    async fn start_again(&self, keeper: &Keeper, running: &mut Running, gone: io::Error) -> io::Result<()> {
        keeper.lives.store(false, Ordering::Relaxed);
        if self.clock.monotonic().saturating_sub(running.since) > LIVES {
            running.again = 0;
        }
        let beginning = keeper.again().as_ref().and_then(Beginning::again);
        let Some(beginning) = beginning.filter(|_| self.may_start(running.again)) else {
            return Err(gone);
        };
        tracing::warn!("the {}'s process has ended; it is started again", keeper.role);
        // Also where that fails: whoever asks next must not try without end.
        running.again += 1;
        running.since = self.clock.monotonic();
        self.wait(running.again).await;
        // It may be about to end only, and has what the next one needs.
        if !tokio::task::block_in_place(|| running.end()) {
            let why = format!(
                "the {}'s process cannot be ended: the kernel is busy with something for it",
                keeper.role
            );
            return Err(io::Error::other(why));
        }
        let started = self.run(&beginning, running.again).await;
        *running = started.map_err(io::Error::other)?.0;
        keeper.lives.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// What whoever has started the processes gets from them, as a member of that role.
pub(super) struct As(pub(super) Role, pub(super) Weak<Supervisor>);

impl Sockets for As {
    fn get(&self, what: Ask) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        async move {
            let supervisor = self.1.upgrade().ok_or_else(|| io::Error::other("its command has ended"))?;
            stream(supervisor.socket(&self.0, &what).await?)
        }
        .boxed()
    }

    fn lend<'a>(
        &'a self,
        (to, reaching): (&'a Role, &'a [u16]),
        name: Id128,
        file: BorrowedFd<'a>,
    ) -> BoxFuture<'a, io::Result<()>> {
        async move {
            let supervisor = self.1.upgrade().ok_or_else(|| io::Error::other("its command has ended"))?;
            supervisor.lend(&self.0, (&to.to_string(), reaching), name, file).await
        }
        .boxed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use domain::Unrecorded;
    use vault::system::{SystemClock, SystemRng};

    use super::*;

    /// What somebody of that role is given, or why not.
    async fn asks(supervisor: &Supervisor, role: &Role, what: Ask) -> Result<(), String> {
        let (own, theirs) = Control::pair().unwrap();
        supervisor.answer(role, 7, &what, &own).await;
        match Control::over(theirs).receive::<ToProcess<()>>().unwrap().unwrap() {
            (ToProcess::Given { number: 7 }, Some(_)) => Ok(()),
            (ToProcess::Withheld { number: 7, why }, None) => Err(why),
            other => Err(format!("{other:?}")),
        }
    }

    #[tokio::test]
    async fn a_public_endpoint_is_the_servers_and_a_certifier_is_given_nothing() {
        let (clock, rng, audit) = (Arc::new(SystemClock), Arc::new(SystemRng), Arc::new(Unrecorded));
        let supervisor = Supervisor::new(&Handles { clock, rng, audit }, Keeps::Always, Places::new());
        let listener = || Ask::Public(Part::Listener);
        let none = asks(&supervisor, &Role::Server, listener()).await.unwrap_err();
        assert!(none.contains("no part"), "{none}");

        let given = r#"{"url":"https://caretaker.example","listen":"127.0.0.1:0","certified":{"files":{"certificate":"/none","key":"/none"}}}"#;
        supervisor.publish(Open::new(serde_json::from_str(given).unwrap()).unwrap());
        asks(&supervisor, &Role::Server, listener()).await.unwrap();
        let gone = asks(&supervisor, &Role::Server, Ask::Public(Part::Key)).await.unwrap_err();
        assert!(gone.contains("No such file"), "{gone}");
        let worker = Role::Worker("shopify".parse().unwrap());
        for other in [Role::Command, Role::Vault, Role::Monitor, Role::Certifier, worker] {
            asks(&supervisor, &other, listener()).await.unwrap_err();
            asks(&supervisor, &other, Ask::Lives { role: "vault".into() }).await.unwrap_err();
        }
        let connection = Ask::Connection { to: "vault".into(), reaching: Vec::new() };
        for what in [Ask::Certificate, connection, Ask::Sealer { next: false }, Ask::Quiet] {
            let refused = asks(&supervisor, &Role::Certifier, what).await.unwrap_err();
            assert_eq!(refused, "a certifier asks for nothing");
        }
    }
}
