//! Certificates from an authority: Let's Encrypt's own pebble, over 400 days, of which each is a moment.
//!
//! Pebble's certificates live so short that the whole of it takes a minute. Nothing in Caretaker knows of that: when a certificate is
//! due, and how long it waits after an order that came to nothing, follows from the certificate's own life.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use domain::Clock as _;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use vault::system::SystemClock;

use super::{Asking, Client, Http, Maker, NAME, cell, of};
use crate::cell::{TestCell, note, points, text};
use crate::up::Up;
use crate::vault_process::Started;

/// A port that hands on what comes to another, as long as it is open.
struct Way {
    port: u16,
    to: Arc<AtomicU16>,
    is_open: Arc<AtomicBool>,
}

impl Way {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, is_open) = (Arc::new(AtomicU16::new(0)), Arc::new(AtomicBool::new(true)));
        let (own, opens) = (Arc::clone(&to), Arc::clone(&is_open));
        std::thread::spawn(move || {
            for come in listener.incoming() {
                let (Ok(come), true) = (come, opens.load(Ordering::Relaxed)) else { continue };
                let on = TcpStream::connect((Ipv4Addr::LOCALHOST, own.load(Ordering::Relaxed)));
                let Ok(on) = on else { continue };
                let opens = Arc::clone(&opens);
                let other = (on.try_clone().unwrap(), come.try_clone().unwrap(), Arc::clone(&opens));
                std::thread::spawn(move || hand_on(come, on, &opens));
                std::thread::spawn(move || hand_on(other.0, other.1, &other.2));
            }
        });
        Self { port, to, is_open }
    }

    fn leads_to(&self, port: u16) {
        self.to.store(port, Ordering::Relaxed);
    }

    fn open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, is_open: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        if !is_open.load(Ordering::Relaxed) || to.write_all(&bytes[..len]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// A port that nobody has just now.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The authority: pebble, and a resolver that has every name here.
struct Pebble {
    _folder: TempDir,
    /// How the cell gets to it, and it to the cell.
    way: Way,
    back: Way,
    ca: String,
    manages: u16,
    /// Where the cell listens.
    listens: u16,
    processes: Vec<Child>,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in &mut self.processes {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Pebble {
    /// `None` where there is none. Its certificates are worth something for so many seconds.
    fn start(life_s: u64) -> Option<Self> {
        let is_there = |program| Command::new(program).arg("-h").stderr(Stdio::null()).status().is_ok();
        if !is_there("pebble") || !is_there("pebble-challtestsrv") {
            println!("skipped: pebble is not there (Debian's package of that name)");
            return None;
        }
        note("acme-pebble");
        let (folder, way, back, maker) = (tempfile::tempdir().unwrap(), Way::new(), Way::new(), Maker::new());
        let [speaks, manages, resolves, listens] = [(); 4].map(|()| free());
        way.leads_to(speaks);
        back.leads_to(listens);
        let write = |name: &str, bytes: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            text(&path).to_owned()
        };
        let (certificate, key) = maker.make("localhost", (-1, 2));
        // Pebble counts both ends of a life.
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{speaks}"), "managementListenAddress": format!("127.0.0.1:{manages}"),
            "certificate": write("certificate.pem", &certificate), "privateKey": write("key.pem", &key),
            "httpPort": 1, "tlsPort": back.port, "certificateValidityPeriod": life_s + 1,
        } });
        let (config, ca) = (write("config.json", &config.to_string()), write("ca.pem", &maker.pem));
        let resolver = format!("127.0.0.1:{resolves}");
        let start = |program: &str, words: &[&str]| {
            let mut command = Command::new(program);
            command.args(words).env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let none = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "", "-management", ""];
        let words = [&["-dns01", &resolver, "-defaultIPv4", "127.0.0.1"], &none[..]].concat();
        let processes = vec![
            start("pebble-challtestsrv", &words),
            start("pebble", &["-config", &config, "-dnsserver", &resolver]),
        ];
        let own = Self { _folder: folder, way, back, ca, manages, listens, processes };
        assert!(
            comes(|| TcpStream::connect((Ipv4Addr::LOCALHOST, own.manages)).is_ok()),
            "it does not start"
        );
        Some(own)
    }

    /// Its root, of which nobody knew before it was started.
    fn root(&self) -> String {
        let trusted = reqwest::Certificate::from_pem(&std::fs::read(&self.ca).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("https://localhost:{}/roots/0", self.manages);
        runtime.block_on(async {
            let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
            client.get(url).send().await.unwrap().text().await.unwrap()
        })
    }

    /// Runs a cell whose certificates it makes.
    fn up(&self, cell: &TestCell) -> Up {
        let directory = format!("https://localhost:{}/dir", self.way.port);
        let listen = format!("127.0.0.1:{}", self.listens);
        let words = ["--listen", &listen, "--acme", &directory, "--acme-agree", "--acme-ca-file", &self.ca];
        Up::with(cell, &words)
    }
}

