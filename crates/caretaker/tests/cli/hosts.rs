//! Workers on other hosts: machines of the same loopback network, which share nothing with the vault's but what both would mount.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cell::{Answer, PASSPHRASE, TestCell, binary, text};
use crate::powers::is_there;
use crate::shop::Shop;
use crate::up::{Up, comes, count};

/// An address that nobody listens at.
pub(crate) fn free(host: u8) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A cell that other hosts find, one of whose workers is elsewhere.
struct Cell {
    cell: TestCell,
    up: Option<Up>,
    words: Vec<String>,
    role: &'static str,
    /// Where that worker is to be found.
    there: SocketAddr,
    at: Vec<(&'static str, SocketAddr)>,
}

/// Another machine: its folder.
struct Host {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Cell {
    fn new(platform: &'static str) -> Self {
        Self::with(platform, TestCell::none_yet(tempfile::tempdir().unwrap()))
    }

    fn with(platform: &'static str, cell: TestCell) -> Self {
        std::fs::write(cell.passphrase(), PASSPHRASE).unwrap();
        let (key, shared) = (cell.recovery_key(), cell.path("shared"));
        let stores = [shared.join("objects"), shared.join("keys")];
        let words = ["--store", text(&stores[0]), "--keys-store", text(&stores[1])];
        cell.run(&[&["init", "--recovery-key-out", text(&key)], &words[..]].concat()).succeeds();
        let at = ["vault", "server", "monitor"].map(|role| (role, free(1)));
        let there = free(2);
        let role = if platform == "jsonl" { "worker/jsonl" } else { "worker/shopify" };
        let mut words: Vec<String> =
            at.iter().flat_map(|(role, address)| ["--at".to_owned(), format!("{role}={address}")]).collect();
        words.extend(["--elsewhere".to_owned(), format!("{role}={there}")]);
        let mut own = Self { cell, up: None, words, role, there, at: at.into() };
        own.starts();
        own
    }

    fn starts(&mut self) {
        let words: Vec<&str> = std::iter::once("up").chain(self.words.iter().map(String::as_str)).collect();
        let mut up = self.cell.command(&words);
        up.stderr(Stdio::null());
        self.up = Some(Up::started(up));
    }

    fn ends(&mut self) {
        let up = self.up.take().unwrap();
        up.told(Signal::SIGTERM);
        assert_eq!(up.ends().code, Some(0));
    }

    fn invite(&self, name: &str) -> PathBuf {
        let out = self.cell.path(name);
        self.cell.run(&["host", "invite", self.role, "--out", text(&out)]).succeeds();
        out
    }

    fn platform(&self) -> &'static str {
        self.role.strip_prefix("worker/").unwrap()
    }
}

impl Host {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn command(&self, cell: &Cell, words: &[&str]) -> Command {
        let mut command = binary();
        command.args(["--json", "--dir"]).arg(self.home());
        command.args(["worker", "--platform", cell.platform()]).args(words);
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).stderr(Stdio::piped());
        command
    }

    /// Has it join, and its worker run.
    fn joins(&self, cell: &Cell, invitation: &str, words: &[&str]) -> Up {
        let there = cell.there.to_string();
        Up::started(self.command(cell, &[&["--join", invitation, "--listen", &there], words].concat()))
    }

    /// The same, where it does not get in.
    fn is_kept_out(&self, cell: &Cell, invitation: &str) -> Answer {
        let there = cell.there.to_string();
        self.command(cell, &["--join", invitation, "--listen", &there]).output().unwrap().into()
    }
}

/// A connection that takes files, on which something was done.
fn ingests(cell: &TestCell, text: &str) -> Value {
    cell.ingest("files", "thing", text).succeeds()
}

