//! The entry points in ordinary tests.

use corpus::Target;
use serde_json::json;

use super::*;

const TARGETS: &[Target] = &[
    Target { name: "bulk_lines", run: bulk_lines, seeds: results, mutations: 3_000 },
    Target { name: "api_answer", run: api_answer, seeds: answers, mutations: 800 },
    Target { name: "canonical_json", run: canonical_json, seeds: payloads, mutations: 3_000 },
    Target { name: "shopify_message", run: shopify_message, seeds: messages, mutations: 3_000 },
    Target { name: "shop_address", run: shop_address, seeds: addresses, mutations: 3_000 },
];

#[test]
fn what_must_hold_of_any_bytes_holds() {
    corpus::replay(TARGETS).unwrap();
}

fn turn_of(kind: &str) -> u8 {
    u8::try_from(KINDS.iter().position(|spec| spec.name == kind).unwrap()).unwrap()
}

fn results() -> Vec<Vec<u8>> {
    let result = |kind: &str, operation: u8, lines: &[Value]| {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        [&[turn_of(kind), operation][..], lines.join("\n").as_bytes()].concat()
    };
    let items = [
        json!({ "_of_variants": "V", "id": "gid://shopify/ProductVariant/2", "__parentId": "gid://shopify/Product/1", "position": 1 }),
        json!({ "id": "gid://shopify/Product/1", "title": "Tea", "updatedAt": "2026-11-25T00:00:00Z" }),
        json!({
            "_of_variants_metafields": "M", "_root": { "product": { "id": "gid://shopify/Product/1" } },
            "id": "gid://shopify/Metafield/3", "__parentId": "gid://shopify/ProductVariant/2",
        }),
    ];
    let media = [
        json!({ "id": "gid://shopify/Product/1" }),
        json!({ "_of_media": "M", "id": "gid://shopify/MediaImage/9", "__parentId": "gid://shopify/Product/1" }),
    ];
    let variant_media = [
        json!({ "id": "gid://shopify/ProductVariant/2", "product": { "id": "gid://shopify/Product/1" } }),
        json!({ "_of_variants_media": "M", "id": "gid://shopify/MediaImage/9", "__parentId": "gid://shopify/ProductVariant/2" }),
    ];
    let metaobjects = [
        json!({ "id": "gid://shopify/MetaobjectDefinition/1" }),
        json!({ "_of_item": "Metaobject", "id": "gid://shopify/Metaobject/1", "__parentId": "gid://shopify/MetaobjectDefinition/1" }),
    ];
    let orders = [json!({ "id": "gid://shopify/Order/1", "refunds": [{ "id": "gid://shopify/Refund/1" }] })];
    vec![
        result("product", 0, &items),
        result("product", 1, &media),
        result("product", 2, &variant_media),
        result("metaobject", 0, &metaobjects),
        result("order", 0, &orders),
        result("customer", 0, &[json!({ "id": "gid://shopify/Customer/1", "email": null })]),
    ]
}

fn answers() -> Vec<Vec<u8>> {
    let cost = |requested: f64, available: f64, rate: f64| {
        json!({ "cost": {
            "requestedQueryCost": requested, "actualQueryCost": 2,
            "throttleStatus": { "maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": rate },
        } })
    };
    let page = json!({ "nodes": [{ "id": "gid://shopify/ProductVariant/2", "position": 1 }], "pageInfo": { "hasNextPage": true, "endCursor": "c" } });
    let product = json!({ "id": "gid://shopify/Product/1", "title": "Tea", "variants": page });
    let good = json!({ "data": { "product": product }, "extensions": cost(12.0, 1988.0, 100.0) });
    let refused = json!({
        "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }], "extensions": cost(900.0, 3.5, 50.0),
    });
    let denied =
        json!({ "data": null, "errors": [{ "message": "no", "extensions": { "code": "ACCESS_DENIED" } }] });
    vec![
        format!("{good}\n{refused}\n{good}").into_bytes(),
        format!("{denied}\n{refused}\n2.0").into_bytes(),
        b"2.0".to_vec(),
    ]
}

fn payloads() -> Vec<Vec<u8>> {
    let of = |kind: &str, value: Value| [&[turn_of(kind)][..], value.to_string().as_bytes()].concat();
    vec![
        of(
            "product",
            json!({ "id": "gid://shopify/Product/1", "tags": ["b", "a"], "updatedAt": "x", "n": [1, 1.5, -0.0, null] }),
        ),
        of("collection", json!({ "products": [{ "id": "2" }, { "id": "1" }], "é": { "\u{1}": true } })),
        of("order", json!([])),
    ]
}

fn messages() -> Vec<Vec<u8>> {
    let of = |topic: &str, body: Value| {
        format!(
            "\u{1}x-shopify-topic: {topic}\nx-shopify-event-id: 98880550-7158\nx-shopify-triggered-at: 2026-11-25T00:00:00Z\n\n{body}"
        )
        .into_bytes()
    };
    vec![
        of(
            "products/update",
            json!({ "id": 7, "admin_graphql_api_id": "gid://shopify/Product/7", "updated_at": "2026-11-25T00:00:00Z" }),
        ),
        of("products/delete", json!({ "id": 7 })),
        of("inventory_levels/update", json!({ "inventory_item_id": 7, "location_id": 8 })),
        of("locales/destroy", json!({ "locale": "fr-CA", "published": true })),
        of(
            "customers/redact",
            json!({ "shop_id": 954_889, "customer": { "id": 191_167 }, "orders_to_redact": [1] }),
        ),
        of("orders/dreamt", json!({})),
    ]
}

fn addresses() -> Vec<Vec<u8>> {
    let secret = |text: &str| Secret::new(text);
    let credentials = [
        Credential::Static { access_token: secret("shpat_1"), client_secret: None },
        Credential::ClientCredentials { client_id: "id".to_owned(), client_secret: secret("shpss_1") },
        Credential::Offline {
            client_id: "id".to_owned(),
            client_secret: secret("a"),
            access_token: secret("b"),
            refresh_token: secret("c"),
            expires_at: Timestamp::UNIX_EPOCH,
        },
    ];
    let mut seeds: Vec<_> = credentials.iter().map(|credential| credential.to_bytes().unwrap()).collect();
    seeds.extend(
        ["https://example.myshopify.com", "example.myshopify.com", "https://[::1]:4433/a?b#c"]
            .map(|text| text.as_bytes().to_vec()),
    );
    let client_secret = Some(secret("shpss_1"));
    seeds.push(Credential::Static { access_token: secret("shpat_1"), client_secret }.to_bytes().unwrap());
    seeds
}

#[test]
fn a_figure_that_no_bucket_has_does_not_end_the_run() {
    let answer = |rate: f64| {
        json!({ "data": {}, "extensions": { "cost": {
            "requestedQueryCost": 1e300,
            "throttleStatus": { "maximumAvailable": 1e308, "currentlyAvailable": -1e308, "restoreRate": rate },
        } } })
    };
    for rate in [1e-300, 100.0] {
        assert!(api_answer(format!("{0}\n{0}\n{0}", answer(rate)).as_bytes()));
    }
}
