//! The end that calls.

use std::error::Error as StdError;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, Id128, Role};
use futures::future::{BoxFuture, Either, select};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::call::{BODY_LEN_MAX, Call, CallError, sent};
use crate::endpoint::{CONNECTION_WINDOW, STREAM_WINDOW, status};
use crate::identity::{Identities, Identity};
use crate::telling::{Frame, Listener, Said, Telling};
use crate::{Stream, tls};

/// A call that was not sent is sent over so many further connections at most.
const CONNECTIONS_MAX: u32 = 5;

/// So long an answer is waited for.
const CALL_MAX: Duration = Duration::from_secs(60);
/// Whoever tells how a call goes on is taken for dead once so long nothing came.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What gets a connection to another process.
pub trait Dial: Send + Sync + 'static {
    /// Gets one.
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;
}

/// A way to call the process of one role. One connection carries all calls; where it has ended, or this process has another
/// certificate since, the next call makes another.
pub struct Channel {
    to: Role,
    identities: Identities,
    dial: Box<dyn Dial>,
    clock: Arc<dyn Clock>,
    open: Mutex<Option<Open>>,
}

#[derive(Clone)]
struct Open {
    sender: SendRequest<Full<Bytes>>,
    shown: Arc<Identity>,
    /// Why the other end does not believe this one. It says so once this end believes the handshake to be over.
    distrusted: Arc<OnceLock<String>>,
}

impl Channel {
    /// A way to whoever has that role and is at the other end of what `dial` gets.
    #[must_use]
    pub fn new(to: Role, identities: Identities, dial: impl Dial, clock: Arc<dyn Clock>) -> Self {
        Self { to, identities, dial: Box::new(dial), clock, open: Mutex::new(None) }
    }

    /// The cell of which both ends are.
    #[must_use]
    pub fn cell(&self) -> Id128 {
        self.identities.newest().id.cell
    }

    /// The role of the other end.
    #[must_use]
    pub fn to(&self) -> &Role {
        &self.to
    }

    /// The role of this end.
    #[must_use]
    pub fn own(&self) -> Role {
        self.identities.newest().id.role.clone()
    }

    /// Connects now, so that the next call need not wait for it. Where that fails, the call tries again and says why.
    pub async fn connect_ahead(&self) {
        let _ = self.opened(None).await;
    }

    /// Makes a call. A call that was not sent, because the connection had ended, is sent over another; one that may have been
    /// heard is not repeated.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer; the inner one is the refusal of whoever was called.
    pub async fn call<C: Call>(&self, call: &C) -> Result<Result<C::Answer, C::Refusal>, CallError> {
        let body = sent(call).map_err(|error| self.misunderstood(&error))?;
        let answered = async {
            let (status, body) = self.whole(self.send(C::NAME, body).await?).await?;
            match status {
                status::DONE => self.parsed(&body).map(Ok),
                status::REFUSED => self.parsed(&body).map(Err),
                other => Err(self.unanswered(C::NAME, other, &body)),
            }
        };
        // Apart: it is large, and whoever asks anything of another process holds one.
        self.within(CALL_MAX, Box::pin(answered)).await
    }

