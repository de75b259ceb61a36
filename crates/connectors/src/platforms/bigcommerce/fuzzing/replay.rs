//! The entry points in ordinary tests.

use corpus::Target;
use serde_json::json;

use super::*;

const TARGETS: &[Target] =
    &[Target { name: "bigcommerce_message", run: bigcommerce_message, seeds: messages, mutations: 3_000 }];

#[test]
fn what_must_hold_of_any_bytes_holds() {
    corpus::replay(TARGETS).unwrap();
}

fn messages() -> Vec<Vec<u8>> {
    let of = |scope: &str, data: serde_json::Value| {
        let body = json!({ "producer": "stores/abc", "scope": scope, "data": data, "hash": "dd70c0976e06b67aaf", "created_at": 7 });
        format!("\u{1}webhook-id: msg_1\nwebhook-timestamp: 7\n\n{body}").into_bytes()
    };
    vec![
        of("store/product/created", json!({ "type": "product", "id": 205 })),
        of(
            "store/sku/updated",
            json!({ "type": "sku", "id": 461, "sku": { "product_id": 206, "variant_id": 509 } }),
        ),
        of(
            "store/priceList/records/updated",
            json!([{ "price_list_id": 1, "variant_id": 179 }, { "price_list_id": 2 }]),
        ),
        of("store/brand/metafield/created", json!({ "metafield_id": 16, "resource_id": "38" })),
        of("store/information/updated", json!({ "type": "store" })),
    ]
}
