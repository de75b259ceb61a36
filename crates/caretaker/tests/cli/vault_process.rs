//! The vault's process, started as a command starts it, by somebody who means no good or makes mistakes.

use std::fs::File;
use std::io::{IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, DataKeys as _, KeyError, Role};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
    socketpair,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use transport::{Channel, Dial, Identities, Stream, enrol};
use vault::system::{SystemClock, SystemRng};
use vault::{Client, OperatorKey, VaultErrorKind};

use crate::cell::{TestCell, binary};

/// The process, and the socket over which it is told what to do.
pub(crate) struct Started {
    child: Child,
    control: OwnedFd,
}

impl Started {
    pub(crate) fn new() -> Self {
        Self::by_word("vault")
    }

    /// The process that this word starts.
    fn by_word(word: &str) -> Self {
        let (control, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let mut vault = binary();
        vault.arg(word).stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: vault.spawn().unwrap(), control }
    }

    pub(crate) fn tell(&self, message: &Value, descriptor: Option<BorrowedFd<'_>>) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.as_slice();
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        let bytes = serde_json::to_vec(message).unwrap();
        sendmsg(&self.control, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL).unwrap();
    }

    pub(crate) fn hears(&self) -> Value {
        let mut bytes = [0; 16 * 1024];
        let read = File::from(self.control.try_clone().unwrap()).read(&mut bytes).unwrap();
        serde_json::from_slice(&bytes[..read]).unwrap_or(Value::Null)
    }

    fn open(&self, cell: &TestCell, passphrase: &[u8]) -> Value {
        self.open_with(cell, passphrase, true)
    }

    /// Has it open the vault of a cell, within walls or without.
    pub(crate) fn open_with(&self, cell: &TestCell, passphrase: &[u8], walls: bool) -> Value {
        let file = cell.file("handed-over", passphrase);
        let file = File::open(file).unwrap();
        let open = json!({ "begin": { "dir": cell.home(), "region": "local", "alone": false, "asks": false, "passphrase": "handed-over", "walls": walls } });
        self.tell(&open, Some(file.as_fd()));
        self.hears()
    }

    /// Another process of the cell, which gets its sockets from this vault. The answer is how it began.
    pub(crate) fn beside(&self, word: &str, role: &str, cell: &TestCell, walls: bool) -> (Self, Value) {
        self.beside_with((word, role), cell, walls, &json!({}))
    }

    /// The same, which is told more to begin with. Of a public endpoint it gets a socket that listens, and no file.
    pub(crate) fn beside_with(
        &self,
        (word, role): (&str, &str),
        cell: &TestCell,
        walls: bool,
        more: &Value,
    ) -> (Self, Value) {
        let started = Self::by_word(word);
        let platform = role.split_once('/').map_or("jsonl", |(_, platform)| platform);
        let of_a_worker = json!({ "format": 1, "region": "local" });
        let file = std::fs::read(cell.home().join("cell.json")).unwrap();
        let catalog = &serde_json::from_slice::<Value>(&file).unwrap()["catalog"];
        let acme = json!({ "directory": "https://localhost:1/dir", "ca_file": null, "contact": null });
        let mut begin = json!({
            "dir": cell.home(), "region": "local", "by_itself": false, "walls": walls, "platform": platform, "cell": of_a_worker, "ports": [], "far": false,
            "url": "https://caretaker.example", "acme": acme, "catalog": catalog,
        });
        for (name, value) in more.as_object().unwrap() {
            begin[name] = value.clone();
        }
        started.tell(&json!({ "begin": begin }), None);
        loop {
            let heard = started.hears();
            let Some(ask) = heard.get("ask") else { return (started, heard) };
            if let Some(part) = ask["what"].get("public") {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                listener.set_nonblocking(true).unwrap();
                let number = &ask["number"];
                match part.as_str() {
                    Some("listener") => {
                        started.tell(&json!({ "given": { "number": number } }), Some(listener.as_fd()));
                    }
                    _ => started.tell(&json!({ "withheld": { "number": number, "why": "none" } }), None),
                }
                continue;
            }
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let message = match ask["what"].as_str() {
                Some("certificate") => json!({ "enrol": { "role": role } }),
                _ => json!("connect"),
            };
            self.tell(&message, Some(theirs.as_fd()));
            started.tell(&json!({ "given": { "number": ask["number"] } }), Some(ours.as_fd()));
        }
    }

    pub(crate) fn opened(cell: &TestCell) -> Arc<Self> {
        let started = Self::new();
        let answer = started.open(cell, &std::fs::read(cell.passphrase()).unwrap());
        assert!(answer["begun"].is_object(), "{answer}");
        Arc::new(started)
    }

    fn pair(&self, message: &Value) -> UnixStream {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        self.tell(message, Some(theirs.as_fd()));
        ours.set_nonblocking(true).unwrap();
        UnixStream::from_std(ours).unwrap()
    }

    fn connect(&self) -> UnixStream {
        self.pair(&json!("connect"))
    }

    /// Who somebody is who asks for a certificate as that role.
    pub(crate) async fn enrol(&self, role: &str) -> Result<Identities, enrol::EnrolError> {
        let asked = enrol::ask(self.pair(&json!({ "enrol": { "role": role } }))).await;
        asked.map(|(identity, _)| Identities::new(identity))
    }

    pub(crate) fn ends(self) -> ExitStatus {
        let Self { mut child, control } = self;
        drop(control);
        child.wait().unwrap()
    }
}

pub(crate) struct Way(pub(crate) Arc<Started>);

