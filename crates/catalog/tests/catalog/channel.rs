//! A catalog that is asked over a channel: who may ask what, and answers that are lost.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use catalog::{
    Catalog, CatalogErrorKind, Client, Connection, Gate, LeaseRequest, Restore, RestoreState, StepResult,
    StepState,
};
use domain::{Action, Asked, Clock, Decides, Id128, KeyError, Operation, Principal, Role, Scope, SigningKey};
use domain::{Timestamp, Unrecorded, Verdict};
use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use transport::{Authority, CERTIFICATE_TTL, Channel, Dial, Endpoint, Identities, Stream};

use crate::backend::{Backend, Place};
use crate::cell::{Cell, connection, entry, head, restore, says, second, shop, tenant, words};
use crate::isolation::fill;

#[derive(Debug)]
pub(crate) struct TestClock(pub(crate) tokio::time::Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        second(0).checked_add(self.monotonic()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the handle itself")]
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(time).boxed()
    }
}

struct Pair(Ed25519KeyPair);

impl SigningKey for Pair {
    fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        Ok(self.0.sign(message).as_ref().try_into().unwrap())
    }
}

/// Policies that permit all: what they decide is tried where they stand.
#[derive(Debug)]
struct All;

impl Decides for All {
    fn process(&self, _: &Asked<'_>) -> Verdict {
        permitted()
    }

    fn person(&self, _: &Principal, _: Action, _: &Scope) -> Verdict {
        permitted()
    }

    fn custodian(&self, _: &Principal, _: Operation) -> Verdict {
        permitted()
    }
}

fn permitted() -> Verdict {
    Verdict { allowed: true, by: vec!["all".to_owned()], told: "permitted by all".to_owned() }
}

/// Connects to an endpoint in this process.
struct Beside {
    endpoint: Endpoint,
    cut: Arc<AtomicBool>,
}

/// Breaks in the moment in which something comes, once it was said that it shall.
struct Cut {
    stream: DuplexStream,
    cut: Arc<AtomicBool>,
    broken: bool,
}

impl Dial for Beside {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        let (ours, theirs) = tokio::io::duplex(256 * 1024);
        let endpoint = self.endpoint.clone();
        tokio::spawn(async move { endpoint.serve(theirs, pending()).await });
        let stream = Cut { stream: ours, cut: Arc::clone(&self.cut), broken: false };
        std::future::ready(Ok(Box::new(stream) as Box<dyn Stream>)).boxed()
    }
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if self.broken || (read.is_ready() && self.cut.swap(false, Ordering::SeqCst)) {
            self.broken = true;
            into.clear();
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        read
    }
}

