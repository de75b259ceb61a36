//! A cell that runs: its processes, the commands that join it, and how it ends.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::Clock as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vault::system::SystemClock;

use crate::cell::{Answer, Chance, TestCell, points, running_until, text};
use crate::powers::{is_there, name};
use crate::shop::Shop;

/// A cell that runs.
pub(crate) struct Up {
    child: Child,
    /// The processes that it said it has, by their roles.
    pub(crate) processes: BTreeMap<String, Pid>,
    /// Where its public endpoint listens.
    pub(crate) listens: Option<SocketAddr>,
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

impl Up {
    pub(crate) fn of(cell: &TestCell) -> Self {
        Self::with(cell, &[])
    }

    /// The same, with more words.
    pub(crate) fn with(cell: &TestCell, words: &[&str]) -> Self {
        let mut up = cell.command(&[&["up"], words].concat());
        up.stderr(Stdio::piped());
        Self::started(up)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn started(mut up: Command) -> Self {
        let mut child = up.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(ready["ready"], true);
        let processes =
            ready["processes"].as_object().unwrap().iter().map(|(role, pid)| {
                (role.clone(), Pid::from_raw(i32::try_from(pid.as_i64().unwrap()).unwrap()))
            });
        let processes = processes.collect();
        let listens = ready["public"]["listen"].as_str().map(|address| address.parse().unwrap());
        Self { child, processes, listens }
    }

    pub(crate) fn told(&self, signal: Signal) {
        kill(pid(&self.child), signal).unwrap();
    }

    pub(crate) fn ends(mut self) -> Answer {
        let mut stderr = String::new();
        if let Some(mut piped) = self.child.stderr.take() {
            piped.read_to_string(&mut stderr).unwrap();
        }
        Answer { code: self.child.wait().unwrap().code(), stdout: Vec::new(), stderr }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Lets time pass until something holds.
pub(crate) fn comes(mut holds: impl FnMut() -> bool) -> bool {
    (0..1_000).any(|_| {
        let holds = holds();
        if !holds {
            std::thread::sleep(Duration::from_millis(10));
        }
        holds
    })
}

pub(crate) fn count(cell: &TestCell, code: &str) -> usize {
    let listed = cell.run(&["trail", "list", "--last", "500"]).succeeds();
    let of = |event: &&Value| event["event"]["metadata"]["event_code"] == code;
    listed["events"].as_array().unwrap().iter().filter(of).count()
}

#[test]
fn a_cell_that_runs_has_a_process_for_each_role_and_commands_join_it() {
    let cell = TestCell::with_jsonl("files");
    let up = Up::of(&cell);
    let named: Vec<(&str, String)> =
        up.processes.iter().map(|(role, process)| (role.as_str(), name(*process))).collect();
    let expected = [
        ("monitor", "caretaker-watch"),
        ("server", "caretaker-serve"),
        ("vault", "caretaker-vault"),
        ("worker/bigcommerce", "caretaker-work"),
        ("worker/jsonl", "caretaker-work"),
        ("worker/shopify", "caretaker-work"),
    ];
    assert_eq!(named, expected.map(|(role, name)| (role, name.to_owned())));

    cell.ingest("files", "thing", "{\"id\":\"1\",\"a\":1}\n{\"id\":\"2\",\"a\":2}\n").succeeds();
    let shown = cell.run(&["item", "show", "files", "thing", "2"]);
    assert_eq!(shown.stdout, b"{\"id\":\"2\",\"a\":2}\n");
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    let found = cell.run(&["doctor"]).succeeds();
    assert!(found["sound"].as_bool().unwrap(), "{found}");
    // None of them has opened the vault again: only `connect` had to, before.
    assert_eq!(count(&cell, "vault.open"), 2);

    cell.run(&["up"]).refuses(7, &["runs already"]);
    let next = cell.file("next", "the next passphrase");
    let seal = ["vault", "seal", "--to", "passphrase", "--new-passphrase-file", &next];
    cell.run(&seal).refuses(7, &["caretaker up"]);

    let processes = up.processes.clone();
    up.told(Signal::SIGTERM);
    let ended = up.ends();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!processes.values().copied().any(is_there));
    // From here on each command has its own again.
    for word in ["rotate", "rewrap", "retire"] {
        cell.run(&["vault", word]).succeeds();
    }
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
    assert_eq!(count(&cell, "cell.run"), 4, "that it began and ended, and that of whoever came second");
}

/// Whether the log has every event that lies in a journal, but that the cell's run has ended: who writes that down is the last
/// one there.
fn log_has_all(cell: &TestCell) -> bool {
    let head = std::fs::read(cell.home().join("trail/log/head.json")).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    let has = |event: &Value| {
        let (source, number) = event["metadata"]["uid"].as_str()?.rsplit_once('-')?;
        Some(head["sources"][source]["number"].as_u64()? >= number.parse().ok()?)
    };
    let journal = cell.journal();
    journal
        .iter()
        .filter(|event| event["metadata"]["event_code"] != "cell.run")
        .all(|event| has(event) == Some(true))
}

#[test]
fn what_a_command_did_is_in_the_log_though_it_waits_for_no_log() {
    let cell = TestCell::with_jsonl("files");
    let up = Up::of(&cell);
    let list = ["snapshot", "list", "files"];
    for _ in 0..5 {
        cell.run(&list).succeeds();
        assert!(comes(|| log_has_all(&cell)));
    }
    // Also that of one after which the cell ends at once.
    cell.run(&list).succeeds();
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    assert!(log_has_all(&cell));
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn whoever_joins_proves_who_they_are() {
    let cell = TestCell::with_jsonl("files");
    let up = Up::of(&cell);
    let list = ["snapshot", "list", "files"];
    cell.run(&list).succeeds();

    let passphrase = std::fs::read(cell.passphrase()).unwrap();
    std::fs::write(cell.passphrase(), "another passphrase").unwrap();
    cell.run(&list).refuses(5, &["passphrase"]);
    std::fs::write(cell.passphrase(), &passphrase).unwrap();

    let (key, other) = (cell.home().join("operator.key"), TestCell::new());
    let own = std::fs::read(&key).unwrap();
    std::fs::write(&key, std::fs::read(other.home().join("operator.key")).unwrap()).unwrap();
    cell.run(&list).refuses(5, &["operator"]);
    std::fs::write(&key, own).unwrap();
    cell.run(&list).succeeds();

    let listed = cell.run(&["trail", "list", "--last", "500"]).succeeds();
    let refused = |event: &&Value| {
        let event = &event["event"];
        event["metadata"]["event_code"] == "sign_in" && event["status_code"] == "refused"
    };
    let refusals = listed["events"].as_array().unwrap().iter().filter(refused).count();
    assert_eq!(refusals, 2);
    drop(up);
}

/// Connects to the socket of the cell in argv[1], and says how much it is told.
const CONNECTS: &str = "import os, socket, sys\n\
    os.chdir(sys.argv[1])\n\
    own = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n\
    own.connect('run/commands')\n\
    print(len(own.recv(65536)))";

#[test]
fn another_user_is_not_answered() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can become another user");
        return;
    }
    let cell = TestCell::new();
    let up = Up::of(&cell);
    let connect = |user: &str| {
        let mut other = Command::new("setpriv");
        other.args(["--reuid", user, "--clear-groups", "/usr/bin/python3", "-c", CONNECTS]).arg(cell.home());
        other.output().unwrap()
    };
    let closed = connect("65534");
    assert!(!closed.status.success(), "the folder is its owner's alone");
    // Even where modes let everybody in.
    let modes = [cell.folder.path().to_path_buf(), cell.home(), cell.home().join("run")];
    for path in modes.iter().chain([&cell.home().join("run/commands")]) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, mode).unwrap();
    }
    let refused = connect("65534");
    assert_eq!(String::from_utf8_lossy(&refused.stdout).trim(), "0", "{refused:?}");
    // The control: its own user is.
    let own = connect("0");
    assert_ne!(String::from_utf8_lossy(&own.stdout).trim(), "0", "{own:?}");
    let listed = cell.run(&["trail", "list", "--last", "500"]).succeeds();
    assert!(listed.to_string().contains("user 65534"));
    drop(up);
}

