//! What was deleted since a time, from the platform's own list.

use domain::{Kind, Removal};
use serde_json::{Value, json};

use super::Shopify;
use super::documents::DELETED;
use crate::contract::{Fault, Spool};

/// Tells the spool of everything of the kind that was deleted since `time`.
pub(super) async fn report(
    shop: &Shopify,
    kind: &Kind,
    deleted_as: &str,
    time: &str,
    spool: &dyn Spool,
) -> Result<(), Fault> {
    let query = format!("action:destroy AND created_at:>='{time}' AND subject_type:{deleted_as}");
    let mut after = Value::Null;
    loop {
        let variables = json!({ "first": 250, "after": after, "query": query });
        let data = shop.query(DELETED, variables).await?;
        let events =
            data.get("events").ok_or_else(|| Fault::Malformed("deletions are not told".to_owned()))?;
        for event in events.get("nodes").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
            // The search is the platform's; what it means is ours to check.
            if text("action") == "destroy"
                && text("subjectType") == deleted_as
                && !text("subjectId").is_empty()
            {
                spool.removed(kind.clone(), text("subjectId").into(), Removal::Deleted).await?;
            }
        }
        if !events.pointer("/pageInfo/hasNextPage").and_then(Value::as_bool).unwrap_or(false) {
            return Ok(());
        }
        after = events.pointer("/pageInfo/endCursor").cloned().unwrap_or_default();
    }
}
