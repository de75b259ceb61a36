//! Restoring the kinds that have a mutation of their own, one round each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod practice;

use connectors::contract::{IdMap, Lookup, PlanAction, RestoreOptions};
use practice::round::{check, empty, gid, metafield, restore, with};
use practice::{Memory, Practice, kind};
use sandbox::shopify::{Fault, Settings};
use serde_json::{Value, json};

#[tokio::test]
async fn pages_blogs_and_articles() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let page = json!({"id": gid("Page", 1), "handle": "about", "title": "About", "body": "<p>Us</p>", "isPublished": true,
        "publishedAt": "2026-01-01T00:00:00Z", "templateSuffix": null, "metafields": metafield("a")});
    check(&shop, "page", &page, &json!({"/title": "Spoilt", "/metafields/0/value": "b"}), &mut ids).await;
    let blog = json!({"id": gid("Blog", 1), "handle": "news", "title": "News", "commentPolicy": "MODERATED",
        "templateSuffix": null, "metafields": metafield("a")});
    check(&shop, "blog", &blog, &json!({"/title": "Spoilt", "/commentPolicy": "CLOSED"}), &mut ids).await;
    let article = json!({"id": gid("Article", 1), "handle": "hello", "title": "Hello", "body": "<p>Hi</p>", "summary": null,
        "tags": ["b", "a"], "author": {"name": "Ann"}, "blog": {"id": gid("Blog", 1)}, "isPublished": true,
        "publishedAt": "2026-01-01T00:00:00Z", "templateSuffix": null, "image": null, "metafields": []});
    check(&shop, "article", &article, &json!({"/body": "Spoilt", "/tags": ["c"]}), &mut ids).await;
}

#[tokio::test]
async fn menus_and_redirects() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let page = json!({"id": gid("Page", 1), "handle": "about", "title": "About", "body": "", "isPublished": true, "publishedAt": null});
    restore(&shop, "page", &page, None, &mut ids).await;
    let menu = json!({"id": gid("Menu", 1), "handle": "side", "title": "Side", "isDefault": false, "items": [
        {"id": gid("MenuItem", 1), "title": "About", "type": "PAGE", "url": "/pages/about", "resourceId": gid("Page", 1), "tags": [],
         "items": [{"id": gid("MenuItem", 2), "title": "Docs", "type": "HTTP", "url": "https://docs.example/", "resourceId": null, "tags": [],
            "items": [{"id": gid("MenuItem", 3), "title": "Deep", "type": "HTTP", "url": "https://deep.example/", "resourceId": null, "tags": [], "items": []}]}]}]});
    let changes = json!({"/title": "Spoilt", "/items/0/title": "Spoilt"});
    check(&shop, "menu", &menu, &changes, &mut ids).await;
    let redirect = json!({"id": gid("UrlRedirect", 1), "path": "/old", "target": "/new"});
    check(&shop, "redirect", &redirect, &json!({"/target": "/spoilt"}), &mut ids).await;
}

