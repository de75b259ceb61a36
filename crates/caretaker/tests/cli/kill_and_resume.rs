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

/// Files of runs that are not finished.
fn unfinished(cell: &TestCell) -> Vec<PathBuf> {
    let keys = contents(&cell.home().join("keys"));
    keys.into_keys().filter(|path| path.components().any(|part| part.as_os_str() == "run")).collect()
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

#[test]
fn what_a_killed_run_has_completed_is_not_fetched_again() {
    let mut chance = Chance::new();
    let latency = Duration::from_millis(20);
    let shop =
        Shop::open(Settings { products: 60, customers: 300, orders: 200, latency, ..Settings::default() });
    let undisturbed = TestCell::new();
    shop.connect(&undisturbed, "shop").succeeds();
    let before = shop.stats();
    assert!(hasty::start(&undisturbed).wait().unwrap().success());
    let (requests, operations) = since(&shop, before);
    let expected = undisturbed.export("shop");

    let cell = TestCell::new();
    shop.connect(&cell, "shop").succeeds();
    let before = shop.stats();
    let kills = points(4, 20);
    let mut killed = 0;
    for turn in 1..=kills {
        // One point in each part of the run: a run that began anew each time would fetch half of it again and again.
        let at = requests * turn / (kills + 1) + chance.below(requests / (kills + 1));
        let mut child = hasty::start(&cell);
        if running_until(&mut child, || since(&shop, before).0 >= at) {
            kill(&mut child);
            killed += 1;
            println!("killed at request {} of {requests}", since(&shop, before).0);
        }
    }
    assert_eq!(killed, kills, "every process lived until its point");
    assert!(hasty::start(&cell).wait().unwrap().success());
    let (in_all, operations_in_all) = since(&shop, before);
    println!("{in_all} requests and {operations_in_all} operations instead of {requests} and {operations}");
    assert_same(&cell.export("shop"), &expected);
    assert_eq!(unfinished(&cell), Vec::<PathBuf>::new());
    // Lost with each kill: five operations at once, and what was read in the last tenth of a second.
    assert!(
        operations_in_all <= operations + kills * 5,
        "{operations_in_all} operations, {operations} undisturbed"
    );
    let lost = requests / 10;
    assert!(in_all <= requests + kills * lost, "{in_all} requests, {requests} undisturbed");
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

#[test]
fn a_restore_that_is_killed_at_any_point_makes_nothing_twice() {
    let mut chance = Chance::new();
    // Kinds of which nothing depends on what is made later: the same plan is whole at once.
    const KINDS: [&str; 8] =
        ["product", "collection", "page", "blog", "article", "customer", "discount", "redirect"];
    let shop = Shop::open(Settings { products: 8, customers: 6, orders: 2, ..Settings::default() });
    let kinds: Vec<&str> = KINDS.iter().flat_map(|kind| ["--kind", kind]).collect();
    let plan_into = |cell: &TestCell, target: &str| {
        let plan = cell.path(&format!("{target}.json"));
        let words = ["restore", "plan", "shop", "--to", target, "--out", text(&plan)];
        cell.run(&[&words[..], &kinds].concat()).succeeds();
        plan
    };
    let latency = Duration::ZERO;
    let cell = TestCell::new();
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();

    let calm = Shop::open(Settings { latency, ..Settings::empty() });
    calm.connect(&cell, "calm").succeeds();
    let plan = plan_into(&cell, "calm");
    let undisturbed = cell.run(&["restore", "apply", text(&plan)]);
    let code = undisturbed.code.unwrap();
    let undisturbed = undisturbed.ends(code);
    let mutations = calm.stats().mutations;
    assert!(undisturbed["created"].as_u64().unwrap() > 30, "{undisturbed}");

    let rough = Shop::open(Settings { latency, ..Settings::empty() });
    rough.connect(&cell, "rough").succeeds();
    let plan = plan_into(&cell, "rough");
    let mut killed = 0;
    for _ in 0..points(4, 20) {
        let at = rough.stats().mutations + chance.below(mutations / 2);
        let mut child = cell.start(&["restore", "apply", text(&plan)]);
        if running_until(&mut child, || rough.stats().mutations > at) {
            kill(&mut child);
            killed += 1;
            println!("killed at mutation {} of {mutations}", rough.stats().mutations);
        }
    }
    assert!(killed > 0, "no process lived until its point");
    let resumed = cell.run(&["restore", "apply", text(&plan)]);
    let resumed = resumed.ends(code);
    assert_eq!(resumed["created"], undisturbed["created"]);
    assert_eq!(census(&rough), census(&calm));
}
