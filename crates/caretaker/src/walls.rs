//! Walls of the operating system: what the kernel keeps a process from, from before it has threads until it ends.
//!
//! Landlock (<https://docs.kernel.org/userspace-api/landlock.html>) holds files, TCP, signals and abstract sockets; a seccomp filter
//! (<https://docs.kernel.org/userspace-api/seccomp_filter.html>) refuses calls that have no business here. What is refused is answered with EPERM or
//! EACCES. Neither can be taken down again.

#[cfg(debug_assertions)]
pub(crate) mod escape;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// What is asked of Landlock: that of Linux 6.12. Later kernels have more, which nothing here needs.
const LANDLOCK: ABI = ABI::V6;

/// A folder of its own, or one to read.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) folder: PathBuf,
    pub(crate) writes: bool,
}

/// Calls that are refused whatever their arguments are.
const REFUSED: &[libc::c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other names of files.
    libc::SYS_linkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    // Other addresses than those of the sockets that were handed over.
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
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
    // Sockets of any network.
    (libc::SYS_socket, 0, SeccompCmpOp::Ne, AF_UNIX),
    // Limits and processors of other processes.
    (libc::SYS_prlimit64, 0, SeccompCmpOp::Ne, 0),
    (libc::SYS_sched_setaffinity, 0, SeccompCmpOp::Ne, 0),
    (libc::SYS_sched_setscheduler, 0, SeccompCmpOp::Ne, 0),
    (libc::SYS_sched_setparam, 0, SeccompCmpOp::Ne, 0),
    (libc::SYS_sched_setattr, 0, SeccompCmpOp::Ne, 0),
];

const CLONE_THREAD: u64 = libc::CLONE_THREAD as u64;
const AF_UNIX: u64 = libc::AF_UNIX as u64;

/// Calls whose flags no filter can look at: the C library then makes the older ones.
const UNKNOWN: &[libc::c_long] = &[libc::SYS_clone3];

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

fn filter(rules: Rules, errno: i32) -> anyhow::Result<BpfProgram> {
    let refused = SeccompAction::Errno(u32::try_from(errno)?);
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refused, std::env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}

fn refused() -> anyhow::Result<Rules> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let others = (libc::SYS_tgkill, 0, SeccompCmpOp::Ne, u64::from(std::process::id()));
    for (call, argument, compare, with) in REFUSED_WHERE.iter().chain([&others]) {
        let condition = SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, compare.clone(), *with)?;
        rules.entry(*call).or_default().push(SeccompRule::new(vec![condition])?);
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
pub(crate) fn raise(own: &[Own]) -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    let status = landlock(own).context("the walls around the process's files could not be raised")?;
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
    apply_filter(&filter(refused()?, libc::EPERM)?)
        .context("the filter of system calls could not be applied")?;
    Ok(missing)
}

fn landlock(own: &[Own]) -> anyhow::Result<RestrictionStatus> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    for Own { folder, writes } in own {
        let opened = PathFd::new(folder).with_context(|| format!("cannot open `{}`", folder.display()))?;
        rules = rules.add_rule(PathBeneath::new(opened, rights(*writes)))?;
    }
    Ok(rules.restrict_self()?)
}