    /// Makes a call that tells how it goes on, and hands over what is told, in order. It may take as long as it takes, but not
    /// in silence: where nothing comes for a minute, not even that it goes on, the other end cannot be reached.
    ///
    /// An error of `heard` ends the call, and what is done for it at the other end. It is the middle one.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer; the innermost one is the refusal of whoever was called.
    pub async fn follow<C: Telling, E>(
        &self,
        call: &C,
        mut heard: impl FnMut(Frame<C::Told>) -> Result<(), E>,
    ) -> Result<Result<Result<C::Answer, C::Refusal>, E>, CallError> {
        let body = sent(call).map_err(|error| self.misunderstood(&error))?;
        let response = self.within(SILENCE_MAX, self.send(C::NAME, body)).await?;
        if response.status() != status::DONE {
            let (status, body) = self.within(SILENCE_MAX, self.whole(response)).await?;
            return Err(self.unanswered(C::NAME, status, &body));
        }
        let (mut body, mut listener) = (response.into_body(), Listener::default());
        loop {
            listener.take(&self.within(SILENCE_MAX, self.more(&mut body)).await?);
            while let Some(said) = listener.next().map_err(|error| self.misunderstood(&error))? {
                let frame = match said {
                    Said::Told(told) => Frame::Told(self.parsed(&told)?),
                    Said::Bytes(bytes) => Frame::Bytes(bytes),
                    Said::Done(answer) => return Ok(Ok(Ok(self.parsed(&answer)?))),
                    Said::Refused(refusal) => return Ok(Ok(Err(self.parsed(&refusal)?))),
                    Said::Unsaid(why) => return Err(CallError::Misunderstood { to: self.to.clone(), why }),
                };
                if let Err(enough) = heard(frame) {
                    return Ok(Err(enough));
                }
            }
        }
    }

    async fn within<T>(
        &self,
        limit: Duration,
        answered: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        match select(pin!(answered), self.clock.sleep(limit)).await {
            Either::Left((answered, _)) => answered,
            Either::Right(_) => {
                let why = format!("it has not answered within {} seconds", limit.as_secs());
                Err(CallError::Unreachable { to: self.to.clone(), why })
            }
        }
    }

    /// Sends a call, over another connection as long as it was not heard.
    async fn send(&self, name: &str, body: Bytes) -> Result<Response<Incoming>, CallError> {
        let (mut tried, mut ended) = (0, None);
        loop {
            let Open { mut sender, distrusted, .. } = self.opened(ended.as_ref()).await?;
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            let uri = format!("https://{}/{name}", self.to.to_string().replace('/', "."));
            *request.uri_mut() = uri.try_into().map_err(|error| self.misunderstood(&error))?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut failed) => {
                    if let Some(why) = distrusted.get() {
                        return Err(CallError::Refused { to: self.to.clone(), why: why.clone() });
                    }
                    let unheard = failed.take_message().is_some() || is_unheard(failed.error());
                    if !unheard || tried >= CONNECTIONS_MAX {
                        return Err(self.unreachable(failed.error()));
                    }
                    tried += 1;
                    ended = Some(distrusted);
                }
            }
        }
    }

    /// The whole of an answer that is not told in frames.
    async fn whole(&self, response: Response<Incoming>) -> Result<(StatusCode, Bytes), CallError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_LEN_MAX).collect().await;
        Ok((status, body.map_err(|error| self.unreachable(&*error))?.to_bytes()))
    }

    /// More of an answer that has not ended.
    async fn more(&self, body: &mut Incoming) -> Result<Bytes, CallError> {
        match body.frame().await {
            Some(Ok(frame)) => Ok(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => Err(self.unreachable(&error)),
            None => {
                let why = "it has ended in the middle of a call".to_owned();
                Err(CallError::Unreachable { to: self.to.clone(), why })
            }
        }
    }

    fn parsed<T: DeserializeOwned>(&self, json: &[u8]) -> Result<T, CallError> {
        serde_json::from_slice(json).map_err(|error| self.misunderstood(&error))
    }

    /// What a status means that tells of neither an answer nor a refusal.
    fn unanswered(&self, name: &str, status: StatusCode, body: &[u8]) -> CallError {
        let to = self.to.clone();
        match status {
            status::NOT_THEIRS => {
                let why = format!("`{name}` is not for `{}`", self.identities.newest().id.role);
                CallError::Refused { to, why }
            }
            StatusCode::NOT_FOUND => {
                CallError::Misunderstood { to, why: format!("it does not know `{name}`") }
            }
            other => {
                let why = format!("it answers {other}: {}", String::from_utf8_lossy(body));
                CallError::Misunderstood { to, why }
            }
        }
    }

    /// The connection that there is, or another one: also in the place of the one that was found to have ended.
    async fn opened(&self, ended: Option<&Arc<OnceLock<String>>>) -> Result<Open, CallError> {
        let mut open = self.open.lock().await;
        let newest = self.identities.newest();
        if let Some(open) = &*open
            && !ended.is_some_and(|ended| Arc::ptr_eq(ended, &open.distrusted))
            && !open.sender.is_closed()
            && Arc::ptr_eq(&open.shown, &newest)
        {
            return Ok(open.clone());
        }
        *open = None;
        let made = self.connect(newest).await?;
        *open = Some(made.clone());
        Ok(made)
    }

    async fn connect(&self, shown: Arc<Identity>) -> Result<Open, CallError> {
        let stream = self.dial.dial().await.map_err(|error| self.unreachable(&error))?;
        let config =
            tls::connecting(&shown, &self.to, &self.clock).map_err(|error| self.unreachable(&error))?;
        // Who it is stands in its certificate; it has no name besides.
        let name = ServerName::try_from("cell.invalid").map_err(|error| self.misunderstood(&error))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        let stream = stream.map_err(|error| self.unreachable(&error))?;
        let distrusted = Arc::new(OnceLock::new());
        let stream = Overheard { stream, distrusted: Arc::clone(&distrusted) };
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&error))?;
        tokio::spawn(async move {
            // Whoever has a call under way over it is told.
            let _ = connection.await;
        });
        Ok(Open { sender, shown, distrusted })
    }

    fn misunderstood(&self, error: &dyn StdError) -> CallError {
        CallError::Misunderstood { to: self.to.clone(), why: error.to_string() }
    }

    /// Why a connection does not stand: that one end does not believe the other is told as that.
    fn unreachable(&self, error: &(dyn StdError + 'static)) -> CallError {
        let to = self.to.clone();
        let mut causes = Vec::new();
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(why) = tls_error(cause).and_then(distrust) {
                return CallError::Refused { to, why };
            }
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes.dedup();
        CallError::Unreachable { to, why: causes.join(": ") }
    }
}

