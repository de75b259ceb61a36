//! What is asked, by whom, and how it is kept from doing harm.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use domain::Clock as _;
use nix::sys::signal::{Signal, kill};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use vault::system::SystemClock;

use super::{Client, Http, NAME, Public, of};
use crate::up::comes;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection on which anything can be said, over these versions of TLS.
fn connect(public: &Public, versions: &[&'static SupportedProtocolVersion]) -> Result<Tls, rustls::Error> {
    connect_as(public, versions, b"http/1.1")
}

/// The same, which says what it is about to speak.
fn connect_as(
    public: &Public,
    versions: &[&'static SupportedProtocolVersion],
    protocol: &[u8],
) -> Result<Tls, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(public.maker.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap())?;
    let stream = TcpStream::connect(public.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    Ok(StreamOwned::new(connection, stream))
}

/// Says something, and hears all that is answered until the other end has had enough.
fn say(tls: &mut Tls, text: &[u8]) -> String {
    let mut heard = Vec::new();
    if tls.write_all(text).is_ok() {
        let _ = tls.read_to_end(&mut heard);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: caretaker.example\r\nconnection: close\r\n\r\n";

#[test]
fn whoever_asks_is_answered_over_https_and_it_is_on_the_record() {
    let public = Public::new();
    let healthy = serde_json::json!({ "vault": true, "monitor": true });
    for (http, version) in [(Http::Any, reqwest::Version::HTTP_2), (Http::One, reqwest::Version::HTTP_11)] {
        let client = Client::new(&public.maker.pem, public.address(), http);
        assert_eq!(client.ask("GET", "/health", "").unwrap(), (200, version, healthy.clone()));
    }
    let client = public.client();
    let (status, problem) = client.get("/customers/mail@shop.example?token=secret");
    assert_eq!(
        (status, problem["title"].as_str(), problem["status"].as_u64()),
        (404, Some("Not Found"), Some(404))
    );
    assert_eq!(client.ask("POST", "/health", "").unwrap().0, 404);
    assert_eq!(client.ask("SHOPSMAIL", "/", "").map_or(0, |answer| answer.0), 404);
    assert_eq!(client.ask("GET", "/health", "a body").unwrap().0, 413);

    let (cell, up) = (&public.cell, &public.up);
    up.told(Signal::SIGTERM);
    let all = |code: &str| of(&public.events(), code).len() == 3;
    assert!(comes(|| all("public.unknown") && all("public.health")));
    let events = public.events();
    let told = |code: &str| -> Vec<(String, String, u64, u64)> {
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        let of = of(&events, code).into_iter().map(|event| {
            let (request, response) = (&event["http_request"], &event["http_response"]);
            assert_eq!(request["url"]["hostname"], NAME);
            assert_eq!(event["src_endpoint"]["name"], "elsewhere");
            assert!(event["duration"].is_u64() && event["actor"]["user"]["uid"] == "unproven");
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let (method, path) = (text(&request["http_method"]), text(&request["url"]["path"]));
            (method, path, number(&response["code"]), number(&response["length"]))
        });
        of.collect()
    };
    let [get, post, other] = ["GET", "POST", "OTHER"].map(str::to_owned);
    let (health, unknown) = ("/health".to_owned(), "/{unknown}".to_owned());
    assert_eq!(
        told("public.health"),
        [
            (get.clone(), health.clone(), 200, 29),
            (get.clone(), health.clone(), 200, 29),
            (get.clone(), health, 413, 63)
        ]
    );
    assert_eq!(told("public.unknown"), [get, post, other].map(|method| (method, unknown.clone(), 404, 55)));
    let written: String = events.iter().map(ToString::to_string).collect();
    for secret in ["mail@", "SHOPSMAIL", "customers", "secret", "127.0.0.1", "a body"] {
        assert!(!written.contains(secret), "{secret}");
    }
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn nothing_is_ever_said_in_clear() {
    let public = Public::new();
    let mut plain = TcpStream::connect(public.address()).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    plain.write_all(HEALTH).unwrap();
    let mut heard = Vec::new();
    let _ = plain.read_to_end(&mut heard);
    // An alert of TLS at most (RFC 8446, section 6).
    assert!(heard.is_empty() || heard.first() == Some(&21), "{heard:?}");
    assert!(heard.len() < 8);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let answer = say(&mut connect(&public, &[version]).unwrap(), HEALTH);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("}"), "{answer}");
    }
    // What only an authority speaks, and what nobody does.
    for protocol in [&b"acme-tls/1"[..], b"spdy/3"] {
        let answer = say(&mut connect_as(&public, rustls::ALL_VERSIONS, protocol).unwrap(), HEALTH);
        assert_eq!(answer, "", "{}", String::from_utf8_lossy(protocol));
    }
    assert!(of(&public.events(), "public.unknown").is_empty(), "nobody has asked for anything in clear");
}

#[test]
fn whoever_is_slow_or_says_too_much_is_let_go() {
    let public = Public::new();
    let healthy = || {
        let answer = say(&mut connect(&public, rustls::ALL_VERSIONS).unwrap(), HEALTH);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    };
    healthy();
    // A head that does not end, and a body that does not come, in their time; and a handshake that nobody begins.
    let begun = SystemClock.monotonic();
    let slow = std::thread::scope(|scope| {
        let head = scope.spawn(|| {
            let mut tls = connect(&public, rustls::ALL_VERSIONS).unwrap();
            tls.write_all(b"GET /health HTTP/1.1\r\nhost: caretaker.example\r\n").unwrap();
            // A header each second, for as long as somebody listens.
            let said = (0..60).take_while(|number| {
                std::thread::sleep(Duration::from_secs(1));
                let header = format!("x-{number}: a\r\n");
                tls.write_all(header.as_bytes()).and_then(|()| tls.flush()).is_ok()
            });
            said.count()
        });
        let silent = scope.spawn(|| {
            let mut tcp = TcpStream::connect(public.address()).unwrap();
            tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            tcp.read(&mut [0; 16]).unwrap()
        });
        let body = scope.spawn(|| {
            let head = b"GET /health HTTP/1.1\r\nhost: caretaker.example\r\ncontent-length: 9\r\n\r\n";
            say(&mut connect(&public, rustls::ALL_VERSIONS).unwrap(), head)
        });
        (head.join().unwrap(), silent.join().unwrap(), body.join().unwrap())
    });
    let took = SystemClock.monotonic() - begun;
    assert!(took < Duration::from_secs(55), "{took:?}");
    let (headers, silent, body) = slow;
    assert!(headers < 30, "{headers} headers were heard");
    assert_eq!(silent, 0);
    assert!(body.starts_with("HTTP/1.1 413"), "what is announced is too long already: {body}");

    let mut long = b"GET /health HTTP/1.1\r\nhost: caretaker.example\r\nx-long: ".to_vec();
    long.extend(std::iter::repeat_n(b'a', 40_000));
    long.extend_from_slice(b"\r\n\r\n");
    let answer = say(&mut connect(&public, rustls::ALL_VERSIONS).unwrap(), &long);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let mut many = b"GET /health HTTP/1.1\r\nhost: caretaker.example\r\n".to_vec();
    many.extend(b"x: a\r\n".repeat(100));
    many.extend_from_slice(b"\r\n");
    let answer = say(&mut connect(&public, rustls::ALL_VERSIONS).unwrap(), &many);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    healthy();
    let client = public.client();
    let long = client.client.get(format!("https://{NAME}/health")).header("x-long", "a".repeat(40_000));
    let answer = client.runtime.block_on(async { long.send().await });
    assert!(answer.is_err() || answer.unwrap().status() == 431, "nor over HTTP/2");
    assert_eq!(client.get("/health").0, 200);
}

#[test]
fn one_source_does_not_take_all_places() {
    let public = Public::new();
    let healthy = |public: &Public| public.client().ask("GET", "/health", "").is_ok();
    assert!(healthy(&public));
    // As many as one may have, none of which says anything.
    let held: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(public.address()).unwrap()).collect();
    assert!(comes(|| !healthy(&public)), "one more is closed at once");
    drop(held);
    assert!(comes(|| healthy(&public)));
}

#[test]
fn a_stranger_cannot_fill_the_trail() {
    let public = Public::new();
    let client = public.client();
    let before = public.cell.journal().len();
    let requests = 2_000;
    for number in 0..requests {
        assert_eq!(client.get(&format!("/{number}")).0, 404);
    }
    public.up.told(Signal::SIGTERM);
    assert_eq!(public.up.ends().code, Some(0));
    let journal = public.cell.journal();
    let events = super::events(&public.cell);
    let (alone, counts) = (of(&events, "public.unknown").len(), of(&events, "public.count"));
    let number = |event: &serde_json::Value| -> u64 {
        event["status_detail"]
            .as_str()
            .unwrap()
            .rsplit_once("public.unknown 404: ")
            .unwrap()
            .1
            .parse()
            .unwrap()
    };
    let counted: u64 = counts.iter().map(|event| number(event)).sum();
    assert_eq!(alone as u64 + counted, requests, "none is lost");
    // It may have gone on into another minute, or two.
    assert!(counts.len() <= 3 && alone <= 60, "{alone} {}", counts.len());
    assert!(journal.len() - before < 120, "{} events more", journal.len() - before);
    public.cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn it_says_whether_vault_and_monitor_answer() {
    let public = Public::new();
    let client = public.client();
    for role in ["vault", "monitor"] {
        assert_eq!(client.get("/health").0, 200);
        kill(public.up.processes[role], Signal::SIGKILL).unwrap();
        let mut seen = None;
        assert!(comes(|| {
            let (status, body) = client.get("/health");
            seen = (status == 503).then_some(body);
            seen.is_some()
        }));
        let seen = seen.unwrap();
        assert_eq!((&seen[role], seen.as_object().unwrap().len()), (&false.into(), 2), "{seen}");
        assert!(comes(|| client.get("/health").0 == 200), "it is started again");
    }
    // So is the server, with the socket that listens.
    kill(public.up.processes["server"], Signal::SIGKILL).unwrap();
    assert!(comes(|| public.client().ask("GET", "/health", "").is_ok_and(|answer| answer.0 == 200)));
}