#[tokio::test]
async fn definitions_and_metaobjects() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let definition = json!({"id": gid("MetaobjectDefinition", 1), "type": "author", "name": "Author", "description": null,
        "displayNameKey": "name", "access": {"admin": "PUBLIC_READ_WRITE", "storefront": "PUBLIC_READ", "customerAccount": "NONE"},
        "capabilities": {"publishable": {"enabled": true}, "translatable": {"enabled": false},
            "renderable": {"enabled": false, "data": null}, "onlineStore": {"enabled": false, "data": null}}, "standardTemplate": null,
        "fieldDefinitions": [
            {"key": "friend", "name": "Friend", "description": null, "required": false, "type": {"name": "metaobject_reference"},
             "validations": [{"name": "metaobject_definition_id", "value": gid("MetaobjectDefinition", 1)}]},
            {"key": "name", "name": "Name", "description": null, "required": true, "type": {"name": "single_line_text_field"}, "validations": []}]});
    check(
        &shop,
        "metaobject_definition",
        &definition,
        &json!({"/name": "Spoilt", "/fieldDefinitions/1/name": "Spoilt"}),
        &mut ids,
    )
    .await;
    let author = |number: u32, friend: Value| {
        json!({"id": gid("Metaobject", number), "type": "author", "handle": format!("author-{number}"),
            "capabilities": {"publishable": {"status": "ACTIVE"}, "onlineStore": null}, "fields": [
                {"key": "friend", "type": "metaobject_reference", "value": friend},
                {"key": "name", "type": "single_line_text_field", "value": format!("Ann {number}")}]})
    };
    restore(&shop, "metaobject", &author(1, Value::Null), None, &mut ids).await;
    let second = author(2, json!(gid("Metaobject", 1)));
    check(&shop, "metaobject", &second, &json!({"/fields/1/value": "Spoilt"}), &mut ids).await;
    let metafield = json!({"id": gid("MetafieldDefinition", 1), "ownerType": "PRODUCT", "namespace": "custom", "key": "author",
        "name": "Author", "description": "d", "type": {"name": "metaobject_reference"},
        "validations": [{"name": "metaobject_definition_id", "value": gid("MetaobjectDefinition", 1)}], "pinnedPosition": null,
        "access": {"admin": "PUBLIC_READ_WRITE", "storefront": "PUBLIC_READ", "customerAccount": "NONE"}, "constraints": null,
        "standardTemplate": null});
    restore(&shop, "metafield_definition", &metafield, None, &mut ids).await;
    let text = with(
        &metafield,
        &json!({"/id": gid("MetafieldDefinition", 2), "/key": "note", "/validations": [],
        "/type/name": "single_line_text_field"}),
    );
    check(&shop, "metafield_definition", &text, &json!({"/name": "Spoilt", "/pinnedPosition": 1}), &mut ids)
        .await;
}

#[tokio::test]
async fn markets_and_web_presences() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let presence = |number: u32, suffix: &str| {
        json!({"id": gid("MarketWebPresence", number), "alternateLocales": [], "defaultLocale": {"locale": "en"}, "domain": null,
            "subfolderSuffix": suffix})
    };
    let alps = presence(1, "alps");
    check(&shop, "web_presence", &alps, &json!({"/subfolderSuffix": "spoilt"}), &mut ids).await;
    restore(&shop, "web_presence", &presence(2, "lakes"), None, &mut ids).await;
    let market = json!({"id": gid("Market", 1), "name": "Alps", "handle": "alps", "status": "ACTIVE", "type": "REGION",
        "conditions": {"locationsCondition": null, "regionsCondition": {"applicationLevel": "SPECIFIED", "regions": [
            {"code": "AT"}, {"code": "BY", "country": {"code": "DE"}}]}},
        "currencySettings": {"baseCurrency": {"currencyCode": "EUR", "manualRate": "1.5"}, "localCurrencies": true, "roundingEnabled": false},
        "priceInclusions": null, "webPresences": [{"id": gid("MarketWebPresence", 1)}], "metafields": metafield("a")});
    let changes = json!({"/name": "Spoilt", "/status": "DRAFT", "/currencySettings/localCurrencies": false,
        "/priceInclusions": {"adaptivePricingEnabled": false, "inclusiveDutiesPricingStrategy": "INCLUDE_DUTIES_IN_PRICE",
            "inclusiveTaxPricingStrategy": "ADD_TAXES_AT_CHECKOUT"}});
    check(&shop, "market", &market, &changes, &mut ids).await;
    let plain = with(
        &market,
        &json!({"/id": gid("Market", 2), "/handle": "plain", "/name": "Plain", "/conditions": null,
        "/type": "NONE", "/currencySettings": null}),
    );
    let settings = json!({"baseCurrency": {"currencyCode": "EUR", "manualRate": null}, "localCurrencies": true, "roundingEnabled": true});
    check(&shop, "market", &plain, &json!({"/currencySettings": settings}), &mut ids).await;
}

