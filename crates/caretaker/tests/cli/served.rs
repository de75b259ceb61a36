//! The server's calls: each of them decided by the policies, whoever makes it, and on the record with those that decided.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::{Guard, Policies};
use catalog::{
    Catalog, CatalogError, CatalogErrorKind as Kind, Client, Connection, Ended, Gate, Head, Hint, Lease,
    LeaseRequest, LedgerEntry, Outcome as Ending, Restore, RestoreState, StepResult, StepState, Taking, Task,
    Webhook,
};
use domain::{
    AuditError, AuditEvent, AuditSink, Clock, Decides, Id128, Operation, Outcome, Role, Scope,
    SnapshotNumber, Timestamp, Verdict,
};
use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use serde_json::{Value, json};
use transport::{Authority, CERTIFICATE_TTL, Channel, Dial, Endpoint, Identities, Stream};
use vault::system::{SystemClock, SystemRng};
use vault::{Handles, Passphrase, Vault};

use crate::cell::TestCell;
use crate::matrix::scope;
use crate::vault_process::{Started, Way};

/// The platforms, each with the connection that the cell has of it.
const PLATFORMS: [(&str, &str); 2] = [("jsonl", "files"), ("shopify", "shop")];

/// What work on a connection takes, and which of it commands do, by which policy.
const OF_CONNECTIONS: &[(&str, Option<&str>)] = &[
    ("catalog.connection.read", Some("command-connections")),
    ("catalog.connection.set", None),
    ("catalog.connection.put", None),
    ("catalog.credential.put", Some("command-keeps-credentials")),
    ("catalog.credential.read", Some("command-keeps-credentials")),
    ("catalog.lease.seize", None),
    ("catalog.lease.read", None),
    ("catalog.lease.raise", None),
    ("catalog.head.read", Some("command-connections")),
    ("catalog.head.advance", None),
    ("catalog.lease.release", None),
    ("catalog.restore.add", None),
    ("catalog.restore.read", Some("command-connections")),
    ("catalog.restore.list", None),
    ("catalog.step.intend", None),
    ("catalog.step.finish", None),
    ("catalog.step.list", None),
    ("catalog.restore.move", None),
    ("catalog.ledger.record", None),
    ("catalog.ledger.list", None),
    ("catalog.schedule.read", Some("command-connections")),
    ("catalog.schedule.end", None),
    ("catalog.webhook.put", None),
    ("catalog.webhook.read", Some("command-connections")),
    ("catalog.hint.keep", None),
    ("catalog.webhook.remove", None),
];

/// What a worker asks of all connections of its platform, and nobody else.
const OF_A_ROSTER: &[&str] = &["catalog.roster.read", "catalog.roster.take", "catalog.roster.give_back"];

/// What commands alone ask.
const OF_THE_CELL: &[(&str, &str)] = &[
    ("catalog.check", "command-catalog"),
    ("catalog.tenant.add", "command-tenants"),
    ("catalog.tenant.list", "command-catalog"),
    ("catalog.connection.add", "command-connections"),
    ("catalog.connection.list", "command-tenants"),
    ("catalog.tag.change", "command-connections"),
    ("catalog.tag.list", "command-tenants"),
    ("catalog.store_credential.put", "command-keeps-stores"),
    ("catalog.store_credential.read", "command-keeps-stores"),
    ("catalog.schedule.put", "command-connections"),
    ("catalog.schedule.list", "command-tenants"),
    ("catalog.schedule.pause", "command-connections"),
    ("catalog.schedule.remove", "command-connections"),
];

fn at() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn connection(platform: &str, name: &str) -> Connection {
    let (url, settings) = ("https://shop.example".to_owned(), json!({}));
    Connection { scope: scope(platform, name), url, settings, created_at: at() }
}

/// The id of the restore of a connection of that platform.
fn restore_of(platform: &str) -> Id128 {
    Id128([u8::try_from(platform.len()).unwrap(); 16])
}

/// A cell with a connection of each platform.
async fn filled(cell: &TestCell) {
    let catalog = Catalog::open(cell.home().as_path()).await.unwrap();
    let client = Client::from(catalog.clone());
    for (platform, name) in PLATFORMS {
        client.put_connection(&connection(platform, name), "token", b"sealed", at()).await.unwrap();
    }
    catalog.close().await;
}

type Asked = Vec<Result<(), CatalogError>>;

