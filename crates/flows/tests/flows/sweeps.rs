//! When a kind is listed in full, when only what changed is read, and what a kind keeps that could not be read.

use std::sync::OnceLock;
use std::time::Duration;

use connectors::contract::Progress;
use connectors::platforms::shopify::KINDS;
use domain::{Action, Gap, GapReason, Kind, Timestamp};
use flows::backup::{Backup, BackupProgress};
use flows::report::{KindReport, RunReport};
use flows::{ErrorKind, FlowError};
use repository::KindState;
use sandbox::shopify::{Fault, ProtectedData, Settings};

use crate::doubles::Silent;
use crate::round_trip::full_shop;
use crate::world::{Records, World, tenant};

async fn world() -> World {
    let mut world = World::new(21).await;
    world.open("shop", Settings { products: 12, customers: 6, orders: 4, ..full_shop() }).await;
    world
}

async fn try_back_up(world: &World, full: bool) -> Result<RunReport, FlowError> {
    world.clock.advance(Duration::from_secs(3600));
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    flows::backup::backup(&world.cell, &Backup { connection, full }, &Silent).await
}

async fn back_up(world: &World, full: bool) -> RunReport {
    try_back_up(world, full).await.unwrap()
}

fn of<'a>(report: &'a RunReport, kind: &str) -> &'a KindReport {
    &report.kinds[&Kind::new(kind).unwrap()]
}

async fn state(world: &World, kind: &str) -> KindState {
    let name = "shop".parse().unwrap();
    let reader = flows::read::open(&world.cell, &tenant(), &name, Action::Read, "compare").await.unwrap();
    reader.head().commit.kinds[&Kind::new(kind).unwrap()].clone()
}

async fn records(world: &World, report: &RunReport, kind: &str) -> Records {
    let all = world.records("shop", report.snapshot).await;
    all.into_iter().filter(|((own, _), _)| *own == kind).collect()
}

fn all_scopes() -> impl Iterator<Item = &'static str> {
    let all = KINDS.iter().flat_map(|kind| kind.read_scopes.iter().chain(kind.write_scopes));
    all.copied().chain(["read_all_orders"])
}

/// Lets the app do all but this.
fn withdraw(world: &World, scopes: &[&str]) {
    let left: Vec<&str> = all_scopes().filter(|scope| !scopes.contains(scope)).collect();
    world.shop("shop").set_access(&left, ProtectedData::Approved);
}

fn faults(world: &World, spec: &str) {
    world.shop("shop").set_faults(Fault::parse_list(spec).unwrap());
}