#[tokio::test]
async fn what_was_added_to_a_market_since_stays_and_what_was_taken_comes_back() {
    const UPDATE: &str = "mutation($id: ID!, $input: MarketUpdateInput!) { marketUpdate(id: $id, input: $input) { userErrors { message } } }";
    let (shop, mut ids) = (empty().await, IdMap::default());
    let market = json!({"id": gid("Market", 1), "name": "Alps", "handle": "alps", "status": "ACTIVE", "type": "REGION",
        "conditions": {"regionsCondition": {"applicationLevel": "SPECIFIED", "regions": [{"code": "AT"}, {"code": "CH"}]}},
        "currencySettings": null, "priceInclusions": null, "webPresences": [], "metafields": []});
    let made = restore(&shop, "market", &market, None, &mut ids).await;
    let moved = json!({"conditionsToDelete": {"regionsCondition": {"regions": [{"countryCode": "CH"}]}},
        "conditionsToAdd": {"regionsCondition": {"regions": [{"countryCode": "IT"}]}}});
    shop.owner(UPDATE, json!({"id": made["id"], "input": {"conditions": moved}})).await;
    let live = shop.payload("market", made["id"].as_str().unwrap()).await.unwrap();
    let live = restore(&shop, "market", &market, Some(&live), &mut ids).await;
    let mut codes: Vec<&str> = live["conditions"]["regionsCondition"]["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| region["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, ["AT", "CH", "IT"]);
    // A control: what another active market has is refused, and told.
    let other = with(&market, &json!({"/id": gid("Market", 2), "/handle": "other", "/name": "Other"}));
    let applied = shop.restore("market", &other, None).await;
    assert!(applied.problems[0].contains("another active market"), "{:?}", applied.problems);
}

#[tokio::test]
async fn a_domain_and_what_an_app_brings_cannot_be_made() {
    let shop = empty().await;
    let cannot = |name: &str, wanted: &Value| {
        matches!(shop.plan(name, wanted, None).action, PlanAction::Cannot { .. })
    };
    let presence = json!({"id": gid("MarketWebPresence", 1), "alternateLocales": [], "defaultLocale": {"locale": "en"},
        "domain": {"host": "alps.example"}, "subfolderSuffix": null});
    assert!(cannot("web_presence", &presence));
    assert!(!cannot("web_presence", &with(&presence, &json!({"/subfolderSuffix": "alps"}))));
    let market = |kind: &str| json!({"id": gid("Market", 1), "name": "A", "handle": "a", "status": "DRAFT", "type": kind, "conditions": null});
    assert!(cannot("market", &market("CHANNEL")));
    assert!(!cannot("market", &market("NONE")));
    // The shop's own address is the same thing in every shop.
    let own = with(&presence, &json!({"/domain/host": "elsewhere.myshopify.com"}));
    assert!(shop.look("web_presence", Lookup::Natural(&own)).await.is_some());
    assert!(shop.look("web_presence", Lookup::Natural(&presence)).await.is_none());
}

