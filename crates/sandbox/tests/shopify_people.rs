//! Customers, orders, draft orders and discounts as a restore writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use sandbox::shopify::Settings;
use serde_json::{Value, json};
use support::Shop;

const SET: &str = "mutation($k: CustomerSetIdentifiers, $c: CustomerSetInput!) { customerSet(identifier: $k, input: $c) { customer { id displayName defaultEmailAddress { emailAddress marketingState } addressesV2(first: 5) { nodes { id address1 countryCodeV2 } } } userErrors { field message code } } }";

#[tokio::test]
async fn customers_are_set_by_mail_and_lose_the_addresses_left_out() {
    let shop = Shop::start(Settings::empty()).await;
    let address = |street: &str| json!({ "address1": street, "city": "Sampleton", "countryCode": "DE" });
    let key = json!({ "email": "aldor.1@example.com" });
    let input = |addresses: Value| json!({ "k": key, "c": { "email": "aldor.1@example.com", "firstName": "Customer", "lastName": "Aldor 1", "addresses": addresses } });
    let first =
        shop.change(SET, input(json!([address("1 Street"), address("2 Street")]))).await["customer"].clone();
    assert_eq!(first["displayName"], "Customer Aldor 1");
    assert_eq!(first["defaultEmailAddress"]["marketingState"], "NOT_SUBSCRIBED");
    let second = shop.change(SET, input(json!([address("2 Street")]))).await["customer"].clone();
    assert_eq!(second["id"], first["id"]);
    assert_eq!(
        second["addressesV2"]["nodes"],
        json!([first["addressesV2"]["nodes"][1]]),
        "the address that stays keeps its id"
    );
    let create = "mutation($c: CustomerInput!) { customerCreate(input: $c) { customer { id } userErrors { field message } } }";
    assert_eq!(
        shop.refused(create, json!({ "c": { "email": "ALDOR.1@example.com" } })).await[0]["message"],
        "Email has already been taken"
    );
    assert_eq!(
        shop.refused(create, json!({ "c": { "email": "no address" } })).await[0]["message"],
        "Email is invalid"
    );
    assert_eq!(shop.refused(create, json!({ "c": {} })).await[0]["field"], Value::Null);
    shop.change(create, json!({ "c": { "email": "benmar.2@example.com" } })).await;
    let consent = "mutation($i: CustomerEmailMarketingConsentUpdateInput!) { customerEmailMarketingConsentUpdate(input: $i) { customer { defaultEmailAddress { marketingState marketingOptInLevel marketingUpdatedAt } } userErrors { field message } } }";
    let given = json!({ "marketingState": "SUBSCRIBED", "marketingOptInLevel": "CONFIRMED_OPT_IN", "consentUpdatedAt": "2026-01-02T03:04:05Z" });
    let changed = shop
        .change(consent, json!({ "i": { "customerId": first["id"], "emailMarketingConsent": given } }))
        .await;
    assert_eq!(
        changed["customer"]["defaultEmailAddress"],
        json!({ "marketingState": "SUBSCRIBED", "marketingOptInLevel": "CONFIRMED_OPT_IN", "marketingUpdatedAt": "2026-01-02T03:04:05Z" })
    );
    shop.change("mutation($id: ID!) { customerDelete(input: { id: $id }) { deletedCustomerId userErrors { message } } }", json!({ "id": first["id"] })).await;
}

