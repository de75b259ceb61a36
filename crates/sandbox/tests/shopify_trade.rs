//! Markets, and what is sold to whom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use sandbox::shopify::Settings;
use serde_json::{Value, json};
use support::Shop;

const CREATE_MARKET: &str = "mutation($input: MarketCreateInput!) { marketCreate(input: $input) { market { id handle type conditions { conditionTypes regionsCondition { applicationLevel regions(first: 9) { nodes { __typename name } } } } } userErrors { field message code } } }";
const UPDATE_MARKET: &str = "mutation($id: ID!, $input: MarketUpdateInput!) { marketUpdate(id: $id, input: $input) { market { status conditions { regionsCondition { regions(first: 9) { nodes { name } } } } } userErrors { field message code } } }";
const CREATE_PRESENCE: &str = "mutation($input: WebPresenceCreateInput!) { webPresenceCreate(input: $input) { webPresence { id rootUrls { locale url } } userErrors { field message code } } }";

fn code(errors: &Value) -> &str {
    errors[0]["code"].as_str().unwrap()
}

fn regions(codes: &[&str]) -> Value {
    let regions: Vec<Value> = codes.iter().map(|code| json!({ "countryCode": code })).collect();
    json!({ "regionsCondition": { "regions": regions } })
}

#[tokio::test]
async fn a_region_is_in_one_active_market() {
    let shop = Shop::start(Settings::empty()).await;
    let alps = json!({ "input": { "name": "Alps", "conditions": regions(&["AT", "CH"]) } });
    let made = shop.change(CREATE_MARKET, alps.clone()).await["market"].clone();
    assert_eq!((&made["handle"], &made["type"]), (&json!("alps"), &json!("REGION")));
    assert_eq!(made["conditions"]["conditionTypes"], json!(["REGION"]));
    let again = json!({ "input": { "name": "Again", "conditions": regions(&["CH", "IT"]) } });
    assert_eq!(code(&shop.refused(CREATE_MARKET, again).await), "DUPLICATE_REGION_MARKET");
    let draft =
        json!({ "input": { "name": "Draft", "status": "DRAFT", "conditions": regions(&["CH", "IT"]) } });
    let draft = shop.change(CREATE_MARKET, draft).await["market"].clone();
    let opened = json!({ "id": draft["id"], "input": { "status": "ACTIVE" } });
    assert_eq!(code(&shop.refused(UPDATE_MARKET, opened).await), "DUPLICATE_REGION_MARKET");
    let moved = json!({ "conditionsToDelete": regions(&["CH"]), "conditionsToAdd": regions(&["FR"]) });
    let moved = json!({ "id": draft["id"], "input": { "status": "ACTIVE", "conditions": moved } });
    let market = shop.change(UPDATE_MARKET, moved).await["market"].clone();
    let names = &market["conditions"]["regionsCondition"]["regions"]["nodes"];
    assert_eq!(*names, json!([{ "name": "IT" }, { "name": "FR" }]));
}

#[tokio::test]
async fn the_primary_market_and_its_address_stay() {
    let shop = Shop::start(Settings::empty()).await;
    let all = shop
        .data(
            "{ markets(first: 5) { nodes { id webPresences(first: 5) { nodes { id domain { host } } } } } }",
            json!({}),
        )
        .await;
    let market = &all["markets"]["nodes"][0];
    let delete =
        "mutation($id: ID!) { marketDelete(id: $id) { deletedId userErrors { field message code } } }";
    assert_eq!(
        code(&shop.refused(delete, json!({ "id": market["id"] })).await),
        "CANNOT_DELETE_PRIMARY_MARKET"
    );
    let closed = json!({ "id": market["id"], "input": { "status": "DRAFT" } });
    assert_eq!(code(&shop.refused(UPDATE_MARKET, closed).await), "CANNOT_DISABLE_PRIMARY_MARKET");
    let presence = &market["webPresences"]["nodes"][0];
    assert!(presence["domain"]["host"].as_str().unwrap().ends_with(".myshopify.com"));
    let delete =
        "mutation($id: ID!) { webPresenceDelete(id: $id) { deletedId userErrors { field message code } } }";
    let refused = shop.refused(delete, json!({ "id": presence["id"] })).await;
    assert_eq!(code(&refused), "SHOP_MUST_HAVE_PRIMARY_DOMAIN_WEB_PRESENCE");
}

#[tokio::test]
async fn a_web_presence_speaks_published_languages() {
    let shop = Shop::start(Settings::empty()).await;
    let input = |locale: &str, suffix: Option<&str>| json!({ "input": { "defaultLocale": locale, "subfolderSuffix": suffix } });
    assert_eq!(code(&shop.refused(CREATE_PRESENCE, input("fr", Some("alps"))).await), "DISABLED_LANGUAGE");
    shop.change("mutation { shopLocaleEnable(locale: \"fr\") { shopLocale { locale } userErrors { field message } } }", json!({})).await;
    assert_eq!(code(&shop.refused(CREATE_PRESENCE, input("fr", Some("alps"))).await), "UNPUBLISHED_LANGUAGE");
    shop.change("mutation { shopLocaleUpdate(locale: \"fr\", shopLocale: { published: true }) { shopLocale { locale } userErrors { field message } } }", json!({})).await;
    assert_eq!(code(&shop.refused(CREATE_PRESENCE, input("fr", None)).await), "REQUIRES_DOMAIN_OR_SUBFOLDER");
    let made = shop.change(CREATE_PRESENCE, input("fr", Some("alps"))).await["webPresence"].clone();
    assert!(made["rootUrls"][0]["url"].as_str().unwrap().ends_with("/fr-alps/"), "{made}");
    assert_eq!(code(&shop.refused(CREATE_PRESENCE, input("en", Some("alps"))).await), "TAKEN");
    let disable = "mutation { shopLocaleDisable(locale: \"fr\") { locale userErrors { field message } } }";
    shop.refused(disable, json!({})).await;
}