#[tokio::test]
async fn price_lists_and_catalogs() {
    let (shop, mut ids) =
        (Practice::open(Settings { products: 2, ..Settings::empty() }).await, IdMap::default());
    let variants = shop.ids("productVariants").await;
    let money = |amount: &str| json!({"amount": amount, "currencyCode": "EUR"});
    let breaks = json!({"edges": [{"node": {"id": gid("QuantityPriceBreak", 1), "minimumQuantity": 10, "price": money("3.0")}}]});
    let list = json!({"id": gid("PriceList", 1), "name": "Regulars", "currency": "EUR",
        "parent": {"adjustment": {"type": "PERCENTAGE_DECREASE", "value": 5.0}, "settings": {"compareAtMode": "NULLIFY"}},
        "prices": [
            {"variant": {"id": variants[0]}, "price": money("5.0"), "compareAtPrice": money("6.0"), "originType": "FIXED", "quantityPriceBreaks": breaks},
            {"variant": {"id": variants[1]}, "price": money("7.0"), "compareAtPrice": null, "originType": "FIXED", "quantityPriceBreaks": {"edges": []}}],
        "quantityRules": [{"productVariant": {"id": variants[0]}, "minimum": 2, "maximum": null, "increment": 2, "isDefault": false, "originType": "FIXED"}]});
    let changes = json!({"/name": "Spoilt", "/parent/adjustment/value": 9.5, "/prices/1/price/amount": "8.5", "/quantityRules/0/minimum": 4});
    check(&shop, "price_list", &list, &changes, &mut ids).await;
    let market = |number: u32, handle: &str| {
        json!({"id": gid("Market", number), "name": handle, "handle": handle, "status": "DRAFT", "type": "NONE", "conditions": null,
            "currencySettings": null, "priceInclusions": null, "webPresences": [], "metafields": []})
    };
    for (number, handle) in [(1, "alps"), (2, "lakes")] {
        restore(&shop, "market", &market(number, handle), None, &mut ids).await;
    }
    let catalog = json!({"__typename": "MarketCatalog", "id": gid("MarketCatalog", 1), "title": "Alps", "status": "ACTIVE",
        "markets": [{"id": gid("Market", 1)}], "priceList": {"id": gid("PriceList", 1)},
        "publication": {"id": gid("Publication", 77), "autoPublish": false, "includedProducts": [{"id": shop.ids("products").await[0]}]}});
    check(&shop, "catalog", &catalog, &json!({"/title": "Spoilt", "/status": "DRAFT"}), &mut ids).await;
}

#[tokio::test]
async fn whom_a_catalog_is_for_since_stays_and_whom_it_was_for_comes_back() {
    const MOVE: &str = "mutation($id: ID!, $add: CatalogContextInput, $remove: CatalogContextInput) { catalogContextUpdate(catalogId: $id, contextsToAdd: $add, contextsToRemove: $remove) { userErrors { message } } }";
    let (shop, mut ids) = (empty().await, IdMap::default());
    let mut markets = Vec::new();
    for (number, handle) in [(1, "alps"), (2, "lakes"), (3, "coast")] {
        let market = json!({"id": gid("Market", number), "name": handle, "handle": handle, "status": "DRAFT", "type": "NONE",
            "conditions": null, "currencySettings": null, "priceInclusions": null, "webPresences": [], "metafields": []});
        markets.push(restore(&shop, "market", &market, None, &mut ids).await["id"].clone());
    }
    let catalog = json!({"__typename": "MarketCatalog", "id": gid("MarketCatalog", 1), "title": "Alps", "status": "DRAFT",
        "markets": [{"id": gid("Market", 1)}, {"id": gid("Market", 2)}], "priceList": null, "publication": null});
    let made = restore(&shop, "catalog", &catalog, None, &mut ids).await;
    let moved =
        json!({"id": made["id"], "add": {"marketIds": [markets[2]]}, "remove": {"marketIds": [markets[1]]}});
    shop.owner(MOVE, moved).await;
    let live = shop.payload("catalog", made["id"].as_str().unwrap()).await.unwrap();
    let live = restore(&shop, "catalog", &catalog, Some(&live), &mut ids).await;
    assert_eq!(live["markets"].as_array().unwrap().len(), 3, "{live}");
}

#[tokio::test]
async fn a_price_list_in_another_currency_is_left_alone_and_told() {
    let shop = empty().await;
    let list = |currency: &str| {
        json!({"id": gid("PriceList", 1), "name": "Regulars", "currency": currency, "quantityRules": [],
        "parent": {"adjustment": {"type": "PERCENTAGE_DECREASE", "value": 5.0}, "settings": {"compareAtMode": "ADJUSTED"}},
        "prices": [{"variant": {"id": gid("ProductVariant", 1)}, "price": {"amount": "5.0", "currencyCode": currency}, "originType": "FIXED"}]})
    };
    let plan = shop.plan("price_list", &list("EUR"), Some(&list("CHF")));
    assert_eq!((&plan.action, plan.losses.len()), (&PlanAction::Skip, 1), "{plan:?}");
    let bare = with(&list("EUR"), &json!({"/prices": []}));
    assert_eq!(shop.plan("price_list", &list("EUR"), Some(&bare)).action, PlanAction::Update, "a control");
}

