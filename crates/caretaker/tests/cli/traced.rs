//! The real binary under the kernel's tracing: every call that changes the disk is seen, across all threads in one
//! order, and the process can be killed just before any of them.
//!
//! strace can inject a signal too, but it counts the calls of each thread by themselves: its n-th is another one in
//! every run. Here the n-th is the n-th of the whole process.
//!
//! The tracer is a process of its own, this test binary again: whoever traces waits for all its children, and the
//! other tests have children too.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::cell::{Answer, TestCell};

/// The order, as JSON, in the tracer's environment.
const ORDER: &str = "CARETAKER_TEST_TRACE";
/// Longest path that is read from a process.
const PATH_MAX: usize = 4096;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Deed {
    /// Opens a file that may be new.
    Open,
    Write,
    Truncate,
    /// Makes a file's content durable, or a folder's entries.
    Sync,
    /// Makes a whole file system durable.
    SyncAll,
    Rename,
    Link,
    Unlink,
    MakeFolder,
}

/// Where the words of a call stand among its arguments.
#[derive(Debug, Clone, Copy)]
enum Words {
    Descriptor,
    Path(usize),
    Paths(usize, usize),
}

/// The calls that change a disk.
const CALLS: &[(libc::c_long, Deed, Words)] = &[
    (libc::SYS_openat, Deed::Open, Words::Path(1)),
    (libc::SYS_write, Deed::Write, Words::Descriptor),
    (libc::SYS_pwrite64, Deed::Write, Words::Descriptor),
    (libc::SYS_writev, Deed::Write, Words::Descriptor),
    (libc::SYS_pwritev, Deed::Write, Words::Descriptor),
    (libc::SYS_ftruncate, Deed::Truncate, Words::Descriptor),
    (libc::SYS_fallocate, Deed::Truncate, Words::Descriptor),
    (libc::SYS_fsync, Deed::Sync, Words::Descriptor),
    (libc::SYS_fdatasync, Deed::Sync, Words::Descriptor),
    (libc::SYS_syncfs, Deed::SyncAll, Words::Descriptor),
    (libc::SYS_renameat, Deed::Rename, Words::Paths(1, 3)),
    (libc::SYS_renameat2, Deed::Rename, Words::Paths(1, 3)),
    (libc::SYS_linkat, Deed::Link, Words::Paths(1, 3)),
    (libc::SYS_unlinkat, Deed::Unlink, Words::Path(1)),
    (libc::SYS_mkdirat, Deed::MakeFolder, Words::Path(1)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, Deed::Rename, Words::Paths(0, 1)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_link, Deed::Link, Words::Paths(0, 1)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, Deed::Unlink, Words::Path(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rmdir, Deed::Unlink, Words::Path(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, Deed::MakeFolder, Words::Path(0)),
];

/// One call, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) deed: Deed,
    /// What it was done to; of a rename or link: from where.
    pub(crate) path: PathBuf,
    /// Of a rename or link: to where.
    pub(crate) to: Option<PathBuf>,
    /// Its turn among the calls that count, from 1; 0 where it does not.
    pub(crate) turn: u64,
    /// When it began and when it had ended, counted in stops of the process.
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

/// What becomes of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    Lives,
    /// Killed just before the call with this turn, from 1.
    DiesBefore(u64),
    /// The same; of a write, the first half is done.
    DiesWithin(u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    words: Vec<String>,
    /// Calls on what lies here count.
    folder: PathBuf,
    fate: Fate,
    stdout: PathBuf,
    stderr: PathBuf,
    found: PathBuf,
}

/// What the tracer saw.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Found {
    /// As the kernel codes it.
    status: i32,
    /// Calls that were counted.
    counted: u64,
    calls: Vec<Call>,
}

/// A command that has ended or was killed.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) answer: Answer,
    pub(crate) killed: bool,
    /// How many calls there were to be killed before.
    pub(crate) counted: u64,
    /// The calls that succeeded, in the order of their ends; writes to stdout have its file's path.
    pub(crate) calls: Vec<Call>,
    pub(crate) stdout: PathBuf,
}

/// Runs a command of the binary on a cell, traced.
pub(crate) fn run(cell: &TestCell, words: &[&str], fate: Fate) -> Traced {
    let command = cell.command(words);
    let mut all = vec![command.get_program()];
    all.extend(command.get_args());
    let words = all.into_iter().map(|word| word.to_str().unwrap().to_owned()).collect();
    trace(words, &cell.home(), &cell.temp(), fate)
}

