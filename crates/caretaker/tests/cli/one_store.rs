//! A name is the name of one store's history: no other store's items come into it, and its credential goes nowhere else.

use catalog::{Catalog, Client, Connection};
use domain::Clock as _;
use sandbox::shopify::Settings;
use vault::system::SystemClock;

use crate::cell::{Answer, TestCell, binary, text};
use crate::shop::Shop;

fn seeded(seed: u64) -> Shop {
    Shop::open(Settings { seed, products: 2, customers: 0, orders: 0, content: false, ..Settings::default() })
}

fn domain(shop: &Shop) -> String {
    let dump = shop.running.dump();
    let shops = dump["Shop"].as_object().unwrap();
    shops.values().next().unwrap()["myshopifyDomain"].as_str().unwrap().to_owned()
}

#[test]
fn a_name_that_stands_for_a_store_takes_no_other_one() {
    let (cell, ours, theirs) = (TestCell::new(), seeded(1), seeded(2));
    let (our_domain, their_domain) = (domain(&ours), domain(&theirs));
    assert_ne!(our_domain, their_domain);
    assert_eq!(ours.connect(&cell, "shop").succeeds()["renewed"], false);
    cell.run(&["backup", "shop"]).succeeds();
    theirs.connect(&cell, "shop").refuses(7, &["`shop`", &our_domain, &their_domain, "another name"]);
    // Nothing was changed by that, and the same store takes a new credential.
    assert_eq!(cell.run(&["connection", "show", "shop"]).succeeds()["url"], ours.url());
    let products = cell.run(&["backup", "shop", "--full"]).succeeds()["kinds"]["product"].clone();
    assert_eq!((&products["added"], &products["removed"]), (&0.into(), &0.into()), "{products}");
    assert_eq!(ours.connect_by_client(&cell, "shop").succeeds()["renewed"], true);
    cell.run(&["backup", "shop"]).succeeds();
    theirs.connect(&cell, "theirs").succeeds();
}

#[test]
fn a_cell_that_is_set_up_again_knows_its_stores_by_their_snapshots() {
    let (before, ours, theirs) = (TestCell::new(), seeded(1), seeded(2));
    ours.connect(&before, "shop").succeeds();
    before.run(&["backup", "shop"]).succeeds();
    let home = before.path("again");
    let on = |words: &[&str]| {
        let mut command = binary();
        command.args(["--json", "--dir", text(&home), "--passphrase-file", text(&before.passphrase())]);
        Answer::from(command.args(words).output().unwrap())
    };
    let (store, keys) = (before.home().join("store"), before.home().join("keys"));
    let from = ["init", "--from-store", text(&store), "--keys-store", text(&keys), "--recovery-key-file"];
    on(&[&from[..], &[text(&before.recovery_key())]].concat()).succeeds();
    let connect = |shop: &Shop| {
        let (token, ca) = shop.files(&before, "again");
        let way = ["--url", shop.url(), "--token-file", text(&token), "--ca-file", text(&ca)];
        on(&[&["connect", "shopify", "shop"][..], &way].concat())
    };
    connect(&theirs).refuses(7, &[&domain(&ours), &domain(&theirs)]);
    on(&["backup", "shop"]).refuses(7, &["credential"]);
    connect(&ours).succeeds();
    assert_eq!(on(&["backup", "shop"]).succeeds()["snapshot"], 2);
}

/// Changes the connection's row behind the cell's back: its credential stays as it was sealed.
fn lead(cell: &TestCell, to: impl FnOnce(&Connection) -> Connection) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (tenant, name) = ("default".parse().unwrap(), "shop".parse().unwrap());
        let catalog = Client::from(Catalog::open(&cell.home()).await.unwrap());
        let row = catalog.connection(&tenant, &name).await.unwrap();
        let sealed = catalog.credential(&tenant, &name, "platform").await.unwrap();
        catalog.put_connection(&to(&row), "platform", &sealed, SystemClock.now()).await.unwrap();
    });
}

#[test]
fn a_changed_catalog_leads_the_credential_nowhere_else() {
    let (cell, ours, theirs) = (TestCell::new(), seeded(1), seeded(2));
    ours.connect(&cell, "shop").succeeds();
    let good = cell.run(&["connection", "show", "shop"]).succeeds();
    let asked = theirs.stats().requests;
    lead(&cell, |row| Connection { url: theirs.url().to_owned(), ..row.clone() });
    cell.run(&["backup", "shop"]).refuses(4, &[theirs.url(), good["url"].as_str().unwrap()]);
    cell.run(&["connection", "coverage", "shop"]).refuses(4, &[theirs.url()]);
    assert_eq!(theirs.stats().requests, asked, "nothing was sent there");
    // Nor is an authority trusted that was not given with it.
    lead(&cell, |row| Connection { url: ours.url().to_owned(), ..row.clone() });
    let settings = |row: &Connection, ca: &str| {
        let mut settings = row.settings.clone();
        settings["ca_pem"] = ca.into();
        Connection { settings, ..row.clone() }
    };
    lead(&cell, |row| settings(row, &theirs.running.ca_pem));
    cell.run(&["backup", "shop"]).refuses(4, &["credential"]);
    lead(&cell, |row| settings(row, &ours.running.ca_pem));
    cell.run(&["backup", "shop"]).succeeds();
}

#[test]
fn a_refresh_token_is_not_spent_before_it_is_known_for_which_store() {
    let (cell, ours, theirs) = (TestCell::new(), seeded(1), seeded(2));
    ours.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let pair = theirs.running.issue_offline_token();
    let secret = cell.file("secret", &theirs.running.client_secret);
    let refresh = cell.file("refresh", &pair.refresh_token);
    let (_, ca) = theirs.files(&cell, "theirs");
    let connect = |name: &str| {
        let app = ["--client-id", &theirs.running.client_id, "--client-secret-file", &secret];
        let way = ["--url", theirs.url(), "--ca-file", text(&ca), "--refresh-token-file", &refresh];
        cell.run(&[&["connect", "shopify", name][..], &way, &app].concat())
    };
    connect("shop").refuses(7, &["`shop`", ours.url(), "--token-expires-at"]);
    // It is good still, and so is what `shop` has.
    connect("theirs").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
}

#[test]
fn an_address_in_an_error_holds_no_password() {
    let cell = TestCell::new();
    let token = cell.file("token", "shpat_x");
    for url in ["https://user:hunter2@shop.example", "http://user:hunter2@shop.example"] {
        let refused = cell.run(&["connect", "shopify", "shop", "--url", url, "--token-file", &token]);
        let error = refused.refuses(2, &["shop.example"]);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_connection_is_not_given_a_credential_while_somebody_writes_to_it() {
    let latency = std::time::Duration::from_millis(30);
    let shop = Shop::open(Settings { products: 8, latency, ..Settings::default() });
    let cell = TestCell::new().with(crate::silent::BEAT, "60000");
    shop.connect(&cell, "shop").succeeds();
    let asked = shop.stats().requests;
    let mut backup = cell.start(&["backup", "shop"]);
    assert!(crate::cell::running_until(&mut backup, || shop.stats().requests > asked + 1));
    let worker = crate::powers::stand_still(&cell, &mut backup);
    shop.connect(&cell, "shop").refuses(7, &["another command"]);
    nix::sys::signal::kill(worker, nix::sys::signal::Signal::SIGCONT).unwrap();
    assert!(backup.wait().unwrap().success());
    shop.connect(&cell, "shop").succeeds();
}