#[tokio::test]
async fn translations_belong_to_the_text_as_it_is_now() {
    const RENAME: &str = "mutation($id: ID!, $page: PageUpdateInput!) { pageUpdate(id: $id, page: $page) { userErrors { message } } }";
    let (shop, mut ids) = (empty().await, IdMap::default());
    for locale in ["de", "fr"] {
        let language = json!({"locale": locale, "name": locale, "primary": false, "published": true});
        restore(&shop, "locale", &language, None, &mut ids).await;
    }
    let page = json!({"id": gid("Page", 1), "handle": "about", "title": "About", "body": "<p>Us</p>", "isPublished": true, "publishedAt": null});
    let made = restore(&shop, "page", &page, None, &mut ids).await;
    let german = |title: &str| {
        json!({"id": gid("Page", 1) + "?locale=de", "resourceId": gid("Page", 1), "locale": "de",
        "translations": [{"key": "body_html", "locale": "de", "value": "<p>Wir</p>"}, {"key": "title", "locale": "de", "value": title}]})
    };
    let present = format!("{}?locale=de", made["id"].as_str().unwrap());
    assert_eq!(shop.payload("translation", &present).await, None, "a control");
    let live = restore(&shop, "translation", &german("Über uns"), None, &mut ids).await;
    assert_eq!(live["id"], present);
    let found = with(&german("Über uns"), &json!({"/resourceId": made["id"]}));
    assert_eq!(shop.look("translation", Lookup::Natural(&found)).await.unwrap()["id"], present);
    // The text changes: what it was called before is written with the digest that it has now.
    shop.owner(RENAME, json!({"id": made["id"], "page": {"title": "About us all"}})).await;
    let outdated = shop.payload("translation", &present).await.unwrap();
    assert!(
        outdated["translations"].as_array().unwrap().iter().any(|one| one["outdated"] == true),
        "{outdated}"
    );
    let live = restore(&shop, "translation", &german("Wir alle"), Some(&outdated), &mut ids).await;
    assert!(live["translations"].as_array().unwrap().iter().all(|one| one["outdated"] == false), "{live}");
    shop.store.delete(kind("translation"), &present).await.unwrap();
    assert_eq!(shop.payload("translation", &present).await, None);
    restore(&shop, "translation", &german("Wir alle"), None, &mut ids).await;
    // What has no text any more, and a language that the shop does not have, are told.
    let mut lost = german("Wir alle");
    lost["translations"][0]["key"] = json!("summary_html");
    let applied = shop.try_restore("translation", &lost, None, &ids, &Memory::default()).await.unwrap();
    assert!(applied.problems[0].contains("`summary_html`"), "{:?}", applied.problems);
    let italian = with(&german("Su di noi"), &json!({"/id": gid("Page", 1) + "?locale=it", "/locale": "it"}));
    let applied = shop.try_restore("translation", &italian, None, &ids, &Memory::default()).await.unwrap();
    assert!(applied.problems[0].contains("not a language of the shop"), "{:?}", applied.problems);
}

#[tokio::test]
async fn segments_and_script_tags() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let segment = json!({"id": gid("Segment", 1), "name": "Came back", "query": "number_of_orders > 1"});
    let changes = json!({"/name": "Spoilt", "/query": "number_of_orders > 9"});
    check(&shop, "segment", &segment, &changes, &mut ids).await;
    let script = json!({"id": gid("ScriptTag", 1), "src": "https://scripts.example.com/a.js", "displayScope": "ALL", "cache": true});
    check(&shop, "script_tag", &script, &json!({"/displayScope": "ONLINE_STORE", "/cache": false}), &mut ids)
        .await;
}