#[test]
fn a_worker_on_another_host_works_for_its_cell_until_one_of_them_ends_and_again_after() {
    let mut cell = Cell::new("jsonl");
    let host = Host::new();
    cell.cell.run(&["connect", "jsonl", "files"]).succeeds();
    let invitation = cell.invite("invitation.json");
    let worker = host.joins(&cell, text(&invitation), &[]);
    let first = worker.processes["worker/jsonl"];

    // More than goes through at once, and to the last byte.
    let line = |number: usize| format!("{{\"id\":\"{number}\",\"text\":\"{}\"}}\n", "a".repeat(900));
    let lines: String = (0..5_000).map(line).collect();
    let done = ingests(&cell.cell, &lines);
    assert_eq!(done["kinds"]["thing"]["added"], 5_000, "{done}");
    let shown = cell.cell.run(&["item", "show", "files", "thing", "4999"]);
    assert_eq!(shown.stdout, line(4_999).as_bytes());
    cell.cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    let exported =
        String::from_utf8(cell.cell.export("files")[&PathBuf::from("thing.jsonl")].clone()).unwrap();
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert!(sorted(&exported) == sorted(&lines));

    // Its process is replaced where it dies, and proves anew who it is.
    kill(first, Signal::SIGKILL).unwrap();
    ingests(&cell.cell, "{\"id\":\"1\",\"text\":\"new\"}\n");
    assert!(!is_there(first));

    // The host goes down, and comes up by itself: without an invitation.
    worker.told(Signal::SIGTERM);
    assert_eq!(worker.ends().code, Some(0));
    let refused = cell.cell.run(&["item", "show", "files", "thing", "1"]);
    assert_eq!(refused.code, Some(8), "nobody is there: {}", refused.stderr);
    let worker = Up::started(host.command(&cell, &[]));
    cell.cell.run(&["item", "show", "files", "thing", "1"]).succeeds();

    // So does the cell, while the host stays.
    cell.ends();
    cell.starts();
    ingests(&cell.cell, "{\"id\":\"2\",\"text\":\"newer\"}\n");
    assert_eq!(worker.processes.len(), 1);

    cell.cell.run(&["trail", "verify"]).succeeds();
    assert_eq!(count(&cell.cell, "host.join"), 1);
    let listed = cell.cell.run(&["host", "list"]).succeeds();
    assert_eq!(listed["hosts"][0]["role"], "worker/jsonl", "{listed}");
    drop(worker);
}

#[test]
fn a_shop_is_backed_up_and_restored_from_another_host_and_each_request_is_in_the_log() {
    let mut cell = Cell::new("shopify");
    let (host, shop) = (Host::new(), Shop::tiny());
    let port = url_port(shop.url());
    let invitation = cell.invite("invitation.json");
    let worker = host.joins(&cell, text(&invitation), &["--reaching", &port.to_string()]);
    shop.connect(&cell.cell, "shop").succeeds();
    cell.cell.run(&["backup", "shop"]).succeeds();
    let product = shop.products().remove(0);
    shop.retitle(&product, "spoilt");
    cell.cell.run(&["backup", "shop"]).succeeds();
    let plan = cell.cell.path("plan.json");
    cell.cell
        .run(&["restore", "plan", "shop", "--at", "1", "--kind", "product", "--out", text(&plan)])
        .succeeds();
    cell.cell.run(&["restore", "apply", text(&plan)]).succeeds();
    let title = shop.running.dump()["Product"][&product]["title"].clone();
    assert_ne!(title, json!("spoilt"));

    let requests = usize::try_from(shop.stats().requests).unwrap();
    worker.told(Signal::SIGTERM);
    worker.ends();
    // All that it has recorded was brought before it ended.
    cell.cell.run(&["trail", "verify"]).succeeds();
    let listed =
        cell.cell.run(&["trail", "list", "--last", "2000", "--operation", "platform.request"]).succeeds();
    let events = listed["events"].as_array().unwrap();
    let of_host = |event: &&Value| {
        event["event"]["metadata"]["log_name"].as_str().unwrap().starts_with("worker-shopify-")
    };
    assert_eq!(events.iter().filter(of_host).count(), events.len());
    assert!(
        events.len() >= requests.saturating_sub(5) && events.len() > 20,
        "{} of {requests}",
        events.len()
    );
    cell.ends();
}

fn url_port(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap()
}

