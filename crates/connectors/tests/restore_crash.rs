//! A restore that is cut off at every request in turn, goes on, and ends as if nothing had happened: no double, nothing
//! missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use std::time::Duration;

use connectors::contract::{IdMap, PlanAction, RestoreOptions};
use practice::{Memory, Practice, kind, ledger, new_id};
use sandbox::shopify::{Fault, Settings};
use serde_json::{Value, json};

/// More requests than any of these restores sends.
const REQUESTS_MAX: u64 = 60;

/// How long the practice store's searches do not see what was written.
const LAG: Duration = Duration::from_secs(5);

/// Cuts a restore off at its n-th request, after the platform had done what it asked (`lost-answer`) or before
/// (`cut`), for good or only that once, lets it go on, and counts.
async fn cut_everywhere(name: &str, root: &str, wanted: &Value) {
    for (how, then) in [("lost-answer", ",503@+"), ("cut", ",503@+"), ("lost-answer", "")] {
        let mut undisturbed = false;
        for n in 1..REQUESTS_MAX {
            let shop = Practice::open(Settings { search_lag: LAG, ..Settings::empty() }).await;
            let count = shop.ids(root).await.len();
            let before = shop.running.stats().requests;
            let (journal, ids) = (Memory::default(), IdMap::default());
            let faults = format!("{how}@{n}{}", then.replace('+', &format!("{}+", n + 1)));
            shop.running.set_faults(Fault::parse_list(&faults).unwrap());
            let first = shop.try_restore(name, wanted, None, &ids, &journal).await;
            shop.running.set_faults(Vec::new());
            undisturbed = shop.running.stats().requests - before < n;
            let applied = match first {
                Ok(applied) => applied,
                Err(_) => shop.try_restore(name, wanted, None, &ids, &journal).await.unwrap(),
            };
            assert_eq!(applied.problems, Vec::<String>::new(), "{how}@{n}");
            assert!(!applied.possibly_twice, "{how}@{n}");
            assert_eq!(shop.ids(root).await.len(), count + 1, "{how}@{n}: one more, not two");
            let id = new_id(&applied, wanted["id"].as_str().unwrap());
            let live = shop.payload(name, &id).await.unwrap();
            let plan = shop.store.plan(
                kind(name),
                wanted,
                Some(&live),
                &ledger(&[&applied]),
                &RestoreOptions::default(),
            );
            assert_eq!(plan.action, PlanAction::Skip, "{how}@{n}: {:#?}", plan.fields);
            assert!(
                journal.steps().iter().all(|(step, done)| *done || step != "create"),
                "{how}@{n}: {:?}",
                journal.steps()
            );
            if undisturbed {
                break;
            }
        }
        assert!(undisturbed, "{name}: {REQUESTS_MAX} requests were not enough");
    }
}

fn gid(kind: &str, number: u32) -> String {
    format!("gid://shopify/{kind}/{number}")
}

fn metafield(number: u32) -> Value {
    json!({"id": gid("Metafield", number), "namespace": "custom", "key": format!("k{number}"),
        "type": "single_line_text_field", "value": "x"})
}

#[tokio::test]
async fn products() {
    let variant = |number: u32, size: &str| {
        json!({"id": gid("ProductVariant", number), "price": "10.00", "sku": size, "position": number,
            "inventoryPolicy": "DENY", "taxable": true, "inventoryItem": {"id": gid("InventoryItem", number)},
            "selectedOptions": [{"name": "Size", "value": size}], "media": [], "metafields": [metafield(number)]})
    };
    let values = json!([{"id": gid("ProductOptionValue", 1), "name": "S"}, {"id": gid("ProductOptionValue", 2), "name": "M"}]);
    let product = json!({"id": gid("Product", 1), "handle": "crash-proof", "title": "Crash-proof", "status": "ACTIVE", "tags": ["a"],
        "options": [{"id": gid("ProductOption", 1), "name": "Size", "position": 1, "optionValues": values}],
        "variants": [variant(1, "S"), variant(2, "M")], "media": [], "metafields": [metafield(9)], "tracksInventory": true});
    cut_everywhere("product", "products", &product).await;
}

#[tokio::test]
async fn customers() {
    let address = |number: u32| {
        json!({"id": gid("MailingAddress", number), "address1": format!("Way {number}"), "city": "Berlin", "countryCodeV2": "DE",
            "firstName": "Ann", "lastName": "Bee", "zip": "01234"})
    };
    let customer = json!({"id": gid("Customer", 1), "firstName": "Ann", "lastName": "Bee", "note": null, "tags": [],
        "addressesV2": [address(1), address(2)], "defaultAddress": {"id": gid("MailingAddress", 2)},
        "defaultEmailAddress": {"emailAddress": "ann@example.com", "marketingState": "NOT_SUBSCRIBED"},
        "defaultPhoneNumber": null, "metafields": [metafield(1)]});
    cut_everywhere("customer", "customers", &customer).await;
}

#[tokio::test]
async fn draft_orders() {
    let line = json!({"id": gid("DraftOrderLineItem", 1), "quantity": 1, "variant": null, "title": "Engraving", "taxable": true,
        "requiresShipping": false, "originalUnitPriceWithCurrency": {"amount": "3.00", "currencyCode": "EUR"}});
    let draft = json!({"id": gid("DraftOrder", 1), "name": "#D1", "status": "OPEN", "tags": ["a"], "lineItems": [line], "metafields": []});
    cut_everywhere("draft_order", "draftOrders", &draft).await;
}

#[tokio::test]
async fn segments_and_script_tags() {
    let segment = json!({"id": gid("Segment", 1), "name": "Crash-proof", "query": "number_of_orders > 1"});
    cut_everywhere("segment", "segments", &segment).await;
    let script = json!({"id": gid("ScriptTag", 1), "src": "https://scripts.example.com/a.js", "displayScope": "ALL", "cache": false});
    cut_everywhere("script_tag", "scriptTags", &script).await;
}

#[tokio::test]
async fn markets_and_web_presences() {
    let presence = json!({"id": gid("MarketWebPresence", 1), "alternateLocales": [], "defaultLocale": {"locale": "en"}, "domain": null,
        "subfolderSuffix": "alps"});
    cut_everywhere("web_presence", "webPresences", &presence).await;
    let market = json!({"id": gid("Market", 1), "name": "Alps", "handle": "alps", "status": "ACTIVE", "type": "REGION",
        "conditions": {"regionsCondition": {"applicationLevel": "SPECIFIED", "regions": [{"code": "AT"}, {"code": "CH"}]}},
        "currencySettings": null, "priceInclusions": null, "webPresences": [], "metafields": [metafield(1)]});
    cut_everywhere("market", "markets", &market).await;
}

#[tokio::test]
async fn price_lists() {
    let list = json!({"id": gid("PriceList", 1), "name": "Crash-proof", "currency": "EUR", "prices": [], "quantityRules": [],
        "parent": {"adjustment": {"type": "PERCENTAGE_DECREASE", "value": 5.0}, "settings": {"compareAtMode": "ADJUSTED"}}});
    cut_everywhere("price_list", "priceLists", &list).await;
}

#[tokio::test]
async fn pages_and_menus() {
    let page = json!({"id": gid("Page", 1), "handle": "crash-proof", "title": "Crash-proof", "body": "", "isPublished": true,
        "publishedAt": null, "metafields": [metafield(1)]});
    cut_everywhere("page", "pages", &page).await;
    let menu = json!({"id": gid("Menu", 1), "handle": "crash-proof", "title": "Crash-proof", "isDefault": false, "items": []});
    cut_everywhere("menu", "menus", &menu).await;
}
