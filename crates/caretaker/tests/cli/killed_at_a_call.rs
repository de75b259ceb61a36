//! The real binary killed just before, or in the middle of, its n-th call that changes the disk, and run again.
//!
//! In a soak n goes over all calls of an undisturbed run; else over some, which follow from the seed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cell::{Chance, TestCell, assert_same, points, tell, text};
use crate::kill_and_resume::{Destroyed, census, destroy, destroyed, unfinished};
use crate::shop::Shop;
use crate::traced::{Fate, run};

/// The turns at which a run of `calls` calls is killed: `some` of them, or all in a soak.
fn fates(calls: u64, some: u64) -> Vec<Fate> {
    let mut chance = Chance::new();
    let turns: Vec<u64> = if points(0, 1) == 1 {
        (1..=calls).collect()
    } else {
        // One in each of as many equal parts.
        (0..some).map(|part| 1 + (part * calls + chance.below(calls)) / some).collect()
    };
    let fate =
        |turn: u64| if turn.is_multiple_of(2) { Fate::DiesBefore(turn) } else { Fate::DiesWithin(turn) };
    turns.into_iter().map(fate).collect()
}

/// A connection's snapshots with their heads, oldest first.
fn history(cell: &TestCell, name: &str) -> Vec<(u64, String)> {
    let list = cell.run(&["snapshot", "list", name]).succeeds();
    let rows = list["snapshots"].as_array().unwrap().iter().rev();
    rows.map(|row| (row["snapshot"].as_u64().unwrap(), row["head"].as_str().unwrap().to_owned())).collect()
}

/// Nothing is lost and nothing is half there.
fn assert_sound(cell: &TestCell, name: &str) -> Vec<(u64, String)> {
    let history = history(cell, name);
    let verified = cell.run(&["verify", name, "--all-bytes"]);
    if history.is_empty() {
        verified.refuses(6, &[name])
    } else {
        verified.succeeds()
    };
    history
}

/// Kills a command on copies of a cell, and runs it again on each.
fn check(template: &TestCell, name: &str, words: &[&str], some: u64) {
    let calm = template.copy();
    let traced = run(&calm, words, Fate::Lives);
    traced.answer.succeeds();
    let expected = calm.export(name);
    let before = history(template, name);
    let after = history(&calm, name);
    assert_eq!(after.len(), before.len() + 1);
    assert!(traced.counted > 20, "{}", traced.counted);
    let mut killed = 0;
    for fate in fates(traced.counted, some) {
        println!("{fate:?} of {}", traced.counted);
        let cell = template.copy();
        let rough = run(&cell, words, fate);
        if !rough.killed {
            // A run may have a call less than another.
            rough.answer.succeeds();
        }
        killed += usize::from(rough.killed);
        let found = assert_sound(&cell, name);
        assert!(found.starts_with(&before) && found.len() <= after.len(), "{found:?}");
        let again = cell.run(words).succeeds();
        assert_eq!(again["snapshot"], u64::try_from(found.len() + 1).unwrap());
        assert_same(&cell.export(name), &expected);
        assert_eq!(unfinished(&cell), Vec::<PathBuf>::new());
        cell.run(&["trail", "verify"]).succeeds();
    }
    tell(&format!(
        "{}: killed before or in {killed} of {} calls that change the disk",
        words[0], traced.counted
    ));
    assert!(killed > 0);
}

#[test]
fn an_ingest_that_dies_at_any_call_loses_nothing() {
    let template = TestCell::with_jsonl("files");
    let lines = |ids: std::ops::Range<u32>, text: &str| -> String {
        ids.map(|id| format!("{{\"id\":\"{id:03}\",\"who\":\"p{id}\",\"text\":\"{text}\"}}\n")).collect()
    };
    let ingest = |file: &str| {
        ["ingest", "files", "--kind", "thing", "--id", "/id", "--subject", "/who", "--all", file]
            .map(str::to_owned)
    };
    let first = template.file("first.jsonl", lines(0..40, "first"));
    template.run(&ingest(&first).each_ref().map(String::as_str)).succeeds();
    let second = template.file("second.jsonl", lines(10..60, "second"));
    check(&template, "files", &ingest(&second).each_ref().map(String::as_str), 5);
}

#[test]
fn a_backup_that_dies_at_any_call_loses_nothing() {
    let (template, shop) = (TestCell::new(), Shop::tiny());
    shop.connect(&template, "shop").succeeds();
    check(&template, "shop", &["backup", "shop"], 5);
}

#[test]
fn a_restore_that_dies_at_any_call_makes_nothing_twice() {
    let Destroyed { shop, cell, plan, before, .. } = destroyed();
    let apply = ["restore", "apply", text(&plan)];
    let same = |census: &BTreeMap<String, BTreeMap<String, u64>>| {
        for kind in ["Product", "ProductVariant", "Page"] {
            assert_eq!(census[kind], before[kind], "{kind}");
        }
    };
    let calm = run(&cell, &apply, Fate::Lives);
    assert!(matches!(calm.answer.code, Some(0 | 3)), "{calm:?}");
    same(&census(&shop));
    let all = fates(calm.counted, 2);
    // Each takes seconds: in a soak some forty of them.
    let every = all.len().div_ceil(40);
    let mut killed = 0;
    for fate in all.into_iter().step_by(every) {
        println!("{fate:?} of {}", calm.counted);
        destroy(&shop, &cell, &plan);
        let rough = run(&cell, &apply, fate);
        let done = if rough.killed {
            killed += 1;
            cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
            cell.run(&apply)
        } else {
            rough.answer
        };
        // It may have died after its last step: then the plan fits no longer, and there is nothing to do.
        assert!(matches!(done.code, Some(0 | 3 | 7)), "{done:?}");
        same(&census(&shop));
        cell.run(&apply).refuses(7, &["Draw it up again"]);
    }
    tell(&format!("restore: killed before or in {killed} of {} calls that change the disk", calm.counted));
    assert!(killed > 0);
}

#[test]
fn a_copied_cell_is_the_cell() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let copy = cell.copy();
    let named = |cell: &TestCell| -> Vec<PathBuf> { cell.kept().into_keys().collect() };
    assert_eq!(named(&copy), named(&cell));
    copy.ingest("files", "thing", "{\"id\":\"b\"}\n").succeeds();
    assert_eq!((cell.snapshots("files"), copy.snapshots("files")), (vec![1], vec![2, 1]));
}
