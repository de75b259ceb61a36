//! What a store tells by itself: who is heard, and what the store is asked to tell.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors::Secret;
use connectors::contract::{Ear, Fault, Hint, Store, Subscribed, Unheard};
use connectors::platforms::shopify::{self, Credential, KINDS, TOPICS};
use domain::{Clock as _, Timestamp};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

use crate::practice::Practice;
use crate::receiver::{Message, Receiver};

const SIGNATURE: &str = "x-shopify-hmac-sha256";

fn ear(secret: &str) -> Box<dyn Ear> {
    let client_secret = Some(Secret::new(secret));
    let credential = Credential::Static { access_token: Secret::new("shpat_1"), client_secret };
    shopify::ear(&credential.to_bytes().unwrap()).unwrap().unwrap()
}

fn hear(ear: &dyn Ear, message: &Message) -> Result<Hint, Unheard> {
    ear.hear(&message.headers, &message.body, Timestamp::UNIX_EPOCH)
}

/// A message as the platform would sign it.
fn message(headers: &[(&str, &str)], body: &[u8], secret: &str) -> Message {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, body).as_ref());
    let signed = (SIGNATURE, signature.as_str());
    let headers = headers.iter().chain([&signed]);
    let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Message { headers, body: body.to_vec() }
}

const NAMED: [(&str, &str); 3] = [
    ("x-shopify-topic", "products/update"),
    ("x-shopify-event-id", "98880550-7158"),
    ("x-shopify-triggered-at", "2026-11-25T00:00:00Z"),
];

#[test]
fn only_what_the_apps_secret_has_signed_is_heard() {
    let body = br#"{"id":7,"admin_graphql_api_id":"gid://shopify/Product/7"}"#;
    let real = message(&NAMED, body, "shpss_1");
    let hint = Hint {
        event: "products/update:98880550-7158".to_owned(),
        topic: "products/update".to_owned(),
        kinds: vec!["product"],
        items: vec!["gid://shopify/Product/7".to_owned()],
        at: Some("2026-11-25T00:00:00Z".parse().unwrap()),
    };
    assert_eq!(hear(ear("shpss_1").as_ref(), &real), Ok(hint));
    assert_eq!(hear(ear("shpss_2").as_ref(), &real), Err(Unheard::Forged));
    let other = message(&NAMED, body, "shpss_2");
    let altered = Message { body: [&body[..], b" "].concat(), ..real.clone() };
    let twice = {
        let mut twice = real.clone();
        twice.headers.push((SIGNATURE.to_owned(), real.header(SIGNATURE).to_owned()));
        twice
    };
    let hexadecimal: String =
        STANDARD.decode(real.header(SIGNATURE)).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let wrong = [
        other,
        altered,
        twice,
        real.clone().with(SIGNATURE, None),
        real.clone().with(SIGNATURE, Some("")),
        real.clone().with(SIGNATURE, Some(&hexadecimal)),
    ];
    for message in wrong {
        assert_eq!(hear(ear("shpss_1").as_ref(), &message), Err(Unheard::Forged), "{message:?}");
    }
    assert!(hear(ear("shpss_1").as_ref(), &real).is_ok(), "and what is real still is");
}

#[test]
fn a_token_alone_has_no_ear_and_every_credential_with_a_secret_has_one() {
    let secret = || Secret::new("shpss_1");
    let plain = |client_secret| Credential::Static { access_token: Secret::new("shpat_1"), client_secret };
    let offline = Credential::Offline {
        client_id: "id".to_owned(),
        client_secret: secret(),
        access_token: Secret::new("a"),
        refresh_token: Secret::new("b"),
        expires_at: Timestamp::UNIX_EPOCH,
    };
    let client = Credential::ClientCredentials { client_id: "id".to_owned(), client_secret: secret() };
    let check = |credential: &Credential, expected: bool| {
        assert_eq!(shopify::ear(&credential.to_bytes().unwrap()).unwrap().is_some(), expected);
    };
    check(&plain(None), false);
    check(&plain(Some(Secret::new(""))), false);
    for credential in [plain(Some(secret())), offline, client] {
        check(&credential, true);
    }
    // As credentials were sealed before there was a secret beside a token.
    let before = br#"{"kind":"static","access_token":"shpat_1"}"#;
    assert!(shopify::ear(before).unwrap().is_none());
    assert_eq!(Credential::from_bytes(before).unwrap().to_bytes().unwrap(), before);
    assert!(shopify::ear(b"{}").is_err());
}

