//! What is told of requests to a server that redirects, breaks off and keeps silent.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::{AuditSink, Principal, Timestamp, Unrecorded};
use futures::future::BoxFuture;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::*;
use crate::engine::http::Https;

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

pub(crate) fn behalf(audit: Arc<dyn AuditSink>) -> Behalf {
    let principal = Principal("cell-operator".into());
    Behalf { audit, principal, grant: None, object: "default/shop".into() }
}

/// Keeps events in memory, as long as it has room and is whole.
#[derive(Debug, Default)]
struct Sink {
    events: Mutex<Vec<AuditEvent>>,
    full: AtomicBool,
    broken: AtomicBool,
}

impl AuditSink for Sink {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.note(event)
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(async move {
            if self.full.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if self.broken.load(Ordering::SeqCst) {
                return Err(AuditError("out of order".into()));
            }
            self.events.lock().unwrap().push(event);
            Ok(())
        })
    }
}

/// What is served, by path. Without an answer the server keeps silent.
fn answer(path: &str) -> Option<&'static str> {
    Some(match path {
        "/there" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "/moved" => "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n",
        "/round" => "HTTP/1.1 302 Found\r\nlocation: /round\r\ncontent-length: 0\r\n\r\n",
        "/plain" => "HTTP/1.1 302 Found\r\nlocation: http://plain.example/\r\ncontent-length: 0\r\n\r\n",
        "/refused" => "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
        "/failed" => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno",
        "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhal",
        _ => return None,
    })
}

/// A server of one answer to each connection, and its authority in PEM.
async fn serve() -> (Url, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever gave up has gone.
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let mut stream = BufReader::new(stream);
                let mut lines = Vec::new();
                while !lines.ends_with(b"\r\n\r\n") {
                    if stream.read_until(b'\n', &mut lines).await.unwrap_or_default() == 0 {
                        return;
                    }
                }
                let path = String::from_utf8(lines).unwrap().split(' ').nth(1).unwrap().to_owned();
                match answer(&path) {
                    Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                    None => std::future::pending().await,
                }
                stream.shutdown().await.unwrap();
            });
        }
    });
    (url, certificate.pem())
}

struct World {
    sink: Arc<Sink>,
    https: Https,
    url: Url,
}

impl World {
    async fn new() -> Self {
        let sink = Arc::new(Sink::default());
        let (url, ca_pem) = serve().await;
        let audit = behalf(Arc::<Sink>::clone(&sink));
        let https = Https::new(Some(ca_pem.as_bytes()), audit, Arc::new(Still)).unwrap();
        Self { sink, https, url }
    }

    /// Fetches a file, and gives its length.
    async fn fetch(&self, path: &str) -> Result<usize, Fault> {
        let answer = self.https.get_file(&self.url.join(path).unwrap(), "/{file}", "media").send().await?;
        Ok(answer.bytes().await?.len())
    }

    /// Begins to fetch a file and gives up before an answer came.
    async fn give_up(&self) {
        let url = self.url.join("/silence").unwrap();
        let mut request = Box::pin(self.https.get_file(&url, "/{file}", "media").send());
        for _ in 0..3 {
            assert!(futures::poll!(&mut request).is_pending());
            tokio::task::yield_now().await;
        }
    }

    /// Status, outcome and bytes received of each event since the last look.
    fn told(&self) -> Vec<(Option<u16>, Outcome, u64)> {
        let events = std::mem::take(&mut *self.sink.events.lock().unwrap());
        let told = events.into_iter().map(|event| {
            let request = event.request.unwrap();
            assert_eq!((request.method, request.path.as_str()), ("GET", "/{file}"));
            (request.status, event.outcome, request.received)
        });
        told.collect()
    }
}

