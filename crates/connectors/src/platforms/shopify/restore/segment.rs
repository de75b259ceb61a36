//! Segments of customers: a name, and the query that tells who belongs to it.

use super::draft::Draft;
use super::field::{Form, same};
use super::place;
use super::plain::{self, IdIn, Plain};
use super::step::Call;

static CREATE: Call =
    Call::new("segmentCreate", include_str!("../documents/write/segmentCreate.graphql"), 10);
static UPDATE: Call =
    Call::new("segmentUpdate", include_str!("../documents/write/segmentUpdate.graphql"), 10);

static SEGMENT: Plain = Plain {
    create: &CREATE,
    update: &UPDATE,
    input: "",
    node: "segment",
    id: IdIn::Variable,
    fields: &[same("name", Form::Plain), same("query", Form::Plain)],
};

/// Draws up a segment.
pub(super) fn segment(draft: &mut Draft<'_>) {
    plain::draft(draft, &SEGMENT);
    plain::new_id(draft, "The segment");
    let names_things = place::text(draft.wanted, "query").is_some_and(|query| query.contains("id:"));
    if draft.is_birth() && names_things {
        // The numbers in it belong to a language of its own, and may be those of things of any kind.
        draft.losses.push(
            "Its query names things by their numbers: those that were made anew must be named anew by hand."
                .to_owned(),
        );
    }
}
