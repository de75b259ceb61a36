//! The whole state as JSON, for tests that compare stores rather than what somebody read from them.

use serde_json::{Map, Value as Json};

use super::store::Store;
use super::value::{Gid, Kind};

/// Kinds that say how a store was used and not what it holds.
const TRACES: &[Kind] = &[
    Kind::BasicEvent,
    Kind::BulkOperation,
    Kind::DiscountRedeemCodeBulkCreation,
    Kind::Job,
    Kind::WebhookSubscription,
    Kind::AppInstallation,
    Kind::App,
];

/// Kind to id to fields, in the order of ids. Fields that hold their default are left out.
pub(crate) fn dump(store: &Store) -> Json {
    let mut all = Map::new();
    for kind in Kind::ALL.iter().filter(|kind| !TRACES.contains(kind)) {
        let rows = &store.table(*kind).rows;
        if rows.is_empty() {
            continue;
        }
        let rows = rows.iter().map(|(number, obj)| {
            let mut fields = obj.to_json();
            // When a file was processed is of the past.
            fields.as_object_mut().and_then(|fields| fields.remove("readyAt"));
            (Gid::new(*kind, *number).to_string(), fields)
        });
        let rows = rows.collect();
        all.insert(kind.name().to_owned(), Json::Object(rows));
    }
    Json::Object(all)
}
