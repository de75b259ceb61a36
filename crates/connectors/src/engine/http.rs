//! HTTPS, and nothing else: a plain address is refused before a byte is sent. Whatever is sent is put on record.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, HttpFacts};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::multipart::Form;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, RequestBuilder, StatusCode};
use url::Url;

use super::record::{Pending, Record};
use crate::contract::{Behalf, Fault};

/// Longest time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Longest silence within an answer.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// So often a file may be said to lie elsewhere.
const REDIRECTS_MAX: u32 = 4;
/// Longest host that is told of. The names of the domain name system are no longer.
const HOST_LEN_MAX: usize = 253;
/// What we call ourselves.
const AGENT: &str = concat!("caretaker/", env!("CARGO_PKG_VERSION"));

/// What a call does to what its path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads it.
    Get,
    /// Makes something below it, or has something done.
    Post,
    /// Sets it.
    Put,
    /// Deletes it.
    Delete,
}

/// The two ways in which a connector speaks HTTPS. Nothing else in a connector may hold a client: what is sent from here
/// is on the trail.
#[derive(Debug, Clone)]
pub struct Https {
    /// To the API: follows no redirect, so that a credential goes nowhere else.
    api: Client,
    /// To files: results, media, uploads. Carries no credential, and takes bytes as they are.
    files: Client,
    record: Arc<Record>,
}

impl Https {
    /// Builds both. `ca_pem` is one more authority to trust beside the system's, in PEM.
    ///
    /// # Errors
    /// [`Fault::Rejected`] where the authority is no certificate.
    pub fn new(ca_pem: Option<&[u8]>, behalf: Behalf, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let authorities = match ca_pem {
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem).map_err(|error| {
                Fault::Rejected(format!("the authority's file holds no certificate: {error}"))
            })?,
            None => Vec::new(),
        };
        let build = |compressed| {
            Client::builder()
                .user_agent(AGENT)
                .https_only(true)
                .redirect(Policy::none())
                .gzip(compressed)
                .connect_timeout(CONNECT_MAX)
                .read_timeout(SILENCE_MAX)
                .tls_certs_merge(authorities.iter().cloned())
                .build()
                .map_err(|error| Fault::Unavailable(describe(&error)))
        };
        Ok(Self { api: build(true)?, files: build(false)?, record: Arc::new(Record::new(behalf, clock)) })
    }

    /// A request to the API. Of `url`, the path is told of: there is nothing in it but names that we know.
    pub(crate) fn post(&self, url: &Url, name: &str) -> Request {
        self.request((&self.api, Method::POST, "POST"), url, (url.path(), name), 0)
    }

    /// A request to an API whose paths hold ids. Of `url`, the host alone is told of; `path` stands for its path.
    #[must_use]
    pub fn call(&self, method: Verb, url: &Url, path: &str, name: &str) -> Request {
        let (sent, told) = match method {
            Verb::Get => (Method::GET, "GET"),
            Verb::Post => (Method::POST, "POST"),
            Verb::Put => (Method::PUT, "PUT"),
            Verb::Delete => (Method::DELETE, "DELETE"),
        };
        self.request((&self.api, sent, told), url, (path, name), 0)
    }

    /// A request for a file. Of `url`, the host alone is told of; `path` stands for its path.
    pub(crate) fn get_file(&self, url: &Url, path: &str, name: &str) -> Request {
        self.request((&self.files, Method::GET, "GET"), url, (path, name), REDIRECTS_MAX)
    }

    /// A request that brings a file. Of `url`, the host alone is told of; `path` stands for its path.
    pub(crate) fn post_file(&self, url: &Url, path: &str, name: &str) -> Request {
        self.request((&self.files, Method::POST, "POST"), url, (path, name), 0)
    }

    fn request(
        &self,
        (client, method, told): (&Client, Method, &'static str),
        url: &Url,
        (path, name): (&str, &str),
        redirects: u32,
    ) -> Request {
        let facts = HttpFacts {
            method: told,
            host: host_of(url),
            path: path.to_owned(),
            name: name.to_owned(),
            status: None,
            sent: 0,
            received: 0,
        };
        let builder = client.request(method, url.clone());
        Request { record: Arc::clone(&self.record), builder, facts, redirects }
    }
}

/// The host as an event tells of it. It may come from a file's address that anybody wrote.
fn host_of(url: &Url) -> String {
    let host: String = url.host_str().unwrap_or_default().chars().take(HOST_LEN_MAX).collect();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// A request that was not sent yet.
pub struct Request {
    record: Arc<Record>,
    builder: RequestBuilder,
    facts: HttpFacts,
    redirects: u32,
}

impl Request {
    /// With a header.
    #[must_use]
    pub fn header(self, name: &'static str, value: HeaderValue) -> Self {
        Self { builder: self.builder.header(name, value), ..self }
    }

    /// Asks for what comes behind so many bytes.
    pub(crate) fn range_from(self, offset: u64) -> Self {
        Self { builder: self.builder.header(RANGE, format!("bytes={offset}-")), ..self }
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: impl Into<Body>) -> Self {
        Self { builder: self.builder.body(body), ..self }
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        Self { builder: self.builder.form(fields), ..self }
    }

    pub(crate) fn multipart(self, form: Form) -> Self {
        Self { builder: self.builder.multipart(form), ..self }
    }

    /// Sends it. Each redirect that is followed is a request of its own.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where no answer came, [`Fault::Audit`] where requests cannot be put on record.
    pub async fn send(self) -> Result<Answer, Fault> {
        let Self { record, builder, mut facts, mut redirects } = self;
        let (client, request) = builder.build_split();
        let mut request = request.map_err(|error| Fault::Unavailable(describe(&error)))?;
        facts.sent = body_len(&request);
        loop {
            let again = if redirects > 0 { request.try_clone() } else { None };
            let mut pending = record.begin(facts.clone()).await?;
            let response = match client.execute(request).await {
                Ok(response) => response,
                Err(error) => {
                    let why = describe(&error);
                    pending.end(Some(&why)).await?;
                    return Err(Fault::Unavailable(why));
                }
            };
            pending.answered(response.status().as_u16());
            let Some((next, url)) = again.zip(elsewhere(&response)) else {
                return Ok(Answer { response, pending });
            };
            pending.end(None).await?;
            redirects -= 1;
            facts.host = host_of(&url);
            request = next;
            *request.url_mut() = url;
        }
    }
}

/// How long a request's body is. One that comes in pieces says so in a header.
fn body_len(request: &reqwest::Request) -> u64 {
    let whole = request.body().and_then(Body::as_bytes).map(|bytes| bytes.len() as u64);
    let told = || request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    whole.or_else(told).unwrap_or_default()
}

/// Where what was asked for is said to lie instead.
fn elsewhere(response: &reqwest::Response) -> Option<Url> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    response.url().join(location.to_str().ok()?).ok()
}

