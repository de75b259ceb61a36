//! How often a program waits for the disk.

use std::process::Command;

use crate::cell::installed;
use crate::meter::Run;

const CALLS: &[&str] = &["fsync", "fdatasync", "syncfs", "sync_file_range", "sync"];

/// Counts by `strace`; the text says why there is no count.
pub(crate) fn count(run: Run) -> anyhow::Result<Result<u64, &'static str>> {
    let Some(strace) = installed("strace") else { return Ok(Err("strace is not installed")) };
    let done = Command::new(strace)
        .args(["-f", "-c", "-e"])
        .arg(format!("trace={}", CALLS.join(",")))
        .arg(&run.program)
        .args(&run.arguments)
        .envs(run.environment)
        .output()?;
    Ok(if done.status.success() {
        Ok(calls(&String::from_utf8_lossy(&done.stderr)))
    } else {
        Err("strace may not look into processes here")
    })
}

/// Adds up the column of calls: `% time, seconds, usecs/call, calls, errors (if any), syscall`.
fn calls(table: &str) -> u64 {
    table
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let name = cells.last()?;
            if CALLS.contains(name) { cells.get(3)?.parse::<u64>().ok() } else { None }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_added_up() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.000321          16        20           fsync
 10.00    0.000021           7         3         1 fdatasync
------ ----------- ----------- --------- --------- ----------------
100.00    0.000342          14        23         1 total
";
        assert_eq!(calls(table), 23);
        assert_eq!(calls("caretaker: it failed"), 0);
    }
}
