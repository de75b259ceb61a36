//! A cell that runs until it is told to end, and how commands join it: over a socket in `DIR/run`, by the messages that its
//! processes and their supervisor exchange. Whoever has another user's id is not answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use catalog::Connection;
use domain::{AuditEvent, Clock, Operation, Outcome, Platform, Principal, Role};
use flows::FlowError;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, acceptfrom_with, socket_with};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use vault::{Handles, Vault};

use super::beginning::{Beginning, Unseals};
use super::child::Superior;
use super::control::Control;
use super::far::{Listening, Places};
use super::life::Line;
use super::member::{Member, Sockets};
use super::messages::{Ask, FromProcess, ToProcess};
use super::server::ToPublish;
use super::supervisor::{As, Keeps, Supervisor};
use super::worker;
use crate::cell_trail;
use crate::home::CellFile;
use crate::public::{Certified, Given, Open};
use crate::works::port_of;

/// So many commands wait to be let in.
const BACKLOG: i32 = 64;
/// So long commands that are under way may take when the cell is to end.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// So long a command waits for others to end that must be alone.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// It looks so often whether they have.
const QUIET_EVERY: Duration = Duration::from_millis(50);

/// What a command is told that has joined.
#[derive(Debug, Serialize, Deserialize)]
struct Welcome {
    /// What the kernel cannot keep the cell's processes from: of which role, in words.
    missing: Vec<(String, String)>,
    /// Whose processes run on other hosts.
    elsewhere: Vec<String>,
    /// Where other hosts find each of them.
    places: Vec<(String, SocketAddr)>,
}

/// Which of a cell's processes other hosts find here, and which run there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    /// Those that are found here.
    pub(crate) at: Places,
    /// Those that run there.
    pub(crate) elsewhere: Places,
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("run")
}

/// The socket's address. Addresses are short, and a folder's name may not be: it goes by the folder's descriptor.
fn address(folder: &File) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/commands", folder.as_raw_fd()))?)
}

fn socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// A cell that runs, as a command has joined it.
pub(super) struct Joined {
    superior: Arc<Superior>,
    pub(super) missing: Vec<(Role, String)>,
    pub(super) elsewhere: BTreeSet<Role>,
    pub(super) places: Places,
}

impl Joined {
    pub(super) fn sockets(&self) -> Arc<dyn Sockets> {
        Arc::clone(&self.superior) as _
    }

    /// Waits until no other command is there. None is let in from then on, as long as this one is there.
    ///
    /// # Errors
    /// A conflict where others are at work for longer, and where the cell could not go on by itself afterwards.
    pub(super) async fn be_alone(&self) -> anyhow::Result<()> {
        match self.superior.get(Ask::Quiet).await {
            Ok(_) => Ok(()),
            Err(error) => Err(FlowError::Conflict(error.to_string()).into()),
        }
    }
}

/// Joins the cell at `dir`. `None` where it does not run.
pub(super) async fn join(dir: &Path) -> anyhow::Result<Option<Joined>> {
    let Ok(folder) = File::open(folder(dir)) else { return Ok(None) };
    let socket = socket()?;
    match rustix::net::connect(&socket, &address(&folder)?) {
        // Nobody listens: it ran once.
        Err(Errno::CONNREFUSED | Errno::NOENT) => return Ok(None),
        connected => connected.context("the cell that runs cannot be joined")?,
    }
    let control = Control::over(socket);
    let (own, theirs) = (rustix::process::geteuid(), control.peer()?);
    if theirs != own && !theirs.is_root() {
        let why = format!("the cell is run by another user ({}): join it as that user", theirs.as_raw());
        return Err(FlowError::Refused(why).into());
    }
    let (control, heard) = tokio::task::spawn_blocking(move || {
        let heard = control.receive::<ToProcess<Welcome>>();
        (control, heard)
    })
    .await?;
    let Some((ToProcess::Begin(Welcome { missing, elsewhere, places }), _)) = heard? else {
        let why =
            "the cell that runs does not let this command in: it may be ending, or be run by another user";
        return Err(FlowError::Refused(why.to_owned()).into());
    };
    let superior = Arc::new(Superior::new(control));
    // It is told nothing else.
    drop(superior.listen::<Welcome>());
    let missing = missing.into_iter().map(|(role, missing)| Ok((role.parse()?, missing)));
    let elsewhere = elsewhere.iter().map(|role| role.parse());
    let places = places.into_iter().map(|(role, address)| Ok((role.parse()?, address)));
    Ok(Some(Joined {
        superior,
        missing: missing.collect::<anyhow::Result<_>>()?,
        elsewhere: elsewhere.collect::<Result<_, _>>()?,
        places: places.collect::<anyhow::Result<_>>()?,
    }))
}

