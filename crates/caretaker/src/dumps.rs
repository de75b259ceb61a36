//! Keeps what is in memory out of core dumps, and from other processes: keys are there.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Which of this process's memory a dump may hold; see core(5). It holds also where a program takes the dump, which the
/// limit on the file's size does not keep from it.
const FILTER: &str = "/proc/self/coredump_filter";

/// From now on a dump has no file, and nothing of this process's memory in it; and no process of the same user may look into
/// that memory (ptrace(2)): only one with the system's own right to.
///
/// # Errors
/// When the system does not let us. [`check`] says so again.
pub(crate) fn refuse() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    std::fs::write(FILTER, "0")?;
    // Last: from here on what the system says of this process is not its user's to change.
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Whether dumps are kept out, and other processes.
///
/// # Errors
/// Says what holds no more.
pub(crate) fn check() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Core);
    anyhow::ensure!(
        limit.maximum == Some(0),
        "core dumps may be written: their size could not be limited to nothing"
    );
    let filter =
        std::fs::read_to_string(Path::new(FILTER)).with_context(|| format!("`{FILTER}` cannot be read"))?;
    let nothing = filter.trim().bytes().all(|digit| digit == b'0');
    anyhow::ensure!(
        nothing,
        "a core dump would hold this process's memory: `{FILTER}` says {}",
        filter.trim()
    );
    anyhow::ensure!(
        dumpable_behavior()? == DumpableBehavior::NotDumpable,
        "other programs of this user may read this process's memory: the system did not let that be refused"
    );
    Ok(())
}
