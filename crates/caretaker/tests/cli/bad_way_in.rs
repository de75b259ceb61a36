//! Wrong passphrases, names, addresses and tokens: each is refused by name, and nothing is changed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;

use catalog::{Catalog, Client};
use domain::Clock as _;
use nix::sys::signal::{self, kill};
use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use sandbox::shopify::Settings;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto, pki_types};
use vault::system::SystemClock;

use crate::cell::{TestCell, binary, running_until, text};
use crate::powers::stand_still;
use crate::shop::Shop;
use crate::silent::BEAT;

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let cell = TestCell::with_jsonl("files");
    let (before, events) = (cell.kept(), cell.journal());
    std::fs::write(cell.passphrase(), "another passphrase").unwrap();
    cell.run(&["connection", "list"]).refuses(5, &["passphrase"]);
    assert!(cell.kept() == before, "a refused command changed the cell");
    // The refusal itself is on record.
    let after = cell.journal();
    assert!(after.starts_with(&events) && after.len() == events.len() + 1);
    let last = after.last().unwrap();
    assert_eq!(
        (&last["metadata"]["event_code"], &last["status_code"]),
        (&"vault.open".into(), &"refused".into())
    );

    std::fs::write(cell.passphrase(), crate::cell::PASSPHRASE).unwrap();
    let list = cell.run(&["connection", "list"]).succeeds();
    assert_eq!(list["connections"][0]["name"], "files");
}

#[test]
fn a_cell_that_is_not_there_is_not_made() {
    let cell = TestCell::new();
    let nowhere = cell.path("nowhere");
    let mut command = binary();
    command.args(["--json", "--dir", text(&nowhere), "--passphrase-file", text(&cell.passphrase())]);
    let answer = crate::cell::Answer::from(command.args(["connection", "list"]).output().unwrap());
    answer.refuses(6, &["there is no cell at", text(&nowhere), "caretaker init"]);
    assert!(!nowhere.exists());
    cell.run(&["connection", "list"]).succeeds();
}

#[test]
fn a_cell_is_made_once() {
    let cell = TestCell::with_jsonl("files");
    let key = std::fs::read(cell.recovery_key()).unwrap();
    let again = cell.path("again.key");
    let refused = cell.run(&["init", "--recovery-key-out", text(&again)]);
    refused.refuses(7, &["there is a cell at", "another directory"]);
    assert!(!again.exists(), "no key of a cell that was not made");
    // Nor where parts of it are lost: what is left of it stays.
    let left = |name: &str| std::fs::read(cell.home().join(name)).unwrap();
    let (cell_file, catalog) = (left("cell.json"), left("catalog/catalog.db"));
    let aside = cell.path("vault.json");
    std::fs::rename(cell.home().join("vault/vault.json"), &aside).unwrap();
    let refused = cell.run(&["init", "--recovery-key-out", text(&again)]);
    refused.refuses(7, &["lacks", "vault.json", "--from-store"]);
    assert_eq!((left("cell.json"), left("catalog/catalog.db")), (cell_file, catalog));
    std::fs::rename(aside, cell.home().join("vault/vault.json")).unwrap();
    assert_eq!(std::fs::read(cell.recovery_key()).unwrap(), key);
    cell.run(&["connection", "show", "files"]).succeeds();
}