fn trace(words: Vec<String>, folder: &Path, temp: &Path, fate: Fate) -> Traced {
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str| scratch.path().join(name);
    let order = Order {
        words,
        folder: folder.canonicalize().unwrap(),
        fate,
        stdout: file("stdout"),
        stderr: file("stderr"),
        found: file("found"),
    };
    let tracer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "traced::the_tracer_sees_calls_and_kills_before_them", "--nocapture"])
        .env(ORDER, serde_json::to_string(&order).unwrap())
        .env("TMPDIR", temp)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(tracer.status.success(), "{}", String::from_utf8_lossy(&tracer.stdout));
    let Found { status, counted, calls } =
        serde_json::from_slice(&std::fs::read(&order.found).unwrap()).unwrap();
    let status = ExitStatus::from_raw(status);
    let read = |path: &Path| std::fs::read(path).unwrap();
    let output = Output { status, stdout: read(&order.stdout), stderr: read(&order.stderr) };
    let killed = status.signal() == Some(libc::SIGKILL);
    Traced { answer: output.into(), killed, counted, calls, stdout: order.stdout }
}

/// What is known of a traced process, in the tracer.
struct Tracer<'a> {
    order: &'a Order,
    leader: Pid,
    /// The call in which each thread is; `None`: in one that does not matter.
    inside: HashMap<Pid, Option<Call>>,
    stops: u64,
    found: Found,
}

/// The tracer's own process.
#[expect(clippy::zombie_processes, reason = "it is waited for, as all that is traced")]
fn as_tracer(order: &Order) {
    let file = |path: &Path| File::options().create_new(true).write(true).mode(0o600).open(path).unwrap();
    // It waits until it is traced, so that no call is missed.
    let child = Command::new("sh")
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .args(&order.words)
        .env_remove(ORDER)
        .stdin(Stdio::null())
        .stdout(file(&order.stdout))
        .stderr(file(&order.stderr))
        .spawn()
        .unwrap();
    let leader = Pid::from_raw(i32::try_from(child.id()).unwrap());
    waitpid(leader, Some(WaitPidFlag::WUNTRACED)).unwrap();
    let options = Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(leader, options).unwrap();
    kill(leader, Signal::SIGCONT).unwrap();
    let mut tracer = Tracer { order, leader, inside: HashMap::new(), stops: 0, found: Found::default() };
    tracer.follow();
    std::fs::write(&order.found, serde_json::to_vec(&tracer.found).unwrap()).unwrap();
}

impl Tracer<'_> {
    /// Until nothing is left of the process.
    fn follow(&mut self) {
        loop {
            // A thread may be killed between its stop and what is asked of it: that is no error.
            let (pid, signal) = match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(pid, code)) => {
                    if pid == self.leader {
                        self.found.status = code << 8;
                    }
                    continue;
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    if pid == self.leader {
                        self.found.status = signal as i32;
                    }
                    continue;
                }
                Ok(WaitStatus::PtraceSyscall(pid)) => {
                    self.stops += 1;
                    if !self.at_call(pid) {
                        continue;
                    }
                    (pid, None)
                }
                Ok(WaitStatus::PtraceEvent(pid, ..)) => (pid, None),
                Ok(WaitStatus::Stopped(pid, signal)) => (pid, Some(signal)),
                Ok(_) => continue,
                Err(nix::errno::Errno::ECHILD) => return,
                Err(error) => panic!("{error}"),
            };
            let _ = ptrace::syscall(pid, signal);
        }
    }

    /// At the begin or the end of a thread's call. Answers whether the thread goes on.
    fn at_call(&mut self, pid: Pid) -> bool {
        if let Some(inside) = self.inside.remove(&pid) {
            if let Some(mut call) = inside
                && returned(pid).is_some_and(|value| value >= 0)
            {
                call.ended = self.stops;
                self.found.calls.push(call);
            }
            return true;
        }
        let Some((mut call, arguments)) = self.begun(pid) else {
            self.inside.insert(pid, None);
            return true;
        };
        if call.path.starts_with(&self.order.folder) {
            self.found.counted += 1;
            call.turn = self.found.counted;
            let (dies, half) = match self.order.fate {
                Fate::Lives => (false, false),
                Fate::DiesBefore(turn) => (turn == call.turn, false),
                Fate::DiesWithin(turn) => (turn == call.turn, true),
            };
            if dies {
                if half {
                    write_half(pid, &arguments);
                }
                // It may be a child of the process that was started.
                kill(pid, Signal::SIGKILL).unwrap();
                kill(self.leader, Signal::SIGKILL).unwrap();
                return false;
            }
        }
        self.inside.insert(pid, Some(call));
        true
    }

    /// The call that a thread is about to make, with its number and arguments, if it is one of those that matter.
    fn begun(&self, pid: Pid) -> Option<(Call, Vec<u64>)> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
        let mut words = text.split_whitespace();
        let number: i64 = words.next()?.parse().ok()?;
        let (_, deed, shape) = CALLS.iter().find(|(known, ..)| *known == number)?;
        let mut all = vec![u64::try_from(number).ok()?];
        all.extend(words.map_while(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()));
        let arguments = &all[1..];
        let (path, to) = match *shape {
            Words::Descriptor => (std::fs::read_link(format!("/proc/{pid}/fd/{}", arguments[0])).ok()?, None),
            Words::Path(at) => (path_at(pid, arguments[at])?, None),
            Words::Paths(from, to) => (path_at(pid, arguments[from])?, Some(path_at(pid, arguments[to])?)),
        };
        let makes = i32::try_from(arguments[2]).is_ok_and(|flags| flags & libc::O_CREAT != 0);
        if *deed == Deed::Open && !makes {
            return None;
        }
        if !path.starts_with(&self.order.folder) && path != self.order.stdout {
            return None;
        }
        let call = Call { deed: *deed, path, to, turn: 0, begun: self.stops, ended: 0 };
        Some((call, all))
    }
}