fn operations(world: &World) -> u64 {
    world.shop("shop").stats().bulk_operations
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_operations_that_fail_half_way_change_no_record() {
    let world = world().await;
    let first = back_up(&world, true).await;
    let before = world.records("shop", first.snapshot).await;
    // Somewhere in there one operation of the products is done and another is not.
    let states = (5..16).map(|at| format!("502:bulkOperation@{at}+"));
    for faulty in states.chain(["502:nodes@1+".to_owned()]) {
        faults(&world, &faulty);
        let report = back_up(&world, true).await;
        let changed: u64 = report.kinds.values().map(|kind| kind.added + kind.changed + kind.removed).sum();
        assert_eq!(changed, 0, "{faulty}: {:#?}", report.kinds);
        assert!(world.records("shop", report.snapshot).await == before, "{faulty}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_goes_away_leaves_the_snapshot_before_and_a_run_that_goes_on() {
    let world = world().await;
    let first = back_up(&world, true).await;
    let before = world.records("shop", first.snapshot).await;
    faults(&world, "502@25+");
    let ended = try_back_up(&world, true).await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Unavailable, "{ended}");
    faults(&world, "");
    let started = operations(&world);
    let second = back_up(&world, true).await;
    assert!(second.complete);
    assert_eq!(second.snapshot, first.snapshot.next(), "nothing was kept of the run in between");
    assert!(world.records("shop", second.snapshot).await == before);
    let anew = operations(&world) - started;
    let third = back_up(&world, true).await;
    assert!(third.complete);
    assert!(anew < operations(&world) - started - anew, "the second went on: {anew} operations");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_all_away_end_the_run_and_one_that_is_lost_does_not() {
    let world = world().await;
    faults(&world, "503:cdn@1+");
    let ended = try_back_up(&world, false).await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Unavailable, "{ended}");
    assert!(ended.to_string().contains("no file can be fetched"), "{ended}");
    // One answer of their server that is lost is no reason.
    faults(&world, "503:cdn@1");
    let first = back_up(&world, false).await;
    assert!(first.complete, "{:#?}", first.kinds);
    assert_eq!(first.snapshot.0, 1, "files without their bytes were in no snapshot");
    assert!(of(&first, "file").added > 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_our_scope_is_all_there_again_once_it_may_be_seen() {
    let world = world().await;
    for full in [false, true] {
        withdraw(&world, &[]);
        let first = back_up(&world, false).await;
        let before = records(&world, &first, "customer").await;
        assert_eq!(before.len(), 6);
        let swept = state(&world, "customer").await.swept_at;
        assert!(swept.is_some());

        withdraw(&world, &["read_customers", "write_customers"]);
        let second = back_up(&world, full).await;
        assert!(!second.complete);
        let report = of(&second, "customer");
        assert_eq!((report.left_scope, report.removed), (6, 0), "full: {full}");
        assert!(records(&world, &second, "customer").await.is_empty());
        let now = state(&world, "customer").await;
        assert_eq!((now.swept_at, now.cursor), (swept, None), "nothing was listed");

        withdraw(&world, &[]);
        let third = back_up(&world, false).await;
        assert!(third.complete, "{:#?}", third.kinds);
        assert_eq!(of(&third, "customer").added, 6);
        assert_eq!(records(&world, &third, "customer").await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_before_an_interruption_is_read_by_the_run_that_goes_on() {
    let world = world().await;
    let first = back_up(&world, false).await;
    let before = world.records("shop", first.snapshot).await;
    withdraw(&world, &["read_customers", "write_customers"]);
    faults(&world, "502@25+");
    assert_eq!(try_back_up(&world, true).await.unwrap_err().kind(), ErrorKind::Unavailable);
    faults(&world, "");
    withdraw(&world, &[]);
    let second = back_up(&world, true).await;
    assert!(second.complete, "{:#?}", second.kinds);
    assert_eq!(second.snapshot, first.snapshot.next());
    assert_eq!((of(&second, "customer").left_scope, of(&second, "customer").seen), (0, 6));
    assert!(world.records("shop", second.snapshot).await == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_refuse_access_take_nothing_out_of_scope() {
    let world = world().await;
    let first = back_up(&world, true).await;
    let hidden = ProtectedData::ObjectsHidden { coded: true };
    world.shop("shop").set_access(&all_scopes().collect::<Vec<_>>(), hidden);
    let second = back_up(&world, true).await;
    assert!(!second.complete);
    let report = of(&second, "customer");
    assert_eq!((report.left_scope, report.removed), (0, 0));
    assert_eq!(report.gaps[0].reason, GapReason::MissingScope);
    let (before, after) =
        (records(&world, &first, "customer").await, records(&world, &second, "customer").await);
    assert_eq!(before, after);
}

/// Operations that read kinds of which it is known what changed: four of products, one each of comments, customers and
/// orders.
const OF_CHANGING: u64 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_cannot_be_listed_whole_does_not_have_the_others_listed() {
    let world = world().await;
    // Orders are seen in part, draft orders not at all.
    withdraw(&world, &["read_all_orders", "read_draft_orders", "write_draft_orders"]);
    let mut before = 0;
    let mut listed = |world: &World| {
        let all = operations(world);
        std::mem::replace(&mut before, all).abs_diff(all)
    };
    back_up(&world, false).await;
    let everything = listed(&world);
    let second = back_up(&world, false).await;
    assert_eq!(listed(&world), everything - OF_CHANGING, "an increment");
    assert!(of(&second, "product").seen < 12);
    // What may be seen is listed again after a week, and not before.
    world.clock.advance(Duration::from_secs(6 * 24 * 3600));
    back_up(&world, false).await;
    assert_eq!(listed(&world), everything - OF_CHANGING);
    world.clock.advance(Duration::from_secs(24 * 3600));
    let swept = back_up(&world, false).await;
    assert_eq!(listed(&world), everything);
    assert_eq!(of(&swept, "product").seen, 12);
}

/// Takes its time to write.
struct Slow<'a>(&'a World, OnceLock<Timestamp>);

impl BackupProgress for Slow<'_> {
    fn fetching(&self, _: &Progress<'_>) {}

    fn writing(&self, _: &Kind, _: u64) {
        self.1.get_or_init(|| self.0.cell.clock.now());
        self.0.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_was_captured_when_it_was_read() {
    let world = world().await;
    faults(&world, "502:collections@1+");
    let before = world.cell.clock.now();
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    let slow = Slow(&world, OnceLock::new());
    let backup = Backup { connection, full: true };
    assert!(!flows::backup::backup(&world.cell, &backup, &slow).await.unwrap().complete);
    faults(&world, "");
    let read = *slow.1.get().unwrap();
    let name = "shop".parse().unwrap();
    let reader = flows::read::open(&world.cell, &tenant(), &name, Action::Read, "compare").await.unwrap();
    for (kind, state) in &reader.head().commit.kinds {
        assert!(before <= state.captured_at && state.captured_at <= read, "{kind}: {state:?}");
        let listed = kind.as_str() != "collection";
        assert_eq!(state.swept_at, listed.then_some(state.captured_at), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_was_too_large_is_told_until_it_is_read_again() {
    let world = world().await;
    let first = back_up(&world, true).await;
    let before = records(&world, &first, "product").await;
    let (id, product) = before.iter().next().map(|((_, id), product)| (id.clone(), product.clone())).unwrap();
    let mut long = product;
    long["descriptionHtml"] = "x".repeat(domain::record::PAYLOAD_LEN_MAX + 1).into();
    crate::interrupted::interrupted_increment(&world, &id, serde_json::to_vec(&long).unwrap()).await;
    let gaps = |report: &RunReport| -> Vec<Gap> {
        of(report, "product").gaps.iter().filter(|gap| gap.reason == GapReason::TooLarge).cloned().collect()
    };
    let second = back_up_now(&world).await;
    let told = gaps(&second);
    assert_eq!((told.len(), second.complete), (1, false), "{:#?}", second.kinds);
    let third = back_up(&world, false).await;
    assert_eq!((gaps(&third), third.complete), (told, false), "its newest version is not there");
    const RETITLE: &str = "mutation($product: ProductUpdateInput!) { productUpdate(product: $product) { userErrors { message } } }";
    let input = serde_json::json!({"product": {"id": id, "title": "Short again"}});
    world.owner("shop", RETITLE, input).await;
    let fourth = back_up(&world, false).await;
    assert_eq!((gaps(&fourth), fourth.complete), (Vec::new(), true));
    assert_eq!(records(&world, &fourth, "product").await[&("product", id)]["title"], "Short again");
}

async fn back_up_now(world: &World) -> RunReport {
    let connection = world.cell.connection(&tenant(), &"shop".parse().unwrap()).await.unwrap();
    flows::backup::backup(&world.cell, &Backup { connection, full: false }, &Silent).await.unwrap()
}