/// Whether the other end says that it has not looked at a call: its connection was ending in good order, or took no more
/// (RFC 9113, 6.8 and 8.7). What it had begun to answer it would have answered.
fn is_unheard(error: &hyper::Error) -> bool {
    let told = error.source().and_then(<dyn StdError>::downcast_ref::<h2::Error>);
    told.is_some_and(|error| {
        let ends = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (ends || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// A connection that keeps why the other end ended it: HTTP/2 passes on no more than that it ended.
struct Overheard {
    stream: TlsStream<Box<dyn Stream>>,
    distrusted: Arc<OnceLock<String>>,
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if let Poll::Ready(Err(error)) = &read
            && let Some(why) = tls_error(error).and_then(distrust)
        {
            // The first is why it ended.
            let _ = self.distrusted.set(why);
        }
        read
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The failure of TLS in an error, which an error of input or output may hold.
pub(crate) fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.downcast_ref().or_else(|| inside?.downcast_ref())
}

/// Why one end does not believe the other.
fn distrust(error: &rustls::Error) -> Option<String> {
    use rustls::Error;
    let told = |text: &str| Some(text.to_owned());
    match error {
        Error::AlertReceived(AlertDescription::CertificateExpired) => told(
            "it says that the certificate of this process has ended, or has not begun: compare the clocks",
        ),
        Error::AlertReceived(AlertDescription::UnknownCA) => {
            told("it does not know who made the certificate of this process")
        }
        Error::AlertReceived(alert) => {
            Some(format!("it does not take the certificate of this process ({alert:?})"))
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            told("no authority of this cell made its certificate")
        }
        Error::InvalidCertificate(CertificateError::ExpiredContext { .. }) => {
            told("its certificate has ended: compare the clocks")
        }
        Error::InvalidCertificate(CertificateError::NotValidYetContext { .. }) => {
            told("its certificate has not begun: compare the clocks")
        }
        Error::InvalidCertificate(CertificateError::Other(other)) => Some(other.to_string()),
        Error::InvalidCertificate(other) => {
            Some(format!("its certificate is not to be believed ({other:?})"))
        }
        _ => None,
    }
}
