//! Whoever comes in: how many at a time, for how long, and with how much. None of it is trusted.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::TcpListener as StdListener;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use domain::{AuditSink, Clock, HttpFacts, Operation, Role};
use flows::FlowError;
use futures::future::{BoxFuture, Either, select};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use trail::room::Level;

use super::certificate::Renewed;
use super::fresh::{ACME_TLS, Fresh, HTTP2, Opens, Shown, challenge};
use super::given::{Given, Part};
use super::routes::{self, Answer, Asked, Route};
use super::tally::{Network, Tally, network};
use crate::works::Heard;

/// So many connections there are at most. Whoever comes then waits.
const CONNECTIONS_MAX: usize = 512;
/// So many of one network. More are closed at once.
const OF_NETWORK_MAX: usize = 64;
/// So long a handshake of TLS may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// So long the head of a request may take.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
const HEAD_LEN_MAX: usize = 16 * 1024;
/// So many headers it may have.
const HEADERS_MAX: usize = 64;
/// So long the body of a request may take.
const BODY_MAX: Duration = Duration::from_secs(20);
/// So many requests may be under way at a time, on one connection.
const STREAMS_MAX: u32 = 16;
/// So many bodies are held at a time. Other requests wait.
const BODIES_MAX: usize = 64;
/// After so long in which nobody asked for anything a connection ends.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// After so long every connection ends, when what was begun is finished: who comes back sees the newest certificate.
const CONNECTION_MAX: Duration = Duration::from_secs(10 * 60);
/// What was begun is finished within that time.
const FINISH_MAX: Duration = Duration::from_secs(4);
/// What was found of the cell's processes counts for so long.
const HEALTH_LASTS: Duration = Duration::from_millis(10);
/// When nobody can be let in, it is tried again after so long.
const AGAIN: Duration = Duration::from_millis(100);

/// Whether a process of the cell answers whoever has started it.
pub(crate) type Lives = Arc<dyn Fn(Role) -> BoxFuture<'static, bool> + Send + Sync>;

/// What somebody told at an address, as it came.
pub(crate) struct Hook {
    pub(crate) platform: String,
    pub(crate) address: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// Takes what was told. `None` where nobody is at that address.
pub(crate) type Hears = Arc<dyn Fn(Hook) -> BoxFuture<'static, anyhow::Result<Option<Heard>>> + Send + Sync>;

/// What the public endpoint has of the process that it is in.
pub(crate) struct Setting {
    pub(crate) opens: Opens,
    pub(crate) lives: Lives,
    pub(crate) hears: Hears,
    /// How much room there is for what is recorded.
    pub(crate) room: Arc<dyn Fn() -> Level + Send + Sync>,
    pub(crate) audit: Arc<dyn AuditSink>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether vault and monitor lived, and when that was found.
    pub(crate) found: tokio::sync::Mutex<Option<(Duration, (bool, bool))>>,
}

impl Setting {
    /// Whether vault and monitor live. However many ask that at a time, one asks for all of them.
    pub(super) async fn health(&self) -> (bool, bool) {
        let mut found = self.found.lock().await;
        let now = self.clock.monotonic();
        if let Some((when, health)) = *found
            && now.saturating_sub(when) < HEALTH_LASTS
        {
            return health;
        }
        let health = futures::join!((self.lives)(Role::Vault), (self.lives)(Role::Monitor));
        *found = Some((now, health));
        health
    }
}

/// The public endpoint.
pub(crate) struct Hall {
    setting: Setting,
    renewed: Renewed,
    host: String,
    tally: Tally,
    shown: watch::Receiver<Shown>,
    places: Arc<Semaphore>,
    bodies: Semaphore,
    networks: Mutex<HashMap<Network, usize>>,
    ending: watch::Sender<bool>,
}

/// What goes on in it, until the process ends.
pub(crate) struct Running {
    hall: Arc<Hall>,
    fresh: Fresh,
    listener: TcpListener,
}

impl Hall {
    /// Opens it. `at_start`: somebody waits to hear whether the certificate fits.
    ///
    /// # Errors
    /// When there is no socket; and where the certificate does not fit, if somebody waits for that.
    pub(crate) async fn open(given: &Given, at_start: bool, setting: Setting) -> anyhow::Result<Running> {
        let listener = StdListener::from((setting.opens)(Part::Listener).await?);
        let listener = TcpListener::from_std(listener).context("the public endpoint cannot listen")?;
        let renewed = given.certified.renewed();
        let (audit, clock) = (Arc::clone(&setting.audit), Arc::clone(&setting.clock));
        let opens = Arc::clone(&setting.opens);
        let mut fresh =
            Fresh::new(opens, (given.url.clone(), renewed), Arc::clone(&audit), Arc::clone(&clock));
        if let Err(unfit) = fresh.begin().await
            && at_start
            && renewed == Renewed::ByHand
        {
            let (certificate, key) = given.certified.files();
            let why = format!(
                "the certificate in `{}` with the key in `{}` cannot be used: {}",
                certificate.display(),
                key.display(),
                domain::with_causes(&unfit)
            );
            return Err(FlowError::Input(why).into());
        }
        let host = given.url.authority().to_owned();
        let tally = Tally::new(host.clone(), audit, clock, Arc::clone(&setting.room));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (networks, ending, shown) = (Mutex::default(), watch::Sender::new(false), fresh.shown());
        let bodies = Semaphore::new(BODIES_MAX);
        let hall = Arc::new(Self { setting, renewed, host, tally, shown, places, bodies, networks, ending });
        Ok(Running { hall, fresh, listener })
    }