#[tokio::test]
async fn each_request_is_told_of_with_what_came_of_it() {
    let world = World::new().await;
    assert_eq!(world.fetch("/there").await.unwrap(), 5);
    assert_eq!(world.told(), [(Some(200), Outcome::Done, 5)]);
    assert_eq!(world.fetch("/refused").await.unwrap(), 2);
    assert_eq!(world.told(), [(Some(403), Outcome::Refused, 2)]);
    assert_eq!(world.fetch("/failed").await.unwrap(), 2);
    assert_eq!(world.told(), [(Some(503), Outcome::Failed, 2)]);
    assert!(matches!(world.fetch("/cut").await, Err(Fault::Unavailable(_))));
    assert_eq!(world.told(), [(Some(200), Outcome::Failed, 3)]);
    let nowhere = World { url: "https://localhost:1".parse().unwrap(), ..World::new().await };
    assert!(matches!(nowhere.fetch("/there").await, Err(Fault::Unavailable(_))));
    assert_eq!(nowhere.told(), [(None, Outcome::Failed, 0)]);
}

#[tokio::test]
async fn a_redirect_that_is_followed_is_a_request_of_its_own() {
    let world = World::new().await;
    let moved = (Some(302), Outcome::Done, 0);
    assert_eq!(world.fetch("/moved").await.unwrap(), 5);
    assert_eq!(world.told(), [moved, (Some(200), Outcome::Done, 5)]);
    assert_eq!(world.fetch("/round").await.unwrap(), 0);
    assert_eq!(world.told(), [moved; 5], "followed four times, and no more");
    assert!(matches!(world.fetch("/plain").await, Err(Fault::Unavailable(_))));
    let events = world.sink.events.lock().unwrap().clone();
    let hosts: Vec<_> = events.iter().map(|event| event.request.as_ref().unwrap().host.as_str()).collect();
    assert_eq!(hosts[1], "plain.example", "{events:?}");
    assert_eq!((world.told()[1], hosts.len()), ((None, Outcome::Failed, 0), 2));
    // What was posted is not sent to another place.
    let url = world.url.join("/moved").unwrap();
    let answer = world.https.post(&url, "token").form(&[("a", "b")]).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    answer.leave().await.unwrap();
    let events = world.sink.events.lock().unwrap().clone();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.request.as_ref().unwrap().sent, 3);
}

#[tokio::test]
async fn a_request_that_is_given_up_is_told_of_too() {
    let world = World::new().await;
    world.give_up().await;
    assert_eq!(world.told(), [(None, Outcome::Failed, 0)]);
    let answer = world.https.get_file(&world.url.join("/there").unwrap(), "/{file}", "media").send().await;
    drop(answer.unwrap());
    assert_eq!(world.told(), [(Some(200), Outcome::Done, 0)]);
    // Where there is no room for its event, the next request waits for it.
    world.sink.full.store(true, Ordering::SeqCst);
    world.give_up().await;
    world.sink.full.store(false, Ordering::SeqCst);
    assert_eq!(world.told(), []);
    assert_eq!(world.fetch("/there").await.unwrap(), 5);
    assert_eq!(world.told(), [(None, Outcome::Failed, 0), (Some(200), Outcome::Done, 5)]);
}

#[tokio::test]
async fn nothing_is_sent_once_an_event_was_lost() {
    let world = World::new().await;
    world.sink.broken.store(true, Ordering::SeqCst);
    assert!(matches!(world.fetch("/there").await, Err(Fault::Audit(_))), "its answer is not given");
    world.sink.broken.store(false, Ordering::SeqCst);
    assert!(matches!(world.fetch("/there").await, Err(Fault::Audit(_))));
    assert_eq!(world.told(), [], "not sent: there would be an event");

    let world = World::new().await;
    world.sink.broken.store(true, Ordering::SeqCst);
    world.give_up().await;
    world.sink.broken.store(false, Ordering::SeqCst);
    assert!(matches!(world.fetch("/there").await, Err(Fault::Audit(_))), "though nobody could be told then");

    let (url, ca_pem) = serve().await;
    let https = Https::new(Some(ca_pem.as_bytes()), behalf(Arc::new(Unrecorded)), Arc::new(Still)).unwrap();
    let world = World { https, url, ..World::new().await };
    assert_eq!(world.fetch("/there").await.unwrap(), 5, "where no record is kept, nothing can be lost");
}
