//! The solver: cvc5, as a program or as a Python package, started as a child that speaks SMT-LIB.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use access::proof::{Solver as Told, digest_of};
use cedar_policy_symcc::solver::LocalSolver;
use tokio::process::Command;

/// Speaks SMT-LIB for the Python package.
const ADAPTER: &str = include_str!("adapter.py");

/// The oldest version whose answers are understood.
const VERSION_MIN: [u32; 3] = [1, 3, 1];
/// How long it may take to say which version it is.
const ABOUT_MAX: Duration = Duration::from_secs(30);
/// What it may be called where nobody says: the program, then Python with the package.
const NAMES: &[&str] = &["cvc5", "python3"];

/// Why there is no solver.
#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    /// None was found.
    #[error(
        "there is no solver: install cvc5 1.3.1 or later as a program, or its package for Python, and name the program or that Python in CARETAKER_SOLVER"
    )]
    Missing,
    /// What was found cannot be started.
    #[error("the solver `{}` cannot be started", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was found is no solver.
    #[error("`{}` is neither cvc5 nor a Python that has its package: {said}", program.display())]
    Other {
        /// Which.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// What was found is too old.
    #[error("cvc5 {found} is too old: 1.3.1 or later is needed")]
    TooOld {
        /// Its version.
        found: String,
    },
}

/// A solver that was found.
#[derive(Debug, Clone)]
pub struct Solver {
    program: PathBuf,
    is_python: bool,
    /// Its version and what it is made of.
    pub told: Told,
}

/// A program that has nothing of ours but its words: no environment, no folder.
fn child(program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).env_clear().current_dir("/").kill_on_drop(true);
    command
}

/// What a program says to these words, within a time.
async fn said(program: &Path, words: &[&str]) -> Result<(bool, String), SolverError> {
    let failed = |source| SolverError::Start { program: program.to_owned(), source };
    let output = child(program, words).stdin(Stdio::null()).output();
    let output = tokio::time::timeout(ABOUT_MAX, output).await;
    let output = output.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).trim().to_owned()))
}

/// Where a program lies of that name.
fn found(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn check_version(version: &str) -> Result<(), SolverError> {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or_default());
    let found = [(); 3].map(|()| parts.next().unwrap_or_default());
    if found < VERSION_MIN { Err(SolverError::TooOld { found: version.to_owned() }) } else { Ok(()) }
}

impl Solver {
    /// The solver that was named, or else the first that there is.
    ///
    /// # Errors
    /// When there is none, or the one that was named is none.
    pub async fn find(named: Option<&Path>, path: &OsStr) -> Result<Self, SolverError> {
        if let Some(program) = named {
            // It is started from elsewhere. A link stays one: a Python environment is told by it.
            let program = std::path::absolute(program)
                .map_err(|source| SolverError::Start { program: program.to_owned(), source })?;
            return Self::at(&program).await;
        }
        let mut refused = SolverError::Missing;
        for program in NAMES.iter().filter_map(|name| found(name, path)) {
            match Self::at(&program).await {
                Ok(solver) => return Ok(solver),
                // A Python without the package is none that anybody meant; a cvc5 that is too old is.
                Err(error @ SolverError::TooOld { .. }) => refused = error,
                Err(_) => {}
            }
        }
        Err(refused)
    }

    async fn at(program: &Path) -> Result<Self, SolverError> {
        let (_, first) = said(program, &["--version"]).await?;
        let other = |said: &str| {
            let said = said.lines().last().unwrap_or_default().to_owned();
            SolverError::Other { program: program.to_owned(), said }
        };
        let is_python = first.starts_with("Python ");
        let (version, digest) = if is_python {
            let (is_there, about) = said(program, &["-I", "-c", ADAPTER, "--about"]).await?;
            let parts = about.split_once(' ').filter(|_| is_there).ok_or_else(|| other(&about))?;
            (parts.0.to_owned(), digest_of(&[ADAPTER.as_bytes(), parts.1.as_bytes()]))
        } else {
            let version = first.split("cvc5 version ").nth(1).and_then(|rest| rest.split_whitespace().next());
            let version = version.ok_or_else(|| other(&first))?.to_owned();
            let failed = |source| SolverError::Start { program: program.to_owned(), source };
            let bytes = std::fs::read(program).map_err(failed)?;
            (version, digest_of(&[&bytes]))
        };
        check_version(&version)?;
        let told = Told { name: format!("cvc5 {version}"), digest };
        Ok(Self { program: program.to_owned(), is_python, told })
    }

    /// Starts it. It thinks about each question so long at most.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, thinks: Duration) -> Result<LocalSolver, SolverError> {
        let limit = thinks.as_millis().to_string();
        let as_option = format!("--tlimit-per={limit}");
        let words: &[&str] =
            if self.is_python { &["-I", "-c", ADAPTER, &limit] } else { &["--lang", "smt", &as_option] };
        LocalSolver::from_command(&mut child(&self.program, words)).map_err(|error| SolverError::Start {
            program: self.program.clone(),
            source: io::Error::other(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solver_may_be_newer_and_not_older() {
        for good in ["1.3.1", "1.3.2", "1.4.2", "2.0", "1.4.0-dev"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for old in ["1.0.3", "1.3.0", "1.2.9", "0", "", "one"] {
            assert!(check_version(old).is_err(), "{old}");
        }
    }
}
