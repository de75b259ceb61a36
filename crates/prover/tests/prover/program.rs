//! The program, as `caretaker` runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use access::policies::{Policies, Source};
use access::{examples, invariants};
use cedar_policy::{Authorizer, Context, Decision, Entities, Request};
use serde_json::Value;

const MISSING: &str = "the prover needs a solver. `make test` installs it; by hand: \
`scripts/python-tools .cache/solver cvc5==1.4.2` (CARETAKER_SOLVER names another)";

/// The solver: the one that `make test` prepared, or that is named.
pub(crate) fn solver() -> PathBuf {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/solver/bin/python");
    let solver = std::env::var_os("CARETAKER_SOLVER").map_or(prepared, PathBuf::from);
    assert!(solver.exists(), "`{}` is not there: {MISSING}", solver.display());
    if let Some(path) = std::env::var_os("CARETAKER_SUITES") {
        use std::io::Write as _;
        let mut suites = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        writeln!(suites, "prover").unwrap();
    }
    solver
}

/// What came of a run: its exit code, its findings, and what it said to people.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) lines: Vec<Value>,
    pub(crate) said: String,
}

impl Ran {
    pub(crate) fn finding(&self, name: &str) -> &Value {
        self.lines.iter().find(|line| line["invariant"] == name).unwrap_or_else(|| panic!("{}", self.said))
    }

    /// What was not proven, and why.
    pub(crate) fn told(&self) -> String {
        let not = self.lines.iter().filter(|line| line["proven"] == false);
        not.map(|line| format!("{line}\n")).collect::<String>() + &self.said
    }

    /// The invariants that were not proven.
    pub(crate) fn broken(&self) -> Vec<&str> {
        let not = self.lines.iter().filter(|line| line["proven"] == false);
        not.map(|line| line["invariant"].as_str().unwrap()).collect()
    }
}

pub(crate) fn run(words: &[&str], solver: &Path) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caretaker-prove"));
    let done = command.args(words).arg("--solver").arg(solver).output().unwrap();
    let lines = String::from_utf8(done.stdout).unwrap();
    Ran {
        code: done.status.code().unwrap(),
        lines: lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        said: String::from_utf8(done.stderr).unwrap(),
    }
}

/// The built-in policies in a folder, one text of them replaced by another.
pub(crate) struct Changed {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) policies: Policies,
}

impl Changed {
    pub(crate) fn new(from: &str, to: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut found = 0;
        let built_in = Policies::built_in().unwrap();
        for Source { file, text } in built_in.sources() {
            found += text.matches(from).count();
            std::fs::write(dir.path().join(file), text.replace(from, to)).unwrap();
        }
        assert_eq!(found, 1, "`{from}`");
        let policies = Policies::read(dir.path()).unwrap();
        Self { dir, policies }
    }
}

/// What Cedar says of a counterexample, with these policies.
pub(crate) fn replayed(counterexample: &Value, policies: &Policies) -> Decision {
    let uid = |part: &str| counterexample[part].as_str().unwrap().parse().unwrap();
    let schema = Some(policies.schema());
    let action = uid("action");
    let context = Context::from_json_value(counterexample["context"].clone(), None).unwrap();
    let request = Request::new(uid("principal"), action, uid("resource"), context, schema).unwrap();
    let entities = Entities::from_json_value(counterexample["entities"].clone(), schema).unwrap();
    Authorizer::new().is_authorized(&request, policies.set(), &entities).decision()
}

#[test]
fn words_that_are_not_understood_are_told() {
    let solver = solver();
    assert_eq!(run(&["solver"], &solver).code, 0);
    for wrong in [&["disprove"][..], &["prove", "--fast", "1"], &["prove", "--seconds", "soon"]] {
        let ran = run(wrong, &solver);
        assert_eq!(ran.code, 2, "{}", ran.said);
    }
    let nowhere = run(&["prove", "--policies", "nowhere"], &solver);
    assert!(nowhere.code == 1 && nowhere.said.contains("nowhere"), "{}", nowhere.said);
}

#[test]
fn the_tables_that_are_proven_are_those_that_caretaker_has() {
    let policies = Policies::built_in().unwrap();
    assert!(invariants::read(invariants::BUILT_IN, policies.schema()).unwrap().len() >= 5);
    assert!(!examples::read(examples::BUILT_IN).unwrap().is_empty());
}