#[test]
fn a_connection_is_found_by_its_own_tenant_alone() {
    let cell = TestCell::with_jsonl("files");
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let catalog = Client::from(Catalog::open(&cell.home()).await.unwrap());
        catalog.add_tenant(&"rival".parse().unwrap(), SystemClock.now()).await.unwrap();
    });
    let out = cell.path("out");
    let plan = cell.path("plan.json");
    let reads: [&[&str]; 9] = [
        &["connection", "show", "files"],
        &["backup", "files"],
        &["snapshot", "list", "files"],
        &["item", "list", "files", "thing"],
        &["item", "show", "files", "thing", "a"],
        &["item", "history", "files", "thing", "a"],
        &["verify", "files"],
        &["export", "files", "--out", text(&out)],
        &["restore", "plan", "files", "--out", text(&plan)],
    ];
    for tenant in ["rival", "nobody"] {
        for words in reads {
            let theirs = cell.run(&[words, &["--tenant", tenant]].concat());
            let theirs = theirs.refuses(6, &["files"]);
            // The same words as for a name that never was: nothing tells that it exists elsewhere.
            let unknown: Vec<&str> =
                words.iter().map(|word| if *word == "files" { "fifes" } else { word }).collect();
            let unknown = cell.run(&unknown).refuses(6, &["fifes"]);
            assert_eq!(theirs.to_string(), unknown.to_string().replace("fifes", "files"), "{words:?}");
        }
        assert!(!out.exists() && !plan.exists());
    }
    let list = cell.run(&["connection", "list", "--tenant", "rival"]).succeeds();
    assert_eq!(list["connections"].as_array().unwrap().len(), 0);
    cell.run(&["item", "show", "files", "thing", "a"]).succeeds();
    let file = cell.file("lines.jsonl", "{\"id\":\"b\"}\n");
    let words = ["ingest", "files", "--kind", "thing", "--id", "/id", &file, "--tenant", "rival"];
    cell.run(&words).refuses(6, &["files"]);
    cell.run(&words[..7]).succeeds();
}

#[test]
fn words_that_make_no_sense_are_refused_in_json_too() {
    let cell = TestCell::new();
    cell.run(&["backup"]).refuses(2, &["NAME"]);
    cell.run(&["connect", "jsonl", "../files"]).refuses(2, &["../files"]);
    cell.run(&["no-such-command"]).refuses(2, &["no-such-command"]);
    cell.run(&["connect", "jsonl", "files"]).succeeds();
    cell.run(&["item", "list", "files", "thing", "--at", "yesterday"]).refuses(6, &["files"]);
    cell.ingest("files", "thing", "{\"id\":\"a\"}\n").succeeds();
    cell.run(&["item", "list", "files", "thing", "--at", "yesterday"]).refuses(2, &["yesterday", "latest"]);
    cell.run(&["item", "list", "files", "thing", "--at", "7"]).refuses(6, &["7"]);
    cell.run(&["item", "list", "files", "thing", "--at", "1"]).succeeds();
    let mut without = binary();
    without.args(["--json", "connection", "list"]);
    crate::cell::Answer::from(without.output().unwrap()).refuses(2, &["--dir", "CARETAKER_DIR"]);
}

/// A server that speaks HTTPS and answers everything with the same page.
struct OtherSite {
    url: String,
    ca: String,
}

impl OtherSite {
    fn open(status: &'static str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let ca = certificate.pem();
        let key = pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                let mut request = [0; 4096];
                let Ok(1..) = stream.read(&mut request) else { continue };
                let page = "<!doctype html><title>A bakery</title><p>Bread and cake.";
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                    page.len()
                );
                drop(stream.write_all(answer.as_bytes()));
                stream.conn.send_close_notify();
                drop(stream.flush());
                drop(stream.sock.shutdown(Shutdown::Write));
            }
        });
        Self { url, ca }
    }
}

fn connections(cell: &TestCell) -> usize {
    cell.run(&["connection", "list"]).succeeds()["connections"].as_array().unwrap().len()
}