/// Asks all of [`OF_CONNECTIONS`], in that order, about the connection of a platform.
async fn of_connections(client: &Client, (platform, name): (&str, &str)) -> Asked {
    let Scope { tenant, connection: of, .. } = &scope(platform, name);
    let (holder, id) = (Id128([5; 16]), restore_of(platform));
    let request = LeaseRequest { holder, seen_generation: 0, now: at(), ttl: Duration::from_secs(60) };
    let head = Head { number: SnapshotNumber(1), generation: 1, commit: "1-1-abc".into() };
    let restore = Restore {
        id,
        connection: of.clone(),
        target: of.clone(),
        plan_digest: "d".into(),
        undo_of: None,
        state: RestoreState::Applying,
        created_at: at(),
        changed_at: at(),
    };
    let step = StepResult { step: "a".into(), state: StepState::Done, ledger: None };
    let entry = LedgerEntry {
        connection: of.clone(),
        target: of.clone(),
        old: domain::RecordKey::new("product".parse().unwrap(), "1").unwrap(),
        new_id: "2".into(),
        restore: id,
        recorded_at: at(),
    };
    let ended =
        Ended { holder, outcome: Ending::Done, at: at(), whole_at: at(), heard_until: None, again_at: at() };
    let webhook = Webhook {
        tenant: tenant.clone(),
        connection: of.clone(),
        platform: platform.parse().unwrap(),
        address: format!("address-of-{name}"),
        url: String::new(),
        asked_at: None,
        failed: Vec::new(),
        heard_at: None,
    };
    let hint = Hint {
        event: "one".to_owned(),
        topic: "products/update".to_owned(),
        kinds: vec!["product".to_owned()],
        items: Vec::new(),
        told_at: None,
        received_at: at(),
        due_at: at(),
        apart_ms: 0,
    };
    let read = client.connection(tenant, of).await.map(drop);
    let set = client.set_settings(tenant, of, &json!({})).await;
    let put = client.put_connection(&connection(platform, name), "token", b"sealed", at()).await;
    let kept = client.put_credential(tenant, of, "token", b"sealed", at()).await;
    let credential = client.credential(tenant, of, "token").await.map(drop);
    let seized = client.seize_lease(tenant, of, request).await;
    let named =
        Lease { tenant: tenant.clone(), connection: of.clone(), holder, generation: 1, expires_at: at() };
    let lease = seized.as_ref().ok().cloned().unwrap_or(named);
    let held = client.lease(tenant, of).await.map(drop);
    let raised = client.raise_lease(&lease, 20).await;
    let lease = raised.as_ref().ok().cloned().unwrap_or(lease);
    vec![
        read,
        set,
        put,
        kept,
        credential,
        seized.map(drop),
        held,
        raised.map(drop),
        client.head(tenant, of).await.map(drop),
        client.advance_head(tenant, of, None, &head).await,
        client.release_lease(&lease).await,
        client.add_restore(tenant, &restore).await,
        client.restore(tenant, id).await.map(drop),
        client.restores(tenant, of).await.map(drop),
        client.intend(tenant, id, &["a".to_owned()], at()).await,
        client.finish_steps(tenant, id, &[step], at()).await,
        client.steps(tenant, id).await.map(drop),
        client.move_restore(tenant, id, (RestoreState::Applying, RestoreState::Done), at()).await,
        client.record_ids(tenant, &[entry]).await,
        client.ledger(tenant, of).await.map(drop),
        client.schedules(tenant, of).await.map(drop),
        client.end_due(tenant, of, Task::Backup, ended).await,
        client.put_webhook(&webhook).await,
        client.webhook(tenant, of).await.map(drop),
        client.hint(tenant, of, &hint).await.map(drop),
        client.remove_webhook(tenant, of).await.map(drop),
    ]
}

/// Asks all of [`OF_A_ROSTER`], in that order.
async fn of_a_roster(client: &Client, platform: &str) -> Asked {
    let (platform, holder) = (platform.parse().unwrap(), Id128([5; 16]));
    let taking = Taking { holder, now: at(), most: 1 };
    vec![
        client.next_due(&platform).await.map(drop),
        client.take_due(&platform, taking).await.map(drop),
        client.give_back(&platform, holder).await.map(drop),
    ]
}

