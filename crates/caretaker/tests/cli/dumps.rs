//! No core dump holds what was in memory: it had keys in it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cell::{TestCell, running_until};

/// A program that is allowed any dump, in a folder of its own.
fn allowed(program: &Command, folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args());
    shell.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    shell
}

/// Ends it as a crash would, and answers how many files that left.
fn crash(mut child: Child, folder: &Path) -> usize {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGABRT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGABRT as i32));
    std::fs::read_dir(folder).unwrap().count()
}

fn of_process(child: &Child, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap()
}

/// How large a dump of it may be.
fn core_limit(child: &Child) -> String {
    let limits = of_process(child, "limits");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().nth(4).unwrap().to_owned()
}

#[test]
fn a_crash_with_keys_in_memory_leaves_no_dump() {
    let cell = TestCell::with_jsonl("files");
    let folder = tempfile::tempdir().unwrap();
    // It has opened the vault, and waits for records.
    let mut ingest = cell.command(&["ingest", "files", "--kind", "thing", "--id", "/id", "-"]);
    ingest.env_clear();
    let mut child = allowed(&ingest, folder.path()).spawn().unwrap();
    let began = || cell.journal().iter().any(|event| event["metadata"]["event_code"] == "data_key.create");
    assert!(running_until(&mut child, began));
    assert_eq!(core_limit(&child), "0");
    assert_eq!(of_process(&child, "coredump_filter").trim(), "00000000");
    assert_eq!(crash(child, folder.path()), 0);

    // The control: another program in the same place may be dumped, and is where the system puts dumps beside it.
    let mut child = allowed(Command::new("sleep").arg("600"), folder.path()).spawn().unwrap();
    let name = format!("/proc/{}/comm", child.id());
    assert!(running_until(&mut child, || std::fs::read_to_string(&name).unwrap().trim() == "sleep"));
    assert_ne!(of_process(&child, "coredump_filter").trim(), "00000000");
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let is_allowed = core_limit(&child) == "unlimited";
    let left = crash(child, folder.path());
    // Elsewhere dumps go to a program, or all are forbidden.
    if pattern.trim() == "core" && is_allowed {
        assert_eq!(left, 1, "a dump is written here where it is not refused");
    }
}

#[test]
fn memory_that_cannot_be_locked_is_told_and_work_goes_on() {
    let cell = TestCell::with_jsonl("files");
    let told = |answer: &crate::cell::Answer| {
        let found: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
        let findings = found["findings"].as_array().unwrap().clone();
        let wrong = findings.iter().filter(|finding| finding["ok"] == false);
        wrong.map(|finding| format!("{}: {}", finding["check"], finding["detail"])).collect::<Vec<_>>()
    };
    let sound = cell.run(&["doctor"]);
    sound.succeeds();
    assert_eq!(told(&sound), Vec::<String>::new());

    // Root may lock whatever the limit says, unless it has given that up.
    let without = |words: &[&str]| {
        let plain = cell.command(words);
        let mut command = Command::new("prlimit");
        command.arg("--memlock=0:0");
        if rustix::process::geteuid().is_root() {
            command.args(["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "--"]);
        }
        command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
        crate::cell::Answer::from(command.output().unwrap())
    };
    let doctor = without(&["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let found = told(&doctor);
    // Of both processes: the vault's, and the command's own.
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|found| found.contains("swap") && found.contains("LimitMEMLOCK")), "{found:?}");
    let listed = without(&["snapshot", "list", "files"]);
    listed.succeeds();
    assert!(listed.stderr.contains("swap"), "{listed:?}");
}
