//! The vault: how many data keys it opens in a second, over mutual TLS, each on the record before it is answered.
//!
//! Both ends are in this process, on the same two cores: what is measured is what vault and caller take together. The
//! journal is a real one, and syncs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use access::Guard;
use anyhow::{Context as _, ensure};
use domain::{Action, Clock, DataKeys as _, Grant, Rng, Role, Scope};
use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use serde_json::json;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use trail::head::Folder;
use trail::journal::Journal;
use transport::{Authority, CERTIFICATE_TTL, Channel, Dial, Endpoint, Identities, Stream};
use vault::system::{SystemClock, SystemRng};
use vault::{Argon2Cost, Client, Handles, InitSettings, OperatorKey, Passphrase, RecoverySetting, Vault};

use crate::cell::Bench;
use crate::events::cpu_ms;
use crate::stopwatch::Stopwatch;
use crate::table::{Table, float, keep, milliseconds, print, reaches, say};

/// Connections that are kept, and calls in flight on each.
const CONNECTIONS: usize = 8;
const IN_FLIGHT: usize = 8;
/// What is asked for: keys in a second.
const RATE_MIN: f64 = 5_000.0;

/// Connects to an endpoint in this process, through the kernel.
struct Beside(Endpoint);

impl Dial for Beside {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        let pair = UnixStream::pair().map(|(ours, theirs)| {
            let endpoint = self.0.clone();
            tokio::spawn(async move { endpoint.serve(theirs, pending()).await });
            Box::new(ours) as Box<dyn Stream>
        });
        std::future::ready(pair).boxed()
    }
}

struct World {
    clients: Vec<Client>,
    grant: Grant,
    scope: Scope,
    wrapped: Vec<u8>,
}

async fn world(dir: &Path) -> anyhow::Result<World> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let journal = Journal::open(&Folder::new(dir.join("trail")), "vault".parse()?, Arc::clone(&clock))?;
    let handles = Handles { clock: Arc::clone(&clock), rng: Arc::clone(&rng), audit: Arc::new(journal) };
    let recovery = dir.join("recovery.key");
    let settings = InitSettings {
        recovery: RecoverySetting::New { file: &recovery, passphrase: None },
        recipients: Vec::new(),
        cost: Argon2Cost::default(),
    };
    let home = dir.join("cell");
    let passphrase = Passphrase::new("a passphrase for figures".to_owned())?;
    let policies = Guard::built_in("local".parse()?)?;
    let vault = Vault::init(&home, &passphrase, settings, &handles).await?;
    let vault = Arc::new(vault.with_policies(Arc::new(policies)));
    let authority = Authority::new(vault.id(), vault.authority_key()?, CERTIFICATE_TTL);
    let identity = |role| Ok::<_, anyhow::Error>(Identities::new(authority.identity(role, clock.now())?.0));
    let routes = vault::routes(&vault);
    let endpoint = Endpoint::new(identity(&Role::Vault)?, routes, Arc::clone(&clock), CERTIFICATE_TTL);
    let client = |who: &Identities| {
        let beside = Beside(endpoint.clone());
        let channel = Channel::new(Role::Vault, who.clone(), beside, Arc::clone(&clock));
        Client::over(Arc::new(channel), Arc::clone(&clock), Arc::clone(&rng))
    };
    let (command, worker) = (identity(&Role::Command)?, identity(&Role::Worker("shopify".parse()?))?);
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| client(&worker)).collect();
    let scope = Scope {
        tenant: "default".parse()?,
        region: "local".parse()?,
        platform: "shopify".parse()?,
        connection: "shop".parse()?,
    };
    let first = clients.first().context("no connection")?;
    let operator = client(&command).sign_in(OperatorKey::read(&home)?).await?;
    let actions = [Action::Connect, Action::Backup];
    let grant = operator.grant(&scope, &actions, "figures", vault::GRANT_TTL_MAX).await?;
    let wrapped = first.create(&grant, &scope).await?.wrapped;
    Ok(World { clients, grant, scope, wrapped })
}

/// Opens so many keys. Answers how long each took, sorted.
async fn open(world: &Arc<World>, count: u64) -> anyhow::Result<Vec<f64>> {
    let share = count / u64::try_from(CONNECTIONS * IN_FLIGHT)?;
    let mut callers = JoinSet::new();
    for caller in 0..CONNECTIONS * IN_FLIGHT {
        let world = Arc::clone(world);
        callers.spawn(async move {
            let client = world.clients.get(caller % CONNECTIONS).context("no connection")?;
            let mut took = Vec::new();
            for _ in 0..share {
                let watch = Stopwatch::start();
                client.open(&world.grant, &world.scope, &world.wrapped).await?;
                took.push(watch.passed().as_secs_f64() * 1_000.0);
            }
            Ok::<_, anyhow::Error>(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = callers.join_next().await {
        all.extend(took??);
    }
    ensure!(!all.is_empty(), "nothing was opened");
    all.sort_by(f64::total_cmp);
    Ok(all)
}

/// Measures and prints.
pub(crate) fn run(bench: &mut Bench, count: u64) -> anyhow::Result<()> {
    let dir = bench.scratch("opens")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    say("the vault: data keys opened over mutual TLS");
    let (rate, micros, waits) = runtime.block_on(async {
        let world = Arc::new(world(&dir).await?);
        // Connections stand before it counts.
        open(&world, 10 * u64::try_from(CONNECTIONS * IN_FLIGHT)?).await?;
        let (watch, before) = (Stopwatch::start(), cpu_ms());
        let waits = open(&world, count).await?;
        let made = float(u64::try_from(waits.len())?);
        Ok::<_, anyhow::Error>((
            made / watch.passed().as_secs_f64(),
            (cpu_ms() - before) * 1_000.0 / made,
            waits,
        ))
    })?;
    let at =
        |percent: usize| waits.get(waits.len() * percent / 100).or(waits.last()).copied().unwrap_or_default();
    let (half, most) = (at(50), at(99));

    let mut table = Table::new(&["what", "target", "measured", "reached"]);
    let opened = format!("{rate:.0}");
    table.row(&["data keys opened, in a second", "≥ 5,000", &opened, reaches(RATE_MIN, rate)]);
    table.row(&["CPU of each, vault and caller", "", &format!("{micros:.0} µs"), ""]);
    table.row(&["answered after: median", "", &milliseconds(half), ""]);
    table.row(&["– 99 of 100 within", "", &milliseconds(most), ""]);
    let told = format!("{count} data keys, {CONNECTIONS} connections with {IN_FLIGHT} in flight on each");
    print(&format!("## The vault over mutual TLS: {told}\n\n{}", table.text()))?;
    let figures = json!({ "rate": rate, "cpu_us": micros, "ms": { "median": half, "p99": most } });
    keep(&bench.dir, "opens", figures)?;
    Ok(std::fs::remove_dir_all(dir)?)
}
