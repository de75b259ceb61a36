//! Powers that are separate: what the process of a command has, and what each of the cell's own processes has.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::shopify::Settings;

use crate::cell::{Answer, TestCell, running_until};
use crate::shop::Shop;

/// An ingest that has opened its data key and waits for records.
pub(crate) struct Waiting {
    cell: TestCell,
    command: Child,
    /// The cell's processes, as a list of processes names them.
    processes: BTreeMap<String, Pid>,
}

pub(crate) const VAULT: &str = "caretaker-vault";
pub(crate) const SERVER: &str = "caretaker-serve";
pub(crate) const MONITOR: &str = "caretaker-watch";
pub(crate) const WORKER: &str = "caretaker-work";

pub(crate) fn children(of: u32) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).unwrap();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok());
    let text: String = lists.collect();
    text.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// What a list of processes calls it.
pub(crate) fn name(pid: Pid) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim().to_owned()
}

/// A process that a command or a cell has, by its name.
pub(crate) fn child_of(of: u32, named: &str) -> Option<Pid> {
    children(of).into_iter().find(|process| name(*process) == named)
}

/// Has the worker of a command stand still that works on a cell, until it is woken or replaced, which takes a while
/// ([`crate::silent::BEAT`]). It has nothing then for which other commands wait: that of its events' journal is locked while
/// one is written.
pub(crate) fn stand_still(cell: &TestCell, command: &mut Child) -> Pid {
    let worker = child_of(command.id(), WORKER).unwrap();
    let journals = std::fs::read_dir(cell.home().join("trail/journal")).unwrap();
    let locks = journals.filter_map(|journal| std::fs::metadata(journal.unwrap().path().join("lock")).ok());
    let locks: Vec<String> = locks.map(|lock| format!(":{} ", lock.ino())).collect();
    let holds = |line: &str| {
        line.contains(&format!(" {worker} ")) && locks.iter().any(|lock| line.contains(lock.as_str()))
    };
    assert!(running_until(command, || {
        kill(worker, Signal::SIGSTOP).unwrap();
        let still = || std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap().contains(") T ");
        while !still() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let lets_others = !std::fs::read_to_string("/proc/locks").unwrap().lines().any(holds);
        if !lets_others {
            kill(worker, Signal::SIGCONT).unwrap();
        }
        lets_others
    }));
    worker
}

