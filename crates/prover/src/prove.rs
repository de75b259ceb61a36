//! Asks the solver, and replays what it answers.

use std::time::{Duration, Instant};

use access::Policies;
use access::invariants::{Check, Invariant};
use cedar_policy::{Authorizer, Decision, Effect, EntityUid, Policy, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet, Env};
use serde::Serialize;

use crate::solver::{Solver, SolverError};

/// What came of one invariant.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// Its name.
    pub invariant: String,
    /// What it says.
    pub says: String,
    /// Whether it holds for all requests.
    pub proven: bool,
    /// How many kinds of requests (who, for what, about what) it was held against.
    pub kinds: usize,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// A request that it does not hold for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Counterexample>,
    /// Why it could not be decided: then it counts as not holding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
}

/// A request that the policies allow and the invariant does not.
#[derive(Debug, Serialize)]
pub struct Counterexample {
    /// Who asks.
    pub principal: String,
    /// For what.
    pub action: String,
    /// About what.
    pub resource: String,
    /// What comes along.
    pub context: serde_json::Value,
    /// All that policies may look at.
    pub entities: serde_json::Value,
    /// The permits that let them: what Cedar itself answers to this request.
    pub permitted_by: Vec<String>,
}

/// Why one kind of request is not proven.
enum Trouble {
    Counterexample(Box<Counterexample>),
    Undecided(String),
}

/// The solver at work. One that has hung or died is replaced.
struct Session<'s> {
    solver: &'s Solver,
    thinks: Duration,
    compiler: CedarSymCompiler<LocalSolver>,
}

/// What the solver may take beyond the time that it was told, before it is ended.
const GRACE: Duration = Duration::from_secs(5);

/// A failure by its words.
#[expect(clippy::needless_pass_by_value, reason = "it stands behind `map_err`")]
fn undecided(error: impl ToString) -> Trouble {
    Trouble::Undecided(error.to_string())
}

impl<'s> Session<'s> {
    fn new(solver: &'s Solver, thinks: Duration) -> Result<Self, SolverError> {
        let compiler = CedarSymCompiler::new(solver.start(thinks)?).map_err(|error| SolverError::Start {
            program: "cvc5".into(),
            source: std::io::Error::other(error),
        })?;
        Ok(Self { solver, thinks, compiler })
    }

    /// A request that the first set allows and the second does not, if there is one.
    async fn differs(
        &mut self,
        first: &CompiledPolicySet,
        second: &CompiledPolicySet,
    ) -> Result<Option<Env>, Trouble> {
        let asked = self.compiler.check_implies_with_counterexample_opt(first, second);
        match tokio::time::timeout(self.thinks + GRACE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.replace()?;
                Err(undecided(error))
            }
            Err(_) => {
                self.replace()?;
                Err(undecided("the solver did not answer in time"))
            }
        }
    }

    /// Ends the solver, which may be in the middle of something, and starts another.
    fn replace(&mut self) -> Result<(), Trouble> {
        *self = Self::new(self.solver, self.thinks).map_err(undecided)?;
        Ok(())
    }
}

/// Puts a request to Cedar itself.
fn replay(env: &Env, policies: &PolicySet) -> Result<Counterexample, String> {
    let response = Authorizer::new().is_authorized(&env.request, policies, &env.entities);
    if response.decision() != Decision::Allow {
        return Err("the solver's counterexample is not allowed when it is replayed".to_owned());
    }
    let text = |uid: Option<&EntityUid>| uid.map(ToString::to_string).unwrap_or_default();
    let mut permitted_by: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    permitted_by.sort();
    let json = |error: &dyn std::fmt::Display| format!("the counterexample cannot be told: {error}");
    let context = env.request.context().map(cedar_policy::Context::to_json_value).transpose();
    Ok(Counterexample {
        principal: text(env.request.principal()),
        action: text(env.request.action()),
        resource: text(env.request.resource()),
        context: context.map_err(|error| json(&error))?.unwrap_or_default(),
        entities: env.entities.to_json_value().map_err(|error| json(&error))?,
        permitted_by,
    })
}

/// Something that is allowed, though not always: whoever finds no request here would find none anywhere.
const CONTROL: &str = "permit (principal is Person, action == Action::\"read\", resource is Connection) when { context.two_factors };";

/// Asks the solver something of which the answer is known, before it is believed anything.
async fn control(session: &mut Session<'_>, schema: &Schema) -> Result<(), ProveError> {
    let failed = |why: String| ProveError::Control(why);
    let told = |error: &dyn std::fmt::Display| failed(error.to_string());
    let set: PolicySet = CONTROL.parse().map_err(|error: cedar_policy::ParseErrors| told(&error))?;
    let envs = set.policies().next().map(|policy| policy.get_valid_request_envs(schema).collect::<Vec<_>>());
    let env = envs.into_iter().flatten().next().ok_or_else(|| failed("it cannot be asked".to_owned()))?;
    let compile = |set| CompiledPolicySet::compile(set, &env, schema).map_err(|error| told(&error));
    match session.differs(&compile(&set)?, &compile(&PolicySet::new())?).await {
        Ok(Some(found)) => replay(&found, &set).map(|_| ()).map_err(failed),
        Ok(None) => Err(failed("it finds no request where there is one".to_owned())),
        Err(Trouble::Undecided(why)) => Err(failed(why)),
        Err(Trouble::Counterexample(_)) => Ok(()),
    }
}

