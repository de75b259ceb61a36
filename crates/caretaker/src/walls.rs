//! Walls of the operating system: what the kernel keeps a process from, from before it has threads until it ends.
//!
//! Landlock (<https://docs.kernel.org/userspace-api/landlock.html>) holds files, TCP, signals and abstract sockets; a seccomp filter
//! (<https://docs.kernel.org/userspace-api/seccomp_filter.html>) refuses calls that have no business here. What is refused is answered with EPERM or
//! EACCES. Neither can be taken down again.

#[cfg(debug_assertions)]
pub(crate) mod escape;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// What is asked of Landlock: that of Linux 6.12. Later kernels have more, which nothing here needs.
const LANDLOCK: ABI = ABI::V6;

/// A folder or a file of its own, or one to read.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) path: PathBuf,
    pub(crate) writes: bool,
}

impl Own {
    /// A folder to read and write.
    pub(crate) fn folder(path: PathBuf) -> Self {
        Self { path, writes: true }
    }

    /// The same, made where it is not there.
    pub(crate) fn made(path: &Path) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        // Whoever is kept to it cannot make those durable in which it stands.
        let above = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let made =
            made.and_then(|()| above.take(DURABLE_ABOVE).try_for_each(|above| File::open(above)?.sync_all()));
        made.with_context(|| format!("could not make `{}`", path.display()))?;
        Ok(Self::folder(path.to_path_buf()))
    }

    /// What it takes to find others by their names, and to know whom to believe.
    pub(crate) fn to_find_others() -> impl Iterator<Item = Self> {
        let told =
            ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
        let there = FINDING.iter().map(PathBuf::from).chain(told).filter(|path| path.exists());
        there.map(|path| Self { path, writes: false })
    }
}

/// So many folders at most are new above one that is made.
const DURABLE_ABOVE: usize = 3;

/// What the C library reads to look names up, and where systems keep the authorities that they trust.
const FINDING: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];

/// What a process is not kept from.
#[derive(Debug, Default)]
pub(crate) struct Walls {
    pub(crate) own: Vec<Own>,
    /// The ports that it connects to over TCP, whatever the address: the kernel looks at no more. Without one it has no
    /// network at all. It has UDP in no case.
    pub(crate) ports: Vec<u16>,
    /// Whether it gives files of its own second names: a directory that is a store does.
    pub(crate) links: bool,
    /// Whether it lets others in at a socket that listens and was handed over. It makes none that does.
    pub(crate) accepts: bool,
}

impl Walls {
    /// Around a process that has no network.
    pub(crate) fn around(own: Vec<Own>) -> Self {
        Self { own, ..Self::default() }
    }
}

/// A variable of the C library, and what makes it look names up over TCP.
pub(crate) const LOOK_UP_OVER_TCP: (&str, &str) = ("RES_OPTIONS", "use-vc");

/// Calls that are refused whatever their arguments are.
const REFUSED: &[libc::c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Whoever comes of themselves.
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    // Another user.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    // Another view of the machine.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_mknodat,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_personality,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_quotactl,
    libc::SYS_fanotify_init,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];

/// Calls that are refused where one argument is so: which argument, how it is compared, and with what.
const REFUSED_WHERE: &[(libc::c_long, u8, SeccompCmpOp, u64)] = &[
    // A process of its own; threads are let through.
    (libc::SYS_clone, 0, SeccompCmpOp::MaskedEq(CLONE_THREAD), 0),
    // What somebody types at a terminal, and what a console does.
    (libc::SYS_ioctl, 1, SeccompCmpOp::Eq, libc::TIOCSTI),
    (libc::SYS_ioctl, 1, SeccompCmpOp::Eq, TIOCLINUX),
    // Limits and processors of other processes.
    (libc::SYS_prlimit64, 0, SeccompCmpOp::Ne, 0),
    (libc::SYS_sched_setaffinity, 0, SeccompCmpOp::Ne, 0),
    (libc::SYS_sched_setscheduler, 0, SeccompCmpOp::Ne, 0),
    (libc::SYS_sched_setparam, 0, SeccompCmpOp::Ne, 0),
    (libc::SYS_sched_setattr, 0, SeccompCmpOp::Ne, 0),
    // What connects with the first bytes is not looked at as what connects before. A socket that listened and was shut can be
    // connected so, too, and then it needs no other.
    (libc::SYS_sendto, 3, SeccompCmpOp::MaskedEq(MSG_FASTOPEN), MSG_FASTOPEN),
    (libc::SYS_sendmsg, 2, SeccompCmpOp::MaskedEq(MSG_FASTOPEN), MSG_FASTOPEN),
    (libc::SYS_sendmmsg, 3, SeccompCmpOp::MaskedEq(MSG_FASTOPEN), MSG_FASTOPEN),
];

