//! The public endpoint: what it answers, to whom it does not listen for long, and its certificate from a file and from an
//! authority.

mod authority;
mod certificates;
mod requests;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::Clock as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use vault::system::SystemClock;

use crate::cell::{TestCell, text};
use crate::up::Up;

/// What the cells of these tests are called.
const NAME: &str = "caretaker.example";
const DAY_S: i64 = 24 * 60 * 60;

/// A cell with a public name.
fn cell() -> TestCell {
    let cell = TestCell::none_yet(tempfile::tempdir().unwrap());
    std::fs::write(cell.passphrase(), crate::cell::PASSPHRASE).unwrap();
    let (key, url) = (cell.recovery_key(), format!("https://{NAME}"));
    cell.run(&["init", "--recovery-key-out", text(&key), "--public-url", &url]).succeeds();
    cell
}

/// Who makes certificates in these tests.
pub(crate) struct Maker {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

fn at(days: i64) -> Duration {
    Duration::from_secs(u64::try_from(SystemClock.now().as_second() + days * DAY_S).unwrap())
}

impl Maker {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a name, which begins and ends so many days from now, and its key.
    pub(crate) fn make(&self, name: &str, (from, to): (i64, i64)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + at(from);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + at(to);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// The two files with a certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pair {
    pub(crate) fn of(cell: &TestCell) -> Self {
        Self { certificate: cell.path("certificate.pem"), key: cell.path("key.pem") }
    }

    pub(crate) fn put(&self, (certificate, key): &(String, String)) {
        std::fs::write(&self.certificate, certificate).unwrap();
        std::fs::write(&self.key, key).unwrap();
        std::fs::set_permissions(&self.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn words(&self) -> [&str; 6] {
        let (certificate, key) = (text(&self.certificate), text(&self.key));
        ["--listen", "127.0.0.1:0", "--certificate-file", certificate, "--certificate-key-file", key]
    }
}

/// A cell with a public endpoint, whose certificate lies in files.
struct Public {
    cell: TestCell,
    maker: Maker,
    pair: Pair,
    up: Up,
}

impl Public {
    fn new() -> Self {
        Self::with((-1, 300))
    }

    fn with(days: (i64, i64)) -> Self {
        let (cell, maker) = (cell(), Maker::new());
        let pair = Pair::of(&cell);
        pair.put(&maker.make(NAME, days));
        let up = Up::with(&cell, &pair.words());
        Self { cell, maker, pair, up }
    }

    fn address(&self) -> SocketAddr {
        self.up.listens.unwrap()
    }

    fn client(&self) -> Client {
        Client::new(&self.maker.pem, self.address(), Http::Any)
    }

    /// What of the public endpoint is on record.
    fn events(&self) -> Vec<Value> {
        events(&self.cell)
    }
}

fn events(cell: &TestCell) -> Vec<Value> {
    let code = |event: &Value| event["metadata"]["event_code"].as_str().unwrap_or_default().to_owned();
    cell.journal().into_iter().filter(|event| code(event).starts_with("public.")).collect()
}

/// Those of them with that name.
fn of<'a>(events: &'a [Value], code: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["metadata"]["event_code"] == code).collect()
}

/// What is spoken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Http {
    Any,
    One,
}

/// Somebody who asks.
struct Client {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Client {
    fn new(authority: &str, address: SocketAddr, http: Http) -> Self {
        let trusted = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        let builder = reqwest::Client::builder().resolve(NAME, address).tls_certs_only([trusted]);
        let builder = if http == Http::One { builder.http1_only() } else { builder };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { client: builder.timeout(Duration::from_secs(30)).build().unwrap(), runtime }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> reqwest::Result<(u16, reqwest::Version, Value)> {
        let url = format!("https://{NAME}{path}");
        let request = self.client.request(method.parse().unwrap(), url).body(body.to_owned());
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, version) = (response.status().as_u16(), response.version());
            let body = response.bytes().await?;
            Ok((status, version, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        })
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let (status, _, body) = self.ask("GET", path, "").unwrap();
        (status, body)
    }
}

/// Somebody who asks all the time, over connections that last and over new ones.
struct Asking {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    asks: Vec<JoinHandle<Vec<String>>>,
}

impl Asking {
    /// `makes` a client: one for each request, and one that asks again and again.
    fn begin(makes: impl Fn() -> Client + Clone + Send + 'static) -> Self {
        let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let asks = [true, false].map(|lasts| {
            let (makes, stop, asked) = (makes.clone(), Arc::clone(&stop), Arc::clone(&asked));
            std::thread::spawn(move || {
                let mut client = makes();
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match client.ask("GET", "/health", "") {
                        Ok((200, ..)) => {}
                        Ok((status, ..)) => failed.push(format!("status {status}")),
                        Err(error) => failed.push(format!("{error:?}")),
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(5));
                    if !lasts {
                        client = makes();
                    }
                }
                failed
            })
        });
        Self { stop, asked, asks: asks.into() }
    }

    /// How many requests there were, of which none has failed.
    #[track_caller]
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let failed: Vec<String> = self.asks.into_iter().flat_map(|asks| asks.join().unwrap()).collect();
        let asked = self.asked.load(Ordering::Relaxed);
        assert!(failed.is_empty(), "{} of {asked} requests failed: {:?}", failed.len(), failed.first());
        asked
    }
}
