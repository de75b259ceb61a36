//! `caretaker policy`: what the policies say, who can do what, and what they can never allow.

use std::path::Path;

use access::{
    Action, Directory, Person, Place, Policies, Resource, Service, Standing, Who, examples, invariants,
};
use anyhow::Context as _;
use connectors::registry;
use domain::{Kind, Platform, Scope, TenantId};
use flows::FlowError;
use flows::store_access::WhichStore;
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::{PolicyCommand, PolicyFolder, PolicyProve};
use crate::home::Home;
use crate::output::{Output, exit};
use crate::{files, prover};

/// The table of examples of a folder of policies.
const EXAMPLES: &str = "examples.json";
/// How this cell is called where only this one is asked about.
const THIS_CELL: &str = "cell";

pub(crate) async fn run(home: &Home, command: &PolicyCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        PolicyCommand::Show(folder) => show(folder, output),
        PolicyCommand::Test { folder, examples } => test(folder, examples.as_deref(), output),
        PolicyCommand::WhoCan { action, resource, folder } => {
            who_can(home, (action, resource), folder, output).await
        }
        PolicyCommand::Can { who, folder } => can(home, who, folder, output).await,
        PolicyCommand::Prove(words) => prove(words, output).await,
    }
}

impl PolicyFolder {
    fn dir(&self) -> Option<&Path> {
        self.policies.as_deref()
    }

    fn read(&self) -> anyhow::Result<Policies> {
        Ok(match self.dir() {
            Some(dir) => Policies::read(dir)?,
            None => Policies::built_in()?,
        })
    }
}

fn show(folder: &PolicyFolder, output: &Output) -> anyhow::Result<u8> {
    let policies = folder.read()?;
    let invariants = invariants::read(invariants::BUILT_IN, policies.schema())?;
    let vouched = prover::vouched(&policies, folder.dir());
    let proof = vouched.as_ref().ok().map(|(record, reviewer)| {
        json!({ "reviewer": reviewer.name(), "solver": record.solver.name, "proven": record.proven })
    });
    let told: Vec<_> = invariants.iter().map(|one| json!({ "name": one.name, "says": one.says })).collect();
    let shown = policies.shown();
    let answer = json!({ "policies": shown, "invariants": told, "proof": proof });
    output.result(&answer, || {
        let mut text: String = shown.iter().map(|policy| policy.text.clone() + "\n\n").collect();
        text += "What no policy may ever change:\n";
        for one in &invariants {
            text += &format!("  {:<24} {}\n", one.name, one.says);
        }
        text + &match &vouched {
            Ok((record, reviewer)) => {
                format!("Proven by {} for all requests, as {} vouches.", record.solver.name, reviewer.name())
            }
            Err(error) => format!("Nobody vouches for a proof of it: {error:#}."),
        }
    })?;
    Ok(exit::DONE)
}

fn test(folder: &PolicyFolder, file: Option<&Path>, output: &Output) -> anyhow::Result<u8> {
    let policies = folder.read()?;
    let own = folder.dir().map(|dir| dir.join(EXAMPLES)).filter(|own| own.exists());
    let text = match file.or(own.as_deref()) {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("could not read `{}`", file.display()))?
        }
        None => examples::BUILT_IN.to_owned(),
    };
    let table = examples::read(&text)?;
    let failed = examples::failed(&table, &policies);
    let rows: Vec<_> = failed
        .iter()
        .map(|one| json!({ "says": one.example.says, "allowed": one.decision.is_allowed(), "decision": one.decision }))
        .collect();
    output.result(&json!({ "examples": table.len(), "failed": rows }), || {
        let mut text: String =
            failed.iter().map(|one| format!("WRONG {}: {}\n", one.example.says, one.decision)).collect();
        text += &format!("{} examples, {} of them fail.", table.len(), failed.len());
        text
    })?;
    Ok(if failed.is_empty() { exit::DONE } else { exit::FAILED })
}

/// A cell as policies see it.
struct Seen {
    place: Place,
    tenants: Vec<TenantId>,
    scopes: Vec<Scope>,
    operator: Person,
}

impl Seen {
    async fn new(home: &Home) -> anyhow::Result<Self> {
        let unlocked = home.unlock().await?;
        let connections = unlocked.catalog.connections(&home.tenant).await?;
        let place = Place { cell: THIS_CELL.to_owned(), region: unlocked.file.region.clone() };
        let tenants = unlocked.catalog.tenants().await?;
        let operator = Person::operator(&tenants);
        let scopes = connections.into_iter().map(|connection| connection.scope).collect();
        Ok(Self { place, tenants, scopes, operator })
    }

