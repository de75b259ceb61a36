//! What a restore touches, as it was before: sealed piece by piece before the first write, and read by an undo.

use std::collections::BTreeMap;

use connectors::contract::{IdMap, RestoreOptions};
use domain::{Action, Id128, Kind, RecordKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::look::Parts;
use super::pieces::{Pieces, States, piece_name, read_piece, state_name};
use super::plan::Selection;
use super::refer::{Tag, tag_of};
use crate::error::{FlowError, Result};
use crate::fields::{Place, Step, differences};

/// How names of what is saved end; see [`repository::SAVED`].
pub(super) const BEFORE: &str = "before";

/// An item as it was before the restore touched it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) kind: Kind,
    pub(super) id: Box<str>,
    pub(super) live_id: Option<Box<str>>,
    /// `None`: it was not there.
    pub(super) live: Option<Value>,
    /// What the restore makes of one that was there, in the words of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wanted: Option<Value>,
    /// It comes into being with another item, and goes with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) follows: bool,
    /// It was not there when the restore began, which has made it; somebody edited it before the restore went on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) own: bool,
}

impl Before {
    pub(super) fn key(&self) -> RecordKey {
        RecordKey { kind: self.kind.clone(), id: self.id.clone() }
    }
}

/// What the pieces of one restore belong to; sealed after them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) options: RestoreOptions,
    pub(super) selection: Selection,
    /// How many pieces there are.
    pub(super) pieces: u64,
    /// What the restore had touched first is gone, or about to be: a person was erased before it went on, or it is old.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) erased: bool,
}

impl Saved {
    /// What a restore touched; `None` where nothing of it is there any more: an erasure deletes it.
    ///
    /// # Errors
    /// A lack of integrity, where some of it is there without the rest.
    pub(super) async fn read(states: &States<'_>, restore: Id128) -> Result<Option<Self>> {
        let saved = states.get(&state_name(restore, BEFORE), Action::Restore).await?;
        if saved.is_none() {
            let first: Option<Value> = states.get(&piece_name(restore, 0, BEFORE), Action::Restore).await?;
            if first.is_some() {
                let why = format!("what restore {restore} touched is saved only in part");
                return Err(FlowError::Integrity(why));
            }
        }
        Ok(saved)
    }