#[test]
fn an_address_that_is_no_shopify_store_is_not_connected() {
    let cell = TestCell::new();
    let token = cell.file("token", "shpat_0123456789");
    let connect = |url: &str, more: &[&str]| {
        cell.run(&[&["connect", "shopify", "shop", "--url", url, "--token-file", &token], more].concat())
    };
    // Nobody listens there: the port was free just now.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    connect(&format!("https://{free}"), &[]).refuses(8, &[&free.to_string()]);
    connect("http://127.0.0.1:1", &[]).refuses(2, &["`127.0.0.1`", "https"]);
    connect("not an address", &[]).refuses(2, &["not the address of a store"]);
    for status in ["404 Not Found", "200 OK"] {
        let site = OtherSite::open(status);
        let ca = cell.file("ca.pem", &site.ca);
        // Its certificate is not trusted without the authority, and with it there is still no shop.
        connect(&site.url, &[]).refuses(8, &[&site.url]);
        let refused = connect(&site.url, &["--ca-file", &ca]);
        refused.refuses(1, &[&site.url, "Shopify"]);
    }
    assert_eq!(connections(&cell), 0);
    Shop::small().connect(&cell, "shop").succeeds();
    assert_eq!(connections(&cell), 1);
}

#[test]
fn a_revoked_token_is_told_and_a_new_one_goes_on() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    shop.running.revoke_all();
    cell.run(&["backup", "shop"]).refuses(5, &["token"]);
    shop.connect(&cell, "shop").refuses(5, &["token"]);
    assert_eq!(cell.snapshots("shop"), [1]);
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();

    let id = &shop.running.client_id;
    let secret = cell.file("secret", &shop.running.client_secret);
    let (_, ca) = shop.files(&cell, "shop");
    let words = ["--url", &shop.running.url, "--client-id", id, "--client-secret-file", &secret];
    let connected = cell.run(&[&["connect", "shopify", "shop", "--ca-file", text(&ca)], &words[..]].concat());
    assert_eq!(connected.succeeds()["renewed"], true);
    assert_eq!(cell.run(&["backup", "shop"]).succeeds()["snapshot"], 2);
}

#[test]
fn a_withdrawn_scope_is_a_gap_and_no_removal() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    let whole = cell.run(&["backup", "shop"]).succeeds();
    let customers = whole["kinds"]["customer"]["seen"].as_u64().unwrap();
    assert!(customers > 0);
    let connected = shop.connect(&cell, "shop").succeeds();
    let scopes: Vec<&str> =
        connected["granted"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    let left: Vec<&str> = scopes.iter().copied().filter(|scope| !scope.ends_with("_customers")).collect();
    shop.running.set_access(&left, true);

    let report = cell.run(&["backup", "shop"]).ends(3);
    assert_eq!(report["complete"], false);
    let customer = &report["kinds"]["customer"];
    assert_eq!(customer["removed"], 0, "{customer}");
    let gaps = customer["gaps"].to_string();
    assert!(gaps.contains("read_customers") && gaps.contains("missing_scope"), "{gaps}");
    assert_eq!(report["kinds"]["product"]["gaps"], serde_json::Value::Null);

    shop.running.set_access(&scopes, true);
    let report = cell.run(&["backup", "shop", "--full"]).succeeds();
    assert_eq!(report["kinds"]["customer"]["seen"], customers);
    let list = cell.run(&["item", "list", "shop", "customer"]).succeeds();
    assert_eq!(list["items"].as_array().unwrap().len() as u64, customers);
}

#[test]
fn a_scope_that_was_never_granted_is_a_gap_and_no_empty_kind() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    let all = shop.scopes();
    let left: Vec<&str> =
        all.iter().map(String::as_str).filter(|scope| !scope.ends_with("_customers")).collect();
    assert!(left.len() < all.len());
    shop.running.set_access(&left, true);
    let connected = shop.connect(&cell, "shop").succeeds();
    assert!(connected["missing"].to_string().contains("read_customers"), "{connected}");

    let report = cell.run(&["backup", "shop"]).ends(3);
    assert_eq!(report["complete"], false);
    let customer = &report["kinds"]["customer"];
    let gaps = customer["gaps"].to_string();
    assert!(gaps.contains("read_customers") && gaps.contains("missing_scope"), "{customer}");
    assert!(report["kinds"]["product"]["seen"].as_u64().unwrap() > 0);
    let coverage = cell.run(&["connection", "coverage", "shop"]).succeeds();
    let kinds = coverage["kinds"].as_array().unwrap();
    let row = kinds.iter().find(|row| row["kind"] == "customer").unwrap();
    assert!(row["missing_to_read"].to_string().contains("read_customers"), "{row}");
    assert!(row["gaps"].to_string().contains("read_customers"), "{row}");
    let list = cell.run(&["snapshot", "list", "shop"]).succeeds();
    assert_eq!(list["snapshots"][0]["complete"], false);

    // Once it is granted the next backup has them, without anybody asking for a full one.
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    shop.running.set_access(&all, true);
    let report = cell.run(&["backup", "shop"]).succeeds();
    assert_eq!(report["kinds"]["customer"]["added"], 6, "{}", report["kinds"]["customer"]);
    assert_eq!(report["kinds"]["customer"].get("gaps"), None);
}

