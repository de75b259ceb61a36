//! What all processes with a role do: they are started with one end of a pair of sockets as their standard input, are told what
//! to begin with, keep themselves to what is theirs, answer whoever connects, and end when the other end is gone.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{AuditEvent, Id128, Operation, Outcome, Principal, Role};
use flows::FlowError;
use flows::error::Told;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustix::net::{AddressFamily, sockopt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use transport::{Endpoint, ServeError, Stream};
use vault::Handles;

use super::control::Control;
use super::member::Sockets;
use super::messages::{Ask, FromProcess, ToProcess};
use crate::output::exit;
use crate::walls::{self, Walls};

/// What was begun is finished within that time when the process is to end.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// So many messages wait to be looked at.
const MESSAGES_MAX: usize = 64;

/// What is particular to a role.
pub(crate) trait Job: Sized + Send + 'static {
    /// What it is told to begin with.
    type Begin: Serialize + DeserializeOwned + Send + 'static;
    /// What a list of processes calls it.
    const NAME: &'static CStr;
    /// The word that starts it.
    const WORD: &'static str;

    /// What of the machine it is not kept from. `None` where there is nothing to keep it apart from yet, so that beginning tells what
    /// is missing.
    fn walls(begin: &Self::Begin) -> anyhow::Result<Option<Walls>>;

    /// Whether it keeps itself to that. Only a build for tests heeds a no.
    fn has_walls(begin: &Self::Begin) -> bool;

    /// Begins.
    fn begin(
        begin: Self::Begin,
        descriptor: Option<OwnedFd>,
        superior: Arc<Superior>,
    ) -> impl Future<Output = anyhow::Result<Serving>> + Send;
}

/// Gives certificates to whoever is at the other end, who is of that role.
pub(super) type Enrols = Arc<dyn Fn(String, OwnedFd) -> BoxFuture<'static, ()> + Send + Sync>;

/// Takes a file that somebody lends for work, under the name that the work will say.
pub(super) type Lends = Arc<dyn Fn(Id128, OwnedFd) + Send + Sync>;

/// Hears that a command has ended.
pub(super) type Hears = Arc<dyn Fn() + Send + Sync>;

/// A process that has begun, and what it takes to let others speak to it.
pub(crate) struct Serving {
    pub(super) role: Role,
    /// What answers the cell's other processes. `None` where none of them connects.
    pub(super) endpoint: Option<Endpoint>,
    pub(super) handles: Handles,
    /// What goes on besides, as long as the process lives.
    pub(super) beside: BoxFuture<'static, ()>,
    /// What is to be done before it ends.
    pub(super) last: BoxFuture<'static, ()>,
    pub(super) enrols: Option<Enrols>,
    pub(super) lends: Option<Lends>,
    pub(super) hears: Option<Hears>,
}

/// Why nothing is done where nobody has started the process as is done here.
pub(crate) fn misplaced<J: Job>() -> anyhow::Error {
    misplaced_word(J::WORD)
}

/// The same, of a process by the word that starts it.
pub(crate) fn misplaced_word(word: &str) -> anyhow::Error {
    let why = format!(
        "`caretaker {word}` is started by the command that needs it, which tells it what to begin with: give that command, for \
         example `caretaker backup`, or `caretaker vault status`"
    );
    FlowError::Input(why).into()
}

/// Whoever has started this process.
pub(crate) struct Superior {
    control: Arc<Control>,
    asked: Mutex<HashMap<u64, oneshot::Sender<io::Result<OwnedFd>>>>,
    next: AtomicU64,
}

/// A socket that was handed over, as the runtime has them: one of a pair, or one that leads to another host.
pub(super) fn stream(descriptor: OwnedFd) -> io::Result<Box<dyn Stream>> {
    match sockopt::socket_domain(&descriptor)? {
        AddressFamily::UNIX => {
            let stream = std::os::unix::net::UnixStream::from(descriptor);
            stream.set_nonblocking(true)?;
            Ok(Box::new(UnixStream::from_std(stream)?))
        }
        _ => {
            let stream = std::net::TcpStream::from(descriptor);
            stream.set_nonblocking(true)?;
            Ok(Box::new(TcpStream::from_std(stream)?))
        }
    }
}

