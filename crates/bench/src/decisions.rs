//! The policies: how long a decision takes with many policies and many people and things, and how long plain Cedar takes
//! for the same.

use access::policies::Source;
use access::{Action, Directory, Person, Place, Policies, Request, Resource, Service, Standing, Who};
use anyhow::{Context as _, ensure};
use cedar_policy::Authorizer;
use domain::Scope;
use serde_json::json;

use crate::cell::Bench;
use crate::chance::Chance;
use crate::stopwatch::Stopwatch;
use crate::table::{Table, keep, print, reaches, say};

/// How much there is.
const POLICIES: usize = 200;
const ENTITIES: usize = 10_000;
const TENANTS: u64 = 100;
const CONNECTIONS: u64 = 20;
/// What is asked for: half of the decisions within that.
const MEDIAN_US_MAX: f64 = 20.0;

/// The built-in policies, and one for the night shift of each of as many tenants as make the number full.
fn policies() -> anyhow::Result<Policies> {
    let built_in = Policies::built_in()?;
    let more = POLICIES.saturating_sub(built_in.shown().len());
    let shift = |tenant: usize| {
        format!(
            "@id(\"night-shift-{tenant}\") permit (principal in Group::\"t{tenant}/night-shift\", \
             action in Action::\"run\", resource in Tenant::\"t{tenant}\");\n"
        )
    };
    let mut sources = built_in.sources().to_vec();
    sources.push(Source { file: "shifts.cedar".to_owned(), text: (0..more).map(shift).collect() });
    Ok(Policies::new(sources)?)
}

fn scope(tenant: u64, connection: u64) -> anyhow::Result<Scope> {
    Ok(Scope {
        tenant: format!("t{tenant}").parse()?,
        region: "eu".parse()?,
        platform: if connection.is_multiple_of(2) { "shopify" } else { "bigcommerce" }.parse()?,
        connection: format!("shop-{connection}").parse()?,
    })
}

/// Everybody and everything: what belongs to connections, the processes, and people until the number is full.
fn directory(chance: &mut Chance) -> anyhow::Result<Directory> {
    let place = Place { cell: "cell".to_owned(), region: "eu".parse()? };
    let mut everything = vec![
        Resource::Vault(place.clone()),
        Resource::Trail(place.clone()),
        Resource::Policies(place.clone()),
        Resource::Cell(place.clone()),
        Resource::StoreCredential(place, "object-store".to_owned()),
    ];
    for tenant in 0..TENANTS {
        for connection in 0..CONNECTIONS {
            let scope = scope(tenant, connection)?;
            everything.extend([
                Resource::DataKey(scope.clone()),
                Resource::Credential(scope.clone()),
                Resource::Record(scope.clone(), "order".parse()?),
                Resource::Connection(scope),
            ]);
        }
    }
    let mut everybody = Vec::new();
    for role in ["command", "server", "monitor", "worker/shopify", "worker/bigcommerce"] {
        everybody.push(Who::Service(Service::new(role, "cell", "eu".parse()?)?));
    }
    let behind = Person { name: "behind".to_owned(), groups: ["operators".to_owned()].into() };
    let standing = Standing::good(behind);
    // People fill it up: whatever else there is counts too.
    let people = ENTITIES
        .saturating_sub(Directory::new(everybody.clone(), everything.clone(), standing.clone())?.len());
    for number in 0..people {
        let tenant = chance.below(TENANTS);
        let group = chance.one_of(&["owners", "viewers", "night-shift"]);
        let mut groups = vec![format!("t{tenant}/{group}")];
        if chance.percent(5) {
            groups.push(chance.one_of(&["operators", "auditors", "custodians"]).to_owned());
        }
        let person = Person { name: format!("person-{number}"), groups: groups.into_iter().collect() };
        everybody.push(Who::Person(person));
    }
    let directory = Directory::new(everybody, everything, standing)?;
    ensure!(directory.len() == ENTITIES, "{} entities", directory.len());
    Ok(directory)
}

