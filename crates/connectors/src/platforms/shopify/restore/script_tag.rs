//! Script tags: scripts that the online store loads.

use super::draft::Draft;
use super::field::{Form, same};
use super::plain::{self, IdIn, Plain};
use super::step::Call;

static CREATE: Call =
    Call::new("scriptTagCreate", include_str!("../documents/write/scriptTagCreate.graphql"), 10);
static UPDATE: Call =
    Call::new("scriptTagUpdate", include_str!("../documents/write/scriptTagUpdate.graphql"), 10);

static SCRIPT_TAG: Plain = Plain {
    create: &CREATE,
    update: &UPDATE,
    input: "input",
    node: "scriptTag",
    id: IdIn::Variable,
    fields: &[same("src", Form::Plain), same("displayScope", Form::Plain), same("cache", Form::Plain)],
};

/// Draws up a script tag.
pub(super) fn draft(draft: &mut Draft<'_>) {
    plain::draft(draft, &SCRIPT_TAG);
    plain::new_id(draft, "The script tag");
}
