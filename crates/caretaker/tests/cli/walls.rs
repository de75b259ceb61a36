//! What the kernel keeps the cell's processes from, and that it is the walls that keep it: without them all of it works.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cell::TestCell;
use crate::vault_process::Started;

/// So many ways out are tried at least.
const ATTEMPTS_MIN: usize = 40;

/// Another user's things, as it were: all that somebody who got out would find.
struct Around {
    elsewhere: TempDir,
    tcp: TcpListener,
    _named: UnixListener,
    _datagrams: UnixDatagram,
    _hidden: UnixListener,
    hidden: String,
    other: Child,
    lists: Vec<PathBuf>,
}

impl Around {
    fn new() -> Self {
        let elsewhere = tempfile::tempdir().unwrap();
        for name in ["file", "deleted"] {
            std::fs::write(elsewhere.path().join(name), b"another's\n").unwrap();
        }
        let hidden = format!("caretaker-test-{}", elsewhere.path().file_name().unwrap().display());
        let address = SocketAddr::from_abstract_name(&hidden).unwrap();
        Self {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            _named: UnixListener::bind(elsewhere.path().join("socket")).unwrap(),
            _datagrams: UnixDatagram::bind(elsewhere.path().join("datagrams")).unwrap(),
            _hidden: UnixListener::bind_addr(&address).unwrap(),
            hidden,
            other: Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap(),
            elsewhere,
            lists: Vec::new(),
        }
    }

    fn told(&self, cell: &TestCell, own: &str, (networks, accepts): (bool, bool)) -> Value {
        json!({ "try_escape": {
            "dir": cell.home(), "own": own, "elsewhere": self.elsewhere.path(), "port": self.tcp.local_addr().unwrap().port(),
            "hidden": self.hidden, "other": self.other.id(), "networks": networks, "accepts": accepts, "lists": self.lists,
        } })
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        drop(self.other.kill());
        drop(self.other.wait());
    }
}

/// Those that there are: the word that starts it, the role that it has, and the folder of the cell that is its own.
const PROCESSES: [(&str, &str, &str); 8] = [
    ("vault", "vault", "vault"),
    ("serve", "server", "catalog"),
    ("serve", PUBLIC, "catalog"),
    ("certify", "certifier", "public"),
    ("monitor", "monitor", "trail"),
    ("work", "worker/jsonl", "store/t/jsonl"),
    ("work", "worker/shopify", "store/t/shopify"),
    ("work", "worker/bigcommerce", "store/t/bigcommerce"),
];

/// The server of a cell that has a public endpoint.
const PUBLIC: &str = "server, in public";
/// Those that have a network of a few ports.
const NETWORKS: [&str; 3] = ["certifier", "worker/shopify", "worker/bigcommerce"];

/// Which of these folders the worker of a platform cannot list, with the kernel's reason, and nothing else to keep it from that.
pub(crate) fn lists(cell: &TestCell, platform: &str, folders: &[PathBuf]) -> Vec<Option<i32>> {
    let mut around = Around::new();
    around.lists = folders.to_vec();
    let vault = Started::new();
    vault.open_with(cell, &std::fs::read(cell.passphrase()).unwrap(), true);
    let (worker, _) = vault.beside("work", &format!("worker/{platform}"), cell, true);
    worker.tell(&around.told(cell, &format!("store/t/{platform}"), (true, false)), None);
    let answer = worker.hears();
    let mut tried = serde_json::from_value::<Vec<(String, Option<i32>)>>(answer["tried"].clone()).unwrap();
    assert!(worker.ends().success() && vault.ends().success());
    tried.split_off(tried.len() - folders.len()).into_iter().map(|(_, error)| error).collect()
}

/// Puts what is another platform's into a cell.
pub(crate) fn fill(cell: &TestCell) {
    for folder in ["store/t/other", "keys/t/other", "lock/other", "scratch/other"] {
        let folder = cell.home().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("file"), b"of another platform\n").unwrap();
    }
}

fn tried(process: (&str, &str, &str), walls: bool) -> BTreeMap<String, Option<i32>> {
    let cell = TestCell::with_jsonl("files");
    fill(&cell);
    tried_in(&cell, process, NETWORKS.contains(&process.1), walls)
}

