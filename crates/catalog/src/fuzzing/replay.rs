//! The entry points in ordinary tests.

use corpus::Target;
use serde_json::json;

use super::*;

const TARGETS: &[Target] =
    &[Target { name: "catalog_question", run: catalog_question, seeds: questions, mutations: 400 }];

/// One of each sort, about the worker's own connection and about the other.
fn questions() -> Vec<Vec<u8>> {
    let at = Timestamp::UNIX_EPOCH;
    let id = "00112233445566778899aabbccddeeff";
    let of = |name: &str| {
        let (own, target) = (json!({ "tenant": "t", "connection": name }), json!(name));
        let lease =
            json!({ "tenant": "t", "connection": name, "holder": id, "generation": 1, "expires_at": at });
        let entry = json!({
            "connection": name, "target": target, "old": { "kind": "product", "id": "1" }, "new_id": "2", "restore": id,
            "recorded_at": at,
        });
        let restore = json!({
            "id": id, "connection": name, "target": target, "plan_digest": "d", "undo_of": null, "state": "applying",
            "created_at": at, "changed_at": at,
        });
        let head = json!({ "number": 2, "generation": 2, "commit": "2-2-abc" });
        let with = |more: serde_json::Value| {
            let mut all = own.clone();
            for (key, value) in more.as_object().into_iter().flatten() {
                all[key] = value.clone();
            }
            all
        };
        let request =
            json!({ "holder": id, "seen_generation": 0, "now": at, "ttl": { "secs": 60, "nanos": 0 } });
        let connection = connection(if name == "files" { "jsonl" } else { "shopify" }, name);
        vec![
            ("catalog.connection.read", own.clone()),
            ("catalog.connection.set", with(json!({ "settings": {} }))),
            (
                "catalog.connection.put",
                json!({ "connection": connection, "name": "token", "sealed": [1], "at": at }),
            ),
            ("catalog.credential.put", with(json!({ "name": "token", "sealed": [1, 2], "at": at }))),
            ("catalog.credential.read", with(json!({ "name": "token" }))),
            ("catalog.head.read", own.clone()),
            ("catalog.head.advance", with(json!({ "lease": null, "expected": null, "new": head }))),
            ("catalog.lease.seize", with(json!({ "request": request }))),
            ("catalog.lease.raise", json!({ "lease": lease, "seen_generation": 4 })),
            ("catalog.lease.release", json!({ "lease": lease })),
            ("catalog.restore.add", json!({ "tenant": "t", "restore": restore })),
            ("catalog.restore.read", json!({ "tenant": "t", "id": id })),
            (
                "catalog.restore.move",
                json!({ "tenant": "t", "id": id, "states": ["applying", "done"], "at": at }),
            ),
            ("catalog.step.intend", json!({ "tenant": "t", "id": id, "steps": ["a"], "at": at })),
            (
                "catalog.step.finish",
                json!({
                    "tenant": "t", "id": id, "results": [{ "step": "a", "state": "done", "ledger": entry }], "at": at,
                }),
            ),
            ("catalog.ledger.record", json!({ "tenant": "t", "entries": [entry] })),
            ("catalog.ledger.list", with(json!({ "after": 0 }))),
            ("catalog.tenant.list", json!({})),
        ]
    };
    let all = of("files").into_iter().chain(of("shop"));
    all.map(|(name, text)| format!("{name}\n{text}").into_bytes()).collect()
}

#[test]
fn what_must_hold_of_any_bytes_holds() {
    corpus::replay(TARGETS).unwrap();
}