/// Calls that are refused besides where there is no network: other addresses than those of the sockets that were handed over.
const REFUSED_WITHOUT_NETWORK: &[(libc::c_long, u8, SeccompCmpOp, u64)] =
    &[(libc::SYS_socket, 0, SeccompCmpOp::Ne, AF_UNIX), (libc::SYS_connect, 0, SeccompCmpOp::Ge, 0)];

/// Those where there is one, so that what connects is TCP: no filter can look at an address, but Landlock looks at the ports of
/// TCP, and at nothing else.
const REFUSED_WITH_NETWORK: &[&[(libc::c_long, u8, SeccompCmpOp, u64)]] = &[
    &[(libc::SYS_socket, 0, SeccompCmpOp::Ne, AF_INET), (libc::SYS_socket, 0, SeccompCmpOp::Ne, AF_INET6)],
    &[(libc::SYS_socket, 1, SeccompCmpOp::MaskedEq(SOCK_TYPE), SOCK_DGRAM)],
    &[(libc::SYS_socket, 1, SeccompCmpOp::MaskedEq(SOCK_TYPE), SOCK_RAW)],
    &[(libc::SYS_socket, 1, SeccompCmpOp::MaskedEq(SOCK_TYPE), SOCK_RDM)],
    &[(libc::SYS_socket, 1, SeccompCmpOp::MaskedEq(SOCK_TYPE), SOCK_SEQPACKET)],
    &[(libc::SYS_socket, 1, SeccompCmpOp::MaskedEq(SOCK_TYPE), SOCK_DCCP)],
    &[(libc::SYS_socket, 1, SeccompCmpOp::MaskedEq(SOCK_TYPE), SOCK_PACKET)],
    // Neither the paths of MPTCP nor those of SCTP.
    &[(libc::SYS_socket, 2, SeccompCmpOp::Ne, 0), (libc::SYS_socket, 2, SeccompCmpOp::Ne, IPPROTO_TCP)],
    // One of a pair can be connected elsewhere, to a socket with a name, if it is of this type.
    &[(libc::SYS_socketpair, 1, SeccompCmpOp::MaskedEq(SOCK_TYPE), SOCK_DGRAM)],
];

/// Calls that are refused besides to whoever lets nobody in.
const REFUSED_WITHOUT_LISTENER: &[libc::c_long] = &[libc::SYS_accept4];

/// Calls that are refused besides where no second names are given.
const REFUSED_WITHOUT_LINKS: &[libc::c_long] = &[
    libc::SYS_linkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
];

/// See ioctl_console(2).
const TIOCLINUX: u64 = 0x541c;
const CLONE_THREAD: u64 = libc::CLONE_THREAD as u64;
const AF_UNIX: u64 = libc::AF_UNIX as u64;
const AF_INET: u64 = libc::AF_INET as u64;
const AF_INET6: u64 = libc::AF_INET6 as u64;
/// The bits of a socket's type that are not flags.
const SOCK_TYPE: u64 = 0xf;
const SOCK_DGRAM: u64 = libc::SOCK_DGRAM as u64;
const SOCK_RAW: u64 = libc::SOCK_RAW as u64;
const SOCK_RDM: u64 = libc::SOCK_RDM as u64;
const SOCK_SEQPACKET: u64 = libc::SOCK_SEQPACKET as u64;
const SOCK_DCCP: u64 = libc::SOCK_DCCP as u64;
const SOCK_PACKET: u64 = 10;
const IPPROTO_TCP: u64 = libc::IPPROTO_TCP as u64;
const MSG_FASTOPEN: u64 = libc::MSG_FASTOPEN as u64;

