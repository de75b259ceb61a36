//! A practice BigCommerce store from connection to undo, by the commands that people type.

use std::sync::Arc;

use sandbox::bigcommerce::{Running, Settings, start};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vault::system::{SystemClock, SystemRng};

use crate::cell::{TestCell, contents, text};
use crate::shop::Shop;

/// A practice store in this process, so that a test can spoil it and look into it.
pub(crate) struct Bigcommerce {
    runtime: Runtime,
    pub(crate) running: Running,
}

impl Bigcommerce {
    pub(crate) fn open(settings: Settings) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = runtime.block_on(start(settings, Arc::new(SystemClock), Arc::new(SystemRng))).unwrap();
        Self { runtime, running }
    }

    pub(crate) fn small() -> Self {
        Self::open(Settings { products: 12, customers: 4, orders: 3, ..Settings::default() })
    }

    pub(crate) fn connect(&self, cell: &TestCell, name: &str) -> Value {
        let token = cell.file(&format!("{name}.token"), &self.running.access_token);
        let ca = cell.file(&format!("{name}.ca.pem"), &self.running.ca_pem);
        let words = ["--url", &self.running.url, "--token-file", &token, "--ca-file", &ca];
        cell.run(&[&["connect", "bigcommerce", name], &words[..]].concat()).succeeds()
    }

    /// Does something in the store, as its owner would. Refusals fail the test.
    pub(crate) fn owner(&self, method: &str, path: &str, body: &Value) -> Value {
        let authority = reqwest::Certificate::from_pem(self.running.ca_pem.as_bytes()).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        let mut request = http
            .request(method.parse().unwrap(), format!("{}/{path}", self.running.url))
            .header("X-Auth-Token", &self.running.access_token);
        if !body.is_null() {
            request = request.json(body);
        }
        let sent = request.send();
        self.runtime.block_on(async {
            let answer = sent.await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "{method} {path}: {status} {text}");
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
        })
    }

    fn product(&self, number: u64) -> Value {
        self.owner(
            "GET",
            &format!("v3/catalog/products/{number}?include=variants,custom_fields"),
            &Value::Null,
        )["data"]
            .clone()
    }

    pub(crate) fn products(&self) -> Vec<u64> {
        let list = self.owner("GET", "v3/catalog/products?sort=id&limit=250", &Value::Null);
        list["data"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect()
    }
}

