//! Runs that are killed at random points, and run again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Clock as _;
use sandbox::shopify::{Settings, Stats};
use serde_json::Value;
use vault::system::SystemClock;

use crate::cell::{Chance, TestCell, assert_same, contents, kill, points, running_until, tell, text};
use crate::hasty;
use crate::shop::Shop;

/// Objects of runs that are not finished. A write that was cut leaves `NAME#1` behind, which is no object.
pub(crate) fn unfinished(cell: &TestCell) -> Vec<PathBuf> {
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

    let template = TestCell::new();
    shop.connect(&template, "shop").succeeds();
    let kills = points(5, 20);
    let mut killed = 0;
    while killed < kills {
        let cell = template.copy();
        // Some are killed once, some again and again before they end.
        let again = 1 + chance.below(4);
        for _ in 0..again {
            let at = Duration::from_millis(chance.below(took));
            let begun = SystemClock.monotonic();
            let mut child = cell.start(&["backup", "shop"]);
            if running_until(&mut child, || SystemClock.monotonic() - begun >= at) {
                kill(&mut child);
                killed += 1;
                println!("killed after {at:?} of {took} ms");
            } else {
                assert!(child.wait().unwrap().success());
                break;
            }
        }
        assert_eq!(cell.run(&["backup", "shop"]).succeeds()["complete"], true);
        assert_same(&cell.export("shop"), &expected);
        cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
        assert_eq!(unfinished(&cell), Vec::<PathBuf>::new(), "a finished run is cleared away");
    }
    tell(&format!("backup: killed at {killed} random moments"));
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
        if !running_until(&mut child, || since(shop, before).0 >= at) {
            // Polls differ from run to run: the last point may lie behind the end.
            assert!(turn == kills && child.wait().unwrap().success(), "it ended before request {at}");
            break;
        }
        kill(&mut child);
        println!("killed at request {} of {}", since(shop, before).0, once.0);
    }
    assert!(hasty::start(&cell).wait().unwrap().success());
    let in_all = since(shop, before);
    println!("{in_all:?} requests and operations instead of {once:?}");
    assert_same(&cell.export("shop"), &expected);
    assert_eq!(unfinished(&cell), Vec::<PathBuf>::new());
    tell(&format!("backup killed at {kills} requests: {} requests in all, {} undisturbed", in_all.0, once.0));
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
pub(crate) fn census(shop: &Shop) -> BTreeMap<String, BTreeMap<String, u64>> {
    const NAMES: [&str; 6] = ["handle", "title", "name", "code", "path", "email"];
    let mut census: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (kind, rows) in shop.running.dump().as_object().unwrap() {
        for row in rows.as_object().into_iter().flatten().map(|(_, row)| row) {
            // Draft orders are numbered as they come: made side by side, one may take another's number.
            let told = NAMES.iter().filter(|name| kind != "DraftOrder" || **name != "name");
            let names = told.filter_map(|name| row.get(*name).and_then(Value::as_str));
            let names: Vec<&str> = names.collect();
            *census.entry(kind.clone()).or_default().entry(names.join(" ")).or_default() += 1;
        }
    }
    census
}

/// A shop that was backed up and then lost its products and pages, and the plan that brings them back.
pub(crate) struct Destroyed {
    pub(crate) shop: Shop,
    pub(crate) cell: TestCell,
    pub(crate) plan: PathBuf,
    pub(crate) before: BTreeMap<String, BTreeMap<String, u64>>,
}

pub(crate) fn destroyed() -> Destroyed {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let before = census(&shop);
    let plan = cell.path("plan.json");
    destroy(&shop, &cell, &plan);
    assert!(census(&shop) != before);
    Destroyed { shop, cell, plan, before }
}

