//! What platforms tell: it comes in at the public endpoint, and what changed is in the next snapshot soon. Nobody else is believed.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bigcommerce::Bigcommerce;
use crate::cell::{TestCell, text};
use crate::public::{Maker, Pair};
use crate::shop::Shop;
use crate::up::{Up, comes, count};

/// A cell that platforms can reach.
struct Told {
    cell: TestCell,
    maker: Maker,
    up: Up,
}

/// A port that is free, and is given to no socket that asks for any.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id() % 500).unwrap() * 16;
    (0..16)
        .map(|_| 20_000 + of_process + NEXT.fetch_add(1, Ordering::Relaxed) % 16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

impl Told {
    fn start() -> Self {
        let port = port();
        let cell = TestCell::none_yet(tempfile::tempdir().unwrap());
        std::fs::write(cell.passphrase(), crate::cell::PASSPHRASE).unwrap();
        let (key, url) = (cell.recovery_key(), format!("https://localhost:{port}"));
        cell.run(&["init", "--recovery-key-out", text(&key), "--public-url", &url]).succeeds();
        let maker = Maker::new();
        let pair = Pair::of(&cell);
        pair.put(&maker.make("localhost", (-1, 300)));
        let listen = format!("127.0.0.1:{port}");
        let (certificate, key) = (text(&pair.certificate), text(&pair.key));
        let words = ["--listen", &listen, "--certificate-file", certificate, "--certificate-key-file", key];
        let up = Up::with(&cell, &words);
        Self { cell, maker, up }
    }

    /// The one connection that is told of.
    fn webhook(&self) -> Value {
        let listed = self.cell.run(&["webhook", "list"]).succeeds();
        listed["webhooks"].as_array().unwrap().first().cloned().unwrap_or_default()
    }

    /// Tells something, as whoever sends that. Answers the status.
    fn tell(&self, url: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let authority = reqwest::Certificate::from_pem(self.maker.pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).timeout(Duration::from_secs(30));
        let mut request = client.build().unwrap().post(url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { request.send().await.unwrap().status().as_u16() })
    }

    fn snapshots(&self) -> usize {
        self.cell.snapshots("shop").len()
    }

    /// Has the store be backed up once, and its platform tell from then on.
    fn begin(&self) {
        let schedule = ["schedule", "set", "shop", "--backup", "1w"];
        self.cell.run(&["webhook", "on", "shop"]).refuses(2, &["schedule set shop --backup"]);
        self.cell.run(&schedule).succeeds();
        assert!(comes(|| self.snapshots() > 0));
        let on = self.cell.run(&["webhook", "on", "shop"]).succeeds();
        assert!(on["told"].as_u64() > Some(0) && on["told"] == on["made"], "{on}");
        assert_eq!(on["failed"], json!([]), "{on}");
        let again = self.cell.run(&["webhook", "on", "shop"]).succeeds();
        assert_eq!((&again["told"], &again["made"]), (&on["told"], &json!(0)), "{again}");
        assert_eq!(self.webhook()["heard_at"], Value::Null);
    }

    /// How often something was backed up because it was told.
    fn followed(&self) -> usize {
        let words = ["trail", "list", "--last", "2000", "--operation", "snapshot.backup"];
        let listed = self.cell.run(&words).succeeds();
        let told = |event: &&Value| event.to_string().contains("as it was told: done");
        listed["events"].as_array().unwrap().iter().filter(told).count()
    }
}

fn shown(cell: &TestCell, kind: &str, id: &str) -> String {
    let shown = cell.run(&["item", "show", "shop", kind, id]);
    shown.succeeds_raw();
    String::from_utf8(shown.stdout).unwrap()
}

#[test]
fn what_shopify_tells_is_backed_up_soon_and_what_others_tell_is_not() {
    let told = Told::start();
    let settings = sandbox::shopify::Settings { products: 2, customers: 2, orders: 2, ..Default::default() };
    let settings = sandbox::shopify::Settings { webhook_ca_pem: Some(told.maker.pem.clone()), ..settings };
    let shop = Shop::open(settings);
    let cell = &told.cell;
    // By its token alone there is nothing by which Shopify's word is known.
    shop.connect(cell, "shop").succeeds();
    cell.run(&["schedule", "set", "shop", "--backup", "1w"]).succeeds();
    cell.run(&["webhook", "on", "shop"]).refuses(2, &["--client-secret-file"]);
    cell.run(&["schedule", "remove", "shop"]).succeeds();
    // What was begun meanwhile goes on to its end.
    assert!(comes(|| shop.connect_by_client(cell, "shop").code == Some(0)));
    told.begin();

    let product = shop.products().remove(0);
    shop.retitle(&product, "It was told");
    assert!(comes(|| shown(cell, "product", &product).contains("It was told")));
    assert!(comes(|| told.followed() > 0));
    assert_ne!(told.webhook()["heard_at"], Value::Null);
    let url = told.webhook()["url"].as_str().unwrap().to_owned();

    // Whoever does not know the secret is not believed, whatever is wrong; and nothing is read for it.
    let body = json!({ "admin_graphql_api_id": product }).to_string();
    let sign = |secret: &str, body: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        STANDARD.encode(hmac::sign(&key, body.as_bytes()).as_ref())
    };
    let signature = sign(&shop.running.client_secret, &body);
    let event = |name: &'static str| ("x-shopify-event-id", name);
    let topic = ("x-shopify-topic", "products/update");
    let signed = ("x-shopify-hmac-sha256", signature.as_str());
    let forged = sign("another secret", &body);
    let kept = count(cell, "catalog.hint.keep");
    for (what, headers, sent) in [
        ("nothing", vec![], body.as_str()),
        ("no signature", vec![topic, event("e")], &body),
        ("another's", vec![topic, event("e"), ("x-shopify-hmac-sha256", &forged)], &body),
        ("another body", vec![topic, event("e"), signed], "{}"),
        ("no base64", vec![topic, event("e"), ("x-shopify-hmac-sha256", "???")], &body),
    ] {
        assert_eq!(told.tell(&url, &headers, sent), 401, "{what}");
    }
    assert_eq!(told.tell(&format!("{url}0"), &[topic, event("e"), signed], &body), 404);
    let elsewhere = url.replace("/hooks/shopify/", "/hooks/bigcommerce/");
    assert_eq!(told.tell(&elsewhere, &[topic, event("e"), signed], &body), 404);
    assert_eq!(told.tell(&url, &[topic, event("e"), signed], &"x".repeat(70_000)), 413);
    assert_eq!(count(cell, "catalog.hint.keep"), kept);

    // The same, said by the platform; and when it says it again, it is known.
    assert_eq!(told.tell(&url, &[topic, event("e"), signed], &body), 200);
    assert!(comes(|| count(cell, "catalog.hint.keep") > kept));
    let after = count(cell, "catalog.hint.keep");
    assert_eq!(told.tell(&url, &[topic, event("e"), signed], &body), 200);
    assert_eq!(count(cell, "catalog.hint.keep"), after + 1, "it was looked at");

    let off = cell.run(&["webhook", "off", "shop"]).succeeds();
    assert!(off["removed"].as_u64() > Some(0) && off["told"] == 0, "{off}");
    assert_eq!(told.webhook(), Value::Null);
    assert_eq!(told.tell(&url, &[topic, event("f"), signed], &body), 404);
    cell.run(&["trail", "verify"]).succeeds();
    drop(told.up);
}

