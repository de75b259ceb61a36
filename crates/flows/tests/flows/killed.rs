//! A restore with several items under way is cut off at every request in turn, goes on, and ends as if nothing had
//! happened: no double, nothing missing, and a report that covers all of it.

use std::time::Duration;

use domain::{Kind, SnapshotNumber};
use flows::restore::{Plan, RestoreReport, Selection};
use sandbox::shopify::{Fault, Running, Settings};
use serde_json::{Value, json};

use crate::dump;
use crate::world::{World, problems};

const CREATE: &[(&str, &str, u32)] = &[
    (
        "mutation($product: ProductCreateInput!) { productCreate(product: $product) { userErrors { message } } }",
        "product",
        2,
    ),
    ("mutation($page: PageCreateInput!) { pageCreate(page: $page) { userErrors { message } } }", "page", 2),
    (
        "mutation($input: CustomerInput!) { customerCreate(input: $input) { userErrors { message } } }",
        "input",
        1,
    ),
    (
        "mutation($input: DraftOrderInput!) { draftOrderCreate(input: $input) { userErrors { message } } }",
        "draft",
        2,
    ),
];

/// More requests than this restore sends after its looks.
const REQUESTS_MAX: u64 = 80;

const KINDS: &[&str] = &["product", "page", "customer", "draft_order"];

fn input(name: &str, number: u32) -> Value {
    let metafields =
        json!([{"namespace": "custom", "key": "note", "type": "single_line_text_field", "value": "kept"}]);
    match name {
        "product" => {
            json!({"product": {"title": format!("Shoe {number}"), "tags": ["kept"], "metafields": metafields}})
        }
        "page" => {
            json!({"page": {"title": format!("About {number}"), "body": "<p>us</p>", "metafields": metafields}})
        }
        "input" => json!({"input": {"email": format!("ann{number}@example.com"), "firstName": "Ann"}}),
        _ => {
            let line = json!({"title": "Engraving", "quantity": 1, "originalUnitPriceWithCurrency": {"amount": "3.00", "currencyCode": "EUR"}});
            json!({"input": {"email": format!("bob{number}@example.com"), "lineItems": [line]}})
        }
    }
}

/// A small store, and what a restore of it into an empty one does when nobody disturbs it.
async fn world() -> (World, RestoreReport) {
    let mut world = World::new(5).await;
    world.open("from", Settings::empty()).await;
    for (document, name, many) in CREATE {
        for number in 0..*many {
            world.owner("from", document, input(name, number)).await;
        }
    }
    world.back_up("from").await;
    let (plan, _) = world.new_target("undisturbed").await;
    let report = world.apply(&plan).await.unwrap();
    assert!(report.complete, "{:#?}", problems(&report));
    (world, report)
}

impl World {
    /// One more empty store, the plan to restore the small one into it, and how many requests it took to draw that up:
    /// as many as applying it takes before the first write.
    async fn new_target(&mut self, name: &str) -> (Plan, u64) {
        // Another seed, other ids: what a dump shows of two stores can then be told apart.
        self.open(name, Settings { seed: 77, ..Settings::empty() }).await;
        let mut ask = Self::ask("from", name, Selection::At(SnapshotNumber(1)));
        ask.kinds = KINDS.iter().map(|kind| Kind::new(kind).unwrap()).collect();
        let before = self.shop(name).stats().requests;
        let plan = self.plan(&ask).await;
        (plan, self.shop(name).stats().requests - before)
    }
}

/// What a report says of each item, and how much was done: equal for a restore that was cut off.
fn told(report: &RestoreReport) -> (Vec<(String, String, String)>, [u64; 5]) {
    let item = |item: &flows::restore::ItemReport| {
        (item.kind.to_string(), item.id.to_string(), format!("{:?} {:?}", item.action, item.problems))
    };
    let counts = [report.created, report.updated, report.deleted, report.skipped, report.cannot];
    (report.items.iter().map(item).collect(), counts)
}

/// What disturbs a restore at its n-th request.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The answer is lost though it was done, and no further request is answered.
    Answers,
    /// The process ends: everything under way is dropped where it stands.
    Process,
}

/// Lets something live until the store has received so many requests in all. What came of it, if it was done before.
pub(crate) fn killed_at<T: Send, F: Future<Output = Option<T>>>(
    shop: &Running,
    requests: u64,
    life: impl FnOnce() -> F + Send,
) -> Option<T> {
    let death = || async {
        while shop.stats().requests < requests {
            tokio::task::yield_now().await;
        }
    };
    killed_when(death, life)
}

/// Lets something live in a runtime of its own, which ends with all its connections at the moment of its death.
pub(crate) fn killed_when<T: Send, D: Future<Output = ()>, F: Future<Output = Option<T>>>(
    death: impl FnOnce() -> D + Send,
    life: impl FnOnce() -> F + Send,
) -> Option<T> {
    std::thread::scope(|threads| {
        let life = threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = death() => None,
                    done = life() => done,
                }
            })
        });
        tokio::task::block_in_place(|| life.join().unwrap())
    })
}

/// Waits until all that was sent has arrived, before anybody looks for it.
#[expect(clippy::disallowed_methods, reason = "it waits for another program, in real time")]
pub(crate) async fn quiet(shop: &Running) {
    let mut seen = (shop.stats(), 0);
    while seen.1 < 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = shop.stats();
        seen = if now == seen.0 { (now, seen.1 + 1) } else { (now, 0) };
    }
}

async fn cut_everywhere(cut: Cut) {
    let (mut world, undisturbed) = world().await;
    let held = world.dump("from");
    let mut reached_the_end = false;
    for write in 1..REQUESTS_MAX {
        let name = format!("to-{write}");
        let (plan, looks) = world.new_target(&name).await;
        let n = looks + write;
        let shop = world.shop(&name);
        let before = shop.stats();
        let first = match cut {
            Cut::Answers => {
                shop.set_faults(Fault::parse_list(&format!("lost-answer@{n},503@{}+", n + 1)).unwrap());
                world.apply(&plan).await.ok()
            }
            Cut::Process => killed_at(shop, before.requests + n, || async { world.apply(&plan).await.ok() }),
        };
        shop.set_faults(Vec::new());
        quiet(shop).await;
        reached_the_end = first.is_some();
        let report = match first {
            Some(report) => report,
            None => world.apply(&plan).await.unwrap(),
        };
        let spent = shop.stats().requests - before.requests;
        assert!(report.complete, "{cut:?} {n}: {:#?}", problems(&report));
        let (told, expected) = (told(&report), told(&undisturbed));
        assert_eq!(told.1, expected.1, "{cut:?} {n}");
        assert_eq!(told.0, expected.0, "{cut:?} {n}");
        // Of an attempt that was killed nobody told what it had sent since half a minute.
        let counted = matches!(cut, Cut::Answers);
        assert!(report.requests == spent || !counted, "{cut:?} {n}: {} of {spent}", report.requests);
        let ids = world.ids("from", &name).await;
        let found = dump::differences(&held, &world.dump(&name), &ids, dump::LOST);
        assert!(found.is_empty(), "{cut:?} {n}: none twice, none missing: {found:#?}");
        if reached_the_end {
            break;
        }
    }
    assert!(reached_the_end, "it never came to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_at_any_request_double_nothing() {
    cut_everywhere(Cut::Answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_at_any_request_doubles_nothing() {
    cut_everywhere(Cut::Process).await;
}