    /// The processes that there can be, and the one person.
    fn everybody(&self) -> anyhow::Result<Vec<Who>> {
        let platforms = registry::PLATFORMS.iter().map(|platform| platform.name.to_owned());
        let mut platforms: Vec<String> =
            platforms.chain(self.scopes.iter().map(|scope| scope.platform.to_string())).collect();
        platforms.sort();
        platforms.dedup();
        let workers = platforms.into_iter().map(|platform| format!("worker/{platform}"));
        let roles = ["command", "server", "monitor"].into_iter().map(str::to_owned).chain(workers);
        let service =
            |role: String| Service::new(&role, THIS_CELL, self.place.region.clone()).map(Who::Service);
        let mut all = vec![Who::Person(self.operator.clone())];
        all.extend(roles.map(service).collect::<Result<Vec<_>, _>>()?);
        Ok(all)
    }

    /// The tenants, what the one of the command has, and what the cell has.
    fn everything(&self) -> anyhow::Result<Vec<Resource>> {
        let tenant = |tenant: &TenantId| Resource::Tenant(tenant.clone(), self.place.region.clone());
        let mut all: Vec<Resource> = self.tenants.iter().map(tenant).collect();
        for scope in &self.scopes {
            all.extend([
                Resource::Connection(scope.clone()),
                Resource::DataKey(scope.clone()),
                Resource::Credential(scope.clone()),
            ]);
            let kinds = registry::platform(scope.platform.as_str()).map(|platform| platform.kinds);
            for kind in kinds.unwrap_or_default() {
                all.push(Resource::Record(scope.clone(), Kind::new(kind.name)?));
            }
        }
        for platform in registry::names() {
            all.push(Resource::Roster(self.place.clone(), Platform::new(platform)?));
        }
        for store in [WhichStore::Objects, WhichStore::Keys] {
            all.push(Resource::StoreCredential(self.place.clone(), store.name().to_owned()));
        }
        let place = || self.place.clone();
        all.extend([
            Resource::Vault(place()),
            Resource::Trail(place()),
            Resource::Policies(place()),
            Resource::Cell(place()),
        ]);
        Ok(all)
    }

    /// What somebody means who says it without the tenant.
    fn named(&self, home: &Home, path: &str) -> anyhow::Result<Resource> {
        let path = match path.split_once('/') {
            Some((kind @ ("connection" | "data_key" | "credential" | "record"), rest)) => {
                format!("{kind}/{}/{rest}", home.tenant)
            }
            _ => path.to_owned(),
        };
        let found = Resource::named(&path, &self.place, |_, name| {
            self.scopes.iter().find(|scope| scope.connection == *name).cloned()
        });
        let is_there = |found: &Resource| match found {
            Resource::Tenant(tenant, _) => self.tenants.contains(tenant),
            _ => true,
        };
        found
            .filter(is_there)
            .ok_or_else(|| FlowError::NotFound(format!("`{path}` is nothing that policies know here")).into())
    }
}

/// What stands for a good second factor and a grant of somebody who may have one.
fn directory(seen: &Seen, everybody: Vec<Who>, everything: Vec<Resource>) -> anyhow::Result<Directory> {
    Ok(Directory::new(everybody, everything, Standing::good(seen.operator.clone()))?)
}

async fn who_can(
    home: &Home,
    (action, resource): (&str, &str),
    folder: &PolicyFolder,
    output: &Output,
) -> anyhow::Result<u8> {
    let policies = folder.read()?;
    let action: Action = action.parse().map_err(|error: access::action::UnknownAction| {
        let known: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        FlowError::Input(format!("{error}: there are {}", known.join(", ")))
    })?;
    let seen = Seen::new(home).await?;
    let resource = seen.named(home, resource)?;
    let all = directory(&seen, seen.everybody()?, vec![resource.clone()])?;
    let able = all.who_can(&policies, action, &resource);
    let rows: Vec<_> = able.iter().map(|one| json!({ "who": one.who.to_string(), "by": one.by })).collect();
    let answer = json!({ "action": action.as_str(), "resource": resource.to_string(), "who": rows });
    output.result(&answer, || {
        let mut text: String =
            able.iter().map(|one| format!("{:<20} {}\n", one.who.to_string(), by(&one.by))).collect();
        if able.is_empty() {
            text = format!("Nobody can {action} {resource}.");
        }
        text
    })?;
    Ok(exit::DONE)
}

fn by(policies: &[access::PolicyName]) -> String {
    policies.iter().map(access::PolicyName::as_str).collect::<Vec<_>>().join(", ")
}

