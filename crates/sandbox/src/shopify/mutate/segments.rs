//! Segments of customers.

use super::{As, Call, Copy, Errors, Outcome, Row, copy, refuse};
use crate::shopify::store::Store;
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

pub(super) const ROWS: &[Row] =
    &[("segmentCreate", create), ("segmentUpdate", update), ("segmentDelete", delete)];

const FIELDS: &[Copy] = &[("name", "name", As::Same), ("query", "query", As::Same)];

/// What may stand between an attribute and its value.
const OPERATORS: &[&str] =
    &["=", "!=", ">", ">=", "<", "<=", "CONTAINS", "NOT", "BETWEEN", "IS", "MATCHES", "STARTS"];

/// Whether a text begins like a condition of the segments' language: an attribute, and an operator.
fn is_condition(query: &str) -> bool {
    let mut words = query.split_whitespace();
    let attribute = words.next().is_some_and(|word| {
        word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c))
    });
    attribute && words.next().is_some_and(|word| OPERATORS.contains(&word))
}

fn check(store: &Store, own: Option<Gid>, segment: &Obj, errors: &mut Errors) {
    let name = segment.str("name").unwrap_or_default().trim();
    if name.is_empty() {
        errors.add(&["name"], "Name can't be blank", "BLANK");
    } else if store.by_key(Kind::Segment, name).is_some_and(|other| Some(other) != own) {
        errors.add(&["name"], "Name has already been taken", "TAKEN");
    }
    if !is_condition(segment.str("query").unwrap_or_default()) {
        errors.add(&["query"], "Query is not a condition on customers", "INVALID");
    }
}

fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let (mut segment, mut errors) = (Obj::default(), Errors::default());
    copy(&mut segment, call.args, FIELDS);
    check(store, None, &segment, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    let gid = store.insert(Kind::Segment, segment);
    errors.payload(obj! { "segment": gid })
}

fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Segment, "id") else {
        return refuse(&["id"], "Segment does not exist", "NOT_FOUND");
    };
    let mut segment = store.get(gid).map(|segment| Obj::clone(segment)).unwrap_or_default();
    let mut errors = Errors::default();
    copy(&mut segment, call.args, FIELDS);
    check(store, Some(gid), &segment, &mut errors);
    if !errors.none() {
        return errors.payload(obj! {});
    }
    store.edit(gid, |old| *old = segment);
    errors.payload(obj! { "segment": gid })
}

fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let Some(gid) = call.gid(store, Kind::Segment, "id") else {
        return refuse(&["id"], "Segment does not exist", "NOT_FOUND");
    };
    store.remove(gid);
    Errors::default().payload(obj! { "deletedSegmentId": Val::Id(gid) })
}
