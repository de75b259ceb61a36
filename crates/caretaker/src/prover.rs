//! The prover: a program beside this one, which has the solver. What it says, and what counts where it is not.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use access::proof::{self, Digests, Record, Reviewer, Solver};
use access::{Policies, invariants};
use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

/// What it is called.
const PROGRAM: &str = "caretaker-prove";
/// The exit code by which it says that something was not proven.
const UNPROVEN: i32 = 5;
/// What it may know of where it runs: where programs lie, and which solver was named.
const ENVIRONMENT: &[&str] = &["PATH", "CARETAKER_SOLVER"];
/// The record of the policies in a folder, as it is called there.
pub(crate) const RECORD: &str = "proof";

/// What came of one invariant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) invariant: String,
    pub(crate) says: String,
    pub(crate) proven: bool,
    pub(crate) kinds: usize,
    pub(crate) ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) counterexample: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undecided: Option<String>,
}

/// What was proven, and by what.
#[derive(Debug, Deserialize)]
struct Proved {
    digests: Digests,
    solver: Solver,
}

/// What a proof came to.
pub(crate) struct Proof {
    pub(crate) findings: Vec<Finding>,
    pub(crate) record: Record,
}

impl Proof {
    /// Whether everything was proven.
    pub(crate) fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.proven)
    }
}

fn program() -> PathBuf {
    let beside = std::env::current_exe().map(|own| own.with_file_name(PROGRAM)).ok();
    beside.filter(|program| program.is_file()).unwrap_or_else(|| PROGRAM.into())
}

/// What it says to these words. `None` where it is not there.
async fn said(words: Vec<PathBuf>) -> anyhow::Result<Option<Output>> {
    let mut command = Command::new(program());
    command.args(words).stdin(Stdio::null()).env_clear();
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    // It limits its own time, and raises its own walls.
    let output = tokio::task::spawn_blocking(move || command.output()).await?;
    match output {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not start `{PROGRAM}`")),
    }
}

/// Its last words to people.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().last().unwrap_or("it said nothing");
    line.strip_prefix(PROGRAM).and_then(|line| line.strip_prefix(": ")).unwrap_or(line).to_owned()
}

/// Which solver there is, or why there is none.
pub(crate) async fn solver() -> anyhow::Result<Solver> {
    let Some(output) = said(vec!["solver".into()]).await? else {
        bail!("there is no program `{PROGRAM}`, neither beside this one nor on the path");
    };
    ensure!(output.status.success(), "{}", complaint(&output));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Has the invariants of these policies proven, which stand in that folder, if they are not the built-in ones.
///
/// # Errors
/// When that could not be done; why, is told.
pub(crate) async fn prove(policies: &Policies, dir: Option<&Path>) -> anyhow::Result<Proof> {
    let mut words = vec!["prove".into()];
    if let Some(dir) = dir {
        words.extend(["--policies".into(), std::path::absolute(dir)?]);
    }
    let Some(output) = said(words).await? else {
        bail!("there is no program `{PROGRAM}`, neither beside this one nor on the path");
    };
    let code = output.status.code();
    ensure!(code == Some(0) || code == Some(UNPROVEN), "{}", complaint(&output));
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = text.lines().collect();
    let (last, findings) = lines.split_last().context("the prover said nothing")?;
    let Proved { digests, solver } = serde_json::from_str(last)?;
    let findings: Vec<Finding> =
        findings.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    // What was read there must be what was read here.
    ensure!(
        digests == Digests::new(policies, invariants::BUILT_IN),
        "the prover read other policies, or knows another schema or other invariants, than this program"
    );
    let proven = findings.iter().filter(|finding| finding.proven);
    let proven = proven.map(|finding| finding.invariant.clone()).collect();
    Ok(Proof { findings, record: Record { digests, solver, proven } })
}

/// Who vouches for a proof of these policies that was made elsewhere, or why nobody does.
pub(crate) fn vouched(policies: &Policies, dir: Option<&Path>) -> anyhow::Result<(Record, Reviewer)> {
    let record = match dir {
        None => proof::BUILT_IN.to_owned(),
        Some(dir) => {
            let path = dir.join(RECORD);
            std::fs::read_to_string(&path).with_context(|| {
                format!("there is no record of a proof that can be read: `{}`", path.display())
            })?
        }
    };
    proof::vouched(policies, &record)?.context("the record of a proof does not count")
}
