//! Slips of the pen: a kind or an id that is not there is no empty answer.

use serde_json::json;

use crate::cell::{TestCell, text};
use crate::shop::Shop;

#[test]
fn a_kind_that_nobody_knows_is_refused() {
    let (cell, shop) = (TestCell::with_jsonl("files"), Shop::tiny());
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    shop.retitle(&shop.products()[0], "Other");
    cell.run(&["backup", "shop"]).succeeds();
    let plan = cell.path("plan.json");
    let out = ["--out", text(&plan)];
    for (name, slip, known) in [("shop", "prodcut", "product"), ("files", "things", "thing")] {
        let check = |words: &[&str]| {
            let run = |kind: &str| {
                let words = words.iter().map(|word| if *word == "K" { kind } else { word });
                cell.run(&words.collect::<Vec<&str>>())
            };
            run(slip).refuses(2, &[slip]);
            assert_eq!(run(known).code, Some(0), "{words:?}");
        };
        check(&["item", "list", name, "K"]);
        check(&["diff", name, "--from", "1", "--kind", "K"]);
        if name == "shop" {
            check(&[&["restore", "plan", name, "--kind", "K"][..], &out].concat());
            check(&[&["restore", "plan", name, "--revert", "1..2", "--kind", "K"][..], &out].concat());
        }
    }
    cell.run(&["item", "show", "files", "things", "a"]).refuses(2, &["`things`", "`thing`"]);
    cell.run(&["item", "history", "files", "things", "a"]).refuses(2, &["`things`"]);
    // A kind that the platform has and this store does not is no slip.
    cell.run(&["item", "list", "shop", "draft_order"]).succeeds();
}

#[test]
fn each_id_that_is_asked_for_must_be_there() {
    let (cell, shop) = (TestCell::new(), Shop::tiny());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let products = shop.products();
    shop.retitle(&products[0], "Other");
    cell.run(&["backup", "shop"]).succeeds();
    let plan = cell.path("plan.json");
    let tail = products[1].rsplit('/').next().unwrap();
    let run = |words: &[&str]| {
        let all =
            [&["restore", "plan", "shop", "--kind", "product", "--out", text(&plan)][..], words].concat();
        cell.run(&all)
    };
    run(&["--at", "1", "--id", &products[0], "--id", "7100000299999"]).refuses(6, &["`7100000299999`"]);
    assert!(!plan.exists(), "no plan that passes over it");
    run(&["--at", "1", "--id", &products[0], "--id", tail]).succeeds();
    std::fs::remove_file(&plan).unwrap();
    run(&["--revert", "1..2", "--id", &products[0], "--id", tail]).refuses(6, &[tail, "changed"]);
    assert!(!plan.exists());
    run(&["--revert", "1..2", "--id", &products[0]]).succeeds();
}

#[test]
fn a_numeric_tail_finds_an_item_of_any_sort_of_id() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let list = cell.run(&["item", "list", "shop", "discount"]).succeeds();
    let ids: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    let sorts: std::collections::BTreeSet<&str> =
        ids.iter().map(|id| id.rsplit_once('/').unwrap().0).collect();
    assert!(sorts.len() > 1, "several sorts of id: {sorts:?}");
    for id in ids {
        let tail = id.rsplit('/').next().unwrap();
        let shown: serde_json::Value =
            serde_json::from_slice(&cell.run(&["item", "show", "shop", "discount", tail]).stdout).unwrap();
        assert_eq!(shown["id"], *id);
        let history = cell.run(&["item", "history", "shop", "discount", tail]).succeeds();
        assert_eq!(history["versions"].as_array().unwrap().len(), 1);
    }
    cell.run(&["item", "show", "shop", "discount", "12345"]).refuses(6, &["12345"]);
}

#[test]
fn text_of_a_shop_does_nothing_to_the_terminal() {
    let (cell, shop) = (TestCell::new(), Shop::tiny());
    shop.connect(&cell, "shop").succeeds();
    let product = shop.products()[0].clone();
    shop.retitle(&product, "Re\u{1b}[2Jd\u{9b}31m");
    cell.run(&["backup", "shop"]).succeeds();
    let plain = |words: &[&str]| {
        let mut command = crate::cell::binary();
        command.args(["--dir", text(&cell.home()), "--passphrase-file", text(&cell.passphrase())]);
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let list = plain(&["item", "list", "shop", "product"]);
    assert!(list.contains("Re\\u{1b}[2Jd\\u{9b}31m"), "{list}");
    assert!(!list.contains(|c: char| c.is_control() && c != '\n'), "{list:?}");
    // For machines it is as it is.
    let found = cell.run(&["item", "list", "shop", "product", "--search", "[2Jd"]).succeeds();
    assert_eq!(found["items"][0]["summary"]["title"], json!("Re\u{1b}[2Jd\u{9b}31m"));
}

#[test]
fn a_tenant_is_added_before_anything_is_connected_for_it() {
    let cell = TestCell::new();
    let connect = ["connect", "jsonl", "files", "--tenant", "acme"];
    cell.run(&connect).refuses(6, &["`acme`", "caretaker tenant add acme"]);
    cell.run(&["tenant", "add", "acme"]).succeeds();
    assert_eq!(cell.run(&["tenant", "list"]).succeeds()["tenants"], json!(["acme", "default"]));
    cell.run(&connect).succeeds();
    cell.run(&["tenant", "add", "acme"]).refuses(7, &["acme"]);
    cell.run(&["connection", "show", "files"]).refuses(6, &["files"]);
    cell.run(&["connection", "show", "files", "--tenant", "acme"]).succeeds();
}

#[test]
fn a_connection_keeps_its_data_in_the_cells_region() {
    let cell = TestCell::new();
    cell.run(&["connect", "jsonl", "files", "--region", "mars"]).refuses(2, &["`mars`", "`local`"]);
    cell.run(&["connection", "list"]).succeeds();
    assert_eq!(cell.run(&["connect", "jsonl", "files", "--region", "local"]).succeeds()["region"], "local");
}