/// Asks all of [`OF_THE_CELL`], in that order.
async fn of_the_cell(client: &Client) -> Asked {
    let Scope { tenant, connection: files, .. } = &scope("jsonl", "files");
    vec![
        client.check_integrity().await,
        client.add_tenant(&"acme".parse().unwrap(), at()).await,
        client.tenants().await.map(drop),
        client.add_connection(&connection("jsonl", "more-files")).await,
        client.connections(tenant).await.map(drop),
        client.change_tags(tenant, files, &["eu".to_owned()], &[]).await,
        client.tags(tenant).await.map(drop),
        client.put_store_credential("object-store", b"sealed", at()).await,
        client.store_credential("object-store").await.map(drop),
        client
            .put_schedule(&flows::schedule::new(&connection("jsonl", "files"), Task::Verify, 3_600, 0))
            .await,
        client.schedules_of_tenant(tenant).await.map(drop),
        client.pause_schedules(tenant, files).await.map(drop),
        client.remove_schedule(tenant, files, Task::Verify).await.map(drop),
    ]
}

/// The way to a server as somebody of that role.
async fn over(vault: &Started, server: &Arc<Started>, role: &str) -> Client {
    let (identities, clock): (_, Arc<dyn Clock>) = (vault.enrol(role).await.unwrap(), Arc::new(SystemClock));
    Client::over(Arc::new(Channel::new(Role::Server, identities, Way(Arc::clone(server)), clock)))
}

/// What is on the server's record of the calls of somebody: each with how it ended and the policies that decided.
fn recorded(journal: &[Value], who: &str) -> BTreeSet<(String, String, String)> {
    let of = |event: &&Value| event["actor"]["user"]["uid"] == format!("service/{who}");
    let told = |event: &Value| {
        let by = event["actor"]["authorizations"].as_array().into_iter().flatten();
        let by: Vec<&str> = by.map(|one| one["policy"]["name"].as_str().unwrap()).collect();
        let ended = match (event["status_code"].as_str(), event["status_id"].as_u64()) {
            (Some(code), _) => code.to_owned(),
            (None, Some(1)) => "done".to_owned(),
            other => format!("{other:?}"),
        };
        (event["api"]["operation"].as_str().unwrap().to_owned(), ended, by.join(" "))
    };
    let of_the_server = journal.iter().filter(|event| event["metadata"]["log_name"] == "server");
    of_the_server.filter(of).map(told).filter(|(operation, ..)| operation.starts_with("catalog.")).collect()
}

