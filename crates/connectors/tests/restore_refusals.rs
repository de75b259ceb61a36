//! What the platform does not let be done is told of the item, and the others go on; what only looks refused is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{Fault, IdMap, Lookup};
use practice::round::{empty, gid};
use practice::{Memory, Practice, kind, new_id};
use sandbox::shopify::{ProtectedData, Settings};
use serde_json::{Value, json};

fn fault(spec: &str) -> Vec<sandbox::shopify::Fault> {
    sandbox::shopify::Fault::parse_list(spec).unwrap()
}

fn page() -> Value {
    json!({"id": gid("Page", 1), "handle": "about", "title": "About", "body": "", "isPublished": true,
        "publishedAt": null, "metafields": []})
}

#[tokio::test]
async fn what_the_app_may_not_make_is_a_problem_of_the_item() {
    let with_scopes = |scopes: &[&str]| Settings {
        scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        ..Settings::empty()
    };
    let shop = Practice::open(with_scopes(&["read_content", "read_online_store_pages"])).await;
    let applied = shop.restore("page", &page(), None).await;
    assert_eq!(applied.problems.len(), 1, "{:?}", applied.problems);
    assert_eq!(shop.look("page", Lookup::Natural(&page())).await, None);
    // A control: with the permission it is made.
    let shop = Practice::open(with_scopes(&["read_content", "write_content"])).await;
    assert_eq!(shop.restore("page", &page(), None).await.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_is_no_refusal() {
    let shop = Practice::open(Settings { products: 3, customers: 0, orders: 0, ..Settings::default() }).await;
    let id = shop.ids("products").await.remove(0);
    shop.running.set_faults(fault("lost-answer:productDelete"));
    shop.store.delete(kind("product"), &id).await.unwrap();
    assert_eq!(shop.payload("product", &id).await, None);
    // A control: what is refused, and is there still, is told.
    let definitions = shop.ids("metaobjectDefinitions").await;
    assert!(!definitions.is_empty());
    let stocked = shop.ids("locations").await.remove(0);
    let refused = shop.store.delete(kind("location"), &stocked).await;
    assert!(matches!(refused, Err(Fault::Rejected(_))), "{refused:?}");
    assert!(shop.payload("location", &stocked).await.is_some());
}

#[tokio::test]
async fn a_location_that_was_opened_again_is_closed_again() {
    let shop = empty().await;
    let location = json!({"id": gid("Location", 900), "name": "Attic", "isActive": true, "isFulfillmentService": false,
        "fulfillsOnlineOrders": true, "address": {"address1": "Way 1", "city": "Berlin", "countryCode": "DE", "zip": "01234"},
        "metafields": []});
    let applied = shop.restore("location", &location, None).await;
    assert_eq!(applied.problems, Vec::<String>::new());
    let id = new_id(&applied, &gid("Location", 900));
    // Closed, not deleted, and opened again by its owner.
    shop.running.set_faults(fault("503:locationDelete@1+"));
    assert!(shop.store.delete(kind("location"), &id).await.is_err());
    shop.running.set_faults(Vec::new());
    assert_eq!(shop.payload("location", &id).await.unwrap()["isActive"], false);
    let open = "mutation($id: ID!) { locationActivate(locationId: $id) @idempotent(key: \"by hand\") {
        locationActivateUserErrors { message } } }";
    shop.owner(open, json!({"id": id})).await;
    assert_eq!(shop.payload("location", &id).await.unwrap()["isActive"], true);
    shop.store.delete(kind("location"), &id).await.unwrap();
    assert_eq!(shop.payload("location", &id).await, None);
}

fn draft_order() -> Value {
    let line = json!({"id": gid("DraftOrderLineItem", 1), "quantity": 2, "variant": null, "title": "Engraving", "sku": null,
        "taxable": true, "requiresShipping": false, "originalUnitPriceWithCurrency": {"amount": "3.00", "currencyCode": "EUR"},
        "weight": null, "appliedDiscount": null, "customAttributes": []});
    json!({"id": gid("DraftOrder", 1), "name": "#D1", "status": "OPEN", "note2": "n", "email": "ann@example.com", "phone": null,
        "tags": ["a"], "taxExempt": false, "customAttributes": [], "appliedDiscount": null, "billingAddress": null,
        "shippingAddress": null, "shippingLine": null, "purchasingEntity": null, "lineItems": [line], "metafields": []})
}

fn drafts(shop: &Practice) -> usize {
    shop.running.dump()["DraftOrder"].as_object().map_or(0, serde_json::Map::len)
}

#[tokio::test]
async fn what_was_made_and_may_not_be_seen_was_not_refused() {
    for coded in [true, false] {
        let shop = empty().await;
        let scopes = shop.store.probe().await.unwrap().granted;
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let (ids, journal) = (IdMap::default(), Memory::default());
        shop.running.set_access(&scopes, ProtectedData::ObjectsHidden { coded });
        let withheld = shop.try_restore("draft_order", &draft_order(), None, &ids, &journal).await;
        // It cannot be looked for either: whether it was made stays open.
        assert!(matches!(&withheld, Err(Fault::Forbidden(_))), "{withheld:?}");
        assert_eq!(drafts(&shop), 1);
        assert_eq!(journal.steps(), [("create".to_owned(), false)]);
        // Once it can be seen it is found, and not made twice.
        shop.running.set_access(&scopes, ProtectedData::Approved);
        let applied = shop.try_restore("draft_order", &draft_order(), None, &ids, &journal).await.unwrap();
        assert_eq!(
            (applied.problems.len(), applied.possibly_twice, drafts(&shop)),
            (0, false, 1),
            "{applied:?}"
        );
        assert_ne!(new_id(&applied, &gid("DraftOrder", 1)), gid("DraftOrder", 1));

        // A control: without the permission nothing is made, and nothing is in doubt.
        let shop = empty().await;
        let fewer: Vec<&str> =
            scopes.iter().copied().filter(|scope| *scope != "write_draft_orders").collect();
        let journal = Memory::default();
        shop.running.set_access(&fewer, ProtectedData::Approved);
        let refused = shop.try_restore("draft_order", &draft_order(), None, &ids, &journal).await.unwrap();
        assert_eq!(
            (refused.problems.len(), drafts(&shop), journal.steps()),
            (1, 0, Vec::new()),
            "{refused:?}"
        );
    }
}