/// Lets time pass until something holds: as long as it takes a certificate to become due.
fn comes(mut holds: impl FnMut() -> bool) -> bool {
    let end = SystemClock.monotonic() + Duration::from_secs(100);
    while SystemClock.monotonic() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// How many orders were done, and how many came to nothing.
fn outcomes(events: &[Value]) -> (usize, usize) {
    let orders = of(events, "public.certificate.order");
    let ended = |status: u64| orders.iter().filter(|event| event["status_id"] == status).count();
    (ended(1), ended(2))
}

#[test]
fn certificates_are_renewed_over_four_hundred_days_in_which_the_authority_is_away_and_refuses() {
    // So many seconds are 90 days. Certificates know no less than a second.
    let life_s = points(12, 90);
    let day = Duration::from_secs(life_s) / 90;
    let Some(pebble) = Pebble::start(life_s) else { return };
    let cell = cell();
    let up = pebble.up(&cell);
    let address: SocketAddr = up.listens.unwrap();
    let (root, events) = (pebble.root(), || super::events(&cell));
    let client = || Client::new(&root, address, Http::Any);
    assert!(comes(|| client().ask("GET", "/health", "").is_ok()), "the first one comes by itself");

    let begun = SystemClock.monotonic();
    let until = |days: u32| {
        let left = (day * days).saturating_sub(SystemClock.monotonic() - begun);
        std::thread::sleep(left);
    };
    let (own, at) = (root.clone(), address);
    let asking = Asking::begin(move || Client::new(&own, at, Http::Any));
    let renewed = |count: usize| outcomes(&events()).0 >= count;
    // One or two go by, and then it is away when the next one is due, for ten days.
    until(100);
    assert!(renewed(2), "{:?}", outcomes(&events()));
    pebble.way.open(false);
    let before = outcomes(&events());
    assert!(comes(|| outcomes(&events()).1 > before.1), "an order fails");
    let away = SystemClock.monotonic();
    std::thread::sleep(day * 10);
    pebble.way.open(true);
    assert!(comes(|| renewed(before.0 + 1)), "it is back");
    println!("the authority was away for {} days", (SystemClock.monotonic() - away).div_duration_f64(day));
    // The authority cannot get to the cell, and so refuses.
    pebble.back.open(false);
    let before = outcomes(&events());
    assert!(comes(|| outcomes(&events()).1 > before.1), "an order is refused");
    std::thread::sleep(day * 3);
    pebble.back.open(true);
    assert!(comes(|| renewed(before.0 + 1)), "the next one is not");
    until(400);

    let asked = asking.end();
    let (done, failed) = outcomes(&events());
    assert!(done >= 6 && failed >= 2 && asked > 500, "{done} orders done, {failed} failed, {asked} requests");
    let told = events();
    let refusals = of(&told, "public.certificate.order").into_iter().filter(|event| event["status_id"] == 2);
    let why: Vec<&str> = refusals.map(|event| event["status_detail"].as_str().unwrap()).collect();
    assert!(why.iter().any(|why| why.contains("unauthorized")), "{why:?}");
    assert!(why.iter().all(|why| why.contains("days are left")), "the one before goes on: {why:?}");
    // Every request to the authority is on record, with nothing in it that the authority made up.
    let requests = of(&told, "public.certificate.request");
    let path = |event: &Value| event["http_request"]["url"]["path"].as_str().unwrap().to_owned();
    let paths: std::collections::BTreeSet<String> = requests.iter().map(|event| path(event)).collect();
    let expected = ["/dir", "/nonce-plz", "/order-plz", "/sign-me-up", "/{resource}"];
    assert!(paths.iter().eq(expected), "{paths:?}");
    assert!(requests.len() > done * 7, "{} requests", requests.len());
    assert!(comes(|| of(&events(), "public.certificate.use").len() == done), "each was used");
    assert!(!of(&told, "public.certificate.end").is_empty(), "that one was late is told");

    // What it keeps is its owner's alone, and nothing is left of what was proven.
    let folder = cell.home().join("public");
    let files: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| {
            use std::os::unix::fs::PermissionsExt as _;
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            file.file_name().into_string().unwrap()
        })
        .collect();
    assert!(
        files.iter().all(|file| ["account.json", "certificate.pem"].contains(&file.as_str())),
        "{files:?}"
    );
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    cell.run(&["trail", "verify"]).succeeds();
    crate::cell::tell(&format!(
        "400 days of certificates, {life_s} s for each 90: {done} orders done, {failed} failed, {asked} requests, none of them failed"
    ));
}