#[test]
fn an_invitation_lets_one_host_in_once() {
    let mut cell = Cell::new("jsonl");
    cell.cell.run(&["connect", "jsonl", "files"]).succeeds();
    let invitation = cell.invite("invitation.json");
    let (host, other) = (Host::new(), Host::new());
    let worker = host.joins(&cell, text(&invitation), &[]);
    // Said again, by somebody who has copied it.
    other.is_kept_out(&cell, text(&invitation)).refuses(5, &["used already", "caretaker host invite"]);
    assert!(!other.home().join("host/host.json").exists());
    host.is_kept_out(&cell, text(&invitation)).refuses(7, &["already"]);
    ingests(&cell.cell, "{\"id\":\"1\"}\n");
    drop(worker);

    // For another platform; no invitation at all; of another format.
    let next = cell.invite("next.json");
    let shopify = Command::new(env!("CARGO_BIN_EXE_caretaker"))
        .args([
            "--json",
            "--dir",
            text(&other.home()),
            "worker",
            "--platform",
            "shopify",
            "--join",
            text(&next),
        ])
        .args(["--listen", &cell.there.to_string()])
        .output()
        .unwrap();
    Answer::from(shopify).refuses(2, &["is for the worker/jsonl"]);
    let none = cell.cell.file("none.json", "{}");
    other.is_kept_out(&cell, &none).refuses(2, &["no invitation"]);
    let newer = std::fs::read_to_string(&next).unwrap().replace("\"format\": 1", "\"format\": 2");
    let newer = cell.cell.file("newer.json", newer);
    other.is_kept_out(&cell, &newer).refuses(2, &["format 2"]);
    // It is written over nothing, and for no role that must not be elsewhere.
    cell.cell.run(&["host", "invite", "worker/jsonl", "--out", text(&next)]).refuses(2, &["exists already"]);
    let vaults = cell.cell.path("vaults.json");
    cell.cell
        .run(&["host", "invite", "vault", "--out", text(&vaults)])
        .refuses(2, &["runs where the vault does"]);
    cell.cell.run(&["host", "invite", "server", "--out", text(&vaults)]).refuses(2, &["on PostgreSQL"]);
    assert!(!vaults.exists());

    // A vault that was started again has forgotten those that were not used; the cell must run for one.
    let forgotten = cell.invite("forgotten.json");
    cell.ends();
    let outside = cell.cell.path("outside.json");
    cell.cell.run(&["host", "invite", "worker/jsonl", "--out", text(&outside)]).refuses(7, &["does not run"]);
    cell.starts();
    other.is_kept_out(&cell, text(&forgotten)).refuses(5, &["started again"]);
    let good = cell.invite("good.json");
    let _worker = other.joins(&cell, text(&good), &[]);
    ingests(&cell.cell, "{\"id\":\"2\"}\n");
    assert_eq!(count(&cell.cell, "host.join"), 4, "two that got in, and two that did not");
}

#[test]
fn each_end_makes_sure_of_the_other() {
    let cell = Cell::new("jsonl");
    cell.cell.run(&["connect", "jsonl", "files"]).succeeds();
    let invitation = cell.invite("invitation.json");
    let text_of = |path: &PathBuf| std::fs::read_to_string(path).unwrap();

    // Another cell's vault at the place of the own: the host tells it nothing.
    let foreign = Cell::new("jsonl");
    let theirs = text_of(&invitation).replace(&cell.at[0].1.to_string(), &foreign.at[0].1.to_string());
    let misled = cell.cell.file("misled.json", theirs);
    Host::new().is_kept_out(&cell, &misled).refuses(5, &["is not the vault of this cell"]);
    // And another authority's word for the own one.
    let other: Value = serde_json::from_str(&text_of(&foreign.invite("theirs.json"))).unwrap();
    let own: Value = serde_json::from_str(&text_of(&invitation)).unwrap();
    let forged = text_of(&invitation)
        .replace(own["authority"].as_str().unwrap(), other["authority"].as_str().unwrap());
    let forged = cell.cell.file("forged.json", forged);
    Host::new().is_kept_out(&cell, &forged).refuses(5, &["is not the vault of this cell"]);
    // Nobody is there: that is another matter.
    let nobody = text_of(&invitation).replace(&cell.at[0].1.to_string(), &free(1).to_string());
    let nobody = cell.cell.file("nobody.json", nobody);
    Host::new().is_kept_out(&cell, &nobody).refuses(8, &["cannot be reached"]);

    // None of it has used the invitation up.
    let host = Host::new();
    let worker = host.joins(&cell, text(&invitation), &[]);
    ingests(&cell.cell, "{\"id\":\"1\"}\n");
    // A host's files with another key: the vault knows no such host.
    worker.told(Signal::SIGTERM);
    worker.ends();
    let (thief, spare) = (Host::new(), Host::new());
    let made = cell.invite("spare.json");
    drop(spare.joins(&cell, text(&made), &[]));
    let id = cell.cell.run(&["host", "list"]).succeeds()["hosts"][1]["id"].as_str().unwrap().to_owned();
    cell.cell.run(&["host", "remove", &id]).succeeds();
    std::fs::create_dir(thief.home()).unwrap();
    crate::cell::copy_folder(&host.home(), &thief.home());
    std::fs::copy(spare.home().join("host/host.key"), thief.home().join("host/host.key")).unwrap();
    let kept_out: Answer = thief.command(&cell, &[]).output().unwrap().into();
    kept_out.refuses(5, &["is not of the cell"]);
    cell.cell.run(&["host", "remove", &id]).refuses(6, &["there is no host"]);
    let worker = Up::started(host.command(&cell, &[]));
    ingests(&cell.cell, "{\"id\":\"2\"}\n");
    drop(worker);
}

