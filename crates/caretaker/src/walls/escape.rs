//! Ways out, tried from inside: in builds for tests alone. Each of them works for any process of the user who runs it, so
//! that it is the walls that refuse it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, Mode};
use rustix::net::{
    AddressFamily, Protocol, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    socket_with, socketpair,
};
use rustix::process::{Pid, Resource, Signal};
use serde::{Deserialize, Serialize};

/// What is around the process. Whoever tries has made it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Around {
    /// The cell's home.
    pub(crate) dir: PathBuf,
    /// The folder in there that is the process's own.
    pub(crate) own: PathBuf,
    /// A folder that has nothing to do with the cell, with `file` in it, and `socket` and `datagrams`, on which somebody listens.
    pub(crate) elsewhere: PathBuf,
    /// A port of this machine on which somebody listens.
    pub(crate) port: u16,
    /// A name among the abstract sockets on which somebody listens.
    pub(crate) hidden: String,
    /// Another process of the user.
    pub(crate) other: i32,
    /// Whether the process has a network: then it may have sockets of TCP, and reaches no port but its own.
    pub(crate) networks: bool,
    /// Whether the process lets others in.
    pub(crate) accepts: bool,
    /// Folders that are listed besides.
    pub(crate) lists: Vec<PathBuf>,
}

impl Around {
    fn file(&self) -> PathBuf {
        self.elsewhere.join("file")
    }

    fn own(&self, name: &str) -> PathBuf {
        self.dir.join(&self.own).join(name)
    }

    fn pid(&self) -> io::Result<Pid> {
        Pid::from_raw(self.other).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }

    fn of_other(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.other.to_string()).join(name)
    }
}

fn read(path: &Path) -> io::Result<()> {
    File::open(path)?.read(&mut [0; 16]).map(drop)
}

fn list(path: &Path) -> io::Result<()> {
    fs::read_dir(path).map(drop)
}

fn write(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(b"\n")
}

fn start(program: &Path) -> io::Result<()> {
    let status = Command::new(program).arg("--version").stdout(std::process::Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("it has failed")) }
}

fn memory_program() -> io::Result<()> {
    let file = rustix::fs::memfd_create("program", rustix::fs::MemfdFlags::CLOEXEC)?;
    File::from(file.try_clone()?).write_all(&fs::read("/proc/self/exe")?)?;
    start(&Path::new("/proc/self/fd").join(file.as_raw_fd().to_string()))
}

fn socket(family: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, None)?)
}

fn hidden(name: &str) -> io::Result<()> {
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM)?;
    Ok(rustix::net::connect(socket, &address)?)
}

type Attempt = fn(&Around) -> io::Result<()>;

type AttemptOn = fn(&Path) -> io::Result<()>;

/// What there is of the cell, and what is tried with it: all but what is the process's own.
const OF_THE_CELL: &[(&str, &str, AttemptOn)] = &[
    ("read the cell's file", "cell.json", read),
    ("read the operator key", "operator.key", read),
    ("read the vault's file", "vault/vault.json", read),
    ("read the catalog", "catalog/catalog.db", read),
    ("write into the catalog", "catalog/planted", write),
    ("list the object store", "store", list),
    ("list the key store", "keys", list),
    ("list the cell's home", "", list),
    ("write into the object store", "store/planted", write),
    ("write into the key store", "keys/planted", write),
    ("write into the cell's home", "planted", write),
    ("write into another's journal", "trail/journal/cell/planted", write),
    ("write into the trail's log", "trail/log/planted", write),
    ("list what is kept of another platform", "store/t/other", list),
    ("read what is kept of another platform", "store/t/other/file", read),
    ("write into what is kept of another platform", "store/t/other/planted", write),
    ("list the keys of another platform", "keys/t/other", list),
    ("read a key of another platform", "keys/t/other/file", read),
    ("write into the keys of another platform", "keys/t/other/planted", write),
    ("write into the locks of another platform", "lock/other/planted", write),
    ("read what another platform has put aside", "scratch/other/file", read),
];