/// What a call has answered.
fn returned(pid: Pid) -> Option<i64> {
    let registers = ptrace::getregs(pid).ok()?;
    #[cfg(target_arch = "x86_64")]
    let value = registers.rax;
    #[cfg(target_arch = "aarch64")]
    let value = registers.regs[0];
    Some(value.cast_signed())
}

/// A path in a process's memory.
fn path_at(pid: Pid, address: u64) -> Option<PathBuf> {
    let mut bytes = vec![0; PATH_MAX];
    let read = File::open(format!("/proc/{pid}/mem")).ok()?.read_at(&mut bytes, address).ok()?;
    let end = bytes[..read].iter().position(|byte| *byte == 0)?;
    bytes.truncate(end);
    let path = PathBuf::from(String::from_utf8(bytes).ok()?);
    Some(if path.is_absolute() {
        path
    } else {
        std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?.join(path)
    })
}

/// Does the first half of a write in the place of the process that will not live to do it.
fn write_half(pid: Pid, call: &[u64]) {
    let number = libc::c_long::try_from(call[0]).unwrap();
    if number != libc::SYS_write && number != libc::SYS_pwrite64 {
        return;
    }
    let (descriptor, address, len) = (call[1], call[2], call[3]);
    let mut bytes = vec![0; usize::try_from(len / 2).unwrap()];
    File::open(format!("/proc/{pid}/mem")).unwrap().read_exact_at(&mut bytes, address).unwrap();
    let facts = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).unwrap();
    let fact = |name: &str| facts.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    let flags = i32::from_str_radix(fact("flags:"), 8).unwrap();
    let file = File::options().write(true).open(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
    let at = if number == libc::SYS_pwrite64 {
        call[4]
    } else if flags & libc::O_APPEND != 0 {
        file.metadata().unwrap().len()
    } else {
        fact("pos:").parse().unwrap()
    };
    file.write_all_at(&bytes, at).unwrap();
}

/// By itself a test of the tracer; as a child, the tracer that the parent ordered.
#[test]
fn the_tracer_sees_calls_and_kills_before_them() {
    if let Some(order) = std::env::var_os(ORDER) {
        as_tracer(&serde_json::from_str(order.to_str().unwrap()).unwrap());
        return;
    }
    const SCRIPT: &str =
        "mkdir d && printf abcdef > d/a && sync d/a d && mv d/a d/b && ln d/b d/c && rm d/c && echo done";
    let script = |fate| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let words = ["sh", "-c", &format!("cd {} && {SCRIPT}", path.display())].map(str::to_owned).to_vec();
        (trace(words, &path, &path, fate), folder, path)
    };
    let (traced, _folder, path) = script(Fate::Lives);
    assert_eq!(traced.answer.code, Some(0), "{traced:?}");
    let seen: Vec<(Deed, &Path)> =
        traced.calls.iter().map(|call| (call.deed, call.to.as_deref().unwrap_or(&call.path))).collect();
    let (a, b, c, d) = (path.join("d/a"), path.join("d/b"), path.join("d/c"), path.join("d"));
    let expected = [
        (Deed::MakeFolder, &*d),
        (Deed::Open, &a),
        (Deed::Write, &a),
        (Deed::Sync, &a),
        (Deed::Sync, &d),
        (Deed::Rename, &b),
        (Deed::Link, &c),
        (Deed::Unlink, &c),
        (Deed::Write, &traced.stdout),
    ];
    assert_eq!(seen, expected);
    assert!(traced.calls.is_sorted_by(|one, next| one.begun < one.ended && one.ended < next.ended));
    assert_eq!(traced.counted, 8);

    let read = |path: &Path, name: &str| std::fs::read_to_string(path.join(name)).ok();
    let (traced, _folder, path) = script(Fate::DiesBefore(3));
    assert!(traced.killed && traced.calls.len() == 2);
    assert_eq!(read(&path, "d/a").as_deref(), Some(""), "the write was not made");
    let (traced, _folder, path) = script(Fate::DiesWithin(3));
    assert!(traced.killed);
    assert_eq!(read(&path, "d/a").as_deref(), Some("abc"), "the write was half made");
    let (traced, _folder, path) = script(Fate::DiesBefore(6));
    assert!(traced.killed);
    assert_eq!((read(&path, "d/a").as_deref(), read(&path, "d/b")), (Some("abcdef"), None));
    let (traced, _folder, path) = script(Fate::DiesWithin(9));
    assert!(!traced.killed, "there is no ninth call");
    assert_eq!(read(&path, "d/b").as_deref(), Some("abcdef"));
}