async fn can(home: &Home, who: &str, folder: &PolicyFolder, output: &Output) -> anyhow::Result<u8> {
    let policies = folder.read()?;
    let seen = Seen::new(home).await?;
    let everybody = match who.strip_prefix("group/") {
        Some(group) => {
            let groups = [group.to_owned()].into();
            vec![Who::Person(Person { name: who.to_owned(), groups })]
        }
        None => seen.everybody()?,
    };
    let all = directory(&seen, everybody, seen.everything()?)?;
    let found = all.everybody().iter().find(|one| one.to_string() == who);
    let found = found.ok_or_else(|| FlowError::NotFound(format!("nobody here is called `{who}`")))?;
    let able = all.can(&policies, found);
    let rows: Vec<_> = able
        .iter()
        .map(|one| json!({ "action": one.action.as_str(), "resource": one.resource.to_string(), "by": one.by }))
        .collect();
    output.result(&json!({ "who": who, "can": rows }), || {
        let mut text: String = able
            .iter()
            .map(|one| {
                format!("{:<20} {:<40} {}\n", one.action.as_str(), one.resource.to_string(), by(&one.by))
            })
            .collect();
        if able.is_empty() {
            text = format!("{who} can do nothing.");
        }
        text
    })?;
    Ok(exit::DONE)
}

async fn prove(words: &PolicyProve, output: &Output) -> anyhow::Result<u8> {
    let policies = words.folder.read()?;
    let dir = words.folder.dir();
    let proving = Box::pin(prover::prove(&policies, dir));
    let proof = match output.while_busy("proving", proving).await {
        Ok(proof) => proof,
        // Whoever wants to sign must have seen it proven.
        Err(error) if words.record_out.is_some() => return Err(error),
        Err(error) => return without_a_prover(&policies, (dir, &error), output),
    };
    let holds = proof.holds();
    let mut reviewer = None;
    if let (true, Some(key), Some(out)) = (holds, &words.reviewer_key_file, &words.record_out) {
        let text = std::fs::read_to_string(key);
        let text = Zeroizing::new(text.with_context(|| format!("could not read `{}`", key.display()))?);
        let key = access::proof::ReviewerKey::read(&text)?;
        reviewer = Some(key.reviewer()?.to_string());
        files::write_new_private(out, proof.record.sign(&key)?.as_bytes())?;
    }
    let record = words.record_out.as_ref().filter(|_| holds);
    let answer = json!({
        "proven": holds,
        "invariants": proof.findings,
        "digests": proof.record.digests,
        "solver": proof.record.solver,
        "vouched_by": null,
        "record": record,
        "reviewer": reviewer,
    });
    output.result(&answer, || {
        let mut text = String::new();
        for one in &proof.findings {
            let mark = if one.proven { "proven" } else { "WRONG " };
            text += &format!("{mark} {:<24} {:>6} ms  {}\n", one.invariant, one.ms, one.says);
            if let Some(found) = &one.counterexample {
                text += &format!("       allowed against it, as Cedar replays: {found}\n");
            }
            if let Some(why) = &one.undecided {
                text += &format!("       it could not be decided, which counts as wrong: {why}\n");
            }
        }
        text += &format!("By {}.", proof.record.solver.name);
        if let (Some(reviewer), Some(record)) = (&reviewer, record) {
            text += &format!(" The record, signed by {reviewer}, is in {}.", record.display());
        }
        text
    })?;
    Ok(if holds { exit::DONE } else { exit::REFUSED })
}

/// What counts where nothing can be proven: a record that a reviewer has signed.
fn without_a_prover(
    policies: &Policies,
    (dir, missing): (Option<&Path>, &anyhow::Error),
    output: &Output,
) -> anyhow::Result<u8> {
    let missing = format!("{missing:#}");
    let vouched = prover::vouched(policies, dir).map_err(|error| format!("{error:#}"));
    let (record, reviewer) =
        (vouched.as_ref().ok().map(|(record, _)| record), vouched.as_ref().ok().map(|(_, by)| by));
    let answer = json!({
        "proven": record.is_some(),
        "invariants": [],
        "digests": record.map(|record| &record.digests),
        "solver": record.map(|record| &record.solver),
        "vouched_by": reviewer.map(access::proof::Reviewer::name),
        "record": null,
        "reviewer": null,
        "missing": missing,
        "refused": vouched.as_ref().err(),
    });
    output.result(&answer, || {
        let told = match &vouched {
            Ok((record, reviewer)) => format!(
                "{} invariants were proven elsewhere by {}, as {} vouches.",
                record.proven.len(),
                record.solver.name,
                reviewer.name()
            ),
            Err(why) => format!("Refused: {why}."),
        };
        format!("Nothing can be proven here: {missing}.\n{told}")
    })?;
    Ok(if vouched.is_ok() { exit::DONE } else { exit::REFUSED })
}
