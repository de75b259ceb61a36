//! Where products and collections are shown, and from when on: neither more nor less than the backup says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{IdMap, PlanAction};
use practice::{Memory, Practice, kind, ledger, new_id};
use sandbox::shopify::Settings;
use serde_json::{Value, json};

const PUBLISH: &str = "mutation($id: ID!, $input: [PublicationInput!]!) {
    publishablePublish(id: $id, input: $input) { userErrors { message } } }";
const UNPUBLISH: &str = "mutation($id: ID!, $input: [PublicationInput!]!) {
    publishableUnpublish(id: $id, input: $input) { userErrors { message } } }";

/// A shop, and its channels.
async fn shop() -> (Practice, Vec<String>) {
    let shop = Practice::open(Settings { products: 3, customers: 0, orders: 0, ..Settings::default() }).await;
    let channels = shop.ids("publications").await;
    assert!(channels.len() > 1, "{channels:?}");
    (shop, channels)
}

/// Publishes an item in these channels, from these dates on, and nowhere else.
async fn publish(shop: &Practice, channels: &[String], id: &str, at: &[(&String, Option<&str>)]) {
    let all: Vec<Value> = channels.iter().map(|channel| json!({"publicationId": channel})).collect();
    shop.owner(UNPUBLISH, json!({"id": id, "input": all})).await;
    let input: Vec<Value> =
        at.iter().map(|(channel, date)| json!({"publicationId": channel, "publishDate": date})).collect();
    if !input.is_empty() {
        shop.owner(PUBLISH, json!({"id": id, "input": input})).await;
    }
}

/// Channels, whether the item is shown there yet, and from when on if it is not.
fn shown(item: &Value) -> Vec<(String, bool, Value)> {
    let mut all: Vec<_> = item["resourcePublicationsV2"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let published = one["isPublished"].as_bool().unwrap();
            let date = if published { Value::Null } else { one["publishDate"].clone() };
            (one["publication"]["id"].as_str().unwrap().to_owned(), published, date)
        })
        .collect();
    all.sort_by_key(|(channel, ..)| channel.clone());
    all
}

#[tokio::test]
async fn what_is_scheduled_comes_back_scheduled() {
    let friday = "2027-06-04T08:00:00Z";
    for (name, root) in [("product", "products"), ("collection", "collections")] {
        for both in [false, true] {
            let (shop, channels) = shop().await;
            let id = shop.ids(root).await.remove(0);
            let mut at = vec![(&channels[0], Some(friday))];
            at.extend(both.then_some((&channels[1], None)));
            publish(&shop, &channels, &id, &at).await;
            let before = shop.payload(name, &id).await.unwrap();
            assert_eq!(shown(&before).len(), at.len(), "{name}: what is scheduled is read");
            assert!(shown(&before).iter().any(|(_, published, date)| !published && *date == friday));
            shop.store.delete(kind(name), &id).await.unwrap();
            let applied = shop.restore(name, &before, None).await;
            assert_eq!(applied.problems, Vec::<String>::new());
            let after = shop.payload(name, &new_id(&applied, &id)).await.unwrap();
            assert_eq!(shown(&after), shown(&before), "{name}");
            let ids = ledger(&[&applied]);
            let plan = shop.store.plan(kind(name), &before, Some(&after), &ids, &Default::default());
            assert_eq!(plan.action, PlanAction::Skip, "{name}: {:?}", plan.fields);
        }
    }
}

/// A product that the backup has in one channel and the shop in two, and after a restore with this journal.
async fn channels_after(journal: Memory, found_by_plan: bool) -> usize {
    let (shop, channels) = shop().await;
    let id = shop.ids("products").await.remove(0);
    publish(&shop, &channels, &id, &[(&channels[0], None)]).await;
    let wanted = shop.payload("product", &id).await.unwrap();
    publish(&shop, &channels, &id, &[(&channels[0], None), (&channels[1], None)]).await;
    let live = if found_by_plan { shop.payload("product", &id).await } else { None };
    let applied =
        shop.try_restore("product", &wanted, live.as_ref(), &IdMap::default(), &journal).await.unwrap();
    assert_eq!(applied.problems, Vec::<String>::new());
    assert!(journal.steps().iter().all(|(_, done)| *done), "{:?}", journal.steps());
    shown(&shop.payload("product", &id).await.unwrap()).len()
}

#[tokio::test]
async fn what_the_shop_published_by_itself_is_withdrawn_after_a_crash_too() {
    for found_by_plan in [true, false] {
        // It was made, and nothing was noted any more; or it was noted that it must be withdrawn.
        assert_eq!(channels_after(Memory::begun("create"), found_by_plan).await, 1, "{found_by_plan}");
    }
    assert_eq!(channels_after(Memory::begun("withdraw"), true).await, 1);
    // A control: where nothing stands open somebody published it since, and that stays.
    assert_eq!(channels_after(Memory::ended("create"), true).await, 2);
    assert_eq!(channels_after(Memory::default(), true).await, 2);
}
