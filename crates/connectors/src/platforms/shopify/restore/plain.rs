//! Kinds with one mutation that makes an item and one that changes it, over one table of fields.

use serde_json::{Map, Value};

use super::draft::Draft;
use super::field::Field;
use super::step::{Call, Step, variables};

/// How such a kind is written.
#[derive(Debug)]
pub(super) struct Plain {
    /// Makes an item.
    pub(super) create: &'static Call,
    /// Changes one.
    pub(super) update: &'static Call,
    /// The variable that holds the input; empty: each field is a variable of its own.
    pub(super) input: &'static str,
    /// Under which name the answer holds what was made.
    pub(super) node: &'static str,
    /// Where the update takes the item's id.
    pub(super) id: IdIn,
    /// The table.
    pub(super) fields: &'static [Field],
}

/// Where an update takes the item's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdIn {
    /// In a variable of its own.
    Variable,
    /// In the input.
    Input,
}

/// Draws up the item's own fields.
pub(super) fn draft(draft: &mut Draft<'_>, plain: &Plain) {
    let input = draft.fields(plain.fields, "", draft.wanted, draft.live);
    write(draft, plain, input);
}

/// The step that writes the item's own fields, if there are any to write.
pub(super) fn write(draft: &mut Draft<'_>, plain: &Plain, mut input: Map<String, Value>) {
    if draft.is_birth() {
        return draft.step(Step::birth(plain.create, plain.node, held(plain, input)));
    }
    if input.is_empty() {
        return;
    }
    let id = ("id".to_owned(), draft.me());
    let input = match plain.id {
        IdIn::Variable => {
            let mut variables = held(plain, input);
            variables.extend([id]);
            variables
        }
        IdIn::Input => {
            input.extend([id]);
            held(plain, input)
        }
    };
    draft.call(plain.update, "the item's own fields", input);
}

/// The variables that say the input.
fn held(plain: &Plain, input: Map<String, Value>) -> Map<String, Value> {
    if plain.input.is_empty() { input } else { variables([(plain.input, Value::Object(input))]) }
}

/// Says that an item which is made anew gets a new id.
pub(super) fn new_id(draft: &mut Draft<'_>, what: &str) {
    if draft.is_birth() {
        draft.losses.push(format!("{what} comes back with a new id and a new date of creation."));
    }
}
