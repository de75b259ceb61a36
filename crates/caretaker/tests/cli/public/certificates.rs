//! The certificate from a file: which fit, how another takes its place, and that its end is told.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use rustls::pki_types::{CertificateDer, ServerName};

use super::{Asking, Client, Http, Maker, NAME, Pair, Public, cell, of};
use crate::cell::text;
use crate::up::{Up, comes};

/// A self-signed certificate whose RSA key has so many bits.
fn rsa(folder: &Path, bits: u32) -> (String, String) {
    let (certificate, key) = (folder.join("rsa.pem"), folder.join("rsa.key"));
    let names = format!("subjectAltName=DNS:{NAME}");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "300", "-subj", "/CN=test", "-addext", &names, "-newkey"])
        .arg(format!("rsa:{bits}"))
        .args(["-keyout", text(&key), "-out", text(&certificate)])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (std::fs::read_to_string(certificate).unwrap(), std::fs::read_to_string(key).unwrap())
}

#[test]
fn a_certificate_that_does_not_fit_keeps_the_cell_from_starting() {
    let (cell, maker) = (cell(), Maker::new());
    let pair = Pair::of(&cell);
    let words = [&["up"], &pair.words()[..]].concat();
    let (good, other) = (maker.make(NAME, (-1, 300)), maker.make(NAME, (-1, 300)));
    for (put, told) in [
        (rsa(cell.folder.path(), 1_024), "has 1024 bits, and 2048 are the least"),
        ((good.0.clone(), other.1), "another one's"),
        (maker.make(NAME, (-90, -1)), "it ended at"),
        (maker.make(NAME, (1, 90)), "nothing before"),
        (maker.make("shop.example", (-1, 300)), "not for `caretaker.example`, but for `shop.example`"),
        ((String::new(), good.1.clone()), "no certificate"),
        ((good.0.clone(), String::new()), "no private key"),
    ] {
        pair.put(&put);
        cell.run(&words).refuses(2, &[text(&pair.certificate), text(&pair.key), told]);
    }
    pair.put(&good);
    std::fs::set_permissions(&pair.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    cell.run(&words).refuses(2, &["everybody", "chmod"]);
    pair.put(&good);
    std::fs::remove_file(&pair.certificate).unwrap();
    cell.run(&words).refuses(2, &[text(&pair.certificate), "No such file"]);
    // Nobody waits for what may come through a pipe.
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &pair.certificate, mode).unwrap();
    cell.run(&words).refuses(2, &["it is no file"]);
    std::fs::remove_file(&pair.certificate).unwrap();

    for fits in [good, rsa(cell.folder.path(), 2_048)] {
        pair.put(&fits);
        let up = Up::with(&cell, &pair.words());
        up.told(Signal::SIGTERM);
        assert_eq!(up.ends().code, Some(0));
    }
}

#[test]
fn words_that_make_no_sense_together_are_refused() {
    let (cell, unnamed) = (cell(), crate::cell::TestCell::new());
    let listen = ["up", "--listen", "127.0.0.1:0"];
    let files = ["--certificate-file", "c", "--certificate-key-file", "k"];
    let acme = ["--acme", "https://acme.example/dir"];
    unnamed.run(&[&listen[..], &files].concat()).refuses(2, &["no public name", "--public-url"]);
    cell.run(&listen).refuses(2, &["--certificate-file", "--acme"]);
    cell.run(&[&listen[..], &acme].concat()).refuses(2, &["terms", "--acme-agree"]);
    let plain = ["--acme", "http://acme.example/dir", "--acme-agree"];
    cell.run(&[&listen[..], &plain].concat()).refuses(2, &["https://HOST/PATH"]);
    cell.run(&[&["up"], &files[..]].concat()).refuses(2, &["--listen"]);
    cell.run(&[&listen[..], &files, &acme].concat()).refuses(2, &["--acme"]);
    cell.run(&["up", "--acme-agree"]).refuses(2, &["--acme"]);
    cell.run(&["certify"]).refuses(2, &["started by the command"]);
    let key = text(&cell.path("other.key")).to_owned();
    for wrong in ["http://caretaker.example", "https://caretaker.example/console"] {
        let init = ["init", "--recovery-key-out", &key, "--public-url", wrong];
        cell.run(&init).refuses(2, &["https://HOST"]);
    }
    // Nothing was left by any of them, and an address that is another's is told.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let pair = Pair::of(&cell);
    pair.put(&Maker::new().make(NAME, (-1, 300)));
    let words = [&["up", "--listen", &address], &pair.words()[2..]].concat();
    cell.run(&words).refuses(1, &["could not listen", &address]);
    drop(held);
    let up = Up::with(&cell, &words[1..]);
    assert_eq!(up.listens.unwrap().to_string(), address);
}

