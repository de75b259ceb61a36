//! What the kernel keeps the cell's processes from, and that it is the walls that keep it: without them all of it works.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
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
    _hidden: UnixListener,
    hidden: String,
    other: Child,
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
            _hidden: UnixListener::bind_addr(&address).unwrap(),
            hidden,
            other: Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap(),
            elsewhere,
        }
    }

    fn told(&self, cell: &TestCell, own: &str) -> Value {
        json!({ "try_escape": {
            "dir": cell.home(), "own": own, "elsewhere": self.elsewhere.path(), "port": self.tcp.local_addr().unwrap().port(),
            "hidden": self.hidden, "other": self.other.id(),
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
const PROCESSES: [(&str, &str, &str); 3] =
    [("vault", "vault", "vault"), ("serve", "server", "catalog"), ("monitor", "monitor", "trail")];

/// What a process could not do, with the kernel's reason, and `None` for what it could.
fn tried((word, role, own): (&str, &str, &str), walls: bool) -> BTreeMap<String, Option<i32>> {
    let (cell, around) = (TestCell::with_jsonl("files"), Around::new());
    let vault = Started::new();
    let opened = vault.open_with(&cell, &std::fs::read(cell.passphrase()).unwrap(), walls);
    let (process, begun) = match word {
        "vault" => (None, opened),
        _ => {
            let (process, begun) = vault.beside(word, role, &cell, walls);
            (Some(process), begun)
        }
    };
    assert_eq!(begun, json!({ "begun": { "missing": [] } }), "this kernel holds all of it");
    let trying = process.as_ref().unwrap_or(&vault);
    trying.tell(&around.told(&cell, own), None);
    let answer = trying.hears();
    let tried = serde_json::from_value::<Vec<(String, Option<i32>)>>(answer["tried"].clone()).unwrap();
    assert!(process.is_none_or(|process| process.ends().success()) && vault.ends().success());
    let count = tried.len();
    let tried: BTreeMap<_, _> = tried.into_iter().collect();
    assert!(count >= ATTEMPTS_MIN && tried.len() == count, "{count} attempts");
    tried
}

#[test]
fn no_process_gets_out_of_its_walls_in_a_way_that_works_without_them() {
    let refusals = [Errno::PERM, Errno::ACCESS].map(Errno::raw_os_error);
    for process in PROCESSES {
        let refused = tried(process, true);
        let is_kept = |error: &Option<i32>| error.is_some_and(|error| refusals.contains(&error));
        let out: Vec<_> = refused.iter().filter(|(_, error)| !is_kept(error)).collect();
        assert!(out.is_empty(), "{process:?}: {out:?}");

        let free = tried(process, false);
        assert!(free.keys().eq(refused.keys()));
        let kept: Vec<_> = free.iter().filter(|(_, error)| error.is_some()).collect();
        assert!(kept.is_empty(), "{process:?}: {kept:?}");
        println!("{}: {} ways out were tried", process.1, refused.len());
    }
}
