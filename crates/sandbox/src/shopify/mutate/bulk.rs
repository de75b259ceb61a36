//! Bulk operations, as mutations start and stop them; and bulk mutations as they run.

use std::sync::{Arc, PoisonError};

use serde_json::{Value as Json, json};

use super::{Call, Errors, Outcome, Row, media, refuse};
use crate::shopify::bulk::{CONCURRENT_MAX, Ended, finish, start, stopping};
use crate::shopify::graphql;
use crate::shopify::running::Shop;
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

/// Lines of a bulk mutation's file that are written at once.
const LINES_PER_CHUNK: usize = 1_000;

pub(super) const ROWS: &[Row] = &[
    ("bulkOperationRunQuery", run_query),
    ("bulkOperationRunMutation", run_mutation),
    ("bulkOperationCancel", cancel),
];

fn running(store: &Store, of_type: &str) -> usize {
    let active =
        |operation: &Obj| matches!(operation.str("status"), Some("CREATED" | "RUNNING" | "CANCELING"));
    store
        .table(Kind::BulkOperation)
        .rows
        .values()
        .filter(|operation| operation.str("type") == Some(of_type) && active(operation))
        .count()
}

fn add(store: &mut Store, fields: Obj) -> Gid {
    let now = store.now;
    let operation = fields
        .with("status", "CREATED")
        .with("createdAt", Val::Time(now))
        .with("objectCount", 0_i64)
        .with("rootObjectCount", 0_i64);
    let gid = store.insert(Kind::BulkOperation, operation);
    store.changes.retain(|change| change.gid != gid);
    store.bulk_started.push(gid);
    gid
}

fn run_query(store: &mut Store, call: &Call<'_>) -> Outcome {
    let query = call.text("query").unwrap_or_default();
    if let Some(reason) = crate::shopify::bulk::refuse(call.shop, call.viewer, query) {
        return refuse(&["query"], reason, "INVALID");
    }
    if running(store, "QUERY") >= CONCURRENT_MAX {
        return refuse(
            &[],
            format!("At most {CONCURRENT_MAX} bulk query operations can run at once."),
            "LIMIT_REACHED",
        );
    }
    let grouped = call.args.get("groupObjects").and_then(Json::as_bool).unwrap_or(false);
    let gid = add(store, obj! { "query": Val::text(query), "type": "QUERY", "groupObjects": grouped });
    Errors::default().payload(obj! { "bulkOperation": gid })
}

fn run_mutation(store: &mut Store, call: &Call<'_>) -> Outcome {
    let mutation = call.text("mutation").unwrap_or_default();
    let parsed = match graphql::parse(call.shop, mutation) {
        Ok(parsed) => parsed,
        Err(refusal) => {
            return refuse(&["mutation"], format!("Invalid mutation: {refusal}"), "INVALID_MUTATION");
        }
    };
    if !parsed.operations.get(None).is_ok_and(|operation| operation.is_mutation()) {
        return refuse(
            &["mutation"],
            "Invalid mutation: exactly one mutation is needed.",
            "INVALID_MUTATION",
        );
    }
    let Some(lines) = media::staged_text(call, call.text("stagedUploadPath").unwrap_or_default()) else {
        return refuse(&["stagedUploadPath"], "The file does not exist.", "NO_SUCH_FILE");
    };
    if running(store, "MUTATION") >= CONCURRENT_MAX {
        return refuse(
            &[],
            format!("At most {CONCURRENT_MAX} bulk mutation operations can run at once."),
            "LIMIT_REACHED",
        );
    }
    let gid = add(store, obj! { "query": Val::text(mutation), "type": "MUTATION", "lines": lines });
    Errors::default().payload(obj! { "bulkOperation": gid })
}

fn cancel(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::BulkOperation, "id") else {
        return refuse(&["id"], "Bulk operation does not exist", "INVALID");
    };
    // Nothing runs any more that could notice a wish to stop.
    let stuck = store.get(gid).is_some_and(|operation| operation.flag("stuck") == Some(true));
    match store.get(gid).and_then(|operation| operation.str("status")) {
        Some("RUNNING") if stuck => store.edit_silently(gid, |operation| operation.set("status", "CANCELED")),
        Some("CREATED") => store.edit_silently(gid, |operation| operation.set("status", "CANCELED")),
        Some("RUNNING") => store.edit_silently(gid, |operation| operation.set("status", "CANCELING")),
        _ => return refuse(&[], "A bulk operation cannot be canceled when it is completed", "INVALID"),
    }
    Errors::default().payload(obj! { "bulkOperation": gid })
}

/// Runs a bulk mutation: one line of variables after the other.
pub(crate) fn run(shop: &Arc<Shop>, gid: Gid) {
    let Some(operation) = start(shop, gid) else { return };
    let query = operation.str("query").unwrap_or_default();
    let mut ended = Ended::default();
    let mut text = String::new();
    for (number, line) in operation.str("lines").unwrap_or_default().lines().enumerate() {
        if stopping(shop, gid) {
            break;
        }
        let variables: Json = serde_json::from_str(line).unwrap_or(Json::Null);
        let answer = match graphql::parse(shop, query) {
            Ok(document) => graphql::run_line(shop, &document, &variables),
            Err(refusal) => json!({ "errors": refusal }),
        };
        text.push_str(&media::line(&answer, number));
        text.push('\n');
        ended.objects += 1;
        ended.roots += 1;
        if number % LINES_PER_CHUNK == LINES_PER_CHUNK - 1 {
            ended.blob.push(text.as_bytes());
            text.clear();
        }
    }
    ended.blob.push(text.as_bytes());
    finish(shop, gid, ended);
    let mut store = shop.store.write().unwrap_or_else(PoisonError::into_inner);
    store.edit_silently(gid, |operation| {
        operation.take("lines");
    });
}