#[test]
fn an_event_has_one_name_however_often_it_is_told() {
    let of = |headers: &[(&str, &str)]| hear(ear("s").as_ref(), &message(headers, b"{}", "s"));
    let name = |headers: &[(&str, &str)]| of(headers).unwrap().event;
    let (topic, event, delivery) =
        (("x-shopify-topic", "orders/create"), ("x-shopify-event-id", "e1"), "x-shopify-webhook-id");
    assert_eq!(name(&[topic, event, (delivery, "d1")]), name(&[topic, event, (delivery, "d2")]));
    // One event is told under two topics, and both count.
    assert_ne!(name(&[topic, event]), name(&[("x-shopify-topic", "orders/updated"), event]));
    // Where no event is named, the delivery is, which is the same when it is tried again.
    assert_eq!(name(&[topic, (delivery, "d1")]), name(&[topic, (delivery, "d1")]));
    assert_ne!(name(&[topic, (delivery, "d1")]), name(&[topic, (delivery, "d2")]));
    let long = "e".repeat(129);
    for headers in [
        &[topic][..],
        &[event],
        &[topic, ("x-shopify-event-id", &long)],
        &[topic, ("x-shopify-event-id", "a b")],
    ] {
        assert!(matches!(of(headers), Err(Unheard::Malformed(_))), "{headers:?}");
    }
}

#[test]
fn whatever_is_signed_is_heard_or_makes_no_sense() {
    let of = |body: &[u8]| hear(ear("s").as_ref(), &message(&NAMED, body, "s"));
    let deep = format!("{{\"a\":{}", "[".repeat(200_000));
    for body in [&b""[..], b"[]", b"7", b"\xff\xfe\x00", b"{\"id\":7", deep.as_bytes()] {
        assert!(matches!(of(body), Err(Unheard::Malformed(_))), "{body:?}");
    }
    // What has no id that can be written down is told all the same.
    let long = format!("{{\"admin_graphql_api_id\":\"gid://shopify/Product/{}\",\"id\":[]}}", "7".repeat(64));
    for body in
        [&b"{}"[..], b"{\"id\":null}", long.as_bytes(), b"{\"id\":-7,\"admin_graphql_api_id\":\"a\\nb\"}"]
    {
        assert_eq!(of(body).unwrap().items, Vec::<String>::new());
    }
}

#[test]
fn a_message_names_its_item_wherever_the_platform_puts_it() {
    let of = |topic: &str, body: Value| {
        let named = [("x-shopify-topic", topic), ("x-shopify-event-id", "e1")];
        let hint = hear(ear("s").as_ref(), &message(&named, body.to_string().as_bytes(), "s")).unwrap();
        (hint.items, hint.kinds)
    };
    let check = |topic: &str, body: Value, item: &str, kinds: &[&str]| {
        assert_eq!(of(topic, body), (vec![item.to_owned()], kinds.to_vec()), "{topic}");
    };
    // The shapes are those of the platform's own examples.
    check("products/delete", json!({"id": 788}), "gid://shopify/Product/788", &["product"]);
    let level = json!({"inventory_item_id": 27, "location_id": 24, "available": 10,
        "admin_graphql_api_id": "gid://shopify/InventoryLevel/24?inventory_item_id=27"});
    check("inventory_levels/update", level, "gid://shopify/InventoryItem/27", &["inventory_item"]);
    check("locales/destroy", json!({"locale": "fr-CA"}), "fr-CA", &["locale"]);
    let metaobject = json!({"id": "gid://shopify/Metaobject/1", "type": "a", "handle": "b"});
    check("metaobjects/delete", metaobject, "gid://shopify/Metaobject/1", &["metaobject"]);
    let discount = json!({"admin_graphql_api_id": "gid://shopify/DiscountAutomaticNode/1"});
    check("discounts/delete", discount, "gid://shopify/DiscountAutomaticNode/1", &["discount"]);
    check("segments/create", json!({"id": 1}), "gid://shopify/Segment/1", &["segment"]);
    // What the law asks for concerns no kind, and names its person.
    let customer =
        json!({"shop_id": 95, "customer": {"id": 19, "email": "a@b.example"}, "orders_to_redact": [2]});
    check("customers/redact", customer.clone(), "gid://shopify/Customer/19", &[]);
    check("customers/data_request", customer, "gid://shopify/Customer/19", &[]);
    check("shop/redact", json!({"shop_id": 95}), "gid://shopify/Shop/95", &[]);
    // Nor does what nobody has asked for.
    check("orders/dreamt", json!({"id": 7}), "7", &[]);
}