/// Deletes products and pages, and draws up the plan that brings them back.
pub(crate) fn destroy(shop: &Shop, cell: &TestCell, plan: &Path) {
    for product in shop.products() {
        shop.delete_product(&product);
    }
    shop.delete_pages();
    let words = ["restore", "plan", "shop", "--kind", "product", "--kind", "page", "--out", text(plan)];
    cell.run(&words).succeeds();
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
    let kills = points(4, 20);
    let begun = rough.shop.stats().mutations;
    let (mut killed, mut ended) = (0, None);
    for turn in 0..kills {
        // One in each of as many parts of what an undisturbed restore does.
        let at = begun + (turn * mutations + chance.below(mutations)) / kills;
        let mut child = rough.cell.start(&["restore", "apply", text(&rough.plan)]);
        if running_until(&mut child, || rough.shop.stats().mutations > at) {
            kill(&mut child);
            killed += 1;
            println!("killed at mutation {} of {mutations}", rough.shop.stats().mutations - begun);
        } else {
            ended = child.wait().unwrap().code();
            println!("it ended by itself: {}", rough.cell.said());
            break;
        }
    }
    assert!(killed > 0, "no process lived until its point");
    tell(&format!("restore: killed at {killed} random mutations"));
    let code = ended.or_else(|| {
        let last = rough.cell.run(&["restore", "apply", text(&rough.plan)]);
        println!("last: {}", last.stderr);
        last.code
    });
    // Killed after its last step it is done, and the plan fits no longer.
    assert!(matches!(code, Some(0 | 3 | 7)), "{code:?}");
    // What is done is done once: the plan fits no longer.
    rough.cell.run(&["restore", "apply", text(&rough.plan)]).refuses(7, &["Draw it up again"]);
    let restored = census(&rough.shop);
    for (kind, rows) in &whole {
        assert_eq!(&restored[kind], rows, "{kind}");
    }
}

#[test]
fn a_restore_into_another_store_that_is_killed_at_any_point_makes_nothing_twice() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let source = shop.running.dump();
    let into = |name: &str| {
        let other = Shop::open(Settings::empty());
        other.connect(&cell, name).succeeds();
        let plan = cell.path(&format!("{name}.json"));
        cell.run(&["restore", "plan", "shop", "--to", name, "--out", text(&plan)]).succeeds();
        (other, plan)
    };
    let (calm, plan) = into("calm");
    let begun = calm.stats().mutations;
    let report = cell.run(&["restore", "apply", text(&plan)]);
    assert!(matches!(report.code, Some(0 | 3)), "{report:?}");
    let mutations = calm.stats().mutations - begun;
    let whole = census(&calm);
    assert!(mutations > 50 && whole["Product"].len() == 8, "{mutations}: {:?}", whole["Product"]);

    let (rough, plan) = into("rough");
    let mut chance = Chance::new();
    let kills = points(3, 20);
    let begun = rough.stats().mutations;
    let (mut killed, mut code) = (0, None);
    for turn in 0..kills {
        // One in each of as many parts of what an undisturbed restore does.
        let at = begun + (turn * mutations + chance.below(mutations)) / kills;
        let mut child = cell.start(&["restore", "apply", text(&plan)]);
        if running_until(&mut child, || rough.stats().mutations > at) {
            kill(&mut child);
            killed += 1;
            println!("killed at mutation {} of {mutations}", rough.stats().mutations - begun);
        } else {
            code = child.wait().unwrap().code();
            println!("it ended by itself: {}", cell.said());
            break;
        }
    }
    assert!(killed > 0, "no process lived until its point");
    tell(&format!("restore into another store: killed at {killed} random mutations"));
    let code = code.or_else(|| {
        let last = cell.run(&["restore", "apply", text(&plan)]);
        println!("last: {}", last.stderr);
        last.code
    });
    // Killed after its last step it is done, and the plan fits no longer.
    assert!(matches!(code, Some(0 | 3 | 7)), "{code:?}");
    let restored = census(&rough);
    for (kind, rows) in &whole {
        assert_eq!(&restored[kind], rows, "{kind}");
    }
    assert!(shop.running.dump() == source, "the store that was read is as it was");
}
