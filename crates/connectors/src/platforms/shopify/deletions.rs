//! What was deleted since a time, from the platform's own list.

use domain::{Kind, Removal};
use serde_json::{Value, json};

use super::Shopify;
use super::documents::DELETED;
use super::pages::{LISTED_MAX, WINDOW_ITEMS, cut_short, following};
use crate::contract::{Fault, Spool};

/// Tells the spool of everything of the kind that was deleted since `time`.
pub(super) async fn report(
    shop: &Shopify,
    kind: &Kind,
    deleted_as: &str,
    time: &str,
    spool: &dyn Spool,
) -> Result<(), Fault> {
    let mut place = Place { since: time.to_owned(), after: None, seen: 0 };
    loop {
        let query =
            format!("action:destroy AND created_at:>='{}' AND subject_type:{deleted_as}", place.since);
        let variables = json!({ "first": 250, "after": place.after, "query": query });
        let data = shop.query(DELETED, variables).await?;
        let events =
            data.get("events").ok_or_else(|| Fault::Malformed("deletions are not told".to_owned()))?;
        let nodes = events.get("nodes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for event in nodes {
            let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
            // The search is the platform's; what it means is ours to check.
            if text("action") == "destroy"
                && text("subjectType") == deleted_as
                && !text("subjectId").is_empty()
            {
                spool.removed(kind.clone(), text("subjectId").into(), Removal::Deleted).await?;
            }
        }
        if !place.turn(events.get("pageInfo").unwrap_or(&Value::Null), nodes)? {
            return Ok(());
        }
    }
}

/// Where the reading is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The time from which this window lists.
    since: String,
    /// Where the next page begins.
    after: Option<String>,
    /// Events of this window so far.
    seen: u64,
}

impl Place {
    /// Moves behind a page. Whether there is another: a window that grows too long for one listing ends, and the next
    /// begins at its last event's time.
    fn turn(&mut self, info: &Value, events: &[Value]) -> Result<bool, Fault> {
        self.seen += events.len() as u64;
        let Some(after) = following(info, self.after.as_deref(), "deletions")? else {
            return if self.seen >= LISTED_MAX { Err(cut_short("deletions")) } else { Ok(false) };
        };
        self.after = Some(after);
        let last = events.last().and_then(|event| event.get("createdAt")?.as_str());
        // The same window again would never end.
        if let Some(last) = last.filter(|last| self.seen >= WINDOW_ITEMS && *last != self.since) {
            *self = Self { since: last.to_owned(), after: None, seen: 0 };
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_read_in_windows_and_one_that_is_cut_short_is_told() {
        let (more, last) = (json!({"hasNextPage": true, "endCursor": "c"}), json!({"hasNextPage": false}));
        let events = [json!({"createdAt": "2026-01-02T00:00:00Z"})];
        let at = |since: &str, after: Option<&str>, seen| Place {
            since: since.to_owned(),
            after: after.map(str::to_owned),
            seen,
        };
        let check = |seen, since: &str, info: &Value, expected: Result<Option<Place>, ()>| {
            let mut place = at(since, Some("b"), seen);
            let turned = place.turn(info, &events).map(|more| more.then_some(place)).map_err(|_| ());
            assert_eq!(turned, expected, "{seen} since {since}");
        };
        let (old, new) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        check(0, old, &more, Ok(Some(at(old, Some("c"), 1))));
        check(0, old, &last, Ok(None));
        check(WINDOW_ITEMS, old, &more, Ok(Some(at(new, None, 0))));
        check(WINDOW_ITEMS, new, &more, Ok(Some(at(new, Some("c"), WINDOW_ITEMS + 1))));
        check(LISTED_MAX - 2, old, &last, Ok(None));
        check(LISTED_MAX - 1, old, &last, Err(()));
    }
}
