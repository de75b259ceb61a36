//! The entry points in ordinary tests.

use corpus::Target;
use serde_json::json;

use super::*;

const TARGETS: &[Target] = &[
    Target { name: "picker", run: picker, seeds: picks, mutations: 5_000 },
    Target { name: "ingest_lines", run: ingest_lines, seeds: files, mutations: 5_000 },
    Target { name: "plan_file", run: plan_file, seeds: plans, mutations: 2_000 },
    Target { name: "record_fields", run: record_fields, seeds: versions, mutations: 3_000 },
];

#[test]
fn what_must_hold_of_any_bytes_holds() {
    corpus::replay(TARGETS).unwrap();
}

fn picks() -> Vec<Vec<u8>> {
    let texts = [
        "/id\t/title\n{\"id\":\"gid://shopify/Product/1\",\"title\":\"Tea\"}",
        "/a/b\t/a\n{\"x\":[1,2.5e-3,{\"b\":null}],\"a\":{\"b\":\"\\u00e9\\n\",\"c\":true}}",
        "/a/b\n{\"a\":{\"b\":1},\"a\":3}",
        "/a\t/a/b/c\n{\"a\":{\"b\":{\"c\":[-7]}}}",
        "/0/id\t/1\n[{\"id\":7},[]]",
        "/~1~0\t/\n{\"/~\":1,\"\":2}",
        "/id\n18446744073709551615",
        "/a\n{\"\\u0061\":\"\\ud83d\\ude00\"}",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn files() -> Vec<Vec<u8>> {
    let texts = [
        "product\t/id\n{\"id\":1,\"title\":\"Tea\"}\n{\"id\":\"2\",\"name\":\"Pot\"}\n",
        "customer\t/id\t/person\n{\"id\":1,\"person\":9}\r\n\n  \n{\"id\":2,\"person\":null}",
        "thing\t/a/b\t/c\n{\"a\":{\"b\":\"x\"},\"c\":\"y\",\"sku\":[1]}\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn plans() -> Vec<Vec<u8>> {
    let head = format!("{:020}-{:020}-{}-{}", 3, 7, "0a".repeat(16), "0b".repeat(32));
    let ask = json!({
        "format": 1, "tenant": "default", "connection": "shop", "target": "shop", "selection": { "revert": [3, 4] },
        "kinds": ["product"], "ids": [], "options": connectors::contract::RestoreOptions::default(), "head": head,
        "items": [], "orders": [], "requests": 2, "cost": 20, "seconds": 0.2,
    });
    let item = |plan: Value| {
        let mut item = json!({ "kind": "product", "id": "gid://shopify/Product/1", "live_id": null });
        if let (Some(item), Value::Object(plan)) = (item.as_object_mut(), plan) {
            item.extend(plan);
        }
        item
    };
    let drawn = connectors::contract::ItemPlan {
        action: connectors::contract::PlanAction::Update,
        fields: vec![FieldChange {
            path: "/weight".into(),
            from: json!(1.1),
            to: json!(423.209_170_872_713_23),
        }],
        losses: vec![],
        requests: 1,
        cost: 10,
    };
    let mut full = ask.clone();
    full["items"] = json!([item(serde_json::to_value(drawn).unwrap())]);
    [ask, full, json!([])].map(|plan| plan.to_string().into_bytes()).into()
}

fn versions() -> Vec<Vec<u8>> {
    let texts = [
        "{\"a\":1}\n{\"a\":2}\n{\"a\":2,\"b\":3}",
        "{\"v\":[{\"id\":\"1\",\"p\":1},{\"id\":\"2\"}]}\n{\"v\":[{\"id\":\"1\",\"p\":2}]}\n{\"v\":[{\"id\":\"1\",\"p\":2}]}",
        "{\"t\":[\"x\",\"y\"]}\n{\"t\":[\"y\",\"x\"]}\n{\"t\":[]}",
        "1\n2\n3",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