fn expected<'e>(
    rows: impl IntoIterator<Item = (&'e str, &'e str, &'e str)>,
) -> BTreeSet<(String, String, String)> {
    rows.into_iter().map(|(operation, ended, by)| (operation.into(), ended.into(), by.into())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_answered_to_whom_it_is_for_and_the_policies_that_decided_are_on_the_record() {
    let cell = TestCell::with_jsonl("files");
    filled(&cell).await;
    let vault = Started::opened(&cell);
    // The kernel's walls are down.
    let (server, begun) = vault.beside("serve", "server", &cell, false);
    assert!(begun["begun"].is_object(), "{begun}");
    let server = Arc::new(server);

    // Its own worker is answered each, which is the control for all that follows.
    for (platform, name) in PLATFORMS {
        let worker = over(&vault, &server, &format!("worker/{platform}")).await;
        for ((what, _), answer) in OF_CONNECTIONS.iter().zip(of_connections(&worker, (platform, name)).await)
        {
            answer.unwrap_or_else(|error| panic!("{platform}, {what}: {error}"));
        }
        for (what, answer) in OF_A_ROSTER.iter().zip(of_a_roster(&worker, platform).await) {
            answer.unwrap_or_else(|error| panic!("{platform}, {what}: {error}"));
        }
    }
    // Another platform's is told that there is no such thing.
    for ((platform, _), theirs) in PLATFORMS.into_iter().zip(PLATFORMS.into_iter().rev()) {
        let worker = over(&vault, &server, &format!("worker/{platform}")).await;
        for ((what, _), answer) in OF_CONNECTIONS.iter().zip(of_connections(&worker, theirs).await) {
            assert_eq!(answer.unwrap_err().kind(), Kind::NotFound, "{platform}, {what}");
        }
        for (what, answer) in OF_A_ROSTER.iter().zip(of_a_roster(&worker, theirs.0).await) {
            assert_eq!(answer.unwrap_err().kind(), Kind::NotFound, "{platform}, {what}");
        }
        for ((what, _), answer) in OF_THE_CELL.iter().zip(of_the_cell(&worker).await) {
            let error = answer.unwrap_err();
            assert!(error.to_string().contains("do not speak to each other"), "{platform}, {what}: {error}");
        }
    }
    // A command looks things up, and leaves the work to workers: the table of calls would let it.
    let command = over(&vault, &server, "command").await;
    for ((what, by), answer) in OF_CONNECTIONS.iter().zip(of_connections(&command, PLATFORMS[1]).await) {
        match by {
            Some(_) => answer.unwrap_or_else(|error| panic!("{what}: {error}")),
            None => assert_eq!(answer.unwrap_err().kind(), Kind::Refused, "{what}"),
        }
    }
    for (what, answer) in OF_A_ROSTER.iter().zip(of_a_roster(&command, "shopify").await) {
        assert_eq!(answer.unwrap_err().kind(), Kind::Refused, "{what}");
    }
    for ((what, _), answer) in OF_THE_CELL.iter().zip(of_the_cell(&command).await) {
        answer.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    // Of what is not there, nobody is told anything but that, and nothing is to be decided.
    let nothing = command.head(&"default".parse().unwrap(), &"nothing".parse().unwrap()).await;
    assert_eq!(nothing.unwrap_err().kind(), Kind::NotFound);
    // The monitor, and the server itself, have no business here at all.
    for role in ["monitor", "server"] {
        let other = over(&vault, &server, role).await;
        for answer in of_connections(&other, PLATFORMS[0]).await.into_iter().chain(of_the_cell(&other).await)
        {
            let error = answer.unwrap_err();
            assert!(error.to_string().contains("do not speak to each other"), "{role}: {error}");
        }
    }
    // Whoever was refused has changed nothing.
    let shop = PLATFORMS[1].1.parse().unwrap();
    assert_eq!(command.head(&"default".parse().unwrap(), &shop).await.unwrap().unwrap().commit, "1-1-abc");
    drop(command);
    assert!(Arc::into_inner(server).unwrap().ends().success());
    assert!(Arc::into_inner(vault).unwrap().ends().success());

    let journal = cell.journal();
    for (platform, _) in PLATFORMS {
        let own = OF_CONNECTIONS.iter().map(|(operation, _)| (*operation, "done", "worker-rows"));
        let other = OF_CONNECTIONS.iter().map(|(operation, _)| (*operation, "refused", "one-platform"));
        let roster = OF_A_ROSTER.iter().flat_map(|operation| {
            [(*operation, "done", "worker-roster"), (*operation, "refused", "one-platform")]
        });
        assert_eq!(
            recorded(&journal, &format!("worker/{platform}")),
            expected(own.chain(other).chain(roster)),
            "{platform}"
        );
    }
    let work = OF_CONNECTIONS.iter().map(|(operation, by)| match by {
        Some(by) => (*operation, "done", *by),
        None => (*operation, "refused", ""),
    });
    let cells = OF_THE_CELL.iter().map(|(operation, by)| (*operation, "done", *by));
    let failed = [("catalog.head.read", "(None, Some(2))", "")];
    let roster = OF_A_ROSTER.iter().map(|operation| (*operation, "refused", ""));
    assert_eq!(recorded(&journal, "command"), expected(work.chain(cells).chain(roster).chain(failed)));
    for role in ["monitor", "server"] {
        assert_eq!(recorded(&journal, role), BTreeSet::new(), "{role}");
    }
    // No call of the table is without a row here.
    let rows = OF_CONNECTIONS.iter().map(|row| row.0).chain(OF_THE_CELL.iter().map(|row| row.0));
    let rows = rows.chain(OF_A_ROSTER.iter().copied());
    let all = Operation::ALL.iter().map(|one| one.as_str()).filter(|name| name.starts_with("catalog."));
    assert!(
        rows.collect::<BTreeSet<_>>()
            .into_iter()
            .eq(all.filter(|name| *name != Operation::CatalogMigrate.as_str()).collect::<BTreeSet<_>>())
    );
}

/// A record in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<AuditEvent>>);

impl AuditSink for Memory {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.0.lock().unwrap().push(event);
        std::future::ready(Ok(())).boxed()
    }

    fn note(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        self.record(event)
    }
}

/// Connects to an endpoint in this process.
struct Beside(Endpoint);

impl Dial for Beside {
    fn dial(&self) -> BoxFuture<'_, std::io::Result<Box<dyn Stream>>> {
        let (ours, theirs) = tokio::io::duplex(256 * 1024);
        let endpoint = self.0.clone();
        tokio::spawn(async move { endpoint.serve(theirs, pending()).await });
        std::future::ready(Ok(Box::new(ours) as Box<dyn Stream>)).boxed()
    }
}

/// A server in this process, with policies of its own or none.
pub(crate) struct Here {
    vault: Vault,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    record: Arc<Memory>,
}

impl Here {
    pub(crate) async fn of(cell: &TestCell) -> Self {
        let (clock, record): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Arc::new(Memory::default()));
        let audit = Arc::clone(&record) as Arc<dyn AuditSink>;
        let handles = Handles { clock: Arc::clone(&clock), rng: Arc::new(SystemRng), audit };
        let text = std::fs::read_to_string(cell.passphrase()).unwrap();
        let passphrase = Passphrase::new(text.trim_end().to_owned()).unwrap();
        let vault = Vault::open(&cell.home(), &passphrase, &handles).await.unwrap();
        let catalog = Catalog::open(cell.home().as_path()).await.unwrap();
        record.0.lock().unwrap().clear();
        Self { vault, catalog, clock, record }
    }

    /// The way to it for somebody of that role.
    pub(crate) fn over(&self, policies: Option<Arc<dyn Decides>>, role: &Role) -> Client {
        let gate = Gate::new(Arc::clone(&self.record) as Arc<dyn AuditSink>);
        let gate = match policies {
            Some(policies) => gate.with_policies(policies),
            None => gate,
        };
        let authority = Authority::new(self.vault.id(), self.vault.authority_key().unwrap(), CERTIFICATE_TTL);
        let identity = |role: &Role| Identities::new(authority.identity(role, self.clock.now()).unwrap().0);
        let (routes, clock) = (catalog::routes(&self.catalog, gate), Arc::clone(&self.clock));
        let endpoint = Endpoint::new(identity(&Role::Server), routes, clock, CERTIFICATE_TTL);
        let (beside, clock) = (Beside(endpoint), Arc::clone(&self.clock));
        Client::over(Arc::new(Channel::new(Role::Server, identity(role), beside, clock)))
    }

    fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut self.record.0.lock().unwrap())
    }
}