/// An answer whose body was not read yet. It is on record once that was read, left or dropped.
pub struct Answer {
    response: reqwest::Response,
    pending: Pending,
}

impl Answer {
    /// What the platform says of it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// How long the body is, where that was told.
    pub(crate) fn body_len(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The body, as it comes.
    pub(crate) fn stream(self) -> BoxStream<'static, Result<Bytes, Fault>> {
        let next = |(mut response, mut pending): (reqwest::Response, Pending)| async move {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    pending.received(bytes.len());
                    Ok(Some((bytes, (response, pending))))
                }
                Ok(None) => pending.end(None).await.map(|()| None),
                Err(error) => {
                    let why = describe(&error);
                    pending.end(Some(&why)).await?;
                    Err(Fault::Unavailable(why))
                }
            }
        };
        stream::try_unfold((self.response, self.pending), next).boxed()
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where it broke off, [`Fault::Audit`] where requests cannot be put on record.
    pub async fn bytes(self) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        let mut chunks = self.stream();
        while let Some(chunk) = chunks.try_next().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Leaves the body unread.
    ///
    /// # Errors
    /// [`Fault::Audit`] where requests cannot be put on record.
    pub(crate) async fn leave(self) -> Result<(), Fault> {
        self.pending.end(None).await
    }
}

/// Reads the address of a store.
///
/// # Errors
/// [`Fault::NotThePlatform`] where it is no address, or not one of HTTPS. Of what was given, the message repeats the
/// host alone: a person may have put a password into the rest.
pub fn store_url(text: &str) -> Result<Url, Fault> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).map_err(|error| {
        Fault::NotThePlatform(format!(
            "that is not the address of a store ({error}): https://HOST is expected"
        ))
    })?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" {
        return Err(Fault::NotThePlatform(format!(
            "the address of `{host}` is not one of HTTPS: a credential is never sent in clear. Use https://{host}"
        )));
    }
    if host.is_empty() || !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::NotThePlatform(format!(
            "that is not the address of a store: https://{host} is expected, with no name or password in it"
        )));
    }
    Ok(url)
}

/// Says what went wrong on the way, with its causes; never the address, which may hold a signature.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else if error.is_body() || error.is_decode() {
        "the answer was cut off".to_owned()
    } else {
        "the request failed".to_owned()
    };
    let mut cause = std::error::Error::source(error);
    let mut last = String::new();
    while let Some(inner) = cause {
        last = inner.to_string();
        cause = inner.source();
    }
    if !last.is_empty() {
        text.push_str(": ");
        text.push_str(&last);
    }
    text
}

#[cfg(test)]
mod tests {
    use domain::Unrecorded;

    use super::*;
    use crate::engine::record::tests::{Still, behalf};

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(store_url(text).ok().map(String::from).as_deref(), expected, "{text}");
    }

    #[test]
    fn only_addresses_of_https_are_taken() {
        check("https://a.example", Some("https://a.example/"));
        check("a.example", Some("https://a.example/"));
        check("https://127.0.0.1:4433", Some("https://127.0.0.1:4433/"));
        check("http://a.example", None);
        check("ftp://a.example", None);
        check("https://user:secret@a.example", None);
        check("", None);
        check("https://", None);
    }

    #[test]
    fn what_is_said_of_an_address_repeats_no_password() {
        for text in ["https://user:hunter2@a.example", "http://user:hunter2@a.example"] {
            let said = store_url(text).unwrap_err().to_string();
            assert!(said.contains("a.example") && !said.contains("hunter2"), "{said}");
        }
        let said = store_url("https://user:hunter2@a.example:no-port").unwrap_err().to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_file_that_holds_no_certificate_is_refused() {
        let open = |ca_pem| Https::new(ca_pem, behalf(Arc::new(Unrecorded)), Arc::new(Still));
        assert!(open(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).is_err());
        assert!(open(None).is_ok());
    }

    #[test]
    fn a_host_is_told_of_as_far_as_there_can_be_one() {
        let check = |url: &str, expected: &str| assert_eq!(host_of(&Url::parse(url).unwrap()), expected);
        check("https://files.example/a?b", "files.example");
        check("https://files.example:443/a", "files.example");
        check("https://user:secret@files.example:8443/a", "files.example:8443");
        check(&format!("https://{}/", "a".repeat(40_000)), &"a".repeat(253));
    }
}
