//! Plans that were edited or have grown old: nothing is written.

use serde_json::Value;

use crate::cell::{TestCell, text};
use crate::shop::Shop;

struct Planned {
    cell: TestCell,
    shop: Shop,
    product: String,
    plan: std::path::PathBuf,
}

/// A title that went wrong after the backup, and the plan that sets it back.
fn planned() -> Planned {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let product = shop.products()[0].clone();
    shop.retitle(&product, "Spoiled");
    let plan = cell.path("plan.json");
    let words = ["restore", "plan", "shop", "--kind", "product", "--out", text(&plan)];
    cell.run(&words).succeeds();
    Planned { cell, shop, product, plan }
}

impl Planned {
    #[track_caller]
    fn is_refused(&self, words: &[&str]) {
        let before = (self.shop.running.dump(), self.shop.stats().mutations);
        self.cell.run(&["restore", "apply", text(&self.plan)]).refuses(7, words);
        assert!((self.shop.running.dump(), self.shop.stats().mutations) == before, "the shop was written to");
    }

    fn title(&self) -> String {
        self.shop.running.dump()["Product"][&self.product]["title"].as_str().unwrap().to_owned()
    }
}

#[test]
fn an_edited_plan_writes_nothing() {
    let planned = planned();
    let good = std::fs::read_to_string(&planned.plan).unwrap();
    let mut edited: Value = serde_json::from_str(&good).unwrap();
    let items = edited["items"].as_array_mut().unwrap();
    let update = items
        .iter_mut()
        .find(|item| item["action"]["do"] == "update")
        .expect("one product is to be set back");
    update["fields"][0]["to"] = "Something else".into();
    std::fs::write(&planned.plan, edited.to_string()).unwrap();
    planned.is_refused(&["edited", "Draw it up again"]);

    let mut edited: Value = serde_json::from_str(&good).unwrap();
    edited["items"].as_array_mut().unwrap().clear();
    std::fs::write(&planned.plan, edited.to_string()).unwrap();
    planned.is_refused(&["edited", "Draw it up again"]);

    std::fs::write(&planned.plan, &good[..good.len() / 2]).unwrap();
    planned.is_refused(&[text(&planned.plan), "not a plan"]);

    std::fs::write(&planned.plan, &good).unwrap();
    let report = planned.cell.run(&["restore", "apply", text(&planned.plan)]).succeeds();
    assert_eq!(report["updated"], 1);
    assert_ne!(planned.title(), "Spoiled");
    // And taken back.
    let restore = report["restore"].as_str().unwrap();
    planned.cell.run(&["restore", "undo", restore]).succeeds();
    assert_eq!(planned.title(), "Spoiled");
    planned.cell.run(&["restore", "undo", restore]).refuses(7, &[restore, "undone already"]);
    planned.cell.run(&["restore", "undo", &"0".repeat(32)]).refuses(6, &[]);
    planned.cell.run(&["restore", "show", restore, "--tenant", "rival"]).refuses(6, &[]);
}

#[test]
fn a_plan_that_the_shop_has_left_behind_writes_nothing() {
    let planned = planned();
    planned.shop.retitle(&planned.product, "Edited by a person since");
    planned.is_refused(&["moved since", &planned.product, "Draw it up again"]);
    assert_eq!(planned.title(), "Edited by a person since");
    let words = ["restore", "plan", "shop", "--kind", "product", "--out", text(&planned.plan)];
    planned.cell.run(&words).succeeds();
    planned.cell.run(&["restore", "apply", text(&planned.plan)]).succeeds();
    assert_ne!(planned.title(), "Edited by a person since");
}