#[test]
fn what_bigcommerce_tells_is_backed_up_soon() {
    let told = Told::start();
    let settings = sandbox::bigcommerce::Settings {
        products: 3,
        customers: 2,
        orders: 1,
        webhook_ca_pem: Some(told.maker.pem.clone()),
        ..Default::default()
    };
    let shop = Bigcommerce::open(settings);
    let cell = &told.cell;
    shop.connect(cell, "shop");
    told.begin();

    let (product, gone) = (shop.products()[0], shop.products()[1]);
    let path = format!("v3/catalog/products/{product}");
    shop.owner("PUT", &path, &json!({ "name": "It was told" }));
    assert!(comes(|| shown(cell, "product", &product.to_string()).contains("It was told")));
    shop.owner("DELETE", &format!("v3/catalog/products/{gone}"), &Value::Null);
    assert!(comes(|| cell.run(&["item", "show", "shop", "product", &gone.to_string()]).code != Some(0)));
    // Somebody who knows the address and not the password.
    let url = told.webhook()["url"].as_str().unwrap().to_owned();
    let body = json!({ "scope": "store/product/updated", "data": { "type": "product", "id": product }, "hash": "h" });
    assert_eq!(told.tell(&url, &[], &body.to_string()), 401);
    drop(told.up);
}

#[test]
fn a_cell_without_a_public_name_says_that_nobody_can_tell_it_anything() {
    let (cell, shop) = (TestCell::new(), Shop::tiny());
    shop.connect_by_client(&cell, "shop").succeeds();
    cell.run(&["schedule", "set", "shop", "--backup", "1w"]).succeeds();
    cell.run(&["webhook", "on", "shop"]).refuses(2, &["--public-url"]);
    assert_eq!(cell.run(&["webhook", "list"]).succeeds()["webhooks"], json!([]));
}