/// What is tried beside that, by what it does.
const ATTEMPTS: &[(&str, Attempt)] = &[
    // Files.
    ("read a file of the system", |_| read(Path::new("/etc/passwd"))),
    ("read a file of another", |around| read(&around.file())),
    ("list the system's root", |_| list(Path::new("/"))),
    ("list a folder of another", |around| list(&around.elsewhere)),
    ("write into a file of another", |around| write(&around.file())),
    ("make a folder elsewhere", |around| fs::create_dir(around.elsewhere.join("folder"))),
    ("make a link elsewhere", |around| symlink("/etc/passwd", around.elsewhere.join("link"))),
    ("follow a link out of its own folder", |around| {
        let link = around.own("link");
        symlink(around.file(), &link)?;
        let read = read(&link);
        fs::remove_file(link)?;
        read
    }),
    ("name a file of another in its own folder", |around| {
        let name = around.own("name");
        fs::hard_link(around.file(), &name)?;
        fs::remove_file(name)
    }),
    ("move a file of its own out", |around| {
        fs::write(around.own("own"), b"own")?;
        let moved = fs::rename(around.own("own"), around.elsewhere.join("moved"));
        let _ = fs::remove_file(around.own("own"));
        moved
    }),
    ("delete a file of another", |around| {
        let file = around.elsewhere.join("deleted");
        match fs::remove_file(&file) {
            // Without walls it may have to be made first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::write(&file, b"")?;
                fs::remove_file(file)
            }
            removed => removed,
        }
    }),
    ("make a pipe with a name elsewhere", |around| {
        Ok(rustix::fs::mkfifoat(CWD, around.elsewhere.join("pipe"), Mode::from_raw_mode(0o600))?)
    }),
    ("make a pipe with a name in its own folder", |around| {
        let pipe = around.own("pipe");
        rustix::fs::mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600))?;
        fs::remove_file(pipe)
    }),
    ("write to a device", |_| OpenOptions::new().write(true).open("/dev/null").map(drop)),
    ("list the processes", |_| list(Path::new("/proc"))),
    ("read its own program", |_| read(Path::new("/proc/self/exe"))),
    // Networks.
    ("connect over TCP", |around| TcpStream::connect(("127.0.0.1", around.port)).map(drop)),
    ("listen on TCP", |_| TcpListener::bind("127.0.0.1:0").map(drop)),
    ("listen on UDP", |_| UdpSocket::bind("127.0.0.1:0").map(drop)),
    ("connect with the first bytes over TCP", |around| {
        let socket = socket(AddressFamily::INET, SocketType::STREAM)?;
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, around.port);
        Ok(rustix::net::sendto(socket, b"x", SendFlags::from_bits_retain(FAST_OPEN), &to).map(drop)?)
    }),
    ("connect over more than one path", |around| {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, MULTIPATH)?;
        Ok(rustix::net::connect(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, around.port))?)
    }),
    ("have a socket of UDP", |_| socket(AddressFamily::INET, SocketType::DGRAM).map(drop)),
    ("have a socket of UDP over IPv6", |_| socket(AddressFamily::INET6, SocketType::DGRAM).map(drop)),
    ("connect one of a pair to a socket with a name", |around| {
        let flags = SocketFlags::CLOEXEC;
        let (one, _other) = socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        Ok(rustix::net::connect(one, &SocketAddrUnix::new(around.elsewhere.join("datagrams"))?)?)
    }),
    ("speak to the kernel's tables of networks", |_| {
        socket(AddressFamily::NETLINK, SocketType::RAW).map(drop)
    }),
    ("connect to a socket with a name", |around| {
        UnixStream::connect(around.elsewhere.join("socket")).map(drop)
    }),
    ("connect to a hidden socket", |around| hidden(&around.hidden)),
    ("listen on a socket with a name elsewhere", |around| {
        UnixListener::bind(around.elsewhere.join("listens")).map(drop)
    }),
    ("listen on a socket with a name in its own folder", |around| {
        UnixListener::bind(around.own("listens"))?;
        fs::remove_file(around.own("listens"))
    }),
    // Programs.
    ("start a program", |_| start(Path::new("/bin/ls"))),
    ("start itself", |_| start(Path::new("/proc/self/exe"))),
    ("start a program from memory", |_| memory_program()),
    ("start a program of its own folder", |around| {
        let program = around.own("program");
        fs::copy("/bin/ls", &program)?;
        let started = start(&program);
        fs::remove_file(program)?;
        started
    }),
    // Other processes.
    ("see whether another process is there", |around| Ok(rustix::process::test_kill_process(around.pid()?)?)),
    ("send another process a signal", |around| {
        Ok(rustix::process::kill_process(around.pid()?, Signal::CONT)?)
    }),
    ("hold another process", |around| {
        Ok(rustix::process::pidfd_open(around.pid()?, rustix::process::PidfdFlags::empty()).map(drop)?)
    }),
    ("take a descriptor of another process", |around| {
        let held = rustix::process::pidfd_open(around.pid()?, rustix::process::PidfdFlags::empty())?;
        let flags = rustix::process::PidfdGetfdFlags::empty();
        Ok(rustix::process::pidfd_getfd(held.as_fd(), 0, flags).map(drop)?)
    }),
    ("read another process's surroundings", |around| read(&around.of_other("environ"))),
    ("read another process's words", |around| read(&around.of_other("cmdline"))),
    ("list another process's descriptors", |around| list(&around.of_other("fd"))),
    ("change another process's limits", |around| {
        let (pid, what) = (around.pid()?, Resource::Core);
        Ok(rustix::process::prlimit(Some(pid), what, rustix::process::getrlimit(what)).map(drop)?)
    }),
    ("change another process's processors", |around| {
        let pid = around.pid()?;
        let set = rustix::thread::sched_getaffinity(Some(pid))?;
        Ok(rustix::thread::sched_setaffinity(Some(pid), &set)?)
    }),
    ("change another process's turn", |around| {
        Ok(rustix::process::setpriority_process(Some(around.pid()?), 19)?)
    }),
    // Users.
    ("become a user, be it the same", |_| Ok(rustix::thread::set_thread_uid(rustix::process::getuid())?)),
    ("become a group, be it the same", |_| Ok(rustix::thread::set_thread_gid(rustix::process::getgid())?)),
];

