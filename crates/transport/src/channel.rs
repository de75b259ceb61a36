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
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::call::{BODY_LEN_MAX, Call, CallError, sent};
use crate::endpoint::status;
use crate::identity::{Identities, Identity};
use crate::{Stream, tls};

/// A call that was not sent is sent over so many further connections at most.
const CONNECTIONS_MAX: u32 = 5;

/// So long an answer is waited for.
const CALL_MAX: Duration = Duration::from_secs(60);

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

    /// Makes a call. A call that was not sent, because the connection had ended, is sent over another; one that may have been
    /// heard is not repeated.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer; the inner one is the refusal of whoever was called.
    pub async fn call<C: Call>(&self, call: &C) -> Result<Result<C::Answer, C::Refusal>, CallError> {
        let answered = pin!(self.make::<C>(sent(call).map_err(|error| self.misunderstood(&error))?));
        match select(answered, self.clock.sleep(CALL_MAX)).await {
            Either::Left((answered, _)) => answered,
            Either::Right(_) => {
                let why = format!("it has not answered within {} seconds", CALL_MAX.as_secs());
                Err(CallError::Unreachable { to: self.to.clone(), why })
            }
        }
    }

    async fn make<C: Call>(&self, body: Bytes) -> Result<Result<C::Answer, C::Refusal>, CallError> {
        let (mut tried, mut ended) = (0, None);
        loop {
            let Open { mut sender, distrusted, .. } = self.opened(ended.as_ref()).await?;
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            let uri = format!("https://{}/{}", self.to.to_string().replace('/', "."), C::NAME);
            *request.uri_mut() = uri.try_into().map_err(|error| self.misunderstood(&error))?;
            match sender.try_send_request(request).await {
                Ok(response) => return self.read::<C>(response).await,
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

    async fn read<C: Call>(
        &self,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<Result<C::Answer, C::Refusal>, CallError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_LEN_MAX).collect().await;
        let body = body.map_err(|error| self.unreachable(&*error))?.to_bytes();
        match status {
            status::DONE => serde_json::from_slice(&body).map(Ok).map_err(|error| self.misunderstood(&error)),
            status::REFUSED => {
                serde_json::from_slice(&body).map(Err).map_err(|error| self.misunderstood(&error))
            }
            status::NOT_THEIRS => {
                let why = format!("`{}` is not for `{}`", C::NAME, self.identities.newest().id.role);
                Err(CallError::Refused { to: self.to.clone(), why })
            }
            StatusCode::NOT_FOUND => {
                let why = format!("it does not know `{}`", C::NAME);
                Err(CallError::Misunderstood { to: self.to.clone(), why })
            }
            other => {
                let why = format!("it answers {other}: {}", String::from_utf8_lossy(&body));
                Err(CallError::Misunderstood { to: self.to.clone(), why })
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
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
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
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
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
