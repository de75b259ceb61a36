//! Runs that are killed at random points, and run again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use domain::Clock as _;
use sandbox::shopify::{Settings, Stats};
use serde_json::Value;
use vault::system::SystemClock;

use crate::cell::{Chance, TestCell, assert_same, contents, kill, points, running_until, text};
use crate::hasty;
use crate::shop::Shop;

/// Objects of runs that are not finished. A write that was cut leaves `NAME#1` behind, which is no object.
fn unfinished(cell: &TestCell) -> Vec<PathBuf> {
    let keys = contents(&cell.home().join("keys"));
    let runs = keys.into_keys().filter(|path| path.components().any(|part| part.as_os_str() == "run"));
    runs.filter(|path| !text(path).contains('#')).collect()
}

#[test]
fn a_backup_that_is_killed_at_any_point_ends_as_an_undisturbed_one() {
    let mut chance = Chance::new();
    let latency = Duration::from_millis(10);
    let shop =
        Shop::open(Settings { products: 100, customers: 30, orders: 30, latency, ..Settings::default() });
    let undisturbed = TestCell::new();
    shop.connect(&undisturbed, "shop").succeeds();
    let begun = SystemClock.monotonic();
    assert_eq!(undisturbed.run(&["backup", "shop"]).succeeds()["complete"], true);
    let took = u64::try_from((SystemClock.monotonic() - begun).as_millis()).unwrap();
    let expected = undisturbed.export("shop");

    let cell = TestCell::new();
    shop.connect(&cell, "shop").succeeds();
    let mut killed = 0;
    for _ in 0..points(4, 20) {
        let at = Duration::from_millis(chance.below(took));
        let begun = SystemClock.monotonic();
        let mut child = cell.start(&["backup", "shop"]);
        if running_until(&mut child, || SystemClock.monotonic() - begun >= at) {
            kill(&mut child);
            killed += 1;
            println!("killed after {at:?} of {took} ms");
        } else {
            assert!(child.wait().unwrap().success());
        }
    }
    assert!(killed > 0, "no process lived until its point");
    assert_eq!(cell.run(&["backup", "shop"]).succeeds()["complete"], true);
    assert_same(&cell.export("shop"), &expected);
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
    assert_eq!(unfinished(&cell), Vec::<PathBuf>::new(), "a finished run is cleared away");
}

/// What a store was asked for since `before`.
fn since(shop: &Shop, before: Stats) -> (u64, u64) {
    let now = shop.stats();
    (now.requests - before.requests, now.bulk_operations - before.bulk_operations)
}

/// Kills hasty backups of a store at one random point in each of as many parts of the run, and answers what was
/// asked for in all and by an undisturbed backup: requests and bulk operations.
fn asked_in_all(shop: &Shop, kills: u64) -> [(u64, u64); 2] {
    let mut chance = Chance::new();
    let undisturbed = TestCell::new();
    shop.connect(&undisturbed, "shop").succeeds();
    let before = shop.stats();
    assert!(hasty::start(&undisturbed).wait().unwrap().success());
    let once = since(shop, before);
    let expected = undisturbed.export("shop");

    let cell = TestCell::new();
    shop.connect(&cell, "shop").succeeds();
    let before = shop.stats();
    let part = once.0 / (kills + 1);
    for turn in 1..=kills {
        let at = part * turn + chance.below(part);
        let mut child = hasty::start(&cell);
        assert!(running_until(&mut child, || since(shop, before).0 >= at), "it ended before request {at}");
        kill(&mut child);
        println!("killed at request {} of {}", since(shop, before).0, once.0);
    }
    assert!(hasty::start(&cell).wait().unwrap().success());
    let in_all = since(shop, before);
    println!("{in_all:?} requests and operations instead of {once:?}");
    assert_same(&cell.export("shop"), &expected);
    assert_eq!(unfinished(&cell), Vec::<PathBuf>::new());
    [in_all, once]
}