#[tokio::test]
async fn an_order_keeps_its_name_and_gets_a_new_number() {
    let shop = Shop::start(Settings { products: 2, customers: 1, orders: 1, ..Settings::empty() }).await;
    let data = shop.data("{ productVariants(first: 1) { nodes { id sku price inventoryQuantity } } customers(first: 1) { nodes { id } } orders(first: 1) { nodes { name number } } }", json!({})).await;
    let variant = data["productVariants"]["nodes"][0].clone();
    let create = "mutation($o: OrderCreateOrderInput!, $p: OrderCreateOptionsInput) { orderCreate(order: $o, options: $p) { order { id name number processedAt createdAt displayFinancialStatus totalPriceSet { shopMoney { amount } } customer { numberOfOrders } lineItems(first: 5) { nodes { sku quantity originalUnitPriceSet { shopMoney { amount currencyCode } } } } transactions { kind amountSet { shopMoney { amount } } } } userErrors { field message code } } }";
    let order = json!({ "name": "OLD-77", "processedAt": "2025-05-06T07:08:09Z", "customer": { "toAssociate": { "id": data["customers"]["nodes"][0]["id"] } }, "lineItems": [{ "variantId": variant["id"], "quantity": 2 }],
        "transactions": [{ "kind": "SALE", "status": "SUCCESS", "amountSet": { "shopMoney": { "amount": "1.00", "currencyCode": "EUR" } } }] });
    let made = shop.change(create, json!({ "o": order })).await["order"].clone();
    assert_eq!(
        (made["name"].as_str(), made["number"].as_i64()),
        (Some("OLD-77"), Some(data["orders"]["nodes"][0]["number"].as_i64().unwrap() + 1))
    );
    assert_eq!(
        (made["processedAt"].as_str(), made["displayFinancialStatus"].as_str()),
        (Some("2025-05-06T07:08:09Z"), Some("PARTIALLY_PAID"))
    );
    assert_ne!(made["createdAt"], made["processedAt"]);
    assert_eq!(made["customer"]["numberOfOrders"], "2");
    let price: f64 = variant["price"].as_str().unwrap().parse().unwrap();
    assert_eq!(made["totalPriceSet"]["shopMoney"]["amount"], format!("{:.2}", price * 2.0));
    assert_eq!(made["lineItems"]["nodes"][0]["sku"], variant["sku"]);
    let stock = "query($id: ID!) { productVariant(id: $id) { inventoryQuantity } }";
    let left = async || {
        shop.data(stock, json!({ "id": variant["id"] })).await["productVariant"]["inventoryQuantity"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(
        left().await,
        variant["inventoryQuantity"].as_i64().unwrap(),
        "stock is left alone unless asked"
    );
    shop.change(create, json!({ "o": order, "p": { "inventoryBehaviour": "DECREMENT_IGNORING_POLICY" } }))
        .await;
    assert_eq!(left().await, variant["inventoryQuantity"].as_i64().unwrap() - 2);
    shop.refused(create, json!({ "o": { "lineItems": [] } })).await;
    let wrong = json!({ "lineItems": [{ "variantId": "gid://shopify/ProductVariant/1", "quantity": 1 }] });
    assert_eq!(shop.refused(create, json!({ "o": wrong })).await[0]["message"], "Variant does not exist");
    let update =
        "mutation($i: OrderInput!) { orderUpdate(input: $i) { order { note tags } userErrors { message } } }";
    assert_eq!(
        shop.change(update, json!({ "i": { "id": made["id"], "note": "N", "tags": ["t"] } })).await["order"],
        json!({ "note": "N", "tags": ["t"] })
    );
}

#[tokio::test]
async fn refunds_and_fulfilments_are_history_of_an_order() {
    let shop = Shop::start(Settings {
        products: 5,
        customers: 3,
        orders: 40,
        query_cost_max: u64::MAX,
        ..Settings::empty()
    })
    .await;
    let data = shop.data("{ orders(first: 40) { nodes { id displayFinancialStatus totalRefundedSet { shopMoney { amount } } refunds { id note refundLineItems(first: 5) { nodes { quantity lineItem { id } } } } fulfillments { id status fulfillmentLineItems(first: 5) { nodes { quantity lineItem { id } } } trackingInfo { number } } lineItems(first: 5) { nodes { id } } } } }", json!({})).await;
    let orders = data["orders"]["nodes"].as_array().unwrap();
    let refunded =
        orders.iter().find(|order| order["refunds"] != json!([])).expect("one of forty was refunded");
    assert_eq!(
        refunded["refunds"][0]["refundLineItems"]["nodes"][0]["lineItem"]["id"],
        refunded["lineItems"]["nodes"][0]["id"]
    );
    assert_ne!(refunded["totalRefundedSet"]["shopMoney"]["amount"], "0.00");
    assert!(refunded["displayFinancialStatus"].as_str().unwrap().contains("REFUNDED"));
    let sent = orders.iter().find(|order| order["fulfillments"] != json!([])).expect("one of forty was sent");
    assert!(sent["fulfillments"][0]["trackingInfo"][0]["number"].as_str().unwrap().starts_with("PT"));
    let plain = orders.iter().find(|order| order["refunds"] == json!([])).unwrap();
    let refund = "mutation($i: RefundInput!) { refundCreate(input: $i) @idempotent(key: \"r\") { refund { id note } userErrors { field message } } }";
    let input = |quantity: i64| json!({ "i": { "orderId": plain["id"], "note": "Back", "refundLineItems": [{ "lineItemId": plain["lineItems"]["nodes"][0]["id"], "quantity": quantity, "restockType": "NO_RESTOCK" }] } });
    shop.refused(&refund.replace("\"r\"", "\"s\""), input(99)).await;
    assert_eq!(shop.change(refund, input(1)).await["refund"]["note"], "Back");
}

#[tokio::test]
async fn drafts_count_their_totals() {
    let shop = Shop::start(Settings { products: 1, ..Settings::empty() }).await;
    let create = "mutation($i: DraftOrderInput!) { draftOrderCreate(input: $i) { draftOrder { id name status note2 totalPriceSet { shopMoney { amount } } totalDiscountsSet { shopMoney { amount } } lineItems(first: 5) { nodes { title custom quantity } } } userErrors { field message } } }";
    let input = json!({ "i": { "note": "By phone", "lineItems": [{ "title": "Engraving", "originalUnitPriceWithCurrency": { "amount": "10.00", "currencyCode": "EUR" }, "quantity": 3 }], "appliedDiscount": { "valueType": "PERCENTAGE", "value": 10.0 } } });
    let made = shop.change(create, input).await["draftOrder"].clone();
    assert_eq!(
        (made["name"].as_str(), made["note2"].as_str(), made["status"].as_str()),
        (Some("#D1"), Some("By phone"), Some("OPEN"))
    );
    assert_eq!(made["totalPriceSet"]["shopMoney"]["amount"], "27.00");
    assert_eq!(made["lineItems"]["nodes"][0], json!({ "title": "Engraving", "custom": true, "quantity": 3 }));
    shop.refused(create, json!({ "i": { "lineItems": [] } })).await;
    let update = "mutation($id: ID!) { draftOrderUpdate(id: $id, input: { tags: [\"x\"] }) { draftOrder { tags } userErrors { message } } }";
    assert_eq!(shop.change(update, json!({ "id": made["id"] })).await["draftOrder"]["tags"], json!(["x"]));
}

#[tokio::test]
async fn discounts_of_each_sort_read_back_as_written() {
    let shop = Shop::start(Settings { products: 3, ..Settings::default() }).await;
    let product = shop.data("{ products(first: 1) { nodes { id } } }", json!({})).await["products"]["nodes"]
        [0]["id"]
        .clone();
    let basic = "mutation($d: DiscountCodeBasicInput!) { discountCodeBasicCreate(basicCodeDiscount: $d) { codeDiscountNode { id codeDiscount { ... on DiscountCodeBasic { title status usageLimit codes(first: 5) { nodes { code } } minimumRequirement { ... on DiscountMinimumSubtotal { greaterThanOrEqualToSubtotal { amount } } } customerGets { items { ... on DiscountProducts { products(first: 5) { nodes { id } } } } value { ... on DiscountPercentage { percentage } } } } } } userErrors { field message code } } }";
    let input = json!({ "d": { "title": "Half", "code": "HALF", "startsAt": "2026-01-01T00:00:00Z", "usageLimit": 5, "context": { "all": "ALL" }, "minimumRequirement": { "subtotal": { "greaterThanOrEqualToSubtotal": "20" } },
        "customerGets": { "value": { "percentage": 0.5 }, "items": { "products": { "productsToAdd": [product] } } } } });
    let made = shop.change(basic, input.clone()).await["codeDiscountNode"].clone();
    let discount = &made["codeDiscount"];
    assert_eq!((discount["status"].as_str(), discount["usageLimit"].as_i64()), (Some("ACTIVE"), Some(5)));
    assert_eq!(discount["customerGets"]["items"]["products"]["nodes"], json!([{ "id": product }]));
    assert_eq!(discount["customerGets"]["value"]["percentage"], 0.5);
    assert_eq!(discount["minimumRequirement"]["greaterThanOrEqualToSubtotal"]["amount"], "20.00");
    assert_eq!(shop.refused(basic, input).await[0]["code"], "TAKEN");
    let ends = json!({ "d": { "title": "Ends", "code": "ENDS", "startsAt": "2026-02-01T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z", "customerGets": { "value": { "percentage": 0.5 }, "items": { "all": true } } } });
    assert_eq!(shop.refused(basic, ends).await[0]["code"], "END_DATE_BEFORE_START_DATE");
    let bxgy = "mutation($d: DiscountCodeBxgyInput!) { discountCodeBxgyCreate(bxgyCodeDiscount: $d) { codeDiscountNode { codeDiscount { ... on DiscountCodeBxgy { customerBuys { value { ... on DiscountQuantity { quantity } } } customerGets { value { ... on DiscountOnQuantity { quantity { quantity } effect { ... on DiscountPercentage { percentage } } } } } } } } userErrors { field message code } } }";
    let items = json!({ "products": { "productsToAdd": [product] } });
    let made = shop
        .change(bxgy, json!({ "d": { "title": "Two for", "code": "TWOFOR", "startsAt": "2026-01-01T00:00:00Z", "customerBuys": { "items": items, "value": { "quantity": "2" } }, "customerGets": { "items": items, "value": { "discountOnQuantity": { "quantity": "1", "effect": { "percentage": 1.0 } } } } } }))
        .await;
    assert_eq!(made["codeDiscountNode"]["codeDiscount"]["customerBuys"]["value"]["quantity"], "2");
    assert_eq!(
        made["codeDiscountNode"]["codeDiscount"]["customerGets"]["value"],
        json!({ "quantity": { "quantity": "1" }, "effect": { "percentage": 1.0 } })
    );
    let free = "mutation($d: DiscountAutomaticFreeShippingInput!) { discountAutomaticFreeShippingCreate(freeShippingAutomaticDiscount: $d) { automaticDiscountNode { id automaticDiscount { ... on DiscountAutomaticFreeShipping { status destinationSelection { ... on DiscountCountries { countries } } maximumShippingPrice { amount } } } } userErrors { field message code } } }";
    let made = shop.change(free, json!({ "d": { "title": "Shipped", "startsAt": "2027-01-01T00:00:00Z", "maximumShippingPrice": "9.90", "destination": { "countries": { "add": ["DE"] } } } })).await["automaticDiscountNode"].clone();
    assert_eq!(
        made["automaticDiscount"],
        json!({ "status": "SCHEDULED", "destinationSelection": { "countries": ["DE"] }, "maximumShippingPrice": { "amount": "9.90" } })
    );
    let all =
        shop.data("{ discountNodes(first: 50) { nodes { id discount { __typename } } } }", json!({})).await;
    let kinds: std::collections::BTreeSet<_> = all["discountNodes"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["discount"]["__typename"].as_str().unwrap())
        .collect();
    assert!(kinds.len() >= 5, "{kinds:?}");
    let by_code = shop.data("{ codeDiscountNodeByCode(code: \"half\") { id } }", json!({})).await;
    assert!(by_code["codeDiscountNodeByCode"]["id"].is_string());
    shop.change("mutation($id: ID!) { discountAutomaticDelete(id: $id) { deletedAutomaticDiscountId userErrors { message } } }", json!({ "id": made["id"] })).await;
}

#[tokio::test]
async fn a_segment_has_a_name_of_its_own_and_a_condition() {
    const CREATE: &str = "mutation($n: String!, $q: String!) { segmentCreate(name: $n, query: $q) { segment { id name query creationDate lastEditDate } userErrors { field message } } }";
    const UPDATE: &str = "mutation($id: ID!, $n: String) { segmentUpdate(id: $id, name: $n) { segment { name query } userErrors { field message } } }";
    let shop = Shop::start(Settings::empty()).await;
    let made = shop.change(CREATE, json!({ "n": "Came back", "q": "number_of_orders > 1" })).await["segment"]
        .clone();
    assert_eq!(made["creationDate"], made["lastEditDate"]);
    let refused = shop.refused(CREATE, json!({ "n": "Came back", "q": "number_of_orders > 2" })).await;
    assert_eq!(refused[0]["field"], json!(["name"]));
    for query in ["", "everybody", "NUMBER > 1"] {
        let refused = shop.refused(CREATE, json!({ "n": "Others", "q": query })).await;
        assert_eq!(refused[0]["field"], json!(["query"]), "{query}");
    }
    let renamed = shop.change(UPDATE, json!({ "id": made["id"], "n": "Regulars" })).await["segment"].clone();
    assert_eq!(renamed, json!({ "name": "Regulars", "query": "number_of_orders > 1" }));
    shop.change(CREATE, json!({ "n": "Came back", "q": "number_of_orders > 2" })).await;
    shop.refused(UPDATE, json!({ "id": made["id"], "n": "Came back" })).await;
}

#[tokio::test]
async fn the_code_of_a_gift_card_is_shown_to_nobody() {
    let shop = Shop::start(Settings { products: 3, customers: 3, orders: 3, ..Settings::empty() }).await;
    let query = "{ giftCards(first: 5) { nodes { maskedCode lastCharacters isRedeemable balance { amount currencyCode } customer { id } } } }";
    let cards = shop.data(query, json!({})).await["giftCards"]["nodes"].clone();
    assert_eq!(cards[0]["lastCharacters"], "7gh2");
    assert_eq!(cards[0]["balance"], json!({ "amount": "25.50", "currencyCode": "EUR" }));
    assert_eq!((&cards[0]["isRedeemable"], &cards[1]["isRedeemable"]), (&json!(true), &json!(false)));
    shop.running.set_access(&["read_customers", "read_orders"], true);
    let refused = shop.ask(query, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
}

#[tokio::test]
async fn a_gift_card_outlives_whom_it_was_given_to() {
    const CARDS: &str = "{ giftCards(first: 5) { nodes { id customer { id } recipientAttributes { message recipient { id } } } } }";
    let shop = Shop::start(Settings { products: 2, customers: 6, orders: 1, ..Settings::default() }).await;
    let cards = async || shop.data(CARDS, json!({})).await["giftCards"]["nodes"].clone();
    let before = cards().await;
    let given = before.as_array().unwrap().iter().find(|card| !card["customer"].is_null()).unwrap().clone();
    let (bought, given_to) = (&given["customer"]["id"], &given["recipientAttributes"]["recipient"]["id"]);
    assert!(bought.is_string() && given_to.is_string(), "{before}");
    let delete = "mutation($id: ID!) { customerDelete(input: {id: $id}) { deletedCustomerId userErrors { message } } }";
    let after = async |gone: &Value| {
        shop.data(delete, json!({ "id": gone })).await;
        cards().await.as_array().unwrap().iter().find(|card| card["id"] == given["id"]).unwrap().clone()
    };
    let one = after(given_to).await;
    assert_eq!((&one["customer"]["id"], &one["recipientAttributes"]), (bought, &Value::Null));
    assert_eq!(after(bought).await["customer"], Value::Null);
}