#[tokio::test]
async fn a_query_that_names_things_by_their_numbers_is_told() {
    let shop = empty().await;
    let segment = |query: &str| json!({"id": gid("Segment", 1), "name": "Buyers", "query": query});
    let losses = |query: &str| shop.plan("segment", &segment(query), None).losses.len();
    assert_eq!(losses("products_purchased MATCHES (id: 2012162031638)"), 2);
    assert_eq!(losses("number_of_orders > 1"), 1, "only that it gets a new id");
}

#[tokio::test]
async fn customers() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let customer = json!({"id": gid("Customer", 1), "firstName": "Ann", "lastName": "Bee", "note": "vip", "tags": ["b", "a"],
        "taxExempt": false, "taxExemptions": [], "locale": "en",
        "addressesV2": [{"id": format!("{}?model_name=CustomerAddress", gid("MailingAddress", 1)), "address1": "Way 1", "address2": null,
            "city": "Berlin", "company": null, "countryCodeV2": "DE", "firstName": "Ann", "lastName": "Bee", "phone": null,
            "provinceCode": null, "zip": "01234"}],
        "defaultAddress": {"id": format!("{}?model_name=CustomerAddress", gid("MailingAddress", 1))},
        "defaultEmailAddress": {"emailAddress": "ann@example.com", "marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN",
            "marketingUpdatedAt": "2026-01-01T00:00:00Z", "sourceLocation": null},
        "defaultPhoneNumber": null, "metafields": metafield("a")});
    let changes = json!({"/note": "spoilt", "/defaultEmailAddress/marketingState": "UNSUBSCRIBED", "/addressesV2/0/zip": "99999"});
    check(&shop, "customer", &customer, &changes, &mut ids).await;
}

#[tokio::test]
async fn draft_orders() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let line = json!({"id": gid("DraftOrderLineItem", 1), "quantity": 2, "variant": null, "title": "Engraving", "sku": null, "taxable": true,
        "requiresShipping": false, "originalUnitPriceWithCurrency": {"amount": "3.00", "currencyCode": "EUR"}, "weight": null,
        "appliedDiscount": null, "customAttributes": []});
    let draft = json!({"id": gid("DraftOrder", 1), "name": "#D1", "status": "OPEN", "note2": "n", "email": "ann@example.com", "phone": null,
        "tags": ["a"], "taxExempt": false, "customAttributes": [{"key": "k", "value": "v"}], "appliedDiscount": null,
        "billingAddress": null, "shippingAddress": null, "shippingLine": null, "purchasingEntity": null, "lineItems": [line], "metafields": []});
    let first = restore(&shop, "draft_order", &draft, None, &mut ids).await;
    assert_eq!(first["tags"], json!(["a"]), "the mark is taken away");
    let changed = with(&draft, &json!({"/note2": "spoilt", "/lineItems/0/quantity": 5}));
    let second = restore(&shop, "draft_order", &changed, Some(&first), &mut ids).await;
    restore(&shop, "draft_order", &draft, Some(&second), &mut ids).await;
    // An answer that was lost: found again by the mark.
    let count = shop.ids("draftOrders").await.len();
    let other = with(&draft, &json!({"/id": gid("DraftOrder", 2)}));
    shop.running.set_faults(Fault::parse_list("lost-answer:draftOrderCreate").unwrap());
    restore(&shop, "draft_order", &other, None, &mut ids).await;
    assert_eq!(shop.ids("draftOrders").await.len(), count + 1, "one, not two");
}

