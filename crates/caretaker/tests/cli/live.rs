//! A snapshot against the store as it is just now.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cell::{TestCell, contents};
use crate::shop::Shop;

/// Which records a diff names, and how.
fn names(diff: &Value) -> BTreeSet<(String, String, String)> {
    ["added", "changed", "removed"]
        .into_iter()
        .flat_map(|how| {
            let rows = diff[how].as_array().unwrap_or_else(|| panic!("{diff}"));
            rows.iter().map(move |row| {
                let word = |name: &str| row[name].as_str().unwrap().to_owned();
                (how.to_owned(), word("kind"), word("id"))
            })
        })
        .collect()
}

fn backed_up() -> (TestCell, Shop) {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    (cell, shop)
}

#[test]
fn a_live_comparison_says_what_the_next_backup_would_and_leaves_nothing_behind() {
    let (cell, shop) = backed_up();
    let idle = cell.run(&["diff", "shop", "--from", "latest", "--to", "live"]).succeeds();
    assert_eq!(names(&idle), BTreeSet::new(), "{idle}");

    let products = shop.products();
    shop.retitle(&products[0], "Spoiled");
    shop.delete_product(&products[1]);
    let stores = || (contents(&cell.home().join("store/t")), contents(&cell.home().join("keys")));
    let before = stores();
    let live = |from: &str, more: &[&str]| {
        cell.run(&[&["diff", "shop", "--from", from, "--to", "live"][..], more].concat()).succeeds()
    };
    let found = live("latest", &[]);
    let product = |how: &str, id: &str| (how.to_owned(), "product".to_owned(), id.to_owned());
    assert!(names(&found).contains(&product("changed", &products[0])), "{found}");
    assert!(names(&found).contains(&product("removed", &products[1])), "{found}");
    let changed = found["changed"].as_array().unwrap();
    let spoiled = changed.iter().find(|one| one["id"] == products[0].as_str()).unwrap();
    let field = json!("/title");
    let title = spoiled["fields"].as_array().unwrap().iter().find(|one| one["path"] == field).unwrap();
    assert_eq!(title["to"], "Spoiled");
    // A change that the platform does not date, such as an order whose product is gone, is seen by reading everything.
    assert!(names(&live("latest", &["--full"])).is_superset(&names(&found)));
    let only = live("latest", &["--kind", "product"]);
    assert!(names(&only).iter().all(|(_, kind, _)| kind == "product") && names(&only).len() >= 2, "{only}");
    assert!(stores() == before, "nothing was written");
    assert_eq!(cell.snapshots("shop"), [1]);
    let scratch = cell.home().join("scratch/shopify");
    assert!(!scratch.exists() || std::fs::read_dir(&scratch).unwrap().next().is_none(), "nothing is left");

    // What a backup finds is the same; and from an older snapshot, both changes are seen together.
    cell.run(&["backup", "shop"]).succeeds();
    assert_eq!(names(&cell.run(&["diff", "shop", "--from", "1"]).succeeds()), names(&found));
    shop.retitle(&products[2], "Spoiled later");
    shop.delete_pages();
    let both = names(&live("1", &[]));
    assert!(
        both.contains(&product("removed", &products[1])) && both.contains(&product("changed", &products[2]))
    );
    let whole = names(&live("1", &["--full"]));
    assert!(whole.is_superset(&both));
    cell.run(&["backup", "shop"]).succeeds();
    assert_eq!(names(&cell.run(&["diff", "shop", "--from", "1"]).succeeds()), both);
    cell.run(&["backup", "shop", "--full"]).succeeds();
    assert_eq!(names(&cell.run(&["diff", "shop", "--from", "1"]).succeeds()), whole);
}

#[test]
fn what_cannot_be_read_is_not_called_gone() {
    let (cell, shop) = backed_up();
    shop.running.set_access(&["read_customers"], true);
    let found = cell.run(&["diff", "shop", "--from", "1", "--to", "live", "--full"]).ends(3);
    assert_eq!(found["removed"], json!([]), "{found}");
    let gaps = found["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["what"] == "product"), "{found}");
}

#[test]
fn a_live_comparison_needs_a_snapshot_and_a_kind_that_there_is() {
    let (cell, shop) = (TestCell::with_jsonl("files"), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["diff", "shop", "--from", "latest", "--to", "live"]).refuses(6, &["snapshot"]);
    cell.run(&["backup", "shop"]).succeeds();
    let ask =
        |more: &[&str]| cell.run(&[&["diff", "shop", "--from", "1", "--to", "live"][..], more].concat());
    ask(&["--kind", "spaceship"]).refuses(2, &["`spaceship`", "caretaker kinds"]);
    cell.run(&["diff", "shop", "--from", "1", "--full"]).refuses(2, &["--to live"]);
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    cell.run(&["diff", "files", "--from", "1", "--to", "live"])
        .refuses(2, &["`files`", "caretaker ingest files"]);
    ask(&["--kind", "page"]).succeeds();
}