    /// Notes that what a restore touched is about to be deleted: a deletion that is interrupted must not look like damage.
    pub(super) async fn forget(states: &States<'_>, restore: Id128) -> Result<()> {
        let name = state_name(restore, BEFORE);
        match states.get::<Self>(&name, Action::Restore).await? {
            Some(head) if !head.erased => {
                states.put_json(&name, &Self { pieces: 0, erased: true, ..head }).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn piece(&self, states: &States<'_>, restore: Id128, piece: u64) -> Result<Vec<Before>> {
        read_piece(states, restore, piece, BEFORE, Action::Restore).await
    }
}

/// What is about to be touched, on its way into the store.
pub(super) struct Saving<'a> {
    states: States<'a>,
    restore: Id128,
    head: Saved,
    pieces: Pieces<'a>,
    /// What an interrupted attempt saved: whether an item was there, and a digest of what it was at last.
    known: BTreeMap<RecordKey, Known>,
    added: bool,
}

struct Known {
    was_there: bool,
    last: Option<Tag>,
}

impl<'a> Saving<'a> {
    /// Saves for a new restore.
    pub(super) fn new(parts: &'a Parts<'_>, restore: Id128) -> Self {
        let ask = parts.ask;
        let head = Saved {
            options: ask.options.clone(),
            selection: ask.selection.clone(),
            pieces: 0,
            erased: false,
        };
        Self::after(parts, restore, head)
    }

    fn after(parts: &'a Parts<'_>, restore: Id128, head: Saved) -> Self {
        let states = parts.states();
        let pieces = Pieces::after(head.pieces, states, restore, BEFORE, &parts.limits);
        Self { states, restore, head, pieces, known: BTreeMap::new(), added: false }
    }

    /// Goes on with what an interrupted attempt saved. Where an erasure has deleted that, it begins anew.
    pub(super) async fn resume(parts: &'a Parts<'_>, restore: Id128) -> Result<Self> {
        let states = parts.states();
        let Some(head) = Saved::read(&states, restore).await? else {
            let mut anew = Self::new(parts, restore);
            anew.head.erased = true;
            // Before its pieces: without it they would look like what is left of a damaged store.
            states.put_json(&state_name(restore, BEFORE), &anew.head).await?;
            return Ok(anew);
        };
        let mut known: BTreeMap<RecordKey, Known> = BTreeMap::new();
        for piece in 0..head.pieces {
            for before in head.piece(&states, restore, piece).await? {
                let last = before.live.as_ref().map(tag_of);
                let was_there = last.is_some() && !before.own;
                let known = known.entry(before.key()).or_insert(Known { was_there, last });
                *known = Known { was_there: known.was_there || was_there, last };
            }
        }
        Ok(Self { known, ..Self::after(parts, restore, head) })
    }

    /// Adds an item, unless it is saved as it is now. `begun` says whether this restore took steps to make it: then one
    /// that was not there is its own.
    pub(super) async fn add(&mut self, before: Before, begun: bool) -> Result<()> {
        let known = self.known.get(&before.key());
        if known.is_some_and(|known| known.last == before.live.as_ref().map(tag_of)) {
            return Ok(());
        }
        let own = begun && known.is_some_and(|known| !known.was_there);
        self.added = true;
        self.pieces.push(&Before { own, ..before }).await
    }

    /// Makes all of it durable.
    // INVARIANT (saved before touched): no write goes to the platform before this has returned.
    pub(super) async fn end(self) -> Result<()> {
        let pieces = self.pieces.end().await?;
        if self.added || self.head.pieces == 0 {
            let head = Saved { pieces, ..self.head };
            self.states.put_json(&state_name(self.restore, BEFORE), &head).await?;
        }
        Ok(())
    }
}

/// What an undo leads to where an item was saved again, because somebody had edited it before an interrupted restore
/// went on: as it was at `first`, with the values that somebody set since. What the restore itself had made of it by
/// then, in part, is none of these: values that it `wanted`, and whatever came in addition.
pub(super) fn with_edits(first: &Value, wanted: &Value, later: &Value, volatile: &[&str]) -> Value {
    let mut with = first.clone();
    for difference in differences(first, later) {
        let place = &difference.place;
        // What came in addition stays by itself, if it is not the restore's.
        let Some(was) = &difference.from else { continue };
        let made = place.get(wanted);
        let own = difference.to.as_ref() == made || is_mixed(was, made, difference.to.as_ref());
        if !own && !volatile.iter().any(|pointer| place.is_within(pointer)) && is_settable(place) {
            place.set(&mut with, difference.to);
        }
    }
    with
}

/// Whether a list holds nothing but what one of the two holds.
fn is_mixed(was: &Value, made: Option<&Value>, now: Option<&Value>) -> bool {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
    let (Some(was), Some(now)) = (list(Some(was)), list(now)) else { return false };
    let made = list(made).unwrap_or_default();
    now.iter().all(|one| was.contains(one) || made.contains(one))
}

/// An item keeps its id.
fn is_settable(place: &Place) -> bool {
    !matches!(place.0.last(), Some(Step::Field(name)) if name == "id")
}

/// The payload with the ids that are known now.
pub(super) fn renamed(payload: &Value, ids: &IdMap) -> Value {
    match payload {
        Value::String(id) => ids.resolve(id).into(),
        Value::Array(elements) => elements.iter().map(|one| renamed(one, ids)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, one)| (name.clone(), renamed(one, ids))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_somebody_set_in_between_is_told_from_what_the_restore_set() {
        let first = json!({"id": "g/1", "title": "spoilt", "body": "old", "tags": ["a"], "updatedAt": "1",
            "variants": [{"id": "v/1", "price": "1"}, {"id": "v/2", "price": "2"}]});
        let wanted = json!({"id": "g/1", "title": "good", "body": "good", "tags": ["b"], "updatedAt": "0",
            "variants": [{"id": "v/1", "price": "10"}, {"id": "v/2", "price": "20"}, {"id": "v/3", "price": "30"}]});
        let check = |later: Value, expected: Value| {
            assert_eq!(with_edits(&first, &wanted, &later, &["/updatedAt"]), expected, "{later}");
        };
        // Half of the restore, and nobody else.
        let half = json!({"id": "g/1", "title": "good", "body": "old", "tags": ["a", "b"], "updatedAt": "2",
            "variants": [{"id": "v/1", "price": "10"}, {"id": "v/2", "price": "2"}, {"id": "v/9", "price": "30"}]});
        check(half.clone(), first.clone());
        // The same, and its owner.
        let mut edited = half;
        edited["body"] = json!("new");
        edited["variants"][1]["price"] = json!("3");
        edited["tags"] = json!(["a", "mine"]);
        let mut expected = first.clone();
        expected["body"] = json!("new");
        expected["variants"][1]["price"] = json!("3");
        expected["tags"] = json!(["a", "mine"]);
        check(edited, expected);
        // A part that its owner deleted.
        let mut expected = first.clone();
        expected["variants"].as_array_mut().unwrap().remove(0);
        check(expected.clone(), expected);
    }
}