/// A cell that runs.
pub(crate) struct Up {
    supervisor: Arc<Supervisor>,
    public: Option<Given>,
    listener: Arc<OwnedFd>,
    accepting: thread::JoinHandle<()>,
    /// Where others are let in that come from other hosts.
    listening: Vec<Listening>,
    /// Ends when no command is there any more.
    commands: mpsc::Receiver<()>,
    clock: Arc<dyn Clock>,
    _lock: File,
}

/// Takes the cell for this process, as long as the file is open.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("could not open `{}`", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => {
            Err(FlowError::Conflict("this cell runs already: `caretaker up` was given before".to_owned())
                .into())
        }
        Err(errno) => Err(errno).with_context(|| format!("could not lock `{}`", path.display())),
    }
}

fn listen(folder: &Path) -> anyhow::Result<OwnedFd> {
    // What a cell that was killed has left: nobody listens there, since the lock is held.
    match std::fs::remove_file(folder.join("commands")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error)?,
        _ => {}
    }
    let socket = socket()?;
    rustix::net::bind(&socket, &address(&File::open(folder)?)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

impl Up {
    /// Starts the processes of the cell at `dir`, and lets commands in.
    ///
    /// # Errors
    /// As the processes tell; a conflict where the cell runs already.
    pub(crate) async fn start(
        dir: &Path,
        (unseals, public): (Unseals, Option<Given>),
        hosts: Hosts,
        handles: &Handles,
    ) -> anyhow::Result<Self> {
        let dir = std::path::absolute(dir)?;
        let folder = folder(&dir);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("could not make `{}`", folder.display()))?;
        let lock = lock(&folder)?;
        let cell = CellFile::read(&dir)?;
        let supervisor = Supervisor::new(handles, Keeps::Always, hosts.elsewhere.clone());
        let public = public.map(Open::new).transpose()?.map(|open| {
            let given = open.given().clone();
            supervisor.publish(open);
            given
        });
        let begun =
            Self::begin(&supervisor, (&dir, &cell), unseals, (public.as_ref(), &hosts), &handles.clock).await;
        let listening = match begun {
            Ok(listening) => listening,
            Err(error) => {
                // Others may hold it for a moment still, and they would end in no order.
                tokio::task::block_in_place(|| supervisor.end());
                return Err(error);
            }
        };
        match &public {
            Some(given) => given.keep(&dir)?,
            None => Given::forget(&dir)?,
        }
        let listener =
            listen(&folder).with_context(|| format!("could not listen in `{}`", folder.display()))?;
        let listener = Arc::new(listener);
        let (there, commands) = mpsc::channel(1);
        let room = Arc::new(Room { vault: Vault::path(&dir), ..Room::default() });
        let door = Door { supervisor: Arc::clone(&supervisor), handles: handles.clone(), hosts, there, room };
        let (runtime, own) = (Handle::current(), Arc::clone(&listener));
        // It waits for the kernel: a thread of its own, which ends when the cell is to end.
        let accepting = thread::spawn(move || door.accept(&own, &runtime));
        let clock = Arc::clone(&handles.clock);
        Ok(Self { supervisor, public, listener, accepting, listening, commands, clock, _lock: lock })
    }

    /// Starts its processes, and lets those in that come from other hosts.
    async fn begin(
        supervisor: &Arc<Supervisor>,
        (dir, cell): (&Path, &CellFile),
        unseals: Unseals,
        (public, hosts): (Option<&Given>, &Hosts),
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Vec<Listening>> {
        let dir = dir.to_path_buf();
        let monitor = hosts.elsewhere.get(&Role::Monitor);
        if monitor.is_none() {
            cell_trail::keep_log(&dir)?;
        }
        let to_publish = public.cloned().map(|given| ToPublish { given, at_start: true });
        let vault = Beginning::Vault {
            dir: dir.clone(),
            region: cell.region.clone(),
            alone: false,
            asks: true,
            hands_over: monitor.is_some(),
            unseals,
        };
        supervisor.start(vault).await?;
        match monitor {
            Some(address) => cell_trail::leave_log(&dir, *address)?,
            None => {
                let monitor = Beginning::Monitor { dir: dir.clone(), by_itself: true, far: false };
                supervisor.start(monitor).await?;
            }
        }
        if !hosts.elsewhere.contains_key(&Role::Server) {
            let (dir, cell) = (dir.clone(), cell.clone());
            supervisor
                .start(Beginning::Server { dir, cell, public: to_publish.map(Box::new), far: false })
                .await?;
        }
        let ports = Self::ports(supervisor, clock).await.unwrap_or_else(|error| {
            tracing::warn!("workers reach the port of HTTPS alone until a command needs another: {error:#}");
            BTreeMap::new()
        });
        for platform in worker::platforms()? {
            if !hosts.elsewhere.contains_key(&Role::Worker(platform.clone())) {
                let reaching: Vec<u16> = ports.get(&platform).into_iter().flatten().copied().collect();
                supervisor.start(Beginning::worker(&dir, cell, platform, &reaching).by_itself()).await?;
            }
        }
        if let Some(Given { url, certified: Certified::Acme { acme, .. }, .. }) = public {
            let (url, acme) = (url.clone(), acme.clone());
            supervisor.start(Beginning::Certifier { dir, url, acme }).await?;
        }
        let mut listening = Vec::new();
        for (role, address) in &hosts.at {
            listening.push(supervisor.let_in(role.clone(), *address).await?);
        }
        Ok(listening)
    }

    /// The ports at which the connected stores of each platform are spoken to: its worker gets to these, and to no other that it
    /// might ask for.
    async fn ports(
        supervisor: &Arc<Supervisor>,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<BTreeMap<Platform, BTreeSet<u16>>> {
        let sockets = Arc::new(As(Role::Command, Arc::downgrade(supervisor)));
        let member = Member::join(sockets, Arc::clone(clock)).await?;
        let catalog = catalog::Client::over(member.channel(Role::Server));
        let mut ports: BTreeMap<Platform, BTreeSet<u16>> = BTreeMap::new();
        for tenant in catalog.tenants().await? {
            for Connection { scope, url, .. } in catalog.connections(&tenant).await? {
                ports.entry(scope.platform).or_default().extend(port_of(&url));
            }
        }
        Ok(ports)
    }

    /// Its public endpoint, with the address at which it listens.
    pub(crate) fn public(&self) -> Option<&Given> {
        self.public.as_ref()
    }

    /// The processes that run, by their roles.
    pub(crate) async fn processes(&self) -> Vec<(Role, u32)> {
        self.supervisor.processes().await
    }

    /// What this machine's kernel cannot keep them from, in words.
    pub(crate) fn missing(&self) -> Vec<(Role, String)> {
        self.supervisor.missing()
    }

    /// Lets nobody in any more, waits for the commands that are there, but not for long, and ends the processes.
    pub(crate) async fn end(mut self, at_once: impl Future<Output = ()>) {
        // Whoever waits in there is woken by it.
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
        let _ = tokio::task::spawn_blocking(move || self.accepting.join()).await;
        tokio::select! {
            _ = self.commands.recv() => {}
            () = self.clock.sleep(DRAIN_MAX) => {}
            () = at_once => {}
        }
        self.listening.clear();
    }
}

/// Who is there.
#[derive(Default)]
struct Room {
    inside: Mutex<Inside>,
    /// Somebody who kept others out has gone.
    open: Condvar,
    /// The file whose change is something for all processes.
    vault: PathBuf,
}

#[derive(Default)]
struct Inside {
    commands: usize,
    /// Somebody is to be alone, or is: with the vault's file as they found it.
    alone: Option<Vec<u8>>,
}

impl Room {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody is alone in there.
    fn enter(&self) {
        let inside = self.open.wait_while(self.inside(), |inside| inside.alone.is_some());
        inside.unwrap_or_else(PoisonError::into_inner).commands += 1;
    }

    /// Waits until all others are gone. Says in words why that is not to be.
    async fn quiet(&self, clock: &dyn Clock) -> Result<(), String> {
        let file = std::fs::read(&self.vault).map_err(|error| error.to_string())?;
        {
            let mut inside = self.inside();
            if inside.alone.is_some() {
                return Err("another command is to be alone there already".to_owned());
            }
            inside.alone = Some(file);
        }
        let give_up = clock.monotonic().saturating_add(QUIET_MAX);
        while self.inside().commands > 1 {
            if clock.monotonic() >= give_up {
                self.inside().alone = None;
                self.open.notify_all();
                return Err("other commands are at work: give it again when they have ended".to_owned());
            }
            clock.sleep(QUIET_EVERY).await;
        }
        Ok(())
    }

    /// Whether somebody who was alone has changed the vault's file.
    fn is_changed(&self) -> bool {
        let before = self.inside().alone.clone();
        // A file that cannot be read is something for all, too.
        before.is_some_and(|before| std::fs::read(&self.vault).ok() != Some(before))
    }

    fn leave(&self, was_alone: bool) {
        let mut inside = self.inside();
        inside.commands = inside.commands.saturating_sub(1);
        if was_alone {
            inside.alone = None;
            self.open.notify_all();
        }
    }
}

/// Where commands come in.
struct Door {
    supervisor: Arc<Supervisor>,
    handles: Handles,
    hosts: Hosts,
    /// Whoever is there has one of these.
    there: mpsc::Sender<()>,
    room: Arc<Room>,
}

/// Why nobody is let alone with a cell whose vault somebody has to open.
const TYPED: &str = "all processes of the cell begin anew after it, and nobody keeps the passphrase that was typed: end `caretaker \
                     up` first, or give it a passphrase file";

fn tell_quiet(control: &Control, number: u64, quiet: Result<(), String>) -> io::Result<()> {
    match quiet {
        Ok(()) => {
            let (nobody, theirs) = UnixStream::pair()?;
            drop(nobody);
            control.send(&ToProcess::<()>::Given { number }, Some(theirs.as_fd()))
        }
        Err(why) => control.send(&ToProcess::<()>::Withheld { number, why }, None),
    }
}

impl Door {
    fn accept(self, listener: &OwnedFd, runtime: &Handle) {
        let own = rustix::process::geteuid();
        loop {
            let control = match acceptfrom_with(listener, SocketFlags::CLOEXEC) {
                Ok((socket, _)) => Control::over(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                // It is to end.
                Err(Errno::INVAL) => return,
                Err(errno) => {
                    // No descriptor is free, say: those who wait may be luckier in a moment.
                    tracing::warn!("a command could not be let in: {errno}");
                    runtime.block_on(self.handles.clock.sleep(Duration::from_millis(100)));
                    continue;
                }
            };
            match control.peer() {
                Ok(peer) if peer == own => self.admit(control, runtime),
                peer => runtime.block_on(self.refuse(peer.map(rustix::process::Uid::as_raw))),
            }
        }
    }

    /// Gives a command the sockets that it asks for, until it is gone.
    fn admit(&self, control: Control, runtime: &Handle) {
        let missing = self.supervisor.missing();
        let missing = missing.into_iter().map(|(role, missing)| (role.to_string(), missing)).collect();
        let elsewhere = self.hosts.elsewhere.keys().map(ToString::to_string).collect();
        // Wherever they are: another host calls them there too.
        let placed = self.hosts.at.iter().chain(&self.hosts.elsewhere);
        let places = placed.map(|(role, address)| (role.to_string(), *address)).collect();
        let welcome = Welcome { missing, elsewhere, places };
        let (supervisor, there) = (Arc::downgrade(&self.supervisor), self.there.clone());
        let (room, clock) = (Arc::clone(&self.room), Arc::clone(&self.handles.clock));
        let runtime = runtime.clone();
        thread::spawn(move || {
            room.enter();
            let control = Arc::new(control);
            let mut alone = false;
            if control.send(&ToProcess::Begin(welcome), None).is_ok() {
                let heard = |message| {
                    let FromProcess::Ask { number, what: Ask::Quiet } = message else { return };
                    let quiet = match supervisor.upgrade().is_some_and(|own| own.can_start_all_anew()) {
                        true => runtime.block_on(room.quiet(&*clock)),
                        false => Err(TYPED.to_owned()),
                    };
                    alone |= quiet.is_ok();
                    // Where it is gone, that shows at once.
                    let _ = tell_quiet(&control, number, quiet);
                };
                let mut line = Line::of(&control);
                Supervisor::attend(&supervisor, &Role::Command, &mut line, &runtime, heard);
            }
            if let Some(supervisor) = supervisor.upgrade() {
                if alone && room.is_changed() {
                    runtime.block_on(supervisor.start_all_anew());
                }
                runtime.block_on(supervisor.command_ended());
            }
            room.leave(alone);
            drop(there);
        });
    }

    async fn refuse(&self, peer: io::Result<u32>) {
        let who = Principal(vault::UNPROVEN.to_owned());
        let event = AuditEvent::new(who, Operation::PeerRefuse, "cell".to_owned(), Outcome::Refused);
        let detail = match peer {
            Ok(user) => format!("user {user}"),
            Err(error) => error.to_string(),
        };
        if let Err(error) = self.handles.audit.record(event.with_detail(detail)).await {
            tracing::warn!("{error}");
        }
    }
}
