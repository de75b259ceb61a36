//! `caretaker-prove`: proves the invariants of a set of policies. One line of JSON for each on standard output.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use access::Policies;
use access::invariants;
use access::proof::Digests;
use prover::prove::prove;
use prover::solver::Solver;
use prover::walls;
use serde::Serialize;
use serde_json::json;

const USAGE: &str = "\
Proves of a set of policies what no policy may ever change, for all requests that there can be.

caretaker-prove prove [--policies DIR] [--invariants FILE] [--solver PROGRAM] [--seconds N]
    Without --policies and --invariants those that Caretaker comes with. For each invariant a line of JSON: whether it is
    proven, and if not, a request that is allowed against it. The last line says what was proven, in digests.
caretaker-prove solver [--solver PROGRAM]
    Which solver there is.

PROGRAM is cvc5 (1.3.1 or later), or a Python that has the package cvc5; if not said, what CARETAKER_SOLVER names, or the
first of the two on the path. It may think N seconds about one question (60).

Ends with 0 where all is proven, 5 where anything is not, 2 where the words were not understood, 1 where a file could not
be read or there is no solver.
";

/// How long the solver may think about one question, if nobody says.
const SECONDS: u64 = 60;

/// Why it does not end well.
enum Failure {
    Failed(String),
    Usage(String),
    Unproven,
}

impl Failure {
    fn new(error: impl std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        Self::Failed(text)
    }
}

#[derive(Default)]
struct Words {
    policies: Option<PathBuf>,
    invariants: Option<PathBuf>,
    solver: Option<PathBuf>,
    seconds: Option<u64>,
}

impl Words {
    fn read(mut words: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut read = Self::default();
        while let Some(word) = words.next() {
            let refuse = |why: &str| Failure::Usage(format!("`{}` {why}", word.display()));
            let value = words.next().ok_or_else(|| refuse("lacks what belongs behind it"))?;
            match word.to_str() {
                Some("--policies") => read.policies = Some(value.into()),
                Some("--invariants") => read.invariants = Some(value.into()),
                Some("--solver") => read.solver = Some(value.into()),
                Some("--seconds") => {
                    let seconds = value.to_str().and_then(|text| text.parse().ok());
                    read.seconds = Some(seconds.ok_or_else(|| refuse("wants a number"))?);
                }
                _ => return Err(refuse("is no option here")),
            }
        }
        Ok(read)
    }

    async fn find(&self) -> Result<Solver, Failure> {
        let named = self.solver.clone().or_else(|| std::env::var_os("CARETAKER_SOLVER").map(Into::into));
        let path = std::env::var_os("PATH").unwrap_or_default();
        Solver::find(named.as_deref(), &path).await.map_err(Failure::new)
    }
}

/// One line, which must arrive: whoever is told nothing must not take it for a yes.
fn tell(line: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(line).map_err(Failure::new)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Failure::new)
}

async fn prove_all(words: &Words) -> Result<(), Failure> {
    let policies = match &words.policies {
        Some(dir) => Policies::read(dir),
        None => Policies::built_in(),
    };
    let policies = policies.map_err(Failure::new)?;
    let text = match &words.invariants {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::Failed(format!("`{}` cannot be read: {error}", file.display())))?,
        None => invariants::BUILT_IN.to_owned(),
    };
    let invariants = invariants::read(&text, policies.schema()).map_err(Failure::new)?;
    let solver = words.find().await?;
    let thinks = Duration::from_secs(words.seconds.unwrap_or(SECONDS));
    let findings = prove(&policies, &invariants, (&solver, thinks)).await.map_err(Failure::new)?;
    findings.iter().try_for_each(tell)?;
    tell(&json!({ "digests": Digests::new(&policies, &text), "solver": solver.told }))?;
    if findings.iter().all(|finding| finding.proven) { Ok(()) } else { Err(Failure::Unproven) }
}

fn run(mut words: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let command = words.next().unwrap_or_default();
    match command.to_str() {
        Some("--help" | "-h") => {
            return io::stdout().write_all(USAGE.as_bytes()).map_err(Failure::new);
        }
        Some("prove" | "solver") => {}
        _ => return Err(Failure::Usage("say what is to be done: `prove` or `solver`".to_owned())),
    }
    let words = Words::read(words)?;
    // Before there is a thread, and before anything is started.
    for missing in walls::raise().map_err(Failure::new)? {
        say(&missing);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    runtime.block_on(async {
        if command == "solver" { tell(&words.find().await?.told) } else { prove_all(&words).await }
    })
}

/// A sentence for people.
fn say(text: &str) {
    // Nothing can be done about a stderr that is gone.
    drop(writeln!(io::stderr(), "caretaker-prove: {text}"));
}

fn main() -> ExitCode {
    let (code, text) = match run(std::env::args_os().skip(1)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Unproven) => return ExitCode::from(5),
        Err(Failure::Failed(text)) => (1, text),
        Err(Failure::Usage(text)) => (2, text + " (--help says which words there are)"),
    };
    say(&text);
    ExitCode::from(code)
}