#[test]
fn a_bigcommerce_store_is_backed_up_spoilt_and_set_back() {
    let (cell, store) = (TestCell::new(), Bigcommerce::small());
    let connected = store.connect(&cell, "shop");
    assert_eq!(connected["missing"], json!([]), "{connected}");
    let first = cell.run(&["backup", "shop"]).succeeds();
    assert_eq!(
        (&first["complete"], &first["kinds"]["product"]["added"]),
        (&json!(true), &json!(12)),
        "{first}"
    );
    // Nothing changed: next to nothing is written.
    let idle = cell.run(&["backup", "shop"]).succeeds();
    for (kind, report) in idle["kinds"].as_object().unwrap() {
        for count in ["added", "changed", "removed", "skipped"] {
            assert_eq!(report[count], json!(0), "{kind}: {report}");
        }
    }
    let products = store.products();
    let (spoilt, gone) = (products[1], products[2]);
    let before = store.product(spoilt);
    let path = |number: u64| format!("v3/catalog/products/{number}");
    store.owner("PUT", &path(spoilt), &json!({"price": 0.01, "name": "Oops"}));
    store.owner("DELETE", &path(gone), &Value::Null);
    let found =
        cell.run(&["diff", "shop", "--from", "latest", "--to", "live", "--kind", "product"]).succeeds();
    assert_eq!(found["removed"][0]["id"], json!(format!("product/{gone}")), "{found}");
    let second = cell.run(&["backup", "shop"]).succeeds();
    let counts = &second["kinds"]["product"];
    assert_eq!((&counts["changed"], &counts["removed"]), (&json!(1), &json!(1)), "{second}");
    // An edit of later days, which a revert keeps.
    let field = json!({"name": "Care", "value": "by hand"});
    store.owner("POST", &format!("{}/custom-fields", path(spoilt)), &field);

    let plan = cell.path("plan.json");
    let words = ["restore", "plan", "shop", "--revert", "2..3", "--out", text(&plan)];
    let planned = cell.run(&words).succeeds();
    let doing = |what: &str| -> Vec<&Value> {
        let products = planned["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "product");
        products.filter(|item| item["action"]["do"] == what).map(|item| &item["id"]).collect()
    };
    let named = |number: u64| json!(format!("product/{number}"));
    assert_eq!((doing("create"), doing("update")), (vec![&named(gone)], vec![&named(spoilt)]), "{planned}");
    let applied = cell.run(&["restore", "apply", text(&plan)]).succeeds();
    let now = store.product(spoilt);
    assert_eq!((&now["price"], &now["name"]), (&before["price"], &before["name"]));
    assert!(now["custom_fields"].as_array().unwrap().iter().any(|one| one["name"] == "Care"), "{now}");
    let back = *store.products().last().unwrap();
    assert!(back > products[11], "it is there again, under a new id");
    // One item by its number alone, as people know it.
    let shown = cell.run(&["item", "show", "shop", "product", &spoilt.to_string(), "--at", "1"]).succeeds();
    assert_eq!(shown["price"], before["price"]);
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();

    let restore = applied["restore"].as_str().unwrap();
    cell.run(&["restore", "undo", restore]).succeeds();
    assert_eq!(store.product(spoilt)["name"], json!("Oops"));
    assert!(!store.products().contains(&back), "what was made is gone again");
}

#[test]
fn two_platforms_in_one_cell_are_kept_apart() {
    let (cell, store, shop) = (TestCell::new(), Bigcommerce::small(), Shop::tiny());
    store.connect(&cell, "one");
    shop.connect(&cell, "two").succeeds();
    cell.run(&["backup", "--all"]).succeeds();
    let kinds = cell.run(&["kinds", "bigcommerce"]).succeeds();
    assert!(kinds.to_string().contains("price_list"), "{kinds}");
    // Each has its own folders in both stores, and nothing of the other's in them.
    for folder in ["store/t", "keys/t"] {
        let of = |platform: &str| contents(&cell.home().join(folder).join(platform)).len();
        assert!(of("bigcommerce") > 0 && of("shopify") > 0, "{folder}");
    }
    let plan = cell.path("plan.json");
    let words = ["restore", "plan", "one", "--to", "two", "--out", text(&plan)];
    // The worker of one platform does not even learn that there are stores of another.
    cell.run(&words).refuses(6, &["two"]);
    // A store of the same platform takes it all.
    let other = Bigcommerce::open(Settings::empty());
    other.connect(&cell, "three");
    let words = [
        "restore",
        "plan",
        "one",
        "--kind",
        "product",
        "--kind",
        "currency",
        "--to",
        "three",
        "--out",
        text(&plan),
    ];
    cell.run(&words).succeeds();
    let applied = cell.run(&["restore", "apply", text(&plan)]).ends(0);
    assert_eq!(other.products().len(), 12, "{applied}");
}

#[test]
fn two_items_of_a_backup_never_become_one() {
    let (cell, store) = (TestCell::new(), Bigcommerce::small());
    store.connect(&cell, "one");
    cell.run(&["backup", "one"]).succeeds();
    // In the other store somebody has a product with the name of one, and the number of another.
    let other = Bigcommerce::open(Settings::empty());
    let (first, second) = (store.product(store.products()[0]), store.product(store.products()[1]));
    let both =
        json!({"name": first["name"], "sku": second["sku"], "type": "physical", "weight": 1, "price": 1});
    other.owner("POST", "v3/catalog/products", &both);
    other.connect(&cell, "two");
    let plan = cell.path("plan.json");
    let words = [
        "restore",
        "plan",
        "one",
        "--kind",
        "product",
        "--kind",
        "currency",
        "--to",
        "two",
        "--out",
        text(&plan),
    ];
    let planned = cell.run(&words).succeeds();
    let cannot: Vec<&Value> =
        planned["items"].as_array().unwrap().iter().filter(|item| item["action"]["do"] == "cannot").collect();
    assert_eq!(cannot.len(), 1, "{planned}");
    let why = cannot[0]["action"]["why"].as_str().unwrap();
    assert!(why.contains("of the backup"), "{why}");
    cell.run(&["restore", "apply", text(&plan)]).ends(3);
    assert_eq!(other.products().len(), 11, "twelve in the backup, of which two are one there");
}
