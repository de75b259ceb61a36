//! Restoring customers: whom a mail or a phone belongs to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{IdMap, Lookup};
use practice::Practice;
use practice::round::{empty, gid, restore};
use serde_json::{Value, json};

fn customer(number: u32, name: &str, mail: Option<&str>, phone: Option<&str>) -> Value {
    json!({"id": gid("Customer", number), "firstName": name, "lastName": "Bee", "note": null, "tags": [],
        "addressesV2": [], "metafields": [],
        "defaultEmailAddress": mail.map(|mail| json!({"emailAddress": mail, "marketingState": "NOT_SUBSCRIBED"})),
        "defaultPhoneNumber": phone.map(|phone| json!({"phoneNumber": phone, "marketingState": "NOT_SUBSCRIBED"}))})
}

async fn found(shop: &Practice, wanted: &Value) -> Option<Value> {
    shop.look("customer", Lookup::Natural(wanted)).await
}

#[tokio::test]
async fn who_has_somebody_elses_phone_now_is_not_overwritten() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let phone = Some("+4930123456");
    let other =
        restore(&shop, "customer", &customer(2, "Bob", Some("bob@example.com"), phone), None, &mut ids).await;
    let wanted = customer(1, "Ann", Some("ann@example.com"), phone);
    assert_eq!(found(&shop, &wanted).await, None, "a mail tells who it is, and nobody has that one");
    let applied = shop.restore("customer", &wanted, None).await;
    assert!(!applied.problems.is_empty(), "the phone is taken: {applied:?}");
    let id = other["id"].as_str().unwrap();
    assert_eq!(shop.payload("customer", id).await.as_ref(), Some(&other));
    // A control: who has no mail is known by the phone.
    let by_phone = customer(3, "Cid", None, phone);
    assert_eq!(found(&shop, &by_phone).await.unwrap()["id"], id);
    let by_mail = customer(4, "Bob", Some("bob@example.com"), None);
    assert_eq!(found(&shop, &by_mail).await.unwrap()["id"], id);
}