/// What is tried besides by a process that has no network.
const WITHOUT_NETWORK: &[(&str, Attempt)] = &[
    ("have a socket of TCP", |_| socket(AddressFamily::INET, SocketType::STREAM).map(drop)),
    ("have a socket of TCP over IPv6", |_| socket(AddressFamily::INET6, SocketType::STREAM).map(drop)),
];

type AttemptWith = fn(&Around, &OwnedFd) -> io::Result<()>;

/// What is tried with a socket that listens and was handed over, for which somebody waits: by a process that lets nobody in.
const WITHOUT_LISTENER: &[(&str, AttemptWith)] =
    &[("let somebody in", |_, listener| Ok(accept_with(listener, SocketFlags::CLOEXEC).map(drop)?))];

/// The same, by each.
const WITH_LISTENER: &[(&str, AttemptWith)] = &[("connect a socket that listened", |around, listener| {
    rustix::net::shutdown(listener, Shutdown::Read)?;
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, around.port);
    Ok(rustix::net::sendto(listener, b"x", SendFlags::from_bits_retain(FAST_OPEN), &to).map(drop)?)
})];

/// Sends the first bytes together with what connects (Linux's `MSG_FASTOPEN`, RFC 7413).
const FAST_OPEN: u32 = 0x2000_0000;
/// The protocol of MPTCP (RFC 8684), 262.
const MULTIPATH: Option<Protocol> = Some(rustix::net::ipproto::MPTCP);

/// Tries all of them. Answers for each what it does, and the number of the error that it got; `None` where it worked, and 0
/// for an error that is not the kernel's.
pub(crate) fn try_all(around: &Around, listener: Option<&OwnedFd>) -> Vec<(String, Option<i32>)> {
    let foreign = OF_THE_CELL.iter().filter(|(_, path, _)| !Path::new(path).starts_with(&around.own));
    let of_cell = foreign.map(|(name, path, attempt)| (*name, attempt(&around.dir.join(path))));
    let without = WITHOUT_NETWORK.iter().filter(|_| !around.networks);
    let beside = ATTEMPTS.iter().chain(without).map(|(name, attempt)| (*name, attempt(around)));
    let lets_in = WITHOUT_LISTENER.iter().filter(|_| !around.accepts).chain(WITH_LISTENER);
    let with = listener.into_iter().flat_map(|listener| lets_in.clone().map(move |one| (one, listener)));
    let with = with.map(|((name, attempt), listener)| (*name, attempt(around, listener)));
    let number = |error: io::Error| error.raw_os_error().unwrap_or_default();
    let tried = of_cell.chain(beside).chain(with).map(|(name, tried)| (name.to_owned(), tried));
    let lists = around.lists.iter().map(|folder| (format!("list {}", folder.display()), list(folder)));
    tried.chain(lists).map(|(name, tried)| (name, tried.err().map(number))).collect()
}