pub(crate) fn is_there(pid: Pid) -> bool {
    // One that has ended, and that nobody has waited for yet, is there no more.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

/// How often a data key was made or opened, as far as it is in the journals still.
fn keys_used(cell: &TestCell) -> usize {
    let is_one = |event: &serde_json::Value| {
        let code = &event["metadata"]["event_code"];
        code == "data_key.create" || code == "data_key.open"
    };
    cell.journal().iter().filter(|event| is_one(event)).count()
}

impl Waiting {
    fn new() -> Self {
        Self::on(TestCell::with_jsonl("files"))
    }

    /// On the connection `files` of a cell.
    pub(crate) fn on(cell: TestCell) -> Self {
        let before = keys_used(&cell);
        let mut command = cell.command(&["ingest", "files", "--kind", "thing", "--id", "/id", "-"]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = piped.spawn().unwrap();
        assert!(running_until(&mut command, || keys_used(&cell) > before));
        let named = |pid: Pid| (name(pid), pid);
        let processes: BTreeMap<_, _> = children(command.id()).into_iter().map(named).collect();
        assert!(processes.keys().eq([SERVER, VAULT, MONITOR, WORKER]), "{processes:?}");
        Self { cell, command, processes }
    }

    pub(crate) fn kill(&self, process: &str) {
        kill(self.process(process), Signal::SIGKILL).unwrap();
    }

    pub(crate) fn process(&self, process: &str) -> Pid {
        self.processes[process]
    }

    /// Gives it records. It waits for more then.
    fn given(&mut self, lines: &[u8]) {
        self.command.stdin.as_mut().unwrap().write_all(lines).unwrap();
        // A pipe that holds nothing was read.
        let left = || rustix::io::ioctl_fionread(self.command.stdin.as_ref().unwrap()).unwrap();
        assert!((0..1_000).any(|_| left() == 0 || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }));
    }

    pub(crate) fn ends(mut self) -> (TestCell, Answer) {
        self.command.stdin.take().unwrap().write_all(b"{\"id\":\"1\"}\n").unwrap();
        (self.cell, self.command.wait_with_output().unwrap().into())
    }
}

/// The keys of a cell's vault by their names, as another program reads them.
pub(crate) fn keys(cell: &TestCell) -> BTreeMap<String, Vec<u8>> {
    let python = std::env::var("CARETAKER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/keys.py");
    let passphrase = std::fs::read_to_string(cell.passphrase()).unwrap();
    let output =
        Command::new(python).arg(script).arg(cell.home()).arg(passphrase.trim_end()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let line = |line: &str| {
        let (name, key) = line.split_once(' ').unwrap();
        (name.to_owned(), key.as_bytes().chunks(2).map(byte).collect())
    };
    text.lines().map(line).collect()
}

/// Where a process may write in its memory: from and to which address, and what the kernel says of it.
fn memory(pid: Pid) -> std::io::Result<Vec<(u64, u64, String)>> {
    let mut pieces = Vec::new();
    for line in std::fs::read_to_string(format!("/proc/{pid}/smaps"))?.lines() {
        if let Some((range, rest)) = line.split_once(" rw") {
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
            pieces.push((from, to, rest.to_owned()));
        } else if let (Some(flags), Some((.., told))) = (line.strip_prefix("VmFlags: "), pieces.last_mut()) {
            // Those of a piece that is only read come to the one before, and change nothing.
            if !told.ends_with(" told") {
                *told = format!("{flags} told");
            }
        }
    }
    Ok(pieces)
}

/// A page on which nothing was ever written.
const EMPTY: [u8; 4096] = [0; 4096];

/// Which of some texts occur in what a process can write to in its memory, as far as `counts` says of the kernel's flags for it.
fn held(
    pid: Pid,
    keys: &BTreeMap<String, Vec<u8>>,
    counts: impl Fn(&str) -> bool,
) -> std::io::Result<Vec<&str>> {
    let bytes = File::open(format!("/proc/{pid}/mem"))?;
    let mut found = Vec::new();
    // By their first bytes.
    let mut starts = vec![Vec::new(); 256];
    for (name, key) in keys {
        starts[usize::from(key[0])].push((name.as_str(), key));
    }
    for (from, to, flags) in memory(pid)? {
        if !counts(&flags) {
            continue;
        }
        let mut piece = vec![0; usize::try_from(to - from).unwrap()];
        // Pages that were never touched may not be there.
        let Ok(read) = bytes.read_at(&mut piece, from) else { continue };
        piece.truncate(read);
        // Most pages hold nothing: the system compares them faster than this looks at each byte.
        let pages = piece.chunks(EMPTY.len()).enumerate().filter(|(_, page)| *page != &EMPTY[..page.len()]);
        for (at, byte) in pages.flat_map(|(page, bytes)| (page * EMPTY.len()..).zip(bytes)) {
            let begin = starts[usize::from(*byte)].iter();
            found.extend(begin.filter(|(_, key)| piece[at..].starts_with(key)).map(|(name, _)| *name));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What stands in a record that is being taken.
const RECORD: &str = "a sentence of a record that one worker reads";

#[test]
fn no_process_has_keys_in_its_memory_that_are_not_for_it() {
    // A store of another platform is there too, and what it is spoken to with.
    let (cell, shop) = (TestCell::with_jsonl("files"), Shop::small());
    let title = "Twelve candles of the memory test";
    shop.retitle(&shop.products()[0], title);
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let mut waiting = Waiting::on(cell);
    let mut keys = keys(&waiting.cell);
    assert!(keys.contains_key("of-shopify") && keys.contains_key("of-jsonl"), "{:?}", keys.keys());
    keys.insert(
        "passphrase".to_owned(),
        std::fs::read(waiting.cell.passphrase()).unwrap().trim_ascii().into(),
    );
    keys.insert("token".to_owned(), shop.running.access_token.clone().into_bytes());
    // What a record says, of either platform: one is stored, of the other the worker has just read it.
    keys.insert("record-of-shopify".to_owned(), title.into());
    keys.insert("record-of-jsonl".to_owned(), RECORD.into());
    waiting.given(format!("{{\"id\":\"0\",\"text\":\"{RECORD}\"}}\n").as_bytes());
    let command = Pid::from_raw(i32::try_from(waiting.command.id()).unwrap());
    // The vault is the control, and the worker: they are found where they are. The passphrase was wiped once it had opened the
    // vault, and what the vault has opened for others once they had it.
    let all = ["authority", "credentials-1", "data-1", "grants", "log", "witness"];
    for (process, expected) in [
        (command, &[][..]),
        (waiting.processes[SERVER], &[]),
        (waiting.processes[MONITOR], &["log"]),
        (waiting.processes[WORKER], &["of-jsonl", "record-of-jsonl"]),
        (waiting.processes[VAULT], &all),
    ] {
        let held_there = held(process, &keys, |_| true);
        if rustix::process::geteuid().is_root() {
            assert_eq!(held_there.unwrap(), expected, "{process} of {:?}", waiting.processes);
        } else {
            assert!(held_there.is_err());
        }
    }
    if rustix::process::geteuid().is_root() {
        // Those that open anything are only in memory that is locked (`lo`) and kept out of dumps (`dd`) and forks (`dc`); those that
        // sign are also where the cryptographic library has them.
        let is_kept =
            |flags: &str| ["lo", "dd", "dc"].iter().all(|flag| flags.split(' ').any(|own| own == *flag));
        let elsewhere = held(waiting.processes[VAULT], &keys, |flags| !is_kept(flags)).unwrap();
        let open = ["credentials-1", "data-1", "grants"];
        assert!(elsewhere.iter().all(|name| !open.contains(name)), "{elsewhere:?}");
    }
    waiting.ends().1.succeeds();
}

#[test]
fn the_processes_end_with_the_command_that_needs_them() {
    let waiting = Waiting::new();
    let processes = waiting.processes.clone();
    assert!(processes.values().copied().all(is_there));
    let (cell, answer) = waiting.ends();
    answer.succeeds();
    assert!(!processes.values().copied().any(is_there), "they are gone before the command is");

    let mut killed = Waiting::new();
    killed.command.kill().unwrap();
    killed.command.wait().unwrap();
    // Whoever comes next and must be alone waits for the vault.
    killed.cell.run(&["vault", "rotate"]).succeeds();
    killed.cell.run(&["vault", "rewrap"]).succeeds();
    killed.cell.run(&["vault", "retire"]).succeeds();
    assert!(!killed.processes.values().copied().any(is_there));
    cell.run(&["trail", "verify"]).succeeds();
    killed.cell.run(&["trail", "verify"]).succeeds();
}

/// How often the cell's vault was opened.
fn openings(cell: &TestCell) -> usize {
    let opened = |event: &serde_json::Value| event["metadata"]["event_code"] == "vault.open";
    let listed = cell.run(&["trail", "list", "--last", "500"]).succeeds();
    listed["events"].as_array().unwrap().iter().filter(|event| opened(&event["event"])).count()
}

#[test]
fn a_process_that_dies_is_started_again_and_nobody_notices() {
    for (process, again) in [(VAULT, 1), (SERVER, 0), (MONITOR, 0)] {
        let waiting = Waiting::new();
        waiting.kill(process);
        let (cell, answer) = waiting.ends();
        answer.succeeds();
        cell.run(&["verify", "files", "--all-bytes"]).succeeds();
        cell.run(&["trail", "verify"]).succeeds();
        // Each of the five commands, and once more where it was the vault.
        assert_eq!(openings(&cell), 5 + again, "{process}");
    }
}

#[test]
fn a_vault_that_cannot_be_started_again_ends_its_command_and_nothing_is_lost() {
    let waiting = Waiting::new();
    let (passphrase, aside) = (waiting.cell.passphrase(), waiting.cell.path("aside"));
    std::fs::rename(&passphrase, &aside).unwrap();
    waiting.kill(VAULT);
    let (cell, answer) = waiting.ends();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("the vault cannot be reached"), "{answer:?}");
    std::fs::rename(&aside, &passphrase).unwrap();
    cell.run(&["snapshot", "list", "files"]).succeeds();
    let file = cell.file("lines.jsonl", "{\"id\":\"1\"}\n");
    cell.run(&["ingest", "files", "--kind", "thing", "--id", "/id", &file]).succeeds();
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    // What the command that failed could not have vouched for is on the trail all the same.
    cell.run(&["trail", "verify"]).succeeds();
    let listed = cell.run(&["trail", "list", "--last", "500"]).succeeds();
    assert!(listed.to_string().contains("exit code 1"), "{listed}");
}

/// So often all of its processes die under one backup at most, each time after so long.
const DEATHS: usize = 8;
const LIVES: Duration = Duration::from_millis(150);

#[test]
fn a_backup_under_which_the_processes_keep_dying_is_whole() {
    let latency = Duration::from_millis(40);
    let settings = Settings { products: 12, customers: 6, orders: 6, latency, ..Settings::default() };
    let (cell, shop) = (TestCell::new(), Shop::open(settings));
    shop.connect(&cell, "shop").succeeds();
    let mut backup = cell.command(&["backup", "shop"]);
    let mut backup = backup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut rounds, mut deaths) = (0, 0);
    while rounds < DEATHS && backup.try_wait().unwrap().is_none() {
        std::thread::sleep(LIVES);
        rounds += 1;
        for process in children(backup.id()) {
            deaths += usize::from(kill(process, Signal::SIGKILL).is_ok());
        }
    }
    Answer::from(backup.wait_with_output().unwrap()).succeeds();
    assert!(deaths > 0);
    println!("they died {deaths} times");
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
}

/// The sockets that a process has, as the kernel numbers them.
fn sockets(pid: Pid) -> Vec<String> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let named = descriptors.filter_map(|one| std::fs::read_link(one.unwrap().path()).ok());
    let text =
        named.filter_map(|to| to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned));
    text.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[test]
fn nobody_else_finds_anything_to_connect_to() {
    let waiting = Waiting::new();
    let sockets: Vec<_> = waiting.processes.values().flat_map(|process| sockets(*process)).collect();
    assert!(sockets.len() >= 2 * waiting.processes.len(), "{sockets:?}");
    // Those that listen are marked (the kernel's __SO_ACCEPTCON), and those that have a name have it at the end.
    let unix = std::fs::read_to_string("/proc/net/unix").unwrap();
    let rows: Vec<Vec<&str>> = unix.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let own: Vec<_> = rows.iter().filter(|row| sockets.iter().any(|socket| row[6] == socket)).collect();
    assert_eq!(own.len(), sockets.len(), "all of them are pairs within this machine");
    assert!(own.iter().all(|row| row[3] == "00000000" && row.len() == 7), "{own:?}");
    // The control: one that listens is marked so.
    let folder = tempfile::tempdir().unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let unix = std::fs::read_to_string("/proc/net/unix").unwrap();
    let name = folder.path().join("socket").display().to_string();
    assert!(unix.lines().any(|line| line.ends_with(&name) && line.contains(" 00010000 ")));
    drop(listener);
    waiting.ends().1.succeeds();
}

#[test]
fn the_processes_are_nothing_for_people() {
    let cell = TestCell::new();
    for word in ["vault", "serve", "monitor", "work"] {
        cell.run(&[word]).refuses(2, &["caretaker vault status"]);
    }
    cell.run(&["vault", "status"]).succeeds();
}