/// One kind of request, with what the policies say of it.
struct Kind {
    env: RequestEnv,
    policies: CompiledPolicySet,
}

async fn forbids(
    session: &mut Session<'_>,
    kinds: &[Kind],
    (policies, schema, forbid): (&PolicySet, &Schema, &Policy),
) -> Result<(), Trouble> {
    let mut more = policies.clone();
    more.add(forbid.clone()).map_err(undecided)?;
    for Kind { env, policies: before } in kinds {
        let after = CompiledPolicySet::compile(&more, env, schema).map_err(undecided)?;
        if let Some(found) = session.differs(before, &after).await? {
            let counterexample = replay(&found, policies).map_err(Trouble::Undecided)?;
            // With the invariant it is another decision: the two really differ.
            if replay(&found, &more).is_ok() {
                return Err(undecided("the solver's counterexample is allowed by the invariant too"));
            }
            return Err(Trouble::Counterexample(Box::new(counterexample)));
        }
    }
    Ok(())
}

/// Looks for a permit that names one thing of a type, and for a request that it lets through.
async fn names_no(
    session: &mut Session<'_>,
    kinds: &[Kind],
    (policies, schema, of): (&PolicySet, &Schema, &str),
) -> Result<(), Trouble> {
    let names =
        |policy: &&Policy| policy.entity_literals().iter().any(|uid| uid.type_name().to_string() == of);
    let permits = || policies.policies().filter(|policy| policy.effect() == Effect::Permit);
    let Some(named) = permits().find(names) else { return Ok(()) };
    let forbids = policies.policies().filter(|policy| policy.effect() == Effect::Forbid);
    let alone = PolicySet::from_policies(forbids.cloned().chain([named.clone()])).map_err(undecided)?;
    let nothing = PolicySet::new();
    for Kind { env, .. } in kinds {
        let compile = |set| CompiledPolicySet::compile(set, env, schema).map_err(undecided);
        if let Some(found) = session.differs(&compile(&alone)?, &compile(&nothing)?).await? {
            let counterexample = replay(&found, policies).map_err(Trouble::Undecided)?;
            return Err(Trouble::Counterexample(Box::new(counterexample)));
        }
    }
    Err(undecided(format!("`{}` names one {of}, and lets nothing through", named.id())))
}

#[expect(clippy::disallowed_methods, reason = "it tells how long a proof took; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

/// Proves each invariant of the policies, or says for which request it does not hold. The solver thinks about each question so
/// long at most.
///
/// # Errors
/// When the solver cannot be started, or the policies cannot be told to it.
pub async fn prove(
    policies: &Policies,
    invariants: &[Invariant],
    (solver, thinks): (&Solver, Duration),
) -> Result<Vec<Finding>, ProveError> {
    let (set, schema) = (policies.set(), policies.schema());
    let mut session = Session::new(solver, thinks)?;
    control(&mut session, schema).await?;
    let compiled = |env: RequestEnv| {
        let policies = CompiledPolicySet::compile(set, &env, schema)
            .map_err(|error| ProveError::Untold(error.to_string()))?;
        Ok(Kind { env, policies })
    };
    let kinds = schema.request_envs().map(compiled).collect::<Result<Vec<Kind>, ProveError>>()?;
    let mut findings = Vec::new();
    for Invariant { name, says, check } in invariants {
        let since = now();
        let ended = match check {
            Check::Forbids(forbid) => forbids(&mut session, &kinds, (set, schema, forbid)).await,
            Check::NamesNo(of) => names_no(&mut session, &kinds, (set, schema, of)).await,
        };
        let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (counterexample, undecided) = match ended {
            Ok(()) => (None, None),
            Err(Trouble::Counterexample(found)) => (Some(*found), None),
            Err(Trouble::Undecided(why)) => (None, Some(why)),
        };
        let proven = counterexample.is_none() && undecided.is_none();
        let (invariant, says) = (name.clone(), says.clone());
        findings.push(Finding { invariant, says, proven, kinds: kinds.len(), ms, counterexample, undecided });
    }
    Ok(findings)
}

/// Why nothing could be proven at all.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The solver is not there.
    #[error(transparent)]
    Solver(#[from] SolverError),
    /// The solver does not know what is known: nothing that it says counts.
    #[error("the solver is not to be believed: {0}")]
    Control(String),
    /// The policies cannot be told in logic.
    #[error("the policies cannot be told to the solver: {0}")]
    Untold(String),
}