/// Calls whose flags no filter can look at: the C library then makes the older ones.
const UNKNOWN: &[libc::c_long] = &[libc::SYS_clone3];

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

fn filter(rules: Rules, errno: i32) -> anyhow::Result<BpfProgram> {
    let refused = SeccompAction::Errno(u32::try_from(errno)?);
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refused, std::env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}

fn refused(walls: &Walls) -> anyhow::Result<Rules> {
    let always = REFUSED.iter().chain(REFUSED_WITHOUT_LINKS.iter().filter(|_| !walls.links));
    let always = always.chain(REFUSED_WITHOUT_LISTENER.iter().filter(|_| !walls.accepts));
    let mut rules: Rules = always.map(|call| (*call, Vec::new())).collect();
    let others = (libc::SYS_tgkill, 0, SeccompCmpOp::Ne, u64::from(std::process::id()));
    let alone = REFUSED_WHERE.iter().chain([&others]);
    let alone = alone.chain(REFUSED_WITHOUT_NETWORK.iter().filter(|_| walls.ports.is_empty()));
    let together = REFUSED_WITH_NETWORK.iter().filter(|_| !walls.ports.is_empty()).copied();
    for all in alone.map(std::slice::from_ref).chain(together) {
        let condition = |(_, argument, compare, with): &(libc::c_long, u8, SeccompCmpOp, u64)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, compare.clone(), *with)
        };
        let Some((call, ..)) = all.first() else { continue };
        let conditions = all.iter().map(condition).collect::<Result<_, _>>()?;
        rules.entry(*call).or_default().push(SeccompRule::new(conditions)?);
    }
    #[cfg(target_arch = "x86_64")]
    rules.extend(X32.map(|call| (call, Vec::new())));
    Ok(rules)
}

/// The numbers of a second table of the same calls, for programs with short addresses: some kernels have it still.
#[cfg(target_arch = "x86_64")]
const X32: std::ops::Range<libc::c_long> = 0x4000_0000..0x4000_0000 + 600;

fn rights(writes: bool) -> BitFlags<AccessFs> {
    // Nothing is started from anywhere, no device is spoken to, and a folder gets no other than files and folders.
    let never = AccessFs::Execute
        | AccessFs::IoctlDev
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeSock
        | AccessFs::MakeFifo
        | AccessFs::MakeSym;
    let rights = if writes { AccessFs::from_all(LANDLOCK) } else { AccessFs::from_read(LANDLOCK) };
    rights & !never
}

/// Raises the walls around this process, which may have one thread yet. Answers what this kernel cannot hold, in words; an
/// empty list where all of it holds.
///
/// # Errors
/// When they cannot be raised though the kernel could: nothing may go on then.
pub(crate) fn raise(walls: &Walls) -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    let status = landlock(walls).context("the walls around the process's files could not be raised")?;
    match (status.ruleset, &status.landlock) {
        (RulesetStatus::FullyEnforced, _) => {}
        (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => {
            missing.push("this kernel has no Landlock: files and TCP are open to the process".to_owned());
        }
        _ => {
            missing
                .push("this kernel's Landlock is older than that of Linux 6.12, and holds less".to_owned());
        }
    }
    if !status.no_new_privs {
        missing.push("the process may gain privileges".to_owned());
    }
    // The one that lets no call through that the other is about comes last.
    let unknown = filter(UNKNOWN.iter().map(|call| (*call, Vec::new())).collect(), libc::ENOSYS)?;
    apply_filter(&unknown).context("the filter of system calls could not be applied")?;
    apply_filter(&filter(refused(walls)?, libc::EPERM)?)
        .context("the filter of system calls could not be applied")?;
    Ok(missing)
}

fn landlock(Walls { own, ports, .. }: &Walls) -> anyhow::Result<RestrictionStatus> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    for Own { path, writes } in own {
        let opened = PathFd::new(path).with_context(|| format!("cannot open `{}`", path.display()))?;
        let rights = if path.is_dir() { rights(*writes) } else { AccessFs::ReadFile.into() };
        rules = rules.add_rule(PathBeneath::new(opened, rights))?;
    }
    for port in ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(rules.restrict_self()?)
}