#[test]
fn a_token_that_is_revoked_midway_is_told_and_what_was_read_is_kept() {
    let latency = std::time::Duration::from_millis(20);
    let settings = Settings { products: 20, customers: 250, orders: 200, latency, ..Settings::default() };
    let (cell, shop) = (TestCell::new(), Shop::open(settings));
    // Without operations everything is read page by page.
    shop.faults("bulk-failed@1+");
    let calm = TestCell::new();
    shop.connect(&calm, "shop").succeeds();
    let asked = shop.stats().requests;
    cell_backup(&calm);
    let once = shop.stats().requests - asked;
    assert!(once > 200, "{once}");

    shop.connect(&cell, "shop").succeeds();
    let asked = shop.stats().requests;
    let refused = shop.while_revoking_after(once / 2, || cell.run(&["backup", "shop"]));
    refused.refuses(5, &["token"]);
    let first = shop.stats().requests - asked;
    assert!(cell.snapshots("shop").is_empty());
    // With a new credential it goes on where it was: whoever began anew would ask for half of it twice. What is
    // asked again is whether operations work now, and the pages that were under way.
    shop.connect_by_client(&cell, "shop").succeeds();
    let asked = shop.stats().requests;
    cell_backup(&cell);
    let rest = shop.stats().requests - asked;
    println!("{first} requests, then {rest}, {once} undisturbed");
    assert!(first + rest <= once + 60, "{first} and {rest} requests, {once} undisturbed");
    assert!(cell.export("shop") == calm.export("shop"));
}

fn cell_backup(cell: &TestCell) {
    assert_eq!(cell.run(&["backup", "shop"]).succeeds()["complete"], true);
}

#[test]
fn a_sweep_whose_last_page_fails_removes_nothing() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let gone = shop.products()[1].clone();
    shop.delete_product(&gone);
    // Neither by operations nor page by page are they to be had.
    shop.faults("bulk-failed:products@1+,internal-error:products@3+");
    let report = cell.run(&["backup", "shop", "--full"]);
    let report = report.ends(3);
    assert_eq!(report["kinds"]["product"]["removed"], 0, "{}", report["kinds"]["product"]);
    // Lines of the attempts that failed count for nothing, and what follows them is no product.
    let list = cell.run(&["item", "list", "shop", "product"]).succeeds();
    let ids: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 8);
    assert!(ids.iter().all(|id| id.starts_with("gid://shopify/Product/")), "{ids:?}");
    for (kind, counts) in report["kinds"].as_object().unwrap() {
        // These two were listed whole, and what was of the product is gone with it.
        let went_along = ["inventory_item", "translation"].contains(&kind.as_str());
        assert!(counts["removed"] == 0 || went_along, "{kind}: {counts}");
    }
    cell.run(&["item", "show", "shop", "product", &gone]).succeeds();
    shop.faults("");
    let report = cell.run(&["backup", "shop", "--full"]).succeeds();
    assert_eq!(report["kinds"]["product"]["removed"], 1, "{report}");
    cell.run(&["item", "show", "shop", "product", &gone]).refuses(6, &[&gone]);
}