impl Superior {
    pub(super) fn new(control: Control) -> Self {
        Self { control: Arc::new(control), asked: Mutex::default(), next: AtomicU64::new(0) }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<io::Result<OwnedFd>>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers whoever has asked under that number.
    fn answer(&self, number: u64, answer: io::Result<OwnedFd>) {
        let asked = self.asked().remove(&number);
        // Whoever has asked may have given up meanwhile.
        drop(asked.map(|asked| asked.send(answer)));
    }

    /// A descriptor that was asked for.
    pub(super) async fn ask(&self, what: Ask) -> io::Result<OwnedFd> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (asked, answer) = oneshot::channel();
        self.asked().insert(number, asked);
        self.control.send(&FromProcess::Ask { number, what }, None)?;
        answer.await.map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?
    }

    /// What comes over the control socket beside answers, until its other end is gone.
    pub(super) fn listen<B: DeserializeOwned + Send + 'static>(
        self: &Arc<Self>,
    ) -> mpsc::Receiver<(ToProcess<B>, Option<OwnedFd>)> {
        let (send, receive) = mpsc::channel(MESSAGES_MAX);
        let (own, runtime) = (Arc::clone(self), Handle::current());
        // It waits for the kernel: a thread of its own, which ends with the process.
        std::thread::spawn(move || {
            while let Ok(Some((message, descriptor))) = own.control.receive::<ToProcess<B>>() {
                match (message, descriptor) {
                    (ToProcess::Given { number }, Some(descriptor)) => own.answer(number, Ok(descriptor)),
                    (ToProcess::Beat, _) => {
                        let control = Arc::clone(&own.control);
                        // Where all else is done: who does nothing else any more does not answer either.
                        runtime.spawn(async move { control.send(&FromProcess::Lives, None) });
                    }
                    (ToProcess::Withheld { number, why }, _) => {
                        own.answer(number, Err(io::Error::other(why)));
                    }
                    // Nobody may look at it any more.
                    message => drop(send.blocking_send(message)),
                }
            }
            // Whoever waits for an answer hears that there is none.
            own.asked().clear();
        });
        receive
    }
}

impl Sockets for Superior {
    fn get(&self, what: Ask) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        async move { stream(self.ask(what).await?) }.boxed()
    }

    fn lend<'a>(
        &'a self,
        (to, reaching): (&'a Role, &'a [u16]),
        name: Id128,
        file: BorrowedFd<'a>,
    ) -> BoxFuture<'a, io::Result<()>> {
        let lent = FromProcess::Lend { to: to.to_string(), reaching: reaching.to_vec(), name };
        std::future::ready(self.control.send(&lent, Some(file))).boxed()
    }
}

/// Runs until whoever started the process is gone.
pub(crate) fn main<J: Job>(control: Control) -> ExitCode {
    // Where it cannot be said, a list of processes names the program alone.
    let _ = rustix::thread::set_name(J::NAME);
    let (begin, descriptor) = loop {
        match control.receive::<ToProcess<J::Begin>>() {
            Ok(Some((ToProcess::Begin(begin), descriptor))) => break (begin, descriptor),
            // Whoever is to tell it is slow.
            Ok(Some((ToProcess::Beat, _))) => drop(control.send(&FromProcess::Lives, None)),
            _ => return ExitCode::from(exit::USAGE),
        }
    };
    // Walls are raised before there are other threads, which would stay outside.
    let missing = match raise_walls::<J>(&begin) {
        Ok(missing) => missing,
        Err(error) => return failed(&control, &error),
    };
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(run::<J>(control, begin, descriptor, missing));
            // Whoever waits for what a command has lent (a pipe, say) must not keep the process alive.
            runtime.shutdown_background();
            ended
        }
        Err(error) => failed(&control, &error.into()),
    }
}

fn failed(control: &Control, error: &anyhow::Error) -> ExitCode {
    let told = Told::of(crate::output::kind(error), error.as_ref());
    if let Err(error) = control.send(&FromProcess::Failed(told), None) {
        tracing::warn!("{error}");
    }
    ExitCode::from(exit::FAILED)
}