impl Dial for Way {
    fn dial(&self) -> BoxFuture<'_, std::io::Result<Box<dyn Stream>>> {
        std::future::ready(Ok(Box::new(self.0.connect()) as Box<dyn Stream>)).boxed()
    }
}

fn client(started: &Arc<Started>, identities: Identities) -> Client {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let channel = Channel::new(Role::Vault, identities, Way(Arc::clone(started)), Arc::clone(&clock));
    Client::over(Arc::new(channel), clock, Arc::new(SystemRng))
}

fn codes(cell: &TestCell) -> Vec<String> {
    let code = |event: &Value| event["metadata"]["event_code"].as_str().unwrap().to_owned();
    cell.journal().iter().map(code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_who_may_connect_is_refused_and_that_is_on_the_record() {
    let cell = TestCell::new();
    let started = Started::opened(&cell);

    // Any program would be answered so: without a certificate, nothing.
    let mut plain = started.connect();
    plain
        .write_all(b"POST /vault.versions HTTP/1.1\r\nhost: vault\r\ncontent-length: 2\r\n\r\n{}")
        .await
        .unwrap();
    let mut heard = Vec::new();
    let _ = plain.read_to_end(&mut heard).await;
    assert!(!String::from_utf8_lossy(&heard).contains("data"), "{heard:?}");

    // The server has a certificate of the cell, and no way to the vault yet.
    let server = client(&started, started.enrol("server").await.unwrap());
    let refused = server.key_versions().await.unwrap_err();
    assert_eq!(refused.kind(), VaultErrorKind::Refused, "{refused}");
    // Whoever is refused is not told more by waiting: the record may come a moment later.
    let refusals = || codes(&cell).iter().filter(|code| *code == "peer.refuse").count();
    for _ in 0..1_000 {
        if refusals() >= 2 {
            break;
        }
        SystemClock.sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(refusals(), 2);

    assert!(matches!(started.enrol("nobody").await, Err(enrol::EnrolError::Refused(_))));

    // The control: a command is answered, and gets what it signs in for.
    let command = client(&started, started.enrol("command").await.unwrap());
    assert_eq!(command.key_versions().await.unwrap().newest(), (1, 1));
    let operator = command.sign_in(OperatorKey::read(&cell.home()).unwrap()).await.unwrap();
    let scope = domain::Scope {
        tenant: "default".parse().unwrap(),
        region: "local".parse().unwrap(),
        platform: "jsonl".parse().unwrap(),
        connection: "files".parse().unwrap(),
    };
    let ttl = vault::GRANT_TTL_MAX;
    let actions = [domain::Action::Backup];
    let grant = operator.grant(&scope, &actions, "test", ttl).await.unwrap();
    // Keys are for the worker of that platform: neither for the command, whoever has signed in, nor for another worker.
    let refused = async |who: &Client, scope: &domain::Scope| match who.create(&grant, scope).await {
        Err(KeyError::Refused(why)) => why,
        other => panic!("{:?}", other.map(|made| made.wrapped)),
    };
    assert!(refused(&command, &scope).await.contains("command"));
    let (own, other) = ("worker/jsonl", "worker/shopify");
    let [own, other] =
        [started.enrol(own).await, started.enrol(other).await].map(|who| client(&started, who.unwrap()));
    assert!(refused(&other, &scope).await.contains("one-platform"));
    let pretended = domain::Scope { platform: "shopify".parse().unwrap(), ..scope.clone() };
    assert!(refused(&other, &pretended).await.contains("the grant is for"));
    let wrapped = own.create(&grant, &scope).await.unwrap().wrapped;
    own.open(&grant, &scope, &wrapped).await.unwrap();
    assert!(other.open(&grant, &scope, &wrapped).await.is_err());
    // A worker has nobody signed in, and no grants of its own making.
    assert!(own.sign_in(OperatorKey::read(&cell.home()).unwrap()).await.is_err());
    let journal = cell.journal();
    let decided = |code: &str, outcome: &str, policy: &str| {
        journal.iter().any(|event| {
            let by = event["actor"]["authorizations"].as_array().into_iter().flatten();
            event["metadata"]["event_code"] == code
                && by.clone().any(|one| one["policy"]["name"] == policy && one["decision"] == outcome)
        })
    };
    assert!(decided("data_key.open", "Granted", "worker-data-keys"));
    assert!(decided("data_key.open", "Refused", "one-platform"));
    assert!(decided("grant.give", "Granted", "command-asks") && decided("grant.give", "Granted", "owners"));

    drop((command, operator, own, other, server));
    let started = Arc::into_inner(started).unwrap();
    assert!(started.ends().success());
}

#[test]
fn a_vault_that_cannot_be_opened_says_why_and_ends() {
    let cell = TestCell::new();
    let started = Started::new();
    let failed = started.open(&cell, b"another passphrase");
    assert_eq!(failed["failed"]["kind"], "refused", "{failed}");
    assert!(failed["failed"]["text"].as_str().unwrap().contains("passphrase"), "{failed}");
    assert_eq!(started.ends().code(), Some(1));
    assert_eq!(codes(&cell).last().unwrap(), "vault.open", "that somebody tried is on the record");

    let started = Started::new();
    let failed = started.open(&cell, b"");
    assert!(failed["failed"]["text"].as_str().unwrap().contains("handed-over"), "{failed}");
    assert_eq!(started.ends().code(), Some(1));
}

#[test]
fn what_makes_no_sense_opens_nothing() {
    for nonsense in
        [json!("connect"), json!({ "enrol": { "role": "command" } }), json!(7), json!({ "begin": {} })]
    {
        let started = Started::new();
        started.tell(&nonsense, None);
        assert_eq!(started.ends().code(), Some(2), "{nonsense}");
    }
}