/// What a process could not do, with the kernel's reason, and `None` for what it could.
pub(crate) fn tried_in(
    cell: &TestCell,
    (word, role, own): (&str, &str, &str),
    networks: bool,
    walls: bool,
) -> BTreeMap<String, Option<i32>> {
    let around = Around::new();
    let vault = Started::new();
    let opened = vault.open_with(cell, &std::fs::read(cell.passphrase()).unwrap(), walls);
    let (process, begun) = match word {
        "vault" => (None, opened),
        _ if role == PUBLIC => {
            let certified = json!({ "files": { "certificate": "/none", "key": "/none" } });
            let given = json!({ "url": "https://caretaker.example", "listen": "127.0.0.1:0", "certified": certified });
            let more = json!({ "public": { "given": given, "at_start": false } });
            let (process, begun) = vault.beside_with((word, "server"), cell, walls, &more);
            (Some(process), begun)
        }
        _ => {
            let (process, begun) = vault.beside(word, role, cell, walls);
            (Some(process), begun)
        }
    };
    assert_eq!(begun, json!({ "begun": { "missing": [] } }), "this kernel holds all of it");
    let trying = process.as_ref().unwrap_or(&vault);
    // A cell that has its catalog on a server has no file that could be read.
    let catalog = cell.home().join("catalog/catalog.db");
    let is_elsewhere = !catalog.exists();
    if is_elsewhere {
        std::fs::write(&catalog, b"a catalog\n").unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _waits = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let told = around.told(cell, own, (networks, role == PUBLIC));
    trying.tell(&told, Some(listener.as_fd()));
    let answer = trying.hears();
    if is_elsewhere {
        std::fs::remove_file(&catalog).unwrap();
    }
    let tried = serde_json::from_value::<Vec<(String, Option<i32>)>>(answer["tried"].clone()).unwrap();
    assert!(process.is_none_or(|process| process.ends().success()) && vault.ends().success());
    let count = tried.len();
    let tried: BTreeMap<_, _> = tried.into_iter().collect();
    assert!(count >= ATTEMPTS_MIN && tried.len() == count, "{count} attempts");
    tried
}

#[test]
fn a_worker_whose_stores_are_not_there_does_not_begin() {
    let cell = TestCell::with_jsonl("files");
    let vault = Started::new();
    vault.open_with(&cell, &std::fs::read(cell.passphrase()).unwrap(), true);
    for store in ["store", "keys"] {
        let (there, aside) = (cell.home().join(store), cell.path("aside"));
        std::fs::rename(&there, &aside).unwrap();
        let (worker, begun) = vault.beside("work", "worker/jsonl", &cell, true);
        assert_eq!(begun["failed"]["kind"], "not_found", "{begun}");
        assert!(!worker.ends().success() && !there.exists(), "nothing is made in its place");
        std::fs::rename(&aside, &there).unwrap();
    }
    let (worker, begun) = vault.beside("work", "worker/jsonl", &cell, true);
    assert!(begun["begun"].is_object(), "{begun}");
    assert!(worker.ends().success() && vault.ends().success());
}

#[test]
fn no_process_gets_out_of_its_walls_in_a_way_that_works_without_them() {
    let refusals = [Errno::PERM, Errno::ACCESS].map(Errno::raw_os_error);
    // A worker gives second names to files of its own, and Landlock has a word of its own for those of others.
    let (second_name, across) = ("name a file of another in its own folder", Errno::XDEV.raw_os_error());
    for process in PROCESSES {
        let refused = tried(process, true);
        let is_kept = |name: &str, error: &Option<i32>| {
            let across = process.0 == "work" && name == second_name && *error == Some(across);
            across || error.is_some_and(|error| refusals.contains(&error))
        };
        let out: Vec<_> = refused.iter().filter(|(name, error)| !is_kept(name, error)).collect();
        assert!(out.is_empty(), "{process:?}: {out:?}");

        let free = tried(process, false);
        assert!(free.keys().eq(refused.keys()));
        let kept: Vec<_> = free.iter().filter(|(_, error)| error.is_some()).collect();
        assert!(kept.is_empty(), "{process:?}: {kept:?}");
        println!("{}: {} ways out were tried", process.1, refused.len());
    }
}