/// A practice store whose messages go to a receiver.
struct Told {
    practice: Practice,
    receiver: std::sync::Arc<Receiver>,
    store: Box<dyn Store>,
}

impl Told {
    async fn start(settings: Settings) -> Self {
        let receiver = Receiver::start().await;
        let settings = Settings { webhook_ca_pem: Some(receiver.ca_pem.clone()), ..settings };
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

    async fn standing(&self) -> Vec<Value> {
        let all =
            "{ webhookSubscriptions(first: 250) { nodes { id topic uri format filter includeFields } } }";
        let data = self.practice.send(all, json!({})).await;
        data["webhookSubscriptions"]["nodes"].as_array().unwrap().clone()
    }

    /// The one hint that came under a topic.
    async fn hint(&self, topic: &str) -> Hint {
        let ear = ear(&self.practice.running.client_secret);
        let heard = self.receiver.heard(1, |message| message.header("x-shopify-topic") == topic).await;
        hear(ear.as_ref(), &heard[0]).unwrap()
    }

    async fn change(&self, document: &str, variables: Value) -> Value {
        let data = self.practice.send(document, variables).await;
        assert!(!data.to_string().contains("serErrors\":[{"), "{data}");
        data
    }
}

fn small() -> Settings {
    Settings { products: 2, customers: 2, orders: 2, ..Settings::default() }
}

/// All topics that can be asked for.
fn topics() -> BTreeSet<&'static str> {
    TOPICS.iter().filter(|topic| !topic.name.is_empty()).map(|topic| topic.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_a_store_is_heard() {
    let told = Told::start(small()).await;
    let subscribed = told.subscribe().await;
    assert_eq!((subscribed.made, subscribed.failed.len()), (topics().len() as u64, 0), "{subscribed:?}");
    let made = told
        .change("mutation { productCreate(product: { title: \"Lamp\" }) { product { id } userErrors { message } } }", json!({}))
        .await["productCreate"]["product"]["id"]
        .clone();
    let id = made.as_str().unwrap();
    let check = |hint: Hint, kinds: &[&str], item: &str| {
        assert_eq!(
            (hint.kinds.as_slice(), hint.items.as_slice()),
            (kinds, &[item.to_owned()][..]),
            "{}",
            hint.topic
        );
    };
    let created = told.hint("products/create").await;
    let apart = told.practice.clock.now().duration_since(created.at.unwrap());
    assert!(apart.abs() < jiff::SignedDuration::from_mins(5), "{apart}");
    check(created, &["product"], id);
    let update = "mutation($p: ProductUpdateInput!) { productUpdate(product: $p) { product { id } userErrors { message } } }";
    told.change(update, json!({ "p": { "id": id, "title": "Lantern" } })).await;
    check(told.hint("products/update").await, &["product"], id);
    let delete = "mutation($i: ProductDeleteInput!) { productDelete(input: $i) { deletedProductId userErrors { message } } }";
    told.change(delete, json!({ "i": { "id": id } })).await;
    check(told.hint("products/delete").await, &["product"], id);

    // Whose stock moves is an item of its own, and no product.
    let first = told.practice.send("{ inventoryItems(first: 1) { nodes { id inventoryLevels(first: 1) { nodes { location { id } } } } } locations(first: 5) { nodes { id } } }", json!({})).await;
    let item = &first["inventoryItems"]["nodes"][0];
    let set = "mutation($i: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $i) @idempotent(key: \"k\") { userErrors { message } } }";
    let place = &item["inventoryLevels"]["nodes"][0]["location"]["id"];
    let quantities = json!([{ "inventoryItemId": item["id"], "locationId": place, "quantity": 4711, "changeFromQuantity": null }]);
    told.change(
        set,
        json!({ "i": { "name": "available", "reason": "correction", "quantities": quantities } }),
    )
    .await;
    check(told.hint("inventory_levels/update").await, &["inventory_item"], item["id"].as_str().unwrap());

    let segment = told.change("mutation { segmentCreate(name: \"All\", query: \"number_of_orders > 0\") { segment { id } userErrors { message } } }", json!({})).await;
    check(
        told.hint("segments/create").await,
        &["segment"],
        segment["segmentCreate"]["segment"]["id"].as_str().unwrap(),
    );
    told.change(
        "mutation { shopLocaleEnable(locale: \"fr\") { shopLocale { locale } userErrors { message } } }",
        json!({}),
    )
    .await;
    check(told.hint("locales/create").await, &["locale"], "fr");
    told.change(
        "mutation { shopLocaleDisable(locale: \"fr\") { locale userErrors { message } } }",
        json!({}),
    )
    .await;
    check(told.hint("locales/destroy").await, &["locale"], "fr");
    let customer = told.change("mutation { customerCreate(input: { email: \"heron@example.com\", lastName: \"Heron\" }) { customer { id } userErrors { message } } }", json!({})).await;
    let hint = told.hint("customers/create").await;
    check(hint, &["customer"], customer["customerCreate"]["customer"]["id"].as_str().unwrap());
    // Of people nothing comes but the number: only the fields that were asked for are sent.
    let heard =
        told.receiver.heard(1, |message| message.header("x-shopify-topic") == "customers/create").await;
    assert!(!String::from_utf8(heard[0].body.clone()).unwrap().contains("eron"));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_told_of_by_the_types_that_there_are() {
    let told = Told::start(small()).await;
    let types =
        told.practice.send("{ metaobjectDefinitions(first: 50) { nodes { type } } }", json!({})).await;
    let types: BTreeSet<String> = types["metaobjectDefinitions"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["type"].as_str().unwrap().to_owned())
        .collect();
    assert!(!types.is_empty());
    told.subscribe().await;
    let filters = |standing: &[Value]| -> BTreeSet<String> {
        let of = standing.iter().filter(|one| one["topic"] == "METAOBJECTS_UPDATE");
        of.flat_map(|one| {
            one["filter"].as_str().unwrap().split(" OR ").map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
    };
    let named =
        |types: &BTreeSet<String>| types.iter().map(|name| format!("type:{name}")).collect::<BTreeSet<_>>();
    assert_eq!(filters(&told.standing().await), named(&types));
    // A type that came later is asked for when the store is asked again, and only then told of.
    let definition = "mutation { metaobjectDefinitionCreate(definition: { type: \"lamp_shade\", name: \"Shade\", fieldDefinitions: [{ key: \"name\", type: \"single_line_text_field\" }] }) { metaobjectDefinition { id } userErrors { message } } }";
    told.change(definition, json!({})).await;
    let again = told.subscribe().await;
    assert_eq!((again.made, again.there), (3, topics().len() as u64 - 3), "{again:?}");
    let entry = "mutation { metaobjectCreate(metaobject: { type: \"lamp_shade\", fields: [{ key: \"name\", value: \"Red\" }] }) { metaobject { id } userErrors { message } } }";
    let made = told.change(entry, json!({})).await;
    let hint = told.hint("metaobjects/create").await;
    let id = made["metaobjectCreate"]["metaobject"]["id"].as_str().unwrap().to_owned();
    assert_eq!((hint.kinds, hint.items), (vec!["metaobject"], vec![id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_asked_once_and_again_for_what_it_dropped() {
    let told = Told::start(small()).await;
    let all = topics().len() as u64;
    let first = told.subscribe().await;
    assert_eq!(first, Subscribed { made: all, ..Subscribed::default() });
    let standing = told.standing().await;
    assert_eq!(standing.len() as u64, all);
    for one in &standing {
        let fields: Vec<&str> =
            one["includeFields"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
        assert!(
            ["id", "admin_graphql_api_id", "updated_at"].iter().all(|name| fields.contains(name)),
            "{one}"
        );
        assert_eq!((&one["uri"], &one["format"]), (&json!(told.url()), &json!("JSON")));
    }
    let again = told.subscribe().await;
    assert_eq!(again, Subscribed { there: all, ..Subscribed::default() });
    assert_eq!(told.standing().await, standing, "nothing was made the second time");
    // The platform drops what is not answered; here its owner does.
    let gone = standing.iter().find(|one| one["topic"] == "ORDERS_UPDATED").unwrap();
    let delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { message } } }";
    told.change(delete, json!({ "id": gone["id"] })).await;
    assert_eq!(told.subscribe().await, Subscribed { there: all - 1, made: 1, ..Subscribed::default() });
    assert!(told.standing().await.iter().any(|one| one["topic"] == "ORDERS_UPDATED"));
    // What tells more than it was asked for, or else than it was, is set right.
    let other = told.standing().await.into_iter().find(|one| one["topic"] == "CUSTOMERS_UPDATE").unwrap();
    let update = "mutation($id: ID!, $s: WebhookSubscriptionInput!) { webhookSubscriptionUpdate(id: $id, webhookSubscription: $s) { webhookSubscription { id } userErrors { message } } }";
    told.change(update, json!({ "id": other["id"], "s": { "includeFields": ["id", "email"] } })).await;
    assert_eq!(told.subscribe().await, Subscribed { there: all - 1, made: 1, ..Subscribed::default() });
    assert!(!told.standing().await.iter().any(|one| one.to_string().contains("email")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_without_its_scope_is_not_asked_for() {
    let told = Told::start(small()).await;
    let granted: Vec<String> = told.store.probe().await.unwrap().granted;
    let left: Vec<&str> =
        granted.iter().map(String::as_str).filter(|scope| !scope.contains("orders")).collect();
    assert!(left.len() < granted.len());
    told.practice.running.set_access(&left, true);
    let few = told.subscribe().await;
    let of_orders = |name: &str| name.contains("ORDERS_");
    let expected = topics().into_iter().filter(|name| !of_orders(name)).count() as u64;
    assert_eq!((few.made, few.failed.len()), (expected, 0), "{few:?}");
    assert!(told.standing().await.iter().all(|one| !of_orders(one["topic"].as_str().unwrap())));
    // Nor would the platform have agreed.
    let create = "mutation($u: String!) { webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: { uri: $u }) { webhookSubscription { id } userErrors { message } } }";
    let refused = told.practice.send(create, json!({ "u": told.url() })).await;
    assert_ne!(refused["webhookSubscriptionCreate"]["userErrors"], json!([]));
    // With the scope back it is asked for; withdrawn again, the platform is asked not to tell it any more.
    let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
    told.practice.running.set_access(&granted, true);
    let more = told.subscribe().await;
    assert_eq!((more.there, more.made), (expected, topics().len() as u64 - expected), "{more:?}");
    told.practice.running.set_access(&left, true);
    let fewer = told.subscribe().await;
    assert_eq!((fewer.there, fewer.removed), (expected, topics().len() as u64 - expected), "{fewer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_addresses_of_ours_are_told_and_others_stay() {
    let told = Told::start(small()).await;
    let create = "mutation($u: String!) { webhookSubscriptionCreate(topic: PRODUCTS_UPDATE, webhookSubscription: { uri: $u }) { webhookSubscription { id } userErrors { message } } }";
    let foreign = ["https://erp.example.com/told/shop", "https://localhost/else/shop"];
    for uri in foreign {
        told.change(create, json!({ "u": uri })).await;
    }
    let all = topics().len() as u64;
    assert_eq!(told.subscribe().await.made, all);
    let next = format!("{}another", told.receiver.url);
    let moved = told.store.subscribe(&next).await.unwrap();
    assert_eq!((moved.made, moved.removed), (all, 0), "{moved:?}");
    let url = told.url();
    assert_eq!(told.subscribe().await, Subscribed { there: all, ..Subscribed::default() });
    let uris = |standing: Vec<Value>| -> BTreeSet<String> {
        standing.iter().map(|one| one["uri"].as_str().unwrap().to_owned()).collect()
    };
    let expected = |ours: &[&str]| -> BTreeSet<String> {
        foreign.iter().chain(ours).map(|uri| (*uri).to_owned()).collect()
    };
    assert_eq!(uris(told.standing().await), expected(&[&url, &next]));
    // Whoever asks for silence at an address gets it there.
    let silent = Subscribed { removed: all, ..Subscribed::default() };
    assert_eq!(told.store.unsubscribe(&next).await.unwrap(), silent);
    assert_eq!(told.store.unsubscribe(&next).await.unwrap(), Subscribed::default());
    assert_eq!(uris(told.standing().await), expected(&[&url]));
    assert_eq!(told.store.unsubscribe(&url).await.unwrap(), silent);
    assert_eq!(uris(told.standing().await), expected(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_subscriptions_than_a_page_holds_are_seen() {
    let told = Told::start(small()).await;
    let create = "mutation($u: String!) { webhookSubscriptionCreate(topic: PRODUCTS_UPDATE, webhookSubscription: { uri: $u }) { webhookSubscription { id } userErrors { message } } }";
    for number in 0..110 {
        told.change(create, json!({ "u": format!("https://erp.example.com/{number}/") })).await;
    }
    let all = topics().len() as u64;
    assert_eq!(told.subscribe().await.made, all);
    assert_eq!(told.subscribe().await.there, all);
    // A platform that is away is no silence.
    told.practice.faults("503:webhookSubscriptions@1+");
    assert!(told.store.subscribe(&told.url()).await.is_err());
    told.practice.faults("");
    assert_eq!(told.subscribe().await.there, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_makes_no_second_subscription() {
    let told = Told::start(small()).await;
    told.practice.faults("lost-answer:webhookSubscriptionCreate@2");
    let lost = told.store.subscribe(&told.url()).await;
    assert!(matches!(lost, Err(Fault::Unavailable(_))), "{lost:?}");
    let again = told.subscribe().await;
    let all = topics().len() as u64;
    assert_eq!(again, Subscribed { there: 2, made: all - 2, ..Subscribed::default() });
    assert_eq!(told.standing().await.len() as u64, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_is_the_same_event() {
    let told = Told::start(small()).await;
    told.subscribe().await;
    told.receiver.refuse(1);
    let create = "mutation { segmentCreate(name: \"All\", query: \"number_of_orders > 0\") { segment { id } userErrors { message } } }";
    told.change(create, json!({})).await;
    let heard = told.receiver.heard(2, |_| true).await;
    let ear = ear(&told.practice.running.client_secret);
    let hints: Vec<Hint> = heard.iter().map(|message| hear(ear.as_ref(), message).unwrap()).collect();
    assert_eq!((hints.len(), &hints[0]), (2, &hints[1]));
    // Another event has another name.
    told.change(&create.replace("All", "More"), json!({})).await;
    let heard = told.receiver.heard(3, |_| true).await;
    assert_ne!(hear(ear.as_ref(), &heard[2]).unwrap().event, hints[0].event);
}

#[test]
fn every_kind_that_is_told_of_can_be_heard_of() {
    let told: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.told).copied().collect();
    for topic in TOPICS.iter().filter(|topic| !topic.name.is_empty()) {
        assert!(told.contains(topic.header), "{}", topic.header);
    }
}
