//! Lists that the API changes by adding and removing: what is missing is added, and taken away what the state had
//! that is taken back. What was added since stays.

use serde_json::{Map, Value};

use super::draft::Draft;
use super::links;
use super::place;

/// A list of items that a thing names.
pub(super) struct Ids {
    /// Where they stand in the payload.
    pub(super) at: &'static str,
    /// Where they go when the thing is made; empty: by a call of their own.
    pub(super) born: &'static str,
    /// Where those go that are missing.
    pub(super) add: &'static str,
    /// Where those go that are to be taken away.
    pub(super) remove: &'static str,
}

impl Ids {
    /// What leads from the live list to the wanted one.
    pub(super) fn moved(&self, draft: &Draft<'_>) -> Moved {
        Moved::of(draft, self.at, id_of, marker)
    }

    /// Says it in an input.
    pub(super) fn write(&self, draft: &mut Draft<'_>, input: &mut Map<String, Value>) {
        let moved = self.moved(draft);
        let named = if draft.is_birth() { self.born } else { self.add };
        if moved.is_nothing() || (!draft.is_birth() && !note(draft, self.at)) {
            return;
        }
        for (name, list) in [(named, moved.add), (self.remove, moved.remove)] {
            if !list.is_empty() {
                place::put(input, name, Value::Array(list));
            }
        }
    }
}

fn id_of(one: &Value) -> Option<String> {
    place::id_of(one).map(str::to_owned)
}

fn marker(one: &Value) -> Value {
    place::id_of(one).map_or(Value::Null, links::id)
}

/// Inputs that lead from the elements that are there to those that are wanted.
pub(super) struct Moved {
    /// What is missing, with markers for ids.
    pub(super) add: Vec<Value>,
    /// What is there and is to be taken away.
    pub(super) remove: Vec<Value>,
}

impl Moved {
    /// Of the list at a place. `name` is what an element is known by, an id or a text, and `make` is its input.
    pub(super) fn of(
        draft: &Draft<'_>,
        at: &str,
        name: impl Fn(&Value) -> Option<String>,
        make: impl Fn(&Value) -> Value,
    ) -> Self {
        let list = |of: Option<&'_ Value>| of.map_or(&[][..], |of| place::list(of, at)).to_vec();
        let (wanted, live, former) = (list(Some(draft.wanted)), list(draft.live), list(draft.former));
        let now = |one: &Value| name(one).map(|old| draft.links.now(&old).to_owned());
        let kept: Vec<String> = wanted.iter().filter_map(now).collect();
        let there: Vec<String> = live.iter().filter_map(&name).collect();
        let gone: Vec<String> = former.iter().filter_map(now).filter(|one| !kept.contains(one)).collect();
        let is_in = |list: &[String], name: Option<String>| name.is_some_and(|name| list.contains(&name));
        let (add, remove) = (wanted.iter(), live.iter());
        Self {
            add: add.filter(|one| !is_in(&there, now(one))).map(&make).collect(),
            remove: remove
                .filter(|one| is_in(&gone, name(one)))
                .map(|one| draft.links.as_it_is(&make(one)))
                .collect(),
        }
    }

    /// Whether there is nothing to write.
    pub(super) fn is_nothing(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// Notes that what stands at a place changes, unless it may not be touched. True where it was noted.
pub(super) fn note(draft: &mut Draft<'_>, at: &str) -> bool {
    let value = |of: Option<&'_ Value>| of.and_then(|of| place::at(of, at)).cloned().unwrap_or_default();
    let (from, to) = (value(draft.live), value(Some(draft.wanted)));
    draft.change(format!("/{at}"), &from, &to)
}