#[test]
fn operations_that_a_killed_run_has_completed_are_not_started_again() {
    let latency = Duration::from_millis(20);
    let shop =
        Shop::open(Settings { products: 8, customers: 20, orders: 20, latency, ..Settings::default() });
    let kills = points(2, 20);
    let [(_, in_all), (_, once)] = asked_in_all(&shop, kills);
    // Five run at once: they are what is lost with each kill.
    assert!(in_all <= once + kills * 5, "{in_all} operations, {once} undisturbed");
}

#[test]
fn pages_that_a_killed_run_has_completed_are_not_fetched_again() {
    let latency = Duration::from_millis(20);
    let shop =
        Shop::open(Settings { products: 40, customers: 500, orders: 300, latency, ..Settings::default() });
    // Without operations everything is read page by page.
    shop.faults("bulk-failed@1+");
    let kills = points(3, 20);
    let [(in_all, _), (once, _)] = asked_in_all(&shop, kills);
    // What was under way or read in the last tenth of a second; a run that began anew would ask for hundreds.
    assert!(in_all <= once + kills * 30 && once > 300, "{in_all} requests, {once} undisturbed");
}

/// What is in a store, without ids and times: kind to how often each title, handle or the like occurs.
fn census(shop: &Shop) -> BTreeMap<String, BTreeMap<String, u64>> {
    const NAMES: [&str; 6] = ["handle", "title", "name", "code", "path", "email"];
    let mut census: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (kind, rows) in shop.running.dump().as_object().unwrap() {
        for row in rows.as_object().into_iter().flatten().map(|(_, row)| row) {
            let names = NAMES.iter().filter_map(|name| row.get(*name).and_then(Value::as_str));
            let names: Vec<&str> = names.collect();
            *census.entry(kind.clone()).or_default().entry(names.join(" ")).or_default() += 1;
        }
    }
    census
}

/// A shop that was backed up and then lost its products and pages, and the plan that brings them back.
struct Destroyed {
    shop: Shop,
    cell: TestCell,
    plan: PathBuf,
    before: BTreeMap<String, BTreeMap<String, u64>>,
}

fn destroyed() -> Destroyed {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let before = census(&shop);
    for product in shop.products() {
        shop.delete_product(&product);
    }
    shop.delete_pages();
    assert!(census(&shop) != before);
    let plan = cell.path("plan.json");
    let words = ["restore", "plan", "shop", "--kind", "product", "--kind", "page", "--out", text(&plan)];
    cell.run(&words).succeeds();
    Destroyed { shop, cell, plan, before }
}

#[test]
fn a_restore_that_is_killed_at_any_point_makes_nothing_twice() {
    let mut chance = Chance::new();
    let calm = destroyed();
    let begun = calm.shop.stats().mutations;
    let report = calm.cell.run(&["restore", "apply", text(&calm.plan)]);
    assert!(matches!(report.code, Some(0 | 3)), "{report:?}");
    let mutations = calm.shop.stats().mutations - begun;
    let whole = census(&calm.shop);
    for kind in ["Product", "ProductVariant", "Page"] {
        assert_eq!(whole[kind], calm.before[kind], "{kind}");
    }

    let rough = destroyed();
    let (mut killed, mut ended) = (0, None);
    for _ in 0..points(4, 20) {
        let at = rough.shop.stats().mutations + chance.below(mutations / 3);
        let mut child = rough.cell.start(&["restore", "apply", text(&rough.plan)]);
        if running_until(&mut child, || rough.shop.stats().mutations > at) {
            kill(&mut child);
            killed += 1;
            println!("killed at mutation {} of {mutations}", rough.shop.stats().mutations - begun);
        } else {
            ended = child.wait().unwrap().code();
            break;
        }
    }
    assert!(killed > 0, "no process lived until its point");
    let code = ended.or_else(|| rough.cell.run(&["restore", "apply", text(&rough.plan)]).code);
    assert!(matches!(code, Some(0 | 3)), "{code:?}");
    // What is done is done once: the plan fits no longer.
    rough.cell.run(&["restore", "apply", text(&rough.plan)]).refuses(7, &["Draw it up again"]);
    let restored = census(&rough.shop);
    for (kind, rows) in &whole {
        assert_eq!(&restored[kind], rows, "{kind}");
    }
}