#[test]
fn a_second_backup_at_the_same_time_is_refused() {
    let latency = std::time::Duration::from_millis(30);
    let (cell, shop) = (
        TestCell::new().with(BEAT, "60000"),
        Shop::open(Settings { products: 8, latency, ..Settings::default() }),
    );
    shop.connect(&cell, "shop").succeeds();
    let asked = shop.stats().requests;
    let mut first = cell.start(&["backup", "shop"]);
    assert!(running_until(&mut first, || shop.stats().requests > asked + 1));
    // However slow the machine is, the first does not end before the second has begun: its worker stands still, in the middle
    // of what it sends, and has the connection all the same. For so long nobody takes its place.
    let worker = stand_still(&cell, &mut first);
    cell.run(&["backup", "shop"]).refuses(7, &["shop", "wait"]);
    kill(worker, signal::Signal::SIGCONT).unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(cell.snapshots("shop"), [1]);
    assert_eq!(cell.run(&["backup", "shop"]).succeeds()["snapshot"], 2);
}

#[test]
fn ctrl_c_ends_a_backup_at_once_and_the_next_one_is_whole() {
    let latency = std::time::Duration::from_millis(60);
    let (cell, shop) =
        (TestCell::new(), Shop::open(Settings { products: 8, latency, ..Settings::default() }));
    shop.connect(&cell, "shop").succeeds();
    for further in [0, 3, 12] {
        // However slow the machine is, the backup does not end by itself. The store runs five operations at once, and each
        // that is stuck takes the place of one.
        shop.faults("bulk-stuck@1");
        let asked = shop.stats().requests;
        let mut child = cell.start(&["backup", "shop"]);
        assert!(running_until(&mut child, || shop.stats().requests > asked + further));
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert!(!running_until(&mut child, || false), "it did not end");
        assert!(!child.wait().unwrap().success());
    }
    shop.faults("");
    assert!(cell.snapshots("shop").is_empty());
    assert_eq!(cell.run(&["backup", "shop"]).succeeds()["complete"], true);
    cell.run(&["verify", "shop", "--all-bytes"]).succeeds();
}

#[test]
fn pictures_that_could_not_be_fetched_are_told_and_fetched_next_time() {
    // Few of them: each is tried several times.
    let few = Settings { products: 2, customers: 0, orders: 0, content: false, ..Settings::default() };
    let (cell, shop) = (TestCell::new(), Shop::open(few));
    shop.connect(&cell, "shop").succeeds();
    shop.faults("503:cdn@1+");
    let first = cell.run(&["backup", "shop"]).ends(3);
    assert_eq!(first["complete"], false);
    let pictures = |name: &str, code: i32| {
        let out = cell.path(name);
        let exported = cell.run(&["export", "shop", "--out", text(&out)]).ends(code);
        assert_eq!(exported["complete"], code == 0, "{exported}");
        exported["media"].as_u64().unwrap()
    };
    // An export of a snapshot that is not whole is not whole either, and says so; as does the last resort.
    assert_eq!(pictures("without", 3), 0);
    let recover = |code: i32| {
        let mut command = binary();
        command.args(["--json", "recover", "--check", "--store", text(&cell.home().join("store"))]);
        command.args(["--keys-store", text(&cell.home().join("keys"))]);
        command.args(["--recovery-key-file", text(&cell.recovery_key())]);
        crate::cell::Answer::from(command.output().unwrap()).ends(code)["connections"][0]["complete"].clone()
    };
    assert_eq!(recover(3), false);
    shop.faults("");
    let second = cell.run(&["backup", "shop"]).succeeds();
    assert_eq!(second["complete"], true, "{second}");
    assert!(second["kinds"]["file"]["changed"].as_u64().unwrap() > 0, "the bytes make a new version");
    assert!(pictures("with", 0) > 0);
    assert_eq!(recover(0), true);
    assert_eq!(cell.run(&["backup", "shop"]).succeeds()["kinds"]["file"]["changed"], 0);
}