    /// Lets nobody in any more, finishes what was begun, and tells of what was counted.
    pub(crate) async fn close(&self) {
        self.ending.send_replace(true);
        let places = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        let _ = self.within(FINISH_MAX, self.places.acquire_many(places)).await;
        if let Err(error) = self.tally.tell_counted().await {
            tracing::warn!("{error}");
        }
    }

    async fn within<T>(&self, time: Duration, doing: impl Future<Output = T>) -> Option<T> {
        match select(pin!(doing), self.setting.clock.sleep(time)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// A place for one more connection of a network.
    async fn place(self: &Arc<Self>, network: Network) -> Option<Place> {
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let there = networks.entry(network).or_default();
        if *there >= OF_NETWORK_MAX {
            return None;
        }
        *there += 1;
        Some(Place { hall: Arc::clone(self), network, _permit: permit })
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, network: Network) {
        // Small answers should not wait for more; a socket that cannot be told so still works.
        let _ = stream.set_nodelay(true);
        // Whoever speaks no TLS, or too slowly, has asked for nothing yet.
        let stream = match self.within(HANDSHAKE_MAX, self.handshake(stream)).await {
            Some(Ok(Some(stream))) => stream,
            Some(Err(error)) => return tracing::debug!("a handshake with {}: {error}", self.host),
            _ => return,
        };
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let busy = Arc::new(Busy::new());
        let (own, counts) = (Arc::clone(&self), Arc::clone(&busy));
        let service = service_fn(move |request| {
            let (own, under_way) = (Arc::clone(&own), counts.begin());
            async move {
                let answer = own.answer(network, request).await;
                drop(under_way);
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
        let io = TokioIo::new(stream);
        match protocol.as_deref() {
            // It has seen what it wanted to.
            Some(ACME_TLS) => {}
            Some(HTTP2) => {
                let connection = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(STREAMS_MAX)
                    .max_header_list_size(u32::try_from(HEAD_LEN_MAX).unwrap_or(u32::MAX))
                    .max_local_error_reset_streams(64)
                    .keep_alive_interval(IDLE_MAX / 3)
                    .keep_alive_timeout(HEAD_MAX)
                    .serve_connection(io, service);
                self.attend(connection, http2::Connection::graceful_shutdown, &busy).await;
            }
            _ => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_MAX)
                    .max_headers(HEADERS_MAX)
                    .max_buf_size(HEAD_LEN_MAX)
                    .serve_connection(io, service);
                self.attend(connection, http1::Connection::graceful_shutdown, &busy).await;
            }
        }
    }

    /// Shows whoever connects the certificate, or an authority what it wants to see. `None` where there is none.
    async fn handshake(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let is_authority =
            start.client_hello().alpn().is_some_and(|mut protocols| protocols.any(|one| one == ACME_TLS));
        let shown = match is_authority {
            true if self.renewed == Renewed::ByItself => {
                challenge(&self.setting.opens).await.map_err(io::Error::other)?
            }
            true => None,
            false => self.shown.borrow().clone(),
        };
        let Some(shown) = shown else { return Ok(None) };
        start.into_stream(shown).await.map(Some)
    }

    /// Attends to a connection until it ends, or has lasted too long.
    async fn attend<C>(&self, connection: C, finish: fn(Pin<&mut C>), busy: &Busy)
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut ending = self.ending.subscribe();
        let clock = &self.setting.clock;
        let mut connection = pin!(connection);
        tokio::select! {
            // Somebody who goes away is no event.
            _ = connection.as_mut() => return,
            () = busy.is_idle(&**clock) => {}
            () = clock.sleep(CONNECTION_MAX) => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
        finish(connection.as_mut());
        self.within(BODY_MAX, connection).await;
    }

    async fn answer(&self, network: Network, request: Request<Incoming>) -> Answer {
        let since = self.setting.clock.monotonic();
        let method = routes::told(request.method());
        let route = routes::route(request.method(), request.uri().path());
        let (operation, path) = match &route {
            Some((route, _)) => (route.operation, route.path),
            None => (Operation::PublicUnknown, routes::UNKNOWN_PATH),
        };
        let (answer, sent) = match route {
            Some((route, filled)) => self.answer_by(route, filled, request).await,
            None => (routes::problem(StatusCode::NOT_FOUND), 0),
        };
        let facts = HttpFacts {
            method,
            host: self.host.clone(),
            path: path.to_owned(),
            name: String::new(),
            status: Some(answer.status().as_u16()),
            sent,
            received: answer.body().size_hint().exact().unwrap_or_default(),
        };
        let took = self.setting.clock.monotonic().saturating_sub(since);
        match self.tally.tell(network, operation, facts, took).await {
            Ok(()) => answer,
            // No record, no answer.
            Err(_) => routes::problem(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// The answer, and how long the request's body was.
    async fn answer_by(
        &self,
        route: &Route,
        filled: Vec<String>,
        request: Request<Incoming>,
    ) -> (Answer, u64) {
        let (head, body) = request.into_parts();
        // What is announced to be too long is not waited for.
        if body.size_hint().lower() > route.body_len_max as u64 {
            return (routes::problem(StatusCode::PAYLOAD_TOO_LARGE), 0);
        }
        let body = async {
            // Bodies are held whole, so there are only so many of them.
            let _place = match route.body_len_max {
                0 => None,
                _ => self.bodies.acquire().await.ok(),
            };
            match Limited::new(body, route.body_len_max).collect().await {
                Ok(body) => {
                    let body: Bytes = body.to_bytes();
                    let len = body.len() as u64;
                    ((route.answer)(&self.setting, Asked { filled, headers: head.headers, body }).await, len)
                }
                Err(error) if error.is::<LengthLimitError>() => {
                    (routes::problem(StatusCode::PAYLOAD_TOO_LARGE), 0)
                }
                Err(_) => (routes::problem(StatusCode::BAD_REQUEST), 0),
            }
        };
        let late = || (routes::problem(StatusCode::REQUEST_TIMEOUT), 0);
        self.within(BODY_MAX, body).await.unwrap_or_else(late)
    }
}

impl Running {
    pub(crate) fn hall(&self) -> Arc<Hall> {
        Arc::clone(&self.hall)
    }

    /// Lets people in, and keeps the certificate fresh, until what it does cannot be recorded any more.
    pub(crate) async fn run(self) {
        let Self { hall, fresh, listener } = self;
        let accepting = accept(Arc::clone(&hall), listener);
        let failed = tokio::select! {
            never = accepting => match never {},
            error = fresh.keep() => error,
            error = hall.tally.keep() => error,
        };
        let Err(error) = failed;
        hall.ending.send_replace(true);
        tracing::warn!("the public endpoint lets nobody in any more: {error}");
    }
}

async fn accept(hall: Arc<Hall>, listener: TcpListener) -> std::convert::Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let network = network(from.ip());
                if let Some(place) = hall.place(network).await {
                    let hall = Arc::clone(&hall);
                    tokio::spawn(async move {
                        let _place = place;
                        hall.connection(stream, network).await;
                    });
                }
            }
            // No descriptor is free, say: those who wait may be luckier in a moment.
            Err(_) => hall.setting.clock.sleep(AGAIN).await,
        }
    }
}

/// A connection's place.
struct Place {
    hall: Arc<Hall>,
    network: Network,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut networks = self.hall.networks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = networks.get_mut(&self.network) {
            *there = there.saturating_sub(1);
            if *there == 0 {
                networks.remove(&self.network);
            }
        }
    }
}

/// How many requests of a connection are under way.
struct Busy(watch::Sender<usize>);

/// One of them, as long as it is there.
struct UnderWay(Arc<Busy>);

impl Busy {
    fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    fn begin(self: &Arc<Self>) -> UnderWay {
        self.0.send_modify(|count| *count += 1);
        UnderWay(Arc::clone(self))
    }

    /// Waits until none has been under way for too long.
    async fn is_idle(&self, clock: &dyn Clock) {
        let mut count = self.0.subscribe();
        loop {
            if count.wait_for(|count| *count == 0).await.is_err() {
                return;
            }
            let idle = clock.sleep(IDLE_MAX);
            if let Either::Right(_) = select(pin!(count.changed()), idle).await {
                return;
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// A clock for which every time is over at once.
    #[derive(Debug)]
    struct Over;

    impl Clock for Over {
        fn now(&self) -> domain::Timestamp {
            domain::Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            std::future::ready(()).boxed()
        }
    }

    #[test]
    fn a_connection_is_idle_once_nothing_was_under_way_for_long_enough() {
        let busy = Arc::new(Busy::new());
        let (one, two) = (busy.begin(), busy.begin());
        let mut idle = pin!(busy.is_idle(&Over));
        assert!(idle.as_mut().now_or_never().is_none());
        drop(one);
        assert!(idle.as_mut().now_or_never().is_none(), "one is under way still");
        drop(two);
        assert!(idle.as_mut().now_or_never().is_some());
    }
}