impl AsyncWrite for Cut {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The way to a catalog of a process of that role.
pub(crate) fn to(catalog: &Catalog, role: &Role) -> Client {
    cuttable(catalog, role).0
}

/// The same, and what makes it lose the next answer.
fn cuttable(catalog: &Catalog, role: &Role) -> (Client, Arc<AtomicBool>) {
    past(Gate::new(Arc::new(Unrecorded)).with_policies(Arc::new(All)), catalog, role)
}

/// The same past that gate.
pub(crate) fn past(gate: Gate, catalog: &Catalog, role: &Role) -> (Client, Arc<AtomicBool>) {
    let clock: Arc<dyn Clock> = Arc::new(TestClock(tokio::time::Instant::now()));
    let key = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let authority = Authority::new(Id128([7; 16]), Arc::new(Pair(key)), CERTIFICATE_TTL);
    let identity = |role: &Role| Identities::new(authority.identity(role, clock.now()).unwrap().0);
    let endpoint = Endpoint::new(
        identity(&Role::Server),
        catalog::routes(catalog, gate),
        Arc::clone(&clock),
        CERTIFICATE_TTL,
    );
    let cut = Arc::new(AtomicBool::new(false));
    let beside = Beside { endpoint, cut: Arc::clone(&cut) };
    (Client::over(Arc::new(Channel::new(Role::Server, identity(role), beside, clock))), cut)
}

fn worker(platform: &str) -> Role {
    Role::Worker(platform.parse().unwrap())
}

/// Two connections of a tenant, of two platforms, with a row of everything each.
async fn two_platforms(backend: &Backend) -> (Place, Catalog) {
    let cell = Cell::new(backend).await;
    let t = tenant("t");
    fill(&cell.catalog, &t).await;
    for (name, platform) in [("other", "shopify"), ("files", "jsonl"), ("more-files", "jsonl")] {
        let mut connection: Connection = connection("t", name);
        connection.scope.platform = platform.parse().unwrap();
        cell.catalog.put_connection(&connection, "token", b"sealed", second(0)).await.unwrap();
        cell.catalog.advance_head(&t, &connection.scope.connection, None, &head(1, 1)).await.unwrap();
    }
    let files =
        Restore { connection: "files".parse().unwrap(), target: "more-files".parse().unwrap(), ..restore(2) };
    cell.catalog.add_restore(&t, &files).await.unwrap();
    cell.catalog.intend(&t, files.id, &words(&["a"]), second(0)).await.unwrap();
    let place = cell.place;
    let catalog = Catalog::open(place.address()).await.unwrap();
    (place, catalog)
}

/// Everything that a worker asks about connections, each about `name` and the restore `id`: whether it is answered.
async fn answered(
    worker: &Client,
    name: &str,
    id: Id128,
) -> Vec<(&'static str, Result<(), CatalogErrorKind>)> {
    let t = tenant("t");
    let of = name.parse().unwrap();
    let mut own = connection("t", name);
    own.scope.platform = if name == "files" { "jsonl" } else { "shopify" }.parse().unwrap();
    let request = LeaseRequest {
        holder: Id128([5; 16]),
        seen_generation: 0,
        now: second(0),
        ttl: Duration::from_secs(60),
    };
    let step = StepResult { step: "a".into(), state: StepState::Done, ledger: None };
    let moved = (RestoreState::Applying, RestoreState::Applying);
    let new = Restore { connection: "other".parse().unwrap(), target: of, ..restore(9) };
    let of = &new.target;
    let leased = catalog::Lease {
        tenant: t.clone(),
        connection: of.clone(),
        holder: request.holder,
        generation: 9,
        expires_at: second(60),
    };
    let ids = [catalog::LedgerEntry { connection: of.clone(), target: of.clone(), ..entry("1", "101", 1) }];
    let seized = worker.seize_lease(&t, of, request).await;
    let lease = seized.as_ref().cloned().unwrap_or(leased);
    let mut asked = vec![
        ("connection", worker.connection(&t, of).await.map(drop)),
        ("set_settings", worker.set_settings(&t, of, &serde_json::json!({})).await),
        ("put_connection", worker.put_connection(&own, "token", b"planted", second(1)).await),
        ("put_credential", worker.put_credential(&t, of, "token", b"planted", second(1)).await),
        ("credential", worker.credential(&t, of, "token").await.map(drop)),
        ("head", worker.head(&t, of).await.map(drop)),
        ("advance_head", worker.advance_head(&t, of, Some(&head(1, 1)), &head(2, 1)).await),
        ("seize_lease", seized.map(drop)),
        ("lease", worker.lease(&t, of).await.map(drop)),
        ("raise_lease", worker.raise_lease(&lease, 20).await.map(drop)),
        ("restores", worker.restores(&t, of).await.map(drop)),
        ("record_ids", worker.record_ids(&t, &ids).await),
        ("ledger", worker.ledger(&t, of).await.map(drop)),
        ("restore", worker.restore(&t, id).await.map(drop)),
        ("move_restore", worker.move_restore(&t, id, moved, second(1)).await),
        ("intend", worker.intend(&t, id, &words(&["b"]), second(1)).await),
        ("finish_steps", worker.finish_steps(&t, id, std::slice::from_ref(&step), second(1)).await),
        ("steps", worker.steps(&t, id).await.map(drop)),
    ];
    let lease = catalog::Lease { generation: 21, ..lease };
    asked.push(("release_lease", worker.release_lease(&lease).await));
    asked.into_iter().map(|(what, answer)| (what, answer.map_err(|error| error.kind()))).collect()
}

async fn a_worker_has_to_do_with_its_platforms_connections_alone(backend: &Backend) {
    let (_place, catalog) = two_platforms(backend).await;
    let t = tenant("t");
    let everything = async || {
        let client = Client::from(catalog.clone());
        let mut seen = format!("{:?}", client.connections(&t).await.unwrap());
        for name in ["shop", "other", "files", "more-files"].map(|name| name.parse().unwrap()) {
            seen += &format!("{:?}", client.head(&t, &name).await.unwrap());
            seen += &format!("{:?}", client.lease(&t, &name).await.unwrap());
            seen += &format!("{:?}", client.credential(&t, &name, "token").await.unwrap());
            seen += &format!("{:?}", client.ledger(&t, &name).await.unwrap());
        }
        for id in [restore(1).id, restore(2).id] {
            seen += &format!("{:?}", client.restore(&t, id).await.unwrap());
            seen += &format!("{:?}", client.steps(&t, id).await.unwrap());
        }
        seen
    };
    let before = everything().await;
    let shopify = to(&catalog, &worker("shopify"));
    for (what, answer) in answered(&shopify, "files", restore(2).id).await {
        assert_eq!(answer, Err(CatalogErrorKind::NotFound), "{what}");
    }
    // What names two connections, or a thing of one beside a thing of the other.
    let entries = |connection: &str, target: &str| {
        let (connection, target) = (connection.parse().unwrap(), target.parse().unwrap());
        [catalog::LedgerEntry { connection, target, ..entry("1", "666", 1) }]
    };
    let result = |ledger| [StepResult { step: "a".into(), state: StepState::Done, ledger: Some(ledger) }];
    let mixed = Restore { connection: shop(), target: "files".parse().unwrap(), ..restore(8) };
    let mut lying = connection("t", "files");
    lying.scope.platform = "shopify".parse().unwrap();
    for (what, answer) in [
        ("a ledger's target", shopify.record_ids(&t, &entries("shop", "files")).await),
        ("a ledger's source", shopify.record_ids(&t, &entries("files", "shop")).await),
        ("a step's ledger", {
            let [entry] = entries("shop", "files");
            shopify.finish_steps(&t, restore(1).id, &result(entry), second(1)).await
        }),
        ("a restore across", shopify.add_restore(&t, &mixed).await),
        ("another's name", shopify.put_connection(&lying, "token", b"planted", second(1)).await),
    ] {
        assert_eq!(answer.unwrap_err().kind(), CatalogErrorKind::NotFound, "{what}");
    }
    assert_eq!(everything().await, before, "nothing was changed");

    // What is no connection's is not for workers at all.
    let at = second(1);
    for (what, refused) in [
        ("tenants", shopify.tenants().await.map(drop)),
        ("add_tenant", shopify.add_tenant(&tenant("t9"), at).await),
        ("connections", shopify.connections(&t).await.map(drop)),
        ("add_connection", shopify.add_connection(&connection("t", "new")).await),
        ("tags", shopify.tags(&t).await.map(drop)),
        ("change_tags", shopify.change_tags(&t, &shop(), &words(&["x"]), &[]).await),
        ("store_credential", shopify.store_credential("key-store").await.map(drop)),
        ("put_store_credential", shopify.put_store_credential("key-store", b"x", at).await),
        ("check_integrity", shopify.check_integrity().await),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), CatalogErrorKind::Unavailable, "{what}: {error}");
        assert!(says(&error, "do not speak to each other"), "{what}: {error}");
    }
    assert_eq!(everything().await, before);

    // The control: of its own platform's it gets each answer, and the other platform's worker too.
    for (platform, name, id) in [("shopify", "other", restore(1).id), ("jsonl", "files", restore(2).id)] {
        for (what, answer) in answered(&to(&catalog, &worker(platform)), name, id).await {
            assert_eq!(answer, Ok(()), "{platform}: {what}");
        }
    }
    let own = Restore { connection: shop(), target: "other".parse().unwrap(), ..restore(8) };
    shopify.add_restore(&t, &own).await.unwrap();
    let mut new = connection("t", "third");
    new.scope.platform = "shopify".parse().unwrap();
    shopify.put_connection(&new, "token", b"sealed", second(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_has_to_do_with_its_platforms_connections_alone_in_a_file() {
    a_worker_has_to_do_with_its_platforms_connections_alone(&Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_has_to_do_with_its_platforms_connections_alone_on_a_server() {
    let Some(backend) = Backend::postgres() else { return };
    a_worker_has_to_do_with_its_platforms_connections_alone(&backend).await;
    backend.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_has_no_business_with_the_catalog_does_not_get_to_it() {
    let (_place, catalog) = two_platforms(&Backend::Embedded).await;
    for role in [Role::Vault, Role::Monitor, Role::Server] {
        let error = to(&catalog, &role).head(&tenant("t"), &shop()).await.unwrap_err();
        assert!(says(&error, "do not speak to each other"), "{role}: {error}");
    }
    to(&catalog, &Role::Command).head(&tenant("t"), &shop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_that_is_lost_is_had_again_or_told_as_lost() {
    let place = Place::new(&Backend::Embedded).await;
    place.create().await;
    let catalog = Catalog::open(place.address()).await.unwrap();
    let (client, cut) = cuttable(&catalog, &Role::Command);
    let t = tenant("t");
    client.add_tenant(&t, second(0)).await.unwrap();
    client.add_connection(&connection("t", "shop")).await.unwrap();
    let lose = || cut.store(true, Ordering::SeqCst);
    let lost = || !cut.load(Ordering::SeqCst);

    let request = LeaseRequest {
        holder: Id128([1; 16]),
        seen_generation: 0,
        now: second(0),
        ttl: Duration::from_secs(60),
    };
    for round in 0..20 {
        lose();
        let lease = client.seize_lease(&t, &shop(), request).await.unwrap();
        assert!(lost(), "the answer was not lost");
        lose();
        let lease = client.raise_lease(&lease, 100 * round).await.unwrap();
        assert!(lost() && lease.generation > 100 * round);
        let expected = client.head(&t, &shop()).await.unwrap();
        let new = head(round + 1, lease.generation);
        lose();
        client.advance_head_under(&lease, expected.as_ref(), &new).await.unwrap();
        assert!(lost());
        assert_eq!(client.head(&t, &shop()).await.unwrap(), Some(new.clone()));
        // Somebody else's head is never taken for one's own.
        lose();
        let other = head(round + 1, lease.generation + 1);
        let moved = client.advance_head_under(&lease, expected.as_ref(), &other).await.unwrap_err();
        assert_eq!(moved.kind(), CatalogErrorKind::Conflict, "{moved}");
        assert_eq!(client.head(&t, &shop()).await.unwrap(), Some(new));
    }
    // What would be told as done twice is told as lost.
    lose();
    let error = client.add_connection(&connection("t", "second")).await.unwrap_err();
    assert!(lost() && says(&error, "cannot be reached"), "{error}");
    assert_eq!(error.kind(), CatalogErrorKind::Unavailable);
}