#[test]
fn the_process_that_gets_certificates_has_no_name_in_the_cell() {
    let cell = cell();
    let vault = Started::opened(&cell);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        vault.enrol("monitor").await.unwrap();
        vault.enrol("certifier").await.unwrap_err();
    });
    let refused = cell.journal().into_iter().filter(|event| {
        event["metadata"]["event_code"] == "certificate.issue" && event["status_code"] == "refused"
    });
    let who: Vec<_> = refused.map(|event| event["actor"]["user"]["uid"].clone()).collect();
    assert_eq!(who, ["service/certifier"]);
}

#[test]
fn a_cell_without_its_first_certificate_says_why_and_goes_on() {
    let Some(pebble) = Pebble::start(3_600) else { return };
    let cell = cell();
    // Where nobody listens.
    pebble.back.open(false);
    let up = pebble.up(&cell);
    assert_eq!(up.processes.len(), 7, "the certifier is one of them");
    assert!(comes(|| outcomes(&super::events(&cell)).1 == 1));
    cell.run(&["tenant", "list"]).succeeds();
    let found = cell.run(&["doctor"]).ends(1).to_string();
    assert!(found.contains("public certificate") && found.contains("could not be read"), "{found}");
    // Who asks for what only an authority wants to see is shown nothing either.
    let root = pebble.root();
    assert!(Client::new(&root, up.listens.unwrap(), Http::Any).ask("GET", "/health", "").is_err());
    up.told(Signal::SIGTERM);
    let ended = up.ends();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains(&format!("no new certificate for https://{NAME} (there is none yet)")));

    // One whose authority is there again has its certificate at once, with the account that it has.
    pebble.back.open(true);
    let account = std::fs::read(cell.home().join("public/account.json")).unwrap();
    let up = pebble.up(&cell);
    let there = || Client::new(&root, up.listens.unwrap(), Http::Any).ask("GET", "/health", "").is_ok();
    assert!(comes(there));
    assert_eq!(std::fs::read(cell.home().join("public/account.json")).unwrap(), account);
    let certificate = std::fs::read(cell.home().join("public/certificate.pem")).unwrap();
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    // And one that is started again asks for none while it has one.
    let orders = outcomes(&super::events(&cell));
    let up = pebble.up(&cell);
    assert!(comes(|| Client::new(&root, up.listens.unwrap(), Http::Any).ask("GET", "/health", "").is_ok()));
    assert_eq!(outcomes(&super::events(&cell)), orders);
    assert_eq!(std::fs::read(cell.home().join("public/certificate.pem")).unwrap(), certificate);
}