#[test]
fn a_cell_that_is_to_end_waits_for_those_who_are_there() {
    let cell = TestCell::with_jsonl("files");
    let begin = |cell: &TestCell| {
        let mut ingest = cell.command(&["ingest", "files", "--kind", "thing", "--id", "/id", "-"]);
        let piped = ingest.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut ingest = piped.spawn().unwrap();
        let began =
            || cell.journal().iter().any(|event| event["metadata"]["event_code"] == "data_key.create");
        assert!(running_until(&mut ingest, began));
        ingest
    };
    let mut up = Up::of(&cell);
    let mut ingest = begin(&cell);
    up.told(Signal::SIGTERM);
    assert!(comes(
        || !cell.home().join("run/commands").exists() || cell.run(&["tenant", "list"]).code == Some(0)
    ));
    assert!(up.child.try_wait().unwrap().is_none(), "somebody is there");
    ingest.stdin.take().unwrap().write_all(b"{\"id\":\"1\"}\n").unwrap();
    Answer::from(ingest.wait_with_output().unwrap()).succeeds();
    assert_eq!(up.ends().code, Some(0));

    // Told twice, it ends at once. What was under way is told so, and nothing of it is there.
    let up = Up::of(&cell);
    let mut ingest = cell.command(&["ingest", "files", "--kind", "thing", "--id", "/id", "-"]);
    let piped = ingest.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut ingest = piped.spawn().unwrap();
    let before = cell.journal().len();
    assert!(running_until(&mut ingest, || cell.journal().len() > before + 3));
    up.told(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(300));
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    let mut stdin = ingest.stdin.take().unwrap();
    drop(stdin.write_all(b"{\"id\":\"2\"}\n"));
    drop(stdin);
    let failed = Answer::from(ingest.wait_with_output().unwrap());
    assert_ne!(failed.code, Some(0), "{failed:?}");
    assert_eq!(cell.snapshots("files"), [1]);
    cell.ingest("files", "thing", "{\"id\":\"2\"}\n").succeeds();
    cell.run(&["verify", "files", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn a_cell_that_was_killed_hinders_nobody() {
    let cell = TestCell::with_jsonl("files");
    let up = Up::of(&cell);
    up.told(Signal::SIGKILL);
    let processes = up.processes.clone();
    assert!(comes(|| !processes.values().copied().any(is_there)), "they end without whoever started them");
    cell.ingest("files", "thing", "{\"id\":\"1\"}\n").succeeds();
    let again = Up::of(&cell);
    cell.ingest("files", "thing", "{\"id\":\"1\",\"a\":2}\n").succeeds();
    assert_eq!(cell.snapshots("files"), [2, 1]);
    drop((up, again));
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn a_cell_with_another_passphrase_does_not_run() {
    let cell = TestCell::new();
    std::fs::write(cell.passphrase(), "another passphrase").unwrap();
    cell.run(&["up"]).refuses(5, &["passphrase"]);
    cell.run(&["up", "--dir", text(&cell.path("nowhere"))]).refuses(6, &["no cell"]);
}

/// What a vault is asked for with a key of its own, and what that is called on the record.
const KEY_USES: [(&str, &str); 9] = [
    ("sign_in.answer", "sign_in"),
    ("grant.give", "grant.give"),
    ("data_key.create", "data_key.create"),
    ("data_key.create_next", "data_key.create_next"),
    ("data_key.open", "data_key.open"),
    ("credential.seal", "credential.seal"),
    ("credential.open", "credential.open"),
    ("certificate.issue", "certificate.issue"),
    ("trail.log_key", "trail.log_key"),
];

/// A cell that runs and tells each call that its processes answer.
struct Told {
    log: PathBuf,
}

impl Told {
    fn of(cell: &TestCell, mut up: Command) -> (Self, Up) {
        let log = cell.path("log");
        up.env("CARETAKER_LOG", "debug").stderr(std::fs::File::create(&log).unwrap());
        (Self { log }, Up::started(up))
    }

    /// How often the cell's vaults answered for each use of a key by what they say, and by the trail. The cell has ended.
    fn answered_and_recorded(&self, cell: &TestCell) -> Vec<(&'static str, usize, usize)> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let said = |line: Value| Some((line["pid"].as_u64()?, line["log"].as_str()?.to_owned()));
        let said: Vec<(u64, String)> = lines.filter_map(said).collect();
        let listed = cell.run(&["trail", "list", "--last", "10000000"]).succeeds();
        let events: Vec<&Value> =
            listed["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
        let uses = KEY_USES.iter().map(|(call, code)| {
            let begin = format!("{call} of ");
            let answers =
                said.iter().filter(|(_, line)| line.starts_with(&begin) && !line.ends_with("role")).count();
            let of_the_cell = |event: &&&Value| {
                // Other commands had vaults of their own, before and after.
                let pid = event["actor"]["process"]["pid"].as_u64();
                event["metadata"]["event_code"] == *code && said.iter().any(|(own, _)| Some(*own) == pid)
            };
            (*call, answers, events.iter().filter(of_the_cell).count())
        });
        uses.collect()
    }
}

/// For so long processes are killed, one after another, each after some of so much time.
const KILLING: (u64, u64) = (8, 300);
const LIVES_MS: u64 = 600;

/// How often a command was given, and how often it succeeded.
#[derive(Default)]
struct Tries {
    all: usize,
    done: usize,
}

/// Gives a command again and again.
fn again_and_again(ending: &AtomicBool, mut command: impl FnMut(usize) -> Answer) -> Tries {
    let mut tries = Tries::default();
    while !ending.load(Ordering::SeqCst) {
        tries.all += 1;
        let answer = command(tries.all);
        match answer.code {
            Some(0) => tries.done += 1,
            // What dies in the middle of a sign-in, say, ends its command; the next one begins anew.
            Some(1 | 8) => println!("{}", answer.stderr),
            _ => panic!("{answer:?}"),
        }
    }
    tries
}

#[test]
fn processes_that_are_killed_at_random_lose_nothing() {
    let (cell, shop) = (TestCell::with_jsonl("files"), Shop::tiny());
    shop.connect(&cell, "shop").succeeds();
    let (told, up) = Told::of(&cell, cell.command(&["up"]));
    let mut chance = Chance::new();
    let (ending, begun) = (AtomicBool::new(false), SystemClock.monotonic());
    let killing = Duration::from_secs(points(KILLING.0, KILLING.1));
    let (kills, files, backups) = std::thread::scope(|scope| {
        let files = scope.spawn(|| {
            again_and_again(&ending, |number| {
                cell.ingest("files", "thing", format!("{{\"id\":\"{number}\",\"a\":{number}}}\n"))
            })
        });
        let backups = scope.spawn(|| {
            again_and_again(&ending, |number| {
                shop.retitle(&shop.products()[0], &format!("Title {number}"));
                cell.run(&["backup", "shop"])
            })
        });
        let mut kills: BTreeMap<String, usize> = BTreeMap::new();
        while SystemClock.monotonic().saturating_sub(begun) < killing {
            std::thread::sleep(Duration::from_millis(chance.below(LIVES_MS)));
            let processes = crate::powers::children(up.child.id());
            let one = usize::try_from(chance.below(u64::try_from(processes.len().max(1)).unwrap())).unwrap();
            if let Some(process) = processes.get(one) {
                let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
                if kill(*process, Signal::SIGKILL).is_ok() {
                    *kills.entry(name.trim().to_owned()).or_default() += 1;
                }
            }
        }
        ending.store(true, Ordering::SeqCst);
        (kills, files.join().unwrap(), backups.join().unwrap())
    });
    assert!(!kills.is_empty() && files.done > 0);
    // Nobody needs to do anything.
    cell.ingest("files", "thing", "{\"id\":\"last\"}\n").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    for (name, tries) in [("files", &files), ("shop", &backups)] {
        assert!(cell.snapshots(name).len() > tries.done, "each that was told as written is there");
    }
    cell.run(&["verify", "--all", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    cell.run(&["verify", "--all", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();

    let counts = told.answered_and_recorded(&cell);
    let deaths = kills.get(crate::powers::VAULT).copied().unwrap_or_default();
    let [mut answered, mut recorded] = [0, 0];
    for (call, said, on_the_trail) in &counts {
        assert!(said <= on_the_trail, "nothing was answered that is not on the trail: {call} of {counts:?}");
        answered += said;
        recorded += on_the_trail;
    }
    // What a vault had recorded and not answered yet when it died: each of its clients asks for one thing at a time.
    assert!(recorded - answered <= 6 * deaths, "{counts:?}, {deaths} vaults died");
    crate::cell::tell(&format!(
        "processes killed at random: {kills:?} under {} ingests, of which {} wrote, and {} backups, of which {} wrote; \
         {answered} uses of keys were answered, {recorded} are on the trail",
        files.all, files.done, backups.all, backups.done
    ));
}

/// How long certificates are good for, and for how long commands go on under that, in seconds: each is renewed after half of
/// its time.
const RENEWING: [(u64, u64); 2] = [(4, 14), (40, 300)];

#[test]
fn certificates_that_are_renewed_all_the_time_fail_no_command() {
    let (ttl, seconds) = RENEWING[usize::try_from(points(0, 1)).unwrap()];
    let cell = TestCell::with_jsonl("files");
    cell.run(&["connect", "jsonl", "slow"]).succeeds();
    let short = |words: &[&str]| {
        let mut command = cell.command(words);
        command.env("CARETAKER_TEST_CERTIFICATE_SECONDS", ttl.to_string());
        command
    };
    let (told, up) = Told::of(&cell, short(&["up"]));
    // One that lives longer than many certificates of its own do.
    let mut slow = short(&["ingest", "slow", "--kind", "thing", "--id", "/id", "-"]);
    let mut slow = slow.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = SystemClock.monotonic();
    let mut commands = 0;
    while SystemClock.monotonic().saturating_sub(begun) < Duration::from_secs(seconds) {
        commands += 1;
        let line = format!("{{\"id\":\"{commands}\"}}\n");
        slow.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let file = cell.file("lines.jsonl", &line);
        Answer::from(short(&["ingest", "files", "--kind", "thing", "--id", "/id", &file]).output().unwrap())
            .succeeds();
    }
    drop(slow.stdin.take());
    Answer::from(slow.wait_with_output().unwrap()).succeeds();
    up.told(Signal::SIGTERM);
    assert_eq!(up.ends().code, Some(0));
    cell.run(&["verify", "--all", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
    // Nobody died: what was answered is on the trail, neither more nor less.
    let counts = told.answered_and_recorded(&cell);
    assert!(counts.iter().all(|(_, answered, recorded)| answered == recorded), "{counts:?}");
    let uses: usize = counts.iter().map(|(_, answered, _)| answered).sum();
    assert!(uses > commands, "{counts:?}");
    let listed =
        cell.run(&["trail", "list", "--last", "100000", "--operation", "certificate.issue"]).succeeds();
    let events = listed["events"].as_array().unwrap();
    for role in ["service/server", "service/monitor"] {
        let of = |event: &&Value| event["event"]["actor"]["user"]["uid"] == role;
        let issued = u64::try_from(events.iter().filter(of).count()).unwrap();
        // Two commands had one of their own before it ran, and one after.
        assert!(issued >= seconds / ttl + 3, "{role}: {issued}");
    }
    crate::cell::tell(&format!(
        "{commands} commands under certificates of {ttl} s, none of which failed; {uses} uses of keys were answered, and so many \
         are on the trail"
    ));
}