/// The certificate that whoever connects is shown.
fn shown(public: &Public) -> CertificateDer<'static> {
    use std::io::Write as _;
    let mut roots = rustls::RootCertStore::empty();
    let authority: CertificateDer<'static> =
        rustls::pki_types::pem::PemObject::from_pem_slice(public.maker.pem.as_bytes()).unwrap();
    roots.add(authority).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(NAME).unwrap();
    let mut connection = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut stream = std::net::TcpStream::connect(public.address()).unwrap();
    rustls::Stream::new(&mut connection, &mut stream).flush().unwrap();
    connection.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn another_certificate_takes_its_place_and_no_request_fails() {
    let public = Public::new();
    let (authority, address) = (public.maker.pem.clone(), public.address());
    let asking = Asking::begin(move || Client::new(&authority, address, Http::Any));
    let mut seen = BTreeSet::from([shown(&public).to_vec()]);
    let refusals = || {
        let told = public.events();
        let used = of(&told, "public.certificate.use");
        used.iter().filter(|event| event["status_code"] == "refused").count()
    };
    for turn in 0..4 {
        let next = public.maker.make(NAME, (-1, 200 + turn));
        let before = shown(&public);
        // Half of it, then a certificate with another one's key: each time what is there does not fit until the next write.
        for text in [&next.0[..next.0.len() / 2], &next.0] {
            let so_far = refusals();
            std::fs::write(&public.pair.certificate, text).unwrap();
            assert!(comes(|| refusals() > so_far), "it is told");
        }
        assert_eq!(shown(&public), before, "the one before is in use");
        if turn % 2 == 0 {
            std::fs::write(&public.pair.key, &next.1).unwrap();
        } else {
            // By a name of its own, as careful programs do.
            let beside = public.cell.path("beside");
            std::fs::write(&beside, &next.1).unwrap();
            std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::fs::rename(&beside, &public.pair.key).unwrap();
        }
        assert!(comes(|| shown(&public) != before), "the next one is in use");
        seen.insert(shown(&public).to_vec());
    }
    let asked = asking.end();
    assert!(asked > 200, "{asked} requests");
    assert_eq!(seen.len(), 5);
    assert_eq!(of(&public.events(), "public.certificate.use").len() - refusals(), 5, "each was used once");
    public.up.told(Signal::SIGTERM);
    let ended = public.up.ends();
    assert!(ended.stderr.contains("the one before stays in use"), "{}", ended.stderr);
    println!("{asked} requests over four certificates, none failed");
}

#[test]
fn the_end_of_a_certificate_is_told_thirty_days_before() {
    for (days, is_told) in [(29, true), (31, false)] {
        let public = Public::with((-300, days));
        let told = || !of(&public.events(), "public.certificate.end").is_empty();
        assert_eq!(comes(|| is_told && told()) || told(), is_told);
        let found = public.cell.run(&["doctor"]).ends(i32::from(is_told));
        let of_certificate = |finding: &&serde_json::Value| finding["check"] == "public certificate";
        let finding = found["findings"].as_array().unwrap().iter().find(of_certificate).unwrap();
        assert_eq!(finding["ok"], !is_told, "{finding}");
        assert_eq!(finding["detail"].as_str().unwrap().contains("28 whole days"), is_told, "{finding}");
        public.up.told(Signal::SIGTERM);
        let ended = public.up.ends();
        assert_eq!(ended.code, Some(0));
        assert_eq!(ended.stderr.contains("28 whole days are left"), is_told, "{}", ended.stderr);
    }
}

#[test]
fn doctor_says_of_a_cell_that_does_not_run_whether_its_certificate_fits_still() {
    let public = Public::new();
    public.up.told(Signal::SIGTERM);
    assert_eq!(public.up.ends().code, Some(0));
    let (cell, pair) = (&public.cell, &public.pair);
    let found = cell.run(&["doctor"]).succeeds().to_string();
    assert!(found.contains("region local, in public https://caretaker.example"), "{found}");
    pair.put(&public.maker.make("shop.example", (-1, 300)));
    let found = cell.run(&["doctor"]).ends(1).to_string();
    assert!(found.contains("cannot be used") && found.contains("shop.example"), "{found}");
    // What it was given last counts, and that was nothing.
    let up = Up::of(cell);
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    cell.run(&["doctor"]).succeeds();
}

/// A server that is started again must not wait for somebody who renews a certificate: all else would.
#[test]
fn a_cell_goes_on_whatever_becomes_of_its_certificate() {
    let public = Public::new();
    assert_eq!(public.client().get("/health").0, 200);
    std::fs::remove_file(&public.pair.certificate).unwrap();
    nix::sys::signal::kill(public.up.processes["server"], Signal::SIGKILL).unwrap();
    assert!(comes(|| public.client().ask("GET", "/health", "").is_err()));
    public.cell.run(&["tenant", "list"]).succeeds();
    public.pair.put(&public.maker.make(NAME, (-1, 100)));
    assert!(comes(|| public.client().ask("GET", "/health", "").is_ok()));
}
