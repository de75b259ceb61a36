//! The end that answers.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, ServiceId};
use futures::future::{Either, select};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::TlsAcceptor;

use crate::call::{Answered, BODY_LEN_MAX, Routes};
use crate::hosts::{self, Admits};
use crate::identity::Identities;
use crate::telling::Body;
use crate::{Stream, telling, tls};

/// Whoever connects has so long to say who it is.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// So many calls of one connection are answered at one time. Others wait.
const CALLS_AT_ONCE: u32 = 256;
/// So many bytes of one call or answer are sent before the other end has taken any, at both ends (RFC 9113, 5.2).
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;
/// So many bytes of all calls and answers of a connection.
pub(crate) const CONNECTION_WINDOW: u32 = 4 << 20;

/// Why a connection was not served, or broke.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The other end did not prove that it may connect.
    #[error("a connection was refused: {0}")]
    Refused(#[source] io::Error),
    /// It said nothing.
    #[error("a connection was refused: nothing came within {} seconds", HANDSHAKE_MAX.as_secs())]
    Silent,
    /// It broke.
    #[error("a connection broke")]
    Broken(#[source] hyper::Error),
    /// This end has no certificate that can be used.
    #[error("connections cannot be taken")]
    Own(#[source] rustls::Error),
}

/// Answers the calls that connections bring.
#[derive(Debug, Clone)]
pub struct Endpoint {
    identities: Identities,
    routes: Arc<Routes>,
    clock: Arc<dyn Clock>,
    age_max: Duration,
    admits: Option<Arc<dyn Admits>>,
}

impl Endpoint {
    /// Who answers which calls. A connection lives for `age_max` at most, since nobody looks at a certificate again after
    /// the handshake; it then ends without a lost call.
    #[must_use]
    pub fn new(identities: Identities, routes: Routes, clock: Arc<dyn Clock>, age_max: Duration) -> Self {
        Self { identities, routes: Arc::new(routes), clock, age_max, admits: None }
    }

    /// The same, which lets hosts that have no certificate yet ask for one.
    #[must_use]
    pub fn admitting(self, admits: Arc<dyn Admits>) -> Self {
        Self { admits: Some(admits), ..self }
    }

    /// Serves one connection to its end, or until `stop`: calls that were begun are answered then.
    ///
    /// # Errors
    /// [`ServeError::Refused`] and [`ServeError::Silent`] when nothing was served.
    pub async fn serve(
        &self,
        stream: impl Stream + 'static,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let (newest, strangers) = (self.identities.newest(), self.admits.is_some());
        let config = tls::accepting(&newest, strangers, &self.clock).map_err(ServeError::Own)?;
        let handshake = pin!(TlsAcceptor::from(config).accept(stream));
        let stream = match select(handshake, self.clock.sleep(HANDSHAKE_MAX)).await {
            Either::Left((taken, _)) => taken.map_err(ServeError::Refused)?,
            Either::Right(_) => return Err(ServeError::Silent),
        };
        let own = |error| ServeError::Refused(io::Error::other(error));
        let tls = stream.get_ref().1;
        if let Some(admits) = &self.admits
            && tls.alpn_protocol() == Some(tls::JOIN_ALPN)
            && tls.peer_certificates().is_none()
        {
            return match select(pin!(hosts::answer(stream, &**admits)), self.clock.sleep(HANDSHAKE_MAX)).await
            {
                Either::Left((answered, _)) => answered.map_err(ServeError::Refused),
                Either::Right(_) => Err(ServeError::Silent),
            };
        }
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let shown = shown.ok_or_else(|| own("no certificate was shown".into()))?;
        let peer = tls::service(shown)
            .map_err(|error| own(Box::<dyn std::error::Error + Send + Sync>::from(error)))?;
        let service = service_fn(|request| {
            let (routes, clock, peer) = (Arc::clone(&self.routes), Arc::clone(&self.clock), peer.clone());
            async move { Ok::<_, Infallible>(answer(&routes, clock, peer, request).await) }
        });
        let mut connection = pin!(
            http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(CALLS_AT_ONCE)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .serve_connection(TokioIo::new(stream), service)
        );
        let stop = pin!(stop);
        let ends = select(stop, self.clock.sleep(self.age_max));
        match select(connection.as_mut(), ends).await {
            Either::Left((done, _)) => done.map_err(ServeError::Broken),
            Either::Right(_) => {
                connection.as_mut().graceful_shutdown();
                connection.await.map_err(ServeError::Broken)
            }
        }
    }
}

/// What the statuses of an answer mean: one for each way to end, so that no two are mixed up.
pub(crate) mod status {
    use hyper::StatusCode;

    pub(crate) const DONE: StatusCode = StatusCode::OK;
    pub(crate) const REFUSED: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    pub(crate) const NOT_THEIRS: StatusCode = StatusCode::FORBIDDEN;
}

async fn answer(
    routes: &Routes,
    clock: Arc<dyn Clock>,
    peer: ServiceId,
    request: Request<Incoming>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let name = head.uri.path().strip_prefix('/').unwrap_or_default();
    let told = |status, bytes| {
        let mut response = Response::new(Full::new(bytes).boxed_unsync());
        *response.status_mut() = status;
        response
    };
    if head.method != Method::POST {
        return told(StatusCode::METHOD_NOT_ALLOWED, Bytes::new());
    }
    let body = match Limited::new(body, BODY_LEN_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return told(StatusCode::PAYLOAD_TOO_LARGE, error.to_string().into()),
    };
    let from = peer.role.clone();
    let answered = routes.answer(peer, name, &body).await;
    tracing::debug!("{name} of {from}: {}", answered.word());
    match answered {
        Answered::Telling(frames) => Response::new(telling::body(frames, clock)),
        Answered::Done(bytes) => told(status::DONE, bytes),
        Answered::Refused(bytes) => told(status::REFUSED, bytes),
        Answered::NotTheirs => told(status::NOT_THEIRS, Bytes::from_static(b"that call is not for its role")),
        Answered::Unknown => told(StatusCode::NOT_FOUND, Bytes::from_static(b"there is no such call")),
        Answered::Unreadable(why) => told(StatusCode::BAD_REQUEST, why.into()),
    }
}