/// Policies that permit all, where another wall is tried by itself.
#[derive(Debug)]
pub(crate) struct All;

impl Decides for All {
    fn process(&self, _: &domain::Asked<'_>) -> Verdict {
        Verdict { allowed: true, by: vec!["all".to_owned()], told: "permitted by all".to_owned() }
    }

    fn person(&self, _: &domain::Principal, _: domain::Action, _: &Scope) -> Verdict {
        Verdict::nobody()
    }

    fn custodian(&self, _: &domain::Principal, _: Operation) -> Verdict {
        Verdict::nobody()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_policies_refuses_everybody_and_so_does_one_with_an_empty_set() {
    let cell = TestCell::with_jsonl("files");
    filled(&cell).await;
    let here = Here::of(&cell).await;
    let region: domain::Region = "local".parse().unwrap();
    let none = Arc::new(Policies::new(Vec::new()).unwrap());
    let empty: Arc<dyn Decides> = Arc::new(Guard::new(none, region.clone()));
    // The restores of which is asked are there, so that there is something to decide.
    let catalog = Client::from(here.catalog.clone());
    for (platform, name) in PLATFORMS {
        for answer in of_connections(&catalog, (platform, name)).await {
            answer.unwrap();
        }
    }
    let own = PLATFORMS[1];
    let worker = Role::Worker(own.0.parse().unwrap());
    let all = OF_CONNECTIONS.len();
    for (policies, why) in [(None, "there are no policies"), (Some(empty), "no policy permits it")] {
        for (role, cells) in [(&worker, false), (&Role::Command, true)] {
            let client = here.over(policies.clone(), role);
            let mut answers = of_connections(&client, own).await;
            if cells {
                answers.extend(of_the_cell(&client).await);
            }
            let asked = answers.len();
            for answer in answers {
                let error = answer.unwrap_err();
                assert_eq!(error.kind(), Kind::Refused, "{role}: {error}");
                assert!(error.to_string().contains(why), "{role}: {error}");
            }
            let events = here.take();
            assert_eq!(events.len(), asked, "{role}");
            assert!(asked >= all);
            for AuditEvent { outcome, policies, detail, .. } in events {
                assert_eq!((outcome, &*policies, &*detail), (Outcome::Refused, &[][..], why), "{role}");
            }
        }
    }
    // The control: by the built-in ones each is answered what is for it.
    let built_in: Arc<dyn Decides> = Arc::new(Guard::built_in(region).unwrap());
    let read = async |role: &Role| {
        let client = here.over(Some(Arc::clone(&built_in)), role);
        client.connection(&"default".parse().unwrap(), &own.1.parse().unwrap()).await.map(drop)
    };
    read(&worker).await.unwrap();
    read(&Role::Command).await.unwrap();
    let by: Vec<_> = here.take().into_iter().map(|event| (event.outcome, event.policies.join(" "))).collect();
    let done = |by: &str| (Outcome::Done, by.to_owned());
    assert_eq!(by, [done("worker-rows"), done("command-connections")]);
}
