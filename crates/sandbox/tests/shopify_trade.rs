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

const CREATE_LIST: &str = "mutation($input: PriceListCreateInput!) { priceListCreate(input: $input) { priceList { id } userErrors { field message code } } }";
const ADD_PRICES: &str = "mutation($id: ID!, $prices: [PriceListPriceInput!]!) { priceListFixedPricesAdd(priceListId: $id, prices: $prices) { userErrors { field message code } } }";
const ADD_RULES: &str = "mutation($id: ID!, $rules: [QuantityRuleInput!]!) { quantityRulesAdd(priceListId: $id, quantityRules: $rules) { userErrors { field message code } } }";
const ADD_BREAKS: &str = "mutation($id: ID!, $input: QuantityPricingByVariantUpdateInput!) { quantityPricingByVariantUpdate(priceListId: $id, input: $input) { userErrors { field message code } } }";

async fn list(shop: &Shop) -> Value {
    let adjustment = json!({ "type": "PERCENTAGE_DECREASE", "value": 10.0 });
    let input = json!({ "name": "Regulars", "currency": "EUR", "parent": { "adjustment": adjustment } });
    shop.change(CREATE_LIST, json!({ "input": input })).await["priceList"]["id"].clone()
}

#[tokio::test]
async fn a_fixed_price_is_in_the_lists_currency_and_the_others_follow() {
    let shop = Shop::start(Settings { products: 2, ..Settings::empty() }).await;
    let list = list(&shop).await;
    let variants = shop.data("{ productVariants(first: 50) { nodes { id price } } }", json!({})).await["productVariants"]["nodes"].clone();
    let price = |code: &str, id: &Value| json!({ "id": list, "prices": [{ "variantId": id, "price": { "amount": "5.00", "currencyCode": code } }] });
    let first = &variants[0]["id"];
    assert_eq!(code(&shop.refused(ADD_PRICES, price("CHF", first)).await), "PRICE_LIST_CURRENCY_MISMATCH");
    let nobody = json!("gid://shopify/ProductVariant/1");
    assert_eq!(code(&shop.refused(ADD_PRICES, price("EUR", &nobody)).await), "VARIANT_NOT_FOUND");
    shop.change(ADD_PRICES, price("EUR", first)).await;
    let query = "query($id: ID!, $origin: PriceListPriceOriginType) { priceList(id: $id) { fixedPricesCount prices(first: 99, originType: $origin) { nodes { originType price { amount } variant { id } } } } }";
    let fixed = shop.data(query, json!({ "id": list, "origin": "FIXED" })).await["priceList"].clone();
    assert_eq!(
        (&fixed["fixedPricesCount"], fixed["prices"]["nodes"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    let all =
        shop.data(query, json!({ "id": list, "origin": null })).await["priceList"]["prices"]["nodes"].clone();
    assert_eq!(all.as_array().unwrap().len(), variants.as_array().unwrap().len());
    let before: f64 = variants[1]["price"].as_str().unwrap().parse().unwrap();
    let after = all.as_array().unwrap().iter().find(|one| one["variant"]["id"] == variants[1]["id"]).unwrap();
    let after: f64 = after["price"]["amount"].as_str().unwrap().parse().unwrap();
    assert!((after - before * 0.9).abs() < 0.011, "{before} {after}");
}

#[tokio::test]
async fn rules_and_prices_for_larger_quantities_do_not_contradict_themselves() {
    let shop = Shop::start(Settings { products: 1, ..Settings::empty() }).await;
    let list = list(&shop).await;
    let variant = shop.data("{ productVariants(first: 1) { nodes { id } } }", json!({})).await["productVariants"]["nodes"][0]["id"].clone();
    let rule = |minimum: u32, maximum: Option<u32>, increment: u32| json!({ "id": list, "rules": [{ "variantId": variant, "minimum": minimum, "maximum": maximum, "increment": increment }] });
    for (wrong, expected) in [
        (rule(3, None, 2), "MINIMUM_NOT_MULTIPLE_OF_INCREMENT"),
        (rule(4, Some(2), 2), "MINIMUM_IS_GREATER_THAN_MAXIMUM"),
        (rule(2, Some(7), 2), "MAXIMUM_NOT_MULTIPLE_OF_INCREMENT"),
        (rule(2, None, 4), "INCREMENT_IS_GREATER_THAN_MINIMUM"),
        (rule(0, None, 1), "GREATER_THAN_OR_EQUAL_TO"),
    ] {
        assert_eq!(code(&shop.refused(ADD_RULES, wrong).await), expected);
    }
    shop.change(ADD_RULES, rule(2, Some(20), 2)).await;
    let larger = |least: u32| {
        let add = json!([{ "variantId": variant, "minimumQuantity": least, "price": { "amount": "4.00", "currencyCode": "EUR" } }]);
        json!({ "id": list, "input": { "pricesToAdd": [], "pricesToDeleteByVariantId": [], "quantityPriceBreaksToAdd": add,
            "quantityPriceBreaksToDelete": [], "quantityRulesToAdd": [], "quantityRulesToDeleteByVariantId": [] } })
    };
    let refused = shop.refused(ADD_BREAKS, larger(10)).await;
    assert_eq!(code(&refused), "QUANTITY_PRICE_BREAK_ADD_PRICE_LIST_PRICE_NOT_FOUND");
    let price = json!({ "id": list, "prices": [{ "variantId": variant, "price": { "amount": "5.00", "currencyCode": "EUR" } }] });
    shop.change(ADD_PRICES, price).await;
    let refused = shop.refused(ADD_BREAKS, larger(9)).await;
    assert_eq!(code(&refused), "QUANTITY_PRICE_BREAK_ADD_MIN_NOT_A_MULTIPLE_OF_QUANTITY_RULES_INCREMENT");
    shop.change(ADD_BREAKS, larger(10)).await;
}

#[tokio::test]
async fn an_update_of_a_catalog_replaces_for_whom_it_is() {
    const CREATE: &str = "mutation($input: CatalogCreateInput!) { catalogCreate(input: $input) { catalog { id } userErrors { field message code } } }";
    const UPDATE: &str = "mutation($id: ID!, $input: CatalogUpdateInput!) { catalogUpdate(id: $id, input: $input) { catalog { ... on MarketCatalog { markets(first: 5) { nodes { handle } } } } userErrors { field message code } } }";
    let shop = Shop::start(Settings::empty()).await;
    let mut markets = Vec::new();
    for name in ["Alps", "Lakes"] {
        let made = shop.change(CREATE_MARKET, json!({ "input": { "name": name, "status": "DRAFT" } })).await;
        markets.push(made["market"]["id"].clone());
    }
    let input =
        |context: Value| json!({ "input": { "title": "Alps", "status": "ACTIVE", "context": context } });
    assert_eq!(code(&shop.refused(CREATE, input(json!({}))).await), "MUST_PROVIDE_EXACTLY_ONE_CONTEXT_TYPE");
    let made = shop.change(CREATE, input(json!({ "marketIds": markets }))).await["catalog"]["id"].clone();
    let replaced = json!({ "id": made, "input": { "context": { "marketIds": [markets[1]] } } });
    let catalog = shop.change(UPDATE, replaced).await["catalog"].clone();
    assert_eq!(catalog["markets"]["nodes"], json!([{ "handle": "lakes" }]));
}

#[tokio::test]
async fn a_translation_takes_the_digest_of_the_text_as_it_is() {
    const REGISTER: &str = "mutation($id: ID!, $t: [TranslationInput!]!) { translationsRegister(resourceId: $id, translations: $t) { userErrors { field message code } } }";
    const READ: &str = "query($id: ID!) { translatableResource(resourceId: $id) { translatableContent { key digest } translations(locale: \"de\") { key value outdated } } }";
    let shop = Shop::start(Settings { products: 1, ..Settings::empty() }).await;
    let id =
        shop.data("{ products(first: 1) { nodes { id } } }", json!({})).await["products"]["nodes"][0]["id"]
            .clone();
    let content =
        shop.data(READ, json!({ "id": id })).await["translatableResource"]["translatableContent"].clone();
    let digest =
        content.as_array().unwrap().iter().find(|one| one["key"] == "title").unwrap()["digest"].clone();
    let title = |key: &str, digest: &Value| json!({ "id": id, "t": [{ "key": key, "locale": "de", "value": "Lampe", "translatableContentDigest": digest }] });
    assert_eq!(code(&shop.refused(REGISTER, title("title", &digest)).await), "INVALID_LOCALE_FOR_SHOP");
    shop.change("mutation { shopLocaleEnable(locale: \"de\") { shopLocale { locale } userErrors { field message } } }", json!({})).await;
    assert_eq!(
        code(&shop.refused(REGISTER, title("title", &json!("old"))).await),
        "INVALID_TRANSLATABLE_CONTENT"
    );
    assert_eq!(code(&shop.refused(REGISTER, title("colour", &digest)).await), "INVALID_KEY_FOR_MODEL");
    shop.change(REGISTER, title("title", &digest)).await;
    let outdated = || async {
        shop.data(READ, json!({ "id": id })).await["translatableResource"]["translations"][0]["outdated"]
            .clone()
    };
    assert_eq!(outdated().await, false);
    shop.change("mutation($p: ProductUpdateInput!) { productUpdate(product: $p) { product { id } userErrors { field message } } }", json!({ "p": { "id": id, "title": "Other" } })).await;
    assert_eq!(outdated().await, true);
}
