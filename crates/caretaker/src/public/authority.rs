//! HTTPS to the authority that makes certificates: bounded, and each request is put on record.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::{AuditEvent, AuditSink, Clock, HttpFacts, Operation, Outcome, Principal, Role};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::Value;
use url::Url;

/// Longest time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Longest time until a whole answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Longest answer, in bytes.
const ANSWER_LEN_MAX: usize = 512 * 1024;
/// What we call ourselves.
const AGENT: &str = concat!("caretaker/", env!("CARGO_PKG_VERSION"));
/// What a directory calls the places at which something is asked for (RFC 8555, section 7.1.1). All others are made up by the
/// authority: an order, what has to be proven for it, a certificate.
const PLACES: &[&str] = &["newNonce", "newAccount", "newOrder", "revokeCert", "keyChange"];
/// What stands in the record for such an address: what is in it is the authority's.
const MADE_UP: &str = "/{resource}";

/// The way to one authority.
#[derive(Debug, Clone)]
pub(super) struct Authority(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    directory: Url,
    /// The addresses that the directory names, with their names.
    places: Mutex<Vec<(Url, &'static str)>>,
    /// The public name for which certificates are asked for.
    host: String,
    audit: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Other(error.into())
}

/// Says what went wrong on the way, with its causes; never the address.
fn describe(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let cause = error.source().map(domain::with_causes);
    other(cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
}

impl Authority {
    /// The way to that directory, for a public name. `ca_pem` is one more authority to trust beside the system's.
    ///
    /// # Errors
    /// When that is no certificate.
    pub(super) fn new(
        (directory, host): (Url, String),
        ca_pem: Option<&[u8]>,
        audit: Arc<dyn AuditSink>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        let trusted = ca_pem.map(reqwest::Certificate::from_pem_bundle).transpose()?.unwrap_or_default();
        let client = Client::builder()
            .user_agent(AGENT)
            .https_only(true)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .tls_certs_merge(trusted)
            .build()?;
        let places = Mutex::default();
        Ok(Self(Arc::new(Inner { client, directory, places, host, audit, clock })))
    }
}

impl HttpClient for Authority {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let own = Arc::clone(&self.0);
        Box::pin(async move { own.request(request).await })
    }
}

impl Inner {
    async fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(other)?.to_bytes();
        let url = Url::parse(&parts.uri.to_string()).map_err(other)?;
        let mut facts = self.facts(parts.method.as_str(), &url, body.len());
        let since = self.clock.monotonic();
        let request = reqwest::Request::try_from(Request::from_parts(parts, body)).map_err(describe)?;
        let answered = self.answer(request, &mut facts).await;
        let outcome = match (&answered, facts.status) {
            (_, Some(401 | 403)) => Outcome::Refused,
            (Ok(_), Some(..=399)) => Outcome::Done,
            _ => Outcome::Failed,
        };
        let who = Principal(format!("service/{}", Role::Certifier));
        let event = AuditEvent::new(who, Operation::PublicCertificateRequest, self.host.clone(), outcome);
        let detail = answered.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let took = Some(self.clock.monotonic().saturating_sub(since));
        let event = AuditEvent { took, request: Some(facts), ..event.with_detail(detail) };
        // What is not on record is not used.
        self.audit.note(event).await.map_err(other)?;
        let (head, body) = answered?;
        if url == self.directory {
            self.learn(&body);
        }
        Ok(hyper::Response::from_parts(head, Full::new(body)).into())
    }

    fn facts(&self, method: &str, url: &Url, len: usize) -> HttpFacts {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.iter().find(|(known, _)| known == url).map(|(_, name)| *name);
        let (path, name) = match place {
            _ if *url == self.directory => (url.path(), "directory"),
            Some(name) => (url.path(), name),
            None => (MADE_UP, ""),
        };
        let host = url.host_str().unwrap_or_default();
        HttpFacts {
            method: match method {
                "GET" => "GET",
                "HEAD" => "HEAD",
                _ => "POST",
            },
            host: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            path: path.to_owned(),
            name: name.to_owned(),
            status: None,
            sent: len as u64,
            received: 0,
        }
    }

    async fn answer(
        &self,
        request: reqwest::Request,
        facts: &mut HttpFacts,
    ) -> Result<(hyper::http::response::Parts, Bytes), Error> {
        let mut response = self.client.execute(request).await.map_err(describe)?;
        facts.status = Some(response.status().as_u16());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(describe)? {
            facts.received += piece.len() as u64;
            if body.len() + piece.len() > ANSWER_LEN_MAX {
                return Err(other(format!("the answer is longer than {ANSWER_LEN_MAX} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        let mut head = hyper::Response::new(());
        *head.status_mut() = response.status();
        *head.headers_mut() = std::mem::take(response.headers_mut());
        Ok((head.into_parts().0, body.into()))
    }

    /// Learns from the directory which addresses are called what.
    fn learn(&self, directory: &[u8]) {
        let Ok(directory) = serde_json::from_slice::<Value>(directory) else { return };
        let named = |name: &&'static str| Some((Url::parse(directory.get(*name)?.as_str()?).ok()?, *name));
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        *places = PLACES.iter().filter_map(named).collect();
    }
}