/// Keeps this process to what is its own. Answers what the kernel cannot keep it from.
fn raise_walls<J: Job>(begin: &J::Begin) -> anyhow::Result<Vec<String>> {
    match J::walls(begin)? {
        Some(walls) if J::has_walls(begin) || !cfg!(debug_assertions) => walls::raise(&walls),
        _ => Ok(Vec::new()),
    }
}

async fn run<J: Job>(
    control: Control,
    begin: J::Begin,
    descriptor: Option<OwnedFd>,
    mut missing: Vec<String>,
) -> ExitCode {
    let superior = Arc::new(Superior::new(control));
    let messages = superior.listen::<J::Begin>();
    let serving = match J::begin(begin, descriptor, Arc::clone(&superior)).await {
        Ok(serving) => serving,
        Err(error) => return failed(&superior.control, &error),
    };
    missing.extend(vault::keys_are_locked().err());
    if let Err(error) = superior.control.send(&FromProcess::Begun { missing }, None) {
        tracing::warn!("{error}");
        return ExitCode::from(exit::FAILED);
    }
    serving.serve(messages, &superior.control).await;
    ExitCode::SUCCESS
}

impl Serving {
    /// Answers until whoever started the process is gone, and then what was begun.
    async fn serve<B>(
        self,
        mut messages: mpsc::Receiver<(ToProcess<B>, Option<OwnedFd>)>,
        #[cfg_attr(
            not(debug_assertions),
            expect(unused_variables, reason = "only tests are answered over it")
        )]
        control: &Control,
    ) {
        let Self { role, endpoint, handles, beside, last, enrols, lends, hears } = self;
        let clock = Arc::clone(&handles.clock);
        let connections = endpoint.map(|endpoint| Arc::new(Connections { role, endpoint, handles }));
        let (end, ending) = watch::channel(());
        // It never ends by itself, whatever else there is to do.
        let mut beside = pin!(beside);
        let mut tasks = JoinSet::new();
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                Some(_) = tasks.join_next() => continue,
                () = &mut beside => break,
            };
            let Some(message) = message else { break };
            match message {
                (ToProcess::Connect, Some(descriptor)) => {
                    let Some(connections) = connections.clone() else { continue };
                    let mut ending = ending.clone();
                    tasks.spawn(async move {
                        let gone = async move { ending.changed().await.unwrap_or_default() };
                        connections.serve(descriptor, gone).await;
                    });
                }
                (ToProcess::Enrol { role }, Some(descriptor)) => {
                    if let Some(enrols) = &enrols {
                        tasks.spawn(enrols(role, descriptor));
                    }
                }
                (ToProcess::Lent { name }, Some(descriptor)) => {
                    if let Some(lends) = &lends {
                        lends(name, descriptor);
                    }
                }
                (ToProcess::Ended, _) => {
                    if let Some(hears) = &hears {
                        hears();
                    }
                }
                #[cfg(debug_assertions)]
                (ToProcess::TryEscape(around), listener) => {
                    let tried = walls::escape::try_all(&around, listener.as_ref());
                    let _ = control.send(&FromProcess::Tried(tried), None);
                }
                _ => {}
            }
        }
        drop(end);
        let drained = async { while tasks.join_next().await.is_some() {} };
        futures::future::select(pin!(drained), clock.sleep(DRAIN_MAX)).await;
        last.await;
    }
}

/// Those that come in.
struct Connections {
    role: Role,
    endpoint: Endpoint,
    handles: Handles,
}

impl Connections {
    async fn serve(&self, descriptor: OwnedFd, gone: impl Future<Output = ()>) {
        let served = match stream(descriptor) {
            Ok(stream) => self.endpoint.serve(stream, gone).await,
            Err(error) => Err(ServeError::Refused(error)),
        };
        let Err(error) = served else { return };
        if matches!(error, ServeError::Refused(_) | ServeError::Silent) {
            let who = Principal(vault::UNPROVEN.to_owned());
            let event = AuditEvent::new(who, Operation::PeerRefuse, self.role.to_string(), Outcome::Refused);
            let detail = domain::with_causes(&error);
            if let Err(error) = self.handles.audit.record(event.with_detail(detail)).await {
                tracing::warn!("{error}");
            }
        }
    }
}
