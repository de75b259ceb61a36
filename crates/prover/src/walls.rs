//! What the kernel keeps the prover and its solver from: they read and think, and do nothing else.
//!
//! The solver is somebody else's program, and gets texts out of policies that somebody wrote. It needs no network, writes no
//! file, and needs bounded memory.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
};

/// What is asked of Landlock: that of Linux 6.12.
const LANDLOCK: ABI = ABI::V6;
/// Most memory that a process has, in bytes of addresses.
const MEMORY_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Most time that a process computes, in seconds.
const CPU_SECONDS_MAX: u64 = 600;
/// Most files that a process has open.
const FILES_MAX: u64 = 64;

/// Why walls could not be raised.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// Limits could not be set.
    #[error("the limits of memory and time could not be set")]
    Limits(#[source] rustix::io::Errno),
    /// Files and networks could not be closed.
    #[error("files and networks could not be closed")]
    Landlock(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The filter of system calls could not be applied.
    #[error("the filter of system calls could not be applied")]
    Filter(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn limit(resource: Resource, most: u64) -> Result<(), WallError> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(resource, limit).map_err(WallError::Limits)
}

fn landlock() -> Result<RestrictionStatus, Box<dyn std::error::Error + Send + Sync>> {
    // Programs may be started and files read: the solver is wherever it was installed. Nothing is written anywhere.
    let may: BitFlags<AccessFs> = AccessFs::from_read(LANDLOCK) & !AccessFs::IoctlDev;
    Ok(Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new("/")?, may))?
        // What a program throws away, and what it waits on without looking.
        .add_rule(PathBeneath::new(PathFd::new("/dev/null")?, AccessFs::WriteFile | AccessFs::ReadFile))?
        .restrict_self()?)
}

/// Sockets of any network, whatever the kernel's Landlock holds.
fn filter() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let network =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::try_from(libc::AF_UNIX)?)?;
    let rules = [(libc::SYS_socket, vec![SeccompRule::new(vec![network])?])].into();
    let refused = SeccompAction::Errno(u32::try_from(libc::EPERM)?);
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refused, std::env::consts::ARCH.try_into()?)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(apply_filter(&program)?)
}

/// Raises the walls around this process and all that it starts. It must have one thread yet. Answers what this kernel cannot
/// hold, in words.
///
/// # Errors
/// When they cannot be raised though the kernel could: nothing may be started then.
pub fn raise() -> Result<Vec<String>, WallError> {
    limit(Resource::As, MEMORY_MAX)?;
    limit(Resource::Cpu, CPU_SECONDS_MAX)?;
    limit(Resource::Nofile, FILES_MAX)?;
    limit(Resource::Core, 0)?;
    let status = landlock().map_err(WallError::Landlock)?;
    filter().map_err(WallError::Filter)?;
    if status.ruleset == RulesetStatus::FullyEnforced {
        return Ok(Vec::new());
    }
    Ok(vec!["this kernel's Landlock does not close all files to the solver".to_owned()])
}