/// What listens is spoken to by nobody who does not prove who they are: in the clear, with nothing, with garbage.
#[test]
fn whoever_comes_from_the_network_and_proves_nothing_hears_nothing() {
    let cell = Cell::new("jsonl");
    let host = Host::new();
    let invitation = cell.invite("invitation.json");
    let _worker = host.joins(&cell, text(&invitation), &[]);
    let mut places = cell.at.clone();
    places.push(("worker", cell.there));
    for (role, address) in places {
        for said in [
            &b"POST /vault.versions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"{\"public\":\"AAAA\"}\n",
            &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0],
            &[0; 4096],
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream.write_all(said).unwrap();
            let mut heard = Vec::new();
            // A reset is an answer too.
            let _ = stream.read_to_end(&mut heard);
            // An alert of TLS, and no more.
            assert!(
                heard.len() <= 7 && heard.first().is_none_or(|first| *first == 0x15),
                "{role}: {heard:?}"
            );
        }
    }
    assert!(comes(|| count(&cell.cell, "peer.refuse") >= 15), "{}", count(&cell.cell, "peer.refuse"));
    cell.cell.run(&["connect", "jsonl", "files"]).succeeds();
    ingests(&cell.cell, "{\"id\":\"1\"}\n");
}

#[test]
fn where_others_are_found_is_said_whole_or_not_at_all() {
    let cell = TestCell::new();
    let refused = |words: &[&str], why: &str| cell.run(&[&["up"], words].concat()).refuses(2, &[why]);
    refused(&["--at", "vault=127.0.0.1:7101"], "calls the server too");
    refused(&["--elsewhere", "worker/jsonl=127.0.0.1:7104"], "calls the vault too");
    refused(&["--at", "worker/jsonl=127.0.0.1:7104"], "look for the vault");
    refused(&["--elsewhere", "vault=127.0.0.1:7104"], "run elsewhere");
    refused(&["--at", "vault=0.0.0.0:7101"], "nobody is found at");
    refused(&["--at", "vault=localhost:7101"], "is no address");
    refused(&["--at", "nobody=127.0.0.1:7101"], "is no role");
    refused(&["--at", "vault=127.0.0.1:7101", "--at", "vault=127.0.0.1:7102"], "two places");
    // Where somebody else listens already.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut words = Vec::new();
    for role in ["vault", "server", "monitor"] {
        let address = if role == "monitor" { taken.local_addr().unwrap() } else { free(1) };
        words.extend(["--at".to_owned(), format!("{role}={address}")]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    cell.run(&[&["up"], &words[..]].concat()).refuses(1, &["nobody can be heard at"]);
    let up = Up::of(&cell);
    assert!(up.processes.values().copied().all(is_there));
}

/// Certificates are short, and a host gets its next ones by itself; one that was taken out gets none.
#[test]
fn a_host_gets_certificates_as_long_as_it_is_one() {
    let cell =
        TestCell::none_yet(tempfile::tempdir().unwrap()).with("CARETAKER_TEST_CERTIFICATE_SECONDS", "4");
    let cell = Cell::with("jsonl", cell);
    cell.cell.run(&["connect", "jsonl", "files"]).succeeds();
    let mut host = Host::new();
    host.environment.push(("CARETAKER_TEST_CERTIFICATE_SECONDS", "4".to_owned()));
    let invitation = cell.invite("invitation.json");
    let worker = host.joins(&cell, text(&invitation), &[]);
    let issued = || {
        let listed =
            cell.cell.run(&["trail", "list", "--last", "500", "--operation", "certificate.issue"]).succeeds();
        let of_host = |event: &&Value| {
            event["event"]["status_detail"].as_str().is_some_and(|told| told.starts_with("host "))
        };
        listed["events"].as_array().unwrap().iter().filter(of_host).count()
    };
    assert!(comes(|| {
        ingests(&cell.cell, "{\"id\":\"1\"}\n");
        issued() >= 4
    }));
    let id = cell.cell.run(&["host", "list"]).succeeds()["hosts"][0]["id"].as_str().unwrap().to_owned();
    cell.cell.run(&["host", "remove", &id]).succeeds();
    assert!(
        comes(|| cell.cell.ingest("files", "thing", "{\"id\":\"1\"}\n").code != Some(0)),
        "its last has ended"
    );
    assert!(is_there(Pid::from_raw(i32::try_from(worker.id()).unwrap())));
}

#[test]
fn a_monitor_on_another_host_has_the_log_of_its_cell() {
    let cell = TestCell::with_jsonl("files");
    let (vault, server, there) = (free(1), free(1), free(2));
    let at = [format!("vault={vault}"), format!("server={server}"), format!("monitor={there}")];
    let starts = || {
        let mut up = cell.command(&["up", "--at", &at[0], "--at", &at[1], "--elsewhere", &at[2]]);
        up.stderr(Stdio::null());
        Up::started(up)
    };
    ingests(&cell, "{\"id\":\"1\"}\n");
    let kept = cell.run(&["trail", "checkpoint"]).succeeds();
    let kept = cell.file("checkpoint", kept["checkpoint"].as_str().unwrap());

    // It is not there yet: what is recorded waits for it, and nobody else.
    let up = starts();
    assert!(!up.processes.contains_key("monitor"));
    ingests(&cell, "{\"id\":\"2\"}\n");
    cell.run(&["trail", "verify"]).refuses(1, &["the monitor cannot be reached"]);
    let invitation = cell.path("invitation.json");
    cell.run(&["host", "invite", "monitor", "--out", text(&invitation)]).succeeds();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let monitor = |words: &[&str]| {
        let mut monitor = binary();
        monitor.args(["--json", "--dir", text(&home), "monitor"]).args(words).stderr(Stdio::piped());
        monitor
    };
    // The log is where it has begun, and nothing begins another.
    let there = there.to_string();
    let joins: Answer = monitor(&["--join", text(&invitation), "--listen", &there]).output().unwrap().into();
    joins.refuses(2, &["the trail's log is not on this host yet", "trail/log"]);
    crate::cell::copy_folder(&cell.home().join("trail/log"), &home.join("trail/log"));
    let running = Up::started(monitor(&[]));
    let first = running.processes["monitor"];
    assert_eq!(crate::powers::name(first), "caretaker-watch");

    let verifies = |expected: usize| {
        let verified = cell.run(&["trail", "verify", "--since", &kept]).succeeds();
        let sources: Vec<&String> = verified["sources"].as_object().unwrap().keys().collect();
        assert_eq!(sources, ["cell", "server", "vault"], "as recorded on the other host");
        assert_eq!(count(&cell, "snapshot.ingest"), expected * 2, "each has a beginning and an end");
    };
    ingests(&cell, "{\"id\":\"3\"}\n");
    verifies(3);
    // It is published by commands, which read it there.
    cell.run(&["trail", "checkpoint"]).succeeds();
    let proof = cell.run(&["trail", "prove", "vault-1"]).succeeds();
    assert!(proof["proof"].as_str().unwrap().contains("c2sp.org/tlog-proof"), "{proof}");
    cell.run(&["trail", "prove", "--since", &kept]).succeeds();
    let logs = crate::cell::contents(&cell.home().join("store/trail"));
    assert!(logs.keys().any(|path| path.ends_with("checkpoint")), "{:?}", logs.keys());

    // Its process is replaced where it dies.
    kill(first, Signal::SIGKILL).unwrap();
    ingests(&cell, "{\"id\":\"4\"}\n");
    verifies(4);

    // Its host goes down, and then the cell: commands go on, and what they record waits.
    running.told(Signal::SIGTERM);
    assert_eq!(running.ends().code, Some(0));
    ingests(&cell, "{\"id\":\"5\"}\n");
    drop(up);
    ingests(&cell, "{\"id\":\"6\"}\n");
    cell.run(&["trail", "list"]).refuses(8, &["the trail's log is on another host"]);
    cell.run(&["up"]).refuses(7, &["the trail's log is on another host", "--elsewhere monitor="]);
    let (_up, _running) = (starts(), Up::started(monitor(&[])));
    ingests(&cell, "{\"id\":\"7\"}\n");
    verifies(7);
    // By that word nobody starts it on the vault's own machine.
    cell.run(&["monitor"]).refuses(2, &["is started by the command that needs it"]);
}
