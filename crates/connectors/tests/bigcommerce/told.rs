//! What a store tells by itself: who is heard, and what the store is asked to tell.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors::Secret;
use connectors::contract::{Ear, Fault, Hint, Store, Subscribed, Unheard};
use connectors::platforms::bigcommerce::{self, Credential, KINDS};
use domain::{Clock as _, Timestamp};
use jiff::SignedDuration;
use sandbox::bigcommerce::Settings;
use serde_json::{Value, json};

use crate::practice::{Practice, fetch, requests};
use crate::receiver::{Message, Receiver};

const PASSWORD: &str = "x-caretaker-hook";
const SIGNATURE: &str = "webhook-signature";
const TIME: &str = "webhook-timestamp";

fn ear(token: &str, secret: Option<&str>) -> Box<dyn Ear> {
    let credential = Credential { access_token: Secret::new(token), client_secret: secret.map(Secret::new) };
    bigcommerce::ear(&credential.to_bytes().unwrap()).unwrap().unwrap()
}

const SIGNED_AT: i64 = 1_796_040_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(SIGNED_AT + seconds).unwrap()
}

fn hear(ear: &dyn Ear, message: &Message) -> Result<Hint, Unheard> {
    ear.hear(&message.headers, &message.body, at(3))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(secret: &str, message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::sign(&key, message).as_ref().to_vec()
}

/// A message as the platform would send it to a hook of ours.
fn message(body: &[u8], token: &str, secret: &str) -> Message {
    let signed = [b"msg_1.", SIGNED_AT.to_string().as_bytes(), b".", body].concat();
    let headers = [
        (PASSWORD, hexadecimal(&mac(token, b"caretaker bigcommerce hook 1"))),
        ("webhook-id", "msg_1".to_owned()),
        (TIME, SIGNED_AT.to_string()),
        (SIGNATURE, format!("v1,{}", STANDARD.encode(mac(secret, &signed)))),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Message { headers, body: body.to_vec() }
}

const BODY: &[u8] = br#"{"producer":"stores/abc","scope":"store/product/updated","data":{"type":"product","id":205},"hash":"dd70c0976e06b67a","created_at":1796039990}"#;

#[test]
fn only_what_carries_our_header_and_is_signed_is_heard() {
    let real = message(BODY, "token", "secret");
    let hint = Hint {
        event: "dd70c0976e06b67a".to_owned(),
        topic: "store/product/updated".to_owned(),
        kinds: vec!["product"],
        items: vec!["205".to_owned()],
        at: Some(Timestamp::from_second(1_796_039_990).unwrap()),
    };
    let (both, header_alone) = (ear("token", Some("secret")), ear("token", None));
    assert_eq!(hear(both.as_ref(), &real), Ok(hint.clone()));
    assert_eq!(hear(header_alone.as_ref(), &real), Ok(hint));
    // The header is needed by both.
    let password = real.header(PASSWORD).to_owned();
    let other = hexadecimal(&mac("another", b"caretaker bigcommerce hook 1"));
    for value in
        [None, Some(""), Some("token"), Some(&password[..63]), Some(&other), Some(&password.to_uppercase())]
    {
        let wrong = real.clone().with(PASSWORD, value);
        for ear in [&both, &header_alone] {
            assert_eq!(hear(ear.as_ref(), &wrong), Err(Unheard::Forged), "{value:?}");
        }
    }
    // The signature by whoever has the secret.
    let foreign = message(BODY, "token", "another");
    let signature = real.header(SIGNATURE).to_owned();
    let bare = signature.trim_start_matches("v1,");
    let wrong = [
        foreign.clone(),
        Message { body: [BODY, b" "].concat(), ..real.clone() },
        real.clone().with(SIGNATURE, None),
        real.clone().with(SIGNATURE, Some("")),
        real.clone().with(SIGNATURE, Some(bare)),
        real.clone().with(SIGNATURE, Some(&format!("v2,{bare}"))),
        real.clone().with(TIME, Some(&(SIGNED_AT + 1).to_string())),
        real.clone().with(TIME, None),
        real.clone().with("webhook-id", Some("msg_2")),
    ];
    for message in &wrong {
        assert_eq!(hear(both.as_ref(), message), Err(Unheard::Forged), "{message:?}");
    }
    assert!(hear(header_alone.as_ref(), &foreign).is_ok(), "without the secret the header has to do");
    // While a secret is changed there are two signatures.
    let two = real.with(SIGNATURE, Some(&format!("{} v1a,x {signature}", foreign.header(SIGNATURE))));
    assert!(hear(both.as_ref(), &two).is_ok());
}

#[test]
fn what_was_signed_at_another_time_is_not_heard() {
    let (both, real) = (ear("token", Some("secret")), message(BODY, "token", "secret"));
    let at = |seconds: i64| both.hear(&real.headers, &real.body, at(seconds)).map(|hint| hint.topic);
    for seconds in [-300, 0, 300] {
        assert_eq!(at(seconds).as_deref(), Ok("store/product/updated"), "{seconds}");
    }
    for seconds in [-301, 301, 86_400, -SIGNED_AT] {
        assert_eq!(at(seconds), Err(Unheard::Late), "{seconds}");
    }
    // Of one that somebody else signed nothing more is said, whenever that was.
    let foreign = message(BODY, "token", "another");
    assert_eq!(both.hear(&foreign.headers, &foreign.body, Timestamp::UNIX_EPOCH), Err(Unheard::Forged));
}

#[test]
fn whatever_is_signed_is_heard_or_makes_no_sense() {
    let both = ear("token", Some("secret"));
    let of = |body: &[u8]| hear(both.as_ref(), &message(body, "token", "secret"));
    let deep = format!("{{\"a\":{}", "[".repeat(200_000));
    let long = format!(r#"{{"scope":"store/product/updated","hash":"{}"}}"#, "a".repeat(129));
    let far = format!(r#"{{"scope":"store/{}","hash":"a"}}"#, "a".repeat(91));
    let bodies = [
        &b""[..],
        b"[]",
        b"\xff\xfe\x00",
        b"{\"scope\":\"store/product/updated\"",
        b"{\"scope\":\"store/product/updated\"}",
        b"{\"hash\":\"a\"}",
        b"{\"scope\":\"store/product/updated\",\"hash\":\"a b\"}",
        b"{\"scope\":7,\"hash\":\"a\"}",
        deep.as_bytes(),
        long.as_bytes(),
        far.as_bytes(),
    ];
    for body in bodies {
        assert!(matches!(of(body), Err(Unheard::Malformed(_))), "{}", String::from_utf8_lossy(body));
    }
    let bare =
        of(b"{\"scope\":\"store/cart/created\",\"hash\":\"a\",\"created_at\":99999999999999999}").unwrap();
    assert_eq!((bare.kinds.len(), bare.items.len(), bare.at), (0, 0, None));
}

#[test]
fn an_event_names_its_item_wherever_the_platform_puts_it() {
    let both = ear("token", Some("secret"));
    let check = |scope: &str, data: Value, items: &[&str], kinds: &[&str]| {
        let body = json!({"scope": scope, "data": data, "hash": "a"}).to_string();
        let hint = hear(both.as_ref(), &message(body.as_bytes(), "token", "secret")).unwrap();
        assert_eq!(
            (hint.items, hint.kinds),
            (items.iter().map(|item| (*item).to_owned()).collect(), kinds.to_vec()),
            "{scope}"
        );
    };
    // The shapes are those of the platform's own examples. A part names what it belongs to.
    let sku = json!({"type": "sku", "id": 461, "sku": {"product_id": 206, "variant_id": 509}});
    check("store/sku/updated", sku, &["206"], &["product"]);
    let stock =
        json!({"type": "sku", "id": 461, "inventory": {"product_id": 206, "value": 5, "variant_id": 509}});
    check("store/sku/inventory/updated", stock, &["206"], &["product", "inventory_item"]);
    let address = json!({"type": "customer", "id": 60, "address": {"customer_id": 32}});
    check("store/customer/address/created", address, &["32"], &["customer"]);
    check(
        "store/shipment/created",
        json!({"type": "shipment", "id": 12, "orderId": 251}),
        &["251"],
        &["order"],
    );
    let metafield = json!({"metafield_id": 16, "resource_id": "38", "namespace": "a"});
    check("store/brand/metafield/created", metafield, &["38"], &["brand"]);
    check("store/inventory/location/created", json!({"location_id": 2}), &["2"], &["location"]);
    check("store/information/updated", json!({"type": "store"}), &[], &["store"]);
    // What was done to many is one event.
    check("store/priceLists/deleted", json!({"price_list_ids": [5, 6]}), &["5", "6"], &["price_list"]);
    let records: Vec<Value> =
        (1..=20).flat_map(|list| [json!({"price_list_id": list}), json!({"price_list_id": list})]).collect();
    check(
        "store/priceList/records/updated",
        json!(records),
        &["1", "2", "3", "4", "5", "6", "7", "8"],
        &["price_list"],
    );
}

#[test]
fn credentials_of_before_there_was_a_secret_are_read() {
    let before = br#"{"access_token":"token"}"#;
    assert_eq!(Credential::from_bytes(before).unwrap().to_bytes().unwrap(), before);
    assert!(bigcommerce::ear(before).unwrap().is_some());
    assert!(bigcommerce::ear(br#"{"access_token":""}"#).unwrap().is_none());
    assert!(bigcommerce::ear(b"{}").is_err());
}

/// A practice store whose messages go to a receiver.
struct Told {
    practice: Practice,
    receiver: std::sync::Arc<Receiver>,
    store: Box<dyn Store>,
}

impl Told {
    async fn start() -> Self {
        let receiver = Receiver::start().await;
        let settings = Settings {
            products: 3,
            customers: 2,
            orders: 2,
            webhook_ca_pem: Some(receiver.ca_pem.clone()),
            ..Settings::default()
        };
        let practice = Practice::start(settings).await;
        let store = practice.open();
        Self { practice, receiver, store }
    }

    fn url(&self) -> String {
        format!("{}shop", self.receiver.url)
    }

    async fn subscribe(&self) -> Subscribed {
        self.store.subscribe(&self.url()).await.unwrap()
    }

    async fn hooks(&self) -> Vec<Value> {
        let all = self.practice.owner("GET", "v3/hooks?limit=250", &Value::Null).await;
        all["data"].as_array().unwrap().clone()
    }

    fn ear(&self) -> Box<dyn Ear> {
        ear(&self.practice.running.access_token, Some(&self.practice.running.client_secret))
    }

    fn hear(&self, message: &Message) -> Result<Hint, Unheard> {
        self.ear().hear(&message.headers, &message.body, self.practice.clock.now())
    }

    /// The first hint that came under a topic.
    async fn hint(&self, topic: &str) -> Hint {
        let heard = self.receiver.heard(1, |message| scope(message) == topic).await;
        self.hear(&heard[0]).unwrap()
    }

    async fn made(&self, path: &str, body: &Value) -> Value {
        self.practice.owner("POST", path, body).await["data"].clone()
    }
}

fn scope(message: &Message) -> String {
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    body["scope"].as_str().unwrap().to_owned()
}

/// What is asked for: all that is told of a kind, many at once where the platform tells them so.
fn covers(scope: &str, topic: &str) -> bool {
    scope == topic
        || scope
            .strip_suffix("/*")
            .is_some_and(|begin| topic.rsplit_once('/').is_some_and(|(own, _)| own == begin))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_a_store_is_heard() {
    let told = Told::start().await;
    let subscribed = told.subscribe().await;
    assert!(subscribed.made > 10 && subscribed.failed.is_empty(), "{subscribed:?}");
    let product = told
        .made("v3/catalog/products", &json!({"name": "Lamp", "type": "physical", "price": 7, "weight": 1}))
        .await;
    let (id, path) = (product["id"].to_string(), format!("v3/catalog/products/{}", product["id"]));
    let created = told.hint("store/product/created").await;
    let apart = told.practice.clock.now().duration_since(created.at.unwrap());
    assert!(apart.abs() < SignedDuration::from_mins(5), "{apart}");
    assert_eq!((created.kinds, created.items), (vec!["product"], vec![id.clone()]));
    told.practice.owner("PUT", &path, &json!({"price": 8})).await;
    assert_eq!(told.hint("store/product/updated").await.items, [id.as_str()]);
    let stock = json!({"reason": "counted", "items": [{"location_id": 1, "product_id": product["id"], "quantity": 4}]});
    told.practice.owner("PUT", "v3/inventory/adjustments/absolute", &stock).await;
    let moved = told.hint("store/product/inventory/updated").await;
    assert_eq!((moved.kinds, moved.items), (vec!["product", "inventory_item"], vec![id.clone()]));
    let metafield = json!({"key": "a", "namespace": "b", "value": "c", "permission_set": "read"});
    told.made(&format!("{path}/metafields"), &metafield).await;
    assert_eq!(told.hint("store/product/metafield/created").await.items, [id.as_str()]);
    told.practice.owner("DELETE", &path, &Value::Null).await;
    let deleted = told.hint("store/product/deleted").await;
    assert_eq!((deleted.kinds, deleted.items), (vec!["product"], vec![id]));

    let list = told.made("v3/pricelists", &json!({"name": "Spring", "active": true})).await;
    let list = list["id"].to_string();
    let hint = told.hint("store/priceList/created").await;
    assert_eq!((hint.kinds, hint.items), (vec!["price_list"], vec![list.clone()]));
    told.practice
        .owner("PUT", &format!("v3/pricelists/{list}"), &json!({"name": "Spring", "active": false}))
        .await;
    assert_eq!(told.hint("store/priceList/deactivated").await.items, [list]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_sends_to_the_address_is_not_heard() {
    let told = Told::start().await;
    told.subscribe().await;
    told.made("v3/catalog/brands", &json!({"name": "B"})).await;
    let brand = told.practice.owner("GET", "v3/catalog/brands?name=B", &Value::Null).await["data"][0]["id"]
        .to_string();
    let metafield = json!({"key": "a", "namespace": "b", "value": "c", "permission_set": "read"});
    told.made(&format!("v3/catalog/brands/{brand}/metafields"), &metafield).await;
    let real =
        told.receiver.heard(1, |message| scope(message) == "store/brand/metafield/created").await.remove(0);
    assert_eq!(told.hear(&real).unwrap().items, [brand]);
    // Another app of the same store knows the address, and the platform signs for it as well.
    let running = &told.practice.running;
    let others = ear(&running.access_token, Some("the other app's secret"));
    assert_eq!(others.hear(&real.headers, &real.body, told.practice.clock.now()), Err(Unheard::Forged));
    assert_eq!(told.hear(&real.clone().with(PASSWORD, None)), Err(Unheard::Forged));
    told.practice.clock.shift(std::time::Duration::from_secs(600));
    assert_eq!(told.hear(&real), Err(Unheard::Late), "it was kept and sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_is_the_same_event() {
    let told = Told::start().await;
    told.subscribe().await;
    told.receiver.refuse(1);
    let tree = told.practice.owner("GET", "v3/catalog/trees", &Value::Null).await["data"][0]["id"].clone();
    let category = json!([{"name": "Lamps", "tree_id": tree, "parent_id": 0}]);
    told.practice.owner("POST", "v3/catalog/trees/categories", &category).await;
    let heard = told.receiver.heard(2, |_| true).await;
    let of = |message: &Message| {
        ear(&told.practice.running.access_token, None)
            .hear(&message.headers, &message.body, Timestamp::UNIX_EPOCH)
            .unwrap()
    };
    assert_eq!((of(&heard[0]), heard.len()), (of(&heard[1]), 2));
    assert_ne!(heard[0].header(TIME), heard[1].header(TIME), "signed at a time of its own");
    let category = json!([{"name": "Shades", "tree_id": tree, "parent_id": 0}]);
    told.practice.owner("POST", "v3/catalog/trees/categories", &category).await;
    let heard = told.receiver.heard(3, |_| true).await;
    assert_ne!(of(&heard[2]).event, of(&heard[0]).event);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_asked_once_and_again_for_what_is_missing() {
    let told = Told::start().await;
    let first = told.subscribe().await;
    let all = first.made;
    assert_eq!(first, Subscribed { made: all, ..Subscribed::default() });
    let hooks = told.hooks().await;
    assert_eq!(hooks.len() as u64, all);
    let scopes: BTreeSet<&str> = hooks.iter().map(|hook| hook["scope"].as_str().unwrap()).collect();
    for topic in KINDS.iter().flat_map(|kind| kind.told) {
        assert_eq!(scopes.iter().filter(|scope| covers(scope, topic)).count(), 1, "{topic}");
    }
    for hook in &hooks {
        assert_eq!((&hook["destination"], &hook["is_active"]), (&json!(told.url()), &json!(true)));
        assert_eq!(hook["headers"][PASSWORD].as_str().map(str::len), Some(64));
        assert!(!hook.to_string().contains(&told.practice.running.access_token));
    }
    assert_eq!(told.subscribe().await, Subscribed { there: all, ..Subscribed::default() });
    assert_eq!(told.hooks().await, hooks, "nothing was made or changed the second time");
    // One is deleted, and one switched off, as the platform does with what nobody answers.
    let id = |number: usize| hooks[number]["id"].to_string();
    told.practice.owner("DELETE", &format!("v3/hooks/{}", id(0)), &Value::Null).await;
    told.practice.owner("PUT", &format!("v3/hooks/{}", id(1)), &json!({"is_active": false})).await;
    assert!(told.hooks().await.iter().any(|hook| hook["is_active"] == false));
    assert_eq!(told.subscribe().await, Subscribed { there: all - 2, made: 2, ..Subscribed::default() });
    let again = told.hooks().await;
    assert!(again.len() as u64 == all && again.iter().all(|hook| hook["is_active"] == true));
    assert!(again.iter().any(|hook| hook["id"] == hooks[1]["id"]), "it was switched on, not made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_token_our_hooks_carry_another_header() {
    let told = Told::start().await;
    let all = told.subscribe().await.made;
    let headers = |hooks: &[Value]| -> BTreeSet<String> {
        hooks.iter().map(|hook| hook["headers"].to_string()).collect()
    };
    let before = told.hooks().await;
    let token = told.practice.running.issue_token();
    let store = told.practice.open_with(&token);
    let repaired = store.subscribe(&told.url()).await.unwrap();
    assert_eq!(repaired, Subscribed { made: all, ..Subscribed::default() });
    let after = told.hooks().await;
    assert_eq!((headers(&before).len(), headers(&after).len()), (1, 1));
    assert_ne!(headers(&before), headers(&after));
    let ids =
        |hooks: &[Value]| -> BTreeSet<String> { hooks.iter().map(|hook| hook["id"].to_string()).collect() };
    assert_eq!(ids(&before), ids(&after));
    assert_eq!(store.subscribe(&told.url()).await.unwrap().there, all);
    // What the store tells now is heard with the new token, and not with the old one.
    told.made("v3/catalog/products", &json!({"name": "Lamp", "type": "physical", "price": 7, "weight": 1}))
        .await;
    let message = told.receiver.heard(1, |message| scope(message) == "store/product/created").await.remove(0);
    let now = told.practice.clock.now();
    let with = |token: &str| {
        ear(token, Some(&told.practice.running.client_secret)).hear(&message.headers, &message.body, now)
    };
    assert!(with(&token).is_ok());
    assert_eq!(with(&told.practice.running.access_token), Err(Unheard::Forged));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_not_asked_for() {
    let told = Told::start().await;
    let granted: Vec<String> = told.store.probe().await.unwrap().granted;
    let left: Vec<&str> =
        granted.iter().map(String::as_str).filter(|scope| !scope.contains("orders")).collect();
    assert!(left.len() < granted.len());
    told.practice.running.set_access(&left);
    let few = told.subscribe().await;
    assert!(few.failed.is_empty() && few.made > 5, "{few:?}");
    let of_orders = |hook: &Value| {
        ["store/order/", "store/shipment/"]
            .iter()
            .any(|begin| hook["scope"].as_str().unwrap().starts_with(begin))
    };
    assert!(!told.hooks().await.iter().any(of_orders));
    let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
    told.practice.running.set_access(&granted);
    let more = told.subscribe().await;
    assert!(more.there == few.made && more.made > 0, "{more:?}");
    assert!(told.hooks().await.iter().any(of_orders));
    told.practice.running.set_access(&left);
    let fewer = told.subscribe().await;
    assert_eq!((fewer.there, fewer.removed), (few.made, more.made), "{fewer:?}");
    assert!(!told.hooks().await.iter().any(of_orders));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_addresses_of_ours_are_told_and_others_stay() {
    let told = Told::start().await;
    // One of them stands beside ours, and carries no header of ours.
    let beside = format!("{}beside", told.receiver.url);
    let foreign = ["https://erp.example.com/told/shop", "https://localhost/else/shop", &beside];
    for destination in foreign {
        let hook = json!({"scope": "store/product/*", "destination": destination, "is_active": true});
        told.practice.owner("POST", "v3/hooks", &hook).await;
    }
    let all = told.subscribe().await.made;
    let next = format!("{}another", told.receiver.url);
    let moved = told.store.subscribe(&next).await.unwrap();
    assert_eq!(moved, Subscribed { made: all, ..Subscribed::default() });
    let url = told.url();
    assert_eq!(told.subscribe().await, Subscribed { there: all, ..Subscribed::default() });
    let destinations = |hooks: Vec<Value>| -> BTreeSet<String> {
        hooks.iter().map(|hook| hook["destination"].as_str().unwrap().to_owned()).collect()
    };
    let expected = |ours: &[&str]| -> BTreeSet<String> {
        foreign.iter().chain(ours).map(|url| (*url).to_owned()).collect()
    };
    assert_eq!(destinations(told.hooks().await), expected(&[&url, &next]));
    // One of ours at another address that was switched off takes a place and tells nothing; a foreign one stays as it is.
    for destination in [&next, &beside] {
        let hooks = told.hooks().await;
        let one = hooks.iter().find(|hook| hook["destination"] == **destination).unwrap();
        let off = json!({ "is_active": false });
        told.practice.owner("PUT", &format!("v3/hooks/{}", one["id"]), &off).await;
    }
    let again = told.subscribe().await;
    assert_eq!(again, Subscribed { there: all, removed: 1, ..Subscribed::default() });
    let silent = told.store.unsubscribe(&next).await.unwrap();
    assert_eq!(silent, Subscribed { removed: all - 1, ..Subscribed::default() });
    assert_eq!(told.store.unsubscribe(&url).await.unwrap().removed, all);
    assert_eq!(destinations(told.hooks().await), expected(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_the_platform_refuses_is_told_and_the_others_are_made() {
    let told = Told::start().await;
    let hook = |number: usize| json!({"scope": "store/category/*", "destination": format!("https://erp.example.com/{number}/"), "is_active": true});
    for number in 0..10 {
        told.practice.owner("POST", "v3/hooks", &hook(number)).await;
    }
    let full = told.subscribe().await;
    assert_eq!(full.failed.len(), 1, "{full:?}");
    assert!(full.failed[0].0 == "store/category/*" && full.failed[0].1.contains("10 hooks"), "{full:?}");
    let one = told.hooks().await.into_iter().find(|hook| hook["scope"] == "store/category/*").unwrap();
    told.practice.owner("DELETE", &format!("v3/hooks/{}", one["id"]), &Value::Null).await;
    let again = told.subscribe().await;
    assert_eq!((again.there, again.made, again.failed.len()), (full.made, 1, 0), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_no_silence() {
    let told = Told::start().await;
    told.practice.faults("503:hooks@1+");
    let away = told.store.subscribe(&told.url()).await;
    assert!(matches!(away, Err(Fault::Unavailable(_))), "{away:?}");
    told.practice.faults("");
    assert!(told.subscribe().await.made > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_makes_no_second_hook() {
    let told = Told::start().await;
    told.practice.faults("lost:POST hooks@2");
    let lost = told.store.subscribe(&told.url()).await;
    assert!(matches!(lost, Err(Fault::Unavailable(_))), "{lost:?}");
    let again = told.subscribe().await;
    assert!(again.there == 2 && again.made > 10 && again.failed.is_empty(), "{again:?}");
    assert_eq!(told.hooks().await.len() as u64, again.there + again.made);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_hooks_are_no_part_of_the_store() {
    let told = Told::start().await;
    told.practice.hook().await;
    told.subscribe().await;
    let spool = fetch(told.store.as_ref(), requests(&["webhook"], None)).await.unwrap();
    assert!(spool.end("webhook").swept);
    let items: BTreeMap<_, _> = spool.items(told.store.as_ref());
    let payloads: Vec<Value> =
        items.values().map(|item| serde_json::from_slice(&item.payload).unwrap()).collect();
    assert_eq!(payloads.len(), 1, "{payloads:?}");
    assert_eq!(payloads[0]["destination"], "https://hooks.example.com/store");
}