#[tokio::test]
async fn locations_policies_and_languages() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let location = json!({"id": gid("Location", 1), "name": "Attic", "isActive": true, "isFulfillmentService": false,
        "fulfillsOnlineOrders": true, "address": {"address1": "Way 1", "address2": null, "city": "Berlin", "countryCode": "DE",
            "phone": null, "provinceCode": null, "zip": "01234"}, "metafields": []});
    check(&shop, "location", &location, &json!({"/name": "Spoilt", "/address/city": "Spoilt"}), &mut ids)
        .await;
    let locale = json!({"locale": "fr", "name": "French", "primary": false, "published": true});
    check(&shop, "locale", &locale, &json!({"/published": false}), &mut ids).await;
}

#[tokio::test]
async fn stock_only_when_asked_for_and_only_what_is_still_as_it_was_read() {
    let shop = Practice::open(Settings { products: 4, customers: 0, orders: 0, ..Settings::default() }).await;
    let ids = IdMap::default();
    let mut before = Value::Null;
    for product in shop.ids("products").await {
        let product = shop.payload("product", &product).await.unwrap();
        let item = product["variants"][0]["inventoryItem"]["id"].as_str().unwrap();
        let item = shop.payload("inventory_item", item).await.unwrap();
        if item["inventoryLevels"].as_array().is_some_and(|levels| !levels.is_empty()) {
            before = item;
        }
    }
    let id = before["id"].as_str().unwrap();
    let level = &before["inventoryLevels"][0];
    let available = |item: &Value| {
        let quantities = item["inventoryLevels"][0]["quantities"].as_array().unwrap().clone();
        quantities.iter().find(|one| one["name"] == "available").unwrap()["quantity"].as_i64().unwrap()
    };
    let set = "mutation($input: InventorySetQuantitiesInput!, $key: String!) {
        inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { message } } }";
    let to = |quantity: i64| {
        json!({"name": "available", "reason": "correction", "quantities": [{"inventoryItemId": id, "locationId": level["location"]["id"],
            "quantity": quantity, "changeFromQuantity": null}]})
    };
    let sold = available(&before) + 7;
    shop.owner(set, json!({"input": to(sold), "key": "one"})).await;
    let live = shop.payload("inventory_item", id).await.unwrap();
    assert_eq!(shop.plan("inventory_item", &before, Some(&live)).action, PlanAction::Skip);
    let options = RestoreOptions { stock: true, ..RestoreOptions::default() };
    let media = practice::Stored::default();
    // Somebody bought one since we looked: the platform refuses, and we say so.
    shop.owner(set, json!({"input": to(sold - 1), "key": "two"})).await;
    let journal = Memory::default();
    let refused = shop
        .restore_with("inventory_item", &before, Some(&live), &ids, &journal, &options, &media)
        .await
        .unwrap();
    assert_eq!(refused.problems.len(), 1, "{:?}", refused.problems);
    let live = shop.payload("inventory_item", id).await.unwrap();
    assert_eq!(available(&live), sold - 1);
    let done = shop
        .restore_with("inventory_item", &before, Some(&live), &ids, &journal, &options, &media)
        .await
        .unwrap();
    assert_eq!(done.problems, Vec::<String>::new());
    let after = shop.payload("inventory_item", id).await.unwrap();
    assert_eq!(available(&after), available(&before));
}

#[tokio::test]
async fn what_there_is_only_one_of() {
    let (shop, mut ids) = (empty().await, IdMap::default());
    let live = shop.look("shop", Lookup::Natural(&json!({}))).await.unwrap();
    let mut wanted = live.clone();
    wanted["metafields"] = metafield("a");
    restore(&shop, "shop", &wanted, Some(&live), &mut ids).await;
    let policy = json!({"id": gid("ShopPolicy", 1), "type": "REFUND_POLICY", "body": "<p>30 days</p>"});
    let live = shop.look("policy", Lookup::Natural(&policy)).await;
    let live = restore(&shop, "policy", &policy, live.as_ref(), &mut ids).await;
    restore(&shop, "policy", &with(&policy, &json!({"/body": "<p>14 days</p>"})), Some(&live), &mut ids)
        .await;
}