/// What the processes of a cell ask all day, and what people ask of what is theirs.
fn question<'d>(all: &'d Directory, chance: &mut Chance) -> anyhow::Result<(&'d Who, Action, &'d Resource)> {
    let mut drawn = |end: usize| usize::try_from(chance.below(u64::try_from(end)?)).context("a number");
    let everything = all.everything();
    let resource = everything.get(drawn(everything.len())?).context("a thing")?;
    let turn = drawn(4)?;
    let (who, action) = match resource {
        Resource::DataKey(_) => (drawn(5)?, Action::DataKeyOpen),
        Resource::Credential(_) => (drawn(5)?, Action::CredentialOpen),
        Resource::Record(..) if turn < 2 => (drawn(5)?, Action::RecordRead),
        Resource::Record(..) => (drawn(all.everybody().len())?, Action::Read),
        Resource::Connection(_) if turn < 2 => (drawn(all.everybody().len())?, Action::Backup),
        Resource::Connection(_) => (drawn(5)?, Action::GrantGive),
        Resource::Vault(_) => (drawn(5)?, Action::VaultStatus),
        Resource::Trail(_) => (drawn(5)?, Action::TrailLogKey),
        Resource::Policies(_) => (drawn(all.everybody().len())?, Action::PolicyRead),
        Resource::Cell(_) => (drawn(all.everybody().len())?, Action::TenantList),
        Resource::Roster(..) => (drawn(5)?, Action::CatalogRosterRead),
        Resource::StoreCredential(..) => (drawn(5)?, Action::CredentialOpen),
        Resource::Tenant(..) => (drawn(5)?, Action::CatalogConnectionList),
    };
    Ok((all.everybody().get(who).context("somebody")?, action, resource))
}

fn micros(watch: &Stopwatch) -> f64 {
    watch.passed().as_secs_f64() * 1e6
}

/// How long each took, sorted.
struct Took(Vec<f64>);

impl Took {
    fn new(mut took: Vec<f64>) -> Self {
        took.sort_by(f64::total_cmp);
        Self(took)
    }

    fn at(&self, percent: usize) -> f64 {
        self.0.get(self.0.len() * percent / 100).or(self.0.last()).copied().unwrap_or_default()
    }
}

/// Measures and prints.
pub(crate) fn run(bench: &Bench, count: usize, seed: u64) -> anyhow::Result<()> {
    say("the policies: decisions with the index, and by plain Cedar");
    let chance = &mut Chance::new(seed);
    let policies = policies()?;
    let all = directory(chance)?;
    ensure!(policies.shown().len() == POLICIES, "{} policies", policies.shown().len());
    let plain = Authorizer::new();
    let (mut indexed, mut by_cedar, mut whole, mut allowed) = (Vec::new(), Vec::new(), Vec::new(), 0_usize);
    for _ in 0..count {
        let (who, action, resource) = question(&all, chance)?;
        let asked = all.ask(who, action, resource).context("a question that cannot be asked")?;
        let watch = Stopwatch::start();
        let decision = policies.decide_among(&asked, all.entities());
        indexed.push(micros(&watch));
        allowed += usize::from(decision.is_allowed());

        let watch = Stopwatch::start();
        let response = plain.is_authorized(&asked, policies.set(), all.entities());
        by_cedar.push(micros(&watch));
        let agrees = (response.decision() == cedar_policy::Decision::Allow) == decision.is_allowed();
        ensure!(agrees, "the index and plain Cedar differ on {who} {action} {resource}");

        // As the vault asks: nothing is known but what came with the question.
        let standing = all.standing().clone();
        let request = Request { who: who.clone(), action, resource: resource.clone(), standing };
        let watch = Stopwatch::start();
        let same = policies.decide(&request);
        whole.push(micros(&watch));
        ensure!(same == decision, "{who} {action} {resource}");
    }
    let [indexed, by_cedar, whole] = [indexed, by_cedar, whole].map(Took::new);

    let mut table = Table::new(&["what", "target", "median", "99 of 100 within", "reached"]);
    let mut row = |what: &str, took: &Took, target: &str, reached: &str| {
        let [half, most] = [took.at(50), took.at(99)].map(|us| format!("{us:.1} µs"));
        table.row(&[what, target, &half, &most, reached]);
    };
    row("a decision, by the index", &indexed, "≤ 20 µs", reaches(indexed.at(50), MEDIAN_US_MAX));
    row("– with all that it is about told anew", &whole, "", "");
    row("the same by plain Cedar", &by_cedar, "", "");
    let told = format!(
        "{count} decisions, {POLICIES} policies, {ENTITIES} entities, {} of 100 allowed",
        allowed * 100 / count.max(1)
    );
    print(&format!("## The policies: {told}\n\n{}", table.text()))?;
    let figures = |took: &Took| json!({ "median": took.at(50), "p99": took.at(99) });
    let figures = json!({ "indexed_us": figures(&indexed), "told_anew_us": figures(&whole), "plain_us": figures(&by_cedar) });
    keep(&bench.dir, "decisions", figures)
}
