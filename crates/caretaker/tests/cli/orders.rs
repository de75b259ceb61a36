//! Work that goes on when its grant has ended, because an order stands.

use sandbox::shopify::Settings;
use serde_json::Value;

use crate::cell::{TestCell, kill, running_until};
use crate::shop::Shop;
use crate::up::{Up, comes, count};

/// A cell whose grants for such work last a second, and a store that takes many to be read.
fn slow() -> (TestCell, Shop) {
    let cell = TestCell::at(tempfile::tempdir().unwrap()).with("CARETAKER_TEST_GRANT_SECONDS", "1");
    let settings = Settings { products: 4, customers: 4, orders: 4, ..Settings::default() };
    let shop = Shop::open(Settings { job_time: std::time::Duration::from_secs(4), ..settings });
    shop.connect(&cell, "shop").succeeds();
    (cell, shop)
}

fn orders(cell: &TestCell) -> Vec<Value> {
    cell.run(&["order", "list"]).succeeds()["orders"].as_array().unwrap().clone()
}

#[test]
fn a_backup_outlasts_its_grant_and_leaves_no_order_behind() {
    let (cell, _shop) = slow();
    let done = cell.run(&["backup", "shop"]).succeeds();
    assert_eq!(done["complete"], true, "{done}");
    assert!(count(&cell, "order.renew") >= 1, "the grant had ended");
    assert_eq!((count(&cell, "order.give"), count(&cell, "order.end")), (1, 1));
    assert_eq!(orders(&cell), Vec::<Value>::new());
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
    cell.run(&["trail", "verify"]).succeeds();
}

#[test]
fn an_order_that_is_ended_while_its_work_goes_on_ends_the_work() {
    let (cell, _shop) = slow();
    let up = Up::of(&cell);
    let mut backup = cell.start(&["backup", "shop"]);
    let mut order = None;
    assert!(running_until(&mut backup, || {
        order = orders(&cell).first().cloned();
        order.is_some()
    }));
    let order = order.unwrap();
    assert_eq!(
        (&order["connection"], &order["actions"][0], &order["purpose"]),
        (&Value::from("shop"), &Value::from("backup"), &Value::from("backup"))
    );
    cell.run(&["order", "end", order["id"].as_str().unwrap()]).succeeds();
    assert_eq!(backup.wait().unwrap().code(), Some(5));
    cell.run(&["order", "end", order["id"].as_str().unwrap()]).refuses(6, &["no order"]);
    // The same once more, with an order that stands.
    cell.run(&["backup", "shop"]).succeeds();
    drop(up);
}

#[test]
fn a_command_that_is_killed_leaves_an_order_that_can_be_ended() {
    let (cell, _shop) = slow();
    let up = Up::of(&cell);
    let mut backup = cell.start(&["backup", "shop"]);
    assert!(running_until(&mut backup, || !orders(&cell).is_empty()));
    kill(&mut backup);
    assert!(comes(|| count(&cell, "order.give") == 1));
    let left = orders(&cell);
    assert_eq!(left.len(), 1);
    cell.run(&["order", "end", left[0]["id"].as_str().unwrap()]).succeeds();
    assert_eq!(orders(&cell), Vec::<Value>::new());
    drop(up);
}
