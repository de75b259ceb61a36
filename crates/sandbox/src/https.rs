//! HTTPS over connections that may end too early.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Marks an answer that is never sent: the connection ends instead.
#[derive(Clone, Copy)]
struct NoAnswer;

/// Answers what comes in, until told to stop.
pub(crate) async fn serve(
    router: Router,
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
    mut stopped: watch::Receiver<bool>,
) {
    let acceptor = TlsAcceptor::from(config);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                tokio::spawn(connection(acceptor.clone(), stream, router.clone(), stopped.clone()));
            }
            _ = stopped.changed() => return,
        }
    }
}

async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    // Small answers should not wait for more; a socket that cannot be told so still works.
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let inner = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request| {
        let answer = hyper::service::Service::call(&inner, request);
        async move {
            let response: Response = match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if response.extensions().get::<NoAnswer>().is_some() {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            }
            Ok(response)
        }
    });
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that goes away is no event here.
        _ = serving => {}
        _ = stopped.changed() => {}
    }
}

/// An answer that is never sent.
pub(crate) fn no_answer() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(NoAnswer);
    response
}

/// Sends the first half of a body under its full length, then ends the connection.
pub(crate) fn cut_body(mut response: Response, body: &Bytes) -> Response {
    let half = body.slice(..body.len() / 2);
    let parts = [Ok(half), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    *response.body_mut() = Body::from_stream(futures::stream::iter(parts).then(|part| async move {
        tokio::task::yield_now().await;
        part
    }));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}

/// The time as HTTP writes it (RFC 9110, section 5.6.7).
pub(crate) fn http_date(now: domain::Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default()
}
